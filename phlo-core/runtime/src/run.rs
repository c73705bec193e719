//! A run: the selected assets, each as soon as what it depends on has ended well, several at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, Utc};
use phlo_plugin::kinds::OrchestratorOutput;
use phlo_plugin::{Emitter, Error};
use phlo_spec::event::{Correlation, RunEnd, RunStart};
use phlo_spec::run::ErrorRecord;
use phlo_spec::{
    AssetKey, AssetRun, AssetStatus, CapabilityType, Code, Diagnostics, Event, Payload, RunRecord, RunStatus,
    WriteStrategy,
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::frontier::Frontier;
use crate::graph::Graph;
use crate::materialize::{self, Job};
use crate::platform::Platform;
use crate::report::PlanStep;
use crate::select::select;

/// What to run, and how.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// Selections; all assets if empty.
    pub select: Vec<String>,
    /// Selections to leave out.
    pub exclude: Vec<String>,
    /// Assets that run at once; the project's limit or the number of processors if unset.
    pub jobs: Option<usize>,
    /// Forget cursors and rebuild the tables from all that their sources hold.
    pub full_refresh: bool,
    /// Only the rows of this partition.
    pub partition: Option<String>,
    /// The run's tags.
    pub tags: BTreeMap<String, String>,
    /// Cancelled to interrupt the run.
    pub cancel: CancellationToken,
}

/// Watches a run from within its process.
pub trait Observer: Send + Sync {
    /// An event of the bus.
    fn event(&self, _event: &Event) {}
    /// Rows of an asset that were written so far. Called often.
    fn progress(&self, _asset: &AssetKey, _rows: u64) {}
    /// A hook failed whose policy is to go on.
    fn hook_failed(&self, _plugin: &str, _hook: &str, _error: &Error) {}
}

/// Watches nothing.
pub struct NoObserver;

impl Observer for NoObserver {}

/// A run that began.
pub(crate) struct Begun {
    pub(crate) id: String,
    started_at: DateTime<Utc>,
    clock: Instant,
    pub(crate) emitter: Emitter,
    observer: Arc<dyn Observer>,
}

/// Selections, as people see what ran.
pub(crate) fn selection(select: &[String]) -> String {
    if select.is_empty() { "all".to_owned() } else { select.join(" ") }
}

struct Plan {
    graph: Graph,
    steps: Vec<(AssetKey, BTreeSet<AssetKey>)>,
}

impl Platform {
    fn steps_to_run(&self, options: &RunOptions) -> Result<Plan, Diagnostics> {
        let told = |err: Error| Diagnostics(vec![err.into_diagnostic()]);
        let (graph, problems) = self.graph();
        if problems.has_errors() {
            return Err(problems.sorted());
        }
        let selected = select(&graph, &options.select, &options.exclude).map_err(told)?;
        if let Some(partition) = &options.partition {
            if options.full_refresh {
                return Err(told(
                    Error::new(
                        Code::Usage,
                        "`--full-refresh` rebuilds whole tables, and `--partition` runs a part of one",
                    )
                    .hint("leave one of them out"),
                ));
            }
            let parts: Vec<_> =
                selected.iter().filter_map(|k| graph.get(k)).filter(|n| n.spec.partitions.is_some()).collect();
            if parts.is_empty() {
                return Err(told(Error::new(
                    Code::Usage,
                    "`--partition` was given, but no selected asset has `partitions`",
                )));
            }
            for node in parts {
                if let Some(spec) = &node.spec.partitions {
                    crate::partition::predicate(spec, partition, false).map_err(told)?;
                }
                let refused = match materialize::strategy(&node.spec) {
                    WriteStrategy::Merge => continue,
                    WriteStrategy::Overwrite => "is overwritten as a whole; one partition of it cannot be run alone",
                    WriteStrategy::Append => "is appended to; a partition that is run twice would be there twice",
                };
                return Err(told(
                    Error::new(Code::Usage, format!("`{}` {refused}", node.spec.key))
                        .at(node.spec.place.clone())
                        .hint("use `write: {strategy: merge, unique_key: […]}`"),
                ));
            }
        }
        let choice = self.choose(CapabilityType::Orchestrator, None, Some(&options.tags)).map_err(told)?;
        let output = self.ordered(&graph, &choice.provider, Vec::new()).map_err(told)?;
        let OrchestratorOutput::Steps(steps) = output else {
            return Err(told(
                Error::new(
                    Code::Usage,
                    format!(
                        "the orchestrator `{}` runs assets itself; phlo only writes its definitions",
                        choice.provider
                    ),
                )
                .hint(
                    "`phlo config export DIR` writes them; run here with `--tag phlo/capability/orchestrator=native`",
                ),
            ));
        };
        let near = nearest_selected(&graph, &selected);
        let steps: Vec<_> = steps
            .into_iter()
            .filter(|(key, _)| selected.contains(key))
            .map(|(key, after)| {
                let upstream = near.get(&key).into_iter().flatten().cloned();
                let after = upstream.chain(after.into_iter().filter(|k| selected.contains(k))).collect();
                (key, after)
            })
            .collect();
        if steps.len() != selected.len() {
            return Err(told(Error::internal(format!(
                "the orchestrator `{}` left out {} of the selected assets",
                choice.provider,
                selected.len() - steps.len()
            ))));
        }
        Ok(Plan { graph, steps })
    }

    /// What a run would do.
    ///
    /// # Errors
    /// The project or the selection is wrong.
    pub async fn plan(&self, options: &RunOptions) -> Result<Vec<PlanStep>, Diagnostics> {
        let plan = self.steps_to_run(options)?;
        let told = |err: Error| Diagnostics(vec![err.into_diagnostic()]);
        let mut steps = Vec::new();
        for (key, after) in plan.steps {
            let Some(node) = plan.graph.get(&key) else { continue };
            let store = self.choose(CapabilityType::TableStore, Some(&node.spec), Some(&options.tags)).map_err(told)?;
            let (checks, problems) = crate::audit::checks(self, &node.spec, None);
            if problems.has_errors() {
                return Err(problems.sorted());
            }
            steps.push(PlanStep {
                asset: key,
                kind: node.spec.kind().to_owned(),
                strategy: match crate::publish::of(&node.spec) {
                    Some(_) => "publish".to_owned(),
                    None if options.full_refresh => WriteStrategy::Overwrite.to_string(),
                    None => materialize::strategy(&node.spec).to_string(),
                },
                after: after.into_iter().collect(),
                checks: checks.into_iter().map(|c| c.name).collect(),
                table_store: match (&node.target, crate::publish::of(&node.spec)) {
                    (Some((target, config)), Some(publish)) => {
                        format!("{}: {}", publish.target.plugin, target.location(config).map_err(told)?)
                    }
                    _ => format!("{} (by {})", store.provider, store.by),
                },
            });
        }
        Ok(steps)
    }

    /// Runs the selected assets.
    ///
    /// # Errors
    /// The project or the selection is wrong; nothing ran then. What fails within the run is in the record.
    pub async fn run(&self, options: RunOptions, observer: Arc<dyn Observer>) -> Result<RunRecord, Diagnostics> {
        let plan = self.steps_to_run(&options)?;
        // Every mistake that can be known is told before anything runs, in assets that are not selected too.
        let mut problems = self.check().await.diagnostics;
        problems.0.retain(|d| d.severity == phlo_spec::Severity::Error);
        // What is wrong already would only be told again of each asset.
        let steps = if problems.has_errors() { &[] } else { plan.steps.as_slice() };
        for (key, _) in steps {
            if let Some(node) = plan.graph.get(key) {
                let tags = Some(&options.tags);
                problems.extend(self.table_store(Some(&node.spec), tags).err().map(Error::into_diagnostic));
                problems.extend(self.engine(Some(&node.spec), tags).err().map(Error::into_diagnostic));
            }
        }
        if problems.has_errors() {
            return Err(problems.sorted());
        }
        let assets = plan.steps.iter().map(|(key, _)| key.clone()).collect();
        let selection = selection(&options.select);
        let begun = self.begin(selection.clone(), assets, options.tags.clone(), observer.clone())?;
        let assets = self.drive(plan, &options, &begun.id, &begun.emitter, &observer).await;
        let status = overall(&assets, options.cancel.is_cancelled());
        self.tell_late(&begun.emitter).await;
        let (id, started_at) = (begun.id.clone(), begun.started_at);
        let plugin_fingerprint = Some(self.inner.registry.fingerprint().short().to_owned());
        self.end(begun, status);
        let ended_at = Some(Utc::now());
        Ok(RunRecord { id, status, started_at, ended_at, selection, tags: options.tags, plugin_fingerprint, assets })
    }

    /// Begins a run: hooks are called from here on, and the history knows it.
    ///
    /// # Errors
    /// A hook refused it.
    pub(crate) fn begin(
        &self,
        selection: String,
        assets: Vec<AssetKey>,
        mut tags: BTreeMap<String, String>,
        observer: Arc<dyn Observer>,
    ) -> Result<Begun, Diagnostics> {
        let (hooks, hook_problems) = self.inner.registry.hooks();
        // A hook plugin that does not start is told, and the rest runs.
        for problem in &hook_problems {
            observer.hook_failed("", "", problem);
        }
        self.inner.bus.install(hooks);
        self.inner.bus.observe(Some(observer.clone()));
        if let Ok(history) = self.history() {
            // Runs whose process died are closed, so that nobody waits for them.
            let closed = history.close_dead(&crate::process::is_alive);
            if let Err(err) = closed {
                observer.hook_failed("history", "close_dead", &err);
            }
        }
        let started_at = Utc::now();
        let clock = Instant::now();
        let unique = uuid::Uuid::new_v4().simple().to_string();
        let id = format!("{}-{}", started_at.format("%Y%m%d-%H%M%S"), &unique[..6]);
        tags.entry("project".to_owned()).or_insert_with(|| self.inner.project.file.name.clone());
        let of = Correlation { run_id: Some(id.clone()), ..Correlation::default() };
        let emitter = self.inner.bus.emitter().tagged(tags).correlated(of);
        let start = RunStart {
            selection,
            assets,
            pid: std::process::id(),
            plugin_fingerprint: Some(self.inner.registry.fingerprint().short().to_owned()),
        };
        emitter.emit(Payload::RunStart(start)).map_err(|err| Diagnostics(vec![err.into_diagnostic()]))?;
        Ok(Begun { id, started_at, clock, emitter, observer })
    }

    /// Ends a run. What hooks say of its end changes nothing about it.
    pub(crate) fn end(&self, run: Begun, status: RunStatus) {
        let ended = RunEnd { status, duration_ms: run.clock.elapsed().as_millis() as u64 };
        if let Err(err) = run.emitter.emit(Payload::RunEnd(ended)) {
            run.observer.hook_failed("", "run.end", &err);
        }
        for problem in self.inner.registry.clean_up() {
            run.observer.hook_failed("", "clean-up", &problem);
        }
        self.inner.bus.observe(None);
    }

    /// One metric, `asset.late_hours`, for each asset of the project whose last commit is older than its `freshness` allows: what
    /// alerts listen to. A table that cannot be read is told where it is used.
    async fn tell_late(&self, emitter: &Emitter) {
        for spec in self.assets() {
            let Some(wanted) = &spec.freshness else { continue };
            let Ok((store, _)) = self.table_store(Some(spec), None) else { continue };
            let Ok(Some(info)) = store.describe(&spec.key, None).await else { continue };
            let late = info.committed_at.map_or(0.0, |at| crate::query::late_hours(wanted, at));
            if late > 0.0 {
                let of = Correlation { asset: Some(spec.key.clone()), ..emitter.correlation().clone() };
                emitter.correlated(of).with_asset_tags(&spec.tags).metric("asset.late_hours", late, "h");
            }
        }
    }

    async fn drive(
        &self,
        plan: Plan,
        options: &RunOptions,
        run_id: &str,
        emitter: &Emitter,
        observer: &Arc<dyn Observer>,
    ) -> Vec<AssetRun> {
        let jobs = options.jobs.or(self.inner.project.file.run.jobs).unwrap_or(self.inner.parallelism).max(1);
        let graph = Arc::new(plan.graph);
        let mut frontier = Frontier::new(plan.steps);
        let mut runs: Vec<AssetRun> = Vec::new();
        let mut running: JoinSet<AssetRun> = JoinSet::new();
        let mut names: BTreeMap<tokio::task::Id, AssetKey> = BTreeMap::new();
        let without_run = |key: &AssetKey, status: AssetStatus, error: Option<ErrorRecord>| {
            let mut run = materialize::empty_run(key, status, options.partition.as_deref());
            run.error = error;
            // What a hook says of an asset that never ran changes nothing.
            let _ = materialize::emit_end(graph.get(key), emitter, &run);
            run
        };
        loop {
            if options.cancel.is_cancelled() {
                runs.extend(frontier.rest().iter().map(|key| without_run(key, AssetStatus::Interrupted, None)));
            }
            while running.len() < jobs {
                let Some(key) = frontier.start() else { break };
                let job = Job {
                    platform: self.clone(),
                    graph: graph.clone(),
                    key: key.clone(),
                    run_id: run_id.to_owned(),
                    options: options.clone(),
                    emitter: emitter.clone(),
                    observer: observer.clone(),
                };
                let handle = running.spawn(materialize::materialize(job));
                names.insert(handle.id(), key);
            }
            let Some(joined) = running.join_next_with_id().await else { break };
            let run = match joined {
                Ok((_, run)) => run,
                Err(err) => {
                    // A panic outside every guarded call: the asset failed, the run goes on, the stage was dropped unseen.
                    let message = if err.is_panic() { "it panicked" } else { "it was stopped" };
                    let Some(key) = names.get(&err.id()) else { continue };
                    let error = Error::internal(format!("`{key}`: {message}"));
                    let error = error.hint("please report this with the log of the run");
                    without_run(key, AssetStatus::Failed, Some(error.record()))
                }
            };
            let lost = frontier.ended(&run.asset, run.status.is_ok());
            let because = run.asset.clone();
            runs.push(run);
            let status = if options.cancel.is_cancelled() { AssetStatus::Interrupted } else { AssetStatus::Skipped };
            runs.extend(lost.iter().map(|key| {
                let error =
                    Error::new(Code::UpstreamFailed, format!("`{because}`, which it depends on, did not end well"));
                without_run(key, status, Some(error.record()))
            }));
        }
        runs.extend(frontier.rest().iter().map(|key| {
            let error = Error::internal(format!("the orchestrator lets `{key}` wait for itself"));
            without_run(key, AssetStatus::Failed, Some(error.record()))
        }));
        runs
    }
}

/// The selected assets that each asset comes after. An upstream that is not selected is taken as it stands; but through it an
/// order may still hold.
fn nearest_selected(graph: &Graph, selected: &BTreeSet<AssetKey>) -> BTreeMap<AssetKey, BTreeSet<AssetKey>> {
    let mut near: BTreeMap<AssetKey, BTreeSet<AssetKey>> = BTreeMap::new();
    for key in graph.order() {
        let mut before = BTreeSet::new();
        for upstream in graph.get(key).into_iter().flat_map(|node| &node.upstream) {
            if selected.contains(upstream) {
                before.insert(upstream.clone());
            } else {
                before.extend(near.get(upstream).into_iter().flatten().cloned());
            }
        }
        near.insert(key.clone(), before);
    }
    near
}

fn overall(runs: &[AssetRun], cancelled: bool) -> RunStatus {
    let any = |status: AssetStatus| runs.iter().any(|r| r.status == status);
    if cancelled && any(AssetStatus::Interrupted) {
        RunStatus::Interrupted
    } else if any(AssetStatus::Failed) {
        RunStatus::Failed
    } else if any(AssetStatus::Blocked) {
        RunStatus::Blocked
    } else if any(AssetStatus::Interrupted) {
        RunStatus::Interrupted
    } else {
        RunStatus::Success
    }
}
