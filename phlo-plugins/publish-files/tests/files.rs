//! What is particular to files: columns that have no form in one, and disks that are full or closed.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use futures::StreamExt;
use phlo_plugin::publish::{PublishContext, PublishTarget};
use phlo_plugin::{Error, Result};
use phlo_publish_files::{FilesConfig, FilesTarget};
use phlo_spec::Node;
use phlo_testkit::fixture;

fn config(yaml: &str) -> FilesConfig {
    Node::parse(yaml, "f.yaml", 1).unwrap().read().unwrap()
}

fn told<T: std::fmt::Debug>(outcome: Result<T>) -> String {
    let err: Error = outcome.unwrap_err();
    format!("{}: {} [{}]", err.code(), err.chain().join(": "), err.hints().join("; "))
}

fn schema(data_type: DataType) -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("x", data_type, true)]))
}

#[test]
fn columns_without_a_form_in_the_file_are_refused() {
    let list = || DataType::List(Arc::new(Field::new("item", DataType::Int64, true)));
    let accepts = |yaml: &str, data_type| FilesTarget.accepts(&config(yaml), &schema(data_type));
    assert_eq!(
        told(accepts("path: x.csv", list())),
        "P4005: the column `x` is list<int64>, which CSV cannot hold \
         [pick fields out in a `query`, or write NDJSON or Parquet]"
    );
    for yaml in ["path: x.ndjson", "path: x.parquet"] {
        accepts(yaml, list()).unwrap();
        assert_eq!(
            told(accepts(yaml, DataType::Duration(TimeUnit::Second))).split(',').next().unwrap(),
            "P4005: the column `x` is Duration(s)",
            "{yaml}"
        );
    }
}

#[tokio::test]
async fn what_json_does_not_have_is_an_error_and_no_null() {
    let project = fixture::Project::new();
    let batch = fixture::batch("r:float64", &["1.5", "NaN"]);
    let rows = futures::stream::iter([Ok(batch.clone())]).boxed();
    let context = PublishContext::at(project.root());
    let outcome = FilesTarget.publish(&config("path: x.ndjson"), &context, batch.schema(), rows).await;
    let text = told(outcome);
    assert!(text.starts_with("P3004: the column `r` holds NaN or infinity, which JSON does not have"), "{text}");
    assert!(std::fs::read_dir(project.root()).unwrap().next().is_none(), "something is left");
}

#[tokio::test]
async fn a_path_that_cannot_be_written_is_told_with_its_reason() {
    let project = fixture::Project::new().file("taken", "a file").file("folder/x", "");
    let batch = fixture::batch("r:int64", &["1"]);
    let context = PublishContext::at(project.root());
    for path in ["taken/x.csv", "folder"] {
        let config = config(&format!("{{path: {path}, format: csv}}"));
        let rows = futures::stream::iter([Ok(batch.clone())]).boxed();
        let text = told(FilesTarget.publish(&config, &context, batch.schema(), rows).await);
        assert!(text.starts_with("P4003: the file cannot be written (path: "), "{text}");
        assert!(text.ends_with("[name a file under `path`]"), "{text}");
    }
    assert!(told(FilesTarget.test_connection(&config("path: taken/x.csv"), &context).await).starts_with("P4003"));
}
