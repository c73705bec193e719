//! Distributions: statistics and p-values as scipy has them, distances as a naive reader and DuckDB have them.

use std::fmt::Write as _;
use std::process::Command;

use phlo_plugin::{InitContext, Policy, Registry};
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

fn is_far(value: f64, mean: f64, stdev: f64, max: f64) -> bool {
    (value - mean).abs() > max * stdev + 1e-9 * value.abs().max(mean.abs())
}

fn z_score(rows: &Rows, column: &str, max: f64) -> Expected {
    let stats = spread(&finite(rows, column));
    Expected::violations(rows.bad(&[column], |cells| {
        cells[0].number().is_some_and(|value| {
            !value.is_finite() || matches!(stats, (Some(mean), Some(stdev)) if is_far(value, mean, stdev, max))
        })
    }))
}

fn moving(rows: &Rows, column: &str, previous: usize, max: f64) -> Expected {
    let mut ordered: Vec<(i128, f64)> =
        rows.tuples(&["id", column]).iter().filter_map(|cells| Some((cells[0].int()?, cells[1].number()?))).collect();
    ordered.sort_by_key(|(id, _)| *id);
    let odd = ordered.iter().filter(|(_, value)| !value.is_finite()).count();
    let values: Vec<f64> = ordered.iter().map(|(_, value)| *value).filter(|value| value.is_finite()).collect();
    let far = (previous..values.len()).filter(|at| {
        let (mean, stdev) = spread(&values[at - previous..*at]);
        is_far(values[*at], mean.unwrap(), stdev.unwrap(), max)
    });
    Expected::violations(odd + far.count())
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
        |rows| {
            // Near the ends of float64 squares overflow in one way of adding or another.
            let values: Vec<f64> = rows.numbers("g");
            let (mean, stdev) = spread(&finite(rows, "g"));
            let odd = values.iter().filter(|value| !value.is_finite()).count();
            let far = values.iter().filter(|value| value.is_finite());
            let far = far.filter(|value| matches!((mean, stdev), (Some(m), Some(s)) if is_far(**value, m, s, 3.0)));
            Expected::violations(odd + far.count())
        },
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
        "mean_stdevs: { column: i, mean: 1, max: 0.2 }",
        "select case when m is null then false when s is null then m = 1 else abs(m - 1) <= 0.2 * s end from (select avg(i::double) m, stddev_samp(i::double) s from t)",
        |rows| match spread(&finite(rows, "i")) {
            (None, _) => Expected::whole(false),
            (Some(mean), None) => Expected::whole(mean == 1.0),
            (Some(mean), Some(stdev)) => Expected::whole((mean - 1.0).abs() <= 0.2 * stdev),
        },
    ),
    Truth::new(
        "mean_stdevs: { column: j, mean: 0, stdev: 0.5, max: 2 }",
        "select coalesce((select abs(avg(j::double)) <= 1 from t), false)",
        |rows| Expected::whole(spread(&finite(rows, "j")).0.is_some_and(|mean| mean.abs() <= 1.0)),
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
];

/// The check and, in Python, the numbers that it finds: `a` and `b` are the columns here and there without nulls, `pairs` two columns.
pub(super) const STATISTICS: &[(&str, &str, &str)] = &[
    ("ks_test: { column: f, with: truth.other }", "f", "two(a, b)"),
    ("ks_test: { column: n, with: truth.other, other_column: i, p_value: 0.3 }", "n/i", "two(a, b)"),
    ("ks_test: { column: i, distribution: { normal: { mean: 0.5, stdev: 4 } } }", "i", "one(a, 'norm', (0.5, 4))"),
    ("ks_test: { column: f, distribution: { normal: { mean: 0, stdev: 0.3 } } }", "f", "one(a, 'norm', (0, 0.3))"),
    ("ks_test: { column: n, distribution: { uniform: { min: -2, max: 3 } } }", "n", "one(a, 'uniform', (-2, 5))"),
    ("ks_test: { column: g, distribution: { exponential: { rate: 2 } } }", "g", "one(a, 'expon', (0, 0.5))"),
    ("chi_square: { column: k, expected: { x: 1, y: 2, z: 1 } }", "k", "fit(a, dict(x=1, y=2, z=1))"),
    ("chi_square: { column: sd, with: truth.other, p_value: 0.5 }", "sd", "same(a, b)"),
    ("kl_divergence: { column: k, expected: { x: 1, y: 2, z: 1 }, max: 0.1 }", "k", "kl(a, dict(x=1, y=2, z=1))"),
    ("kl_divergence: { column: s, with: truth.other, max: 0.1 }", "s", "kl(a, count(b))"),
    ("cramers_v: { columns: [k, b], max: 0.2 }", "k,b", "v(pairs)"),
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
def fit(a, weights):
    if not a: return []
    observed = count(a); keys = list(weights)
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
    let entries: Vec<Truth> =
        STATISTICS.iter().map(|(check, ..)| Truth::new(check, "", |_| Expected::default())).collect();
    let (mut questions, mut results) = (Vec::new(), Vec::new());
    let tables: Vec<_> = tables(&[]).into_iter().chain(dressed(&[])).collect();
    let mut verified = Verified::new();
    for rows in &tables {
        let other = rows.other().unwrap();
        for ((_, columns, python), result) in
            STATISTICS.iter().zip(run(&registry, rows, &entries.iter().collect::<Vec<_>>(), &mut verified).await)
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
    for (at, (result, answer)) in results.iter().zip(&answers).enumerate() {
        let rows = &tables[at / STATISTICS.len()];
        let observed = result.observed.clone().unwrap_or_default();
        let want: Vec<f64> = answer.iter().map(|value| value.as_f64().unwrap_or(f64::INFINITY)).collect();
        let got = found(&observed);
        let close = |(a, b): (&f64, &f64)| a == b || (a - b).abs() <= 2e-6 + 1e-6 * b.abs();
        if got.len() != want.len() || !got.iter().zip(&want).all(close) || result.error.is_some() {
            let check = STATISTICS[at % STATISTICS.len()].0;
            writeln!(wrong, "{check} over {}: {observed} {:?}, and scipy says {want:?}", rows.name, result.error)
                .unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn distances_are_what_a_naive_reader_and_duckdb_find() {
    agree(DISTANCES).await;
}
