#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod blocks;
mod config;
mod csv;
mod cursor;
mod input;
mod json;
mod kinds;
mod parquet;
mod queue;
mod source;
mod text;
mod values;

pub use config::{Character, Compression, FilesConfig, Format, OptionalCharacter, Paths};
pub use source::FilesSource;

phlo_plugin::package!();
phlo_plugin::register!(Source, FilesSource, name = "files", summary = "Rows from CSV, NDJSON, JSON and Parquet files");
