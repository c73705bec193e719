//! The few traits that must speak DataFusion: a table store with its stages, and a query engine's session.
//!
//! Providers hand them to the platform as `Provider::new::<dyn TableStore>(..)` and `Provider::new::<dyn QueryEngine>(..)`.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod guarded;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use datafusion::catalog::TableProvider;
use datafusion::prelude::{DataFrame, SessionContext};
use phlo_plugin::Result;
use phlo_spec::{AssetKey, SchemaPolicy};

/// Capability `query_engine`: makes sessions. All sessions of one engine share its memory pool and spill directory.
pub trait QueryEngine: Send + Sync + Debug {
    /// A new session, without tables.
    ///
    /// # Errors
    /// If the engine cannot be set up, e.g. its spill directory.
    fn session(&self) -> Result<SessionContext>;
}

/// A transformation that needs the engine: the value of `TransformPlan::Engine` is an `Arc<dyn FrameTransform>` inside an `Arc`.
pub trait FrameTransform: Send + Sync {
    /// From a lazy table to a lazy table.
    ///
    /// # Errors
    /// What cannot be planned.
    fn apply(&self, input: DataFrame) -> Result<DataFrame>;
}

/// What a table store can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableSupport {
    /// Replaces rows by key.
    pub merge: bool,
    /// Adds columns and widens types without a rebuild.
    pub schema_evolution: bool,
    /// Reads old versions.
    pub time_travel: bool,
}

/// A table as it is (or was).
#[derive(Debug, Clone)]
pub struct TableInfo {
    /// The table.
    pub table: AssetKey,
    /// Where it lies, without secrets.
    pub location: String,
    /// Its version, from 0.
    pub version: u64,
    /// Its columns.
    pub schema: SchemaRef,
    /// Rows, if the store knows without reading data.
    pub rows: Option<u64>,
    /// Bytes of its data files.
    pub bytes: u64,
    /// Data files.
    pub files: u64,
    /// The source's cursor as of this version.
    pub cursor: Option<serde_json::Value>,
    /// The run that committed this version.
    pub run_id: Option<String>,
    /// When it was committed.
    pub committed_at: Option<DateTime<Utc>>,
    /// What was committed with this very version: see [`CommitRequest::metadata`].
    pub facts: BTreeMap<String, serde_json::Value>,
}

/// One commit of a table.
#[derive(Debug, Clone)]
pub struct TableVersion {
    /// The version.
    pub version: u64,
    /// When it was committed.
    pub committed_at: Option<DateTime<Utc>>,
    /// What it did, e.g. `WRITE`, `MERGE`.
    pub operation: String,
    /// The run that did it.
    pub run_id: Option<String>,
    /// Rows added, if known.
    pub rows_added: Option<u64>,
    /// Rows removed, if known.
    pub rows_removed: Option<u64>,
}

/// How a stage's rows meet those that are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteMode {
    /// Added.
    Append,
    /// In place of all.
    Overwrite,
    /// In place of those with equal keys; others added. A null key equals nothing.
    Merge {
        /// The key's columns.
        keys: Vec<String>,
    },
}

/// What is to be staged.
#[derive(Debug, Clone)]
pub struct StageRequest {
    /// The table.
    pub table: AssetKey,
    /// The run.
    pub run_id: String,
    /// The columns of the incoming rows.
    pub schema: SchemaRef,
    /// How they meet those that are there.
    pub mode: WriteMode,
    /// Columns that no two of the incoming rows may share the values of, whatever the mode; none if rows need not differ. A key with a
    /// null in it equals nothing.
    pub unique_key: Vec<String>,
    /// What happens when columns differ.
    pub schema_policy: SchemaPolicy,
    /// How long to wait for another writer of the table.
    pub lock_wait: Duration,
    /// The table's description.
    pub description: Option<String>,
}

/// Capability `table_store`: stages rows that no reader sees, shows the table as it would be, commits atomically.
#[async_trait]
pub trait TableStore: Send + Sync + Debug {
    /// What it can do.
    fn support(&self) -> TableSupport;

    /// The tables that exist.
    ///
    /// # Errors
    /// If the storage cannot be read.
    async fn list(&self) -> Result<Vec<AssetKey>>;

    /// A table, now or at a version; `None` if there is no such table.
    ///
    /// # Errors
    /// If the storage cannot be read, or the table has no such version.
    async fn describe(&self, table: &AssetKey, at: Option<u64>) -> Result<Option<TableInfo>>;

    /// A table's latest commits, newest first.
    ///
    /// # Errors
    /// If the storage cannot be read.
    async fn history(&self, table: &AssetKey, limit: usize) -> Result<Vec<TableVersion>>;

    /// What readers see, now or at a version; `None` if there is no such table.
    ///
    /// # Errors
    /// If the storage cannot be read, or the table has no such version.
    async fn provider(&self, table: &AssetKey, at: Option<u64>) -> Result<Option<Arc<dyn TableProvider>>>;

    /// Takes the table's lock, sweeps what dead runs left, and opens a stage.
    ///
    /// # Errors
    /// The table is being written by another, or the columns do not fit it.
    async fn begin(&self, request: StageRequest) -> Result<Box<dyn Stage>>;
}

/// Rows on their way into a table. Dropped without [`Stage::commit`], it leaves nothing visible.
#[async_trait]
pub trait Stage: Send + Sync {
    /// The version that the stage builds on; `None` if the table does not exist yet.
    fn base_version(&self) -> Option<u64>;

    /// The columns that writers take, exactly: names, order and types.
    fn schema(&self) -> SchemaRef;

    /// Things that people should know, e.g. a column that was dropped or widened.
    fn notes(&self) -> Vec<String>;

    /// A writer; one for each parallel stream.
    ///
    /// # Errors
    /// If the storage cannot be written.
    async fn writer(&self) -> Result<Box<dyn StageWriter>>;

    /// After the writers were closed: finds out what the commit would do. For a merge it refuses duplicate keys within the stage
    /// and stages rewrites of the files that hold keys of it. Called again after [`CommitOutcome::Moved`].
    ///
    /// # Errors
    /// Duplicate keys; storage failures.
    async fn resolve(&mut self, session: &SessionContext) -> Result<StageSummary>;

    /// The staged rows alone.
    ///
    /// # Errors
    /// Storage failures.
    async fn staged(&self, session: &SessionContext) -> Result<Arc<dyn TableProvider>>;

    /// The table as it would be after the commit.
    ///
    /// # Errors
    /// Storage failures.
    async fn candidate(&self, session: &SessionContext) -> Result<Arc<dyn TableProvider>>;

    /// Commits data, cursor and run id together, exactly onto the version that was audited.
    ///
    /// # Errors
    /// Storage failures; nothing was committed then.
    async fn commit(&mut self, commit: CommitRequest) -> Result<CommitOutcome>;

    /// Keeps the staged rows for inspection, for a while; nothing is committed.
    ///
    /// # Errors
    /// Storage failures.
    async fn keep(self: Box<Self>, reason: &str) -> Result<KeptStage>;

    /// Removes the staged rows; nothing is committed.
    ///
    /// # Errors
    /// Storage failures.
    async fn discard(self: Box<Self>) -> Result<()>;
}

/// Writes one stream of rows into a stage.
#[async_trait]
pub trait StageWriter: Send {
    /// Writes a batch of the stage's schema.
    ///
    /// # Errors
    /// Storage failures.
    async fn write(&mut self, batch: RecordBatch) -> Result<()>;

    /// Ends the stream; the rows now belong to the stage. A writer that is dropped instead leaves nothing.
    ///
    /// # Errors
    /// Storage failures.
    async fn close(self: Box<Self>) -> Result<()>;
}

/// What a commit would do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StageSummary {
    /// Rows that are new.
    pub inserted: u64,
    /// Rows that replace others.
    pub updated: u64,
    /// Rows that go.
    pub deleted: u64,
    /// Rows of the table after the commit, if known without reading data.
    pub total: Option<u64>,
    /// Bytes staged.
    pub bytes: u64,
    /// Files staged.
    pub files: u64,
}

/// What is committed beside the data.
#[derive(Debug, Clone, Default)]
pub struct CommitRequest {
    /// The source's cursor; `None` keeps the old one.
    pub cursor: Option<serde_json::Value>,
    /// Facts for the table's history, by keys that begin with `phlo.`.
    pub metadata: Vec<(String, serde_json::Value)>,
}

/// How a commit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitOutcome {
    /// Done.
    Committed {
        /// The version that it made.
        version: u64,
    },
    /// Somebody else committed since; the stage now builds on that version and must be resolved and audited again.
    Moved {
        /// The version that it builds on now.
        version: u64,
    },
}

/// A stage that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptStage {
    /// Its id.
    pub id: String,
    /// Where `phlo sql` reads its rows: an absolute path, a pattern of such, or a URL; `None` if it has no rows.
    pub rows: Option<String>,
}
