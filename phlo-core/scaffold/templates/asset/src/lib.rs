#![doc = include_str!("../README.md")]

pub mod assets;

phlo_plugin::package!();
phlo_plugin::register!(
    Asset,
    assets::{{Type}}Assets,
    name = "{{plugin}}",
    summary = "A table of days: year, quarter, month, weekday of each"
);
