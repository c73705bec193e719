//! `not_accepted_values`, `accepted_combinations`, `contains_values`, `most_common_in`.

use phlo_plugin::prelude::*;
use phlo_plugin::quality::{Value, quote};
use phlo_spec::text::{one_line, thousands};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{is_in, shown};
use crate::params::{self, invalid};
use crate::scalar::Scalar;

/// A column holds none of these values.
///
/// Texts are compared exactly, upper and lower case included. Null and NaN pass. An empty table passes. A value of another type than
/// the column's is refused. A violation is a row.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NotAcceptedValuesParams {
    /// The column.
    pub column: String,
    /// What it may not hold: all texts (dates and timestamps are texts), all numbers or all booleans.
    pub values: Vec<Scalar>,
}

/// Makes `not_accepted_values` checks.
#[derive(Debug)]
pub struct NotAcceptedValues;

impl Quality for NotAcceptedValues {
    type Params = NotAcceptedValuesParams;

    fn check(&self, params: NotAcceptedValuesParams, target: &CheckTarget) -> Result<CheckPlan> {
        let NotAcceptedValuesParams { column, values } = params;
        let (found, list) = (is_in(target, &column, &values)?, shown(&values));
        Ok(CheckPlan::new(
            check_name("not_accepted_values", &format!("{column}: {list}")),
            format!("{column} none of {list}"),
            Evaluation::rows(format!("NOT ({found})")),
        )
        .on(vec![column]))
    }
}

/// Several columns hold only these combinations of values.
///
/// A null passes wherever the other columns' values are among the combinations. NaN is in none. An empty table passes. A value of
/// another type than its column's is refused. A violation is a row.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptedCombinationsParams {
    /// The columns, two or more.
    pub columns: Vec<String>,
    /// The combinations, each as many values as there are columns: `[[EWR, JFK], [JFK, LGA]]`.
    pub values: Vec<Vec<Scalar>>,
}

/// Makes `accepted_combinations` checks.
#[derive(Debug)]
pub struct AcceptedCombinations;

impl Quality for AcceptedCombinations {
    type Params = AcceptedCombinationsParams;

    fn check(&self, params: AcceptedCombinationsParams, target: &CheckTarget) -> Result<CheckPlan> {
        let AcceptedCombinationsParams { columns, values } = params;
        params::distinct(&columns)?;
        if columns.len() < 2 {
            return Err(invalid("`columns` names one column").hint("use `accepted_values`"));
        }
        if values.is_empty() {
            return Err(invalid("`values` is empty").hint("list at least one combination"));
        }
        let mut each = Vec::new();
        for combination in &values {
            if combination.len() != columns.len() {
                let (found, wanted) = (combination.len(), columns.len());
                return Err(invalid(format!(
                    "`values` has {found} values, `{}`, for {wanted} columns",
                    shown(combination)
                ))
                .hint("give each column one value"));
            }
            let parts = columns.iter().zip(combination);
            let parts = parts.map(|(column, value)| is_in(target, column, std::slice::from_ref(value)));
            each.push(format!("({})", parts.collect::<Result<Vec<_>>>()?.join(" AND ")));
        }
        let names = columns.join(", ");
        let list = values.iter().map(|values| format!("({})", shown(values))).collect::<Vec<_>>().join(", ");
        Ok(CheckPlan::new(
            check_name("accepted_combinations", &format!("{names}: {list}")),
            one_line(&format!("({names}) one of {list}")),
            Evaluation::rows(each.join(" OR ")),
        )
        .on(columns))
    }
}

/// A column holds every one of these values somewhere, and with `only` no others: its values equal the set.
///
/// Nulls are ignored. NaN is another value. An empty table holds none of the values and fails. A value of another type than the
/// column's is refused. Violations are the values that are missing and, with `only`, the different values beside them, of as many as are
/// listed or found; `tolerance` is refused. The whole table is looked at, as it would be after the commit.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContainsValuesParams {
    /// The column.
    pub column: String,
    /// What it has to hold: all texts (dates and timestamps are texts), all numbers or all booleans.
    pub values: Vec<Scalar>,
    /// Whether it may hold nothing else.
    #[serde(default)]
    pub only: bool,
}

/// Makes `contains_values` checks.
#[derive(Debug)]
pub struct ContainsValues;

impl Quality for ContainsValues {
    type Params = ContainsValuesParams;
    const TOLERANCE: bool = false;

    fn check(&self, params: ContainsValuesParams, target: &CheckTarget) -> Result<CheckPlan> {
        let ContainsValuesParams { column, values, only } = params;
        let all = is_in(target, &column, &values)?;
        if let Some((_, twice)) = values.iter().enumerate().find(|(at, value)| values[..*at].contains(value)) {
            return Err(invalid(format!("`values` lists `{twice}` twice")).hint("remove one of them"));
        }
        let mut expressions = Vec::new();
        for value in &values {
            let found = is_in(target, &column, std::slice::from_ref(value))?;
            expressions.push(format!("count(CASE WHEN {found} THEN 1 END)"));
        }
        if only {
            expressions.push(format!("count(DISTINCT CASE WHEN NOT ({all}) THEN {} END)", target.group_key(&column)));
        }
        let (list, how) = (shown(&values), if only { ", only" } else { "" });
        let names: Vec<String> = values.iter().map(Scalar::to_string).collect();
        let judge = move |counts: &[Value]| judge(&names, counts);
        Ok(CheckPlan::new(
            check_name("contains_values", &format!("{column}: {list}{how}")),
            format!("{column} holding each of {list}{}", if only { " and nothing else" } else { "" }),
            Evaluation::aggregates(expressions, judge),
        )
        .counting("value")
        .on(vec![column]))
    }
}

fn judge(names: &[String], counts: &[Value]) -> Verdict {
    let count = |value: &Value| if let Value::Int(count) = value { u64::try_from(*count).unwrap_or(0) } else { 0 };
    let missing: Vec<&str> =
        names.iter().zip(counts).filter(|(_, rows)| count(rows) == 0).map(|(name, _)| name.as_str()).collect();
    let others = counts.get(names.len()).map_or(0, count);
    let mut told = Vec::new();
    if !missing.is_empty() {
        told.push(format!("{} missing", missing.join(", ")));
    }
    if others > 0 {
        told.push(format!("{} other value{}", thousands(others), if others == 1 { "" } else { "s" }));
    }
    let violations = missing.len() as u64 + others;
    let observed = (violations > 0).then(|| told.join(", "));
    Verdict { passed: violations == 0, violations, total: Some(names.len() as u64 + others), observed }
}

/// The most common value of a column is one of these.
///
/// Nulls are ignored; NaN equals NaN and is in no set. If several values are equally common, each has to be one of these, or one of them
/// with `ties`. A column without values, an empty table's too, passes. A value of another type than the column's is refused. A
/// failure is one violation, and `tolerance` is refused. The whole table is looked at, as it would be after the commit.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MostCommonInParams {
    /// The column.
    pub column: String,
    /// What may be most common: all texts (dates and timestamps are texts), all numbers or all booleans.
    pub values: Vec<Scalar>,
    /// Whether one of several equally common values is enough.
    #[serde(default)]
    pub ties: bool,
}

/// Makes `most_common_in` checks.
#[derive(Debug)]
pub struct MostCommonIn;

impl Quality for MostCommonIn {
    type Params = MostCommonInParams;
    const TOLERANCE: bool = false;

    fn check(&self, params: MostCommonInParams, target: &CheckTarget) -> Result<CheckPlan> {
        let MostCommonInParams { column, values, ties } = params;
        // Over the groups, which are named as the column is.
        let (found, list) = (is_in(target, &column, &values)?, shown(&values));
        let (name, group) = (quote(&column), target.group_key(&column));
        let query = format!(
            "SELECT count(*), coalesce(sum(CASE WHEN {found} THEN 1 ELSE 0 END), 0), min(CAST({name} AS VARCHAR)), max(\"_phlo_rows\") \
             FROM (SELECT *, max(\"_phlo_rows\") OVER () AS \"_phlo_most\" FROM (SELECT {group} AS {name}, count(*) AS \"_phlo_rows\" \
             FROM this WHERE {name} IS NOT NULL GROUP BY {group}) AS \"_phlo_groups\") AS \"_phlo_ranked\" WHERE \"_phlo_rows\" = \"_phlo_most\""
        );
        let how = if ties { ", ties" } else { "" };
        Ok(CheckPlan::new(
            check_name("most_common_in", &format!("{column}: {list}{how}")),
            format!("the most common {column} one of {list}{how}"),
            Evaluation::query(query, move |rows| most_common(rows, ties)),
        )
        .on(vec![column]))
    }
}

fn most_common(rows: &[Vec<Value>], ties: bool) -> Verdict {
    let Some([Value::Int(all), Value::Int(good), example, rows]) = rows.first().map(Vec::as_slice) else {
        return Verdict::whole(false, "no counts");
    };
    if *all == 0 {
        return Verdict::whole(true, "no values");
    }
    let text = |value: &Value| match value {
        // An empty text would look like none.
        Value::Text(text) if text.is_empty() => "\"\"".to_owned(),
        Value::Text(text) => text.clone(),
        Value::Int(count) => count.to_string(),
        other => format!("{other:?}"),
    };
    let others = if *all > 1 { format!(" and {} others", all - 1) } else { String::new() };
    let passed = if ties { *good > 0 } else { good == all };
    Verdict::whole(passed, format!("{}{others}, {} times", text(example), text(rows)))
}
