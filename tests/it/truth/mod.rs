//! Truth: each check, executed by the real engine over edge tables and generated ones, against a naive oracle and against DuckDB.
//!
//! An entry is a [`Truth`]; [`agree`] runs a list of them over [`tables`]. All checks of a list are audited at once per table, as those
//! of one asset are, so what the engine fuses is tried too.

#![allow(clippy::float_cmp, reason = "an oracle compares exactly")]

mod data;
mod distribution;
mod duckdb;
mod edges;
mod nested;
mod reconcile;
mod rows;
mod rule;
mod tables;
mod types;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_schema::SchemaRef;
use datafusion::catalog::{MemorySchemaProvider, TableProvider};
use datafusion::datasource::MemTable;
use phlo_bundle as _;
use phlo_engine::{Check, Session, check};
use phlo_plugin::quality::{CheckTarget, Evaluation};
use phlo_plugin::{InitContext, Policy, Registry};
use phlo_spec::quality::{CheckOutcome, CheckSeverity, Tolerance};
use phlo_spec::{AssetKey, CheckResult, Node, PluginKind};

pub(crate) use data::{Cell, Dress, NAMES, Rows, dressed, tables, unlike};

/// A check with what it must find, said twice without it.
#[derive(Clone)]
pub(crate) struct Truth {
    /// One item of an asset's `checks`, e.g. `range: {column: i, min: 0}`; `where`, `tolerance` and `severity` as there.
    pub(crate) check: &'static str,
    /// DuckDB's SQL over `t` (and `other`): one row with one value, the number of violations, whether it passes, or the value that the
    /// oracle computes. Every check that [`agree`] runs has it. What DuckDB has no function for is written out: check digits with lambdas,
    /// addresses as regular expressions, JSON less what DuckDB takes beyond the standard. Without are the statistics of `distribution`,
    /// which scipy computes, since DuckDB has no p-values.
    pub(crate) duckdb: &'static str,
    /// The same, row by row.
    pub(crate) oracle: fn(&Rows) -> Expected,
    /// Texts that this check is about: with any, it is run over tables whose texts are these, too.
    pub(crate) texts: &'static [&'static str],
}

impl Truth {
    pub(crate) const fn new(check: &'static str, duckdb: &'static str, oracle: fn(&Rows) -> Expected) -> Self {
        Self { check, duckdb, oracle, texts: &[] }
    }

    pub(crate) const fn texts(mut self, texts: &'static [&'static str]) -> Self {
        self.texts = texts;
        self
    }
}

/// What an oracle says. What it leaves open is not compared, or follows: a check passes if its violations are tolerated, and looks at
/// every row.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Expected {
    violations: Option<u64>,
    passed: Option<bool>,
    total: Option<u64>,
    /// What is computed of the table; of moments, microseconds.
    value: Option<Computed>,
}

/// A number; nothing where there is none, as of the mean of nothing.
#[derive(Debug, Clone, Copy)]
struct Computed(Option<f64>);

impl Expected {
    /// So many violations.
    pub(crate) fn violations(violations: usize) -> Self {
        Self { violations: Some(violations as u64), ..Self::default() }
    }

    /// A judgement of the whole; violations are not compared.
    pub(crate) fn whole(passed: bool) -> Self {
        Self { passed: Some(passed), ..Self::default() }
    }

    /// The value that is computed, nothing if there is none, and whether it is good; DuckDB's SQL asks for the value.
    pub(crate) fn value(value: Option<f64>, good: impl Fn(f64) -> bool) -> Self {
        Self { value: Some(Computed(value)), ..Self::whole(value.is_some_and(good)) }
    }

    /// Of so many rows (or what the check counts); every row of the table otherwise.
    pub(crate) fn of(mut self, total: usize) -> Self {
        self.total = Some(total as u64);
        self
    }

    /// Whether it passes, where that does not follow from the violations.
    pub(crate) fn passed(mut self, passed: bool) -> Self {
        self.passed = Some(passed);
        self
    }
}

/// What DuckDB says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    Violations(u64),
    Passed(bool),
    /// Of an entry whose oracle says a value.
    Number(f64),
    Nothing,
    Wrong(String),
}

/// Fails the test unless phlo, the oracle and DuckDB say the same of every entry and every table.
pub(crate) async fn agree(entries: &[Truth]) {
    agree_over(entries, |texts| tables(texts).into_iter().chain(dressed(texts)).collect()).await;
}

/// As [`agree`], over other tables: those for all entries, and those for entries that are about some texts.
pub(crate) async fn agree_over(entries: &[Truth], tables: fn(&[&str]) -> Vec<Rows>) {
    let registry = Registry::linked(&[]).unwrap().activate(Policy::default(), InitContext::at("/nowhere")).unwrap();
    assert!(entries.iter().all(|entry| !entry.duckdb.is_empty()), "an entry without DuckDB's SQL");
    // The tables that all entries see, and those of each pool of texts with the entries that are about it.
    let mut pools: BTreeMap<&[&str], Vec<&Truth>> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| !entry.texts.is_empty()) {
        pools.entry(entry.texts).or_default().push(entry);
    }
    let mut cases: Vec<(Rows, Vec<&Truth>)> = Vec::new();
    cases.extend(tables(&[]).into_iter().map(|rows| (rows, entries.iter().collect())));
    for (texts, about) in pools {
        cases.extend(tables(texts).into_iter().map(|rows| (rows, about.clone())));
    }
    let asked: Vec<(&Rows, Vec<&str>)> =
        cases.iter().map(|(rows, entries)| (rows, entries.iter().map(|entry| entry.duckdb).collect())).collect();
    let answers = duckdb::ask(&asked);
    let mut wrong = Vec::new();
    let mut verified = Verified::new();
    for (at, (rows, entries)) in cases.iter().enumerate() {
        for (nth, (entry, result)) in entries.iter().zip(run(&registry, rows, entries, &mut verified).await).enumerate()
        {
            let answer = answers.as_ref().filter(|_| !entry.duckdb.is_empty()).map(|answers| &answers[at][nth]);
            let expected = (entry.oracle)(rows);
            if let Err(why) = compare(rows, &result, expected, answer) {
                let result = match result {
                    Ok(result) => format!(
                        "{:?} {} of {}, {:?} {:?}\n    sql: {:?}",
                        result.outcome, result.violations, result.total, result.observed, result.error, result.sql
                    ),
                    Err(err) => err,
                };
                wrong.push(format!(
                    "{} over {}: {why}\n  phlo: {result}\n  oracle: {expected:?}\n  DuckDB: {answer:?} by {}\n{rows}",
                    entry.check, rows.name, entry.duckdb
                ));
            }
        }
    }
    // What was found of each check, and the first of few in full.
    let all = wrong.len();
    let (mut found, mut firsts): (BTreeMap<String, Vec<String>>, BTreeMap<String, String>) = Default::default();
    for text in wrong {
        let (check, rest) = text.split_once(" over ").unwrap_or_default();
        found.entry(check.to_owned()).or_default().push(rest.lines().next().unwrap_or_default().to_owned());
        firsts.entry(check.to_owned()).or_insert(text);
    }
    let few: Vec<_> = firsts.values().take(6).cloned().collect();
    assert!(all == 0, "{all} disagreements, of\n{found:#?}\n\n{}", few.join("\n\n"));
}

fn compare(
    rows: &Rows,
    result: &Result<CheckResult, String>,
    expected: Expected,
    answer: Option<&Answer>,
) -> Result<(), String> {
    let result = result.as_ref().map_err(|err| format!("it is not made: {err}"))?;
    if result.outcome == CheckOutcome::Errored {
        return Err(format!("it errs: {}", result.error.as_deref().unwrap_or_default()));
    }
    let total = expected.total.unwrap_or(rows.len() as u64);
    if result.total != total {
        return Err(format!("it looked at {} rows, not {total}", result.total));
    }
    if let Some(violations) = expected.violations.filter(|violations| *violations != result.violations) {
        return Err(format!("{} violations, and the oracle says {violations}", result.violations));
    }
    let passed = result.outcome == CheckOutcome::Passed;
    let tolerated = |violations: u64| {
        let limit = result.tolerance.warn.unwrap_or(result.tolerance.error);
        violations as f64 <= limit * total as f64 * (1.0 + 1e-12)
    };
    let should = expected.passed.or(expected.violations.map(tolerated)).ok_or("the oracle says nothing")?;
    if passed != should {
        return Err(format!("passed is {passed}, and the oracle says {should}"));
    }
    if let Some(Computed(value)) = expected.value {
        let told = observed(result.observed.as_deref().unwrap_or_default())?;
        if !alike(told, value, false) {
            return Err(format!("it computes {told:?}, and the oracle {value:?}"));
        }
        return match answer {
            None => Ok(()),
            Some(Answer::Violations(number)) if alike(value, Some(*number as f64), true) => Ok(()),
            Some(Answer::Number(number)) if alike(value, Some(*number), true) => Ok(()),
            Some(Answer::Nothing) if value.is_none() => Ok(()),
            Some(_) => Err("DuckDB computes something else".to_owned()),
        };
    }
    match answer {
        None => {}
        Some(Answer::Violations(violations)) if *violations == result.violations => {}
        Some(Answer::Passed(duckdb)) if *duckdb == passed => {}
        Some(_) => return Err("DuckDB says something else".to_owned()),
    }
    // What is wrong is told, shown, or can be.
    if !passed && result.sql.is_none() && result.sample.is_empty() && result.observed.is_none() {
        return Err("it tells nothing of what broke it".to_owned());
    }
    Ok(())
}

/// Checks that were compared with the columns of a dress. That is of types, not of rows, so once is enough.
pub(crate) type Verified = BTreeSet<(String, &'static str)>;

/// The value that a check tells: `sum(i) is 3`; nothing where there is none.
fn observed(text: &str) -> Result<Option<f64>, String> {
    if text.ends_with(" has no value") {
        return Ok(None);
    }
    let (_, value) = text.rsplit_once(" is ").ok_or_else(|| format!("it tells no value: {text}"))?;
    let moment = || chrono::DateTime::parse_from_rfc3339(value).ok().map(|moment| moment.timestamp_micros() as f64);
    value.parse().ok().or_else(moment).map(Some).ok_or_else(|| format!("{value} is no value"))
}

/// The same but for rounding. DuckDB interpolates and squares in another order than phlo and the oracle do, so that beyond the ends of
/// float64 one is infinite where the other is no number: `loosely`, what is not finite is alike.
fn alike(a: Option<f64>, b: Option<f64>, loosely: bool) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => {
            a == b
                || (a.is_nan() && b.is_nan())
                || (loosely && !a.is_finite() && !b.is_finite())
                || (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0)
        }
        _ => false,
    }
}

/// The results of these entries' checks over a table, in their order.
async fn run(
    registry: &Registry,
    rows: &Rows,
    entries: &[&Truth],
    verified: &mut Verified,
) -> Vec<Result<CheckResult, String>> {
    let session = Session::new();
    let table = mem_table(rows);
    register_others(&session, rows);
    let (mut checks, mut results) = (Vec::new(), vec![Err("no result".to_owned()); entries.len()]);
    let mut places = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        let known = (rows.dress().name().to_owned(), entry.check);
        let check = match made(registry, entry.check, at, rows) {
            Ok(check) if !verified.contains(&known) => {
                check.verify(&session, &table.schema()).await.map(|()| check).map_err(|err| format!("{err:?}"))
            }
            made => made,
        };
        match check {
            Ok(check) => {
                verified.insert(known);
                checks.push(check);
                places.push(at);
            }
            Err(err) => results[at] = Err(err),
        }
    }
    let audited = check::audit(&session, &table, &checks, check::Scope::All, None).await;
    let known = checks.clone();
    let find =
        move |_: &str, name: &str, _: &SchemaRef| Ok(known.iter().find(|check| check.name == name).unwrap().clone());
    check::register_holds(&session, Arc::new(find));
    session.register_table("audited", table).unwrap();
    for (at, result) in audited.unwrap_or_else(|err| panic!("{err:?}\n{rows}")).results {
        // How rows are shown does not depend on how their types are stored.
        let shown = if rows.dress().name().is_empty() { shows(&session, &checks[at], &result).await } else { Ok(()) };
        results[places[at]] = shown.map(|()| result);
    }
    results
}

/// Whether the SQL of a result, over the table `audited`, finds what the result says, and the sample is of that.
async fn shows(session: &Session, check: &Check, result: &CheckResult) -> Result<(), String> {
    let Some(sql) = result.sql.as_ref().filter(|_| result.outcome != CheckOutcome::Errored) else { return Ok(()) };
    let sql = sql.replace(check::ROWS, "audited").replace(check::TABLE, "audited");
    let shown = async { session.sql(&sql).await?.count().await };
    let shown = shown.await.map_err(|err| format!("its SQL does not run: {err}\n{sql}"))? as u64;
    if !result.of_rows || result.whole {
        return Ok(());
    }
    let fits = match &check.plan.evaluation {
        _ if result.violations == 0 => shown == 0,
        // All rows that share a key, of which one would be none too many.
        Evaluation::Unique { .. } => shown >= result.violations,
        _ if result.unit.is_some() || check.kind == "duplicate_rows" => shown > 0,
        _ => shown == result.violations,
    };
    if !fits {
        return Err(format!("{} violations, and its SQL shows {shown}\n{sql}", result.violations));
    }
    let kept = shown.min(check.sample as u64);
    if result.sample.len() as u64 != kept {
        return Err(format!("a sample of {}, not {kept}", result.sample.len()));
    }
    Ok(())
}

/// The check as an asset's file would make it.
fn made(registry: &Registry, check: &str, at: usize, rows: &Rows) -> Result<Check, String> {
    let node = Node::parse(check.trim_start_matches("- "), "truth.yaml", 1).map_err(|err| format!("{err:?}"))?;
    let (kind, params) = node.entries().and_then(|entries| entries.first()).ok_or("no map")?;
    let (kind, mut params) = (kind.as_str().ok_or("no name")?.to_owned(), params.clone());
    let mut header = |key: &str| params.take(key).map(|(_, value)| value);
    let filter = header("where").and_then(|filter| filter.as_str().map(str::to_owned));
    let tolerance = header("tolerance").map(|node| node.read::<Tolerance>()).transpose();
    let tolerance = tolerance.map_err(|err| format!("{err:?}"))?.unwrap_or_default();
    let severity = header("severity").map(|node| node.read::<CheckSeverity>()).transpose();
    let severity = severity.map_err(|err| format!("{err:?}"))?.unwrap_or(CheckSeverity::Error);
    let target = CheckTarget { asset: AssetKey::new("truth.rows").unwrap(), schema: Some(rows.schema()) };
    let plugin = registry.quality(&kind).map_err(|err| format!("{err:?}"))?;
    let plan = plugin.check(&params, &target).map_err(|err| format!("{err:?}"))?;
    let name = format!("{at} {}", plan.name);
    Ok(Check { name, severity, tolerance, filter, ..Check::new(target.asset, kind, plan) })
}

fn mem_table(rows: &Rows) -> Arc<dyn TableProvider> {
    Arc::new(MemTable::try_new(rows.schema(), vec![rows.batches()]).unwrap())
}

/// The table beside it, as the asset `truth.other` (and `other` in DuckDB).
fn register_others(session: &Session, rows: &Rows) {
    use datafusion::catalog::SchemaProvider as _;
    let Some(other) = rows.other() else { return };
    let schema = MemorySchemaProvider::new();
    schema.register_table("other".to_owned(), mem_table(other)).unwrap();
    let catalogs = session.catalog_names();
    let catalog = session.catalog(&catalogs[0]).unwrap();
    catalog.register_schema("truth", Arc::new(schema)).unwrap();
}

#[test]
fn every_check_has_an_oracle() {
    let lists = [
        rows::KEPT,
        rows::NULLS,
        rows::KEYS,
        rows::BINARY,
        rows::KINDS,
        rows::SETS,
        rows::RANGES,
        rows::TEXTS,
        rows::FORMATS,
        tables::FUNCTIONS,
        tables::AGGREGATES,
        tables::REST,
        reconcile::RECONCILED,
        distribution::DISTANCES,
    ];
    let compared = lists.concat().into_iter().map(|entry| entry.check);
    let compared = compared.chain(distribution::STATISTICS.iter().map(|(check, ..)| *check));
    let compared: BTreeSet<&str> = compared.filter_map(|check| check.split(':').next()).collect();
    let registry = Registry::linked(&[]).unwrap().activate(Policy::default(), InitContext::at("/nowhere")).unwrap();
    let (plugins, problems) = registry.instances(PluginKind::Quality);
    assert!(problems.is_empty(), "{problems:?}");
    let own = plugins.iter().map(|(registration, _)| registration).filter(|of| of.package.starts_with("phlo-quality-"));
    let own: Vec<&str> = own.map(|registration| registration.name).collect();
    let without: Vec<_> = own.iter().filter(|name| !compared.contains(*name)).collect();
    assert!(own.len() > 50 && without.is_empty(), "{} checks, and nothing tells the truth of {without:?}", own.len());
}
