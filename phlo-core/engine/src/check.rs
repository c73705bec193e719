//! Checks, compiled and executed: row-level ones ride on the write, the others look at the table as it would be.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow_schema::{DataType, SchemaRef, TimeUnit};
use datafusion::catalog::TableProvider;
use datafusion::common::DFSchema;
use datafusion::common::tree_node::TreeNode as _;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::PhysicalExpr;
use datafusion::prelude::{DataFrame, SessionContext};
use phlo_plugin::quality::{CheckPlan, Evaluation, MaskFn, Value, Verdict};
use phlo_plugin::registry::guard;
use phlo_plugin::{Error, Result};
use phlo_spec::{AssetKey, CheckOutcome, CheckResult, CheckSeverity, Code, Place, Tolerance};

use crate::error::map_error;
use crate::session::register_bare;

/// Stands for the new rows in the `sql` of a row-level check's result, until the runtime knows where people find them.
pub const ROWS: &str = "{rows}";
/// Stands for the table in the `sql` of another check's result.
pub const TABLE: &str = "{table}";

/// Rows that a query with a verdict may answer.
const JUDGED_ROWS: usize = 10_000;
/// Stands for a value that is not shown.
const MASKED: &str = "***";

/// A check with what the asset's file says about it.
#[derive(Debug, Clone)]
pub struct Check {
    /// Unique within the asset.
    pub name: String,
    /// See [`CheckResult::id`].
    pub id: String,
    /// The quality plugin's name for it.
    pub kind: String,
    /// For people.
    pub description: Option<String>,
    /// What a failure does.
    pub severity: CheckSeverity,
    /// How much may fail.
    pub tolerance: Tolerance,
    /// Only rows for which this holds.
    pub filter: Option<String>,
    /// Failing rows that the result keeps.
    pub sample: usize,
    /// Columns whose values are masked in them.
    pub sensitive: Arc<BTreeSet<String>>,
    /// What is to be found out.
    pub plan: CheckPlan,
    /// Where it is written.
    pub place: Option<Place>,
}

impl Check {
    /// Whether the same rows may pass today and fail tomorrow.
    pub fn depends_on_time(&self) -> bool {
        // Only a verdict can look at the clock; all such are cheap.
        matches!(self.plan.evaluation, Evaluation::Aggregates { .. })
    }

    /// Whether it rides on the write and sees new rows only.
    pub fn is_row_level(&self) -> bool {
        matches!(self.plan.evaluation, Evaluation::Rows { .. } | Evaluation::Mask { .. })
    }

    /// Compares it with a table's columns, without data: its columns must be there and its SQL must plan.
    ///
    /// # Errors
    /// [`Code::UnknownColumn`] with the nearest name, or [`Code::SqlError`], at the check's place.
    pub async fn verify(&self, session: &SessionContext, schema: &SchemaRef) -> Result<()> {
        for column in &self.plan.columns {
            if schema.column_with_name(column).is_none() {
                let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
                let error = Error::new(
                    Code::UnknownColumn,
                    format!("the check `{}` names the column `{column}`, which is not there", self.name),
                );
                let error = error.suggest(column, names.iter().copied(), format!("columns: {}", names.join(", ")));
                return Err(error.at(self.place.clone()));
            }
        }
        let planned = async {
            if let Some(filter) = &self.filter {
                compile(session, schema, filter)?;
            }
            register_bare(session, "this", crate::session::empty(schema.clone()))?;
            match &self.plan.evaluation {
                Evaluation::Rows { predicate } => compile(session, schema, predicate).map(drop),
                Evaluation::Mask { .. } | Evaluation::Schema { .. } => Ok(()),
                Evaluation::Aggregates { expressions, .. } => {
                    plan(session, &format!("SELECT {} FROM this", expressions.join(", "))).await
                }
                Evaluation::Violations { query } => plan(session, &query.replace("{table}", "this")).await,
                Evaluation::Count { count, show } => {
                    plan(session, &count.replace("{table}", "this")).await?;
                    plan(session, &show.replace("{table}", "this")).await
                }
                Evaluation::Query { query, show, .. } => {
                    plan(session, &query.replace("{table}", "this")).await?;
                    match show {
                        Some(show) => plan(session, &show.replace("{table}", "this")).await,
                        None => Ok(()),
                    }
                }
            }
        };
        planned.await.map_err(|err| {
            let message = format!("the check `{}` does not plan: {}", self.name, err.chain().join(": "));
            let error = Error::new(Code::SqlError, message).at(self.place.clone());
            err.hints().iter().fold(error, |error, hint| error.hint(hint.clone()))
        })
    }

    /// The tables that its SQL names, itself as `this` left out. SQL that does not parse names none here; [`Check::verify`] tells.
    pub fn tables(&self) -> BTreeSet<AssetKey> {
        let mut texts: Vec<String> = match &self.plan.evaluation {
            Evaluation::Rows { predicate } => vec![format!("SELECT 1 FROM this WHERE {predicate}")],
            Evaluation::Aggregates { expressions, .. } => {
                vec![format!("SELECT {} FROM this", expressions.join(", "))]
            }
            Evaluation::Violations { query } => vec![query.replace("{table}", "this")],
            Evaluation::Count { count, show } => [count, show].map(|sql| sql.replace("{table}", "this")).to_vec(),
            Evaluation::Query { query, show, .. } => {
                [Some(query), show.as_ref()].into_iter().flatten().map(|sql| sql.replace("{table}", "this")).collect()
            }
            Evaluation::Mask { .. } | Evaluation::Schema { .. } => Vec::new(),
        };
        texts.extend(self.filter.iter().map(|filter| format!("SELECT 1 FROM this WHERE {filter}")));
        texts.iter().flat_map(|sql| crate::sql::tables(sql)).collect()
    }

    fn result(&self, verdict: &Verdict, total: u64) -> CheckResult {
        let total = verdict.total.unwrap_or(total);
        // 29 of 100 are within 0.29, though the product in floating point is a little less than 29.
        let beyond = |limit: f64| verdict.violations as f64 > limit * total as f64 * (1.0 + 1e-12);
        let (outcome, severity) = if !verdict.passed || beyond(self.tolerance.error) {
            (CheckOutcome::Failed, self.severity)
        } else if self.tolerance.warn.is_some_and(beyond) {
            (CheckOutcome::Failed, CheckSeverity::Warn)
        } else {
            (CheckOutcome::Passed, self.severity)
        };
        CheckResult {
            name: self.name.clone(),
            id: self.id.clone(),
            kind: self.kind.clone(),
            description: self.description.clone(),
            outcome,
            severity,
            violations: verdict.violations,
            total,
            tolerance: self.tolerance,
            expected: Some(self.plan.expected.clone()),
            observed: verdict.observed.clone(),
            error: None,
            sql: None,
            sample: Vec::new(),
            duration_ms: 0,
            rows_scanned: total,
        }
    }

    /// Failing rows as JSON, as many as are kept.
    fn shown(&self, batches: &[RecordBatch]) -> Vec<serde_json::Value> {
        let mut rows = to_json(batches, self.sample);
        for row in rows.iter_mut().filter_map(serde_json::Value::as_object_mut) {
            for (_, value) in row.iter_mut().filter(|(name, value)| !value.is_null() && self.sensitive.contains(*name))
            {
                *value = MASKED.into();
            }
        }
        rows
    }

    /// A query of the check, as it can be run by itself: `this` is the table's rows that the filter leaves.
    fn reproduced(&self, query: &str) -> String {
        let filter = self.filter.as_ref().map(|f| format!(" WHERE {f}")).unwrap_or_default();
        format!("WITH this AS (SELECT * FROM {TABLE}{filter}) {query}")
    }

    /// The result of a check that could not run.
    pub fn errored(&self, error: &Error) -> CheckResult {
        CheckResult {
            outcome: CheckOutcome::Errored,
            error: Some(error.chain().join(": ")),
            ..self.result(&Verdict { passed: false, violations: 0, total: Some(0), observed: None }, 0)
        }
    }
}

async fn plan(session: &SessionContext, sql: &str) -> Result<()> {
    session.state().create_logical_plan(sql).await.map(drop).map_err(map_error)
}

fn compile(session: &SessionContext, schema: &SchemaRef, sql: &str) -> Result<Arc<dyn PhysicalExpr>> {
    let state = session.state();
    let df_schema = DFSchema::try_from(schema.as_ref().clone()).map_err(map_error)?;
    let logical = state.create_logical_expr(sql, &df_schema).map_err(map_error)?;
    let looks_further = |e: &Expr| {
        use Expr::{AggregateFunction, Exists, InSubquery, ScalarSubquery, WindowFunction};
        matches!(e, AggregateFunction(_) | WindowFunction(_) | ScalarSubquery(_) | InSubquery(_) | Exists(_))
    };
    if logical.exists(|e| Ok(looks_further(e))).map_err(map_error)? {
        return Err(Error::new(Code::SqlError, format!("`{sql}` looks at more than its own row"))
            .hint("use the check `sql`, whose query returns the rows that are wrong"));
    }
    let physical = state.create_physical_expr(logical, &df_schema).map_err(map_error)?;
    match physical.data_type(schema).map_err(map_error)? {
        DataType::Boolean | DataType::Null => Ok(physical),
        other => Err(Error::new(Code::SqlError, format!("`{sql}` is {other}, not true or false"))),
    }
}

enum Judge {
    Predicate(Arc<dyn PhysicalExpr>),
    Mask(MaskFn),
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
    checks: Vec<RowCheck>,
    errored: Vec<(usize, Error)>,
}

/// What one stream's rows did to each row-level check.
pub struct RowTally {
    counts: Vec<Tally>,
}

#[derive(Default)]
struct Tally {
    violations: u64,
    total: u64,
    sample: Vec<RecordBatch>,
    sampled: usize,
    error: Option<Error>,
}

impl RowAudit {
    /// Compiles the row-level checks among these. One that does not compile counts as errored; it does not stop the others.
    pub fn compile(session: &SessionContext, schema: &SchemaRef, checks: &[Check]) -> Self {
        let (mut compiled, mut errored) = (Vec::new(), Vec::new());
        for (at, check) in checks.iter().enumerate() {
            let judge = match &check.plan.evaluation {
                Evaluation::Rows { predicate } => compile(session, schema, predicate).map(Judge::Predicate),
                Evaluation::Mask { mask } => Ok(Judge::Mask(mask.clone())),
                _ => continue,
            };
            let filter = check.filter.as_ref().map(|sql| compile(session, schema, sql)).transpose();
            match judge.and_then(|judge| Ok((judge, filter?))) {
                Ok((judge, filter)) => {
                    compiled.push(RowCheck { at, name: check.kind.clone(), judge, filter, sample: check.sample })
                }
                Err(err) => errored.push((at, err)),
            }
        }
        Self { checks: compiled, errored }
    }

    /// A tally for one stream.
    pub fn tally(&self) -> RowTally {
        RowTally { counts: self.checks.iter().map(|_| Tally::default()).collect() }
    }

    /// Looks at one batch.
    pub fn look(&self, batch: &RecordBatch, tally: &mut RowTally) {
        for (check, tally) in self.checks.iter().zip(&mut tally.counts) {
            if tally.error.is_none()
                && let Err(err) = check.look(batch, tally)
            {
                tally.error = Some(err);
            }
        }
    }

    /// The results, the tallies of all streams taken together. Their `sql` selects from [`ROWS`].
    pub fn results(&self, checks: &[Check], tallies: Vec<RowTally>) -> Vec<(usize, CheckResult)> {
        let mut merged: Vec<Tally> = self.checks.iter().map(|_| Tally::default()).collect();
        for tally in tallies {
            for (all, one) in merged.iter_mut().zip(tally.counts) {
                all.violations += one.violations;
                all.total += one.total;
                all.sample.extend(one.sample);
                all.sampled += one.sampled;
                all.error = all.error.take().or(one.error);
            }
        }
        let mut results: Vec<_> = self.errored.iter().map(|(at, err)| (*at, checks[*at].errored(err))).collect();
        for (row_check, tally) in self.checks.iter().zip(merged) {
            let check = &checks[row_check.at];
            let result = if let Some(err) = tally.error {
                check.errored(&err)
            } else {
                let verdict =
                    Verdict { passed: true, violations: tally.violations, total: Some(tally.total), observed: None };
                let sql = match (&check.plan.evaluation, tally.violations) {
                    (Evaluation::Rows { predicate }, 1..) => {
                        let filter = check.filter.as_ref().map(|f| format!("({f}) AND ")).unwrap_or_default();
                        Some(format!("SELECT * FROM {ROWS} WHERE {filter}NOT ({predicate})"))
                    }
                    _ => None,
                };
                let observed = (tally.violations > 0).then(|| format!("{} of {} rows", tally.violations, tally.total));
                let sample = check.shown(&tally.sample);
                CheckResult { sql, observed, sample, ..check.result(&verdict, tally.total) }
            };
            results.push((row_check.at, result));
        }
        results
    }
}

fn boolean(expr: &Arc<dyn PhysicalExpr>, batch: &RecordBatch) -> Result<BooleanArray> {
    let value = expr.evaluate(batch).map_err(map_error)?;
    let array = value.into_array(batch.num_rows()).map_err(map_error)?;
    match array.data_type() {
        DataType::Null => Ok(BooleanArray::new_null(batch.num_rows())),
        _ => Ok(array.as_boolean().clone()),
    }
}

impl RowCheck {
    fn look(&self, batch: &RecordBatch, tally: &mut Tally) -> Result<()> {
        let good = match &self.judge {
            Judge::Predicate(expr) => boolean(expr, batch)?,
            Judge::Mask(mask) => {
                let good = guard(&self.name, "judging rows", || mask(batch))?;
                if good.len() != batch.num_rows() {
                    return Err(Error::new(
                        Code::CheckErrored,
                        format!("the check's mask has {} values for {} rows", good.len(), batch.num_rows()),
                    ));
                }
                good
            }
        };
        let looked_at = self.filter.as_ref().map(|filter| boolean(filter, batch)).transpose()?;
        if looked_at.is_none() {
            tally.total += batch.num_rows() as u64;
            if good.false_count() == 0 {
                return Ok(());
            }
        }
        // NULL is good, as in SQL's CHECK; a row that the filter leaves out is not looked at.
        let bad: BooleanArray = (0..good.len())
            .map(|i| {
                let wanted = looked_at.as_ref().is_none_or(|l| l.is_valid(i) && l.value(i));
                Some(wanted && good.is_valid(i) && !good.value(i))
            })
            .collect();
        if let Some(looked_at) = &looked_at {
            tally.total += looked_at.true_count() as u64;
        }
        let violations = bad.true_count();
        tally.violations += violations as u64;
        if violations > 0 && tally.sampled < self.sample {
            let rows = arrow_select::filter::filter_record_batch(batch, &bad)
                .map_err(|err| Error::internal("failing rows cannot be taken out").because(err))?;
            let rows = rows.slice(0, rows.num_rows().min(self.sample - tally.sampled));
            tally.sampled += rows.num_rows();
            tally.sample.push(rows);
        }
        Ok(())
    }
}

fn to_json(batches: &[RecordBatch], limit: usize) -> Vec<serde_json::Value> {
    let mut rows = Vec::new();
    for batch in batches {
        let mut buffer = Vec::new();
        let mut writer = arrow_json::WriterBuilder::new()
            .with_explicit_nulls(true)
            .build::<_, arrow_json::writer::JsonArray>(&mut buffer);
        if writer.write(batch).and_then(|()| writer.finish()).is_ok()
            && let Ok(serde_json::Value::Array(items)) = serde_json::from_slice(&buffer)
        {
            rows.extend(items);
        }
    }
    rows.truncate(limit);
    rows
}

/// Executes the checks that are not row-level, and counts the table's rows. Aggregates without a filter share one scan.
///
/// # Errors
/// Only if the table itself cannot be read, or trying again can help; a check that fails to run is a result.
pub async fn audit_table(
    session: &SessionContext,
    table: &Arc<dyn TableProvider>,
    checks: &[Check],
) -> Result<(u64, Vec<(usize, CheckResult)>)> {
    let schema: SchemaRef = table.schema();
    register_bare(session, "this", table.clone())?;
    let mut results = Vec::new();

    // Which checks share the one scan.
    let mut expressions = vec!["count(*)".to_owned()];
    let mut sharing = Vec::new();
    for (at, check) in checks.iter().enumerate() {
        match &check.plan.evaluation {
            Evaluation::Aggregates { expressions: wanted, .. } if check.filter.is_none() => {
                sharing.push((at, expressions.len()..expressions.len() + wanted.len()));
                expressions.extend(wanted.iter().cloned());
            }
            _ => {}
        }
    }
    let started = Instant::now();
    let shared = one_row(session, "this", &expressions).await;
    let (values, shared_failed) = match shared {
        Ok(values) => (values, false),
        // One expression may be wrong: the count alone tells whether the table can be read, then each runs for itself.
        Err(_) => (one_row(session, "this", &expressions[..1]).await?, true),
    };
    let total = whole_number(values.first())?;
    let shared_ms = started.elapsed().as_millis() as u64;

    for (at, check) in checks.iter().enumerate() {
        if check.is_row_level() {
            continue;
        }
        let started = Instant::now();
        let slice = sharing.iter().find(|(shared_at, _)| *shared_at == at).map(|(_, range)| range.clone());
        let outcome = match slice {
            Some(range) if !shared_failed => judge(check, &values[range], total).map(|mut result| {
                result.duration_ms = shared_ms;
                result
            }),
            _ => run_alone(session, table, &schema, check, total).await,
        };
        let mut result = match outcome {
            Ok(result) => result,
            // A storage that did not answer says nothing about the rows: the asset is tried again.
            Err(err) if err.is_retryable() => return Err(err),
            Err(err) => check.errored(&err),
        };
        if result.duration_ms == 0 {
            result.duration_ms = started.elapsed().as_millis() as u64;
        }
        results.push((at, result));
    }
    Ok((total, results))
}

/// What a count answered. Anything else must not pass for zero.
fn whole_number(value: Option<&Value>) -> Result<u64> {
    match value {
        Some(Value::Int(count)) if *count >= 0 => Ok(*count as u64),
        _ => Err(Error::new(Code::CheckErrored, "a count answered no number")),
    }
}

fn judge(check: &Check, values: &[Value], total: u64) -> Result<CheckResult> {
    let Evaluation::Aggregates { verdict, .. } = &check.plan.evaluation else {
        return Err(Error::internal("aggregate values were given to another sort of check"));
    };
    let verdict = guard(&check.kind, "judging aggregates", || Ok(verdict(values)))?;
    Ok(check.result(&verdict, total))
}

async fn run_alone(
    session: &SessionContext,
    table: &Arc<dyn TableProvider>,
    schema: &SchemaRef,
    check: &Check,
    total: u64,
) -> Result<CheckResult> {
    // A filter narrows what the check calls `this`, for as long as it runs.
    let Some(filter) = &check.filter else { return run_query(session, schema, check, total).await };
    let frame = session.sql(&format!("SELECT * FROM this WHERE {filter}")).await.map_err(map_error)?;
    register_bare(session, "this", frame.into_view())?;
    let result = async {
        let count = one_row(session, "this", &["count(*)".to_owned()]).await?;
        let total = whole_number(count.first())?;
        run_query(session, schema, check, total).await
    };
    let result = result.await;
    register_bare(session, "this", table.clone())?;
    result
}

async fn run_query(session: &SessionContext, schema: &SchemaRef, check: &Check, total: u64) -> Result<CheckResult> {
    let result = match &check.plan.evaluation {
        Evaluation::Aggregates { expressions, .. } => {
            judge(check, &one_row(session, "this", expressions).await?, total)?
        }
        Evaluation::Schema { verdict } => {
            let verdict = guard(&check.kind, "judging the schema", || Ok(verdict(schema)))?;
            check.result(&verdict, total)
        }
        Evaluation::Violations { query } => {
            let query = query.replace("{table}", "this");
            let frame = session.sql(&query).await.map_err(map_error)?;
            register_bare(session, "violations", frame.clone().into_view())?;
            let count = one_row(session, "violations", &["count(*)".to_owned()]).await?;
            let violations = whole_number(count.first())?;
            counted(check, violations, total, frame, &query).await?
        }
        Evaluation::Count { count, show } => {
            let batches = session
                .sql(&count.replace("{table}", "this"))
                .await
                .map_err(map_error)?
                .collect()
                .await
                .map_err(map_error)?;
            let value = batches.iter().find(|b| b.num_rows() > 0).and_then(|b| value_at(b.column(0), 0));
            let violations = value
                .and_then(|v| v.as_f64())
                .filter(|n| *n >= 0.0 && n.fract() == 0.0)
                .ok_or_else(|| Error::new(Code::CheckErrored, "the counting query answered no count"))?;
            let show = show.replace("{table}", "this");
            let frame = session.sql(&show).await.map_err(map_error)?;
            counted(check, violations as u64, total, frame, &show).await?
        }
        Evaluation::Query { query, verdict, show } => {
            let query = query.replace("{table}", "this");
            let rows = rows(session, &query).await?;
            let verdict = guard(&check.kind, "judging rows", || Ok(verdict(&rows)))?;
            let mut result = check.result(&verdict, total);
            if let (CheckOutcome::Failed, Some(show)) = (result.outcome, show) {
                let show = show.replace("{table}", "this");
                result.sql = Some(check.reproduced(&show));
                result.sample = sample(check, session.sql(&show).await.map_err(map_error)?).await?;
            } else if result.outcome == CheckOutcome::Failed {
                result.sql = Some(check.reproduced(&query));
            }
            result
        }
        Evaluation::Rows { .. } | Evaluation::Mask { .. } => {
            return Err(Error::internal("a row-level check was given to the table audit"));
        }
    };
    Ok(result)
}

async fn counted(check: &Check, violations: u64, total: u64, show: DataFrame, query: &str) -> Result<CheckResult> {
    let observed = (violations > 0).then(|| format!("{violations} of {total} rows"));
    let verdict = Verdict { passed: true, violations, total: None, observed };
    let mut result = check.result(&verdict, total);
    if violations > 0 {
        result.sql = Some(check.reproduced(query));
        result.sample = sample(check, show).await?;
    }
    Ok(result)
}

async fn sample(check: &Check, show: DataFrame) -> Result<Vec<serde_json::Value>> {
    if check.sample == 0 {
        return Ok(Vec::new());
    }
    let rows = show.limit(0, Some(check.sample)).map_err(map_error)?.collect().await.map_err(map_error)?;
    Ok(check.shown(&rows))
}

/// Runs the row-level checks over a whole table, as `phlo quality run` does on what is published.
///
/// # Errors
/// If the table cannot be read.
pub async fn audit_rows(
    session: &SessionContext,
    table: &Arc<dyn TableProvider>,
    checks: &[Check],
) -> Result<Vec<(usize, CheckResult)>> {
    use futures::StreamExt;
    let audit = RowAudit::compile(session, &table.schema(), checks);
    if audit.checks.is_empty() {
        return Ok(audit.results(checks, Vec::new()));
    }
    let mut stream = session.read_table(table.clone()).map_err(map_error)?.execute_stream().await.map_err(map_error)?;
    let mut tally = audit.tally();
    while let Some(batch) = stream.next().await {
        audit.look(&batch.map_err(map_error)?, &mut tally);
    }
    Ok(audit.results(checks, vec![tally]))
}

/// A query's rows as values.
async fn rows(session: &SessionContext, sql: &str) -> Result<Vec<Vec<Value>>> {
    use futures::TryStreamExt;
    let mut stream = session.sql(sql).await.map_err(map_error)?.execute_stream().await.map_err(map_error)?;
    let mut rows = Vec::new();
    while let Some(batch) = stream.try_next().await.map_err(map_error)? {
        let row = |at| batch.columns().iter().map(|column| value_at(column, at).unwrap_or(Value::Null)).collect();
        rows.extend((0..batch.num_rows()).map(row));
        if rows.len() > JUDGED_ROWS {
            return Err(Error::new(
                Code::CheckErrored,
                format!("the check's query answered more than {JUDGED_ROWS} rows"),
            ));
        }
    }
    Ok(rows)
}

async fn one_row(session: &SessionContext, table: &str, expressions: &[String]) -> Result<Vec<Value>> {
    let named: Vec<_> = expressions.iter().enumerate().map(|(i, e)| format!("{e} AS a{i}")).collect();
    let sql = format!("SELECT {} FROM {table}", named.join(", "));
    let batches = session.sql(&sql).await.map_err(map_error)?.collect().await.map_err(map_error)?;
    let row =
        batches.iter().find(|b| b.num_rows() > 0).ok_or_else(|| Error::internal("an aggregate answered no row"))?;
    Ok(row.columns().iter().map(|c| value_at(c, 0).unwrap_or(Value::Null)).collect())
}

fn value_at(column: &ArrayRef, row: usize) -> Option<Value> {
    if column.is_null(row) {
        return None;
    }
    let cast = |to: &DataType| arrow_cast::cast(column, to).ok();
    Some(match column.data_type() {
        DataType::Boolean => Value::Bool(column.as_boolean().value(row)),
        t if t.is_integer() => match cast(&DataType::Int64).filter(|c| c.is_valid(row)) {
            Some(c) => Value::Int(c.as_primitive::<arrow_array::types::Int64Type>().value(row)),
            None => {
                Value::Float(cast(&DataType::Float64)?.as_primitive::<arrow_array::types::Float64Type>().value(row))
            }
        },
        t if t.is_floating() => {
            Value::Float(cast(&DataType::Float64)?.as_primitive::<arrow_array::types::Float64Type>().value(row))
        }
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => {
            let micros = cast(&DataType::Timestamp(TimeUnit::Microsecond, None))?;
            Value::Timestamp(micros.as_primitive::<arrow_array::types::TimestampMicrosecondType>().value(row))
        }
        _ => Value::Text(arrow_cast::display::array_value_to_string(column, row).ok()?),
    })
}

/// Checks that two checks of one asset do not share a name.
///
/// # Errors
/// [`Code::InvalidValue`] at the second one.
pub fn unique_names(checks: &[Check]) -> Result<()> {
    for (i, check) in checks.iter().enumerate() {
        if checks[..i].iter().any(|c| c.name == check.name) {
            return Err(Error::new(Code::InvalidValue, format!("two checks are named `{}`", check.name))
                .at(check.place.clone())
                .hint("give one of them a `name`"));
        }
    }
    Ok(())
}
