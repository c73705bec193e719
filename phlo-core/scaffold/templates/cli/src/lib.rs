#![doc = include_str!("../README.md")]

pub mod command;
mod folders;

phlo_plugin::package!();
phlo_plugin::register!(
    Cli,
    command::{{Type}}Command,
    name = "{{plugin}}",
    summary = "Size and number of files of each folder of the project"
);
