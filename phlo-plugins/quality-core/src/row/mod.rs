//! Checks of rows, keys, sets and texts, and what they share.

pub mod cardinality;
pub mod compare;
mod dates;
pub mod format;
pub mod missing;
pub mod overlap;
pub mod sets;
pub mod texts;
pub mod uniqueness;

use arrow_schema::DataType;
use phlo_plugin::prelude::*;
use phlo_plugin::quality::quote;
use phlo_plugin::schema::type_name;
pub(crate) use phlo_plugin::schema::{Class, class};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::params::invalid;
use crate::scalar::Scalar;

/// A text, or several.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Texts {
    /// One.
    One(String),
    /// A list of them.
    Many(Vec<String>),
}

impl Default for Texts {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl Texts {
    /// As a list.
    pub(crate) fn list(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(texts) => texts,
        }
    }
}

/// Refuses a column that is known not to be of texts.
pub(crate) fn of_texts(target: &CheckTarget, column: &str) -> Result<()> {
    match target.column_type(column) {
        Some(other) if class(other) != Class::Text => {
            Err(invalid(format!("`column` is `{column}`, whose type {} is not text", type_name(other)))
                .hint("use `range`, `compare` or `accepted_values`, or a `business_rule` that casts it"))
        }
        _ => Ok(()),
    }
}

/// The column as a side of a comparison with another column: without it, -0.0 is less than 0.0, a date and a timestamp meet in
/// nanoseconds, which end in the year 2262, a narrow float and a decimal as decimals, which know no infinity, and a narrow decimal and a
/// whole number as whole numbers.
pub(crate) fn side(target: &CheckTarget, column: &str, other: &str) -> String {
    let quoted = quote(column);
    match (target.column_type(column), target.column_type(other)) {
        (Some(one), Some(other)) if one != other && (narrow(one, other) || narrow(other, one)) => {
            format!("(CAST({quoted} AS DOUBLE) + 0)")
        }
        (Some(number), _) if number.is_floating() => format!("({quoted} + 0)"),
        (Some(whole), Some(DataType::Decimal32(..) | DataType::Decimal64(..))) if whole.is_integer() => {
            format!("CAST({quoted} AS DECIMAL(20, 0))")
        }
        (Some(one), Some(other)) if class(one) == Class::Moment && one != other => {
            format!("CAST({quoted} AS TIMESTAMP(6))")
        }
        (Some(one), Some(other)) if class(one) == Class::Time && one != other => format!("CAST({quoted} AS TIME)"),
        _ => quoted,
    }
}

/// Whether a float does not meet the other number as a float64 by itself.
fn narrow(float: &DataType, other: &DataType) -> bool {
    float.is_floating() && !(*float == DataType::Float64 && other.is_integer())
}

/// Values of one kind, as SQL of the column's type.
pub(crate) fn literals(target: &CheckTarget, column: &str, values: &[Scalar]) -> Result<Vec<String>> {
    let Some(first) = values.first() else {
        return Err(invalid("`values` is empty").hint("list at least one value"));
    };
    if let Some(other) = values.iter().find(|value| value.kind() != first.kind()) {
        let message = format!("`values` mixes the {} `{first}` with the {} `{other}`", first.kind(), other.kind());
        return Err(invalid(message).hint("put values that are meant as text in quotes"));
    }
    let data_type = target.column_type(column);
    values.iter().map(|value| value.literal(column, data_type)).collect()
}

/// Whether the column holds one of these values; NULL for null.
pub(crate) fn is_in(target: &CheckTarget, column: &str, values: &[Scalar]) -> Result<String> {
    let list = literals(target, column, values)?.join(", ");
    let quoted = quote(column);
    let zero = values.iter().any(|value| matches!(value, Scalar::Int(0)) || *value == Scalar::Float(0.0));
    // -0.0 equals 0, and is not found in a list by its bits.
    if zero && target.column_type(column).is_some_and(DataType::is_floating) {
        return Ok(format!("({quoted} IN ({list}) OR {quoted} = 0)"));
    }
    Ok(format!("{quoted} IN ({list})"))
}

/// Values for people: `a, b`.
pub(crate) fn shown(values: &[Scalar]) -> String {
    values.iter().map(Scalar::to_string).collect::<Vec<_>>().join(", ")
}
