//! What is linked into the binary: the packages of one choice of features for one target, and which needs which.
//!
//! `cargo metadata` unites the features of every member and every target, so it lists more than is linked. `cargo tree` resolves as
//! `cargo build` does; `cargo metadata` then only tells the facts of the packages that the tree names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::process::{cargo, stdout};

/// Name and version, which together are unique among what is linked.
pub(crate) type Id = (String, String);

/// Which packages are linked and what each needs itself, by name and version.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Graph {
    pub(crate) root: Id,
    pub(crate) needs: BTreeMap<Id, BTreeSet<Id>>,
}

/// What a package says of itself.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) description: Option<String>,
    /// An SPDX expression.
    pub(crate) license: Option<String>,
    pub(crate) license_file: Option<String>,
    pub(crate) authors: Vec<String>,
    pub(crate) repository: Option<String>,
    pub(crate) homepage: Option<String>,
    pub(crate) folder: PathBuf,
    /// Whether it is a member of this workspace.
    pub(crate) ours: bool,
    /// SHA-256 of the package's file in the registry, as Cargo.lock holds it.
    pub(crate) checksum: Option<String>,
}

/// The linked packages with their facts.
pub(crate) struct Linked {
    pub(crate) graph: Graph,
    pub(crate) facts: BTreeMap<Id, Facts>,
}

impl Linked {
    /// Asks cargo. `features` are the arguments that choose them.
    pub(crate) fn read(root: &Path, features: &[String], target: &str) -> Result<Self> {
        let mut tree = cargo(root, &["tree", "--locked", "--package", "phlo-cli", "--edges", "normal"]);
        tree.args(["--target", target, "--prefix", "depth", "--format", "\t{p}"]).args(features);
        let graph = Graph::parse(&stdout(&mut tree)?)?;
        let mut metadata = cargo(root, &["metadata", "--locked", "--format-version=1", "--all-features"]);
        let metadata: Value = serde_json::from_str(&stdout(metadata.args(["--filter-platform", target]))?)?;
        let lock = std::fs::read_to_string(root.join("Cargo.lock")).context("cannot read Cargo.lock")?;
        let mut known = facts(&metadata, &lock)?;
        let mut facts = BTreeMap::new();
        for id in graph.needs.keys() {
            let fact = known.remove(id).with_context(|| format!("cargo metadata does not know {} {}", id.0, id.1))?;
            facts.insert(id.clone(), fact);
        }
        Ok(Self { graph, facts })
    }
}

impl Graph {
    /// From the output of `cargo tree --prefix depth --format "\t{p}"`. Procedural macros run in the compiler: neither they nor what
    /// they need is linked.
    pub(crate) fn parse(tree: &str) -> Result<Self> {
        let mut graph = Self::default();
        let mut path: Vec<Id> = Vec::new();
        let mut skipped_below = None;
        for line in tree.lines().filter(|line| !line.is_empty()) {
            let (depth, package) = line.split_once('\t').with_context(|| format!("cargo tree printed `{line}`"))?;
            let depth: usize = depth.parse().with_context(|| format!("cargo tree printed `{line}`"))?;
            if skipped_below.is_some_and(|above| depth > above) {
                continue;
            }
            skipped_below = package.contains("(proc-macro)").then_some(depth);
            if skipped_below.is_some() {
                continue;
            }
            let mut words = package.split(' ');
            let (name, version) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let version = version.strip_prefix('v').with_context(|| format!("cargo tree printed `{line}`"))?;
            let id = (name.to_owned(), version.to_owned());
            ensure!(depth <= path.len(), "cargo tree printed `{line}` below nothing");
            path.truncate(depth);
            match path.last() {
                Some(above) => {
                    graph.needs.entry(above.clone()).or_default().insert(id.clone());
                }
                None if graph.needs.is_empty() => graph.root = id.clone(),
                None => bail!("cargo tree printed a second root, `{line}`"),
            }
            graph.needs.entry(id.clone()).or_default();
            path.push(id);
        }
        ensure!(!graph.needs.is_empty(), "cargo tree printed nothing");
        Ok(graph)
    }

    /// What is there only because of this package: it, and what nothing else leads to.
    pub(crate) fn only_for(&self, package: &Id) -> BTreeSet<Id> {
        let without = self.reached(&self.root, Some(package));
        let mut with = self.reached(package, None);
        with.retain(|id| !without.contains(id));
        with
    }

    fn reached(&self, from: &Id, but: Option<&Id>) -> BTreeSet<Id> {
        let (mut seen, mut left) = (BTreeSet::new(), vec![from]);
        while let Some(id) = left.pop() {
            if Some(id) != but && seen.insert(id.clone()) {
                left.extend(self.needs.get(id).into_iter().flatten());
            }
        }
        seen
    }
}

fn facts(metadata: &Value, lock: &str) -> Result<BTreeMap<Id, Facts>> {
    let lock: toml::Table = lock.parse().context("Cargo.lock is not TOML")?;
    let mut checksums = BTreeMap::new();
    for package in lock.get("package").and_then(toml::Value::as_array).into_iter().flatten() {
        let text = |key| package.get(key).and_then(toml::Value::as_str);
        if let (Some(name), Some(version), Some(checksum)) = (text("name"), text("version"), text("checksum")) {
            checksums.insert((name.to_owned(), version.to_owned()), checksum.to_owned());
        }
    }
    let mut known = BTreeMap::new();
    for package in metadata["packages"].as_array().context("`cargo metadata` lists no packages")? {
        let text = |key: &str| package[key].as_str().map(str::to_owned);
        let id = (text("name").unwrap_or_default(), text("version").unwrap_or_default());
        let manifest = PathBuf::from(text("manifest_path").unwrap_or_default());
        let fact = Facts {
            description: text("description"),
            license: text("license"),
            license_file: text("license_file"),
            authors: package["authors"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
            repository: text("repository"),
            homepage: text("homepage"),
            folder: manifest.parent().context("a manifest has a folder")?.to_owned(),
            ours: package["source"].is_null(),
            checksum: checksums.get(&id).cloned(),
        };
        ensure!(fact.ours || fact.checksum.is_some(), "Cargo.lock has no checksum of {} {}", id.0, id.1);
        ensure!(known.insert(id.clone(), fact).is_none(), "{} {} comes from two sources", id.0, id.1);
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) const TREE: &str = "\
0\tphlo-cli v0.1.0 (/src/phlo-cli)
1\tbytes v1.12.2
1\tphlo-source-rest v0.1.0 (/src/phlo-plugins/source-rest)
2\tderive v1.0.0 (proc-macro)
3\tsyn v2.0.119
4\tquote v1.0.47
2\treqwest v0.12.28
3\tbytes v1.12.2
3\trustls v0.23.0

1\treqwest v0.13.5
2\tbytes v1.12.2 (*)
";

    fn id(name: &str, version: &str) -> Id {
        (name.to_owned(), version.to_owned())
    }

    #[test]
    fn what_a_procedural_macro_needs_is_not_linked_and_two_versions_are_two_packages() {
        let graph = Graph::parse(TREE).unwrap();
        assert_eq!(graph.root, id("phlo-cli", "0.1.0"));
        let names: Vec<_> = graph.needs.keys().map(|id| format!("{} {}", id.0, id.1)).collect();
        assert_eq!(
            names,
            [
                "bytes 1.12.2",
                "phlo-cli 0.1.0",
                "phlo-source-rest 0.1.0",
                "reqwest 0.12.28",
                "reqwest 0.13.5",
                "rustls 0.23.0"
            ]
        );
        assert_eq!(graph.needs[&id("reqwest", "0.13.5")], BTreeSet::from([id("bytes", "1.12.2")]));
        for broken in ["", "phlo-cli", "0\tphlo-cli", "0\ta v1\n2\tb v1", "0\ta v1\n0\tb v1"] {
            assert!(Graph::parse(broken).is_err(), "{broken:?}");
        }
    }

    #[test]
    fn what_a_plugin_alone_brings_leaves_with_it() {
        let graph = Graph::parse(TREE).unwrap();
        let only = graph.only_for(&id("phlo-source-rest", "0.1.0"));
        assert_eq!(
            only,
            BTreeSet::from([id("phlo-source-rest", "0.1.0"), id("reqwest", "0.12.28"), id("rustls", "0.23.0")])
        );
    }

    #[test]
    fn a_package_of_the_registry_without_a_checksum_is_refused() {
        let metadata = serde_json::json!({ "packages": [
            { "name": "a", "version": "1.0.0", "source": "registry", "manifest_path": "/r/a/Cargo.toml", "authors": [], "license": "MIT" },
            { "name": "b", "version": "0.1.0", "source": null, "manifest_path": "/s/b/Cargo.toml", "authors": ["x"], "license": "MIT" },
        ]});
        let lock = "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nchecksum = \"00ff\"\n[[package]]\nname = \"b\"\nversion = \"0.1.0\"\n";
        let known = facts(&metadata, lock).unwrap();
        assert_eq!(known[&id("a", "1.0.0")].checksum.as_deref(), Some("00ff"));
        assert!(known[&id("b", "0.1.0")].ours && known[&id("b", "0.1.0")].checksum.is_none());
        let error = facts(&metadata, "").unwrap_err().to_string();
        assert_eq!(error, "Cargo.lock has no checksum of a 1.0.0");
    }
}
