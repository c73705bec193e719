//! Every promise that a plugin makes, whatever its kind, and those of a publish target, in each format.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;

use arrow_array::RecordBatch;
use phlo_testkit::fixture;
use phlo_testkit::publish::{COLUMNS, Case, suite};

phlo_testkit::conformance!(phlo_publish_files);

/// The batches of a file, read by other code than wrote it.
fn read(path: &Path) -> Vec<RecordBatch> {
    let name = path.to_str().unwrap();
    let bytes = std::fs::read(path).unwrap();
    if name.ends_with(".parquet") {
        let bytes = bytes::Bytes::from(bytes);
        let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
        return reader.build().unwrap().map(Result::unwrap).collect();
    }
    let text = if name.ends_with(".gz") {
        let mut text = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(bytes.as_slice()), &mut text).unwrap();
        text
    } else if name.ends_with(".zst") {
        zstd::decode_all(bytes.as_slice()).unwrap()
    } else {
        bytes
    };
    let schema = fixture::schema(COLUMNS);
    if name.contains(".ndjson") {
        let reader = arrow_json::ReaderBuilder::new(schema).build(text.as_slice()).unwrap();
        return reader.map(Result::unwrap).collect();
    }
    let builder = arrow_csv::ReaderBuilder::new(Arc::clone(&schema));
    let builder = if name.contains(".tsv") { builder.with_delimiter(b'\t') } else { builder };
    builder.with_header(true).build(text.as_slice()).unwrap().map(Result::unwrap).collect()
}

async fn keeps_its_promises(file: &str, options: &str) {
    let project = fixture::Project::new();
    let root = project.root().to_owned();
    let (path, out) = (root.join("out").join(file), root.join("out"));
    let read = move || {
        let found = path.exists().then(|| fixture::rows(&read(&path)));
        Box::pin(std::future::ready(found)) as futures::future::BoxFuture<'_, _>
    };
    let left = move || {
        let entries = std::fs::read_dir(&out).into_iter().flatten();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        Box::pin(std::future::ready(names)) as futures::future::BoxFuture<'_, _>
    };
    let case = Case::new("files", &format!("{{path: out/{file}{options}}}"), read, left)
        .root(&root)
        .refuses("{format: csv}", "path")
        .refuses("{path: out/}", "path")
        .refuses("{path: 's3://bucket/x.csv'}", "path")
        .refuses("{path: x.txt}", "path")
        .refuses("{path: x.csv, format: xml}", "format")
        .refuses("{path: x.parquet, header: false}", "header")
        .refuses("{path: x.parquet, compression: gzip}", "compression")
        .refuses("{path: x.parquet.gz}", "compression")
        .refuses("{path: x.csv, delimiter: ab}", "delimiter")
        .refuses("{path: x.csv, delimiter: '\"'}", "delimiter")
        .refuses("{path: x.csv, null_value: 'a,b'}", "null_value");
    suite(case).await;
}

#[tokio::test]
async fn csv_keeps_its_promises() {
    keeps_its_promises("x.csv", "").await;
}

#[tokio::test]
async fn compressed_csv_keeps_its_promises() {
    keeps_its_promises("x.tsv.gz", "").await;
    keeps_its_promises("x.csv.zst", "").await;
}

#[tokio::test]
async fn ndjson_keeps_its_promises() {
    keeps_its_promises("x.ndjson", "").await;
    keeps_its_promises("x.ndjson.gz", "").await;
}

#[tokio::test]
async fn parquet_keeps_its_promises() {
    keeps_its_promises("x.parquet", "").await;
    keeps_its_promises("x.parquet", ", compression: none").await;
}
