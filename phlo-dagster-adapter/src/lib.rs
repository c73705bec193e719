#![doc = include_str!("../README.md")]

mod manifest;
mod selection;

use std::collections::BTreeSet;

use phlo_plugin::prelude::*;

phlo_plugin::package!();
phlo_plugin::register!(
    Orchestrator,
    Dagster,
    name = "dagster",
    summary = "Dagster definitions of the project, run by phlo",
    provides = ["orchestrator:dagster"]
);

/// What `definitions.py` was tested with.
const DAGSTER: &str = "dagster>=1.13";

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
    /// Files for one folder inside the project: `definitions.json`, which holds all that differs between projects,
    /// `definitions.py`, which is always the same and makes Dagster definitions of it, `requirements.txt`, and a module for each that
    /// an extension gives.
    ///
    /// # Errors
    /// What Dagster could not load: a schedule over assets of different partitions, partitions without a start, two modules of one
    /// name.
    fn build(&self, definitions: &Definitions) -> Result<OrchestratorOutput> {
        let manifest = manifest::manifest(definitions)?;
        let json = serde_json::to_string_pretty(&manifest)
            .map_err(|err| Error::internal("the manifest is not JSON").because(err))?;
        let mut files = vec![
            ("definitions.json".to_owned(), json + "\n"),
            ("definitions.py".to_owned(), include_str!("definitions.py").to_owned()),
        ];
        let mut requirements = BTreeSet::from([DAGSTER.to_owned()]);
        for (extension, module) in &definitions.dagster {
            requirements.extend(module.requirements.iter().cloned());
            let file = module_file(extension, module)?;
            if files.iter().any(|(taken, _)| *taken == file) {
                return Err(Error::new(
                    Code::PluginFailed,
                    format!("the Dagster extension `{extension}` gives a module `{}`, and there is one", module.name),
                )
                .hint("build without one of the two, or deny one in phlo.yaml"));
            }
            files.push((file, module.python.clone()));
        }
        let requirements = requirements.into_iter().map(|one| one + "\n").collect();
        files.push(("requirements.txt".to_owned(), requirements));
        Ok(OrchestratorOutput::Files(files))
    }
}

/// The file of an extension's module.
fn module_file(extension: &str, module: &DagsterModule) -> Result<String> {
    let name = &module.name;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_') && name.chars().all(plain) {
        return Ok(format!("{name}.py"));
    }
    Err(Error::new(
        Code::PluginFailed,
        format!("the Dagster extension `{extension}` gives a module `{name}`, which Python cannot import"),
    )
    .hint("this is a bug in the plugin"))
}
