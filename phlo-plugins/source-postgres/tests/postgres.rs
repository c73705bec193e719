//! The source against a real PostgreSQL: every type, every way to read on, every failure, and what must never happen.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float32Type, Float64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use futures::TryStreamExt;
use phlo_plugin::prelude::*;
use phlo_plugin::schema::type_name;
use phlo_plugin::source::{AnySource, SourceConfig};
use phlo_plugin::{Policy, Registry};
use phlo_source_postgres as _;
use phlo_testkit::Recorder;
use phlo_testkit::postgres::PostgresServer;
use serde_json::Value;

/// The server of all tests; its watcher ends it with this process.
fn server() -> Option<&'static PostgresServer> {
    static SERVER: OnceLock<Option<PostgresServer>> = OnceLock::new();
    SERVER.get_or_init(|| PostgresServer::or_skip(&[("max_connections", "100")])).as_ref()
}

fn source() -> Arc<dyn AnySource> {
    let registry = Registry::linked(&[]).unwrap().activate(Policy::default(), InitContext::at("/nowhere")).unwrap();
    registry.source("postgres").unwrap()
}

fn parse(text: &str) -> SourceConfig {
    source().parse(&Node::parse(text, "a.yaml", 1).unwrap()).unwrap_or_else(|err| panic!("{text}: {err:?}"))
}

/// A config for the superuser, by the socket.
fn config(server: &PostgresServer, options: &str) -> SourceConfig {
    let (host, port) = (server.socket_dir().display(), server.port());
    parse(&format!("host: {host}\nport: {port}\nuser: postgres\n{options}"))
}

fn context(columns: &[(&str, &str)]) -> SourceContext {
    let columns =
        columns.iter().map(|(name, kind)| ((*name).to_owned(), kind.parse().unwrap())).collect::<BTreeMap<_, _>>();
    SourceContext { columns, ..SourceContext::at("/nowhere") }
}

/// Values as PostgreSQL writes them; dates and times as days and microseconds from 1970-01-01.
fn text(array: &dyn Array, row: usize) -> String {
    if array.is_null(row) {
        return "NULL".to_owned();
    }
    match array.data_type() {
        DataType::Boolean => (if array.as_boolean().value(row) { "t" } else { "f" }).to_owned(),
        DataType::Float32 => array.as_primitive::<Float32Type>().value(row).to_string(),
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row).to_string(),
        DataType::Date32 => array.as_primitive::<Date32Type>().value(row).to_string(),
        DataType::Timestamp(..) => array.as_primitive::<TimestampMicrosecondType>().value(row).to_string(),
        DataType::Binary => array.as_binary::<i32>().value(row).iter().map(|byte| format!("{byte:02x}")).collect(),
        DataType::Utf8 => array.as_string::<i32>().value(row).to_owned(),
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            let items: Vec<_> = (0..items.len()).map(|at| text(items.as_ref(), at)).collect();
            format!("{{{}}}", items.join(","))
        }
        _ => arrow_cast::display::array_value_to_string(array, row).unwrap(),
    }
}

#[derive(Debug)]
struct Pulled {
    rows: Vec<String>,
    schema: String,
    streams: usize,
    cursor: Option<Value>,
}

async fn pull_by(
    config: &SourceConfig,
    context: &SourceContext,
    cursor: Option<Value>,
    parallelism: usize,
) -> Result<Pulled> {
    let reading = source().read(config, context, ReadRequest { cursor, parallelism, batch_rows: 100 }).await?;
    let (streams, mut rows) = (reading.streams.len(), Vec::new());
    for mut stream in reading.streams {
        while let Some(batch) = stream.try_next().await? {
            assert!(batch.num_rows() > 0 && batch.num_rows() <= 100 && batch.schema() == reading.schema);
            rows.extend((0..batch.num_rows()).map(|row| {
                batch.columns().iter().map(|column| text(column.as_ref(), row)).collect::<Vec<_>>().join("|")
            }));
        }
    }
    let names = reading.schema.fields().iter().map(|f| format!("{}: {}", f.name(), type_name(f.data_type())));
    Ok(Pulled { rows, schema: names.collect::<Vec<_>>().join(", "), streams, cursor: reading.checkpoint.get() })
}

async fn pull(config: &SourceConfig, context: &SourceContext, cursor: Option<Value>) -> Result<Pulled> {
    pull_by(config, context, cursor, 1).await
}

/// Everything that an error tells: code, chain, hints.
fn told(err: &Error) -> String {
    let hints: Vec<_> = err.hints().iter().map(|hint| format!(" [{hint}]")).collect();
    format!("{} {}{}", err.code(), err.chain().join(": "), hints.concat())
}

#[track_caller]
fn expect(err: &Error, code: Code, parts: &[&str]) {
    let text = told(err);
    assert!(err.code() == code, "{code} is wanted: {text}");
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
    assert!(!text.contains(PostgresServer::PASSWORD), "{text}");
}

/// Waits, with a limit that only a broken build reaches.
async fn until(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(30), "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

const MICROS: &str = "(extract(epoch FROM v) * 1000000)::bigint";
const DAYS: &str = "v - date '1970-01-01'";

/// Type, its name here, how psql tells a value, values.
const TYPES: &[(&str, &str, &str, &[&str])] = &[
    ("bool", "boolean", "v", &["true", "false"]),
    ("int2", "int16", "v", &["0", "-32768", "32767"]),
    ("int4", "int32", "v", &["0", "-2147483648", "2147483647"]),
    ("int8", "int64", "v", &["0", "-9223372036854775808", "9223372036854775807"]),
    ("oid", "int64", "v", &["0", "4294967295"]),
    ("float4", "float32", "v", &["0.1", "-3.4028235e38", "1e-45", "NaN", "-Infinity"]),
    ("float8", "float64", "v", &["0.1", "-1.7976931348623157e308", "5e-324", "NaN", "Infinity"]),
    ("numeric(9,2)", "decimal(9, 2)", "v", &["0", "-9999999.99", "9999999.99", "0.01", "1000000", "-0.5"]),
    ("numeric(38,0)", "decimal(38, 0)", "v", &["99999999999999999999999999999999999999", "-1"]),
    ("numeric(38,38)", "decimal(38, 38)", "v", &["0.12345678901234567890123456789012345678"]),
    ("numeric(2,-3)", "decimal(5, 0)", "v", &["99000", "-1000"]),
    ("numeric(2,5)", "decimal(5, 5)", "v", &["0.00099"]),
    (
        "numeric",
        "string",
        "v",
        &["0", "0.00", "-1.50", "1e50", "1e-30", "12345678901234567890.000100020003", "NaN", "10000", "0.0001"],
    ),
    ("numeric(60,5)", "string", "v", &["123456789012345678901234567890123456789012345678901234.5"]),
    ("text", "string", "v", &["", "a", "Grüße ☃ 𝄞", "NULL"]),
    ("varchar(5)", "string", "v", &["abcde"]),
    ("char(5)", "string", "v || '  '", &["abc"]),
    ("\"char\"", "string", "v", &["x"]),
    ("name", "string", "v", &["flights"]),
    ("mood", "string", "v", &["happy", "sad"]),
    ("uuid", "string", "v", &["00000000-0000-0000-0000-000000000000", "f47ac10b-58cc-4372-a567-0e02b2c3d479"]),
    ("json", "string", "v", &["{\"b\": 1,  \"a\": [null]}", "null"]),
    ("jsonb", "string", "v", &["{\"b\": 1,  \"a\": [null]}", "null"]),
    ("xml", "string", "v", &["<a>b</a>"]),
    ("bytea", "binary", "encode(v, 'hex')", &["", "\\x00ff10"]),
    ("date", "date", DAYS, &["1970-01-01", "0001-01-01", "4713-01-01 BC", "9999-12-31", "294276-12-31"]),
    (
        "timestamp",
        "timestamp",
        MICROS,
        &["1970-01-01", "1969-12-31 23:59:59.999999", "0001-01-01", "9999-12-31 23:59:59.999999"],
    ),
    ("timestamptz", "timestamptz", MICROS, &["2024-06-01 12:00:00.5+02", "1900-01-01 00:00:00-05:30"]),
    ("time", "string", "v", &["00:00:00", "23:59:59.999999", "24:00:00", "12:30:00.5"]),
    ("timetz", "string", "v", &["12:00:00+02", "12:00:00.25-05:30", "00:00:00+00:00:09"]),
    (
        "interval",
        "string",
        "v",
        &[
            "0",
            "1 year 2 mons 3 days 04:05:06.789",
            "-1 year -2 mons +3 days -04:05:06",
            "1 day -00:00:00.000001",
            "-1 month 10 minutes",
            "1000 hours",
            "13 months",
            "-25 hours",
        ],
    ),
    ("positive", "decimal(7, 3)", "v", &["1.500"]),
    ("int4[]", "list<int32>", "v", &["{}", "{1,NULL,-3}"]),
    ("text[]", "list<string>", "v", &["{a,ü,NULL}"]),
    ("bool[]", "list<boolean>", "v", &["{t,f}"]),
    ("numeric(6,2)[]", "list<decimal(6, 2)>", "v", &["{1.50,-2.25}"]),
    ("uuid[]", "list<string>", "v", &["{f47ac10b-58cc-4372-a567-0e02b2c3d479}"]),
    ("mood[]", "list<string>", "v", &["{happy,sad}"]),
    ("positive[]", "list<string>", "v", &["{1.500,2.000}"]),
    (
        "date[]",
        "list<date>",
        "CASE WHEN v IS NOT NULL THEN ARRAY(SELECT i - date '1970-01-01' FROM unnest(v) i) END",
        &["{2024-01-01,1960-01-01}"],
    ),
];

#[tokio::test]
async fn every_type_keeps_its_values_to_the_last_digit() {
    let Some(server) = server() else { return };
    server.sql("CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE DOMAIN positive AS numeric(7, 3) CHECK (VALUE > 0)");
    for (index, (pg, kind, tells, values)) in TYPES.iter().enumerate() {
        let rows: Vec<_> = values.iter().map(|it| format!("('{}')", it.replace('\'', "''"))).collect();
        server.sql(&format!("CREATE TABLE t{index} (v {pg}); INSERT INTO t{index} VALUES (NULL), {}", rows.join(", ")));
        let pulled = pull(&config(server, &format!("table: t{index}")), &context(&[]), None).await;
        let pulled = pulled.unwrap_or_else(|err| panic!("{pg}: {}", told(&err)));
        assert_eq!(pulled.schema, format!("v: {kind}"), "{pg}");
        let want = server.sql(&format!("\\pset null NULL\nSELECT {tells} FROM t{index}"));
        let want: Vec<_> = want.split('\n').map(str::to_owned).collect();
        let same = |want: &str| match *pg {
            "float4" => want.parse::<f32>().map_or(want.to_owned(), |it| it.to_string()),
            "float8" => want.parse::<f64>().map_or(want.to_owned(), |it| it.to_string()),
            _ => want.to_owned(),
        };
        let want: Vec<_> = want.iter().map(|it| same(it)).collect();
        assert_eq!(pulled.rows, want, "{pg}");
    }
}

#[tokio::test]
async fn declared_types_win_and_lose_nothing() {
    let Some(server) = server() else { return };
    server.sql(
        "CREATE TABLE declared AS SELECT 7::int4 AS i, 1.50::numeric AS n, 12::numeric(9, 2) AS d, '2024-02-01'::date AS day, \
         '10.0.0.1'::inet AS a, point(1, 2) AS p, 12::int8 AS s",
    );
    let declared = [
        ("i", "int64"),
        ("n", "decimal(10, 4)"),
        ("d", "int16"),
        ("day", "timestamp"),
        ("a", "string"),
        ("p", "string"),
        ("s", "string"),
        ("elsewhere", "date"),
    ];
    let read = config(server, "table: declared");
    let pulled = pull(&read, &context(&declared), None).await.unwrap();
    assert_eq!(pulled.schema, "i: int64, n: decimal(10, 4), d: int16, day: timestamp, a: string, p: string, s: string");
    assert_eq!(pulled.rows, ["7|1.5000|12|1706745600000000|10.0.0.1/32|(1,2)|12"]);
    let told_before = source().schema(&read, &context(&declared)).await.unwrap().unwrap();
    assert_eq!(type_name(told_before.field(1).data_type()), "decimal(10, 4)");

    for (column, kind, parts) in
        [("n", "decimal(10, 1)", ["column `n`", "1.5"].as_slice()), ("n", "int32", &["column `n`", "behind the point"])]
    {
        server.sql("UPDATE declared SET n = 1.55");
        let mut declared = declared.to_vec();
        declared.retain(|(name, _)| *name != column);
        declared.push((column, kind));
        let err = pull(&read, &context(&declared), None).await.unwrap_err();
        expect(&err, Code::MalformedData, parts);
    }
    server.sql("UPDATE declared SET n = 1, d = 12.5");
    let err = pull(&read, &context(&declared), None).await.unwrap_err();
    expect(&err, Code::MalformedData, &["column `d`", "lose", "public.declared"]);
}

#[tokio::test]
async fn what_cannot_be_kept_is_refused_and_says_what_to_do() {
    let Some(server) = server() else { return };
    for (index, (pg, value, code, parts)) in [
        ("date", "infinity", Code::MalformedData, ["`v`", "infinity", "nullif"]),
        ("timestamp", "-infinity", Code::MalformedData, ["`v`", "infinity", "nullif"]),
        ("timestamptz", "infinity", Code::MalformedData, ["`v`", "infinity", "query"]),
        ("numeric(5,2)", "NaN", Code::MalformedData, ["`v`", "NaN", "nullif"]),
        ("int4[]", "{{1,2},{3,4}}", Code::MalformedData, ["`v`", "dimensions", "to_json"]),
        ("point", "(1,2)", Code::SchemaMismatch, ["`v`", "point", "cast it in `query`"]),
        ("inet", "10.0.0.1", Code::SchemaMismatch, ["`v`", "inet", "v: string"]),
        ("int4range", "[1,3)", Code::SchemaMismatch, ["`v`", "int4range", "v: string"]),
    ]
    .into_iter()
    .enumerate()
    {
        server.sql(&format!("CREATE TABLE refused{index} (v {pg}); INSERT INTO refused{index} VALUES ('{value}')"));
        let read = config(server, &format!("table: refused{index}"));
        let err = pull(&read, &context(&[]), None).await.unwrap_err();
        expect(&err, code, &parts);
        expect(&err, code, &[&format!("public.refused{index}")]);
        // What it says to do helps.
        let pulled = pull(&read, &context(&[("v", "string")]), None).await.unwrap();
        assert_eq!(pulled.rows, [server.sql(&format!("SELECT v::text FROM refused{index}"))]);
    }
    for (index, pg) in ["date", "timestamp", "timestamptz"].iter().enumerate() {
        let query = format!("query: SELECT nullif(v, '{}infinity') AS v FROM refused{index}", ["", "-", ""][index]);
        assert_eq!(pull(&config(server, &query), &context(&[]), None).await.unwrap().rows, ["NULL"], "{pg}");
    }
}

#[tokio::test]
async fn a_query_reads_and_nothing_else() {
    let Some(server) = server() else { return };
    server.sql(
        "CREATE TABLE quoted (\"Ein \"\"Name\" int, b text, g int GENERATED ALWAYS AS (\"Ein \"\"Name\" * 2) STORED); \
         INSERT INTO quoted VALUES (1, 'x|''y'), (2, NULL); CREATE VIEW seen AS SELECT b FROM quoted; \
         CREATE SEQUENCE counter; CREATE TABLE parts (k int, v text) PARTITION BY LIST (k); \
         CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1); INSERT INTO parts VALUES (1, 'one')",
    );
    for (options, schema, rows) in [
        ("table: quoted", "Ein \"Name: int32, b: string, g: int32", ["1|x|'y|2", "2|NULL|4"].as_slice()),
        ("table: quoted\nselect: [g, b]", "g: int32, b: string", &["2|x|'y", "4|NULL"]),
        ("table: seen", "b: string", &["x|'y", "NULL"]),
        ("table: public.parts", "k: int32, v: string", &["1|one"]),
        ("query: \"WITH a AS (SELECT 1 AS x) SELECT x, 'é' AS y FROM a; \"", "x: int32, y: string", &["1|é"]),
        ("query: \"SELECT 1 AS x -- all\"", "x: int32", &["1"]),
        ("query: VALUES (1), (2)", "column1: int32", &["1", "2"]),
        ("query: SHOW_NOTHING", "", &[]),
        ("query: DELETE FROM quoted RETURNING b", "", &[]),
        ("query: SELECT 1) AS a; DROP TABLE quoted; SELECT (2", "", &[]),
        ("query: SELECT current_setting('TimeZone') AS z", "z: string", &["UTC"]),
    ] {
        match pull(&config(server, options), &context(&[]), None).await {
            Ok(pulled) => {
                assert_eq!(pulled.schema, schema);
                assert_eq!(pulled.rows, rows);
            }
            Err(err) if rows.is_empty() => expect(&err, Code::SqlError, &["sqlstate"]),
            Err(err) => panic!("{options}: {}", told(&err)),
        }
    }
    let err = pull(&config(server, "query: SELECT nextval('counter') AS n"), &context(&[]), None).await.unwrap_err();
    expect(&err, Code::RemoteRefused, &["read-only transaction", "`query` only reads"]);
    assert_eq!(server.sql("SELECT count(*), (SELECT last_value FROM counter) FROM quoted"), "2|1");
}

#[tokio::test]
async fn every_failure_has_its_code_and_its_next_step() {
    let Some(server) = server() else { return };
    server.sql(
        "CREATE SCHEMA shop; CREATE TABLE shop.orders (order_id int, \"updatedAt\" timestamptz); \
         CREATE ROLE clerk LOGIN PASSWORD 'clerk-secret'; CREATE TABLE ledger (id int)",
    );
    let port = server.port();
    let clerk = |options: &str| {
        format!("{{host: 127.0.0.1, port: {port}, database: postgres, user: clerk, password: clerk-secret, {options}}}")
    };
    let root = |options: &str| format!("url: {}\n{options}", server.url());
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let cases = [
        (
            format!("{{host: 127.0.0.1, port: {port}, user: postgres, password: wrong, table: t}}"),
            Code::AuthFailed,
            vec!["password authentication failed", "postgres", "`password`"],
            false,
        ),
        (
            format!("{{host: 127.0.0.1, port: {port}, user: postgres, table: t}}"),
            Code::AuthFailed,
            vec!["set `password`"],
            false,
        ),
        (
            format!("{{host: 127.0.0.1, port: {free}, user: postgres, table: t}}"),
            Code::ConnectionFailed,
            vec!["refused", "check host and port"],
            true,
        ),
        (
            root("table: t").replace("/postgres\n", "/postgre\n"),
            Code::SourceNotFound,
            vec!["database \"postgre\" does not exist", "`database`"],
            false,
        ),
        (root("table: shop.order"), Code::SourceNotFound, vec!["`shop.order`", "did you mean `shop.orders`?"], false),
        (root("table: orders"), Code::SourceNotFound, vec!["did you mean `shop.orders`?"], false),
        (root("table: Shop.Orders"), Code::SourceNotFound, vec!["did you mean `shop.orders`?"], false),
        (
            root("query: SELECT * FROM shop.order"),
            Code::SourceNotFound,
            vec!["did you mean `shop.orders`?", "query_line: 1", "query_column: 15"],
            false,
        ),
        (
            root("query: |\n  SELECT order_id,\n    order_no FROM shop.orders"),
            Code::UnknownColumn,
            vec!["order_no", "query_line: 2", "query_column: 3"],
            false,
        ),
        (
            root("table: shop.orders\nselect: [orderid]"),
            Code::UnknownColumn,
            vec!["`select`", "did you mean `order_id`?"],
            false,
        ),
        (
            root("table: shop.orders\nincremental: {column: updatedat}"),
            Code::UnknownColumn,
            vec!["`incremental.column`", "did you mean `updatedAt`?"],
            false,
        ),
        (
            root("table: shop.orders\nincremental: {column: order_id, lag: 5m}"),
            Code::InvalidValue,
            vec!["`incremental.lag`", "int4"],
            false,
        ),
        (
            root("table: shop.orders\nincremental: {column: updatedAt, start: soon}"),
            Code::InvalidValue,
            vec!["`incremental.start`", "soon"],
            false,
        ),
        (root("query: SELEC 1"), Code::SqlError, vec!["syntax error", "query_line: 1"], false),
        (root("query: SELECT 1 AS a, 2 AS a"), Code::InvalidValue, vec!["two columns `a`", "AS"], false),
        (root("query: SELECT $1 AS a"), Code::InvalidValue, vec!["parameters"], false),
        (root("query: SELECT 1 / 0 AS a"), Code::MalformedData, vec!["division by zero"], false),
        (clerk("table: ledger"), Code::AuthFailed, vec!["permission denied", "ledger", "GRANT SELECT"], false),
        (clerk("table: shop.orders"), Code::AuthFailed, vec!["permission denied", "shop", "GRANT USAGE"], false),
        (
            root("query: SELECT pg_sleep(60)::text AS a\nstatement_timeout: 50ms"),
            Code::RemoteBusy,
            vec!["statement timeout", "`statement_timeout`"],
            false,
        ),
        (
            root("table: ledger\nsslmode: require"),
            Code::ConnectionFailed,
            vec!["does not support TLS", "sslmode: disable"],
            false,
        ),
    ];
    for (text, code, parts, retryable) in cases {
        let err = pull(&parse(&text), &context(&[]), None).await.expect_err(&text);
        expect(&err, code, &parts);
        assert_eq!(err.is_retryable(), retryable, "{}", told(&err));
        // What a reading would fail on, a test of the connection finds without one, unless it is in the rows.
        if ![Code::MalformedData, Code::RemoteBusy, Code::InvalidValue].contains(&code) {
            let tested = source().test_connection(&parse(&text), &context(&[])).await.expect_err(&text);
            assert_eq!(tested.code(), code, "{text}");
        }
    }
    assert!(
        source()
            .schema(&config(server, "table: nope"), &SourceContext { offline: true, ..context(&[]) })
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_cursor_neither_loses_nor_repeats_a_row() {
    let Some(server) = server() else { return };
    for (index, (pg, value, lag)) in [
        ("int8", "i", ""),
        ("int4", "i", ", lag: 3"),
        ("numeric", "i * 0.5", ", lag: 1.5"),
        ("float8", "i * 0.1", ", lag: 0.25"),
        ("timestamptz", "timestamptz '2024-01-01Z' + i * interval '1 minute'", ""),
        ("timestamp", "timestamp '2024-01-01' + i * interval '1 minute'", ", lag: 3m"),
        ("date", "date '2024-01-01' + i", ", lag: 2d"),
        ("text", "lpad(i::text, 5, '0')", ""),
        ("uuid", "lpad(i::text, 32, '0')::uuid", ", lag: 0"),
        ("positive_id", "i + 1", ""),
    ]
    .into_iter()
    .enumerate()
    {
        if pg == "positive_id" {
            server.sql("CREATE DOMAIN positive_id AS int8 CHECK (VALUE > 0)");
        }
        server.sql(&format!("CREATE TABLE grows{index} (no serial, v {pg}, note text)"));
        let read = config(server, &format!("table: grows{index}\nincremental: {{column: v{lag}}}"));
        let (mut cursor, mut seen) = (None, Vec::new());
        for round in 0..6_i32 {
            // Each round adds rows above, at, and, where there is a lag, somewhat below the highest value; twice the same row.
            let highest = 4 * round;
            let below = if lag.is_empty() || lag.contains(": 0}") || lag == ", lag: 0" { highest } else { highest - 2 };
            server.sql(&format!(
                "INSERT INTO grows{index} (v, note) SELECT {value}, 'r{round}' FROM (VALUES ({highest}), ({highest}), \
                 ({}), ({}), ({below})) AS x (i); INSERT INTO grows{index} (no, v, note) SELECT -1, {value}, 'twin' \
                 FROM (SELECT {highest} AS i) x",
                highest + 4,
                highest + 1
            ));
            let pulled = pull(&read, &context(&[]), cursor).await.unwrap_or_else(|err| panic!("{pg}: {}", told(&err)));
            seen.extend(pulled.rows);
            // It survives a log.
            cursor = Some(serde_json::from_str(&pulled.cursor.unwrap().to_string()).unwrap());
            let again = pull(&read, &context(&[]), cursor.clone()).await.unwrap();
            assert!(again.rows.is_empty() && again.cursor == cursor, "{pg}: {again:?}");
            let mut want =
                pull(&config(server, &format!("table: grows{index}")), &context(&[]), None).await.unwrap().rows;
            want.sort();
            seen.sort();
            assert_eq!(seen, want, "{pg}, round {round}");
        }
        // Rows that are removed, the highest too, do not make others come again.
        server.sql(&format!("DELETE FROM grows{index} WHERE v = (SELECT max(v::text) FROM grows{index})::{pg}"));
        let after = pull(&read, &context(&[]), cursor.clone()).await.unwrap();
        assert!(after.rows.is_empty(), "{pg}: {after:?}");
    }
}

#[tokio::test]
async fn a_lag_finds_what_was_committed_late_and_a_changed_row_comes_again() {
    let Some(server) = server() else { return };
    server.sql(
        "CREATE TABLE late AS SELECT i AS id, timestamptz '2024-01-01Z' + i * interval '1 minute' AS at, 'a' AS note \
         FROM generate_series(1, 10) i",
    );
    let read = config(server, "table: late\nselect: [id, note, at]\nincremental: {column: at, lag: 5m}");
    let first = pull(&read, &context(&[]), None).await.unwrap();
    assert_eq!(first.rows.len(), 10);
    server.sql(
        "INSERT INTO late VALUES (11, '2024-01-01 00:07Z', 'late'), (12, '2024-01-01 00:01Z', 'too late'); \
         UPDATE late SET note = 'b' WHERE id = 8; UPDATE late SET note = 'b' WHERE id = 2",
    );
    let second = pull(&read, &context(&[]), first.cursor).await.unwrap();
    let mut ids: Vec<_> = second.rows.iter().map(|row| row.split('|').next().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["11", "8"]);
}

#[tokio::test]
async fn more_rows_than_can_be_remembered_are_told() {
    let Some(server) = server() else { return };
    server.sql("CREATE TABLE bulk AS SELECT i AS id, date '2024-01-01' AS day FROM generate_series(1, 6000) i");
    let recorder = Recorder::default();
    let context = SourceContext { emitter: recorder.emitter(), ..context(&[]) };
    let strict = config(server, "table: bulk\nincremental: {column: day}");
    let merged = config(server, "table: bulk\nincremental: {column: day, lag: 0}");
    let first = pull(&strict, &context, None).await.unwrap();
    assert_eq!(first.rows.len(), 6000);
    let log = format!("{:?}", recorder.take());
    assert!(log.contains("more than 5000 rows") && log.contains("lag: 0"), "{log}");
    // Above the value alone: nothing is repeated, and none at the value comes.
    server.sql("INSERT INTO bulk VALUES (6001, '2024-01-01')");
    let second = pull(&strict, &context, first.cursor.clone()).await.unwrap();
    assert!(second.rows.is_empty() && second.cursor == first.cursor, "{:?}", second.cursor);
    server.sql("INSERT INTO bulk VALUES (6002, '2024-01-02')");
    let third = pull(&strict, &context, second.cursor).await.unwrap();
    assert_eq!(third.rows, ["6002|19724"]);
    server.sql("INSERT INTO bulk VALUES (6003, '2024-01-02')");
    assert_eq!(pull(&strict, &context, third.cursor).await.unwrap().rows, ["6003|19724"]);

    // With a lag nothing is lost, and all come again.
    server.sql("DELETE FROM bulk WHERE id > 6000");
    let first = pull(&merged, &context, None).await.unwrap();
    server.sql("INSERT INTO bulk VALUES (6001, '2024-01-01')");
    assert_eq!(pull(&merged, &context, first.cursor).await.unwrap().rows.len(), 6001);
}

#[tokio::test]
async fn a_reading_begins_at_start_and_a_null_is_found() {
    let Some(server) = server() else { return };
    server.sql("CREATE TABLE begins AS SELECT i AS id FROM generate_series(1, 10) i");
    let read = config(server, "table: begins\nincremental: {column: id, start: 8, lag: 5}");
    let first = pull(&read, &context(&[]), None).await.unwrap();
    assert_eq!(first.rows, ["8", "9", "10"]);
    assert!(pull(&read, &context(&[]), first.cursor.clone()).await.unwrap().rows.is_empty());
    server.sql("INSERT INTO begins VALUES (NULL)");
    for cursor in [None, first.cursor.clone()] {
        let err = pull(&read, &context(&[]), cursor).await.unwrap_err();
        expect(&err, Code::MalformedData, &["`id`", "null", "coalesce", "public.begins"]);
    }
    let other = config(server, "table: begins\nselect: [id]\nincremental: {column: id}");
    assert!(pull(&other, &context(&[]), Some(serde_json::json!({"files": {}}))).await.is_err());
    let none = config(server, "query: SELECT id FROM begins WHERE false\nincremental: {column: id}");
    let none = pull(&none, &context(&[]), None).await.unwrap();
    assert!(none.rows.is_empty() && none.cursor.is_none());
}

/// Connections that work for a table, as the server sees them.
fn workers(server: &PostgresServer, mark: &str) -> usize {
    server
        .sql(&format!(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = '{mark}' AND backend_type = 'client backend'"
        ))
        .parse()
        .unwrap()
}

#[tokio::test]
async fn a_table_is_divided_and_every_stream_sees_the_same_state() {
    let Some(server) = server() else { return };
    server.sql(
        "CREATE TABLE wide (id int, filler text); ALTER TABLE wide ALTER filler SET STORAGE PLAIN; \
         INSERT INTO wide SELECT i, repeat('x', 3000) FROM generate_series(1, 10000) i",
    );
    let url = format!("{}?application_name=divided", server.url());
    let read = |more: &str| parse(&format!("url: {url}\ntable: wide\nselect: [id]\n{more}"));
    let request = ReadRequest { cursor: None, parallelism: 4, batch_rows: 1000 };
    let reading = source().read(&read("incremental: {column: id}"), &context(&[]), request).await.unwrap();
    assert!(reading.streams.len() > 1, "{}", reading.streams.len());
    assert_eq!(workers(server, "divided"), reading.streams.len());
    server.sql(
        "UPDATE wide SET id = -id WHERE id % 2 = 0; DELETE FROM wide WHERE id % 3 = 0; INSERT INTO wide VALUES (10001)",
    );
    let mut ids = Vec::new();
    for stream in reading.streams {
        assert_eq!(reading.checkpoint.get(), None, "a cursor before the last stream has ended");
        let batches: Vec<RecordBatch> = stream.try_collect().await.unwrap();
        ids.extend(
            batches
                .iter()
                .flat_map(|batch| batch.column(0).as_primitive::<arrow_array::types::Int32Type>().values().to_vec()),
        );
    }
    ids.sort_unstable();
    assert!(ids.iter().copied().eq(1..=10_000), "{}", ids.len());
    let cursor = reading.checkpoint.get();
    assert!(cursor.is_some());
    assert_eq!(pull(&read("incremental: {column: id}"), &context(&[]), cursor).await.unwrap().rows, ["10001"]);
    assert_eq!(pull_by(&read("max_connections: 1"), &context(&[]), None, 4).await.unwrap().streams, 1);
    until("a connection stays", || workers(server, "divided") == 0).await;
}

#[tokio::test]
async fn what_nobody_waits_for_ends_on_the_server() {
    let Some(server) = server() else { return };
    let of = |mark: &str, query: &str| parse(&format!("url: {}?application_name={mark}\nquery: {query}", server.url()));
    let request = || ReadRequest { batch_rows: 1, ..ReadRequest::default() };

    // Rows flow, and more than any buffer holds would follow.
    let endless = of("flowing", "SELECT i, repeat('x', 1000) AS x FROM generate_series(1, 100000000) i");
    let mut reading = source().read(&endless, &context(&[]), request()).await.unwrap();
    assert!(reading.streams[0].try_next().await.unwrap().is_some());
    assert_eq!(workers(server, "flowing"), 1);
    drop(reading);
    until("a dropped stream runs on", || workers(server, "flowing") == 0).await;

    // No row comes that a broken connection would be noticed by.
    let silent = of("silent", "SELECT pg_sleep(3600)::text AS x");
    let sleeps = || {
        server.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'silent' AND wait_event = 'PgSleep'")
            == "1"
    };
    let mut reading = source().read(&silent, &context(&[]), request()).await.unwrap();
    let mut waiting = Box::pin(reading.streams[0].try_next());
    tokio::select! {
        _ = &mut waiting => panic!("it sleeps"),
        () = until("it does not begin", sleeps) => {}
    }
    drop(waiting);
    drop(reading);
    until("a dropped statement runs on", || workers(server, "silent") == 0).await;

    // An interrupted run.
    let context = context(&[]);
    let mut reading = source().read(&silent, &context, request()).await.unwrap();
    let interrupt = async {
        until("it does not begin", sleeps).await;
        context.cancel.cancel();
    };
    let (read, ()) = tokio::join!(reading.streams[0].try_next(), interrupt);
    assert_eq!(read.unwrap_err().code(), Code::Interrupted);
    until("an interrupted statement runs on", || workers(server, "silent") == 0).await;
}

#[tokio::test]
async fn a_connection_that_the_server_ends_is_an_error_that_a_retry_can_mend() {
    let Some(server) = server() else { return };
    let read = parse(&format!(
        "url: {}?application_name=ended\nquery: SELECT i, repeat('x', 1000) AS x FROM generate_series(1, 100000000) i",
        server.url()
    ));
    let mut reading = source().read(&read, &context(&[]), ReadRequest::default()).await.unwrap();
    assert!(reading.streams[0].try_next().await.unwrap().is_some());
    server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ended'");
    let err = loop {
        match reading.streams[0].try_next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it ended as if all rows had come"),
            Err(err) => break err,
        }
    };
    assert!(err.is_retryable() && err.code() == Code::ConnectionFailed, "{}", told(&err));
    assert_eq!(reading.checkpoint.get(), None);
}

#[tokio::test]
async fn socket_and_port_lead_to_the_same_server() {
    let Some(server) = server() else { return };
    let query = "query: SELECT inet_server_port()::text AS port";
    let by_socket = pull(&config(server, query), &context(&[]), None).await.unwrap();
    let by_port = pull(&parse(&format!("url: {}\n{query}", server.url())), &context(&[]), None).await.unwrap();
    assert_eq!((by_socket.rows, by_port.rows), (vec!["NULL".to_owned()], vec![server.port().to_string()]));
}

/// An authority, and a certificate of it for `localhost`.
fn certificates(folder: &Path) -> std::result::Result<(), String> {
    std::fs::write(folder.join("localhost.ext"), "subjectAltName = DNS:localhost\n").map_err(|err| err.to_string())?;
    for args in [
        "req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=authority -keyout ca.key -out ca.pem",
        "req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout server.key -out server.csr",
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 -extfile localhost.ext -out server.crt",
    ] {
        let mut openssl = Command::new("openssl");
        let output =
            openssl.args(args.split(' ')).current_dir(folder).output().map_err(|err| format!("openssl: {err}"))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
    }
    Ok(())
}

#[tokio::test]
async fn sslmode_verifies_what_it_says_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let made = PostgresServer::or_skip_with(&[("ssl", "on")], |data| {
        certificates(data)?;
        std::fs::copy(data.join("ca.pem"), folder.path().join("ca.pem")).map_err(|err| err.to_string())?;
        Ok(())
    });
    let Some(server) = made else { return };
    let used = "query: SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let root = |options: &str, host: &str| {
        let url = server.url().replace("127.0.0.1", host);
        let context = SourceContext { root: folder.path().to_owned(), ..context(&[]) };
        (parse(&format!("url: {url}\n{options}\n{used}")), context)
    };
    for (options, host, encrypted) in [
        ("", "127.0.0.1", "true"),
        ("sslmode: disable", "127.0.0.1", "false"),
        ("sslmode: prefer", "127.0.0.1", "true"),
        ("sslmode: require", "127.0.0.1", "true"),
        ("sslmode: verify-full\nssl_root_cert: ca.pem", "localhost", "true"),
    ] {
        let (config, context) = root(options, host);
        let pulled = pull(&config, &context, None).await.unwrap_or_else(|err| panic!("{options}: {}", told(&err)));
        assert_eq!(pulled.rows, [encrypted], "{options}");
    }
    // The password is bound to the encrypted connection, where the URL asks for that.
    let url = format!("{}?channel_binding=require", server.url());
    let bound = parse(&format!("url: {url}\nsslmode: require\n{used}"));
    assert_eq!(pull(&bound, &context(&[]), None).await.unwrap().rows, ["true"]);
    for (options, host, part) in [
        ("sslmode: verify-full", "localhost", "ssl_root_cert"),
        ("sslmode: verify-full\nssl_root_cert: ca.pem", "127.0.0.1", "another name"),
    ] {
        let (config, context) = root(options, host);
        let err = pull(&config, &context, None).await.expect_err(options);
        expect(&err, Code::ConnectionFailed, &[part]);
        assert!(!err.is_retryable(), "{}", told(&err));
    }
    let (config, context) = root("sslmode: verify-full\nssl_root_cert: none.pem", "localhost");
    expect(&pull(&config, &context, None).await.unwrap_err(), Code::UnreadableFile, &["`ssl_root_cert`"]);
}
