//! A JSON Schema as the keys that people can write: what `phlo plugin info` and the reference pages show.

use serde_json::{Map, Value};

use phlo_spec::types::COLUMN_TYPE_FORMAT;

use crate::printer::Printer;
use crate::render::Tone;
use crate::render::table::{Cell, Table};

/// Deeper than any config, and an end for a schema that refers to itself.
const DEPTH: usize = 8;
/// Characters of a column of types that leaves room for what the keys mean.
const WIDE: usize = 34;

/// One key of a map.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Key {
    /// Its name.
    pub(crate) name: String,
    /// What its value is.
    pub(crate) kind: Kind,
    /// The value unless it is given; nothing where there is none worth telling.
    pub(crate) default: Option<String>,
    /// Whether it must be given.
    pub(crate) required: bool,
    /// What it means: Markdown, paragraphs apart.
    pub(crate) what: String,
    /// The keys of the maps that it holds.
    pub(crate) inside: Vec<Key>,
}

/// What a value is, as people say it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    /// A text.
    Text,
    /// A text that is never shown.
    Secret,
    /// A whole number within bounds.
    Whole(Option<i64>, Option<i64>),
    /// A number.
    Number,
    /// true or false.
    Boolean,
    /// The name of a column type.
    ColumnType,
    /// One of these, each with what it means.
    Choice(Vec<(String, String)>),
    /// A list.
    List(Box<Kind>),
    /// A map from any name to values.
    Map(Box<Kind>),
    /// A map of known keys.
    Keys,
    /// Anything.
    Any,
    /// One of several.
    Either(Vec<Kind>),
}

impl Key {
    /// A key that need not be given.
    pub(crate) fn new(name: &str, kind: Kind, what: &str) -> Self {
        let (name, what) = (name.to_owned(), what.to_owned());
        Self { name, kind, default: None, required: false, what, inside: Vec::new() }
    }
}

impl Kind {
    // A text, a number, or true or false.
    fn is_single(&self) -> bool {
        matches!(self, Self::Text | Self::Whole(..) | Self::Number | Self::Boolean) || self.is_any_single()
    }

    // Whether each of the three will do.
    fn is_any_single(&self) -> bool {
        let Self::Either(kinds) = self else { return false };
        let number = kinds.iter().any(|kind| matches!(kind, Self::Number | Self::Whole(..)));
        let all = number && kinds.contains(&Self::Text) && kinds.contains(&Self::Boolean);
        all || kinds.iter().any(Self::is_any_single)
    }

    // The kind in a word.
    fn outer(&self) -> &'static str {
        match self {
            Self::List(_) => "list",
            Self::Map(_) | Self::Keys => "map",
            Self::Choice(_) => "one of several",
            _ => "several",
        }
    }

    /// The kind in words; `choice` words a list of values.
    pub(crate) fn words(&self, choice: &impl Fn(&[(String, String)]) -> String) -> String {
        match self {
            Self::Text => "text".to_owned(),
            Self::Secret => "secret text".to_owned(),
            Self::Whole(Some(min), Some(max)) => format!("whole number, {min} to {max}"),
            Self::Whole(Some(min), None) if *min > 0 => format!("whole number, at least {min}"),
            Self::Whole(_, Some(max)) => format!("whole number, at most {max}"),
            Self::Whole(..) => "whole number".to_owned(),
            Self::Number => "number".to_owned(),
            Self::Boolean => "true or false".to_owned(),
            Self::ColumnType => "column type".to_owned(),
            Self::Choice(values) => choice(values),
            Self::List(item) => match &**item {
                Self::Any => "list".to_owned(),
                Self::Keys => "list of maps".to_owned(),
                item => format!("list of {}", item.words(choice)),
            },
            Self::Map(value) => match &**value {
                Self::Any => "map".to_owned(),
                Self::Keys => "map of maps".to_owned(),
                value => format!("map of {}", value.words(choice)),
            },
            Self::Keys => "map".to_owned(),
            Self::Any => "any".to_owned(),
            Self::Either(kinds) if self.is_any_single() => {
                let more = kinds.iter().filter(|kind| !kind.is_single()).map(|kind| kind.words(choice));
                std::iter::once("single value".to_owned()).chain(more).collect::<Vec<_>>().join(" or ")
            }
            Self::Either(kinds) => kinds.iter().map(|kind| kind.words(choice)).collect::<Vec<_>>().join(" or "),
        }
    }
}

/// The keys of a schema's map, in the order of the type; none if it has none.
pub(crate) fn keys_of(schema: &Value) -> Vec<Key> {
    keys_in(schema, schema, DEPTH)
}

/// The keys of a schema's map as a table, those of maps within it included; nothing if it has none.
pub(crate) fn keys(printer: &Printer, schema: &Value) -> Option<String> {
    let mut table = Table::prose(printer, &["key", "type", "default", "what"]);
    let keys = keys_of(schema);
    add(&mut table, "", &keys);
    (!keys.is_empty()).then(|| table.text())
}

fn add(table: &mut Table<'_>, path: &str, keys: &[Key]) {
    for key in keys {
        let name = format!("{path}{}", key.name);
        let values = |values: &[(String, String)]| {
            values.iter().map(|(value, _)| value.as_str()).collect::<Vec<_>>().join(" | ")
        };
        let mut what = key.what.split("\n\n").next().unwrap_or_default().to_owned();
        let mut kind = key.kind.words(&values);
        // The last column alone is broken over lines: what is long stands there.
        if kind.chars().count() > WIDE {
            format!("{what} ({kind})").trim_start().clone_into(&mut what);
            key.kind.outer().clone_into(&mut kind);
        }
        table.row([
            Cell::toned((name.as_str(), Tone::Literal)),
            Cell::from(kind),
            if key.required { Cell::toned(("required", Tone::Warn)) } else { Cell::maybe(key.default.clone()) },
            Cell::from(what),
        ]);
        add(table, &format!("{name}{}", step(&key.kind)), &key.inside);
    }
}

/// What stands between a key and one inside of it: `a.b`, `a[].b` of each item of a list, `a.*.b` of each value of a map.
pub(crate) fn step(kind: &Kind) -> &'static str {
    match kind {
        Kind::List(_) => "[].",
        Kind::Map(_) => ".*.",
        Kind::Either(kinds) => match kinds.iter().map(step).find(|step| *step != ".") {
            Some(step) if !kinds.contains(&Kind::Keys) => step,
            _ => ".",
        },
        _ => ".",
    }
}

/// The lines of a doc comment as paragraphs: a line that a comment's width broke is one again; lists and blocks stay.
pub(crate) fn prose(text: &str) -> String {
    let mut out = String::new();
    let mut block = false;
    for line in text.lines() {
        let line = line.trim_end();
        let fence = line.trim_start().starts_with("```");
        let starts = fence
            || block
            || line.is_empty()
            || line.trim_start().starts_with(['|', '#'])
            || line.trim_start().starts_with("- ")
            || line.trim_start().starts_with("* ");
        if !out.is_empty() {
            out.push(if starts || out.ends_with('\n') || out.ends_with("```") { '\n' } else { ' ' });
        }
        out.push_str(if block { line } else { line.trim_start() });
        block ^= fence;
    }
    out.trim().to_owned()
}

// One of the maps that a schema describes, whether it is one of several ways of writing it, and the tag that tells it from the others.
struct Object<'a> {
    map: &'a Map<String, Value>,
    branch: bool,
    tag: Option<(&'a str, String)>,
}

fn keys_in(root: &Value, schema: &Value, left: usize) -> Vec<Key> {
    let Some(left) = left.checked_sub(1) else { return Vec::new() };
    let objects = objects(root, schema, false, left);
    let branches = || objects.iter().filter(|object| object.branch);
    let mut keys: Vec<Key> = Vec::new();
    for object in &objects {
        let required: Vec<_> = strings(object.map.get("required")).collect();
        let properties = object.map.get("properties").and_then(Value::as_object);
        for (name, property) in properties.into_iter().flatten() {
            // What one of several ways of writing requires, another may not know.
            let everywhere = !object.branch || branches().all(|other| other.map["properties"].get(name).is_some());
            let mut key = key(root, name, property, everywhere && required.contains(&name.as_str()), left);
            let is_tag = object.tag.as_ref().is_some_and(|(tag, _)| tag == name);
            // A way of writing that is one key alone is described as the way, not as the key.
            if object.branch && !is_tag && key.what.is_empty() && properties.is_some_and(|all| all.len() == 1) {
                key.what = object.map.get("description").and_then(Value::as_str).map(prose).unwrap_or_default();
            }
            if let Some((tag, value)) = object.tag.as_ref().filter(|_| object.branch && !is_tag && !everywhere) {
                key.what = format!("With `{tag}: {value}`: {}", key.what);
            }
            match keys.iter_mut().find(|known| known.name == *name) {
                None => keys.push(key),
                Some(known) => match (&mut known.kind, key.kind) {
                    (Kind::Choice(known), Kind::Choice(more)) if is_tag => known.extend(more),
                    _ => known.required &= key.required,
                },
            }
        }
    }
    keys
}

fn key(root: &Value, name: &str, property: &Value, required: bool, left: usize) -> Key {
    let (kind, inside) = kind_of(root, property, left);
    let described = |schema: &Value| schema.get("description").and_then(Value::as_str).map(prose);
    let what = described(property).or_else(|| described(resolve(root, property)));
    let what = what.or_else(|| described(resolve(root, optional(property)?))).unwrap_or_default();
    let default = match property.get("default") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) if text.is_empty() => None,
        Some(_) if kind == Kind::Keys => None,
        Some(value) => Some(plain(value)),
    };
    Key { name: name.to_owned(), kind, default, required, what, inside }
}

// What a property is if it is there: `T` of `T` or null.
fn optional(property: &Value) -> Option<&Value> {
    match property.get("anyOf")?.as_array()?.as_slice() {
        [one, null] | [null, one] if null.get("type").and_then(Value::as_str) == Some("null") => Some(one),
        _ => None,
    }
}

// The maps that a schema describes: itself, and each way of writing it.
fn objects<'a>(root: &'a Value, schema: &'a Value, branch: bool, left: usize) -> Vec<Object<'a>> {
    let Some(left) = left.checked_sub(1) else { return Vec::new() };
    let Some(map) = resolve(root, schema).as_object() else { return Vec::new() };
    let mut found = Vec::new();
    if let Some(properties) = map.get("properties").and_then(Value::as_object) {
        let tag = properties.iter().find_map(|(name, property)| Some((name.as_str(), plain(property.get("const")?))));
        found.push(Object { map, branch, tag });
    }
    for list in ["oneOf", "anyOf", "allOf"] {
        for choice in map.get(list).and_then(Value::as_array).into_iter().flatten() {
            found.extend(objects(root, choice, branch || list != "allOf", left));
        }
    }
    found
}

/// What a `$ref` refers to; the schema itself where it is none.
pub(crate) fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let pointer = schema.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix('#'));
    pointer.and_then(|p| root.pointer(p)).unwrap_or(schema)
}

fn kind_of(root: &Value, property: &Value, left: usize) -> (Kind, Vec<Key>) {
    let Some(left) = left.checked_sub(1) else { return (Kind::Any, Vec::new()) };
    let schema = resolve(root, property);
    let has = |key: &str| schema.get(key).is_some();
    if property.get("writeOnly").or(schema.get("writeOnly")) == Some(&Value::Bool(true)) {
        return (Kind::Secret, Vec::new());
    }
    if schema.get("format").and_then(Value::as_str) == Some(COLUMN_TYPE_FORMAT) {
        return (Kind::ColumnType, Vec::new());
    }
    if let Some(values) = choice(schema) {
        return (Kind::Choice(values), Vec::new());
    }
    if !has("properties") && !has("type") {
        let choices = ["oneOf", "anyOf", "allOf"].iter().filter_map(|list| schema.get(*list)?.as_array()).flatten();
        let (mut kinds, mut inside): (Vec<Kind>, Vec<Key>) = (Vec::new(), Vec::new());
        for choice in choices.filter(|choice| choice.get("type").and_then(Value::as_str) != Some("null")) {
            let (kind, keys) = kind_of(root, choice, left);
            if kind == Kind::Keys && kinds.contains(&kind) {
                continue;
            }
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
            if inside.is_empty() {
                inside = keys;
            }
        }
        if kinds.contains(&Kind::Keys) {
            // Several ways of writing one map are told together.
            let together = keys_in(root, schema, left);
            inside = if together.is_empty() { inside } else { together };
        }
        // A number takes whole numbers.
        if kinds.contains(&Kind::Number) {
            kinds.retain(|kind| !matches!(kind, Kind::Whole(..)));
        }
        return match kinds.len() {
            0 => (Kind::Any, inside),
            1 => (kinds.remove(0), inside),
            _ => (Kind::Either(kinds), inside),
        };
    }
    let mut inside = Vec::new();
    let one = |name: &str, inside: &mut Vec<Key>| match name {
        "string" => Kind::Text,
        "integer" => {
            let bound = |key: &str| schema.get(key).and_then(Value::as_i64);
            Kind::Whole(bound("minimum"), bound("maximum"))
        }
        "number" => Kind::Number,
        "boolean" => Kind::Boolean,
        "array" => {
            let (item, keys) = schema.get("items").map_or((Kind::Any, Vec::new()), |i| kind_of(root, i, left));
            inside.extend(keys);
            Kind::List(Box::new(item))
        }
        "object" if has("properties") || has("oneOf") => {
            inside.extend(keys_in(root, schema, left));
            Kind::Keys
        }
        "object" => {
            let value = schema.get("additionalProperties").filter(|value| value.is_object());
            let (value, keys) = value.map_or((Kind::Any, Vec::new()), |value| kind_of(root, value, left));
            inside.extend(keys);
            Kind::Map(Box::new(value))
        }
        _ => Kind::Any,
    };
    let kinds: Vec<Kind> = match schema.get("type") {
        Some(Value::String(name)) => vec![one(name, &mut inside)],
        Some(Value::Array(names)) => {
            names.iter().filter_map(Value::as_str).filter(|n| *n != "null").map(|n| one(n, &mut inside)).collect()
        }
        _ => vec![one("object", &mut inside)],
    };
    let kind = match <[Kind; 1]>::try_from(kinds) {
        Ok([kind]) => kind,
        Err(kinds) => Kind::Either(kinds),
    };
    (kind, inside)
}

/// The values of a closed choice and what each means; nothing if the schema is none.
pub(crate) fn choice(schema: &Value) -> Option<Vec<(String, String)>> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let values = |list: &Vec<Value>, what: &str| -> Vec<(String, String)> {
        list.iter().filter(|v| !v.is_null()).map(|v| (text(v), what.to_owned())).collect()
    };
    if let Some(list) = schema.get("enum").and_then(Value::as_array) {
        return Some(values(list, ""));
    }
    if let Some(value) = schema.get("const") {
        let what = schema.get("description").and_then(Value::as_str).map(prose).unwrap_or_default();
        // `GET.` tells nothing of `get`.
        let bare = |text: &str| text.trim_matches(['`', '.']).to_lowercase();
        let what = if bare(&what) == bare(&text(value)) { String::new() } else { what };
        return Some(vec![(text(value), what)]);
    }
    let list = schema.get("oneOf")?.as_array()?;
    let mut all = Vec::new();
    for one in list {
        if one.get("properties").is_some() {
            return None;
        }
        all.extend(choice(one)?);
    }
    Some(all)
}

/// A value as it is written in YAML, on one line.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text)
            if text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && !text.contains(": ")
                && !matches!(text.as_str(), "true" | "false" | "null") =>
        {
            text.clone()
        }
        Value::Number(number) => match number.as_f64() {
            Some(x) if x.fract() == 0.0 && x.abs() < 1e15 => format!("{x}"),
            _ => number.to_string(),
        },
        other => other.to_string(),
    }
}

fn strings(list: Option<&Value>) -> impl Iterator<Item = &str> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printer::Wishes;
    use anstream::adapter::strip_str;
    use serde_json::json;

    fn table(schema: &Value) -> Option<String> {
        keys(&Printer::new(Wishes::default()), schema).map(|text| strip_str(&text).to_string())
    }

    #[test]
    fn a_schema_reads_as_a_list_of_keys() {
        let schema = json!({
            "type": "object",
            "properties": {
                "path": { "type": "string", "description": "Files to read.\n\nMore on it." },
                "format": { "anyOf": [{ "$ref": "#/$defs/Format" }, { "type": "null" }], "default": null },
                "compression": { "$ref": "#/$defs/Format", "default": "csv" },
                "on_error": { "enum": ["fail", "null", null] },
                "null_values": { "type": "array", "items": { "type": "string" }, "default": [] },
                "limit": { "type": ["integer", "null"], "minimum": 1, "description": "Rows at\nmost" },
                "token": { "type": ["string", "null"], "writeOnly": true },
                "share": { "type": "number", "default": 0.5 }
            },
            "required": ["path"],
            "$defs": { "Format": { "oneOf": [{ "const": "csv", "description": "c" }, { "const": "json" }], "description": "The format" } }
        });
        insta::assert_snapshot!(table(&schema).unwrap(), @"
        key          type                      default   what
        path         text                      required  Files to read.
        format       csv | json                -         The format
        compression  csv | json                csv       The format
        on_error     fail | null               -
        null_values  list of text              []
        limit        whole number, at least 1  -         Rows at most
        token        secret text               -
        share        number                    0.5
        ");
        assert!(table(&json!({ "type": "object", "properties": {} })).is_none());
    }

    #[test]
    fn maps_within_maps_are_told_with_their_paths_and_ways_of_writing_together() {
        let schema = json!({
            "type": "object",
            "properties": {
                "retry": { "$ref": "#/$defs/Retry" },
                "columns": { "type": "array", "items": { "$ref": "#/$defs/Column" } },
                "auth": { "anyOf": [{ "$ref": "#/$defs/Auth" }, { "type": "null" }] },
                "timeout": { "anyOf": [{ "type": "number" }, { "$ref": "#/$defs/Retry" }] },
                "by_name": { "type": "object", "additionalProperties": { "$ref": "#/$defs/Column" } }
            },
            "$defs": {
                "Retry": { "type": "object", "properties": { "delay": { "type": "number", "default": 1.0 } } },
                "Column": { "type": "object", "properties": { "name": { "type": "string" } }, "required": ["name"] },
                "Auth": { "oneOf": [
                    { "type": "object", "properties": { "kind": { "const": "basic" }, "user": { "type": "string", "description": "Who." } }, "required": ["kind", "user"] },
                    { "type": "object", "properties": { "kind": { "const": "none" } }, "required": ["kind"] }
                ] }
            }
        });
        insta::assert_snapshot!(table(&schema).unwrap(), @"
        key             type           default   what
        retry           map            -
        retry.delay     number         1
        columns         list of maps   -
        columns[].name  text           required
        auth            map            -
        auth.kind       basic | none   required
        auth.user       text           -         With `kind: basic`: Who.
        timeout         number or map  -
        timeout.delay   number         1
        by_name         map of maps    -
        by_name.*.name  text           required
        ");
    }

    #[test]
    fn a_way_of_writing_that_is_one_key_is_described_at_that_key() {
        let way = |name: &str, what: &str| json!({ "type": "object", "description": what, "properties": { name: { "type": "string" } }, "required": [name] });
        let schema = json!({ "type": "object", "properties": { "of": { "oneOf": [way("sum", "The sum."), way("min", "The least.")] } } });
        insta::assert_snapshot!(table(&schema).unwrap(), @"
        key     type  default  what
        of      map   -
        of.sum  text  -        The sum.
        of.min  text  -        The least.
        ");
    }

    #[test]
    fn broken_lines_of_a_comment_become_paragraphs() {
        assert_eq!(prose("one\ntwo\n\nthree\n- a\n- b\n"), "one two\n\nthree\n- a\n- b");
        assert_eq!(prose("see\n```yaml\na: 1\n  b: 2\n```\nend"), "see\n```yaml\na: 1\n  b: 2\n```\nend");
    }
}
