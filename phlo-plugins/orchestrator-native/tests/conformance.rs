//! The package as phlo sees it.
#![allow(clippy::unwrap_used)]

use phlo_orchestrator_native as _;
use phlo_plugin::prelude::*;
use phlo_plugin::{Policy, Registry};
use phlo_spec::{CapabilityType, PluginKind};

#[test]
fn the_orchestrator_provides_its_capability_and_builds_nothing_from_nothing() {
    let registry = Registry::linked(&[]).unwrap().activate(Policy::default(), InitContext::at("/nowhere")).unwrap();
    assert_eq!(registry.providers_of(CapabilityType::Orchestrator), ["native"]);
    let phlo_plugin::registration::Instance::Orchestrator(native) =
        registry.instance(PluginKind::Orchestrator, "native").unwrap()
    else {
        panic!("not an orchestrator");
    };
    assert_eq!(native.build(&Definitions::default()).unwrap(), OrchestratorOutput::Steps(Vec::new()));
    let package = registry.entries().next().unwrap().package.unwrap();
    assert!(Node::parse(package.example, "examples/minimal.yaml", 1).unwrap().get("capabilities").is_some());
}
