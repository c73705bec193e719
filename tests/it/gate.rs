//! Nothing unaudited is ever visible: each write strategy, each way of failing.

use std::time::Duration;

use crate::fixture::{Project, write_by};

fn orders(strategy: &str) -> Project {
    let write = write_by(strategy);
    Project::new()
        .write(
            "assets/raw/orders.yaml",
            &format!(
                "source: {{ plugin: files, path: \"in/*.csv\" }}\nwrite: {write}\nchecks:\n  - not_null: [id]\n  - range: {{ column: amount, min: 0 }}\n  \
                 - row_count: {{ max: 6 }}\n"
            ),
        )
        .write("assets/mart/total.sql", "select sum(amount) as total from raw.orders\n")
        .write("in/1.csv", "id,amount\n1,10\n2,20\n3,30\n")
}

#[test]
fn a_blocked_write_leaves_the_old_table_whatever_the_strategy() {
    for strategy in ["append", "overwrite", "merge"] {
        for (why, bad) in [
            ("a row-level check", "id,amount\n4,-5\n"),
            ("a table-level check", "id,amount\n11,1\n12,1\n13,1\n14,1\n15,1\n16,1\n17,1\n"),
        ] {
            let project = orders(strategy);
            project.phlo(&["run"]).exits(0);
            project.put("in/2.csv", bad);
            let record = project.phlo(&["run", "--json"]).exits(3).json();
            let status = |key: &str| {
                record["assets"].as_array().unwrap().iter().find(|a| a["asset"] == key).unwrap()["status"].clone()
            };
            assert_eq!(
                (status("raw.orders"), status("mart.total")),
                ("blocked".into(), "skipped".into()),
                "{strategy}, {why}"
            );
            assert_eq!(project.one("select sum(amount) from raw.orders"), 60, "{strategy}, {why}");
            // Mended, it goes through, and nothing of the blocked attempt is lost or repeated.
            project.put("in/2.csv", "id,amount\n4,40\n");
            project.phlo(&["run"]).exits(0);
            assert_eq!(project.one("select total from mart.total"), 100, "{strategy}, {why}");
        }
    }
}

#[test]
fn a_first_build_that_is_blocked_leaves_no_table() {
    let project = orders("append").write("in/1.csv", "id,amount\n1,-1\n");
    project.phlo(&["run", "raw.orders"]).exits(3);
    assert!(project.sql_fails("select * from raw.orders").contains("does not exist yet"));
    let kept = project.phlo(&["quality", "show", "raw.orders", "--json"]).exits(0).stdout;
    assert!(kept.contains("\"violations\": 1") || kept.contains("\"violations\":1"), "{kept}");
}

#[test]
fn a_check_that_cannot_run_counts_as_failed() {
    let project = Project::new()
        .write("assets/raw/x.yaml", "source: { plugin: files, path: in.csv }\nchecks:\n  - sql: { query: \"select * from this where 1 / (v - v) > 0\" }\n")
        .write("in.csv", "v\n1\n");
    let said = project.phlo(&["run"]).exits(3);
    assert!(said.all().contains("could not run") || said.all().contains("errored"), "{}", said.all());
    assert!(project.sql_fails("select * from raw.x").contains("does not exist yet"));
}

#[test]
fn a_merge_replaces_by_key_and_refuses_duplicates_unless_told_how() {
    let project = orders("merge");
    project.phlo(&["run"]).exits(0);
    project.put("in/2.csv", "id,amount\n3,33\n4,40\n");
    let record = project.phlo(&["run", "raw.orders", "--json"]).exits(0).json();
    let run = &record["assets"][0];
    assert_eq!((run["rows_inserted"].as_u64(), run["rows_updated"].as_u64()), (Some(1), Some(1)));
    assert_eq!(project.one("select sum(amount) from raw.orders"), 10 + 20 + 33 + 40);

    project.put("in/3.csv", "id,amount\n4,41\n4,42\n");
    let said = project.phlo(&["run", "raw.orders"]).exits(1);
    assert!(said.all().contains("P4004") && said.all().contains("deduplicate"), "{}", said.all());
    assert_eq!(project.one("select sum(amount) from raw.orders"), 103);
    project.put(
        "assets/raw/orders.yaml",
        "source: { plugin: files, path: \"in/*.csv\" }\nwrite: { strategy: merge, unique_key: [id], deduplicate: { keep: last, order_by: [amount] } }\n",
    );
    project.phlo(&["run", "raw.orders"]).exits(0);
    assert_eq!(project.one("select amount from raw.orders where id = 4"), 42);
}

fn big(project: &Project, rows: usize) {
    let mut text = String::from("id,amount\n");
    for i in 0..rows {
        text.push_str(&format!("{i},{}\n", i % 97));
    }
    project.put("in/9.csv", &text);
}

#[test]
fn after_kill_9_the_next_run_neither_loses_nor_repeats_a_row() {
    let project = Project::new().write(
        "assets/raw/orders.yaml",
        "source: { plugin: files, path: \"in/*.csv\" }\nchecks: [ { not_null: [id] } ]\n",
    );
    big(&project, 400_000);
    // Killed at different moments of the run: before, while and after it stages and commits.
    for wait in [30, 120, 300, 600, 900, 1300] {
        let mut child = project.start(&["run"]);
        std::thread::sleep(Duration::from_millis(wait));
        child.kill().unwrap();
        child.wait().unwrap();
        let said = project.phlo(&["sql", "select count(*) as n from raw.orders", "--format", "json"]);
        if said.code == 0 {
            assert!(said.stdout.contains("400000"), "half a write is visible after {wait} ms: {}", said.stdout);
        }
    }
    project.phlo(&["run"]).exits(0);
    assert_eq!(project.one("select count(*) from raw.orders"), 400_000);
    assert_eq!(project.one("select count(distinct id) from raw.orders"), 400_000);
    let runs = project.phlo(&["runs", "--json"]).exits(0).stdout;
    assert!(!runs.contains("\"running\""), "a dead run is still shown as running: {runs}");
}

#[test]
fn an_interrupt_leaves_nothing_visible_and_says_130() {
    let project = Project::new().write("assets/raw/orders.yaml", "source: { plugin: files, path: \"in/*.csv\" }\n");
    big(&project, 3_000_000);
    let child = project.start(&["run"]);
    std::thread::sleep(Duration::from_millis(900));
    let killed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(project.sql_fails("select * from raw.orders").contains("does not exist yet"));
    project.phlo(&["run"]).exits(0);
    assert_eq!(project.one("select count(*) from raw.orders"), 3_000_000);
}

#[test]
fn a_second_phlo_on_the_same_table_waits_or_fails_clearly() {
    let project = Project::new().write(
        "assets/raw/orders.yaml",
        "source: { plugin: files, path: \"in/*.csv\" }\nwrite: { strategy: overwrite, lock_wait: 0 }\nretry: { max_attempts: 1 }\n",
    );
    big(&project, 3_000_000);
    // Whichever comes first holds the lock for seconds; the other is told who has it.
    let children = [project.start(&["run"]), project.start(&["run"])];
    let mut outputs = children.map(|child| child.wait_with_output().unwrap());
    outputs.sort_by_key(|output| output.status.code());
    let codes = outputs.each_ref().map(|output| output.status.code());
    let said = outputs.each_ref().map(|output| String::from_utf8_lossy(&output.stderr).into_owned()).join("\n");
    assert_eq!(codes, [Some(0), Some(1)], "{said}");
    assert!(said.contains("P4001"), "{said}");
    assert_eq!(project.one("select count(*) from raw.orders"), 3_000_000);
    // Told to wait, the second one gets its turn.
    project.put(
        "assets/raw/orders.yaml",
        "source: { plugin: files, path: \"in/*.csv\" }\nwrite: { strategy: overwrite, lock_wait: 120 }\n",
    );
    let first = project.start(&["run"]);
    let second = project.start(&["run"]);
    for child in [first, second] {
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(project.one("select count(*) from raw.orders"), 3_000_000);
}

fn daily(write: &str) -> Project {
    Project::new()
        .write(
            "assets/raw/days.yaml",
            &format!(
                "source: {{ plugin: files, path: \"in/*.csv\" }}\nwrite: {write}\npartitions: {{ kind: daily, column: day, start: 2026-01-01 }}\n"
            ),
        )
        .write("in/1.csv", "id,day\n1,2026-01-01\n2,2026-01-02\n3,2026-01-03\n")
}

#[test]
fn a_partition_brings_its_rows_and_takes_none_from_the_others() {
    let project = daily("{ strategy: merge, unique_key: [id] }");
    let count = || project.one("select count(*) from raw.days");
    project.phlo(&["run", "--partition", "2026-01-02"]).exits(0);
    assert_eq!(count(), 1);
    // The files were read for one day alone: for the others they are still new.
    project.phlo(&["run", "--partition", "2026-01-01"]).exits(0);
    assert_eq!(count(), 2);
    project.phlo(&["run", "--partition", "2026-01-01"]).exits(0);
    assert_eq!(count(), 2, "the same partition twice is there once");
    project.phlo(&["run"]).exits(0);
    assert_eq!(count(), 3);
    // And after a whole run a partition is read again, though the files are known.
    project.put("in/1.csv", "id,day\n1,2026-01-01\n2,2026-01-02\n4,2026-01-02\n3,2026-01-03\n");
    project.phlo(&["run", "--partition", "2026-01-02"]).exits(0);
    assert_eq!(count(), 4);

    let said = project.phlo(&["run", "--full-refresh", "--partition", "2026-01-02"]).exits(2);
    assert!(said.all().contains("--full-refresh"), "{}", said.all());
    assert_eq!(count(), 4, "no partition ever replaces the table");
    let project = daily("{ strategy: append }");
    let said = project.phlo(&["run", "--partition", "2026-01-02"]).exits(2);
    assert!(said.all().contains("would be there twice"), "{}", said.all());
}

#[test]
fn a_check_may_join_another_assets_table() {
    let project = orders("append").write("in_customers.csv", "id\n1\n2\n").write(
        "assets/ref/customers.yaml",
        "source: { plugin: files, path: in_customers.csv }\nwrite: { strategy: overwrite }\n",
    );
    project.put(
        "assets/raw/orders.yaml",
        "source: { plugin: files, path: \"in/*.csv\" }\nchecks:\n  - sql: { query: \"select id from this where id not in (select id from ref.customers)\", name: known }\n",
    );
    project.phlo(&["run", "ref.customers"]).exits(0);
    let said = project.phlo(&["run", "raw.orders"]).exits(3);
    assert!(said.all().contains("1 of 3 rows"), "{}", said.all());
    project.put("in_customers.csv", "id\n1\n2\n3\n");
    project.phlo(&["run", "ref.customers"]).exits(0);
    project.phlo(&["run", "raw.orders"]).exits(0);
}

#[test]
fn a_rebuild_of_a_merged_table_refuses_a_key_that_comes_twice() {
    let asset = "source: { plugin: files, path: \"in/*.csv\" }\nwrite: { strategy: merge, unique_key: [k] }\n";
    let project = Project::new().write("assets/raw/x.yaml", asset).write("in/1.csv", "k,v\na,1\n");
    let rows = || project.phlo(&["sql", "select k, v from raw.x", "--format", "json"]).exits(0).json();
    project.phlo(&["run"]).exits(0);
    project.put("in/2.csv", "k,v\na,2\n");
    project.phlo(&["run"]).exits(0);
    // Which of the two is newer, nobody has said.
    let said = project.phlo(&["run", "--full-refresh"]).exits(1);
    assert!(said.stderr.contains("P4004") && said.stderr.contains("deduplicate"), "{}", said.all());
    assert_eq!(rows(), serde_json::json!([{ "k": "a", "v": 2 }]));
    let said_so = asset.replace("[k] }", "[k], deduplicate: { keep: last, order_by: v } }");
    project.put("assets/raw/x.yaml", &said_so);
    project.phlo(&["run", "--full-refresh"]).exits(0);
    assert_eq!(rows(), serde_json::json!([{ "k": "a", "v": 2 }]));
}

#[test]
fn a_rebuild_from_a_source_that_is_empty_now_does_not_hide_what_comes_later() {
    let project = orders("append").write(
        "assets/raw/orders.yaml",
        "source: { plugin: files, path: \"in/*.csv\" }\ncolumns: { id: int64, amount: int64 }\n",
    );
    project.phlo(&["run"]).exits(0);
    project.put("in/1.csv", "id,amount\n");
    project.phlo(&["run", "--full-refresh", "raw.orders"]).exits(0);
    assert_eq!(project.one("select count(*) from raw.orders"), 0);
    project.put("in/1.csv", "id,amount\n1,10\n2,20\n");
    project.phlo(&["run", "raw.orders"]).exits(0);
    assert_eq!(project.one("select count(*) from raw.orders"), 2);
}

#[test]
fn a_header_in_another_case_is_the_same_column() {
    let project = orders("append");
    project.phlo(&["run", "raw.orders"]).exits(0);
    project.put("in/2.csv", "ID,Amount\n4,40\n");
    std::fs::remove_file(project.path().join("in/1.csv")).unwrap();
    project.phlo(&["run", "raw.orders"]).exits(0);
    assert_eq!(project.one("select sum(amount) from raw.orders"), 100);
}

#[test]
fn a_check_that_was_added_looks_at_what_is_published_though_nothing_came() {
    let asset = |more: &str| {
        format!("source: {{ plugin: files, path: in.csv }}\nwrite: {{ strategy: merge, unique_key: [id] }}\n{more}")
    };
    let project = Project::new()
        .write("in.csv", "id,v\n1,\n2,x\n")
        .write("assets/raw/x.yaml", &asset(""))
        .write("assets/mart/y.sql", "select count(*) as n from raw.x\n");
    project.phlo(&["run"]).exits(0);
    project.put("assets/raw/x.yaml", &asset("checks: [ { not_null: [v] } ]\n"));
    let record = project.phlo(&["run", "--json"]).exits(3).json();
    let x = record["assets"].as_array().unwrap().iter().find(|a| a["asset"] == "raw.x").unwrap().clone();
    assert_eq!((x["status"].as_str(), x["checks"][0]["violations"].as_u64()), (Some("blocked"), Some(1)));
    // Once it holds, it is not looked at again until something comes.
    project.put("assets/raw/x.yaml", &asset("checks: [ { not_null: [id] } ]\n"));
    let audited = project.phlo(&["run", "raw.x", "--json"]).exits(0).json();
    assert_eq!(audited["assets"][0]["checks"][0]["outcome"], "passed");
    let again = project.phlo(&["run", "raw.x", "--json"]).exits(0).json();
    assert_eq!(
        (again["assets"][0]["status"].as_str(), again["assets"][0]["checks"].is_null()),
        (Some("unchanged"), true)
    );
    // A transform that was added waits for rows, and says so.
    project.put("assets/raw/x.yaml", &asset("transforms: [ { derive: { columns: { w: \"id * 2\" } } } ]\n"));
    let said = project.phlo(&["run", "raw.x"]).exits(0);
    assert!(said.all().contains("--full-refresh raw.x"), "{}", said.all());
}

#[test]
fn a_freshness_check_is_asked_though_nothing_came() {
    let project = Project::new().write("in.csv", "id,at\n1,2020-01-01T00:00:00Z\n").write(
        "assets/raw/x.yaml",
        "source: { plugin: files, path: in.csv }\nchecks: [ { freshness: { column: at, max_age_hours: 24, severity: warn } } ]\n",
    );
    project.phlo(&["run"]).exits(0);
    let record = project.phlo(&["run", "--json"]).exits(0).json();
    let run = &record["assets"][0];
    assert_eq!((run["status"].as_str(), run["checks"][0]["outcome"].as_str()), (Some("unchanged"), Some("failed")));
}

#[test]
fn what_sql_computes_of_time_and_rank_can_be_stored() {
    let project = Project::new().write(
        "assets/mart/x.sql",
        "select now() as at, row_number() over (order by v) as place, round(-0.3) as r from (values (1), (2)) as t(v)\n",
    );
    project.phlo(&["run"]).exits(0);
    let types = project.sql("select arrow_typeof(at) as at, arrow_typeof(place) as place from mart.x");
    assert_eq!(types[0]["place"], "Int64");
    assert!(types[0]["at"].as_str().unwrap().starts_with("Timestamp("), "{types:?}");
}

impl Project {
    /// What a query that must fail says.
    #[track_caller]
    pub(crate) fn sql_fails(&self, query: &str) -> String {
        let said = self.phlo(&["sql", query]);
        assert_ne!(said.code, 0, "{}", said.stdout);
        said.all()
    }
}
