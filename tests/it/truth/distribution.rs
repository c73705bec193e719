//! Distributions: statistics and p-values as scipy has them, distances as a naive reader and DuckDB have them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;
use std::sync::Arc;

use arrow_array::RecordBatch;
use datafusion::catalog::{MemorySchemaProvider, SchemaProvider as _, TableProvider};
use datafusion::datasource::MemTable;
use phlo_engine::{Check, Session, check};
use phlo_plugin::quality::CheckTarget;
use phlo_plugin::{InitContext, Policy, Registry};
use phlo_spec::quality::{CheckOutcome, CheckSeverity, Tolerance};
use phlo_spec::{CheckResult, Node};
use phlo_testkit::fixture::{batch, key};
use serde_json::{Value, json};

use super::{Cell, Expected, Rows, Truth, Verified, agree, dressed, run, tables};
use crate::fixture::python;

fn finite(rows: &Rows, column: &str) -> Vec<f64> {
    rows.numbers(column).into_iter().filter(|value| value.is_finite()).collect()
}

/// Mean and standard deviation of a sample; none of it for too few.
fn spread(values: &[f64]) -> (Option<f64>, Option<f64>) {
    let n = values.len() as f64;
    if values.is_empty() {
        return (None, None);
    }
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (Some(mean), (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt()))
}

/// Of what overflowed no distance is known.
fn is_far(value: f64, mean: f64, stdev: f64, max: f64) -> bool {
    !mean.is_finite() || !stdev.is_finite() || (value - mean).abs() > max * stdev + 1e-9 * value.abs().max(mean.abs())
}

fn z_score(rows: &Rows, column: &str, max: f64) -> Expected {
    Expected::violations(far(&rows.numbers(column), max))
}

/// Values that are no numbers or infinite, and those far from the mean of the others.
fn far(values: &[f64], max: f64) -> usize {
    let finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    let stats = spread(&finite);
    let is_far = |value: &&f64| matches!(stats, (Some(mean), Some(stdev)) if is_far(**value, mean, stdev, max));
    values.len() - finite.len() + finite.iter().filter(is_far).count()
}

/// A column's numbers by groups, in the order of `id`; those of one row alone and of nulls among them.
fn grouped(rows: &Rows, column: &str, by: &[&str]) -> Vec<Vec<f64>> {
    let columns: Vec<&str> = ["id", column].into_iter().chain(by.iter().copied()).collect();
    let mut tuples = rows.tuples(&columns);
    tuples.sort_by_key(|cells| cells[0].int());
    let mut groups: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for cells in tuples {
        let key = cells[2..].iter().map(|cell| cell.key()).collect::<Vec<_>>().join("\0");
        groups.entry(key).or_default().extend(cells[1].number());
    }
    groups.into_values().collect()
}

fn moving(rows: &Rows, column: &str, previous: usize, max: f64) -> Expected {
    let mut ordered: Vec<(i128, f64)> =
        rows.tuples(&["id", column]).iter().filter_map(|cells| Some((cells[0].int()?, cells[1].number()?))).collect();
    ordered.sort_by_key(|(id, _)| *id);
    let values: Vec<f64> = ordered.iter().map(|(_, value)| *value).collect();
    Expected::violations(moved(&values, previous, max))
}

/// Values that are no numbers or infinite, and those far from the ones before; each window by itself.
fn moved(values: &[f64], previous: usize, max: f64) -> usize {
    let finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    let far = (previous..finite.len()).filter(|at| {
        let (mean, stdev) = spread(&finite[at - previous..*at]);
        is_far(finite[*at], mean.unwrap(), stdev.unwrap(), max)
    });
    values.len() - finite.len() + far.count()
}

fn mean_near(rows: &Rows, column: &str, wanted: f64, unit: Option<f64>, max: f64) -> Expected {
    let (mean, own) = spread(&finite(rows, column));
    let Some(mean) = mean.filter(|mean| mean.is_finite()) else { return Expected::whole(false) };
    let off = (mean - wanted).abs();
    let near = off <= 1e-9 * mean.abs().max(wanted.abs());
    Expected::whole(match unit.or(own) {
        Some(unit) => unit.is_finite() && (near || off <= max * unit),
        None => near,
    })
}

pub(super) const DISTANCES: &[Truth] = &[
    Truth::new(
        "z_score: { column: i, max: 1.5 }",
        "select count(*) from t, (select avg(i::double) m, stddev_samp(i::double) sd_ from t) where abs(i - m) > 1.5 * sd_ + 1e-9 * greatest(abs(i::double), abs(m))",
        |rows| z_score(rows, "i", 1.5),
    ),
    Truth::new(
        "z_score: { column: n, max: 1.2, tolerance: 0.3 }",
        "select count(*) from t, (select avg(n::double) m, stddev_samp(n::double) sd_ from t) where abs(n::double - m) > 1.2 * sd_ + 1e-9 * greatest(abs(n::double), abs(m))",
        |rows| z_score(rows, "n", 1.2),
    ),
    Truth::new(
        "z_score: { column: g }",
        "select count(*) from t, (select avg(g::double) m, stddev_samp(g::double) q from t where isfinite(g)) where not isfinite(g) or abs(g::double - m) > 3 * q + 1e-9 * greatest(abs(g::double), abs(m))",
        |rows| z_score(rows, "g", 3.0),
    ),
    // 1e300 is among them, whose square overflows.
    Truth::new(
        "z_score: { column: f, max: 1.3, tolerance: { warn: 0.05, error: 0.4 } }",
        "select count(*) from t, (select avg(f) m, stddev_samp(f) q from t where isfinite(f)) where f is not null \
         and (not isfinite(f) or not isfinite(m) or not isfinite(q) or abs(f - m) > 1.3 * q + 1e-9 * greatest(abs(f), abs(m)))",
        |rows| z_score(rows, "f", 1.3),
    ),
    Truth::new(
        "z_score: { column: i, max: 1.1, by: [k] }",
        "select count(*) from t join (select k as its, avg(i::double) m, stddev_samp(i::double) q from t group by k) on its is not distinct from k \
         where abs(i - m) > 1.1 * q + 1e-9 * greatest(abs(i::double), abs(m))",
        |rows| Expected::violations(grouped(rows, "i", &["k"]).iter().map(|values| far(values, 1.1)).sum()),
    ),
    // NaN and null are groups, and the zeros are one.
    Truth::new(
        "z_score: { column: n, max: 0.9, by: [g, b], tolerance: 0.2 }",
        "with c as (select n::double v, case when g = 0 then 0 else g end as h, b from t) \
         select count(*) from c join (select h, b, avg(v) m, stddev_samp(v) q from c group by h, b) s \
         on s.h is not distinct from c.h and s.b is not distinct from c.b where abs(v - m) > 0.9 * q + 1e-9 * greatest(abs(v), abs(m))",
        |rows| Expected::violations(grouped(rows, "n", &["g", "b"]).iter().map(|values| far(values, 0.9)).sum()),
    ),
    // A group of which nothing is finite has no mean; one with 1e300 overflows, and the others do not.
    Truth::new(
        "z_score: { column: f, max: 1, by: [sd] }",
        "select count(*) from t left join (select sd as its, avg(f) m, stddev_samp(f) q from t where isfinite(f) group by sd) on its is not distinct from sd \
         where f is not null and (not isfinite(f) or not isfinite(m) or not isfinite(q) or abs(f - m) > q + 1e-9 * greatest(abs(f), abs(m)))",
        |rows| Expected::violations(grouped(rows, "f", &["sd"]).iter().map(|values| far(values, 1.0)).sum()),
    ),
    Truth::new(
        "histogram: { column: f, bins: [{ below: 0, max: 0.2 }, { from: 0, below: 1.5, min: 0.25, max: 0.5 }, { from: 1.5, min: 0.1 }] }",
        "select case when n = 0 then 0 else (a / n > 0.2)::int + (not b / n between 0.25 and 0.5)::int + (c / n < 0.1)::int end from (select count(f) n, count(case when f < 0 then 1 end) a, count(case when f >= 0 and f < 1.5 then 1 end) b, count(case when f >= 1.5 and not isnan(f) then 1 end) c from t)",
        |rows| {
            let all = rows.values("f").len() as f64;
            let share = |within: &dyn Fn(f64) -> bool| {
                rows.numbers("f").into_iter().filter(|value| within(*value)).count() as f64 / all
            };
            let off = [
                share(&|value| value < 0.0) > 0.2,
                !(0.25..=0.5).contains(&share(&|value| (0.0..1.5).contains(&value))),
                share(&|value| value >= 1.5) < 0.1,
            ];
            let off = if all == 0.0 { 0 } else { off.into_iter().filter(|off| *off).count() };
            Expected::violations(off).of(3).passed(off == 0)
        },
    ),
    Truth::new(
        "histogram: { column: k, bins: [{ value: x, min: 0.2 }, { value: z, max: 0.3 }], where: id > 1 }",
        "select case when n = 0 then 0 else (a / n < 0.2)::int + (b / n > 0.3)::int end from (select count(k) n, count(case when k = 'x' then 1 end) a, count(case when k = 'z' then 1 end) b from t where id > 1)",
        |rows| {
            let rows = rows.only(&["id"], |cells| cells[0].int().is_some_and(|id| id > 1));
            let values = rows.values("k");
            let share = |wanted: &str| {
                values.iter().filter(|cell| cell.text() == Some(wanted)).count() as f64 / values.len() as f64
            };
            let off = usize::from(share("x") < 0.2) + usize::from(share("z") > 0.3);
            Expected::violations(off).of(2).passed(off == 0)
        },
    ),
    Truth::new(
        "histogram: { column: k, bins: [{ value: x, min: 0.2, warn: { min: 0.35 } }, { value: z, max: 0.5, warn: { max: 0.3 } }, \
         { value: y, max: 0.9 }] }",
        "select case when n = 0 then 0 when x / n < 0.2 or z / n > 0.5 or y / n > 0.9 then (x / n < 0.2)::int + (z / n > 0.5)::int + (y / n > 0.9)::int \
         else (x / n < 0.35)::int + (z / n > 0.3)::int end from (select count(k) n, count(*) filter (k = 'x') x, \
         count(*) filter (k = 'y') y, count(*) filter (k = 'z') z from t)",
        |rows| {
            let values = rows.values("k");
            let off = |bounds: [(&str, f64, f64); 3]| {
                let share = |wanted| values.iter().filter(|cell| cell.text() == Some(wanted)).count() as f64;
                let share = |wanted| share(wanted) / values.len() as f64;
                bounds.iter().filter(|(value, min, max)| share(value) < *min || share(value) > *max).count()
            };
            let [failed, warned] = match values.len() {
                0 => [0, 0],
                _ => [
                    off([("x", 0.2, 1.0), ("z", 0.0, 0.5), ("y", 0.0, 0.9)]),
                    off([("x", 0.35, 1.0), ("z", 0.0, 0.3), ("y", 0.0, 1.0)]),
                ],
            };
            Expected::violations(if failed > 0 { failed } else { warned }).of(3).levels(failed == 0, warned == 0)
        },
    ),
    Truth::new(
        "histogram: { column: f, bins: [{ value: '0', max: 0.15 }, { value: '1', max: 0.1 }] }",
        "select case when n = 0 then 0 else (a / n > 0.15)::int + (b / n > 0.1)::int end from \
         (select count(f) n, count(*) filter (f = 0) a, count(*) filter (f = 1) b from t)",
        |rows| {
            let all = rows.values("f").len() as f64;
            let share =
                |wanted: f64| rows.numbers("f").into_iter().filter(|value| *value == wanted).count() as f64 / all;
            let off = if all == 0.0 { 0 } else { usize::from(share(0.0) > 0.15) + usize::from(share(1.0) > 0.1) };
            Expected::violations(off).of(2).passed(off == 0)
        },
    ),
    Truth::new(
        "mean_stdevs: { column: i, mean: 1, max: 0.2 }",
        "select case when m is null then false when s is null then m = 1 else abs(m - 1) <= 0.2 * s end from (select avg(i::double) m, stddev_samp(i::double) s from t)",
        |rows| mean_near(rows, "i", 1.0, None, 0.2),
    ),
    Truth::new(
        "mean_stdevs: { column: f, mean: 0.25, max: 0.2 }",
        "select case when m is null or not isfinite(m) then false when q is null then abs(m - 0.25) <= 1e-9 * greatest(abs(m), 0.25) \
         else isfinite(q) and abs(m - 0.25) <= greatest(0.2 * q, 1e-9 * greatest(abs(m), 0.25)) end \
         from (select avg(f) m, stddev_samp(f) q from t where isfinite(f))",
        |rows| mean_near(rows, "f", 0.25, None, 0.2),
    ),
    Truth::new(
        "mean_stdevs: { column: g, mean: -1, stdev: 2.5, max: 1.1 }",
        "select coalesce((select abs(avg(g::double) + 1) <= 2.75 from t where isfinite(g)), false)",
        |rows| mean_near(rows, "g", -1.0, Some(2.5), 1.1),
    ),
    Truth::new(
        "mean_stdevs: { column: j, mean: 0, stdev: 0.5, max: 2 }",
        "select coalesce((select abs(avg(j::double)) <= 1 from t), false)",
        |rows| Expected::whole(spread(&finite(rows, "j")).0.is_some_and(|mean| mean.abs() <= 1.0)),
    ),
    Truth::new(
        "mean_stdevs: { column: j, mean: 0, stdev: 0.5, max: 4, warn: { max: 0.5 } }",
        "select case when abs(m) <= 0.25 then 'passed' when abs(m) <= 2 then 'warned' else 'failed' end from (select avg(j::double) m from t)",
        |rows| {
            let within = |most: f64| spread(&finite(rows, "j")).0.is_some_and(|mean| mean.abs() <= most);
            Expected::default().levels(within(2.0), within(0.25))
        },
    ),
    Truth::new(
        "moving_stdevs: { column: i32, order_by: [id], previous: 4, max: 1.7, where: id >= 2 }",
        "select count(*) from (select v, avg(v) over w m, stddev_samp(v) over w q, count(*) over w n from (select id, i32::double v from t where id >= 2 and i32 is not null) \
         window w as (order by id rows between 4 preceding and 1 preceding)) where n = 4 and abs(v - m) > 1.7 * q + 1e-9 * greatest(abs(v), abs(m))",
        |rows| {
            let rows = rows.only(&["id"], |cells| cells[0].int().is_some_and(|id| id >= 2));
            let oracle = moving(&rows, "i32", 4, 1.7);
            oracle.of(rows.len())
        },
    ),
    // Values near 0 follow the ends of int64.
    Truth::new(
        "moving_stdevs: { column: i, order_by: [id], previous: 3, max: 1.7, tolerance: { warn: 0.1, error: 0.3 } }",
        "select count(*) from (select v, avg(v) over w m, stddev_samp(v) over w q, count(*) over w n from (select id, i::double v from t where i is not null) \
         window w as (order by id rows between 3 preceding and 1 preceding)) where n = 3 and abs(v - m) > 1.7 * q + 1e-9 * greatest(abs(v), abs(m))",
        |rows| moving(rows, "i", 3, 1.7),
    ),
    Truth::new(
        "moving_stdevs: { column: f, order_by: [id], previous: 5, max: 1.3 }",
        "select (select count(*) from t where not isfinite(f)) + (select count(*) from (select v, avg(v) over w m, stddev_samp(v) over w q, count(*) over w n \
         from (select id, f v from t where isfinite(f)) window w as (order by id rows between 5 preceding and 1 preceding)) \
         where n = 5 and (not isfinite(m) or not isfinite(q) or abs(v - m) > 1.3 * q + 1e-9 * greatest(abs(v), abs(m))))",
        |rows| moving(rows, "f", 5, 1.3),
    ),
    Truth::new(
        "moving_stdevs: { column: g, order_by: [id], previous: 2 }",
        "select (select count(*) from t where not isfinite(g)) + (select count(*) from (select v, avg(v) over w m, stddev_samp(v) over w q, count(*) over w n \
         from (select id, g::double v from t where isfinite(g)) window w as (order by id rows between 2 preceding and 1 preceding)) \
         where n = 2 and abs(v - m) > 3 * q + 1e-9 * greatest(abs(v), abs(m)))",
        |rows| moving(rows, "g", 2, 3.0),
    ),
    Truth::new(
        "moving_stdevs: { column: i32, order_by: [id], previous: 2, max: 1.2, by: [k] }",
        "select count(*) from (select v, avg(v) over w m, stddev_samp(v) over w q, count(*) over w n from (select id, k, i32::double v from t where i32 is not null) \
         window w as (partition by k order by id rows between 2 preceding and 1 preceding)) where n = 2 and abs(v - m) > 1.2 * q + 1e-9 * greatest(abs(v), abs(m))",
        |rows| Expected::violations(grouped(rows, "i32", &["k"]).iter().map(|values| moved(values, 2, 1.2)).sum()),
    ),
    Truth::new(
        "moving_stdevs: { column: f, order_by: [id], previous: 3, max: 1.3, by: [b, g], tolerance: 0.1 }",
        "select (select count(*) from t where not isfinite(f)) + (select count(*) from (select v, avg(v) over w m, stddev_samp(v) over w q, count(*) over w n \
         from (select id, b, case when g = 0 then 0 else g end as h, f v from t where isfinite(f)) \
         window w as (partition by b, h order by id rows between 3 preceding and 1 preceding)) \
         where n = 3 and (not isfinite(m) or not isfinite(q) or abs(v - m) > 1.3 * q + 1e-9 * greatest(abs(v), abs(m))))",
        |rows| Expected::violations(grouped(rows, "f", &["b", "g"]).iter().map(|values| moved(values, 3, 1.3)).sum()),
    ),
];

/// The check, the columns it compares, and in Python the numbers that it finds: `a` and `b` are the columns here and there without nulls,
/// `pairs` two columns. It passes if the judge says so of scipy's numbers.
type Statistic = (&'static str, &'static str, &'static str, fn(&[f64]) -> bool);

/// Whether the p-value, which comes last, is so high; nothing to compare speaks against nothing.
fn likely(numbers: &[f64], least: f64) -> bool {
    numbers.last().is_none_or(|p| *p >= least)
}

pub(super) const STATISTICS: &[Statistic] = &[
    ("ks_test: { column: f, with: truth.other }", "f", "two(a, b)", |n| likely(n, 0.05)),
    ("ks_test: { column: n, with: truth.other, other_column: i, p_value: 0.3 }", "n/i", "two(a, b)", |n| {
        likely(n, 0.3)
    }),
    (
        "ks_test: { column: i, distribution: { normal: { mean: 0.5, stdev: 4 } } }",
        "i",
        "one(a, 'norm', (0.5, 4))",
        |n| likely(n, 0.05),
    ),
    (
        "ks_test: { column: f, distribution: { normal: { mean: 0, stdev: 0.3 } } }",
        "f",
        "one(a, 'norm', (0, 0.3))",
        |n| likely(n, 0.05),
    ),
    (
        "ks_test: { column: n, distribution: { uniform: { min: -2, max: 3 } } }",
        "n",
        "one(a, 'uniform', (-2, 5))",
        |n| likely(n, 0.05),
    ),
    ("ks_test: { column: g, distribution: { exponential: { rate: 2 } } }", "g", "one(a, 'expon', (0, 0.5))", |n| {
        likely(n, 0.05)
    }),
    ("chi_square: { column: k, expected: { x: 1, y: 2, z: 1 } }", "k", "fit(a, dict(x=1, y=2, z=1))", |n| {
        likely(n, 0.05)
    }),
    ("chi_square: { column: sd, with: truth.other, p_value: 0.5 }", "sd", "same(a, b)", |n| likely(n, 0.5)),
    (
        "kl_divergence: { column: k, expected: { x: 1, y: 2, z: 1 }, max: 0.1 }",
        "k",
        "kl(a, dict(x=1, y=2, z=1))",
        |n| n[0] <= 0.1,
    ),
    ("kl_divergence: { column: s, with: truth.other, max: 0.1 }", "s", "kl(a, count(b))", |n| n[0] <= 0.1),
    (
        "chi_square: { column: i, bins: { edges: [-2, 0, 1, 3], weights: [2, 1, 2], tail_weights: [2, 2] }, p_value: 0.01 }",
        "i",
        "fit(bins(a, [-2, 0, 1, 3]), dict(zip(range(5), [2, 2, 1, 2, 2])))",
        |n| likely(n, 0.01),
    ),
    // What is beyond the edges is not expected, nor is the bin in the middle.
    (
        "chi_square: { column: f, bins: { edges: [-1, 0, 0.1, 2.5], weights: [0.4, 0, 0.6] } }",
        "f",
        "fit(bins(a, [-1, 0, 0.1, 2.5]), dict(zip(range(5), [0, 0.4, 0, 0.6, 0])))",
        |n| likely(n, 0.05),
    ),
    (
        "chi_square: { column: n, with: truth.other, other_column: i, bins: { edges: [-1, 0, 0.5, 2] }, p_value: 0.3 }",
        "n/i",
        "same(bins(a, [-1, 0, 0.5, 2]), bins(b, [-1, 0, 0.5, 2]))",
        |n| likely(n, 0.3),
    ),
    (
        "kl_divergence: { column: g, bins: { edges: [-1, 0, 1], weights: [1, 2], tail_weights: [1, 2] }, max: 0.2 }",
        "g",
        "kl(bins(a, [-1, 0, 1]), dict(zip(range(4), [1, 1, 2, 2])))",
        |n| n[0] <= 0.2,
    ),
    (
        "kl_divergence: { column: i8, bins: { edges: [-3, 0, 3], weights: [1, 2] }, max: 0.2 }",
        "i8",
        "kl(bins(a, [-3, 0, 3]), dict(zip(range(4), [0, 1, 2, 0])))",
        |n| n[0] <= 0.2,
    ),
    (
        "kl_divergence: { column: n, with: truth.other, bins: { edges: [-1, 0, 2] }, max: 0.1 }",
        "n",
        "kl(bins(a, [-1, 0, 2]), count(bins(b, [-1, 0, 2])))",
        |n| n[0] <= 0.1,
    ),
    ("cramers_v: { columns: [k, b], max: 0.2 }", "k,b", "v(pairs)", |n| n[0] <= 0.2),
    // The one determines the other, but in a table of one value.
    ("cramers_v: { columns: [s, sl], min: 1 }", "s,sl", "v(pairs)", |n| n[0] >= 1.0 - 1e-9),
];

/// Statistics of which more is wanted lest they warn.
const WARNING: &[(Statistic, fn(&[f64]) -> bool)] = &[
    (
        (
            "ks_test: { column: n, with: truth.other, other_column: i, p_value: 0.01, warn: { p_value: 0.9 } }",
            "n/i",
            "two(a, b)",
            |n| likely(n, 0.01),
        ),
        |n| likely(n, 0.9),
    ),
    (
        (
            "chi_square: { column: k, expected: { x: 1, y: 2, z: 1 }, p_value: 0.01, warn: { p_value: 0.5 } }",
            "k",
            "fit(a, dict(x=1, y=2, z=1))",
            |n| likely(n, 0.01),
        ),
        |n| likely(n, 0.5),
    ),
    (
        (
            "kl_divergence: { column: k, expected: { x: 1, y: 2, z: 1 }, max: 0.4, warn: { max: 0.05 } }",
            "k",
            "kl(a, dict(x=1, y=2, z=1))",
            |n| n[0] <= 0.4,
        ),
        |n| n[0] <= 0.05,
    ),
    (
        ("cramers_v: { columns: [k, b], max: 0.5, warn: { min: 0.01, max: 0.2 } }", "k,b", "v(pairs)", |n| n[0] <= 0.5),
        |n| (0.01..=0.2).contains(&n[0]),
    ),
];

const SCRIPT: &str = r"
import sys, json, math, warnings
import numpy as np
from collections import Counter as count
from scipy import stats
warnings.simplefilter('ignore')
def tail(d, n): return [float(d), float(stats.kstwobign.sf(math.sqrt(n) * d))]
def numbers(a): return np.array([float(x) for x in a if not math.isnan(float(x))])
def two(a, b):
    a, b = numbers(a), numbers(b)
    if not len(a) or not len(b): return []
    return tail(stats.ks_2samp(a, b, method='asymp').statistic, len(a) * len(b) / (len(a) + len(b)))
def one(a, name, args):
    a = numbers(a)
    if not len(a): return []
    x, n = np.sort(a), len(a)
    f = getattr(stats, name).cdf(x, *args)
    return tail(max((np.arange(1, n + 1) / n - f).max(), (f - np.arange(n) / n).max()), n)
def bins(a, edges):
    a = numbers(a)
    inside, _ = np.histogram(a[(a >= edges[0]) & (a <= edges[-1])], edges)
    counts = [int((a < edges[0]).sum()), *inside.tolist(), int((a > edges[-1]).sum())]
    return [at for at, n in enumerate(counts) for _ in range(n)]
def fit(a, weights):
    if not a: return []
    observed = count(a); keys = [k for k in weights if weights[k] or observed[k]]
    if not all(weights[k] for k in keys): return ['inf', len(keys), 0.0]
    total = sum(weights.values())
    r = stats.chisquare([observed[k] for k in keys], [weights[k] / total * len(a) for k in keys])
    return [float(r.statistic), len(keys), float(r.pvalue)]
def same(a, b):
    if not a or not b: return []
    a, b = count(a), count(b); keys = list(a | b)
    r = stats.chi2_contingency([[a[k] for k in keys], [b[k] for k in keys]], correction=False)
    return [float(r.statistic), len(keys), float(r.pvalue)]
def kl(a, weights):
    if not a: return [0.0]
    a = count(a); keys = list(set(a) | set(weights))
    if not sum(weights.values()): return ['inf']
    found = float(stats.entropy([a[k] for k in keys], [weights.get(k, 0) for k in keys]))
    return ['inf'] if math.isinf(found) else [found]
def v(pairs):
    rows, columns = sorted({p[0] for p in pairs}), sorted({p[1] for p in pairs})
    if min(len(rows), len(columns)) < 2: return [0.0]
    table = [[sum(1 for p in pairs if p == [r, c]) for c in columns] for r in rows]
    return [float(stats.contingency.association(np.array(table), method='cramer'))]
answers = []
for case in json.load(open(sys.argv[1])):
    a, b, pairs = case['a'], case['b'], case['pairs']
    answers.append(eval(case['python']))
print(json.dumps(answers))
";

fn texts(rows: &Rows, column: &str) -> Vec<String> {
    let text = |cell: &&Cell| match cell {
        Cell::Text(text) => text.clone(),
        Cell::Bool(value) => value.to_string(),
        Cell::Decimal(value) => (*value as f64 / 100.0).to_string(),
        other => other.number().unwrap().to_string(),
    };
    rows.values(column).iter().map(text).collect()
}

/// A check over rows that are written down, and others as `truth.other`.
pub(super) async fn judged(text: &str, tolerance: Tolerance, rows: &RecordBatch, other: &RecordBatch) -> CheckResult {
    let registry = Registry::linked(&[]).unwrap().activate(Policy::default(), InitContext::at("/nowhere")).unwrap();
    let node = Node::parse(text, "truth.yaml", 1).unwrap();
    let (kind, params) = node.entries().unwrap().first().unwrap();
    let kind = kind.as_str().unwrap();
    let target = CheckTarget { asset: key("truth.rows"), schema: Some(rows.schema()) };
    let plan = registry.quality(kind).unwrap().check(params, &target).unwrap();
    let check = Check { tolerance, ..Check::new(target.asset, kind, plan) };
    let table = |rows: &RecordBatch| -> Arc<dyn TableProvider> {
        Arc::new(MemTable::try_new(rows.schema(), vec![vec![rows.clone()]]).unwrap())
    };
    let session = Session::new();
    let schema = MemorySchemaProvider::new();
    schema.register_table("other".to_owned(), table(other)).unwrap();
    session.catalog(&session.catalog_names()[0]).unwrap().register_schema("truth", Arc::new(schema)).unwrap();
    let audit = check::audit(&session, &table(rows), &[check], check::Scope::All, None).await.unwrap();
    let result = audit.results.into_iter().next().unwrap().1;
    assert!(result.error.is_none(), "{text}: {result:?}");
    result
}

/// Rows of an id and a float64.
fn floats(values: &[Option<f64>]) -> RecordBatch {
    let texts = values.iter().enumerate().map(|(id, value)| match value {
        Some(value) => format!("{id}|{value:?}"),
        None => format!("{id}|-"),
    });
    let texts: Vec<String> = texts.collect();
    batch("id:int64 v:float64", &texts.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The numbers of what a check observed.
fn found(observed: &str) -> Vec<f64> {
    let words = observed.split([' ', ',']).filter_map(|word| word.parse::<f64>().ok());
    words.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statistics_and_p_values_are_those_of_scipy() {
    let Some(python) = python("scipy-venv", &["scipy"], "import scipy.stats") else {
        println!("not compared with scipy: no python3, or PyPI cannot be reached");
        return;
    };
    let registry = Registry::linked(&[]).unwrap().activate(Policy::default(), InitContext::at("/nowhere")).unwrap();
    let plain = STATISTICS.iter().map(|statistic| (*statistic, None));
    let statistics: Vec<_> = plain.chain(WARNING.iter().map(|(statistic, fine)| (*statistic, Some(*fine)))).collect();
    let entries: Vec<Truth> =
        statistics.iter().map(|((check, ..), _)| Truth::new(check, "", |_| Expected::default())).collect();
    let (mut questions, mut results) = (Vec::new(), Vec::new());
    let tables: Vec<_> = tables(&[]).into_iter().chain(dressed(&[])).collect();
    let mut verified = Verified::new();
    for rows in &tables {
        let other = rows.other().unwrap();
        for (((_, columns, python, _), _), result) in
            statistics.iter().zip(run(&registry, rows, &entries.iter().collect::<Vec<_>>(), &mut verified).await)
        {
            let (here, there) = columns.split_once('/').unwrap_or((columns, columns));
            let pairs = here.split_once(',').map(|(a, b)| {
                let both = rows.tuples(&[a, b]);
                let both = both.iter().filter(|cells| !cells.iter().any(|cell| cell.is_null()));
                both.map(|cells| cells.iter().map(|cell| cell.to_string()).collect::<Vec<_>>()).collect::<Vec<_>>()
            });
            let of = |rows: &Rows, column: &str| if pairs.is_some() { Vec::new() } else { texts(rows, column) };
            questions.push(json!({
                "a": of(rows, here), "b": of(other, there), "pairs": pairs.unwrap_or_default(), "python": python,
            }));
            results.push(result.unwrap_or_else(|err| panic!("{err}\n{rows}")));
        }
    }
    let dir = tempfile::TempDir::new().unwrap();
    let file = dir.path().join("questions.json");
    std::fs::write(&file, serde_json::to_vec(&questions).unwrap()).unwrap();
    let output = Command::new(python).args(["-c", SCRIPT]).arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answers: Vec<Vec<Value>> = serde_json::from_slice(&output.stdout).unwrap();
    let mut wrong = String::new();
    let mut outcomes: BTreeMap<&str, BTreeMap<_, usize>> = BTreeMap::new();
    for (at, (result, answer)) in results.iter().zip(&answers).enumerate() {
        let rows = &tables[at / statistics.len()];
        let ((check, _, _, holds), fine) = statistics[at % statistics.len()];
        let observed = result.observed.clone().unwrap_or_default();
        let want: Vec<f64> = answer.iter().map(|value| value.as_f64().unwrap_or(f64::INFINITY)).collect();
        let got = found(&observed);
        let close = |(a, b): (&f64, &f64)| a == b || (a - b).abs() <= 2e-6 + 1e-6 * b.abs();
        let alike = got.len() == want.len() && got.iter().zip(&want).all(close);
        let should = match fine {
            _ if !holds(&want) => "failed",
            Some(fine) if !fine(&want) => "warned",
            _ => "passed",
        };
        let level = match (result.outcome, result.severity) {
            (CheckOutcome::Passed, _) => "passed",
            (_, CheckSeverity::Warn) => "warned",
            (_, CheckSeverity::Error) => "failed",
        };
        if !alike || level != should || result.error.is_some() {
            let error = &result.error;
            writeln!(wrong, "{check} over {}: {observed} {level} {error:?}, and scipy says {want:?}", rows.name)
                .unwrap();
        }
        let kind = check.split(':').next().unwrap_or_default();
        *outcomes.entry(kind).or_default().entry(should).or_default() += 1;
    }
    assert!(wrong.is_empty(), "{wrong}");
    let levels = |kind: &str| if WARNING.iter().any(|((check, ..), _)| check.starts_with(kind)) { 3 } else { 2 };
    let one_sided: Vec<_> = outcomes.iter().filter(|(kind, outcomes)| outcomes.len() < levels(kind)).collect();
    assert!(one_sided.is_empty(), "judged the same over every table: {one_sided:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_far_greater_than_the_rest_is_forgotten_once_it_is_not_among_the_values_before() {
    let mut seed = 1_u64;
    let mut near_one = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        1.0 + (seed >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mut values: Vec<Option<f64>> = (0..300).map(|_| Some(near_one())).collect();
    for (at, odd) in [(20, 1e12), (90, 1e9), (91, -1e15), (50, f64::NAN), (60, f64::INFINITY), (61, f64::NEG_INFINITY)]
    {
        values[at] = Some(odd);
    }
    values[130..260].fill(Some(1.5));
    values[200] = Some(1.500_001);
    values[70] = None;
    let rows = floats(&values);
    let numbers: Vec<f64> = values.iter().flatten().copied().collect();
    for previous in [2, 3, 7, 50, 64, 290, 296, 1000, u32::MAX] {
        for max in [0.5, 1.7, 3.0] {
            let text = format!("moving_stdevs: {{ column: v, order_by: [id], previous: {previous}, max: {max} }}");
            let result = judged(&text, Tolerance::default(), &rows, &rows).await;
            let want = moved(&numbers, previous as usize, max) as u64;
            assert_eq!(result.violations, want, "{text}");
        }
    }
}

#[tokio::test]
async fn a_mean_or_a_deviation_that_overflows_fails() {
    let huge = 1.7e308;
    for (check, values, violations) in [
        ("mean_stdevs: { column: v, mean: 1 }", vec![Some(huge); 3], 1),
        ("mean_stdevs: { column: v, mean: 1.7e308, stdev: 1e308 }", vec![Some(huge); 3], 1),
        ("mean_stdevs: { column: v, mean: 1.7e308, stdev: 1e308 }", vec![Some(huge)], 0),
        ("mean_stdevs: { column: v, mean: 1 }", vec![Some(1e200), Some(1.0), Some(-1e200)], 1),
        ("mean_stdevs: { column: v, mean: 1, stdev: 1 }", vec![Some(1e200), Some(1.0), Some(-1e200)], 0),
        ("mean_stdevs: { column: v, mean: 1 }", vec![Some(f64::INFINITY), Some(f64::NAN), None, Some(1.0)], 0),
        ("mean_stdevs: { column: v, mean: 1 }", vec![Some(f64::INFINITY), Some(f64::NAN), None], 1),
        ("z_score: { column: v }", vec![Some(huge), Some(huge), None, Some(huge)], 3),
        ("z_score: { column: v }", vec![Some(1e200), None, Some(1.0), Some(2.0)], 3),
        ("z_score: { column: v }", vec![Some(f64::INFINITY), None, Some(1.0), Some(2.0), Some(f64::NAN)], 2),
        ("z_score: { column: v }", vec![Some(1e300), None], 0),
        (
            "moving_stdevs: { column: v, order_by: [id], previous: 2 }",
            vec![Some(1e200), Some(1.0), Some(2.0), Some(3.0)],
            1,
        ),
        ("moving_stdevs: { column: v, order_by: [id], previous: 2 }", vec![Some(huge), Some(huge), Some(huge)], 1),
    ] {
        let rows = floats(&values);
        let result = judged(check, Tolerance::default(), &rows, &rows).await;
        assert_eq!(result.violations, violations, "{check} of {values:?}: {:?}", result.observed);
    }
}

#[tokio::test]
async fn so_many_far_values_warn_and_more_fail() {
    let values: Vec<_> = (0..20).map(|at| Some(if at == 11 || at == 18 { 1e6 } else { f64::from(at % 3) })).collect();
    let rows = floats(&values);
    let tolerance = |warn, error| Tolerance { warn: Some(warn), error };
    for (check, violations) in
        [("moving_stdevs: { column: v, order_by: [id], previous: 4 }", 2), ("z_score: { column: v, max: 2.5 }", 2)]
    {
        for (tolerance, outcome, severity) in [
            (tolerance(0.1, 0.2), CheckOutcome::Passed, CheckSeverity::Error),
            (tolerance(0.05, 0.1), CheckOutcome::Failed, CheckSeverity::Warn),
            (tolerance(0.01, 0.05), CheckOutcome::Failed, CheckSeverity::Error),
        ] {
            let result = judged(check, tolerance, &rows, &rows).await;
            assert_eq!(
                (result.violations, result.outcome, result.severity),
                (violations, outcome, severity),
                "{check}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn distances_are_what_a_naive_reader_and_duckdb_find() {
    agree(DISTANCES).await;
}
