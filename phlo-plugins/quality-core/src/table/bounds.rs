//! Bounds on one number, moment, time of day or text, and the judgement of it; with narrower ones among them that warn.

use std::cmp::Ordering;

use chrono::{DateTime, SecondsFormat};
use phlo_plugin::Error;
use phlo_plugin::prelude::*;
use phlo_plugin::quality::Value;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::params::invalid;
use crate::scalar::{Scalar, moment, time};

/// A check's parameters with bounds beside its own.
macro_rules! bounded {
    ($(#[$attribute:meta])* pub struct $name:ident { $($(#[$of_field:meta])* pub $field:ident: $type:ty,)* }) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, serde::Deserialize, schemars::JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$of_field])* pub $field: $type,)*
            /// The lowest value allowed: a number, or a date, a timestamp or what else is compared.
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
            /// Bounds within the others: beyond them the check warns, and the commit goes on.
            #[serde(default)]
            pub warn: Option<$crate::table::bounds::Warning>,
        }

        impl $name {
            fn bounds(
                &self,
                reading: $crate::table::bounds::Reading,
            ) -> phlo_plugin::Result<$crate::table::bounds::Bounds> {
                $crate::table::bounds::Bounds {
                    min: self.min.clone(),
                    max: self.max.clone(),
                    above: self.above.clone(),
                    below: self.below.clone(),
                    equal: self.equal.clone(),
                    abs_tolerance: self.abs_tolerance,
                    rel_tolerance: self.rel_tolerance,
                    allow_empty: self.allow_empty,
                    reading,
                    warn: None,
                }
                .checked()?
                .warning(self.warn.as_ref())
            }
        }
    };
}
pub(crate) use bounded;

/// Bounds that warn.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Warning {
    /// Below this it warns; above the check's own `min`.
    #[serde(default)]
    pub min: Option<Scalar>,
    /// Above this it warns; below the check's own `max`.
    #[serde(default)]
    pub max: Option<Scalar>,
    /// At or below this it warns; excludes `min`.
    #[serde(default)]
    pub above: Option<Scalar>,
    /// At or above this it warns; excludes `max`.
    #[serde(default)]
    pub below: Option<Scalar>,
    /// Further than this from the check's `equal` it warns.
    #[serde(default)]
    pub abs_tolerance: Option<f64>,
    /// Further than this from the check's `equal` it warns, as a fraction of it. The wider of both counts.
    #[serde(default)]
    pub rel_tolerance: Option<f64>,
}

impl Warning {
    /// On both sides, of numbers.
    pub(crate) fn between(min: Option<f64>, max: Option<f64>) -> Self {
        let (min, max) = (min.map(Scalar::Float), max.map(Scalar::Float));
        Self { min, max, above: None, below: None, abs_tolerance: None, rel_tolerance: None }
    }
}

/// What a text among bounds is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// A date or a timestamp.
    Moment,
    /// A time of day.
    Time,
    /// A text, whatever it looks like.
    Text,
    /// What the value is that it is compared with, whose type is not known.
    Value,
}

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
    pub(crate) reading: Reading,
    /// What it must be lest it warn: bounds within these.
    pub(crate) warn: Option<Box<Bounds>>,
}

impl Bounds {
    /// On both sides, of numbers.
    pub(crate) fn between(min: Option<f64>, max: Option<f64>) -> Self {
        Self {
            min: min.map(Scalar::Float),
            max: max.map(Scalar::Float),
            above: None,
            below: None,
            equal: None,
            abs_tolerance: None,
            rel_tolerance: None,
            allow_empty: false,
            reading: Reading::Value,
            warn: None,
        }
    }

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
                Scalar::Text(text) if self.reading == Reading::Moment && moment(text).is_none() => {
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
            let order = compare(&self.found(low), high);
            if order == Some(Ordering::Greater) || order == Some(Ordering::Equal) && (low_open || high_open) {
                return Err(invalid(format!("no value lies between `{low_name}`, {low}, and `{high_name}`, {high}"))
                    .hint("swap them, or widen the bounds"));
            }
        }
        Ok(self)
    }

    /// With bounds that warn, which must lie within these.
    pub(crate) fn warning(self, warn: Option<&Warning>) -> Result<Self> {
        let Some(Warning { min, max, above, below, abs_tolerance, rel_tolerance }) = warn.cloned() else {
            return Ok(self);
        };
        let (low, high) = (min.is_some() || above.is_some(), max.is_some() || below.is_some());
        let near = abs_tolerance.is_some() || rel_tolerance.is_some();
        if self.equal.is_some() && (low || high) {
            return Err(invalid("`warn` has bounds, and the check has `equal`")
                .hint("write how near is near enough, e.g. `warn: {rel_tolerance: 0.01}`"));
        }
        if !low && !high && !near {
            return Err(invalid("`warn` is empty").hint("give it bounds within the others, or remove it"));
        }
        // What it leaves open is as it is without.
        let (outer_low, outer_high) = ((self.min.clone(), self.above.clone()), (self.max.clone(), self.below.clone()));
        let (min, above) = if low { (min, above) } else { outer_low };
        let (max, below) = if high { (max, below) } else { outer_high };
        let inner = Self {
            min,
            max,
            above,
            below,
            equal: self.equal.clone(),
            abs_tolerance,
            rel_tolerance,
            allow_empty: false,
            reading: self.reading,
            warn: None,
        };
        let inner = inner.checked().map_err(|err| {
            let error = Error::new(err.code(), format!("in `warn`, {}", err.message()));
            err.hints().iter().fold(error, |error, hint| error.hint(hint.clone()))
        })?;
        for (given, one, other, towards) in
            [(low, inner.low(), self.low(), Ordering::Greater), (high, inner.high(), self.high(), Ordering::Less)]
        {
            let (true, Some((name, one, open)), Some((outer, other, outer_open))) = (given, one, other) else {
                continue;
            };
            let order = compare(&self.found(one), other);
            if order != Some(towards) && (order, open, outer_open) != (Some(Ordering::Equal), true, false) {
                return Err(invalid(format!("`warn.{name}` is {one}, not within `{outer}`, which is {other}"))
                    .hint("beyond the outer bounds the check fails: narrow `warn`, or leave it out"));
            }
        }
        if let Some(equal) = self.equal.as_ref().and_then(number)
            && inner.tolerance(equal) >= self.tolerance(equal)
        {
            return Err(invalid("`warn` is as wide as the check's own tolerances, or wider")
                .hint("beyond those the check fails: narrow `warn`, or remove it"));
        }
        Ok(Self { warn: Some(Box::new(inner)), ..self })
    }

    /// What must hold lest it warn, for people.
    pub(crate) fn warned(&self) -> Option<String> {
        self.warn.as_ref().map(|inner| inner.shown())
    }

    fn given(&self) -> impl Iterator<Item = &Scalar> {
        [&self.min, &self.max, &self.above, &self.below, &self.equal].into_iter().flatten()
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

    /// Whether the bounds are texts: moments, times of day or texts as such.
    pub(crate) fn of_texts(&self) -> bool {
        self.given().any(|bound| matches!(bound, Scalar::Text(_)))
    }

    /// A bound that is no time of day, of those that warn too.
    pub(crate) fn odd_time(&self) -> Option<&Scalar> {
        let inner = self.warn.iter().flat_map(|inner| inner.given());
        self.given().chain(inner).find(|bound| !matches!(bound, Scalar::Text(text) if time(text).is_some()))
    }

    /// The verdict on a value, `what` naming it for people.
    pub(crate) fn judge(&self, what: &str, value: &Value) -> Verdict {
        let value = match value {
            Value::Null => return Verdict::whole(self.allow_empty, format!("{what} has no value")),
            Value::Int(value) => Found::Whole(i128::from(*value)),
            Value::Float(value) => Found::Number(*value),
            Value::Timestamp(micros) => Found::Moment(*micros),
            Value::Bool(value) => return Verdict::whole(false, format!("{what} is {value}, which is no number")),
            Value::Text(text) if self.of_texts() && self.reading != Reading::Moment => self.text(text),
            Value::Text(text) => match (text.parse(), text.parse()) {
                (Ok(whole), _) => Found::Whole(whole),
                (_, Ok(number)) => Found::Number(number),
                _ => return Verdict::whole(false, format!("{what} is `{}`, which is no number", short(text))),
            },
        };
        let shown = match &value {
            Found::Whole(whole) => whole.to_string(),
            Found::Number(number) => number.to_string(),
            Found::Moment(micros) => DateTime::from_timestamp_micros(*micros)
                .map_or_else(|| format!("{micros} µs"), |m| m.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
            Found::Time(_, text) => text.clone(),
            Found::Text(text) => format!("`{}`", short(text)),
        };
        let observed = format!("{what} is {shown}");
        match &self.warn {
            Some(inner) if self.hold(&value) && !inner.hold(&value) => Verdict::warned(observed),
            _ => Verdict::whole(self.hold(&value), observed),
        }
    }

    /// A text that was found, or a time of day.
    fn text(&self, text: &str) -> Found {
        let of_times = self.given().all(|bound| matches!(bound, Scalar::Text(text) if time(text).is_some()));
        match time(text) {
            Some(nanos) if self.reading == Reading::Time || (self.reading == Reading::Value && of_times) => {
                Found::Time(nanos, text.to_owned())
            }
            _ => Found::Text(text.to_owned()),
        }
    }

    /// A bound as if it were a value.
    fn found(&self, bound: &Scalar) -> Found {
        match bound {
            Scalar::Int(value) => Found::Whole(i128::from(*value)),
            Scalar::Float(value) => Found::Number(*value),
            Scalar::Bool(value) => Found::Whole(i128::from(*value)),
            Scalar::Text(text) => {
                let moments = self.reading == Reading::Moment
                    || (self.reading == Reading::Value
                        && self.given().all(|bound| matches!(bound, Scalar::Text(text) if moment(text).is_some())));
                match moment(text) {
                    Some(moment) if moments => Found::Moment(moment.timestamp_micros()),
                    _ => self.text(text),
                }
            }
        }
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
    /// Nanoseconds since midnight, and as it was told.
    Time(i64, String),
    Text(String),
}

impl Found {
    fn number(&self) -> Option<f64> {
        match self {
            Self::Whole(whole) => Some(*whole as f64),
            Self::Number(number) => Some(*number),
            Self::Moment(_) | Self::Time(..) | Self::Text(_) => None,
        }
    }
}

fn number(scalar: &Scalar) -> Option<f64> {
    match scalar {
        Scalar::Int(value) => Some(*value as f64),
        Scalar::Float(value) => Some(*value),
        Scalar::Bool(_) | Scalar::Text(_) => None,
    }
}

/// A text that may be of any length, as results keep it.
fn short(text: &str) -> String {
    const LONGEST: usize = 100;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Whole numbers exactly, others as float64, texts by their code points; nothing for NaN and for values of two kinds.
fn compare(value: &Found, bound: &Scalar) -> Option<Ordering> {
    match (value, bound) {
        (Found::Whole(value), Scalar::Int(bound)) => Some(value.cmp(&i128::from(*bound))),
        (Found::Moment(micros), Scalar::Text(text)) => Some(micros.cmp(&moment(text)?.timestamp_micros())),
        (Found::Time(nanos, _), Scalar::Text(text)) => Some(nanos.cmp(&time(text)?)),
        (Found::Text(value), Scalar::Text(text)) => Some(value.cmp(text)),
        _ => value.number()?.partial_cmp(&number(bound)?),
    }
}
