//! What is linked: where phlo's own crates come from, and the crates of plugins.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use phlo_plugin::Error;
use phlo_plugin::fingerprint::sha256;
use phlo_spec::Code;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::unwritten;
use crate::commands::version::VERSION;
use crate::exit::Failure;

/// Groups of `phlo-bundle`, beside a feature per plugin.
const GROUPS: [&str; 3] = ["default", "full", "minimal"];
/// The crates of phlo that a plugin may be built against, and their folders.
const CONTRACT: [(&str, &str); 4] = [
    ("phlo-plugin", "phlo-core/plugin"),
    ("phlo-spec", "phlo-core/spec"),
    ("phlo-engine-api", "phlo-core/engine-api"),
    ("phlo-storage", "phlo-core/storage"),
];

/// Where phlo's own crates come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Source {
    /// The registry, in exactly this version.
    Version(String),
    /// A checkout of the repository.
    Path(PathBuf),
    /// A repository, at a revision or at its head.
    Git {
        /// Its URL.
        url: String,
        /// A commit, tag or branch.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rev: Option<String>,
    },
}

impl Source {
    /// The version of this binary.
    pub(super) fn of_registry() -> Self {
        Self::Version(VERSION.to_owned())
    }

    /// A folder, or a URL with an optional `#REV`.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        if let Some(url) = text.strip_prefix("git+").or_else(|| text.contains("://").then_some(text)) {
            let (url, rev) = url.split_once('#').map_or((url, None), |(url, rev)| (url, Some(rev.to_owned())));
            return Ok(Self::Git { url: url.to_owned(), rev });
        }
        let folder = real(Path::new(text))?;
        if !folder.join("phlo-cli/Cargo.toml").is_file() {
            return Err(Failure::usage(format!("`{text}` is no checkout of phlo: it has no `phlo-cli/Cargo.toml`")));
        }
        Ok(Self::Path(folder))
    }

    /// The features that can be asked for. Of a phlo that is elsewhere, those that this one knows.
    pub(super) fn features(&self) -> Result<BTreeSet<String>, Failure> {
        if let Self::Path(folder) = self {
            let manifest = read(&folder.join("phlo-core/bundle/Cargo.toml"))?;
            let features = manifest.get("features").and_then(Value::as_table);
            return Ok(features.into_iter().flat_map(|t| t.keys().cloned()).collect());
        }
        let known = phlo_bundle::KNOWN.iter().map(|known| known.feature);
        Ok(known.chain(GROUPS).map(str::to_owned).collect())
    }

    /// The dependency on one of phlo's crates.
    pub(super) fn dependency(&self, folder: &str) -> Table {
        let mut table = Table::new();
        let mut set = |key: &str, value: &str| drop(table.insert(key.to_owned(), value.into()));
        match self {
            Self::Version(version) => set("version", &format!("={version}")),
            Self::Path(root) => set("path", &root.join(folder).to_string_lossy()),
            Self::Git { url, rev } => {
                set("git", url);
                if let Some(rev) = rev {
                    set("rev", rev);
                }
            }
        }
        table
    }

    /// A plugin that asks the registry for phlo's crates is given these: with two of them in one binary, each would know only its
    /// own plugins.
    pub(super) fn patches(&self, with: &[With]) -> Table {
        let mut patches = Table::new();
        if !matches!(self, Self::Version(_)) {
            for (package, folder) in CONTRACT {
                if with.iter().any(|with| with.asks_registry_for(package)) {
                    patches.insert(package.to_owned(), self.dependency(folder).into());
                }
            }
        }
        patches
    }

    /// The profiles of a checkout, which say how fast its crates are.
    pub(super) fn profiles(&self) -> Result<Option<Value>, Failure> {
        match self {
            Self::Path(folder) => Ok(read(&folder.join("Cargo.toml"))?.remove("profile")),
            _ => Ok(None),
        }
    }

    /// A checkout's lock file: the versions that phlo was tested with.
    pub(super) fn lock(&self) -> Option<String> {
        match self {
            Self::Path(folder) => std::fs::read_to_string(folder.join("Cargo.lock")).ok(),
            _ => None,
        }
    }

    /// The commit of a checkout, `-dirty` if it has changes.
    pub(super) fn commit(&self) -> Option<String> {
        let Self::Path(folder) = self else { return None };
        let git = |args: &[&str]| {
            let output = Command::new("git").arg("-C").arg(folder).args(args).output().ok()?;
            output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        };
        let head = git(&["rev-parse", "HEAD"]).filter(|head| !head.is_empty())?;
        let dirty = git(&["status", "--porcelain"]).is_some_and(|changes| !changes.is_empty());
        Some(if dirty { format!("{head}-dirty") } else { head })
    }
}

/// A crate of plugins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct With {
    /// Its package.
    pub(super) package: String,
    /// What is asked for: of the registry a version, else a folder.
    #[serde(flatten)]
    pub(super) from: From,
    /// The plugins that its `Cargo.toml` lists, kind and name; none is known of a crate that is not here yet.
    #[serde(skip)]
    pub(super) plugins: Vec<(String, String)>,
}

/// Where a crate of plugins comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum From {
    /// The registry: a version requirement.
    Version(String),
    /// A folder.
    Path(PathBuf),
}

impl With {
    /// SHA-256 of what `sha256sum` tells of each file of the folder, in the order of their paths; what cargo writes and what is
    /// hidden left out. Nothing of a crate from the registry, whose files the lock file fixes.
    pub(super) fn sources(&self) -> Option<Result<String, Failure>> {
        let From::Path(folder) = &self.from else { return None };
        let mut told = BTreeMap::new();
        Some(files(folder, Path::new(""), &mut told).map(|()| {
            let lines: String = told.iter().map(|(file, sum)| format!("{sum}  {}\n", file.display())).collect();
            sha256(lines.as_bytes())
        }))
    }

    /// `./folder`, `name` or `name@version`.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        if text.contains(['/', '\\']) || text.starts_with('.') {
            return Self::of_folder(&real(Path::new(text))?);
        }
        let (name, version) = text.split_once('@').unwrap_or((text, "*"));
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
        if !is_name || version.is_empty() {
            return Err(Error::new(Code::Usage, format!("`--with {text}` names no crate"))
                .hint("write NAME, NAME@VERSION, or a folder as `./my-plugin`")
                .into());
        }
        Ok(Self { package: name.to_owned(), from: From::Version(version.to_owned()), plugins: Vec::new() })
    }

    fn of_folder(folder: &Path) -> Result<Self, Failure> {
        let manifest = read(&folder.join("Cargo.toml"))?;
        let package = manifest.get("package").and_then(|p| p.get("name")).and_then(Value::as_str);
        let Some(package) = package else {
            return Err(Error::new(Code::Usage, format!("`{}` holds no package", folder.display()))
                .hint("name the folder of the plugin's own `Cargo.toml`, not of its workspace")
                .into());
        };
        let said = manifest.get("package").and_then(|p| p.get("metadata")?.get("phlo")?.get("plugins")?.as_array());
        let text = |plugin: &Value, key: &str| plugin.get(key).and_then(Value::as_str).map(str::to_owned);
        let plugins = said.into_iter().flatten().filter_map(|p| Some((text(p, "kind")?, text(p, "name")?))).collect();
        Ok(Self { package: package.to_owned(), from: From::Path(folder.to_owned()), plugins })
    }

    /// For people.
    pub(super) fn shown(&self) -> String {
        match &self.from {
            From::Version(any) if any == "*" => format!("{}, the newest version", self.package),
            From::Version(version) => format!("{} {version}", self.package),
            From::Path(folder) => format!("{} in {}", self.package, folder.display()),
        }
    }

    /// The dependency on it.
    pub(super) fn dependency(&self) -> Table {
        let mut table = Table::new();
        match &self.from {
            From::Version(version) => drop(table.insert("version".to_owned(), version.as_str().into())),
            From::Path(folder) => drop(table.insert("path".to_owned(), folder.to_string_lossy().as_ref().into())),
        }
        table
    }

    // Of a crate that is not here yet it is not known: any plugin is built against the contract.
    fn asks_registry_for(&self, package: &str) -> bool {
        let From::Path(folder) = &self.from else { return package == "phlo-plugin" };
        let Ok(manifest) = read(&folder.join("Cargo.toml")) else { return false };
        let dependency = manifest.get("dependencies").and_then(|d| d.get(package));
        dependency.is_some_and(|d| ["path", "git", "workspace"].iter().all(|key| d.get(key).is_none()))
    }
}

fn read(file: &Path) -> Result<Table, Failure> {
    let wrong = |error: Error| {
        error
            .with("file", file.display())
            .hint("`--with ./FOLDER` and `--phlo-source FOLDER` name folders with a `Cargo.toml`")
    };
    let text = std::fs::read_to_string(file)
        .map_err(|err| wrong(Error::new(Code::UnreadableFile, "a `Cargo.toml` cannot be read").because(err)))?;
    text.parse().map_err(|err: toml::de::Error| {
        wrong(Error::new(Code::Usage, format!("a `Cargo.toml` is not valid: {}", err.message()))).into()
    })
}

fn real(path: &Path) -> Result<PathBuf, Failure> {
    std::fs::canonicalize(path).map_err(|err| {
        Error::new(Code::UnreadableFile, format!("there is no folder `{}`", path.display())).because(err).into()
    })
}

fn files(root: &Path, below: &Path, told: &mut BTreeMap<PathBuf, String>) -> Result<(), Failure> {
    let folder = root.join(below);
    for entry in std::fs::read_dir(&folder).map_err(|err| unwritten(&folder, err))? {
        let entry = entry.map_err(|err| unwritten(&folder, err))?;
        let (name, path) = (entry.file_name(), below.join(entry.file_name()));
        let is_cargos = ["target", "Cargo.lock"].iter().any(|own| path == Path::new(own));
        if is_cargos || name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        // Links to folders are not followed: one may lead back.
        if entry.file_type().is_ok_and(|it| it.is_dir()) {
            files(root, &path, told)?;
        } else if entry.path().is_file() {
            let content = std::fs::read(entry.path()).map_err(|err| unwritten(&entry.path(), err))?;
            told.insert(path, sha256(&content));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_linked_is_a_crate_of_the_registry_or_a_folder() {
        let version = |text: &str| match With::parse(text) {
            Ok(With { package, from: From::Version(version), .. }) => format!("{package} {version}"),
            Ok(_) => panic!("a folder"),
            Err(_) => "refused".to_owned(),
        };
        for (text, want) in [
            ("acme-x", "acme-x *"),
            ("acme_x@1.2", "acme_x 1.2"),
            ("acme-x@=1.2.3", "acme-x =1.2.3"),
            ("acme-x@", "refused"),
            ("acme x", "refused"),
            ("", "refused"),
            ("./nowhere", "refused"),
        ] {
            assert_eq!(version(text), want, "{text}");
        }
        // This crate is as good as any.
        let here = With::parse(env!("CARGO_MANIFEST_DIR")).unwrap_or_else(|_| panic!("a folder with a package"));
        assert_eq!((here.package.as_str(), here.plugins.len()), ("phlo-cli", 0));
        assert!(With::parse(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).is_err(), "a workspace is no package");
    }

    #[test]
    fn another_file_of_a_plugin_is_another_sum_and_what_cargo_writes_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let with = With { package: "x".to_owned(), from: From::Path(folder.path().to_owned()), plugins: Vec::new() };
        let sum = || with.sources().unwrap().unwrap_or_else(|_| panic!("a folder that can be read"));
        put("src/lib.rs", "//! One.\n");
        let one = sum();
        put("target/debug/x", "built");
        put("Cargo.lock", "locked");
        put(".git/HEAD", "hidden");
        assert_eq!(sum(), one);
        put("src/lib.rs", "//! Two.\n");
        assert_ne!(sum(), one);
        put("src/lib.rs", "//! One.\n");
        assert_eq!(sum(), one);
        put("src/more.rs", "");
        assert_ne!(sum(), one);
    }

    #[test]
    fn phlo_itself_comes_from_the_registry_a_checkout_or_a_repository() {
        let source = |text: &str| Source::parse(text).unwrap_or_else(|_| panic!("{text}"));
        let git = |url: &str, rev: Option<&str>| Source::Git { url: url.to_owned(), rev: rev.map(str::to_owned) };
        assert_eq!(source("https://example.org/phlo#abc"), git("https://example.org/phlo", Some("abc")));
        assert_eq!(source("git+file:///srv/phlo"), git("file:///srv/phlo", None));
        assert!(Source::parse(env!("CARGO_MANIFEST_DIR")).is_err(), "phlo-cli alone is no checkout");
        let here = source(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        let features = here.features().unwrap_or_else(|_| panic!("the bundle has features"));
        assert!(features.is_superset(&Source::of_registry().features().unwrap_or_else(|_| panic!("known"))));
        assert_eq!(Source::of_registry().dependency("phlo-cli").to_string(), format!("version = \"={VERSION}\"\n"));
    }
}
