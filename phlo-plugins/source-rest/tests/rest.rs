//! The source against a real HTTP server: every kind of paging, every failure, and what must never happen.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures::{StreamExt, TryStreamExt};
use phlo_plugin::prelude::*;
use phlo_plugin::schema::type_name;
use phlo_plugin::source::{AnySource, SourceConfig};
use phlo_plugin::{Policy, Registry};
use phlo_source_rest as _;
use phlo_testkit::http::{HttpRequest, HttpResponse, HttpServer};
use serde_json::{Value, json};

fn source() -> Arc<dyn AnySource> {
    Registry::linked(&[])
        .unwrap()
        .activate(Policy::default(), InitContext::at("/nowhere"))
        .unwrap()
        .source("rest_api")
        .unwrap()
}

/// A config for `endpoint` of the server; retries do not wait unless `options` say otherwise.
fn config(server: &HttpServer, endpoint: &str, options: &str) -> SourceConfig {
    let retry = if options.contains("retry:") { "" } else { "retry: {delay: 0}\n" };
    let text = format!("base_url: {}\nendpoint: \"{endpoint}\"\n{retry}{options}\n", server.url("/"));
    source().parse(&Node::parse(&text, "a.yaml", 1).unwrap()).unwrap_or_else(|err| panic!("{text}: {err:?}"))
}

fn context(columns: &[(&str, &str)]) -> SourceContext {
    let columns =
        columns.iter().map(|(name, kind)| ((*name).to_owned(), kind.parse().unwrap())).collect::<BTreeMap<_, _>>();
    SourceContext { columns, ..SourceContext::at("/nowhere") }
}

#[derive(Debug)]
struct Pulled {
    rows: Vec<Value>,
    schema: String,
    cursor: Option<Value>,
}

impl Pulled {
    /// The rows' `id`s.
    fn ids(&self) -> Vec<i64> {
        self.rows.iter().map(|row| row["id"].as_i64().unwrap()).collect()
    }
}

fn describe(schema: &Schema) -> String {
    schema.fields().iter().map(|f| format!("{}: {}", f.name(), type_name(f.data_type()))).collect::<Vec<_>>().join(", ")
}

/// Reads everything, in batches of 8 rows.
async fn pull(config: &SourceConfig, context: &SourceContext, cursor: Option<Value>) -> Result<Pulled> {
    let request = ReadRequest { cursor, batch_rows: 8, ..ReadRequest::default() };
    let mut reading = source().read(config, context, request).await?;
    assert_eq!(reading.streams.len(), 1);
    let mut rows = Vec::new();
    while let Some(batch) = reading.streams[0].try_next().await? {
        assert!(batch.num_rows() > 0 && batch.num_rows() <= 8 && batch.schema() == reading.schema);
        assert_eq!(reading.checkpoint.get(), None, "a cursor before the end");
        let mut writer = arrow_json::LineDelimitedWriter::new(Vec::new());
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
        rows.extend(
            writer
                .into_inner()
                .split(|b| *b == b'\n')
                .filter(|line| !line.is_empty())
                .map(|line| serde_json::from_slice::<Value>(line).unwrap()),
        );
    }
    Ok(Pulled { rows, schema: describe(&reading.schema), cursor: reading.checkpoint.get() })
}

/// Everything that an error tells: code, chain, hints.
fn told(err: &Error) -> String {
    let hints: Vec<_> = err.hints().iter().map(|hint| format!(" [{hint}]")).collect();
    format!("{} {}{}", err.code(), err.chain().join(": "), hints.concat())
}

#[track_caller]
fn expect(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

fn items(range: std::ops::Range<usize>) -> Value {
    range.map(|id| json!({"id": id})).collect()
}

fn query(request: &HttpRequest) -> String {
    request.query.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("&")
}

/// An API of 25 records that pages in every way there is.
fn api(request: &HttpRequest) -> HttpResponse {
    const ALL: usize = 25;
    let limit = request.number("limit").or(request.number("per_page")).unwrap_or(10).min(10);
    let slice = |from: usize| (items(from.min(ALL)..(from + limit).min(ALL)), from + limit < ALL);
    let from_page = |param: &str, first: usize| (request.number(param).unwrap() - first) * limit;
    match request.path.as_str() {
        "/page" => {
            let (results, more) = slice(from_page("page", 1));
            HttpResponse::json(&json!({"results": results, "has_next": more}))
        }
        "/silent" => HttpResponse::json(&json!({"results": slice(from_page("page", 1)).0})),
        "/bare" => HttpResponse::json(&slice(from_page("page", 1)).0),
        "/deep" => {
            let (results, more) = slice(from_page("p", 0));
            HttpResponse::json(&json!({"data": {"items": results}, "meta": {"more": u8::from(more)}}))
        }
        "/null" => match slice(from_page("page", 1)).0 {
            results if results == json!([]) => HttpResponse::json(&json!({"results": null})),
            results => HttpResponse::json(&json!({"results": results})),
        },
        "/offset" => HttpResponse::json(&json!({"results": slice(request.number("offset").unwrap()).0})),
        "/cursor" => {
            let at = request.param("after").map_or(0, |cursor| cursor.strip_prefix("c=").unwrap().parse().unwrap());
            let (results, more) = slice(at);
            let next = if more { json!(format!("c={}", at + limit)) } else { json!("") };
            HttpResponse::json(&json!({"results": results, "meta": {"next": next}}))
        }
        "/links" => {
            let (results, more) = slice(request.number("at").unwrap_or(0));
            let next = request.number("at").unwrap_or(0) + limit;
            let link = if more {
                format!("</links>; rel=\"first\", </links?at={next}>; rel=\"next\"")
            } else {
                "</links>; rel=first".to_owned()
            };
            HttpResponse::json(&results).header("Link", link)
        }
        "/next" => {
            let at = request.number("at").unwrap_or(0);
            let (results, more) = slice(at);
            let next = if more { json!(format!("?at={}", at + limit)) } else { Value::Null };
            HttpResponse::json(&json!({"results": results, "paging": {"next": next}}))
        }
        "/holes" => {
            let at = request.number("c").unwrap_or(0);
            let id = at.saturating_sub(1);
            let results = if at == 1 { items(0..0) } else { items(id..id + 1) };
            HttpResponse::json(&json!({"results": results, "next": if at < 3 { json!(at + 1) } else { json!(null) }}))
        }
        "/one" => HttpResponse::json(&json!({"id": 0})),
        _ => HttpResponse::status(404),
    }
}

#[tokio::test]
async fn every_kind_of_paging_delivers_every_record_once() {
    let server = HttpServer::start(api);
    let cases: &[(&str, &str, usize, &[&str])] = &[
        ("page", "pagination: {page_size: 10}", 25, &["limit=10&page=1", "limit=10&page=2", "limit=10&page=3"]),
        ("page", "", 25, &["limit=100&page=1", "limit=100&page=2", "limit=100&page=3"]),
        ("page", "pagination: {page_size: 10, max_pages: 2}", 20, &["limit=10&page=1", "limit=10&page=2"]),
        ("page", "pagination: {start_page: 3, page_size: 10}", 5, &["limit=10&page=3"]),
        (
            "silent",
            "pagination: {page_size: 10}",
            25,
            &["limit=10&page=1", "limit=10&page=2", "limit=10&page=3", "limit=10&page=4"],
        ),
        ("null", "pagination: {size_param: ''}", 25, &["page=1", "page=2", "page=3", "page=4"]),
        (
            "bare",
            "pagination: {page_size: 10}",
            25,
            &["limit=10&page=1", "limit=10&page=2", "limit=10&page=3", "limit=10&page=4"],
        ),
        (
            "deep",
            "pagination: {kind: page, page_param: p, size_param: per_page, page_size: 9, start_page: 0, results_key: data.items, has_next_key: meta.more}",
            25,
            &["per_page=9&p=0", "per_page=9&p=1", "per_page=9&p=2"],
        ),
        // The server gives ten where fifty are asked for: what came is skipped, not what was wanted.
        (
            "offset",
            "pagination: {kind: offset, page_size: 50}",
            25,
            &["limit=50&offset=0", "limit=50&offset=10", "limit=50&offset=20", "limit=50&offset=25"],
        ),
        (
            "cursor",
            "pagination: {kind: cursor, cursor_param: after, cursor_path: meta.next}",
            25,
            &["", "after=c=10", "after=c=20"],
        ),
        (
            "cursor",
            "params: {q: x}\npagination: {kind: cursor, cursor_param: after, cursor_path: meta.next, page_size: 10}",
            25,
            &["q=x&limit=10", "q=x&limit=10&after=c=10", "q=x&limit=10&after=c=20"],
        ),
        ("cursor", "pagination: {kind: cursor, cursor_param: after, cursor_path: meta.next, max_pages: 1}", 10, &[""]),
        ("links", "pagination: {kind: link_header, size_param: per_page}", 25, &["per_page=100", "at=10", "at=20"]),
        ("next", "pagination: {kind: next_url, next_url_path: paging.next}", 25, &["", "at=10", "at=20"]),
        // A page without records is an end only where nothing points to another.
        ("holes", "pagination: {kind: cursor, cursor_param: c, cursor_path: next}", 3, &["", "c=1", "c=2", "c=3"]),
        ("page?page=2", "pagination: {kind: none}", 10, &["page=2"]),
        ("one", "pagination: {kind: none, results_key: ''}", 1, &[""]),
    ];
    for (endpoint, options, rows, requests) in cases {
        let before = server.requests().len();
        let pulled = pull(&config(&server, endpoint, options), &context(&[]), None)
            .await
            .unwrap_or_else(|err| panic!("{endpoint}, {options}: {err:?}"));
        let first = pulled.ids()[0];
        assert_eq!(pulled.ids(), (first..first + *rows as i64).collect::<Vec<_>>(), "{endpoint}, {options}");
        let asked: Vec<_> = server.requests()[before..].iter().map(query).collect();
        assert_eq!(asked, *requests, "{endpoint}, {options}");
    }
}

#[tokio::test]
async fn pages_that_would_never_end_are_an_error() {
    let server = HttpServer::start(|request| match request.path.as_str() {
        "/same" => HttpResponse::json(&json!({"results": items(0..3), "page": request.param("page")})),
        "/wraps" => {
            let page = request.number("page").unwrap() % 3;
            HttpResponse::json(&json!({"results": items(page..page + 1)}))
        }
        "/cursor" => HttpResponse::json(&json!({"results": items(0..1), "next": "again"})),
        "/itself" => HttpResponse::json(&json!({"results": [], "next": "/itself?x=1"})),
        "/empty" => HttpResponse::json(&json!({"results": [], "next": request.number("cursor").unwrap_or(0) + 1})),
        "/deaf" => {
            let next = request.number("cursor").unwrap_or(0) + 1;
            HttpResponse::json(&json!({"results": items(0..1), "next": next}))
        }
        _ => HttpResponse::json(&items(0..1))
            .header("link", format!("<{}?at={}>; rel=next", request.path, (request.number("at").unwrap_or(0) + 1) % 2)),
    });
    for (endpoint, options, want, most) in [
        (
            "same",
            "",
            "the same page came again, so the reading would never end [the API does not seem to heed `page`",
            2,
        ),
        ("same", "pagination: {kind: offset}", "the same page came again", 2),
        ("wraps", "", "the same page came again", 12),
        ("cursor", "pagination: {kind: cursor, cursor_path: next}", "the pages lead in a circle", 3),
        ("itself", "pagination: {kind: next_url}", "the pages lead in a circle", 3),
        ("links", "pagination: {kind: link_header}", "would never end", 6),
        ("deaf", "pagination: {kind: cursor, cursor_path: next}", "3 pages in a row held the same records", 3),
        ("empty", "pagination: {kind: cursor, cursor_path: next}", "100 pages in a row held no record", 100),
    ] {
        let before = server.requests().len();
        let err = pull(&config(&server, endpoint, options), &context(&[]), None).await.unwrap_err();
        expect(&told(&err), &["P3004", want]);
        assert!(server.requests().len() - before <= most, "{endpoint}: {}", server.requests().len() - before);
    }
}

/// What a reading logs.
fn listening() -> (SourceContext, Arc<Mutex<Vec<String>>>) {
    let logged = Arc::new(Mutex::new(Vec::new()));
    let emitter = Emitter::new({
        let logged = logged.clone();
        move |event| {
            logged.lock().unwrap().push(format!("{:?}", event.payload));
            Ok(())
        }
    });
    (SourceContext { emitter, ..context(&[]) }, logged)
}

#[tokio::test]
async fn a_misspelt_place_of_what_leads_on_does_not_pass_for_the_last_page() {
    let server = HttpServer::start(api);
    // The options, rows, and the warning; or the error.
    type Case<'a> = (&'a str, &'a str, Result<(usize, &'a str), &'a [&'a str]>);
    let cases: &[Case<'_>] = &[
        (
            "cursor",
            "pagination: {kind: cursor, cursor_param: after, cursor_path: meta.nxt, page_size: 10}",
            Err(&[
                "P3004",
                "`meta.nxt`, which `pagination.cursor_path` names, is in no answer",
                "(keys: results, meta)",
                "[check",
            ]),
        ),
        (
            "cursor",
            "pagination: {kind: cursor, cursor_param: after, cursor_path: meta.nxt}",
            Ok((10, "`meta.nxt`, which `pagination.cursor_path` names, is in no answer (keys: results, meta)")),
        ),
        ("next", "pagination: {kind: next_url}", Ok((10, "`next`, which `pagination.next_url_path` names"))),
        (
            "page",
            "pagination: {has_next_key: more, page_size: 10}",
            Ok((25, "`more`, which `pagination.has_next_key` names, is in no answer")),
        ),
        // Where it was there once, be it as null, nothing is amiss.
        ("cursor", "pagination: {kind: cursor, cursor_param: after, cursor_path: meta.next}", Ok((25, ""))),
        ("next", "pagination: {kind: next_url, next_url_path: paging.next}", Ok((25, ""))),
        ("page", "pagination: {has_next_key: has_next}", Ok((25, ""))),
        ("silent", "pagination: {page_size: 10}", Ok((25, ""))),
    ];
    for (endpoint, options, want) in cases {
        let (context, logged) = listening();
        let pulled = pull(&config(&server, endpoint, options), &context, None).await;
        let logged = logged.lock().unwrap().concat();
        match (pulled, want) {
            (Ok(pulled), Ok((rows, warning))) => {
                assert_eq!(pulled.rows.len(), *rows, "{options}");
                assert!(logged.contains(warning) && logged.is_empty() == warning.is_empty(), "{options}: {logged}");
            }
            (Err(err), Err(want)) => expect(&told(&err), want),
            (pulled, want) => panic!("{options}: {pulled:?}, not {want:?}"),
        }
    }
}

#[tokio::test]
async fn max_pages_with_incremental_never_leaves_older_records_behind() {
    // Ascending, or the newest first.
    let server = HttpServer::start(|request| {
        let (page, newest_first) = (request.number("page").unwrap(), request.path == "/newest");
        let ids: Vec<_> = (0..30).filter(|id| request.number("since").is_none_or(|since| *id > since)).collect();
        let ids: Vec<_> = if newest_first { ids.into_iter().rev().collect() } else { ids };
        let records: Value = ids.iter().skip((page - 1) * 10).take(10).map(|id| json!({"id": id})).collect();
        HttpResponse::json(&json!({"results": records}))
    });
    let options = "pagination: {max_pages: 2}\nincremental: {column: id, param: since}";
    let first = pull(&config(&server, "oldest", options), &context(&[]), None).await.unwrap();
    let second = pull(&config(&server, "oldest", options), &context(&[]), first.cursor.clone()).await.unwrap();
    assert_eq!((first.ids(), second.ids()), ((0..20).collect(), (20..30).collect()));
    let err = pull(&config(&server, "newest", options), &context(&[]), None).await.unwrap_err();
    expect(
        &told(&err),
        &["P1004", "page 2", "`pagination.max_pages` ended the reading", "would never be read", "[have the API sort"],
    );
    // All that is new is on the pages that are read.
    let whole = options.replace("max_pages: 2", "max_pages: 9");
    assert_eq!(pull(&config(&server, "newest", &whole), &context(&[]), None).await.unwrap().rows.len(), 30);
}

#[tokio::test]
async fn a_batch_is_no_larger_for_records_that_are() {
    let server = HttpServer::start(|_| {
        let records: Value = (0..6).map(|id| json!({"id": id, "text": "x".repeat(6 << 20)})).collect();
        HttpResponse::json(&records)
    });
    let config = config(&server, "items", "pagination: {kind: none}");
    let request = ReadRequest { batch_rows: 8192, ..ReadRequest::default() };
    let mut reading = source().read(&config, &context(&[]), request).await.unwrap();
    let batches: Vec<_> = reading.streams.pop().unwrap().try_collect().await.unwrap();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [3, 3]);
}

#[tokio::test]
async fn a_timeout_is_a_time_span_or_a_map_of_both() {
    let parse = |timeout: &str| {
        let text = format!("base_url: http://a\nendpoint: x\ntimeout: {timeout}");
        Node::parse(&text, "a.yaml", 1).unwrap().read::<phlo_source_rest::RestConfig>()
    };
    for (text, connect, request) in [
        ("300ms", 10_000, 300),
        ("45", 10_000, 45_000),
        ("0.5", 10_000, 500),
        ("{request: 2m, connect: 1}", 1_000, 120_000),
    ] {
        let timeout = parse(text).unwrap().timeout;
        assert_eq!((timeout.connect.0.as_millis(), timeout.request.0.as_millis()), (connect, request), "{text}");
    }
    for (text, want) in [("soon", "`500ms`"), ("{reqest: 1}", "unknown key `reqest`"), ("[1]", "a time span such as")] {
        let err = parse(text).unwrap_err();
        assert!(format!("{err}").contains(want), "{text}: {err}");
    }
}

/// A server whose n-th answer is the n-th of these; the last one again and again.
fn script(answers: Vec<HttpResponse>) -> HttpServer {
    let next = AtomicUsize::new(0);
    HttpServer::start(move |_| answers[next.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1)].clone())
}

fn good() -> HttpResponse {
    HttpResponse::json(&json!({"results": [{"id": 1}], "has_next": false}))
}

fn status(status: u16) -> HttpResponse {
    HttpResponse::status(status)
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_what_will_not_is_told_at_once() {
    let late = |answer: HttpResponse, wait: &str| answer.header("Retry-After", wait);
    let html = status(200).header("content-type", "text/html").body("<html>\n  <b>log in</b></html>");
    // The options, the error (nothing: the row came), requests.
    type Case<'a> = (Vec<HttpResponse>, &'a str, &'a [&'a str], usize);
    let cases: Vec<Case<'_>> = vec![
        (vec![status(503), status(503), good()], "", &[], 3),
        (vec![status(500), status(502), status(408), good()], "", &[], 4),
        (vec![late(status(429), "0"), good()], "", &[], 2),
        (vec![late(status(503), "Wed, 21 Oct 2015 07:28:00 GMT"), good()], "", &[], 2),
        (vec![good().truncated(), good()], "", &[], 2),
        (vec![HttpResponse::never(), good()], "timeout: {request: 200ms}", &[], 2),
        // Given up.
        (
            vec![status(503)],
            "",
            &["P3006", "the server answered 503 Service Unavailable", "attempts: 4", "[try again later"],
            4,
        ),
        (vec![status(429)], "retry: {max_attempts: 2, delay: 0.001}", &["P3006", "attempts: 2"], 2),
        (vec![status(500).body("boom")], "retry: {max_attempts: 1}", &["P3005", "answer: boom"], 1),
        (vec![late(status(429), "3600"), good()], "", &["P3006", "asks to wait: 1h", "[run again after that"], 1),
        (
            vec![good().truncated()],
            "retry: {max_attempts: 1}",
            &["P3001", "the answer broke off", "[try again later"],
            1,
        ),
        (
            vec![HttpResponse::never()],
            "timeout: {request: 0.2}\nretry: {max_attempts: 1}",
            &["P3006", "no whole answer within 200ms", "[raise `timeout.request`"],
            1,
        ),
        (
            vec![status(200), good().truncated()],
            "retry: {max_attempts: 2, delay: 0}",
            &["P3001", "the answer broke off"],
            2,
        ),
        (
            vec![status(200)],
            "retry: {max_attempts: 2, delay: 0}",
            &["P3004", "the server answered 200 OK and sent nothing", "[try again later"],
            2,
        ),
        // Not tried again.
        (
            vec![HttpResponse::status(200).body(r#"{"results": [1;"#)],
            "",
            &["P3004", "the answer is not JSON", "[check `base_url`"],
            1,
        ),
        (
            vec![status(400).body("page must be\na number"), good()],
            "",
            &["P3005", "answered 400 Bad Request", "answer: page must be a number", "[check `params`, `pagination`"],
            1,
        ),
        (vec![status(401), good()], "", &["P3002", "[set `auth_token`"], 1),
        (vec![status(403), good()], "auth_token: wrong", &["P3002", "[check the variable that holds `auth_token`"], 1),
        (
            vec![status(404), good()],
            "",
            &[
                "P3003",
                "reading page 1 of http://127.0.0.1:",
                "/items: the server answered 404 Not Found",
                "[check `base_url` and `endpoint`]",
            ],
            1,
        ),
        (vec![status(304)], "", &["P3005", "304"], 1),
        (
            vec![html],
            "",
            &["P3004", "the answer is not JSON", "content type: text/html", "answer: <html> <b>log in</b></html>"],
            1,
        ),
        (
            vec![HttpResponse::status(200).body(r#"{"results": [1"#)],
            "retry: {max_attempts: 2, delay: 0}",
            &["P3004", "the answer ends in the middle (bytes: 14", "line 1 column 14", "[try again later"],
            2,
        ),
        (
            vec![HttpResponse::json(&json!({"data": [], "total": 0}))],
            "",
            &[
                "P3004",
                "the answer holds no `results` (keys: data, total)",
                "[say where the records are with `pagination.results_key`]",
            ],
            1,
        ),
        (
            vec![HttpResponse::json(&json!({"results": {"a": 1}}))],
            "",
            &["P3004", "`results` in the answer is no list: it is an object"],
            1,
        ),
        (vec![HttpResponse::json(&json!(7))], "", &["P3004", "the answer holds no `results` (answer: a number)"], 1),
        (
            vec![HttpResponse::json(&json!([1]))],
            "pagination: {kind: none}",
            &["P3004", "reading page 1 of http", "the record is no object: it is a number (record: 1, value: 1)"],
            1,
        ),
        (
            vec![HttpResponse::json(&json!({"results": [], "next": "http://["}))],
            "pagination: {kind: next_url}",
            &["P3004", "next leads to no URL", "[where it stands"],
            1,
        ),
        (
            vec![HttpResponse::json(&json!({"results": [], "next": ["x"]}))],
            "pagination: {kind: next_url}",
            &["P3004", "`next` holds no pointer to the next page", "[check `pagination`"],
            1,
        ),
        (
            vec![HttpResponse::json(&json!({"results": [], "has_next": true}))],
            "pagination: {kind: cursor, cursor_path: nxt}",
            &["P3004", "no cursor at `nxt`"],
            1,
        ),
        (
            vec![status(302).header("location", "/items")],
            "",
            &["P3005", "the server redirects more than 10 times", "[set `base_url`"],
            11,
        ),
        (
            vec![status(302).header("location", "file:///etc/hosts")],
            "",
            &["P3005", "302 Found to nowhere", "[it redirects"],
            1,
        ),
    ];
    for (answers, options, want, requests) in cases {
        let server = script(answers);
        let result = pull(&config(&server, "items", options), &context(&[]), None).await;
        match result {
            Ok(pulled) => assert!(want.is_empty() && pulled.ids() == [1], "{want:?}: {pulled:?}"),
            Err(err) => {
                assert!(!want.is_empty(), "{err:?}");
                expect(&told(&err), want);
                assert!(!err.is_retryable(), "the asset's own retry would begin again: {err:?}");
            }
        }
        assert_eq!(server.requests().len(), requests, "{want:?}");
    }
}

#[tokio::test]
async fn a_later_page_that_fails_fails_the_reading_and_leaves_no_cursor() {
    let server = script(vec![HttpResponse::json(&json!({"results": items(0..1000), "has_next": true})), status(404)]);
    let config = config(&server, "items", "incremental: {column: id}");
    let mut reading = source()
        .read(&config, &context(&[]), ReadRequest { batch_rows: 1000, ..ReadRequest::default() })
        .await
        .unwrap();
    let outcomes: Vec<_> = reading.streams.pop().unwrap().collect().await;
    assert_eq!(outcomes.len(), 2);
    assert_eq!(outcomes[0].as_ref().unwrap().num_rows(), 1000);
    expect(&told(outcomes[1].as_ref().unwrap_err()), &["P3003", "reading page 2 of", "[if this is how the API ends"]);
    assert_eq!(reading.checkpoint.get(), None);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_with_its_address() {
    let server = HttpServer::start(api);
    let config = config(&server, "page", "retry: {max_attempts: 2, delay: 0}");
    let address = server.url("").replace("http://", "");
    drop(server);
    let err = pull(&config, &context(&[]), None).await.unwrap_err();
    expect(
        &told(&err),
        &[
            "P3001",
            &format!("no connection to {address}: Connection refused"),
            "attempts: 2",
            "[check that the server runs",
        ],
    );
    assert!(!err.is_retryable());
}

#[tokio::test]
async fn the_first_request_is_what_the_config_says() {
    let server = HttpServer::start(|_| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(br#"{"results": [{"id": 1}], "has_next": false}"#).unwrap();
        HttpResponse::status(200).header("content-encoding", "gzip").body(gzip.finish().unwrap())
    });
    let options = "
method: post
body: {filter: {origin: [JFK, LGA]}, deep: true}
params: {q: a b&c, n: 5, x: 0.5, yes: true, tag: [one, 2]}
headers: {X-Api-Key: k3y, accept: application/vnd.api+json}
auth_token: t0ken
pagination: {kind: none}";
    let pulled = pull(&config(&server, "/items", options), &context(&[]), None).await.unwrap();
    assert_eq!(pulled.ids(), [1]);
    let [request] = &server.requests()[..] else { panic!("{:?}", server.requests()) };
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/items"));
    assert_eq!(query(request), "n=5&q=a b&c&tag=one&tag=2&x=0.5&yes=true");
    assert_eq!(
        serde_json::from_slice::<Value>(&request.body).unwrap(),
        json!({"filter": {"origin": ["JFK", "LGA"]}, "deep": true})
    );
    for (name, value) in [
        ("authorization", "Bearer t0ken"),
        ("x-api-key", "k3y"),
        ("accept", "application/vnd.api+json"),
        ("accept-encoding", "gzip"),
        ("content-type", "application/json"),
        ("user-agent", concat!("phlo/", env!("CARGO_PKG_VERSION"))),
    ] {
        assert_eq!(request.header(name), Some(value), "{name}");
    }
}

#[tokio::test]
async fn credentials_go_to_no_other_host() {
    let other = HttpServer::start(|request| match request.path.as_str() {
        "/moved" => HttpResponse::json(&json!({"results": items(0..1)})),
        "/locked" => HttpResponse::status(401),
        _ => HttpResponse::json(&json!({"results": items(1..2), "next": null})),
    });
    let (next, moved, locked) = (other.url("/page-2"), other.url("/moved"), other.url("/locked"));
    let server = HttpServer::start(move |request| match request.path.as_str() {
        "/items" => HttpResponse::json(&json!({"results": items(0..1), "next": next})),
        "/locked" => HttpResponse::json(&json!({"results": items(0..1), "next": locked})),
        _ => HttpResponse::status(307).header("location", moved.clone()),
    });
    let secrets = "auth_token: t0ken-t0ken\nheaders: {X-Api-Key: k3y-k3y}\n";
    let run = async |endpoint: &str, options: &str| {
        pull(&config(&server, endpoint, &format!("{secrets}{options}")), &context(&[]), None).await
    };
    assert_eq!(run("items", "pagination: {kind: next_url}").await.unwrap().ids(), [0, 1]);
    assert_eq!(run("moved", "pagination: {kind: none}").await.unwrap().ids(), [0]);
    let err = run("locked", "pagination: {kind: next_url}").await.unwrap_err();
    expect(&told(&err), &["P3002", "is not `base_url`'s host, so neither `auth_token` nor `headers` were sent to it"]);
    let err = run("moved", "method: post\nbody: {a: 1}\npagination: {kind: none}").await.unwrap_err();
    expect(&told(&err), &["P3005", "the API leads to another host"]);
    for request in server.requests() {
        assert_eq!(
            (request.header("authorization"), request.header("x-api-key")),
            (Some("Bearer t0ken-t0ken"), Some("k3y-k3y"))
        );
    }
    assert_eq!(other.requests().len(), 3);
    for request in other.requests() {
        assert_eq!((request.header("authorization"), request.header("x-api-key")), (None, None), "{request:?}");
    }
}

#[tokio::test]
async fn secrets_are_in_no_error_log_origin_or_debug_output() {
    let secrets = ["s3cret-token", "s3cret-key", "s3cret-param"];
    // A server that throws back everything it was sent, in every way that ends in an error.
    let server = HttpServer::start(|request| {
        let echo = format!("{:?} {:?}", request.headers, request.query);
        match request.path.as_str() {
            "/refused" => HttpResponse::status(400).body(echo),
            "/broken" => HttpResponse::status(503).body(echo),
            "/text" => {
                HttpResponse::status(200).header("content-type", request.header("x-api-key").unwrap()).body(echo)
            }
            "/keys" => HttpResponse::json(&json!({request.header("x-api-key").unwrap(): 1})),
            "/pointer" => HttpResponse::json(&json!({"results": [], "next": [echo]})),
            "/value" => HttpResponse::json(&json!({"results": [{"id": 1}, {"id": echo}]})),
            _ => HttpResponse::json(&json!({"results": [{"id": 1, request.header("x-api-key").unwrap(): 1}]})),
        }
    });
    for endpoint in ["refused", "broken", "text", "keys", "pointer", "value", "field"] {
        let options = "auth_token: s3cret-token\nheaders: {X-Api-Key: s3cret-key}\nparams: {key: s3cret-param}\npagination: {kind: next_url}\nextra_fields: refuse";
        let text = format!(
            "base_url: {}\nendpoint: {endpoint}\nretry: {{delay: 0, max_attempts: 2}}\n{options}",
            server.url("")
        );
        let parsed: phlo_source_rest::RestConfig = Node::parse(&text, "a.yaml", 1).unwrap().read().unwrap();
        let debug = format!("{:?} {:?}", parsed.headers, parsed.auth_token);
        let logged = Arc::new(Mutex::new(Vec::new()));
        let context = SourceContext {
            emitter: Emitter::new({
                let logged = logged.clone();
                move |event| {
                    logged.lock().unwrap().push(format!("{event:?}"));
                    Ok(())
                }
            }),
            ..context(&[("id", "int64")])
        };
        // The platform knows the values of variables.
        context.redactor.add("s3cret-param");
        let config = config(&server, endpoint, &format!("{options}\nretry: {{delay: 0, max_attempts: 2}}"));
        let err = pull(&config, &context, None).await.unwrap_err();
        let logged = logged.lock().unwrap().concat();
        assert!(endpoint != "broken" || !logged.is_empty());
        let all = format!("{debug} {logged} {} {err:?} {:?}", told(&err), err.context());
        for secret in secrets {
            assert!(!all.contains(secret), "{endpoint}: {all}");
        }
    }
}

/// A server of these pages of records.
fn pages(pages: Vec<Value>) -> HttpServer {
    HttpServer::start(move |request| {
        let page = request.number("page").unwrap();
        HttpResponse::json(&json!({"results": pages[page - 1], "has_next": page < pages.len()}))
    })
}

#[tokio::test]
async fn every_value_arrives_in_its_column_or_is_an_error_at_its_place() {
    let many = items(0..1000);
    // The pages, declared columns, options; the schema and the last row, or the error.
    type Case<'a> = (Vec<Value>, &'a [(&'a str, &'a str)], &'a str, Result<(&'a str, Value), &'a [&'a str]>);
    let cases: Vec<Case<'_>> = vec![
        (
            vec![
                json!([{"id": 1, "x": null, "at": "2013-01-01"}]),
                json!([{"id": 2, "x": 0.5, "tags": ["a"], "who": {"n": 1}}]),
            ],
            &[],
            "",
            Ok((
                "id: int64, at: string, x: float64, tags: string, who: string",
                json!({"id": 2, "x": 0.5, "tags": "[\"a\"]", "who": "{\"n\":1}"}),
            )),
        ),
        (
            vec![json!([{"b": "true", "id": "7", "at": "2013-01-01T10:00:00Z", "price": 1.5}])],
            &[("at", "timestamptz"), ("price", "decimal(9, 2)"), ("id", "int32"), ("absent", "date")],
            "",
            Ok((
                "b: string, id: int32, at: timestamptz, price: decimal(9, 2), absent: date",
                json!({"b": "true", "id": 7, "at": "2013-01-01T10:00:00Z", "price": 1.50}),
            )),
        ),
        (
            vec![json!([{"x": "NA", "y": ""}, {"x": 1, "y": 2}])],
            &[],
            "null_values: [NA, '']",
            Ok(("x: int64, y: int64", json!({"x": 1, "y": 2}))),
        ),
        (vec![json!([{"a": 1, "b": 2}])], &[("a", "int64")], "extra_fields: ignore", Ok(("a: int64", json!({"a": 1})))),
        (
            vec![json!([{"a": 1, "b": null}])],
            &[("a", "int64")],
            "extra_fields: refuse",
            Ok(("a: int64", json!({"a": 1}))),
        ),
        (
            vec![json!([{"a": 1, "b": 2}])],
            &[("a", "int64")],
            "extra_fields: refuse",
            Err(&[
                "P3004",
                "the field `b` is not declared (record: 1, value: 2)",
                "[declare it: `columns: {b: int64}`, or set `extra_fields: ignore`]",
            ]),
        ),
        (
            vec![many.clone(), json!([{"id": 1, "new": null}, {"id": 2, "new": "x"}])],
            &[],
            "",
            Err(&[
                "P3004",
                "the field `new` first appears after the records that tell the columns (record: 2, value: \"x\")",
                "[declare it: `columns: {new: string}`]",
            ]),
        ),
        (
            vec![many.clone(), json!([{"id": 1.5}])],
            &[],
            "",
            Err(&[
                "P3004",
                "a value does not fit the column `id` of type int64 (record: 1, value: 1.5)",
                "`columns: {id: float64}`",
            ]),
        ),
        (
            vec![many.clone(), json!([{"id": "x".repeat(100)}])],
            &[],
            "",
            Err(&["P3004", "value: \"xxx", "xx…", "`columns: {id: string}`"]),
        ),
        (vec![many, json!([{"id": 1.5}])], &[("id", "float64")], "", Ok(("id: float64", json!({"id": 1.5})))),
        (
            vec![json!([{"at": "soon"}])],
            &[("at", "timestamp")],
            "",
            Err(&["P3004", "does not fit the column `at` of type timestamp (record: 1, value: \"soon\")"]),
        ),
        (vec![json!([{"a": 1}])], &[("a", "binary")], "", Err(&["P1004", "the column `a` is declared as binary"])),
        (vec![json!([{"a": 1}])], &[], "extra_fields: ignore", Err(&["P1004", "`extra_fields` leaves no column"])),
    ];
    for (data, columns, options, want) in cases {
        let server = pages(data);
        let (config, context) = (config(&server, "items", options), context(columns));
        match (pull(&config, &context, None).await, want) {
            (Ok(pulled), Ok((schema, last))) => {
                assert_eq!((pulled.schema.as_str(), pulled.rows.last()), (schema, Some(&last)));
                let known = source().schema(&config, &context).await.unwrap().unwrap();
                assert_eq!(describe(&known), schema, "`schema` and `read` disagree");
            }
            (Err(err), Err(want)) => expect(&told(&err), want),
            (got, want) => panic!("{got:?}, not {want:?}"),
        }
    }
}

#[tokio::test]
async fn a_schema_is_known_offline_only_if_the_declared_columns_are_all_there_is() {
    let server = HttpServer::start(|_| HttpResponse::json(&json!({"results": [], "has_next": false})));
    for (columns, options, offline, online) in [
        (&[][..], "", None, None),
        (&[("a", "int64")][..], "", None, Some("a: int64")),
        (
            &[("b", "date"), ("a", "int64")][..],
            "extra_fields: refuse",
            Some("a: int64, b: date"),
            Some("a: int64, b: date"),
        ),
    ] {
        let config = config(&server, "items", options);
        for (offline, want) in [(true, offline), (false, online)] {
            let context = SourceContext { offline, ..context(columns) };
            let schema = source().schema(&config, &context).await.unwrap();
            assert_eq!(schema.map(|it| describe(&it)).as_deref(), want, "{options}, {columns:?}, offline {offline}");
        }
    }
    assert_eq!(server.requests().len(), 2, "a request was made offline, or for a schema that is declared");
}

#[tokio::test]
async fn a_second_pull_fetches_only_what_is_new() {
    // Eight records now, twelve later; ids 0 to 11. `since` is exclusive, inclusive, or not heeded.
    let size = Arc::new(AtomicUsize::new(8));
    let server = HttpServer::start({
        let size = size.clone();
        move |request| {
            let since = request.param("since").map(|text| text.trim_start_matches('t').parse().unwrap());
            let from = match request.path.as_str() {
                "/inclusive" => since.unwrap_or(0),
                "/deaf" => 0,
                _ => since.map_or(0, |id| id + 1),
            };
            let records: Value = (from..size.load(Ordering::SeqCst)).map(|id| json!({"id": id, "at": {"key": format!("t{id:02}")}, "x": if id < 8 { json!(0.5) } else { Value::Null }})).collect();
            HttpResponse::json(&json!({"results": records}))
        }
    });
    for (endpoint, incremental, first, second, value) in [
        ("exclusive", "{column: id, param: since}", "", "since=7", json!(11)),
        ("inclusive", "{column: id, param: since}", "", "since=7", json!(11)),
        ("deaf", "{column: id, param: since, initial: 0}", "since=0", "since=7", json!(11)),
        ("deaf", "{column: id}", "", "", json!(11)),
        ("exclusive", "{column: at.key, param: since, initial: t00}", "since=t00", "since=t07", json!("t11")),
    ] {
        size.store(8, Ordering::SeqCst);
        let config = config(&server, endpoint, &format!("incremental: {incremental}\npagination: {{kind: none}}"));
        let before = server.requests().len();
        let one = pull(&config, &context(&[]), None).await.unwrap();
        let again = pull(&config, &context(&[]), one.cursor.clone()).await.unwrap();
        size.store(12, Ordering::SeqCst);
        let two = pull(&config, &context(&[]), one.cursor.clone()).await.unwrap();
        let asked: Vec<_> = server.requests()[before..].iter().map(query).collect();
        assert_eq!(asked, [first, second, second], "{endpoint}, {incremental}");
        let from = i64::from(first == "since=t00");
        assert_eq!(one.ids(), (from..8).collect::<Vec<_>>());
        assert_eq!((again.ids(), &again.cursor), (vec![], &one.cursor), "nothing new");
        assert_eq!(two.ids(), [8, 9, 10, 11], "{endpoint}, {incremental}");
        assert_eq!(two.cursor.unwrap()["value"], value);
        // What the later records do not show stays as the first pull found it.
        assert_eq!(
            (one.schema.as_str(), &again.schema, &two.schema),
            ("id: int64, at: string, x: float64", &one.schema, &one.schema)
        );
    }
}

#[tokio::test]
async fn a_cursor_that_cannot_be_followed_is_an_error() {
    let record = Arc::new(Mutex::new(json!({"id": 1, "at": "x"})));
    let server = HttpServer::start({
        let record = record.clone();
        move |_| HttpResponse::json(&json!([*record.lock().unwrap()]))
    });
    let options = |column: &str| format!("incremental: {{column: {column}}}\npagination: {{kind: none}}");
    let cursor = pull(&config(&server, "items", &options("id")), &context(&[]), None).await.unwrap().cursor;
    for (column, next, cursor, want) in [
        (
            "at",
            json!({"id": 2, "at": "y"}),
            cursor.clone(),
            "P1004 the last pull followed `id`, and `incremental.column` is now `at` [rebuild the table with `--full-refresh`]",
        ),
        (
            "id",
            json!({"id": "2"}),
            cursor.clone(),
            "`id`, which `incremental` follows, is a text here and was a number before (record: 1)",
        ),
        (
            "id",
            json!({"id": null}),
            cursor.clone(),
            "`id`, which `incremental` follows, is null (record: 1) [follow a column that every record has]",
        ),
        ("id", json!({"at": "y"}), cursor, "`id`, which `incremental` follows, is not there (record: 1)"),
        (
            "id",
            json!({"id": 2}),
            Some(json!({"offset": 3})),
            "P1004 the cursor of the last pull is not one of this source",
        ),
    ] {
        *record.lock().unwrap() = next;
        let err = pull(&config(&server, "items", &options(column)), &context(&[]), cursor).await.unwrap_err();
        expect(&told(&err), &[want]);
    }
}

#[tokio::test]
async fn dropping_the_stream_or_cancelling_the_run_ends_the_requests() {
    for cancelled in [false, true] {
        let server = HttpServer::start(|request| match request.number("page").unwrap() {
            1 => HttpResponse::json(&json!({"results": items(0..1000), "has_next": true})),
            _ => HttpResponse::never(),
        });
        let (config, context) = (config(&server, "items", ""), context(&[]));
        let mut reading =
            source().read(&config, &context, ReadRequest { batch_rows: 1000, ..ReadRequest::default() }).await.unwrap();
        assert_eq!(reading.streams[0].next().await.unwrap().unwrap().num_rows(), 1000);
        // The next page is asked for while nobody waits for it.
        server.asked(2).await;
        if cancelled {
            context.cancel.cancel();
            let err = reading.streams[0].next().await.unwrap().unwrap_err();
            assert_eq!(err.code(), Code::Interrupted);
        }
        drop(reading);
        server.idle().await;
        assert_eq!(server.requests().len(), 2);
    }
}

#[tokio::test]
async fn a_connection_is_tested_with_one_request() {
    let server = HttpServer::start(|request| match request.path.as_str() {
        "/good" => HttpResponse::json(&json!({"results": items(0..1), "has_next": true})),
        "/busy" => HttpResponse::status(503),
        _ => HttpResponse::status(401),
    });
    for (endpoint, want) in [("good", None), ("busy", Some(Code::RemoteBusy)), ("locked", Some(Code::AuthFailed))] {
        let before = server.requests().len();
        let tested = source().test_connection(&config(&server, endpoint, ""), &context(&[])).await;
        assert_eq!(tested.err().map(|err| err.code()), want);
        assert_eq!(server.requests().len(), before + 1);
    }
}

#[test]
fn a_config_that_cannot_work_is_refused_before_any_request() {
    for (text, want) in [
        ("endpoint: x", "a.yaml:1:1: P1003 missing key `base_url`"),
        (
            "base_url: http://a\nendpoint: x\npagination: {pagesize: 1}",
            "a.yaml:3:14: P1002 unknown key `pagesize` [did you mean `page_size`?]",
        ),
        (
            "base_url: http://a\nendpoint: x\npagination: {kind: pages}",
            "a.yaml:3:20: P1004 unknown value `pages` [did you mean `page`?]",
        ),
        (
            "base_url: http://a\nendpoint: x\nparams: {a: {b: 1}}",
            "a.yaml:3:13: P1004 expected a text, a number, true or false, or a list of them",
        ),
        ("base_url: http://a\nendpoint: x\ntimeout: {request: soon}", "a.yaml:3:20: P1004 expected seconds"),
        ("base_url: http://a\nendpoint: x\ntimeout: {request: -1}", "a.yaml:3:20: P1004 expected seconds"),
        ("base_url: http://a\nendpoint: x\ntimeout: {request: 0}", "a.yaml:1:1: P1004 `timeout.request` is 0"),
        ("base_url: http://a\nendpoint: x\nretry: {max_attempts: 0}", "P1004 `retry.max_attempts` is 0"),
        (
            "base_url: ftp://a\nendpoint: x",
            "P1004 `base_url` begins with `ftp:` [a REST API is at http:// or https://]",
        ),
        ("base_url: api.example.com\nendpoint: x", "P1004 `base_url` is not a URL"),
        ("base_url: localhost:8099\nendpoint: x", "P1004 `base_url` begins with `localhost:`"),
        ("base_url: https://u:hunter2@a\nendpoint: x", "P1004 `base_url` holds a user or password [use `auth_token`"),
        (
            "base_url: https://a?k=hunter2\nendpoint: x",
            "P1004 `base_url` holds a query or fragment [write query parameters under `params`]",
        ),
        ("base_url: https://a\nendpoint: https://b/x", "P1004 `endpoint` is a whole URL"),
        ("base_url: https://a\nendpoint: x\nbody: {}", "P1015 `body` is not sent with a `get` [add `method: post`]"),
        ("base_url: https://a\nendpoint: x\nheaders: {'a b': c}", "P1004 `a b` is not a header's name"),
        (
            "base_url: https://a\nendpoint: x\nheaders: {a: \"hunter2\\n\"}",
            "P1004 `headers.a` holds a character that a header cannot",
        ),
        ("base_url: https://a\nendpoint: x\nheaders: {a: b, A: b}", "is given twice"),
        (
            "base_url: https://a\nendpoint: x\nauth_token: \"hunter2\\n\"",
            "P1004 `auth_token` holds a character that a header cannot [look for a line break",
        ),
        (
            "base_url: https://a\nendpoint: x\nauth_token: hunter2\nheaders: {authorization: hunter2}",
            "P1004 `auth_token` and `headers.Authorization` are both set",
        ),
        (
            "base_url: https://a\nendpoint: x\nparams: {page: 2}",
            "P1004 the query parameter `page` would be sent for two purposes",
        ),
        (
            "base_url: https://a\nendpoint: x\nincremental: {column: id, param: limit}",
            "P1004 the query parameter `limit` would be sent for two purposes",
        ),
        (
            "base_url: https://a\nendpoint: x\nincremental: {column: id, initial: 1}",
            "P1015 `incremental.initial` is not sent without `incremental.param`",
        ),
        (
            "base_url: https://a\nendpoint: x\npagination: {cursor_path: next}",
            "P1015 `pagination.cursor_path` is not read when `kind` is `page` [it belongs to cursor]",
        ),
        (
            "base_url: https://a\nendpoint: x\npagination: {kind: none, page_size: 5}",
            "P1015 `pagination.page_size` is not read when `kind` is `none`",
        ),
        (
            "base_url: https://a\nendpoint: x\npagination: {kind: link_header, has_next_key: more}",
            "[it belongs to page, offset, cursor]",
        ),
        ("base_url: https://a\nendpoint: x\npagination: {kind: cursor}", "P1003 `pagination.cursor_path` is missing"),
        ("base_url: https://a\nendpoint: x\npagination: {page_size: 0}", "P1004 `pagination.page_size` is 0"),
        ("base_url: https://a\nendpoint: x\npagination: {page_param: ''}", "P1004 `pagination.page_param` is empty"),
        (
            "base_url: https://a\nendpoint: x\npagination: {size_param: '', page_size: 5}",
            "P1015 `pagination.page_size` is not sent",
        ),
    ] {
        let Err(err) = source().parse(&Node::parse(text, "a.yaml", 1).unwrap()) else { panic!("{text}") };
        let all = format!("{}: {}", err.place().unwrap(), told(&err));
        expect(&all, &[want]);
        // What is missing or not of the wanted type says so; everything else says what to do.
        let says = ["missing key", "expected "].iter().any(|what| all.contains(what));
        assert!(says || !err.hints().is_empty(), "no next step: {all}");
        assert!(!all.contains("hunter2"), "{all}");
    }
}
