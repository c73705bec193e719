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
    format!("CAST({value:?} AS DOUBLE)")
}

/// The number at a place of a row.
pub(crate) fn number(row: &[Value], at: usize) -> Option<f64> {
    row.get(at).and_then(Value::as_f64)
}

/// The verdict on what a query never answers.
pub(crate) fn unexpected(rows: &[Vec<Value>]) -> Verdict {
    Verdict::whole(false, format!("no statistic, but {} rows", rows.len()))
}
