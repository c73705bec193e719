//! What commands show: plain data, ready to be rendered or serialized.

use chrono::{DateTime, Utc};
use phlo_engine_api::TableInfo;
use phlo_spec::run::ErrorRecord;
use phlo_spec::{AssetKey, AssetRun};
use serde::Serialize;

/// How fresh an asset is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Freshness {
    /// Within its `freshness.max_age_hours`.
    Fresh,
    /// Beyond it.
    Late,
    /// Never committed.
    Never,
    /// It has no `freshness`.
    Unset,
}

/// One asset as `phlo status` shows it.
#[derive(Debug, Clone, Serialize)]
pub struct AssetState {
    /// The asset.
    pub asset: AssetKey,
    /// `ingest`, `sql` or `publish`.
    pub kind: String,
    /// Its group.
    pub group: String,
    /// Its direct upstream assets.
    pub upstream: Vec<AssetKey>,
    /// The table's version; `None` if it does not exist.
    pub version: Option<u64>,
    /// Its rows, if known without reading data; of a publish asset, those that this machine published last.
    pub rows: Option<u64>,
    /// Its bytes.
    pub bytes: Option<u64>,
    /// When it was committed or published last.
    pub committed_at: Option<DateTime<Utc>>,
    /// How fresh it is.
    pub freshness: Freshness,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// Why nothing is known of its table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorRecord>,
    /// The latest run's id, when its part ended, and how.
    pub last: Option<(String, DateTime<Utc>, AssetRun)>,
}

/// One table as `phlo table list` shows it.
#[derive(Debug, Clone)]
pub struct TableRow {
    /// The table.
    pub table: AssetKey,
    /// What it is, or why nothing is known of it.
    pub info: Result<TableInfo, ErrorRecord>,
}

/// One step of a plan, as `--dry-run` shows it.
#[derive(Debug, Clone, Serialize)]
pub struct PlanStep {
    /// The asset.
    pub asset: AssetKey,
    /// `ingest`, `sql` or `publish`.
    pub kind: String,
    /// append, overwrite, merge or publish.
    pub strategy: String,
    /// Selected assets that must end well first.
    pub after: Vec<AssetKey>,
    /// Its checks' names.
    pub checks: Vec<String>,
    /// The table store that will serve it, and what chose it; of a publish asset, where it publishes to.
    pub table_store: String,
}

/// An asset's neighbours, by table.
#[derive(Debug, Clone, Serialize)]
pub struct Lineage {
    /// The asset in the middle.
    pub asset: AssetKey,
    /// `(from, to)` edges upstream of it; a `from` outside the project is a URL or a table's name.
    pub upstream: Vec<(String, String)>,
    /// Edges downstream of it; a `to` outside the project is where a publish asset publishes to.
    pub downstream: Vec<(String, String)>,
}

/// One plugin as `phlo plugin list` shows it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PluginRow {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its package.
    pub package: String,
    /// The package's version.
    pub version: String,
    /// What it is.
    pub summary: String,
    /// `ready`, `active`, `denied`, `refused`, or `not linked` of one that the project uses.
    pub state: String,
    /// What denies it: `plugins.deny`, which names it, or `plugins.allow`, which does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub denied_by: Option<String>,
    /// Why it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorRecord>,
    /// Capabilities that it provides.
    pub provides: Vec<String>,
    /// Capabilities that it requires.
    pub requires: Vec<String>,
    /// Capabilities that it uses if they are there.
    pub optional: Vec<String>,
}

/// One plugin with all that is known of it.
#[derive(Debug, Clone, Serialize)]
pub struct PluginDetails {
    /// The plugin.
    #[serde(flatten)]
    pub plugin: PluginRow,
    /// The feature of `phlo-bundle` that links it; `None` of a plugin from elsewhere.
    pub feature: Option<&'static str>,
    /// Its package's licence, as an SPDX expression.
    pub license: Option<String>,
    /// Its package's tier: `core` or `extra`.
    pub tier: Option<String>,
    /// The SHA-256 of the canonical JSON Schema of what users write for it in assets; `None` of kinds that have no such thing.
    pub config_schema_sha256: Option<String>,
    /// That of its settings.
    pub settings_schema_sha256: Option<String>,
}

/// What `phlo plugin check` found.
#[derive(Debug, Clone, Serialize)]
pub struct PluginCheck {
    /// Every plugin that is linked, and those that the project uses and are not.
    pub plugins: Vec<PluginHealth>,
    /// Every asset's source or target, what its checks compare with, and the connections that no asset uses.
    pub connections: Vec<ConnectionHealth>,
    /// What is wrong with the binary, or with the project's choice of providers.
    pub problems: Vec<ErrorRecord>,
}

/// What `phlo plugin check` found of one connection.
#[derive(Debug, Clone, Serialize)]
pub struct ConnectionHealth {
    /// The asset whose source or target it is, or whose checks read it.
    pub asset: Option<AssetKey>,
    /// The connection's name in `phlo.yaml`.
    pub connection: Option<String>,
    /// `source`, `target`, or `check` for what a check compares with.
    pub kind: &'static str,
    /// The source plugin, or the publish target.
    pub plugin: String,
    /// Whether an asset uses it.
    pub used: bool,
    /// Whether it was asked: not if its config has mistakes, or if only an asset would complete it.
    pub tested: bool,
    /// Why it is not healthy.
    pub error: Option<ErrorRecord>,
}

/// What `phlo plugin check` found of one plugin.
#[derive(Debug, Clone, Serialize)]
pub struct PluginHealth {
    /// The plugin.
    #[serde(flatten)]
    pub plugin: PluginRow,
    /// Whether it started and passed its self-test.
    pub healthy: bool,
    /// Whether the project uses it.
    pub used: bool,
    /// What of the project uses it: the first thing that does.
    pub used_by: Option<String>,
}
