//! What a check answers.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

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

/// The fraction of rows that may fail: one limit, or one for each level, `{warn: 0.01, error: 0.05}`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Tolerance {
    /// What fails beyond this fraction, 0 to 1, fails the check.
    pub error: f64,
    /// What fails beyond this fraction and within the other is told, and the commit goes on.
    pub warn: Option<f64>,
}

impl Tolerance {
    /// One limit.
    pub const fn of(error: f64) -> Self {
        Self { error, warn: None }
    }

    /// No row may fail.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Levels {
    /// More than this is told.
    #[schemars(range(min = 0.0, max = 1.0))]
    warn: f64,
    /// More than this blocks.
    #[schemars(range(min = 0.0, max = 1.0))]
    error: f64,
}

impl<'de> Deserialize<'de> for Tolerance {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Limits;

        impl<'de> Visitor<'de> for Limits {
            type Value = Tolerance;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a fraction, or a map with `warn` and `error`")
            }
            fn visit_f64<E: de::Error>(self, limit: f64) -> Result<Tolerance, E> {
                Ok(Tolerance::of(limit))
            }
            fn visit_i64<E: de::Error>(self, limit: i64) -> Result<Tolerance, E> {
                Ok(Tolerance::of(limit as f64))
            }
            fn visit_u64<E: de::Error>(self, limit: u64) -> Result<Tolerance, E> {
                Ok(Tolerance::of(limit as f64))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Tolerance, A::Error> {
                let Levels { warn, error } = Levels::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Tolerance { error, warn: Some(warn) })
            }
        }

        deserializer.deserialize_any(Limits)
    }
}

impl Serialize for Tolerance {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.warn {
            Some(warn) => Levels { warn, error: self.error }.serialize(serializer),
            None => serializer.serialize_f64(self.error),
        }
    }
}

impl JsonSchema for Tolerance {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Tolerance".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let levels = Levels::json_schema(generator);
        json_schema!({ "anyOf": [{ "type": "number", "minimum": 0.0, "maximum": 1.0 }, levels] })
    }
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
    /// What stays when the check is described, named or judged otherwise: 16 hex digits, made of its kind, its parameters and its filter.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The quality plugin's name for it.
    pub kind: String,
    /// For people: the `description` of the asset's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How it ended.
    pub outcome: CheckOutcome,
    /// What a failure does.
    pub severity: CheckSeverity,
    /// Rows, or what `unit` names, that broke it.
    pub violations: u64,
    /// Rows, or what `unit` names, that were looked at.
    pub total: u64,
    /// What `violations` and `total` count where it is not rows, e.g. `key`: an English noun that takes an `s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The fraction that may fail, or two: see [`Tolerance`].
    pub tolerance: Tolerance,
    /// What was wanted, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What was found, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<String>,
    /// Why it errored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// SQL that finds out the same: the failing rows, or the values that were judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sql: Option<String>,
    /// Some failing rows, each a JSON object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sample: Vec<serde_json::Value>,
    /// Milliseconds that its pass took, which other checks may share; 0 when it rode on the write.
    #[serde(default)]
    pub duration_ms: u64,
    /// Rows that were read for it; 0 when statistics answered.
    #[serde(default)]
    pub rows_scanned: u64,
    /// Whether violations are rows, which `sql` shows; otherwise `sql` answers what was judged.
    #[serde(default)]
    pub of_rows: bool,
    /// Whether the table as a whole was judged: then the violation, one, is no fraction of `total`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub whole: bool,
}

impl CheckResult {
    /// See [`crate::Event::clean`].
    pub(crate) fn clean(&mut self, redactor: &Redactor) {
        let Self {
            name,
            id: _,
            kind: _,
            description,
            outcome: _,
            severity: _,
            violations: _,
            total: _,
            unit: _,
            tolerance: _,
            expected,
            observed,
            error,
            sql,
            sample,
            duration_ms: _,
            rows_scanned: _,
            of_rows: _,
            whole: _,
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
        self.violations > 0 && (self.of_rows || !self.sample.is_empty())
    }

    /// Whether `violations` of `total` tell how it ended, and not only whether it held.
    pub fn is_counted(&self) -> bool {
        !self.whole && (self.passed() || self.is_of_rows())
    }

    /// What `violations` and `total` count, in the singular.
    pub fn unit(&self) -> &str {
        self.unit.as_deref().unwrap_or("row")
    }

    /// Violations of what was looked at, 0 to 1; 1 where the table as a whole broke it, or one that holds nothing did.
    pub fn violation_rate(&self) -> f64 {
        match (self.violations, self.total) {
            (_, 0) if self.outcome == CheckOutcome::Failed => 1.0,
            (0, _) => 0.0,
            (_, total) if self.whole || total == 0 => 1.0,
            // A table of 10 rows that wants 1000 lacks more than it has.
            (violations, total) => (violations as f64 / total as f64).min(1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(outcome: CheckOutcome, violations: u64, total: u64, whole: bool) -> CheckResult {
        let mut result: CheckResult = serde_json::from_value(serde_json::json!({
            "name": "a", "kind": "a", "outcome": outcome, "severity": "error", "violations": violations, "total": total,
            "tolerance": 0.0,
        }))
        .unwrap();
        result.whole = whole;
        result
    }

    #[test]
    fn a_rate_is_of_what_was_looked_at_and_all_of_it_where_there_was_nothing() {
        use CheckOutcome::{Errored, Failed, Passed};
        for (outcome, violations, total, whole, rate) in [
            (Passed, 0, 10, false, 0.0),
            (Passed, 0, 0, false, 0.0),
            (Passed, 1, 10, false, 0.1),
            (Failed, 5, 10, false, 0.5),
            (Failed, 1, 10, true, 1.0),
            // No row, and some are wanted.
            (Failed, 0, 0, false, 1.0),
            (Failed, 3, 0, false, 1.0),
            // Ten rows of a thousand.
            (Failed, 990, 10, false, 1.0),
            // Nothing was looked at.
            (Errored, 0, 0, false, 0.0),
        ] {
            let found = result(outcome, violations, total, whole).violation_rate();
            assert!((found - rate).abs() < 1e-12, "{outcome:?} {violations} of {total}: {found}");
        }
    }
}
