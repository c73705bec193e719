//! Pure data: the names, specs, events, run records and error codes that every room of phlo shares, and the shape of a
//! project's files. No input or output, no async, no Arrow arrays, no behaviour beyond reading and printing itself.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod asset;
pub mod code;
pub mod cron;
pub mod diagnostic;
pub mod event;
pub mod name;
pub mod node;
pub mod project;
pub mod quality;
pub mod run;
pub mod secret;
pub mod service;
pub mod text;
pub mod types;

pub use asset::{
    AssetBody, AssetSpec, CheckSpec, PartitionKind, PartitionSpec, PublishInput, PublishSpec, SchemaPolicy, SourceSpec,
    TargetSpec, TransformSpec, WriteSpec, WriteStrategy,
};
pub use code::Code;
pub use cron::{Cron, InvalidCron};
pub use diagnostic::{Diagnostic, Diagnostics, Severity, nearest};
pub use event::{Correlation, Event, EventKind, Payload};
pub use name::{AssetKey, CapabilityRef, CapabilityType, PluginKind};
pub use node::{Node, NodeKind, Place, Span};
pub use quality::{CheckOutcome, CheckResult, CheckSeverity, Tolerance};
pub use run::{AssetRun, AssetStatus, RunRecord, RunStatus};
pub use secret::{Redactor, Secret};
