//! The cargo project of a build, and `phlo-build.toml`, which says what was built and how to build it again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use phlo_plugin::Error;
use phlo_plugin::fingerprint::sha256;
use phlo_spec::Code;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use toml::{Table, Value};

use super::cargo::Resolved;
use super::crates::{Source, With};
use super::unwritten;
use crate::commands::version::TARGET;
use crate::exit::Failure;

/// The name of the package and of the binary that cargo makes; not `phlo`, which a checkout's own target folder may hold.
pub(super) const PACKAGE: &str = "phlo-custom";

/// What decides the cargo project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Project {
    /// Whether it is optimized and, on Linux, static.
    pub(super) release: bool,
    /// Whether the group `default` is linked.
    pub(super) default_features: bool,
    /// Features of `phlo-bundle`, sorted.
    pub(super) features: Vec<String>,
    /// Where phlo's own crates come from.
    pub(super) source: Source,
    /// Crates of plugins.
    #[serde(default)]
    pub(super) with: Vec<With>,
}

impl Project {
    /// Its `Cargo.toml`.
    ///
    /// # Errors
    /// The checkout of phlo cannot be read.
    pub(super) fn cargo_toml(&self) -> Result<String, Failure> {
        let table = |entries: &[(&str, Value)]| -> Table {
            entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
        };
        let mut dependencies = Table::new();
        let mut cli = self.source.dependency("phlo-cli");
        cli.insert("default-features".to_owned(), false.into());
        dependencies.insert("phlo-cli".to_owned(), cli.into());
        let mut bundle = self.source.dependency("phlo-core/bundle");
        bundle.insert("default-features".to_owned(), self.default_features.into());
        bundle.insert("features".to_owned(), self.features.iter().map(String::as_str).collect::<Vec<_>>().into());
        dependencies.insert("phlo-bundle".to_owned(), bundle.into());
        for with in &self.with {
            dependencies.insert(with.package.clone(), with.dependency().into());
        }
        let package = table(&[
            ("name", PACKAGE.into()),
            ("version", "0.0.0".into()),
            ("edition", "2024".into()),
            ("publish", false.into()),
        ]);
        let mut manifest = table(&[
            ("package", package.into()),
            // A workspace of its own, wherever it lies.
            ("workspace", table(&[("resolver", "3".into())]).into()),
            ("dependencies", dependencies.into()),
        ]);
        let patches = self.source.patches(&self.with);
        if !patches.is_empty() {
            manifest.insert("patch".to_owned(), table(&[("crates-io", patches.into())]).into());
        }
        let profiles = match self.source.profiles()? {
            Some(profiles) => profiles,
            // Speed over size; neither waits for the optimizer to look at everything at once.
            None => table(&[("release", table(&[("strip", true.into()), ("codegen-units", 16.into())]).into())]).into(),
        };
        manifest.insert("profile".to_owned(), profiles);
        Ok(format!("# Written by `phlo build`.\n\n{manifest}"))
    }

    /// Its `src/main.rs`: what names the crates, so that rustc links them.
    pub(super) fn main_rs(crates: &[String]) -> String {
        let uses: String = crates.iter().map(|name| format!("use {name} as _;\n")).collect();
        format!(
            "//! A phlo with plugins of one's own, written by `phlo build`.\n\nuse std::process::ExitCode;\n\n{uses}\n\
             fn main() -> ExitCode {{\n    phlo_cli::main()\n}}\n"
        )
    }
}

/// `phlo-build.toml`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    /// What came of it.
    pub(super) build: Outcome,
    /// The lock file, which fixes the version of every crate.
    pub(super) lock: Lock,
    /// What was asked for.
    pub(super) project: Project,
}

/// What came of a build.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Outcome {
    /// The version of phlo that was linked.
    pub(super) phlo: String,
    /// Its commit, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) commit: Option<String>,
    /// The platform.
    pub(super) target: String,
    /// The compiler.
    pub(super) rustc: String,
    /// The fingerprint of the plugins that are in the binary.
    pub(super) plugin_fingerprint: String,
    /// The crates of plugins that were asked for, each with its version.
    #[serde(default)]
    pub(super) with: BTreeMap<String, String>,
    /// Of those that are folders, what was in them; see [`With::sources`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) sources: BTreeMap<String, String>,
}

/// The lock file of a build.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lock {
    /// The file, beside this one.
    #[serde(default)]
    pub(super) file: String,
    /// Its SHA-256.
    pub(super) sha256: String,
}

impl Manifest {
    /// The record of a build that is done.
    ///
    /// # Errors
    /// The folder of a plugin cannot be read.
    pub(super) fn new(
        project: Project,
        resolved: &Resolved,
        lock_sha256: String,
        linked: &Json,
    ) -> Result<Self, Failure> {
        let sources = project.with.iter().filter_map(|with| Some((with.package.clone(), with.sources()?)));
        let sources = sources.map(|(package, sum)| Ok((package, sum?))).collect::<Result<_, Failure>>()?;
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        Ok(Self {
            build: Outcome {
                phlo: resolved.phlo.clone(),
                commit: resolved.commit.clone(),
                target: TARGET.to_owned(),
                rustc: resolved.rustc.clone(),
                plugin_fingerprint: text(&linked["plugin_fingerprint"]),
                with: resolved.with.iter().map(|with| (with.package.clone(), with.version.clone())).collect(),
                sources,
            },
            lock: Lock { file: String::new(), sha256: lock_sha256 },
            project,
        })
    }

    /// Writes it, and the lock file beside it unless that is there already.
    pub(super) fn write(&self, file: &Path, lock: &str, text: Option<&str>) -> Result<PathBuf, Failure> {
        let written = Self { lock: Lock { file: lock.to_owned(), ..self.lock.clone() }, ..self.clone() };
        let body = toml::to_string(&written)
            .map_err(|err| Error::internal("the record of a build cannot be written as TOML").because(err))?;
        let body = format!("# Written by `phlo build`: `phlo build --repeat FILE` builds the same again.\n\n{body}");
        let put = |path: &Path, text: &str| std::fs::write(path, text).map_err(|err| unwritten(path, err));
        put(file, &body)?;
        if let Some(text) = text {
            put(&file.with_file_name(lock), text)?;
        }
        Ok(file.to_owned())
    }

    /// Reads one, with the lock file beside it.
    pub(super) fn read(file: &Path) -> Result<(Self, String), Failure> {
        let text = std::fs::read_to_string(file).map_err(|err| unwritten(file, err))?;
        let manifest: Self = toml::from_str(&text).map_err(|err| {
            Error::new(Code::Usage, format!("`{}` is no record of a build: {}", file.display(), err.message()))
                .hint("name the `phlo-build.toml` that `phlo build` wrote")
        })?;
        let beside = file.with_file_name(&manifest.lock.file);
        let lock = std::fs::read_to_string(&beside).map_err(|err| unwritten(&beside, err))?;
        if sha256(lock.as_bytes()) != manifest.lock.sha256 {
            let message = format!("`{}` is not the lock file of that build", beside.display());
            return Err(Error::new(Code::Usage, message)
                .hint("its SHA-256 differs from the one that was recorded: restore the file, or build anew")
                .into());
        }
        Ok((manifest, lock))
    }

    /// What is not as it was, for people.
    pub(super) fn differences(&self, now: &Self) -> Vec<String> {
        let (then, now) = (&self.build, &now.build);
        let none = "unknown".to_owned();
        let sources = then.sources.iter().filter_map(|(package, sum)| Some((package, sum, now.sources.get(package)?)));
        let changed = sources
            .filter(|(_, then, now)| then != now)
            .map(|(package, ..)| format!("the files of `{package}` are not those that were built"));
        [
            ("the compiler", &then.rustc, &now.rustc),
            ("the platform", &then.target, &now.target),
            ("the commit of phlo", then.commit.as_ref().unwrap_or(&none), now.commit.as_ref().unwrap_or(&none)),
            ("the fingerprint of the plugins", &then.plugin_fingerprint, &now.plugin_fingerprint),
        ]
        .into_iter()
        .filter(|(_, then, now)| then != now)
        .map(|(what, then, now)| format!("{what} was {then} and is {now}"))
        .chain(changed)
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::crates::From;
    use super::*;

    fn project() -> Project {
        let with = |package: &str, from| With { package: package.to_owned(), from, plugins: Vec::new() };
        Project {
            release: true,
            default_features: false,
            features: vec!["source-files".to_owned(), "table-delta".to_owned()],
            source: Source::Version("1.2.3".to_owned()),
            with: vec![
                with("acme-x", From::Version("=0.4.0".to_owned())),
                with("acme-y", From::Path(PathBuf::from("/srv/acme-y"))),
            ],
        }
    }

    #[test]
    fn the_project_pins_phlo_and_names_every_crate() {
        let text = project().cargo_toml().unwrap_or_else(|_| panic!("nothing is read"));
        for part in [
            "[dependencies.acme-x]\nversion = \"=0.4.0\"",
            "[dependencies.acme-y]\npath = \"/srv/acme-y\"",
            "[dependencies.phlo-bundle]\ndefault-features = false\nfeatures = [\"source-files\", \"table-delta\"]\nversion = \"=1.2.3\"",
            "[dependencies.phlo-cli]\ndefault-features = false\nversion = \"=1.2.3\"",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains("[patch"), "what comes from the registry is what plugins ask it for");
        let main = Project::main_rs(&["acme_x".to_owned(), "ypsilon".to_owned()]);
        assert!(
            main.contains("use acme_x as _;\nuse ypsilon as _;\n\nfn main() -> ExitCode {\n    phlo_cli::main()\n}"),
            "{main}"
        );
    }

    #[test]
    fn what_was_recorded_reads_back() {
        let manifest = Manifest {
            build: Outcome {
                phlo: "1.2.3".to_owned(),
                commit: None,
                target: "t".to_owned(),
                rustc: "r".to_owned(),
                plugin_fingerprint: "f".to_owned(),
                with: [("acme-x".to_owned(), "0.4.0".to_owned())].into(),
                sources: [("acme-y".to_owned(), "1".to_owned())].into(),
            },
            lock: Lock { file: "phlo-build.lock".to_owned(), sha256: "s".to_owned() },
            project: project(),
        };
        let text = toml::to_string(&manifest).unwrap();
        let back: Manifest = toml::from_str(&text).unwrap_or_else(|err| panic!("{err}\n{text}"));
        assert_eq!(back.project, manifest.project);
        let sources = [("acme-y".to_owned(), "2".to_owned())].into();
        let later =
            Manifest { build: Outcome { rustc: "newer".to_owned(), sources, ..manifest.build.clone() }, ..back };
        assert_eq!(
            manifest.differences(&later),
            ["the compiler was r and is newer", "the files of `acme-y` are not those that were built"]
        );
    }
}
