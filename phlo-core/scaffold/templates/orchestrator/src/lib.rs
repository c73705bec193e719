#![doc = include_str!("../README.md")]

mod makefile;
pub mod orchestrator;

phlo_plugin::package!();
phlo_plugin::register!(
    Orchestrator,
    orchestrator::{{Type}}Orchestrator,
    name = "{{plugin}}",
    summary = "A Makefile with a target for each asset, after what it depends on",
    provides = ["orchestrator:{{plugin}}"]
);
