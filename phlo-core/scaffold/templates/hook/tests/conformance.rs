//! Every promise that a plugin makes, and which events leave a line.

use {{library}}::hook;
use phlo_plugin::prelude::*;
use phlo_spec::{AssetStatus, CheckOutcome, CheckSeverity, Payload};
use phlo_testkit::fixture::{Project, asset_run, check_result, event};

phlo_testkit::conformance!({{library}});

/// Delivers events as the bus would: those that the filter lets through.
fn deliver(hook: &hook::{{Type}}Hook, payloads: Vec<Payload>) {
    for registration in hook.hooks().unwrap_or_else(|err| panic!("{err:?}")) {
        for payload in &payloads {
            let event = event(payload.clone(), "bronze.flights");
            if registration.filter.matches(&event) {
                (registration.handler)(&event).unwrap_or_else(|err| panic!("{err:?}"));
            }
        }
    }
}

#[test]
fn each_failure_leaves_one_line_and_nothing_else_does() {
    let check = |outcome, severity| {
        let mut check = check_result("not_null(id)", outcome);
        check.severity = severity;
        Payload::QualityResult(Box::new(check))
    };
    let asset = |status| Payload::IngestionEnd(Box::new(asset_run("bronze.flights", status, Vec::new())));
    let payloads = vec![
        check(CheckOutcome::Passed, CheckSeverity::Error),
        check(CheckOutcome::Failed, CheckSeverity::Warn),
        check(CheckOutcome::Errored, CheckSeverity::Error),
        asset(AssetStatus::Success),
        asset(AssetStatus::Skipped),
        asset(AssetStatus::Blocked),
    ];
    for (warnings, told) in [(true, vec!["failed", "errored", "blocked"]), (false, vec!["errored", "blocked"])] {
        let project = Project::new();
        let settings = hook::Settings { warnings, ..hook::Settings::default() };
        let hook = hook::{{Type}}Hook::create(settings, &project.context()).unwrap();
        deliver(&hook, payloads.clone());
        let text = project.read(".phlo/failures.ndjson");
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let statuses: Vec<_> = lines.iter().filter_map(|line| line["status"].as_str()).collect();
        assert_eq!(statuses, told);
        assert!(lines.iter().all(|line| line["asset"] == "bronze.flights" && line["run"] == "run-1"), "{text}");
    }
}

#[test]
fn a_file_outside_of_the_state_folder_is_refused() {
    for file in ["", "..", "../x", "a/b", "/etc/x"] {
        let settings = hook::Settings { file: file.to_owned(), ..hook::Settings::default() };
        let created = hook::{{Type}}Hook::create(settings, &Project::new().context());
        assert!(created.unwrap_err().message().starts_with("`file` is"), "{file}");
    }
}
