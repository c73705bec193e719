//! Every promise that a plugin makes, whatever its kind, and those of transforms, tried on rows.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};

phlo_testkit::conformance!(phlo_transform_core);

#[test]
fn each_transform_does_the_same_to_rows_however_they_are_divided() {
    let columns: [(&str, ArrayRef); 3] = [
        ("id", Arc::new(Int64Array::from(vec![Some(1), None, Some(300), Some(1)]))),
        ("text", Arc::new(StringArray::from(vec![Some("7"), None, Some("x"), Some("")]))),
        ("share", Arc::new(Float64Array::from(vec![Some(0.5), None, Some(f64::NAN), Some(-0.0)]))),
    ];
    let input = RecordBatch::try_from_iter(columns).unwrap();
    for (name, params) in [
        ("rename", "columns: {id: key}"),
        ("cast", "{columns: {id: int8, text: int64, share: string}, on_error: null}"),
        ("select", "[share, id]"),
        ("drop", "[text]"),
        ("filter", "id > 1"),
        ("derive", "columns: {double: id * 2}"),
        ("deduplicate", "{columns: [id], order_by: [text]}"),
    ] {
        phlo_testkit::transform::suite(name, params, &input);
    }
}
