//! What a user writes under `target:`.

use phlo_plugin::{Error, Result};
use phlo_spec::{Code, Secret};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio_postgres::config::{Config, Host, SslMode};

/// The table that is published to.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PostgresConfig {
    /// The database: `postgres://user:password@host:port/database`.
    pub url: Secret,
    /// The schema, which must exist. `public` by default.
    #[serde(default)]
    pub schema: Option<String>,
    /// The table. It is made if it is not there.
    pub table: String,
    /// What becomes of the rows that are there.
    #[serde(default)]
    pub mode: Mode,
    /// The columns that identify a row: the primary key of a table that is made. `upsert` needs it, and a unique index on it.
    #[serde(default)]
    pub unique_key: Vec<String>,
}

/// What becomes of the rows that are there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The new ones take their place.
    #[default]
    Replace,
    /// Those with the key of a new one are updated, and the others stay.
    Upsert,
}

impl PostgresConfig {
    /// Refuses what cannot be.
    pub(crate) fn check(&self) -> Result<()> {
        let invalid = |message: &str, hint: &str| Err(Error::new(Code::InvalidValue, message).hint(hint));
        let database = self.database()?;
        if database.get_ssl_mode() == SslMode::Require {
            return Err(Error::new(Code::Unsupported, "`url` demands TLS, which this target does not speak yet")
                .hint("publish through a local proxy or tunnel, and leave out `sslmode`"));
        }
        if database.get_hosts().is_empty() || database.get_dbname().is_none() {
            return invalid(
                "`url` names no host or no database",
                "write `postgres://user:password@host:port/database`",
            );
        }
        for (field, name) in [("table", Some(&self.table)), ("schema", self.schema.as_ref())] {
            // A longer name is cut off by the server, in silence.
            if name.is_some_and(|name| name.is_empty() || name.len() > 63 || name.contains('\0')) {
                return invalid(&format!("`{field}` is no name in PostgreSQL"), "write 1 to 63 bytes");
            }
        }
        if self.mode == Mode::Upsert && self.unique_key.is_empty() {
            return Err(Error::new(Code::MissingKey, "`mode: upsert` needs `unique_key`")
                .hint("name the columns that identify a row"));
        }
        if let Some(twice) = self.unique_key.iter().enumerate().find(|(at, c)| self.unique_key[..*at].contains(c)) {
            return invalid(&format!("`unique_key` names `{}` twice", twice.1), "remove one");
        }
        Ok(())
    }

    /// How the database is reached.
    pub(crate) fn database(&self) -> Result<Config> {
        self.url.expose().parse().map_err(|_| {
            // The cause may quote the URL.
            Error::new(Code::InvalidValue, "`url` is no address of a database")
                .hint("write `postgres://user:password@host:port/database`; `%40` for an `@` in the password")
        })
    }

    /// Schema and table, quoted.
    pub(crate) fn qualified(&self) -> String {
        format!("{}.{}", quote(self.schema.as_deref().unwrap_or("public")), quote(&self.table))
    }

    /// Where it publishes to, without secrets.
    pub(crate) fn location(&self) -> String {
        let table = format!("{}.{}", self.schema.as_deref().unwrap_or("public"), self.table);
        let Ok(database) = self.database() else { return format!("postgres:{table}") };
        let host = match database.get_hosts().first() {
            Some(Host::Tcp(host)) => host.clone(),
            _ => "localhost".to_owned(),
        };
        let port = database.get_ports().first().map_or_else(String::new, |port| format!(":{port}"));
        format!("postgres://{host}{port}/{}/{table}", database.get_dbname().unwrap_or_default())
    }
}

/// A name for SQL.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
