//! The platform: a project, its plugins and the bus, put together.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use phlo_engine::{Check, Query};
use phlo_engine_api::{QueryEngine, TableStore, guarded};
use phlo_plugin::capability::check_tags;
use phlo_plugin::registry::{PluginEntry, guard};
use phlo_plugin::resource::{Provider, RunHistory};
use phlo_plugin::{Choice, Error, InitContext, KnownPlugin, PluginState, Policy, Registry, Result, Wishes, resolve};
use phlo_project::{Environment, MIN_MEMORY_MIB, Project, Texts};
use phlo_spec::{AssetKey, AssetSpec, CapabilityType, Code, Diagnostic, Diagnostics, PluginKind, Redactor, Severity};
use tokio_util::sync::CancellationToken;

use crate::audit;
use crate::bus::Bus;
use crate::graph::{Graph, Node};
use crate::publish;
use crate::report::{PluginDetails, PluginRow};
use crate::secrets;
use crate::stores;

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
    // Assets that plugins give, and what kept others from it; asked for once.
    provided: OnceLock<(Vec<AssetSpec>, Diagnostics)>,
}

impl Platform {
    /// Loads the project at `root` and activates its plugins. `known` is the table of all plugins that exist.
    pub fn open(root: &Path, environment: Environment, known: &'static [KnownPlugin]) -> Opened {
        let stores = stores::Stores::new(known);
        let loaded = phlo_project::load(root, environment, &stores);
        let (mut diagnostics, texts) = (loaded.diagnostics, loaded.texts);
        let unclean = stores.clean_up().into_iter().map(Error::into_diagnostic);
        diagnostics.extend(unclean.map(|problem| Diagnostic { severity: Severity::Warning, ..problem }));
        let Some(project) = loaded.project else { return Opened { platform: None, diagnostics, texts } };
        let policy = Policy {
            allow: project.file.plugins.allow.clone(),
            deny: project.file.plugins.deny.clone(),
            settings: project.plugin_settings.clone(),
        };
        let platform = match Self::assemble(project, policy, known, texts.clone()) {
            Ok(platform) => Some(platform),
            Err(err) => {
                let problem = err.into_diagnostic();
                // It kept the secret stores from being made, too, and is told once, at its own place.
                diagnostics.0.retain(|told| (told.code, &told.message) != (problem.code, &problem.message));
                diagnostics.push(problem);
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
            // Less was refused, with its place: an engine need not say so again.
            memory_bytes: project.file.run.memory_mib.max(MIN_MEMORY_MIB) << 20,
            parallelism,
            emitter: bus.emitter(),
            redactor: project.redactor.clone(),
            variables: stores::variables(&project.environment),
        };
        let linked = Registry::linked(known)?;
        let unlinked = linked.unlinked(&policy);
        let registry = linked.activate(policy, context).map_err(|err| {
            err.at(unlinked.and_then(|(list, at)| project.places.get(&format!("plugins.{list}[{at}]"))).cloned())
        })?;
        secrets::learn(&project, &registry);
        Ok(Self { inner: Arc::new(Inner { project, registry, bus, texts, parallelism, provided: OnceLock::new() }) })
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
        if let Some(tags) = tags {
            check_tags(tags)?;
        }
        self.resolve(capability, &wishes)
    }

    /// As [`resolve`], at its place in `phlo.yaml`, and with why a wished provider that is linked cannot be used.
    pub(crate) fn resolve(&self, capability: CapabilityType, wishes: &Wishes<'_>) -> Result<Choice> {
        let providers = self.inner.registry.providers_of(capability);
        resolve(capability, wishes, &providers).map_err(|err| {
            let known = || self.inner.registry.known().iter().filter(|k| !k.linked && k.seems_to_provide(capability));
            let Some((name, _)) = wishes.wished(capability) else {
                let denied = if providers.is_empty() { self.denied_provider(capability) } else { None };
                // Whoever could provide it and is not linked, if nobody is.
                let names: Vec<_> = known().filter(|_| providers.is_empty()).map(|k| k.feature).collect();
                let err = match names.as_slice() {
                    [] => err,
                    [one] => err.hint(format!("build with `--features phlo-bundle/{one}`")),
                    more => err.hint(format!("build with one of `--features phlo-bundle/{{{}}}`", more.join(","))),
                };
                return denied.unwrap_or(err);
            };
            let place = self.inner.project.places.get(&format!("capabilities.defaults.{capability}")).cloned();
            let wished = Some(format!("{capability}:{name}"));
            let unusable = self.inner.registry.entries().find_map(|entry| {
                let provides = entry.registration.provides.iter().any(|p| Some(*p) == wished.as_deref());
                match entry.state {
                    PluginState::Denied if provides => {
                        Some(format!("`plugins` in phlo.yaml does not allow `{}`", entry.registration.name))
                    }
                    PluginState::Refused(_) if provides => {
                        Some("it is linked, but refused: `phlo plugin check` says why".to_owned())
                    }
                    _ => None,
                }
            });
            let unlinked = known().find(|k| k.name == name);
            match (unusable, unlinked) {
                (Some(why), _) => err.hint(why),
                (None, Some(known)) => err
                    .hint(format!("`{name}` is not linked: build with `--features phlo-bundle/{}`", known.feature))
                    .hint(known.how_to_build()),
                (None, None) => err,
            }
            .at(place)
        })
    }

    // Nobody provides it, because the project does not allow who would.
    fn denied_provider(&self, capability: CapabilityType) -> Option<Error> {
        let of = |entry: &PluginEntry<'_>| {
            let provides = entry.registration.provides.iter().filter_map(|p| p.split_once(':'));
            matches!(entry.state, PluginState::Denied) && provides.into_iter().any(|(c, _)| c == capability.as_str())
        };
        let denied: Vec<_> = self.inner.registry.entries().filter(of).collect();
        let entry = denied.first()?;
        let others: Vec<_> = denied.iter().map(|entry| format!("`{}`", entry.registration.name)).collect();
        let (name, places) = (entry.registration.name, &self.inner.project.places);
        let (list, at) = self.inner.registry.denied_by(entry.registration);
        let key = at.map_or_else(|| format!("plugins.{list}"), |at| format!("plugins.{list}[{at}]"));
        let (why, hint) = match at {
            Some(_) => ("`plugins.deny` in phlo.yaml names it", "remove it from the list, or link another provider"),
            None => ("`plugins.allow` in phlo.yaml does not name it", "add it to the list, with whatever else is used"),
        };
        let (message, hint) = match denied.len() {
            1 => (format!("the only {capability} that is linked is `{name}`, and {why}"), hint),
            _ => (
                format!("no {capability} that is linked is allowed in phlo.yaml: {}", others.join(", ")),
                "allow the one that you want, with whatever else is used",
            ),
        };
        let place = places.get(&key).or_else(|| places.get(&format!("{key}[0]"))).cloned();
        Some(Error::new(Code::PluginDenied, message).hint(hint).at(place))
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

    /// The table store that serves an asset.
    pub(crate) fn table_store(
        &self,
        spec: Option<&AssetSpec>,
        tags: Option<&BTreeMap<String, String>>,
    ) -> Result<(Arc<dyn TableStore>, Choice)> {
        let (provider, choice) = self.provide(CapabilityType::TableStore, spec, tags)?;
        Ok((guarded::table_store(&provider.name, provider.of_trait()?)?, choice))
    }

    /// The query engine that serves an asset.
    pub(crate) fn engine(
        &self,
        spec: Option<&AssetSpec>,
        tags: Option<&BTreeMap<String, String>>,
    ) -> Result<Arc<dyn QueryEngine>> {
        let (provider, _) = self.provide(CapabilityType::QueryEngine, spec, tags)?;
        Ok(guarded::query_engine(&provider.name, provider.of_trait()?))
    }

    /// The run history.
    ///
    /// # Errors
    /// No plugin provides one.
    pub fn history(&self) -> Result<Arc<dyn RunHistory>> {
        let choice = self.choose(CapabilityType::RunHistory, None, None)?;
        self.inner.registry.history(&choice.provider)
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

    /// Assets that plugins give. A plugin that fails to keeps its own from the platform and nothing else: it is a warning, unless its
    /// settings are wrong, which people wrote.
    fn provided(&self) -> &(Vec<AssetSpec>, Diagnostics) {
        self.inner.provided.get_or_init(|| {
            let (mut specs, mut problems) = (Vec::<AssetSpec>::new(), Diagnostics::default());
            let (instances, failed) = self.inner.registry.instances(PluginKind::Asset);
            problems.extend(failed.into_iter().map(of_plugin));
            for (registration, instance) in instances {
                let phlo_plugin::registration::Instance::Asset(plugin) = instance else { continue };
                let name = registration.name;
                match guard(name, "listing its assets", || plugin.assets()) {
                    Ok(assets) => {
                        for asset in assets {
                            let key = &asset.key;
                            if self.inner.project.asset(key).is_some() || specs.iter().any(|s| s.key == *key) {
                                let message = format!("the plugin `{name}` gives `{key}`, which is defined already");
                                let place = self.inner.project.asset(key).and_then(|own| own.place.clone());
                                let problem = Error::new(Code::DuplicateAsset, message).at(place);
                                problems.push(problem.hint("rename or remove one of the two").into_diagnostic());
                            } else {
                                specs.push(asset);
                            }
                        }
                    }
                    Err(err) => problems.push(of_plugin(err)),
                }
            }
            secrets::learn_of(&specs, &self.inner.project, &self.inner.registry);
            (specs, problems)
        })
    }

    /// What kept plugins from giving their assets: the rest runs, and people are told.
    pub fn warnings(&self) -> Diagnostics {
        let warnings = self.provided().1.0.iter().filter(|d| d.severity == Severity::Warning);
        Diagnostics(warnings.cloned().collect())
    }

    /// Every asset: those of the project's files, then those of plugins.
    pub fn assets(&self) -> impl Iterator<Item = &AssetSpec> {
        self.inner.project.assets.iter().chain(&self.provided().0)
    }

    /// One asset, whoever gives it.
    pub fn asset(&self, key: &AssetKey) -> Option<&AssetSpec> {
        self.inner.project.asset(key).or_else(|| self.provided().0.iter().find(|s| s.key == *key))
    }

    /// The assets, prepared and connected: sources' configs read, SQL parsed, plugins found; no data looked at.
    pub fn graph(&self) -> (Graph, Diagnostics) {
        let mut problems = self.provided().1.clone();
        let nodes = self.assets().map(|spec| self.prepare(spec.clone(), &mut problems)).collect();
        let (graph, more) = Graph::connect(nodes, |spec, setting, word| self.locate(spec, setting, word));
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
            AssetBody::Publish(publish) => {
                let spec = &publish.target;
                match registry.publish_target(&spec.plugin) {
                    Ok(target) => match target.parse(&spec.config) {
                        Ok(config) => node.target = Some((target, Arc::new(config))),
                        Err(err) => problems.push(err.at(spec.config.place()).into_diagnostic()),
                    },
                    Err(err) => problems.push(err.at(spec.plugin_place.clone()).into_diagnostic()),
                }
                match publish::query_of(publish) {
                    Ok(query) => node.query = Some(query),
                    Err(problem) => problems.push(*problem),
                }
            }
        }
        for transform in &node.spec.transforms {
            if let Err(err) = registry.transform(&transform.name) {
                problems.push(err.at(transform.place.clone()).into_diagnostic());
            }
        }
        // The project's own choice is told once, not once per asset.
        for (capability, name) in &node.spec.capability_overrides {
            let problem = if matches!(capability, CapabilityType::TableStore | CapabilityType::QueryEngine) {
                let place = self.locate(&node.spec, "capability_overrides", name);
                self.choose(*capability, Some(&node.spec), None).err().map(|err| err.at(place))
            } else {
                let message = format!("an asset has no {capability} of its own: nothing would use `{name}`");
                let place = self.locate(&node.spec, "capability_overrides", capability.as_str());
                Some(
                    Error::new(Code::InertConfig, message)
                        .hint("an asset chooses its `table_store` and its `query_engine`; the rest is `capabilities.defaults`")
                        .at(place),
                )
            };
            problems.extend(problem.map(Error::into_diagnostic));
        }
        node.checked = audit::checks(self, &node.spec, None).0.iter().flat_map(Check::tables).collect();
        node
    }

    /// The plugins, as reports show them.
    pub fn plugins(&self) -> Vec<PluginRow> {
        self.inner.registry.entries().map(|entry| self.row(&entry)).collect()
    }

    /// The plugins with what takes a while to find out: their schemas are made and hashed, their packages' files read.
    pub fn plugin_details(&self) -> Vec<PluginDetails> {
        let mut tiers: BTreeMap<&str, String> = BTreeMap::new();
        let details = |entry: PluginEntry<'_>| {
            let (registration, known) = (entry.registration, self.inner.registry.known());
            let of = |k: &&KnownPlugin| k.kind == registration.kind.as_str() && k.name == registration.name;
            PluginDetails {
                feature: known.iter().find(of).filter(|k| k.package == registration.package).map(|k| k.feature),
                license: entry.package.map(|p| p.license.to_owned()).filter(|text| !text.is_empty()),
                tier: entry.package.map(|p| tiers.entry(p.name).or_insert_with(|| p.tier()).clone()),
                config_schema_sha256: registration.config_hash(),
                settings_schema_sha256: registration.settings_hash(),
                plugin: self.row(&entry),
            }
        };
        self.inner.registry.entries().map(details).collect()
    }

    pub(crate) fn row(&self, entry: &PluginEntry<'_>) -> PluginRow {
        let strings = |items: &[&str]| items.iter().map(|s| (*s).to_owned()).collect();
        let registration = entry.registration;
        let (state, error) = match &entry.state {
            PluginState::Ready => ("ready", None),
            PluginState::Active => ("active", None),
            PluginState::Denied => ("denied", None),
            PluginState::Refused(err) => ("refused", Some(err.record())),
        };
        PluginRow {
            kind: registration.kind.to_string(),
            name: registration.name.to_owned(),
            package: registration.package.to_owned(),
            version: entry.package.map(|p| p.version.to_owned()).unwrap_or_default(),
            summary: registration.summary.to_owned(),
            state: state.to_owned(),
            denied_by: matches!(entry.state, PluginState::Denied)
                .then(|| format!("plugins.{}", self.inner.registry.denied_by(registration).0)),
            error,
            provides: strings(registration.provides),
            requires: strings(registration.requires),
            optional: strings(registration.optional),
        }
    }
}

/// What kept a plugin from giving what it gives: an error where it has a place, as what is wrong with its settings does, else a warning.
pub(crate) fn of_plugin(err: Error) -> Diagnostic {
    let problem = err.into_diagnostic();
    if problem.place.is_some() { problem } else { Diagnostic { severity: Severity::Warning, ..problem } }
}
