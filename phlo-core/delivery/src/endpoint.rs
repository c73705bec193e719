//! Where messages go, and how often that is tried.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use phlo_plugin::{Error, Result};
use phlo_spec::{Code, Redactor, Secret};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use schemars::{JsonSchema, json_schema};
use serde::{Deserialize, Deserializer, de};
use url::Url;

use crate::sign::Key;

/// Set by this crate; an endpoint's own headers do not replace them.
const RESERVED: [&str; 5] = ["content-length", "host", "webhook-id", "webhook-signature", "webhook-timestamp"];

/// An HTTP endpoint that takes messages by `POST`.
#[derive(Clone)]
pub struct Endpoint {
    pub(crate) name: String,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) key: Option<Key>,
    pub(crate) timeout: Duration,
    pub(crate) retry: Retry,
}

impl Endpoint {
    /// An endpoint with the defaults of everything else. The name is that of its spool: letters, digits, `_` and `-`. The URL
    /// counts as a secret, because it often holds a token.
    ///
    /// # Errors
    /// What is wrong, with the names `name` and `url`.
    pub fn new(name: &str, url: &Secret, redactor: &Redactor) -> Result<Self> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if name.is_empty() || name.len() > 64 || !name.chars().all(fits) {
            let message = format!("`name` is `{name}`, not 1 to 64 letters, digits, `_` and `-`");
            return Err(invalid(message).hint("it names a file below `.phlo/`"));
        }
        redactor.add(url.expose());
        let parsed =
            Url::parse(url.expose()).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let Some(url) = parsed else {
            return Err(invalid("`url` is no http or https URL").hint("check the variable that holds it"));
        };
        redactor.add(url.as_str());
        let (headers, timeout) = (HeaderMap::new(), Duration::from_secs(10));
        Ok(Self { name: name.to_owned(), url, headers, key: None, timeout, retry: Retry::default() })
    }

    /// Adds headers to each request.
    ///
    /// # Errors
    /// A header that cannot be sent, as one of `headers`.
    pub fn headers(mut self, headers: &BTreeMap<String, Secret>, redactor: &Redactor) -> Result<Self> {
        for (name, value) in headers {
            redactor.add(value.expose());
            let header = HeaderName::try_from(name.as_str()).ok().filter(|it| !RESERVED.contains(&it.as_str()));
            let Some(header) = header else {
                return Err(invalid(format!("`headers`: `{name}` is not a header that can be set")));
            };
            let mut value = HeaderValue::try_from(value.expose())
                .map_err(|_| invalid(format!("`headers`: the value of `{name}` holds signs that no header can")))?;
            value.set_sensitive(true);
            self.headers.insert(header, value);
        }
        Ok(self)
    }

    /// Signs each request.
    #[must_use]
    pub fn signed(self, key: Option<Key>) -> Self {
        Self { key, ..self }
    }

    /// How long to wait for an answer, and how often to try.
    #[must_use]
    pub fn tries(self, timeout: Duration, retry: Retry) -> Self {
        Self { timeout, retry, ..self }
    }
}

pub(crate) fn invalid(message: impl Into<String>) -> Error {
    Error::new(Code::InvalidValue, message)
}

/// How often a message is tried. Again: no connection, no answer in time, and the statuses 408, 429 and 5xx.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// Attempts in all; 5 unless set, 1 for no second one. After the last, the endpoint's messages wait for the next run.
    pub max_attempts: NonZeroU32,
    /// About how long to wait before the second attempt, doubled before each further one up to a minute; 1 second unless set. A
    /// server's `Retry-After` is obeyed if it asks for more, up to five minutes.
    pub delay: Seconds,
}

impl Default for Retry {
    fn default() -> Self {
        Self { max_attempts: NonZeroU32::new(5).expect("5 is not zero"), delay: Seconds(Duration::from_secs(1)) }
    }
}

/// A time span: a number of seconds, or a text such as `500ms`, `30s` or `2m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seconds(pub Duration);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Seconds(f64),
            Text(String),
        }
        let wrong =
            || de::Error::custom("expected seconds, such as 30 or 0.5, or a text such as `500ms`, `30s` or `2m`");
        let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds).map_err(|_| wrong());
        Ok(Self(match Written::deserialize(deserializer).map_err(|_| wrong())? {
            Written::Seconds(it) => seconds(it)?,
            Written::Text(text) => match text.trim().parse() {
                Ok(it) => seconds(it)?,
                Err(_) => humantime::parse_duration(text.trim()).map_err(|_| wrong())?,
            },
        }))
    }
}

impl JsonSchema for Seconds {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Seconds".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        json_schema!({ "type": ["number", "string"], "description": "seconds, or a text such as 500ms, 30s or 2m" })
    }
}
