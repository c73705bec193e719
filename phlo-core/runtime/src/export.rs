//! What phlo writes for others: the project as an orchestrator's own definitions, and catalogs for engines that read its tables.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use phlo_plugin::kinds::{CatalogProperties, CatalogTable, DagsterModule, Definitions, OrchestratorOutput};
use phlo_plugin::registration::Instance;
use phlo_plugin::registry::guard;
use phlo_plugin::{Error, Result};
use phlo_spec::{AssetKey, CapabilityType, Code, Diagnostics, PluginKind};

use crate::graph::Graph;
use crate::platform::Platform;
use crate::select;

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
            match self.ordered(&graph, &name, self.dagster_modules()?)? {
                OrchestratorOutput::Files(files) => {
                    files.into_iter().map(|file| inside("orchestrator", &name, file)).collect()
                }
                OrchestratorOutput::Steps(_) => {
                    Err(Error::new(Code::Usage, format!("the orchestrator `{name}` writes no files: `phlo run` runs what it orders"))
                        .hint("name another with `--orchestrator NAME`; `phlo plugin list --kind orchestrator --available` shows them"))
                }
            }
        };
        build().map_err(|err| Diagnostics(vec![err.into_diagnostic()]))
    }

    /// The files of a catalog: for each engine that it knows `TARGET/NAME.properties`, and whatever it writes for the tables that
    /// exist; each with a path below the folder that they belong to.
    ///
    /// # Errors
    /// The catalog is not there or does not start, the storage cannot be read, or a table cannot.
    pub async fn export_catalog(&self, catalog: &str) -> Result<Vec<(String, String)>> {
        let Instance::Catalog(plugin) = self.inner.registry.instance(PluginKind::Catalog, catalog)? else {
            return Err(Error::internal("a catalog of another kind"));
        };
        let store = self.choose(CapabilityType::TableStore, None, None)?.provider;
        let mut tables = Vec::new();
        for row in self.tables().await? {
            match row.info {
                Ok(info) => {
                    tables.push(CatalogTable { table: row.table, store: store.clone(), location: info.location });
                }
                // Without it the catalog would look complete.
                Err(record) => {
                    let why = record.messages.join(": ");
                    return Err(Error::new(record.code, format!("the table `{}` cannot be read: {why}", row.table))
                        .hint("mend or remove it: a catalog of the other tables would look complete"));
                }
            }
        }
        let catalogs = guard(catalog, "writing its catalogs", || plugin.catalogs())?;
        let more = guard(catalog, "writing its files", || plugin.files(&tables))?;
        let named = catalogs.iter().map(|one| (format!("{}/{}.properties", one.target, one.name), properties(one)));
        named.chain(more).map(|file| inside("catalog", catalog, file)).collect()
    }

    /// What an orchestrator makes of the project's assets, and of these modules if it is Dagster's.
    pub(crate) fn ordered(
        &self,
        graph: &Graph,
        orchestrator: &str,
        dagster: Vec<(String, DagsterModule)>,
    ) -> Result<OrchestratorOutput> {
        let definitions = Definitions {
            project: self.inner.project.file.name.clone(),
            assets: graph
                .order()
                .iter()
                .filter_map(|key| graph.get(key))
                .map(|node| (self.named(node), node.upstream.iter().cloned().collect()))
                .collect(),
            schedules: self.inner.project.file.schedules.clone(),
            selections: self.selections(graph),
            dagster,
        };
        let Instance::Orchestrator(plugin) = self.inner.registry.instance(PluginKind::Orchestrator, orchestrator)?
        else {
            return Err(Error::internal("an orchestrator of another kind"));
        };
        guard(orchestrator, "building its definitions", || plugin.build(&definitions))
    }

    // What the Dagster extensions give, sorted by extension.
    fn dagster_modules(&self) -> Result<Vec<(String, DagsterModule)>> {
        let (extensions, mut failed) = self.inner.registry.instances(PluginKind::Dagster);
        if let Some(err) = failed.pop() {
            return Err(err);
        }
        let mut modules = Vec::new();
        for (registration, instance) in extensions {
            let Instance::Dagster(plugin) = instance else { continue };
            let given = guard(registration.name, "giving its Dagster modules", || plugin.modules())?;
            modules.extend(given.into_iter().map(|module| (registration.name.to_owned(), module)));
        }
        Ok(modules)
    }

    // A selection that means nothing is told by `phlo check`, and by whoever needs what it means.
    fn selections(&self, graph: &Graph) -> BTreeMap<String, Vec<AssetKey>> {
        let meant = |select: &String| select::select(graph, std::slice::from_ref(select), &[]).ok();
        let schedules = &self.inner.project.file.schedules;
        schedules
            .iter()
            .filter_map(|schedule| Some((schedule.name.clone(), meant(&schedule.select)?.into_iter().collect())))
            .collect()
    }

    // An orchestrator must know every check by the name that results will have.
    fn named(&self, node: &crate::graph::Node) -> phlo_spec::AssetSpec {
        let mut spec = node.spec.clone();
        let (made, problems) = crate::audit::checks(self, &spec, None);
        if !problems.has_errors() {
            for (check, made) in spec.checks.iter_mut().zip(made) {
                check.name = Some(made.name);
            }
        }
        spec
    }
}

/// The text of a catalog's properties: a Java properties file, as Trino reads it; for Spark in the form of `spark-defaults.conf`,
/// which is one, too.
fn properties(catalog: &CatalogProperties) -> String {
    let between = if catalog.target == "spark" { " " } else { "=" };
    let mut text = String::from("# Written by `phlo config export`.\n");
    for (key, value) in &catalog.properties {
        let key = escaped(key).replace(' ', "\\ ").replace('=', "\\=").replace(':', "\\:");
        let _ = writeln!(text, "{key}{between}{}", escaped(value));
    }
    text
}

fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
    if text.starts_with([' ', '\t']) { format!("\\{text}") } else { text }
}

// A path that leads out of the folder would overwrite what is not the plugin's.
fn inside(kind: &str, plugin: &str, file: (String, String)) -> Result<(String, String)> {
    let normal = |part: std::path::Component<'_>| matches!(part, std::path::Component::Normal(_));
    if !file.0.is_empty() && std::path::Path::new(&file.0).components().all(normal) {
        return Ok(file);
    }
    Err(Error::new(
        Code::PluginFailed,
        format!("the {kind} `{plugin}` writes `{}`, which is not below the folder", file.0),
    )
    .hint("this is a bug in the plugin"))
}
