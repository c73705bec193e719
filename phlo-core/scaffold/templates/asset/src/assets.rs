//! The assets: one, made by a query that the settings complete.

use chrono::NaiveDate;
use phlo_plugin::prelude::*;
use phlo_spec::asset::SqlSpec;
use phlo_spec::{AssetBody, AssetSpec};
use schemars::JsonSchema;
use serde::Deserialize;

/// `plugins.settings.asset.{{plugin}}` of `phlo.yaml`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The asset's key, which is also the table's name.
    pub asset: AssetKey,
    /// The first day, e.g. 2010-01-01.
    pub from: String,
    /// The last day.
    pub to: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            asset: AssetKey::new("shared.calendar").expect("it is a key"),
            from: "2000-01-01".to_owned(),
            to: "2049-12-31".to_owned(),
        }
    }
}

/// The assets.
#[derive(Debug)]
pub struct {{Type}}Assets {
    asset: AssetKey,
    from: NaiveDate,
    to: NaiveDate,
}

impl Plugin for {{Type}}Assets {
    type Settings = Settings;

    fn create(settings: Settings, _: &InitContext) -> Result<Self> {
        let (from, to) = (day("from", &settings.from)?, day("to", &settings.to)?);
        if to < from {
            return Err(Error::new(Code::InvalidValue, format!("`to` is {to}, before `from`, which is {from}"))
                .hint("write the first day in `from` and the last in `to`"));
        }
        Ok(Self { asset: settings.asset, from, to })
    }
}

impl AssetProvider for {{Type}}Assets {
    fn assets(&self) -> Result<Vec<AssetSpec>> {
        // Dates that were parsed, so that nothing of a setting reaches the SQL as it was written.
        let text = include_str!("calendar.sql");
        let text = text.replace("{from}", &self.from.to_string()).replace("{to}", &self.to.to_string());
        let file = concat!(env!("CARGO_PKG_NAME"), "/src/calendar.sql").to_owned();
        let mut asset = AssetSpec::new(self.asset.clone(), AssetBody::Sql(SqlSpec { text, file }));
        asset.description = Some(format!("One row for each day from {} to {}", self.from, self.to));
        Ok(vec![asset])
    }
}

fn day(field: &str, text: &str) -> Result<NaiveDate> {
    text.parse().map_err(|err| {
        Error::new(Code::InvalidValue, format!("`{field}` is `{text}`, which is no date"))
            .because(err)
            .hint("write year, month and day, e.g. 2010-01-31")
    })
}
