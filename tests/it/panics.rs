//! A panic of a plugin stays that plugin's: twelve kinds by all their calls, each in a process of its own. The process lives, says
//! whose panic it was, fails what it must fail and nothing else, and leaves nothing half-written: the published rows are the old
//! ones or the new ones, and the next run, without the panic, ends well.

use crate::fixture::{Project, Said};

const BINARY: &str = env!("CARGO_BIN_EXE_phlo-panics");

/// What a panic does to the command that meets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    /// The command fails: this exit code.
    Fails(i32),
    /// It is told, and the command does its work.
    Told,
    /// The handler asked for silence.
    Silent,
}
use Does::{Fails, Silent, Told};

/// A kind's call, the command that reaches it, and what the panic does.
type Case = (&'static str, &'static str, &'static [&'static str], Does);

const RUN: &[&str] = &["run"];
const CHECK: &[&str] = &["plugin", "check"];
const EXPORT: &[&str] = &["config", "export", "out", "--catalog", "saboteur"];
const DAGSTER: &[&str] = &["config", "export", "out", "--orchestrator", "dagster"];
const ORDERED: &[&str] = &["run", "--tag", "phlo/capability/orchestrator=saboteur"];
/// Every plugin is made, tested and cleaned up by these, whatever its kind.
const OF_ALL: [(&str, &[&str], Does); 2] = [("create", CHECK, Fails(2)), ("self_test", CHECK, Fails(2))];

const CASES: &[Case] = &[
    ("source", "validate", RUN, Fails(1)),
    ("source", "schema", RUN, Fails(1)),
    ("source", "test_connection", CHECK, Fails(2)),
    ("source", "read", RUN, Fails(1)),
    ("source", "stream", RUN, Fails(1)),
    ("source", "cleanup", RUN, Told),
    ("quality", "check", RUN, Fails(1)),
    ("quality", "mask", RUN, Fails(3)),
    ("quality", "verdict", RUN, Fails(3)),
    ("quality", "schema_verdict", RUN, Fails(3)),
    ("quality", "rows_verdict", RUN, Fails(3)),
    ("quality", "schemas_verdict", RUN, Fails(3)),
    ("quality", "cleanup", RUN, Told),
    ("transform", "plan", RUN, Fails(1)),
    ("transform", "map", RUN, Fails(1)),
    ("transform", "apply", RUN, Fails(1)),
    ("transform", "cleanup", RUN, Told),
    ("service", "definition", CHECK, Fails(2)),
    ("service", "cleanup", CHECK, Told),
    ("hook", "hooks", RUN, Told),
    ("hook", "handler_log", RUN, Told),
    ("hook", "handler_ignore", RUN, Silent),
    ("hook", "handler_raise", RUN, Fails(1)),
    ("hook", "cleanup", RUN, Told),
    ("cli", "commands", &["sabotage"], Fails(2)),
    ("cli", "run", &["sabotage"], Fails(1)),
    ("cli", "cleanup", &["sabotage"], Told),
    ("asset", "assets", RUN, Told),
    ("asset", "cleanup", RUN, Told),
    ("catalog", "catalogs", EXPORT, Fails(1)),
    ("catalog", "files", EXPORT, Fails(1)),
    ("catalog", "cleanup", EXPORT, Told),
    ("orchestrator", "build", ORDERED, Fails(1)),
    ("orchestrator", "cleanup", ORDERED, Told),
    ("dagster", "modules", DAGSTER, Fails(1)),
    ("dagster", "cleanup", DAGSTER, Told),
    ("semantic", "models", &["check"], Told),
    ("semantic", "cleanup", &["check"], Told),
    ("resource", "providers", RUN, Fails(1)),
    ("resource", "cleanup", RUN, Told),
    ("resource", "session", RUN, Fails(1)),
    ("resource", "support", RUN, Fails(1)),
    ("resource", "describe", RUN, Fails(1)),
    ("resource", "provider", &["sql", "select 1 from raw.numbers"], Fails(1)),
    ("resource", "begin", RUN, Fails(1)),
    ("resource", "base_version", RUN, Fails(1)),
    ("resource", "stage_schema", RUN, Fails(1)),
    ("resource", "notes", RUN, Fails(1)),
    ("resource", "writer", RUN, Fails(1)),
    ("resource", "write", RUN, Fails(1)),
    ("resource", "close", RUN, Fails(1)),
    ("resource", "resolve", RUN, Fails(1)),
    ("resource", "staged", RUN, Fails(1)),
    ("resource", "candidate", RUN, Fails(1)),
    ("resource", "commit", RUN, Fails(1)),
    ("resource", "keep", RUN, Fails(1)),
    ("resource", "discard", RUN, Fails(1)),
    ("resource", "discard_failed", &["run", "raw.log"], Fails(1)),
    ("resource", "list", &["table", "list"], Fails(1)),
    ("resource", "history", &["table", "history", "raw.numbers"], Fails(1)),
    ("resource", "target_validate", RUN, Fails(1)),
    ("resource", "location", &["lineage", "out.numbers"], Fails(1)),
    ("resource", "accepts", RUN, Fails(1)),
    ("resource", "is_current", &["run", "out.numbers"], Fails(1)),
    ("resource", "publish", &["run", "--full-refresh"], Fails(1)),
    ("resource", "target_connection", CHECK, Fails(2)),
    ("resource", "secret", RUN, Fails(1)),
    ("resource", "looks_in", RUN, Fails(2)),
    ("resource", "alert", RUN, Told),
    ("resource", "close_dead", RUN, Told),
    ("resource", "runs", &["runs"], Fails(1)),
    ("resource", "run", &["runs", "2"], Fails(1)),
    ("resource", "events", &["logs"], Fails(1)),
    ("resource", "latest", &["status"], Fails(1)),
    ("resource", "checks", &["quality", "show", "raw.numbers"], Fails(1)),
];

/// What must go wrong, too, for phlo to come to the call.
fn also(call: &str) -> &'static [(&'static str, &'static str)] {
    match call {
        "keep" => &[("quality", "mask")],
        "discard_failed" => &[("source", "stream")],
        _ => &[],
    }
}

/// A project in which the saboteurs are used.
fn project() -> Project {
    let project = Project::new().write(
        "assets/raw/numbers.yaml",
        "source: { plugin: saboteur }\nwrite: { strategy: overwrite }\n\
         transforms:\n  - saboteur: { plan: map }\n  - saboteur: { plan: engine }\n\
         checks:\n  - saboteur: { plan: mask }\n  - saboteur: { plan: verdict }\n  - saboteur: { plan: schema }\n\
         \x20 - saboteur: { plan: query }\n  - saboteur: { plan: schemas }\n  - row_count: { max: 1, severity: warn }\n",
    );
    // One grows with each run, so that only its new rows are counted; to the other nothing comes any more.
    let project = project.write(
        "assets/raw/log.yaml",
        "source: { plugin: saboteur }\nwrite: { strategy: append }\nchecks:\n  - saboteur: { plan: verdict }\n",
    );
    let project = project
        .write("assets/raw/once.yaml", "source: { plugin: saboteur, plan: once }\nwrite: { strategy: append }\n");
    let project = project.write(
        "assets/out/numbers.yaml",
        "table: raw.numbers\ntarget: { plugin: saboteur, plan: \"${secret:saboteur/word}\" }\n",
    );
    set(&project, &[]);
    project
}

fn set(project: &Project, traps: &[(&str, &str)]) {
    let settings: String =
        traps.iter().map(|(kind, call)| format!("    {kind}: {{ saboteur: {{ panics_in: {call} }} }}\n")).collect();
    let settings = if settings.is_empty() { settings } else { format!("plugins:\n  settings:\n{settings}") };
    project.put(
        "phlo.yaml",
        &format!(
            "name: test\ncapabilities:\n  defaults: {{ table_store: saboteur, query_engine: saboteur, run_history: saboteur, \
             orchestrator: native }}\n{settings}"
        ),
    );
}

fn phlo(project: &Project, args: &[&str]) -> Said {
    project.said(&mut project.command_of(BINARY, args))
}

fn rows(project: &Project) -> String {
    // A run adds 40 rows to the log, or none.
    let log = "(select count(*) % 40 from raw.log) as log, (select count(*) from raw.once) as once";
    let sql = format!("select count(*) as n, max(id) as m, {log} from raw.numbers");
    phlo(project, &["sql", &sql, "--format", "csv"]).exits(0).stdout
}

/// Each table's versions: nothing that was not audited is among them.
fn versions(project: &Project) -> Vec<usize> {
    let of = |table: &str| phlo(project, &["table", "history", table, "--json"]).exits(0).json();
    ["raw.numbers", "raw.log"].map(|table| of(table)["versions"].as_array().unwrap().len()).into()
}

/// Tries one case, in a copy of a project that has a good table; answers what is wrong.
fn case(good: &Project, kind: &str, call: &str, command: &[&str], does: Does) -> Vec<String> {
    let mut wrong = Vec::new();
    let project = Project::copy_of(good);
    let before = "n,m,log,once\n40,39,0,40\n";
    let traps: Vec<_> = also(call).iter().copied().chain([(kind, call)]).collect();
    set(&project, &traps);
    let said = phlo(&project, command);
    let all = said.all();
    let mut hold = |is: bool, what: String| {
        if !is {
            wrong.push(format!("{kind}.{call}: {what}\n{all}"));
        }
    };
    let code = match does {
        Fails(code) => code,
        Told | Silent => 0,
    };
    hold(said.code == code, format!("exit {} in place of {code}", said.code));
    let named = all.contains("the plugin `saboteur` panicked in")
        && all.contains(&format!("the saboteur was told to, in {call}"));
    hold(named == (does != Silent), "the panic is not told as the plugin's".to_owned());
    for word in ["fault of phlo", "stack backtrace", "RUST_BACKTRACE", "P9001"] {
        hold(!all.contains(word), format!("it says `{word}`"));
    }
    set(&project, &[]);
    hold(rows(&project) == before, "the published rows are others".to_owned());
    // Of a check that panics, the run is failed and every table is as it was.
    if does == Fails(3) {
        hold(versions(&project)[0] == 1, "rows were committed whose check panicked".to_owned());
    }
    let again = phlo(&project, RUN);
    hold(again.code == 0, format!("the next run exits with {}: {}", again.code, again.all()));
    hold(rows(&project) == before, "after the next run the rows are others".to_owned());
    wrong
}

#[test]
fn a_panic_in_any_call_of_any_kind_stays_that_plugins() {
    let kinds = [
        "source",
        "quality",
        "transform",
        "service",
        "hook",
        "cli",
        "asset",
        "resource",
        "catalog",
        "orchestrator",
        "dagster",
        "semantic",
    ];
    let of_all = kinds.iter().flat_map(|kind| OF_ALL.map(|(call, command, does)| (*kind, call, command, does)));
    let cases: Vec<Case> = CASES.iter().copied().chain(of_all).collect();
    for kind in kinds {
        assert!(cases.iter().any(|(of, ..)| *of == kind), "{kind}");
    }
    let good = project();
    phlo(&good, RUN).exits(0);
    let at = std::sync::atomic::AtomicUsize::new(0);
    let wrong = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                while let Some((kind, call, command, does)) =
                    cases.get(at.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
                {
                    wrong.lock().unwrap().extend(case(&good, kind, call, command, *does));
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}
