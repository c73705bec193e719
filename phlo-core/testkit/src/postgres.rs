//! A PostgreSQL server for tests: a cluster of its own below a temporary folder, gone when the test's process is, however that ends.

use std::fs::Permissions;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Holds a server while its own standard input is open, which the kernel closes with the test's process.
const WATCHER: &str =
    r#"dir="$1"; shift; "$@" & server=$!; cat >/dev/null; kill -INT $server; wait $server; rm -rf "$dir""#;

/// A server on a free port of 127.0.0.1, where it asks for the password, and on a socket in its folder, where it does not, which
/// is faster by much for a client that is not optimized. Its superuser is `postgres`, and so is its database. Dropping it stops
/// it and removes its folder.
pub struct PostgresServer {
    dir: PathBuf,
    bin: Option<PathBuf>,
    port: u16,
    watcher: Child,
    held: Option<ChildStdin>,
}

impl PostgresServer {
    /// The superuser's password.
    pub const PASSWORD: &str = "phlo-test-secret";

    /// A server with these settings, or why there is none.
    ///
    /// # Errors
    /// What does not work here, for people.
    pub fn start(settings: &[(&str, &str)]) -> Result<Self, String> {
        Self::start_with(settings, |_| Ok(()))
    }

    /// The same, with files that `prepare` puts into the cluster's folder, e.g. a certificate.
    ///
    /// # Errors
    /// What does not work here, for people.
    pub fn start_with(
        settings: &[(&str, &str)],
        prepare: impl Fn(&Path) -> Result<(), String>,
    ) -> Result<Self, String> {
        let bin = programs()?;
        let user = unprivileged()?;
        let dir = tempfile::Builder::new().prefix("phlo-pg-").tempdir().map_err(told)?.keep();
        let begun = Self::begin(&dir, bin, user, settings, &prepare);
        if begun.is_err() {
            let _ = std::fs::remove_dir_all(&dir);
        }
        begun
    }

    fn begin(
        dir: &Path,
        bin: Option<PathBuf>,
        user: Option<(u32, u32)>,
        settings: &[(&str, &str)],
        prepare: &dyn Fn(&Path) -> Result<(), String>,
    ) -> Result<Self, String> {
        let (data, secret) = (dir.join("data"), dir.join("secret"));
        std::fs::write(&secret, Self::PASSWORD).map_err(told)?;
        let own = |path: &Path| user.map_or(Ok(()), |(uid, gid)| chown(path, Some(uid), Some(gid))).map_err(told);
        own(dir)?;
        own(&secret)?;
        let mut init = as_user(program(bin.as_deref(), "initdb"), user);
        init.args(["--username=postgres", "--auth-host=scram-sha-256", "--auth-local=trust", "--no-sync"]);
        init.args(["--encoding=UTF8", "--locale=C.UTF-8"]);
        init.arg("--pwfile").arg(&secret).arg("--pgdata").arg(&data).current_dir(dir);
        done(init.output().map_err(told)?)?;
        prepare(&data)?;
        for file in std::fs::read_dir(&data).map_err(told)?.flatten() {
            if file.file_type().is_ok_and(|kind| kind.is_file()) {
                own(&file.path())?;
                std::fs::set_permissions(file.path(), Permissions::from_mode(0o600)).map_err(told)?;
            }
        }

        // Somebody else may take a port between asking for a free one and using it.
        let mut why = String::new();
        for _ in 0..5 {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|it| it.local_addr()).map_err(told)?.port();
            let mut watcher = Command::new("sh");
            watcher.args(["-c", WATCHER, "watcher"]).arg(dir);
            watcher.arg(program(bin.as_deref(), "postgres").get_program()).arg("-D").arg(&data);
            let (port_text, dir_text) = (port.to_string(), dir.to_string_lossy());
            let fixed = [
                ("listen_addresses", "127.0.0.1"),
                ("port", &port_text),
                ("unix_socket_directories", &dir_text),
                ("fsync", "off"),
                ("synchronous_commit", "off"),
                ("full_page_writes", "off"),
                ("log_line_prefix", "%m [%p] "),
            ];
            for (name, value) in fixed.iter().chain(settings) {
                watcher.arg("-c").arg(format!("{name}={value}"));
            }
            let log = std::fs::File::create(dir.join("log")).map_err(told)?;
            let mut watcher = as_user(watcher, user);
            watcher.current_dir(dir).stdin(Stdio::piped()).stdout(log.try_clone().map_err(told)?).stderr(log);
            // An interrupt of the test must reach the server through the watcher, in order.
            let mut watcher = watcher.process_group(0).spawn().map_err(told)?;
            let held = watcher.stdin.take();
            let mut server = Self { dir: dir.to_owned(), bin: bin.clone(), port, watcher, held };
            match server.wait() {
                Ok(()) => return Ok(server),
                Err(err) => why = err,
            }
            if !why.contains("Address already in use") {
                break;
            }
        }
        Err(why)
    }

    /// A server, or none where this machine has no PostgreSQL, which is told. Under `CI` it must.
    ///
    /// # Panics
    /// Under `CI`, if there is none.
    pub fn or_skip(settings: &[(&str, &str)]) -> Option<Self> {
        Self::or_skip_with(settings, |_| Ok(()))
    }

    /// The same, with files that `prepare` puts into the cluster's folder.
    ///
    /// # Panics
    /// Under `CI`, if there is none.
    #[expect(clippy::print_stdout, reason = "a test that is not run must say so")]
    #[expect(clippy::disallowed_methods, reason = "whether tests may be left out is the environment's to say")]
    pub fn or_skip_with(settings: &[(&str, &str)], prepare: impl Fn(&Path) -> Result<(), String>) -> Option<Self> {
        match Self::start_with(settings, prepare) {
            Ok(server) => Some(server),
            Err(why) => {
                let told = format!("no PostgreSQL can be started here (Debian's package is `postgresql`): {why}");
                assert!(std::env::var("CI").is_err(), "{told}");
                println!("not run: {told}");
                None
            }
        }
    }

    fn wait(&mut self) -> Result<(), String> {
        let start = Instant::now();
        loop {
            if let Ok(Some(_)) = self.watcher.try_wait() {
                break;
            }
            if self.try_sql("SELECT 1").is_ok() {
                return Ok(());
            }
            if start.elapsed() > Duration::from_mins(1) || self.log().contains("FATAL:  could not create") {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(self.log())
    }

    /// What the server wrote so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder that its socket is in.
    pub fn socket_dir(&self) -> &Path {
        &self.dir
    }

    /// A URL of the superuser, with the password, over TCP.
    pub fn url(&self) -> String {
        format!("postgresql://postgres:{}@127.0.0.1:{}/postgres", Self::PASSWORD, self.port)
    }

    /// Runs SQL with `psql` as the superuser. Answers rows as lines, their values joined by `|`.
    ///
    /// # Panics
    /// If it fails.
    pub fn sql(&self, sql: &str) -> String {
        self.try_sql(sql).unwrap_or_else(|err| panic!("{sql}: {err}"))
    }

    /// [`Self::sql`], or what `psql` says.
    ///
    /// # Errors
    /// What `psql` says.
    pub fn try_sql(&self, sql: &str) -> Result<String, String> {
        let mut psql = program(self.bin.as_deref(), "psql");
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", "-"]).arg(self.url());
        psql.env("PGTZ", "UTC").current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut psql = psql.spawn().map_err(told)?;
        if let Some(mut input) = psql.stdin.take() {
            input.write_all(sql.as_bytes()).map_err(told)?;
        }
        done(psql.wait_with_output().map_err(told)?).map(|text| text.trim_end_matches('\n').to_owned())
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        drop(self.held.take());
        let _ = self.watcher.wait();
        // The watcher did; this is for one that was killed.
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn told(err: std::io::Error) -> String {
    err.to_string()
}

fn done(output: Output) -> Result<String, String> {
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}

fn program(bin: Option<&Path>, name: &str) -> Command {
    Command::new(bin.map_or_else(|| PathBuf::from(name), |bin| bin.join(name)))
}

/// Where the programs are: on the `PATH` (none), or where Debian puts those of the newest version.
fn programs() -> Result<Option<PathBuf>, String> {
    if program(None, "initdb").arg("--version").output().is_ok_and(|it| it.status.success()) {
        return Ok(None);
    }
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let found = versions.filter_map(|version| {
        let number: u32 = version.file_name().to_str()?.parse().ok()?;
        let bin = version.path().join("bin");
        bin.join("initdb").is_file().then_some((number, bin))
    });
    found.max().map(|(_, bin)| Some(bin)).ok_or_else(|| "there is no `initdb`".to_owned())
}

/// The user and group that the server runs as: it refuses to be root. None if we are not.
fn unprivileged() -> Result<Option<(u32, u32)>, String> {
    let ask = |args: &[&str]| -> Option<u32> {
        let output = Command::new("id").args(args).stderr(Stdio::null()).output().ok()?;
        String::from_utf8_lossy(&output.stdout).trim().parse().ok()
    };
    if ask(&["-u"]) != Some(0) {
        return Ok(None);
    }
    let found = ["postgres", "nobody"].iter().find_map(|user| ask(&["-u", user]).zip(ask(&["-g", user])));
    found.map(Some).ok_or_else(|| "there is no user `postgres` or `nobody` to run it as".to_owned())
}

fn as_user(mut command: Command, user: Option<(u32, u32)>) -> Command {
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command
}
