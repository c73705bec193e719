#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod client;
mod columns;
pub mod config;
mod incremental;
mod link;
mod pages;
mod path;
mod source;

pub use config::RestConfig;
pub use source::RestSource;

phlo_plugin::package!();
phlo_plugin::register!(Source, RestSource, name = "rest_api", summary = "Rows from REST APIs, page by page");
