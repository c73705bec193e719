//! The registry: every plugin of the binary, sorted, with what became of each. The only reader of the link-time registrations.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures_core::Stream;
use phlo_spec::{
    AssetKey, AssetRun, CapabilityRef, CapabilityType, CheckResult, Code, Event, EventKind, Node, NodeKind, Payload,
    PluginKind, RunRecord, Secret, nearest,
};

use crate::context::{AnyPlugin, InitContext};
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::hook::{AnyHook, HookFilter, HookRegistration};
use crate::publish::{AnyPublishTarget, PublishContext, Published, TargetConfig};
use crate::quality::{AnyQuality, CheckPlan, CheckTarget};
use crate::registration::{Instance, KnownPlugin, PACKAGES, PackageFacts, Registration};
use crate::resource::{AlertSink, Provider, RunHistory, SecretStore};
use crate::source::{AnySource, BatchStream, ReadRequest, Reading, SourceConfig, SourceContext};
use crate::transform::{AnyTransform, TransformPlan};

/// What the project says about plugins.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Only these, `name` or `kind:name`; all when empty.
    pub allow: Vec<String>,
    /// Never these; wins.
    pub deny: Vec<String>,
    /// Settings by kind and name.
    pub settings: BTreeMap<(PluginKind, String), Node>,
}

/// What became of a plugin.
#[derive(Debug, Clone)]
pub enum PluginState {
    /// Linked and usable; not made yet.
    Ready,
    /// Made.
    Active,
    /// Excluded by `plugins.allow` or `plugins.deny`.
    Denied,
    /// Refused: why.
    Refused(Arc<Error>),
}

struct Entry {
    registration: &'static Registration,
    package: Option<PackageFacts>,
    refusal: Option<Arc<Error>>,
    denied: bool,
    instance: OnceLock<Result<Instance, Arc<Error>>>,
    // Whether its clean-up was called.
    cleaned: AtomicBool,
}

/// A plugin as reports show it.
#[derive(Clone)]
pub struct PluginEntry<'a> {
    /// What it registered.
    pub registration: &'static Registration,
    /// Its package, if it stated its facts.
    pub package: Option<&'a PackageFacts>,
    /// What became of it.
    pub state: PluginState,
}

/// Every plugin of the binary.
pub struct Registry {
    entries: Vec<Entry>,
    known: &'static [KnownPlugin],
    policy: Policy,
    context: Option<InitContext>,
}

impl Registry {
    /// The plugins that are linked into this binary. `known` is the table of all that exist.
    ///
    /// # Errors
    /// [`Code::DuplicatePlugin`] if two register the same kind and name.
    pub fn linked(known: &'static [KnownPlugin]) -> Result<Self> {
        let registrations = inventory::iter::<Registration>.into_iter().collect();
        Self::from_registrations(registrations, &PACKAGES, known)
    }

    /// A registry of just these.
    ///
    /// # Errors
    /// [`Code::DuplicatePlugin`] if two register the same kind and name.
    pub fn from_registrations(
        mut registrations: Vec<&'static Registration>,
        packages: &[PackageFacts],
        known: &'static [KnownPlugin],
    ) -> Result<Self> {
        // Link order means nothing; this order is the same in every build.
        registrations.sort_by_key(|r| (r.kind, r.name, r.package));
        for pair in registrations.windows(2) {
            if (pair[0].kind, pair[0].name) == (pair[1].kind, pair[1].name) {
                let (kind, name) = (pair[0].kind, pair[0].name);
                return Err(Error::new(
                    Code::DuplicatePlugin,
                    format!("the {kind} `{name}` is registered by both {} and {}", pair[0].package, pair[1].package),
                )
                .hint("build without one of the two"));
            }
        }
        let packages: BTreeMap<_, _> = packages.iter().map(|p| (p.name, *p)).collect();
        let entries = registrations
            .into_iter()
            .map(|registration| Entry {
                registration,
                package: packages.get(registration.package).copied(),
                refusal: check_registration(registration).err().map(Arc::new),
                denied: false,
                instance: OnceLock::new(),
                cleaned: AtomicBool::new(false),
            })
            .collect();
        Ok(Self { entries, known, policy: Policy::default(), context: None })
    }

    /// Applies allow, deny and settings, and refuses plugins whose required capabilities nobody provides. Nothing is made yet.
    ///
    /// # Errors
    /// [`Code::UnknownPlugin`] for a name in allow, deny or the settings that no linked plugin has, and [`Code::InertConfig`] for
    /// settings of a plugin that is denied; [`Code::DuplicatePlugin`] if two plugins that are not denied provide the same.
    pub fn activate(mut self, policy: Policy, context: InitContext) -> Result<Self> {
        if let Some((list, at)) = self.unlinked(&policy) {
            let name = if list == "allow" { &policy.allow[at] } else { &policy.deny[at] };
            let (kind, name) = match name.split_once(':') {
                None => (None, name.as_str()),
                Some((kind, of_kind)) => match kind.parse() {
                    Ok(kind) => (Some(kind), of_kind),
                    Err(_) => {
                        let known: Vec<_> = PluginKind::ALL.iter().map(|kind| kind.as_str()).collect();
                        let message = format!("`{name}` in `plugins.{list}`: there is no kind of plugin `{kind}`");
                        return Err(Error::new(Code::UnknownPlugin, message).suggest(
                            kind,
                            known.iter().copied(),
                            format!("kinds: {}", known.join(", ")),
                        ));
                    }
                },
            };
            return Err(self.unknown(kind, name).hint("named in `plugins.allow` or `plugins.deny`"));
        }
        for entry in &mut self.entries {
            let listed = |names: &[String]| names.iter().any(|n| matches_name(entry.registration, n));
            entry.denied = listed(&policy.deny) || (!policy.allow.is_empty() && !listed(&policy.allow));
        }
        self.distinct_providers()?;
        for ((kind, name), settings) in &policy.settings {
            match self.entries.iter().find(|e| e.registration.kind == *kind && e.registration.name == name) {
                None => return Err(self.unknown(Some(*kind), name).at(settings.place())),
                Some(entry) if entry.denied => {
                    return Err(Error::new(
                        Code::InertConfig,
                        format!("settings are given for the {kind} `{name}`, which is not allowed"),
                    )
                    .at(settings.place())
                    .hint("remove the settings, or allow the plugin"));
                }
                Some(_) => {}
            }
        }
        // A provider that is refused may be what another one requires: until nothing changes.
        loop {
            let available = self.available();
            let mut changed = false;
            for entry in self.entries.iter_mut().filter(|e| !e.denied && e.refusal.is_none()) {
                let missing = entry.registration.requires.iter().find(|wanted| {
                    wanted.parse::<CapabilityRef>().is_ok_and(|wanted| {
                        !available
                            .iter()
                            .any(|(c, p)| *c == wanted.capability && wanted.provider.as_ref().is_none_or(|w| w == p))
                    })
                });
                if let Some(missing) = missing {
                    let message = format!(
                        "the {} `{}` requires {missing}, which nobody provides",
                        entry.registration.kind, entry.registration.name
                    );
                    entry.refusal = Some(Arc::new(
                        Error::new(Code::MissingCapability, message)
                            .hint("link a plugin that provides it, and see `phlo plugin check`"),
                    ));
                    changed = true;
                }
            }
            if !changed {
                break;
            }
        }
        self.policy = policy;
        self.context = Some(context);
        Ok(self)
    }

    /// The first name of `allow` or `deny` that no linked plugin has: the list and where in it. To deny what exists and is not linked
    /// is no mistake: a project may be run by binaries with it and without.
    pub fn unlinked(&self, policy: &Policy) -> Option<(&'static str, usize)> {
        let linked = |name: &String| self.entries.iter().any(|e| matches_name(e.registration, name));
        let exists = |name: &String| {
            let (kind, name) = name.split_once(':').map_or((None, name.as_str()), |(kind, name)| (Some(kind), name));
            self.known.iter().any(|k| k.name == name && kind.is_none_or(|kind| k.kind == kind))
        };
        let allow = policy.allow.iter().position(|name| !linked(name)).map(|at| ("allow", at));
        allow.or_else(|| policy.deny.iter().position(|name| !linked(name) && !exists(name)).map(|at| ("deny", at)))
    }

    /// What keeps a plugin out: `deny` and where in it, or `allow`, which does not name it.
    pub fn denied_by(&self, registration: &Registration) -> (&'static str, Option<usize>) {
        match self.policy.deny.iter().position(|name| matches_name(registration, name)) {
            Some(at) => ("deny", Some(at)),
            None => ("allow", None),
        }
    }

    // Neither of two providers of one name may silently be the one that is used.
    fn distinct_providers(&self) -> Result<()> {
        let mut seen: BTreeMap<&str, &Registration> = BTreeMap::new();
        for registration in self.entries.iter().filter(|e| !e.denied).map(|e| e.registration) {
            for provided in registration.provides {
                if let Some(first) = seen.insert(provided, registration) {
                    let describe = |r: &Registration| format!("`{}` of {}", r.name, r.package);
                    let message =
                        format!("{provided} is provided by both {} and {}", describe(first), describe(registration));
                    return Err(Error::new(Code::DuplicatePlugin, message)
                        .hint("build without one of the two, or deny one in phlo.yaml"));
                }
            }
        }
        Ok(())
    }

    fn available(&self) -> BTreeSet<(CapabilityType, String)> {
        self.entries
            .iter()
            .filter(|e| !e.denied && e.refusal.is_none() && !matches!(e.instance.get(), Some(Err(_))))
            .flat_map(|e| e.registration.provides)
            .filter_map(|p| p.parse::<CapabilityRef>().ok())
            .filter_map(|r| Some((r.capability, r.provider?)))
            .collect()
    }

    /// The names of the usable providers of a capability, sorted.
    pub fn providers_of(&self, capability: CapabilityType) -> Vec<String> {
        self.available().into_iter().filter(|(c, _)| *c == capability).map(|(_, name)| name).collect()
    }

    /// Every plugin, sorted by kind and name.
    pub fn entries(&self) -> impl Iterator<Item = PluginEntry<'_>> {
        self.entries.iter().map(|e| PluginEntry {
            registration: e.registration,
            package: e.package.as_ref(),
            state: e.state(),
        })
    }

    /// The table of all plugins that exist.
    pub fn known(&self) -> &'static [KnownPlugin] {
        self.known
    }

    /// Rows of the table that say that they are linked, of plugins that nobody registered: their crate is compiled and nothing
    /// names it, so rustc left it out.
    pub fn forgotten(&self) -> impl Iterator<Item = &'static KnownPlugin> {
        let registered = |known: &KnownPlugin| {
            self.entries.iter().any(|e| e.registration.kind.as_str() == known.kind && e.registration.name == known.name)
        };
        self.known.iter().filter(move |known| known.linked && !registered(known))
    }

    /// One hash over phlo's version and, of every plugin that is linked, whatever the project allows: kind, name, package, the
    /// package's version, and the schemas of its config and its settings. Two binaries with one fingerprint understand the same
    /// projects; the order of linking, the platform and the profile have no part in it.
    pub fn fingerprint(&self) -> Fingerprint {
        let facts: Vec<_> = self
            .entries
            .iter()
            .map(|entry| {
                let r = entry.registration;
                (entry, r.config_hash().unwrap_or_default(), r.settings_hash().unwrap_or_default())
            })
            .collect();
        let rows = facts.iter().map(|(entry, config, settings)| {
            let (r, version) = (entry.registration, entry.package.map_or("", |p| p.version));
            [r.kind.as_str(), r.name, r.package, version, config, settings]
        });
        Fingerprint::of(env!("CARGO_PKG_VERSION"), rows)
    }

    /// Makes a plugin, lets it test itself, and asks it for what the platform asks it at a start: that it is what it registered.
    ///
    /// # Errors
    /// See [`Registry::instance`]; then what the plugin says of itself, or what its registration promises and it does not keep.
    pub fn test(&self, kind: PluginKind, name: &str) -> Result<()> {
        let entry = self.entry(kind, name)?;
        let instance = self.make(entry)?;
        guard(name, "its self-test", || instance.plugin().test_itself())?;
        match &instance {
            Instance::Hook(plugin) => handlers(name, plugin.as_ref()).map(drop),
            Instance::Service(plugin) => guard(name, "giving its definition", || plugin.definition()).map(drop),
            Instance::Asset(plugin) => guard(name, "listing its assets", || plugin.assets()).map(drop),
            Instance::Catalog(plugin) => guard(name, "listing its catalogs", || plugin.catalogs()).map(drop),
            Instance::Dagster(plugin) => guard(name, "listing its modules", || plugin.modules()).map(drop),
            Instance::Semantic(plugin) => guard(name, "listing its models", || plugin.models()).map(drop),
            Instance::Resource(_) => {
                let provided = entry.registration.provides.iter().filter_map(|p| p.parse::<CapabilityRef>().ok());
                for CapabilityRef { capability, provider } in provided {
                    self.provider(capability, &provider.unwrap_or_default())?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The plugins of one name, in any kind.
    pub fn find<'a>(&'a self, name: &'a str) -> impl Iterator<Item = PluginEntry<'a>> {
        self.entries().filter(move |e| matches_name(e.registration, name))
    }

    /// An error that says that a plugin is not there: the nearest name, or the feature that would link it.
    pub fn unknown(&self, kind: Option<PluginKind>, name: &str) -> Error {
        // Of these people know what they write, not what makes it.
        let what = kind.map_or("plugin", |kind| if kind == PluginKind::Quality { "check" } else { kind.as_str() });
        let of_kind = |k: &str| kind.is_none_or(|kind| kind.as_str() == k);
        if let Some(known) = self.known.iter().find(|k| of_kind(k.kind) && k.name == name && !k.linked) {
            return Error::new(Code::UnknownPlugin, format!("the {what} `{name}` is not linked into this binary"))
                .hint(format!("build with `--features phlo-bundle/{}`", known.feature))
                .hint(known.how_to_build());
        }
        if let Some(known) = self.forgotten().find(|k| of_kind(k.kind) && k.name == name) {
            return forgotten(known);
        }
        let names: BTreeSet<&str> = self
            .entries
            .iter()
            .filter(|e| of_kind(e.registration.kind.as_str()) && !e.denied)
            .map(|e| e.registration.name)
            // What is linked is above, unless the project denies it: then it is no suggestion.
            .chain(self.known.iter().filter(|k| of_kind(k.kind) && !k.linked).map(|k| k.name))
            .collect();
        let error = Error::new(Code::UnknownPlugin, format!("unknown {what} `{name}`"));
        match nearest(name, names.iter().copied()) {
            Some(near) => {
                let unlinked = self.known.iter().find(|k| of_kind(k.kind) && k.name == near && !k.linked);
                let error = error.hint(format!("did you mean `{near}`?"));
                match unlinked {
                    Some(known) => error
                        .hint(format!("`{near}` is not linked: build with `--features phlo-bundle/{}`", known.feature))
                        .hint(known.how_to_build()),
                    None => error,
                }
            }
            None => error.hint(format!("available: {}", names.into_iter().collect::<Vec<_>>().join(", "))),
        }
    }

    fn entry(&self, kind: PluginKind, name: &str) -> Result<&Entry> {
        let entry = self.entries.iter().find(|e| e.registration.kind == kind && e.registration.name == name);
        entry.ok_or_else(|| self.unknown(Some(kind), name))
    }

    fn make(&self, entry: &Entry) -> Result<Instance> {
        let (kind, name) = (entry.registration.kind, entry.registration.name);
        if entry.denied {
            return Err(Error::new(Code::PluginDenied, format!("the {kind} `{name}` is not allowed in this project"))
                .hint("see `plugins.allow` and `plugins.deny` in phlo.yaml"));
        }
        if let Some(refusal) = &entry.refusal {
            return Err(Error::clone(refusal));
        }
        let context = self
            .context
            .as_ref()
            .ok_or_else(|| Error::internal("a plugin was asked for before the registry was activated"))?;
        let made = entry.instance.get_or_init(|| {
            let nothing = Node::synthetic(NodeKind::Map(Vec::new()));
            let settings = self.policy.settings.get(&(kind, name.to_owned())).unwrap_or(&nothing);
            let context = InitContext { emitter: context.emitter.producer(name), ..context.clone() };
            guard(name, "its constructor", || (entry.registration.construct)(settings, &context)).map_err(|err| {
                let place = err.place().cloned();
                // A mistake in the settings is told as it is, at its place.
                let told = matches!(
                    err.code(),
                    Code::PluginPanicked | Code::UnknownKey | Code::MissingKey | Code::InvalidValue
                );
                Arc::new(if told {
                    err
                } else {
                    // What is not there stays what it is: whoever asks may try again later.
                    let absent = matches!(err.code(), Code::ConnectionFailed | Code::AuthFailed | Code::RemoteBusy);
                    let code = if absent { err.code() } else { Code::PluginFailed };
                    let error = Error::new(code, format!("the {kind} `{name}` did not start")).at(place);
                    err.hints().iter().fold(error, |error, hint| error.hint(hint.clone())).because(err)
                })
            })
        });
        made.clone().map_err(|err| Error::clone(&err))
    }

    /// Makes (once) and answers a plugin.
    ///
    /// # Errors
    /// It is unknown, denied, refused, or did not start.
    pub fn instance(&self, kind: PluginKind, name: &str) -> Result<Instance> {
        self.make(self.entry(kind, name)?)
    }

    /// Makes (once) every usable plugin of a kind; and what kept others out.
    pub fn instances(&self, kind: PluginKind) -> (Vec<(&'static Registration, Instance)>, Vec<Error>) {
        let (mut made, mut problems) = (Vec::new(), Vec::new());
        for entry in self.entries.iter().filter(|e| e.registration.kind == kind && !e.denied) {
            match self.make(entry) {
                Ok(instance) => made.push((entry.registration, instance)),
                Err(err) => problems.push(err),
            }
        }
        (made, problems)
    }

    /// A source by name. Its panics become errors that name it.
    ///
    /// # Errors
    /// See [`Registry::instance`].
    pub fn source(&self, name: &str) -> Result<Arc<dyn AnySource>> {
        match self.instance(PluginKind::Source, name)? {
            Instance::Source(inner) => Ok(Arc::new(Guarded { name: name.to_owned(), inner })),
            _ => Err(wrong_kind(name)),
        }
    }

    /// A kind of check by name. Its panics become errors that name it.
    ///
    /// # Errors
    /// See [`Registry::instance`].
    pub fn quality(&self, name: &str) -> Result<Arc<dyn AnyQuality>> {
        match self.instance(PluginKind::Quality, name)? {
            Instance::Quality(inner) => Ok(Arc::new(Guarded { name: name.to_owned(), inner })),
            _ => Err(wrong_kind(name)),
        }
    }

    /// A transform by name. Its panics become errors that name it.
    ///
    /// # Errors
    /// See [`Registry::instance`].
    pub fn transform(&self, name: &str) -> Result<Arc<dyn AnyTransform>> {
        match self.instance(PluginKind::Transform, name)? {
            Instance::Transform(inner) => Ok(Arc::new(Guarded { name: name.to_owned(), inner })),
            _ => Err(wrong_kind(name)),
        }
    }

    /// The handlers of every usable hook plugin, with the plugin's name, and one for each alert sink, with its provider's name, in the
    /// order in which they run; and what kept others out.
    pub fn hooks(&self) -> (Vec<(String, HookRegistration)>, Vec<Error>) {
        let (mut hooks, mut problems) = (Vec::new(), Vec::new());
        for entry in self.entries.iter().filter(|e| e.registration.kind == PluginKind::Hook && !e.denied) {
            let name = entry.registration.name;
            let made = self.make(entry).and_then(|instance| match instance {
                Instance::Hook(plugin) => handlers(name, plugin.as_ref()),
                _ => Err(wrong_kind(name)),
            });
            match made {
                Err(err) => problems.push(err),
                Ok(registrations) => hooks.extend(registrations.into_iter().map(|r| (name.to_owned(), r))),
            }
        }
        for name in self.providers_of(CapabilityType::AlertSink) {
            match self.provider(CapabilityType::AlertSink, &name).and_then(|provider| provider.of_trait()) {
                Err(err) => problems.push(err),
                Ok(sink) => hooks.push((name, alerts(sink))),
            }
        }
        hooks.sort_by(|(a_plugin, a), (b_plugin, b)| {
            (a.priority, a_plugin, &a.name).cmp(&(b.priority, b_plugin, &b.name))
        });
        (hooks, problems)
    }

    /// A provider by capability and name.
    ///
    /// # Errors
    /// The plugin that provides it did not start, or provides something else than it registered.
    pub fn provider(&self, capability: CapabilityType, name: &str) -> Result<Provider> {
        let stated = format!("{capability}:{name}");
        let entry = self
            .entries
            .iter()
            .find(|e| e.registration.kind == PluginKind::Resource && e.registration.provides.contains(&stated.as_str()))
            .ok_or_else(|| Error::new(Code::MissingCapability, format!("no linked plugin provides {stated}")))?;
        match self.make(entry)? {
            Instance::Resource(plugin) => {
                guard(entry.registration.name, "listing its providers", || plugin.providers())?
                    .into_iter()
                    .find(|p| p.capability == capability && p.name == name)
                    .ok_or_else(|| {
                        Error::new(
                            Code::InvalidRegistration,
                            format!("`{}` registered {stated} and does not provide it", entry.registration.name),
                        )
                    })
            }
            _ => Err(wrong_kind(entry.registration.name)),
        }
    }

    /// A run history by the name of its provider. Its panics become errors that name it.
    ///
    /// # Errors
    /// See [`Registry::provider`].
    pub fn history(&self, name: &str) -> Result<Arc<dyn RunHistory>> {
        let provider = self.provider(CapabilityType::RunHistory, name)?;
        let inner = provider.of_trait()?;
        Ok(Arc::new(Guarded { name: name.to_owned(), inner }))
    }

    /// What registered a publish target, denied and refused ones left out.
    pub fn publish_target_registration(&self, name: &str) -> Option<&'static Registration> {
        let stated = format!("{}:{name}", CapabilityType::PublishTarget);
        let mut usable = self.entries.iter().filter(|e| !e.denied && e.refusal.is_none());
        usable.find(|e| e.registration.provides.contains(&stated.as_str())).map(|e| e.registration)
    }

    /// A publish target by the name of its provider. Its panics become errors that name it.
    ///
    /// # Errors
    /// It is unknown, with the nearest name or the feature that would link it; denied, refused, or did not start.
    pub fn publish_target(&self, name: &str) -> Result<Arc<dyn AnyPublishTarget>> {
        let stated = format!("{}:{name}", CapabilityType::PublishTarget);
        let Some(entry) = self.entries.iter().find(|e| e.registration.provides.contains(&stated.as_str())) else {
            return Err(self.unknown_target(name));
        };
        // Why it cannot be used is told by its own error.
        self.make(entry)?;
        let inner = self.provider(CapabilityType::PublishTarget, name)?.of_trait()?;
        Ok(Arc::new(Guarded { name: name.to_owned(), inner }))
    }

    /// An error that says that a publish target is not there: the nearest name, or the feature that would link it. A target that is
    /// not linked is known by its package, `phlo-publish-…`.
    pub fn unknown_target(&self, name: &str) -> Error {
        let unlinked = || self.known.iter().filter(|k| !k.linked && k.package.starts_with("phlo-publish-"));
        let feature = |k: &KnownPlugin| format!("build with `--features phlo-bundle/{}`", k.feature);
        if let Some(known) = unlinked().find(|k| k.name == name) {
            let message = format!("the publish target `{name}` is not linked into this binary");
            return Error::new(Code::UnknownPlugin, message).hint(feature(known));
        }
        let linked = self.providers_of(CapabilityType::PublishTarget);
        let names: BTreeSet<&str> = linked.iter().map(String::as_str).chain(unlinked().map(|k| k.name)).collect();
        let error = Error::new(Code::UnknownPlugin, format!("unknown publish target `{name}`"));
        let error = match nearest(name, names.iter().copied()) {
            Some(near) => match unlinked().find(|k| k.name == near) {
                Some(known) => error
                    .hint(format!("did you mean `{near}`?"))
                    .hint(format!("`{near}` is not linked: {}", feature(known))),
                None => error.hint(format!("did you mean `{near}`?")),
            },
            None if names.is_empty() => error.hint("no publish target is linked: see `phlo plugin list --available`"),
            None => error.hint(format!("available: {}", names.into_iter().collect::<Vec<_>>().join(", "))),
        };
        if self.entries.iter().any(|e| e.registration.kind == PluginKind::Source && e.registration.name == name) {
            return error.hint(format!("`{name}` is a source: it reads, and publishes nothing"));
        }
        error
    }

    /// A secret store by the name of its provider. Its panics become errors that name it.
    ///
    /// # Errors
    /// See [`Registry::provider`].
    pub fn secret_store(&self, name: &str) -> Result<Arc<dyn SecretStore>> {
        let provider = self.provider(CapabilityType::SecretStore, name)?;
        let inner = provider.of_trait()?;
        Ok(Arc::new(Guarded { name: name.to_owned(), inner }))
    }

    /// Calls every made plugin's clean-up; answers what failed.
    pub fn clean_up(&self) -> Vec<Error> {
        self.entries.iter().filter_map(Entry::clean_up).collect()
    }

    /// As [`Registry::clean_up`], for the plugins whose clean-up was not called yet: at the end of a command, which may have been a run.
    pub fn clean_up_rest(&self) -> Vec<Error> {
        self.entries.iter().filter(|entry| !entry.cleaned.load(Ordering::Relaxed)).filter_map(Entry::clean_up).collect()
    }
}

impl Entry {
    fn clean_up(&self) -> Option<Error> {
        let made = self.instance.get()?.as_ref().ok()?;
        self.cleaned.store(true, Ordering::Relaxed);
        guard(self.registration.name, "its clean-up", || made.plugin().clean_up()).err()
    }

    fn state(&self) -> PluginState {
        match (&self.refusal, self.instance.get()) {
            _ if self.denied => PluginState::Denied,
            (Some(refusal), _) | (None, Some(Err(refusal))) => PluginState::Refused(refusal.clone()),
            (None, Some(Ok(_))) => PluginState::Active,
            (None, None) => PluginState::Ready,
        }
    }
}

// What tells an alert sink: each check that failed or could not run, warnings too.
fn alerts(sink: Arc<dyn AlertSink>) -> HookRegistration {
    HookRegistration::new("alert", HookFilter::events([EventKind::QualityResult]), move |event| {
        match (&event.payload, &event.correlation.asset) {
            (Payload::QualityResult(check), Some(asset)) if !check.passed() => sink.alert(asset, check),
            _ => Ok(()),
        }
    })
}

// What a hook plugin registers; a handler that would never be called is a mistake.
fn handlers(name: &str, plugin: &dyn AnyHook) -> Result<Vec<HookRegistration>> {
    let registrations = guard(name, "registering its hooks", || plugin.hooks())?;
    match registrations.iter().find(|r| r.filter.events.is_empty()) {
        None => Ok(registrations),
        Some(empty) => Err(Error::new(
            Code::InvalidRegistration,
            format!("the hook `{}` of `{name}` filters for no event type at all", empty.name),
        )
        .hint("list the event types, or use HookFilter::all()")),
    }
}

/// The error of a plugin that [`Registry::forgotten`] names.
pub fn forgotten(known: &KnownPlugin) -> Error {
    let KnownPlugin { kind, name, package, feature, .. } = known;
    Error::new(
        Code::InvalidRegistration,
        format!("the feature `{feature}` is on, and its crate `{package}` registers no {kind} `{name}`"),
    )
    .hint(format!(
        "rustc links no crate that nothing names: `use {} as _;` belongs beside the feature",
        package.replace('-', "_")
    ))
}

fn matches_name(registration: &Registration, name: &str) -> bool {
    match name.split_once(':') {
        Some((kind, name)) => registration.kind.as_str() == kind && registration.name == name,
        None => registration.name == name,
    }
}

fn wrong_kind(name: &str) -> Error {
    Error::new(Code::InvalidRegistration, format!("`{name}` made a plugin of another kind than it registered"))
}

fn check_registration(registration: &Registration) -> Result<()> {
    let (kind, name) = (registration.kind, registration.name);
    let refused = |why: String| Error::new(Code::InvalidRegistration, format!("the {kind} `{name}` {why}"));
    let name_ok = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if !name_ok {
        return Err(refused("has a name that is not lower-case letters, digits and `_`".to_owned()));
    }
    let stated = registration.requires.iter().chain(registration.optional).chain(registration.provides);
    for capability in stated {
        if let Err(err) = capability.parse::<CapabilityRef>() {
            return Err(Error::new(
                Code::UnknownCapability,
                format!("the {kind} `{name}` names `{capability}`: {err}"),
            ));
        }
    }
    for provided in registration.provides {
        if !provided.contains(':') {
            return Err(refused(format!("provides `{provided}` without a name; write `{provided}:NAME`")));
        }
    }
    Ok(())
}

thread_local! {
    static GUARDED: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

/// Whether this thread is inside a guarded plugin call: a panic hook that prints should then stay silent.
pub fn is_guarded() -> bool {
    GUARDED.with(|depth| depth.get() > 0)
}

struct Depth;

impl Depth {
    fn enter() -> Self {
        GUARDED.with(|depth| depth.set(depth.get() + 1));
        Self
    }
}

impl Drop for Depth {
    fn drop(&mut self) {
        GUARDED.with(|depth| depth.set(depth.get().saturating_sub(1)));
    }
}

/// Calls into a plugin: a panic becomes [`Code::PluginPanicked`] with the plugin's name.
///
/// # Errors
/// What the call returns, or its panic.
pub fn guard<T>(plugin: &str, doing: &'static str, call: impl FnOnce() -> Result<T>) -> Result<T> {
    caught(call).unwrap_or_else(|panic| Err(panicked(plugin, doing, panic.as_ref())))
}

/// As [`guard`], for a future: each poll is guarded.
///
/// # Errors
/// What the future returns, or its panic.
pub async fn guard_async<T>(plugin: &str, doing: &'static str, call: impl Future<Output = Result<T>>) -> Result<T> {
    let mut call = Box::pin(call);
    std::future::poll_fn(|cx| {
        caught(|| call.as_mut().poll(cx))
            .unwrap_or_else(|panic| Poll::Ready(Err(panicked(plugin, doing, panic.as_ref()))))
    })
    .await
}

/// The batches of a source: each poll is guarded, and a panic is the last that they give.
struct GuardedStream {
    plugin: String,
    batches: BatchStream,
    panicked: bool,
}

impl Stream for GuardedStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.panicked {
            return Poll::Ready(None);
        }
        caught(|| self.batches.as_mut().poll_next(cx)).unwrap_or_else(|panic| {
            self.panicked = true;
            Poll::Ready(Some(Err(panicked(&self.plugin, "reading", panic.as_ref()))))
        })
    }
}

fn caught<T>(call: impl FnOnce() -> T) -> std::thread::Result<T> {
    let _depth = Depth::enter();
    std::panic::catch_unwind(AssertUnwindSafe(call))
}

/// The error for a caught panic.
pub fn panicked(plugin: &str, doing: &'static str, panic: &(dyn std::any::Any + Send)) -> Error {
    let message =
        panic.downcast_ref::<&str>().map(|s| (*s).to_owned()).or_else(|| panic.downcast_ref::<String>().cloned());
    Error::new(
        Code::PluginPanicked,
        format!("the plugin `{plugin}` panicked in {doing}: {}", message.as_deref().unwrap_or("no message")),
    )
    .hint(format!("this is a bug in the plugin; `phlo plugin info {plugin}` says where to report it"))
}

/// A plugin whose panics become errors that name it.
struct Guarded<T: ?Sized> {
    name: String,
    inner: Arc<T>,
}

impl<T: AnyPlugin + ?Sized> AnyPlugin for Guarded<T> {
    fn test_itself(&self) -> Result<()> {
        guard(&self.name, "its self-test", || self.inner.test_itself())
    }
    fn clean_up(&self) -> Result<()> {
        guard(&self.name, "its clean-up", || self.inner.clean_up())
    }
}

#[async_trait]
impl AnySource for Guarded<dyn AnySource> {
    fn parse(&self, config: &Node) -> Result<SourceConfig> {
        guard(&self.name, "reading its config", || self.inner.parse(config))
    }
    async fn schema(&self, config: &SourceConfig, context: &SourceContext) -> Result<Option<SchemaRef>> {
        guard_async(&self.name, "telling its schema", self.inner.schema(config, context)).await
    }
    async fn test_connection(&self, config: &SourceConfig, context: &SourceContext) -> Result<()> {
        guard_async(&self.name, "testing its connection", self.inner.test_connection(config, context)).await
    }
    async fn read(&self, config: &SourceConfig, context: &SourceContext, request: ReadRequest) -> Result<Reading> {
        let mut reading =
            guard_async(&self.name, "opening a reading", self.inner.read(config, context, request)).await?;
        let streams = std::mem::take(&mut reading.streams);
        reading.streams = streams
            .into_iter()
            .map(|batches| {
                Box::pin(GuardedStream { plugin: self.name.clone(), batches, panicked: false }) as BatchStream
            })
            .collect();
        Ok(reading)
    }
}

#[async_trait]
impl AnyPublishTarget for Guarded<dyn AnyPublishTarget> {
    fn parse(&self, config: &Node) -> Result<TargetConfig> {
        guard(&self.name, "reading its config", || self.inner.parse(config))
    }
    fn location(&self, config: &TargetConfig) -> Result<String> {
        guard(&self.name, "telling its location", || self.inner.location(config))
    }
    fn accepts(&self, config: &TargetConfig, schema: &SchemaRef) -> Result<()> {
        guard(&self.name, "looking at a schema", || self.inner.accepts(config, schema))
    }
    async fn test_connection(&self, config: &TargetConfig, context: &PublishContext) -> Result<()> {
        guard_async(&self.name, "testing its connection", self.inner.test_connection(config, context)).await
    }
    async fn is_current(
        &self,
        config: &TargetConfig,
        context: &PublishContext,
        receipt: &serde_json::Value,
    ) -> Result<bool> {
        guard_async(&self.name, "looking at what it published", self.inner.is_current(config, context, receipt)).await
    }
    async fn publish(
        &self,
        config: &TargetConfig,
        context: &PublishContext,
        schema: SchemaRef,
        rows: BatchStream,
    ) -> Result<Published> {
        guard_async(&self.name, "publishing", self.inner.publish(config, context, schema, rows)).await
    }
}

impl AnyQuality for Guarded<dyn AnyQuality> {
    fn check(&self, params: &Node, target: &CheckTarget) -> Result<CheckPlan> {
        guard(&self.name, "making a check", || self.inner.check(params, target))
    }
    fn heeds_tolerance(&self) -> bool {
        self.inner.heeds_tolerance()
    }
}

impl AnyTransform for Guarded<dyn AnyTransform> {
    fn plan(&self, params: &Node, input: &SchemaRef) -> Result<TransformPlan> {
        guard(&self.name, "making a transform", || self.inner.plan(params, input))
    }
}

impl SecretStore for Guarded<dyn SecretStore> {
    fn secret(&self, name: &str) -> Result<Option<Secret>> {
        guard(&self.name, "looking up a secret", || self.inner.secret(name))
    }
    fn looks_in(&self, name: &str) -> Option<String> {
        // Who asks misses a secret and is told this: the panic belongs there, too.
        guard(&self.name, "telling where a secret is", || Ok(self.inner.looks_in(name)))
            .unwrap_or_else(|err| Some(format!("a place that it cannot tell: {}", err.chain().join(": "))))
    }
}

impl RunHistory for Guarded<dyn RunHistory> {
    fn runs(&self, limit: usize) -> Result<Vec<RunRecord>> {
        guard(&self.name, "listing runs", || self.inner.runs(limit))
    }
    fn run(&self, id: &str) -> Result<Option<RunRecord>> {
        guard(&self.name, "reading a run", || self.inner.run(id))
    }
    fn events(&self, run_id: &str) -> Result<Vec<Event>> {
        guard(&self.name, "reading events", || self.inner.events(run_id))
    }
    fn latest(&self) -> Result<Vec<(String, DateTime<Utc>, AssetRun)>> {
        guard(&self.name, "reading the latest runs", || self.inner.latest())
    }
    fn checks(&self, asset: &AssetKey, limit: usize) -> Result<Vec<(String, DateTime<Utc>, CheckResult)>> {
        guard(&self.name, "reading results of checks", || self.inner.checks(asset, limit))
    }
    fn close_dead(&self, is_alive: &dyn Fn(u32) -> bool) -> Result<Vec<String>> {
        guard(&self.name, "closing dead runs", || self.inner.close_dead(is_alive))
    }
}
