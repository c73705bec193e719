//! Comparisons with the table beside.

use std::collections::{BTreeMap, BTreeSet};

use std::sync::Arc;

use arrow_array::{Int64Array, RecordBatch, StringArray};
use datafusion::datasource::MemTable;
use phlo_engine::{Check, Session, check};
use phlo_plugin::quality::CheckTarget;
use phlo_plugin::{InitContext, Policy, Registry};
use phlo_spec::{AssetKey, Node};

use super::{Cell, Expected, NAMES, Rows, Truth, agree, agree_over, register};

/// How often each row of these columns is there.
fn bag(rows: &Rows, columns: &[&str]) -> BTreeMap<String, usize> {
    let mut bag = BTreeMap::new();
    for cells in rows.tuples(columns) {
        *bag.entry(key(&cells)).or_default() += 1;
    }
    bag
}

fn key(cells: &[&Cell]) -> String {
    cells.iter().map(|cell| cell.key()).collect::<Vec<_>>().join("\0")
}

fn other(rows: &Rows) -> &Rows {
    rows.other().unwrap()
}

/// Rows by group, of both sides.
fn groups(rows: &Rows, by: &[&str]) -> BTreeMap<String, [Vec<usize>; 2]> {
    let mut groups: BTreeMap<String, [Vec<usize>; 2]> = BTreeMap::new();
    for (side, table) in [rows, other(rows)].into_iter().enumerate() {
        for (at, cells) in table.tuples(by).iter().enumerate() {
            groups.entry(key(cells)).or_default()[side].push(at);
        }
    }
    groups
}

/// Groups that one side alone has or for which a judge, who sees the cells of a column on each side, says no.
fn unlike(rows: &Rows, by: &[&str], column: &str, same: impl Fn(&[&Cell], &[&Cell]) -> bool) -> Expected {
    let groups = groups(rows, by);
    let (here, there) = (rows.column(column), other(rows).column(column));
    let unlike = groups.values().filter(|[a, b]| {
        let a: Vec<_> = a.iter().map(|at| here[*at]).collect();
        let b: Vec<_> = b.iter().map(|at| there[*at]).collect();
        (!by.is_empty() && (a.is_empty() || b.is_empty())) || !same(&a, &b)
    });
    Expected::violations(unlike.count()).of(groups.len())
}

fn sum(cells: &[&Cell]) -> Option<i128> {
    let numbers: Vec<i128> = cells.iter().filter_map(|cell| cell.int()).collect();
    (!numbers.is_empty()).then(|| numbers.iter().sum())
}

fn near(a: &[&Cell], b: &[&Cell], absolute: f64) -> bool {
    let sum = |cells: &[&Cell]| {
        let numbers: Vec<f64> = cells.iter().filter_map(|cell| cell.number()).collect();
        (!numbers.is_empty()).then(|| numbers.iter().sum::<f64>())
    };
    match (sum(a), sum(b)) {
        (None, None) => true,
        (Some(a), Some(b)) => {
            a == b
                || (a.is_nan() && b.is_nan())
                || ((a - b).is_finite() && (a - b).abs() <= absolute.max(1e-9 * b.abs()))
        }
        _ => false,
    }
}

fn missing(rows: &Rows, columns: &[&str], here: bool, there: bool) -> Expected {
    let (a, b) = (bag(rows, columns), bag(other(rows), columns));
    let all: BTreeSet<_> = a.keys().chain(b.keys()).collect();
    let bad = all.iter().filter(|k| (here && !a.contains_key(**k)) || (there && !b.contains_key(**k)));
    Expected::violations(bad.count()).of(all.len())
}

/// Keys whose rows are not the same.
fn changed(rows: &Rows, by: &[&str], columns: &[&str]) -> Expected {
    let groups = groups(rows, by);
    let texts = |rows: &Rows| rows.tuples(columns).iter().map(|cells| key(cells)).collect::<Vec<_>>();
    let (here, there) = (texts(rows), texts(other(rows)));
    let sorted = |all: &[String], at: &[usize]| {
        let mut some: Vec<_> = at.iter().map(|at| all[*at].clone()).collect();
        some.sort();
        some
    };
    let bad = groups.values().filter(|[a, b]| sorted(&here, a) != sorted(&there, b));
    Expected::violations(bad.count()).of(groups.len())
}

/// Ranges of `id` whose rows are not the same.
fn ranges(rows: &Rows, columns: &[&str], ranges: i128) -> Expected {
    let keyed = |rows: &Rows| {
        let ids = rows.column("id").into_iter().map(Cell::int);
        ids.zip(rows.tuples(columns).iter().map(|cells| key(cells))).collect::<Vec<_>>()
    };
    let (bad, all) = differing(&keyed(rows), &keyed(other(rows)), ranges);
    Expected::violations(bad).passed(bad == 0).of(all)
}

/// How many ranges of keys differ, and how many hold rows: each row is its key and the text of the rest. A value that another key of the
/// range has there is another row.
fn differing(here: &[(Option<i128>, String)], there: &[(Option<i128>, String)], ranges: i128) -> (usize, usize) {
    let all: Vec<i128> = here.iter().chain(there).filter_map(|(id, _)| *id).collect();
    let (low, high) = (all.iter().min().copied().unwrap_or(0), all.iter().max().copied().unwrap_or(0));
    let range = |id: Option<i128>| match id {
        None => -1,
        Some(_) if low == high => 0,
        Some(id) => ((id - low) * ranges / (high - low)).min(ranges - 1),
    };
    let mut found: BTreeMap<i128, [Vec<_>; 2]> = BTreeMap::new();
    for (side, rows) in [here, there].into_iter().enumerate() {
        for row in rows {
            found.entry(range(row.0)).or_default()[side].push(row);
        }
    }
    found.values_mut().flatten().for_each(|rows| rows.sort());
    (found.values().filter(|[a, b]| a != b).count(), found.len())
}

pub(super) const RECONCILED: &[Truth] = &[
    Truth::new(
        "reconcile_counts: { with: truth.other, tolerance: 0.1 }",
        "select abs((select count(*) from t) - (select count(*) from other)) <= 0.1 * (select count(*) from other)",
        |rows| {
            let off = rows.len().abs_diff(other(rows).len());
            Expected::whole(off as f64 <= 0.1 * other(rows).len() as f64).of(other(rows).len())
        },
    ),
    Truth::new(
        "reconcile_counts: { with: truth.other, factor: 2, compare: at_least, absolute: 3 }",
        "select case when d <= 3 then 0 else d end from (select greatest(0, 2 * (select count(*) from other) - (select count(*) from t)) d)",
        |rows| {
            let fewer = (other(rows).len() * 2).saturating_sub(rows.len());
            Expected::violations(if fewer <= 3 { 0 } else { fewer }).of(other(rows).len() * 2)
        },
    ),
    Truth::new(
        "reconcile_counts: { with: truth.other, compare: at_most, where: \"k = 'x'\", other_where: \"k = 'x'\" }",
        "select greatest(0, (select count(*) from t where k = 'x') - (select count(*) from other where k = 'x'))",
        |rows| {
            let x = |rows: &Rows| rows.bad(&["k"], |cells| cells[0].text() == Some("x"));
            Expected::violations(x(rows).saturating_sub(x(other(rows)))).of(x(other(rows)))
        },
    ),
    Truth::new(
        "reconcile_aggregates: { with: truth.other, aggregate: { sum: i }, by: [k] }",
        "select count(*) from (select k, 1 p, sum(i::hugeint) s from t group by k) a full join (select k, 1 p, sum(i::hugeint) s from other group by k) b on a.k is not distinct from b.k where a.p is null or b.p is null or a.s is distinct from b.s",
        |rows| unlike(rows, &["k"], "i", |a, b| sum(a) == sum(b)),
    ),
    Truth::new(
        "reconcile_aggregates: { with: truth.other, aggregate: { sum: f }, by: [k], absolute: 0.37 }",
        "select count(*) from (select k, 1 p, sum(f) s from t group by k) a full join (select k, 1 p, sum(f) s from other group by k) b on a.k is not distinct from b.k \
         where a.p is null or b.p is null or (a.s is distinct from b.s and not coalesce(isfinite(a.s - b.s) and abs(a.s - b.s) <= greatest(0.37, 1e-9 * abs(b.s)), false))",
        |rows| unlike(rows, &["k"], "f", |a, b| near(a, b, 0.37)),
    ),
    Truth::new(
        "reconcile_aggregates: { with: truth.other, aggregate: { sum: n }, by: [b] }",
        "select count(*) from (select b, 1 p, sum(n) s from t group by b) a full join (select b, 1 p, sum(n) s from other group by b) b on a.b is not distinct from b.b where a.p is null or b.p is null or a.s is distinct from b.s",
        |rows| {
            let cents = |cells: &[&Cell]| {
                let cents: Vec<i128> =
                    cells.iter().filter_map(|c| if let Cell::Decimal(v) = c { Some(*v) } else { None }).collect();
                (!cents.is_empty()).then(|| cents.iter().sum::<i128>())
            };
            unlike(rows, &["b"], "n", |a, b| cents(a) == cents(b))
        },
    ),
    Truth::new(
        "reconcile_aggregates: { with: truth.other, aggregate: { count_distinct: x }, by: [k] }",
        "select count(*) from (select k, 1 p, count(distinct x) s from t group by k) a full join (select k, 1 p, count(distinct x) s from other group by k) b on a.k is not distinct from b.k where a.p is null or b.p is null or a.s is distinct from b.s",
        |rows| {
            let kinds =
                |cells: &[&Cell]| cells.iter().filter(|c| !c.is_null()).map(|c| c.key()).collect::<BTreeSet<_>>().len();
            unlike(rows, &["k"], "x", |a, b| kinds(a) == kinds(b))
        },
    ),
    Truth::new(
        "reconcile_aggregates: { with: truth.other, aggregate: { min: i8 }, by: [d] }",
        "select count(*) from (select d, 1 p, min(i8) s from t group by d) a full join (select d, 1 p, min(i8) s from other group by d) b on a.d is not distinct from b.d where a.p is null or b.p is null or a.s is distinct from b.s",
        |rows| {
            let least = |cells: &[&Cell]| cells.iter().filter_map(|c| c.int()).min();
            unlike(rows, &["d"], "i8", |a, b| least(a) == least(b))
        },
    ),
    Truth::new(
        "reconcile_aggregates: { with: truth.other, aggregate: { mean: g }, by: [k], absolute: 0.1 }",
        "select count(*) from (select k, 1 p, avg(g::double) s from t group by k) a full join (select k, 1 p, avg(g::double) s from other group by k) b on a.k is not distinct from b.k \
         where a.p is null or b.p is null or (a.s is distinct from b.s and not coalesce(isfinite(a.s - b.s) and abs(a.s - b.s) <= greatest(0.1, 1e-9 * abs(b.s)), false))",
        |rows| {
            unlike(rows, &["k"], "g", |a, b| {
                let mean = |cells: &[&Cell]| {
                    let numbers: Vec<f64> = cells.iter().filter_map(|cell| cell.number()).collect();
                    (!numbers.is_empty()).then(|| Cell::Float(numbers.iter().sum::<f64>() / numbers.len() as f64))
                };
                match (mean(a), mean(b)) {
                    (None, None) => true,
                    (Some(a), Some(b)) => near(&[&a], &[&b], 0.1),
                    _ => false,
                }
            })
        },
    ),
    Truth::new(
        "reconcile_aggregates: { with: truth.other, aggregate: { max: d } }",
        "select (select max(d) from t) is not distinct from (select max(d) from other)",
        |rows| {
            let most = |rows: &Rows| rows.values("d").iter().filter_map(|cell| cell.micros()).max();
            Expected::violations(usize::from(most(rows) != most(other(rows)))).of(1)
        },
    ),
    Truth::new(
        "reconcile_multi: { with: truth.other, by: [b, k], aggregates: { rows: \"count(*)\", kinds: { count_distinct: s }, top: { max: z } } }",
        "select count(*) from (select b, k, count(*) n, count(distinct s) s, max(z) z from t group by b, k) x full join (select b, k, count(*) n, count(distinct s) s, max(z) z from other group by b, k) y on x.b is not distinct from y.b and x.k is not distinct from y.k where x.n is distinct from y.n or x.s is distinct from y.s or x.z is distinct from y.z",
        |rows| {
            let groups = groups(rows, &["b", "k"]);
            let of = |rows: &Rows, at: &[usize]| {
                let (s, z) = (rows.column("s"), rows.column("z"));
                let kinds: BTreeSet<_> = at.iter().filter_map(|at| s[*at].text()).collect();
                (at.len(), kinds.len(), at.iter().filter_map(|at| z[*at].micros()).max())
            };
            let bad = groups.values().filter(|[a, b]| of(rows, a) != of(other(rows), b));
            Expected::violations(bad.count()).of(groups.len())
        },
    ),
    Truth::new(
        "reconcile_keys: { with: truth.other, key: [id] }",
        "select count(*) from (select distinct id, 1 p from t) a full join (select distinct id, 1 p from other) b on a.id is not distinct from b.id where a.p is null or b.p is null",
        |rows| missing(rows, &["id"], true, true),
    ),
    Truth::new(
        "reconcile_keys: { with: truth.other, key: [f, sd], missing: here }",
        "select count(*) from (select distinct f, sd, 1 p from t) a right join (select distinct f, sd, 1 p from other) b on a.f is not distinct from b.f and a.sd is not distinct from b.sd where a.p is null",
        |rows| missing(rows, &["f", "sd"], true, false),
    ),
    Truth::new(
        "reconcile_keys: { with: truth.other, key: [s], other_names: { s: sv }, missing: there }",
        "select count(*) from (select distinct s, 1 p from t) a left join (select distinct sv, 1 p from other) b on a.s is not distinct from b.sv where b.p is null",
        |rows| {
            let (a, b) = (bag(rows, &["s"]), bag(other(rows), &["sv"]));
            let all: BTreeSet<_> = a.keys().chain(b.keys()).collect();
            Expected::violations(a.keys().filter(|k| !b.contains_key(*k)).count()).of(all.len())
        },
    ),
    Truth::new(
        "reconcile_keys: { with: truth.other, key: [i] }",
        "select count(*) from (select distinct i, 1 p from t) a full join (select distinct i, 1 p from other) b on a.i is not distinct from b.i where a.p is null or b.p is null",
        |rows| missing(rows, &["i"], true, true),
    ),
    Truth::new(
        "reconcile_keys: { with: truth.other, key: [g] }",
        "select count(*) from (select distinct g, 1 p from t) a full join (select distinct g, 1 p from other) b on a.g is not distinct from b.g where a.p is null or b.p is null",
        |rows| missing(rows, &["g"], true, true),
    ),
    Truth::new(
        "reconcile_keys: { with: truth.other, key: [n] }",
        "select count(*) from (select distinct n, 1 p from t) a full join (select distinct n, 1 p from other) b on a.n is not distinct from b.n where a.p is null or b.p is null",
        |rows| missing(rows, &["n"], true, true),
    ),
    Truth::new(
        "reconcile_keys: { with: truth.other, key: [d] }",
        "select count(*) from (select distinct d, 1 p from t) a full join (select distinct d, 1 p from other) b on a.d is not distinct from b.d where a.p is null or b.p is null",
        |rows| missing(rows, &["d"], true, true),
    ),
    Truth::new(
        "reconcile_keys: { with: truth.other, key: [t] }",
        "select count(*) from (select distinct t, 1 p from t) a full join (select distinct t, 1 p from other) b on a.t is not distinct from b.t where a.p is null or b.p is null",
        |rows| missing(rows, &["t"], true, true),
    ),
    Truth::new(
        "reconcile_keys: { with: truth.other, key: [z] }",
        "select count(*) from (select distinct z, 1 p from t) a full join (select distinct z, 1 p from other) b on a.z is not distinct from b.z where a.p is null or b.p is null",
        |rows| missing(rows, &["z"], true, true),
    ),
    Truth::new(
        "reconcile_keys: { with: truth.other, key: [x] }",
        "select count(*) from (select distinct x, 1 p from t) a full join (select distinct x, 1 p from other) b on a.x is not distinct from b.x where a.p is null or b.p is null",
        |rows| missing(rows, &["x"], true, true),
    ),
    Truth::new(
        "reconcile_checksum: truth.other",
        "select (select count(*) from (select * from t except all select * from other)) = 0 and (select count(*) from (select * from other except all select * from t)) = 0",
        |rows| Expected::whole(bag(rows, &NAMES) == bag(other(rows), &NAMES)),
    ),
    Truth::new(
        "reconcile_checksum: { with: truth.other, key: [id], columns: [i, s, f, u64, n, t, b] }",
        "select count(distinct coalesce(id, id2)) + coalesce(max(case when coalesce(id, id2) is null then 1 else 0 end), 0)::bigint from (select * from \
         (select id, i, s, f, u64, n, t, b, count(*) c from t group by all) a full join \
         (select id id2, i i2, s s2, f f2, u64 u2, n n2, t t2, b b2, count(*) c2 from other group by all) b \
         on id is not distinct from id2 and i is not distinct from i2 and s is not distinct from s2 and f is not distinct from f2 and u64 is not distinct from u2 \
         and n is not distinct from n2 and t is not distinct from t2 and a.b is not distinct from b2 where c is distinct from c2)",
        |rows| changed(rows, &["id"], &["i", "s", "f", "u64", "n", "t", "b"]),
    ),
    Truth::new(
        "reconcile_checksum: { with: truth.other, key: [id], columns: [x, z, d, i8] }",
        "select count(distinct coalesce(id, id2)) + coalesce(max(case when coalesce(id, id2) is null then 1 else 0 end), 0)::bigint from (select * from \
         (select id, x, z, d, i8, count(*) c from t group by all) a full join (select id id2, x x2, z z2, d d2, i8 i82, count(*) c2 from other group by all) b \
         on id is not distinct from id2 and x is not distinct from x2 and z is not distinct from z2 and d is not distinct from d2 and i8 is not distinct from i82 \
         where c is distinct from c2)",
        |rows| changed(rows, &["id"], &["x", "z", "d", "i8"]),
    ),
    Truth::new(
        "reconcile_checksum: { with: truth.other, key: [k], columns: [s, g] }",
        "select count(distinct coalesce(k, k2)) + coalesce(max(case when coalesce(k, k2) is null then 1 else 0 end), 0)::bigint from (select * from (select k, s, g, count(*) n from t group by all) a full join (select k k2, s s2, g g2, count(*) n2 from other group by all) b on k is not distinct from k2 and s is not distinct from s2 and g is not distinct from g2 where n is distinct from n2)",
        |rows| changed(rows, &["k"], &["s", "g"]),
    ),
    Truth::new(
        "reconcile_diff: { with: truth.other, key: id, columns: [i, s], ranges: 8 }",
        "with b as (select min(id)::double l, max(id)::double h from (select id from t union all select id from other)), \
         a as (select id, i, s, 1 w from t union all select id, i, s, -1 from other), \
         c as (select case when id is null then -1 when l = h then 0 else least(floor((id - l) / (h - l) * 8), 7) end r, id, i, s, sum(w) w from a, b group by all) \
         select count(distinct r) from c where w <> 0",
        |rows| ranges(rows, &["i", "s"], 8),
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reconciliation_finds_what_a_naive_reader_and_duckdb_find() {
    agree(RECONCILED).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reconciliation_finds_the_same_where_the_other_side_is_of_other_types() {
    agree_over(RECONCILED, |_| super::unlike()).await;
}

/// A table of keys and texts.
fn keyed(rows: &[(Option<i128>, String)]) -> Arc<MemTable> {
    let ids: Int64Array = rows.iter().map(|(id, _)| id.map(|id| i64::try_from(id).unwrap())).collect();
    let texts: StringArray = rows.iter().map(|(_, text)| Some(text.as_str())).collect();
    let columns: [(&str, arrow_array::ArrayRef, bool); 2] = [("id", Arc::new(ids), true), ("s", Arc::new(texts), true)];
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]]).unwrap())
}

#[tokio::test]
async fn values_that_changed_places_are_differences_though_their_keys_share_a_range() {
    let registry = Registry::linked(&[]).unwrap().activate(Policy::default(), InitContext::at("/nowhere")).unwrap();
    let mut seed = 7_u64;
    let mut below = move |limit: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % limit
    };
    let mut moved = 0;
    for round in 0..12 {
        let count = 2 + below(60);
        let mut id = 0;
        let here: Vec<(Option<i128>, String)> = (0..count)
            .map(|_| {
                id += 1 + if below(20) == 0 { 1000 } else { below(4) as i128 };
                ((below(15) > 0).then_some(id), below(5).to_string())
            })
            .collect();
        // The same keys and the same values: two neighbours changed theirs, in every second round.
        let mut there = here.clone();
        for _ in 0..(round % 2) * (1 + below(3)) {
            let at = below(count - 1);
            let (a, b) = (there[at].1.clone(), there[at + 1].1.clone());
            (there[at].1, there[at + 1].1) = (b, a);
        }
        moved += usize::from(here != there);
        there.reverse();
        // Powers of two, which floats divide by exactly.
        for ranges in [1_i128, 4, 16, 128] {
            let (bad, all) = differing(&here, &there, ranges);
            let session = Session::new();
            register(&session, "other", keyed(&there));
            let table: Arc<dyn datafusion::catalog::TableProvider> = keyed(&here);
            let text = format!("{{ with: truth.other, key: id, columns: [s], ranges: {ranges} }}");
            let target = CheckTarget { asset: AssetKey::new("truth.rows").unwrap(), schema: Some(table.schema()) };
            let params = Node::parse(&text, "a.yaml", 1).unwrap();
            let plan = registry.quality("reconcile_diff").unwrap().check(&params, &target).unwrap();
            let checks = [Check::new(target.asset, "reconcile_diff", plan)];
            let audited = check::audit(&session, &table, &checks, check::Scope::All, None).await.unwrap();
            let result = &audited.results[0].1;
            let found = (result.violations, result.total, result.passed());
            assert_eq!(found, (bad as u64, all as u64, bad == 0), "{text}: {result:#?}\n{here:?}\n{there:?}");
        }
    }
    assert!(moved > 3, "{moved}");
}
