//! Object stores: which one a URL leads to, and which options each knows.

use std::str::FromStr;

use object_store::aws::AmazonS3ConfigKey;
use object_store::azure::AzureConfigKey;
use object_store::gcp::GoogleConfigKey;
use object_store::{ClientConfigKey, ObjectStoreScheme};
use url::Url;

/// A kind of object store that has options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    S3,
    Google,
    Azure,
    Http,
}

impl Store {
    /// The store that a path leads to; none if it is no URL of one.
    pub(crate) fn of(path: &str) -> Option<Self> {
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
    pub(crate) fn knows(self, key: &str) -> bool {
        let key = key.to_ascii_lowercase();
        match self {
            Self::S3 => AmazonS3ConfigKey::from_str(&key).is_ok(),
            Self::Google => GoogleConfigKey::from_str(&key).is_ok(),
            Self::Azure => AzureConfigKey::from_str(&key).is_ok(),
            Self::Http => ClientConfigKey::from_str(&key).is_ok(),
        }
    }

    /// Those of its options that are used most, for who misspelt one.
    pub(crate) fn usual(self) -> &'static [&'static str] {
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
}
