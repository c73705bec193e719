//! `drop`.

use phlo_plugin::prelude::{Result, SchemaRef, Transform, TransformPlan};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::columns::{self, invalid};

/// Leaves columns out; the others stay in their order.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DropParams {
    /// The columns, each of which has to be there; also written on their own: `drop: [a, b]`.
    pub columns: Vec<String>,
}

/// Plans `drop`.
#[derive(Debug)]
pub struct Drop;

impl Transform for Drop {
    type Params = DropParams;
    const SHORTHAND: Option<&'static str> = Some("columns");

    fn plan(&self, params: DropParams, input: &SchemaRef) -> Result<TransformPlan> {
        let dropped = columns::positions(input, "columns", &params.columns)?;
        let kept: Vec<_> = (0..input.fields().len()).filter(|at| !dropped.contains(at)).collect();
        if kept.is_empty() {
            return Err(invalid("`columns` names every column, and none would be left").hint("keep one at least"));
        }
        columns::project(input, kept)
    }
}
