//! `cast`.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_cast::{CastOptions, can_cast_types, cast_with_options};
use arrow_schema::{DataType, Field, Schema};
use phlo_plugin::Error;
use phlo_plugin::prelude::{Code, Result, SchemaRef, Transform, TransformPlan};
use phlo_plugin::schema::{to_arrow, type_name};
use phlo_spec::types::ColumnType;
use schemars::{JsonSchema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use crate::columns::{self, Ordered, invalid, position};

/// Changes the types of columns; names, order and other columns stay.
///
/// Null stays null. A number with a fraction loses it when it becomes a whole number, and a timestamp loses what is finer than a
/// microsecond. A whole number becomes a date as days and a timestamp as microseconds since 1970. A text without an offset is read as
/// UTC when it becomes `timestamptz`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CastParams {
    /// Each column's name and its new type: boolean, int8, int16, int32, int64, float32, float64, string, binary, date, timestamp,
    /// timestamptz or decimal(p, s).
    pub columns: Ordered<ColumnType>,
    /// What happens to a value that has no counterpart in the new type, such as `abc` as a number or 300 as `int8`: `fail` fails the
    /// run and shows it, `null` makes it null.
    #[serde(default)]
    pub on_error: OnError,
}

/// What happens to a value that cannot be cast.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnError {
    /// The run fails.
    #[default]
    Fail,
    /// The value becomes null.
    Null,
}

// By hand, because `null` without quotes is YAML's null and not a name.
impl<'de> Deserialize<'de> for OnError {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Named {
            Fail,
            Null,
        }
        Ok(match Option::deserialize(deserializer)? {
            Some(Named::Fail) => Self::Fail,
            Some(Named::Null) | None => Self::Null,
        })
    }
}

impl JsonSchema for OnError {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "OnError".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> schemars::Schema {
        json_schema!({ "enum": ["fail", "null", null] })
    }
}

/// Plans `cast`.
#[derive(Debug)]
pub struct Cast;

impl Transform for Cast {
    type Params = CastParams;

    // Arrow's own kernel and not SQL's CAST: the types come out exactly as declared, and a failure names its column.
    fn plan(&self, params: CastParams, input: &SchemaRef) -> Result<TransformPlan> {
        columns::not_empty(&params.columns)?;
        let safe = params.on_error == OnError::Null;
        let mut fields: Vec<Field> = input.fields().iter().map(|field| field.as_ref().clone()).collect();
        let mut casts: Vec<(usize, String, DataType)> = Vec::new();
        for (name, wanted) in params.columns.0 {
            let at = position(input, &name)?;
            let (from, to) = (fields[at].data_type(), to_arrow(wanted));
            if !can_cast_types(from, &to) {
                return Err(invalid(format!(
                    "`columns` casts `{name}` from {} to {wanted}, which is not possible",
                    type_name(from)
                ))
                .hint("cast it to string first, or compute it with `derive`"));
            }
            let nullable = fields[at].is_nullable() || safe;
            fields[at] = fields[at].clone().with_data_type(to.clone()).with_nullable(nullable);
            casts.push((at, name, to));
        }
        let schema = Arc::new(Schema::new_with_metadata(fields, input.metadata().clone()));
        let options = CastOptions { safe, ..CastOptions::default() };
        Ok(columns::batches(schema, input.fields().len(), move |columns| {
            let mut columns = columns.to_vec();
            for (at, name, to) in &casts {
                columns[*at] = cast_column(&columns[*at], name, to, &options)?;
            }
            Ok(columns)
        }))
    }
}

fn cast_column(column: &ArrayRef, name: &str, to: &DataType, options: &CastOptions<'_>) -> Result<ArrayRef> {
    cast_with_options(column, to, options).map_err(|err| {
        Error::new(Code::MalformedData, format!("a value of the column `{name}` cannot become {}", type_name(to)))
            .during("casting")
            .because(err)
            .hint("mend the value, or make such values null with `on_error: null`")
    })
}
