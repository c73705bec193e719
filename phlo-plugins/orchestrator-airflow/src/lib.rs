#![doc = include_str!("../README.md")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use phlo_plugin::prelude::*;
use phlo_spec::AssetSpec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

phlo_plugin::package!();
phlo_plugin::register!(
    Orchestrator,
    Airflow,
    name = "airflow",
    summary = "Airflow DAGs of the schedules, run by phlo",
    provides = ["orchestrator:airflow"]
);

/// The part of the file that is the same for every project; what differs stands before it.
const DAGS: &str = include_str!("dags.py");
/// Where in it the project is put.
const HERE: &str = "PROJECT: dict[str, Any] = {}\n";

/// `plugins.settings.orchestrator.airflow` of `phlo.yaml`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The phlo that is run; the variable `PHLO_BIN` of Airflow's workers wins.
    pub program: String,
    /// The project's folder on the workers; this one unless set. The variable `PHLO_PROJECT` wins.
    pub project: Option<PathBuf>,
    /// The pool of the tasks; Airflow's own unless set.
    pub pool: Option<String>,
    /// How often Airflow tries a task again; phlo tries by itself as the asset's `retry` says.
    pub retries: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { program: "phlo".to_owned(), project: None, pool: None, retries: 0 }
    }
}

/// The orchestrator `airflow`.
#[derive(Debug)]
pub struct Airflow {
    settings: Settings,
    project: PathBuf,
}

impl Plugin for Airflow {
    type Settings = Settings;

    fn create(settings: Settings, context: &InitContext) -> Result<Self> {
        let project = settings.project.clone().unwrap_or_else(|| context.root.clone());
        Ok(Self { settings, project })
    }
}

/// What differs between projects: texts, numbers, lists and maps alone, so that its JSON is Python, too.
#[derive(Debug, Serialize)]
struct Project<'a> {
    name: &'a str,
    folder: String,
    program: &'a str,
    pool: &'a str,
    retries: u32,
    dags: Vec<Dag<'a>>,
}

#[derive(Debug, Serialize)]
struct Dag<'a> {
    id: String,
    description: String,
    cron: &'a str,
    timezone: &'a str,
    tasks: Vec<Task<'a>>,
}

#[derive(Debug, Serialize)]
struct Task<'a> {
    asset: &'a str,
    description: &'a str,
    after: Vec<&'a str>,
}

impl Orchestrator for Airflow {
    /// One file, `phlo_PROJECT.py`.
    ///
    /// # Errors
    /// [`Code::BadSelection`] if a schedule's selection means no asset.
    fn build(&self, definitions: &Definitions) -> Result<OrchestratorOutput> {
        let assets: Assets<'_> = definitions.assets.iter().map(|(spec, deps)| (&spec.key, (spec, deps))).collect();
        let project = identifier(&definitions.project);
        let mut dags = Vec::new();
        let mut taken = BTreeSet::new();
        for schedule in &definitions.schedules {
            let chosen: BTreeSet<&AssetKey> =
                definitions.selections.get(&schedule.name).into_iter().flatten().collect();
            if chosen.is_empty() {
                let message = format!("the selection `{}` means no asset", schedule.select);
                return Err(Error::new(Code::BadSelection, message)
                    .with("schedule", &schedule.name)
                    .hint("`phlo check` tells what is wrong with it"));
            }
            dags.push(Dag {
                id: unique(&format!("{project}__{}", identifier(&schedule.name)), &mut taken),
                description: format!("phlo run --select {}", schedule.select),
                cron: &schedule.cron,
                timezone: schedule.timezone.as_deref().unwrap_or("UTC"),
                tasks: tasks(&chosen, &assets),
            });
        }
        if definitions.schedules.is_empty() {
            dags.push(Dag {
                id: project.clone(),
                description: "phlo run".to_owned(),
                cron: "",
                timezone: "UTC",
                tasks: tasks(&assets.keys().copied().collect(), &assets),
            });
        }
        let Settings { program, pool, retries, .. } = &self.settings;
        let whole = Project {
            name: &definitions.project,
            folder: self.project.to_string_lossy().into_owned(),
            program,
            pool: pool.as_deref().unwrap_or_default(),
            retries: *retries,
            dags,
        };
        let json = serde_json::to_string_pretty(&whole)
            .map_err(|err| Error::internal("the project is not JSON").because(err))?;
        let text = DAGS.replace(HERE, &format!("PROJECT: dict[str, Any] = {json}\n"));
        Ok(OrchestratorOutput::Files(vec![(format!("phlo_{project}.py"), text)]))
    }
}

/// Each asset with what it depends on.
type Assets<'a> = BTreeMap<&'a AssetKey, (&'a AssetSpec, &'a Vec<AssetKey>)>;

/// The tasks of the chosen assets, by key.
fn tasks<'a>(chosen: &BTreeSet<&AssetKey>, assets: &Assets<'a>) -> Vec<Task<'a>> {
    let mut tasks = Vec::new();
    for (spec, deps) in assets.values().copied().filter(|(spec, _)| chosen.contains(&spec.key)) {
        tasks.push(Task {
            asset: spec.key.as_str(),
            description: spec.description.as_deref().unwrap_or_default(),
            after: nearest(deps, chosen, assets),
        });
    }
    tasks
}

/// The chosen assets that come next above these, through those that are not chosen.
fn nearest<'a>(deps: &'a [AssetKey], chosen: &BTreeSet<&AssetKey>, assets: &Assets<'a>) -> Vec<&'a str> {
    let (mut found, mut seen) = (BTreeSet::new(), BTreeSet::new());
    let mut open: Vec<&'a AssetKey> = deps.iter().collect();
    while let Some(key) = open.pop() {
        if !seen.insert(key) {
            continue;
        }
        if chosen.contains(key) {
            found.insert(key.as_str());
        } else if let Some((_, above)) = assets.get(key) {
            open.extend(above.iter());
        }
    }
    found.into_iter().collect()
}

/// A text as a part of the id of a DAG and of a file's name.
fn identifier(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect();
    if plain.is_empty() { "project".to_owned() } else { plain }
}

fn unique(name: &str, taken: &mut BTreeSet<String>) -> String {
    let numbered = (2..).map(|n| format!("{name}_{n}"));
    let free = std::iter::once(name.to_owned()).chain(numbered).find(|name| !taken.contains(name)).unwrap_or_default();
    taken.insert(free.clone());
    free
}
