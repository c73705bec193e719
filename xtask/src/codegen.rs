//! What is derived: from the plugin folders the bundle crate and the plugin paths in the root manifest, and from the templates of new
//! plugins and from regions of the repository's files the code of the guides, for which see [`crate::guide`].
//!
//! Each folder of `phlo-plugins/` states in its `Cargo.toml` what it registers:
//!
//! ```toml
//! [package.metadata.phlo]
//! plugins = [{ kind = "source", name = "rest_api" }]
//! tier = "core"            # or "extra"
//! groups = ["default"]     # and "minimal"; every plugin is in "full"
//! ```
//!
//! [`APART`] names crates that are plugins, too, and lie elsewhere.
//!
//! The output is sorted and formatted as rustfmt would, so that the same folders always give the same bytes.
//!
//! A folder that was removed leaves the workspace unloadable until the bundle is rewritten; `target/debug/xtask codegen`
//! needs no cargo and mends it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use phlo_scaffold::Kind;
use serde::Deserialize;

use crate::guide;

pub(crate) const PLUGINS: &str = "phlo-plugins";
/// Plugin crates in a folder of the root of their own: the feature that links each is its package without `phlo-`. They stand in the
/// root manifest by hand, as they are no folder of [`PLUGINS`].
pub(crate) const APART: &[&str] = &["phlo-dagster-adapter"];
pub(crate) const BUNDLE_MANIFEST: &str = "phlo-core/bundle/Cargo.toml";
pub(crate) const BUNDLE_LIB: &str = "phlo-core/bundle/src/lib.rs";
const ROOT_MANIFEST: &str = "Cargo.toml";
const BEGIN: &str = "# begin: plugins (written by `cargo xtask codegen` from the folders of phlo-plugins)";
const END: &str = "# end: plugins";

/// Folder prefixes for the resources that have a room of their own.
const RESOURCE_PREFIXES: &[&str] = &["engine", "table", "publish", "secrets", "alert", "lineage"];
const MAX_SUMMARY_CHARS: usize = 120;

/// What the folders say about one plugin crate.
#[derive(Debug)]
pub(crate) struct PluginCrate {
    /// The folder's name, which is also the cargo feature that links it; without `phlo-` for those of [`APART`].
    folder: String,
    /// Whether it is one of [`APART`].
    apart: bool,
    package: String,
    summary: String,
    plugins: Vec<Entry>,
    groups: BTreeSet<Group>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    kind: String,
    name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Group {
    Default,
    Full,
    Minimal,
}

#[derive(Deserialize)]
struct Manifest {
    package: Package,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    description: Option<String>,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
struct Metadata {
    phlo: Option<Phlo>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Phlo {
    plugins: Vec<Entry>,
    #[expect(dead_code, reason = "read by phlo-plugin; refused here if it is neither")]
    tier: Tier,
    #[serde(default)]
    groups: BTreeSet<Group>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Tier {
    Core,
    Extra,
}

/// Writes the files that differ, or with `check` fails and names them.
pub(crate) fn run(root: &Path, check: bool) -> Result<()> {
    let mut stale = Vec::new();
    for (path, content) in files(root)? {
        // A file that is not there is as stale as one that differs.
        if std::fs::read_to_string(root.join(&path)).ok().as_ref() == Some(&content) {
            continue;
        }
        if !check {
            let to = root.join(&path);
            let folder = to.parent().context("a generated file has a folder")?;
            std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
            std::fs::write(&to, content).with_context(|| format!("cannot write {path}"))?;
            println!("wrote {path}");
        }
        stale.push(path);
    }
    ensure!(
        !check || stale.is_empty(),
        "out of step with the folders of {PLUGINS}, the templates of new plugins or the code that guides show: {}; run `cargo xtask codegen` and commit what it writes",
        stale.join(", ")
    );
    Ok(())
}

/// Every generated file with what it ought to hold.
fn files(root: &Path) -> Result<Vec<(String, String)>> {
    let crates = read(root)?;
    let manifest = std::fs::read_to_string(root.join(ROOT_MANIFEST)).context("cannot read the root Cargo.toml")?;
    let mut files = vec![
        (ROOT_MANIFEST.to_owned(), root_manifest(&manifest, &crates)?),
        (BUNDLE_MANIFEST.to_owned(), bundle_manifest(&crates)),
        (BUNDLE_LIB.to_owned(), bundle_lib(&crates)),
    ];
    files.extend(guide::pages(root)?);
    Ok(files)
}

/// The plugin crates, sorted by folder, with no plugin named twice.
fn read(root: &Path) -> Result<Vec<PluginCrate>> {
    let mut crates = Vec::new();
    for entry in std::fs::read_dir(root.join(PLUGINS)).with_context(|| format!("cannot list {PLUGINS}"))? {
        let entry = entry.with_context(|| format!("cannot list {PLUGINS}"))?;
        if !entry.path().is_dir() {
            continue;
        }
        let folder = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path().join("Cargo.toml");
        let manifest = match std::fs::read_to_string(path) {
            Ok(manifest) => manifest,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                bail!("{PLUGINS}/{folder} has no Cargo.toml: give it one, or remove the folder")
            }
            Err(error) => return Err(error).with_context(|| format!("cannot read {PLUGINS}/{folder}/Cargo.toml")),
        };
        crates.push(PluginCrate::parse(&folder, &manifest).with_context(|| format!("{PLUGINS}/{folder}/Cargo.toml"))?);
    }
    for package in APART {
        let path = root.join(package).join("Cargo.toml");
        if path.is_file() {
            let manifest =
                std::fs::read_to_string(path).with_context(|| format!("cannot read {package}/Cargo.toml"))?;
            crates.push(PluginCrate::apart(package, &manifest).with_context(|| format!("{package}/Cargo.toml"))?);
        }
    }
    crates.sort_by(|a, b| a.folder.cmp(&b.folder));
    let mut entries: Vec<_> = crates.iter().flat_map(|it| it.plugins.iter().map(|entry| (entry, &it.folder))).collect();
    entries.sort();
    if let Some([(entry, one), (_, other)]) = entries.array_windows().find(|[a, b]| a.0 == b.0) {
        bail!("the plugin crates {one} and {other} both register {} `{}`: rename one", entry.kind, entry.name);
    }
    Ok(crates)
}

impl PluginCrate {
    /// Reads a plugin's manifest; `folder` is the name alone.
    pub(crate) fn parse(folder: &str, manifest: &str) -> Result<Self> {
        let read = Self::read(folder, manifest)?;
        let prefix = folder.split('-').next().unwrap_or_default();
        let kind = if RESOURCE_PREFIXES.contains(&prefix) { "resource" } else { prefix };
        ensure!(
            folder.len() > prefix.len() + 1 && read.plugins.iter().any(|entry| entry.kind == kind),
            "a plugin's folder is <kind>-<name>, and {folder} registers no {kind}: rename the folder or \
             correct plugins"
        );
        Ok(read)
    }

    /// Reads the manifest of one of [`APART`].
    fn apart(package: &str, manifest: &str) -> Result<Self> {
        let feature = package.strip_prefix("phlo-").context("the folder's name does not begin with `phlo-`")?;
        Ok(Self { apart: true, ..Self::read(feature, manifest)? })
    }

    fn read(folder: &str, manifest: &str) -> Result<Self> {
        let Package { name: package, description, metadata } =
            toml::from_str::<Manifest>(manifest).context("unreadable")?.package;
        ensure!(
            package == format!("phlo-{folder}"),
            "the package is called {package}: a plugin's package is `phlo-` and its folder, phlo-{folder}"
        );
        let phlo = metadata.phlo.context(
            "there is no [package.metadata.phlo]: add plugins = [{ kind = \"…\", name = \"…\" }], \
             tier = \"core\" or \"extra\", groups = [\"default\"]",
        )?;
        let summary = description.unwrap_or_default();
        let summary_chars = summary.chars().count();
        ensure!(
            (1..=MAX_SUMMARY_CHARS).contains(&summary_chars) && !summary.contains('\n'),
            "description must be one line of 1 to {MAX_SUMMARY_CHARS} characters, it has {summary_chars}: \
             it is the plugin's line in `phlo plugin list`"
        );
        ensure!(!phlo.plugins.is_empty(), "plugins is empty: name what the crate registers");
        for Entry { kind, name } in &phlo.plugins {
            if let Err(refusal) = kind.parse::<Kind>() {
                bail!("unknown kind `{kind}`: {}", refusal.hint);
            }
            ensure!(
                name.starts_with(|c: char| c.is_ascii_lowercase())
                    && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'),
                "plugin name `{name}` must be lower snake case"
            );
        }
        let mut groups = phlo.groups;
        groups.insert(Group::Full);
        Ok(Self { folder: folder.to_owned(), apart: false, package, summary, plugins: phlo.plugins, groups })
    }
}

fn root_manifest(current: &str, crates: &[PluginCrate]) -> Result<String> {
    let region = current.split_once(BEGIN).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(END)?;
        Some((before, after))
    });
    let (before, after) = region.with_context(|| {
        format!("the root Cargo.toml has lost the lines `{BEGIN}` and `{END}`: put them into [workspace.dependencies]")
    })?;
    let manifest: toml::Table = current.parse().context("the root Cargo.toml is not TOML")?;
    let package = manifest.get("workspace").and_then(|it| it.get("package"));
    let version = package.and_then(|it| it.get("version")).and_then(toml::Value::as_str);
    let version = version.context("the root Cargo.toml has no workspace.package.version")?;
    let mut text = format!("{before}{BEGIN}\n");
    for PluginCrate { folder, package, .. } in crates.iter().filter(|it| !it.apart) {
        let _ = writeln!(text, "{package} = {{ path = \"{PLUGINS}/{folder}\", version = \"{version}\" }}");
    }
    Ok(text + END + after)
}

fn bundle_manifest(crates: &[PluginCrate]) -> String {
    let mut text = String::from(
        "\
# Written by `cargo xtask codegen` from the folders of phlo-plugins; do not edit.

[package]
name = \"phlo-bundle\"
description = \"The plugins that are linked into phlo, and the table of all that exist\"
version.workspace = true
edition.workspace = true
rust-version.workspace = true
license.workspace = true
authors.workspace = true
repository.workspace = true
homepage.workspace = true

[features]
",
    );
    for (group, name) in [(Group::Default, "default"), (Group::Full, "full"), (Group::Minimal, "minimal")] {
        let _ = writeln!(text, "{name} = [");
        for PluginCrate { folder, .. } in crates.iter().filter(|it| it.groups.contains(&group)) {
            let _ = writeln!(text, "    \"{folder}\",");
        }
        text.push_str("]\n");
    }
    for PluginCrate { folder, package, .. } in crates {
        let _ = writeln!(text, "{folder} = [\"dep:{package}\"]");
    }
    text.push_str("\n[dependencies]\nphlo-plugin.workspace = true\n");
    for PluginCrate { package, .. } in crates {
        let _ = writeln!(text, "{package} = {{ workspace = true, optional = true }}");
    }
    text + "\n[lints]\nworkspace = true\n"
}

fn bundle_lib(crates: &[PluginCrate]) -> String {
    let mut text = String::from(
        "\
//! The plugins that are linked into this binary, and the table of all that exist.
//!
//! Written by `cargo xtask codegen` from the folders of phlo-plugins; do not edit.
//!
//! rustc does not link a crate that nothing names: each plugin is named here, under its feature.
#![deny(unused_crate_dependencies)]

",
    );
    for PluginCrate { folder, package, .. } in crates {
        let _ = writeln!(text, "#[cfg(feature = \"{folder}\")]\nuse {} as _;", package.replace('-', "_"));
    }
    if !crates.is_empty() {
        text.push('\n');
    }
    text.push_str(
        "\
use phlo_plugin::KnownPlugin;

/// Every plugin of the repository, linked or not, sorted by kind and name.
#[rustfmt::skip]
pub static KNOWN: &[KnownPlugin] = &[
",
    );
    let mut entries: Vec<_> = crates.iter().flat_map(|it| it.plugins.iter().map(move |entry| (entry, it))).collect();
    entries.sort_by_key(|(entry, _)| *entry);
    for (Entry { kind, name }, PluginCrate { folder, package, summary, .. }) in entries {
        let _ = writeln!(
            text,
            "    KnownPlugin {{ kind: {kind:?}, name: {name:?}, package: {package:?}, feature: {folder:?}, \
             summary: {summary:?}, linked: cfg!(feature = {folder:?}) }},"
        );
    }
    text + "];\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: &str = r#"
[package]
name = "phlo-source-rest"
description = "Rows from REST APIs"
[package.metadata.phlo]
plugins = [{ kind = "source", name = "rest_api" }]
tier = "core"
groups = ["default"]
"#;
    const HISTORY: &str = r#"
[package]
name = "phlo-hook-history"
description = "Run history in SQLite"
[package.metadata.phlo]
plugins = [{ kind = "resource", name = "history" }, { kind = "hook", name = "history" }]
tier = "extra"
groups = ["minimal"]
"#;
    const ROOT: &str = "[workspace.package]\nversion = \"0.1.0\"\n[workspace.dependencies]\nserde = \"1\"\n# begin: plugins (written by `cargo xtask codegen` from \
                        the folders of phlo-plugins)\nphlo-gone = \"0\"\n# end: plugins\ntoml = \"1\"\n";

    fn tree(plugins: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("Cargo.toml"), ROOT).unwrap();
        std::fs::create_dir(root.path().join(PLUGINS)).unwrap();
        for (folder, manifest) in plugins {
            add(root.path(), folder, manifest);
        }
        root
    }

    fn add(root: &Path, folder: &str, manifest: &str) {
        let folder = root.join(PLUGINS).join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    }

    fn text(root: &Path, path: &str) -> String {
        std::fs::read_to_string(root.join(path)).unwrap()
    }

    #[test]
    fn the_bundle_has_every_folder_in_order_under_its_feature_and_groups() {
        let root = tree(&[("source-rest", REST), ("hook-history", HISTORY)]);
        run(root.path(), false).unwrap();

        assert_eq!(
            text(root.path(), ROOT_MANIFEST),
            ROOT.replace(
                "phlo-gone = \"0\"\n",
                "phlo-hook-history = { path = \"phlo-plugins/hook-history\", version = \"0.1.0\" }\n\
                 phlo-source-rest = { path = \"phlo-plugins/source-rest\", version = \"0.1.0\" }\n"
            )
        );
        let manifest = text(root.path(), BUNDLE_MANIFEST);
        let (_, features) = manifest.split_once("[features]\n").unwrap();
        assert_eq!(
            features,
            r#"default = [
    "source-rest",
]
full = [
    "hook-history",
    "source-rest",
]
minimal = [
    "hook-history",
]
hook-history = ["dep:phlo-hook-history"]
source-rest = ["dep:phlo-source-rest"]

[dependencies]
phlo-plugin.workspace = true
phlo-hook-history = { workspace = true, optional = true }
phlo-source-rest = { workspace = true, optional = true }

[lints]
workspace = true
"#
        );
        let lib = text(root.path(), BUNDLE_LIB);
        assert!(
            lib.contains(
                "#[cfg(feature = \"hook-history\")]\nuse phlo_hook_history as _;\n\
                 #[cfg(feature = \"source-rest\")]\nuse phlo_source_rest as _;\n"
            ),
            "{lib}"
        );
        let (_, known) = lib.split_once("&[KnownPlugin] = &[\n").unwrap();
        let rows = [
            ("hook", "history", "hook-history", "Run history in SQLite"),
            ("resource", "history", "hook-history", "Run history in SQLite"),
            ("source", "rest_api", "source-rest", "Rows from REST APIs"),
        ];
        let rows = rows.map(|(kind, name, folder, summary)| {
            format!(
                "    KnownPlugin {{ kind: {kind:?}, name: {name:?}, package: \"phlo-{folder}\", feature: {folder:?}, \
                 summary: {summary:?}, linked: cfg!(feature = {folder:?}) }},\n"
            )
        });
        assert_eq!(known, rows.concat() + "];\n");
    }

    #[test]
    fn a_plugin_crate_in_the_root_is_linked_as_the_others_and_stays_where_it_is_named() {
        let root = tree(&[("source-rest", REST)]);
        let adapter = root.path().join("phlo-dagster-adapter");
        std::fs::create_dir(&adapter).unwrap();
        let manifest = REST
            .replace("phlo-source-rest", "phlo-dagster-adapter")
            .replace("{ kind = \"source\", name = \"rest_api\" }", "{ kind = \"orchestrator\", name = \"dagster\" }");
        std::fs::write(adapter.join("Cargo.toml"), &manifest).unwrap();
        run(root.path(), false).unwrap();
        assert!(!text(root.path(), ROOT_MANIFEST).contains("dagster"));
        let bundle = text(root.path(), BUNDLE_MANIFEST);
        for line in [
            "    \"dagster-adapter\",\n    \"source-rest\",\n",
            "\ndagster-adapter = [\"dep:phlo-dagster-adapter\"]\n",
            "\nphlo-dagster-adapter = { workspace = true, optional = true }\n",
        ] {
            assert!(bundle.contains(line), "{line}: {bundle}");
        }
        assert!(
            text(root.path(), BUNDLE_LIB)
                .contains("#[cfg(feature = \"dagster-adapter\")]\nuse phlo_dagster_adapter as _;\n")
        );
        std::fs::write(adapter.join("Cargo.toml"), manifest.replace("phlo-dagster-adapter", "phlo-dagster")).unwrap();
        let error = format!("{:#}", run(root.path(), false).unwrap_err());
        assert!(error.contains("phlo-dagster-adapter/Cargo.toml: the package is called phlo-dagster:"), "{error}");
    }

    #[test]
    fn what_is_generated_is_a_fixed_point_and_already_formatted() {
        let root = tree(&[("source-rest", REST), ("hook-history", HISTORY)]);
        run(root.path(), false).unwrap();
        let once = files(root.path()).unwrap();
        run(root.path(), false).unwrap();
        assert_eq!(once, files(root.path()).unwrap());
        run(root.path(), true).unwrap();

        let lib = root.path().join(BUNDLE_LIB);
        let formatted = std::process::Command::new("rustfmt").args(["--edition=2024", "--check"]).arg(lib).status();
        assert!(formatted.unwrap().success());
    }

    #[test]
    fn check_writes_nothing_and_names_each_stale_file_and_the_cure() {
        let root = tree(&[("source-rest", REST)]);
        run(root.path(), false).unwrap();
        add(root.path(), "hook-history", HISTORY);
        let error = run(root.path(), true).unwrap_err().to_string();
        for part in [ROOT_MANIFEST, BUNDLE_MANIFEST, BUNDLE_LIB, "cargo xtask codegen"] {
            assert!(error.contains(part), "{error}");
        }
        assert!(!text(root.path(), BUNDLE_LIB).contains("history"));

        run(root.path(), false).unwrap();
        std::fs::write(root.path().join(BUNDLE_LIB), "//! Edited.\n").unwrap();
        let error = run(root.path(), true).unwrap_err().to_string();
        assert!(error.contains(BUNDLE_LIB) && !error.contains(BUNDLE_MANIFEST), "{error}");
    }

    #[test]
    fn a_folder_that_says_too_little_or_the_wrong_thing_is_refused_by_name() {
        let cases: &[(&str, String, &str)] = &[
            ("source-rest", REST.replace("phlo-source-rest", "source-rest"), "the package is called source-rest"),
            ("source-rest", REST.replace("metadata.phlo", "metadata.other"), "there is no [package.metadata.phlo]"),
            ("source-rest", REST.replace("kind = \"source\"", "kind = \"sorce\""), "unknown kind `sorce`"),
            ("source-rest", REST.replace("\"source\"", "\"hook\""), "source-rest registers no source"),
            ("source-rest", REST.replace("rest_api", "Rest-API"), "lower snake case"),
            ("source-rest", REST.replace("\"core\"", "\"gold\""), "phlo-plugins/source-rest/Cargo.toml: unreadable"),
            ("source-rest", REST.replace("groups", "group"), "phlo-plugins/source-rest/Cargo.toml: unreadable"),
            ("source-rest", REST.replace("Rows", &"Rows".repeat(30)), "one line of 1 to 120 characters"),
            ("source-rest", REST.replace("{ kind = \"source\", name = \"rest_api\" }", ""), "plugins is empty"),
            ("source", REST.replace("phlo-source-rest", "phlo-source"), "folder is <kind>-<name>"),
        ];
        for (folder, manifest, expected) in cases {
            let root = tree(&[(folder, manifest)]);
            let error = format!("{:#}", run(root.path(), false).unwrap_err());
            assert!(error.contains(expected), "{expected:?} not in {error:?}");
        }
    }

    #[test]
    fn a_folder_without_a_manifest_and_a_plugin_named_twice_are_refused() {
        let root = tree(&[("source-rest", REST)]);
        std::fs::create_dir(root.path().join("phlo-plugins/table-empty")).unwrap();
        let error = run(root.path(), false).unwrap_err().to_string();
        assert!(error.contains("phlo-plugins/table-empty has no Cargo.toml"), "{error}");

        let twin = REST.replace("phlo-source-rest", "phlo-source-web");
        let error = run(tree(&[("source-rest", REST), ("source-web", &twin)]).path(), false).unwrap_err().to_string();
        assert!(error.contains("source-rest") && error.contains("source-web") && error.contains("rest_api"), "{error}");
    }

    #[test]
    fn a_root_manifest_without_the_marked_region_is_refused() {
        let root = tree(&[("source-rest", REST)]);
        std::fs::write(root.path().join(ROOT_MANIFEST), "[workspace.dependencies]\n").unwrap();
        let error = run(root.path(), false).unwrap_err().to_string();
        assert!(error.contains("# begin: plugins") && error.contains("# end: plugins"), "{error}");
    }
}
