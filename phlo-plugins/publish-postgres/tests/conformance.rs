//! Every promise that a plugin makes, whatever its kind, and those of a publish target, in a real PostgreSQL.
#![allow(clippy::unwrap_used)]
#![allow(clippy::disallowed_methods, reason = "tests ask whether they run in CI")]

mod server;

use std::sync::Arc;

use futures::StreamExt;
use futures::future::BoxFuture;
use phlo_plugin::publish::{PublishContext, PublishTarget, Published};
use phlo_plugin::{Error, Result};
use phlo_publish_postgres::{PostgresConfig, PostgresTarget};
use phlo_spec::Node;
use phlo_testkit::fixture::batch;
use phlo_testkit::publish::{Case, suite};
use server::Server;

phlo_testkit::conformance!(phlo_publish_postgres);

/// The rows as `phlo_testkit::fixture::rows` shows them.
const ROWS: &str = r#"
    select concat_ws('|', coalesce(id::text, '-'), coalesce(name, '-'), coalesce(price::text, '-'), coalesce(day::text, '-'),
        coalesce(to_char(at, 'YYYY-MM-DD"T"HH24:MI:SS') || case to_char(at, 'MS') when '000' then '' else to_char(at, '.MS') end, '-'),
        coalesce(to_char(seen at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS')
            || case to_char(seen, 'MS') when '000' then '' else to_char(seen, '.MS') end || 'Z', '-'),
        coalesce(ok::text, '-'), coalesce(ratio::text, '-'), coalesce(small::text, '-'))
    from "public"."x" order by id"#;

async fn keeps_its_promises(options: &str) {
    let Some(server) = Server::start() else { return };
    let server = Arc::new(server);
    let url = server.url.clone();
    let (reader, listing) = (server.clone(), server.clone());
    let read = move || -> BoxFuture<'static, _> {
        let server = reader.clone();
        Box::pin(async move {
            let there = server.rows("select 1 from pg_tables where tablename = 'x'").await;
            if there.is_empty() { None } else { Some(server.rows(ROWS).await) }
        })
    };
    let left = move || -> BoxFuture<'static, _> {
        let server = listing.clone();
        Box::pin(async move {
            server.rows("select nspname || relname from pg_class c join pg_namespace n on n.oid = relnamespace where relname like '%phlo%' or nspname = 'public' order by 1").await
        })
    };
    let case = Case::new("postgres", &format!("{{url: '{url}', table: x{options}}}"), read, left)
        .refuses("{table: x}", "url")
        .refuses(&format!("{{url: '{url}'}}"), "table")
        .refuses("{url: 'mysql://h/d', table: x}", "url")
        .refuses("{url: 'postgres://h/d?sslmode=require', table: x}", "url")
        .refuses("{url: 'postgres://u@h', table: x}", "url")
        .refuses("{url: 'postgres://h/d', table: ''}", "table")
        .refuses("{url: 'postgres://h/d', table: x, mode: upsert}", "unique_key")
        .refuses("{url: 'postgres://h/d', table: x, mode: swap}", "mode")
        .refuses("{url: 'postgres://h/d', table: x, unique_key: [a, a]}", "unique_key");
    suite(case).await;
}

#[tokio::test]
async fn a_table_keeps_its_promises() {
    keeps_its_promises("").await;
}

#[tokio::test]
async fn a_table_with_a_key_keeps_its_promises() {
    keeps_its_promises(", unique_key: [id]").await;
}

async fn publish(server: &Server, options: &str, columns: &str, rows: &[&str]) -> Result<Published> {
    let yaml = format!("{{url: '{}', table: t{options}}}", server.url);
    let config: PostgresConfig = Node::parse(&yaml, "f.yaml", 1).unwrap().read().unwrap();
    PostgresTarget.validate(&config)?;
    let batch = batch(columns, rows);
    PostgresTarget.accepts(&config, &batch.schema())?;
    let stream = futures::stream::iter([Ok(batch.clone())]).boxed();
    PostgresTarget.publish(&config, &PublishContext::at("/nowhere"), batch.schema(), stream).await
}

fn told<T: std::fmt::Debug>(outcome: Result<T>) -> String {
    let err: Error = outcome.unwrap_err();
    format!("{}: {}", err.code(), err.chain().join(": "))
}

#[tokio::test]
async fn all_about_the_table_stays_and_no_reader_sees_none() {
    let Some(server) = Server::start() else { return };
    publish(&server, "", "id:int64 v:string", &["1|a", "2|b"]).await.unwrap();
    server
        .run(
            "create role reader; grant select on t to reader; comment on table t is 'mine'; create index on t (v); \
             create view over as select v from t",
        )
        .await;
    // A reader in an older snapshot, by the strictest isolation.
    let old = server.client().await;
    old.batch_execute("begin isolation level repeatable read; select 1 from pg_class limit 1").await.unwrap();
    publish(&server, "", "id:int64 v:string w:int32", &["3|c|7"]).await.unwrap();
    let seen = old.query_one("select count(*) from over", &[]).await.unwrap().get::<_, i64>(0);
    assert_eq!(seen, 2, "an older snapshot sees the old rows");
    old.batch_execute("commit").await.unwrap();
    assert_eq!(server.rows("select v from over").await, ["c"]);
    assert_eq!(server.rows("select w::text from t").await, ["7"]);
    let kept = "select concat_ws(',', has_table_privilege('reader', 't', 'select'), obj_description('t'::regclass), \
                (select count(*) from pg_indexes where tablename = 't'))";
    assert_eq!(server.rows(kept).await, ["t,mine,1"]);
}

#[tokio::test]
async fn upsert_updates_by_key_and_leaves_others() {
    let Some(server) = Server::start() else { return };
    let options = ", mode: upsert, unique_key: [id]";
    publish(&server, options, "id:int64 v:string", &["1|a", "2|b"]).await.unwrap();
    let published = publish(&server, options, "id:int64 v:string", &["2|B", "3|c"]).await.unwrap();
    assert_eq!(published.receipt, None);
    assert_eq!(server.rows("select id || v from t order by id").await, ["1a", "2B", "3c"]);
    let text = told(publish(&server, options, "id:int64 v:string", &["4|x", "4|y"]).await);
    assert!(text.starts_with("P4004"), "{text}");
    server.run("alter table t drop constraint t_pkey").await;
    let text = told(publish(&server, options, "id:int64 v:string", &["4|x"]).await);
    assert!(text.starts_with("P4005"), "{text}");
}

#[tokio::test]
async fn a_table_that_does_not_fit_is_told_and_left() {
    let Some(server) = Server::start() else { return };
    server.run("create table t (id bigint, v varchar(3), old text)").await;
    let text = told(publish(&server, "", "id:int64 v:string", &["1|a"]).await);
    assert!(text.contains("has the column `old`, which is not published"), "{text}");
    server.run("alter table t drop column old; insert into t values (0, 'x')").await;
    let text = told(publish(&server, "", "id:string v:string", &["1|a"]).await);
    assert!(text.contains("the column `id` of \"public\".\"t\" is bigint, and what is published is text"), "{text}");
    // A value that the table refuses.
    let text = told(publish(&server, "", "id:int32 v:string", &["1|long"]).await);
    assert!(text.starts_with("P3004"), "{text}");
    assert_eq!(server.rows("select v from t").await, ["x"]);
    publish(&server, "", "id:int32 v:string", &["1|new"]).await.unwrap();
    assert_eq!(server.rows("select v from t").await, ["new"]);
    let text = told(publish(&server, ", schema: nowhere", "id:int32", &["1"]).await);
    assert!(text.contains("nowhere"), "{text}");
    let text = told(publish(&server, ", unique_key: [idd]", "id:int32", &["1"]).await);
    assert!(text.starts_with("P5003"), "{text}");
}

#[tokio::test]
async fn numbers_arrive_digit_by_digit() {
    let Some(server) = Server::start() else { return };
    let values = [
        "0.0000",
        "1.0000",
        "-1.0000",
        "0.0001",
        "-0.0300",
        "9999.0000",
        "10000.0000",
        "100000000.5000",
        "12345678.9012",
        "9999999999999999.9999",
        "-20000.0000",
    ];
    publish(&server, "", "n:decimal(20,4)", &values).await.unwrap();
    assert_eq!(server.rows("select n::text from t order by ctid").await, values);
    server.run("drop table t").await;
    let values = ["123", "-100000", "0", "99999999999999999999999999999999999999"];
    publish(&server, "", "n:decimal(38,0)", &values).await.unwrap();
    assert_eq!(server.rows("select n::text from t order by ctid").await, values);
}
