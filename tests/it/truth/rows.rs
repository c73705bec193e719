//! Checks of rows.

use super::{Cell, Expected, Rows, Truth, agree};

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

const KEPT: &[Truth] = &[
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_checks_find_what_a_naive_reader_and_duckdb_find() {
    agree(KEPT).await;
}
