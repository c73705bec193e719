//! Object stores: which one a URL leads to, and which options each knows. What a store's own client would pass over in silence is
//! refused here, for sources and table stores alike.
#![cfg_attr(test, allow(clippy::unwrap_used))]

use std::str::FromStr;

use object_store::aws::AmazonS3ConfigKey;
use object_store::azure::AzureConfigKey;
use object_store::gcp::GoogleConfigKey;
use object_store::{ClientConfigKey, ObjectStoreScheme};
use phlo_plugin::{Error, Result};
use phlo_spec::Code;
use url::Url;

/// A kind of object store that has options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// Amazon S3, and what speaks as it does.
    S3,
    /// Google Cloud Storage.
    Google,
    /// Azure Blob Storage.
    Azure,
    /// A web server.
    Http,
}

impl Store {
    /// The store that a path leads to; none if it is no URL of one.
    pub fn of(path: &str) -> Option<Self> {
        let fixed = &path[..path.find(['*', '?', '[']).unwrap_or(path.len())];
        match ObjectStoreScheme::parse(&Url::parse(fixed).ok()?).ok()?.0 {
            ObjectStoreScheme::AmazonS3 => Some(Self::S3),
            ObjectStoreScheme::GoogleCloudStorage => Some(Self::Google),
            ObjectStoreScheme::MicrosoftAzure => Some(Self::Azure),
            ObjectStoreScheme::Http => Some(Self::Http),
            _ => None,
        }
    }

    /// Whether it reads this option.
    pub fn knows(self, key: &str) -> bool {
        let key = key.to_ascii_lowercase();
        match self {
            Self::S3 => AmazonS3ConfigKey::from_str(&key).is_ok(),
            Self::Google => GoogleConfigKey::from_str(&key).is_ok(),
            Self::Azure => AzureConfigKey::from_str(&key).is_ok(),
            Self::Http => ClientConfigKey::from_str(&key).is_ok(),
        }
    }

    /// Those of its options that are used most, for who misspelt one.
    pub fn usual(self) -> &'static [&'static str] {
        match self {
            Self::S3 => &[
                "aws_access_key_id",
                "aws_secret_access_key",
                "aws_session_token",
                "aws_region",
                "aws_endpoint",
                "aws_allow_http",
                "aws_skip_signature",
                "aws_virtual_hosted_style_request",
                "aws_role_arn",
                "endpoint",
                "region",
                "allow_http",
            ],
            Self::Google => &[
                "google_service_account",
                "google_service_account_key",
                "google_application_credentials",
                "google_base_url",
                "google_skip_signature",
            ],
            Self::Azure => &[
                "azure_storage_account_name",
                "azure_storage_account_key",
                "azure_storage_sas_token",
                "azure_storage_client_id",
                "azure_storage_client_secret",
                "azure_storage_tenant_id",
                "azure_storage_endpoint",
                "azure_skip_signature",
                "account_name",
            ],
            Self::Http => &["timeout", "connect_timeout", "proxy_url", "user_agent", "allow_invalid_certificates"],
        }
    }
}

/// Refuses options that none of the stores that these paths lead to would read. Paths of this machine have no options.
///
/// # Errors
/// [`Code::InertConfig`] if no path leads to a store, [`Code::UnknownKey`] with the nearest option otherwise; the option is the fact
/// `option`.
pub fn refuse_unread<'a>(
    paths: impl IntoIterator<Item = &'a str>,
    options: impl IntoIterator<Item = &'a str>,
) -> Result<()> {
    let stores: Vec<Option<Store>> = paths.into_iter().filter(|path| is_remote(path)).map(Store::of).collect();
    for option in options {
        if stores.is_empty() {
            return Err(Error::new(Code::InertConfig, "this option has no effect on local files")
                .with("option", option)
                .hint("remove it, or write the path as a URL such as s3://bucket/key"));
        }
        // What a store of another scheme reads is not known here.
        if stores.iter().any(|store| store.is_none_or(|store| store.knows(option))) {
            continue;
        }
        let usual: Vec<&str> = stores.iter().flatten().flat_map(|store| store.usual()).copied().collect();
        let error = Error::new(Code::UnknownKey, "the object store knows no such option");
        let otherwise = format!("usual options: {}", usual.join(", "));
        return Err(error.with("option", option).suggest(option, usual.iter().copied(), otherwise));
    }
    Ok(())
}

/// Whether a path is a URL of something that is not a local file.
pub fn is_remote(path: &str) -> bool {
    path.contains("://") && !path.starts_with("file://")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_option_is_one_that_its_store_knows() {
        for (path, store) in [
            ("s3://bucket/in/*.csv", Store::S3),
            ("gs://bucket/a.csv", Store::Google),
            ("az://container/a.csv", Store::Azure),
            ("abfss://container@account.dfs.core.windows.net/a.csv", Store::Azure),
            ("https://example.com/a.csv", Store::Http),
        ] {
            assert_eq!(Store::of(path), Some(store), "{path}");
            for key in store.usual() {
                assert!(store.knows(key), "{store:?} does not know {key}");
            }
            assert!(!store.knows("aws_regoin"), "{store:?}");
        }
        assert_eq!(Store::of("in/*.csv"), None);
    }

    #[test]
    fn an_option_that_nobody_reads_is_refused_with_the_one_that_was_meant() {
        refuse_unread(["s3://lake/"], ["aws_region", "AWS_ENDPOINT"]).unwrap();
        refuse_unread(["file:///lake/", "memory:///x"], ["anything"]).unwrap();
        refuse_unread(["file:///lake/"], []).unwrap();
        let told = |paths: &[&str], option: &str| format!("{:?}", refuse_unread(paths.to_vec(), [option]).unwrap_err());
        assert_eq!(
            told(&["s3://lake/"], "aws_regoin"),
            "P1002: the object store knows no such option (option: aws_regoin)"
        );
        assert_eq!(
            told(&["file:///lake/"], "aws_region"),
            "P1015: this option has no effect on local files (option: aws_region)"
        );
    }
}
