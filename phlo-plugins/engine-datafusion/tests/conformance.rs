//! The query engine's promises: one pool for all sessions, and what does not fit spills instead of failing.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use phlo_engine_api::QueryEngine;
use phlo_engine_datafusion::{DataFusion, Settings};
use phlo_plugin::InitContext;
use phlo_plugin::prelude::*;
use phlo_spec::CapabilityType;

phlo_testkit::conformance!(phlo_engine_datafusion);

fn engine(settings: Settings, root: &std::path::Path) -> Arc<dyn QueryEngine> {
    let plugin = DataFusion::create(settings, &InitContext::at(root)).unwrap();
    let providers = plugin.providers().unwrap();
    assert_eq!((providers[0].capability, providers[0].name.as_str()), (CapabilityType::QueryEngine, "datafusion"));
    providers[0].get().unwrap()
}

#[tokio::test]
async fn a_grouping_larger_than_the_memory_spills_and_succeeds() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings { memory_mib: Some(32), threads: Some(2), spill_dir: None };
    let session = engine(settings, dir.path()).session().unwrap();
    // A million groups, each with a text of up to 30 characters.
    let rows = "select repeat(cast(value as varchar), 5) as t from generate_series(1, 1000000)";
    let sql = format!("select count(*) from (select t, count(*) from ({rows}) group by t)");
    let batches = session.sql(&sql).await.unwrap().collect().await.unwrap();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 1);
}

#[test]
fn sessions_share_one_pool() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(Settings::default(), dir.path());
    let (a, b) = (engine.session().unwrap(), engine.session().unwrap());
    assert!(Arc::ptr_eq(&a.runtime_env(), &b.runtime_env()));
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings { memory_mib: Some(1), ..Settings::default() };
    assert_eq!(DataFusion::create(settings, &InitContext::at(dir.path())).unwrap_err().code(), Code::InvalidValue);
}

#[tokio::test]
async fn a_sort_larger_than_the_memory_spills_and_succeeds() {
    for (memory, threads) in [(32, 2), (16, 1)] {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings { memory_mib: Some(memory), threads: Some(threads), spill_dir: None };
        let session = engine(settings, dir.path()).session().unwrap();
        // 60 MB.
        let rows =
            "select value, repeat(cast(value * 7919 % 1000003 as varchar), 20) as t from generate_series(1, 400000)";
        let plan = session.sql(&format!("select t, value from ({rows}) order by t")).await.unwrap();
        let mut stream = plan.execute_stream().await.unwrap();
        let (mut count, mut last) = (0, String::new());
        while let Some(batch) = futures::StreamExt::next(&mut stream).await {
            let batch = batch.unwrap_or_else(|err| panic!("{memory} MiB, {threads} threads: {err}"));
            count += batch.num_rows();
            let text = arrow_cast::display::array_value_to_string(batch.column(0), batch.num_rows() - 1).unwrap();
            assert!(text >= last);
            last = text;
        }
        assert_eq!(count, 400_000);
    }
}

#[tokio::test]
async fn many_small_sorts_side_by_side_leave_each_other_room() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings { memory_mib: Some(64), threads: Some(4), spill_dir: None };
    let session = engine(settings, dir.path()).session().unwrap();
    let windows: Vec<_> =
        (2..14).map(|k| format!("row_number() over (partition by value % {k} order by value)")).collect();
    let sql = format!("select {} from generate_series(1, 20000)", windows.join(", "));
    let batches = session.sql(&sql).await.unwrap().collect().await.unwrap();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 20_000);
}
