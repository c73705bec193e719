//! What a new plugin crate consists of: for each kind a crate that does something small and real, and the names that follow from
//! the one that its author gives it.
//!
//! Pure functions from a name to files. `cargo xtask new-plugin` writes them into the repository, `phlo plugin create` outside of
//! it, `cargo xtask codegen` into the guides of `docs/plugins`. No dependency, so that xtask stays quick to build.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod kind;
mod manifest;
mod name;
mod template;

pub use kind::Kind;
pub use name::{MAX_NAME, Name, Refusal};

/// Where a new crate will live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Home {
    /// In `phlo-plugins/` of the repository: versions, facts and lints are the workspace's.
    Repository {
        /// Whether it is linked into every binary unless somebody says otherwise, and not only into the full one.
        in_default: bool,
    },
    /// On its own, as a workspace of one package.
    Alone(Phlo),
}

/// Where a crate outside of the repository takes phlo from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phlo {
    /// The registry.
    Registry,
    /// A checkout: its folder.
    Source(String),
}

/// The files of a new crate: each one's path, relative to the crate and with `/` between the parts, and its text. Sorted by path.
///
/// The same arguments give the same files. The Rust among them is formatted as the repository's `rustfmt.toml` says, whatever the name.
pub fn render(name: &Name, home: &Home) -> Vec<(String, String)> {
    let template = template::of(name.kind());
    let mut files = vec![("Cargo.toml".to_owned(), manifest::render(name, home, template))];
    files.extend(template.files.iter().map(|(path, text)| ((*path).to_owned(), filled(text, name))));
    if let Home::Alone(_) = home {
        files.push((".gitignore".to_owned(), "/target\n/phlo\n".to_owned()));
        files.push(("rustfmt.toml".to_owned(), "max_width = 120\nuse_small_heuristics = \"Max\"\n".to_owned()));
    }
    files.sort();
    files
}

/// The text with the names in the place of their marks.
fn filled(text: &str, name: &Name) -> String {
    let marks = [
        ("{{kebab}}", name.kebab().to_owned()),
        ("{{plugin}}", name.plugin()),
        ("{{Type}}", name.pascal()),
        ("{{package}}", name.package()),
        ("{{library}}", name.library()),
    ];
    marks.iter().fold(text.to_owned(), |text, (mark, value)| text.replace(mark, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn names(kind: Kind) -> [Name; 3] {
        [
            Name::new(kind, "q").unwrap(),
            Name::new(kind, kind.example()).unwrap(),
            Name::new(kind, &"w".repeat(MAX_NAME)).unwrap(),
        ]
    }

    fn homes() -> [Home; 4] {
        [
            Home::Repository { in_default: false },
            Home::Repository { in_default: true },
            Home::Alone(Phlo::Registry),
            Home::Alone(Phlo::Source("/a \"b\"/phlo".to_owned())),
        ]
    }

    #[test]
    fn every_kind_has_what_a_plugin_folder_needs_and_no_mark_is_left() {
        for kind in Kind::ALL {
            for name in names(*kind) {
                for home in homes() {
                    let files = render(&name, &home);
                    for path in
                        ["Cargo.toml", "README.md", "src/lib.rs", "examples/minimal.yaml", "tests/conformance.rs"]
                    {
                        assert!(files.iter().any(|(file, _)| file == path), "{kind}: {path}");
                    }
                    for (path, text) in &files {
                        for mark in ["{{kebab", "{{plugin", "{{Type", "{{package", "{{library", "{{kind"] {
                            assert!(!text.contains(mark), "{kind}: {path} holds {mark}");
                        }
                        assert!(text.ends_with('\n'), "{kind}: {path}");
                    }
                    let manifest = &files.iter().find(|(path, _)| path == "Cargo.toml").unwrap().1;
                    let manifest: toml::Table = manifest.parse().unwrap_or_else(|err| panic!("{err}\n{manifest}"));
                    assert_eq!(manifest["package"]["name"].as_str(), Some(name.package().as_str()));
                    let description = manifest["package"]["description"].as_str().unwrap();
                    assert!((20..=120).contains(&description.chars().count()), "{description}");
                }
            }
        }
    }

    #[test]
    fn templates_hold_every_file_of_their_folders() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
        let folders: Vec<_> =
            std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(folders.len(), Kind::ALL.len(), "{folders:?}");
        for kind in Kind::ALL {
            let folder = root.join(kind.as_str());
            let (mut there, mut left) = (Vec::new(), vec![folder.clone()]);
            while let Some(at) = left.pop() {
                for entry in std::fs::read_dir(at).unwrap() {
                    let path = entry.unwrap().path();
                    if path.is_dir() {
                        left.push(path);
                    } else {
                        there.push(path.strip_prefix(&folder).unwrap().to_str().unwrap().replace('\\', "/"));
                    }
                }
            }
            there.sort();
            let mut held: Vec<_> = template::of(*kind).files.iter().map(|(path, _)| (*path).to_owned()).collect();
            held.sort();
            assert_eq!(held, there, "mend the list of {kind} in template.rs");
        }
    }

    #[test]
    fn what_is_rendered_is_formatted_whatever_the_name() {
        let mut differences = String::new();
        for kind in Kind::ALL {
            for name in names(*kind) {
                let folder = tempfile::tempdir().unwrap();
                let mut sources = Vec::new();
                for (path, text) in render(&name, &Home::Alone(Phlo::Registry)) {
                    let to = folder.path().join(&path);
                    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
                    std::fs::write(&to, text).unwrap();
                    // rustfmt follows the modules of the library by itself.
                    if path == "src/lib.rs" || path.starts_with("tests/") {
                        sources.push(to);
                    }
                }
                let mut rustfmt = Command::new("rustfmt");
                let output =
                    rustfmt.args(["--edition=2024", "--check", "--color=never"]).args(&sources).output().unwrap();
                if !output.status.success() {
                    differences += &format!("{kind} {}:\n{}", name.kebab(), String::from_utf8_lossy(&output.stdout));
                }
            }
        }
        assert!(differences.is_empty(), "{differences}");
    }
}
