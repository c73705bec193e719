//! The kinds whose contract is small: `service`, `asset`, `catalog`, `orchestrator`, `dagster` and `semantic`.

use std::collections::BTreeMap;

use phlo_spec::project::ScheduleSpec;
use phlo_spec::service::ServiceSpec;
use phlo_spec::{AssetKey, AssetSpec, Code, Cron, InvalidCron};

use crate::context::{AnyPlugin, Plugin};
use crate::error::{Error, Result};

macro_rules! object_safe {
    ($(#[$meta:meta])* $any:ident for $kind:ident { $(fn $name:ident(&self $(, $arg:ident: $ty:ty)*) -> $out:ty;)+ }) => {
        $(#[$meta])*
        pub trait $any: AnyPlugin {
            $(
                /// See the method of the same name of the kind's trait.
                ///
                /// # Errors
                /// See there.
                fn $name(&self $(, $arg: $ty)*) -> $out;
            )+
        }
        impl<T: $kind> $any for T {
            $(fn $name(&self $(, $arg: $ty)*) -> $out { $kind::$name(self $(, $arg)*) })+
        }
    };
}

/// Kind `service`: the definition of an infrastructure service.
pub trait Service: Plugin {
    /// The definition, usually its `service.yaml` read with `Node::parse(include_str!("service.yaml"), ..)?.read()?`.
    ///
    /// # Errors
    /// What is wrong with the definition.
    fn definition(&self) -> Result<ServiceSpec>;
}

object_safe! {
    /// [`Service`], object-safe.
    AnyService for Service { fn definition(&self) -> Result<ServiceSpec>; }
}

/// Kind `asset`: asset specs from Rust.
pub trait AssetProvider: Plugin {
    /// The assets; their keys must not be in the project.
    ///
    /// # Errors
    /// What keeps it from working; only this plugin is then disabled.
    fn assets(&self) -> Result<Vec<AssetSpec>>;
}

object_safe! {
    /// [`AssetProvider`], object-safe.
    AnyAssetProvider for AssetProvider { fn assets(&self) -> Result<Vec<AssetSpec>>; }
}

/// Kind `catalog`: a catalog's configuration for engines that need it written out.
pub trait Catalog: Plugin {
    /// One set of properties for each engine that it knows.
    ///
    /// # Errors
    /// What keeps it from working.
    fn catalogs(&self) -> Result<Vec<CatalogProperties>>;

    /// Files beside the properties, e.g. a script that makes the tables known there: relative path and content.
    ///
    /// # Errors
    /// What keeps it from working, e.g. two tables that would have one name there.
    fn files(&self, tables: &[CatalogTable]) -> Result<Vec<(String, String)>> {
        let _ = tables;
        Ok(Vec::new())
    }
}

/// A table that exists, as a catalog sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogTable {
    /// The table.
    pub table: AssetKey,
    /// The table store that holds it, e.g. `delta`.
    pub store: String,
    /// Where it lies: a path of this machine, or a URL.
    pub location: String,
}

/// The configuration of a catalog for one engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogProperties {
    /// The engine, e.g. `trino`: letters, digits, `_` and `-`.
    pub target: String,
    /// The catalog's name there, of the same characters.
    pub name: String,
    /// The properties.
    pub properties: BTreeMap<String, String>,
}

object_safe! {
    /// [`Catalog`], object-safe.
    AnyCatalog for Catalog {
        fn catalogs(&self) -> Result<Vec<CatalogProperties>>;
        fn files(&self, tables: &[CatalogTable]) -> Result<Vec<(String, String)>>;
    }
}

/// What an orchestrator translates: the assets with what each depends on, in an order in which upstream comes first.
#[derive(Debug, Clone, Default)]
pub struct Definitions {
    /// The project's name.
    pub project: String,
    /// Assets and their direct dependencies.
    pub assets: Vec<(AssetSpec, Vec<AssetKey>)>,
    /// Schedules.
    pub schedules: Vec<ScheduleSpec>,
    /// What the selection of each schedule means, by the schedule's name; sorted.
    pub selections: BTreeMap<String, Vec<AssetKey>>,
    /// Modules of the Dagster extensions that are linked, by the extension's name.
    pub dagster: Vec<(String, DagsterModule)>,
}

/// An orchestrator's own definitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrchestratorOutput {
    /// Steps that phlo's own runtime executes: each asset and the assets that must have ended well before.
    Steps(Vec<(AssetKey, Vec<AssetKey>)>),
    /// Files for another orchestrator: relative path and content.
    Files(Vec<(String, String)>),
}

/// Five cron fields of which all programs for cron mean the same, for definitions that another program reads.
///
/// # Errors
/// [`Code::InvalidValue`] if the fields are none, or programs for cron disagree on what they mean.
pub fn agreed_cron(cron: &str) -> Result<Cron> {
    let fields = Cron::parse(cron).map_err(|err| {
        let why = match err {
            InvalidCron::Text(why, _) => why,
            InvalidCron::Never => "no such day ever comes".to_owned(),
        };
        Error::new(Code::InvalidValue, why).with("cron", cron).hint("write five cron fields, e.g. `0 2 * * *`")
    })?;
    if fields.disputed() {
        return Err(Error::new(Code::InvalidValue, format!("programs for cron disagree on which days `{cron}` means"))
            .hint("list the days, e.g. `1,3,5` in place of `*/2`, or give only one of the two fields for days"));
    }
    Ok(fields)
}

/// Kind `orchestrator`: translates the specs into an orchestrator's own definitions.
pub trait Orchestrator: Plugin {
    /// The definitions.
    ///
    /// # Errors
    /// What cannot be translated.
    fn build(&self, definitions: &Definitions) -> Result<OrchestratorOutput>;
}

object_safe! {
    /// [`Orchestrator`], object-safe.
    AnyOrchestrator for Orchestrator { fn build(&self, definitions: &Definitions) -> Result<OrchestratorOutput>; }
}

/// A Python module of Dagster resources, sensors or schedules that is added to the definitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DagsterModule {
    /// The module's name.
    pub name: String,
    /// Its text; defines `defs`, a `dagster.Definitions`.
    pub python: String,
    /// PyPI requirements of it.
    pub requirements: Vec<String>,
}

/// Kind `dagster`: resources, sensors and schedules added to the Dagster definitions.
pub trait DagsterExtension: Plugin {
    /// The modules.
    ///
    /// # Errors
    /// What keeps it from working.
    fn modules(&self) -> Result<Vec<DagsterModule>>;
}

object_safe! {
    /// [`DagsterExtension`], object-safe.
    AnyDagsterExtension for DagsterExtension { fn modules(&self) -> Result<Vec<DagsterModule>>; }
}

/// A named business model over published tables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SemanticModel {
    /// Its name.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// The query that it stands for.
    pub sql: Option<String>,
    /// Anything else that tools downstream read.
    pub metadata: BTreeMap<String, String>,
}

/// Kind `semantic`: named business models over published tables.
pub trait SemanticLayer: Plugin {
    /// The models.
    ///
    /// # Errors
    /// What keeps it from working.
    fn models(&self) -> Result<Vec<SemanticModel>>;

    /// One model by its name.
    ///
    /// # Errors
    /// What keeps it from working.
    fn model(&self, name: &str) -> Result<Option<SemanticModel>> {
        Ok(self.models()?.into_iter().find(|m| m.name == name))
    }
}

object_safe! {
    /// [`SemanticLayer`], object-safe.
    AnySemanticLayer for SemanticLayer {
        fn models(&self) -> Result<Vec<SemanticModel>>;
        fn model(&self, name: &str) -> Result<Option<SemanticModel>>;
    }
}
