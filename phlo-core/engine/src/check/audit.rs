//! The audit of a table: planned so that as little as possible is read, then executed.
//!
//! What statistics answer reads nothing. Aggregates that were known before rows were added are computed of these rows alone. What is left
//! shares one pass, but for checks with a query of their own. Failing rows are fetched on failure only.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::catalog::TableProvider;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::Expr;
use datafusion::prelude::SessionContext;
use phlo_plugin::quality::{Evaluation, Value};
use phlo_plugin::{Error, Result};
use phlo_spec::CheckResult;

use super::atoms::{Atoms, Values};
use super::keys::KeyRule;
use super::known::Known;
use super::pass::{Pass, df_schema};
use super::query::{select, whole_number};
use super::rows::RowRule;
use super::states::{States, grown};
use super::{Check, TABLE, predicate};
use crate::error::map_error;
use crate::session::register_bare;

/// Which checks an audit is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// All but the row-level ones, which rode on the write; of these only the ones with these indices, which the rows that were there before
    /// were never asked.
    Table(&'a BTreeSet<usize>),
    /// All.
    All,
}

impl Scope<'_> {
    fn has_rows_of(self, at: usize) -> bool {
        match self {
            Self::All => true,
            Self::Table(asked) => asked.contains(&at),
        }
    }
}

/// A table to which rows were added, and nothing else.
#[derive(Debug, Clone, Copy)]
pub struct Grown<'a> {
    /// The aggregates as they were.
    pub before: &'a States,
    /// The rows that were added.
    pub added: &'a Arc<dyn TableProvider>,
}

/// What an audit found.
#[derive(Debug)]
pub struct Audit {
    /// The table's rows.
    pub rows: u64,
    /// Each check's index and result.
    pub results: Vec<(usize, CheckResult)>,
    /// The aggregates as of this table.
    pub states: States,
    /// How long it took.
    pub took: Duration,
}

/// How the checks of an audit are found out.
pub(super) struct Plan {
    pub(super) atoms: Atoms,
    /// What statistics answer, by atom.
    pub(super) known: Vec<Option<ScalarValue>>,
    pub(super) jobs: Vec<(usize, Job)>,
}

/// How one check is found out.
pub(super) enum Job {
    /// From aggregate values: what is left of its expressions, and of the count of the rows that it looks at.
    Aggregates { left: Vec<Expr>, total: Expr },
    /// Statistics prove that every row keeps it.
    Proven { rows: u64 },
    /// Row by row.
    Rows(RowRule),
    /// By the hashes of its keys, and by itself if these prove nothing; with the count of the rows that it looks at.
    Unique { rule: KeyRule, total: Expr },
    /// By itself.
    Alone,
    /// Not at all.
    Errored(Error),
}

impl Plan {
    pub(super) fn make(
        session: &SessionContext,
        table: &dyn TableProvider,
        checks: &[Check],
        scope: Scope<'_>,
    ) -> Result<Self> {
        let schema = df_schema(&table.schema())?;
        let known = Known::of(table);
        let mut atoms = Atoms::new();
        let mut jobs = Vec::new();
        for (at, check) in checks.iter().enumerate() {
            let job = match RowRule::of(session, &schema, check) {
                Some(_) if !scope.has_rows_of(at) => continue,
                Some(Err(err)) => Job::Errored(err),
                Some(Ok(rule)) => match known.proves(session, &schema, &rule) {
                    Some(rows) => Job::Proven { rows },
                    None => Job::Rows(rule),
                },
                // What is no aggregate over this table alone, say with a subquery, is run as it is written.
                None => aggregates(session, &schema, check, &mut atoms)
                    .or_else(|| keys(session, &schema, check, &mut atoms))
                    .unwrap_or(Job::Alone),
            };
            jobs.push((at, job));
        }
        let known = atoms.calls().iter().map(|call| known.value(call)).collect();
        Ok(Self { atoms, known, jobs })
    }

    /// What shares the pass: calls whose value is not known, and row-level checks.
    pub(super) fn pass<'a>(&'a self, values: &[Option<ScalarValue>]) -> (Vec<usize>, Pass<'a>) {
        let calls: Vec<usize> = (0..values.len()).filter(|at| values[*at].is_none()).collect();
        let rows = self.jobs.iter().filter_map(|(at, job)| match job {
            Job::Rows(rule) => Some((*at, rule)),
            _ => None,
        });
        let keys = self.jobs.iter().filter_map(|(at, job)| match job {
            Job::Unique { rule, .. } => Some((*at, rule)),
            _ => None,
        });
        let calls_of = calls.iter().map(|at| &self.atoms.calls()[*at]).collect();
        let pass = Pass { calls: calls_of, rows: rows.collect(), keys: keys.collect() };
        (calls, pass)
    }
}

fn aggregates(session: &SessionContext, schema: &DFSchema, check: &Check, atoms: &mut Atoms) -> Option<Job> {
    let Evaluation::Aggregates { expressions, .. } = &check.plan.evaluation else { return None };
    let before = atoms.calls().len();
    let mut taken = || {
        let filter = check.filter.as_ref().map(|sql| predicate(session, schema, sql)).transpose()?;
        let mut take = |sql: &str| {
            let expr = session.state().create_logical_expr(sql, schema).map_err(map_error)?;
            atoms.take(schema, expr, filter.as_ref())
        };
        let left = expressions.iter().map(|sql| take(sql)).collect::<Result<_>>()?;
        Ok::<_, Error>(Job::Aggregates { left, total: take("count(*)")? })
    };
    let taken = taken().ok();
    if taken.is_none() {
        atoms.forget_from(before);
    }
    taken
}

fn keys(session: &SessionContext, schema: &DFSchema, check: &Check, atoms: &mut Atoms) -> Option<Job> {
    let rule = KeyRule::of(session, schema, check)?;
    let count = session.state().create_logical_expr("count(*)", schema).ok()?;
    let total = atoms.take(schema, count, rule.filter.as_ref()).ok()?;
    Some(Job::Unique { rule, total })
}

/// Audits a table: its rows are counted and its checks executed, each exactly once.
///
/// # Errors
/// Only if the table itself cannot be read, or trying again can help; a check that fails to run is a result.
pub async fn audit(
    session: &SessionContext,
    table: &Arc<dyn TableProvider>,
    checks: &[Check],
    scope: Scope<'_>,
    grown: Option<Grown<'_>>,
) -> Result<Audit> {
    let started = Instant::now();
    register_bare(session, "this", table.clone())?;
    let plan = Plan::make(session, table.as_ref(), checks, scope)?;
    let mut audit = Run {
        session,
        table,
        checks,
        plan: &plan,
        values: plan.known.clone(),
        read: Vec::new(),
        unique: BTreeSet::new(),
        ms: 0,
    };
    if let Some(grown) = grown {
        audit.grow(grown).await?;
    }
    let mut results = audit.share().await?;
    let rows = audit.rows()?;
    let mut states = States::default();
    for (call, value) in plan.atoms.calls().iter().zip(&audit.values) {
        if let Some(value) = value {
            states.keep(call, value);
        }
    }
    for (at, job) in &plan.jobs {
        if let Some(outcome) = audit.finish(*at, job, rows).await {
            match outcome {
                Ok(result) => results.push((*at, result)),
                // A storage that did not answer says nothing about the rows: the asset is tried again.
                Err(err) if err.is_retryable() => return Err(err),
                Err(err) => results.push((*at, checks[*at].errored(&err))),
            }
        }
    }
    results.sort_by_key(|(at, _)| *at);
    Ok(Audit { rows, results, states, took: started.elapsed() })
}

/// An audit on its way.
struct Run<'a> {
    session: &'a SessionContext,
    table: &'a Arc<dyn TableProvider>,
    checks: &'a [Check],
    plan: &'a Plan,
    /// The calls' values, as far as they are known.
    values: Vec<Option<ScalarValue>>,
    /// How many rows were read for calls.
    read: Vec<(BTreeSet<usize>, u64)>,
    /// The uniqueness checks that the pass proved.
    unique: BTreeSet<usize>,
    /// How long the shared passes took.
    ms: u64,
}

impl Run<'_> {
    /// Computes what can grow from the rows that were added. What goes wrong here is told by the pass over the whole table.
    async fn grow(&mut self, from: Grown<'_>) -> Result<()> {
        let started = Instant::now();
        let added = from.added.schema();
        let whole = self.table.schema();
        let same = |name: &str| match (added.field_with_name(name), whole.field_with_name(name)) {
            (Ok(a), Ok(b)) => a.data_type() == b.data_type(),
            _ => false,
        };
        let calls = self.plan.atoms.calls();
        let old: Vec<(usize, ScalarValue)> = (0..calls.len())
            .filter(|at| self.values[*at].is_none() && calls[*at].column_refs().iter().all(|c| same(&c.name)))
            .filter_map(|at| Some((at, from.before.value(&calls[at])?)))
            .collect();
        if old.is_empty() {
            return Ok(());
        }
        // Rows are always counted, to say how many were read.
        let wanted = std::iter::once(&calls[0]).chain(old.iter().map(|(at, _)| &calls[*at])).collect();
        let pass = Pass { calls: wanted, rows: Vec::new(), keys: Vec::new() };
        let passed = match pass.run(self.session, from.added, self.checks).await {
            Ok(passed) => passed,
            Err(err) if err.is_retryable() => return Err(err),
            Err(_) => return Ok(()),
        };
        let read = count_of(&passed.values[0])?;
        let mut known = BTreeSet::new();
        for ((at, old), new) in old.iter().zip(&passed.values[1..]) {
            self.values[*at] = grown(&calls[*at], old, new);
            known.extend(self.values[*at].is_some().then_some(*at));
        }
        self.read.push((known, read));
        self.ms += started.elapsed().as_millis() as u64;
        Ok(())
    }

    /// The pass over the table. Answers the results of row-level checks that it looked at.
    async fn share(&mut self) -> Result<Vec<(usize, CheckResult)>> {
        let started = Instant::now();
        let (calls, pass) = self.plan.pass(&self.values);
        if calls.is_empty() && pass.rows.is_empty() && pass.keys.is_empty() {
            return Ok(Vec::new());
        }
        let row_level = pass.rows.clone();
        let passed = match pass.run(self.session, self.table, self.checks).await {
            Ok(passed) => passed,
            Err(err) if err.is_retryable() => return Err(err),
            // One call may be wrong: the count alone tells whether the table can be read, and each check runs for itself.
            Err(err) => {
                tracing::debug!(error = %err, "checks that would share a pass run each for itself");
                let alone = Pass { calls: vec![&self.plan.atoms.calls()[0]], rows: row_level, keys: Vec::new() };
                let passed = alone.run(self.session, self.table, self.checks).await?;
                self.values[0] = passed.values.first().cloned();
                return self.looked(passed.audit.results(self.checks, passed.tallies), passed.sampled, started).await;
            }
        };
        for (at, value) in calls.iter().zip(&passed.values) {
            self.values[*at] = Some(value.clone());
        }
        self.unique = passed.unique;
        let rows = self.rows()?;
        self.read.push((calls.into_iter().collect(), rows));
        self.looked(passed.audit.results(self.checks, passed.tallies), passed.sampled, started).await
    }

    /// Row-level results, with rows to show for those that failed.
    async fn looked(
        &mut self,
        mut results: Vec<(usize, CheckResult)>,
        sampled: bool,
        started: Instant,
    ) -> Result<Vec<(usize, CheckResult)>> {
        self.ms += started.elapsed().as_millis() as u64;
        for (at, result) in &mut results {
            let check = &self.checks[*at];
            result.duration_ms = self.ms;
            if let (Evaluation::Rows { predicate }, false) = (&check.plan.evaluation, sampled || result.violations == 0)
            {
                result.sample = match select(self.session, &check.violations_of("this", predicate)).await {
                    Ok(rows) => check.sampled(rows).await?,
                    Err(err) if err.is_retryable() => return Err(err),
                    // What is wrong with one check's rows ends no audit of all.
                    Err(err) => {
                        tracing::warn!(check = check.name, error = %err, "failing rows cannot be shown");
                        Vec::new()
                    }
                };
            }
            result.sql = result.sql.take().map(|sql| sql.replace(super::ROWS, TABLE));
        }
        Ok(results)
    }

    fn rows(&self) -> Result<u64> {
        count_of(self.values[0].as_ref().ok_or_else(|| Error::internal("the rows were not counted"))?)
    }

    /// The result of a check that no shared pass answered; `None` if one did.
    async fn finish(&self, at: usize, job: &Job, rows: u64) -> Option<Result<CheckResult>> {
        let check = &self.checks[at];
        let started = Instant::now();
        match job {
            Job::Rows(_) => None,
            Job::Errored(err) => Some(Ok(check.errored(err))),
            Job::Proven { rows } => Some(Ok(CheckResult { rows_scanned: 0, ..check.row_result(0, *rows, TABLE) })),
            Job::Aggregates { left, total } => {
                let used: BTreeSet<usize> = left.iter().chain([total]).flat_map(Atoms::used_by).collect();
                if used.iter().any(|at| self.values[*at].is_none()) {
                    return Some(self.alone(check, rows, started).await);
                }
                // The rows that a filter leaves are counted for everybody; what was read for the check is what its own calls read.
                let asked: BTreeSet<usize> = left.iter().flat_map(Atoms::used_by).collect();
                let read = self.read.iter().filter(|(calls, _)| !calls.is_disjoint(&asked)).map(|(_, rows)| rows).sum();
                let ms = if read == 0 { 0 } else { self.ms };
                let judged = self.judged(check, left, total);
                Some(judged.map(|result| CheckResult { rows_scanned: read, duration_ms: ms, ..result }))
            }
            Job::Unique { total, .. } if self.unique.contains(&at) => {
                let total = self.values().and_then(|values| whole_number(Some(&values.of(self.session, total)?)));
                Some(total.map(|total| CheckResult {
                    rows_scanned: rows,
                    duration_ms: self.ms,
                    ..check.unique_result(total)
                }))
            }
            Job::Unique { .. } | Job::Alone => Some(self.alone(check, rows, started).await),
        }
    }

    async fn alone(&self, check: &Check, rows: u64, started: Instant) -> Result<CheckResult> {
        let result = check.run_alone(self.session, self.table, rows).await?;
        let rows_scanned = if check.is_of_schema() { 0 } else { rows };
        Ok(CheckResult { rows_scanned, duration_ms: started.elapsed().as_millis() as u64, ..result })
    }

    fn values(&self) -> Result<Values> {
        let null = || ScalarValue::Int64(None);
        let values: Vec<ScalarValue> = self.values.iter().map(|value| value.clone().unwrap_or_else(null)).collect();
        Values::new(&values)
    }

    fn judged(&self, check: &Check, left: &[Expr], total: &Expr) -> Result<CheckResult> {
        let values = self.values()?;
        let of = |left| values.of(self.session, left);
        let total = whole_number(Some(&of(total)?))?;
        check.judge(&left.iter().map(of).collect::<Result<Vec<Value>>>()?, total)
    }
}

fn count_of(value: &ScalarValue) -> Result<u64> {
    match value {
        ScalarValue::Int64(Some(count)) if *count >= 0 => Ok(*count as u64),
        other => Err(Error::internal(format!("a count answered {other:?}"))),
    }
}
