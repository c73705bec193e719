#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod beside;
mod config;
mod csv;
mod json;
mod target;
mod write;

pub use config::{Compression, FilesConfig, Format};
pub use target::{Files, FilesTarget};

phlo_plugin::package!();
phlo_plugin::register!(
    Resource,
    Files,
    name = "files",
    summary = "Publishes tables as CSV, NDJSON and Parquet files",
    provides = ["publish_target:files"],
    config = FilesConfig,
);
