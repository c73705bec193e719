//! `reconcile_checksum`.

use std::collections::BTreeMap;
use std::sync::Arc;

use phlo_plugin::prelude::*;
use phlo_plugin::quality::{Value, With};
use phlo_spec::text::{one_line, thousands};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::params::{self, Side, counted, invalid};
use crate::text::{self, Columns, DIFFER, Hash, TOTALS, differing};

/// Rows have the checksums that they have in another table: the two hold the same, in whatever order.
///
/// With `key`, rows are compared by key, and a violation is a distinct key that one side alone has or whose rows differ, of the distinct
/// keys of both; the sample shows both sides' rows. Without, the two tables' checksums are compared, in little memory, and the violation
/// is one. A checksum is the first 60 bits of the MD5 of the row's values as text, summed over rows: it does not depend on their order, and
/// a row that is there twice counts twice. With `fraction`, only keys are compared (rows where there is no `key`) whose own hash is
/// among the least: the same on both sides and in each run, and of few perhaps none. Values are read as this side's types first: null is
/// null and no text, NaN equals NaN, -0.0 is 0.0, 1 is 1.0 and 1.00 (to ten decimal places), a date is its midnight, a moment is in UTC to
/// the microsecond; a value that is none of this side's type differs (a text that is no moment is an error). Two empty tables agree. Lists
/// and structs are refused.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChecksumParams {
    /// The other side; also written on its own: `reconcile_checksum: silver.flights` compares the tables as a whole.
    pub with: With,
    /// The columns that are compared; all of this asset's unless set, but phlo's own (`_phlo_…`) and the key.
    #[serde(default)]
    pub columns: Option<Vec<String>>,
    /// The columns by which rows are told apart; the tables as a whole are compared unless set.
    #[serde(default)]
    pub key: Vec<String>,
    /// Digits behind the point that numbers are rounded to before they are compared; none unless set.
    #[serde(default)]
    pub decimals: Option<u8>,
    /// Which fraction of the keys is compared, of the rows where no `key` is set; all unless set. (How many failing rows are shown is
    /// `sample`.)
    #[serde(default)]
    pub fraction: Option<f64>,
    /// What makes checksums of texts; MD5 unless set. Both sides are hashed here, so it need not be what the other system has.
    #[serde(default)]
    pub hash: Hash,
    /// Names that columns have on the other side, where they differ.
    #[serde(default)]
    pub other_names: BTreeMap<String, String>,
    /// Only rows of the other side for which this SQL predicate holds.
    #[serde(default)]
    pub other_where: Option<String>,
}

/// Makes `reconcile_checksum` checks.
#[derive(Debug)]
pub struct ReconcileChecksum;

impl Quality for ReconcileChecksum {
    type Params = ChecksumParams;
    const SHORTHAND: Option<&'static str> = Some("with");

    fn check(&self, params: ChecksumParams, target: &CheckTarget) -> Result<CheckPlan> {
        let ChecksumParams { with, columns: wanted, key, decimals, fraction, hash, other_names, other_where } = params;
        if !key.is_empty() {
            params::distinct("key", &key)?;
        }
        if let Some(fraction) = fraction.filter(|fraction| !(*fraction > 0.0 && *fraction <= 1.0)) {
            return Err(invalid(format!("`fraction` is {fraction}, which is not above 0 and at most 1"))
                .hint("write e.g. 0.1, or remove it to compare all"));
        }
        let shown = wanted.as_ref().map_or_else(|| "all columns".to_owned(), |c| params::listed(c, &other_names));
        let columns = Columns::new(wanted, &key, decimals, target)?;
        let used: Vec<String> = key.iter().chain(&columns.names).cloned().collect();
        // What the names are about is not known before the columns are.
        let names = if target.schema.is_some() || !columns.names.is_empty() { other_names } else { BTreeMap::new() };
        let sides = params::sides(&with, target, other_where.as_ref(), &names, &used)?;
        let keys = params::keys(key.len());
        let keyed = |side: &Side<'_>| {
            let keyed = key.iter().zip(&keys).map(|(column, alias)| {
                format!("{} AS {alias}", params::key(&side.column(column), target.column_type(column)))
            });
            keyed.collect()
        };
        let texts: Vec<_> = if key.is_empty() {
            (0..columns.names.len()).map(|at| format!("\"_c{at}\"")).collect()
        } else {
            key.iter().zip(&keys).map(|(column, alias)| text::of_key(alias, target.column_type(column))).collect()
        };
        let chosen = fraction.filter(|fraction| *fraction < 1.0).map(|fraction| {
            // Digits are ordered as the numbers are that they say.
            format!("{} < '{:016x}'", hash.of(&texts), (fraction * 2_f64.powi(64)) as u64)
        });
        let rows = columns.rows(&sides, &[], keyed, hash, chosen.as_deref());
        let evaluation = if key.is_empty() {
            let query = format!("SELECT {TOTALS} FROM {rows}");
            Evaluation::query(query, whole)
        } else {
            let groups = format!("(SELECT {}, {TOTALS} FROM {rows} GROUP BY {})", keys.join(", "), keys.join(", "));
            let query = format!(
                "SELECT count(*) AS \"keys\", count(*) FILTER (WHERE {DIFFER}) AS \"differ\", \
                 count(*) FILTER (WHERE \"_here\" = 0) AS \"missing_here\", count(*) FILTER (WHERE \"_there\" = 0) AS \"missing_there\" \
                 FROM {groups}"
            );
            Evaluation::Query { query, verdict: Arc::new(by_key), show: Some(differing(&rows, &keys, &key, &columns)) }
        };
        let by = if key.is_empty() { String::new() } else { format!("by {}", key.join(", ")) };
        let rounded = decimals.map(|decimals| format!("to {decimals} decimals")).unwrap_or_default();
        let part = fraction.map(|fraction| format!("of a fraction of {fraction}")).unwrap_or_default();
        let mut renamed: Vec<_> = names.iter().map(|(here, there)| format!("{here} as {there}")).collect();
        renamed.sort();
        let name = [
            shown.clone(),
            by.clone(),
            with.shown(),
            renamed.join(", "),
            params::filtered(other_where.as_ref()),
            rounded.clone(),
            part.clone(),
            if hash == Hash::default() { String::new() } else { "sha256".to_owned() },
        ];
        let expected = one_line(&format!("{shown} as in {} {by} {rounded} {part}", with.shown()));
        let plan = CheckPlan::new(params::name("reconcile_checksum", &name), expected, evaluation).on(used);
        let plan = if key.is_empty() { plan } else { plan.counting("key") };
        Ok(with.read_by(plan, target))
    }
}

fn whole(rows: &[Vec<Value>]) -> Verdict {
    let [row] = rows else { return params::unexpected(rows) };
    let (Some(here), Some(there)) = (params::whole(row, 0), params::whole(row, 1)) else {
        return params::unexpected(rows);
    };
    let sum = |at: usize| match row.get(at) {
        Some(Value::Text(text)) => text.clone(),
        Some(Value::Int(number)) => number.to_string(),
        _ => "none".to_owned(),
    };
    let (hsum, tsum) = (sum(2), sum(3));
    let rows = format!("{} here, {} there", counted(here, "row"), thousands(there));
    Verdict::whole(here == there && hsum == tsum, format!("{rows}; checksum {hsum} here, {tsum} there"))
}

fn by_key(rows: &[Vec<Value>]) -> Verdict {
    let [row] = rows else { return params::unexpected(rows) };
    let number = |at: usize| params::whole(row, at);
    let (Some(all), Some(differ), Some(here), Some(there)) = (number(0), number(1), number(2), number(3)) else {
        return params::unexpected(rows);
    };
    let changed = differ.saturating_sub(here + there);
    let observed = format!(
        "{} of {} differ: {} missing here, {} missing there, {} changed",
        thousands(differ),
        counted(all, "key"),
        thousands(here),
        thousands(there),
        thousands(changed)
    );
    Verdict { passed: true, violations: differ, total: Some(all), observed: Some(observed) }
}
