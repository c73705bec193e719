//! `phlo runs`: the latest runs, or one of them.

use std::sync::Arc;

use chrono::Utc;
use phlo_plugin::Error;
use phlo_plugin::resource::RunHistory;
use phlo_spec::{AssetStatus, Code, RunRecord};
use serde_json::json;

use crate::app::App;
use crate::args::Runs;
use crate::commands::materialize::show;
use crate::exit::{Exit, Failure};
use crate::render::table::{Cell, Table};
use crate::render::{Tone, number, run_status};

pub(crate) fn run(app: &App, args: &Runs) -> Result<Exit, Failure> {
    let history = app.open_to_look()?.platform.history()?;
    if let Some(id) = &args.run {
        let record = find(&history, id)?;
        if app.printer.json() {
            app.printer.document(json!({ "status": "ok", "run": record }))?;
        } else {
            show(app, &record, true)?;
            app.printer.out(&plugins(&record, app.platform()?.registry().fingerprint().short()))?;
            // An audit makes nothing; what it found of each asset is among its events.
            if record.assets.is_empty() {
                app.printer.out(&format!("`phlo logs {}` tells what it did\n", record.id))?;
            }
        }
        return Ok(Exit::Done);
    }
    let runs = history.runs(args.limit)?;
    app.printer.answer(|| json!({ "status": "ok", "runs": runs }), || text(app, &runs))?;
    Ok(Exit::Done)
}

// With which plugins it ran.
fn plugins(run: &RunRecord, here: &str) -> String {
    match run.plugin_fingerprint.as_deref() {
        None => String::new(),
        Some(same) if same == here => format!("plugins {same}, as in this binary\n"),
        Some(other) => format!("plugins {other}; this binary has others, {here}\n"),
    }
}

/// A run by its id, or by a beginning of it.
///
/// # Errors
/// There is none, or the history cannot be read.
pub(crate) fn find(history: &Arc<dyn RunHistory>, id: &str) -> Result<RunRecord, Failure> {
    Ok(history.run(id)?.ok_or_else(|| {
        Error::new(Code::Usage, format!("there is no run `{id}`")).hint("`phlo runs` lists the latest")
    })?)
}

fn text(app: &App, runs: &[RunRecord]) -> String {
    if runs.is_empty() {
        return "nothing ran yet; begin with `phlo run`\n".to_owned();
    }
    let now = Utc::now();
    let mut table = Table::list(&app.printer, &["run", "result", "started", ">took", "selection", ">ok", ">not ok"]);
    for run in runs {
        let ok = run.assets.iter().filter(|a| a.status.is_ok()).count();
        let bad = run.assets.iter().any(|a| matches!(a.status, AssetStatus::Blocked | AssetStatus::Failed));
        let not_ok = (run.assets.len() - ok).to_string();
        table.row([
            Cell::toned((run.id.as_str(), Tone::Strong)),
            Cell::toned(run_status(run.status)),
            number::ago(run.started_at, now).into(),
            Cell::maybe(
                run.ended_at.map(|end| number::millis((end - run.started_at).num_milliseconds().max(0) as u64)),
            ),
            run.selection.as_str().into(),
            ok.to_string().into(),
            Cell::toned((not_ok, if bad { Tone::Bad } else { Tone::Plain })),
        ]);
    }
    table.text()
}
