#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod command;
mod compare;
mod report;

pub use command::Diff;

phlo_plugin::package!();
phlo_plugin::register!(
    Cli,
    Diff,
    name = "diff",
    summary = "`phlo diff A B`: what differs between two tables or versions"
);
