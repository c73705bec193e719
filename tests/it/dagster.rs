//! The project in a real Dagster from PyPI: it loads the definitions, runs the assets, and evaluates the sensors of extensions.

use std::path::PathBuf;
use std::process::Command;

use crate::fixture::{PHLO, Project, repository};

/// A Python with Dagster, installed once into the target folder (some 200 MB, a minute), or why not.
fn dagster() -> Option<PathBuf> {
    let target = std::env::var("CARGO_TARGET_DIR").map_or_else(|_| repository().join("target"), PathBuf::from);
    let venv = target.join("dagster-venv");
    let python = venv.join("bin/python");
    let works = |args: &[&str]| Command::new(&python).args(args).output().is_ok_and(|o| o.status.success());
    let made = works(&["-c", "import dagster"])
        || (Command::new("python3").args(["-m", "venv"]).arg(&venv).output().is_ok_and(|o| o.status.success())
            && works(&["-m", "pip", "install", "--quiet", "dagster>=1.13,<1.14"])
            && works(&["-c", "import dagster"]));
    if !made {
        assert!(std::env::var("CI").is_err(), "python3 with dagster from PyPI could not be installed");
        return None;
    }
    Some(venv)
}

#[test]
fn dagster_loads_runs_and_observes_the_assets() {
    let Some(venv) = dagster() else {
        println!("not run: no python3, or PyPI cannot be reached");
        return;
    };
    let project = Project::new()
        .write(
            "phlo.yaml",
            "name: lake\ncapabilities: { defaults: { orchestrator: dagster } }\n\
             schedules:\n  - { name: nightly, cron: \"0 2 * * *\", select: \"raw.x+\", timezone: Europe/London }\n",
        )
        .write("d.csv", "id\n1\n2\n")
        .write(
            "assets/raw/x.yaml",
            "source: { plugin: files, path: d.csv }\nchecks: [{ not_null: [id] }]\nfreshness: { max_age_hours: 24 }\n",
        )
        .write("assets/gold/y.sql", "select sum(id) as total from raw.x\n");
    project.phlo(&["check"]).exits(0);
    project.phlo(&["config", "export", "dagster"]).exits(0);
    let requirements = std::fs::read_to_string(project.path().join("dagster/requirements.txt")).unwrap();
    assert_eq!(requirements, "dagster>=1.13\n");
    let home = project.path().join("home");
    std::fs::create_dir(&home).unwrap();
    let run = |program: &str, args: &[&str]| {
        let output = Command::new(venv.join("bin").join(program))
            .args(args)
            .current_dir(project.path())
            .env("DAGSTER_HOME", &home)
            .env("PHLO_BIN", PHLO)
            .output()
            .unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{args:?}: {said}");
        said
    };
    run("dagster", &["definitions", "validate", "-f", "dagster/definitions.py"]);
    let script = r#"
import importlib.util, json, os, sys
import dagster as dg
sys.path.insert(0, "dagster")
spec = importlib.util.spec_from_file_location("definitions", "dagster/definitions.py")
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
defs = module.defs
sensor = defs.get_sensor_def("phlo_freshness")
with dg.DagsterInstance.get() as instance:
    def look(cursor):
        found = sensor(dg.build_sensor_context(instance=instance, cursor=cursor))
        events = {"/".join(e.asset_key.path): {k: v.value for k, v in e.metadata.items()} for e in found.asset_events}
        return events, found.cursor
    before, cursor = look(None)
    result = defs.resolve_job_def("nightly").execute_in_process(instance=instance)
    after, cursor = look(cursor)
    again, _ = look(cursor)
    materialized = ["/".join(e.asset_key.path) for e in result.all_events if e.is_step_materialization]
    checks = [(c.check_name, c.passed) for c in result.get_asset_check_evaluations()]
told = dict(success=result.success, materialized=sorted(materialized), checks=checks, before=before, after=after, again=again,
    status=sensor.default_status.value, schedules=[s.name for s in defs.schedules])
print("told " + json.dumps(told))
"#;
    let said = run("python", &["-c", script]);
    let line = said.lines().find_map(|line| line.strip_prefix("told ")).unwrap_or_else(|| panic!("{said}"));
    let told: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(told["success"], true, "{told:#}");
    assert_eq!(told["materialized"], serde_json::json!(["gold/y", "raw/x"]), "{told:#}");
    assert_eq!(told["checks"], serde_json::json!([["not_null_id", true]]), "{told:#}");
    assert_eq!(told["before"]["raw/x"], serde_json::json!({ "phlo/freshness": "never" }), "{told:#}");
    assert_eq!(told["after"]["raw/x"]["phlo/freshness"], "fresh", "{told:#}");
    assert_eq!(told["after"]["raw/x"]["phlo/rows"], 2, "{told:#}");
    assert_eq!(told["after"]["gold/y"]["phlo/status"], "success", "{told:#}");
    assert_eq!(told["again"], serde_json::json!({}), "nothing changed: {told:#}");
    assert_eq!(told["status"], "RUNNING");
    assert_eq!(project.one("select total from gold.y"), 3);
}
