//! The licences of everything that is linked, with the texts that each package carries.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::linked::Linked;
use super::sbom::{Runtime, spdx};

/// How deep below a package's folder texts are looked for: packages that bring C sources keep theirs there.
const DEPTH: usize = 3;

/// One line of the list, and the texts that belong to it.
struct Entry {
    title: String,
    license: String,
    texts: Vec<String>,
}

/// The whole file.
///
/// # Errors
/// A text cannot be read, or a package names no licence and carries no text.
pub(crate) fn text(root: &Path, linked: &Linked, runtimes: &[(Runtime, Vec<PathBuf>)]) -> Result<String> {
    let mut entries = Vec::new();
    for ((name, version), facts) in &linked.facts {
        let mut files = BTreeSet::new();
        // The members' texts are the repository's.
        find(if facts.ours { root } else { &facts.folder }, if facts.ours { 1 } else { DEPTH }, &mut files)?;
        files.extend(facts.license_file.as_ref().map(|file| facts.folder.join(file)));
        let license = facts.license.as_deref().map(spdx);
        ensure!(license.is_some() || !files.is_empty(), "{name} {version} names no licence and carries no text of one");
        entries.push(Entry {
            title: format!("{name} {version}"),
            license: license.unwrap_or_else(|| "see the text".to_owned()),
            texts: read(&files)?,
        });
    }
    for (runtime, files) in runtimes {
        entries.push(Entry {
            title: format!("{} {}", runtime.name, runtime.version),
            license: runtime.license.to_owned(),
            texts: read(&files.iter().cloned().collect())?,
        });
    }
    Ok(render(&entries))
}

fn render(entries: &[Entry]) -> String {
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    let mut texts: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut list = String::new();
    let mut without = 0;
    for Entry { title, license, texts: own } in entries {
        let mut named = Vec::new();
        for text in own {
            let number = *numbers.entry(text).or_insert_with(|| {
                texts.push((text, Vec::new()));
                texts.len()
            });
            texts[number - 1].1.push(title);
            named.push(format!("[{number}]"));
        }
        if named.is_empty() {
            without += 1;
            named.push("the package carries no text".to_owned());
        }
        let _ = writeln!(list, "{title}: {license}; {}", named.join(" "));
    }
    let mut out = format!(
        "What is linked into this phlo, under which licence (an SPDX expression), and the texts that each part carries.\n\
         {} parts, {} texts; {without} parts carry no text, and what their expression names is the text that SPDX lists by that name:\n\
         https://spdx.org/licenses/\n\n{list}",
        entries.len(),
        texts.len(),
    );
    for (index, (text, users)) in texts.iter().enumerate() {
        let _ = write!(out, "\n{}\n[{}] {}\n\n{text}\n", "=".repeat(100), index + 1, users.join(", "));
    }
    out
}

/// The texts without what differs for no reason, each once.
fn read(files: &BTreeSet<PathBuf>) -> Result<Vec<String>> {
    let mut texts = Vec::new();
    for file in files {
        let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let text = String::from_utf8_lossy(&bytes);
        let text = text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n").trim_matches('\n').to_owned();
        // Some are a link's target, checked out as a file.
        if text.lines().count() > 1 && !texts.contains(&text) {
            texts.push(text);
        }
    }
    Ok(texts)
}

fn find(folder: &Path, depth: usize, found: &mut BTreeSet<PathBuf>) -> Result<()> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_uppercase();
        if path.is_dir() {
            if name.starts_with("LICENSE")
                || depth > 1 && !matches!(name.as_str(), "TARGET" | ".GIT" | "TESTS" | "BENCHES")
            {
                find(&path, depth.saturating_sub(1), found)?;
            }
        } else if is_text_of_a_licence(&name) || folder.file_name().is_some_and(|it| it == "LICENSES") {
            found.insert(path);
        }
    }
    Ok(())
}

/// By its name, in capitals.
fn is_text_of_a_licence(name: &str) -> bool {
    let (stem, extension) = name.split_once('.').unwrap_or((name, ""));
    let begins =
        ["LICENSE", "LICENCE", "COPYING", "NOTICE", "UNLICENSE", "COPYRIGHT"].iter().any(|it| stem.starts_with(it));
    // Not `license.rs` or `copying.c`.
    begins && !["RS", "C", "H", "GO", "PY", "PL", "SH", "JSON", "TOML", "YAML", "YML"].contains(&extension)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dist::linked::{Facts, Graph};

    fn linked(folder: &Path, license: Option<&str>) -> Linked {
        let graph = Graph::parse("0\tphlo-cli v0.1.0\n1\tzstd-sys v2.0.0\n1\tserde v1.0.0\n").unwrap();
        let facts = graph.needs.keys().map(|id| {
            let ours = id.0 == "phlo-cli";
            let license = if id.0 == "serde" { license } else { Some("MIT/Apache-2.0") };
            (
                id.clone(),
                Facts { license: license.map(str::to_owned), ours, folder: folder.join(&id.0), ..Facts::default() },
            )
        });
        Linked { facts: facts.collect(), graph }
    }

    fn put(folder: &Path, file: &str, text: &str) {
        let path = folder.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn every_text_is_there_once_with_the_names_of_all_that_carry_it() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path();
        put(root, "LICENSE-MIT", "MIT\n\nours\n");
        put(root, "zstd-sys/Cargo.toml", "");
        put(root, "zstd-sys/LICENSE.md", "MIT\r\n\r\ntheirs\r\n");
        put(root, "zstd-sys/zstd/COPYING", "GPL\n\ntext\n");
        put(root, "zstd-sys/src/license.rs", "fn not_a_text() {}\n\n");
        put(root, "serde/LICENSE-MIT", "MIT\n\ntheirs  \n");
        let text = text(root, &linked(root, Some("MIT")), &[]).unwrap();
        for part in [
            "3 parts, 3 texts; 0 parts carry no text",
            "\nphlo-cli 0.1.0: MIT OR Apache-2.0; [1]\nserde 1.0.0: MIT; [2]\nzstd-sys 2.0.0: MIT OR Apache-2.0; [2] [3]\n",
            "\n[2] serde 1.0.0, zstd-sys 2.0.0\n\nMIT\n\ntheirs\n",
            "\n[3] zstd-sys 2.0.0\n\nGPL\n\ntext\n",
        ] {
            assert!(text.contains(part), "{part:?} not in {text}");
        }
        assert!(!text.contains("not_a_text"));
    }

    #[test]
    fn a_package_without_a_text_says_so_and_one_without_a_licence_too_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path();
        put(root, "LICENSE-MIT", "MIT\n\nours\n");
        put(root, "zstd-sys/Cargo.toml", "");
        put(root, "serde/Cargo.toml", "");
        let text = text(root, &linked(root, Some("Zlib")), &[]).unwrap();
        assert!(text.contains("serde 1.0.0: Zlib; the package carries no text"), "{text}");
        let error = super::text(root, &linked(root, None), &[]).unwrap_err().to_string();
        assert_eq!(error, "serde 1.0.0 names no licence and carries no text of one");
    }
    #[test]
    fn everything_that_is_linked_into_phlo_names_its_licence() {
        let root = crate::repo::root().unwrap();
        let linked = Linked::read(&root, &[], crate::dist::TARGET).unwrap();
        let text = text(&root, &linked, &[]).unwrap();
        for (name, version) in linked.facts.keys() {
            assert!(text.contains(&format!("\n{name} {version}: ")), "{name} {version}");
        }
        for part in ["\nphlo-cli 0.1.0: MIT OR Apache-2.0; [", "Apache License", "Permission is hereby granted"] {
            assert!(text.contains(part), "{part}");
        }
    }
}
