//! What is new since the last commit: the cursor, and which records are beyond it.

use std::cmp::Ordering;

use chrono::DateTime;
use phlo_plugin::prelude::*;
use phlo_spec::types::ColumnType;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::config::Incremental;
use crate::pages::what;
use crate::path::Path;

/// What is committed with the data.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cursor {
    /// The column that is followed.
    column: String,
    /// Its greatest value so far.
    value: Value,
    /// The columns and types that were inferred: a pull with few records, or none, must not see other ones.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    columns: Map<String, Value>,
}

/// How far a reading is.
pub(crate) struct Progress {
    column: Path,
    since: Option<Value>,
    newest: Option<Value>,
    /// The last record's value, and whether each was at least that of the one before.
    last: Option<Value>,
    ascending: bool,
    known: Vec<(String, ColumnType)>,
}

impl Progress {
    /// From the cursor of the last commit.
    pub(crate) fn new(config: &Incremental, cursor: Option<&Value>) -> Result<Self> {
        let column = Path::new(&config.column);
        let fresh = Self { column, since: None, newest: None, last: None, ascending: true, known: Vec::new() };
        let Some(cursor) = cursor else { return Ok(fresh) };
        let mend = "rebuild the table with `--full-refresh`";
        let unreadable =
            || Error::new(Code::InvalidValue, "the cursor of the last pull is not one of this source").hint(mend);
        let cursor: Cursor = serde_json::from_value(cursor.clone()).map_err(|err| unreadable().because(err))?;
        if cursor.column != config.column {
            let message = format!(
                "the last pull followed `{}`, and `incremental.column` is now `{}`",
                cursor.column, config.column
            );
            return Err(Error::new(Code::InvalidValue, message).hint(mend));
        }
        let known = cursor.columns.into_iter().map(|(name, kind)| Some((name, kind.as_str()?.parse().ok()?)));
        let known = known.collect::<Option<_>>().ok_or_else(unreadable)?;
        Ok(Self { since: Some(cursor.value), known, ..fresh })
    }

    /// The value that the server is told; none in the first pull.
    pub(crate) fn since(&self) -> Option<String> {
        self.since.as_ref().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    }

    /// The columns of the last pull.
    pub(crate) fn known(&self) -> &[(String, ColumnType)] {
        &self.known
    }

    /// Whether a record is beyond the cursor. Notes its value.
    pub(crate) fn admits(&mut self, record: &Value) -> Result<bool, String> {
        let value = match self.column.find(record) {
            Some(value @ (Value::Number(_) | Value::String(_))) => value,
            Some(other) => return Err(format!("`{}`, which `incremental` follows, is {}", self.column, what(other))),
            None => return Err(format!("`{}`, which `incremental` follows, is not there", self.column)),
        };
        let beyond = |other: &Option<Value>| match other {
            Some(other) => compare(value, other).map(|order| order == Ordering::Greater).ok_or_else(|| {
                format!(
                    "`{}`, which `incremental` follows, is {} here and was {} before",
                    self.column,
                    what(value),
                    what(other)
                )
            }),
            None => Ok(true),
        };
        self.ascending &= self.last.as_ref().is_none_or(|last| compare(value, last) != Some(Ordering::Less));
        self.last = Some(value.clone());
        if !beyond(&self.since)? {
            return Ok(false);
        }
        if beyond(&self.newest)? {
            self.newest = Some(value.clone());
        }
        Ok(true)
    }

    /// Refuses to remember a value behind which records were left unread: what comes next would have to be greater.
    pub(crate) fn may_end_early(&self) -> Result<()> {
        if self.ascending {
            return Ok(());
        }
        let message = format!(
            "`pagination.max_pages` ended the reading, and records of a lesser `{}` may be on the pages behind: they \
             would never be read",
            self.column
        );
        Err(Error::new(Code::InvalidValue, message).hint(
            "have the API sort by that column, ascending, with a parameter under `params`; or remove `max_pages`",
        ))
    }

    /// The cursor to be committed; none if no record was ever seen.
    pub(crate) fn cursor(&self, columns: &[(String, ColumnType)]) -> Option<Value> {
        let value = self.newest.as_ref().or(self.since.as_ref())?.clone();
        let columns = columns.iter().map(|(name, kind)| (name.clone(), Value::String(kind.to_string()))).collect();
        serde_json::to_value(Cursor { column: self.column.to_string(), value, columns }).ok()
    }
}

/// Numbers as numbers, moments with an offset as moments, other texts by their characters; nothing for a number and a text.
fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    let moment = |text: &str| DateTime::parse_from_rfc3339(text).ok();
    match (a, b) {
        (Value::String(a), Value::String(b)) => Some(match (moment(a), moment(b)) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => a.cmp(b),
        }),
        (Value::Number(a), Value::Number(b)) => match (whole(a), whole(b)) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
        },
        _ => None,
    }
}

/// A number that is written without a fraction.
pub(crate) fn whole(number: &serde_json::Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_compared_by_their_own_kind() {
        for (a, b, want) in [
            (json!(9), json!(10), Some(Ordering::Less)),
            (json!("9"), json!("10"), Some(Ordering::Greater)),
            (json!(1.5), json!(1), Some(Ordering::Greater)),
            (json!(9_007_199_254_740_993_i64), json!(9_007_199_254_740_992_i64), Some(Ordering::Greater)),
            (json!(u64::MAX), json!(-1), Some(Ordering::Greater)),
            (json!("2013-01-31T05:00:00Z"), json!("2013-02-01T05:00:00Z"), Some(Ordering::Less)),
            (json!("2013-01-31T05:00:00Z"), json!("2013-01-31T05:00:00.5Z"), Some(Ordering::Less)),
            (json!("2013-01-31T05:00:00-05:00"), json!("2013-01-31T09:00:00Z"), Some(Ordering::Greater)),
            (json!("2013-01-31T05:00:00+00:00"), json!("2013-01-31T05:00:00Z"), Some(Ordering::Equal)),
            (json!("1"), json!(1), None),
        ] {
            assert_eq!(compare(&a, &b), want, "{a} and {b}");
        }
    }
}
