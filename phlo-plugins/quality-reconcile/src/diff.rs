//! `reconcile_diff`.

use std::collections::BTreeMap;
use std::sync::Arc;

use phlo_plugin::prelude::*;
use phlo_plugin::quality::{Value, With};
use phlo_plugin::schema::type_name;
use phlo_spec::text::{one_line, thousands};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::params::{self, counted, invalid};
use crate::text::{Columns, DIFFER, TOTALS, differing};

/// Ranges of keys unless it is said otherwise.
const BUCKETS: u16 = 1024;
/// A verdict sees 10,000 rows at most; one is of rows without a key.
const MOST: u16 = 9_999;

/// No range of keys differs from that of another table; tells the first that does.
///
/// The keys of both sides are divided into ranges of equal width, and each range's rows are counted and their checksums summed, as in
/// `reconcile_checksum`: little memory, however many the rows. Violations are ranges that differ, of those that hold rows; `observed` names
/// the first, and its differing rows are the sample, in the order of their keys. `tolerance` is refused: ranges are no fraction of rows.
/// Rows whose key is null are a range of their own, the first. Null, NaN and types in `columns` mean what they mean in
/// `reconcile_checksum`. Two empty tables agree. A key that is no whole number, decimal, date or timestamp is refused; beyond 2^53 ranges
/// are cut by rounded keys, and compared exactly.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DiffParams {
    /// The other side.
    pub with: With,
    /// The key: a column of whole numbers, decimals, dates or timestamps.
    pub key: String,
    /// The columns that are compared; all of this asset's unless set, but phlo's own (`_phlo_…`) and the key.
    #[serde(default)]
    pub columns: Option<Vec<String>>,
    /// Into how many ranges the keys are divided, 9,999 at most; 1024 unless set.
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
        let ranges = ranges.unwrap_or(BUCKETS);
        if !(1..=MOST).contains(&ranges) {
            return Err(invalid(format!("`ranges` is {ranges}")).hint(format!("write a number from 1 to {MOST}")));
        }
        let data_type = target.column_type(&key);
        let is_moment = match data_type {
            None => false,
            Some(t) if t.is_integer() || t.is_decimal() => false,
            Some(t) if matches!(type_name(t).as_str(), "date" | "timestamp" | "timestamptz") => true,
            Some(other) => {
                let message = format!("`key` is `{key}`, whose type {} has no ranges", type_name(other));
                return Err(invalid(message).hint(
                    "name a column of whole numbers, decimals, dates or timestamps, or use `reconcile_checksum`",
                ));
            }
        };
        let shown = wanted.as_ref().map_or_else(|| "all columns".to_owned(), |c| params::listed(c, &other_names));
        let columns = Columns::new(wanted, std::slice::from_ref(&key), decimals, target)?;
        let used: Vec<String> = std::iter::once(&key).chain(&columns.names).cloned().collect();
        let names = if target.schema.is_some() || !columns.names.is_empty() { other_names } else { BTreeMap::new() };
        let sides = params::sides(&with, target, other_where.as_ref(), &names, &used)?;

        let alias = params::keys(1);
        let number = |sql: &str| {
            let sql = if is_moment {
                format!("arrow_cast(arrow_cast({sql}, 'Timestamp(Microsecond, None)'), 'Int64')")
            } else {
                sql.to_owned()
            };
            format!("CAST({sql} AS DOUBLE) AS \"_n\"")
        };
        let rows = columns.rows(&sides, &alias, |side| {
            let column = side.column(&key);
            vec![format!("{column} AS {}", alias[0]), number(&column)]
        });
        let bounds = params::both(&sides, |side| side.select(&[number(&side.column(&key))], &[]));
        let ranged = format!(
            "(SELECT *, CASE WHEN \"_n\" IS NULL THEN -1 WHEN \"_high\" = \"_low\" THEN 0 \
             ELSE CAST(least(floor((\"_n\" - \"_low\") / (\"_high\" - \"_low\") * {ranges}), {last}) AS BIGINT) END AS \"_range\" \
             FROM {rows} CROSS JOIN (SELECT min(\"_n\") AS \"_low\", max(\"_n\") AS \"_high\" FROM {bounds}))",
            last = ranges - 1
        );
        let k = &alias[0];
        let grouped = format!(
            "(SELECT \"_range\", {TOTALS}, min({k}) AS \"_from\", max({k}) AS \"_to\" FROM {ranged} GROUP BY \"_range\")"
        );
        let query = format!(
            "SELECT {DIFFER} AS \"differs\", \"_here\", \"_there\", CAST(\"_from\" AS VARCHAR) AS \"_from\", \
             CAST(\"_to\" AS VARCHAR) AS \"_to\" FROM {grouped} ORDER BY \"_range\""
        );
        let first = format!(
            "(SELECT * FROM {ranged} WHERE \"_range\" = (SELECT min(\"_range\") FROM {grouped} WHERE {DIFFER}))"
        );
        let show = differing(&first, &alias, std::slice::from_ref(&key), &columns);
        let rounded = decimals.map(|decimals| format!("to {decimals} decimals")).unwrap_or_default();
        let mut renamed: Vec<_> = names.iter().map(|(here, there)| format!("{here} as {there}")).collect();
        renamed.sort();
        let name = [
            shown.clone(),
            format!("by {key}"),
            with.shown(),
            renamed.join(", "),
            params::filtered(other_where.as_ref()),
            rounded,
            if ranges == BUCKETS { String::new() } else { format!("{ranges} ranges") },
        ];
        let expected = one_line(&format!("{shown} as in {} by ranges of {key}", with.shown()));
        let evaluation = Evaluation::Query { query, verdict: Arc::new(judge), show: Some(show) };
        let plan = CheckPlan::new(params::name("reconcile_diff", &name), expected, evaluation).counting("range");
        Ok(with.read_by(plan.on(used), target))
    }
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
