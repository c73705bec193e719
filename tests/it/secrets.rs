//! A secret is in no output, log, event or file.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;

use serde_json::Value;

use crate::fixture::Project;

/// With every sign that JSON and URLs write in another way.
const TOKEN: &str = r#"s3"cr\3t+t0ken/42=x"#;
/// What could be a number.
const PIN: &str = "73519264";

/// A server that tells whoever asks for `/rows` some rows, and answers anybody else with what it was sent, as careless ones do.
fn careless_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut buffer = [0; 4096];
            let n = stream.read(&mut buffer).unwrap_or(0);
            let request = String::from_utf8_lossy(&buffer[..n]).into_owned();
            let (status, body) = if request.starts_with("GET /rows") {
                ("200 OK", r#"[{"id": 1}, {"id": 2}]"#.to_owned())
            } else {
                ("400 Bad Request", format!("you sent: {request} {}", serde_json::json!(request)))
            };
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    format!("http://{address}")
}

#[test]
fn no_output_and_no_file_ever_shows_a_secret() {
    let url = careless_server();
    let asset = |endpoint: &str| {
        format!(
            "source: {{ connection: api, endpoint: {endpoint}, params: {{ pass: \"${{API_TOKEN}}\" }}, pagination: {{ kind: none }}, retry: {{ max_attempts: 1 }} }}\n\
             retry: {{ max_attempts: 1 }}\n"
        )
    };
    let project = Project::new()
        .write(
            "phlo.yaml",
            "name: x\nconnections:\n  api:\n    source: rest_api\n    base_url: \"${API_URL}\"\n    auth_token: \"${API_TOKEN}\"\n    \
             headers: { X-Pin: \"${PIN}\", X-Plain: plainword }\n",
        )
        .write(".env", &format!("API_TOKEN='{TOKEN}'\nPIN={PIN}\n"))
        .write("assets/raw/x.yaml", &asset("/x"))
        .write("assets/raw/fine.yaml", &asset("/rows"));
    let mut all = String::new();
    for args in [
        &["check"][..],
        &["run", "-v"],
        &["run", "--json"],
        &["config", "show"],
        &["config", "show", "--json"],
        &["runs", "--json"],
        &["logs", "--level", "debug"],
        &["logs", "--level", "debug", "--json"],
        &["status", "--json"],
        &["lineage", "raw.fine"],
        &["table", "show", "raw.fine", "--json"],
        &["plugin", "check", "--json"],
    ] {
        all.push_str(&project.phlo_with(&[("API_URL", &url)], args).all());
    }
    assert!(all.contains("you sent") && all.contains("raw.fine"), "the server's answer is shown: {all}");
    let written = serde_json::to_string(TOKEN).unwrap();
    let url_form = "s3%22cr";
    for secret in [TOKEN, &written[1..written.len() - 1], url_form, "t0ken", PIN, "plainword"] {
        assert!(!all.contains(secret), "{secret} is shown:\n{all}");
        visit(project.path(), &mut |file, bytes| {
            let given = file.file_name().unwrap() == ".env" || file.ends_with("phlo.yaml");
            let found = bytes.windows(secret.len()).any(|w| w == secret.as_bytes());
            assert!(given || !found, "{secret} is in {}", file.display());
        });
    }
    assert_eq!(project.phlo_with(&[("API_URL", &url)], &["sql", "select id from raw.fine"]).exits(0).code, 0);
}

#[test]
fn rows_are_cleaned_of_secrets_and_stay_rows() {
    let project = Project::new().write(".env", &format!("API_TOKEN='{TOKEN}'\nPIN_TOKEN={PIN}\n"));
    let query = format!("select 'it is {TOKEN}, {PIN}' as \"{PIN}\", {PIN} as n, named_struct('t', '{TOKEN}') as s");
    let said = project.phlo(&["sql", &query, "--json"]).exits(0);
    let row = &said.json()["rows"][0];
    assert_eq!(
        *row,
        serde_json::json!({ PIN: "it is ***, ***", "n": 73_519_264, "s": { "t": "***" } }),
        "{}",
        said.stdout
    );
    let rows: Value =
        serde_json::from_str(&project.phlo(&["sql", &query, "--format", "json"]).exits(0).stdout).unwrap();
    assert_eq!(rows[0], *row);
    let query = format!("select 'it is {TOKEN}' as t, {PIN} as n");
    assert_eq!(project.phlo(&["sql", &query, "--format", "csv"]).exits(0).stdout, format!("t,n\nit is ***,{PIN}\n"));
}

#[test]
fn a_mistake_beside_a_secret_does_not_tell_the_secret() {
    for secret in ["auth_token: 73519264", "auth_token: hunter", "headers: { Authorization: [\"Bearer s3cret\"] }"] {
        let project = Project::new()
            .write(
                "phlo.yaml",
                &format!("name: x\nconnections:\n  api: {{ source: rest_api, bas_url: u, {secret} }}\n"),
            )
            .write("assets/raw/x.yaml", "source: { connection: api, endpoint: /x }\n")
            .write(
                "assets/raw/y.yaml",
                &format!("source: {{ plugin: rest_api, base_url: 'http://h', endpoint: x, {secret} }}\nnope: 1\n"),
            );
        for args in [&["check"][..], &["check", "--json"], &["run"], &["config", "show"]] {
            let all = project.phlo(args).all();
            assert!(["73519264", "hunter", "s3cret"].iter().all(|s| !all.contains(s)), "{args:?}: {all}");
        }
    }
}

#[test]
fn an_innocent_value_of_dotenv_neither_breaks_history_nor_lets_a_secret_through() {
    let project = Project::new()
        .write(".env", "LAYER=bronze.x\nSTATE=\"success\"\nSTATE_TOKEN=success\nKIND_TOKEN=telemetry\n")
        .write("d.csv", "id\n1\n")
        .write("assets/bronze/x.yaml", "source: { plugin: files, path: d.csv }\nchecks: [{ not_null: [id] }]\n");
    project.phlo(&["run"]).exits(0);
    let run = &project.phlo(&["runs", "--json"]).exits(0).json()["runs"][0];
    assert_eq!(run["assets"].as_array().map(Vec::len), Some(1), "{run:#}");
    let shown = project.phlo(&["quality", "show", "bronze.x", "--json"]).exits(0).json();
    assert_eq!(shown["checks"].as_array().map(Vec::len), Some(1), "{shown:#}");
}

#[test]
fn what_a_secret_store_holds_reaches_the_source_and_nothing_else() {
    let url = careless_server();
    let project = Project::new()
        .write(
            "phlo.yaml",
            "name: x\ncapabilities: { defaults: { secret_store: files } }\nplugins:\n  settings:\n    resource:\n      \
             secret_files: { folder: \"${DIR:-vault}\" }\n      secret_env: { prefix: X_ }\nconnections:\n  api:\n    source: rest_api\n    \
             base_url: \"${API_URL}\"\n    auth_token: \"${secret:api}\"\n    headers: { X-Pin: \"pin ${secret:env/PIN}\" }\n",
        )
        .write(".env", &format!("X_PIN={PIN}\n"))
        .write("vault/api", &format!("{TOKEN}\n"))
        .write("assets/raw/x.yaml", "source: { connection: api, endpoint: /x, pagination: { kind: none }, retry: { max_attempts: 1 } }\nretry: { max_attempts: 1 }\n")
        .write("assets/raw/fine.yaml", "source: { connection: api, endpoint: /rows, pagination: { kind: none } }\n");
    let file = project.path().join("vault/api");
    let closed = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    let mode = |mode| std::fs::set_permissions(&file, mode).unwrap();
    mode(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    let said = project.phlo_with(&[("API_URL", &url)], &["check"]).exits(2);
    assert!(said.all().contains("mode: 0644") && said.all().contains("phlo.yaml:12:"), "{}", said.all());
    mode(closed);
    let mut all = String::new();
    for args in [
        &["check"][..],
        &["run", "-v"],
        &["run", "--json"],
        &["config", "show"],
        &["config", "show", "--json"],
        &["logs", "--level", "debug", "--json"],
        &["plugin", "check", "--json"],
    ] {
        all.push_str(&project.phlo_with(&[("API_URL", &url)], args).all());
    }
    assert!(all.contains("you sent") && all.contains("authorization: Bearer ***"), "the server saw it: {all}");
    assert!(all.contains("secret:env/PIN") && all.contains("x-pin: ***"), "{all}");
    for secret in [TOKEN, "t0ken", PIN] {
        assert!(!all.contains(secret), "{secret} is shown:\n{all}");
        visit(project.path(), &mut |file, bytes| {
            let given = file.file_name().unwrap() == ".env" || file.ends_with("vault/api");
            let found = bytes.windows(secret.len()).any(|w| w == secret.as_bytes());
            assert!(given || !found, "{secret} is in {}", file.display());
        });
    }
    assert_eq!(project.phlo_with(&[("API_URL", &url)], &["sql", "select id from raw.fine"]).exits(0).code, 0);
}

#[test]
fn a_secret_that_is_not_there_or_whose_store_is_not_is_told_at_its_place() {
    let yaml = |more: &str, secret: &str| format!("name: x\ndescription: \"a ${{secret:{secret}}}\"\n{more}");
    let chosen = "capabilities: { defaults: { secret_store: env } }\n";
    for (yaml, says) in [
        (yaml(chosen, "no"), "phlo.yaml:2:17|P1005|the secret store `env` has no secret `no`|the variable no"),
        (yaml("", "no"), "phlo.yaml:2:17|P2007|several plugins provide a secret_store: env, files|${secret:STORE/no}"),
        (yaml(chosen, "fils/no"), "phlo.yaml:2:17|P2006|there is no secret store `fils`|did you mean `files`?"),
        (
            yaml("plugins: { deny: [secret_env] }\n", "env/no"),
            "phlo.yaml:2:17|P2006|there is no secret store `env`|available: files",
        ),
        (
            yaml("plugins: { deny: [secret_env] }\n", "no"),
            "phlo.yaml:2:17|P1005|the secret store `files` has no secret `no`|/run/secrets/no",
        ),
        (
            yaml("plugins: { settings: { resource: { secret_env: { prefix: \"${secret:a}\" } } } }\n", "env/no"),
            "phlo.yaml:3:59|P1004|before there is a secret store|use `${NAME}` there",
        ),
    ] {
        let said = Project::new().write("phlo.yaml", &yaml).phlo(&["check"]);
        for part in says.split('|') {
            assert!(said.all().contains(part), "{part}\n{yaml}\n{}", said.all());
        }
    }
    // What keeps the stores from being made is told once, at its own place.
    let said = Project::new().write("phlo.yaml", &yaml("plugins: { deny: [secret_evn] }\n", "env/no")).phlo(&["check"]);
    assert_eq!(said.all().matches("secret_evn").count(), 2, "the message and its line: {}", said.all());
}

fn visit(dir: &Path, see: &mut impl FnMut(&Path, &[u8])) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            visit(&path, see);
        } else {
            see(&path, &std::fs::read(&path).unwrap());
        }
    }
}
