//! `unique`.

use phlo_plugin::prelude::*;
use phlo_plugin::quality::KeyPart;
use phlo_spec::text::one_line;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::params::{self, invalid};

/// No two rows have the same key.
///
/// Violations are the surplus rows: a key that three rows share makes two. As in SQL, null equals nothing: a row with a null in any of the
/// columns is never a duplicate (`primary_key` refuses it). NaN equals NaN. An empty table passes. Numbers, texts, booleans, moments and
/// bytes will do. Counts are 64-bit; an expression is SQL, whose whole numbers wrap. The whole table is looked at, as it would be after the
/// commit.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UniqueParams {
    /// The columns that make the key together; also written on their own: `unique: [a, b]`. At least one of these and `expressions` is
    /// needed.
    #[serde(default)]
    pub columns: Vec<String>,
    /// SQL expressions over one row that make the key with them, e.g. `[lower(email)]`.
    #[serde(default)]
    pub expressions: Vec<String>,
}

/// Makes `unique` checks.
#[derive(Debug)]
pub struct Unique;

impl Quality for Unique {
    type Params = UniqueParams;
    const SHORTHAND: Option<&'static str> = Some("columns");

    fn check(&self, params: UniqueParams, target: &CheckTarget) -> Result<CheckPlan> {
        let UniqueParams { columns, expressions } = params;
        if expressions.is_empty() || !columns.is_empty() {
            params::distinct(&columns)?;
        }
        for (at, expression) in expressions.iter().enumerate() {
            if expression.trim().is_empty() || expression.contains("--") || expression.contains(';') {
                return Err(invalid(format!("`expressions` holds `{expression}`, which is no expression"))
                    .hint("write SQL over one row, e.g. `lower(email)`"));
            }
            if expressions[..at].contains(expression) {
                return Err(invalid(format!("`expressions` holds `{expression}` twice")).hint("remove one of them"));
            }
        }
        let list = columns.iter().chain(&expressions).map(|part| one_line(part)).collect::<Vec<_>>().join(", ");
        let of_column = |column: &String| KeyPart { expression: target.group_key(column), name: column.clone() };
        let of_sql = |sql: &String| KeyPart { expression: format!("({sql})"), name: one_line(sql) };
        let key = columns.iter().map(of_column).chain(expressions.iter().map(of_sql)).collect();
        Ok(CheckPlan::new(
            check_name("unique", &list),
            format!("no two rows with the same {list}"),
            Evaluation::Unique { key, complete: false },
        )
        .on(columns))
    }
}
