//! Kind `cli`: more `phlo` commands. Behind the feature `cli`, because commands are clap's.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
pub use clap;
use phlo_spec::{AssetKey, AssetSpec, Code};

use crate::context::{AnyPlugin, Plugin};
use crate::error::{Error, Result};

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
#[derive(Clone, Default)]
pub struct CliContext {
    /// The project's folder, if the command runs inside one.
    pub project: Option<PathBuf>,
    /// Whether the user asked for `--json`.
    pub json: bool,
    /// Opens the project; see [`CliContext::open`].
    pub opener: Option<Opener>,
}

/// Opens the project that a command runs in.
pub type Opener = Arc<dyn Fn() -> Result<Arc<dyn ProjectAccess>> + Send + Sync>;

impl CliContext {
    /// Opens the project: reads its files and plugins, which a command that only looks at its arguments need not wait for.
    ///
    /// # Errors
    /// [`Code::NoProject`] outside of any; what is wrong with the project.
    pub fn open(&self) -> Result<Arc<dyn ProjectAccess>> {
        match &self.opener {
            Some(open) => open(),
            None => Err(Error::new(Code::NoProject, "this command needs a project, and there is none here")
                .hint("change into a project, or pass `--project DIR`")),
        }
    }
}

impl fmt::Debug for CliContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CliContext").field("project", &self.project).field("json", &self.json).finish_non_exhaustive()
    }
}

/// A project as commands of plugins may look at it: its assets, and SQL over its published tables. Nothing can be written through it.
///
/// The calls wait; a command runs outside of any async runtime.
pub trait ProjectAccess: Send + Sync {
    /// Every asset, those of plugins included.
    fn assets(&self) -> Vec<AssetSpec>;

    /// The tables that exist, sorted.
    ///
    /// # Errors
    /// If the storage cannot be read.
    fn tables(&self) -> Result<Vec<AssetKey>>;

    /// A table's current version.
    ///
    /// # Errors
    /// There is no such table (with the nearest name), or it cannot be read.
    fn version(&self, table: &AssetKey) -> Result<u64>;

    /// Runs a query over tables, each under the bare name that it is given here.
    ///
    /// # Errors
    /// A table or version does not exist; the query does not plan.
    fn query(&self, sql: &str, tables: &[NamedTable]) -> Result<Rows>;
}

/// A table, now or as it was, and the name that a query has for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedTable {
    /// The bare name in the query.
    pub name: String,
    /// The table.
    pub table: AssetKey,
    /// Its version; the current one unless given.
    pub version: Option<u64>,
}

/// Rows that answer a query, batch by batch.
pub struct Rows {
    /// Their schema.
    pub schema: SchemaRef,
    /// The rows. What is not asked for is not computed.
    pub batches: Box<dyn Iterator<Item = Result<RecordBatch>> + Send>,
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
