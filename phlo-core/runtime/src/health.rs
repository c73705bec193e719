//! `phlo plugin check`: how every plugin fares, and whether what the project reads from answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use phlo_plugin::publish::PublishContext;
use phlo_plugin::registry::forgotten;
use phlo_plugin::{Error, PluginState, Result};
use phlo_project::{source_of, sources_within};
use phlo_spec::{AssetBody, AssetSpec, CapabilityType, Code, Node, NodeKind, PluginKind};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::platform::Platform;
use crate::report::{ConnectionHealth, PluginCheck, PluginHealth, PluginRow};
use crate::used::{self, Uses};

/// Connections that are tested at once.
const AT_ONCE: usize = 16;

impl Platform {
    /// Makes every plugin that may be used and runs its self-test; then tests the connection of every asset's source or target, and of what
    /// its checks compare with, each for `limit` at most; none without a limit, as of a project with mistakes, whose values may not be
    /// those that are meant.
    pub async fn plugin_check(&self, limit: Option<Duration>) -> PluginCheck {
        let (used, problems) = self.used();
        let mut plugins: Vec<PluginHealth> = self
            .inner
            .registry
            .entries()
            .map(|entry| (entry.registration, matches!(entry.state, PluginState::Denied)))
            .map(|(registration, denied)| {
                let used_by = used.get(&(registration.kind, registration.name.to_owned())).cloned();
                // What is denied is not made; that is wrong only if it is used.
                let outcome = if denied && used_by.is_none() {
                    Ok(())
                } else {
                    self.inner.registry.test(registration.kind, registration.name)
                };
                let error = outcome.err().map(|err| err.record());
                // Read now: making it has changed it.
                let row = self.inner.registry.entries().find(|e| std::ptr::eq(e.registration, registration));
                let mut plugin = row.map(|e| self.row(&e)).unwrap_or_default();
                plugin.error = error.or(plugin.error);
                PluginHealth { healthy: plugin.error.is_none() && !denied, used: used_by.is_some(), used_by, plugin }
            })
            .collect();
        let unlinked = used.iter().filter(|((kind, name), _)| {
            !plugins.iter().any(|p| p.plugin.kind == kind.as_str() && p.plugin.name == *name)
        });
        let unlinked: Vec<_> = unlinked
            .map(|((kind, name), by)| {
                let error = self.inner.registry.unknown(Some(*kind), name);
                let known = self.inner.registry.known().iter().find(|k| k.kind == kind.as_str() && k.name == name);
                let plugin = PluginRow {
                    kind: kind.to_string(),
                    name: name.clone(),
                    package: known.map(|k| k.package.to_owned()).unwrap_or_default(),
                    summary: known.map(|k| k.summary.to_owned()).unwrap_or_default(),
                    state: "not linked".to_owned(),
                    error: Some(error.record()),
                    ..PluginRow::default()
                };
                PluginHealth { healthy: false, used: true, used_by: Some(by.clone()), plugin }
            })
            .collect();
        plugins.extend(unlinked);
        let forgotten = self.inner.registry.forgotten().map(forgotten);
        let connections = match limit {
            Some(limit) => self.test_connections(limit).await,
            None => Vec::new(),
        };
        PluginCheck { plugins, connections, problems: forgotten.chain(problems).map(|err| err.record()).collect() }
    }

    /// The plugins that the project uses, with who names each first; and what of its choices cannot be.
    fn used(&self) -> (BTreeMap<(PluginKind, String), String>, Vec<Error>) {
        let project = &self.inner.project;
        let uses = Uses::of(project, self.assets());
        let mut used: BTreeMap<_, _> = uses.plugins.into_iter().map(|(plugin, by)| (plugin, by.what)).collect();
        let mut problems = Vec::new();
        // Outside of any project nothing is chosen.
        if project.places.is_empty() {
            return (used, problems);
        }
        let wished: BTreeSet<_> =
            project.file.capabilities.defaults.keys().chain(project.environment_choices.keys()).copied().collect();
        let needed = [CapabilityType::TableStore, CapabilityType::QueryEngine, CapabilityType::Orchestrator];
        for capability in needed.into_iter().chain([CapabilityType::RunHistory]).chain(wished.iter().copied()) {
            match self.choose(capability, None, None) {
                Ok(choice) => {
                    if let Some(plugin) = used::provider(&self.inner.registry, capability, &choice.provider) {
                        used.entry(plugin).or_insert_with(|| format!("as {capability}, by {}", choice.by));
                    }
                }
                // Without a history a project runs all the same, unless it asks for one.
                Err(err) if needed.contains(&capability) || wished.contains(&capability) => problems.push(err),
                Err(_) => {}
            }
        }
        for ((capability, name), by) in uses.providers {
            if let Some(plugin) = used::provider(&self.inner.registry, capability, &name) {
                used.entry(plugin).or_insert(by.what);
            }
        }
        let mut told = BTreeSet::new();
        problems.retain(|err| told.insert((err.code(), err.message().to_owned())));
        (used, problems)
    }

    async fn test_connections(&self, limit: Duration) -> Vec<ConnectionHealth> {
        let cancel = CancellationToken::new();
        let _stop = cancel.clone().drop_guard();
        let at_once = Arc::new(Semaphore::new(AT_ONCE));
        let mut tests: JoinSet<(usize, Result<()>)> = JoinSet::new();
        let mut found = Vec::new();
        let mut test = |found: &mut Vec<ConnectionHealth>, mut one: ConnectionHealth, prepared: Result<Prepared>| {
            match prepared {
                Err(err) => one.error = Some(err.record()),
                Ok(prepared) => {
                    one.tested = true;
                    let (at, at_once) = (found.len(), at_once.clone());
                    tests.spawn(async move {
                        // Closed by nobody.
                        let _turn = at_once.acquire_owned().await;
                        (at, prepared.within(limit).await)
                    });
                }
            }
            found.push(one);
        };
        let connections = &self.inner.project.connections;
        let mut in_use = BTreeSet::new();
        for spec in self.assets() {
            for end in self.ends(spec) {
                let connection = connections.iter().find(|(_, node)| shares(node, &end.config)).map(|(name, _)| name);
                in_use.extend(connection);
                let one = ConnectionHealth {
                    asset: Some(spec.key.clone()),
                    connection: connection.cloned(),
                    kind: end.kind,
                    plugin: end.plugin.clone(),
                    used: true,
                    tested: false,
                    error: None,
                };
                let prepared = if end.kind == "target" {
                    let emitter = self.inner.bus.emitter();
                    self.prepared_target(&end.plugin, &end.config, self.publish_context(spec, emitter, cancel.clone()))
                } else {
                    self.prepared(&end.plugin, &end.config, self.source_context(spec, false, cancel.clone()))
                };
                test(&mut found, one, prepared);
            }
        }
        for (name, node) in connections.iter().filter(|(name, _)| !in_use.contains(name)) {
            for kind in ["source", "target"] {
                let Some(plugin) = node.get(kind).and_then(Node::as_str) else { continue };
                let mut alone = node.clone();
                if let NodeKind::Map(entries) = &mut alone.kind {
                    entries.retain(|(key, _)| !matches!(key.as_str(), Some("source" | "target")));
                }
                let one = ConnectionHealth {
                    asset: None,
                    connection: Some(name.clone()),
                    kind,
                    plugin: plugin.to_owned(),
                    used: false,
                    tested: false,
                    error: None,
                };
                let (root, redactor) = (&self.inner.project.root, self.redactor().clone());
                let cancel = cancel.clone();
                let prepared = if kind == "source" {
                    let context = phlo_plugin::source::SourceContext {
                        redactor,
                        cancel,
                        ..phlo_plugin::source::SourceContext::at(root)
                    };
                    self.prepared(plugin, &alone, context)
                } else {
                    let context = PublishContext { redactor, cancel, ..PublishContext::at(root) };
                    self.prepared_target(plugin, &alone, context)
                };
                match prepared {
                    // What else it needs only an asset would say.
                    Err(err) if err.code() == Code::MissingKey => found.push(one),
                    prepared => test(&mut found, one, prepared),
                }
            }
        }
        while let Some(ended) = tests.join_next().await {
            // A panic is guarded; nobody cancels.
            if let Ok((at, Err(err))) = ended {
                found[at].error = Some(err.record());
            }
        }
        found
    }

    /// The systems that an asset speaks with: its source or target, and what its checks compare with. One whose config is not right yet
    /// is told by `phlo check`.
    fn ends(&self, spec: &AssetSpec) -> Vec<End> {
        let end = |kind, plugin: &str, config: &Node| End { kind, plugin: plugin.to_owned(), config: config.clone() };
        let mut ends: Vec<_> = match &spec.body {
            AssetBody::Ingest(source) => vec![end("source", &source.plugin, &source.config)],
            AssetBody::Publish(publish) => vec![end("target", &publish.target.plugin, &publish.target.config)],
            AssetBody::Sql(_) => Vec::new(),
        };
        let mut told = BTreeSet::new();
        for node in spec.checks.iter().flat_map(|check| sources_within(&check.params)) {
            // Several checks may compare with the same.
            if told.insert(node.to_json().to_string())
                && let Ok(source) = source_of(node, &self.inner.project.connections)
            {
                ends.push(end("check", &source.plugin, &source.config));
            }
        }
        ends
    }

    fn prepared(&self, plugin: &str, config: &Node, context: phlo_plugin::source::SourceContext) -> Result<Prepared> {
        let source = self.inner.registry.source(plugin)?;
        let config = source.parse(config).map_err(|err| err.at(config.place()))?;
        Ok(Prepared(async move { source.test_connection(&config, &context).await }.boxed()))
    }

    fn prepared_target(&self, plugin: &str, config: &Node, context: PublishContext) -> Result<Prepared> {
        let target = self.inner.registry.publish_target(plugin)?;
        let config = target.parse(config).map_err(|err| err.at(config.place()))?;
        Ok(Prepared(async move { target.test_connection(&config, &context).await }.boxed()))
    }
}

/// A system that an asset speaks with.
struct End {
    kind: &'static str,
    plugin: String,
    config: Node,
}

/// The test of a connection, not begun.
struct Prepared(BoxFuture<'static, Result<()>>);

impl Prepared {
    async fn within(self, limit: Duration) -> Result<()> {
        tokio::time::timeout(limit, self.0).await.unwrap_or_else(|_| {
            Err(Error::new(Code::RemoteBusy, format!("no answer within {} s", limit.as_secs_f64()))
                .hint("give it longer with `phlo plugin check --timeout SECONDS`"))
        })
    }
}

// Whether an asset's config was made from a connection: a value of it stands in the connection's own lines.
fn shares(connection: &Node, config: &Node) -> bool {
    let places = |node: &Node| -> Vec<_> {
        node.entries().unwrap_or_default().iter().filter_map(|(_, value)| value.place()).collect()
    };
    let own = places(connection);
    places(config).iter().any(|place| own.contains(place))
}
