//! `phlo.yaml`: from its text to typed sections, and the nodes that plugins read later.

use std::collections::BTreeMap;
use std::path::Path;

use phlo_plugin::Storage;
use phlo_spec::project::{PluginsSpec, ProjectFile};
use phlo_spec::{Code, Diagnostic, Node, NodeKind, PluginKind};

use crate::PROJECT_FILE;
use crate::load::Context;
use crate::read::{expect_map, keys_of, nearest_or_known, null_as_map, read_all, refuse_unknown_keys, value_at};
use crate::show::{Origin, origins};
use crate::validate::{self, by_name};

/// What `phlo.yaml` says. Without the typed parts if they have mistakes.
pub(crate) struct Parts {
    pub(crate) file: Option<(ProjectFile, Storage)>,
    pub(crate) connections: BTreeMap<String, Node>,
    pub(crate) plugin_settings: BTreeMap<(PluginKind, String), Node>,
    pub(crate) services: BTreeMap<String, Node>,
    pub(crate) origins: BTreeMap<String, Origin>,
    pub(crate) merged: Node,
}

/// Reads the text; nothing if it is not a YAML map.
pub(crate) fn read(text: &str, root: &Path, context: &mut Context<'_>) -> Option<Parts> {
    let mut node = context.parse(text, PROJECT_FILE, 1)?;
    let example = "begin with `name: my_lake`";
    if !expect_map(&node, "the project", example, &mut context.problems) {
        return None;
    }
    context.secrets.open(&node);
    let texts = context.fill(&mut node);
    let merged = node.clone();
    let origins = origins(&merged, &texts);
    for (key, value) in merged.get("storage").and_then(|s| s.get("options")).and_then(Node::entries).unwrap_or_default()
    {
        context.keeper.storage_option(key.as_str().unwrap_or_default(), value.as_str().unwrap_or_default());
    }
    let problems = &mut context.problems;

    let known: Vec<_> = keys_of::<ProjectFile>().iter().copied().chain(["connections", "services"]).collect();
    refuse_unknown_keys(&mut node, &known, problems);
    let mut connections = sections(&mut node, "connections", "write `NAME: {source: PLUGIN, …}` for each", problems);
    for (name, (key, connection)) in &connections {
        if CONNECTED.iter().all(|what| connection.get(what).is_none()) {
            let hint = match connection.get("plugin") {
                Some(_) => "did you mean `source` in place of `plugin`?",
                None => {
                    "add `source: PLUGIN`: the source plugin that reads it, or `target: PLUGIN`: the one that publishes to it"
                }
            };
            let message = format!("the connection `{name}` has neither `source` nor `target`");
            problems.push(key.error(Code::MissingKey, message).hint(hint));
        }
        for what in CONNECTED.iter().filter(|what| is_unnamed(connection, what)) {
            let problem = value_at(connection, &[what])
                .error(Code::InvalidValue, format!("the `{what}` of the connection `{name}` is not a text"));
            let kind = if *what == "source" { "source plugin" } else { "publish target" };
            problems.push(problem.hint(format!("write the name of a {kind}")));
        }
    }
    connections.retain(|_, (_, connection)| {
        CONNECTED.iter().any(|what| connection.get(what).is_some())
            && !CONNECTED.iter().any(|what| is_unnamed(connection, what))
    });
    let services = sections(&mut node, "services", "write `NAME: {…}` for each; `{}` changes nothing", problems);
    let plugin_settings = plugin_settings(&mut node, problems);
    let mut defaults = BTreeMap::new();
    if let NodeKind::Map(entries) = &mut node.kind {
        // A section without anything in it is as good as none.
        entries.retain(|(_, value)| value.kind != NodeKind::Null);
        if let Some((_, capabilities)) = entries.iter_mut().find(|(key, _)| key.as_str() == Some("capabilities")) {
            defaults = validate::take_providers(capabilities, "defaults", problems);
        }
    }
    let file: Option<ProjectFile> = read_all(&node, problems);
    let file = file.and_then(|mut file| {
        file.capabilities.defaults = defaults;
        validate::project(&node, &file, problems);
        let storage = validate::storage(root, &file.storage, &node, problems)?;
        Some((file, storage))
    });
    let values =
        |map: BTreeMap<String, (Node, Node)>| map.into_iter().map(|(name, (_, value))| (name, value)).collect();
    Some(Parts { file, connections: values(connections), plugin_settings, services: values(services), origins, merged })
}

/// The keys of a connection that name plugins: what reads it, and what publishes to it.
pub(crate) const CONNECTED: [&str; 2] = ["source", "target"];

// Whether the key is there and names no plugin.
fn is_unnamed(connection: &Node, what: &str) -> bool {
    connection.get(what).is_some_and(|node| node.as_str().is_none_or(str::is_empty))
}

/// Takes out a section of named maps.
fn sections(
    node: &mut Node,
    section: &str,
    hint: &str,
    problems: &mut Vec<Diagnostic>,
) -> BTreeMap<String, (Node, Node)> {
    let Some((_, map)) = node.take(section) else { return BTreeMap::new() };
    let map = null_as_map(map);
    if !expect_map(&map, &format!("`{section}`"), hint, problems) {
        return BTreeMap::new();
    }
    let named = by_name(map).into_iter().map(|(name, (key, value))| (name, (key, null_as_map(value))));
    named.filter(|(name, (_, value))| expect_map(value, &format!("`{section}.{name}`"), hint, problems)).collect()
}

/// Takes out `plugins.settings`.
fn plugin_settings(node: &mut Node, problems: &mut Vec<Diagnostic>) -> BTreeMap<(PluginKind, String), Node> {
    let NodeKind::Map(entries) = &mut node.kind else { return BTreeMap::new() };
    let Some((_, plugins)) = entries.iter_mut().find(|(key, _)| key.as_str() == Some("plugins")) else {
        return BTreeMap::new();
    };
    let known: Vec<_> = keys_of::<PluginsSpec>().iter().copied().chain(["settings"]).collect();
    refuse_unknown_keys(plugins, &known, problems);
    let hint = "write `settings: {KIND: {NAME: {…}}}`";
    let kinds = sections(plugins, "settings", hint, problems);
    let mut settings = BTreeMap::new();
    for (name, (key, map)) in kinds {
        let Ok(kind) = name.parse::<PluginKind>() else {
            let known: Vec<_> = PluginKind::ALL.iter().map(|kind| kind.as_str()).collect();
            problems.push(
                key.error(Code::UnknownKey, format!("unknown plugin kind `{name}`"))
                    .hint(nearest_or_known(&name, "known", &known)),
            );
            continue;
        };
        for (name, (_, value)) in by_name(map) {
            let value = null_as_map(value);
            if expect_map(&value, &format!("`plugins.settings.{kind}.{name}`"), hint, problems) {
                settings.insert((kind, name), value);
            }
        }
    }
    settings
}
