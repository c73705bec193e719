#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod config;
mod source;
mod tables;

pub use config::{Table, TpchConfig};
pub use source::TpchSource;

phlo_plugin::package!();
phlo_plugin::register!(Source, TpchSource, name = "tpch", summary = "The tables of the TPC-H benchmark, at any scale");
