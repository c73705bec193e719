//! The promises of a table store, held by Delta on a disk and on an object store, and those that are Delta's own.
#![allow(clippy::unwrap_used)]
#![allow(clippy::disallowed_methods, reason = "sessions of their own: a plugin never depends on the query engine's")]

mod delta;

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

fn disk() -> (DeltaStore, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (on_disk(&dir), dir)
}

phlo_testkit::conformance!(phlo_table_delta);
phlo_testkit::table_store_conformance!(the_promises_on_a_disk, disk());
phlo_testkit::table_store_conformance!(the_promises_on_an_object_store, (in_memory(), ()));

#[test]
fn merges_agree_with_a_map() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let store: &dyn TableStore = &on_disk(&dir);
    phlo_testkit::table_store::merges_agree_with_a_map(store, |case| runtime.block_on(case));
}
