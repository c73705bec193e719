//! The source on real files: every format and compression, schemas of several files, cursors, and what bad input gets.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};

use arrow_array::{
    Array, ArrayRef, Decimal128Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use futures::TryStreamExt;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use phlo_plugin::prelude::*;
use phlo_plugin::schema::type_name;
use phlo_plugin::source::AnySource;
use phlo_source_files::FilesSource;
use phlo_testkit::fixture::{Project, rows};
use phlo_testkit::http::{HttpResponse, HttpServer};
use serde_json::Value;

/// What a reading gave.
#[derive(Debug)]
struct Got {
    /// `name:type` of each column.
    schema: String,
    /// Sorted.
    rows: Vec<String>,
    cursor: Value,
    bytes: u64,
    log: String,
}

async fn try_read(project: &Project, config: &str, columns: &[(&str, &str)], cursor: Option<Value>) -> Result<Got> {
    let source = FilesSource::create(NoSettings {}, &project.context())?;
    let config = source.parse(&Node::parse(config, "test.yaml", 1)?)?;
    let columns: BTreeMap<_, _> =
        columns.iter().map(|(name, kind)| ((*name).to_owned(), kind.parse().unwrap())).collect();
    let log = Arc::new(Mutex::new(String::new()));
    let emitter = Emitter::new({
        let log = log.clone();
        move |event| {
            log.lock().unwrap().push_str(&format!("{:?}", event.payload));
            Ok(())
        }
    });
    let context = SourceContext { columns, emitter, ..SourceContext::at(project.root()) };
    let request = ReadRequest { cursor, parallelism: 3, batch_rows: 8192 };
    let reading = AnySource::read(&source, &config, &context, request).await?;
    let mut batches: Vec<RecordBatch> = Vec::new();
    for stream in reading.streams {
        batches.extend(stream.try_collect::<Vec<_>>().await?);
    }
    assert!(batches.iter().all(|batch| batch.schema() == reading.schema));
    let mut rows = rows(&batches);
    rows.sort();
    let fields =
        reading.schema.fields().iter().map(|field| format!("{}:{}", field.name(), type_name(field.data_type())));
    Ok(Got {
        schema: fields.collect::<Vec<_>>().join(" "),
        rows,
        cursor: reading.checkpoint.get().unwrap(),
        bytes: reading.bytes.unwrap(),
        log: log.lock().unwrap().clone(),
    })
}

async fn read(project: &Project, config: &str) -> Got {
    try_read(project, config, &[], None).await.unwrap()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(text).unwrap();
    writer.finish().unwrap()
}

fn parquet(columns: &[(&str, ArrayRef)], rows_per_group: usize) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns.iter().map(|(name, array)| (*name, array.clone()))).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(rows_per_group)).build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn every_format_and_compression_gives_the_same_rows() {
    let texts = [
        ("a.csv", "id,name,at\n1,x,2013-01-01T10:00:00Z\n2,,2013-01-02T10:00:00Z\n", ""),
        ("a.tsv", "id\tname\tat\n1\tx\t2013-01-01T10:00:00Z\n2\t\t2013-01-02T10:00:00Z\n", ""),
        (
            "a.txt",
            "\u{feff}id;name;at\r\n1;'x';2013-01-01T10:00:00Z\r\n# two\r\n2;;2013-01-02T10:00:00Z",
            ", format: csv, delimiter: ;, quote: \"'\", comment: \"#\"",
        ),
        (
            "b.csv",
            "1,x,2013-01-01T10:00:00Z\n2,-,2013-01-02T10:00:00Z\n",
            ", header: false, names: [id, name, at], null_values: ['-']",
        ),
        (
            "a.ndjson",
            "{\"id\":1,\"name\":\"x\",\"at\":\"2013-01-01T10:00:00Z\"}\n\n{\"id\":2,\"at\":\"2013-01-02T10:00:00Z\"}",
            "",
        ),
        (
            "a.json",
            "[ {\"id\":1,\"name\":\"x\",\"at\":\"2013-01-01T10:00:00Z\"},\n{\"id\":2,\"name\":null,\"at\":\"2013-01-02T10:00:00Z\"} ]",
            "",
        ),
        (
            "b.json",
            "{\"id\":1,\n\"name\":\"x\",\"at\":\"2013-01-01T10:00:00Z\"}{\"id\":2,\"name\":null,\"at\":\"2013-01-02T10:00:00Z\"}",
            "",
        ),
    ];
    for (name, text, options) in texts {
        for (suffix, bytes, compression) in [
            ("", text.as_bytes().to_vec(), ""),
            (".gz", gzip(text.as_bytes()), ""),
            (".gz", [gzip(&text.as_bytes()[..20]), gzip(&text.as_bytes()[20..])].concat(), ""),
            (".zst", zstd::encode_all(text.as_bytes(), 1).unwrap(), ""),
            ("", gzip(text.as_bytes()), ", compression: gzip"),
            (".gz", text.as_bytes().to_vec(), ", compression: none"),
        ] {
            let project = Project::new().file(&format!("in/{name}{suffix}"), bytes);
            let got = read(&project, &format!("{{path: in/{name}{suffix}{options}{compression}}}")).await;
            assert_eq!(got.schema, "id:int64 name:string at:timestamptz", "{name}{suffix}");
            assert_eq!(got.rows, ["1|x|2013-01-01T10:00:00Z", "2|-|2013-01-02T10:00:00Z"], "{name}{suffix}");
        }
    }
}

#[tokio::test]
async fn types_are_inferred_from_what_the_values_are() {
    for (values, csv, json) in [
        ("1,-2,", "int64", "int64"),
        ("1,2.5", "float64", "float64"),
        ("1e3,nan", "float64", ""),
        ("true,FALSE", "boolean", ""),
        ("true,false", "boolean", "boolean"),
        ("2013-01-01,", "date", "date"),
        ("2013-01-01,2013-01-01 10:00:00", "timestamp", "timestamp"),
        ("2013-01-01T10:00:00Z,2013-01-01T10:00:00+02:00", "timestamptz", "timestamptz"),
        ("2013-01-01T10:00:00Z,2013-01-01T10:00:00", "string", "string"),
        ("2013-02-30,2013-01-01", "string", "string"),
        ("007,008", "string", "string"),
        ("9223372036854775808,1", "string", "string"),
        ("9007199254740993,1", "int64", "int64"),
        // The one would lose digits as a float.
        ("9007199254740993,1.5", "string", "string"),
        ("1,true", "string", "string"),
        ("1,x", "string", "string"),
        (",", "string", "string"),
    ] {
        let project = Project::new().file("a.csv", format!("n,v\n0,{}\n", values.replace(',', "\n0,")));
        assert_eq!(read(&project, "path: a.csv").await.schema, format!("n:int64 v:{csv}"), "{values}");
        if json.is_empty() {
            continue;
        }
        let bare = |value: &str| match value {
            "" => "null".to_owned(),
            "true" | "false" => value.to_owned(),
            // A number of JSON has no leading zeros.
            number if number.parse::<f64>().is_ok() && !number.starts_with("00") => value.to_owned(),
            text => format!("\"{text}\""),
        };
        let lines: String = values.split(',').map(|value| format!("{{\"v\":{}}}\n", bare(value))).collect();
        let project = Project::new().file("a.ndjson", lines);
        assert_eq!(read(&project, "path: a.ndjson").await.schema, format!("v:{json}"), "{values}");
    }
}

#[tokio::test]
async fn declared_columns_win_over_inference() {
    let project = Project::new()
        .file("a.csv", "a,b,c,d\n007,1,1.50,yes\n")
        .file("a.json", "{\"a\":7,\"b\":\"1\",\"c\":1.50,\"d\":\"no\"}");
    let columns = [("a", "string"), ("b", "int8"), ("c", "decimal(5,2)"), ("d", "boolean")];
    let got = try_read(&project, "path: a.csv", &columns, None).await.unwrap();
    assert_eq!(
        (got.schema.as_str(), got.rows[0].as_str()),
        ("a:string b:int8 c:decimal(5, 2) d:boolean", "007|1|1.50|true")
    );
    let got = try_read(&project, "path: a.json", &columns, None).await.unwrap();
    assert_eq!(
        (got.schema.as_str(), got.rows[0].as_str()),
        ("a:string b:int8 c:decimal(5, 2) d:boolean", "7|1|1.50|false")
    );
    let got = try_read(&project, "path: a.json", &[("e", "date")], None).await.unwrap();
    assert_eq!(
        (got.schema.as_str(), got.rows[0].as_str()),
        ("a:int64 b:string c:float64 d:string e:date", "7|1|1.5|no|-")
    );
    // A column that the files do not have may be made by the asset's transforms; the runtime asks for it after these.
    let got = try_read(&project, "path: a.csv", &[("e", "date")], None).await.unwrap();
    assert_eq!(got.schema, "a:string b:int64 c:float64 d:string");
}

#[tokio::test]
async fn files_are_matched_by_column_and_types_widened() {
    let project = Project::new()
        .file("in/1.csv", "a,b\n1,2\n")
        .file("in/2.csv", "c,a\nx,1.5\n")
        .file("in/3.csv", "")
        .file("in/4.csv", "b,a\n")
        .file("in/.hidden.csv", "z\n")
        .file("in/deep/5.csv", "a,b,c\n5,5,5\n");
    let got = read(&project, "path: in/*.csv").await;
    assert_eq!(
        (got.schema.as_str(), got.rows),
        ("a:float64 b:int64 c:string", vec!["1.0|2|-".to_owned(), "1.5|-|x".to_owned()])
    );
    assert_eq!(read(&project, "path: in/**/*.csv").await.rows.len(), 3);
    assert_eq!(read(&project, "path: ['in/[12].csv', in/1.csv]").await.rows.len(), 2);
    let absolute = project.root().join("in/1.csv");
    assert_eq!(read(&project, &format!("path: {}", absolute.display())).await.rows, ["1|2"]);
    assert_eq!(read(&project, &format!("path: file://{}", absolute.display())).await.rows, ["1|2"]);
}

#[tokio::test]
async fn objects_and_lists_keep_their_structure() {
    let lines = "{\"a\":{\"b\":[1,2.5],\"e\":{}},\"e\":{}}\n{\"a\":{\"c\":{\"d\":\"2013-01-01\"}},\"l\":[{\"x\":null},{\"x\":true}],\"e\":{}}\n";
    let got = read(&Project::new().file("a.jsonl", lines), "path: a.jsonl").await;
    assert_eq!(got.schema, "a:struct<b: list<float64>, c: struct<d: date>> l:list<struct<x: boolean>>");
    assert_eq!(got.rows, ["{b: -, c: {d: 2013-01-01}}|[{x: -}, {x: true}]", "{b: [1.0, 2.5], c: -}|-"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn parquet_is_read_by_row_group_and_types_are_merged() {
    let ints = |from: i32, to: i32| Arc::new((from..to).map(Some).collect::<Int32Array>()) as ArrayRef;
    let longs: ArrayRef = Arc::new(Int64Array::from(vec![Some(1 << 40), None]));
    let names: ArrayRef = Arc::new(StringArray::from(vec!["x", "y"]));
    let project = Project::new()
        .file("in/1.parquet", parquet(&[("id", ints(0, 1000))], 100))
        .file("in/2.parquet", parquet(&[("name", names), ("id", longs)], 100));
    let got = read(&project, "path: in/*.parquet").await;
    assert_eq!((got.schema.as_str(), got.rows.len()), ("id:int64 name:string", 1002));
    assert!(got.rows.contains(&"1099511627776|x".to_owned()) && got.rows.contains(&"999|-".to_owned()));
    let got = try_read(&project, "path: in/1.parquet", &[("id", "string")], None).await.unwrap();
    assert_eq!((got.schema.as_str(), got.rows.len()), ("id:string", 1000));
    let err = try_read(&project, "path: in/2.parquet", &[("id", "int32")], None).await.unwrap_err();
    assert_eq!(err.message(), "column `id`: a value of type int64 is not of type int32");
    project.write("in/3.parquet", parquet(&[("id", Arc::new(StringArray::from(vec!["a"])))], 100));
    let err = try_read(&project, "path: in/*.parquet", &[], None).await.unwrap_err();
    assert_eq!(
        (err.code(), err.message()),
        (Code::SchemaMismatch, "the column `id` is of type int64 in one file and string in another")
    );
    let wide: ArrayRef = Arc::new(Float64Array::from(vec![0.5]));
    project.write("in/3.parquet", parquet(&[("id", wide)], 100));
    let err = try_read(&project, "path: in/*.parquet", &[], None).await.unwrap_err();
    assert_eq!(err.code(), Code::SchemaMismatch, "64 bits do not fit a float");
}

#[tokio::test]
async fn a_later_run_reads_only_files_that_are_new_or_have_changed() {
    let project = Project::new().file("in/1.csv", "a\n1\n").file("in/2.csv", "a\n2\n");
    let first = read(&project, "path: in/*.csv").await;
    assert_eq!((first.rows.len(), first.bytes), (2, 8));
    let again = |cursor: &Value| try_read(&project, "path: in/*.csv", &[], Some(cursor.clone()));
    let second = again(&first.cursor).await.unwrap();
    assert_eq!((second.rows.len(), second.bytes, &second.cursor), (0, 0, &first.cursor));
    assert_eq!((first.log.as_str(), second.log.as_str()), ("", ""));
    project.write("in/2.csv", "a\n22\n");
    project.write("in/3.csv", "a,b\n3,x\n");
    std::fs::remove_file(project.root().join("in/1.csv")).unwrap();
    let third = again(&first.cursor).await.unwrap();
    assert_eq!((third.schema.as_str(), &third.rows), ("a:int64 b:string", &vec!["22|-".to_owned(), "3|x".to_owned()]));
    assert_eq!(
        third.cursor["files"].as_object().unwrap().keys().collect::<Vec<_>>(),
        ["in/1.csv", "in/2.csv", "in/3.csv"]
    );
    // Its old rows may be in the table, and only `write` says whether that matters.
    assert!(third.log.contains("Warn") && third.log.contains("`in/2.csv` changed since"), "{}", third.log);
    assert!(third.log.contains("merge") && !third.log.contains("in/3.csv"), "{}", third.log);
    std::fs::remove_dir_all(project.root().join("in")).unwrap();
    let fourth = again(&third.cursor).await.unwrap();
    assert_eq!((fourth.rows.len(), &fourth.cursor, fourth.schema), (0, &third.cursor, third.schema));
    assert!(fourth.log.contains("no file matches `in/*.csv` now"), "{}", fourth.log);
    let err = again(&serde_json::json!({"page": 3})).await.unwrap_err();
    assert_eq!(err.message(), "the asset's cursor is not one of the source `files`");
}

#[tokio::test]
async fn a_path_that_matches_nothing_on_a_later_run_is_an_error_unless_its_files_were_read() {
    let project = Project::new().file("in/1.csv", "a\n1\n").file("b.csv", "a\n2\n");
    let absolute = project.root().join("in/*.csv");
    let absolute = absolute.display();
    for (path, emptied) in [
        ("in/*.csv".to_owned(), true),
        ("./in/*.csv".to_owned(), true),
        ("in/./*.csv".to_owned(), true),
        (format!("'{absolute}'"), true),
        (format!("'file://{absolute}'"), true),
        ("in/1.csv".to_owned(), false),
    ] {
        let project = Project::new().file("in/1.csv", "a\n1\n");
        let path = path.replace(&format!("{absolute}"), &project.root().join("in/*.csv").display().to_string());
        let first = read(&project, &format!("path: {path}")).await;
        std::fs::remove_file(project.root().join("in/1.csv")).unwrap();
        let later = try_read(&project, &format!("path: {path}"), &[], Some(first.cursor)).await;
        assert_eq!(later.is_ok(), emptied, "{path}: {later:?}");
        if let Err(err) = later {
            assert_eq!((err.code(), err.message()), (Code::SourceNotFound, "the file does not exist"), "{path}");
        }
    }
    // Another pattern than the one whose files were read.
    let first = read(&project, "path: in/*.csv").await;
    let err = try_read(&project, "path: [b.csv, 'inn/*.csv']", &[], Some(first.cursor)).await.unwrap_err();
    assert_eq!((err.code(), err.message()), (Code::SourceNotFound, "no file matches the pattern"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changes_while_it_is_read_is_told_and_may_be_tried_again() {
    let ids: ArrayRef = Arc::new((0..1000).map(Some).collect::<Int32Array>());
    for (name, content) in [
        ("a.csv", format!("a\n{}", "1\n".repeat(8 << 20)).into_bytes()),
        ("a.ndjson", "{\"a\":1}\n".repeat(2 << 20).into_bytes()),
        ("a.parquet", parquet(&[("a", ids)], 100)),
    ] {
        let project = Project::new().file(name, content);
        let source = FilesSource::create(NoSettings {}, &project.context()).unwrap();
        let config = source.parse(&Node::parse(&format!("path: {name}"), "test.yaml", 1).unwrap()).unwrap();
        let context = SourceContext::at(project.root());
        let reading = AnySource::read(&source, &config, &context, ReadRequest::default()).await.unwrap();
        // As the one who writes it goes on, in the middle of a record.
        let mut file = std::fs::OpenOptions::new().append(true).open(project.root().join(name)).unwrap();
        file.write_all(b"{\"a").unwrap();
        let read: Result<Vec<_>> = reading.streams.into_iter().next().unwrap().try_collect().await;
        let err = read.map(|_| "read").unwrap_err();
        assert_eq!((err.code(), err.message()), (Code::SourceUnreadable, "the file changed while it was read"));
        assert!(err.is_retryable() && err.place().unwrap().to_string() == name && !err.hints().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_a_web_server_is_read_as_it_was_listed() {
    // The second file becomes another between the question what it is and the answer.
    let server = HttpServer::start(|request| {
        let asks = request.header("if-match");
        match (request.path.as_str(), asks) {
            ("/a.csv", _) => HttpResponse::status(200).body("a\n1\n"),
            ("/b.csv", None) => HttpResponse::status(200).header("etag", "\"1\"").body("a\n1\n"),
            ("/b.csv", Some(tag)) => HttpResponse::status(if tag == "\"1\"" { 412 } else { 500 }),
            ("/c.csv", None) => HttpResponse::status(200).header("etag", "W/\"1\"").body("a\n2\n"),
            _ => HttpResponse::status(404),
        }
    });
    let project = Project::new();
    let read_url = async |path: &str| try_read(&project, &format!("path: {}", server.url(path)), &[], None).await;
    assert_eq!(read_url("/a.csv").await.unwrap().rows, ["1"]);
    assert_eq!(read_url("/c.csv").await.unwrap().rows, ["2"]);
    let err = read_url("/b.csv").await.unwrap_err();
    assert_eq!((err.message(), err.is_retryable()), ("the file changed while it was read", true));
    let err = read_url("/d.csv").await.unwrap_err();
    assert_eq!((err.code(), err.message()), (Code::SourceNotFound, "the file does not exist"));
    let err = read_url("/*.csv").await.unwrap_err();
    assert_eq!(err.message(), "a web server cannot be asked which files it has");
}

#[tokio::test]
async fn parquet_values_fit_a_declared_type_exactly_or_are_refused() {
    let ints: ArrayRef = Arc::new(Int64Array::from(vec![Some((1 << 53) + 1), None]));
    let floats: ArrayRef = Arc::new(Float64Array::from(vec![Some(2.0), None]));
    let fractions: ArrayRef = Arc::new(Float64Array::from(vec![1.5]));
    let times = |micros: i64| Arc::new(TimestampMicrosecondArray::from(vec![micros])) as ArrayRef;
    let decimals: ArrayRef = Arc::new(Decimal128Array::from(vec![125_i128]).with_precision_and_scale(5, 2).unwrap());
    for (column, declared, fits) in [
        (&fractions, "int64", false),
        (&floats, "int64", true),
        (&fractions, "decimal(5, 1)", true),
        (&fractions, "float32", true),
        (&times(86_400_000_000), "date", true),
        (&times(86_400_000_001), "date", false),
        (&decimals, "decimal(5, 1)", false),
        (&decimals, "decimal(9, 4)", true),
        (&decimals, "int32", false),
        (&ints, "float64", false),
        (&ints, "string", true),
    ] {
        let project = Project::new().file("a.parquet", parquet(&[("x", column.clone())], 100));
        let got = try_read(&project, "path: a.parquet", &[("x", declared)], None).await;
        assert_eq!(got.is_ok(), fits, "{:?} as {declared}: {got:?}", column.data_type());
        if let Err(err) = got {
            assert!(err.message().contains("would lose something as") && !err.hints().is_empty(), "{err:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_files_than_are_sampled_are_all_read() {
    let project =
        (0..100).fold(Project::new(), |project, n| project.file(&format!("in/{n:03}.csv"), format!("a\n{n}\n")));
    let got = read(&project, "path: in/*.csv").await;
    assert_eq!((got.schema.as_str(), got.rows.len()), ("a:int64", 100));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_blocks_give_every_row_once_and_a_wrong_value_names_its_line() {
    let mut text = String::from("id,note\n");
    for id in 0..1_000_000 {
        text.push_str(&format!("{id},\"note, {id}\"\n"));
    }
    let project = Project::new().file("a.csv", &text);
    let got = read(&project, "path: a.csv").await;
    let mut ids: Vec<u32> = got.rows.iter().map(|row| row.split('|').next().unwrap().parse().unwrap()).collect();
    ids.sort_unstable();
    assert!(ids.len() == 1_000_000 && ids.iter().enumerate().all(|(at, id)| at == *id as usize));
    // Line 900,001 holds the id 899,999.
    project.write("a.csv", text.replace("\n899999,", "\noops,"));
    let err = try_read(&project, "path: a.csv", &[], None).await.unwrap_err();
    assert_eq!(said(&err), "line 900001: column `id`: `oops` is not of type int64");
}

/// The message, behind the line that the error is about.
fn said(err: &Error) -> String {
    match err.place().map_or(0, |place| place.span.line) {
        0 => err.message().to_owned(),
        line => format!("line {line}: {}", err.message()),
    }
}

/// A file, a config, and what is said of it: the code, the message, and a word of the hints.
type Bad = (&'static str, &'static [u8], &'static str, Code, &'static str, &'static str);

#[tokio::test]
async fn bad_input_gets_one_error_with_its_place_and_a_next_step() {
    use Code::{InertConfig, InvalidValue, MalformedData, SourceNotFound};
    let cases: &[Bad] = &[
        ("a.csv", b"", "path: b.csv", SourceNotFound, "the file does not exist", "project"),
        ("a.csv", b"", "path: 'b*.csv'", SourceNotFound, "no file matches the pattern", "project"),
        ("a.csv", b"x\n1\n", "path: [a.csv, 'c*.csv']", SourceNotFound, "no file matches the pattern", "project"),
        ("in/a.csv", b"", "path: in", InvalidValue, "the path is a folder", "in/*.csv"),
        ("a.dat", b"", "path: a.dat", InvalidValue, "the file's extension does not tell its format", "format"),
        ("a.csv", b"", "path: 'a.csv/***'", InvalidValue, "`a.csv/***` is not a pattern", ""),
        ("a.csv", b"", "path: nowhere://a/b.csv", InvalidValue, "no object store for this URL", "build"),
        (
            "a.csv",
            b"",
            "path: a.csv",
            MalformedData,
            "the files are empty, so that their columns cannot be known",
            "columns",
        ),
        ("a.csv", b"a,a\n", "path: a.csv", MalformedData, "line 1: the header names the column `a` twice", "rename"),
        (
            "a.csv",
            b"a,b\n1,2\n3\n",
            "path: a.csv",
            MalformedData,
            "line 3: the record has 1 field where 2 are wanted",
            "delimiter",
        ),
        (
            "a.csv",
            b"a,b\n1,2\n\n3,4,5\n",
            "path: a.csv",
            MalformedData,
            "line 4: the record has more than 2 fields",
            "quotes",
        ),
        (
            "a.csv",
            b"a\n1\nx\n",
            "{path: a.csv, infer_rows: 1}",
            MalformedData,
            "line 3: column `a`: `x` is not of type int64",
            "a: string",
        ),
        (
            "a.csv",
            b"a\n2013-01-01\n2013-01-01T00:00:00\n",
            "{path: a.csv, infer_rows: 1}",
            MalformedData,
            "line 3: column `a`: `2013-01-01T00:00:00` is not of type date",
            "columns",
        ),
        (
            "a.csv",
            b"a\nx\n\xE9t\xE9\n",
            "path: a.csv",
            MalformedData,
            "line 3: column `a`: the text is not UTF-8",
            "iconv",
        ),
        (
            "a.csv",
            b"a,b\n1,\"x\n2,y\n",
            "path: a.csv",
            MalformedData,
            "line 2: a quote is opened here and never closed",
            "quote",
        ),
        (
            "a.csv",
            b"a\n1\n",
            "{path: a.csv, header: false, names: [x, y]}",
            MalformedData,
            "line 1: `names` has 2 names and the file 1 columns",
            "",
        ),
        (
            "a.csv.gz",
            b"a,b,c,d,e\n1,2,3,4,5\n6,7,8,9,0\n",
            "path: a.csv.gz",
            MalformedData,
            "the file is not gzip data, or damaged",
            "compression",
        ),
        (
            "a.csv.gz",
            &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 0x4b, 0xe4],
            "path: a.csv.gz",
            MalformedData,
            "the file ends in the middle of its gzip data",
            "compression",
        ),
        (
            "a.csv.zst",
            b"a\n1\n",
            "path: a.csv.zst",
            MalformedData,
            "the file is not zstd data, or damaged",
            "compression",
        ),
        ("a.parquet", b"a\n1\n", "path: a.parquet", MalformedData, "the file is not Parquet, or damaged", "format"),
        (
            "a.ndjson",
            b"{\"a\":1}\n{\"a\":\n",
            "path: a.ndjson",
            MalformedData,
            "line 2: not JSON: EOF while parsing a value",
            "format: json",
        ),
        (
            "a.ndjson",
            b"{\"a\":1}\n\n[1]\n",
            "path: a.ndjson",
            MalformedData,
            "line 3: the record is a list, not an object",
            "object",
        ),
        (
            "a.ndjson",
            b"{\"a\":1}\n{\"a\":1.5}\n",
            "{path: a.ndjson, infer_rows: 1}",
            MalformedData,
            "line 2: `a`: `1.5` is not of type int64",
            "a: string",
        ),
        (
            "a.ndjson",
            b"{\"a\":{\"b\":[1]}}\n{\"a\":{\"b\":[1,\"x\"]}}\n",
            "{path: a.ndjson, infer_rows: 1}",
            MalformedData,
            "line 2: `a.b[]`: the text `x` is not of type int64",
            "a: string",
        ),
        (
            "a.ndjson",
            b"{\"a\":1}\n{\"a\":1,\"b\":2}\n",
            "{path: a.ndjson, infer_rows: 1}",
            MalformedData,
            "line 2: `b` is in none of the records that were sampled",
            "infer_rows",
        ),
        (
            "a.ndjson",
            b"{\"a\":1}\n{\"a\":{}}\n",
            "path: a.ndjson",
            MalformedData,
            "`a` holds objects or lists in some records and something else in others",
            "shape",
        ),
        (
            "a.ndjson",
            b"{\"a\":1}\n{\"a\":{}}\n",
            "{path: a.ndjson, infer_rows: 1}",
            MalformedData,
            "line 2: `a`: an object is not of type int64",
            "columns",
        ),
        (
            "a.json",
            b"[{\"a\":1},\n{\"a\":",
            "path: a.json",
            MalformedData,
            "line 2: the file ends in the middle of the value that begins here",
            "",
        ),
        (
            "a.json",
            b"[{\"a\":1},",
            "path: a.json",
            MalformedData,
            "line 1: the file ends in the middle of the array",
            "",
        ),
        ("a.csv", b"a\n", "{path: a.csv, names: [a]}", InvalidValue, "`names` is for files without header", "header"),
        (
            "a.csv",
            b"a\n",
            "{path: a.csv, quote: ','}",
            InvalidValue,
            "`quote` and `delimiter` are the same character",
            "",
        ),
        // What inference would not have taken for the type is not of it.
        (
            "a.csv",
            b"zip\n12345\n02134\n",
            "{path: a.csv, infer_rows: 1}",
            MalformedData,
            "line 3: column `zip`: `02134` is not of type int64",
            "zip: string",
        ),
        (
            "a.csv",
            b"x\n1.5\n007\n",
            "{path: a.csv, infer_rows: 1}",
            MalformedData,
            "line 3: column `x`: `007` is not of type float64",
            "x: string",
        ),
        (
            "a.csv",
            b"x\n1.5\n9007199254740993\n",
            "{path: a.csv, infer_rows: 1}",
            MalformedData,
            "line 3: column `x`: `9007199254740993` is not of type float64",
            "x: string",
        ),
        (
            "a.csv",
            b"x\ntrue\nyes\n",
            "{path: a.csv, infer_rows: 1}",
            MalformedData,
            "line 3: column `x`: `yes` is not of type boolean",
            "x: string",
        ),
        (
            "a.csv",
            b"x\n2013-01-01T10:00:00Z\n2013-01-01T10:00:00\n",
            "{path: a.csv, infer_rows: 1}",
            MalformedData,
            "line 3: column `x`: `2013-01-01T10:00:00` is not of type timestamptz",
            "x: string",
        ),
        (
            "a.ndjson",
            b"{\"x\":{\"y\":1.5}}\n{\"x\":{\"y\":123456789012345678901234567890}}\n",
            "path: a.ndjson",
            MalformedData,
            "line 2: `123456789012345678901234567890` is a whole number beyond 64 bits",
            "string",
        ),
        (
            "a.ndjson",
            b"{\"x\":1}\n{\"x\":\"02134\"}\n",
            "{path: a.ndjson, infer_rows: 1}",
            MalformedData,
            "line 2: `x`: the text `02134` is not of type int64",
            "x: string",
        ),
        (
            "a.ndjson",
            b"{\"x\":1}\n{\"x\":\n2}\n{\"x\":3}\n{\"x\":y}\n",
            "path: a.ndjson",
            MalformedData,
            "line 2: not JSON: EOF while parsing a value",
            "one whole object on each line",
        ),
        (
            "a.csv",
            b"\xFF\xFEa\x00\n\x001\x00\n\x00",
            "path: a.csv",
            MalformedData,
            "line 1: the file is written in UTF-16",
            "iconv -f utf-16",
        ),
        (
            "a.csv",
            b"a,t\xE9\n1,2\n",
            "path: a.csv",
            MalformedData,
            "line 1: the header's name `t\u{fffd}` is not UTF-8",
            "iconv",
        ),
        // What would have no effect.
        (
            "a.json",
            b"{}",
            "{path: '*.*', delimiter: ;}",
            InertConfig,
            "`delimiter` has no effect on JSON files",
            "remove",
        ),
        ("a.parquet", b"", "{path: a.parquet, infer_rows: 5}", InertConfig, "`infer_rows` has no effect", "remove"),
        (
            "a.csv",
            b"a\n",
            "{path: a.csv, storage: {aws_region: x}}",
            InertConfig,
            "this option has no effect on local files",
            "s3://",
        ),
        (
            "a.csv",
            b"a\n",
            "{path: 's3://b/a.csv', storage: {aws_regoin: x}}",
            Code::UnknownKey,
            "the object store knows no such option",
            "did you mean `aws_region`?",
        ),
        (
            "a.csv",
            b"a\n",
            "{path: a.csv, quote: '', escape: x}",
            InertConfig,
            "`escape` has no effect without a `quote`",
            "",
        ),
        (
            "a.json",
            b"{}",
            "{path: a.json, null_values: [NA]}",
            InertConfig,
            "`null_values` has no effect on JSON files",
            "",
        ),
        (
            "a.parquet",
            b"",
            "{path: a.parquet, compression: gzip}",
            InertConfig,
            "`compression` has no effect on Parquet files",
            "",
        ),
    ];
    let mut wrong = Vec::new();
    for (file, content, config, code, message, hint) in cases {
        let project = Project::new().file(file, content);
        let err = try_read(&project, config, &[], None).await.expect_err(config);
        let about_config = matches!(code, InertConfig | InvalidValue | Code::UnknownKey);
        let told = if about_config { err.message().to_owned() } else { said(&err) };
        let placed = err.place().is_some() || err.context().iter().any(|(key, _)| *key == "path");
        let right = err.code() == *code
            && told.starts_with(message)
            && err.hints().iter().any(|text| text.contains(hint))
            && (about_config || placed);
        if !right {
            wrong.push(format!("{config} should say {code} {message} ({hint}): {err:?} {:?}", err.hints()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let project = Project::new().file("a.csv", "a\n1\n").file("b.ndjson", "{}");
    let err = try_read(&project, "path: '*.*'", &[], None).await.unwrap_err();
    assert_eq!(err.message(), "the files differ in format: CSV and NDJSON");
}

#[tokio::test]
async fn a_record_without_end_does_not_fill_the_memory() {
    let project = Project::new().file("a.csv", format!("a\n1\n\"{}", "x\n".repeat(10 << 20)));
    let err = try_read(&project, "path: a.csv", &[], None).await.unwrap_err();
    assert!(said(&err).starts_with("line 3: a record is longer than 16 MiB"), "{err:?}");
}

#[tokio::test]
async fn an_interrupted_reading_ends_with_an_error_and_not_as_if_it_were_whole() {
    let project = Project::new().file("a.csv", format!("a\n{}", "1\n".repeat(8 << 20)));
    let source = FilesSource::create(NoSettings {}, &project.context()).unwrap();
    let config = source.parse(&Node::parse("path: a.csv", "test.yaml", 1).unwrap()).unwrap();
    let context = SourceContext::at(project.root());
    let reading = AnySource::read(&source, &config, &context, ReadRequest::default()).await.unwrap();
    context.cancel.cancel();
    let read: Result<Vec<_>> = reading.streams.into_iter().next().unwrap().try_collect().await;
    assert_eq!(read.unwrap_err().code(), Code::Interrupted);
}
