//! What the checks do alike.

use arrow_schema::DataType;
use phlo_plugin::Error;
use phlo_plugin::prelude::*;
use phlo_plugin::quality::{Value, quote};
use phlo_plugin::schema::type_name;
use schemars::JsonSchema;
use serde::Deserialize;

/// The error of a parameter that cannot be meant. The message names the parameter.
pub(crate) fn invalid(message: impl Into<String>) -> Error {
    Error::new(Code::InvalidValue, message)
}

/// Refuses a column that is known to hold no numbers.
pub(crate) fn numeric(field: &str, column: &str, target: &CheckTarget) -> Result<()> {
    match target.column_type(column) {
        Some(other) if !other.is_numeric() => {
            let message = format!("`{field}` is `{column}`, whose type {} is not a number", type_name(other));
            Err(invalid(message).hint("name a column of numbers, or cast it"))
        }
        _ => Ok(()),
    }
}

/// Refuses a column that is known to hold bytes, lists or structs, which are no text.
pub(crate) fn categorical(field: &str, column: &str, target: &CheckTarget) -> Result<()> {
    match target.column_type(column) {
        Some(other) if other.is_binary() || other.is_nested() => {
            let message = format!("`{field}` is `{column}`, whose type {} is no category", type_name(other));
            Err(invalid(message).hint("name another column, or encode it"))
        }
        _ => Ok(()),
    }
}

/// Refuses groups that cannot be meant.
pub(crate) fn groups(column: &str, by: &[String]) -> Result<()> {
    if by.iter().any(|other| other == column) {
        return Err(invalid(format!("`by` names `{column}`, whose values are judged")).hint("remove it"));
    }
    match by.iter().enumerate().find(|(at, name)| by[..*at].contains(name)) {
        Some((_, twice)) => Err(invalid(format!("`by` names `{twice}` twice")).hint("remove one of them")),
        None => Ok(()),
    }
}

/// Refuses what is not a number from 0 on, or more than `most`.
pub(crate) fn limit(field: &str, value: f64, most: f64) -> Result<()> {
    if value.is_finite() && (0.0..=most).contains(&value) {
        return Ok(());
    }
    let upper = if most.is_finite() { format!(" to {most}") } else { String::new() };
    let example = if most.is_finite() { "write e.g. 0.05" } else { "write e.g. 3" };
    Err(invalid(format!("`{field}` is {value}, which is not a number from 0{upper}")).hint(example))
}

/// A p-value that warns.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PValueWarning {
    /// Below this it warns; more than the check's own `p_value`.
    pub p_value: f64,
}

/// A limit that warns.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MaxWarning {
    /// Above this it warns; less than the check's own `max`.
    pub max: f64,
}

/// Bounds that warn.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BoundsWarning {
    /// Below this it warns; more than the other `min`.
    #[serde(default)]
    pub min: Option<f64>,
    /// Above this it warns; less than the other `max`.
    #[serde(default)]
    pub max: Option<f64>,
}

/// The bounds of a share or of an association, numbers from 0 to 1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    min: Option<f64>,
    max: Option<f64>,
}

impl Bounds {
    /// Refuses what cannot be meant.
    pub(crate) fn of(min: Option<f64>, max: Option<f64>) -> Result<Self> {
        for (field, bound) in [("min", min), ("max", max)] {
            bound.map_or(Ok(()), |bound| limit(field, bound, 1.0))?;
        }
        match (min, max) {
            (Some(min), Some(max)) if min > max => {
                Err(invalid(format!("`min` is {min}, above `max`, which is {max}")).hint("swap them"))
            }
            _ => Ok(Self { min, max }),
        }
    }

    /// Bounds within these, which warn.
    pub(crate) fn within(self, warn: BoundsWarning) -> Result<Self> {
        let BoundsWarning { min, max } = warn;
        if min.is_none() && max.is_none() {
            return Err(invalid("`warn` has neither `min` nor `max`").hint("give one of them, or remove `warn`"));
        }
        for (field, bound) in [("warn.min", min), ("warn.max", max)] {
            bound.map_or(Ok(()), |bound| limit(field, bound, 1.0))?;
        }
        if let (Some(inner), Some(outer)) = (min, self.min)
            && inner <= outer
        {
            return Err(invalid(format!("`warn.min` is {inner}, not above `min`, which is {outer}"))
                .hint("below `min` the check fails: write more, or leave it out"));
        }
        if let (Some(inner), Some(outer)) = (max, self.max)
            && inner >= outer
        {
            return Err(invalid(format!("`warn.max` is {inner}, not below `max`, which is {outer}"))
                .hint("above `max` the check fails: write less, or leave it out"));
        }
        match (min.or(self.min), max.or(self.max)) {
            (Some(min), Some(max)) if min > max => {
                Err(invalid(format!("it always warns: nothing lies from {min} to {max}"))
                    .hint("widen the bounds of `warn`"))
            }
            (min, max) => Ok(Self { min, max }),
        }
    }

    /// Whether a quotient, or a root of one, lies within: what differs by rounding does not differ.
    pub(crate) fn hold(self, value: f64) -> bool {
        self.min.is_none_or(|min| value >= min - 1e-12) && self.max.is_none_or(|max| value <= max + 1e-12)
    }

    /// Whether there is one on each side.
    pub(crate) fn are_two(self) -> bool {
        self.min.is_some() && self.max.is_some()
    }

    /// For people, and to tell checks apart.
    pub(crate) fn shown(self) -> String {
        match (self.min, self.max) {
            (Some(min), Some(max)) => format!("{min} to {max}"),
            (Some(min), None) => format!("at least {min}"),
            (None, max) => format!("at most {}", max.unwrap_or(1.0)),
        }
    }
}

/// What must hold lest a check fails, and what lest it warns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Levels<T> {
    pub(crate) fails: T,
    pub(crate) warns: Option<T>,
}

impl Levels<f64> {
    /// Of a p-value, at least which is wanted.
    pub(crate) fn of_p_value(fails: f64, warn: Option<PValueWarning>) -> Result<Self> {
        limit("p_value", fails, 1.0)?;
        let warns = warn.map(|warn| warn.p_value);
        warns.map_or(Ok(()), |warns| limit("warn.p_value", warns, 1.0))?;
        match warns {
            Some(warns) if warns <= fails => {
                Err(invalid(format!("`warn.p_value` is {warns}, not above `p_value`, which is {fails}"))
                    .hint("below `p_value` the check fails: write more, or remove `warn`"))
            }
            _ => Ok(Self { fails, warns }),
        }
    }

    /// Of what is wanted to be at most this.
    pub(crate) fn of_max(fails: f64, warn: Option<MaxWarning>) -> Result<Self> {
        limit("max", fails, f64::INFINITY)?;
        let warns = warn.map(|warn| warn.max);
        warns.map_or(Ok(()), |warns| limit("warn.max", warns, f64::INFINITY))?;
        match warns {
            Some(warns) if warns >= fails => {
                Err(invalid(format!("`warn.max` is {warns}, not below `max`, which is {fails}"))
                    .hint("above `max` the check fails: write less, or remove `warn`"))
            }
            _ => Ok(Self { fails, warns }),
        }
    }
}

impl<T: Copy> Levels<T> {
    /// The verdict on the table, by what is said of each level.
    pub(crate) fn judge(self, holds: impl Fn(T) -> bool, observed: String) -> Verdict {
        if holds(self.fails) && !self.warns.is_none_or(&holds) {
            return Verdict::warned(observed);
        }
        Verdict::whole(holds(self.fails), observed)
    }

    /// The plan with what must hold lest it warn, if anything.
    pub(crate) fn warning(self, plan: CheckPlan, wanted: impl FnOnce(T) -> String) -> CheckPlan {
        match self.warns {
            Some(warns) => plan.warning(wanted(warns)),
            None => plan,
        }
    }
}

/// A column in floating point.
pub(crate) fn double(column: &str) -> String {
    format!("CAST({} AS DOUBLE)", quote(column))
}

/// Whether an expression is neither NaN nor infinite; null for null.
pub(crate) fn is_finite(sql: &str) -> String {
    format!("(NOT isnan({sql}) AND abs({sql}) < CAST('Infinity' AS DOUBLE))")
}

/// A category as the text of a column's value: of a column of floating point, 5 is written 5.0.
pub(crate) fn category(value: &str, data_type: Option<&DataType>) -> String {
    let floating = data_type.is_some_and(DataType::is_floating);
    match value.parse::<f64>() {
        Ok(number) if floating && (1e-4..1e15).contains(&number.abs()) => format!("{number:?}"),
        Ok(0.0) if floating => "0.0".to_owned(),
        _ => value.to_owned(),
    }
}

/// An asset's table in SQL.
pub(crate) fn table(key: &AssetKey) -> String {
    key.parts().map(quote).collect::<Vec<_>>().join(".")
}

/// A number as SQL in floating point.
pub(crate) fn literal(value: f64) -> String {
    if value == f64::INFINITY { "CAST('Infinity' AS DOUBLE)".to_owned() } else { format!("CAST({value:?} AS DOUBLE)") }
}

/// How many numbers are from one on and below another, as an aggregate. NaN is in no range.
pub(crate) fn count_within(number: &str, (from, below): (Option<f64>, Option<f64>)) -> String {
    let from = from.map(|from| format!(" AND {number} >= {}", literal(from))).unwrap_or_default();
    let below = below.map(|below| format!(" AND {number} < {}", literal(below))).unwrap_or_default();
    counted(&format!("NOT isnan({number}){from}{below}"))
}

/// How many rows something is true of, as an aggregate.
pub(crate) fn counted(condition: &str) -> String {
    format!("count(CASE WHEN {condition} THEN 1 END)")
}

/// The number at a place of a row.
pub(crate) fn number(row: &[Value], at: usize) -> Option<f64> {
    row.get(at).and_then(Value::as_f64)
}

/// The verdict on what a query never answers.
pub(crate) fn unexpected(rows: &[Vec<Value>]) -> Verdict {
    Verdict::whole(false, format!("no statistic, but {} rows", rows.len()))
}
