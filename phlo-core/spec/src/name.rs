//! Names: plugin kinds, capability types and asset keys, each parsed once and then trusted.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A name that is not one of a closed set, with what would have been.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} `{given}`{}", self.advice())]
pub struct UnknownName {
    /// What sort of name was wanted, e.g. `plugin kind`.
    pub what: &'static str,
    /// The name as written.
    pub given: String,
    /// The nearest valid name, if one is near.
    pub nearest: Option<String>,
    /// Every valid name, sorted.
    pub known: Vec<&'static str>,
}

impl UnknownName {
    fn advice(&self) -> String {
        match &self.nearest {
            Some(near) => format!("; did you mean `{near}`?"),
            None => format!("; known: {}", self.known.join(", ")),
        }
    }
}

macro_rules! closed_names {
    ($(#[$meta:meta])* $name:ident, $what:literal { $($(#[$vmeta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        pub enum $name {
            $($(#[$vmeta])* #[serde(rename = $text)] $variant),+
        }

        impl $name {
            /// Every value, in declaration order.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The name as written in files and on the command line.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::name::UnknownName;

            fn from_str(given: &str) -> Result<Self, $crate::name::UnknownName> {
                $name::ALL.iter().copied().find(|v| v.as_str() == given).ok_or_else(|| {
                    let mut known: Vec<_> = $name::ALL.iter().map(|v| v.as_str()).collect();
                    known.sort_unstable();
                    $crate::name::UnknownName { what: $what, given: given.to_owned(), nearest: $crate::diagnostic::nearest(given, known.iter().copied()), known }
                })
            }
        }
    };
}
pub(crate) use closed_names;

closed_names! {
    /// What a plugin is: which trait of `phlo-plugin` it implements.
    PluginKind, "plugin kind" {
        /// Rows from an external system.
        Source = "source",
        /// A check, made from parameters and executed by the engine.
        Quality = "quality",
        /// A reusable transformation of a table.
        Transform = "transform",
        /// The definition of an infrastructure service.
        Service = "service",
        /// Handlers of events on the hook bus.
        Hook = "hook",
        /// More `phlo` commands.
        Cli = "cli",
        /// Asset specs from Rust.
        Asset = "asset",
        /// Capability providers.
        Resource = "resource",
        /// A catalog's configuration for engines that need it written out.
        Catalog = "catalog",
        /// Translates specs into an orchestrator's own definitions.
        Orchestrator = "orchestrator",
        /// Resources, sensors and schedules added to the Dagster definitions.
        Dagster = "dagster",
        /// Named business models over published tables.
        Semantic = "semantic",
    }
}

closed_names! {
    /// What a provider can be asked for.
    CapabilityType, "capability type" {
        /// Stores tables: stages, audits and commits them atomically.
        TableStore = "table_store",
        /// Runs SQL.
        QueryEngine = "query_engine",
        /// Decides what runs when.
        Orchestrator = "orchestrator",
        /// Answers what ran and how it ended.
        RunHistory = "run_history",
        /// Answers a secret's value by its name.
        SecretStore = "secret_store",
        /// A system that tables are published to.
        PublishTarget = "publish_target",
        /// A catalog that other engines read tables through.
        Catalog = "catalog",
        /// Receives alerts.
        AlertSink = "alert_sink",
        /// Receives lineage.
        LineageSink = "lineage_sink",
        /// Receives descriptions of tables.
        MetadataCatalog = "metadata_catalog",
    }
}

/// A wanted capability: a type, and the provider's name when only that one will do. Written `type` or `type:name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CapabilityRef {
    /// The type that is wanted.
    pub capability: CapabilityType,
    /// The one provider that will do; any when absent.
    pub provider: Option<String>,
}

impl FromStr for CapabilityRef {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let (capability, provider) = match text.split_once(':') {
            Some((capability, provider)) => (capability, Some(provider.to_owned())),
            None => (text, None),
        };
        Ok(Self { capability: capability.parse()?, provider })
    }
}

impl fmt::Display for CapabilityRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.provider {
            Some(provider) => write!(f, "{}:{provider}", self.capability),
            None => write!(f, "{}", self.capability),
        }
    }
}

/// An asset's name: lower-case parts joined by dots, `group.name` at the least. The table that it makes has the same name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend("pattern" = r"^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)+$"))]
pub struct AssetKey(String);

impl AssetKey {
    /// Parses a key.
    ///
    /// # Errors
    /// Says which rule the text breaks: two or more parts, each of `a-z`, `0-9` and `_`, not starting with a digit.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidKey> {
        let text = text.into();
        let part_ok = |part: &str| {
            part.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b == b'_')
                && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        if text.split('.').count() >= 2 && text.split('.').all(part_ok) {
            Ok(Self(text))
        } else {
            Err(InvalidKey(text))
        }
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// All parts but the last, e.g. `bronze` of `bronze.flights`.
    pub fn group(&self) -> &str {
        self.0.rsplit_once('.').map_or("", |(group, _)| group)
    }

    /// The last part, e.g. `flights` of `bronze.flights`.
    pub fn name(&self) -> &str {
        self.0.rsplit_once('.').map_or(self.0.as_str(), |(_, name)| name)
    }

    /// The parts, in order.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('.')
    }
}

impl fmt::Display for AssetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for AssetKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        Self::new(text)
    }
}

impl<'de> Deserialize<'de> for AssetKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// A text that is not an asset key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an asset key: write `group.name` in lower-case letters, digits and `_`")]
pub struct InvalidKey(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asset_keys_have_two_or_more_lower_case_parts() {
        for good in ["bronze.flights", "a.b.c", "_x.y1"] {
            assert!(AssetKey::new(good).is_ok(), "{good}");
        }
        for bad in ["flights", "Bronze.x", "a..b", "a.1b", ".a", "a.", "a.b-c", ""] {
            assert!(AssetKey::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_unknown_name_tells_the_nearest() {
        let err = "tabel_store".parse::<CapabilityType>().unwrap_err();
        assert_eq!(err.to_string(), "unknown capability type `tabel_store`; did you mean `table_store`?");
        assert!("zzz".parse::<PluginKind>().unwrap_err().to_string().contains("known: asset, catalog"));
    }
}
