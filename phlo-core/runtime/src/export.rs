//! The project as an orchestrator's own definitions, for one that runs assets itself.

use phlo_plugin::Error;
use phlo_plugin::kinds::{Definitions, OrchestratorOutput};
use phlo_plugin::registration::Instance;
use phlo_plugin::registry::guard;
use phlo_spec::{CapabilityType, Code, Diagnostics, PluginKind};

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
        let build = || {
            let name = match orchestrator {
                Some(name) => name.to_owned(),
                None => self.choose(CapabilityType::Orchestrator, None, None)?.provider,
            };
            let Instance::Orchestrator(plugin) = self.inner.registry.instance(PluginKind::Orchestrator, &name)? else {
                return Err(Error::internal("an orchestrator of another kind"));
            };
            match guard(&name, "building its definitions", || plugin.build(&definitions))? {
                OrchestratorOutput::Files(files) => files.into_iter().map(|file| inside(&name, file)).collect(),
                OrchestratorOutput::Steps(_) => {
                    Err(Error::new(Code::Usage, format!("the orchestrator `{name}` writes no files: `phlo run` runs what it orders"))
                        .hint("name another with `--orchestrator NAME`; `phlo plugin list --kind orchestrator --available` shows them"))
                }
            }
        };
        build().map_err(|err| Diagnostics(vec![err.into_diagnostic()]))
    }
}

// A path that leads out of the folder would overwrite what is not the orchestrator's.
fn inside(orchestrator: &str, file: (String, String)) -> Result<(String, String), Error> {
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
