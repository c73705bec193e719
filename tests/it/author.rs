//! An author's whole journey, for every kind: from one command to a plugin that is formatted, free of lints, tested and linked; in the
//! repository and outside of it.
//!
//! What is built here lies below the target folder and is kept, so that a second run has only the new plugins to compile.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use phlo_scaffold::{Kind, Name};
use phlo_spec::PluginKind;

use crate::fixture::{PHLO, beside_the_others, repository, works};

/// The folder of these tests; one process at a time works in each part of it.
fn workshop(part: &str) -> (PathBuf, File) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("author");
    fs::create_dir_all(&folder).unwrap();
    let lock = File::create(folder.join(format!("{part}.lock"))).unwrap();
    lock.lock().unwrap();
    (folder, lock)
}

/// One for each kind; none that a plugin of the repository could have.
fn names() -> Vec<Name> {
    Kind::ALL.iter().map(|kind| Name::new(*kind, &format!("author-{}", kind.example())).unwrap()).collect()
}

/// A cargo command in a folder, with the one target folder of these tests. Nothing is debugged here: that spares half of the time.
fn cargo(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::null())
        .env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("author/target"))
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("CARGO_TERM_COLOR", "never")
        .env_remove("RUST_BACKTRACE");
    for name in crate::fixture::OF_THE_OUTER_CARGO {
        command.env_remove(name);
    }
    command
}

#[track_caller]
fn succeeds(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}\n{}", all(&output));
    all(&output)
}

fn all(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Lets cargo complete the lock file, without the network if that will do: what it needs was fetched for phlo itself.
fn lock(folder: &Path) {
    let metadata = ["metadata", "--format-version=1", "--offline"];
    if !cargo(folder, &metadata).output().unwrap().status.success() {
        succeeds(&mut cargo(folder, &metadata[..2]));
    }
}

/// Brings a copy of the repository up to date: what git tracks, and what it would. What is as it was stays untouched, so that cargo
/// sees that nothing changed.
fn copy_repository(to: &Path) {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(repository());
    let listed = String::from_utf8(git.output().unwrap().stdout).unwrap();
    let files: BTreeSet<PathBuf> = listed.split_terminator('\0').map(PathBuf::from).collect();
    assert!(files.contains(Path::new("Cargo.lock")), "git lists no files of {}", repository().display());
    for file in &files {
        // Tracked still, and removed from the tree.
        let Ok(content) = fs::read(repository().join(file)) else { continue };
        let target = to.join(file);
        if fs::read(&target).ok().as_ref() != Some(&content) {
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::write(target, content).unwrap();
        }
    }
    remove_others(to, Path::new(""), &files);
    // `tidy` asks git for the files.
    succeeds(Command::new("git").args(["init", "--quiet"]).current_dir(to));
}

/// Removes what is not listed, folders that become empty too: the plugins of the run before.
fn remove_others(root: &Path, below: &Path, files: &BTreeSet<PathBuf>) {
    for entry in fs::read_dir(root.join(below)).unwrap() {
        let entry = entry.unwrap();
        let path = below.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            if path == Path::new(".git") {
                continue;
            }
            remove_others(root, &path, files);
            if fs::read_dir(root.join(&path)).unwrap().next().is_none() {
                fs::remove_dir(root.join(&path)).unwrap();
            }
        } else if !files.contains(&path) {
            fs::remove_file(root.join(&path)).unwrap();
        }
    }
}

fn has_tools() -> bool {
    works("git", &["--version"]) && works("cargo", &["fmt", "--version"]) && works("cargo", &["clippy", "--version"])
}

#[test]
fn the_scaffold_knows_the_kinds_that_there_are() {
    let mut known: Vec<_> = PluginKind::ALL.iter().map(|kind| kind.as_str()).collect();
    known.sort_unstable();
    assert_eq!(Kind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>(), known);
}

#[test]
fn a_new_plugin_of_every_kind_needs_one_command_to_pass_every_check_and_be_linked() {
    if !has_tools() {
        return;
    }
    let (folder, _lock) = workshop("inside");
    let root = folder.join("repository");
    fs::create_dir_all(&root).unwrap();
    copy_repository(&root);
    for name in names() {
        let said = succeeds(&mut cargo(&root, &["xtask", "new-plugin", name.kebab(), "--kind", name.kind().as_str()]));
        let next = format!("\n  cargo test -p {}\n", name.package());
        assert!(said.contains(&next), "{said}");
    }

    // What is there is never written over.
    let readme = root.join("phlo-plugins").join(names()[0].folder()).join("README.md");
    let before = fs::read_to_string(&readme).unwrap();
    fs::write(&readme, format!("{before}Mine.\n")).unwrap();
    let again =
        cargo(&root, &["xtask", "new-plugin", names()[0].kebab(), "--kind", names()[0].kind().as_str()]).output();
    let again = again.unwrap();
    assert!(!again.status.success() && all(&again).contains("is there already"), "{}", all(&again));
    assert!(fs::read_to_string(&readme).unwrap().ends_with("Mine.\n"));
    fs::write(&readme, before).unwrap();

    let packages: Vec<String> = names().iter().map(|name| format!("--package={}", name.package())).collect();
    let with = |args: &[&str]| {
        let mut command = cargo(&root, &args[..1]);
        command.args(&packages).args(&args[1..]);
        command
    };
    succeeds(&mut with(&["fmt", "--check"]));
    succeeds(&mut cargo(&root, &["xtask", "tidy"]));
    succeeds(&mut cargo(&root, &["xtask", "codegen", "--check"]));
    succeeds(&mut with(&["clippy", "--locked", "--all-targets", "--", "--deny=warnings"]));
    let said = succeeds(&mut with(&["test", "--locked"]));
    for name in names() {
        assert!(said.contains(&format!("Doc-tests {}", name.library())), "{} was not tested:\n{said}", name.package());
    }
    let kept = said.matches("test the_package_keeps_every_promise_of_a_plugin ... ok").count();
    assert_eq!(kept, Kind::ALL.len(), "{said}");
    assert_eq!(linked(&folder, &root), names().iter().map(registration).collect());
}

fn registration(name: &Name) -> String {
    format!("{} {} {}", name.kind(), name.plugin(), name.package())
}

/// What the registry of a program lists that links the bundle with the features of the new plugins, and no other.
fn linked(folder: &Path, root: &Path) -> BTreeSet<String> {
    let program = folder.join("linked");
    fs::create_dir_all(program.join("src")).unwrap();
    let features: Vec<_> = names().iter().map(|name| format!("{:?}", name.folder())).collect();
    let manifest = format!(
        "[package]\nname = \"linked\"\nedition = \"2024\"\n\n[dependencies]\nphlo-plugin = {{ path = \"{plugin}\" }}\n\
         phlo-bundle = {{ path = \"{bundle}\", default-features = false, features = [{features}] }}\n\n[workspace]\n",
        plugin = root.join("phlo-core/plugin").display(),
        bundle = root.join("phlo-core/bundle").display(),
        features = features.join(", "),
    );
    let main = r#"
fn main() {
    let registry = phlo_plugin::Registry::linked(phlo_bundle::KNOWN).unwrap();
    for entry in registry.entries() {
        let known = phlo_bundle::KNOWN.iter().any(|known| known.linked && known.package == entry.registration.package);
        assert!(known, "{} is not in the bundle's table", entry.registration.package);
        println!("{} {} {}", entry.registration.kind, entry.registration.name, entry.registration.package);
    }
}
"#;
    fs::write(program.join("Cargo.toml"), manifest).unwrap();
    fs::write(program.join("src/main.rs"), main).unwrap();
    fs::copy(root.join("Cargo.lock"), program.join("Cargo.lock")).unwrap();
    lock(&program);
    let output = cargo(&program, &["run", "--locked", "--quiet"]).output().unwrap();
    assert!(output.status.success(), "{}", all(&output));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn a_plugin_of_every_kind_is_made_outside_of_the_repository_and_passes_its_tests() {
    if !has_tools() {
        return;
    }
    let (folder, _lock) = workshop("outside");
    let folder = folder.join("outside");
    // What the run before made; only the target folder is kept.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let create = |name: &Name| {
        let mut command = Command::new(PHLO);
        command.args(["plugin", "create", name.kebab(), "--json", "--kind", name.kind().as_str(), "--phlo-source"]);
        let output = command.arg(repository()).current_dir(&folder).output().unwrap();
        let document: serde_json::Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|err| panic!("{err}: {}", all(&output)));
        (output.status.code(), document)
    };
    for name in names() {
        let (code, document) = create(&name);
        let next = format!("phlo build --with ./{} --phlo-source {}", name.package(), repository().display());
        assert_eq!((code, &document["dir"], &document["next"][1]), (Some(0), &name.package().into(), &next.into()));
        let files = document["files"].as_array().unwrap();
        assert!(files.iter().all(|file| folder.join(name.package()).join(file.as_str().unwrap()).is_file()));

        let (code, document) = create(&name);
        assert_eq!((code, &document["error"]["code"]), (Some(2), &"P1016".into()));

        let plugin = folder.join(name.package());
        lock(&plugin);
        succeeds(&mut cargo(&plugin, &["fmt", "--check"]));
        let said = succeeds(&mut cargo(&plugin, &["test", "--locked", "--tests"]));
        assert!(said.contains("test the_package_keeps_every_promise_of_a_plugin ... ok"), "{said}");
    }
    ship(&folder);
}

/// One binary with all of them, as the next step that is printed builds one with each: it lists them, shows each, and tests each.
fn ship(folder: &Path) {
    let (binary, project) = (folder.join("my-phlo"), folder.join("project"));
    fs::create_dir_all(&project).unwrap();
    fs::write(project.join("phlo.yaml"), "name: mine\n").unwrap();
    let mut build = Command::new(PHLO);
    build
        .args(["build", "--debug", "--no-default-features", "--out"])
        .arg(&binary)
        .arg("--keep")
        .arg(folder.join("kept"));
    build.arg("--phlo-source").arg(repository()).current_dir(folder);
    for name in names() {
        build.args(["--with", &format!("./{}", name.package())]);
    }
    let one = beside_the_others(&mut build);
    succeeds(&mut build);
    drop(one);

    let own = |args: &[&str]| succeeds(Command::new(&binary).args(args).current_dir(&project).env("NO_COLOR", "1"));
    let list: serde_json::Value = serde_json::from_str(&own(&["plugin", "list", "--json"])).unwrap();
    let text = |plugin: &serde_json::Value, key: &str| plugin[key].as_str().unwrap().to_owned();
    let plugins = list["plugins"].as_array().unwrap().iter();
    let linked: BTreeSet<_> =
        plugins.map(|it| ["kind", "name", "package"].map(|key| text(it, key)).join(" ")).collect();
    assert_eq!(linked, names().iter().map(registration).collect());
    // What these alone lack is told, and each of them is well.
    let checked = Command::new(&binary).args(["plugin", "check"]).current_dir(&project).env("NO_COLOR", "1").output();
    let checked = all(&checked.unwrap());
    assert!(checked.contains("no linked plugin provides a table_store"), "{checked}");
    for name in names() {
        assert!(own(&["plugin", "info", &name.plugin()]).contains(&name.package()), "{name:?}");
        let is_well = |line: &str| line.contains(&name.plugin()) && line.split_whitespace().nth(2) == Some("ok");
        assert!(checked.lines().any(is_well), "{name:?} in {checked}");
    }
}

#[test]
fn a_name_that_cannot_be_is_refused_with_what_to_write_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let phlo = |args: &[&str]| {
        let output =
            Command::new(PHLO).args(["plugin", "create"]).args(args).current_dir(folder.path()).output().unwrap();
        (output.status.code(), all(&output))
    };
    for (args, told) in [
        (&["My_Api", "--kind", "source"][..], "write `my-api`"),
        (&["source-my-api", "--kind", "source"], "write `my-api`"),
        (&["type", "--kind", "source"], "is a keyword of Rust"),
        (&["my-api", "--kind", "sauce"], "source"),
        (&["files", "--kind", "source"], "`files` is taken: the source `files` of phlo-source-files has it"),
        (&["not-null", "--kind", "quality"], "`not_null` is taken"),
        (&["diff", "--kind", "cli"], "`diff` is taken"),
        (&["check", "--kind", "cli"], "`check` is taken: phlo's own command"),
        (&["my-api", "--kind", "source", "--path", "."], "is there already"),
        (&["my-api", "--kind", "source", "--phlo-source", "."], "is no checkout of phlo"),
    ] {
        let (code, said) = phlo(args);
        assert!(code == Some(2) && said.contains(told), "{args:?}: {code:?} {said}");
    }
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none());
    // Without a checkout phlo comes from the registry.
    assert_eq!(phlo(&["my-api", "--kind", "source", "--path", "a/b"]).0, Some(0));
    let manifest = fs::read_to_string(folder.path().join("a/b/Cargo.toml")).unwrap();
    assert!(manifest.contains("\nphlo-plugin = \"0.1\"\n"), "{manifest}");
}
