#![doc = include_str!("../README.md")]

pub mod catalog;

phlo_plugin::package!();
phlo_plugin::register!(
    Catalog,
    catalog::{{Type}}Catalog,
    name = "{{plugin}}",
    summary = "The properties with which Trino reads the project's tables"
);
