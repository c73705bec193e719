//! Every promise that a plugin makes, and every one that a source makes, tried on a table that gains rows.

use phlo_testkit::postgres::PostgresServer;
use phlo_testkit::source::{Case, suite};

phlo_testkit::conformance!(phlo_source_postgres);

#[tokio::test]
async fn the_source_keeps_the_promises_of_its_kind() {
    let Some(server) = PostgresServer::or_skip(&[]) else { return };
    server.sql(
        "CREATE TABLE t AS SELECT i AS id, 'n' || i AS name, i::numeric(9, 2) / 4 AS price, \
         timestamptz '2024-01-01Z' + i / 2 * interval '1 hour' AS at FROM generate_series(1, 9) i; \
         INSERT INTO t SELECT * FROM t WHERE id = 9",
    );
    let there = format!("host: {}\nport: {}\nuser: postgres", server.socket_dir().display(), server.port());
    for what in ["table: public.t", "query: SELECT * FROM t"] {
        suite(Case::new("postgres", &format!("{there}\n{what}"))).await;
        for incremental in ["{column: id}", "{column: at}", "{column: at, lag: 3h}", "{column: price, lag: 0}"] {
            server.sql("DELETE FROM t WHERE name = 'new'");
            let config = format!("{there}\n{what}\nincremental: {incremental}");
            let case = Case::new("postgres", &config)
                .grows(|| {
                    // The second shares its values with rows that were read.
                    server.sql(
                        "INSERT INTO t SELECT max(id) + 1, 'new', max(price) + 1, max(at) + interval '1 hour' FROM t; \
                         INSERT INTO t SELECT id, 'new', price, at FROM t WHERE id = 9 LIMIT 1",
                    );
                })
                .refuses(&format!("{there}\ntable: t\nquery: SELECT 1"), "query")
                .refuses("table: t\nhost: h\nuser: u\nsslmode: verify-ca", "sslmode")
                .refuses("table: t\nhost: h\nuser: u\nport: 70000", "port");
            suite(case).await;
        }
    }
}

/// Each option is in the README's tables.
#[test]
fn the_readme_names_every_option() {
    let schema = serde_json::to_value(schemars::schema_for!(phlo_source_postgres::PostgresConfig)).expect("it is JSON");
    let definitions = schema["$defs"].as_object().expect("it has definitions").values();
    let options =
        definitions.chain([&schema]).flat_map(|object| object["properties"].as_object().into_iter().flatten());
    let readme = include_str!("../README.md");
    let missing: Vec<_> = options.map(|(name, _)| name).filter(|name| !readme.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
