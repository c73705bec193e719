#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod config;
mod connect;
mod copy;
mod table;
mod target;

pub use config::{Mode, PostgresConfig};
pub use target::{Postgres, PostgresTarget};

phlo_plugin::package!();
phlo_plugin::register!(
    Resource,
    Postgres,
    name = "postgres",
    summary = "Publishes tables to PostgreSQL",
    provides = ["publish_target:postgres"],
    config = PostgresConfig,
);
