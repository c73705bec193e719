//! Integration tests: the real binary with every plugin linked, in real projects on a real disk. Modules by topic; one fixture.
#![allow(clippy::unwrap_used, missing_docs)]
#![allow(clippy::disallowed_methods, reason = "tests ask whether they run in CI")]

mod bad_input;
mod crash;
mod example;
mod fixture;
mod gate;
mod mistakes;
mod owner;
mod plugins;
mod readers;
mod rest_example;
mod secrets;
