//! `phlo plugin`: what is linked into this binary, and how it fares.

use std::fmt::Write as _;
use std::time::Duration;

use phlo_plugin::registry::PluginEntry;
use phlo_plugin::{Error, KnownPlugin};
use phlo_project::Texts;
use phlo_runtime::{ConnectionHealth, Platform, PluginCheck, PluginHealth, PluginRow};
use phlo_spec::{Diagnostics, PluginKind, Severity};
use serde_json::{Value, json};

use crate::app::{App, Open};
use crate::args::Plugin;
use crate::commands::version::{COMMIT, VERSION, commit_of};
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
        Plugin::List { kind: given, available } => list(app, &app.platform_to_look()?, kind(given)?, *available),
        Plugin::Info { name, kind: given } => info(app, &app.platform_to_look()?, name, kind(given)?),
        Plugin::Check { timeout } => {
            let open = match app.root() {
                Some(_) => app.open()?,
                None => Open { platform: app.bare()?, diagnostics: Diagnostics::default(), texts: Texts::default() },
            };
            check(app, open, Duration::from_secs(u64::from(*timeout)))
        }
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
    let registry = platform.registry();
    let missing: Vec<_> = registry.known().iter().filter(|k| available && !k.linked && of_kind(k.kind)).collect();
    app.printer.answer(
        || {
            let rows = platform.plugin_details().into_iter().filter(|row| of_kind(&row.plugin.kind));
            let rows = rows.map(|row| {
                let mut document = json!(row);
                document["commit"] = json!(commit_of(&row.plugin.package));
                document
            });
            let mut document = json!({
                "status": "ok", "phlo": VERSION, "commit": COMMIT,
                "plugin_fingerprint": registry.fingerprint().short(), "plugins": rows.collect::<Vec<_>>(),
            });
            if available {
                document["available"] = missing.iter().map(|k| unlinked(k)).collect();
            }
            document
        },
        || {
            let mut table = Table::prose(&app.printer, &["kind", "name", "state", "package", "version", "what it is"]);
            for row in platform.plugins().iter().filter(|row| of_kind(&row.kind)) {
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
                let feature = format!("{}; link it with --features {}", known.summary, known.feature);
                table.row([
                    known.kind.into(),
                    Cell::toned((known.name, Tone::Strong)),
                    Cell::toned(state("not linked")),
                    known.package.into(),
                    Cell::maybe(None::<String>),
                    feature.into(),
                ]);
            }
            let mut text = table.text();
            if let Some(known) = missing.first() {
                let [cargo, build] = ways(known);
                let _ = write!(text, "\nto link one, e.g. {}:\n  {build}\n  {cargo}\n", known.name);
            }
            text
        },
    )?;
    Ok(Exit::Done)
}

// How to link a plugin that exists: inside the repository, and anywhere.
fn ways(known: &KnownPlugin) -> [String; 2] {
    let feature = known.feature;
    [
        format!("cargo build --release --package phlo-cli --features phlo-bundle/{feature}"),
        format!("phlo build --features {feature}"),
    ]
}

fn unlinked(known: &KnownPlugin) -> Value {
    let [cargo, build] = ways(known);
    json!({
        "kind": known.kind, "name": known.name, "package": known.package, "summary": known.summary,
        "feature": known.feature, "cargo": cargo, "build": build,
    })
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

fn check(app: &App, open: Open, limit: Duration) -> Result<Exit, Failure> {
    let Open { platform, diagnostics, texts } = open;
    let limit = (!diagnostics.has_errors()).then_some(limit);
    let mut found = app.wait(async { Ok::<_, Failure>(platform.plugin_check(limit).await) })?;
    // What is wrong with the project comes first: it may be why a plugin does not start.
    let mistakes = diagnostics.0.into_iter().filter(|it| it.severity == Severity::Error);
    let mistakes = mistakes.map(|mistake| Error::from(mistake).record());
    found.problems.splice(0..0, mistakes);
    let exit = verdict(&found);
    let (fatal, harmless): (Vec<_>, Vec<_>) = sick(&found).into_iter().partition(|sick| sick.fatal);
    let told: Vec<_> =
        fatal.iter().map(|one| one.told.clone()).chain(harmless.iter().map(|one| one.told.clone().warning())).collect();
    if app.printer.json() {
        let mut document = json!(found);
        document["status"] = json!(if exit == Exit::Done { "ok" } else { "error" });
        if let Some(first) = fatal.first() {
            document["error"] = first.told.json();
        }
        app.printer.document(document)?;
    } else {
        app.printer.out(&health(app, &found, exit, limit.is_some()))?;
        if !told.is_empty() {
            app.printer.talk("");
            app.tell(&told, &texts);
            app.explain(told.iter().map(|t| t.code));
        }
    }
    Ok(exit)
}

/// Something that is not healthy: whether it fails the check, and what is told of it.
struct Sick {
    fatal: bool,
    told: Told,
}

fn sick(found: &PluginCheck) -> Vec<Sick> {
    let of_problem = |error| Sick { fatal: true, told: Told::from(error) };
    let of_plugin = |one: &PluginHealth| {
        let mut told = Told::from(one.plugin.error.as_ref()?).about(&one.plugin.name);
        told.hints.extend(one.used_by.iter().map(|by| format!("it is used: {by}")));
        Some(Sick { fatal: one.used, told })
    };
    let of_connection = |one: &ConnectionHealth| {
        let told = Told::from(one.error.as_ref()?).about(&name(one));
        Some(Sick { fatal: one.used, told })
    };
    // What keeps a plugin from starting is told once, not of every asset that reads through it.
    let broken: Vec<_> = found.plugins.iter().filter(|p| !p.healthy && p.plugin.kind == "source").collect();
    let reads_broken = |one: &&ConnectionHealth| one.tested || !broken.iter().any(|p| p.plugin.name == one.plugin);
    let problems = found.problems.iter().map(of_problem);
    let plugins = found.plugins.iter().filter_map(of_plugin);
    problems.chain(plugins).chain(found.connections.iter().filter(reads_broken).filter_map(of_connection)).collect()
}

/// 4 if all that is used and not healthy is something that is not there, 2 if a plugin or the binary is to blame.
fn verdict(found: &PluginCheck) -> Exit {
    let codes: Vec<_> = sick(found).iter().filter(|one| one.fatal).map(|one| one.told.code).collect();
    if codes.is_empty() {
        Exit::Done
    } else if codes.iter().all(|code| code.is_of_data()) {
        Exit::Absent
    } else {
        Exit::Wrong
    }
}

fn name(one: &ConnectionHealth) -> String {
    match (&one.asset, &one.connection) {
        (Some(asset), _) => asset.to_string(),
        (None, connection) => format!("connections.{}", connection.as_deref().unwrap_or_default()),
    }
}

fn health(app: &App, found: &PluginCheck, exit: Exit, tested: bool) -> String {
    let mut table = Table::list(&app.printer, &["kind", "name", "health", "used by", "requires", "provides"]);
    for one in &found.plugins {
        let plugin = &one.plugin;
        let health = match (plugin.state.as_str(), one.healthy) {
            ("denied", _) => {
                let tone = if one.used { Tone::Bad } else { Tone::Dim };
                (format!("denied, {}", plugin.denied_by.as_deref().unwrap_or_default()), tone)
            }
            ("not linked" | "refused", false) => (plugin.state.clone(), Tone::Bad),
            (_, true) => ("ok".to_owned(), Tone::Good),
            (_, false) => ("not healthy".to_owned(), Tone::Bad),
        };
        let list = |items: &[String]| Cell::maybe((!items.is_empty()).then(|| items.join(", ")));
        table.row([
            plugin.kind.as_str().into(),
            Cell::toned((plugin.name.as_str(), Tone::Strong)),
            Cell::toned(health),
            Cell::maybe(one.used_by.as_deref()),
            list(&plugin.requires),
            list(&plugin.provides),
        ]);
    }
    let mut text = table.text();
    if !found.connections.is_empty() {
        let mut table = Table::list(&app.printer, &["asset", "plugin", "connection", "health"]);
        for one in &found.connections {
            let health = match (&one.error, one.tested) {
                (Some(_), true) => ("not healthy", Tone::Bad),
                (Some(_), false) => ("not tested", Tone::Bad),
                (None, true) => ("ok", Tone::Good),
                (None, false) => ("not tested: no asset uses it", Tone::Dim),
            };
            table.row([
                Cell::toned((name(one), Tone::Strong)),
                one.plugin.as_str().into(),
                Cell::maybe(one.connection.as_deref()),
                Cell::toned(health),
            ]);
        }
        let _ = write!(text, "\n{}", table.text());
    }
    let all = sick(found);
    let unused = all.iter().filter(|one| !one.fatal).count();
    let mut verdict = match exit {
        Exit::Done => Tone::Good.paint("ok"),
        _ => Tone::Bad.paint(format!("{} not healthy", all.len() - unused)),
    };
    if unused > 0 {
        let _ = write!(verdict, ", {}", Tone::Warn.paint(format!("{unused} not healthy and not used")));
    }
    let connections = match found.connections.len() {
        0 => String::new(),
        n => format!(", {}", plural(n, "connection")),
    };
    let untested = if tested { "" } else { "; no connection is tested before the project is right" };
    format!("{text}\n{verdict}: {}{connections}{untested}\n", plural(found.plugins.len(), "plugin"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use phlo_runtime::PluginRow;
    use phlo_spec::Code;
    use phlo_spec::run::ErrorRecord;

    fn error(code: Code) -> ErrorRecord {
        ErrorRecord { code, messages: vec!["m".to_owned()], hints: vec![], place: None }
    }

    fn plugin(used: bool, code: Option<Code>) -> PluginHealth {
        let row = PluginRow { kind: "source".into(), name: "x".into(), error: code.map(error), ..PluginRow::default() };
        PluginHealth { plugin: row, healthy: code.is_none(), used, used_by: used.then(|| "a.b".to_owned()) }
    }

    fn connection(used: bool, tested: bool, code: Option<Code>) -> ConnectionHealth {
        let (asset, plugin) = (used.then(|| "a.b".parse().unwrap()), "x".to_owned());
        ConnectionHealth { asset, connection: None, kind: "source", plugin, used, tested, error: code.map(error) }
    }

    #[test]
    fn what_is_used_and_not_healthy_decides_the_exit() {
        let (refused, absent) = (Some(Code::MissingCapability), Some(Code::ConnectionFailed));
        for (plugins, connections, problems, exit) in [
            (vec![plugin(true, None), plugin(false, refused)], vec![connection(true, true, None)], vec![], Exit::Done),
            (vec![plugin(true, refused)], vec![], vec![], Exit::Wrong),
            (vec![plugin(true, absent)], vec![], vec![], Exit::Absent),
            (vec![], vec![connection(true, true, absent)], vec![], Exit::Absent),
            (vec![], vec![connection(true, true, Some(Code::SourceNotFound))], vec![], Exit::Absent),
            (vec![], vec![connection(true, true, Some(Code::PluginPanicked))], vec![], Exit::Wrong),
            (vec![], vec![connection(false, true, absent)], vec![], Exit::Done),
            (vec![plugin(true, refused)], vec![connection(true, true, absent)], vec![], Exit::Wrong),
            (vec![], vec![], vec![error(Code::InvalidRegistration)], Exit::Wrong),
        ] {
            let found = PluginCheck { plugins, connections, problems };
            assert_eq!(verdict(&found), exit, "{found:?}");
        }
    }

    #[test]
    fn a_plugin_that_does_not_start_is_told_once_and_not_of_every_asset() {
        let found = PluginCheck {
            plugins: vec![plugin(true, Some(Code::PluginFailed))],
            connections: vec![connection(true, false, Some(Code::PluginFailed))],
            problems: vec![],
        };
        assert_eq!(sick(&found).len(), 1);
    }
}
