#![doc = include_str!("../README.md")]

use phlo_plugin::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

phlo_plugin::package!();
phlo_plugin::register!(
    Dagster,
    Freshness,
    name = "freshness",
    summary = "A Dagster sensor that observes how fresh phlo's tables are"
);

/// The module. Its settings stand in two lines of their own.
const MODULE: &str = include_str!("freshness.py");
const MIN_SECONDS: u32 = 30;

/// `plugins.settings.dagster.freshness` of `phlo.yaml`.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Seconds between two looks, 30 or more.
    pub interval_seconds: u32,
    /// Whether the sensor runs as soon as it is loaded.
    pub running: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { interval_seconds: 300, running: true }
    }
}

/// The extension `freshness`.
#[derive(Debug)]
pub struct Freshness(Settings);

impl Plugin for Freshness {
    type Settings = Settings;

    fn create(settings: Settings, _: &InitContext) -> Result<Self> {
        if settings.interval_seconds < MIN_SECONDS {
            return Err(Error::new(Code::InvalidValue, format!("`interval_seconds` is below {MIN_SECONDS}"))
                .hint("Dagster looks at its sensors every 30 seconds; the default is 300"));
        }
        Ok(Self(settings))
    }
}

impl DagsterExtension for Freshness {
    fn modules(&self) -> Result<Vec<DagsterModule>> {
        let Settings { interval_seconds, running } = self.0;
        let python = MODULE
            .replace("INTERVAL_SECONDS = 300\n", &format!("INTERVAL_SECONDS = {interval_seconds}\n"))
            .replace("RUNNING = True\n", if running { "RUNNING = True\n" } else { "RUNNING = False\n" });
        let requirements = vec!["dagster>=1.13".to_owned()];
        Ok(vec![DagsterModule { name: "phlo_freshness".to_owned(), python, requirements }])
    }
}
