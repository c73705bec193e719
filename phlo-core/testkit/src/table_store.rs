//! What every table store promises, tried on an empty one. Behind the feature `engine`.
//!
//! ```text
//! phlo_testkit::table_store_conformance!(on_disk, store().await);
//! ```
//!
//! A case takes a store and writes tables of names that no other case uses.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a case that does not hold panics")]
#![allow(clippy::disallowed_methods, reason = "sessions of its own: a suite never depends on a query engine's plugin")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::fixture::batch;
use arrow_array::RecordBatch;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::DataType;
use datafusion::catalog::TableProvider;
use datafusion::prelude::{SessionConfig, SessionContext};
use phlo_engine_api::{CommitOutcome, CommitRequest, Stage, StageRequest, StageSummary, TableStore, WriteMode};
use phlo_plugin::Result;
use phlo_spec::{AssetKey, Code, SchemaPolicy};
use proptest::prelude::*;
use serde_json::json;

/// A session of two partitions.
pub fn session() -> SessionContext {
    SessionContext::new_with_config(SessionConfig::new().with_target_partitions(2))
}

/// The key of a case's table.
pub fn key(name: &str) -> AssetKey {
    AssetKey::new(format!("suite.{name}")).unwrap()
}

/// Each request is another run's.
pub fn request(table: &AssetKey, mode: WriteMode, batch: &RecordBatch) -> StageRequest {
    static RUNS: AtomicU32 = AtomicU32::new(1);
    StageRequest {
        table: table.clone(),
        run_id: format!("a-run-{}", RUNS.fetch_add(1, Ordering::Relaxed)),
        schema: batch.schema(),
        mode,
        unique_key: Vec::new(),
        schema_policy: SchemaPolicy::Evolve,
        lock_wait: Duration::ZERO,
        description: None,
    }
}

/// Merges on these columns.
pub fn merge_on(keys: &[&str]) -> WriteMode {
    WriteMode::Merge { keys: keys.iter().map(|k| (*k).to_owned()).collect() }
}

/// Stages a batch, two writers taking turns with slices of it.
pub async fn stage(store: &dyn TableStore, request: StageRequest, batch: &RecordBatch) -> Result<Box<dyn Stage>> {
    let stage = store.begin(request).await?;
    let mut writers = [stage.writer().await?, stage.writer().await?];
    for row in 0..batch.num_rows() {
        writers[row % 2].write(batch.slice(row, 1)).await?;
    }
    for writer in writers {
        writer.close().await?;
    }
    Ok(stage)
}

/// Stages, resolves and commits a batch.
pub async fn publish(store: &dyn TableStore, request: StageRequest, batch: &RecordBatch) -> Result<StageSummary> {
    let mut stage = stage(store, request, batch).await?;
    let summary = stage.resolve(&session()).await?;
    match stage.commit(CommitRequest::default()).await? {
        CommitOutcome::Committed { .. } => Ok(summary),
        CommitOutcome::Moved { version } => panic!("moved to {version}"),
    }
}

/// Stages, resolves and commits rows, as [`batch`] writes them.
pub async fn write(
    store: &dyn TableStore,
    table: &AssetKey,
    mode: WriteMode,
    columns: &str,
    rows: &[&str],
) -> Result<StageSummary> {
    let batch = batch(columns, rows);
    publish(store, request(table, mode, &batch), &batch).await
}

/// The rows of a query over `provider` as `t`, as text, sorted.
pub async fn query(provider: Arc<dyn TableProvider>, sql: &str) -> Vec<String> {
    let session = session();
    session.register_table("t", provider).unwrap();
    let batches = session.sql(sql).await.unwrap().collect().await.unwrap();
    let mut rows = Vec::new();
    for batch in &batches {
        let options = FormatOptions::default().with_null("-");
        let columns: Vec<_> =
            batch.columns().iter().map(|c| ArrayFormatter::try_new(c.as_ref(), &options).unwrap()).collect();
        rows.extend(
            (0..batch.num_rows())
                .map(|row| columns.iter().map(|c| c.value(row).to_string()).collect::<Vec<_>>().join("|")),
        );
    }
    rows.sort();
    rows
}

/// The published rows, as text, sorted.
pub async fn rows(store: &dyn TableStore, table: &AssetKey) -> Vec<String> {
    let provider = store.provider(table, None).await.unwrap().expect("the table exists");
    query(provider, "select * from t").await
}

async fn absent(store: &dyn TableStore, table: &AssetKey) -> bool {
    let listed = store.list().await.unwrap().contains(table);
    !listed
        && store.describe(table, None).await.unwrap().is_none()
        && store.provider(table, None).await.unwrap().is_none()
}

/// Rows are appended overwritten and merged.
pub async fn rows_are_appended_overwritten_and_merged(store: &dyn TableStore) {
    let table = &key("modes");
    let columns = "id:int64 name:string";
    let summary = write(store, table, WriteMode::Append, columns, &["1|a", "2|b"]).await.unwrap();
    assert_eq!((summary.inserted, summary.updated, summary.deleted, summary.total), (2, 0, 0, Some(2)));
    assert_eq!(rows(store, table).await, ["1|a", "2|b"]);

    let summary = write(store, table, WriteMode::Append, columns, &["2|b"]).await.unwrap();
    assert_eq!((summary.inserted, summary.total), (1, Some(3)));
    assert_eq!(rows(store, table).await, ["1|a", "2|b", "2|b"]);

    let summary = write(store, table, WriteMode::Overwrite, columns, &["3|c", "4|d", "5|e"]).await.unwrap();
    assert_eq!((summary.inserted, summary.deleted, summary.total), (3, 3, Some(3)));
    assert_eq!(rows(store, table).await, ["3|c", "4|d", "5|e"]);

    if store.support().merge {
        let summary = write(store, table, merge_on(&["id"]), columns, &["4|D", "6|f"]).await.unwrap();
        assert_eq!((summary.inserted, summary.updated, summary.deleted, summary.total), (1, 1, 0, Some(4)));
        assert_eq!(rows(store, table).await, ["3|c", "4|D", "5|e", "6|f"]);
    }
    assert!(store.list().await.unwrap().contains(table));
}

/// Staged rows are invisible and the candidate shows the table to be.
pub async fn staged_rows_are_invisible_and_the_candidate_shows_the_table_to_be(store: &dyn TableStore) {
    let table = &key("invisible");
    let columns = "id:int64 name:string";
    write(store, table, WriteMode::Append, columns, &["1|a", "2|b", "3|c"]).await.unwrap();
    let modes = [
        (WriteMode::Append, vec!["1|a", "2|b", "2|B", "3|c", "9|z"]),
        (WriteMode::Overwrite, vec!["2|B", "9|z"]),
        (merge_on(&["id"]), vec!["1|a", "2|B", "3|c", "9|z"]),
    ];
    for (mode, expected) in modes {
        if matches!(mode, WriteMode::Merge { .. }) && !store.support().merge {
            continue;
        }
        let new = batch(columns, &["2|B", "9|z"]);
        let session = session();
        let mut stage = stage(store, request(table, mode.clone(), &new), &new).await.unwrap();
        stage.resolve(&session).await.unwrap();
        assert_eq!(rows(store, table).await, ["1|a", "2|b", "3|c"], "{mode:?}");

        let sorted = |mut rows: Vec<&'static str>| {
            rows.sort_unstable();
            rows
        };
        let published = store.provider(table, None).await.unwrap().unwrap();
        let candidate = stage.candidate(&session).await.unwrap();
        let staged = stage.staged(&session).await.unwrap();
        assert_eq!(candidate.schema(), published.schema());
        assert_eq!(staged.schema(), published.schema());
        assert_eq!(query(Arc::clone(&candidate), "select * from t").await, sorted(expected.clone()), "{mode:?}");
        assert_eq!(query(Arc::clone(&candidate), "select count(*) from t").await, [expected.len().to_string()]);
        assert_eq!(query(Arc::clone(&candidate), "select name from t where id = 9").await, ["z"]);
        assert_eq!(query(Arc::clone(&candidate), "select count(*) from t where name > 'c'").await, ["1"]);
        assert_eq!(query(Arc::clone(&staged), "select * from t").await, ["2|B", "9|z"]);
        assert_eq!(query(staged, "select count(*), max(id) from t where id > 2").await, ["1|9"]);
        stage.discard().await.unwrap();
        assert_eq!(rows(store, table).await, ["1|a", "2|b", "3|c"], "{mode:?}");
    }
}

/// A first build that is not committed leaves the table absent.
pub async fn a_first_build_that_is_not_committed_leaves_the_table_absent(store: &dyn TableStore) {
    let table = &key("absent");
    let new = batch("id:int64", &["1", "2"]);
    assert!(absent(store, table).await);
    for end in ["discard", "drop", "keep"] {
        let mut stage = stage(store, request(table, WriteMode::Append, &new), &new).await.unwrap();
        assert_eq!(stage.base_version(), None);
        stage.resolve(&session()).await.unwrap();
        assert_eq!(query(stage.candidate(&session()).await.unwrap(), "select count(*) from t").await, ["2"]);
        match end {
            "discard" => stage.discard().await.unwrap(),
            "keep" => assert!(stage.keep("a check failed").await.unwrap().rows.is_some()),
            _ => drop(stage),
        }
        assert!(absent(store, table).await, "{end}");
    }
    write(store, table, WriteMode::Append, "id:int64", &["3"]).await.unwrap();
    assert_eq!(rows(store, table).await, ["3"]);
    assert_eq!(store.describe(table, None).await.unwrap().unwrap().version, 0);
}

/// A kept stage can be read from its files.
pub async fn a_kept_stage_can_be_read_from_its_files(store: &dyn TableStore) {
    let table = &key("kept");
    write(store, table, WriteMode::Append, "id:int64", &["1"]).await.unwrap();
    let new = batch("id:int64", &["7", "8", "9"]);
    for (writers, rows) in [(1, "3"), (2, "6")] {
        let mut stage = store.begin(request(table, WriteMode::Append, &new)).await.unwrap();
        for _ in 0..writers {
            let mut writer = stage.writer().await.unwrap();
            writer.write(new.clone()).await.unwrap();
            writer.close().await.unwrap();
        }
        stage.resolve(&session()).await.unwrap();
        let provider = stage.staged(&session()).await.unwrap();
        let kept = stage.keep("a check failed").await.unwrap().rows.unwrap();
        // The provider reads the same files; where they are local paths, anything can.
        assert_eq!(query(provider, "select count(*) from t").await, [rows]);
        if kept.starts_with('/') {
            let session = session().enable_url_table();
            let frame = session.sql(&format!("select * from '{kept}'")).await.unwrap();
            assert_eq!(frame.count().await.unwrap().to_string(), rows);
        }
    }
    assert_eq!(rows(store, table).await, ["1"]);
    // It does not stand in the way.
    write(store, table, WriteMode::Append, "id:int64", &["2"]).await.unwrap();
    assert_eq!(rows(store, table).await, ["1", "2"]);
}

/// A writer that is dropped leaves nothing.
pub async fn a_writer_that_is_dropped_leaves_nothing(store: &dyn TableStore) {
    let table = &key("dropped_writer");
    let (one, two) = (batch("id:int64", &["1"]), batch("id:int64", &["2"]));
    let mut stage = store.begin(request(table, WriteMode::Append, &one)).await.unwrap();
    let mut dropped = stage.writer().await.unwrap();
    dropped.write(one).await.unwrap();
    drop(dropped);
    let mut closed = stage.writer().await.unwrap();
    closed.write(two).await.unwrap();
    closed.close().await.unwrap();
    assert_eq!(stage.resolve(&session()).await.unwrap().inserted, 1);
    stage.commit(CommitRequest::default()).await.unwrap();
    assert_eq!(rows(store, table).await, ["2"]);
}

/// No rows make an empty table.
pub async fn no_rows_make_an_empty_table(store: &dyn TableStore) {
    let table = &key("empty");
    let summary = write(store, table, WriteMode::Append, "id:int64 name:string", &[]).await.unwrap();
    assert_eq!((summary.inserted, summary.total), (0, Some(0)));
    assert_eq!(rows(store, table).await, Vec::<String>::new());
    let info = store.describe(table, None).await.unwrap().unwrap();
    assert_eq!((info.version, info.rows, info.files), (0, Some(0), 0));
    assert_eq!(info.schema.fields().len(), 2);
    write(store, table, WriteMode::Overwrite, "id:int64 name:string", &["1|a"]).await.unwrap();
    write(store, table, WriteMode::Overwrite, "id:int64 name:string", &[]).await.unwrap();
    assert_eq!(rows(store, table).await, Vec::<String>::new());
}

/// Cursor and run are committed with the data.
pub async fn cursor_and_run_are_committed_with_the_data(store: &dyn TableStore) {
    let table = &key("cursor");
    let new = batch("id:int64", &["1"]);
    let commit = |run: &str, cursor: Option<serde_json::Value>| {
        let mut request = request(table, WriteMode::Append, &new);
        request.run_id = String::from(run);
        request.description = Some("a table".to_owned());
        let new = new.clone();
        async move {
            let mut stage = stage(store, request, &new).await.unwrap();
            stage.resolve(&session()).await.unwrap();
            stage.commit(CommitRequest { cursor, metadata: vec![("note".to_owned(), json!("x"))] }).await.unwrap()
        }
    };
    assert_eq!(
        commit("run-a", Some(json!({"since": "2013-01-31", "page": 4}))).await,
        CommitOutcome::Committed { version: 0 }
    );
    assert_eq!(commit("run-b", None).await, CommitOutcome::Committed { version: 1 });
    let info = store.describe(table, None).await.unwrap().unwrap();
    assert_eq!(info.cursor, Some(json!({"since": "2013-01-31", "page": 4})));
    assert_eq!((info.run_id.as_deref(), info.rows, info.version), (Some("run-b"), Some(2), 1));
    assert!(info.committed_at.is_some());

    // Twelve more: past whatever the store does every ten commits.
    for i in 0..12 {
        commit(&format!("run-{i}"), Some(json!(i))).await;
    }
    let info = store.describe(table, None).await.unwrap().unwrap();
    assert_eq!(
        (info.cursor, info.run_id.as_deref(), info.rows, info.version),
        (Some(json!(11)), Some("run-11"), Some(14), 13)
    );
    assert_eq!(rows(store, table).await.len(), 14);

    let history = store.history(table, 3).await.unwrap();
    let shown: Vec<_> = history.iter().map(|v| (v.version, v.run_id.as_deref(), v.rows_added)).collect();
    assert_eq!(shown, [(13, Some("run-11"), Some(1)), (12, Some("run-10"), Some(1)), (11, Some("run-9"), Some(1))]);
    assert_eq!(store.history(table, 100).await.unwrap().len(), 14);
    if store.support().time_travel {
        let old = store.describe(table, Some(1)).await.unwrap().unwrap();
        assert_eq!(
            (old.cursor, old.run_id.as_deref(), old.rows),
            (Some(json!({"since": "2013-01-31", "page": 4})), Some("run-b"), Some(2))
        );
    }
}

/// Old versions can be read and unknown ones are said so.
pub async fn old_versions_can_be_read_and_unknown_ones_are_said_so(store: &dyn TableStore) {
    if !store.support().time_travel {
        return;
    }
    let table = &key("travel");
    write(store, table, WriteMode::Append, "id:int64", &["1"]).await.unwrap();
    write(store, table, WriteMode::Overwrite, "id:int64", &["2"]).await.unwrap();
    let old = store.provider(table, Some(0)).await.unwrap().unwrap();
    assert_eq!(query(old, "select * from t").await, ["1"]);
    assert_eq!(rows(store, table).await, ["2"]);
    for unknown in [
        store.provider(table, Some(7)).await.map(|_| ()).unwrap_err(),
        store.describe(table, Some(7)).await.map(|_| ()).unwrap_err(),
    ] {
        assert_eq!(unknown.code(), Code::UnknownVersion);
    }
}

/// Schemas evolve freeze and discard.
pub async fn schemas_evolve_freeze_and_discard(store: &dyn TableStore) {
    if !store.support().schema_evolution {
        return;
    }
    let table = &key("evolve");
    write(store, table, WriteMode::Append, "id:int32", &["1"]).await.unwrap();
    write(store, table, WriteMode::Append, "name:string id:int32", &["b|2"]).await.unwrap();
    assert_eq!(rows(store, table).await, ["1|-", "2|b"]);
    // A column that does not come is null.
    write(store, table, WriteMode::Append, "id:int32", &["3"]).await.unwrap();
    // A wider type: old rows stay.
    let wide = batch("id:int64 name:string", &["5000000000|d"]);
    let mut stage = stage(store, request(table, WriteMode::Append, &wide), &wide).await.unwrap();
    assert_eq!(stage.notes(), ["column `id` changed from int32 to int64"]);
    assert_eq!(stage.schema().field(0).data_type(), &DataType::Int64);
    let summary = stage.resolve(&session()).await.unwrap();
    assert_eq!((summary.inserted, summary.updated, summary.deleted, summary.total), (1, 0, 0, Some(4)));
    stage.commit(CommitRequest::default()).await.unwrap();
    assert_eq!(rows(store, table).await, ["1|-", "2|b", "3|-", "5000000000|d"]);
    let provider = store.provider(table, None).await.unwrap().unwrap();
    assert_eq!(query(provider, "select name from t where id < 3 order by id").await, ["-", "b"]);
    // A narrower one fits.
    write(store, table, WriteMode::Append, "id:int32", &["6"]).await.unwrap();
    assert_eq!(store.describe(table, None).await.unwrap().unwrap().schema.field(0).data_type(), &DataType::Int64);

    let with = |policy: SchemaPolicy, columns: &'static str, row: &'static str| async move {
        let new = batch(columns, &[row]);
        let mut request = request(table, WriteMode::Append, &new);
        request.schema_policy = policy;
        publish(store, request, &new).await
    };
    let refused = with(SchemaPolicy::Freeze, "id:int64 name:string extra:string", "7|x|y").await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (Code::SchemaMismatch, "column `extra` is new"));
    with(SchemaPolicy::Freeze, "id:int64 name:string", "7|x").await.unwrap();
    with(SchemaPolicy::Discard, "id:int64 extra:string", "8|y").await.unwrap();
    let clash = with(SchemaPolicy::Evolve, "id:string", "x").await.unwrap_err();
    assert_eq!(clash.code(), Code::SchemaMismatch);
    assert_eq!(rows(store, table).await, ["1|-", "2|b", "3|-", "5000000000|d", "6|-", "7|x", "8|-"]);

    // An overwrite replaces the columns too.
    write(store, table, WriteMode::Overwrite, "day:string id:string", &["mon|x"]).await.unwrap();
    assert_eq!(rows(store, table).await, ["mon|x"]);
}

/// Merges meet composite and null keys and refuse duplicates.
pub async fn merges_meet_composite_and_null_keys_and_refuse_duplicates(store: &dyn TableStore) {
    if !store.support().merge {
        return;
    }
    let table = &key("merge_keys");
    let columns = "day:string id:int64 v:string";
    let mode = || merge_on(&["day", "id"]);
    write(store, table, mode(), columns, &["mon|1|a", "mon|2|b", "tue|1|c", "-|1|n"]).await.unwrap();
    let summary = write(store, table, mode(), columns, &["mon|2|B", "tue|2|d", "-|1|N"]).await.unwrap();
    // A key with a null in it equals no other: its row is added.
    assert_eq!((summary.inserted, summary.updated, summary.total), (2, 1, Some(6)));
    assert_eq!(rows(store, table).await, ["-|1|N", "-|1|n", "mon|1|a", "mon|2|B", "tue|1|c", "tue|2|d"]);

    let doubled = write(store, table, mode(), columns, &["wed|1|x", "wed|1|y", "wed|2|z"]).await.unwrap_err();
    assert_eq!(doubled.code(), Code::DuplicateKeys);
    assert_eq!(doubled.message(), "the incoming rows hold the same key several times: (day=wed, id=1) 2 times");
    // So does a table that is written anew, whose rows a merge finds by their keys from then on.
    let anew = batch(columns, &["wed|1|x", "wed|1|y", "-|1|z", "-|1|z"]);
    let keyed = |batch: &RecordBatch| StageRequest {
        unique_key: vec!["day".to_owned(), "id".to_owned()],
        ..request(&key("made_anew"), WriteMode::Overwrite, batch)
    };
    assert_eq!(publish(store, keyed(&anew), &anew).await.unwrap_err().code(), Code::DuplicateKeys);
    let apart = batch(columns, &["wed|1|x", "-|1|z", "-|1|z"]);
    assert_eq!(publish(store, keyed(&apart), &apart).await.unwrap().total, Some(3));
    let misspelt = write(store, table, merge_on(&["dya"]), columns, &["wed|1|x"]).await.unwrap_err();
    assert_eq!((misspelt.code(), misspelt.hints()), (Code::UnknownColumn, &["did you mean `day`?".to_owned()][..]));
    let keyless = write(store, table, mode(), "id:int64 v:string", &["1|x"]).await.unwrap_err();
    assert_eq!(keyless.message(), "`unique_key` names `day`, which is not among the incoming columns");
    assert_eq!(rows(store, table).await.len(), 6);

    // A wider key and a new column at once.
    write(store, table, merge_on(&["id", "day"]), "day:string id:int64 v:string w:int64", &["mon|1|A|7"])
        .await
        .unwrap();
    assert_eq!(rows(store, table).await[2], "mon|1|A|7");

    // A table that held a key twice holds it once thereafter.
    let table = &key("merge_doubled");
    write(store, table, WriteMode::Append, "id:int64 v:string", &["1|a", "1|b", "2|c"]).await.unwrap();
    let summary = write(store, table, merge_on(&["id"]), "id:int64 v:string", &["1|z"]).await.unwrap();
    assert_eq!((summary.inserted, summary.updated, summary.deleted, summary.total), (0, 1, 1, Some(2)));
    assert_eq!(rows(store, table).await, ["1|z", "2|c"]);
    let history = store.history(table, 1).await.unwrap();
    assert_eq!((history[0].rows_added, history[0].rows_removed), (Some(1), Some(2)));

    // Widened keys still meet.
    let table = &key("merge_widened");
    write(store, table, WriteMode::Append, "id:int32 v:string", &["1|a", "2|b"]).await.unwrap();
    write(store, table, merge_on(&["id"]), "id:int64 v:string", &["2|B", "5000000000|c"]).await.unwrap();
    assert_eq!(rows(store, table).await, ["1|a", "2|B", "5000000000|c"]);
}

/// Two writers of one table wait fail or audit again.
pub async fn two_writers_of_one_table_wait_fail_or_audit_again(store: &dyn TableStore) {
    let table = &key("two_writers");
    write(store, table, WriteMode::Append, "id:int64", &["1"]).await.unwrap();
    let (one, two) = (batch("id:int64", &["2"]), batch("id:int64", &["3"]));
    let mut first = stage(store, request(table, WriteMode::Append, &one), &one).await.unwrap();
    first.resolve(&session()).await.unwrap();
    match store.begin(request(table, WriteMode::Append, &two)).await {
        Err(busy) => {
            assert_eq!(busy.code(), Code::TableBusy);
            assert!(busy.message().contains("a-run-") && busy.is_retryable(), "{busy:?}");
            first.commit(CommitRequest::default()).await.unwrap();
            write(store, table, WriteMode::Append, "id:int64", &["3"]).await.unwrap();
        }
        Ok(second) => {
            second.discard().await.unwrap();
            let mut second = stage(store, request(table, WriteMode::Append, &two), &two).await.unwrap();
            second.resolve(&session()).await.unwrap();
            assert_eq!(first.commit(CommitRequest::default()).await.unwrap(), CommitOutcome::Committed { version: 1 });
            assert_eq!(second.commit(CommitRequest::default()).await.unwrap(), CommitOutcome::Moved { version: 1 });
            assert_eq!(second.base_version(), Some(1));
            assert_eq!(second.resolve(&session()).await.unwrap().total, Some(3));
            assert_eq!(query(second.candidate(&session()).await.unwrap(), "select * from t").await, ["1", "2", "3"]);
            assert_eq!(second.commit(CommitRequest::default()).await.unwrap(), CommitOutcome::Committed { version: 2 });
        }
    }
    assert_eq!(rows(store, table).await, ["1", "2", "3"]);
}

/// Rows that another run committed are not committed again.
pub async fn rows_that_another_run_committed_are_not_committed_again(store: &dyn TableStore) {
    let table = &key("repetition");
    let new = batch("id:int64", &["1"]);
    let from = |run: &str| StageRequest { run_id: run.to_owned(), ..request(table, WriteMode::Append, &new) };
    let mut first = stage(store, from("run-1"), &new).await.unwrap();
    // Where there is a lock, there are no two stages.
    let Ok(second) = store.begin(from("run-2")).await else { return first.discard().await.unwrap() };
    second.discard().await.unwrap();
    let (mut second, mut again) =
        (stage(store, from("run-2"), &new).await.unwrap(), stage(store, from("run-1"), &new).await.unwrap());
    for open in [&mut first, &mut second, &mut again] {
        open.resolve(&session()).await.unwrap();
    }
    // Both runs read the source from the same cursor, and so the same rows.
    let came_to = |at: i64| CommitRequest { cursor: Some(at.into()), metadata: Vec::new() };
    assert_eq!(first.commit(came_to(1)).await.unwrap(), CommitOutcome::Committed { version: 0 });
    let err = second.commit(came_to(1)).await.unwrap_err();
    assert!(err.code() == Code::CommitConflict && err.is_retryable(), "{err:?}");
    // An attempt whose answer was lost, and the one after it.
    let err = again.commit(came_to(1)).await.unwrap_err();
    assert!(err.code() == Code::CommitConflict && !err.is_retryable(), "{err:?}");
    let err = store.begin(from("run-1")).await.err().unwrap();
    assert!(err.code() == Code::CommitConflict && !err.is_retryable(), "{err:?}");
    assert_eq!(rows(store, table).await, ["1"]);
}

/// A writer waits for the lock.
pub async fn a_writer_waits_for_the_lock(store: &dyn TableStore) {
    let table = &key("waits");
    let new = batch("id:int64", &["1"]);
    let first = stage(store, request(table, WriteMode::Append, &new), &new).await.unwrap();
    let mut patient = request(table, WriteMode::Append, &new);
    patient.lock_wait = Duration::from_mins(1);
    let (second, ()) = tokio::join!(store.begin(patient), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        first.discard().await.unwrap();
    });
    second.unwrap().discard().await.unwrap();
    assert!(absent(store, table).await);
}

/// Batches of rows `a|b|v` with keys among few values, so that they meet.
fn batches() -> impl Strategy<Value = Vec<Vec<(Option<i64>, String, i64)>>> {
    let row = (prop_oneof![9 => (0..6_i64).prop_map(Some), 1 => Just(None)], "[xyz]", 0..1000_i64);
    proptest::collection::vec(proptest::collection::vec(row, 0..12), 1..5)
}

/// Merges of generated batches leave what a map of the same keys holds.
pub fn merges_agree_with_a_map(store: &dyn TableStore, run: impl Fn(std::pin::Pin<Box<dyn Future<Output = ()> + '_>>)) {
    if !store.support().merge {
        return;
    }
    let config = ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() };
    let case = std::cell::Cell::new(0);
    proptest!(config, |(batches in batches())| {
        case.set(case.get() + 1);
        let table = key(&format!("oracle_{}", case.get()));
        run(Box::pin(check_merges(store, table, batches)));
    });
}

async fn check_merges(store: &dyn TableStore, table: AssetKey, batches: Vec<Vec<(Option<i64>, String, i64)>>) {
    let mut keyed: BTreeMap<(i64, String), i64> = BTreeMap::new();
    let mut unkeyed = Vec::new();
    for rows_in in batches {
        // The last of a key's rows, as a run with `deduplicate` would have it.
        let mut latest: BTreeMap<(i64, String), i64> = BTreeMap::new();
        let mut text = Vec::new();
        for (a, b, v) in rows_in {
            if let Some(a) = a {
                latest.insert((a, b), v);
            } else {
                text.push(format!("-|{b}|{v}"));
                unkeyed.push(format!("-|{b}|{v}"));
            }
        }
        text.extend(latest.iter().map(|((a, b), v)| format!("{a}|{b}|{v}")));
        let updated = latest.keys().filter(|k| keyed.contains_key(k)).count() as u64;
        let lines: Vec<&str> = text.iter().map(String::as_str).collect();
        let summary = write(store, &table, merge_on(&["a", "b"]), "a:int64 b:string v:int64", &lines).await.unwrap();
        keyed.extend(latest);
        assert_eq!((summary.updated, summary.inserted), (updated, lines.len() as u64 - updated));
        let mut expected: Vec<String> =
            keyed.iter().map(|((a, b), v)| format!("{a}|{b}|{v}")).chain(unkeyed.iter().cloned()).collect();
        expected.sort();
        assert_eq!(summary.total, Some(expected.len() as u64));
        assert_eq!(rows(store, &table).await, expected);
    }
}

/// Writes one test for each promise of a table store: `table_store_conformance!(NAME, EXPRESSION)`. The expression, which may await,
/// makes an empty store for each test, and what must live as long: `(store, guard)`.
#[macro_export]
macro_rules! table_store_conformance {
    ($name:ident, $make:expr) => {
        mod $name {
            #![allow(unused_imports, reason = "the expression may need what stands above it, or not")]
            use super::*;
            $crate::table_store_conformance! { @cases $make,
                rows_are_appended_overwritten_and_merged
                staged_rows_are_invisible_and_the_candidate_shows_the_table_to_be
                a_first_build_that_is_not_committed_leaves_the_table_absent
                a_kept_stage_can_be_read_from_its_files
                a_writer_that_is_dropped_leaves_nothing
                no_rows_make_an_empty_table
                cursor_and_run_are_committed_with_the_data
                old_versions_can_be_read_and_unknown_ones_are_said_so
                schemas_evolve_freeze_and_discard
                merges_meet_composite_and_null_keys_and_refuse_duplicates
                two_writers_of_one_table_wait_fail_or_audit_again
                rows_that_another_run_committed_are_not_committed_again
                a_writer_waits_for_the_lock
            }
        }
    };
    (@cases $make:expr, $($case:ident)+) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            let (store, _guard) = $make;
            $crate::table_store::$case(&store).await;
        })+
    };
}
