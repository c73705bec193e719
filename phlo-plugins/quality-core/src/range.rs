//! `range`.

use phlo_plugin::prelude::*;
use phlo_plugin::quality::quote;
use phlo_plugin::schema::type_name;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::params::{self, invalid};
use crate::scalar::{Scalar, moment};

/// Values lie between bounds.
///
/// Both bounds are themselves allowed. Null passes (add `not_null` to refuse it). NaN is out of every range; infinity is compared as a
/// number. An empty table passes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RangeParams {
    /// The column: of numbers, dates or timestamps.
    pub column: String,
    /// The lowest value allowed: a number, or a date or timestamp such as `2013-01-01` or `2013-01-01T06:00:00Z` (UTC unless it has an
    /// offset). At least one of `min` and `max` is needed.
    #[serde(default)]
    pub min: Option<Scalar>,
    /// The highest value allowed, written like `min`.
    #[serde(default)]
    pub max: Option<Scalar>,
}

/// Makes `range` checks.
#[derive(Debug)]
pub struct Range;

impl Quality for Range {
    type Params = RangeParams;

    fn check(&self, params: RangeParams, target: &CheckTarget) -> Result<CheckPlan> {
        let RangeParams { column, min, max } = params;
        let bounds = [("min", ">=", &min), ("max", "<=", &max)];
        for (field, _, bound) in bounds {
            acceptable(field, bound.as_ref())?;
        }
        let (shown, expected) = match (&min, &max) {
            (Some(min), Some(max)) => {
                in_order(min, max)?;
                (format!("{min}..{max}"), format!("from {min} to {max}"))
            }
            (Some(min), None) => (format!("{min}.."), format!("at least {min}")),
            (None, Some(max)) => (format!("..{max}"), format!("at most {max}")),
            (None, None) => return Err(invalid("neither `min` nor `max` is given").hint("give one of them, or both")),
        };

        let data_type = params::column_type(target, &column);
        if let Some(other) = data_type.filter(|t| !t.is_numeric() && !t.is_temporal()) {
            return Err(invalid(format!("`column` is `{column}`, whose type {} has no range", type_name(other))).hint(
                "ranges are for numbers, dates and timestamps; declare the column's type under `columns:`, or cast it",
            ));
        }
        let quoted = quote(&column);
        let mut parts = Vec::new();
        for (_, comparison, bound) in bounds {
            if let Some(bound) = bound {
                parts.push(format!("{quoted} {comparison} {}", bound.literal(&column, data_type)?));
            }
        }
        // NaN is above and below everything, by its sign: two bounds keep it out, one does not.
        let numbers = [&min, &max].iter().any(|bound| bound.as_ref().is_some_and(|b| b.kind() == "number"));
        if parts.len() == 1 && numbers && data_type.is_none_or(arrow_schema::DataType::is_floating) {
            parts.push(format!("NOT isnan({quoted})"));
        }
        Ok(CheckPlan::new(
            params::name("range", &format!("{column}, {shown}")),
            format!("{column} {expected}"),
            Evaluation::rows(parts.join(" AND ")),
        )
        .on(vec![column]))
    }
}

fn acceptable(field: &str, bound: Option<&Scalar>) -> Result<()> {
    match bound {
        Some(Scalar::Text(text)) if moment(text).is_none() => {
            Err(invalid(format!("`{field}` is `{text}`, which is neither a number nor a date nor a timestamp"))
                .hint("write a number without quotes, YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS"))
        }
        Some(Scalar::Bool(value)) => {
            Err(invalid(format!("`{field}` is `{value}`, which has no order")).hint("use `accepted_values`"))
        }
        _ => Ok(()),
    }
}

fn in_order(min: &Scalar, max: &Scalar) -> Result<()> {
    let too_high = match (min, max) {
        (Scalar::Int(min), Scalar::Int(max)) => min > max,
        (Scalar::Text(min), Scalar::Text(max)) => moment(min) > moment(max),
        (Scalar::Text(_), _) | (_, Scalar::Text(_)) => {
            return Err(invalid(format!("`min` is the {} `{min}` and `max` the {} `{max}`", min.kind(), max.kind()))
                .hint("write both alike"));
        }
        _ => number(min) > number(max),
    };
    if too_high {
        Err(invalid(format!("`min` is {min}, above `max`, which is {max}")).hint("swap them"))
    } else {
        Ok(())
    }
}

fn number(scalar: &Scalar) -> Option<f64> {
    match scalar {
        Scalar::Int(value) => Some(*value as f64),
        Scalar::Float(value) => Some(*value),
        Scalar::Bool(_) | Scalar::Text(_) => None,
    }
}
