//! The shape of `service.yaml`: the definition of an infrastructure service.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A service, flat: one container and what it needs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServiceSpec {
    /// Its name.
    pub name: String,
    /// For people.
    pub description: String,
    /// The image, with a tag or digest.
    pub image: String,
    /// The container's name; made from the project and the service unless set.
    pub container_name: Option<String>,
    /// `host:container` port pairs.
    pub ports: Vec<String>,
    /// Environment; `${NAME:-default}` is filled in when the service starts.
    pub environment: BTreeMap<String, String>,
    /// `source:target` mounts; a source that is not a path is a named volume.
    pub volumes: Vec<String>,
    /// The command, if not the image's.
    pub command: Vec<String>,
    /// Services that must be healthy first.
    pub depends_on: Vec<String>,
    /// How to tell that it is healthy.
    pub healthcheck: Option<Healthcheck>,
    /// Groups that it starts with; always when empty.
    pub profiles: Vec<String>,
}

/// How to tell that a service is healthy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Healthcheck {
    /// The test, e.g. `["CMD", "pg_isready"]`.
    pub test: Vec<String>,
    /// Time between tests, e.g. `10s`.
    #[serde(default)]
    pub interval: Option<String>,
    /// Time that one test may take.
    #[serde(default)]
    pub timeout: Option<String>,
    /// Failures in a row before the service counts as unhealthy.
    #[serde(default)]
    pub retries: Option<u32>,
}
