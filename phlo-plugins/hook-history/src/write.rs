//! From an event to rows. One event is one transaction, and its id is what makes a second delivery change nothing.

use chrono::TimeDelta;
use phlo_spec::event::{Event, Payload, RunEnd, RunStart};
use phlo_spec::{AssetRun, CheckResult, RunStatus};
use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, Result, ToSql, Transaction, TransactionBehavior, params};
use serde::Serialize;

use crate::process;

/// Writes what an event tells.
pub(crate) fn write(db: &mut Connection, event: &Event, keep_runs: u32) -> Result<()> {
    let write = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let is_new = write
        .prepare_cached(
            "INSERT INTO events (id, run_id, at, body) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (id) DO NOTHING",
        )?
        .execute(params![event.id, event.correlation.run_id, event.at.timestamp_micros(), Json(event)])?;
    if is_new == 0 {
        return Ok(());
    }
    if let Some(run_id) = event.correlation.run_id.as_deref() {
        match &event.payload {
            Payload::RunStart(start) => run_started(&write, run_id, event, start)?,
            Payload::RunEnd(end) => {
                run_ended(&write, run_id, event, end)?;
                prune(&write, keep_runs)?;
            }
            Payload::IngestionEnd(run) | Payload::TransformEnd(run) | Payload::PublishEnd(run) => {
                asset_ended(&write, run_id, event, run)?;
            }
            Payload::QualityResult(result) => check_ended(&write, run_id, event, result)?,
            _ => {}
        }
    }
    write.commit()
}

fn run_started(write: &Transaction<'_>, run_id: &str, event: &Event, start: &RunStart) -> Result<()> {
    write
        .prepare_cached(
            "INSERT INTO runs (id, status, started_at, selection, tags, pid, born) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (id) DO UPDATE SET started_at = excluded.started_at, selection = excluded.selection,
                 tags = excluded.tags, pid = excluded.pid, born = excluded.born",
        )?
        .execute(params![
            run_id,
            RunStatus::Running.as_str(),
            event.at.timestamp_micros(),
            start.selection,
            Json(&event.tags),
            start.pid,
            process::born(start.pid),
        ])?;
    Ok(())
}

fn run_ended(write: &Transaction<'_>, run_id: &str, event: &Event, end: &RunEnd) -> Result<()> {
    let began = event.at - TimeDelta::milliseconds(i64::try_from(end.duration_ms).unwrap_or(0));
    ensure_run(write, run_id, began.timestamp_micros())?;
    write.prepare_cached("UPDATE runs SET status = ?2, ended_at = ?3 WHERE id = ?1")?.execute(params![
        run_id,
        end.status.as_str(),
        event.at.timestamp_micros()
    ])?;
    Ok(())
}

/// A run whose start was not written, because the file was locked or full then, is known by what it did.
fn ensure_run(write: &Transaction<'_>, run_id: &str, began: i64) -> Result<()> {
    write
        .prepare_cached(
            "INSERT INTO runs (id, status, started_at, selection, tags) VALUES (?1, ?2, ?3, '', '{}')
             ON CONFLICT (id) DO NOTHING",
        )?
        .execute(params![run_id, RunStatus::Running.as_str(), began])?;
    Ok(())
}

fn asset_ended(write: &Transaction<'_>, run_id: &str, event: &Event, run: &AssetRun) -> Result<()> {
    let (asset, part, at) =
        (run.asset.as_str(), run.partition.as_deref().unwrap_or_default(), event.at.timestamp_micros());
    ensure_run(write, run_id, at)?;
    let record = AssetRun { checks: Vec::new(), ..run.clone() };
    write
        .prepare_cached(
            "INSERT INTO asset_runs (run_id, asset, part, ended_at, record) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (run_id, asset, part) DO UPDATE SET ended_at = excluded.ended_at, record = excluded.record",
        )?
        .execute(params![run_id, asset, part, at, Json(&record)])?;
    // What an earlier attempt found no longer counts.
    write
        .prepare_cached("DELETE FROM checks WHERE run_id = ?1 AND asset = ?2 AND part = ?3")?
        .execute(params![run_id, asset, part])?;
    for result in &run.checks {
        insert_check(write, (run_id, asset, part), at, result)?;
    }
    Ok(())
}

/// Of an asset that has not ended: if its process dies, this is what is known.
fn check_ended(write: &Transaction<'_>, run_id: &str, event: &Event, result: &CheckResult) -> Result<()> {
    let Some(asset) = &event.correlation.asset else { return Ok(()) };
    let part = event.correlation.partition.as_deref().unwrap_or_default();
    ensure_run(write, run_id, event.at.timestamp_micros())?;
    insert_check(write, (run_id, asset.as_str(), part), event.at.timestamp_micros(), result)
}

fn insert_check(write: &Transaction<'_>, of: (&str, &str, &str), at: i64, result: &CheckResult) -> Result<()> {
    let (run_id, asset, part) = of;
    write
        .prepare_cached(
            "INSERT INTO checks (run_id, asset, part, name, position, at, record)
             SELECT ?1, ?2, ?3, ?4, count(*), ?5, ?6 FROM checks WHERE run_id = ?1 AND asset = ?2 AND part = ?3
             ON CONFLICT (run_id, asset, part, name) DO UPDATE SET at = excluded.at, record = excluded.record",
        )?
        .execute(params![run_id, asset, part, result.name, at, Json(result)])?;
    Ok(())
}

/// Removes the oldest runs beyond `keep`, but neither one that still runs nor an asset's last result.
fn prune(write: &Transaction<'_>, keep: u32) -> Result<()> {
    let doomed: Vec<String> = write
        .prepare_cached("SELECT id FROM runs ORDER BY started_at DESC, id DESC LIMIT -1 OFFSET ?1")?
        .query_map([keep], |row| row.get(0))?
        .collect::<Result<_>>()?;
    for run_id in &doomed {
        let gone = write
            .prepare_cached("DELETE FROM runs WHERE id = ?1 AND status <> ?2")?
            .execute(params![run_id, RunStatus::Running.as_str()])?;
        if gone == 0 {
            continue;
        }
        for sql in [
            "DELETE FROM events WHERE run_id = ?1",
            "DELETE FROM asset_runs WHERE run_id = ?1
             AND EXISTS (SELECT 1 FROM asset_runs AS later WHERE later.asset = asset_runs.asset AND later.seq > asset_runs.seq)",
            "DELETE FROM checks WHERE run_id = ?1
             AND (asset, part) NOT IN (SELECT asset, part FROM asset_runs WHERE run_id = ?1)",
        ] {
            write.prepare_cached(sql)?.execute([run_id])?;
        }
    }
    if !doomed.is_empty() {
        write
            .prepare_cached("DELETE FROM events WHERE run_id IS NULL AND at < (SELECT min(started_at) FROM runs)")?
            .execute([])?;
    }
    Ok(())
}

/// A value stored as JSON.
struct Json<'a, T>(&'a T);

impl<T: Serialize> ToSql for Json<'_, T> {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        let text =
            serde_json::to_string(self.0).map_err(|err| rusqlite::Error::ToSqlConversionFailure(Box::new(err)))?;
        Ok(text.into())
    }
}
