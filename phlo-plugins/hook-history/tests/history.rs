//! Events in, history out.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use phlo_hook_history as _;
use phlo_plugin::hook::{FailurePolicy, HookRegistration};
use phlo_plugin::prelude::*;
use phlo_plugin::resource::RunHistory;
use phlo_plugin::{Policy, Registry};
use phlo_spec::event::{Metric, RunEnd, RunStart};
use phlo_spec::{AssetRun, CapabilityType, CheckResult, Correlation, Payload, PluginKind};
use phlo_testkit::fixture::{Project, asset_run, check_result, key};
use rusqlite::Connection;

/// A number that Linux gives to no process.
const DEAD: u32 = u32::MAX;

fn registry(project: &Project, settings: &str) -> Registry {
    let settings = Node::parse(settings, "phlo.yaml", 1).unwrap();
    let policy = Policy {
        settings: BTreeMap::from([((PluginKind::Hook, "history".to_owned()), settings)]),
        ..Policy::default()
    };
    Registry::linked(&[]).unwrap().activate(policy, project.context()).unwrap()
}

/// A hook with a connection of its own, as another process would have.
fn hook(project: &Project, settings: &str) -> HookRegistration {
    let (mut hooks, problems) = registry(project, settings).hooks();
    assert!(problems.is_empty(), "{problems:?}");
    hooks.remove(0).1
}

fn history(project: &Project) -> Arc<dyn RunHistory> {
    registry(project, "{}").provider(CapabilityType::RunHistory, "history").unwrap().get().unwrap()
}

fn sqlite(project: &Project) -> Connection {
    Connection::open(project.root().join(".phlo/history.db")).unwrap()
}

fn named<T: serde::de::DeserializeOwned>(name: &str) -> T {
    serde_json::from_value(name.into()).unwrap()
}

/// `not_null=passed`
fn result(text: &str) -> CheckResult {
    let (name, outcome) = text.split_once('=').unwrap();
    check_result(name, named(outcome))
}

/// Events, one a line, a second apart:
/// `RUN start PID ASSET…`, `RUN check ASSET CHECK=OUTCOME`, `RUN end ASSET[@PARTITION] STATUS CHECK=OUTCOME…`, `RUN over STATUS`.
fn events(script: &str) -> Vec<Event> {
    let event = |(second, line): (usize, &str)| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [run, verb, rest @ ..] = &words[..] else { panic!("{line}") };
        let mut correlation = Correlation { run_id: Some((*run).to_owned()), ..Correlation::default() };
        let payload = match (*verb, rest) {
            ("start", [pid, assets @ ..]) => Payload::RunStart(RunStart {
                selection: assets.join(" "),
                assets: assets.iter().map(|asset| key(asset)).collect(),
                pid: if *pid == "alive" { std::process::id() } else { DEAD },
                plugin_fingerprint: Some("0123456789ab".to_owned()),
            }),
            ("check", [asset, check]) => {
                correlation.asset = Some(key(asset));
                Payload::QualityResult(Box::new(result(check)))
            }
            ("end", [asset, status, checks @ ..]) => {
                let (asset, partition) = asset
                    .split_once('@')
                    .map_or((*asset, None), |(asset, partition)| (asset, Some(partition.to_owned())));
                (correlation.asset, correlation.partition) = (Some(key(asset)), partition.clone());
                let run = asset_run(asset, named(status), checks.iter().map(|check| result(check)).collect());
                Payload::IngestionEnd(Box::new(AssetRun { partition, ..run }))
            }
            ("over", [status]) => Payload::RunEnd(RunEnd { status: named(status), duration_ms: 2000 }),
            _ => panic!("{line}"),
        };
        Event {
            id: format!("{second} {line}"),
            at: DateTime::UNIX_EPOCH + TimeDelta::seconds(second as i64),
            producer: "phlo".to_owned(),
            correlation,
            tags: BTreeMap::from([("project".to_owned(), "test".to_owned())]),
            payload,
        }
    };
    script.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate().map(event).collect()
}

fn deliver(hook: &HookRegistration, events: &[Event]) {
    for event in events {
        assert!(hook.filter.matches(event));
        (hook.handler)(event).unwrap();
    }
}

fn second(at: DateTime<Utc>) -> i64 {
    at.timestamp()
}

fn shown(run: &AssetRun) -> String {
    let partition = run.partition.as_ref().map(|partition| format!("@{partition}")).unwrap_or_default();
    let checks: String = run.checks.iter().map(|check| format!(" {}={}", check.name, named_outcome(check))).collect();
    format!("{}{partition} {}{checks}", run.asset, run.status.as_str())
}

fn named_outcome(check: &CheckResult) -> String {
    serde_json::to_value(check.outcome).unwrap().as_str().unwrap().to_owned()
}

/// Everything that the history answers, as text.
fn told(history: &dyn RunHistory) -> Vec<String> {
    let mut lines = Vec::new();
    for listed in history.runs(100).unwrap() {
        let run = history.run(&listed.id).unwrap().unwrap();
        let without_checks =
            run.assets.iter().map(|asset| AssetRun { checks: Vec::new(), ..asset.clone() }).collect::<Vec<_>>();
        assert_eq!(listed.assets, without_checks, "a list of runs is without checks");
        assert_eq!((listed.status, listed.started_at, &listed.tags), (run.status, run.started_at, &run.tags));
        assert_eq!(listed.plugin_fingerprint, run.plugin_fingerprint);
        let ended = run.ended_at.map(|at| format!("..{}", second(at))).unwrap_or_default();
        let assets: Vec<_> = run.assets.iter().map(shown).collect();
        lines.push(format!(
            "{} {} {}{ended} [{}] {}",
            run.id,
            run.status.as_str(),
            second(run.started_at),
            run.selection,
            assets.join(", ")
        ));
    }
    for (run, at, asset) in history.latest().unwrap() {
        lines.push(format!("latest {run} {} {}", second(at), shown(&asset)));
    }
    for (run, at, check) in history.checks(&key("a.x"), 100).unwrap() {
        lines.push(format!("check {run} {} {}={}", second(at), check.name, named_outcome(&check)));
    }
    lines
}

/// What is told of a run, or of several, in order.
const CASES: &[(&str, &[&str])] = &[
    ("", &[]),
    ("r1 start alive a.x", &["r1 running 0 [a.x]"]),
    (
        "r1 start alive a.x a.y
         r1 check a.x nn=passed
         r1 end a.x success nn=passed
         r1 end a.y skipped
         r1 over success",
        &[
            "r1 success 0..4 [a.x a.y] a.x success nn=passed, a.y skipped",
            "latest r1 2 a.x success nn=passed",
            "latest r1 3 a.y skipped",
            "check r1 2 nn=passed",
        ],
    ),
    // The newest run first; the latest part of each asset, whichever run it is of.
    (
        "r1 start alive a.x a.y
         r1 end a.x success nn=passed
         r1 end a.y failed
         r1 over failed
         r2 start alive a.x
         r2 end a.x blocked nn=failed rg=errored
         r2 over blocked",
        &[
            "r2 blocked 4..6 [a.x] a.x blocked nn=failed rg=errored",
            "r1 failed 0..3 [a.x a.y] a.x success nn=passed, a.y failed",
            "latest r2 5 a.x blocked nn=failed rg=errored",
            "latest r1 2 a.y failed",
            "check r2 5 nn=failed",
            "check r2 5 rg=errored",
            "check r1 1 nn=passed",
        ],
    ),
    // Results of an earlier attempt give way to those of the last.
    (
        "r1 start alive a.x
         r1 check a.x nn=failed
         r1 check a.x old=failed
         r1 check a.x nn=passed
         r1 end a.x success nn=passed",
        &["r1 running 0 [a.x] a.x success nn=passed", "latest r1 4 a.x success nn=passed", "check r1 4 nn=passed"],
    ),
    // Until an asset has ended, what its checks found so far.
    (
        "r1 start alive a.x
         r1 check a.x nn=failed
         r1 check a.x rg=passed
         r1 check a.x nn=passed",
        &["r1 running 0 [a.x]", "check r1 3 nn=passed", "check r1 2 rg=passed"],
    ),
    // Partitions of one asset are parts of their own.
    (
        "r1 start alive a.x
         r1 end a.x@2024-01-01 success nn=passed
         r1 end a.x@2024-01-02 blocked nn=failed",
        &[
            "r1 running 0 [a.x] a.x@2024-01-01 success nn=passed, a.x@2024-01-02 blocked nn=failed",
            "latest r1 2 a.x@2024-01-02 blocked nn=failed",
            "check r1 1 nn=passed",
            "check r1 2 nn=failed",
        ],
    ),
    // Two runs at once.
    (
        "r1 start alive a.x
         r2 start alive a.y
         r1 end a.x success
         r2 end a.y success
         r2 over success
         r1 over success",
        &[
            "r2 success 1..4 [a.y] a.y success",
            "r1 success 0..5 [a.x] a.x success",
            "latest r1 2 a.x success",
            "latest r2 3 a.y success",
        ],
    ),
    // A start that could not be written: the run is known by what it did.
    ("r1 end a.x success", &["r1 running 0 [] a.x success", "latest r1 0 a.x success"]),
    (
        "r1 end a.x success\nr1 end a.y success\nr1 over success",
        &["r1 success 0..2 [] a.x success, a.y success", "latest r1 0 a.x success", "latest r1 1 a.y success"],
    ),
];

#[test]
fn what_happened_is_what_is_told() {
    for (script, want) in CASES {
        let project = Project::new();
        let events = events(script);
        deliver(&hook(&project, "{}"), &events);
        let history = history(&project);
        let got = told(history.as_ref());
        let got: Vec<_> = got.iter().map(|line| line.trim_end()).collect();
        assert_eq!(got, *want, "{script}");
        for run in history.runs(9).unwrap() {
            let own: Vec<_> =
                events.iter().filter(|event| event.correlation.run_id.as_ref() == Some(&run.id)).cloned().collect();
            assert_eq!(history.events(&run.id).unwrap(), own, "events come back as they were, in order");
        }
    }
}

#[test]
fn an_event_delivered_again_changes_nothing() {
    for (script, _) in CASES {
        let project = Project::new();
        let (first, second) = (hook(&project, "{}"), hook(&project, "{}"));
        let events = events(script);
        deliver(&first, &events);
        let history = history(&project);
        let before = told(history.as_ref());
        for again in 0..events.len() {
            deliver(&second, &events[again..]);
            deliver(&first, &events[..=again]);
        }
        assert_eq!(told(history.as_ref()), before, "{script}");
    }
}

#[test]
fn a_run_is_found_by_a_beginning_that_no_other_run_has() {
    let project = Project::new();
    deliver(
        &hook(&project, "{}"),
        &events("20240101-aa start alive a.x\n20240101-ab start alive a.x\n20240102 start alive a.x"),
    );
    let history = history(&project);
    for (text, want) in [
        ("20240101-aa", Ok(Some("20240101-aa"))),
        ("20240101-aa ", Ok(None)),
        ("20240102", Ok(Some("20240102"))),
        ("202401", Err("3 runs begin with `202401`: 20240102, 20240101-ab, 20240101-aa")),
        ("20240101", Err("2 runs begin with `20240101`: 20240101-ab, 20240101-aa")),
        ("20240101-a%", Ok(None)),
        ("2024_102", Ok(None)),
        ("x", Ok(None)),
        ("", Ok(None)),
    ] {
        let found = history.run(text).map(|run| run.map(|run| run.id));
        let found = found.as_ref().map(Option::as_deref).map_err(|err| (err.code(), err.message()));
        assert_eq!(found, want.map_err(|message| (Code::Usage, message)), "{text}");
        let events = history.events(text).map(|events| events.len()).map_err(|err| err.code());
        assert_eq!(events, want.map(|run| run.map_or(0, |_| 1)).map_err(|_| Code::Usage), "{text}");
    }
}

#[test]
fn limits_count_what_is_asked_for() {
    let project = Project::new();
    deliver(
        &hook(&project, "{}"),
        &events("r1 end a.x success nn=passed rg=passed\nr2 end a.x success nn=failed rg=passed"),
    );
    let history = history(&project);
    assert_eq!(history.runs(1).unwrap().iter().map(|run| run.id.as_str()).collect::<Vec<_>>(), ["r2"]);
    assert_eq!(history.runs(usize::MAX).unwrap().len(), 2);
    let checks = history.checks(&key("a.x"), 3).unwrap();
    assert_eq!(
        checks.iter().map(|(run, _, check)| format!("{run} {}", check.name)).collect::<Vec<_>>(),
        ["r2 nn", "r2 rg", "r1 nn"]
    );
    assert!(history.checks(&key("a.y"), 3).unwrap().is_empty());
}

#[test]
fn a_run_whose_process_is_gone_is_closed_and_a_living_one_is_not() {
    let project = Project::new();
    let hook = hook(&project, "{}");
    deliver(
        &hook,
        &events(
            "dead start gone a.x\ndead end a.x success\nlives start alive a.x\nover start gone a.x\nover over failed\nunknown end a.x failed",
        ),
    );
    let history = history(&project);
    let status = |run: &str| {
        let run = history.run(run).unwrap().unwrap();
        format!("{} {}", run.status.as_str(), run.ended_at.map_or(-1, second))
    };
    let is_alive = |pid| pid == std::process::id();
    assert_eq!(history.close_dead(&is_alive).unwrap(), ["dead", "unknown"]);
    assert_eq!(history.close_dead(&is_alive).unwrap(), Vec::<String>::new());
    let statuses = ["dead", "lives", "over", "unknown"].map(status);
    assert_eq!(
        statuses,
        ["interrupted 1", "running -1", "failed 4", "interrupted 5"],
        "ended at its last sign of life"
    );
    assert_eq!(history.close_dead(&|_| false).unwrap(), ["lives"]);
    // A run that was taken for dead and is not says itself how it ended.
    let mut over = events("lives over success");
    over[0].id = "late".to_owned();
    deliver(&hook, &over);
    assert_eq!(status("lives"), "success 0");
}

#[cfg(target_os = "linux")]
#[test]
fn a_process_that_has_the_number_of_a_dead_one_is_not_taken_for_it() {
    let project = Project::new();
    deliver(&hook(&project, "{}"), &events("r1 start alive a.x\nr2 start alive a.x"));
    sqlite(&project).execute("UPDATE runs SET born = 'another boot 1' WHERE id = 'r1'", []).unwrap();
    assert_eq!(history(&project).close_dead(&|_| true).unwrap(), ["r1"]);
}

#[test]
fn processes_write_at_once_and_nothing_is_lost() {
    const WRITERS: usize = 8;
    const RUNS: usize = 10;
    let project = Project::new();
    let history = history(&project);
    let start = std::sync::Barrier::new(WRITERS);
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (start, project) = (&start, &project);
            scope.spawn(move || {
                let hook = hook(project, "{}");
                // The first events find no file.
                start.wait();
                for run in 0..RUNS {
                    let id = format!("w{writer}-{run}");
                    let script = format!("{id} start alive a.x\n{id} check a.x nn=passed\n{id} end a.x success nn=passed\n{id} over success");
                    deliver(&hook, &events(&script));
                }
            });
        }
        scope.spawn(|| {
            while history.runs(100).unwrap().len() < WRITERS * RUNS {
                history.latest().unwrap();
            }
        });
    });
    let runs = history.runs(1000).unwrap();
    assert_eq!(runs.len(), WRITERS * RUNS);
    assert!(runs.iter().all(|run| run.assets.len() == 1 && history.events(&run.id).unwrap().len() == 4));
    let sound: String = sqlite(&project).query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
}

#[test]
fn old_runs_go_when_a_run_ends_but_neither_a_running_one_nor_an_assets_last_result() {
    let project = Project::new();
    let hook = hook(&project, "keep_runs: 2");
    let script = "r1 start alive a.x a.y
                  r1 end a.x success nn=passed
                  r1 end a.y success nn=passed
                  r1 over success
                  r2 start alive a.x
                  r3 start alive a.x
                  r3 end a.x success nn=passed
                  r3 over success
                  r4 start alive a.x
                  r4 end a.x failed
                  r4 over failed";
    let mut all = events(script);
    let log = |at: i64| Event {
        id: format!("log {at}"),
        at: DateTime::UNIX_EPOCH + TimeDelta::seconds(at),
        correlation: Correlation::default(),
        payload: Payload::TelemetryMetric(Metric { name: "m".to_owned(), value: 1.0, unit: "rows".to_owned() }),
        ..all[0].clone()
    };
    let logs = [log(0), log(9)];
    all.splice(0..0, logs);
    deliver(&hook, &all);
    let history = history(&project);
    assert_eq!(
        told(history.as_ref()).iter().map(|line| line.trim_end()).collect::<Vec<_>>(),
        [
            "r4 failed 8..10 [a.x] a.x failed",
            "r3 success 5..7 [a.x] a.x success nn=passed",
            "r2 running 4 [a.x]",
            "latest r4 9 a.x failed",
            "latest r1 2 a.y success nn=passed",
            "check r3 6 nn=passed",
        ]
    );
    assert!(history.events("r1").unwrap().is_empty());
    let count = |sql: &str| sqlite(&project).query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM events WHERE run_id = 'r1'"), 0);
    assert_eq!(
        count("SELECT at FROM events WHERE run_id IS NULL"),
        9_000_000,
        "events of no run go with the runs of their time"
    );
    let err = registry(&project, "keep_runs: 0").instance(PluginKind::Hook, "history").map(drop).unwrap_err();
    assert_eq!(err.place().unwrap().to_string(), "phlo.yaml:1:12");
}

#[test]
fn a_file_that_cannot_be_used_is_one_clear_error_and_stays_as_it_is() {
    let newer = |project: &Project| {
        deliver(&hook(project, "{}"), &events("r1 start alive a.x"));
        sqlite(project).pragma_update(None, "user_version", 99).unwrap();
    };
    let other = |project: &Project| {
        project.write(".phlo/history.db", "not a database, but long enough to be looked at as one".repeat(20));
    };
    for (spoil, message, hint) in [
        (
            &newer as &dyn Fn(&Project),
            "the run history is of version 99, and this phlo reads up to 1",
            "it was written by a newer phlo",
        ),
        (&other, "the run history could not be opened", "move the file away"),
    ] {
        let project = Project::new();
        spoil(&project);
        let file = std::fs::read(project.root().join(".phlo/history.db")).unwrap();
        let history = history(&project);
        let written = (hook(&project, "{}").handler)(&events("r2 start alive a.x")[0]);
        for err in [written.unwrap_err(), history.runs(1).unwrap_err(), history.close_dead(&|_| false).unwrap_err()] {
            assert_eq!((err.code(), err.message()), (Code::HistoryFailed, message));
            assert!(err.hints()[0].starts_with(hint) && err.chain()[0].contains("history.db"), "{err:?}");
        }
        assert_eq!(std::fs::read(project.root().join(".phlo/history.db")).unwrap(), file);
    }
}

#[test]
fn a_failure_is_over_when_its_cause_is() {
    let project = Project::new().file(".phlo", "a file where the folder should be");
    let hook = hook(&project, "{}");
    assert_eq!((hook.policy, hook.priority < HookRegistration::DEFAULT_PRIORITY), (FailurePolicy::Log, true));
    let events = events("r1 start alive a.x\nr1 over success");
    let err = (hook.handler)(&events[0]).unwrap_err();
    assert_eq!((err.code(), err.message()), (Code::HistoryFailed, "the folder of the run history could not be made"));
    std::fs::remove_file(project.root().join(".phlo")).unwrap();
    deliver(&hook, &events[1..]);
    assert_eq!(history(&project).runs(1).unwrap().len(), 1);
}

#[test]
fn an_event_that_cannot_be_read_is_told_and_hides_no_other() {
    let project = Project::new();
    let mut events = events("r1 start alive a.x\nr1 check a.x nn=passed\nr1 over success");
    // JSON has no such number: it is stored as null.
    events[1].payload = Payload::TelemetryMetric(Metric { name: "m".to_owned(), value: f64::NAN, unit: String::new() });
    deliver(&hook(&project, "{}"), &events);
    sqlite(&project).execute("UPDATE events SET body = replace(body, 'run.end', 'run.paused')", []).unwrap();
    let told = history(&project).events("r1").unwrap();
    assert_eq!(told[0], events[0]);
    for (told, event, text) in [(&told[1], &events[1], "telemetry.metric"), (&told[2], &events[2], "run.paused")] {
        let Payload::TelemetryLog(line) = &told.payload else { panic!("{told:?}") };
        assert!(
            line.message.starts_with("an event that this phlo cannot read (") && line.message.contains(text),
            "{line:?}"
        );
        assert_eq!((&told.id, told.at), (&event.id, event.at));
    }
    sqlite(&project).execute("UPDATE runs SET status = 'paused'", []).unwrap();
    let err = history(&project).runs(1).unwrap_err();
    assert_eq!(err.message(), "the run history holds a record that this phlo cannot read");
}

#[test]
fn clean_up_closes_the_file_and_the_next_event_opens_it_again() {
    let project = Project::new();
    let registry = registry(&project, "{}");
    let (hooks, _) = registry.hooks();
    let events = events("r1 start alive a.x\nr1 over success");
    let log = project.root().join(".phlo/history.db-wal");
    deliver(&hooks[0].1, &events[..1]);
    assert!(log.exists());
    assert!(registry.clean_up().is_empty());
    assert!(!log.exists());
    deliver(&hooks[0].1, &events[1..]);
    assert_eq!(told(history(&project).as_ref()), ["r1 success 0..1 [a.x] "]);
}

#[test]
fn a_run_is_remembered_with_its_plugins_and_one_of_an_older_phlo_without() {
    let project = Project::new();
    let hook = hook(&project, "{}");
    deliver(&hook, &events("new start alive a.x"));
    // As phlo wrote it before it knew fingerprints.
    let mut old = serde_json::to_value(&events("old start alive a.x")[0]).unwrap();
    old["data"].as_object_mut().unwrap().remove("plugin_fingerprint").unwrap();
    deliver(&hook, &[serde_json::from_value(old).unwrap()]);
    let history = history(&project);
    let of = |run: &str| history.run(run).unwrap().unwrap().plugin_fingerprint;
    assert_eq!((of("new").as_deref(), of("old").as_deref()), (Some("0123456789ab"), None));
    sqlite(&project).execute("UPDATE events SET body = 'not JSON' WHERE run_id = 'new'", []).unwrap();
    assert_eq!(of("new"), None);
}
