//! Results of checks as a report holds them, in whatever format it is written.

use chrono::{DateTime, Utc};
use phlo_spec::run::ErrorRecord;
use phlo_spec::{CheckOutcome, CheckResult, CheckSeverity};
use serde_json::Value;

/// Results of checks.
pub(crate) struct Report {
    /// The project's name.
    pub(crate) project: String,
    /// When it was made.
    pub(crate) at: DateTime<Utc>,
    /// The assets.
    pub(crate) assets: Vec<Asset>,
}

/// An asset's results.
pub(crate) struct Asset {
    /// Its key.
    pub(crate) key: String,
    /// For people.
    pub(crate) description: Option<String>,
    /// The run that checked it; none for an audit of what is published, and for one that no run has checked.
    pub(crate) run: Option<String>,
    /// When it was checked, if it was.
    pub(crate) at: Option<DateTime<Utc>>,
    /// The results.
    pub(crate) checks: Vec<Checked>,
    /// Why it could not be checked.
    pub(crate) error: Option<ErrorRecord>,
}

/// A result, and what is known beside it.
pub(crate) struct Checked {
    /// The result.
    pub(crate) result: CheckResult,
    /// Failing rows, each a JSON object; those of the result's sample unless more were asked for.
    pub(crate) rows: Vec<Value>,
    /// When it passed last, where that is not now and is known.
    pub(crate) last_passed: Option<String>,
    /// When it was asked, where that is before the asset's latest run.
    pub(crate) asked: Option<String>,
}

impl From<CheckResult> for Checked {
    fn from(result: CheckResult) -> Self {
        Self { rows: result.sample.clone(), result, last_passed: None, asked: None }
    }
}

/// How many checks ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: usize,
    pub(crate) warned: usize,
    pub(crate) failed: usize,
    pub(crate) errored: usize,
}

impl Counts {
    /// All of them.
    pub(crate) fn all(self) -> usize {
        self.passed + self.warned + self.failed + self.errored
    }

    /// Those of several.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            warned: self.warned + other.warned,
            failed: self.failed + other.failed,
            errored: self.errored + other.errored,
        }
    }
}

impl Asset {
    /// Why there is nothing to tell of it, if so.
    pub(crate) fn nothing(&self) -> Option<&'static str> {
        match (self.checks.is_empty() && self.error.is_none(), self.at) {
            (false, _) => None,
            (true, Some(_)) => Some("it has no checks"),
            (true, None) => Some("no run has checked it yet"),
        }
    }

    /// How many of its checks ended how; one that could not be checked counts as one that could not run.
    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts { errored: usize::from(self.error.is_some()), ..Counts::default() };
        for check in &self.checks {
            match (check.result.outcome, check.result.severity) {
                (CheckOutcome::Passed, _) => counts.passed += 1,
                (CheckOutcome::Failed, CheckSeverity::Warn) => counts.warned += 1,
                (CheckOutcome::Failed, CheckSeverity::Error) => counts.failed += 1,
                (CheckOutcome::Errored, _) => counts.errored += 1,
            }
        }
        counts
    }
}

impl Report {
    /// How many checks ended how.
    pub(crate) fn counts(&self) -> Counts {
        self.assets.iter().fold(Counts::default(), |all, asset| all.plus(asset.counts()))
    }
}

/// The text as XML and HTML hold it, between tags and in attributes. What XML 1.0 cannot hold is replaced.
pub(crate) fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => shown.push_str("&amp;"),
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '"' => shown.push_str("&quot;"),
            '\'' => shown.push_str("&#39;"),
            '\t' | '\n' => shown.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => shown.push('\u{fffd}'),
            c => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

    /// A report with a check of each outcome, and texts that would break out of a careless one.
    pub(crate) fn report() -> Report {
        let check = |name: &str, more: Value| -> Checked {
            let mut check = json!({
                "name": name, "kind": "range", "id": "0123456789abcdef", "outcome": "passed", "severity": "error", "violations": 0,
                "total": 27_004, "tolerance": 0.0, "expected": "dep_delay at most 600", "duration_ms": 12, "rows_scanned": 27_004,
            });
            check.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            serde_json::from_value::<CheckResult>(check).unwrap().into()
        };
        let mut failed = check(
            "range(dep_delay, ..600)",
            json!({ "outcome": "failed", "violations": 1_350, "tolerance": { "warn": 0.01, "error": 0.02 }, "observed": "1350 of 27004 rows",
                    "description": "Nobody <waits> longer & \"lives\"",
                    "sql": "SELECT * FROM bronze.flights WHERE NOT (\"dep_delay\" <= 600)",
                    "sample": [{ "tailnum": "<script>alert(1)</script>", "dep_delay": 1301, "carrier": null, "_phlo_run_id": "r" },
                               { "tailnum": "N1\u{1}", "dep_delay": 602, "carrier": "MQ", "_phlo_run_id": "r" }] }),
        );
        failed.last_passed = Some("in run 20260128-090000-000001, 3 days ago".to_owned());
        Report {
            project: "nyc & flights".to_owned(),
            at: "2026-01-31T09:05:00Z".parse().unwrap(),
            assets: vec![
                Asset {
                    key: "bronze.flights".to_owned(),
                    description: Some("Departures <2013>".to_owned()),
                    run: Some("20260131-090000-abcdef".to_owned()),
                    at: Some("2026-01-31T09:00:03Z".parse().unwrap()),
                    checks: vec![
                        check("not_null(carrier)", json!({})),
                        check(
                            "accepted",
                            json!({ "outcome": "failed", "severity": "warn", "violations": 300, "tolerance": { "warn": 0.01, "error": 0.05 } }),
                        ),
                        failed,
                        check("broken", json!({ "outcome": "errored", "total": 0, "error": "no column `x`" })),
                    ],
                    error: None,
                },
                Asset {
                    key: "gold.never".to_owned(),
                    description: None,
                    run: None,
                    at: None,
                    checks: Vec::new(),
                    error: None,
                },
                Asset {
                    key: "gold.gone".to_owned(),
                    description: None,
                    run: None,
                    at: None,
                    checks: Vec::new(),
                    error: Some(
                        serde_json::from_value(
                            json!({ "code": "P1013", "messages": ["the table `gold.gone` does not exist yet"] }),
                        )
                        .unwrap(),
                    ),
                },
            ],
        }
    }

    #[test]
    fn nothing_breaks_out_of_a_tag_or_an_attribute() {
        assert_eq!(
            escaped("<a b=\"c\" d='e'>&\u{1}\u{ffff}\n"),
            "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;\u{fffd}\u{fffd}\n"
        );
    }

    #[test]
    fn counts_add_up() {
        let counts = report().counts();
        assert_eq!(counts, Counts { passed: 1, warned: 1, failed: 1, errored: 2 });
        assert_eq!(counts.all(), 5);
    }
}
