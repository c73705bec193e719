//! Plugins that give assets: what they give is as good as a file's, and one that fails keeps only its own away.
#![allow(clippy::unwrap_used)]

use phlo_plugin::KnownPlugin;
use phlo_plugin::prelude::*;
use phlo_project::Environment;
use phlo_runtime::Platform;
use phlo_spec::{AssetSpec, Severity};
use phlo_testkit::doubles::{OrchestratorDouble, ServiceDouble};
use phlo_testkit::fixture::{Project, asset, key};

struct Gives;
struct Fails;
struct Panics;

impl Plugin for Gives {
    type Settings = NoSettings;
    fn create(_: NoSettings, _: &InitContext) -> Result<Self> {
        Ok(Self)
    }
}

impl AssetProvider for Gives {
    fn assets(&self) -> Result<Vec<AssetSpec>> {
        Ok(vec![asset("given.one", "select 1 as id")])
    }
}

impl Plugin for Fails {
    type Settings = NoSettings;
    fn create(_: NoSettings, _: &InitContext) -> Result<Self> {
        Err(Error::new(Code::InvalidRegistration, "it is not its day").hint("wait"))
    }
}

impl AssetProvider for Fails {
    fn assets(&self) -> Result<Vec<AssetSpec>> {
        Ok(vec![])
    }
}

impl Plugin for Panics {
    type Settings = NoSettings;
    fn create(_: NoSettings, _: &InitContext) -> Result<Self> {
        Ok(Self)
    }
}

impl AssetProvider for Panics {
    fn assets(&self) -> Result<Vec<AssetSpec>> {
        panic!("no assets today")
    }
}

phlo_plugin::package!(bare);
phlo_plugin::register!(Asset, Gives, name = "gives", summary = "One asset");
phlo_plugin::register!(Asset, Fails, name = "fails", summary = "Does not start");
phlo_plugin::register!(Asset, Panics, name = "panics", summary = "Panics when it is asked");

// An orchestrator that writes files, and one that writes where it should not.
struct Escapes;

impl Plugin for Escapes {
    type Settings = NoSettings;
    fn create(_: NoSettings, _: &InitContext) -> Result<Self> {
        Ok(Self)
    }
}

impl Orchestrator for Escapes {
    fn build(&self, _: &Definitions) -> Result<OrchestratorOutput> {
        Ok(OrchestratorOutput::Files(vec![("../mine.txt".to_owned(), String::new())]))
    }
}

phlo_plugin::register!(
    Orchestrator,
    OrchestratorDouble,
    name = "writes",
    summary = "A file",
    provides = ["orchestrator:writes"]
);
phlo_plugin::register!(Orchestrator, Escapes, name = "escapes", summary = "Badly", provides = ["orchestrator:escapes"]);
phlo_plugin::register!(Service, ServiceDouble, name = "double", summary = "A service");

fn open(project: &Project) -> Platform {
    let environment = Environment::from_pairs(std::iter::empty::<(String, String)>());
    Platform::open(project.root(), environment, &[]).platform.unwrap()
}

#[tokio::test]
async fn an_asset_of_a_plugin_is_one_like_any_other() {
    let project = Project::new().file("phlo.yaml", "name: x\n").file("assets/mart/m.sql", "select id from given.one\n");
    let platform = open(&project);
    let (graph, problems) = platform.graph();
    assert!(!problems.has_errors(), "{problems:?}");
    assert_eq!(graph.get(&key("mart.m")).unwrap().upstream.first(), Some(&key("given.one")));
    assert_eq!(platform.assets().map(|a| a.key.as_str()).collect::<Vec<_>>(), ["mart.m", "given.one"]);
    assert!(platform.asset(&key("given.one")).is_some());
    let lineage = platform.lineage(&key("given.one")).await.unwrap();
    assert_eq!(lineage.downstream, [("given.one".to_owned(), "mart.m".to_owned())]);
}

#[tokio::test]
async fn a_plugin_that_gives_nothing_because_it_failed_is_told_and_the_rest_goes_on() {
    let project = Project::new().file("phlo.yaml", "name: x\n");
    let platform = open(&project);
    let told: Vec<_> = platform.warnings().0.iter().map(|d| format!("{}: {}", d.code, d.message)).collect();
    assert_eq!(
        told,
        [
            "P2004: the asset `fails` did not start: it is not its day",
            "P2005: the plugin `panics` panicked in listing its assets: no assets today",
        ]
    );
    assert_eq!(platform.warnings().0[0].hints, ["wait"]);
    let report = platform.check().await;
    let warned = report.diagnostics.0.iter().filter(|d| d.severity == Severity::Warning);
    assert_eq!(warned.map(|d| d.code.as_str()).collect::<Vec<_>>(), ["P2004", "P2005"]);
}

#[test]
fn an_orchestrator_that_runs_assets_itself_is_given_its_files() {
    let project = Project::new().file("phlo.yaml", "name: x\n");
    let platform = open(&project);
    let files = platform.export(Some("writes")).unwrap();
    assert_eq!(files, [("assets.txt".to_owned(), "given.one".to_owned())]);
    for (name, says) in [
        (Some("escapes"), "P2004: the orchestrator `escapes` writes `../mine.txt`, which is not below the folder"),
        (Some("wirtes"), "P2001: unknown orchestrator `wirtes`"),
        (None, "P2007: several plugins provide an orchestrator: escapes, writes"),
    ] {
        let told = platform.export(name).unwrap_err();
        assert_eq!(told.0[0].to_string(), says);
    }
}

#[tokio::test]
async fn what_overrides_a_service_is_read() {
    let project = Project::new().file("phlo.yaml", "name: x\nservices:\n  double: { imge: x }\n");
    let report = open(&project).check().await;
    let told: Vec<_> = report.diagnostics.0.iter().map(ToString::to_string).collect();
    assert!(told.contains(&"phlo.yaml:3:13: P1002: unknown key `imge`".to_owned()), "{told:?}");
}

#[tokio::test]
async fn a_provider_that_is_not_linked_is_told_with_the_feature_that_links_it() {
    const fn resource(name: &'static str, feature: &'static str) -> KnownPlugin {
        KnownPlugin { kind: "resource", name, package: "p", feature, summary: "", linked: false }
    }
    const KNOWN: &[KnownPlugin] = &[resource("delta", "table-delta"), resource("iceberg", "table-iceberg")];
    let told = |project: &Project| {
        let environment = Environment::from_pairs(std::iter::empty::<(String, String)>());
        let platform = Platform::open(project.root(), environment, KNOWN).platform.unwrap();
        async move {
            let diagnostics = platform.check().await.diagnostics.0;
            let of_store = diagnostics.into_iter().find(|d| d.message.contains("table_store")).unwrap();
            format!("{of_store} {:?}", of_store.hints)
        }
    };
    let project = Project::new().file("phlo.yaml", "name: x\ncapabilities: { defaults: { table_store: iceberg } }\n");
    let text = told(&project).await;
    for part in ["phlo.yaml:2:", "P2006", "phlo-bundle/table-iceberg", "phlo build --from phlo.yaml"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let text = told(&Project::new().file("phlo.yaml", "name: x\n")).await;
    assert!(text.contains("phlo-bundle/{table-delta,table-iceberg}"), "{text}");
}

#[tokio::test]
async fn what_is_broken_and_not_used_is_told_and_what_is_used_and_not_there_is_too() {
    let project = Project::new()
        .file("phlo.yaml", "name: x\nplugins: { deny: [double] }\nservices: { double: { image: x } }\n")
        .file("assets/a/b.yaml", "source: { plugin: nowhere }\nchecks: [{ nothing: [a] }]\n");
    let found = open(&project).plugin_check(Some(std::time::Duration::from_secs(1))).await;
    let shown = |name: &str| {
        let of = |p: &&phlo_runtime::PluginHealth| p.plugin.name == name;
        let p = found.plugins.iter().find(of).unwrap();
        let code = p.plugin.error.as_ref().map_or("", |e| e.code.as_str());
        format!("{} {} {} {code}", p.plugin.state, p.healthy, p.used_by.as_deref().unwrap_or("unused"))
    };
    assert_eq!(shown("gives"), "active true unused ");
    assert_eq!(shown("fails"), "refused false unused P2004");
    assert_eq!(shown("panics"), "active false unused P2005");
    assert_eq!(shown("double"), "denied false services.double P2003");
    assert_eq!(shown("nowhere"), "not linked false a.b P2001");
    assert_eq!(shown("nothing"), "not linked false a.b P2001");
    let connection = &found.connections[0];
    assert_eq!((connection.plugin.as_str(), connection.used, connection.tested), ("nowhere", true, false));
}
