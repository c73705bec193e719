//! The one fixture: a project in a temporary folder, and the binary run in it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The binary under test.
pub(crate) const PHLO: &str = env!("CARGO_BIN_EXE_phlo-it");

/// What cargo tells a program that it runs, and build scripts of dependencies (ring's) take for their own: inherited, it makes them
/// and all that depends on them, DataFusion included, be built again.
pub(crate) const OF_THE_OUTER_CARGO: [&str; 8] = [
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_PATH",
    "CARGO_MANIFEST_LINKS",
    "CARGO_PKG_NAME",
    "CARGO_PKG_VERSION_MAJOR",
    "CARGO_PKG_VERSION_MINOR",
    "CARGO_PKG_VERSION_PATCH",
    "CARGO_PKG_VERSION_PRE",
];

/// The repository's root.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Lets a `phlo build` use the target folder of these tests, where the crates that both need are compiled already. One at a time, while
/// the answer is held: each leaves its binary there under the same name.
pub(crate) fn beside_the_others(build: &mut Command) -> std::sync::MutexGuard<'static, ()> {
    static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let target = Path::new(PHLO).ancestors().nth(2).unwrap();
    build.env("CARGO_TARGET_DIR", target).env("CARGO_INCREMENTAL", "0");
    ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A Python with these packages from PyPI, in a folder of the target folder; nothing if there is none. Under `CI` there is one.
pub(crate) fn python(venv: &str, packages: &[&str], imports: &str) -> Option<PathBuf> {
    let target = std::env::var("CARGO_TARGET_DIR").map_or_else(|_| repository().join("target"), PathBuf::from);
    let venv = target.join(venv);
    let python = venv.join("bin/python");
    // Tests that run at once install it once.
    static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let succeeds = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    let works = || succeeds(Command::new(&python).args(["-c", imports]));
    if !works() {
        let made = succeeds(Command::new("python3").args(["-m", "venv"]).arg(&venv))
            && succeeds(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(packages));
        if !made || !works() {
            assert!(std::env::var("CI").is_err(), "python3 with {packages:?} from PyPI could not be installed");
            return None;
        }
    }
    Some(python)
}

/// A project in a folder of its own, removed at the end.
pub(crate) struct Project {
    dir: TempDir,
}

/// What a command said.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Said {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Asserts the exit code; shows everything otherwise.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }

    /// The one JSON document on standard output.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|err| panic!("{err}\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr))
    }

    /// Both streams.
    pub(crate) fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

impl Project {
    /// An empty project.
    pub(crate) fn new() -> Self {
        let project = Self { dir: TempDir::new().unwrap() };
        project.write("phlo.yaml", "name: test\n")
    }

    /// A copy of an example of the repository, without what a run left there.
    pub(crate) fn example(name: &str) -> Self {
        let project = Self { dir: TempDir::new().unwrap() };
        copy(&repository().join("examples").join(name), project.dir.path());
        project
    }

    /// A copy of another project, tables and all.
    pub(crate) fn copy_of(other: &Self) -> Self {
        let project = Self { dir: TempDir::new().unwrap() };
        let copied = Command::new("cp").arg("-a").arg(other.path().join(".")).arg(project.path()).status().unwrap();
        assert!(copied.success());
        project
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a file, folders included.
    pub(crate) fn write(self, file: &str, text: &str) -> Self {
        self.put(file, text);
        self
    }

    pub(crate) fn put(&self, file: &str, text: &str) {
        self.put_bytes(file, text.as_bytes());
    }

    pub(crate) fn put_bytes(&self, file: &str, bytes: &[u8]) {
        let path = self.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        self.command_of(PHLO, args)
    }

    /// As [`Project::command`], with another binary.
    pub(crate) fn command_of(&self, binary: &str, args: &[&str]) -> Command {
        let mut command = Command::new(binary);
        command
            .args(args)
            .current_dir(self.path())
            .stdin(Stdio::null())
            .env("NO_COLOR", "1")
            .env_remove("RUST_BACKTRACE")
            .env_remove("RUST_LOG");
        for name in OF_THE_OUTER_CARGO {
            command.env_remove(name);
        }
        command
    }

    /// Runs `phlo` here.
    pub(crate) fn phlo(&self, args: &[&str]) -> Said {
        self.said(&mut self.command(args))
    }

    /// Runs a command to its end.
    pub(crate) fn said(&self, command: &mut Command) -> Said {
        Said::of(command.stdin(Stdio::null()).output().unwrap())
    }

    /// Runs `phlo` here with variables set.
    pub(crate) fn phlo_with(&self, variables: &[(&str, &str)], args: &[&str]) -> Said {
        self.said(self.command(args).envs(variables.iter().copied()))
    }

    /// Starts `phlo` here.
    pub(crate) fn start(&self, args: &[&str]) -> Child {
        self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// The rows of a query, each a JSON object.
    #[track_caller]
    pub(crate) fn sql(&self, query: &str) -> Vec<Value> {
        let said = self.phlo(&["sql", query, "--format", "json"]).exits(0);
        serde_json::from_str(&said.stdout).unwrap_or_else(|err| panic!("{err}\n{}", said.stdout))
    }

    /// The one value of a query.
    #[track_caller]
    pub(crate) fn one(&self, query: &str) -> Value {
        let rows = self.sql(query);
        assert_eq!(rows.len(), 1, "{rows:?}");
        rows[0].as_object().unwrap().values().next().unwrap().clone()
    }
}

/// The command, run by another program.
pub(crate) fn wrapped(program: &str, options: &[&str], inner: &Command) -> Command {
    let mut outer = Command::new(program);
    outer.args(options).arg(inner.get_program()).args(inner.get_args());
    if let Some(dir) = inner.get_current_dir() {
        outer.current_dir(dir);
    }
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    outer
}

/// Whether a program that a test needs is there. Under `CI` it must be.
pub(crate) fn tool(program: &str) -> bool {
    works(program, &["--version"])
}

/// Whether this machine lets a test do what it needs. Under `CI` it must.
#[expect(clippy::print_stdout, reason = "a test that is not run must say so")]
pub(crate) fn works(program: &str, args: &[&str]) -> bool {
    let why = match Command::new(program).args(args).stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => return true,
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(err) => err.to_string(),
    };
    let told = format!("`{program} {}` does not work here: {why}", args.join(" "));
    assert!(std::env::var("CI").is_err(), "{told}");
    println!("not run: {told}");
    false
}

/// The value of an asset's `write` for a strategy; a merge is by `id`.
pub(crate) fn write_by(strategy: &str) -> String {
    match strategy {
        "merge" => "{ strategy: merge, unique_key: [id] }".to_owned(),
        other => format!("{{ strategy: {other} }}"),
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if [".phlo", "lake"].iter().any(|left| entry.file_name() == *left) {
            continue;
        }
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
