#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod columns;
pub mod config;
mod connect;
mod copy;
mod error;
mod incremental;
mod plan;
mod source;
mod values;

pub use config::PostgresConfig;
pub use source::PostgresSource;

phlo_plugin::package!();
phlo_plugin::register!(
    Source,
    PostgresSource,
    name = "postgres",
    summary = "Rows from a table or a query of PostgreSQL"
);
