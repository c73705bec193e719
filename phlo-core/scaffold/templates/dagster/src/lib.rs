#![doc = include_str!("../README.md")]

pub mod extension;

phlo_plugin::package!();
phlo_plugin::register!(
    Dagster,
    extension::{{Type}}Extension,
    name = "{{plugin}}",
    summary = "A job over some asset groups, and the schedule that starts it"
);
