//! `phlo quality`: the results of checks, and audits of published tables.

mod explain;
mod failing;
mod history;
mod profile;

use std::sync::Arc;

use arrow_array::RecordBatch;
use chrono::{DateTime, Utc};
use phlo_plugin::Error;
use phlo_plugin::resource::RunHistory;
use phlo_runtime::{AuditRun, Audited, Platform, to_json};
use phlo_spec::run::ErrorRecord;
use phlo_spec::{AssetKey, CheckResult, Code};
use serde_json::{Value, json};

use crate::app::{App, asset as named};
use crate::args::{Quality, Report as Args, ReportFormat};
use crate::exit::{Exit, Failure};
use crate::render::junit::junit;
use crate::render::page::page;
use crate::render::progress::Progress;
use crate::render::report::{Asset, Checked, Report};
use crate::render::rows::{MASKED, grid};
use crate::render::run::{failed_check, found, looked_at};
use crate::render::table::{Cell, Table};
use crate::render::{Tone, check_outcome, indent, number};
use failing::{Shows, failing, own_columns};
use history::{Histories, Passed};

/// More results than one run can have of an asset, and as many as are looked through for one that passed.
const RESULTS: usize = 10_000;

pub(crate) fn run(app: &App, args: &Quality) -> Result<Exit, Failure> {
    match args {
        Quality::Show { asset: Some(asset), report, rows, limit } => show(app, report, asset, rows.then_some(*limit)),
        Quality::Show { asset: None, report, .. } => overview(app, report),
        Quality::Run { select, report } => audit(app, report, select),
        Quality::Explain { asset } => explain::run(app, asset),
        Quality::History { asset, check, limit } => history::run(app, asset, check.as_deref(), *limit),
        Quality::Profile { table, suggest } => profile::run(app, table, *suggest),
    }
}

/// Writes results in the format that is wanted, where they are wanted.
fn answer(
    app: &App,
    args: &Args,
    document: impl FnOnce() -> Value,
    text: impl FnOnce() -> String,
    report: impl FnOnce() -> Report,
) -> Result<(), Failure> {
    let printer = &app.printer;
    let format = args.format.unwrap_or(if printer.json() { ReportFormat::Json } else { ReportFormat::Table });
    let Some(file) = &args.output else {
        match format {
            ReportFormat::Table => printer.out(&text())?,
            ReportFormat::Json => printer.document(document())?,
            ReportFormat::Junit => printer.clean_data(&junit(printer, &report()))?,
            ReportFormat::Html => printer.clean_data(&page(printer, &report()))?,
        }
        return Ok(());
    };
    let written = match format {
        ReportFormat::Table => printer.plain(&text()),
        ReportFormat::Json => printer.document_text(document()),
        ReportFormat::Junit => junit(printer, &report()),
        ReportFormat::Html => page(printer, &report()),
    };
    std::fs::write(file, written).map_err(|err| {
        Error::new(Code::UnreadableFile, "the report cannot be written")
            .because(err)
            .with("path", file.display())
            .hint("check that the folder is there, its permissions and the disk")
    })?;
    printer.talk(&format!("Wrote {}", file.display()));
    Ok(())
}

/// An asset in a report.
fn reported(platform: &Platform, key: &AssetKey) -> Asset {
    let description = platform.asset(key).and_then(|spec| spec.description.clone());
    Asset { key: key.to_string(), description, run: None, at: None, checks: Vec::new(), error: None }
}

fn report(platform: &Platform, at: DateTime<Utc>, assets: Vec<Asset>) -> Report {
    Report { project: platform.project().file.name.clone(), at, assets }
}

/// The columns that are not to be shown.
fn sensitive(platform: &Platform, key: &AssetKey) -> Vec<String> {
    platform.asset(key).map(|spec| spec.sensitive.clone()).unwrap_or_default()
}

/// Masks a sample that was kept before a column became sensitive.
fn mask(result: &mut CheckResult, sensitive: &[String]) {
    for row in result.sample.iter_mut().filter_map(Value::as_object_mut) {
        for (_, value) in row.iter_mut().filter(|(name, value)| !value.is_null() && sensitive.contains(name)) {
            *value = MASKED.into();
        }
    }
}

fn audit(app: &App, args: &Args, select: &[String]) -> Result<Exit, Failure> {
    let open = app.open_to_work()?;
    let progress = Arc::new(Progress::new(app.printer.clone()));
    let audited = app.runtime()?.block_on(open.platform.audit(select, progress.clone()));
    progress.end();
    let AuditRun { run_id, assets: all } = audited.map_err(|problems| Failure::in_files(problems, &open.texts))?;
    let at = Utc::now();
    let blocks = |results: &[CheckResult]| results.iter().any(CheckResult::blocks);
    let blocked = all.iter().any(|(_, audited)| audited.as_ref().is_ok_and(|audited| blocks(&audited.results)));
    let failed = || all.iter().filter_map(|(key, results)| Some((key.as_str(), results.as_ref().err()?)));
    answer(
        app,
        args,
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
            json!({ "status": status, "run_id": run_id, "assets": assets.collect::<Vec<_>>() })
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
                Some(heading + &table(app, results.iter().map(|result| (result, None))) + &failed)
            };
            all.iter().filter_map(text).collect::<Vec<_>>().join("\n")
        },
        || {
            let assets = all.iter().map(|(key, results)| {
                let run = Some(run_id.clone());
                let asset = Asset { at: Some(at), run, ..reported(&open.platform, key) };
                match results {
                    Ok(audited) => {
                        Asset { checks: audited.results.iter().cloned().map(Checked::from).collect(), ..asset }
                    }
                    Err(error) => Asset { error: Some(error.clone()), ..asset },
                }
            });
            report(&open.platform, at, assets.collect())
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

fn show(app: &App, args: &Args, asset: &str, rows: Option<usize>) -> Result<Exit, Failure> {
    let platform = app.open_to_look()?.platform;
    let key = named(&platform, asset)?;
    let history = platform.history()?;
    let (latest, results) = match latest(&platform, history.as_ref(), &key)? {
        Some(Latest { run, at, results }) => (Some((run, at)), results),
        None => (None, Vec::new()),
    };
    let failed: Vec<_> = results.iter().map(|of| &of.result).filter(|result| !result.passed()).collect();
    let histories = Histories::read(history.as_ref(), &key, |all| failed.iter().all(|result| all.knows_pass(result)))?;
    let mut shown: Vec<Shown> = results
        .into_iter()
        .map(|of| Shown { last: histories.last_passed(&of.result), result: of.result, before: of.before, rows: None })
        .collect();
    if let Some(limit) = rows {
        let runtime = app.runtime()?;
        let table = runtime.block_on(platform.table(&key, None)).ok();
        let columns = table.map(|info| info.schema.fields().iter().map(|field| field.name().clone()).collect());
        let shows = Shows::of(&platform, columns);
        for one in shown.iter_mut().filter(|s| s.result.is_of_rows()) {
            one.rows = one
                .result
                .sql
                .as_ref()
                .map(|sql| runtime.block_on(failing(&platform, sql, limit, &one.result, &shows)))
                .map(|rows| rows.map_err(|err| shows.told(err)));
        }
    }
    answer(
        app,
        args,
        || {
            let checks: Vec<_> = shown.iter().map(Shown::document).collect();
            let (run, at) = latest.clone().unzip();
            json!({ "status": "ok", "asset": key, "run_id": run, "at": at, "checks": checks })
        },
        || text(app, key.as_str(), latest.as_ref(), &shown),
        || {
            let (run, at) = latest.clone().unzip();
            let checks = shown.iter().map(Shown::checked).collect();
            report(&platform, Utc::now(), vec![Asset { run, at, checks, ..reported(&platform, &key) }])
        },
    )?;
    Ok(Exit::Done)
}

/// What is known of an asset's checks: the results of the latest run that checked it, and, of checks that it did not ask since no row
/// came, their latest.
struct Latest {
    run: String,
    at: DateTime<Utc>,
    results: Vec<Known>,
}

/// A check's latest result.
struct Known {
    result: CheckResult,
    /// The run that asked, where it is not the asset's latest, and when.
    before: Option<(String, DateTime<Utc>)>,
}

fn latest(platform: &Platform, history: &dyn RunHistory, key: &AssetKey) -> Result<Option<Latest>, Error> {
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
    let wanted = platform.check_ids(key);
    let mut known: Vec<Known> = results.into_iter().map(|result| Known { result, before: None }).collect();
    let lacks = |known: &[Known], id: &String| known.iter().all(|of| of.result.id != *id);
    if wanted.iter().any(|id| lacks(&known, id)) {
        for (run, at, result) in history.checks(key, RESULTS)? {
            if wanted.contains(&result.id) && lacks(&known, &result.id) {
                known.push(Known { result, before: Some((run, at)) });
            }
        }
        // In the order of the file; what it has no more stands last.
        known.sort_by_key(|of| wanted.iter().position(|id| *id == of.result.id).unwrap_or(usize::MAX));
    }
    let sensitive = sensitive(platform, key);
    known.iter_mut().for_each(|of| mask(&mut of.result, &sensitive));
    Ok(Some(Latest { run, at, results: known }))
}

/// Every asset that has checks, a line each.
fn overview(app: &App, args: &Args) -> Result<Exit, Failure> {
    let platform = app.open_to_look()?.platform;
    let history = platform.history()?;
    let (graph, _) = platform.graph();
    let checked = graph.nodes().filter(|node| !node.spec.checks.is_empty()).map(|node| &node.spec.key);
    let all: Vec<(&AssetKey, Option<Latest>)> =
        checked.map(|key| Ok((key, latest(&platform, history.as_ref(), key)?))).collect::<Result<_, Error>>()?;
    answer(
        app,
        args,
        || {
            let assets = all.iter().map(|(key, latest)| {
                let checks: Vec<_> = latest.iter().flat_map(|l| &l.results).map(|of| document(&of.result)).collect();
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
                let count = |tone: Tone| match results.iter().filter(|of| check_outcome(&of.result).1 == tone).count() {
                    0 => Cell::maybe(None::<String>),
                    n => Cell::toned((number::count(n as u64), tone)),
                };
                let broken: Vec<_> =
                    results.iter().map(|of| &of.result).filter(|r| !r.passed()).map(|r| r.name.as_str()).collect();
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
        || {
            let assets = all.iter().map(|(key, latest)| {
                let (run, at) = latest.as_ref().map(|l| (l.run.clone(), l.at)).unzip();
                let checks =
                    latest.iter().flat_map(|l| l.results.iter().map(|of| Checked::from(of.result.clone()))).collect();
                Asset { run, at, checks, ..reported(&platform, key) }
            });
            report(&platform, Utc::now(), assets.collect())
        },
    )?;
    Ok(Exit::Done)
}

/// A result, and its failing rows or why they cannot be shown.
struct Shown {
    result: CheckResult,
    before: Option<(String, DateTime<Utc>)>,
    rows: Option<Result<Vec<RecordBatch>, Error>>,
    last: Passed,
}

impl Shown {
    fn document(&self) -> Value {
        let mut document = document(&self.result);
        document["last_passed"] = self.last.document();
        if let Some((run, at)) = &self.before {
            document["asked"] = json!({ "run_id": run, "at": at });
        }
        match &self.rows {
            Some(Ok(batches)) => {
                document["rows_from"] = json!("table");
                document["rows"] = json!(as_json(batches));
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

impl Shown {
    fn checked(&self) -> Checked {
        let mut checked = Checked::from(self.result.clone());
        if let Some(Ok(batches)) = &self.rows {
            checked.rows = as_json(batches);
        }
        checked.asked = self.before.as_ref().map(asked);
        if !self.result.passed() {
            checked.last_passed = Some(self.last.text(Utc::now()));
        }
        checked
    }
}

fn as_json(batches: &[RecordBatch]) -> Vec<Value> {
    to_json(batches, usize::MAX)
}

fn document(result: &CheckResult) -> Value {
    let mut document = json!(result);
    document["violation_rate"] = json!(result.violation_rate());
    document["passed"] = json!(result.passed());
    document
}

fn text(app: &App, asset: &str, latest: Option<&(String, DateTime<Utc>)>, shown: &[Shown]) -> String {
    let Some((run, at)) = latest else {
        return format!("no check of {asset} has run yet; `phlo run {asset}` runs them\n");
    };
    let mut text = format!("{}  run {run}, {}\n\n", Tone::Strong.paint(asset), number::ago(*at, Utc::now()));
    text.push_str(&table(app, shown.iter().map(|s| (&s.result, s.before.as_ref()))));
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
        text.push_str(&format!("  {}: {}\n", Tone::Dim.paint("last passed"), one.last.text(Utc::now())));
        if let Some(Err(err)) = &one.rows {
            text.push_str(&format!(
                "  {}\n",
                Tone::Warn.paint(format!("the rows cannot be shown: {}", err.chain().join(": ")))
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

/// When a check was asked that the latest run did not ask.
fn asked((run, at): &(String, DateTime<Utc>)) -> String {
    format!("in run {run}, {}", number::ago(*at, Utc::now()))
}

fn table<'a>(
    app: &App,
    results: impl Iterator<Item = (&'a CheckResult, Option<&'a (String, DateTime<Utc>)>)> + Clone,
) -> String {
    let mut headings = vec!["check", "kind", "result", ">violations", ">of", ">rate", ">read", "wanted", "found"];
    // Of a table to which no row came, only what may have changed is asked again.
    let is_older = results.clone().any(|(_, before)| before.is_some());
    headings.extend(is_older.then_some("asked"));
    let mut table = Table::list(&app.printer, &headings);
    for (result, before) in results {
        // What failed as a whole has no rows to count.
        let of_rows = |text: String| Cell::maybe(result.is_counted().then_some(text));
        let cells = [
            Cell::toned((result.name.as_str(), Tone::Strong)),
            result.kind.as_str().into(),
            Cell::toned(check_outcome(result)),
            of_rows(number::count(result.violations)),
            of_rows(looked_at(result)),
            of_rows(number::rate(result.violation_rate())),
            number::count(result.rows_scanned).into(),
            Cell::maybe(result.expected.clone()),
            Cell::maybe(found(result)),
        ];
        let older = is_older.then(|| Cell::maybe(before.map(asked)));
        table.row(cells.into_iter().chain(older));
    }
    table.text()
}
