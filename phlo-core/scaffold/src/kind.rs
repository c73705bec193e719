//! The twelve kinds of plugins, as an author names them.

use std::fmt;
use std::str::FromStr;

use crate::Refusal;

macro_rules! kinds {
    ($($(#[$meta:meta])* $variant:ident = $text:literal, $example:literal;)+) => {
        /// A kind of plugin. As `phlo_spec::PluginKind`, which this crate does not know so that it stays quick to build.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind {
            $($(#[$meta])* $variant),+
        }

        impl Kind {
            /// Every kind, sorted by name.
            pub const ALL: &'static [Kind] = &[$(Kind::$variant),+];

            /// The kind as written in files and on the command line.
            pub const fn as_str(self) -> &'static str {
                match self { $(Kind::$variant => $text),+ }
            }

            /// A name that suits what the kind's template does: the guide of the kind uses it.
            pub const fn example(self) -> &'static str {
                match self { $(Kind::$variant => $example),+ }
            }
        }
    };
}

kinds! {
    /// Asset specs from Rust.
    Asset = "asset", "days";
    /// A catalog's configuration for engines that need it written out.
    Catalog = "catalog", "trino";
    /// More `phlo` commands.
    Cli = "cli", "folder-sizes";
    /// Resources, sensors and schedules added to the Dagster definitions.
    Dagster = "dagster", "nightly";
    /// Handlers of events on the hook bus.
    Hook = "hook", "failure-log";
    /// Translates specs into an orchestrator's own definitions.
    Orchestrator = "orchestrator", "make";
    /// A check, made from parameters and executed by the engine.
    Quality = "quality", "trimmed";
    /// Capability providers.
    Resource = "resource", "key-files";
    /// Named business models over published tables.
    Semantic = "semantic", "models";
    /// The definition of an infrastructure service.
    Service = "service", "valkey";
    /// Rows from an external system.
    Source = "source", "log-lines";
    /// A reusable transformation of a table.
    Transform = "transform", "trim";
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let found = Self::ALL.iter().copied().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|kind| kind.as_str()).collect();
            Refusal::new(format!("there is no kind `{text}`"), format!("one of {}", known.join(", ")))
        })
    }
}
