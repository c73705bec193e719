//! `metric`.

use phlo_plugin::prelude::*;
use phlo_plugin::quality::Value;
use phlo_spec::text::one_line;

use super::bounds::{Reading, bounded};
use super::nested;
use crate::params::{self, invalid};

bounded! {
    /// A number that SQL computes over the table lies within bounds.
    ///
    /// The number is an aggregate expression, e.g. `sum(price) / count(*)`, which shares the scan with other checks, or a query over
    /// `this` that answers one row with one number. NULL is no value and fails, unless `allow_empty`; so does a query that answers no row
    /// or several. An empty table gives what SQL gives for it: `count(*)` 0, `sum(a)` NULL. NaN lies within no bounds, and neither does
    /// what is no number. Overflow is as in SQL, where `sum` of whole numbers wraps as their products do: cast to DECIMAL or DOUBLE what
    /// may overflow. Beyond the bounds of `warn` and within the others it warns. A failure is one violation, and `tolerance` is refused; `abs_tolerance`
    /// and `rel_tolerance` belong to `equal`.
    pub struct MetricParams {
        /// An SQL aggregate expression over the table.
        #[serde(default)]
        pub expression: Option<String>,
        /// A query over `this`, in place of `expression`; other assets' tables can be joined.
        #[serde(default)]
        pub query: Option<String>,
    }
}

/// Makes `metric` checks.
#[derive(Debug)]
pub struct Metric;

impl Quality for Metric {
    type Params = MetricParams;
    const TOLERANCE: bool = false;

    fn check(&self, params: MetricParams, _: &CheckTarget) -> Result<CheckPlan> {
        let bounds = params.bounds(Reading::Moment)?;
        let (shown, warned) = (bounds.shown(), bounds.warned());
        let trimmed = |sql: String| sql.trim().trim_end_matches(|c: char| c == ';' || c.is_whitespace()).to_owned();
        let (sql, query) = match (params.expression.map(trimmed), params.query.map(trimmed)) {
            (Some(sql), None) if !sql.is_empty() => (sql, false),
            (None, Some(sql)) if !sql.is_empty() => (sql, true),
            (Some(_), Some(_)) => {
                return Err(invalid("`expression` excludes `query`").hint("keep one of them"));
            }
            _ => {
                return Err(invalid("neither `expression` nor `query` says anything")
                    .hint("give an aggregate, e.g. `expression: sum(a) / count(*)`"));
            }
        };
        let evaluation = if query {
            Evaluation::query(sql.clone(), move |rows| match rows {
                [row] => match &row[..] {
                    [value] => bounds.judge("the metric", value),
                    _ => Verdict::whole(false, format!("the query answered {} columns, not one", row.len())),
                },
                _ => Verdict::whole(false, format!("the query answered {} rows, not one", rows.len())),
            })
        } else {
            Evaluation::aggregates([nested(&sql)], move |values| {
                bounds.judge("the metric", values.first().unwrap_or(&Value::Null))
            })
        };
        let expected = format!("{} {shown}", one_line(&sql));
        let plan = CheckPlan::new(check_name("metric", &format!("{sql}, {shown}")), expected, evaluation);
        Ok(params::warning(plan, warned))
    }
}
