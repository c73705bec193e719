//! What plugins' schemas call secret (`writeOnly`, as [`phlo_spec::Secret`] says), found in the values that a project gives them.

use std::collections::BTreeSet;

use phlo_plugin::Registry;
use phlo_project::Project;
use phlo_spec::{AssetBody, Node, NodeKind, PluginKind};
use serde_json::Value;

use crate::platform::Platform;

/// Deeper than any config, and an end for a schema that refers to itself.
const DEPTH: usize = 32;

impl Platform {
    /// The resolved configuration, each value with where it came from, without secrets.
    pub fn config(&self) -> Value {
        let mut paths = BTreeSet::new();
        of_project(&self.inner.project, &self.inner.registry, &mut |path, _| {
            paths.insert(path.to_owned());
        });
        self.inner.project.show(&paths)
    }
}

/// Tells the redactor what stands, in whatever file, where a plugin takes a secret.
pub(crate) fn learn(project: &Project, registry: &Registry) {
    let learn = &mut |_: &str, node: &Node| match &node.kind {
        NodeKind::Str(text) => project.learn_secret(text),
        NodeKind::Int(number) => project.learn_secret(&number.to_string()),
        NodeKind::Float(number) => project.learn_secret(&number.to_string()),
        _ => {}
    };
    of_project(project, registry, learn);
    for asset in &project.assets {
        if let AssetBody::Ingest(source) = &asset.body
            && let Some(schema) = config(registry, &source.plugin)
        {
            visit(&schema, &schema, &source.config, "", DEPTH, learn);
        }
    }
}

// The values of `phlo.yaml`, with their paths.
fn of_project(project: &Project, registry: &Registry, see: &mut impl FnMut(&str, &Node)) {
    for (name, node) in &project.connections {
        let plugin = node.get("source").and_then(Node::as_str).unwrap_or_default();
        if let Some(schema) = config(registry, plugin) {
            visit(&schema, &schema, node, &format!("connections.{name}"), DEPTH, see);
        }
    }
    for ((kind, name), node) in &project.plugin_settings {
        let entry = registry.find(name).find(|e| e.registration.kind == *kind);
        if let Some(schema) = entry.map(|e| (e.registration.settings)().to_value()) {
            visit(&schema, &schema, node, &format!("plugins.settings.{kind}.{name}"), DEPTH, see);
        }
    }
}

fn config(registry: &Registry, source: &str) -> Option<Value> {
    let entry = registry.find(source).find(|e| e.registration.kind == PluginKind::Source)?;
    Some((entry.registration.config?)().to_value())
}

fn visit(root: &Value, schema: &Value, node: &Node, path: &str, left: usize, see: &mut impl FnMut(&str, &Node)) {
    let Some(left) = left.checked_sub(1) else { return };
    if schema["writeOnly"] == true {
        see(path, node);
    }
    if let Some(target) = schema["$ref"].as_str().and_then(|r| root.pointer(r.strip_prefix('#')?)) {
        visit(root, target, node, path, left, see);
    }
    for branch in ["anyOf", "oneOf", "allOf"].iter().filter_map(|key| schema[key].as_array()).flatten() {
        visit(root, branch, node, path, left, see);
    }
    match &node.kind {
        NodeKind::Map(entries) => {
            for (key, value) in entries {
                let name = key.as_str().unwrap_or_default();
                let below = schema["properties"].get(name).unwrap_or(&schema["additionalProperties"]);
                visit(root, below, value, &format!("{path}.{name}"), left, see);
            }
        }
        NodeKind::Seq(items) => {
            for (at, item) in items.iter().enumerate() {
                visit(root, &schema["items"], item, &format!("{path}[{at}]"), left, see);
            }
        }
        _ => {}
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
        visit(&schema, &schema, &node, "p", DEPTH, &mut |path, node| {
            found.push(format!("{path}={}", node.as_str().unwrap_or_default()));
        });
        assert_eq!(found, ["p.pat=a", "p.more.x[0]=b", "p.more.x[1]=c"]);
    }
}
