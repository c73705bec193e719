//! The platform: a project, its plugins and the bus, put together.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use phlo_engine::Query;
use phlo_engine_api::{QueryEngine, TableStore};
use phlo_plugin::resource::{Provider, RunHistory};
use phlo_plugin::{Choice, Error, InitContext, KnownPlugin, PluginState, Policy, Registry, Result, Wishes, resolve};
use phlo_project::{Environment, Project, Texts};
use phlo_spec::{AssetSpec, CapabilityType, Code, Diagnostic, Diagnostics, PluginKind, Redactor};
use tokio_util::sync::CancellationToken;

use crate::bus::Bus;
use crate::graph::{Graph, Node};
use crate::report::{PluginHealth, PluginRow};
use crate::secrets;

/// A project that was opened, or why not.
pub struct Opened {
    /// The platform, unless the project could not be read at all.
    pub platform: Option<Platform>,
    /// Everything that is wrong.
    pub diagnostics: Diagnostics,
    /// The files' texts, for showing the places of diagnostics.
    pub texts: Texts,
}

/// A project, its plugins and the bus. Cheap to clone; clones are one platform.
#[derive(Clone)]
pub struct Platform {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) project: Project,
    pub(crate) registry: Registry,
    pub(crate) bus: Bus,
    pub(crate) texts: Texts,
    pub(crate) parallelism: usize,
}

impl Platform {
    /// Loads the project at `root` and activates its plugins. `known` is the table of all plugins that exist.
    pub fn open(root: &Path, environment: Environment, known: &'static [KnownPlugin]) -> Opened {
        let loaded = phlo_project::load(root, environment);
        let (mut diagnostics, texts) = (loaded.diagnostics, loaded.texts);
        let Some(project) = loaded.project else { return Opened { platform: None, diagnostics, texts } };
        let policy = Policy {
            allow: project.file.plugins.allow.clone(),
            deny: project.file.plugins.deny.clone(),
            settings: project.plugin_settings.clone(),
        };
        let platform = match Self::assemble(project, policy, known, texts.clone()) {
            Ok(platform) => Some(platform),
            Err(err) => {
                diagnostics.push(err.into_diagnostic());
                None
            }
        };
        Opened { platform, diagnostics, texts }
    }

    /// Every linked plugin, without a project.
    ///
    /// # Errors
    /// Two plugins of one kind and name.
    pub fn bare(root: &Path, known: &'static [KnownPlugin]) -> Result<Self> {
        Self::assemble(Project::bare(root), Policy::default(), known, Texts::default())
    }

    fn assemble(project: Project, policy: Policy, known: &'static [KnownPlugin], texts: Texts) -> Result<Self> {
        let bus = Bus::new(project.redactor.clone());
        let parallelism = std::thread::available_parallelism().map_or(1, usize::from);
        let context = InitContext {
            project: project.file.name.clone(),
            root: project.root.clone(),
            state_dir: project.state_dir.clone(),
            storage: project.storage.clone(),
            memory_bytes: project.file.run.memory_mib << 20,
            parallelism,
            emitter: bus.emitter(),
            redactor: project.redactor.clone(),
        };
        let place = |name: &str| {
            let at = ["allow", "deny"].iter().flat_map(|list| (0..64).map(move |i| format!("plugins.{list}[{i}]")));
            at.filter_map(|key| project.places.get(&key))
                .find(|p| texts.line(&p.file, p.span.line).is_some_and(|l| l.contains(name)))
                .cloned()
        };
        let registry = Registry::linked(known)?.activate(policy, context).map_err(|err| {
            let named = err.message().split('`').nth(1).map(str::to_owned);
            let found = named.and_then(|n| place(&n));
            err.at(found)
        })?;
        secrets::learn(&project, &registry);
        Ok(Self { inner: Arc::new(Inner { project, registry, bus, texts, parallelism }) })
    }

    /// The project.
    pub fn project(&self) -> &Project {
        &self.inner.project
    }

    /// The plugins.
    pub fn registry(&self) -> &Registry {
        &self.inner.registry
    }

    /// Cleans text that may hold secrets.
    pub fn redactor(&self) -> &Redactor {
        &self.inner.project.redactor
    }

    pub(crate) fn choose(
        &self,
        capability: CapabilityType,
        spec: Option<&AssetSpec>,
        tags: Option<&BTreeMap<String, String>>,
    ) -> Result<Choice> {
        let project = &self.inner.project;
        let wishes = Wishes {
            run_tags: tags,
            overrides: spec.map(|s| &s.capability_overrides),
            environment: Some(&project.environment_choices),
            defaults: Some(&project.file.capabilities.defaults),
        };
        let providers = self.inner.registry.providers_of(capability);
        resolve(capability, &wishes, &providers)
            .map_err(|err| err.at(project.places.get(&format!("capabilities.defaults.{capability}")).cloned()))
    }

    fn provide(
        &self,
        capability: CapabilityType,
        spec: Option<&AssetSpec>,
        tags: Option<&BTreeMap<String, String>>,
    ) -> Result<(Provider, Choice)> {
        let choice = self.choose(capability, spec, tags)?;
        Ok((self.inner.registry.provider(capability, &choice.provider)?, choice))
    }

    fn of_trait<T: ?Sized + Send + Sync + 'static>(provider: &Provider) -> Result<Arc<T>> {
        provider.get().ok_or_else(|| {
            Error::new(
                Code::InvalidRegistration,
                format!("the {} `{}` does not implement its capability's trait", provider.capability, provider.name),
            )
        })
    }

    /// The table store that serves an asset.
    pub(crate) fn table_store(
        &self,
        spec: Option<&AssetSpec>,
        tags: Option<&BTreeMap<String, String>>,
    ) -> Result<(Arc<dyn TableStore>, Choice)> {
        let (provider, choice) = self.provide(CapabilityType::TableStore, spec, tags)?;
        Ok((Self::of_trait(&provider)?, choice))
    }

    /// The query engine that serves an asset.
    pub(crate) fn engine(
        &self,
        spec: Option<&AssetSpec>,
        tags: Option<&BTreeMap<String, String>>,
    ) -> Result<Arc<dyn QueryEngine>> {
        let (provider, _) = self.provide(CapabilityType::QueryEngine, spec, tags)?;
        Self::of_trait(&provider)
    }

    /// The run history.
    ///
    /// # Errors
    /// No plugin provides one.
    pub fn history(&self) -> Result<Arc<dyn RunHistory>> {
        let (provider, _) = self.provide(CapabilityType::RunHistory, None, None)?;
        Self::of_trait(&provider)
    }

    /// What surrounds a source.
    pub(crate) fn source_context(
        &self,
        spec: &AssetSpec,
        offline: bool,
        cancel: CancellationToken,
    ) -> phlo_plugin::source::SourceContext {
        phlo_plugin::source::SourceContext {
            root: self.inner.project.root.clone(),
            columns: spec.columns.clone(),
            offline,
            emitter: self.inner.bus.emitter(),
            redactor: self.redactor().clone(),
            cancel,
        }
    }

    /// The assets, prepared and connected: sources' configs read, SQL parsed, plugins found; no data looked at.
    pub fn graph(&self) -> (Graph, Diagnostics) {
        let mut problems = Diagnostics::default();
        let mut specs = self.inner.project.assets.clone();
        for (registration, instance) in self.inner.registry.instances(PluginKind::Asset) {
            let phlo_plugin::registration::Instance::Asset(plugin) = instance else { continue };
            match phlo_plugin::registry::guard(registration.name, "listing its assets", || plugin.assets()) {
                Ok(assets) => {
                    for asset in assets {
                        if specs.iter().any(|s| s.key == asset.key) {
                            let message = format!(
                                "`{}` is defined by the plugin `{}` and a second time",
                                asset.key, registration.name
                            );
                            problems.push(
                                Diagnostic::error(Code::DuplicateAsset, message)
                                    .hint("rename or remove one of the two"),
                            );
                        } else {
                            specs.push(asset);
                        }
                    }
                }
                Err(err) => problems.push(err.into_diagnostic()),
            }
        }
        let nodes = specs.into_iter().map(|spec| self.prepare(spec, &mut problems)).collect();
        let (graph, more) = Graph::connect(nodes);
        problems.extend(more);
        (graph, problems)
    }

    fn prepare(&self, spec: AssetSpec, problems: &mut Diagnostics) -> Node {
        use phlo_spec::AssetBody;
        let registry = &self.inner.registry;
        let mut node = Node::new(spec);
        match &node.spec.body {
            AssetBody::Ingest(source) => match registry.source(&source.plugin) {
                Ok(plugin) => match plugin.parse(&source.config) {
                    Ok(config) => node.source = Some((plugin, Arc::new(config))),
                    Err(err) => problems.push(err.at(source.config.place()).into_diagnostic()),
                },
                Err(err) => problems.push(err.at(source.plugin_place.clone()).into_diagnostic()),
            },
            AssetBody::Sql(sql) => match Query::parse(&sql.text, &sql.file) {
                Ok(query) => node.query = Some(query),
                Err(problem) => problems.push(*problem),
            },
        }
        for transform in &node.spec.transforms {
            if let Err(err) = registry.transform(&transform.name) {
                problems.push(err.at(transform.place.clone()).into_diagnostic());
            }
        }
        for capability in [CapabilityType::TableStore, CapabilityType::QueryEngine] {
            // The project's own choice is told once, not once per asset.
            if node.spec.capability_overrides.contains_key(&capability)
                && let Err(err) = self.choose(capability, Some(&node.spec), None)
            {
                problems.push(err.at(node.spec.place.clone()).into_diagnostic());
            }
        }
        node
    }

    /// The plugins, as reports show them.
    pub fn plugins(&self) -> Vec<PluginRow> {
        let strings = |items: &[&str]| items.iter().map(|s| (*s).to_owned()).collect();
        let row = |e: phlo_plugin::registry::PluginEntry<'_>| {
            let (state, error) = match &e.state {
                PluginState::Ready => ("ready", None),
                PluginState::Active => ("active", None),
                PluginState::Denied => ("denied", None),
                PluginState::Refused(err) => ("refused", Some(err.record())),
            };
            PluginRow {
                kind: e.registration.kind.to_string(),
                name: e.registration.name.to_owned(),
                package: e.registration.package.to_owned(),
                version: e.package.map(|p| p.version.to_owned()).unwrap_or_default(),
                summary: e.registration.summary.to_owned(),
                state: state.to_owned(),
                error,
                provides: strings(e.registration.provides),
                requires: strings(e.registration.requires),
                optional: strings(e.registration.optional),
            }
        };
        self.inner.registry.entries().map(row).collect()
    }

    /// Makes every plugin that may be used and runs its self-test.
    pub async fn plugin_check(&self) -> Vec<PluginHealth> {
        let (graph, _) = self.graph();
        let mut used = std::collections::BTreeSet::new();
        for node in graph.nodes() {
            if let phlo_spec::AssetBody::Ingest(source) = &node.spec.body {
                used.insert((PluginKind::Source, source.plugin.clone()));
            }
            used.extend(node.spec.checks.iter().map(|c| (PluginKind::Quality, c.kind.clone())));
            used.extend(node.spec.transforms.iter().map(|t| (PluginKind::Transform, t.name.clone())));
        }
        let kinds: Vec<_> = self.inner.registry.entries().map(|e| (e.registration.kind, e.registration.name)).collect();
        let mut tested = BTreeMap::new();
        for (kind, name) in kinds {
            let outcome = self.inner.registry.instance(kind, name).and_then(|instance| {
                phlo_plugin::registry::guard(name, "its self-test", || instance.plugin().test_itself())
            });
            tested.insert((kind.to_string(), name.to_owned()), outcome);
        }
        let (_, hook_problems) = self.inner.registry.hooks();
        self.plugins()
            .into_iter()
            .map(|mut plugin| {
                let outcome = tested.remove(&(plugin.kind.clone(), plugin.name.clone()));
                if let Some(Err(err)) = &outcome {
                    plugin.error.get_or_insert_with(|| err.record());
                }
                if let Some(err) = hook_problems
                    .iter()
                    .find(|e| plugin.kind == "hook" && e.message().contains(&format!("`{}`", plugin.name)))
                {
                    plugin.error.get_or_insert_with(|| err.record());
                }
                let used =
                    plugin.kind.parse().is_ok_and(|kind: PluginKind| used.contains(&(kind, plugin.name.clone())));
                PluginHealth { healthy: plugin.error.is_none() && plugin.state != "denied", used, plugin }
            })
            .collect()
    }
}
