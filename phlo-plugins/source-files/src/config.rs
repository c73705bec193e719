//! What a user writes under `source:`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use phlo_plugin::{Error, Result};
use phlo_spec::{Code, Secret};
use phlo_storage::refuse_unread;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::csv::decode::Nulls;
use crate::csv::scan::Dialect;

/// Files to read, and how.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FilesConfig {
    /// Which files: a path relative to the project, or a URL (`file://`, `s3://`, `gs://`, `az://`, `abfss://`, `http://`,
    /// `https://`); or a list of them. `*`, `?` and `[ab]` match within one folder, `**` matches folders. Each must
    /// match something, a pattern now or on an earlier run; later runs read only files that are new or have changed.
    pub path: Paths,
    /// How the files are written. From their extension if not given: `.csv`, `.tsv`, `.ndjson`, `.jsonl`, `.json`, `.parquet`.
    #[serde(default)]
    pub format: Option<Format>,
    /// How CSV and JSON files are compressed.
    #[serde(default)]
    pub compression: Compression,
    /// CSV: the character between fields. `,` by default, a tab for `.tsv`.
    #[serde(default)]
    pub delimiter: Option<Character>,
    /// CSV: the character around fields that hold delimiters or line ends, `"` by default; doubled, it stands for itself. An
    /// empty text if quotes mean nothing.
    #[serde(default)]
    pub quote: Option<OptionalCharacter>,
    /// CSV: within quotes, the character that makes the next one literal. None by default.
    #[serde(default)]
    pub escape: Option<Character>,
    /// CSV: lines that begin with this character are skipped. None by default.
    #[serde(default)]
    pub comment: Option<Character>,
    /// CSV: whether the first line of each file names the columns. True by default.
    #[serde(default)]
    pub header: Option<bool>,
    /// CSV without header: the columns' names, in order. `column_1`, `column_2` and so on by default.
    #[serde(default)]
    pub names: Option<Vec<String>>,
    /// CSV: the texts that mean a missing value, quoted or not; `[""]` by default. In columns that are not texts an empty field
    /// always is a missing value.
    #[serde(default)]
    pub null_values: Option<Vec<String>>,
    /// CSV and JSON: how many rows of a file are read to find out the columns' types; 10000 by default. A later value that does
    /// not fit is an error that names its place; declare the asset's `columns` to set types yourself.
    #[serde(default)]
    pub infer_rows: Option<usize>,
    /// Options of the object store, e.g. `aws_access_key_id`, `aws_region` or `endpoint`. Those of the project's `storage` by
    /// default, if the URL has the same scheme.
    #[serde(default)]
    pub storage: Option<BTreeMap<String, Secret>>,
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Fields between delimiters, records on lines.
    Csv,
    /// One JSON object per line.
    Ndjson,
    /// An array of objects, or objects one after the other.
    Json,
    /// Parquet.
    Parquet,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Csv => "CSV",
            Self::Ndjson => "NDJSON",
            Self::Json => "JSON",
            Self::Parquet => "Parquet",
        })
    }
}

/// How a file is compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// By its extension: `.gz` and `.zst` are compressed, others are not.
    #[default]
    Auto,
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

impl Compression {
    /// The compression of the file with this name.
    pub(crate) fn of(self, name: &str) -> Self {
        if self != Self::Auto {
            return self;
        }
        split_compression(name).1
    }
}

/// A file's name without the extension of a compression, and that compression.
fn split_compression(name: &str) -> (&str, Compression) {
    let known = [
        (".gz", Compression::Gzip),
        (".gzip", Compression::Gzip),
        (".zst", Compression::Zstd),
        (".zstd", Compression::Zstd),
    ];
    for (extension, compression) in known {
        if let Some(at) = name.len().checked_sub(extension.len())
            && name.is_char_boundary(at)
            && name[at..].eq_ignore_ascii_case(extension)
        {
            return (&name[..at], compression);
        }
    }
    (name, Compression::None)
}

/// The extension that tells the format, in lower case and without the compression's.
pub(crate) fn extension(name: &str) -> String {
    let file = split_compression(name).0.rsplit('/').next().unwrap_or_default();
    file.rsplit_once('.').map_or_else(String::new, |(_, extension)| extension.to_ascii_lowercase())
}

impl Format {
    /// The format of files with this extension.
    pub(crate) fn by_extension(extension: &str) -> Option<Self> {
        match extension {
            "csv" | "tsv" => Some(Self::Csv),
            "ndjson" | "jsonl" => Some(Self::Ndjson),
            "json" => Some(Self::Json),
            "parquet" | "parq" => Some(Self::Parquet),
            _ => None,
        }
    }
}

/// One path, or several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths(pub Vec<String>);

impl<'de> Deserialize<'de> for Paths {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PathsVisitor;
        impl<'de> Visitor<'de> for PathsVisitor {
            type Value = Paths;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path or a list of paths")
            }
            fn visit_str<E: de::Error>(self, path: &str) -> Result<Paths, E> {
                Ok(Paths(vec![path.to_owned()]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Paths, A::Error> {
                let mut paths = Vec::new();
                while let Some(path) = seq.next_element()? {
                    paths.push(path);
                }
                if paths.is_empty() {
                    return Err(de::Error::custom("expected at least one path, found none"));
                }
                Ok(Paths(paths))
            }
        }
        deserializer.deserialize_any(PathsVisitor)
    }
}

impl JsonSchema for Paths {
    fn schema_name() -> Cow<'static, str> {
        "Paths".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "a path or URL, or a list of them",
            "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" }, "minItems": 1 }],
        })
    }
}

/// One ASCII character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Character(pub u8);

impl<'de> Deserialize<'de> for Character {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match *String::deserialize(deserializer)?.as_bytes() {
            [b'\n' | b'\r'] => Err(de::Error::custom("a line end cannot be used here")),
            [byte] => Ok(Self(byte)),
            _ => Err(de::Error::custom("expected one ASCII character, e.g. `;` or \"\\t\"")),
        }
    }
}

impl JsonSchema for Character {
    fn schema_name() -> Cow<'static, str> {
        "Character".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "one ASCII character", "type": "string", "minLength": 1, "maxLength": 1 })
    }
}

/// One ASCII character, or an empty text for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionalCharacter(pub Option<u8>);

impl<'de> Deserialize<'de> for OptionalCharacter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() {
            return Ok(Self(None));
        }
        let value = de::IntoDeserializer::<D::Error>::into_deserializer(text);
        Character::deserialize(value).map(|Character(byte)| Self(Some(byte)))
    }
}

impl JsonSchema for OptionalCharacter {
    fn schema_name() -> Cow<'static, str> {
        "OptionalCharacter".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "one ASCII character, or an empty text for none", "type": "string", "maxLength": 1 })
    }
}

impl FilesConfig {
    /// Refuses settings that contradict each other or would have no effect.
    pub(crate) fn check(&self) -> Result<()> {
        let invalid = |message: String, hint: &str| Err(Error::new(Code::InvalidValue, message).hint(hint));
        if self.infer_rows == Some(0) {
            return invalid("`infer_rows` is 1 or more".to_owned(), "declare the types of all columns under `columns`");
        }
        if self.names.is_some() && self.header != Some(false) {
            return invalid(
                "`names` is for files without header".to_owned(),
                "add `header: false`, or rename columns in a SQL asset",
            );
        }
        if let Some(names) = &self.names
            && let Some(name) =
                names.iter().enumerate().find_map(|(at, name)| names[..at].contains(name).then_some(name))
        {
            return invalid(format!("`names` has `{name}` twice"), "give each column a name of its own");
        }
        let dialect = self.dialect(false);
        let marks = [
            ("delimiter", Some(dialect.delimiter)),
            ("quote", dialect.quote),
            ("escape", dialect.escape.filter(|escape| Some(*escape) != dialect.quote)),
            ("comment", dialect.comment),
        ];
        for (at, (name, mark)) in marks.iter().enumerate() {
            if let Some((other, _)) = marks[..at].iter().find(|(_, other)| mark.is_some() && other == mark) {
                return invalid(format!("`{name}` and `{other}` are the same character"), "change one of them");
            }
        }
        if dialect.escape.is_some() && dialect.quote.is_none() {
            return Err(Error::new(Code::InertConfig, "`escape` has no effect without a `quote`")
                .hint("it makes a character within quotes literal: remove it"));
        }
        self.check_storage()?;
        self.known_format().map_or(Ok(()), |format| self.check_format(format))
    }

    /// Refuses settings that have no effect on files of this format.
    pub(crate) fn check_format(&self, format: Format) -> Result<()> {
        let csv_only = [
            ("delimiter", self.delimiter.is_some()),
            ("quote", self.quote.is_some()),
            ("escape", self.escape.is_some()),
            ("comment", self.comment.is_some()),
            ("header", self.header.is_some()),
            ("names", self.names.is_some()),
            ("null_values", self.null_values.is_some()),
        ];
        if format != Format::Csv
            && let Some((name, _)) = csv_only.iter().find(|(_, set)| *set)
        {
            return Err(Error::new(Code::InertConfig, format!("`{name}` has no effect on {format} files"))
                .hint("remove it, or set `format: csv` if that is what they are"));
        }
        if format == Format::Parquet && matches!(self.compression, Compression::Gzip | Compression::Zstd) {
            return Err(Error::new(
                Code::InertConfig,
                "`compression` has no effect on Parquet files: they say it themselves",
            )
            .hint("remove it"));
        }
        if format == Format::Parquet && self.infer_rows.is_some() {
            return Err(Error::new(
                Code::InertConfig,
                "`infer_rows` has no effect on Parquet files: they say their types themselves",
            )
            .hint("remove it"));
        }
        Ok(())
    }

    /// Refuses options of object stores that none of the paths would read.
    fn check_storage(&self) -> Result<()> {
        let options = self.storage.iter().flatten().map(|(key, _)| key.as_str());
        refuse_unread(self.path.0.iter().map(String::as_str), options)
    }

    /// How many rows of a file tell the types.
    pub(crate) fn sample_rows(&self) -> usize {
        self.infer_rows.unwrap_or(10_000)
    }

    /// The format, as far as the config alone tells it.
    pub(crate) fn known_format(&self) -> Option<Format> {
        self.format.or_else(|| Format::by_extension(&extension(self.path.0.first()?)))
    }

    /// How CSV is written.
    pub(crate) fn dialect(&self, tabs: bool) -> Dialect {
        let usual = Dialect::default();
        Dialect {
            delimiter: self.delimiter.map_or(if tabs { b'\t' } else { usual.delimiter }, |Character(byte)| byte),
            quote: self.quote.map_or(usual.quote, |OptionalCharacter(byte)| byte),
            escape: self.escape.map(|Character(byte)| byte),
            comment: self.comment.map(|Character(byte)| byte),
        }
    }

    /// Whether CSV files begin with the columns' names.
    pub(crate) fn has_header(&self) -> bool {
        self.header.unwrap_or(true)
    }

    /// What means a missing value in CSV.
    pub(crate) fn nulls(&self) -> Nulls {
        match &self.null_values {
            Some(texts) => Nulls::new(texts),
            None => Nulls::new(&[""]),
        }
    }
}
