//! `foreign_key`.

use phlo_plugin::prelude::*;
use phlo_plugin::quality::quote;
use phlo_spec::AssetKey;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::params::{self, invalid};

/// Each key is a key of another table.
///
/// A row whose key is not there is a violation; the missing keys are shown with how many rows have them. A key with a null in any column
/// passes, as in SQL (add `not_null` to refuse it). An empty table passes. Keys are compared as SQL compares them, NaN with NaN, and
/// nothing is computed that could overflow. Unlike types are not refused but compared as SQL compares them, a text with a number as
/// numbers: a text that is none, on either side, is found by the run alone and errs the check, which blocks. `tolerance` is the fraction of
/// rows that may find no partner. The keys of this table are grouped first, which spills to disk; the join then holds one side's distinct
/// keys in memory.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForeignKeyParams {
    /// The columns that make the key together.
    pub columns: Vec<String>,
    /// The table with the keys, e.g. `bronze.airports`.
    pub references: String,
    /// The columns there, in the same order; of the same names unless set.
    #[serde(default)]
    pub to: Vec<String>,
}

/// Makes `foreign_key` checks.
#[derive(Debug)]
pub struct ForeignKey;

impl Quality for ForeignKey {
    type Params = ForeignKeyParams;

    fn check(&self, params: ForeignKeyParams, _: &CheckTarget) -> Result<CheckPlan> {
        let ForeignKeyParams { columns, references, to } = params;
        params::distinct(&columns)?;
        if !to.is_empty() && to.len() != columns.len() {
            return Err(invalid(format!("`to` has {} columns and `columns` {}", to.len(), columns.len()))
                .hint("name one for each of `columns`, in the same order"));
        }
        AssetKey::new(references.clone()).map_err(|_| {
            invalid(format!("`references` is `{references}`, which is not the name of a table"))
                .hint("tables are named `group.name`, e.g. `bronze.airports`")
        })?;
        let there = if to.is_empty() { &columns } else { &to };
        let table = references.split('.').map(quote).collect::<Vec<_>>().join(".");
        let (mine, theirs) = (params::quoted(&columns), params::quoted(there));
        let key = mine.join(", ");
        let on: Vec<_> =
            mine.iter().zip(&theirs).map(|(a, b)| format!("\"_phlo_keys\".{a} = \"_phlo_other\".{b}")).collect();
        let missing = format!(
            "FROM (SELECT {key}, count(*) AS \"_phlo_rows\" FROM this WHERE {} IS NOT NULL GROUP BY {key}) AS \"_phlo_keys\" \
             WHERE NOT EXISTS (SELECT 1 FROM {table} AS \"_phlo_other\" WHERE {})",
            mine.join(" IS NOT NULL AND "),
            on.join(" AND "),
        );
        let (list, there) = (columns.join(", "), there.join(", "));
        Ok(CheckPlan::new(
            check_name("foreign_key", &format!("{list} in {references}: {there}")),
            format!("each {list} is a {there} of {references}"),
            Evaluation::Count {
                count: format!("SELECT coalesce(sum(\"_phlo_rows\"), 0) {missing}"),
                show: format!("SELECT {key}, \"_phlo_rows\" {missing} ORDER BY \"_phlo_rows\" DESC, {key}"),
            },
        )
        .on(columns))
    }
}
