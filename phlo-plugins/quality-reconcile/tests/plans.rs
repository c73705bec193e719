//! What the checks' parameters become: the names, and what is refused, with what is told.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use arrow_schema::{DataType, Field, IntervalUnit, Schema};
use phlo_plugin::prelude::*;
use phlo_quality_reconcile as _;

/// The check in `text`, for a table of a few types; as an asset's file would make it.
fn plan(text: &str) -> Result<CheckPlan, String> {
    let columns = [
        ("i", DataType::Int64),
        ("s", DataType::Utf8),
        ("x", DataType::Binary),
        ("l", DataType::List(Arc::new(Field::new("item", DataType::Int64, true)))),
        ("v", DataType::Interval(IntervalUnit::MonthDayNano)),
    ];
    let columns = columns.map(|(name, data_type)| Field::new(name, data_type, true)).to_vec();
    phlo_testkit::quality::plan(text, Some(Arc::new(Schema::new(columns)))).map_err(|err| {
        let hints = err.hints().iter().map(|hint| format!(" [{hint}]")).collect::<Vec<_>>().concat();
        format!("{}{hints}", err.message())
    })
}

#[test]
fn names_tell_what_was_said_and_nothing_of_what_was_not() {
    for (text, name) in [
        ("reconcile_diff: { with: a.c, key: i, columns: [s] }", "reconcile_diff(s; by i; a.c)"),
        ("reconcile_diff: { with: a.c, key: [i], columns: [s] }", "reconcile_diff(s; by i; a.c)"),
        ("reconcile_diff: { with: a.c, key: [s, i], columns: [x], ranges: 1024 }", "reconcile_diff(x; by s, i; a.c)"),
        ("reconcile_diff: { with: a.c, key: x, columns: [s], ranges: 9 }", "reconcile_diff(s; by x; a.c; 9 ranges)"),
        ("reconcile_checksum: { with: a.c, columns: [s] }", "reconcile_checksum(s; a.c)"),
        ("reconcile_checksum: { with: a.c, columns: [s], hash: md5 }", "reconcile_checksum(s; a.c)"),
        (
            "reconcile_checksum: { with: a.c, columns: [s], key: [i], fraction: 0.1, hash: sha256 }",
            "reconcile_checksum(s; by i; a.c; of a fraction of 0.1; sha256)",
        ),
        ("reconcile_aggregates: { with: a.c, aggregate: 'count(*)' }", "reconcile_aggregates(count(*); a.c)"),
        ("reconcile_aggregates: { with: a.c, aggregate: { sql: 'count(*)' } }", "reconcile_aggregates(count(*); a.c)"),
        (
            "reconcile_aggregates: { with: a.c, aggregate: { this: 'sum(i)', other: 'sum(j)' }, absolute: 2 }",
            "reconcile_aggregates(sum(i) as sum(j); a.c; absolute 2)",
        ),
        (
            "reconcile_multi: { with: a.c, aggregates: { n: 'count(*)', t: { sum: i, relative: 0.5 }, u: { max: i, absolute: 0 } } }",
            "reconcile_multi(n: count(*), t: sum(i) relative 0.5, u: max(i) absolute 0; a.c)",
        ),
    ] {
        assert_eq!(plan(text).map(|plan| plan.name), Ok(name.to_owned()), "{text}");
    }
}

#[test]
fn what_cannot_be_meant_is_refused_with_the_next_step() {
    for (text, told) in [
        (
            "reconcile_diff: { with: a.c, key: l }",
            "`key` has `l`, whose type list<int64> has no order [name columns of single values, or compare without: `reconcile_checksum`]",
        ),
        (
            "reconcile_diff: { with: a.c, key: [i, v], columns: [s] }",
            "`key` has `v`, whose type Interval(MonthDayNano) has no order [",
        ),
        ("reconcile_diff: { with: a.c, key: [] }", "`key` is empty [name at least one column]"),
        ("reconcile_diff: { with: a.c, key: [i, i] }", "`key` names `i` twice [remove one of them]"),
        ("reconcile_diff: { with: a.c, key: i, columns: [i, s] }", "`columns` names `i`, which is the key ["),
        ("reconcile_diff: { with: a.c, key: { i: s } }", "expected a column's name, or a list of them"),
        ("reconcile_diff: { with: a.c, key: i, ranges: 10001 }", "`ranges` is 10001 [write a number from 1 to 10000]"),
        ("reconcile_diff: { with: a.c, key: i, ranges: 0 }", "`ranges` is 0 ["),
        (
            "reconcile_checksum: { with: a.c, columns: [s], fraction: 0 }",
            "`fraction` is 0, which is not above 0 and at most 1 [write e.g. 0.1, or remove it to compare all]",
        ),
        ("reconcile_checksum: { with: a.c, columns: [s], fraction: 1.5 }", "`fraction` is 1.5"),
        ("reconcile_checksum: { with: a.c, columns: [s], fraction: -0.1 }", "`fraction` is -0.1"),
        ("reconcile_checksum: { with: a.c, columns: [s], hash: xxhash64 }", "md5"),
        ("reconcile_multi: { with: a.c, aggregates: {} }", "`aggregates` is empty ["),
        (
            "reconcile_multi: { with: a.c, aggregates: { n: { sum: i, max: i } } }",
            "the aggregate `n` is several [keep one, and name others under `aggregates` of `reconcile_multi`]",
        ),
        (
            "reconcile_multi: { with: a.c, aggregates: { n: { absolute: 1 } } }",
            "the aggregate `n` is none [write a function of a column, e.g. `{sum: amount}`, or `sql`]",
        ),
        (
            "reconcile_multi: { with: a.c, aggregates: { n: { this: 'sum(i)' } } }",
            "the aggregate `n` has `this` without `other` [write SQL for each side, or `sql` for both]",
        ),
        (
            "reconcile_aggregates: { with: a.c, aggregate: { other: 'sum(i)' } }",
            "the aggregate has `other` without `this` [",
        ),
        ("reconcile_counts: a.b", "`with` is `a.b` itself, which is as it is [name another asset]"),
        ("reconcile_keys: { with: a.b, key: [i] }", "`with` is `a.b` itself"),
        (
            "reconcile_aggregates: { with: a.c, aggregate: { sum: i }, relative: 0.05, warn: {} }",
            "`warn` has neither `absolute` nor `relative` [",
        ),
        (
            "reconcile_aggregates: { with: a.c, aggregate: { sum: i }, relative: 0.05, warn: { relative: 0.05 } }",
            "`warn.relative` is 0.05, not below `relative`, which is 0.05 [beyond `relative` the check fails: write less, or leave it out]",
        ),
        (
            "reconcile_aggregates: { with: a.c, aggregate: { sum: i, absolute: 5 }, warn: { absolute: 1 } }",
            "`warn` has no say: each aggregate has an allowance of its own [write `warn` beside these, or remove it]",
        ),
        ("reconcile_aggregates: { with: a.c, aggregate: ' ' }", "the aggregate is empty [write SQL, e.g. `count(*)`]"),
        ("reconcile_aggregates: { with: a.c, aggregate: { sql: '' } }", "the aggregate is empty ["),
        (
            "reconcile_aggregates: { with: a.c, aggregate: { sum: i, absolute: -1 } }",
            "`absolute` is -1, which is not a number from 0 on [",
        ),
        (
            "reconcile_aggregates: { with: a.c, aggregate: { sum: i, relative: -0.5 } }",
            "`relative` is -0.5, which is not a number from 0 on [",
        ),
        ("reconcile_aggregates: { with: a.c, aggregate: { sum: i, abs_tolerance: 1 } }", "expected an SQL aggregate"),
    ] {
        let err = plan(text).map(|plan| plan.name).unwrap_err();
        assert!(err.contains(told), "{text}: {err}");
    }
}
