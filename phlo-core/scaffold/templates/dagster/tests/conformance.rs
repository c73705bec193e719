//! Every promise that a plugin makes, and where the settings go.

use {{library}}::extension;
use phlo_plugin::prelude::*;

phlo_testkit::conformance!({{library}});

fn create(groups: &[&str], cron: &str) -> Result<extension::{{Type}}Extension> {
    let groups = groups.iter().map(|group| (*group).to_owned()).collect();
    let settings = extension::Settings { groups, cron: cron.to_owned(), ..extension::Settings::default() };
    extension::{{Type}}Extension::create(settings, &InitContext::at("/nowhere"))
}

#[test]
fn settings_reach_python_as_data() {
    let modules = create(&["gold", "x\"); import os #"], "0 5 * * *").unwrap().modules().unwrap();
    assert_eq!((modules.len(), modules[0].name.as_str()), (1, "{{plugin}}"));
    let line = modules[0].python.lines().find(|line| line.starts_with("SETTINGS")).unwrap();
    let literal = line.strip_prefix("SETTINGS = json.loads(").and_then(|line| line.strip_suffix(')')).unwrap();
    let text: String = serde_json::from_str(literal).unwrap();
    let settings: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(settings["groups"], serde_json::json!(["gold", "x\"); import os #"]));
    assert_eq!((&settings["cron"], &settings["timezone"]), (&"0 5 * * *".into(), &"UTC".into()));
}

#[test]
fn settings_that_cannot_be_meant_are_refused_by_their_names() {
    for (groups, cron, message) in
        [(&[][..], "0 3 * * *", "`groups` is empty"), (&["gold"], "0 3 * *", "`cron` has 4 fields in place of 5")]
    {
        let err = create(groups, cron).unwrap_err();
        assert_eq!((err.code(), err.message(), err.hints().len()), (Code::InvalidValue, message, 1));
    }
}
