//! What users write under `source:` for PostgreSQL, and the rules that hold between its fields.

use std::fmt;
use std::time::Duration;

use phlo_plugin::prelude::*;
use schemars::{JsonSchema, json_schema};
use serde::{Deserialize, Deserializer, de};
use tokio_postgres::config::Host;
use url::Url;

/// Rows from a table or a query of PostgreSQL.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PostgresConfig {
    /// The database, e.g. `postgresql://user:password@host:5432/database?sslmode=verify-full`. Instead of `host`, `port`,
    /// `database`, `user` and `password`.
    #[serde(default)]
    pub url: Option<Secret>,
    /// The server: a name, an address, or the folder of a Unix socket.
    #[serde(default)]
    pub host: Option<String>,
    /// Its port; 5432 unless set.
    #[serde(default)]
    pub port: Option<u16>,
    /// The database; called as the user unless set.
    #[serde(default)]
    pub database: Option<String>,
    /// The user.
    #[serde(default)]
    pub user: Option<String>,
    /// The user's password, if the server asks for one.
    #[serde(default)]
    pub password: Option<Secret>,
    /// `disable`: never encrypted. `prefer`: encrypted if the server offers it. `require`: encrypted, or no connection. With
    /// these two nothing is verified: whoever can redirect the connection can pose as the server. `verify-full`: encrypted, and
    /// the certificate and the host name in it are verified. `prefer` unless set here or in the URL.
    #[serde(default)]
    pub sslmode: Option<SslMode>,
    /// A file of certificates (PEM), relative to the project, that `verify-full` trusts instead of those of the machine.
    #[serde(default)]
    pub ssl_root_cert: Option<String>,
    /// The table or view to be read: `schema.name`, or `name` of the user's search path. As it is stored: case matters, and a name
    /// with a dot in it stands in double quotes. Either this or `query`.
    #[serde(default)]
    pub table: Option<String>,
    /// The query whose rows are read: one `SELECT`, `VALUES` or `WITH`. It runs in a transaction that can only read, with the
    /// time zone UTC.
    #[serde(default)]
    pub query: Option<String>,
    /// The columns of `table` to be read, in this order; all unless set.
    #[serde(default)]
    pub select: Option<Vec<String>>,
    /// Read only what is new since the last commit.
    #[serde(default)]
    pub incremental: Option<Incremental>,
    /// Into how many connections the first reading of a table may be divided, at most; 4 unless set.
    #[serde(default)]
    pub max_connections: Option<usize>,
    /// How long the server may work on one statement, the whole reading of a stream included; as the server has it unless set.
    #[serde(default)]
    pub statement_timeout: Option<Span>,
    /// How long to wait for a connection; 10 seconds unless set.
    #[serde(default)]
    pub connect_timeout: Option<Span>,
}

/// Read only what is new since the last commit.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Incremental {
    /// A column whose value is higher in whatever is added or changed later, e.g. `id` or `updated_at`. It must not be null.
    pub column: String,
    /// In the first reading, only rows whose value is at least this: a number or a text, as PostgreSQL reads it.
    #[serde(default)]
    pub start: Option<Scalar>,
    /// How far below the highest value that was read the next reading begins again, for transactions that commit late: a time
    /// such as `10m` for a date or time, a number for a number. Rows that were read before and did not change are left out, as
    /// long as there are no more than 5000 of them.
    #[serde(default)]
    pub lag: Option<Scalar>,
}

/// A text or a number.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a text or a number")]
pub enum Scalar {
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
            Self::Int(it) => it.fmt(f),
            Self::Float(it) => it.fmt(f),
            Self::Text(it) => f.write_str(it),
        }
    }
}

/// How far below the highest value a reading begins.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Lag {
    /// Nothing: at the value itself.
    Zero,
    /// For numbers.
    Number(String),
    /// For dates and times.
    Time(Duration),
}

impl Incremental {
    /// `lag`, understood.
    pub(crate) fn lag(&self) -> Result<Option<Lag>> {
        let Some(lag) = &self.lag else { return Ok(None) };
        let wrong = || {
            invalid(format!("`incremental.lag` is `{lag}`"))
                .hint("write a time such as `10m` for a date or time, and a number that is not negative for a number")
        };
        Ok(Some(match lag {
            Scalar::Int(0) => Lag::Zero,
            Scalar::Int(it) if *it > 0 => Lag::Number(it.to_string()),
            Scalar::Float(it) if *it > 0.0 => Lag::Number(it.to_string()),
            Scalar::Text(text) => match humantime::parse_duration(text.trim()) {
                Ok(Duration::ZERO) => Lag::Zero,
                Ok(time) => Lag::Time(time),
                Err(_) => return Err(wrong()),
            },
            Scalar::Int(_) | Scalar::Float(_) => return Err(wrong()),
        }))
    }
}

/// How the connection is encrypted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SslMode {
    /// Never.
    Disable,
    /// If the server offers it; nothing is verified.
    #[default]
    Prefer,
    /// Always; nothing is verified.
    Require,
    /// Always, and the server's certificate and host name are verified.
    VerifyFull,
}

impl SslMode {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "disable" => Self::Disable,
            "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-full" => Self::VerifyFull,
            _ => return None,
        })
    }
}

/// A time span: a number of seconds, or a text such as `500ms`, `30s` or `2m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong =
            || de::Error::custom("expected seconds, such as 30 or 0.5, or a text such as `500ms`, `30s` or `2m`");
        let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds).map_err(|_| wrong());
        let span = match Scalar::deserialize(deserializer).map_err(|_| wrong())? {
            Scalar::Int(it) => seconds(it as f64)?,
            Scalar::Float(it) => seconds(it)?,
            Scalar::Text(text) => humantime::parse_duration(text.trim()).map_err(|_| wrong())?,
        };
        // The server counts in milliseconds, and 0 means no limit there.
        if span.as_millis() == 0 { Err(wrong()) } else { Ok(Self(span)) }
    }
}

impl JsonSchema for Span {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Span".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        json_schema!({ "type": ["number", "string"], "description": "seconds, or a text such as 500ms, 30s or 2m" })
    }
}

pub(crate) fn invalid(message: impl Into<String>) -> Error {
    Error::new(Code::InvalidValue, message)
}

/// A relation by its name as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableName {
    pub(crate) schema: Option<String>,
    pub(crate) name: String,
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// What is read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum What<'a> {
    Table(&'a str),
    Query(&'a str),
}

/// Where and how to connect.
pub(crate) struct Target {
    pub(crate) config: tokio_postgres::Config,
    pub(crate) sslmode: SslMode,
    /// For people: `postgresql://host:port/database`.
    pub(crate) shown: String,
}

impl PostgresConfig {
    /// Refuses fields that contradict each other.
    pub(crate) fn check(&self) -> Result<()> {
        self.target()?;
        if let What::Table(table) = self.what()? {
            parse_table(table)?;
        } else if self.select.is_some() {
            return Err(invalid("`select` chooses columns of `table`; a `query` chooses its own")
                .hint("remove `select`, and name the columns in `query`"));
        }
        if self.select.as_ref().is_some_and(Vec::is_empty) {
            return Err(invalid("`select` names no column").hint("remove it to read all of them"));
        }
        if self.max_connections == Some(0) {
            return Err(invalid("`max_connections` is 0").hint("write 1 or more, or remove it"));
        }
        if let Some(incremental) = &self.incremental {
            incremental.lag()?;
            let left_out = |select: &Vec<String>| !select.contains(&incremental.column);
            if self.select.as_ref().is_some_and(left_out) {
                return Err(invalid(format!(
                    "`select` leaves out `{}`, which `incremental` follows",
                    incremental.column
                ))
                .hint("add it to `select`"));
            }
        }
        Ok(())
    }

    /// The table or the query.
    pub(crate) fn what(&self) -> Result<What<'_>> {
        match (&self.table, &self.query) {
            (Some(table), None) => Ok(What::Table(table)),
            (None, Some(query)) if query.trim().is_empty() => {
                Err(invalid("`query` is empty").hint("write a SELECT, or name a `table`"))
            }
            (None, Some(query)) => Ok(What::Query(query)),
            (Some(_), Some(_)) => {
                Err(invalid("`table` and `query` are given, and one of them is read").hint("remove one of them"))
            }
            (None, None) => Err(Error::new(Code::MissingKey, "neither `table` nor `query` says what is read")
                .hint("write `table: schema.name`, or a SELECT as `query`")),
        }
    }

    /// The table's name, taken apart.
    pub(crate) fn table_name(table: &str) -> Result<TableName> {
        parse_table(table)
    }

    /// The secrets in it.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let mut secrets: Vec<String> = self.password.iter().map(|it| it.expose().to_owned()).collect();
        if let Some(url) = &self.url {
            secrets.push(url.expose().to_owned());
            if let Ok(config) = url.expose().parse::<tokio_postgres::Config>()
                && let Some(password) = config.get_password()
            {
                secrets.push(String::from_utf8_lossy(password).into_owned());
            }
            if let Some(password) = Url::parse(url.expose()).ok().as_ref().and_then(Url::password) {
                secrets.push(password.to_owned());
            }
        }
        secrets
    }

    /// Where and how to connect.
    pub(crate) fn target(&self) -> Result<Target> {
        let (mut config, from_url) = match &self.url {
            Some(url) => self.of_url(url)?,
            None => (self.of_parts()?, None),
        };
        let sslmode = match (self.sslmode, from_url) {
            (Some(here), Some(there)) if here != there => {
                return Err(invalid("`sslmode` and the `sslmode` in `url` differ").hint("remove one of them"));
            }
            (here, there) => here.or(there).unwrap_or_default(),
        };
        if self.ssl_root_cert.is_some() && sslmode != SslMode::VerifyFull {
            return Err(invalid("`ssl_root_cert` is what `sslmode: verify-full` trusts, and that is not set")
                .hint("add `sslmode: verify-full`"));
        }
        config.ssl_mode(match sslmode {
            SslMode::Disable => tokio_postgres::config::SslMode::Disable,
            SslMode::Prefer => tokio_postgres::config::SslMode::Prefer,
            SslMode::Require | SslMode::VerifyFull => tokio_postgres::config::SslMode::Require,
        });
        if let Some(timeout) = self.connect_timeout {
            config.connect_timeout(timeout.0);
        } else if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(10));
        }
        if config.get_application_name().is_none() {
            config.application_name("phlo");
        }
        let port = |index: usize| match config.get_ports() {
            [] => 5432,
            [one] => *one,
            many => many.get(index).copied().unwrap_or(5432),
        };
        let hosts = config.get_hosts().iter().enumerate().map(|(index, host)| match host {
            Host::Tcp(name) if name.contains(':') => format!("[{name}]:{}", port(index)),
            Host::Tcp(name) => format!("{name}:{}", port(index)),
            #[cfg(unix)]
            Host::Unix(folder) => format!("{}:{}", folder.display(), port(index)),
        });
        let hosts = hosts.collect::<Vec<_>>().join(",");
        let database = config.get_dbname().or(config.get_user()).unwrap_or_default();
        let shown = format!("postgresql://{hosts}/{database}");
        Ok(Target { config, sslmode, shown })
    }

    fn of_parts(&self) -> Result<tokio_postgres::Config> {
        let missing = |name: &str| {
            Error::new(Code::MissingKey, format!("`{name}` is missing"))
                .hint("set `host`, `database` and `user`, or `url`")
        };
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let mut config = tokio_postgres::Config::new();
        config.host(filled(&self.host).ok_or_else(|| missing("host"))?);
        config.user(filled(&self.user).ok_or_else(|| missing("user"))?);
        config.port(self.port.unwrap_or(5432));
        if let Some(database) = filled(&self.database) {
            config.dbname(database);
        }
        if let Some(password) = &self.password {
            config.password(password.expose());
        }
        Ok(config)
    }

    fn of_url(&self, url: &Secret) -> Result<(tokio_postgres::Config, Option<SslMode>)> {
        let given = [
            ("host", self.host.is_some()),
            ("port", self.port.is_some()),
            ("database", self.database.is_some()),
            ("user", self.user.is_some()),
            ("password", self.password.is_some()),
        ];
        if let Some((name, _)) = given.iter().find(|(_, given)| *given) {
            return Err(
                invalid(format!("`url` says where the database is, and so does `{name}`")).hint("remove one of them")
            );
        }
        // The value and what parsers say of it are not shown: it may hold a password.
        let wrong = |what: &str| {
            invalid(format!("`url` {what}"))
                .hint("write `postgresql://user:password@host:5432/database`; signs such as @ or / in a password as %40 or %2F")
        };
        let text = url.expose().trim();
        if !["postgresql://", "postgres://"].iter().any(|scheme| text.starts_with(scheme)) {
            return Err(wrong("does not begin with `postgresql://`"));
        }
        // The driver knows neither `verify-full` nor where certificates are.
        let (base, query) = text.split_once('?').unwrap_or((text, ""));
        let (mut sslmode, mut rest) = (None, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", mode)) => {
                    sslmode = Some(SslMode::parse(mode).ok_or_else(|| {
                        invalid("the `sslmode` in `url` is not known")
                            .hint("known: disable, prefer, require, verify-full")
                    })?);
                }
                Some(("sslrootcert", _)) => {
                    return Err(invalid("`url` holds `sslrootcert`").hint("write it as `ssl_root_cert` beside `url`"));
                }
                _ => rest.push(pair),
            }
        }
        let text = if rest.is_empty() { base.to_owned() } else { format!("{base}?{}", rest.join("&")) };
        let config: tokio_postgres::Config = text.parse().map_err(|_| wrong("cannot be understood"))?;
        if config.get_hosts().is_empty() {
            return Err(wrong("names no host"));
        }
        if config.get_user().is_none() {
            return Err(wrong("names no user"));
        }
        Ok((config, sslmode))
    }
}

fn parse_table(text: &str) -> Result<TableName> {
    let wrong = || invalid(format!("`table` is `{text}`")).hint("write `schema.name`, or `name` alone");
    let (mut parts, mut part, mut chars) = (Vec::new(), String::new(), text.trim().chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            '.' => parts.push(std::mem::take(&mut part)),
            '"' if part.is_empty() => loop {
                match chars.next() {
                    Some('"') if chars.peek() == Some(&'"') => part.extend(chars.next()),
                    Some('"') if matches!(chars.peek(), None | Some('.')) => break,
                    Some(c) if c != '"' => part.push(c),
                    _ => return Err(wrong()),
                }
            },
            c => part.push(c),
        }
    }
    parts.push(part);
    if parts.iter().any(String::is_empty) {
        return Err(wrong());
    }
    match (parts.pop(), parts.pop(), parts.pop()) {
        (Some(name), schema, None) => Ok(TableName { schema, name }),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(yaml: &str) -> Result<PostgresConfig> {
        let config: PostgresConfig = Node::parse(yaml, "a.yaml", 1)?.read()?;
        config.check()?;
        Ok(config)
    }

    #[test]
    fn table_names_are_taken_apart_as_they_are_stored() {
        for (text, schema, name) in [
            ("flights", None, "flights"),
            ("public.Flights", Some("public"), "Flights"),
            ("\"a.b\".\"c\"\"d\"", Some("a.b"), "c\"d"),
        ] {
            let want = TableName { schema: schema.map(str::to_owned), name: name.to_owned() };
            assert_eq!(parse_table(text).unwrap(), want, "{text}");
        }
        for text in ["", ".", "a.", ".a", "a.b.c", "\"a", "\"a\"b"] {
            assert!(parse_table(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_url_and_its_parts_lead_to_the_same_place() {
        let whole =
            config("url: postgresql://u:p%40ss@db.example:6000/shop?sslmode=require&connect_timeout=3\ntable: t");
        let parts = config("{host: db.example, port: 6000, database: shop, user: u, password: p@ss, table: t}");
        let (whole, parts) = (whole.unwrap(), parts.unwrap());
        let (a, b) = (whole.target().unwrap(), parts.target().unwrap());
        assert_eq!((a.shown.as_str(), a.sslmode), ("postgresql://db.example:6000/shop", SslMode::Require));
        assert_eq!((b.shown.as_str(), b.sslmode), ("postgresql://db.example:6000/shop", SslMode::Prefer));
        assert_eq!(a.config.get_password(), b.config.get_password());
        assert!(whole.secrets().contains(&"p@ss".to_owned()) && whole.secrets().contains(&"p%40ss".to_owned()));
    }

    #[test]
    fn what_is_refused_names_its_field_and_shows_no_secret() {
        let there = "host: h\nuser: u\n";
        for (yaml, told) in [
            (format!("{there}table: t\nquery: SELECT 1"), "`query`"),
            (there.to_owned(), "`table`"),
            (format!("{there}query: \" \""), "`query`"),
            (format!("{there}query: SELECT 1\nselect: [a]"), "`select`"),
            (format!("{there}table: t\nselect: []"), "`select`"),
            (format!("{there}table: t\nselect: [a]\nincremental: {{column: b}}"), "`select`"),
            (format!("{there}table: t\nincremental: {{column: b, lag: -1}}"), "`incremental.lag`"),
            (format!("{there}table: t\nincremental: {{column: b, lag: soon}}"), "`incremental.lag`"),
            (format!("{there}table: t\nmax_connections: 0"), "`max_connections`"),
            (format!("{there}table: t\nssl_root_cert: ca.pem"), "`ssl_root_cert`"),
            (format!("{there}table: t\nsslmode: verify-ca"), "verify-full"),
            (format!("{there}table: t\nstatement_timeout: 0"), "seconds"),
            (format!("{there}table: a.b.c"), "`table`"),
            ("table: t\nuser: u".to_owned(), "`host`"),
            ("table: t\nhost: h".to_owned(), "`user`"),
            ("table: t\nurl: mysql://u:hunter22@h/d".to_owned(), "`url`"),
            ("table: t\nurl: postgresql://u:hunter22@h/d?nonsense=1".to_owned(), "`url`"),
            ("table: t\nurl: postgresql://u:hunter22@h/d?sslmode=verify-ca".to_owned(), "`url`"),
            ("table: t\nurl: postgresql://u:hunter22@h/d?sslrootcert=x".to_owned(), "`ssl_root_cert`"),
            ("table: t\nurl: postgresql://u:hunter22@h/d\nport: 1".to_owned(), "`port`"),
            ("table: t\nurl: postgresql://u:hunter22@h/d?sslmode=require\nsslmode: disable".to_owned(), "`sslmode`"),
            ("table: t\nurl: postgresql:///d?user=u".to_owned(), "`url`"),
        ] {
            let err = config(&yaml).expect_err(&yaml);
            let text = format!("{err:?} {:?}", err.hints());
            assert!(text.contains(told) && !text.contains("hunter22"), "{yaml}: {text}");
        }
    }
}
