//! `sql`.

use phlo_plugin::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::params::invalid;

/// A query returns no rows.
///
/// Each row that it returns is a violation, whatever its values, nulls included. What null, NaN and overflow do within is the engine's SQL:
/// a condition that is NULL keeps no row, so it finds no violation; NaN equals NaN and is above every number; whole numbers wrap. An empty
/// table passes if the query returns nothing for it. A query that does not parse, names what is not there or calls a function with what it
/// does not take is refused beforehand; what unlike types do when they are compared is the engine's, and a query that cannot be computed
/// errs in the run, which blocks. The whole table is looked at, as it would be after the commit.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SqlParams {
    /// The query, over `this`, the asset's table; other assets' tables can be joined. Also written on its own:
    /// `sql: select * from this where a > b`.
    pub query: String,
}

/// Makes `sql` checks.
#[derive(Debug)]
pub struct Sql;

impl Quality for Sql {
    type Params = SqlParams;
    const SHORTHAND: Option<&'static str> = Some("query");

    fn check(&self, params: SqlParams, _: &CheckTarget) -> Result<CheckPlan> {
        // A semicolon ends a statement; inside the engine's own query it would be an error.
        let query = params.query.trim().trim_end_matches(|c: char| c == ';' || c.is_whitespace());
        if query.is_empty() {
            return Err(invalid("`query` is empty").hint("write a query that returns the rows that break the rule"));
        }
        Ok(CheckPlan::new(
            check_name("sql", query),
            "no rows from the query".to_owned(),
            Evaluation::Violations { query: query.to_owned() },
        ))
    }
}
