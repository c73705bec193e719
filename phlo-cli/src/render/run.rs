//! A run as people read it: a table of its assets, and what is behind each that did not end well.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use phlo_plugin::quality::quote;
use phlo_spec::asset::METADATA_COLUMNS;
use phlo_spec::{AssetRun, AssetStatus, CheckOutcome, CheckResult, CheckSeverity, Code, RunRecord};
use serde_json::Value;

use crate::printer::Printer;
use crate::render::table::{Cell, Table, printable};
use crate::render::told::Told;
use crate::render::{Tone, asset_status, check_outcome, indent, number, plural, quoted, run_status};

/// Sample rows shown of each failed check.
const SAMPLE: usize = 3;
/// Characters that a line of sample rows may take.
const SAMPLE_WIDTH: usize = 110;

/// The table of a run's assets and a closing line.
pub(crate) fn summary(printer: &Printer, run: &RunRecord) -> String {
    let mut table =
        Table::list(printer, &["asset", "result", ">rows in", ">inserted", ">updated", "checks", ">version", ">time"]);
    for asset in &run.assets {
        // What was not committed was neither inserted nor updated.
        let committed = asset.status == AssetStatus::Success;
        let counted = |n: u64, really: bool| Cell::maybe(really.then(|| number::count(n)));
        table.row([
            Cell::toned((asset.asset.as_str(), Tone::Strong)),
            Cell::toned(asset_status(asset.status)),
            counted(asset.rows_in, committed || asset.rows_in > 0),
            counted(asset.rows_inserted, committed),
            counted(asset.rows_updated, committed),
            checks(asset),
            Cell::maybe(asset.version.map(|v| format!("v{v}"))),
            Cell::maybe((asset.attempts > 0).then(|| number::millis(asset.duration_ms))),
        ]);
    }
    let (word, tone) = run_status(run.status);
    let mut counts = Vec::new();
    for status in [
        AssetStatus::Success,
        AssetStatus::Unchanged,
        AssetStatus::Blocked,
        AssetStatus::Failed,
        AssetStatus::Skipped,
        AssetStatus::Interrupted,
    ] {
        let n = run.assets.iter().filter(|a| a.status == status).count();
        if n > 0 {
            counts.push(format!("{n} {}", asset_status(status).0));
        }
    }
    let took = run
        .ended_at
        .map(|end| format!(" in {}", number::millis((end - run.started_at).num_milliseconds().max(0) as u64)))
        .unwrap_or_default();
    let assets = if counts.is_empty() { "no asset".to_owned() } else { counts.join(", ") };
    let table = if run.assets.is_empty() { String::new() } else { format!("{}\n", table.text()) };
    format!("{table}run {}: {}{took}: {assets}\n", Tone::Dim.paint(&run.id), tone.paint(word))
}

fn checks(asset: &AssetRun) -> Cell {
    let count = |wanted: &str| asset.checks.iter().filter(|c| check_outcome(c).0 == wanted).count();
    let parts = [("passed", Tone::Good), ("warned", Tone::Warn), ("failed", Tone::Bad), ("could not run", Tone::Bad)];
    let there: Vec<_> =
        parts.into_iter().map(|(word, tone)| (count(word), word, tone)).filter(|(n, ..)| *n > 0).collect();
    let text = there.iter().map(|(n, word, _)| format!("{n} {word}")).collect::<Vec<_>>().join(", ");
    // The worst of them gives the tone.
    there.last().map_or_else(|| Cell::maybe(None::<String>), |(.., tone)| Cell::toned((text, *tone)))
}

/// What is behind each asset that did not end well, worst last; and the codes that `phlo explain` knows more about. `notes` are
/// left out where they were told while the run went on.
pub(crate) fn details(printer: &Printer, run: &RunRecord, notes: bool) -> (String, BTreeSet<Code>) {
    let (mut text, mut codes) = (String::new(), BTreeSet::new());
    for asset in &run.assets {
        for check in
            asset.checks.iter().filter(|c| c.outcome == CheckOutcome::Failed && c.severity == CheckSeverity::Warn)
        {
            let wanted = check.expected.as_ref().map(|e| format!("; wanted {e}")).unwrap_or_default();
            let limits = by_tolerance(check).map(|why| format!("; {why}")).unwrap_or_default();
            let _ = writeln!(
                text,
                "{}: {}: {}: {}{wanted}{limits}",
                Tone::Warn.paint("warning"),
                asset.asset,
                check.name,
                broken(check)
            );
        }
        for note in asset.notes.iter().filter(|_| notes) {
            let _ = writeln!(text, "{}: {}: {note}", Tone::Strong.paint("note"), asset.asset);
        }
    }
    let mut skipped: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for asset in run.assets.iter().filter(|a| a.status == AssetStatus::Skipped) {
        let because = asset.error.as_ref().and_then(|e| e.messages.first()).map_or("", String::as_str);
        skipped.entry(because).or_default().push(asset.asset.as_str());
    }
    for (because, assets) in skipped {
        let _ = writeln!(text, "{}: {}: {because}", Tone::Warn.paint("skipped"), assets.join(", "));
    }
    for asset in run.assets.iter().filter(|a| matches!(a.status, AssetStatus::Failed | AssetStatus::Blocked)) {
        let Some(error) = &asset.error else { continue };
        codes.insert(error.code);
        let _ = write!(text, "\n{}", Told::from(error).about(asset.asset.as_str()).text(None, &|t| printer.clean(t)));
        for check in asset.checks.iter().filter(|c| asset.status == AssetStatus::Blocked && c.blocks()) {
            let _ = write!(text, "\n{}", indent(&failed_check(printer, check), 2));
        }
    }
    (text, codes)
}

/// How many rows broke a check, or what was found where it is not about rows.
pub(crate) fn broken(check: &CheckResult) -> String {
    match (&check.observed, check.total) {
        (Some(found), _) if !check.is_of_rows() || check.whole => format!("found {found}"),
        (None, _) if !check.is_of_rows() || check.whole => "it does not hold".to_owned(),
        (_, 0) => "it does not hold".to_owned(),
        (_, total) => format!(
            "{} of {} ({})",
            number::count(check.violations),
            plural(total as usize, check.unit()),
            number::rate(check.violation_rate())
        ),
    }
}

/// How much a check looked at, below a heading that leaves the unit open: rows are told without it.
pub(crate) fn looked_at(check: &CheckResult) -> String {
    match &check.unit {
        None => number::count(check.total),
        Some(unit) => plural(check.total as usize, unit),
    }
}

/// A failed check: what was wanted, what was found, some rows, and how to see all.
pub(crate) fn failed_check(printer: &Printer, check: &CheckResult) -> String {
    let (word, tone) = check_outcome(check);
    let kind = if check.name.starts_with(&check.kind) { String::new() } else { format!(" ({})", check.kind) };
    let mut text = format!("{}{kind} {}", Tone::Strong.paint(&check.name), tone.paint(word));
    if check.outcome == CheckOutcome::Failed {
        let _ = write!(text, ": {}", broken(check));
    }
    text.push('\n');
    let tolerated = by_tolerance(check).or_else(|| limits(check));
    // What stands there already.
    let counted = check.is_of_rows() && !check.whole;
    let found = found(check).filter(|_| counted || check.outcome != CheckOutcome::Failed);
    for (title, value) in [
        ("what it is", &check.description),
        ("why", &check.error),
        ("wanted", &check.expected),
        ("found", &found),
        ("tolerance", &tolerated),
    ] {
        if let Some(value) = value {
            let _ = writeln!(text, "  {}: {}", Tone::Dim.paint(title), printable(&printer.clean(value)));
        }
    }
    if let Some(rows) = sample(printer, check) {
        text.push_str(&indent(&rows, 2));
    }
    if let (Some(sql), true) = (&check.sql, check.violations > 0) {
        let _ = writeln!(text, "  {}: phlo sql {}", Tone::Dim.paint("all of them"), quoted(sql));
    }
    text
}

/// How much may fail, where something may.
pub(crate) fn limits(check: &CheckResult) -> Option<String> {
    let warned = check.tolerance.warn.map(|warn| format!(", more than {} warns", number::percent(warn)));
    let error = number::percent(check.tolerance.error);
    (!check.tolerance.is_none()).then(|| format!("up to {error} may fail{}", warned.unwrap_or_default()))
}

/// Why a check warned that would have blocked, had more failed.
pub(crate) fn by_tolerance(check: &CheckResult) -> Option<String> {
    let warn = check.tolerance.warn?;
    // As the engine compares them.
    let beyond = |limit: f64| check.violations as f64 > limit * check.total as f64 * (1.0 + 1e-12);
    let warned = check.outcome == CheckOutcome::Failed && check.severity == CheckSeverity::Warn;
    (warned && beyond(warn) && !beyond(check.tolerance.error)).then(|| {
        let (warn, error) = (number::percent(warn), number::percent(check.tolerance.error));
        format!("more than {warn} failed, so it warns; more than {error} would block")
    })
}

/// What was found, where that is more than the count of rows, which is shown in its own words.
pub(crate) fn found(check: &CheckResult) -> Option<String> {
    check
        .observed
        .clone()
        .filter(|found| *found != format!("{} of {} {}s", check.violations, check.total, check.unit()))
}

/// A column as people read it: what a check's own query adds is told from the table's columns by its beginning.
pub(crate) fn column_name(name: &str) -> &str {
    name.strip_prefix("_phlo_").unwrap_or(name)
}

/// The columns of sample rows: those that the check is about first, those that phlo adds to tables left out.
pub(crate) fn sample_columns<'a>(check: &CheckResult, row: &'a serde_json::Map<String, Value>) -> Vec<&'a String> {
    let about = [check.sql.as_deref(), check.expected.as_deref(), Some(&check.name)]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" ");
    let words: BTreeSet<_> = about.split(|c: char| !(c.is_alphanumeric() || c == '_')).collect();
    let mut columns: Vec<_> = row.keys().filter(|name| !METADATA_COLUMNS.contains(&name.as_str())).collect();
    let named = |name: &str| about.contains(&quote(name)) || words.contains(name);
    columns.sort_by_key(|name| !named(name));
    columns
}

// Some failing rows: the columns that the check is about first, and as many of the others as a line holds.
fn sample(printer: &Printer, check: &CheckResult) -> Option<String> {
    let rows: Vec<_> = check.sample.iter().filter_map(Value::as_object).take(SAMPLE).collect();
    let columns = sample_columns(check, rows.first()?);
    let value = |row: &serde_json::Map<String, Value>, name: &str| match row.get(name) {
        None | Some(Value::Null) => "null".to_owned(),
        Some(Value::String(text)) => printable(&printer.clean(text)),
        Some(other) => printable(&printer.clean(&other.to_string())),
    };
    let mut left = SAMPLE_WIDTH;
    let mut shown = Vec::new();
    for name in &columns {
        let title = column_name(name).chars().count();
        let width = rows.iter().map(|row| value(row, name).chars().count()).max().unwrap_or(0).max(title) + 2;
        if width > left && !shown.is_empty() {
            break;
        }
        left = left.saturating_sub(width);
        shown.push(name.as_str());
    }
    let hidden = columns.len() - shown.len();
    let titles: Vec<_> = shown.iter().map(|name| column_name(name)).collect();
    let mut table = Table::list(printer, &titles);
    for row in &rows {
        table.row(shown.iter().map(|name| Cell::from(value(row, name))));
    }
    let more = if hidden > 0 {
        format!("{}\n", Tone::Dim.paint(format!("… and {}", plural(hidden, "more column"))))
    } else {
        String::new()
    };
    Some(table.text() + &more)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printer::Wishes;
    use anstream::adapter::strip_str;
    use serde_json::json;

    fn run() -> RunRecord {
        let check = |name: &str, outcome: &str, severity: &str, violations: u64| {
            json!({ "name": name, "kind": "range", "outcome": outcome, "severity": severity, "violations": violations, "total": 27004, "tolerance": 0.0,
                    "expected": "dep_delay at most 600", "of_rows": true, "sql": "SELECT * FROM '/lake/x.parquet' WHERE NOT (dep_delay <= 600)",
                    "sample": if violations == 12 { json!([{ "year": 2013, "carrier": "HA", "dep_delay": 1301, "_phlo_run_id": "r" },
                                                           { "year": 2013, "carrier": "MQ", "dep_delay": null, "_phlo_run_id": "r" }]) } else { json!([]) } })
        };
        serde_json::from_value(json!({
            "id": "20260131-090000-abcdef", "status": "failed", "selection": "all",
            "started_at": "2026-01-31T09:00:00Z", "ended_at": "2026-01-31T09:00:03.2Z",
            "assets": [
                { "asset": "bronze.airlines", "status": "success", "attempts": 1, "rows_in": 16, "rows_inserted": 16, "version": 0, "duration_ms": 120,
                  "checks": [check("not_null_carrier", "passed", "error", 0), check("dep_delay_range", "failed", "warn", 3)], "notes": ["the column `x` was dropped"] },
                { "asset": "bronze.flights", "status": "blocked", "attempts": 1, "rows_in": 27004, "rows_inserted": 27004, "duration_ms": 1234,
                  "checks": [check("plausible_delay", "failed", "error", 12)],
                  "error": { "code": "P5001", "messages": ["blocked by plausible_delay"], "hints": ["see the failing rows with `phlo quality show bronze.flights --rows`"] } },
                { "asset": "silver.departures", "status": "skipped",
                  "error": { "code": "P6002", "messages": ["`bronze.flights`, which it depends on, did not end well"] } },
                { "asset": "bronze.api", "status": "failed", "attempts": 3, "duration_ms": 4000,
                  "error": { "code": "P3001", "messages": ["reading bronze.api: no answer", "connection refused"], "hints": ["check that the system runs"] } }
            ]
        }))
        .unwrap()
    }

    #[test]
    fn a_run_reads_as_a_table_and_a_closing_line() {
        let printer = Printer::new(Wishes::default());
        insta::assert_snapshot!(strip_str(&summary(&printer, &run())).to_string(), @"
        asset              result   rows in  inserted  updated  checks              version    time
        bronze.airlines    ok            16        16        0  1 passed, 1 warned       v0  120 ms
        bronze.flights     blocked   27,004         -        -  1 failed                  -   1.2 s
        silver.departures  skipped        -         -        -  -                         -       -
        bronze.api         failed         -         -        -  -                         -   4.0 s

        run 20260131-090000-abcdef: failed in 3.2 s: 1 ok, 1 blocked, 1 failed, 1 skipped
        ");
    }

    #[test]
    fn what_did_not_end_well_is_told_with_rows_and_next_steps() {
        let printer = Printer::new(Wishes::default());
        let (text, codes) = details(&printer, &run(), true);
        insta::assert_snapshot!(strip_str(&text).to_string(), @r#"
        warning: bronze.airlines: dep_delay_range: 3 of 27,004 rows (0.01 %); wanted dep_delay at most 600
        note: bronze.airlines: the column `x` was dropped
        skipped: silver.departures: `bronze.flights`, which it depends on, did not end well

        error[P5001]: bronze.flights: blocked by plausible_delay
          = help: see the failing rows with `phlo quality show bronze.flights --rows`

          plausible_delay (range) failed: 12 of 27,004 rows (0.04 %)
            wanted: dep_delay at most 600
            dep_delay  year  carrier
            1301       2013  HA
            null       2013  MQ
            all of them: phlo sql "SELECT * FROM '/lake/x.parquet' WHERE NOT (dep_delay <= 600)"

        error[P3001]: reading bronze.api: no answer
          = cause: connection refused
          = help: check that the system runs
        "#);
        assert_eq!(codes.into_iter().map(Code::as_str).collect::<Vec<_>>(), ["P3001", "P5001"]);
    }

    #[test]
    fn a_check_that_warns_because_of_its_limits_says_so() {
        let printer = Printer::new(Wishes::default());
        let check = |violations: u64, severity: &str, tolerance: Value| -> CheckResult {
            serde_json::from_value(json!({ "name": "range(x)", "kind": "range", "outcome": "failed", "severity": severity, "violations": violations,
                "total": 100, "tolerance": tolerance, "sample": [{ "x": 1 }] }))
            .unwrap()
        };
        let levels = json!({ "warn": 0.01, "error": 0.05 });
        let text = |check: &CheckResult| strip_str(&failed_check(&printer, check)).to_string();
        insta::assert_snapshot!(text(&check(3, "warn", levels.clone())), @"
        range(x) warned: 3 of 100 rows (3.0 %)
          tolerance: more than 1 % failed, so it warns; more than 5 % would block
          x
          1
        ");
        assert!(text(&check(6, "error", levels)).contains("tolerance: up to 5 % may fail, more than 1 % warns\n"));
        assert!(text(&check(6, "warn", json!(0.05))).contains("tolerance: up to 5 % may fail\n"));
    }

    #[test]
    fn a_sample_shows_the_columns_that_the_check_is_about_first() {
        let mut row = json!({ "_phlo_partition": null });
        for i in 0..30 {
            row[format!("column_{i}")] = json!("some text");
        }
        row["dep_delay"] = json!(1301);
        let check: CheckResult = serde_json::from_value(json!({
            "name": "range", "kind": "range", "outcome": "failed", "severity": "error", "violations": 1, "total": 1, "tolerance": 0.0,
            "sql": "SELECT * FROM x WHERE NOT (dep_delay < 1)", "sample": [row]
        }))
        .unwrap();
        let printer = Printer::new(Wishes::default());
        insta::assert_snapshot!(strip_str(&sample(&printer, &check).unwrap()).to_string(), @"
        dep_delay  column_0   column_1   column_2   column_3   column_4   column_5   column_6   column_7   column_8
        1301       some text  some text  some text  some text  some text  some text  some text  some text  some text
        … and 21 more columns
        ");
    }
}
