//! Checks of the table as a whole, and of rows across columns.

pub mod age;
pub mod aggregate;
pub mod bounds;
pub mod composite;
pub mod foreign_key;
pub mod metric;
pub mod multicolumn_sum;
pub mod no_gaps;
pub mod ordered;
pub mod same_schema;

use arrow_schema::DataType;
use phlo_plugin::prelude::*;
use phlo_plugin::quality::quote;

use crate::params;

/// A column so that equal values are one: of floats, -0.0 becomes 0.0 and every NaN the highest value.
pub(crate) fn same(target: &CheckTarget, column: &str) -> String {
    let sql = quote(column);
    if target.column_type(column).is_some_and(DataType::is_floating) {
        format!("CASE WHEN abs({sql}) = 0 OR isnan({sql}) THEN abs({sql}) ELSE {sql} END")
    } else {
        sql
    }
}

/// `PARTITION BY …` for window functions; nothing without columns.
pub(crate) fn partition(columns: &[String]) -> String {
    if columns.is_empty() { String::new() } else { format!("PARTITION BY {} ", params::quoted(columns).join(", ")) }
}

/// `"a", "b", `: columns in front of others.
pub(crate) fn leading(columns: &[String]) -> String {
    params::quoted(columns).iter().map(|column| format!("{column}, ")).collect()
}

/// SQL that people wrote, so that it can stand within other SQL: a comment at its end ends there.
pub(crate) fn nested(sql: &str) -> String {
    let sql = sql.trim();
    if sql.contains("--") { format!("(\n{sql}\n)") } else { format!("({sql})") }
}
