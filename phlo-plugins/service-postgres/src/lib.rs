#![doc = include_str!("../README.md")]

use phlo_plugin::prelude::*;
use phlo_spec::service::ServiceSpec;

/// The service `postgres`.
pub struct PostgresService;

impl Plugin for PostgresService {
    type Settings = NoSettings;

    fn create(_: NoSettings, _: &InitContext) -> Result<Self> {
        Ok(Self)
    }
}

impl Service for PostgresService {
    fn definition(&self) -> Result<ServiceSpec> {
        Ok(Node::parse(include_str!("service.yaml"), "service.yaml", 1)?.read()?)
    }
}

phlo_plugin::package!();
phlo_plugin::register!(Service, PostgresService, name = "postgres", summary = "PostgreSQL, a relational database");
