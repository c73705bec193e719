//! Events of the hook bus: what happened, to which asset, in which run.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::{AssetKey, closed_names};
use crate::quality::CheckResult;
use crate::run::{AssetRun, RunStatus};
use crate::secret::Redactor;

closed_names! {
    /// The event types, by their names on the bus.
    EventKind, "event type" {
        /// A service is about to start.
        ServicePreStart = "service.pre_start",
        /// A service has started and is healthy.
        ServicePostStart = "service.post_start",
        /// A service is about to stop.
        ServicePreStop = "service.pre_stop",
        /// A service has stopped.
        ServicePostStop = "service.post_stop",
        /// An ingestion asset begins.
        IngestionStart = "ingestion.start",
        /// An ingestion asset ended, well or not.
        IngestionEnd = "ingestion.end",
        /// A transform asset begins.
        TransformStart = "transform.start",
        /// A transform asset ended, well or not.
        TransformEnd = "transform.end",
        /// A publish asset begins.
        PublishStart = "publish.start",
        /// A publish asset ended, well or not.
        PublishEnd = "publish.end",
        /// A check was executed, or could not be.
        QualityResult = "quality.result",
        /// Which tables a table was made from.
        LineageEdges = "lineage.edges",
        /// A measured number.
        TelemetryMetric = "telemetry.metric",
        /// A line of log.
        TelemetryLog = "telemetry.log",
        /// A run begins.
        RunStart = "run.start",
        /// A run ended.
        RunEnd = "run.end",
    }
}

/// What an event belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Correlation {
    /// The run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// The asset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset: Option<AssetKey>,
    /// The partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// The attempt, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// Unique; the same event delivered twice has the same id.
    pub id: String,
    /// When it happened.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: DateTime<Utc>,
    /// Who says so, e.g. `phlo` or a plugin's name.
    pub producer: String,
    /// What it belongs to.
    #[serde(default)]
    pub correlation: Correlation,
    /// The run's tags with their values, and the asset's, each with an empty one; hooks filter by them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// What happened.
    #[serde(flatten)]
    pub payload: Payload,
}

impl Event {
    /// The event's type.
    pub const fn kind(&self) -> EventKind {
        self.payload.kind()
    }

    /// Takes secrets out of what somebody wrote: messages, hints, notes, names and texts of checks, rows, tags' values. What
    /// identifies the event stays: a hook that is told of `bronze.x` must find `bronze.x`.
    pub fn clean(&mut self, redactor: &Redactor) {
        let Self { id: _, at: _, producer: _, correlation: _, tags, payload } = self;
        tags.values_mut().for_each(|value| *value = redactor.clean(value));
        payload.clean(redactor);
    }
}

impl Payload {
    // Every field is named, so that one that is added must be thought of here.
    fn clean(&mut self, redactor: &Redactor) {
        let clean = |text: &mut String| *text = redactor.clean(text);
        match self {
            Self::ServicePreStart(event)
            | Self::ServicePostStart(event)
            | Self::ServicePreStop(event)
            | Self::ServicePostStop(event) => {
                let ServiceEvent { service: _, container: _, error } = event;
                error.iter_mut().for_each(clean);
            }
            Self::IngestionStart(AssetStart { tool: _, strategy: _ })
            | Self::TransformStart(AssetStart { tool: _, strategy: _ })
            | Self::PublishStart(AssetStart { tool: _, strategy: _ })
            | Self::TelemetryMetric(Metric { name: _, value: _, unit: _ })
            | Self::RunEnd(RunEnd { status: _, duration_ms: _ }) => {}
            Self::IngestionEnd(run) | Self::TransformEnd(run) | Self::PublishEnd(run) => run.clean(redactor),
            Self::QualityResult(result) => result.clean(redactor),
            Self::LineageEdges(LineageEdges { edges }) => {
                // A table's name is no text; a URL is.
                let texts = edges.iter_mut().flat_map(|(from, to)| [from, to]);
                texts.filter(|text| AssetKey::new(text.as_str()).is_err()).for_each(clean);
            }
            Self::TelemetryLog(LogLine { level: _, message }) => clean(message),
            Self::RunStart(RunStart { selection, assets: _, pid: _, plugin_fingerprint: _ }) => clean(selection),
        }
    }
}

macro_rules! payloads {
    ($($(#[$meta:meta])* $variant:ident($body:ty) = $text:literal),+ $(,)?) => {
        /// What happened: one variant per event type.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(tag = "type", content = "data")]
        pub enum Payload {
            $($(#[$meta])* #[serde(rename = $text)] $variant($body)),+
        }

        impl Payload {
            /// The event's type.
            pub const fn kind(&self) -> EventKind {
                match self { $(Self::$variant(_) => EventKind::$variant),+ }
            }
        }
    };
}

payloads! {
    /// A service is about to start.
    ServicePreStart(ServiceEvent) = "service.pre_start",
    /// A service has started.
    ServicePostStart(ServiceEvent) = "service.post_start",
    /// A service is about to stop.
    ServicePreStop(ServiceEvent) = "service.pre_stop",
    /// A service has stopped.
    ServicePostStop(ServiceEvent) = "service.post_stop",
    /// An ingestion asset begins.
    IngestionStart(AssetStart) = "ingestion.start",
    /// An ingestion asset ended.
    IngestionEnd(Box<AssetRun>) = "ingestion.end",
    /// A transform asset begins.
    TransformStart(AssetStart) = "transform.start",
    /// A transform asset ended.
    TransformEnd(Box<AssetRun>) = "transform.end",
    /// A publish asset begins.
    PublishStart(AssetStart) = "publish.start",
    /// A publish asset ended.
    PublishEnd(Box<AssetRun>) = "publish.end",
    /// A check was executed, or could not be.
    QualityResult(Box<CheckResult>) = "quality.result",
    /// Which tables a table was made from.
    LineageEdges(LineageEdges) = "lineage.edges",
    /// A measured number.
    TelemetryMetric(Metric) = "telemetry.metric",
    /// A line of log.
    TelemetryLog(LogLine) = "telemetry.log",
    /// A run begins.
    RunStart(RunStart) = "run.start",
    /// A run ended.
    RunEnd(RunEnd) = "run.end",
}

/// Of a service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceEvent {
    /// The service.
    pub service: String,
    /// Its container, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// An asset begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AssetStart {
    /// The source plugin, `sql`, or the publish target.
    pub tool: String,
    /// The write strategy, or `publish`.
    pub strategy: String,
}

/// Table lineage of one commit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LineageEdges {
    /// `(upstream, downstream)` pairs; an upstream outside the project is its URL or name.
    pub edges: Vec<(String, String)>,
}

/// A measured number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Metric {
    /// Its name, e.g. `rows_written`.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// Its unit, e.g. `rows`, `bytes`, `ms`.
    pub unit: String,
}

/// How weighty a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// For developers.
    Debug,
    /// What happens.
    Info,
    /// What deserves a look.
    Warn,
    /// What failed.
    Error,
}

/// A line of log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LogLine {
    /// How weighty.
    pub level: LogLevel,
    /// The text.
    pub message: String,
}

/// A run begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunStart {
    /// What was selected, as written.
    pub selection: String,
    /// The assets that will run, in order.
    pub assets: Vec<AssetKey>,
    /// The process that runs it.
    pub pid: u32,
    /// The fingerprint of the plugins that are linked into the phlo that runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin_fingerprint: Option<String>,
}

/// A run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunEnd {
    /// How.
    pub status: RunStatus,
    /// Milliseconds from start to end.
    pub duration_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_reads_back_as_written_and_its_type_is_its_name() {
        let event = Event {
            id: "e1".to_owned(),
            at: DateTime::UNIX_EPOCH,
            producer: "phlo".to_owned(),
            correlation: Correlation { run_id: Some("r1".to_owned()), ..Correlation::default() },
            tags: BTreeMap::new(),
            payload: Payload::TelemetryLog(LogLine { level: LogLevel::Info, message: "hello".to_owned() }),
        };
        let json = serde_json::to_value(&event).unwrap();
        assert_eq!(json["type"], "telemetry.log");
        assert_eq!(serde_json::from_value::<Event>(json).unwrap(), event);
        assert_eq!(event.kind().as_str(), "telemetry.log");
    }

    #[test]
    fn cleaning_takes_out_texts_and_leaves_what_identifies() {
        let redactor = Redactor::default();
        redactor.add("bronze");
        redactor.add("hunter22");
        let stored = r#"{"id":"x","at":"2026-01-01T00:00:00Z","producer":"bronze","correlation":{"asset":"bronze.x"},
            "tags":{"bronze":"hunter22"},"type":"ingestion.end","data":{"asset":"bronze.x","status":"failed",
            "notes":["hunter22"],"error":{"code":"P3001","messages":["no hunter22"],"hints":["hunter22"],
            "place":{"file":"http://h/?t=hunter22","line":1,"column":1,"len":0}},"checks":[{"name":"n","kind":"range",
            "outcome":"failed","severity":"warn","violations":1,"total":1,"tolerance":0.0,"expected":"hunter22",
            "observed":"hunter22","error":"hunter22","sql":"hunter22","sample":[{"bronze":"hunter22","n":1}]}]}}"#;
        let mut event: Event = serde_json::from_str(stored).unwrap();
        event.clean(&redactor);
        let text = serde_json::to_string(&event).unwrap();
        assert!(!text.contains("hunter22"), "{text}");
        assert_eq!(event.correlation.asset.unwrap().as_str(), "bronze.x");
        let Payload::IngestionEnd(run) = event.payload else { panic!("another kind") };
        assert_eq!(
            (run.asset.as_str(), &run.checks[0].sample[0]),
            ("bronze.x", &serde_json::json!({"bronze": "***", "n": 1}))
        );
        let mut edges =
            Payload::LineageEdges(LineageEdges { edges: vec![("s3://hunter22/".to_owned(), "bronze.x".to_owned())] });
        edges.clean(&redactor);
        assert_eq!(
            edges,
            Payload::LineageEdges(LineageEdges { edges: vec![("s3://***/".to_owned(), "bronze.x".to_owned())] })
        );
    }

    #[test]
    fn a_stored_event_of_version_0_1_still_reads() {
        let stored = r#"{"id":"x","at":"2026-01-01T00:00:00Z","producer":"phlo","correlation":{"run_id":"r"},"type":"run.end","data":{"status":"success","duration_ms":5}}"#;
        assert_eq!(serde_json::from_str::<Event>(stored).unwrap().kind(), EventKind::RunEnd);
        let stored = r#"{"id":"x","at":"2026-01-01T00:00:00Z","producer":"phlo","correlation":{"run_id":"r"},"type":"run.start","data":{"selection":"all","assets":["a.b"],"pid":7}}"#;
        let Payload::RunStart(start) = serde_json::from_str::<Event>(stored).unwrap().payload else {
            panic!("another kind")
        };
        assert_eq!((start.pid, start.plugin_fingerprint), (7, None));
    }
}
