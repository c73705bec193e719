//! `unique`.

use phlo_plugin::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::params;

/// No two rows have the same key.
///
/// Violations are the surplus rows: a key that three rows share makes two. As in SQL, null equals nothing: a row with a null in any of
/// the columns is never a duplicate (add `not_null` to refuse it). NaN equals NaN. An empty table passes. The whole table is looked at,
/// as it would be after the commit.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UniqueParams {
    /// The columns that make the key together; also written on their own: `unique: [a, b]`.
    pub columns: Vec<String>,
}

/// Makes `unique` checks.
#[derive(Debug)]
pub struct Unique;

impl Quality for Unique {
    type Params = UniqueParams;
    const SHORTHAND: Option<&'static str> = Some("columns");

    fn check(&self, params: UniqueParams, _: &CheckTarget) -> Result<CheckPlan> {
        params::distinct(&params.columns)?;
        let list = params.columns.join(", ");
        let columns = params::quoted(&params.columns);
        Ok(CheckPlan::new(
            params::name("unique", &list),
            format!("no two rows with the same {list}"),
            Evaluation::Unique { key: columns },
        )
        .on(params.columns))
    }
}
