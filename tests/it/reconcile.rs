//! Checks whose other side is another system: a real PostgreSQL through a connection, and files.

use serde_json::Value;

use phlo_testkit::postgres::PostgresServer;

use crate::fixture::Project;

const ORDERS: &str = r#"source: { plugin: files, path: "orders.csv" }
columns: { id: int64, amount: "decimal(10, 2)", at: timestamptz, note: string }
write: { strategy: overwrite }
checks:
"#;

/// `id,amount,at,note` of some orders; one differs if it is asked for.
fn orders(ids: impl Iterator<Item = u32>, odd: Option<u32>) -> String {
    let row = |id: u32| {
        let cents = if Some(id) == odd { 99 } else { id % 100 };
        let note = if id.is_multiple_of(7) { String::new() } else { format!("é{id}") };
        format!("{id},{id}.{cents:02},2026-01-{:02}T10:00:00Z,{note}\n", id % 28 + 1)
    };
    format!("id,amount,at,note\n{}", ids.map(row).collect::<String>())
}

/// The results of a project's only asset, by name.
fn results(project: &Project, code: i32, variables: &[(&str, &str)]) -> Vec<Value> {
    let record = project.phlo_with(variables, &["run", "--json"]).exits(code).json();
    record["assets"][0]["checks"].as_array().unwrap_or_else(|| panic!("{record}")).clone()
}

fn outcomes(results: &[Value]) -> Vec<String> {
    let one = |r: &Value| {
        let text = |key: &str| r[key].as_str().unwrap_or_default().to_owned();
        format!(
            "{} {} {}/{} {}{}",
            text("kind"),
            text("outcome"),
            r["violations"],
            r["total"],
            text("observed"),
            text("error")
        )
    };
    results.iter().map(one).collect()
}

#[test]
fn a_table_is_reconciled_with_a_database_and_no_secret_is_told() {
    let Some(server) = PostgresServer::or_skip(&[]) else { return };
    server.sql(
        "create table orders (order_id int primary key, amount numeric(12, 4), at timestamp, note text);
         insert into orders select i, i + (i % 100) / 100.0, timestamp '2026-01-01 10:00' + (i % 28) * interval '1 day',
           case when i % 7 = 0 then null else 'é' || i end from generate_series(1, 500) i",
    );
    let with = "with: { connection: shop, table: public.orders }, other_names: { id: order_id }";
    let checks = format!(
        "  - reconcile_counts: {{ with: {{ connection: shop, table: orders }} }}
  - reconcile_aggregates: {{ with: {{ connection: shop, query: \"select * from orders\" }}, aggregate: {{ sum: amount }} }}
  - reconcile_keys: {{ {with}, key: [id] }}
  - reconcile_checksum: {{ {with}, key: [id] }}
  - reconcile_diff: {{ {with}, key: id, ranges: 10 }}
"
    );
    let project = Project::new()
        .write("phlo.yaml", "name: t\nconnections:\n  shop: { source: postgres, url: \"${SHOP}\" }\n")
        .write("assets/raw/orders.yaml", &format!("{ORDERS}{checks}"))
        .write("orders.csv", &orders(1..=500, None));
    let url = server.url();
    let shop = [("SHOP", url.as_str())];
    let said = project.phlo_with(&shop, &["check"]).exits(0);
    assert!(!said.all().contains("no asset uses"), "{}", said.all());
    let scans =
        || server.sql("select seq_scan from pg_stat_user_tables where relname = 'orders'").trim().parse::<u32>();
    let before = scans().unwrap();
    let found = outcomes(&results(&project, 0, &shop));
    assert_eq!(found.len(), 5, "{found:#?}");
    assert!(found.iter().all(|one| one.contains(" passed 0/")), "{found:#?}");
    // What several queries or checks read is read once: three ways to say it, three times.
    assert_eq!(scans().unwrap() - before, 3);

    // One row changed, one is missing here, two are missing there.
    let changed = orders((1..=502).filter(|id| *id != 17), Some(300));
    project.put("orders.csv", &changed);
    let broken = results(&project, 3, &shop);
    let found = outcomes(&broken);
    assert_eq!(found[0], "reconcile_counts failed 1/500 501 rows here, 500 there");
    assert!(found[1].starts_with("reconcile_aggregates failed 1/1 sum(amount) "), "{found:#?}");
    assert_eq!(found[2], "reconcile_keys failed 3/502 502 keys: 1 missing here, 2 missing there");
    assert_eq!(
        found[3],
        "reconcile_checksum failed 4/502 4 of 502 keys differ: 1 missing here, 2 missing there, 1 changed"
    );
    assert!(
        found[4].starts_with("reconcile_diff failed 3/10 3 of 10 ranges differ, first 1 to 51: 50 rows here, 51 there"),
        "{found:#?}"
    );
    // Each sort of missing key by turns, and both sides of a row that changed.
    let sample = |at: usize| broken[at]["sample"].as_array().unwrap().iter().map(Value::to_string).collect::<Vec<_>>();
    assert_eq!(
        sample(2),
        [
            r#"{"id":17,"_phlo_missing":"here"}"#,
            r#"{"id":501,"_phlo_missing":"there"}"#,
            r#"{"id":502,"_phlo_missing":"there"}"#
        ]
    );
    assert_eq!(sample(3).iter().filter(|row| row.contains("\"id\":300")).count(), 2, "{:#?}", sample(3));
    assert!(sample(4).iter().all(|row| row.contains("\"id\":17")), "{:#?}", sample(4));

    // What it told can be asked again, of the table as it was when the run was blocked.
    for (at, rows) in [(2, 3), (3, 4), (4, 1)] {
        let sql = broken[at]["sql"].as_str().unwrap();
        let said = project.phlo_with(&shop, &["sql", sql, "--format", "json"]).exits(0).json();
        assert!(said.as_array().unwrap().len() >= rows, "{sql}\n{said}");
    }

    // Neither a server that is not there nor one that lets nobody in is told with the password, and neither is a pass.
    for bad in [url.replace("phlo-test-secret", "wrong-Passw0rd"), url.replace(&server.port().to_string(), "1")] {
        let said = project.phlo_with(&[("SHOP", bad.as_str())], &["run"]);
        assert!(
            !said.all().contains("wrong-Passw0rd") && !said.all().contains(PostgresServer::PASSWORD),
            "{}",
            said.all()
        );
        assert_ne!(said.code, 0, "{}", said.all());
    }
    assert_eq!(project.one("select count(*) from raw.orders"), 500);
    // What can be known offline is.
    drop(server);
    project.phlo_with(&shop, &["check"]).exits(0);
}

#[test]
fn a_table_is_reconciled_with_files_of_another_sort() {
    let with = "with: { plugin: files, path: \"control/*.csv\" }";
    let checks = format!(
        "  - reconcile_counts: {{ {with}, factor: 2 }}
  - reconcile_checksum: {{ {with}, columns: [amount, note], key: [id], where: \"id <= 10\" }}
  - reconcile_multi: {{ {with}, aggregates: {{ last: {{ max: at }}, rows: \"count(*)\" }}, where: \"id <= 10\" }}
"
    );
    let project = Project::new()
        .write("assets/raw/orders.yaml", &format!("{ORDERS}{checks}"))
        .write("orders.csv", &orders(1..=20, None))
        .write("control/1.csv", &orders(1..=5, None))
        .write("control/2.csv", &orders(6..=10, None));
    project.phlo(&["check"]).exits(0);
    let found = outcomes(&results(&project, 0, &[]));
    assert_eq!(found.len(), 3, "{found:#?}");
    assert!(found.iter().all(|one| one.contains(" passed 0/")), "{found:#?}");
    // It is read anew: what is compared is what is there now.
    project.put("control/2.csv", &orders(6..=10, Some(8)));
    let said = project.phlo(&["quality", "run", "raw.orders", "--json"]).exits(3).all();
    assert!(said.contains("1 of 10 keys differ: 0 missing here, 0 missing there, 1 changed"), "{said}");
}

#[test]
fn a_key_is_one_of_a_table_of_another_system() {
    let references = "references: { connection: keys, path: \"keys/*.csv\" }";
    let checks = format!(
        "  - foreign_key: {{ columns: [id], {references}, to: [order_id] }}
  - foreign_key: {{ columns: [id, note], {references}, to: [order_id, said], tolerance: 0.2 }}
  - reconcile_counts: {{ with: {{ connection: keys, path: \"keys/*.csv\" }} }}
"
    );
    let keys = |ids: &[u32]| {
        let rows: String = ids.iter().map(|id| format!("{id},é{id}\n")).collect();
        format!("order_id,said\n{rows}")
    };
    let project = Project::new()
        .write("phlo.yaml", "name: t\nconnections:\n  keys: { source: files, format: csv }\n")
        .write("assets/raw/orders.yaml", &format!("{ORDERS}{checks}"))
        .write("orders.csv", &orders(1..=4, None))
        .write("keys/1.csv", &keys(&[1, 2]))
        .write("keys/2.csv", &keys(&[3, 4]));
    let said = project.phlo(&["check"]).exits(0);
    assert!(!said.all().contains("no asset uses"), "{}", said.all());
    let found = outcomes(&results(&project, 0, &[]));
    assert!(found.len() == 3 && found.iter().all(|one| one.contains(" passed 0/4")), "{found:#?}");

    project.put("orders.csv", &orders(1..=5, None));
    let broken = results(&project, 3, &[]);
    let found = outcomes(&broken);
    assert!(
        found[0].starts_with("foreign_key failed 1/5") && found[1].starts_with("foreign_key passed 1/5"),
        "{found:#?}"
    );
    assert_eq!(broken[0]["name"], "foreign_key(id in keys keys/*.csv: order_id)");
    assert_eq!(broken[0]["sample"][0]["id"], 5);
    let shown = project.phlo(&["sql", broken[0]["sql"].as_str().unwrap(), "--format", "json"]).exits(0).json();
    assert_eq!((shown.as_array().unwrap().len(), &shown[0]["id"]), (1, &serde_json::json!(5)), "{shown}");

    // Types without values in common are told before a row is read, where the columns are known offline.
    project.put(
        "assets/raw/orders.yaml",
        &format!("{ORDERS}  - foreign_key: {{ columns: [id], {references}, to: [said] }}\n"),
    );
    let said = project.phlo(&["check"]);
    assert!(said.all().contains("compares `id`, of type int64, with `said`"), "{}", said.all());
}

#[test]
fn what_is_wrong_with_the_other_side_is_told_offline_at_its_place() {
    for (with, place, want) in [
        ("{ connection: shpo, table: t }", "6:45", "did you mean `shop`?"),
        ("{ plugin: postgers, table: t }", "6:41", "did you mean `postgres`?"),
        ("{ plugin: files, path: a.csv, fromat: csv }", "6:61", "did you mean `format`?"),
        ("{ connection: shop, table: t, tabel: t }", "6:61", "unknown key `tabel`"),
        ("{ plugin: rest_api, connection: shop }", "6:", "disagrees with the connection"),
        ("{ path: a.csv }", "6:31", "a map with `connection` or `plugin`"),
        ("raw.nothing", "6:5", "`raw.nothing`"),
        ("{ plugin: files, path: a.csv, format: csv }, factor: 0", "6:", "`factor` is 0"),
    ] {
        let project = Project::new()
            .write(
                "phlo.yaml",
                "name: t\nconnections:\n  shop: { source: postgres, host: 127.0.0.1, user: a, password: hunter22 }\n",
            )
            .write(
                "assets/raw/orders.yaml",
                &format!("{ORDERS}  # the other side\n  - reconcile_counts: {{ with: {with} }}\n"),
            )
            .write("orders.csv", &orders(1..=3, None))
            .write("a.csv", "id\n1\n");
        let said = project.phlo(&["check"]);
        assert_ne!(said.code, 0, "{with}: {}", said.all());
        let all = said.all();
        assert!(all.contains(want) && all.contains(&format!("orders.yaml:{place}")), "{with}\n{all}");
        assert!(!all.contains("hunter22"), "{all}");
    }
}
