//! `phlo status`: each asset's table and latest result.

use chrono::Utc;
use phlo_runtime::{AssetState, Freshness};
use serde_json::{Value, json};

use crate::app::App;
use crate::exit::{Exit, Failure};
use crate::render::table::{Cell, Table};
use crate::render::{Tone, asset_status, number};

pub(crate) fn run(app: &App) -> Result<Exit, Failure> {
    let open = app.open_to_look()?;
    let states = app.wait(open.platform.status())?;
    app.printer.answer(
        || json!({ "status": "ok", "assets": states.iter().map(document).collect::<Vec<_>>() }),
        || text(app, &states),
    )?;
    Ok(app.tell_of(states.iter().filter_map(|s| Some((s.asset.as_str(), s.error.as_ref()?)))))
}

fn document(state: &AssetState) -> Value {
    let mut document = json!(state);
    document["last"] = match &state.last {
        Some((run_id, ended_at, run)) => json!({ "run_id": run_id, "ended_at": ended_at, "result": run }),
        None => Value::Null,
    };
    document
}

fn text(app: &App, states: &[AssetState]) -> String {
    if states.is_empty() {
        return "the project has no assets; add files below assets/\n".to_owned();
    }
    let now = Utc::now();
    let mut table = Table::list(
        &app.printer,
        &["asset", "kind", "fresh", ">rows", ">size", ">version", "committed", "last result", "run"],
    );
    for state in states {
        let last = state.last.as_ref();
        table.row([
            Cell::toned((state.asset.as_str(), Tone::Strong)),
            state.kind.as_str().into(),
            match state.freshness {
                Freshness::Fresh => Cell::toned(("fresh", Tone::Good)),
                Freshness::Late => Cell::toned(("late", Tone::Warn)),
                Freshness::Never => Cell::toned(("never built", Tone::Warn)),
                Freshness::Unset => Cell::maybe(None::<String>),
            },
            Cell::maybe(state.rows.map(number::count)),
            Cell::maybe(state.bytes.map(number::bytes)),
            Cell::maybe(state.version.map(|v| format!("v{v}"))),
            match &state.error {
                Some(_) => Cell::toned(("cannot be read", Tone::Bad)),
                None => Cell::maybe(state.committed_at.map(|at| number::ago(at, now))),
            },
            last.map_or_else(|| Cell::maybe(None::<String>), |(_, _, run)| Cell::toned(asset_status(run.status))),
            last.map_or_else(|| Cell::maybe(None::<String>), |(id, ..)| Cell::toned((id.as_str(), Tone::Dim))),
        ]);
    }
    table.text()
}
