//! `cargo xtask new-plugin`: a plugin crate from its kind's template, known to the bundle and to Cargo.lock.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use phlo_scaffold::{Home, Kind, Name, render};
use toml::Value;

use crate::codegen::{self, PLUGINS};
use crate::process::{cargo, run as finish, succeeds};
use crate::repo::Repo;

/// The options of `cargo xtask new-plugin`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Its name in kebab case, without the kind: my-api
    name: String,
    /// Its kind
    #[arg(long, value_parser = kinds())]
    kind: String,
    /// Which binaries link it unless somebody says otherwise
    #[arg(long, value_enum, default_value = "full")]
    group: Group,
}

/// A group of plugins, as the features of phlo-bundle name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Group {
    /// Those with every plugin
    Full,
    /// Every one, the usual one too
    Default,
}

fn kinds() -> clap::builder::PossibleValuesParser {
    Kind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().into()
}

/// Makes the crate.
pub(crate) fn run(root: &Path, args: &Args) -> Result<()> {
    let name = Name::new(args.kind.parse()?, &args.name)?;
    write(root, &name, args.group == Group::Default)?;
    codegen::run(root, false)?;
    lock(root)?;
    println!(
        "{PLUGINS}/{folder} is in the bundle{group}. Next:\n  cargo test -p {package}\n  cargo run --features \
         phlo-bundle/{folder} -- plugin info {plugin} --kind {kind}\n  cargo xtask test",
        folder = name.folder(),
        group =
            if args.group == Group::Default { " and linked by default" } else { ", linked with the feature `full`" },
        package = name.package(),
        plugin = name.plugin(),
        kind = name.kind(),
    );
    Ok(())
}

/// Writes the files, none over another.
fn write(root: &Path, name: &Name, in_default: bool) -> Result<()> {
    let folder = root.join(PLUGINS).join(name.folder());
    // A link that leads nowhere is there, too.
    ensure!(
        folder.symlink_metadata().is_err(),
        "{PLUGINS}/{} is there already: choose another name, or remove the folder",
        name.folder()
    );
    if let Some(place) = registered(root, name)? {
        bail!("{place} registers {} `{}` already: choose another name", name.kind(), name.plugin());
    }
    for (path, text) in render(name, &Home::Repository { in_default }) {
        let to = folder.join(&path);
        let above = to.parent().context("a file has a folder")?;
        std::fs::create_dir_all(above).with_context(|| format!("cannot create {}", above.display()))?;
        std::fs::write(&to, text).with_context(|| format!("cannot write {}", to.display()))?;
        println!("wrote {PLUGINS}/{}/{path}", name.folder());
    }
    Ok(())
}

/// The manifest that has a plugin of this kind and name, anywhere in the repository, or a package of this name.
fn registered(root: &Path, name: &Name) -> Result<Option<String>> {
    let repo = Repo::read(root)?;
    let is_it = |plugin: &Value| {
        let text = |key| plugin.get(key).and_then(Value::as_str);
        text("kind") == Some(name.kind().as_str()) && text("name") == Some(name.plugin().as_str())
    };
    let found = repo.members.iter().find(|member| {
        let metadata = member.manifest.get("package").and_then(|it| it.get("metadata")).and_then(|it| it.get("phlo"));
        let plugins = metadata.and_then(|it| it.get("plugins")).and_then(Value::as_array);
        member.package == name.package() || plugins.into_iter().flatten().any(is_it)
    });
    Ok(found.map(|member| member.manifest_path()))
}

/// Lets cargo add the package to Cargo.lock. Its dependencies are in there, so that this needs no network; if it does, it may.
fn lock(root: &Path) -> Result<()> {
    if succeeds(&mut cargo(root, &["update", "--workspace", "--offline", "--quiet"])) {
        return Ok(());
    }
    finish(&mut cargo(root, &["update", "--workspace", "--quiet"])).context("the package is not in Cargo.lock")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// A repository of one plugin, without a workspace that cargo would read.
    fn tree() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put("Cargo.toml", "[workspace]\n");
        put(
            "phlo-adapter/Cargo.toml",
            "[package]\nname = \"phlo-adapter\"\n[package.metadata.phlo]\nplugins = [{ kind = \"orchestrator\", name = \"big_one\" }]\n",
        );
        assert!(Command::new("git").args(["init", "--quiet"]).current_dir(root.path()).status().unwrap().success());
        root
    }

    #[test]
    fn a_folder_or_plugin_that_is_there_is_never_written_over() {
        let root = tree();
        let name = |kind, text| Name::new(kind, text).unwrap();
        write(root.path(), &name(Kind::Source, "my-api"), false).unwrap();
        let readme = root.path().join("phlo-plugins/source-my-api/README.md");
        std::fs::write(&readme, "mine").unwrap();
        let refused = |kind, text| write(root.path(), &name(kind, text), false).unwrap_err().to_string();
        assert!(refused(Kind::Source, "my-api").contains("phlo-plugins/source-my-api is there already"));
        assert_eq!(std::fs::read_to_string(readme).unwrap(), "mine");
        let taken = refused(Kind::Orchestrator, "big-one");
        assert!(taken.contains("phlo-adapter/Cargo.toml registers orchestrator `big_one` already"), "{taken}");
        assert!(!root.path().join("phlo-plugins/orchestrator-big-one").exists());
    }
}
