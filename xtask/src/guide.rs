//! The guides of `docs/plugins`, whose code is that of the templates of new plugins, rendered with an example name.
//!
//! A page says where a file of a kind's template goes; what stands between the two lines is written here:
//!
//! ```text
//! <!-- file: source/src/source.rs -->
//! <!-- end file -->
//! ```

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use phlo_scaffold::{Home, Kind, Name, render};

/// The folder of the pages; there is one for each kind, called as it.
const PAGES: &str = "docs/plugins";
const BEGIN: &str = "<!-- file: ";
const END: &str = "<!-- end file -->";

/// Every page with what it ought to hold. A tree without the folder has none.
pub(crate) fn pages(root: &Path) -> Result<Vec<(String, String)>> {
    let folder = root.join(PAGES);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut pages = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| format!("cannot list {PAGES}"))? {
        let name = entry.with_context(|| format!("cannot list {PAGES}"))?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".md") {
            let path = format!("{PAGES}/{name}");
            let text = std::fs::read_to_string(folder.join(&name)).with_context(|| format!("cannot read {path}"))?;
            let filled = filled(&text).with_context(|| path.clone())?;
            pages.push((path, filled));
        }
    }
    pages.sort();
    for kind in Kind::ALL {
        let path = format!("{PAGES}/{kind}.md");
        let page = pages.iter().find(|(page, _)| *page == path);
        let (_, text) = page.with_context(|| format!("{path} is missing: each kind has its guide"))?;
        ensure!(
            text.contains(&format!("{BEGIN}{kind}/src/lib.rs -->")),
            "{path} does not show what its template registers: add `{BEGIN}{kind}/src/lib.rs -->` and `{END}`"
        );
    }
    Ok(pages)
}

/// The page with the code of the templates between the marks.
fn filled(page: &str) -> Result<String> {
    let mut out = String::with_capacity(page.len());
    let mut lines = (1..).zip(page.lines());
    while let Some((number, line)) = lines.next() {
        out += line;
        out.push('\n');
        let Some(path) = line.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(" -->")) else { continue };
        out += &block(path).with_context(|| format!("line {number}"))?;
        ensure!(
            lines.any(|(_, line)| line == END),
            "line {number}: nothing ends the file {path}: write `{END}` on a line of its own"
        );
        out += END;
        out.push('\n');
    }
    Ok(out)
}

/// The fenced text of a template's file, e.g. `source/src/source.rs`.
fn block(path: &str) -> Result<String> {
    let (kind, file) = path.split_once('/').context("a file is KIND/PATH")?;
    let kind: Kind = kind.parse()?;
    let name = Name::new(kind, kind.example())?;
    let files = render(&name, &Home::Repository { in_default: false });
    let Some((_, text)) = files.iter().find(|(path, _)| path == file) else {
        let known: Vec<_> = files.iter().map(|(path, _)| path.as_str()).collect();
        bail!("the template of {kind} has no {file}: one of {}", known.join(", "));
    };
    let extension = Path::new(file).extension().and_then(|it| it.to_str()).unwrap_or_default();
    let language = match extension {
        "rs" => "rust",
        "md" => "markdown",
        "py" => "python",
        other => other,
    };
    // A fence is longer than any that the text has.
    let fence = if text.contains("```") { "````" } else { "```" };
    Ok(format!("{fence}{language}\n{text}{fence}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_gets_the_code_of_the_template_and_keeps_its_own_words() {
        let page = "# Hooks\n\n<!-- file: hook/src/lib.rs -->\nold\n<!-- end file -->\n\nMore.\n";
        let filled = filled(page).unwrap();
        assert!(
            filled.starts_with("# Hooks\n\n<!-- file: hook/src/lib.rs -->\n```rust\n#![doc = include_str!"),
            "{filled}"
        );
        assert!(filled.contains("name = \"failure_log\""), "{filled}");
        assert!(filled.ends_with("\n```\n<!-- end file -->\n\nMore.\n") && !filled.contains("old"), "{filled}");
        assert_eq!(super::filled(&filled).unwrap(), filled);
    }

    #[test]
    fn a_file_that_holds_a_fence_stands_in_a_longer_one() {
        let filled = filled("<!-- file: cli/README.md -->\n<!-- end file -->\n").unwrap();
        assert!(filled.contains("-->\n````markdown\n") && filled.contains("\n````\n<!--"), "{filled}");
    }

    #[test]
    fn a_mark_that_leads_nowhere_is_refused_with_its_line() {
        for (page, message) in [
            (
                "x\n<!-- file: hook/src/nope.rs -->\n<!-- end file -->\n",
                "line 2: the template of hook has no src/nope.rs",
            ),
            ("<!-- file: hok/src/lib.rs -->\n<!-- end file -->\n", "line 1: there is no kind `hok`"),
            ("<!-- file: hook/src/lib.rs -->\n", "line 1: nothing ends the file hook/src/lib.rs"),
        ] {
            let error = format!("{:#}", filled(page).unwrap_err());
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn a_kind_without_a_guide_is_refused() {
        let root = tempfile::tempdir().unwrap();
        assert!(pages(root.path()).unwrap().is_empty());
        std::fs::create_dir_all(root.path().join(PAGES)).unwrap();
        let error = pages(root.path()).unwrap_err().to_string();
        assert!(error.contains("docs/plugins/asset.md is missing"), "{error}");
        std::fs::write(root.path().join(PAGES).join("asset.md"), "# Assets\n").unwrap();
        let error = pages(root.path()).unwrap_err().to_string();
        assert!(error.contains("docs/plugins/asset.md does not show what its template registers"), "{error}");
    }
}
