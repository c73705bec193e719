//! What the checks do alike.

use phlo_plugin::Error;
use phlo_plugin::prelude::*;
use phlo_plugin::quality::{Value, quote};
use phlo_plugin::schema::type_name;

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
    Err(invalid(format!("`{field}` is {value}, which is not a number from 0{upper}")).hint("write e.g. 0.05"))
}

/// A column in floating point.
pub(crate) fn double(column: &str) -> String {
    format!("CAST({} AS DOUBLE)", quote(column))
}

/// Whether an expression is neither NaN nor infinite; null for null.
pub(crate) fn is_finite(sql: &str) -> String {
    format!("(NOT isnan({sql}) AND abs({sql}) < CAST('Infinity' AS DOUBLE))")
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
