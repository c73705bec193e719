//! Checks with a query of their own, and values as verdicts see them.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, SchemaRef, TimeUnit};
use datafusion::catalog::TableProvider;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::{DataFrame, SessionContext};
use futures::TryStreamExt;
use phlo_plugin::quality::{Evaluation, KeyPart, Value, Verdict, quote};
use phlo_plugin::registry::guard;
use phlo_plugin::{Error, Result};
use phlo_spec::{CheckOutcome, CheckResult, Code};

use super::lineage::Lineage;
use super::{Check, MASKED, TABLE, ended};
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
        let listed = expressions.join(", ");
        // An expression may name the table: `count(*) - (SELECT count(*) FROM this WHERE …)`.
        let mut words = listed.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        let sql = if words.any(|word| word.eq_ignore_ascii_case("this")) {
            self.reproduced(&format!("SELECT {} FROM this", ended(&listed)))
        } else {
            let filter = self.filter.as_ref().map(|f| format!(" WHERE {}", ended(f))).unwrap_or_default();
            format!("SELECT {} FROM {TABLE}{filter}", ended(&listed))
        };
        Ok(CheckResult { sql: Some(sql), ..self.judged(&verdict, total) })
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
                Ok(self.judged(&verdict, total))
            }
            Evaluation::Schemas { other, verdict } => {
                let other = session.table(table(other)).await.map_err(map_error)?;
                let other: SchemaRef = Arc::new(other.schema().as_arrow().clone());
                let verdict = guard(&self.kind, "judging the schemas", || Ok(verdict(schema, &other)))?;
                Ok(self.judged(&verdict, total))
            }
            Evaluation::Violations { query } => {
                let frame = select(session, query).await?;
                let count = frame.clone().count().await.map_err(map_error)?;
                // To be counted, rows need not be computed, and those that cannot be are none.
                if count > 0 {
                    computed(frame.clone()).await?;
                }
                self.counted(count as u64, total, frame, query).await
            }
            Evaluation::Count { count, show } => {
                let violations = counted(session, count).await?;
                let frame = select(session, show).await?;
                self.counted(violations, total, frame, show).await
            }
            Evaluation::Unique { key, complete } => {
                let violations = counted(session, &surplus(key, *complete)).await?;
                let few = select(session, &sharing(key, *complete, Some(self.sample))).await?;
                self.counted(violations, total, few, &sharing(key, *complete, None)).await
            }
            Evaluation::Query { query, verdict, show } => {
                let frame = select(session, query).await?;
                let tells = Lineage::of(frame.logical_plan()).tells(&self.sensitive);
                let answer = rows(frame).await?;
                let verdict = guard(&self.kind, "judging rows", || Ok(verdict(&answer)))?;
                let mut result = self.judged(&verdict, total);
                if tells {
                    result.observed = result.observed.map(|_| MASKED.to_owned());
                }
                match show {
                    Some(show) => {
                        result.of_rows = true;
                        // What is tolerated is shown too.
                        if result.outcome == CheckOutcome::Failed || result.violations > 0 {
                            result.sample = self.sampled(select(session, show).await?).await?;
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
            Evaluation::Unique { key, complete } => Some(self.reproduced(&sharing(key, *complete, None))),
            _ => None,
        };
        CheckResult { sql, of_rows: true, ..self.result(&verdict, total) }
    }

    async fn counted(&self, violations: u64, total: u64, show: DataFrame, query: &str) -> Result<CheckResult> {
        let observed = (violations > 0).then(|| format!("{violations} of {total} {}s", self.plan.unit));
        let verdict = Verdict { passed: true, violations, total: None, observed };
        let mut result = self.result(&verdict, total);
        result.of_rows = true;
        result.sql = Some(self.reproduced(query));
        if violations > 0 {
            result.sample = self.sampled(show).await?;
        }
        Ok(result)
    }

    /// The first rows of a query, as they are kept; none if they cannot be shown, say for want of memory: that they are wrong is known.
    ///
    /// # Errors
    /// Only what trying again may help.
    pub(super) async fn sampled(&self, show: DataFrame) -> Result<Vec<serde_json::Value>> {
        if self.sample == 0 {
            return Ok(Vec::new());
        }
        let lineage = Lineage::of(show.logical_plan());
        let rows = async { show.limit(0, Some(self.sample))?.collect().await };
        match rows.await.map_err(map_error) {
            Ok(rows) => Ok(self.shown(&rows, &lineage)),
            Err(err) if err.is_retryable() => Err(err),
            Err(err) => {
                tracing::warn!(check = self.name, error = %err, "failing rows cannot be shown");
                Ok(Vec::new())
            }
        }
    }
}

/// Whether each row of a query can be computed. For want of memory they need not be: that they are there is known.
async fn computed(frame: DataFrame) -> Result<()> {
    let drained = async {
        let mut rows = frame.execute_stream().await?;
        while rows.try_next().await?.is_some() {}
        Ok::<_, DataFusionError>(())
    };
    match drained.await {
        Err(err) if !matches!(err.find_root(), DataFusionError::ResourcesExhausted(_)) => Err(map_error(err)),
        _ => Ok(()),
    }
}

/// An asset's table as SQL names it.
pub(super) fn table(key: &str) -> String {
    key.split('.').map(quote).collect::<Vec<_>>().join(".")
}

/// The query that counts surplus rows, and those without a complete key if every row must have one. Counting distinct keys would hold all
/// of them in memory; a GROUP BY spills.
pub(super) fn surplus(key: &[KeyPart], complete: bool) -> String {
    let surplus = if complete {
        format!("CASE WHEN {} THEN {COUNTED} ELSE {COUNTED} - 1 END", lacking(key))
    } else {
        format!("{COUNTED} - 1")
    };
    format!("SELECT coalesce(sum({surplus}), 0) FROM {}", broken_keys(key, complete))
}

/// The query that shows the rows that share a key, or have none where every row must; with `most`, those of so many keys.
pub(super) fn sharing(key: &[KeyPart], complete: bool, most: Option<usize>) -> String {
    let aliases: Vec<String> = (0..key.len()).map(alias).collect();
    let order = format!("ORDER BY {COUNTED} DESC, {}", aliases.join(", "));
    // The rows are joined to few keys: so many of them need no memory.
    let few = most.map(|most| format!(" {order} LIMIT {most}")).unwrap_or_default();
    let same: Vec<String> = key
        .iter()
        .zip(&aliases)
        .map(|(part, alias)| format!("(({}) IS NOT DISTINCT FROM {alias})", part.expression))
        .collect();
    format!(
        "SELECT this.*, {COUNTED} FROM (SELECT * FROM {}{few}) AS \"_phlo_keys\" JOIN this ON {} {order}",
        broken_keys(key, complete),
        same.join(" AND ")
    )
}

/// How many rows a key has.
const COUNTED: &str = "\"_phlo_rows\"";

fn alias(at: usize) -> String {
    format!("\"_phlo_key{at}\"")
}

/// Whether a key is not complete.
fn lacking(key: &[KeyPart]) -> String {
    (0..key.len()).map(|at| format!("{} IS NULL", alias(at))).collect::<Vec<_>>().join(" OR ")
}

/// The keys that break uniqueness.
fn broken_keys(key: &[KeyPart], complete: bool) -> String {
    let each = |text: &dyn Fn((usize, &KeyPart)) -> String| key.iter().enumerate().map(text).collect::<Vec<_>>();
    let named = each(&|(at, part)| format!("{} AS {}", part.expression, alias(at))).join(", ");
    let listed = each(&|(_, part)| part.expression.clone()).join(", ");
    let given = each(&|(_, part)| format!("({}) IS NOT NULL", part.expression)).join(" AND ");
    let (only, broken) = if complete {
        (String::new(), format!("{COUNTED} > 1 OR {}", lacking(key)))
    } else {
        (format!(" WHERE {given}"), format!("{COUNTED} > 1"))
    };
    format!(
        "(SELECT {named}, count(*) AS {COUNTED} FROM this{only} GROUP BY {listed}) AS \"_phlo_groups\" WHERE {broken}"
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

/// What a counting query answers.
async fn counted(session: &SessionContext, count: &str) -> Result<u64> {
    let answer = one_row(session, count).await?;
    let number = answer.first().and_then(Value::as_f64).filter(|n| *n >= 0.0 && n.fract() == 0.0);
    number.map(|n| n as u64).ok_or_else(|| Error::new(Code::CheckErrored, "the counting query answered no count"))
}

/// A query's rows as values.
async fn rows(query: DataFrame) -> Result<Vec<Vec<Value>>> {
    let mut stream = query.execute_stream().await.map_err(map_error)?;
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
