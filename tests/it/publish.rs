//! Publish assets: a table, or what a query answers, at a target system: whole, audited, and only when there is something new.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::fixture::Project;

const ORDERS: &str = "id,day,amount\n1,2026-01-01,10\n2,2026-01-02,20\n3,2026-01-02,12.5\n";

fn project() -> Project {
    Project::new()
        .write("in/1.csv", ORDERS)
        .write("assets/raw/orders.yaml", "source: { plugin: files, path: 'in/*.csv' }\nwrite: { metadata: false }\n")
        .write(
            "assets/gold/daily.sql",
            "select day, count(*) as n, sum(amount) as total from raw.orders group by day\n",
        )
        .write(
            "assets/publish/daily.yaml",
            "description: For the dashboard\nquery: |\n  select * from gold.daily\n  order by day\n\
             target: { plugin: files, path: out/daily.csv }\n",
        )
        .write("assets/publish/orders.yaml", "table: raw.orders\ntarget: { plugin: files, path: out/orders.parquet }\n")
}

fn published(project: &Project) -> String {
    std::fs::read_to_string(project.path().join("out/daily.csv")).unwrap()
}

/// The statuses of a run's assets, by key.
fn statuses(record: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut all: Vec<_> =
        record["assets"].as_array().unwrap().iter().map(|a| (text(&a["asset"]), text(&a["status"]))).collect();
    all.sort();
    all
}

fn of<'a>(list: &'a Value, asset: &str) -> &'a Value {
    list.as_array().unwrap().iter().find(|one| one["asset"] == asset).unwrap()
}

#[test]
fn a_table_and_a_query_are_published_and_published_again_when_they_change() {
    let project = project();
    let record = project.phlo(&["run", "--json"]).exits(0).json();
    assert_eq!(published(&project), "day,n,total\n2026-01-01,1,10.0\n2026-01-02,2,32.5\n");
    let parquet = project.sql("select count(*) as n, sum(amount) as total from 'out/orders.parquet'");
    assert_eq!((parquet[0]["n"].as_u64(), parquet[0]["total"].as_f64()), (Some(3), Some(42.5)));
    let daily = of(&record["assets"], "publish.daily");
    assert_eq!((&daily["rows_in"], &daily["rows_inserted"]), (&2.into(), &2.into()));
    assert_eq!(daily["bytes"], published(&project).len());
    assert!(daily["version"].is_null(), "it makes no table: {daily}");

    // Nothing new: nothing is written.
    let changed = |file: &str| std::fs::metadata(project.path().join(file)).unwrap().modified().unwrap();
    let before = changed("out/daily.csv");
    let record = project.phlo(&["run", "--json"]).exits(0).json();
    let of_publish = |record: &Value| {
        let all = statuses(record).into_iter().filter(|(key, _)| key.starts_with("publish."));
        all.map(|(_, status)| status).collect::<Vec<_>>()
    };
    // gold.daily is made anew on each run, so that it has a new version; raw.orders has not.
    assert_eq!(of_publish(&record), ["success", "unchanged"]);
    let record = project.phlo(&["run", "kind:publish", "--json"]).exits(0).json();
    assert_eq!(of_publish(&record), ["unchanged", "unchanged"]);
    assert!(changed("out/daily.csv") > before);
    let record = project.phlo(&["run", "kind:publish", "--full-refresh", "--json"]).exits(0).json();
    assert_eq!(of_publish(&record), ["success", "success"]);
    // What somebody changed or removed at the target is published again, and so is what is configured in another way.
    project.put("out/daily.csv", "tampered\n");
    std::fs::remove_file(project.path().join("out/orders.parquet")).unwrap();
    let record = project.phlo(&["run", "kind:publish", "--json"]).exits(0).json();
    assert_eq!(of_publish(&record), ["success", "success"]);
    project.put(
        "assets/publish/daily.yaml",
        "table: gold.daily\ntarget: { plugin: files, path: out/daily.csv, header: false }\n",
    );
    let record = project.phlo(&["run", "publish.daily", "--json"]).exits(0).json();
    assert_eq!(of_publish(&record), ["success"]);
    assert!(!published(&project).contains("total"));

    project.put("in/2.csv", "id,day,amount\n4,2026-01-03,1\n");
    project.phlo(&["run"]).exits(0);
    assert!(published(&project).contains("2026-01-03,1,1.0\n"));
}

#[test]
fn what_depends_on_the_clock_is_published_each_time() {
    let project = project();
    project.put(
        "assets/publish/daily.yaml",
        "query: select count(*) as n from gold.daily where day < now()\ntarget: { plugin: files, path: out/daily.csv }\n",
    );
    project.phlo(&["run"]).exits(0);
    let record = project.phlo(&["run", "kind:publish", "--json"]).exits(0).json();
    assert_eq!(of(&record["assets"], "publish.daily")["status"], "success");
}

#[test]
fn a_publish_asset_shows_where_assets_are_shown() {
    let project = project();
    let steps = project.phlo(&["run", "--dry-run", "--json"]).exits(0).json();
    let step = of(&steps["steps"], "publish.daily");
    assert_eq!((&step["kind"], &step["strategy"]), (&"publish".into(), &"publish".into()));
    assert_eq!((&step["table_store"], &step["after"][0]), (&"files: out/daily.csv".into(), &"gold.daily".into()));
    assert!(!project.path().join("out").exists());

    let state = |project: &Project| {
        let status = project.phlo(&["status", "--json"]).exits(0).json();
        of(&status["assets"], "publish.daily").clone()
    };
    assert_eq!((&state(&project)["kind"], &state(&project)["freshness"]), (&"publish".into(), &"never".into()));
    project.phlo(&["run"]).exits(0);
    let now = state(&project);
    assert_eq!((&now["rows"], &now["bytes"]), (&2.into(), &published(&project).len().into()));
    assert!(now["committed_at"].is_string() && now["version"].is_null(), "{now}");

    let lineage = project.phlo(&["lineage", "gold.daily", "--json"]).exits(0).json();
    let has = |from: &str, to: &str| {
        lineage["downstream"].as_array().unwrap().iter().any(|edge| edge["from"] == from && edge["to"] == to)
    };
    assert!(has("gold.daily", "publish.daily") && has("publish.daily", "out/daily.csv"), "{lineage}");

    let runs = project.phlo(&["runs", "--json"]).exits(0).json();
    let run = runs["runs"][0]["id"].as_str().unwrap();
    let logs = project.phlo(&["logs", run, "--level", "debug", "--json"]).exits(0).stdout;
    for word in ["publish.start", "publish.end", "out/daily.csv"] {
        assert!(logs.contains(word), "{word}: {logs}");
    }
    let check = project.phlo(&["check", "--json"]).exits(0).json();
    assert_eq!((&check["errors"], &check["unknown"]), (&0.into(), &serde_json::json!([])), "{check}");
    let told = project.phlo(&["plugin", "info", "files", "--kind", "resource"]).exits(0).stdout;
    assert!(told.contains("null_value") && told.contains("publish_target:files"), "{told}");
}

#[test]
fn what_is_blocked_is_not_published() {
    // By a check of the table.
    let project = project();
    project.phlo(&["run"]).exits(0);
    let old = published(&project);
    project.put(
        "assets/raw/orders.yaml",
        "source: { plugin: files, path: 'in/*.csv' }\nwrite: { metadata: false }\nchecks: [ { range: { column: amount, min: 0 } } ]\n",
    );
    project.put("in/2.csv", "id,day,amount\n4,2026-01-03,-1\n");
    let record = project.phlo(&["run", "--json"]).exits(3).json();
    assert_eq!(of(&record["assets"], "publish.daily")["status"], "skipped");
    assert_eq!(published(&project), old);

    // By a check of what is published.
    std::fs::remove_file(project.path().join("in/2.csv")).unwrap();
    let asset = |min: &str| {
        format!(
            "query: select day, total from gold.daily where n > 0\ntarget: {{ plugin: files, path: out/daily.csv }}\n\
             checks:\n  - range: {{ column: total, min: {min}, name: enough }}\n  - row_count: {{ min: 1 }}\n"
        )
    };
    project.put("assets/publish/daily.yaml", &asset("15"));
    let record = project.phlo(&["run", "--json"]).exits(3).json();
    let daily = of(&record["assets"], "publish.daily");
    assert_eq!((&daily["status"], &daily["error"]["code"]), (&"blocked".into(), &"P5001".into()));
    assert_eq!(published(&project), old);
    // Its failing rows can be looked at, and audited again.
    let shown = project.phlo(&["quality", "show", "publish.daily", "--rows"]).exits(0).stdout;
    assert!(shown.contains("2026-01-01") && !shown.contains("2026-01-02"), "{shown}");
    project.phlo(&["quality", "run", "publish.daily"]).exits(3);
    project.put("assets/publish/daily.yaml", &asset("5"));
    project.phlo(&["run"]).exits(0);
    assert!(published(&project).starts_with("day,total\n"));
    project.phlo(&["quality", "run", "publish.daily"]).exits(0);
}

#[test]
fn a_mistake_in_a_publish_asset_is_told_at_its_place() {
    for (text, place, code, says) in [
        ("table: gold.daily\ntarget: { plugin: fils, path: x.csv }\n", "2:19", "P2001", "did you mean `files`?"),
        ("table: gold.daily\ntarget: { plugin: rest_api }\n", "2:19", "P2001", "`rest_api` is a source"),
        ("table: gold.daily\ntarget: { plugin: files, pth: x.csv }\n", "2:26", "P1002", "did you mean `path`?"),
        ("table: gold.daily\ntarget: { plugin: files, path: x.txt }\n", "2:9", "P1004", "tells no format"),
        ("table: gold.dayly\ntarget: { plugin: files, path: x.csv }\n", "1:8", "P1013", "did you mean `gold.daily`?"),
        ("query: select dya from gold.daily\ntarget: { plugin: files, path: x.csv }\n", "1:15", "P1012", "dya"),
        (
            "query: |\n  select day\n  from gold.dayly\ntarget: { plugin: files, path: x.csv }\n",
            "3:8",
            "P1013",
            "gold.dayly",
        ),
        (
            "query: select array_agg(day) as days from gold.daily\ntarget: { plugin: files, path: x.csv }\n",
            "2:9",
            "P4005",
            "the column `days` is list<date>, which CSV cannot hold",
        ),
        (
            "table: gold.daily\ntarget: { plugin: files, path: x.csv }\nchecks:\n  - not_null: [nme]\n",
            "4:5",
            "P5003",
            "nme",
        ),
        ("table: publish.orders\ntarget: { plugin: files, path: x.csv }\n", "1:8", "P1013", "makes no table"),
    ] {
        let project = project();
        project.put("assets/publish/daily.yaml", text);
        let report = project.phlo(&["check", "--json"]).exits(2).json();
        let found = report["diagnostics"].as_array().unwrap().iter().any(|d| {
            let at = format!("{}:{}", d["place"]["line"], d["place"]["column"]);
            at == place
                && d["place"]["file"] == "assets/publish/daily.yaml"
                && d["code"] == code
                && format!("{} {}", d["messages"], d["hints"]).contains(says)
        });
        assert!(found, "{text}wanted {place} {code} {says}\n{report:#}");
        project.phlo(&["run"]).exits(2);
    }
    // Nobody reads a table that a publish asset does not make.
    let project = project().write("assets/gold/of.sql", "select *\nfrom publish.daily\n");
    let said = project.phlo(&["check"]).exits(2).all();
    assert!(said.contains("assets/gold/of.sql:2:6") && said.contains("makes no table"), "{said}");
    let said = project.phlo(&["sql", "select * from publish.orders"]).all();
    assert!(said.contains("read what it publishes: `raw.orders`"), "{said}");
    // A connection is checked whoever uses it, or not.
    project.put("phlo.yaml", "name: t\nconnections:\n  out: { target: files, paht: x }\n  no: { target: fils }\n");
    let said = project.phlo(&["check"]).all();
    assert!(said.contains("phlo.yaml:3:25") && said.contains("phlo.yaml:4:17"), "{said}");
}

/// Rows enough that their file takes a while.
const LARGE: &str = "query: select a.id, a.day, b.amount, repeat('x', 20) as text from raw.orders a cross join raw.orders b \
                     cross join raw.orders c\ntarget: { plugin: files, path: out/daily.csv }\n";

/// A project that published a small file, and is to publish a large one.
fn large() -> Project {
    let project = project();
    project.phlo(&["run", "+publish.daily"]).exits(0);
    let mut rows = String::from("id,day,amount\n");
    (0..200).for_each(|id| rows.push_str(&format!("{id},2026-01-01,1\n")));
    project.put("in/2.csv", &rows);
    project.phlo(&["run", "raw.orders"]).exits(0);
    project.put("assets/publish/daily.yaml", LARGE);
    project
}

fn beside(project: &Project) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(project.path().join("out")).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|ext| ext == "tmp")).collect()
}

/// Starts a run and waits until a part of the large file is on the disk.
fn in_the_middle(project: &Project) -> Child {
    let child = project.command(&["run", "publish.daily"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = |path: &PathBuf| std::fs::metadata(path).is_ok_and(|file| file.len() > 0);
    let clock = Instant::now();
    while !beside(project).iter().any(begun) {
        assert!(clock.elapsed() < Duration::from_mins(2), "it never began to write");
        std::thread::sleep(Duration::from_millis(1));
    }
    child
}

#[test]
fn killed_in_the_middle_the_old_file_stays_and_the_next_run_clears_up() {
    let project = large();
    let old = published(&project);
    let mut child = in_the_middle(&project);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(published(&project), old);
    assert_eq!(beside(&project).len(), 1, "the kill came too late to tell anything");

    project.put("assets/publish/daily.yaml", "table: gold.daily\ntarget: { plugin: files, path: out/daily.csv }\n");
    project.phlo(&["run", "gold.daily+"]).exits(0);
    assert_ne!(published(&project), old);
    assert_eq!(beside(&project), [] as [&Path; 0]);
}

#[cfg(unix)]
#[test]
fn interrupted_in_the_middle_the_old_file_stays_and_nothing_is_left() {
    let project = large();
    let old = published(&project);
    let mut child = in_the_middle(&project);
    let killed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(published(&project), old);
    assert_eq!(beside(&project), [] as [&Path; 0]);
}
