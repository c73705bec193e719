//! A secret is in no output, log, event or file.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;

use crate::fixture::Project;

const TOKEN: &str = "s3cr3t-t0ken/42";

#[test]
fn no_output_and_no_file_ever_shows_a_secret() {
    // A server that answers with what it was sent, as careless ones do.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut buffer = [0; 4096];
            let n = stream.read(&mut buffer).unwrap_or(0);
            let request = String::from_utf8_lossy(&buffer[..n]).into_owned();
            let body = format!("you sent: {request}");
            let _ = write!(
                stream,
                "HTTP/1.1 400 Bad Request\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    let project = Project::new()
        .write(
            "phlo.yaml",
            "name: x\nconnections:\n  api: { source: rest_api, base_url: \"${API_URL}\", auth_token: \"${API_TOKEN}\" }\n",
        )
        .write(".env", &format!("API_TOKEN={TOKEN}\n"))
        .write("assets/raw/x.yaml", "source: { connection: api, endpoint: /x, retry: { max_attempts: 1 } }\nretry: { max_attempts: 1 }\n");
    let url = format!("http://{address}");
    let mut all = String::new();
    for args in [
        &["check"][..],
        &["run", "-v"],
        &["run", "--json"],
        &["config", "show"],
        &["config", "show", "--json"],
        &["runs", "--json"],
        &["logs"],
        &["logs", "--json"],
        &["status", "--json"],
        &["plugin", "check", "--json"],
    ] {
        all.push_str(&project.phlo_with(&[("API_URL", &url)], args).all());
    }
    assert!(all.contains("you sent"), "the server's answer is shown: {all}");
    assert!(!all.contains(TOKEN), "a secret is shown:\n{all}");
    visit(project.path(), &mut |file, bytes| {
        if file.file_name().unwrap() != ".env" {
            assert!(!bytes.windows(TOKEN.len()).any(|w| w == TOKEN.as_bytes()), "a secret is in {}", file.display());
        }
    });
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
