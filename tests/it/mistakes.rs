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
    check(
        yaml,
        "source: { plugin: files, path: data.csv }\nsensitive: [idd]\n",
        "assets/raw/x.yaml:2:13",
        "P5003",
        "did you mean `id`?",
    );
    for (tolerance, place) in [
        ("{ warn: 0.5, error: 0.1 }", "assets/raw/x.yaml:3:43"),
        ("2", "assets/raw/x.yaml:3:43"),
        ("{ warn: 0.1, error: 0.5 }, severity: warn", "assets/raw/x.yaml:3:80"),
    ] {
        let text = format!(
            "source: {{ plugin: files, path: data.csv }}\nchecks:\n  - not_null: {{ columns: [id], tolerance: {tolerance} }}\n"
        );
        check(yaml, &text, place, "P1004", "");
    }
    for (inert, place) in [
        ("row_count: { min: 1, tolerance: 0.1 }", "assets/raw/x.yaml:3:5"),
        ("all_of: { checks: [{ row_count: 1 }, { row_count: { max: 9 } }], tolerance: 0.1 }", "assets/raw/x.yaml:3:5"),
        ("schema: { columns: { id: int64 }, tolerance: 0.1 }", "assets/raw/x.yaml:3:5"),
        ("schema: { columns: { id: int64 }, where: id > 1 }", "assets/raw/x.yaml:3:5"),
        ("freshness: { column: at, max_age_hours: 1, tolerance: 1 }", "assets/raw/x.yaml:3:5"),
    ] {
        let text = format!("source: {{ plugin: files, path: data.csv }}\nchecks:\n  - {inert}\n");
        let hint = if inert.contains("where") { "remove `where`" } else { "`severity: warn` tells without blocking" };
        check(yaml, &text, place, "P1015", hint);
    }
    check(
        yaml,
        "source: { plugin: files, path: data.csv }\nchecks:\n  - row_count: { min: 1, warn: { min: 2 }, severity: warn }\n",
        "assets/raw/x.yaml:3:5",
        "P1015",
        "remove `severity`",
    );
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
        "assets/raw/x.yaml:2:38",
        "P2006",
        "iceberg",
    );
    check(
        yaml,
        "source: { plugin: files, path: data.csv }\ncapability_overrides: { orchestrator: native }\n",
        "assets/raw/x.yaml:2:25",
        "P1015",
        "an asset chooses its `table_store`",
    );
    check(
        yaml,
        "source: { plugin: files, path: data.csv }\ndeps: [raw.ordrs]\n",
        "assets/raw/x.yaml:2:8",
        "P1007",
        "did you mean `raw.orders`?",
    );
    check(
        yaml,
        "source: { plugin: files, path: data.csv }\nwrite: { strategy: overwrite }\n\
         partitions: { kind: daily, column: at, start: 2026-01-01 }\n",
        "assets/raw/x.yaml:3:1",
        "P1015",
        "merge",
    );
    check(
        yaml,
        "source: { plugin: files, path: data.csv }\nchecks:\n  - sql: \"select * from this join raw.ordrs using (id)\"\n",
        "assets/raw/x.yaml:3:5",
        "P1013",
        "did you mean `raw.orders`?",
    );
    check(
        yaml,
        "source: { plugin: files, path: data.csv }\nchecks:\n  - same_schema: raw.ordrs\n",
        "assets/raw/x.yaml:3:5",
        "P1013",
        "did you mean `raw.orders`?",
    );
    check(
        yaml,
        "source: { plugin: files, path: data.csv }\nchecks:\n  - sql: \"select * from this join raw.orders using (idd)\"\n",
        "assets/raw/x.yaml:3:5",
        "P1012",
        "idd",
    );
    check(
        yaml,
        "source: { plugin: files, path: data.csv }\nchecks:\n  - sql: \"select * from raw.x where id < 0\"\n",
        "assets/raw/x.yaml:3:5",
        "P1012",
        "name it `this`",
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
        (
            "name: x\nstorage: { root: \"s3://lake\", options: { aws_regoin: eu } }\n",
            "phlo.yaml:2:40",
            "P1002",
            "did you mean `aws_region`?",
        ),
        ("name: x\nplugins: { deny: [filez] }\n", "phlo.yaml:2:19", "P2001", "did you mean `files`?"),
        (
            "name: x\nplugins: { settings: { resource: { datafusion: { memori_mib: 5 } } } }\n",
            "phlo.yaml:2:50",
            "P1002",
            "did you mean `memory_mib`?",
        ),
        (
            "name: x\nplugins: { settings: { hook: { history: { keep_dais: 5 } } } }\n",
            "phlo.yaml:2:43",
            "P1002",
            "did you mean `keep_runs`?",
        ),
        ("name: x\nplugins: { settings: { source: { files: { x: 5 } } } }\n", "phlo.yaml:2:43", "P1002", "x"),
        ("name: x\nplugins: { settings: { resource: { delta: { nope: 5 } } } }\n", "phlo.yaml:2:45", "P1002", "nope"),
        ("name: x\nstorage: { root: lake, options: { region: eu } }\n", "phlo.yaml:2:24", "P1015", "object stores"),
        ("name: x\ncapabilities: { defaults: { alert_sink: pager } }\n", "phlo.yaml:2:41", "P2006", "pager"),
        (
            "name: x\nplugins: { deny: [delta] }\ncapabilities: { defaults: { table_store: delta } }\n",
            "phlo.yaml:3:42",
            "P2006",
            "does not allow `delta`",
        ),
        ("name: x\nplugins: { deny: [\"sauce:files\"] }\n", "phlo.yaml:2:19", "P2001", "no kind of plugin `sauce`"),
        (
            "name: x\nplugins: { settings: { asset: { calendar: { from: 2013-01-01, to: 2013-12-31, frm: 1 } } } }\n",
            "phlo.yaml:2:79",
            "P1002",
            "did you mean `from`?",
        ),
        ("name: x\nservices: { postgers: {} }\n", "phlo.yaml:2:13", "P2001", "did you mean `postgres`?"),
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

#[test]
fn settings_that_a_plugin_refuses_stop_a_run() {
    let project = Project::new()
        .write("data.csv", CSV)
        .write("assets/raw/x.yaml", "source: { plugin: files, path: data.csv }\n")
        .write("phlo.yaml", "name: x\nplugins: { settings: { hook: { history: { keep_dais: 5 } } } }\n");
    let said = project.phlo(&["run"]).exits(2);
    assert!(said.all().contains("P1002") && said.all().contains("keep_dais"), "{}", said.all());
    assert!(!project.path().join("lake").exists());
}

#[test]
fn a_choice_that_nothing_would_follow_is_refused() {
    let project =
        Project::new().write("data.csv", CSV).write("assets/raw/x.yaml", "source: { plugin: files, path: data.csv }\n");
    let said = project.phlo(&["run", "--tag", "phlo/capability/tabel_store=delta"]).exits(2);
    assert!(said.all().contains("P2008") && said.all().contains("did you mean `table_store`?"), "{}", said.all());
    let said = project.phlo_with(&[("PHLO_CAPABILITY_ALERT_SINK", "pager")], &["check"]).exits(2);
    assert!(said.all().contains("pager") && said.all().contains("environment"), "{}", said.all());
}

#[test]
fn checks_may_read_tables_of_assets_that_come_later() {
    let project = Project::new()
        .write("data.csv", CSV)
        .write("assets/raw/z.yaml", "source: { plugin: files, path: data.csv }\n")
        .write(
            "assets/raw/a.yaml",
            "source: { plugin: files, path: data.csv }\nchecks:\n  - sql: \"select id from this where id not in (select id from raw.z)\"\n",
        );
    project.phlo(&["check"]).exits(0);
    let plan = project.phlo(&["run", "--dry-run", "--json"]).exits(0).json();
    assert_eq!(
        (&plan["steps"][1]["asset"], &plan["steps"][1]["after"][0]),
        (&"raw.a".into(), &"raw.z".into()),
        "{plan:#}"
    );
    let record = project.phlo(&["run", "--json"]).exits(0).json();
    assert_eq!(record["assets"][1]["checks"][0]["outcome"], "passed", "{record:#}");
}

#[test]
fn check_asks_no_network() {
    let project = Project::new()
        .write("phlo.yaml", "name: x\nstorage: { root: \"s3://nowhere-at-all/x\" }\n")
        .write("assets/mart/m.sql", "select * from raw.elsewhere\n");
    let clock = std::time::Instant::now();
    project.phlo(&["check"]).exits(0);
    assert!(clock.elapsed().as_secs() < 5, "{:?}", clock.elapsed());
}

#[test]
fn a_selection_of_nothing_is_refused() {
    let project =
        Project::new().write("data.csv", CSV).write("assets/raw/x.yaml", "source: { plugin: files, path: data.csv }\n");
    for args in [&["run", ""][..], &["run", "--exclude", "raw.*"], &["run", "raw.x,"]] {
        let said = project.phlo(args).exits(2);
        assert!(said.all().contains("P1008"), "{args:?}: {}", said.all());
    }
    project.phlo(&["run", "raw.*,kind:ingest"]).exits(0);
    project.phlo(&["run", "raw.*,kind:sql"]).exits(2);
}

#[test]
fn a_damaged_table_hides_no_other() {
    let project = Project::new()
        .write("data.csv", CSV)
        .write("assets/raw/x.yaml", "owner: ada\nsource: { plugin: files, path: data.csv }\n")
        .write("assets/raw/y.yaml", "source: { plugin: files, path: data.csv }\n");
    project.phlo(&["run"]).exits(0);
    project.put("lake/raw/y/_delta_log/00000000000000000000.json", "not a commit\n");
    let said = project.phlo(&["status", "--json"]).exits(1).json();
    let assets = said["assets"].as_array().unwrap();
    assert_eq!((&assets[0]["owner"], &assets[0]["version"]), (&"ada".into(), &0.into()), "{said:#}");
    assert!(assets[1]["error"]["code"].is_string() && assets[0]["error"].is_null(), "{said:#}");
    let said = project.phlo(&["table", "list", "--json"]).exits(1).json();
    assert_eq!(said["tables"].as_array().map(Vec::len), Some(2), "{said:#}");
}

#[test]
fn what_people_write_about_an_asset_is_shown() {
    let project = Project::new().write("data.csv", CSV).write(
        "assets/raw/x.yaml",
        "description: Orders of the shop\nowner: ada\nsource: { plugin: files, path: data.csv }\n\
         checks:\n  - range: { column: amount, max: 1, severity: warn, description: Nobody pays more }\n",
    );
    project.phlo(&["run"]).exits(0);
    let shown = project.phlo(&["quality", "show", "raw.x", "--json"]).exits(0).json();
    assert_eq!(shown["checks"][0]["description"], "Nobody pays more", "{shown:#}");
    assert!(project.phlo(&["quality", "show", "raw.x"]).exits(0).stdout.contains("Nobody pays more"));
    let audited = project.phlo(&["quality", "run", "raw.*", "--json"]).exits(0).json();
    assert_eq!(audited["assets"][0]["checks"][0]["violations"], 1, "{audited:#}");
    let shown = project.phlo(&["table", "show", "raw.x"]).exits(0).stdout;
    assert!(shown.contains("ada") && shown.contains("Orders of the shop"), "{shown}");
}

#[test]
fn a_partition_is_cut_from_what_the_transforms_leave() {
    let project = Project::new().write("data.csv", "id,t\n1,2026-01-01T03:00:00Z\n2,2026-01-02T03:00:00Z\n").write(
        "assets/raw/x.yaml",
        "source: { plugin: files, path: data.csv }\ntransforms:\n  - rename: { columns: { t: at } }\n\
             write: { strategy: merge, unique_key: [id] }\n\
             partitions: { kind: daily, column: at, start: 2026-01-01, timezone: America/New_York }\n",
    );
    project.phlo(&["run", "--partition", "2026-01-01"]).exits(0);
    assert_eq!(project.one("select min(id) * 10 + max(id) from raw.x"), 22, "the day begins at five in UTC");
}

#[test]
fn a_command_line_that_asks_for_two_things_or_for_nothing_is_refused() {
    let project = Project::new();
    for args in [
        &["lineage", "raw.x", "--format", "dot", "--json"][..],
        &["runs", "--limit", "0"],
        &["init", "--project", "elsewhere"],
        &["config", "export", "out"],
    ] {
        let said = project.phlo(args).exits(2);
        assert!(said.all().contains("P1016"), "{args:?}: {}", said.all());
    }
}

#[test]
fn files_that_a_query_cannot_read_are_told_with_what_to_write_instead() {
    let project = Project::new()
        .write("a.csv", "id\n1\n")
        .write("x.tsv", "id\n1\n")
        .write("data/x.tsv", "id\n1\n")
        .write("n.ndjson", "{\"id\": 7}\n")
        .write("n.jsonl", "{\"id\": 8}\n");
    for (from, code, says, hint) in [
        ("'a.csv'", "P1013", "there is no table `a.csv`", "write './a.csv'"),
        ("'b.csv'", "P1013", "the file `b.csv` does not exist", "current folder"),
        ("'./b.csv'", "P1013", "the file `./b.csv` does not exist", "current folder"),
        ("'x.tsv'", "P1016", "`phlo sql` reads .csv", "plugin: files"),
        ("'data/x.tsv'", "P1016", "`phlo sql` reads .csv", "plugin: files"),
        ("raw.nothing", "P1013", "there is no table `raw.nothing`", "table list"),
    ] {
        let said = project.phlo(&["sql", &format!("select * from {from}")]).exits(2);
        for part in [code, says, hint] {
            assert!(said.stderr.contains(part), "{from}: {part:?} is not said:\n{}", said.stderr);
        }
    }
    assert_eq!(project.one("select id from './a.csv'"), 1);
    assert_eq!(project.one("select id from './n.ndjson'"), 7);
    assert_eq!(project.one("select id from './n.jsonl'"), 8);
    let said = project.phlo(&["sql", "select 1; select 2"]).exits(2);
    assert!(said.stderr.contains("P1012") && said.stderr.contains("more than one statement"), "{}", said.stderr);
    let said = project.phlo(&["sql", "select [1, 2] as list, {'a': 'x'} as map", "--format", "csv"]).exits(0);
    assert_eq!(said.stdout, "list,map\n\"[1,2]\",\"{\"\"a\"\":\"\"x\"\"}\"\n");
}

#[test]
fn a_diagnostic_ends_a_run_as_it_ends_a_check() {
    let project = Project::new()
        .write("data.csv", "id,_phlo_run_id\n1,x\n")
        .write("assets/raw/x.yaml", "source: { plugin: files, path: data.csv }\n");
    let checked = project.phlo(&["check"]).exits(2).stderr;
    let run = project.phlo(&["run"]).exits(2).stderr;
    assert!(checked.contains("_phlo_run_id") && run.contains("_phlo_run_id"), "{checked}\n{run}");
}

#[test]
fn an_audit_shows_what_it_found_though_a_table_is_missing() {
    let asset =
        "source: { plugin: files, path: data.csv }\nwrite: { strategy: overwrite }\nchecks: [ { not_null: [id] } ]\n";
    let project = Project::new()
        .write("data.csv", "id\n1\n2\n")
        .write("assets/raw/a.yaml", asset)
        .write("assets/raw/z.yaml", asset)
        .write("assets/raw/m.yaml", asset);
    project.phlo(&["run", "raw.a", "raw.z"]).exits(0);
    let said = project.phlo(&["quality", "run"]).exits(2);
    assert!(said.stdout.contains("raw.a") && said.stdout.contains("raw.z"), "{}", said.stdout);
    assert!(said.stderr.contains("the table `raw.m` does not exist yet"), "{}", said.stderr);
    let document = project.phlo(&["quality", "run", "--json"]).exits(2).json();
    let statuses: Vec<_> = document["assets"].as_array().unwrap().iter().map(|a| a["status"].clone()).collect();
    assert_eq!(statuses, ["ok", "error", "ok"], "{document:#}");
    assert_eq!(document["status"], "error");
    project.put(
        "assets/raw/z.yaml",
        &format!("{asset}  - row_count: 3\n").replace("[ { not_null: [id] } ]", "\n  - not_null: [id]"),
    );
    let said = project.phlo(&["quality", "run"]).exits(3);
    assert!(said.stdout.contains("row_count(3..) failed: found 2 rows"), "{}", said.stdout);
    assert!(!said.stdout.contains("100 %") && !said.stdout.contains("50 %"), "{}", said.stdout);
}

/// Checks that a project with this `phlo.yaml` has exactly these mistakes: line, column and code of each.
#[track_caller]
fn check_count(text: &str, wanted: &[(&str, &str)]) {
    let project = Project::new()
        .write("data.csv", CSV)
        .write("assets/raw/orders.yaml", "source: { plugin: files, path: data.csv }\n")
        .write("assets/raw/more.yaml", "source: { plugin: files, path: data.csv }\n")
        .write("phlo.yaml", text);
    for args in [&["check", "--json"][..], &["run", "--json"]] {
        let report = project.phlo(args).exits(2).json();
        let found: Vec<_> = report["diagnostics"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|d| d["severity"] == "error")
            .map(|d| (format!("{}:{}", d["place"]["line"], d["place"]["column"]), d["code"].as_str().unwrap_or("")))
            .collect();
        let found: Vec<_> = found.iter().map(|(place, code)| (place.as_str(), *code)).collect();
        assert_eq!(found, wanted, "{args:?} {text}\n{report:#}");
    }
}

#[test]
fn one_mistake_is_told_once() {
    let settings = |of: &str| format!("name: x\nplugins: {{ settings: {{ resource: {{ {of} }} }} }}\n");
    check_count(&settings("delta: { target_file_bytes: 1 }"), &[("2:43", "P1004")]);
    check_count(&settings("delta: { compression_level: 99 }"), &[("2:43", "P1004")]);
    check_count("name: x\nrun: { memory_mib: 1 }\n", &[("2:20", "P1004")]);
    check_count("name: x\nplugins: { deny: [delta] }\n", &[("2:19", "P2003")]);
    check_count("name: x\nplugins: { allow: [files] }\n", &[("2:12", "P2003")]);
    check_count("name: x\nplugins: { allow: [files, filez] }\n", &[("2:27", "P2001")]);
    check_count(
        "name: x\nconnections: { api: { source: rest_ap, base_url: http://localhost } }\n",
        &[("2:31", "P2001")],
    );
    check_count(
        "name: x\nconnections: { api: { source: rest_api, bsae_url: http://localhost } }\n",
        &[("2:41", "P1002")],
    );
}

#[test]
fn a_check_that_waits_for_what_waits_for_it_is_refused() {
    let circle = "source: { plugin: files, path: data.csv }\nchecks:\n  - sql: \"select * from this where id in (select -id from m.y)\"\n";
    let project = Project::new()
        .write("data.csv", CSV)
        .write("assets/m/x.yaml", circle)
        .write("assets/m/y.sql", "select id from m.x\n");
    let said = project.phlo(&["check"]).exits(2);
    for wanted in ["P1009", "x.yaml:3:5", "move this check to `m.y`"] {
        assert!(said.all().contains(wanted), "{wanted}: {}", said.all());
    }
    // What is there already can be read.
    project.put("assets/m/x.yaml", "source: { plugin: files, path: data.csv }\n");
    project.phlo(&["run"]).exits(0);
    project.put("assets/m/x.yaml", circle);
    project.phlo(&["check"]).exits(0);
}

#[test]
fn a_table_that_a_check_reads_and_that_is_not_there_is_told_at_the_check() {
    let project = Project::new()
        .write("data.csv", CSV)
        .write("assets/m/y.yaml", "source: { plugin: files, path: data.csv }\n")
        .write(
            "assets/m/x.yaml",
            "source: { plugin: files, path: data.csv }\nchecks:\n  - sql: \"select * from this where id in (select -id from m.y)\"\n",
        );
    let said = project.phlo(&["run", "m.x"]).exits(1);
    for wanted in ["P1013", "x.yaml:3:5", "phlo run +m.x"] {
        assert!(said.all().contains(wanted), "{wanted}: {}", said.all());
    }
    project.phlo(&["run", "+m.x"]).exits(0);
}

#[test]
fn columns_that_phlos_own_steps_name_are_checked() {
    let yaml = "assets/raw/x.yaml";
    let file = |rest: &str| format!("source: {{ plugin: files, path: data.csv }}\n{rest}\n");
    check(
        yaml,
        &file("write: { strategy: merge, unique_key: [id], deduplicate: { keep: last, order_by: [amuont] } }"),
        "assets/raw/x.yaml:2:83",
        "P5003",
        "did you mean `amount`?",
    );
    check(
        yaml,
        &file("partitions: { kind: daily, column: at, start: 2026-01-01 }"),
        "assets/raw/x.yaml:2:1",
        "P1015",
        "merge",
    );
    check(
        yaml,
        &file(
            "write: { strategy: merge, unique_key: [id] }\npartitions: { kind: daily, column: id, start: 2026-01-01 }",
        ),
        "assets/raw/x.yaml:3:36",
        "P1004",
        "int64",
    );
}
