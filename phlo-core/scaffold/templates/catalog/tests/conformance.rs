//! Every promise that a plugin makes, and the properties for each kind of storage.

use {{library}}::catalog;
use phlo_plugin::prelude::*;

phlo_testkit::conformance!({{library}});

fn catalog(root: &str) -> Result<CatalogProperties> {
    let mut context = InitContext::at("/nowhere");
    context.storage.root = root.parse().unwrap_or_else(|err| panic!("{root}: {err}"));
    context.storage.options.insert("aws_secret_access_key".to_owned(), Secret::new("hunter22"));
    let catalog = catalog::{{Type}}Catalog::create(catalog::Settings::default(), &context)?;
    Ok(catalog.catalogs()?.remove(0))
}

#[test]
fn the_root_is_where_trino_looks_and_no_secret_is_written() {
    for (root, key, value, metastore) in [
        ("file:///srv/lake/", "local.location", "/srv/lake", "local:///_trino"),
        ("s3://bucket/lake/", "s3.region", "${ENV:AWS_REGION}", "s3://bucket/lake/_trino"),
        ("gs://bucket/", "fs.native-gcs.enabled", "true", "gs://bucket/_trino"),
        ("abfss://c@a.core.windows.net/", "azure.auth-type", "ACCESS_KEY", "abfss://c@a.core.windows.net/_trino"),
    ] {
        let found = catalog(root).unwrap();
        assert_eq!((found.target.as_str(), found.name.as_str()), ("trino", "lake"));
        assert_eq!(found.properties[key], value);
        assert_eq!(found.properties["hive.metastore.catalog.dir"], metastore);
        assert!(!format!("{found:?}").contains("hunter22"));
    }
    assert_eq!(catalog("http://x/").unwrap_err().code(), Code::Unsupported);
}

#[test]
fn a_name_that_trino_would_not_take_is_refused() {
    let settings = catalog::Settings { name: "My Lake".to_owned(), ..catalog::Settings::default() };
    let created = catalog::{{Type}}Catalog::create(settings, &InitContext::at("/nowhere"));
    assert_eq!(created.unwrap_err().message(), "`name` is `My Lake`, which is no name");
}
