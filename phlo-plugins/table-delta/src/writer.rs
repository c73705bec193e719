//! Staged data files: Parquet that is encoded on the calling task and written as it grows, on a disk or an object store.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, SchemaRef};
use async_trait::async_trait;
use bytes::Bytes;
use object_store::path::Path as StorePath;
use object_store::{ObjectStore, ObjectStoreExt as _, WriteMultipart};
use parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use phlo_engine_api::StageWriter;
use phlo_plugin::{Error, Result};
use tokio::task::JoinHandle;

use crate::adapt::Adapter;
use crate::config::Settings;
use crate::stats;
use crate::{error, stage::Shared};

/// A part of an upload; object stores want at least 5 MiB for all but the last.
const PART: usize = 8 << 20;
/// Parts of one file that are on their way at once.
const PARTS_IN_FLIGHT: usize = 4;

/// A finished data file that no commit names yet.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StagedFile {
    /// Its name within the table's folder.
    pub(crate) name: String,
    /// Its size, in bytes.
    pub(crate) bytes: u64,
    /// Its rows.
    pub(crate) rows: u64,
    /// Delta's statistics, as JSON.
    pub(crate) stats: String,
    /// When it was finished, in milliseconds since 1970.
    pub(crate) modified: i64,
}

/// Writes one stream of batches to files of about the configured size.
pub(crate) struct FileWriter {
    shared: Arc<Shared>,
    schema: SchemaRef,
    adapter: Adapter,
    /// The top-level columns that may hold NaN.
    floats: Vec<usize>,
    file: Option<OpenFile>,
    finished: Vec<StagedFile>,
    syncs: Vec<Sync>,
    /// Whether these are rows of the table that are written anew.
    rewrite: bool,
    /// Tells the stage that a writer is open, until dropped.
    _open: Arc<()>,
}

pub(crate) struct OpenFile {
    name: String,
    encoder: ArrowWriter<Output>,
    upload: Option<WriteMultipart>,
    has_nan: Vec<bool>,
    rows: u64,
}

/// Where the encoder writes: straight to a file, or to memory until a part of an upload is full.
enum Output {
    File(File),
    Memory(Vec<u8>),
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Memory(buffer) => buffer.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl FileWriter {
    pub(crate) fn new(shared: Arc<Shared>, schema: SchemaRef, rewrite: bool, open: Arc<()>) -> Self {
        let is_float = |t: &DataType| matches!(t, DataType::Float32 | DataType::Float64);
        let floats =
            schema.fields().iter().enumerate().filter(|(_, f)| is_float(f.data_type())).map(|(i, _)| i).collect();
        let adapter = Adapter::new(Arc::clone(&schema));
        Self {
            shared,
            schema,
            adapter,
            floats,
            file: None,
            finished: Vec::new(),
            syncs: Vec::new(),
            rewrite,
            _open: open,
        }
    }

    pub(crate) async fn append(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let batch = self.adapter.adapt(batch)?;
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(self.shared.create_file(&self.schema).await?),
        };
        for &column in &self.floats {
            file.has_nan[column] = file.has_nan[column] || holds_nan(batch.column(column));
        }
        file.encoder.write(&batch).map_err(|e| error::parquet(&file.name, e))?;
        file.rows += batch.num_rows() as u64;
        file.send_parts(false).await?;
        let size = file.encoder.bytes_written() + file.encoder.in_progress_size();
        if size as u64 >= self.shared.settings.target_file_bytes {
            self.finish_file().await?;
        }
        Ok(())
    }

    pub(crate) async fn finish(mut self) -> Result<()> {
        self.finish_file().await?;
        self.shared.accept(std::mem::take(&mut self.finished), std::mem::take(&mut self.syncs), self.rewrite);
        Ok(())
    }

    async fn finish_file(&mut self) -> Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let metadata = file.encoder.finish().map_err(|e| error::parquet(&file.name, e))?;
        let bytes = file.encoder.bytes_written() as u64;
        file.send_parts(true).await?;
        if let Some(upload) = file.upload.take() {
            upload.finish().await.map_err(|e| error::store("uploading a data file", e))?;
        } else if let Output::File(handle) = file.encoder.inner_mut() {
            let handle = handle.try_clone().map_err(|e| error::io("writing a data file", &file.name, e))?;
            // The disk works while the rest is encoded and audited; the commit waits for it.
            self.syncs.push(tokio::task::spawn_blocking(move || handle.sync_all()));
        }
        let staged = StagedFile {
            stats: stats::to_json(&self.schema, &metadata, &file.has_nan),
            name: file.name.clone(),
            bytes,
            rows: file.rows,
            modified: chrono::Utc::now().timestamp_millis(),
        };
        self.finished.push(staged);
        self.file = None;
        Ok(())
    }
}

impl Drop for FileWriter {
    fn drop(&mut self) {
        // Not closed: its rows do not count.
        let names = self.finished.drain(..).map(|f| f.name).chain(self.file.take().map(|f| f.name));
        self.shared.reject(names);
    }
}

#[async_trait]
impl StageWriter for FileWriter {
    async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        self.append(&batch).await
    }

    async fn close(self: Box<Self>) -> Result<()> {
        (*self).finish().await
    }
}

impl OpenFile {
    /// Opens `name` for writing: below `dir` on a disk, at `path` of `store` elsewhere.
    pub(crate) async fn create(
        name: String,
        dir: Option<PathBuf>,
        (store, path): (&Arc<dyn ObjectStore>, StorePath),
        schema: &SchemaRef,
        settings: &Settings,
    ) -> Result<Self> {
        let (output, upload) = if let Some(dir) = dir {
            let path = dir.join(&name);
            let file = File::options().write(true).create_new(true).open(&path);
            (Output::File(file.map_err(|e| error::io("creating a data file", path.display(), e))?), None)
        } else {
            let upload = store.put_multipart(&path).await.map_err(|e| error::store("creating a data file", e))?;
            (Output::Memory(Vec::new()), Some(WriteMultipart::new_with_chunk_size(upload, PART)))
        };
        let options = ArrowWriterOptions::new().with_properties(properties(settings)?).with_skip_arrow_metadata(true);
        let encoder = ArrowWriter::try_new_with_options(output, Arc::clone(schema), options)
            .map_err(|e| error::parquet(&name, e))?;
        Ok(Self { name, encoder, upload, has_nan: vec![false; schema.fields().len()], rows: 0 })
    }

    /// Hands what was encoded to the upload, if there is one.
    async fn send_parts(&mut self, all: bool) -> Result<()> {
        let Some(upload) = &mut self.upload else { return Ok(()) };
        if all {
            // The encoder's own small buffer is written out by its last step.
            self.encoder.sync().map_err(|e| error::io("uploading a data file", &self.name, e))?;
        }
        let Output::Memory(buffer) = self.encoder.inner_mut() else { return Ok(()) };
        if buffer.len() >= PART || (all && !buffer.is_empty()) {
            upload.put(Bytes::from(std::mem::take(buffer)));
            upload.wait_for_capacity(PARTS_IN_FLIGHT).await.map_err(|e| error::store("uploading a data file", e))?;
        }
        Ok(())
    }
}

fn holds_nan(column: &dyn Array) -> bool {
    // Without a branch for each value, so that the compiler makes vectors of it.
    match column.data_type() {
        DataType::Float64 => {
            column.as_primitive::<Float64Type>().values().iter().fold(false, |any, v| any | v.is_nan())
        }
        DataType::Float32 => {
            column.as_primitive::<Float32Type>().values().iter().fold(false, |any, v| any | v.is_nan())
        }
        _ => true,
    }
}

fn properties(settings: &Settings) -> Result<WriterProperties> {
    let level = ZstdLevel::try_new(settings.compression_level)
        .map_err(|e| Error::internal("the settings were checked").because(e))?;
    Ok(WriterProperties::builder()
        .set_created_by(concat!("phlo ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(settings.row_group_rows))
        .set_max_row_group_bytes(settings.row_group_bytes)
        // Statistics of pages cost time for every value; chunks and files are what readers skip by.
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_statistics_truncate_length(Some(64))
        .build())
}

/// What the stage waits for before it commits: a data file on its way to the disk.
pub(crate) type Sync = JoinHandle<io::Result<()>>;
