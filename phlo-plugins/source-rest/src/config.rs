//! What users write under `source:` for a REST API, and what it comes to once its rules are checked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use phlo_plugin::prelude::*;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use schemars::{JsonSchema, json_schema};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;
use url::Url;

use crate::path::Path;

/// Rows from a REST API that answers with JSON.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RestConfig {
    /// Where the API is, e.g. `https://api.example.com/v1`; no user, password, query or fragment.
    pub base_url: String,
    /// The path below `base_url`, e.g. `flights`.
    pub endpoint: String,
    /// `get`, or `post` for APIs that are asked with a body. Both are repeated when an attempt fails, so a `post` must only read.
    #[serde(default)]
    pub method: Method,
    /// The JSON body of a `post`.
    #[serde(default)]
    pub body: Option<Value>,
    /// Query parameters: a text, a number, true or false, or a list for a parameter that is given several times.
    #[serde(default)]
    pub params: BTreeMap<String, Param>,
    /// Request headers. Their values count as secrets: never shown, and sent to `base_url`'s host alone.
    #[serde(default)]
    pub headers: BTreeMap<String, Secret>,
    /// Sent as `Authorization: Bearer …`, to `base_url`'s host alone. An empty text means none.
    #[serde(default)]
    pub auth_token: Option<Secret>,
    /// How one page leads to the next.
    #[serde(default)]
    pub pagination: Pagination,
    /// Fetch only what is new since the last commit.
    #[serde(default)]
    pub incremental: Option<Incremental>,
    /// How long to wait for the server: a time span for a whole answer, or a map of `connect` and `request`.
    #[serde(default)]
    #[schemars(schema_with = "timeout_schema")]
    pub timeout: Timeouts,
    /// How often a request is tried.
    #[serde(default)]
    pub retry: Retry,
    /// Texts that mean that a value is missing, e.g. `[NA, ""]`.
    #[serde(default)]
    pub null_values: Vec<String>,
    /// What becomes of a field that the asset's `columns:` do not declare: `infer` its type, `refuse` it, or `ignore` it. With
    /// `refuse` and `ignore` the declared columns are the whole schema, known without a request.
    #[serde(default)]
    pub extra_fields: ExtraFields,
}

/// How the API is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// `GET`.
    #[default]
    #[serde(alias = "GET")]
    Get,
    /// `POST`.
    #[serde(alias = "POST")]
    Post,
}

/// What becomes of fields that are not declared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExtraFields {
    /// They become columns whose types the first 1000 records tell.
    #[default]
    Infer,
    /// They are an error.
    Refuse,
    /// They are left out.
    Ignore,
}

/// One value of a parameter.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Scalar {
    /// true or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// A text.
    Text(String),
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(it) => it.fmt(f),
            Self::Int(it) => it.fmt(f),
            Self::Float(it) => it.fmt(f),
            Self::Text(it) => f.write_str(it),
        }
    }
}

/// A query parameter's value, or several.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a text, a number, true or false, or a list of them")]
pub enum Param {
    /// Given once.
    One(Scalar),
    /// Given several times.
    Many(Vec<Scalar>),
}

/// How one page leads to the next.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Pagination {
    /// `page` (a page number), `offset` (rows to skip), `cursor` (a token from the answer), `link_header` (the `Link` header's
    /// `rel=next`), `next_url` (a URL in the answer) or `none`. `page` unless set.
    pub kind: Option<PagingKind>,
    /// page: the parameter of the page number; `page` unless set.
    pub page_param: Option<String>,
    /// The parameter of the page size; `limit` unless set. Empty: not sent. `cursor`, `link_header` and `next_url` send it only
    /// if this or `page_size` is set.
    pub size_param: Option<String>,
    /// page: the number of the first page; 1 unless set.
    pub start_page: Option<u64>,
    /// Records per page, at least 1; 100 unless set.
    pub page_size: Option<u64>,
    /// offset: the parameter of the offset; `offset` unless set.
    pub offset_param: Option<String>,
    /// cursor: the parameter that takes the cursor; `cursor` unless set.
    pub cursor_param: Option<String>,
    /// cursor: where in the answer the next cursor is, e.g. `meta.next_cursor`. Absent, null or empty there: the last page.
    pub cursor_path: Option<String>,
    /// next_url: where in the answer the next page's URL is; `next` unless set. Absent, null or empty there: the last page.
    pub next_url_path: Option<String>,
    /// Where in the answer the records are, e.g. `data.items`; `results` unless set. Empty: the answer itself. An answer that is
    /// a list is always taken as the records.
    pub results_key: Option<String>,
    /// page, offset, cursor: where in the answer it says whether there is another page; `has_next` unless set. False ends the
    /// reading; absent says nothing.
    pub has_next_key: Option<String>,
    /// Read no more than this many pages; 0, for no limit, unless set.
    pub max_pages: Option<u64>,
}

/// The kinds of paging.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PagingKind {
    /// A page number is counted up until a page is empty.
    #[default]
    Page,
    /// The records received so far are skipped, until a page is empty.
    Offset,
    /// Each answer holds the cursor of the next page.
    Cursor,
    /// Each answer's `Link` header names the next page.
    LinkHeader,
    /// Each answer holds the URL of the next page.
    NextUrl,
    /// One request.
    None,
}

/// Fetch only what is new since the last commit.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Incremental {
    /// Where in a record the value is that grows, e.g. `id` or `meta.updated_at`: numbers, times with an offset
    /// (RFC 3339), or other texts, whose order is that of their characters. The greatest is remembered; the next pull takes only records with a
    /// greater one, so two records that share a value must not arrive in different pulls.
    pub column: String,
    /// The query parameter that tells the server the remembered value. Without it every record is fetched and the old ones dropped.
    #[serde(default)]
    pub param: Option<String>,
    /// What `param` is in the first pull; it is not sent then unless this is set. Records are not held against it.
    #[serde(default)]
    pub initial: Option<Scalar>,
}

/// How long to wait for the server.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, remote = "Self")]
pub struct Timeouts {
    /// For the connection; 10 seconds unless set.
    pub connect: Seconds,
    /// For a whole answer; 30 seconds unless set.
    pub request: Seconds,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Seconds(Duration::from_secs(10)), request: Seconds(Duration::from_secs(30)) }
    }
}

fn timeout_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    json_schema!({ "anyOf": [generator.subschema_for::<Seconds>(), generator.subschema_for::<Timeouts>()] })
}

impl<'de> Deserialize<'de> for Timeouts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TimeoutsVisitor;
        impl<'de> de::Visitor<'de> for TimeoutsVisitor {
            type Value = Timeouts;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time span such as 30 or `2m`, or a map of `connect` and `request`")
            }
            fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Timeouts, E> {
                self.visit_f64(seconds as f64)
            }
            fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Timeouts, E> {
                self.visit_f64(seconds as f64)
            }
            fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Timeouts, E> {
                let request = Seconds::deserialize(de::value::F64Deserializer::new(seconds))?;
                Ok(Timeouts { request, ..Timeouts::default() })
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Timeouts, E> {
                let request = Seconds::deserialize(de::value::StrDeserializer::new(text))?;
                Ok(Timeouts { request, ..Timeouts::default() })
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Timeouts, A::Error> {
                Timeouts::deserialize(de::value::MapAccessDeserializer::new(map))
            }
        }
        deserializer.deserialize_any(TimeoutsVisitor)
    }
}

/// How often a request is tried. Again: no connection, an answer that breaks off, and the statuses 408, 429 and 5xx.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// Attempts in all; 4 unless set, 1 for no second one.
    pub max_attempts: u32,
    /// About how long to wait before the second attempt, doubled before each further one up to a minute; 1 second unless set. A
    /// server's `Retry-After` is obeyed if it asks for more, up to five minutes.
    pub delay: Seconds,
}

impl Default for Retry {
    fn default() -> Self {
        Self { max_attempts: 4, delay: Seconds(Duration::from_secs(1)) }
    }
}

/// A time span: a number of seconds, or a text such as `500ms`, `30s` or `2m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seconds(pub Duration);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong =
            || de::Error::custom("expected seconds, such as 30 or 0.5, or a text such as `500ms`, `30s` or `2m`");
        let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds).map_err(|_| wrong());
        Ok(Self(match Scalar::deserialize(deserializer).map_err(|_| wrong())? {
            Scalar::Int(it) => seconds(it as f64)?,
            Scalar::Float(it) => seconds(it)?,
            Scalar::Text(text) => match text.trim().parse() {
                Ok(it) => seconds(it)?,
                Err(_) => humantime::parse_duration(text.trim()).map_err(|_| wrong())?,
            },
            Scalar::Bool(_) => return Err(wrong()),
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

/// How pages follow each other: [`Pagination`], its defaults filled in.
#[derive(Debug, Clone)]
pub(crate) enum Paging {
    Page { param: String, start: u64 },
    Offset { param: String },
    Cursor { param: String, path: Path },
    LinkHeader,
    NextUrl { path: Path },
    None,
}

/// What is asked for: [`RestConfig`], its rules checked and its defaults filled in.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// The first page's URL, but for what paging adds.
    pub(crate) url: Url,
    pub(crate) paging: Paging,
    /// The parameter and value of the page size, if it is sent.
    pub(crate) size: Option<(String, u64)>,
    pub(crate) results: Path,
    pub(crate) has_next: Option<Path>,
    /// Whether the config says where that is.
    pub(crate) has_next_is_set: bool,
    /// 0: no limit.
    pub(crate) max_pages: u64,
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(Code::InvalidValue, message)
}

impl RestConfig {
    /// The plan of the requests.
    pub(crate) fn plan(&self) -> Result<Plan> {
        let (paging, size) = self.pagination.resolve()?;
        let mut url = self.url()?;
        let mut names: BTreeSet<&str> = self.params.keys().map(String::as_str).collect();
        let paging_param = match &paging {
            Paging::Page { param, .. } | Paging::Offset { param } | Paging::Cursor { param, .. } => Some(param),
            Paging::LinkHeader | Paging::NextUrl { .. } | Paging::None => None,
        };
        let since = self.incremental.as_ref().and_then(|it| it.param.as_ref());
        for name in paging_param.into_iter().chain(size.as_ref().map(|(param, _)| param)).chain(since) {
            if !names.insert(name) {
                return Err(invalid(format!("the query parameter `{name}` would be sent for two purposes"))
                    .hint("see `params`, the parameters of `pagination` and `incremental.param`"));
            }
        }
        if !self.params.is_empty() {
            let mut pairs = url.query_pairs_mut();
            for (name, value) in &self.params {
                let values = match value {
                    Param::One(value) => std::slice::from_ref(value),
                    Param::Many(values) => values,
                };
                pairs.extend_pairs(values.iter().map(|value| (name, value.to_string())));
            }
        }
        let Pagination { kind, results_key, has_next_key, max_pages, .. } = &self.pagination;
        let counted = matches!(kind.unwrap_or_default(), PagingKind::Page | PagingKind::Offset | PagingKind::Cursor);
        Ok(Plan {
            url,
            paging,
            size,
            results: Path::new(results_key.as_deref().unwrap_or("results")),
            has_next: counted.then(|| Path::new(has_next_key.as_deref().unwrap_or("has_next"))),
            has_next_is_set: has_next_key.is_some(),
            max_pages: max_pages.unwrap_or(0),
        })
    }

    /// `base_url` and `endpoint`.
    fn url(&self) -> Result<Url> {
        // The value is not shown: it may hold a password.
        let base = Url::parse(&self.base_url).map_err(|err| {
            invalid(format!("`base_url` is not a URL: {err}")).hint("write it whole, e.g. https://api.example.com/v1")
        })?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(invalid(format!("`base_url` begins with `{}:`", base.scheme()))
                .hint("a REST API is at http:// or https://"));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(invalid("`base_url` holds a user or password")
                .hint("use `auth_token`, or an `Authorization` under `headers`"));
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(invalid("`base_url` holds a query or fragment").hint("write query parameters under `params`"));
        }
        if self.endpoint.contains("://") {
            return Err(invalid("`endpoint` is a whole URL")
                .hint("write its first part as `base_url` and the rest as `endpoint`"));
        }
        let endpoint = self.endpoint.trim_start_matches('/');
        let base = self.base_url.trim_end_matches('/');
        let whole = if endpoint.is_empty() { base.to_owned() } else { format!("{base}/{endpoint}") };
        Url::parse(&whole).map_err(|err| {
            invalid(format!("`base_url` and `endpoint` make no URL: {err}"))
                .hint("write them so that, joined by `/`, they are one")
        })
    }

    /// The headers for `base_url`'s host.
    pub(crate) fn header_map(&self) -> Result<HeaderMap> {
        let value = |field: &str, text: &str| {
            let mut value = HeaderValue::from_str(text).map_err(|_| {
                invalid(format!("`{field}` holds a character that a header cannot"))
                    .hint("look for a line break or a letter beyond ASCII")
            })?;
            value.set_sensitive(true);
            Ok::<_, Error>(value)
        };
        let mut map = HeaderMap::new();
        for (name, secret) in &self.headers {
            let field = format!("headers.{name}");
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
                invalid(format!("`{name}` is not a header's name")).hint("it is made of letters, digits and `-`")
            })?;
            if map.insert(name, value(&field, secret.expose())?).is_some() {
                return Err(invalid(format!("`{field}` is given twice"))
                    .hint("upper and lower case are the same: remove one of them"));
            }
        }
        if let Some(token) = self.token()
            && map.insert(AUTHORIZATION, value("auth_token", &format!("Bearer {token}"))?).is_some()
        {
            return Err(invalid("`auth_token` and `headers.Authorization` are both set").hint("remove one of them"));
        }
        Ok(map)
    }

    /// The bearer token.
    pub(crate) fn token(&self) -> Option<&str> {
        self.auth_token.as_ref().map(Secret::expose).filter(|token| !token.is_empty())
    }

    /// Refuses fields that contradict each other.
    pub(crate) fn check(&self) -> Result<()> {
        self.plan()?;
        self.header_map()?;
        if self.body.is_some() && self.method == Method::Get {
            return Err(Error::new(Code::InertConfig, "`body` is not sent with a `get`").hint("add `method: post`"));
        }
        for (field, value) in [("timeout.connect", self.timeout.connect), ("timeout.request", self.timeout.request)] {
            if value.0.is_zero() {
                return Err(invalid(format!("`{field}` is 0")).hint("a request needs some time"));
            }
        }
        if self.retry.max_attempts == 0 {
            return Err(invalid("`retry.max_attempts` is 0").hint("1 means one attempt and no second one"));
        }
        if let Some(Incremental { column, param, initial }) = &self.incremental {
            if column.is_empty() {
                return Err(invalid("`incremental.column` is empty").hint("name the column that grows, e.g. `id`"));
            }
            if initial.is_some() && param.is_none() {
                return Err(Error::new(
                    Code::InertConfig,
                    "`incremental.initial` is not sent without `incremental.param`",
                )
                .hint("set `incremental.param`, or remove `incremental.initial`"));
            }
        }
        Ok(())
    }
}

impl Pagination {
    fn resolve(&self) -> Result<(Paging, Option<(String, u64)>)> {
        use PagingKind::{Cursor, LinkHeader, NextUrl, None, Offset, Page};
        let kind = self.kind.unwrap_or_default();
        let paged = &[Page, Offset, Cursor, LinkHeader, NextUrl][..];
        // An option that the kind does not read would be silently ignored.
        for (name, is_set, kinds) in [
            ("page_param", self.page_param.is_some(), &[Page][..]),
            ("start_page", self.start_page.is_some(), &[Page]),
            ("offset_param", self.offset_param.is_some(), &[Offset]),
            ("cursor_param", self.cursor_param.is_some(), &[Cursor]),
            ("cursor_path", self.cursor_path.is_some(), &[Cursor]),
            ("next_url_path", self.next_url_path.is_some(), &[NextUrl]),
            ("has_next_key", self.has_next_key.is_some(), &[Page, Offset, Cursor]),
            ("size_param", self.size_param.is_some(), paged),
            ("page_size", self.page_size.is_some(), paged),
            ("max_pages", self.max_pages.is_some(), paged),
        ] {
            if is_set && !kinds.contains(&kind) {
                let kinds: Vec<_> = kinds.iter().map(|kind| kind.name()).collect();
                return Err(Error::new(
                    Code::InertConfig,
                    format!("`pagination.{name}` is not read when `kind` is `{}`", kind.name()),
                )
                .hint(format!("it belongs to {}", kinds.join(", "))));
            }
        }
        let named = |field: &str, value: &Option<String>, default: &str| match value.as_deref().unwrap_or(default) {
            "" => Err(invalid(format!("`pagination.{field}` is empty")).hint("name it, or remove the line")),
            name => Ok(name.to_owned()),
        };
        let paging = match kind {
            Page => Paging::Page {
                param: named("page_param", &self.page_param, "page")?,
                start: self.start_page.unwrap_or(1),
            },
            Offset => Paging::Offset { param: named("offset_param", &self.offset_param, "offset")? },
            Cursor => {
                let Some(path) = self.cursor_path.as_deref().filter(|path| !path.is_empty()) else {
                    return Err(Error::new(Code::MissingKey, "`pagination.cursor_path` is missing")
                        .hint("say where in the answer the next cursor is, e.g. `cursor_path: meta.next_cursor`"));
                };
                Paging::Cursor { param: named("cursor_param", &self.cursor_param, "cursor")?, path: Path::new(path) }
            }
            LinkHeader => Paging::LinkHeader,
            NextUrl => Paging::NextUrl { path: Path::new(&named("next_url_path", &self.next_url_path, "next")?) },
            None => Paging::None,
        };
        if self.page_size == Some(0) {
            return Err(invalid("`pagination.page_size` is 0").hint("a page holds at least one record"));
        }
        let is_sent = match kind {
            Page | Offset => true,
            Cursor | LinkHeader | NextUrl => self.size_param.is_some() || self.page_size.is_some(),
            None => false,
        };
        let param = self.size_param.as_deref().unwrap_or("limit");
        if param.is_empty() && self.page_size.is_some() {
            return Err(Error::new(
                Code::InertConfig,
                "`pagination.page_size` is not sent, because `size_param` is empty",
            )
            .hint("remove one of the two"));
        }
        Ok((paging, (is_sent && !param.is_empty()).then(|| (param.to_owned(), self.page_size.unwrap_or(100)))))
    }
}

impl PagingKind {
    fn name(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Offset => "offset",
            Self::Cursor => "cursor",
            Self::LinkHeader => "link_header",
            Self::NextUrl => "next_url",
            Self::None => "none",
        }
    }
}
