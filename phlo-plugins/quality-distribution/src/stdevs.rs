//! `z_score`, `mean_stdevs` and `moving_stdevs`: distances in standard deviations.

use phlo_plugin::prelude::*;
use phlo_plugin::quality::{Value, quote};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::params::{self, Levels, MaxWarning, double, invalid, is_finite, literal};

/// Values are within n standard deviations of their mean.
///
/// A violation is a row whose value is further away; NaN and infinities are. Mean and standard deviation (of a sample, n - 1) are of the
/// finite values, with those of the rows themselves among them; null passes. One value, equal values and an empty table pass; a distance
/// of less than a billionth of the values is none. If the mean or the standard deviation overflows float64, as the squares of values beyond
/// 1e154 do, no distance is known, and every value is a violation. A column that is not of numbers is refused; numbers are read as float64.
///
/// With `by`, all of this is said of each group by itself: one of a single value, or of equal ones, passes, and one that overflows leaves
/// the others alone. Null is a group, and so is NaN; -0.0 is 0.0. Groups are held in memory, rows are not.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ZScoreParams {
    /// The column, of numbers.
    pub column: String,
    /// How many standard deviations a value may be away; 3 unless set.
    #[serde(default)]
    pub max: Option<f64>,
    /// Columns that make groups, each with a mean and a standard deviation of its own; all rows are one unless set.
    #[serde(default)]
    pub by: Vec<String>,
}

/// The mean is within n standard deviations of an expected one.
///
/// The violation is the verdict: one. Null, NaN and infinities are left out. Without any value, in an empty table or among nulls, the check
/// fails: there is no mean. With one value there is no standard deviation of its own, and `stdev` is needed: it fails without, unless the
/// value is the expected mean. A mean that overflows float64 fails, and so does a standard deviation of its own that does, as the squares
/// of values beyond 1e154 do. A column that is not of numbers is refused; numbers are read as float64.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MeanStdevsParams {
    /// The column, of numbers.
    pub column: String,
    /// The expected mean.
    pub mean: f64,
    /// The standard deviation that is the unit; the column's own (of a sample, n - 1) unless set.
    #[serde(default)]
    pub stdev: Option<f64>,
    /// How many of them the mean may be away; 3 unless set.
    #[serde(default)]
    pub max: Option<f64>,
    /// How many of them away it warns, and the commit goes on: `{max: 2}`.
    #[serde(default)]
    pub warn: Option<MaxWarning>,
}

/// Values are within n standard deviations of the mean of the values before them.
///
/// A violation is a row whose value is further from the mean of the `previous` values before it than `max` of their standard deviations (of
/// a sample, n - 1); NaN and infinities are violations. Those and nulls are not among the values before; a row with fewer than `previous`
/// before it passes, and so does an empty table. Equal values before allow no other, a billionth of them apart. Where the mean or the
/// standard deviation of those before overflows float64, as the squares of values beyond 1e154 do, the row is a violation. Values further
/// before have no say, however great they were. The order must be unique to say the same each time. Sorts four times, which spills to
/// disk; how many values before changes little. A column that is not of numbers is refused; numbers are read as float64.
///
/// With `by`, the values before a row are those of its group; one with no more than `previous` passes. Null is a group, and so is NaN; -0.0
/// is 0.0.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MovingStdevsParams {
    /// The column, of numbers.
    pub column: String,
    /// The columns that the rows are ordered by; nulls come last.
    pub order_by: Vec<String>,
    /// How many values before, at least 2.
    pub previous: u32,
    /// How many standard deviations a value may be away; 3 unless set.
    #[serde(default)]
    pub max: Option<f64>,
    /// Columns that make groups, in each of which the rows are ordered by themselves; all rows are one unless set.
    #[serde(default)]
    pub by: Vec<String>,
}

/// Makes `z_score` checks.
#[derive(Debug)]
pub struct ZScore;

/// Makes `mean_stdevs` checks.
#[derive(Debug)]
pub struct MeanStdevs;

/// Makes `moving_stdevs` checks.
#[derive(Debug)]
pub struct MovingStdevs;

const USUAL: f64 = 3.0;

fn shown(max: Option<f64>) -> String {
    max.map(|max| format!(", {max}")).unwrap_or_default()
}

/// ` of each carrier, origin`: which groups are told apart, if any.
fn each(by: &[String]) -> String {
    if by.is_empty() { String::new() } else { format!(" of each {}", by.join(", ")) }
}

// A distance beyond so many deviations; rounding is none. What overflowed tells no distance: nothing is beyond an infinite mean.
fn beyond(value: &str, max: f64) -> String {
    format!(
        "(NOT {} OR NOT {} OR abs({value} - \"_phlo_mean\") > {} * \"_phlo_stdev\" + {} * greatest(abs({value}), abs(\"_phlo_mean\")))",
        is_finite("\"_phlo_mean\""),
        is_finite("\"_phlo_stdev\""),
        literal(max),
        literal(1e-9)
    )
}

// The rows of finite values, each with the mean and the standard deviation of the `previous` values before it; null for the first ones.
//
// A window that slides takes out what leaves it, and with that the digits of what stays: after 1e12, nothing is left of values near 1. So
// nothing is ever taken out. The rows are cut into blocks of `previous`; the values before a row are the tail of one block, from its place
// on, and the head of the next, up to the row. Both only grow, and two means with their variances make one (Chan, Golub, LeVeque 1979).
fn preceded(value: &str, keys: &[String], order: &str, previous: u32) -> String {
    const GROWING: &str = "ROWS BETWEEN UNBOUNDED PRECEDING AND";
    let partition = |more: &[&str]| {
        let all: Vec<_> = keys.iter().map(String::as_str).chain(more.iter().copied()).collect();
        if all.is_empty() { String::new() } else { format!("PARTITION BY {} ", all.join(", ")) }
    };
    let (group, block) = (partition(&[]), partition(&["\"_phlo_block\""]));
    let numbered = format!(
        "SELECT *, {value} AS \"_phlo_value\", CAST(row_number() OVER ({group}ORDER BY {order}) AS BIGINT) - 1 AS \"_phlo_at\" FROM this WHERE {}",
        is_finite(value)
    );
    // How many of the block are the row and those after it. No direction of the numbers: an order reversed would slide again.
    let cut = format!(
        "SELECT *, \"_phlo_at\" / {previous} AS \"_phlo_block\", {previous} - \"_phlo_at\" % {previous} AS \"_phlo_tail\" FROM ({numbered})"
    );
    let head = format!("OVER ({block}ORDER BY \"_phlo_at\" {GROWING} 1 PRECEDING)");
    let tail = format!("OVER ({block}ORDER BY \"_phlo_tail\" {GROWING} CURRENT ROW)");
    let grown = format!(
        "SELECT *, avg(\"_phlo_value\") {head} AS \"_phlo_head_mean\", var_pop(\"_phlo_value\") {head} AS \"_phlo_head_var\", \
         avg(\"_phlo_value\") {tail} AS \"_phlo_tail_mean\", var_pop(\"_phlo_value\") {tail} AS \"_phlo_tail_var\" FROM ({cut})"
    );
    let before = format!("{previous}) OVER ({group}ORDER BY \"_phlo_at\")");
    let both = format!(
        "SELECT *, lag(\"_phlo_tail_mean\", {before} AS \"_phlo_a\", lag(\"_phlo_tail_var\", {before} AS \"_phlo_a_var\" FROM ({grown})"
    );
    let apart =
        format!("SELECT *, coalesce(\"_phlo_head_mean\", \"_phlo_a\") - \"_phlo_a\" AS \"_phlo_apart\" FROM ({both})");
    let all = literal(f64::from(previous));
    let (in_tail, in_head) = ("CAST(\"_phlo_tail\" AS DOUBLE)", format!("CAST({previous} - \"_phlo_tail\" AS DOUBLE)"));
    format!(
        "(SELECT * EXCLUDE (\"_phlo_value\", \"_phlo_at\", \"_phlo_block\", \"_phlo_tail\", \"_phlo_head_mean\", \"_phlo_head_var\", \
         \"_phlo_tail_mean\", \"_phlo_tail_var\", \"_phlo_a\", \"_phlo_a_var\", \"_phlo_apart\"), \
         \"_phlo_a\" + \"_phlo_apart\" * {in_head} / {all} AS \"_phlo_mean\", \
         sqrt((\"_phlo_a_var\" * {in_tail} + coalesce(\"_phlo_head_var\", {zero}) * {in_head} \
         + \"_phlo_apart\" * \"_phlo_apart\" * {in_tail} * {in_head} / {all}) / {less}) AS \"_phlo_stdev\" FROM ({apart}))",
        zero = literal(0.0),
        less = literal(f64::from(previous) - 1.0)
    )
}

// Of what overflowed nothing is known: everything finite is near an infinity, and within so many of them.
fn judged_mean(found: f64, unit: Option<f64>, mean: f64, levels: Levels<f64>) -> Verdict {
    let off = (found - mean).abs();
    let near = found.is_finite() && off <= 1e-9 * found.abs().max(mean.abs());
    match unit {
        Some(unit) => {
            let within = |most: f64| off.is_finite() && unit.is_finite() && (near || off <= most * unit);
            levels.judge(within, format!("mean {found:.6}, standard deviation {unit:.6}"))
        }
        None => Verdict::whole(near, format!("mean {found:.6} of one value")),
    }
}

impl Quality for ZScore {
    type Params = ZScoreParams;

    fn check(&self, params: ZScoreParams, target: &CheckTarget) -> Result<CheckPlan> {
        let ZScoreParams { column, max, by } = params;
        params::numeric("column", &column, target)?;
        params::groups(&column, &by)?;
        let most = max.unwrap_or(USUAL);
        params::limit("max", most, f64::INFINITY)?;
        let value = double(&column);
        let finite = is_finite(&value);
        let stats = format!("avg({value}) AS \"_phlo_mean\", stddev_samp({value}) AS \"_phlo_stdev\"");
        let aliases: Vec<_> = (0..by.len()).map(|at| format!("\"_phlo_by{at}\"")).collect();
        let joined = if by.is_empty() {
            format!("this CROSS JOIN (SELECT {stats} FROM this WHERE {finite})")
        } else {
            let keys: Vec<_> = by.iter().map(|column| target.group_key(column)).collect();
            let paired = |one: &dyn Fn(&str, &str) -> String| {
                keys.iter().zip(&aliases).map(|(key, alias)| one(key, alias)).collect::<Vec<_>>()
            };
            // A group of nothing finite has no mean, and no row beyond it; the others' rows find theirs. The groups come first: they are
            // what is held in memory.
            format!(
                "(SELECT {}, {stats} FROM this WHERE {finite} GROUP BY {}) AS \"_phlo_groups\" RIGHT JOIN this ON {}",
                paired(&|key, alias| format!("{key} AS {alias}")).join(", "),
                keys.join(", "),
                paired(&|key, alias| format!("({key} IS NOT DISTINCT FROM {alias})")).join(" AND ")
            )
        };
        let from = format!("FROM {joined} WHERE NOT {finite} OR ({value} IS NOT NULL AND {})", beyond(&value, most));
        let added: String = aliases.iter().map(|alias| format!("{alias}, ")).collect();
        let evaluation = Evaluation::Count {
            count: format!("SELECT count(*) {from}"),
            show: format!(
                "SELECT * EXCLUDE ({added}\"_phlo_mean\", \"_phlo_stdev\") {from} ORDER BY abs({value} - \"_phlo_mean\") DESC"
            ),
        };
        let name = check_name("z_score", &format!("{column}{}{}", each(&by), shown(max)));
        let expected = format!("{column}{} within {most} standard deviations of its mean", each(&by));
        Ok(CheckPlan::new(name, expected, evaluation).on([column]).on(by))
    }
}

impl Quality for MeanStdevs {
    type Params = MeanStdevsParams;
    const TOLERANCE: bool = false;

    fn check(&self, params: MeanStdevsParams, target: &CheckTarget) -> Result<CheckPlan> {
        let MeanStdevsParams { column, mean, stdev, max, warn } = params;
        params::numeric("column", &column, target)?;
        let levels = Levels::of_max(max.unwrap_or(USUAL), warn)?;
        if !mean.is_finite() {
            return Err(invalid(format!("`mean` is {mean}")).hint("write a finite number"));
        }
        if let Some(given) = stdev.filter(|given| !given.is_finite() || *given <= 0.0) {
            return Err(invalid(format!("`stdev` is {given}, which is not above 0"))
                .hint("remove it: the column's own is then the unit"));
        }
        let finite = format!(
            "CASE WHEN {finite} THEN {value} END",
            finite = is_finite(&double(&column)),
            value = double(&column)
        );
        let expressions = [format!("avg({finite})"), format!("stddev_samp({finite})")];
        let judge = move |values: &[Value]| {
            let Some(found) = params::number(values, 0) else { return Verdict::whole(false, "no value, so no mean") };
            judged_mean(found, stdev.or_else(|| params::number(values, 1)), mean, levels)
        };
        let unit = stdev.map(|stdev| format!(" of {stdev}")).unwrap_or_default();
        let name = check_name("mean_stdevs", &format!("{column}, {mean}{unit}{}", shown(max)));
        let expected = format!("the mean of {column} within {} standard deviations{unit} of {mean}", levels.fails);
        let plan = CheckPlan::new(name, expected, Evaluation::aggregates(expressions, judge)).on([column]);
        Ok(levels.warning(plan, |most| format!("within {most}")))
    }
}

impl Quality for MovingStdevs {
    type Params = MovingStdevsParams;

    fn check(&self, params: MovingStdevsParams, target: &CheckTarget) -> Result<CheckPlan> {
        let MovingStdevsParams { column, order_by, previous, max, by } = params;
        params::numeric("column", &column, target)?;
        params::groups(&column, &by)?;
        let most = max.unwrap_or(USUAL);
        params::limit("max", most, f64::INFINITY)?;
        if previous < 2 {
            return Err(
                invalid(format!("`previous` is {previous}")).hint("write 2 or more: fewer values deviate from nothing")
            );
        }
        if order_by.is_empty() {
            return Err(invalid("`order_by` is empty").hint("name the columns that the rows are ordered by"));
        }
        let value = double(&column);
        let finite = is_finite(&value);
        let order: Vec<_> = order_by.iter().map(|column| format!("{} NULLS LAST", quote(column))).collect();
        let keys: Vec<_> = by.iter().map(|column| target.group_key(column)).collect();
        let judged = preceded(&value, &keys, &order.join(", "), previous);
        let bad = beyond(&value, most);
        let evaluation = Evaluation::Count {
            count: format!(
                "SELECT (SELECT count(*) FROM this WHERE NOT {finite}) + (SELECT count(*) FROM {judged} WHERE {bad})"
            ),
            show: format!(
                "SELECT * FROM this WHERE NOT {finite} UNION ALL \
                 SELECT * EXCLUDE (\"_phlo_mean\", \"_phlo_stdev\") FROM {judged} WHERE {bad}"
            ),
        };
        let name = check_name(
            "moving_stdevs",
            &format!("{column}{} by {}, {previous}{}", each(&by), order_by.join(", "), shown(max)),
        );
        let expected =
            format!("{column}{} within {most} standard deviations of the {previous} values before", each(&by));
        Ok(CheckPlan::new(name, expected, evaluation).on(std::iter::once(column).chain(order_by)).on(by))
    }
}

#[cfg(test)]
mod tests {
    use phlo_spec::Node;

    use super::*;

    #[test]
    fn groups_that_cannot_be_meant_are_refused() {
        let target = CheckTarget { asset: AssetKey::new("a.b").unwrap(), schema: None };
        for (by, want) in [("[n]", "`by` names `n`, whose values are judged"), ("[k, k]", "`by` names `k` twice")] {
            let read = |more: &str| Node::parse(&format!("{{column: n, by: {by}{more}}}"), "a.yaml", 1).unwrap();
            let z_score = ZScore.check(read("").read().unwrap(), &target);
            let moving = MovingStdevs.check(read(", order_by: [id], previous: 3").read().unwrap(), &target);
            for err in [z_score.unwrap_err(), moving.unwrap_err()] {
                assert!(err.message().contains(want), "{by}: {err:?}");
            }
        }
    }

    #[test]
    fn a_mean_that_overflows_is_near_nothing() {
        for (found, unit, mean, passed) in [
            (f64::INFINITY, None, 1.0, false),
            (f64::INFINITY, Some(1.0), 1.0, false),
            (f64::NAN, Some(1.0), 1.0, false),
            (1.0, Some(f64::INFINITY), 1.0, false),
            (1.0, Some(f64::NAN), 1.0, false),
            (f64::MAX, Some(f64::MAX), -f64::MAX, false),
            (1e300, Some(1e300), 0.0, true),
            (1e300, None, 1e300, true),
            (1.0, Some(0.0), 1.0, true),
            (1.0, None, 2.0, false),
        ] {
            let verdict = judged_mean(found, unit, mean, Levels::of_max(3.0, None).unwrap());
            assert_eq!(verdict.passed, passed, "{found} and {unit:?} for {mean}");
        }
    }
}
