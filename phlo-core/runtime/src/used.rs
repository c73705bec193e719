//! Which plugins a project uses, and which features of phlo link them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use phlo_plugin::{Error, KnownPlugin, Registry};
use phlo_project::{Environment, Loaded, Opening, Project, SecretSource, sources_within};
use phlo_spec::{AssetBody, AssetSpec, CapabilityRef, CapabilityType, Place, PluginKind, Secret};

use crate::stores::Stores;

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
            match &spec.body {
                AssetBody::Ingest(source) => {
                    uses.plugin(PluginKind::Source, &source.plugin, key, source.plugin_place.clone());
                }
                AssetBody::Publish(publish) => {
                    let target = &publish.target;
                    uses.provider(CapabilityType::PublishTarget, &target.plugin, key, target.plugin_place.clone());
                }
                AssetBody::Sql(_) => {}
            }
            for check in &spec.checks {
                uses.plugin(PluginKind::Quality, &check.kind, key, check.place.clone());
                for plugin in sources_within(&check.params).into_iter().filter_map(|source| source.get("plugin")) {
                    uses.plugin(PluginKind::Source, plugin.as_str().unwrap_or_default(), key, plugin.place());
                }
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
        for (name, node) in &project.connections {
            if let Some(target) = node.get("target") {
                let (what, place) = (format!("connections.{name}"), target.place());
                uses.provider(CapabilityType::PublishTarget, target.as_str().unwrap_or_default(), what, place);
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
pub(crate) fn provider(registry: &Registry, capability: CapabilityType, name: &str) -> Option<(PluginKind, String)> {
    let stated = format!("{capability}:{name}");
    let linked = registry.entries().map(|e| e.registration).find(|r| r.provides.contains(&stated.as_str()));
    linked.map(|r| (r.kind, r.name.to_owned())).or_else(|| {
        let known = registry.known().iter().find(|k| k.name == name && k.seems_to_provide(capability))?;
        Some((known.kind.parse().ok()?, name.to_owned()))
    })
}

/// Reads a project on a machine that has none of its secrets: each is taken for some text. Answers the secret stores that are asked,
/// too: by their names, or every one that is linked where the project does not say which.
pub fn load_without_secrets(
    root: &Path,
    environment: Environment,
    known: &'static [KnownPlugin],
) -> (Loaded, BTreeSet<String>) {
    let asked = Asked { stores: Stores::new(known), known, names: RefCell::default() };
    let loaded = phlo_project::load(root, environment, &asked);
    (loaded, asked.names.into_inner())
}

/// Remembers which stores are asked, and answers for them.
struct Asked {
    stores: Stores,
    known: &'static [KnownPlugin],
    names: RefCell<BTreeSet<String>>,
}

impl SecretSource for Asked {
    fn is_store(&self, kind: PluginKind, name: &str) -> bool {
        self.stores.is_store(kind, name)
    }

    fn secret(&self, opening: &Opening, store: Option<&str>, _: &str) -> Result<Secret, Error> {
        const STORE: CapabilityType = CapabilityType::SecretStore;
        let chosen = opening.environment_choices.get(&STORE).or_else(|| opening.defaults.get(&STORE));
        let mut names = self.names.borrow_mut();
        match store.map(str::to_owned).or_else(|| chosen.cloned()) {
            Some(name) => {
                names.insert(name);
            }
            None => names.extend(Registry::linked(self.known)?.providers_of(STORE)),
        }
        Ok(Secret::new("a secret that is not known here"))
    }
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
///
/// `stores` are the secret stores that the project's files ask; see [`load_without_secrets`].
pub fn needs(project: &Project, registry: &Registry, stores: &BTreeSet<String>) -> Needs {
    let mut uses = Uses::of(project, project.assets.iter());
    for store in stores {
        uses.provider(CapabilityType::SecretStore, store, "a `${secret:}` of its files", None);
    }
    for (capability, name) in STANDARD {
        // Whatever else orders assets, phlo itself runs them by its own orchestrator.
        let decided = project.file.capabilities.defaults.contains_key(&capability)
            || project.environment_choices.contains_key(&capability);
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
                // One that is linked and in no feature came with a crate of its own.
                let linked = registry.entries().map(|e| e.registration).find(|r| r.kind == kind && r.name == name);
                let error = match linked {
                    Some(r) => Error::new(
                        phlo_spec::Code::UnknownPlugin,
                        format!("the {kind} `{name}` is of `{}`, which is no feature of phlo", r.package),
                    ),
                    None => registry.unknown(Some(kind), &name),
                };
                let error = error.with("named by", &by.what).at(by.place.clone());
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

#[cfg(test)]
mod tests {
    use super::*;
    use phlo_project::Environment;
    use phlo_testkit::fixture::Project as Files;

    const fn known(kind: &'static str, name: &'static str, feature: &'static str) -> KnownPlugin {
        KnownPlugin { kind, name, package: "p", feature, summary: "", linked: false }
    }

    static KNOWN: &[KnownPlugin] = &[
        known("hook", "history", "hook-history"),
        known("hook", "webhook", "hook-webhook"),
        known("orchestrator", "native", "orchestrator-native"),
        known("quality", "not_null", "quality-core"),
        known("quality", "range", "quality-core"),
        known("resource", "datafusion", "engine-datafusion"),
        known("resource", "delta", "table-delta"),
        known("resource", "history", "hook-history"),
        known("resource", "iceberg", "table-iceberg"),
        known("service", "postgres", "service-postgres"),
        known("source", "files", "source-files"),
        known("source", "postgres", "source-postgres"),
        known("source", "rest_api", "source-rest"),
        known("transform", "rename", "transform-core"),
    ];

    const ALWAYS: [&str; 4] = ["engine-datafusion", "hook-history", "orchestrator-native", "table-delta"];

    /// The features that a project needs, beside those that every project does; then what is of no feature.
    fn of(files: Files, environment: &[(&str, &str)]) -> Vec<String> {
        let environment = Environment::from_pairs(environment.iter().copied());
        let (loaded, _) = load_without_secrets(files.root(), environment, &[]);
        let project = loaded.project.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
        let registry = Registry::from_registrations(vec![], &[], KNOWN).unwrap();
        let needs = needs(&project, &registry, &BTreeSet::new());
        let features = needs.features.keys().filter(|f| !ALWAYS.contains(f)).map(|f| (*f).to_owned());
        let told = needs.foreign.iter().map(|(.., err)| err).chain(needs.providers.iter().map(|(_, err)| err));
        let missing = ALWAYS.iter().filter(|f| !needs.features.contains_key(**f)).map(|f| format!("not {f}"));
        features.chain(missing).chain(told.map(|err| format!("{}: {}", err.code(), err.message()))).collect()
    }

    #[test]
    fn a_project_needs_what_it_names_and_what_no_project_can_do_without() {
        let project = |yaml: &str| Files::new().file("phlo.yaml", format!("name: x\n{yaml}"));
        let asset =
            "source: { plugin: files, path: d.csv }\ntransforms: [{ rename: { a: b } }]\nchecks: [{ not_null: [b] }]\n";
        for (files, environment, want) in [
            (project(""), &[][..], &[][..]),
            (project("").file("assets/a/b.yaml", asset), &[], &["quality-core", "source-files", "transform-core"]),
            (project("connections: { c: { source: rest_api } }\n"), &[], &["source-rest"]),
            (project("plugins: { settings: { hook: { webhook: {} } } }\n"), &[], &["hook-webhook"]),
            (project("services: { postgres: {} }\n"), &[], &["service-postgres"]),
            // What is allowed must be there, whether it is used or not; what is denied need not.
            (
                project("plugins: { allow: [range, 'source:postgres'], deny: [rest_api] }\n"),
                &[],
                &["quality-core", "source-postgres"],
            ),
            (
                project("capabilities: { defaults: { table_store: iceberg } }\n"),
                &[],
                &["table-iceberg", "not table-delta"],
            ),
            (project(""), &[("PHLO_CAPABILITY_TABLE_STORE", "iceberg")], &["table-iceberg", "not table-delta"]),
            (
                project("").file(
                    "assets/a/b.sql",
                    "/* phlo\ncapability_overrides: { table_store: iceberg }\n*/ select 1 as a",
                ),
                &[],
                &["table-iceberg"],
            ),
            (
                project(
                    "capabilities: { defaults: { table_store: icebreg, orchestrator: dagster } }\nconnections: { c: { source: kafka } }\n",
                ),
                &[],
                &[
                    "not table-delta",
                    "P2001: unknown source `kafka`",
                    "P2001: capabilities.defaults.table_store chooses the table_store `icebreg`, which no plugin that is known provides",
                    "P2001: capabilities.defaults.orchestrator chooses the orchestrator `dagster`, which no plugin that is known provides",
                ],
            ),
        ] {
            let shown = std::fs::read_to_string(files.root().join("phlo.yaml")).unwrap();
            assert_eq!(of(files, environment), want, "{shown}");
        }
    }
}
