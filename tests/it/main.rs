//! Integration tests: the real binary with every plugin linked, in real projects on a real disk. Modules by topic; one fixture.
#![allow(clippy::unwrap_used, missing_docs)]
#![allow(clippy::disallowed_methods, reason = "tests ask whether they run in CI")]

mod audited;
mod author;
mod author_checks;
mod bad_input;
mod checks;
mod crash;
mod dagster;
mod diff;
mod example;
mod export;
mod fixture;
mod gate;
mod matrix;
mod mistakes;
mod owner;
mod panics;
mod passes;
mod plugins;
mod publish;
mod quality;
mod readers;
mod reconcile;
mod reference;
mod rest_example;
mod schema;
mod secrets;
mod semantic;
mod truth;
