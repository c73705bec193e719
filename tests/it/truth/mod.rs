//! Truth: each check, executed by the real engine over edge tables and generated ones, against a naive oracle and against DuckDB.
//!
//! An entry is a [`Truth`]; [`agree`] runs a list of them over [`tables`]. All checks of a list are audited at once per table, as those
//! of one asset are, so what the engine fuses is tried too.
//!
//! Over some of the tables ([`is_tried_further`]) each check is asked again: of the rows that a `where` leaves, of a table that grew, and of
//! one whose store vouches for exact statistics. The first has the oracle's answer of these rows, the others that of the audit of all.

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

use arrow_array::RecordBatch;
use arrow_schema::{DataType, SchemaRef};
use datafusion::arrow::compute::concat_batches;
use datafusion::catalog::{MemorySchemaProvider, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue, Statistics};
use datafusion::datasource::MemTable;
use phlo_bundle as _;
use phlo_engine::{Check, Session, check};
use phlo_plugin::quality::{CheckTarget, Evaluation};
use phlo_plugin::{InitContext, Policy, Registry};
use phlo_spec::quality::{CheckOutcome, CheckSeverity, Tolerance};
use phlo_spec::{AssetKey, CheckResult, Node, PluginKind};

use crate::passes::Counted;

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
    /// Whether it warns where it does not pass: of checks with a level for each. Others fail.
    warns: Option<bool>,
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

    /// Whether the outer bounds hold, and the inner ones.
    pub(crate) fn levels(self, outer: bool, inner: bool) -> Self {
        Self { passed: Some(outer && inner), warns: Some(outer), ..self }
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
    /// Of a check with two levels: `passed`, `warned` or `failed`.
    Level(String),
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
            wrong.extend(disagreement(entry, rows, result, answer));
        }
        if is_tried_further(rows) {
            let mut left = rows.only(&["id"], passes);
            left.name = format!("{} where {WHERE}", rows.name);
            let results = run_where(&registry, rows, entries, &mut verified, Some(WHERE)).await;
            wrong.extend(
                entries.iter().zip(results).filter_map(|(entry, result)| disagreement(entry, &left, result, None)),
            );
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

/// A filter that every table has a column for, and its judge.
const WHERE: &str = "id > 1 AND id <> 5";

fn passes(cells: &[&Cell]) -> bool {
    cells[0].int().is_some_and(|id| id > 1 && id != 5)
}

/// Tables over which checks are asked again: the ends of the types, floats, one that is generated, and all sorts of values in other
/// types. With all tables, the tests would take several times as long.
fn is_tried_further(rows: &Rows) -> bool {
    ["floats", "the ends of the types", "generated 20", "all sorts in dress 4"].contains(&rows.name.as_str())
}

/// How a result is not what the oracle or DuckDB says.
fn disagreement(
    entry: &Truth,
    rows: &Rows,
    result: Result<CheckResult, String>,
    answer: Option<&Answer>,
) -> Option<String> {
    let expected = (entry.oracle)(rows);
    let why = compare(rows, &result, expected, answer).err()?;
    let result = match result {
        Ok(result) => format!(
            "{:?} {} of {}, {:?} {:?}\n    sql: {:?}",
            result.outcome, result.violations, result.total, result.observed, result.error, result.sql
        ),
        Err(err) => err,
    };
    Some(format!(
        "{} over {}: {why}\n  phlo: {result}\n  oracle: {expected:?}\n  DuckDB: {answer:?} by {}\n{rows}",
        entry.check, rows.name, entry.duckdb
    ))
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
    let level = match (passed, result.severity) {
        (true, _) => "passed",
        (_, CheckSeverity::Warn) => "warned",
        (_, CheckSeverity::Error) => "failed",
    };
    if let Some(warns) = expected.warns.filter(|warns| !passed && *warns != (level == "warned")) {
        return Err(format!("it {level}, and the oracle says that it {}", if warns { "warns" } else { "fails" }));
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
        Some(Answer::Level(duckdb)) if *duckdb == level => {}
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

/// The results of these entries' checks over a table, in their order. That a table grew or has statistics makes none of them another.
async fn run(
    registry: &Registry,
    rows: &Rows,
    entries: &[&Truth],
    verified: &mut Verified,
) -> Vec<Result<CheckResult, String>> {
    run_where(registry, rows, entries, verified, None).await
}

/// As [`run`], of the rows that a filter leaves, beside the check's own.
async fn run_where(
    registry: &Registry,
    rows: &Rows,
    entries: &[&Truth],
    verified: &mut Verified,
    filter: Option<&str>,
) -> Vec<Result<CheckResult, String>> {
    let session = Session::new();
    let table = mem_table(rows);
    register_others(&session, rows);
    let (mut checks, mut results) = (Vec::new(), vec![Err("no result".to_owned()); entries.len()]);
    let mut places = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        let known = (rows.dress().name().to_owned(), entry.check);
        let made = made(registry, entry.check, at, rows).map(|check| {
            let both = [check.filter.as_deref(), filter].into_iter().flatten().map(|sql| format!("({sql})"));
            let both = both.collect::<Vec<_>>().join(" AND ");
            Check { filter: (!both.is_empty()).then_some(both), ..check }
        });
        let check = match made {
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
    session.register_table("audited", table.clone()).unwrap();
    let audited = audited.unwrap_or_else(|err| panic!("{err:?}\n{rows}")).results;
    let again = filter.is_none() && is_tried_further(rows);
    let further = if again { further(&session, &table, rows, &checks).await } else { Vec::new() };
    for (nth, (at, result)) in audited.into_iter().enumerate() {
        // How rows are shown does not depend on how their types are stored.
        let is_plain = filter.is_none() && rows.dress().name().is_empty();
        let shown = if is_plain { shows(&session, &checks[at], &result).await } else { Ok(()) };
        let same = further.iter().try_for_each(|(how, results)| same(&result, &results[nth].1, how));
        results[places[at]] = shown.and(same).map(|()| result);
    }
    results
}

/// The results of audits that read less: of a table that grew by half of its rows, and of one that is known by statistics.
async fn further(
    session: &Session,
    table: &Arc<dyn TableProvider>,
    rows: &Rows,
    checks: &[Check],
) -> Vec<(&'static str, Vec<(usize, CheckResult)>)> {
    let all = concat_batches(&rows.schema(), &rows.batches()).unwrap();
    let half = all.num_rows() / 2;
    let part = |from: usize, rows: usize| {
        let part = vec![vec![all.slice(from, rows)]];
        Arc::new(MemTable::try_new(all.schema(), part).unwrap()) as Arc<dyn TableProvider>
    };
    let (old, added) = (part(0, half), part(half, all.num_rows() - half));
    let before = check::audit(session, &old, checks, check::Scope::All, None).await.unwrap().states;
    // They stand in commits as text.
    let before: check::States = serde_json::from_str(&serde_json::to_string(&before).unwrap()).unwrap();
    let grown = check::Grown { before: &before, added: &added };
    let grown = check::audit(session, table, checks, check::Scope::All, Some(grown)).await.unwrap();
    let vouched: Arc<dyn TableProvider> = Arc::new(Counted::new(&all).knowing(statistics(session, &all).await));
    let known = check::audit(session, &vouched, checks, check::Scope::All, None).await.unwrap();
    vec![("of a table that grew", grown.results), ("by statistics", known.results)]
}

/// Whether two results say the same, but for the rounding of sums that were added in another order.
fn same(one: &CheckResult, other: &CheckResult, how: &str) -> Result<(), String> {
    let says = |result: &CheckResult| {
        (result.outcome, result.severity, result.violations, result.total, result.whole, result.sample.len())
    };
    let texts = |result: &CheckResult| [result.observed.clone(), result.error.clone()].map(Option::unwrap_or_default);
    let word = |(a, b): (&str, &str)| {
        let number = |word: &str| word.trim_end_matches([',', ';', '%']).parse::<f64>().ok();
        a == b || number(a).is_some_and(|a| number(b).is_some_and(|b| alike(Some(a), Some(b), true)))
    };
    let alike = |(a, b): (String, String)| {
        let (a, b): (Vec<&str>, Vec<&str>) = (a.split(' ').collect(), b.split(' ').collect());
        a.len() == b.len() && a.into_iter().zip(b).all(word)
    };
    if says(one) == says(other) && one.sql == other.sql && texts(one).into_iter().zip(texts(other)).all(alike) {
        return Ok(());
    }
    Err(format!(
        "{how} it says otherwise: {:?} {:?}\n    sql: {:?}\n  whole: {:?} {:?}",
        says(other),
        texts(other),
        other.sql,
        says(one),
        texts(one)
    ))
}

/// What a store can know exactly: counts of all columns, and bounds where values have an order that all agree on. No bound is that of a
/// column with a NaN or a zero in it, which has two signs.
async fn statistics(session: &Session, rows: &RecordBatch) -> Statistics {
    let mut columns = Vec::new();
    for (array, field) in rows.columns().iter().zip(rows.schema().fields()) {
        let mut known = ColumnStatistics::new_unknown();
        known.null_count = Precision::Exact(array.logical_nulls().map_or(0, |nulls| nulls.null_count()));
        let one = RecordBatch::try_from_iter_with_nullable([("c", array.clone(), true)]).unwrap();
        let ordered = async {
            let odd = if field.data_type().is_floating() { "c IS NULL OR isnan(c) OR c = 0" } else { "false" };
            session.register_batch("one_column", one).unwrap();
            let sql = format!("SELECT min(c), max(c), coalesce(bool_or({odd}), false) FROM one_column");
            let found = session.sql(&sql).await?.collect().await?;
            let value = |at: usize| ScalarValue::try_from_array(found[0].column(at), 0);
            Ok::<_, datafusion::error::DataFusionError>([value(0)?, value(1)?, value(2)?])
        };
        let bounds = ordered.await;
        session.deregister_table("one_column").unwrap();
        if let Ok([min, max, ScalarValue::Boolean(Some(false))]) = bounds
            && !matches!(field.data_type(), DataType::Dictionary(..))
            && min.data_type() == *field.data_type()
        {
            known.min_value = Precision::Exact(min);
            known.max_value = Precision::Exact(max);
        }
        columns.push(known);
    }
    Statistics {
        num_rows: Precision::Exact(rows.num_rows()),
        total_byte_size: Precision::Absent,
        column_statistics: columns,
    }
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
    if let Some(other) = rows.other() {
        register(session, "other", mem_table(other));
    }
}

/// A table as the asset `truth.NAME`.
fn register(session: &Session, name: &str, table: Arc<dyn TableProvider>) {
    use datafusion::catalog::SchemaProvider as _;
    let schema = MemorySchemaProvider::new();
    schema.register_table(name.to_owned(), table).unwrap();
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
