//! A plugin of each kind that does the least its kind may: what proves the contract of kinds without a real plugin, and what tests
//! of the platform run on.
//!
//! Nothing here is linked into a test by itself. A test registers a double with `phlo_plugin::register!`, or takes its
//! [`Registration`] from here and changes what it wants: `leak(Registration { name: "other", ..doubles::SOURCE })`.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{Int64Array, StringArray};
use futures::StreamExt;
use futures::stream;
use phlo_plugin::Registration;
use phlo_plugin::cli::{CliOutput, clap};
use phlo_plugin::prelude::*;
use phlo_plugin::quality::quote;
use phlo_plugin::registration::Instance;
use phlo_plugin::resource::SecretStore;
use phlo_spec::service::ServiceSpec;
use phlo_spec::{AssetSpec, CapabilityType, PluginKind};
use schemars::{JsonSchema, Schema as JsonSchemaOf, schema_for};
use serde::Deserialize;

use crate::fixture;

/// The name of every double.
pub const NAME: &str = "double";

macro_rules! registration {
    ($constant:ident, $kind:ident, $double:ident, $summary:literal, $config:expr, $provides:expr) => {
        #[doc = concat!("Registers [`", stringify!($double), "`].")]
        pub const $constant: Registration = Registration {
            kind: PluginKind::$kind,
            name: NAME,
            summary: $summary,
            package: env!("CARGO_PKG_NAME"),
            requires: &[],
            optional: &[],
            provides: $provides,
            settings: || schema_for!(<$double as Plugin>::Settings),
            config: $config,
            shorthand: if matches!(PluginKind::$kind, PluginKind::Quality | PluginKind::Transform) {
                Some("column")
            } else {
                None
            },
            tolerance: matches!(PluginKind::$kind, PluginKind::Quality),
            construct: |settings, context| {
                Ok(Instance::$kind(Arc::new(<$double as Plugin>::create(settings.read()?, context)?)))
            },
        };

        impl Plugin for $double {
            type Settings = NoSettings;

            fn create(_: NoSettings, _: &InitContext) -> Result<Self> {
                Ok(Self)
            }
        }
    };
}

const SOURCE_CONFIG: fn() -> JsonSchemaOf = || schema_for!(Numbers);
const QUALITY_PARAMS: fn() -> JsonSchemaOf = || schema_for!(OneColumn);
const TRANSFORM_PARAMS: fn() -> JsonSchemaOf = || schema_for!(OneColumn);

registration!(SOURCE, Source, SourceDouble, "Numbered rows", Some(SOURCE_CONFIG), &[]);
registration!(QUALITY, Quality, QualityDouble, "A column is not negative", Some(QUALITY_PARAMS), &[]);
registration!(TRANSFORM, Transform, TransformDouble, "Keeps one column", Some(TRANSFORM_PARAMS), &[]);
registration!(SERVICE, Service, ServiceDouble, "A service", None, &[]);
registration!(HOOK, Hook, HookDouble, "Hears every event", None, &[]);
registration!(CLI, Cli, CliDouble, "A command that says what it was told", None, &[]);
registration!(ASSET, Asset, AssetDouble, "An asset", None, &[]);
registration!(RESOURCE, Resource, ResourceDouble, "A secret store", None, &["secret_store:double"]);
registration!(CATALOG, Catalog, CatalogDouble, "A catalog for one engine", None, &[]);
registration!(ORCHESTRATOR, Orchestrator, OrchestratorDouble, "Writes a file of keys", None, &["orchestrator:double"]);
registration!(DAGSTER, Dagster, DagsterDouble, "An empty module", None, &[]);
registration!(SEMANTIC, Semantic, SemanticDouble, "A model", None, &[]);

/// The double of a kind.
pub fn registration(kind: PluginKind) -> Registration {
    match kind {
        PluginKind::Source => SOURCE,
        PluginKind::Quality => QUALITY,
        PluginKind::Transform => TRANSFORM,
        PluginKind::Service => SERVICE,
        PluginKind::Hook => HOOK,
        PluginKind::Cli => CLI,
        PluginKind::Asset => ASSET,
        PluginKind::Resource => RESOURCE,
        PluginKind::Catalog => CATALOG,
        PluginKind::Orchestrator => ORCHESTRATOR,
        PluginKind::Dagster => DAGSTER,
        PluginKind::Semantic => SEMANTIC,
    }
}

/// A registration that lives as long as the process, as a linked one does.
pub fn leak(registration: Registration) -> &'static Registration {
    Box::leak(Box::new(registration))
}

/// Kind `source`: rows `id:int64 name:string`, numbered from 0. The cursor is the number of the next row.
#[derive(Debug, Clone, Copy)]
pub struct SourceDouble;

/// The config of [`SourceDouble`].
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Numbers {
    /// Rows that there are.
    pub rows: u32,
    /// The row that cannot be read, if there is one.
    #[serde(default)]
    pub broken_row: Option<u32>,
    /// The call that panics, if one does.
    #[serde(default)]
    pub panics_in: Option<Call>,
}

/// A call of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Call {
    /// Reading the config.
    Parse,
    /// Telling the schema.
    Schema,
    /// Testing the connection.
    Connection,
    /// Beginning to read.
    Read,
    /// Reading a batch.
    Stream,
}

impl Numbers {
    fn reach(&self, call: Call) {
        assert!(self.panics_in != Some(call), "the double was told to");
    }

    fn batch(&self, from: i64, to: i64) -> Result<RecordBatch> {
        self.reach(Call::Stream);
        if let Some(row) = self.broken_row.filter(|row| (from..to).contains(&i64::from(*row))) {
            return Err(Error::new(Code::MalformedData, format!("row {row} is broken")).hint("mend it"));
        }
        let ids: Int64Array = (from..to).map(Some).collect();
        let names: StringArray = (from..to).map(|id| Some(format!("row {id}"))).collect();
        RecordBatch::try_new(fixture::schema("id:int64 name:string"), vec![Arc::new(ids), Arc::new(names)])
            .map_err(|err| Error::internal(err.to_string()))
    }
}

#[async_trait]
impl Source for SourceDouble {
    type Config = Numbers;

    fn validate(&self, config: &Numbers) -> Result<()> {
        config.reach(Call::Parse);
        match config.broken_row {
            Some(row) if row >= config.rows => Err(Error::new(
                Code::InvalidValue,
                format!("`broken_row` is {row}, and there are {} rows", config.rows),
            )),
            _ => Ok(()),
        }
    }

    async fn schema(&self, config: &Numbers, _: &SourceContext) -> Result<Option<SchemaRef>> {
        config.reach(Call::Schema);
        Ok(Some(fixture::schema("id:int64 name:string")))
    }

    async fn test_connection(&self, config: &Numbers, _: &SourceContext) -> Result<()> {
        config.reach(Call::Connection);
        Ok(())
    }

    async fn read(&self, config: &Numbers, _: &SourceContext, request: ReadRequest) -> Result<Reading> {
        config.reach(Call::Read);
        let begin = request.cursor.as_ref().and_then(serde_json::Value::as_i64).unwrap_or(0);
        let end = i64::from(config.rows).max(begin);
        let checkpoint = Checkpoint::default();
        checkpoint.set(end.into());
        let parts = request.parallelism.max(1) as i64;
        let step = request.batch_rows.max(1);
        let part = |part: i64| -> BatchStream {
            let config = config.clone();
            let rows = begin + (end - begin) * part / parts..begin + (end - begin) * (part + 1) / parts;
            let starts = rows.clone().step_by(step);
            stream::iter(starts.map(move |from| config.batch(from, rows.end.min(from + step as i64)))).boxed()
        };
        Ok(Reading {
            schema: fixture::schema("id:int64 name:string"),
            streams: (0..parts).map(part).collect(),
            checkpoint,
            origins: vec!["double:numbers".to_owned()],
            bytes: None,
        })
    }
}

/// A column; what [`QualityDouble`] and [`TransformDouble`] take.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OneColumn {
    /// The column.
    pub column: String,
}

/// Kind `quality`: a column is not negative.
#[derive(Debug, Clone, Copy)]
pub struct QualityDouble;

impl Quality for QualityDouble {
    type Params = OneColumn;
    const SHORTHAND: Option<&'static str> = Some("column");

    fn check(&self, params: OneColumn, _: &CheckTarget) -> Result<CheckPlan> {
        Ok(CheckPlan::new(
            format!("double({})", params.column),
            format!("{} not negative", params.column),
            Evaluation::rows(format!("{} >= 0", quote(&params.column))),
        )
        .on(vec![params.column]))
    }
}

/// Kind `transform`: keeps one column.
#[derive(Debug, Clone, Copy)]
pub struct TransformDouble;

impl Transform for TransformDouble {
    type Params = OneColumn;
    const SHORTHAND: Option<&'static str> = Some("column");

    fn plan(&self, params: OneColumn, input: &SchemaRef) -> Result<TransformPlan> {
        let unknown = |err: arrow_schema::ArrowError| Error::new(Code::UnknownColumn, err.to_string());
        let at = input.index_of(&params.column).map_err(unknown)?;
        let schema = Arc::new(input.project(&[at]).map_err(unknown)?);
        let map = move |batch: RecordBatch| batch.project(&[at]).map_err(|err| Error::internal(err.to_string()));
        Ok(TransformPlan::Batches { schema, map: Arc::new(map) })
    }
}

/// Kind `service`.
#[derive(Debug, Clone, Copy)]
pub struct ServiceDouble;

impl Service for ServiceDouble {
    fn definition(&self) -> Result<ServiceSpec> {
        Ok(ServiceSpec {
            name: NAME.to_owned(),
            description: "a service that is never started".to_owned(),
            image: "example.org/double:1".to_owned(),
            ports: vec!["8080:80".to_owned()],
            ..ServiceSpec::default()
        })
    }
}

/// Kind `hook`: hears every event and does nothing.
#[derive(Debug, Clone, Copy)]
pub struct HookDouble;

impl Hook for HookDouble {
    fn hooks(&self) -> Result<Vec<HookRegistration>> {
        Ok(vec![HookRegistration::new("hears", HookFilter::all(), |_| Ok(()))])
    }
}

/// Kind `cli`: the command `double TEXT`.
#[derive(Debug, Clone, Copy)]
pub struct CliDouble;

impl CliExtension for CliDouble {
    fn commands(&self) -> Result<Vec<CliCommand>> {
        let text = clap::Arg::new("text").help("What to say").required(true);
        let command = clap::Command::new(NAME).about("Says what it was told").arg(text);
        let run = |matches: &clap::ArgMatches, _: &CliContext| {
            let text = matches.get_one::<String>("text").cloned().unwrap_or_default();
            Ok(CliOutput { json: text.clone().into(), text, exit_code: 0 })
        };
        Ok(vec![CliCommand { command, run: Box::new(run) }])
    }
}

/// Kind `asset`: the asset `double.one`.
#[derive(Debug, Clone, Copy)]
pub struct AssetDouble;

impl AssetProvider for AssetDouble {
    fn assets(&self) -> Result<Vec<AssetSpec>> {
        Ok(vec![fixture::asset("double.one", "select 1 as id")])
    }
}

/// Kind `resource`: a secret store that knows one secret, `word`.
#[derive(Debug, Clone, Copy)]
pub struct ResourceDouble;

impl Resource for ResourceDouble {
    fn providers(&self) -> Result<Vec<Provider>> {
        Ok(vec![Provider::new::<dyn SecretStore>(CapabilityType::SecretStore, NAME, Arc::new(*self))])
    }
}

impl SecretStore for ResourceDouble {
    fn secret(&self, name: &str) -> Result<Option<Secret>> {
        Ok((name == "word").then(|| Secret::new("open sesame")))
    }
}

/// Kind `catalog`.
#[derive(Debug, Clone, Copy)]
pub struct CatalogDouble;

impl Catalog for CatalogDouble {
    fn catalogs(&self) -> Result<Vec<CatalogProperties>> {
        let properties = BTreeMap::from([("connector.name".to_owned(), "memory".to_owned())]);
        Ok(vec![CatalogProperties { target: "trino".to_owned(), name: "lake".to_owned(), properties }])
    }
}

/// Kind `orchestrator`: writes the assets' keys into a file.
#[derive(Debug, Clone, Copy)]
pub struct OrchestratorDouble;

impl Orchestrator for OrchestratorDouble {
    fn build(&self, definitions: &Definitions) -> Result<OrchestratorOutput> {
        let mut keys: Vec<_> = definitions.assets.iter().map(|(asset, _)| asset.key.as_str()).collect();
        keys.sort_unstable();
        Ok(OrchestratorOutput::Files(vec![("assets.txt".to_owned(), keys.join("\n"))]))
    }
}

/// Kind `dagster`.
#[derive(Debug, Clone, Copy)]
pub struct DagsterDouble;

impl DagsterExtension for DagsterDouble {
    fn modules(&self) -> Result<Vec<DagsterModule>> {
        let python = "import dagster\n\ndefs = dagster.Definitions()\n".to_owned();
        Ok(vec![DagsterModule { name: "phlo_double".to_owned(), python, requirements: vec!["dagster".to_owned()] }])
    }
}

/// Kind `semantic`.
#[derive(Debug, Clone, Copy)]
pub struct SemanticDouble;

impl SemanticLayer for SemanticDouble {
    fn models(&self) -> Result<Vec<SemanticModel>> {
        let sql = Some("select * from gold.orders".to_owned());
        Ok(vec![SemanticModel { name: "orders".to_owned(), sql, ..SemanticModel::default() }])
    }
}
