//! What each check's parameters become: the SQL that the engine compiles, the name, the verdicts, and what is refused, where.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use phlo_plugin::prelude::*;
use phlo_plugin::quality::Value;
use phlo_quality_core as _;

/// The check in `text`, e.g. `not_null: [a]`, for a table of one column of each type; as an asset's file would make it.
fn plan(text: &str, schema: Option<SchemaRef>) -> Result<CheckPlan, String> {
    phlo_testkit::quality::plan(text, schema).map_err(|err| {
        let place = err.place().map_or_else(|| "nowhere".to_owned(), ToString::to_string);
        format!(
            "{place}: {}{}",
            err.message(),
            err.hints().iter().map(|hint| format!(" [{hint}]")).collect::<Vec<_>>().concat()
        )
    })
}

fn table() -> SchemaRef {
    let columns = [
        ("b", DataType::Boolean),
        ("i", DataType::Int64),
        ("f", DataType::Float64),
        ("g", DataType::Float32),
        ("s", DataType::Utf8),
        ("d", DataType::Date32),
        ("t", DataType::Timestamp(TimeUnit::Microsecond, None)),
        ("z", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
        ("k", DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))),
        ("n", DataType::Decimal128(10, 2)),
        ("h", DataType::Time32(TimeUnit::Second)),
    ];
    Arc::new(Schema::new(columns.map(|(name, data_type)| Field::new(name, data_type, true)).to_vec()))
}

/// The check, its name, what it expects, and the predicate of [`Evaluation::Rows`].
const PREDICATES: &[(&str, &str, &str, &str)] = &[
    ("not_null: [i]", "not_null(i)", "no nulls in i", r#""i" IS NOT NULL"#),
    ("not_null: i", "not_null(i)", "no nulls in i", r#""i" IS NOT NULL"#),
    ("not_null: {columns: [i, s]}", "not_null(i, s)", "no nulls in i, s", r#""i" IS NOT NULL AND "s" IS NOT NULL"#),
    (
        "not_null: {except: [b, i, f, g, s, d, t, z, h]}",
        "not_null(* except b, i, f, g, s, d, t, z, h)",
        "no nulls in * except b, i, f, g, s, d, t, z, h",
        r#""k" IS NOT NULL AND "n" IS NOT NULL"#,
    ),
    (
        "any_not_null: {except: [b, i, f, g, s, d, t, z, h]}",
        "any_not_null(* except b, i, f, g, s, d, t, z, h)",
        "a value in one of * except b, i, f, g, s, d, t, z, h",
        r#""k" IS NOT NULL OR "n" IS NOT NULL"#,
    ),
    (
        "missing_only_as: {column: k, values: [NA]}",
        "missing_only_as(k: `NA`, null)",
        "k missing as `NA`, null only",
        "NOT (lower(trim(\"k\")) IN ('', '-', '--', '.', '?', '#n/a', '#na', '(null)', '<na>', 'missing', 'n.a.', 'n/a', 'na', 'nan', 'nil', \
         'none', 'null', 'undefined', 'unknown', '-9', '-99', '-999', '-9999')) OR \"k\" IN ('NA')",
    ),
    (
        "missing_only_as: {column: i, values: [-999]}",
        "missing_only_as(i: `-999`, null)",
        "i missing as `-999`, null only",
        r#"NOT ("i" IN (-9, -99, -999, -9999)) OR "i" IN (-999)"#,
    ),
    (
        "missing_only_as: {column: f, values: [-9], 'null': false}",
        "missing_only_as(f: `-9`)",
        "f missing as `-9` only",
        r#""f" IS NOT NULL AND (NOT ("f" IN (-9, -99, -999, -9999)) OR "f" IN (-9))"#,
    ),
    (r#"not_null: ['we"ird']"#, r#"not_null(we"ird)"#, r#"no nulls in we"ird"#, r#""we""ird" IS NOT NULL"#),
    (
        "accepted_values: {column: s, values: [EWR, JFK]}",
        "accepted_values(s: EWR, JFK)",
        "s one of EWR, JFK",
        r#""s" IN ('EWR', 'JFK')"#,
    ),
    (
        "accepted_values: {column: k, values: [\"it's\"]}",
        "accepted_values(k: it's)",
        "k one of it's",
        r#""k" IN ('it''s')"#,
    ),
    (
        "accepted_values: {column: i, values: [1, -2]}",
        "accepted_values(i: 1, -2)",
        "i one of 1, -2",
        r#""i" IN (1, -2)"#,
    ),
    ("accepted_values: {column: b, values: [true]}", "accepted_values(b: true)", "b one of true", r#""b" IN (true)"#),
    (
        "accepted_values: {column: d, values: [2013-01-01]}",
        "accepted_values(d: 2013-01-01)",
        "d one of 2013-01-01",
        r#""d" IN (DATE '2013-01-01')"#,
    ),
    (
        "range: {column: i, min: -120, max: 1500}",
        "range(i, -120..1500)",
        "i from -120 to 1500",
        r#""i" >= -120 AND "i" <= 1500"#,
    ),
    ("range: {column: i, min: 0}", "range(i, 0..)", "i at least 0", r#""i" >= 0"#),
    ("range: {column: n, max: 0.5}", "range(n, ..0.5)", "n at most 0.5", r#""n" <= CAST('0.5' AS DECIMAL(1, 1))"#),
    (
        "range: {column: n, min: '-01.50'}",
        "range(n, -01.50..)",
        "n at least -01.50",
        r#""n" >= CAST('-01.50' AS DECIMAL(3, 2))"#,
    ),
    ("range: {column: f, min: 0}", "range(f, 0..)", "f at least 0", r#""f" >= 0 AND NOT isnan("f")"#),
    (
        "range: {column: f, min: 0, max: 1e300}",
        "range(f, 0..1e300)",
        "f from 0 to 1e300",
        r#""f" >= 0 AND "f" <= 1e300"#,
    ),
    (
        "range: {column: g, max: 0.1}",
        "range(g, ..0.1)",
        "g at most 0.1",
        r#""g" <= CAST(0.1 AS REAL) AND NOT isnan("g")"#,
    ),
    (
        "range: {column: d, min: 2013-01-01}",
        "range(d, 2013-01-01..)",
        "d at least 2013-01-01",
        r#""d" >= DATE '2013-01-01'"#,
    ),
    (
        "range: {column: t, max: '2013-01-01 06:30'}",
        "range(t, ..2013-01-01 06:30)",
        "t at most 2013-01-01 06:30",
        r#""t" <= CAST('2013-01-01T06:30:00Z' AS TIMESTAMP(6))"#,
    ),
    (
        "range: {column: z, max: '9999-12-31T01:00:00+02:00'}",
        "range(z, ..9999-12-31T01:00:00+02:00)",
        "z at most 9999-12-31T01:00:00+02:00",
        r#""z" <= CAST('9999-12-30T23:00:00Z' AS TIMESTAMP(6) WITH TIME ZONE)"#,
    ),
    (
        r"pattern: {column: s, pattern: 'N\d+'}",
        r"pattern(s, N\d+)",
        r"s matching N\d+",
        r#"regexp_like("s", '^(?:N\d+)$')"#,
    ),
    ("pattern: {column: k, pattern: a|b}", "pattern(k, a|b)", "k matching a|b", r#"regexp_like("k", '^(?:a|b)$')"#),
    (
        "pattern: {column: s, pattern: \"it's\", anywhere: true}",
        "pattern(s, it's anywhere)",
        "s matching it's anywhere",
        r#"regexp_like("s", 'it''s')"#,
    ),
    (
        "pattern: {column: s, pattern: ab, case_sensitive: false}",
        "pattern(s, ab in any case)",
        "s matching ab in any case",
        r#"regexp_like("s", '(?i)^(?:ab)$')"#,
    ),
    (
        "accepted_values: {column: f, values: [0, 1]}",
        "accepted_values(f: 0, 1)",
        "f one of 0, 1",
        r#"("f" IN (0, 1) OR "f" = 0)"#,
    ),
    ("range: {column: i, above: 0}", "range(i, >0..)", "i above 0", r#""i" > 0"#),
    ("range: {column: i, min: 1, below: 2}", "range(i, 1..<2)", "i at least 1 and below 2", r#""i" >= 1 AND "i" < 2"#),
    (
        "range: {column: f, max: 2, outside: true}",
        "range(f, ..2 outside)",
        "f not at most 2",
        r#"NOT ("f" <= 2 AND NOT isnan("f"))"#,
    ),
    (
        "pattern: {column: s, any_of: [a, b], none_of: c}",
        "pattern(s, matching one of a, b, matching none of c)",
        "s matching one of a, b, matching none of c",
        r#"(regexp_like("s", '^(?:a)$') OR regexp_like("s", '^(?:b)$')) AND NOT regexp_like("s", '^(?:c)$')"#,
    ),
    ("is_null: [i, s]", "is_null(i, s)", "nulls alone in i, s", r#""i" IS NULL AND "s" IS NULL"#),
    ("any_not_null: [i, s]", "any_not_null(i, s)", "a value in one of i, s", r#""i" IS NOT NULL OR "s" IS NOT NULL"#),
    (
        "nulls_together: [i, s]",
        "nulls_together(i, s)",
        "i, s null together or not at all",
        r#"("i" IS NULL AND "s" IS NULL) OR ("i" IS NOT NULL AND "s" IS NOT NULL)"#,
    ),
    (
        "not_missing: {column: s, values: ['', N/A]}",
        "not_missing(s: , N/A)",
        "s neither null nor one of , N/A",
        r#""s" IS NOT NULL AND NOT (lower(trim("s")) IN ('', 'n/a'))"#,
    ),
    (
        "not_missing: {column: i, values: [-999]}",
        "not_missing(i: -999)",
        "i neither null nor one of -999",
        r#""i" IS NOT NULL AND NOT ("i" IN (-999))"#,
    ),
    (
        "not_accepted_values: {column: d, values: [1970-01-01]}",
        "not_accepted_values(d: 1970-01-01)",
        "d none of 1970-01-01",
        r#"NOT ("d" IN (DATE '1970-01-01'))"#,
    ),
    (
        "accepted_combinations: {columns: [i, s], values: [[1, a], [2, b]]}",
        "accepted_combinations(i, s: (1, a), (2, b))",
        "(i, s) one of (1, a), (2, b)",
        r#"("i" IN (1) AND "s" IN ('a')) OR ("i" IN (2) AND "s" IN ('b'))"#,
    ),
    ("unique_within_row: [s, k]", "unique_within_row(s, k)", "s, k all different in a row", r#""s" <> "k""#),
    ("compare: {column: i, is: lt, other: n}", "compare(i < column n)", "i < n", r#""i" < "n""#),
    (
        "compare: {column: f, is: ge, other: i}",
        "compare(f >= column i)",
        "f >= i",
        r#""f" IS NULL OR "i" IS NULL OR (("f" + 0) >= "i" AND NOT isnan("f"))"#,
    ),
    (
        "compare: {column: d, is: le, other: z}",
        "compare(d <= column z)",
        "d <= z",
        r#"CAST("d" AS TIMESTAMP(6)) <= CAST("z" AS TIMESTAMP(6))"#,
    ),
    ("compare: {column: s, is: ne, value: n}", "compare(s <> n)", "s <> n", r#""s" <> 'n'"#),
    (
        "like: {column: s, any_of: [a%, _], none_of: '%b', case_sensitive: false}",
        "like(s, like a%, _, not like %b in any case)",
        "s like a%, _, not like %b in any case",
        r#"("s" ILIKE 'a%' OR "s" ILIKE '_') AND "s" NOT ILIKE '%b'"#,
    ),
    (
        "text: {column: s, starts_with: N, excludes: [x, y], trimmed: true, case: upper}",
        "text(s, starting with N, without x, y, trimmed, in upper case)",
        "s starting with N, without x, y, trimmed, in upper case",
        r#"starts_with("s", 'N') AND (NOT contains("s", 'x') AND NOT contains("s", 'y')) AND NOT regexp_like("s", '^\s|\s$') AND upper("s") = "s""#,
    ),
    (
        "length: {column: s, min: 1, max: 3}",
        "length(s, 1..3)",
        "s of 1 to 3 characters",
        r#"character_length("s") >= 1 AND character_length("s") <= 3"#,
    ),
    (
        "format: {column: s, format: postcode, country: US}",
        "format(s, postcode of us)",
        "s postcode of us",
        r#"regexp_like("s", '^(?:[0-9]{5}(?:-[0-9]{4})?)$')"#,
    ),
    ("business_rule: arr_time >= 0", "business_rule(arr_time >= 0)", "arr_time >= 0", "arr_time >= 0"),
    ("business_rule: a > b -- why", "business_rule(a > b -- why)", "a > b -- why", "(\na > b -- why\n)"),
    ("business_rule: {rule: ' a > b ', columns: [a, b]}", "business_rule(a > b)", "a > b", "a > b"),
];

#[test]
fn row_checks_become_a_predicate_that_is_true_or_null_for_good_rows() {
    for (text, name, expected, want) in PREDICATES {
        let plan = plan(text, Some(table())).unwrap_or_else(|err| panic!("{text}: {err}"));
        let Evaluation::Rows { predicate } = plan.evaluation else { panic!("{text}: {:?}", plan.evaluation) };
        assert_eq!(
            (plan.name.as_str(), plan.expected.as_str(), predicate.as_str()),
            (*name, *expected, *want),
            "{text}"
        );
    }
}

#[test]
fn without_a_schema_bounds_are_plain_literals_and_nan_is_still_kept_out() {
    for (text, want) in [
        ("range: {column: x, min: 1}", r#""x" >= 1 AND NOT isnan("x")"#),
        ("range: {column: x, min: 1, max: 2.5}", r#""x" >= 1 AND "x" <= 2.5"#),
        ("range: {column: x, min: 2013-01-01}", r#""x" >= '2013-01-01'"#),
        ("accepted_values: {column: x, values: [1.5, 2]}", r#""x" IN (1.5, 2)"#),
        ("pattern: {column: x, pattern: a}", r#"regexp_like("x", '^(?:a)$')"#),
    ] {
        let plan = plan(text, None).unwrap();
        assert_eq!(format!("{:?}", plan.evaluation), format!("Rows {{ predicate: {want:?} }}"), "{text}");
    }
}

#[test]
fn columns_that_must_be_there_are_named() {
    for (text, want) in [
        ("not_null: [i, s]", &["i", "s"][..]),
        ("unique: [i]", &["i"]),
        ("accepted_values: {column: s, values: [a]}", &["s"]),
        ("range: {column: i, min: 1}", &["i"]),
        ("pattern: {column: s, pattern: a}", &["s"]),
        ("freshness: {column: d, max_age_hours: 1}", &["d"]),
        ("business_rule: {rule: a > 1, columns: [a]}", &["a"]),
        ("business_rule: a > 1", &[]),
        ("row_count: 1", &[]),
        ("unique: {columns: [i], expressions: [lower(s)]}", &["i"]),
        ("compare: {column: i, is: lt, other: n}", &["i", "n"]),
        ("disjoint_ranges: {from: d, to: t, within: [k]}", &["d", "t", "k"]),
        ("duplicate_rows: {except: [i]}", &["i"]),
        ("duplicate_rows: {}", &[]),
        ("json: s", &["s"]),
        ("sql: select 1", &[]),
        // A missing column is what `schema` finds, not a mistake in it.
        ("schema: {columns: {x: int64}}", &[]),
    ] {
        assert_eq!(plan(text, Some(table())).unwrap().columns, want, "{text}");
    }
}

#[test]
fn unique_is_told_by_its_key() {
    let plan = plan("unique: [i, s]", None).unwrap();
    let Evaluation::Unique { key, complete: false } = plan.evaluation else { panic!("{:?}", plan.evaluation) };
    assert_eq!(key, ["i", "s"].map(phlo_plugin::quality::KeyPart::column));
    assert_eq!((plan.name.as_str(), plan.expected.as_str()), ("unique(i, s)", "no two rows with the same i, s"));
}

#[test]
fn sql_returns_the_violations_without_its_semicolon() {
    for (text, want) in [
        ("sql: select * from this where i < 0", "select * from this where i < 0"),
        ("sql: {query: \"  select 1 ;\\n ; \"}", "select 1"),
    ] {
        let plan = plan(text, None).unwrap();
        assert_eq!(format!("{:?}", plan.evaluation), format!("Violations {{ query: {want:?} }}"));
        assert_eq!(plan.name, format!("sql({want})"));
    }
}

#[test]
fn row_count_counts_missing_and_surplus_rows() {
    for (text, rows, violations, name) in [
        ("row_count: 10", 10, 0, "row_count(10..)"),
        ("row_count: 10", 7, 3, "row_count(10..)"),
        ("row_count: {max: 5}", 8, 3, "row_count(..5)"),
        ("row_count: {max: 5}", 0, 0, "row_count(..5)"),
        ("row_count: {min: 2, max: 5}", 1, 1, "row_count(2..5)"),
        ("row_count: {equal: 5}", 5, 0, "row_count(5)"),
        ("row_count: {equal: 5}", 0, 5, "row_count(5)"),
        ("row_count: {equal: 0}", 1, 1, "row_count(0)"),
    ] {
        let plan = plan(text, None).unwrap();
        let Evaluation::Aggregates { expressions, verdict } = &plan.evaluation else { panic!("{text}") };
        assert_eq!((&expressions[..], plan.name.as_str()), (&["count(*)".to_owned()][..], name));
        let verdict = verdict(&[Value::Int(rows)]);
        let want = Verdict {
            passed: violations == 0,
            violations,
            total: Some(rows as u64),
            observed: Some(if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") }),
        };
        assert_eq!(verdict, want, "{text} of {rows}");
    }
}

#[test]
fn freshness_fails_on_what_is_old_and_on_what_is_not_there() {
    let micros = |text: &str| chrono::DateTime::parse_from_rfc3339(text).unwrap().timestamp_micros();
    let plan = plan("freshness: {column: z, max_age_hours: 6, now: 2013-02-01T00:00:00Z}", Some(table())).unwrap();
    assert_eq!(plan.name, "freshness(z, 6h at 2013-02-01T00:00:00Z)");
    let Evaluation::Aggregates { expressions, verdict } = plan.evaluation else { panic!() };
    assert_eq!(expressions, [r#"max("z")"#]);
    for (value, passed, observed) in [
        (Value::Timestamp(micros("2013-01-31T18:00:00Z")), true, "newest is 2013-01-31T18:00:00Z, 6.0 hours old"),
        (Value::Timestamp(micros("2013-01-31T17:59:59Z")), false, "newest is 2013-01-31T17:59:59Z, 6.0 hours old"),
        (
            Value::Timestamp(micros("2013-02-01T12:00:00Z")),
            true,
            "newest is 2013-02-01T12:00:00Z, 12.0 hours in the future",
        ),
        (Value::Text("2013-01-31".to_owned()), false, "newest is 2013-01-31T00:00:00Z, 24.0 hours old"),
        (Value::Null, false, "no value, so nothing is known to be fresh"),
        (Value::Text("soon".to_owned()), false, "`soon`, which is no moment"),
    ] {
        let want = Verdict { passed, violations: u64::from(!passed), total: None, observed: Some(observed.to_owned()) };
        assert_eq!(verdict(&[value]), want);
    }
}

#[test]
fn what_warns_is_told_and_is_no_part_of_a_name() {
    for (text, expected) in [
        ("row_count: {min: 1000, warn: {min: 2000}}", "at least 1,000 rows; warns unless at least 2,000 rows"),
        ("row_count: {min: 10, max: 90, warn: {max: 50}}", "10 to 90 rows; warns unless at most 50 rows"),
        (
            "freshness: {column: z, max_age: 36h, warn: {max_age: 1d}}",
            "newest z at most 36 hours old; warns unless at most 24 hours old",
        ),
        (
            "freshness: {column: z, max_age: 36h, by: [k], warn: {max_age_hours: 1}}",
            "newest z of each k at most 36 hours old; warns unless at most 1 hour old",
        ),
        (
            "aggregate: {function: mean, column: i, min: 1, max: 9, warn: {above: 2}}",
            "mean(i) at least 1 and at most 9; warns unless above 2 and at most 9",
        ),
        (
            "metric: {expression: sum(i), equal: 9, abs_tolerance: 2, allow_empty: true, warn: {abs_tolerance: 1}}",
            "sum(i) equal to 9 ± 2, if any; warns unless equal to 9 ± 1",
        ),
    ] {
        let with = plan(text, Some(table())).unwrap();
        let without = plan(&format!("{}}}", &text[..text.find(", warn").unwrap()]), Some(table())).unwrap();
        assert_eq!((with.expected.as_str(), with.warns, without.warns), (expected, true, false), "{text}");
        assert_eq!(with.name, without.name);
    }
}

#[test]
fn freshness_is_measured_at_the_moment_the_check_is_made() {
    let plan = plan("freshness: {column: z, max_age_hours: 24}", None).unwrap();
    assert_eq!(plan.name, "freshness(z, 24h)");
    let Evaluation::Aggregates { verdict, .. } = plan.evaluation else { panic!() };
    let now = chrono::Utc::now().timestamp_micros();
    let hour = 3_600_000_000;
    assert!(verdict(&[Value::Timestamp(now - hour)]).passed);
    assert!(!verdict(&[Value::Timestamp(now - 25 * hour)]).passed);
}

#[test]
fn schema_tells_every_column_that_does_not_fit() {
    let evolved: SchemaRef = Arc::new(Schema::new(vec![
        Field::new("b", DataType::Int64, true),
        Field::new("a", DataType::LargeUtf8, true),
        Field::new("tags", DataType::new_list(DataType::Utf8, true), true),
        Field::new("_phlo_run_id", DataType::Utf8, true),
    ]));
    for (text, violations, total, observed) in [
        ("{a: string}", 0, 1, None),
        ("{a: text, tags: any}", 0, 2, None),
        ("{a: int64, c: int64}", 2, 2, Some("a is string, c is missing")),
        ("{a: string, b: int64}, ordered: true", 1, 2, Some("b comes before a")),
        ("{b: int64, tags: any}, ordered: true", 0, 2, None),
        ("{b: int64, a: string}, exact: true", 1, 3, Some("tags is not listed")),
        ("{b: int64, a: string, tags: any}, exact: true, ordered: true", 0, 3, None),
        ("{tags: string}", 1, 1, Some("tags is list<string>")),
    ] {
        let plan = plan(&format!("schema: {{columns: {text}}}"), None).unwrap();
        let Evaluation::Schema { verdict } = plan.evaluation else { panic!("{text}") };
        let want =
            Verdict { passed: violations == 0, violations, total: Some(total), observed: observed.map(str::to_owned) };
        assert_eq!(verdict(&evolved), want, "{text}");
    }
    assert_eq!(
        plan("schema: {columns: {a: bigint, b: any}, exact: true}", None).unwrap().name,
        "schema(a int64, b, exact)"
    );
}

#[test]
fn schema_heeds_type_lists_names_counts_and_what_must_be_absent_or_declared() {
    let evolved: SchemaRef = Arc::new(Schema::new(vec![
        Field::new("a", DataType::Int64, false),
        Field::new("b", DataType::Utf8, true),
        Field::new("_phlo_run_id", DataType::Utf8, true),
    ]));
    for (text, violations, total, observed) in [
        ("columns: {a: [int32, int64]}", 0, 1, None),
        ("columns: {a: [int32, string]}", 1, 1, Some("a is int64")),
        ("absent: [c]", 0, 1, None),
        ("absent: [b, _phlo_run_id]", 2, 2, Some("b is there, _phlo_run_id is there")),
        ("count: 2", 0, 1, None),
        ("count: {max: 1}", 1, 1, Some("there are 2 columns")),
        ("count: {min: 1, max: 2}", 0, 1, None),
        ("names: '[ab]'", 0, 2, None),
        ("names: a|c, count: 3", 2, 3, Some("b is no such name, there are 2 columns")),
        ("not_null: [a]", 0, 1, None),
        ("not_null: [a, b, c]", 2, 3, Some("b may be null, c is missing")),
        // A column is one violation, whatever is wrong with it.
        ("columns: {b: int64}, not_null: [b]", 1, 1, Some("b is string, b may be null")),
    ] {
        let plan = plan(&format!("schema: {{{text}}}"), None).unwrap();
        let Evaluation::Schema { verdict } = plan.evaluation else { panic!("{text}") };
        let want =
            Verdict { passed: violations == 0, violations, total: Some(total), observed: observed.map(str::to_owned) };
        assert_eq!(verdict(&evolved), want, "{text}");
    }
    let all = "schema: {columns: {a: [int32, int64]}, exact: true, absent: [c], count: 1, names: a, not_null: [a]}";
    assert_eq!(
        plan(all, None).unwrap().name,
        "schema(a int32|int64, exact; without c; 1 column; names matching a; declared not null a)"
    );
}

#[test]
fn same_schema_tells_every_column_that_differs() {
    let fields = |columns: &[(&str, DataType)]| {
        let fields = columns.iter().map(|(name, data_type)| Field::new(*name, data_type.clone(), true));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    };
    let other = fields(&[("a", DataType::Utf8), ("b", DataType::Int64), ("_phlo_row_id", DataType::Utf8)]);
    for (options, columns, violations, total, observed) in [
        ("", &[("x", DataType::Int8), ("b", DataType::Int64), ("a", DataType::Utf8View)][..], 0, 2, None),
        ("", &[("a", DataType::Int64)], 2, 2, Some("a is int64, not string, b is missing")),
        (", types: false", &[("a", DataType::Int64), ("b", DataType::Int8)], 0, 2, None),
        (", ordered: true", &[("b", DataType::Int64), ("a", DataType::Utf8)], 1, 2, Some("b comes before a")),
        (
            ", exact: true",
            &[("a", DataType::Utf8), ("b", DataType::Int64), ("x", DataType::Int8), ("_phlo_run_id", DataType::Utf8)],
            1,
            3,
            Some("x is not there"),
        ),
    ] {
        let plan = plan(&format!("same_schema: {{with: a.c{options}}}"), None).unwrap();
        let Evaluation::Schemas { other: named, verdict } = plan.evaluation else { panic!("{options}") };
        let want =
            Verdict { passed: violations == 0, violations, total: Some(total), observed: observed.map(str::to_owned) };
        assert_eq!((named.as_str(), verdict(&fields(columns), &other)), ("a.c", want), "{options}");
    }
    assert_eq!(plan("same_schema: a.c", None).unwrap().name, "same_schema(a.c)");
}

#[test]
fn bad_parameters_are_refused_at_their_place_and_the_message_names_them() {
    for (text, want) in [
        ("not_null: []", "a.yaml:1:11: `columns` is empty [name at least one column]"),
        ("not_null: [a, b, a]", "a.yaml:1:11: `columns` names `a` twice"),
        ("not_null: {colums: [a]}", "a.yaml:1:12: unknown key `colums` [did you mean `columns`?]"),
        ("not_null: {columns: [a], severity: warn}", "a.yaml:1:26: unknown key `severity`"),
        ("unique: []", "a.yaml:1:9: `columns` is empty"),
        ("accepted_values: {column: s, values: []}", "a.yaml:1:18: `values` is empty"),
        ("accepted_values: {column: s}", "a.yaml:1:18: missing key `values`"),
        (
            "accepted_values: {column: s, values: [a, 1]}",
            "a.yaml:1:18: `values` mixes the text `a` with the number `1`",
        ),
        (
            "accepted_values: {column: s, values: [a, ~]}",
            "a.yaml:1:42: expected a text, a number or a boolean, found nothing",
        ),
        (
            "accepted_values: {column: i, values: ['1']}",
            "a.yaml:1:18: `1` is a text, and the column `i` is of type int64",
        ),
        (
            "accepted_values: {column: s, values: [1]}",
            "a.yaml:1:18: `1` is a number, and the column `s` is of type string",
        ),
        (
            "accepted_values: {column: d, values: [soon]}",
            "a.yaml:1:18: `soon` is not a date, and the column `d` is one",
        ),
        (
            "range: {column: n, max: 12345678901234567.89}",
            "a.yaml:1:8: `12345678901234568` has more digits than a number in YAML keeps, and `n` is a decimal",
        ),
        (
            "range: {column: n, max: '1e5'}",
            "a.yaml:1:8: `1e5` is not a decimal number, and the column `n` is of type decimal(10, 2)",
        ),
        ("range: {column: i, max: '5'}", "a.yaml:1:8: `5` is a text, and the column `i` is of type int64"),
        ("range: {column: i}", "a.yaml:1:8: neither `min` nor `max` is given"),
        ("range: {column: i, min: 2, max: 1}", "a.yaml:1:8: `min` is 2, above `max`, which is 1"),
        ("range: {column: f, min: 2, max: 1.5}", "a.yaml:1:8: `min` is 2, above `max`, which is 1.5"),
        (
            "range: {column: d, min: 2013-02-01, max: 2013-01-01}",
            "a.yaml:1:8: `min` is 2013-02-01, above `max`, which is 2013-01-01",
        ),
        (
            "range: {column: d, min: 2013-02-01, max: 1}",
            "a.yaml:1:8: `min` is the text `2013-02-01` and `max` the number `1`",
        ),
        (
            "range: {column: i, min: ten}",
            "a.yaml:1:8: `min` is `ten`, which is neither a number nor a date nor a timestamp",
        ),
        ("range: {column: b, max: true}", "a.yaml:1:8: `max` is `true`, which has no order"),
        ("range: {column: s, min: 1}", "a.yaml:1:8: `1` is a number, and the column `s` is of type string"),
        ("range: {column: b, min: a}", "a.yaml:1:8: `column` is `b`, whose type boolean has no range"),
        ("range: {column: s, min: b, max: a}", "a.yaml:1:8: `min` is b, above `max`, which is a"),
        ("range: {column: s, min: '9', max: '10'}", "a.yaml:1:8: `min` is 9, above `max`, which is 10"),
        (
            "range: {column: h, min: '06:00:00.5'}",
            "a.yaml:1:8: `06:00:00.5` is finer than the column `h`, whose type Time32(s) has no such fractions",
        ),
        (
            "range: {column: t, min: '2013-01-01T00:00:00.0000005'}",
            "a.yaml:1:8: `2013-01-01T00:00:00.0000005` is finer than the column `t`, whose type timestamp has no such fractions",
        ),
        (
            "range: {column: h, min: '24:00:00'}",
            "a.yaml:1:8: `24:00:00` is no time of day, and the column `h`, of type",
        ),
        ("range: {column: h, min: '23:59:60'}", "a.yaml:1:8: `23:59:60` is no time of day"),
        ("range: {column: h, min: '6:00:00'}", "a.yaml:1:8: `6:00:00` is no time of day"),
        ("range: {column: h, min: '06:00:00', max: '05:00:00'}", "a.yaml:1:8: `min` is 06:00:00, above `max`"),
        (
            "range: {column: i, min: 2013-01-01}",
            "a.yaml:1:8: `2013-01-01` is a text, and the column `i` is of type int64",
        ),
        ("range: {column: d, min: 1}", "a.yaml:1:8: `1` is a number, and the column `d` is of type date"),
        (
            "range: {column: d, min: '2013-01-01T06:00'}",
            "a.yaml:1:8: `2013-01-01T06:00` is not a date, and the column `d` is one",
        ),
        ("row_count: {}", "a.yaml:1:12: none of `min`, `max` and `equal` is given"),
        ("row_count: {min: 2, max: 1}", "a.yaml:1:12: `min` is 2, above `max`, which is 1"),
        ("row_count: {min: 2, equal: 1}", "a.yaml:1:12: `equal` excludes `min` and `max`"),
        ("row_count: {min: -2}", "a.yaml:1:18: "),
        ("row_count: {min: 2, warn: {}}", "a.yaml:1:12: `warn` has neither `min` nor `max`"),
        ("row_count: {min: 2, warn: {min: 2}}", "a.yaml:1:12: `warn.min` is 2, not above `min`, which is 2"),
        ("row_count: {max: 9, warn: {max: 10}}", "a.yaml:1:12: `warn.max` is 10, not below `max`, which is 9"),
        ("row_count: {max: 9, warn: {min: 10}}", "a.yaml:1:12: every count warns: none lies from 10 to 9"),
        ("row_count: {equal: 9, warn: {min: 10}}", "a.yaml:1:12: `warn` has no say where one count alone is allowed"),
        ("row_count: {min: 2, warn: {equal: 3}}", "a.yaml:1:28: unknown key `equal`"),
        (
            "freshness: {column: d, max_age: 2d, warn: {max_age: 48h}}",
            "a.yaml:1:12: `warn` begins at 48 hours, and the check fails at 48 hours",
        ),
        ("freshness: {column: d, max_age: 2d, warn: {}}", "a.yaml:1:12: `warn.max_age` is not given"),
        ("freshness: {column: d, max_age: 2d, warn: {max_age: 1}}", "a.yaml:1:53: expected "),
        (
            "freshness: {column: d, max_age: 2d, warn: {max_age_hours: -1}}",
            "a.yaml:1:12: `warn.max_age_hours` is -1, which is not a positive number",
        ),
        ("pattern: {column: s, pattern: ''}", "a.yaml:1:10: `pattern` is empty"),
        (
            "pattern: {column: s, pattern: 'a('}",
            "a.yaml:1:10: `pattern` is `a(`, which is not a regular expression: unclosed group",
        ),
        (
            "pattern: {column: s, pattern: 'a)|(b'}",
            "a.yaml:1:10: `pattern` is `a)|(b`, which is not a regular expression: unopened group",
        ),
        (
            "pattern: {column: s, pattern: '(?=a)'}",
            "a.yaml:1:10: `pattern` is `(?=a)`, which is not a regular expression: look-around",
        ),
        ("pattern: {column: i, pattern: a}", "a.yaml:1:10: `column` is `i`, whose type int64 is not text"),
        (
            "freshness: {column: d, max_age_hours: 0}",
            "a.yaml:1:12: `max_age_hours` is 0, which is not a positive number",
        ),
        (
            "freshness: {column: d, max_age_hours: 1, now: later}",
            "a.yaml:1:12: `now` is `later`, which is not a timestamp",
        ),
        (
            "freshness: {column: s, max_age_hours: 1}",
            "a.yaml:1:12: `column` is `s`, whose type string is neither date nor timestamp",
        ),
        ("schema: {columns: {}}", "a.yaml:1:9: `columns` is empty"),
        ("schema: {columns: {a: int46}}", "a.yaml:1:23: unknown column type `int46`; did you mean `int16`?"),
        ("schema: {columns: [a]}", "a.yaml:1:19: expected a map, found a list"),
        ("schema: {columns: {a: []}}", "a.yaml:1:23: expected at least one type"),
        ("schema: {columns: {a: [int32, int46]}}", "a.yaml:1:31: unknown column type `int46`"),
        ("schema: {}", "a.yaml:1:9: none of `columns`, `absent`, `count`, `names` and `not_null` is given"),
        ("schema: {count: 1, exact: true}", "a.yaml:1:9: `exact` has no say without `columns`"),
        ("schema: {absent: [a], not_null: [a]}", "a.yaml:1:9: `absent` names `a`, and so does `not_null`"),
        ("schema: {absent: [a, a]}", "a.yaml:1:9: `absent` names `a` twice"),
        ("schema: {count: {}}", "a.yaml:1:9: `count` has neither `min` nor `max`"),
        ("schema: {count: {min: 2, max: 1}}", "a.yaml:1:9: `count` has `min` 2, above `max`, which is 1"),
        ("schema: {count: -1}", "a.yaml:1:17: expected a whole number from 0, found `-1`"),
        ("schema: {count: {mim: 1}}", "a.yaml:1:18: unknown key `mim`"),
        ("schema: {columns: {a: any, b: any}, count: 1}", "a.yaml:1:9: `count` allows 1 column, and 2 are named"),
        (
            "schema: {columns: {a: any}, exact: true, count: {min: 2}}",
            "a.yaml:1:9: `count` wants at least 2 columns, and `exact` no more than 1",
        ),
        (
            "schema: {columns: {a: any}, exact: true, not_null: [b]}",
            "a.yaml:1:9: `not_null` names `b`, which `columns` with `exact` leaves out",
        ),
        ("schema: {names: '('}", "a.yaml:1:9: `names` is `(`, which is not a regular expression"),
        (
            "schema: {columns: {A: any}, names: '[a-z]+'}",
            "a.yaml:1:9: `names` is `[a-z]+`, which the wanted column `A` does not match",
        ),
        ("same_schema: a b", "a.yaml:1:14: `with` is `a b`, which is not the name of a table"),
        ("same_schema: a.b", "a.yaml:1:14: `with` is `a.b`, the table itself"),
        ("range: {column: i, min: 1, above: 1}", "a.yaml:1:8: `above` excludes `min`"),
        (
            "range: {column: i, above: 1, below: 1}",
            "a.yaml:1:8: `above` and `below` are both 1, and nothing lies between",
        ),
        ("range: {column: i, above: 2, max: 1}", "a.yaml:1:8: `above` is 2, above `max`, which is 1"),
        ("range: {column: i, outside: true}", "a.yaml:1:8: neither `min` nor `max` is given"),
        ("pattern: {column: s}", "a.yaml:1:10: none of `pattern`, `any_of`, `all_of` and `none_of` is given"),
        ("pattern: {column: s, any_of: [a, '(']}", "a.yaml:1:10: `any_of` is `(`, which is not a regular expression"),
        ("unique: {expressions: ['']}", "a.yaml:1:9: `expressions` holds ``, which is no expression"),
        ("unique: {expressions: [a, a]}", "a.yaml:1:9: `expressions` holds `a` twice"),
        ("unique: {}", "a.yaml:1:9: `columns` is empty"),
        ("is_null: []", "a.yaml:1:10: `columns` is empty"),
        ("any_not_null: [i]", "a.yaml:1:15: `columns` names `i` alone"),
        ("nulls_together: [i, i]", "a.yaml:1:17: `columns` names `i` twice"),
        ("not_missing: {column: i, values: ['']}", "a.yaml:1:14: `` is a text, and the column `i` is of type int64"),
        (
            "not_missing: {column: i, values: [1], exact: true}",
            "a.yaml:1:14: `exact` is set, and `values` holds no text",
        ),
        ("missing_only_as: {column: d}", "a.yaml:1:18: `column` is `d`, whose type date is neither text nor number"),
        (
            "missing_only_as: {column: i, values: [NA]}",
            "a.yaml:1:18: `NA` is a text, and the column `i` is of type int64",
        ),
        (
            "missing_only_as: {column: s, values: [-999]}",
            "a.yaml:1:18: `-999` is a number, and the column `s` is of type string",
        ),
        (
            "missing_only_as: {column: s, values: [a, 1]}",
            "a.yaml:1:18: `values` mixes the text `a` with the number `1`",
        ),
        ("not_null: ~", "a.yaml:1:11: expected a list"),
        ("not_null: {columns: [i], except: [s]}", "a.yaml:1:11: `except` excludes `columns`"),
        ("not_null: {except: [s, s]}", "a.yaml:1:11: `except` names `s` twice"),
        ("any_not_null: {except: [b, i, f, g, s, d, t, z, k, n, h]}", "a.yaml:1:15: `except` leaves no column"),
        ("missing_only_as: {column: s, 'null': false}", "a.yaml:1:18: `values` is empty and `null` is false"),
        ("at_least_one: []", "a.yaml:1:15: `columns` is empty"),
        ("primary_key: [a, a]", "a.yaml:1:14: `columns` names `a` twice"),
        ("unique_within_row: [i]", "a.yaml:1:20: `columns` names `i` alone"),
        ("unique_within_row: [i, s]", "a.yaml:1:20: `i` is int64 and `s` is string, which cannot be compared"),
        ("uniqueness: {columns: [i]}", "a.yaml:1:13: neither `min` nor `max` is given"),
        ("uniqueness: {columns: [i], min: 2}", "a.yaml:1:13: `min` is 2, which is no fraction"),
        ("uniqueness: {columns: [i], min: 0.5, warn: {}}", "a.yaml:1:13: `warn` is empty"),
        ("uniqueness: {columns: [i], min: 0.5, warn: {min: 2}}", "a.yaml:1:13: `warn.min` is 2, which is no fraction"),
        ("uniqueness: {columns: [i], min: 0.5, warn: {min: 0.5}}", "a.yaml:1:13: `warn.min` is 0.5, not within `min`"),
        (
            "uniqueness: {columns: [i], min: 0.5, max: 0.1}",
            "a.yaml:1:13: no value lies between `min`, 0.5, and `max`, 0.1",
        ),
        ("duplicate_rows: {columns: [i], except: [s]}", "a.yaml:1:17: `except` excludes `columns`"),
        ("duplicate_rows: {except: [s, s]}", "a.yaml:1:17: `except` names `s` twice"),
        ("duplicate_rows: {except: [b, i, f, g, s, d, t, z, k, n, h]}", "a.yaml:1:17: `except` leaves no column"),
        ("consistent_casing: i", "a.yaml:1:20: `column` is `i`, whose type int64 is not text"),
        ("disjoint_ranges: {from: i, to: i}", "a.yaml:1:18: `from` and `to` are both `i`"),
        ("disjoint_ranges: {from: i, to: d}", "a.yaml:1:18: `i` is int64 and `d` is date, which cannot be compared"),
        ("disjoint_ranges: {from: b, to: i}", "a.yaml:1:18: `from` is `b`, whose type boolean has no ranges"),
        (
            "disjoint_ranges: {from: d, to: t, within: [d]}",
            "a.yaml:1:18: `within` names `d`, which is an end of the range",
        ),
        ("not_accepted_values: {column: s, values: []}", "a.yaml:1:22: `values` is empty"),
        ("accepted_combinations: {columns: [i], values: [[1]]}", "a.yaml:1:24: `columns` names one column"),
        ("accepted_combinations: {columns: [i, s], values: []}", "a.yaml:1:24: `values` is empty"),
        (
            "accepted_combinations: {columns: [i, s], values: [[1]]}",
            "a.yaml:1:24: `values` has 1 values, `1`, for 2 columns",
        ),
        ("contains_values: {column: s, values: [a, a]}", "a.yaml:1:18: `values` lists `a` twice"),
        (
            "contains_values: {column: i, values: [a]}",
            "a.yaml:1:18: `a` is a text, and the column `i` is of type int64",
        ),
        ("most_common_in: {column: s, values: []}", "a.yaml:1:17: `values` is empty"),
        ("compare: {column: i, is: lt}", "a.yaml:1:10: either `other` or `value` is needed"),
        ("compare: {column: i, is: lt, other: n, value: 1}", "a.yaml:1:10: either `other` or `value` is needed"),
        ("compare: {column: i, is: lt, other: i}", "a.yaml:1:10: `other` is `i`, the column itself"),
        (
            "compare: {column: i, is: lt, other: s}",
            "a.yaml:1:10: `i` is int64 and `s` is string, which cannot be compared",
        ),
        ("compare: {column: b, is: lt, value: true}", "a.yaml:1:10: `column` is `b`, whose type boolean has no order"),
        ("compare: {column: i, is: lt, value: 1, within: 1}", "a.yaml:1:10: `within` is for numbers that are compared"),
        ("compare: {column: s, is: eq, value: a, within: 1}", "a.yaml:1:10: `within` is for numbers that are compared"),
        (
            "compare: {column: i, is: eq, value: 1, within: -1}",
            "a.yaml:1:10: `within` is -1, which is not a positive number",
        ),
        ("compare: {column: i, is: less, value: 1}", "a.yaml:1:26: "),
        ("like: {column: s}", "a.yaml:1:7: none of `any_of`, `all_of` and `none_of` is given"),
        ("like: {column: i, any_of: a}", "a.yaml:1:7: `column` is `i`, whose type int64 is not text"),
        ("text: {column: s}", "a.yaml:1:7: nothing but `column` is given"),
        ("text: {column: s, contains: ''}", "a.yaml:1:7: `contains` holds the empty text"),
        ("text: {column: s, trimmed: true, case_sensitive: false}", "a.yaml:1:7: `case_sensitive` is for"),
        ("length: {column: s}", "a.yaml:1:9: none of `min`, `max` and `equal` is given"),
        ("length: {column: s, min: 2, max: 1}", "a.yaml:1:9: `min` is 2, above `max`, which is 1"),
        ("length: {column: s, min: 2, equal: 1}", "a.yaml:1:9: `equal` excludes `min` and `max`"),
        ("length: {column: d, min: 2}", "a.yaml:1:9: `column` is `d`, whose type date is not text"),
        ("format: {column: s, format: postcode}", "a.yaml:1:9: `country` is missing, which a `postcode` needs"),
        (
            "format: {column: s, format: postcode, country: xx}",
            "a.yaml:1:9: `country` is `xx`, whose postal codes are not known",
        ),
        ("format: {column: s, format: email, country: us}", "a.yaml:1:9: `country` is for the format `postcode`"),
        ("format: {column: i, format: email}", "a.yaml:1:9: `column` is `i`, whose type int64 is not text"),
        ("date_format: {column: s, format: '%Q'}", "a.yaml:1:14: `format` is `%Q`, which is no format"),
        ("date_format: {column: s, format: []}", "a.yaml:1:14: `format` is empty"),
        ("date_format: {column: s, format: today}", "a.yaml:1:14: `format` is `today`, which holds no part of a date"),
        ("date_format: {column: d, format: '%Y'}", "a.yaml:1:14: `column` is `d`, whose type date is not text"),
        (
            "json: {column: s, schema: {type: objekt}}",
            "a.yaml:1:7: `schema` is no JSON Schema that can be used: \"objekt\" is not valid",
        ),
        (
            "json: {column: s, schema: {$ref: 'https://example.org/s.json'}}",
            "a.yaml:1:7: `schema` is no JSON Schema that can be used: ",
        ),
        ("json: {column: s, schema: {pattern: '(?=a)'}}", "a.yaml:1:7: `schema` is no JSON Schema that can be used: "),
        ("json: {column: s, is: array, keys: [a]}", "a.yaml:1:7: `keys` is given, and `is` is `array`, which has none"),
        ("not_constant: {}", "a.yaml:1:15: missing key `column`"),
        ("sql: ' ; '", "a.yaml:1:6: `query` is empty"),
        ("business_rule: ''", "a.yaml:1:16: `rule` is empty"),
        ("business_rule: {rule: a > 1, columns: [a, a]}", "a.yaml:1:16: `columns` names `a` twice"),
    ] {
        let got = plan(text, Some(table())).map(|plan| plan.name).unwrap_err();
        assert!(got.starts_with(want), "{text}\n got {got}\nwant {want}");
        // What is not of the wanted type says so; everything else says what to do.
        assert!(
            got.ends_with(']')
                || got.contains("expected ")
                || got.contains("missing key")
                || got.contains("unknown column type"),
            "no next step: {got}"
        );
    }
}

#[test]
fn checks_of_different_parameters_have_different_names() {
    let texts = PREDICATES.iter().map(|(text, ..)| *text).chain([
        "range: {column: i, min: -120, max: 1501}",
        "pattern: {column: s, pattern: ab}",
        "pattern: {column: s, pattern: ab, anywhere: true}",
        "row_count: 1",
        "row_count: {max: 1}",
        "row_count: {equal: 1}",
        "schema: {columns: {a: int64}}",
        "schema: {columns: {a: int32}}",
        "schema: {columns: {a: int32}, exact: true}",
        "schema: {columns: {a: int32}, ordered: true}",
        "schema: {columns: {a: [int32, int64]}}",
        "schema: {absent: [a]}",
        "schema: {not_null: [a]}",
        "schema: {count: 1}",
        "schema: {count: {min: 1}}",
        "schema: {names: a}",
        "same_schema: a.c",
        "same_schema: {with: a.c, exact: true}",
        "same_schema: {with: a.c, ordered: true}",
        "same_schema: {with: a.c, types: false}",
        "freshness: {column: d, max_age: 1d}",
        "freshness: {column: d, max_age: 1d, by: [i]}",
        "unique: {columns: [s], expressions: [i]}",
        "compare: {column: s, is: ne, other: n}",
        "contains_values: {column: s, values: [a]}",
        "contains_values: {column: s, values: [a], only: true}",
        "most_common_in: {column: s, values: [a]}",
        "most_common_in: {column: s, values: [a], ties: true}",
        "duplicate_rows: {columns: [s]}",
        "duplicate_rows: {except: [s]}",
        "uniqueness: {columns: [s], min: 0.5}",
        "uniqueness: {columns: [s], min: 0.5, measure: unique}",
        "disjoint_ranges: {from: i, to: j}",
        "disjoint_ranges: {from: i, to: j, open: true}",
        "disjoint_ranges: {from: i, to: j, within: [k]}",
        "json: s",
        "json: {column: s, is: object}",
        "json: {column: s, schema: {type: object}}",
        "json: {column: s, schema: {type: array}}",
        "not_missing: {column: s, values: ['', N/A], exact: true}",
        "missing_only_as: {column: s}",
        "missing_only_as: {column: s, values: [NA]}",
        "not_null: {}",
        "not_null: {except: [i]}",
        "any_not_null: {}",
        "date_format: s",
        "date_format: {column: s, format: '%Y'}",
    ]);
    // `not_null: i` and `not_null: [i]` are one check.
    let mut names: Vec<_> =
        texts.filter(|text| *text != "not_null: i").map(|text| plan(text, None).unwrap().name).collect();
    let all = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all, "{names:#?}");
}
