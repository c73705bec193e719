#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod plugin;
mod settings;

pub use plugin::WebhookHook;
pub use settings::{Receiver, Settings};

phlo_plugin::package!();
phlo_plugin::register!(
    Hook,
    WebhookHook,
    name = "webhook",
    summary = "Sends events to HTTP endpoints, signed and retried"
);
