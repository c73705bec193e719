//! `row_count`.

use std::sync::Arc;

use phlo_plugin::prelude::*;
use phlo_plugin::quality::Value;
use phlo_spec::text::thousands;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::params::{invalid, rows};

/// The table has as many rows as expected, counted as it would be after the commit.
///
/// Violations are the rows that are missing or too many. This is a check about volume: an empty table fails it unless zero rows are
/// allowed. A row is a row, of nulls and NaN as well. Counts are 64-bit. `tolerance` is refused here; say it with `min` and `max`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RowCountParams {
    /// The fewest rows allowed; also written on its own: `row_count: 1000`.
    #[serde(default)]
    pub min: Option<u64>,
    /// The most rows allowed.
    #[serde(default)]
    pub max: Option<u64>,
    /// Exactly this many rows; excludes `min` and `max`.
    #[serde(default)]
    pub equal: Option<u64>,
}

/// Makes `row_count` checks.
#[derive(Debug)]
pub struct RowCount;

impl Quality for RowCount {
    type Params = RowCountParams;
    const TOLERANCE: bool = false;
    const SHORTHAND: Option<&'static str> = Some("min");

    fn check(&self, params: RowCountParams, _: &CheckTarget) -> Result<CheckPlan> {
        let (shown, expected, min, max) = match (params.min, params.max, params.equal) {
            (None, None, Some(equal)) => (equal.to_string(), format!("exactly {}", rows(equal)), equal, equal),
            (_, _, Some(_)) => {
                return Err(invalid("`equal` excludes `min` and `max`").hint("keep either `equal` or the bounds"));
            }
            (Some(min), Some(max), None) if min > max => {
                return Err(invalid(format!("`min` is {min}, above `max`, which is {max}")).hint("swap them"));
            }
            (Some(min), Some(max), None) => {
                (format!("{min}..{max}"), format!("{} to {}", thousands(min), rows(max)), min, max)
            }
            (Some(min), None, None) => (format!("{min}.."), format!("at least {}", rows(min)), min, u64::MAX),
            (None, Some(max), None) => (format!("..{max}"), format!("at most {}", rows(max)), 0, max),
            (None, None, None) => {
                return Err(
                    invalid("none of `min`, `max` and `equal` is given").hint("give one of them, e.g. `row_count: 1`")
                );
            }
        };
        Ok(CheckPlan::new(
            check_name("row_count", &shown),
            expected,
            Evaluation::Aggregates {
                expressions: vec!["count(*)".to_owned()],
                verdict: Arc::new(move |values| judge(values, min, max)),
            },
        ))
    }
}

fn judge(values: &[Value], min: u64, max: u64) -> Verdict {
    let [Value::Int(count)] = values else {
        return Verdict {
            passed: false,
            violations: 1,
            total: None,
            observed: Some(format!("no count of rows, but {values:?}")),
        };
    };
    let count = u64::try_from(*count).unwrap_or(0);
    let violations = min.saturating_sub(count) + count.saturating_sub(max);
    Verdict { passed: violations == 0, violations, total: Some(count), observed: Some(rows(count)) }
}
