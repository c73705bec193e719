//! `filter`.

use phlo_plugin::prelude::{Result, SchemaRef, Transform, TransformPlan};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::columns::invalid;

/// Keeps the rows that meet a condition.
///
/// As in SQL's WHERE, a row for which the condition is false or NULL is left out.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FilterParams {
    /// A boolean SQL expression over the columns of one row; also written on its own: `filter: dep_delay > 0`.
    #[serde(rename = "where")]
    pub condition: String,
}

/// Plans `filter`.
#[derive(Debug)]
pub struct Filter;

impl Transform for Filter {
    type Params = FilterParams;
    const SHORTHAND: Option<&'static str> = Some("where");

    fn plan(&self, params: FilterParams, _: &SchemaRef) -> Result<TransformPlan> {
        let condition = params.condition.trim();
        if condition.is_empty() {
            return Err(invalid("`where` is empty").hint("write the condition that rows have to meet"));
        }
        // On lines of its own, so that a comment at its end comments out nothing else.
        Ok(TransformPlan::Sql(format!("SELECT * FROM input WHERE (\n{condition}\n)")))
    }
}
