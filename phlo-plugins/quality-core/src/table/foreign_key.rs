//! `foreign_key`.

use phlo_plugin::prelude::*;
use phlo_plugin::quality::With;
use phlo_spec::text::one_line;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::params::{self, invalid};

/// Each key is a key of another table.
///
/// A row whose key is not there is a violation. A key with a null in any column passes, as in SQL (add `not_null` to refuse it). An empty
/// table passes. Keys are compared as SQL compares them, NaN with NaN, and nothing is computed that could overflow. Types without values
/// in common, a text and a number or a date and a number, are refused before a row is read. `tolerance` is the fraction of rows that may
/// find no partner. The keys of this table are grouped first, which spills to disk; the join then holds one side's distinct keys in memory.
/// What a connection or plugin reads is read once for all checks of an audit. A table may refer to itself, as employees do to their
/// managers: each row that comes and each that is there is a partner, of those that `where` leaves.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForeignKeyParams {
    /// The columns that make the key together.
    pub columns: Vec<String>,
    /// The table with the keys: an asset's, e.g. `bronze.airports`, or what a source reads, e.g. `{connection: erp, table: airports}`.
    pub references: With,
    /// The columns there, in the same order; of the same names unless set.
    #[serde(default)]
    pub to: Vec<String>,
}

/// Makes `foreign_key` checks.
#[derive(Debug)]
pub struct ForeignKey;

impl Quality for ForeignKey {
    type Params = ForeignKeyParams;

    fn check(&self, params: ForeignKeyParams, target: &CheckTarget) -> Result<CheckPlan> {
        let ForeignKeyParams { columns, references, to } = params;
        params::distinct(&columns)?;
        if !to.is_empty() && to.len() != columns.len() {
            return Err(invalid(format!("`to` has {} columns and `columns` {}", to.len(), columns.len()))
                .hint("name one for each of `columns`, in the same order"));
        }
        let to = if to.is_empty() { columns.clone() } else { to };
        let table = references.table(target);
        let (mine, theirs) = (params::quoted(&columns), params::quoted(&to));
        let key = mine.join(", ");
        let on: Vec<_> =
            mine.iter().zip(&theirs).map(|(a, b)| format!("\"_phlo_keys\".{a} = \"_phlo_other\".{b}")).collect();
        let given = mine.iter().map(|column| format!("{column} IS NOT NULL")).collect::<Vec<_>>().join(" AND ");
        let missing = format!(
            "FROM (SELECT {key}, count(*) AS \"_phlo_rows\" FROM this WHERE {given} GROUP BY {key}) AS \"_phlo_keys\" \
             WHERE NOT EXISTS (SELECT 1 FROM {table} AS \"_phlo_other\" WHERE {})",
            on.join(" AND "),
        );
        let (list, there, shown) = (columns.join(", "), to.join(", "), references.shown());
        let mut plan = CheckPlan::new(
            check_name("foreign_key", &format!("{list} in {shown}: {there}")),
            one_line(&format!("each {list} in {shown}: {there}")),
            Evaluation::Count {
                count: format!("SELECT coalesce(sum(\"_phlo_rows\"), 0) {missing}"),
                show: format!(
                    "SELECT * FROM this AS \"_phlo_keys\" WHERE {given} AND NOT EXISTS (SELECT 1 FROM {table} AS \"_phlo_other\" WHERE {}) \
                     ORDER BY {key}",
                    on.join(" AND "),
                ),
            },
        )
        .on(columns.clone());
        let named = if let With::Asset(key) = &references { key.to_string() } else { table };
        if references.is_this(target) {
            return Ok(plan.on(to));
        }
        for (column, other) in columns.into_iter().zip(to) {
            plan = plan.comparing(column, named.clone(), other);
        }
        Ok(references.read_by(plan, target))
    }
}
