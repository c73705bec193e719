//! Reading Parquet: schemas from footers, row groups divided among streams.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use ::parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use ::parquet::arrow::async_reader::{AsyncFileReader, ParquetRecordBatchStream, ParquetRecordBatchStreamBuilder};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryFutureExt, TryStreamExt};
use object_store::path::Path as ObjectPath;
use object_store::{GetOptions, OBJECT_STORE_COALESCE_DEFAULT, ObjectStore, coalesce_ranges};
use phlo_plugin::schema::{to_arrow, type_name};
use phlo_plugin::source::BatchStream;
use phlo_plugin::{Error, Result};
use phlo_spec::Code;
use phlo_spec::types::ColumnType;
use tokio_util::sync::CancellationToken;

use crate::input::{Input, Place, blocking, local_error, remote_error};
use crate::text::{Surroundings, add_unseen};

/// How many footers are read at once.
const FOOTERS_AT_ONCE: usize = 8;

/// A file and its footer.
#[derive(Debug, Clone)]
pub(crate) struct Opened {
    pub input: Input,
    meta: ArrowReaderMetadata,
}

/// Reads the footers.
pub(crate) async fn open(inputs: Vec<Input>, around: &Surroundings) -> Result<Vec<Opened>> {
    futures::stream::iter(inputs)
        .map(|input| async move {
            let meta = footer(&input, around).await?;
            Ok(Opened { input, meta })
        })
        .buffered(FOOTERS_AT_ONCE)
        .try_collect()
        .await
}

async fn footer(input: &Input, around: &Surroundings) -> Result<ArrowReaderMetadata> {
    let options = ArrowReaderOptions::new();
    match &input.place {
        Place::Local(path) => {
            let (path, name, around) = (path.clone(), input.clone(), around.clone());
            blocking(move || {
                let file = File::open(&path).map_err(|err| local_error(&name.name, err))?;
                ArrowReaderMetadata::load(&file, options).map_err(|err| damaged(&name, &around, err))
            })
            .await
        }
        Place::Remote(store, path) => {
            let mut reader = RemoteFile::new(store, path, input);
            let loaded = ArrowReaderMetadata::load_async(&mut reader, options).await;
            loaded.map_err(|err| damaged(input, around, err))
        }
    }
}

/// An object that is read in ranges.
struct RemoteFile {
    store: Arc<dyn ObjectStore>,
    path: ObjectPath,
    size: u64,
    /// What is read of it is of the object as it was listed.
    conditions: GetOptions,
}

impl RemoteFile {
    fn new(store: &Arc<dyn ObjectStore>, path: &ObjectPath, input: &Input) -> Self {
        Self { store: store.clone(), path: path.clone(), size: input.size, conditions: input.conditions() }
    }

    async fn range(&self, range: Range<u64>) -> object_store::Result<Bytes> {
        let options = self.conditions.clone().with_range(Some(range));
        self.store.get_opts(&self.path, options).await?.bytes().await
    }
}

impl AsyncFileReader for RemoteFile {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        self.range(range).err_into().boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>, ParquetError>> {
        let this = &*self;
        async move {
            let read = coalesce_ranges(&ranges, |range| this.range(range), OBJECT_STORE_COALESCE_DEFAULT);
            Ok(read.await?)
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        let options = options.map(|options| options.metadata_options().clone());
        let size = self.size;
        async move {
            let reader = ParquetMetaDataReader::new().with_metadata_options(options);
            Ok(Arc::new(reader.load_and_finish(self, size).await?))
        }
        .boxed()
    }
}

fn damaged(input: &Input, around: &Surroundings, err: ParquetError) -> Error {
    match err {
        ParquetError::External(cause) => match cause.downcast::<object_store::Error>() {
            Ok(cause) => remote_error(&around.redactor, &input.name, *cause),
            Err(cause) => Error::new(Code::ConnectionFailed, "the file could not be read")
                .in_file(&input.name, 0)
                .hint("try again later")
                .because(cause),
        },
        // A file that is being written looks damaged.
        _ if input.unchanged().is_err() => input.changed(),
        err => Error::new(Code::MalformedData, "the file is not Parquet, or damaged")
            .in_file(&input.name, 0)
            .hint("get the file again; if it is written otherwise, set `format`")
            .because(err),
    }
}

/// The columns of files: those of each, each of the narrowest type that holds all, unless declared. `all` says that there are
/// no other files.
pub(crate) fn columns(files: &[Opened], all: bool, declared: &BTreeMap<String, ColumnType>) -> Result<SchemaRef> {
    let mut fields: Vec<(Field, &str)> = Vec::new();
    for Opened { input, meta } in files {
        for field in meta.schema().fields() {
            let data_type =
                declared.get(field.name()).map_or_else(|| field.data_type().clone(), |declared| to_arrow(*declared));
            let Some((known, first)) = fields.iter_mut().find(|(known, _)| known.name() == field.name()) else {
                fields.push((Field::new(field.name(), data_type, true), &input.name));
                continue;
            };
            let Some(wider) = widened(known.data_type(), &data_type) else {
                let (a, b) = (type_name(known.data_type()), type_name(&data_type));
                let message = format!("the column `{}` is of type {a} in one file and {b} in another", field.name());
                return Err(Error::new(Code::SchemaMismatch, message)
                    .with("file", *first)
                    .with("file", &input.name)
                    .hint(format!("declare its type under the asset's `columns`, e.g. `{}: {a}`", field.name())));
            };
            known.set_data_type(wider);
        }
    }
    let mut fields: Vec<Field> = fields.into_iter().map(|(field, _)| field).collect();
    if !all {
        add_unseen(&mut fields, declared);
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// The narrowest type that holds the values of both.
fn widened(a: &DataType, b: &DataType) -> Option<DataType> {
    use DataType as T;
    if a == b {
        return Some(a.clone());
    }
    let text = |t: &T| matches!(t, T::Utf8 | T::LargeUtf8 | T::Utf8View);
    let bytes = |t: &T| matches!(t, T::Binary | T::LargeBinary | T::BinaryView);
    let finer = |a: TimeUnit, b: TimeUnit| if a > b { a } else { b };
    match (a, b) {
        (T::Dictionary(_, a), b) | (b, T::Dictionary(_, a)) => widened(a, b),
        (T::Null, other) | (other, T::Null) => Some(other.clone()),
        (a, b) if text(a) && text(b) => Some(T::Utf8),
        (a, b) if bytes(a) && bytes(b) => Some(T::Binary),
        (T::Timestamp(a, zone), T::Timestamp(b, other)) if zone == other => {
            Some(T::Timestamp(finer(*a, *b), zone.clone()))
        }
        (T::Decimal128(p, s), T::Decimal128(q, t)) => {
            let (scale, whole) = (*s.max(t), (i16::from(*p) - i16::from(*s)).max(i16::from(*q) - i16::from(*t)));
            let precision = u8::try_from(whole + i16::from(scale)).ok()?;
            (precision <= 38).then_some(T::Decimal128(precision, scale))
        }
        (T::Float32 | T::Float64, T::Float32 | T::Float64) => Some(T::Float64),
        _ => {
            // Signed and unsigned integers by the bits that their values need; floats hold those of at most 32.
            let bits = |t: &T| {
                Some(match t {
                    T::Int8 => 8,
                    T::UInt8 => 9,
                    T::Int16 => 16,
                    T::UInt16 => 17,
                    T::Int32 => 32,
                    T::UInt32 => 33,
                    T::Int64 => 64,
                    _ => return None,
                })
            };
            match (bits(a), bits(b)) {
                (Some(a), Some(b)) => Some(match a.max(b) {
                    ..=16 => T::Int16,
                    17..=32 => T::Int32,
                    _ => T::Int64,
                }),
                (Some(bits), None) if bits <= 33 && b.is_floating() => Some(T::Float64),
                (None, Some(bits)) if bits <= 33 && a.is_floating() => Some(T::Float64),
                _ => None,
            }
        }
    }
}

/// Something to read.
enum Unit {
    /// A file whose footer is not yet read.
    File(Input),
    /// A row group.
    Group(Box<Opened>, usize),
}

/// Reads row groups.
enum GroupReader {
    Local(Box<ParquetRecordBatchReader>),
    Remote(Box<ParquetRecordBatchStream<RemoteFile>>),
}

/// A stream that reads whatever row group comes next.
struct ReadWork {
    units: Arc<Mutex<VecDeque<Unit>>>,
    schema: SchemaRef,
    around: Surroundings,
    batch_rows: usize,
    current: Option<(GroupReader, Input)>,
}

/// Reads the files into so many streams: those that are open, and others.
pub(crate) fn read(
    opened: Vec<Opened>,
    others: Vec<Input>,
    schema: &SchemaRef,
    around: &Surroundings,
    streams: usize,
    batch_rows: usize,
) -> Vec<BatchStream> {
    let mut units: VecDeque<Unit> = opened.into_iter().flat_map(groups).collect();
    units.extend(others.into_iter().map(Unit::File));
    let units = Arc::new(Mutex::new(units));
    (0..streams)
        .map(|_| {
            let (units, schema, around) = (units.clone(), schema.clone(), around.clone());
            let work = ReadWork { units, schema, around, batch_rows, current: None };
            futures::stream::try_unfold(work, ReadWork::next).boxed()
        })
        .collect()
}

fn groups(opened: Opened) -> impl Iterator<Item = Unit> {
    let count = opened.meta.metadata().num_row_groups();
    (0..count).map(move |group| Unit::Group(Box::new(opened.clone()), group))
}

impl ReadWork {
    async fn next(mut self) -> Result<Option<(RecordBatch, Self)>> {
        loop {
            interrupted(&self.around.stop)?;
            if let Some((reader, input)) = self.current.take() {
                let (reader, batch) = next_batch(reader).await?;
                if let Some(batch) = batch {
                    let batch = batch.map_err(|err| damaged(&input, &self.around, err))?;
                    let batch = adapt(&batch, &self.schema, &input)?;
                    self.current = Some((reader, input));
                    return Ok(Some((batch, self)));
                }
                blocking(move || input.unchanged()).await?;
            }
            let unit = self.units.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            match unit {
                None => return Ok(None),
                Some(Unit::File(input)) => {
                    let meta = footer(&input, &self.around).await?;
                    let mut units = self.units.lock().unwrap_or_else(PoisonError::into_inner);
                    for unit in groups(Opened { input, meta }) {
                        units.push_front(unit);
                    }
                }
                Some(Unit::Group(opened, group)) => {
                    let Opened { input, meta } = *opened;
                    let reader = open_group(&input, meta, group, self.batch_rows, &self.around).await?;
                    self.current = Some((reader, input));
                }
            }
        }
    }
}

fn interrupted(stop: &CancellationToken) -> Result<()> {
    if stop.is_cancelled() { Err(Error::new(Code::Interrupted, "reading was interrupted")) } else { Ok(()) }
}

async fn open_group(
    input: &Input,
    meta: ArrowReaderMetadata,
    group: usize,
    batch_rows: usize,
    around: &Surroundings,
) -> Result<GroupReader> {
    match &input.place {
        // Page by page: the asynchronous reader would hold the whole row group.
        Place::Local(path) => {
            let (path, input, around) = (path.clone(), input.clone(), around.clone());
            blocking(move || {
                let file = File::open(&path).map_err(|err| local_error(&input.name, err))?;
                let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, meta);
                let reader = builder.with_row_groups(vec![group]).with_batch_size(batch_rows).build();
                reader.map(|reader| GroupReader::Local(Box::new(reader))).map_err(|err| damaged(&input, &around, err))
            })
            .await
        }
        Place::Remote(store, path) => {
            let reader = RemoteFile::new(store, path, input);
            let builder = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, meta);
            let stream = builder.with_row_groups(vec![group]).with_batch_size(batch_rows).build();
            stream.map(|stream| GroupReader::Remote(Box::new(stream))).map_err(|err| damaged(input, around, err))
        }
    }
}

async fn next_batch(reader: GroupReader) -> Result<(GroupReader, Option<Result<RecordBatch, ParquetError>>)> {
    match reader {
        GroupReader::Local(mut reader) => {
            blocking(move || {
                let batch = reader.next().map(|batch| batch.map_err(ParquetError::from));
                Ok((GroupReader::Local(reader), batch))
            })
            .await
        }
        GroupReader::Remote(mut stream) => {
            let batch = stream.next().await;
            Ok((GroupReader::Remote(stream), batch))
        }
    }
}

/// Whether a cast may drop digits or a time of day without an error.
fn may_lose(from: &DataType, to: &DataType) -> bool {
    use DataType as T;
    let exact = |t: &T| t.is_integer() || matches!(t, T::Decimal128(..) | T::Decimal256(..));
    let decimal = |t: &T| matches!(t, T::Decimal128(..) | T::Decimal256(..));
    match (from, to) {
        (T::Timestamp(..) | T::Date64, T::Date32) => true,
        (from, to) if from.is_floating() || decimal(from) => exact(to),
        // Floats hold whole numbers up to their own precision. To round a double to a single is what is asked for.
        (from, to) => from.is_integer() && to.is_floating(),
    }
}

/// A file's batch under the schema of all.
fn adapt(batch: &RecordBatch, schema: &SchemaRef, input: &Input) -> Result<RecordBatch> {
    let found = batch.schema();
    if let Some(unknown) = found.fields().iter().find(|field| schema.index_of(field.name()).is_err()) {
        let name = unknown.name();
        return Err(Error::new(
            Code::SchemaMismatch,
            format!("the column `{name}` is in none of the files that were sampled"),
        )
        .in_file(&input.name, 0)
        .hint(format!("declare it under the asset's `columns`, e.g. `{name}: {}`", type_name(unknown.data_type()))));
    }
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let column = |field: &Arc<Field>| -> Result<ArrayRef> {
        let Some(column) = batch.column_by_name(field.name()) else {
            return Ok(new_null_array(field.data_type(), batch.num_rows()));
        };
        if column.data_type() == field.data_type() {
            return Ok(column.clone());
        }
        let refused = |what: &str| {
            let (from, to) = (type_name(column.data_type()), type_name(field.data_type()));
            Error::new(Code::MalformedData, format!("column `{}`: a value of type {from} {what} {to}", field.name()))
                .in_file(&input.name, 0)
                .hint("declare another type under the asset's `columns`, and round or cut in a SQL asset")
        };
        let cast = cast_with_options(column, field.data_type(), &strict)
            .map_err(|err: ArrowError| refused("is not of type").because(err))?;
        if may_lose(column.data_type(), field.data_type()) {
            let back = cast_with_options(&cast, column.data_type(), &strict);
            if back.map_or(true, |back| back.to_data() != column.to_data()) {
                return Err(refused("would lose something as"));
            }
        }
        Ok(cast)
    };
    let columns = schema.fields().iter().map(column).collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options).map_err(|err| {
        Error::new(Code::MalformedData, "the file's columns differ in length")
            .in_file(&input.name, 0)
            .hint("get the file again")
            .because(err)
    })
}

#[cfg(test)]
mod tests {
    use ::parquet::arrow::ArrowWriter;
    use arrow_array::Int32Array;
    use chrono::DateTime;
    use object_store::ObjectStoreExt;
    use object_store::memory::InMemory;
    use phlo_spec::Redactor;

    use super::*;
    use crate::config::Compression;

    #[tokio::test]
    async fn an_object_reads_like_a_file() {
        let column: ArrayRef = Arc::new(Int32Array::from_iter_values(0..1000));
        let batch = RecordBatch::try_from_iter([("id", column)]).unwrap();
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
        for part in 0..4 {
            writer.write(&batch.slice(part * 250, 250)).unwrap();
            writer.flush().unwrap();
        }
        writer.close().unwrap();
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let path = ObjectPath::from("a.parquet");
        let input = Input {
            name: "s3://bucket/a.parquet".to_owned(),
            size: bytes.len() as u64,
            place: Place::Remote(store.clone(), path.clone()),
            version: String::new(),
            etag: None,
            modified: DateTime::UNIX_EPOCH,
            compression: Compression::None,
        };
        store.put(&path, bytes.into()).await.unwrap();
        let around = Surroundings { redactor: Redactor::default(), stop: CancellationToken::new() };
        let opened = open(vec![input.clone()], &around).await.unwrap();
        let schema = columns(&opened, true, &BTreeMap::new()).unwrap();
        // Once with its footer at hand, once without.
        let mut rows = 0;
        for stream in read(opened, vec![input], &schema, &around, 3, 100) {
            rows += stream.try_fold(0, |rows, batch| std::future::ready(Ok(rows + batch.num_rows()))).await.unwrap();
        }
        assert_eq!(rows, 2000);
    }

    #[test]
    fn types_widen_to_what_holds_both_and_to_nothing_else() {
        use DataType as T;
        let (zone, none) = (Some("UTC".into()), None);
        let text = T::Dictionary(T::Int8.into(), T::Utf8.into());
        for (a, b, wanted) in [
            (T::Int8, T::UInt8, Some(T::Int16)),
            (T::Int32, T::Int64, Some(T::Int64)),
            (T::UInt32, T::Int8, Some(T::Int64)),
            (T::Int32, T::Float32, Some(T::Float64)),
            (T::Int64, T::Float64, None),
            (T::UInt64, T::Int64, None),
            (T::Null, T::Date32, Some(T::Date32)),
            (text, T::LargeUtf8, Some(T::Utf8)),
            (T::Decimal128(10, 2), T::Decimal128(6, 4), Some(T::Decimal128(12, 4))),
            (T::Decimal128(38, 0), T::Decimal128(6, 4), None),
            (
                T::Timestamp(TimeUnit::Millisecond, none.clone()),
                T::Timestamp(TimeUnit::Nanosecond, none.clone()),
                Some(T::Timestamp(TimeUnit::Nanosecond, none.clone())),
            ),
            (T::Timestamp(TimeUnit::Second, none), T::Timestamp(TimeUnit::Second, zone), None),
            (T::Utf8, T::Int64, None),
        ] {
            assert_eq!(widened(&a, &b), wanted, "{a} and {b}");
            assert_eq!(widened(&b, &a), wanted, "{b} and {a}");
        }
    }
}
