//! `cargo xtask test`: every check and every test in order, cheap ones first, stopping at the first that fails.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use clap::ValueEnum;

use crate::process::{cargo, line, run as finish, succeeds, target_dir};
use crate::{codegen, tidy};

const CARGO_DENY: &str = "0.20.2";
/// How long the advisory database may take to arrive before it counts as out of reach.
const FETCH_TIMEOUT: Duration = Duration::from_mins(1);

/// The options of `cargo xtask test`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run this step alone; may be given more than once
    #[arg(long, value_name = "STEP")]
    only: Vec<Step>,
}

/// In the order they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    /// The code is formatted
    Fmt,
    /// The walls and house rules hold
    Tidy,
    /// The generated files are up to date
    Codegen,
    /// No lint warns
    Clippy,
    /// The documentation builds without a warning
    Doc,
    /// The tests pass
    Test,
    /// Licences, sources and bans of the dependencies
    Deny,
}

/// Runs the steps that were asked for.
pub(crate) fn run(root: &Path, args: &Args) -> Result<()> {
    let start = Instant::now();
    let mut passed = Vec::new();
    for step in Step::value_variants() {
        if !args.only.is_empty() && !args.only.contains(step) {
            continue;
        }
        let name = format!("{step:?}").to_lowercase();
        println!("\n=== {name}");
        let step_start = Instant::now();
        step.run(root).with_context(|| format!("{name} failed; again alone: cargo xtask test --only {name}"))?;
        passed.push(format!("{name} {:.1}s", step_start.elapsed().as_secs_f64()));
    }
    println!("\npassed in {:.1}s: {}", start.elapsed().as_secs_f64(), passed.join(", "));
    Ok(())
}

impl Step {
    fn run(self, root: &Path) -> Result<()> {
        match self {
            Self::Fmt => finish(&mut cargo(root, &["fmt", "--all", "--check"])),
            Self::Tidy => tidy::run(root),
            Self::Codegen => codegen::run(root, true),
            Self::Clippy => finish(&mut cargo(
                root,
                &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"],
            )),
            Self::Doc => finish(
                cargo(root, &["doc", "--workspace", "--no-deps", "--lib", "--locked"])
                    .env("RUSTDOCFLAGS", "-D warnings"),
            ),
            Self::Test => finish(&mut cargo(root, &["test", "--workspace", "--locked"])),
            Self::Deny => deny(root),
        }
    }
}

fn deny(root: &Path) -> Result<()> {
    let program = cargo_deny(root)?;
    let deny = |args: &[&str]| {
        let mut command = Command::new(&program);
        command.args(args).current_dir(root);
        command
    };
    // Duplicate versions are warnings, some twenty of them: `cargo deny check bans` shows them to who wants to know.
    finish(&mut deny(&["--log-level=error", "--locked", "check", "bans", "licenses", "sources"]))?;

    let mut fetch = deny(&["fetch", "db"]);
    if in_time(fetch.stdout(Stdio::null()).stderr(Stdio::null()))? {
        finish(&mut deny(&["--log-level=error", "--offline", "--locked", "check", "advisories"]))
    } else {
        println!("advisories NOT checked: their database on github.com is out of reach");
        Ok(())
    }
}

/// The `cargo-deny` of this target folder or of the `PATH`; installed if there is neither.
fn cargo_deny(root: &Path) -> Result<PathBuf> {
    let tools = target_dir(root)?.join("tools");
    let own = tools.join("bin/cargo-deny");
    for candidate in [own.clone(), PathBuf::from("cargo-deny")] {
        if succeeds(Command::new(&candidate).arg("--version")) {
            return Ok(candidate);
        }
    }
    println!("cargo-deny is not installed: building {CARGO_DENY} into {} (once, some minutes)", tools.display());
    let mut install = cargo(root, &["install", "cargo-deny", "--locked", "--version", CARGO_DENY, "--root"]);
    finish(install.arg(&tools)).context("the dependencies cannot be checked without cargo-deny")?;
    Ok(own)
}

/// Whether the command succeeds within [`FETCH_TIMEOUT`]; it is killed if it takes longer.
fn in_time(command: &mut Command) -> Result<bool> {
    let mut child =
        command.stdin(Stdio::null()).spawn().map_err(|e| anyhow!("cannot start `{}`: {e}", line(command)))?;
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().context("cannot wait for cargo-deny")? {
            return Ok(status.success());
        }
        if start.elapsed() > FETCH_TIMEOUT {
            child.kill().context("cannot stop cargo-deny")?;
            child.wait().context("cannot wait for cargo-deny")?;
            return Ok(false);
        }
        sleep(Duration::from_millis(100));
    }
}
