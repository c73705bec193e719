//! Rows of a query as a grid, as CSV and as JSON, batch by batch, so that memory does not grow with the answer.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{ArrowError, DataType, Schema, SchemaRef};
use phlo_plugin::schema::type_name;
use serde_json::{Value, json};

use crate::printer::Printer;
use crate::render::Tone;
use crate::render::table::{Cell, Table};

/// The columns, for `--json`.
pub(crate) fn columns(schema: &SchemaRef) -> Value {
    schema
        .fields()
        .iter()
        .map(|f| json!({ "name": f.name(), "type": type_name(f.data_type()), "nullable": f.is_nullable() }))
        .collect()
}

/// A grid of these rows.
///
/// # Errors
/// A value that cannot be written as text.
pub(crate) fn grid(printer: &Printer, schema: &SchemaRef, batches: &[RecordBatch]) -> Result<String, ArrowError> {
    let headings: Vec<_> = schema
        .fields()
        .iter()
        .map(|f| if is_number(f.data_type()) { format!(">{}", f.name()) } else { f.name().clone() })
        .collect();
    let mut table = Table::grid(printer, &headings.iter().map(String::as_str).collect::<Vec<_>>());
    let options = FormatOptions::default();
    for batch in batches {
        let columns = batch
            .columns()
            .iter()
            .map(|c| ArrayFormatter::try_new(c.as_ref(), &options))
            .collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            let mut cells = Vec::with_capacity(columns.len());
            for (column, values) in columns.iter().zip(batch.columns()) {
                cells.push(if values.is_null(row) {
                    Cell::toned(("null", Tone::Dim))
                } else {
                    Cell::from(column.value(row).try_to_string()?)
                });
            }
            table.row(cells);
        }
    }
    Ok(table.text())
}

/// The batch as CSV, without secrets; nested values are JSON texts in it.
///
/// # Errors
/// A type that neither CSV nor JSON can hold.
pub(crate) fn csv(printer: &Printer, batch: &RecordBatch, header: bool) -> Result<String, ArrowError> {
    let flat = flat(batch)?;
    let text = csv_text(&flat, header)?;
    // Few rows hold a secret: one search of all of them tells. Inside quotes a quote is doubled.
    let doubled = text.contains("\"\"") && printer.finds(&text.replace("\"\"", "\""));
    if !doubled && !printer.finds(&text) {
        return Ok(text);
    }
    let nested = batch.columns().iter().map(|column| column.data_type().is_nested());
    csv_text(&without_secrets(printer, &flat, nested)?, header)
}

fn csv_text(batch: &RecordBatch, header: bool) -> Result<String, ArrowError> {
    let mut writer = arrow_csv::WriterBuilder::new().with_header(header).build(Vec::new());
    writer.write(batch)?;
    text(writer.into_inner())
}

// Nested values as JSON texts.
fn flat(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let values = |column: &ArrayRef| {
        // Each line is `{"v":…}`.
        let lines = json_lines(&RecordBatch::try_from_iter_with_nullable([("v", column.clone(), true)])?)?;
        let value = |line: &str| line.strip_prefix("{\"v\":").and_then(|v| v.strip_suffix('}')).map(str::to_owned);
        let texts = lines.lines().enumerate().map(|(row, line)| if column.is_null(row) { None } else { value(line) });
        Ok::<_, ArrowError>(Arc::new(texts.collect::<StringArray>()) as ArrayRef)
    };
    with_texts(batch, |_, column| column.data_type().is_nested().then(|| values(column)).transpose())
}

// The batch with secrets taken out of its texts; numbers are none. What was nested is JSON.
fn without_secrets(
    printer: &Printer,
    batch: &RecordBatch,
    nested: impl Iterator<Item = bool>,
) -> Result<RecordBatch, ArrowError> {
    let nested: Vec<bool> = nested.collect();
    with_texts(batch, |at, column| {
        let inner = match column.data_type() {
            DataType::Dictionary(_, values) => values.as_ref(),
            other => other,
        };
        if !matches!(inner, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) {
            return Ok(None);
        }
        let texts = arrow_cast::cast(column, &DataType::Utf8)?;
        let clean = |text: &str| if nested[at] { printer.clean_json(text) } else { printer.clean(text) };
        let clean = texts.as_string::<i32>().iter().map(|text| text.map(clean));
        Ok(Some(Arc::new(clean.collect::<StringArray>()) as ArrayRef))
    })
}

// The batch with some of its columns made texts.
fn with_texts(
    batch: &RecordBatch,
    texts: impl Fn(usize, &ArrayRef) -> Result<Option<ArrayRef>, ArrowError>,
) -> Result<RecordBatch, ArrowError> {
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for (at, (field, column)) in batch.schema().fields().iter().zip(batch.columns()).enumerate() {
        match texts(at, column)? {
            Some(texts) => {
                fields.push(Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8)));
                columns.push(texts);
            }
            None => {
                fields.push(field.clone());
                columns.push(column.clone());
            }
        }
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

/// Stands for a value that is not shown.
pub(crate) const MASKED: &str = "***";

/// The batch with the values of these columns masked; nulls stay.
///
/// # Errors
/// None that is known.
pub(crate) fn masked(batch: &RecordBatch, sensitive: &[String]) -> Result<RecordBatch, ArrowError> {
    let schema = batch.schema();
    with_texts(batch, |at, column| {
        if !sensitive.contains(schema.field(at).name()) {
            return Ok(None);
        }
        let nulls = column.logical_nulls();
        let shown =
            (0..column.len()).map(|row| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)).then_some(MASKED));
        Ok(Some(Arc::new(shown.collect::<StringArray>()) as ArrayRef))
    })
}

/// The batch as JSON objects, one a line; nulls are written.
///
/// # Errors
/// A type that JSON cannot hold.
pub(crate) fn json_lines(batch: &RecordBatch) -> Result<String, ArrowError> {
    let builder = arrow_json::WriterBuilder::new().with_explicit_nulls(true);
    let mut writer = builder.build::<_, arrow_json::writer::LineDelimited>(Vec::new());
    writer.write(batch)?;
    writer.finish()?;
    text(writer.into_inner())
}

fn text(bytes: Vec<u8>) -> Result<String, ArrowError> {
    String::from_utf8(bytes).map_err(|_| ArrowError::InvalidArgumentError("the text is not UTF-8".to_owned()))
}

fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printer::Wishes;
    use anstream::adapter::strip_str;
    use arrow_array::{Float64Array, Int64Array, TimestampMicrosecondArray};
    use arrow_schema::Field;
    use phlo_spec::Redactor;

    fn batch() -> RecordBatch {
        RecordBatch::try_from_iter_with_nullable([
            ("carrier", Arc::new(StringArray::from(vec![Some("HA, Inc."), None])) as ArrayRef, true),
            ("delay", Arc::new(Int64Array::from(vec![Some(1301), Some(-5)])), true),
            ("share", Arc::new(Float64Array::from(vec![Some(0.25), None])), true),
            ("at", Arc::new(TimestampMicrosecondArray::from(vec![0, 1_500_000]).with_timezone("UTC")), false),
        ])
        .unwrap()
    }

    #[test]
    fn rows_read_the_same_in_every_format() {
        let printer = Printer::new(Wishes::default());
        let (batch, schema) = (batch(), batch().schema());
        insta::assert_snapshot!(strip_str(&grid(&printer, &schema, std::slice::from_ref(&batch)).unwrap()).to_string(), @"
        ┌──────────┬───────┬───────┬──────────────────────────┐
        │ carrier  ┆ delay ┆ share ┆ at                       │
        ╞══════════╪═══════╪═══════╪══════════════════════════╡
        │ HA, Inc. ┆  1301 ┆  0.25 ┆ 1970-01-01T00:00:00Z     │
        │ null     ┆    -5 ┆  null ┆ 1970-01-01T00:00:01.500Z │
        └──────────┴───────┴───────┴──────────────────────────┘
        ");
        insta::assert_snapshot!(csv(&printer, &batch, true).unwrap(), @r#"
        carrier,delay,share,at
        "HA, Inc.",1301,0.25,1970-01-01T00:00:00Z
        ,-5,,1970-01-01T00:00:01.500Z
        "#);
        insta::assert_snapshot!(json_lines(&batch).unwrap(), @r#"
        {"carrier":"HA, Inc.","delay":1301,"share":0.25,"at":"1970-01-01T00:00:00Z"}
        {"carrier":null,"delay":-5,"share":null,"at":"1970-01-01T00:00:01.500Z"}
        "#);
        insta::assert_snapshot!(
            columns(&schema)[0].to_string(),
            @r#"{"name":"carrier","type":"string","nullable":true}"#
        );
    }

    #[test]
    fn secrets_are_taken_out_of_texts_and_not_out_of_numbers() {
        let printer = Printer::new(Wishes::default());
        let redactor = Redactor::default();
        redactor.add("1301");
        redactor.add("HA, Inc.");
        printer.redact_with(redactor);
        let clean = csv(&printer, &batch(), false).unwrap();
        assert!(clean.starts_with("***,1301,0.25,"), "{clean}");
    }

    #[test]
    fn nested_values_are_json_in_csv_and_stay_it_without_secrets() {
        let rows = arrow_json::ReaderBuilder::new(Arc::new(Schema::new(vec![
            Field::new("id", DataType::Int64, false),
            Field::new_list("tags", Field::new_list_field(DataType::Utf8, true), true),
        ])))
        .build(r#"{"id":1301,"tags":["a \"b\"","x1301"]} {"id":2,"tags":null} {"id":3,"tags":[]}"#.as_bytes());
        let batch = rows.unwrap().next().unwrap().unwrap();
        let printer = Printer::new(Wishes::default());
        insta::assert_snapshot!(csv(&printer, &batch, true).unwrap(), @r##"
        id,tags
        1301,"[""a \""b\"""",""x1301""]"
        2,
        3,[]
        "##);
        let redactor = Redactor::default();
        redactor.add("1301");
        redactor.add("a \"b\"");
        printer.redact_with(redactor);
        let clean = csv(&printer, &batch, false).unwrap();
        assert!(clean.starts_with("1301,\"[\"\"***\"\",\"\"x***\"\"]\"\n"), "{clean}");
    }

    #[test]
    fn a_sensitive_column_shows_where_it_has_a_value_and_not_which() {
        let masked = masked(&batch(), &["carrier".to_owned(), "delay".to_owned()]).unwrap();
        insta::assert_snapshot!(json_lines(&masked).unwrap(), @r#"
        {"carrier":"***","delay":"***","share":0.25,"at":"1970-01-01T00:00:00Z"}
        {"carrier":null,"delay":"***","share":null,"at":"1970-01-01T00:00:01.500Z"}
        "#);
    }

    #[test]
    fn no_rows_still_have_columns() {
        let printer = Printer::new(Wishes::default());
        assert!(grid(&printer, &batch().schema(), &[]).unwrap().contains("carrier"));
        assert_eq!(csv(&printer, &batch().slice(0, 0), true).unwrap(), "carrier,delay,share,at\n");
        assert_eq!(json_lines(&batch().slice(0, 0)).unwrap(), "");
    }
}
