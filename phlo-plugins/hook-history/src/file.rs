//! The file: opening it, its schema, and failures with its path.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use phlo_plugin::{Error, Result};
use phlo_spec::Code;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

/// Its name in the state folder.
pub(crate) const NAME: &str = "history.db";

/// How long one process waits for another's transaction.
const BUSY: Duration = Duration::from_secs(10);

/// The schema: the step at index `n` makes version `n + 1`. A step that was released is never changed; new ones are added.
const STEPS: &[&str] = &["
    CREATE TABLE runs (
        id TEXT NOT NULL PRIMARY KEY,
        status TEXT NOT NULL,
        started_at INTEGER NOT NULL,
        ended_at INTEGER,
        selection TEXT NOT NULL,
        tags TEXT NOT NULL,
        pid INTEGER,
        born TEXT
    );
    CREATE INDEX runs_by_start ON runs (started_at, id);

    CREATE TABLE asset_runs (
        seq INTEGER PRIMARY KEY,
        run_id TEXT NOT NULL,
        asset TEXT NOT NULL,
        part TEXT NOT NULL,
        ended_at INTEGER NOT NULL,
        record TEXT NOT NULL,
        UNIQUE (run_id, asset, part)
    );
    CREATE INDEX asset_runs_by_asset ON asset_runs (asset, seq);

    CREATE TABLE checks (
        run_id TEXT NOT NULL,
        asset TEXT NOT NULL,
        part TEXT NOT NULL,
        name TEXT NOT NULL,
        position INTEGER NOT NULL,
        at INTEGER NOT NULL,
        record TEXT NOT NULL,
        PRIMARY KEY (run_id, asset, part, name)
    );
    CREATE INDEX checks_by_asset ON checks (asset);

    CREATE TABLE events (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        run_id TEXT,
        at INTEGER NOT NULL,
        body TEXT NOT NULL
    );
    CREATE INDEX events_by_run ON events (run_id, seq);
    CREATE INDEX events_of_no_run ON events (at) WHERE run_id IS NULL;
"];

/// Opens the file, which is made if it is not there.
pub(crate) fn create(path: &Path) -> Result<Connection> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|cause| {
            Error::new(Code::HistoryFailed, "the folder of the run history could not be made")
                .with("folder", folder.display())
                .because(cause)
        })?;
    }
    connect(path, OpenFlags::SQLITE_OPEN_CREATE)
}

/// Opens the file; `None` if there is none, which is the history of a project that never ran.
pub(crate) fn open(path: &Path) -> Result<Option<Connection>> {
    if path.exists() { connect(path, OpenFlags::empty()).map(Some) } else { Ok(None) }
}

/// A failure of SQLite, with the file and what helps.
pub(crate) fn failed(path: &Path, doing: &str, cause: rusqlite::Error) -> Error {
    let code = cause.sqlite_error_code();
    let error = Error::new(Code::HistoryFailed, format!("the run history could not be {doing}"))
        .with("file", path.display())
        .because(cause);
    match code {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            error.hint("another process is writing to it; try again when it is done").retryable()
        }
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            error.hint("move the file away; phlo begins a new history, and the tables do not depend on it")
        }
        Some(ErrorCode::DiskFull) => error.hint("free some space on its disk"),
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
            error.hint("check the permissions of the file and its folder")
        }
        _ => error,
    }
}

fn connect(path: &Path, create: OpenFlags) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | create;
    let failed = |cause| failed(path, "opened", cause);
    let mut db = Connection::open_with_flags(path, flags).map_err(failed)?;
    db.busy_timeout(BUSY).map_err(failed)?;
    match version(&db).map_err(failed)? {
        version if version < STEPS.len() => migrate(&mut db).map_err(failed)?,
        version if version > STEPS.len() => {
            let message = format!("the run history is of version {version}, and this phlo reads up to {}", STEPS.len());
            return Err(Error::new(Code::HistoryFailed, message)
                .with("file", path.display())
                .hint("it was written by a newer phlo: use that one, or move the file away to begin a new history"));
        }
        _ => {}
    }
    // With a write-ahead log a killed process loses nothing, and a power failure at most the last events.
    db.pragma_update(None, "synchronous", "NORMAL").map_err(failed)?;
    Ok(db)
}

fn version(db: &Connection) -> rusqlite::Result<usize> {
    db.pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0)).map(|version| version as usize)
}

fn migrate(db: &mut Connection) -> rusqlite::Result<()> {
    write_ahead(db)?;
    let step = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Read again: another process may have come first.
    for (at, sql) in STEPS.iter().enumerate().skip(version(&step)?) {
        step.execute_batch(sql)?;
        step.pragma_update(None, "user_version", at as u32 + 1)?;
    }
    step.commit()
}

/// Turns the write-ahead log on. SQLite does not wait for other connections here, whatever the timeout says, so this does.
fn write_ahead(db: &Connection) -> rusqlite::Result<()> {
    let begun = Instant::now();
    loop {
        match db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())) {
            Err(err) if err.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && begun.elapsed() < BUSY => {
                thread::sleep(Duration::from_millis(5));
            }
            ended => return ended,
        }
    }
}
