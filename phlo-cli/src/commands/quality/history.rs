//! `phlo quality history`: how checks ended, run by run.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use phlo_plugin::Error;
use phlo_plugin::resource::RunHistory;
use phlo_spec::{AssetKey, CheckOutcome, CheckResult, Code};
use serde_json::{Value, json};

use super::RESULTS;
use crate::app::{App, asset as named};
use crate::exit::{Exit, Failure};
use crate::printer::Printer;
use crate::render::run::{by_tolerance, found, looked_at};
use crate::render::table::{Cell, Table};
use crate::render::{Tone, check_outcome, number, plural};

/// Results that are looked at first.
const FIRST: usize = 500;
/// Characters of the longest bar.
const BAR: f64 = 20.0;
/// From nothing to most.
const SPARKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

pub(super) fn run(app: &App, asset: &str, check: Option<&str>, limit: usize) -> Result<Exit, Failure> {
    let platform = app.open_to_look()?.platform;
    let key = named(&platform, asset)?;
    let enough =
        |all: &Histories| all.0.iter().all(|one| one.results.len() >= limit && one.last_passed().run.is_some());
    let mut histories = Histories::read(platform.history()?.as_ref(), &key, enough)?;
    if let Some(check) = check {
        histories.narrow(check)?;
    }
    app.printer.answer(
        || json!({ "status": "ok", "asset": key, "checks": histories.0.iter().map(|h| h.document(limit)).collect::<Vec<_>>() }),
        || match (histories.0.as_slice(), check) {
            ([], _) => format!("no check of {key} has run yet; `phlo run {key}` runs them\n"),
            (all, Some(_)) => {
                all.iter().map(|one| one.text(&app.printer, limit, Utc::now())).collect::<Vec<_>>().join("\n")
            }
            (all, None) => overview(&app.printer, all, limit, Utc::now()),
        },
    )?;
    Ok(Exit::Done)
}

/// A check's results, newest first.
pub(super) struct History {
    id: String,
    results: Vec<(String, DateTime<Utc>, CheckResult)>,
}

/// The histories of an asset's checks, in the order of the newest run.
pub(super) struct Histories(Vec<History>);

impl Histories {
    /// What is known of an asset's checks, as far back as it takes.
    ///
    /// # Errors
    /// If the history cannot be read.
    pub(super) fn read(
        history: &dyn RunHistory,
        asset: &AssetKey,
        enough: impl Fn(&Self) -> bool,
    ) -> Result<Self, Error> {
        // Results hold rows: seldom are all of them wanted.
        let newest = history.checks(asset, FIRST)?;
        let whole = newest.len() < FIRST;
        let newest = Self::of(newest);
        if whole || enough(&newest) { Ok(newest) } else { Ok(Self::of(history.checks(asset, RESULTS)?)) }
    }

    /// Whether a run is known in which a check passed.
    pub(super) fn knows_pass(&self, result: &CheckResult) -> bool {
        self.last_passed(result).run.is_some()
    }

    /// Results by their checks: by id, which survives a new name; those of before there were ids, by name.
    fn of(results: Vec<(String, DateTime<Utc>, CheckResult)>) -> Self {
        let mut ids: HashMap<String, String> = HashMap::new();
        for (.., result) in results.iter().filter(|(.., result)| !result.id.is_empty()) {
            ids.entry(result.name.clone()).or_insert_with(|| result.id.clone());
        }
        let (mut all, mut places) = (Vec::<History>::new(), HashMap::new());
        for (run, at, result) in results {
            let id = if result.id.is_empty() { ids.get(&result.name).cloned() } else { Some(result.id.clone()) };
            let place =
                *places.entry(id.clone().unwrap_or_else(|| format!("name {}", result.name))).or_insert(all.len());
            if place == all.len() {
                all.push(History { id: id.unwrap_or_default(), results: Vec::new() });
            }
            all[place].results.push((run, at, result));
        }
        Self(all)
    }

    /// The latest run that a check passed in, itself included.
    pub(super) fn last_passed(&self, result: &CheckResult) -> Passed {
        let same = |history: &&History| match result.id.as_str() {
            "" => history.results.iter().any(|(.., other)| other.name == result.name),
            id => history.id == id,
        };
        self.0.iter().find(same).map_or(Passed { run: None, runs: 0 }, History::last_passed)
    }

    /// Leaves the one check that is named; by the newest name it has, else by an older one.
    fn narrow(&mut self, check: &str) -> Result<(), Error> {
        let is = |history: &History| history.id == check || history.name() == check;
        let was = |history: &History| history.results.iter().any(|(.., result)| result.name == check);
        let found = self.0.iter().position(is).or_else(|| self.0.iter().position(was));
        let Some(found) = found else {
            let error = Error::new(Code::Usage, format!("no check `{check}` of this asset is in the run history"));
            let names: Vec<&str> = self.0.iter().map(History::name).collect();
            return Err(error.suggest(check, names.iter().copied(), format!("checks: {}", names.join(", "))));
        };
        self.0 = vec![self.0.swap_remove(found)];
        Ok(())
    }
}

/// When a check passed last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Passed {
    run: Option<(String, DateTime<Utc>)>,
    // How many runs were looked at.
    runs: usize,
}

impl Passed {
    /// For people.
    pub(super) fn text(&self, now: DateTime<Utc>) -> String {
        match (&self.run, self.runs) {
            (Some((run, at)), _) => format!("in run {run}, {}", number::ago(*at, now)),
            (None, 0 | 1) => "never; this is its first run".to_owned(),
            (None, runs) => format!("never in the newest {}", plural(runs, "run")),
        }
    }

    /// For programs; null if it never passed.
    pub(super) fn document(&self) -> Value {
        self.run.as_ref().map_or(Value::Null, |(run, at)| json!({ "run_id": run, "at": at }))
    }
}

impl History {
    fn name(&self) -> &str {
        self.results.first().map_or("", |(.., result)| &result.name)
    }

    fn last_passed(&self) -> Passed {
        let passed = self.results.iter().find(|(.., result)| result.passed());
        Passed { run: passed.map(|(run, at, _)| (run.clone(), *at)), runs: self.results.len() }
    }

    fn document(&self, limit: usize) -> Value {
        let shown = || self.results.iter().take(limit);
        let results = shown().map(|(run, at, result)| {
            json!({
                "run_id": run, "at": at, "name": result.name, "outcome": result.outcome, "severity": result.severity, "passed": result.passed(),
                "violations": result.violations, "total": result.total, "violation_rate": result.violation_rate(), "tolerance": result.tolerance,
                "expected": result.expected, "observed": result.observed, "error": result.error, "duration_ms": result.duration_ms,
                "rows_scanned": result.rows_scanned,
            })
        });
        let latest = self.results.first().map(|(.., result)| result);
        json!({
            "id": self.id, "name": self.name(), "kind": latest.map(|l| &l.kind), "description": latest.and_then(|l| l.description.as_ref()),
            "runs": shown().count(), "passed": shown().filter(|(.., result)| result.passed()).count(),
            "last_passed": self.last_passed().document(), "results": results.collect::<Vec<_>>(),
        })
    }

    /// The rates of the newest runs, oldest at the left. What did not hold is never as low as what did.
    fn spark(&self, limit: usize) -> String {
        let shown: Vec<_> = self.results.iter().take(limit).map(|(.., result)| result).collect();
        let most = shown.iter().map(|result| result.violation_rate()).fold(0.0, f64::max);
        let spark = |result: &&CheckResult| match (result.outcome, result.is_of_rows() || result.passed()) {
            (CheckOutcome::Errored, _) => '×',
            // The table as a whole holds or does not.
            (_, false) => SPARKS[7],
            (_, true) if result.violations == 0 || most <= 0.0 => SPARKS[0],
            (_, true) => SPARKS[1 + (result.violation_rate() / most * 6.0).round() as usize],
        };
        shown.iter().rev().map(spark).collect()
    }

    fn text(&self, printer: &Printer, limit: usize, now: DateTime<Utc>) -> String {
        let passed = self.last_passed();
        let kind = self.results.first().map_or("", |(.., result)| result.kind.as_str());
        let mut table = Table::list(printer, &["run", "checked", "result", ">violations", ">of", ">rate", "", "found"]);
        let shown = || self.results.iter().take(limit);
        let most = shown().map(|(.., result)| result.violation_rate()).fold(0.0, f64::max);
        for (run, at, result) in shown() {
            let of_rows = |text: String| Cell::maybe(result.is_counted().then_some(text));
            let length = if most > 0.0 { (result.violation_rate() / most * BAR).ceil() as usize } else { 0 };
            let bar = if result.is_of_rows() && !result.whole { "█".repeat(length) } else { String::new() };
            let found = result.error.clone().or_else(|| found(result)).or_else(|| by_tolerance(result));
            let (word, tone) = check_outcome(result);
            table.row([
                Cell::toned((run.as_str(), Tone::Strong)),
                number::ago(*at, now).into(),
                Cell::toned((word, tone)),
                of_rows(number::count(result.violations)),
                of_rows(looked_at(result)),
                of_rows(number::rate(result.violation_rate())),
                Cell::toned((bar, tone)),
                Cell::maybe(found),
            ]);
        }
        let more = self.results.len().saturating_sub(limit);
        let more = if more > 0 {
            format!("… and {} before; see `--limit`\n", plural(more, "result"))
        } else {
            String::new()
        };
        format!(
            "{}  {kind}  {}\nlast passed {}\n\n{}{more}",
            Tone::Strong.paint(printer.clean(self.name())),
            self.spark(limit),
            passed.text(now),
            table.text()
        )
    }
}

fn overview(printer: &Printer, all: &[History], limit: usize, now: DateTime<Utc>) -> String {
    let mut table = Table::list(
        printer,
        &["check", "kind", "oldest … newest", ">runs", ">passed", "latest", ">rate", "last passed"],
    );
    for history in all {
        let Some((.., result)) = history.results.first() else { continue };
        let last = history.last_passed();
        let shown = || history.results.iter().take(limit);
        table.row([
            Cell::toned((history.name(), Tone::Strong)),
            result.kind.as_str().into(),
            history.spark(limit).into(),
            number::count(shown().count() as u64).into(),
            number::count(shown().filter(|(.., result)| result.passed()).count() as u64).into(),
            Cell::toned(check_outcome(result)),
            Cell::maybe(result.is_counted().then(|| number::rate(result.violation_rate()))),
            if last.run.is_some() { last.text(now).into() } else { Cell::toned(("never", Tone::Bad)) },
        ]);
    }
    table.text()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printer::Wishes;
    use anstream::adapter::strip_str;

    fn result(id: &str, name: &str, outcome: &str, violations: u64) -> CheckResult {
        let sql = (violations > 0).then_some("select 1");
        serde_json::from_value(json!({ "id": id, "name": name, "kind": "range", "outcome": outcome, "severity": "error", "violations": violations,
            "total": 1000, "tolerance": 0.0, "sql": sql, "of_rows": true, "observed": (outcome == "errored").then_some("?"), "error": (outcome == "errored").then_some("no column `x`") }))
        .unwrap()
    }

    fn histories() -> Histories {
        let at = |day: u32| format!("2026-01-{day:02}T09:00:00Z").parse::<DateTime<Utc>>().unwrap();
        let run = |day: u32, result: CheckResult| (format!("202601{day:02}-090000-00000a"), at(day), result);
        Histories::of(vec![
            run(9, result("aa", "Delays", "failed", 40)),
            run(9, result("bb", "row_count(1..)", "passed", 0)),
            run(8, result("aa", "Delays", "errored", 0)),
            run(7, result("aa", "range(x)", "failed", 7)),
            run(6, result("aa", "range(x)", "passed", 0)),
            // Written before there were ids.
            run(5, result("", "range(x)", "failed", 20)),
            run(5, result("", "gone", "failed", 1)),
        ])
    }

    #[test]
    fn a_history_survives_a_new_name() {
        let printer = Printer::new(Wishes::default());
        let now = "2026-01-10T09:00:00Z".parse().unwrap();
        let mut histories = histories();
        insta::assert_snapshot!(strip_str(&overview(&printer, &histories.0, 20, now)).to_string(), @"
        check           kind   oldest … newest  runs  passed  latest    rate  last passed
        Delays          range  ▅▁▃×█               5       1  failed   4.0 %  in run 20260106-090000-00000a, 4 days ago
        row_count(1..)  range  ▁                   1       1  passed     0 %  in run 20260109-090000-00000a, 24 h ago
        gone            range  █                   1       0  failed  0.10 %  never
        ");
        assert_eq!(
            histories.last_passed(&result("aa", "x", "failed", 1)).text(now),
            "in run 20260106-090000-00000a, 4 days ago"
        );
        assert_eq!(histories.last_passed(&result("", "gone", "failed", 1)).text(now), "never; this is its first run");
        let document = histories.0[0].document(2);
        assert_eq!(
            (&document["runs"], &document["passed"], document["results"].as_array().unwrap().len()),
            (&json!(2), &json!(0), 2)
        );
        let error = histories.narrow("Delay").unwrap_err();
        assert!(error.hints().join(" ").contains("Delays"), "{:?}", error.hints());
        histories.narrow("range(x)").unwrap();
        insta::assert_snapshot!(strip_str(&histories.0[0].text(&printer, 4, now)).to_string(), @"
        Delays  range  ▁▃×█
        last passed in run 20260106-090000-00000a, 4 days ago

        run                     checked     result         violations     of    rate                        found
        20260109-090000-00000a  24 h ago    failed                 40  1,000   4.0 %  ████████████████████  -
        20260108-090000-00000a  2 days ago  could not run           -      -       -                        no column `x`
        20260107-090000-00000a  3 days ago  failed                  7  1,000  0.70 %  ████                  -
        20260106-090000-00000a  4 days ago  passed                  0  1,000     0 %                        -
        … and 1 result before; see `--limit`
        ");
    }
}
