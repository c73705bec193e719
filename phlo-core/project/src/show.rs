//! The resolved project for `config show`: each value, where it came from, and no secret.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use phlo_spec::secret::MASK;
use phlo_spec::{Node, NodeKind, Place};
use serde_json::{Map, Value, json};

use crate::interpolate::ShownTexts;
use crate::load::Project;
use crate::secrets::{is_secret_key, is_secret_section, without_password};
use crate::stores;

/// Where a value of `phlo.yaml` came from.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    /// The value's place; the key's, where the value is a list or a map.
    pub(crate) place: Option<Place>,
    /// The variables that are in it.
    variables: Vec<String>,
    /// What is shown in its place.
    mask: Option<String>,
}

/// The origin of each value by its path, e.g. `capabilities.defaults.table_store` or `plugins.allow[0]`.
pub(crate) fn origins(merged: &Node, texts: &ShownTexts) -> BTreeMap<String, Origin> {
    let mut all = BTreeMap::new();
    collect(merged, None, false, String::new(), texts, &mut all);
    all
}

fn collect(
    node: &Node,
    key: Option<&Node>,
    secret: bool,
    path: String,
    texts: &ShownTexts,
    all: &mut BTreeMap<String, Origin>,
) {
    let mut origin = Origin { place: node.place(), variables: Vec::new(), mask: None };
    match &node.kind {
        NodeKind::Map(entries) => {
            origin.place = key.unwrap_or(node).place();
            for (key, value) in entries {
                let name = key.as_str().unwrap_or_default();
                let below = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
                let secret = secret || is_secret_key(name) || is_secret_section(name);
                collect(value, Some(key), secret, below, texts, all);
            }
        }
        NodeKind::Seq(items) => {
            origin.place = key.unwrap_or(node).place();
            for (at, item) in items.iter().enumerate() {
                collect(item, None, secret, format!("{path}[{at}]"), texts, all);
            }
        }
        NodeKind::Null => origin.place = key.unwrap_or(node).place(),
        NodeKind::Bool(_) => {}
        NodeKind::Int(_) | NodeKind::Float(_) => origin.mask = secret.then(|| MASK.to_owned()),
        NodeKind::Str(text) => {
            let filled = texts.of(node);
            origin.variables = filled.map(|shown| shown.variables.clone()).unwrap_or_default();
            let shown = if secret {
                MASK.to_owned()
            } else {
                without_password(filled.map_or(text, |shown| &shown.text)).0.into_owned()
            };
            origin.mask = (shown != *text).then_some(shown);
        }
    }
    if !path.is_empty() {
        all.insert(path, origin);
    }
}

impl Project {
    /// The resolved configuration:
    ///
    /// ```json
    /// { "root": "/srv/my-lake", "state_dir": "/srv/my-lake/.phlo",
    ///   "config": { "name": "my_lake", "run": { "memory_mib": 256 }, … },
    ///   "sources": { "name": { "source": "file", "place": "phlo.yaml:1:7" },
    ///                "run.memory_mib": { "source": "default" },
    ///                "connections.api.auth_token": { "source": "environment", "place": "…", "variables": ["API_TOKEN"] } } }
    /// ```
    ///
    /// `sources` has one entry for each value below `config`. Secrets are `***`. What is not set and has no default is left out.
    ///
    /// `secrets` are the paths of values, or of what holds them, that a plugin's schema calls secret.
    pub fn show(&self, secrets: &BTreeSet<String>) -> Value {
        let mut config = serde_json::to_value(&self.file).unwrap_or(Value::Null);
        let named = |nodes: &BTreeMap<String, Node>| {
            Value::Object(nodes.iter().map(|(name, node)| (name.clone(), node.to_json())).collect())
        };
        let mut settings = Map::new();
        for ((kind, name), node) in &self.plugin_settings {
            let of_kind = settings.entry(kind.as_str()).or_insert_with(|| json!({}));
            of_kind[name.as_str()] = node.to_json();
        }
        config["storage"]["root"] = self.storage.root.as_str().into();
        config["plugins"]["settings"] = settings.into();
        config["connections"] = named(&self.connections);
        config["services"] = named(&self.services);
        for (capability, provider) in &self.environment_choices {
            config["capabilities"]["defaults"][capability.as_str()] = provider.as_str().into();
        }
        let mut sources = Map::new();
        self.describe(&mut config, String::new(), secrets, &mut sources);
        self.redactor.clean_json(&mut config);
        json!({ "root": self.root.to_string_lossy(), "state_dir": self.state_dir.to_string_lossy(), "config": config, "sources": sources })
    }

    fn describe(&self, value: &mut Value, path: String, secrets: &BTreeSet<String>, sources: &mut Map<String, Value>) {
        match value {
            Value::Object(entries) => {
                entries.retain(|_, value| !value.is_null());
                for (name, value) in entries {
                    let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    self.describe(value, below, secrets, sources);
                }
            }
            Value::Array(items) if !items.is_empty() => {
                for (at, item) in items.iter_mut().enumerate() {
                    let mut below = path.clone();
                    let _ = write!(below, "[{at}]");
                    self.describe(item, below, secrets, sources);
                }
            }
            _ => {
                // One that stands where a list is wanted is a list of one.
                let origin = self.origins.get(&path).or_else(|| self.origins.get(path.strip_suffix("[0]")?));
                let chosen = path
                    .strip_prefix("capabilities.defaults.")
                    .filter(|capability| self.environment_choices.keys().any(|chosen| chosen.as_str() == *capability));
                let (source, place, variables) = match (chosen, origin) {
                    (Some(capability), _) => {
                        ("environment", None, vec![format!("PHLO_CAPABILITY_{}", capability.to_ascii_uppercase())])
                    }
                    (None, Some(origin)) if origin.variables.is_empty() => ("file", origin.place.as_ref(), Vec::new()),
                    (None, Some(origin)) if origin.variables.iter().all(|it| it.starts_with(stores::PREFIX)) => {
                        ("secret_store", origin.place.as_ref(), origin.variables.clone())
                    }
                    (None, Some(origin)) => ("environment", origin.place.as_ref(), origin.variables.clone()),
                    (None, None) => ("default", None, Vec::new()),
                };
                if let (None, Some(mask)) = (chosen, origin.and_then(|origin| origin.mask.as_ref())) {
                    *value = mask.as_str().into();
                }
                let below = |above: &String| {
                    path.strip_prefix(above.as_str())
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
                };
                if !value.is_boolean() && secrets.iter().any(below) {
                    *value = MASK.into();
                }
                let mut described = json!({ "source": source });
                if let Some(place) = place {
                    described["place"] = place.to_string().into();
                }
                if !variables.is_empty() {
                    described["variables"] = variables.into();
                }
                sources.insert(path, described);
            }
        }
    }
}
