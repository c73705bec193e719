//! `chi_square`, `kl_divergence` and `cramers_v`: how often values, or numbers within bins, occur.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_schema::DataType;
use phlo_plugin::prelude::*;
use phlo_plugin::quality::{Value, quote};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::bins::Bins;
use crate::math::chi_square_tail;
use crate::params::{self, Bounds, BoundsWarning, Levels, MaxWarning, PValueWarning, double, invalid};

/// Categories, or `bins` of numbers, are as frequent as expected, by a chi-square test.
///
/// Compares with weights that are given (goodness of fit) or with a column of another asset (homogeneity), k - 1 degrees of freedom for k
/// categories or bins. Fails if the p-value is below `p_value`; a category that is not expected at all makes it 0. The violation is the
/// verdict: one. Values are compared as text, so NaN is a category, and -0.0 the same as 0.0; 5 is 5.0 in a column of floating point. Nulls
/// are left out. Without any value, in an empty table or among nulls, nothing speaks against what is expected, and it passes. More than
/// 10,000 categories are an error; a column of bytes, lists or structs is refused. The test is rough where a category is expected less than
/// five times.
///
/// With `bins`, numbers below the first edge, infinities among them, are one bin more, and those above the last another: expected as
/// `tail_weights` say, so that without them a number out there makes the p-value 0. NaN is in no bin, and left out as nulls are. A bin that
/// neither is expected nor holds anything is no bin. A column that is not of numbers is refused; numbers are read as float64.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChiSquareParams {
    /// The column.
    pub column: String,
    /// How frequent each category is expected to be, in any unit: `{EWR: 36, JFK: 33, LGA: 31}`. Either this, `bins` or `with`.
    #[serde(default)]
    pub expected: BTreeMap<String, f64>,
    /// Bins of numbers in place of categories, with weights or, beside `with`, without: `{edges: [0, 500, 1500], weights: [36, 64]}`.
    #[serde(default)]
    pub bins: Option<Bins>,
    /// The asset whose column it is compared with.
    #[serde(default)]
    pub with: Option<AssetKey>,
    /// The other asset's column; called the same unless set.
    #[serde(default)]
    pub other_column: Option<String>,
    /// The least p-value allowed; 0.05 unless set.
    #[serde(default)]
    pub p_value: Option<f64>,
    /// The p-value below which it warns, and the commit goes on: `{p_value: 0.2}`.
    #[serde(default)]
    pub warn: Option<PValueWarning>,
}

/// Categories, or `bins` of numbers, diverge little from what is expected: the Kullback-Leibler divergence of this column's frequencies
/// from the expected ones, in nats.
///
/// Fails if it is above `max`; a category that is not expected at all makes it infinite. The violation is the verdict: one. Values are
/// compared as text, so NaN is a category; nulls are left out; without any value, in an empty table too, the divergence is 0. More than
/// 10,000 categories are an error; a column of bytes, lists or structs is refused.
///
/// With `bins`, numbers below the first edge, infinities among them, are one bin more, and those above the last another: expected as
/// `tail_weights` say, so that without them a number out there makes the divergence infinite. NaN is in no bin, and left out as nulls are.
/// A column that is not of numbers is refused; numbers are read as float64.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KlParams {
    /// The column.
    pub column: String,
    /// How frequent each category is expected to be, in any unit. Either this, `bins` or `with`.
    #[serde(default)]
    pub expected: BTreeMap<String, f64>,
    /// Bins of numbers in place of categories, with weights or, beside `with`, without: `{edges: [0, 500, 1500], weights: [36, 64]}`.
    #[serde(default)]
    pub bins: Option<Bins>,
    /// The asset whose column it is compared with.
    #[serde(default)]
    pub with: Option<AssetKey>,
    /// The other asset's column; called the same unless set.
    #[serde(default)]
    pub other_column: Option<String>,
    /// The greatest divergence allowed.
    pub max: f64,
    /// The divergence above which it warns, and the commit goes on: `{max: 0.05}`.
    #[serde(default)]
    pub warn: Option<MaxWarning>,
}

/// Two columns are associated as much as expected: Cramér's V (phi for two columns of two values), from 0, nothing, to 1, one determines
/// the other; without a correction for bias.
///
/// The violation is the verdict: one. Values are compared as text, so NaN is a category; rows with a null in either column are left out.
/// A column of one value, and an empty table, are associated with nothing: 0. More than 10,000 pairs are an error; a column
/// of bytes, lists or structs is refused.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CramersVParams {
    /// The two columns.
    pub columns: Vec<String>,
    /// The least association allowed. At least one of `min` and `max` is needed.
    #[serde(default)]
    pub min: Option<f64>,
    /// The greatest association allowed.
    #[serde(default)]
    pub max: Option<f64>,
    /// Bounds within the others: beyond them the check warns, and the commit goes on.
    #[serde(default)]
    pub warn: Option<BoundsWarning>,
}

/// Makes `chi_square` checks.
#[derive(Debug)]
pub struct ChiSquare;

/// Makes `kl_divergence` checks.
#[derive(Debug)]
pub struct KlDivergence;

/// Makes `cramers_v` checks.
#[derive(Debug)]
pub struct CramersV;

/// The least p-value allowed unless it is said otherwise.
pub(crate) const P_VALUE: f64 = 0.05;

/// What a column is compared with.
struct Compared {
    counts: Counts,
    what: String,
    /// Whether it is a sample, whose size has a say, too.
    sample: bool,
}

/// How often each category or bin is there, and how often it is expected.
enum Counts {
    /// As a query answers, or of what is expected for each category.
    Categories { query: String, expected: BTreeMap<String, f64> },
    /// An aggregate for each bin, and its weight.
    Bins { counts: Vec<String>, weights: Vec<f64> },
}

impl Compared {
    fn of(
        column: &str,
        expected: BTreeMap<String, f64>,
        bins: Option<&Bins>,
        with: Option<AssetKey>,
        other: Option<String>,
        target: &CheckTarget,
    ) -> Result<Self> {
        match bins {
            Some(_) if !expected.is_empty() => {
                return Err(invalid("`bins` excludes `expected`").hint("keep one of the two"));
            }
            Some(bins) => {
                params::numeric("column", column, target)?;
                bins.refuse(with.is_some())?;
            }
            None => params::categorical("column", column, target)?,
        }
        let data_type = target.column_type(column);
        let counts = |from: &str, column: &str, here: &str, there: &str| {
            let (category, known) = match bins {
                Some(bins) => (bins.category(column), format!("NOT isnan({})", double(column))),
                None => (category(column, data_type), format!("{} IS NOT NULL", quote(column))),
            };
            format!("SELECT {category} AS \"c\", {here} AS \"h\", {there} AS \"t\" FROM {from} WHERE {known}")
        };
        let here = counts("this", column, "1", "0");
        let group =
            |from: &str| format!("SELECT \"c\", sum(\"h\") AS \"h\", sum(\"t\") AS \"t\" FROM ({from}) GROUP BY \"c\"");
        if let Some(with) = with {
            if !expected.is_empty() {
                return Err(invalid("`with` excludes `expected`").hint("keep one of the two"));
            }
            let other = other.unwrap_or_else(|| column.to_owned());
            let there = counts(&params::table(&with), &other, "0", "1");
            let edges = |bins: &Bins| bins.edges.iter().map(f64::to_string).collect::<Vec<_>>().join(", ");
            let edges = bins.map(|bins| format!(" in bins of {}", edges(bins))).unwrap_or_default();
            let query = group(&format!("{here} UNION ALL {there}"));
            return Ok(Self {
                counts: Counts::Categories { query, expected },
                what: format!("{column} as {other} of {with}{edges}"),
                sample: true,
            });
        }
        if other.is_some() {
            return Err(invalid("`other_column` has no say without `with`").hint("remove `other_column`"));
        }
        if let Some(bins) = bins {
            return Ok(Self {
                counts: Counts::Bins { counts: bins.counts(column), weights: bins.weights() },
                what: format!("{column} as {}", bins.weighed()),
                sample: false,
            });
        }
        if expected.is_empty() {
            return Err(invalid("none of `expected`, `bins` and `with` is given")
                .hint("write weights, e.g. `expected: {a: 1, b: 2}`, or name an asset"));
        }
        if let Some((category, weight)) = expected.iter().find(|(_, w)| !w.is_finite() || **w <= 0.0) {
            let message = format!("the weight of `{category}` in `expected` is {weight}, which is not above 0");
            return Err(invalid(message).hint("leave out what is not expected"));
        }
        let weights: Vec<_> = expected.iter().map(|(category, weight)| format!("{category}: {weight}")).collect();
        let texts: BTreeMap<_, _> =
            expected.iter().map(|(category, weight)| (params::category(category, data_type), *weight)).collect();
        if texts.len() < expected.len() {
            return Err(invalid("`expected` has one number twice").hint("a column of floating point has one 5 and 5.0"));
        }
        Ok(Self {
            counts: Counts::Categories { query: group(&here), expected: texts },
            what: format!("{column} as {}", weights.join(", ")),
            sample: false,
        })
    }

    /// The judgement of how often each category or bin is there, and how often in the sample or its weight.
    fn evaluation(self, judge: impl Fn(&[(f64, f64)]) -> Verdict + Send + Sync + 'static) -> Evaluation {
        match self.counts {
            Counts::Categories { query, expected } => Evaluation::query(query, move |rows| {
                frequencies(rows, &expected).map_or_else(|| params::unexpected(rows), |found| judge(&found))
            }),
            Counts::Bins { counts, weights } => Evaluation::aggregates(counts, move |values| {
                let found = (0..weights.len()).map(|at| params::number(values, at).unwrap_or_default());
                let found: Vec<_> = found.zip(weights.iter().copied()).filter(|pair| *pair != (0.0, 0.0)).collect();
                judge(&found)
            }),
        }
    }
}

/// A value as text, read as this type. As text, -0.0 and 0.0 would be two, and numbers of 16 bits have no point where others do.
pub(crate) fn category(column: &str, data_type: Option<&DataType>) -> String {
    let value = match data_type {
        Some(DataType::Float16 | DataType::Float64) => double(column),
        Some(DataType::Float32) => format!("CAST({} AS REAL)", quote(column)),
        _ => return format!("CAST({} AS VARCHAR)", quote(column)),
    };
    let text = format!("CAST({value} AS VARCHAR)");
    format!("CASE {text} WHEN '-0.0' THEN '0.0' ELSE {text} END")
}

/// How often each category is there, and its weight in what is expected; 0 for what is not.
fn frequencies(rows: &[Vec<Value>], expected: &BTreeMap<String, f64>) -> Option<Vec<(f64, f64)>> {
    let mut weights = expected.clone();
    let mut found = Vec::new();
    for row in rows {
        let Some(Value::Text(category)) = row.first() else { return None };
        let (here, there) = (params::number(row, 1)?, params::number(row, 2)?);
        found.push((here, if expected.is_empty() { there } else { weights.remove(category).unwrap_or(0.0) }));
    }
    found.extend(weights.into_values().map(|weight| (0.0, weight)));
    Some(found)
}

impl Quality for ChiSquare {
    type Params = ChiSquareParams;
    const TOLERANCE: bool = false;

    fn check(&self, params: ChiSquareParams, target: &CheckTarget) -> Result<CheckPlan> {
        let ChiSquareParams { column, expected, bins, with, other_column, p_value, warn } = params;
        let levels = Levels::of_p_value(p_value.unwrap_or(P_VALUE), warn)?;
        let compared = Compared::of(&column, expected, bins.as_ref(), with, other_column, target)?;
        let (what, sample) = (compared.what.clone(), compared.sample);
        let kinds = if bins.is_some() { "bins" } else { "categories" };
        let judge = move |found: &[(f64, f64)]| {
            let (n, m) = found.iter().fold((0.0, 0.0), |(n, m), (here, there)| (n + here, m + there));
            if n == 0.0 || m == 0.0 {
                return Verdict::whole(true, "no values to compare");
            }
            let part = |observed: f64, wanted: f64| match observed - wanted {
                0.0 => 0.0,
                off => off * off / wanted,
            };
            let statistic: f64 = if sample {
                // Both samples' counts against what they are together.
                let cells = found.iter().map(|(here, there)| {
                    let both = here + there;
                    part(*here, both * n / (n + m)) + part(*there, both * m / (n + m))
                });
                cells.sum()
            } else {
                found.iter().map(|(here, weight)| part(*here, weight / m * n)).sum()
            };
            let p = chi_square_tail(statistic, found.len() - 1);
            let observed = format!("chi-square = {statistic:.6}, {} {kinds}, p = {p:.6}", found.len());
            levels.judge(|least| p >= least, observed)
        };
        let shown = p_value.map(|p| format!("; p {p}")).unwrap_or_default();
        let name = check_name("chi_square", &format!("{what}{shown}"));
        let expected = format!("{what}, p at least {}", levels.fails);
        let plan = CheckPlan::new(name, expected, compared.evaluation(judge)).on([column]);
        Ok(levels.warning(plan, |least| format!("p at least {least}")))
    }
}

impl Quality for KlDivergence {
    type Params = KlParams;
    const TOLERANCE: bool = false;

    fn check(&self, params: KlParams, target: &CheckTarget) -> Result<CheckPlan> {
        let KlParams { column, expected, bins, with, other_column, max, warn } = params;
        let levels = Levels::of_max(max, warn)?;
        let compared = Compared::of(&column, expected, bins.as_ref(), with, other_column, target)?;
        let what = compared.what.clone();
        let judge = move |found: &[(f64, f64)]| {
            let (n, m) = found.iter().fold((0.0, 0.0), |(n, m), (here, there)| (n + here, m + there));
            let part = |(here, there): &(f64, f64)| {
                let (p, q) = (here / n, there / m);
                if *here == 0.0 {
                    0.0
                } else if *there == 0.0 {
                    f64::INFINITY
                } else {
                    p * (p / q).ln()
                }
            };
            // Rounding may leave a hair below 0.
            let divergence = if n == 0.0 { 0.0 } else { found.iter().map(part).sum::<f64>().max(0.0) };
            levels.judge(|max| divergence <= max, format!("divergence {divergence:.6}"))
        };
        let name = check_name("kl_divergence", &format!("{what}; max {max}"));
        let expected = format!("{what}, divergence at most {max}");
        let plan = CheckPlan::new(name, expected, compared.evaluation(judge)).on([column]);
        Ok(levels.warning(plan, |max| format!("at most {max}")))
    }
}

impl Quality for CramersV {
    type Params = CramersVParams;
    const TOLERANCE: bool = false;

    fn check(&self, params: CramersVParams, target: &CheckTarget) -> Result<CheckPlan> {
        let CramersVParams { columns, min, max, warn } = params;
        let [a, b] = columns.as_slice() else {
            return Err(invalid("`columns` does not name two columns").hint("write `columns: [a, b]`"));
        };
        if a == b {
            return Err(invalid(format!("`columns` names `{a}` twice")).hint("name another column"));
        }
        for column in [a, b] {
            params::categorical("columns", column, target)?;
        }
        if min.is_none() && max.is_none() {
            return Err(invalid("neither `min` nor `max` is given").hint("give one of them, or both"));
        }
        let fails = Bounds::of(min, max)?;
        let levels = Levels { fails, warns: warn.map(|warn| fails.within(warn)).transpose()? };
        let query = format!(
            "SELECT {} AS \"a\", {} AS \"b\", count(*) AS \"n\" FROM this WHERE {} IS NOT NULL AND {} IS NOT NULL GROUP BY 1, 2",
            category(a, target.column_type(a)),
            category(b, target.column_type(b)),
            quote(a),
            quote(b)
        );
        let judge = move |rows: &[Vec<Value>]| {
            let Some(v) = cramers_v(rows) else { return params::unexpected(rows) };
            levels.judge(|bounds| bounds.hold(v), format!("V = {v:.6}"))
        };
        let range = |bounds: Bounds| format!("{}{}", if bounds.are_two() { "from " } else { "" }, bounds.shown());
        let wanted = range(fails);
        let what = format!("association of {a} and {b} {wanted}");
        let name = check_name("cramers_v", &format!("{a}, {b} {wanted}"));
        let evaluation = Evaluation::Query { query, verdict: Arc::new(judge), show: None };
        Ok(levels.warning(CheckPlan::new(name, what, evaluation).on(columns), range))
    }
}

fn cramers_v(rows: &[Vec<Value>]) -> Option<f64> {
    let (mut of_a, mut of_b, mut n) = (BTreeMap::new(), BTreeMap::new(), 0.0);
    let mut cells = BTreeMap::new();
    for row in rows {
        let [Value::Text(a), Value::Text(b), count] = row.as_slice() else { return None };
        let count = count.as_f64()?;
        *of_a.entry(a).or_insert(0.0) += count;
        *of_b.entry(b).or_insert(0.0) += count;
        cells.insert((a, b), count);
        n += count;
    }
    let least = of_a.len().min(of_b.len());
    if least < 2 {
        return Some(0.0);
    }
    let mut statistic = 0.0;
    for (a, in_a) in &of_a {
        for (b, in_b) in &of_b {
            let wanted: f64 = in_a * in_b / n;
            let off = cells.get(&(*a, *b)).copied().unwrap_or(0.0) - wanted;
            statistic += off * off / wanted;
        }
    }
    Some((statistic / (n * (least - 1) as f64)).sqrt().clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use arrow_schema::{Field, Schema};
    use phlo_spec::Node;

    use super::*;

    #[test]
    fn bins_that_cannot_be_meant_are_refused() {
        let fields = vec![Field::new("n", DataType::Int64, true), Field::new("s", DataType::Utf8, true)];
        let target = CheckTarget { asset: AssetKey::new("a.b").unwrap(), schema: Some(Arc::new(Schema::new(fields))) };
        for (params, want) in [
            ("column: n", "none of `expected`, `bins` and `with` is given"),
            ("column: n, expected: {a: 1}, bins: {edges: [0, 1], weights: [1]}", "`bins` excludes `expected`"),
            ("column: n, bins: {edges: [0], weights: []}", "`edges` makes no bin"),
            ("column: n, bins: {edges: [0, 2, 2], weights: [1, 1]}", "`edges` has 2 after 2"),
            ("column: n, bins: {edges: [0, 1, 2]}", "`weights` is of length 0, not 2"),
            ("column: n, bins: {edges: [0, 1], weights: [1, 1]}", "`weights` is of length 2, not 1"),
            ("column: n, bins: {edges: [0, 1], weights: [-1]}", "`weights` is -1, which is not a number from 0"),
            ("column: n, bins: {edges: [0, 1], weights: [0]}", "the sum of `weights` is 0"),
            (
                "column: n, bins: {edges: [0, 1], weights: [1], tail_weights: [1]}",
                "`tail_weights` is of length 1, not 2",
            ),
            ("column: n, bins: {edges: [0, 1], weights: [1], tail_weights: [1, -1]}", "`tail_weights` is -1"),
            (
                "column: n, with: a.c, bins: {edges: [0, 1], weights: [1]}",
                "`with` excludes `weights` and `tail_weights`",
            ),
            ("column: n, other_column: m, bins: {edges: [0, 1], weights: [1]}", "has no say without `with`"),
            ("column: s, bins: {edges: [0, 1], weights: [1]}", "whose type string is not a number"),
        ] {
            let read = |more: &str| Node::parse(&format!("{{{params}{more}}}"), "a.yaml", 1).unwrap();
            let chi_square = ChiSquare.check(read("").read().unwrap(), &target);
            let divergence = KlDivergence.check(read(", max: 1").read().unwrap(), &target);
            for err in [chi_square.unwrap_err(), divergence.unwrap_err()] {
                assert!(err.message().contains(want), "{params}: {err:?}");
            }
        }
    }

    #[test]
    fn columns_that_determine_each_other_are_wholly_associated() {
        let fields = ["a", "b"].map(|name| Field::new(name, DataType::Utf8, true)).to_vec();
        let target = CheckTarget { asset: AssetKey::new("a.b").unwrap(), schema: Some(Arc::new(Schema::new(fields))) };
        let params = CramersVParams {
            columns: vec!["a".to_owned(), "b".to_owned()],
            min: Some(1.0),
            max: Some(1.0),
            warn: None,
        };
        let Evaluation::Query { verdict, .. } = CramersV.check(params, &target).unwrap().evaluation else { panic!() };
        for kinds in 2..12_i64 {
            for first in 1..40_i64 {
                let row = |at: i64| {
                    let kind = Value::Text(at.to_string());
                    vec![kind.clone(), kind, Value::Int(first + at * 7 % 5)]
                };
                let rows: Vec<_> = (0..kinds).map(row).collect();
                assert!(cramers_v(&rows).unwrap() <= 1.0);
                assert!(verdict(&rows).passed, "{kinds} kinds from {first}: {:?}", cramers_v(&rows));
            }
        }
    }
}
