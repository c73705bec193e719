//! The binary contains exactly what it says: the registry against the folders.

use std::collections::BTreeSet;

use phlo_bundle as _;
use phlo_plugin::Registry;

use crate::fixture::{Project, repository};

#[test]
fn every_plugin_folder_is_linked_and_known_and_nothing_else_is() {
    let registry = Registry::linked(phlo_bundle::KNOWN).unwrap();
    // The tests' own are in their binary alone.
    let entries = || registry.entries().filter(|e| e.registration.package != env!("CARGO_PKG_NAME"));
    let linked: BTreeSet<String> = entries().map(|e| e.registration.package.to_owned()).collect();
    let folders: BTreeSet<String> = std::fs::read_dir(repository().join("phlo-plugins"))
        .unwrap()
        .map(|entry| format!("phlo-{}", entry.unwrap().file_name().to_string_lossy()))
        .chain(["phlo-dagster-adapter".to_owned()])
        .collect();
    assert_eq!(linked, folders);
    let registered: BTreeSet<(String, String)> =
        entries().map(|e| (e.registration.kind.to_string(), e.registration.name.to_owned())).collect();
    let known: BTreeSet<(String, String)> =
        phlo_bundle::KNOWN.iter().map(|k| (k.kind.to_owned(), k.name.to_owned())).collect();
    assert_eq!(registered, known, "the metadata of a plugin's Cargo.toml and its registrations differ");
    assert!(entries().all(|e| e.package.is_some_and(|p| !p.readme.is_empty())));
}

#[test]
fn plugin_check_passes_on_a_healthy_binary_and_names_what_is_denied() {
    let project = Project::new();
    project.phlo(&["plugin", "check"]).exits(0);
    let project = project.write("phlo.yaml", "name: x\nplugins: { deny: [rest_api] }\n");
    let list = project.phlo(&["plugin", "list"]).exits(0);
    let line = list.stdout.lines().find(|l| l.contains("rest_api")).unwrap();
    assert!(line.contains("denied"), "{line}");
    let project = project
        .write("assets/raw/x.yaml", "source: { plugin: rest_api, base_url: \"http://127.0.0.1:9\", endpoint: /x }\n");
    let said = project.phlo(&["run"]).exits(2);
    assert!(said.all().contains("P2003"), "{}", said.all());
}

#[test]
fn capabilities_resolve_by_tag_then_asset_then_environment_then_project() {
    let project = Project::new().write("d.csv", "a\n1\n").write(
        "assets/raw/x.yaml",
        "source: { plugin: files, path: d.csv }\ncapability_overrides: { table_store: delta }\n",
    );
    let step = |args: &[&str], variables: &[(&str, &str)]| {
        let mut all = vec!["run", "--dry-run", "--json"];
        all.extend(args);
        project.phlo_with(variables, &all)
    };
    assert!(step(&[], &[]).exits(0).stdout.contains("capability_overrides"));
    let said = step(&["--tag", "phlo/capability/table_store=nope"], &[]).exits(2);
    assert!(said.all().contains("tag"), "{}", said.all());
    let project = project.write("assets/raw/x.yaml", "source: { plugin: files, path: d.csv }\n");
    let said = project.phlo_with(&[("PHLO_CAPABILITY_TABLE_STORE", "delta")], &["run", "--dry-run", "--json"]).exits(0);
    assert!(said.stdout.contains("environment"), "{}", said.stdout);
}
