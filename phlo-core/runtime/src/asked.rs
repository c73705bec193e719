//! What a version of a table was asked: with its commit, and on this machine since. The run history, which may be lost or belong to another
//! machine, has no say in it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_schema::{Field, SchemaRef};
use phlo_engine::Check;
use phlo_engine::check::States;
use phlo_engine_api::TableInfo;
use phlo_plugin::schema::type_name;
use phlo_spec::AssetKey;
use serde::{Deserialize, Serialize};

use crate::platform::Platform;

/// The key of a commit's [`AuditRecord`].
const AUDITED: &str = "phlo.quality";

/// What a version of a table was audited with; it stands in the version's commit.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AuditRecord {
    /// The fingerprints of the checks: none of them blocks this version.
    checks: BTreeSet<String>,
    /// Aggregates, which grow with rows that are appended.
    pub(crate) aggregates: States,
}

impl AuditRecord {
    /// That of a version which these checks let pass.
    pub(crate) fn new(checks: &[Check], aggregates: States) -> Self {
        Self { checks: checks.iter().map(|check| check.fingerprint.clone()).collect(), aggregates }
    }

    /// As it stands in a commit: JSON in a text, since other readers of the log take nothing else for granted.
    pub(crate) fn into_metadata(self) -> (String, serde_json::Value) {
        (AUDITED.to_owned(), serde_json::json!(self).to_string().into())
    }

    /// That of a version whose columns have the types that they have now; none if it cannot be read or somebody else committed, and then
    /// everything is asked anew.
    pub(crate) fn of(info: &TableInfo, schema: &SchemaRef) -> Option<Self> {
        let same = |field: &Arc<Field>| match schema.field_with_name(field.name()) {
            Ok(now) => type_name(now.data_type()) == type_name(field.data_type()),
            Err(_) => false,
        };
        let record = info.facts.get(AUDITED)?.as_str()?;
        if info.schema.fields().iter().all(same) { serde_json::from_str(record).ok() } else { None }
    }

    /// Whether a check is among them.
    pub(crate) fn asked(&self, check: &Check) -> bool {
        self.checks.contains(&check.fingerprint)
    }
}

/// What a version of a table was asked on this machine since it was committed, in a file of the state folder that may be lost.
#[derive(Debug, Serialize, Deserialize)]
struct AskedSince {
    version: u64,
    /// Versions begin anew when a table is made anew.
    run_id: Option<String>,
    checks: BTreeSet<String>,
}

impl Platform {
    fn asked_file(&self, asset: &AssetKey) -> PathBuf {
        self.inner.project.state_dir.join("audited").join(format!("{asset}.json"))
    }

    /// The fingerprints of checks that do not block this version.
    pub(crate) fn asked_since(&self, asset: &AssetKey, info: &TableInfo) -> BTreeSet<String> {
        let read = || serde_json::from_slice::<AskedSince>(&std::fs::read(self.asked_file(asset)).ok()?).ok();
        let since = read().filter(|since| since.version == info.version && since.run_id == info.run_id);
        since.map(|since| since.checks).unwrap_or_default()
    }

    /// Remembers that these do not block this version.
    pub(crate) fn remember_asked(
        &self,
        asset: &AssetKey,
        info: &TableInfo,
        checks: BTreeSet<String>,
    ) -> std::io::Result<()> {
        let since = AskedSince { version: info.version, run_id: info.run_id.clone(), checks };
        write_whole(&self.asked_file(asset), &serde_json::to_vec_pretty(&since)?)
    }
}

/// Writes a small file of the state folder: the old one is there until the new one is.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> std::io::Result<()> {
    std::fs::create_dir_all(path.parent().unwrap_or(path))?;
    let beside = path.with_extension(format!("{}.tmp", std::process::id()));
    std::fs::write(&beside, content)?;
    std::fs::rename(&beside, path)
}
