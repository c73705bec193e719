//! A PostgreSQL server of its own for a test, in a temporary folder.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use tokio_postgres::{Client, NoTls};

/// A server, stopped when this is dropped.
pub(crate) struct Server {
    dir: tempfile::TempDir,
    bin: PathBuf,
    /// Its address.
    pub(crate) url: String,
}

impl Server {
    /// Starts one; nothing if PostgreSQL is not installed. Under `CI` it must be.
    #[expect(clippy::print_stdout, reason = "a test that is not run must say so")]
    pub(crate) fn start() -> Option<Self> {
        let Some(bin) = bin() else {
            assert!(std::env::var("CI").is_err(), "PostgreSQL is not installed");
            println!("not run: PostgreSQL is not installed");
            return None;
        };
        let dir = tempfile::tempdir().unwrap();
        // The server refuses to run as root.
        if is_root() {
            assert!(Command::new("chown").arg("postgres").arg(dir.path()).status().unwrap().success());
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let url = format!("postgres://phlo@127.0.0.1:{port}/postgres");
        let server = Self { dir, bin, url };
        let data = server.data();
        server.tool("initdb", &["-D", &data, "-U", "phlo", "-A", "trust", "--no-sync", "-E", "UTF8"]);
        let options = format!("-p {port} -c listen_addresses=127.0.0.1 -c fsync=off -k {data}");
        let log = format!("{data}/log");
        server.tool("pg_ctl", &["-D", &data, "-l", &log, "-o", &options, "-w", "start"]);
        Some(server)
    }

    fn data(&self) -> String {
        self.dir.path().join("data").to_str().unwrap().to_owned()
    }

    fn tool(&self, name: &str, args: &[&str]) {
        let path = self.bin.join(name);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(path);
            command
        } else {
            Command::new(path)
        };
        // What the server inherits it keeps open: a pipe would never end.
        let status = command
            .args(args)
            .current_dir("/")
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "{name} {args:?}: {status}");
    }

    /// A new connection.
    pub(crate) async fn client(&self) -> Client {
        let (client, connection) = tokio_postgres::connect(&self.url, NoTls).await.unwrap();
        #[expect(clippy::disallowed_methods, reason = "it ends with the client")]
        tokio::task::spawn(connection);
        client
    }

    /// Runs statements.
    pub(crate) async fn run(&self, sql: &str) {
        self.client().await.batch_execute(sql).await.unwrap();
    }

    /// The first column of a query, each a text.
    pub(crate) async fn rows(&self, sql: &str) -> Vec<String> {
        let messages = self.client().await.simple_query(sql).await.unwrap();
        let rows = messages.into_iter().filter_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("-").to_owned()),
            _ => None,
        });
        rows.collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.tool("pg_ctl", &["-D", &self.data(), "-m", "immediate", "-w", "stop"]);
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    String::from_utf8_lossy(&id.stdout).trim() == "0"
}

fn bin() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<_> = versions.map(|version| version.path().join("bin")).filter(|bin| has(bin)).collect();
    found.sort();
    found.pop().or_else(|| {
        let works = Command::new("pg_ctl").arg("--version").output().is_ok_and(|said| said.status.success());
        works.then(PathBuf::new)
    })
}

fn has(bin: &Path) -> bool {
    bin.join("pg_ctl").is_file() && bin.join("initdb").is_file()
}
