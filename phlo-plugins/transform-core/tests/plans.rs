//! What each transform's parameters become: SQL or a function over batches, and what is refused, where.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, StringArray};
use arrow_cast::display::array_value_to_string;
use arrow_schema::{DataType, Field, TimeUnit};
use phlo_plugin::prelude::*;
use phlo_plugin::{Policy, Registry};
use phlo_transform_core as _;

fn plan(text: &str, input: &SchemaRef) -> Result<TransformPlan, String> {
    let registry = Registry::linked(&[]).unwrap().activate(Policy::default(), InitContext::at("/nowhere")).unwrap();
    let node = Node::parse(text, "a.yaml", 1).unwrap();
    let (name, params) = &node.entries().unwrap()[0];
    registry.transform(name.as_str().unwrap()).unwrap().plan(params, input).map_err(|err| {
        let place = err.place().map_or_else(|| "nowhere".to_owned(), ToString::to_string);
        let hints = err.hints().iter().map(|hint| format!(" [{hint}]")).collect::<Vec<_>>().concat();
        format!("{place}: {}: {}{hints}", err.code(), err.message())
    })
}

fn input() -> RecordBatch {
    let columns: [(&str, ArrayRef, bool); 3] = [
        ("id", Arc::new(Int64Array::from(vec![1, 2, 300])), false),
        ("text", Arc::new(StringArray::from(vec![Some("7"), None, Some("x")])), true),
        ("we\"ird", Arc::new(Float64Array::from(vec![Some(1.9), None, Some(f64::NAN)])), true),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

/// Applies a transform that is a function over batches.
fn apply(text: &str, batch: RecordBatch) -> Result<RecordBatch> {
    let TransformPlan::Batches { schema, map } =
        plan(text, &batch.schema()).unwrap_or_else(|err| panic!("{text}: {err}"))
    else {
        panic!("{text} is not a function over batches");
    };
    let output = map(batch)?;
    assert_eq!(output.schema(), schema, "{text}");
    Ok(output)
}

/// The names and rows, cells divided by `|`.
fn shown(batch: RecordBatch) -> String {
    let names = batch.schema().fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>().join("|");
    let row = |at| {
        batch.columns().iter().map(|column| array_value_to_string(column, at).unwrap()).collect::<Vec<_>>().join("|")
    };
    std::iter::once(names).chain((0..batch.num_rows()).map(row)).collect::<Vec<_>>().join(" / ")
}

#[test]
fn projections_and_casts_keep_rows_and_what_they_do_not_name() {
    for (text, want) in [
        ("select: [text, id]", "text|id / 7|1 / |2 / x|300"),
        ("select: {columns: id}", "id / 1 / 2 / 300"),
        ("drop: [id]", "text|we\"ird / 7|1.9 / | / x|NaN"),
        ("drop: {columns: [text, 'we\"ird']}", "id / 1 / 2 / 300"),
        ("rename: {columns: {id: key}}", "key|text|we\"ird / 1|7|1.9 / 2|| / 300|x|NaN"),
        ("rename: {columns: {id: text, text: id}}", "text|id|we\"ird / 1|7|1.9 / 2|| / 300|x|NaN"),
        ("cast: {columns: {id: string}}", "id|text|we\"ird / 1|7|1.9 / 2|| / 300|x|NaN"),
        ("cast: {columns: {id: int8, text: int64}, on_error: null}", "id|text|we\"ird / 1|7|1.9 / 2|| / ||NaN"),
        ("cast: {columns: {'we\"ird': int64}, on_error: null}", "id|text|we\"ird / 1|7|1 / 2|| / 300|x|"),
    ] {
        assert_eq!(shown(apply(text, input()).unwrap()), want, "{text}");
    }
}

#[test]
fn casts_give_exactly_the_declared_types_and_null_makes_columns_nullable() {
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let date = |text: &str| {
        let column: ArrayRef = Arc::new(StringArray::from(vec![text]));
        RecordBatch::try_from_iter_with_nullable([("a", column, false)]).unwrap()
    };
    for (wanted, value, on_error, want, printed) in [
        ("int64", "7", "fail", Field::new("a", DataType::Int64, false), "a / 7"),
        ("int64", "7", "'null'", Field::new("a", DataType::Int64, true), "a / 7"),
        ("date", "2013-01-31", "fail", Field::new("a", DataType::Date32, false), "a / 2013-01-31"),
        ("timestamptz", "2013-01-31T06:00:00", "fail", Field::new("a", utc.clone(), false), "a / 2013-01-31T06:00:00Z"),
        ("timestamptz", "2013-01-31T06:00:00+02:00", "fail", Field::new("a", utc, false), "a / 2013-01-31T04:00:00Z"),
        ("decimal(9, 2)", "1.5", "fail", Field::new("a", DataType::Decimal128(9, 2), false), "a / 1.50"),
        ("boolean", "true", "fail", Field::new("a", DataType::Boolean, false), "a / true"),
        ("string", "x", "fail", Field::new("a", DataType::Utf8, false), "a / x"),
    ] {
        let output =
            apply(&format!("cast: {{columns: {{a: '{wanted}'}}, on_error: {on_error}}}"), date(value)).unwrap();
        assert_eq!(output.schema().field(0), &want);
        assert_eq!(shown(output), printed);
    }
}

#[test]
fn a_value_that_cannot_be_cast_fails_with_its_column_and_itself() {
    for (text, message, cause) in [
        ("cast: {columns: {text: int64}}", "a value of the column `text` cannot become int64", "'x'"),
        ("cast: {columns: {id: int8}}", "a value of the column `id` cannot become int8", "300"),
    ] {
        let err = apply(text, input()).unwrap_err();
        assert_eq!((err.code(), err.message()), (Code::MalformedData, message));
        assert!(err.chain().last().unwrap().contains(cause), "{:?}", err.chain());
        assert!(err.hints()[0].contains("on_error: null"));
    }
}

#[test]
fn a_batch_without_rows_or_of_another_shape_is_no_surprise() {
    let empty = input().slice(0, 0);
    assert_eq!(apply("select: [id]", empty).unwrap().num_rows(), 0);
    let TransformPlan::Batches { map, .. } = plan("select: [id]", &input().schema()).unwrap() else { panic!() };
    let narrow = input().project(&[0]).unwrap();
    assert_eq!(map(narrow).unwrap_err().code(), Code::Internal);
}

#[test]
fn metadata_of_columns_and_schema_survives() {
    let field = Field::new("a", DataType::Int64, true).with_metadata([("k".to_owned(), "v".to_owned())].into());
    let schema = Arc::new(Schema::new_with_metadata(vec![field], [("s".to_owned(), "t".to_owned())].into()));
    for text in ["select: [a]", "rename: {columns: {a: b}}", "cast: {columns: {a: string}}"] {
        let TransformPlan::Batches { schema, .. } = plan(text, &schema).unwrap() else { panic!("{text}") };
        assert_eq!((schema.metadata()["s"].as_str(), schema.field(0).metadata()["k"].as_str()), ("t", "v"), "{text}");
    }
}

#[test]
fn the_others_become_a_query_over_input() {
    for (text, want) in [
        ("filter: id > 1", "SELECT * FROM input WHERE (\nid > 1\n)"),
        ("filter: {where: 'id > 1 -- big'}", "SELECT * FROM input WHERE (\nid > 1 -- big\n)"),
        (
            "derive: {columns: {double: id * 2, text: upper(text), half: id / 2}}",
            "SELECT \"id\", (\nupper(text)\n) AS \"text\", \"we\"\"ird\", (\nid * 2\n) AS \"double\", (\nid / 2\n) AS \"half\" FROM input",
        ),
        (
            "deduplicate: {columns: [id], order_by: [text]}",
            "SELECT \"id\", \"text\", \"we\"\"ird\" FROM (SELECT *, row_number() OVER (PARTITION BY \"id\" ORDER BY \"text\" DESC NULLS LAST) \
             AS \"_phlo_row\" FROM input) WHERE \"_phlo_row\" = 1 OR \"id\" IS NULL",
        ),
        (
            "deduplicate: {columns: [text, 'we\"ird'], keep: first, order_by: [id, text]}",
            "SELECT \"id\", \"text\", \"we\"\"ird\" FROM (SELECT *, row_number() OVER (PARTITION BY \"text\", \"we\"\"ird\" \
             ORDER BY \"id\" ASC NULLS LAST, \"text\" ASC NULLS LAST) AS \"_phlo_row\" FROM input) \
             WHERE \"_phlo_row\" = 1 OR \"text\" IS NULL OR \"we\"\"ird\" IS NULL",
        ),
    ] {
        match plan(text, &input().schema()) {
            Ok(TransformPlan::Sql(sql)) => assert_eq!(sql, want, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn bad_parameters_are_refused_at_their_place_and_the_message_names_them() {
    for (text, want) in [
        ("rename: {columns: {}}", "a.yaml:1:9: P1004: `columns` is empty"),
        ("rename: {columns: {ids: key}}", "a.yaml:1:9: P5003: there is no column `ids` [did you mean `id`?]"),
        (
            "rename: {columns: {zzzzzz: key}}",
            "a.yaml:1:9: P5003: there is no column `zzzzzz` [columns: id, text, we\"ird]",
        ),
        ("rename: {columns: {id: text}}", "a.yaml:1:9: P1004: there would be two columns `text`"),
        ("rename: {columns: {id: k, text: k}}", "a.yaml:1:9: P1004: there would be two columns `k`"),
        ("rename: {columns: {id: ' '}}", "a.yaml:1:9: P1004: `columns` gives `id` an empty name"),
        ("rename: [id]", "a.yaml:1:9: P1004: expected a map, found a list"),
        ("rename: {column: {id: k}}", "a.yaml:1:10: P1002: unknown key `column` [did you mean `columns`?]"),
        ("cast: {columns: {id: int46}}", "a.yaml:1:22: P1004: unknown column type `int46`; did you mean `int16`?"),
        ("cast: {columns: {idd: int64}}", "a.yaml:1:7: P5003: there is no column `idd`"),
        (
            "cast: {columns: {'we\"ird': date}}",
            "a.yaml:1:7: P1004: `columns` casts `we\"ird` from float64 to date, which is not possible",
        ),
        (
            "cast: {columns: {id: int8}, on_error: skip}",
            "a.yaml:1:39: P1004: unknown value `skip` [one of: fail, null]",
        ),
        ("cast: {columns: {}}", "a.yaml:1:7: P1004: `columns` is empty"),
        ("deduplicate: {columns: [], order_by: [id]}", "a.yaml:1:14: P1004: `columns` is empty"),
        ("deduplicate: {columns: [id], order_by: []}", "a.yaml:1:14: P1004: `order_by` is empty"),
        ("deduplicate: {columns: [id]}", "a.yaml:1:14: P1003: missing key `order_by`"),
        ("deduplicate: {columns: [id, id], order_by: [id]}", "a.yaml:1:14: P1004: `columns` names `id` twice"),
        (
            "deduplicate: {columns: [id], order_by: [txt]}",
            "a.yaml:1:14: P5003: there is no column `txt` [did you mean `text`?]",
        ),
        ("deduplicate: {columns: [id], order_by: [id], keep: newest}", "a.yaml:1:52: P1004: unknown value `newest`"),
        ("select: []", "a.yaml:1:9: P1004: `columns` is empty"),
        ("select: [id, nope]", "a.yaml:1:9: P5003: there is no column `nope`"),
        ("select: [id, id]", "a.yaml:1:9: P1004: `columns` names `id` twice"),
        ("drop: [ix]", "a.yaml:1:7: P5003: there is no column `ix` [did you mean `id`?]"),
        ("drop: [id, text, 'we\"ird']", "a.yaml:1:7: P1004: `columns` names every column, and none would be left"),
        ("filter: ' '", "a.yaml:1:9: P1004: `where` is empty"),
        ("filter: {condition: id > 1}", "a.yaml:1:10: P1002: unknown key `condition`"),
        ("derive: {columns: {}}", "a.yaml:1:9: P1004: `columns` is empty"),
        ("derive: {columns: {a: ''}}", "a.yaml:1:9: P1004: `columns` has no expression for `a`"),
    ] {
        let got = plan(text, &input().schema()).map(|plan| format!("{plan:?}")).unwrap_err();
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
