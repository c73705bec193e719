//! What users write under `plugins.settings.hook.webhook`.

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use phlo_delivery::{Limits, Retry, Seconds};
use phlo_plugin::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

/// `plugins.settings.hook.webhook` of `phlo.yaml`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Who is told. Unless set nobody is, and nothing runs.
    pub endpoints: Vec<Receiver>,
    /// How long the end of a run may wait for endpoints that are slow; 5 seconds unless set. What is not sent by then waits in
    /// `.phlo/webhook/` for the next run.
    pub drain: Seconds,
    /// How many events may wait in memory for each endpoint, of 16 MiB at most; 1000 unless set. What comes beyond is lost, counted
    /// and told.
    pub queue: NonZeroUsize,
    /// How many MiB of events may wait in `.phlo/webhook/` for each endpoint; 10 unless set. What comes beyond is lost, counted
    /// and told.
    pub spool_mib: NonZeroU32,
}

impl Default for Settings {
    fn default() -> Self {
        let Limits { queue, spool_bytes, drain } = Limits::default();
        Self {
            endpoints: Vec::new(),
            drain: Seconds(drain),
            queue: NonZeroUsize::new(queue).expect("the default is not zero"),
            spool_mib: NonZeroU32::new((spool_bytes >> 20) as u32).expect("the default is not zero"),
        }
    }
}

impl Settings {
    pub(crate) fn limits(&self) -> Limits {
        Limits { queue: self.queue.get(), spool_bytes: u64::from(self.spool_mib.get()) << 20, drain: self.drain.0 }
    }
}

/// An endpoint and what it is told of.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Receiver {
    /// Its name: letters, digits, `_` and `-`. It names the file of what waits for it.
    pub name: String,
    /// Where events are sent by `POST`. Counts as a secret, because such URLs often hold a token.
    pub url: Secret,
    /// Which events. Unless set those that tell how a run and each of its assets ended, checks included: `run.end`,
    /// `ingestion.end`, `transform.end` and `publish.end`.
    #[serde(default = "endings")]
    pub events: Vec<EventKind>,
    /// Only events of these assets. Events of a run as a whole, such as `run.end`, are then left out.
    #[serde(default)]
    pub assets: Vec<AssetKey>,
    /// Only events with these tags: the run's with their values, the asset's with an empty one, e.g. `{nightly: ""}`.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Of events that say how something went only those where it went wrong: failed checks, assets and runs that did not end
    /// well, services that did not start, log lines that warn.
    #[serde(default)]
    pub only_failures: bool,
    /// Signs each request, in the header `webhook-signature`: a text, or `whsec_` and a key in base64.
    #[serde(default)]
    pub secret: Option<Secret>,
    /// Headers of each request, e.g. `authorization`. Their values count as secrets.
    #[serde(default)]
    pub headers: BTreeMap<String, Secret>,
    /// How long to wait for an answer; 10 seconds unless set.
    #[serde(default = "ten_seconds")]
    pub timeout: Seconds,
    /// How often an event is tried.
    #[serde(default)]
    pub retry: Retry,
}

fn endings() -> Vec<EventKind> {
    vec![EventKind::RunEnd, EventKind::IngestionEnd, EventKind::TransformEnd, EventKind::PublishEnd]
}

const fn ten_seconds() -> Seconds {
    Seconds(Duration::from_secs(10))
}
