//! The promises of a table's log: which protocol its columns ask for, and which promises of other writers are not kept here.

use std::collections::BTreeSet;

use arrow_schema::SchemaRef;
use deltalake_core::kernel::{EagerSnapshot, Metadata, MetadataExt as _, Protocol, StructType, StructTypeExt as _};
use phlo_engine_api::WriteMode;
use phlo_plugin::{Error, Result};
use phlo_spec::Code;
use serde_json::{Value, json};

use crate::schema::has_timestamp_ntz;

const TIMESTAMP_NTZ: &str = "timestampNtz";

/// The protocol of a new table: the oldest one that can hold its columns, so that any reader can read it.
pub(crate) fn fresh(schema: &SchemaRef) -> Result<Protocol> {
    read(if wants_ntz(schema) {
        json!({ "minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": [TIMESTAMP_NTZ], "writerFeatures": [TIMESTAMP_NTZ] })
    } else {
        json!({ "minReaderVersion": 1, "minWriterVersion": 2 })
    })
}

/// The protocol that new columns make necessary; `None` if the table's own will do.
pub(crate) fn upgraded(current: &Protocol, schema: &SchemaRef) -> Result<Option<Protocol>> {
    let current = serde_json::to_value(current).map_err(|e| Error::internal("a protocol has no JSON").because(e))?;
    let features = |key: &str| -> BTreeSet<String> {
        current
            .get(key)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    };
    let (mut readers, mut writers) = (features("readerFeatures"), features("writerFeatures"));
    if !wants_ntz(schema) || (readers.contains(TIMESTAMP_NTZ) && writers.contains(TIMESTAMP_NTZ)) {
        return Ok(None);
    }
    // What the old version numbers stood for must now be said.
    let version = |key: &str| current.get(key).and_then(Value::as_i64).unwrap_or(1);
    let implied = [
        (2, "appendOnly"),
        (2, "invariants"),
        (3, "checkConstraints"),
        (4, "changeDataFeed"),
        (4, "generatedColumns"),
        (5, "columnMapping"),
        (6, "identityColumns"),
    ];
    if version("minWriterVersion") < 7 {
        writers.extend(
            implied
                .iter()
                .filter(|(since, _)| *since <= version("minWriterVersion"))
                .map(|(_, name)| (*name).to_owned()),
        );
    }
    if version("minReaderVersion") == 2 {
        readers.insert("columnMapping".to_owned());
    }
    readers.insert(TIMESTAMP_NTZ.to_owned());
    writers.insert(TIMESTAMP_NTZ.to_owned());
    read(json!({ "minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": readers, "writerFeatures": writers }))
        .map(Some)
}

fn wants_ntz(schema: &SchemaRef) -> bool {
    schema.fields().iter().any(|f| has_timestamp_ntz(f.data_type()))
}

fn read(protocol: Value) -> Result<Protocol> {
    serde_json::from_value(protocol).map_err(|e| Error::internal("a protocol has no JSON").because(e))
}

/// The table's metadata with other columns.
pub(crate) fn with_columns(metadata: Metadata, columns: &StructType) -> Result<Metadata> {
    metadata.with_schema(columns).map_err(|e| Error::internal("a table's columns have no JSON").because(e))
}

/// Refuses a table of another writer that promises what this writer does not do.
pub(crate) fn refuse_promises(state: &EagerSnapshot, mode: &WriteMode) -> Result<()> {
    let config = state.metadata().configuration();
    let set = |key: &str| config.get(key).is_some_and(|v| v.eq_ignore_ascii_case("true"));
    let schema = state.schema();
    let generated = schema.get_generated_columns().map_or(true, |c| !c.is_empty());
    let invariants = schema.get_invariants().map_or(true, |c| !c.is_empty());
    let partitions = state.metadata().partition_columns();
    let refused = [
        (!partitions.is_empty(), "it is partitioned by columns"),
        (
            config.get("delta.columnMapping.mode").is_some_and(|m| m != "none"),
            "its columns are mapped to other names (`delta.columnMapping.mode`)",
        ),
        (config.keys().any(|k| k.starts_with("delta.constraints.")), "it has constraints (`delta.constraints`)"),
        (generated, "it has generated columns"),
        (invariants, "it has column invariants"),
        (set("delta.appendOnly") && *mode != WriteMode::Append, "it is append-only (`delta.appendOnly`)"),
        (
            set("delta.enableChangeDataFeed") && matches!(mode, WriteMode::Merge { .. }),
            "it has a change data feed (`delta.enableChangeDataFeed`), which a merge does not write",
        ),
    ];
    match refused.iter().find(|(is, _)| *is) {
        Some((_, why)) => Err(Error::new(Code::Unsupported, format!("the table cannot be written: {why}"))
            .hint("phlo reads such tables; to write, use a table of its own")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_schema::{DataType, Field, Schema, TimeUnit};

    use super::*;

    #[test]
    fn zone_less_timestamps_ask_for_their_feature_and_nothing_else_asks_for_any() {
        let plain: SchemaRef = Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true)]));
        let zoneless: SchemaRef =
            Arc::new(Schema::new(vec![Field::new("t", DataType::Timestamp(TimeUnit::Microsecond, None), true)]));
        let json = |p: &Protocol| serde_json::to_value(p).unwrap();
        let old = fresh(&plain).unwrap();
        assert_eq!(
            (json(&old)["minReaderVersion"].as_i64(), json(&old)["minWriterVersion"].as_i64()),
            (Some(1), Some(2))
        );
        assert_eq!(upgraded(&old, &plain).unwrap(), None);
        let new = upgraded(&old, &zoneless).unwrap().unwrap();
        assert_eq!(json(&new)["readerFeatures"], json!(["timestampNtz"]));
        let mut writers: Vec<_> =
            json(&new)["writerFeatures"].as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect();
        writers.sort();
        assert_eq!(writers, ["appendOnly", "invariants", "timestampNtz"]);
        assert_eq!(upgraded(&new, &zoneless).unwrap(), None);
        assert_eq!(upgraded(&fresh(&zoneless).unwrap(), &zoneless).unwrap(), None);
    }
}
