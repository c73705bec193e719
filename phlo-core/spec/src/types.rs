//! Column types by the names that people write in YAML.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::diagnostic::nearest;

/// The type of a column, as written in `columns:` and `cast:`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// `boolean` (or `bool`).
    Boolean,
    /// `int8` (or `tinyint`).
    Int8,
    /// `int16` (or `smallint`).
    Int16,
    /// `int32` (or `int`, `integer`).
    Int32,
    /// `int64` (or `bigint`, `long`).
    Int64,
    /// `float32` (or `float`, `real`).
    Float32,
    /// `float64` (or `double`).
    Float64,
    /// `string` (or `text`, `varchar`, `utf8`).
    String,
    /// `binary` (or `bytes`).
    Binary,
    /// `date`.
    Date,
    /// `timestamp`: microseconds, without a time zone.
    Timestamp,
    /// `timestamptz`: microseconds in UTC.
    TimestampTz,
    /// `decimal(precision, scale)`, precision 1 to 38.
    Decimal {
        /// Digits in all.
        precision: u8,
        /// Digits behind the point.
        scale: i8,
    },
}

/// The `format` of a column type in a JSON Schema.
pub const COLUMN_TYPE_FORMAT: &str = "column-type";

const NAMES: &[(&str, ColumnType)] = &[
    ("boolean", ColumnType::Boolean),
    ("bool", ColumnType::Boolean),
    ("int8", ColumnType::Int8),
    ("tinyint", ColumnType::Int8),
    ("int16", ColumnType::Int16),
    ("smallint", ColumnType::Int16),
    ("int32", ColumnType::Int32),
    ("int", ColumnType::Int32),
    ("integer", ColumnType::Int32),
    ("int64", ColumnType::Int64),
    ("bigint", ColumnType::Int64),
    ("long", ColumnType::Int64),
    ("float32", ColumnType::Float32),
    ("float", ColumnType::Float32),
    ("real", ColumnType::Float32),
    ("float64", ColumnType::Float64),
    ("double", ColumnType::Float64),
    ("string", ColumnType::String),
    ("text", ColumnType::String),
    ("varchar", ColumnType::String),
    ("utf8", ColumnType::String),
    ("binary", ColumnType::Binary),
    ("bytes", ColumnType::Binary),
    ("date", ColumnType::Date),
    ("timestamp", ColumnType::Timestamp),
    ("timestamptz", ColumnType::TimestampTz),
];

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Decimal { precision, scale } = self {
            return write!(f, "decimal({precision}, {scale})");
        }
        // The first name of a type is its canonical one.
        let name = NAMES.iter().find(|(_, t)| t == self).map_or("unknown", |(name, _)| name);
        f.pad(name)
    }
}

/// A text that names no column type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownType(String);

impl fmt::Display for UnknownType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown column type `{}`", self.0)?;
        match nearest(&self.0, NAMES.iter().map(|(name, _)| *name)) {
            Some(near) => write!(f, "; did you mean `{near}`?"),
            None => f.write_str("; known: boolean, int8, int16, int32, int64, float32, float64, string, binary, date, timestamp, timestamptz, decimal(p, s)"),
        }
    }
}

impl std::error::Error for UnknownType {}

impl FromStr for ColumnType {
    type Err = UnknownType;

    fn from_str(text: &str) -> Result<Self, UnknownType> {
        let lower = text.trim().to_ascii_lowercase();
        if let Some((_, found)) = NAMES.iter().find(|(name, _)| *name == lower) {
            return Ok(*found);
        }
        let decimal = || -> Option<Self> {
            let inner = lower.strip_prefix("decimal").or_else(|| lower.strip_prefix("numeric"))?;
            let inner = inner.trim().strip_prefix('(')?.strip_suffix(')')?;
            let (precision, scale) = inner.split_once(',').unwrap_or((inner, "0"));
            let (precision, scale) = (precision.trim().parse::<u8>().ok()?, scale.trim().parse::<i8>().ok()?);
            let fits = (1..=38).contains(&precision) && scale >= 0 && scale as u8 <= precision;
            fits.then_some(Self::Decimal { precision, scale })
        };
        decimal().ok_or_else(|| UnknownType(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for ColumnType {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for ColumnType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for ColumnType {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ColumnType".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        // Upper case will do as well, and so do the other names of a type; offered are the canonical ones.
        let any_case = |name: &str| -> String {
            let letter = |c: char| match c {
                c if c.is_ascii_lowercase() => format!("[{}{c}]", c.to_ascii_uppercase()),
                c => c.to_string(),
            };
            name.chars().map(letter).collect()
        };
        let mut names: Vec<_> = NAMES.iter().map(|(name, _)| any_case(name)).collect();
        names.extend(["decimal", "numeric"].map(|name| format!(r"{}\s*\([\s\d,]+\)", any_case(name))));
        let mut canonical: Vec<String> = Vec::new();
        for (_, column) in NAMES {
            let name = column.to_string();
            if !canonical.contains(&name) {
                canonical.push(name);
            }
        }
        schemars::json_schema!({
            "type": "string",
            "format": COLUMN_TYPE_FORMAT,
            "description": "a column type, e.g. int64, string, timestamptz or decimal(15, 2)",
            "anyOf": [{ "enum": canonical }, { "pattern": format!(r"^\s*({})\s*$", names.join("|")) }],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_names_round_trip_and_unknown_ones_tell_the_nearest() {
        for (text, shown) in [
            ("BIGINT", "int64"),
            ("varchar", "string"),
            ("decimal(15,2)", "decimal(15, 2)"),
            ("decimal(9)", "decimal(9, 0)"),
        ] {
            let parsed: ColumnType = text.parse().unwrap();
            assert_eq!(parsed.to_string(), shown);
            assert_eq!(parsed.to_string().parse::<ColumnType>().unwrap(), parsed);
        }
        assert!("decimal(40, 2)".parse::<ColumnType>().is_err());
        assert_eq!(
            "int46".parse::<ColumnType>().unwrap_err().to_string(),
            "unknown column type `int46`; did you mean `int16`?"
        );
    }
}
