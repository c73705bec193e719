//! The engine: SQL over tables, transforms of streams, checks compiled and executed. It speaks DataFusion so that nobody else
//! has to; it reads no files of the project and knows no command line.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod check;
pub mod conform;
pub mod error;
pub mod other;
pub mod profile;
pub mod session;
pub mod sql;
pub mod stream;

/// A table that a session reads.
pub use datafusion::catalog::TableProvider as Table;
/// A session of the query engine: tables by name, and what plans and executes over them.
pub use datafusion::prelude::SessionContext as Session;

pub use check::{Check, RowAudit, RowTally};
pub use conform::Conform;
pub use error::map_error;
pub use sql::Query;
