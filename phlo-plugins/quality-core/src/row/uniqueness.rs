//! `primary_key`, `unique_within_row`, `uniqueness`, `duplicate_rows`, `consistent_casing`.

use std::sync::Arc;

use phlo_plugin::prelude::*;
use phlo_plugin::quality::{KeyPart, Value, quote};
use phlo_plugin::schema::type_name;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{class, of_texts, side};
use crate::params::{self, invalid};
use crate::table::bounds::{Bounds, Warning};

/// Keys as SQL, `key AS name` and `key` alone.
fn keys(target: &CheckTarget, columns: &[String]) -> (String, String) {
    let keys: Vec<String> = columns.iter().map(|column| target.group_key(column)).collect();
    let named = keys.iter().zip(columns).map(|(key, column)| format!("{key} AS {}", quote(column)));
    (named.collect::<Vec<_>>().join(", "), keys.join(", "))
}

/// The rows that have the same keys, null being one of them, with how many share theirs.
fn alike(keys: &[String]) -> String {
    let aliases: Vec<_> = (0..keys.len()).map(|at| format!("\"_phlo_key{at}\"")).collect();
    let named: Vec<_> = keys.iter().zip(&aliases).map(|(key, alias)| format!("{key} AS {alias}")).collect();
    let same: Vec<_> =
        keys.iter().zip(&aliases).map(|(key, alias)| format!("({key} IS NOT DISTINCT FROM {alias})")).collect();
    format!(
        "SELECT this.*, \"_phlo_rows\" FROM (SELECT {}, count(*) AS \"_phlo_rows\" FROM this GROUP BY {} HAVING count(*) > 1) \
         AS \"_phlo_keys\" JOIN this ON {} ORDER BY \"_phlo_rows\" DESC, {}",
        named.join(", "),
        keys.join(", "),
        same.join(" AND "),
        aliases.join(", ")
    )
}

/// A key identifies each row: no nulls in it, and no two rows with the same.
///
/// Violations are the rows with a null in any of the columns and the surplus rows of each key: one that three rows share makes two. NaN
/// and the empty text are values, and NaN equals NaN. An empty table passes. Every type that can be grouped will do; what cannot is
/// refused when the check is planned. The whole table is looked at, as it would be after the commit.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PrimaryKeyParams {
    /// The columns that make the key together; also written on their own: `primary_key: [a, b]`.
    pub columns: Vec<String>,
}

/// Makes `primary_key` checks.
#[derive(Debug)]
pub struct PrimaryKey;

impl Quality for PrimaryKey {
    type Params = PrimaryKeyParams;
    const SHORTHAND: Option<&'static str> = Some("columns");

    fn check(&self, params: PrimaryKeyParams, target: &CheckTarget) -> Result<CheckPlan> {
        params::distinct(&params.columns)?;
        let list = params.columns.join(", ");
        let part = |column: &String| KeyPart { expression: target.group_key(column), name: column.clone() };
        let key = params.columns.iter().map(part).collect();
        Ok(CheckPlan::new(
            check_name("primary_key", &list),
            format!("{list} in every row, and no two rows with the same"),
            Evaluation::Unique { key, complete: true },
        )
        .on(params.columns))
    }
}

/// The values of several columns differ within each row.
///
/// A row in which two of the columns hold the same value is one violation. Null equals nothing; NaN equals NaN. An empty table passes.
/// Columns whose types cannot be compared, such as a text and a number, are refused.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UniqueWithinRowParams {
    /// The columns, two or more; also written on their own: `unique_within_row: [origin, dest]`.
    pub columns: Vec<String>,
}

/// Makes `unique_within_row` checks.
#[derive(Debug)]
pub struct UniqueWithinRow;

impl Quality for UniqueWithinRow {
    type Params = UniqueWithinRowParams;
    const SHORTHAND: Option<&'static str> = Some("columns");

    fn check(&self, params: UniqueWithinRowParams, target: &CheckTarget) -> Result<CheckPlan> {
        let columns = params.columns;
        params::distinct(&columns)?;
        if let [only] = &columns[..] {
            return Err(invalid(format!("`columns` names `{only}` alone")).hint("name at least two columns"));
        }
        let mut pairs = Vec::new();
        for (at, one) in columns.iter().enumerate() {
            for other in &columns[at + 1..] {
                comparable(target, one, other)?;
                let against = |one: &str, other: &str| {
                    let float = target.column_type(one).is_some_and(|it| it.is_floating());
                    if float { target.group_key(one) } else { side(target, one, other) }
                };
                pairs.push(format!("{} <> {}", against(one, other), against(other, one)));
            }
        }
        let list = columns.join(", ");
        Ok(CheckPlan::new(
            check_name("unique_within_row", &list),
            format!("{list} all different in a row"),
            Evaluation::rows(pairs.join(" AND ")),
        )
        .on(columns))
    }
}

/// Refuses two columns whose types are known and cannot be compared.
pub(crate) fn comparable(target: &CheckTarget, one: &str, other: &str) -> Result<()> {
    match (target.column_type(one), target.column_type(other)) {
        (Some(a), Some(b)) if class(a) != class(b) => Err(invalid(format!(
            "`{one}` is {} and `{other}` is {}, which cannot be compared",
            type_name(a),
            type_name(b)
        ))
        .hint("compare columns of one kind, or cast one in a `business_rule`")),
        _ => Ok(()),
    }
}

/// What is divided by what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Different keys, of all rows with one (distinctness).
    #[default]
    Distinct,
    /// Keys that one row alone has, of all rows with one (uniqueness).
    Unique,
    /// Keys that one row alone has, of the different keys (unique value ratio).
    UniqueOfDistinct,
}

/// How many of a key's values are different, or unique, lies between bounds: a fraction from 0 to 1.
///
/// A row with a null in any of the columns is left out. NaN equals NaN. Without any key, in an empty table or among nulls, there is no
/// fraction and the check passes. A failure is one violation, and `tolerance` is refused. Counts are 64-bit, so nothing overflows. The
/// whole table is looked at, as it would be after the commit.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UniquenessParams {
    /// The columns that make the key together.
    pub columns: Vec<String>,
    /// `distinct` for different keys of all, `unique` for keys of one row alone of all, `unique_of_distinct` for those of the different
    /// ones.
    #[serde(default)]
    pub measure: Measure,
    /// The lowest fraction allowed. At least one of `min` and `max` is needed.
    #[serde(default)]
    pub min: Option<f64>,
    /// The highest fraction allowed.
    #[serde(default)]
    pub max: Option<f64>,
    /// Bounds within the others: beyond them the check warns, and the commit goes on.
    #[serde(default)]
    pub warn: Option<FractionWarning>,
}

/// Bounds that warn.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FractionWarning {
    /// Below this fraction it warns; above the check's own `min`.
    #[serde(default)]
    pub min: Option<f64>,
    /// Above this fraction it warns; below the check's own `max`.
    #[serde(default)]
    pub max: Option<f64>,
}

/// Makes `uniqueness` checks.
#[derive(Debug)]
pub struct Uniqueness;

impl Quality for Uniqueness {
    type Params = UniquenessParams;
    const TOLERANCE: bool = false;

    fn check(&self, params: UniquenessParams, target: &CheckTarget) -> Result<CheckPlan> {
        let UniquenessParams { columns, measure, min, max, warn } = params;
        params::distinct(&columns)?;
        let of_warn = warn.map(|warn| [("warn.min", warn.min), ("warn.max", warn.max)]);
        for (field, bound) in [("min", min), ("max", max)].into_iter().chain(of_warn.into_iter().flatten()) {
            if let Some(bound) = bound.filter(|bound| !(0.0..=1.0).contains(bound)) {
                return Err(
                    invalid(format!("`{field}` is {bound}, which is no fraction")).hint("write a number from 0 to 1")
                );
            }
        }
        let (between, wanted) = match (min, max) {
            (None, None) => return Err(invalid("neither `min` nor `max` is given").hint("give one of them, or both")),
            (Some(min), Some(max)) => (format!("{min}..{max}"), format!("from {min} to {max}")),
            (Some(min), None) => (format!("{min}.."), format!("at least {min}")),
            (None, Some(max)) => (format!("..{max}"), format!("at most {max}")),
        };
        let warn = warn.map(|warn| Warning::between(warn.min, warn.max));
        let bounds = Bounds::between(min, max).checked()?.warning(warn.as_ref())?;
        let warned = bounds.warned();
        let (list, complete) = (columns.join(", "), params::quoted(&columns).join(" IS NOT NULL AND "));
        let (_, group) = keys(target, &columns);
        let query = format!(
            "SELECT count(*), coalesce(sum(CASE WHEN \"_phlo_rows\" = 1 THEN 1 ELSE 0 END), 0), coalesce(sum(\"_phlo_rows\"), 0) \
             FROM (SELECT count(*) AS \"_phlo_rows\" FROM this WHERE {complete} IS NOT NULL GROUP BY {group}) AS \"_phlo_groups\""
        );
        let what = match measure {
            Measure::Distinct => "distinct",
            Measure::Unique => "unique",
            Measure::UniqueOfDistinct => "unique of distinct",
        };
        let plan = CheckPlan::new(
            check_name("uniqueness", &format!("{list}, {what}, {between}")),
            format!("{what} fraction of {list} {wanted}"),
            Evaluation::query(query, move |rows| fraction(rows, measure, &bounds)),
        );
        Ok(params::warning(plan.on(columns), warned))
    }
}

fn fraction(rows: &[Vec<Value>], measure: Measure, bounds: &Bounds) -> Verdict {
    let Some([Value::Int(distinct), Value::Int(unique), Value::Int(all)]) = rows.first().map(Vec::as_slice) else {
        return Verdict::whole(false, "no counts");
    };
    let (part, whole) = match measure {
        Measure::Distinct => (distinct, all),
        Measure::Unique => (unique, all),
        Measure::UniqueOfDistinct => (unique, distinct),
    };
    if *whole == 0 {
        return Verdict::whole(true, "no values");
    }
    let found = *part as f64 / *whole as f64;
    Verdict {
        observed: Some(format!("{found} ({part} of {whole})")),
        ..bounds.judge("the fraction", &Value::Float(found))
    }
}

/// No row is there twice.
///
/// Violations are the surplus rows: three rows that are the same make two; `tolerance` says how many percent may be. Nulls are the same,
/// and so are NaNs. An empty table passes. Columns of a type that cannot be grouped are refused when the check is planned. The whole
/// table is looked at, as it would be after the commit.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DuplicateRowsParams {
    /// The columns that are compared; all but those that phlo adds, `_phlo_…`, unless set.
    #[serde(default)]
    pub columns: Vec<String>,
    /// Columns that are not compared; excludes `columns`.
    #[serde(default)]
    pub except: Vec<String>,
}

/// Makes `duplicate_rows` checks.
#[derive(Debug)]
pub struct DuplicateRows;

impl Quality for DuplicateRows {
    type Params = DuplicateRowsParams;

    fn check(&self, params: DuplicateRowsParams, target: &CheckTarget) -> Result<CheckPlan> {
        let DuplicateRowsParams { columns, except } = params;
        let named = (!columns.is_empty()).then_some(columns.as_slice());
        let compared = params::looked_at(named, &except, target)?;
        let (what, expected) = match (&columns[..], &except[..]) {
            ([], []) => (String::new(), "no row twice".to_owned()),
            ([], except) => {
                (format!("except {}", except.join(", ")), format!("no row twice, {} apart", except.join(", ")))
            }
            (columns, _) => (columns.join(", "), format!("no row twice in {}", columns.join(", "))),
        };
        let evaluation = if let Some(compared) = compared {
            let (named, group) = keys(target, &compared);
            let groups = format!("FROM this GROUP BY {group} HAVING count(*) > 1");
            Evaluation::Count {
                count: format!(
                    "SELECT coalesce(sum(\"_phlo_rows\" - 1), 0) FROM (SELECT count(*) AS \"_phlo_rows\" {groups}) AS \"_phlo_groups\""
                ),
                show: if columns.is_empty() && except.is_empty() {
                    format!("SELECT {named}, count(*) AS \"_phlo_rows\" {groups} ORDER BY \"_phlo_rows\" DESC")
                } else {
                    alike(&compared.iter().map(|column| target.group_key(column)).collect::<Vec<_>>())
                },
            }
        } else {
            Evaluation::Count {
                count:
                    "SELECT count(*) - (SELECT count(*) FROM (SELECT DISTINCT * FROM this) AS \"_phlo_rows\") FROM this"
                        .to_owned(),
                show: "SELECT DISTINCT * FROM this".to_owned(),
            }
        };
        let plan = CheckPlan::new(check_name("duplicate_rows", &what), expected, evaluation);
        Ok(plan.on(columns).on(except))
    }
}

/// No two values of a column differ by upper and lower case alone.
///
/// Violations are the spellings beside the first of each text: `Paris`, `PARIS` and `paris` make two, however many rows hold them;
/// `tolerance` is refused. Null is ignored, and texts have no NaN. An empty table passes. A column that is not of texts is refused. The
/// whole table is looked at, as it would be after the commit.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsistentCasingParams {
    /// The column, of texts; also written on its own: `consistent_casing: city`.
    pub column: String,
}

/// Makes `consistent_casing` checks.
#[derive(Debug)]
pub struct ConsistentCasing;

impl Quality for ConsistentCasing {
    type Params = ConsistentCasingParams;
    const SHORTHAND: Option<&'static str> = Some("column");
    const TOLERANCE: bool = false;

    fn check(&self, params: ConsistentCasingParams, target: &CheckTarget) -> Result<CheckPlan> {
        let column = params.column;
        of_texts(target, &column)?;
        let name = quote(&column);
        let groups = format!("FROM this WHERE {name} IS NOT NULL GROUP BY lower({name})");
        Ok(CheckPlan::new(
            check_name("consistent_casing", &column),
            format!("one case for each {column}"),
            Evaluation::Query {
                query: format!(
                    "SELECT coalesce(sum(\"_phlo_spellings\" - 1), 0), coalesce(sum(\"_phlo_spellings\"), 0) \
                     FROM (SELECT count(DISTINCT {name}) AS \"_phlo_spellings\" {groups}) AS \"_phlo_groups\""
                ),
                verdict: Arc::new(spellings),
                show: Some(format!(
                    "SELECT min({name}) AS {name}, max({name}) AS \"_phlo_also\", count(DISTINCT {name}) AS \"_phlo_spellings\" {groups} \
                     HAVING count(DISTINCT {name}) > 1"
                )),
            },
        )
        .counting("spelling")
        .on(vec![column]))
    }
}

fn spellings(rows: &[Vec<Value>]) -> Verdict {
    let number = |at: usize| match rows.first().and_then(|row| row.get(at)) {
        Some(Value::Int(number)) => u64::try_from(*number).ok(),
        _ => None,
    };
    let (Some(violations), Some(total)) = (number(0), number(1)) else {
        return Verdict::whole(false, "the spellings could not be counted");
    };
    let observed = (violations > 0).then(|| format!("{violations} of {total} spellings"));
    Verdict { passed: true, violations, total: Some(total), observed }
}
