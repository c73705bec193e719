//! Another table in a check's parameters: an asset's, or what a source plugin reads.

use std::borrow::Cow;

use phlo_spec::secret::MASK;
use phlo_spec::text::hash;
use phlo_spec::{AssetKey, Node, NodeKind};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer};

use super::{CheckPlan, CheckTarget, quote};

/// A table that a check looks at beside its own, as its parameters name it: `GROUP.ASSET`, or a map as in an asset's `source:` —
/// `{connection: NAME, …}` or `{plugin: NAME, …}`.
#[derive(Debug, Clone)]
pub enum With {
    /// The published table of an asset.
    Asset(AssetKey),
    /// What a source reads, anew for each comparison.
    Source(Node),
}

impl<'de> Deserialize<'de> for With {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let node = Node::deserialize(deserializer)?;
        match &node.kind {
            NodeKind::Str(text) => AssetKey::new(text.clone()).map(Self::Asset).map_err(de::Error::custom),
            NodeKind::Map(_) if node.get("plugin").is_some() || node.get("connection").is_some() => {
                Ok(Self::Source(node))
            }
            _ => Err(de::Error::custom("expected `GROUP.ASSET`, or a map with `connection` or `plugin`")),
        }
    }
}

impl JsonSchema for With {
    fn schema_name() -> Cow<'static, str> {
        "With".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "string", "description": "An asset: GROUP.ASSET" },
                {
                    "type": "object",
                    "description": "What an asset's `source` holds: a connection or a plugin, and its config",
                    "additionalProperties": true,
                    "anyOf": [{ "required": ["connection"] }, { "required": ["plugin"] }]
                }
            ]
        })
    }
}

impl With {
    /// Whether it is the checked asset itself, whose table queries call `this`.
    pub fn is_this(&self, target: &CheckTarget) -> bool {
        matches!(self, Self::Asset(key) if *key == target.asset)
    }

    /// Its name in SQL. That of a source is made of what is read, so that results of before still tell it after an edit.
    pub fn table(&self, target: &CheckTarget) -> String {
        match self {
            Self::Asset(_) if self.is_this(target) => "this".to_owned(),
            Self::Asset(key) => key.parts().map(quote).collect::<Vec<_>>().join("."),
            Self::Source(node) => {
                let asset = target.asset.as_str().replace('.', "__");
                let said = format!("{node:?}");
                // What a variable held is not told: its place tells two of them apart.
                let place = if said.contains(MASK) {
                    format!("_{}_{}", node.span.line, node.span.column)
                } else {
                    String::new()
                };
                format!("_phlo_other_{asset}_{:016x}{place}", hash(&said))
            }
        }
    }

    /// For people: nothing of it is a secret.
    pub fn shown(&self) -> String {
        let node = match self {
            Self::Asset(key) => return key.to_string(),
            Self::Source(node) => node,
        };
        // What a variable held, and what a key calls secret, is masked in `Debug`.
        let open = |key: &str| {
            let value = node.get(key)?;
            let text = value.as_str()?;
            (format!("{value:?}") == format!("{:?}", value.kind)).then(|| text.to_owned())
        };
        let name = open("connection").or_else(|| open("plugin")).unwrap_or_else(|| "a source".to_owned());
        let what: Vec<_> = ["table", "query", "path", "endpoint"].into_iter().filter_map(open).collect();
        if what.is_empty() { name } else { format!("{name} {}", what.join(" ")) }
    }

    /// Adds it to what the check reads.
    pub fn read_by(self, plan: CheckPlan, target: &CheckTarget) -> CheckPlan {
        let table = self.table(target);
        match self {
            Self::Asset(_) => plan,
            Self::Source(node) => plan.reading(table, node),
        }
    }
}
