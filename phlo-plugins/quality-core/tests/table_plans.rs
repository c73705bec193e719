//! Checks of the table as a whole: what their parameters become and what is refused.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, TimeUnit};
use phlo_plugin::prelude::*;
use phlo_plugin::quality::Value;
use phlo_quality_core as _;

fn plan(text: &str) -> Result<CheckPlan, String> {
    let columns = [
        ("i", DataType::Int64),
        ("f", DataType::Float64),
        ("s", DataType::Utf8),
        ("d", DataType::Date32),
        ("h", DataType::Time64(TimeUnit::Microsecond)),
    ];
    let fields = columns.map(|(name, data_type)| Field::new(name, data_type, true)).to_vec();
    let made = phlo_testkit::quality::plan(text, Some(Arc::new(Schema::new(fields))));
    made.map_err(|err| format!("{}{}", err.message(), if err.hints().is_empty() { "" } else { " [hint]" }))
}

#[test]
fn aggregates_that_statistics_answer_are_written_bare() {
    for (text, want) in [
        ("aggregate: { function: min, column: i, min: 0 }", r#"min("i")"#),
        ("aggregate: { function: max, column: d, min: 2020-01-01 }", r#"max("d")"#),
        ("aggregate: { function: count, column: s, min: 1 }", r#"count("s")"#),
        ("aggregate: { function: mean, column: i, min: 0 }", r#"avg("i")"#),
        ("aggregate: { function: sum, column: f, min: 0 }", r#"sum("f")"#),
        ("aggregate: { function: sum, column: i, min: 0 }", r#"sum(CAST("i" AS DECIMAL(38, 0)))"#),
    ] {
        let Evaluation::Aggregates { expressions, .. } = plan(text).unwrap().evaluation else { panic!("{text}") };
        assert_eq!(expressions, [want], "{text}");
    }
}

#[test]
fn bounds_hold_to_their_edges() {
    for (bounds, value, passed) in [
        ("min: 1, max: 2", Value::Int(1), true),
        ("min: 1, max: 2", Value::Int(3), false),
        ("above: 1", Value::Int(1), false),
        ("below: 2.5", Value::Float(2.5), false),
        ("below: 2.5", Value::Float(f64::NAN), false),
        ("max: 9223372036854775806", Value::Int(i64::MAX), false),
        ("min: 9223372036854775807", Value::Text("9223372036854775808".to_owned()), true),
        ("equal: 10, abs_tolerance: 1", Value::Float(11.0), true),
        ("equal: 10, rel_tolerance: 0.05", Value::Float(10.6), false),
        ("equal: 100, rel_tolerance: 0.29", Value::Int(129), true),
        ("equal: 100, rel_tolerance: 0.29", Value::Int(71), true),
        ("equal: 100, rel_tolerance: 0.29", Value::Float(129.0), true),
        ("equal: 100, rel_tolerance: 0.29", Value::Int(130), false),
        ("equal: 0.1", Value::Text("0.10".to_owned()), true),
        ("min: 0", Value::Float(-0.0), true),
        ("min: 0", Value::Null, false),
        ("min: 0, allow_empty: true", Value::Null, true),
    ] {
        let text = format!("metric: {{ expression: sum(i), {bounds} }}");
        let Evaluation::Aggregates { verdict, .. } = plan(&text).unwrap().evaluation else { panic!("{text}") };
        assert_eq!(verdict(std::slice::from_ref(&value)).passed, passed, "{text} of {value:?}");
    }
}

#[test]
fn texts_and_times_are_compared_as_what_the_column_holds() {
    for (what, bounds, value, passed, told) in [
        ("column: s", "min: 2020-01-01", "2019-12-31T23:00:00", false, "`2019-12-31T23:00:00`"),
        ("column: s", "max: '9'", "10", true, "`10`"),
        ("column: s", "max: z", "é", false, "`é`"),
        ("column: h", "max: '06:00:00.5'", "06:00:00.500000", true, "06:00:00.500000"),
        ("column: h", "below: '06:00:00.5'", "06:00:00.500", false, "06:00:00.500"),
        ("expression: h", "equal: '06:00:00'", "06:00:00.000", true, "06:00:00.000"),
        ("expression: s", "max: 06", "06:00:00", false, "`06:00:00`, which is no number"),
    ] {
        let text = format!("aggregate: {{ function: max, {what}, {bounds} }}");
        let Evaluation::Aggregates { verdict, .. } = plan(&text).unwrap().evaluation else { panic!("{text}") };
        let verdict = verdict(&[Value::Text(value.to_owned())]);
        assert_eq!(verdict.passed, passed, "{text} of {value}: {verdict:?}");
        assert!(verdict.observed.as_ref().unwrap().ends_with(&format!(" is {told}")), "{verdict:?}");
    }
    let Evaluation::Aggregates { verdict, .. } =
        plan("aggregate: { function: max, column: s, max: a }").unwrap().evaluation
    else {
        panic!()
    };
    let long = verdict(&[Value::Text("é".repeat(1000))]).observed.unwrap();
    assert!(long.chars().count() < 130 && long.ends_with("…`"), "{long}");
}

#[test]
fn contradictory_parameters_are_refused_and_named() {
    for (text, field) in [
        ("aggregate: { function: mean, column: i }", "`min`"),
        ("aggregate: { function: mean, column: i, min: 2, max: 1 }", "`min`"),
        ("aggregate: { function: mean, column: i, above: 1, below: 1 }", "`above`"),
        ("aggregate: { function: mean, column: i, min: 1, above: 1 }", "`above` excludes `min`"),
        ("aggregate: { function: mean, column: i, equal: 1, max: 1 }", "`equal` excludes"),
        ("aggregate: { function: mean, column: i, min: 1, abs_tolerance: 1 }", "`abs_tolerance`"),
        ("aggregate: { function: mean, column: i, equal: 1, rel_tolerance: -1 }", "`rel_tolerance`"),
        ("aggregate: { function: mean, column: s, min: 1 }", "`column` is `s`"),
        ("aggregate: { function: max, column: d, min: 1 }", "`column` is `d`"),
        ("aggregate: { function: mean, column: i, min: 2020-01-01 }", "moments"),
        ("aggregate: { function: mean, min: 1 }", "`column` or `expression`"),
        ("aggregate: { function: max, column: h, max: 2020-01-01 }", "`2020-01-01` is none"),
        (
            "aggregate: { function: max, column: h, max: '06:00:00', warn: { max: soon } }",
            "`warn.max` is soon, not within `max`",
        ),
        ("aggregate: { function: max, column: h, max: 6 }", "compared with numbers"),
        ("aggregate: { function: max, column: s, max: 6 }", "compared with numbers"),
        ("aggregate: { function: max, column: s, min: b, max: a }", "no value lies between"),
        ("aggregate: { function: max, column: i, max: a }", "`max` is `a`, which is neither"),
        ("metric: { expression: max(s), max: a }", "`max` is `a`, which is neither"),
        ("metric: { expression: sum(i), min: 1, warn: {} }", "`warn` is empty"),
        ("metric: { expression: sum(i), min: 1, warn: { min: 1 } }", "`warn.min` is 1, not within `min`, which is 1"),
        ("metric: { expression: sum(i), above: 1, warn: { min: 1 } }", "`warn.min` is 1, not within `above`"),
        ("metric: { expression: sum(i), min: 1, warn: { min: 0.5 } }", "`warn.min` is 0.5, not within `min`"),
        ("metric: { expression: sum(i), max: 1, warn: { below: 2 } }", "`warn.below` is 2, not within `max`"),
        ("metric: { expression: sum(i), min: 1, warn: { min: 2020-01-01 } }", "`warn.min` is 2020-01-01, not within"),
        ("metric: { expression: sum(i), max: 1, warn: { min: 2 } }", "in `warn`, no value lies between `min`, 2"),
        ("metric: { expression: sum(i), min: 1, warn: { min: 2, above: 2 } }", "in `warn`, `above` excludes `min`"),
        ("metric: { expression: sum(i), min: 1, warn: { abs_tolerance: 2 } }", "in `warn`, `abs_tolerance` has no say"),
        ("metric: { expression: sum(i), equal: 1, warn: { min: 0 } }", "`warn` has bounds, and the check has `equal`"),
        ("metric: { expression: sum(i), equal: 1, warn: { abs_tolerance: 0 } }", "`warn` is as wide"),
        (
            "metric: { expression: sum(i), equal: 100, rel_tolerance: 0.1, warn: { abs_tolerance: 10.5 } }",
            "`warn` is as wide",
        ),
        ("aggregate: { function: mean, column: i, q: 0.5, min: 1 }", "`q`"),
        ("aggregate: { function: quantile, column: i, q: 1.5, min: 1 }", "`q`"),
        ("aggregate: { function: mean, column: i, approximate: true, min: 1 }", "`approximate`"),
        ("aggregate: { function: correlation, columns: [i], min: 0 }", "`columns`"),
        ("metric: { min: 1 }", "`expression` nor `query`"),
        ("metric: { expression: sum(i), query: select 1, min: 1 }", "`expression` excludes `query`"),
        ("no_gaps: { column: i, every: 0 }", "`every`"),
        ("no_gaps: { column: i, every: day }", "`column`"),
        ("no_gaps: { column: d, every: 1 }", "`column`"),
        ("no_gaps: { column: i, every: 1, from: 3, to: 2 }", "`from`"),
        ("no_gaps: { column: d, every: 2 fortnights }", "`every`"),
        ("ordered: { column: i, by: [] }", "`by`"),
        ("ordered: { column: i, by: [i] }", "`by`"),
        ("accepted_combinations: { columns: [i], values: [[1]] }", "`columns`"),
        ("accepted_combinations: { columns: [i, s], values: [] }", "`values`"),
        ("accepted_combinations: { columns: [i, s], values: [[1]] }", "`values`"),
        ("accepted_combinations: { columns: [i, s], values: [[a, a]] }", "column `i`"),
        ("multicolumn_sum: { columns: [i, f] }", "`equal`"),
        ("multicolumn_sum: { columns: [i, f], equal: 1, equal_column: f }", "`equal` excludes"),
        ("multicolumn_sum: { columns: [i, s], equal: 1 }", "`s`"),
        ("multicolumn_sum: { columns: [i, f], equal: 1, abs_tolerance: -1 }", "`abs_tolerance`"),
        ("foreign_key: { columns: [i], references: a.b, to: [x, y] }", "`to`"),
        ("age: { column: d }", "`min`"),
        ("age: { column: d, min: 3 d, max: 2d }", "`min`"),
        ("age: { column: d, min: soon }", "`min`"),
        ("age: { column: i, min: 0h }", "`column`"),
        ("age: { column: d, min: 0h, now: then }", "`now`"),
        ("freshness: { column: d }", "`max_age`"),
        ("freshness: { column: d, max_age: 1d, max_age_hours: 24 }", "`max_age`"),
        ("freshness: { column: d, max_age: 0h }", "`max_age`"),
        ("freshness: { column: d, max_age: 1d, by: [d] }", "`by` names `d`"),
        ("freshness: { column: d, max_age: 1d, by: [i, i] }", "`by` names `i` twice"),
        ("any_of: [i > 1]", "`checks`"),
        ("any_of: [i > 1, { unique: i }]", "`unique`"),
        ("all_of: [i > 1, 2]", "`checks`"),
        ("any_of: [{ row_count: 1 }, { foreign_key: { columns: [i], references: a.c } }]", "`foreign_key`"),
        ("all_of: [{ schema: { absent: [x] } }, { row_count: 1 }]", "`schema`"),
        ("all_of: [{ row_count: 1 }, { row_count: { min: 1, warn: { min: 2 } } }]", "`warn`"),
        (
            "all_of: [{ not_null: i }, { row_count: 1 }]",
            "`not_null`, which is of rows, and `row_count`, which is of the table",
        ),
        ("any_of: [{ row_count: 1 }, i > 1]", "`business_rule`, which is of rows, and `row_count`"),
    ] {
        let err = plan(text).map(|plan| plan.name).unwrap_err();
        assert!(err.contains(field) && err.ends_with("[hint]"), "{text}: {err}");
    }
}

#[test]
fn ages_are_bounds_on_the_moment_and_dates_are_midnights() {
    for (text, want) in [
        ("age: { column: d, min: 0h, now: '2020-01-02T06:00' }", "\"d\" <= DATE '2020-01-02'"),
        ("age: { column: d, max: 1d, now: '2020-01-02T06:00' }", "\"d\" >= DATE '2020-01-02'"),
        ("age: { column: d, max: 1d, now: 2020-01-02 }", "\"d\" >= DATE '2020-01-01'"),
    ] {
        let Evaluation::Rows { predicate } = plan(text).unwrap().evaluation else { panic!("{text}") };
        assert_eq!(predicate, want, "{text}");
    }
    let (hours, days) = ("freshness: { column: d, max_age_hours: 48 }", "freshness: { column: d, max_age: 2d }");
    assert_eq!(plan(hours).unwrap().name, plan(days).unwrap().name);
}

#[test]
fn what_ages_is_asked_again_though_no_row_comes() {
    for (text, clock) in [
        ("age: { column: d, max: 1d }", true),
        ("age: { column: d, min: 0h, max: 1d }", true),
        ("age: { column: d, min: 0h }", false),
        ("age: { column: d, max: 1d, now: 2020-01-01 }", false),
        ("freshness: { column: d, max_age: 1d, by: [s] }", true),
        ("freshness: { column: d, max_age: 1d, by: [s], now: 2020-01-01 }", false),
    ] {
        assert_eq!(plan(text).unwrap().by_the_clock, clock, "{text}");
    }
}

#[test]
fn freshness_of_groups_counts_the_stale_ones() {
    let plan = plan("freshness: { column: d, max_age: 1d, by: [s], now: '2020-01-03T06:00' }").unwrap();
    assert_eq!(plan.columns, ["d", "s"]);
    let Evaluation::Query { query, verdict, .. } = plan.evaluation else { panic!() };
    assert!(query.contains(r#"max("d") >= DATE '2020-01-03'"#), "{query}");
    let day = 86_400_000_000 * 18_262;
    let told = |groups, stale, oldest, empty| {
        verdict(&[vec![Value::Int(groups), Value::Int(stale), oldest, Value::Int(empty)]])
    };
    let stale = told(3, 2, Value::Timestamp(day), 1);
    assert_eq!((stale.passed, stale.violations, stale.total), (false, 2, Some(3)));
    assert_eq!(
        stale.observed.unwrap(),
        "2 of 3 groups are not fresh, 1 without any value; the newest of the stalest is 2020-01-01T00:00:00Z, 54.0 hours old"
    );
    assert!(told(3, 0, Value::Timestamp(day), 0).passed);
    // Of no rows, nothing is known to be fresh.
    assert!(!told(0, 0, Value::Null, 0).passed);
}

#[test]
fn a_key_may_be_one_of_a_table_that_a_source_reads() {
    let plan = plan("foreign_key: { columns: [i], references: { connection: erp, table: items }, to: [id] }").unwrap();
    assert_eq!(plan.name, "foreign_key(i in erp items: id)");
    let [other] = &plan.others[..] else { panic!("{:?}", plan.others) };
    let Evaluation::Count { count, show } = &plan.evaluation else { panic!() };
    assert!(count.contains(&format!("FROM {} AS", other.name)) && show.contains(&other.name), "{count}");
    assert_eq!((plan.compared[0].table.as_str(), plan.compared[0].other.as_str()), (other.name.as_str(), "id"));
    for (references, want) in [("a b", "`a b` is not an asset key"), ("{ table: items }", "a map with `connection` or")]
    {
        let err =
            self::plan(&format!("foreign_key: {{ columns: [i], references: {references} }}")).map(|plan| plan.name);
        assert!(err.as_ref().is_err_and(|err| err.contains(want)), "{err:?}");
    }
}

#[test]
fn composites_of_functions_are_given_what_sql_says() {
    use arrow_array::{ArrayRef, BooleanArray, RecordBatch, StringArray};
    let text = "any_of: [i > 1, { all_of: [{ json: s }, f > 0] }, { format: { column: s, format: iban } }]";
    let plan = plan(text).unwrap();
    assert_eq!(plan.columns, ["s"]);
    let Evaluation::Mask { mask, given } = plan.evaluation else { panic!() };
    assert_eq!(given, ["(i > 1)", "(f > 0)"]);
    let texts = ["{}", "{}", "{", "{", "{}", "DE89370400440532013000", "{", "{"].map(Some);
    let mut texts = texts.to_vec();
    texts[7] = None;
    let (yes, no) = (Some(true), Some(false));
    let columns: [(&str, ArrayRef); 3] = [
        ("s", Arc::new(StringArray::from(texts))),
        ("first", Arc::new(BooleanArray::from(vec![no, no, no, yes, no, no, None, no]))),
        ("second", Arc::new(BooleanArray::from(vec![yes, no, yes, no, None, no, no, no]))),
    ];
    let good =
        mask(&RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap());
    let want = BooleanArray::from(vec![yes, no, no, yes, None, yes, None, None]);
    assert_eq!(good.unwrap(), want);
}

#[test]
fn composites_of_aggregates_hold_by_their_verdicts() {
    let checks = "[{ row_count: { min: 2, max: 3 } }, { aggregate: { function: max, column: i, max: 5 } }]";
    for (name, rows, max, passed) in [
        ("all_of", 2, 5, true),
        ("all_of", 2, 6, false),
        ("all_of", 1, 5, false),
        ("any_of", 1, 5, true),
        ("any_of", 2, 6, true),
        ("any_of", 4, 6, false),
    ] {
        let Evaluation::Aggregates { expressions, verdict } = plan(&format!("{name}: {checks}")).unwrap().evaluation
        else {
            panic!()
        };
        assert_eq!(expressions, ["count(*)", r#"max("i")"#]);
        let found = verdict(&[Value::Int(rows), Value::Int(max)]);
        assert_eq!((found.passed, found.violations), (passed, u64::from(!passed)), "{name} of {rows}, {max}");
        assert!(found.observed.unwrap().contains("; max(i) is "));
    }
    let fresh = "any_of: [{ freshness: { column: d, max_age: 1d } }, { row_count: 1 }]";
    assert!(matches!(plan(fresh).unwrap().evaluation, Evaluation::Aggregates { .. }));
    assert!(plan("all_of: [{ age: { column: d, max: 1d } }, i > 1]").unwrap().by_the_clock);
}

#[test]
fn composites_hold_the_predicates_of_their_checks() {
    let plan = plan("any_of: [i > 1 -- why, { not_null: s }]").unwrap();
    assert_eq!(plan.columns, ["s"]);
    let Evaluation::Rows { predicate } = plan.evaluation else { panic!() };
    assert_eq!(predicate, "(\n(\ni > 1 -- why\n)\n) OR (\"s\" IS NOT NULL)");
}
