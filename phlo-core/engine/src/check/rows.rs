//! Row-level checks over batches: on the way into a stage, or in the pass over a table.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray;
use arrow_array::{Array, BooleanArray, RecordBatch};
use arrow_buffer::BooleanBuffer;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::PhysicalExpr;
use datafusion::prelude::SessionContext;
use phlo_plugin::quality::{Evaluation, MaskFn, Verdict};
use phlo_plugin::registry::guard;
use phlo_plugin::{Error, Result};
use phlo_spec::{CheckResult, Code};

use super::lineage::Lineage;
use super::{Check, ROWS, executable, holds, predicate};
use crate::error::map_error;

/// A row-level check's expressions, for rows of one schema.
#[derive(Debug, Clone)]
pub(super) struct RowRule {
    /// What must hold; `None` if a function judges.
    pub(super) predicate: Option<Expr>,
    /// What the function is given.
    given: Vec<Expr>,
    /// Which rows are looked at.
    pub(super) filter: Option<Expr>,
}

impl RowRule {
    /// Plans a check's expressions; `None` if it is not row-level.
    pub(super) fn of(session: &SessionContext, schema: &DFSchema, check: &Check) -> Option<Result<Self>> {
        let (sql, given) = match &check.plan.evaluation {
            Evaluation::Rows { predicate } => (Some(predicate), [].as_slice()),
            Evaluation::Mask { given, .. } => (None, given.as_slice()),
            _ => return None,
        };
        let rule = || {
            let plan = |sql: &String| predicate(session, schema, sql);
            Ok(Self {
                predicate: sql.map(plan).transpose()?,
                given: given.iter().map(plan).collect::<Result<_>>()?,
                filter: check.filter.as_ref().map(plan).transpose()?,
            })
        };
        Some(rule())
    }

    /// The columns that it looks at; `None` for all, because a function may look at any.
    pub(super) fn columns(&self) -> Option<BTreeSet<String>> {
        let of = |expr: &Expr| expr.column_refs().into_iter().map(|column| column.name.clone()).collect::<Vec<_>>();
        let predicate = self.predicate.as_ref()?;
        Some([Some(predicate), self.filter.as_ref()].into_iter().flatten().flat_map(of).collect())
    }
}

enum Judge {
    Predicate(Arc<dyn PhysicalExpr>),
    Mask { mask: MaskFn, given: Vec<Arc<dyn PhysicalExpr>> },
}

struct RowCheck {
    // Index into the checks that the audit was made of.
    at: usize,
    name: String,
    judge: Judge,
    filter: Option<Arc<dyn PhysicalExpr>>,
    sample: usize,
}

/// The row-level checks of an asset, compiled for rows of one schema. Shared by the streams of a write; each has its own
/// [`RowTally`].
pub struct RowAudit {
    schema: SchemaRef,
    checks: Vec<RowCheck>,
    errored: Vec<(usize, Error)>,
}

impl std::fmt::Debug for RowAudit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RowAudit({} checks)", self.checks.len())
    }
}

/// What one stream's rows did to each row-level check.
pub struct RowTally {
    counts: Vec<Tally>,
    took: Duration,
}

impl RowTally {
    /// How long looking took.
    pub fn took(&self) -> Duration {
        self.took
    }
}

#[derive(Default)]
struct Tally {
    violations: u64,
    // Rows that the filter left.
    total: u64,
    rows: u64,
    sample: Vec<RecordBatch>,
    sampled: usize,
    error: Option<Error>,
}

impl RowAudit {
    /// Compiles the row-level checks among these. One that does not compile counts as errored; it does not stop the others.
    pub fn compile(session: &SessionContext, schema: &SchemaRef, checks: &[Check]) -> Self {
        let all: Vec<usize> = (0..checks.len()).collect();
        Self::of(session, schema, checks, &all, true)
    }

    /// Compiles those of the checks that are named by their indices and row-level. `whole` tells that batches have all columns, so that
    /// failing rows can be taken from them.
    pub(super) fn of(
        session: &SessionContext,
        schema: &SchemaRef,
        checks: &[Check],
        wanted: &[usize],
        whole: bool,
    ) -> Self {
        let (mut compiled, mut errored) = (Vec::new(), Vec::new());
        let df_schema = DFSchema::try_from(schema.as_ref().clone()).map_err(map_error);
        for (at, check) in wanted.iter().map(|at| (*at, &checks[*at])) {
            let one = || {
                let df_schema = df_schema.as_ref().map_err(|err| Error::internal(err.message().to_owned()))?;
                let Some(rule) = RowRule::of(session, df_schema, check) else { return Ok(None) };
                let RowRule { predicate, given, filter } = rule?;
                let ready = |expr: Expr| {
                    let sql = expr.to_string();
                    executable(session, df_schema, expr, &sql)
                };
                let judge = match (predicate, &check.plan.evaluation) {
                    (Some(predicate), _) => Judge::Predicate(ready(predicate)?),
                    (None, Evaluation::Mask { mask, .. }) => {
                        Judge::Mask { mask: mask.clone(), given: given.into_iter().map(ready).collect::<Result<_>>()? }
                    }
                    (None, _) => return Ok(None),
                };
                let sample = if whole { check.sample } else { 0 };
                Ok(Some(RowCheck {
                    at,
                    name: check.kind.clone(),
                    judge,
                    filter: filter.map(ready).transpose()?,
                    sample,
                }))
            };
            match one() {
                Ok(Some(check)) => compiled.push(check),
                Ok(None) => {}
                Err(err) => errored.push((at, err)),
            }
        }
        Self { schema: schema.clone(), checks: compiled, errored }
    }

    /// A tally for one stream.
    pub fn tally(&self) -> RowTally {
        RowTally { counts: self.checks.iter().map(|_| Tally::default()).collect(), took: Duration::ZERO }
    }

    /// Looks at one batch.
    pub fn look(&self, batch: &RecordBatch, tally: &mut RowTally) {
        let started = Instant::now();
        for (check, tally) in self.checks.iter().zip(&mut tally.counts) {
            if tally.error.is_none()
                && let Err(err) = check.look(batch, tally)
            {
                tally.error = Some(err);
            }
        }
        tally.took += started.elapsed();
    }

    /// The results, the tallies of all streams taken together. Their `sql` selects from [`ROWS`].
    pub fn results(&self, checks: &[Check], tallies: Vec<RowTally>) -> Vec<(usize, CheckResult)> {
        let mut merged: Vec<Tally> = self.checks.iter().map(|_| Tally::default()).collect();
        for tally in tallies {
            for (all, one) in merged.iter_mut().zip(tally.counts) {
                all.violations += one.violations;
                all.total += one.total;
                all.rows += one.rows;
                all.sample.extend(one.sample);
                all.error = all.error.take().or(one.error);
            }
        }
        let mut results: Vec<_> = self.errored.iter().map(|(at, err)| (*at, checks[*at].errored(err))).collect();
        for (row_check, tally) in self.checks.iter().zip(merged) {
            let check = &checks[row_check.at];
            let result = if let Some(err) = tally.error {
                check.errored(&err)
            } else {
                let sample = check.shown(&tally.sample, &Lineage::of_table(&self.schema));
                CheckResult {
                    sample,
                    rows_scanned: tally.rows,
                    ..check.row_result(tally.violations, tally.total, ROWS)
                }
            };
            results.push((row_check.at, result));
        }
        results
    }
}

impl Check {
    /// The result of a row-level check, without a sample. Its `sql` selects from `table`.
    pub(super) fn row_result(&self, violations: u64, total: u64, table: &str) -> CheckResult {
        let observed = (violations > 0).then(|| format!("{violations} of {total} {}s", self.plan.unit));
        let verdict = Verdict { passed: true, violations, total: Some(total), observed };
        let sql = match &self.plan.evaluation {
            Evaluation::Rows { predicate } => Some(self.violations_of(table, predicate)),
            // One that names no column may look at any: there is no row to write for it.
            Evaluation::Mask { given, .. } if !self.plan.columns.is_empty() => {
                Some(self.violations_of(table, &holds::call(self, &self.plan.columns, given)))
            }
            _ => None,
        };
        CheckResult { sql, of_rows: true, ..self.result(&verdict, total) }
    }
}

/// What a check's function says of each row.
pub(super) fn judged(kind: &str, mask: &MaskFn, batch: &RecordBatch) -> Result<BooleanArray> {
    let good = guard(kind, "judging rows", || mask(batch))?;
    if good.len() == batch.num_rows() {
        return Ok(good);
    }
    let message = format!("the check's mask has {} values for {} rows", good.len(), batch.num_rows());
    Err(Error::new(Code::CheckErrored, message))
}

fn boolean(expr: &Arc<dyn PhysicalExpr>, batch: &RecordBatch) -> Result<BooleanArray> {
    let value = expr.evaluate(batch).map_err(map_error)?;
    let array = value.into_array(batch.num_rows()).map_err(map_error)?;
    match array.data_type() {
        DataType::Null => Ok(BooleanArray::new_null(batch.num_rows())),
        _ => Ok(array.as_boolean().clone()),
    }
}

/// Rows with what SQL says of each as their last columns.
fn beside(batch: &RecordBatch, given: &[Arc<dyn PhysicalExpr>]) -> Result<RecordBatch> {
    let (mut fields, mut columns) = (batch.schema().fields().to_vec(), batch.columns().to_vec());
    for (nth, expr) in given.iter().enumerate() {
        fields.push(Arc::new(Field::new(holds::given(nth), DataType::Boolean, true)));
        columns.push(Arc::new(boolean(expr, batch)?));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
        .map_err(|err| Error::internal("what SQL says of rows is no column of them").because(err))
}

/// Where an array is true, or false; never where it is null.
fn truth(array: &BooleanArray, wanted: bool) -> BooleanBuffer {
    let values = if wanted { array.values().clone() } else { !array.values() };
    match array.nulls() {
        Some(nulls) => &values & nulls.inner(),
        None => values,
    }
}

impl RowCheck {
    /// Which rows are good, whatever the filter leaves out.
    fn judged(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        match &self.judge {
            Judge::Predicate(expr) => boolean(expr, batch),
            Judge::Mask { mask, given } if given.is_empty() => judged(&self.name, mask, batch),
            Judge::Mask { mask, given } => judged(&self.name, mask, &beside(batch, given)?),
        }
    }

    fn look(&self, batch: &RecordBatch, tally: &mut Tally) -> Result<()> {
        tally.rows += batch.num_rows() as u64;
        let looked_at = match &self.filter {
            Some(filter) => Some(truth(&boolean(filter, batch)?, true)),
            None => None,
        };
        tally.total += looked_at.as_ref().map_or(batch.num_rows(), BooleanBuffer::count_set_bits) as u64;
        let taken = |rows: BooleanBuffer| {
            arrow_select::filter::filter_record_batch(batch, &BooleanArray::new(rows, None))
                .map_err(|err| Error::internal("rows cannot be taken out").because(err))
        };
        // NULL is good, as in SQL's CHECK.
        let (batch, bad) = match (self.judged(batch), looked_at) {
            (Ok(good), None) => (batch.clone(), truth(&good, false)),
            (Ok(good), Some(looked_at)) => (batch.clone(), &truth(&good, false) & &looked_at),
            (Err(err), None) => return Err(err),
            // It may be what the filter leaves out that the rule cannot be computed of.
            (Err(_), Some(looked_at)) => {
                let rows = taken(looked_at)?;
                let bad = truth(&self.judged(&rows)?, false);
                (rows, bad)
            }
        };
        let violations = bad.count_set_bits();
        tally.violations += violations as u64;
        if violations > 0 && tally.sampled < self.sample {
            let rows = arrow_select::filter::filter_record_batch(&batch, &BooleanArray::new(bad, None))
                .map_err(|err| Error::internal("failing rows cannot be taken out").because(err))?;
            let rows = rows.slice(0, rows.num_rows().min(self.sample - tally.sampled));
            tally.sampled += rows.num_rows();
            tally.sample.push(rows);
        }
        Ok(())
    }
}
