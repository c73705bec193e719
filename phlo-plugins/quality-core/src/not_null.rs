//! `not_null`.

use phlo_plugin::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::params;
use crate::row::missing::all;

/// Columns hold no nulls.
///
/// A row with a null in any of the columns is one violation. NaN and the empty text are values, not nulls. An empty table passes. Every
/// type will do, and nothing is computed that could overflow. Without `columns` every row is complete: once the table is given
/// another column, the rows that were there before lack it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NotNullParams {
    /// The columns, also written on their own: `not_null: [a, b]`; all but those that phlo adds, `_phlo_…`, unless set.
    #[serde(default, deserialize_with = "params::given")]
    #[schemars(with = "Vec<String>")]
    pub columns: Option<Vec<String>>,
    /// Columns that may hold nulls; excludes `columns`.
    #[serde(default)]
    pub except: Vec<String>,
}

/// Makes `not_null` checks.
#[derive(Debug)]
pub struct NotNull;

impl Quality for NotNull {
    type Params = NotNullParams;
    const SHORTHAND: Option<&'static str> = Some("columns");

    fn check(&self, params: NotNullParams, target: &CheckTarget) -> Result<CheckPlan> {
        let NotNullParams { columns, except } = params;
        let known = params::looked_at(columns.as_deref(), &except, target)?;
        let list = params::listed(columns.as_deref(), &except);
        let predicate = known.map_or_else(|| "true".to_owned(), |known| all(&known, "IS NOT NULL", " AND "));
        let plan =
            CheckPlan::new(check_name("not_null", &list), format!("no nulls in {list}"), Evaluation::rows(predicate));
        Ok(plan.on(columns.unwrap_or(except)))
    }
}
