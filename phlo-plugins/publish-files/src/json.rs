//! Batches as NDJSON.

use std::io::Write;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, RecordBatch};
use arrow_json::writer::{LineDelimited, WriterBuilder};
use arrow_schema::{ArrowError, DataType};
use phlo_plugin::{Error, Result};
use phlo_spec::Code;

/// Writes a batch.
pub(crate) fn batch(out: &mut impl Write, batch: &RecordBatch) -> Result<(), ArrowError> {
    WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(out).write(batch)
}

/// Refuses numbers that JSON does not have: they would be written as missing.
pub(crate) fn refuse_infinite(batch: &RecordBatch) -> Result<()> {
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        if is_infinite(column.as_ref()) {
            let message = format!("the column `{}` holds NaN or infinity, which JSON does not have", field.name());
            return Err(Error::new(Code::MalformedData, message).hint(
                "make them null in a `query`, e.g. `case when isnan(x) then null else x end`, or write Parquet",
            ));
        }
    }
    Ok(())
}

fn is_infinite(array: &dyn Array) -> bool {
    match array.data_type() {
        DataType::Float32 => array.as_primitive::<Float32Type>().iter().flatten().any(|v| !v.is_finite()),
        DataType::Float64 => array.as_primitive::<Float64Type>().iter().flatten().any(|v| !v.is_finite()),
        DataType::Struct(_) => array.as_struct().columns().iter().any(|column| is_infinite(column.as_ref())),
        DataType::List(_) => is_infinite(array.as_list::<i32>().values().as_ref()),
        DataType::Map(..) => is_infinite(array.as_map().values().as_ref()),
        _ => false,
    }
}
