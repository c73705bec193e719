#![doc = include_str!("../README.md")]

use std::collections::{BTreeMap, BTreeSet};

use phlo_plugin::prelude::*;
use phlo_spec::nearest;

phlo_plugin::package!();
phlo_plugin::register!(
    Orchestrator,
    Native,
    name = "native",
    summary = "phlo's own: each asset as soon as what it depends on has ended well",
    provides = ["orchestrator:native"]
);

/// The native orchestrator.
#[derive(Debug)]
pub struct Native;

impl Plugin for Native {
    type Settings = NoSettings;

    fn create(_: NoSettings, _: &InitContext) -> Result<Self> {
        Ok(Self)
    }
}

impl Orchestrator for Native {
    /// Steps in an order in which each comes after what it depends on; among those that could come next, the first by key. The order
    /// follows from the assets alone, however they are listed.
    ///
    /// # Errors
    /// [`Code::DuplicateAsset`], [`Code::UnknownAsset`] for a dependency that is not among the assets, and [`Code::DependencyCycle`]
    /// with the circle.
    fn build(&self, definitions: &Definitions) -> Result<OrchestratorOutput> {
        steps(&dependencies(definitions)?).map(OrchestratorOutput::Steps)
    }
}

/// Each asset's dependencies, sorted and without repetition.
type Graph<'a> = BTreeMap<&'a AssetKey, BTreeSet<&'a AssetKey>>;

fn dependencies(definitions: &Definitions) -> Result<Graph<'_>> {
    let mut graph = Graph::new();
    for (asset, dependencies) in &definitions.assets {
        if graph.insert(&asset.key, dependencies.iter().collect()).is_some() {
            return Err(Error::new(Code::DuplicateAsset, format!("the asset {} is defined twice", asset.key))
                .at(asset.place.clone()));
        }
    }
    for (asset, dependencies) in &definitions.assets {
        if let Some(unknown) = dependencies.iter().find(|dependency| !graph.contains_key(dependency)) {
            let error =
                Error::new(Code::UnknownAsset, format!("{} depends on {unknown}, which is no asset", asset.key))
                    .at(asset.place.clone());
            return Err(match nearest(unknown.as_str(), graph.keys().map(|key| key.as_str())) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint("correct the dependency, or add the asset"),
            });
        }
    }
    Ok(graph)
}

fn steps(graph: &Graph<'_>) -> Result<Vec<(AssetKey, Vec<AssetKey>)>> {
    let mut waiting: BTreeMap<&AssetKey, usize> =
        graph.iter().map(|(key, dependencies)| (*key, dependencies.len())).collect();
    let mut dependents: BTreeMap<&AssetKey, Vec<&AssetKey>> = BTreeMap::new();
    for (key, dependencies) in graph {
        for dependency in dependencies {
            dependents.entry(dependency).or_default().push(key);
        }
    }
    let mut ready: BTreeSet<&AssetKey> =
        waiting.iter().filter(|(_, count)| **count == 0).map(|(key, _)| *key).collect();
    let mut steps = Vec::with_capacity(graph.len());
    while let Some(key) = ready.pop_first() {
        waiting.remove(key);
        steps.push((key.clone(), graph[key].iter().copied().cloned().collect()));
        for dependent in dependents.get(key).into_iter().flatten() {
            if let Some(count) = waiting.get_mut(dependent) {
                *count -= 1;
                if *count == 0 {
                    ready.insert(dependent);
                }
            }
        }
    }
    if waiting.is_empty() { Ok(steps) } else { Err(cycle(graph, &waiting)) }
}

/// The error for assets that wait for each other. Each of them waits for another of them, so that following the first dependency that
/// waits comes back to an asset that was passed before.
fn cycle(graph: &Graph<'_>, waiting: &BTreeMap<&AssetKey, usize>) -> Error {
    let mut path: Vec<&AssetKey> = Vec::new();
    let mut passed: BTreeMap<&AssetKey, usize> = BTreeMap::new();
    let mut next = waiting.keys().next().copied();
    while let Some(key) = next {
        if let Some(start) = passed.get(key) {
            path.push(key);
            path.drain(..*start);
            break;
        }
        passed.insert(key, path.len());
        path.push(key);
        next = graph[key].iter().copied().find(|dependency| waiting.contains_key(dependency));
    }
    let circle = path.iter().map(|key| key.as_str()).collect::<Vec<_>>().join(" → ");
    Error::new(Code::DependencyCycle, format!("assets depend on each other in a circle: {circle}"))
        .hint("`a → b` means that a depends on b; break the circle at one of these assets")
}
