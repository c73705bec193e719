//! What is wrong in a project is told with file, line, column and the next step, and nothing configured is silently ignored.

use crate::fixture::Project;

const CSV: &str = "id,amount,at\n1,2.5,2026-01-01\n";

/// Checks that `phlo check` refuses a project of one more file, at this place, with this code and text.
#[track_caller]
fn check(file: &str, text: &str, place: &str, code: &str, says: &str) {
    let project = Project::new()
        .write("data.csv", CSV)
        .write("assets/raw/orders.yaml", "source: { plugin: files, path: data.csv }\n")
        .write(file, text);
    let said = project.phlo(&["check", "--json"]).exits(2);
    let report = said.json();
    let problems = report["diagnostics"].as_array().unwrap();
    let found = problems.iter().any(|d| {
        let at =
            format!("{}:{}:{}", d["place"]["file"].as_str().unwrap_or(""), d["place"]["line"], d["place"]["column"]);
        let all = format!("{} {}", d["messages"], d["hints"]);
        at == place && d["code"] == code && all.contains(says)
    });
    assert!(found, "wanted {place} {code} {says}\n{report:#}");
    // And a run refuses it too, before anything is written.
    project.phlo(&["run"]).exits(2);
    assert!(!project.path().join("lake").exists());
}

#[test]
fn a_mistake_in_a_file_is_told_at_its_place() {
    let yaml = "assets/raw/x.yaml";
    check(
        yaml,
        "source: { plugin: files, path: data.csv }\nwrit: { strategy: append }\n",
        "assets/raw/x.yaml:2:1",
        "P1002",
        "did you mean `write`?",
    );
    check(
        yaml,
        "source: { plugin: fils, path: data.csv }\n",
        "assets/raw/x.yaml:1:19",
        "P2001",
        "did you mean `files`?",
    );
    check(
        yaml,
        "source: { plugin: files, pth: data.csv }\n",
        "assets/raw/x.yaml:1:26",
        "P1002",
        "did you mean `path`?",
    );
    for (inert, place) in [
        ("row_count: { min: 1, tolerance: 0.1 }", "assets/raw/x.yaml:3:5"),
        ("schema: { columns: { id: int64 }, tolerance: 0.1 }", "assets/raw/x.yaml:3:5"),
        ("schema: { columns: { id: int64 }, where: id > 1 }", "assets/raw/x.yaml:3:5"),
        ("freshness: { column: at, max_age_hours: 1, tolerance: 1 }", "assets/raw/x.yaml:3:5"),
    ] {
        let text = format!("source: {{ plugin: files, path: data.csv }}\nchecks:\n  - {inert}\n");
        check(yaml, &text, place, "P1015", "`severity: warn` tells without blocking");
    }
    check(
        yaml,
        "source: { plugin: files, path: data.csv }\nchecks:\n  - not_nul: [id]\n",
        "assets/raw/x.yaml:3:5",
        "P2001",
        "did you mean `not_null`?",
    );
    check(
        yaml,
        "source: { plugin: files, path: data.csv }\nchecks:\n  - not_null: [idd]\n",
        "assets/raw/x.yaml:3:5",
        "P5003",
        "did you mean `id`?",
    );
    check(
        yaml,
        "source: { plugin: files, path: data.csv }\nchecks:\n  - range: { column: amount, mim: 0 }\n",
        "assets/raw/x.yaml:3:30",
        "P1002",
        "did you mean `min`?",
    );
    check(
        yaml,
        "source: { plugin: files, path: data.csv }\nwrite: { strategy: merge, unique_key: [ID] }\n",
        "assets/raw/x.yaml:2:40",
        "P5003",
        "did you mean `id`?",
    );
    check(
        yaml,
        "source: { plugin: files, path: data.csv }\nwrite: { strategy: append, unique_key: [id] }\n",
        "assets/raw/x.yaml:2:28",
        "P1015",
        "",
    );
    check(
        yaml,
        "source: { plugin: files, path: data.csv }\ncapability_overrides: { table_store: iceberg }\n",
        "assets/raw/x.yaml:1:1",
        "P2006",
        "iceberg",
    );
    check(
        yaml,
        "source: { plugin: files, path: data.csv }\ntransforms:\n  - rname: { columns: { id: key } }\n",
        "assets/raw/x.yaml:3:5",
        "P2001",
        "did you mean `rename`?",
    );
}

#[test]
fn a_mistake_in_sql_is_told_at_its_place() {
    let sql = "assets/mart/m.sql";
    check(sql, "select idd from raw.orders\n", "assets/mart/m.sql:1:8", "P1012", "id");
    check(sql, "select id\nfrom raw.ordrs\n", "assets/mart/m.sql:2:6", "P1013", "did you mean `raw.orders`?");
    check(sql, "select id +\n\nfrom raw.orders where\n", "assets/mart/m.sql:3:9", "P1012", "");
    check(
        sql,
        "/* phlo\nchecks:\n  - unique: [nope]\n*/\nselect id from raw.orders\n",
        "assets/mart/m.sql:3:5",
        "P5003",
        "columns: id",
    );
    check(
        sql,
        "/* phlo\ndescripton: x\n*/\nselect id from raw.orders\n",
        "assets/mart/m.sql:2:1",
        "P1002",
        "did you mean `description`?",
    );
    check(sql, "select * from mart.m\n", "assets/mart/m.sql:1:15", "P1009", "");
}

#[test]
fn a_mistake_in_the_project_file_is_told_at_its_place() {
    for (text, place, code, says) in [
        ("name: x\nstorag: { root: lake }\n", "phlo.yaml:2:1", "P1002", "did you mean `storage`?"),
        (
            "name: x\ncapabilities: { defaults: { table_store: detla } }\n",
            "phlo.yaml:2:42",
            "P2006",
            "did you mean `delta`?",
        ),
        ("name: x\nplugins: { deny: [filez] }\n", "phlo.yaml:2:19", "P2001", "did you mean `files`?"),
        (
            "name: x\nplugins: { settings: { resource: { datafusion: { memori_mib: 5 } } } }\n",
            "phlo.yaml:2:50",
            "P1002",
            "did you mean `memory_mib`?",
        ),
        ("name: x\nservices: { postgres: {} }\n", "phlo.yaml:2:13", "P2001", "postgres"),
        ("name: ${NOPE_NOT_SET}\n", "phlo.yaml:1:7", "P1005", "NOPE_NOT_SET"),
        (
            "name: x\nschedules:\n  - { name: n, cron: \"0 2 * * *\", select: \"group:raw\" }\n",
            "phlo.yaml:3:5",
            "P1015",
            "cron",
        ),
    ] {
        check_file(text, place, code, says);
    }
}

#[track_caller]
fn check_file(text: &str, place: &str, code: &str, says: &str) {
    let project = Project::new()
        .write("data.csv", CSV)
        .write("assets/raw/orders.yaml", "source: { plugin: files, path: data.csv }\n")
        .write("phlo.yaml", text);
    let report = project.phlo(&["check", "--json"]).exits(2).json();
    let found = report["diagnostics"].as_array().unwrap().iter().any(|d| {
        let at = format!("{}:{}:", d["place"]["file"].as_str().unwrap_or(""), d["place"]["line"]);
        place.starts_with(&at) && d["code"] == code && format!("{} {}", d["messages"], d["hints"]).contains(says)
    });
    assert!(found, "wanted {place} {code} {says}\n{report:#}");
}

#[test]
fn cycles_are_told_with_their_path() {
    let project =
        Project::new().write("assets/m/a.sql", "select * from m.b\n").write("assets/m/b.sql", "select * from m.a\n");
    let said = project.phlo(&["check"]).exits(2);
    assert!(
        said.all().contains("P1009") && said.all().contains("m.a -> ") && said.all().contains(".sql:1:15"),
        "{}",
        said.all()
    );
}

#[test]
fn outside_a_project_the_command_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let output =
        std::process::Command::new(crate::fixture::PHLO).arg("status").current_dir(dir.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("P1006") && said.contains("phlo init"), "{said}");
}

#[test]
fn a_value_that_does_not_fit_is_told_with_its_record() {
    let mut csv = String::from("id,amount\n");
    for i in 0..12_000 {
        csv.push_str(&format!("{i},1\n"));
    }
    csv.push_str("12000,many\n");
    let project = Project::new()
        .write("data.csv", &csv)
        .write("assets/raw/x.yaml", "source: { plugin: files, path: data.csv }\n");
    let said = project.phlo(&["run"]).exits(1);
    for wanted in ["P3004", "data.csv", "12002", "amount", "many", "columns"] {
        assert!(said.all().contains(wanted), "{wanted}: {}", said.all());
    }
}
