//! `accepted_values`.

use phlo_plugin::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::row::{is_in, shown};
use crate::scalar::Scalar;

/// A column holds only these values.
///
/// Texts are compared exactly, upper and lower case included. Null passes (add `not_null` to refuse it); NaN is never accepted. An
/// empty table passes. A value of another type than the column's is refused. A violation is a row.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptedValuesParams {
    /// The column.
    pub column: String,
    /// What it may hold: all texts (dates and timestamps are texts), all numbers or all booleans.
    pub values: Vec<Scalar>,
}

/// Makes `accepted_values` checks.
#[derive(Debug)]
pub struct AcceptedValues;

impl Quality for AcceptedValues {
    type Params = AcceptedValuesParams;

    fn check(&self, params: AcceptedValuesParams, target: &CheckTarget) -> Result<CheckPlan> {
        let AcceptedValuesParams { column, values } = params;
        let (found, list) = (is_in(target, &column, &values)?, shown(&values));
        Ok(CheckPlan::new(
            check_name("accepted_values", &format!("{column}: {list}")),
            format!("{column} one of {list}"),
            Evaluation::rows(found),
        )
        .on(vec![column]))
    }
}
