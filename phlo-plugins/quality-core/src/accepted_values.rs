//! `accepted_values`.

use phlo_plugin::prelude::*;
use phlo_plugin::quality::quote;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::params::{self, invalid};
use crate::scalar::Scalar;

/// A column holds only these values.
///
/// Texts are compared exactly, upper and lower case included. Null passes (add `not_null` to refuse it); NaN is never accepted. An
/// empty table passes.
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
        let Some(first) = values.first() else {
            return Err(invalid("`values` is empty").hint("list at least one value"));
        };
        if let Some(other) = values.iter().find(|value| value.kind() != first.kind()) {
            let message = format!("`values` mixes the {} `{first}` with the {} `{other}`", first.kind(), other.kind());
            return Err(invalid(message).hint("put values that are meant as text in quotes"));
        }
        let data_type = params::column_type(target, &column);
        let literals = values.iter().map(|value| value.literal(&column, data_type)).collect::<Result<Vec<_>>>()?;
        let list = values.iter().map(Scalar::to_string).collect::<Vec<_>>().join(", ");
        Ok(CheckPlan::new(
            params::name("accepted_values", &format!("{column}: {list}")),
            format!("{column} one of {list}"),
            Evaluation::rows(format!("{} IN ({})", quote(&column), literals.join(", "))),
        )
        .on(vec![column]))
    }
}
