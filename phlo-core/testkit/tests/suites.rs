//! The suites find what is broken, and nothing where nothing is: tried on the doubles, whole and each broken in one place.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures::{StreamExt, stream};
use phlo_plugin::hook::AnyHook;
use phlo_plugin::kinds::{AnyOrchestrator, AnyService};
use phlo_plugin::prelude::*;
use phlo_plugin::registration::Instance;
use phlo_plugin::source::{AnySource, SourceContext};
use phlo_plugin::{PackageFacts, Registration};
use phlo_spec::PluginKind;
use phlo_spec::service::ServiceSpec;
use phlo_testkit::doubles::{self, Numbers, SourceDouble, leak};
use phlo_testkit::fixture::{batch, rows, schema};
use phlo_testkit::source::Case;
use phlo_testkit::{Findings, Package, hook, kinds, transform};
use schemars::{JsonSchema, schema_for};
use serde::Deserialize;

const EXAMPLE: &str = "\
source: { plugin: double, rows: 3 }
transforms:
  - double: id
checks:
  - double: { column: id, severity: warn }
  - double: { column: other }
";

fn manifest(kinds: &[PluginKind]) -> &'static str {
    let plugins: Vec<_> = kinds.iter().map(|kind| format!("{{ kind = \"{kind}\", name = \"double\" }}")).collect();
    format!(
        "[package]\nname = \"phlo-double\"\n[package.metadata.phlo]\ntier = \"extra\"\nplugins = [{}]\n",
        plugins.join(", ")
    )
    .leak()
}

fn facts(kinds: &[PluginKind]) -> PackageFacts {
    PackageFacts {
        name: "phlo-double",
        version: "0.1.0",
        description: "Doubles",
        authors: "The phlo authors",
        license: "MIT",
        homepage: "",
        repository: "https://example.org",
        manifest: manifest(kinds),
        readme: "A `double`.",
        example: EXAMPLE,
    }
}

/// What is found in a package of one plugin.
fn found(facts: PackageFacts, registration: Registration) -> Vec<String> {
    Package::of(facts, vec![leak(registration)]).check().broken().to_vec()
}

/// Exactly one finding, which contains the text.
#[track_caller]
fn one(found: &[String], text: &str) {
    assert!(found.len() == 1 && found[0].contains(text), "{text:?} is not {found:#?}");
}

#[test]
fn the_doubles_keep_every_promise() {
    let all = PluginKind::ALL.iter().map(|kind| leak(doubles::registration(*kind))).collect();
    Package::of(facts(PluginKind::ALL), all).check().assert_none();
}

#[test]
fn facts_and_summaries_are_complete() {
    let of = |change: fn(&mut PackageFacts)| {
        let mut facts = facts(&[PluginKind::Hook]);
        change(&mut facts);
        found(facts, doubles::HOOK)
    };
    one(&of(|facts| facts.description = ""), "Cargo.toml gives no description");
    one(&of(|facts| facts.license = " "), "Cargo.toml gives no license");
    one(&of(|facts| facts.readme = "Nothing of it"), "README.md does not name `double`");
    one(&of(|facts| facts.example = "description: An asset\nchecks: []\n"), "the example does not use it");
    assert!(of(|facts| facts.example = "double: [")[0].contains("the example: P1001"));
    one(
        &of(|facts| facts.example = "checks: []\ncolour: double\n"),
        "unknown key `colour` (examples/minimal.yaml:2:1)",
    );
    one(&of(|facts| facts.example = "name: double\nplugin: {}\n"), "unknown key `plugin` (examples/minimal.yaml:2:1)");
    one(&of(|facts| facts.manifest = "[package]"), "no [package.metadata.phlo]");
    one(&of(|facts| facts.manifest = manifest(&[PluginKind::Hook, PluginKind::Cli])), "Cargo.toml lists");
    let with = |registration| found(facts(&[PluginKind::Hook]), registration);
    one(&with(Registration { summary: "Hears every event.", ..doubles::HOOK }), "its summary ends with a period");
    one(&with(Registration { summary: "", ..doubles::HOOK }), "its summary is not one line");
    let long = "Hears every event that any service, asset, check or run of the project sends, and more";
    one(&with(Registration { summary: long, ..doubles::HOOK }), "its summary has 86 characters");
    one(&with(Registration { optional: &["nonsense"], ..doubles::HOOK }), "the registry refuses it: P2008");
    assert_eq!(
        with(Registration { requires: &["table_store", "secret_store:env"], ..doubles::HOOK }),
        Vec::<String>::new()
    );
}

/// Settings as they should not be.
#[derive(Debug, Deserialize, JsonSchema)]
struct Open {
    #[expect(dead_code, reason = "only read")]
    #[serde(default)]
    colour: String,
}

#[test]
fn settings_are_documented_closed_and_given_to_the_constructor() {
    let with = |registration| found(facts(&[PluginKind::Hook]), Registration { ..registration });
    let found = with(Registration {
        settings: || schema_for!(Open),
        construct: |settings, context| {
            settings
                .read::<Open>()
                .map_err(Error::from)
                .and_then(|_| (doubles::HOOK.construct)(&Node::parse("{}", "", 1)?, context))
        },
        ..doubles::HOOK
    });
    assert_eq!(
        found,
        [
            "hook double: settings: `colour` is not described: give its field a doc comment",
            "hook double: settings: the root takes unknown keys: add `#[serde(deny_unknown_fields)]`",
            "hook double: an unknown key in its settings is not refused",
        ]
    );
    let panics = with(Registration { construct: |_, _| panic!("boom"), ..doubles::HOOK });
    assert!(
        panics.iter().any(|finding| finding.contains("it does not start with the example's settings: P2005")),
        "{panics:#?}"
    );
    let other = with(Registration { construct: doubles::SERVICE.construct, ..doubles::HOOK });
    one(&other, "it makes a plugin of kind service");
    let liar = Registration { provides: &["secret_store:other"], ..doubles::RESOURCE };
    one(&self::found(facts(&[PluginKind::Resource]), liar), "and provides");
    let unstated = Registration { provides: &[], ..doubles::ORCHESTRATOR };
    one(&self::found(facts(&[PluginKind::Orchestrator]), unstated), "it does not provide `orchestrator:double`");
}

#[test]
fn the_config_of_the_example_is_accepted() {
    let of = |example: &'static str| found(PackageFacts { example, ..facts(&[PluginKind::Source]) }, doubles::SOURCE);
    assert_eq!(of("source: { plugin: double, rows: 1 }"), Vec::<String>::new());
    one(&of("source: { plugin: double }"), "the config of the example: P1003: missing key `rows`");
}

/// A check, described by its parameters.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// The column.
    #[expect(dead_code, reason = "only read")]
    column: String,
}

macro_rules! plugin {
    ($type:ident) => {
        struct $type;
        impl Plugin for $type {
            type Settings = NoSettings;
            fn create(_: NoSettings, _: &InitContext) -> Result<Self> {
                Ok(Self)
            }
        }
    };
}

static CHECKS: AtomicU32 = AtomicU32::new(0);

plugin!(Restless);
impl Quality for Restless {
    type Params = Params;
    fn check(&self, _: Params, _: &CheckTarget) -> Result<CheckPlan> {
        let name = format!("check {}", CHECKS.fetch_add(1, Ordering::Relaxed));
        let verdict = |values: &[phlo_plugin::quality::Value]| match values {
            [phlo_plugin::quality::Value::Int(_)] => {
                Verdict { passed: true, violations: 0, total: None, observed: None }
            }
            _ => panic!("no number"),
        };
        let evaluation =
            Evaluation::Aggregates { expressions: vec!["count(*)".to_owned()], verdict: Arc::new(verdict) };
        Ok(CheckPlan::new(name, "rows".to_owned(), evaluation))
    }
}

#[test]
fn checks_are_stable_list_their_columns_and_judge_anything() {
    let restless = Registration {
        construct: |settings, context| Ok(Instance::Quality(Arc::new(Restless::create(settings.read()?, context)?))),
        config: Some(|| schema_for!(Params)),
        ..doubles::QUALITY
    };
    let facts = PackageFacts { example: "checks:\n  - double: { column: id }\n", ..facts(&[PluginKind::Quality]) };
    let found = found(facts, restless);
    assert_eq!(found.len(), 3, "{found:#?}");
    assert!(found[0].contains("its name or expectation changes"), "{found:#?}");
    assert!(found[1].contains("the column `id` is not listed"), "{found:#?}");
    assert!(found[2].contains("its verdict on nulls: P2005"), "{found:#?}");
    let twice =
        PackageFacts { example: "checks:\n  - double: id\n  - double: id\n", ..self::facts(&[PluginKind::Quality]) };
    one(&self::found(twice, doubles::QUALITY), "two checks of the example are called `double(id)`");
}

plugin!(Numbering);
impl Transform for Numbering {
    type Params = NoSettings;
    fn plan(&self, _: NoSettings, _: &SchemaRef) -> Result<TransformPlan> {
        let number = |given: RecordBatch| {
            let numbers: Vec<String> = (0..given.num_rows()).map(|row| row.to_string()).collect();
            Ok(batch("number:int64", &numbers.iter().map(String::as_str).collect::<Vec<_>>()))
        };
        Ok(TransformPlan::Batches { schema: schema("number:int64"), map: Arc::new(number) })
    }
}

#[test]
fn transforms_treat_rows_alike_however_they_are_divided() {
    let node = Node::parse("{}", "a.yaml", 1).unwrap();
    let input = batch("id:int64", &["1", "2", "3"]);
    let mut findings = Findings::new("numbering");
    transform::check("numbering", &Numbering, &node, &input, &mut findings);
    one(findings.broken(), "rows are transformed otherwise when they are divided otherwise");
    let mut findings = Findings::new("double");
    let node = Node::parse("column: id", "a.yaml", 1).unwrap();
    transform::check("double", &doubles::TransformDouble, &node, &input, &mut findings);
    findings.assert_none();
}

plugin!(Deaf);
impl Hook for Deaf {
    fn hooks(&self) -> Result<Vec<HookRegistration>> {
        let panics = HookRegistration::new("h", HookFilter::events([EventKind::RunEnd]), |_| panic!("boom"));
        let fails = HookRegistration::new("f", HookFilter::all(), |_| {
            Err(Error::new(Code::ConnectionFailed, "nobody answers"))
        });
        Ok(vec![HookRegistration::new("h", HookFilter::default(), |_| Ok(())), panics, fails])
    }
}

/// Registers otherwise each time: `0` by its order, `1` by a priority, `2` by a policy, `3` by a filter.
#[derive(Debug)]
struct Fickle(u32, AtomicU32);
impl Plugin for Fickle {
    type Settings = NoSettings;
    fn create(_: NoSettings, _: &InitContext) -> Result<Self> {
        Ok(Self(0, AtomicU32::new(0)))
    }
}
impl Hook for Fickle {
    fn hooks(&self) -> Result<Vec<HookRegistration>> {
        let again = self.1.fetch_add(1, Ordering::Relaxed) > 0;
        let hook = |name| HookRegistration::new(name, HookFilter::all(), |_| Ok(()));
        let mut hooks = vec![hook("a"), hook("b")];
        if again {
            match self.0 {
                0 => hooks.reverse(),
                1 => hooks[0].priority = 1,
                2 => hooks[0].policy = FailurePolicy::Raise,
                _ => hooks[0].filter.events.truncate(1),
            }
        }
        Ok(hooks)
    }
}

plugin!(Lost);
impl Orchestrator for Lost {
    fn build(&self, definitions: &Definitions) -> Result<OrchestratorOutput> {
        Ok(OrchestratorOutput::Steps(
            definitions.assets.iter().rev().map(|(asset, after)| (asset.key.clone(), after.clone())).collect(),
        ))
    }
}
impl Service for Lost {
    fn definition(&self) -> Result<ServiceSpec> {
        let ports = vec!["eighty".to_owned()];
        Ok(ServiceSpec {
            name: "lost".to_owned(),
            image: "example.org:5000/lost".to_owned(),
            ports,
            ..ServiceSpec::default()
        })
    }
}

#[test]
fn hooks_orchestrators_and_services_are_found_wanting() {
    let check = |look: &dyn Fn(&mut Findings)| {
        let mut findings = Findings::new("it");
        look(&mut findings);
        findings.broken().to_vec()
    };
    let deaf = check(&|findings| hook::check("deaf", &Deaf as &dyn AnyHook, findings));
    assert_eq!(deaf.len(), 4, "{deaf:#?}");
    assert_eq!(deaf[0], "the handler `h` filters for no event type");
    assert_eq!(deaf[1], "two handlers are called `h`");
    assert!(deaf[2].contains("the handler `h` at run.end: Err(P2005"), "{deaf:#?}");
    for how in 0..4 {
        let fickle =
            check(&|findings| hook::check("fickle", &Fickle(how, AtomicU32::new(0)) as &dyn AnyHook, findings));
        one(&fickle, "asked twice, it registers [\"a: 100, Log, ");
    }
    let lost = check(&|findings| kinds::orchestrator(&Lost as &dyn AnyOrchestrator, findings));
    assert_eq!(
        lost[..2],
        ["assets listed in another order make other definitions", "b.end comes before what it depends on"],
        "{lost:#?}"
    );
    let lost = check(&|findings| kinds::service("found", &Lost as &dyn AnyService, findings));
    assert_eq!(
        lost,
        [
            "it defines the service `lost`, and is registered as `found`",
            "the service is not described",
            "the image `example.org:5000/lost` has neither a tag nor a digest",
            "the port `eighty` is not `host:container`",
        ]
    );
}

/// How a source breaks a promise.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Lie {
    None,
    SchemaTold,
    SchemaChanges,
    BatchSchema,
    DividedRows,
    Streams,
    RepeatsOnResume,
    LosesOnResume,
    NoCursor,
    EndsWhenInterrupted,
}

/// The double, with a lie. What is there grows with `more`.
struct Liar {
    lie: Lie,
    calls: AtomicU32,
    more: Arc<AtomicU32>,
}

impl Plugin for Liar {
    type Settings = NoSettings;
    fn create(_: NoSettings, _: &InitContext) -> Result<Self> {
        Ok(Self { lie: Lie::None, calls: AtomicU32::new(0), more: Arc::default() })
    }
}

#[async_trait]
impl Source for Liar {
    type Config = Numbers;

    async fn schema(&self, _: &Numbers, _: &SourceContext) -> Result<Option<SchemaRef>> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        Ok(Some(match self.lie {
            Lie::SchemaTold => schema("id:string name:string"),
            Lie::SchemaChanges if call == 1 => schema("id:int64"),
            _ => schema("id:int64 name:string"),
        }))
    }

    async fn test_connection(&self, _: &Numbers, _: &SourceContext) -> Result<()> {
        Ok(())
    }

    async fn read(&self, config: &Numbers, context: &SourceContext, mut request: ReadRequest) -> Result<Reading> {
        let config = Numbers { rows: config.rows + self.more.load(Ordering::Relaxed), ..config.clone() };
        let back = |cursor: serde_json::Value, by: i64| serde_json::json!(cursor.as_i64().unwrap() + by);
        let parallel = request.parallelism > 1;
        request.cursor = match self.lie {
            Lie::RepeatsOnResume => request.cursor.map(|cursor| back(cursor, -1)),
            Lie::LosesOnResume => request.cursor.map(|cursor| back(cursor, 1)),
            _ => request.cursor,
        };
        let mut reading = Source::read(&SourceDouble, &config, context, request).await?;
        match self.lie {
            Lie::BatchSchema => reading.streams = vec![stream::iter([Ok(batch("id:int64", &["1", "2"]))]).boxed()],
            Lie::DividedRows if parallel => drop(reading.streams.pop()),
            Lie::Streams => reading.streams.push(stream::empty().boxed()),
            Lie::EndsWhenInterrupted => {
                let goes_on = |stream: BatchStream| {
                    let cancel = context.cancel.clone();
                    stream.take_while(move |_| std::future::ready(!cancel.is_cancelled())).boxed()
                };
                reading.streams = reading.streams.into_iter().map(goes_on).collect();
            }
            Lie::NoCursor => reading.checkpoint = Checkpoint::default(),
            _ => {}
        }
        Ok(reading)
    }
}

#[tokio::test]
async fn sources_are_held_to_each_promise() {
    for (lie, want) in [
        (Lie::None, None),
        (Lie::SchemaTold, Some("and delivers")),
        (Lie::SchemaChanges, Some("it tells Some(Schema")),
        (Lie::BatchSchema, Some("batches have another schema than the reading")),
        (Lie::DividedRows, Some("streams of 1 rows a batch it reads other rows")),
        (Lie::Streams, Some("it makes more streams than were asked for")),
        (Lie::RepeatsOnResume, Some("resumed at its cursor it repeats [\"4|row 4\"]")),
        (Lie::LosesOnResume, Some("rows read before and after the cursor are not the rows that there are")),
        (Lie::NoCursor, Some("it notes no cursor")),
        (Lie::EndsWhenInterrupted, Some("interrupted, it ends as if all rows had been read")),
    ] {
        let more = Arc::new(AtomicU32::new(0));
        let source: Arc<dyn AnySource> = Arc::new(Liar { lie, calls: AtomicU32::new(0), more: more.clone() });
        let case = Case::of("liar", source, "rows: 5")
            .grows(|| more.store(2, Ordering::Relaxed))
            .refuses("rows: many", "rows")
            .refuses("{rows: 1, colour: red}", "colour");
        let findings = case.check().await;
        match want {
            None => findings.assert_none(),
            Some(want) => {
                assert!(findings.broken().iter().any(|finding| finding.contains(want)), "{lie:?}: {findings}");
            }
        }
    }
    let source: Arc<dyn AnySource> = Arc::new(SourceDouble);
    let findings = Case::of("double", source.clone(), "rows: 5").refuses("rows: 3", "rows").check().await;
    one(findings.broken(), "it accepts the config `rows: 3`");
    let findings = Case::of("double", source, "{rows: 5, broken_row: 3}").refuses("rows: x", "colour").check().await;
    assert!(findings.broken()[0].contains("is not about `colour`"), "{findings}");
    assert!(findings.broken()[1].contains("reading: P3004: row 3 is broken"), "{findings}");
}

#[test]
fn batches_are_written_and_shown_as_text() {
    let text = ["1|a|1.50|2024-01-31|true|2024-01-31T06:30:00", "-|-|-|-|-|-"];
    let batch = batch("i:int32 s:string d:decimal(9,2) day:date b:boolean at:timestamp", &text);
    assert_eq!(rows([&batch]), text);
    assert_eq!(batch.schema().field(0).name(), "i");
}
