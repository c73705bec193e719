//! What a run has told so far, as far as a message may need it.

use std::collections::BTreeMap;

use phlo_plugin::prelude::*;
use phlo_spec::run::ErrorRecord;
use phlo_spec::{AssetRun, AssetStatus, CheckOutcome, CheckResult, Payload};

/// The metric of the runtime that says by how many hours an asset is late.
const LATE: &str = "asset.late_hours";

/// An asset, or one of its partitions.
type Part = (AssetKey, Option<String>);

/// A run.
#[derive(Debug, Default)]
pub(crate) struct Story {
    pub(crate) parts: BTreeMap<Part, Chapter>,
    /// Hours beyond what is permitted.
    pub(crate) late: BTreeMap<AssetKey, f64>,
}

/// What became of a part.
#[derive(Debug, Default)]
pub(crate) struct Chapter {
    /// None while it runs.
    pub(crate) status: Option<AssetStatus>,
    pub(crate) error: Option<ErrorRecord>,
    pub(crate) checks: Vec<Found>,
}

/// A check's result, without rows.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) passed: bool,
    /// It blocks, or could not run; otherwise, unless it passed, it warns.
    pub(crate) blocks: bool,
    pub(crate) errored: bool,
    pub(crate) violations: u64,
    pub(crate) total: u64,
    pub(crate) expected: Option<String>,
    pub(crate) observed: Option<String>,
    pub(crate) error: Option<String>,
    /// There are rows to look at.
    pub(crate) of_rows: bool,
}

impl From<&CheckResult> for Found {
    fn from(result: &CheckResult) -> Self {
        Self {
            name: result.name.clone(),
            passed: result.passed(),
            blocks: result.blocks(),
            errored: result.outcome == CheckOutcome::Errored,
            violations: result.violations,
            total: result.total,
            expected: result.expected.clone(),
            observed: result.observed.clone(),
            error: result.error.clone(),
            of_rows: result.is_of_rows(),
        }
    }
}

impl Story {
    /// The events that it is made of.
    pub(crate) const EVENTS: [EventKind; 5] = [
        EventKind::QualityResult,
        EventKind::IngestionEnd,
        EventKind::TransformEnd,
        EventKind::PublishEnd,
        EventKind::TelemetryMetric,
    ];

    pub(crate) fn add(&mut self, event: &Event) {
        let Some(asset) = &event.correlation.asset else { return };
        match &event.payload {
            Payload::QualityResult(result) => {
                let chapter = self.parts.entry((asset.clone(), event.correlation.partition.clone())).or_default();
                let found = Found::from(&**result);
                match chapter.checks.iter_mut().find(|before| before.name == found.name) {
                    Some(before) => *before = found,
                    None => chapter.checks.push(found),
                }
            }
            // The asset's own account: what an earlier attempt found no longer counts.
            Payload::IngestionEnd(run) | Payload::TransformEnd(run) | Payload::PublishEnd(run) => {
                let AssetRun { status, error, checks, .. } = &**run;
                let checks = checks.iter().map(Found::from).collect();
                let chapter = Chapter { status: Some(*status), error: error.clone(), checks };
                self.parts.insert((asset.clone(), run.partition.clone()), chapter);
            }
            Payload::TelemetryMetric(metric) if metric.name == LATE => {
                self.late.insert(asset.clone(), metric.value);
            }
            _ => {}
        }
    }
}
