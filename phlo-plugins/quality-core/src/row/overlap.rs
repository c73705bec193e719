//! `disjoint_ranges`.

use phlo_plugin::prelude::*;
use phlo_plugin::quality::quote;
use phlo_plugin::schema::type_name;
use schemars::JsonSchema;
use serde::Deserialize;

use super::uniqueness::comparable;
use super::{Class, class, side};
use crate::params::invalid;

/// No two rows' ranges overlap, such as the periods in which a price is valid.
///
/// A range is from `from` to before `to`: one may begin where another ends, unless `inclusive`. A row whose range begins before an
/// earlier one, in the order of `from` and `to`, has ended is one violation. Ranges that hold nothing, whose `from` is not below `to`,
/// overlap none (refuse them with `compare`), and so do those with NaN. A row with a null in either is left out, unless `open`. Nulls in
/// `within` are a group of their own. An empty table passes. Types that have no order, or that cannot be compared, are refused. The whole
/// table is looked at, as it would be after the commit.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DisjointRangesParams {
    /// The column where a range begins: of numbers, texts, dates or timestamps.
    pub from: String,
    /// The column where it ends.
    pub to: String,
    /// Columns within whose values ranges may not overlap, e.g. the product; among all rows unless set.
    #[serde(default)]
    pub within: Vec<String>,
    /// Whether `to` is part of the range.
    #[serde(default)]
    pub inclusive: bool,
    /// Whether a null in `from` means since ever, and one in `to` for ever.
    #[serde(default)]
    pub open: bool,
}

/// Makes `disjoint_ranges` checks.
#[derive(Debug)]
pub struct DisjointRanges;

impl Quality for DisjointRanges {
    type Params = DisjointRangesParams;

    fn check(&self, params: DisjointRangesParams, target: &CheckTarget) -> Result<CheckPlan> {
        let DisjointRangesParams { from, to, within, inclusive, open } = params;
        if from == to {
            return Err(invalid(format!("`from` and `to` are both `{from}`")).hint("name two columns"));
        }
        if let Some(column) = within.iter().find(|column| **column == from || **column == to) {
            return Err(
                invalid(format!("`within` names `{column}`, which is an end of the range")).hint("leave it out")
            );
        }
        if let Some((_, twice)) = within.iter().enumerate().find(|(at, column)| within[..*at].contains(column)) {
            return Err(invalid(format!("`within` names `{twice}` twice")).hint("remove one of them"));
        }
        for (field, column) in [("from", &from), ("to", &to)] {
            let data_type = target.column_type(column);
            if let Some(other) = data_type.filter(|it| matches!(class(it), Class::Bool | Class::Other)) {
                let other = type_name(other);
                return Err(invalid(format!("`{field}` is `{column}`, whose type {other} has no ranges"))
                    .hint("name a column of numbers, texts, dates or timestamps"));
            }
        }
        comparable(target, &from, &to)?;

        let (begin, end) = (side(target, &from, &to), side(target, &to, &from));
        let below = if inclusive { "<=" } else { "<" };
        let mut some = vec![if open {
            format!("({begin} IS NULL OR {end} IS NULL OR {begin} {below} {end})")
        } else {
            format!("{begin} {below} {end}")
        }];
        for column in [&from, &to] {
            if target.column_type(column).is_some_and(|it| it.is_floating()) {
                some.push(format!("({0} IS NULL OR NOT isnan({0}))", quote(column)));
            }
        }
        let groups: Vec<_> = within.iter().map(|column| target.group_key(column)).collect();
        let partition = if groups.is_empty() { String::new() } else { format!("PARTITION BY {} ", groups.join(", ")) };
        let window = format!(
            "({partition}ORDER BY {begin} ASC NULLS FIRST, {end} ASC NULLS LAST ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
        );
        let mut overlap = vec![format!("{begin} {below} \"_phlo_until\"")];
        let mut columns = format!("max({end}) OVER {window} AS \"_phlo_until\"");
        if open {
            columns.push_str(&format!(
                ", count(*) OVER {window} AS \"_phlo_earlier\", sum(CASE WHEN {end} IS NULL THEN 1 ELSE 0 END) OVER {window} AS \"_phlo_open\""
            ));
            overlap.push("\"_phlo_open\" > 0".to_owned());
            overlap.push(format!("({begin} IS NULL AND \"_phlo_earlier\" > 0)"));
        }
        let helpers = if open { "\"_phlo_until\", \"_phlo_earlier\", \"_phlo_open\"" } else { "\"_phlo_until\"" };
        let query = format!(
            "SELECT * EXCLUDE ({helpers}) FROM (SELECT *, {columns} FROM this WHERE {}) AS \"_phlo_ranges\" WHERE {}",
            some.join(" AND "),
            overlap.join(" OR ")
        );
        let how = [(inclusive, ", inclusive"), (open, ", open")];
        let how: String = how.iter().filter(|(on, _)| *on).map(|(_, text)| *text).collect();
        let each = if within.is_empty() { String::new() } else { format!(" within {}", within.join(", ")) };
        Ok(CheckPlan::new(
            check_name("disjoint_ranges", &format!("{from}..{to}{each}{how}")),
            format!("no overlap of {from}..{to}{each}{how}"),
            Evaluation::Violations { query },
        )
        .on([from, to])
        .on(within))
    }
}
