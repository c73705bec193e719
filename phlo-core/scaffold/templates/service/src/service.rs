//! The service: its definition, with the settings in it.

use std::num::{NonZeroU16, NonZeroU32};

use phlo_plugin::prelude::*;
use phlo_spec::service::ServiceSpec;
use schemars::JsonSchema;
use serde::Deserialize;

/// The port inside the container.
const PORT: u16 = 6379;

/// `plugins.settings.service.{{plugin}}` of `phlo.yaml`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The port on this machine.
    pub port: NonZeroU16,
    /// The most memory, in MiB; beyond it the keys that were used least lately go.
    pub max_memory_mib: NonZeroU32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            port: NonZeroU16::new(PORT).expect("it is not zero"),
            max_memory_mib: NonZeroU32::new(256).expect("it is not zero"),
        }
    }
}

/// The service.
#[derive(Debug)]
pub struct {{Type}}Service {
    settings: Settings,
}

impl Plugin for {{Type}}Service {
    type Settings = Settings;

    fn create(settings: Settings, _: &InitContext) -> Result<Self> {
        Ok(Self { settings })
    }
}

impl Service for {{Type}}Service {
    fn definition(&self) -> Result<ServiceSpec> {
        let mut spec: ServiceSpec = Node::parse(include_str!("service.yaml"), "service.yaml", 1)?.read()?;
        spec.ports = vec![format!("{}:{PORT}", self.settings.port)];
        if let Some(limit) = spec.command.last_mut() {
            *limit = format!("{}mb", self.settings.max_memory_mib);
        }
        Ok(spec)
    }
}
