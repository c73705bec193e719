//! What the kinds with a small contract promise: `service`, `asset`, `catalog`, `orchestrator`, `dagster`, `semantic` and `cli`.
//! [`crate::Package`] calls these for each plugin of a package.

use std::collections::BTreeSet;
use std::path::{Component, Path};

use phlo_plugin::InitContext;
use phlo_plugin::cli::AnyCliExtension;
use phlo_plugin::kinds::{
    AnyAssetProvider, AnyCatalog, AnyDagsterExtension, AnyOrchestrator, AnySemanticLayer, AnyService, CatalogTable,
    Definitions, OrchestratorOutput,
};
use phlo_plugin::registry::guard;
use phlo_spec::AssetKey;

use crate::findings::Findings;
use crate::fixture::{asset, key};

/// Something's names, each of which may be given once.
fn unique<'a>(names: impl IntoIterator<Item = &'a str>, what: &str, findings: &mut Findings) {
    let mut seen = BTreeSet::new();
    for name in names {
        findings.hold(!name.trim().is_empty(), format_args!("a {what} has no name"));
        findings.hold(seen.insert(name), format_args!("the {what} `{name}` is there twice"));
    }
}

/// A service: the definition has the plugin's name, an image of one version, and pairs where pairs are wanted.
pub fn service(name: &str, plugin: &dyn AnyService, findings: &mut Findings) {
    let Some(spec) = findings.expect(plugin.definition(), "its definition") else { return };
    findings
        .hold(spec.name == name, format_args!("it defines the service `{}`, and is registered as `{name}`", spec.name));
    findings.hold(!spec.description.trim().is_empty(), "the service is not described");
    let versioned = spec.image.contains('@') || spec.image.rsplit('/').next().is_some_and(|image| image.contains(':'));
    findings.hold(versioned, format_args!("the image `{}` has neither a tag nor a digest", spec.image));
    for port in &spec.ports {
        let pair = port.rsplit_once(':').and_then(|(_, inside)| inside.split('/').next()?.parse::<u16>().ok());
        findings.hold(pair.is_some(), format_args!("the port `{port}` is not `host:container`"));
    }
    for volume in &spec.volumes {
        findings.hold(volume.contains(':'), format_args!("the volume `{volume}` is not `source:target`"));
    }
    let tested = spec.healthcheck.is_none_or(|check| !check.test.is_empty());
    findings.hold(tested, "the health check tests nothing");
}

/// Assets: each key once, and no asset that depends on itself.
pub fn asset_provider(plugin: &dyn AnyAssetProvider, findings: &mut Findings) {
    let Some(assets) = findings.expect(plugin.assets(), "its assets") else { return };
    unique(assets.iter().map(|asset| asset.key.as_str()), "asset", findings);
    for asset in &assets {
        findings.hold(!asset.deps.contains(&asset.key), format_args!("the asset {} depends on itself", asset.key));
    }
}

/// A catalog: each engine's catalog once, none without properties.
pub fn catalog(plugin: &dyn AnyCatalog, context: &InitContext, findings: &mut Findings) {
    let Some(catalogs) = findings.expect(plugin.catalogs(), "its catalogs") else { return };
    findings.hold(!catalogs.is_empty(), "it configures no engine");
    let names: Vec<String> = catalogs.iter().map(|catalog| format!("{}/{}", catalog.target, catalog.name)).collect();
    unique(names.iter().map(String::as_str), "catalog", findings);
    for catalog in &catalogs {
        let complete = !catalog.target.is_empty() && !catalog.name.is_empty() && !catalog.properties.is_empty();
        findings.hold(complete, format_args!("the catalog {catalog:?} lacks a target, a name or properties"));
        let plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
        findings.hold(
            plain(&catalog.target) && plain(&catalog.name),
            format_args!("the catalog {}/{} makes no file's name", catalog.target, catalog.name),
        );
    }
    let tables = ["a.top", "b.c.end"].map(|name| CatalogTable {
        table: key(name),
        store: "delta".to_owned(),
        location: format!("{}{}", context.storage.root, name.replace('.', "/")),
    });
    for tables in [&tables[..], &[]] {
        let Some(files) = findings.expect(plugin.files(tables), "its files") else { continue };
        files_inside(&files, findings);
    }
}

/// An orchestrator: steps in which each asset stands once, behind what it depends on, or files at distinct relative paths. The order
/// in which assets are listed makes no difference.
pub fn orchestrator(plugin: &dyn AnyOrchestrator, findings: &mut Findings) {
    findings.expect(plugin.build(&Definitions::default()), "building nothing");
    let diamond =
        [("a.top", &[][..]), ("a.left", &["a.top"]), ("a.right", &["a.top"]), ("b.end", &["a.left", "a.right"])];
    let asset =
        |(name, after): &(&str, &[&str])| (asset(name, "select 1"), after.iter().map(|name| key(name)).collect());
    let definitions = |assets| Definitions { project: "test".to_owned(), assets, ..Definitions::default() };
    let Some(output) = findings.expect(plugin.build(&definitions(diamond.iter().map(asset).collect())), "building")
    else {
        return;
    };
    let reversed = plugin.build(&definitions(diamond.iter().rev().map(asset).collect()));
    let same = reversed.as_ref().is_ok_and(|reversed| *reversed == output);
    findings.hold(same, "assets listed in another order make other definitions");
    match output {
        OrchestratorOutput::Steps(steps) => {
            let mut done: BTreeSet<AssetKey> = BTreeSet::new();
            for (key, after) in steps {
                findings.hold(
                    after.iter().all(|one| done.contains(one)),
                    format_args!("{key} comes before what it depends on"),
                );
                let wanted = diamond.iter().find(|(name, _)| *name == key.as_str()).map(|(_, after)| after.iter());
                let kept =
                    wanted.is_some_and(|mut wanted| wanted.all(|name| after.iter().any(|one| one.as_str() == *name)));
                findings.hold(kept, format_args!("{key} no longer waits for what it depends on"));
                findings.hold(done.insert(key.clone()), format_args!("{key} is there twice"));
            }
            findings.hold(done.len() == diamond.len(), "an asset is left out");
        }
        OrchestratorOutput::Files(files) => {
            findings.hold(!files.is_empty(), "it writes no file");
            files_inside(&files, findings);
        }
    }
}

/// Files at distinct relative paths.
fn files_inside(files: &[(String, String)], findings: &mut Findings) {
    unique(files.iter().map(|(path, _)| path.as_str()), "file", findings);
    for (path, _) in files {
        let inside = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
        findings.hold(inside, format_args!("the file `{path}` is not below the folder it is written to"));
    }
}

/// A Dagster extension: modules that Python can import and that define `defs`.
pub fn dagster(plugin: &dyn AnyDagsterExtension, findings: &mut Findings) {
    let Some(modules) = findings.expect(plugin.modules(), "its modules") else { return };
    unique(modules.iter().map(|module| module.name.as_str()), "module", findings);
    for module in &modules {
        let importable = module.name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && module.name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        findings.hold(importable, format_args!("Python cannot import `{}`", module.name));
        let defines = module
            .python
            .lines()
            .any(|line| line.starts_with("defs ") || line.starts_with("defs:") || line.starts_with("defs="));
        findings.hold(defines, format_args!("the module `{}` does not define `defs`", module.name));
    }
}

/// A semantic layer: each model once, and each found by its name.
pub fn semantic(plugin: &dyn AnySemanticLayer, findings: &mut Findings) {
    let Some(models) = findings.expect(plugin.models(), "its models") else { return };
    unique(models.iter().map(|model| model.name.as_str()), "model", findings);
    for model in &models {
        let found = plugin.model(&model.name).is_ok_and(|found| found.as_ref() == Some(model));
        findings.hold(found, format_args!("the model `{}` is not found by its name", model.name));
    }
    let none = plugin.model("no such model").is_ok_and(|found| found.is_none());
    findings.hold(none, "a model that is not there is found, or fails");
}

/// A cli extension: commands that clap accepts, each with a line of help.
pub fn cli(plugin: &dyn AnyCliExtension, findings: &mut Findings) {
    let Some(commands) = findings.expect(plugin.commands(), "its commands") else { return };
    findings.hold(!commands.is_empty(), "it adds no command");
    unique(commands.iter().map(|command| command.command.get_name()), "command", findings);
    for command in commands {
        let name = command.command.get_name().to_owned();
        let lower = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        findings.hold(lower, format_args!("the command `{name}` is not lower-case words joined by `-`"));
        findings.hold(command.command.get_about().is_some(), format_args!("the command `{name}` has no line of help"));
        let sound = guard(&name, "building its command", || {
            command.command.debug_assert();
            Ok(())
        });
        findings.expect(sound, format_args!("clap refuses the command `{name}`"));
    }
}
