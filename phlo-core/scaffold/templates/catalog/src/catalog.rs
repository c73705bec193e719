//! The catalog: the storage's root, in the words of another engine.

use std::collections::BTreeMap;

use phlo_plugin::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

/// `plugins.settings.catalog.{{plugin}}` of `phlo.yaml`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The catalog's name in Trino: lower-case letters, digits and `_`.
    pub name: String,
    /// Where Trino remembers which tables it knows: a folder below the storage's root.
    pub metastore: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self { name: "lake".to_owned(), metastore: "_trino".to_owned() }
    }
}

/// The catalog.
#[derive(Debug)]
pub struct {{Type}}Catalog {
    settings: Settings,
    root: Url,
}

impl Plugin for {{Type}}Catalog {
    type Settings = Settings;

    fn create(settings: Settings, context: &InitContext) -> Result<Self> {
        let name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        for (field, text) in [("name", &settings.name), ("metastore", &settings.metastore)] {
            if text.is_empty() || !text.chars().all(name) {
                return Err(Error::new(Code::InvalidValue, format!("`{field}` is `{text}`, which is no name"))
                    .hint("use lower-case letters, digits and `_`"));
            }
        }
        Ok(Self { settings, root: context.storage.root.clone() })
    }
}

impl Catalog for {{Type}}Catalog {
    fn catalogs(&self) -> Result<Vec<CatalogProperties>> {
        let (root, access) = access(&self.root)?;
        let metastore = format!("{root}{}", self.settings.metastore);
        let usual = [
            ("connector.name", "delta_lake".to_owned()),
            ("delta.register-table-procedure.enabled", "true".to_owned()),
            ("hive.metastore", "file".to_owned()),
            ("hive.metastore.catalog.dir", metastore),
        ];
        let properties = usual.into_iter().chain(access).map(|(key, value)| (key.to_owned(), value)).collect();
        Ok(vec![CatalogProperties { target: "trino".to_owned(), name: self.settings.name.clone(), properties }])
    }
}

/// The root as Trino writes it, and what lets Trino in. Options of the storage are secrets: variables stand in their places, which
/// Trino fills in from its own environment.
fn access(root: &Url) -> Result<(String, BTreeMap<&'static str, String>)> {
    let on = || "true".to_owned();
    let variable = |name: &str| format!("${{ENV:{name}}}");
    let folder = root.path().trim_end_matches('/').to_owned();
    let known = match root.scheme() {
        "file" => vec![("fs.native-local.enabled", on()), ("local.location", folder)],
        "s3" | "s3a" => vec![
            ("fs.native-s3.enabled", on()),
            ("s3.region", variable("AWS_REGION")),
            ("s3.aws-access-key", variable("AWS_ACCESS_KEY_ID")),
            ("s3.aws-secret-key", variable("AWS_SECRET_ACCESS_KEY")),
        ],
        "gs" => vec![("fs.native-gcs.enabled", on())],
        "abfs" | "abfss" => vec![
            ("fs.native-azure.enabled", on()),
            ("azure.auth-type", "ACCESS_KEY".to_owned()),
            ("azure.access-key", variable("AZURE_STORAGE_KEY")),
        ],
        other => {
            return Err(Error::new(Code::Unsupported, format!("Trino does not read from `{other}:` URLs"))
                .with("storage.root", root)
                .hint("use a local folder, s3, gs or abfss"));
        }
    };
    let root = if root.scheme() == "file" { "local:///".to_owned() } else { root.to_string() };
    Ok((root, known.into_iter().collect()))
}
