//! What is written for each way to reach a REST catalog; and what is refused.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use phlo_catalog_iceberg::IcebergCatalog;
use phlo_plugin::prelude::*;

const URI: &str = "uri: 'https://c.example.org/api'";

fn catalog(settings: &str) -> Result<IcebergCatalog> {
    let settings = Node::parse(settings, "phlo.yaml", 1).unwrap().read().map_err(Error::from)?;
    let options = [("aws_access_key_id", "AKIAhunter"), ("aws_secret_access_key", "hunter22"), ("region", "eu-west-1")];
    let options = options.map(|(key, value)| (key.to_owned(), Secret::new(value)));
    let storage = Storage { root: "s3://b/".parse().unwrap(), options: options.into() };
    IcebergCatalog::create(settings, &InitContext { storage, ..InitContext::at("/srv") })
}

fn properties(settings: &str) -> BTreeMap<String, String> {
    let of = |catalog: CatalogProperties| {
        let text: Vec<_> = catalog.properties.iter().map(|(key, value)| format!("{key}={value}")).collect();
        (format!("{}/{}", catalog.target, catalog.name), text.join("\n"))
    };
    catalog(settings).unwrap().catalogs().unwrap().into_iter().map(of).collect()
}

#[test]
fn the_catalog_gives_the_storage_credentials_unless_it_should_not() {
    let written = properties(&format!("{{{URI}, warehouse: w, nested_namespaces: true}}"));
    assert_eq!(
        written["trino/iceberg"],
        "connector.name=iceberg\nfs.native-s3.enabled=true\niceberg.catalog.type=rest\n\
         iceberg.rest-catalog.nested-namespace-enabled=true\niceberg.rest-catalog.uri=https://c.example.org/api\n\
         iceberg.rest-catalog.vended-credentials-enabled=true\niceberg.rest-catalog.warehouse=w\ns3.region=eu-west-1"
    );
    assert_eq!(
        written["spark/iceberg"],
        "spark.sql.catalog.iceberg=org.apache.iceberg.spark.SparkCatalog\n\
         spark.sql.catalog.iceberg.header.X-Iceberg-Access-Delegation=vended-credentials\nspark.sql.catalog.iceberg.type=rest\n\
         spark.sql.catalog.iceberg.uri=https://c.example.org/api\nspark.sql.catalog.iceberg.warehouse=w\n\
         spark.sql.extensions=org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"
    );
    let written = properties(&format!("{{{URI}, name: lake, vended_credentials: false}}"));
    assert!(written["trino/lake"].contains("s3.aws-secret-key=${ENV:AWS_SECRET_ACCESS_KEY}"), "{written:?}");
    assert!(!written["trino/lake"].contains("vended") && !written["spark/lake"].contains("vended"), "{written:?}");
    assert!(!format!("{written:?}").contains("hunter"));
}

#[test]
fn credentials_of_the_catalog_are_variables_of_the_engine() {
    let written = properties(&format!(
        "{{{URI}, oauth2: {{credential_variable: CRED, scope: 'PRINCIPAL_ROLE:ALL', server_uri: 'https://c.example.org/t'}}}}"
    ));
    for line in [
        "iceberg.rest-catalog.security=OAUTH2",
        "iceberg.rest-catalog.oauth2.credential=${ENV:CRED}",
        "iceberg.rest-catalog.oauth2.scope=PRINCIPAL_ROLE:ALL",
        "iceberg.rest-catalog.oauth2.server-uri=https://c.example.org/t",
    ] {
        assert!(written["trino/iceberg"].contains(line), "{line}: {written:?}");
    }
    assert!(written["spark/iceberg"].contains("spark.sql.catalog.iceberg.oauth2-server-uri=https://c.example.org/t"));
    assert!(
        properties(&format!("{{{URI}, oauth2: {{token_variable: T}}}}"))["trino/iceberg"]
            .contains("oauth2.token=${ENV:T}")
    );
}

#[test]
fn what_could_not_work_or_would_tell_a_secret_is_refused() {
    for (settings, code, message) in [
        (
            "{uri: 'https://u:hunter22@c/'}".to_owned(),
            Code::InvalidValue,
            "`uri` is no http or https URL without user and password",
        ),
        (
            "{uri: c.example.org}".to_owned(),
            Code::InvalidValue,
            "`uri` is no http or https URL without user and password",
        ),
        (format!("{{{URI}, name: Lake}}"), Code::InvalidValue, "`Lake` cannot be a catalog's name"),
        (
            format!("{{{URI}, oauth2: {{scope: x}}}}"),
            Code::InvalidValue,
            "`oauth2` needs a credential or a token, and not both",
        ),
        (
            format!("{{{URI}, oauth2: {{credential_variable: A, token_variable: B}}}}"),
            Code::InvalidValue,
            "`oauth2` needs a credential or a token, and not both",
        ),
        (format!("{{{URI}, oauth2: {{token_variable: 'a:b'}}}}"), Code::InvalidValue, "`a:b` is no variable's name"),
    ] {
        let err = catalog(&settings).unwrap_err();
        assert_eq!((err.code(), err.message()), (code, message));
    }
    let err = catalog("{}").unwrap().catalogs().unwrap_err();
    assert_eq!((err.code(), err.message()), (Code::MissingKey, "missing key `uri`: the address of the REST catalog"));
}
