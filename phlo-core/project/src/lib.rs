//! Find, read, merge and validate a phlo project; the only reader of the environment.
//!
//! A project becomes a value in three stages: raw (files parsed into [`Node`](phlo_spec::Node)s that know their places),
//! merged (variables filled in, connections joined into the sources that name them), and resolved ([`Project`]: typed, defaults
//! filled in, rules between keys checked). No stage stops at the first problem, nothing here prints, and nothing outside this
//! crate asks the environment.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod asset;
mod check;
mod environment;
mod file;
mod interpolate;
mod load;
mod read;
mod secrets;
mod show;
mod stores;
mod validate;

use std::path::{Path, PathBuf};

pub use asset::{source_of, sources_within};
pub use environment::Environment;
pub use load::{Loaded, Project, Texts, load};
pub use secrets::is_secret_key;
pub use stores::{NoStores, Opening, SecretSource};
pub use validate::MIN_MEMORY_MIB;

/// The file that makes a folder a project.
pub const PROJECT_FILE: &str = "phlo.yaml";

/// The folder with a `phlo.yaml`: `start` or the nearest one above it. A relative `start` is relative to the current folder.
pub fn find(start: &Path) -> Option<PathBuf> {
    let start = std::path::absolute(start).ok()?;
    start.ancestors().find(|folder| folder.join(PROJECT_FILE).is_file()).map(Path::to_owned)
}

#[cfg(test)]
mod tests;
