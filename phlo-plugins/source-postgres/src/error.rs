//! What the driver and the server say, as errors with a code, a next step, and whether trying again can help.

use std::error::Error as _;

use phlo_plugin::prelude::*;
use phlo_spec::Redactor;
use tokio_postgres::error::{DbError, ErrorPosition, SqlState};

/// Makes errors about one database.
#[derive(Debug, Clone)]
pub(crate) struct Teller {
    /// The database, for people.
    pub(crate) database: String,
    /// The user, for people.
    pub(crate) user: String,
    /// Knows the secrets of the config.
    pub(crate) redactor: Redactor,
}

/// Where a user's own query stands within the SQL that is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Within<'a> {
    pub(crate) query: &'a str,
    /// Characters before it.
    pub(crate) before: usize,
}

impl Teller {
    fn error(&self, code: Code, message: impl AsRef<str>) -> Error {
        Error::new(code, self.redactor.clean(message.as_ref())).with("database", &self.database)
    }

    /// What went wrong between the two sides, or what the server refused.
    pub(crate) fn tell(&self, err: &tokio_postgres::Error, within: Option<Within<'_>>) -> Error {
        match err.as_db_error() {
            Some(db) => self.refusal(db, within),
            None => self.failure(err),
        }
    }

    fn failure(&self, err: &tokio_postgres::Error) -> Error {
        let mut causes = Vec::new();
        let mut next = err.source();
        while let Some(cause) = next {
            causes.push(cause.to_string());
            next = cause.source();
        }
        let cause = causes.join(": ");
        let told = if cause.is_empty() { err.to_string() } else { format!("{err}: {cause}") };
        // The driver tells its kinds of errors by their texts alone.
        let kind = err.to_string();
        if kind.contains("TLS") {
            let hint = if cause.contains("does not support TLS") {
                "the server does not offer TLS: switch it on there, or set `sslmode: disable` where nobody can listen"
            } else if cause.contains("UnknownIssuer") {
                "the server's certificate is of nobody that is trusted: name its authority in `ssl_root_cert`"
            } else if cause.contains("CaUsedAsEndEntity") {
                "the server shows an authority's own certificate: give it one that is signed by the authority"
            } else if cause.contains("NotValidForName") || cause.contains("not valid for name") {
                "the server's certificate is of another name: connect by the name that is in it"
            } else {
                "check `sslmode`, `ssl_root_cert` and the server's certificate"
            };
            return self.error(Code::ConnectionFailed, format!("no encrypted connection: {told}")).hint(hint);
        }
        if kind.contains("authentication") || kind.contains("configuration") {
            let hint = if cause.contains("password missing") {
                "the server asks for a password: set `password`"
            } else {
                "check `user`, `password`, and `channel_binding` in the URL"
            };
            return self.error(Code::AuthFailed, format!("user `{}` is not let in: {told}", self.user)).hint(hint);
        }
        self.error(Code::ConnectionFailed, format!("the connection failed: {told}"))
            .hint("check host and port, and that the server runs and can be reached from here")
            .retryable()
    }

    fn refusal(&self, db: &DbError, within: Option<Within<'_>>) -> Error {
        let (code, state) = (db.code(), db.code().code());
        let message = db.message();
        let says = |code| self.error(code, message).with("sqlstate", state);
        let error = match *code {
            SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
                return says(Code::AuthFailed)
                    .with("user", &self.user)
                    .hint("check `user` and `password`, and who may connect from here (`pg_hba.conf`)");
            }
            SqlState::INVALID_CATALOG_NAME => {
                return says(Code::SourceNotFound).hint("check `database`; `psql --list` shows those that there are");
            }
            SqlState::INSUFFICIENT_PRIVILEGE => says(Code::AuthFailed).with("user", &self.user).hint(format!(
                "let the user read it: `GRANT SELECT ON … TO {0}`, and `GRANT USAGE ON SCHEMA … TO {0}`",
                self.user
            )),
            SqlState::UNDEFINED_TABLE | SqlState::INVALID_SCHEMA_NAME => says(Code::SourceNotFound),
            SqlState::UNDEFINED_COLUMN => says(Code::UnknownColumn),
            SqlState::QUERY_CANCELED if message.contains("statement timeout") => says(Code::RemoteBusy)
                .hint("raise `statement_timeout`, read less (`select`, `incremental`), or add an index"),
            SqlState::T_R_SERIALIZATION_FAILURE if message.contains("recovery") => says(Code::RemoteBusy)
                .hint("a standby gives up long readings: set `hot_standby_feedback` there, or read from the primary")
                .retryable(),
            SqlState::T_R_SERIALIZATION_FAILURE
            | SqlState::T_R_DEADLOCK_DETECTED
            | SqlState::LOCK_NOT_AVAILABLE
            | SqlState::QUERY_CANCELED => says(Code::RemoteBusy).retryable(),
            SqlState::READ_ONLY_SQL_TRANSACTION => {
                says(Code::RemoteRefused).hint("a `query` only reads: what it calls must not write")
            }
            SqlState::TOO_MANY_CONNECTIONS | SqlState::CONFIGURATION_LIMIT_EXCEEDED => {
                says(Code::RemoteBusy).hint("lower `max_connections` of the source, or raise the server's").retryable()
            }
            SqlState::CANNOT_CONNECT_NOW | SqlState::ADMIN_SHUTDOWN | SqlState::CRASH_SHUTDOWN => {
                says(Code::ConnectionFailed).retryable()
            }
            _ => match &state[..2] {
                "08" => says(Code::ConnectionFailed).retryable(),
                // Out of memory, disk or connections.
                "53" => says(Code::RemoteBusy).retryable(),
                "42" => says(Code::SqlError),
                "22" => says(Code::MalformedData),
                _ => says(Code::RemoteRefused),
            },
        };
        let error = match (db.position(), within) {
            (Some(ErrorPosition::Original(position)), Some(within)) => match place(*position as usize, within) {
                Some((line, column)) => error.with("query_line", line).with("query_column", column),
                None => error,
            },
            _ => error,
        };
        let error = match db.detail() {
            Some(detail) => error.with("detail", self.redactor.clean(detail)),
            None => error,
        };
        match db.hint() {
            Some(hint) => error.hint(self.redactor.clean(hint)),
            None => error,
        }
    }
}

/// Line and column, from 1, of a position within the user's query.
fn place(position: usize, within: Within<'_>) -> Option<(usize, usize)> {
    let at = position.checked_sub(within.before + 1)?;
    let before: String = within.query.chars().take(at).collect();
    if at > within.query.chars().count() {
        return None;
    }
    let line = before.matches('\n').count() + 1;
    Some((line, before.chars().rev().take_while(|c| *c != '\n').count() + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_told_by_line_and_column_of_the_query() {
        let within = Within { query: "SELECT é,\n  nope\nFROM t", before: 10 };
        assert_eq!(place(11, within), Some((1, 1)));
        assert_eq!(place(11 + 12, within), Some((2, 3)));
        assert_eq!(place(5, within), None);
        assert_eq!(place(99, within), None);
    }
}
