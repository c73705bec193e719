//! `phlo version`: which phlo this is, and what is linked into it.

use std::collections::BTreeMap;

use phlo_plugin::{PackageFacts, Registry};
use serde_json::{Value, json};

use crate::app::App;
use crate::exit::{Exit, Failure};
use crate::render::table::{Cell, Table};
use crate::render::{Tone, plural};

/// The version of phlo.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The commit that phlo was built from, where the build says so: `phlo build` and releases do, a plain `cargo build` does not.
pub(crate) const COMMIT: Option<&str> = option_env!("PHLO_COMMIT");
/// The platform that it was built for.
pub(crate) const TARGET: &str = env!("PHLO_TARGET");
const PROFILE: &str = env!("PHLO_PROFILE");
const RUSTC: &str = env!("PHLO_RUSTC");

pub(crate) fn run(app: &App) -> Result<Exit, Failure> {
    // Two words are no reason to look at every plugin.
    if !app.printer.json() && app.printer.verbose() == 0 {
        app.printer.out(&format!("phlo {VERSION}\n"))?;
        return Ok(Exit::Done);
    }
    let registry = Registry::linked(phlo_bundle::KNOWN)?;
    let packages: BTreeMap<_, _> = registry.entries().filter_map(|e| e.package).map(|p| (p.name, *p)).collect();
    let count = |package: &str| registry.entries().filter(|e| e.registration.package == package).count();
    app.printer.answer(|| document(&registry, &packages), || text(app, &registry, &packages, &count))?;
    Ok(Exit::Done)
}

/// The commit of a package, where it is known: those of phlo's own repository have phlo's.
pub(crate) fn commit_of(package: &str) -> Option<&'static str> {
    COMMIT.filter(|_| phlo_bundle::KNOWN.iter().any(|known| known.package == package))
}

fn document(registry: &Registry, packages: &BTreeMap<&str, PackageFacts>) -> Value {
    let package = |p: &PackageFacts| json!({ "name": p.name, "version": p.version, "commit": commit_of(p.name), "license": p.license });
    let fingerprint = registry.fingerprint();
    json!({
        "status": "ok", "name": "phlo", "version": VERSION, "commit": COMMIT, "target": TARGET, "profile": PROFILE,
        "rustc": RUSTC, "plugin_fingerprint": fingerprint.short(), "plugin_fingerprint_sha256": fingerprint.as_str(),
        "packages": packages.values().map(package).collect::<Vec<_>>(),
    })
}

fn text(
    app: &App,
    registry: &Registry,
    packages: &BTreeMap<&str, PackageFacts>,
    count: &dyn Fn(&str) -> usize,
) -> String {
    let mut facts = Table::prose(&app.printer, &["phlo", VERSION]);
    let fingerprint = registry.fingerprint();
    for (name, value) in [
        ("commit", Cell::maybe(COMMIT)),
        ("target", TARGET.into()),
        ("profile", PROFILE.into()),
        ("compiler", RUSTC.into()),
        ("plugins", plural(registry.entries().count(), "plugin").into()),
        ("fingerprint", fingerprint.short().into()),
    ] {
        facts.row([Cell::toned((name, Tone::Dim)), value]);
    }
    let mut table = Table::prose(&app.printer, &["package", "version", ">plugins", "licence", "what it is"]);
    for package in packages.values() {
        table.row([
            Cell::from(package.name),
            package.version.into(),
            count(package.name).to_string().into(),
            package.license.into(),
            package.description.into(),
        ]);
    }
    format!("{}\n{}", facts.text(), table.text())
}
