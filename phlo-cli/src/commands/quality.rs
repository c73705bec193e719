//! `phlo quality`: the results of checks, and audits of published tables.

use arrow_array::RecordBatch;
use chrono::{DateTime, Utc};
use futures::StreamExt;
use phlo_plugin::Error;
use phlo_plugin::resource::RunHistory;
use phlo_runtime::{Audited, Explained, Platform, Way};
use phlo_spec::run::ErrorRecord;
use phlo_spec::{AssetKey, CheckResult};
use serde_json::{Value, json};

use crate::app::{App, asset as named};
use crate::args::Quality;
use crate::exit::{Exit, Failure};
use crate::render::rows::{grid, json_lines};
use crate::render::run::{failed_check, found};
use crate::render::table::{Cell, Table};
use crate::render::{Tone, check_outcome, indent, number, plural};

/// More results than one run can have of an asset.
const RESULTS: usize = 10_000;

pub(crate) fn run(app: &App, args: &Quality) -> Result<Exit, Failure> {
    match args {
        Quality::Show { asset: Some(asset), rows, limit } => show(app, asset, rows.then_some(*limit)),
        Quality::Show { asset: None, .. } => overview(app),
        Quality::Run { select } => audit(app, select),
        Quality::Explain { asset } => explain(app, asset),
    }
}

fn audit(app: &App, select: &[String]) -> Result<Exit, Failure> {
    let open = app.open_to_work()?;
    let keys = open.platform.select(select).map_err(|problems| Failure::in_files(problems, &open.texts))?;
    let runtime = app.runtime()?;
    let mut all = Vec::new();
    for key in keys {
        // One that cannot be audited hides no other.
        let results = runtime.block_on(open.platform.quality(&key)).map_err(|err| err.record());
        all.push((key, results));
    }
    let blocks = |results: &[CheckResult]| results.iter().any(CheckResult::blocks);
    let blocked = all.iter().any(|(_, audited)| audited.as_ref().is_ok_and(|audited| blocks(&audited.results)));
    let failed = || all.iter().filter_map(|(key, results)| Some((key.as_str(), results.as_ref().err()?)));
    app.printer.answer(
        || {
            let assets = all.iter().map(|(key, results)| match results {
                Ok(Audited { results, audit_ms }) => {
                    let checks: Vec<_> = results.iter().map(document).collect();
                    let status = if blocks(results) { "blocked" } else { "ok" };
                    json!({ "asset": key, "status": status, "checks": checks, "audit_ms": audit_ms })
                }
                Err(error) => json!({ "asset": key, "status": "error", "checks": [], "error": error }),
            });
            let status = match (blocked, failed().next()) {
                (true, _) => "blocked",
                (false, Some(_)) => "error",
                (false, None) => "ok",
            };
            json!({ "status": status, "assets": assets.collect::<Vec<_>>() })
        },
        || {
            let text = |(key, audited): &(AssetKey, Result<Audited, ErrorRecord>)| {
                let Ok(Audited { results, .. }) = audited else { return None };
                if results.is_empty() {
                    return Some(format!("{key} has no checks\n"));
                }
                let failed = results.iter().filter(|r| !r.passed());
                let failed: String = failed.map(|r| format!("\n{}", failed_check(&app.printer, r))).collect();
                let heading = if all.len() > 1 { format!("{}\n", Tone::Strong.paint(key)) } else { String::new() };
                Some(heading + &table(app, &results.iter().collect::<Vec<_>>()) + &failed)
            };
            all.iter().filter_map(text).collect::<Vec<_>>().join("\n")
        },
    )?;
    let codes: Vec<_> = failed().map(|(_, error)| error.code).collect();
    app.tell_of(failed());
    Ok(if blocked {
        Exit::Blocked
    } else if codes.is_empty() {
        Exit::Done
    } else {
        Exit::of_codes(&codes)
    })
}

fn show(app: &App, asset: &str, rows: Option<usize>) -> Result<Exit, Failure> {
    let platform = app.open_to_look()?.platform;
    let key = named(&platform, asset)?;
    let (latest, results) = match latest(platform.history()?.as_ref(), &key)? {
        Some(Latest { run, at, results }) => (Some((run, at)), results),
        None => (None, Vec::new()),
    };
    let mut shown: Vec<Shown> = results.into_iter().map(|result| Shown { result, rows: None }).collect();
    if let Some(limit) = rows {
        let runtime = app.runtime()?;
        for one in shown.iter_mut().filter(|s| s.result.violations > 0) {
            one.rows = one.result.sql.clone().map(|sql| runtime.block_on(failing(&platform, &sql, limit)));
        }
    }
    app.printer.answer(
        || {
            let checks: Vec<_> = shown.iter().map(Shown::document).collect();
            let (run, at) = latest.clone().unzip();
            json!({ "status": "ok", "asset": key, "run_id": run, "at": at, "checks": checks })
        },
        || text(app, key.as_str(), latest.as_ref(), &shown),
    )?;
    Ok(Exit::Done)
}

/// How the checks of an asset are found out.
fn explain(app: &App, asset: &str) -> Result<Exit, Failure> {
    let platform = app.open_to_work()?.platform;
    let key = named(&platform, asset)?;
    let plan = app.runtime()?.block_on(platform.quality_plan(&key))?;
    app.printer.answer(
        || {
            let mut document = json!(plan);
            document["status"] = json!("ok");
            document
        },
        || {
            let names = ["check", "on a write", "on an audit", "an append needs", "evaluates"];
            let mut table = Table::list(&app.printer, &names);
            for one in &plan.checks {
                table.row([
                    Cell::toned((one.check.as_str(), Tone::Strong)),
                    way(one.on_write).into(),
                    way(one.on_audit).into(),
                    if one.grows { "new rows" } else { "the table" }.into(),
                    Cell::maybe((!one.evaluates.is_empty()).then(|| one.evaluates.join(", "))),
                ]);
            }
            let read = |when: &str, way: Way, columns: &[String]| {
                let on = |one: &&Explained| if when == "a write" { one.on_write == way } else { one.on_audit == way };
                match plan.checks.iter().filter(on).count() {
                    0 => format!("{when} makes no pass over the table\n"),
                    count => format!(
                        "{when} makes one pass for {} over {}\n",
                        plural(count, "check"),
                        if columns.is_empty() { "no column".to_owned() } else { columns.join(", ") }
                    ),
                }
            };
            let queries = plan.checks.iter().filter(|one| one.on_audit == Way::Query).count();
            let queries = match queries {
                0 => String::new(),
                count => format!("{} asks a query of its own each time\n", plural(count, "check")),
            };
            format!(
                "{}  {}\n\n{}\n{}{}{queries}",
                Tone::Strong.paint(&plan.asset),
                plan.rows
                    .map_or_else(|| "rows not known without reading".to_owned(), |rows| plural(rows as usize, "row")),
                table.text(),
                read("a write", Way::Pass, &plan.write_columns),
                read("an audit", Way::Pass, &plan.audit_columns),
            )
        },
    )?;
    Ok(Exit::Done)
}

fn way(way: Way) -> &'static str {
    match way {
        Way::Write => "rides on it",
        Way::Schema => "columns",
        Way::Statistics => "statistics",
        Way::Pass => "shared pass",
        Way::Query => "own query",
        Way::Error => "does not plan",
    }
}

/// The results of the latest run that checked an asset.
struct Latest {
    run: String,
    at: DateTime<Utc>,
    results: Vec<CheckResult>,
}

fn latest(history: &dyn RunHistory, key: &AssetKey) -> Result<Option<Latest>, Error> {
    // Newest first: the first one's run is the latest that had any.
    let Some((run, at, _)) = history.checks(key, 1)?.into_iter().next() else { return Ok(None) };
    let record = history.run(&run)?;
    let asset_run = record.and_then(|record| record.assets.into_iter().find(|a| a.asset == *key));
    let results = match asset_run.map(|run| run.checks) {
        Some(checks) if !checks.is_empty() => checks,
        // The run has not ended the asset, or never will.
        _ => {
            let all = history.checks(key, RESULTS)?.into_iter();
            all.filter(|(of, ..)| *of == run).map(|(_, _, result)| result).collect()
        }
    };
    Ok(Some(Latest { run, at, results }))
}

/// Every asset that has checks, a line each.
fn overview(app: &App) -> Result<Exit, Failure> {
    let platform = app.open_to_look()?.platform;
    let history = platform.history()?;
    let (graph, _) = platform.graph();
    let checked = graph.nodes().filter(|node| !node.spec.checks.is_empty()).map(|node| &node.spec.key);
    let all: Vec<(&AssetKey, Option<Latest>)> =
        checked.map(|key| Ok((key, latest(history.as_ref(), key)?))).collect::<Result<_, Error>>()?;
    app.printer.answer(
        || {
            let assets = all.iter().map(|(key, latest)| {
                let checks: Vec<_> = latest.iter().flat_map(|l| &l.results).map(document).collect();
                let (run, at) = latest.as_ref().map(|l| (&l.run, l.at)).unzip();
                json!({ "asset": key, "run_id": run, "at": at, "checks": checks })
            });
            json!({ "status": "ok", "assets": assets.collect::<Vec<_>>() })
        },
        || {
            let names = ["asset", "checked", ">passed", ">warned", ">failed", "not passed"];
            let mut table = Table::list(&app.printer, &names);
            for (key, latest) in &all {
                let results = latest.as_ref().map_or(&[][..], |l| &l.results);
                let count = |tone: Tone| match results.iter().filter(|r| check_outcome(r).1 == tone).count() {
                    0 => Cell::maybe(None::<String>),
                    n => Cell::toned((number::count(n as u64), tone)),
                };
                let broken: Vec<_> = results.iter().filter(|r| !r.passed()).map(|r| r.name.as_str()).collect();
                let at = latest.as_ref().map_or_else(|| "never".to_owned(), |l| number::ago(l.at, Utc::now()));
                table.row([
                    Cell::toned((key.as_str(), Tone::Strong)),
                    at.into(),
                    count(Tone::Good),
                    count(Tone::Warn),
                    count(Tone::Bad),
                    Cell::maybe((!broken.is_empty()).then(|| broken.join(", "))),
                ]);
            }
            if all.is_empty() { "no asset has checks\n".to_owned() } else { table.text() }
        },
    )?;
    Ok(Exit::Done)
}

/// A result, and its failing rows or why they cannot be shown.
struct Shown {
    result: CheckResult,
    rows: Option<Result<Vec<RecordBatch>, Error>>,
}

impl Shown {
    fn document(&self) -> Value {
        let mut document = document(&self.result);
        match &self.rows {
            Some(Ok(batches)) => {
                let lines = batches.iter().filter_map(|b| json_lines(b).ok()).collect::<String>();
                document["rows_from"] = json!("table");
                document["rows"] = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).collect();
            }
            // The stage that held them is swept after a time; the sample stays.
            Some(Err(err)) => {
                document["rows"] = json!(self.result.sample);
                document["rows_from"] = json!("sample");
                document["rows_error"] = json!(err.record());
            }
            None => {}
        }
        document
    }
}

fn document(result: &CheckResult) -> Value {
    let mut document = json!(result);
    document["violation_rate"] = json!(result.violation_rate());
    document["passed"] = json!(result.passed());
    document
}

async fn failing(platform: &Platform, sql: &str, limit: usize) -> Result<Vec<RecordBatch>, Error> {
    let mut stream = platform.sql(sql).await?.stream;
    let (mut batches, mut left) = (Vec::new(), limit);
    while left > 0
        && let Some(batch) = stream.next().await
    {
        let batch = batch?;
        let batch = batch.slice(0, batch.num_rows().min(left));
        left -= batch.num_rows();
        batches.push(batch);
    }
    Ok(batches)
}

fn text(app: &App, asset: &str, latest: Option<&(String, DateTime<Utc>)>, shown: &[Shown]) -> String {
    let Some((run, at)) = latest else {
        return format!("no check of {asset} has run yet; `phlo run {asset}` runs them\n");
    };
    let mut text = format!("{}  run {run}, {}\n\n", Tone::Strong.paint(asset), number::ago(*at, Utc::now()));
    text.push_str(&table(app, &shown.iter().map(|s| &s.result).collect::<Vec<_>>()));
    let failed: Vec<_> = shown.iter().filter(|s| !s.result.passed()).collect();
    for one in &failed {
        text.push('\n');
        match &one.rows {
            Some(Ok(batches)) => {
                let mut result = one.result.clone();
                result.sample.clear();
                text.push_str(&failed_check(&app.printer, &result));
                let batches: Vec<_> = batches.iter().map(own_columns).collect();
                let schema = batches.first().map(RecordBatch::schema);
                if let Some(rows) = schema.and_then(|schema| grid(&app.printer, &schema, &batches).ok()) {
                    text.push_str(&indent(&rows, 2));
                }
            }
            _ => text.push_str(&failed_check(&app.printer, &one.result)),
        }
        if let Some(Err(err)) = &one.rows {
            text.push_str(&format!(
                "  {}\n",
                Tone::Warn.paint(format!("the rows themselves cannot be shown any more: {}", err.chain().join(": ")))
            ));
        }
    }
    if failed.iter().any(|s| s.rows.is_none() && s.result.is_of_rows()) {
        text.push_str(&format!(
            "\nsee the rows with {}\n",
            Tone::Literal.paint(format!("phlo quality show {asset} --rows"))
        ));
    }
    text
}

// Without the columns that phlo adds.
fn own_columns(batch: &RecordBatch) -> RecordBatch {
    let schema = batch.schema();
    let own: Vec<_> = (0..schema.fields().len()).filter(|i| !schema.field(*i).name().starts_with("_phlo_")).collect();
    batch.project(&own).unwrap_or_else(|_| batch.clone())
}

fn table(app: &App, results: &[&CheckResult]) -> String {
    let mut table =
        Table::list(&app.printer, &["check", "kind", "result", ">violations", ">rows", ">rate", "wanted", "found"]);
    for result in results {
        // What failed as a whole has no rows to count.
        let of_rows = |text: String| Cell::maybe((result.passed() || result.is_of_rows()).then_some(text));
        table.row([
            Cell::toned((result.name.as_str(), Tone::Strong)),
            result.kind.as_str().into(),
            Cell::toned(check_outcome(result)),
            of_rows(number::count(result.violations)),
            of_rows(number::count(result.total)),
            of_rows(number::rate(result.violation_rate())),
            Cell::maybe(result.expected.clone()),
            Cell::maybe(found(result)),
        ]);
    }
    table.text()
}
