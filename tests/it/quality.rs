//! What people see of quality: reports that others read, a check's history, and a table's profile with the checks that it suggests.

use std::process::Command;

use serde_json::{Value, json};

use crate::fixture::{Project, Said, python};

const ORDERS: &str = "\
description: Orders & more
source: { plugin: files, path: in/orders.csv }
write: { strategy: overwrite }
sensitive: [email]
";

/// A project whose one asset has a check that passes, one that warns by its limits, one that fails and one that cannot run.
fn shop(rows: &str) -> Project {
    Project::new().write("in/orders.csv", rows).write(
        "assets/raw/orders.yaml",
        &format!(
            "{ORDERS}checks:
  - not_null: [id]
  - range: {{ column: price, min: 0, tolerance: {{ warn: 0.1, error: 0.5 }} }}
  - pattern: {{ column: note, pattern: '[a-z ]*', name: plain notes, description: 'Notes are <plain> & short' }}
  - business_rule: {{ rule: 'CAST(note AS BIGINT) > 0', severity: warn, name: cannot run }}
"
        ),
    )
}

const BAD: &str = "id,email,price,note\n1,a@x.org,5,fine\n2,b@x.org,-1,\"<script>alert('x')</script> & \"\"more\"\"\"\n3,c@x.org,7,ok\n4,d@x.org,2,good\n";

#[test]
fn junit_tells_a_failure_an_error_and_a_warning_as_ci_servers_read_them() {
    let project = shop(BAD);
    project.phlo(&["run"]).exits(3);
    // A blocked table is not there: what the run found is shown, and an audit of what is published says that nothing is.
    project.phlo(&["quality", "show", "raw.orders", "--format", "junit", "--output", "show.xml"]).exits(0);
    let all = project.phlo(&["quality", "show", "--format", "junit"]).exits(0).stdout;
    project.put("all.xml", &all);
    let audit = project.phlo(&["quality", "run", "-f", "junit", "-o", "run.xml"]).exits(2);
    assert!(audit.stdout.is_empty(), "{}", audit.stdout);
    project.phlo(&["quality", "show", "-f", "junit", "--json"]).exits(2);
    project.phlo(&["quality", "show", "-f", "junit", "-o", "no/such/folder.xml"]).exits(2);

    let Some(python) = python("junit-venv", &["junitparser"], "import junitparser") else {
        println!("not run: no python3, or PyPI cannot be reached");
        return;
    };
    let script = r#"
import json, sys, xml.etree.ElementTree as tree, junitparser
told = {}
for file in sys.argv[1:]:
    tree.parse(file)
    xml = junitparser.JUnitXml.fromfile(file)
    suites = []
    for suite in xml:
        cases = [{"name": c.name, "class": c.classname, "result": [[type(r).__name__, r.message, r.type, r.text] for r in c.result],
                  "out": c.system_out} for c in suite]
        suites.append({"name": suite.name, "counts": [suite.tests, suite.failures, suite.errors, suite.skipped], "cases": cases,
                       "properties": {p.name: p.value for p in suite.properties()}})
    told[file] = {"counts": [xml.tests, xml.failures, xml.errors, xml.skipped], "suites": suites}
print(json.dumps(told))
"#;
    let output = Command::new(python)
        .args(["-c", script, "show.xml", "all.xml", "run.xml"])
        .current_dir(project.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let show = &told["show.xml"];
    assert_eq!(show["counts"], json!([4, 1, 1, 0]));
    // Of all assets at once it is not told when each check passed last.
    let without = |told: &Value| {
        let text = serde_json::to_string(told).unwrap();
        text.replace("\\nlast passed: never; this is its first run", "")
    };
    assert_eq!(without(&told["all.xml"]), without(show));
    let suite = &show["suites"][0];
    assert_eq!((&suite["name"], &suite["properties"]["warnings"]), (&json!("raw.orders"), &json!("1")));
    let case = |name: &str| {
        let found =
            suite["cases"].as_array().unwrap().iter().find(|case| case["name"].as_str().unwrap().starts_with(name));
        found.unwrap_or_else(|| panic!("{name} is not in {suite:#}")).clone()
    };
    assert_eq!(case("not_null")["result"], json!([]));
    let warned = case("range");
    assert_eq!(warned["result"], json!([]));
    assert!(
        warned["out"].as_str().unwrap().contains("more than 10 % failed, so it warns; more than 50 % would block"),
        "{warned}"
    );
    let failed = case("plain notes");
    assert_eq!(failed["result"][0][0], "Failure");
    assert!(failed["result"][0][1].as_str().unwrap().starts_with("1 of 4 rows (25 %)"), "{failed}");
    let text = failed["result"][0][3].as_str().unwrap();
    assert!(
        text.contains("<script>alert('x')</script>") && text.contains("\"***\"") && !text.contains("b@x.org"),
        "{text}"
    );
    assert_eq!(case("cannot run")["result"][0][0], "Error");
    let audit = &told["run.xml"]["suites"][0]["cases"][0];
    assert_eq!(
        (&told["run.xml"]["counts"], &audit["result"][0][0]),
        (&json!([1, 0, 1, 0]), &json!("Error")),
        "{audit}"
    );
}

#[test]
fn bounds_that_warn_publish_the_table_and_tell() {
    let warned = |max: u32| {
        format!(
            "source: {{ plugin: files, path: in/orders.csv }}
write: {{ strategy: overwrite }}
checks:
  - row_count: {{ min: 2, warn: {{ min: 10 }} }}
  - aggregate: {{ function: mean, column: price, min: 0, max: {max}, warn: {{ max: 3 }}, name: mean price }}
  - metric: {{ expression: max(id), max: 9, warn: {{ max: 8 }} }}
"
        )
    };
    let project = Project::new().write("in/orders.csv", BAD).write("assets/raw/orders.yaml", &warned(100));
    let run = project.phlo(&["run"]).exits(0);
    let told = format!("{}{}", run.stdout, run.stderr);
    for wanted in [
        "1 passed, 2 warned",
        "warning: raw.orders: row_count(2..): found 4 rows; wanted at least 2 rows; warns unless at least 10 rows",
        "warning: raw.orders: mean price: found mean(price) is 3.25; wanted mean(price) at least 0 and at most 100; warns unless at \
         least 0 and at most 3",
    ] {
        assert!(told.contains(wanted), "{wanted} is not in {told}");
    }
    assert!(project.phlo(&["sql", "SELECT count(*) AS n FROM raw.orders", "--json"]).exits(0).stdout.contains('4'));
    let results = project.phlo(&["quality", "show", "raw.orders", "--json"]).exits(0).stdout;
    assert_eq!(results.matches("\"severity\": \"warn\"").count(), 2, "{results}");
    let junit = project.phlo(&["quality", "show", "raw.orders", "--format", "junit"]).exits(0).stdout;
    assert!(!junit.contains("<failure") && junit.contains("warns unless at least 10 rows"), "{junit}");
    let html = project.phlo(&["quality", "show", "raw.orders", "--format", "html"]).exits(0).stdout;
    assert!(html.contains("warns unless at least 10 rows"), "{html}");
    let history = project.phlo(&["quality", "history", "raw.orders"]).exits(0).stdout;
    assert!(history.contains("warned"), "{history}");
    let explained = project.phlo(&["quality", "explain", "raw.orders"]).exits(0).stdout;
    assert!(explained.contains("mean price"), "{explained}");
    project.phlo(&["quality", "run", "raw.orders"]).exits(0);
    // Beyond the outer bounds it blocks.
    project.put("assets/raw/orders.yaml", &warned(3).replace(", warn: { max: 3 }", ""));
    project.phlo(&["run"]).exits(3);
}

#[test]
fn the_page_shows_rows_escaped_and_needs_nothing_from_elsewhere() {
    let project = shop(BAD);
    project.phlo(&["run"]).exits(3);
    let html = project.phlo(&["quality", "show", "raw.orders", "--format", "html"]).exits(0).stdout;
    assert!(html.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;more&quot;"), "{html}");
    assert!(html.contains("Notes are &lt;plain&gt; &amp; short") && html.contains("Orders &amp; more"), "{html}");
    for wanted in [
        "more than 10 % failed, so it warns",
        "1 of 4 rows (25 %)",
        "<pre><code>SELECT * FROM ",
        "prefers-color-scheme: dark",
    ] {
        assert!(html.contains(wanted), "{wanted} is not in {html}");
    }
    for absent in ["<script", "http:", "https:", "src=", "url(", "@import", "@x.org"] {
        assert!(!html.contains(absent), "{absent} is in {html}");
    }
    let all = project.phlo(&["quality", "show", "--format", "html"]).exits(0).stdout;
    assert!(all.contains("&lt;script&gt;"), "{all}");
}

#[test]
fn sensitive_values_are_shown_nowhere() {
    // Published, so that `--rows` reads the table.
    let project = Project::new().write("in/orders.csv", BAD).write(
        "assets/raw/orders.yaml",
        &format!("{ORDERS}checks: [{{ range: {{ column: price, min: 0, severity: warn }} }}, {{ unique: [email] }}]\n"),
    );
    project.phlo(&["run"]).exits(0);
    for args in [
        &["quality", "show", "raw.orders"][..],
        &["quality", "show", "raw.orders", "--json"],
        &["quality", "show", "raw.orders", "--rows"],
        &["quality", "show", "raw.orders", "--rows", "--json"],
        &["quality", "show", "raw.orders", "--rows", "--format", "html"],
        &["quality", "show", "raw.orders", "--rows", "--format", "junit"],
        &["quality", "run", "raw.orders", "--json"],
        &["quality", "run", "raw.orders", "--format", "html"],
        &["quality", "history", "raw.orders", "--json"],
        &["quality", "profile", "raw.orders"],
        &["quality", "profile", "raw.orders", "--json"],
        &["quality", "profile", "raw.orders", "--suggest"],
    ] {
        let said = project.phlo(args).exits(0);
        assert!(!said.all().contains("@x.org"), "{args:?}: {}", said.all());
    }
    let shown = project.phlo(&["quality", "show", "raw.orders", "--rows", "--json"]).exits(0).json();
    let check = &shown["checks"][0];
    assert_eq!(check["rows_from"], "table");
    assert_eq!((&check["rows"][0]["email"], &check["rows"][0]["price"]), (&json!("***"), &json!(-1)));
    assert_eq!(
        (check["id"].as_str().unwrap().len(), &check["rows_scanned"], &check["tolerance"]),
        (16, &json!(4), &json!(0.0))
    );
    // What was kept before the column was sensitive is masked too.
    let asset = std::fs::read_to_string(project.path().join("assets/raw/orders.yaml")).unwrap();
    project.put("assets/raw/orders.yaml", &asset.replace("[email]", "[price]"));
    let shown = project.phlo(&["quality", "show", "raw.orders", "--json"]).exits(0).json();
    assert_eq!(shown["checks"][0]["sample"][0]["price"], "***");
}

#[test]
fn why_a_check_could_not_run_quotes_nothing_sensitive() {
    let project = Project::new().write("in/orders.csv", BAD).write(
        "assets/raw/orders.yaml",
        &format!("{ORDERS}checks: [{{ business_rule: 'CAST(email AS BIGINT) > 0' }}, {{ business_rule: 'CAST(note AS BIGINT) > 0' }}]\n"),
    );
    let ran = project.phlo(&["run"]).exits(3).all();
    let shown = project.phlo(&["quality", "show", "raw.orders", "--json"]).exits(0);
    let logs = project.phlo(&["logs", "--json"]).exits(0).all();
    assert!(![&ran, &shown.all(), &logs].iter().any(|said| said.contains("@x.org")), "{ran}{}{logs}", shown.all());
    let checks = &shown.json()["checks"];
    let error = |at: usize| checks[at]["error"].as_str().unwrap();
    assert!(error(0).contains("may quote `email`") && error(1).contains("fine"), "{checks}");
}

#[test]
fn no_name_that_a_query_gives_and_no_error_shows_a_sensitive_value() {
    let source = "source: { plugin: files, path: in.csv }\nsensitive: [ssn]\n";
    let query = |sql: &str| format!("{source}checks: [{{ sql: {{ query: \"{sql}\", severity: warn, sample: 2 }} }}]\n");
    let project = Project::new()
        .write("in.csv", "id,tier,ssn\n1,A,\n2,B,\n3,C,SECRET3\n4,D,SECRET4\n")
        .write("assets/raw/a.yaml", &query("select id, ssn as tier from this order by id"));
    let quiet = |said: &Said| assert!(!said.all().contains("SECRET"), "{}", said.all());
    let told = || ["show", "history"].map(|what| quiet(&project.phlo(&["quality", what, "raw.a"])));
    quiet(&project.phlo(&["run"]).exits(0));
    // The two that were kept hold nulls there, and say nothing of the others.
    let shown = project.phlo(&["quality", "show", "raw.a", "--rows"]).exits(0);
    assert!(shown.stdout.contains("***"), "{}", shown.all());
    quiet(&shown);
    told();

    // What cannot be computed errs, though counting alone need not compute it.
    project.put("assets/raw/a.yaml", &query("select id, cast(ssn as int) as x from this"));
    let ran = project.phlo(&["run", "--full-refresh"]).exits(3);
    assert!(ran.stderr.contains("could not run") && ran.stderr.contains("may quote `ssn`"), "{}", ran.all());
    quiet(&ran);
    quiet(&project.phlo(&["quality", "show", "raw.a", "--rows"]));
    told();

    // Neither what a source cannot read, nor what SQL cannot cast, nor a key that is there twice.
    project.put("assets/raw/a.yaml", &format!("{source}columns: {{ ssn: int64 }}\n"));
    project.put("assets/raw/b.sql", "select cast(ssn as int) as x from raw.a");
    let twice = "write: { strategy: merge, unique_key: [ssn] }\n";
    project.put("assets/raw/c.yaml", &format!("{}{twice}", source.replace("in.csv", "twice.csv")));
    project.put("twice.csv", "ssn\nSECRET1\nSECRET1\n");
    for (asset, code) in [("raw.a", "P3004"), ("raw.b", "P6006"), ("raw.c", "P4004")] {
        let ran = project.phlo(&["run", "--full-refresh", asset]);
        assert!(ran.stderr.contains(&format!("error[{code}]")), "{code} in {}", ran.all());
        assert!(ran.stderr.contains("may quote `ssn`"), "{}", ran.all());
        quiet(&ran);
    }
    quiet(&project.phlo(&["logs", "--json"]));
    quiet(&project.phlo(&["runs", "--json"]));
}

#[test]
fn the_rows_that_a_later_run_added_and_that_break_a_rule_are_shown_without_those_of_before() {
    let asset =
        "source: { plugin: files, path: \"in/*.csv\" }\nchecks: [{ range: { column: v, min: 0, severity: warn } }]\n";
    let project = Project::new().write("assets/raw/a.yaml", asset).write("in/1.csv", "v\n1\n-1\n");
    project.phlo(&["run"]).exits(0);
    project.put("in/2.csv", "v\n2\n3\n-3\n");
    project.phlo(&["run"]).exits(0);
    let shown = project.phlo(&["quality", "show", "raw.a", "--rows", "--json"]).exits(0).json();
    let check = &shown["checks"][0];
    assert_eq!((&check["violations"], &check["total"], &check["rows"][0]["v"]), (&json!(1), &json!(3), &json!(-3)));
    let rows = project.phlo(&["sql", check["sql"].as_str().unwrap(), "--format", "json"]).exits(0).json();
    assert_eq!(rows.as_array().unwrap().len(), 1, "{check:#}");
}

#[test]
fn what_is_no_single_aggregate_is_not_reconciled() {
    let asset = |checks: &str| format!("source: {{ plugin: files, path: in.csv }}\n{checks}");
    let project = Project::new().write("in.csv", "id,v\n1,1\n2,2\n").write("assets/raw/a.yaml", &asset(""));
    project.phlo(&["run"]).exits(0);
    for aggregate in ["sum(v), count(*)", "v", "distinct 1"] {
        for check in [
            format!("reconcile_aggregates: {{ with: raw.a, aggregate: \"{aggregate}\" }}"),
            format!("reconcile_multi: {{ with: raw.a, aggregates: {{ x: \"{aggregate}\" }} }}"),
        ] {
            project.put("assets/raw/b.yaml", &asset(&format!("checks: [{{ {check} }}]\n")));
            let said = project.phlo(&["check"]).exits(2);
            assert!(said.stderr.contains("does not plan"), "{check}: {}", said.all());
        }
    }
}

#[test]
fn a_table_may_refer_to_itself() {
    let project = Project::new().write("in.csv", "id,boss\n1,\n2,1\n3,2\n4,9\n").write(
        "assets/raw/a.yaml",
        "source: { plugin: files, path: in.csv }\nchecks: [{ foreign_key: { columns: [boss], references: raw.a, to: [id], severity: warn } }]\n",
    );
    project.phlo(&["check"]).exits(0);
    let ran = project.phlo(&["run", "--json"]).exits(0).json();
    let check = &ran["assets"][0]["checks"][0];
    assert_eq!((&check["violations"], &check["sample"][0]["id"]), (&json!(1), &json!(4)), "{check:#}");
}

#[test]
fn what_a_function_judges_can_be_asked_in_sql_of_what_was_rejected_and_of_the_table() {
    let checks = "checks: [{ format: { column: iban, format: iban, where: id > 1, name: \"bank's\" } }]\n";
    let project = Project::new()
        .write("in.csv", "id,iban\n1,nope\n2,DE89370400440532013000\n3,DE89370400440532013001\n4,\n")
        .write("assets/raw/a.yaml", &format!("source: {{ plugin: files, path: in.csv }}\n{checks}"));
    project.phlo(&["run"]).exits(3);
    let sql = |args: &[&str]| {
        let shown = project.phlo(args).json();
        let check = shown["checks"].get(0).or_else(|| shown["assets"][0]["checks"].get(0)).cloned();
        check.and_then(|check| check["sql"].as_str().map(str::to_owned)).unwrap_or_else(|| panic!("{shown}"))
    };
    let found = |sql: &str| project.phlo(&["sql", sql, "--format", "json"]).exits(0).json();
    assert_eq!(found(&sql(&["quality", "show", "raw.a", "--json"]))[0]["id"], 3);
    project.put("assets/raw/a.yaml", "source: { plugin: files, path: in.csv }\n");
    project.phlo(&["run"]).exits(0);
    project.put("assets/raw/a.yaml", &format!("source: {{ plugin: files, path: in.csv }}\n{checks}"));
    let of_table = sql(&["quality", "run", "raw.a", "--json"]);
    assert!(of_table.contains("FROM raw.a WHERE"), "{of_table}");
    assert_eq!(found(&of_table).as_array().unwrap().len(), 1);
    let said = project.phlo(&["sql", "select phlo_holds('raw.a', 'bank', named_struct('iban', 'x'))"]).exits(2);
    assert!(said.stderr.contains("did you mean `bank's`?"), "{}", said.all());
}

#[test]
fn what_functions_and_sql_judge_together_can_be_asked_in_sql_too() {
    let asset = "source: { plugin: files, path: in.csv }\nchecks: [{ any_of: { checks: [{ format: { column: iban, format: iban } }, 'id = 1', { json: note }], where: id < 5, severity: warn } }]\n";
    let project = Project::new()
        .write(
            "in.csv",
            "id,iban,note\n1,nope,x\n2,DE89370400440532013000,x\n3,DE89370400440532013001,x\n4,,x\n4,no,{}\n5,no,x\n",
        )
        .write("assets/raw/a.yaml", asset);
    project.phlo(&["check"]).exits(0);
    let run = project.phlo(&["run", "--json"]).exits(0).json();
    let check = &run["assets"][0]["checks"][0];
    assert_eq!((&check["violations"], &check["total"], &check["sample"][0]["id"]), (&json!(1), &json!(5), &json!(3)));
    let audited = project.phlo(&["quality", "run", "raw.a", "--json"]).exits(0).json();
    let sql = audited["assets"][0]["checks"][0]["sql"].as_str().unwrap();
    assert!(sql.contains("FROM raw.a WHERE") && sql.contains("'_phlo_given_0', (id = 1)"), "{sql}");
    let found = project.phlo(&["sql", sql, "--format", "json"]).exits(0).json();
    assert_eq!((found.as_array().unwrap().len(), &found[0]["id"]), (1, &json!(3)), "{found}");
}

#[test]
fn an_audit_on_demand_is_a_run_whose_results_are_kept() {
    let project = shop(BAD);
    project.put("assets/raw/orders.yaml", &format!("{ORDERS}checks: [{{ not_null: [id] }}]\n"));
    project.phlo(&["run"]).exits(0);
    project.put(
        "assets/raw/orders.yaml",
        &format!("{ORDERS}checks: [{{ not_null: [id] }}, {{ range: {{ column: price, min: 0 }} }}]\n"),
    );
    let audited = project.phlo(&["quality", "run", "raw.orders", "--json"]).exits(3).json();
    let run = audited["run_id"].as_str().unwrap();
    let shown = project.phlo(&["quality", "show", "raw.orders", "--json"]).exits(0).json();
    assert_eq!((&shown["run_id"], &shown["checks"][1]["violations"]), (&json!(run), &json!(1)));
    let history = project.phlo(&["quality", "history", "raw.orders", "--json"]).exits(0).json();
    assert_eq!(history["checks"][0]["results"].as_array().unwrap().len(), 2, "{history}");
    let runs = project.phlo(&["runs", "--json"]).exits(0).json();
    assert_eq!(
        (&runs["runs"][0]["id"], &runs["runs"][0]["status"], &runs["runs"][0]["selection"]),
        (&json!(run), &json!("blocked"), &json!("quality of raw.orders"))
    );
    // What the table holds is as it was, and so is what the last run did to it.
    let status = project.phlo(&["status", "--json"]).exits(0).json();
    assert_eq!(status["assets"][0]["last"]["result"]["status"], "success", "{status}");
}

#[test]
fn a_history_tells_each_run_and_the_last_that_passed() {
    let project = Project::new().write("in/x.csv", "id,v\n1,1\n2,2\n").write(
        "assets/raw/x.yaml",
        "source: { plugin: files, path: in/x.csv }\nwrite: { strategy: overwrite }\nchecks:\n  - range: { column: v, max: 5 }\n  - not_null: [id]\n",
    );
    assert!(project.phlo(&["quality", "history", "raw.x"]).exits(0).stdout.contains("no check of raw.x has run yet"));
    let first = project.phlo(&["run", "--json"]).exits(0).json();
    let second = project.phlo(&["run", "--full-refresh", "--json"]).exits(0).json();
    assert_ne!(first["id"], second["id"]);
    project.put("in/x.csv", "id,v\n1,1\n2,9\n3,3\n4,4\n");
    // A new name and description are no new check.
    let asset = std::fs::read_to_string(project.path().join("assets/raw/x.yaml")).unwrap();
    project.put("assets/raw/x.yaml", &asset.replace("max: 5", "max: 5, name: small, description: Few"));
    project.phlo(&["run"]).exits(3);

    let told = project.phlo(&["quality", "history", "raw.x", "--json"]).exits(0).json();
    let small = told["checks"].as_array().unwrap().iter().find(|check| check["name"] == "small").unwrap().clone();
    let runs = small["results"].as_array().unwrap();
    let told_of: Vec<_> =
        runs.iter().map(|r| (r["outcome"].as_str().unwrap(), r["violation_rate"].as_f64().unwrap())).collect();
    assert_eq!(told_of, [("failed", 0.25), ("passed", 0.0), ("passed", 0.0)]);
    assert_eq!(runs[1]["name"], "range(v, ..5)");
    assert_eq!(
        (&small["runs"], &small["passed"], &small["last_passed"]["run_id"]),
        (&json!(3), &json!(2), &second["id"])
    );
    let text = project.phlo(&["quality", "history", "raw.x"]).exits(0).stdout;
    assert!(text.contains("▁▁█"), "{text}");
    let one = project.phlo(&["quality", "history", "raw.x", "range(v, ..5)", "--limit", "1"]).exits(0).stdout;
    assert!(one.starts_with("small  range  █\n"), "{one}");
    assert!(one.contains("… and 2 results before") && one.contains("25 %"), "{one}");
    assert!(project.phlo(&["quality", "history", "raw.x", "smal"]).exits(2).stderr.contains("small"));

    let last = format!("last passed: in run {}, just now", second["id"].as_str().unwrap());
    let shown = project.phlo(&["quality", "show", "raw.x"]).exits(0).stdout;
    assert!(shown.contains(&last), "{shown}");
    let shown = project.phlo(&["quality", "show", "raw.x", "--json"]).exits(0).json();
    let check = shown["checks"].as_array().unwrap().iter().find(|check| check["name"] == "small").unwrap();
    assert_eq!(check["last_passed"]["run_id"], second["id"]);
}

/// Enough rows for a profile to be sure of: each column has something of its own.
fn people() -> String {
    let mut csv = String::from("id,code,kind,status,score,at,flag,maybe,constant,lat,lon,said,state,group_id\n");
    for i in 0..600 {
        let kind = ["a b", "no", "x: y", "it's \"q\""][i % 4].replace('"', "\"\"");
        let maybe = if i % 3 == 0 { String::new() } else { (i % 7).to_string() };
        let place = if i % 40 == 0 { ",".to_owned() } else { format!("{}.5,{}.25", i % 90, i % 180) };
        let said = "word ".repeat(i % 9 + 1) + &i.to_string();
        let state = if i % 20 == 7 { format!("opne {i}") } else { ["open", "closed"][i % 2].to_owned() };
        csv.push_str(&format!(
            "{},K{:03}{}{},\"{kind}\",{},{:.2},2013-{:02}-{:02},{},{maybe},7,{place},{said},{state},{}\n",
            i + 1,
            (i * 37) % 1000,
            char::from(b'A' + (i % 26) as u8),
            char::from(b'A' + (i / 26 % 26) as u8),
            [200, 404, 500][i % 3],
            (i as f64).mul_add(0.37, -11.13),
            i % 12 + 1,
            i % 28 + 1,
            i % 2 == 0,
            i * 7 % 350,
        ));
    }
    csv
}

#[test]
fn a_profile_agrees_with_sql_and_what_it_suggests_passes() {
    let project = Project::new().write("in/people.csv", &people()).write(
        "assets/raw/people.yaml",
        "source: { plugin: files, path: in/people.csv }\nwrite: { strategy: overwrite }\n",
    );
    project.phlo(&["run"]).exits(0);
    let profile = project.phlo(&["quality", "profile", "raw.people", "--json"]).exits(0).json();
    assert_eq!(profile["rows"], 600);
    let column = |name: &str| {
        profile["columns"].as_array().unwrap().iter().find(|column| column["name"] == name).unwrap().clone()
    };
    for name in ["id", "code", "kind", "status", "score", "at", "flag", "maybe"] {
        let sql = format!("SELECT count(*) - count({name}) AS nulls, count(DISTINCT {name}) AS d FROM raw.people");
        let counts = &project.sql(&sql)[0];
        let told = column(name);
        assert_eq!(
            (&told["nulls"], &told["distinct"], &told["distinct_is_exact"]),
            (&counts["nulls"], &counts["d"], &json!(true)),
            "{name}"
        );
    }
    for name in ["id", "score", "maybe"] {
        let sql = format!(
            "SELECT min({name}) AS min, max({name}) AS max, avg({name}) AS mean, stddev({name}) AS stdev FROM raw.people"
        );
        let (sql, told) = (&project.sql(&sql)[0], column(name));
        for (ours, theirs) in [
            (&told["min"], "min"),
            (&told["max"], "max"),
            (&told["numbers"]["mean"], "mean"),
            (&told["numbers"]["stdev"], "stdev"),
        ] {
            let off = (ours.as_f64().unwrap() - sql[theirs].as_f64().unwrap()).abs();
            assert!(off < 1e-9, "{name}: {theirs} is {ours}, not {}", sql[theirs]);
        }
    }
    assert_eq!(column("flag")["booleans"], json!({ "true": 300, "false": 300 }));
    assert_eq!(column("id")["quantiles"][2], json!({ "part": 0.5, "value": 300 }));
    assert_eq!(column("status")["common"][0], json!({ "value": 200, "count": 200 }));
    assert_eq!(column("code")["texts"]["pattern"], "K[0-9]{3}[A-Z]{2}");
    let text = project.phlo(&["quality", "profile", "raw.people"]).exits(0).stdout;
    for wanted in ["raw.people  v0", "600 rows", "most common values", "200: 200 (33 %)"] {
        assert!(text.contains(wanted), "{wanted} is not in {text}");
    }

    let yaml = project.phlo(&["quality", "profile", "raw.people", "--suggest"]).exits(0).stdout;
    for wanted in [
        "  - not_null: [id, code, kind, status, score, at, flag, constant, said, state, group_id]\n",
        "  - not_null: { columns: [lat], tolerance: 0.03 }\n",
        "  - nulls_together: [lat, lon]\n",
        "  - length: { column: said, min: 1, max: 50 }\n",
        "  - unique: [id]\n",
        "  - unique: [code]\n",
        "  - accepted_values: { column: kind, values: [\"a b\", \"it's \\\"q\\\"\", \"no\", \"x: y\"] }\n",
        "  - accepted_values: { column: status, values: [200, 404, 500] }\n",
        "  - range: { column: score, min: -20.0, max: 220.0 }\n",
        "  - range: { column: at, min: '2013-01-01' }\n",
        "  - range: { column: maybe, min: 0, max: 6 }\n",
        "  - pattern: { column: code, pattern: 'K[0-9]{3}[A-Z]{2}' }\n",
        "  - accepted_values: { column: state, values: [closed, open], tolerance: 0.05 }\n",
        // Half of a standard deviation of 64.1 from the mean of 99.7.
        "  - aggregate: { function: mean, column: score, min: 67.0, max: 132.0 }\n",
        "  - aggregate: { function: mean, column: lat, min: ",
        "  - histogram: { column: flag, bins: [{ value: \"false\", min: 0.25, max: 0.75 }] }\n",
        "  - histogram: { column: status, bins: [{ value: \"200\", min: 0.16, max: 0.5 }, { value: \"404\", min: 0.16, max: 0.5 }, { value: \"500\", min: 0.16, max: 0.5 }] }\n",
        "  - row_count: { min: 500 }\n",
    ] {
        assert!(yaml.contains(wanted), "{wanted} is not in {yaml}");
    }
    let means = ["id", "status", "maybe", "constant", "group_id"].map(|name| format!("mean, column: {name},"));
    let absent = ["values: [false", "column: constant", "[score]", "histogram: { column: state"];
    for absent in absent.into_iter().chain(means.iter().map(String::as_str)) {
        assert!(!yaml.contains(absent), "{absent} is in {yaml}");
    }
    let asset = std::fs::read_to_string(project.path().join("assets/raw/people.yaml")).unwrap();
    project.put("assets/raw/people.yaml", &format!("{asset}{yaml}"));
    project.phlo(&["check"]).exits(0);
    project.phlo(&["quality", "run", "raw.people"]).exits(0);
    project.phlo(&["run", "--full-refresh"]).exits(0);
    // Nothing is suggested twice.
    let again = project.phlo(&["quality", "profile", "raw.people", "--suggest"]).exits(0);
    assert_eq!(again.stdout, "", "{}", again.stderr);
    let again = project.phlo(&["quality", "profile", "raw.people", "--suggest", "--json"]).exits(0).json();
    assert_eq!((&again["checks"], &again["yaml"]), (&json!([]), &json!("")));
    assert!(project.phlo(&["quality", "profile", "raw.peopel"]).exits(2).stderr.contains("raw.people"));
}

/// Measures of every type, some of them lopsided, and shares of values that are seldom; what is suggested of a table of few rows says nothing
/// of means.
#[test]
fn what_is_suggested_of_means_and_shares_has_room_and_passes() {
    let numbers: Vec<_> = (1..=300).map(|n| format!("({n})")).collect();
    let sql = "SELECT value AS n, arrow_cast(value % 200, 'UInt8') AS u, arrow_cast(value * 0.1, 'Float32') AS g,\n\
         CAST(value AS DECIMAL(12, 2)) / 8 AS price, CAST(value AS DECIMAL(38, 10)) * 1000000000000 AS big,\n\
         CASE WHEN value = 7 THEN 1000000.0 ELSE value % 3 + 0.5 END AS lopsided, power(10.0, value) AS huge,\n\
         CASE WHEN value = 9 THEN CAST('NaN' AS DOUBLE) ELSE value * 0.5 END AS odd,\n\
         value % 50 = 0 AS seldom, arrow_cast(CASE WHEN value % 4 = 0 THEN 'it''s' WHEN value % 9 = 0 THEN NULL ELSE 'no' END, 'Dictionary(Int32, Utf8)') AS word\n\
         FROM (VALUES ".to_owned() + &numbers.join(", ") + ") AS t(value)";
    let asset = |yaml: &str| format!("/* phlo\ndescription: measures\n{yaml}*/\n{sql}\n");
    let project = Project::new()
        .write("assets/raw/m.sql", &asset(""))
        .write("assets/raw/few.sql", "SELECT * FROM raw.m WHERE n < 100\n");
    project.phlo(&["run"]).exits(0);
    let yaml = project.phlo(&["quality", "profile", "raw.m", "--suggest"]).exits(0).stdout;
    for wanted in [
        // Whole numbers, floats and decimals.
        "mean, column: u, min: ",
        "mean, column: g, min: 10.7, max: 19.4 }",
        "mean, column: price, min: 13.0, max: 25.0 }",
        "mean, column: big, min: ",
        // What lies below the least value need not be said.
        "mean, column: lopsided, max: ",
        "  - histogram: { column: seldom, bins: [{ value: \"false\", min: 0.97, max: 0.99 }] }\n",
        "  - histogram: { column: word, bins: [{ value: \"no\", ",
    ] {
        assert!(yaml.contains(wanted), "{wanted} is not in {yaml}");
    }
    for absent in ["mean, column: n,", "mean, column: odd,"] {
        assert!(!yaml.contains(absent), "{absent} is in {yaml}");
    }
    project.put("assets/raw/m.sql", &asset(&yaml));
    project.phlo(&["check"]).exits(0);
    project.phlo(&["quality", "run", "raw.m"]).exits(0);
    let few = project.phlo(&["quality", "profile", "raw.few", "--suggest"]).exits(0).stdout;
    assert!(few.contains("range: ") && !few.contains("mean") && !few.contains("histogram"), "{few}");
}

#[test]
fn a_decimals_mean_is_exact_to_four_places_more() {
    let project = Project::new().write(
        "assets/raw/d.sql",
        "SELECT CAST(a AS DECIMAL(38, 2)) AS a, CAST(b AS DECIMAL(12, 3)) AS b, CAST(NULL AS DECIMAL(5, 1)) AS c, n FROM (VALUES\n\
          ('12345678901234567890123456.78', '0.001', 9007199254740993), ('-12345678901234567890123456.77', '0.001', 9007199254740993),\n\
          (NULL, '-0.004', 9007199254740994)) AS t(a, b, n)\n",
    );
    project.phlo(&["run"]).exits(0);
    let told = project.phlo(&["quality", "profile", "raw.d", "--json"]).exits(0).json();
    let means: Vec<_> = told["columns"].as_array().unwrap().iter().map(|c| &c["numbers"]["mean"]).collect();
    assert_eq!(means, [&json!("0.005000"), &json!("-0.0006667"), &Value::Null, &json!(9_007_199_254_740_994.0_f64)]);
    let text = project.phlo(&["quality", "profile", "raw.d"]).exits(0).stdout;
    assert!(text.contains("-0.0006667") && text.contains("0.005"), "{text}");
}

#[test]
fn a_profile_holds_for_every_type_and_for_no_rows() {
    let project = Project::new().write("assets/raw/t.sql", "/* phlo\ndescription: types\n*/\n\
        SELECT * FROM (VALUES\n\
          (1, CAST(1.50 AS DECIMAL(10, 2)), CAST('NaN' AS DOUBLE), CAST('2020-02-29' AS DATE), arrow_cast('x', 'Dictionary(Int32, Utf8)'), make_array(1, 2), arrow_cast('ab', 'LargeUtf8')),\n\
          (-2, CAST(-0.05 AS DECIMAL(10, 2)), CAST('inf' AS DOUBLE), NULL, NULL, make_array(1, 2), NULL),\n\
          (NULL, NULL, -0.0, CAST('1969-12-31' AS DATE), arrow_cast('', 'Dictionary(Int32, Utf8)'), NULL, 'ü')\n\
        ) AS t(i, d, f, day, dict, list, large)\n")
        .write("assets/raw/none.sql", "SELECT * FROM raw.t WHERE i > 100\n");
    project.phlo(&["run"]).exits(0);
    let told = project.phlo(&["quality", "profile", "raw.t", "--json"]).exits(0).json();
    let facts: Vec<_> = told["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| json!([c["name"], c["nulls"], c["distinct"], c["min"], c["max"]]))
        .collect();
    assert_eq!(
        facts,
        [
            json!(["i", 1, 2, -2, 1]),
            json!(["d", 1, 2, "-0.05", "1.50"]),
            json!(["f", 0, 3, 0.0, "inf"]),
            json!(["day", 1, 2, "1969-12-31", "2020-02-29"]),
            json!(["dict", 1, 2, "", "x"]),
            json!(["list", 1, 1, null, null]),
            json!(["large", 1, 2, "ab", "ü"]),
        ]
    );
    let f = &told["columns"][2]["numbers"];
    assert_eq!((&f["nans"], &f["infinite"], &f["zeros"], &f["mean"]), (&json!(1), &json!(1), &json!(1), &json!(0.0)));
    assert_eq!(told["columns"][1]["numbers"]["mean"], "0.725000");
    project.phlo(&["quality", "profile", "raw.t"]).exits(0);
    let suggested = project.phlo(&["quality", "profile", "raw.t", "--suggest"]).exits(0).stdout;
    assert!(suggested.contains("row_count: { min: 2 }"), "{suggested}");
    let none = project.phlo(&["quality", "profile", "raw.none", "--suggest"]).exits(0);
    assert!(none.stdout.is_empty() && none.stderr.contains("holds no rows"), "{}", none.all());
    assert!(project.phlo(&["quality", "profile", "raw.none"]).exits(0).stdout.contains("0 rows"));
}
