//! What several transforms do with columns: find them, refuse bad lists, put them into another order.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatchOptions};
use arrow_schema::Schema;
use phlo_plugin::Error;
use phlo_plugin::prelude::{Code, RecordBatch, Result, SchemaRef, TransformPlan};
use phlo_plugin::quality::quote;
use phlo_spec::nearest;
use schemars::{JsonSchema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// A map whose entries keep the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ordered<T>(pub Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OrderedVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for OrderedVisitor<T> {
            type Value = Ordered<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map with a column's name in each key")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Ordered(entries))
            }
        }

        deserializer.deserialize_map(OrderedVisitor(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for Ordered<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        BTreeMap::<String, T>::schema_name()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> schemars::Schema {
        BTreeMap::<String, T>::json_schema(generator)
    }
}

/// The error of a parameter that cannot be meant. The message names the parameter.
pub(crate) fn invalid(message: impl Into<String>) -> Error {
    Error::new(Code::InvalidValue, message)
}

/// The column's position in the input.
pub(crate) fn position(input: &Schema, column: &str) -> Result<usize> {
    input.index_of(column).map_err(|_| {
        let names = || input.fields().iter().map(|field| field.name().as_str());
        let error = Error::new(Code::UnknownColumn, format!("there is no column `{column}`"));
        match nearest(column, names()) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint(format!("columns: {}", names().collect::<Vec<_>>().join(", "))),
        }
    })
}

/// The positions of a list of columns that is not empty and names none twice.
pub(crate) fn positions(input: &Schema, field: &str, columns: &[String]) -> Result<Vec<usize>> {
    if columns.is_empty() {
        return Err(invalid(format!("`{field}` is empty")).hint("name at least one column"));
    }
    let mut found = Vec::with_capacity(columns.len());
    for column in columns {
        let at = position(input, column)?;
        if found.contains(&at) {
            return Err(invalid(format!("`{field}` names `{column}` twice")).hint("remove one of them"));
        }
        found.push(at);
    }
    Ok(found)
}

/// Refuses a map of columns that is empty.
pub(crate) fn not_empty<T>(columns: &Ordered<T>) -> Result<()> {
    if columns.0.is_empty() { Err(invalid("`columns` is empty").hint("name at least one column")) } else { Ok(()) }
}

/// All columns of the input, quoted and in order.
pub(crate) fn all_quoted(input: &Schema) -> String {
    input.fields().iter().map(|field| quote(field.name())).collect::<Vec<_>>().join(", ")
}

/// The input's columns at these positions, in this order.
pub(crate) fn project(input: &SchemaRef, positions: Vec<usize>) -> Result<TransformPlan> {
    let schema =
        input.project(&positions).map_err(|err| Error::internal("a projection does not fit its input").because(err))?;
    Ok(batches(Arc::new(schema), input.fields().len(), move |columns| {
        Ok(positions.iter().map(|at| columns[*at].clone()).collect())
    }))
}

/// A plan that makes the columns of each output batch from those of the input batch, `width` of them.
pub(crate) fn batches(
    schema: SchemaRef,
    width: usize,
    columns: impl Fn(&[ArrayRef]) -> Result<Vec<ArrayRef>> + Send + Sync + 'static,
) -> TransformPlan {
    let output = schema.clone();
    let map = move |batch: RecordBatch| {
        if batch.num_columns() != width {
            return Err(Error::internal(format!(
                "a batch has {} columns, and the transform was planned for {width}",
                batch.num_columns()
            )));
        }
        // The count of rows is told, because a batch may have no column to tell it.
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(output.clone(), columns(batch.columns())?, &options).map_err(|err| {
            Error::internal("a batch does not fit the schema that the transform was planned for").because(err)
        })
    };
    TransformPlan::Batches { schema, map: Arc::new(map) }
}
