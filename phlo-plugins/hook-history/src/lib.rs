#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod file;
mod plugin;
mod process;
mod read;
mod write;

pub use plugin::{HistoryHook, HistoryResource, Settings};
