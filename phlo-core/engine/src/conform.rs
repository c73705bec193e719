//! Making a batch fit a table: columns by name, in the table's order and types, with the columns that phlo adds.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use phlo_plugin::schema::type_name;
use phlo_plugin::{Error, Result};
use phlo_spec::Code;

/// The column that holds the run that wrote a row.
pub const RUN_ID: &str = "_phlo_run_id";
/// The column that holds when the run began to write, in UTC.
pub const INGESTED_AT: &str = "_phlo_ingested_at";
/// The column that holds the partition that a row was written for.
pub const PARTITION: &str = "_phlo_partition";

/// The constant columns that are added to each row of a write.
#[derive(Debug, Clone, Default)]
pub struct Metadata {
    /// The run's id.
    pub run_id: String,
    /// Microseconds since 1970, UTC.
    pub ingested_at: i64,
    /// The partition, if the run is for one.
    pub partition: Option<String>,
}

impl Metadata {
    /// A schema with the added columns behind its own.
    ///
    /// # Errors
    /// If a column has one of their names.
    pub fn extend(&self, schema: &SchemaRef) -> Result<SchemaRef> {
        let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let mut added = vec![Field::new(RUN_ID, DataType::Utf8, true), Field::new(INGESTED_AT, utc, true)];
        if self.partition.is_some() {
            added.push(Field::new(PARTITION, DataType::Utf8, true));
        }
        if let Some(taken) = added.iter().find(|f| schema.column_with_name(f.name()).is_some()) {
            return Err(Error::new(
                Code::SchemaMismatch,
                format!("the column `{}` is one that phlo adds itself", taken.name()),
            )
            .hint("drop it with a transform, or set `write: {metadata: false}`"));
        }
        let fields = schema.fields().iter().cloned().chain(added.into_iter().map(Arc::new));
        Ok(Arc::new(Schema::new(fields.collect::<Vec<_>>())))
    }
}

enum Step {
    Keep(usize),
    Cast(usize, DataType),
    Null(DataType),
    Constant(ArrayRef),
}

/// Makes batches of one schema fit another; built once per stream.
pub struct Conform {
    steps: Vec<Step>,
    target: SchemaRef,
    unchanged: bool,
}

impl Conform {
    /// From `input` (and the added columns) to `target`. Columns that the target does not have are left out: whether they may be is
    /// the table store's schema policy, which made the target.
    ///
    /// # Errors
    /// A column whose type cannot be cast.
    pub fn new(input: &SchemaRef, target: &SchemaRef, metadata: Option<&Metadata>) -> Result<Self> {
        let constant = |name: &str| -> Option<ArrayRef> {
            let metadata = metadata?;
            match name {
                RUN_ID => Some(Arc::new(StringArray::from(vec![metadata.run_id.as_str()]))),
                INGESTED_AT => {
                    Some(Arc::new(TimestampMicrosecondArray::from(vec![metadata.ingested_at]).with_timezone("UTC")))
                }
                PARTITION => metadata.partition.as_deref().map(|p| Arc::new(StringArray::from(vec![p])) as ArrayRef),
                _ => None,
            }
        };
        let steps = target
            .fields()
            .iter()
            .map(|field| match input.column_with_name(field.name()) {
                Some((at, have)) if have.data_type() == field.data_type() => Ok(Step::Keep(at)),
                Some((at, have)) if arrow_cast::can_cast_types(have.data_type(), field.data_type()) => {
                    Ok(Step::Cast(at, field.data_type().clone()))
                }
                Some((_, have)) => Err(Error::new(
                    Code::SchemaMismatch,
                    format!(
                        "the column `{}` is {} and cannot become {}",
                        field.name(),
                        type_name(have.data_type()),
                        type_name(field.data_type())
                    ),
                )),
                None => {
                    Ok(constant(field.name()).map_or_else(|| Step::Null(field.data_type().clone()), Step::Constant))
                }
            })
            .collect::<Result<Vec<_>>>()?;
        let unchanged = steps.len() == input.fields().len()
            && steps.iter().enumerate().all(|(i, step)| matches!(step, Step::Keep(at) if *at == i));
        Ok(Self { steps, target: target.clone(), unchanged })
    }

    /// Makes one batch fit.
    ///
    /// # Errors
    /// A value that its new type cannot hold: named with its column and row.
    pub fn apply(&mut self, batch: RecordBatch) -> Result<RecordBatch> {
        if self.unchanged && batch.schema_ref() == &self.target {
            return Ok(batch);
        }
        let rows = batch.num_rows();
        let mut columns = Vec::with_capacity(self.steps.len());
        for (step, field) in self.steps.iter_mut().zip(self.target.fields()) {
            columns.push(match step {
                Step::Keep(at) => batch.column(*at).clone(),
                Step::Cast(at, to) => cast_column(batch.column(*at), to, field.name())?,
                Step::Null(of) => new_null_array(of, rows),
                Step::Constant(values) => {
                    // The longest batch so far is repeated once and sliced from then on.
                    if values.len() < rows {
                        *values = repeat(values, rows)?;
                    }
                    values.slice(0, rows)
                }
            });
        }
        RecordBatch::try_new(self.target.clone(), columns)
            .map_err(|err| Error::new(Code::SchemaMismatch, "rows do not fit the table").because(err))
    }
}

fn repeat(value: &ArrayRef, rows: usize) -> Result<ArrayRef> {
    let zeros = arrow_array::UInt32Array::from(vec![0_u32; rows]);
    arrow_select::take::take(value, &zeros, None)
        .map_err(|err| Error::internal("a constant column cannot be repeated").because(err))
}

fn cast_column(column: &ArrayRef, to: &DataType, name: &str) -> Result<ArrayRef> {
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(column, to, &strict).map_err(|err| {
        // Which row: the first that the forgiving cast turns into null.
        let forgiving = CastOptions { safe: true, ..CastOptions::default() };
        let culprit = cast_with_options(column, to, &forgiving).ok().and_then(|cast| {
            let row = (0..cast.len()).find(|i| cast.is_null(*i) && !column.is_null(*i))?;
            arrow_cast::display::array_value_to_string(column, row).ok()
        });
        let error = Error::new(
            Code::MalformedData,
            format!("a value of the column `{name}` does not fit its type {}", type_name(to)),
        );
        match culprit {
            Some(value) => error
                .with("value", value)
                .hint("cast or clean the column with a transform, or declare another type under `columns:`"),
            None => error.because(err),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Int32Array, Int64Array};

    #[test]
    fn columns_are_matched_by_name_cast_filled_and_completed() {
        let input =
            Arc::new(Schema::new(vec![Field::new("b", DataType::Int32, true), Field::new("a", DataType::Utf8, true)]));
        let metadata = Metadata { run_id: "r1".to_owned(), ingested_at: 7, partition: None };
        let wanted = Arc::new(Schema::new(vec![
            Field::new("a", DataType::Utf8, true),
            Field::new("b", DataType::Int64, true),
            Field::new("c", DataType::Int64, true),
            Field::new(RUN_ID, DataType::Utf8, true),
        ]));
        let mut conform = Conform::new(&input, &wanted, Some(&metadata)).unwrap();
        for rows in [2_usize, 3, 1] {
            let b: ArrayRef = Arc::new(Int32Array::from_iter_values(0..rows as i32));
            let a: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(|i| i.to_string())));
            let out = conform.apply(RecordBatch::try_new(input.clone(), vec![b, a]).unwrap()).unwrap();
            assert_eq!(out.schema(), wanted);
            assert_eq!(out.column(1).as_any().downcast_ref::<Int64Array>().unwrap().value(rows - 1), rows as i64 - 1);
            assert_eq!(out.column(2).null_count(), rows);
            assert_eq!(out.column(3).as_any().downcast_ref::<StringArray>().unwrap().value(rows - 1), "r1");
        }
    }

    #[test]
    fn a_value_that_does_not_fit_is_named() {
        let input = Arc::new(Schema::new(vec![Field::new("a", DataType::Utf8, true)]));
        let wanted = Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true)]));
        let batch = RecordBatch::try_new(input.clone(), vec![Arc::new(StringArray::from(vec!["1", "x7"]))]).unwrap();
        let err = Conform::new(&input, &wanted, None).unwrap().apply(batch).unwrap_err();
        assert_eq!(err.chain(), ["a value of the column `a` does not fit its type int64 (value: x7)"]);
    }
}
