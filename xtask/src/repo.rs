//! The tree as data: every file that git would track, and the workspace's members with their dependencies.
//!
//! Manifests are read as they are written, not through `cargo metadata`: fixtures are then plain text, and a tree that
//! cargo refuses can still be told what is wrong with it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use toml::{Table, Value};

use crate::process;

/// Files above this size are never read, and are a violation themselves.
pub(crate) const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// The repository that the current directory is in.
pub(crate) fn root() -> Result<PathBuf> {
    let here = std::env::current_dir().context("cannot tell the current directory")?;
    match here.ancestors().find(|folder| folder.join("xtask/Cargo.toml").is_file()) {
        Some(root) => Ok(root.to_owned()),
        None => bail!("{} is not inside the phlo repository", here.display()),
    }
}

/// The files of the repository.
pub(crate) struct Repo {
    /// By path relative to the root, with `/` between the parts.
    pub files: BTreeMap<String, File>,
    /// In the order of their folders.
    pub members: Vec<Member>,
    /// The root manifest.
    pub manifest: Table,
}

/// A file of the repository.
pub(crate) struct File {
    pub bytes: u64,
    /// Absent if the file is not UTF-8 or larger than [`MAX_FILE_BYTES`].
    pub text: Option<String>,
}

/// A package of the workspace.
pub(crate) struct Member {
    pub package: String,
    /// Relative to the root, with `/` between the parts.
    pub folder: String,
    pub dependencies: Vec<Dependency>,
    pub manifest: Table,
}

/// One entry of a manifest's dependency tables.
pub(crate) struct Dependency {
    /// The key in the manifest.
    pub key: String,
    /// The package's own name, which the key may rename.
    pub package: String,
    pub dev: bool,
    pub optional: bool,
    /// Whether the version comes from `[workspace.dependencies]` and nothing in the entry overrides it.
    pub inherited: bool,
}

impl Repo {
    /// Reads what git tracks, and what it would if one added all: not what `.gitignore` names.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let mut git = Command::new("git");
        git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root);
        let listed = git.output().with_context(|| format!("cannot start `{}`", process::line(&git)))?;
        if !listed.status.success() {
            bail!("`{}` failed: {}", process::line(&git), String::from_utf8_lossy(&listed.stderr).trim_end());
        }
        let listed = String::from_utf8(listed.stdout).context("a file's name is not UTF-8")?;
        let mut files = BTreeMap::new();
        for path in listed.split_terminator('\0') {
            let file = root.join(path);
            // Tracked still, and removed from the tree.
            let Ok(metadata) = file.symlink_metadata() else { continue };
            if !metadata.is_file() {
                continue;
            }
            let bytes = metadata.len();
            let text = if bytes > MAX_FILE_BYTES {
                None
            } else {
                String::from_utf8(std::fs::read(&file).with_context(|| format!("cannot read {path}"))?).ok()
            };
            files.insert(path.to_owned(), File { bytes, text });
        }
        Self::new(files)
    }

    /// The repository that consists of these files.
    pub(crate) fn new(files: BTreeMap<String, File>) -> Result<Self> {
        let parse = |path: &str, file: &File| -> Result<Table> {
            let text = file.text.as_deref().with_context(|| format!("{path} is not text"))?;
            text.parse().with_context(|| format!("{path} is not TOML"))
        };
        let manifest = files.get("Cargo.toml").context("the repository has no Cargo.toml")?;
        let manifest = parse("Cargo.toml", manifest)?;
        let mut members = Vec::new();
        for (path, file) in &files {
            if let Some(folder) = path.strip_suffix("/Cargo.toml") {
                members.push(Member::new(folder, parse(path, file)?, &manifest)?);
            }
        }
        Ok(Self { files, members, manifest })
    }

    /// The text of a file, if there is such a file and it is text.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.text.as_deref()
    }

    /// The folder of the member with this package name.
    pub(crate) fn folder_of(&self, package: &str) -> Option<&str> {
        self.members.iter().find(|member| member.package == package).map(|member| member.folder.as_str())
    }
}

impl Member {
    fn new(folder: &str, manifest: Table, root: &Table) -> Result<Self> {
        let package = manifest.get("package").and_then(|package| package.get("name")).and_then(Value::as_str);
        let package = package.with_context(|| format!("{folder}/Cargo.toml has no package.name"))?.to_owned();
        let mut dependencies = Vec::new();
        let targets = manifest.get("target").and_then(Value::as_table);
        let tables = targets.into_iter().flat_map(Table::values).filter_map(Value::as_table);
        for table in tables.chain([&manifest]) {
            for (section, dev) in [("dependencies", false), ("build-dependencies", false), ("dev-dependencies", true)] {
                let entries = table.get(section).and_then(Value::as_table);
                dependencies
                    .extend(entries.into_iter().flatten().map(|(key, entry)| Dependency::new(key, entry, dev, root)));
            }
        }
        Ok(Self { package, folder: folder.to_owned(), dependencies, manifest })
    }

    /// The path of the manifest, relative to the root.
    pub(crate) fn manifest_path(&self) -> String {
        format!("{}/Cargo.toml", self.folder)
    }
}

impl Dependency {
    fn new(key: &str, entry: &Value, dev: bool, root: &Table) -> Self {
        let is_true = |name: &str| entry.get(name).and_then(Value::as_bool) == Some(true);
        let in_root = root.get("workspace").and_then(|it| it.get("dependencies")).and_then(|it| it.get(key));
        let mut renamed = [Some(entry), in_root.filter(|_| is_true("workspace"))].into_iter().flatten();
        let package = renamed.find_map(|entry| entry.get("package").and_then(Value::as_str)).unwrap_or(key);
        let overridden = ["version", "path", "git", "package"].iter().any(|name| entry.get(name).is_some());
        Self {
            key: key.to_owned(),
            package: package.to_owned(),
            dev,
            optional: is_true("optional"),
            inherited: is_true("workspace") && !overridden,
        }
    }
}
