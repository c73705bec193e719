//! `cargo xtask dist`: the release binary that runs on any Linux of its architecture, with the proof that it is static.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::process::{cargo, output, run as finish, target_dir};

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The options of `cargo xtask dist`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Cargo features of phlo-cli: a group, or one plugin as `phlo-bundle/source-rest`
    #[arg(long, value_delimiter = ',')]
    features: Vec<String>,
    /// Leave out the group `default`
    #[arg(long)]
    no_default_features: bool,
}

/// Builds, copies, checks and reports.
pub(crate) fn run(root: &Path, args: &Args) -> Result<()> {
    let start = Instant::now();
    let mut build = cargo(root, &["build", "--release", "--locked", "--package", "phlo-cli", "--target", TARGET]);
    if args.no_default_features {
        build.arg("--no-default-features");
    }
    if !args.features.is_empty() {
        build.arg("--features").arg(args.features.join(","));
    }
    // With --target given, these flags do not reach build scripts and procedural macros, which cannot be static.
    build.env("RUSTFLAGS", "-C target-feature=+crt-static");
    // What `phlo version` and `phlo plugin list --json` say; outside of a repository nobody knows.
    if let Ok(commit) = output(Command::new("git").args(["rev-parse", "--verify", "--quiet", "HEAD"]).current_dir(root))
    {
        let commit = commit.trim();
        if commit.len() >= 40 && commit.bytes().all(|b| b.is_ascii_hexdigit()) {
            build.env("PHLO_COMMIT", commit);
        }
    }
    finish(&mut build)?;
    let elapsed = start.elapsed();

    let target = target_dir(root)?;
    let built = target.join(TARGET).join("release/phlo");
    let folder = target.join("dist");
    let binary = folder.join("phlo");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    // Removed first: a binary that is running cannot be written to.
    if binary.exists() {
        std::fs::remove_file(&binary).with_context(|| format!("cannot replace {}", binary.display()))?;
    }
    std::fs::copy(&built, &binary).with_context(|| format!("cannot copy {}", built.display()))?;

    let ldd = output(Command::new("ldd").arg(&binary))?;
    ensure!(is_static(&ldd), "{} is not static, ldd says: {}", binary.display(), ldd.trim());
    let bytes = binary.metadata().with_context(|| format!("cannot read {}", binary.display()))?.len();
    let sum = output(Command::new("sha256sum").arg("--binary").arg(&binary))?;
    let sum = sum.split_whitespace().next().context("sha256sum printed nothing")?;
    println!("binary   {}", binary.display());
    println!("linking  {}", ldd.trim());
    println!("size     {:.1} MiB ({bytes} bytes)", bytes as f64 / f64::from(1024 * 1024));
    println!("sha256   {sum}");
    println!("built in {:.0} s", elapsed.as_secs_f64());
    Ok(())
}

/// Whether this is what `ldd` prints about a binary that needs no shared library: glibc's two wordings, and musl's.
fn is_static(ldd: &str) -> bool {
    ["statically linked", "not a dynamic executable", "Not a valid dynamic program"]
        .iter()
        .any(|wording| ldd.contains(wording))
}

#[cfg(test)]
mod tests {
    use super::is_static;

    #[test]
    fn a_binary_that_needs_a_shared_library_is_not_static() {
        assert!(is_static("\tstatically linked\n"));
        assert!(is_static("\tnot a dynamic executable\n"));
        assert!(!is_static("\tlinux-vdso.so.1\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6\n"));
        assert!(!is_static("ldd: phlo: No such file or directory\n"));
    }
}
