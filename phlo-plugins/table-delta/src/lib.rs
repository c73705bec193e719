#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod adapt;
mod config;
mod error;
mod exact;
mod folder;
mod lock;
mod log;
mod marker;
mod merge;
mod plugin;
mod protocol;
mod schema;
mod stage;
mod stats;
mod store;
mod writer;

pub use config::Settings;
pub use plugin::Delta;
pub use store::DeltaStore;
