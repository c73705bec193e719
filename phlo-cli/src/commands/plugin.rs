//! `phlo plugin`: what is linked into this binary, and how it fares.

use std::fmt::Write as _;

use phlo_plugin::KnownPlugin;
use phlo_plugin::registry::PluginEntry;
use phlo_runtime::{Platform, PluginHealth, PluginRow};
use phlo_spec::PluginKind;
use serde_json::{Value, json};

use crate::app::App;
use crate::args::Plugin;
use crate::exit::{Exit, Failure};
use crate::render::schema::keys;
use crate::render::table::{Cell, Table};
use crate::render::told::Told;
use crate::render::{Tone, indent, plural};

pub(crate) fn run(app: &App, args: &Plugin) -> Result<Exit, Failure> {
    let kind = |text: &Option<String>| {
        text.as_deref().map(str::parse::<PluginKind>).transpose().map_err(|err| Failure::usage(err.to_string()))
    };
    match args {
        Plugin::List { kind: given, available } => list(app, &app.platform()?, kind(given)?, *available),
        Plugin::Info { name, kind: given } => info(app, &app.platform()?, name, kind(given)?),
        Plugin::Check => check(app, &app.platform()?),
        Plugin::Create(args) => super::create::run(app, args),
    }
}

fn state(state: &str) -> (&str, Tone) {
    let tone = match state {
        "active" => Tone::Good,
        "refused" => Tone::Bad,
        "denied" | "not linked" => Tone::Dim,
        _ => Tone::Plain,
    };
    (state, tone)
}

fn list(app: &App, platform: &Platform, kind: Option<PluginKind>, available: bool) -> Result<Exit, Failure> {
    let of_kind = |k: &str| kind.is_none_or(|kind| kind.as_str() == k);
    let rows: Vec<_> = platform.plugins().into_iter().filter(|row| of_kind(&row.kind)).collect();
    let missing: Vec<_> =
        platform.registry().known().iter().filter(|k| available && !k.linked && of_kind(k.kind)).collect();
    let unlinked = |k: &&KnownPlugin| json!({ "kind": k.kind, "name": k.name, "package": k.package, "summary": k.summary, "feature": k.feature });
    app.printer.answer(
        || {
            let mut document = json!({ "status": "ok", "plugins": rows });
            if available {
                document["available"] = missing.iter().map(unlinked).collect();
            }
            document
        },
        || {
            let mut table = Table::prose(&app.printer, &["kind", "name", "state", "package", "version", "what it is"]);
            for row in &rows {
                table.row([
                    row.kind.as_str().into(),
                    Cell::toned((row.name.as_str(), Tone::Strong)),
                    Cell::toned(state(&row.state)),
                    row.package.as_str().into(),
                    row.version.as_str().into(),
                    row.summary.as_str().into(),
                ]);
            }
            for known in &missing {
                let feature = format!("{}; link it with --features phlo-bundle/{}", known.summary, known.feature);
                table.row([
                    known.kind.into(),
                    Cell::toned((known.name, Tone::Strong)),
                    Cell::toned(state("not linked")),
                    known.package.into(),
                    Cell::maybe(None::<String>),
                    feature.into(),
                ]);
            }
            table.text()
        },
    )?;
    Ok(Exit::Done)
}

fn info(app: &App, platform: &Platform, name: &str, kind: Option<PluginKind>) -> Result<Exit, Failure> {
    let registry = platform.registry();
    let found: Vec<_> = registry.find(name).filter(|e| kind.is_none_or(|k| e.registration.kind == k)).collect();
    if found.is_empty() {
        return Err(registry.unknown(kind, name).into());
    }
    let rows = platform.plugins();
    let row = |entry: &PluginEntry<'_>| {
        rows.iter().find(|r| r.kind == entry.registration.kind.as_str() && r.name == entry.registration.name)
    };
    app.printer.answer(
        || json!({ "status": "ok", "plugins": found.iter().map(|e| document(e, row(e))).collect::<Vec<_>>() }),
        || found.iter().map(|e| text(app, e, row(e))).collect::<Vec<_>>().join("\n"),
    )?;
    Ok(Exit::Done)
}

fn document(entry: &PluginEntry<'_>, row: Option<&PluginRow>) -> Value {
    let mut document = json!(row);
    if let Some(p) = entry.package {
        document["facts"] = json!({
            "description": p.description, "authors": authors(p.authors), "license": p.license, "homepage": p.homepage,
            "repository": p.repository, "documentation": p.documentation(), "tags": p.tags(), "tier": p.tier(),
        });
        document["example"] = json!(p.example);
    }
    document["settings"] = json!((entry.registration.settings)());
    document["config"] = json!(entry.registration.config.map(|schema| schema()));
    document
}

fn authors(joined: &str) -> Vec<&str> {
    joined.split(':').filter(|a| !a.is_empty()).collect()
}

fn text(app: &App, entry: &PluginEntry<'_>, row: Option<&PluginRow>) -> String {
    let registration = entry.registration;
    let mut facts = Table::prose(&app.printer, &[registration.kind.as_str(), registration.name]);
    let mut fact = |name: &str, value: Cell| facts.row([Cell::toned((name, Tone::Dim)), value]);
    let joined = |items: &[&str]| (!items.is_empty()).then(|| items.join(", "));
    fact("what it is", registration.summary.into());
    if let Some(row) = row {
        fact("state", Cell::toned(state(&row.state)));
        if let Some(error) = &row.error {
            fact("why", format!("[{}] {}", error.code, error.messages.join(": ")).into());
        }
        fact("package", format!("{} {}", row.package, row.version).trim_end().into());
    }
    let lists =
        [("requires", registration.requires), ("uses", registration.optional), ("provides", registration.provides)];
    for (name, items) in lists {
        if let Some(items) = joined(items) {
            fact(name, items.into());
        }
    }
    if let Some(package) = entry.package {
        let said = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        for (name, value) in [
            ("authors", joined(&authors(package.authors))),
            ("licence", said(package.license)),
            ("homepage", said(package.homepage)),
            ("repository", said(package.repository)),
            ("documentation", package.documentation()),
            ("tags", said(&package.tags().join(", "))),
            ("tier", Some(package.tier())),
        ] {
            if let Some(value) = value {
                fact(name, value.into());
            }
        }
    }
    let mut text = facts.text();
    let settings = format!("settings, under plugins.settings.{}.{} of phlo.yaml", registration.kind, registration.name);
    for (title, schema) in [
        ("keys", registration.config.map(|schema| json!(schema()))),
        (settings.as_str(), Some(json!((registration.settings)()))),
    ] {
        if let Some(table) = schema.and_then(|schema| keys(&app.printer, &schema)) {
            let _ = write!(text, "\n{title}\n{}", indent(&table, 2));
        }
    }
    match entry.package {
        Some(package) if !package.example.is_empty() => {
            let _ = write!(text, "\nexample\n{}", indent(package.example, 2));
        }
        _ => {}
    }
    text
}

fn check(app: &App, platform: &Platform) -> Result<Exit, Failure> {
    let found = app.wait(async { Ok::<_, Failure>(platform.plugin_check().await) })?;
    let sick: Vec<_> = found.iter().filter(|h| !h.healthy && h.plugin.state != "denied").collect();
    if app.printer.json() {
        let mut document = json!({ "status": if sick.is_empty() { "ok" } else { "error" }, "plugins": found });
        if let Some(error) = sick.iter().find_map(|h| h.plugin.error.as_ref()) {
            document["error"] = Told::from(error).json();
        }
        app.printer.document(document)?;
    } else {
        app.printer.out(&health(app, &found))?;
        let told: Vec<_> =
            sick.iter().filter_map(|h| h.plugin.error.as_ref().map(|e| Told::from(e).about(&h.plugin.name))).collect();
        app.printer.talk("");
        app.tell(&told, &phlo_project::Texts::default());
        app.explain(told.iter().map(|t| t.code));
    }
    Ok(if sick.is_empty() { Exit::Done } else { Exit::Wrong })
}

fn health(app: &App, found: &[PluginHealth]) -> String {
    let mut table = Table::list(&app.printer, &["kind", "name", "health", "used", "requires", "provides"]);
    for one in found {
        let plugin = &one.plugin;
        let health = match (plugin.state.as_str(), one.healthy) {
            ("denied", _) => ("denied", Tone::Dim),
            (_, true) => ("ok", Tone::Good),
            (_, false) => ("not healthy", Tone::Bad),
        };
        let list = |items: &[String]| Cell::maybe((!items.is_empty()).then(|| items.join(", ")));
        table.row([
            plugin.kind.as_str().into(),
            Cell::toned((plugin.name.as_str(), Tone::Strong)),
            Cell::toned(health),
            if one.used { "by the project".into() } else { Cell::maybe(None::<String>) },
            list(&plugin.requires),
            list(&plugin.provides),
        ]);
    }
    let sick = found.iter().filter(|h| !h.healthy && h.plugin.state != "denied").count();
    let verdict = if sick == 0 { Tone::Good.paint("ok") } else { Tone::Bad.paint(format!("{sick} not healthy")) };
    format!("{}\n{verdict}: {}\n", table.text(), plural(found.len(), "plugin"))
}
