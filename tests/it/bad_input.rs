//! Bad input of every kind: one clear error with its place and a next step, the exit code as promised, and the published table as
//! it was.

use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use phlo_testkit::http::{HttpResponse, HttpServer};
use serde_json::json;

use crate::fixture::{Project, Said, works, wrapped};

/// What a failing run must say.
struct Wanted<'a> {
    exit: i32,
    code: &'a str,
    /// Where, and what of it.
    says: &'a [&'a str],
    /// The next step.
    hint: &'a str,
}

/// Holds a failed run and the published table against what is promised.
#[track_caller]
fn told(project: &Project, why: &str, said: Said, wanted: &Wanted<'_>, published: &str) {
    let said = said.exits(wanted.exit);
    let errors: Vec<_> = said.stderr.lines().filter(|line| line.starts_with("error")).collect();
    assert_eq!(errors.len(), 1, "{why}: not one error:\n{}", said.stderr);
    assert!(errors[0].contains(wanted.code), "{why}: wanted {}:\n{}", wanted.code, said.stderr);
    for part in wanted.says {
        assert!(said.stderr.contains(part), "{why}: {part:?} is not said:\n{}", said.stderr);
    }
    let help = said.stderr.lines().find(|line| line.contains("help: "));
    let Some(help) = help else { panic!("{why}: no next step is said:\n{}", said.stderr) };
    assert!(help.contains(wanted.hint), "{why}: the next step is not said, {:?}:\n{}", wanted.hint, said.stderr);
    assert!(!said.stderr.contains("panicked") && !said.stderr.contains("backtrace"), "{why}:\n{}", said.stderr);
    assert_eq!(published, state(project), "{why}: the published table is another");
}

/// What readers see of the one table: its rows and its version.
fn state(project: &Project) -> String {
    let rows = project.sql("select count(*) as n, sum(id) as ids from raw.x");
    let versions = project.phlo(&["table", "history", "raw.x", "--json"]).exits(0).json();
    format!("{rows:?} {}", versions.as_array().or(versions["versions"].as_array()).unwrap().len())
}

/// A project whose table `raw.x` holds three good rows.
fn files(path: &str, file: &str, good: &[u8], more: &str) -> Project {
    let project = Project::new().write(
        "assets/raw/x.yaml",
        &format!("source: {{ plugin: files, path: \"{path}\"{more} }}\nwrite: {{ strategy: overwrite }}\nchecks: [ {{ not_null: [id] }} ]\n"),
    );
    project.put_bytes(file, good);
    project.phlo(&["run"]).exits(0);
    project
}

fn gzip(text: &str) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn files_that_are_not_what_they_should_be() {
    const CSV: &str = "id,name\n1,a\n2,b\n3,c\n";
    const NDJSON: &str = "{\"id\":1}\n{\"id\":2}\n{\"id\":3}\n";
    const JSON: &str = "[{\"id\":1},{\"id\":2},{\"id\":3}]";
    // The file, good and bad bytes, and what is said of the bad ones.
    let cases: &[(&str, &str, Vec<u8>, Vec<u8>, &str, &[&str], &str)] = &[
        (
            "a record with too many fields",
            "d.csv",
            CSV.into(),
            "id,name\n1,a\n2,b,c\n".into(),
            "P3004",
            &["d.csv:3"],
            "",
        ),
        (
            "a quote that is never closed",
            "d.csv",
            CSV.into(),
            "id,name\n1,\"a\n2,b\n".into(),
            "P3004",
            &["d.csv:2"],
            "quote",
        ),
        (
            "bytes that are no UTF-8",
            "d.csv",
            CSV.into(),
            b"id,name\n1,a\n2,\xff\n".to_vec(),
            "P3004",
            &["d.csv:3", "UTF-8"],
            "",
        ),
        ("an empty file", "d.csv", CSV.into(), Vec::new(), "P3004", &["d.csv"], ""),
        (
            "a JSON line that breaks off",
            "d.ndjson",
            NDJSON.into(),
            "{\"id\":1}\n{\"id\":\n".into(),
            "P3004",
            &["d.ndjson:2"],
            "",
        ),
        (
            "a JSON line that is no object",
            "d.ndjson",
            NDJSON.into(),
            "{\"id\":1}\n7\n".into(),
            "P3004",
            &["d.ndjson:2"],
            "",
        ),
        (
            "a JSON document that breaks off",
            "d.json",
            JSON.into(),
            "[{\"id\":1},\n{\"id\":2}".into(),
            "P3004",
            &["d.json"],
            "",
        ),
        (
            "gzip that breaks off",
            "d.csv.gz",
            gzip(CSV),
            gzip(&CSV.repeat(9))[..30].to_vec(),
            "P3004",
            &["d.csv.gz"],
            "",
        ),
        ("gzip that is none", "d.csv.gz", gzip(CSV), CSV.into(), "P3004", &["d.csv.gz"], ""),
        ("Parquet that is none", "d.parquet", parquet(), b"PAR1 no PAR1".to_vec(), "P3004", &["d.parquet"], ""),
    ];
    for (why, file, good, bad, code, says, hint) in cases {
        let project = files(file, file, good, "");
        let before = state(&project);
        project.put_bytes(file, bad);
        let said = project.phlo(&["run"]);
        told(&project, why, said, &Wanted { exit: 1, code, says, hint }, &before);
    }
}

/// A Parquet file of one column, as phlo itself writes them.
fn parquet() -> Vec<u8> {
    let project = Project::new().write("d.csv", "id\n1\n2\n3\n").write(
        "assets/raw/x.yaml",
        "source: { plugin: files, path: d.csv }\nwrite: { strategy: overwrite, metadata: false }\n",
    );
    project.phlo(&["run"]).exits(0);
    let file = std::fs::read_dir(project.path().join("lake/raw/x")).unwrap().map(|e| e.unwrap().path());
    std::fs::read(file.into_iter().find(|p| p.extension() == Some("parquet".as_ref())).unwrap()).unwrap()
}

#[test]
fn a_row_of_the_wrong_type_on_line_900_001() {
    let mut text = String::with_capacity(16 << 20);
    text.push_str("id,amount\n");
    for id in 1..900_000 {
        text.push_str(&format!("{id},{}\n", id % 100));
    }
    let project = files("d.csv", "d.csv", text.as_bytes(), "");
    let before = state(&project);
    text.push_str("900000,many\n900001,1\n");
    project.put("d.csv", &text);
    let wanted = Wanted { exit: 1, code: "P3004", says: &["d.csv:900001", "`amount`", "many"], hint: "columns" };
    told(&project, "CSV", project.phlo(&["run"]), &wanted, &before);

    let line = |id: usize, amount: &str| format!("{{\"id\":{id},\"amount\":{amount}}}\n");
    let mut text = (1..=900_000).map(|id| line(id, "7")).collect::<String>();
    let project = files("d.ndjson", "d.ndjson", text.as_bytes(), "");
    let before = state(&project);
    text.push_str(&line(900_001, "\"many\""));
    project.put("d.ndjson", &text);
    let wanted = Wanted { exit: 1, code: "P3004", says: &["d.ndjson:900001", "`amount`", "many"], hint: "columns" };
    told(&project, "NDJSON", project.phlo(&["run"]), &wanted, &before);
}

#[test]
fn files_that_are_not_there_or_may_not_be_read() {
    for (why, path) in [("a missing file", "in/d.csv"), ("a glob that matches nothing", "in/*.csv")] {
        let project = files(path, "in/d.csv", b"id\n1\n2\n3\n", "");
        let before = state(&project);
        std::fs::remove_file(project.path().join("in/d.csv")).unwrap();
        let said = project.phlo(&["run"]);
        told(&project, why, said, &Wanted { exit: 1, code: "P3003", says: &[path], hint: "path" }, &before);
    }
    // A landing zone that was read and emptied is no mistake; a path that never held anything is.
    let project = Project::new().write("in/d.csv", "id\n1\n2\n3\n");
    let asset = |path: &str| format!("source: {{ plugin: files, path: \"{path}\" }}\nwrite: {{ strategy: append }}\n");
    project.put("assets/raw/x.yaml", &asset("in/*.csv"));
    project.phlo(&["run"]).exits(0);
    let before = state(&project);
    std::fs::remove_file(project.path().join("in/d.csv")).unwrap();
    project.phlo(&["run"]).exits(0);
    assert_eq!(before, state(&project), "an emptied landing zone");
    project.put("assets/raw/x.yaml", &asset("inn/*.csv"));
    let wanted = Wanted { exit: 1, code: "P3003", says: &["inn/*.csv"], hint: "path" };
    told(&project, "a misspelt glob on a later run", project.phlo(&["run"]), &wanted, &before);

    if is_root() && !works("setpriv", &[WITHOUT_OVERRIDE, "true"]) {
        return;
    }
    let project = files("in/d.csv", "in/d.csv", b"id\n1\n2\n3\n", "");
    let before = state(&project);
    let forbid = |mode: u32| {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(project.path().join("in/d.csv"), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    forbid(0o000);
    let said = project.said(&mut unprivileged(project.command(&["run"])));
    let wanted = Wanted { exit: 1, code: "P3008", says: &["--> in/d.csv", "ermission denied"], hint: "permission" };
    told(&project, "no permission to read", said, &wanted, &before);
    forbid(0o644);

    // And a lake that may be read and not written.
    let only_read = |mode: &str| {
        let changed = Command::new("chmod").args(["-R", mode]).arg(project.path().join("lake")).status().unwrap();
        assert!(changed.success());
    };
    only_read("a-w");
    let said = project.said(&mut unprivileged(project.command(&["run", "--full-refresh"])));
    only_read("u+w");
    let wanted = Wanted { exit: 1, code: "P4003", says: &["lake/raw/x", "ermission denied"], hint: "let the user" };
    told(&project, "no permission to write", said, &wanted, &before);
}

/// What takes from root the capabilities that override permissions.
const WITHOUT_OVERRIDE: &str = "--bounding-set=-dac_override,-dac_read_search";

fn is_root() -> bool {
    Command::new("id").arg("-u").output().unwrap().stdout == b"0\n"
}

/// The same command for whom permissions count.
fn unprivileged(command: Command) -> Command {
    if is_root() { wrapped("setpriv", &[WITHOUT_OVERRIDE], &command) } else { command }
}

#[test]
fn a_full_disk() {
    let mount = ["--mount", "--map-root-user", "mount", "-t", "tmpfs", "none", "/tmp"];
    if !works("unshare", &mount) {
        return;
    }
    let mut text = String::from("id,noise\n");
    for id in 0..200_000_u64 {
        // Nothing that compresses well.
        text.push_str(&format!(
            "{id},{:x}{:x}\n",
            id.wrapping_mul(0x9E37_79B9_7F4A_7C15),
            id.wrapping_mul(0xBF58_476D_1CE4_E5B9)
        ));
    }
    let project = files("d.csv", "d.csv", b"id,noise\n1,a\n2,b\n3,c\n", "");
    let before = state(&project);
    project.put("d.csv", &text);
    // A lake on a disk of one MiB, which lives as long as the command.
    let script = "mount --bind lake kept && mount -t tmpfs -o size=1m none lake && cp -a kept/. lake && \"$@\"; code=$?; \
                  rm -rf kept/raw && cp -a lake/. kept; exit $code";
    std::fs::create_dir(project.path().join("kept")).unwrap();
    let inside = ["--mount", "--map-root-user", "sh", "-c", script, "sh"];
    let said = project.said(&mut wrapped("unshare", &inside, &project.command(&["run"])));
    let wanted = Wanted { exit: 1, code: "P4003", says: &["o space left on device"], hint: "space" };
    told(&project, "a full disk", said, &wanted, &before);
    let stages = project.path().join("lake/raw/x/_phlo/stages");
    assert_eq!(std::fs::read_dir(stages).into_iter().flatten().count(), 0, "the failed stage gave its space back");
}

#[test]
fn servers_that_do_not_answer_as_they_should() {
    type Answer = fn(usize) -> HttpResponse;
    fn page(ids: std::ops::Range<usize>, more: bool) -> HttpResponse {
        HttpResponse::json(&json!({"results": ids.map(|id| json!({"id": id})).collect::<Vec<_>>(), "has_next": more}))
    }
    let cases: &[(&str, Answer, i32, &str, &[&str], &str)] = &[
        ("404", |_| HttpResponse::status(404).body("no such thing"), 1, "P3003", &["404", "no such thing"], "endpoint"),
        ("400", |_| HttpResponse::status(400).body("bad page"), 1, "P3005", &["400", "bad page"], "params"),
        ("401", |_| HttpResponse::status(401), 4, "P3002", &["401"], "token"),
        ("429", |_| HttpResponse::status(429).header("retry-after", "0"), 4, "P3006", &["429"], "later"),
        (
            "429 until tomorrow",
            |_| HttpResponse::status(429).header("retry-after", "86400"),
            4,
            "P3006",
            &["429", "asks to wait: 1day"],
            "run again after that",
        ),
        ("500", |_| HttpResponse::status(500).body("oh no"), 1, "P3005", &["500", "oh no"], "later"),
        ("a timeout", |_| HttpResponse::never(), 4, "P3006", &["no whole answer within 300ms"], "timeout"),
        ("a body that breaks off", |_| page(4..9, false).truncated(), 4, "P3001", &["broke off"], "later"),
        ("no body", |_| HttpResponse::status(200), 1, "P3004", &["200", "sent nothing"], "204"),
        (
            "another content type",
            |_| HttpResponse::status(200).header("content-type", "text/html").body("<html>log in</html>"),
            1,
            "P3004",
            &["text/html", "<html>log in</html>"],
            "base_url",
        ),
        (
            "JSON that breaks off",
            |_| HttpResponse::status(200).header("content-type", "application/json").body("{\"resu"),
            1,
            "P3004",
            &["the answer ends in the middle"],
            "later",
        ),
        (
            "JSON that is none",
            |_| HttpResponse::status(200).body("{results: []}"),
            1,
            "P3004",
            &["not JSON"],
            "base_url",
        ),
        (
            "another shape",
            |_| HttpResponse::json(&json!({"error": "no"})),
            1,
            "P3004",
            &["no `results`", "keys: error"],
            "results_key",
        ),
        (
            "a value of another type",
            |_| HttpResponse::json(&json!({"results": [{"id": 4}, {"id": "five"}]})),
            1,
            "P3004",
            &["`id`", "record: 2", "five"],
            "columns",
        ),
        (
            "a redirect to itself",
            |_| HttpResponse::status(302).header("location", "/x"),
            1,
            "P3005",
            &["10 times"],
            "base_url",
        ),
        (
            "a redirect to nowhere",
            |_| HttpResponse::status(302).header("location", "file:///x"),
            1,
            "P3005",
            &["302"],
            "base_url",
        ),
        ("the first page without end", |_| page(1..4, true), 1, "P3004", &["would never end"], "pagination"),
        ("three pages without end", |n| page(n % 3..n % 3 + 1, true), 1, "P3004", &["would never end"], "pagination"),
    ];
    for (why, answer, exit, code, says, hint) in cases {
        let broken: Arc<Mutex<Option<Answer>>> = Arc::default();
        let server = HttpServer::start({
            let broken = Arc::clone(&broken);
            move |request| {
                let broken = *broken.lock().unwrap();
                match (broken, request.number("page")) {
                    (_, Some(1)) => page(1..4, broken.is_some()),
                    (Some(answer), Some(n)) => answer(n),
                    // Where a redirect led.
                    (Some(answer), None) => answer(0),
                    (None, _) => page(0..0, false),
                }
            }
        });
        let timeout = if *why == "a timeout" { "300ms" } else { "10s" };
        let project = Project::new().write(
            "assets/raw/x.yaml",
            &format!(
                "source: {{ plugin: rest_api, base_url: \"{}\", endpoint: x, timeout: {timeout}, extra_fields: refuse, \
                 retry: {{ max_attempts: 2, delay: 1ms }} }}\ncolumns: {{ id: int64 }}\nwrite: {{ strategy: overwrite }}\n",
                server.url("")
            ),
        );
        project.phlo(&["run"]).exits(0);
        let before = state(&project);
        *broken.lock().unwrap() = Some(*answer);
        let (started, before_it) = (std::time::Instant::now(), server.requests().len());
        let said = project.phlo(&["run"]);
        assert!(started.elapsed() < Duration::from_secs(30), "{why}: it took {:?}", started.elapsed());
        if *why == "429" {
            // The first page, and the second as often as the source's own `retry` says: the asset's does not multiply that.
            assert_eq!(server.requests().len() - before_it, 1 + 2, "{why}: {:?}", server.requests());
        }
        // Where: the page and the URL, without its query.
        assert!(said.stderr.contains("reading page "), "{why}:\n{}", said.stderr);
        assert!(said.stderr.contains(&format!(" of {}", server.url("/x:"))), "{why}:\n{}", said.stderr);
        told(&project, why, said, &Wanted { exit: *exit, code, says, hint }, &before);
    }
}

#[test]
fn a_project_that_became_wrong() {
    for (why, file, text, code, says, hint) in [
        (
            "malformed YAML",
            "assets/raw/x.yaml",
            "source: { plugin: files\nwrite: [\n",
            "P1001",
            "assets/raw/x.yaml:2",
            "",
        ),
        ("a tab in YAML", "phlo.yaml", "name: x\nstorage:\n\troot: ./lake\n", "P1001", "phlo.yaml:3", ""),
        (
            "malformed SQL",
            "assets/mart/y.sql",
            "select id\nfrom raw.x were id > 1\n",
            "P1012",
            "assets/mart/y.sql:2",
            "",
        ),
        (
            "SQL that reads no table",
            "assets/mart/y.sql",
            "select id from raw.xx\n",
            "P1013",
            "assets/mart/y.sql:1:16",
            "raw.x",
        ),
    ] {
        let project = files("d.csv", "d.csv", b"id\n1\n2\n3\n", "");
        let before = state(&project);
        let good = std::fs::read_to_string(project.path().join(file)).ok();
        project.put(file, text);
        let said = project.phlo(&["run"]).exits(2);
        assert_eq!(said.stderr.lines().filter(|l| l.starts_with("error[")).count(), 1, "{why}:\n{}", said.stderr);
        for part in [code, says, hint] {
            assert!(said.stderr.contains(part), "{why}: {part:?} is not said:\n{}", said.stderr);
        }
        match good {
            Some(good) => project.put(file, &good),
            None => std::fs::remove_file(project.path().join(file)).unwrap(),
        }
        assert_eq!(before, state(&project), "{why}");
    }
}
