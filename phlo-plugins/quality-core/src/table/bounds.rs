//! Bounds on one number or moment, and the judgement of it.

use std::cmp::Ordering;

use chrono::{DateTime, SecondsFormat};
use phlo_plugin::prelude::*;
use phlo_plugin::quality::Value;

use crate::params::invalid;
use crate::scalar::{Scalar, moment};

/// A check's parameters with bounds beside its own.
macro_rules! bounded {
    ($(#[$attribute:meta])* pub struct $name:ident { $($(#[$of_field:meta])* pub $field:ident: $type:ty,)* }) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, serde::Deserialize, schemars::JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$of_field])* pub $field: $type,)*
            /// The lowest value allowed: a number, or for moments a date or timestamp.
            #[serde(default)]
            pub min: Option<$crate::scalar::Scalar>,
            /// The highest value allowed.
            #[serde(default)]
            pub max: Option<$crate::scalar::Scalar>,
            /// The value must be above this, not equal to it; excludes `min`.
            #[serde(default)]
            pub above: Option<$crate::scalar::Scalar>,
            /// The value must be below this, not equal to it; excludes `max`.
            #[serde(default)]
            pub below: Option<$crate::scalar::Scalar>,
            /// The value must be this, give or take the tolerances; excludes the bounds.
            #[serde(default)]
            pub equal: Option<$crate::scalar::Scalar>,
            /// How far from `equal` the value may be.
            #[serde(default)]
            pub abs_tolerance: Option<f64>,
            /// How far from `equal` the value may be, as a fraction of it: 0.01 is one in a hundred. The wider tolerance counts.
            #[serde(default)]
            pub rel_tolerance: Option<f64>,
            /// Whether it is fine that there is no value, e.g. the mean of an empty table or of nulls alone.
            #[serde(default)]
            pub allow_empty: bool,
        }

        impl $name {
            fn bounds(&self) -> phlo_plugin::Result<$crate::table::bounds::Bounds> {
                $crate::table::bounds::Bounds {
                    min: self.min.clone(),
                    max: self.max.clone(),
                    above: self.above.clone(),
                    below: self.below.clone(),
                    equal: self.equal.clone(),
                    abs_tolerance: self.abs_tolerance,
                    rel_tolerance: self.rel_tolerance,
                    allow_empty: self.allow_empty,
                }
                .checked()
            }
        }
    };
}
pub(crate) use bounded;

/// What a value must be.
#[derive(Debug, Clone)]
pub(crate) struct Bounds {
    pub(crate) min: Option<Scalar>,
    pub(crate) max: Option<Scalar>,
    pub(crate) above: Option<Scalar>,
    pub(crate) below: Option<Scalar>,
    pub(crate) equal: Option<Scalar>,
    pub(crate) abs_tolerance: Option<f64>,
    pub(crate) rel_tolerance: Option<f64>,
    pub(crate) allow_empty: bool,
}

impl Bounds {
    /// Refuses what cannot be meant.
    pub(crate) fn checked(self) -> Result<Self> {
        let given: Vec<(&str, &Scalar)> = [
            ("min", &self.min),
            ("max", &self.max),
            ("above", &self.above),
            ("below", &self.below),
            ("equal", &self.equal),
        ]
        .into_iter()
        .filter_map(|(name, bound)| Some((name, bound.as_ref()?)))
        .collect();
        let Some((first, kind)) = given.first().map(|(name, bound)| (*name, bound.kind())) else {
            return Err(invalid("none of `min`, `max`, `above`, `below` and `equal` is given").hint("give one of them"));
        };
        for (name, bound) in &given {
            match bound {
                Scalar::Bool(value) => {
                    return Err(invalid(format!("`{name}` is `{value}`, which is no number")).hint("write a number"));
                }
                Scalar::Text(text) if moment(text).is_none() => {
                    return Err(invalid(format!(
                        "`{name}` is `{text}`, which is neither a number nor a date nor a timestamp"
                    ))
                    .hint("write a number without quotes, YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS"));
                }
                _ if bound.kind() != kind => {
                    return Err(invalid(format!("`{first}` is a {kind} and `{name}` a {}", bound.kind()))
                        .hint("write both alike"));
                }
                _ => {}
            }
        }
        if self.equal.is_some() && given.len() > 1 {
            return Err(
                invalid("`equal` excludes `min`, `max`, `above` and `below`").hint("keep either `equal` or the bounds")
            );
        }
        for (closed, open, one, other) in
            [("min", "above", &self.min, &self.above), ("max", "below", &self.max, &self.below)]
        {
            if one.is_some() && other.is_some() {
                return Err(invalid(format!("`{open}` excludes `{closed}`")).hint("keep one of them"));
            }
        }
        for (name, tolerance) in [("abs_tolerance", self.abs_tolerance), ("rel_tolerance", self.rel_tolerance)] {
            let Some(tolerance) = tolerance else { continue };
            if self.equal.as_ref().is_none_or(|equal| equal.kind() != "number") {
                return Err(invalid(format!("`{name}` has no say without an `equal` that is a number"))
                    .hint("remove it, or give `equal`"));
            }
            if !(tolerance >= 0.0 && tolerance.is_finite()) {
                return Err(
                    invalid(format!("`{name}` is {tolerance}, which is not a number from 0")).hint("write e.g. 0.01")
                );
            }
        }
        if let (Some((low_name, low, low_open)), Some((high_name, high, high_open))) = (self.low(), self.high()) {
            let order = compare(&found(low), high);
            if order == Some(Ordering::Greater) || order == Some(Ordering::Equal) && (low_open || high_open) {
                return Err(invalid(format!("no value lies between `{low_name}`, {low}, and `{high_name}`, {high}"))
                    .hint("swap them, or widen the bounds"));
            }
        }
        Ok(self)
    }

    fn low(&self) -> Option<(&'static str, &Scalar, bool)> {
        let min = self.min.as_ref().map(|bound| ("min", bound, false));
        min.or(self.above.as_ref().map(|bound| ("above", bound, true)))
    }

    fn high(&self) -> Option<(&'static str, &Scalar, bool)> {
        let max = self.max.as_ref().map(|bound| ("max", bound, false));
        max.or(self.below.as_ref().map(|bound| ("below", bound, true)))
    }

    /// `at least 1 and below 5`, for people and for names.
    pub(crate) fn shown(&self) -> String {
        let mut parts = Vec::new();
        if let Some((_, low, open)) = self.low() {
            parts.push(format!("{} {low}", if open { "above" } else { "at least" }));
        }
        if let Some((_, high, open)) = self.high() {
            parts.push(format!("{} {high}", if open { "below" } else { "at most" }));
        }
        let mut text = parts.join(" and ");
        if let Some(equal) = &self.equal {
            text = format!("equal to {equal}");
            for (tolerance, what) in [(self.abs_tolerance, ""), (self.rel_tolerance, " of it")] {
                if let Some(tolerance) = tolerance {
                    text = format!("{text} ± {tolerance}{what}");
                }
            }
        }
        if self.allow_empty { format!("{text}, if any") } else { text }
    }

    /// Whether the bounds are moments.
    pub(crate) fn of_moments(&self) -> bool {
        [&self.min, &self.max, &self.above, &self.below, &self.equal].iter().any(|b| matches!(b, Some(Scalar::Text(_))))
    }

    /// The verdict on a value, `what` naming it for people.
    pub(crate) fn judge(&self, what: &str, value: &Value) -> Verdict {
        let value = match value {
            Value::Null => return Verdict::whole(self.allow_empty, format!("{what} has no value")),
            Value::Int(value) => Found::Whole(i128::from(*value)),
            Value::Float(value) => Found::Number(*value),
            Value::Timestamp(micros) => Found::Moment(*micros),
            Value::Bool(value) => return Verdict::whole(false, format!("{what} is {value}, which is no number")),
            Value::Text(text) => match (text.parse(), text.parse()) {
                (Ok(whole), _) => Found::Whole(whole),
                (_, Ok(number)) => Found::Number(number),
                _ => return Verdict::whole(false, format!("{what} is `{text}`, which is no number")),
            },
        };
        let shown = match &value {
            Found::Whole(whole) => whole.to_string(),
            Found::Number(number) => number.to_string(),
            Found::Moment(micros) => DateTime::from_timestamp_micros(*micros)
                .map_or_else(|| format!("{micros} µs"), |m| m.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
        };
        Verdict::whole(self.hold(&value), format!("{what} is {shown}"))
    }

    fn hold(&self, value: &Found) -> bool {
        if let Some(equal) = &self.equal {
            return compare(value, equal) == Some(Ordering::Equal) || self.near(value, equal);
        }
        let low = self.low().is_none_or(|(_, bound, open)| match compare(value, bound) {
            Some(Ordering::Greater) => true,
            Some(Ordering::Equal) => !open,
            _ => false,
        });
        let high = self.high().is_none_or(|(_, bound, open)| match compare(value, bound) {
            Some(Ordering::Less) => true,
            Some(Ordering::Equal) => !open,
            _ => false,
        });
        low && high
    }

    fn near(&self, value: &Found, equal: &Scalar) -> bool {
        // In float64 whole numbers beyond 2^53 are equal that are not.
        if let (Found::Whole(value), Scalar::Int(equal)) = (value, equal) {
            let tolerance = self.tolerance(*equal as f64);
            return tolerance > 0.0 && (value - i128::from(*equal)).unsigned_abs() as f64 <= tolerance;
        }
        let (Some(value), Some(equal)) = (value.number(), number(equal)) else { return false };
        value.is_finite() && (value - equal).abs() <= self.tolerance(equal)
    }

    fn tolerance(&self, equal: f64) -> f64 {
        // 129 is within 0.29 of 100, though the product in floating point is a little less than 29.
        self.abs_tolerance.unwrap_or(0.0).max(self.rel_tolerance.unwrap_or(0.0) * equal.abs() * (1.0 + 1e-12))
    }
}

enum Found {
    Whole(i128),
    Number(f64),
    Moment(i64),
}

impl Found {
    fn number(&self) -> Option<f64> {
        match self {
            Self::Whole(whole) => Some(*whole as f64),
            Self::Number(number) => Some(*number),
            Self::Moment(_) => None,
        }
    }
}

fn found(scalar: &Scalar) -> Found {
    match scalar {
        Scalar::Int(value) => Found::Whole(i128::from(*value)),
        Scalar::Text(text) => Found::Moment(moment(text).map_or(0, |moment| moment.timestamp_micros())),
        Scalar::Float(value) => Found::Number(*value),
        Scalar::Bool(value) => Found::Whole(i128::from(*value)),
    }
}

fn number(scalar: &Scalar) -> Option<f64> {
    match scalar {
        Scalar::Int(value) => Some(*value as f64),
        Scalar::Float(value) => Some(*value),
        Scalar::Bool(_) | Scalar::Text(_) => None,
    }
}

/// Whole numbers exactly, others as float64; nothing for NaN and for a number with a moment.
fn compare(value: &Found, bound: &Scalar) -> Option<Ordering> {
    match (value, bound) {
        (Found::Whole(value), Scalar::Int(bound)) => Some(value.cmp(&i128::from(*bound))),
        (Found::Moment(micros), Scalar::Text(text)) => Some(micros.cmp(&moment(text)?.timestamp_micros())),
        _ => value.number()?.partial_cmp(&number(bound)?),
    }
}
