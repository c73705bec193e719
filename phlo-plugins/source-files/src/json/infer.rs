//! The types of JSON, from its first records.

use arrow_schema::{DataType, Field, Fields};
use phlo_plugin::{Error, Result};
use phlo_spec::Code;
use serde_json::Value;

use crate::kinds::Kinds;

/// What was seen in a place of the records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Nothing, or nulls.
    #[default]
    Nothing,
    Scalar(Kinds),
    List(Box<Shape>),
    Object(Vec<(String, Shape)>),
    /// Objects, lists and scalars mixed.
    Mixed,
}

impl Shape {
    /// What is seen in a value.
    pub(crate) fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Nothing,
            Value::Bool(_) => Self::Scalar(Kinds::BOOLEAN),
            Value::Number(number) => Self::Scalar(match number.as_i64() {
                Some(integer) => Kinds::of_integer(integer),
                // As a float it would lose its last digits.
                None if number.is_u64() => Kinds::TEXT,
                // Or it is an integer beyond 64 bits, which is refused when it is decoded.
                None => Kinds::FLOAT,
            }),
            Value::String(text) => Self::Scalar(Kinds::of_time(text.as_bytes()).unwrap_or(Kinds::TEXT)),
            Value::Array(items) => Self::List(Box::new(items.iter().map(Self::of).fold(Self::Nothing, Self::or))),
            Value::Object(map) => {
                Self::Object(map.iter().map(|(name, value)| (name.clone(), Self::of(value))).collect())
            }
        }
    }

    /// What is seen in both.
    #[must_use]
    pub(crate) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, shape) | (shape, Self::Nothing) => shape,
            (Self::Scalar(a), Self::Scalar(b)) => Self::Scalar(a.or(b)),
            (Self::List(a), Self::List(b)) => Self::List(Box::new(a.or(*b))),
            (Self::Object(mut fields), Self::Object(others)) => {
                for (name, shape) in others {
                    match fields.iter_mut().find(|(known, _)| *known == name) {
                        Some((_, known)) => *known = std::mem::take(known).or(shape),
                        None => fields.push((name, shape)),
                    }
                }
                Self::Object(fields)
            }
            _ => Self::Mixed,
        }
    }

    /// The type that holds it. `path` names the place.
    pub(crate) fn data_type(&self, path: &str) -> Result<DataType> {
        Ok(match self {
            Self::Nothing => DataType::Utf8,
            Self::Scalar(kinds) => kinds.data_type(),
            Self::List(item) => DataType::new_list(item.data_type(&format!("{path}[]"))?, true),
            Self::Object(fields) => {
                let field = |(name, shape): &(String, Self)| {
                    let data_type = shape.data_type(&format!("{path}.{name}"))?;
                    Ok(Field::new(name, data_type, true))
                };
                DataType::Struct(fields.iter().map(field).collect::<Result<Fields>>()?)
            }
            Self::Mixed => {
                let message = format!("`{path}` holds objects or lists in some records and something else in others");
                return Err(Error::new(Code::MalformedData, message)
                    .hint("no column type holds both; bring the records into one shape before they are read"));
            }
        })
    }
}

/// The type without what holds no values: objects without fields, which tables cannot hold. `None` if nothing is left.
pub(crate) fn without_empty(data_type: &DataType) -> Option<DataType> {
    match data_type {
        DataType::Struct(fields) => {
            let kept: Fields = fields.iter().filter_map(|field| without_empty_field(field)).collect();
            (!kept.is_empty()).then_some(DataType::Struct(kept))
        }
        DataType::List(item) => without_empty_field(item).map(|item| DataType::List(item.into())),
        other => Some(other.clone()),
    }
}

/// As [`without_empty`].
pub(crate) fn without_empty_field(field: &Field) -> Option<Field> {
    Some(field.clone().with_data_type(without_empty(field.data_type())?))
}
