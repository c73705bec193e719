#![doc = include_str!("../README.md")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use phlo_catalog::{Lake, Properties, check_name};
use phlo_plugin::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

phlo_plugin::package!();
phlo_plugin::register!(
    Catalog,
    DeltaCatalog,
    name = "delta",
    summary = "Delta tables for Trino and Spark, with scripts that register them",
    optional = ["table_store:delta"]
);

/// The table store whose tables these engines read.
const STORE: &str = "delta";
/// The folder of a file metastore, below the storage's root.
const METASTORE: &str = "_trino";

/// `plugins.settings.catalog.delta` of `phlo.yaml`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The catalog's name in Trino.
    pub name: String,
    /// Where Trino keeps which tables there are.
    pub metastore: Metastore,
    /// The address of a Hive metastore, e.g. `thrift://metastore:9083`.
    pub uri: Option<String>,
    /// The AWS region of Glue; Trino's own unless set.
    pub region: Option<String>,
    /// The folder of a file metastore, as Trino names it, e.g. `s3://bucket/metastore`; `_trino` below the storage's root unless set.
    pub dir: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { name: "delta".to_owned(), metastore: Metastore::File, uri: None, region: None, dir: None }
    }
}

/// Where Trino keeps which tables there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Metastore {
    /// Files in a folder, for one Trino alone.
    File,
    /// A Hive metastore.
    Hive,
    /// AWS Glue.
    Glue,
}

/// The catalog `delta`.
#[derive(Debug)]
pub struct DeltaCatalog {
    settings: Settings,
    storage: Storage,
}

impl Plugin for DeltaCatalog {
    type Settings = Settings;

    fn create(settings: Settings, context: &InitContext) -> Result<Self> {
        check_name(&settings.name)?;
        let inert = |key: &str, of: &str| {
            Error::new(Code::InertConfig, format!("`{key}` has no effect unless `metastore` is `{of}`"))
                .hint(format!("remove `{key}`, or write `metastore: {of}`"))
        };
        let kind = settings.metastore;
        match (&settings.uri, &settings.region, &settings.dir) {
            (None, ..) if kind == Metastore::Hive => {
                return Err(Error::new(Code::MissingKey, "missing key `uri`: the address of the Hive metastore")
                    .hint("add `uri: \"thrift://HOST:9083\"`"));
            }
            (Some(_), ..) if kind != Metastore::Hive => return Err(inert("uri", "hive")),
            (_, Some(_), _) if kind != Metastore::Glue => return Err(inert("region", "glue")),
            (.., Some(_)) if kind != Metastore::File => return Err(inert("dir", "file")),
            _ => {}
        }
        Ok(Self { settings, storage: context.storage.clone() })
    }
}

impl Catalog for DeltaCatalog {
    fn catalogs(&self) -> Result<Vec<CatalogProperties>> {
        let lake = Lake::of(&self.storage)?;
        let root = lake.trino_root();
        let (mut trino, mut spark) = (lake.trino, lake.spark);
        let set = |properties: &mut Properties, key: &str, value: &str| {
            properties.insert(key.to_owned(), value.to_owned());
        };
        set(&mut trino, "connector.name", "delta_lake");
        // Without it nobody could make Trino know of a table that it did not make.
        set(&mut trino, "delta.register-table-procedure.enabled", "true");
        let Settings { metastore, uri, region, dir, name } = &self.settings;
        match metastore {
            Metastore::File => {
                set(&mut trino, "hive.metastore", "file");
                let dir = dir.clone().unwrap_or_else(|| format!("{root}{METASTORE}"));
                set(&mut trino, "hive.metastore.catalog.dir", &dir);
            }
            Metastore::Hive => {
                let uri = uri.as_deref().unwrap_or_default();
                set(&mut trino, "hive.metastore", "thrift");
                set(&mut trino, "hive.metastore.uri", uri);
                set(&mut spark, "spark.sql.catalogImplementation", "hive");
                set(&mut spark, "spark.hadoop.hive.metastore.uris", uri);
            }
            Metastore::Glue => {
                set(&mut trino, "hive.metastore", "glue");
                if let Some(region) = region {
                    set(&mut trino, "hive.metastore.glue.region", region);
                }
            }
        }
        set(&mut spark, "spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension");
        // Delta Lake takes the place of Spark's own catalog: it has no other name.
        set(&mut spark, "spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog");
        let catalog =
            |target: &str, properties| CatalogProperties { target: target.to_owned(), name: name.clone(), properties };
        Ok(vec![catalog("trino", trino), catalog("spark", spark)])
    }

    /// A script for each engine that makes the tables known to its metastore.
    ///
    /// # Errors
    /// [`Code::InvalidKeyName`] if two tables would have one name there.
    fn files(&self, tables: &[CatalogTable]) -> Result<Vec<(String, String)>> {
        let lake = Lake::of(&self.storage)?;
        let catalog = &self.settings.name;
        let mut names: BTreeMap<(String, String), &AssetKey> = BTreeMap::new();
        let mut schemas = BTreeSet::new();
        let (mut trino, mut spark) = (String::new(), String::new());
        // There is no `IF NOT EXISTS` for it: `trino --ignore-errors` goes on behind a table that is known already.
        for CatalogTable { table, location, .. } in tables.iter().filter(|table| table.store == STORE) {
            let parts: Vec<_> = table.parts().collect();
            let Some((name, above)) = parts.split_last() else { continue };
            let schema = above.join("__");
            if let Some(other) = names.insert((schema.clone(), (*name).to_owned()), table) {
                let message = format!("`{other}` and `{table}` are both `{schema}.{name}` for other engines");
                return Err(Error::new(Code::InvalidKeyName, message).hint(
                    "other engines have one level of schemas, and its parts are joined by `__`: rename one of the two",
                ));
            }
            if schemas.insert(schema.clone()) {
                let _ = writeln!(trino, "CREATE SCHEMA IF NOT EXISTS {catalog}.{};", quoted(&schema, '"'));
                let _ = writeln!(spark, "CREATE SCHEMA IF NOT EXISTS {};", quoted(&schema, '`'));
            }
            let at = text(&lake.trino_location(location)?);
            let _ = writeln!(
                trino,
                "CALL {catalog}.system.register_table(schema_name => {}, table_name => {}, table_location => {at});",
                text(&schema),
                text(name)
            );
            let _ = writeln!(
                spark,
                "CREATE TABLE IF NOT EXISTS {}.{} USING DELTA LOCATION {};",
                quoted(&schema, '`'),
                quoted(name, '`'),
                text(&lake.spark_location(location)?)
            );
        }
        Ok(vec![("trino/register.sql".to_owned(), trino), ("spark/register.sql".to_owned(), spark)])
    }
}

fn quoted(name: &str, quote: char) -> String {
    format!("{quote}{name}{quote}")
}

fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}
