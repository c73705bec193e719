//! A JSON Schema as the list of keys that people can write.

use serde_json::{Map, Value};

use crate::printer::Printer;
use crate::render::Tone;
use crate::render::table::{Cell, Table};

/// The keys of a schema's object; nothing if it has none.
pub(crate) fn keys(printer: &Printer, schema: &Value) -> Option<String> {
    let mut table = Table::prose(printer, &["key", "type", "default", "what"]);
    let mut any = false;
    let mut add = |object: &Map<String, Value>| {
        let required: Vec<_> =
            object.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        for (name, property) in object.get("properties").and_then(Value::as_object).into_iter().flatten() {
            any = true;
            let default = match property.get("default") {
                _ if required.contains(&name.as_str()) => Cell::toned(("required", Tone::Warn)),
                None | Some(Value::Null) => Cell::maybe(None::<String>),
                Some(value) => Cell::from(value.to_string()),
            };
            table.row([
                Cell::toned((name.as_str(), Tone::Literal)),
                Cell::from(type_of(schema, property)),
                default,
                Cell::from(what(schema, property)),
            ]);
        }
    };
    for object in objects(schema, schema) {
        add(object);
    }
    any.then(|| table.text())
}

// The objects that a schema describes: itself, or each way of writing it.
fn objects<'a>(root: &'a Value, schema: &'a Value) -> Vec<&'a Map<String, Value>> {
    let schema = resolve(root, schema);
    let Some(map) = schema.as_object() else { return Vec::new() };
    let mut found = Vec::new();
    if map.contains_key("properties") {
        found.push(map);
    }
    for list in ["oneOf", "anyOf", "allOf"] {
        for choice in map.get(list).and_then(Value::as_array).into_iter().flatten() {
            found.extend(objects(root, choice));
        }
    }
    found
}

fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let pointer = schema.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix('#'));
    pointer.and_then(|p| root.pointer(p)).unwrap_or(schema)
}

fn what(root: &Value, property: &Value) -> String {
    let described = |schema: &Value| schema.get("description").and_then(Value::as_str).map(str::to_owned);
    let text = described(property).or_else(|| described(resolve(root, property))).unwrap_or_default();
    text.split("\n\n").next().unwrap_or_default().replace('\n', " ")
}

fn type_of(root: &Value, property: &Value) -> String {
    let schema = resolve(root, property);
    for list in ["oneOf", "anyOf", "allOf"] {
        if let Some(choices) = schema.get(list).and_then(Value::as_array) {
            let mut names: Vec<_> = choices.iter().map(|c| type_of(root, c)).filter(|n| n != "null").collect();
            names.dedup();
            return names.join(" | ");
        }
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return values
            .iter()
            .map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned))
            .collect::<Vec<_>>()
            .join(" | ");
    }
    if let Some(value) = schema.get("const") {
        return value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    }
    let name = |name: &str| match name {
        "array" => schema.get("items").map_or("list".to_owned(), |items| format!("list of {}", type_of(root, items))),
        "object" => "map".to_owned(),
        "string" => "text".to_owned(),
        other => other.to_owned(),
    };
    match schema.get("type") {
        Some(Value::String(one)) => name(one),
        Some(Value::Array(several)) => {
            several.iter().filter_map(Value::as_str).filter(|n| *n != "null").map(name).collect::<Vec<_>>().join(" | ")
        }
        _ => "any".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printer::Wishes;
    use anstream::adapter::strip_str;
    use serde_json::json;

    #[test]
    fn a_schema_reads_as_a_list_of_keys() {
        let schema = json!({
            "type": "object",
            "properties": {
                "path": { "type": "string", "description": "Files to read.\n\nMore on it." },
                "format": { "anyOf": [{ "$ref": "#/$defs/Format" }, { "type": "null" }], "default": null },
                "null_values": { "type": "array", "items": { "type": "string" }, "default": [] },
                "limit": { "type": ["integer", "null"], "description": "Rows at\nmost" }
            },
            "required": ["path"],
            "$defs": { "Format": { "oneOf": [{ "const": "csv", "description": "c" }, { "const": "json" }], "description": "The format" } }
        });
        let printer = Printer::new(Wishes::default());
        insta::assert_snapshot!(strip_str(&keys(&printer, &schema).unwrap()).to_string(), @"
        key          type          default   what
        path         text          required  Files to read.
        format       csv | json    -
        null_values  list of text  []
        limit        integer       -         Rows at most
        ");
        assert!(keys(&printer, &json!({ "type": "object", "properties": {} })).is_none());
    }
}
