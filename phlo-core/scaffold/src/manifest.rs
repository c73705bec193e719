//! The `Cargo.toml` of a new plugin: inside the repository its facts and versions are the workspace's, outside they are its own.

use std::fmt::Write as _;

use crate::template::Template;
use crate::{Home, Name, Phlo};

/// A dependency, by its package's name, and the features that are asked of it.
pub(crate) type Dependency = (&'static str, &'static [&'static str]);

/// What the repository's `[workspace.dependencies]` say of the crates that templates use: version, whether default features are on,
/// features. A test holds them to the root manifest.
const VERSIONS: &[(&str, &str, bool, &[&str])] = &[
    ("arrow-array", "59.3", true, &[]),
    ("arrow-schema", "59.3", true, &["serde"]),
    ("chrono", "0.4", false, &["clock", "serde", "std"]),
    ("futures", "0.3", true, &[]),
    ("schemars", "1.2", true, &["preserve_order"]),
    ("serde", "1", true, &["derive", "rc"]),
    ("serde_json", "1", true, &["preserve_order"]),
    ("tokio", "1.54", true, &["rt-multi-thread", "macros", "sync", "time", "fs", "signal"]),
    ("url", "2.5", true, &["serde"]),
];

/// The edition and the oldest compiler, as the repository's `[workspace.package]` says.
const EDITION: &str = "2024";
const RUST_VERSION: &str = "1.95";

/// Phlo's own packages that templates use, by their folders.
const OWN: &[(&str, &str)] =
    &[("phlo-plugin", "phlo-core/plugin"), ("phlo-spec", "phlo-core/spec"), ("phlo-testkit", "phlo-core/testkit")];

pub(crate) fn render(name: &Name, home: &Home, template: &Template) -> String {
    let mut text = format!(
        "[package]\nname = \"{}\"\ndescription = \"{}\"\nkeywords = [{}]\n",
        name.package(),
        template.description,
        quoted(template.keywords)
    );
    let groups = match home {
        Home::Repository { in_default } => {
            for fact in ["version", "edition", "rust-version", "license", "authors", "repository", "homepage"] {
                let _ = writeln!(text, "{fact}.workspace = true");
            }
            if *in_default { "\"default\"" } else { "" }
        }
        Home::Alone(_) => {
            let _ = write!(
                text,
                "version = \"0.1.0\"\nedition = \"{EDITION}\"\nrust-version = \"{RUST_VERSION}\"\n\
                 # Yours: these are what `phlo plugin info` and a registry show.\n\
                 license = \"MIT OR Apache-2.0\"\nauthors = [\"The authors of {package}\"]\n\
                 repository = \"https://example.com/{package}\"\n",
                package = name.package()
            );
            ""
        }
    };
    let _ = write!(
        text,
        "\n[package.metadata.phlo]\nplugins = [{{ kind = \"{}\", name = \"{}\" }}]\ntier = \"extra\"\n",
        name.kind(),
        name.plugin()
    );
    if let Home::Repository { .. } = home {
        let _ = writeln!(text, "groups = [{groups}]");
    }
    for (section, dependencies) in
        [("dependencies", template.dependencies), ("dev-dependencies", template.dev_dependencies)]
    {
        let _ = write!(text, "\n[{section}]\n");
        for dependency in dependencies {
            text.push_str(&line(dependency, home));
        }
    }
    match home {
        Home::Repository { .. } => text + "\n[lints]\nworkspace = true\n",
        // An own workspace, so that the crate may lie anywhere, even below another one's folder.
        Home::Alone(_) => {
            text + "\n[lints.rust]\nmissing_docs = \"warn\"\nunsafe_code = \"deny\"\nunreachable_pub = \"warn\"\n\n[workspace]\n"
        }
    }
}

fn line((package, features): &Dependency, home: &Home) -> String {
    let mut entries = Vec::new();
    let mut all: Vec<&str> = Vec::new();
    match home {
        Home::Repository { .. } if features.is_empty() => return format!("{package}.workspace = true\n"),
        Home::Repository { .. } => entries.push("workspace = true".to_owned()),
        Home::Alone(phlo) => match (OWN.iter().find(|own| own.0 == *package), phlo) {
            (Some((_, folder)), Phlo::Source(root)) => {
                entries.push(format!("path = {}", text(&format!("{}/{folder}", root.trim_end_matches('/')))));
                entries.push(format!("version = \"{}\"", own_version()));
            }
            (Some(_), Phlo::Registry) => entries.push(format!("version = \"{}\"", own_version())),
            (None, _) => {
                let known = VERSIONS.iter().find(|version| version.0 == *package);
                let (_, version, defaults, usual) = known.expect("a template names only crates of the table");
                entries.push(format!("version = \"{version}\""));
                if !defaults {
                    entries.push("default-features = false".to_owned());
                }
                all.extend(*usual);
            }
        },
    }
    all.extend(*features);
    if !all.is_empty() {
        entries.push(format!("features = [{}]", quoted(&all)));
    }
    match entries.as_slice() {
        [version] if version.starts_with("version") => format!("{package} = {}\n", &version["version = ".len()..]),
        entries => format!("{package} = {{ {} }}\n", entries.join(", ")),
    }
}

/// Phlo's own version without its patch number: that of this crate, as all of them have one.
fn own_version() -> &'static str {
    env!("CARGO_PKG_VERSION").rsplit_once('.').map_or(env!("CARGO_PKG_VERSION"), |(version, _)| version)
}

fn quoted(texts: &[&str]) -> String {
    texts.iter().map(|it| format!("\"{it}\"")).collect::<Vec<_>>().join(", ")
}

/// A text as TOML writes it.
fn text(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_of_the_workspace() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml");
        let root: toml::Table = std::fs::read_to_string(root).unwrap().parse().unwrap();
        let workspace = &root["workspace"];
        assert_eq!(workspace["package"]["edition"].as_str(), Some(EDITION));
        assert_eq!(workspace["package"]["rust-version"].as_str(), Some(RUST_VERSION));
        for (package, version, defaults, features) in VERSIONS {
            let entry = &workspace["dependencies"][package];
            assert_eq!(entry.as_str().or_else(|| entry["version"].as_str()), Some(*version), "{package}");
            let listed = entry.get("features").and_then(toml::Value::as_array).cloned().unwrap_or_default();
            let listed: Vec<_> = listed.iter().filter_map(toml::Value::as_str).collect();
            assert_eq!(listed, *features, "{package}");
            let off = entry.get("default-features").and_then(toml::Value::as_bool) == Some(false);
            assert_eq!(off, !defaults, "{package}");
        }
        for (package, folder) in OWN {
            assert_eq!(workspace["dependencies"][package]["path"].as_str(), Some(*folder));
        }
    }
}
