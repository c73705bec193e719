//! Holds the tree against the walls and the house rules, and tells everything that is wrong at once.
//!
//! What clippy, rustdoc or cargo can refuse is theirs; here is what they cannot see.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use toml::{Table, Value};

use crate::codegen::PluginCrate;
use crate::repo::{Dependency, MAX_FILE_BYTES, Member, Repo};
use crate::walls::{ONE_VERSION, ROOMS, TOP_LEVEL, WALLS, Wall, any};

/// Something that is wrong, where, and what mends it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Violation {
    place: String,
    what: String,
    remedy: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n  help: {}", self.place, self.what, self.remedy)
    }
}

/// What every rule writes to.
#[derive(Default)]
struct Report(Vec<Violation>);

impl Report {
    fn add(&mut self, place: impl Into<String>, what: impl Into<String>, remedy: impl Into<String>) {
        self.0.push(Violation { place: place.into(), what: what.into(), remedy: remedy.into() });
    }
}

/// Checks every rule, prints what is violated and fails if anything is.
pub(crate) fn run(root: &Path) -> Result<()> {
    let repo = Repo::read(root)?;
    let violations = check(&repo, &private_folders(root));
    for violation in &violations {
        eprintln!("error: {violation}");
    }
    match violations.len() {
        0 => Ok(()),
        count => bail!("tidy: {count} violation{}", if count == 1 { "" } else { "s" }),
    }
}

/// Every violation, sorted by place. `private` are folders of this machine that no file may name.
fn check(repo: &Repo, private: &[String]) -> Vec<Violation> {
    let mut report = Report::default();
    internal_walls(repo, &mut report);
    external_walls(repo, &mut report);
    one_version(repo, &mut report);
    inheritance(repo, &mut report);
    unused_versions(repo, &mut report);
    package_names(repo, &mut report);
    plugin_folders(repo, &mut report);
    top_level(repo, &mut report);
    sources(repo, &mut report);
    texts(repo, private, &mut report);
    report.0.sort();
    report.0
}

/// Each room imports only the rooms that its row permits.
fn internal_walls(repo: &Repo, report: &mut Report) {
    for member in &repo.members {
        let Some(room) = ROOMS.iter().find(|room| any(&[room.place], &member.folder)) else {
            report.add(
                &member.folder,
                "no row says what this package may import",
                "add one to ROOMS in xtask/src/walls.rs and to ARCHITECTURE.md",
            );
            continue;
        };
        for dependency in &member.dependencies {
            let Some(folder) = repo.folder_of(&dependency.package) else { continue };
            let listed = |list: &[&str]| any(list, &dependency.package) || any(list, folder);
            let permitted = listed(room.imports)
                || listed(room.optional) && (dependency.optional || dependency.dev)
                || listed(room.dev) && dependency.dev;
            if !permitted {
                let package = &dependency.package;
                let how = if dependency.dev {
                    " in tests"
                } else if listed(room.optional) {
                    " without a feature"
                } else {
                    ""
                };
                report.add(
                    member.manifest_path(),
                    format!("{} may not import {package}{how}", member.package),
                    format!("its room imports {}; move the code to the room it is about", sentence(room.imports)),
                );
            }
        }
    }
}

/// External crates stay with the rooms that own them.
fn external_walls(repo: &Repo, report: &mut Report) {
    for member in &repo.members {
        for Dependency { package, optional, dev, .. } in &member.dependencies {
            for wall in WALLS.iter().filter(|wall| any(wall.crates, package)) {
                let behind_feature = any(wall.optional, &member.folder);
                if any(wall.users, &member.folder) || behind_feature && (*optional || *dev) {
                    continue;
                }
                let how = if behind_feature { " without a feature" } else { "" };
                report.add(
                    member.manifest_path(),
                    format!("{} may not use {package}{how}, because {}", member.package, wall.because),
                    format!("permitted users: {}", users(wall)),
                );
            }
        }
    }
}

/// The lock holds one version of the crates whose types cross the contract.
fn one_version(repo: &Repo, report: &mut Report) {
    let Some(lock) = repo.text("Cargo.lock") else {
        report.add("Cargo.lock", "missing", "run `cargo generate-lockfile` and commit it: builds are --locked");
        return;
    };
    let Ok(lock) = lock.parse::<Table>() else {
        report.add("Cargo.lock", "not TOML", "run `cargo generate-lockfile`");
        return;
    };
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in lock.get("package").and_then(Value::as_array).into_iter().flatten() {
        let text = |key| package.get(key).and_then(Value::as_str).unwrap_or_default();
        if any(ONE_VERSION, text("name")) {
            versions.entry(text("name")).or_default().insert(text("version"));
        }
    }
    for (package, versions) in versions.into_iter().filter(|(_, versions)| versions.len() > 1) {
        let versions: Vec<_> = versions.into_iter().collect();
        report.add(
            "Cargo.lock",
            format!("holds {package} in versions {}", versions.join(" and ")),
            "bring the dependency that wants the other one onto the workspace's line (see `cargo tree -d`)",
        );
    }
}

/// Versions, package facts and lints come from the workspace.
fn inheritance(repo: &Repo, report: &mut Report) {
    const FACTS: &[&str] = &["version", "edition", "rust-version", "license", "authors", "repository", "homepage"];
    let inherited = |table: Option<&Value>, key: &str| {
        table.and_then(|it| it.get(key)).and_then(|it| it.get("workspace")).and_then(Value::as_bool) == Some(true)
    };
    for member in &repo.members {
        let package = member.manifest.get("package");
        for fact in FACTS.iter().filter(|fact| !inherited(package, fact)) {
            report.add(
                member.manifest_path(),
                format!("package.{fact} is not the workspace's"),
                format!("write `{fact}.workspace = true`"),
            );
        }
        let lints = member.manifest.get("lints").and_then(|it| it.get("workspace")).and_then(Value::as_bool);
        if lints != Some(true) {
            report.add(
                member.manifest_path(),
                "the workspace's lints are not on",
                "write `[lints]` and `workspace = true`; a lint of this package alone is an attribute in its code",
            );
        }
        for Dependency { key, .. } in member.dependencies.iter().filter(|it| !it.inherited) {
            report.add(
                member.manifest_path(),
                format!("{key} brings its own version"),
                format!("put {key} into [workspace.dependencies] and write `{key}.workspace = true` here"),
            );
        }
    }
}

/// Every entry of `[workspace.dependencies]` has a user.
fn unused_versions(repo: &Repo, report: &mut Report) {
    let used: BTreeSet<_> = repo.members.iter().flat_map(|member| &member.dependencies).map(|it| &it.key).collect();
    let ours: BTreeSet<_> = repo.members.iter().map(|member| &member.package).collect();
    let entries = repo.manifest.get("workspace").and_then(|it| it.get("dependencies")).and_then(Value::as_table);
    for key in entries.into_iter().flat_map(Table::keys) {
        if !used.contains(key) && !ours.contains(key) {
            report.add("Cargo.toml", format!("nobody uses the workspace dependency {key}"), "remove its line");
        }
    }
}

/// A package is called `phlo-` and its folder.
fn package_names(repo: &Repo, report: &mut Report) {
    for Member { folder, package, .. } in &repo.members {
        let name = folder.rsplit('/').next().unwrap_or(folder);
        let expected =
            if name.starts_with("phlo-") || name == "xtask" { name.to_owned() } else { format!("phlo-{name}") };
        if *package != expected {
            report.add(
                format!("{folder}/Cargo.toml"),
                format!("the package is called {package}"),
                format!("a package is `phlo-` and its folder: {expected}"),
            );
        }
    }
}

/// Where a plugin's conformance suite may lie.
const SUITES: &[&str] = &["tests/conformance.rs", "tests/conformance/main.rs"];

/// Each plugin folder has what a plugin author, its users and the bundle rely on.
fn plugin_folders(repo: &Repo, report: &mut Report) {
    const FILES: &[(&[&str], &str)] = &[
        (&["README.md"], "say what it is, when not to use it, a minimal example and its options"),
        (&["examples/minimal.yaml"], "give the smallest asset or setting that uses it; a test validates it"),
        (SUITES, "run the kind's suite from phlo-testkit"),
    ];
    for member in &repo.members {
        let Some(name) = member.folder.strip_prefix("phlo-plugins/") else { continue };
        for (spellings, remedy) in FILES {
            let path = |file: &&str| format!("{}/{file}", member.folder);
            if !spellings.iter().any(|file| repo.files.contains_key(&path(file))) {
                report.add(path(&spellings[0]), "missing", *remedy);
            }
        }
        // A line of its own: what is commented out calls nothing.
        let call = format!("phlo_testkit::conformance!({});", member.package.replace('-', "_"));
        let suites = SUITES.iter().map(|file| format!("{}/{file}", member.folder));
        for path in suites.filter(|path| repo.files.contains_key(path)) {
            if !repo.text(&path).unwrap_or_default().lines().any(|line| line == call) {
                report.add(path, "does not hold the crate to what every plugin promises", format!("write `{call}`"));
            }
        }
        let path = member.manifest_path();
        if let Err(error) = PluginCrate::parse(name, repo.text(&path).unwrap_or_default()) {
            let remedy = "state it as xtask/src/codegen.rs describes, then run `cargo xtask codegen`";
            report.add(path, format!("{error:#}"), remedy);
        }
    }
}

/// The root holds the fixed entries and nothing else; the licences are there.
fn top_level(repo: &Repo, report: &mut Report) {
    let entries: BTreeSet<_> = repo.files.keys().filter_map(|path| path.split('/').next()).collect();
    for entry in entries.iter().filter(|entry| !TOP_LEVEL.contains(entry)) {
        report.add(*entry, "not an entry of the root", "move it to the folder it is about, or add it to .gitignore");
    }
    for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
        if !entries.contains(licence) {
            report.add(licence, "missing", "the packages are MIT OR Apache-2.0: the texts belong beside them");
        }
    }
}

/// Each source file says what belongs in it, and promises nothing for later.
fn sources(repo: &Repo, report: &mut Report) {
    // Spelled apart so that this file does not find itself.
    const UNFINISHED: &[&str] = &[concat!("to", "do!("), concat!("unimple", "mented!("), concat!("#[ig", "nore")];
    for (path, file) in repo.files.iter().filter(|(path, _)| Path::new(path).extension() == Some("rs".as_ref())) {
        let text = file.text.as_deref().unwrap_or_default();
        if !text.starts_with("//!") && !text.starts_with("#![doc = include_str!(") {
            report.add(path, "does not open with a module comment", "say in `//!` on the first line what belongs here");
        }
        for (number, line) in lines(text) {
            for marker in UNFINISHED.iter().filter(|marker| line.contains(**marker)) {
                report.add(
                    format!("{path}:{number}"),
                    format!("`{marker}…` leaves something unfinished"),
                    "finish it, or remove it and assert what happens today",
                );
            }
        }
    }
}

/// Files are small and name no one's machine.
fn texts(repo: &Repo, private: &[String], report: &mut Report) {
    for (path, file) in &repo.files {
        if file.bytes > MAX_FILE_BYTES {
            report.add(
                path,
                format!("{} KiB is more than 1024", file.bytes.div_ceil(1024)),
                "generate it, or download it where it is needed",
            );
        }
        for (number, line) in lines(file.text.as_deref().unwrap_or_default()) {
            if let Some(found) = private_path(line, private) {
                report.add(
                    format!("{path}:{number}"),
                    format!("names a folder of one machine, {found}"),
                    "write a relative path or a placeholder",
                );
            }
        }
    }
}

/// The folders of this machine: the checkout, what holds it, and the user's home. Short ones, such as `/app` or `/src` in a
/// container, could be meant in their own right and are left out.
fn private_folders(root: &Path) -> Vec<String> {
    let home = std::env::home_dir();
    let parent = root.parent().map(Path::to_owned);
    let candidates = [Some(root.to_owned()), parent, home].into_iter().flatten();
    let long_enough = |path: &PathBuf| path.components().count() > 2;
    candidates.filter(long_enough).map(|path| path.to_string_lossy().into_owned()).collect()
}

/// The first path of the line that leads into somebody's home or into one of the folders.
fn private_path<'a>(line: &'a str, private: &[String]) -> Option<&'a str> {
    const HOMES: &[&str] = &[concat!("/ho", "me/"), concat!("/Us", "ers/"), concat!("/ro", "ot/")];
    let starts = HOMES.iter().copied().chain(private.iter().map(String::as_str));
    let in_path = |c: char| c.is_alphanumeric() || "/._-~".contains(c);
    starts.flat_map(|start| line.match_indices(start)).find_map(|(at, start)| {
        let (before, rest) = line.split_at(at);
        let path = &rest[..rest.find(|c| !in_path(c)).unwrap_or(rest.len())];
        // `docs/home/x` only looks like it, and so does `/work-2` for `/work`.
        let begins = !before.ends_with(|c: char| in_path(c) || c == '}');
        let ends = start.ends_with('/') || path.len() == start.len() || path[start.len()..].starts_with('/');
        (begins && ends).then_some(path)
    })
}

fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines())
}

fn users(wall: &Wall) -> String {
    let optional = wall.optional.iter().map(|user| format!("{user} behind a feature"));
    wall.users.iter().map(|user| (*user).to_owned()).chain(optional).collect::<Vec<_>>().join(", ")
}

fn sentence(names: &[&str]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::File;

    const FACTS: &str = "version.workspace = true\nedition.workspace = true\nrust-version.workspace = true\n\
                         license.workspace = true\nauthors.workspace = true\nrepository.workspace = true\n\
                         homepage.workspace = true\n";
    const LINTS: &str = "[lints]\nworkspace = true\n";

    type Files = BTreeMap<String, File>;

    fn member(package: &str, more: &str) -> String {
        format!("[package]\nname = \"{package}\"\ndescription = \"A part\"\n{FACTS}\n{more}\n{LINTS}")
    }

    fn put(files: &mut Files, path: &str, text: &str) {
        files.insert(path.to_owned(), File { bytes: text.len() as u64, text: Some(text.to_owned()) });
    }

    fn replace(files: &mut Files, path: &str, from: &str, to: &str) {
        let text = files[path].text.clone().unwrap();
        assert!(text.contains(from), "{path} has no {from:?}");
        put(files, path, &text.replace(from, to));
    }

    /// Adds a dependency to a member, and to the workspace, where it is held to the same rules as any.
    fn depend(files: &mut Files, folder: &str, table: &str, dependency: &str, more: &str) {
        let manifest = format!("{folder}/Cargo.toml");
        let entry = format!("[{table}.{dependency}]\nworkspace = true\n{more}\n{LINTS}");
        replace(files, &manifest, LINTS, &entry);
        if !files["Cargo.toml"].text.as_ref().unwrap().contains(&format!("\n{dependency} =")) {
            replace(files, "Cargo.toml", "# more\n", &format!("# more\n{dependency} = \"1\"\n"));
        }
    }

    /// A small repository that breaks no rule.
    fn clean() -> Files {
        let mut files = Files::new();
        let root = "[workspace.dependencies]\nserde_yaml = { package = \"serde-saphyr\", version = \"2\" }\n\
                    phlo-spec = { path = \"phlo-core/spec\" }\n# more\n";
        put(&mut files, "Cargo.toml", root);
        put(&mut files, "Cargo.lock", "[[package]]\nname = \"arrow-array\"\nversion = \"59.3.0\"\n");
        put(&mut files, "LICENSE-MIT", "MIT");
        put(&mut files, "LICENSE-APACHE", "Apache");
        put(&mut files, "docs/guide.md", "A page in docs/home/page.md");
        let metadata =
            "[package.metadata.phlo]\nplugins = [{ kind = \"source\", name = \"rest_api\" }]\ntier = \"core\"\n";
        let members = [
            ("phlo-core/spec", "phlo-spec", "[dependencies]\nserde_yaml.workspace = true\n"),
            ("phlo-core/plugin", "phlo-plugin", "[dependencies]\nphlo-spec.workspace = true\n"),
            ("phlo-core/engine", "phlo-engine", ""),
            ("phlo-core/testkit", "phlo-testkit", ""),
            ("phlo-core/bundle", "phlo-bundle", ""),
            ("phlo-plugins/source-rest", "phlo-source-rest", metadata),
            ("phlo-cli", "phlo-cli", ""),
            ("tests", "phlo-tests", ""),
            ("xtask", "xtask", ""),
        ];
        for (folder, package, more) in members {
            put(&mut files, &format!("{folder}/Cargo.toml"), &member(package, more));
            put(&mut files, &format!("{folder}/src/lib.rs"), "//! A module.\n");
        }
        put(&mut files, "phlo-plugins/source-rest/README.md", "REST");
        put(&mut files, "phlo-plugins/source-rest/src/lib.rs", "#![doc = include_str!(\"../README.md\")]\n");
        put(&mut files, "phlo-plugins/source-rest/examples/minimal.yaml", "source: {}\n");
        let suite = "//! The suite.\nphlo_testkit::conformance!(phlo_source_rest);\n";
        put(&mut files, "phlo-plugins/source-rest/tests/conformance.rs", suite);
        files
    }

    /// What tidy says about the clean repository after a change, as `place: what`.
    fn after(change: impl FnOnce(&mut Files)) -> Vec<String> {
        let mut files = clean();
        change(&mut files);
        let violations = check(&Repo::new(files).unwrap(), &["/builds/lake".to_owned()]);
        violations.into_iter().map(|Violation { place, what, .. }| format!("{place}: {what}")).collect()
    }

    #[track_caller]
    fn accepts(change: impl FnOnce(&mut Files)) {
        assert_eq!(after(change), Vec::<String>::new());
    }

    /// Exactly one violation, which begins so.
    #[track_caller]
    fn refuses(expected: &str, change: impl FnOnce(&mut Files)) {
        let violations = after(change);
        assert!(violations.len() == 1 && violations[0].starts_with(expected), "{expected:?} is not {violations:#?}");
    }

    #[test]
    fn a_tree_that_breaks_no_rule_is_accepted() {
        accepts(|_| {});
    }

    #[test]
    fn internal_imports_follow_the_rooms() {
        refuses("phlo-core/spec/Cargo.toml: phlo-spec may not import phlo-plugin", |files| {
            depend(files, "phlo-core/spec", "dependencies", "phlo-plugin", "");
        });
        refuses("phlo-core/spec/Cargo.toml: phlo-spec may not import phlo-plugin", |files| {
            depend(files, "phlo-core/spec", "target.'cfg(unix)'.dependencies", "phlo-plugin", "");
        });
        refuses("phlo-core/spec/Cargo.toml: phlo-spec may not import phlo-plugin", |files| {
            depend(files, "phlo-core/spec", "build-dependencies", "phlo-plugin", "");
        });
        refuses("phlo-plugins/source-rest/Cargo.toml: phlo-source-rest may not import phlo-engine", |files| {
            depend(files, "phlo-plugins/source-rest", "dependencies", "phlo-engine", "");
        });
        refuses("phlo-plugins/source-rest/Cargo.toml: phlo-source-rest may not import phlo-engine in tests", |files| {
            depend(files, "phlo-plugins/source-rest", "dev-dependencies", "phlo-engine", "");
        });
        refuses("xtask/Cargo.toml: xtask may not import phlo-spec", |files| {
            depend(files, "xtask", "dependencies", "phlo-spec", "");
        });
        refuses("phlo-cli/Cargo.toml: phlo-cli may not import phlo-tests", |files| {
            depend(files, "phlo-cli", "dependencies", "phlo-tests", "");
        });
        accepts(|files| depend(files, "tests", "dependencies", "phlo-source-rest", ""));
    }

    #[test]
    fn the_testkit_is_for_tests_and_its_engine_for_a_feature() {
        accepts(|files| depend(files, "phlo-plugins/source-rest", "dev-dependencies", "phlo-testkit", ""));
        refuses("phlo-plugins/source-rest/Cargo.toml: phlo-source-rest may not import phlo-testkit", |files| {
            depend(files, "phlo-plugins/source-rest", "dependencies", "phlo-testkit", "");
        });
        accepts(|files| depend(files, "phlo-core/testkit", "dependencies", "phlo-engine", "optional = true"));
        refuses("phlo-core/testkit/Cargo.toml: phlo-testkit may not import phlo-engine without a feature", |files| {
            depend(files, "phlo-core/testkit", "dependencies", "phlo-engine", "");
        });
        accepts(|files| depend(files, "phlo-core/testkit", "dependencies", "datafusion", "optional = true"));
        refuses("phlo-core/testkit/Cargo.toml: phlo-testkit may not use datafusion without a feature", |files| {
            depend(files, "phlo-core/testkit", "dependencies", "datafusion", "");
        });
    }

    #[test]
    fn the_bundle_links_plugins_by_feature_only() {
        accepts(|files| depend(files, "phlo-core/bundle", "dependencies", "phlo-source-rest", "optional = true"));
        refuses(
            "phlo-core/bundle/Cargo.toml: phlo-bundle may not import phlo-source-rest without a feature",
            |files| depend(files, "phlo-core/bundle", "dependencies", "phlo-source-rest", ""),
        );
    }

    #[test]
    fn external_crates_stay_with_their_owners() {
        let cases = [
            ("datafusion", "phlo-core/engine", "phlo-core/plugin"),
            ("datafusion-expr", "phlo-core/engine", "phlo-plugins/source-rest"),
            ("sqlparser", "phlo-core/engine", "phlo-core/spec"),
            ("inventory", "phlo-core/plugin", "phlo-plugins/source-rest"),
            ("linkme", "phlo-core/plugin", "phlo-core/bundle"),
            ("clap", "phlo-cli", "phlo-core/spec"),
            ("clap_complete", "phlo-cli", "phlo-core/engine"),
            ("reqwest", "phlo-plugins/source-rest", "phlo-cli"),
            ("anyhow", "tests", "phlo-core/plugin"),
            ("serde_yaml", "phlo-core/spec", "phlo-core/plugin"),
        ];
        for (dependency, owner, stranger) in cases {
            let (_, short) = stranger.rsplit_once('/').unwrap_or(("", stranger));
            let package = format!("phlo-{}", short.trim_start_matches("phlo-"));
            let seen = if dependency == "serde_yaml" { "serde-saphyr" } else { dependency };
            let expected = format!("{stranger}/Cargo.toml: {package} may not use {seen}");
            if dependency != "serde_yaml" {
                accepts(|files| depend(files, owner, "dependencies", dependency, ""));
            }
            refuses(&expected, |files| depend(files, stranger, "dependencies", dependency, ""));
            refuses(&expected, |files| depend(files, stranger, "dev-dependencies", dependency, ""));
        }
        for nowhere_yet in ["deltalake-core", "rusqlite", "axum", "bollard"] {
            refuses(&format!("phlo-core/engine/Cargo.toml: phlo-engine may not use {nowhere_yet}"), |files| {
                depend(files, "phlo-core/engine", "dependencies", nowhere_yet, "");
            });
        }
    }

    #[test]
    fn a_package_without_a_row_is_refused() {
        refuses("phlo-core/new: no row says", |files| {
            put(files, "phlo-core/new/Cargo.toml", &member("phlo-new", ""));
        });
    }

    #[test]
    fn the_lock_is_there_and_has_one_arrow() {
        refuses("Cargo.lock: missing", |files| drop(files.remove("Cargo.lock")));
        refuses("Cargo.lock: not TOML", |files| put(files, "Cargo.lock", "]"));
        refuses("Cargo.lock: holds arrow-array in versions 58.0.0 and 59.3.0", |files| {
            let two = "[[package]]\nname = \"arrow-array\"\nversion = \"58.0.0\"\n[[package]]\nname = \"arrow-array\"\n\
                       version = \"59.3.0\"\n";
            put(files, "Cargo.lock", two);
        });
    }

    #[test]
    fn versions_facts_and_lints_come_from_the_workspace() {
        let manifest = "phlo-core/spec/Cargo.toml";
        refuses("phlo-core/spec/Cargo.toml: package.edition is not the workspace's", |files| {
            replace(files, manifest, "edition.workspace = true", "edition = \"2021\"");
        });
        refuses("phlo-core/spec/Cargo.toml: the workspace's lints are not on", |files| {
            replace(files, manifest, LINTS, "[lints.rust]\nunsafe_code = \"allow\"\n");
        });
        for own in ["\"1\"", "{ version = \"1\" }", "{ git = \"https://example.org/serde\" }"] {
            refuses("phlo-core/plugin/Cargo.toml: toml brings its own version", |files| {
                let to = format!("[dependencies]\ntoml = {own}");
                replace(files, "phlo-core/plugin/Cargo.toml", "[dependencies]", &to);
            });
        }
        refuses("Cargo.toml: nobody uses the workspace dependency left-over", |files| {
            replace(files, "Cargo.toml", "# more\n", "left-over = \"1\"\n");
        });
    }

    #[test]
    fn a_package_is_named_after_its_folder() {
        refuses("phlo-core/engine/Cargo.toml: the package is called engine", |files| {
            replace(files, "phlo-core/engine/Cargo.toml", "\"phlo-engine\"", "\"engine\"");
        });
    }

    #[test]
    fn a_plugin_folder_is_complete() {
        for file in ["README.md", "examples/minimal.yaml", "tests/conformance.rs"] {
            let path = format!("phlo-plugins/source-rest/{file}");
            refuses(&format!("{path}: missing"), |files| drop(files.remove(&path)));
        }
        accepts(|files| {
            let suite = files.remove("phlo-plugins/source-rest/tests/conformance.rs").unwrap();
            files.insert("phlo-plugins/source-rest/tests/conformance/main.rs".to_owned(), suite);
        });
        for (from, to) in [("phlo_testkit", "// phlo_testkit"), ("phlo_source_rest", "phlo_source_files")] {
            refuses("phlo-plugins/source-rest/tests/conformance.rs: does not hold the crate to", |files| {
                replace(files, "phlo-plugins/source-rest/tests/conformance.rs", from, to);
            });
        }
        refuses("phlo-plugins/source-rest/Cargo.toml: there is no [package.metadata.phlo]", |files| {
            replace(files, "phlo-plugins/source-rest/Cargo.toml", "metadata.phlo", "metadata.other");
        });
    }

    #[test]
    fn the_root_is_fixed_and_holds_both_licences() {
        refuses("notes.txt: not an entry of the root", |files| put(files, "notes.txt", "x"));
        refuses("scripts: not an entry of the root", |files| put(files, "scripts/run.sh", "x"));
        refuses("LICENSE-MIT: missing", |files| drop(files.remove("LICENSE-MIT")));
        refuses("LICENSE-APACHE: missing", |files| drop(files.remove("LICENSE-APACHE")));
    }

    #[test]
    fn a_source_file_opens_with_its_purpose_and_is_finished() {
        let path = "phlo-core/spec/src/name.rs";
        refuses("phlo-core/spec/src/name.rs: does not open with", |files| put(files, path, "use std::fmt;\n"));
        for marker in [concat!("to", "do!()"), concat!("unimple", "mented!()"), concat!("#[ig", "nore]")] {
            refuses("phlo-core/spec/src/name.rs:2: `", |files| put(files, path, &format!("//! Names.\n{marker}")));
        }
    }

    #[test]
    fn a_file_is_at_most_one_mebibyte() {
        let file = |bytes| File { bytes, text: None };
        refuses("docs/film.bin: 1025 KiB is more than 1024", |files| {
            files.insert("docs/film.bin".to_owned(), file(MAX_FILE_BYTES + 1));
        });
        accepts(|files| drop(files.insert("docs/film.bin".to_owned(), file(MAX_FILE_BYTES))));
    }

    #[test]
    fn no_file_names_a_folder_of_one_machine() {
        let page = |line: &str| {
            let text = format!("A page\n{line}\n");
            after(|files| put(files, "docs/guide.md", &text))
        };
        let homes = [concat!("/ho", "me/ada"), concat!("/Us", "ers/ada/lake"), concat!("/ro", "ot/.cargo")];
        for path in homes.iter().chain(&["/builds/lake", "/builds/lake/target"]) {
            for line in [format!("see {path}"), format!("\"{path}\""), format!("file:{path}, line 1")] {
                assert_eq!(page(&line), [format!("docs/guide.md:2: names a folder of one machine, {path}")]);
            }
        }
        for line in ["docs/home/page", "my/builds/lake", "/builds/lakeside", "/var/lib/phlo", "${HOME}/home/x"] {
            assert_eq!(page(line), Vec::<String>::new(), "{line}");
        }
    }
}
