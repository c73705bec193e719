#![doc = include_str!("../README.md")]

mod env;
mod files;

use phlo_plugin::{Error, Result};
use phlo_spec::Code;

pub use env::{EnvSecrets, EnvSettings};
pub use files::{FileSecrets, FileSettings};

phlo_plugin::package!();

/// Refuses what could not be the name of a secret: it might lead out of a folder.
fn check_name(name: &str) -> Result<()> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !name.is_empty() && !name.starts_with('.') && name.chars().all(allowed) {
        return Ok(());
    }
    Err(Error::new(Code::InvalidValue, format!("`{name}` cannot be the name of a secret here"))
        .hint("a name is letters, digits, `_`, `-` and `.`, and does not begin with `.`"))
}
