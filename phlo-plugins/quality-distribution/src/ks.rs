//! `ks_test`.

use std::fmt;

use phlo_plugin::prelude::*;
use phlo_plugin::quality::Value;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::categories::P_VALUE;
use crate::math::{kolmogorov_tail, normal_cdf};
use crate::params::{self, Levels, PValueWarning, double, invalid, literal};

/// A distribution with its parameters.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Distribution {
    /// The normal one.
    Normal(Normal),
    /// The uniform one.
    Uniform(Uniform),
    /// The exponential one.
    Exponential(Exponential),
}

/// The normal distribution.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Normal {
    /// Its mean.
    pub mean: f64,
    /// Its standard deviation, above 0.
    pub stdev: f64,
}

/// The uniform distribution.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Uniform {
    /// The lowest value.
    pub min: f64,
    /// The highest value.
    pub max: f64,
}

/// The exponential distribution, from 0 on.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exponential {
    /// Its rate, above 0; the mean is 1 / rate.
    pub rate: f64,
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal(Normal { mean, stdev }) => write!(f, "normal({mean}, {stdev})"),
            Self::Uniform(Uniform { min, max }) => write!(f, "uniform({min}, {max})"),
            Self::Exponential(Exponential { rate }) => write!(f, "exponential({rate})"),
        }
    }
}

impl Distribution {
    fn refuse(&self) -> Result<()> {
        let positive = |field: &str, value: f64| {
            if value.is_finite() && value > 0.0 {
                return Ok(());
            }
            Err(invalid(format!("`{field}` is {value}, which is not above 0")).hint("write e.g. 1"))
        };
        match self {
            Self::Normal(Normal { mean, stdev }) => {
                positive("stdev", *stdev)?;
                if !mean.is_finite() {
                    return Err(invalid(format!("`mean` is {mean}")).hint("write a finite number"));
                }
                Ok(())
            }
            Self::Uniform(Uniform { min, max }) if !(min.is_finite() && max.is_finite() && min < max) => {
                Err(invalid(format!("`min` is {min}, not below `max`, which is {max}")).hint("swap them"))
            }
            Self::Uniform(_) => Ok(()),
            Self::Exponential(Exponential { rate }) => positive("rate", *rate),
        }
    }

    // The distribution function of "v", as SQL.
    fn cdf(&self) -> String {
        match self {
            Self::Normal(Normal { mean, stdev }) => {
                normal_cdf(&format!("((\"v\" - {}) / {})", literal(*mean), literal(*stdev)))
            }
            Self::Uniform(Uniform { min, max }) => {
                let (min, width) = (literal(*min), literal(max - min));
                format!("least(greatest((\"v\" - {min}) / {width}, {}), {})", literal(0.0), literal(1.0))
            }
            Self::Exponential(Exponential { rate }) => {
                format!("CASE WHEN \"v\" > 0.0 THEN 1.0 - exp(-\"v\" * {}) ELSE {} END", literal(*rate), literal(0.0))
            }
        }
    }
}

/// Numbers are distributed as expected, by a Kolmogorov-Smirnov test.
///
/// Compares with a column of another asset (two samples) or with a distribution whose parameters are given (one). The check fails if the
/// p-value is below `p_value`; it is Kolmogorov's limiting distribution at the statistic times the square root of n (of n m / (n + m) for
/// two samples), good from some 35 values on and cautious below. The violation is the verdict: one. Null and NaN are left out, infinities
/// are the ends of the order; without any value on a side, as of an empty table, nothing speaks against the distribution, and it passes. A
/// column that is not of numbers is refused; numbers are read as float64.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KsParams {
    /// The column, of numbers.
    pub column: String,
    /// The asset whose column it is compared with. Either this or `distribution`.
    #[serde(default)]
    pub with: Option<AssetKey>,
    /// The other asset's column; called the same unless set.
    #[serde(default)]
    pub other_column: Option<String>,
    /// The distribution that it is compared with, e.g. `{normal: {mean: 0, stdev: 1}}`; also `{uniform: {min: 0, max: 1}}` and
    /// `{exponential: {rate: 2}}`.
    #[serde(default)]
    pub distribution: Option<Distribution>,
    /// The least p-value allowed; 0.05 unless set.
    #[serde(default)]
    pub p_value: Option<f64>,
    /// The p-value below which it warns, and the commit goes on: `{p_value: 0.2}`.
    #[serde(default)]
    pub warn: Option<PValueWarning>,
}

/// Makes `ks_test` checks.
#[derive(Debug)]
pub struct KsTest;

impl Quality for KsTest {
    type Params = KsParams;
    const TOLERANCE: bool = false;

    fn check(&self, params: KsParams, target: &CheckTarget) -> Result<CheckPlan> {
        let KsParams { column, with, other_column, distribution, p_value, warn } = params;
        params::numeric("column", &column, target)?;
        let levels = Levels::of_p_value(p_value.unwrap_or(P_VALUE), warn)?;
        let values = |from: &str, column: &str, side: u8| {
            format!("SELECT {v} AS \"v\", {side} AS \"s\" FROM {from} WHERE NOT isnan({v})", v = double(column))
        };
        let (query, what) = match (with, distribution) {
            (Some(with), None) => {
                let other = other_column.unwrap_or_else(|| column.clone());
                let both =
                    format!("{} UNION ALL {}", values("this", &column, 0), values(&params::table(&with), &other, 1));
                let query = format!(
                    "SELECT max(abs(\"a\" / \"n\" - \"b\" / \"m\")) AS \"d\", max(\"n\") AS \"n\", max(\"m\") AS \"m\" FROM \
                     (SELECT CAST(sum(\"x\") OVER (ORDER BY \"v\") AS DOUBLE) AS \"a\", CAST(sum(\"y\") OVER (ORDER BY \"v\") AS DOUBLE) AS \"b\", \
                     CAST(sum(\"x\") OVER () AS DOUBLE) AS \"n\", CAST(sum(\"y\") OVER () AS DOUBLE) AS \"m\" FROM \
                     (SELECT \"v\", sum(1 - \"s\") AS \"x\", sum(\"s\") AS \"y\" FROM (SELECT \"v\" + {} AS \"v\", \"s\" FROM ({both})) GROUP BY \"v\"))",
                    literal(0.0)
                );
                (query, format!("{column} as {other} of {with}"))
            }
            (None, Some(distribution)) => {
                if other_column.is_some() {
                    return Err(invalid("`other_column` has no say without `with`").hint("remove `other_column`"));
                }
                distribution.refuse()?;
                let query = format!(
                    "SELECT max(greatest(\"a\" / \"n\" - \"f\", \"f\" - (\"a\" - \"x\") / \"n\")) AS \"d\", max(\"n\") AS \"n\" FROM \
                     (SELECT CAST(sum(\"x\") OVER (ORDER BY \"v\") AS DOUBLE) AS \"a\", CAST(\"x\" AS DOUBLE) AS \"x\", \
                     CAST(sum(\"x\") OVER () AS DOUBLE) AS \"n\", {} AS \"f\" FROM \
                     (SELECT \"v\", count(*) AS \"x\" FROM ({}) GROUP BY \"v\"))",
                    distribution.cdf(),
                    values("this", &column, 0)
                );
                (query, format!("{column} as {distribution}"))
            }
            (Some(_), Some(_)) => {
                return Err(invalid("`with` excludes `distribution`").hint("keep one of the two"));
            }
            (None, None) => {
                return Err(invalid("neither `with` nor `distribution` is given")
                    .hint("name an asset, or write e.g. `distribution: {normal: {mean: 0, stdev: 1}}`"));
            }
        };
        let expected = format!("{what}, p at least {}", levels.fails);
        let shown = p_value.map(|p| format!(", p {p}")).unwrap_or_default();
        let evaluation = Evaluation::query(query, move |rows| judge(rows, levels));
        let plan = CheckPlan::new(check_name("ks_test", &format!("{what}{shown}")), expected, evaluation).on([column]);
        Ok(levels.warning(plan, |least| format!("p at least {least}")))
    }
}

fn judge(rows: &[Vec<Value>], levels: Levels<f64>) -> Verdict {
    let [row] = rows else { return params::unexpected(rows) };
    let (Some(d), Some(n)) = (params::number(row, 0), params::number(row, 1)) else {
        return Verdict::whole(true, "no values to compare");
    };
    let size = match row.get(2) {
        None => n,
        Some(_) => match params::number(row, 2) {
            Some(m) if n > 0.0 && m > 0.0 => n * m / (n + m),
            _ => return Verdict::whole(true, "no values to compare"),
        },
    };
    let p = kolmogorov_tail(size.sqrt() * d);
    levels.judge(|least| p >= least, format!("D = {d:.6}, p = {p:.6}"))
}
