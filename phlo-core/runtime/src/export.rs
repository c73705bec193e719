//! The project as an orchestrator's own definitions, for one that runs assets itself.

use phlo_plugin::kinds::{Definitions, OrchestratorOutput};
use phlo_plugin::registration::Instance;
use phlo_plugin::registry::guard;
use phlo_plugin::{Error, Result};
use phlo_spec::{CapabilityType, Code, Diagnostics, PluginKind};

use crate::graph::Graph;
use crate::platform::Platform;

impl Platform {
    /// The files of an orchestrator's definitions, each with a path below the folder that they belong to; the project's
    /// orchestrator unless one is named.
    ///
    /// # Errors
    /// The project is wrong, the orchestrator is not there, or it writes no files.
    pub fn export(&self, orchestrator: Option<&str>) -> Result<Vec<(String, String)>, Diagnostics> {
        let (graph, problems) = self.graph();
        if problems.has_errors() {
            return Err(problems.sorted());
        }
        let build = || {
            let name = match orchestrator {
                Some(name) => name.to_owned(),
                None => self.choose(CapabilityType::Orchestrator, None, None)?.provider,
            };
            match self.ordered(&graph, &name)? {
                OrchestratorOutput::Files(files) => files.into_iter().map(|file| inside(&name, file)).collect(),
                OrchestratorOutput::Steps(_) => {
                    Err(Error::new(Code::Usage, format!("the orchestrator `{name}` writes no files: `phlo run` runs what it orders"))
                        .hint("name another with `--orchestrator NAME`; `phlo plugin list --kind orchestrator --available` shows them"))
                }
            }
        };
        build().map_err(|err| Diagnostics(vec![err.into_diagnostic()]))
    }

    /// What an orchestrator makes of the project's assets.
    pub(crate) fn ordered(&self, graph: &Graph, orchestrator: &str) -> Result<OrchestratorOutput> {
        let definitions = Definitions {
            project: self.inner.project.file.name.clone(),
            assets: graph
                .order()
                .iter()
                .filter_map(|key| graph.get(key))
                .map(|node| (self.named(node), node.upstream.iter().cloned().collect()))
                .collect(),
            schedules: self.inner.project.file.schedules.clone(),
        };
        let Instance::Orchestrator(plugin) = self.inner.registry.instance(PluginKind::Orchestrator, orchestrator)?
        else {
            return Err(Error::internal("an orchestrator of another kind"));
        };
        guard(orchestrator, "building its definitions", || plugin.build(&definitions))
    }

    // An orchestrator must know every check by the name that results will have.
    fn named(&self, node: &crate::graph::Node) -> phlo_spec::AssetSpec {
        let mut spec = node.spec.clone();
        let (made, problems) = crate::audit::checks(&self.inner.registry, &spec, None);
        if !problems.has_errors() {
            for (check, made) in spec.checks.iter_mut().zip(made) {
                check.name = Some(made.name);
            }
        }
        spec
    }
}

// A path that leads out of the folder would overwrite what is not the orchestrator's.
fn inside(orchestrator: &str, file: (String, String)) -> Result<(String, String)> {
    let normal = |part: std::path::Component<'_>| matches!(part, std::path::Component::Normal(_));
    if !file.0.is_empty() && std::path::Path::new(&file.0).components().all(normal) {
        return Ok(file);
    }
    Err(Error::new(
        Code::PluginFailed,
        format!("the orchestrator `{orchestrator}` writes `{}`, which is not below the folder", file.0),
    )
    .hint("this is a bug in the plugin"))
}
