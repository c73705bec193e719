#![doc = include_str!("../README.md")]

pub mod check;

phlo_plugin::package!();
phlo_plugin::register!(
    Quality,
    check::{{Type}}Check,
    name = "{{plugin}}",
    summary = "Texts neither begin nor end with white space, such as spaces and line ends"
);
