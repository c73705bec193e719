//! How other engines name a lake's storage: the options of Trino and Spark from those of `storage:`, and where tables lie there.
//! Secrets become references to variables of the environment, which both engines fill in themselves.
//!
//! Trino: its documentation of the file systems (<https://trino.io/docs/current/object-storage.html>) and of secrets
//! (<https://trino.io/docs/current/security/secrets.html>). Newer versions call `fs.native-s3.enabled` `fs.s3.enabled`, and likewise
//! for the others; they take the older name, too. Spark: Hadoop's S3A
//! (<https://hadoop.apache.org/docs/stable/hadoop-aws/tools/hadoop-aws/>) and ABFS
//! (<https://hadoop.apache.org/docs/stable/hadoop-azure/abfs.html>).
#![cfg_attr(test, allow(clippy::unwrap_used))]

use std::collections::BTreeMap;

use phlo_plugin::{Error, Result, Storage};
use phlo_spec::Code;
use url::Url;

/// Properties by name.
pub type Properties = BTreeMap<String, String>;

/// A lake's storage as other engines reach it.
#[derive(Debug, Clone)]
pub struct Lake {
    root: Url,
    kind: Kind,
    /// Properties of a Trino catalog.
    pub trino: Properties,
    /// Properties of Spark.
    pub spark: Properties,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Local,
    S3,
    Google,
    Azure { account: String },
}

/// The options of `storage:`, each under the names that an object store knows it by.
struct Options<'a>(&'a Storage);

impl Options<'_> {
    fn get(&self, names: &[&str]) -> Option<&str> {
        let mut all = self.0.options.iter();
        all.find(|(name, _)| names.contains(&name.to_ascii_lowercase().as_str())).map(|(_, value)| value.expose())
    }

    fn is(&self, names: &[&str]) -> bool {
        self.get(names).is_some_and(|value| matches!(value.to_ascii_lowercase().as_str(), "true" | "1" | "yes" | "on"))
    }
}

impl Lake {
    /// Of this storage.
    ///
    /// # Errors
    /// A storage that Trino or Spark cannot be told of.
    pub fn of(storage: &Storage) -> Result<Self> {
        let options = Options(storage);
        let (mut trino, mut spark) = (Properties::new(), Properties::new());
        let mut to_trino = |key: &str, value: &str| trino.insert(key.to_owned(), value.to_owned());
        let mut to_spark = |key: &str, value: &str| spark.insert(format!("spark.hadoop.{key}"), value.to_owned());
        let kind = match storage.root.scheme() {
            "file" => {
                let path = storage.root.to_file_path().map_err(|()| unknown(&storage.root))?;
                to_trino("fs.native-local.enabled", "true");
                to_trino("local.location", path.to_string_lossy().trim_end_matches('/'));
                Kind::Local
            }
            "s3" | "s3a" => {
                to_trino("fs.native-s3.enabled", "true");
                to_spark("fs.s3.impl", "org.apache.hadoop.fs.s3a.S3AFileSystem");
                if let Some(region) = options.get(&["aws_region", "region", "aws_default_region", "default_region"]) {
                    to_trino("s3.region", region);
                    to_spark("fs.s3a.endpoint.region", region);
                }
                if let Some(endpoint) = options.get(&["aws_endpoint", "endpoint", "aws_endpoint_url", "endpoint_url"]) {
                    open(endpoint)?;
                    to_trino("s3.endpoint", endpoint);
                    to_spark("fs.s3a.endpoint", endpoint);
                    let by_host = options.is(&["aws_virtual_hosted_style_request", "virtual_hosted_style_request"]);
                    let by_path = (!by_host).to_string();
                    to_trino("s3.path-style-access", &by_path);
                    to_spark("fs.s3a.path.style.access", &by_path);
                    if endpoint.starts_with("http://") {
                        to_spark("fs.s3a.connection.ssl.enabled", "false");
                    }
                }
                if options.is(&["aws_skip_signature", "skip_signature"]) {
                    to_trino("s3.auth-type", "ANONYMOUS");
                    to_spark(
                        "fs.s3a.aws.credentials.provider",
                        "org.apache.hadoop.fs.s3a.AnonymousAWSCredentialsProvider",
                    );
                } else if options.get(&["aws_access_key_id", "access_key_id"]).is_some()
                    && options.get(&["aws_session_token", "session_token", "aws_token", "token"]).is_none()
                {
                    // Without them, and with a session, both engines ask the environment as AWS's own tools do.
                    to_trino("s3.aws-access-key", "${ENV:AWS_ACCESS_KEY_ID}");
                    to_trino("s3.aws-secret-key", "${ENV:AWS_SECRET_ACCESS_KEY}");
                }
                Kind::S3
            }
            "gs" => {
                to_trino("fs.native-gcs.enabled", "true");
                if options.get(&["google_service_account_key", "service_account_key"]).is_some() {
                    to_trino("gcs.json-key", "${ENV:GOOGLE_SERVICE_ACCOUNT_KEY}");
                }
                to_spark("fs.gs.impl", "com.google.cloud.hadoop.fs.gcs.GoogleHadoopFileSystem");
                Kind::Google
            }
            "az" | "azure" | "adl" | "abfs" | "abfss" => {
                let named = options.get(&["azure_storage_account_name", "account_name"]).map(str::to_owned);
                let in_host = || Some(storage.root.host_str()?.split_once('.')?.0.to_owned());
                let account = named.or_else(in_host).ok_or_else(|| {
                    Error::new(Code::MissingKey, "an Azure catalog needs the storage account's name")
                        .hint("add it in phlo.yaml: storage: { options: { azure_storage_account_name: NAME } }")
                })?;
                to_trino("fs.native-azure.enabled", "true");
                if options
                    .get(&["azure_storage_account_key", "azure_storage_access_key", "account_key", "access_key"])
                    .is_some()
                {
                    to_trino("azure.auth-type", "ACCESS_KEY");
                    to_trino("azure.access-key", "${ENV:AZURE_STORAGE_ACCOUNT_KEY}");
                    to_spark(
                        &format!("fs.azure.account.key.{account}.dfs.core.windows.net"),
                        "${env.AZURE_STORAGE_ACCOUNT_KEY}",
                    );
                }
                Kind::Azure { account }
            }
            _ => return Err(unknown(&storage.root)),
        };
        Ok(Self { root: storage.root.clone(), kind, trino, spark })
    }

    /// Where a table lies, for Trino. `location` is a path of this machine or a URL below the storage's root.
    ///
    /// # Errors
    /// It is not below the root.
    pub fn trino_location(&self, location: &str) -> Result<String> {
        let below = self.below(location)?;
        Ok(match self.kind {
            Kind::Local => format!("local:///{below}"),
            _ => format!("{}{below}", self.trino_root()),
        })
    }

    /// Where the lake lies, for Trino; ends with a slash.
    pub fn trino_root(&self) -> String {
        match self.kind {
            Kind::Local => "local:///".to_owned(),
            _ => self.remote("s3"),
        }
    }

    /// As [`Lake::trino_location`], for Spark.
    ///
    /// # Errors
    /// It is not below the root.
    pub fn spark_location(&self, location: &str) -> Result<String> {
        let below = self.below(location)?;
        Ok(match self.kind {
            Kind::Local => format!("{}{below}", self.root),
            _ => format!("{}{below}", self.remote("s3a")),
        })
    }

    // The root of a store that is not this machine, ending with a slash.
    fn remote(&self, s3: &str) -> String {
        let host = self.root.host_str().unwrap_or_default();
        let path = self.root.path().trim_matches('/');
        let path = if path.is_empty() { String::new() } else { format!("{path}/") };
        match &self.kind {
            Kind::S3 => format!("{s3}://{host}/{path}"),
            Kind::Azure { account } => {
                let container = if self.root.username().is_empty() { host } else { self.root.username() };
                format!("abfss://{container}@{account}.dfs.core.windows.net/{path}")
            }
            Kind::Local | Kind::Google => format!("{}://{host}/{path}", self.root.scheme()),
        }
    }

    // What is behind the root, without slashes around it.
    fn below(&self, location: &str) -> Result<String> {
        let local = self.root.to_file_path().ok().filter(|_| self.kind == Kind::Local);
        let roots = [local.map(|path| path.to_string_lossy().into_owned()), Some(self.root.to_string())];
        let below = roots.iter().flatten().find_map(|root| location.strip_prefix(root.trim_end_matches('/')));
        below
            .map(|below| below.trim_matches('/').to_owned())
            .filter(|below| !below.is_empty())
            .ok_or_else(|| Error::internal(format!("a table at {location}, which is not below {}", self.root)))
    }
}

fn unknown(root: &Url) -> Error {
    Error::new(Code::InvalidValue, format!("a catalog cannot tell other engines of storage with `{}`", root.scheme()))
        .hint("a folder, s3://, gs:// and az:// are known")
}

// An address is written out as it is.
fn open(endpoint: &str) -> Result<()> {
    match Url::parse(endpoint) {
        Ok(url) if url.username().is_empty() && url.password().is_none() && url.query().is_none() => Ok(()),
        _ => Err(Error::new(Code::InvalidValue, "the storage's endpoint is no plain URL, which could be written out")
            .hint("write it as http://HOST:PORT or https://HOST, with the credentials in options of their own")),
    }
}

/// A catalog's or schema's name that every engine takes without quotes.
///
/// # Errors
/// [`Code::InvalidValue`].
pub fn check_name(name: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(plain) {
        return Ok(());
    }
    Err(Error::new(Code::InvalidValue, format!("`{name}` cannot be a catalog's name"))
        .hint("write lower-case letters, digits and `_`, a letter first"))
}

#[cfg(test)]
mod tests {
    use phlo_spec::Secret;

    use super::*;

    fn lake(root: &str, options: &[(&str, &str)]) -> Result<Lake> {
        let options = options.iter().map(|(key, value)| ((*key).to_owned(), Secret::new(*value))).collect();
        Lake::of(&Storage { root: Url::parse(root).unwrap(), options })
    }

    fn text(properties: &Properties) -> String {
        properties.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_lake_is_told_in_the_words_of_each_engine_without_its_secrets() {
        for (root, options, location, trino, spark, at) in [
            (
                "file:///srv/lake/",
                &[][..],
                "/srv/lake/raw/x",
                "fs.native-local.enabled=true local.location=/srv/lake",
                "",
                "local:///raw/x file:///srv/lake/raw/x",
            ),
            (
                "s3://b/",
                &[("aws_region", "eu-west-1")],
                "s3://b/raw/x/",
                "fs.native-s3.enabled=true s3.region=eu-west-1",
                "spark.hadoop.fs.s3.impl=org.apache.hadoop.fs.s3a.S3AFileSystem spark.hadoop.fs.s3a.endpoint.region=eu-west-1",
                "s3://b/raw/x s3a://b/raw/x",
            ),
            (
                "s3://b/p/",
                &[
                    ("AWS_ACCESS_KEY_ID", "AKIA1"),
                    ("aws_secret_access_key", "hunter22"),
                    ("endpoint", "http://minio:9000"),
                ],
                "s3://b/p/raw/x",
                "fs.native-s3.enabled=true s3.aws-access-key=${ENV:AWS_ACCESS_KEY_ID} s3.aws-secret-key=${ENV:AWS_SECRET_ACCESS_KEY} s3.endpoint=http://minio:9000 s3.path-style-access=true",
                "spark.hadoop.fs.s3.impl=org.apache.hadoop.fs.s3a.S3AFileSystem spark.hadoop.fs.s3a.connection.ssl.enabled=false spark.hadoop.fs.s3a.endpoint=http://minio:9000 spark.hadoop.fs.s3a.path.style.access=true",
                "s3://b/p/raw/x s3a://b/p/raw/x",
            ),
            (
                "s3://b/",
                &[("aws_access_key_id", "AKIA1"), ("aws_session_token", "hunter22")],
                "s3://b/raw/x",
                "fs.native-s3.enabled=true",
                "spark.hadoop.fs.s3.impl=org.apache.hadoop.fs.s3a.S3AFileSystem",
                "s3://b/raw/x s3a://b/raw/x",
            ),
            (
                "gs://b/p/",
                &[("google_service_account_key", "hunter22")],
                "gs://b/p/raw/x",
                "fs.native-gcs.enabled=true gcs.json-key=${ENV:GOOGLE_SERVICE_ACCOUNT_KEY}",
                "spark.hadoop.fs.gs.impl=com.google.cloud.hadoop.fs.gcs.GoogleHadoopFileSystem",
                "gs://b/p/raw/x gs://b/p/raw/x",
            ),
            (
                "az://c/p/",
                &[("account_name", "acc"), ("azure_storage_account_key", "hunter22")],
                "az://c/p/raw/x",
                "azure.access-key=${ENV:AZURE_STORAGE_ACCOUNT_KEY} azure.auth-type=ACCESS_KEY fs.native-azure.enabled=true",
                "spark.hadoop.fs.azure.account.key.acc.dfs.core.windows.net=${env.AZURE_STORAGE_ACCOUNT_KEY}",
                "abfss://c@acc.dfs.core.windows.net/p/raw/x abfss://c@acc.dfs.core.windows.net/p/raw/x",
            ),
        ] {
            let lake = lake(root, options).unwrap();
            assert_eq!((text(&lake.trino).as_str(), text(&lake.spark).as_str()), (trino, spark), "{root}");
            let told = [lake.trino_location(location).unwrap(), lake.spark_location(location).unwrap()];
            assert_eq!(told.join(" "), at);
        }
    }

    #[test]
    fn what_other_engines_cannot_be_told_of_is_refused() {
        for (root, options, code, message) in [
            ("memory:///", &[][..], Code::InvalidValue, "a catalog cannot tell other engines of storage with `memory`"),
            ("az://c/", &[], Code::MissingKey, "an Azure catalog needs the storage account's name"),
            (
                "s3://b/",
                &[("endpoint", "http://u:p@h")],
                Code::InvalidValue,
                "the storage's endpoint is no plain URL, which could be written out",
            ),
        ] {
            let err = lake(root, options).unwrap_err();
            assert_eq!((err.code(), err.message()), (code, message));
            assert!(!err.hints().is_empty());
        }
        assert_eq!(lake("s3://b/p/", &[]).unwrap().trino_location("s3://other/x").unwrap_err().code(), Code::Internal);
        assert!(check_name("lake_2").is_ok() && check_name("Lake").is_err() && check_name("").is_err());
    }
}
