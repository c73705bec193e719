//! Making a batch fit a table: columns by name, in the table's order and types, with the columns that phlo adds.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::arrow::compute::kernels::cmp::not_distinct;
use datafusion::common::nested_struct::{self, validate_data_type_compatibility};
use phlo_plugin::schema::type_name;
use phlo_plugin::{Error, Result};
use phlo_spec::Code;
use phlo_spec::asset::METADATA_COLUMNS;

/// The column that holds the run that wrote a row.
pub const RUN_ID: &str = METADATA_COLUMNS[0];
/// The column that holds when the run began to write, in UTC.
pub const INGESTED_AT: &str = METADATA_COLUMNS[1];
/// The column that holds the partition that a row was written for.
pub const PARTITION: &str = METADATA_COLUMNS[2];

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
        // As the table store matches them: the exact name, or the one that differs in case alone.
        let find = |name: &str| {
            input.column_with_name(name).or_else(|| {
                let mut fields = input.fields().iter().enumerate();
                fields.find(|(_, f)| f.name().eq_ignore_ascii_case(name)).map(|(at, f)| (at, f.as_ref()))
            })
        };
        let steps = target
            .fields()
            .iter()
            .map(|field| match find(field.name()) {
                Some((at, have)) if have.data_type() == field.data_type() => Ok(Step::Keep(at)),
                Some((at, have)) if can_become(have, field) => Ok(Step::Cast(at, field.data_type().clone())),
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

fn can_become(have: &Field, want: &Field) -> bool {
    if want.data_type().is_nested() {
        // By name at every depth, which plain casts do not.
        return validate_data_type_compatibility(want.name(), have.data_type(), want.data_type()).is_ok();
    }
    arrow_cast::can_cast_types(have.data_type(), want.data_type())
}

fn cast_column(column: &ArrayRef, to: &DataType, name: &str) -> Result<ArrayRef> {
    let does_not_fit = |row: Option<usize>| {
        let error = Error::new(
            Code::MalformedData,
            format!("a value of the column `{name}` does not fit its type {}", type_name(to)),
        )
        .hint("cast or clean the column with a transform, or declare another type under `columns:`");
        match row.and_then(|row| arrow_cast::display::array_value_to_string(column, row).ok()) {
            Some(value) => error.with("value", value),
            None => error,
        }
    };
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    if to.is_nested() {
        return nested_struct::cast_column(column, to, &strict).map_err(|err| does_not_fit(None).because(err));
    }
    let cast = cast_with_options(column, to, &strict).map_err(|err| {
        // Which row: the first that the forgiving cast turns into null.
        let forgiving = CastOptions { safe: true, ..CastOptions::default() };
        let row = cast_with_options(column, to, &forgiving)
            .ok()
            .and_then(|cast| (0..cast.len()).find(|i| cast.is_null(*i) && !column.is_null(*i)));
        if row.is_some() { does_not_fit(row) } else { does_not_fit(None).because(err) }
    })?;
    if may_lose(column.data_type(), to) {
        // The kernel cuts digits off in silence; what does not come back the same has lost some.
        let back = cast_with_options(&cast, column.data_type(), &strict);
        let same = back.and_then(|back| not_distinct(&unsigned_zero(back), &unsigned_zero(Arc::clone(column))));
        let same = same.map_err(|err| does_not_fit(None).because(err))?;
        if same.false_count() > 0 {
            return Err(does_not_fit(same.iter().position(|same| same == Some(false))));
        }
    }
    Ok(cast)
}

/// Negative zero as zero: the kernels tell them apart, and no whole number does.
fn unsigned_zero(column: ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Float64 => Arc::new(column.as_primitive::<Float64Type>().unary::<_, Float64Type>(|x| x + 0.0)),
        DataType::Float32 => Arc::new(column.as_primitive::<Float32Type>().unary::<_, Float32Type>(|x| x + 0.0)),
        _ => column,
    }
}

/// Whether a cast between these cuts off digits instead of failing. Texts are parsed, and floats narrowed, as everywhere in SQL;
/// and no table format has moments finer than microseconds, so that those of `now()` are cut to them.
fn may_lose(from: &DataType, to: &DataType) -> bool {
    use DataType::{Date32, Date64, Time32, Time64, Timestamp};
    let whole = |t: &DataType| t.is_integer() || matches!(t, Date32);
    match (from, to) {
        (Timestamp(TimeUnit::Nanosecond, _), Timestamp(TimeUnit::Microsecond, _)) => false,
        (from, to) if from.is_integer() => to.is_floating(),
        (from, to) if from.is_floating() => whole(to),
        (from, to) if from.is_decimal() => whole(to) || to.is_decimal(),
        (Timestamp(..) | Date64, to) => matches!(to, Timestamp(..) | Date32 | Date64),
        (Time32(_) | Time64(_), to) => matches!(to, Time32(_) | Time64(_)),
        _ => false,
    }
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

    fn fit(from: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
        let input = Arc::new(Schema::new(vec![Field::new("Amount", from.data_type().clone(), true)]));
        let wanted = Arc::new(Schema::new(vec![Field::new("amount", to.clone(), true)]));
        let mut conform = Conform::new(&input, &wanted, None)?;
        Ok(conform.apply(RecordBatch::try_new(input, vec![from.clone()]).unwrap())?.column(0).clone())
    }

    #[test]
    fn a_column_is_found_whatever_the_case_of_its_name() {
        let values: ArrayRef = Arc::new(Int64Array::from(vec![7]));
        assert_eq!(&fit(&values, &DataType::Int64).unwrap(), &values);
    }

    #[test]
    fn no_cast_cuts_off_digits_in_silence() {
        let day = DataType::Date32;
        let millis = DataType::Timestamp(TimeUnit::Millisecond, None);
        let floats = |v: &[Option<f64>]| -> ArrayRef { Arc::new(arrow_array::Float64Array::from(v.to_vec())) };
        let whole = |v: &[i64]| -> ArrayRef { Arc::new(Int64Array::from(v.to_vec())) };
        let micros = |v: &[i64]| -> ArrayRef { Arc::new(TimestampMicrosecondArray::from(v.to_vec())) };
        let decimals = |v: &[i128]| -> ArrayRef {
            Arc::new(arrow_array::Decimal128Array::from(v.to_vec()).with_precision_and_scale(10, 2).unwrap())
        };
        const DAY: i64 = 86_400_000_000;
        for (good, bad, to) in [
            (floats(&[Some(2.0), None]), floats(&[Some(2.0), Some(1.5)]), &DataType::Int64),
            (floats(&[Some(2.0)]), floats(&[Some(f64::NAN)]), &DataType::Int32),
            (micros(&[DAY, 0]), micros(&[DAY, DAY + 1]), &day),
            (micros(&[5000]), micros(&[5001]), &millis),
            (decimals(&[150]), decimals(&[155]), &DataType::Decimal128(10, 1)),
            (decimals(&[100]), decimals(&[150]), &DataType::Int64),
            (floats(&[Some(-0.0)]), floats(&[Some(-0.5)]), &DataType::Int64),
            (whole(&[1 << 53]), whole(&[(1 << 53) + 1]), &DataType::Float64),
        ] {
            fit(&good, to).unwrap();
            assert_eq!(fit(&bad, to).unwrap_err().code(), Code::MalformedData, "{bad:?} as {to}");
        }
    }

    #[test]
    fn moments_are_kept_to_the_microsecond() {
        let nanos: ArrayRef = Arc::new(arrow_array::TimestampNanosecondArray::from(vec![1_500]));
        let micros: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![1]));
        assert_eq!(&fit(&nanos, micros.data_type()).unwrap(), &micros);
    }

    #[test]
    fn structs_are_matched_by_name_at_every_depth() {
        let number = |name: &str| Field::new(name, DataType::Int64, true);
        let fields = |names: &[&str]| DataType::Struct(names.iter().map(|n| number(n)).collect());
        let one: ArrayRef = Arc::new(arrow_array::StructArray::from(vec![(
            Arc::new(number("b")),
            Arc::new(Int64Array::from(vec![1])) as ArrayRef,
        )]));
        let wide = fit(&one, &fields(&["a", "b"])).unwrap();
        assert_eq!(wide.data_type(), &fields(&["a", "b"]));
        assert!(fit(&one, &DataType::Int64).is_err());
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
