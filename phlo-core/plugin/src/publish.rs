//! Capability `publish_target`: systems that tables are published to.
//!
//! A target is a [`crate::resource::Resource`] that provides [`crate::resource::Provider::publish_target`], registered with
//! `provides = ["publish_target:NAME"], config = ITS_CONFIG`.

use std::any::Any;
use std::path::PathBuf;

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use phlo_spec::{AssetKey, Node, Redactor};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use crate::emit::Emitter;
use crate::error::Result;
use crate::source::BatchStream;

/// What surrounds a target while it works.
#[derive(Debug, Clone)]
pub struct PublishContext {
    /// The project's folder; relative paths are relative to it.
    pub root: PathBuf,
    /// The publish asset.
    pub asset: AssetKey,
    /// Sends events.
    pub emitter: Emitter,
    /// Cleans text that may hold secrets, e.g. a URL in an error.
    pub redactor: Redactor,
    /// Cancelled when the run is interrupted. The future of a call is dropped then, too.
    pub cancel: CancellationToken,
}

impl PublishContext {
    /// A context below a folder, for tests.
    ///
    /// # Panics
    /// Never: the asset's name is a good one.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            asset: AssetKey::new("publish.test").expect("it has two parts"),
            emitter: Emitter::silent(),
            redactor: Redactor::default(),
            cancel: CancellationToken::new(),
        }
    }
}

/// What was published.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// Rows sent.
    pub rows: u64,
    /// Bytes that they take at the target, or that were sent to it.
    pub bytes: u64,
    /// Where they are, without secrets: a path, a URL, a table's name.
    pub location: String,
    /// What [`PublishTarget::is_current`] knows this publication by. Without one, every run publishes again.
    pub receipt: Option<serde_json::Value>,
}

/// A system that tables are published to.
///
/// Readers see the table of the last publication, whole, until the new one is whole: never none, never a part.
#[async_trait]
pub trait PublishTarget: Send + Sync + 'static {
    /// The config under `target:` of an asset, without `plugin`. Doc comments of its fields are the manual; unknown fields must be
    /// refused (`#[serde(deny_unknown_fields)]`).
    type Config: DeserializeOwned + JsonSchema + Send + Sync + 'static;

    /// Refuses a config whose fields contradict each other.
    ///
    /// # Errors
    /// Names the field.
    fn validate(&self, _config: &Self::Config) -> Result<()> {
        Ok(())
    }

    /// Where it publishes to, without secrets, for lineage and reports; told without a network.
    fn location(&self, config: &Self::Config) -> String;

    /// Refuses columns that it cannot hold, without a network. [`PublishTarget::publish`] is only called with a schema that passed.
    ///
    /// # Errors
    /// Names the column, and says what to do with it.
    fn accepts(&self, _config: &Self::Config, _schema: &SchemaRef) -> Result<()> {
        Ok(())
    }

    /// Whether the system answers and lets us in.
    ///
    /// # Errors
    /// Why not.
    async fn test_connection(&self, config: &Self::Config, context: &PublishContext) -> Result<()>;

    /// Whether what a publication left is there still, as it was left. If so, and if what would be published is the same, the run
    /// leaves it alone.
    ///
    /// # Errors
    /// If it cannot be asked.
    async fn is_current(
        &self,
        _config: &Self::Config,
        _context: &PublishContext,
        _receipt: &serde_json::Value,
    ) -> Result<bool> {
        Ok(false)
    }

    /// Publishes the rows in place of what was published before: all of them, in their order, or, after an error or when the future
    /// is dropped, none. Nothing is left then that somebody must clean up. Memory does not grow with the rows.
    ///
    /// Columns have the types of [`crate::schema::to_arrow`], 8 to 32 bit numbers without a sign, and lists, structs and maps of
    /// these.
    ///
    /// # Errors
    /// What failed; an error of the stream is handed on as it is.
    async fn publish(
        &self,
        config: &Self::Config,
        context: &PublishContext,
        schema: SchemaRef,
        rows: BatchStream,
    ) -> Result<Published>;
}

/// A config that was read and validated, for the target that read it.
pub struct TargetConfig(Box<dyn Any + Send + Sync>);

/// [`PublishTarget`] without its types: what the platform calls.
#[async_trait]
pub trait AnyPublishTarget: Send + Sync {
    /// Reads and validates a config.
    ///
    /// # Errors
    /// With the place of the value that is wrong.
    fn parse(&self, config: &Node) -> Result<TargetConfig>;
    /// See [`PublishTarget::location`].
    ///
    /// # Errors
    /// If the config is another target's.
    fn location(&self, config: &TargetConfig) -> Result<String>;
    /// See [`PublishTarget::accepts`].
    ///
    /// # Errors
    /// See there.
    fn accepts(&self, config: &TargetConfig, schema: &SchemaRef) -> Result<()>;
    /// See [`PublishTarget::test_connection`].
    ///
    /// # Errors
    /// See there.
    async fn test_connection(&self, config: &TargetConfig, context: &PublishContext) -> Result<()>;
    /// See [`PublishTarget::is_current`].
    ///
    /// # Errors
    /// See there.
    async fn is_current(
        &self,
        config: &TargetConfig,
        context: &PublishContext,
        receipt: &serde_json::Value,
    ) -> Result<bool>;
    /// See [`PublishTarget::publish`].
    ///
    /// # Errors
    /// See there.
    async fn publish(
        &self,
        config: &TargetConfig,
        context: &PublishContext,
        schema: SchemaRef,
        rows: BatchStream,
    ) -> Result<Published>;
}

fn typed<T: 'static>(config: &TargetConfig) -> Result<&T> {
    config.0.downcast_ref().ok_or_else(|| crate::Error::internal("a config was given to a target that did not read it"))
}

#[async_trait]
impl<T: PublishTarget> AnyPublishTarget for T {
    fn parse(&self, config: &Node) -> Result<TargetConfig> {
        let parsed: T::Config = config.read()?;
        self.validate(&parsed).map_err(|err| err.at(config.place()))?;
        Ok(TargetConfig(Box::new(parsed)))
    }
    fn location(&self, config: &TargetConfig) -> Result<String> {
        Ok(PublishTarget::location(self, typed(config)?))
    }
    fn accepts(&self, config: &TargetConfig, schema: &SchemaRef) -> Result<()> {
        PublishTarget::accepts(self, typed(config)?, schema)
    }
    async fn test_connection(&self, config: &TargetConfig, context: &PublishContext) -> Result<()> {
        PublishTarget::test_connection(self, typed(config)?, context).await
    }
    async fn is_current(
        &self,
        config: &TargetConfig,
        context: &PublishContext,
        receipt: &serde_json::Value,
    ) -> Result<bool> {
        PublishTarget::is_current(self, typed(config)?, context, receipt).await
    }
    async fn publish(
        &self,
        config: &TargetConfig,
        context: &PublishContext,
        schema: SchemaRef,
        rows: BatchStream,
    ) -> Result<Published> {
        PublishTarget::publish(self, typed(config)?, context, schema, rows).await
    }
}
