//! One asset, once: write, audit, publish.
//!
//! Rows stream from the source or the query into a stage that no reader sees; row-level checks look at them on the way. Then
//! the other checks look at the table as it would be. Only if nothing blocks, one commit makes data, cursor and run id visible.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arrow_schema::SchemaRef;
use chrono::Utc;
use futures::StreamExt;
use phlo_engine::check::{Grown, ROWS, Scope, TABLE, audit as audit_table};
use phlo_engine::conform::Metadata;
use phlo_engine::session::{register, register_bare};
use phlo_engine::stream::{Rows, execute, extend_plan, transform};
use phlo_engine::{Check, Conform, RowAudit, RowTally, Session};
use phlo_engine_api::{
    CommitOutcome, CommitRequest, KeptStage, Stage, StageRequest, StageSummary, TableInfo, TableStore, WriteMode,
};
use phlo_plugin::quality::quote;
use phlo_plugin::source::{BatchStream, Checkpoint, ReadRequest};
use phlo_plugin::{Emitter, Error, Result};
use phlo_spec::event::{AssetStart, Correlation, LineageEdges, LogLevel};
use phlo_spec::{
    AssetBody, AssetKey, AssetRun, AssetSpec, AssetStatus, CheckOutcome, CheckResult, Code, Payload, WriteStrategy,
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::asked::AuditRecord;
use crate::audit;
use crate::graph::{Graph, Node};
use crate::platform::Platform;
use crate::query::origin;
use crate::run::{Observer, RunOptions};

/// How often an asset is audited again because somebody else committed meanwhile.
const MAX_MOVES: usize = 5;
/// The longest pause between two attempts, whoever asks for it.
const LONGEST_WAIT: Duration = Duration::from_hours(1);
/// Rows per batch.
const BATCH_ROWS: usize = 8192;

/// One asset's part of a run.
pub(crate) struct Job {
    pub(crate) platform: Platform,
    pub(crate) graph: Arc<Graph>,
    pub(crate) key: AssetKey,
    pub(crate) run_id: String,
    pub(crate) options: RunOptions,
    pub(crate) emitter: Emitter,
    pub(crate) observer: Arc<dyn Observer>,
}

/// A part of a run in which nothing happened yet.
pub(crate) fn empty_run(key: &AssetKey, status: AssetStatus, partition: Option<&str>) -> AssetRun {
    AssetRun {
        asset: key.clone(),
        status,
        partition: partition.map(str::to_owned),
        attempts: 0,
        rows_in: 0,
        rows_inserted: 0,
        rows_updated: 0,
        rows_deleted: 0,
        bytes: 0,
        version: None,
        duration_ms: 0,
        audit_ms: 0,
        checks: Vec::new(),
        error: None,
        notes: Vec::new(),
    }
}

/// The strategy that an asset is written with.
pub(crate) fn strategy(spec: &AssetSpec) -> WriteStrategy {
    spec.write.strategy.unwrap_or(match spec.body {
        AssetBody::Ingest(_) => WriteStrategy::Append,
        AssetBody::Sql(_) | AssetBody::Publish(_) => WriteStrategy::Overwrite,
    })
}

/// Tells the bus that an asset ended. A hook's refusal comes back, so that it can be told.
pub(crate) fn emit_end(node: Option<&Node>, emitter: &Emitter, run: &AssetRun) -> Option<Error> {
    let correlation = Correlation {
        run_id: emitter_run(emitter),
        asset: Some(run.asset.clone()),
        partition: run.partition.clone(),
        attempt: Some(run.attempts),
    };
    let payload = match node {
        Some(node) if node.is_ingestion() => Payload::IngestionEnd(Box::new(run.clone())),
        Some(node) if node.is_publication() => Payload::PublishEnd(Box::new(run.clone())),
        _ => Payload::TransformEnd(Box::new(run.clone())),
    };
    let tags = node.map(|node| node.spec.tags.as_slice()).unwrap_or_default();
    emitter.correlated(correlation).with_asset_tags(tags).emit(payload).err()
}

fn emitter_run(emitter: &Emitter) -> Option<String> {
    emitter.correlation().run_id.clone()
}

/// Runs one asset, again if its error says that this can help. Never fails: what went wrong is in the answer.
pub(crate) async fn materialize(job: Job) -> AssetRun {
    let clock = Instant::now();
    let Some(node) = job.graph.get(&job.key) else {
        let mut run = empty_run(&job.key, AssetStatus::Failed, None);
        run.error = Some(Error::internal("an asset of the plan is not in the graph").record());
        return run;
    };
    let partition = node.spec.partitions.as_ref().and(job.options.partition.clone());
    let attempts = node.spec.retry.max_attempts.max(1);
    let mut run = empty_run(&job.key, AssetStatus::Failed, partition.as_deref());
    for attempt in 1..=attempts {
        let correlation = Correlation {
            run_id: Some(job.run_id.clone()),
            asset: Some(job.key.clone()),
            partition: partition.clone(),
            attempt: Some(attempt),
        };
        let emitter = job.emitter.correlated(correlation).with_asset_tags(&node.spec.tags);
        run = empty_run(&job.key, AssetStatus::Failed, partition.as_deref());
        run.attempts = attempt;
        let mut work = Work { job: &job, node, partition: partition.clone(), emitter: emitter.clone(), run: &mut run };
        let Err(err) = work.once().await else { break };
        let err = discreet(&job, node, err);
        run.status = if err.code() == Code::Interrupted { AssetStatus::Interrupted } else { AssetStatus::Failed };
        run.error = Some(err.record());
        if !err.is_retryable() || attempt == attempts || job.options.cancel.is_cancelled() {
            break;
        }
        let backoff = Duration::from_secs_f64(
            (node.spec.retry.delay * f64::from(1_u32 << (attempt - 1).min(10))).clamp(0.0, LONGEST_WAIT.as_secs_f64()),
        );
        let wait = err.wait().unwrap_or(backoff).max(backoff).min(LONGEST_WAIT);
        emitter.log(
            LogLevel::Warn,
            format!(
                "attempt {attempt} of {attempts} failed, next in {:.1} s: {}",
                wait.as_secs_f64(),
                err.chain().join(": ")
            ),
        );
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = job.options.cancel.cancelled() => break,
        }
    }
    run.duration_ms = clock.elapsed().as_millis() as u64;
    if let Some(err) = emit_end(Some(node), &job.emitter, &run) {
        run.notes.push(format!("a hook refused the end of this asset: {}", err.chain().join(": ")));
        if run.status.is_ok() {
            run.status = AssetStatus::Failed;
            run.error = Some(err.record());
        }
    }
    run
}

/// What goes wrong with a value, its message quotes: it is told without where the value may be of a sensitive column, of the asset or of
/// one that it reads.
fn discreet(job: &Job, node: &Node, err: Error) -> Error {
    if !matches!(err.code(), Code::MalformedData | Code::DuplicateKeys | Code::EngineFailed) {
        return err;
    }
    let read = node.upstream.iter().filter_map(|key| job.platform.asset(key));
    let sensitive: BTreeSet<&String> = read.chain([&node.spec]).flat_map(|spec| &spec.sensitive).collect();
    let Some(column) = sensitive.first() else { return err };
    let of_another = |message: &str| {
        let named = message.split("column `").nth(1).and_then(|rest| rest.split('`').next());
        named.is_some_and(|named| !sensitive.iter().any(|column| column.as_str() == named))
    };
    // A source says which column it could not read.
    if err.code() == Code::MalformedData && err.chain().len() == 1 && of_another(err.message()) {
        return err;
    }
    let code = err.code();
    let message = format!("{}, told without its message, which may quote `{column}`", code.title());
    let told = Error::new(code, message).hint(format!("`phlo explain {code}` tells more"));
    let told = err.context().iter().fold(told, |told, (key, value)| told.with(key, value));
    let told = told.at(err.place().cloned());
    if err.is_retryable() { told.retryable() } else { told }
}

/// An attempt at an asset.
pub(crate) struct Work<'a> {
    pub(crate) job: &'a Job,
    pub(crate) node: &'a Node,
    partition: Option<String>,
    pub(crate) emitter: Emitter,
    pub(crate) run: &'a mut AssetRun,
}

/// What a write delivers, before it is staged.
struct Incoming {
    rows: Rows,
    checkpoint: Option<Checkpoint>,
    origins: Vec<String>,
}

impl Work<'_> {
    async fn once(&mut self) -> Result<()> {
        let (job, spec) = (self.job, &self.node.spec);
        let platform = &job.platform;
        let strategy = strategy(spec);
        let tool = match &spec.body {
            AssetBody::Ingest(source) => source.plugin.clone(),
            AssetBody::Sql(_) => "sql".to_owned(),
            AssetBody::Publish(publish) => return self.publish(publish).await,
        };
        let start = AssetStart { tool, strategy: strategy.to_string() };
        self.emitter.emit(if self.node.is_ingestion() {
            Payload::IngestionStart(start)
        } else {
            Payload::TransformStart(start)
        })?;

        let (store, _) = platform.table_store(Some(spec), Some(&job.options.tags))?;
        let session = platform.engine(Some(spec), Some(&job.options.tags))?.session()?;
        let mut info = store.describe(&spec.key, None).await?;
        let rebuild = job.options.full_refresh || strategy == WriteStrategy::Overwrite;
        // One partition says nothing about how far the source came as a whole: it is read from its beginning, and the cursor stays.
        let from_start = rebuild || self.partition.is_some();
        let cursor_of =
            |info: &Option<TableInfo>| info.as_ref().filter(|_| !from_start).and_then(|info| info.cursor.clone());
        let mut cursor = cursor_of(&info);
        let mut incoming = self.open(&session, cursor.clone()).await?;

        if let Some(err) = platform.check_columns(spec, &incoming.rows.schema).into_iter().next() {
            return Err(err);
        }
        let metadata = (spec.write.metadata == Some(true)).then(|| Metadata {
            run_id: job.run_id.clone(),
            ingested_at: Utc::now().timestamp_micros(),
            partition: self.partition.clone(),
        });
        let written = platform.written_schema(spec, &incoming.rows.schema, metadata.as_ref())?;
        let mode = match (rebuild, strategy) {
            (true, _) | (_, WriteStrategy::Overwrite) => WriteMode::Overwrite,
            (false, WriteStrategy::Merge) => WriteMode::Merge { keys: spec.write.unique_key.clone() },
            (false, WriteStrategy::Append) => WriteMode::Append,
        };
        let request = StageRequest {
            table: spec.key.clone(),
            run_id: job.run_id.clone(),
            schema: written,
            mode: mode.clone(),
            // Where it is rebuilt, too: the next rows are merged into what is there then.
            unique_key: if strategy == WriteStrategy::Merge { spec.write.unique_key.clone() } else { Vec::new() },
            schema_policy: spec.write.schema,
            lock_wait: Duration::from_secs(spec.write.lock_wait),
            // A description may hold what the environment filled in.
            description: spec.description.as_deref().map(|text| platform.redactor().clean(text)),
        };
        let mut stage = unless(&job.options.cancel, store.begin(request)).await?;
        // The cursor was read before the lock was taken. Whoever held it may have committed: then the source is read from there.
        if stage.base_version() != info.as_ref().map(|i| i.version) {
            info = match stage.base_version() {
                Some(version) => store.describe(&spec.key, Some(version)).await?,
                None => None,
            };
            cursor = cursor_of(&info);
            let again = self.open(&session, cursor.clone()).await?;
            if again.rows.schema != incoming.rows.schema {
                stage.discard().await?;
                return Err(Error::new(
                    Code::CommitConflict,
                    format!("`{}` was committed to while its run began, and its columns changed", spec.key),
                )
                .retryable());
            }
            incoming = again;
        }
        let (checkpoint, origins) = (incoming.checkpoint, incoming.origins);
        match self
            .write_audit(
                &session,
                &mut stage,
                incoming.rows,
                metadata.as_ref(),
                info.as_ref(),
                &mode,
                cursor.as_ref(),
                checkpoint.as_ref(),
            )
            .await
        {
            Ok(Verdict::Committed(version)) => {
                self.run.status = AssetStatus::Success;
                self.run.version = Some(version);
                self.point_results(None, &mode, info.is_some());
                // It is committed, whatever a hook says of its lineage.
                if let Err(err) = self.lineage(origins) {
                    self.run.notes.push(format!("a hook refused the lineage: {}", err.chain().join(": ")));
                }
                Ok(())
            }
            Ok(Verdict::Unchanged) => {
                let changes = stage.notes();
                stage.discard().await?;
                self.run.status = AssetStatus::Unchanged;
                self.run.version = info.as_ref().map(|i| i.version);
                if !changes.is_empty() {
                    self.note(format!(
                        "no row came, so its columns stay as they are; `phlo run --full-refresh {}` changes them now",
                        spec.key
                    ));
                }
                self.audit_unchanged(&session, store.as_ref(), info.as_ref()).await
            }
            Ok(Verdict::Blocked) => {
                let failed: Vec<_> = self.run.checks.iter().filter(|c| c.blocks()).map(|c| c.name.clone()).collect();
                let KeptStage { id, rows } = stage.keep(&format!("blocked by {}", failed.join(", "))).await?;
                self.point_results(rows.as_deref(), &mode, info.is_some());
                self.run.status = AssetStatus::Blocked;
                self.run.notes.push(format!("the rejected rows are kept as stage {id}"));
                let error = Error::new(Code::CheckFailed, format!("blocked by {}", failed.join(", ")));
                let of_rows = self.run.checks.iter().any(|check| check.blocks() && check.is_of_rows());
                let hint = if of_rows {
                    format!("see the failing rows with `phlo quality show {} --rows`", spec.key)
                } else {
                    format!("`phlo quality show {}` tells what was found and what is wanted", spec.key)
                };
                self.run.error = Some(error.hint(hint).record());
                Ok(())
            }
            Err(err) => {
                // The cause is told first; a stage that cannot be removed now is swept by the next run.
                if let Err(left) = stage.discard().await {
                    self.note(format!("its stage was not removed: {}", left.chain().join(": ")));
                }
                Err(err)
            }
        }
    }

    async fn open(&self, session: &Session, cursor: Option<serde_json::Value>) -> Result<Incoming> {
        let (platform, spec) = (&self.job.platform, &self.node.spec);
        match (&self.node.source, &self.node.query) {
            (Some((source, config)), _) => {
                let mut context = platform.source_context(spec, false, self.job.options.cancel.clone());
                context.emitter = self.emitter.clone();
                let request = ReadRequest { cursor, parallelism: platform.inner.parallelism, batch_rows: BATCH_ROWS };
                let reading = source.read(config, &context, request).await?;
                let steps = platform.steps(session, spec, &reading.schema, self.partition.as_deref()).await?;
                let rows = transform(session, reading.schema, reading.streams, &steps).await?;
                Ok(Incoming { rows, checkpoint: Some(reading.checkpoint), origins: reading.origins })
            }
            (None, Some(query)) => {
                let mut origins = Vec::new();
                for (key, place) in query.tables() {
                    let owner = self.job.graph.get(key).map(|n| &n.spec);
                    let (store, _) = platform.table_store(owner.or(Some(spec)), Some(&self.job.options.tags))?;
                    let table = store.provider(key, None).await?.ok_or_else(|| {
                        Error::new(Code::UnknownTable, format!("the table `{key}` does not exist yet"))
                            .at(place.clone())
                            .hint(format!("run its asset too: `phlo run +{}`", spec.key))
                    })?;
                    register(session, key, table)?;
                    origins.push(key.to_string());
                }
                let plan = query.plan(session).await?;
                let schema: SchemaRef = Arc::new(plan.schema().as_arrow().clone());
                let steps = platform.steps(session, spec, &schema, self.partition.as_deref()).await?;
                let plan = extend_plan(session, plan, &steps).await?;
                Ok(Incoming { rows: execute(session, plan).await?, checkpoint: None, origins })
            }
            (None, None) => Err(Error::internal("an asset without a source and without a query")),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one call that hands over everything a write is made of")]
    async fn write_audit(
        &mut self,
        session: &Session,
        stage: &mut Box<dyn Stage>,
        rows: Rows,
        metadata: Option<&Metadata>,
        base: Option<&TableInfo>,
        mode: &WriteMode,
        cursor: Option<&serde_json::Value>,
        checkpoint: Option<&Checkpoint>,
    ) -> Result<Verdict> {
        let platform = &self.job.platform;
        let spec = &self.node.spec;
        let schema = stage.schema();
        let checks = Arc::new(audit::checks_or_first(platform, spec, Some(&schema))?);
        platform.register_published(session, spec).await?;
        for check in checks.iter() {
            check.verify(session, &schema).await?;
        }
        let audit = Arc::new(RowAudit::compile(session, &schema, &checks));
        let tallies = self.write(stage.as_ref(), rows, metadata, &audit).await?;
        let cursor_now = checkpoint.filter(|_| self.partition.is_none()).and_then(Checkpoint::get);
        if self.run.rows_in == 0
            && base.is_some()
            && *mode != WriteMode::Overwrite
            && cursor_now.as_ref().is_none_or(|now| Some(now) == cursor)
        {
            return Ok(Verdict::Unchanged);
        }
        stage.notes().into_iter().for_each(|note| self.note(note));
        let mut took: Duration = tallies.iter().map(RowTally::took).sum();
        let row_results = audit.results(&checks, tallies);
        for _ in 0..MAX_MOVES {
            let cancel = &self.job.options.cancel;
            // The other tables as they are now, not as they were when the write began.
            platform.register_published(session, spec).await?;
            let summary = unless(cancel, stage.resolve(session)).await?;
            self.count(&summary);
            let candidate = stage.candidate(session).await?;
            // Somebody else's commit has other aggregates, and what it was asked is not known here.
            let same_base = base.filter(|base| stage.base_version() == Some(base.version));
            let kept = same_base.and_then(|base| AuditRecord::of(base, &candidate.schema()));
            // Only an append leaves the rows that were there as they were.
            let before = kept.as_ref().filter(|_| *mode == WriteMode::Append).map(|kept| &kept.aggregates);
            let added = match before {
                Some(before) => Some((before, stage.staged(session).await?)),
                None => None,
            };
            let grown = added.as_ref().map(|(before, added)| Grown { before, added });
            // Row-level checks rode on the write; of one that the rows before were never asked, all rows are.
            let all_are_new = *mode == WriteMode::Overwrite || stage.base_version().is_none();
            let knows = |check: &Check| kept.as_ref().is_some_and(|kept| kept.asked(check));
            let unasked: BTreeSet<usize> = checks
                .iter()
                .enumerate()
                .filter(|(_, check)| check.is_row_level() && !all_are_new && !knows(check))
                .map(|(at, _)| at)
                .collect();
            let scope = Scope::Table(&unasked);
            let audited = unless(cancel, audit_table(session, &candidate, &checks, scope, grown)).await?;
            took += audited.took;
            self.run.audit_ms = took.as_millis() as u64;
            let mut results: Vec<_> = row_results.iter().filter(|(at, _)| !unasked.contains(at)).cloned().collect();
            results.extend(audited.results);
            results.sort_by_key(|(at, _)| *at);
            self.gate(&checks, results.into_iter().map(|(_, r)| r).collect())?;
            if self.run.checks.iter().any(CheckResult::blocks) {
                return Ok(Verdict::Blocked);
            }
            self.interrupted()?;
            let mut metadata = vec![("phlo.asset".to_owned(), spec.key.as_str().into())];
            if !checks.is_empty() {
                metadata.push(AuditRecord::new(&checks, audited.states).into_metadata());
            }
            let request = CommitRequest { cursor: cursor_now.clone(), metadata };
            match stage.commit(request).await? {
                CommitOutcome::Committed { version } => return Ok(Verdict::Committed(version)),
                CommitOutcome::Moved { version } => {
                    self.emitter.log(
                        LogLevel::Info,
                        format!("somebody else committed version {version}; auditing again on top of it"),
                    );
                }
            }
        }
        Err(Error::new(
            Code::CommitConflict,
            format!("`{}` was committed to {MAX_MOVES} times while this run audited its rows", spec.key),
        )
        .hint("run again when the other writer is done")
        .retryable())
    }

    /// Nothing came, and yet a check may have something to say of the table as it stands: one that was not asked of this version, and one
    /// that may say something else of the same rows now.
    async fn audit_unchanged(
        &mut self,
        session: &Session,
        store: &dyn TableStore,
        info: Option<&TableInfo>,
    ) -> Result<()> {
        let (platform, spec) = (&self.job.platform, &self.node.spec);
        let version = info.map(|info| info.version);
        let Some(table) = store.provider(&spec.key, version).await? else { return Ok(()) };
        let schema = table.schema();
        let checks = audit::checks_or_first(platform, spec, Some(&schema))?;
        if checks.is_empty() {
            return Ok(());
        }
        platform.register_published(session, spec).await?;
        register_bare(session, "this", table.clone())?;
        let kept = info.and_then(|info| AuditRecord::of(info, &schema));
        let since = info.map(|info| platform.asked_since(&spec.key, info)).unwrap_or_default();
        let asked: BTreeSet<String> = checks.iter().map(|check| check.fingerprint.clone()).collect();
        let (mut due, mut unasked) = (Vec::new(), false);
        for check in checks {
            if !since.contains(&check.fingerprint) && !kept.as_ref().is_some_and(|kept| kept.asked(&check)) {
                unasked = true;
                due.push(check);
            } else if check.varies(session).await {
                due.push(check);
            }
        }
        if due.is_empty() {
            return Ok(());
        }
        if unasked {
            self.note("the published table was asked the checks that changed since it was committed".to_owned());
        }
        let audited = unless(&self.job.options.cancel, audit_table(session, &table, &due, Scope::All, None)).await?;
        self.run.audit_ms = audited.took.as_millis() as u64;
        let results = audited.results.into_iter().map(|(_, result)| result).collect();
        self.gate(&[], results)?;
        self.point_results(None, &WriteMode::Append, true);
        let failed: Vec<_> = self.run.checks.iter().filter(|c| c.blocks()).map(|c| c.name.clone()).collect();
        if !failed.is_empty() {
            self.run.status = AssetStatus::Blocked;
            let error = Error::new(Code::CheckFailed, format!("the published table breaks {}", failed.join(", ")))
                .hint(format!("see the failing rows with `phlo quality show {} --rows`", spec.key))
                .hint("what is published stays; mend the source, or the check");
            self.run.error = Some(error.record());
        } else if let (true, Some(info)) = (unasked, info)
            && let Err(err) = platform.remember_asked(&spec.key, info, asked)
        {
            self.note(format!("it is not remembered what the table was asked ({err}): the next run asks it again"));
        }
        Ok(())
    }

    // A check that did not run is a failed one: every check must have its result, and every hook may refuse it.
    pub(crate) fn gate(&mut self, checks: &[Check], results: Vec<CheckResult>) -> Result<()> {
        self.run.checks = results;
        for check in checks {
            if !self.run.checks.iter().any(|r| r.name == check.name) {
                self.run.checks.push(check.errored(&Error::new(Code::CheckErrored, "the check did not run")));
            }
        }
        for result in &self.run.checks {
            self.emitter.emit(Payload::QualityResult(Box::new(result.clone())))?;
            if result.outcome == CheckOutcome::Errored {
                self.emitter.log(
                    LogLevel::Error,
                    format!("the check `{}` could not run: {}", result.name, result.error.clone().unwrap_or_default()),
                );
            }
        }
        Ok(())
    }

    /// Tells something that people should know, now and in the record.
    pub(crate) fn note(&mut self, note: String) {
        self.emitter.log(LogLevel::Warn, note.clone());
        self.run.notes.push(note);
    }

    fn count(&mut self, summary: &StageSummary) {
        self.run.rows_inserted = summary.inserted;
        self.run.rows_updated = summary.updated;
        self.run.rows_deleted = summary.deleted;
        self.run.bytes = summary.bytes;
    }

    pub(crate) fn interrupted(&self) -> Result<()> {
        if self.job.options.cancel.is_cancelled() { Err(interruption()) } else { Ok(()) }
    }

    /// Streams the rows into the stage, one writer per stream, looking at each batch on the way.
    async fn write(
        &mut self,
        stage: &dyn Stage,
        rows: Rows,
        metadata: Option<&Metadata>,
        audit: &Arc<RowAudit>,
    ) -> Result<Vec<RowTally>> {
        let written = Arc::new(AtomicU64::new(0));
        let mut streams: JoinSet<Result<RowTally>> = JoinSet::new();
        for stream in rows.streams {
            let conform = Conform::new(&rows.schema, &stage.schema(), metadata)?;
            let writer = stage.writer().await?;
            let one = OneStream {
                conform,
                audit: audit.clone(),
                written: written.clone(),
                observer: self.job.observer.clone(),
                key: self.job.key.clone(),
                cancel: self.job.options.cancel.clone(),
            };
            streams.spawn(one.run(stream, writer));
        }
        let mut tallies = Vec::new();
        while let Some(joined) = streams.join_next().await {
            let tally = joined.unwrap_or_else(|err| {
                let what = if err.is_panic() { "panicked" } else { "was stopped" };
                Err(Error::internal(format!("a stream of `{}` {what}", self.job.key)))
            });
            match tally {
                Ok(tally) => tallies.push(tally),
                Err(err) => {
                    // Ended, not only told to end: the stage must find all its files when it removes them.
                    streams.shutdown().await;
                    return Err(err);
                }
            }
        }
        self.run.rows_in = written.load(Ordering::Relaxed);
        Ok(tallies)
    }

    fn lineage(&self, origins: Vec<String>) -> Result<()> {
        let mut from = origins;
        if let (true, AssetBody::Ingest(source)) = (from.is_empty(), &self.node.spec.body) {
            from.push(origin(source));
        }
        let to = self.node.spec.key.to_string();
        self.emitter
            .emit(Payload::LineageEdges(LineageEdges { edges: from.into_iter().map(|f| (f, to.clone())).collect() }))
    }

    /// Makes the results' SQL runnable: new rows are in the kept files, or, once committed, in the table.
    fn point_results(&mut self, kept: Option<&str>, mode: &WriteMode, exists: bool) {
        let table = self.job.key.as_str();
        let has_runs = self.node.spec.write.metadata == Some(true);
        let rows = match kept {
            Some(address) => format!("'{}'", address.replace('\'', "''")),
            // Those of earlier runs were not asked.
            None if exists && has_runs && *mode != WriteMode::Overwrite => {
                format!("(SELECT * FROM {table} WHERE {} = '{}')", quote("_phlo_run_id"), self.job.run_id)
            }
            None => table.to_owned(),
        };
        let whole = match mode {
            WriteMode::Append if kept.is_some() && exists => {
                format!("(SELECT * FROM {table} UNION ALL BY NAME SELECT * FROM {rows})")
            }
            WriteMode::Merge { keys } if kept.is_some() && exists => {
                let same: Vec<_> = keys.iter().map(|key| format!("new.{key} = old.{key}", key = quote(key))).collect();
                let left = format!("NOT EXISTS (SELECT 1 FROM {rows} AS new WHERE {})", same.join(" AND "));
                format!("(SELECT * FROM {table} AS old WHERE {left} UNION ALL BY NAME SELECT * FROM {rows})")
            }
            _ if kept.is_some() => rows.clone(),
            _ => table.to_owned(),
        };
        for check in &mut self.run.checks {
            check.sql = check.sql.take().map(|sql| sql.replace(ROWS, &rows).replace(TABLE, &whole));
        }
    }
}

/// What the work answers, unless the run is interrupted before.
pub(crate) async fn unless<T>(cancel: &CancellationToken, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(interruption()),
        done = work => done,
    }
}

fn interruption() -> Error {
    Error::new(Code::Interrupted, "interrupted; nothing was committed")
}

enum Verdict {
    Committed(u64),
    Unchanged,
    Blocked,
}

struct OneStream {
    conform: Conform,
    audit: Arc<RowAudit>,
    written: Arc<AtomicU64>,
    observer: Arc<dyn Observer>,
    key: AssetKey,
    cancel: CancellationToken,
}

impl OneStream {
    async fn run(
        mut self,
        mut stream: BatchStream,
        mut writer: Box<dyn phlo_engine_api::StageWriter>,
    ) -> Result<RowTally> {
        let mut tally = self.audit.tally();
        loop {
            let next = tokio::select! {
                biased;
                () = self.cancel.cancelled() => return Err(interruption()),
                next = stream.next() => next,
            };
            let Some(batch) = next else { break };
            let batch = self.conform.apply(batch?)?;
            self.audit.look(&batch, &mut tally);
            let rows = batch.num_rows() as u64;
            writer.write(batch).await?;
            let total = self.written.fetch_add(rows, Ordering::Relaxed) + rows;
            self.observer.progress(&self.key, total);
        }
        writer.close().await?;
        Ok(tally)
    }
}
