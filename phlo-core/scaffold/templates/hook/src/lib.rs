#![doc = include_str!("../README.md")]

pub mod hook;
mod line;

phlo_plugin::package!();
phlo_plugin::register!(
    Hook,
    hook::{{Type}}Hook,
    name = "{{plugin}}",
    summary = "Appends a line to a file for each check and asset that failed"
);
