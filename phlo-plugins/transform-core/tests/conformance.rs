//! The package as phlo sees it.
#![allow(clippy::unwrap_used)]

use phlo_plugin::{PluginState, Registry};
use phlo_spec::{Node, PluginKind};
use phlo_transform_core as _;

#[test]
fn every_transform_of_the_manifest_is_registered_documented_and_in_the_example() {
    let registry = Registry::linked(&[]).unwrap();
    let manifest: Vec<_> =
        include_str!("../Cargo.toml").split("name = \"").skip(2).map(|rest| rest.split('"').next().unwrap()).collect();
    let package = registry.entries().next().unwrap().package.unwrap();
    let example = Node::parse(package.example, "examples/minimal.yaml", 1).unwrap();
    let used: Vec<_> = example
        .get("transforms")
        .unwrap()
        .items()
        .unwrap()
        .iter()
        .map(|item| item.entries().unwrap()[0].0.as_str().unwrap())
        .collect();
    assert_eq!((manifest.len(), registry.entries().count()), (7, 7));
    for name in manifest {
        let entry = registry.find(name).next().unwrap_or_else(|| panic!("{name} is not registered"));
        assert_eq!(entry.registration.kind, PluginKind::Transform);
        assert!(matches!(entry.state, PluginState::Ready), "{name}: {:?}", entry.state);
        assert!(entry.registration.summary.len() < 80);
        assert!(package.readme.contains(&format!("`{name}`")), "{name} is not in the README");
        assert!(used.contains(&name), "{name} is not in the example");
        let schema = (entry.registration.config.unwrap())();
        assert!(schema.get("description").is_some(), "{name} is not documented");
        for (field, value) in schema.get("properties").unwrap().as_object().unwrap() {
            assert!(value.get("description").is_some(), "{name}: {field} is not documented");
        }
    }
}
