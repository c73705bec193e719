//! `z_score`, `mean_stdevs` and `moving_stdevs`: distances in standard deviations.

use phlo_plugin::prelude::*;
use phlo_plugin::quality::{Value, quote};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::params::{self, double, invalid, is_finite, literal};

/// Values are within n standard deviations of their mean.
///
/// A violation is a row whose value is further away; NaN and infinities are. Mean and standard deviation (of a sample, n - 1) are of the
/// finite values, with those of the rows themselves among them; null passes. One value, equal values and an empty table pass; a distance
/// of less than a billionth of the values is none. A column that is not of numbers is refused; numbers are read as float64.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ZScoreParams {
    /// The column, of numbers.
    pub column: String,
    /// How many standard deviations a value may be away; 3 unless set.
    #[serde(default)]
    pub max: Option<f64>,
}

/// The mean is within n standard deviations of an expected one.
///
/// The violation is the verdict: one. Null, NaN and infinities are left out. Without any value, in an empty table or among nulls, the check
/// fails: there is no mean. With one value there is no standard deviation of its own, and `stdev` is needed: it fails without, unless the
/// value is the expected mean. A column that is not of numbers is refused; numbers are read as float64.
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
}

/// Values are within n standard deviations of the mean of the values before them.
///
/// A violation is a row whose value is further from the mean of the `previous` values before it than `max` of their standard deviations (of
/// a sample, n - 1); NaN and infinities are violations. Those and nulls are not among the values before; a row with fewer than `previous`
/// before it passes, and so does an empty table. Equal values before allow no other, a billionth of them apart. The order must be unique to
/// say the same each time. A column that is not of numbers is refused; numbers are read as float64.
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

// A distance beyond so many deviations; rounding is none.
fn beyond(value: &str, max: f64) -> String {
    format!(
        "abs({value} - \"_mean\") > {} * \"_stdev\" + {} * greatest(abs({value}), abs(\"_mean\"))",
        literal(max),
        literal(1e-9)
    )
}

impl Quality for ZScore {
    type Params = ZScoreParams;

    fn check(&self, params: ZScoreParams, target: &CheckTarget) -> Result<CheckPlan> {
        let ZScoreParams { column, max } = params;
        params::numeric("column", &column, target)?;
        let most = max.unwrap_or(USUAL);
        params::limit("max", most, f64::INFINITY)?;
        let value = double(&column);
        let from = format!(
            "FROM this CROSS JOIN (SELECT avg({value}) AS \"_mean\", stddev_samp({value}) AS \"_stdev\" FROM this WHERE {}) \
             WHERE NOT {} OR {}",
            is_finite(&value),
            is_finite(&value),
            beyond(&value, most)
        );
        let evaluation = Evaluation::Count {
            count: format!("SELECT count(*) {from}"),
            show: format!("SELECT * EXCLUDE (\"_mean\", \"_stdev\") {from} ORDER BY abs({value} - \"_mean\") DESC"),
        };
        let name = check_name("z_score", &format!("{column}{}", shown(max)));
        let expected = format!("{column} within {most} standard deviations of its mean");
        Ok(CheckPlan::new(name, expected, evaluation).on([column]))
    }
}

impl Quality for MeanStdevs {
    type Params = MeanStdevsParams;
    const TOLERANCE: bool = false;

    fn check(&self, params: MeanStdevsParams, target: &CheckTarget) -> Result<CheckPlan> {
        let MeanStdevsParams { column, mean, stdev, max } = params;
        params::numeric("column", &column, target)?;
        let most = max.unwrap_or(USUAL);
        params::limit("max", most, f64::INFINITY)?;
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
            let off = (found - mean).abs();
            let near = off <= 1e-9 * found.abs().max(mean.abs());
            match stdev.or_else(|| params::number(values, 1)) {
                Some(unit) => {
                    Verdict::whole(near || off <= most * unit, format!("mean {found:.6}, standard deviation {unit:.6}"))
                }
                None => Verdict::whole(near, format!("mean {found:.6} of one value")),
            }
        };
        let unit = stdev.map(|stdev| format!(" of {stdev}")).unwrap_or_default();
        let name = check_name("mean_stdevs", &format!("{column}, {mean}{unit}{}", shown(max)));
        let expected = format!("the mean of {column} within {most} standard deviations{unit} of {mean}");
        Ok(CheckPlan::new(name, expected, Evaluation::aggregates(expressions, judge)).on([column]))
    }
}

impl Quality for MovingStdevs {
    type Params = MovingStdevsParams;

    fn check(&self, params: MovingStdevsParams, target: &CheckTarget) -> Result<CheckPlan> {
        let MovingStdevsParams { column, order_by, previous, max } = params;
        params::numeric("column", &column, target)?;
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
        let over = format!("OVER (ORDER BY {} ROWS BETWEEN {previous} PRECEDING AND 1 PRECEDING)", order.join(", "));
        let judged = format!(
            "(SELECT *, avg({value}) {over} AS \"_mean\", stddev_samp({value}) {over} AS \"_stdev\", count({value}) {over} AS \"_before\" \
             FROM this WHERE {finite})"
        );
        let bad = format!("\"_before\" = {previous} AND {}", beyond(&value, most));
        let evaluation = Evaluation::Count {
            count: format!(
                "SELECT (SELECT count(*) FROM this WHERE NOT {finite}) + (SELECT count(*) FROM {judged} WHERE {bad})"
            ),
            show: format!(
                "SELECT * FROM this WHERE NOT {finite} UNION ALL \
                 SELECT * EXCLUDE (\"_mean\", \"_stdev\", \"_before\") FROM {judged} WHERE {bad}"
            ),
        };
        let name =
            check_name("moving_stdevs", &format!("{column} by {}, {previous}{}", order_by.join(", "), shown(max)));
        let expected = format!("{column} within {most} standard deviations of the {previous} values before");
        Ok(CheckPlan::new(name, expected, evaluation).on(std::iter::once(column).chain(order_by)))
    }
}
