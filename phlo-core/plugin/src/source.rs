//! Kind `source`: rows from an external system, as Arrow record batches.

use std::any::Any;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use futures_core::Stream;
use phlo_spec::types::ColumnType;
use phlo_spec::{Node, Redactor};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use crate::context::{AnyPlugin, Plugin};
use crate::emit::Emitter;
use crate::error::Result;

/// A stream of batches of one schema.
pub type BatchStream = Pin<Box<dyn Stream<Item = Result<RecordBatch>> + Send>>;

/// What surrounds a source while it works.
#[derive(Debug, Clone)]
pub struct SourceContext {
    /// The project's folder; relative paths are relative to it.
    pub root: PathBuf,
    /// Columns that the asset declares; they override what the source would infer.
    pub columns: BTreeMap<String, ColumnType>,
    /// Only what can be known without a network. A source that would need one answers that its schema is not known.
    pub offline: bool,
    /// Sends events.
    pub emitter: Emitter,
    /// Cleans text that may hold secrets, e.g. a URL in an error.
    pub redactor: Redactor,
    /// Cancelled when the run is interrupted.
    pub cancel: CancellationToken,
}

impl SourceContext {
    /// A context below a folder, for tests.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            columns: BTreeMap::new(),
            offline: false,
            emitter: Emitter::silent(),
            redactor: Redactor::default(),
            cancel: CancellationToken::new(),
        }
    }
}

/// What is to be read.
#[derive(Debug, Clone)]
pub struct ReadRequest {
    /// The cursor of the last commit; none at first and on a full refresh. Only what is newer is wanted.
    pub cursor: Option<serde_json::Value>,
    /// Into how many streams the rows may be divided: the threads that work on them at once.
    pub parallelism: usize,
    /// Rows per batch, about.
    pub batch_rows: usize,
}

impl Default for ReadRequest {
    fn default() -> Self {
        Self { cursor: None, parallelism: 1, batch_rows: 8192 }
    }
}

/// Where a source notes how far it came. Committed with the data, given back as the next [`ReadRequest::cursor`].
///
/// The value counts when every stream of the reading has ended without an error; a source with several streams sets it when
/// the last of them ends, or before the first begins if it knows it then.
#[derive(Debug, Clone, Default)]
pub struct Checkpoint(Arc<Mutex<Option<serde_json::Value>>>);

impl Checkpoint {
    /// Notes the cursor, in place of what was noted before.
    pub fn set(&self, cursor: serde_json::Value) {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(cursor);
    }

    /// The cursor that was noted last.
    pub fn get(&self) -> Option<serde_json::Value> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

/// Rows on their way.
pub struct Reading {
    /// The schema of every batch.
    pub schema: SchemaRef,
    /// The rows, each in one of the streams; at least one stream, which may be empty.
    pub streams: Vec<BatchStream>,
    /// How far the source came.
    pub checkpoint: Checkpoint,
    /// What the rows come from, for lineage: URLs without secrets.
    pub origins: Vec<String>,
    /// Bytes that will be read, if known, for progress.
    pub bytes: Option<u64>,
}

/// A source.
#[async_trait]
pub trait Source: Plugin {
    /// The config under `source:` of an asset, without `plugin`. Doc comments of its fields are the manual; unknown fields
    /// must be refused (`#[serde(deny_unknown_fields)]`).
    type Config: DeserializeOwned + JsonSchema + Send + Sync;

    /// Refuses a config whose fields contradict each other.
    ///
    /// # Errors
    /// Names the field.
    fn validate(&self, _config: &Self::Config) -> Result<()> {
        Ok(())
    }

    /// The schema that [`Source::read`] would deliver; `None` if it cannot be known (or not offline). The same config answers the
    /// same schema as long as the data is the same.
    ///
    /// # Errors
    /// What could not be read.
    async fn schema(&self, config: &Self::Config, context: &SourceContext) -> Result<Option<SchemaRef>>;

    /// Whether the system answers and lets us in.
    ///
    /// # Errors
    /// Why not.
    async fn test_connection(&self, config: &Self::Config, context: &SourceContext) -> Result<()>;

    /// Begins to read. Streams own what they need; dropping them ends the work. Memory does not grow with the input.
    ///
    /// # Errors
    /// What could not be read.
    async fn read(&self, config: &Self::Config, context: &SourceContext, request: ReadRequest) -> Result<Reading>;
}

/// A config that was read and validated, for the source that read it.
pub struct SourceConfig(Box<dyn Any + Send + Sync>);

/// [`Source`] without its types: what the platform calls.
#[async_trait]
pub trait AnySource: AnyPlugin {
    /// Reads and validates a config.
    ///
    /// # Errors
    /// With the place of the value that is wrong.
    fn parse(&self, config: &Node) -> Result<SourceConfig>;
    /// See [`Source::schema`].
    ///
    /// # Errors
    /// See there.
    async fn schema(&self, config: &SourceConfig, context: &SourceContext) -> Result<Option<SchemaRef>>;
    /// See [`Source::test_connection`].
    ///
    /// # Errors
    /// See there.
    async fn test_connection(&self, config: &SourceConfig, context: &SourceContext) -> Result<()>;
    /// See [`Source::read`].
    ///
    /// # Errors
    /// See there.
    async fn read(&self, config: &SourceConfig, context: &SourceContext, request: ReadRequest) -> Result<Reading>;
}

fn typed<T: 'static>(config: &SourceConfig) -> Result<&T> {
    config.0.downcast_ref().ok_or_else(|| crate::Error::internal("a config was given to a source that did not read it"))
}

#[async_trait]
impl<T: Source> AnySource for T {
    fn parse(&self, config: &Node) -> Result<SourceConfig> {
        let parsed: T::Config = config.read()?;
        self.validate(&parsed).map_err(|err| err.at(config.place()))?;
        Ok(SourceConfig(Box::new(parsed)))
    }
    async fn schema(&self, config: &SourceConfig, context: &SourceContext) -> Result<Option<SchemaRef>> {
        Source::schema(self, typed(config)?, context).await
    }
    async fn test_connection(&self, config: &SourceConfig, context: &SourceContext) -> Result<()> {
        Source::test_connection(self, typed(config)?, context).await
    }
    async fn read(&self, config: &SourceConfig, context: &SourceContext, request: ReadRequest) -> Result<Reading> {
        Source::read(self, typed(config)?, context, request).await
    }
}
