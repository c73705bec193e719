//! The JSON Schema that editors complete and check from: valid itself, and of one mind with `phlo check`. Judged by the reference
//! implementation of JSON Schema from PyPI, installed once into the target folder.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use phlo_spec::Node;
use serde_json::{Value, json};

use crate::fixture::{Project, python, repository};

/// What the schema of each file says of these documents: the first mistake, or nothing. `None` if there is no Python.
#[expect(clippy::print_stdout, reason = "a test that is not run must say so")]
fn verdicts(documents: &[(&str, Value)]) -> Option<Vec<Option<String>>> {
    const JUDGE: &str = r#"
import json, sys
from jsonschema import Draft202012Validator as Validator
given = json.load(sys.stdin)
judges = {}
for name, schema in given["schemas"].items():
    Validator.check_schema(schema)
    judges[name] = Validator(schema)
def first(name, document):
    mistake = next(iter(sorted(judges[name].iter_errors(document), key=str)), None)
    return mistake and "%s: %s" % ("/".join(map(str, mistake.absolute_path)), mistake.message)
print(json.dumps([first(name, document) for name, document in given["documents"]]))
"#;
    let Some(python) = python("schema-venv", &["jsonschema"], "import jsonschema") else {
        println!("not run: no python3, or PyPI cannot be reached");
        return None;
    };
    let schema = |args: &[&str]| Project::new().phlo(&[&["config", "schema"], args].concat()).exits(0).json();
    let schemas = json!({
        "project": schema(&["project"]), "asset": schema(&["asset"]), "sql": schema(&["sql"]), "any": schema(&[]),
    });
    let mut judge = Command::new(python)
        .args(["-c", JUDGE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let given = json!({ "schemas": schemas, "documents": documents });
    judge.stdin.take().unwrap().write_all(given.to_string().as_bytes()).unwrap();
    let output = judge.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

fn yaml(text: &str) -> Value {
    Node::parse(text, "a.yaml", 1).unwrap_or_else(|err| panic!("{err}\n{text}")).to_json()
}

/// The settings of a SQL asset.
fn header(sql: &str) -> Value {
    let inside = sql.split_once("/* phlo").and_then(|(_, rest)| rest.split_once("*/"));
    yaml(inside.map_or("", |(header, _)| header))
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|e| e == "yaml" || e == "sql") {
            found.push(path);
        }
    }
}

#[test]
fn every_example_and_template_fits_the_schema() {
    let mut found = Vec::new();
    files(&repository().join("examples"), &mut found);
    files(&repository().join("phlo-cli/templates"), &mut found);
    let (mut names, mut documents) = (Vec::new(), Vec::new());
    for path in found {
        let text = std::fs::read_to_string(&path).unwrap();
        let is_sql = path.extension().is_some_and(|e| e == "sql");
        let document = if is_sql { header(&text) } else { yaml(&text) };
        let entry = match path.file_name().unwrap().to_str().unwrap() {
            _ if is_sql => "sql",
            "phlo.yaml" => "project",
            _ if path.components().any(|part| part.as_os_str() == "assets") => "asset",
            _ => continue,
        };
        names.push(path.clone());
        documents.push((entry, document.clone()));
        if !is_sql {
            names.push(path);
            documents.push(("any", document));
        }
    }
    for entry in std::fs::read_dir(repository().join("phlo-plugins")).unwrap() {
        let path = entry.unwrap().path().join("examples/minimal.yaml");
        let mut document = yaml(&std::fs::read_to_string(&path).unwrap());
        let is_asset = document.get("source").or_else(|| document.get("target")).is_some();
        let entry = if is_asset { "asset" } else { "project" };
        // A part of phlo.yaml need not name the project.
        if entry == "project" && document.get("name").is_none() {
            document["name"] = "x".into();
        }
        names.push(path);
        documents.push((entry, document));
    }
    assert!(names.len() > 20, "{names:?}");
    let Some(verdicts) = verdicts(&documents) else { return };
    let refused: Vec<_> =
        names.iter().zip(verdicts).filter_map(|(name, verdict)| Some((name.display().to_string(), verdict?))).collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

/// What both say of a file.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Both {
    Accept,
    Refuse,
}
use Both::{Accept, Refuse};

const ASSETS: &[(&str, Both)] = &[
    ("source: {plugin: files, path: d.csv}", Accept),
    ("source: {plugin: files, path: [d.csv]}\nwrite:\ntags:\npartitions:\ndescription:", Accept),
    (
        "source: {plugin: files, path: d.csv, null_values: NA, header: \"${HEADER:-true}\", infer_rows: \"${ROWS:-10}\"}",
        Accept,
    ),
    ("source: {plugin: files, path: d.csv, format: \"${FORMAT:-csv}\", delimiter: \"${DELIMITER:-,}\"}", Accept),
    ("source: {plugin: \"${PLUGIN:-files}\", path: d.csv}", Accept),
    ("source: {connection: api, endpoint: x}", Accept),
    ("source: {plugin: rest_api, connection: api, endpoint: x}", Accept),
    (
        "source: {plugin: rest_api, base_url: \"http://localhost:1\", endpoint: x, timeout: 5, pagination: {kind: offset, page_size: 7}}",
        Accept,
    ),
    (
        "source: {plugin: rest_api, base_url: \"http://localhost:1\", endpoint: x, timeout: {connect: 2s}, params: {a: 1, b: [x, 2]}}",
        Accept,
    ),
    (
        "source: {plugin: files, path: d.csv}\nwrite: {strategy: merge, unique_key: a}\ncolumns: {a: BIGINT, b: \"decimal(10, 2)\", c: timestamptz}",
        Accept,
    ),
    (
        "source: {plugin: files, path: d.csv}\nretry: {max_attempts: \"${N:-3}\", delay: 0.5}\nwrite: {metadata: \"${M:-false}\"}",
        Accept,
    ),
    (
        "source: {plugin: files, path: d.csv}\nwrite: {strategy: merge, unique_key: a}\npartitions: {kind: static, column: a, values: [x]}",
        Accept,
    ),
    (
        "source: {plugin: files, path: d.csv}\ncapability_overrides: {table_store: delta}\ndeps: []\nfreshness: {max_age_hours: 2}",
        Accept,
    ),
    (
        "source: {plugin: files, path: d.csv}\nchecks:\n  - not_null: [a]\n  - not_null: b\n  - unique: {columns: a, severity: warn, name: u}\n  - row_count: 1\n  - row_count: {max: 9}\n  - business_rule: a > 0\n",
        Accept,
    ),
    (
        "source: {plugin: files, path: d.csv}\nchecks:\n  - not_null: {columns: [a], severity: \"${S:-warn}\", tolerance: \"${T:-0.5}\", where: a > 0, description: d}\n",
        Accept,
    ),
    ("source: {plugin: files, path: d.csv}\nchecks:\n  - not_null\n  - not_null: {except: [a]}\n", Accept),
    (
        "source: {plugin: files, path: d.csv}\ntransforms:\n  - drop: b\n  - select: [a]\n  - filter: a > 0\n  - cast: {columns: {a: string}, on_error: \"null\"}\n",
        Accept,
    ),
    ("{}", Refuse),
    ("description: no source", Refuse),
    ("source:", Refuse),
    ("source: files", Refuse),
    ("source: {path: d.csv}", Refuse),
    ("source: {plugin: flies, path: d.csv}", Refuse),
    ("source: {plugin: 3}", Refuse),
    ("source: {plugin: files}", Refuse),
    ("source: {plugin: files, paht: d.csv}", Refuse),
    ("source: {plugin: files, path: {a: b}}", Refuse),
    ("source: {plugin: files, path: d.csv, format: cvs}", Refuse),
    ("source: {plugin: files, path: d.csv, header: maybe}", Refuse),
    ("source: {plugin: files, path: d.csv, infer_rows: -1}", Refuse),
    ("source: {plugin: files, path: d.csv, infer_rows: many}", Refuse),
    ("source: {plugin: files, path: d.csv, delimiter: ab}", Refuse),
    ("source: {plugin: files, path: d.csv, base_url: \"http://x\"}", Refuse),
    ("source: {connection: api, endpoint: x, nonsense: 1}", Refuse),
    ("source: {plugin: rest_api, base_url: \"http://localhost:1\", endpoint: x, pagination: {kind: ofset}}", Refuse),
    ("source: {plugin: rest_api, base_url: \"http://localhost:1\", endpoint: x, retry: {attempts: 3}}", Refuse),
    ("source: {plugin: files, path: d.csv}\nsourc: x", Refuse),
    ("source: {plugin: files, path: d.csv}\nchecks:", Refuse),
    ("source: {plugin: files, path: d.csv}\nchecks: {not_null: a}", Refuse),
    ("source: {plugin: files, path: d.csv}\nchecks: [{}]", Refuse),
    ("source: {plugin: files, path: d.csv}\nchecks: [7]", Refuse),
    ("source: {plugin: files, path: d.csv}\nchecks: [{not_nul: [a]}]", Refuse),
    ("source: {plugin: files, path: d.csv}\nchecks: [range]", Refuse),
    ("source: {plugin: files, path: d.csv}\nchecks: [{range: {}}]", Refuse),
    ("source: {plugin: files, path: d.csv}\nchecks: [{range: }]", Refuse),
    ("source: {plugin: files, path: d.csv}\nchecks: [{not_null: [a], unique: [a]}]", Refuse),
    ("source: {plugin: files, path: d.csv}\nchecks: [{not_null: {columns: [a], severity: wran}}]", Refuse),
    ("source: {plugin: files, path: d.csv}\nchecks: [{not_null: {columns: [a], tolerance: 2}}]", Refuse),
    ("source: {plugin: files, path: d.csv}\nchecks: [{not_null: {columns: [a], min: 2}}]", Refuse),
    ("source: {plugin: files, path: d.csv}\nchecks: [{range: a}]", Refuse),
    ("source: {plugin: files, path: d.csv}\nchecks: [{row_count: {min: 1, tolerance: 0.5}}]", Refuse),
    ("source: {plugin: files, path: d.csv}\ntransforms: [{rename: [a]}]", Refuse),
    ("source: {plugin: files, path: d.csv}\ntransforms: [{dorp: [a]}]", Refuse),
    ("source: {plugin: files, path: d.csv}\ntransforms: [{cast: {columns: {a: int46}}}]", Refuse),
    ("source: {plugin: files, path: d.csv}\nwrite: {strategy: mrege}", Refuse),
    ("source: {plugin: files, path: d.csv}\nwrite: {strategy: merge}", Refuse),
    ("source: {plugin: files, path: d.csv}\nwrite: {strategy: merge, unique_key: []}", Refuse),
    ("source: {plugin: files, path: d.csv}\nwrite: {lock: 1}", Refuse),
    ("source: {plugin: files, path: d.csv}\nwrite: {lock_wait: 90000}", Refuse),
    ("source: {plugin: files, path: d.csv}\nwrite: {metadata: 1}", Refuse),
    (
        "source: {plugin: files, path: d.csv}\nwrite: {strategy: merge, unique_key: a}\npartitions: {kind: daily, column: a}",
        Refuse,
    ),
    (
        "source: {plugin: files, path: d.csv}\nwrite: {strategy: merge, unique_key: a}\npartitions: {kind: dayly, column: a, start: 2013-01-01}",
        Refuse,
    ),
    ("source: {plugin: files, path: d.csv}\ncolumns: {a: int46}", Refuse),
    ("source: {plugin: files, path: d.csv}\ndeps: [flights]", Refuse),
    ("source: {plugin: files, path: d.csv}\ncapability_overrides: {tablestore: delta}", Refuse),
    ("source: {plugin: files, path: d.csv}\ncapability_overrides: {table_store: detla}", Refuse),
    ("source: {plugin: files, path: d.csv}\nretry: {max_attempts: 0}", Refuse),
    ("source: {plugin: files, path: d.csv}\nfreshness: {max_age_hours: 0}", Refuse),
    ("source: {plugin: files, path: d.csv}\nfreshness: {}", Refuse),
    ("source: {plugin: files, path: d.csv}\ndescription: 7", Refuse),
];

const HEADERS: &[(&str, Both)] = &[
    ("", Accept),
    ("description: x\ntags: [a]\nchecks:\n  - not_null: a\n", Accept),
    ("write: {strategy: merge, unique_key: a}\ntransforms:\n  - filter: a > 0\n", Accept),
    ("source: {plugin: files, path: d.csv}", Refuse),
    ("descripton: x", Refuse),
    ("write: {unique_keys: a}", Refuse),
    ("checks: [{unknown: a}]", Refuse),
];

const PROJECTS: &[(&str, Both)] = &[
    ("name: x\n", Accept),
    (
        "name: ${NAME:-x}\nstorage: {root: ./lake}\nconnections:\nservices:\nplugins: {settings: }\nschedules:\nrun:\n",
        Accept,
    ),
    (
        "name: x\nconnections: {api: {source: rest_api, base_url: \"http://localhost:1\", auth_token: \"${T:-t}\"}}\n",
        Accept,
    ),
    (
        "name: x\nplugins: {settings: {resource: {datafusion: {memory_mib: \"${M:-64}\", threads: 1}, delta: }, hook: {history: {keep_runs: 5}}}}\n",
        Accept,
    ),
    (
        "name: x\nplugins: {deny: rest_api}\ncapabilities: {defaults: {table_store: delta, query_engine: \"${E:-datafusion}\"}}\n",
        Accept,
    ),
    ("name: x\nplugins: {deny: [\"source:rest_api\"]}\nrun: {jobs: \"${J:-2}\", memory_mib: 64}\n", Accept),
    ("description: x\n", Refuse),
    ("name: 3\n", Refuse),
    ("name: my lake\n", Refuse),
    ("name: x\nstorag: {root: a}\n", Refuse),
    ("name: x\nstorage: {root: a, option: {}}\n", Refuse),
    ("name: x\nstorage: ./lake\n", Refuse),
    ("name: x\nconnections: {api: {plugin: rest_api}}\n", Refuse),
    ("name: x\nconnections: {api: {source: rest_apis}}\n", Refuse),
    ("name: x\nconnections: {api: {source: rest_api, base_ulr: x}}\n", Refuse),
    ("name: x\nconnections: [api]\n", Refuse),
    ("name: x\nservices: {nothing: {}}\n", Refuse),
    ("name: x\nplugins: {deny: [rest]}\n", Refuse),
    ("name: x\nplugins: {allowed: []}\n", Refuse),
    ("name: x\nplugins: {settings: {resources: {}}}\n", Refuse),
    ("name: x\nplugins: {settings: {resource: {datafuson: {}}}}\n", Refuse),
    ("name: x\nplugins: {settings: {resource: {datafusion: {memory: 1}}}}\n", Refuse),
    ("name: x\nplugins: {settings: {resource: {datafusion: {memory_mib: much}}}}\n", Refuse),
    ("name: x\nplugins: {settings: {orchestrator: {native: {a: 1}}}}\n", Refuse),
    ("name: x\ncapabilities: {defaults: {tablestore: delta}}\n", Refuse),
    ("name: x\ncapabilities: {defaults: {table_store: detla}}\n", Refuse),
    ("name: x\nschedules: [{name: a, cron: \"0 2 * * *\"}]\n", Refuse),
    ("name: x\nrun: {jobs: 0}\n", Refuse),
    ("name: x\nrun: {memory_mib: 8}\n", Refuse),
];

/// The files of a project that `phlo check` finds errors in.
fn refused(project: &Project) -> Vec<String> {
    let answer = project.phlo(&["check", "--json"]).json();
    let errors = answer["diagnostics"].as_array().unwrap().iter().filter(|d| d["severity"] == "error");
    errors.map(|d| d["place"]["file"].as_str().unwrap_or("phlo.yaml").to_owned()).collect()
}

#[test]
fn the_schema_and_phlo_check_agree_on_what_is_a_mistake() {
    let mut documents = Vec::new();
    let mut checked = Vec::new();
    let mut project = Project::new()
        .write("phlo.yaml", "name: x\nconnections: {api: {source: rest_api, base_url: \"http://localhost:1\"}}\n")
        .write("d.csv", "a,b,c\n1,2.5,2026-01-01T00:00:00Z\n");
    for (at, (text, want)) in ASSETS.iter().enumerate() {
        let file = format!("assets/t/asset_{at}.yaml");
        project = project.write(&file, &format!("{text}\n"));
        documents.push(("asset", yaml(text)));
        checked.push((*text, *want, file));
    }
    for (at, (text, want)) in HEADERS.iter().enumerate() {
        let file = format!("assets/t/query_{at}.sql");
        let sql = format!("/* phlo\n{text}\n*/\nselect 1 as a\n");
        documents.push(("sql", header(&sql)));
        project = project.write(&file, &sql);
        checked.push((*text, *want, file));
    }
    let wrong = refused(&project);
    let mut rows: Vec<_> = checked.into_iter().map(|(text, want, file)| (text, want, wrong.contains(&file))).collect();
    for (text, want) in PROJECTS {
        let project = Project::new().write("phlo.yaml", text);
        documents.push(("project", yaml(text)));
        rows.push((text, *want, !refused(&project).is_empty()));
    }
    let verdicts = verdicts(&documents);
    let mut wrong = Vec::new();
    for (at, (text, want, by_phlo)) in rows.iter().enumerate() {
        if *by_phlo != (*want == Refuse) {
            wrong.push(format!("`phlo check` does not {want:?}\n{text}"));
        }
        let Some(verdict) = verdicts.as_ref().map(|all| &all[at]) else { continue };
        if verdict.is_some() != (*want == Refuse) {
            wrong.push(format!("the schema does not {want:?}\n{text}\n{}", verdict.as_deref().unwrap_or_default()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn the_schema_is_written_where_it_is_wanted_and_needs_no_project() {
    let folder = tempfile::tempdir().unwrap();
    let said = Command::new(crate::fixture::PHLO)
        .args(["config", "schema", "--write", "schema"])
        .current_dir(folder.path())
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    let text = String::from_utf8(said.stdout).unwrap();
    assert!(said.status.success() && text.contains("$schema=../../schema/asset.schema.json"), "{text}");
    for (file, key) in [("project", "connections"), ("asset", "source"), ("sql", "checks")] {
        let path = folder.path().join(format!("schema/{file}.schema.json"));
        let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        assert!(schema["properties"][key].is_object(), "{file}");
    }
    Project::new().phlo(&["config", "schema", "asset", "--write", "x"]).exits(2);
}
