//! Checks with a query of their own, and values as verdicts see them.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, SchemaRef, TimeUnit};
use datafusion::catalog::TableProvider;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::{DataFrame, SessionContext};
use futures::TryStreamExt;
use phlo_plugin::quality::{Evaluation, KeyPart, Value, Verdict, quote};
use phlo_plugin::registry::guard;
use phlo_plugin::{Error, Result};
use phlo_spec::{CheckOutcome, CheckResult, Code};

use super::{Check, TABLE, ended};
use crate::error::map_error;
use crate::session::register_bare;

/// Rows that a query with a verdict may answer.
const JUDGED_ROWS: usize = 10_000;

/// What a count answered. Anything else must not pass for zero.
pub(super) fn whole_number(value: Option<&Value>) -> Result<u64> {
    match value {
        Some(Value::Int(count)) if *count >= 0 => Ok(*count as u64),
        _ => Err(Error::new(Code::CheckErrored, "a count answered no number")),
    }
}

impl Check {
    /// Judges aggregate values.
    pub(super) fn judge(&self, values: &[Value], total: u64) -> Result<CheckResult> {
        let Evaluation::Aggregates { expressions, verdict } = &self.plan.evaluation else {
            return Err(Error::internal("aggregate values were given to another sort of check"));
        };
        let verdict = guard(&self.kind, "judging aggregates", || Ok(verdict(values)))?;
        let filter = self.filter.as_ref().map(|f| format!(" WHERE {}", ended(f))).unwrap_or_default();
        let sql = Some(format!("SELECT {} FROM {TABLE}{filter}", expressions.join(", ")));
        Ok(CheckResult { sql, ..self.result(&verdict, total) })
    }

    /// Runs the check by itself, over the table that is registered as `this`.
    pub(super) async fn run_alone(
        &self,
        session: &SessionContext,
        table: &Arc<dyn TableProvider>,
        total: u64,
    ) -> Result<CheckResult> {
        let schema = table.schema();
        // A filter narrows what the check calls `this`, for as long as it runs.
        let Some(filter) = &self.filter else { return self.run_query(session, &schema, total).await };
        let frame = select(session, &format!("SELECT * FROM this WHERE {filter}")).await?;
        register_bare(session, "this", frame.into_view())?;
        let result = async {
            let count = one_row(session, "SELECT count(*) FROM this").await?;
            self.run_query(session, &schema, whole_number(count.first())?).await
        };
        let result = result.await;
        register_bare(session, "this", table.clone())?;
        result
    }

    async fn run_query(&self, session: &SessionContext, schema: &SchemaRef, total: u64) -> Result<CheckResult> {
        match &self.plan.evaluation {
            Evaluation::Aggregates { expressions, .. } => {
                let values = one_row(session, &format!("SELECT {} FROM this", expressions.join(", "))).await?;
                self.judge(&values, total)
            }
            Evaluation::Schema { verdict } => {
                let verdict = guard(&self.kind, "judging the schema", || Ok(verdict(schema)))?;
                Ok(CheckResult { rows_scanned: 0, ..self.result(&verdict, total) })
            }
            Evaluation::Schemas { other, verdict } => {
                let other = session.table(table(other)).await.map_err(map_error)?;
                let other: SchemaRef = Arc::new(other.schema().as_arrow().clone());
                let verdict = guard(&self.kind, "judging the schemas", || Ok(verdict(schema, &other)))?;
                Ok(CheckResult { rows_scanned: 0, ..self.result(&verdict, total) })
            }
            Evaluation::Violations { query } => {
                let frame = select(session, query).await?;
                let count = frame.clone().count().await.map_err(map_error)?;
                self.counted(count as u64, total, (frame, schema), query).await
            }
            Evaluation::Count { .. } | Evaluation::Unique { .. } => {
                let (count, show) = match &self.plan.evaluation {
                    Evaluation::Count { count, show } => (count.clone(), show.clone()),
                    Evaluation::Unique { key, complete } => duplicates(key, *complete),
                    _ => return Err(Error::internal("a check without a count was counted")),
                };
                let answer = one_row(session, &count).await?;
                let violations = answer
                    .first()
                    .and_then(Value::as_f64)
                    .filter(|n| *n >= 0.0 && n.fract() == 0.0)
                    .ok_or_else(|| Error::new(Code::CheckErrored, "the counting query answered no count"))?;
                let frame = select(session, &show).await?;
                self.counted(violations as u64, total, (frame, schema), &show).await
            }
            Evaluation::Query { query, verdict, show } => {
                let answer = rows(session, query).await?;
                let verdict = guard(&self.kind, "judging rows", || Ok(verdict(&answer)))?;
                let mut result = self.result(&verdict, total);
                match show {
                    Some(show) => {
                        result.of_rows = true;
                        // What is tolerated is shown too.
                        if result.outcome == CheckOutcome::Failed || result.violations > 0 {
                            result.sample = self.sampled(select(session, show).await?, schema).await?;
                        }
                        result.sql = Some(self.reproduced(show));
                    }
                    None => result.sql = Some(self.reproduced(query)),
                }
                Ok(result)
            }
            Evaluation::Rows { .. } | Evaluation::Mask { .. } => {
                Err(Error::internal("a row-level check was given a query"))
            }
        }
    }

    /// The result of a uniqueness check that no row breaks.
    pub(super) fn unique_result(&self, total: u64) -> CheckResult {
        let verdict = Verdict { passed: true, violations: 0, total: Some(total), observed: None };
        let sql = match &self.plan.evaluation {
            Evaluation::Unique { key, complete } => Some(self.reproduced(&duplicates(key, *complete).1)),
            _ => None,
        };
        CheckResult { sql, of_rows: true, ..self.result(&verdict, total) }
    }

    async fn counted(
        &self,
        violations: u64,
        total: u64,
        (show, schema): (DataFrame, &SchemaRef),
        query: &str,
    ) -> Result<CheckResult> {
        let observed = (violations > 0).then(|| format!("{violations} of {total} {}s", self.plan.unit));
        let verdict = Verdict { passed: true, violations, total: None, observed };
        let mut result = self.result(&verdict, total);
        result.of_rows = true;
        result.sql = Some(self.reproduced(query));
        if violations > 0 {
            result.sample = self.sampled(show, schema).await?;
        }
        Ok(result)
    }

    /// The first rows of a query, as they are kept.
    pub(super) async fn sampled(&self, show: DataFrame, schema: &SchemaRef) -> Result<Vec<serde_json::Value>> {
        if self.sample == 0 {
            return Ok(Vec::new());
        }
        let rows = show.limit(0, Some(self.sample)).map_err(map_error)?.collect().await.map_err(map_error)?;
        Ok(self.shown(&rows, schema))
    }
}

/// An asset's table as SQL names it.
pub(super) fn table(key: &str) -> String {
    key.split('.').map(quote).collect::<Vec<_>>().join(".")
}

/// The queries that count surplus rows, and those without a complete key if every row must have one, and show such keys. Counting
/// distinct keys would hold all of them in memory; a GROUP BY spills.
pub(super) fn duplicates(key: &[KeyPart], complete: bool) -> (String, String) {
    let rows = "\"_phlo_rows\"";
    let each = |text: &dyn Fn(&KeyPart) -> String| key.iter().map(text).collect::<Vec<_>>();
    let names = each(&|part| quote(&part.name)).join(", ");
    let named = each(&|part| format!("{} AS {}", part.expression, quote(&part.name))).join(", ");
    let listed = each(&|part| part.expression.clone()).join(", ");
    let given = each(&|part| format!("({}) IS NOT NULL", part.expression)).join(" AND ");
    let missing = each(&|part| format!("{} IS NULL", quote(&part.name))).join(" OR ");
    let only = if complete { String::new() } else { format!(" WHERE {given}") };
    let (surplus, broken) = if complete {
        (format!("CASE WHEN {missing} THEN {rows} ELSE {rows} - 1 END"), format!("{rows} > 1 OR {missing}"))
    } else {
        (format!("{rows} - 1"), format!("{rows} > 1"))
    };
    let groups = format!(
        "FROM (SELECT {named}, count(*) AS {rows} FROM this{only} GROUP BY {listed}) AS \"_phlo_groups\" WHERE {broken}"
    );
    (
        format!("SELECT coalesce(sum({surplus}), 0) {groups}"),
        format!("SELECT {names}, {rows} {groups} ORDER BY {rows} DESC, {names}"),
    )
}

/// A query, which only reads.
pub(super) async fn select(session: &SessionContext, sql: &str) -> Result<DataFrame> {
    let plan = session.state().create_logical_plan(sql).await.map_err(map_error)?;
    match plan {
        LogicalPlan::Ddl(_)
        | LogicalPlan::Dml(_)
        | LogicalPlan::Copy(_)
        | LogicalPlan::Statement(_)
        | LogicalPlan::Explain(_)
        | LogicalPlan::Analyze(_) => {
            Err(Error::new(Code::SqlError, "a check only reads").hint("write a SELECT: what it answers is judged"))
        }
        plan => Ok(DataFrame::new(session.state(), plan)),
    }
}

/// A query's rows as values.
async fn rows(session: &SessionContext, sql: &str) -> Result<Vec<Vec<Value>>> {
    let mut stream = select(session, sql).await?.execute_stream().await.map_err(map_error)?;
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

/// The first row of a query; nothing if it has none.
pub(super) async fn one_row(session: &SessionContext, sql: &str) -> Result<Vec<Value>> {
    let batches = select(session, sql).await?.collect().await.map_err(map_error)?;
    let row = batches.iter().find(|b| b.num_rows() > 0);
    Ok(row.map(|row| row.columns().iter().map(|c| value_at(c, 0).unwrap_or(Value::Null)).collect()).unwrap_or_default())
}

/// A value as verdicts see it; `None` if it is null.
pub(super) fn value_at(column: &ArrayRef, row: usize) -> Option<Value> {
    if column.is_null(row) {
        return None;
    }
    let cast = |to: &DataType| arrow_cast::cast(column, to).ok();
    Some(match column.data_type() {
        DataType::Boolean => Value::Bool(column.as_boolean().value(row)),
        t if t.is_integer() => match cast(&DataType::Int64).filter(|c| c.is_valid(row)) {
            Some(c) => Value::Int(c.as_primitive::<Int64Type>().value(row)),
            None => Value::Float(cast(&DataType::Float64)?.as_primitive::<Float64Type>().value(row)),
        },
        t if t.is_floating() => Value::Float(cast(&DataType::Float64)?.as_primitive::<Float64Type>().value(row)),
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => {
            let micros = cast(&DataType::Timestamp(TimeUnit::Microsecond, None))?;
            Value::Timestamp(micros.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        _ => Value::Text(arrow_cast::display::array_value_to_string(column, row).ok()?),
    })
}
