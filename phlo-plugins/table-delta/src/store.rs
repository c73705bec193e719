//! The table store: its tables, and the stages that write them.

use std::sync::Arc;

use arrow_schema::Schema;
use async_trait::async_trait;
use chrono::Utc;
use datafusion::catalog::TableProvider;
use deltalake_core::kernel::engine::arrow_conversion::TryIntoArrow as _;
use futures::TryStreamExt as _;
use phlo_engine_api::{Stage, StageRequest, TableInfo, TableStore, TableSupport, TableVersion};
use phlo_plugin::{Error, Result, Storage};
use phlo_spec::{AssetKey, Code};

use crate::config::Settings;
use crate::error;
use crate::exact::Exact;
use crate::folder::Root;
use crate::lock::TableLock;
use crate::log::{self, CURSOR};
use crate::marker;
use crate::stage::{DeltaStage, live_rows, scan};

/// Delta tables below the storage's root: the table `bronze.flights` lies in `bronze/flights`.
#[derive(Debug, Clone)]
pub struct DeltaStore {
    root: Root,
    settings: Settings,
}

impl DeltaStore {
    /// A store over `storage`. Nothing is read yet.
    ///
    /// # Errors
    /// If the storage's address or options are not understood.
    pub fn new(storage: &Storage, settings: Settings) -> Result<Self> {
        Ok(Self { root: Root::open(storage)?, settings })
    }
}

#[async_trait]
impl TableStore for DeltaStore {
    fn support(&self) -> TableSupport {
        TableSupport { merge: true, schema_evolution: true, time_travel: true }
    }

    async fn list(&self) -> Result<Vec<AssetKey>> {
        self.root.tables().await
    }

    async fn describe(&self, table: &AssetKey, at: Option<u64>) -> Result<Option<TableInfo>> {
        let folder = self.root.table(table)?;
        let log = folder.log.as_ref();
        let Some(snapshot) = log::snapshot(&folder, at).await.map_err(|e| e.with("table", table))? else {
            return Ok(None);
        };
        let (mut rows, mut bytes, mut files) = (Some(0), 0, 0);
        let mut views = snapshot.file_views(log, None);
        while let Some(file) = views.try_next().await.map_err(|e| error::delta("reading the table's files", e))? {
            rows = rows.zip(live_rows(&file)).map(|(sum, rows): (u64, u64)| sum + rows);
            bytes += file.size().unsigned_abs();
            files += 1;
        }
        drop(views);
        let schema: Schema = snapshot
            .schema()
            .as_ref()
            .try_into_arrow()
            .map_err(|e| error::delta("reading the table's columns", e.into()))?;
        let (facts, run_id) = log::last_run(log, snapshot.version()).await?;
        let cursor = snapshot.metadata().configuration().get(CURSOR).map(|text| serde_json::from_str(text)).transpose();
        let cursor = cursor.map_err(|e| {
            // As if there were none, everything that the source has would come a second time.
            Error::new(Code::TableDamaged, "the cursor in the table's metadata is not JSON")
                .with("table", table)
                .hint("read everything again with `--full-refresh`")
                .because(e)
        })?;
        Ok(Some(TableInfo {
            table: table.clone(),
            location: folder.location(),
            version: snapshot.version(),
            schema: Arc::new(schema),
            rows,
            bytes,
            files,
            cursor,
            run_id,
            committed_at: facts.committed_at(),
            facts: facts.own(),
        }))
    }

    async fn history(&self, table: &AssetKey, limit: usize) -> Result<Vec<TableVersion>> {
        let folder = self.root.table(table)?;
        let log = folder.log.as_ref();
        let mut versions = Vec::new();
        let mut next = log::latest_version(&folder).await?;
        while let Some(version) = next.filter(|_| versions.len() < limit) {
            // The log is cleaned up from its beginning.
            let Some(facts) = log::commit_info(log, version).await? else { break };
            let metric = |names: &[&str]| names.iter().find_map(|name| facts.metric(name));
            let (inserted, updated, deleted) = (
                metric(&["numTargetRowsInserted"]),
                metric(&["numTargetRowsUpdated"]),
                metric(&["numTargetRowsDeleted"]),
            );
            versions.push(TableVersion {
                version,
                committed_at: facts.committed_at(),
                operation: facts.operation().to_owned(),
                run_id: facts.run_id().map(str::to_owned),
                rows_added: inserted
                    .zip(updated)
                    .map(|(i, u)| i + u)
                    .or_else(|| metric(&["numOutputRows", "num_added_rows"])),
                rows_removed: updated
                    .zip(deleted)
                    .map(|(u, d)| u + d)
                    .or_else(|| metric(&["numDeletedRows", "num_deleted_rows"])),
            });
            next = version.checked_sub(1);
        }
        Ok(versions)
    }

    async fn provider(&self, table: &AssetKey, at: Option<u64>) -> Result<Option<Arc<dyn TableProvider>>> {
        let folder = self.root.table(table)?;
        let Some(state) = log::state_at(&folder, at).await.map_err(|e| e.with("table", table))? else {
            return Ok(None);
        };
        let provider = scan(&folder, state.clone()).await;
        let provider = provider.map_err(|e| error::query("reading the table", e).with("table", table))?;
        Ok(Some(Exact::table(provider, state)))
    }

    async fn begin(&self, request: StageRequest) -> Result<Box<dyn Stage>> {
        let folder = self.root.table(&request.table)?;
        let lock = match &folder.dir {
            Some(dir) => Some(TableLock::take(dir, &request.table, &request.run_id, request.lock_wait).await?),
            None => None,
        };
        let opened = async {
            marker::sweep(&folder, lock.is_some(), Utc::now()).await?;
            DeltaStage::open(folder.clone(), self.settings.clone(), request).await
        };
        match opened.await {
            Ok(mut stage) => {
                stage.hold(lock);
                Ok(Box::new(stage))
            }
            Err(e) => {
                if let Some(lock) = lock.filter(|_| !folder.may_be_table()) {
                    lock.leave_no_trace(&folder);
                }
                Err(e)
            }
        }
    }
}
