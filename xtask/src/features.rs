//! Any choice of plugins: the bundle compiles with each feature alone, with none and with all, and phlo with none and all; the contract
//! and the testkit with and without what they can add; and two choices are walked as their owners would.
//!
//! The first is `cargo hack --each-feature`, without the tool: it is a loop. What can break is in the manifests, and in what makes
//! distributions, so it runs when one of these is another than when it last passed.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use toml::{Table, Value};

use crate::codegen::BUNDLE_MANIFEST;
use crate::dist::journey;
use crate::process::{cargo, run as finish, target_dir};
use crate::repo::Repo;

/// Checks each choice, unless they passed with these manifests.
pub(crate) fn run(root: &Path) -> Result<()> {
    let repo = Repo::read(root)?;
    let stamp = target_dir(root)?.join("features.stamp");
    let now = fingerprint(&repo);
    if std::fs::read_to_string(&stamp).is_ok_and(|passed| passed == now) {
        println!("passed with these manifests before; {} forgets", stamp.display());
        return Ok(());
    }
    let manifest = repo.text(BUNDLE_MANIFEST).with_context(|| format!("there is no {BUNDLE_MANIFEST}"))?;
    for arguments in choices(&manifest.parse().with_context(|| format!("{BUNDLE_MANIFEST} is not TOML"))?)? {
        println!("--- {}", arguments.join(" "));
        let mut check = cargo(root, &["check", "--locked", "--quiet", "--no-default-features"]);
        finish(check.args(&arguments))?;
    }
    journey::walk(root)?;
    std::fs::create_dir_all(stamp.parent().context("a file has a folder")?)?;
    std::fs::write(&stamp, now).with_context(|| format!("cannot write {}", stamp.display()))
}

/// The arguments that choose what is checked: what builds fastest first.
fn choices(bundle: &Table) -> Result<Vec<Vec<String>>> {
    let features = bundle.get("features").and_then(Value::as_table).context("the bundle has no features")?;
    let lists_dependency = |value: &Value| {
        value.as_array().is_some_and(|it| it.iter().any(|it| it.as_str().is_some_and(|it| it.starts_with("dep:"))))
    };
    let plugins: Vec<_> = features.iter().filter(|(_, value)| lists_dependency(value)).map(|(name, _)| name).collect();
    ensure!(!plugins.is_empty(), "the bundle has no plugin");
    let choice = |package: &str, feature: Option<&str>| {
        let mut arguments = vec!["--package".to_owned(), package.to_owned()];
        arguments.extend(feature.into_iter().flat_map(|it| ["--features".to_owned(), it.to_owned()]));
        arguments
    };
    let mut choices = vec![choice("phlo-bundle", None)];
    choices.extend(plugins.iter().map(|feature| choice("phlo-bundle", Some(feature))));
    choices.extend([
        // What authors build.
        choice("phlo-plugin", None),
        choice("phlo-plugin", Some("cli")),
        choice("phlo-testkit", None),
        choice("phlo-testkit", Some("engine")),
        choice("phlo-bundle", Some("full")),
        choice("phlo-cli", None),
        choice("phlo-cli", Some("full")),
    ]);
    Ok(choices)
}

/// Of every manifest, the lock file, the bundle's list of plugins and what makes distributions.
fn fingerprint(repo: &Repo) -> String {
    let mut hasher = DefaultHasher::new();
    for (path, file) in &repo.files {
        let decides = path == "Cargo.lock" || path.ends_with("Cargo.toml") || path == crate::codegen::BUNDLE_LIB;
        if decides || path.starts_with("xtask/src/dist") {
            (path, &file.text).hash(&mut hasher);
        }
    }
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::repo::File;

    #[test]
    fn each_plugin_alone_none_and_all_are_checked() {
        let bundle =
            "[features]\ndefault = [\"a\"]\nfull = [\"a\", \"b\"]\na = [\"dep:phlo-a\"]\nb = [\"dep:phlo-b\"]\n";
        let choices: Vec<_> = choices(&bundle.parse().unwrap()).unwrap().iter().map(|it| it.join(" ")).collect();
        assert_eq!(
            choices,
            [
                "--package phlo-bundle",
                "--package phlo-bundle --features a",
                "--package phlo-bundle --features b",
                "--package phlo-plugin",
                "--package phlo-plugin --features cli",
                "--package phlo-testkit",
                "--package phlo-testkit --features engine",
                "--package phlo-bundle --features full",
                "--package phlo-cli",
                "--package phlo-cli --features full",
            ]
        );
        assert!(super::choices(&"[features]\ndefault = []\n".parse().unwrap()).is_err());
    }

    #[test]
    fn another_manifest_is_checked_again_and_another_source_is_not() {
        let repo = |manifest: &str, source: &str| {
            let file = |text: &str| File { bytes: 0, text: Some(text.to_owned()) };
            let files = [("Cargo.toml", "[workspace]\n"), ("a/Cargo.toml", manifest), ("a/src/lib.rs", source)];
            Repo::new(BTreeMap::from(files.map(|(path, text)| (path.to_owned(), file(text))))).unwrap()
        };
        let manifest = "[package]\nname = \"a\"\n";
        let before = fingerprint(&repo(manifest, "//! A.\n"));
        assert_eq!(before, fingerprint(&repo(manifest, "//! B.\n")));
        assert_ne!(before, fingerprint(&repo("[package]\nname = \"b\"\n", "//! A.\n")));
    }
}
