//! A single value in a check's parameters, and how it is written in SQL so that it compares as the column's own type.

use std::borrow::Cow;
use std::fmt;

use arrow_schema::{DataType, TimeUnit};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, Timelike, Utc};
use phlo_plugin::Error;
use phlo_plugin::prelude::*;
use phlo_plugin::quality::quote_text;
use phlo_plugin::schema::type_name;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, Visitor};

use crate::params::invalid;

/// A text, a number or a boolean; dates, timestamps and times of day are texts.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Another number, finite.
    Float(f64),
    /// A text.
    Text(String),
}

impl Scalar {
    /// What it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Bool(_) => "boolean",
            Self::Int(_) | Self::Float(_) => "number",
            Self::Text(_) => "text",
        }
    }

    /// The value as an SQL literal of the column's type, if that is known.
    ///
    /// # Errors
    /// If it could never equal a value of the column: a text for a number, a time of day for a date.
    pub fn literal(&self, column: &str, data_type: Option<&DataType>) -> Result<String> {
        use DataType::{
            Boolean, Date32, Date64, Decimal32, Decimal64, Float16, Float32, LargeUtf8, Time32, Time64, Timestamp,
            Utf8, Utf8View,
        };
        Ok(match (self, data_type) {
            (Self::Bool(value), None | Some(Boolean)) => value.to_string(),
            // 0.1 as a Float32 is more than 0.1 as a Float64.
            (Self::Float(value), Some(Float16 | Float32)) => format!("CAST({value:?} AS REAL)"),
            (Self::Int(_) | Self::Float(_), None) => self.to_string(),
            // DataFusion would compare a narrow decimal with a whole number as whole numbers.
            (Self::Int(value), Some(Decimal32(..) | Decimal64(..))) => format!("CAST({value} AS DECIMAL(19, 0))"),
            (Self::Float(value), Some(number)) if number.is_decimal() => {
                let text = value.to_string();
                if text.bytes().filter(u8::is_ascii_digit).count() > usize::try_from(f64::DIGITS).unwrap_or(15) {
                    let message =
                        format!("`{text}` has more digits than a number in YAML keeps, and `{column}` is a decimal");
                    return Err(invalid(message).hint("write it in quotes, with all its digits: it is exact then"));
                }
                decimal(&text, column, number)?
            }
            (Self::Text(text), Some(number)) if number.is_decimal() => decimal(text, column, number)?,
            (Self::Int(_) | Self::Float(_), Some(number)) if number.is_numeric() => self.to_string(),
            (Self::Text(text), None | Some(Utf8 | LargeUtf8 | Utf8View)) => quote_text(text),
            (Self::Text(text), Some(Date32 | Date64)) => match date(text) {
                Some(date) => format!("DATE '{date}'"),
                None => {
                    return Err(invalid(format!("`{text}` is not a date, and the column `{column}` is one"))
                        .hint("write YYYY-MM-DD"));
                }
            },
            (Self::Text(text), Some(data_type @ Timestamp(unit, zone))) => match moment(text) {
                Some(moment) if i64::from(moment.timestamp_subsec_nanos()) % nanos_of(*unit) == 0 => {
                    timestamp(moment, *unit, zone.as_deref())
                }
                Some(_) => return Err(too_fine(text, column, data_type)),
                None => {
                    return Err(invalid(format!("`{text}` is not a timestamp, and the column `{column}` is one"))
                        .hint("write YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS, with Z or an offset if it is not UTC"));
                }
            },
            (Self::Text(text), Some(data_type @ (Time32(unit) | Time64(unit)))) => match time(text) {
                Some(nanos) if nanos % nanos_of(*unit) == 0 => {
                    format!("arrow_cast({}, {})", quote_text(text), quote_text(&data_type.to_string()))
                }
                Some(_) => return Err(too_fine(text, column, data_type)),
                None => {
                    return Err(invalid(format!(
                        "`{text}` is no time of day, and the column `{column}`, of type {}, holds them",
                        type_name(data_type)
                    ))
                    .hint("write HH:MM:SS, with a fraction if need be"));
                }
            },
            (_, Some(other)) => {
                let (kind, other) = (self.kind(), type_name(other));
                return Err(invalid(format!("`{self}` is a {kind}, and the column `{column}` is of type {other}"))
                    .hint("write the value as that type, or cast the column"));
            }
        })
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Text(value) => f.write_str(value),
        }
    }
}

/// Cut to the column's unit, it would be another bound.
fn too_fine(text: &str, column: &str, data_type: &DataType) -> Error {
    let of = type_name(data_type);
    invalid(format!("`{text}` is finer than the column `{column}`, whose type {of} has no such fractions"))
        .hint("write it with fewer digits")
}

/// A decimal as it is written, of no more digits: with others beside it, it must still be comparable with the column.
fn decimal(text: &str, column: &str, data_type: &DataType) -> Result<String> {
    let refused = || {
        let of = type_name(data_type);
        invalid(format!("`{text}` is not a decimal number, and the column `{column}` is of type {of}"))
            .hint("write digits with at most one point among them, 38 at most")
    };
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let scale = fraction.len();
    let precision = (whole.trim_start_matches('0').len() + scale).max(1);
    if whole.is_empty() || !plain(whole) || !plain(fraction) || precision > 38 {
        return Err(refused());
    }
    Ok(format!("CAST('{text}' AS DECIMAL({precision}, {scale}))"))
}

/// The literal in the column's own unit and zone: DataFusion would compare a plain text in nanoseconds, which end in the year 2262, and
/// move a moment to another zone by the clock on the wall.
pub(crate) fn timestamp(moment: DateTime<Utc>, unit: TimeUnit, zone: Option<&str>) -> String {
    let text = moment.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    let digits = match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    };
    match zone {
        None => format!("CAST('{text}' AS TIMESTAMP({digits}))"),
        Some("UTC" | "+00:00") => format!("CAST('{text}' AS TIMESTAMP({digits}) WITH TIME ZONE)"),
        Some(zone) => {
            let data_type = format!("Timestamp({unit:?}, Some(\"{zone}\"))");
            format!("arrow_cast('{text}', {})", quote_text(&data_type))
        }
    }
}

/// A text as a date.
pub(crate) fn date(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()
}

/// A text `HH:MM:SS`, with a fraction or without, as nanoseconds since midnight.
pub(crate) fn time(text: &str) -> Option<i64> {
    let time = NaiveTime::parse_from_str(text, "%H:%M:%S%.f").ok().filter(|_| text.as_bytes().get(2) == Some(&b':'))?;
    // A leap second is no time of a type.
    let nanos = Some(time.nanosecond()).filter(|nanos| *nanos < 1_000_000_000)?;
    Some(i64::from(time.num_seconds_from_midnight()) * 1_000_000_000 + i64::from(nanos))
}

/// How long a unit is, in nanoseconds.
pub(crate) fn nanos_of(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1000,
        TimeUnit::Nanosecond => 1,
    }
}

/// A text as a moment: a date is its midnight, and what has no offset is in UTC.
pub(crate) fn moment(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(zoned) = DateTime::parse_from_rfc3339(text) {
        return Some(zoned.to_utc());
    }
    let naive = || {
        let formats = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
        formats.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
    };
    date(text).and_then(|date| date.and_hms_opt(0, 0, 0)).or_else(naive).map(|naive| naive.and_utc())
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ScalarVisitor;

        impl Visitor<'_> for ScalarVisitor {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a number or a boolean")
            }
            fn visit_bool<E>(self, value: bool) -> Result<Scalar, E> {
                Ok(Scalar::Bool(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Scalar, E> {
                Ok(Scalar::Int(value))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Scalar, E> {
                i64::try_from(value).map(Scalar::Int).map_err(|_| E::custom("a number beyond 64 bits"))
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Scalar, E> {
                if value.is_finite() {
                    Ok(Scalar::Float(value))
                } else {
                    Err(E::custom(format!("expected a finite number, found `{value}`")))
                }
            }
            fn visit_str<E>(self, value: &str) -> Result<Scalar, E> {
                Ok(Scalar::Text(value.to_owned()))
            }
            fn visit_unit<E: de::Error>(self) -> Result<Scalar, E> {
                Err(E::custom("expected a text, a number or a boolean, found nothing"))
            }
        }

        deserializer.deserialize_any(ScalarVisitor)
    }
}

impl JsonSchema for Scalar {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Scalar".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"] })
    }
}
