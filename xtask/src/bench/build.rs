//! What an author of plugins and an owner of servers wait for: builds, and the sizes of what they make.
//!
//! The repository is built in a clone of `HEAD`, so that nothing in it is touched, with the target folder of the repository, so that
//! other people's crates are built already.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::{Took, measure, median, verdict};
use crate::process;

/// The contract crate alone, with all that it needs, from nothing.
pub(super) fn contract(root: &Path, dir: &Path) -> Result<()> {
    let target = dir.join("contract-target");
    remove(&target)?;
    let mut build = process::cargo(root, &["build", "--quiet", "--locked", "--package", "phlo-plugin"]);
    let took = measure(build.arg("--target-dir").arg(&target))?;
    remove(&target)?;
    tell("contract", "phlo-plugin and all that it needs, from an empty folder", took.wall, 45.0);
    Ok(())
}

/// From the command that makes a plugin to its tests passing.
pub(super) fn author(root: &Path, dir: &Path) -> Result<()> {
    let clone = clone(root, dir)?;
    let target = process::target_dir(root)?;
    // Warm: the tests of another source, which needs what the new one needs, and xtask itself.
    let cargo = |words: &[&str]| {
        let mut command = process::cargo(&clone, words);
        command.env("CARGO_TARGET_DIR", &target);
        command
    };
    process::run(&mut cargo(&["test", "--quiet", "--package", "phlo-source-rest", "--no-run"]))?;
    process::run(&mut cargo(&["build", "--quiet", "--package", "xtask"]))?;
    let made = measure(&mut cargo(&["xtask", "new-plugin", "measured", "--kind", "source"]))?;
    let tested = measure(&mut cargo(&["test", "--quiet", "--package", "phlo-source-measured"]))?;
    println!("          made in {:.1} s, tested in {:.1} s", made.wall.as_secs_f64(), tested.wall.as_secs_f64());
    tell("author", "cargo xtask new-plugin, and its tests pass, warm", made.wall + tested.wall, 20.0);
    remove(&clone)
}

/// From an edited line of a plugin to a `phlo` that runs.
pub(super) fn edit(root: &Path, dir: &Path) -> Result<()> {
    let clone = clone(root, dir)?;
    let target = process::target_dir(root)?;
    let source = clone.join("phlo-plugins/source-rest/src/lib.rs");
    let text = std::fs::read_to_string(&source)?;
    let build = || -> Result<Took> {
        let mut build = process::cargo(&clone, &["build", "--quiet", "--locked"]);
        measure(build.env("CARGO_TARGET_DIR", &target))
    };
    let warm = build()?;
    println!("          before the first edit: {:.1} s", warm.wall.as_secs_f64());
    let mut times = Vec::new();
    for edit in 1..=3 {
        // A function that is compiled and kept, so that the edit reaches the binary.
        let added = format!("\n/// Edit {edit}.\npub fn edited() -> u32 {{\n    {edit}\n}}\n");
        std::fs::write(&source, format!("{text}{added}"))?;
        let took = build()?;
        let run = measure(Command::new(target.join("debug/phlo")).arg("version"))?;
        println!("          edit {edit}: {:.1} s", (took.wall + run.wall).as_secs_f64());
        times.push((took.wall + run.wall).as_secs_f64());
    }
    let took = Duration::from_secs_f64(median(times));
    tell("edit", "from an edited line of source-rest to a debug phlo that runs (median of 3)", took, 12.0);
    remove(&clone)
}

/// The distributed binaries of the groups `minimal` and `full`.
pub(super) fn size(root: &Path, dir: &Path) -> Result<()> {
    let mut bytes = Vec::new();
    for group in ["minimal", "full"] {
        let out = dir.join(format!("dist-{group}"));
        let mut dist = process::cargo(root, &["xtask", "dist", "--group", group, "--out"]);
        process::run(dist.arg(&out))?;
        bytes.push(std::fs::metadata(out.join("phlo"))?.len() as f64);
    }
    let mib = |bytes: f64| bytes / f64::from(1 << 20);
    let ratio = bytes[0] / bytes[1];
    println!(
        "size      minimal {:.1} MiB, full {:.1} MiB: {ratio:.2} of it (wanted: at most 0.5): {}",
        mib(bytes[0]),
        mib(bytes[1]),
        verdict(ratio <= 0.5)
    );
    Ok(())
}

fn tell(figure: &str, what: &str, took: Duration, wanted: f64) {
    let seconds = took.as_secs_f64();
    println!("{figure:<9} {what}: {seconds:.1} s wall (wanted: under {wanted}): {}", verdict(seconds < wanted));
}

fn clone(root: &Path, dir: &Path) -> Result<PathBuf> {
    let clone = dir.join("clone");
    remove(&clone)?;
    process::run(Command::new("git").args(["clone", "--quiet", "--local"]).arg(root).arg(&clone))?;
    Ok(clone)
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    Ok(())
}
