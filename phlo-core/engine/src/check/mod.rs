//! Checks, compiled and executed: row-level ones ride on the write, the others look at the table as it would be.

mod atoms;
mod audit;
mod explain;
mod holds;
mod keys;
mod known;
mod lineage;
mod pass;
mod query;
mod rows;
mod states;

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array as _, RecordBatch};
use arrow_cast::display::array_value_to_string;
use arrow_schema::{DataType, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::common::tree_node::TreeNode as _;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_plan::PhysicalExpr;
use datafusion::prelude::SessionContext;
use phlo_plugin::quality::{CheckPlan, Evaluation, Verdict};
use phlo_plugin::schema::{class, type_name};
use phlo_plugin::{Error, Result};
use phlo_spec::asset::CheckHeader;
use phlo_spec::{AssetKey, CheckOutcome, CheckResult, CheckSeverity, Code, Place, Tolerance};

use crate::error::map_error;
use crate::session::register_bare;

use lineage::Lineage;

pub use audit::{Audit, Grown, Scope, audit};
pub use explain::{Explained, Way, explain};
pub use holds::{FindCheck, register_holds};
pub use rows::{RowAudit, RowTally};
pub use states::States;

/// Stands for the new rows in the `sql` of a row-level check's result, until the runtime knows where people find them. In characters for
/// private use, which nobody's SQL or column has.
pub const ROWS: &str = "\u{e000}rows\u{e001}";
/// Stands for the table in the `sql` of another check's result.
pub const TABLE: &str = "\u{e000}table\u{e001}";

/// Stands for a value that is not shown.
const MASKED: &str = "***";

/// A check with what the asset's file says about it.
#[derive(Debug, Clone)]
pub struct Check {
    /// The asset that it is of.
    pub asset: AssetKey,
    /// Unique within the asset.
    pub name: String,
    /// See [`CheckResult::id`].
    pub id: String,
    /// Of what its file says about it: another is another check, though name and identity be the same.
    pub fingerprint: String,
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
    /// A check of an asset, by a plan of this kind; what else its file may say is as if it said nothing.
    pub fn new(asset: AssetKey, kind: impl Into<String>, plan: CheckPlan) -> Self {
        Self {
            asset,
            name: plan.name.clone(),
            id: String::new(),
            fingerprint: String::new(),
            kind: kind.into(),
            description: None,
            severity: CheckSeverity::Error,
            tolerance: Tolerance::default(),
            filter: None,
            sample: CheckHeader::SAMPLED,
            sensitive: Arc::default(),
            plan,
            place: None,
        }
    }

    /// Whether the same rows may pass today and fail tomorrow: it looks at the clock, or at something beside the table, which is registered
    /// as `this`.
    pub async fn varies(&self, session: &SessionContext) -> bool {
        // A verdict may look at the clock, and is cheap.
        if self.plan.by_the_clock
            || matches!(self.plan.evaluation, Evaluation::Aggregates { .. })
            || !self.plan.others.is_empty()
            || !self.tables().is_empty()
        {
            return true;
        }
        for sql in self.queries() {
            match session.state().create_logical_plan(&sql).await {
                Ok(plan) if crate::sql::is_repeatable(&plan) => {}
                // What does not plan is told when it runs.
                _ => return true,
            }
        }
        false
    }

    /// Whether it rides on the write and sees new rows only.
    pub fn is_row_level(&self) -> bool {
        matches!(self.plan.evaluation, Evaluation::Rows { .. } | Evaluation::Mask { .. })
    }

    /// Whether it looks at columns alone, and at no row.
    fn is_of_schema(&self) -> bool {
        matches!(self.plan.evaluation, Evaluation::Schema { .. } | Evaluation::Schemas { .. })
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
        for compared in &self.plan.compared {
            // A table that is not there is told by the query that names it.
            let Ok(other) = session.table(query::table(&compared.table)).await else { continue };
            let other =
                other.schema().as_arrow().field_with_name(&compared.other).map(|field| field.data_type().clone());
            if let (Ok(own), Ok(other)) = (schema.field_with_name(&compared.column), other)
                && class(own.data_type()) != class(&other)
            {
                let message = format!(
                    "the check `{}` compares `{}`, of type {}, with `{}` of {}, of type {}",
                    self.name,
                    compared.column,
                    type_name(own.data_type()),
                    compared.other,
                    compared.table,
                    type_name(&other)
                );
                return Err(Error::new(Code::InvalidValue, message)
                    .at(self.place.clone())
                    .hint("declare one type for both under `columns:`, or cast one of them in a check `sql`"));
            }
        }
        let planned = async {
            if let Some(filter) = &self.filter {
                compile(session, schema, filter)?;
            }
            register_bare(session, "this", crate::session::empty(schema.clone()))?;
            match &self.plan.evaluation {
                Evaluation::Rows { predicate } => compile(session, schema, predicate),
                Evaluation::Mask { given, .. } => given.iter().try_for_each(|sql| compile(session, schema, sql)),
                Evaluation::Schema { .. } => Ok(()),
                Evaluation::Schemas { other, .. } => {
                    plan(session, &format!("SELECT * FROM {}", query::table(other))).await
                }
                Evaluation::Aggregates { expressions, .. } => {
                    let sql = format!("SELECT {} FROM this", expressions.join(", "));
                    let answer = query::select(session, &sql).await?;
                    if answer.logical_plan().max_rows() == Some(1) {
                        return Ok(());
                    }
                    let message =
                        format!("`{}` is no aggregate: it answers as many rows as there are", expressions.join(", "));
                    Err(Error::new(Code::SqlError, message)
                        .hint("write one number for the table, e.g. `max(id)` or `count(*)`"))
                }
                Evaluation::Violations { query } => plan(session, query).await,
                Evaluation::Count { count, show } => {
                    plan(session, count).await?;
                    plan(session, show).await
                }
                Evaluation::Unique { key, complete } => {
                    plan(session, &query::surplus(key, *complete)).await?;
                    plan(session, &query::sharing(key, *complete, None)).await
                }
                Evaluation::Query { query, show, .. } => {
                    plan(session, query).await?;
                    match show {
                        Some(show) => plan(session, show).await,
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
        self.queries().iter().flat_map(|sql| crate::sql::tables(sql)).collect()
    }

    /// All its SQL, as queries.
    fn queries(&self) -> Vec<String> {
        let of_rows = |predicate: &String| format!("SELECT 1 FROM this WHERE {predicate}");
        let mut texts: Vec<String> = match &self.plan.evaluation {
            Evaluation::Rows { predicate } => vec![of_rows(predicate)],
            Evaluation::Mask { given, .. } => given.iter().map(of_rows).collect(),
            Evaluation::Aggregates { expressions, .. } => {
                vec![format!("SELECT {} FROM this", expressions.join(", "))]
            }
            Evaluation::Violations { query } => vec![query.clone()],
            Evaluation::Count { count, show } => vec![count.clone(), show.clone()],
            Evaluation::Unique { key, complete } => vec![query::surplus(key, *complete)],
            Evaluation::Query { query, show, .. } => {
                [Some(query), show.as_ref()].into_iter().flatten().cloned().collect()
            }
            Evaluation::Schemas { other, .. } => vec![format!("SELECT * FROM {}", query::table(other))],
            Evaluation::Schema { .. } => Vec::new(),
        };
        texts.extend(self.filter.iter().map(of_rows));
        texts
    }

    /// The result of what a plugin judged. One violation of nothing that it counted is of the table as a whole.
    fn judged(&self, verdict: &Verdict, total: u64) -> CheckResult {
        let broken = !verdict.passed || self.warned(verdict);
        let whole = verdict.total.is_none() && verdict.violations == u64::from(broken);
        CheckResult { whole, ..self.result(verdict, total) }
    }

    /// Whether a verdict that knows two levels is of the one that warns.
    fn warned(&self, verdict: &Verdict) -> bool {
        self.plan.warns && verdict.passed && verdict.violations > 0
    }

    fn result(&self, verdict: &Verdict, total: u64) -> CheckResult {
        let total = verdict.total.unwrap_or(total);
        // 29 of 100 are within 0.29, though the product in floating point is a little less than 29.
        let beyond = |limit: f64| verdict.violations as f64 > limit * total as f64 * (1.0 + 1e-12);
        let (outcome, severity) = if !verdict.passed || (!self.plan.warns && beyond(self.tolerance.error)) {
            (CheckOutcome::Failed, self.severity)
        } else if self.warned(verdict) || self.tolerance.warn.is_some_and(beyond) {
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
            unit: Some(&self.plan.unit).filter(|unit| *unit != "row").cloned(),
            tolerance: self.tolerance,
            expected: Some(self.plan.expected.clone()),
            observed: self.told(verdict.observed.clone()),
            error: None,
            sql: None,
            sample: Vec::new(),
            duration_ms: 0,
            rows_scanned: 0,
            of_rows: false,
            whole: false,
        }
    }

    /// Failing rows as JSON, as many as are kept. A column that is not the table's own, say `lower(email)`, may be made of a sensitive one,
    /// whatever its name.
    fn shown(&self, batches: &[RecordBatch], lineage: &Lineage) -> Vec<serde_json::Value> {
        let mut rows = to_json(batches, self.sample);
        let derived = self.sensitive_column().is_some();
        // Of the check's own, counts and sides tell nothing. In a query that people write, nothing is the check's own.
        let written = matches!(self.plan.evaluation, Evaluation::Violations { .. });
        let tells_nothing = |name: &str, value: &serde_json::Value| {
            !written && name.starts_with("_phlo_") && (value.is_number() || value == "here" || value == "there")
        };
        let hides = |name: &str, value: &serde_json::Value| {
            let may_tell = || lineage.may_tell(name, &self.sensitive) || (derived && !lineage.is_own(name));
            self.sensitive.contains(name) || (!tells_nothing(name, value) && may_tell())
        };
        for row in rows.iter_mut().filter_map(serde_json::Value::as_object_mut) {
            for (_, value) in row.iter_mut().filter(|(name, value)| !value.is_null() && hides(name, value)) {
                *value = MASKED.into();
            }
        }
        rows
    }

    /// A query of the check, as it can be run by itself: `this` is the table's rows that the filter leaves.
    fn reproduced(&self, query: &str) -> String {
        let filter = self.filter.as_ref().map(|f| format!(" WHERE {}", ended(f))).unwrap_or_default();
        let this = format!("WITH this AS (SELECT * FROM {TABLE}{filter})");
        // It reads no table but its own under that name.
        if crate::sql::defines(query, "this") {
            return without_comments(query).to_owned();
        }
        // A query with tables of its own.
        let first = without_comments(query).split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
        if first.eq_ignore_ascii_case("with") {
            format!("{this} SELECT * FROM ({})", ended(query))
        } else {
            format!("{this} {query}")
        }
    }

    /// A query for the rows of a table that break a predicate. What the filter leaves out is not looked at: it may be what the predicate
    /// cannot be computed of.
    fn violations_of(&self, table: &str, predicate: &str) -> String {
        let broken = format!("NOT ({})", ended(predicate));
        match &self.filter {
            None => format!("SELECT * FROM {table} WHERE {broken}"),
            // Of truth values, planners make an AND, whose sides they compute in any order.
            Some(filter) => {
                let filter = ended(filter);
                format!("SELECT * FROM {table} WHERE CASE WHEN {filter} THEN CASE WHEN {broken} THEN 1 END END = 1")
            }
        }
    }

    /// A sensitive column that it may look at. Names in SQL may be written in any case; one that stands within another is taken for it.
    fn sensitive_column(&self) -> Option<&String> {
        let queries: Vec<String> = self.queries().iter().map(|sql| sql.to_lowercase()).collect();
        // A function that names no column may look at any.
        let function = queries.is_empty() || matches!(self.plan.evaluation, Evaluation::Mask { .. });
        let any = function && self.plan.columns.is_empty();
        let named = |column: &String| {
            let lower = column.to_lowercase();
            self.plan.columns.contains(column) || queries.iter().any(|sql| sql.contains(&lower))
        };
        self.sensitive.iter().find(|column| any || named(column))
    }

    /// What a verdict observed, unless it may tell a sensitive value. What the engine observes are counts.
    fn told(&self, observed: Option<String>) -> Option<String> {
        let judges = matches!(self.plan.evaluation, Evaluation::Aggregates { .. } | Evaluation::Query { .. });
        if judges && self.sensitive_column().is_some() { observed.map(|_| MASKED.to_owned()) } else { observed }
    }

    /// The result of a check that could not run.
    pub fn errored(&self, error: &Error) -> CheckResult {
        // What went wrong with a value, its message quotes; what is wrong with the check, none.
        let quotes = !matches!(error.code(), Code::SqlError | Code::UnknownColumn | Code::UnknownTable);
        let message = match self.sensitive_column().filter(|_| quotes) {
            Some(column) => {
                let code = error.code();
                format!(
                    "{code}, told without its message, which may quote `{column}`; `phlo explain {code}` tells more"
                )
            }
            None => error.chain().join(": "),
        };
        CheckResult {
            outcome: CheckOutcome::Errored,
            error: Some(message),
            ..self.result(&Verdict { passed: false, violations: 0, total: Some(0), observed: None }, 0)
        }
    }
}

/// A part of a query that something follows: a comment at its end must not take that in.
fn ended(sql: &str) -> String {
    if sql.contains("--") { format!("{sql}\n") } else { sql.to_owned() }
}

/// A query from its first word on.
fn without_comments(sql: &str) -> &str {
    let mut rest = sql.trim_start();
    loop {
        let skipped = if let Some(comment) = rest.strip_prefix("--") {
            comment.split_once('\n').map(|(_, rest)| rest)
        } else if let Some(comment) = rest.strip_prefix("/*") {
            comment.split_once("*/").map(|(_, rest)| rest)
        } else {
            return rest;
        };
        rest = skipped.unwrap_or_default().trim_start();
    }
}

async fn plan(session: &SessionContext, sql: &str) -> Result<()> {
    query::select(session, sql).await.map(drop)
}

/// A boolean expression over one row.
fn predicate(session: &SessionContext, schema: &DFSchema, sql: &str) -> Result<Expr> {
    let logical = session.state().create_logical_expr(sql, schema).map_err(map_error)?;
    let looks_further = |e: &Expr| {
        use Expr::{AggregateFunction, Exists, InSubquery, ScalarSubquery, WindowFunction};
        matches!(e, AggregateFunction(_) | WindowFunction(_) | ScalarSubquery(_) | InSubquery(_) | Exists(_))
    };
    if logical.exists(|e| Ok(looks_further(e))).map_err(map_error)? {
        return Err(Error::new(Code::SqlError, format!("`{sql}` looks at more than its own row"))
            .hint("use the check `sql`, whose query returns the rows that are wrong"));
    }
    Ok(logical)
}

/// An expression with what is constant in it computed, once and not for each batch, and negations moved to where they are decided.
fn simplified(session: &SessionContext, schema: &DFSchema, expr: Expr) -> Result<Expr> {
    let state = session.state();
    let context = SimplifyContext::builder()
        .with_schema(Arc::new(schema.clone()))
        .with_config_options(state.config_options().clone())
        .with_query_execution_start_time(state.execution_props().query_execution_start_time)
        .build();
    let simplifier = ExprSimplifier::new(context);
    simplifier.coerce(expr, schema).and_then(|expr| simplifier.simplify(expr)).map_err(map_error)
}

/// A predicate, ready for batches of this schema.
fn executable(session: &SessionContext, schema: &DFSchema, logical: Expr, sql: &str) -> Result<Arc<dyn PhysicalExpr>> {
    let logical = simplified(session, schema, logical)?;
    let physical = session.state().create_physical_expr(logical, schema).map_err(map_error)?;
    match physical.data_type(schema.as_arrow()).map_err(map_error)? {
        DataType::Boolean | DataType::Null => Ok(physical),
        other => Err(Error::new(Code::SqlError, format!("`{sql}` is {other}, not true or false"))),
    }
}

fn compile(session: &SessionContext, schema: &SchemaRef, sql: &str) -> Result<()> {
    let schema = DFSchema::try_from(schema.as_ref().clone()).map_err(map_error)?;
    executable(session, &schema, predicate(session, &schema, sql)?, sql).map(drop)
}

/// Rows as JSON objects, as many as are wanted. What a JSON number would not tell is a text: NaN, infinities, and decimals with more digits
/// than float64 has.
pub fn to_json(batches: &[RecordBatch], limit: usize) -> Vec<serde_json::Value> {
    let mut rows = Vec::new();
    for batch in batches {
        let mut buffer = Vec::new();
        let mut writer = arrow_json::WriterBuilder::new()
            .with_explicit_nulls(true)
            .build::<_, arrow_json::writer::JsonArray>(&mut buffer);
        if writer.write(batch).and_then(|()| writer.finish()).is_ok()
            && let Ok(serde_json::Value::Array(mut items)) = serde_json::from_slice(&buffer)
        {
            tell_exactly(batch, &mut items);
            rows.extend(items);
        }
    }
    rows.truncate(limit);
    rows
}

// JSON has no NaN and no infinity: null would tell of a row that is not there. Its numbers are read as float64.
fn tell_exactly(batch: &RecordBatch, rows: &mut [serde_json::Value]) {
    for (column, field) in batch.columns().iter().zip(batch.schema().fields()) {
        if field.data_type().is_decimal() {
            for (row, json) in rows.iter_mut().enumerate().filter(|(row, _)| column.is_valid(*row)) {
                let Ok(exact) = array_value_to_string(column, row) else { continue };
                if json[field.name()].as_number().is_some_and(|number| !says(&number.to_string(), &exact)) {
                    json[field.name()] = exact.into();
                }
            }
        }
        if !field.data_type().is_floating() {
            continue;
        }
        let Ok(values) = arrow_cast::cast(column, &DataType::Float64) else { continue };
        for (row, value) in values.as_primitive::<Float64Type>().iter().enumerate() {
            if let (Some(value), Some(row)) = (value.filter(|value| !value.is_finite()), rows.get_mut(row)) {
                row[field.name()] = value.to_string().into();
            }
        }
    }
}

/// Whether a number as JSON writes it has all the digits of a decimal.
fn says(number: &str, exact: &str) -> bool {
    let plain = |text: &str| match text.split_once('.') {
        Some((whole, fraction)) => format!("{whole}.{}", fraction.trim_end_matches('0')),
        None => format!("{text}."),
    };
    plain(number) == plain(exact)
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
