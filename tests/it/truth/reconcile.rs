//! Comparisons with the table beside.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::{Int64Array, RecordBatch, StringArray};
use datafusion::datasource::MemTable;
use phlo_engine::{Check, Session, check};
use phlo_plugin::quality::CheckTarget;
use phlo_plugin::{InitContext, Policy, Registry};
use phlo_spec::{AssetKey, CheckResult, Node};

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
    groups_of([rows, other(rows)], by)
}

fn groups_of(sides: [&Rows; 2], by: &[&str]) -> BTreeMap<String, [Vec<usize>; 2]> {
    let mut groups: BTreeMap<String, [Vec<usize>; 2]> = BTreeMap::new();
    for (side, table) in sides.into_iter().enumerate() {
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

/// The groups that fail; if there is none, those that warn.
fn levels(failed: Expected, warned: Expected) -> Expected {
    let (fails, warns) = (failed.violations != Some(0), warned.violations != Some(0));
    if fails { failed.levels(false, false) } else { warned.levels(true, !warns) }
}

fn missing(rows: &Rows, columns: &[&str], here: bool, there: bool) -> Expected {
    let (a, b) = (bag(rows, columns), bag(other(rows), columns));
    let all: BTreeSet<_> = a.keys().chain(b.keys()).collect();
    let bad = all.iter().filter(|k| (here && !a.contains_key(**k)) || (there && !b.contains_key(**k)));
    Expected::violations(bad.count()).of(all.len())
}

/// Keys whose rows are not the same.
fn changed(rows: &Rows, by: &[&str], columns: &[&str]) -> Expected {
    changed_of([rows, other(rows)], by, columns)
}

fn changed_of([here, there]: [&Rows; 2], by: &[&str], columns: &[&str]) -> Expected {
    let groups = groups_of([here, there], by);
    let texts = |rows: &Rows| rows.tuples(columns).iter().map(|cells| key(cells)).collect::<Vec<_>>();
    let (here, there) = (texts(here), texts(there));
    let sorted = |all: &[String], at: &[usize]| {
        let mut some: Vec<_> = at.iter().map(|at| all[*at].clone()).collect();
        some.sort();
        some
    };
    let bad = groups.values().filter(|[a, b]| sorted(&here, a) != sorted(&there, b));
    Expected::violations(bad.count()).of(groups.len())
}

/// The rows of which the MD5 of these texts begins with less than this digit.
fn chosen(rows: &Rows, columns: &[&str], digit: &str) -> Rows {
    rows.only(columns, |cells| md5(&pieces(cells)).as_str() < digit)
}

/// What a row of texts is hashed as.
fn pieces(cells: &[&Cell]) -> String {
    let piece = |cell: &&Cell| cell.text().map_or("~".to_owned(), |text| format!("{}:{text}", text.chars().count()));
    cells.iter().map(piece).collect()
}

/// As RFC 1321 has it.
fn md5(text: &str) -> String {
    const SHIFTS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0x80);
    bytes.resize((bytes.len() + 8).next_multiple_of(64) - 8, 0);
    bytes.extend((text.len() as u64 * 8).to_le_bytes());
    let mut state = [0x6745_2301_u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    for block in bytes.chunks(64) {
        let words: Vec<u32> = block.chunks(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect();
        let [mut a, mut b, mut c, mut d] = state;
        for step in 0..64 {
            let (mixed, word) = match step / 16 {
                0 => ((b & c) | (!b & d), step),
                1 => ((d & b) | (!d & c), (5 * step + 1) % 16),
                2 => (b ^ c ^ d, (3 * step + 5) % 16),
                _ => (c ^ (b | !d), (7 * step) % 16),
            };
            let sine = (2_f64.powi(32) * ((step + 1) as f64).sin().abs()) as u32;
            let sum = a.wrapping_add(mixed).wrapping_add(sine).wrapping_add(words[word]);
            (a, d, c, b) = (d, c, b, b.wrapping_add(sum.rotate_left(SHIFTS[step / 16][step % 4])));
        }
        for (state, value) in state.iter_mut().zip([a, b, c, d]) {
            *state = state.wrapping_add(value);
        }
    }
    state.iter().flat_map(|word| word.to_le_bytes()).map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_md5_of_the_oracle_is_that_of_its_rfc() {
    for (text, hash) in [
        ("", "d41d8cd98f00b204e9800998ecf8427e"),
        ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
        (&"1234567890".repeat(8), "57edf4a22be3c955ac49da2e2107b67a"),
        (&"a".repeat(56), "3b0c8ac703f828b04c6c197006d17218"),
        (&"a".repeat(55), "ef1772b6dff9a122358552954ad0df65"),
    ] {
        assert_eq!(md5(text), hash, "{text}");
    }
}

/// Ranges of a key whose rows are not the same.
fn ranges(rows: &Rows, by: &[&str], columns: &[&str], ranges: usize) -> Expected {
    let keyed = |rows: &Rows| -> Vec<(Vec<Cell>, String)> {
        let keys = rows.tuples(by).into_iter().map(|cells| cells.into_iter().cloned().collect());
        keys.zip(rows.tuples(columns).iter().map(|cells| key(cells))).collect()
    };
    let (bad, all) = differing(&keyed(rows), &keyed(other(rows)), ranges);
    Expected::violations(bad).passed(bad == 0).of(all)
}

/// How many ranges of keys differ, and how many hold rows: each row is its key and the text of the rest. Which range a row is of is how many
/// rows there are of lesser keys. A value that another key of the range has there is another row.
fn differing(here: &[(Vec<Cell>, String)], there: &[(Vec<Cell>, String)], ranges: usize) -> (usize, usize) {
    let mut all: Vec<_> = here.iter().map(|row| (0, row)).chain(there.iter().map(|row| (1, row))).collect();
    all.sort_by(|(_, (a, _)), (_, (b, _))| ordered(a, b));
    let mut found: BTreeMap<usize, [Vec<_>; 2]> = BTreeMap::new();
    let mut lesser = 0;
    for (at, (side, (cells, text))) in all.iter().enumerate() {
        if ordered(&all[lesser].1.0, cells) != Ordering::Equal {
            lesser = at;
        }
        let row = (key(&cells.iter().collect::<Vec<_>>()), text);
        found.entry(lesser * ranges / all.len()).or_default()[*side].push(row);
    }
    found.values_mut().flatten().for_each(|rows| rows.sort());
    (found.values().filter(|[a, b]| a != b).count(), found.len())
}

/// Null is less than all else, NaN is more, and texts are as their bytes.
fn ordered(a: &[Cell], b: &[Cell]) -> Ordering {
    let one = |(a, b): (&Cell, &Cell)| match (a, b) {
        (Cell::Null, _) | (_, Cell::Null) => b.is_null().cmp(&a.is_null()),
        (Cell::Bool(a), Cell::Bool(b)) => a.cmp(b),
        (Cell::Int(a), Cell::Int(b)) | (Cell::Decimal(a), Cell::Decimal(b)) => a.cmp(b),
        (Cell::Float(a), Cell::Float(b)) => a.partial_cmp(b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan())),
        (Cell::Text(a), Cell::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Cell::Date(a), Cell::Date(b)) => a.cmp(b),
        (Cell::Timestamp(a), Cell::Timestamp(b)) => a.cmp(b),
        (Cell::Binary(a), Cell::Binary(b)) => a.cmp(b),
        _ => panic!("{a:?} and {b:?} are of one column"),
    };
    a.iter().zip(b).map(one).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// `reconcile_diff` by these keys, of these columns: rows whose ranks fall into so many ranges.
macro_rules! ranged {
    ($params:literal, [$($key:ident),+], [$($column:ident),+], $ranges:literal) => {
        Truth::new(
            concat!("reconcile_diff: { with: truth.other, ", $params, " }"),
            concat!(
                "with a as (select ", $(stringify!($key), ", ",)+ $(stringify!($column), ", ",)+ "1 w from t union all select ",
                $(stringify!($key), ", ",)+ $(stringify!($column), ", ",)+ "-1 from other), r as (select *, (rank() over (order by ",
                $(stringify!($key), " nulls first, ",)+ "w * 0) - 1) * ", $ranges, " // (select count(*) from a) r from a), \
                 c as (select r, ", $(stringify!($key), ", ",)+ $(stringify!($column), ", ",)+
                "sum(w) w from r group by all) select count(distinct r) from c where w <> 0"
            ),
            |rows| ranges(rows, &[$(stringify!($key)),+], &[$(stringify!($column)),+], $ranges),
        )
    };
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
        "reconcile_aggregates: { with: truth.other, aggregate: { sql: 'count(*)', absolute: 2 }, by: [k], absolute: 0 }",
        "select count(*) from (select k, count(*) n from t group by k) a full join (select k, count(*) n from other group by k) b on a.k is not distinct from b.k where a.n is null or b.n is null or abs(a.n - b.n) > 2",
        |rows| unlike(rows, &["k"], "id", |a, b| a.len().abs_diff(b.len()) <= 2),
    ),
    Truth::new(
        "reconcile_aggregates: { with: truth.other, aggregate: { sql: 'count(*)', absolute: 6, warn: { absolute: 1 } }, by: [k] }",
        "select case when count(*) filter (f) > 0 then count(*) filter (f) else count(*) filter (w) end from \
         (select a.n is null or b.n is null or abs(a.n - b.n) > 6 f, abs(a.n - b.n) > 1 w from (select k, count(*) n from t group by k) a \
         full join (select k, count(*) n from other group by k) b on a.k is not distinct from b.k)",
        |rows| {
            let off = |most: usize| unlike(rows, &["k"], "id", |a, b| a.len().abs_diff(b.len()) <= most);
            levels(off(6), off(1))
        },
    ),
    Truth::new(
        "reconcile_multi: { with: truth.other, absolute: 40, relative: 0.5, warn: { absolute: 2 }, aggregates: \
         { f: { sum: f }, rows: { sql: 'count(*)', absolute: 50 } } }",
        "select case when (a.f is distinct from b.f and not coalesce(isfinite(a.f - b.f) and abs(a.f - b.f) <= greatest(40, 0.5 * abs(b.f)), false)) \
         or abs(a.n - b.n) > greatest(50, 0.5 * b.n) then 'failed' when a.f is distinct from b.f and not coalesce(isfinite(a.f - b.f) \
         and abs(a.f - b.f) <= greatest(2, 1e-9 * abs(b.f)), false) then 'warned' else 'passed' end \
         from (select sum(f) f, count(*) n from t) a, (select sum(f) f, count(*) n from other) b",
        |rows| {
            let off = |absolute: f64, relative: f64| {
                unlike(rows, &[], "f", |a, b| {
                    let there = b.iter().filter_map(|cell| cell.number()).sum::<f64>().abs();
                    near(a, b, absolute.max(relative * if there.is_finite() { there } else { 0.0 }))
                        && (a.len().abs_diff(b.len()) as f64) <= f64::max(50.0, 0.5 * b.len() as f64)
                })
            };
            // Without groups the whole is one, though it hold no row.
            levels(off(40.0, 0.5).of(1), off(2.0, 0.0).of(1))
        },
    ),
    Truth::new(
        "reconcile_multi: { with: truth.other, by: [k], absolute: 2.5, aggregates: { f: { sum: f }, i8: { sum: i8, absolute: 0 }, \
         rows: { sql: 'count(*)', absolute: 1 }, texts: { this: count(s), other: count(sv), absolute: 0, relative: 0.5 } } }",
        "select count(*) from (select k, 1 p, sum(f) f, sum(i8) i, count(*) n, count(s) s from t group by k) a \
         full join (select k, 1 p, sum(f) f, sum(i8) i, count(*) n, count(sv) s from other group by k) b on a.k is not distinct from b.k \
         where a.p is null or b.p is null or (a.f is distinct from b.f and not coalesce(isfinite(a.f - b.f) and abs(a.f - b.f) <= greatest(2.5, 1e-9 * abs(b.f)), false)) \
         or a.i is distinct from b.i or abs(a.n - b.n) > 1 or abs(a.s - b.s) > 0.5 * b.s",
        |rows| {
            let groups = groups(rows, &["k"]);
            let of = |rows: &Rows, at: &[usize], column: &str| -> Vec<Cell> {
                let cells = rows.column(column);
                at.iter().map(|at| cells[*at].clone()).collect()
            };
            let bad = groups.values().filter(|[a, b]| {
                let agree = |here: &str, there: &str, agree: &dyn Fn(&[&Cell], &[&Cell]) -> bool| {
                    let (here, there) = (of(rows, a, here), of(other(rows), b, there));
                    agree(&here.iter().collect::<Vec<_>>(), &there.iter().collect::<Vec<_>>())
                };
                let texts = |cells: &[&Cell]| cells.iter().filter(|cell| !cell.is_null()).count();
                let half = |a: &[&Cell], b: &[&Cell]| 2 * texts(a).abs_diff(texts(b)) <= texts(b);
                a.is_empty()
                    || b.is_empty()
                    || a.len().abs_diff(b.len()) > 1
                    || !agree("f", "f", &|a, b| near(a, b, 2.5))
                    || !agree("i8", "i8", &|a, b| sum(a) == sum(b))
                    || !agree("s", "sv", &half)
            });
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
        "reconcile_checksum: { with: truth.other, key: [id], columns: [i, s], hash: sha256 }",
        "select count(distinct coalesce(id, id2)) + coalesce(max(case when coalesce(id, id2) is null then 1 else 0 end), 0)::bigint from (select * from (select id, i, s, count(*) c from t group by all) a full join (select id id2, i i2, s s2, count(*) c2 from other group by all) b on id is not distinct from id2 and i is not distinct from i2 and s is not distinct from s2 where c is distinct from c2)",
        |rows| changed(rows, &["id"], &["i", "s"]),
    ),
    Truth::new(
        "reconcile_checksum: { with: truth.other, key: [s, k], columns: [i], fraction: 0.5 }",
        "with a as (select s, k, i, 1 w from t union all select s, k, i, -1 from other), \
         c as (select s, k, i, sum(w) w from a where md5(coalesce(length(s) || ':' || s, '~') || coalesce(length(k) || ':' || k, '~')) < '8' group by all) \
         select count(*) from (select distinct s, k from c where w <> 0)",
        |rows| {
            let by = ["s", "k"];
            changed_of([&chosen(rows, &by, "8"), &chosen(other(rows), &by, "8")], &by, &["i"])
        },
    ),
    Truth::new(
        "reconcile_checksum: { with: truth.other, columns: [k, sd], fraction: 0.25 }",
        "with a as (select k, sd, 1 w from t union all select k, sd, -1 from other), \
         c as (select k, sd, sum(w) w from a where md5(coalesce(length(k) || ':' || k, '~') || coalesce(length(sd) || ':' || sd, '~')) < '4' group by all) \
         select count(*) = 0 from c where w <> 0",
        |rows| {
            let few = |rows: &Rows| bag(&chosen(rows, &["k", "sd"], "4"), &["k", "sd"]);
            Expected::whole(few(rows) == few(other(rows)))
        },
    ),
    ranged!("key: id, columns: [i, s], ranges: 8", [id], [i, s], 8),
    ranged!("key: i, columns: [s]", [i], [s], 1024),
    ranged!("key: s, columns: [i, k], ranges: 5", [s], [i, k], 5),
    ranged!("key: [k, id], columns: [f]", [k, id], [f], 1024),
    ranged!("key: [b, sd, d], columns: [id], ranges: 3", [b, sd, d], [id], 3),
    ranged!("key: f, columns: [id], ranges: 16", [f], [id], 16),
    ranged!("key: [g, x], columns: [id], ranges: 7", [g, x], [id], 7),
    ranged!("key: [n, t], columns: [k], ranges: 10000", [n, t], [k], 10000),
    ranged!("key: [z], columns: [u64], ranges: 1", [z], [u64], 1),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reconciliation_finds_what_a_naive_reader_and_duckdb_find() {
    agree(RECONCILED).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reconciliation_finds_the_same_where_the_other_side_is_of_other_types() {
    agree_over(RECONCILED, |_| super::unlike()).await;
}

/// A table of keys and texts; a key is a number, or two texts.
fn keyed(rows: &[(Vec<Cell>, String)]) -> Arc<MemTable> {
    let ids: Int64Array = rows.iter().map(|(key, _)| key[0].int().map(|id| i64::try_from(id).unwrap())).collect();
    let text = |at: usize| -> StringArray { rows.iter().map(|(key, _)| key.get(at).and_then(Cell::text)).collect() };
    let texts: StringArray = rows.iter().map(|(_, text)| Some(text.as_str())).collect();
    let columns: [(&str, arrow_array::ArrayRef, bool); 4] = [
        ("id", Arc::new(ids), true),
        ("a", Arc::new(text(0)), true),
        ("b", Arc::new(text(1)), true),
        ("s", Arc::new(texts), true),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]]).unwrap())
}

/// The result of a check of `here` whose other side, `truth.other`, is `there`.
async fn audited(check: &str, here: &[(Vec<Cell>, String)], there: &[(Vec<Cell>, String)]) -> CheckResult {
    let registry = Registry::linked(&[]).unwrap().activate(Policy::default(), InitContext::at("/nowhere")).unwrap();
    let session = Session::new();
    register(&session, "other", keyed(there));
    let table: Arc<dyn datafusion::catalog::TableProvider> = keyed(here);
    let target = CheckTarget { asset: AssetKey::new("truth.rows").unwrap(), schema: Some(table.schema()) };
    let node = Node::parse(check, "a.yaml", 1).unwrap();
    let (kind, params) = node.entries().unwrap().first().unwrap();
    let kind = kind.as_str().unwrap();
    let plan = registry.quality(kind).unwrap().check(params, &target).unwrap();
    let checks = [Check::new(target.asset, kind, plan)];
    let audited = check::audit(&session, &table, &checks, check::Scope::All, None).await.unwrap();
    audited.results.into_iter().next().unwrap().1
}

#[tokio::test]
async fn values_that_changed_places_are_differences_though_their_keys_share_a_range() {
    let mut seed = 7_u64;
    let mut below = move |limit: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % limit
    };
    let mut moved = 0;
    for round in 0..12 {
        let count = 2 + below(60);
        let mut id = 0;
        let here: Vec<(Vec<Cell>, String)> = (0..count)
            .map(|_| {
                id += if below(20) == 0 { 1000 } else { below(4) as i128 };
                (vec![if below(15) > 0 { Cell::Int(id) } else { Cell::Null }], below(5).to_string())
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
        for ranges in [1, 4, 15, 128] {
            let (bad, all) = differing(&here, &there, ranges);
            let check = format!("reconcile_diff: {{ with: truth.other, key: id, columns: [s], ranges: {ranges} }}");
            let result = audited(&check, &here, &there).await;
            let found = (result.violations, result.total, result.passed());
            assert_eq!(found, (bad as u64, all as u64, bad == 0), "{check}: {result:#?}\n{here:?}\n{there:?}");
        }
    }
    assert!(moved > 3, "{moved}");
}

#[tokio::test]
async fn the_first_range_that_differs_is_small_wherever_the_keys_are_and_whatever_they_are() {
    let texts = |texts: &[&str]| texts.iter().map(|text| Cell::Text((*text).to_owned())).collect::<Vec<_>>();
    let number = |id: i128| vec![Cell::Int(id)];
    // A thousand near keys and a far one on each side; texts; pairs of which the first are few; one key that most rows share.
    let far = |nth: i128| number(if nth == 999 { i128::from(i64::MAX) } else { nth });
    let word = |nth: i128| texts(&[&format!("łódź {nth:04}")]);
    let pair = |nth: i128| texts(&[["é", "z"][usize::from(nth >= 400)], &format!("{nth:04}")]);
    let most = |nth: i128| number(if (200..900).contains(&nth) { 200 } else { nth });
    let of = |key: &dyn Fn(i128) -> Vec<Cell>, value: &dyn Fn(i128) -> i128| -> Vec<(Vec<Cell>, String)> {
        (0..1000).map(|nth| (key(nth), value(nth).to_string())).collect()
    };
    // Two rows differ, of which the first is that of 570.
    let changed = |nth: i128| nth + i128::from(nth == 570 || nth == 950);
    type Keys<'a> = &'a dyn Fn(i128) -> Vec<Cell>;
    let cases: [(&str, Keys<'_>, &str, &[&str]); 4] = [
        ("id", &far, "2 of 100 ranges differ, first 570 to 579: 10 rows here, 10 there", &[r#""id":570"#]),
        (
            "a",
            &word,
            "2 of 100 ranges differ, first łódź 0570 to łódź 0579: 10 rows here, 10 there",
            &[r#""a":"łódź 0570""#],
        ),
        // `z` is before `é` in no alphabet, but as bytes.
        (
            "[a, b]",
            &pair,
            "2 of 100 ranges differ, first (z, 0570) to (z, 0579): 10 rows here, 10 there",
            &[r#""a":"z""#, r#""b":"0570""#],
        ),
        ("id", &most, "2 of 31 ranges differ, first 200 to 200: 700 rows here, 700 there", &[r#""id":200"#]),
    ];
    for (key, keys, observed, shown) in cases {
        let check = format!("reconcile_diff: {{ with: truth.other, key: {key}, columns: [s], ranges: 100 }}");
        let (here, mut there) = (of(keys, &|nth| nth), of(keys, &changed));
        there.reverse();
        let result = audited(&check, &here, &there).await;
        assert_eq!(result.observed.as_deref(), Some(observed), "{check}");
        assert!(!result.sample.is_empty(), "{check}");
        for row in &result.sample {
            let row = serde_json::to_string(row).unwrap();
            assert!(shown.iter().all(|shown| row.contains(shown)), "{check}: {row}");
        }
        let same = audited(&check, &here, &here).await;
        assert!(same.passed() && same.total == result.total, "{check}: {same:?}");
    }
}
