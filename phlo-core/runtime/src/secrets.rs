//! What plugins' schemas call secret (`writeOnly`, as [`phlo_spec::Secret`] says), found in the values that a project gives them.

use std::collections::BTreeSet;

use phlo_plugin::Registry;
use phlo_project::{Project, sources_within};
use phlo_spec::{AssetBody, AssetSpec, Node, NodeKind, PluginKind};
use serde_json::Value;

use crate::platform::Platform;

/// Deeper than any config, and an end for a schema that refers to itself.
const DEPTH: usize = 32;

impl Platform {
    /// The resolved configuration, each value with where it came from, without secrets.
    pub fn config(&self) -> Value {
        let mut paths = BTreeSet::new();
        of_project(&self.inner.project, &self.inner.registry, &mut |path, _, _| {
            paths.insert(path.to_owned());
        });
        self.inner.project.show(&paths)
    }
}

/// Tells the redactor what stands, in whatever file, where a plugin takes a secret.
pub(crate) fn learn(project: &Project, registry: &Registry) {
    of_project(project, registry, &mut |_, node, of_many| tell(project, node, of_many));
    learn_of(&project.assets, project, registry);
}

/// As [`learn`], of assets: those of the project, and those that plugins give.
pub(crate) fn learn_of(assets: &[AssetSpec], project: &Project, registry: &Registry) {
    let learn = &mut |_: &str, node: &Node, of_many: bool| tell(project, node, of_many);
    for asset in assets {
        // The other side of a check is a source, too.
        for node in asset.checks.iter().flat_map(|check| sources_within(&check.params)) {
            let named = |node: &Node, key: &str| node.get(key).and_then(Node::as_str).map(str::to_owned);
            let plugin = named(node, "plugin").or_else(|| {
                let connection = project.connections.get(&named(node, "connection")?)?;
                named(connection, "source")
            });
            if let Some(schema) = plugin.and_then(|plugin| config(registry, "source", &plugin)) {
                Walk { root: &schema, see: learn }.visit(&schema, node, "", false, DEPTH);
            }
        }
        let (schema, node) = match &asset.body {
            AssetBody::Ingest(source) => (config(registry, "source", &source.plugin), &source.config),
            AssetBody::Publish(publish) => (config(registry, "target", &publish.target.plugin), &publish.target.config),
            AssetBody::Sql(_) => continue,
        };
        if let Some(schema) = schema {
            Walk { root: &schema, see: learn }.visit(&schema, node, "", false, DEPTH);
        }
    }
}

fn tell(project: &Project, node: &Node, of_many: bool) {
    match &node.kind {
        NodeKind::Str(text) => project.learn_secret(text, of_many),
        NodeKind::Int(number) => project.learn_secret(&number.to_string(), of_many),
        NodeKind::Float(number) => project.learn_secret(&number.to_string(), of_many),
        _ => {}
    }
}

// The values of `phlo.yaml`, with their paths.
fn of_project(project: &Project, registry: &Registry, see: &mut impl FnMut(&str, &Node, bool)) {
    for (name, node) in &project.connections {
        for what in CONNECTED {
            let plugin = node.get(what).and_then(Node::as_str).unwrap_or_default();
            if let Some(schema) = config(registry, what, plugin) {
                Walk { root: &schema, see }.visit(&schema, node, &format!("connections.{name}"), false, DEPTH);
            }
        }
    }
    for ((kind, name), node) in &project.plugin_settings {
        let entry = registry.find(name).find(|e| e.registration.kind == *kind);
        if let Some(schema) = entry.map(|e| (e.registration.settings)().to_value()) {
            Walk { root: &schema, see }.visit(&schema, node, &format!("plugins.settings.{kind}.{name}"), false, DEPTH);
        }
    }
}

/// The keys of a connection that name plugins.
pub(crate) const CONNECTED: [&str; 2] = ["source", "target"];

/// The schema of the config of a source or of a publish target.
pub(crate) fn config(registry: &Registry, what: &str, plugin: &str) -> Option<Value> {
    let registration = if what == "target" {
        registry.publish_target_registration(plugin)?
    } else {
        registry.find(plugin).find(|e| e.registration.kind == PluginKind::Source)?.registration
    };
    Some((registration.config?)().to_value())
}

// Calls `see` for each value that the schema calls secret, with its path and whether it stands under a name that the plugin does not
// know.
struct Walk<'a, F> {
    root: &'a Value,
    see: &'a mut F,
}

impl<F: FnMut(&str, &Node, bool)> Walk<'_, F> {
    fn visit(&mut self, schema: &Value, node: &Node, path: &str, of_many: bool, left: usize) {
        let Some(left) = left.checked_sub(1) else { return };
        if schema["writeOnly"] == true {
            (self.see)(path, node, of_many);
        }
        if let Some(target) = schema["$ref"].as_str().and_then(|r| self.root.pointer(r.strip_prefix('#')?)) {
            self.visit(target, node, path, of_many, left);
        }
        for branch in ["anyOf", "oneOf", "allOf"].iter().filter_map(|key| schema[key].as_array()).flatten() {
            self.visit(branch, node, path, of_many, left);
        }
        match &node.kind {
            NodeKind::Map(entries) => {
                for (key, value) in entries {
                    let name = key.as_str().unwrap_or_default();
                    let path = format!("{path}.{name}");
                    match schema["properties"].get(name) {
                        Some(below) => self.visit(below, value, &path, of_many, left),
                        None => self.visit(&schema["additionalProperties"], value, &path, true, left),
                    }
                }
            }
            NodeKind::Seq(items) => {
                for (at, item) in items.iter().enumerate() {
                    self.visit(&schema["items"], item, &format!("{path}[{at}]"), of_many, left);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found_through_references_maps_and_lists() {
        let schema = serde_json::json!({
            "properties": {
                "pat": { "$ref": "#/$defs/S" },
                "more": { "anyOf": [{ "type": "null" }, { "additionalProperties": { "items": { "$ref": "#/$defs/S" } } }] },
                "loop": { "$ref": "#/properties/loop" },
                "open": { "type": "string" },
            },
            "$defs": { "S": { "type": "string", "writeOnly": true } },
        });
        let node = Node::parse("pat: a\nmore: {x: [b, c]}\nloop: d\nopen: e\nelse: f\n", "f.yaml", 1).unwrap();
        let mut found = Vec::new();
        let see = &mut |path: &str, node: &Node, of_many: bool| {
            found.push(format!("{path}={} {of_many}", node.as_str().unwrap_or_default()));
        };
        Walk { root: &schema, see }.visit(&schema, &node, "p", false, DEPTH);
        assert_eq!(found, ["p.pat=a false", "p.more.x[0]=b true", "p.more.x[1]=c true"]);
    }
}
