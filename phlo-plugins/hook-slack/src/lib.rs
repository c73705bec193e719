#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod memory;
mod message;
mod plugin;
mod settings;
mod story;

pub use plugin::SlackHook;
pub use settings::{Occasion, Settings};

phlo_plugin::package!();
phlo_plugin::register!(
    Hook,
    SlackHook,
    name = "slack",
    summary = "Alerts to Slack and its likes: failed checks and assets, late tables"
);
