//! What a user writes under `target:`.

use std::fmt;

use arrow_schema::{DataType, SchemaRef};
use phlo_plugin::schema::type_name;
use phlo_plugin::{Error, Result};
use phlo_spec::Code;
use schemars::JsonSchema;
use serde::Deserialize;

/// The file that a table is published as.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FilesConfig {
    /// The file, relative to the project. Folders above it are made.
    pub path: String,
    /// How it is written. From its extension if not given: `.csv`, `.tsv`, `.ndjson`, `.jsonl`, `.parquet`.
    #[serde(default)]
    pub format: Option<Format>,
    /// How it is compressed; for Parquet, within the file. By `.gz` and `.zst` at the end of the path if not given; `zstd` for
    /// Parquet.
    #[serde(default)]
    pub compression: Option<Compression>,
    /// CSV: the character between fields. `,` by default, a tab for `.tsv`.
    #[serde(default)]
    pub delimiter: Option<String>,
    /// CSV: whether the first line names the columns. True by default.
    #[serde(default)]
    pub header: Option<bool>,
    /// CSV: the text for a missing value. Nothing by default.
    #[serde(default)]
    pub null_value: Option<String>,
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Fields between delimiters, records on lines.
    Csv,
    /// One JSON object per line.
    Ndjson,
    /// Parquet.
    Parquet,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Csv => "CSV",
            Self::Ndjson => "NDJSON",
            Self::Parquet => "Parquet",
        })
    }
}

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

/// How CSV is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dialect {
    pub(crate) delimiter: u8,
    pub(crate) header: bool,
    pub(crate) null: String,
}

/// How the file is written, every default filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Layout {
    Csv(Dialect, Compression),
    Ndjson(Compression),
    Parquet(Compression),
}

impl FilesConfig {
    /// How the file is written.
    pub(crate) fn layout(&self) -> Result<Layout> {
        let invalid = |message: String, hint: &str| Err(Error::new(Code::InvalidValue, message).hint(hint));
        if self.path.trim().is_empty() || self.path.ends_with(['/', '\\']) {
            return invalid(format!("`path` is `{}`, which names no file", self.path), "write e.g. `out/daily.csv`");
        }
        if self.path.contains("://") {
            let hint = "write a path, absolute or relative to the project";
            return invalid("`path` is a URL, and this target writes files of this machine".to_owned(), hint);
        }
        let plain: Vec<_> = self.path.split(['/', '\\']).filter(|part| !matches!(*part, "" | ".")).collect();
        let own = match plain[..] {
            [file] => file == "phlo.yaml" || file == ".env",
            [folder, ..] => matches!(folder, "assets" | ".phlo" | ".git"),
            [] => false,
        };
        if own && !self.path.starts_with('/') {
            let hint = "publish into a folder of its own, e.g. `out/daily.csv`";
            return invalid(format!("`path` is `{}`, where the project's own files are", self.path), hint);
        }
        let lower = self.path.to_ascii_lowercase();
        let (bare, by_name) = match lower.rsplit_once('.') {
            Some((bare, "gz" | "gzip")) => (bare, Some(Compression::Gzip)),
            Some((bare, "zst" | "zstd")) => (bare, Some(Compression::Zstd)),
            _ => (lower.as_str(), None),
        };
        let extension = bare.rsplit('/').next().and_then(|file| file.rsplit_once('.')).map_or("", |(_, ext)| ext);
        let by_extension = match extension {
            "csv" | "tsv" => Some(Format::Csv),
            "ndjson" | "jsonl" => Some(Format::Ndjson),
            "parquet" => Some(Format::Parquet),
            _ => None,
        };
        let Some(format) = self.format.or(by_extension) else {
            let message = format!("the extension of `path`, `{}`, tells no format", self.path);
            return invalid(message, "add `format: csv`, `ndjson` or `parquet`");
        };
        if format != Format::Csv {
            let given = [
                ("delimiter", self.delimiter.is_some()),
                ("header", self.header.is_some()),
                ("null_value", self.null_value.is_some()),
            ];
            if let Some((field, _)) = given.into_iter().find(|(_, given)| *given) {
                let message = format!("`{field}` is of CSV, and the format is {format}");
                return Err(Error::new(Code::InertConfig, message).hint(format!("remove `{field}`")));
            }
        }
        let compression = self.compression.or(by_name);
        Ok(match format {
            Format::Csv => Layout::Csv(self.dialect(extension)?, compression.unwrap_or(Compression::None)),
            Format::Ndjson => Layout::Ndjson(compression.unwrap_or(Compression::None)),
            Format::Parquet => {
                if by_name.is_some() || self.compression == Some(Compression::Gzip) {
                    let message =
                        "`compression` of a Parquet file is within it: `zstd` or `none`, with `.parquet` at the end";
                    return invalid(message.to_owned(), "remove it: `zstd` is the default");
                }
                Layout::Parquet(compression.unwrap_or(Compression::Zstd))
            }
        })
    }

    fn dialect(&self, extension: &str) -> Result<Dialect> {
        let invalid = |message: String, hint: &str| Err(Error::new(Code::InvalidValue, message).hint(hint));
        let delimiter = match self.delimiter.as_deref().map(str::as_bytes) {
            None if extension == "tsv" => b'\t',
            None => b',',
            Some([byte]) if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => *byte,
            Some(_) => {
                let message = format!("`delimiter` is `{}`", self.delimiter.as_deref().unwrap_or_default());
                return invalid(message, "write one ASCII character, which is neither a quote nor a line end");
            }
        };
        let null = self.null_value.clone().unwrap_or_default();
        if null.bytes().any(|byte| byte == delimiter || matches!(byte, b'"' | b'\n' | b'\r')) {
            let message = format!("`null_value` is `{}`, which would have to be quoted", null.escape_debug());
            return invalid(message, "write a text without delimiter, quote and line end, e.g. `NA`");
        }
        Ok(Dialect { delimiter, header: self.header.unwrap_or(true), null })
    }
}

impl Layout {
    /// Refuses columns that have no form in the file.
    pub(crate) fn accepts(&self, schema: &SchemaRef) -> Result<()> {
        for field in schema.fields() {
            let (fits, hint) = match self {
                Self::Csv(..) => {
                    (is_flat(field.data_type()), "pick fields out in a `query`, or write NDJSON or Parquet")
                }
                Self::Ndjson(_) => (is_json(field.data_type()), "cast it in a `query`, or write Parquet"),
                Self::Parquet(_) => (is_known(field.data_type()), "cast it in a `query`"),
            };
            if !fits {
                let format = match self {
                    Self::Csv(..) => Format::Csv,
                    Self::Ndjson(_) => Format::Ndjson,
                    Self::Parquet(_) => Format::Parquet,
                };
                let name = type_name(field.data_type());
                let message = format!("the column `{}` is {name}, which {format} cannot hold", field.name());
                return Err(Error::new(Code::Unsupported, message).hint(hint));
            }
        }
        Ok(())
    }
}

fn is_flat(data_type: &DataType) -> bool {
    use DataType::{
        Binary, Boolean, Date32, Decimal128, Decimal256, Float32, Float64, Int8, Int16, Int32, Int64, Null, Time32,
        Time64, Timestamp, UInt8, UInt16, UInt32, Utf8,
    };
    matches!(
        data_type,
        Boolean
            | Int8
            | Int16
            | Int32
            | Int64
            | UInt8
            | UInt16
            | UInt32
            | Float32
            | Float64
            | Decimal128(..)
            | Decimal256(..)
            | Utf8
            | Binary
            | Date32
            | Time32(_)
            | Time64(_)
            | Timestamp(..)
            | Null
    )
}

fn is_known(data_type: &DataType) -> bool {
    match data_type {
        DataType::List(item) => is_known(item.data_type()),
        DataType::Map(entries, _) => is_known(entries.data_type()),
        DataType::Struct(fields) => fields.iter().all(|field| is_known(field.data_type())),
        flat => is_flat(flat),
    }
}

fn is_json(data_type: &DataType) -> bool {
    match data_type {
        DataType::List(item) => is_json(item.data_type()),
        // The keys of an object are texts.
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) => {
                matches!(fields[0].data_type(), DataType::Utf8) && fields.iter().all(|f| is_json(f.data_type()))
            }
            _ => false,
        },
        DataType::Struct(fields) => fields.iter().all(|field| is_json(field.data_type())),
        flat => is_flat(flat),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use phlo_spec::Node;

    fn layout(yaml: &str) -> Result<Layout> {
        Node::parse(yaml, "f", 1).unwrap().read::<FilesConfig>().unwrap().layout()
    }

    #[test]
    fn the_path_tells_how_the_file_is_written() {
        let csv = |delimiter, header, null: &str, compression| {
            Layout::Csv(Dialect { delimiter, header, null: null.to_owned() }, compression)
        };
        for (yaml, want) in [
            ("path: a/b.csv", csv(b',', true, "", Compression::None)),
            ("path: b.TSV.gz", csv(b'\t', true, "", Compression::Gzip)),
            (
                "{path: x, format: csv, delimiter: ;, header: false, null_value: NA}",
                csv(b';', false, "NA", Compression::None),
            ),
            ("path: b.jsonl.zst", Layout::Ndjson(Compression::Zstd)),
            ("{path: b.ndjson.gz, compression: none}", Layout::Ndjson(Compression::None)),
            ("path: b.parquet", Layout::Parquet(Compression::Zstd)),
            ("{path: b.parquet, compression: none}", Layout::Parquet(Compression::None)),
        ] {
            assert_eq!(layout(yaml).unwrap(), want, "{yaml}");
        }
    }
}
