//! The pages of `docs/reference` are what the types, their comments and the linked plugins say, and their links lead somewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use phlo_plugin::Registry;
use phlo_spec::PluginKind;

use crate::fixture::repository;

const MEND: &str = "PHLO_UPDATE=1 cargo test -p phlo-tests --test it reference";

fn pages() -> BTreeMap<String, String> {
    let made_by = format!("Made from the types and their comments by `{MEND}`; do not edit.");
    phlo_cli::reference::pages(&made_by).unwrap()
}

fn folder() -> PathBuf {
    repository().join("docs/reference")
}

/// Every file below a folder, relative to it.
fn files(folder: &Path, below: &str) -> BTreeSet<String> {
    let Ok(entries) = std::fs::read_dir(folder.join(below)) else { return BTreeSet::new() };
    let mut found = BTreeSet::new();
    for entry in entries {
        let entry = entry.unwrap();
        let name = format!("{below}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            found.extend(files(folder, &format!("{name}/")));
        } else {
            found.insert(name);
        }
    }
    found
}

#[test]
fn the_reference_is_what_the_code_says() {
    let (pages, folder) = (pages(), folder());
    let there = files(&folder, "");
    let differs = |page: &String| std::fs::read_to_string(folder.join(page)).ok().as_ref() != pages.get(page);
    let stale: Vec<_> =
        pages.keys().chain(&there).filter(|page| differs(page)).collect::<BTreeSet<_>>().into_iter().collect();
    if std::env::var_os("PHLO_UPDATE").is_some() {
        for page in &stale {
            let path = folder.join(page);
            match pages.get(*page) {
                None => std::fs::remove_file(path).unwrap(),
                Some(text) => {
                    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                    std::fs::write(path, text).unwrap();
                }
            }
        }
        return;
    }
    assert!(stale.is_empty(), "docs/reference is out of step: {stale:?}; run\n\n  {MEND}\n\nand commit what it writes");
}

#[test]
fn every_plugin_folder_has_its_page_in_the_reference() {
    let folders: BTreeSet<String> = std::fs::read_dir(repository().join("phlo-plugins"))
        .unwrap()
        .map(|entry| format!("plugins/{}.md", entry.unwrap().file_name().to_string_lossy()))
        // The one plugin crate with a folder of its own.
        .chain(["plugins/dagster-adapter.md".to_owned()])
        .collect();
    let pages: BTreeSet<String> = pages().into_keys().filter(|page| page.starts_with("plugins/")).collect();
    assert_eq!(pages, folders);
}

#[test]
fn every_check_says_what_null_nan_and_an_empty_table_mean_and_where_to_read_what_all_do() {
    let registry = Registry::linked(phlo_bundle::KNOWN).unwrap();
    let checks = registry.entries().map(|entry| entry.registration).filter(|it| it.kind == PluginKind::Quality);
    let mut missing = Vec::new();
    for check in checks.filter(|check| check.package != env!("CARGO_PKG_NAME")) {
        let schema = check.config.unwrap()().to_value();
        let said = schema["description"].as_str().unwrap_or_default().replace('\n', " ");
        for (word, ways) in
            [("null", &["null", "Null", "NULL"][..]), ("NaN", &["NaN"]), ("an empty table", &["empty table"])]
        {
            if !ways.iter().any(|way| said.contains(way)) {
                missing.push(format!("`{}` does not say what {word} does", check.name));
            }
        }
    }
    assert!(missing.is_empty(), "say it in the comment of the check's parameters: {missing:#?}");
    let pages = pages();
    let general = "### Null, NaN, empty tables, types and overflow\n";
    assert!(pages["assets.md"].contains(general));
    for (page, text) in pages.iter().filter(|(page, _)| page.starts_with("plugins/quality-")) {
        assert!(text.contains("(../assets.md#null-nan-empty-tables-types-and-overflow)"), "{page}");
    }
}

#[test]
fn every_key_of_a_check_says_what_it_means() {
    for (page, text) in pages().iter().filter(|(page, _)| page.starts_with("plugins/quality-")) {
        let blank: Vec<_> = text.lines().filter(|line| line.starts_with("| `") && line.ends_with(" |  |")).collect();
        assert!(blank.is_empty(), "{page}: {blank:#?}");
    }
}

#[test]
fn every_link_of_the_reference_leads_somewhere() {
    let pages = pages();
    let mut broken = Vec::new();
    for (page, text) in &pages {
        let base = folder().join(page).parent().unwrap().to_owned();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.starts_with("http") {
                continue;
            }
            let (file, heading) = link.split_once('#').map_or((link, None), |(file, heading)| (file, Some(heading)));
            let target = if file.is_empty() { folder().join(page) } else { base.join(file) };
            let target = normal(&target);
            let text = match target.strip_prefix(folder()).ok().and_then(|it| pages.get(it.to_str().unwrap())) {
                Some(text) => text.clone(),
                None => std::fs::read_to_string(&target).unwrap_or_default(),
            };
            if text.is_empty() || heading.is_some_and(|heading| !anchors(&text).contains(heading)) {
                broken.push(format!("{page}: {link}"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

fn normal(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut path, part| {
        if part == std::path::Component::ParentDir {
            path.pop();
        } else {
            path.push(part);
        }
        path
    })
}

/// The anchors that GitHub makes of a page's headings; two of one name would be one too few.
fn anchors(text: &str) -> BTreeSet<String> {
    let anchor = |heading: &str| -> String {
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
    };
    let mut found = BTreeSet::new();
    let mut fenced = false;
    for line in text.lines() {
        fenced ^= line.starts_with("```");
        if !fenced && line.starts_with('#') {
            let heading = line.trim_start_matches('#').trim();
            assert!(found.insert(anchor(heading)), "two headings `{heading}` on one page");
        }
    }
    found
}
