#![doc = include_str!("../README.md")]

pub mod transform;

phlo_plugin::package!();
phlo_plugin::register!(
    Transform,
    transform::{{Type}}Transform,
    name = "{{plugin}}",
    summary = "Takes white space off both ends of texts"
);
