//! Every promise that a plugin makes, whatever its kind.

use phlo_hook_webhook::Settings;

phlo_testkit::conformance!(phlo_hook_webhook);

/// Each option is in the README's tables.
#[test]
fn the_readme_names_every_option() {
    let schema = serde_json::to_value(schemars::schema_for!(Settings)).expect("a schema is JSON");
    let definitions = schema["$defs"].as_object().expect("it has definitions").values();
    let options =
        definitions.chain([&schema]).flat_map(|object| object["properties"].as_object().into_iter().flatten());
    let readme = include_str!("../README.md");
    let missing: Vec<_> = options.map(|(name, _)| name).filter(|name| !readme.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
