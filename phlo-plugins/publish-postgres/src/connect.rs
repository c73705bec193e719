//! A connection that ends with its owner, and what the server says as errors.

use phlo_plugin::{Error, Result};
use phlo_spec::Code;
use tokio::task::JoinSet;
use tokio_postgres::{Client, NoTls};

use crate::config::PostgresConfig;

/// A connection. When it is dropped the server takes back what was not committed.
pub(crate) struct Connection {
    pub(crate) client: Client,
    _driver: JoinSet<()>,
}

/// Connects.
pub(crate) async fn connect(config: &PostgresConfig) -> Result<Connection> {
    let mut database = config.database()?;
    database.application_name("phlo");
    if database.get_connect_timeout().is_none() {
        database.connect_timeout(std::time::Duration::from_secs(30));
    }
    let (client, connection) = database.connect(NoTls).await.map_err(failed)?;
    let mut driver = JoinSet::new();
    driver.spawn(async move {
        // What ends the connection is told by the call that waits for an answer.
        let _ = connection.await;
    });
    Ok(Connection { client, _driver: driver })
}

/// The error for what the server, or the way to it, says.
pub(crate) fn failed(err: tokio_postgres::Error) -> Error {
    let Some(said) = err.as_db_error() else {
        return Error::new(Code::ConnectionFailed, "the database cannot be reached")
            .hint("check `url`, and that the server runs")
            .because(err)
            .retryable();
    };
    let state = said.code().code();
    let detail = said.detail().map_or_else(String::new, |detail| format!(" ({detail})"));
    let message = format!("the database refused: {}{detail}", said.message());
    let told = |code: Code, hint: &str| Error::new(code, message.clone()).with("sqlstate", state).hint(hint);
    match (state, &state[..2]) {
        (_, "28") => told(Code::AuthFailed, "check user and password in `url`"),
        ("42501", _) => told(Code::AuthFailed, "grant the user what it needs"),
        ("3D000", _) => told(Code::ConnectionFailed, "make the database, or name another one in `url`"),
        ("3F000", _) => told(Code::StorageFailed, "make the schema, or name another one under `schema`"),
        ("42P10", _) => told(Code::Unsupported, "make a unique index on the columns of `unique_key`"),
        ("21000" | "23505", _) => {
            told(Code::DuplicateKeys, "make the rows unique in a `query`, or complete `unique_key`")
        }
        (_, "22" | "23") => told(Code::MalformedData, "the rows that are there stay as they are"),
        (_, "40" | "55" | "57" | "08") => {
            told(Code::RemoteBusy, "the rows that are there stay as they are").retryable()
        }
        _ => told(Code::StorageFailed, "the rows that are there stay as they are"),
    }
}
