#![doc = include_str!("../README.md")]

mod manifest;
mod selection;

use phlo_plugin::prelude::*;

phlo_plugin::package!();
phlo_plugin::register!(
    Orchestrator,
    Dagster,
    name = "dagster",
    summary = "Dagster definitions of the project, run by phlo",
    provides = ["orchestrator:dagster"]
);

/// The orchestrator `dagster`.
#[derive(Debug)]
pub struct Dagster;

impl Plugin for Dagster {
    type Settings = NoSettings;

    fn create(_: NoSettings, _: &InitContext) -> Result<Self> {
        Ok(Self)
    }
}

impl Orchestrator for Dagster {
    /// Two files for one folder inside the project: `definitions.json`, which holds all that differs between projects, and
    /// `definitions.py`, which is always the same and makes Dagster definitions of it.
    ///
    /// # Errors
    /// What Dagster could not load: a schedule over assets of different partitions, partitions without a start.
    fn build(&self, definitions: &Definitions) -> Result<OrchestratorOutput> {
        let manifest = manifest::manifest(definitions)?;
        let json = serde_json::to_string_pretty(&manifest)
            .map_err(|err| Error::internal("the manifest is not JSON").because(err))?;
        Ok(OrchestratorOutput::Files(vec![
            ("definitions.json".to_owned(), json + "\n"),
            ("definitions.py".to_owned(), include_str!("definitions.py").to_owned()),
        ]))
    }
}
