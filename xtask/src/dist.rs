//! `cargo xtask dist`: the release binary that runs on any Linux of its architecture, with all that an owner of servers asks for:
//! checksum, bill of materials, licences, sizes, manual, completions and systemd units.
//!
//! The bill and the licences are made here rather than by cargo-cyclonedx and cargo-about: each takes minutes to build, and both
//! resolve with `cargo metadata`, which lists more than is linked. Here it is `cargo tree`, held against what cargo says it built.

pub(crate) mod journey;
mod licences;
mod linked;
mod reproduce;
mod sbom;
mod size;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use self::linked::{Id, Linked};
use self::reproduce::Build;
use self::sbom::Runtime;
use self::size::Sizes;
use crate::codegen::{APART, PLUGINS};
use crate::process::{cargo, line, output, stdout, target_dir};

const TARGET: &str = "x86_64-unknown-linux-gnu";
/// The linker's map, from the root: an absolute path would make the compiler's arguments differ between folders.
const MAP: &str = "target/phlo.map";

/// The options of `cargo xtask dist`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A group of plugins, in place of the default one; --features adds to it
    #[arg(long, value_enum, conflicts_with = "no_default_features")]
    group: Option<Group>,
    /// Plugins by their folders, e.g. source-rest, or cargo features of phlo-cli
    #[arg(long, value_delimiter = ',')]
    features: Vec<String>,
    /// Leave out the group `default`
    #[arg(long)]
    no_default_features: bool,
    /// Build as for development, in a third of the time: to try a choice of plugins, not to ship it
    #[arg(long)]
    debug: bool,
    /// The folder for what is made; target/dist unless given
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Build this commit twice, in two folders with two home directories, and compare every file that is made
    #[arg(long)]
    verify_reproducible: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Group {
    /// Files, Delta tables, runs and their history; built for size, at twice the time of each row
    Minimal,
    /// What most projects need
    Default,
    /// Every plugin
    Full,
}

impl Args {
    /// The arguments for cargo that choose the features.
    fn features(&self, root: &Path) -> Vec<String> {
        let group = self.group.filter(|group| *group != Group::Default);
        let mut arguments = Vec::new();
        if self.no_default_features || group.is_some() {
            arguments.push("--no-default-features".to_owned());
        }
        let plugin = |feature: &String| {
            if root.join(PLUGINS).join(feature).is_dir() { format!("phlo-bundle/{feature}") } else { feature.clone() }
        };
        let group = group.map(Group::name);
        let features: Vec<_> = group.into_iter().chain(self.features.iter().map(plugin)).collect();
        if !features.is_empty() {
            arguments.extend(["--features".to_owned(), features.join(",")]);
        }
        arguments
    }

    /// The profile of Cargo.toml.
    fn profile(&self) -> &'static str {
        match self.group {
            _ if self.debug => "dev",
            Some(Group::Minimal) => "small",
            _ => "release",
        }
    }

    /// The same choice, for another `cargo xtask dist`.
    fn again(&self) -> Vec<String> {
        let mut arguments = vec!["dist".to_owned()];
        arguments.extend(self.group.map(|group| format!("--group={}", group.name())));
        if !self.features.is_empty() {
            arguments.push(format!("--features={}", self.features.join(",")));
        }
        let flags = [("--no-default-features", self.no_default_features), ("--debug", self.debug)];
        arguments.extend(flags.into_iter().filter(|(_, given)| *given).map(|(flag, _)| flag.to_owned()));
        arguments
    }
}

impl Group {
    fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

/// Builds, checks, writes and reports.
pub(crate) fn run(root: &Path, args: &Args) -> Result<()> {
    if args.verify_reproducible {
        return reproduce::verify(root, &args.again());
    }
    let start = Instant::now();
    let features = args.features(root);
    let target = target_dir(root)?;
    let folder = args.out.as_ref().map_or_else(|| Ok(target.join("dist")), std::path::absolute)?;
    let build = Build::of(root, &target)?;
    let linked = Linked::read(root, &features, TARGET)?;

    let built = compile(root, args.profile(), &features, &build)?;
    let elapsed = start.elapsed();
    same_packages(&linked, &built)?;

    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let binary = folder.join("phlo");
    // Removed first: a binary that is running cannot be written to.
    if binary.exists() {
        std::fs::remove_file(&binary).with_context(|| format!("cannot replace {}", binary.display()))?;
    }
    std::fs::copy(&built.executable, &binary).with_context(|| format!("cannot copy {}", built.executable.display()))?;
    let ldd = output(Command::new("ldd").arg(&binary))?;
    ensure!(is_static(&ldd), "{} is not static, ldd says: {}", binary.display(), ldd.trim());
    let content = std::fs::read(&binary)?;
    if let Some(path) = build.found_in(&content) {
        bail!(
            "{} holds the path {path} of this machine: built in another folder it would be another",
            binary.display()
        );
    }
    let sum = stdout(Command::new("sha256sum").arg("--binary").arg(&binary))?;
    let sum = sum.split_whitespace().next().context("sha256sum printed nothing")?.to_owned();

    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().context("a file has a folder")?)?;
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    write("phlo.sha256", &format!("{sum}  phlo\n"))?;
    let sizes = sizes(root, &target, &sum, build.sysroot())?;
    let runtimes = runtimes(&sizes, &build)?;
    let bill = sbom::document(
        &linked,
        &runtimes.iter().map(|(runtime, _)| runtime.clone()).collect::<Vec<_>>(),
        &sbom::Binary {
            sha256: Some(&sum),
            target: TARGET,
            features: &if features.is_empty() { "default".to_owned() } else { features.join(" ") },
            commit: build.commit(),
            timestamp: build.timestamp(),
            rustc: build.rustc(),
        },
    );
    write("phlo.cdx.json", &(serde_json::to_string_pretty(&bill)? + "\n"))?;
    write("LICENCES.txt", &licences::text(root, &linked, &runtimes)?)?;
    let plugins = plugin_packages(root, &linked);
    write("size-report.txt", &size::report(&linked, &sizes, &built.archives, &plugins, content.len() as u64)?)?;
    for (name, text) in UNITS {
        write(&format!("systemd/{name}"), text)?;
    }
    for (shell, name) in [("bash", "phlo.bash"), ("zsh", "_phlo"), ("fish", "phlo.fish")] {
        write(&format!("completions/{name}"), &stdout(Command::new(&binary).args(["completions", shell]))?)?;
    }
    let man = folder.join("man");
    if man.exists() {
        std::fs::remove_dir_all(&man)?;
    }
    stdout(Command::new(&binary).args(["man", "--dir"]).arg(&man))?;

    println!("binary   {}", binary.display());
    println!("linking  {}", ldd.trim());
    println!("size     {:.1} MiB ({} bytes)", content.len() as f64 / f64::from(1024 * 1024), content.len());
    println!("sha256   {sum}");
    println!("commit   {}", build.commit());
    println!("linked   {} packages, of them {} with plugins", linked.facts.len(), plugins.len());
    println!("beside   phlo.sha256 phlo.cdx.json LICENCES.txt size-report.txt completions/ man/ systemd/");
    println!("built in {:.0} s", elapsed.as_secs_f64());
    Ok(())
}

const UNITS: [(&str, &str); 3] = [
    ("phlo@.service", include_str!("dist/systemd/phlo@.service")),
    ("phlo@.timer", include_str!("dist/systemd/phlo@.timer")),
    ("phlo.sysusers", include_str!("dist/systemd/phlo.sysusers")),
];

/// What cargo built for the target.
struct Built {
    executable: PathBuf,
    packages: BTreeSet<Id>,
    /// By the crate's name and the hash in its archive's.
    archives: BTreeMap<(String, String), Id>,
}

fn compile(root: &Path, profile: &str, features: &[String], build: &Build) -> Result<Built> {
    let map = root.join(MAP);
    std::fs::create_dir_all(map.parent().context("a file has a folder")?)?;
    let mut command = cargo(root, &["rustc", "--locked", "--package", "phlo-cli", "--bin", "phlo"]);
    command.args(["--profile", profile, "--target", TARGET, "--message-format=json-render-diagnostics"]).args(features);
    command.args(["--", "-C", &format!("link-arg=-Wl,-Map={MAP}")]);
    build.prepare(&mut command);
    let mut child =
        command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start `{}`", line(&command)))?;
    let mut built = Built { executable: PathBuf::new(), packages: BTreeSet::new(), archives: BTreeMap::new() };
    for message in BufReader::new(child.stdout.take().context("no output")?).lines() {
        let message: Value = serde_json::from_str(&message?).context("cargo printed no JSON")?;
        if message["reason"] == "compiler-artifact" {
            built.add(&message)?;
        }
    }
    let status = child.wait()?;
    ensure!(status.success(), "`{}` failed ({status})", line(&command));
    ensure!(built.executable.is_file(), "cargo built no executable");
    Ok(built)
}

impl Built {
    fn add(&mut self, artifact: &Value) -> Result<()> {
        let id = package(artifact["package_id"].as_str().context("an artifact of no package")?)?;
        if let Some(executable) = artifact["executable"].as_str().filter(|path| path.contains(&format!("/{TARGET}/"))) {
            self.executable = PathBuf::from(executable);
            self.packages.insert(id.clone());
        }
        for file in artifact["filenames"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            // The host's are build scripts, procedural macros and what these need.
            if let Some(archive) = file.strip_suffix(".rlib").filter(|file| file.contains(&format!("/{TARGET}/"))) {
                self.packages.insert(id.clone());
                let name = archive.rsplit('/').next().unwrap_or(archive);
                let (name, hash) = size::archive(name);
                self.archives.insert((name.to_owned(), hash.to_owned()), id.clone());
            }
        }
        Ok(())
    }
}

/// The name and version that a package id of cargo ends with: `…#name@1.0.0`, or `…/name#1.0.0` where the folder has the name.
fn package(id: &str) -> Result<Id> {
    let (source, rest) = id.rsplit_once('#').with_context(|| format!("cargo names a package `{id}`"))?;
    let (name, version) = rest.rsplit_once('@').unwrap_or_else(|| (source.rsplit('/').next().unwrap_or(source), rest));
    Ok((name.to_owned(), version.to_owned()))
}

/// What the bill lists is what was built.
fn same_packages(linked: &Linked, built: &Built) -> Result<()> {
    let listed: BTreeSet<_> = linked.facts.keys().cloned().collect();
    let only = |these: &BTreeSet<Id>, those: &BTreeSet<Id>| {
        these.difference(those).map(|id| format!("{} {}", id.0, id.1)).collect::<Vec<_>>().join(", ")
    };
    ensure!(
        built.packages == listed,
        "cargo tree and cargo rustc disagree about what is linked; only built: {}; only listed: {}",
        only(&built.packages, &listed),
        only(&listed, &built.packages)
    );
    Ok(())
}

/// What the linker's map says of this binary. A map is only written when something is linked, so what it said is kept.
fn sizes(root: &Path, target: &Path, sum: &str, sysroot: &str) -> Result<Sizes> {
    let kept = target.join(TARGET).join("sizes").join(format!("{sum}.json"));
    let map = root.join(MAP);
    if map.is_file() {
        let sizes = Sizes::read(BufReader::new(std::fs::File::open(&map)?), sysroot)?;
        std::fs::create_dir_all(kept.parent().context("a file has a folder")?)?;
        std::fs::write(&kept, sizes.to_json().to_string())?;
        std::fs::remove_file(&map)?;
        return Ok(sizes);
    }
    let lost = || {
        format!(
            "the linker's map of this binary is lost: touch phlo-cli/src/main.rs and build again ({})",
            kept.display()
        )
    };
    Sizes::from_json(&serde_json::from_slice(&std::fs::read(&kept).with_context(lost)?)?)
}

/// The libraries of the toolchain and the system that are in the binary, with the files that tell their licences.
fn runtimes(sizes: &Sizes, build: &Build) -> Result<Vec<(Runtime, Vec<PathBuf>)>> {
    let doc = Path::new("/usr/share/doc");
    let toolchain = Path::new(build.sysroot()).join("share/doc/rust");
    let mut runtimes = Vec::new();
    let mut add = |name, version: &str, license, website, texts: &[PathBuf]| {
        let texts = texts.iter().filter(|path| path.is_file()).cloned().collect();
        runtimes.push((Runtime { name, version: version.to_owned(), license, website }, texts));
    };
    if sizes.has_system("std") {
        let version = build.rustc().split(' ').nth(1).unwrap_or_default();
        let licences = toolchain.join("licenses");
        let texts =
            [licences.join("MIT.txt"), licences.join("Apache-2.0.txt"), toolchain.join("COPYRIGHT-library.html")];
        add("rust-std", version, "MIT OR Apache-2.0", "https://www.rust-lang.org/", &texts);
    }
    if sizes.has_system("libc.a") {
        let version = stdout(Command::new("getconf").arg("GNU_LIBC_VERSION"))?;
        let version = version.trim().trim_start_matches("glibc ");
        let website = "https://www.gnu.org/software/libc/";
        add("glibc", version, "LGPL-2.1-or-later", website, &[doc.join("libc6/copyright")]);
    }
    if sizes.has_system("libgcc") {
        let version = stdout(Command::new("cc").arg("-dumpfullversion"))?;
        let major = version.split('.').next().unwrap_or_default();
        let text = doc.join(format!("libgcc-{major}-dev/copyright"));
        add("libgcc", version.trim(), "GPL-3.0-or-later WITH GCC-exception-3.1", "https://gcc.gnu.org/", &[text]);
    }
    Ok(runtimes)
}

/// The packages of plugins among what is linked.
fn plugin_packages(root: &Path, linked: &Linked) -> BTreeSet<String> {
    let plugins = root.join(PLUGINS);
    let apart: Vec<_> = APART.iter().map(|folder| root.join(folder)).collect();
    let is_plugin = |folder: &Path| folder.starts_with(&plugins) || apart.iter().any(|apart| folder == apart);
    let linked = linked.facts.iter().filter(|(_, facts)| facts.ours && is_plugin(&facts.folder));
    linked.map(|((name, _), _)| name.clone()).collect()
}

/// Whether this is what `ldd` prints about a binary that needs no shared library: glibc's two wordings, and musl's.
fn is_static(ldd: &str) -> bool {
    ["statically linked", "not a dynamic executable", "Not a valid dynamic program"]
        .iter()
        .any(|wording| ldd.contains(wording))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::{process, repo};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn args(words: &[&str]) -> Args {
        Line::try_parse_from([&["dist"], words].concat()).unwrap().args
    }

    #[test]
    fn a_binary_that_needs_a_shared_library_is_not_static() {
        assert!(is_static("\tstatically linked\n"));
        assert!(is_static("\tnot a dynamic executable\n"));
        assert!(!is_static("\tlinux-vdso.so.1\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6\n"));
        assert!(!is_static("ldd: phlo: No such file or directory\n"));
    }

    #[test]
    fn plugins_groups_and_features_choose_together() {
        let root = repo::root().unwrap();
        for (words, features) in [
            (&[][..], ""),
            (&["--group", "default"], ""),
            (&["--group", "minimal"], "--no-default-features --features minimal"),
            (
                &["--group", "minimal", "--features", "source-rest,quality-core"],
                "--no-default-features --features minimal,phlo-bundle/source-rest,phlo-bundle/quality-core",
            ),
            (
                &["--no-default-features", "--features", "table-delta"],
                "--no-default-features --features phlo-bundle/table-delta",
            ),
            (&["--features", "full"], "--features full"),
        ] {
            let chosen = args(words);
            assert_eq!(chosen.profile() == "small", words.contains(&"minimal"), "{words:?}");
            assert_eq!(chosen.features(&root).join(" "), features, "{words:?}");
            let again = chosen.again();
            let again: Vec<_> = again[1..].iter().map(String::as_str).collect();
            assert_eq!(args(&again).features(&root), chosen.features(&root), "{again:?}");
        }
        assert!(Line::try_parse_from(["dist", "--group", "full", "--no-default-features"]).is_err());
    }

    #[test]
    fn every_package_of_plugins_is_told_of_whichever_folder_it_lies_in() {
        let root = Path::new("/src");
        let facts = |folder: &str| linked::Facts { folder: root.join(folder), ours: true, ..linked::Facts::default() };
        let of = |name: &str, folder: &str| ((name.to_owned(), "0.1.0".to_owned()), facts(folder));
        let facts = [
            of("phlo-cli", "phlo-cli"),
            of("phlo-plugin", "phlo-core/plugin"),
            of("phlo-source-rest", "phlo-plugins/source-rest"),
            of("phlo-dagster-adapter", "phlo-dagster-adapter"),
        ];
        let linked = Linked { graph: linked::Graph::default(), facts: facts.into() };
        let expected = ["phlo-dagster-adapter", "phlo-source-rest"].map(str::to_owned);
        assert_eq!(plugin_packages(root, &linked), expected.into());
    }

    #[test]
    fn an_id_of_cargo_tells_name_and_version() {
        let id = |name: &str, version: &str| (name.to_owned(), version.to_owned());
        let registry = "registry+https://github.com/rust-lang/crates.io-index#zstd-sys@2.1.3+zstd.1.5.7";
        assert_eq!(package(registry).unwrap(), id("zstd-sys", "2.1.3+zstd.1.5.7"));
        assert_eq!(package("path+file:///src/phlo-core/spec#phlo-spec@0.1.0").unwrap(), id("phlo-spec", "0.1.0"));
        assert_eq!(package("path+file:///src/phlo-cli#0.1.0").unwrap(), id("phlo-cli", "0.1.0"));
        assert!(package("serde").is_err());
    }

    #[test]
    fn systemd_accepts_the_units_and_finds_little_to_harden() {
        if !process::succeeds(Command::new("systemd-analyze").arg("--version")) {
            assert!(process::variable("CI").is_none(), "systemd-analyze is not installed");
            println!("not run: no systemd-analyze");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in UNITS {
            // The binary is not installed here.
            let text = text.replace("/usr/local/bin/phlo", "/bin/true");
            std::fs::write(folder.path().join(name.replace('@', "@demo")), text).unwrap();
        }
        let service = folder.path().join("phlo@demo.service");
        let mut verify = Command::new("systemd-analyze");
        verify.args(["verify", "--man=no"]).arg(&service).arg(folder.path().join("phlo@demo.timer"));
        let verified = verify.output().unwrap();
        let told = String::from_utf8_lossy(&verified.stderr).into_owned();
        assert!(verified.status.success() && !told.contains("phlo@demo"), "{told}");
        // In tenths: 2.0, of 10 for a unit that says nothing.
        let mut secure = Command::new("systemd-analyze");
        secure.args(["security", "--offline=true", "--threshold=20", "--no-pager"]).arg(&service);
        assert!(secure.output().unwrap().status.success(), "{}", output(&mut secure).unwrap());
    }
}
