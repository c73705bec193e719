//! A check by a function over whole Arrow batches: for what SQL says badly, at the speed of arrays.

// begin: sorted_list
use arrow_array::cast::AsArray;
use arrow_cast::cast;
use arrow_schema::DataType;
use phlo_plugin::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

/// Texts are lists in ascending order. Null passes, and so does an empty table.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// The column, of texts.
    column: String,
    /// What stands between two items.
    separator: char,
}

struct SortedList;

impl Quality for SortedList {
    type Params = Params;

    fn check(&self, Params { column, separator }: Params, _: &CheckTarget) -> Result<CheckPlan> {
        let name = check_name("sorted_list", &format!("{column}, {separator}"));
        let (expected, columns) = (format!("{column} in order"), [column.clone()]);
        let sorted = move |text: &str| text.split(separator).is_sorted();
        let mask = Evaluation::mask(move |batch: &RecordBatch| {
            // Texts come in several layouts, by store and by source.
            let texts = batch.column_by_name(&column).and_then(|array| cast(array, &DataType::LargeUtf8).ok());
            let no_text = || Error::new(Code::CheckErrored, format!("`{column}` is no text"));
            // What is null stays null, which counts as good.
            Ok(texts.ok_or_else(no_text)?.as_string::<i64>().iter().map(|text| text.map(sorted)).collect())
        });
        Ok(CheckPlan::new(name, expected, mask).on(columns))
    }
}

phlo_plugin::register_check!(SortedList, name = "sorted_list", summary = "Texts are lists in ascending order");
// end
