//! Running cargo: what it prints passes through, and what it means is said once more at the end.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use phlo_plugin::Error;
use phlo_spec::Code;
use serde_json::Value;

use super::manifest::{PACKAGE, Project};
use super::{absolute, unwritten};
use crate::app::App;
use crate::commands::version::TARGET;
use crate::exit::Failure;

/// A cargo project and how cargo is called in it.
pub(super) struct Cargo {
    folder: PathBuf,
    target: Option<PathBuf>,
    release: bool,
    rustflags: String,
}

/// What cargo found of the crates.
pub(super) struct Resolved {
    /// The version of phlo.
    pub(super) phlo: String,
    /// Its commit, if it comes from a checkout or a repository.
    pub(super) commit: Option<String>,
    /// The compiler.
    pub(super) rustc: String,
    /// The crates of plugins.
    pub(super) with: Vec<ResolvedWith>,
}

/// A crate of plugins.
pub(super) struct ResolvedWith {
    /// Its package.
    pub(super) package: String,
    /// Its version.
    pub(super) version: String,
    /// Its name in Rust.
    pub(super) crate_name: String,
}

/// A finished binary, where cargo left it.
pub(super) struct Built {
    pub(super) binary: PathBuf,
    folder: PathBuf,
}

impl Cargo {
    /// `target` is where cargo puts what it makes, unless `CARGO_TARGET_DIR` says otherwise; `target` in the folder if there is none.
    pub(super) fn new(app: &App, folder: &Path, project: &Project, target: Option<PathBuf>) -> Self {
        let set = |name: &str| app.environment().get(name).filter(|value| !value.is_empty());
        Self {
            folder: folder.to_owned(),
            target: target.filter(|_| set("CARGO_TARGET_DIR").is_none()),
            release: project.release,
            rustflags: set("RUSTFLAGS").unwrap_or_default().to_owned(),
        }
    }

    /// Writes the project; a lock file that is given, or that of the checkout, is what it begins with.
    pub(super) fn write(&self, project: &Project, lock: Option<&str>) -> Result<(), Failure> {
        let put = |file: &str, text: &str| {
            let path = self.folder.join(file);
            let folder = path.parent().unwrap_or(&self.folder);
            std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, text)).map_err(|e| unwritten(&path, e))
        };
        put("Cargo.toml", &project.cargo_toml()?)?;
        put("src/main.rs", &Project::main_rs(&[]))?;
        match lock.map(str::to_owned).or_else(|| project.source.lock()) {
            Some(lock) => put("Cargo.lock", &lock),
            // What was resolved before is resolved anew: a newer version may be wanted.
            None => match std::fs::remove_file(self.folder.join("Cargo.lock")) {
                Err(err) if err.kind() != std::io::ErrorKind::NotFound => Err(unwritten(&self.folder, err)),
                _ => Ok(()),
            },
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("cargo");
        command.args(arguments).current_dir(&self.folder).stdin(Stdio::null());
        if let Some(target) = &self.target {
            command.env("CARGO_TARGET_DIR", target);
        }
        command
    }

    /// Resolves the crates, once: what is built later is what was found here. `locked` keeps to the lock file as it is.
    pub(super) fn resolve(&self, project: &Project, locked: bool) -> Result<Resolved, Failure> {
        let rustc = Command::new("rustc")
            .arg("--version")
            .stdin(Stdio::null())
            .output()
            .map_err(|err| missing("rustc", err))?;
        let mut command = self.command(&["metadata", "--format-version", "1", "--filter-platform", TARGET]);
        if locked {
            command.arg("--locked");
        }
        let output = command.output().map_err(|err| missing("cargo", err))?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // Whoever closed standard error does not want to know.
        let _ = std::io::stderr().lock().write_all(said.as_bytes());
        if !output.status.success() {
            return Err(unresolved(project, &said, locked));
        }
        let metadata: Value = serde_json::from_slice(&output.stdout)
            .map_err(|err| Error::internal("what `cargo metadata` answers cannot be read").because(err))?;
        let packages = || metadata["packages"].as_array().into_iter().flatten();
        let named = |name: &str| packages().filter(|p| p["name"] == name).collect::<Vec<_>>();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        // Each would know only the plugins that were built against it.
        let contracts = named("phlo-plugin");
        if contracts.len() > 1 {
            let versions: Vec<_> = contracts.iter().map(|p| text(&p["version"])).collect();
            let message = format!("the crates need several versions of phlo-plugin: {}", versions.join(", "));
            return Err(Error::new(Code::BuildFailed, message)
                .hint("use a version of the plugin that was made for this phlo, or name its phlo with `--phlo-source`")
                .into());
        }
        let with = project.with.iter().map(|with| {
            let package = named(&with.package).into_iter().next().cloned().unwrap_or_default();
            let targets = package["targets"].as_array().cloned().unwrap_or_default();
            let is_library = |target: &&Value| {
                target["kind"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "lib" || kind == "rlib"))
            };
            let library = targets
                .iter()
                .find(is_library)
                .ok_or_else(|| Failure::usage(format!("`{}` has no library that could be linked", with.package)))?;
            Ok(ResolvedWith {
                package: with.package.clone(),
                version: text(&package["version"]),
                crate_name: text(&library["name"]).replace('-', "_"),
            })
        });
        let with = with.collect::<Result<Vec<_>, Failure>>()?;
        let crates: Vec<_> = with.iter().map(|with| with.crate_name.clone()).collect();
        let main = self.folder.join("src/main.rs");
        std::fs::write(&main, Project::main_rs(&crates)).map_err(|err| unwritten(&main, err))?;
        let phlo = named("phlo-cli").into_iter().next().cloned().unwrap_or_default();
        // A repository's crates are named with the commit.
        let of_repository = phlo["source"].as_str().and_then(|source| source.strip_prefix("git+")?.rsplit_once('#'));
        Ok(Resolved {
            phlo: text(&phlo["version"]),
            commit: of_repository.map(|(_, commit)| commit.to_owned()).or_else(|| project.source.commit()),
            rustc: String::from_utf8_lossy(&rustc.stdout).trim().to_owned(),
            with,
        })
    }

    /// Builds; cargo's progress and the compiler's messages go to standard error.
    pub(super) fn build(&self, project: &Project, resolved: &Resolved) -> Result<Built, Failure> {
        let mut command = self.command(&["build", "--locked", "--message-format", "json-diagnostic-rendered-ansi"]);
        if self.release {
            command.arg("--release");
            // As `cargo xtask dist`: one file that runs on any Linux of its architecture. With --target given, the flags do not
            // reach build scripts and procedural macros, which cannot be static.
            if TARGET.contains("-linux-") {
                let flags = format!("{} -C target-feature=+crt-static", self.rustflags);
                command.args(["--target", TARGET]).env("RUSTFLAGS", flags.trim_start());
            }
        }
        if let Some(commit) = &resolved.commit {
            command.env("PHLO_COMMIT", commit);
        }
        let mut child = command.stdout(Stdio::piped()).spawn().map_err(|err| missing("cargo", err))?;
        let mut broken = BTreeSet::new();
        let mut binary = None;
        for line in BufReader::new(child.stdout.take().ok_or_else(no_pipe)?).lines() {
            let Some(message) = line.ok().and_then(|line| serde_json::from_str::<Value>(&line).ok()) else { continue };
            match message["reason"].as_str() {
                Some("compiler-message") => {
                    if let Some(rendered) = message["message"]["rendered"].as_str() {
                        let mut stderr = anstream::AutoStream::auto(std::io::stderr());
                        let _ = stderr.write_all(rendered.as_bytes());
                    }
                    if message["message"]["level"] == "error" {
                        broken.insert(package_name(message["package_id"].as_str().unwrap_or_default()));
                    }
                }
                Some("compiler-artifact") if message["target"]["name"] == PACKAGE => {
                    binary = message["executable"].as_str().map(PathBuf::from).or(binary);
                }
                _ => {}
            }
        }
        let status = child.wait().map_err(|err| missing("cargo", err))?;
        if !status.success() {
            return Err(uncompiled(project, resolved, &broken));
        }
        let binary = binary.ok_or_else(|| Error::internal("cargo says that it built nothing"))?;
        Ok(Built { binary, folder: absolute(&self.folder)? })
    }
}

impl Built {
    /// The JSON that the binary answers.
    pub(super) fn ask(&self, arguments: &[&str]) -> Result<Value, Failure> {
        let output = Command::new(&self.binary).args(arguments).current_dir(&self.folder).stdin(Stdio::null()).output();
        let output = output.map_err(|err| unwritten(&self.binary, err))?;
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        if output.status.success() {
            return Ok(answer);
        }
        let error = &answer["error"];
        let code = error["code"].as_str().and_then(|code| code.parse().ok()).unwrap_or(Code::BuildFailed);
        let texts = |value: &Value| -> Vec<String> {
            value.as_array().into_iter().flatten().filter_map(|t| t.as_str().map(str::to_owned)).collect()
        };
        let why = texts(&error["messages"]);
        let why =
            if why.is_empty() { String::from_utf8_lossy(&output.stderr).trim().to_owned() } else { why.join(": ") };
        let refused = Error::new(code, format!("the binary was built and does not start: {why}"));
        Err(texts(&error["hints"]).into_iter().fold(refused, Error::hint).into())
    }
}

fn no_pipe() -> Failure {
    Error::internal("cargo was started without its output").into()
}

fn missing(program: &str, err: std::io::Error) -> Failure {
    let error = Error::new(Code::BuildFailed, format!("`{program}` cannot be started")).because(err);
    error.hint("`phlo build` compiles with Rust's own tools: install them from https://rustup.rs").into()
}

// `registry+…#name@1.2.3`, `path+file:///x/name#1.2.3`, `path+file:///x#name@1.2.3`
fn package_name(id: &str) -> String {
    let (place, rest) = id.rsplit_once('#').unwrap_or(("", id));
    match rest.split_once('@') {
        Some((name, _)) => name.to_owned(),
        None => place.rsplit('/').next().unwrap_or_default().to_owned(),
    }
}

fn unresolved(project: &Project, said: &str, locked: bool) -> Failure {
    let at_fault = project
        .with
        .iter()
        .find(|with| said.contains(&format!("`{}`", with.package)) || said.contains(&format!("`{} ", with.package)));
    let error = match at_fault {
        _ if locked => Error::new(Code::BuildFailed, "the crates are no longer those of that build")
            .hint("a plugin's folder or the checkout of phlo has changed since: restore it, or build anew"),
        Some(with) => Error::new(Code::BuildFailed, format!("`{}` cannot be had: {}", with.package, first_error(said)))
            .hint(format!(
                "`cargo search {}` and `cargo info {}` show which versions there are",
                with.package, with.package
            )),
        None => Error::new(Code::BuildFailed, format!("the crates cannot be had: {}", first_error(said))),
    };
    error.hint("what cargo says of it stands above").into()
}

fn first_error(said: &str) -> &str {
    said.lines().find_map(|line| line.strip_prefix("error: ")).unwrap_or("cargo failed")
}

fn uncompiled(project: &Project, resolved: &Resolved, broken: &BTreeSet<String>) -> Failure {
    let plugin = resolved.with.iter().find(|with| broken.contains(&with.package));
    let error = match (plugin, broken.first()) {
        (Some(with), _) => {
            Error::new(Code::BuildFailed, format!("the plugin `{}` {} does not compile", with.package, with.version))
                .hint("the rest of phlo is not to blame: mend the plugin, or use another version of it")
        }
        (None, Some(package)) if package == PACKAGE => {
            Error::new(Code::BuildFailed, "the crates compile and cannot be linked together")
        }
        (None, Some(package)) => Error::new(Code::BuildFailed, format!("`{package}` does not compile")),
        (None, None) => Error::new(Code::BuildFailed, "cargo could not build the binary"),
    };
    let statically = project.release && TARGET.contains("-linux-gnu");
    let error = if statically && plugin.is_none() {
        error.hint("a release is linked statically, which needs the C library's static form (Debian: libc6-dev); `--debug` does without")
    } else {
        error
    };
    error.hint("what cargo says of it stands above").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_known_by_its_id() {
        for (id, name) in [
            ("registry+https://github.com/rust-lang/crates.io-index#serde@1.0.200", "serde"),
            ("path+file:///srv/acme-x#0.1.0", "acme-x"),
            ("path+file:///srv/folder#acme-x@0.1.0", "acme-x"),
            ("git+https://example.org/phlo?rev=a#phlo-cli@0.1.0", "phlo-cli"),
        ] {
            assert_eq!(package_name(id), name, "{id}");
        }
    }
}
