//! What is Delta's own: files, log, locks, crashes, other writers.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float64Array, Int32Array, Int64Array,
    LargeStringArray, ListArray, RecordBatch, StringArray, StringViewArray, StructArray, TimestampMicrosecondArray,
    TimestampNanosecondArray, UInt64Array, types::Int32Type,
};
use arrow_schema::{DataType, Field, Schema};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use deltalake_core::protocol::SaveMode;
use deltalake_core::{DeltaTable, DeltaTableBuilder};
use phlo_engine_api::{CommitOutcome, CommitRequest, TableStore as _, WriteMode};
use phlo_plugin::InitContext;
use phlo_spec::Code;
use phlo_table_delta::{DeltaStore, Settings};

use crate::on_disk;
use phlo_testkit::fixture::batch;
use phlo_testkit::table_store::{key, merge_on, publish, query, request, rows, session, stage, write};

fn table_dir(dir: &tempfile::TempDir, name: &str) -> PathBuf {
    dir.path().join("lake/suite").join(name)
}

/// Every file below a folder, relative to it, sorted.
fn files(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.push(path.strip_prefix(dir).unwrap().display().to_string());
            }
        }
    }
    found.sort();
    found
}

fn commit(dir: &Path, version: u64) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(dir.join(format!("_delta_log/{version:020}.json"))).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn action<'a>(commit: &'a [serde_json::Value], name: &str) -> Option<&'a serde_json::Value> {
    commit.iter().find_map(|action| action.get(name))
}

/// The table as delta-rs itself opens it.
async fn foreign(dir: &Path) -> DeltaTable {
    DeltaTableBuilder::from_url(url::Url::from_directory_path(dir).unwrap()).unwrap().load().await.unwrap()
}

async fn foreign_append(dir: &Path, batch: RecordBatch) {
    foreign(dir).await.write([batch]).with_save_mode(SaveMode::Append).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_stays_of_a_stage_that_ends_without_a_commit() {
    let dir = tempfile::tempdir().unwrap();
    let store = on_disk(&dir);
    let new = batch("id:int64", &["1", "2"]);
    let table = &key("never");
    for end in ["discard", "drop", "refused"] {
        if end == "refused" {
            // The error comes before anything is staged.
            let mode = merge_on(&["no_such_column"]);
            assert!(store.begin(request(table, mode, &new)).await.is_err());
        } else {
            let mut stage = stage(&store, request(table, WriteMode::Append, &new), &new).await.unwrap();
            stage.resolve(&session()).await.unwrap();
            assert_eq!(files(&table_dir(&dir, "never")).len(), 4, "two data files, a marker and the lock");
            if end == "discard" { stage.discard().await.unwrap() } else { drop(stage) }
        }
        assert!(!table_dir(&dir, "never").exists(), "{end}: {:?}", files(dir.path()));
    }

    write(&store, &key("old"), WriteMode::Append, "id:int64", &["1"]).await.unwrap();
    let before = files(dir.path());
    let mut stage = stage(&store, request(&key("old"), merge_on(&["id"]), &new), &new).await.unwrap();
    stage.resolve(&session()).await.unwrap();
    assert!(files(dir.path()).len() > before.len());
    drop(stage);
    assert_eq!(files(dir.path()), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_run_left_is_swept_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let store = on_disk(&dir);
    let table = &key("crash");
    let folder = table_dir(&dir, "crash");
    let new = batch("id:int64", &["1", "2"]);
    // What is on the disk at each point at which a process can die, by stopping a stage there and copying what it wrote.
    let died_at = |point: &'static str| {
        let (store, new, folder) = (&store, new.clone(), folder.clone());
        async move {
            let mut open = stage(store, request(table, WriteMode::Append, &new), &new).await.unwrap();
            if point != "writing" {
                open.resolve(&session()).await.unwrap();
            }
            let copy = tempfile::tempdir().unwrap();
            for file in files(&folder) {
                std::fs::create_dir_all(copy.path().join(&file).parent().unwrap()).unwrap();
                std::fs::copy(folder.join(&file), copy.path().join(&file)).unwrap();
            }
            let base = open.base_version();
            match point {
                "after the commit" => drop(open.commit(CommitRequest::default()).await.unwrap()),
                _ => open.discard().await.unwrap(),
            }
            // Back comes what was there; a commit stays where it landed.
            for file in files(copy.path()) {
                std::fs::create_dir_all(folder.join(&file).parent().unwrap()).unwrap();
                std::fs::copy(copy.path().join(&file), folder.join(&file)).unwrap();
            }
            let marker = files(&folder).into_iter().find(|f| f.starts_with("_phlo/stages")).unwrap();
            if point == "landing" {
                std::fs::create_dir_all(folder.join("_delta_log")).unwrap();
                std::fs::write(folder.join(marker.replace(".json", ".commit")), "{}").unwrap();
            }
            if point == "writing the marker" {
                std::fs::rename(folder.join(&marker), folder.join(marker.replace(".json", ".partial"))).unwrap();
                files(&folder)
                    .iter()
                    .filter(|f| f.ends_with(".parquet") && base.is_none())
                    .for_each(|f| std::fs::remove_file(folder.join(f)).unwrap());
            }
        }
    };
    for point in ["writing the marker", "writing", "resolved", "landing"] {
        died_at(point).await;
        assert!(store.describe(table, None).await.unwrap().is_none(), "{point}");
        assert!(!store.list().await.unwrap().contains(table), "{point}");
        let open = store.begin(request(table, WriteMode::Append, &new)).await.unwrap();
        let left: Vec<_> = files(&folder)
            .into_iter()
            .filter(|f| f.ends_with(".parquet") || f.ends_with(".commit") || f.ends_with(".partial"))
            .collect();
        assert_eq!(left, Vec::<String>::new(), "{point}");
        drop(open);
        assert!(!folder.exists(), "{point}: {:?}", files(&folder));
    }
    // Died between the commit and the removal of the marker: the files are the table's now.
    died_at("after the commit").await;
    assert_eq!(rows(&store, table).await, ["1", "2"]);
    write(&store, table, WriteMode::Append, "id:int64", &["3"]).await.unwrap();
    assert_eq!(rows(&store, table).await, ["1", "2", "3"]);
    assert!(files(&folder).iter().all(|f| !f.starts_with("_phlo/stages")), "{:?}", files(&folder));
    // The same, when an overwrite has since made them history: they are still an old version's.
    let marker = folder.join("_phlo/stages");
    let stage_id = commit(&folder, 0)
        .iter()
        .find_map(|a| Some(a.get("commitInfo")?.get("phlo.stage")?.as_str()?.to_owned()))
        .unwrap();
    write(&store, table, WriteMode::Overwrite, "id:int64", &["9"]).await.unwrap();
    let text = serde_json::json!({"stage": stage_id, "run_id": "dead", "pid": 1, "started": "2020-01-01T00:00:00Z", "base": null});
    std::fs::write(marker.join(format!("{stage_id}.json")), text.to_string()).unwrap();
    write(&store, table, WriteMode::Append, "id:int64", &["10"]).await.unwrap();
    let old = store.provider(table, Some(0)).await.unwrap().unwrap();
    assert_eq!(query(old, "select * from t").await, ["1", "2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_stage_stays_for_its_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = on_disk(&dir);
    let table = &key("kept");
    let folder = table_dir(&dir, "kept");
    let new = batch("id:int64", &["1", "2"]);
    let mut open = stage(&store, request(table, WriteMode::Append, &new), &new).await.unwrap();
    open.resolve(&session()).await.unwrap();
    let kept = open.keep("`not_null(id)` failed").await.unwrap();
    write(&store, table, WriteMode::Append, "id:int64", &["3"]).await.unwrap();
    let there = || files(&folder).iter().filter(|f| f.contains(&kept.id) && f.starts_with("part-")).count();
    assert!(there() > 0);
    let marker = folder.join(format!("_phlo/stages/{}.json", kept.id));
    let mut text: serde_json::Value = serde_json::from_slice(&std::fs::read(&marker).unwrap()).unwrap();
    assert_eq!(text["kept"]["reason"], "`not_null(id)` failed");
    text["kept"]["until"] = "2020-01-01T00:00:00Z".into();
    std::fs::write(&marker, text.to_string()).unwrap();
    write(&store, table, WriteMode::Append, "id:int64", &["4"]).await.unwrap();
    assert!(there() == 0 && !marker.exists());
    assert_eq!(rows(&store, table).await, ["3", "4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_writers_commit_means_a_new_audit_never_a_silent_rebase() {
    let dir = tempfile::tempdir().unwrap();
    let store = on_disk(&dir);
    for (name, mode, expected) in [
        ("append", WriteMode::Append, vec!["1|a", "2|b", "2|c", "3|x"]),
        ("overwrite", WriteMode::Overwrite, vec!["2|b"]),
        ("merge", merge_on(&["id"]), vec!["1|a", "2|b", "3|x"]),
    ] {
        let table = &key(name);
        let folder = table_dir(&dir, name);
        write(&store, table, WriteMode::Append, "id:int64 v:string", &["1|a"]).await.unwrap();
        let new = batch("id:int64 v:string", &["2|b"]);
        let mut open = stage(&store, request(table, mode, &new), &new).await.unwrap();
        open.resolve(&session()).await.unwrap();
        foreign_append(&folder, batch("id:int64 v:string", &["2|c", "3|x"])).await;
        // The audit looks at the version that it builds on, though there is another of that number now.
        let audited = query(open.candidate(&session()).await.unwrap(), "select * from t").await;
        assert!(!audited.contains(&"3|x".to_owned()), "{name}: {audited:?}");
        assert_eq!(open.commit(CommitRequest::default()).await.unwrap(), CommitOutcome::Moved { version: 1 });
        assert_eq!(rows(&store, table).await, ["1|a", "2|c", "3|x"], "{name}");
        assert_eq!(
            open.commit(CommitRequest::default()).await.unwrap_err().code(),
            Code::Internal,
            "it must be resolved again"
        );
        open.resolve(&session()).await.unwrap();
        assert_eq!(query(open.candidate(&session()).await.unwrap(), "select * from t").await, expected, "{name}");
        assert_eq!(open.commit(CommitRequest::default()).await.unwrap(), CommitOutcome::Committed { version: 2 });
        assert_eq!(rows(&store, table).await, expected, "{name}");
        drop(open);
        let on_disk: Vec<_> =
            files(&folder).into_iter().filter(|f| f.starts_with("part-") && !f.contains("-c000")).collect();
        let named = named_files(&folder);
        assert!(on_disk.iter().all(|f| named.contains(f)), "{name}: {on_disk:?} {named:?}");
    }
}

/// Every file that any commit of a table added.
fn named_files(folder: &Path) -> Vec<String> {
    let versions =
        files(&folder.join("_delta_log")).into_iter().filter(|f| Path::new(f).extension().is_some_and(|e| e == "json"));
    let commits = versions.map(|f| commit(folder, f.trim_end_matches(".json").parse().unwrap()));
    commits.flatten().filter_map(|a| Some(a.get("add")?["path"].as_str()?.to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_commit_can_be_taken_too() {
    let dir = tempfile::tempdir().unwrap();
    let store = on_disk(&dir);
    let table = &key("first");
    let new = batch("id:int64", &["1"]);
    let mut open = stage(&store, request(table, WriteMode::Append, &new), &new).await.unwrap();
    open.resolve(&session()).await.unwrap();
    let url = url::Url::from_directory_path(table_dir(&dir, "first")).unwrap();
    DeltaTableBuilder::from_url(url).unwrap().build().unwrap().write([batch("id:int64", &["5"])]).await.unwrap();
    assert_eq!(open.commit(CommitRequest::default()).await.unwrap(), CommitOutcome::Moved { version: 0 });
    open.resolve(&session()).await.unwrap();
    open.commit(CommitRequest::default()).await.unwrap();
    assert_eq!(rows(&store, table).await, ["1", "5"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_columns_under_a_stage_are_an_error_that_says_to_run_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = on_disk(&dir);
    let table = &key("columns");
    write(&store, table, WriteMode::Append, "id:int64", &["1"]).await.unwrap();
    let new = batch("id:int64", &["2"]);
    let mut open = stage(&store, request(table, WriteMode::Append, &new), &new).await.unwrap();
    open.resolve(&session()).await.unwrap();
    // More columns do not matter: the staged rows have null there.
    let wider = batch("id:int64 more:string", &["3|x"]);
    foreign(&table_dir(&dir, "columns"))
        .await
        .write([wider])
        .with_schema_mode(deltalake_core::operations::write::SchemaMode::Merge)
        .await
        .unwrap();
    assert_eq!(open.commit(CommitRequest::default()).await.unwrap(), CommitOutcome::Moved { version: 1 });
    open.resolve(&session()).await.unwrap();
    open.commit(CommitRequest::default()).await.unwrap();
    assert_eq!(rows(&store, table).await, ["1|-", "2|-", "3|x"]);
    // Another type does.
    let mut open = stage(
        &store,
        request(table, WriteMode::Overwrite, &batch("id:int64 more:string", &["2|y"])),
        &batch("id:int64 more:string", &["2|y"]),
    )
    .await
    .unwrap();
    open.resolve(&session()).await.unwrap();
    drop(open);
    let narrow = batch("id:int32", &["2"]);
    let mut open = stage(&store, request(table, WriteMode::Append, &narrow), &narrow).await.unwrap();
    open.resolve(&session()).await.unwrap();
    let replaced = batch("id:string", &["x"]);
    foreign(&table_dir(&dir, "columns"))
        .await
        .write([replaced])
        .with_save_mode(SaveMode::Overwrite)
        .with_schema_mode(deltalake_core::operations::write::SchemaMode::Overwrite)
        .await
        .unwrap();
    let refused = open.commit(CommitRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::SchemaMismatch, "{refused:?}");
    drop(open);
    assert_eq!(rows(&store, table).await, ["x"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_one_that_any_reader_understands() {
    let dir = tempfile::tempdir().unwrap();
    let store = on_disk(&dir);
    let table = &key("log");
    let folder = table_dir(&dir, "log");
    let new = batch("id:int64 name:string", &["1|a", "3|-"]);
    let mut asked = request(table, WriteMode::Append, &new);
    asked.description = Some("what it is".to_owned());
    let mut open = stage(&store, asked, &new).await.unwrap();
    open.resolve(&session()).await.unwrap();
    open.commit(CommitRequest {
        cursor: Some(serde_json::json!([1])),
        metadata: vec![("phlo.asset".to_owned(), "log".into())],
    })
    .await
    .unwrap();
    let first = commit(&folder, 0);
    assert_eq!(action(&first, "protocol").unwrap(), &serde_json::json!({"minReaderVersion": 1, "minWriterVersion": 2}));
    let metadata = action(&first, "metaData").unwrap();
    assert_eq!(
        (metadata["description"].as_str(), metadata["configuration"]["phlo.cursor"].as_str()),
        (Some("what it is"), Some("[1]"))
    );
    let info = action(&first, "commitInfo").unwrap();
    assert_eq!(
        (info["operation"].as_str(), info["phlo.run_id"].as_str().map(|run| &run[..6]), info["phlo.asset"].as_str()),
        (Some("WRITE"), Some("a-run-"), Some("log"))
    );
    let add = action(&first, "add").unwrap();
    let path = add["path"].as_str().unwrap();
    assert!(path.starts_with("part-") && path.ends_with("-00000.zstd.parquet"), "{path}");
    assert_eq!(add["size"].as_u64().unwrap(), std::fs::metadata(folder.join(path)).unwrap().len());
    assert_eq!(
        (add["dataChange"].as_bool(), add["partitionValues"].as_object().map(serde_json::Map::len)),
        (Some(true), Some(0))
    );
    let stats: serde_json::Value = serde_json::from_str(add["stats"].as_str().unwrap()).unwrap();
    assert_eq!(
        stats,
        serde_json::json!({"numRecords": 1, "minValues": {"id": 1, "name": "a"}, "maxValues": {"id": 1, "name": "a"}, "nullCount": {"id": 0, "name": 0}})
    );

    // Nothing but the rows changes: no metadata. A cursor that stays is no change either.
    for cursor in [None, Some(serde_json::json!([1]))] {
        let mut open = stage(&store, request(table, WriteMode::Append, &new), &new).await.unwrap();
        open.resolve(&session()).await.unwrap();
        let CommitOutcome::Committed { version } =
            open.commit(CommitRequest { cursor, metadata: vec![] }).await.unwrap()
        else {
            panic!()
        };
        assert!(action(&commit(&folder, version), "metaData").is_none());
        assert!(action(&commit(&folder, version), "protocol").is_none());
    }
    // delta-rs reads the same.
    let provider = foreign(&folder).await.table_provider().await.unwrap();
    assert_eq!(query(provider, "select count(*), sum(id) from t").await, ["6|12"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_goes_there_and_back_and_is_found_by_its_statistics() {
    let dir = tempfile::tempdir().unwrap();
    let store = on_disk(&dir);
    let table = &key("types");
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1), None]), None, Some(vec![])]);
    let nested = StructArray::from(vec![
        (Arc::new(Field::new("x", DataType::Int32, true)), Arc::new(Int32Array::from(vec![1, 2, 3])) as ArrayRef),
        (
            Arc::new(Field::new("y", DataType::LargeUtf8, true)),
            Arc::new(LargeStringArray::from(vec!["a", "b", "c"])) as ArrayRef,
        ),
    ]);
    let dictionary: DictionaryArray<Int32Type> = vec![Some("de"), None, Some("fr")].into_iter().collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("flag", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]))),
        ("big", Arc::new(UInt64Array::from(vec![u64::MAX, 0, 7]))),
        (
            "price",
            Arc::new(
                Decimal128Array::from(vec![Some(-12345), None, Some(99)]).with_precision_and_scale(12, 2).unwrap(),
            ),
        ),
        (
            "huge",
            Arc::new(
                Decimal128Array::from(vec![12_345_678_901_234_567_890_123_i128, -1, 0])
                    .with_precision_and_scale(38, 3)
                    .unwrap(),
            ),
        ),
        ("ratio", Arc::new(Float64Array::from(vec![f64::NAN, 1.5, -0.0]))),
        ("real", Arc::new(Float64Array::from(vec![0.1, f64::INFINITY, -2.0]))),
        ("plain", Arc::new(Float64Array::from(vec![0.1, 7.25, -2.0]))),
        ("day", Arc::new(Date32Array::from(vec![0, 19_000, -400]))),
        (
            "at",
            Arc::new(
                TimestampNanosecondArray::from(vec![1_700_000_000_123_456_789, 0, -1_500])
                    .with_timezone("Europe/Berlin"),
            ),
        ),
        ("local", Arc::new(TimestampMicrosecondArray::from(vec![Some(1_700_000_000_123_456), None, Some(-1)]))),
        (
            "view",
            Arc::new(StringViewArray::from(vec![
                Some("a long text that is kept outside of the view"),
                None,
                Some("b\"c"),
            ])),
        ),
        ("country", Arc::new(dictionary)),
        ("list", Arc::new(list)),
        ("nested", Arc::new(nested)),
        ("odd name", Arc::new(StringArray::from(vec!["x", "y", "z"]))),
    ];
    let fields: Vec<Field> =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    let new =
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|(_, array)| array).collect())
            .unwrap();
    publish(&store, request(table, WriteMode::Append, &new), &new).await.unwrap();
    publish(&store, request(table, WriteMode::Append, &new), &new).await.unwrap();

    let first = commit(&table_dir(&dir, "types"), 0);
    assert_eq!(action(&first, "protocol").unwrap()["readerFeatures"], serde_json::json!(["timestampNtz"]));
    let stats: Vec<serde_json::Value> =
        first.iter().filter_map(|a| serde_json::from_str(a.get("add")?["stats"].as_str()?).ok()).collect();
    // The first writer had rows 1 and 3.
    let (min, max) = (&stats[0]["minValues"], &stats[0]["maxValues"]);
    assert_eq!((&min["price"], &max["price"]), (&serde_json::json!(-123.45), &serde_json::json!(0.99)));
    assert!(first.iter().any(|a| a.to_string().contains(r#"\"huge\":12345678901234567890.123"#)), "exact digits");
    assert_eq!(
        (&min["at"], &max["at"]),
        (&serde_json::json!("1969-12-31T23:59:59.999Z"), &serde_json::json!("2023-11-14T22:13:20.124Z"))
    );
    assert_eq!(
        (&min["local"], &max["local"]),
        (&serde_json::json!("1969-12-31T23:59:59.999"), &serde_json::json!("2023-11-14T22:13:20.124"))
    );
    assert_eq!((&min["day"], &max["day"]), (&serde_json::json!("1968-11-27"), &serde_json::json!("1970-01-01")));
    assert!(min.get("ratio").is_none() && max.get("ratio").is_none(), "no bounds with NaN");
    assert_eq!(stats[1]["maxValues"].get("real"), None, "JSON has no infinity");
    assert_eq!((&min["plain"], &stats[0]["nullCount"]["flag"]), (&serde_json::json!(-2.0), &serde_json::json!(0)));

    let provider = store.provider(table, None).await.unwrap().unwrap();
    for (predicate, rows) in [
        ("flag", 2),
        ("not flag", 2),
        ("flag is null", 2),
        ("big = 18446744073709551615", 2),
        ("price = -123.45", 2),
        ("huge > 12345678901234567890.122", 2),
        ("isnan(ratio)", 2),
        ("real > 1e300", 2),
        ("plain = 7.25", 2),
        ("day < date '1970-01-01'", 2),
        ("at >= timestamp '2023-11-14T22:13:20.123456Z'", 2),
        ("at < timestamp '1970-01-01T00:00:00Z'", 2),
        ("local >= timestamp '2023-11-14T22:13:20.123456'", 2),
        ("local < timestamp '1970-01-01T00:00:00'", 2),
        ("view = 'b\"c'", 2),
        ("country = 'de'", 2),
        ("country is null", 2),
        ("list[1] = 1", 2),
        ("nested['y'] = 'b'", 2),
        ("\"odd name\" >= 'y'", 4),
        ("true", 6),
    ] {
        let counted =
            query(Arc::clone(&provider), &format!("select count(*) from (select * from t where {predicate})")).await;
        assert_eq!(counted, [rows.to_string()], "{predicate}");
    }
    let back = query(provider, "select list, nested, \"odd name\", at, local from t where flag limit 1").await;
    assert_eq!(back, ["[1, -]|{x: 1, y: a}|x|2023-11-14T22:13:20.123456Z|2023-11-14T22:13:20.123456"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_rotate_and_row_groups_stay_small() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings { target_file_bytes: 1 << 20, row_group_rows: 10_000, ..Settings::default() };
    let store = DeltaStore::new(&InitContext::at(dir.path()).storage, settings).unwrap();
    let table = &key("rotate");
    let values: Vec<i64> = (0..400_000_i64).map(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15_u64 as i64)).collect();
    let new = RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(values)) as ArrayRef)]).unwrap();
    let mut open = store.begin(request(table, WriteMode::Append, &new)).await.unwrap();
    let mut writer = open.writer().await.unwrap();
    for i in 0..40 {
        writer.write(new.slice(i * 10_000, 10_000)).await.unwrap();
    }
    writer.close().await.unwrap();
    let summary = open.resolve(&session()).await.unwrap();
    assert!(summary.files >= 3 && summary.bytes > 3 << 20, "{summary:?}");
    open.commit(CommitRequest::default()).await.unwrap();
    assert_eq!(store.describe(table, None).await.unwrap().unwrap().rows, Some(400_000));
    // A merge of one key rewrites the one file that holds it.
    let one = new.slice(123, 1);
    let mut open = stage(&store, request(table, merge_on(&["id"]), &one), &one).await.unwrap();
    let merged = open.resolve(&session()).await.unwrap();
    assert_eq!((merged.updated, merged.total), (1, Some(400_000)));
    open.commit(CommitRequest::default()).await.unwrap();
    let removes = commit(&table_dir(&dir, "rotate"), 1).iter().filter(|a| a.get("remove").is_some()).count();
    assert_eq!(removes, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_goes_well_with_little_memory() {
    let dir = tempfile::tempdir().unwrap();
    let store = on_disk(&dir);
    let table = &key("spills");
    let rows = |from: i64, to: i64, tag: &str| {
        let ids: Vec<i64> = (from..to).collect();
        let names: Vec<String> = ids.iter().map(|id| format!("{tag}-{:032}", id.wrapping_mul(7_919))).collect();
        RecordBatch::try_from_iter([
            ("id", Arc::new(Int64Array::from(ids)) as ArrayRef),
            ("name", Arc::new(StringArray::from(names)) as ArrayRef),
        ])
        .unwrap()
    };
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::new(FairSpillPool::new(6 << 20))).build_arc().unwrap();
    let config = SessionConfig::new().with_target_partitions(2).with_sort_spill_reservation_bytes(1 << 20);
    let small = SessionContext::new_with_config_rt(config, runtime);
    for (mode, batch) in
        [(WriteMode::Append, rows(0, 200_000, "old")), (merge_on(&["id"]), rows(100_000, 300_000, "new"))]
    {
        let mut open = store.begin(request(table, mode, &batch)).await.unwrap();
        let mut writer = open.writer().await.unwrap();
        for start in (0..batch.num_rows()).step_by(8192) {
            writer.write(batch.slice(start, 8192.min(batch.num_rows() - start))).await.unwrap();
        }
        writer.close().await.unwrap();
        open.resolve(&small).await.unwrap();
        open.commit(CommitRequest::default()).await.unwrap();
    }
    let provider = store.provider(table, None).await.unwrap().unwrap();
    let counted = query(
        provider,
        "select count(*), count(distinct id), sum(case when name like 'new%' then 1 else 0 end) from t",
    )
    .await;
    assert_eq!(counted, ["300000|300000|200000"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn promises_of_other_writers_are_not_broken() {
    let dir = tempfile::tempdir().unwrap();
    let store = on_disk(&dir);
    let new = batch("id:int64 day:string", &["1|mon"]);
    let refuse = |name: &'static str, mode: WriteMode| {
        let (store, new) = (&store, new.clone());
        async move { store.begin(request(&key(name), mode, &new)).await.map(|_| ()).unwrap_err() }
    };
    let url = |name: &str| {
        std::fs::create_dir_all(table_dir(&dir, name)).unwrap();
        url::Url::from_directory_path(table_dir(&dir, name)).unwrap()
    };
    let create = |name: &'static str| DeltaTableBuilder::from_url(url(name)).unwrap().build().unwrap();
    create("parted").write([new.clone()]).with_partition_columns(["day"]).await.unwrap();
    create("appendonly").write([new.clone()]).with_configuration([("delta.appendOnly", Some("true"))]).await.unwrap();
    create("feed")
        .write([new.clone()])
        .with_configuration([("delta.enableChangeDataFeed", Some("true"))])
        .await
        .unwrap();
    let refused = refuse("parted", WriteMode::Append).await;
    assert_eq!(
        (refused.code(), refused.message()),
        (Code::Unsupported, "the table cannot be written: it is partitioned by columns")
    );
    assert_eq!(refuse("appendonly", WriteMode::Overwrite).await.code(), Code::Unsupported);
    assert_eq!(refuse("feed", merge_on(&["id"])).await.code(), Code::Unsupported);
    assert_eq!(rows(&store, &key("parted")).await, ["1|mon"]);
    write(&store, &key("appendonly"), WriteMode::Append, "id:int64 day:string", &["2|tue"]).await.unwrap();
    assert_eq!(rows(&store, &key("appendonly")).await, ["1|mon", "2|tue"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_comes_every_ten_commits_and_the_table_stays_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let store = on_disk(&dir);
    let table = &key("checkpoint");
    for i in 0..11 {
        write(&store, table, merge_on(&["id"]), "id:int64 v:int64", &[&format!("{}|{i}", i % 4)]).await.unwrap();
    }
    let log = files(&table_dir(&dir, "checkpoint").join("_delta_log"));
    assert!(log.iter().any(|f| f.contains("00000000000000000009.checkpoint")), "{log:?}");
    // The commits before it may go: what matters is in the checkpoint.
    for version in 0..9 {
        std::fs::remove_file(table_dir(&dir, "checkpoint").join(format!("_delta_log/{version:020}.json"))).unwrap();
    }
    assert_eq!(rows(&store, table).await, ["0|8", "1|9", "2|10", "3|7"]);
    assert_eq!(store.history(table, 100).await.unwrap().len(), 2);
    write(&store, table, merge_on(&["id"]), "id:int64 v:int64", &["3|11"]).await.unwrap();
    assert_eq!(rows(&store, table).await, ["0|8", "1|9", "2|10", "3|11"]);
    assert_eq!(store.provider(table, Some(3)).await.map(|_| ()).unwrap_err().code(), Code::UnknownVersion);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_is_no_folder_is_one_clear_error() {
    let dir = tempfile::tempdir().unwrap();
    let lake = dir.path().join("lake");
    std::fs::write(&lake, "a file where the root should be").unwrap();
    let store = on_disk(&dir);
    let new = batch("id:int64", &["1"]);
    let error = store.begin(request(&key("x"), WriteMode::Append, &new)).await.map(|_| ()).unwrap_err();
    assert_eq!(error.code(), Code::StorageFailed, "{error:?}");
    assert!(error.chain()[0].contains("lake"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_left_by_a_dead_process_is_free() {
    let dir = tempfile::tempdir().unwrap();
    let store = on_disk(&dir);
    let lock = table_dir(&dir, "dead").join("_phlo/lock");
    std::fs::create_dir_all(lock.parent().unwrap()).unwrap();
    std::fs::write(&lock, r#"{"pid":999999,"run_id":"dead","since":"2020-01-01T00:00:00Z"}"#).unwrap();
    let mut asked = request(&key("dead"), WriteMode::Append, &batch("id:int64", &["1"]));
    asked.lock_wait = Duration::ZERO;
    let open = store.begin(asked).await.unwrap();
    open.discard().await.unwrap();
    assert!(!table_dir(&dir, "dead").exists());
}
