//! `definitions.json`: the assets, checks and schedules in Dagster's terms. Its names obey Dagster's rules, so that `definitions.py`
//! takes them as they are; where they differ from phlo's, phlo's stand beside them.

use std::collections::BTreeSet;

use phlo_plugin::prelude::*;
use phlo_spec::asset::{AssetBody, AssetSpec};
use phlo_spec::project::ScheduleSpec;
use phlo_spec::{CheckSeverity, CheckSpec, PartitionKind, PartitionSpec};
use serde::Serialize;

use crate::selection;

/// The whole file.
#[derive(Debug, Serialize)]
pub(crate) struct Manifest {
    /// Raised when `definitions.py` could not read an older file.
    version: u32,
    project: String,
    assets: Vec<Asset>,
    schedules: Vec<Schedule>,
    /// Python modules of extensions beside the file, whose definitions are added.
    modules: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Asset {
    key: Vec<String>,
    /// The key as phlo writes it.
    phlo_key: String,
    /// The name of Dagster's op.
    op: String,
    deps: Vec<Vec<String>>,
    group: String,
    kinds: Vec<String>,
    tags: Vec<String>,
    owners: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_age_hours: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partitions: Option<Partitions>,
    checks: Vec<Check>,
}

#[derive(Debug, Serialize)]
struct Check {
    name: String,
    /// The name in phlo's reports.
    phlo_name: String,
    kind: String,
    blocking: bool,
    severity: CheckSeverity,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Partitions {
    kind: PartitionKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<String>,
    timezone: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    values: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Schedule {
    name: String,
    cron: String,
    timezone: String,
    /// As written in `phlo.yaml`.
    select: String,
    /// What the selection means.
    assets: Vec<Vec<String>>,
}

/// Translates the definitions.
///
/// # Errors
/// What Dagster could not load.
pub(crate) fn manifest(definitions: &Definitions) -> Result<Manifest> {
    // By key, so that the same project gives the same files, whose differences people read in version control.
    let mut assets: Vec<_> = definitions.assets.iter().collect();
    assets.sort_by_key(|(spec, _)| &spec.key);
    let mut ops = BTreeSet::new();
    let assets = assets.into_iter().map(|(spec, deps)| asset(spec, deps, &mut ops)).collect::<Result<Vec<_>>>()?;
    let mut names = BTreeSet::new();
    let schedules =
        definitions.schedules.iter().map(|spec| schedule(spec, definitions, &mut names)).collect::<Result<Vec<_>>>()?;
    let modules = definitions.dagster.iter().map(|(_, module)| module.name.clone()).collect();
    Ok(Manifest { version: 1, project: definitions.project.clone(), assets, schedules, modules })
}

fn asset(spec: &AssetSpec, deps: &[AssetKey], ops: &mut BTreeSet<String>) -> Result<Asset> {
    let mut names = BTreeSet::new();
    let tool = match &spec.body {
        AssetBody::Ingest(source) => &source.plugin,
        AssetBody::Sql(_) => "sql",
        AssetBody::Publish(publish) => &publish.target.plugin,
    };
    Ok(Asset {
        key: parts(&spec.key),
        phlo_key: spec.key.to_string(),
        op: unique(&spec.key.parts().collect::<Vec<_>>().join("__"), ops),
        deps: deps.iter().collect::<BTreeSet<_>>().into_iter().map(parts).collect(),
        group: spec.group.split('.').map(identifier).collect::<Vec<_>>().join("/"),
        kinds: vec!["phlo".to_owned(), tag(tool)],
        tags: spec.tags.iter().map(|text| tag(text)).collect(),
        owners: spec.owner.iter().map(|text| owner(text)).collect(),
        description: spec.description.clone(),
        max_age_hours: spec.freshness.as_ref().map(|freshness| freshness.max_age_hours),
        partitions: spec.partitions.as_ref().map(|partitions| translate(partitions, spec)).transpose()?,
        checks: spec.checks.iter().map(|check| translate_check(check, &spec.key, &mut names)).collect::<Result<_>>()?,
    })
}

fn translate_check(spec: &CheckSpec, asset: &AssetKey, names: &mut BTreeSet<String>) -> Result<Check> {
    // A check whose result Dagster was not told of beforehand fails the step, so that a guess would be worse than an error.
    let Some(phlo_name) = &spec.name else {
        return Err(Error::internal(format!("a check `{}` of {asset} has no name", spec.kind)).at(spec.place.clone()));
    };
    Ok(Check {
        name: unique(&identifier(phlo_name), names),
        phlo_name: phlo_name.clone(),
        kind: spec.kind.clone(),
        blocking: spec.severity == CheckSeverity::Error,
        severity: spec.severity,
        description: spec.description.clone(),
    })
}

fn translate(spec: &PartitionSpec, asset: &AssetSpec) -> Result<Partitions> {
    let fixed = spec.kind == PartitionKind::Static;
    if !fixed && spec.start.is_none() {
        let message = format!("the {} partitions of {} have no `start`, which Dagster needs", spec.kind, asset.key);
        return Err(Error::new(Code::MissingKey, message)
            .at(asset.place.clone())
            .hint("add the first partition's date: `start: 2013-01-01`"));
    }
    Ok(Partitions {
        kind: spec.kind,
        start: spec.start.clone().filter(|_| !fixed),
        timezone: spec.timezone.clone().unwrap_or_else(|| "UTC".to_owned()),
        values: if fixed { spec.values.clone() } else { Vec::new() },
    })
}

fn schedule(spec: &ScheduleSpec, definitions: &Definitions, names: &mut BTreeSet<String>) -> Result<Schedule> {
    let selected =
        selection::resolve(&spec.select, &definitions.assets).map_err(|err| err.with("schedule", &spec.name))?;
    let mut partitioned: Option<(&AssetKey, Partitions)> = None;
    for asset in &selected {
        let Some(partitions) = asset.partitions.as_ref().map(|partitions| translate(partitions, asset)).transpose()?
        else {
            continue;
        };
        match &partitioned {
            Some((other, first)) if *first != partitions => {
                let message = format!(
                    "the schedule `{}` selects {other} and {}, which are partitioned differently",
                    spec.name, asset.key
                );
                return Err(Error::new(Code::BadSelection, message)
                    .hint("Dagster runs assets of one kind of partitions in a job; make a schedule for each"));
            }
            Some(_) => {}
            None => partitioned = Some((&asset.key, partitions)),
        }
    }
    Ok(Schedule {
        name: unique(&identifier(&spec.name), names),
        cron: spec.cron.clone(),
        timezone: spec.timezone.clone().unwrap_or_else(|| "UTC".to_owned()),
        select: spec.select.clone(),
        assets: selected.iter().map(|asset| parts(&asset.key)).collect(),
    })
}

fn parts(key: &AssetKey) -> Vec<String> {
    key.parts().map(str::to_owned).collect()
}

/// A text as a name in Dagster: letters, digits and `_`.
fn identifier(text: &str) -> String {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    let name = words.collect::<Vec<_>>().join("_");
    if name.is_empty() { "unnamed".to_owned() } else { name }
}

/// The name, with a number behind it if it is taken.
fn unique(name: &str, taken: &mut BTreeSet<String>) -> String {
    let numbered = (2..).map(|n| format!("{name}_{n}"));
    let free = std::iter::once(name.to_owned()).chain(numbered).find(|name| !taken.contains(name)).unwrap_or_default();
    taken.insert(free.clone());
    free
}

/// A text as the key of a tag in Dagster.
fn tag(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || "_.-".contains(c) { c } else { '_' }).take(63).collect()
}

/// A text as an owner in Dagster: an e-mail address or a team.
fn owner(text: &str) -> String {
    let is_address =
        text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.') && !host.contains('@'));
    if text.starts_with("team:") || (is_address && !text.contains(char::is_whitespace)) {
        text.to_owned()
    } else {
        format!("team:{text}")
    }
}
