//! Which plugins a project uses, and which features of phlo link them.

use std::collections::{BTreeMap, BTreeSet};

use phlo_plugin::{Error, KnownPlugin, Registry};
use phlo_project::Project;
use phlo_spec::{AssetBody, AssetSpec, CapabilityRef, CapabilityType, Place, PluginKind};

/// What every project needs, and who serves it where the project does not say.
const STANDARD: [(CapabilityType, &str); 4] = [
    (CapabilityType::TableStore, "delta"),
    (CapabilityType::QueryEngine, "datafusion"),
    (CapabilityType::Orchestrator, "native"),
    (CapabilityType::RunHistory, "history"),
];

/// Who names a plugin first, and where.
#[derive(Debug, Clone)]
pub(crate) struct By {
    pub(crate) what: String,
    pub(crate) place: Option<Place>,
}

/// The plugins that a project names, by kind and name, and the providers.
#[derive(Debug, Default)]
pub(crate) struct Uses {
    pub(crate) plugins: BTreeMap<(PluginKind, String), By>,
    pub(crate) providers: BTreeMap<(CapabilityType, String), By>,
}

impl Uses {
    fn plugin(&mut self, kind: PluginKind, name: &str, what: impl Into<String>, place: Option<Place>) {
        self.plugins.entry((kind, name.to_owned())).or_insert_with(|| By { what: what.into(), place });
    }

    fn provider(&mut self, capability: CapabilityType, name: &str, what: impl Into<String>, place: Option<Place>) {
        self.providers.entry((capability, name.to_owned())).or_insert_with(|| By { what: what.into(), place });
    }

    /// What the project and these assets name. What only a name in `plugins.allow` says is permitted, not used.
    pub(crate) fn of<'a>(project: &Project, assets: impl Iterator<Item = &'a AssetSpec>) -> Self {
        let mut uses = Self::default();
        for spec in assets {
            let key = spec.key.as_str();
            if let AssetBody::Ingest(source) = &spec.body {
                uses.plugin(PluginKind::Source, &source.plugin, key, source.plugin_place.clone());
            }
            for check in &spec.checks {
                uses.plugin(PluginKind::Quality, &check.kind, key, check.place.clone());
            }
            for transform in &spec.transforms {
                uses.plugin(PluginKind::Transform, &transform.name, key, transform.place.clone());
            }
            for (capability, name) in &spec.capability_overrides {
                uses.provider(*capability, name, key, spec.place.clone());
            }
        }
        for (name, node) in &project.connections {
            if let Some(source) = node.get("source") {
                let what = format!("connections.{name}");
                uses.plugin(PluginKind::Source, source.as_str().unwrap_or_default(), what, source.place());
            }
        }
        for ((kind, name), node) in &project.plugin_settings {
            uses.plugin(*kind, name, format!("plugins.settings.{kind}.{name}"), node.place());
        }
        for (name, node) in &project.services {
            uses.plugin(PluginKind::Service, name, format!("services.{name}"), node.place());
        }
        for (capability, name) in &project.file.capabilities.defaults {
            let what = format!("capabilities.defaults.{capability}");
            let place = project.places.get(&what).cloned();
            uses.provider(*capability, name, what, place);
        }
        for (capability, name) in &project.environment_choices {
            uses.provider(*capability, name, "the environment", None);
        }
        uses
    }
}

/// The plugin that provides something: one that is linked, or one that is not and has the provider's name.
pub(crate) fn provider(
    registry: &Registry,
    capability: CapabilityType,
    name: &str,
) -> Option<(PluginKind, String)> {
    let stated = format!("{capability}:{name}");
    let linked = registry.entries().map(|e| e.registration).find(|r| r.provides.contains(&stated.as_str()));
    linked.map(|r| (r.kind, r.name.to_owned())).or_else(|| {
        let known = registry.known().iter().find(|k| k.name == name && k.seems_to_provide(capability))?;
        Some((known.kind.parse().ok()?, name.to_owned()))
    })
}

/// What a binary must link for a project.
#[derive(Debug, Default)]
pub struct Needs {
    /// Features of phlo, each with the plugins that are used of it and who names them: `source files (bronze.flights)`.
    pub features: BTreeMap<&'static str, BTreeSet<String>>,
    /// Plugins of no feature that are used: kind and name, and the error that says who names them.
    pub foreign: Vec<(PluginKind, String, Error)>,
    /// Providers that are named and that no plugin that is known has: as written, `table_store:iceberg`, and the error.
    pub providers: Vec<(String, Error)>,
}

/// What a binary must link for a project: what it names, and what no project can do without. `registry` is that of this binary:
/// what is linked into it is known with all that it provides and requires, the rest by the table of all plugins.
pub fn needs(project: &Project, registry: &Registry) -> Needs {
    let mut uses = Uses::of(project, project.assets.iter());
    for (capability, name) in STANDARD {
        // Whatever else orders assets, phlo itself runs them by its own orchestrator.
        let decided = uses.providers.keys().any(|(wished, _)| *wished == capability);
        if !decided || capability == CapabilityType::Orchestrator {
            uses.provider(capability, name, "every project", None);
        }
    }
    let mut needs = Needs::default();
    let mut queue: Vec<((PluginKind, String), By)> = uses.plugins.into_iter().collect();
    for ((capability, name), by) in uses.providers {
        match provider(registry, capability, &name) {
            Some(plugin) => queue.push((plugin, by)),
            None => {
                let known = registry.known().iter().filter(|k| k.seems_to_provide(capability)).map(|k| k.name);
                let known: Vec<_> = known.collect();
                let error = Error::new(
                    phlo_spec::Code::UnknownPlugin,
                    format!("{} chooses the {capability} `{name}`, which no plugin that is known provides", by.what),
                );
                let otherwise = format!("known: {}", known.join(", "));
                let error = error.suggest(&name, known.iter().copied(), otherwise).at(by.place);
                needs.providers.push((format!("{capability}:{name}"), error));
            }
        }
    }
    let mut seen = BTreeSet::new();
    while let Some(((kind, name), by)) = queue.pop() {
        if !seen.insert((kind, name.clone())) {
            continue;
        }
        let known = registry.known().iter().find(|k| k.kind == kind.as_str() && k.name == name);
        match known {
            Some(known) => {
                needs.features.entry(known.feature).or_default().insert(format!("{kind} {name} ({})", by.what));
            }
            None => {
                let error = registry.unknown(Some(kind), &name).with("named by", &by.what).at(by.place.clone());
                needs.foreign.push((kind, name.clone(), error));
            }
        }
        let linked = registry.entries().map(|e| e.registration).find(|r| r.kind == kind && r.name == name);
        for wanted in linked.map(|r| r.requires).into_iter().flatten() {
            let Ok(CapabilityRef { capability, provider: named }) = wanted.parse::<CapabilityRef>() else { continue };
            let standard = || STANDARD.iter().find(|(c, _)| *c == capability).map(|(_, name)| (*name).to_owned());
            let only = || match registry.providers_of(capability).as_slice() {
                [only] => Some(only.clone()),
                _ => None,
            };
            let found = named.or_else(standard).or_else(only).and_then(|p| provider(registry, capability, &p));
            queue.extend(found.map(|plugin| (plugin, By { what: format!("{kind} {name}"), place: None })));
        }
    }
    // What is allowed must be there, used or not.
    for name in &project.file.plugins.allow {
        let matches = |kind: &str, plugin: &str| name == plugin || *name == format!("{kind}:{plugin}");
        if !seen.iter().any(|(kind, plugin)| matches(kind.as_str(), plugin)) {
            for known in registry.known().iter().filter(|k| matches(k.kind, k.name)) {
                let KnownPlugin { kind, name, feature, .. } = known;
                needs.features.entry(feature).or_default().insert(format!("{kind} {name} (plugins.allow)"));
            }
        }
    }
    needs.foreign.sort_by(|(a, a_name, _), (b, b_name, _)| (a, a_name).cmp(&(b, b_name)));
    needs
}
