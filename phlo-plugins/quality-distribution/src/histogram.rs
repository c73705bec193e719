//! `histogram`: how much of a column falls into each of some bins.

use phlo_plugin::prelude::*;
use phlo_plugin::quality::{Value, quote, quote_text};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::categories::category;
use crate::params::{self, Bounds, BoundsWarning, Levels, double, invalid};

/// Each bin holds as much of a column as expected.
///
/// A bin is a range of numbers, `{from: 60, below: 180}`, open where an end is left out, or a `value`; its share is the fraction of the
/// column's values that fall into it. Bins may overlap, and need not cover everything. Nulls are left out; NaN is a value of no range,
/// infinities belong to open ones; a `value` is compared as text, so `NaN` is one, and 5 is 5.0 in a column of floating point. Violations
/// are the bins whose share is out of bounds, of all bins. Without any value, in an empty table too, nothing speaks against what is
/// expected, and it passes. A range over a column that is not of numbers is refused; numbers are read as float64.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HistogramParams {
    /// The column.
    pub column: String,
    /// The bins.
    pub bins: Vec<Bin>,
}

/// A bin and the share that it may have.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bin {
    /// The least number that is in it.
    #[serde(default)]
    pub from: Option<f64>,
    /// Numbers from this one on are not in it.
    #[serde(default)]
    pub below: Option<f64>,
    /// The one value that is in it, in place of a range.
    #[serde(default)]
    pub value: Option<String>,
    /// The least share allowed, from 0 to 1. At least one of `min` and `max` is needed.
    #[serde(default)]
    pub min: Option<f64>,
    /// The greatest share allowed, from 0 to 1.
    #[serde(default)]
    pub max: Option<f64>,
    /// Bounds within the others: beyond them the check warns, and the commit goes on.
    #[serde(default)]
    pub warn: Option<BoundsWarning>,
}

/// Makes `histogram` checks.
#[derive(Debug)]
pub struct Histogram;

impl Bin {
    /// For people, and to tell checks apart.
    fn shown(&self) -> String {
        match (&self.value, self.from, self.below) {
            (Some(value), ..) => value.clone(),
            (None, Some(from), Some(below)) => format!("{from} to {below}"),
            (None, Some(from), None) => format!("from {from}"),
            (None, None, Some(below)) => format!("below {below}"),
            (None, None, None) => "any".to_owned(),
        }
    }

    /// The shares that it may have.
    fn levels(&self) -> Result<Levels<Bounds>> {
        let bin = self.shown();
        if self.value.is_some() == (self.from.is_some() || self.below.is_some()) {
            let message = format!("the bin `{bin}` has neither or both of a range and a `value`");
            return Err(invalid(message).hint("write `from` and `below`, or one of them, or `value`"));
        }
        if let (Some(from), Some(below)) = (self.from, self.below)
            && from >= below
        {
            return Err(invalid(format!("`from` is {from}, not less than `below`, which is {below}"))
                .hint("a range begins with `from` and ends before `below`"));
        }
        if self.min.is_none() && self.max.is_none() {
            return Err(invalid(format!("the bin `{bin}` has neither `min` nor `max`"))
                .hint("write the share that it may have, e.g. `min: 0.1`"));
        }
        let fails = Bounds::of(self.min, self.max)?;
        Ok(Levels { fails, warns: self.warn.map(|warn| fails.within(warn)).transpose()? })
    }

    /// How many values are in it.
    fn count(&self, column: &str, target: &CheckTarget) -> String {
        match &self.value {
            Some(value) => {
                let value = quote_text(&params::category(value, target.column_type(column)));
                params::counted(&format!("{} = {value}", category(column, target.column_type(column))))
            }
            None => params::count_within(&double(column), (self.from, self.below)),
        }
    }
}

impl Quality for Histogram {
    type Params = HistogramParams;
    const TOLERANCE: bool = false;

    fn check(&self, params: HistogramParams, target: &CheckTarget) -> Result<CheckPlan> {
        let HistogramParams { column, bins } = params;
        if bins.is_empty() {
            return Err(invalid("`bins` is empty").hint("write one or more, e.g. `{below: 60, max: 0.3}`"));
        }
        let levels = bins.iter().map(Bin::levels).collect::<Result<Vec<_>>>()?;
        if bins.iter().any(|bin| bin.value.is_none()) {
            params::numeric("column", &column, target)?;
        }
        let names: Vec<_> = bins.iter().map(Bin::shown).collect();
        let said = |of: &dyn Fn(&Levels<Bounds>) -> Option<Bounds>| {
            let said = names.iter().zip(&levels).filter_map(|(bin, levels)| Some((bin, of(levels)?.shown())));
            said.map(|(bin, bounds)| format!("{bin} {bounds}")).collect::<Vec<_>>().join(", ")
        };
        let (wanted, unwarned) = (said(&|levels| Some(levels.fails)), said(&|levels| levels.warns));
        let expressions: Vec<_> = std::iter::once(format!("count({})", quote(&column)))
            .chain(bins.iter().map(|bin| bin.count(&column, target)))
            .collect();
        let name = check_name("histogram", &format!("{column}: {wanted}"));
        let expected = format!("shares of {column}: {wanted}");
        let evaluation = Evaluation::aggregates(expressions, move |values| judge(values, &names, &levels));
        let plan = CheckPlan::new(name, expected, evaluation).counting("bin").on([column]);
        Ok(if unwarned.is_empty() { plan } else { plan.warning(unwarned) })
    }
}

fn judge(values: &[Value], names: &[String], levels: &[Levels<Bounds>]) -> Verdict {
    let total = Some(names.len() as u64);
    let all = params::number(values, 0).unwrap_or_default();
    if all == 0.0 {
        return Verdict { total, ..Verdict::whole(true, "no value") };
    }
    let shares: Vec<f64> = (1..=names.len()).map(|at| params::number(values, at).unwrap_or_default() / all).collect();
    let off = |of: &dyn Fn(&Levels<Bounds>) -> Option<Bounds>| {
        levels.iter().zip(&shares).filter(|(levels, share)| of(levels).is_some_and(|it| !it.hold(**share))).count()
    };
    let failed = off(&|levels| Some(levels.fails));
    let violations = if failed == 0 { off(&|levels| levels.warns) } else { failed };
    let told: Vec<_> = names.iter().zip(&shares).map(|(bin, share)| format!("{bin} {share:.4}")).collect();
    Verdict { passed: failed == 0, violations: violations as u64, total, observed: Some(told.join(", ")) }
}

#[cfg(test)]
mod tests {
    use arrow_schema::{DataType, Field, Schema};
    use phlo_spec::Node;

    use super::*;

    #[test]
    fn bins_that_cannot_be_meant_are_refused() {
        let schema = Schema::new(vec![Field::new("n", DataType::Int64, true), Field::new("s", DataType::Utf8, true)]);
        let asset = AssetKey::new("a.b").unwrap();
        let target = CheckTarget { asset, schema: Some(std::sync::Arc::new(schema)) };
        for (params, want) in [
            ("{column: n, bins: []}", "`bins` is empty"),
            ("{column: n, bins: [{max: 1}]}", "neither or both of a range and a `value`"),
            ("{column: n, bins: [{from: 1, value: a, max: 1}]}", "neither or both of a range and a `value`"),
            ("{column: n, bins: [{from: 1}]}", "the bin `from 1` has neither `min` nor `max`"),
            ("{column: n, bins: [{from: 2, below: 2, max: 1}]}", "`from` is 2, not less than `below`"),
            ("{column: n, bins: [{below: 1, max: 1.5}]}", "`max` is 1.5, which is not a number from 0 to 1"),
            ("{column: n, bins: [{below: 1, min: 0.5, max: 0.4}]}", "`min` is 0.5, above `max`"),
            ("{column: n, bins: [{below: 1, max: 0.5, warn: {}}]}", "`warn` has neither `min` nor `max`"),
            ("{column: n, bins: [{below: 1, max: 0.5, warn: {max: 0.5}}]}", "`warn.max` is 0.5, not below `max`"),
            ("{column: n, bins: [{below: 1, min: 0.5, warn: {min: 0.4}}]}", "`warn.min` is 0.4, not above `min`"),
            ("{column: n, bins: [{below: 1, max: 0.5, warn: {min: 0.6}}]}", "it always warns"),
            ("{column: n, bins: [{below: 1, max: 0.5, warn: {max: -1}}]}", "`warn.max` is -1"),
            ("{column: s, bins: [{below: 1, max: 0.5}]}", "whose type string is not a number"),
        ] {
            let params: HistogramParams = Node::parse(params, "a.yaml", 1).unwrap().read().unwrap();
            let err = Histogram.check(params.clone(), &target).unwrap_err();
            assert!(err.message().contains(want), "{params:?}: {err:?}");
        }
    }
}
