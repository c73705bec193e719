//! What a plugin author needs, and nothing else: one trait per plugin kind, registration at link time, the registry,
//! capability resolution, the boundary error, record-batch streams and the event emitter.
//!
//! A plugin is a struct that implements [`context::Plugin`] and one kind's trait, and a registration:
//!
//! ```
//! use phlo_plugin::prelude::*;
//!
//! struct Numbers;
//!
//! impl Plugin for Numbers {
//!     type Settings = NoSettings;
//!     fn create(_: NoSettings, _: &InitContext) -> Result<Self> {
//!         Ok(Numbers)
//!     }
//! }
//!
//! impl SemanticLayer for Numbers {
//!     fn models(&self) -> Result<Vec<SemanticModel>> {
//!         Ok(vec![])
//!     }
//! }
//!
//! phlo_plugin::package!(bare);
//! phlo_plugin::register!(Semantic, Numbers, name = "numbers", summary = "Models over numbers");
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod capability;
#[cfg(feature = "cli")]
pub mod cli;
pub mod context;
pub mod emit;
pub mod error;
pub mod fingerprint;
pub mod hook;
pub mod kinds;
pub mod publish;
pub mod quality;
pub mod registration;
pub mod registry;
pub mod resource;
pub mod retry;
pub mod rule;
pub mod schema;
pub mod source;
pub mod transform;

pub use capability::{Choice, ChosenBy, Wishes, resolve};
pub use context::{InitContext, NoSettings, Storage, Variables};
pub use emit::Emitter;
pub use error::{Error, Result};
pub use fingerprint::Fingerprint;
pub use registration::{KnownPlugin, PackageFacts, Registration};
pub use registry::{PluginState, Policy, Registry};

/// Everything that a plugin's modules import.
pub mod prelude {
    pub use arrow_array::{BooleanArray, RecordBatch};
    pub use arrow_schema::{Schema, SchemaRef};
    pub use async_trait::async_trait;
    pub use phlo_spec::{AssetKey, Code, Event, EventKind, Node, Secret};

    #[cfg(feature = "cli")]
    pub use crate::cli::{CliCommand, CliContext, CliExtension, CliOutput};
    pub use crate::context::{InitContext, NoSettings, Plugin, Storage};
    pub use crate::emit::Emitter;
    pub use crate::error::{Error, Result};
    pub use crate::hook::{FailurePolicy, Hook, HookFilter, HookRegistration};
    pub use crate::kinds::{
        AssetProvider, Catalog, CatalogProperties, CatalogTable, DagsterExtension, DagsterModule, Definitions,
        Orchestrator, OrchestratorOutput, SemanticLayer, SemanticModel, Service,
    };
    pub use crate::publish::{PublishContext, PublishTarget, Published};
    pub use crate::quality::{CheckPlan, CheckTarget, Evaluation, Quality, Verdict, check_name};
    pub use crate::resource::{Provider, Resource};
    pub use crate::source::{BatchStream, Checkpoint, ReadRequest, Reading, Source, SourceContext};
    pub use crate::transform::{Transform, TransformPlan};
}

#[doc(hidden)]
pub mod __private {
    pub use inventory;
    pub use linkme;
    pub use phlo_spec;
    pub use schemars;
}
