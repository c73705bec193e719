//! `derive`.

use phlo_plugin::prelude::{Result, SchemaRef, Transform, TransformPlan};
use phlo_plugin::quality::quote;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::columns::{self, Ordered, invalid};

/// Computes columns from SQL expressions.
///
/// A new name is added after the input's columns, in the order of the file; a name that the input has is replaced in its place. Every
/// expression sees the input as it was, not the other expressions' results. Nulls are SQL's.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeriveParams {
    /// Each column's name and its SQL expression over the columns of one row.
    pub columns: Ordered<String>,
}

/// Plans `derive`.
#[derive(Debug)]
pub struct Derive;

impl Transform for Derive {
    type Params = DeriveParams;

    fn plan(&self, params: DeriveParams, input: &SchemaRef) -> Result<TransformPlan> {
        columns::not_empty(&params.columns)?;
        let mut items: Vec<String> = input.fields().iter().map(|field| quote(field.name())).collect();
        for (name, expression) in &params.columns.0 {
            let expression = expression.trim();
            if name.trim().is_empty() {
                return Err(invalid("`columns` has a column with an empty name").hint("name the column"));
            }
            if expression.is_empty() {
                return Err(invalid(format!("`columns` has no expression for `{name}`"))
                    .hint("write an SQL expression, e.g. `arr_time - dep_time`"));
            }
            // On lines of its own, so that a comment at its end comments out nothing else.
            let item = format!("(\n{expression}\n) AS {}", quote(name));
            match input.index_of(name) {
                Ok(at) => items[at] = item,
                Err(_) => items.push(item),
            }
        }
        Ok(TransformPlan::Sql(format!("SELECT {} FROM input", items.join(", "))))
    }
}
