//! Every promise that a plugin makes, and the command as phlo runs it.

use {{library}}::command::{{Type}}Command;
use phlo_plugin::prelude::*;
use phlo_testkit::fixture::Project;

phlo_testkit::conformance!({{library}});

#[test]
fn the_command_answers_for_people_and_for_programs() {
    let project = Project::new().file("phlo.yaml", "name: x\n").file("data/a", "123");
    let CliCommand { command, run } = {{Type}}Command.commands().unwrap().remove(0);
    let matches = command.try_get_matches_from(["{{kebab}}", "--depth", "1"]).unwrap();
    let context = CliContext { project: Some(project.root().to_owned()), ..CliContext::default() };
    let output = run(&matches, &context).unwrap();
    assert_eq!(output.json["folders"][1], serde_json::json!({ "folder": "data", "files": 1, "bytes": 3 }));
    assert!(output.text.contains("3 B        1  data"), "{}", output.text);
    let err = run(&matches, &CliContext::default()).unwrap_err();
    assert_eq!((err.code(), err.hints().len()), (Code::NoProject, 1));
}
