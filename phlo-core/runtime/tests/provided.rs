//! Plugins that give assets: what they give is as good as a file's, and one that fails keeps only its own away.
#![allow(clippy::unwrap_used)]

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
