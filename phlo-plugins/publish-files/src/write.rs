//! Batches into a file, as its layout says.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, SchemaRef};
use flate2::write::GzEncoder;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression as Codec, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use phlo_plugin::{Error, Result};
use phlo_spec::Code;

use crate::config::{Compression, Dialect, Layout};
use crate::{csv, json};

/// Rows of a row group of Parquet.
const GROUP_ROWS: usize = 128 * 1024;
/// Bytes of one, about: it is in memory until it is whole.
const GROUP_BYTES: usize = 64 << 20;
/// Bytes that are handed to the system at once.
const BUFFER: usize = 256 << 10;
const ZSTD: i32 = 3;

/// A file's text, compressed or not.
pub(crate) enum Text {
    Plain(BufWriter<File>),
    Gzip(GzEncoder<BufWriter<File>>),
    Zstd(zstd::Encoder<'static, BufWriter<File>>),
}

impl Text {
    fn of(file: File, compression: Compression) -> io::Result<Self> {
        let file = BufWriter::with_capacity(BUFFER, file);
        Ok(match compression {
            Compression::None => Self::Plain(file),
            Compression::Gzip => Self::Gzip(GzEncoder::new(file, flate2::Compression::default())),
            Compression::Zstd => Self::Zstd(zstd::Encoder::new(file, ZSTD)?),
        })
    }

    fn finish(self) -> io::Result<File> {
        let file = match self {
            Self::Plain(file) => file,
            Self::Gzip(encoder) => encoder.finish()?,
            Self::Zstd(encoder) => encoder.finish()?,
        };
        file.into_inner().map_err(io::IntoInnerError::into_error)
    }
}

impl Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(out) => out.write(bytes),
            Self::Gzip(out) => out.write(bytes),
            Self::Zstd(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(out) => out.flush(),
            Self::Gzip(out) => out.flush(),
            Self::Zstd(out) => out.flush(),
        }
    }
}

/// A file that batches are written to.
pub(crate) enum Writer {
    Csv(Text, Dialect),
    Ndjson(Text),
    Parquet(Box<ArrowWriter<BufWriter<File>>>),
}

impl Writer {
    /// Begins the file.
    ///
    /// # Errors
    /// What cannot be written.
    pub(crate) fn begin(file: File, layout: Layout, schema: &SchemaRef) -> Result<Self> {
        match layout {
            Layout::Csv(dialect, compression) => {
                let mut text = Text::of(file, compression).map_err(io_failed)?;
                csv::header(&mut text, schema, &dialect).map_err(io_failed)?;
                Ok(Self::Csv(text, dialect))
            }
            Layout::Ndjson(compression) => Ok(Self::Ndjson(Text::of(file, compression).map_err(io_failed)?)),
            Layout::Parquet(compression) => {
                let codec = match compression {
                    Compression::Zstd => Codec::ZSTD(ZstdLevel::try_new(ZSTD).map_err(parquet_failed)?),
                    _ => Codec::UNCOMPRESSED,
                };
                let properties = WriterProperties::builder()
                    .set_compression(codec)
                    .set_max_row_group_row_count(Some(GROUP_ROWS))
                    .set_created_by(format!("phlo {}", env!("CARGO_PKG_VERSION")))
                    .build();
                let file = BufWriter::with_capacity(BUFFER, file);
                let writer =
                    ArrowWriter::try_new(file, Arc::clone(schema), Some(properties)).map_err(parquet_failed)?;
                Ok(Self::Parquet(Box::new(writer)))
            }
        }
    }

    /// Writes a batch.
    ///
    /// # Errors
    /// What cannot be written.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match self {
            Self::Csv(text, dialect) => csv::batch(text, batch, dialect).map_err(arrow_failed),
            Self::Ndjson(text) => {
                json::refuse_infinite(batch)?;
                json::batch(text, batch).map_err(arrow_failed)
            }
            Self::Parquet(writer) => {
                writer.write(batch).map_err(parquet_failed)?;
                if writer.in_progress_size() > GROUP_BYTES {
                    writer.flush().map_err(parquet_failed)?;
                }
                Ok(())
            }
        }
    }

    /// Ends the file; it is not on the disk yet.
    ///
    /// # Errors
    /// What cannot be written.
    pub(crate) fn finish(self) -> Result<File> {
        match self {
            Self::Csv(text, _) | Self::Ndjson(text) => text.finish().map_err(io_failed),
            Self::Parquet(writer) => {
                let file = writer.into_inner().map_err(parquet_failed)?;
                file.into_inner().map_err(|err| io_failed(err.into_error()))
            }
        }
    }
}

/// The error for what the system says.
pub(crate) fn io_failed(err: io::Error) -> Error {
    let error = Error::new(Code::StorageFailed, "the file cannot be written");
    let hint = match err.kind() {
        io::ErrorKind::PermissionDenied => "give the user that runs phlo permission to write there",
        io::ErrorKind::StorageFull => "free some space: the new file is written beside the old one",
        io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "name a file under `path`"
        }
        _ => "what was published before is still there",
    };
    error.hint(hint).because(err)
}

fn arrow_failed(err: ArrowError) -> Error {
    match err {
        ArrowError::IoError(_, err) => io_failed(err),
        other => Error::new(Code::MalformedData, "a value cannot be written").because(other),
    }
}

fn parquet_failed(err: ParquetError) -> Error {
    match err {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(err) => io_failed(*err),
            Err(other) => Error::new(Code::StorageFailed, "the file cannot be written").because(other.to_string()),
        },
        other => Error::new(Code::StorageFailed, "the file cannot be written").because(other),
    }
}
