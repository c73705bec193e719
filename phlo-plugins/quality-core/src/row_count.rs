//! `row_count`.

use std::sync::Arc;

use phlo_plugin::prelude::*;
use phlo_plugin::quality::Value;
use phlo_spec::text::thousands;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::params::{self, invalid, rows};

/// The table has as many rows as expected, counted as it would be after the commit.
///
/// Violations are the rows that are missing or too many. This is a check about volume: an empty table fails it unless zero rows are
/// allowed. A row is a row, of nulls and NaN as well. Counts are 64-bit. Beyond the bounds of `warn` and within the others it warns, and
/// violations are the rows that lack or exceed the former. `tolerance` is refused here; say it with `min` and `max`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RowCountParams {
    /// The fewest rows allowed; also written on its own: `row_count: 1000`.
    #[serde(default)]
    pub min: Option<u64>,
    /// The most rows allowed.
    #[serde(default)]
    pub max: Option<u64>,
    /// Exactly this many rows; excludes `min`, `max` and `warn`.
    #[serde(default)]
    pub equal: Option<u64>,
    /// Bounds within the others: beyond them the check warns, and the commit goes on.
    #[serde(default)]
    pub warn: Option<RowCountWarning>,
}

/// Bounds that warn.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RowCountWarning {
    /// With fewer rows it warns; more than the other `min`.
    #[serde(default)]
    pub min: Option<u64>,
    /// With more rows it warns; less than the other `max`.
    #[serde(default)]
    pub max: Option<u64>,
}

/// Makes `row_count` checks.
#[derive(Debug)]
pub struct RowCount;

impl Quality for RowCount {
    type Params = RowCountParams;
    const TOLERANCE: bool = false;
    const SHORTHAND: Option<&'static str> = Some("min");

    fn check(&self, params: RowCountParams, _: &CheckTarget) -> Result<CheckPlan> {
        let RowCountParams { min, max, equal, warn } = params;
        let (shown, expected, bounds) = match (min, max, equal) {
            (None, None, Some(equal)) => {
                (equal.to_string(), format!("exactly {}", rows(equal)), Bounds { min: equal, max: equal })
            }
            (_, _, Some(_)) => {
                return Err(invalid("`equal` excludes `min` and `max`").hint("keep either `equal` or the bounds"));
            }
            (Some(min), Some(max), None) if min > max => {
                return Err(invalid(format!("`min` is {min}, above `max`, which is {max}")).hint("swap them"));
            }
            (None, None, None) => {
                return Err(
                    invalid("none of `min`, `max` and `equal` is given").hint("give one of them, e.g. `row_count: 1`")
                );
            }
            (min, max, None) => {
                let shown = [min, max].map(|bound| bound.map(|bound| bound.to_string()).unwrap_or_default());
                (shown.join(".."), wanted(min, max), Bounds::of(min, max))
            }
        };
        let inner = warn.as_ref().map(|warn| bounds.inner(warn)).transpose()?;
        let plan = CheckPlan::new(
            check_name("row_count", &shown),
            expected,
            Evaluation::Aggregates {
                expressions: vec!["count(*)".to_owned()],
                verdict: Arc::new(move |values| judge(values, bounds, inner)),
            },
        );
        Ok(params::warning(plan, warn.map(|warn| wanted(warn.min, warn.max))))
    }
}

/// The bounds for people.
fn wanted(min: Option<u64>, max: Option<u64>) -> String {
    match (min, max) {
        (Some(min), Some(max)) => format!("{} to {}", thousands(min), rows(max)),
        (Some(min), None) => format!("at least {}", rows(min)),
        (None, max) => format!("at most {}", rows(max.unwrap_or(u64::MAX))),
    }
}

#[derive(Debug, Clone, Copy)]
struct Bounds {
    min: u64,
    max: u64,
}

impl Bounds {
    fn of(min: Option<u64>, max: Option<u64>) -> Self {
        Self { min: min.unwrap_or(0), max: max.unwrap_or(u64::MAX) }
    }

    /// Bounds within these, which warn.
    fn inner(self, warn: &RowCountWarning) -> Result<Self> {
        let Self { min, max } = self;
        if min == max {
            return Err(invalid("`warn` has no say where one count alone is allowed").hint("remove `warn`"));
        }
        if warn.min.is_none() && warn.max.is_none() {
            return Err(invalid("`warn` has neither `min` nor `max`").hint("give one of them, or remove `warn`"));
        }
        if let Some(inner) = warn.min.filter(|inner| *inner <= min) {
            return Err(invalid(format!("`warn.min` is {inner}, not above `min`, which is {min}"))
                .hint("fewer rows than `min` fail: `warn.min` is more, or is left out"));
        }
        if let Some(inner) = warn.max.filter(|inner| *inner >= max) {
            return Err(invalid(format!("`warn.max` is {inner}, not below `max`, which is {max}"))
                .hint("more rows than `max` fail: `warn.max` is less, or is left out"));
        }
        let inner = Self { min: warn.min.unwrap_or(min), max: warn.max.unwrap_or(max) };
        if inner.min > inner.max {
            return Err(invalid(format!("every count warns: none lies from {} to {}", inner.min, inner.max))
                .hint("widen the bounds of `warn`"));
        }
        Ok(inner)
    }

    /// How many rows are missing or too many.
    fn off(self, count: u64) -> u64 {
        self.min.saturating_sub(count) + count.saturating_sub(self.max)
    }
}

fn judge(values: &[Value], bounds: Bounds, inner: Option<Bounds>) -> Verdict {
    let [Value::Int(count)] = values else {
        return Verdict::whole(false, format!("no count of rows, but {values:?}"));
    };
    let count = u64::try_from(*count).unwrap_or(0);
    let off = bounds.off(count);
    let violations = if off == 0 { inner.map_or(0, |inner| inner.off(count)) } else { off };
    Verdict { passed: off == 0, violations, total: Some(count), observed: Some(rows(count)) }
}
