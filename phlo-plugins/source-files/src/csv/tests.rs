//! Blocks, however they are cut, against readers of the whole text: csv-core for the structure, arrow-csv for the values.

use std::collections::BTreeSet;
use std::io::{Cursor, Read};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use proptest::prelude::*;

use super::CsvSplit;
use super::decode::{Decoder, Fault, FaultKind, Layout, Nulls};
use super::scan::{Cut, Cutter, Dialect, Fields};
use crate::blocks::{BlockReader, ReadError};

/// The records of a text, read at once.
fn records(dialect: Dialect, text: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let mut reader = dialect.reader();
    let (mut out, mut ends) = (vec![0; text.len() + 1], vec![0; text.len() + 2]);
    let (mut records, mut read) = (Vec::new(), 0);
    loop {
        let (mut written, mut fields) = (0, 0);
        loop {
            let (result, bytes, copied, found) =
                reader.read_record(&text[read..], &mut out[written..], &mut ends[fields..]);
            (read, written, fields) = (read + bytes, written + copied, fields + found);
            match result {
                csv_core::ReadRecordResult::Record => break,
                csv_core::ReadRecordResult::End => return records,
                csv_core::ReadRecordResult::InputEmpty => {}
                other => panic!("{other:?}"),
            }
        }
        let starts = std::iter::once(&0).chain(&ends);
        records.push(starts.zip(&ends[..fields]).map(|(&start, &end)| out[start..end].to_vec()).collect());
    }
}

/// The records of a text, read block by block; `None` if a quote stays open, which csv-core lets pass.
fn records_by_block(dialect: Dialect, text: &[u8], size: usize) -> Option<Vec<Vec<Vec<u8>>>> {
    let mut blocks = BlockReader::new(text, Box::new(CsvSplit::new(dialect)));
    let mut all = Vec::new();
    loop {
        match blocks.next(size, Vec::new()) {
            Ok(Some(block)) => all.extend(records(dialect, &block.data[..block.len])),
            Ok(None) => return Some(all),
            Err(ReadError::Broken(_, why)) if why.contains("never closed") => return None,
            Err(err) => panic!("{err:?}"),
        }
    }
}

fn schema(types: &[DataType]) -> SchemaRef {
    let field = |(index, data_type): (usize, &DataType)| Field::new(format!("c{index}"), data_type.clone(), true);
    Arc::new(Schema::new(types.iter().enumerate().map(field).collect::<Vec<_>>()))
}

/// The rows of a text without header, decoded block by block.
fn decode(
    dialect: Dialect,
    nulls: &[&str],
    schema: &SchemaRef,
    text: impl Read,
    size: usize,
) -> Result<RecordBatch, Fault> {
    let mut blocks = BlockReader::new(text, Box::new(CsvSplit::new(dialect)));
    let declared: BTreeSet<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
    let mut decoder = Decoder::new(dialect, Nulls::new(nulls), schema.clone(), &declared);
    let width = schema.fields().len();
    let layout = Layout { width, fields: (0..width).map(Some).collect() };
    let mut batches = Vec::new();
    let mut spare = Vec::new();
    while let Some(block) = blocks.next(size, spare).unwrap() {
        batches.push(decoder.decode(&layout, &block.data, block.len)?);
        spare = block.data;
    }
    Ok(arrow_select::concat::concat_batches(schema, &batches).unwrap())
}

/// The same, decoded by arrow-csv at once.
fn decode_at_once(dialect: Dialect, schema: &SchemaRef, text: &[u8]) -> RecordBatch {
    let mut builder =
        arrow_csv::ReaderBuilder::new(schema.clone()).with_delimiter(dialect.delimiter).with_batch_size(1000);
    if let Some(quote) = dialect.quote {
        builder = builder.with_quote(quote);
    }
    if let Some(escape) = dialect.escape {
        builder = builder.with_escape(escape);
    }
    if let Some(comment) = dialect.comment {
        builder = builder.with_comment(comment);
    }
    let batches: Vec<_> = builder.build(Cursor::new(text)).unwrap().collect::<Result<_, _>>().unwrap();
    arrow_select::concat::concat_batches(schema, &batches).unwrap()
}

fn dialects() -> impl Strategy<Value = Dialect> {
    (
        prop_oneof![3 => Just(None), 1 => Just(Some(b'\\'))],
        prop_oneof![3 => Just(None), 1 => Just(Some(b'#'))],
        any::<bool>(),
    )
        .prop_map(|(escape, comment, tab)| Dialect {
            delimiter: if tab { b'\t' } else { b',' },
            quote: Some(b'"'),
            escape,
            comment,
        })
}

/// A field as it may stand in a file: plain, quoted, or quoted in ways that only csv-core understands.
fn raw_field() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z0-9 é]{0,6}",
        1 => "[a-z]{60,90}",
        2 => "[a-z,\t\n\r#é]{0,8}".prop_map(|text| format!("\"{text}\"")),
        2 => "[a-z,\n]{0,3}(\"\")?[a-z,\n]{0,3}".prop_map(|text| format!("\"{text}\"")),
        1 => "[a-z]{1,3}\"[a-z]{0,3}",
        1 => "\"[a-z,]{0,3}\"[a-z]{1,2}\"?",
    ]
}

fn raw_lines(width: usize) -> impl Strategy<Value = String> {
    let end =
        prop_oneof![6 => Just("\n"), 2 => Just("\r\n"), 1 => Just("\r"), 1 => Just("\n\n"), 1 => Just("\r\n\r\n")];
    let line = (prop::collection::vec(raw_field(), width), end);
    (prop::collection::vec(line, 0..30), any::<bool>()).prop_map(|(lines, ended)| {
        let mut text: String = lines.iter().map(|(fields, end)| fields.join(",") + end).collect();
        if !ended && text.ends_with('\n') {
            text.pop();
        }
        text
    })
}

/// Plain lines of one kind of line end, most of which the fast reader takes.
fn typed_lines() -> impl Strategy<Value = String> {
    let row = (
        prop_oneof![
            Just(String::new()),
            any::<i64>().prop_map(|v| v.to_string()),
            (-999..999_i64).prop_map(|v| v.to_string())
        ],
        prop_oneof![
            Just(String::new()),
            any::<f64>().prop_filter("a number", |v| v.is_finite()).prop_map(|v| v.to_string()),
            "-?[0-9]{1,9}\\.[0-9]{1,6}"
        ],
        prop_oneof![Just(String::new()), Just("true".to_owned()), Just("FALSE".to_owned())],
        prop_oneof![
            Just(String::new()),
            (0..3000_u32, 1..=12_u32, 1..=28_u32).prop_map(|(y, m, d)| format!("{y:04}-{m:02}-{d:02}"))
        ],
        prop_oneof![
            Just(String::new()),
            (0..24_u32, 0..60_u32).prop_map(|(h, m)| format!("2013-01-01T{h:02}:{m:02}:00.25"))
        ],
        prop_oneof![
            Just(String::new()),
            "[a-zé ]{0,40}",
            "[a-z, ]{0,20}(\"\")?[a-z\n]{0,20}".prop_map(|text| format!("\"{text}\""))
        ],
    );
    let quoted = row.prop_flat_map(|(a, b, c, d, e, f)| {
        any::<[bool; 5]>().prop_map(move |quotes| {
            let fields = [&a, &b, &c, &d, &e].into_iter().zip(quotes);
            let fields = fields.map(|(field, quote)| if quote { format!("\"{field}\"") } else { field.clone() });
            fields.chain([f.clone()]).collect::<Vec<_>>().join(",")
        })
    });
    (prop::collection::vec(quoted, 1..60), prop_oneof![Just("\n"), Just("\r\n")])
        .prop_map(|(rows, end)| rows.iter().map(|row| row.clone() + end).collect())
}

fn typed() -> SchemaRef {
    schema(&[
        DataType::Int64,
        DataType::Float64,
        DataType::Boolean,
        DataType::Date32,
        DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Utf8,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_text_has_the_same_records_however_it_is_cut(text in "[ab\",\n\r\\\\#é]{0,80}", dialect in dialects(), size in 1..40_usize) {
        // csv-core makes a record of a comment that ends the text; our texts end with a line end.
        let whole = records(dialect, format!("{text}\n").as_bytes());
        if let Some(found) = records_by_block(dialect, text.as_bytes(), size) {
            prop_assert_eq!(found, whole);
        }
    }

    #[test]
    fn records_of_one_width_have_the_same_texts_however_they_are_cut(text in raw_lines(3), size in 1..200_usize) {
        let (dialect, schema) = (Dialect::default(), schema(&[DataType::Utf8, DataType::Utf8, DataType::Utf8]));
        let whole = records(dialect, text.as_bytes());
        // A quote in a place where it opens nothing can join fields, for csv-core and for us.
        prop_assume!(whole.iter().all(|record| record.len() == 3));
        let cut = records_by_block(dialect, text.as_bytes(), size);
        prop_assume!(cut.is_some());
        let found = decode(dialect, &[""], &schema, text.as_bytes(), size).unwrap();
        prop_assert_eq!(found, decode_at_once(dialect, &schema, text.as_bytes()));
    }

    #[test]
    fn values_are_those_of_arrow_csv_however_the_text_is_cut_and_compressed(text in typed_lines(), size in 1..2000_usize, compressed in 0..3) {
        let (dialect, schema) = (Dialect::default(), typed());
        let text = text.as_bytes();
        let found = match compressed {
            0 => decode(dialect, &[""], &schema, text, size),
            1 => {
                let mut gzip = flate2::read::GzEncoder::new(text, flate2::Compression::fast());
                let mut bytes = Vec::new();
                gzip.read_to_end(&mut bytes).unwrap();
                decode(dialect, &[""], &schema, flate2::bufread::MultiGzDecoder::new(&*bytes), size)
            }
            _ => {
                let bytes = zstd::encode_all(text, 1).unwrap();
                decode(dialect, &[""], &schema, zstd::Decoder::new(&*bytes).unwrap(), size)
            }
        };
        prop_assert_eq!(found.unwrap(), decode_at_once(dialect, &schema, text));
    }
}

#[test]
fn plain_text_is_read_the_fast_way_and_only_plain_text() {
    for (text, fast) in [
        ("1,a\n2,b\n", true),
        ("1,\"a,\n\"\"b\"\r\n2,b\r\n", true),
        ("1,a\r2,b\r", true),
        ("1,a\n\n2,b\n", false),
        ("1,a\"b\n2,c\"\n", false),
        ("\n1,a\n", false),
    ] {
        let mut data = text.as_bytes().to_vec();
        data.resize(text.len() + super::scan::PADDING, b'\n');
        let mut fields = Fields::default();
        fields.scan(Dialect::default(), 2, &data, text.len()).unwrap();
        assert_eq!(!fields.is_exact(), fast, "{text:?}");
        assert_eq!(fields.rows(), 2 - usize::from(text.starts_with('\n')), "{text:?}");
    }
}

#[test]
fn a_cut_never_falls_within_a_record() {
    let escaped = Dialect { escape: Some(b'\\'), ..Dialect::default() };
    let commented = Dialect { comment: Some(b'#'), ..Dialect::default() };
    let unquoted = Dialect { quote: None, ..Dialect::default() };
    let usual = Dialect::default();
    for (dialect, text, end, open_quote) in [
        (usual, "a,b\nc,", 4, None),
        (usual, "a,\"b\nc", 0, Some(2)),
        (usual, "a\n\"b\nc", 2, Some(2)),
        (usual, "a\n\"b\n\"\"c\n", 2, Some(2)),
        (usual, "a\n\"b\nc\"", 2, Some(2)),
        (usual, "a\n\"b\nc\"\nd", 8, None),
        (usual, "5\" pipe\nx", 8, None),
        (escaped, "\"a\\\"\nb\"\nc", 8, None),
        (commented, "#it's \"\na\nb", 10, None),
        (unquoted, "\"a\nb", 3, None),
    ] {
        let cut = Cutter::default().cut(dialect, text.as_bytes());
        assert_eq!(cut, Cut { end, open_quote }, "{text:?}");
    }
}

#[test]
fn faults_name_the_record_and_the_value() {
    let schema = schema(&[DataType::Int64, DataType::Utf8]);
    for (text, at, kind) in [
        ("1,a\nx,b\n", 4, FaultKind::Value(0, b"x".to_vec())),
        ("1,a\n\"x\"\"\",b\n", 4, FaultKind::Value(0, b"x\"".to_vec())),
        ("1,a\n2\n", 4, FaultKind::Width(1)),
        ("1,a\n\n\n2,b,c,d\n", 6, FaultKind::Width(3)),
        ("1,a\n\n99999999999999999999,b\n", 5, FaultKind::Value(0, b"99999999999999999999".to_vec())),
    ] {
        let fault = decode(Dialect::default(), &[""], &schema, text.as_bytes(), 1 << 20).unwrap_err();
        assert_eq!(fault, Fault { at, kind }, "{text:?}");
    }
    let fault = decode(Dialect::default(), &[""], &schema, &b"1,a\n2,\xFF\n"[..], 1 << 20).unwrap_err();
    assert_eq!(fault, Fault { at: 4, kind: FaultKind::Utf8(1) });
}

#[test]
fn missing_values_are_those_that_are_listed_and_empty_ones_that_are_not_texts() {
    let schema = schema(&[DataType::Int64, DataType::Utf8]);
    let text = "1,a\nNA,NA\n,\n\"NA\",\"\"\n";
    for (nulls, texts) in
        [(&["NA"][..], [Some("a"), None, Some(""), Some("")]), (&["NA", ""][..], [Some("a"), None, None, None])]
    {
        let batch = decode(Dialect::default(), nulls, &schema, text.as_bytes(), 1 << 20).unwrap();
        assert_eq!(batch.column(0).null_count(), 3);
        assert_eq!(batch.column(1).as_string::<i32>().iter().collect::<Vec<_>>(), texts, "{nulls:?}");
    }
}
