//! What endpoints receive, tried on real servers.
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use phlo_hook_webhook::{Settings, WebhookHook};
use phlo_plugin::prelude::*;
use phlo_spec::event::LogLevel;
use phlo_spec::{AssetStatus, CheckOutcome, Event, EventKind, Payload};
use phlo_testkit::Recorder;
use phlo_testkit::fixture::{Project, asset_run, check_result, event, payload};
use phlo_testkit::http::{HttpRequest, HttpResponse, HttpServer};

/// The plugin, with a bus of its own.
struct Hook {
    plugin: WebhookHook,
    hooks: Vec<HookRegistration>,
    told: Recorder,
}

impl Hook {
    fn new(project: &Project, settings: &str) -> Self {
        Self::try_new(project, settings).unwrap()
    }

    fn try_new(project: &Project, settings: &str) -> Result<Self> {
        let told = Recorder::default();
        let context = InitContext { emitter: told.emitter(), ..project.context() };
        let settings: Settings = Node::parse(settings, "phlo.yaml", 1)?.read()?;
        let plugin = WebhookHook::create(settings, &context)?;
        let mut hooks = phlo_plugin::hook::Hook::hooks(&plugin)?;
        hooks.sort_by_key(|hook| hook.priority);
        Ok(Self { plugin, hooks, told })
    }

    fn tell(&self, event: &Event) {
        for hook in self.hooks.iter().filter(|hook| hook.filter.matches(event)) {
            (hook.handler)(event).unwrap();
        }
    }

    fn begin(&self) {
        self.tell(&event(payload(EventKind::RunStart, "bronze.flights"), "bronze.flights"));
    }

    fn close(&self) -> Result<()> {
        self.plugin.cleanup()
    }

    /// The warnings so far, of which the bus has heard.
    fn warnings(&self) -> Vec<String> {
        let lines = self.told.events().into_iter().filter_map(|event| match event.payload {
            Payload::TelemetryLog(line) if line.level == LogLevel::Warn => Some(line.message),
            _ => None,
        });
        lines.collect()
    }
}

/// Settings of one endpoint, `ops`, that is tried twice.
fn one(url: &str, more: &str) -> String {
    many(&[("ops", url, more)])
}

fn many(endpoints: &[(&str, &str, &str)]) -> String {
    let mut text = "drain: 30s\nendpoints:\n".to_owned();
    for (name, url, more) in endpoints {
        let retry = if more.contains("retry") { "" } else { "retry: {max_attempts: 2, delay: 1ms}, " };
        text += &format!("- {{name: {name}, url: '{url}', {retry}{more}}}\n");
    }
    text
}

fn ended() -> Event {
    event(payload(EventKind::RunEnd, "bronze.flights"), "bronze.flights")
}

fn events(count: usize) -> Vec<Event> {
    (0..count).map(|_| ended()).collect()
}

fn bodies(server: &HttpServer) -> Vec<String> {
    server.requests().into_iter().map(|request| String::from_utf8(request.body).unwrap()).collect()
}

fn ids(requests: &[HttpRequest]) -> Vec<String> {
    requests.iter().map(|request| request.header("webhook-id").unwrap().to_owned()).collect()
}

fn ids_of(events: &[Event]) -> Vec<String> {
    events.iter().map(|event| event.id.clone()).collect()
}

fn written(events: &[Event]) -> Vec<String> {
    events.iter().map(|event| serde_json::to_string(event).unwrap()).collect()
}

fn ok() -> HttpServer {
    HttpServer::start(|_| HttpResponse::status(204))
}

#[expect(clippy::disallowed_methods, reason = "a test that cannot run fails where everything must be there")]
fn is_ci() -> bool {
    std::env::var("CI").is_ok()
}

/// What an unsent event waits in.
const SPOOL: &str = ".phlo/webhook/ops.ndjson";

/// Opened once, by the test.
#[derive(Clone, Default)]
struct Latch(Arc<(Mutex<bool>, Condvar)>);

impl Latch {
    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        drop(self.0.1.wait_while(self.0.0.lock().unwrap(), |open| !*open).unwrap());
    }
}

#[test]
fn without_settings_there_is_no_handler() {
    let project = Project::new();
    assert!(Hook::new(&project, "{}").hooks.is_empty());
    assert!(Hook::new(&project, "endpoints: []").hooks.is_empty());
    assert!(!project.root().join(".phlo").exists());
}

#[test]
fn events_arrive_in_order_as_the_log_shows_them() {
    let (project, server) = (Project::new(), ok());
    let url = server.url("/hook?token=1");
    let hook = Hook::new(&project, &one(&url, "headers: {authorization: Bearer abc, x-more: yes it is}"));
    let mut sent = events(20);
    let mut run = asset_run("bronze.flights", AssetStatus::Failed, vec![check_result("a b", CheckOutcome::Failed)]);
    run.notes = vec!["é \"\n\u{2028}\u{1f600}".to_owned()];
    sent[7].payload = Payload::IngestionEnd(Box::new(run));
    sent.iter().for_each(|event| hook.tell(event));
    hook.close().unwrap();
    assert_eq!(bodies(&server), written(&sent));
    let requests = server.requests();
    assert_eq!(ids(&requests), ids_of(&sent));
    for request in &requests {
        let header = |name| request.header(name).unwrap_or("none");
        assert_eq!(
            (request.method.as_str(), request.path.as_str(), request.param("token")),
            ("POST", "/hook", Some("1"))
        );
        assert_eq!((header("content-type"), header("authorization")), ("application/json", "Bearer abc"));
        assert_eq!((header("x-more"), header("webhook-signature")), ("yes it is", "none"));
    }
    assert!(hook.warnings().is_empty() && !project.root().join(".phlo").exists(), "{:?}", hook.warnings());
}

#[test]
fn signatures_are_those_that_others_compute() {
    // The specification, in Python's own modules.
    const VERIFY: &str = r#"
import base64, hmac, json, sys
given = json.load(sys.stdin)
signed = given["id"].encode() + b"." + given["timestamp"].encode() + b"." + bytes(given["body"])
print("v1," + base64.b64encode(hmac.digest(bytes(given["key"]), signed, "sha256")).decode())
"#;
    for (secret, key) in [("a plain s3cret é", "a plain s3cret é".as_bytes()), ("whsec_AAEC/w==", &[0, 1, 2, 255])] {
        let (project, server) = (Project::new(), ok());
        let hook = Hook::new(&project, &one(&server.url("/"), &format!("secret: '{secret}'")));
        hook.tell(&ended());
        hook.close().unwrap();
        let request = server.requests().remove(0);
        let header = |name| request.header(name).unwrap();
        let given = serde_json::json!({"id": header("webhook-id"), "timestamp": header("webhook-timestamp"),
            "body": request.body, "key": key});
        let python = Command::new("python3").args(["-c", VERIFY]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let Ok(mut python) = python else {
            assert!(!is_ci(), "python3 is missing");
            println!("not run: python3 is missing");
            return;
        };
        python.stdin.take().unwrap().write_all(given.to_string().as_bytes()).unwrap();
        let computed = String::from_utf8(python.wait_with_output().unwrap().stdout).unwrap();
        assert_eq!(header("webhook-signature"), computed.trim(), "{secret}");
    }
}

#[test]
fn an_endpoint_that_is_busy_is_asked_again_with_the_same_id_and_the_order_stays() {
    let asked = AtomicUsize::new(0);
    let server = HttpServer::start(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => HttpResponse::status(503).header("retry-after", "0"),
        1 => HttpResponse::status(429),
        2 => HttpResponse::status(200).body("0123456789").truncated(),
        4 => HttpResponse::status(500),
        _ => HttpResponse::status(200),
    });
    let (project, sent) = (Project::new(), events(3));
    let hook = Hook::new(&project, &one(&server.url("/"), "retry: {max_attempts: 4, delay: 1ms}"));
    sent.iter().for_each(|event| hook.tell(event));
    hook.close().unwrap();
    let [a, b, c] = [0, 1, 2].map(|at: usize| sent[at].id.as_str());
    // An answer whose status is fine is fine, whatever becomes of its body.
    assert_eq!(ids(&server.requests()), [a, a, a, b, c, c]);
}

#[test]
fn what_a_run_could_not_send_the_next_one_sends_first_and_as_it_was() {
    let status = Arc::new(AtomicU16::new(503));
    let answer = status.clone();
    let server = HttpServer::start(move |_| HttpResponse::status(answer.load(Ordering::SeqCst)));
    let (project, sent) = (Project::new(), events(5));
    let hook = Hook::new(&project, &one(&server.url("/"), "only_failures: false"));
    sent[..3].iter().for_each(|event| hook.tell(event));
    hook.close().unwrap();
    assert_eq!(ids(&server.requests()), [sent[0].id.as_str(); 2], "those behind the first wait");
    assert_eq!(project.read(SPOOL).lines().count(), 3);
    let warnings = hook.warnings();
    assert!(warnings.len() == 1 && warnings[0].contains("`ops`") && warnings[0].contains("503"), "{warnings:?}");

    status.store(200, Ordering::SeqCst);
    let next = Hook::new(&project, &one(&server.url("/"), "only_failures: false"));
    next.begin();
    sent[3..].iter().for_each(|event| next.tell(event));
    next.close().unwrap();
    assert_eq!(bodies(&server)[2..], written(&sent));
    assert_eq!(ids(&server.requests()[2..]), ids_of(&sent));
    assert!(!project.root().join(SPOOL).exists() && next.warnings().is_empty());
}

#[test]
fn an_endpoint_that_nobody_answers_at_costs_no_event() {
    // Bound and let go: connections to it are refused.
    let refusing = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (project, sent) = (Project::new(), events(3));
    let hook = Hook::new(&project, &one(&format!("http://{refusing}/"), "only_failures: false"));
    sent[..2].iter().for_each(|event| hook.tell(event));
    hook.close().unwrap();
    assert!(hook.warnings()[0].contains("no connection"), "{:?}", hook.warnings());
    // A plugin that is used again: the same process, another run.
    hook.tell(&sent[2]);
    hook.close().unwrap();

    let server = ok();
    let next = Hook::new(&project, &one(&server.url("/"), "only_failures: false"));
    next.begin();
    next.close().unwrap();
    assert_eq!(bodies(&server), written(&sent));
}

#[tokio::test]
async fn a_process_that_lives_on_tries_again_when_its_next_run_begins() {
    let status = Arc::new(AtomicU16::new(503));
    let answer = status.clone();
    let server = HttpServer::start(move |_| HttpResponse::status(answer.load(Ordering::SeqCst)));
    let (project, sent) = (Project::new(), events(3));
    let hook = Hook::new(&project, &one(&server.url("/"), "retry: {max_attempts: 1}"));
    hook.begin();
    hook.tell(&sent[0]);
    server.asked(1).await;
    hook.tell(&sent[1]);
    // Given up: what comes now goes to the file.
    while !project.root().join(SPOOL).exists() || project.read(SPOOL).lines().count() < 2 {
        tokio::task::yield_now().await;
    }
    status.store(200, Ordering::SeqCst);
    hook.begin();
    hook.tell(&sent[2]);
    hook.close().unwrap();
    assert_eq!(ids(&server.requests()), [&ids_of(&sent[..1])[..], &ids_of(&sent)].concat());
}

#[tokio::test]
async fn a_dead_endpoint_delays_neither_the_run_nor_another_endpoint() {
    let latch = Latch::default();
    let held = latch.clone();
    let (dead, other) = (
        HttpServer::start(move |_| {
            held.pass();
            HttpResponse::status(200)
        }),
        ok(),
    );
    let (project, sent) = (Project::new(), events(100));
    let settings = many(&[("dead", &dead.url("/"), "timeout: 60s"), ("other", &other.url("/"), "timeout: 60s")]);
    let hook = Hook::new(&project, &settings);
    // Every handler returns while the first request is held: otherwise the latch is never opened.
    sent.iter().for_each(|event| hook.tell(event));
    dead.asked(1).await;
    other.asked(100).await;
    assert_eq!(dead.requests().len(), 1);
    latch.open();
    hook.close().unwrap();
    assert_eq!((ids(&dead.requests()), ids(&other.requests())), (ids_of(&sent), ids_of(&sent)));
}

#[test]
fn the_end_of_a_run_does_not_wait_for_a_server_that_never_answers() {
    let server = HttpServer::start(|_| HttpResponse::never());
    let (project, sent) = (Project::new(), events(3));
    let settings = one(&server.url("/"), "timeout: 1h").replace("drain: 30s", "drain: 50ms");
    let hook = Hook::new(&project, &settings);
    sent.iter().for_each(|event| hook.tell(event));
    hook.close().unwrap();
    let waiting = project.read(SPOOL);
    assert!(sent.iter().zip(waiting.lines()).all(|(event, line)| line.contains(&event.id)), "{waiting}");
    assert_eq!(waiting.lines().count(), 3);
}

#[test]
fn a_disk_that_hangs_holds_up_neither_the_run_nor_its_end() {
    let down = HttpServer::start(|_| HttpResponse::status(503));
    let (project, sent) = (Project::new(), events(2));
    project.write(".phlo/webhook/ops.lock", "");
    // As if another process had stopped while it writes.
    let held = std::fs::File::open(project.root().join(".phlo/webhook/ops.lock")).unwrap();
    held.lock().unwrap();
    let hook = Hook::new(&project, &one(&down.url("/"), "timeout: 60s").replace("drain: 30s", "drain: 0s"));
    sent.iter().for_each(|event| hook.tell(event));
    let err = hook.close().unwrap_err().chain().join(": ");
    assert!(err.contains("did not end in time"), "{err}");
    // Late, but not lost.
    held.unlock().unwrap();
    let waiting = || std::fs::read_to_string(project.root().join(SPOOL)).unwrap_or_default();
    while waiting().lines().count() < 2 {
        std::thread::yield_now();
    }
    assert!(sent.iter().zip(waiting().lines()).all(|(event, line)| line.contains(&event.id)));
}

#[tokio::test]
async fn a_process_that_is_killed_while_it_sends_loses_nothing_that_waited() {
    let down = HttpServer::start(|_| HttpResponse::status(503));
    let (project, sent) = (Project::new(), events(3));
    let hook = Hook::new(&project, &one(&down.url("/"), "only_failures: false"));
    sent.iter().for_each(|event| hook.tell(event));
    hook.close().unwrap();

    // Takes the first and holds the second.
    let asked = AtomicUsize::new(0);
    let holding = HttpServer::start(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => HttpResponse::status(200),
        _ => HttpResponse::never(),
    });
    let killed = Hook::new(&project, &one(&holding.url("/"), "timeout: 1h").replace("drain: 30s", "drain: 0s"));
    killed.begin();
    holding.asked(2).await;
    // What a process that ends here leaves on the disk.
    let left = Project::new().file(SPOOL, project.read(SPOOL));

    let server = ok();
    let next = Hook::new(&left, &one(&server.url("/"), "only_failures: false"));
    next.begin();
    next.close().unwrap();
    assert_eq!(bodies(&server), written(&sent));
    // And one that ends in good order takes off what was taken.
    killed.close().unwrap();
    assert_eq!(project.read(SPOOL).lines().count(), 2);
}

#[test]
fn what_an_endpoint_refuses_is_told_once_dropped_and_counted() {
    let asked = AtomicUsize::new(0);
    let server = HttpServer::start(move |request| match asked.fetch_add(1, Ordering::SeqCst) {
        0 | 1 => {
            HttpResponse::status(400).body(format!("no {}?token={}", request.path, request.param("token").unwrap()))
        }
        2 => HttpResponse::status(302).header("location", "/elsewhere"),
        _ => HttpResponse::status(200),
    });
    let (project, sent) = (Project::new(), events(4));
    let url = server.url("/hook?token=s3cr3t-t0ken");
    let hook = Hook::new(&project, &one(&url, "headers: {x-token: s3cr3t-t0ken}"));
    sent.iter().for_each(|event| hook.tell(event));
    let err = hook.close().unwrap_err();
    assert_eq!(ids(&server.requests()), ids_of(&sent), "none is tried again");
    let (warnings, err) = (hook.warnings(), err.chain().join(": "));
    assert!(warnings.len() == 1 && warnings[0].contains("400 Bad Request: no /hook?token=***"), "{warnings:?}");
    assert!(err.contains("of the messages to `ops`: 3 refused (400 Bad Request: no /hook?token=***)"), "{err}");
    assert!(!project.root().join(SPOOL).exists());
    hook.close().unwrap();
}

#[tokio::test]
async fn what_finds_the_queue_full_is_counted_and_told() {
    let latch = Latch::default();
    let held = latch.clone();
    let server = HttpServer::start(move |_| {
        held.pass();
        HttpResponse::status(200)
    });
    let (project, sent) = (Project::new(), events(5));
    let hook = Hook::new(&project, &format!("queue: 2\n{}", one(&server.url("/"), "timeout: 60s")));
    sent.iter().for_each(|event| hook.tell(event));
    latch.open();
    let err = hook.close().unwrap_err().chain().join(": ");
    assert!(err.contains("3 lost because the queue was full"), "{err}");
    assert_eq!(ids(&server.requests()), ids_of(&sent[..2]));
}

#[test]
fn an_endpoint_is_told_what_it_asks_for() {
    let failed = |asset| {
        let result = check_result("not_null(id)", CheckOutcome::Failed);
        event(Payload::QualityResult(Box::new(result)), asset)
    };
    let mut tagged = event(payload(EventKind::QualityResult, "silver.a"), "silver.a");
    tagged.tags = [("nightly".to_owned(), String::new())].into();
    let end = |status| event(Payload::TransformEnd(Box::new(asset_run("silver.a", status, vec![]))), "silver.a");
    let all = [
        event(payload(EventKind::RunStart, "silver.a"), "silver.a"),
        event(payload(EventKind::TransformStart, "silver.a"), "silver.a"),
        tagged,
        failed("silver.a"),
        failed("silver.b"),
        end(AssetStatus::Success),
        end(AssetStatus::Failed),
        event(payload(EventKind::TelemetryLog, "silver.a"), "silver.a"),
        ended(),
    ];
    for (settings, expected) in [
        ("only_failures: false", &[5, 6, 8][..]),
        ("events: [run.start, run.end]", &[0, 8]),
        ("events: [quality.result]", &[2, 3, 4]),
        ("events: [quality.result], assets: [silver.b]", &[4]),
        ("events: [quality.result, run.end], assets: [silver.a]", &[2, 3]),
        ("events: [quality.result, run.end], tags: {nightly: ''}", &[2]),
        ("events: [quality.result, run.end], tags: {nightly: other}", &[]),
        ("only_failures: true", &[6]),
        ("events: [quality.result, transform.start, telemetry.log], only_failures: true", &[1, 3, 4]),
    ] {
        let (project, server) = (Project::new(), ok());
        let hook = Hook::new(&project, &one(&server.url("/"), settings));
        all.iter().for_each(|event| hook.tell(event));
        hook.close().unwrap();
        let expected: Vec<_> = expected.iter().map(|at: &usize| all[*at].id.clone()).collect();
        assert_eq!(ids(&server.requests()), expected, "{settings}");
    }
}

#[test]
fn a_warning_about_the_delivery_is_not_delivered() {
    let server = HttpServer::start(|_| HttpResponse::status(404));
    let project = Project::new();
    let hook = Hook::new(&project, &one(&server.url("/"), "events: [telemetry.log]"));
    hook.tell(&event(payload(EventKind::TelemetryLog, "a.b"), "a.b"));
    hook.close().unwrap_err();
    // As the bus does.
    let warnings = hook.told.events();
    assert_eq!(warnings.len(), 1);
    assert_eq!(warnings[0].correlation.run_id.as_deref(), Some("run-1"), "it is in the log of its run");
    warnings.iter().for_each(|event| hook.tell(event));
    hook.close().unwrap();
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn settings_that_cannot_work_are_refused_by_their_field() {
    let project = Project::new();
    for (endpoint, field) in [
        ("{name: a b, url: http://a}", "`name` is `a b`"),
        ("{name: a, url: ftp://s3cret}", "`url`"),
        ("{name: a, url: s3cret}", "`url`"),
        ("{name: a, url: http://a, events: []}", "`events`"),
        ("{name: a, url: http://a, secret: whsec_?}", "`secret`"),
        ("{name: a, url: http://a, headers: {webhook-id: s3cret}}", "`webhook-id`"),
        ("{name: a, url: http://a, headers: {a: \"s3cret\\n\"}}", "the value of `a`"),
        ("{name: a, url: http://a, headers: {\"a b\": s3cret}}", "`a b`"),
        ("{name: a, url: http://a, retry: {max_attempts: 0}}", "0"),
        ("{name: a, url: http://a}\n- {name: A, url: http://b}", "two `endpoints` have the `name` `A`"),
        ("{name: a, url: http://a, events: [run.ends]}", "run.ends"),
    ] {
        let Err(err) = Hook::try_new(&project, &format!("endpoints:\n- {endpoint}")) else { panic!("{endpoint}") };
        let text = format!("{err:?} {:?}", err.hints());
        assert!(text.contains(field) && !text.contains("s3cret"), "{endpoint}: {text}");
    }
}
