//! Checks of rows.

use super::{Cell, Expected, NAMES, Rows, Truth, agree};

fn nulls(rows: &Rows, columns: &[&str]) -> Expected {
    Expected::violations(rows.bad(columns, |cells| cells.iter().any(|cell| cell.is_null())))
}

/// A judge of a number that is not null.
fn numbers(rows: &Rows, column: &str, good: impl Fn(f64) -> bool) -> Expected {
    Expected::violations(rows.bad(&[column], |cells| cells[0].number().is_some_and(|value| !good(value))))
}

fn texts(rows: &Rows, column: &str, good: impl Fn(&str) -> bool) -> Expected {
    Expected::violations(rows.bad(&[column], |cells| cells[0].text().is_some_and(|text| !good(text))))
}

/// Surplus rows among those without a null in the key.
fn surplus(rows: &Rows, columns: &[&str]) -> usize {
    let keys: Vec<String> = rows
        .tuples(columns)
        .iter()
        .filter(|cells| !cells.iter().any(|cell| cell.is_null()))
        .map(|cells| cells.iter().map(|cell| cell.key()).collect::<Vec<_>>().join("\0"))
        .collect();
    keys.iter().enumerate().filter(|(at, key)| keys[..*at].contains(key)).count()
}

pub(super) const KEPT: &[Truth] = &[
    Truth::new("not_null: [i]", "select count(*) from t where i is null", |rows| nulls(rows, &["i"])),
    Truth::new(
        "not_null: { columns: [s, f], tolerance: 0.3 }",
        "select count(*) from t where s is null or f is null",
        |rows| nulls(rows, &["s", "f"]),
    ),
    Truth::new(
        "not_null: { columns: [i], where: \"k = 'x'\" }",
        "select count(*) from t where i is null and k = 'x'",
        |rows| {
            let rows = rows.only(&["k"], |cells| cells[0].text() == Some("x"));
            nulls(&rows, &["i"]).of(rows.len())
        },
    ),
    Truth::new("range: { column: i, min: 0 }", "select count(*) from t where i < 0", |rows| {
        numbers(rows, "i", |value| value >= 0.0)
    }),
    Truth::new("range: { column: f, min: 0 }", "select count(*) from t where f < 0 or isnan(f)", |rows| {
        numbers(rows, "f", |value| value >= 0.0)
    }),
    Truth::new("range: { column: f, max: 0 }", "select count(*) from t where f > 0 or isnan(f)", |rows| {
        numbers(rows, "f", |value| value <= 0.0)
    }),
    Truth::new(
        "range: { column: g, min: -1, max: 0.1 }",
        "select count(*) from t where g < -1 or g > 0.1::float",
        |rows| numbers(rows, "g", |value| value >= -1.0 && value <= f64::from(0.1_f32)),
    ),
    Truth::new("range: { column: u64, max: 5 }", "select count(*) from t where u64 > 5", |rows| {
        numbers(rows, "u64", |value| value <= 5.0)
    }),
    Truth::new(
        "range: { column: n, min: -0.5, max: 1.25 }",
        "select count(*) from t where n < -0.5 or n > 1.25",
        |rows| numbers(rows, "n", |value| (-0.5..=1.25).contains(&value)),
    ),
    Truth::new("range: { column: d, min: 2020-01-01 }", "select count(*) from t where d < date '2020-01-01'", |rows| {
        Expected::violations(rows.bad(&["d"], |cells| cells[0].micros().is_some_and(|m| m < 18_262 * 86_400_000_000)))
    }),
    Truth::new(
        "range: { column: z, max: 2020-01-01T00:00:00Z }",
        "select count(*) from t where z > timestamptz '2020-01-01 00:00:00+00'",
        |rows| {
            Expected::violations(
                rows.bad(&["z"], |cells| cells[0].micros().is_some_and(|m| m > 18_262 * 86_400_000_000)),
            )
        },
    ),
    Truth::new(
        "accepted_values: { column: f, values: [0, 1] }",
        "select count(*) from t where f not in (0, 1)",
        |rows| numbers(rows, "f", |value| value == 0.0 || value == 1.0),
    ),
    Truth::new(
        "accepted_values: { column: sd, values: [a, A, é, ''] }",
        "select count(*) from t where sd not in ('a', 'A', 'é', '')",
        |rows| texts(rows, "sd", |text| ["a", "A", "é", ""].contains(&text)),
    ),
    Truth::new("accepted_values: { column: b, values: [true] }", "select count(*) from t where not b", |rows| {
        Expected::violations(rows.bad(&["b"], |cells| cells[0].bool() == Some(false)))
    }),
    Truth::new(
        "pattern: { column: sv, pattern: '[a-z]+' }",
        "select count(*) from t where not regexp_full_match(sv, '[a-z]+')",
        |rows| texts(rows, "sv", |text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase())),
    ),
    Truth::new(
        "pattern: { column: sl, pattern: 'ab', anywhere: true, case_sensitive: false }",
        "select count(*) from t where not regexp_matches(sl, 'ab', 'i')",
        |rows| texts(rows, "sl", |text| text.to_lowercase().contains("ab")),
    ),
    Truth::new("business_rule: i <= j", "select count(*) from t where not (i <= j)", |rows| {
        Expected::violations(rows.bad(&["i", "j"], |c| c[0].int().zip(c[1].int()).is_some_and(|(i, j)| i > j)))
    }),
    Truth::new(
        "unique: [i]",
        "select coalesce(sum(c - 1), 0)::bigint from (select count(*) c from t where i is not null group by i)",
        |rows| Expected::violations(surplus(rows, &["i"])),
    ),
    Truth::new(
        "unique: [f]",
        "select coalesce(sum(c - 1), 0)::bigint from (select count(*) c from t where f is not null group by f)",
        |rows| Expected::violations(surplus(rows, &["f"])),
    ),
    Truth::new(
        "unique: [s, k, d]",
        "select coalesce(sum(c - 1), 0)::bigint from (select count(*) c from t where s is not null and k is not null and d is not null group by s, k, d)",
        |rows| Expected::violations(surplus(rows, &["s", "k", "d"])),
    ),
    Truth::new("row_count: { min: 3, max: 50 }", "select count(*) between 3 and 50 from t", |rows| {
        Expected::whole((3..=50).contains(&rows.len()))
    }),
    Truth::new("sql: select * from this where s = r", "select count(*) from t where s = r", |rows| {
        Expected::violations(rows.bad(&["s", "r"], |c| !c[0].is_null() && c[0] == c[1]))
    }),
    Truth::new("not_null: [id]", "select count(*) from t where id is null", |rows| {
        Expected::violations(rows.column("id").into_iter().filter(|cell| **cell == Cell::Null).count())
    }),
];

/// How often each value of a column is there, by its key.
fn groups(rows: &Rows, columns: &[&str]) -> Vec<(String, usize)> {
    let mut groups: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
    for cells in rows.tuples(columns).iter().filter(|cells| !cells.iter().any(|cell| cell.is_null())) {
        *groups.entry(cells.iter().map(|cell| cell.key()).collect::<Vec<_>>().join("\0")).or_default() += 1;
    }
    groups.into_iter().collect()
}

/// Two numbers of a row that are not null.
fn pairs(rows: &Rows, columns: [&str; 2], good: impl Fn(f64, f64) -> bool) -> Expected {
    let bad = |cells: &[&Cell]| cells[0].number().zip(cells[1].number()).is_some_and(|(a, b)| !good(a, b));
    Expected::violations(rows.bad(&columns, bad))
}

/// Equal as SQL has it, NaN included.
fn same(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan())
}

/// Ranges that begin before an earlier one has ended, among the rows of one group.
fn overlaps(rows: &Rows, columns: [&str; 2], within: Option<&str>, inclusive: bool, open: bool) -> Expected {
    let below = |a: f64, b: f64| if inclusive { a <= b } else { a < b };
    let mut groups: std::collections::BTreeMap<String, Vec<(f64, f64)>> = std::collections::BTreeMap::new();
    for cells in rows.tuples(&[columns[0], columns[1], within.unwrap_or("id")]) {
        let value = |cell: &Cell| cell.number().or(cell.micros().map(|micros| micros as f64));
        let (from, to) = match (value(cells[0]), value(cells[1])) {
            (Some(from), Some(to)) if from.is_nan() || to.is_nan() || !below(from, to) => continue,
            (Some(from), Some(to)) => (from, to),
            (from, to) if open && ![from, to].iter().flatten().any(|end| end.is_nan()) => {
                (from.unwrap_or(f64::NEG_INFINITY), to.unwrap_or(f64::INFINITY))
            }
            _ => continue,
        };
        let group = if within.is_some() { cells[2].key() } else { String::new() };
        groups.entry(group).or_default().push((from, to));
    }
    let mut found = 0;
    for ranges in groups.values_mut() {
        ranges.sort_by(|a, b| a.partial_cmp(b).unwrap());
        found +=
            (0..ranges.len()).filter(|at| ranges[..*at].iter().any(|earlier| below(ranges[*at].0, earlier.1))).count();
    }
    Expected::violations(found)
}

/// Missing numbers by the usual values but those that are agreed upon.
fn placeholders(rows: &Rows, column: &str, agreed: &[f64], null: bool) -> Expected {
    let odd = |value: f64| [-9.0, -99.0, -999.0, -9999.0].contains(&value) && !agreed.contains(&value);
    Expected::violations(rows.bad(&[column], |c| c[0].number().map_or(c[0].is_null() && !null, odd)))
}

pub(super) const NULLS: &[Truth] = &[
    Truth::new(
        "not_null: {}",
        "select count(*) - (select count(*) from t where columns(*) is not null) from t",
        |rows| nulls(rows, &NAMES),
    ),
    Truth::new(
        "not_null: { except: [x, n, f], tolerance: 0.4 }",
        "select count(*) - (select count(*) from t where columns(* exclude (x, n, f)) is not null) from t",
        |rows| {
            let left: Vec<_> = NAMES.into_iter().filter(|name| !["x", "n", "f"].contains(name)).collect();
            nulls(rows, &left)
        },
    ),
    Truth::new("any_not_null: {}", "select count(*) from t where columns(*) is null", |rows| {
        Expected::violations(rows.bad(&NAMES, |c| c.iter().all(|cell| cell.is_null())))
    }),
    Truth::new(
        "any_not_null: { except: [id, b, i, j, i8, i32, u64, f, g, n, r, d, e, t, z, x, h, o] }",
        "select count(*) from t where s is null and k is null",
        |rows| Expected::violations(rows.bad(&["s", "k"], |c| c.iter().all(|cell| cell.is_null()))),
    ),
    Truth::new(
        "missing_only_as: { column: i, values: [-9] }",
        "select count(*) from t where i in (-99, -999, -9999)",
        |rows| placeholders(rows, "i", &[-9.0], true),
    ),
    Truth::new("missing_only_as: { column: f }", "select count(*) from t where f in (-9, -99, -999, -9999)", |rows| {
        placeholders(rows, "f", &[], true)
    }),
    Truth::new(
        "missing_only_as: { column: g, values: [-9, 0.1] }",
        "select count(*) from t where g in (-99, -999, -9999)",
        |rows| placeholders(rows, "g", &[-9.0], true),
    ),
    Truth::new(
        "missing_only_as: { column: n, values: [-99], 'null': false }",
        "select count(*) from t where n is null or n in (-9, -999, -9999)",
        |rows| placeholders(rows, "n", &[-99.0], false),
    ),
    Truth::new(
        "missing_only_as: { column: u64, values: [-9], 'null': false }",
        "select count(*) from t where u64 is null",
        |rows| placeholders(rows, "u64", &[-9.0], false),
    ),
    Truth::new(
        "missing_only_as: { column: i8, values: [-999] }",
        "select count(*) from t where i8 in (-9, -99)",
        |rows| placeholders(rows, "i8", &[-999.0], true),
    ),
    Truth::new("is_null: [i, s]", "select count(*) from t where i is not null or s is not null", |rows| {
        Expected::violations(rows.bad(&["i", "s"], |c| c.iter().any(|cell| !cell.is_null())))
    }),
    Truth::new(
        "any_not_null: [i, f, sd]",
        "select count(*) from t where coalesce(i::varchar, f::varchar, sd) is null",
        |rows| Expected::violations(rows.bad(&["i", "f", "sd"], |c| c.iter().all(|cell| cell.is_null()))),
    ),
    Truth::new(
        "nulls_together: [d, t, n]",
        "select count(*) from t where (d is null) <> (t is null) or (t is null) <> (n is null)",
        |rows| {
            Expected::violations(
                rows.bad(&["d", "t", "n"], |c| !matches!(c.iter().filter(|cell| cell.is_null()).count(), 0 | 3)),
            )
        },
    ),
    Truth::new(
        "not_missing: { column: sv, values: ['', N/A, '-999'] }",
        "select count(*) from t where sv is null or lower(trim(sv)) in ('', 'n/a', '-999')",
        |rows| {
            Expected::violations(rows.bad(&["sv"], |c| {
                c[0].text()
                    .is_none_or(|text| ["", "n/a", "-999"].contains(&text.trim_matches(' ').to_lowercase().as_str()))
            }))
        },
    ),
    Truth::new(
        "not_missing: { column: s, values: [a, ''], exact: true }",
        "select count(*) from t where s is null or s in ('', 'a')",
        |rows| Expected::violations(rows.bad(&["s"], |c| c[0].text().is_none_or(|text| ["", "a"].contains(&text)))),
    ),
    Truth::new(
        "not_missing: { column: i32, values: [-1, 0] }",
        "select count(*) from t where i32 is null or i32 in (-1, 0)",
        |rows| Expected::violations(rows.bad(&["i32"], |c| c[0].int().is_none_or(|value| value == -1 || value == 0))),
    ),
    Truth::new(
        "not_missing: { column: d, values: [2020-01-01] }",
        "select count(*) from t where d is null or d = date '2020-01-01'",
        |rows| Expected::violations(rows.bad(&["d"], |c| c[0].is_null() || *c[0] == Cell::Date(18_262))),
    ),
    Truth::new(
        "missing_only_as: { column: s, values: [N/A] }",
        "select count(*) from t where lower(trim(s)) in ('', 'null', '-999', 'n/a') and s <> 'N/A'",
        |rows| texts(rows, "s", |text| text == "N/A" || !["", " ", "null", "-999"].contains(&text)),
    ),
    Truth::new(
        "missing_only_as: { column: sl, values: [''], 'null': false }",
        "select count(*) from t where sl is null or (lower(trim(sl)) in ('', 'null', '-999', 'n/a') and sl <> '')",
        |rows| {
            Expected::violations(
                rows.bad(&["sl"], |c| c[0].text().is_none_or(|text| [" ", "null", "-999", "N/A"].contains(&text))),
            )
        },
    ),
    Truth::new(
        "at_least_one: [i, f, s]",
        "select (count(i) = 0)::int + (count(f) = 0)::int + (count(s) = 0)::int from t",
        |rows| {
            Expected::violations(["i", "f", "s"].iter().filter(|column| rows.values(column).is_empty()).count()).of(3)
        },
    ),
];

pub(super) const KEYS: &[Truth] = &[
    Truth::new(
        "primary_key: [id]",
        "select coalesce(sum(case when id is null then c else c - 1 end), 0)::bigint from (select id, count(*) c from t group by id)",
        |rows| Expected::violations(rows.bad(&["id"], |c| c[0].is_null()) + surplus(rows, &["id"])),
    ),
    Truth::new(
        "primary_key: [g, k]",
        "select coalesce(sum(case when g is null or k is null then c else c - 1 end), 0)::bigint from (select g, k, count(*) c from t group by g, k)",
        |rows| {
            Expected::violations(
                rows.bad(&["g", "k"], |c| c[0].is_null() || c[1].is_null()) + surplus(rows, &["g", "k"]),
            )
        },
    ),
    Truth::new(
        "unique: { columns: [k], expressions: [lower(s)] }",
        "select coalesce(sum(c - 1), 0)::bigint from (select count(*) c from t where s is not null and k is not null group by lower(s), k)",
        |rows| {
            let keys = rows.tuples(&["k", "s"]);
            let keys: Vec<_> = keys.iter().filter_map(|c| Some((c[0].text()?, c[1].text()?.to_lowercase()))).collect();
            Expected::violations(keys.iter().enumerate().filter(|(at, key)| keys[..*at].contains(key)).count())
        },
    ),
    Truth::new(
        "unique: { expressions: ['i % 3'] }",
        "select coalesce(sum(c - 1), 0)::bigint from (select count(*) c from t where i is not null group by i % 3)",
        |rows| {
            let keys: Vec<_> = rows.column("i").into_iter().filter_map(|cell| Some(cell.int()? % 3)).collect();
            Expected::violations(keys.iter().enumerate().filter(|(at, key)| keys[..*at].contains(key)).count())
        },
    ),
    Truth::new(
        "unique: [sd]",
        "select coalesce(sum(c - 1), 0)::bigint from (select count(*) c from t where sd is not null group by sd)",
        |rows| Expected::violations(surplus(rows, &["sd"])),
    ),
    Truth::new(
        "duplicate_rows: { columns: [f, k, b] }",
        "select count(*) - (select count(*) from (select distinct f, k, b from t)) from t",
        |rows| {
            let keys: Vec<Vec<String>> =
                rows.tuples(&["f", "k", "b"]).iter().map(|c| c.iter().map(|cell| cell.key()).collect()).collect();
            Expected::violations(keys.iter().enumerate().filter(|(at, key)| keys[..*at].contains(key)).count())
        },
    ),
    Truth::new(
        "duplicate_rows: {}",
        "select count(*) - (select count(*) from (select distinct * from t)) from t",
        |rows| {
            let keys: Vec<Vec<String>> =
                rows.tuples(&NAMES).iter().map(|c| c.iter().map(|cell| cell.key()).collect()).collect();
            Expected::violations(keys.iter().enumerate().filter(|(at, key)| keys[..*at].contains(key)).count())
        },
    ),
    Truth::new(
        "duplicate_rows: { except: [id, i, j, i8, i32, u64, f, g, n, r, d, e, t, z, x, h, o], tolerance: 0.5 }",
        "select count(*) - (select count(*) from (select distinct b, s, k from t)) from t",
        |rows| {
            let keys: Vec<Vec<String>> =
                rows.tuples(&["b", "s", "k"]).iter().map(|c| c.iter().map(|cell| cell.key()).collect()).collect();
            Expected::violations(keys.iter().enumerate().filter(|(at, key)| keys[..*at].contains(key)).count())
        },
    ),
    Truth::new(
        "uniqueness: { columns: [f], min: 0.3, max: 0.9 }",
        "select coalesce(count(distinct f) / nullif(count(f), 0) between 0.3 and 0.9, true) from t",
        |rows| {
            let (distinct, all) = (groups(rows, &["f"]).len(), rows.values("f").len());
            Expected::whole(all == 0 || (0.3..=0.9).contains(&(distinct as f64 / all as f64)))
        },
    ),
    Truth::new(
        "uniqueness: { columns: [i], min: 0.1, max: 0.95, warn: { min: 0.5 } }",
        "select case when n = 0 or d / n between 0.5 and 0.95 then 'passed' when d / n between 0.1 and 0.5 then 'warned' else 'failed' end \
         from (select count(distinct i) d, count(i) n from t)",
        |rows| {
            let (distinct, all) = (groups(rows, &["i"]).len() as f64, rows.values("i").len() as f64);
            let within = |min: f64| all == 0.0 || (min..=0.95).contains(&(distinct / all));
            Expected::default().levels(within(0.1), within(0.5))
        },
    ),
    Truth::new(
        "uniqueness: { columns: [s, k], measure: unique, min: 0.5 }",
        "select coalesce(sum((c = 1)::int) / nullif(sum(c), 0) >= 0.5, true) from (select count(*) c from t where s is not null and k is not null group by s, k)",
        |rows| {
            let groups = groups(rows, &["s", "k"]);
            let (once, all) =
                (groups.iter().filter(|(_, n)| *n == 1).count(), groups.iter().map(|(_, n)| n).sum::<usize>());
            Expected::whole(all == 0 || once as f64 / all as f64 >= 0.5)
        },
    ),
    Truth::new(
        "uniqueness: { columns: [i], measure: unique_of_distinct, max: 0.4 }",
        "select coalesce(sum((c = 1)::int) / nullif(count(*), 0) <= 0.4, true) from (select count(*) c from t where i is not null group by i)",
        |rows| {
            let groups = groups(rows, &["i"]);
            let once = groups.iter().filter(|(_, n)| *n == 1).count();
            Expected::whole(groups.is_empty() || once as f64 / groups.len() as f64 <= 0.4)
        },
    ),
    Truth::new("unique_within_row: [i, j, i32]", "select count(*) from t where i = j or i = i32 or j = i32", |rows| {
        Expected::violations(rows.bad(&["i", "j", "i32"], |c| {
            [(0, 1), (0, 2), (1, 2)].iter().any(|(a, b)| !c[*a].is_null() && c[*a] == c[*b])
        }))
    }),
    Truth::new("unique_within_row: [f, g]", "select count(*) from t where f = g::double", |rows| {
        pairs(rows, ["f", "g"], |f, g| !same(f, g))
    }),
    Truth::new("unique_within_row: [sd, r]", "select count(*) from t where sd = r", |rows| {
        Expected::violations(rows.bad(&["sd", "r"], |c| !c[0].is_null() && c[0] == c[1]))
    }),
    Truth::new("unique_within_row: [d, t]", "select count(*) from t where d::timestamp = t", |rows| {
        Expected::violations(rows.bad(&["d", "t"], |c| c[0].micros().zip(c[1].micros()).is_some_and(|(d, t)| d == t)))
    }),
    Truth::new(
        "disjoint_ranges: { from: d, to: t }",
        "select count(*) from (select d::timestamp d, max(t) over (order by d, t rows between unbounded preceding and 1 preceding) u from t where d::timestamp < t) where d < u",
        |rows| overlaps(rows, ["d", "t"], None, false, false),
    ),
    Truth::new(
        "consistent_casing: sv",
        "select coalesce(sum(n - 1), 0)::bigint from (select count(distinct sv) n from t where sv is not null group by lower(sv))",
        |rows| {
            let mut spellings = rows.texts("sv");
            spellings.sort_unstable();
            spellings.dedup();
            let mut lower: Vec<_> = spellings.iter().map(|text| text.to_lowercase()).collect();
            lower.sort_unstable();
            lower.dedup();
            let expected = Expected::violations(spellings.len() - lower.len()).of(spellings.len());
            expected.passed(spellings.len() == lower.len())
        },
    ),
    Truth::new(
        "disjoint_ranges: { from: i, to: j }",
        "select count(*) from (select i, max(j) over (order by i, j rows between unbounded preceding and 1 preceding) u from t where i < j) where i < u",
        |rows| overlaps(rows, ["i", "j"], None, false, false),
    ),
    Truth::new(
        "disjoint_ranges: { from: d, to: e, within: [k], inclusive: true }",
        "select count(*) from (select d, max(e) over (partition by k order by d, e rows between unbounded preceding and 1 preceding) u from t where d <= e) where d <= u",
        |rows| overlaps(rows, ["d", "e"], Some("k"), true, false),
    ),
    Truth::new(
        "disjoint_ranges: { from: f, to: g, within: [k] }",
        "select count(*) from (select f, max(g) over (partition by k order by f, g rows between unbounded preceding and 1 preceding) u from t where f < g and not isnan(g)) where f < u",
        |rows| overlaps(rows, ["f", "g"], Some("k"), false, false),
    ),
    Truth::new(
        "disjoint_ranges: { from: d, to: e, within: [k], open: true }",
        "select count(*) from (select a, max(b) over (partition by k order by a, b rows between unbounded preceding and 1 preceding) u from (select k, coalesce(d, date '-infinity') a, coalesce(e, date 'infinity') b from t) where a < b) where a < u",
        |rows| overlaps(rows, ["d", "e"], Some("k"), false, true),
    ),
];

/// How many more than one there are of each of these keys, that hold no null.
fn more(rows: &Rows, columns: &[&str]) -> Expected {
    Expected::violations(surplus(rows, columns))
}

pub(super) const BINARY: &[Truth] = &[
    Truth::new("not_null: [x]", "select count(*) from t where x is null", |rows| nulls(rows, &["x"])),
    Truth::new("is_null: [x]", "select count(x) from t", |rows| Expected::violations(rows.values("x").len())),
    Truth::new("any_not_null: [x, n]", "select count(*) from t where x is null and n is null", |rows| {
        Expected::violations(rows.bad(&["x", "n"], |c| c.iter().all(|cell| cell.is_null())))
    }),
    Truth::new("nulls_together: [x, k]", "select count(*) from t where (x is null) <> (k is null)", |rows| {
        Expected::violations(rows.bad(&["x", "k"], |c| c[0].is_null() != c[1].is_null()))
    }),
    Truth::new("at_least_one: [x]", "select (count(x) = 0)::int from t", |rows| {
        Expected::violations(usize::from(rows.values("x").is_empty())).of(1)
    }),
    Truth::new("unique: [x]", "select count(x) - count(distinct x) from t", |rows| more(rows, &["x"])),
    Truth::new(
        "primary_key: [x, k]",
        "select coalesce(sum(case when x is null or k is null then c else c - 1 end), 0)::bigint from (select x, k, count(*) c from t group by x, k)",
        |rows| {
            Expected::violations(
                rows.bad(&["x", "k"], |c| c[0].is_null() || c[1].is_null()) + surplus(rows, &["x", "k"]),
            )
        },
    ),
    Truth::new(
        "duplicate_rows: { columns: [x] }",
        "select count(*) - (select count(*) from (select distinct x from t)) from t",
        |rows| Expected::violations(surplus(rows, &["x"]) + rows.bad(&["x"], |c| c[0].is_null()).saturating_sub(1)),
    ),
    Truth::new(
        "uniqueness: { columns: [x], min: 0.3 }",
        "select coalesce(count(distinct x) / nullif(count(x), 0) >= 0.3, true) from t",
        |rows| {
            let (distinct, all) = (groups(rows, &["x"]).len(), rows.values("x").len());
            Expected::whole(all == 0 || distinct as f64 / all as f64 >= 0.3)
        },
    ),
    Truth::new("not_constant: x", "select count(x) < 2 or count(distinct x) > 1 from t", |rows| {
        Expected::whole(rows.values("x").len() < 2 || groups(rows, &["x"]).len() > 1)
    }),
];

/// The kinds of columns that are left: each check of keys and sets over a number that is no integer, a date, a moment.
pub(super) const KINDS: &[Truth] = &[
    Truth::new("unique: [n]", "select count(n) - count(distinct n) from t", |rows| more(rows, &["n"])),
    Truth::new("unique: [g]", "select count(g) - count(distinct g) from t", |rows| more(rows, &["g"])),
    Truth::new("unique: [d]", "select count(d) - count(distinct d) from t", |rows| more(rows, &["d"])),
    Truth::new("unique: [t]", "select count(t) - count(distinct t) from t", |rows| more(rows, &["t"])),
    Truth::new("unique: [z]", "select count(z) - count(distinct z) from t", |rows| more(rows, &["z"])),
    Truth::new("unique: [b]", "select count(b) - count(distinct b) from t", |rows| more(rows, &["b"])),
    Truth::new("not_constant: i", "select count(i) < 2 or count(distinct i) > 1 from t", |rows| {
        Expected::whole(rows.values("i").len() < 2 || groups(rows, &["i"]).len() > 1)
    }),
    Truth::new("not_constant: n", "select count(n) < 2 or count(distinct n) > 1 from t", |rows| {
        Expected::whole(rows.values("n").len() < 2 || groups(rows, &["n"]).len() > 1)
    }),
    Truth::new(
        "accepted_values: { column: u64, values: [0, 1, 2] }",
        "select count(*) from t where u64 not in (0, 1, 2)",
        |rows| numbers(rows, "u64", |value| (0.0..=2.0).contains(&value)),
    ),
    Truth::new(
        "accepted_values: { column: n, values: [0, 0.25, -1.5] }",
        "select count(*) from t where n not in (0, 0.25, -1.5)",
        |rows| numbers(rows, "n", |value| [0.0, 0.25, -1.5].contains(&value)),
    ),
    Truth::new(
        "accepted_values: { column: g, values: [0, 0.25, -0.5] }",
        "select count(*) from t where g not in (0, 0.25, -0.5)",
        |rows| numbers(rows, "g", |value| [0.0, 0.25, -0.5].contains(&value)),
    ),
    Truth::new(
        "accepted_values: { column: i, values: [-1, 0, 1, 300, 70000] }",
        "select count(*) from t where i not in (-1, 0, 1, 300, 70000)",
        |rows| numbers(rows, "i", |value| [-1.0, 0.0, 1.0, 300.0, 70_000.0].contains(&value)),
    ),
    Truth::new(
        "most_common_in: { column: n, values: [0, 0.25] }",
        "select coalesce(bool_and(n in (0, 0.25)), true) from (select n, count(*) c, max(count(*)) over () m from t where n is not null group by n) where c = m",
        |rows| {
            let groups = groups(rows, &["n"]);
            let most = groups.iter().map(|(_, n)| *n).max();
            let mut tops = groups.iter().filter(|(_, n)| Some(*n) == most);
            Expected::whole(tops.all(|(key, _)| ["Decimal(0)", "Decimal(25)"].contains(&key.as_str())))
        },
    ),
    Truth::new(
        "contains_values: { column: d, values: [2020-01-01, 2020-01-02], only: true }",
        "select 2 - count(distinct case when d in (date '2020-01-01', date '2020-01-02') then d end) + count(distinct case when d not in (date '2020-01-01', date '2020-01-02') then d end) from t",
        |rows| {
            let found = groups(rows, &["d"]);
            let listed = found.iter().filter(|(key, _)| ["Date(18262)", "Date(18263)"].contains(&key.as_str())).count();
            let others = found.len() - listed;
            Expected::violations(2 - listed + others).of(2 + others).passed(listed == 2 && others == 0)
        },
    ),
    Truth::new("range: { column: n, max: 1 }", "select count(*) from t where n > 1", |rows| {
        numbers(rows, "n", |value| value <= 1.0)
    }),
    Truth::new(
        "accepted_values: { column: n, values: [0, 1] }",
        "select count(*) from t where n not in (0, 1)",
        |rows| numbers(rows, "n", |value| value == 0.0 || value == 1.0),
    ),
    Truth::new("compare: { column: n, is: ne, value: 0 }", "select count(*) from t where n = 0", |rows| {
        numbers(rows, "n", |value| value != 0.0)
    }),
    Truth::new("unique_within_row: [n, i8]", "select count(*) from t where n = i8", |rows| {
        pairs(rows, ["n", "i8"], |n, i| n != i)
    }),
    Truth::new("unique_within_row: [g, n]", "select count(*) from t where g = n::double", |rows| {
        pairs(rows, ["g", "n"], |g, n| g != n)
    }),
    Truth::new(
        "disjoint_ranges: { from: g, to: n, within: [k] }",
        "select count(*) from (select g, max(n) over (partition by k order by g, n rows between unbounded preceding and 1 preceding) u from t where g < n::double) where g < u::double",
        |rows| overlaps(rows, ["g", "n"], Some("k"), false, false),
    ),
    Truth::new(
        "range: { column: i8, above: -300, below: 300 }",
        "select count(*) from t where i8 <= -300 or i8 >= 300",
        |rows| numbers(rows, "i8", |value| value > -300.0 && value < 300.0),
    ),
    Truth::new(
        "range: { column: j, min: -1, max: 1 }",
        "select count(*) from t where j not between -1 and 1",
        |rows| numbers(rows, "j", |value| (-1.0..=1.0).contains(&value)),
    ),
    Truth::new("compare: { column: u64, is: ge, value: -1 }", "select count(*) from t where u64 < -1", |_| {
        Expected::violations(0)
    }),
    Truth::new("compare: { column: i8, is: ne, other: i32 }", "select count(*) from t where i8 = i32", |rows| {
        pairs(rows, ["i8", "i32"], |a, b| a != b)
    }),
    Truth::new("compare: { column: n, is: le, other: i8 }", "select count(*) from t where n > i8", |rows| {
        pairs(rows, ["n", "i8"], |n, i| n <= i)
    }),
    Truth::new(
        "compare: { column: g, is: lt, other: n }",
        "select count(*) from t where g >= n::double or isnan(g) and n is not null",
        |rows| pairs(rows, ["g", "n"], |g, n| g < n),
    ),
    Truth::new("compare: { column: d, is: eq, other: e }", "select count(*) from t where d <> e", |rows| {
        Expected::violations(rows.bad(&["d", "e"], |c| c[0].micros().zip(c[1].micros()).is_some_and(|(d, e)| d != e)))
    }),
    Truth::new("compare: { column: k, is: ge, other: r }", "select count(*) from t where k < r", |rows| {
        Expected::violations(
            rows.bad(&["k", "r"], |c| c[0].text().zip(c[1].text()).is_some_and(|(k, r)| k.as_bytes() < r.as_bytes())),
        )
    }),
];

pub(super) const SETS: &[Truth] = &[
    Truth::new(
        "not_accepted_values: { column: f, values: [0, 2.5] }",
        "select count(*) from t where f in (0, 2.5)",
        |rows| numbers(rows, "f", |value| value != 0.0 && value != 2.5),
    ),
    Truth::new(
        "not_accepted_values: { column: sl, values: [a, É, \"it's\"] }",
        "select count(*) from t where sl in ('a', 'É', 'it''s')",
        |rows| texts(rows, "sl", |text| !["a", "É", "it's"].contains(&text)),
    ),
    Truth::new(
        "not_accepted_values: { column: z, values: ['2020-01-01T00:00:00Z'] }",
        "select count(*) from t where z = timestamptz '2020-01-01 00:00:00+00'",
        |rows| Expected::violations(rows.bad(&["z"], |c| c[0].micros() == Some(18_262 * 86_400_000_000))),
    ),
    Truth::new(
        "accepted_values: { column: t, values: [2020-01-01, 2020-01-02] }",
        "select count(*) from t where t not in (timestamp '2020-01-01', timestamp '2020-01-02')",
        |rows| {
            Expected::violations(rows.bad(&["t"], |c| {
                c[0].micros().is_some_and(|m| m != 18_262 * 86_400_000_000 && m != 18_263 * 86_400_000_000)
            }))
        },
    ),
    Truth::new(
        "accepted_combinations: { columns: [k, i8], values: [[x, 0], [y, 1], [z, -1]] }",
        "select count(*) from t where not ((k = 'x' and i8 = 0) or (k = 'y' and i8 = 1) or (k = 'z' and i8 = -1))",
        |rows| {
            // A null is whatever a combination wants.
            Expected::violations(rows.bad(&["k", "i8"], |c| {
                ![("x", 0), ("y", 1), ("z", -1)].iter().any(|(k, i)| {
                    c[0].text().is_none_or(|text| text == *k) && c[1].int().is_none_or(|value| value == *i)
                })
            }))
        },
    ),
    Truth::new(
        "contains_values: { column: i, values: [0, 1, -1] }",
        "select 3 - count(distinct i) from t where i in (0, 1, -1)",
        |rows| {
            let missing = [0, 1, -1].iter().filter(|value| !rows.values("i").contains(&&Cell::Int(**value))).count();
            Expected::violations(missing).of(3).passed(missing == 0)
        },
    ),
    Truth::new(
        "contains_values: { column: k, values: [x, y, z], only: true }",
        "select 3 - count(distinct case when k in ('x', 'y', 'z') then k end) + count(distinct case when k not in ('x', 'y', 'z') then k end) from t",
        |rows| {
            let missing = ["x", "y", "z"].iter().filter(|value| !rows.texts("k").contains(value)).count();
            Expected::violations(missing).of(3).passed(missing == 0)
        },
    ),
    Truth::new(
        "contains_values: { column: f, values: [0, 1], only: true }",
        "select 2 - count(distinct case when f in (0, 1) then f end) + count(distinct case when f not in (0, 1) then f end) from t",
        |rows| {
            let found = groups(rows, &["f"]);
            let has = |value: f64| {
                usize::from(
                    found.iter().any(|(key, _)| *key == format!("Float({value:?})") || *key == format!("{value:?}")),
                )
            };
            let listed = has(0.0) + has(1.0);
            let others = found.len() - listed;
            Expected::violations(2 - listed + others).of(2 + others).passed(listed == 2 && others == 0)
        },
    ),
    Truth::new(
        "most_common_in: { column: k, values: [x, y] }",
        "select coalesce(bool_and(k in ('x', 'y')), true) from (select k, count(*) c, max(count(*)) over () m from t where k is not null group by k) where c = m",
        |rows| {
            let groups = groups(rows, &["k"]);
            let most = groups.iter().map(|(_, n)| *n).max();
            Expected::whole(groups.iter().filter(|(_, n)| Some(*n) == most).all(|(key, _)| !key.contains('z')))
        },
    ),
    Truth::new(
        "most_common_in: { column: i, values: [0, 1, 2], ties: true }",
        "select coalesce(bool_or(i in (0, 1, 2)), true) from (select i, count(*) c, max(count(*)) over () m from t where i is not null group by i) where c = m",
        |rows| {
            let groups = groups(rows, &["i"]);
            let most = groups.iter().map(|(_, n)| *n).max();
            let good = |key: &str| ["Int(0)", "Int(1)", "Int(2)"].contains(&key);
            Expected::whole(groups.is_empty() || groups.iter().any(|(key, n)| Some(*n) == most && good(key)))
        },
    ),
    Truth::new("not_constant: f", "select count(f) < 2 or count(distinct f) > 1 from t", |rows| {
        Expected::whole(rows.values("f").len() < 2 || groups(rows, &["f"]).len() > 1)
    }),
    Truth::new("not_constant: sd", "select count(sd) < 2 or count(distinct sd) > 1 from t", |rows| {
        Expected::whole(rows.values("sd").len() < 2 || groups(rows, &["sd"]).len() > 1)
    }),
    Truth::new("not_constant: z", "select count(z) < 2 or count(distinct z) > 1 from t", |rows| {
        Expected::whole(rows.values("z").len() < 2 || groups(rows, &["z"]).len() > 1)
    }),
    Truth::new("not_constant: b", "select count(b) < 2 or count(distinct b) > 1 from t", |rows| {
        Expected::whole(rows.values("b").len() < 2 || groups(rows, &["b"]).len() > 1)
    }),
];

pub(super) const RANGES: &[Truth] = &[
    Truth::new("range: { column: f, above: 0 }", "select count(*) from t where f <= 0 or isnan(f)", |rows| {
        numbers(rows, "f", |value| value > 0.0)
    }),
    Truth::new("range: { column: f, below: 0 }", "select count(*) from t where f >= 0", |rows| {
        numbers(rows, "f", |value| value < 0.0)
    }),
    Truth::new(
        "range: { column: n, above: -1, below: 1.25 }",
        "select count(*) from t where n <= -1 or n >= 1.25",
        |rows| numbers(rows, "n", |value| value > -1.0 && value < 1.25),
    ),
    Truth::new(
        "range: { column: g, min: -1, max: 1, outside: true }",
        "select count(*) from t where g between -1 and 1",
        |rows| numbers(rows, "g", |value| !(-1.0..=1.0).contains(&value)),
    ),
    Truth::new(
        "range: { column: f, min: 0, outside: true }",
        "select count(*) from t where f >= 0 and not isnan(f)",
        |rows| numbers(rows, "f", |value| value < 0.0 || value.is_nan()),
    ),
    Truth::new(
        "range: { column: t, min: 2019-12-31T12:00, below: 2020-01-02 }",
        "select count(*) from t where t < timestamp '2019-12-31 12:00' or t >= timestamp '2020-01-02'",
        |rows| {
            let (low, high) = (18_261 * 86_400_000_000 + 43_200_000_000, 18_263 * 86_400_000_000);
            Expected::violations(rows.bad(&["t"], |c| c[0].micros().is_some_and(|m| !(low..high).contains(&m))))
        },
    ),
    Truth::new("compare: { column: i, is: le, other: j }", "select count(*) from t where i > j", |rows| {
        Expected::violations(rows.bad(&["i", "j"], |c| c[0].int().zip(c[1].int()).is_some_and(|(i, j)| i > j)))
    }),
    Truth::new(
        "compare: { column: i, is: lt, other: u64 }",
        "select count(*) from t where i::hugeint >= u64::hugeint",
        |rows| {
            Expected::violations(rows.bad(&["i", "u64"], |c| c[0].int().zip(c[1].int()).is_some_and(|(i, u)| i >= u)))
        },
    ),
    Truth::new(
        "compare: { column: f, is: ge, other: g }",
        "select count(*) from t where f is not null and g is not null and (f < g::double or isnan(f) or isnan(g))",
        |rows| pairs(rows, ["f", "g"], |f, g| f >= g),
    ),
    Truth::new("compare: { column: f, is: eq, other: g }", "select count(*) from t where f <> g::double", |rows| {
        pairs(rows, ["f", "g"], same)
    }),
    Truth::new("compare: { column: f, is: ne, other: i32 }", "select count(*) from t where f = i32", |rows| {
        pairs(rows, ["f", "i32"], |f, i| f != i)
    }),
    Truth::new(
        "compare: { column: f, is: eq, other: i, within: 1.5 }",
        "select count(*) from t where not (f = i or (abs(f - i) <= 1.5 and not isnan(f)))",
        |rows| pairs(rows, ["f", "i"], |f, i| f == i || (f - i).abs() <= 1.5),
    ),
    Truth::new(
        "compare: { column: f, is: ne, value: 0, within: 1 }",
        "select count(*) from t where abs(f) <= 1",
        |rows| numbers(rows, "f", |f| f.is_nan() || f.abs() > 1.0),
    ),
    Truth::new("compare: { column: n, is: gt, value: 0.5 }", "select count(*) from t where n <= 0.5", |rows| {
        numbers(rows, "n", |n| n > 0.5)
    }),
    Truth::new("compare: { column: f, is: gt, value: 0 }", "select count(*) from t where f <= 0 or isnan(f)", |rows| {
        numbers(rows, "f", |f| f > 0.0)
    }),
    Truth::new("compare: { column: s, is: lt, other: r }", "select count(*) from t where s >= r", |rows| {
        Expected::violations(
            rows.bad(&["s", "r"], |c| c[0].text().zip(c[1].text()).is_some_and(|(s, r)| s.as_bytes() >= r.as_bytes())),
        )
    }),
    Truth::new("compare: { column: sd, is: eq, other: sv }", "select count(*) from t where sd <> sv", |_| {
        Expected::violations(0)
    }),
    Truth::new("compare: { column: d, is: le, other: t }", "select count(*) from t where d::timestamp > t", |rows| {
        Expected::violations(rows.bad(&["d", "t"], |c| c[0].micros().zip(c[1].micros()).is_some_and(|(d, t)| d > t)))
    }),
    Truth::new(
        "compare: { column: z, is: gt, other: d }",
        "select count(*) from t where z::timestamp <= d::timestamp",
        |rows| {
            Expected::violations(
                rows.bad(&["d", "z"], |c| c[0].micros().zip(c[1].micros()).is_some_and(|(d, z)| z <= d)),
            )
        },
    ),
    Truth::new("compare: { column: t, is: ne, other: z }", "select count(*) from t where t = z::timestamp", |rows| {
        Expected::violations(rows.bad(&["t", "z"], |c| c[0].micros().zip(c[1].micros()).is_some_and(|(t, z)| t == z)))
    }),
    Truth::new("compare: { column: b, is: ne, value: false }", "select count(*) from t where not b", |rows| {
        Expected::violations(rows.bad(&["b"], |c| c[0].bool() == Some(false)))
    }),
];

pub(super) const TEXTS: &[Truth] = &[
    Truth::new(
        "pattern: { column: s, any_of: ['a+', '[0-9]+'], none_of: '12' }",
        "select count(*) from t where not (regexp_full_match(s, 'a+|[0-9]+') and s <> '12')",
        |rows| {
            texts(rows, "s", |text| {
                !text.is_empty()
                    && text != "12"
                    && (text.bytes().all(|b| b == b'a') || text.bytes().all(|b| b.is_ascii_digit()))
            })
        },
    ),
    Truth::new(
        "pattern: { column: sd, all_of: [a, b], anywhere: true }",
        "select count(*) from t where not (contains(sd, 'a') and contains(sd, 'b'))",
        |rows| texts(rows, "sd", |text| text.contains('a') && text.contains('b')),
    ),
    Truth::new(
        "like: { column: sv, any_of: ['a%', '_'], none_of: '%b' }",
        "select count(*) from t where not ((sv like 'a%' or sv like '_') and sv not like '%b')",
        |rows| texts(rows, "sv", |text| (text.starts_with('a') || text.chars().count() == 1) && !text.ends_with('b')),
    ),
    Truth::new(
        "like: { column: sl, any_of: 'A\\_B', case_sensitive: false }",
        "select count(*) from t where not sl ilike 'a\\_b' escape '\\'",
        |rows| texts(rows, "sl", |text| text.eq_ignore_ascii_case("a_b")),
    ),
    Truth::new(
        "like: { column: sd, all_of: ['a%', '%c'] }",
        "select count(*) from t where not (sd like 'a%' and sd like '%c')",
        |rows| texts(rows, "sd", |text| text.starts_with('a') && text.ends_with('c')),
    ),
    Truth::new(
        "text: { column: s, starts_with: [a, N], excludes: '%' }",
        "select count(*) from t where not ((starts_with(s, 'a') or starts_with(s, 'N')) and not contains(s, '%'))",
        |rows| texts(rows, "s", |text| text.starts_with(['a', 'N']) && !text.contains('%')),
    ),
    Truth::new(
        "text: { column: sd, ends_with: [B, é], contains: [b], case_sensitive: false }",
        "select count(*) from t where not (ends_with(lower(sd), 'b') and contains(lower(sd), 'b'))",
        |rows| texts(rows, "sd", |text| text.to_lowercase().ends_with('b')),
    ),
    Truth::new(
        "text: { column: sv, not_blank: true, trimmed: true }",
        "select count(*) from t where not (regexp_matches(sv, '\\S') and not regexp_matches(sv, '^\\s|\\s$'))",
        |rows| texts(rows, "sv", |text| !text.trim().is_empty() && text.trim() == text),
    ),
    Truth::new(
        "text: { column: sl, not_empty: true, case: lower }",
        "select count(*) from t where sl = '' or lower(sl) <> sl",
        |rows| texts(rows, "sl", |text| !text.is_empty() && text.to_lowercase() == text),
    ),
    Truth::new(
        "length: { column: s, min: 1, max: 2 }",
        "select count(*) from t where length(s) not between 1 and 2",
        |rows| texts(rows, "s", |text| (1..=2).contains(&text.chars().count())),
    ),
    Truth::new("length: { column: sd, equal: 1 }", "select count(*) from t where length(sd) <> 1", |rows| {
        texts(rows, "sd", |text| text.chars().count() == 1)
    }),
    Truth::new("length: { column: sv, min: 2 }", "select count(*) from t where length(sv) < 2", |rows| {
        texts(rows, "sv", |text| text.chars().count() >= 2)
    }),
];

/// Texts that are of a format, each followed by what is not.
fn listed(rows: &Rows, column: &str, good: &[&str]) -> Expected {
    texts(rows, column, |text| good.contains(&text))
}

const EMAILS: &[&str] =
    &["a@b.co", "first.last+tag@sub.example.org", "", "a@b", "a b@c.de", "@c.de", "a@-b.de", "a@b..de", "ä@b.de"];
const URLS: &[&str] = &[
    "https://a.b/c?d=e#f",
    "http://localhost:8080",
    "FTP://[::1]/x",
    "https://u:p@h.org",
    "",
    "https://",
    "https://a b",
    "a.b/c",
    "mailto:a@b.c",
    "https:///x",
    "http://.a",
];
const UUIDS: &[&str] = &[
    "123e4567-e89b-12d3-a456-426614174000",
    "123E4567-E89B-12D3-A456-426614174000",
    "123e4567e89b12d3a456426614174000",
    "123e4567-e89b-12d3-a456-42661417400g",
    "",
];
const ADDRESSES: &[&str] = &[
    "0.0.0.0",
    "255.1.20.199",
    "256.1.1.1",
    "1.1.1",
    "01.1.1.1",
    "::1",
    "2001:db8::ff00:42:8329",
    "::ffff:1.2.3.4",
    "1::2::3",
    "g::1",
    "",
    "1.1.1.1 ",
];
const IBANS: &[&str] = &[
    "DE89370400440532013000",
    "GB82 WEST 1234 5698 7654 32",
    "DE88370400440532013000",
    "de89370400440532013000",
    "DE89",
    " DE89370400440532013000",
    "é",
    "",
];
const ISBNS: &[&str] = &[
    "9780306406157",
    "978-0-306-40615-7",
    "0-306-40615-2",
    "080442957X",
    "9780306406158",
    "0306406153",
    "9990306406157",
    "X804429570",
    "é780306406157",
    "",
];
const VINS: &[&str] = &[
    "1M8GDM9AXKP042788",
    "1m8gdm9axkp042788",
    "11111111111111111",
    "1M8GDM9A1KP042788",
    "1M8GDM9AXKP04278I",
    "1M8GDM9AXKP04278",
    "éM8GDM9AXKP042788",
    "",
];
const CARDS: &[&str] = &[
    "4111111111111111",
    "4111 1111 1111 1111",
    "378282246310005",
    "4111111111111112",
    "0000000000000000",
    "4111",
    "-4111111111111111",
    "411111111111111a",
    "",
];
const SSNS: &[&str] = &[
    "123-45-6789",
    "665-01-0001",
    "000-12-3456",
    "666-12-3456",
    "900-12-3456",
    "123-00-4567",
    "123-45-0000",
    "123456789",
    "",
];
const METHODS: &[&str] = &["GET", "PATCH", "get", "FETCH", "", "GET "];
const CODES: &[&str] = &[
    "12345",
    "12345-6789",
    "1234",
    "12345-",
    "SW1A 1AA",
    "M1 1AE",
    "ZZ9 9Z",
    "#fff",
    "#A1b2C3",
    "#12345",
    "#12345678",
    "fff",
    "",
];
const DATES: &[&str] =
    &["2013-01-31", "2012-02-29", "2013-02-29", "2013-13-01", "31.01.2013", "2013-01-31 10:00", "", "today"];
/// Those that can be read without a format, first.
const WHENS: &[&str] = &[
    "2013-01-31",
    "2013/1/31",
    "31.01.2013",
    "31 January 2013",
    "January 31, 2013",
    "Jan 31 2013",
    "31-Jan-2013",
    "20130131",
    "31/1/2013",
    "1/31/2013",
    "5/5/2013",
    "2013-01-31T23:59:59+0100",
    "2013-01-31 23:59",
    "Thu, 31 Jan 2013 23:59:59 +0000",
    "9:05",
    "23:59:59",
    "11:59 PM",
    "1/2/2013",
    "2013-02-30",
    "31.31.2013",
    "13-01-31",
    "today",
    "2013",
    "25:00",
    "13:00 PM",
    "Fri, 31 Jan 2013 23:59:59 +0000",
    "31 Foo 2013",
    " 2013-01-31",
    "",
];
const TIMES: &[&str] = &["2013-01-31 23:59:59", "2013-01-31 24:00:00", "2013-02-30 10:00:00", "2013-01-31", ""];
const DOCUMENTS: &[&str] = &[
    "{}",
    "{\"a\": 1, \"b\": [null]}",
    "{\"a\": null}",
    "[1, 2]",
    "1.5e3",
    "null",
    "\"a\"",
    "{a: 1}",
    "{\"a\": }",
    "[1",
    "",
    "{} {}",
];

/// What DuckDB takes for JSON, and the standard does not.
const LENIENT: &[&str] = &["{\"a\": 1,}", "[NaN]", "Infinity", "[1] // one"];

pub(super) const FORMATS: &[Truth] = &[
    Truth::new("json: sd", r#"select count(*) from t where sd is not null and not (json_valid(sd) and not regexp_matches(regexp_replace(sd, '"([^"\\]|\\.)*"', '', 'g'), 'NaN|Infinity|//|/[*]|,\s*[]}]'))"#, |rows| texts(rows, "sd", |text| ["-999", "12", "null"].contains(&text))).texts(LENIENT),
    Truth::new("format: { column: s, format: email }", r"select count(*) from t where not (regexp_full_match(s, '[\w.!#$%&''*+/=?^`{|}~-]+@[^@]+') and len(string_split(split_part(s, '@', 2), '.')) > 1 and list_bool_and(list_transform(string_split(split_part(s, '@', 2), '.'), lambda part: regexp_full_match(part, '[0-9A-Za-z]([0-9A-Za-z-]{0,61}[0-9A-Za-z])?'))))", |rows| listed(rows, "s", &EMAILS[..2])).texts(EMAILS),
    Truth::new("format: { column: sv, format: url }", r"select count(*) from t where not (regexp_full_match(sv, '(?i)(https?|ftp)://([^\s/?#@]+@)?(\[[0-9a-f:.]+\]|([^\s/?#@:\[\].]+\.)*[^\s/?#@:\[\].]+\.?)(:\d{1,5})?([/?#]\S*)?'))", |rows| listed(rows, "sv", &URLS[..4])).texts(URLS),
    Truth::new("format: { column: sl, format: uuid }", "select count(*) from t where try_cast(sl as uuid) is null and sl is not null or contains(sl, '-') = false", |rows| listed(rows, "sl", &UUIDS[..2])).texts(UUIDS),
    Truth::new("format: { column: sd, format: ipv4 }", "select count(*) from t where not regexp_full_match(sd, '((25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)\\.){3}(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)')", |rows| listed(rows, "sd", &ADDRESSES[..2])).texts(ADDRESSES),
    Truth::new("format: { column: sd, format: ipv6 }", r"select count(*) from (select regexp_replace(sd, '(^|:)(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(\.(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}$', '\1' || '0:0') a from t) where not (regexp_full_match(a, '([0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}') or regexp_full_match(a, '([0-9A-Fa-f]{1,4}(:[0-9A-Fa-f]{1,4})*)?::([0-9A-Fa-f]{1,4}(:[0-9A-Fa-f]{1,4})*)?') and len(regexp_extract_all(a, '[0-9A-Fa-f]+')) < 8)", |rows| listed(rows, "sd", &ADDRESSES[5..8])).texts(ADDRESSES),
    Truth::new("format: { column: s, format: iban }", r"select count(*) from (select s, replace(s, ' ', '') a from t) where not (regexp_full_match(s, '[^ ].*[^ ]') and regexp_full_match(a, '[A-Z]{2}\d{2}[A-Z\d]{11,30}') and list_reduce(list_transform(string_split(a[5:] || a[:4], ''), lambda c: coalesce(try_cast(c as int), ascii(c) - 55)), lambda a, b: (a * if(b > 9, 100, 10) + b) % 97, 0) = 1)", |rows| listed(rows, "s", &IBANS[..2])).texts(IBANS),
    Truth::new("format: { column: sv, format: isbn }", r"select count(*) from (select sv, regexp_replace(sv, '[ -]', '', 'g') a from t) where not (regexp_full_match(sv, '[^ -].*[^ -]') and (regexp_full_match(a, '\d{9}[\dXx]') and list_sum(list_transform(string_split(a, ''), lambda c, i: (11 - i) * coalesce(try_cast(c as int), 10))) % 11 = 0 or regexp_full_match(a, '97[89]\d{10}') and list_sum(list_transform(string_split(a, ''), lambda c, i: if(i % 2 = 1, 1, 3) * coalesce(try_cast(c as int), 10))) % 10 = 0))", |rows| listed(rows, "sv", &ISBNS[..4])).texts(ISBNS),
    Truth::new("format: { column: sl, format: vin }", r"select count(*) from t where not (regexp_full_match(sl, '(?i)[A-HJ-NPR-Z\d]{17}') and substr('0123456789X', (list_sum(list_transform(string_split(translate(upper(sl), 'ABCDEFGHJKLMNPRSTUVWXYZ', '12345678123457923456789'), ''), lambda c, i: coalesce(try_cast(c as int), 0) * [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2][i])) % 11)::int + 1, 1) = upper(sl[9]))", |rows| listed(rows, "sl", &VINS[..3])).texts(VINS),
    Truth::new("format: { column: sd, format: credit_card, tolerance: 0.5 }", r"select count(*) from t where not (regexp_full_match(sd, '\d([ -]*\d){11,18}') and regexp_matches(sd, '[1-9]') and list_sum(list_transform(string_split(reverse(regexp_replace(sd, '[ -]', '', 'g')), ''), lambda c, i: case when i % 2 = 1 then try_cast(c as int) when c > '4' then try_cast(c as int) * 2 - 9 else try_cast(c as int) * 2 end)) % 10 = 0)", |rows| listed(rows, "sd", &CARDS[..3])).texts(CARDS),
    Truth::new("format: { column: s, format: ssn }", "select count(*) from t where not (regexp_full_match(s, '\\d{3}-\\d{2}-\\d{4}') and s[1:3] not in ('000', '666') and s[1] <> '9' and s[5:6] <> '00' and s[8:] <> '0000')", |rows| listed(rows, "s", &SSNS[..2])).texts(SSNS),
    Truth::new("format: { column: s, format: http_method }", "select count(*) from t where s not in ('GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH')", |rows| listed(rows, "s", &METHODS[..2])).texts(METHODS),
    Truth::new("format: { column: s, format: postcode, country: us }", "select count(*) from t where not regexp_full_match(s, '\\d{5}(-\\d{4})?')", |rows| listed(rows, "s", &CODES[..2])).texts(CODES),
    Truth::new("format: { column: sv, format: postcode, country: GB }", r"select count(*) from t where not (regexp_full_match(sv, 'GIR ?0AA|[A-PR-UWYZ](\d\d?|[A-HK-Y]\d[\dABEHMNPRV-Y]?|\d[A-HJKPS-UW]) ?\d[ABD-HJLNP-UW-Z]{2}'))", |rows| listed(rows, "sv", &CODES[4..6])).texts(CODES),
    Truth::new("format: { column: sd, format: hex_colour }", "select count(*) from t where not regexp_full_match(sd, '#([0-9A-Fa-f]{3,4}|[0-9A-Fa-f]{6}|[0-9A-Fa-f]{8})')", |rows| {
        listed(rows, "sd", &["#fff", "#A1b2C3", "#12345678"])
    })
    .texts(CODES),
    Truth::new("date_format: { column: s, format: '%Y-%m-%d' }", "select count(*) from t where s is not null and try_strptime(s, '%Y-%m-%d') is null", |rows| listed(rows, "s", &DATES[..2])).texts(DATES),
    Truth::new("date_format: { column: sl, format: ['%Y-%m-%d', '%d.%m.%Y'] }", "select count(*) from t where sl is not null and try_strptime(sl, ['%Y-%m-%d', '%d.%m.%Y']) is null", |rows| listed(rows, "sl", &["2013-01-31", "2012-02-29", "31.01.2013"])).texts(DATES),
    Truth::new("date_format: { column: sd, format: '%d.%m.%Y' }", "select count(*) from t where sd is not null and try_strptime(sd, '%d.%m.%Y') is null", |rows| listed(rows, "sd", &["31.01.2013"])).texts(DATES),
    Truth::new("date_format: { column: sv, format: '%Y-%m-%d %H:%M:%S' }", "select count(*) from t where sv is not null and try_strptime(sv, '%Y-%m-%d %H:%M:%S') is null", |rows| listed(rows, "sv", &TIMES[..1])).texts(TIMES),
    Truth::new("date_format: sv", r"select count(*) from (select sv, try_strptime(sv, ['%Y-%m-%d', '%Y/%m/%d', '%d.%m.%Y', '%d %B %Y', '%B %d, %Y', '%b %d %Y', '%d-%b-%Y', '%Y%m%d', '%Y-%m-%dT%H:%M:%S%z', '%Y-%m-%d %H:%M', '%a, %d %b %Y %H:%M:%S %z', '%H:%M', '%H:%M:%S', '%I:%M %p']) a, try_strptime(sv, '%d/%m/%Y') b, try_strptime(sv, '%m/%d/%Y') c from t) where sv is not null and not coalesce(case when regexp_matches(sv, '^\d\d?/') then coalesce(b, c) = coalesce(c, b) when sv[4] = ',' then strftime(a, '%a') = sv[:3] when sv[5] = '-' then a is not null and try_cast(sv[:10] as date) is not null else a is not null and not regexp_matches(sv, '^ |^\d\d-\d') end, false)", |rows| listed(rows, "sv", &WHENS[..17])).texts(WHENS),
    Truth::new("date_format: { column: sd }", "select count(*) from t where sd is not null and try_strptime(sd, ['%Y-%m-%d', '%d.%m.%Y', '%Y-%m-%d %H:%M']) is null", |rows| listed(rows, "sd", &["2013-01-31", "2012-02-29", "31.01.2013", "2013-01-31 10:00"])).texts(DATES),
    Truth::new("json: sl", "select count(*) from t where sl is not null and not json_valid(sl)", |rows| texts(rows, "sl", |text| DOCUMENTS[..7].contains(&text) || ["-999", "12"].contains(&text))).texts(DOCUMENTS),
    Truth::new("json: { column: sv, schema: { type: object, required: [a], properties: { a: { type: integer } } } }", "select count(*) from t where sv is not null and not coalesce(json_type(try_cast(sv as json), '$.a') in ('UBIGINT', 'BIGINT'), false)", |rows| listed(rows, "sv", &DOCUMENTS[1..2])).texts(DOCUMENTS),
    Truth::new("json: { column: sd, is: array }", "select count(*) from t where sd is not null and json_type(case when json_valid(sd) then sd end) is distinct from 'ARRAY'", |rows| listed(rows, "sd", &["[1, 2]"])).texts(DOCUMENTS),
    Truth::new("json: { column: s, keys: [a] }", "select count(*) from t where s is not null and not coalesce(list_contains(json_keys(case when json_valid(s) then s end), 'a'), false)", |rows| listed(rows, "s", &DOCUMENTS[1..3])).texts(DOCUMENTS),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checks_of_nulls_and_keys_find_what_a_naive_reader_and_duckdb_find() {
    agree(&[NULLS, KEYS, BINARY].concat()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checks_of_sets_and_ranges_find_what_a_naive_reader_and_duckdb_find() {
    agree(&[SETS, RANGES, KINDS].concat()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checks_of_texts_find_what_a_naive_reader_and_duckdb_find() {
    agree(&[TEXTS, FORMATS].concat()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_checks_find_what_a_naive_reader_and_duckdb_find() {
    agree(KEPT).await;
}
