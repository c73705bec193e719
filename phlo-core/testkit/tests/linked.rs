//! Registration at link time: a plugin of each kind, registered by the macros, is found in this binary and works.
#![allow(clippy::unwrap_used)]

use phlo_plugin::cli::CliContext;
use phlo_plugin::prelude::*;
use phlo_plugin::registration::Instance;
use phlo_plugin::resource::SecretStore;
use phlo_plugin::source::SourceContext;
use phlo_plugin::{PluginState, Policy, Registry, register};
use phlo_spec::{CapabilityType, PluginKind};
use phlo_testkit::doubles::{
    AssetDouble, CatalogDouble, CliDouble, DagsterDouble, HookDouble, OrchestratorDouble, QualityDouble,
    ResourceDouble, SemanticDouble, ServiceDouble, SourceDouble, TransformDouble,
};
use phlo_testkit::fixture::{key, rows, schema};

phlo_plugin::package!(bare);
register!(Source, SourceDouble, name = "double", summary = "Numbered rows");
register!(Quality, QualityDouble, name = "double", summary = "A column is not negative");
register!(Transform, TransformDouble, name = "double", summary = "Keeps one column");
register!(Service, ServiceDouble, name = "double", summary = "A service");
register!(Hook, HookDouble, name = "double", summary = "Hears every event");
register!(Cli, CliDouble, name = "double", summary = "A command");
register!(Asset, AssetDouble, name = "double", summary = "An asset", requires = ["secret_store"]);
register!(Resource, ResourceDouble, name = "double", summary = "A secret store", provides = ["secret_store:double"]);
register!(Catalog, CatalogDouble, name = "double", summary = "A catalog", optional = ["table_store"]);
register!(Dagster, DagsterDouble, name = "double", summary = "An empty module");
register!(Semantic, SemanticDouble, name = "double", summary = "A model");
// begin: capabilities
register!(
    Orchestrator,
    OrchestratorDouble,
    name = "double",
    summary = "Files",
    requires = ["secret_store"],
    optional = ["alert_sink", "metadata_catalog"],
    provides = ["orchestrator:double"]
);
// end

fn registry() -> Registry {
    Registry::linked(&[]).unwrap().activate(Policy::default(), InitContext::at("/nowhere")).unwrap()
}

#[test]
fn every_kind_is_registered_at_link_time_with_the_facts_of_its_package() {
    let registry = registry();
    let kinds: Vec<PluginKind> = registry.entries().map(|entry| entry.registration.kind).collect();
    assert_eq!(kinds, PluginKind::ALL);
    for entry in registry.entries() {
        let package = entry.package.unwrap();
        assert_eq!((entry.registration.package, package.name), ("phlo-testkit", "phlo-testkit"));
        assert_eq!((package.version, package.license), (env!("CARGO_PKG_VERSION"), "MIT OR Apache-2.0"));
        assert!(matches!(entry.state, PluginState::Ready), "{:?}", entry.state);
        let takes_config = [PluginKind::Source, PluginKind::Quality, PluginKind::Transform];
        assert_eq!(entry.registration.config.is_some(), takes_config.contains(&entry.registration.kind));
    }
}

#[tokio::test]
async fn every_kind_does_what_it_is_for() {
    let registry = registry();
    let node = |text: &str| Node::parse(text, "a.yaml", 1).unwrap();
    for kind in PluginKind::ALL {
        match registry.instance(*kind, "double").unwrap() {
            Instance::Source(source) => {
                let (config, context) = (source.parse(&node("rows: 2")).unwrap(), SourceContext::at("/nowhere"));
                let mut reading = source.read(&config, &context, ReadRequest::default()).await.unwrap();
                let batch = futures::StreamExt::next(&mut reading.streams[0]).await.unwrap().unwrap();
                assert_eq!(rows([&batch]), ["0|row 0", "1|row 1"]);
            }
            Instance::Quality(quality) => {
                let target = CheckTarget { asset: key("a.b"), schema: None };
                assert_eq!(quality.check(&node("column: id"), &target).unwrap().name, "double(id)");
            }
            Instance::Transform(transform) => {
                let plan = transform.plan(&node("column: id"), &schema("id:int64 name:string")).unwrap();
                let TransformPlan::Batches { schema: kept, .. } = plan else { panic!("{plan:?}") };
                assert_eq!(kept, schema("id:int64"));
            }
            Instance::Service(service) => assert_eq!(service.definition().unwrap().name, "double"),
            Instance::Hook(hook) => assert_eq!(hook.hooks().unwrap()[0].filter.events, EventKind::ALL),
            Instance::Cli(cli) => {
                let command = cli.commands().unwrap().remove(0);
                let matches = command.command.try_get_matches_from(["double", "hello"]).unwrap();
                let context = CliContext::default();
                assert_eq!((command.run)(&matches, &context).unwrap().text, "hello");
            }
            Instance::Asset(asset) => assert_eq!(asset.assets().unwrap()[0].key, key("double.one")),
            Instance::Resource(_) => {
                let provider = registry.provider(CapabilityType::SecretStore, "double").unwrap();
                let store = provider.get::<dyn SecretStore>().unwrap();
                assert_eq!(store.secret("word").unwrap(), Some(Secret::new("open sesame")));
                assert!(provider.get::<dyn phlo_plugin::resource::RunHistory>().is_none());
            }
            Instance::Catalog(catalog) => assert_eq!(catalog.catalogs().unwrap()[0].target, "trino"),
            Instance::Orchestrator(orchestrator) => {
                let files = OrchestratorOutput::Files(vec![("assets.txt".to_owned(), String::new())]);
                assert_eq!(orchestrator.build(&Definitions::default()).unwrap(), files);
            }
            Instance::Dagster(dagster) => assert_eq!(dagster.modules().unwrap()[0].name, "phlo_double"),
            Instance::Semantic(semantic) => assert!(semantic.model("orders").unwrap().is_some()),
        }
    }
    assert!(registry.entries().all(|entry| matches!(entry.state, PluginState::Active)));
    assert!(registry.clean_up().is_empty());
}
