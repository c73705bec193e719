//! Whether a JSON Schema is a manual: every property described, no map open to unknown keys.

use schemars::Schema;
use serde_json::{Map, Value};

use crate::findings::Findings;

pub(crate) fn check(schema: &Schema, findings: &mut Findings) {
    if let Some(object) = schema.as_object() {
        look(object, "", false, findings);
    }
}

fn look(schema: &Map<String, Value>, path: &str, choice: bool, findings: &mut Findings) {
    let described = |schema: &Map<String, Value>| {
        schema.get("description").and_then(Value::as_str).is_some_and(|text| !text.trim().is_empty())
    };
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        // The tag of an enum says what it is by its one value; the one property of an enum's variant is described beside it.
        let is_tag = |property: &Value| property.get("const").is_some();
        let is_variant = choice && properties.len() == 1 && described(schema);
        for (name, property) in properties {
            let told = is_tag(property) || is_variant || property.as_object().is_some_and(described);
            findings.hold(told, format_args!("`{path}{name}` is not described: give its field a doc comment"));
        }
        let closed = ["additionalProperties", "unevaluatedProperties"]
            .iter()
            .any(|key| schema.get(*key) == Some(&Value::Bool(false)));
        let only_tags = properties.values().all(is_tag) && !properties.is_empty();
        let place = if path.is_empty() { "the root" } else { path.trim_end_matches('.') };
        findings
            .hold(closed || only_tags, format_args!("{place} takes unknown keys: add `#[serde(deny_unknown_fields)]`"));
    }
    for (key, value) in schema {
        let named = matches!(key.as_str(), "properties" | "$defs");
        match value {
            Value::Object(children) if named => {
                for (name, child) in children {
                    if let Value::Object(child) = child {
                        look(child, &format!("{path}{name}."), false, findings);
                    }
                }
            }
            Value::Object(child) if matches!(key.as_str(), "items" | "additionalProperties") => {
                look(child, path, false, findings);
            }
            Value::Array(children) if matches!(key.as_str(), "oneOf" | "anyOf" | "allOf" | "prefixItems") => {
                for child in children.iter().filter_map(Value::as_object) {
                    look(child, path, true, findings);
                }
            }
            _ => {}
        }
    }
}
