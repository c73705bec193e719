//! `deduplicate`.

use phlo_plugin::prelude::{Result, SchemaRef, Transform, TransformPlan};
use phlo_plugin::quality::quote;
use phlo_spec::asset::Keep;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::columns;

/// Keeps one row of each key; columns stay as they are.
///
/// As in `unique`, null equals nothing: a row with a null in any column of the key is always kept. A row with a null in `order_by` is
/// kept only if the key has no other, for `first` and for `last`. Of rows that `order_by` cannot tell apart any one is kept; name more
/// columns to decide it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeduplicateParams {
    /// The columns that make the key together.
    pub columns: Vec<String>,
    /// Which row of a key stays: the `first` or the `last` by `order_by`.
    #[serde(default = "last")]
    pub keep: Keep,
    /// The columns that order the rows of a key, the most important first, lowest value first.
    pub order_by: Vec<String>,
}

fn last() -> Keep {
    Keep::Last
}

/// Plans `deduplicate`.
#[derive(Debug)]
pub struct Deduplicate;

impl Transform for Deduplicate {
    type Params = DeduplicateParams;

    fn plan(&self, params: DeduplicateParams, input: &SchemaRef) -> Result<TransformPlan> {
        columns::positions(input, "columns", &params.columns)?;
        columns::positions(input, "order_by", &params.order_by)?;
        let direction = match params.keep {
            Keep::First => "ASC",
            Keep::Last => "DESC",
        };
        let key: Vec<_> = params.columns.iter().map(|column| quote(column)).collect();
        let order: Vec<_> =
            params.order_by.iter().map(|column| format!("{} {direction} NULLS LAST", quote(column))).collect();
        let incomplete: Vec<_> = key.iter().map(|column| format!("{column} IS NULL")).collect();
        Ok(TransformPlan::Sql(format!(
            "SELECT {} FROM (SELECT *, row_number() OVER (PARTITION BY {} ORDER BY {}) AS \"_phlo_row\" FROM input) \
             WHERE \"_phlo_row\" = 1 OR {}",
            columns::all_quoted(input),
            key.join(", "),
            order.join(", "),
            incomplete.join(" OR ")
        )))
    }
}
