//! `reconcile_aggregates` and `reconcile_multi`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arrow_schema::DataType;
use phlo_plugin::prelude::*;
use phlo_plugin::quality::{Value, With, quote};
use phlo_spec::text::{one_line, thousands};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::params::{self, Side, counted, invalid};

/// What is aggregated: an SQL expression for both sides, or a map that can also say how far the two may differ.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "expected an SQL aggregate, a function of a column such as `{sum: amount}`, or `{this: SQL, other: SQL}`"
)]
pub enum Aggregate {
    /// SQL as it is written, e.g. `count(*)`; its integers overflow as the engine's do.
    Sql(String),
    /// A function of a column, SQL, or SQL for each side.
    Measure(Box<Measure>),
}

/// One function of a column, which leaves nulls out, or `sql`, or `this` with `other`; and how far the two sides may differ.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Measure {
    /// The sum: exact of integers and decimals of up to 38 digits (beyond 64 bits, too; six decimal places of the other side at least),
    /// else in float64.
    pub sum: Option<String>,
    /// The mean, in float64.
    pub mean: Option<String>,
    /// The least value.
    pub min: Option<String>,
    /// The greatest value.
    pub max: Option<String>,
    /// Values that are not null.
    pub count: Option<String>,
    /// Different values that are not null.
    pub count_distinct: Option<String>,
    /// SQL over both sides, as it would stand without the map.
    pub sql: Option<String>,
    /// SQL over this asset's table.
    pub this: Option<String>,
    /// SQL over the other side.
    pub other: Option<String>,
    /// How far the two values of this one may differ; as of all unless set.
    pub absolute: Option<f64>,
    /// By which fraction of the other side's value the two of this one may differ; as of all unless set.
    pub relative: Option<f64>,
    /// How far the two values of this one may differ lest it warn; as of all unless this one has an allowance of its own.
    pub warn: Option<Allowance>,
}

/// How far two values may differ lest it warn: the wider of the two counts.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Allowance {
    /// By how much; less than the other `absolute`.
    #[serde(default)]
    pub absolute: Option<f64>,
    /// By which fraction of the other side's value; less than the other `relative`.
    #[serde(default)]
    pub relative: Option<f64>,
}

/// An aggregate that is compared.
struct Compared {
    name: String,
    what: What,
    absolute: Option<f64>,
    relative: Option<f64>,
    warn: Option<Allowance>,
}

/// How far the two values of an aggregate may differ: `absolute` or `relative`, whichever is wider.
#[derive(Clone, Copy)]
struct Within {
    absolute: f64,
    relative: f64,
}

impl fmt::Display for Within {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.absolute, self.relative) {
            (absolute, 0.0) => write!(f, "within {absolute}"),
            (0.0, relative) => write!(f, "within {relative} of it"),
            (absolute, relative) => write!(f, "within {absolute} or {relative} of it"),
        }
    }
}

impl Allowance {
    /// What it allows, within what is allowed at all.
    fn within(self, all: Within, usual: f64) -> Result<Within> {
        let Self { absolute, relative } = self;
        if absolute.is_none() && relative.is_none() {
            return Err(invalid("`warn` has neither `absolute` nor `relative`")
                .hint("give one of them, e.g. `warn: {relative: 0.01}`, or remove `warn`"));
        }
        for (field, inner, outer) in [("absolute", absolute, all.absolute), ("relative", relative, all.relative)] {
            params::allowance(&format!("warn.{field}"), inner)?;
            if let Some(inner) = inner.filter(|inner| *inner >= outer) {
                return Err(invalid(format!("`warn.{field}` is {inner}, not below `{field}`, which is {outer}"))
                    .hint(format!("beyond `{field}` the check fails: write less, or leave it out")));
            }
        }
        Ok(Within { absolute: absolute.unwrap_or(0.0), relative: relative.unwrap_or(usual) })
    }
}

enum What {
    Sql(String),
    /// For each side.
    Pair([String; 2]),
    /// Of a column.
    Function(Function, String),
}

#[derive(Clone, Copy)]
enum Function {
    Sum,
    Mean,
    Min,
    Max,
    Count,
    CountDistinct,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (function, column) = match self {
            Self::Sql(sql) => return f.write_str(&one_line(sql)),
            Self::Pair([this, other]) => return write!(f, "{} as {}", one_line(this), one_line(other)),
            Self::Function(function, column) => (function, column),
        };
        let name = match function {
            Function::Sum => "sum",
            Function::Mean => "mean",
            Function::Min => "min",
            Function::Max => "max",
            Function::Count => "count",
            Function::CountDistinct => "count_distinct",
        };
        write!(f, "{name}({column})")
    }
}

impl Aggregate {
    /// What is compared; its name is what it is, if it has none.
    fn compared(self, name: Option<String>) -> Result<Compared> {
        let of = name.as_ref().map(|name| format!(" `{name}`")).unwrap_or_default();
        let measure = match self {
            Self::Sql(sql) => Measure { sql: Some(sql), ..Measure::default() },
            Self::Measure(measure) => *measure,
        };
        let Measure { sum, mean, min, max, count, count_distinct, sql, this, other, absolute, relative, warn } =
            measure;
        let functions = [
            (Function::Sum, sum),
            (Function::Mean, mean),
            (Function::Min, min),
            (Function::Max, max),
            (Function::Count, count),
            (Function::CountDistinct, count_distinct),
        ];
        let mut all: Vec<What> =
            functions.into_iter().filter_map(|(function, column)| Some(What::Function(function, column?))).collect();
        all.extend(sql.map(What::Sql));
        match (this, other) {
            (Some(this), Some(other)) => all.push(What::Pair([this, other])),
            (None, None) => {}
            (this, _) => {
                let (there, lacking) = if this.is_some() { ("this", "other") } else { ("other", "this") };
                let message = format!("the aggregate{of} has `{there}` without `{lacking}`");
                return Err(invalid(message).hint("write SQL for each side, or `sql` for both"));
            }
        }
        let what = match (all.pop(), all.is_empty()) {
            (Some(what), true) => what,
            (Some(_), false) => {
                return Err(invalid(format!("the aggregate{of} is several"))
                    .hint("keep one, and name others under `aggregates` of `reconcile_multi`"));
            }
            (None, _) => {
                return Err(invalid(format!("the aggregate{of} is none"))
                    .hint("write a function of a column, e.g. `{sum: amount}`, or `sql`"));
            }
        };
        let texts: &[String] = match &what {
            What::Sql(sql) => std::slice::from_ref(sql),
            What::Pair(pair) => pair,
            What::Function(..) => &[],
        };
        if texts.iter().any(|text| text.trim().is_empty()) {
            return Err(invalid(format!("the aggregate{of} is empty")).hint("write SQL, e.g. `count(*)`"));
        }
        params::allowance("absolute", absolute)?;
        params::allowance("relative", relative)?;
        Ok(Compared { name: name.unwrap_or_else(|| what.to_string()), what, absolute, relative, warn })
    }
}

impl Compared {
    fn has_own(&self) -> bool {
        self.absolute.is_some() || self.relative.is_some()
    }

    fn column(&self) -> Option<&String> {
        match &self.what {
            What::Function(_, column) => Some(column),
            What::Sql(_) | What::Pair(_) => None,
        }
    }

    /// By which fraction its values may differ unless it is said: where its last digits depend on the order of the rows.
    fn usual(&self, target: &CheckTarget) -> f64 {
        let inexact = match &self.what {
            What::Function(Function::Sum, column) => scale(target.column_type(column)).is_none(),
            What::Function(Function::Mean, _) => true,
            _ => false,
        };
        if inexact { 1e-9 } else { 0.0 }
    }

    fn sql(&self, side: &Side<'_>, target: &CheckTarget) -> String {
        let (function, column) = match &self.what {
            What::Sql(sql) => return one_expression(sql),
            What::Pair([this, other]) => return one_expression(if side.number == 0 { this } else { other }),
            What::Function(function, column) => (function, column),
        };
        let data_type = target.column_type(column);
        let column = side.column(column);
        let value = params::key(&column, data_type);
        match function {
            Function::Sum => match scale(data_type) {
                Some(scale) => format!("sum(CAST({column} AS DECIMAL(38, {scale})))"),
                None => params::one_number(&format!("sum(CAST({column} AS DOUBLE))")),
            },
            Function::Mean => params::one_number(&format!("avg(CAST({column} AS DOUBLE))")),
            Function::Min => format!("min({value})"),
            Function::Max => format!("max({value})"),
            Function::Count => format!("count({column})"),
            Function::CountDistinct => format!("count(DISTINCT {value})"),
        }
    }

    /// What it is for people, and how far its values may differ if it says so itself.
    fn told(&self) -> String {
        let what = match self.what.to_string() {
            text if text == self.name => text,
            text => format!("{}: {text}", self.name),
        };
        [what, allowed("absolute", self.absolute), allowed("relative", self.relative)]
            .into_iter()
            .filter(|text| !text.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    }
}

/// What people wrote, as one expression, whatever it is; a comment at its end ends there.
fn one_expression(sql: &str) -> String {
    let end = if sql.contains("--") { "\n" } else { "" };
    format!("({sql}{end})")
}

fn allowed(word: &str, value: Option<f64>) -> String {
    value.map(|x| format!("{word} {x}")).unwrap_or_default()
}

/// The digits behind the point in which numbers of this type are summed; `None` for what is summed in floating point.
fn scale(data_type: Option<&DataType>) -> Option<i8> {
    const LEAST: i8 = 6;
    match data_type? {
        DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) | DataType::Decimal128(_, scale) => {
            Some(LEAST.max(*scale))
        }
        other if other.is_integer() => Some(LEAST),
        _ => None,
    }
}

/// An aggregate is what it is in another table, over the whole or for each group.
///
/// Two values agree if they are equal, or if they differ by no more than `absolute`, or by no more than `relative` of the other side's. A
/// violation is a group (the whole is one) in which they do not agree or that one side alone has; `tolerance` is a fraction of the groups.
/// A null value equals null alone, NaN equals NaN, an infinity itself; in `by`, too. Two empty tables agree: their counts are 0 and the
/// rest is null. Integers are summed as decimals and overflow nothing; an aggregate written as SQL is the engine's own. Types that have no
/// common one, and a column that cannot be summed on one side, are found by the run and err the check, which blocks; a number is compared
/// with a text as text.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AggregatesParams {
    /// The other side.
    pub with: With,
    /// What is compared: SQL for both sides (`"count(*)"`), a function of a column (`{sum: distance}`; also `mean`, `min`, `max`,
    /// `count`, `count_distinct`), or SQL for each (`{this: "sum(miles)", other: "sum(km) / 1.609"}`). A map can have an `absolute` and a
    /// `relative` of its own, which take the place of the check's: `{sql: "sum(x)", absolute: 5}`.
    pub aggregate: Aggregate,
    /// The columns that groups have in common; the whole table unless set.
    #[serde(default)]
    pub by: Vec<String>,
    /// Names that columns have on the other side, where they differ.
    #[serde(default)]
    pub other_names: BTreeMap<String, String>,
    /// Only rows of the other side for which this SQL predicate holds.
    #[serde(default)]
    pub other_where: Option<String>,
    /// How far two values may differ; 0 unless set.
    #[serde(default)]
    pub absolute: Option<f64>,
    /// By which fraction of the other side's value two may differ; unless set 0, and 1e-9 for sums and means in floating point, whose
    /// last digits depend on the order of the rows.
    #[serde(default)]
    pub relative: Option<f64>,
    /// How far two values may differ lest it warn, while the commit goes on: `{relative: 0.01}` beside `relative: 0.05`.
    #[serde(default)]
    pub warn: Option<Allowance>,
}

/// Several aggregates are what they are in another table, over the whole or for each group.
///
/// As `reconcile_aggregates`, in one pass over each side: a violation is a group in which any of the aggregates does not agree, or that
/// one side alone has. What null, NaN, types and numbers too big do is what they do there: null agrees with null alone, NaN with NaN, also
/// in `by`; two empty tables agree; integers are summed as decimals and overflow nothing, and an aggregate written as SQL is the engine's
/// own, in which they wrap.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MultiParams {
    /// The other side.
    pub with: With,
    /// What is compared, by names that you choose: `{flights: "count(*)", miles: {sum: distance}}`; each as in `reconcile_aggregates`,
    /// with an `absolute` and a `relative` of its own where it needs another than all: `{sum: distance, relative: 0.01}`.
    pub aggregates: BTreeMap<String, Aggregate>,
    /// The columns that groups have in common; the whole table unless set.
    #[serde(default)]
    pub by: Vec<String>,
    /// Names that columns have on the other side, where they differ.
    #[serde(default)]
    pub other_names: BTreeMap<String, String>,
    /// Only rows of the other side for which this SQL predicate holds.
    #[serde(default)]
    pub other_where: Option<String>,
    /// How far two values may differ, of aggregates that do not say it themselves; 0 unless set.
    #[serde(default)]
    pub absolute: Option<f64>,
    /// By which fraction of the other side's value two may differ, of aggregates that do not say it themselves; as in
    /// `reconcile_aggregates` unless set.
    #[serde(default)]
    pub relative: Option<f64>,
    /// How far two values may differ lest it warn, while the commit goes on, of aggregates that have no allowance of their own:
    /// `{relative: 0.01}` beside `relative: 0.05`.
    #[serde(default)]
    pub warn: Option<Allowance>,
}

/// Makes `reconcile_aggregates` checks.
#[derive(Debug)]
pub struct ReconcileAggregates;

impl Quality for ReconcileAggregates {
    type Params = AggregatesParams;

    fn check(&self, params: AggregatesParams, target: &CheckTarget) -> Result<CheckPlan> {
        let AggregatesParams { with, aggregate, by, other_names, other_where, absolute, relative, warn } = params;
        let aggregates = vec![aggregate.compared(None)?];
        let common = Common { with, by, other_names, other_where, absolute, relative, warn };
        common.plan("reconcile_aggregates", aggregates, target)
    }
}

/// Makes `reconcile_multi` checks.
#[derive(Debug)]
pub struct ReconcileMulti;

impl Quality for ReconcileMulti {
    type Params = MultiParams;

    fn check(&self, params: MultiParams, target: &CheckTarget) -> Result<CheckPlan> {
        let MultiParams { with, aggregates, by, other_names, other_where, absolute, relative, warn } = params;
        if aggregates.is_empty() {
            return Err(invalid("`aggregates` is empty").hint("name at least one, e.g. `{rows: \"count(*)\"}`"));
        }
        let common = Common { with, by, other_names, other_where, absolute, relative, warn };
        let aggregates = aggregates.into_iter().map(|(name, aggregate)| aggregate.compared(Some(name)));
        common.plan("reconcile_multi", aggregates.collect::<Result<_>>()?, target)
    }
}

struct Common {
    with: With,
    by: Vec<String>,
    other_names: BTreeMap<String, String>,
    other_where: Option<String>,
    absolute: Option<f64>,
    relative: Option<f64>,
    warn: Option<Allowance>,
}

impl Common {
    /// How far the values of an aggregate may differ, and how far lest it warn.
    fn allowed(&self, one: &Compared, target: &CheckTarget) -> Result<(Within, Option<Within>)> {
        let usual = one.usual(target);
        let all = Within {
            absolute: one.absolute.or(self.absolute).unwrap_or(0.0),
            relative: one.relative.or(self.relative).unwrap_or(usual),
        };
        let warn = one.warn.or(self.warn.filter(|_| !one.has_own()));
        Ok((all, warn.map(|warn| warn.within(all, usual)).transpose()?))
    }

    fn plan(self, kind: &str, aggregates: Vec<Compared>, target: &CheckTarget) -> Result<CheckPlan> {
        params::allowance("absolute", self.absolute)?;
        params::allowance("relative", self.relative)?;
        let allowances: Vec<_> = aggregates.iter().map(|one| self.allowed(one, target)).collect::<Result<_>>()?;
        let Self { with, by, other_names, other_where, absolute, relative, warn } = self;
        if !by.is_empty() {
            params::distinct("by", &by)?;
        }
        if warn.is_some() && aggregates.iter().all(|one| one.warn.is_some() || one.has_own()) {
            return Err(invalid("`warn` has no say: each aggregate has an allowance of its own")
                .hint("write `warn` beside these, or remove it"));
        }
        let columns = aggregates.iter().filter_map(Compared::column);
        let mut used: Vec<String> = by.iter().chain(columns).cloned().collect();
        used.sort();
        used.dedup();
        let sides = params::sides(&with, target, other_where.as_ref(), &other_names, &used)?;
        let judged = judged(&sides, &by, &aggregates, target, &allowances);
        let warns = allowances.iter().any(|(_, warn)| warn.is_some());
        let (query, show) = queries(&judged, &by, &aggregates, warns);
        let names: Vec<String> = aggregates.iter().map(|one| one.name.clone()).collect();
        let grouped = !by.is_empty();
        let verdict = move |rows: &[Vec<Value>]| judge(rows, &names, grouped, warns);

        let what = aggregates.iter().map(Compared::told).collect::<Vec<_>>().join(", ");
        let groups = if grouped { format!("by {}", by.join(", ")) } else { String::new() };
        let mut renamed: Vec<_> = other_names.iter().map(|(here, there)| format!("{here} as {there}")).collect();
        renamed.sort();
        let name = [
            what.clone(),
            groups.clone(),
            with.shown(),
            renamed.join(", "),
            params::filtered(other_where.as_ref()),
            allowed("absolute", absolute),
            allowed("relative", relative),
        ];
        let expected = format!("{what} as in {} {groups}", with.shown());
        let evaluation = Evaluation::Query { query, verdict: Arc::new(verdict), show: Some(show) };
        let plan = CheckPlan::new(params::name(kind, &name), one_line(&expected), evaluation).on(used);
        let plan = plan.counting(if grouped { "group" } else { "table" });
        let within = aggregates.iter().zip(&allowances).filter_map(|(one, (_, warn))| Some((&one.name, (*warn)?)));
        let within: Vec<_> = within.map(|(name, warn)| format!("{name} {warn}")).collect();
        let plan = if warns { plan.warning(one_line(&within.join(", "))) } else { plan };
        Ok(with.read_by(plan, target))
    }
}

/// Each group with both sides' values and whether they agree.
fn judged(
    sides: &[Side<'_>; 2],
    by: &[String],
    aggregates: &[Compared],
    target: &CheckTarget,
    allowances: &[(Within, Option<Within>)],
) -> String {
    let keys = params::keys(by.len());
    let both = params::both(sides, |side| {
        let key = |column: &String| params::key(&side.column(column), target.column_type(column));
        let groups: Vec<String> = by.iter().map(key).collect();
        let keyed = groups.iter().zip(&keys).map(|(sql, alias)| format!("{sql} AS {alias}"));
        let values = aggregates.iter().enumerate().map(|(at, a)| format!("{} AS \"_a{at}\"", a.sql(side, target)));
        // Beside an aggregate no expression over single rows is let through.
        let rows = "count(*) AS \"_rows\"".to_owned();
        side.select(&keyed.chain(values).chain([rows]).collect::<Vec<_>>(), &groups)
    });
    let (list, group) = match keys.as_slice() {
        [] => (String::new(), String::new()),
        keys => (format!("{}, ", keys.join(", ")), format!(" GROUP BY {}", keys.join(", "))),
    };
    let values: Vec<_> = (0..aggregates.len())
        .map(|at| {
            format!(
                "first_value(\"_a{at}\") FILTER (WHERE \"_side\" = 0) AS \"_h{at}\", \
                 first_value(\"_a{at}\") FILTER (WHERE \"_side\" = 1) AS \"_t{at}\""
            )
        })
        .collect();
    let pairs = format!(
        "(SELECT {list}count(*) FILTER (WHERE \"_side\" = 0) AS \"_here\", count(*) FILTER (WHERE \"_side\" = 1) AS \"_there\", {} \
         FROM {both}{group})",
        values.join(", ")
    );
    let mut agree = Vec::new();
    let (mut all, mut fine) = (Vec::new(), Vec::new());
    for (at, (within, warn)) in allowances.iter().enumerate() {
        agree.push(format!("{} AS \"_ok{at}\"", agrees(at, *within)));
        all.push(format!("\"_ok{at}\""));
        fine.extend(warn.map(|warn| agrees(at, warn)));
    }
    // Of what is fine nobody is told; it is not asked where nothing warns.
    let fine = if fine.is_empty() { String::new() } else { format!(", {} AS \"_fine\"", fine.join(" AND ")) };
    format!(
        "(SELECT *, \"_here\" > 0 AND \"_there\" > 0 AND {} AS \"_ok\" FROM (SELECT *, {}{fine} FROM {pairs}))",
        all.join(" AND "),
        agree.join(", ")
    )
}

fn agrees(at: usize, Within { absolute, relative }: Within) -> String {
    // In parentheses: what follows binds closer than `FROM`.
    let same = format!("(\"_h{at}\" IS NOT DISTINCT FROM \"_t{at}\")");
    if absolute == 0.0 && relative == 0.0 {
        return same;
    }
    let (here, there) = (format!("CAST(\"_h{at}\" AS DOUBLE)"), format!("CAST(\"_t{at}\" AS DOUBLE)"));
    // Of an infinity every number would be within a fraction. 129 is within 0.29 of 100, though the product in floating point is a little
    // less than 29.
    format!(
        "({same} OR coalesce(abs({here} - {there}) <= greatest(CAST({absolute:?} AS DOUBLE), CAST({relative:?} AS DOUBLE) * abs({there}) \
         * {:?}) AND abs({here} - {there}) < CAST('Infinity' AS DOUBLE), false))",
        1.0 + 1e-12
    )
}

fn queries(judged: &str, by: &[String], aggregates: &[Compared], warns: bool) -> (String, String) {
    let mut items = vec![
        "count(*) AS \"groups\"".to_owned(),
        "count(*) FILTER (WHERE NOT \"_ok\") AS \"differ\"".to_owned(),
        "count(*) FILTER (WHERE \"_here\" = 0) AS \"missing_here\"".to_owned(),
        "count(*) FILTER (WHERE \"_there\" = 0) AS \"missing_there\"".to_owned(),
    ];
    for at in 0..aggregates.len() {
        items.push(format!(
            "count(*) FILTER (WHERE NOT \"_ok{at}\" AND \"_here\" > 0 AND \"_there\" > 0) AS \"differ{at}\""
        ));
        if by.is_empty() {
            items.push(format!("first_value(CAST(\"_h{at}\" AS VARCHAR)) AS \"here{at}\""));
            items.push(format!("first_value(CAST(\"_t{at}\" AS VARCHAR)) AS \"there{at}\""));
        }
    }
    if warns {
        items.push("count(*) FILTER (WHERE \"_ok\" AND NOT \"_fine\") AS \"warned\"".to_owned());
    }
    let query = format!("SELECT {} FROM {judged}", items.join(", "));
    let keys = params::keys(by.len());
    let mut shown: Vec<_> =
        keys.iter().zip(by).map(|(alias, column)| format!("{alias} AS {}", quote(column))).collect();
    for (at, Compared { name, .. }) in aggregates.iter().enumerate() {
        shown.push(format!("\"_h{at}\" AS {}", quote(&format!("{name} here"))));
        shown.push(format!("\"_t{at}\" AS {}", quote(&format!("{name} there"))));
    }
    // What fails comes before what warns.
    let (bad, first) = if warns { ("NOT (\"_ok\" AND \"_fine\")", Some("\"_ok\"")) } else { ("NOT \"_ok\"", None) };
    let order: Vec<_> = first.into_iter().chain(keys.iter().map(String::as_str)).collect();
    let order = if order.is_empty() { String::new() } else { format!(" ORDER BY {}", order.join(", ")) };
    (query, format!("SELECT {} FROM {judged} WHERE {bad}{order}", shown.join(", ")))
}

fn judge(rows: &[Vec<Value>], names: &[String], grouped: bool, warns: bool) -> Verdict {
    let [row] = rows else { return params::unexpected(rows) };
    let number = |at: usize| params::whole(row, at);
    let (Some(groups), Some(differ), Some(here), Some(there)) = (number(0), number(1), number(2), number(3)) else {
        return params::unexpected(rows);
    };
    let warned = if warns { params::whole(row, row.len() - 1).unwrap_or_default() } else { 0 };
    let observed = if grouped {
        let of: Vec<_> = names
            .iter()
            .enumerate()
            .filter_map(|(at, name)| Some((name, number(4 + at)?)))
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| format!("{name} differs in {}", thousands(count)))
            .collect();
        let mut of = if of.is_empty() { String::new() } else { format!("; {}", of.join(", ")) };
        if warned > 0 {
            of = format!("{of}; {} further apart than is fine", counted(warned, "group"));
        }
        let (here, there) = (thousands(here), thousands(there));
        format!(
            "{} of {} differ: {here} missing here, {there} missing there{of}",
            thousands(differ),
            counted(groups, "group")
        )
    } else {
        let value = |at: usize| match row.get(at) {
            Some(Value::Text(text)) if text.contains('.') && !text.contains(['e', 'E']) => {
                text.trim_end_matches('0').trim_end_matches('.').to_owned()
            }
            Some(Value::Text(text)) => text.clone(),
            _ => "null".to_owned(),
        };
        let one =
            |(at, name): (usize, &String)| format!("{name} {} here, {} there", value(5 + at * 3), value(6 + at * 3));
        names.iter().enumerate().map(one).collect::<Vec<_>>().join("; ")
    };
    // Without levels of its own, `tolerance` decides.
    let passed = !warns || differ == 0;
    Verdict {
        passed,
        violations: if differ == 0 { warned } else { differ },
        total: Some(groups),
        observed: Some(observed),
    }
}
