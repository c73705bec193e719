//! What `cargo publish` would upload: every crate is packed, unpacked, and built from what was packed.
//!
//! `cargo package` would build each crate and all that it needs again. Here the unpacked crates form a workspace with the repository's
//! profiles and lock file and share its target folder, so that only they are checked.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use toml::Table;

use crate::process::{cargo, run as finish, stdout, target_dir};

/// Packs, unpacks, checks.
pub(crate) fn run(root: &Path) -> Result<()> {
    let metadata = stdout(&mut cargo(root, &["metadata", "--no-deps", "--locked", "--format-version=1"]))?;
    let (packed, kept) = members(&serde_json::from_str(&metadata).context("cannot read `cargo metadata`")?)?;
    ensure!(!packed.is_empty(), "no crate is to be published");
    let mut package = cargo(root, &["package", "--workspace", "--locked", "--no-verify", "--allow-dirty", "--quiet"]);
    for name in &kept {
        package.args(["--exclude", name]);
    }
    finish(&mut package)?;

    let target = target_dir(root)?;
    let folder = target.join("package/unpacked");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    for (name, version) in &packed {
        let file = target.join(format!("package/{name}-{version}.crate"));
        finish(Command::new("tar").arg("--extract").arg("--file").arg(&file).arg("--directory").arg(&folder))?;
    }
    let manifest = std::fs::read_to_string(root.join("Cargo.toml"))?.parse().context("Cargo.toml is not TOML")?;
    std::fs::write(folder.join("Cargo.toml"), workspace(&manifest, &packed))?;
    std::fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock"))?;
    let mut check = cargo(&folder, &["check", "--workspace", "--offline", "--all-targets", "--quiet"]);
    finish(check.arg("--target-dir").arg(&target)).context("what is packed does not build by itself")?;
    println!("{} crates are packed and build from what is packed", packed.len());
    Ok(())
}

/// Name and version of what is to be published, and the names of what is not.
fn members(metadata: &Value) -> Result<(Vec<(String, String)>, Vec<String>)> {
    let (mut packed, mut kept) = (Vec::new(), Vec::new());
    for package in metadata["packages"].as_array().context("`cargo metadata` lists no packages")? {
        let text = |key: &str| package[key].as_str().map(str::to_owned).context("a package without a name or version");
        if package["publish"].as_array().is_some_and(Vec::is_empty) {
            kept.push(text("name")?);
        } else {
            packed.push((text("name")?, text("version")?));
        }
    }
    Ok((packed, kept))
}

/// A workspace of the unpacked crates, which find each other where they would look in the registry.
fn workspace(manifest: &Table, packed: &[(String, String)]) -> String {
    let mut patches = Table::new();
    let mut members = Vec::new();
    for (name, version) in packed {
        let path = format!("{name}-{version}");
        members.push(toml::Value::String(path.clone()));
        patches.insert(name.clone(), Table::from_iter([("path".to_owned(), path.into())]).into());
    }
    let mut workspace = Table::from_iter([("members".to_owned(), members.into())]);
    workspace.extend(
        manifest.get("workspace").and_then(|it| it.get("resolver")).map(|it| ("resolver".to_owned(), it.clone())),
    );
    let mut table = Table::from_iter([("workspace".to_owned(), workspace.into())]);
    table.extend(manifest.get("profile").map(|it| ("profile".to_owned(), it.clone())));
    table.insert("patch".to_owned(), Table::from_iter([("crates-io".to_owned(), patches.into())]).into());
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_is_packed_and_finds_its_neighbours() {
        let metadata = serde_json::json!({ "packages": [
            { "name": "phlo-spec", "version": "0.1.0", "publish": null },
            { "name": "xtask", "version": "0.1.0", "publish": [] },
        ]});
        let (packed, kept) = members(&metadata).unwrap();
        assert_eq!((packed.len(), kept), (1, vec!["xtask".to_owned()]));
        let manifest: Table =
            "[workspace]\nresolver = \"3\"\nmembers = [\"a\"]\n[profile.dev]\ndebug = 1\n".parse().unwrap();
        let made: Table = workspace(&manifest, &packed).parse().unwrap();
        let expected = "[workspace]\nresolver = \"3\"\nmembers = [\"phlo-spec-0.1.0\"]\n[profile.dev]\ndebug = 1\n\
                        [patch.crates-io]\nphlo-spec = { path = \"phlo-spec-0.1.0\" }\n";
        assert_eq!(made, expected.parse().unwrap());
    }
}
