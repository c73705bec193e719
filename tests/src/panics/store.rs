//! A table store that panics where it is told to, in front of the real one.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::prelude::SessionContext;
use phlo_engine_api::{
    CommitOutcome, CommitRequest, KeptStage, Stage, StageRequest, StageSummary, StageWriter, TableInfo, TableStore,
    TableSupport, TableVersion,
};
use phlo_plugin::Result;
use phlo_spec::AssetKey;

use crate::saboteurs::Trap;

/// The store.
#[derive(Debug)]
pub(crate) struct Saboteurs {
    pub(crate) inner: Arc<dyn TableStore>,
    pub(crate) trap: Trap,
}

#[async_trait]
impl TableStore for Saboteurs {
    fn support(&self) -> TableSupport {
        self.trap.reach("support");
        self.inner.support()
    }
    async fn list(&self) -> Result<Vec<AssetKey>> {
        self.trap.reach("list");
        self.inner.list().await
    }
    async fn describe(&self, table: &AssetKey, at: Option<u64>) -> Result<Option<TableInfo>> {
        self.trap.reach("describe");
        self.inner.describe(table, at).await
    }
    async fn history(&self, table: &AssetKey, limit: usize) -> Result<Vec<TableVersion>> {
        self.trap.reach("history");
        self.inner.history(table, limit).await
    }
    async fn provider(&self, table: &AssetKey, at: Option<u64>) -> Result<Option<Arc<dyn TableProvider>>> {
        self.trap.reach("provider");
        self.inner.provider(table, at).await
    }
    async fn begin(&self, request: StageRequest) -> Result<Box<dyn Stage>> {
        self.trap.reach("begin");
        let inner = self.inner.begin(request).await?;
        Ok(Box::new(BadStage { inner, trap: self.trap.clone() }))
    }
}

struct BadStage {
    inner: Box<dyn Stage>,
    trap: Trap,
}

#[async_trait]
impl Stage for BadStage {
    fn base_version(&self) -> Option<u64> {
        self.trap.reach("base_version");
        self.inner.base_version()
    }
    fn schema(&self) -> SchemaRef {
        self.trap.reach("stage_schema");
        self.inner.schema()
    }
    fn notes(&self) -> Vec<String> {
        self.trap.reach("notes");
        self.inner.notes()
    }
    async fn writer(&self) -> Result<Box<dyn StageWriter>> {
        self.trap.reach("writer");
        let inner = self.inner.writer().await?;
        Ok(Box::new(BadWriter { inner, trap: self.trap.clone() }))
    }
    async fn resolve(&mut self, session: &SessionContext) -> Result<StageSummary> {
        self.trap.reach("resolve");
        self.inner.resolve(session).await
    }
    async fn staged(&self, session: &SessionContext) -> Result<Arc<dyn TableProvider>> {
        self.trap.reach("staged");
        self.inner.staged(session).await
    }
    async fn candidate(&self, session: &SessionContext) -> Result<Arc<dyn TableProvider>> {
        self.trap.reach("candidate");
        self.inner.candidate(session).await
    }
    async fn commit(&mut self, commit: CommitRequest) -> Result<CommitOutcome> {
        self.trap.reach("commit");
        self.inner.commit(commit).await
    }
    async fn keep(self: Box<Self>, reason: &str) -> Result<KeptStage> {
        self.trap.reach("keep");
        self.inner.keep(reason).await
    }
    async fn discard(self: Box<Self>) -> Result<()> {
        self.trap.reach("discard");
        self.trap.reach("discard_failed");
        self.inner.discard().await
    }
}

struct BadWriter {
    inner: Box<dyn StageWriter>,
    trap: Trap,
}

#[async_trait]
impl StageWriter for BadWriter {
    async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        self.trap.reach("write");
        self.inner.write(batch).await
    }
    async fn close(self: Box<Self>) -> Result<()> {
        self.trap.reach("close");
        self.inner.close().await
    }
}
