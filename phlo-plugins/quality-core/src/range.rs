//! `range`.

use arrow_schema::DataType;
use phlo_plugin::prelude::*;
use phlo_plugin::quality::quote;
use phlo_plugin::schema::{Class, class, type_name};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::params::invalid;
use crate::scalar::{Scalar, moment, time};

/// Values lie between bounds, or with `outside` beyond them.
///
/// `min` and `max` are themselves allowed, `above` and `below` are not. Null passes (add `not_null` to refuse it). NaN is out of every
/// range; infinity is compared as a number. Texts are compared by their code points, and what looks like a date is a text beside them. An
/// empty table passes. A bound of another type than the column's is refused, and so is a moment or a time of day in fractions that the
/// column does not hold. A violation is a row.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RangeParams {
    /// The column: of numbers, dates, timestamps, times of day or texts.
    pub column: String,
    /// The lowest value allowed: a number, in quotes if it is a decimal of more than fifteen digits, a date or timestamp such as
    /// `2013-01-01` or `2013-01-01T06:00:00Z` (UTC unless it has an offset), a time of day such as `06:00:00`, or a text. At least one
    /// bound is needed.
    #[serde(default)]
    pub min: Option<Scalar>,
    /// The highest value allowed, written like `min`.
    #[serde(default)]
    pub max: Option<Scalar>,
    /// Values have to be above this, written like `min`, which it excludes.
    #[serde(default)]
    pub above: Option<Scalar>,
    /// Values have to be below this, written like `min`; excludes `max`.
    #[serde(default)]
    pub below: Option<Scalar>,
    /// Whether values have to lie outside the range instead.
    #[serde(default)]
    pub outside: bool,
}

/// Makes `range` checks.
#[derive(Debug)]
pub struct Range;

impl Quality for Range {
    type Params = RangeParams;

    fn check(&self, params: RangeParams, target: &CheckTarget) -> Result<CheckPlan> {
        let RangeParams { column, min, max, above, below, outside } = params;
        let data_type = target.column_type(&column);
        let given = [("min", ">=", min), ("above", ">", above), ("max", "<=", max), ("below", "<", below)];
        for (field, _, bound) in &given {
            acceptable(field, bound.as_ref(), data_type)?;
        }
        let [min, above, max, below] = given;
        let (low, high) = (one(min, above)?, one(max, below)?);
        // An exclusive bound is told by its sign.
        let sign = |(_, comparison, bound): &Bound| {
            if comparison.len() == 1 { format!("{comparison}{bound}") } else { bound.to_string() }
        };
        let word = |(field, _, bound): &Bound| match *field {
            "min" => format!("at least {bound}"),
            "max" => format!("at most {bound}"),
            field => format!("{field} {bound}"),
        };
        let (mut shown, mut expected) = match (&low, &high) {
            (Some(low), Some(high)) => {
                in_order(low, high, data_type)?;
                let expected = if (low.1, high.1) == (">=", "<=") {
                    format!("from {} to {}", low.2, high.2)
                } else {
                    format!("{} and {}", word(low), word(high))
                };
                (format!("{}..{}", sign(low), sign(high)), expected)
            }
            (Some(low), None) => (format!("{}..", sign(low)), word(low)),
            (None, Some(high)) => (format!("..{}", sign(high)), word(high)),
            (None, None) => return Err(invalid("neither `min` nor `max` is given").hint("give one of them, or both")),
        };
        if outside {
            shown.push_str(" outside");
            expected = format!("not {expected}");
        }

        if let Some(other) = data_type.filter(|it| matches!(class(it), Class::Bool | Class::Other)) {
            return Err(invalid(format!("`column` is `{column}`, whose type {} has no range", type_name(other))).hint(
                "ranges are for numbers, dates, times and texts; declare its type under `columns:`, or cast it",
            ));
        }
        let quoted = quote(&column);
        let bounds: Vec<&Bound> = [&low, &high].into_iter().flatten().collect();
        let mut parts = Vec::new();
        for (_, comparison, bound) in &bounds {
            parts.push(format!("{quoted} {comparison} {}", bound.literal(&column, data_type)?));
        }
        // NaN is above and below everything, by its sign: two bounds keep it out, one does not.
        let numbers = bounds.iter().any(|(_, _, bound)| bound.kind() == "number");
        if parts.len() == 1 && numbers && data_type.is_none_or(DataType::is_floating) {
            parts.push(format!("NOT isnan({quoted})"));
        }
        let inside = parts.join(" AND ");
        Ok(CheckPlan::new(
            check_name("range", &format!("{column}, {shown}")),
            format!("{column} {expected}"),
            Evaluation::rows(if outside { format!("NOT ({inside})") } else { inside }),
        )
        .on(vec![column]))
    }
}

fn acceptable(field: &str, bound: Option<&Scalar>, data_type: Option<&DataType>) -> Result<()> {
    let number_or_moment = data_type.is_some_and(|it| matches!(class(it), Class::Number | Class::Moment));
    match bound {
        // A decimal in quotes keeps all its digits.
        Some(Scalar::Text(text)) if number_or_moment && moment(text).is_none() && text.parse::<f64>().is_err() => {
            Err(invalid(format!("`{field}` is `{text}`, which is neither a number nor a date nor a timestamp"))
                .hint("write a number without quotes, YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS"))
        }
        Some(Scalar::Bool(value)) => {
            Err(invalid(format!("`{field}` is `{value}`, which has no order")).hint("use `accepted_values`"))
        }
        _ => Ok(()),
    }
}

/// The field, its comparison and its value.
type Bound = (&'static str, &'static str, Scalar);

/// At most one of two fields for the same bound.
fn one(
    a: (&'static str, &'static str, Option<Scalar>),
    b: (&'static str, &'static str, Option<Scalar>),
) -> Result<Option<Bound>> {
    match (a, b) {
        ((a, _, Some(_)), (b, _, Some(_))) => {
            Err(invalid(format!("`{b}` excludes `{a}`")).hint("keep the one that is meant"))
        }
        ((field, comparison, Some(bound)), _) | (_, (field, comparison, Some(bound))) => {
            Ok(Some((field, comparison, bound)))
        }
        _ => Ok(None),
    }
}

fn in_order((low, above, min): &Bound, (high, below, max): &Bound, data_type: Option<&DataType>) -> Result<()> {
    use std::cmp::Ordering;
    let of_texts = data_type.is_some_and(|it| class(it) == Class::Text);
    let order = match (min, max) {
        (Scalar::Int(min), Scalar::Int(max)) => Some(min.cmp(max)),
        (Scalar::Text(min), Scalar::Text(max)) if of_texts => Some(min.cmp(max)),
        (Scalar::Text(min), Scalar::Text(max)) => match (min.parse::<f64>(), max.parse::<f64>()) {
            (Ok(min), Ok(max)) => min.partial_cmp(&max),
            _ => match (moment(min).zip(moment(max)), time(min).zip(time(max))) {
                (Some((min, max)), _) => Some(min.cmp(&max)),
                (_, Some((min, max))) => Some(min.cmp(&max)),
                _ => Some(min.cmp(max)),
            },
        },
        (Scalar::Text(_), _) | (_, Scalar::Text(_)) => {
            return Err(invalid(format!(
                "`{low}` is the {} `{min}` and `{high}` the {} `{max}`",
                min.kind(),
                max.kind()
            ))
            .hint("write both alike"));
        }
        _ => number(min).partial_cmp(&number(max)),
    };
    match order {
        Some(Ordering::Greater) => {
            Err(invalid(format!("`{low}` is {min}, above `{high}`, which is {max}")).hint("swap them"))
        }
        Some(Ordering::Equal) if *above == ">" || *below == "<" => {
            Err(invalid(format!("`{low}` and `{high}` are both {min}, and nothing lies between"))
                .hint("use `min` and `max`"))
        }
        _ => Ok(()),
    }
}

fn number(scalar: &Scalar) -> Option<f64> {
    match scalar {
        Scalar::Int(value) => Some(*value as f64),
        Scalar::Float(value) => Some(*value),
        Scalar::Bool(_) | Scalar::Text(_) => None,
    }
}
