//! `phlo version`: which phlo this is, and what is linked into it.

use std::collections::BTreeMap;

use phlo_plugin::Registry;
use serde_json::json;

use crate::app::App;
use crate::exit::{Exit, Failure};
use crate::render::table::{Cell, Table};

pub(crate) fn run(app: &App) -> Result<Exit, Failure> {
    let version = env!("CARGO_PKG_VERSION");
    let registry = Registry::linked(phlo_bundle::KNOWN)?;
    let packages: BTreeMap<_, _> = registry.entries().filter_map(|e| e.package).map(|p| (p.name, *p)).collect();
    app.printer.answer(
        || {
            let packages: Vec<_> = packages
                .values()
                .map(|p| json!({ "name": p.name, "version": p.version, "license": p.license }))
                .collect();
            json!({ "status": "ok", "name": "phlo", "version": version, "packages": packages })
        },
        || {
            let mut text = format!("phlo {version}\n");
            if app.printer.verbose() > 0 {
                let mut table = Table::prose(&app.printer, &["package", "version", "licence", "what it is"]);
                for package in packages.values() {
                    table.row([
                        Cell::from(package.name),
                        package.version.into(),
                        package.license.into(),
                        package.description.into(),
                    ]);
                }
                text.push_str(&format!("\n{}", table.text()));
            }
            text
        },
    )?;
    Ok(Exit::Done)
}
