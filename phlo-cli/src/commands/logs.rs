//! `phlo logs`: the events of a run.

use phlo_spec::event::LogLevel;
use phlo_spec::{AssetStatus, CheckOutcome, Event, Payload};
use serde_json::{Value, json};

use crate::app::App;
use crate::args::{Level, Logs};
use crate::commands::runs::find;
use crate::exit::{Exit, Failure};
use crate::render::run::broken;
use crate::render::{Tone, asset_status, check_outcome, number, plural, run_status};

pub(crate) fn run(app: &App, args: &Logs) -> Result<Exit, Failure> {
    let history = app.open_to_look()?.platform.history()?;
    let run = match &args.run {
        Some(id) => Some(find(&history, id)?.id),
        None => history.runs(1)?.into_iter().next().map(|run| run.id),
    };
    let mut events = match &run {
        Some(id) => history.events(id)?,
        None => Vec::new(),
    };
    events.retain(|event| level(event) >= args.level);
    app.printer.answer(
        || json!({ "status": "ok", "run_id": run, "events": events }),
        || match (&run, events.is_empty()) {
            (None, _) => "nothing ran yet; begin with `phlo run`\n".to_owned(),
            (Some(id), true) => format!("run {id} has no such events\n"),
            (Some(_), false) => events.iter().map(line).collect(),
        },
    )?;
    Ok(Exit::Done)
}

fn level(event: &Event) -> Level {
    match &event.payload {
        Payload::TelemetryLog(log) => log.level.into(),
        Payload::TelemetryMetric(_) | Payload::LineageEdges(_) => Level::Debug,
        Payload::QualityResult(check) if check.blocks() => Level::Error,
        Payload::QualityResult(check) if !check.passed() => Level::Warn,
        Payload::IngestionEnd(run) | Payload::TransformEnd(run) | Payload::PublishEnd(run) => match run.status {
            AssetStatus::Success | AssetStatus::Unchanged => Level::Info,
            AssetStatus::Skipped | AssetStatus::Interrupted => Level::Warn,
            AssetStatus::Blocked | AssetStatus::Failed => Level::Error,
        },
        _ => Level::Info,
    }
}

fn line(event: &Event) -> String {
    let (word, tone) = match level(event) {
        Level::Debug => ("debug", Tone::Dim),
        Level::Info => ("info ", Tone::Plain),
        Level::Warn => ("warn ", Tone::Warn),
        Level::Error => ("error", Tone::Bad),
    };
    let asset =
        event.correlation.asset.as_ref().map(|key| format!("  {}", Tone::Strong.paint(key))).unwrap_or_default();
    let at = event.at.format("%Y-%m-%d %H:%M:%S%.3fZ");
    format!("{}  {}{asset}  {}  {}\n", Tone::Dim.paint(at), tone.paint(word), event.kind(), what(event))
        .trim_end()
        .to_owned()
        + "\n"
}

fn what(event: &Event) -> String {
    match &event.payload {
        Payload::TelemetryLog(log) => match log.level {
            LogLevel::Error => Tone::Bad.paint(&log.message),
            LogLevel::Warn => Tone::Warn.paint(&log.message),
            _ => log.message.clone(),
        },
        Payload::RunStart(run) => format!("{}: {}", run.selection, plural(run.assets.len(), "asset")),
        Payload::RunEnd(run) => {
            let (word, tone) = run_status(run.status);
            format!("{} in {}", tone.paint(word), number::millis(run.duration_ms))
        }
        Payload::IngestionStart(start) | Payload::TransformStart(start) | Payload::PublishStart(start) => {
            format!("{}, {}", start.tool, start.strategy)
        }
        Payload::IngestionEnd(run) | Payload::TransformEnd(run) | Payload::PublishEnd(run) => {
            let (word, tone) = asset_status(run.status);
            let rows =
                if run.rows_in > 0 { format!(", {}", plural(run.rows_in as usize, "row")) } else { String::new() };
            let why =
                run.error.as_ref().map(|e| format!(": [{}] {}", e.code, e.messages.join(": "))).unwrap_or_default();
            let took =
                if run.attempts > 0 { format!(" in {}", number::millis(run.duration_ms)) } else { String::new() };
            format!("{}{rows}{took}{why}", tone.paint(word))
        }
        Payload::QualityResult(check) => {
            let (word, tone) = check_outcome(check);
            let what = match check.outcome {
                CheckOutcome::Passed if check.total == 0 => String::new(),
                CheckOutcome::Passed => format!(", {}", plural(check.total as usize, "row")),
                CheckOutcome::Failed => format!(": {}", broken(check)),
                CheckOutcome::Errored => check.error.as_ref().map(|why| format!(": {why}")).unwrap_or_default(),
            };
            format!("{} {}{what}", check.name, tone.paint(word))
        }
        Payload::LineageEdges(lineage) => {
            lineage.edges.iter().map(|(from, to)| format!("{from} -> {to}")).collect::<Vec<_>>().join(", ")
        }
        Payload::TelemetryMetric(metric) => format!("{} {} {}", metric.name, metric.value, metric.unit),
        other => match serde_json::to_value(other) {
            Ok(Value::Object(map)) => map.get("data").map(ToString::to_string).unwrap_or_default(),
            _ => String::new(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anstream::adapter::strip_str;

    #[test]
    fn events_are_lines_with_a_weight() {
        let event = |kind: &str, data: Value| -> Event {
            let event = json!({ "id": "e", "at": "2026-01-31T09:00:00.5Z", "producer": "phlo", "correlation": { "asset": "bronze.x" }, "type": kind, "data": data });
            serde_json::from_value(event).unwrap()
        };
        let check = json!({ "name": "n", "kind": "range", "outcome": "failed", "severity": "warn", "violations": 3, "total": 1000, "tolerance": 0.0, "sql": "select 1", "of_rows": true });
        let passed = json!({ "name": "p", "kind": "not_null", "outcome": "passed", "severity": "error", "violations": 0, "total": 16, "tolerance": 0.0 });
        let count = json!({ "name": "c", "kind": "row_count", "outcome": "failed", "severity": "error", "violations": 1, "total": 4, "tolerance": 0.0, "observed": "4 rows" });
        let failed = json!({ "asset": "bronze.x", "status": "failed", "attempts": 1, "duration_ms": 12, "error": { "code": "P3001", "messages": ["no answer", "refused"] } });
        let all = [
            event("ingestion.start", json!({ "tool": "files", "strategy": "merge" })),
            event("quality.result", check),
            event("quality.result", passed),
            event("quality.result", count),
            event("telemetry.log", json!({ "level": "debug", "message": "hello" })),
            event("ingestion.end", failed),
            event("service.post_start", json!({ "service": "postgres" })),
        ];
        insta::assert_snapshot!(strip_str(&all.iter().map(line).collect::<String>()).to_string(), @r#"
        2026-01-31 09:00:00.500Z  info   bronze.x  ingestion.start  files, merge
        2026-01-31 09:00:00.500Z  warn   bronze.x  quality.result  n warned: 3 of 1,000 rows (0.30 %)
        2026-01-31 09:00:00.500Z  info   bronze.x  quality.result  p passed, 16 rows
        2026-01-31 09:00:00.500Z  error  bronze.x  quality.result  c failed: found 4 rows
        2026-01-31 09:00:00.500Z  debug  bronze.x  telemetry.log  hello
        2026-01-31 09:00:00.500Z  error  bronze.x  ingestion.end  failed in 12 ms: [P3001] no answer: refused
        2026-01-31 09:00:00.500Z  info   bronze.x  service.post_start  {"service":"postgres"}
        "#);
    }
}
