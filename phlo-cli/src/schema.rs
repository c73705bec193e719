//! The JSON Schema of a project's files as exactly this binary reads them: what editors complete and check from.
//!
//! The types and the linked plugins say what may be written. What phlo does while it reads is added to that: a variable may stand
//! for any value that is no list or map, one value for a list of one, and nothing for an empty section. Choices between plugins are
//! `if` and `then`, and what can be is one schema with several types rather than several schemas: editors tell mistakes and complete
//! best so.

use std::collections::BTreeSet;

use clap::ValueEnum;
use phlo_plugin::{Registration, Registry, Result};
use phlo_spec::asset::{AssetHeader, CheckHeader};
use phlo_spec::project::ProjectFile;
use phlo_spec::service::ServiceSpec;
use phlo_spec::{CapabilityType, PluginKind};
use schemars::{Schema, schema_for};
use serde_json::{Map, Value, json};

use crate::render::schema::{choice, prose};

/// The dialect.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
/// What a text with a variable in it matches.
const VARIABLE: &str = r"\$\{";
/// What says something of a value and asks nothing of it.
const ANNOTATIONS: &[&str] =
    &["title", "description", "markdownDescription", "default", "examples", "deprecated", "writeOnly"];
/// What holds other schemas, or asks for something whatever the type.
const ASKS: &[&str] = &["$ref", "enum", "const", "anyOf", "oneOf", "allOf", "if", "not"];

/// A file of a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Entry {
    /// phlo.yaml
    Project,
    /// An asset's YAML file
    Asset,
    /// The leading comment of an asset's SQL file
    Sql,
}

impl Entry {
    /// Its name, which is its definition in the whole document.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::Asset => "asset",
            Self::Sql => "sql",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Project => "phlo.yaml",
            Self::Asset => "An asset of phlo",
            Self::Sql => "The header of a SQL asset of phlo",
        }
    }
}

/// The schemas of every file.
pub(crate) struct Schemas {
    definitions: Map<String, Value>,
}

impl Schemas {
    /// Those of the plugins that are linked into this binary.
    ///
    /// # Errors
    /// Two of them have the same name.
    pub(crate) fn linked() -> Result<Self> {
        let registry = Registry::linked(phlo_bundle::KNOWN)?;
        let plugins: Vec<_> = registry.entries().map(|entry| entry.registration).collect();
        Ok(Self::of(&plugins))
    }

    /// Those of these plugins.
    pub(crate) fn of(plugins: &[&'static Registration]) -> Self {
        let mut compose = Compose { plugins, definitions: Map::new() };
        compose.project();
        compose.assets();
        Self { definitions: compose.definitions }
    }

    /// The schema of one kind of file, with all that it refers to; of every kind if none is named. That one tells a `phlo.yaml`
    /// from an asset by its `name`.
    pub(crate) fn document(&self, entry: Option<Entry>) -> Value {
        let title = entry.map_or("The files of phlo", Entry::title);
        let mut document = json!({ "$schema": DIALECT, "title": format!("{title} {}", env!("CARGO_PKG_VERSION")) });
        let (body, mut wanted) = match entry {
            Some(entry) => {
                let body = self.definitions.get(entry.name()).cloned().unwrap_or_default();
                let wanted = references(&body);
                (body, wanted)
            }
            None => (
                json!({
                    "if": { "required": ["name"] },
                    "then": reference("project"),
                    "else": reference("asset"),
                }),
                self.definitions.keys().cloned().collect(),
            ),
        };
        for (key, value) in body.as_object().into_iter().flatten().filter(|(key, _)| *key != "title") {
            document[key] = value.clone();
        }
        let mut reached = BTreeSet::new();
        while let Some(name) = wanted.pop_first() {
            if let Some(definition) = self.definitions.get(&name).filter(|_| !reached.contains(&name)) {
                wanted.extend(references(definition));
                reached.insert(name);
            }
        }
        let definitions = self.definitions.iter().filter(|(name, _)| reached.contains(*name));
        document["$defs"] = Value::Object(definitions.map(|(name, value)| (name.clone(), value.clone())).collect());
        document
    }
}

// What a schema refers to, by name.
fn references(schema: &Value) -> BTreeSet<String> {
    match schema {
        Value::Object(map) => {
            let own = map.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix("#/$defs/"));
            own.map(str::to_owned).into_iter().chain(map.values().flat_map(references)).collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => BTreeSet::new(),
    }
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

struct Compose<'a> {
    plugins: &'a [&'static Registration],
    definitions: Map<String, Value>,
}

impl Compose<'_> {
    fn of_kind(&self, kind: PluginKind) -> Vec<&'static Registration> {
        self.plugins.iter().copied().filter(|r| r.kind == kind).collect()
    }

    // A type's schema as phlo reads it; what it refers to becomes definitions below `name`.
    fn embed(&mut self, name: &str, schema: Schema) -> Map<String, Value> {
        let Value::Object(mut root) = schema.to_value() else { return Map::new() };
        let own = match root.remove("$defs") {
            Some(Value::Object(own)) => own,
            _ => Map::new(),
        };
        for key in ["$schema", "title"] {
            root.remove(key);
        }
        let mut root = Value::Object(root);
        rename(&mut root, name);
        let mut lookup = Map::new();
        for (key, mut definition) in own {
            rename(&mut definition, name);
            lookup.insert(format!("{name}.{key}"), definition);
        }
        let read = Read { definitions: &lookup };
        read.schema(&mut root);
        for (key, definition) in &lookup {
            let mut definition = definition.clone();
            read.schema(&mut definition);
            self.definitions.insert(key.clone(), definition);
        }
        match root {
            Value::Object(root) => root,
            _ => Map::new(),
        }
    }

    fn project(&mut self) {
        let mut root = self.embed("project", schema_for!(ProjectFile));
        let connections = self.connections();
        let services = self.services();
        let properties = properties(&mut root);
        properties.insert("connections".to_owned(), connections);
        properties.insert("services".to_owned(), services);
        if let Some(Value::Object(plugins)) = self.definitions.remove("project.PluginsSpec") {
            let plugins = self.plugins_section(plugins);
            self.definitions.insert("project.PluginsSpec".to_owned(), Value::Object(plugins));
        }
        if let Some(Value::Object(mut capabilities)) = self.definitions.remove("project.CapabilitiesSpec") {
            let description =
                capabilities.get("properties").and_then(|p| p.get("defaults")).cloned().unwrap_or_default();
            let section = either(self.providers(&description), json!({ "type": "null" }));
            self::properties(&mut capabilities).insert("defaults".to_owned(), section);
            self.definitions.insert("project.CapabilitiesSpec".to_owned(), Value::Object(capabilities));
        }
        empty_sections(&mut root, &["name"]);
        self.definitions.insert("project".to_owned(), Value::Object(root));
    }

    fn assets(&mut self) {
        let header = self.embed("asset", schema_for!(AssetHeader));
        let (source, target) = (self.source(), self.target());
        let (checks, transforms) = (self.checks(), self.transforms());
        for entry in [Entry::Asset, Entry::Sql] {
            let mut root = header.clone();
            let own = properties(&mut root);
            let overrides = self.providers(own.get("capability_overrides").unwrap_or(&Value::Null));
            own.insert("capability_overrides".to_owned(), overrides);
            empty_sections(&mut root, &[]);
            let own = properties(&mut root);
            if entry == Entry::Asset {
                own.insert("source".to_owned(), source.clone());
                own.insert("target".to_owned(), target.clone());
                let text = json!({ "type": "string" });
                own.insert(
                    "table".to_owned(),
                    describe(text.clone(), "The table that is published to `target`, whole."),
                );
                own.insert(
                    "query".to_owned(),
                    describe(text, "A query over tables, whose rows are published to `target`."),
                );
            }
            own.insert("checks".to_owned(), checks.clone());
            own.insert("transforms".to_owned(), transforms.clone());
            let text = match entry {
                Entry::Sql => "Settings of a SQL asset: the YAML in the `/* phlo … */` comment before its query.",
                _ => {
                    "An asset whose rows come from a source, or one that publishes to a target: `assets/GROUP/NAME.yaml`."
                }
            };
            root.remove("description");
            root.remove("markdownDescription");
            let Value::Object(mut whole) = describe(json!({}), text) else { continue };
            whole.insert("title".to_owned(), entry.title().into());
            whole.extend(root);
            if entry == Entry::Asset {
                let publishes =
                    |what: &str, not: &str| json!({ "required": ["target", what], "not": { "required": [not] } });
                let ways = json!([{ "required": ["source"], "not": { "required": ["target"] } }, publishes("table", "query"), publishes("query", "table")]);
                whole.insert("oneOf".to_owned(), ways);
            }
            self.definitions.insert(entry.name().to_owned(), Value::Object(whole));
        }
    }

    // The publish targets: the name that a project has for each, and what registered it.
    fn targets(&self) -> Vec<(&'static str, &'static Registration)> {
        let prefix = format!("{}:", CapabilityType::PublishTarget);
        let named = |r: &&'static Registration| {
            let names = r.provides.iter().filter_map(|provided| provided.strip_prefix(prefix.as_str()));
            names.map(|name| (name, *r)).collect::<Vec<_>>()
        };
        self.plugins.iter().flat_map(named).collect()
    }

    // `source:` of an asset.
    fn source(&mut self) -> Value {
        let plugins: Vec<_> = self.of_kind(PluginKind::Source).into_iter().map(|r| (r.name, r)).collect();
        self.chosen("source", &plugins, "The source plugin that delivers the rows.");
        let text = "Where the rows come from: `plugin: NAME` or `connection: NAME`, and the plugin's keys.";
        describe(reference("source"), text)
    }

    // `target:` of a publish asset.
    fn target(&mut self) -> Value {
        let plugins = self.targets();
        self.chosen("target", &plugins, "The publish target that the rows are sent to.");
        let text = "Where the rows are published: `plugin: NAME` or `connection: NAME`, and the target's keys.";
        describe(reference("target"), text)
    }

    // A section whose `plugin` decides about its other keys.
    fn chosen(&mut self, what: &str, plugins: &[(&'static str, &'static Registration)], of_plugin: &str) {
        let (mut rules, mut any) = (Vec::new(), Vec::new());
        for (plugin, registration) in plugins {
            let (config, required) = self.config(registration);
            let mut own = config.clone();
            let keys = properties(&mut own);
            for key in ["plugin", "connection"] {
                keys.insert(key.to_owned(), Value::Bool(true));
            }
            let name = format!("{what}.{plugin}");
            self.definitions.insert(name.clone(), Value::Object(own));
            any.push(reference(&name));
            let mut then = reference(&name);
            if !required.is_empty() {
                // What is not here, the connection may give.
                then["if"] = json!({ "not": { "required": ["connection"] } });
                then["then"] = json!({ "required": required });
            }
            let is_it = json!({ "properties": { "plugin": { "const": plugin } }, "required": ["plugin"] });
            rules.push(json!({ "if": is_it, "then": then }));
        }
        if !any.is_empty() {
            let by_connection = json!({ "required": ["connection"], "not": { "required": ["plugin"] } });
            rules.push(json!({ "if": by_connection, "then": { "anyOf": any } }));
        }
        let names: Vec<_> = plugins.iter().map(|(name, r)| ((*name).to_owned(), r.summary.to_owned())).collect();
        let connection =
            "A connection of `phlo.yaml`, whose keys hold unless they are given here; it names the plugin.";
        let section = json!({
            "type": "object",
            "properties": {
                "plugin": describe(choices(&names), of_plugin),
                "connection": describe(json!({ "type": "string" }), connection),
            },
            "anyOf": [{ "required": ["plugin"] }, { "required": ["connection"] }],
            "allOf": rules,
        });
        self.definitions.insert(what.to_owned(), section);
    }

    // A plugin's config as a closed map without required keys, and the keys that it requires.
    fn config(&mut self, plugin: &Registration) -> (Map<String, Value>, Vec<Value>) {
        let Some(config) = plugin.config else { return (Map::new(), Vec::new()) };
        let mut root = self.embed(&format!("{}.{}", plugin.kind, plugin.name), config());
        let required = match root.remove("required") {
            Some(Value::Array(required)) => required,
            _ => Vec::new(),
        };
        let several = ["oneOf", "anyOf", "allOf"].iter().any(|list| root.contains_key(*list));
        let mut closed = Map::new();
        closed.insert("title".to_owned(), format!("{} {}", plugin.kind, plugin.name).into());
        if several {
            // Several ways of writing it: which keys belong together only the plugin says.
            let mut all = Map::new();
            self.collect(&Value::Object(root.clone()), &mut all, 8);
            root.retain(|key, _| ANNOTATIONS.contains(&key.as_str()));
            root.insert("properties".to_owned(), Value::Object(all));
        }
        root.insert("type".to_owned(), "object".into());
        root.insert("additionalProperties".to_owned(), false.into());
        root.remove("unevaluatedProperties");
        closed.extend(root);
        let text = format!("{}. {}", plugin.summary, text_of(&closed, "description"));
        let Value::Object(closed) = describe(Value::Object(closed), text.trim()) else { return (Map::new(), required) };
        (closed, if several { Vec::new() } else { required })
    }

    fn collect(&self, schema: &Value, into: &mut Map<String, Value>, left: usize) {
        let Some(left) = left.checked_sub(1) else { return };
        if let Some(name) = schema["$ref"].as_str().and_then(|r| r.strip_prefix("#/$defs/"))
            && let Some(definition) = self.definitions.get(name)
        {
            self.collect(definition, into, left);
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let known = into.remove(name);
            let both = match known {
                Some(known) if known != *property => either(known, property.clone()),
                _ => property.clone(),
            };
            into.insert(name.clone(), both);
        }
        for one in ["oneOf", "anyOf", "allOf"].iter().filter_map(|list| schema[*list].as_array()).flatten() {
            self.collect(one, into, left);
        }
    }

    // `connections:` of `phlo.yaml`.
    fn connections(&mut self) -> Value {
        let sources: Vec<_> = self.of_kind(PluginKind::Source).into_iter().map(|r| (r.name, r)).collect();
        let targets = self.targets();
        let mut rules = Vec::new();
        for (what, other, plugins) in [("source", "target", &sources), ("target", "source", &targets)] {
            for (plugin, registration) in plugins {
                let (mut config, _) = self.config(registration);
                properties(&mut config).insert(what.to_owned(), Value::Bool(true));
                let name = format!("connection.{what}.{plugin}");
                self.definitions.insert(name.clone(), Value::Object(config));
                // What serves both has the keys that both know: which those are, phlo says.
                let is_it = json!({
                    "properties": { what: { "const": plugin } }, "required": [what], "not": { "required": [other] }
                });
                rules.push(json!({ "if": is_it, "then": reference(&name) }));
            }
        }
        let names = |plugins: &[(&'static str, &'static Registration)]| -> Vec<_> {
            plugins.iter().map(|(name, r)| ((*name).to_owned(), r.summary.to_owned())).collect()
        };
        let section = json!({
            "type": "object",
            "properties": {
                "source": describe(choices(&names(&sources)), "The source plugin that reads it."),
                "target": describe(choices(&names(&targets)), "The publish target that writes it."),
            },
            "anyOf": [{ "required": ["source"] }, { "required": ["target"] }],
            "allOf": rules,
        });
        self.definitions.insert("connection".to_owned(), describe(section, "What several assets know of one system."));
        describe(json!({ "type": "object", "additionalProperties": reference("connection") }), CONNECTIONS)
    }

    fn services(&mut self) -> Value {
        let mut properties = Map::new();
        for plugin in self.of_kind(PluginKind::Service) {
            if !self.definitions.contains_key("service") {
                let spec = self.embed("service", schema_for!(ServiceSpec));
                self.definitions.insert("service".to_owned(), either(Value::Object(spec), json!({ "type": "null" })));
            }
            properties.insert(plugin.name.to_owned(), describe(reference("service"), plugin.summary));
        }
        describe(json!({ "type": "object", "properties": properties, "additionalProperties": false }), SERVICES)
    }

    // `plugins:` of `phlo.yaml`.
    fn plugins_section(&mut self, mut section: Map<String, Value>) -> Map<String, Value> {
        let names: BTreeSet<_> = self.plugins.iter().map(|p| (p.name.to_owned(), String::new())).collect();
        let of_kinds = self.plugins.iter().map(|p| (format!("{}:{}", p.kind, p.name), p.summary.to_owned()));
        let names: Vec<_> = names.into_iter().chain(of_kinds).collect();
        let mut settings = Map::new();
        for kind in PluginKind::ALL {
            let mut of_kind = Map::new();
            for plugin in self.of_kind(*kind) {
                let mut own = self.embed(&format!("settings.{kind}.{}", plugin.name), (plugin.settings)());
                own.insert("type".to_owned(), "object".into());
                let none = own.get("properties").and_then(Value::as_object).is_none_or(Map::is_empty);
                let none = none && !ASKS.iter().any(|key| own.contains_key(*key));
                let text = if none { "It has no settings." } else { "" };
                let text = format!("{}. {text}", plugin.summary);
                let required = own.get("required").is_some();
                let own = describe(Value::Object(own), text.trim());
                let own = if required { own } else { either(own, json!({ "type": "null" })) };
                of_kind.insert(plugin.name.to_owned(), own);
            }
            let map = json!({ "type": ["object", "null"], "properties": of_kind, "additionalProperties": false });
            settings.insert(kind.to_string(), map);
        }
        let own = properties(&mut section);
        for list in ["allow", "deny"] {
            let text = own.get(list).map(|p| text_of_value(p, "description")).unwrap_or_default();
            let one = choices(&names);
            own.insert(list.to_owned(), describe(or_one(json!({ "type": "array", "items": one }), &one), &text));
        }
        let map = json!({ "type": ["object", "null"], "properties": settings, "additionalProperties": false });
        own.insert("settings".to_owned(), describe(map, SETTINGS));
        section
    }

    // A map from capability types to providers, with the description of another schema.
    fn providers(&self, of: &Value) -> Value {
        let types = choice(&schema_for!(CapabilityType).to_value()).unwrap_or_default();
        let mut properties = Map::new();
        for (capability, what) in types {
            let prefix = format!("{capability}:");
            let names: BTreeSet<_> =
                self.plugins.iter().flat_map(|p| p.provides).filter_map(|p| p.strip_prefix(&prefix)).collect();
            if !names.is_empty() {
                let names: Vec<_> = names.into_iter().map(|name| (name.to_owned(), String::new())).collect();
                properties.insert(capability, describe(choices(&names), &what));
            }
        }
        let section = json!({ "type": "object", "properties": properties, "additionalProperties": false });
        describe(section, &text_of_value(of, "description"))
    }

    fn checks(&mut self) -> Value {
        let header = self.embed("check", schema_for!(CheckHeader));
        let header = header.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
        let item = self.named(PluginKind::Quality, &|plugin, own| {
            own.extend(
                header
                    .iter()
                    .filter(|(key, _)| plugin.tolerance || *key != "tolerance")
                    .map(|(k, v)| (k.clone(), v.clone())),
            );
        });
        self.definitions.insert("check".to_owned(), item);
        let text = "What must hold before the rows become visible: one check an item, e.g. `- not_null: [id]`.";
        describe(json!({ "type": "array", "items": reference("check") }), text)
    }

    fn transforms(&mut self) -> Value {
        let item = self.named(PluginKind::Transform, &|_, _| {});
        self.definitions.insert("transform".to_owned(), item);
        let text =
            "What becomes of the rows before they are written, in order: one transform an item, e.g. `- drop: [a]`.";
        describe(json!({ "type": "array", "items": reference("transform") }), text)
    }

    // `NAME: parameters` of each plugin of a kind, or the name alone of one that needs none.
    fn named(&mut self, kind: PluginKind, add: &dyn Fn(&Registration, &mut Map<String, Value>)) -> Value {
        let (mut all, mut alone) = (Map::new(), Vec::new());
        for plugin in self.of_kind(kind) {
            let (mut params, required) = self.config(plugin);
            let short = plugin.shorthand.and_then(|key| params.get("properties")?.get(key)).cloned();
            add(plugin, properties(&mut params));
            if required.is_empty() {
                alone.push(plugin.name);
            } else {
                params.insert("required".to_owned(), Value::Array(required.clone()));
            }
            let mut schema = Value::Object(params);
            if let Some(short) = short {
                schema = either(schema, asked(&short));
            }
            if required.is_empty() {
                schema = either(schema, json!({ "type": "null" }));
            }
            let name = format!("{kind}.{}", plugin.name);
            self.definitions.insert(name.clone(), schema);
            all.insert(plugin.name.to_owned(), describe(reference(&name), plugin.summary));
        }
        let what = if kind == PluginKind::Quality { "a check" } else { "a transform" };
        json!({
            "type": ["object", "string"],
            "properties": all,
            "additionalProperties": false,
            "minProperties": 1,
            "maxProperties": 1,
            "pattern": if alone.is_empty() { VARIABLE.to_owned() } else { format!("^({})$|{VARIABLE}", alone.join("|")) },
            "patternErrorMessage": format!("{what} is its name with its parameters"),
        })
    }
}

const CONNECTIONS: &str = "What several assets know of one system, by name. An asset names one with `source: {connection: NAME}`; \
                           what it gives itself wins.";
const SERVICES: &str = "Changes to the definitions of service plugins, by their names.";
const SETTINGS: &str = "Settings of plugins, by their kind and name.";

fn properties(schema: &mut Map<String, Value>) -> &mut Map<String, Value> {
    let properties = schema.entry("properties").or_insert_with(|| json!({}));
    if !properties.is_object() {
        *properties = json!({});
    }
    properties.as_object_mut().expect("it was just made one")
}

// The description where there is none, and the same for editors that show Markdown.
fn describe(mut schema: Value, text: &str) -> Value {
    if !text.is_empty() {
        schema["description"] = text.into();
        schema["markdownDescription"] = text.into();
    }
    schema
}

fn text_of(schema: &Map<String, Value>, key: &str) -> String {
    schema.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn text_of_value(schema: &Value, key: &str) -> String {
    schema.as_object().map(|map| text_of(map, key)).unwrap_or_default()
}

// One of these texts, each with what it means, or a variable.
fn choices(values: &[(String, String)]) -> Value {
    let names: Vec<_> = values.iter().map(|(name, _)| name).collect();
    let mut one = json!({ "type": "string", "enum": names });
    if values.iter().any(|(_, what)| !what.is_empty()) {
        let meanings: Vec<_> = values.iter().map(|(_, what)| what).collect();
        one["markdownEnumDescriptions"] = json!(meanings);
    }
    either(one, variable())
}

fn variable() -> Value {
    json!({ "type": "string", "pattern": VARIABLE })
}

// Everything that a section may be, and nothing at all.
fn empty_sections(root: &mut Map<String, Value>, but: &[&str]) {
    for (name, section) in properties(root) {
        if !but.contains(&name.as_str()) {
            *section = either(section.take(), json!({ "type": "null" }));
        }
    }
}

// A `$ref` of a type's own schema, under the name that the definition has here.
fn rename(schema: &mut Value, name: &str) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::String(to)) = map.get_mut("$ref") {
                if let Some(own) = to.strip_prefix("#/$defs/") {
                    *to = format!("#/$defs/{name}.{own}");
                } else if to == "#" {
                    *to = format!("#/$defs/{name}");
                }
            }
            map.values_mut().for_each(|value| rename(value, name));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, name)),
        _ => {}
    }
}

fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

// What a schema asks, without what it says.
fn asked(schema: &Value) -> Value {
    match schema {
        Value::Object(map) => Value::Object(
            map.iter()
                .filter(|(key, _)| !ANNOTATIONS.contains(&key.as_str()))
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect(),
        ),
        other => other.clone(),
    }
}

// What fits one or the other; what is said of the first stays. One schema where each asks something of its own types only.
fn either(one: Value, other: Value) -> Value {
    let (Value::Object(mut first), Value::Object(second)) = (one.clone(), other.clone()) else {
        return if one == Value::Bool(true) { one } else { other };
    };
    let simple = |map: &Map<String, Value>| map.contains_key("type") && !ASKS.iter().any(|key| map.contains_key(*key));
    let shared = |key: &String| key != "type" && !ANNOTATIONS.contains(&key.as_str()) && first.contains_key(key);
    let apart = !types(&one).iter().any(|name| types(&other).contains(name)) && !second.keys().any(shared);
    let null_too = second.len() == 1 && types(&other) == ["null"] && first.contains_key("type");
    let closed = ["enum", "const", "$ref", "anyOf", "oneOf"].iter().any(|key| first.contains_key(*key));
    if apart && (simple(&first) && simple(&second) || null_too && !closed) {
        let all: Vec<_> = types(&one).into_iter().chain(types(&other)).map(str::to_owned).collect();
        for (key, value) in second.into_iter().filter(|(key, _)| !ANNOTATIONS.contains(&key.as_str())) {
            first.insert(key, value);
        }
        first.insert("type".to_owned(), json!(all));
        return Value::Object(first);
    }
    let (said, rest): (Map<String, Value>, Map<String, Value>) =
        first.into_iter().partition(|(key, _)| ANNOTATIONS.contains(&key.as_str()));
    let ways = |schema: Map<String, Value>| {
        let only = schema.get("anyOf").and_then(Value::as_array).filter(|_| schema.len() == 1).cloned();
        only.unwrap_or_else(|| vec![Value::Object(schema)])
    };
    let mut all = ways(rest);
    for way in asked(&other).as_object().cloned().map(ways).unwrap_or_default() {
        if !all.contains(&way) {
            all.push(way);
        }
    }
    let mut schema = said;
    schema.insert("anyOf".to_owned(), Value::Array(all));
    Value::Object(schema)
}

// A list, or a single item that is neither a list nor a map.
fn or_one(list: Value, item: &Value) -> Value {
    const SINGLE: [&str; 4] = ["string", "integer", "number", "boolean"];
    let single = |schema: &Value| types(schema).iter().any(|name| SINGLE.contains(name));
    let narrow = |schema: &Value| {
        let mut schema = asked(schema);
        let kept: Vec<_> = types(&schema).into_iter().filter(|name| SINGLE.contains(name)).map(str::to_owned).collect();
        schema["type"] = if let [one] = kept.as_slice() { json!(one) } else { json!(kept) };
        schema
    };
    if single(item) {
        return either(list, narrow(item));
    }
    match item.get("anyOf").and_then(Value::as_array) {
        Some(ways) => ways.iter().filter(|way| single(way)).fold(list, |list, way| either(list, narrow(way))),
        None => list,
    }
}

// Makes a type's schema what phlo reads.
struct Read<'a> {
    definitions: &'a Map<String, Value>,
}

impl Read<'_> {
    fn schema(&self, schema: &mut Value) {
        let Value::Object(map) = schema else { return };
        // Numbers' widths are Rust's; no default is none.
        let empty = |value: &Value| match value {
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            // The keys of a map have their own.
            Value::Null | Value::Object(_) => true,
            _ => false,
        };
        if map.get("default").is_some_and(empty) {
            map.remove("default");
        }
        map.remove("format");
        map.remove("title");
        if let Some(text) = map.get("description").and_then(Value::as_str).map(prose) {
            map.insert("description".to_owned(), text.clone().into());
            map.insert("markdownDescription".to_owned(), text.into());
        }
        if !map.contains_key("properties")
            && let Some(values) = choice(&Value::Object(map.clone()))
        {
            return self.choice(schema, &values);
        }
        let Value::Object(map) = schema else { return };
        // Each way of writing may come to take a variable: then several fit.
        if let Some(ways) = map.remove("oneOf") {
            map.insert("anyOf".to_owned(), ways);
        }
        for (key, below) in map.iter_mut() {
            match (key.as_str(), below) {
                ("properties" | "patternProperties", Value::Object(named)) => {
                    named.values_mut().for_each(|schema| self.schema(schema));
                }
                ("anyOf" | "allOf" | "prefixItems", Value::Array(list)) => {
                    list.iter_mut().for_each(|schema| self.schema(schema));
                }
                ("items" | "additionalProperties", below) => self.schema(below),
                _ => {}
            }
        }
        self.widen(schema);
    }

    fn choice(&self, schema: &mut Value, values: &[(String, String)]) {
        let Value::Object(map) = schema else { return };
        let null = map.get("enum").and_then(Value::as_array).is_some_and(|list| list.contains(&Value::Null))
            || types(&Value::Object(map.clone())).contains(&"null");
        let texts = |list: &Value| match list {
            Value::Array(list) => list.iter().all(|v| v.is_string() || v.is_null()),
            other => other.is_string(),
        };
        if ["enum", "const"].iter().filter_map(|key| map.get(*key)).all(texts) {
            map.retain(|key, _| ANNOTATIONS.contains(&key.as_str()));
            let said = Value::Object(std::mem::take(map));
            let mut widened = choices(values);
            if null {
                widened = either(widened, json!({ "type": "null" }));
            }
            for (key, value) in said.as_object().into_iter().flatten() {
                widened[key] = value.clone();
            }
            *schema = widened;
        } else {
            *schema = either(schema.take(), variable());
        }
    }

    fn widen(&self, schema: &mut Value) {
        let own: Vec<String> = types(schema).into_iter().map(str::to_owned).collect();
        let is = |name: &str| own.iter().any(|own| own == name);
        if is("array") && schema.get("prefixItems").is_none() {
            let item = match schema.get("items") {
                None | Some(Value::Bool(true)) => json!({ "type": ["string", "number", "boolean"] }),
                Some(item) => self.followed(item),
            };
            *schema = or_one(schema.take(), &item);
        }
        if is("string") {
            if let Some(pattern) = schema.get("pattern").and_then(Value::as_str) {
                schema["pattern"] = format!("{pattern}|{VARIABLE}").into();
            }
            if schema.get("maxLength").is_some() {
                *schema = either(schema.take(), variable());
            }
            return;
        }
        let said = [("integer", "a whole number"), ("number", "a number"), ("boolean", "true or false")];
        if let Some((_, what)) = said.iter().find(|(name, _)| is(name))
            && !types(schema).contains(&"string")
        {
            let message = format!("expected {what}, or a variable such as ${{NAME}}");
            *schema =
                either(schema.take(), json!({ "type": "string", "pattern": VARIABLE, "patternErrorMessage": message }));
        }
    }

    // An item's schema, through a reference to what is neither a list nor a map.
    fn followed(&self, item: &Value) -> Value {
        let Some(name) = item.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix("#/$defs/")) else {
            return item.clone();
        };
        let mut definition = self.definitions.get(name).cloned().unwrap_or_default();
        self.schema(&mut definition);
        definition
    }
}
