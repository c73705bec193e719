//! The models, as the settings write them.

use std::collections::BTreeMap;

use phlo_plugin::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

/// `plugins.settings.semantic.{{plugin}}` of `phlo.yaml`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The models, by their names: lower-case letters, digits and `_`.
    pub models: BTreeMap<String, Model>,
}

/// One model.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The query that it stands for: one `select` or `with`.
    pub sql: String,
    /// For people.
    #[serde(default)]
    pub description: Option<String>,
    /// Anything else that tools downstream read.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

/// The semantic layer.
#[derive(Debug)]
pub struct {{Type}}Models {
    models: Vec<SemanticModel>,
}

impl Plugin for {{Type}}Models {
    type Settings = Settings;

    fn create(settings: Settings, _: &InitContext) -> Result<Self> {
        let models = settings.models.into_iter().map(|(name, model)| read(name, model));
        Ok(Self { models: models.collect::<Result<_>>()? })
    }
}

impl SemanticLayer for {{Type}}Models {
    fn models(&self) -> Result<Vec<SemanticModel>> {
        Ok(self.models.clone())
    }
}

/// Refuses what cannot be meant. The message names the setting; the platform adds file and line.
fn read(name: String, model: Model) -> Result<SemanticModel> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(fits) {
        return Err(Error::new(Code::InvalidValue, format!("`models` has the name `{name}`"))
            .hint("use lower-case letters, digits and `_`, beginning with a letter"));
    }
    let sql = model.sql.trim().trim_end_matches(';').trim_end();
    let first = sql.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
    // Tools run it as it is: one query that reads, and nothing behind it.
    if !matches!(first.as_str(), "select" | "with") || sql.contains(';') {
        return Err(Error::new(Code::InvalidValue, format!("`models.{name}.sql` is not one query"))
            .hint("write one `select` or `with`"));
    }
    let sql = Some(sql.to_owned());
    Ok(SemanticModel { name, description: model.description, sql, metadata: model.metadata })
}
