#![doc = include_str!("../README.md")]

pub mod service;

phlo_plugin::package!();
phlo_plugin::register!(
    Service,
    service::{{Type}}Service,
    name = "{{plugin}}",
    summary = "Valkey, a key-value store that speaks Redis' protocol"
);
