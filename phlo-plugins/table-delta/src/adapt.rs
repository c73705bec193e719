//! Batches as they come to batches as they are stored: columns by name, nulls for what is missing, types cast where the
//! encoder cannot take them as they are.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow_cast::CastOptions;
use arrow_schema::{DataType, FieldRef, Schema, SchemaRef};
use datafusion::common::nested_struct::cast_column;
use phlo_plugin::schema::type_name;
use phlo_plugin::{Error, Result};
use phlo_spec::Code;

use crate::schema::find;

/// Adapts batches to one schema. Keeps the plan of the last input schema, which is nearly always the next one's too.
#[derive(Debug)]
pub(crate) struct Adapter {
    target: SchemaRef,
    plan: Option<(SchemaRef, Vec<Step>)>,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    /// As it is.
    Take(usize),
    /// Cast, never losing anything.
    Cast(usize),
    /// Not there: null.
    Null,
}

impl Adapter {
    pub(crate) fn new(target: SchemaRef) -> Self {
        Self { target, plan: None }
    }

    /// The batch in the target's columns. Strings, binaries and dictionaries keep their encoding: the encoder takes any.
    pub(crate) fn adapt(&mut self, batch: &RecordBatch) -> Result<RecordBatch> {
        let schema = batch.schema();
        let known = matches!(&self.plan, Some((last, _)) if Arc::ptr_eq(last, &schema) || *last == schema);
        if !known {
            self.plan = Some((Arc::clone(&schema), plan(&self.target, &schema)?));
        }
        let steps = self.plan.as_ref().map(|(_, steps)| steps.as_slice()).unwrap_or_default();
        let mut fields: Vec<FieldRef> = Vec::with_capacity(steps.len());
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(steps.len());
        for (step, field) in steps.iter().zip(self.target.fields()) {
            let column = match *step {
                Step::Take(i) => Arc::clone(batch.column(i)),
                Step::Cast(i) => cast(batch.column(i), field)?,
                Step::Null => new_null_array(field.data_type(), batch.num_rows()),
            };
            if !field.is_nullable() && column.null_count() > 0 {
                return Err(Error::new(
                    Code::SchemaMismatch,
                    format!("column `{}` holds null, and the table does not allow it", field.name()),
                ));
            }
            fields.push(if column.data_type() == field.data_type() {
                Arc::clone(field)
            } else {
                Arc::new(field.as_ref().clone().with_data_type(column.data_type().clone()))
            });
            columns.push(column);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
            .map_err(|e| Error::internal("a batch does not fit its own schema").because(e))
    }
}

fn plan(target: &Schema, input: &Schema) -> Result<Vec<Step>> {
    target
        .fields()
        .iter()
        .map(|field| match find(input, field.name()) {
            Some(i) if encodes_as(input.field(i).data_type(), field.data_type()) => Ok(Step::Take(i)),
            Some(i) => Ok(Step::Cast(i)),
            None if field.is_nullable() => Ok(Step::Null),
            None => Err(Error::new(
                Code::SchemaMismatch,
                format!("column `{}` is missing, and the table does not allow null in it", field.name()),
            )),
        })
        .collect()
}

/// Whether the Parquet encoder writes the one type as the other without a cast.
fn encodes_as(input: &DataType, target: &DataType) -> bool {
    use DataType as D;
    match (input, target) {
        (D::Dictionary(_, values), target) => matches!(target, D::Utf8 | D::Binary) && encodes_as(values, target),
        (D::Utf8 | D::LargeUtf8 | D::Utf8View, D::Utf8) | (D::Binary | D::LargeBinary | D::BinaryView, D::Binary) => {
            true
        }
        (input, target) => input == target,
    }
}

fn cast(column: &ArrayRef, field: &FieldRef) -> Result<ArrayRef> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_column(column, field.data_type(), &options).map_err(|e| {
        let what = format!(
            "column `{}` does not fit: {} as {}",
            field.name(),
            type_name(column.data_type()),
            type_name(field.data_type())
        );
        Error::new(Code::SchemaMismatch, what).because(e)
    })
}
