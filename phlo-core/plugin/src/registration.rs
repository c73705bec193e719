//! How plugins come to be in the binary: a crate states its package facts once and registers each plugin, both at link time.
//!
//! `inventory` and `linkme` are named in this module and in [`crate::registry::Registry::linked`] alone.

use std::sync::Arc;

use phlo_spec::{CapabilityType, Node, PluginKind};
use schemars::Schema;

use crate::context::InitContext;
use crate::error::Result;
use crate::fingerprint::schema_hash;
use crate::registry::guard;
use crate::{hook, kinds, quality, resource, source, transform};

/// A plugin that was made, by kind.
#[derive(Clone)]
pub enum Instance {
    /// Kind `source`.
    Source(Arc<dyn source::AnySource>),
    /// Kind `quality`.
    Quality(Arc<dyn quality::AnyQuality>),
    /// Kind `transform`.
    Transform(Arc<dyn transform::AnyTransform>),
    /// Kind `service`.
    Service(Arc<dyn kinds::AnyService>),
    /// Kind `hook`.
    Hook(Arc<dyn hook::AnyHook>),
    /// Kind `cli`.
    #[cfg(feature = "cli")]
    Cli(Arc<dyn crate::cli::AnyCliExtension>),
    /// Kind `asset`.
    Asset(Arc<dyn kinds::AnyAssetProvider>),
    /// Kind `resource`.
    Resource(Arc<dyn resource::AnyResource>),
    /// Kind `catalog`.
    Catalog(Arc<dyn kinds::AnyCatalog>),
    /// Kind `orchestrator`.
    Orchestrator(Arc<dyn kinds::AnyOrchestrator>),
    /// Kind `dagster`.
    Dagster(Arc<dyn kinds::AnyDagsterExtension>),
    /// Kind `semantic`.
    Semantic(Arc<dyn kinds::AnySemanticLayer>),
}

impl Instance {
    /// What every plugin offers.
    pub fn plugin(&self) -> &dyn crate::context::AnyPlugin {
        match self {
            Self::Source(p) => p.as_ref(),
            Self::Quality(p) => p.as_ref(),
            Self::Transform(p) => p.as_ref(),
            Self::Service(p) => p.as_ref(),
            Self::Hook(p) => p.as_ref(),
            #[cfg(feature = "cli")]
            Self::Cli(p) => p.as_ref(),
            Self::Asset(p) => p.as_ref(),
            Self::Resource(p) => p.as_ref(),
            Self::Catalog(p) => p.as_ref(),
            Self::Orchestrator(p) => p.as_ref(),
            Self::Dagster(p) => p.as_ref(),
            Self::Semantic(p) => p.as_ref(),
        }
    }
}

/// One plugin of the binary, as stated at link time; nothing of the plugin has run yet.
pub struct Registration {
    /// Its kind.
    pub kind: PluginKind,
    /// Its name, unique within the kind: lower-case letters, digits and `_`.
    pub name: &'static str,
    /// What it is, under 80 characters.
    pub summary: &'static str,
    /// The package that it is in.
    pub package: &'static str,
    /// Capabilities without which it does not work, `type` or `type:name`.
    pub requires: &'static [&'static str],
    /// Capabilities that it uses if they are there.
    pub optional: &'static [&'static str],
    /// Capabilities that it provides, `type:name`.
    pub provides: &'static [&'static str],
    /// The JSON Schema of its settings.
    pub settings: fn() -> Schema,
    /// The JSON Schema of what users write for it in assets: a source's or publish target's config, a check's or transform's
    /// parameters.
    pub config: Option<fn() -> Schema>,
    /// The parameter that is meant where a check or transform is written without a map.
    pub shorthand: Option<&'static str>,
    /// Whether `tolerance` has a say in the check; false for what is no check.
    pub tolerance: bool,
    /// Makes it from its settings.
    pub construct: fn(&Node, &InitContext) -> Result<Instance>,
}

impl Registration {
    /// The SHA-256 of the canonical JSON Schema of what users write for it in assets; `None` of kinds that have no such thing, and of
    /// a plugin that panics over it.
    pub fn config_hash(&self) -> Option<String> {
        self.config.and_then(|schema| self.hash(schema))
    }

    /// The SHA-256 of the canonical JSON Schema of its settings; `None` of a plugin that panics over it.
    pub fn settings_hash(&self) -> Option<String> {
        self.hash(self.settings)
    }

    fn hash(&self, schema: fn() -> Schema) -> Option<String> {
        guard(self.name, "its schema", || Ok(schema_hash(&schema()))).ok()
    }
}

inventory::collect!(Registration);

/// What a package says of itself in its `Cargo.toml`; see [`crate::package!`].
#[derive(Debug, Clone, Copy)]
pub struct PackageFacts {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// One line.
    pub description: &'static str,
    /// Its authors, joined by `:`.
    pub authors: &'static str,
    /// Its licence, as an SPDX expression.
    pub license: &'static str,
    /// Its homepage.
    pub homepage: &'static str,
    /// Its repository.
    pub repository: &'static str,
    /// Its whole `Cargo.toml`, for what Cargo tells no compiler: keywords, documentation, `[package.metadata.phlo]`.
    pub manifest: &'static str,
    /// Its `README.md`.
    pub readme: &'static str,
    /// Its `examples/minimal.yaml`.
    pub example: &'static str,
}

impl PackageFacts {
    fn manifest_value(&self, path: &[&str]) -> Option<toml::Value> {
        let mut value: toml::Value = toml::from_str(self.manifest).ok()?;
        for key in path {
            value = value.get(key)?.clone();
        }
        Some(value)
    }

    /// Its tags: the keywords of `Cargo.toml`.
    pub fn tags(&self) -> Vec<String> {
        let keywords = self.manifest_value(&["package", "keywords"]);
        let items = keywords.as_ref().and_then(|v| v.as_array()).cloned().unwrap_or_default();
        items.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect()
    }

    /// Its tier: `core` or `extra`.
    pub fn tier(&self) -> String {
        self.manifest_value(&["package", "metadata", "phlo", "tier"])
            .and_then(|v| v.as_str().map(str::to_owned))
            .unwrap_or_else(|| "extra".to_owned())
    }

    /// The groups of plugins that it is in beside `full`: `default`, `minimal`.
    pub fn groups(&self) -> Vec<String> {
        let groups = self.manifest_value(&["package", "metadata", "phlo", "groups"]);
        let items = groups.as_ref().and_then(|v| v.as_array()).cloned().unwrap_or_default();
        items.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect()
    }

    /// Where its documentation is, if it says so.
    pub fn documentation(&self) -> Option<String> {
        self.manifest_value(&["package", "documentation"]).and_then(|v| v.as_str().map(str::to_owned))
    }
}

/// The packages of the binary that hold plugins.
#[linkme::distributed_slice]
pub static PACKAGES: [PackageFacts];

/// A plugin that exists, linked or not: a row of the table that `cargo xtask codegen` writes into `phlo-bundle`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownPlugin {
    /// Its kind.
    pub kind: &'static str,
    /// Its name.
    pub name: &'static str,
    /// The package that it is in.
    pub package: &'static str,
    /// The cargo feature that links it.
    pub feature: &'static str,
    /// One line.
    pub summary: &'static str,
    /// Whether this binary links it.
    pub linked: bool,
}

impl KnownPlugin {
    /// The next step of somebody who needs it and does not have it, as a hint.
    pub fn how_to_build(&self) -> String {
        format!(
            "or `phlo build --from phlo.yaml`, which links what the project uses, or `phlo build --features {}`",
            self.feature
        )
    }

    /// Whether it is, by its kind and the house rule for names (a folder is `<kind>-<name>`, a provider is named as its plugin),
    /// one that provides the capability. Nothing more is known of a plugin that is not linked.
    pub fn seems_to_provide(&self, capability: CapabilityType) -> bool {
        let resource = |prefix: &str| self.kind == "resource" && self.feature.starts_with(prefix);
        match capability {
            CapabilityType::Orchestrator => self.kind == "orchestrator",
            CapabilityType::TableStore => resource("table-"),
            CapabilityType::QueryEngine => resource("engine-"),
            CapabilityType::RunHistory => resource("hook-history"),
            CapabilityType::PublishTarget => resource("publish-"),
            CapabilityType::SecretStore => resource("secret-"),
            CapabilityType::Catalog => resource("catalog-"),
            CapabilityType::AlertSink => resource("alert-"),
            CapabilityType::LineageSink => resource("lineage-"),
            CapabilityType::MetadataCatalog => resource("metadata-"),
        }
    }
}

/// States the facts of a plugin package, from its own `Cargo.toml`, `README.md` and `examples/minimal.yaml`. Once per crate.
///
/// `package!(bare)` is for crates that have only a `Cargo.toml`.
#[macro_export]
macro_rules! package {
    () => {
        $crate::package! { @facts include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")),
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/minimal.yaml")) }
    };
    (bare) => {
        $crate::package! { @facts "", "" }
    };
    (@facts $readme:expr, $example:expr) => {
        const _: () = {
            #[$crate::__private::linkme::distributed_slice($crate::registration::PACKAGES)]
            #[linkme(crate = $crate::__private::linkme)]
            static PACKAGE: $crate::PackageFacts = $crate::PackageFacts {
                name: env!("CARGO_PKG_NAME"),
                version: env!("CARGO_PKG_VERSION"),
                description: env!("CARGO_PKG_DESCRIPTION"),
                authors: env!("CARGO_PKG_AUTHORS"),
                license: env!("CARGO_PKG_LICENSE"),
                homepage: env!("CARGO_PKG_HOMEPAGE"),
                repository: env!("CARGO_PKG_REPOSITORY"),
                manifest: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")),
                readme: $readme,
                example: $example,
            };
        };
    };
}

/// Registers a plugin: `register!(Source, MySource, name = "my_api", summary = "…")`, then, each optional and in this order,
/// `requires = ["table_store"]`, `optional = ["secret_store"]`, `provides = ["table_store:delta"]`, and, for a resource that assets
/// configure (a publish target), `config = MyConfig`.
///
/// The first word is the kind's trait: Source, Quality, Transform, Service, Hook, Cli, Asset, Resource, Catalog, Orchestrator,
/// Dagster or Semantic.
#[macro_export]
macro_rules! register {
    ($kind:ident, $ty:ty, name = $name:literal, summary = $summary:literal
        $(, requires = [$($requires:literal),* $(,)?])? $(, optional = [$($optional:literal),* $(,)?])?
        $(, provides = [$($provides:literal),* $(,)?])? $(, config = $config:ty)? $(,)?) => {
        const _: () = {
            $crate::__private::inventory::submit! {
                $crate::Registration {
                    kind: $crate::__private::phlo_spec::PluginKind::$kind,
                    name: $name,
                    summary: $summary,
                    package: env!("CARGO_PKG_NAME"),
                    requires: &[$($($requires),*)?],
                    optional: &[$($($optional),*)?],
                    provides: &[$($($provides),*)?],
                    settings: || $crate::__private::schemars::schema_for!(<$ty as $crate::context::Plugin>::Settings),
                    config: $crate::register!(@config $kind $ty $(, $config)?),
                    shorthand: $crate::register!(@shorthand $kind $ty),
                    tolerance: $crate::register!(@tolerance $kind $ty),
                    construct: |settings, context| {
                        let plugin = <$ty as $crate::context::Plugin>::create(settings.read()?, context)?;
                        Ok($crate::registration::Instance::$kind(::std::sync::Arc::new(plugin)))
                    },
                }
            }
        };
    };
    (@config Source $ty:ty) => { Some(|| $crate::__private::schemars::schema_for!(<$ty as $crate::source::Source>::Config)) };
    (@config Quality $ty:ty) => { Some(|| $crate::__private::schemars::schema_for!(<$ty as $crate::quality::Quality>::Params)) };
    (@config Transform $ty:ty) => { Some(|| $crate::__private::schemars::schema_for!(<$ty as $crate::transform::Transform>::Params)) };
    (@config $kind:ident $ty:ty) => { None };
    (@config Resource $ty:ty, $config:ty) => { Some(|| $crate::__private::schemars::schema_for!($config)) };
    (@config $kind:ident $ty:ty, $config:ty) => {
        compile_error!("only a resource states its config here: the trait of another kind has a type for it")
    };
    (@shorthand Quality $ty:ty) => { <$ty as $crate::quality::Quality>::SHORTHAND };
    (@shorthand Transform $ty:ty) => { <$ty as $crate::transform::Transform>::SHORTHAND };
    (@shorthand $kind:ident $ty:ty) => { None };
    (@tolerance Quality $ty:ty) => { <$ty as $crate::quality::Quality>::TOLERANCE };
    (@tolerance $kind:ident $ty:ty) => { false };
}

/// Registers a check that has no settings: a unit struct that implements [`Quality`](crate::quality::Quality).
///
/// ```
/// use phlo_plugin::prelude::*;
///
/// /// A column's values are above zero; null passes.
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Params {
///     /// The column.
///     column: String,
/// }
///
/// struct Positive;
///
/// impl Quality for Positive {
///     type Params = Params;
///
///     fn check(&self, Params { column }: Params, _: &CheckTarget) -> Result<CheckPlan> {
///         let rule = Evaluation::rows(format!("{} > 0", phlo_plugin::quality::quote(&column)));
///         Ok(CheckPlan::new(check_name("positive", &column), format!("{column} above 0"), rule).on([column]))
///     }
/// }
///
/// phlo_plugin::register_check!(Positive, name = "positive", summary = "A column's values are above zero");
/// ```
#[macro_export]
macro_rules! register_check {
    ($ty:ty, name = $name:literal, summary = $summary:literal $(,)?) => {
        impl $crate::context::Plugin for $ty {
            type Settings = $crate::NoSettings;

            fn create(_: $crate::NoSettings, _: &$crate::InitContext) -> $crate::Result<Self> {
                Ok(Self)
            }
        }
        $crate::register!(Quality, $ty, name = $name, summary = $summary);
    };
}
