//! Kind `cli`: more `phlo` commands. Behind the feature `cli`, because commands are clap's.

use std::path::PathBuf;

pub use clap;

use crate::context::{AnyPlugin, Plugin};
use crate::error::Result;

/// A cli plugin.
pub trait CliExtension: Plugin {
    /// Its commands. A name that phlo or another plugin has is refused, both named.
    ///
    /// # Errors
    /// What keeps it from working.
    fn commands(&self) -> Result<Vec<CliCommand>>;
}

/// [`CliExtension`], object-safe.
pub trait AnyCliExtension: AnyPlugin {
    /// See [`CliExtension::commands`].
    ///
    /// # Errors
    /// See there.
    fn commands(&self) -> Result<Vec<CliCommand>>;
}

impl<T: CliExtension> AnyCliExtension for T {
    fn commands(&self) -> Result<Vec<CliCommand>> {
        CliExtension::commands(self)
    }
}

/// What surrounds a command while it runs.
#[derive(Debug, Clone)]
pub struct CliContext {
    /// The project's folder, if the command runs inside one.
    pub project: Option<PathBuf>,
    /// Whether the user asked for `--json`.
    pub json: bool,
}

/// What a command answers; the cli prints it.
#[derive(Debug, Clone, Default)]
pub struct CliOutput {
    /// For people, on standard output.
    pub text: String,
    /// For `--json`.
    pub json: serde_json::Value,
    /// The exit code.
    pub exit_code: u8,
}

/// Runs a command.
pub type RunFn = Box<dyn Fn(&clap::ArgMatches, &CliContext) -> Result<CliOutput> + Send + Sync>;

/// One command.
pub struct CliCommand {
    /// Its arguments.
    pub command: clap::Command,
    /// What it does.
    pub run: RunFn,
}
