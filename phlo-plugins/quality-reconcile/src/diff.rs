//! `reconcile_diff`.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_schema::DataType;
use phlo_plugin::prelude::*;
use phlo_plugin::quality::{Value, With};
use phlo_plugin::schema::type_name;
use phlo_spec::text::{one_line, thousands};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::params::{self, Side, counted, invalid};
use crate::text::{self, Columns, DIFFER, Hash, TOTALS, differing};

/// Ranges of keys unless it is said otherwise.
const RANGES: u16 = 1024;
/// A verdict sees so many rows at most.
const MOST: u16 = 10_000;

/// The key: a column, or several of which the first weighs most.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a column's name, or a list of them")]
pub enum Key {
    /// One column.
    One(String),
    /// Several.
    Several(Vec<String>),
}

/// No range of keys differs from that of another table; tells the first that does.
///
/// The rows of both sides are sorted by key and cut into ranges of as many rows, at the same keys on both sides: few keys or many, near or
/// far, the first range that differs is a small part of the whole. Each range's rows are counted and their checksums summed, as in
/// `reconcile_checksum`: a sort, which spills, and little memory beside. Violations are ranges that differ, of those that hold rows;
/// `observed` names the first by its first key and its last, and its differing rows are the sample, in the order of their keys.
/// `tolerance` is refused: ranges are no fraction of rows. Rows of one key are never parted, so many of them make a range that is larger
/// and ranges that hold none. A null in the key is less than all else, NaN is more, -0.0 is 0.0, and texts are ordered by their bytes, as
/// what SQL's UNION makes of both sides' types. Null, NaN and types in `columns` mean what they mean in `reconcile_checksum`. Two empty
/// tables agree. Lists, structs and intervals, which have no order, are refused.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DiffParams {
    /// The other side.
    pub with: With,
    /// The key: a column, or several, by which rows are sorted: `id`, `[region, id]`.
    pub key: Key,
    /// The columns that are compared; all of this asset's unless set, but phlo's own (`_phlo_…`) and the key.
    #[serde(default)]
    pub columns: Option<Vec<String>>,
    /// Into how many ranges the rows are divided, 10,000 at most; 1024 unless set.
    #[serde(default)]
    pub ranges: Option<u16>,
    /// Digits behind the point that numbers are rounded to before they are compared; none unless set.
    #[serde(default)]
    pub decimals: Option<u8>,
    /// Names that columns have on the other side, where they differ.
    #[serde(default)]
    pub other_names: BTreeMap<String, String>,
    /// Only rows of the other side for which this SQL predicate holds.
    #[serde(default)]
    pub other_where: Option<String>,
}

/// Makes `reconcile_diff` checks.
#[derive(Debug)]
pub struct ReconcileDiff;

impl Quality for ReconcileDiff {
    type Params = DiffParams;
    const TOLERANCE: bool = false;

    fn check(&self, params: DiffParams, target: &CheckTarget) -> Result<CheckPlan> {
        let DiffParams { with, key, columns: wanted, ranges, decimals, other_names, other_where } = params;
        let ranges = ranges.unwrap_or(RANGES);
        if !(1..=MOST).contains(&ranges) {
            return Err(invalid(format!("`ranges` is {ranges}")).hint(format!("write a number from 1 to {MOST}")));
        }
        let key = match key {
            Key::One(column) => vec![column],
            Key::Several(columns) => columns,
        };
        params::distinct("key", &key)?;
        for column in &key {
            if let Some(other) =
                target.column_type(column).filter(|t| t.is_nested() || matches!(t, DataType::Interval(_)))
            {
                let message = format!("`key` has `{column}`, whose type {} has no order", type_name(other));
                return Err(
                    invalid(message).hint("name columns of single values, or compare without: `reconcile_checksum`")
                );
            }
        }
        let shown = wanted.as_ref().map_or_else(|| "all columns".to_owned(), |c| params::listed(c, &other_names));
        let columns = Columns::new(wanted, &key, decimals, target)?;
        let used: Vec<String> = key.iter().chain(&columns.names).cloned().collect();
        let names = if target.schema.is_some() || !columns.names.is_empty() { other_names } else { BTreeMap::new() };
        let sides = params::sides(&with, target, other_where.as_ref(), &names, &used)?;

        let alias = params::keys(key.len());
        let types: Vec<_> = key.iter().map(|column| target.column_type(column)).collect();
        let texts = |values: &[String]| -> Vec<String> {
            values.iter().zip(&types).map(|(value, data_type)| text::of_key(value, *data_type)).collect()
        };
        let keyed = |side: &Side<'_>| {
            let keyed = key.iter().zip(&types).zip(&alias);
            keyed.map(|((name, of), alias)| format!("{} AS {alias}", params::key(&side.column(name), *of))).collect()
        };
        let rows = columns.rows(&sides, &texts(&alias), keyed, Hash::default(), None);
        // All that decides on a row's range is how many rows of both sides are before its key.
        let all = params::both(&sides, |side| side.select(&[], &[]));
        let ranged = format!(
            "(SELECT *, (\"_rank\" - 1) * {ranges} / \"_all\" AS \"_range\" FROM \
             (SELECT *, CAST(rank() OVER (ORDER BY {}) AS BIGINT) AS \"_rank\" FROM {rows}) \
             CROSS JOIN (SELECT count(*) AS \"_all\" FROM {all}))",
            params::ordered(&alias)
        );
        let (from, to): (Vec<_>, Vec<_>) =
            (0..key.len()).map(|at| (format!("\"_f{at}\""), format!("\"_t{at}\""))).unzip();
        let ends = alias.iter().zip(from.iter().zip(&to)).map(|(k, (from, to))| {
            format!("first_value({k} ORDER BY \"_rank\") AS {from}, last_value({k} ORDER BY \"_rank\") AS {to}")
        });
        let grouped = format!(
            "(SELECT \"_range\", {TOTALS}, {} FROM {ranged} GROUP BY \"_range\")",
            ends.collect::<Vec<_>>().join(", ")
        );
        let query = format!(
            "SELECT {DIFFER} AS \"differs\", \"_here\", \"_there\", {} AS \"_from\", {} AS \"_to\" FROM {grouped} ORDER BY \"_range\"",
            told(&texts(&from)),
            told(&texts(&to))
        );
        // The rows need not be sorted to find those of one range.
        let first = format!(
            "(SELECT * FROM {rows} CROSS JOIN (SELECT {}, {} FROM {grouped} WHERE {DIFFER} ORDER BY \"_range\" LIMIT 1) \
             WHERE {} AND {})",
            from.join(", "),
            to.join(", "),
            at_least(&alias, &from),
            at_least(&to, &alias)
        );
        let show = differing(&first, &alias, &key, &columns);
        let rounded = decimals.map(|decimals| format!("to {decimals} decimals")).unwrap_or_default();
        let mut renamed: Vec<_> = names.iter().map(|(here, there)| format!("{here} as {there}")).collect();
        renamed.sort();
        let name = [
            shown.clone(),
            format!("by {}", key.join(", ")),
            with.shown(),
            renamed.join(", "),
            params::filtered(other_where.as_ref()),
            rounded,
            if ranges == RANGES { String::new() } else { format!("{ranges} ranges") },
        ];
        let expected = one_line(&format!("{shown} as in {} by ranges of {}", with.shown(), key.join(", ")));
        let evaluation = Evaluation::Query { query, verdict: Arc::new(judge), show: Some(show) };
        let plan = CheckPlan::new(params::name("reconcile_diff", &name), expected, evaluation).counting("range");
        Ok(with.read_by(plan.on(used), target))
    }
}

/// A key for people; null is nothing where the key is one column.
fn told(texts: &[String]) -> String {
    match texts {
        [one] => one.clone(),
        several => {
            let each = several.iter().map(|text| format!("coalesce({text}, 'null')"));
            format!("'(' || {} || ')'", each.collect::<Vec<_>>().join(" || ', ' || "))
        }
    }
}

/// Whether a key is not before another, as the sort has it: the first column that differs decides, and null is less than all else.
fn at_least(key: &[String], other: &[String]) -> String {
    let (Some((a, rest)), Some((b, others))) = (key.split_first(), other.split_first()) else {
        return "true".to_owned();
    };
    if rest.is_empty() {
        return format!("coalesce({a} >= {b}, {b} IS NULL)");
    }
    let then = at_least(rest, others);
    format!("(coalesce({a} > {b}, {a} IS NOT NULL AND {b} IS NULL) OR (({a} IS NOT DISTINCT FROM {b}) AND {then}))")
}

fn judge(rows: &[Vec<Value>]) -> Verdict {
    let mut first = None;
    let mut violations = 0;
    for row in rows {
        let (Some(Value::Bool(differs)), Some(here), Some(there)) =
            (row.first(), params::whole(row, 1), params::whole(row, 2))
        else {
            return params::unexpected(rows);
        };
        if *differs {
            violations += 1;
            first.get_or_insert((row, here, there));
        }
    }
    let text = |value: Option<&Value>| match value {
        Some(Value::Text(text)) => text.clone(),
        _ => "null".to_owned(),
    };
    let observed = match first {
        None => format!("none of {} differs", counted(rows.len() as u64, "range")),
        Some((row, here, there)) => format!(
            "{} of {} differ, first {} to {}: {} here, {} there",
            thousands(violations),
            counted(rows.len() as u64, "range"),
            text(row.get(3)),
            text(row.get(4)),
            counted(here, "row"),
            thousands(there)
        ),
    };
    Verdict { passed: violations == 0, violations, total: Some(rows.len() as u64), observed: Some(observed) }
}
