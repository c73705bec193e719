//! Sending events; the runtime delivers them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use phlo_spec::event::{Correlation, LogLevel, LogLine, Metric};
use phlo_spec::{Event, Payload};

use crate::error::Result;

type Sink = Arc<dyn Fn(Event) -> Result<()> + Send + Sync>;

/// Sends events to the hook bus, each with this emitter's producer, correlation and tags. Cheap to clone.
#[derive(Clone)]
pub struct Emitter {
    sink: Sink,
    producer: Arc<str>,
    correlation: Correlation,
    tags: BTreeMap<String, String>,
}

impl Emitter {
    /// An emitter into this sink.
    pub fn new(sink: impl Fn(Event) -> Result<()> + Send + Sync + 'static) -> Self {
        Self {
            sink: Arc::new(sink),
            producer: Arc::from("phlo"),
            correlation: Correlation::default(),
            tags: BTreeMap::new(),
        }
    }

    /// An emitter whose events go nowhere.
    pub fn silent() -> Self {
        Self::new(|_| Ok(()))
    }

    /// The same sink, for another producer, e.g. a plugin's name.
    #[must_use]
    pub fn producer(&self, producer: &str) -> Self {
        Self { producer: Arc::from(producer), ..self.clone() }
    }

    /// The same sink, for events that belong to this.
    #[must_use]
    pub fn correlated(&self, correlation: Correlation) -> Self {
        Self { correlation, ..self.clone() }
    }

    /// What this emitter's events belong to.
    pub fn correlation(&self) -> &Correlation {
        &self.correlation
    }

    /// The same sink, for events with these tags.
    #[must_use]
    pub fn tagged(&self, tags: BTreeMap<String, String>) -> Self {
        Self { tags, ..self.clone() }
    }

    /// The same sink, for events of an asset: the asset's tags beside the run's. An asset's tag is a name without a value, so it is
    /// there with an empty one; where the run has a tag of that name, the run's value stays.
    #[must_use]
    pub fn with_asset_tags(&self, tags: &[String]) -> Self {
        let mut all = self.tags.clone();
        for tag in tags {
            all.entry(tag.clone()).or_default();
        }
        self.tagged(all)
    }

    /// Sends one event. Hooks have run when this returns.
    ///
    /// # Errors
    /// The failure of a hook whose policy is `raise`.
    pub fn emit(&self, payload: Payload) -> Result<()> {
        (self.sink)(Event {
            id: uuid::Uuid::now_v7().to_string(),
            at: chrono::Utc::now(),
            producer: self.producer.to_string(),
            correlation: self.correlation.clone(),
            tags: self.tags.clone(),
            payload,
        })
    }

    /// Sends a line of log; a hook's failure does not disturb the sender.
    pub fn log(&self, level: LogLevel, message: impl Into<String>) {
        let _ = self.emit(Payload::TelemetryLog(LogLine { level, message: message.into() }));
    }

    /// Sends a measured number; a hook's failure does not disturb the sender.
    pub fn metric(&self, name: &str, value: f64, unit: &str) {
        let _ = self.emit(Payload::TelemetryMetric(Metric { name: name.to_owned(), value, unit: unit.to_owned() }));
    }
}

impl fmt::Debug for Emitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emitter")
            .field("producer", &self.producer)
            .field("correlation", &self.correlation)
            .finish_non_exhaustive()
    }
}
