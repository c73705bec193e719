//! `reconcile_counts`.

use phlo_plugin::prelude::*;
use phlo_plugin::quality::{Value, With};
use phlo_spec::text::{one_line, thousands};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::params::{self, counted, invalid};

/// How the two counts must compare.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Compare {
    /// Neither more nor fewer.
    #[default]
    Equal,
    /// Not fewer: rows that are only here are no violation.
    AtLeast,
    /// Not more: rows that are missing here are no violation.
    AtMost,
}

/// There are as many rows as in another table, or that times a factor.
///
/// Violations are the rows that are missing or too many, of the rows that are expected; `tolerance` is a fraction of these, so
/// `tolerance: 0.01` allows one in a hundred. Nulls and NaN are rows like others. Two empty tables agree; if none is expected, any row is
/// too many, whatever the tolerance. `where` narrows this side, `other_where` the other.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CountsParams {
    /// The other side; also written on its own: `reconcile_counts: silver.flights`.
    pub with: With,
    /// Only rows of the other side for which this SQL predicate holds.
    #[serde(default)]
    pub other_where: Option<String>,
    /// Rows that are expected here for each row there; 1 unless set.
    #[serde(default)]
    pub factor: Option<f64>,
    /// How the counts must compare; equal unless set.
    #[serde(default)]
    pub compare: Compare,
    /// Rows that may be missing or too many, whatever the fraction; 0 unless set.
    #[serde(default)]
    pub absolute: u64,
}

/// Makes `reconcile_counts` checks.
#[derive(Debug)]
pub struct ReconcileCounts;

impl Quality for ReconcileCounts {
    type Params = CountsParams;
    const SHORTHAND: Option<&'static str> = Some("with");

    fn check(&self, params: CountsParams, target: &CheckTarget) -> Result<CheckPlan> {
        let CountsParams { with, other_where, factor, compare, absolute } = params;
        params::another(&with, target)?;
        params::predicate(other_where.as_ref())?;
        let times = factor.unwrap_or(1.0);
        if !times.is_finite() || times <= 0.0 {
            return Err(invalid(format!("`factor` is {times}, which is not a positive number")).hint("write e.g. 2"));
        }
        let (word, shown) = match compare {
            Compare::Equal => ("as many rows as", ""),
            Compare::AtLeast => ("at least as many rows as", "at_least"),
            Compare::AtMost => ("at most as many rows as", "at_most"),
        };
        let by = factor.map(|factor| format!("factor {factor}")).unwrap_or_default();
        let allowed = if absolute == 0 { String::new() } else { format!("absolute {absolute}") };
        let name = [with.shown(), params::filtered(other_where.as_ref()), by.clone(), shown.to_owned(), allowed];
        let filter = other_where.map(|text| format!(" WHERE ({text}\n)")).unwrap_or_default();
        let query = format!(
            "SELECT (SELECT count(*) FROM this) AS \"here\", (SELECT count(*) FROM {}{filter}) AS \"there\"",
            with.table(target)
        );
        let judge = move |rows: &[Vec<Value>]| match rows {
            [row] => match (params::whole(row, 0), params::whole(row, 1)) {
                (Some(here), Some(there)) => judge(here, there, factor, compare, absolute),
                _ => params::unexpected(rows),
            },
            _ => params::unexpected(rows),
        };
        let by = if by.is_empty() { by } else { format!(" times {times}") };
        let expected = format!("{word} in {}{by}", one_line(&with.shown()));
        let name = params::name("reconcile_counts", &name);
        Ok(with.read_by(CheckPlan::new(name, expected, Evaluation::query(query, judge)), target))
    }
}

fn judge(here: u64, there: u64, factor: Option<f64>, compare: Compare, absolute: u64) -> Verdict {
    let (more, fewer, expected) = match factor {
        None => (here.saturating_sub(there), there.saturating_sub(here), there),
        Some(factor) => {
            let wanted = there as f64 * factor;
            let far = |x: f64| (x - wanted * 1e-12).ceil().max(0.0) as u64;
            (far(here as f64 - wanted), far(wanted - here as f64), wanted.round() as u64)
        }
    };
    let off = match compare {
        Compare::Equal => more.max(fewer),
        Compare::AtLeast => fewer,
        Compare::AtMost => more,
    };
    let violations = if off <= absolute { 0 } else { off };
    let observed = format!("{} here, {} there", counted(here, "row"), thousands(there));
    Verdict { passed: true, violations, total: Some(expected), observed: Some(observed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_are_missing_or_too_many_are_counted_within_what_is_allowed() {
        for (here, there, factor, compare, absolute, violations, total) in [
            (10, 10, None, Compare::Equal, 0, 0, 10),
            (9, 10, None, Compare::Equal, 0, 1, 10),
            (12, 10, None, Compare::Equal, 1, 2, 10),
            (12, 10, None, Compare::Equal, 2, 0, 10),
            (3, 0, None, Compare::Equal, 0, 3, 0),
            (12, 10, None, Compare::AtLeast, 0, 0, 10),
            (8, 10, None, Compare::AtLeast, 0, 2, 10),
            (12, 10, None, Compare::AtMost, 0, 2, 10),
            (30, 10, Some(3.0), Compare::Equal, 0, 0, 30),
            (1, 10, Some(0.1), Compare::Equal, 0, 0, 1),
            (3, 30, Some(0.1), Compare::Equal, 0, 0, 3),
            (2, 10, Some(0.25), Compare::Equal, 0, 1, 3),
            (u64::MAX, 1, None, Compare::Equal, 0, u64::MAX - 1, 1),
        ] {
            let verdict = judge(here, there, factor, compare, absolute);
            assert_eq!((verdict.violations, verdict.total), (violations, Some(total)), "{here} {there} {factor:?}");
        }
    }
}
