//! Providers whose panics become errors that name them: what the platform calls in place of a plugin's own.

use std::fmt;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::prelude::SessionContext;
use phlo_plugin::Result;
use phlo_plugin::registry::{guard, guard_async};
use phlo_spec::AssetKey;

use crate::{
    CommitOutcome, CommitRequest, KeptStage, QueryEngine, Stage, StageRequest, StageSummary, StageWriter, TableInfo,
    TableStore, TableSupport, TableVersion,
};

/// A table store, with its stages and their writers.
///
/// # Errors
/// It panics when it is asked what it can do.
pub fn table_store(name: &str, inner: Arc<dyn TableStore>) -> Result<Arc<dyn TableStore>> {
    let support = guard(name, "telling what it can do", || Ok(inner.support()))?;
    Ok(Arc::new(Store { name: Arc::from(name), support, inner }))
}

/// A query engine.
pub fn query_engine(name: &str, inner: Arc<dyn QueryEngine>) -> Arc<dyn QueryEngine> {
    Arc::new(Engine { name: Arc::from(name), inner })
}

struct Engine {
    name: Arc<str>,
    inner: Arc<dyn QueryEngine>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl QueryEngine for Engine {
    fn session(&self) -> Result<SessionContext> {
        guard(&self.name, "making a session", || self.inner.session())
    }
}

struct Store {
    name: Arc<str>,
    support: TableSupport,
    inner: Arc<dyn TableStore>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl TableStore for Store {
    fn support(&self) -> TableSupport {
        self.support
    }
    async fn list(&self) -> Result<Vec<AssetKey>> {
        guard_async(&self.name, "listing tables", self.inner.list()).await
    }
    async fn describe(&self, table: &AssetKey, at: Option<u64>) -> Result<Option<TableInfo>> {
        guard_async(&self.name, "describing a table", self.inner.describe(table, at)).await
    }
    async fn history(&self, table: &AssetKey, limit: usize) -> Result<Vec<TableVersion>> {
        guard_async(&self.name, "reading a table's history", self.inner.history(table, limit)).await
    }
    async fn provider(&self, table: &AssetKey, at: Option<u64>) -> Result<Option<Arc<dyn TableProvider>>> {
        guard_async(&self.name, "opening a table", self.inner.provider(table, at)).await
    }
    async fn begin(&self, request: StageRequest) -> Result<Box<dyn Stage>> {
        let inner = guard_async(&self.name, "opening a stage", self.inner.begin(request)).await?;
        let (base, schema, notes) =
            guard(&self.name, "opening a stage", || Ok((inner.base_version(), inner.schema(), inner.notes())))?;
        Ok(Box::new(GuardedStage { name: self.name.clone(), base, schema, notes, inner }))
    }
}

// What a stage tells without a result is asked once, where a panic can be told; a stage keeps its schema and notes, and a move
// says what it builds on.
struct GuardedStage {
    name: Arc<str>,
    base: Option<u64>,
    schema: SchemaRef,
    notes: Vec<String>,
    inner: Box<dyn Stage>,
}

#[async_trait]
impl Stage for GuardedStage {
    fn base_version(&self) -> Option<u64> {
        self.base
    }
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }
    async fn writer(&self) -> Result<Box<dyn StageWriter>> {
        let inner = guard_async(&self.name, "opening a writer", self.inner.writer()).await?;
        Ok(Box::new(GuardedWriter { name: self.name.clone(), inner }))
    }
    async fn resolve(&mut self, session: &SessionContext) -> Result<StageSummary> {
        guard_async(&self.name, "resolving a stage", self.inner.resolve(session)).await
    }
    async fn staged(&self, session: &SessionContext) -> Result<Arc<dyn TableProvider>> {
        guard_async(&self.name, "showing staged rows", self.inner.staged(session)).await
    }
    async fn candidate(&self, session: &SessionContext) -> Result<Arc<dyn TableProvider>> {
        guard_async(&self.name, "showing a candidate", self.inner.candidate(session)).await
    }
    async fn commit(&mut self, commit: CommitRequest) -> Result<CommitOutcome> {
        let outcome = guard_async(&self.name, "committing", self.inner.commit(commit)).await?;
        if let CommitOutcome::Moved { version } = outcome {
            self.base = Some(version);
        }
        Ok(outcome)
    }
    async fn keep(self: Box<Self>, reason: &str) -> Result<KeptStage> {
        guard_async(&self.name, "keeping a stage", self.inner.keep(reason)).await
    }
    async fn discard(self: Box<Self>) -> Result<()> {
        guard_async(&self.name, "discarding a stage", self.inner.discard()).await
    }
}

struct GuardedWriter {
    name: Arc<str>,
    inner: Box<dyn StageWriter>,
}

#[async_trait]
impl StageWriter for GuardedWriter {
    async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        guard_async(&self.name, "writing rows", self.inner.write(batch)).await
    }
    async fn close(self: Box<Self>) -> Result<()> {
        guard_async(&self.name, "ending a stream of rows", self.inner.close()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WriteMode;
    use arrow_schema::Schema;
    use phlo_spec::{Code, SchemaPolicy};
    use std::time::Duration;

    /// Works until it is asked for what `at` names.
    #[derive(Debug, Clone, Copy)]
    struct Breaks {
        at: &'static str,
    }

    impl Breaks {
        fn reach(self, here: &str) {
            assert!(self.at != here, "boom in {here}");
        }
    }

    #[expect(clippy::disallowed_methods, reason = "this is the query engine's provider")]
    impl QueryEngine for Breaks {
        fn session(&self) -> Result<SessionContext> {
            self.reach("session");
            Ok(SessionContext::new())
        }
    }

    #[async_trait]
    impl TableStore for Breaks {
        fn support(&self) -> TableSupport {
            self.reach("support");
            TableSupport { merge: false, schema_evolution: false, time_travel: false }
        }
        async fn list(&self) -> Result<Vec<AssetKey>> {
            self.reach("list");
            Ok(vec![])
        }
        async fn describe(&self, _: &AssetKey, _: Option<u64>) -> Result<Option<TableInfo>> {
            self.reach("describe");
            Ok(None)
        }
        async fn history(&self, _: &AssetKey, _: usize) -> Result<Vec<TableVersion>> {
            self.reach("history");
            Ok(vec![])
        }
        async fn provider(&self, _: &AssetKey, _: Option<u64>) -> Result<Option<Arc<dyn TableProvider>>> {
            self.reach("provider");
            Ok(None)
        }
        async fn begin(&self, _: StageRequest) -> Result<Box<dyn Stage>> {
            self.reach("begin");
            Ok(Box::new(*self))
        }
    }

    #[async_trait]
    impl Stage for Breaks {
        fn base_version(&self) -> Option<u64> {
            Some(1)
        }
        fn schema(&self) -> SchemaRef {
            self.reach("schema");
            Arc::new(Schema::empty())
        }
        fn notes(&self) -> Vec<String> {
            vec![]
        }
        async fn writer(&self) -> Result<Box<dyn StageWriter>> {
            self.reach("writer");
            Ok(Box::new(*self))
        }
        async fn resolve(&mut self, _: &SessionContext) -> Result<StageSummary> {
            self.reach("resolve");
            Ok(StageSummary::default())
        }
        async fn staged(&self, _: &SessionContext) -> Result<Arc<dyn TableProvider>> {
            panic!("boom in staged")
        }
        async fn candidate(&self, _: &SessionContext) -> Result<Arc<dyn TableProvider>> {
            panic!("boom in candidate")
        }
        async fn commit(&mut self, _: CommitRequest) -> Result<CommitOutcome> {
            self.reach("commit");
            Ok(CommitOutcome::Moved { version: 7 })
        }
        async fn keep(self: Box<Self>, _: &str) -> Result<KeptStage> {
            self.reach("keep");
            Ok(KeptStage { id: String::new(), rows: None })
        }
        async fn discard(self: Box<Self>) -> Result<()> {
            self.reach("discard");
            Ok(())
        }
    }

    #[async_trait]
    impl StageWriter for Breaks {
        async fn write(&mut self, _: RecordBatch) -> Result<()> {
            self.reach("write");
            Ok(())
        }
        async fn close(self: Box<Self>) -> Result<()> {
            self.reach("close");
            Ok(())
        }
    }

    // Everything that the platform does with a store and an engine, but for tables that are shown.
    async fn all(at: &'static str) -> Result<()> {
        let session = query_engine("wobbly", Arc::new(Breaks { at })).session()?;
        let store = table_store("wobbly", Arc::new(Breaks { at }))?;
        let table = AssetKey::new("a.b").unwrap();
        store.list().await?;
        store.describe(&table, None).await?;
        store.history(&table, 1).await?;
        store.provider(&table, None).await?;
        let begin = || {
            store.begin(StageRequest {
                table: table.clone(),
                run_id: "r".to_owned(),
                schema: Arc::new(Schema::empty()),
                mode: WriteMode::Append,
                unique_key: Vec::new(),
                schema_policy: SchemaPolicy::Freeze,
                lock_wait: Duration::ZERO,
                description: None,
            })
        };
        let mut stage = begin().await?;
        let mut writer = stage.writer().await?;
        writer.write(RecordBatch::new_empty(stage.schema())).await?;
        writer.close().await?;
        stage.resolve(&session).await?;
        assert_eq!(stage.base_version(), Some(1));
        stage.commit(CommitRequest::default()).await?;
        assert_eq!(stage.base_version(), Some(7), "a stage that moved says what it builds on");
        stage.keep("").await?;
        let stage = begin().await?;
        for shown in [stage.staged(&session).await, stage.candidate(&session).await] {
            assert_eq!(shown.err().map(|err| err.code()), Some(Code::PluginPanicked));
        }
        stage.discard().await
    }

    #[tokio::test]
    async fn a_provider_that_panics_anywhere_is_told_with_its_name() {
        all("").await.unwrap();
        for at in [
            "session", "support", "list", "describe", "history", "provider", "begin", "schema", "writer", "write",
            "close", "resolve", "commit", "keep", "discard",
        ] {
            let err = all(at).await.unwrap_err();
            let told = format!("{}: {}", err.code(), err.message());
            assert!(
                told.starts_with("P2005: the plugin `wobbly` panicked") && told.ends_with(&format!("boom in {at}")),
                "{told}"
            );
        }
    }
}
