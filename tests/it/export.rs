//! What `phlo config export` writes for others, read or run by them.

use std::path::PathBuf;
use std::process::Command;

use crate::fixture::{PHLO, Project, repository};

/// Two assets, one upon the other, and a schedule over both.
fn project(orchestrator: &str) -> Project {
    Project::new()
        .write(
            "phlo.yaml",
            &format!(
                "name: lake\ncapabilities: {{ defaults: {{ orchestrator: {orchestrator} }} }}\n\
                 schedules:\n  - {{ name: nightly, cron: \"0 2 * * *\", select: \"raw.x+\", timezone: Europe/London }}\n"
            ),
        )
        .write("d.csv", "id\n1\n2\n")
        .write("assets/raw/x.yaml", "source: { plugin: files, path: d.csv }\n")
        .write("assets/gold/y.sql", "select sum(id) as total from raw.x\n")
}

#[test]
fn a_catalog_tells_other_engines_of_the_tables_that_exist() {
    let project = project("systemd");
    project.phlo(&["run", "raw.x", "--tag", "phlo/capability/orchestrator=native"]).exits(0);
    let files =
        project.phlo(&["config", "export", "out", "--catalog", "delta", "--json"]).exits(0).json()["files"].clone();
    assert_eq!(
        files,
        serde_json::json!([
            "trino/delta.properties",
            "spark/delta.properties",
            "trino/register.sql",
            "spark/register.sql"
        ])
    );
    let read = |file: &str| std::fs::read_to_string(project.path().join("out").join(file)).unwrap();
    let root = project.path().canonicalize().unwrap().join("lake");
    let trino = read("trino/delta.properties");
    assert!(trino.contains("connector.name=delta_lake\n"), "{trino}");
    assert!(trino.contains("local.location=/"), "{trino}");
    assert!(read("spark/delta.properties").contains("spark.sql.extensions io.delta.sql.DeltaSparkSessionExtension\n"));
    let register = read("trino/register.sql");
    assert!(register.contains("table_name => 'x', table_location => 'local:///raw/x'"), "{register}");
    assert!(!register.contains("'y'"), "a table that does not exist: {register}");
    // The address is one that holds a Delta table.
    let spark = read("spark/register.sql");
    let (_, address) = spark.split_once("LOCATION 'file://").unwrap();
    let path = PathBuf::from(address.split('\'').next().unwrap());
    assert!(path.join("_delta_log").is_dir() && path.canonicalize().unwrap().starts_with(root), "{spark}");

    let said = project.phlo(&["config", "export", "out", "--catalog", "dleta"]).exits(2);
    assert!(said.all().contains("did you mean `delta`?"), "{}", said.all());
    project.phlo(&["config", "export", "out", "--catalog", "delta", "--orchestrator", "crontab"]).exits(2);
    let said = project.phlo(&["config", "export", "out", "--catalog", "iceberg"]).exits(2);
    assert!(said.all().contains("missing key `uri`"), "{}", said.all());
}

#[test]
fn schedules_are_refused_until_somebody_runs_them() {
    let said = project("native").phlo(&["check"]).exits(2);
    assert!(said.all().contains("P1015") && said.all().contains("airflow, crontab"), "{}", said.all());
    // Asked for by name it is written, whoever runs the project otherwise.
    let native = project("native");
    native.phlo(&["config", "export", "out", "--orchestrator", "crontab"]).exits(0);
    let crontab = std::fs::read_to_string(native.path().join("out/crontab")).unwrap();
    assert!(crontab.contains("CRON_TZ=Europe/London\n0 2 * * * cd '/"), "{crontab}");
    for (orchestrator, file) in
        [("systemd", "phlo-lake-nightly.timer"), ("crontab", "crontab"), ("airflow", "phlo_lake.py")]
    {
        let project = project(orchestrator);
        project.phlo(&["check"]).exits(0);
        project.phlo(&["config", "export", "out"]).exits(0);
        assert!(project.path().join("out").join(file).is_file(), "{orchestrator}");
    }
    // Of several, phlo's own runs unless another is chosen.
    let plain = Project::new().write("assets/a/b.sql", "select 1 as n\n");
    plain.phlo(&["run"]).exits(0);
}

#[test]
fn a_line_of_the_crontab_runs_what_the_schedule_selects() {
    let project = project("crontab");
    let yaml = std::fs::read_to_string(project.path().join("phlo.yaml")).unwrap();
    project.put(
        "phlo.yaml",
        &format!("{yaml}plugins: {{ settings: {{ orchestrator: {{ crontab: {{ program: {PHLO} }} }} }} }}\n"),
    );
    project.phlo(&["config", "export", "out"]).exits(0);
    let crontab = std::fs::read_to_string(project.path().join("out/crontab")).unwrap();
    let line = crontab.lines().last().unwrap().strip_prefix("0 2 * * * ").unwrap().replace("\\%", "%");
    let output = Command::new("sh").args(["-c", &line]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(project.one("select total from gold.y"), 3);
}

/// A Python with Airflow, installed once into the target folder (some 300 MB, a minute), or why not.
fn airflow() -> Option<PathBuf> {
    let target = std::env::var("CARGO_TARGET_DIR").map_or_else(|_| repository().join("target"), PathBuf::from);
    let venv = target.join("airflow-venv");
    let python = venv.join("bin/python");
    let works = |args: &[&str]| Command::new(&python).args(args).output().is_ok_and(|o| o.status.success());
    let there = || works(&["-c", "import airflow, airflow.providers.standard"]);
    let made = there()
        || (Command::new("python3").args(["-m", "venv"]).arg(&venv).output().is_ok_and(|o| o.status.success())
            && works(&["-m", "pip", "install", "--quiet", "apache-airflow==3.3.2"])
            && there());
    if !made {
        assert!(std::env::var("CI").is_err(), "python3 with apache-airflow from PyPI could not be installed");
        return None;
    }
    Some(venv)
}

#[test]
fn airflow_runs_the_assets_in_their_order() {
    let Some(venv) = airflow() else {
        println!("not run: no python3, or PyPI cannot be reached");
        return;
    };
    let project = project("airflow");
    project.phlo(&["config", "export", "dags"]).exits(0);
    let airflow = |args: &[&str]| {
        let mut command = Command::new(venv.join("bin/airflow"));
        command
            .args(args)
            .current_dir(project.path())
            .env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", venv.join("bin").display()))
            .env("AIRFLOW_HOME", project.path().join("airflow"))
            .env("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
            .env("AIRFLOW__CORE__DAGS_FOLDER", project.path().join("dags"))
            .env("PHLO_BIN", PHLO);
        let output = command.output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{args:?}: {said}");
        said
    };
    airflow(&["db", "migrate"]);
    let said = airflow(&["dags", "test", "lake__nightly"]);
    assert!(said.contains("state=success"), "{said}");
    // Each asset in a run of its own, the one above first.
    let runs = project.phlo(&["runs", "--json"]).exits(0).json()["runs"].clone();
    let assets: Vec<_> = runs.as_array().unwrap().iter().rev().map(|run| run["assets"][0]["asset"].clone()).collect();
    assert_eq!(assets, ["raw.x", "gold.y"], "{runs:#}");
    assert_eq!(project.one("select total from gold.y"), 3);
}
