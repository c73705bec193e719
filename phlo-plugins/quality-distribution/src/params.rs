//! What the checks do alike.

use arrow_schema::DataType;
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
    let of = |schema: &SchemaRef| schema.field_with_name(column).ok().map(|field| field.data_type().clone());
    let data_type = match target.schema.as_ref().and_then(of) {
        Some(DataType::Dictionary(_, value)) => Some(*value),
        other => other,
    };
    match data_type {
        Some(other) if !other.is_numeric() => {
            let message = format!("`{field}` is `{column}`, whose type {} is not a number", type_name(&other));
            Err(invalid(message).hint("name a column of numbers, or cast it"))
        }
        _ => Ok(()),
    }
}

/// Refuses a column that is known to hold bytes, which are no text.
pub(crate) fn categorical(field: &str, column: &str, target: &CheckTarget) -> Result<()> {
    let field_of = target.schema.as_ref().and_then(|schema| schema.field_with_name(column).ok());
    let data_type = match field_of.map(arrow_schema::Field::data_type) {
        Some(DataType::Dictionary(_, value)) => Some(value.as_ref()),
        other => other,
    };
    match data_type {
        Some(bytes) if bytes.is_binary() || matches!(bytes, DataType::BinaryView | DataType::FixedSizeBinary(_)) => {
            let message = format!("`{field}` is `{column}`, whose type {} is no category", type_name(bytes));
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

/// A check's name: the kind and what distinguishes it, not endless, still different for different texts.
pub(crate) fn name(kind: &str, what: &str) -> String {
    const LONGEST: usize = 100;
    let what = what.split_whitespace().collect::<Vec<_>>().join(" ");
    if what.chars().count() <= LONGEST {
        return format!("{kind}({what})");
    }
    // FNV-1a: names are remembered, so the same text must give the same name in every build.
    let hash = what.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let start: String = what.chars().take(LONGEST - 10).collect();
    format!("{kind}({start}… {hash:08x})")
}
