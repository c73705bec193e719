//! A plugin of each kind, called `saboteur`, that works until the call that its settings name: there it panics. A second run
//! without the setting shows what the panic left behind.

use std::sync::Arc;

use arrow_array::{BooleanArray, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use datafusion::prelude::{DataFrame, SessionContext};
use futures::StreamExt;
use phlo_engine_api::{FrameTransform, QueryEngine, TableStore};
use phlo_plugin::cli::{CliOutput, clap};
use phlo_plugin::prelude::*;
use phlo_plugin::publish::{PublishContext, PublishTarget, Published};
use phlo_plugin::quality::Value;
use phlo_plugin::resource::{AlertSink, RunHistory, SecretStore};
use phlo_plugin::{Policy, Registry};
use phlo_spec::service::ServiceSpec;
use phlo_spec::{AssetRun, AssetSpec, CapabilityType, CheckResult, RunRecord};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::store::Saboteurs;

phlo_plugin::package!(bare);

/// The settings of every saboteur.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    /// The call that panics.
    panics_in: Option<String>,
}

/// Panics where it is told to.
#[derive(Debug, Clone)]
pub(crate) struct Trap(Arc<str>);

impl Trap {
    pub(crate) fn reach(&self, call: &str) {
        assert!(!self.waits_in(call), "the saboteur was told to, in {call}");
    }
    /// Whether it panics in this call: then it does what makes phlo call it.
    pub(crate) fn waits_in(&self, call: &str) -> bool {
        &*self.0 == call
    }
}

macro_rules! saboteur {
    ($kind:ident, $name:ident $(, provides = [$($provides:literal),+])?) => {
        #[derive(Debug, Clone)]
        struct $name(Trap);

        impl Plugin for $name {
            type Settings = Settings;

            fn create(settings: Settings, _: &InitContext) -> Result<Self> {
                let trap = Trap(settings.panics_in.unwrap_or_default().into());
                trap.reach("create");
                Ok(Self(trap))
            }
            fn self_test(&self) -> Result<()> {
                self.0.reach("self_test");
                Ok(())
            }
            fn cleanup(&self) -> Result<()> {
                self.0.reach("cleanup");
                Ok(())
            }
        }
        phlo_plugin::register!($kind, $name, name = "saboteur", summary = "Panics where it is told to" $(, provides = [$($provides),+])?);
    };
}

saboteur!(Source, BadSource);
saboteur!(Quality, BadQuality);
saboteur!(Transform, BadTransform);
saboteur!(Service, BadService);
saboteur!(Hook, BadHook);
saboteur!(Cli, BadCli);
saboteur!(Asset, BadAsset);
saboteur!(Catalog, BadCatalog);
saboteur!(Orchestrator, BadOrchestrator, provides = ["orchestrator:saboteur"]);
saboteur!(Dagster, BadDagster);
saboteur!(Semantic, BadSemantic);

/// What the other kinds' use in an asset takes.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Params {
    /// Which sort of plan a check or transform makes; of a source, whether it has its rows `once`.
    plan: String,
}

fn numbers() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true)]))
}

#[async_trait]
impl Source for BadSource {
    type Config = Params;

    fn validate(&self, _: &Params) -> Result<()> {
        self.0.reach("validate");
        Ok(())
    }
    async fn schema(&self, _: &Params, _: &SourceContext) -> Result<Option<SchemaRef>> {
        self.0.reach("schema");
        Ok(Some(numbers()))
    }
    async fn test_connection(&self, _: &Params, _: &SourceContext) -> Result<()> {
        self.0.reach("test_connection");
        Ok(())
    }
    async fn read(&self, config: &Params, _: &SourceContext, request: ReadRequest) -> Result<Reading> {
        self.0.reach("read");
        let trap = self.0.clone();
        let checkpoint = Checkpoint::default();
        let once = config.plan == "once";
        if once {
            checkpoint.set("read".into());
        }
        let count = if once && request.cursor.is_some() { 0 } else { 4_i64 };
        let batches = (0..count).map(move |i| {
            if i == 2 {
                trap.reach("stream");
            }
            let ids: Int64Array = (i * 10..i * 10 + 10).collect();
            RecordBatch::try_new(numbers(), vec![Arc::new(ids)]).map_err(|err| Error::internal(err.to_string()))
        });
        Ok(Reading {
            schema: numbers(),
            streams: vec![futures::stream::iter(batches).boxed()],
            checkpoint,
            origins: vec!["saboteur".to_owned()],
            bytes: None,
        })
    }
}

impl Quality for BadQuality {
    type Params = Params;

    fn check(&self, params: Params, _: &CheckTarget) -> Result<CheckPlan> {
        self.0.reach("check");
        let trap = self.0.clone();
        let evaluation = match params.plan.as_str() {
            "mask" => Evaluation::Mask {
                mask: Arc::new(move |batch: &RecordBatch| {
                    trap.reach("mask");
                    Ok(BooleanArray::from(vec![true; batch.num_rows()]))
                }),
                given: Vec::new(),
            },
            "query" => Evaluation::query("select count(*) from this", move |_: &[Vec<Value>]| {
                trap.reach("rows_verdict");
                good()
            }),
            "schemas" => Evaluation::Schemas {
                other: "raw.once".to_owned(),
                verdict: Arc::new(move |_: &SchemaRef, _: &SchemaRef| {
                    trap.reach("schemas_verdict");
                    good()
                }),
            },
            "schema" => Evaluation::Schema {
                verdict: Arc::new(move |_: &SchemaRef| {
                    trap.reach("schema_verdict");
                    good()
                }),
            },
            _ => Evaluation::Aggregates {
                expressions: vec!["count(*)".to_owned()],
                verdict: Arc::new(move |_: &[Value]| {
                    trap.reach("verdict");
                    good()
                }),
            },
        };
        Ok(CheckPlan::new(format!("saboteur({})", params.plan), "nothing".to_owned(), evaluation))
    }
}

fn good() -> Verdict {
    Verdict { passed: true, violations: 0, total: None, observed: None }
}

#[derive(Debug)]
struct BadFrame(Trap);

impl FrameTransform for BadFrame {
    fn apply(&self, input: DataFrame) -> Result<DataFrame> {
        self.0.reach("apply");
        Ok(input)
    }
}

impl Transform for BadTransform {
    type Params = Params;

    fn plan(&self, params: Params, input: &SchemaRef) -> Result<TransformPlan> {
        self.0.reach("plan");
        let trap = self.0.clone();
        Ok(match params.plan.as_str() {
            "engine" => {
                let transform: Arc<dyn FrameTransform> = Arc::new(BadFrame(trap));
                TransformPlan::Engine(Arc::new(transform))
            }
            _ => TransformPlan::Batches {
                schema: input.clone(),
                map: Arc::new(move |batch: RecordBatch| {
                    trap.reach("map");
                    Ok(batch)
                }),
            },
        })
    }
}

impl Service for BadService {
    fn definition(&self) -> Result<ServiceSpec> {
        self.0.reach("definition");
        Ok(ServiceSpec { name: "saboteur".to_owned(), image: "example.org/x:1".to_owned(), ..ServiceSpec::default() })
    }
}

impl Hook for BadHook {
    fn hooks(&self) -> Result<Vec<HookRegistration>> {
        self.0.reach("hooks");
        let handler = |call: &'static str| {
            let trap = self.0.clone();
            move |_: &Event| {
                trap.reach(call);
                Ok(())
            }
        };
        let ends = || HookFilter::events([EventKind::IngestionEnd, EventKind::TransformEnd]);
        Ok(vec![
            HookRegistration::new("logs", HookFilter::all(), handler("handler_log")),
            HookRegistration::new("ignores", HookFilter::all(), handler("handler_ignore"))
                .policy(FailurePolicy::Ignore),
            HookRegistration::new("raises", ends(), handler("handler_raise")).policy(FailurePolicy::Raise),
        ])
    }
}

impl CliExtension for BadCli {
    fn commands(&self) -> Result<Vec<CliCommand>> {
        self.0.reach("commands");
        let trap = self.0.clone();
        let run = move |_: &clap::ArgMatches, _: &CliContext| {
            trap.reach("run");
            Ok(CliOutput { text: "nothing broke".to_owned(), ..CliOutput::default() })
        };
        Ok(vec![CliCommand { command: clap::Command::new("sabotage").about("Breaks nothing"), run: Box::new(run) }])
    }
}

impl AssetProvider for BadAsset {
    fn assets(&self) -> Result<Vec<AssetSpec>> {
        self.0.reach("assets");
        Ok(Vec::new())
    }
}

impl Catalog for BadCatalog {
    fn catalogs(&self) -> Result<Vec<CatalogProperties>> {
        self.0.reach("catalogs");
        Ok(Vec::new())
    }
    fn files(&self, _: &[CatalogTable]) -> Result<Vec<(String, String)>> {
        self.0.reach("files");
        Ok(Vec::new())
    }
}

impl Orchestrator for BadOrchestrator {
    fn build(&self, definitions: &Definitions) -> Result<OrchestratorOutput> {
        self.0.reach("build");
        let steps = definitions.assets.iter().map(|(asset, after)| (asset.key.clone(), after.clone()));
        Ok(OrchestratorOutput::Steps(steps.collect()))
    }
}

impl DagsterExtension for BadDagster {
    fn modules(&self) -> Result<Vec<DagsterModule>> {
        self.0.reach("modules");
        Ok(Vec::new())
    }
}

impl SemanticLayer for BadSemantic {
    fn models(&self) -> Result<Vec<SemanticModel>> {
        self.0.reach("models");
        Ok(Vec::new())
    }
}

/// Kind `resource`: each capability, in front of the plugin that really provides it.
#[derive(Debug, Clone)]
struct BadResource {
    trap: Trap,
    context: InitContext,
}

phlo_plugin::register!(
    Resource,
    BadResource,
    name = "saboteur",
    summary = "Panics where it is told to",
    provides = [
        "table_store:saboteur",
        "query_engine:saboteur",
        "run_history:saboteur",
        "secret_store:saboteur",
        "alert_sink:saboteur",
        "publish_target:saboteur"
    ],
    config = Params
);

impl Plugin for BadResource {
    type Settings = Settings;

    fn create(settings: Settings, context: &InitContext) -> Result<Self> {
        let trap = Trap(settings.panics_in.unwrap_or_default().into());
        trap.reach("create");
        Ok(Self { trap, context: context.clone() })
    }
    fn self_test(&self) -> Result<()> {
        self.trap.reach("self_test");
        Ok(())
    }
    fn cleanup(&self) -> Result<()> {
        self.trap.reach("cleanup");
        Ok(())
    }
}

impl Resource for BadResource {
    fn providers(&self) -> Result<Vec<Provider>> {
        self.trap.reach("providers");
        let real = Registry::linked(&[])?.activate(Policy::default(), self.context.clone())?;
        let store = real.provider(CapabilityType::TableStore, "delta")?.of_trait::<dyn TableStore>()?;
        let engine = real.provider(CapabilityType::QueryEngine, "datafusion")?.of_trait::<dyn QueryEngine>()?;
        let history = real.history("history")?;
        let (store, engine): (Arc<dyn TableStore>, Arc<dyn QueryEngine>) = (
            Arc::new(Saboteurs { inner: store, trap: self.trap.clone() }),
            Arc::new(BadEngine(engine, self.trap.clone())),
        );
        let history: Arc<dyn RunHistory> = Arc::new(BadHistory(history, self.trap.clone()));
        let secrets: Arc<dyn SecretStore> = Arc::new(BadSecrets(self.trap.clone()));
        let alerts: Arc<dyn AlertSink> = Arc::new(BadAlerts(self.trap.clone()));
        Ok(vec![
            Provider::new::<dyn TableStore>(CapabilityType::TableStore, "saboteur", store),
            Provider::new::<dyn QueryEngine>(CapabilityType::QueryEngine, "saboteur", engine),
            Provider::new::<dyn RunHistory>(CapabilityType::RunHistory, "saboteur", history),
            Provider::new::<dyn SecretStore>(CapabilityType::SecretStore, "saboteur", secrets),
            Provider::new::<dyn AlertSink>(CapabilityType::AlertSink, "saboteur", alerts),
            Provider::publish_target("saboteur", BadTarget(self.trap.clone())),
        ])
    }
}

#[derive(Debug)]
struct BadEngine(Arc<dyn QueryEngine>, Trap);

impl QueryEngine for BadEngine {
    fn session(&self) -> Result<SessionContext> {
        self.1.reach("session");
        self.0.session()
    }
}

struct BadSecrets(Trap);

impl SecretStore for BadSecrets {
    fn secret(&self, name: &str) -> Result<Option<Secret>> {
        self.0.reach("secret");
        Ok((name == "word" && !self.0.waits_in("looks_in")).then(|| Secret::new("open sesame")))
    }
    fn looks_in(&self, _: &str) -> Option<String> {
        self.0.reach("looks_in");
        None
    }
}

struct BadAlerts(Trap);

impl AlertSink for BadAlerts {
    fn alert(&self, _: &AssetKey, _: &CheckResult) -> Result<()> {
        self.0.reach("alert");
        Ok(())
    }
}

struct BadTarget(Trap);

#[async_trait]
impl PublishTarget for BadTarget {
    type Config = Params;

    fn validate(&self, _: &Params) -> Result<()> {
        self.0.reach("target_validate");
        Ok(())
    }
    fn location(&self, _: &Params) -> String {
        self.0.reach("location");
        "saboteur".to_owned()
    }
    fn accepts(&self, _: &Params, _: &SchemaRef) -> Result<()> {
        self.0.reach("accepts");
        Ok(())
    }
    async fn test_connection(&self, _: &Params, _: &PublishContext) -> Result<()> {
        self.0.reach("target_connection");
        Ok(())
    }
    async fn is_current(&self, _: &Params, _: &PublishContext, _: &serde_json::Value) -> Result<bool> {
        self.0.reach("is_current");
        Ok(false)
    }
    async fn publish(&self, _: &Params, _: &PublishContext, _: SchemaRef, mut rows: BatchStream) -> Result<Published> {
        let mut count = 0;
        while let Some(batch) = rows.next().await {
            count += batch?.num_rows() as u64;
            self.0.reach("publish");
        }
        let receipt = Some(serde_json::Value::from(count));
        Ok(Published { rows: count, bytes: 8 * count, location: "saboteur".to_owned(), receipt })
    }
}

struct BadHistory(Arc<dyn RunHistory>, Trap);

impl RunHistory for BadHistory {
    fn runs(&self, limit: usize) -> Result<Vec<RunRecord>> {
        self.1.reach("runs");
        self.0.runs(limit)
    }
    fn run(&self, id: &str) -> Result<Option<RunRecord>> {
        self.1.reach("run");
        self.0.run(id)
    }
    fn events(&self, run_id: &str) -> Result<Vec<Event>> {
        self.1.reach("events");
        self.0.events(run_id)
    }
    fn latest(&self) -> Result<Vec<(String, DateTime<Utc>, AssetRun)>> {
        self.1.reach("latest");
        self.0.latest()
    }
    fn checks(&self, asset: &AssetKey, limit: usize) -> Result<Vec<(String, DateTime<Utc>, CheckResult)>> {
        self.1.reach("checks");
        self.0.checks(asset, limit)
    }
    fn close_dead(&self, is_alive: &dyn Fn(u32) -> bool) -> Result<Vec<String>> {
        self.1.reach("close_dead");
        self.0.close_dead(is_alive)
    }
}
