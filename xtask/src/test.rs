//! `cargo xtask test`: every check and every test in order, cheap ones first, stopping at the first that fails.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::process::{cargo, run as finish, succeeds, target_dir};
use crate::{codegen, features, package, tidy};

const CARGO_DENY: &str = "0.20.2";

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
    /// The interface of phlo-plugin is the pinned one
    Api,
    /// The tests pass
    Test,
    /// Licences, sources and bans of the dependencies
    Deny,
    /// Each plugin compiles without the others, and two choices of them are distributed, when a manifest changed
    Features,
    /// What would be published builds from what is packed
    Package,
    /// Known vulnerabilities of the dependencies; only where asked for, since what is known changes without a commit
    Advisories,
}

/// Runs the steps that were asked for.
pub(crate) fn run(root: &Path, args: &Args) -> Result<()> {
    let start = Instant::now();
    let mut passed = Vec::new();
    for step in Step::value_variants() {
        let wanted = if args.only.is_empty() { !step.is_asked_for() } else { args.only.contains(step) };
        if !wanted {
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
    /// Whether it runs only where it is asked for: what changes without a commit, and what compiles everything once more.
    fn is_asked_for(self) -> bool {
        matches!(self, Self::Advisories)
    }

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
            Self::Api => finish(&mut cargo(
                root,
                &["run", "-q", "--locked", "-p", "xtask", "--features", "api", "--", "api", "--check"],
            )),
            Self::Features => features::run(root),
            Self::Package => package::run(root),
            Self::Test => {
                provision();
                finish(&mut cargo(root, &["test", "--workspace", "--locked", "--no-fail-fast"]))
            }
            Self::Deny => deny(root, &["bans", "licenses", "sources"]),
            Self::Advisories => deny(root, &["advisories"]),
        }
    }
}

/// Installs what tests run beside phlo, where this machine lacks it and is one of Debian's that we may install on. A test that
/// then misses something says so, and fails under `CI`.
fn provision() {
    let needed: [(&[&str], &str); 6] = [
        (&["strace", "--version"], "strace"),
        (&["setpriv", "--version"], "util-linux"),
        (&["systemd-analyze", "--version"], "systemd"),
        (&["python3", "--version"], "python3"),
        (&["python3", "-c", "import ensurepip, venv"], "python3-venv"),
        // Debian keeps the server's programs off the `PATH`.
        (&["sh", "-c", "command -v initdb || ls /usr/lib/postgresql/*/bin/initdb"], "postgresql"),
    ];
    let command = |words: &[&str]| {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        command
    };
    let missing: Vec<_> = needed.iter().filter(|(probe, _)| !succeeds(&mut command(probe))).map(|(_, p)| *p).collect();
    if missing.is_empty() {
        return;
    }
    println!("installing what tests need: {}", missing.join(", "));
    let mut install = vec!["apt-get", "install", "--yes", "--quiet"];
    install.extend(&missing);
    if !(succeeds(&mut command(&["apt-get", "update", "--quiet"])) && succeeds(&mut command(&install))) {
        println!("they could not be installed: the tests that need them say so and do not run");
    }
}

fn deny(root: &Path, checks: &[&str]) -> Result<()> {
    let mut command = Command::new(cargo_deny(root)?);
    // Duplicate versions are warnings, some twenty of them: `cargo deny check bans` shows them to who wants to know.
    command.args(["--log-level=error", "--locked", "check"]).args(checks).current_dir(root);
    finish(&mut command)
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
