//! One commit, one binary: what is the machine's is kept out of the build, and two builds in two folders are compared.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::TARGET;
use crate::process::{again, run as finish, stdout, variable, variables};

/// What C compilers take for the date of the build. That of the commit would have each commit build the C libraries again, and all
/// that depends on them.
const EPOCH: &str = "1795623227";

/// Runs the compiler for a crate that keeps the folder it is built in, `env!("CARGO_MANIFEST_DIR")`, in a function that nobody calls. The
/// text is not linked, but how far that function's parts lie apart is: linkers keep the table by which it would unwind. The folder's name
/// is as long as that of the home directory. No flag remaps it, so this does; other crates' macros read files in that folder.
const WRAPPER: &str = r#"#!/bin/sh
if [ "$CARGO_PKG_NAME" = datafusion-common ]; then
  export CARGO_MANIFEST_DIR="/cargo/$CARGO_PKG_NAME-$CARGO_PKG_VERSION"
fi
exec "$@"
"#;

/// What a build takes from its commit, and what it hides of the machine.
pub(crate) struct Build {
    /// Folders of this machine and what they are called in the binary; of several that fit, the last is taken.
    folders: Vec<(String, &'static str)>,
    sysroot: String,
    rustc: String,
    /// [`WRAPPER`], as a file.
    wrapper: PathBuf,
    commit: String,
    timestamp: String,
}

impl Build {
    /// Of the tree as it is.
    pub(crate) fn of(root: &Path, target: &Path) -> Result<Self> {
        let text =
            |path: &Path| path.to_str().map(str::to_owned).with_context(|| format!("{} is not UTF-8", path.display()));
        let sysroot = stdout(Command::new("rustc").args(["--print", "sysroot"]).current_dir(root))?.trim().to_owned();
        let home = home().context("neither CARGO_HOME nor HOME is set")?;
        let mut folders = Vec::new();
        for (folder, name) in [(Path::new(&sysroot), "/rust"), (&home, "/cargo"), (root, "/phlo"), (target, "/target")]
        {
            folders.push((text(folder)?, name));
            if let Some(real) = folder.canonicalize().ok().filter(|real| real != folder) {
                folders.push((text(&real)?, name));
            }
        }
        let spaced = folders.iter().find(|(folder, _)| folder.contains(char::is_whitespace));
        ensure!(spaced.is_none(), "C compilers are not told of a folder with a space in its name: {spaced:?}");
        let git = |args: &[&str]| {
            let text = stdout(Command::new("git").args(args).current_dir(root).env("TZ", "UTC"));
            text.map(|text| text.trim().to_owned())
        };
        let mut commit = git(&["rev-parse", "HEAD"])?;
        if !git(&["status", "--porcelain"])?.is_empty() {
            commit += "-dirty";
        }
        Ok(Self {
            wrapper: wrapper(target)?,
            folders,
            sysroot,
            rustc: stdout(Command::new("rustc").arg("--version").current_dir(root))?.trim().to_owned(),
            commit,
            timestamp: git(&["log", "-1", "--format=%cd", "--date=format-local:%Y-%m-%dT%H:%M:%SZ"])?,
        })
    }

    pub(crate) fn sysroot(&self) -> &str {
        &self.sysroot
    }

    pub(crate) fn rustc(&self) -> &str {
        &self.rustc
    }

    pub(crate) fn commit(&self) -> &str {
        &self.commit
    }

    /// When the commit was made.
    pub(crate) fn timestamp(&self) -> &str {
        &self.timestamp
    }

    /// Sets what the compilers read.
    pub(crate) fn prepare(&self, command: &mut Command) {
        for name in variables() {
            // What a developer's shell says about profiles and flags is not the commit's.
            let compiles = name.ends_with("RUSTFLAGS") || name.contains("CFLAGS") || name.ends_with("_WRAPPER");
            if name.starts_with("CARGO_PROFILE_") || compiles {
                command.env_remove(&name);
            }
        }
        command.env("RUSTC_WRAPPER", &self.wrapper);
        // Joined by what no flag contains. With --target given, they do not reach build scripts and procedural macros, which cannot
        // be static. With a remapped path among them, cargo keeps them out of the names that it makes.
        command.env("CARGO_ENCODED_RUSTFLAGS", self.rust_flags().join("\u{1f}"));
        let c_flags: Vec<_> = self.folders.iter().map(|(from, to)| format!("-ffile-prefix-map={from}={to}")).collect();
        let target = TARGET.replace('-', "_");
        for language in ["CFLAGS", "CXXFLAGS"] {
            command.env(format!("{language}_{target}"), c_flags.join(" "));
        }
        command.env("SOURCE_DATE_EPOCH", EPOCH).env("ZERO_AR_DATE", "1");
        command.env("TZ", "UTC").env("LC_ALL", "C").env("CARGO_INCREMENTAL", "0").env("PHLO_COMMIT", &self.commit);
    }

    fn rust_flags(&self) -> Vec<String> {
        let mut flags = vec!["-Ctarget-feature=+crt-static".to_owned()];
        // Functions of the same code become one, and a relocation takes a bit or two in place of 24 bytes.
        flags.extend(["-Clink-arg=-Wl,--icf=all".to_owned(), "-Clink-arg=-Wl,-z,pack-relative-relocs".to_owned()]);
        flags.extend(self.folders.iter().map(|(from, to)| format!("--remap-path-prefix={from}={to}")));
        flags
    }

    /// A folder of this machine that is in the binary.
    pub(crate) fn found_in(&self, binary: &[u8]) -> Option<&str> {
        let mut folders = self.folders.iter().map(|(folder, _)| folder.as_str());
        folders.find(|folder| memchr::memmem::find(binary, folder.as_bytes()).is_some())
    }
}

fn wrapper(target: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(target)?;
    let path = target.join("dist-rustc");
    if std::fs::read_to_string(&path).is_ok_and(|text| text == WRAPPER) {
        return Ok(path);
    }
    // Renamed into its place, whole: a script that is open for writing cannot be run.
    let beside = target.join(format!("dist-rustc.{}", std::process::id()));
    std::fs::write(&beside, WRAPPER).with_context(|| format!("cannot write {}", beside.display()))?;
    std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(0o755))?;
    std::fs::rename(&beside, &path)?;
    Ok(path)
}

fn home() -> Option<PathBuf> {
    variable("CARGO_HOME").map(PathBuf::from).or_else(|| Some(Path::new(&variable("HOME")?).join(".cargo")))
}

/// Makes a distribution of `HEAD` in two folders, each with a home directory and sources of its own, and compares every file.
pub(crate) fn verify(root: &Path, dist: &[String]) -> Result<()> {
    let tree = stdout(Command::new("git").args(["status", "--porcelain"]).current_dir(root))?;
    ensure!(tree.is_empty(), "the tree is not what is committed, and only a commit can be built twice:\n{tree}");
    // Whoever waits for two builds may go on working.
    let commit = stdout(Command::new("git").args(["rev-parse", "HEAD"]).current_dir(root))?;
    let registry = home().context("neither CARGO_HOME nor HOME is set")?.join("registry");
    let own_home = variable("HOME").unwrap_or_default();
    let toolchains = variable("RUSTUP_HOME").map_or_else(|| Path::new(&own_home).join(".rustup"), PathBuf::from);
    let temp = std::env::temp_dir().join(format!("phlo-reproduce-{}", std::process::id()));
    let mut made = Vec::new();
    // Of different lengths: what is cut or padded to a size shows.
    for name in ["a/checkout", "another/folder/for/phlo"] {
        let folder = temp.join(name);
        let home = folder.with_file_name("home");
        std::fs::create_dir_all(home.join(".cargo/registry"))?;
        // What was downloaded is shared; it is unpacked again.
        for shared in ["cache", "index"] {
            let from = registry.join(shared);
            std::os::unix::fs::symlink(&from, home.join(".cargo/registry").join(shared))
                .with_context(|| format!("cannot link to {}", from.display()))?;
        }
        finish(Command::new("git").args(["clone", "--quiet"]).arg(root).arg(&folder))?;
        finish(Command::new("git").args(["checkout", "--quiet", "--detach", commit.trim()]).current_dir(&folder))?;
        let out = folder.with_file_name("out");
        let mut command = again();
        command.args(dist).arg("--out").arg(&out).current_dir(&folder);
        command.env("HOME", &home).env("CARGO_HOME", home.join(".cargo")).env("RUSTUP_HOME", &toolchains);
        finish(command.env_remove("CARGO_TARGET_DIR"))?;
        let files = sums(&out)?;
        ensure!(files.contains_key("phlo"), "there is no phlo in {}", out.display());
        let libraries = folder.with_file_name("libraries");
        keep_libraries(&folder.join("target").join(TARGET), &libraries)?;
        made.push((files, sums(&libraries)?));
        // Only what is compared is kept: a target folder is some GB.
        std::fs::remove_dir_all(folder.join("target"))?;
        std::fs::remove_dir_all(&home)?;
    }
    let differ = differing(&made[0].0, &made[1].0);
    if !differ.is_empty() {
        let libraries = differing(&made[0].1, &made[1].1);
        bail!(
            "two builds of one commit differ in {differ:?}, of the libraries that were linked in {libraries:?}; both are kept in {}",
            temp.display()
        );
    }
    let first = &made[0].0;
    for (file, sum) in first {
        println!("same     {sum}  {file}");
    }
    std::fs::remove_dir_all(&temp)?;
    println!("reproduced: {} files, the same in both folders", first.len());
    Ok(())
}

/// Moves what was linked out of a target folder: where two binaries differ, these tell by which crate. Without what crates tell the
/// compiler of themselves, which is not linked and differs wherever a crate below differs.
fn keep_libraries(target: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    let mut find = Command::new("find");
    finish(
        find.args(["-name", "*.rlib", "-path", "*/deps/*", "-exec", "mv", "-t"])
            .arg(to)
            .args(["{}", "+"])
            .current_dir(target),
    )?;
    let mut find = Command::new("find");
    finish(find.args([".", "-name", "*.rlib", "-exec", "ar", "d", "{}", "lib.rmeta", ";"]).current_dir(to))
}

/// The files that are not the same in both.
fn differing<'a>(first: &'a BTreeMap<String, String>, second: &'a BTreeMap<String, String>) -> Vec<&'a str> {
    let files: BTreeSet<_> = first.keys().chain(second.keys()).collect();
    files.into_iter().filter(|file| first.get(*file) != second.get(*file)).map(String::as_str).collect()
}

/// SHA-256 of every file below the folder.
fn sums(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut find = Command::new("find");
    find.args([".", "-type", "f", "-exec", "sha256sum", "{}", "+"]).current_dir(folder);
    let sums: BTreeMap<_, _> = stdout(&mut find)?
        .lines()
        .filter_map(|line| line.split_once("  "))
        .map(|(sum, file)| (file.trim_start_matches("./").to_owned(), sum.to_owned()))
        .collect();
    Ok(sums)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(root: &str) -> Build {
        Build {
            folders: vec![(root.to_owned(), "/phlo"), (format!("{root}/target"), "/target")],
            sysroot: String::new(),
            rustc: String::new(),
            wrapper: PathBuf::new(),
            commit: "c0ffee".to_owned(),
            timestamp: String::new(),
        }
    }

    #[test]
    fn a_folder_of_the_machine_in_a_binary_is_found() {
        let build = build("/builds/phlo");
        assert_eq!(build.found_in(b"\0\0/builds/phlo/src\0"), Some("/builds/phlo"));
        assert_eq!(build.found_in(b"\0\0/builds//builds/phl\0/phlo/src"), None);
    }

    #[test]
    fn a_crate_that_keeps_its_folder_is_told_of_none_of_this_machine() {
        let temp = tempfile::tempdir().unwrap();
        let wrapper = wrapper(temp.path()).unwrap();
        let told = |name: &str| {
            let mut command = Command::new(&wrapper);
            command.args(["sh", "-c", "printf %s \"$CARGO_MANIFEST_DIR\""]);
            command
                .env("CARGO_MANIFEST_DIR", "/builds/x")
                .env("CARGO_PKG_NAME", name)
                .env("CARGO_PKG_VERSION", "1.2.3");
            stdout(&mut command).unwrap()
        };
        assert_eq!(["datafusion-common", "arrow"].map(told), ["/cargo/datafusion-common-1.2.3", "/builds/x"]);
    }

    #[test]
    fn a_program_from_two_folders_is_the_same_bytes_and_names_neither() {
        // The flags alone, with rustc: what they do for the whole is shown by --verify-reproducible.
        let temp = tempfile::tempdir().unwrap();
        let mut made = Vec::new();
        for name in ["a", "another"] {
            let folder = temp.path().join(name);
            std::fs::create_dir(&folder).unwrap();
            let source = folder.join("main.rs");
            let text = "fn main() { println!(\"{} {}\", file!(), std::env::args().nth(9).unwrap()); }\n";
            std::fs::write(&source, text).unwrap();
            let build = build(folder.to_str().unwrap());
            let mut rustc = Command::new("rustc");
            rustc.args(["--edition=2024", "-O", "-Cstrip=symbols", "--target", TARGET]).args(build.rust_flags());
            finish(rustc.arg(&source).arg("-o").arg(folder.join("program"))).unwrap();
            let program = std::fs::read(folder.join("program")).unwrap();
            assert_eq!(build.found_in(&program), None);
            assert!(memchr::memmem::find(&program, b"/phlo/main.rs").is_some());
            made.push(program);
        }
        assert!(made[0] == made[1], "the two programs differ");
    }
}
