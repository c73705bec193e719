//! Every promise that a plugin makes, and where the settings go.

use phlo_plugin::prelude::*;
use {{library}}::service;

phlo_testkit::conformance!({{library}});

#[test]
fn settings_are_in_the_definition_and_the_image_tells_its_version() {
    let settings = service::Settings { port: 6380.try_into().unwrap(), max_memory_mib: 512.try_into().unwrap() };
    let service = service::{{Type}}Service::create(settings, &InitContext::at("/nowhere"));
    let spec = service.unwrap().definition().unwrap();
    assert_eq!(spec.name, "{{plugin}}");
    assert_eq!(spec.ports, ["6380:6379"]);
    assert_eq!(&spec.command[spec.command.len() - 2..], ["--maxmemory", "512mb"]);
    assert!(spec.image.starts_with("valkey/valkey:8") && spec.healthcheck.is_some());
}
