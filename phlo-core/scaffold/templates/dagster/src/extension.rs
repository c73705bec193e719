//! The extension: a Python module, with the settings in it.

use phlo_plugin::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `plugins.settings.dagster.{{plugin}}` of `phlo.yaml`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The asset groups that are materialized.
    pub groups: Vec<String>,
    /// When: five cron fields.
    pub cron: String,
    /// The time zone that `cron` is in, e.g. Europe/Berlin.
    pub timezone: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self { groups: vec!["gold".to_owned()], cron: "0 3 * * *".to_owned(), timezone: "UTC".to_owned() }
    }
}

/// The extension.
#[derive(Debug)]
pub struct {{Type}}Extension {
    settings: Settings,
}

impl Plugin for {{Type}}Extension {
    type Settings = Settings;

    fn create(settings: Settings, _: &InitContext) -> Result<Self> {
        if settings.groups.is_empty() {
            return Err(Error::new(Code::InvalidValue, "`groups` is empty").hint("name at least one group"));
        }
        let fields = settings.cron.split_whitespace().count();
        if fields != 5 {
            return Err(Error::new(Code::InvalidValue, format!("`cron` has {fields} fields in place of 5"))
                .hint("write minute, hour, day, month and weekday, e.g. `0 3 * * *`"));
        }
        Ok(Self { settings })
    }
}

impl DagsterExtension for {{Type}}Extension {
    fn modules(&self) -> Result<Vec<DagsterModule>> {
        let failed = |err| Error::internal("the settings are not JSON").because(err);
        let document = serde_json::to_string(&self.settings).map_err(failed)?;
        // As a text of JSON in a text of JSON, which Python reads as its own: nothing of a setting can become code.
        let literal = serde_json::to_string(&document).map_err(failed)?;
        Ok(vec![DagsterModule {
            name: "{{plugin}}".to_owned(),
            python: include_str!("module.py").replace("\"{}\"", &literal),
            requirements: vec!["dagster>=1.10".to_owned()],
        }])
    }
}
