#![doc = include_str!("../README.md")]

use phlo_catalog::{Lake, Properties, check_name};
use phlo_plugin::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

phlo_plugin::package!();
phlo_plugin::register!(
    Catalog,
    IcebergCatalog,
    name = "iceberg",
    summary = "An Iceberg REST catalog for Trino and Spark"
);

/// `plugins.settings.catalog.iceberg` of `phlo.yaml`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The REST catalog's address, e.g. `https://catalog.example.org/api/catalog`. Nothing can be written without it.
    #[serde(default)]
    pub uri: Option<String>,
    /// The catalog's name in Trino and Spark.
    #[serde(default = "name")]
    pub name: String,
    /// The warehouse in the REST catalog; the catalog's own unless set.
    #[serde(default)]
    pub warehouse: Option<String>,
    /// Whether the engines take storage credentials from the REST catalog; if not, they reach the storage by themselves.
    #[serde(default = "yes")]
    pub vended_credentials: bool,
    /// Whether Trino shows namespaces of several levels.
    #[serde(default)]
    pub nested_namespaces: bool,
    /// How the engines prove who they are; they do not unless set.
    #[serde(default)]
    pub oauth2: Option<Oauth2>,
}

fn name() -> String {
    "iceberg".to_owned()
}

fn yes() -> bool {
    true
}

/// How engines prove who they are. Secrets stay in their own environments.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Oauth2 {
    /// The variable of the engines' environment with `CLIENT_ID:CLIENT_SECRET`.
    pub credential_variable: Option<String>,
    /// The variable of the engines' environment with a bearer token, in place of a credential.
    pub token_variable: Option<String>,
    /// The scope to ask for, e.g. `PRINCIPAL_ROLE:ALL`.
    pub scope: Option<String>,
    /// Where tokens are got; the REST catalog's own address for that unless set.
    pub server_uri: Option<String>,
}

/// The catalog `iceberg`.
#[derive(Debug)]
pub struct IcebergCatalog {
    settings: Settings,
    storage: Storage,
}

impl Plugin for IcebergCatalog {
    type Settings = Settings;

    fn create(settings: Settings, context: &InitContext) -> Result<Self> {
        check_name(&settings.name)?;
        if let Some(uri) = &settings.uri {
            address("uri", uri)?;
        }
        if let Some(oauth2) = &settings.oauth2 {
            let variables = [&oauth2.credential_variable, &oauth2.token_variable];
            if variables.iter().filter(|variable| variable.is_some()).count() != 1 {
                return Err(Error::new(Code::InvalidValue, "`oauth2` needs a credential or a token, and not both")
                    .hint("add `credential_variable: NAME` or `token_variable: NAME`"));
            }
            let plain = |name: &String| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if let Some(name) = variables.into_iter().flatten().find(|name| !plain(name)) {
                return Err(Error::new(Code::InvalidValue, format!("`{name}` is no variable's name")).hint(
                    "write the name alone, e.g. `CATALOG_CREDENTIAL`: the secret stays in the engines' environment",
                ));
            }
            if let Some(uri) = &oauth2.server_uri {
                address("server_uri", uri)?;
            }
        }
        Ok(Self { settings, storage: context.storage.clone() })
    }
}

// What is written out must not hold a password.
fn address(key: &str, uri: &str) -> Result<()> {
    match Url::parse(uri) {
        Ok(url)
            if matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none() =>
        {
            Ok(())
        }
        _ => Err(Error::new(Code::InvalidValue, format!("`{key}` is no http or https URL without user and password"))
            .hint("write e.g. `https://catalog.example.org/api/catalog`")),
    }
}

impl Catalog for IcebergCatalog {
    fn catalogs(&self) -> Result<Vec<CatalogProperties>> {
        // Linked and without settings, it is no mistake until somebody asks for it.
        let uri = self.settings.uri.as_deref().ok_or_else(|| {
            Error::new(Code::MissingKey, "missing key `uri`: the address of the REST catalog")
                .hint("add to phlo.yaml: plugins: { settings: { catalog: { iceberg: { uri: URL } } } }")
        })?;
        let Settings { name, warehouse, vended_credentials, nested_namespaces, oauth2, .. } = &self.settings;
        let (mut trino, mut spark) = (Properties::new(), Properties::new());
        if *vended_credentials {
            // Which file system the tables need is the storage's; how to get in, the catalog's.
            for (key, value) in Lake::of(&self.storage)?.trino {
                if key.ends_with(".enabled") || key == "s3.region" {
                    trino.insert(key, value);
                }
            }
        } else {
            let lake = Lake::of(&self.storage)?;
            (trino, spark) = (lake.trino, lake.spark);
        }
        let mut to_trino = |key: &str, value: &str| trino.insert(key.to_owned(), value.to_owned());
        let mut to_spark =
            |key: &str, value: &str| spark.insert(format!("spark.sql.catalog.{name}{key}"), value.to_owned());
        to_trino("connector.name", "iceberg");
        to_trino("iceberg.catalog.type", "rest");
        to_trino("iceberg.rest-catalog.uri", uri);
        to_spark("", "org.apache.iceberg.spark.SparkCatalog");
        to_spark(".type", "rest");
        to_spark(".uri", uri);
        if let Some(warehouse) = warehouse {
            to_trino("iceberg.rest-catalog.warehouse", warehouse);
            to_spark(".warehouse", warehouse);
        }
        if *vended_credentials {
            to_trino("iceberg.rest-catalog.vended-credentials-enabled", "true");
            to_spark(".header.X-Iceberg-Access-Delegation", "vended-credentials");
        }
        if *nested_namespaces {
            to_trino("iceberg.rest-catalog.nested-namespace-enabled", "true");
        }
        if let Some(oauth2) = oauth2 {
            to_trino("iceberg.rest-catalog.security", "OAUTH2");
            for (key, variable) in [("credential", &oauth2.credential_variable), ("token", &oauth2.token_variable)] {
                if let Some(variable) = variable {
                    to_trino(&format!("iceberg.rest-catalog.oauth2.{key}"), &format!("${{ENV:{variable}}}"));
                }
            }
            if let Some(scope) = &oauth2.scope {
                to_trino("iceberg.rest-catalog.oauth2.scope", scope);
                to_spark(".scope", scope);
            }
            if let Some(server) = &oauth2.server_uri {
                to_trino("iceberg.rest-catalog.oauth2.server-uri", server);
                to_spark(".oauth2-server-uri", server);
            }
        }
        spark.insert(
            "spark.sql.extensions".to_owned(),
            "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions".to_owned(),
        );
        let catalog =
            |target: &str, properties| CatalogProperties { target: target.to_owned(), name: name.clone(), properties };
        Ok(vec![catalog("trino", trino), catalog("spark", spark)])
    }
}
