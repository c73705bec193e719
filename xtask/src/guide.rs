//! The guides of `docs/plugins`, whose code is what the tests build: that of the templates of new plugins, rendered with an example name,
//! and regions of the repository's own files.
//!
//! A page says where a file of a kind's template goes, or a region by its file and name; what stands between the two lines is written
//! here:
//!
//! ```text
//! <!-- file: source/src/source.rs -->
//! <!-- end file -->
//!
//! <!-- region: tests/it/truth/rule.rs rule -->
//! <!-- end region -->
//! ```
//!
//! A file has a region between two comments of their own lines, and it is shown as far to the left as the first of them allows:
//!
//! ```text
//! // begin: rule
//! // end
//! ```

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use phlo_scaffold::{Home, Kind, Name, render};

/// The folder of the pages; there is one for each kind, called as it.
const PAGES: &str = "docs/plugins";
const BEGIN: &str = "<!-- file: ";
const END: &str = "<!-- end file -->";
const BEGIN_REGION: &str = "<!-- region: ";
const END_REGION: &str = "<!-- end region -->";

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
            let filled = filled(root, &text).with_context(|| path.clone())?;
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

/// The page with the code between the marks.
fn filled(root: &Path, page: &str) -> Result<String> {
    let mut out = String::with_capacity(page.len());
    let mut lines = (1..).zip(page.lines());
    while let Some((number, line)) = lines.next() {
        out += line;
        out.push('\n');
        let named = |begin| line.strip_prefix(begin).and_then(|rest: &str| rest.strip_suffix(" -->"));
        let (what, code, end) = if let Some(path) = named(BEGIN) {
            (format!("the file {path}"), block(path), END)
        } else if let Some(at) = named(BEGIN_REGION) {
            (format!("the region {at}"), region(root, at), END_REGION)
        } else {
            continue;
        };
        out += &code.with_context(|| format!("line {number}"))?;
        ensure!(
            lines.any(|(_, line)| line == end),
            "line {number}: nothing ends {what}: write `{end}` on a line of its own"
        );
        out += end;
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
    Ok(fenced(file, text))
}

/// The fenced text of a region, e.g. `tests/it/truth/rule.rs rule`.
fn region(root: &Path, at: &str) -> Result<String> {
    let (path, name) = at.split_once(' ').context("a region is PATH NAME")?;
    let text = std::fs::read_to_string(root.join(path)).with_context(|| format!("cannot read {path}"))?;
    let comment = |line: &str| {
        let line = line.trim();
        ["//", "#", "--"].iter().find_map(|mark| line.strip_prefix(mark)).map(|rest| rest.trim().to_owned())
    };
    let begins = |line: &&str| comment(line).is_some_and(|said| said.strip_prefix("begin: ") == Some(name));
    let mut rest = text.lines().skip_while(|line| !begins(line));
    let begin = rest.next().with_context(|| format!("{path} has no region `{name}`: write `// begin: {name}`"))?;
    let indent = begin.len() - begin.trim_start().len();
    let mut shown = String::new();
    loop {
        let line =
            rest.next().with_context(|| format!("nothing ends the region `{name}` of {path}: write `// end`"))?;
        if comment(line).as_deref() == Some("end") {
            break;
        }
        let spaces = line.len() - line.trim_start_matches(' ').len();
        shown += &line[indent.min(spaces)..];
        shown.push('\n');
    }
    ensure!(!rest.any(|line| begins(&line)), "{path} has two regions `{name}`: rename one");
    Ok(fenced(path, &shown))
}

fn fenced(path: &str, text: &str) -> String {
    let extension = Path::new(path).extension().and_then(|it| it.to_str()).unwrap_or_default();
    let language = match extension {
        "rs" => "rust",
        "md" => "markdown",
        "py" => "python",
        other => other,
    };
    // A fence is longer than any that the text has.
    let fence = if text.contains("```") { "````" } else { "```" };
    format!("{fence}{language}\n{text}{fence}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_gets_the_code_of_the_template_and_keeps_its_own_words() {
        let page = "# Hooks\n\n<!-- file: hook/src/lib.rs -->\nold\n<!-- end file -->\n\nMore.\n";
        let filled = filled(Path::new("/nowhere"), page).unwrap();
        assert!(
            filled.starts_with("# Hooks\n\n<!-- file: hook/src/lib.rs -->\n```rust\n#![doc = include_str!"),
            "{filled}"
        );
        assert!(filled.contains("name = \"failure_log\""), "{filled}");
        assert!(filled.ends_with("\n```\n<!-- end file -->\n\nMore.\n") && !filled.contains("old"), "{filled}");
        assert_eq!(super::filled(Path::new("/nowhere"), &filled).unwrap(), filled);
    }

    #[test]
    fn a_file_that_holds_a_fence_stands_in_a_longer_one() {
        let filled = filled(Path::new("/nowhere"), "<!-- file: cli/README.md -->\n<!-- end file -->\n").unwrap();
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
            let error = format!("{:#}", filled(Path::new("/nowhere"), page).unwrap_err());
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn a_region_of_a_file_is_shown_without_its_marks_and_as_far_to_the_left_as_it_can() {
        let root = tempfile::tempdir().unwrap();
        let rule =
            "fn a() {\n    // begin: it\n    if b {\n\n        c();\n    }\n    // end\n}\n// begin: other\n// end\n";
        std::fs::write(root.path().join("rule.rs"), rule).unwrap();
        std::fs::write(root.path().join("a.yaml"), "x: 1\n# begin: it\n- y\n# end\n").unwrap();
        let page = "<!-- region: rule.rs it -->\nold\n<!-- end region -->\n\n<!-- region: a.yaml it -->\n<!-- end region -->\n";
        let filled = filled(root.path(), page).unwrap();
        let expected = "<!-- region: rule.rs it -->\n```rust\nif b {\n\n    c();\n}\n```\n<!-- end region -->\n\n\
                        <!-- region: a.yaml it -->\n```yaml\n- y\n```\n<!-- end region -->\n";
        assert_eq!(filled, expected);
        assert_eq!(super::filled(root.path(), &filled).unwrap(), filled);
    }

    #[test]
    fn a_region_that_is_not_there_or_not_whole_is_refused_with_its_line() {
        let root = tempfile::tempdir().unwrap();
        let text = "// begin: twice\n// end\n// begin: twice\n// end\n// begin: open\n";
        std::fs::write(root.path().join("a.rs"), text).unwrap();
        for (region, message) in [
            ("a.rs", "line 1: a region is PATH NAME"),
            ("b.rs x", "line 1: cannot read b.rs"),
            ("a.rs x", "line 1: a.rs has no region `x`: write `// begin: x`"),
            ("a.rs open", "line 1: nothing ends the region `open` of a.rs"),
            ("a.rs twice", "line 1: a.rs has two regions `twice`"),
        ] {
            let page = format!("<!-- region: {region} -->\n<!-- end region -->\n");
            let error = format!("{:#}", filled(root.path(), &page).unwrap_err());
            assert!(error.contains(message), "{error}");
        }
        std::fs::write(root.path().join("a.rs"), "// begin: x\n// end\n").unwrap();
        let error = format!("{:#}", filled(root.path(), "<!-- region: a.rs x -->\n").unwrap_err());
        assert!(error.contains("line 1: nothing ends the region a.rs x"), "{error}");
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
