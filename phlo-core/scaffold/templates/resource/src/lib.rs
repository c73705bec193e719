#![doc = include_str!("../README.md")]

pub mod resource;
mod store;

phlo_plugin::package!();
phlo_plugin::register!(
    Resource,
    resource::{{Type}}Resource,
    name = "{{plugin}}",
    summary = "Secrets from the files of a folder, as containers mount them",
    provides = ["secret_store:{{plugin}}"]
);
