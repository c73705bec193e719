//! `not_null`.

use phlo_plugin::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::params;

/// Columns hold no nulls.
///
/// A row with a null in any of the columns is one violation. NaN and the empty text are values, not nulls. An empty table passes. Every
/// type will do, and nothing is computed that could overflow.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NotNullParams {
    /// The columns; also written on their own: `not_null: [a, b]`.
    pub columns: Vec<String>,
}

/// Makes `not_null` checks.
#[derive(Debug)]
pub struct NotNull;

impl Quality for NotNull {
    type Params = NotNullParams;
    const SHORTHAND: Option<&'static str> = Some("columns");

    fn check(&self, params: NotNullParams, _: &CheckTarget) -> Result<CheckPlan> {
        params::distinct(&params.columns)?;
        let list = params.columns.join(", ");
        let each: Vec<_> =
            params::quoted(&params.columns).into_iter().map(|column| format!("{column} IS NOT NULL")).collect();
        Ok(CheckPlan::new(
            check_name("not_null", &list),
            format!("no nulls in {list}"),
            Evaluation::rows(each.join(" AND ")),
        )
        .on(params.columns))
    }
}
