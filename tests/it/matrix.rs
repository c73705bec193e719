//! The gate: for each write strategy, each way of failing, and an asset that reads a source as for one that is a query, what is published is the old table or a fully audited new one.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::fixture::{Project, Said, python, write_by};

const BINARY: &str = env!("CARGO_BIN_EXE_phlo-panics");
const CHOICES: &str =
    "name: test\ncapabilities: { defaults: { table_store: delta, query_engine: datafusion, run_history: history } }\n";
const OLD: &str = "1:10,2:20,3:30";

/// What stands in the way of the second write, whose rows are `3:33` and `4:40`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// A row-level check finds a bad row.
    RowFails,
    /// A check of the table fails.
    TableFails,
    /// A check fails beyond its first limit only.
    Warns,
    /// A check cannot be computed.
    Errors,
    /// A check's function panics, row by row or in its verdict.
    Panics(&'static str),
    /// A check is about a column that is not there.
    NotApplicable,
    /// The process ends between audit and commit.
    Dies,
    /// Another writer commits in between a row that every check likes.
    Moved,
    /// Another writer commits in between a row that a check of the table does not like.
    MovedBadly,
}

const WAYS: [Way; 11] = [
    Way::RowFails,
    Way::TableFails,
    Way::Warns,
    Way::Errors,
    Way::Panics("mask"),
    Way::Panics("verdict"),
    Way::Panics("schema_verdict"),
    Way::NotApplicable,
    Way::Dies,
    Way::Moved,
    Way::MovedBadly,
];

/// What the asset's rows come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// A source.
    Files,
    /// A query over the table of another asset, which has no checks.
    Query,
}

impl Origin {
    fn file(self) -> &'static str {
        match self {
            Self::Files => "assets/raw/x.yaml",
            Self::Query => "assets/raw/x.sql",
        }
    }

    fn asset(self, header: &str) -> String {
        match self {
            Self::Files => format!("{}{header}", source("in/*.csv")),
            Self::Query => format!("/* phlo\n{header}*/\nselect id, v from raw.given\n"),
        }
    }
}

fn source(path: &str) -> String {
    format!("source: {{ plugin: files, path: \"{path}\" }}\ncolumns: {{ id: int64, v: int64 }}\n")
}

fn project(from: Origin, strategy: &str, way: Way) -> Project {
    let extra = match way {
        Way::Errors => "  - sql: { query: \"select * from this where 1 / (id - id) > 0\" }\n",
        Way::Panics("mask") => "  - saboteur: { plan: mask }\n",
        Way::Panics("schema_verdict") => "  - saboteur: { plan: schema }\n",
        Way::Panics(_) => "  - saboteur: { plan: verdict }\n",
        Way::NotApplicable => "  - not_null: [nowhere]\n",
        Way::Warns => "  - range: { column: id, max: 3, tolerance: { warn: 0.1, error: 1 } }\n",
        _ => "",
    };
    let asset = |extra: &str| {
        from.asset(&format!(
            "write: {}\nchecks:\n  - range: {{ column: v, min: 0 }}\n  - unique: [id]\n  \
             - sql: \"select * from this where id = 666\"\n{extra}",
            write_by(strategy)
        ))
    };
    let settings = match way {
        Way::Panics(call) => {
            format!("plugins: {{ settings: {{ quality: {{ saboteur: {{ panics_in: {call} }} }} }} }}\n")
        }
        Way::Dies => "plugins: { settings: { hook: { gatekeeper: { aborts: true } } } }\n".to_owned(),
        Way::Moved | Way::MovedBadly => {
            "plugins: { settings: { hook: { gatekeeper: { pauses_in: \".\" } } } }\n".to_owned()
        }
        _ => String::new(),
    };
    // The first write meets nothing.
    let project = Project::new()
        .write("phlo.yaml", CHOICES)
        .write(from.file(), &asset(""))
        .write("in/1.csv", "id,v\n1,10\n2,20\n3,30\n");
    if from == Origin::Query {
        project.put("assets/raw/given.yaml", &format!("{}write: {{ strategy: overwrite }}\n", source("in/1.csv")));
    }
    phlo(&project, &["run"]).exits(0);
    project.put(from.file(), &asset(extra));
    project.put("phlo.yaml", &format!("{CHOICES}{settings}"));
    // An append brings no key twice.
    let third = if strategy == "append" { "" } else { "3,33\n" };
    let bad = match way {
        Way::RowFails => "5,-1\n",
        Way::TableFails => "666,1\n",
        _ => "",
    };
    // A source that is appended or merged knows which files it read; the query's table holds the second write's rows alone.
    let file = if strategy == "overwrite" || from == Origin::Query { "in/1.csv" } else { "in/2.csv" };
    project.put(file, &format!("id,v\n{third}4,40\n{bad}"));
    project
}

fn phlo(project: &Project, args: &[&str]) -> Said {
    project.said(&mut project.command_of(BINARY, args))
}

fn rows(project: &Project) -> String {
    let query = "select string_agg(id || ':' || v, ',' order by id) as rows from raw.x";
    let said = phlo(project, &["sql", query, "--json"]).exits(0).json();
    said["rows"][0]["rows"].as_str().unwrap().to_owned()
}

fn new(strategy: &str, other: Option<&str>) -> String {
    let rows = match (strategy, other) {
        ("append", None) => "1:10,2:20,3:30,4:40",
        ("append", Some(_)) => "1:10,2:20,3:30,4:40,9:90",
        // What another writer added before is replaced too.
        ("overwrite", _) => "3:33,4:40",
        (_, None) => "1:10,2:20,3:33,4:40",
        (_, Some(_)) => "1:10,2:20,3:33,4:40,9:90",
    };
    rows.to_owned()
}

/// Runs phlo up to its gate, lets another writer in, and answers what phlo says then.
fn with_other(project: &Project, python: &std::path::Path, id: u64) -> Said {
    let mut command = project.command_of(BINARY, &["run"]);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let child = command.spawn().unwrap();
    let until = Instant::now() + Duration::from_mins(1);
    while !project.path().join("paused").exists() {
        assert!(Instant::now() < until, "phlo never came to its gate");
        std::thread::sleep(Duration::from_millis(5));
    }
    let script = r#"
import os, sys, deltalake, pyarrow
table = deltalake.DeltaTable(sys.argv[1])
schema = pyarrow.schema(table.schema())
row = {name: None for name in schema.names} | {"id": int(sys.argv[2]), "v": 90}
deltalake.write_deltalake(table, pyarrow.Table.from_pylist([row], schema=schema), mode="append")
sys.stdout.flush()
os._exit(0)
"#;
    let table = project.path().join("lake/raw/x");
    let output = Command::new(python).args(["-c", script]).arg(table).arg(id.to_string()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    project.put("go", "");
    Said::of(child.wait_with_output().unwrap())
}

#[test]
fn whatever_stands_in_the_way_of_a_write_what_is_published_was_audited() {
    let python = python("readers-venv", &["deltalake", "pyarrow"], "import deltalake, pyarrow");
    if python.is_none() {
        println!("not run with another writer: no python3, or PyPI cannot be reached");
    }
    let strategies = ["append", "overwrite", "merge"];
    for (from, strategy) in [Origin::Files, Origin::Query].iter().flat_map(|from| strategies.map(|it| (*from, it))) {
        for way in WAYS {
            let project = project(from, strategy, way);
            let case = format!("{from:?}, {strategy}, {way:?}");
            let (code, expected) = match way {
                Way::RowFails | Way::TableFails | Way::Errors | Way::Panics(_) => (3, OLD.to_owned()),
                Way::NotApplicable => (2, OLD.to_owned()),
                Way::Dies => (-1, OLD.to_owned()),
                Way::Warns => (0, new(strategy, None)),
                Way::Moved => (0, new(strategy, Some("9:90"))),
                // The other's row is the other's: phlo's own do not come on top of what its checks refuse.
                Way::MovedBadly if strategy == "overwrite" => (0, new(strategy, None)),
                Way::MovedBadly => (3, format!("{OLD},666:90")),
            };
            let said = match (way, &python) {
                (Way::Moved | Way::MovedBadly, None) => continue,
                (Way::Moved, Some(python)) => with_other(&project, python, 9),
                (Way::MovedBadly, Some(python)) => with_other(&project, python, 666),
                _ => phlo(&project, &["run"]),
            };
            assert_eq!(said.code, code, "{case}\n{}", said.all());
            project.put("phlo.yaml", CHOICES);
            assert_eq!(rows(&project), expected, "{case}\n{}", said.all());
            // Without what stood in the way, the write goes through: nothing is lost, nothing comes twice.
            if matches!(way, Way::Errors | Way::Panics(_) | Way::NotApplicable | Way::Dies) {
                let text = std::fs::read_to_string(project.path().join(from.file())).unwrap();
                let lines = text
                    .lines()
                    .filter(|line| !["saboteur", "nowhere", "id - id"].iter().any(|word| line.contains(word)));
                project.put(from.file(), &lines.map(|line| format!("{line}\n")).collect::<String>());
                phlo(&project, &["run"]).exits(0);
                assert_eq!(rows(&project), new(strategy, None), "{case}");
            }
        }
    }
}
