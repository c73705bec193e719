//! `ordered`.

use phlo_plugin::prelude::*;
use phlo_plugin::quality::quote;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{leading, partition, same};
use crate::params::{self, invalid};

/// Values increase (or decrease) from row to row, in the order of other columns.
///
/// A table has no order of its own, so `by` says it. A violation is a row whose value is below (above, with `descending`) that of the
/// row before it, in its group; with `strictly`, an equal one too. Rows with a null in the column or in `by` are left out. Rows that
/// share a place in the order are put in the order of their values. NaN is above every number, texts are ordered by their bytes. An empty
/// table passes. Numbers, texts, booleans, moments and bytes will do. Values are compared and not
/// computed, so nothing overflows. The rows are sorted, which spills to disk.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderedParams {
    /// The column that has to increase.
    pub column: String,
    /// The columns that the rows are ordered by.
    pub by: Vec<String>,
    /// Whether it has to decrease instead.
    #[serde(default)]
    pub descending: bool,
    /// Whether equal values are wrong, too.
    #[serde(default)]
    pub strictly: bool,
    /// Columns whose values make groups; each group is ordered for itself.
    #[serde(default)]
    pub within: Vec<String>,
}

/// Makes `ordered` checks.
#[derive(Debug)]
pub struct Ordered;

impl Quality for Ordered {
    type Params = OrderedParams;

    fn check(&self, params: OrderedParams, target: &CheckTarget) -> Result<CheckPlan> {
        let OrderedParams { column, by, descending, strictly, within } = params;
        if by.is_empty() {
            return Err(invalid("`by` is empty").hint("name the columns that say which row comes first"));
        }
        if by.contains(&column) {
            return Err(invalid(format!("`by` names `{column}`, the column that is checked"))
                .hint("order by another column; `unique` finds equal values"));
        }
        let (how, comparison, direction) = match (descending, strictly) {
            (false, false) => ("increasing", ">=", "ASC"),
            (false, true) => ("strictly increasing", ">", "ASC"),
            (true, false) => ("decreasing", "<=", "DESC"),
            (true, true) => ("strictly decreasing", "<", "DESC"),
        };
        let order = params::quoted(&by);
        let rows = format!(
            "FROM (SELECT *, lag(\"_phlo_value\") OVER ({}ORDER BY {}, \"_phlo_value\" {direction}) AS \"_phlo_previous\" \
             FROM (SELECT *, {} AS \"_phlo_value\" FROM this WHERE {} IS NOT NULL AND {} IS NOT NULL)) \
             WHERE NOT (\"_phlo_value\" {comparison} \"_phlo_previous\")",
            partition(&within),
            order.join(", "),
            same(target, &column),
            quote(&column),
            order.join(" IS NOT NULL AND "),
        );
        let groups = if within.is_empty() { String::new() } else { format!(" within {}", within.join(", ")) };
        let what = format!("{column} {how} by {}{groups}", by.join(", "));
        Ok(CheckPlan::new(
            check_name("ordered", &what),
            what,
            Evaluation::Count {
                count: format!("SELECT count(*) {rows}"),
                show: format!(
                    "SELECT * EXCLUDE (\"_phlo_value\") {rows} ORDER BY {}{}",
                    leading(&within.iter().filter(|column| !by.contains(column)).cloned().collect::<Vec<_>>()),
                    order.join(", ")
                ),
            },
        )
        .on([vec![column], by, within].concat()))
    }
}
