//! The promises of a table store, held by Delta on a disk and on an object store, and those that are Delta's own.
#![allow(clippy::unwrap_used)]
#![allow(clippy::disallowed_methods, reason = "sessions of their own: a plugin never depends on the query engine's")]

mod delta;
mod suite;

use phlo_engine_api::TableStore;
use phlo_plugin::{InitContext, Storage};
use phlo_table_delta::{DeltaStore, Settings};

/// A store below a folder.
fn on_disk(dir: &tempfile::TempDir) -> DeltaStore {
    DeltaStore::new(&InitContext::at(dir.path()).storage, Settings::default()).unwrap()
}

/// A store without a disk: what an object store is to phlo.
fn in_memory() -> DeltaStore {
    let storage = Storage {
        root: url::Url::parse("memory:///bucket/lake/").unwrap(),
        options: std::collections::BTreeMap::new(),
    };
    DeltaStore::new(&storage, Settings::default()).unwrap()
}

macro_rules! conformance {
    ($($case:ident)+) => {
        mod on_disk {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let dir = tempfile::tempdir().unwrap();
                super::suite::$case(&super::on_disk(&dir)).await;
            })+
        }
        mod on_an_object_store {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::suite::$case(&super::in_memory()).await;
            })+
        }
    };
}

conformance! {
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

#[test]
fn merges_agree_with_a_map() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let store: &dyn TableStore = &on_disk(&dir);
    suite::merges_agree_with_a_map(store, |case| runtime.block_on(case));
}
