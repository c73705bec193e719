//! `phlo build`: a binary with plugins of one's own, built outside the repository: a small cargo project that links phlo and them.

mod cargo;
mod crates;
mod manifest;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use phlo_plugin::fingerprint::sha256;
use phlo_plugin::{Error, Registry};
use phlo_project::PROJECT_FILE;
use phlo_runtime::Needs;
use phlo_spec::{Code, Diagnostics, PluginKind};
use serde_json::{Value, json};

use self::cargo::{Built, Cargo};
use self::crates::{Source, With};
use self::manifest::{Manifest, Project};
use crate::app::App;
use crate::args::Build;
use crate::exit::{Exit, Failure};
use crate::render::number;

/// What is to be built, whether the command line says so or a file of an earlier build.
struct Wanted {
    project: Project,
    /// Plugins and providers that the finished binary must have, because a project names them and no feature links them.
    expected: Expected,
    /// The lock file of an earlier build, which is kept to.
    lock: Option<String>,
    /// What that build recorded.
    before: Option<Manifest>,
}

#[derive(Default)]
struct Expected {
    plugins: Vec<(PluginKind, String, Error)>,
    providers: Vec<(String, Error)>,
}

pub(crate) fn run(app: &App, args: &Build) -> Result<Exit, Failure> {
    if args.out.is_dir() {
        return Err(Failure::usage(format!("`{}` is a folder: `--out` names the binary itself", args.out.display())));
    }
    let wanted = match &args.repeat {
        Some(file) => again(file)?,
        None => wanted(app, args)?,
    };
    let Wanted { project, expected, lock, before } = wanted;
    tell(app, &project);
    let folder = match &args.keep {
        Some(folder) => absolute(folder)?,
        None => cache(app).join(&sha256(project.cargo_toml()?.as_bytes())[..12]),
    };
    let cargo = Cargo::new(app, &folder, &project, args.keep.is_none().then(|| cache(app).join("target")));
    cargo.write(&project, lock.as_deref())?;
    let resolved = cargo.resolve(&project, lock.is_some())?;
    let built = cargo.build(&project, &resolved)?;
    let linked = inspect(&built, &project, &expected)?;
    put(&built.binary, &args.out)?;

    let bytes = std::fs::read(&args.out).map_err(|err| unwritten(&args.out, err))?;
    let (out, sum) = (absolute(&args.out)?, sha256(&bytes));
    let lock = std::fs::read_to_string(folder.join("Cargo.lock")).map_err(|err| unwritten(&folder, err))?;
    let manifest = Manifest::new(project, &resolved, sha256(lock.as_bytes()), &linked)?;
    if let Some(before) = &before {
        for difference in before.differences(&manifest) {
            app.printer.talk(&format!("note: {difference}"));
        }
    }
    let kept = match &args.keep {
        Some(_) => manifest.write(&folder.join("phlo-build.toml"), "Cargo.lock", None)?,
        None => manifest.write(&beside(&out, "phlo-build.toml"), "phlo-build.lock", Some(&lock))?,
    };
    let plugins: Vec<_> = linked["plugins"].as_array().into_iter().flatten().map(short).collect();
    app.printer.answer(
        || {
            json!({
                "status": "ok", "binary": out, "bytes": bytes.len(), "sha256": sum, "manifest": kept,
                "lock_sha256": manifest.lock.sha256, "plugin_fingerprint": manifest.build.plugin_fingerprint,
                "features": manifest.project.features, "default_features": manifest.project.default_features,
                "plugins": plugins,
            })
        },
        || format!("{}\n", out.display()),
    )?;
    app.printer.talk(&format!(
        "built {}, with {} plugins; `phlo build --repeat {}` builds the same again",
        number::bytes(bytes.len() as u64),
        plugins.len(),
        kept.display()
    ));
    Ok(Exit::Done)
}

fn short(plugin: &Value) -> Value {
    json!({ "kind": plugin["kind"], "name": plugin["name"], "package": plugin["package"], "version": plugin["version"] })
}

fn tell(app: &App, project: &Project) {
    let group = if project.default_features { vec!["default"] } else { vec![] };
    let features: Vec<_> = group.into_iter().chain(project.features.iter().map(String::as_str)).collect();
    app.printer
        .talk(&format!("features: {}", if features.is_empty() { "none".to_owned() } else { features.join(", ") }));
    for with in &project.with {
        app.printer.talk(&format!("with: {}", with.shown()));
    }
}

fn again(file: &Path) -> Result<Wanted, Failure> {
    let file = if file.is_dir() { file.join("phlo-build.toml") } else { file.to_owned() };
    let (before, lock) = Manifest::read(&file)?;
    Ok(Wanted {
        project: before.project.clone(),
        expected: Expected::default(),
        lock: Some(lock),
        before: Some(before),
    })
}

fn wanted(app: &App, args: &Build) -> Result<Wanted, Failure> {
    let source = match &args.phlo_source {
        None => Source::of_registry(),
        Some(text) => Source::parse(text)?,
    };
    let with = args.with.iter().map(|text| With::parse(text)).collect::<Result<Vec<_>, _>>()?;
    let mut seen = BTreeSet::new();
    if let Some(twice) = with.iter().find(|with| !seen.insert(with.package.as_str())) {
        return Err(Failure::usage(format!("`--with` names `{}` twice", twice.package)));
    }
    // In one lock file cargo takes no two packages of one name.
    if let Some(own) = with.iter().find_map(|with| phlo_bundle::KNOWN.iter().find(|own| own.package == with.package)) {
        let error =
            Error::new(Code::Usage, format!("`--with` names `{}`, which is a package of phlo's own", own.package));
        return Err(error
            .hint(format!("link it with `--features {}`; or call the other one by another name", own.feature))
            .into());
    }
    let known = source.features()?;
    let mut features = BTreeSet::new();
    for feature in &args.features {
        let name = feature.strip_prefix("phlo-bundle/").unwrap_or(feature);
        if !known.contains(name) {
            let error = Error::new(Code::Usage, format!("phlo has no feature `{name}`"));
            let all = || known.iter().map(String::as_str);
            let all_shown = all().collect::<Vec<_>>().join(", ");
            return Err(error.suggest(name, all(), format!("known: {all_shown}")).into());
        }
        features.insert(name.to_owned());
    }
    let mut expected = Expected::default();
    if let Some(from) = &args.from {
        let needs;
        (needs, expected) = of_project(app, from, &with)?;
        for (feature, because) in &needs.features {
            let because: Vec<_> = because.iter().map(String::as_str).collect();
            app.printer.detail(&format!("{feature}: {}", because.join(", ")));
            if !known.contains(*feature) {
                let message =
                    format!("the phlo that is to be built has no feature `{feature}`, which this project needs");
                return Err(Error::new(Code::Usage, message).hint("name a newer one with `--phlo-source`").into());
            }
            features.insert((*feature).to_owned());
        }
    }
    let project = Project {
        source,
        features: features.into_iter().collect(),
        // What a project uses is exactly that.
        default_features: !args.no_default_features && args.from.is_none(),
        release: !args.debug,
        with,
    };
    Ok(Wanted { project, expected, lock: None, before: None })
}

/// What a project needs, and what of that is no feature and must come from `--with`.
fn of_project(app: &App, from: &Path, with: &[With]) -> Result<(Needs, Expected), Failure> {
    let root = match from.file_name() {
        Some(name) if name == PROJECT_FILE => match from.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        },
        _ => from,
    };
    let environment = app.environment().clone().with_dotenv(root)?;
    let (loaded, stores) = phlo_runtime::load_without_secrets(root, environment, phlo_bundle::KNOWN);
    let Some(project) = loaded.project.filter(|_| !loaded.diagnostics.has_errors()) else {
        // What it uses is not known while a file of it cannot be read.
        return Err(Failure::in_files(loaded.diagnostics, &loaded.texts));
    };
    app.printer.redact_with(project.redactor.clone());
    let mut needs = phlo_runtime::needs(&project, &Registry::linked(phlo_bundle::KNOWN)?, &stores);
    let given = |kind: PluginKind, name: &str| {
        with.iter().any(|w| w.plugins.iter().any(|(k, n)| k == kind.as_str() && n == name))
    };
    let mut expected = Expected::default();
    let (_, foreign): (Vec<_>, Vec<_>) =
        std::mem::take(&mut needs.foreign).into_iter().partition(|(kind, name, _)| given(*kind, name));
    // What a crate registers that does not say so beforehand is seen in the finished binary.
    let unsaid = with.iter().any(|w| w.plugins.is_empty());
    if unsaid {
        expected.plugins = foreign;
    } else if !foreign.is_empty() {
        let hint = "name the crate that has it with `--with CRATE` or `--with ./FOLDER`";
        let told = foreign.into_iter().map(|(.., err)| err.hint(hint).into_diagnostic()).collect();
        return Err(Failure::in_files(Diagnostics(told), &loaded.texts));
    }
    let providers = std::mem::take(&mut needs.providers);
    if with.is_empty() && !providers.is_empty() {
        let told = providers.into_iter().map(|(_, err)| err.into_diagnostic()).collect();
        return Err(Failure::in_files(Diagnostics(told), &loaded.texts));
    }
    expected.providers = providers;
    Ok((needs, expected))
}

/// Asks the finished binary what is in it.
fn inspect(built: &Built, project: &Project, expected: &Expected) -> Result<Value, Failure> {
    let linked = built.ask(&["plugin", "list", "--json"])?;
    let plugins = || linked["plugins"].as_array().into_iter().flatten();
    for with in &project.with {
        if !plugins().any(|plugin| plugin["package"] == with.package.as_str()) {
            return Err(Error::new(
                Code::InvalidRegistration,
                format!("`{}` was linked and registers no plugin", with.package),
            )
            .hint("a plugin crate says `phlo_plugin::package!()` once and `phlo_plugin::register!(…)` per plugin")
            .into());
        }
    }
    for (kind, name, err) in &expected.plugins {
        if !plugins().any(|plugin| plugin["kind"] == kind.as_str() && plugin["name"] == name.as_str()) {
            return Err(err.clone().hint("no crate that `--with` names registers it").into());
        }
    }
    for (provider, err) in &expected.providers {
        let provides = |plugin: &Value| plugin["provides"].as_array().is_some_and(|p| p.iter().any(|p| p == provider));
        if !plugins().any(provides) {
            return Err(err.clone().hint("no crate that `--with` names provides it").into());
        }
    }
    Ok(linked)
}

/// A binary that runs cannot be written to; it can be replaced.
fn put(from: &Path, to: &Path) -> Result<(), Failure> {
    let mut new = to.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    std::fs::copy(from, &new)
        .and_then(|_| std::fs::rename(&new, to))
        .map_err(|err| unwritten(to, err))
        .inspect_err(|_| drop(std::fs::remove_file(&new)))
}

fn beside(binary: &Path, name: &str) -> PathBuf {
    binary.parent().map_or_else(|| PathBuf::from(name), |folder| folder.join(name))
}

fn unwritten(path: &Path, err: std::io::Error) -> Failure {
    Error::new(Code::UnreadableFile, format!("`{}` cannot be read or written", path.display()))
        .because(err)
        .hint("check the path, its permissions and the disk")
        .into()
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|err| unwritten(path, err))
}

/// Where projects and what cargo makes of them stay, so that the next build is short.
fn cache(app: &App) -> PathBuf {
    let set = |name: &str| app.environment().get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    base.unwrap_or_else(std::env::temp_dir).join("phlo").join("build")
}
