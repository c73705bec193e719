//! What a check answers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::secret::Redactor;

/// What a failed check does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CheckSeverity {
    /// Blocks the commit.
    #[default]
    Error,
    /// Is told; the commit goes on.
    Warn,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CheckOutcome {
    /// It held.
    Passed,
    /// It did not hold.
    Failed,
    /// It could not run, which counts as failed.
    Errored,
}

/// The result of one check on one asset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CheckResult {
    /// The check's name, unique within its asset.
    pub name: String,
    /// The quality plugin's name for it.
    pub kind: String,
    /// For people: the `description` of the asset's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How it ended.
    pub outcome: CheckOutcome,
    /// What a failure does.
    pub severity: CheckSeverity,
    /// Rows (or surplus rows, groups: the check's documentation says) that broke it.
    pub violations: u64,
    /// Rows that were looked at.
    pub total: u64,
    /// The fraction that may fail.
    pub tolerance: f64,
    /// What was wanted, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What was found, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<String>,
    /// Why it errored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// SQL that shows the failing rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sql: Option<String>,
    /// Some failing rows, each a JSON object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sample: Vec<serde_json::Value>,
    /// Milliseconds it took on its own; 0 when it rode on the write.
    #[serde(default)]
    pub duration_ms: u64,
}

impl CheckResult {
    /// See [`crate::Event::clean`].
    pub(crate) fn clean(&mut self, redactor: &Redactor) {
        let Self {
            name,
            kind: _,
            description,
            outcome: _,
            severity: _,
            violations: _,
            total: _,
            tolerance: _,
            expected,
            observed,
            error,
            sql,
            sample,
            duration_ms: _,
        } = self;
        let texts = [description, expected, observed, error, sql].into_iter().flatten();
        texts.chain([name]).for_each(|text| *text = redactor.clean(text));
        sample.iter_mut().for_each(|row| redactor.clean_json(row));
    }

    /// Whether it held.
    pub fn passed(&self) -> bool {
        self.outcome == CheckOutcome::Passed
    }

    /// Whether it forbids the commit.
    pub fn blocks(&self) -> bool {
        !self.passed() && (self.severity == CheckSeverity::Error || self.outcome == CheckOutcome::Errored)
    }

    /// Whether rows failed it, and not the table as a whole: then they can be shown.
    pub fn is_of_rows(&self) -> bool {
        self.violations > 0 && (self.sql.is_some() || !self.sample.is_empty())
    }

    /// Violations per row looked at; 0 for none.
    pub fn violation_rate(&self) -> f64 {
        if self.total == 0 { 0.0 } else { self.violations as f64 / self.total as f64 }
    }
}
