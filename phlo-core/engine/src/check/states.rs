//! Aggregates that grow with a table: their values as of a commit, to which those of appended rows are added.
//!
//! A table's states are kept with the commit that they are true for, so that they can never be taken for those of other rows. Only what
//! can be added exactly is kept; sums of floating-point numbers are added in another order than a scan would, as those of two threads are.

use std::collections::BTreeMap;

use arrow_array::{ArrayRef, Scalar, StringArray};
use arrow_schema::DataType;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::TreeNode as _;
use datafusion::logical_expr::{Expr, Volatility};
use serde::{Deserialize, Serialize};

/// Aggregate values of a table, by their calls.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct States(BTreeMap<String, State>);

/// A value: its Arrow type and its text, none for null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct State(String, Option<String>);

impl States {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keeps the value of a call, if it can grow.
    pub(super) fn keep(&mut self, call: &Expr, value: &ScalarValue) {
        if let Some(state) = growth(call).and_then(|_| encode(value)) {
            self.0.insert(key(call), state);
        }
    }

    /// The value of a call as it was.
    pub(super) fn value(&self, call: &Expr) -> Option<ScalarValue> {
        growth(call)?;
        decode(self.0.get(&key(call))?)
    }
}

/// A call for people, and what tells it from another that reads the same: names and texts are not quoted there. A kept value whose key is
/// another in a later version is computed anew.
fn key(call: &Expr) -> String {
    format!("{call} {:016x}", phlo_spec::text::hash(&format!("{call:?}")))
}

/// Whether the value of a call over more rows follows from that over fewer.
pub(super) fn can_grow(call: &Expr) -> bool {
    growth(call).is_some()
}

enum Growth {
    Add,
    Least,
    Greatest,
}

fn growth(call: &Expr) -> Option<Growth> {
    // What is counted by the clock is another count later, of the same rows.
    let varies =
        |e: &Expr| matches!(e, Expr::ScalarFunction(f) if f.func.signature().volatility != Volatility::Immutable);
    if call.exists(|e| Ok(varies(e))).unwrap_or(true) {
        return None;
    }
    let Expr::AggregateFunction(call) = call else { return None };
    let grows = match call.func.name() {
        "count" | "sum" if !call.params.distinct => Growth::Add,
        "min" => Growth::Least,
        "max" => Growth::Greatest,
        _ => return None,
    };
    Some(grows)
}

/// The value of a call over old and new rows together; `None` if it cannot be told.
pub(super) fn grown(call: &Expr, old: &ScalarValue, new: &ScalarValue) -> Option<ScalarValue> {
    if old.data_type() != new.data_type() {
        return None;
    }
    let growth = growth(call)?;
    match (old.is_null(), new.is_null()) {
        (true, _) => return Some(new.clone()),
        (_, true) => return Some(old.clone()),
        _ => {}
    }
    let first = |least: bool| {
        let order = match (old, new) {
            // As the engine orders them: NaN above all.
            (ScalarValue::Float64(Some(a)), ScalarValue::Float64(Some(b))) => a.total_cmp(b),
            (ScalarValue::Float32(Some(a)), ScalarValue::Float32(Some(b))) => a.total_cmp(b),
            _ => old.partial_cmp(new)?,
        };
        Some(if order.is_le() == least { old.clone() } else { new.clone() })
    };
    match growth {
        Growth::Add => old.add_checked(new).ok(),
        Growth::Least => first(true),
        Growth::Greatest => first(false),
    }
}

fn encode(value: &ScalarValue) -> Option<State> {
    let data_type = value.data_type();
    let text = if value.is_null() {
        None
    } else {
        let text = arrow_cast::cast(&value.to_array().ok()?, &DataType::Utf8).ok()?;
        ScalarValue::try_from_array(&text, 0).ok()?.try_as_str().flatten().map(str::to_owned)
    };
    let state = State(data_type.to_string(), text);
    // What does not come back as it was is not kept.
    (decode(&state)? == *value).then_some(state)
}

fn decode(State(data_type, text): &State) -> Option<ScalarValue> {
    let data_type: DataType = data_type.parse().ok()?;
    let Some(text) = text else { return ScalarValue::try_from(&data_type).ok() };
    let text: ArrayRef = std::sync::Arc::new(Scalar::new(StringArray::from(vec![text.as_str()])).into_inner());
    let value = arrow_cast::cast(&text, &data_type).ok()?;
    ScalarValue::try_from_array(&value, 0).ok().filter(|value| !value.is_null())
}

#[cfg(test)]
mod tests {
    use datafusion::functions_aggregate::expr_fn::{avg, count, max, min, sum};
    use datafusion::prelude::col;

    use super::*;

    #[test]
    fn a_state_comes_back_as_it_was_or_is_not_kept() {
        let values = [
            ScalarValue::Int64(Some(i64::MIN)),
            ScalarValue::UInt64(Some(u64::MAX)),
            ScalarValue::Float64(Some(0.1 + 0.2)),
            ScalarValue::Float64(Some(f64::NAN)),
            ScalarValue::Float64(Some(-0.0)),
            ScalarValue::Float64(None),
            ScalarValue::Utf8(Some("ß, \"'\n".to_owned())),
            ScalarValue::Utf8View(Some(String::new())),
            ScalarValue::Date32(Some(-1)),
            ScalarValue::Decimal128(Some(-12345), 10, 2),
            ScalarValue::TimestampMicrosecond(Some(1_234_567), Some("UTC".into())),
        ];
        for value in values {
            let mut states = States::default();
            states.keep(&min(col("a")), &value);
            let json = serde_json::to_string(&states).unwrap();
            let back: States = serde_json::from_str(&json).unwrap();
            assert_eq!(back.value(&min(col("a"))), Some(value), "{json}");
        }
        let mut states = States::default();
        states.keep(&avg(col("a")), &ScalarValue::Float64(Some(1.0)));
        assert!(states.is_empty());
    }

    #[test]
    fn values_grow_exactly_or_not_at_all() {
        let int = |value| ScalarValue::Int64(Some(value));
        let none = ScalarValue::Int64(None);
        for (call, old, new, both) in [
            (sum(col("a")), int(1), int(2), Some(int(3))),
            (sum(col("a")), none.clone(), int(2), Some(int(2))),
            (sum(col("a")), int(1), none.clone(), Some(int(1))),
            (sum(col("a")), int(i64::MAX), int(1), None),
            (count(col("a")), int(4), int(0), Some(int(4))),
            (min(col("a")), int(4), int(-1), Some(int(-1))),
            (max(col("a")), int(4), int(-1), Some(int(4))),
            (max(col("a")), int(4), ScalarValue::Int32(Some(9)), None),
            (avg(col("a")), int(4), int(9), None),
        ] {
            assert_eq!(grown(&call, &old, &new), both, "{call} of {old} and {new}");
        }
        let float = |value| ScalarValue::Float64(Some(value));
        assert_eq!(grown(&max(col("a")), &float(f64::NAN), &float(1.0)).unwrap().to_string(), "NaN");
        assert_eq!(grown(&min(col("a")), &float(f64::NAN), &float(1.0)), Some(float(1.0)));
    }
}
