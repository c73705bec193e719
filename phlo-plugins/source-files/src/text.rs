//! Reading CSV and JSON: schemas from samples, threads that read, streams that decode.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow_array::RecordBatch;
use arrow_schema::{Field, Fields, Schema, SchemaRef};
use futures::{StreamExt, TryStreamExt};
use phlo_plugin::schema::to_arrow;
use phlo_plugin::source::BatchStream;
use phlo_plugin::{Error, Result};
use phlo_spec::types::ColumnType;
use phlo_spec::{Code, Redactor};
use tokio::runtime::Handle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::blocks::{BLOCK, Block, BlockReader, ReadError, Split};
use crate::config::{FilesConfig, Format};
use crate::csv::decode::{Layout, Nulls};
use crate::csv::scan::Dialect;
use crate::csv::{self, CsvSplit};
use crate::input::{Input, blocking};
use crate::json;
use crate::json::infer::{Shape, without_empty_field};
use crate::json::split::{LineSplit, ValueSplit};
use crate::kinds::Kinds;
use crate::queue::{Queue, Writer};

/// How many files are sampled at once.
const SAMPLES_AT_ONCE: usize = 8;

/// How a text format is written.
#[derive(Debug, Clone)]
pub(crate) enum TextFormat {
    Csv { dialect: Dialect, header: bool, names: Option<Vec<String>>, nulls: Nulls },
    Json { lines: bool },
}

/// What is needed to read files, beside the files.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    pub redactor: Redactor,
    pub stop: CancellationToken,
}

/// The columns of the files.
#[derive(Debug, Clone)]
pub(crate) struct Columns {
    /// Of the batches.
    pub schema: SchemaRef,
    /// Of the records, with those columns that can hold no values.
    seen: SchemaRef,
    /// Those whose types the asset declares.
    declared: Arc<BTreeSet<String>>,
}

/// What a file's first rows show.
enum Sample {
    Csv(Vec<(String, Kinds)>),
    Json(Shape),
}

/// What the samples tell of a column.
enum Inferred {
    Kinds(Kinds),
    Shape(Shape),
}

/// Adds those declared columns that were not seen.
pub(crate) fn add_unseen(fields: &mut Vec<Field>, declared: &BTreeMap<String, ColumnType>) {
    for (name, column) in declared {
        if !fields.iter().any(|field| field.name() == name) {
            fields.push(Field::new(name, to_arrow(*column), true));
        }
    }
}

impl TextFormat {
    pub(crate) fn new(config: &FilesConfig, format: Format, tabs: bool) -> Self {
        match format {
            Format::Csv => Self::Csv {
                dialect: config.dialect(tabs),
                header: config.has_header(),
                names: config.names.clone(),
                nulls: config.nulls(),
            },
            Format::Json => Self::Json { lines: false },
            Format::Ndjson | Format::Parquet => Self::Json { lines: true },
        }
    }

    fn splitter(&self) -> Box<dyn Split> {
        match self {
            Self::Csv { dialect, .. } => Box::new(CsvSplit::new(*dialect)),
            Self::Json { lines: true } => Box::new(LineSplit),
            Self::Json { lines: false } => Box::new(ValueSplit::default()),
        }
    }

    /// The columns of files, from the first `rows` rows of each of the `samples` and from what is declared. `all` says that
    /// there are no other files.
    pub(crate) async fn columns(
        &self,
        samples: Vec<Input>,
        all: bool,
        rows: usize,
        declared: &BTreeMap<String, ColumnType>,
        around: &Surroundings,
    ) -> Result<Columns> {
        let names: Vec<String> = samples.iter().map(|input| input.name.clone()).collect();
        let samples: Vec<Option<Sample>> = futures::stream::iter(samples)
            .map(|input| {
                let (format, around, handle) = (self.clone(), around.clone(), Handle::current());
                blocking(move || format.sample(&input, rows, &around, &handle))
            })
            .buffered(SAMPLES_AT_ONCE)
            .try_collect()
            .await?;
        let inferred = self.merge(&names, samples)?;
        let field = |(name, inferred): (String, Inferred)| {
            let data_type = match (declared.get(&name), inferred) {
                (Some(declared), _) => to_arrow(*declared),
                (None, Inferred::Kinds(kinds)) => kinds.data_type(),
                (None, Inferred::Shape(shape)) => shape.data_type(&name)?,
            };
            Ok(Field::new(name, data_type, true))
        };
        let fields = inferred.into_iter().map(field).collect::<Result<Vec<_>>>();
        let mut fields = fields.map_err(|err| match &*names {
            [name] => err.in_file(name, 0),
            names => names.iter().take(3).fold(err, |err, name| err.with("file", name)),
        })?;
        // Records of JSON may lack a column; files that were not looked at may have one.
        if !all || matches!(self, Self::Json { .. }) || fields.is_empty() {
            add_unseen(&mut fields, declared);
        }
        if fields.is_empty() {
            return Err(Error::new(Code::MalformedData, "the files are empty, so that their columns cannot be known")
                .in_file(names.first().map_or("none", String::as_str), 0)
                .hint("declare the asset's `columns`, or wait for data"));
        }
        let kept: Fields = fields.iter().filter_map(without_empty_field).collect();
        Ok(Columns {
            schema: Arc::new(Schema::new(kept)),
            seen: Arc::new(Schema::new(fields)),
            declared: Arc::new(declared.keys().cloned().collect()),
        })
    }

    /// The columns of all samples, in the order in which they are first seen.
    fn merge(&self, files: &[String], samples: Vec<Option<Sample>>) -> Result<Vec<(String, Inferred)>> {
        let mut columns: Vec<(String, Kinds)> = Vec::new();
        let (mut shape, mut width) = (Shape::Nothing, None);
        for (file, sample) in files.iter().zip(samples) {
            match sample {
                None => {}
                Some(Sample::Json(found)) => shape = shape.or(found),
                Some(Sample::Csv(found)) => {
                    let (first, other) = *width.get_or_insert((found.len(), file));
                    if matches!(self, Self::Csv { header: false, .. }) && found.len() != first {
                        let message =
                            format!("the files differ in width: {} and {}", csv::count(first, "column"), found.len());
                        return Err(Error::new(Code::MalformedData, message)
                            .in_file(file, 0)
                            .with("other file", other)
                            .hint("without header fields are told apart by their place: read files of each width as an asset of their own"));
                    }
                    for (name, kinds) in found {
                        match columns.iter_mut().find(|(known, _)| *known == name) {
                            Some((_, known)) => *known = known.or(kinds),
                            None => columns.push((name, kinds)),
                        }
                    }
                }
            }
        }
        Ok(match shape {
            Shape::Object(fields) => fields.into_iter().map(|(name, shape)| (name, Inferred::Shape(shape))).collect(),
            _ => columns.into_iter().map(|(name, kinds)| (name, Inferred::Kinds(kinds))).collect(),
        })
    }

    /// What the file's first rows show; `None` if it has none, nor a header. Blocks.
    fn sample(&self, input: &Input, rows: usize, around: &Surroundings, handle: &Handle) -> Result<Option<Sample>> {
        let mut blocks = self.blocks(input, around, handle)?;
        let (mut csv_columns, mut shape): (Option<Vec<(String, Kinds)>>, _) = (None, Shape::Nothing);
        let (mut left, mut any) = (rows, false);
        while left > 0
            && let Some(block) = next_block(&mut blocks, input, Vec::new(), &around.redactor)?
        {
            any = true;
            match self {
                Self::Csv { dialect, header, names, nulls } => {
                    let mut start = 0;
                    let columns = if let Some(columns) = &mut csv_columns {
                        columns
                    } else {
                        let Some((record, end)) = csv::first_record(*dialect, &block) else { continue };
                        let names = csv::column_names(record, *header, names.as_deref(), &input.name)?;
                        start = if *header { end } else { 0 };
                        csv_columns.insert(names.into_iter().map(|name| (name, Kinds::default())).collect())
                    };
                    let mut kinds: Vec<Kinds> = columns.iter().map(|(_, kinds)| *kinds).collect();
                    let data = (&block.data[start..], block.len - start);
                    let read = csv::infer::infer(*dialect, nulls, data, left, &mut kinds).map_err(|fault| {
                        csv::explain(fault, &block, start, kinds.len(), &Schema::empty(), &input.name)
                    })?;
                    left -= read;
                    columns.iter_mut().zip(kinds).for_each(|((_, known), kinds)| *known = kinds);
                }
                Self::Json { lines } => {
                    let (found, read) = json::decode::sample(&block, *lines, left, &input.name)?;
                    left -= read;
                    shape = shape.or(found);
                }
            }
        }
        Ok(match self {
            Self::Csv { .. } => csv_columns.map(Sample::Csv),
            Self::Json { .. } => any.then_some(Sample::Json(shape)),
        })
    }

    fn blocks(
        &self,
        input: &Input,
        around: &Surroundings,
        handle: &Handle,
    ) -> Result<BlockReader<Box<dyn Read + Send>>> {
        let reader = input.open(handle, &around.stop).map_err(|err| input.read_error(&around.redactor, err))?;
        Ok(BlockReader::new(reader, self.splitter()))
    }

    /// Reads the files into so many streams. The work ends with the last of them.
    pub(crate) fn read(
        self,
        inputs: Vec<Input>,
        columns: Columns,
        around: Surroundings,
        streams: usize,
        batch_rows: usize,
    ) -> Result<Vec<BatchStream>> {
        let readers = streams.min(inputs.len());
        let stop = around.stop.child_token();
        let around = Surroundings { stop: stop.clone(), ..around };
        let queue = Arc::new(Queue::new(readers, streams, stop.clone()));
        let files: Arc<[Input]> = inputs.into();
        let next = Arc::new(AtomicUsize::new(0));
        for _ in 0..readers {
            let work = ReadWork {
                format: self.clone(),
                files: files.clone(),
                next: next.clone(),
                columns: columns.schema.fields().iter().map(|field| field.name().clone()).collect(),
                around: around.clone(),
                handle: Handle::current(),
            };
            let writer = Writer::new(queue.clone(), Handle::current());
            // Ends by itself when `stop` is cancelled or everything is read.
            drop(tokio::task::spawn_blocking(move || {
                let result = work.run(&writer);
                writer.finish(result);
            }));
        }
        let shared = Arc::new(Shared { queue, files, _stop: stop.drop_guard() });
        (0..streams)
            .map(|_| {
                let decoder = match &self {
                    Self::Csv { dialect, nulls, .. } => Decoder::Csv(csv::decode::Decoder::new(
                        *dialect,
                        nulls.clone(),
                        columns.schema.clone(),
                        &columns.declared,
                    )),
                    Self::Json { lines } => Decoder::Json(json::decode::Decoder::new(
                        columns.schema.clone(),
                        columns.seen.clone(),
                        columns.declared.clone(),
                        *lines,
                        batch_rows,
                    )?),
                };
                let schema = columns.schema.clone();
                let state = DecodeWork { shared: shared.clone(), decoder, schema, batch_rows, ready: VecDeque::new() };
                Ok(futures::stream::try_unfold(state, DecodeWork::next).boxed())
            })
            .collect()
    }
}

fn next_block<R: Read>(
    blocks: &mut BlockReader<R>,
    input: &Input,
    spare: Vec<u8>,
    redactor: &Redactor,
) -> Result<Option<Block>> {
    blocks.next(BLOCK, spare).map_err(|err| match err {
        ReadError::Io(err) => input.read_error(redactor, err),
        ReadError::Utf16 => Error::new(Code::MalformedData, "the file is written in UTF-16")
            .in_file(&input.name, 1)
            .hint("convert the file to UTF-8, e.g. with `iconv -f utf-16 -t utf-8`"),
        ReadError::Broken(line, why) => Error::new(Code::MalformedData, why).in_file(&input.name, line).hint(
            "mend the file there; if it is written otherwise, say how with `format`, `delimiter`, `quote` or `escape`",
        ),
    })
}

/// A block on its way from a reader to a decoder.
struct Chunk {
    block: Block,
    /// Where its records begin: behind the header.
    start: usize,
    /// CSV: the file's columns.
    layout: Option<Arc<Layout>>,
    file: usize,
}

/// A thread that reads files, one after the other.
struct ReadWork {
    format: TextFormat,
    files: Arc<[Input]>,
    next: Arc<AtomicUsize>,
    columns: Vec<String>,
    around: Surroundings,
    handle: Handle,
}

impl ReadWork {
    fn run(&self, writer: &Writer<Chunk>) -> Result<()> {
        loop {
            let file = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(input) = self.files.get(file) else { return Ok(()) };
            match self.read(file, input, writer) {
                Err(err) if err.code() == Code::Interrupted => return Err(err),
                // What is wrong with a file that is being written is not what is to be told.
                read => input.unchanged().and(read)?,
            }
        }
    }

    fn read(&self, file: usize, input: &Input, writer: &Writer<Chunk>) -> Result<()> {
        let mut blocks = self.format.blocks(input, &self.around, &self.handle)?;
        let mut layout = None;
        while let Some(block) = next_block(&mut blocks, input, writer.memory(), &self.around.redactor)? {
            let mut start = 0;
            if let TextFormat::Csv { dialect, header, names, .. } = &self.format
                && layout.is_none()
            {
                let Some((record, end)) = csv::first_record(*dialect, &block) else { continue };
                let names = csv::column_names(record, *header, names.as_deref(), &input.name)?;
                layout = Some(Arc::new(csv::layout(&names, &self.columns, *header, &input.name)?));
                start = if *header { end } else { 0 };
            }
            let bytes = block.data.len();
            if !writer.push(Chunk { block, start, layout: layout.clone(), file }, bytes) {
                return Err(Error::new(Code::Interrupted, "reading was interrupted").in_file(&input.name, 0));
            }
        }
        Ok(())
    }
}

/// What the streams of a reading share.
struct Shared {
    queue: Arc<Queue<Chunk>>,
    files: Arc<[Input]>,
    // Stops the readers when the last stream is gone.
    _stop: DropGuard,
}

enum Decoder {
    Csv(csv::decode::Decoder),
    Json(json::decode::Decoder),
}

/// A stream that decodes whatever block comes next.
struct DecodeWork {
    shared: Arc<Shared>,
    decoder: Decoder,
    schema: SchemaRef,
    batch_rows: usize,
    ready: VecDeque<RecordBatch>,
}

impl DecodeWork {
    async fn next(mut self) -> Result<Option<(RecordBatch, Self)>> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some((batch, self)));
            }
            let Some(entry) = self.shared.queue.pop().await else { return Ok(None) };
            let entry = entry?;
            let Chunk { block, start, layout, file } = &entry.item;
            let input = &self.shared.files[*file];
            // A file that is being written may look damaged.
            let or_changed = |err: Error| input.unchanged().err().unwrap_or(err);
            match (&mut self.decoder, layout) {
                (Decoder::Csv(decoder), Some(layout)) => {
                    let batch = decoder
                        .decode(layout, &block.data[*start..], block.len - start)
                        .map_err(|fault| csv::explain(fault, block, *start, layout.width, &self.schema, &input.name))
                        .map_err(or_changed)?;
                    self.ready.extend(parts(batch, self.batch_rows));
                }
                (Decoder::Json(decoder), _) => {
                    self.ready.extend(decoder.decode(block, &input.name).map_err(or_changed)?);
                }
                (Decoder::Csv(_), None) => return Err(Error::internal("a block of CSV came without its columns")),
            }
            self.shared.queue.recycle(entry.item.block.data);
        }
    }
}

/// A batch in parts of about equal size, none of many more rows than wanted.
fn parts(batch: RecordBatch, rows: usize) -> Vec<RecordBatch> {
    let total = batch.num_rows();
    // A few rows more are better than a batch of few rows.
    let count = total.div_ceil(2 * rows.max(1));
    match count {
        0 => Vec::new(),
        1 => vec![batch],
        _ => {
            let cut = |part: usize| total * part / count;
            (0..count).map(|part| batch.slice(cut(part), cut(part + 1) - cut(part))).collect()
        }
    }
}
