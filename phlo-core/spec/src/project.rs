//! The shape of `phlo.yaml`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::CapabilityType;
use crate::secret::Secret;

/// What `phlo.yaml` holds beside connections, plugin settings and services, which stay nodes until a plugin reads them.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProjectFile {
    /// The project's name.
    #[schemars(extend("pattern" = "^[A-Za-z0-9][A-Za-z0-9_.-]*$"))]
    pub name: String,
    /// For people.
    #[serde(default)]
    pub description: Option<String>,
    /// Where tables lie.
    #[serde(default)]
    pub storage: StorageSpec,
    /// Which provider serves a capability type unless a run or an asset says otherwise.
    #[serde(default)]
    pub capabilities: CapabilitiesSpec,
    /// Which linked plugins may be used.
    #[serde(default)]
    pub plugins: PluginsSpec,
    /// When what runs.
    #[serde(default)]
    pub schedules: Vec<ScheduleSpec>,
    /// Limits of a run.
    #[serde(default)]
    pub run: RunLimits,
}

/// The `storage:` section.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StorageSpec {
    /// A folder relative to the project, or `s3://`, `az://` or `gs://`.
    pub root: String,
    /// Options of the object store, e.g. `aws_region`. Never shown.
    #[serde(default)]
    pub options: BTreeMap<String, Secret>,
}

impl Default for StorageSpec {
    fn default() -> Self {
        Self { root: "./lake".to_owned(), options: BTreeMap::new() }
    }
}

/// The `capabilities:` section.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CapabilitiesSpec {
    /// Provider by capability type.
    #[serde(default)]
    pub defaults: BTreeMap<CapabilityType, String>,
}

/// The `plugins:` section, without `settings`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PluginsSpec {
    /// Only these plugins, `name` or `kind:name`; all linked ones when empty.
    #[serde(default)]
    pub allow: Vec<String>,
    /// Never these; wins over `allow`.
    #[serde(default)]
    pub deny: Vec<String>,
}

/// One schedule.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleSpec {
    /// Its name.
    pub name: String,
    /// Five cron fields.
    pub cron: String,
    /// What to run, in the selection language.
    pub select: String,
    /// The time zone that the cron fields are in; UTC unless set.
    #[serde(default)]
    pub timezone: Option<String>,
}

/// The `run:` section.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RunLimits {
    /// Assets that run at once; the number of processors unless set.
    #[schemars(range(min = 1))]
    pub jobs: Option<usize>,
    /// Memory for queries in MiB; beyond it they spill to disk.
    #[schemars(range(min = 16))]
    pub memory_mib: u64,
}

impl Default for RunLimits {
    fn default() -> Self {
        Self { jobs: None, memory_mib: 256 }
    }
}
