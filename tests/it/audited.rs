//! Nothing unaudited is visible, and no check is asked less than it was written for: what changed since the last commit is asked of every
//! row, what is published is what was looked at, and SQL that people write means what it says.

use serde_json::{Value, json};

use crate::fixture::Project;

const APPEND: &str = "source: { plugin: files, path: \"in/*.csv\" }\nwrite: { strategy: append }\n";

fn asset(project: &Project, checks: &str) {
    project.put("assets/b/t.yaml", &format!("{APPEND}checks:\n{checks}"));
}

fn with(rows: &str, checks: &str) -> Project {
    let project = Project::new().write("in/1.csv", rows);
    asset(&project, checks);
    project
}

/// The outcome of each check of a run, by name.
fn outcomes(project: &Project, code: i32) -> Vec<(String, String, u64)> {
    let run = project.phlo(&["run", "--json"]).exits(code).json();
    let checks = run["assets"][0]["checks"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    checks.iter().map(|c| (text(&c["name"]), text(&c["outcome"]), c["violations"].as_u64().unwrap_or(99))).collect()
}

#[test]
fn a_check_that_changed_is_asked_of_every_row_and_blocks_until_it_passes() {
    let small = |max: u32, more: &str| format!("  - range: {{ column: x, max: {max}, name: small{more} }}\n");
    let project = with("x\n50\n", &small(100, ""));
    assert_eq!(outcomes(&project, 0), [("small".to_owned(), "passed".to_owned(), 0)]);
    // The same name with another bound, limit or severity is another question: of the rows that are there, each time.
    for more in ["", ", tolerance: 0.1", ", where: \"x > 1\""] {
        asset(&project, &small(10, more));
        for _ in 0..2 {
            assert_eq!(outcomes(&project, 3), [("small".to_owned(), "failed".to_owned(), 1)], "{more}");
        }
    }
    asset(&project, &small(10, ", severity: warn"));
    assert_eq!(outcomes(&project, 0)[0].1, "failed");
    // With new rows, good ones, it is asked of the old ones too; so it is after a run that other rows blocked.
    asset(&project, &small(10, ""));
    project.put("in/2.csv", "x\n1\n");
    assert_eq!(outcomes(&project, 3), [("small".to_owned(), "failed".to_owned(), 1)]);
    std::fs::remove_file(project.path().join("in/2.csv")).unwrap();
    assert_eq!(outcomes(&project, 3)[0].1, "failed");
    assert_eq!(project.one("select count(*) from b.t"), 1);
    // What was asked once is asked of new rows alone from then on.
    asset(&project, &small(60, ""));
    project.put("in/2.csv", "x\n1\n2\n");
    let run = project.phlo(&["run", "--json"]).exits(0).json();
    assert_eq!(run["assets"][0]["checks"][0]["total"], 3, "{run}");
    project.put("in/3.csv", "x\n3\n");
    let run = project.phlo(&["run", "--json"]).exits(0).json();
    assert_eq!(run["assets"][0]["checks"][0]["total"], 1, "{run}");
    assert!(outcomes(&project, 0).is_empty());
}

#[test]
fn what_depends_on_a_table_that_breaks_a_new_check_waits() {
    let project = with("x\n50\n", "  - not_null: [x]\n").write("assets/g/d.sql", "select * from b.t");
    project.phlo(&["run"]).exits(0);
    asset(&project, "  - range: { column: x, max: 10 }\n");
    for _ in 0..2 {
        let run = project.phlo(&["run", "--json"]).exits(3).json();
        let statuses: Vec<_> =
            run["assets"].as_array().unwrap().iter().map(|a| a["status"].as_str().unwrap()).collect();
        assert_eq!(statuses, ["blocked", "skipped"], "{run}");
    }
}

#[test]
fn checks_that_look_at_other_tables_or_the_clock_are_asked_though_no_row_came() {
    let checks = "  - foreign_key: { columns: [x], references: b.k }
  - reconcile_counts: { with: { plugin: files, path: \"other/*.csv\" } }
  - sql: \"select * from this where now() < timestamp '2020-01-01'\"
  - not_null: [x]
  - chi_square: { column: x, expected: { \"1\": 1, \"2\": 1 } }
";
    // The last two look at nothing but the rows, which are those of before.
    let project = with("x\n1\n2\n", checks)
        .write("other/1.csv", "x\n1\n2\n")
        .write("k.csv", "x\n1\n2\n")
        .write("assets/b/k.yaml", "source: { plugin: files, path: k.csv }\nwrite: { strategy: overwrite }\n");
    project.phlo(&["run"]).exits(0);
    project.put("other/2.csv", "x\n3\n");
    project.put("k.csv", "x\n1\n");
    let run = project.phlo(&["run", "--json"]).exits(3).json();
    let assets = run["assets"].as_array().unwrap();
    let checks = assets.iter().find(|asset| asset["asset"] == "b.t").unwrap()["checks"].as_array().unwrap();
    let found: Vec<_> = checks.iter().map(|c| (c["kind"].as_str().unwrap(), c["outcome"].as_str().unwrap())).collect();
    assert_eq!(found, [("foreign_key", "failed"), ("reconcile_counts", "failed"), ("sql", "passed")], "{run}");
}

#[test]
fn what_is_published_is_what_was_audited() {
    // Random numbers are others each time they are asked for.
    let project = with("id\n1\n2\n3\n4\n5\n", "  - not_null: [id]\n").write(
        "assets/pub/o.yaml",
        "query: select id, random() as r from b.t\ntarget: { plugin: files, path: out/o.csv }\n\
         checks: [{ business_rule: \"r < 0.9\" }]\n",
    );
    project.phlo(&["run", "b.t"]).exits(0);
    // Five numbers are below 0.9 in three of five runs, about.
    let mut published = 0;
    for _ in 0..40 {
        let run = project.phlo(&["run", "--full-refresh", "pub.o"]);
        if run.code == 0 {
            published += 1;
            let text = std::fs::read_to_string(project.path().join("out/o.csv")).unwrap();
            let beyond =
                text.lines().skip(1).filter(|line| line.split(',').nth(1).unwrap().parse::<f64>().unwrap() >= 0.9);
            assert_eq!(beyond.count(), 0, "{text}");
        }
        if published == 3 {
            break;
        }
    }
    assert_eq!(published, 3);
    // A timestamp is what the target is given: in microseconds these are one.
    let at = "query: select arrow_cast(id, 'Timestamp(Nanosecond, None)') as at from b.t\ntarget: { plugin: files, path: out/o.csv }\n";
    project.put("assets/pub/o.yaml", &format!("{at}checks: [{{ unique: [at] }}]\n"));
    project.phlo(&["run", "pub.o"]).exits(3);
}

#[test]
fn aggregates_do_not_grow_over_what_they_were_not_computed_of() {
    // Another type of the column.
    let typed = |of: &str, max: u32| {
        format!(
            "{APPEND}columns: {{ x: {of} }}\nchecks: [{{ metric: {{ expression: \"count(*) filter (where x / 2 > 0)\", max: {max} }} }}]\n"
        )
    };
    let project = Project::new().write("in/1.csv", "x\n1\n1\n").write("assets/b/t.yaml", &typed("int32", 2));
    project.phlo(&["run"]).exits(0);
    project.put("assets/b/t.yaml", &typed("float64", 2));
    project.put("in/2.csv", "x\n1.5\n");
    project.phlo(&["run"]).exits(3);
    // Another aggregate that reads the same.
    let checks = "  - metric: { expression: 'sum(\"Total - Tax\")', equal: 5, name: column }
  - metric: { expression: 'sum(\"Total\" - \"Tax\")', equal: 8, name: difference }
";
    let project = with("id,Total,Tax,Total - Tax\n1,10,2,5\n", checks);
    assert!(outcomes(&project, 0).iter().all(|(_, outcome, _)| outcome == "passed"));
    asset(&project, &checks.replace("equal: 5", "equal: 6").replace("equal: 8", "equal: 16"));
    project.put("in/2.csv", "id,Total,Tax,Total - Tax\n2,10,2,1\n");
    let found = outcomes(&project, 0);
    assert!(found.iter().all(|(_, outcome, _)| outcome == "passed"), "{found:?}");
}

#[test]
fn what_people_write_is_never_rewritten() {
    let checks = "  - sql: { query: \"select * from this where note = '{table}' or note = '{rows}'\", name: braces }
  - accepted_values: { column: note, values: ['{table}', '{rows}', a], name: values }
  - range: { column: \"{rows}\", max: 4, name: column }
  - sql: { query: \"select t.id, o.id from this t join public.violations o on t.id = o.id where t.id > 1\", name: joined }
  - sql: { query: \"-- whose\\nwith this as (select 1 as one) select * from this where one > 1\", name: own }
  - business_rule: { rule: \"10 / zero > 1\", where: \"zero <> 0 -- none\", name: guarded }
  - metric: { expression: \"case when max(id) > 0 and now() > timestamp '2020-01-01' then count(*) end\", equal: 3, name: clock }
  - sql: { query: \"select * from this where id not in (select id from public.violations)\", name: none }
";
    let project = with("id,note,zero,{rows}\n1,{table},0,5\n2,a,3,1\n3,{rows},4,2\n", checks)
        .write("v.csv", "id\n1\n2\n3\n")
        .write("assets/public/violations.yaml", "source: { plugin: files, path: v.csv }\n");
    let run = project.phlo(&["run", "--json"]).exits(3).json();
    let assets = run["assets"].as_array().unwrap();
    let checks = assets.iter().find(|asset| asset["asset"] == "b.t").unwrap()["checks"].as_array().unwrap();
    let found: Vec<_> = checks
        .iter()
        .map(|c| (c["name"].as_str().unwrap(), c["outcome"].as_str().unwrap(), c["violations"].as_u64().unwrap()))
        .collect();
    assert_eq!(
        found,
        [
            ("braces", "failed", 2),
            ("values", "passed", 0),
            ("column", "failed", 1),
            ("joined", "failed", 2),
            ("own", "passed", 0),
            ("guarded", "passed", 0),
            ("clock", "passed", 0),
            ("none", "passed", 0),
        ],
        "{run:#}"
    );
    // Each tells of the rows that it found, and can be asked again.
    for (at, rows) in [(0, 2), (1, 0), (2, 1), (3, 2), (4, 0), (7, 0)] {
        let sql = checks[at]["sql"].as_str().unwrap();
        let said = project.phlo(&["sql", sql, "--format", "json"]).exits(0).json();
        assert_eq!(said.as_array().unwrap().len(), rows, "{sql}");
    }
}

#[test]
fn the_sql_of_a_blocked_merge_sees_the_table_as_it_would_have_been() {
    let project = Project::new().write("in/1.csv", "id,mail\n1,a\n2,b\n").write(
        "assets/b/t.yaml",
        "source: { plugin: files, path: \"in/*.csv\" }\nwrite: { strategy: merge, unique_key: [id] }\nchecks: [{ unique: [mail] }]\n",
    );
    project.phlo(&["run"]).exits(0);
    project.put("in/2.csv", "id,mail\n2,c\n3,a\n4,b\n");
    let run = project.phlo(&["run", "--json"]).exits(3).json();
    let check = &run["assets"][0]["checks"][0];
    let said = project.phlo(&["sql", check["sql"].as_str().unwrap(), "--format", "json"]).exits(0).json();
    // Whole rows: whoever mends them needs their keys.
    let mut ids: Vec<_> =
        said.as_array().unwrap().iter().map(|row| (&row["id"], &row["mail"], &row["_phlo_rows"])).collect();
    ids.sort_by_key(|(id, ..)| id.as_i64());
    assert_eq!(ids, [(&json!(1), &json!("a"), &json!(2)), (&json!(3), &json!("a"), &json!(2))]);
    let sample = check["sample"].as_array().unwrap();
    assert_eq!((&check["violations"], sample.len()), (&json!(1), 2));
    assert!(sample.iter().all(|row| row["mail"] == "a" && row["id"].is_i64()), "{sample:?}");
}

#[test]
fn a_check_that_would_write_or_aggregates_nothing_is_refused_before_a_row_is_read() {
    for (check, want) in [
        ("sql: \"copy this to 'leak.csv'\"", "a check only reads"),
        ("sql: \"create table x as select 1\"", "a check only reads"),
        ("sql: \"delete from this\"", "a check only reads"),
        ("metric: { query: \"copy this to 'leak.csv'\", max: 1 }", "a check only reads"),
        ("metric: { expression: id, max: 9 }", "is no aggregate"),
    ] {
        let project = with("id\n1\n2\n", &format!("  - {check}\n"));
        for args in [&["check"][..], &["run"]] {
            let said = project.phlo(args).exits(2).all();
            assert!(said.contains(want) && said.contains("assets/b/t.yaml:"), "{check}: {said}");
        }
        assert!(!project.path().join("leak.csv").exists(), "{check}");
    }
}

#[test]
fn what_a_check_makes_of_a_sensitive_value_is_not_shown() {
    let checks = "  - unique: { expressions: [\"lower(email)\"], severity: warn }
  - sql: { query: \"select upper(email) as shouted from this\", severity: warn }
  - most_common_in: { column: email, values: [x], severity: warn }
  - not_constant: { column: email, severity: warn }
  - consistent_casing: { column: email, severity: warn }
  - metric: { query: \"select max(EMAIL) from this\", max: 1, severity: warn }
  - metric: { expression: \"max(length(EMAIL))\", max: 1, severity: warn }
  - sql: { query: \"select p.* from this t join b.p p on t.id = p.id\", severity: warn }
";
    let project = with("id,email\n1,Secret@x.org\n2,secret@x.org\n", "  []\n");
    let text = format!("{APPEND}sensitive: [email]\nchecks:\n{checks}");
    project.put("assets/b/t.yaml", &text);
    project.put("p.csv", "id,phone\n1,555-01\n");
    project.put("assets/b/p.yaml", "source: { plugin: files, path: p.csv }\nsensitive: [phone]\n");
    let ran = project.phlo(&["run", "--json"]).all();
    let shown = ["json", "html", "junit", "table"].map(|format| {
        let of = project.phlo(&["quality", "show", "b.t", "--rows", "--format", format]).all();
        of + &project.phlo(&["quality", "run", "b.t", "--format", format]).all()
    });
    for said in shown.iter().chain([&ran, &project.phlo(&["logs", "--json"]).all()]) {
        let lower = said.to_lowercase();
        assert!(!lower.contains("secret@x.org") && !lower.contains("555-01"), "{said}");
    }
}

#[test]
fn a_sensitive_value_is_not_shown_under_the_name_of_another_column() {
    let checks = "  - sql: { query: \"select email as id from this\", severity: warn }
  - sql: { query: \"with x(id, contact) as (select id, email from this) select contact as id from x\", severity: warn }
  - sql: { query: \"select t.id, u.contact from this t join (select id, lower(mail) as contact from b.u) u on t.id = u.id\", severity: warn }
  - sql: { query: \"select id, email as contact from this union all select 1, contact from this\", severity: warn }
  - sql: { query: \"select (select max(email) from this) as id, contact from this\", severity: warn }
  - sql: { query: \"select o.contact from b.o o join this t on o.contact = t.email\", severity: warn }
  - sql: { query: \"select phone as _phlo_rows from this\", severity: warn }
  - metric: { query: \"with x(a, b) as (select id, email from this) select max(b) from x\", max: 1, severity: warn }
  - reconcile_keys: { with: b.u, key: [contact], other_names: { contact: mail }, severity: warn }
  - reconcile_checksum: { with: b.u, key: [id], columns: [contact], other_names: { contact: mail }, severity: warn }
  - sql: { name: shown, query: \"select t.id, contact from this t join b.u u on t.id = u.id where email is not null order by phone\", severity: warn }
";
    let project = Project::new().write(
        "in/1.csv",
        "id,email,contact,phone\n1,first@secret.org,door,555019901\n2,second@secret.org,window,555019902\n",
    );
    project.put("assets/b/t.yaml", &format!("{APPEND}sensitive: [email, phone]\nchecks:\n{checks}"));
    project.put("u.csv", "id,mail\n1,third@secret.org\n2,fourth@secret.org\n");
    project.put("assets/b/u.yaml", "source: { plugin: files, path: u.csv }\nsensitive: [mail]\n");
    // What its own file does not call sensitive: the check finds it by a column that is.
    project.put("o.csv", "contact\nfirst@secret.org\n");
    project.put("assets/b/o.yaml", "source: { plugin: files, path: o.csv }\n");
    let run = project.phlo(&["run", "--json"]).exits(0);
    let shown = ["json", "html", "junit", "table"].map(|format| {
        let of = project.phlo(&["quality", "show", "b.t", "--format", format]).all();
        of + &project.phlo(&["quality", "run", "b.t", "--format", format]).all()
    });
    let rows = project.phlo(&["quality", "show", "b.t", "--rows"]).exits(0).all();
    assert!(rows.contains("door") && rows.contains("***"), "{rows}");
    for said in shown.iter().chain([&run.all(), &rows, &project.phlo(&["logs", "--json"]).all()]) {
        let secret = said.lines().find(|line| line.contains("@secret.org") || line.contains("55501990"));
        assert!(secret.is_none(), "{secret:?}");
    }
    let run = run.json();
    let assets = run["assets"].as_array().unwrap();
    let checks = assets.iter().find(|asset| asset["asset"] == "b.t").unwrap()["checks"].as_array().unwrap();
    assert!(checks.iter().all(|check| check["outcome"] == "failed"), "{checks:#?}");
    let samples = checks[..checks.len()].iter().filter(|check| check["kind"] != "metric").map(|check| &check["sample"]);
    assert!(samples.clone().all(|sample| !sample.as_array().unwrap().is_empty()), "{checks:#?}");
    // What is made of no such value is shown, though the query looks at one.
    let plain = json!([{ "id": 1, "contact": "door" }, { "id": 2, "contact": "window" }]);
    assert_eq!(checks.last().unwrap()["sample"], plain);
    assert_eq!(checks[2]["sample"][0]["contact"], "***", "{checks:#?}");
    assert!(checks[2]["sample"][0]["id"].is_i64(), "{checks:#?}");
}

#[test]
fn the_sql_of_an_aggregate_that_names_the_table_can_be_run() {
    let checks =
        "  - metric: { expression: \"count(*) - (select count(*) from this where id > 2)\", equal: 9, name: subquery }
  - metric: { expression: \"sum(this.id)\", equal: 9, where: \"id > 1\", name: qualified }
  - metric: { expression: \"max(id)\", equal: 9, where: \"id < 3\", name: plain }
";
    let project = with("id\n1\n2\n3\n", "  []\n");
    project.phlo(&["run"]).exits(0);
    asset(&project, checks);
    let audited = project.phlo(&["quality", "run", "--json"]).exits(3).json();
    let found = audited["assets"][0]["checks"].as_array().unwrap().iter().map(|check| {
        let sql = check["sql"].as_str().unwrap();
        let said = project.phlo(&["sql", sql, "--format", "json"]).exits(0).json();
        let row = said[0].as_object().unwrap().values().next().unwrap().clone();
        (check["name"].as_str().unwrap().to_owned(), row)
    });
    let wanted = [("subquery", 2), ("qualified", 5), ("plain", 2)];
    assert_eq!(found.collect::<Vec<_>>(), wanted.map(|(name, value)| (name.to_owned(), json!(value))));
}

#[test]
fn decimals_are_compared_with_all_their_digits() {
    let typed = "columns: { m: \"decimal(20, 2)\", w: \"decimal(28, 2)\" }\n";
    let project = Project::new()
        .write("in/1.csv", "m,w\n12345678901234567.89,1\n12345678901234567.95,99999999999999999999999999.99\n");
    let put = |checks: &str| project.put("assets/b/t.yaml", &format!("{APPEND}{typed}checks:\n{checks}"));
    put("  - range: { column: m, max: '12345678901234567.89', severity: warn }
  - accepted_values: { column: m, values: ['12345678901234567.89', '12345678901234567.95'] }
  - range: { column: w, min: 0.001 }
");
    let found: Vec<_> =
        outcomes(&project, 0).into_iter().map(|(_, outcome, violations)| (outcome, violations)).collect();
    assert_eq!(found, [("failed".to_owned(), 1), ("passed".to_owned(), 0), ("passed".to_owned(), 0)]);
    put("  - range: { column: m, max: 12345678901234567.89 }\n");
    let said = project.phlo(&["check"]).exits(2);
    assert!(said.stderr.contains("in quotes"), "{}", said.all());
}

#[test]
fn a_value_that_moved_to_another_key_is_a_difference() {
    // One key is far from the others.
    let file = |rows: &str| format!("id,amount\n{rows}1000000,40\n");
    let project = Project::new()
        .write("a.csv", &file("1,10\n2,20\n3,30\n"))
        .write("b.csv", &file("1,20\n2,10\n3,30\n"))
        .write("assets/t/b.yaml", "source: { plugin: files, path: b.csv }\nwrite: { strategy: overwrite }\n")
        .write(
            "assets/t/a.yaml",
            "source: { plugin: files, path: a.csv }\nwrite: { strategy: overwrite }\nchecks: [{ reconcile_diff: { with: t.b, key: id, severity: warn } }]\n",
        );
    for (rows, outcome) in
        [("1,20\n2,10\n3,30\n", "failed"), ("1,10\n2,20\n4,30\n", "failed"), ("1,10\n2,20\n3,30\n", "passed")]
    {
        project.put("b.csv", &file(rows));
        let run = project.phlo(&["run", "--json"]).exits(0).json();
        let a = run["assets"].as_array().unwrap().iter().find(|asset| asset["asset"] == "t.a").unwrap();
        assert_eq!(a["checks"][0]["outcome"], outcome, "{rows} {run}");
    }
}

#[test]
fn a_reference_between_a_text_and_a_number_is_refused_before_a_row_is_read() {
    let project = with("x\n1\n2\n", "  - foreign_key: { columns: [x], references: b.k, to: [name] }\n")
        .write("k.csv", "name\n1\nb\n")
        .write("assets/b/k.yaml", "source: { plugin: files, path: k.csv }\nwrite: { strategy: overwrite }\n");
    let said = project.phlo(&["check"]).exits(2).all();
    assert!(said.contains("compares `x`, of type int64, with `name` of b.k, of type string"), "{said}");
    assert!(said.contains("assets/b/t.yaml:"), "{said}");
}
