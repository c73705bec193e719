//! The markers of stages: what a run that died left behind, and what a failed audit keeps for inspection.
//!
//! A marker is written before a stage's first data file and removed after its commit, so that whoever writes the table next
//! knows of every file that no commit names.

use chrono::{DateTime, Utc};
use phlo_plugin::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::folder::{Folder, OWN, STAGES};
use crate::log;

/// A stage's marker, `_phlo/stages/<stage>.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Marker {
    pub(crate) stage: String,
    pub(crate) run_id: String,
    pub(crate) pid: u32,
    pub(crate) started: DateTime<Utc>,
    /// The table's version when the stage began; none if there was no table.
    pub(crate) base: Option<u64>,
    /// Set by a failed audit: why, and until when its files stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kept: Option<Kept>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) reason: String,
    pub(crate) until: DateTime<Utc>,
}

impl Marker {
    pub(crate) fn name(stage: &str) -> String {
        format!("{OWN}/{STAGES}/{stage}.json")
    }

    pub(crate) async fn write(&self, folder: &Folder) -> Result<()> {
        let text = serde_json::to_vec(self).map_err(|e| Error::internal("a marker has no JSON").because(e))?;
        folder.put(&Self::name(&self.stage), text).await
    }
}

/// The name of a stage's data file.
pub(crate) fn data_file(stage: &str, number: u32) -> String {
    format!("part-{stage}-{number:05}.zstd.parquet")
}

/// A pattern of the names of a stage's data files.
pub(crate) fn all_data_files(stage: &str) -> String {
    format!("part-{stage}-*.parquet")
}

/// The names of all data files of a stage, finished or not.
pub(crate) async fn data_files(folder: &Folder, stage: &str) -> Result<Vec<String>> {
    let prefix = format!("part-{stage}-");
    Ok(folder.names("").await?.into_iter().filter(|n| n.starts_with(&prefix)).collect())
}

/// How long an unfinished stage is left alone where no lock tells whether its run still lives: as long as Delta's own vacuum
/// leaves files that no commit names.
const ABANDONED: chrono::TimeDelta = chrono::TimeDelta::days(7);

/// Removes what earlier stages left. The caller holds the table's lock, if there are locks: then every unfinished stage is dead.
pub(crate) async fn sweep(folder: &Folder, locked: bool, now: DateTime<Utc>) -> Result<()> {
    let stages = format!("{OWN}/{STAGES}");
    for name in folder.names(&stages).await? {
        let path = format!("{stages}/{name}");
        let Some(stage) = name.strip_suffix(".json") else {
            // A marker that was being written when its process died.
            if locked {
                folder.remove(&[path]).await?;
            }
            continue;
        };
        let marker = folder.get(&path).await?.and_then(|bytes| serde_json::from_slice::<Marker>(&bytes).ok());
        let expired = match &marker {
            Some(Marker { kept: Some(kept), .. }) => kept.until <= now,
            Some(marker) => locked || marker.started + ABANDONED <= now,
            None => locked,
        };
        if !expired {
            continue;
        }
        let committed = match &marker {
            Some(Marker { kept: Some(_), .. }) => false,
            Some(marker) => was_committed(folder, stage, marker.base).await?,
            // Unreadable: what its files are cannot be known, so they stay for Delta's vacuum.
            None => true,
        };
        if !committed {
            let files = data_files(folder, stage).await?;
            tracing::info!(table = %folder.url, stage, files = files.len(), "removed what an unfinished run left");
            folder.remove(&files).await?;
        }
        folder.remove(&[path]).await?;
    }
    Ok(())
}

/// Whether a commit since `base` is the stage's. Yes if that cannot be known: no file that may be a table's is ever removed.
async fn was_committed(folder: &Folder, stage: &str, base: Option<u64>) -> Result<bool> {
    let mut version = base.map_or(0, |v| v + 1);
    let Some(latest) = log::latest_version(folder).await? else { return Ok(false) };
    while version <= latest {
        match log::commit_info(folder.log.as_ref(), version).await? {
            Some(info) if info.stage() == Some(stage) => return Ok(true),
            Some(_) => version += 1,
            None => return Ok(true),
        }
    }
    Ok(false)
}
