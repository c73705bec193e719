//! The history, read. Each answer opens the file anew, so that nothing is held while nobody asks and nothing is made where nothing
//! ran.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use phlo_plugin::resource::RunHistory;
use phlo_plugin::{Error, Result};
use phlo_spec::event::{LogLevel, LogLine};
use phlo_spec::{AssetKey, AssetRun, CheckResult, Code, Correlation, Event, Payload, RunRecord, RunStatus};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};
use serde::de::DeserializeOwned;

use crate::{file, process};

/// The file, whether it is there or not.
#[derive(Debug, Clone)]
pub(crate) struct History {
    path: PathBuf,
}

impl History {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Reads with one view of the file; of a file that is not there, nothing.
    fn read<T: Default>(&self, read: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T> {
        let Some(mut db) = file::open(&self.path)? else { return Ok(T::default()) };
        db.transaction().and_then(|view| read(&view)).map_err(|cause| self.failed(cause))
    }

    fn failed(&self, cause: rusqlite::Error) -> Error {
        match cause {
            rusqlite::Error::FromSqlConversionFailure(_, Type::Text, cause) => {
                Error::new(Code::HistoryFailed, "the run history holds a record that this phlo cannot read")
                    .with("file", self.path.display())
                    .hint("it was written by another version of phlo; use the newest")
                    .because(cause)
            }
            cause => file::failed(&self.path, "read", cause),
        }
    }
}

impl RunHistory for History {
    fn runs(&self, limit: usize) -> Result<Vec<RunRecord>> {
        self.read(|view| {
            let sql = format!("SELECT {RUN} FROM runs ORDER BY started_at DESC, id DESC LIMIT ?1");
            let mut runs: Vec<RunRecord> =
                view.prepare(&sql)?.query_map([at_most(limit)], run)?.collect::<rusqlite::Result<_>>()?;
            for run in &mut runs {
                run.assets = assets(view, &run.id)?;
            }
            Ok(runs)
        })
    }

    fn run(&self, id: &str) -> Result<Option<RunRecord>> {
        let found = self.read(|view| {
            let ids = resolve(view, id)?;
            let [id] = &ids[..] else { return Ok((ids, None)) };
            let sql = format!("SELECT {RUN} FROM runs WHERE id = ?1");
            let mut run = view.query_row(&sql, [id], run)?;
            run.assets = assets(view, id)?;
            for asset in &mut run.assets {
                asset.checks = checks(view, id, asset)?;
            }
            Ok((ids, Some(run)))
        });
        let (ids, run) = found?;
        if ids.len() > 1 { Err(ambiguous(id, &ids)) } else { Ok(run) }
    }

    fn events(&self, run_id: &str) -> Result<Vec<Event>> {
        let (ids, events) = self.read(|view| {
            let ids = resolve(view, run_id)?;
            let [id] = &ids[..] else { return Ok((ids, Vec::new())) };
            let events = view
                .prepare("SELECT body, id, at FROM events WHERE run_id = ?1 ORDER BY seq")?
                .query_map([id], |row| event(row, id))?
                .collect::<rusqlite::Result<_>>()?;
            Ok((ids, events))
        })?;
        if ids.len() > 1 { Err(ambiguous(run_id, &ids)) } else { Ok(events) }
    }

    fn latest(&self) -> Result<Vec<(String, DateTime<Utc>, AssetRun)>> {
        self.read(|view| {
            let mut latest = view
                .prepare(
                    "SELECT run_id, ended_at, record FROM asset_runs
                     WHERE seq IN (SELECT max(seq) FROM asset_runs GROUP BY asset) ORDER BY asset",
                )?
                .query_map([], |row| Ok((row.get(0)?, moment(row, 1)?, json::<AssetRun>(row, 2)?)))?
                .collect::<rusqlite::Result<Vec<(String, _, _)>>>()?;
            for (run_id, _, asset) in &mut latest {
                asset.checks = checks(view, run_id, asset)?;
            }
            Ok(latest)
        })
    }

    fn checks(&self, asset: &AssetKey, limit: usize) -> Result<Vec<(String, DateTime<Utc>, CheckResult)>> {
        self.read(|view| {
            view.prepare(
                "SELECT checks.run_id, checks.at, checks.record FROM checks LEFT JOIN runs ON runs.id = checks.run_id
                 WHERE checks.asset = ?1
                 ORDER BY coalesce(runs.started_at, checks.at) DESC, checks.run_id DESC, checks.part, checks.position
                 LIMIT ?2",
            )?
            .query_map(params![asset.as_str(), at_most(limit)], |row| {
                Ok((row.get(0)?, moment(row, 1)?, json(row, 2)?))
            })?
            .collect()
        })
    }

    fn close_dead(&self, is_alive: &dyn Fn(u32) -> bool) -> Result<Vec<String>> {
        let Some(mut db) = file::open(&self.path)? else { return Ok(Vec::new()) };
        close_dead(&mut db, is_alive).map_err(|cause| file::failed(&self.path, "written", cause))
    }
}

fn close_dead(db: &mut Connection, is_alive: &dyn Fn(u32) -> bool) -> rusqlite::Result<Vec<String>> {
    let write = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let running: Vec<(String, Option<u32>, Option<String>)> = write
        .prepare("SELECT id, pid, born FROM runs WHERE status = ?1 ORDER BY started_at, id")?
        .query_map([RunStatus::Running.as_str()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let alive = |pid: u32, born: Option<&str>| {
        // Another process may have the number now.
        is_alive(pid) && born.is_none_or(|born| process::born(pid).is_none_or(|now| now == born))
    };
    let dead = running.into_iter().filter(|(_, pid, born)| !pid.is_some_and(|pid| alive(pid, born.as_deref())));
    let dead: Vec<String> = dead.map(|(id, _, _)| id).collect();
    for id in &dead {
        // It ended at its last sign of life, or later.
        write.execute(
            "UPDATE runs SET status = ?2,
                 ended_at = coalesce((SELECT max(at) FROM events WHERE run_id = ?1), started_at) WHERE id = ?1",
            params![id, RunStatus::Interrupted.as_str()],
        )?;
    }
    write.commit()?;
    Ok(dead)
}

/// The ids that a text names: the one that is equal to it, or those that begin with it.
fn resolve(view: &Transaction<'_>, text: &str) -> rusqlite::Result<Vec<String>> {
    let exact = view.query_row("SELECT id FROM runs WHERE id = ?1", [text], |row| row.get(0)).optional()?;
    match exact {
        Some(id) => Ok(vec![id]),
        None if text.is_empty() => Ok(Vec::new()),
        None => view
            .prepare("SELECT id FROM runs WHERE substr(id, 1, length(?1)) = ?1 ORDER BY started_at DESC, id DESC")?
            .query_map([text], |row| row.get(0))?
            .collect(),
    }
}

fn ambiguous(text: &str, ids: &[String]) -> Error {
    const SHOWN: usize = 5;
    let more = if ids.len() > SHOWN { ", …" } else { "" };
    let shown = ids.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    Error::new(Code::Usage, format!("{} runs begin with `{text}`: {shown}{more}", ids.len()))
        .hint("write more of the id")
}

// What only the event of its start says is read from there: files of every version have it, or have it not.
const RUN: &str = "id, status, started_at, ended_at, selection, tags,
    (SELECT CASE WHEN json_valid(body) THEN json_extract(body, '$.data.plugin_fingerprint') END
     FROM events WHERE run_id = runs.id ORDER BY seq LIMIT 1)";

fn run(row: &Row<'_>) -> rusqlite::Result<RunRecord> {
    let status: String = row.get(1)?;
    Ok(RunRecord {
        id: row.get(0)?,
        status: serde_json::from_value(status.into()).map_err(|err| unreadable(1, err))?,
        started_at: moment(row, 2)?,
        ended_at: row.get::<_, Option<i64>>(3)?.and_then(DateTime::from_timestamp_micros),
        selection: row.get(4)?,
        tags: json(row, 5)?,
        plugin_fingerprint: row.get(6)?,
        assets: Vec::new(),
    })
}

fn assets(view: &Transaction<'_>, run_id: &str) -> rusqlite::Result<Vec<AssetRun>> {
    view.prepare_cached("SELECT record FROM asset_runs WHERE run_id = ?1 ORDER BY seq")?
        .query_map([run_id], |row| json(row, 0))?
        .collect()
}

fn checks(view: &Transaction<'_>, run_id: &str, of: &AssetRun) -> rusqlite::Result<Vec<CheckResult>> {
    view.prepare_cached("SELECT record FROM checks WHERE run_id = ?1 AND asset = ?2 AND part = ?3 ORDER BY position")?
        .query_map(params![run_id, of.asset.as_str(), of.partition.as_deref().unwrap_or_default()], |row| json(row, 0))?
        .collect()
}

/// An event. One that this phlo cannot read is told as a line of log: the others are worth reading.
fn event(row: &Row<'_>, run_id: &str) -> rusqlite::Result<Event> {
    let body: String = row.get(0)?;
    match serde_json::from_str(&body) {
        Ok(event) => Ok(event),
        Err(err) => Ok(Event {
            id: row.get(1)?,
            at: moment(row, 2)?,
            producer: "history".to_owned(),
            correlation: Correlation { run_id: Some(run_id.to_owned()), ..Correlation::default() },
            tags: BTreeMap::new(),
            payload: Payload::TelemetryLog(LogLine {
                level: LogLevel::Warn,
                message: format!("an event that this phlo cannot read ({err}): {body}"),
            }),
        }),
    }
}

fn moment(row: &Row<'_>, column: usize) -> rusqlite::Result<DateTime<Utc>> {
    let micros: i64 = row.get(column)?;
    DateTime::from_timestamp_micros(micros).ok_or(rusqlite::Error::IntegralValueOutOfRange(column, micros))
}

fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|err| unreadable(column, err))
}

fn unreadable(column: usize, cause: serde_json::Error) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(cause))
}

/// SQLite counts in signed numbers; a limit beyond them is none.
fn at_most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
