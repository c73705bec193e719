#![doc = include_str!("../README.md")]

pub mod models;

phlo_plugin::package!();
phlo_plugin::register!(
    Semantic,
    models::{{Type}}Models,
    name = "{{plugin}}",
    summary = "Business models over published tables, written in phlo.yaml"
);
