#![doc = include_str!("../README.md")]

pub mod config;
mod lines;
pub mod source;

phlo_plugin::package!();
phlo_plugin::register!(
    Source,
    source::{{Type}}Source,
    name = "{{plugin}}",
    summary = "Rows from a text file that grows, one for each whole line"
);
