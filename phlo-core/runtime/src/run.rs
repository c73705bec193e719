//! A run: the selected assets, each as soon as what it depends on has ended well, several at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use chrono::Utc;
use phlo_plugin::kinds::{Definitions, OrchestratorOutput};
use phlo_plugin::registration::Instance;
use phlo_plugin::registry::guard;
use phlo_plugin::{Emitter, Error};
use phlo_spec::event::{Correlation, RunEnd, RunStart};
use phlo_spec::run::ErrorRecord;
use phlo_spec::{
    AssetKey, AssetRun, AssetStatus, CapabilityType, Code, Diagnostics, Event, Payload, PluginKind, RunRecord,
    RunStatus,
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

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
                if node.spec.write.strategy == Some(phlo_spec::WriteStrategy::Overwrite) {
                    return Err(told(
                        Error::new(
                            Code::Unsupported,
                            format!(
                                "`{}` is overwritten as a whole; one partition of it cannot be run alone",
                                node.spec.key
                            ),
                        )
                        .at(node.spec.place.clone())
                        .hint("use `write: {strategy: merge, unique_key: […]}`"),
                    ));
                }
            }
        }
        let definitions = Definitions {
            project: self.inner.project.file.name.clone(),
            assets: graph
                .order()
                .iter()
                .filter_map(|k| graph.get(k))
                .map(|n| (self.named(n), n.upstream.iter().cloned().collect()))
                .collect(),
            schedules: self.inner.project.file.schedules.clone(),
        };
        let choice = self.choose(CapabilityType::Orchestrator, None, Some(&options.tags)).map_err(told)?;
        let instance = self.inner.registry.instance(PluginKind::Orchestrator, &choice.provider).map_err(told)?;
        let Instance::Orchestrator(orchestrator) = instance else {
            return Err(told(Error::internal("an orchestrator of another kind")));
        };
        let output =
            guard(&choice.provider, "building its definitions", || orchestrator.build(&definitions)).map_err(told)?;
        let OrchestratorOutput::Steps(steps) = output else {
            return Err(told(
                Error::new(
                    Code::Usage,
                    format!(
                        "the orchestrator `{}` runs assets itself; phlo only writes its definitions",
                        choice.provider
                    ),
                )
                .hint("run here with `--tag phlo/capability/orchestrator=native`"),
            ));
        };
        // An upstream that is not selected is taken as it stands; but through it an order may still hold.
        let steps: Vec<_> = steps
            .into_iter()
            .filter(|(key, _)| selected.contains(key))
            .map(|(key, after)| {
                let after: BTreeSet<_> = after.into_iter().collect();
                let all = graph.reach(&BTreeSet::from([key.clone()]), |n| &n.upstream);
                let after = all.into_iter().chain(after).filter(|k| selected.contains(k)).collect();
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

    // An orchestrator must know every check by the name that results will have.
    pub(crate) fn named(&self, node: &crate::graph::Node) -> phlo_spec::AssetSpec {
        let mut spec = node.spec.clone();
        let (made, problems) = crate::audit::checks(&self.inner.registry, &spec, None);
        if !problems.has_errors() {
            for (check, made) in spec.checks.iter_mut().zip(made) {
                check.name = Some(made.name);
            }
        }
        spec
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
            let (checks, problems) = crate::audit::checks(&self.inner.registry, &node.spec, None);
            if problems.has_errors() {
                return Err(problems.sorted());
            }
            steps.push(PlanStep {
                asset: key,
                kind: node.spec.kind().to_owned(),
                strategy: if options.full_refresh {
                    "overwrite".to_owned()
                } else {
                    materialize::strategy(&node.spec).to_string()
                },
                after: after.into_iter().collect(),
                checks: checks.into_iter().map(|c| c.name).collect(),
                table_store: format!("{} (by {})", store.provider, store.by),
            });
        }
        Ok(steps)
    }

    /// Runs the selected assets.
    ///
    /// # Errors
    /// The project or the selection is wrong; nothing ran then. What fails within the run is in the record.
    pub async fn run(&self, options: RunOptions, observer: Arc<dyn Observer>) -> Result<RunRecord, Diagnostics> {
        let told = |err: Error| Diagnostics(vec![err.into_diagnostic()]);
        let plan = self.steps_to_run(&options)?;
        // Every mistake that can be known is told before anything runs, in assets that are not selected too.
        let mut problems = self.check().await.diagnostics;
        problems.0.retain(|d| d.severity == phlo_spec::Severity::Error);
        for (key, _) in &plan.steps {
            if let Some(node) = plan.graph.get(key) {
                let tags = Some(&options.tags);
                problems.extend(self.table_store(Some(&node.spec), tags).err().map(Error::into_diagnostic));
                problems.extend(self.engine(Some(&node.spec), tags).err().map(Error::into_diagnostic));
            }
        }
        let (hooks, hook_problems) = self.inner.registry.hooks();
        // A hook plugin that does not start is told, and the rest runs.
        for problem in &hook_problems {
            observer.hook_failed("", "", problem);
        }
        if problems.has_errors() {
            return Err(problems.sorted());
        }
        self.inner.bus.install(hooks);
        self.inner.bus.observe(Some(observer.clone()));
        if let Ok(history) = self.history() {
            // Runs whose process died are closed, so that nobody waits for them.
            let closed = history.close_dead(&|pid| std::path::Path::new(&format!("/proc/{pid}")).exists());
            if let Err(err) = closed {
                observer.hook_failed("history", "close_dead", &err);
            }
        }

        let started = Utc::now();
        let clock = Instant::now();
        let run_id = format!("{}-{}", started.format("%Y%m%d-%H%M%S"), &uuid::Uuid::new_v4().simple().to_string()[..6]);
        let selection = if options.select.is_empty() { "all".to_owned() } else { options.select.join(" ") };
        let mut tags = options.tags.clone();
        tags.entry("project".to_owned()).or_insert_with(|| self.inner.project.file.name.clone());
        let emitter = self
            .inner
            .bus
            .emitter()
            .tagged(tags)
            .correlated(Correlation { run_id: Some(run_id.clone()), ..Correlation::default() });
        let assets = plan.steps.iter().map(|(key, _)| key.clone()).collect();
        emitter
            .emit(Payload::RunStart(RunStart { selection: selection.clone(), assets, pid: std::process::id() }))
            .map_err(told)?;

        let runs = self.drive(plan, &options, &run_id, &emitter, &observer).await;
        let status = overall(&runs, options.cancel.is_cancelled());
        let ended = RunEnd { status, duration_ms: clock.elapsed().as_millis() as u64 };
        if let Err(err) = emitter.emit(Payload::RunEnd(ended)) {
            observer.hook_failed("", "run.end", &err);
        }
        self.inner.bus.observe(None);
        for problem in self.inner.registry.clean_up() {
            observer.hook_failed("", "clean-up", &problem);
        }
        Ok(RunRecord {
            id: run_id,
            status,
            started_at: started,
            ended_at: Some(Utc::now()),
            selection,
            tags: options.tags,
            assets: runs,
        })
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
        let mut waiting: Vec<(AssetKey, BTreeSet<AssetKey>)> = plan.steps;
        let mut ended: BTreeMap<AssetKey, AssetStatus> = BTreeMap::new();
        let mut runs: Vec<AssetRun> = Vec::new();
        let mut running: JoinSet<AssetRun> = JoinSet::new();
        let mut names: BTreeMap<tokio::task::Id, AssetKey> = BTreeMap::new();
        loop {
            // Whatever waits for something that failed is skipped, and so is what waits for that.
            while let Some(at) =
                waiting.iter().position(|(_, after)| after.iter().any(|k| ended.get(k).is_some_and(|s| !s.is_ok())))
            {
                let (key, after) = waiting.remove(at);
                let because = after
                    .iter()
                    .find(|k| ended.get(*k).is_some_and(|s| !s.is_ok()))
                    .map(ToString::to_string)
                    .unwrap_or_default();
                let status =
                    if options.cancel.is_cancelled() { AssetStatus::Interrupted } else { AssetStatus::Skipped };
                let mut run = materialize::empty_run(&key, status, options.partition.as_deref());
                run.error = Some(ErrorRecord {
                    code: Code::UpstreamFailed,
                    messages: vec![format!("`{because}`, which it depends on, did not end well")],
                    hints: vec![],
                    place: None,
                });
                materialize::emit_end(graph.get(&key), emitter, &run);
                ended.insert(key, status);
                runs.push(run);
            }
            if options.cancel.is_cancelled() {
                for (key, _) in waiting.drain(..) {
                    let run = materialize::empty_run(&key, AssetStatus::Interrupted, options.partition.as_deref());
                    materialize::emit_end(graph.get(&key), emitter, &run);
                    ended.insert(key, AssetStatus::Interrupted);
                    runs.push(run);
                }
            }
            while running.len() < jobs {
                let Some(at) =
                    waiting.iter().position(|(_, after)| after.iter().all(|k| ended.get(k).is_some_and(|s| s.is_ok())))
                else {
                    break;
                };
                let (key, _) = waiting.remove(at);
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
                    let key = names.get(&err.id()).cloned();
                    let message = if err.is_panic() { "it panicked" } else { "it was stopped" };
                    let Some(key) = key else { continue };
                    let mut run = materialize::empty_run(&key, AssetStatus::Failed, options.partition.as_deref());
                    run.error = Some(
                        Error::internal(format!("`{key}`: {message}"))
                            .hint("please report this with the log of the run")
                            .record(),
                    );
                    materialize::emit_end(graph.get(&key), emitter, &run);
                    run
                }
            };
            ended.insert(run.asset.clone(), run.status);
            runs.push(run);
        }
        runs
    }
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
