//! `not_constant`, `at_least_one`.

use phlo_plugin::prelude::*;
use phlo_plugin::quality::{Value, quote};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::params;

/// A column holds more than one value.
///
/// Nulls are ignored; NaN equals NaN. Fewer than two values, an empty table's too, pass: nothing is known to be constant. A type without
/// an order is refused when the check is planned. A failure is one violation, and `tolerance` is refused. The whole table is looked at,
/// as it would be after the commit.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NotConstantParams {
    /// The column; also written on its own: `not_constant: price`.
    pub column: String,
}

/// Makes `not_constant` checks.
#[derive(Debug)]
pub struct NotConstant;

impl Quality for NotConstant {
    type Params = NotConstantParams;
    const SHORTHAND: Option<&'static str> = Some("column");
    const TOLERANCE: bool = false;

    fn check(&self, params: NotConstantParams, target: &CheckTarget) -> Result<CheckPlan> {
        let column = params.column;
        let (name, value) = (quote(&column), target.group_key(&column));
        let expressions = [format!("count({name})"), format!("min({value}) <> max({value})"), format!("min({name})")];
        Ok(CheckPlan::new(
            check_name("not_constant", &column),
            format!("{column} not the same in all rows"),
            Evaluation::aggregates(expressions, differ),
        )
        .on(vec![column]))
    }
}

fn differ(values: &[Value]) -> Verdict {
    match values {
        [Value::Int(count), Value::Bool(false), value] if *count > 1 => {
            let value = match value {
                Value::Text(text) => text.clone(),
                Value::Int(number) => number.to_string(),
                Value::Float(number) => number.to_string(),
                Value::Bool(value) => value.to_string(),
                Value::Null | Value::Timestamp(_) => "the same".to_owned(),
            };
            Verdict::whole(false, format!("{value} in all {}", params::rows(count.unsigned_abs())))
        }
        [Value::Int(0 | 1), ..] => Verdict::whole(true, "fewer than two values"),
        [Value::Int(_), Value::Bool(true), _] => Verdict::whole(true, "several values"),
        _ => Verdict::whole(false, "no counts"),
    }
}

/// Each of several columns holds at least one value.
///
/// A column of nulls alone is one violation, of as many as there are columns; `tolerance` is refused. NaN and the empty text are values.
/// In an empty table every column fails. Every type will do. The whole table is looked at, as it would be after the commit.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AtLeastOneParams {
    /// The columns; also written on their own: `at_least_one: [a, b]`.
    pub columns: Vec<String>,
}

/// Makes `at_least_one` checks.
#[derive(Debug)]
pub struct AtLeastOne;

impl Quality for AtLeastOne {
    type Params = AtLeastOneParams;
    const SHORTHAND: Option<&'static str> = Some("columns");
    const TOLERANCE: bool = false;

    fn check(&self, params: AtLeastOneParams, _: &CheckTarget) -> Result<CheckPlan> {
        params::distinct(&params.columns)?;
        let list = params.columns.join(", ");
        let expressions: Vec<_> = params.columns.iter().map(|column| format!("count({})", quote(column))).collect();
        let columns = params.columns.clone();
        let judge = move |counts: &[Value]| {
            let some = |count: &Value| matches!(count, Value::Int(1..));
            let empty: Vec<&str> =
                columns.iter().zip(counts).filter(|(_, count)| !some(count)).map(|(name, _)| name.as_str()).collect();
            let observed = (!empty.is_empty()).then(|| format!("no value in {}", empty.join(", ")));
            let violations = empty.len() as u64;
            Verdict { passed: violations == 0, violations, total: Some(columns.len() as u64), observed }
        };
        Ok(CheckPlan::new(
            check_name("at_least_one", &list),
            format!("at least one value in {list}"),
            Evaluation::aggregates(expressions, judge),
        )
        .counting("column")
        .on(params.columns))
    }
}
