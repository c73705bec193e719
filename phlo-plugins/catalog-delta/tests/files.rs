//! What is written, for each metastore; and what is refused.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use phlo_catalog_delta::DeltaCatalog;
use phlo_plugin::prelude::*;
use phlo_testkit::fixture::key;

fn catalog(settings: &str, root: &str, options: &[(&str, &str)]) -> Result<DeltaCatalog> {
    let settings = Node::parse(settings, "phlo.yaml", 1).unwrap().read().map_err(Error::from)?;
    let options = options.iter().map(|(key, value)| ((*key).to_owned(), Secret::new(*value))).collect();
    let storage = Storage { root: url::Url::parse(root).unwrap(), options };
    DeltaCatalog::create(settings, &InitContext { storage, ..InitContext::at("/srv") })
}

fn properties(catalog: &DeltaCatalog) -> BTreeMap<String, String> {
    let of = |catalog: CatalogProperties| {
        let text: Vec<_> = catalog.properties.iter().map(|(key, value)| format!("{key}={value}")).collect();
        (format!("{}/{}", catalog.target, catalog.name), text.join("\n"))
    };
    catalog.catalogs().unwrap().into_iter().map(of).collect()
}

fn table(name: &str, location: &str, store: &str) -> CatalogTable {
    CatalogTable { table: key(name), store: store.to_owned(), location: location.to_owned() }
}

#[test]
fn a_local_lake_is_read_by_one_trino_without_a_metastore() {
    let written = properties(&catalog("{}", "file:///srv/lake/", &[]).unwrap());
    assert_eq!(
        written["trino/delta"],
        "connector.name=delta_lake\ndelta.register-table-procedure.enabled=true\nfs.native-local.enabled=true\nhive.metastore=file\n\
         hive.metastore.catalog.dir=local:///_trino\nlocal.location=/srv/lake"
    );
    assert_eq!(
        written["spark/delta"],
        "spark.sql.catalog.spark_catalog=org.apache.spark.sql.delta.catalog.DeltaCatalog\n\
         spark.sql.extensions=io.delta.sql.DeltaSparkSessionExtension"
    );
}

#[test]
fn a_metastore_is_told_to_both_engines_and_no_secret_is() {
    let options = [("aws_access_key_id", "AKIAhunter"), ("aws_secret_access_key", "hunter22"), ("region", "eu-west-1")];
    let hive = catalog("{name: lake, metastore: hive, uri: 'thrift://m:9083'}", "s3://b/p/", &options).unwrap();
    let written = properties(&hive);
    assert_eq!(
        written["trino/lake"],
        "connector.name=delta_lake\ndelta.register-table-procedure.enabled=true\nfs.native-s3.enabled=true\nhive.metastore=thrift\n\
         hive.metastore.uri=thrift://m:9083\ns3.aws-access-key=${ENV:AWS_ACCESS_KEY_ID}\n\
         s3.aws-secret-key=${ENV:AWS_SECRET_ACCESS_KEY}\ns3.region=eu-west-1"
    );
    assert!(written["spark/lake"].contains("spark.hadoop.hive.metastore.uris=thrift://m:9083"));
    assert!(!format!("{written:?}").contains("hunter"));
    let glue = catalog("{metastore: glue, region: eu-west-1}", "s3://b/", &[]).unwrap();
    assert!(properties(&glue)["trino/delta"].contains("hive.metastore=glue\nhive.metastore.glue.region=eu-west-1"));
    let file = catalog("{dir: 's3://m/x'}", "s3://b/", &[]).unwrap();
    assert!(properties(&file)["trino/delta"].contains("hive.metastore.catalog.dir=s3://m/x"));
}

#[test]
fn the_scripts_register_each_delta_table_once() {
    let catalog = catalog("{name: lake}", "s3://b/p/", &[]).unwrap();
    let tables = [
        table("bronze.flights", "s3://b/p/bronze/flights/", "delta"),
        table("gold.team_a.daily", "s3://b/p/gold/team_a/daily/", "delta"),
        table("bronze.days", "s3://b/p/bronze/days/", "delta"),
        table("bronze.other", "s3://elsewhere/", "iceberg"),
    ];
    let files: BTreeMap<_, _> = catalog.files(&tables).unwrap().into_iter().collect();
    assert_eq!(
        files["trino/register.sql"],
        "CREATE SCHEMA IF NOT EXISTS lake.\"bronze\";\n\
         CALL lake.system.register_table(schema_name => 'bronze', table_name => 'flights', table_location => 's3://b/p/bronze/flights');\n\
         CREATE SCHEMA IF NOT EXISTS lake.\"gold__team_a\";\n\
         CALL lake.system.register_table(schema_name => 'gold__team_a', table_name => 'daily', table_location => 's3://b/p/gold/team_a/daily');\n\
         CALL lake.system.register_table(schema_name => 'bronze', table_name => 'days', table_location => 's3://b/p/bronze/days');\n"
    );
    assert!(files["spark/register.sql"].starts_with(
        "CREATE SCHEMA IF NOT EXISTS `bronze`;\n\
         CREATE TABLE IF NOT EXISTS `bronze`.`flights` USING DELTA LOCATION 's3a://b/p/bronze/flights';\n"
    ));
    let local = self::catalog("{}", "file:///srv/l'ake/", &[]).unwrap();
    let files: BTreeMap<_, _> = local.files(&[table("a.b", "/srv/l'ake/a/b", "delta")]).unwrap().into_iter().collect();
    assert!(files["trino/register.sql"].ends_with("table_location => 'local:///a/b');\n"));
    assert!(files["spark/register.sql"].ends_with("LOCATION 'file:///srv/l''ake/a/b';\n"), "{files:?}");
    let twins = [table("a.b.c", "s3://b/p/a/b/c", "delta"), table("a__b.c", "s3://b/p/a__b/c", "delta")];
    let err = catalog.files(&twins).unwrap_err();
    assert_eq!(
        (err.code(), err.message()),
        (Code::InvalidKeyName, "`a.b.c` and `a__b.c` are both `a__b.c` for other engines")
    );
}

#[test]
fn settings_that_do_nothing_or_are_missing_are_refused() {
    for (settings, code, message) in [
        ("{metastore: hive}", Code::MissingKey, "missing key `uri`: the address of the Hive metastore"),
        ("{uri: 'thrift://m:1'}", Code::InertConfig, "`uri` has no effect unless `metastore` is `hive`"),
        ("{region: x}", Code::InertConfig, "`region` has no effect unless `metastore` is `glue`"),
        ("{metastore: glue, dir: x}", Code::InertConfig, "`dir` has no effect unless `metastore` is `file`"),
        ("{name: My-Lake}", Code::InvalidValue, "`My-Lake` cannot be a catalog's name"),
    ] {
        let err = catalog(settings, "s3://b/", &[]).unwrap_err();
        assert_eq!((err.code(), err.message()), (code, message));
        assert!(!err.hints().is_empty());
    }
}
