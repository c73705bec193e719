//! The file: what it says of the project, and that Python reads it. A real Airflow runs it in the repository's own tests.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::process::Command;

use phlo_orchestrator_airflow::Airflow;
use phlo_plugin::prelude::*;
use phlo_spec::project::ScheduleSpec;
use phlo_testkit::fixture::{asset, key};
use serde_json::{Value, json};

fn schedule(name: &str) -> ScheduleSpec {
    ScheduleSpec { name: name.to_owned(), cron: "0 2 * * *".to_owned(), select: "some".to_owned(), timezone: None }
}

/// A chain of three assets, and schedules that select some of them.
fn definitions(schedules: &[(&str, &[&str])]) -> Definitions {
    let mut first = asset("raw.a", "select 1");
    first.description = Some("it's \"first\" \\ é\n{{ ds }}".to_owned());
    Definitions {
        project: "my lake".to_owned(),
        assets: vec![
            (first, vec![]),
            (asset("mid.b", "select 1"), vec![key("raw.a")]),
            (asset("top.c", "select 1"), vec![key("mid.b")]),
        ],
        schedules: schedules.iter().map(|(name, _)| schedule(name)).collect(),
        selections: schedules
            .iter()
            .map(|(name, keys)| ((*name).to_owned(), keys.iter().map(|name| key(name)).collect()))
            .collect::<BTreeMap<_, _>>(),
        ..Definitions::default()
    }
}

fn file(settings: &str, definitions: &Definitions) -> Result<(String, String)> {
    let settings = Node::parse(settings, "phlo.yaml", 1).unwrap().read().map_err(Error::from)?;
    match Airflow::create(settings, &InitContext::at("/srv/lake"))?.build(definitions)? {
        OrchestratorOutput::Files(files) => Ok(files.into_iter().next().unwrap()),
        OrchestratorOutput::Steps(_) => panic!("Airflow runs the steps"),
    }
}

/// What Python takes the file's data for.
fn project(text: &str) -> Value {
    let script = "import ast, json, sys\ntree = ast.parse(sys.stdin.read())\n\
                  value = next(n.value for n in tree.body if isinstance(n, ast.AnnAssign) and n.target.id == 'PROJECT')\n\
                  print(json.dumps(ast.literal_eval(value)))";
    let dir = phlo_testkit::fixture::Project::new().file("dags.py", text);
    let input = std::fs::File::open(dir.root().join("dags.py")).unwrap();
    let output =
        Command::new("python3").args(["-c", script]).stdin(input).output().expect("python3 is needed by this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_schedule_is_a_dag_whose_tasks_wait_even_over_what_it_leaves_out() {
    let definitions = definitions(&[("night ly", &["raw.a", "top.c"]), ("night_ly", &["mid.b"])]);
    let (name, text) = file("{program: /opt/phlo, pool: lake, retries: 2}", &definitions).unwrap();
    assert_eq!(name, "phlo_my_lake.py");
    let description = "it's \"first\" \\ é\n{{ ds }}";
    assert_eq!(
        project(&text),
        json!({
            "name": "my lake", "folder": "/srv/lake", "program": "/opt/phlo", "pool": "lake", "retries": 2,
            "dags": [
                { "id": "my_lake__night_ly", "description": "phlo run --select some", "cron": "0 2 * * *", "timezone": "UTC",
                  "tasks": [
                    { "asset": "raw.a", "description": description, "after": [] },
                    { "asset": "top.c", "description": "", "after": ["raw.a"] },
                  ] },
                { "id": "my_lake__night_ly_2", "description": "phlo run --select some", "cron": "0 2 * * *", "timezone": "UTC",
                  "tasks": [{ "asset": "mid.b", "description": "", "after": [] }] },
            ],
        })
    );
}

#[test]
fn without_schedules_it_is_one_dag_to_be_triggered() {
    let (_, text) = file("{project: /data/lake}", &definitions(&[])).unwrap();
    let project = project(&text);
    assert_eq!((&project["folder"], &project["dags"][0]["id"]), (&json!("/data/lake"), &json!("my_lake")));
    assert_eq!(project["dags"][0]["cron"], "");
    assert_eq!(project["dags"][0]["tasks"].as_array().unwrap().len(), 3);
}

#[test]
fn a_schedule_that_means_nothing_is_refused() {
    let err = file("{}", &definitions(&[("n", &[])])).unwrap_err();
    assert_eq!((err.code(), err.message()), (Code::BadSelection, "the selection `some` means no asset"));
}
