//! How an asset's checks are found out, told without running them.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::prelude::SessionContext;
use phlo_plugin::Result;
use phlo_plugin::quality::Evaluation;
use serde::Serialize;

use super::Check;
use super::atoms::Atoms;
use super::audit::{Job, Plan, Scope};

/// How a check is found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// As rows are written: new rows only, nothing is read again.
    Write,
    /// By the table's columns.
    Schema,
    /// By statistics: no row is read.
    Statistics,
    /// In the pass that checks share.
    Pass,
    /// By a query of its own.
    Query,
    /// Not at all: it does not plan.
    Error,
}

/// One check, and how it is found out.
#[derive(Debug, Clone, Serialize)]
pub struct Explained {
    /// The check.
    pub check: String,
    /// The quality plugin's name for it.
    pub kind: String,
    /// When rows are written.
    pub on_write: Way,
    /// Whether an append needs new rows only, once the table was audited.
    pub grows: bool,
    /// When the table is audited as it stands.
    pub on_audit: Way,
    /// What is evaluated: expressions or a query; of a function that judges, what it is given.
    pub evaluates: Vec<String>,
}

/// How each check would be found out, and the columns that the shared passes would read: on a write, on an audit.
///
/// # Errors
/// If the table's columns cannot be planned with.
pub fn explain(
    session: &SessionContext,
    table: &Arc<dyn TableProvider>,
    checks: &[Check],
) -> Result<(Vec<Explained>, [Vec<String>; 2])> {
    let write = Plan::make(session, table.as_ref(), checks, Scope::Table(&BTreeSet::new()))?;
    let whole = Plan::make(session, table.as_ref(), checks, Scope::All)?;
    let way = |plan: &Plan, at: usize| {
        let Some((_, job)) = plan.jobs.iter().find(|(of, _)| *of == at) else { return Way::Write };
        match job {
            Job::Proven { .. } => Way::Statistics,
            Job::Rows(_) | Job::Unique { .. } => Way::Pass,
            Job::Errored(_) => Way::Error,
            Job::Alone if checks[at].is_of_schema() => Way::Schema,
            Job::Alone => Way::Query,
            Job::Aggregates { left, .. } => {
                let known = |at: &usize| plan.known[*at].is_some();
                if left.iter().flat_map(Atoms::used_by).all(|at| known(&at)) { Way::Statistics } else { Way::Pass }
            }
        }
    };
    let grows = |at: usize| match write.jobs.iter().find(|(of, _)| *of == at) {
        None => true,
        Some((_, Job::Aggregates { left, .. })) => left
            .iter()
            .flat_map(Atoms::used_by)
            .all(|at| write.known[at].is_some() || super::states::can_grow(&write.atoms.calls()[at])),
        Some((_, Job::Alone)) => checks[at].is_of_schema(),
        Some(_) => false,
    };
    let explained = checks.iter().enumerate().map(|(at, check)| Explained {
        check: check.name.clone(),
        kind: check.kind.clone(),
        on_write: way(&write, at),
        grows: grows(at),
        on_audit: way(&whole, at),
        evaluates: match &check.plan.evaluation {
            Evaluation::Rows { predicate } => vec![predicate.clone()],
            Evaluation::Aggregates { expressions, .. } => expressions.clone(),
            Evaluation::Violations { query } | Evaluation::Query { query, .. } => vec![query.clone()],
            Evaluation::Count { count, .. } => vec![count.clone()],
            Evaluation::Unique { key, .. } => key.iter().map(|part| part.expression.clone()).collect(),
            Evaluation::Mask { given, .. } => given.clone(),
            Evaluation::Schema { .. } | Evaluation::Schemas { .. } => Vec::new(),
        },
    });
    let columns = |plan: &Plan| plan.pass(&plan.known).1.columns(&table.schema());
    Ok((explained.collect(), [columns(&write), columns(&whole)]))
}
