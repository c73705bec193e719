//! The runtime: the asset graph, planning, write-audit-publish, retries, the hook bus, and the reports that commands show. It
//! prints nothing and reads no environment; the command line and other faces are built on [`Platform`].
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod asked;
mod audit;
mod bus;
mod check;
mod export;
mod frontier;
mod graph;
mod health;
mod materialize;
mod other;
mod partition;
mod platform;
pub mod process;
mod profile;
mod publish;
mod quality;
mod query;
mod report;
mod run;
mod secrets;
mod select;
mod semantic;
mod stores;
mod used;

pub use phlo_engine::profile::{ColumnProfile, Distinct, Numbers, Quantiles, TableProfile, Texts};
pub use phlo_engine_api::{TableInfo, TableVersion};

pub use bus::Bus;
pub use check::CheckReport;
pub use graph::{Graph, Node as GraphNode};
pub use phlo_engine::check::{Explained, Way, to_json};
pub use platform::{Opened, Platform};
pub use profile::Profile;
pub use quality::{AuditRun, Audited, QualityPlan};
pub use query::SqlAnswer;
pub use report::{
    AssetState, ConnectionHealth, Freshness, Lineage, PlanStep, PluginCheck, PluginDetails, PluginHealth, PluginRow,
    TableRow,
};
pub use run::{NoObserver, Observer, RunOptions};
pub use semantic::Model;
pub use used::{Needs, load_without_secrets, needs};
