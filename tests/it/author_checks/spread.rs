//! A check of aggregates: SQL computes them, a verdict in Rust judges their values.

// begin: spread
use phlo_plugin::prelude::*;
use phlo_plugin::quality::{Value, quote};
use phlo_plugin::schema::type_name;
use schemars::JsonSchema;
use serde::Deserialize;

/// The highest number of a column is not far above the lowest. Null is left out; a table without a number, an empty one too, passes;
/// NaN is far from everything.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// The column, of numbers.
    column: String,
    /// How far apart they may be.
    at_most: f64,
}

struct Spread;

impl Quality for Spread {
    type Params = Params;
    // One judgement of the whole table: there is no fraction of rows to tolerate.
    const TOLERANCE: bool = false;

    fn check(&self, Params { column, at_most }: Params, target: &CheckTarget) -> Result<CheckPlan> {
        if let Some(other) = target.column_type(&column).filter(|found| !found.is_numeric()) {
            let message = format!("`column` is `{column}`, whose type {} is no number", type_name(other));
            return Err(Error::new(Code::InvalidValue, message).hint("name a column of numbers"));
        }
        let name = check_name("spread", &format!("{column}, {at_most}"));
        let quoted = quote(&column);
        let aggregates = [format!("min({quoted})"), format!("max({quoted})")];
        let evaluation = Evaluation::aggregates(aggregates, move |values| {
            match values.iter().map(Value::as_f64).collect::<Option<Vec<_>>>().as_deref() {
                Some([low, high]) => Verdict::whole(high - low <= at_most, format!("{low} to {high}")),
                _ => Verdict::whole(true, "no values"),
            }
        });
        Ok(CheckPlan::new(name, format!("{column} at most {at_most} apart"), evaluation).on([column]))
    }
}

phlo_plugin::register_check!(Spread, name = "spread", summary = "The numbers of a column are not far apart");
// end
