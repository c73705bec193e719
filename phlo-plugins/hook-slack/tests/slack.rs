//! What people are told, tried on a real server.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use phlo_hook_slack::{Settings, SlackHook};
use phlo_plugin::prelude::*;
use phlo_spec::event::{Metric, RunEnd};
use phlo_spec::run::ErrorRecord;
use phlo_spec::{
    AssetRun, AssetStatus, CheckOutcome, CheckResult, CheckSeverity, Event, EventKind, Payload, RunStatus,
};
use phlo_testkit::fixture::{Project, asset_run, check_result, event, payload};
use phlo_testkit::http::{HttpResponse, HttpServer};

struct Slack {
    project: Project,
    server: HttpServer,
    status: Arc<AtomicU16>,
}

impl Slack {
    fn new() -> Self {
        let status = Arc::new(AtomicU16::new(200));
        let answer = status.clone();
        let server = HttpServer::start(move |_| HttpResponse::status(answer.load(Ordering::SeqCst)).body("no_service"));
        Self { project: Project::new(), server, status }
    }

    /// Runs once, in a process of its own; answers the messages that this brought.
    fn run(&self, settings: &str, events: &[Event], status: RunStatus) -> Vec<String> {
        let (messages, closed) = self.try_run(settings, events, status);
        closed.unwrap();
        messages
    }

    fn try_run(&self, settings: &str, events: &[Event], status: RunStatus) -> (Vec<String>, Result<()>) {
        let before = self.server.requests().len();
        let url = self.server.url("/services/T0/B0/x");
        let settings =
            format!("{{webhook_url: '{url}', retry: {{max_attempts: 2, delay: 1ms}}, drain: 30s, {settings}}}");
        let settings: Settings = Node::parse(&settings, "phlo.yaml", 1).unwrap().read().unwrap();
        let plugin = SlackHook::create(settings, &self.project.context()).unwrap();
        let hooks = plugin.hooks().unwrap();
        let begin = event(payload(EventKind::RunStart, "a.b"), "a.b");
        let end = event(Payload::RunEnd(RunEnd { status, duration_ms: 5 }), "a.b");
        for event in [&begin].into_iter().chain(events).chain([&end]) {
            for hook in hooks.iter().filter(|hook| hook.filter.matches(event)) {
                (hook.handler)(event).unwrap();
            }
        }
        let closed = plugin.cleanup();
        let text = |body: &[u8]| {
            let body: serde_json::Value = serde_json::from_slice(body).unwrap();
            assert_eq!(body.as_object().unwrap().len(), 1, "what others than Slack take is `text` alone: {body}");
            body["text"].as_str().unwrap().to_owned()
        };
        (self.server.requests()[before..].iter().map(|request| text(&request.body)).collect(), closed)
    }
}

/// The one message, its first line apart.
fn parts(messages: &[String]) -> (&str, Vec<&str>) {
    let [message] = messages else { panic!("{messages:?}") };
    let mut lines = message.lines();
    (lines.next().unwrap(), lines.collect())
}

fn failed(name: &str) -> CheckResult {
    CheckResult {
        violations: 12,
        total: 1000,
        unit: None,
        sql: Some("select 1".to_owned()),
        ..check_result(name, CheckOutcome::Failed)
    }
}

fn ended(run: AssetRun) -> Event {
    let asset = run.asset.to_string();
    event(Payload::TransformEnd(Box::new(run)), &asset)
}

fn blocked(asset: &str, checks: Vec<CheckResult>) -> Event {
    ended(asset_run(asset, AssetStatus::Blocked, checks))
}

fn fine(asset: &str, checks: &[&str]) -> Event {
    let checks = checks.iter().map(|name| check_result(name, CheckOutcome::Passed)).collect();
    ended(asset_run(asset, AssetStatus::Success, checks))
}

fn late(asset: &str, hours: f64) -> Event {
    let metric = Metric { name: "asset.late_hours".to_owned(), value: hours, unit: "h".to_owned() };
    event(Payload::TelemetryMetric(metric), asset)
}

fn broken(asset: &str) -> Event {
    let error = ErrorRecord {
        code: Code::ConnectionFailed,
        messages: vec!["reading <page 1>".to_owned(), "no & never\n@channel".to_owned()],
        hints: vec![],
        place: None,
    };
    ended(AssetRun { error: Some(error), ..asset_run(asset, AssetStatus::Failed, vec![]) })
}

#[test]
fn without_a_url_there_is_no_handler() {
    for settings in ["{}", "{webhook_url: ''}", "{mention: '@here'}"] {
        let settings: Settings = Node::parse(settings, "phlo.yaml", 1).unwrap().read().unwrap();
        let plugin = SlackHook::create(settings, &InitContext::at("/nowhere")).unwrap();
        assert!(plugin.hooks().unwrap().is_empty());
        plugin.cleanup().unwrap();
    }
}

#[test]
fn one_message_tells_everything_that_went_wrong_once() {
    let slack = Slack::new();
    let checks = vec![
        failed("not_null(carrier)"),
        CheckResult {
            of_rows: false,
            whole: false,
            sql: None,
            observed: Some("3 < 5".to_owned()),
            expected: Some("5 rows".to_owned()),
            ..failed("row_count")
        },
        CheckResult {
            error: Some("no column `x`".to_owned()),
            violations: 0,
            ..check_result("range(x)", CheckOutcome::Errored)
        },
        CheckResult { severity: CheckSeverity::Warn, ..failed("range(delay)") },
        check_result("unique(id)", CheckOutcome::Passed),
    ];
    let mut events: Vec<_> =
        checks.iter().map(|check| event(Payload::QualityResult(Box::new(check.clone())), "bronze.flights")).collect();
    events.extend([blocked("bronze.flights", checks), broken("bronze.weather"), fine("bronze.other", &["unique(id)"])]);
    events.extend([ended(asset_run("gold.delays", AssetStatus::Skipped, vec![])), late("gold.delays", 5.46)]);
    let messages = slack.run("mention: '<!channel>', project: 'A & B'", &events, RunStatus::Failed);
    let (head, lines) = parts(&messages);
    let (before, after) = head.split_once(" at ").unwrap();
    assert_eq!(before, "<!channel> *A &amp; B*: run `run-1` failed");
    assert!(after.ends_with(" UTC: 3 checks failed, 1 asset failed, 1 asset late"), "{after}");
    assert_eq!(
        lines,
        [
            "• *bronze.flights*: check `not_null(carrier)` failed: 12 of 1,000 violate it; `phlo quality show bronze.flights --rows`",
            "• *bronze.flights*: check `row_count` failed: 12 of 1,000 violate it; found 3 &lt; 5; expected 5 rows; `phlo quality show bronze.flights`",
            "• *bronze.flights*: check `range(x)` could not run: no column `x`; `phlo quality show bronze.flights`",
            "• *bronze.weather* failed: reading &lt;page 1&gt;: no &amp; never @\u{200b}channel; `phlo explain P3001`",
            "• *gold.delays* is late: 5.5 h older than its `freshness:` permits; `phlo status`",
        ]
    );
}

#[test]
fn what_is_told_is_chosen() {
    let warned = || CheckResult { severity: CheckSeverity::Warn, ..failed("range(delay)") };
    let events = [
        blocked("silver.a", vec![failed("unique(id)")]),
        ended(asset_run("silver.b", AssetStatus::Success, vec![warned()])),
        broken("silver.c"),
        late("silver.d", 1.0),
    ];
    for (settings, expected) in [
        ("on: [check_failed]", &["silver.a"][..]),
        ("on: [check_warned]", &["silver.b"]),
        ("on: [asset_failed]", &["silver.c"]),
        ("on: [late]", &["silver.d"]),
        ("on: [late, check_warned]", &["silver.d", "silver.b"]),
        ("max_rows: 9", &["silver.a", "silver.c", "silver.d"]),
        ("assets: [silver.c, silver.b]", &["silver.c"]),
        ("assets: [silver.e]", &[]),
    ] {
        let messages = Slack::new().run(settings, &events, RunStatus::Failed);
        let told: Vec<_> = messages.iter().flat_map(|message| message.lines().skip(1)).collect();
        assert_eq!(told.len(), expected.len(), "{settings}: {told:?}");
        assert!(
            told.iter().zip(expected).all(|(line, asset)| line.contains(&format!("*{asset}*"))),
            "{settings}: {told:?}"
        );
    }
}

#[test]
fn a_run_without_trouble_sends_nothing() {
    let slack = Slack::new();
    // A check that failed in an attempt and held in the next.
    let first = event(Payload::QualityResult(Box::new(failed("unique(id)"))), "silver.a");
    let other = event(payload(EventKind::TelemetryMetric, "silver.a"), "silver.a");
    let messages = slack.run("mention: hey", &[first, other, fine("silver.a", &["unique(id)"])], RunStatus::Success);
    assert!(messages.is_empty(), "{messages:?}");
}

#[test]
fn a_run_that_fails_without_an_asset_that_does_is_told() {
    let messages = Slack::new().run("max_rows: 9", &[fine("silver.a", &[])], RunStatus::Failed);
    assert_eq!(parts(&messages).1, ["• the run failed, and no asset did; `phlo logs run-1`"]);
}

#[test]
fn each_partition_of_an_asset_has_a_line() {
    let of = |partition: &str| {
        let run = AssetRun {
            partition: Some(partition.to_owned()),
            ..asset_run("silver.a", AssetStatus::Blocked, vec![failed("unique(id)")])
        };
        ended(run)
    };
    let messages = Slack::new().run("max_rows: 9", &[of("2013-01-01"), of("2013-01-02")], RunStatus::Blocked);
    let (_, lines) = parts(&messages);
    assert!(lines.len() == 2 && lines[0].contains("(2013-01-01)") && lines[1].contains("(2013-01-02)"), "{lines:?}");
}

#[test]
fn what_does_not_fit_is_counted() {
    let checks: Vec<_> = (0..2000).map(|at| failed(&format!("check_{at}_<{}>", "x".repeat(100)))).collect();
    let events = [blocked("silver.a", checks)];
    for (settings, most_lines, most_chars) in [
        ("max_rows: 7", 7, 16_000),
        ("max_rows: 9999, max_chars: 1000", 2000, 1000),
        ("max_rows: 9999, max_chars: 40000", 2000, 40_000),
    ] {
        let messages = Slack::new().run(settings, &events, RunStatus::Blocked);
        let (head, lines) = parts(&messages);
        assert!(head.ends_with(": 2,000 checks failed"), "{head}");
        let (rest, shown) = lines.split_last().unwrap();
        assert!(!shown.is_empty() && shown.len() <= most_lines && messages[0].chars().count() <= most_chars);
        let left = 2000 - shown.len();
        let left = if left < 1000 { left.to_string() } else { format!("1,{:03}", left - 1000) };
        assert_eq!(*rest, format!("… and {left} more: `phlo logs run-1`"));
    }
    // All of it, if it just fits.
    let events = [blocked("silver.a", vec![failed("a"), failed("b")])];
    let whole = Slack::new().run("max_rows: 2", &events, RunStatus::Blocked);
    assert_eq!(parts(&whole).1.len(), 2);
}

#[test]
fn what_recovered_is_told_once_and_calls_nobody() {
    let slack = Slack::new();
    let first = [blocked("silver.a", vec![failed("unique(id)"), failed("gone(x)")]), broken("silver.b")];
    assert_eq!(slack.run("mention: hey", &first, RunStatus::Failed).len(), 1);
    // A run of something else changes nothing.
    assert!(slack.run("mention: hey", &[fine("silver.c", &["unique(id)"])], RunStatus::Success).is_empty());
    let second = [fine("silver.a", &["unique(id)", "another(x)"]), fine("silver.b", &[])];
    let messages = slack.run("mention: hey", &second, RunStatus::Success);
    let (head, lines) = parts(&messages);
    assert!(head.starts_with("*test*: run `run-1` ended well") && head.ends_with(": 2 recovered"), "{head}");
    assert_eq!(lines, ["• *silver.b* ended well again", "• *silver.a*: check `unique(id)` holds again"]);
    assert!(slack.run("mention: hey", &second, RunStatus::Success).is_empty());
}

#[test]
fn a_damaged_memory_is_begun_anew() {
    let slack = Slack::new();
    slack.project.write(".phlo/slack/failing.json", "{\"assets\": [");
    let events = [blocked("silver.a", vec![failed("unique(id)")])];
    assert_eq!(slack.run("max_rows: 9", &events, RunStatus::Blocked).len(), 1);
    let messages = slack.run("max_rows: 9", &[fine("silver.a", &["unique(id)"])], RunStatus::Success);
    assert_eq!(parts(&messages).1, ["• *silver.a*: check `unique(id)` holds again"]);
}

#[test]
fn an_alert_that_could_not_be_sent_comes_with_the_next_run() {
    let slack = Slack::new();
    slack.status.store(503, Ordering::SeqCst);
    let events = [blocked("silver.a", vec![failed("unique(id)")])];
    let tried = slack.run("on: [check_failed]", &events, RunStatus::Blocked);
    assert!(tried.len() == 2 && tried[0] == tried[1], "{tried:?}");
    slack.status.store(200, Ordering::SeqCst);
    // Nothing of its own to tell.
    assert_eq!(slack.run("on: [check_failed]", &[fine("silver.a", &["unique(id)"])], RunStatus::Success), tried[..1]);
    assert!(slack.run("on: [check_failed]", &[], RunStatus::Success).is_empty());
}

#[test]
fn what_slack_refuses_is_told_where_the_run_ends() {
    let slack = Slack::new();
    slack.status.store(404, Ordering::SeqCst);
    let (tried, closed) = slack.try_run("max_rows: 9", &[broken("silver.a")], RunStatus::Failed);
    assert_eq!(tried.len(), 1);
    let told = closed.unwrap_err().chain().join(": ");
    assert!(told.contains("`alerts`: 1 refused (404 Not Found: no_service)"), "{told}");
}

#[test]
fn settings_that_cannot_work_are_refused_by_their_field() {
    for (settings, field) in [
        ("{webhook_url: s3cret}", "webhook_url"),
        ("{on: []}", "`on`"),
        ("{max_rows: 0}", "`max_rows`"),
        ("{max_chars: 999}", "`max_chars`"),
        ("{max_chars: 40001}", "`max_chars`"),
    ] {
        let settings: Settings = Node::parse(settings, "phlo.yaml", 1).unwrap().read().unwrap();
        let Err(err) = SlackHook::create(settings, &InitContext::at("/nowhere")) else { panic!("{field} is taken") };
        let told = err.chain().join(": ");
        assert!(told.contains(field) && !told.contains("s3cret"), "{told}");
    }
}
