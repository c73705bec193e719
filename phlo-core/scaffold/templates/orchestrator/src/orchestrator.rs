//! The orchestrator: from the project's definitions to files.

use std::collections::{BTreeMap, BTreeSet};

use phlo_plugin::prelude::*;

use crate::makefile;

/// Writes a Makefile.
#[derive(Debug)]
pub struct {{Type}}Orchestrator;

impl Plugin for {{Type}}Orchestrator {
    type Settings = NoSettings;

    fn create(_: NoSettings, _: &InitContext) -> Result<Self> {
        Ok(Self)
    }
}

impl Orchestrator for {{Type}}Orchestrator {
    /// One file, `Makefile`. It follows from the assets alone, however they are listed.
    ///
    /// # Errors
    /// [`Code::UnknownAsset`] for a dependency that is not among the assets.
    fn build(&self, definitions: &Definitions) -> Result<OrchestratorOutput> {
        let mut targets: BTreeMap<&AssetKey, BTreeSet<&AssetKey>> = BTreeMap::new();
        for (asset, upstream) in &definitions.assets {
            targets.entry(&asset.key).or_default().extend(upstream);
        }
        for (asset, upstream) in &definitions.assets {
            if let Some(unknown) = upstream.iter().find(|key| !targets.contains_key(key)) {
                let message = format!("{} depends on {unknown}, which is no asset", asset.key);
                let known = targets.keys().map(|key| key.as_str());
                return Err(Error::new(Code::UnknownAsset, message)
                    .suggest(unknown.as_str(), known, "correct the dependency, or add the asset")
                    .at(asset.place.clone()));
            }
        }
        let text = makefile::render(&definitions.project, &targets, &definitions.schedules);
        Ok(OrchestratorOutput::Files(vec![("Makefile".to_owned(), text)]))
    }
}
