//! `reconcile_keys`.

use std::collections::BTreeMap;

use phlo_plugin::prelude::*;
use phlo_plugin::quality::{Value, With, quote};
use phlo_spec::text::{one_line, thousands};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::params::{self, counted};

/// On which side a missing key is a violation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// On either.
    #[default]
    Either,
    /// Here alone: every key there is here.
    Here,
    /// There alone: every key here is there.
    There,
}

/// The keys are those of another table: none is missing here, none there.
///
/// Violations are distinct keys that one side has and the other has not, of the distinct keys of both; the sample shows keys of each sort
/// by turns, with `_phlo_missing` saying where they are missing. How often a key occurs has no say (see `reconcile_checksum`). A null in
/// a key equals a null, NaN equals NaN, and -0.0 is 0.0. Two empty tables agree. Types are compared as SQL's UNION does: of an int and a
/// text both are texts; what has no common type is refused when the query is planned.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeysParams {
    /// The other side.
    pub with: With,
    /// The columns that make the key together.
    pub key: Vec<String>,
    /// Names that columns have on the other side, where they differ: `{id: order_id}`.
    #[serde(default)]
    pub other_names: BTreeMap<String, String>,
    /// Only rows of the other side for which this SQL predicate holds.
    #[serde(default)]
    pub other_where: Option<String>,
    /// On which side a missing key is a violation; on either unless set.
    #[serde(default)]
    pub missing: Missing,
}

/// Makes `reconcile_keys` checks.
#[derive(Debug)]
pub struct ReconcileKeys;

impl Quality for ReconcileKeys {
    type Params = KeysParams;

    fn check(&self, params: KeysParams, target: &CheckTarget) -> Result<CheckPlan> {
        let KeysParams { with, key, other_names, other_where, missing } = params;
        params::distinct("key", &key)?;
        let sides = params::sides(&with, target, other_where.as_ref(), &other_names, &key)?;
        let keys = params::keys(key.len());
        let list = keys.join(", ");
        let both = params::both(&sides, |side| {
            let items = key.iter().zip(&keys).map(|(column, alias)| {
                let sql = params::key(&side.column(column), target.column_type(column));
                format!("{sql} AS {alias}")
            });
            side.select(&items.collect::<Vec<_>>(), &[])
        });
        let pairs = format!(
            "(SELECT {list}, count(*) FILTER (WHERE \"_side\" = 0) AS \"_here\", count(*) FILTER (WHERE \"_side\" = 1) AS \"_there\" \
             FROM {both} GROUP BY {list})"
        );
        let query = format!(
            "SELECT count(*) AS \"keys\", count(*) FILTER (WHERE \"_here\" = 0) AS \"missing_here\", \
             count(*) FILTER (WHERE \"_there\" = 0) AS \"missing_there\" FROM {pairs}"
        );
        let bad = match missing {
            Missing::Either => "\"_here\" = 0 OR \"_there\" = 0",
            Missing::Here => "\"_here\" = 0",
            Missing::There => "\"_there\" = 0",
        };
        let named: Vec<_> =
            key.iter().zip(&keys).map(|(column, alias)| format!("{alias} AS {}", quote(column))).collect();
        let show = format!(
            "SELECT {}, CASE WHEN \"_here\" = 0 THEN 'here' ELSE 'there' END AS \"_phlo_missing\" FROM \
             (SELECT *, row_number() OVER (PARTITION BY \"_here\" = 0 ORDER BY {list}) AS \"_nth\" FROM {pairs} WHERE {bad}) \
             ORDER BY \"_nth\", \"_here\"",
            named.join(", ")
        );
        let judge = move |rows: &[Vec<Value>]| {
            let [row] = rows else { return params::unexpected(rows) };
            let (Some(all), Some(here), Some(there)) =
                (params::whole(row, 0), params::whole(row, 1), params::whole(row, 2))
            else {
                return params::unexpected(rows);
            };
            let violations = match missing {
                Missing::Either => here + there,
                Missing::Here => here,
                Missing::There => there,
            };
            let observed = format!(
                "{}: {} missing here, {} missing there",
                counted(all, "key"),
                thousands(here),
                thousands(there)
            );
            Verdict { passed: true, violations, total: Some(all), observed: Some(observed) }
        };
        let (shown, word) = match missing {
            Missing::Either => ("", "the keys"),
            Missing::Here => ("missing here", "all keys"),
            Missing::There => ("missing there", "no other keys than"),
        };
        let name = [
            params::listed(&key, &other_names),
            with.shown(),
            params::filtered(other_where.as_ref()),
            shown.to_owned(),
        ];
        let expected = format!("{word} of {} in {}", key.join(", "), one_line(&with.shown()));
        let evaluation = Evaluation::Query { query, verdict: std::sync::Arc::new(judge), show: Some(show) };
        Ok(with.read_by(
            CheckPlan::new(params::name("reconcile_keys", &name), expected, evaluation).counting("key").on(key),
            target,
        ))
    }
}
