//! Checks of the table as a whole, and across columns.

use std::collections::{BTreeMap, BTreeSet};

use phlo_plugin::{InitContext, Policy, Registry};
use phlo_spec::quality::{CheckOutcome, Tolerance};
use phlo_testkit::fixture::batch;

use super::distribution::judged;
use super::{Cell, Expected, Rows, Truth, Verified, agree, agree_over, dressed, observed, run, tables, unlike};

/// Whether a computed number is there and good; the whole of the verdict.
fn whole(value: Option<f64>, good: impl Fn(f64) -> bool) -> Expected {
    Expected::whole(value.is_some_and(good))
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The sum of powers of the distances from the mean.
fn power(values: &[f64], exponent: i32) -> f64 {
    let mean = mean(values).unwrap_or(0.0);
    values.iter().map(|value| (value - mean).powi(exponent)).sum()
}

fn variance(values: &[f64]) -> Option<f64> {
    (values.len() > 1).then(|| power(values, 2) / (values.len() - 1) as f64)
}

/// NaN is the highest.
fn sorted(rows: &Rows, column: &str) -> Vec<f64> {
    let mut values = rows.numbers(column);
    values.sort_by(|a, b| a.partial_cmp(b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan())));
    values
}

fn quantile(values: &[f64], q: f64) -> Option<f64> {
    let at = q * values.len().checked_sub(1)? as f64;
    let (low, high) = (values[at.floor() as usize], values[at.ceil() as usize]);
    Some(if low == high || at.fract() == 0.0 { low } else { low + (high - low) * at.fract() })
}

fn frequencies(rows: &Rows, columns: &[&str]) -> Vec<f64> {
    let mut counts: BTreeMap<String, f64> = BTreeMap::new();
    for cells in rows.tuples(columns) {
        if cells.iter().all(|cell| !cell.is_null()) {
            *counts.entry(cells.iter().map(|cell| cell.key()).collect::<Vec<_>>().join("\0")).or_default() += 1.0;
        }
    }
    counts.into_values().collect()
}

fn entropy(counts: &[f64]) -> f64 {
    let all: f64 = counts.iter().sum();
    -counts.iter().map(|n| n / all * (n / all).log2()).sum::<f64>()
}

fn pairs(rows: &Rows, a: &str, b: &str) -> Vec<(f64, f64)> {
    rows.tuples(&[a, b]).iter().filter_map(|cells| cells[0].number().zip(cells[1].number())).collect()
}

/// Steps without a value between the first and the last (or the edges) of each group, and all such steps.
fn missing(groups: BTreeMap<String, BTreeSet<i128>>, from: Option<i128>, to: Option<i128>) -> Expected {
    let (mut absent, mut all) = (0_i128, 0_i128);
    for steps in groups.into_values() {
        let steps: BTreeSet<i128> =
            steps.into_iter().filter(|s| from.is_none_or(|f| *s >= f) && to.is_none_or(|t| *s <= t)).collect();
        let Some((first, last)) = from.or(steps.first().copied()).zip(to.or(steps.last().copied())) else { continue };
        all += last - first + 1;
        absent += last - first + 1 - steps.len() as i128;
    }
    let small = |n: i128| usize::try_from(n.min(i128::from(u64::MAX))).unwrap();
    Expected::violations(small(absent)).of(small(all))
}

fn steps(
    rows: &Rows,
    column: &str,
    group: Option<&str>,
    step: impl Fn(&Cell) -> i128,
) -> BTreeMap<String, BTreeSet<i128>> {
    let mut groups: BTreeMap<String, BTreeSet<i128>> = BTreeMap::new();
    for cells in rows.tuples(&[column, group.unwrap_or(column)]) {
        if !cells[0].is_null() {
            groups.entry(group.map(|_| cells[1].key()).unwrap_or_default()).or_default().insert(step(cells[0]));
        }
    }
    groups
}

fn day(cell: &Cell) -> i128 {
    i128::from(cell.micros().unwrap().div_euclid(86_400_000_000))
}

/// The interquartile range.
fn iqr(sorted: &[f64]) -> Option<f64> {
    quantile(sorted, 0.75).zip(quantile(sorted, 0.25)).map(|(high, low)| high - low)
}

/// Of whole numbers and of cents exactly, and then as a float64.
fn sum(rows: &Rows, column: &str) -> Option<f64> {
    let values = rows.values(column);
    let first = values.first()?;
    Some(match first {
        Cell::Int(_) => values.iter().filter_map(|cell| cell.int()).sum::<i128>() as f64,
        Cell::Decimal(_) => {
            values.iter().map(|cell| if let Cell::Decimal(cents) = cell { *cents } else { 0 }).sum::<i128>() as f64
                / 100.0
        }
        _ => rows.numbers(column).iter().sum(),
    })
}

fn variance_pop(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| power(values, 2) / values.len() as f64)
}

fn spread(sorted: &[f64]) -> Option<f64> {
    sorted.last().zip(sorted.first()).map(|(high, low)| high - low)
}

fn constant(values: &[f64]) -> bool {
    values.iter().all(|value| *value == values[0])
}

fn skewness(values: &[f64]) -> Option<f64> {
    let n = values.len() as f64;
    let second = power(values, 2) / n;
    (n > 2.0 && !constant(values))
        .then(|| (n * (n - 1.0)).sqrt() / (n - 2.0) * (power(values, 3) / n) / second.powf(1.5))
}

fn kurtosis(values: &[f64]) -> Option<f64> {
    let n = values.len() as f64;
    let (second, fourth) = (power(values, 2) / n, power(values, 4) / n);
    (n > 3.0 && !constant(values))
        .then(|| (n - 1.0) / ((n - 2.0) * (n - 3.0)) * ((n + 1.0) * fourth / (second * second) - 3.0 * (n - 1.0)))
}

/// The entropy of a column's values.
fn bits(rows: &Rows, column: &str) -> f64 {
    entropy(&frequencies(rows, &[column])).max(0.0)
}

fn missing_part(rows: &Rows, column: &str) -> Option<f64> {
    let (n, there) = (rows.len() as f64, rows.values(column).len() as f64);
    (n > 0.0).then(|| (n - there) / n)
}

fn correlation(rows: &Rows, a: &str, b: &str) -> Option<f64> {
    let pairs = pairs(rows, a, b);
    let (a, b): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let (x, y) = (mean(&a)?, mean(&b)?);
    let both: f64 = pairs.iter().map(|(a, b)| (a - x) * (b - y)).sum();
    if pairs.iter().any(|(a, b)| !a.is_finite() || !b.is_finite()) {
        return Some(f64::NAN);
    }
    (!constant(&a) && !constant(&b)).then(|| both / power(&a, 2).sqrt() / power(&b, 2).sqrt())
}

fn information(rows: &Rows, a: &str, b: &str) -> f64 {
    let both = rows.only(&[a, b], |c| !c[0].is_null() && !c[1].is_null());
    let of = |columns: &[&str]| entropy(&frequencies(&both, columns));
    (of(&[a]) + of(&[b]) - of(&[a, b])).max(0.0)
}

/// Each function over each kind of column that it takes.
pub(super) const FUNCTIONS: &[Truth] = &[
    Truth::new("aggregate: { function: min, column: i, max: 0.5 }", "select min(i) from t", |rows| {
        Expected::value(sorted(rows, "i").first().copied(), |v| v <= 0.5)
    }),
    Truth::new("aggregate: { function: max, column: i, max: 0.5 }", "select max(i) from t", |rows| {
        Expected::value(sorted(rows, "i").last().copied(), |v| v <= 0.5)
    }),
    Truth::new("aggregate: { function: mean, column: i, max: 0.5 }", "select avg(i::double) from t", |rows| {
        Expected::value(mean(&rows.numbers("i")), |v| v <= 0.5)
    }),
    Truth::new("aggregate: { function: median, column: i, max: 0.5 }", "select median(i::double) from t", |rows| {
        Expected::value(quantile(&sorted(rows, "i"), 0.5), |v| v <= 0.5)
    }),
    Truth::new(
        "aggregate: { function: quantile, column: i, q: 0.1, max: 0.5 }",
        "select quantile_cont(i::double, 0.1) from t",
        |rows| Expected::value(quantile(&sorted(rows, "i"), 0.1), |v| v <= 0.5),
    ),
    Truth::new(
        "aggregate: { function: iqr, column: i, max: 0.5 }",
        "select quantile_cont(i::double, 0.75) - quantile_cont(i::double, 0.25) from t",
        |rows| Expected::value(iqr(&sorted(rows, "i")), |v| v <= 0.5),
    ),
    Truth::new("aggregate: { function: sum, column: i, max: 0.5 }", "select sum(i::hugeint) from t", |rows| {
        Expected::value(sum(rows, "i"), |v| v <= 0.5)
    }),
    Truth::new("aggregate: { function: stdev, column: i, max: 0.5 }", "select stddev_samp(i::double) from t", |rows| {
        Expected::value(
            {
                let v = rows.numbers("i");
                variance(&v).map(f64::sqrt)
            },
            |v| v <= 0.5,
        )
    }),
    Truth::new("aggregate: { function: variance, column: i, max: 0.5 }", "select var_samp(i::double) from t", |rows| {
        Expected::value(
            {
                let v = rows.numbers("i");
                variance(&v)
            },
            |v| v <= 0.5,
        )
    }),
    Truth::new(
        "aggregate: { function: stdev_pop, column: i, max: 0.5 }",
        "select stddev_pop(i::double) from t",
        |rows| {
            Expected::value(
                {
                    let v = rows.numbers("i");
                    variance_pop(&v).map(f64::sqrt)
                },
                |v| v <= 0.5,
            )
        },
    ),
    Truth::new(
        "aggregate: { function: variance_pop, column: i, max: 0.5 }",
        "select var_pop(i::double) from t",
        |rows| {
            Expected::value(
                {
                    let v = rows.numbers("i");
                    variance_pop(&v)
                },
                |v| v <= 0.5,
            )
        },
    ),
    Truth::new(
        "aggregate: { function: range, column: i, max: 0.5 }",
        "select max(i::hugeint) - min(i::hugeint) from t",
        |rows| Expected::value(spread(&sorted(rows, "i")), |v| v <= 0.5),
    ),
    Truth::new(
        "aggregate: { function: skewness, column: i, max: 0.5 }",
        "select case when min(i) < max(i) then skewness(i::double) end from t",
        |rows| Expected::value(skewness(&rows.numbers("i")), |v| v <= 0.5),
    ),
    Truth::new(
        "aggregate: { function: kurtosis, column: i, max: 0.5 }",
        "select case when min(i) < max(i) then kurtosis(i::double) end from t",
        |rows| Expected::value(kurtosis(&rows.numbers("i")), |v| v <= 0.5),
    ),
    Truth::new(
        "aggregate: { function: zeros, column: i, max: 0.5 }",
        "select count(*) filter (i = 0) from t",
        |rows| Expected::value(Some(rows.numbers("i").iter().filter(|v| **v == 0.0).count() as f64), |v| v <= 0.5),
    ),
    Truth::new("aggregate: { function: min, column: u64, max: 2 }", "select min(u64) from t", |rows| {
        Expected::value(sorted(rows, "u64").first().copied(), |v| v <= 2.0)
    }),
    Truth::new("aggregate: { function: max, column: u64, max: 2 }", "select max(u64) from t", |rows| {
        Expected::value(sorted(rows, "u64").last().copied(), |v| v <= 2.0)
    }),
    Truth::new("aggregate: { function: mean, column: u64, max: 2 }", "select avg(u64::double) from t", |rows| {
        Expected::value(mean(&rows.numbers("u64")), |v| v <= 2.0)
    }),
    Truth::new("aggregate: { function: median, column: u64, max: 2 }", "select median(u64::double) from t", |rows| {
        Expected::value(quantile(&sorted(rows, "u64"), 0.5), |v| v <= 2.0)
    }),
    Truth::new(
        "aggregate: { function: quantile, column: u64, q: 0.1, max: 2 }",
        "select quantile_cont(u64::double, 0.1) from t",
        |rows| Expected::value(quantile(&sorted(rows, "u64"), 0.1), |v| v <= 2.0),
    ),
    Truth::new(
        "aggregate: { function: iqr, column: u64, max: 2 }",
        "select quantile_cont(u64::double, 0.75) - quantile_cont(u64::double, 0.25) from t",
        |rows| Expected::value(iqr(&sorted(rows, "u64")), |v| v <= 2.0),
    ),
    Truth::new("aggregate: { function: sum, column: u64, max: 2 }", "select sum(u64::hugeint) from t", |rows| {
        Expected::value(sum(rows, "u64"), |v| v <= 2.0)
    }),
    Truth::new(
        "aggregate: { function: stdev, column: u64, max: 2 }",
        "select stddev_samp(u64::double) from t",
        |rows| {
            Expected::value(
                {
                    let v = rows.numbers("u64");
                    variance(&v).map(f64::sqrt)
                },
                |v| v <= 2.0,
            )
        },
    ),
    Truth::new(
        "aggregate: { function: variance, column: u64, max: 2 }",
        "select var_samp(u64::double) from t",
        |rows| {
            Expected::value(
                {
                    let v = rows.numbers("u64");
                    variance(&v)
                },
                |v| v <= 2.0,
            )
        },
    ),
    Truth::new(
        "aggregate: { function: stdev_pop, column: u64, max: 2 }",
        "select stddev_pop(u64::double) from t",
        |rows| {
            Expected::value(
                {
                    let v = rows.numbers("u64");
                    variance_pop(&v).map(f64::sqrt)
                },
                |v| v <= 2.0,
            )
        },
    ),
    Truth::new(
        "aggregate: { function: variance_pop, column: u64, max: 2 }",
        "select var_pop(u64::double) from t",
        |rows| {
            Expected::value(
                {
                    let v = rows.numbers("u64");
                    variance_pop(&v)
                },
                |v| v <= 2.0,
            )
        },
    ),
    Truth::new(
        "aggregate: { function: range, column: u64, max: 2 }",
        "select max(u64::hugeint) - min(u64::hugeint) from t",
        |rows| Expected::value(spread(&sorted(rows, "u64")), |v| v <= 2.0),
    ),
    Truth::new(
        "aggregate: { function: skewness, column: u64, max: 2 }",
        "select case when min(u64) < max(u64) then skewness(u64::double) end from t",
        |rows| Expected::value(skewness(&rows.numbers("u64")), |v| v <= 2.0),
    ),
    Truth::new(
        "aggregate: { function: kurtosis, column: u64, max: 2 }",
        "select case when min(u64) < max(u64) then kurtosis(u64::double) end from t",
        |rows| Expected::value(kurtosis(&rows.numbers("u64")), |v| v <= 2.0),
    ),
    Truth::new(
        "aggregate: { function: zeros, column: u64, max: 2 }",
        "select count(*) filter (u64 = 0) from t",
        |rows| Expected::value(Some(rows.numbers("u64").iter().filter(|v| **v == 0.0).count() as f64), |v| v <= 2.0),
    ),
    Truth::new("aggregate: { function: min, column: f, max: 0.3 }", "select min(f) from t", |rows| {
        Expected::value(sorted(rows, "f").first().copied(), |v| v <= 0.3)
    }),
    Truth::new("aggregate: { function: max, column: f, max: 0.3 }", "select max(f) from t", |rows| {
        Expected::value(sorted(rows, "f").last().copied(), |v| v <= 0.3)
    }),
    Truth::new("aggregate: { function: mean, column: f, max: 0.3 }", "select avg(f::double) from t", |rows| {
        Expected::value(mean(&rows.numbers("f")), |v| v <= 0.3)
    }),
    Truth::new("aggregate: { function: median, column: f, max: 0.3 }", "select median(f::double) from t", |rows| {
        Expected::value(quantile(&sorted(rows, "f"), 0.5), |v| v <= 0.3)
    }),
    Truth::new(
        "aggregate: { function: quantile, column: f, q: 0.1, max: 0.3 }",
        "select quantile_cont(f::double, 0.1) from t",
        |rows| Expected::value(quantile(&sorted(rows, "f"), 0.1), |v| v <= 0.3),
    ),
    Truth::new(
        "aggregate: { function: iqr, column: f, max: 0.3 }",
        "select quantile_cont(f::double, 0.75) - quantile_cont(f::double, 0.25) from t",
        |rows| Expected::value(iqr(&sorted(rows, "f")), |v| v <= 0.3),
    ),
    Truth::new("aggregate: { function: sum, column: f, max: 0.3 }", "select sum(f) from t", |rows| {
        Expected::value(sum(rows, "f"), |v| v <= 0.3)
    }),
    Truth::new("aggregate: { function: stdev, column: f, max: 0.3 }", "select stddev_samp(f::double) from t", |rows| {
        Expected::value(
            {
                let v = rows.numbers("f");
                variance(&v).map(f64::sqrt)
            },
            |v| v <= 0.3,
        )
    }),
    Truth::new("aggregate: { function: variance, column: f, max: 0.3 }", "select var_samp(f::double) from t", |rows| {
        Expected::value(
            {
                let v = rows.numbers("f");
                variance(&v)
            },
            |v| v <= 0.3,
        )
    }),
    Truth::new(
        "aggregate: { function: stdev_pop, column: f, max: 0.3 }",
        "select stddev_pop(f::double) + sum(f::double * 0) from t",
        |rows| {
            Expected::value(
                {
                    let v = rows.numbers("f");
                    variance_pop(&v).map(f64::sqrt)
                },
                |v| v <= 0.3,
            )
        },
    ),
    Truth::new(
        "aggregate: { function: variance_pop, column: f, max: 0.3 }",
        "select var_pop(f::double) + sum(f::double * 0) from t",
        |rows| {
            Expected::value(
                {
                    let v = rows.numbers("f");
                    variance_pop(&v)
                },
                |v| v <= 0.3,
            )
        },
    ),
    Truth::new(
        "aggregate: { function: range, column: f, max: 0.3 }",
        "select max(f::double) - min(f::double) from t",
        |rows| Expected::value(spread(&sorted(rows, "f")), |v| v <= 0.3),
    ),
    Truth::new(
        "aggregate: { function: skewness, column: f, max: 0.3 }",
        "select case when count(f) < 3 then null when bool_or(not isfinite(f) or abs(f) > 1e60) then 'nan'::double when min(f) < max(f) then skewness(case when abs(f) <= 1e60 then f::double end) end from t",
        |rows| Expected::value(skewness(&rows.numbers("f")), |v| v <= 0.3),
    ),
    Truth::new(
        "aggregate: { function: kurtosis, column: f, max: 0.3 }",
        "select case when count(f) < 4 then null when bool_or(not isfinite(f) or abs(f) > 1e60) then 'nan'::double when min(f) < max(f) then kurtosis(case when abs(f) <= 1e60 then f::double end) end from t",
        |rows| Expected::value(kurtosis(&rows.numbers("f")), |v| v <= 0.3),
    ),
    Truth::new(
        "aggregate: { function: zeros, column: f, max: 0.3 }",
        "select count(*) filter (f = 0) from t",
        |rows| Expected::value(Some(rows.numbers("f").iter().filter(|v| **v == 0.0).count() as f64), |v| v <= 0.3),
    ),
    Truth::new("aggregate: { function: min, column: g, max: 0.3 }", "select min(g) from t", |rows| {
        Expected::value(sorted(rows, "g").first().copied(), |v| v <= 0.3)
    }),
    Truth::new("aggregate: { function: max, column: g, max: 0.3 }", "select max(g) from t", |rows| {
        Expected::value(sorted(rows, "g").last().copied(), |v| v <= 0.3)
    }),
    Truth::new("aggregate: { function: mean, column: g, max: 0.3 }", "select avg(g::double) from t", |rows| {
        Expected::value(mean(&rows.numbers("g")), |v| v <= 0.3)
    }),
    Truth::new("aggregate: { function: median, column: g, max: 0.3 }", "select median(g::double) from t", |rows| {
        Expected::value(quantile(&sorted(rows, "g"), 0.5), |v| v <= 0.3)
    }),
    Truth::new(
        "aggregate: { function: quantile, column: g, q: 0.1, max: 0.3 }",
        "select quantile_cont(g::double, 0.1) from t",
        |rows| Expected::value(quantile(&sorted(rows, "g"), 0.1), |v| v <= 0.3),
    ),
    Truth::new(
        "aggregate: { function: iqr, column: g, max: 0.3 }",
        "select quantile_cont(g::double, 0.75) - quantile_cont(g::double, 0.25) from t",
        |rows| Expected::value(iqr(&sorted(rows, "g")), |v| v <= 0.3),
    ),
    Truth::new("aggregate: { function: sum, column: g, max: 0.3 }", "select sum(g::double) from t", |rows| {
        Expected::value(sum(rows, "g"), |v| v <= 0.3)
    }),
    Truth::new("aggregate: { function: stdev, column: g, max: 0.3 }", "select stddev_samp(g::double) from t", |rows| {
        Expected::value(
            {
                let v = rows.numbers("g");
                variance(&v).map(f64::sqrt)
            },
            |v| v <= 0.3,
        )
    }),
    Truth::new("aggregate: { function: variance, column: g, max: 0.3 }", "select var_samp(g::double) from t", |rows| {
        Expected::value(
            {
                let v = rows.numbers("g");
                variance(&v)
            },
            |v| v <= 0.3,
        )
    }),
    Truth::new(
        "aggregate: { function: stdev_pop, column: g, max: 0.3 }",
        "select stddev_pop(g::double) + sum(g::double * 0) from t",
        |rows| {
            Expected::value(
                {
                    let v = rows.numbers("g");
                    variance_pop(&v).map(f64::sqrt)
                },
                |v| v <= 0.3,
            )
        },
    ),
    Truth::new(
        "aggregate: { function: variance_pop, column: g, max: 0.3 }",
        "select var_pop(g::double) + sum(g::double * 0) from t",
        |rows| {
            Expected::value(
                {
                    let v = rows.numbers("g");
                    variance_pop(&v)
                },
                |v| v <= 0.3,
            )
        },
    ),
    Truth::new(
        "aggregate: { function: range, column: g, max: 0.3 }",
        "select max(g::double) - min(g::double) from t",
        |rows| Expected::value(spread(&sorted(rows, "g")), |v| v <= 0.3),
    ),
    Truth::new(
        "aggregate: { function: skewness, column: g, max: 0.3 }",
        "select case when count(g) < 3 then null when bool_or(not isfinite(g) or abs(g) > 1e60) then 'nan'::double when min(g) < max(g) then skewness(case when abs(g) <= 1e60 then g::double end) end from t",
        |rows| Expected::value(skewness(&rows.numbers("g")), |v| v <= 0.3),
    ),
    Truth::new(
        "aggregate: { function: kurtosis, column: g, max: 0.3 }",
        "select case when count(g) < 4 then null when bool_or(not isfinite(g) or abs(g) > 1e60) then 'nan'::double when min(g) < max(g) then kurtosis(case when abs(g) <= 1e60 then g::double end) end from t",
        |rows| Expected::value(kurtosis(&rows.numbers("g")), |v| v <= 0.3),
    ),
    Truth::new(
        "aggregate: { function: zeros, column: g, max: 0.3 }",
        "select count(*) filter (g = 0) from t",
        |rows| Expected::value(Some(rows.numbers("g").iter().filter(|v| **v == 0.0).count() as f64), |v| v <= 0.3),
    ),
    Truth::new("aggregate: { function: min, column: n, max: 0.25 }", "select min(n) from t", |rows| {
        Expected::value(sorted(rows, "n").first().copied(), |v| v <= 0.25)
    }),
    Truth::new("aggregate: { function: max, column: n, max: 0.25 }", "select max(n) from t", |rows| {
        Expected::value(sorted(rows, "n").last().copied(), |v| v <= 0.25)
    }),
    Truth::new("aggregate: { function: mean, column: n, max: 0.25 }", "select avg(n::double) from t", |rows| {
        Expected::value(mean(&rows.numbers("n")), |v| v <= 0.25)
    }),
    Truth::new("aggregate: { function: median, column: n, max: 0.25 }", "select median(n::double) from t", |rows| {
        Expected::value(quantile(&sorted(rows, "n"), 0.5), |v| v <= 0.25)
    }),
    Truth::new(
        "aggregate: { function: quantile, column: n, q: 0.1, max: 0.25 }",
        "select quantile_cont(n::double, 0.1) from t",
        |rows| Expected::value(quantile(&sorted(rows, "n"), 0.1), |v| v <= 0.25),
    ),
    Truth::new(
        "aggregate: { function: iqr, column: n, max: 0.25 }",
        "select quantile_cont(n::double, 0.75) - quantile_cont(n::double, 0.25) from t",
        |rows| Expected::value(iqr(&sorted(rows, "n")), |v| v <= 0.25),
    ),
    Truth::new("aggregate: { function: sum, column: n, max: 0.25 }", "select sum(n) from t", |rows| {
        Expected::value(sum(rows, "n"), |v| v <= 0.25)
    }),
    Truth::new(
        "aggregate: { function: stdev, column: n, max: 0.25 }",
        "select stddev_samp(n::double) from t",
        |rows| {
            Expected::value(
                {
                    let v = rows.numbers("n");
                    variance(&v).map(f64::sqrt)
                },
                |v| v <= 0.25,
            )
        },
    ),
    Truth::new(
        "aggregate: { function: variance, column: n, max: 0.25 }",
        "select var_samp(n::double) from t",
        |rows| {
            Expected::value(
                {
                    let v = rows.numbers("n");
                    variance(&v)
                },
                |v| v <= 0.25,
            )
        },
    ),
    Truth::new(
        "aggregate: { function: stdev_pop, column: n, max: 0.25 }",
        "select stddev_pop(n::double) from t",
        |rows| {
            Expected::value(
                {
                    let v = rows.numbers("n");
                    variance_pop(&v).map(f64::sqrt)
                },
                |v| v <= 0.25,
            )
        },
    ),
    Truth::new(
        "aggregate: { function: variance_pop, column: n, max: 0.25 }",
        "select var_pop(n::double) from t",
        |rows| {
            Expected::value(
                {
                    let v = rows.numbers("n");
                    variance_pop(&v)
                },
                |v| v <= 0.25,
            )
        },
    ),
    Truth::new(
        "aggregate: { function: range, column: n, max: 0.25 }",
        "select max(n::double) - min(n::double) from t",
        |rows| Expected::value(spread(&sorted(rows, "n")), |v| v <= 0.25),
    ),
    Truth::new(
        "aggregate: { function: skewness, column: n, max: 0.25 }",
        "select case when min(n) < max(n) then skewness(n::double) end from t",
        |rows| Expected::value(skewness(&rows.numbers("n")), |v| v <= 0.25),
    ),
    Truth::new(
        "aggregate: { function: kurtosis, column: n, max: 0.25 }",
        "select case when min(n) < max(n) then kurtosis(n::double) end from t",
        |rows| Expected::value(kurtosis(&rows.numbers("n")), |v| v <= 0.25),
    ),
    Truth::new(
        "aggregate: { function: zeros, column: n, max: 0.25 }",
        "select count(*) filter (n = 0) from t",
        |rows| Expected::value(Some(rows.numbers("n").iter().filter(|v| **v == 0.0).count() as f64), |v| v <= 0.25),
    ),
    Truth::new(
        "aggregate: { function: min, column: d, max: 2020-01-03 }",
        "select epoch_us(min(d)::timestamp) from t",
        |rows| {
            Expected::value(rows.values("d").iter().filter_map(|c| c.micros()).min().map(|m| m as f64), |m| {
                m <= 18_264.0 * 86_400_000_000.0
            })
        },
    ),
    Truth::new(
        "aggregate: { function: max, column: d, max: 2020-01-03 }",
        "select epoch_us(max(d)::timestamp) from t",
        |rows| {
            Expected::value(rows.values("d").iter().filter_map(|c| c.micros()).max().map(|m| m as f64), |m| {
                m <= 18_264.0 * 86_400_000_000.0
            })
        },
    ),
    Truth::new("aggregate: { function: min, column: t, max: 2020-01-03 }", "select epoch_us(min(t)) from t", |rows| {
        Expected::value(rows.values("t").iter().filter_map(|c| c.micros()).min().map(|m| m as f64), |m| {
            m <= 18_264.0 * 86_400_000_000.0
        })
    }),
    Truth::new("aggregate: { function: max, column: t, max: 2020-01-03 }", "select epoch_us(max(t)) from t", |rows| {
        Expected::value(rows.values("t").iter().filter_map(|c| c.micros()).max().map(|m| m as f64), |m| {
            m <= 18_264.0 * 86_400_000_000.0
        })
    }),
    Truth::new("aggregate: { function: min, column: z, max: 2020-01-03 }", "select epoch_us(min(z)) from t", |rows| {
        Expected::value(rows.values("z").iter().filter_map(|c| c.micros()).min().map(|m| m as f64), |m| {
            m <= 18_264.0 * 86_400_000_000.0
        })
    }),
    Truth::new("aggregate: { function: max, column: z, max: 2020-01-03 }", "select epoch_us(max(z)) from t", |rows| {
        Expected::value(rows.values("z").iter().filter_map(|c| c.micros()).max().map(|m| m as f64), |m| {
            m <= 18_264.0 * 86_400_000_000.0
        })
    }),
    Truth::new(
        "aggregate: { function: entropy, column: i, max: 1.5 }",
        "select coalesce(entropy(i), 0) from t",
        |rows| Expected::value(Some(bits(rows, "i")), |v| v <= 1.5),
    ),
    Truth::new("aggregate: { function: distinct, column: i, max: 4 }", "select count(distinct i) from t", |rows| {
        Expected::value(Some(frequencies(rows, &["i"]).len() as f64), |v| v <= 4.0)
    }),
    Truth::new("aggregate: { function: count, column: i, max: 4 }", "select count(i) from t", |rows| {
        Expected::value(Some(rows.values("i").len() as f64), |v| v <= 4.0)
    }),
    Truth::new(
        "aggregate: { function: null_fraction, column: i, max: 0.1 }",
        "select 1 - count(i) / nullif(count(*), 0) from t",
        |rows| Expected::value(missing_part(rows, "i"), |v| v <= 0.1),
    ),
    Truth::new(
        "aggregate: { function: entropy, column: f, max: 1.5 }",
        "select coalesce(entropy(case when f = 0 then 0 else f end), 0) from t",
        |rows| Expected::value(Some(bits(rows, "f")), |v| v <= 1.5),
    ),
    Truth::new("aggregate: { function: distinct, column: f, max: 4 }", "select count(distinct f) from t", |rows| {
        Expected::value(Some(frequencies(rows, &["f"]).len() as f64), |v| v <= 4.0)
    }),
    Truth::new("aggregate: { function: count, column: f, max: 4 }", "select count(f) from t", |rows| {
        Expected::value(Some(rows.values("f").len() as f64), |v| v <= 4.0)
    }),
    Truth::new(
        "aggregate: { function: null_fraction, column: f, max: 0.1 }",
        "select 1 - count(f) / nullif(count(*), 0) from t",
        |rows| Expected::value(missing_part(rows, "f"), |v| v <= 0.1),
    ),
    Truth::new(
        "aggregate: { function: entropy, column: n, max: 1.5 }",
        "select coalesce(entropy(n), 0) from t",
        |rows| Expected::value(Some(bits(rows, "n")), |v| v <= 1.5),
    ),
    Truth::new("aggregate: { function: distinct, column: n, max: 4 }", "select count(distinct n) from t", |rows| {
        Expected::value(Some(frequencies(rows, &["n"]).len() as f64), |v| v <= 4.0)
    }),
    Truth::new("aggregate: { function: count, column: n, max: 4 }", "select count(n) from t", |rows| {
        Expected::value(Some(rows.values("n").len() as f64), |v| v <= 4.0)
    }),
    Truth::new(
        "aggregate: { function: null_fraction, column: n, max: 0.1 }",
        "select 1 - count(n) / nullif(count(*), 0) from t",
        |rows| Expected::value(missing_part(rows, "n"), |v| v <= 0.1),
    ),
    Truth::new(
        "aggregate: { function: entropy, column: s, max: 1.5 }",
        "select coalesce(entropy(s), 0) from t",
        |rows| Expected::value(Some(bits(rows, "s")), |v| v <= 1.5),
    ),
    Truth::new("aggregate: { function: distinct, column: s, max: 4 }", "select count(distinct s) from t", |rows| {
        Expected::value(Some(frequencies(rows, &["s"]).len() as f64), |v| v <= 4.0)
    }),
    Truth::new("aggregate: { function: count, column: s, max: 4 }", "select count(s) from t", |rows| {
        Expected::value(Some(rows.values("s").len() as f64), |v| v <= 4.0)
    }),
    Truth::new(
        "aggregate: { function: null_fraction, column: s, max: 0.1 }",
        "select 1 - count(s) / nullif(count(*), 0) from t",
        |rows| Expected::value(missing_part(rows, "s"), |v| v <= 0.1),
    ),
    Truth::new(
        "aggregate: { function: entropy, column: d, max: 1.5 }",
        "select coalesce(entropy(d), 0) from t",
        |rows| Expected::value(Some(bits(rows, "d")), |v| v <= 1.5),
    ),
    Truth::new("aggregate: { function: distinct, column: d, max: 4 }", "select count(distinct d) from t", |rows| {
        Expected::value(Some(frequencies(rows, &["d"]).len() as f64), |v| v <= 4.0)
    }),
    Truth::new("aggregate: { function: count, column: d, max: 4 }", "select count(d) from t", |rows| {
        Expected::value(Some(rows.values("d").len() as f64), |v| v <= 4.0)
    }),
    Truth::new(
        "aggregate: { function: null_fraction, column: d, max: 0.1 }",
        "select 1 - count(d) / nullif(count(*), 0) from t",
        |rows| Expected::value(missing_part(rows, "d"), |v| v <= 0.1),
    ),
    Truth::new(
        "aggregate: { function: entropy, column: t, max: 1.5 }",
        "select coalesce(entropy(t), 0) from t",
        |rows| Expected::value(Some(bits(rows, "t")), |v| v <= 1.5),
    ),
    Truth::new("aggregate: { function: distinct, column: t, max: 4 }", "select count(distinct t) from t", |rows| {
        Expected::value(Some(frequencies(rows, &["t"]).len() as f64), |v| v <= 4.0)
    }),
    Truth::new("aggregate: { function: count, column: t, max: 4 }", "select count(t) from t", |rows| {
        Expected::value(Some(rows.values("t").len() as f64), |v| v <= 4.0)
    }),
    Truth::new(
        "aggregate: { function: null_fraction, column: t, max: 0.1 }",
        "select 1 - count(t) / nullif(count(*), 0) from t",
        |rows| Expected::value(missing_part(rows, "t"), |v| v <= 0.1),
    ),
    Truth::new(
        "aggregate: { function: entropy, column: z, max: 1.5 }",
        "select coalesce(entropy(z), 0) from t",
        |rows| Expected::value(Some(bits(rows, "z")), |v| v <= 1.5),
    ),
    Truth::new("aggregate: { function: distinct, column: z, max: 4 }", "select count(distinct z) from t", |rows| {
        Expected::value(Some(frequencies(rows, &["z"]).len() as f64), |v| v <= 4.0)
    }),
    Truth::new("aggregate: { function: count, column: z, max: 4 }", "select count(z) from t", |rows| {
        Expected::value(Some(rows.values("z").len() as f64), |v| v <= 4.0)
    }),
    Truth::new(
        "aggregate: { function: null_fraction, column: z, max: 0.1 }",
        "select 1 - count(z) / nullif(count(*), 0) from t",
        |rows| Expected::value(missing_part(rows, "z"), |v| v <= 0.1),
    ),
    Truth::new(
        "aggregate: { function: entropy, column: b, max: 1.5 }",
        "select coalesce(entropy(b), 0) from t",
        |rows| Expected::value(Some(bits(rows, "b")), |v| v <= 1.5),
    ),
    Truth::new("aggregate: { function: distinct, column: b, max: 4 }", "select count(distinct b) from t", |rows| {
        Expected::value(Some(frequencies(rows, &["b"]).len() as f64), |v| v <= 4.0)
    }),
    Truth::new("aggregate: { function: count, column: b, max: 4 }", "select count(b) from t", |rows| {
        Expected::value(Some(rows.values("b").len() as f64), |v| v <= 4.0)
    }),
    Truth::new(
        "aggregate: { function: null_fraction, column: b, max: 0.1 }",
        "select 1 - count(b) / nullif(count(*), 0) from t",
        |rows| Expected::value(missing_part(rows, "b"), |v| v <= 0.1),
    ),
    Truth::new(
        "aggregate: { function: entropy, column: x, max: 1.5 }",
        "select coalesce(entropy(x), 0) from t",
        |rows| Expected::value(Some(bits(rows, "x")), |v| v <= 1.5),
    ),
    Truth::new("aggregate: { function: distinct, column: x, max: 4 }", "select count(distinct x) from t", |rows| {
        Expected::value(Some(frequencies(rows, &["x"]).len() as f64), |v| v <= 4.0)
    }),
    Truth::new("aggregate: { function: count, column: x, max: 4 }", "select count(x) from t", |rows| {
        Expected::value(Some(rows.values("x").len() as f64), |v| v <= 4.0)
    }),
    Truth::new(
        "aggregate: { function: null_fraction, column: x, max: 0.1 }",
        "select 1 - count(x) / nullif(count(*), 0) from t",
        |rows| Expected::value(missing_part(rows, "x"), |v| v <= 0.1),
    ),
    Truth::new(
        "aggregate: { function: correlation, columns: [f, n], max: 0.1 }",
        "select case when bool_or(not isfinite(f::double) or not isfinite(n::double)) then 'nan'::double when min(f) < max(f) and min(n) < max(n) then corr(f::double, n::double) end from t where f is not null and n is not null",
        |rows| Expected::value(correlation(rows, "f", "n"), |v| v <= 0.1),
    ),
    Truth::new(
        "aggregate: { function: ratio_of_sums, columns: [f, n], max: 0.5 }",
        "select sum(f::double) / nullif(sum(n::double), 0) from t",
        |rows| {
            Expected::value(sum(rows, "f").zip(sum(rows, "n")).and_then(|(a, b)| (b != 0.0).then(|| a / b)), |v| {
                v <= 0.5
            })
        },
    ),
    Truth::new(
        "aggregate: { function: correlation, columns: [i, g], max: 0.1 }",
        "select case when bool_or(not isfinite(i::double) or not isfinite(g::double)) then 'nan'::double when min(i) < max(i) and min(g) < max(g) then corr(i::double, g::double) end from t where i is not null and g is not null",
        |rows| Expected::value(correlation(rows, "i", "g"), |v| v <= 0.1),
    ),
    Truth::new(
        "aggregate: { function: ratio_of_sums, columns: [i, g], max: 0.5 }",
        "select sum(i::double) / nullif(sum(g::double), 0) from t",
        |rows| {
            Expected::value(sum(rows, "i").zip(sum(rows, "g")).and_then(|(a, b)| (b != 0.0).then(|| a / b)), |v| {
                v <= 0.5
            })
        },
    ),
    Truth::new(
        "aggregate: { function: correlation, columns: [u64, i8], max: 0.1 }",
        "select case when bool_or(not isfinite(u64::double) or not isfinite(i8::double)) then 'nan'::double when min(u64) < max(u64) and min(i8) < max(i8) then corr(u64::double, i8::double) end from t where u64 is not null and i8 is not null",
        |rows| Expected::value(correlation(rows, "u64", "i8"), |v| v <= 0.1),
    ),
    Truth::new(
        "aggregate: { function: ratio_of_sums, columns: [u64, i8], max: 0.5 }",
        "select sum(u64::double) / nullif(sum(i8::double), 0) from t",
        |rows| {
            Expected::value(sum(rows, "u64").zip(sum(rows, "i8")).and_then(|(a, b)| (b != 0.0).then(|| a / b)), |v| {
                v <= 0.5
            })
        },
    ),
    Truth::new(
        "aggregate: { function: mutual_information, columns: [n, d], max: 0.5 }",
        "with v as (select n a, d b from t where n is not null and d is not null) select coalesce(entropy(a) + entropy(b) - entropy((a, b)), 0) from v",
        |rows| Expected::value(Some(information(rows, "n", "d")), |v| v <= 0.5),
    ),
    Truth::new(
        "aggregate: { function: mutual_information, columns: [t, x], max: 0.5 }",
        "with v as (select t a, x b from t where t is not null and x is not null) select coalesce(entropy(a) + entropy(b) - entropy((a, b)), 0) from v",
        |rows| Expected::value(Some(information(rows, "t", "x")), |v| v <= 0.5),
    ),
    Truth::new(
        "aggregate: { function: mutual_information, columns: [f, b], max: 0.5 }",
        "with v as (select case when f = 0 then 0 else f end a, b b from t where f is not null and b is not null) select coalesce(entropy(a) + entropy(b) - entropy((a, b)), 0) from v",
        |rows| Expected::value(Some(information(rows, "f", "b")), |v| v <= 0.5),
    ),
    Truth::new(
        "aggregate: { function: mutual_information, columns: [s, i8], max: 0.5 }",
        "with v as (select s a, i8 b from t where s is not null and i8 is not null) select coalesce(entropy(a) + entropy(b) - entropy((a, b)), 0) from v",
        |rows| Expected::value(Some(information(rows, "s", "i8")), |v| v <= 0.5),
    ),
    Truth::new(
        "aggregate: { function: mutual_information, columns: [z, k], max: 0.5 }",
        "with v as (select z a, k b from t where z is not null and k is not null) select coalesce(entropy(a) + entropy(b) - entropy((a, b)), 0) from v",
        |rows| Expected::value(Some(information(rows, "z", "k")), |v| v <= 0.5),
    ),
];

/// The lowest and the highest that an estimate may be; nothing where there is no value.
type Between = fn(&Rows, &str) -> Option<(f64, f64)>;

/// HyperLogLog with 2^14 registers errs by 0.8 % as a rule; one beside three in a hundred are allowed.
#[expect(clippy::unnecessary_wraps, reason = "as every `Between`")]
fn about_distinct(rows: &Rows, column: &str) -> Option<(f64, f64)> {
    let exact = frequencies(rows, &[column]).len() as f64;
    Some(if exact == 0.0 { (0.0, 0.0) } else { (exact * 0.97 - 1.0, exact * 1.03 + 1.0) })
}

/// A t-digest errs in the rank: by one, and two in a hundred, are allowed.
fn about_quantile(values: &[f64], q: f64) -> Option<(f64, f64)> {
    let last = values.len().checked_sub(1)? as f64;
    let slack = 1.0 + 0.02 * values.len() as f64;
    let at = |place: f64| values[place.clamp(0.0, last) as usize];
    let (low, high) = (at((q * last - slack).floor()), at((q * last + slack).ceil()));
    Some((low - 1e-9 * low.abs(), high + 1e-9 * high.abs()))
}

fn about_median(rows: &Rows, column: &str) -> Option<(f64, f64)> {
    about_quantile(&sorted(rows, column), 0.5)
}

fn about_tenth(rows: &Rows, column: &str) -> Option<(f64, f64)> {
    about_quantile(&sorted(rows, column), 0.1)
}

fn about_iqr(rows: &Rows, column: &str) -> Option<(f64, f64)> {
    let values = sorted(rows, column);
    let (low, high) = (about_quantile(&values, 0.25)?, about_quantile(&values, 0.75)?);
    Some((high.0 - low.1, high.1 - low.0))
}

/// Estimates, by the function as it is written and the columns that it is tried on.
const ESTIMATES: &[(&str, &[&str], Between)] = &[
    ("function: distinct", &["i", "u64", "f", "g", "n", "s", "sd", "d", "t", "z", "b", "x", "k"], about_distinct),
    ("function: median", &["i", "i8", "u64", "f", "n"], about_median),
    ("function: quantile, q: 0.1", &["i", "i8", "u64", "f", "n"], about_tenth),
    ("function: iqr", &["i", "i8", "u64", "f", "n"], about_iqr),
];

pub(super) const AGGREGATES: &[Truth] = &[
    Truth::new(
        "aggregate: { function: min, column: i, min: -5 }",
        "select coalesce(min(i) >= -5, false) from t",
        |rows| whole(sorted(rows, "i").first().copied(), |v| v >= -5.0),
    ),
    Truth::new(
        "aggregate: { function: max, column: f, below: 100 }",
        "select coalesce(max(f) < 100, false) from t",
        |rows| whole(sorted(rows, "f").last().copied(), |v| v < 100.0),
    ),
    Truth::new(
        "aggregate: { function: min, column: f, min: -3 }",
        "select coalesce(min(f) >= -3 and not isnan(min(f)), false) from t",
        |rows| whole(sorted(rows, "f").first().copied(), |v| v >= -3.0),
    ),
    Truth::new(
        "aggregate: { function: max, column: d, max: 2020-01-06 }",
        "select coalesce(max(d) <= date '2020-01-06', false) from t",
        |rows| {
            Expected::whole(
                rows.values("d").iter().filter_map(|c| c.micros()).max().is_some_and(|m| m <= 18_267 * 86_400_000_000),
            )
        },
    ),
    Truth::new(
        "aggregate: { function: max, column: z, below: 2020-01-06, allow_empty: true }",
        "select coalesce(max(z) < timestamptz '2020-01-06 00:00:00+00', true) from t",
        |rows| Expected::whole(rows.values("z").iter().filter_map(|c| c.micros()).all(|m| m < 18_267 * 86_400_000_000)),
    ),
    Truth::new(
        "aggregate: { function: mean, column: i, min: -0.3, max: 1e18 }",
        "select coalesce(avg(i) between -0.3 and 1e18, false) from t",
        |rows| whole(mean(&rows.numbers("i")), |v| (-0.3..=1e18).contains(&v)),
    ),
    Truth::new(
        "aggregate: { function: mean, column: f, min: -100, max: 100 }",
        "select coalesce(avg(f) between -100 and 100, false) from t",
        |rows| whole(mean(&rows.numbers("f")), |v| (-100.0..=100.0).contains(&v)),
    ),
    Truth::new(
        "aggregate: { function: mean, column: n, above: 0 }",
        "select coalesce(avg(n) > 0, false) from t",
        |rows| whole(mean(&rows.numbers("n")), |v| v > 0.0),
    ),
    Truth::new(
        "aggregate: { function: sum, column: i, above: 0 }",
        "select coalesce(sum(i::hugeint) > 0, false) from t",
        |rows| Expected::whole(rows.values("i").iter().filter_map(|c| c.int()).sum::<i128>() > 0),
    ),
    Truth::new(
        "aggregate: { function: sum, column: i, equal: 9223372036854775806 }",
        "select coalesce(sum(i::hugeint) = 9223372036854775806, false) from t",
        |rows| {
            Expected::whole(rows.values("i").iter().filter_map(|c| c.int()).sum::<i128>() == i128::from(i64::MAX) - 1)
        },
    ),
    Truth::new(
        "aggregate: { function: sum, column: u64, max: 60 }",
        "select coalesce(sum(u64::hugeint) <= 60, false) from t",
        |rows| {
            let values = rows.values("u64");
            Expected::whole(!values.is_empty() && values.iter().filter_map(|c| c.int()).sum::<i128>() <= 60)
        },
    ),
    Truth::new(
        "aggregate: { function: sum, column: i8, min: 0 }",
        "select coalesce(sum(i8) >= 0, false) from t",
        |rows| {
            let values = rows.numbers("i8");
            Expected::whole(!values.is_empty() && values.iter().sum::<f64>() >= 0.0)
        },
    ),
    Truth::new(
        "aggregate: { function: sum, column: i32, min: 0 }",
        "select coalesce(sum(i32) >= 0, false) from t",
        |rows| {
            let values = rows.numbers("i32");
            Expected::whole(!values.is_empty() && values.iter().sum::<f64>() >= 0.0)
        },
    ),
    Truth::new(
        "aggregate: { function: sum, column: n, equal: 0.25, abs_tolerance: 3 }",
        "select coalesce(abs(sum(n) - 0.25) <= 3, false) from t",
        |rows| {
            let cents =
                rows.values("n").iter().map(|c| if let Cell::Decimal(v) = c { *v } else { 0 }).collect::<Vec<_>>();
            Expected::whole(!cents.is_empty() && (cents.iter().sum::<i128>() - 25).abs() <= 300)
        },
    ),
    Truth::new(
        "aggregate: { function: mean, expression: CAST(i AS DOUBLE) - j, max: 0 }",
        "select coalesce(avg(i::double - j) <= 0, false) from t",
        |rows| {
            let values: Vec<f64> = pairs(rows, "i", "j").iter().map(|(a, b)| a - b).collect();
            whole(mean(&values), |v| v <= 0.0)
        },
    ),
    Truth::new(
        "aggregate: { function: median, column: i, min: 0 }",
        "select coalesce(median(i::double) >= 0, false) from t",
        |rows| whole(quantile(&sorted(rows, "i"), 0.5), |v| v >= 0.0),
    ),
    Truth::new(
        "aggregate: { function: median, column: f, above: 0.25 }",
        "select coalesce(median(f) > 0.25 and not isnan(median(f)), false) from t",
        |rows| whole(quantile(&sorted(rows, "f"), 0.5), |v| v > 0.25),
    ),
    Truth::new(
        "aggregate: { function: quantile, column: i, q: 0.9, below: 4 }",
        "select coalesce(quantile_cont(i::double, 0.9) < 4, false) from t",
        |rows| whole(quantile(&sorted(rows, "i"), 0.9), |v| v < 4.0),
    ),
    Truth::new(
        "aggregate: { function: iqr, column: n, max: 1.5 }",
        "select coalesce(quantile_cont(n::double, 0.75) - quantile_cont(n::double, 0.25) <= 1.5, false) from t",
        |rows| {
            let values = sorted(rows, "n");
            whole(quantile(&values, 0.75).zip(quantile(&values, 0.25)).map(|(a, b)| a - b), |v| v <= 1.5)
        },
    ),
    Truth::new(
        "aggregate: { function: stdev, column: n, max: 3 }",
        "select coalesce(stddev_samp(n) <= 3, false) from t",
        |rows| whole(variance(&rows.numbers("n")).map(f64::sqrt), |v| v <= 3.0),
    ),
    Truth::new(
        "aggregate: { function: variance, column: i32, max: 11 }",
        "select coalesce(var_samp(i32) <= 11, false) from t",
        |rows| whole(variance(&rows.numbers("i32")), |v| v <= 11.0),
    ),
    Truth::new(
        "aggregate: { function: stdev_pop, column: i8, max: 2 }",
        "select coalesce(stddev_pop(i8) <= 2, false) from t",
        |rows| {
            let values = rows.numbers("i8");
            whole((!values.is_empty()).then(|| (power(&values, 2) / values.len() as f64).sqrt()), |v| v <= 2.0)
        },
    ),
    Truth::new(
        "aggregate: { function: variance_pop, column: i8, max: 2 }",
        "select coalesce(var_pop(i8) <= 2, false) from t",
        |rows| {
            let values = rows.numbers("i8");
            whole((!values.is_empty()).then(|| power(&values, 2) / values.len() as f64), |v| v <= 2.0)
        },
    ),
    Truth::new(
        "aggregate: { function: range, column: i, max: 20 }",
        "select coalesce(max(i::hugeint) - min(i::hugeint) <= 20, false) from t",
        |rows| {
            let values = sorted(rows, "i");
            whole(values.last().zip(values.first()).map(|(a, b)| a - b), |v| v <= 20.0)
        },
    ),
    Truth::new(
        "aggregate: { function: skewness, column: i8, min: 0.01 }",
        "select coalesce(skewness(i8) >= 0.01 and not isnan(skewness(i8)), false) from t",
        |rows| {
            let values = rows.numbers("i8");
            let (n, m2) = (values.len() as f64, power(&values, 2) / values.len() as f64);
            let value = (n > 2.0 && m2 > 0.0)
                .then(|| (n * (n - 1.0)).sqrt() / (n - 2.0) * power(&values, 3) / n / m2.powf(1.5));
            whole(value, |v| v >= 0.01)
        },
    ),
    Truth::new(
        "aggregate: { function: kurtosis, column: i8, max: -0.99 }",
        "select coalesce(kurtosis(i8) <= -0.99, false) from t",
        |rows| {
            let values = rows.numbers("i8");
            let (n, m2, m4) = (values.len() as f64, power(&values, 2), power(&values, 4));
            let value = (n > 3.0 && m2 > 0.0).then(|| {
                n * (n + 1.0) * (n - 1.0) / ((n - 2.0) * (n - 3.0)) * m4 / (m2 * m2)
                    - 3.0 * (n - 1.0) * (n - 1.0) / ((n - 2.0) * (n - 3.0))
            });
            whole(value, |v| v <= -0.99)
        },
    ),
    Truth::new(
        "aggregate: { function: entropy, column: f, min: 2.001 }",
        "select coalesce(entropy(f) >= 2.001, false) from t",
        |rows| Expected::whole(entropy(&frequencies(rows, &["f"])) >= 2.001),
    ),
    Truth::new(
        "aggregate: { function: zeros, column: f, max: 1 }",
        "select count(*) filter (f = 0) <= 1 from t",
        |rows| Expected::whole(rows.numbers("f").iter().filter(|v| **v == 0.0).count() <= 1),
    ),
    Truth::new(
        "aggregate: { function: zeros, column: n, max: 1 }",
        "select count(*) filter (n = 0) <= 1 from t",
        |rows| Expected::whole(rows.numbers("n").iter().filter(|v| **v == 0.0).count() <= 1),
    ),
    Truth::new(
        "aggregate: { function: distinct, column: f, min: 3, max: 12 }",
        "select count(distinct f) between 3 and 12 from t",
        |rows| Expected::whole((3..=12).contains(&frequencies(rows, &["f"]).len())),
    ),
    Truth::new(
        "aggregate: { function: distinct, column: sd, min: 5 }",
        "select count(distinct sd) >= 5 from t",
        |rows| Expected::whole(frequencies(rows, &["sd"]).len() >= 5),
    ),
    Truth::new("aggregate: { function: count, column: t, min: 10 }", "select count(t) >= 10 from t", |rows| {
        Expected::whole(rows.values("t").len() >= 10)
    }),
    Truth::new(
        "aggregate: { function: null_fraction, column: z, max: 0.2 }",
        "select coalesce(1 - count(z) / count(*) <= 0.2, false) from t",
        |rows| {
            let (n, there) = (rows.len() as f64, rows.values("z").len() as f64);
            whole((n > 0.0).then(|| (n - there) / n), |v| v <= 0.2)
        },
    ),
    Truth::new(
        "aggregate: { function: correlation, columns: [i8, n], above: 0.003 }",
        "select coalesce(corr(i8, n) > 0.003 and not isnan(corr(i8, n)), false) from t",
        |rows| {
            let pairs = pairs(rows, "i8", "n");
            let (a, b): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
            let (ma, mb) = (mean(&a).unwrap_or(0.0), mean(&b).unwrap_or(0.0));
            let both: f64 = pairs.iter().map(|(x, y)| (x - ma) * (y - mb)).sum();
            let spread = (power(&a, 2) * power(&b, 2)).sqrt();
            whole((spread > 0.0).then(|| both / spread), |v| v > 0.003)
        },
    ),
    Truth::new(
        "aggregate: { function: mutual_information, columns: [k, b], max: 0.05 }",
        "with j as (select k, b, count(*) n from t where k is not null and b is not null group by all), \
         s as (select sum(n) c from j), a as (select k, sum(n) n from j group by k), d as (select b, sum(n) n from j group by b) \
         select coalesce(sum(j.n / c * log2(j.n * c / (a.n * d.n))), 0) <= 0.05 from j join a using (k) join d using (b), s",
        |rows| {
            let both = rows.only(&["k", "b"], |c| !c[0].is_null() && !c[1].is_null());
            let of = |columns: &[&str]| entropy(&frequencies(&both, columns));
            Expected::whole(of(&["k"]) + of(&["b"]) - of(&["k", "b"]) <= 0.05)
        },
    ),
    Truth::new(
        "aggregate: { function: ratio_of_sums, columns: [i32, u64], max: 0.1 }",
        "select coalesce(sum(i32) / nullif(sum(u64::double), 0) <= 0.1, false) from t",
        |rows| {
            let (a, b) = (rows.numbers("i32"), rows.numbers("u64"));
            let (sum, by) = (a.iter().sum::<f64>(), b.iter().sum::<f64>());
            whole((!a.is_empty() && by != 0.0).then(|| sum / by), |v| v <= 0.1)
        },
    ),
    Truth::new(
        "metric: { expression: \"count(i) * 2 - count(*)\", min: 3 }",
        "select count(i) * 2 - count(*) >= 3 from t",
        |rows| Expected::whole(rows.values("i").len() * 2 >= rows.len() + 3),
    ),
    Truth::new(
        "metric: { query: \"select count(*) from (select distinct k from this) where k is not null\", equal: 2, abs_tolerance: 1 }",
        "select count(distinct k) between 1 and 3 from t",
        |rows| Expected::whole((1..=3).contains(&frequencies(rows, &["k"]).len())),
    ),
];

/// Rows whose value is on the wrong side of that of the row before, by `id`.
fn disordered(rows: &Rows, column: &str, group: bool, bad: impl Fn(f64, f64) -> bool) -> Expected {
    let mut before: BTreeMap<String, f64> = BTreeMap::new();
    let mut sorted = rows.tuples(&["id", column, "k"]);
    sorted.retain(|cells| !cells[0].is_null() && !cells[1].is_null());
    sorted.sort_by_key(|cells| cells[0].int());
    let mut violations = 0;
    for cells in sorted {
        let value = cells[1].number().unwrap();
        let previous = before.insert(if group { cells[2].key() } else { String::new() }, value);
        violations += usize::from(previous.is_some_and(|previous| bad(previous, value)));
    }
    Expected::violations(violations)
}

/// As numbers are ordered, NaN the highest and equal to itself.
fn above(a: f64, b: f64) -> bool {
    if a.is_nan() { !b.is_nan() } else { a > b }
}

/// A date, JSON documents, and texts that are neither.
const MIXED: &[&str] = &["2013-01-31", "2013", "-1.5", "2013-02-30", "x", "", "[1"];

fn orphans(rows: &Rows, columns: &[&str], there: &[&str]) -> Expected {
    let key = |cells: &[&Cell]| cells.iter().map(|cell| cell.key()).collect::<Vec<_>>();
    let keys: BTreeSet<_> = rows.other().unwrap().tuples(there).iter().map(|cells| key(cells)).collect();
    Expected::violations(rows.bad(columns, |cells| cells.iter().all(|c| !c.is_null()) && !keys.contains(&key(cells))))
}

/// Groups whose newest moment is before another; a table without groups is not fresh.
fn stale(rows: &Rows, column: &str, by: &[&str], oldest: i64) -> Expected {
    let mut newest: BTreeMap<String, Option<i64>> = BTreeMap::new();
    for (cell, keys) in rows.column(column).into_iter().zip(rows.tuples(by)) {
        let group = newest.entry(keys.iter().map(|key| key.key()).collect::<Vec<_>>().join("\0")).or_default();
        *group = (*group).max(cell.micros());
    }
    let stale = newest.values().filter(|newest| newest.is_none_or(|newest| newest < oldest)).count();
    if newest.is_empty() { Expected::violations(1).of(0) } else { Expected::violations(stale).of(newest.len()) }
}

/// A number's levels: within the outer bounds and within the inner ones. Without a value it fails.
fn levels(value: Option<f64>, outer: impl Fn(f64) -> bool, inner: impl Fn(f64) -> bool) -> Expected {
    Expected::default().levels(value.is_some_and(outer), value.is_some_and(inner))
}

/// Groups whose newest moment is before one of two: if none is before the first, those before the second warn.
fn stale_or_warned(rows: &Rows, column: &str, by: &[&str], failing: i64, warning: i64) -> Expected {
    let failed = stale(rows, column, by, failing);
    match failed.violations {
        Some(0) => {
            let warned = stale(rows, column, by, warning);
            warned.levels(true, warned.violations == Some(0))
        }
        _ => failed.levels(false, false),
    }
}

/// Bounds with narrower ones that warn.
pub(super) const LEVELS: &[Truth] = &[
    Truth::new(
        "aggregate: { function: mean, column: i, min: -2, max: 2, warn: { min: -0.5, below: 0.5 } }",
        "select case when coalesce(not (m between -2 and 2), true) then 'failed' when m >= -0.5 and m < 0.5 then 'passed' \
         else 'warned' end from (select avg(i::double) m from t)",
        |rows| levels(mean(&rows.numbers("i")), |v| (-2.0..=2.0).contains(&v), |v| (-0.5..0.5).contains(&v)),
    ),
    Truth::new(
        "aggregate: { function: max, column: f, max: 100, warn: { max: 2.5 } }",
        "select case when m <= 2.5 then 'passed' when m <= 100 then 'warned' else 'failed' end from (select max(f) m from t)",
        |rows| levels(sorted(rows, "f").last().copied(), |v| v <= 100.0, |v| v <= 2.5),
    ),
    Truth::new(
        "aggregate: { function: count, column: j, equal: 20, abs_tolerance: 20, warn: { rel_tolerance: 0.25 } }",
        "select case when abs(count(j) - 20) <= 5 then 'passed' when abs(count(j) - 20) <= 20 then 'warned' else 'failed' end \
         from t",
        |rows| {
            let off = |v: f64| (v - 20.0).abs();
            levels(Some(rows.values("j").len() as f64), |v| off(v) <= 20.0, |v| off(v) <= 5.0)
        },
    ),
    Truth::new(
        "aggregate: { function: max, column: d, max: 2020-01-06, allow_empty: true, warn: { below: 2020-01-04 } }",
        "select case when m is null or m < date '2020-01-04' then 'passed' when m <= date '2020-01-06' then 'warned' else \
         'failed' end from (select max(d) m from t)",
        |rows| {
            let newest = rows.values("d").iter().filter_map(|c| c.micros()).max().map(|m| m / 86_400_000_000);
            let within = |day: i64| newest.is_none_or(|newest| newest <= day);
            Expected::default().levels(within(18_267), within(18_264))
        },
    ),
    Truth::new(
        "aggregate: { function: min, column: k, min: x, max: z, warn: { max: x } }",
        "select case when m = 'x' then 'passed' when m between 'x' and 'z' then 'warned' else 'failed' end \
         from (select min(k) m from t)",
        |rows| {
            let least = rows.texts("k").into_iter().min();
            Expected::default().levels(least.is_some_and(|k| ("x"..="z").contains(&k)), least == Some("x"))
        },
    ),
    Truth::new(
        "aggregate: { function: median, column: n, above: -1, warn: { min: 0 } }",
        "select case when m >= 0 then 'passed' when m > -1 then 'warned' else 'failed' end from (select median(n::double) m from t)",
        |rows| levels(quantile(&sorted(rows, "n"), 0.5), |v| v > -1.0, |v| v >= 0.0),
    ),
    Truth::new(
        "metric: { expression: count(*) - count(s), max: 12, warn: { max: 2 } }",
        "select case when count(*) - count(s) <= 2 then 'passed' when count(*) - count(s) <= 12 then 'warned' else 'failed' \
         end from t",
        |rows| levels(Some((rows.len() - rows.values("s").len()) as f64), |v| v <= 12.0, |v| v <= 2.0),
    ),
    Truth::new(
        "metric: { query: \"select max(i) from this where k = 'x'\", min: -1, max: 1e18, warn: { min: 2 } }",
        "select case when m >= 2 and m <= 1e18 then 'passed' when m between -1 and 1e18 then 'warned' else 'failed' end \
         from (select max(i) m from t where k = 'x')",
        |rows| {
            let of_x = rows.only(&["k"], |c| c[0].text() == Some("x"));
            let most = sorted(&of_x, "i").last().copied();
            levels(most, |v| (-1.0..=1e18).contains(&v), |v| (2.0..=1e18).contains(&v))
        },
    ),
    Truth::new(
        "row_count: { min: 2, max: 90, warn: { min: 5, max: 30 } }",
        "select case when count(*) < 2 then 2 - count(*) when count(*) > 90 then count(*) - 90 when count(*) < 5 then \
         5 - count(*) when count(*) > 30 then count(*) - 30 else 0 end from t",
        |rows| {
            let n = rows.len();
            let off = |min: usize, max: usize| min.saturating_sub(n) + n.saturating_sub(max);
            let (outer, inner) = (off(2, 90), off(5, 30));
            Expected::violations(if outer > 0 { outer } else { inner }).levels(outer == 0, inner == 0)
        },
    ),
    Truth::new(
        "freshness: { column: t, max_age: 4d, now: 2020-01-09T00:00:00Z, warn: { max_age_hours: 36 } }",
        "select case when m >= timestamp '2020-01-07 12:00:00' then 'passed' when m >= timestamp '2020-01-05 00:00:00' then \
         'warned' else 'failed' end from (select max(t) m from t)",
        |rows| {
            let newest = rows.values("t").iter().filter_map(|c| c.micros()).max();
            let since = |micros: i64| newest.is_some_and(|newest| newest >= micros);
            let day = 86_400_000_000;
            Expected::default().levels(since(18_266 * day), since(18_268 * day + day / 2))
        },
    ),
    Truth::new(
        "freshness: { column: z, max_age: 5d, now: 2020-01-05T00:00:00Z, by: [b], warn: { max_age: 2d } }",
        "select case when count(*) = 0 then 1 when count(*) filter (m is null or m < timestamptz '2019-12-31 00:00:00+00') > 0 \
         then count(*) filter (m is null or m < timestamptz '2019-12-31 00:00:00+00') else \
         count(*) filter (m < timestamptz '2020-01-03 00:00:00+00') end from (select max(z) m from t group by b)",
        |rows| stale_or_warned(rows, "z", &["b"], 18_261 * 86_400_000_000, 18_264 * 86_400_000_000),
    ),
];

/// The lowest and the highest of a column's texts.
fn ends<'a>(rows: &'a Rows, column: &str) -> Option<(&'a str, &'a str)> {
    let texts = rows.texts(column);
    texts.iter().min().copied().zip(texts.iter().max().copied())
}

/// Texts in an order.
pub(super) const ORDERED_TEXTS: &[Truth] = &[
    Truth::new(
        "aggregate: { function: min, column: s, min: a }",
        "select coalesce(min(s) >= 'a', false) from t",
        |rows| Expected::whole(ends(rows, "s").is_some_and(|(least, _)| least >= "a")),
    ),
    Truth::new(
        "aggregate: { function: max, column: sv, below: ab, allow_empty: true }",
        "select coalesce(max(sv) < 'ab', true) from t",
        |rows| Expected::whole(ends(rows, "sv").is_none_or(|(_, most)| most < "ab")),
    ),
    Truth::new(
        "aggregate: { function: max, column: sl, max: 日本 }",
        "select coalesce(max(sl) <= '日本', false) from t",
        |rows| Expected::whole(ends(rows, "sl").is_some_and(|(_, most)| most <= "日本")),
    ),
    Truth::new(
        "aggregate: { function: min, column: sd, max: ' ' }",
        "select coalesce(min(sd) <= ' ', false) from t",
        |rows| Expected::whole(ends(rows, "sd").is_some_and(|(least, _)| least <= " ")),
    ),
    // It looks like a date, and is a text beside texts.
    Truth::new(
        "aggregate: { function: min, column: r, max: 2020-01-01 }",
        "select coalesce(min(r) <= '2020-01-01', false) from t",
        |rows| Expected::whole(ends(rows, "r").is_some_and(|(least, _)| least <= "2020-01-01")),
    ),
    Truth::new(
        "aggregate: { function: max, column: k, equal: z }",
        "select coalesce(max(k) = 'z', false) from t",
        |rows| Expected::whole(ends(rows, "k").is_some_and(|(_, most)| most == "z")),
    ),
    Truth::new(
        "aggregate: { function: max, expression: upper(k), min: Y }",
        "select coalesce(max(upper(k)) >= 'Y', false) from t",
        |rows| Expected::whole(ends(rows, "k").is_some_and(|(_, most)| most >= "y")),
    ),
    Truth::new("range: { column: s, min: A, below: b }", "select count(*) from t where s < 'A' or s >= 'b'", |rows| {
        Expected::violations(rows.texts("s").iter().filter(|text| !("A".."b").contains(*text)).count())
    }),
    Truth::new("range: { column: sd, above: É }", "select count(*) from t where sd <= 'É'", |rows| {
        Expected::violations(rows.texts("sd").iter().filter(|text| **text <= "É").count())
    }),
    Truth::new("range: { column: r, max: 2020-01-01 }", "select count(*) from t where r > '2020-01-01'", |rows| {
        Expected::violations(rows.texts("r").iter().filter(|text| **text > "2020-01-01").count())
    }),
    Truth::new(
        "range: { column: sv, min: '12', max: '9', outside: true }",
        "select count(*) from t where sv between '12' and '9'",
        |rows| Expected::violations(rows.texts("sv").iter().filter(|text| ("12"..="9").contains(*text)).count()),
    ),
    Truth::new(
        "compare: { column: sl, is: lt, value: 2020-01-01 }",
        "select count(*) from t where sl >= '2020-01-01'",
        |rows| Expected::violations(rows.texts("sl").iter().filter(|text| **text >= "2020-01-01").count()),
    ),
];

const HOUR: i64 = 3_600_000_000;

/// Rows whose time of day is not as it should be.
fn odd_times(rows: &Rows, column: &str, good: impl Fn(i64) -> bool) -> Expected {
    Expected::violations(rows.bad(&[column], |c| c[0].clock().is_some_and(|clock| !good(clock))))
}

fn odd_pairs(rows: &Rows, good: impl Fn(i64, i64) -> bool) -> Expected {
    let both = |c: &[&Cell]| c[0].clock().zip(c[1].clock());
    Expected::violations(rows.bad(&["h", "o"], |c| both(c).is_some_and(|(h, o)| !good(h, o))))
}

fn clocks(rows: &Rows, column: &str) -> BTreeSet<i64> {
    rows.values(column).iter().filter_map(|c| c.clock()).collect()
}

/// Times of day.
pub(super) const TIMES: &[Truth] = &[
    Truth::new(
        "range: { column: h, min: '06:00:00', max: '18:00:00' }",
        "select count(*) from t where h not between time '06:00:00' and time '18:00:00'",
        |rows| odd_times(rows, "h", |clock| (6 * HOUR..=18 * HOUR).contains(&clock)),
    ),
    Truth::new(
        "range: { column: o, above: '00:00:00' }",
        "select count(*) from t where o <= time '00:00:00'",
        |rows| odd_times(rows, "o", |clock| clock > 0),
    ),
    Truth::new(
        "range: { column: h, min: '01:00:00', below: '23:59:59', outside: true }",
        "select count(*) from t where h >= time '01:00:00' and h < time '23:59:59'",
        |rows| odd_times(rows, "h", |clock| !(HOUR..24 * HOUR - 1_000_000).contains(&clock)),
    ),
    Truth::new(
        "aggregate: { function: min, column: h, min: '02:00:00' }",
        "select coalesce(min(h) >= time '02:00:00', false) from t",
        |rows| Expected::whole(clocks(rows, "h").first().is_some_and(|clock| *clock >= 2 * HOUR)),
    ),
    Truth::new(
        "aggregate: { function: max, column: o, below: '23:00:00', allow_empty: true, warn: { max: '06:00:00' } }",
        "select case when m is null or m <= time '06:00:00' then 'passed' when m < time '23:00:00' then 'warned' else \
         'failed' end from (select max(o) m from t)",
        |rows| {
            let within = |limit: i64| clocks(rows, "o").last().is_none_or(|clock| *clock <= limit);
            Expected::default().levels(within(23 * HOUR - 1), within(6 * HOUR))
        },
    ),
    Truth::new(
        "aggregate: { function: max, expression: h, max: '22:00:00' }",
        "select coalesce(max(h) <= time '22:00:00', false) from t",
        |rows| Expected::whole(clocks(rows, "h").last().is_some_and(|clock| *clock <= 22 * HOUR)),
    ),
    Truth::new("aggregate: { function: distinct, column: h, max: 3 }", "select count(distinct h) from t", |rows| {
        Expected::value(Some(clocks(rows, "h").len() as f64), |v| v <= 3.0)
    }),
    Truth::new("aggregate: { function: count, column: o, min: 3 }", "select count(o) from t", |rows| {
        Expected::value(Some(rows.values("o").len() as f64), |v| v >= 3.0)
    }),
    Truth::new(
        "aggregate: { function: null_fraction, column: h, max: 0.1 }",
        "select (count(*) - count(h)) / nullif(count(*), 0) from t",
        |rows| Expected::value(missing_part(rows, "h"), |v| v <= 0.1),
    ),
    Truth::new(
        "aggregate: { function: entropy, column: h, max: 2 }",
        "select coalesce(entropy(h), 0) from t",
        |rows| Expected::value(Some(bits(rows, "h")), |v| v <= 2.0),
    ),
    Truth::new(
        "compare: { column: h, is: ge, value: '06:00:00' }",
        "select count(*) from t where h < time '06:00:00'",
        |rows| odd_times(rows, "h", |clock| clock >= 6 * HOUR),
    ),
    Truth::new(
        "compare: { column: o, is: ne, value: '02:00:00' }",
        "select count(*) from t where o = time '02:00:00'",
        |rows| odd_times(rows, "o", |clock| clock != 2 * HOUR),
    ),
    Truth::new("compare: { column: h, is: lt, other: o }", "select count(*) from t where h >= o", |rows| {
        odd_pairs(rows, |h, o| h < o)
    }),
    Truth::new("unique_within_row: [h, o]", "select count(*) from t where h = o", |rows| {
        odd_pairs(rows, |h, o| h != o)
    }),
    Truth::new("not_null: [h]", "select count(*) from t where h is null", |rows| {
        Expected::violations(rows.bad(&["h"], |c| c[0].is_null()))
    }),
    Truth::new("unique: [h]", "select count(h) - count(distinct h) from t", |rows| {
        Expected::violations(rows.values("h").len() - clocks(rows, "h").len())
    }),
    Truth::new(
        "accepted_values: { column: h, values: ['00:00:00', '02:00:00'] }",
        "select count(*) from t where h not in (time '00:00:00', time '02:00:00')",
        |rows| odd_times(rows, "h", |clock| [0, 2 * HOUR].contains(&clock)),
    ),
    Truth::new(
        "not_accepted_values: { column: o, values: ['00:00:00'] }",
        "select count(*) from t where o = time '00:00:00'",
        |rows| odd_times(rows, "o", |clock| clock != 0),
    ),
    Truth::new("not_constant: h", "select coalesce(count(distinct h) <> 1 or count(h) < 2, true) from t", |rows| {
        Expected::whole(clocks(rows, "h").len() != 1 || rows.values("h").len() < 2)
    }),
    Truth::new("at_least_one: [h]", "select (count(h) = 0)::int from t", |rows| {
        Expected::violations(usize::from(rows.values("h").is_empty())).of(1)
    }),
    Truth::new(
        "ordered: { column: h, by: [id] }",
        "select count(*) from (select h, lag(h) over (order by id) l from t where h is not null and id is not null) where h < l",
        |rows| {
            let mut sorted = rows.tuples(&["id", "h"]);
            sorted.retain(|cells| !cells[0].is_null() && !cells[1].is_null());
            sorted.sort_by_key(|cells| cells[0].int());
            Expected::violations(sorted.windows(2).filter(|two| two[1][1].clock() < two[0][1].clock()).count())
        },
    ),
    Truth::new(
        "foreign_key: { columns: [h], references: truth.other }",
        "select count(*) from t where h is not null and h not in (select h from other where h is not null)",
        |rows| orphans(rows, &["h"], &["h"]),
    ),
];

pub(super) const REST: &[Truth] = &[
    Truth::new(
        "age: { column: d, min: 1d, now: 2020-01-02T06:00:00Z }",
        "select count(*) from t where d > timestamp '2020-01-01 06:00:00'",
        |rows| {
            let newest = 18_262 * 86_400_000_000 + 6 * 3_600_000_000;
            Expected::violations(rows.bad(&["d"], |c| c[0].micros().is_some_and(|m| m > newest)))
        },
    ),
    Truth::new(
        "age: { column: z, min: 0h, max: 3d, now: 2020-01-02T00:00:00Z }",
        "select count(*) from t where z > timestamptz '2020-01-02 00:00:00+00' or z < timestamptz '2019-12-30 00:00:00+00'",
        |rows| {
            let day = 86_400_000_000;
            let good = 18_260 * day..=18_263 * day;
            Expected::violations(rows.bad(&["z"], |c| c[0].micros().is_some_and(|m| !good.contains(&m))))
        },
    ),
    Truth::new(
        "freshness: { column: t, max_age: 2d, now: 2020-01-09T00:00:00Z }",
        "select coalesce(max(t) >= timestamp '2020-01-07 00:00:00', false) from t",
        |rows| {
            let newest = rows.values("t").iter().filter_map(|c| c.micros()).max();
            Expected::whole(newest.is_some_and(|m| m >= 18_268 * 86_400_000_000))
        },
    ),
    Truth::new(
        "freshness: { column: t, max_age: 2d, now: 2020-01-05T00:00:00Z, by: [k] }",
        "select case when count(*) = 0 then 1 else count(*) filter (m is null or m < timestamp '2020-01-03 00:00:00') end \
         from (select k, max(t) m from t group by k)",
        |rows| stale(rows, "t", &["k"], 18_264 * 86_400_000_000),
    ),
    Truth::new(
        "freshness: { column: d, max_age: 30h, now: 2020-01-05T00:00:00Z, by: [f, b] }",
        "select case when count(*) = 0 then 1 else count(*) filter (m is null or m < timestamp '2020-01-03 18:00:00') end \
         from (select max(d) m from t group by case when f = 0 then 0 else f end, b)",
        |rows| stale(rows, "d", &["f", "b"], 18_264 * 86_400_000_000 + 18 * 3_600_000_000),
    ),
    // The other table is of the same columns.
    Truth::new(
        "same_schema: { with: truth.other, exact: true, ordered: true }",
        "select count(*) from (select column_name, data_type from information_schema.columns where table_name = 'other' \
         except select column_name, data_type from information_schema.columns where table_name = 't')",
        |rows| Expected::violations(0).of(rows.schema().fields().len()),
    ),
    Truth::new(
        "schema: { absent: [i, zz], columns: { t: [date, timestamp] }, count: 23, names: '[a-z0-9]+' }",
        "with c as (from information_schema.columns where table_name = 't') select count(*) filter (column_name in ('i', 'zz')) \
         + count(*) filter (column_name = 't' and data_type not in ('DATE', 'TIMESTAMP')) + (count(*) <> 23)::int \
         + count(*) filter (not regexp_full_match(column_name, '[a-z0-9]+')) from c",
        |rows| Expected::violations(1).of(rows.schema().fields().len() + 2).passed(false),
    ),
    Truth::new(
        "no_gaps: { column: i, every: 1 }",
        "select coalesce(max(i)::hugeint - min(i)::hugeint + 1 - count(distinct i), 0) from t",
        |rows| missing(steps(rows, "i", None, |c| c.int().unwrap()), None, None),
    ),
    Truth::new(
        "no_gaps: { column: i8, every: 3, within: [k] }",
        "select coalesce(sum(n), 0)::bigint from (select max(floor(i8 / 3)) - min(floor(i8 / 3)) + 1 - count(distinct floor(i8 / 3)) n from t where i8 is not null group by k)",
        |rows| missing(steps(rows, "i8", Some("k"), |c| c.int().unwrap().div_euclid(3)), None, None),
    ),
    Truth::new(
        "no_gaps: { column: d, every: day }",
        "select coalesce(max(d) - min(d) + 1 - count(distinct d), 0)::bigint from t",
        |rows| missing(steps(rows, "d", None, day), None, None),
    ),
    Truth::new(
        "no_gaps: { column: t, every: day, from: 2019-12-30, to: 2020-01-02 }",
        "select 4 - count(distinct t::date) from t where t >= '2019-12-30' and t < '2020-01-03'",
        |rows| {
            let mut groups = steps(rows, "t", None, day);
            groups.entry(String::new()).or_default();
            missing(groups, Some(18_260), Some(18_263))
        },
    ),
    Truth::new(
        "no_gaps: { column: z, every: 6 hours }",
        "select coalesce(max(s) - min(s) + 1 - count(distinct s), 0)::bigint from (select floor(epoch(z) / 21600) s from t)",
        |rows| {
            missing(steps(rows, "z", None, |c| i128::from(c.micros().unwrap().div_euclid(21_600_000_000))), None, None)
        },
    ),
    Truth::new(
        "no_gaps: { column: d, every: week }",
        "select coalesce(max(w) - min(w) + 1 - count(distinct w), 0)::bigint from (select floor((epoch(d) / 86400 + 3) / 7) w from t)",
        |rows| missing(steps(rows, "d", None, |c| (day(c) + 3).div_euclid(7)), None, None),
    ),
    Truth::new(
        "no_gaps: { column: z, every: month }",
        "select coalesce(date_diff('month', min(z::timestamp), max(z::timestamp)) + 1 - count(distinct date_trunc('month', z::timestamp)), 0)::bigint from t",
        |rows| {
            use chrono::Datelike as _;
            let month = |cell: &Cell| {
                let day = Cell::Date(i32::try_from(day(cell)).unwrap()).date().unwrap();
                i128::from(day.year() * 12 + day.month0() as i32)
            };
            missing(steps(rows, "z", None, month), None, None)
        },
    ),
    Truth::new(
        "no_gaps: { column: u64, every: 4 }",
        "select coalesce(max(u64 // 4)::hugeint - min(u64 // 4)::hugeint + 1 - count(distinct u64 // 4), 0) from t",
        |rows| missing(steps(rows, "u64", None, |c| c.int().unwrap() / 4), None, None),
    ),
    Truth::new(
        "no_gaps: { column: d, every: quarter }",
        "select coalesce(date_diff('quarter', min(d), max(d)) + 1 - count(distinct date_trunc('quarter', d)), 0)::bigint from t",
        |rows| {
            use chrono::Datelike as _;
            missing(
                steps(rows, "d", None, |c| {
                    let d = c.date().unwrap();
                    i128::from(d.year() * 4 + d.month0() as i32 / 3)
                }),
                None,
                None,
            )
        },
    ),
    Truth::new(
        "ordered: { column: i, by: [id] }",
        "select count(*) from (select i, lag(i) over (order by id) p from t where i is not null and id is not null) where i < p",
        |rows| disordered(rows, "i", false, |previous, value| previous > value),
    ),
    // Rows that share a place are in the order of their values.
    Truth::new(
        "ordered: { column: i, by: [k] }",
        "select count(*) from (select i, lag(i) over (order by k, i) p from t where i is not null and k is not null) where i < p",
        |rows| {
            let mut sorted: Vec<_> =
                rows.tuples(&["k", "i"]).iter().filter_map(|c| Some((c[0].text()?, c[1].int()?))).collect();
            sorted.sort_unstable();
            Expected::violations(sorted.windows(2).filter(|pair| pair[1].1 < pair[0].1).count())
        },
    ),
    Truth::new(
        "ordered: { column: f, by: [id], strictly: true, within: [k] }",
        "select count(*) from (select f, lag(f) over (partition by k order by id) p from t where f is not null and id is not null) where f <= p",
        |rows| disordered(rows, "f", true, |previous, value| !above(value, previous)),
    ),
    Truth::new(
        "ordered: { column: n, by: [id], descending: true, tolerance: 0.5 }",
        "select count(*) from (select n, lag(n) over (order by id) p from t where n is not null and id is not null) where n > p",
        |rows| disordered(rows, "n", false, |previous, value| previous < value),
    ),
    Truth::new(
        "multicolumn_sum: { columns: [i8, i32], equal: 1 }",
        "select count(*) from t where i8::hugeint + i32 <> 1",
        |rows| {
            Expected::violations(
                rows.bad(&["i8", "i32"], |c| c[0].int().zip(c[1].int()).is_some_and(|(a, b)| a + b != 1)),
            )
        },
    ),
    Truth::new("multicolumn_sum: { columns: [n, i8], equal: 1 }", "select count(*) from t where n + i8 <> 1", |rows| {
        Expected::violations(rows.bad(&["n", "i8"], |c| match (c[0], c[1]) {
            (Cell::Decimal(n), Cell::Int(i)) => n + i * 100 != 100,
            _ => false,
        }))
    }),
    Truth::new(
        "multicolumn_sum: { columns: [i, i8], equal_column: j }",
        "select count(*) from t where i::hugeint + i8 <> j",
        |rows| {
            Expected::violations(rows.bad(&["i", "i8", "j"], |c| {
                c[0].int().zip(c[1].int()).zip(c[2].int()).is_some_and(|((a, b), c)| a + b != c)
            }))
        },
    ),
    Truth::new(
        "multicolumn_sum: { columns: [n, i8], equal_column: n, abs_tolerance: 1.5 }",
        "select count(*) from t where abs(n + i8 - n) > 1.5",
        |rows| {
            Expected::violations(rows.bad(&["n", "i8"], |c| !c[0].is_null() && c[1].int().is_some_and(|b| b.abs() > 1)))
        },
    ),
    Truth::new(
        "multicolumn_sum: { columns: [f, i8], equal_column: g, abs_tolerance: 0.5, rel_tolerance: 0.5 }",
        "select count(*) from (select f + i8::double s, g::double g from t) where not (s = g or abs(s - g) <= 0.5 or (isfinite(g) and abs(s - g) <= 0.5 * abs(g)))",
        |rows| {
            Expected::violations(rows.bad(&["f", "i8", "g"], |c| {
                c[0].number().zip(c[1].number()).zip(c[2].number()).is_some_and(|((a, b), g)| {
                    let s = a + b;
                    let near = (s - g).abs() <= 0.5 || g.is_finite() && (s - g).abs() <= 0.5 * g.abs();
                    !(s == g || s.is_nan() && g.is_nan() || near)
                })
            }))
        },
    ),
    Truth::new(
        "foreign_key: { columns: [id], references: truth.other }",
        "select count(*) from t where id is not null and not exists (from other o where o.id = t.id)",
        |rows| orphans(rows, &["id"], &["id"]),
    ),
    Truth::new(
        "foreign_key: { columns: [i, k], references: truth.other, to: [j, k], tolerance: 0.5 }",
        "select count(*) from t where i is not null and k is not null and not exists (from other o where o.j = t.i and o.k = t.k)",
        |rows| orphans(rows, &["i", "k"], &["j", "k"]),
    ),
    Truth::new(
        "foreign_key: { columns: [s], references: truth.other, to: [sd] }",
        "select count(*) from t where s is not null and not exists (from other o where o.sd = t.s)",
        |rows| orphans(rows, &["s"], &["sd"]),
    ),
    Truth::new(
        "foreign_key: { columns: [f], references: truth.other }",
        "select count(*) from t where f is not null and not exists (from other o where o.f = t.f)",
        |rows| orphans(rows, &["f"], &["f"]),
    ),
    Truth::new(
        "foreign_key: { columns: [n], references: truth.other }",
        "select count(*) from t where n is not null and not exists (from other o where o.n = t.n)",
        |rows| orphans(rows, &["n"], &["n"]),
    ),
    Truth::new(
        "foreign_key: { columns: [d], references: truth.other }",
        "select count(*) from t where d is not null and not exists (from other o where o.d = t.d)",
        |rows| orphans(rows, &["d"], &["d"]),
    ),
    Truth::new(
        "foreign_key: { columns: [t], references: truth.other }",
        "select count(*) from t where t is not null and not exists (from other o where o.t = t.t)",
        |rows| orphans(rows, &["t"], &["t"]),
    ),
    Truth::new(
        "foreign_key: { columns: [z], references: truth.other }",
        "select count(*) from t where z is not null and not exists (from other o where o.z = t.z)",
        |rows| orphans(rows, &["z"], &["z"]),
    ),
    Truth::new(
        "foreign_key: { columns: [b], references: truth.other }",
        "select count(*) from t where b is not null and not exists (from other o where o.b = t.b)",
        |rows| orphans(rows, &["b"], &["b"]),
    ),
    Truth::new(
        "foreign_key: { columns: [x], references: truth.other }",
        "select count(*) from t where x is not null and not exists (from other o where o.x = t.x)",
        |rows| orphans(rows, &["x"], &["x"]),
    ),
    Truth::new(
        "any_of: [{ range: { column: i, min: 2 } }, \"k = 'x'\", { accepted_values: { column: b, values: [false] } }]",
        "select count(*) from t where i < 2 and k <> 'x' and b",
        |rows| {
            Expected::violations(rows.bad(&["i", "k", "b"], |c| {
                c[0].int().is_some_and(|i| i < 2) && c[1].text().is_some_and(|k| k != "x") && c[2].bool() == Some(true)
            }))
        },
    ),
    Truth::new(
        "any_of: [{ date_format: { column: s, format: '%Y-%m-%d' } }, { not_null: k }, i > 0]",
        "select count(*) from t where s is not null and try_cast(s as date) is null and k is null and i <= 0",
        |rows| {
            Expected::violations(rows.bad(&["s", "k", "i"], |c| {
                c[0].text().is_some_and(|s| s != "2013-01-31") && c[1].is_null() && c[2].int().is_some_and(|i| i <= 0)
            }))
        },
    )
    .texts(MIXED),
    Truth::new(
        "all_of: [{ any_of: [{ date_format: sd }, b -- or so\n] }, { any_of: [{ json: sv }, k <> 'z'] }, i <= j]",
        "select count(*) from t where (s is not null and try_cast(s as date) is null and not b) or (not json_valid(s) and k = 'z') or i > j",
        |rows| {
            Expected::violations(rows.bad(&["s", "b", "k", "i", "j"], |c| {
                let is_json = |s: &str| ["2013", "-1.5", "-999", "12", "null"].contains(&s);
                let s = c[0].text();
                (s.is_some_and(|s| s != "2013-01-31") && c[1].bool() == Some(false))
                    || (s.is_some_and(|s| !is_json(s)) && c[2].text() == Some("z"))
                    || c[3].int().zip(c[4].int()).is_some_and(|(i, j)| i > j)
            }))
        },
    )
    .texts(MIXED),
    Truth::new(
        "all_of: [{ row_count: { min: 3, max: 50 } }, { aggregate: { function: max, column: i32, max: 5, allow_empty: true } }]",
        "select count(*) between 3 and 50 and coalesce(max(i32) <= 5, true) from t",
        |rows| {
            let most = rows.values("i32").into_iter().filter_map(Cell::int).max();
            Expected::whole((3..=50).contains(&rows.len()) && most.is_none_or(|most| most <= 5))
        },
    ),
    Truth::new(
        "any_of: [{ row_count: { min: 50 } }, { metric: { expression: sum(i32), min: 0 } }, { aggregate: { function: count, column: s, equal: 1 } }]",
        "select count(*) >= 50 or coalesce(sum(i32) >= 0, false) or count(s) = 1 from t",
        |rows| {
            let numbers: Vec<_> = rows.values("i32").into_iter().filter_map(Cell::int).collect();
            let sum = !numbers.is_empty() && numbers.iter().sum::<i128>() >= 0;
            Expected::whole(rows.len() >= 50 || sum || rows.values("s").len() == 1)
        },
    ),
    Truth::new(
        "all_of: [{ range: { column: i, min: -2 } }, \"k <> 'z'\"]",
        "select count(*) from t where i < -2 or k = 'z'",
        |rows| {
            Expected::violations(
                rows.bad(&["i", "k"], |c| c[0].int().is_some_and(|i| i < -2) || c[1].text() == Some("z")),
            )
        },
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aggregates_are_what_a_naive_reader_and_duckdb_compute() {
    agree(AGGREGATES).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_function_computes_of_each_kind_of_column_what_a_naive_reader_and_duckdb_compute() {
    // They are many, and of each two generated tables that are alike one will do.
    agree_over(FUNCTIONS, |_| {
        let alike = |rows: &Rows| rows.name.starts_with("generated") && rows.name.ends_with('1');
        tables(&[]).into_iter().filter(|rows| !alike(rows)).chain(dressed(&[])).collect()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_found_in_a_table_whose_column_is_of_another_type() {
    let of_keys = REST.iter().filter(|entry| entry.check.starts_with("foreign_key")).cloned().collect::<Vec<_>>();
    agree_over(&of_keys, |_| unlike()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bounds_within_bounds_warn_where_a_naive_reader_and_duckdb_say_so() {
    agree(LEVELS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn texts_are_in_the_order_of_a_naive_reader_and_of_duckdb() {
    agree(ORDERED_TEXTS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn times_of_day_are_to_checks_what_they_are_to_a_naive_reader_and_to_duckdb() {
    agree(TIMES).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn table_checks_find_what_a_naive_reader_and_duckdb_find() {
    agree(REST).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn estimates_err_no_further_than_is_said() {
    let registry = Registry::linked(&[]).unwrap().activate(Policy::default(), InitContext::at("/nowhere")).unwrap();
    let cases = ESTIMATES.iter().flat_map(|(of, columns, between)| columns.iter().map(move |c| (*of, *c, *between)));
    let cases: Vec<_> = cases.collect();
    let text =
        |of: &str, column: &str| format!("aggregate: {{ {of}, column: {column}, approximate: true, min: -1e30 }}");
    // An entry's text is a constant; these are few.
    let entry = |of: &str, column: &str| Truth::new(text(of, column).leak(), "", |_| Expected::default());
    let entries: Vec<Truth> = cases.iter().map(|(of, column, _)| entry(of, column)).collect();
    let (mut verified, mut wrong) = (Verified::new(), Vec::new());
    for rows in tables(&[]).into_iter().chain(dressed(&[])) {
        let results = run(&registry, &rows, &entries.iter().collect::<Vec<_>>(), &mut verified).await;
        for ((of, column, between), result) in cases.iter().zip(results) {
            // An infinity is where no estimate of a place is.
            if !of.contains("distinct") && rows.numbers(column).iter().any(|value| !value.is_finite()) {
                continue;
            }
            let result = result.unwrap_or_else(|err| panic!("{}: {err}\n{rows}", text(of, column)));
            let told = observed(result.observed.as_deref().unwrap_or_default());
            let told = told.unwrap_or_else(|err| panic!("{}: {err}, {:?}\n{rows}", text(of, column), result.error));
            let good = match (told, between(&rows, column)) {
                (None, None) => true,
                (Some(told), Some((low, high))) => (low..=high).contains(&told),
                _ => false,
            };
            if !good || (result.outcome == CheckOutcome::Passed) != told.is_some() {
                let between = between(&rows, column);
                wrong.push(format!("{} over {}: {told:?}, not in {between:?}", text(of, column), rows.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn estimates_of_many_values_err_no_further_than_is_said() {
    const MANY: usize = 40_000;
    let texts: Vec<String> = (0..MANY).map(|at| (at * 7919 % MANY).to_string()).collect();
    let rows = batch("v:int64", &texts.iter().map(String::as_str).collect::<Vec<_>>());
    let many = MANY as f64;
    for (of, exact, off) in [
        ("distinct", many, 0.03 * many),
        ("median", 0.5 * many, 0.02 * many),
        ("quantile, q: 0.1", 0.1 * many, 0.02 * many),
        ("iqr", 0.5 * many, 0.04 * many),
    ] {
        let text = format!("aggregate: {{ function: {of}, column: v, approximate: true, min: 0 }}");
        let result = judged(&text, Tolerance::default(), &rows, &rows).await;
        let told = observed(result.observed.as_deref().unwrap_or_default()).unwrap().unwrap();
        assert!((told - exact).abs() <= off, "{text}: {told}, not {exact}");
    }
}

// 29 of 100 are within 0.29, though 0.29 * 100 is less than 29 in floating point.
#[tokio::test]
async fn a_fraction_that_is_allowed_is_allowed_to_its_edge_by_every_check() {
    let table = |value: &str| batch("i:int64 f:float64 d:decimal(10,2)", &[&[value; 3].join("|")]);
    let hundred = table("100");
    for (value, violations) in [("129", 0), ("71", 0), ("130", 1), ("70", 1)] {
        let rows = table(value);
        for column in ["i", "f", "d"] {
            for check in [
                format!("aggregate: {{ function: sum, column: {column}, equal: 100, rel_tolerance: 0.29 }}"),
                format!("metric: {{ expression: sum({column}), equal: 100, rel_tolerance: 0.29 }}"),
                format!("multicolumn_sum: {{ columns: [{column}], equal: 100, rel_tolerance: 0.29 }}"),
                format!(
                    "reconcile_aggregates: {{ with: truth.other, aggregate: {{ sum: {column} }}, relative: 0.29 }}"
                ),
            ] {
                let result = judged(&check, Tolerance::default(), &rows, &hundred).await;
                assert_eq!(result.violations, violations, "{check} of {value}");
            }
        }
    }
}
