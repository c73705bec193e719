//! A stage: rows on their way into a table. Its files lie in the table's folder from the start, and no reader sees them until
//! one commit names them, together with the cursor, the run and the schema.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use bytes::Bytes;
use chrono::Utc;
use datafusion::catalog::TableProvider;
use datafusion::prelude::SessionContext;
use deltalake_core::delta_datafusion::{DeltaScanNext, TableProviderBuilder};
use deltalake_core::kernel::engine::arrow_conversion::{TryIntoArrow as _, TryIntoKernel as _};
use deltalake_core::kernel::transaction::PROTOCOL;
use deltalake_core::kernel::{
    Action, Add, EagerSnapshot, Metadata, MetadataExt as _, Protocol, StructType, new_metadata,
};
use deltalake_core::protocol::{DeltaOperation, MergePredicate, SaveMode};
use futures::FutureExt as _;
use phlo_engine_api::{
    CommitOutcome, CommitRequest, KeptStage, Stage, StageRequest, StageSummary, StageWriter, WriteMode,
};
use phlo_plugin::{Error, Result};
use phlo_spec::Code;
use serde_json::json;

use crate::config::Settings;
use crate::exact::Exact;
use crate::folder::Folder;
use crate::lock::TableLock;
use crate::log::{self, CURSOR, Landing};
use crate::marker::{Kept, Marker, all_data_files, data_file, data_files};
use crate::schema::{self, Evolution};
use crate::writer::{FileWriter, OpenFile, StagedFile, Sync};
use crate::{error, merge, protocol};

/// What a stage and its writers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) folder: Folder,
    pub(crate) settings: Settings,
    stage: String,
    next_file: AtomicU32,
    pile: Mutex<Pile>,
}

/// Finished files.
#[derive(Debug, Default)]
struct Pile {
    /// New rows.
    fresh: Vec<StagedFile>,
    /// Rows of the table that had to be written anew.
    rewritten: Vec<StagedFile>,
    /// Files that nobody wants any more.
    garbage: Vec<String>,
    syncs: Vec<Sync>,
}

impl Shared {
    fn pile(&self) -> std::sync::MutexGuard<'_, Pile> {
        self.pile.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn create_file(&self, schema: &SchemaRef) -> Result<OpenFile> {
        let name = data_file(&self.stage, self.next_file.fetch_add(1, Ordering::Relaxed));
        let path = self.folder.file(&name);
        OpenFile::create(name, self.folder.dir.clone(), (&self.folder.store, path), schema, &self.settings).await
    }

    /// Takes over the files of a writer that was closed.
    pub(crate) fn accept(&self, files: Vec<StagedFile>, syncs: Vec<Sync>, rewritten: bool) {
        let mut pile = self.pile();
        if rewritten { &mut pile.rewritten } else { &mut pile.fresh }.extend(files);
        pile.syncs.extend(syncs);
    }

    /// Takes over the files of a writer that was dropped.
    pub(crate) fn reject(&self, names: impl IntoIterator<Item = String>) {
        self.pile().garbage.extend(names);
    }
}

/// The table that a stage builds on.
#[derive(Debug)]
pub(crate) struct Base {
    pub(crate) state: EagerSnapshot,
    pub(crate) schema: SchemaRef,
}

impl Base {
    async fn load(folder: &Folder) -> Result<Option<Self>> {
        let Some(state) = log::state(folder).await? else { return Ok(None) };
        let schema = state
            .schema()
            .as_ref()
            .try_into_arrow()
            .map_err(|e| error::delta("reading the table's columns", e.into()))?;
        Ok(Some(Self { state, schema: Arc::new(schema) }))
    }

    fn version(&self) -> u64 {
        self.state.version()
    }

    /// The source's cursor as of this version, as it is kept.
    fn cursor(&self) -> Option<&String> {
        self.state.metadata().configuration().get(CURSOR)
    }

    /// Rows, if every file tells.
    fn rows(&self) -> Option<u64> {
        self.state.log_data().iter().map(|file| live_rows(&file)).sum()
    }
}

/// The rows of a file that are not deleted.
pub(crate) fn live_rows(file: &deltalake_core::kernel::LogicalFileView) -> Option<u64> {
    let deleted = file.deletion_vector_descriptor().map_or(0, |d| d.cardinality.unsigned_abs());
    Some((file.num_records()? as u64).saturating_sub(deleted))
}

/// Reads a state of a table. All providers are made here, with one configuration, so that published, staged and candidate
/// tables have one schema.
pub(crate) fn scan(folder: &Folder, state: EagerSnapshot) -> TableProviderBuilder {
    DeltaScanNext::builder().with_log_store(Arc::clone(&folder.log)).with_eager_snapshot(state)
}

/// A stage of a Delta table.
#[derive(Debug)]
pub(crate) struct DeltaStage {
    shared: Arc<Shared>,
    request: StageRequest,
    marker: Marker,
    lock: Option<TableLock>,
    base: Option<Base>,
    evolution: Evolution,
    /// The columns of the files with new rows, fixed when the stage began.
    written: SchemaRef,
    /// A clone for each open writer.
    open: Arc<()>,
    resolved: Option<Resolved>,
    /// Whether the stage's files are no longer its own to remove: a commit names them, or may.
    done: bool,
}

/// What the commit will do.
#[derive(Debug)]
struct Resolved {
    summary: StageSummary,
    protocol: Option<Protocol>,
    /// What the table's metadata becomes but for the cursor, and whether that is a change.
    metadata: Metadata,
    metadata_changed: bool,
    /// Removes and adds.
    files: Vec<Action>,
}

impl DeltaStage {
    /// Opens a stage; the caller swept, holds the lock, and hands it over with [`Self::hold`].
    pub(crate) async fn open(folder: Folder, settings: Settings, request: StageRequest) -> Result<Self> {
        let base = Base::load(&folder).await?;
        if let Some(base) = &base {
            writable(base, &request.mode)?;
            let last = log::commit_info(folder.log.as_ref(), base.version()).await?.unwrap_or_default();
            if last.run_id() == Some(&request.run_id) {
                return Err(committed_after_all(&request, base.version()));
            }
        }
        let evolution = plan(base.as_ref(), &request)?;
        if let WriteMode::Merge { keys } = &request.mode {
            merge::check_keys(keys, &request.schema, &evolution.schema)?;
        }
        if !request.unique_key.is_empty() {
            merge::check_keys(&request.unique_key, &request.schema, &evolution.schema)?;
        }
        let stage = uuid::Uuid::now_v7().simple().to_string();
        let marker = Marker {
            stage: stage.clone(),
            run_id: request.run_id.clone(),
            pid: std::process::id(),
            started: Utc::now(),
            base: base.as_ref().map(Base::version),
            kept: None,
        };
        marker.write(&folder).await?;
        let written = Arc::clone(&evolution.schema);
        let shared = Arc::new(Shared { folder, settings, stage, next_file: AtomicU32::new(0), pile: Mutex::default() });
        Ok(Self {
            shared,
            request,
            marker,
            lock: None,
            base,
            evolution,
            written,
            open: Arc::new(()),
            resolved: None,
            done: false,
        })
    }

    /// Holds the table's lock until the stage ends.
    pub(crate) fn hold(&mut self, lock: Option<TableLock>) {
        self.lock = lock;
    }

    fn fresh(&self) -> Vec<StagedFile> {
        self.shared.pile().fresh.clone()
    }

    fn writers_closed(&self) -> Result<()> {
        if Arc::strong_count(&self.open) > 1 {
            return Err(
                Error::internal("a stage was resolved while writers are open").with("table", &self.request.table)
            );
        }
        Ok(())
    }

    /// Builds on the table as it is now, after another's commit.
    async fn rebase(&mut self) -> Result<()> {
        self.resolved = None;
        let old = std::mem::replace(&mut self.base, Base::load(&self.shared.folder).await?);
        if let Some(base) = &self.base {
            writable(base, &self.request.mode)?;
            self.refuse_repetition(old.as_ref(), base).await?;
        }
        self.evolution = plan(self.base.as_ref(), &self.request)?;
        if !schema::reads_as(&self.written, &self.evolution.schema) {
            return Err(Error::new(
                Code::CommitConflict,
                "another writer changed the table's columns while this run staged its rows",
            )
            .with("table", &self.request.table)
            .hint("run again: the rows are then staged for the new columns")
            .retryable());
        }
        Ok(())
    }

    /// Refuses to go on where the rows of this stage may be in the table already: another run committed what the source had, or
    /// an earlier attempt of this run did, whose answer was lost.
    async fn refuse_repetition(&self, old: Option<&Base>, new: &Base) -> Result<()> {
        let from = old.map_or(0, |old| old.version() + 1);
        for version in from..=new.version() {
            let info = log::commit_info(self.shared.folder.log.as_ref(), version).await?.unwrap_or_default();
            if info.run_id() == Some(&self.request.run_id) {
                return Err(committed_after_all(&self.request, version));
            }
        }
        if old.and_then(Base::cursor) != new.cursor() {
            return Err(Error::new(Code::CommitConflict, "another run committed what the source had meanwhile")
                .with("table", &self.request.table)
                .with("version", new.version())
                .hint("run again: the source is then read from where that run came to")
                .retryable());
        }
        Ok(())
    }

    /// Waits for writers whose task was ended in the middle of a step: until then they may open a file, or hold one.
    async fn writers_gone(&self) {
        const PATIENCE: Duration = Duration::from_secs(10);
        let start = Instant::now();
        while Arc::strong_count(&self.open) > 1 && start.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Removes rewritten files of an earlier attempt, and those of writers that were dropped.
    async fn clear_leftovers(&self) -> Result<()> {
        self.writers_gone().await;
        let names = {
            let mut pile = self.shared.pile();
            let mut names = std::mem::take(&mut pile.garbage);
            names.extend(std::mem::take(&mut pile.rewritten).into_iter().map(|f| f.name));
            names
        };
        self.shared.folder.remove(&names).await
    }

    fn rewriter(&self) -> FileWriter {
        FileWriter::new(Arc::clone(&self.shared), Arc::clone(&self.evolution.schema), true, Arc::clone(&self.open))
    }

    /// What a merge does to the table: with more shares of the keys, one after another, where they do not fit in memory at once.
    /// Refuses staged rows that share a key, and if they are merged, writes anew what of the table has theirs.
    async fn with_keys(&self, session: &SessionContext, keys: &[String], merges: bool) -> Result<merge::Rewrite> {
        let session = &merge::session(session);
        let staged = merge::Staged {
            provider: self.staged_scan().await?,
            rows: self.fresh().iter().map(|f| f.rows).sum(),
            keys,
        };
        let profile = merge::Profile::of(session, &staged, self.base.as_ref().map(|b| b.schema.as_ref())).await?;
        let mut shares = profile.shares;
        loop {
            let attempt = async {
                merge::refuse_duplicates(session, &staged, shares, &self.request.table).await?;
                let Some(base) = self.base.as_ref().filter(|_| merges) else { return Ok(merge::Rewrite::default()) };
                merge::rewrite_matching(
                    session,
                    base,
                    &self.shared.folder,
                    (&staged, &profile, shares),
                    self.evolution.rewrite,
                    || self.rewriter(),
                )
                .await
            };
            match attempt.await {
                Err(e) if error::is_out_of_memory(&e) && shares < merge::MAX_SHARES => {
                    tracing::debug!(table = %self.request.table, shares, "the keys of a merge did not fit in memory");
                    self.clear_leftovers().await?;
                    shares *= 4;
                }
                done => return done,
            }
        }
    }

    /// A commit of these actions as bytes.
    fn compose(
        &self,
        resolved: &Resolved,
        metadata: Option<Metadata>,
        facts: HashMap<String, serde_json::Value>,
    ) -> Result<Bytes> {
        let mut actions = Vec::with_capacity(resolved.files.len() + 2);
        actions.extend(resolved.protocol.clone().map(Action::Protocol));
        actions.extend(metadata.map(Action::Metadata));
        actions.extend(resolved.files.iter().cloned());
        let operation = match &self.request.mode {
            WriteMode::Append => DeltaOperation::Write { mode: SaveMode::Append, partition_by: None, predicate: None },
            WriteMode::Overwrite => {
                DeltaOperation::Write { mode: SaveMode::Overwrite, partition_by: None, predicate: None }
            }
            WriteMode::Merge { keys } => DeltaOperation::Merge {
                predicate: None,
                merge_predicate: Some(
                    keys.iter().map(|k| format!("target.{k} = source.{k}")).collect::<Vec<_>>().join(" AND "),
                ),
                matched_predicates: vec![MergePredicate { action_type: "update".to_owned(), predicate: None }],
                not_matched_predicates: vec![MergePredicate { action_type: "insert".to_owned(), predicate: None }],
                not_matched_by_source_predicates: vec![],
            },
        };
        log::compose(actions, operation, &self.request.run_id, &self.shared.stage, facts)
    }

    async fn staged_scan(&self) -> Result<Arc<dyn TableProvider>> {
        self.writers_closed()?;
        let kernel = kernel_schema(&self.written)?;
        let mut actions =
            vec![Action::Protocol(protocol::fresh(&self.written)?), Action::Metadata(table_metadata(&kernel)?)];
        actions.extend(self.fresh().iter().map(|file| Action::Add(add(file, true))));
        let operation = DeltaOperation::Write { mode: SaveMode::Append, partition_by: None, predicate: None };
        let commit = log::compose(actions, operation, &self.request.run_id, &self.shared.stage, HashMap::new())?;
        let state = log::state_alone(&self.shared.folder, commit).await?;
        scan(&self.shared.folder, state).await.map_err(|e| error::query("reading staged files", e))
    }

    fn next_version(&self) -> u64 {
        self.base.as_ref().map_or(0, |base| base.version() + 1)
    }

    /// Removes all files of the stage, and its marker; and the table's folder, if the table never was.
    async fn remove_all(&mut self) -> Result<()> {
        let folder = &self.shared.folder;
        let files = data_files(folder, &self.shared.stage).await?;
        folder.remove(&files).await?;
        folder.remove(&[Marker::name(&self.shared.stage)]).await?;
        self.leave();
        Ok(())
    }

    /// Releases the lock; an empty folder goes with it.
    fn leave(&mut self) {
        self.done = true;
        if let (Some(lock), None) = (self.lock.take(), &self.base) {
            lock.leave_no_trace(&self.shared.folder);
        }
    }

    /// What is due after a commit. It stands whatever happens here.
    async fn after_commit(&mut self, version: u64) {
        self.done = true;
        let folder = &self.shared.folder;
        if let Err(e) = folder.remove(&[Marker::name(&self.shared.stage)]).await {
            tracing::warn!(table = %self.request.table, error = ?e, "a committed stage's marker stays until the next run");
        }
        let properties = self.base.as_ref().map(|base| base.state.table_properties());
        let interval = properties
            .and_then(|p| p.checkpoint_interval)
            .map_or(self.shared.settings.checkpoint_interval, std::num::NonZero::get);
        let clean_up = properties.and_then(|p| p.enable_expired_log_cleanup).unwrap_or(true);
        if (version + 1).is_multiple_of(interval.max(1))
            && let Err(e) = log::checkpoint(folder, version, clean_up).await
        {
            tracing::warn!(table = %self.request.table, version, error = ?e, "no checkpoint could be written");
        }
        self.lock = None;
    }
}

#[async_trait]
impl Stage for DeltaStage {
    fn base_version(&self) -> Option<u64> {
        self.base.as_ref().map(Base::version)
    }

    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.written)
    }

    fn notes(&self) -> Vec<String> {
        self.evolution.notes()
    }

    async fn writer(&self) -> Result<Box<dyn StageWriter>> {
        Ok(Box::new(FileWriter::new(
            Arc::clone(&self.shared),
            Arc::clone(&self.written),
            false,
            Arc::clone(&self.open),
        )))
    }

    async fn resolve(&mut self, session: &SessionContext) -> Result<StageSummary> {
        self.writers_closed()?;
        self.clear_leftovers().await?;
        self.resolved = None;

        // What of the table goes, and what of that is written anew.
        let mut rewrite = merge::Rewrite::default();
        // A merge looks at its keys by itself.
        if !self.request.unique_key.is_empty() && !matches!(self.request.mode, WriteMode::Merge { .. }) {
            self.with_keys(session, &self.request.unique_key, false).await?;
        }
        match &self.request.mode {
            WriteMode::Overwrite => {
                rewrite.removed = self
                    .base
                    .iter()
                    .flat_map(|base| base.state.log_data().iter().map(|f| f.remove_action(true)).collect::<Vec<_>>())
                    .collect();
            }
            WriteMode::Append => {
                if let Some(base) = self.base.as_ref().filter(|_| self.evolution.rewrite) {
                    rewrite = merge::rewrite_all(session, base, &self.shared.folder, false, || self.rewriter()).await?;
                }
            }
            WriteMode::Merge { keys } => rewrite = self.with_keys(session, keys, true).await?,
        }

        let (fresh, rewritten) = {
            let pile = self.shared.pile();
            (pile.fresh.clone(), pile.rewritten.clone())
        };
        let rows = |files: &[StagedFile]| files.iter().map(|f| f.rows).sum::<u64>();
        let (incoming, before) = (rows(&fresh), self.base.as_ref().map_or(Some(0), Base::rows));
        let (updated, deleted, total) = match &self.request.mode {
            WriteMode::Append => (0, 0, before.map(|b| b + incoming)),
            WriteMode::Overwrite => (0, before.unwrap_or(0), Some(incoming)),
            WriteMode::Merge { .. } => {
                // More rows go than come where the table held a key several times.
                let updated = rewrite.matched.min(incoming);
                (updated, rewrite.matched - updated, before.map(|b| b - rewrite.matched.min(b) + incoming))
            }
        };
        let staged: Vec<&StagedFile> = fresh.iter().chain(&rewritten).collect();
        let summary = StageSummary {
            inserted: incoming - updated,
            updated,
            deleted,
            total,
            bytes: staged.iter().map(|f| f.bytes).sum(),
            files: staged.len() as u64,
        };

        let kernel = kernel_schema(&self.evolution.schema)?;
        let (protocol, metadata, metadata_changed) = match &self.base {
            None => (Some(protocol::fresh(&self.evolution.schema)?), table_metadata(&kernel)?, true),
            Some(base) => {
                let old = base.state.metadata().clone();
                let changed = !self.evolution.is_same_as(&base.schema);
                let metadata = if changed { protocol::with_columns(old, &kernel)? } else { old };
                (protocol::upgraded(base.state.protocol(), &self.evolution.schema)?, metadata, changed)
            }
        };
        let (metadata, metadata_changed) = match &self.request.description {
            Some(text) if metadata.description() != Some(text) => {
                let metadata = metadata
                    .with_description(text.clone())
                    .map_err(|e| Error::internal("a table's description has no JSON").because(e))?;
                (metadata, true)
            }
            _ => (metadata, metadata_changed),
        };
        let data_change = matches!(self.request.mode, WriteMode::Merge { .. });
        let files = rewrite
            .removed
            .into_iter()
            .map(Action::Remove)
            .chain(rewritten.iter().map(|f| Action::Add(add(f, data_change))))
            .chain(fresh.iter().map(|f| Action::Add(add(f, true))))
            .collect();
        self.resolved = Some(Resolved { summary, protocol, metadata, metadata_changed, files });
        Ok(summary)
    }

    async fn staged(&self, _: &SessionContext) -> Result<Arc<dyn TableProvider>> {
        self.staged_scan().await
    }

    async fn candidate(&self, _: &SessionContext) -> Result<Arc<dyn TableProvider>> {
        let resolved =
            self.resolved.as_ref().ok_or_else(|| Error::internal("a stage was looked at before it was resolved"))?;
        let metadata = resolved.metadata_changed.then(|| resolved.metadata.clone());
        let commit = self.compose(resolved, metadata, HashMap::new())?;
        let state = log::state_with(&self.shared.folder, self.next_version(), commit).await?;
        let table = scan(&self.shared.folder, state.clone()).await;
        Ok(Exact::table(table.map_err(|e| error::query("reading the table as it would be", e))?, state))
    }

    async fn commit(&mut self, commit: CommitRequest) -> Result<CommitOutcome> {
        let resolved =
            self.resolved.as_ref().ok_or_else(|| Error::internal("a stage was committed before it was resolved"))?;
        let folder = &self.shared.folder;

        // Data first: a commit must never name a file that a power failure can take away.
        let syncs = std::mem::take(&mut self.shared.pile().syncs);
        for sync in syncs {
            let written = sync.await.map_err(|e| Error::internal("flushing a data file stopped").because(e))?;
            written.map_err(|e| error::io("flushing a data file to the disk", &folder.url, e))?;
        }
        folder.sync_dirs()?;
        if self.lock.is_none() && folder.get(&Marker::name(&self.shared.stage)).await?.is_none() {
            return Err(Error::new(Code::CommitConflict, "this stage was so old that another run swept it")
                .with("table", &self.request.table)
                .retryable());
        }

        let cursor = commit.cursor.map(|cursor| cursor.to_string());
        let old = resolved.metadata.configuration().get(CURSOR);
        let no_json = |e| Error::internal("a cursor has no JSON").because(e);
        let metadata = match cursor {
            Some(cursor) if Some(&cursor) != old => {
                Some(resolved.metadata.clone().add_config_key(CURSOR.to_owned(), cursor).map_err(no_json)?)
            }
            // Rows that are replaced as a whole leave nothing that a source could go on from.
            None if old.is_some() && self.request.mode == WriteMode::Overwrite => {
                Some(resolved.metadata.clone().remove_config_key(CURSOR).map_err(no_json)?)
            }
            _ => resolved.metadata_changed.then(|| resolved.metadata.clone()),
        };
        let StageSummary { inserted, updated, deleted, bytes, files, .. } = resolved.summary;
        let mut facts: HashMap<_, _> = commit.metadata.into_iter().collect();
        let metrics = json!({
            "numOutputRows": inserted + updated, "numOutputBytes": bytes, "numFiles": files,
            "numTargetRowsInserted": inserted, "numTargetRowsUpdated": updated, "numTargetRowsDeleted": deleted,
        });
        facts.insert("operationMetrics".to_owned(), metrics);
        let commit = self.compose(resolved, metadata, facts)?;

        let version = self.next_version();
        // A request to an object store may do its work after we gave up on it. From here on its files are the sweep's, which
        // looks into the log, unless it surely failed.
        self.done = self.shared.folder.dir.is_none();
        match log::land(&self.shared.folder, version, &commit, &self.shared.stage).await? {
            Landing::Landed => {
                self.after_commit(version).await;
                Ok(CommitOutcome::Committed { version })
            }
            Landing::Taken => {
                self.done = false;
                self.rebase().await?;
                let version =
                    self.base_version().ok_or_else(|| Error::internal("a version that is taken is nowhere"))?;
                Ok(CommitOutcome::Moved { version })
            }
        }
    }

    async fn keep(mut self: Box<Self>, reason: &str) -> Result<KeptStage> {
        if self.done {
            return Ok(KeptStage { id: self.shared.stage.clone(), rows: None });
        }
        self.clear_leftovers().await?;
        let fresh: Vec<String> = self.fresh().into_iter().map(|f| f.name).collect();
        let folder = self.shared.folder.clone();
        let unfinished: Vec<String> =
            data_files(&folder, &self.shared.stage).await?.into_iter().filter(|n| !fresh.contains(n)).collect();
        folder.remove(&unfinished).await?;
        let id = self.shared.stage.clone();
        if fresh.is_empty() {
            self.remove_all().await?;
            return Ok(KeptStage { id, rows: None });
        }
        let until = Utc::now() + chrono::TimeDelta::hours(self.shared.settings.keep_failed_hours.min(24 * 366) as i64);
        self.marker.kept = Some(Kept { reason: reason.to_owned(), until });
        self.marker.write(&folder).await?;
        self.done = true;
        // What is left of the stage's files are these.
        let name = if let [file] = &*fresh { file.clone() } else { all_data_files(&id) };
        Ok(KeptStage { id, rows: Some(folder.address(&name)) })
    }

    async fn discard(mut self: Box<Self>) -> Result<()> {
        if self.done {
            return Ok(());
        }
        self.writers_gone().await;
        self.remove_all().await
    }
}

impl Drop for DeltaStage {
    fn drop(&mut self) {
        if self.done || self.shared.folder.dir.is_none() {
            return;
        }
        // On a disk nothing in there waits. What cannot be removed is swept by the next run.
        if let Some(Err(e)) = self.remove_all().now_or_never() {
            tracing::warn!(error = ?e, "a dropped stage's files stay until the next run");
        }
    }
}

/// An attempt whose answer was lost did its work: its rows must not come a second time.
fn committed_after_all(request: &StageRequest, version: u64) -> Error {
    Error::new(Code::CommitConflict, "an earlier attempt of this run was committed after all")
        .with("table", &request.table)
        .with("version", version)
        .hint("run again: what is published is found as it is")
}

fn plan(base: Option<&Base>, request: &StageRequest) -> Result<Evolution> {
    let replace = request.mode == WriteMode::Overwrite;
    schema::evolve(base.map(|b| b.schema.as_ref()), &request.schema, request.schema_policy, replace)
        .map_err(|e| e.with("table", &request.table))
}

/// Refuses tables of other writers whose promises this writer cannot keep.
fn writable(base: &Base, mode: &WriteMode) -> Result<()> {
    PROTOCOL.can_write_to(&base.state).map_err(|e| error::delta("writing the table", e.into()))?;
    protocol::refuse_promises(&base.state, mode)
}

fn kernel_schema(schema: &SchemaRef) -> Result<StructType> {
    schema.as_ref().try_into_kernel().map_err(|e| Error::internal("a stored type has no Delta type").because(e))
}

fn table_metadata(schema: &StructType) -> Result<Metadata> {
    new_metadata(schema, Vec::<String>::new(), Vec::<(String, String)>::new())
        .map_err(|e| Error::internal("a table's metadata has no JSON").because(e))
}

fn add(file: &StagedFile, data_change: bool) -> Add {
    Add {
        path: file.name.clone(),
        size: file.bytes as i64,
        modification_time: file.modified,
        data_change,
        stats: Some(file.stats.clone()),
        ..Add::default()
    }
}
