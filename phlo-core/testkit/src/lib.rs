//! For the tests of phlo and of its plugins: doubles of each kind, conformance suites, fixtures.
//!
//! A plugin's `tests/conformance.rs` is
//!
//! ```text
//! //! Every promise that a plugin makes, whatever its kind.
//! phlo_testkit::conformance!(phlo_source_files);
//! ```
//!
//! and, for what needs data to be tried on, a [`source::suite`], [`transform::suite`] or [`publish::suite`] beside it.

#[cfg(feature = "engine")]
pub mod checks;
pub mod doubles;
pub mod findings;
pub mod fixture;
pub mod hook;
pub mod http;
pub mod kinds;
pub mod package;
#[cfg(unix)]
pub mod postgres;
pub mod publish;
pub mod quality;
pub mod recorder;
pub mod resource;
mod schema;
pub mod source;
#[cfg(feature = "engine")]
pub mod table_store;
pub mod transform;

pub use findings::Findings;
pub use package::Package;
pub use recorder::Recorder;
