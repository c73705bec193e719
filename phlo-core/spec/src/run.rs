//! What is remembered of a run.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::code::Code;
use crate::name::AssetKey;
use crate::node::Place;
use crate::quality::CheckResult;
use crate::secret::Redactor;

/// How a run ended, or that it has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// Not ended; a run whose process died stays so until the next run marks it.
    Running,
    /// Every asset succeeded.
    Success,
    /// At least one asset failed.
    Failed,
    /// A blocking check failed, and nothing else did.
    Blocked,
    /// Interrupted.
    Interrupted,
}

impl RunStatus {
    /// The status as written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Blocked => "blocked",
            Self::Interrupted => "interrupted",
        }
    }
}

/// How an asset ended within a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AssetStatus {
    /// Rows were committed.
    Success,
    /// The source had nothing new; nothing was committed.
    Unchanged,
    /// A blocking check failed; nothing was committed.
    Blocked,
    /// It failed; nothing was committed.
    Failed,
    /// Not run, because an upstream asset failed.
    Skipped,
    /// Interrupted; nothing was committed.
    Interrupted,
}

impl AssetStatus {
    /// The status as written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Unchanged => "unchanged",
            Self::Blocked => "blocked",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Interrupted => "interrupted",
        }
    }

    /// Whether what depends on the asset may run.
    pub const fn is_ok(self) -> bool {
        matches!(self, Self::Success | Self::Unchanged)
    }
}

/// One asset's part of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AssetRun {
    /// The asset.
    pub asset: AssetKey,
    /// How it ended.
    pub status: AssetStatus,
    /// The partition, if one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// Attempts made, from 1.
    #[serde(default)]
    pub attempts: u32,
    /// Rows read or computed.
    #[serde(default)]
    pub rows_in: u64,
    /// Rows added.
    #[serde(default)]
    pub rows_inserted: u64,
    /// Rows replaced by a merge.
    #[serde(default)]
    pub rows_updated: u64,
    /// Rows removed by an overwrite.
    #[serde(default)]
    pub rows_deleted: u64,
    /// Bytes written.
    #[serde(default)]
    pub bytes: u64,
    /// The table version that was committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Milliseconds from start to end.
    #[serde(default)]
    pub duration_ms: u64,
    /// Milliseconds that its checks took: of the writing streams, taken together, and of the audit after them.
    #[serde(default)]
    pub audit_ms: u64,
    /// Results of the checks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckResult>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorRecord>,
    /// Things that people should know, e.g. a dropped column.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl AssetRun {
    /// See [`crate::Event::clean`].
    pub(crate) fn clean(&mut self, redactor: &Redactor) {
        let Self {
            asset: _,
            status: _,
            partition: _,
            attempts: _,
            rows_in: _,
            rows_inserted: _,
            rows_updated: _,
            rows_deleted: _,
            bytes: _,
            version: _,
            duration_ms: _,
            audit_ms: _,
            checks,
            error,
            notes,
        } = self;
        checks.iter_mut().for_each(|check| check.clean(redactor));
        notes.iter_mut().for_each(|note| *note = redactor.clean(note));
        if let Some(ErrorRecord { code: _, messages, hints, place }) = error {
            messages.iter_mut().chain(hints).for_each(|text| *text = redactor.clean(text));
            if let Some(place) = place.as_mut().filter(|place| redactor.finds(&place.file)) {
                place.file = redactor.clean(&place.file).into();
            }
        }
    }
}

/// An error, as remembered and as sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorRecord {
    /// Its code.
    pub code: Code,
    /// The message and the chain of causes, outermost first.
    pub messages: Vec<String>,
    /// Next steps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
    /// Where: in a file of the project, or in what was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunRecord {
    /// Its id: sortable by time.
    pub id: String,
    /// How it ended.
    pub status: RunStatus,
    /// When it began.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub started_at: DateTime<Utc>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub ended_at: Option<DateTime<Utc>>,
    /// What was selected, as written.
    pub selection: String,
    /// The run's tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// The fingerprint of the plugins that were linked into the phlo that ran it; unknown of runs of an older one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin_fingerprint: Option<String>,
    /// Its assets, in the order in which they ended.
    #[serde(default)]
    pub assets: Vec<AssetRun>,
}
