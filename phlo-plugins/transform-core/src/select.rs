//! `select`.

use phlo_plugin::prelude::{Result, SchemaRef, Transform, TransformPlan};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::columns;

/// Keeps only these columns, in this order.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SelectParams {
    /// The columns; also written on their own: `select: [a, b]`.
    pub columns: Vec<String>,
}

/// Plans `select`.
#[derive(Debug)]
pub struct Select;

impl Transform for Select {
    type Params = SelectParams;
    const SHORTHAND: Option<&'static str> = Some("columns");

    fn plan(&self, params: SelectParams, input: &SchemaRef) -> Result<TransformPlan> {
        columns::project(input, columns::positions(input, "columns", &params.columns)?)
    }
}
