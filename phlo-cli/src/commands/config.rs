//! `phlo config`: every value and where it came from; the project as another orchestrator's definitions, or as a catalog.

use std::path::Path;

use phlo_plugin::Error;
use phlo_spec::Code;
use serde_json::{Value, json};

use crate::app::App;
use crate::args::Config;
use crate::exit::{Exit, Failure};
use crate::render::table::{Cell, Table};
use crate::render::{Tone, plural};

pub(crate) fn run(app: &App, args: &Config) -> Result<Exit, Failure> {
    match args {
        Config::Show => show(app),
        Config::Schema(args) => super::schema::run(app, args),
        Config::Export { dir, orchestrator, catalog } => export(app, dir, orchestrator.as_deref(), catalog.as_deref()),
    }
}

fn export(app: &App, dir: &Path, orchestrator: Option<&str>, catalog: Option<&str>) -> Result<Exit, Failure> {
    let open = app.open_to_work()?;
    let files = match catalog {
        Some(catalog) => app.wait(open.platform.export_catalog(catalog))?,
        None => open.platform.export(orchestrator).map_err(|problems| Failure::in_files(problems, &open.texts))?,
    };
    for (file, content) in &files {
        let path = dir.join(file);
        let written =
            path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&path, content));
        written.map_err(|err| {
            Error::new(Code::StorageFailed, "the files cannot be written")
                .with("path", path.display())
                .because(err)
                .hint("check the folder's permissions and the disk")
        })?;
    }
    let names: Vec<_> = files.iter().map(|(file, _)| file.as_str()).collect();
    let dir = dir.display().to_string();
    app.printer.answer(
        || json!({ "status": "ok", "dir": dir, "files": names }),
        || format!("{} {} in {dir}: {}\n", Tone::Good.paint("Wrote"), plural(names.len(), "file"), names.join(", ")),
    )?;
    Ok(Exit::Done)
}

fn show(app: &App) -> Result<Exit, Failure> {
    let open = app.open_to_look()?;
    let shown = open.platform.config();
    app.printer.answer(
        || {
            let mut document = serde_json::json!({ "status": "ok" });
            for (key, value) in shown.as_object().into_iter().flatten() {
                document[key] = value.clone();
            }
            document
        },
        || text(app, &shown),
    )?;
    Ok(Exit::Done)
}

fn text(app: &App, shown: &Value) -> String {
    let mut table = Table::list(&app.printer, &["key", "value", "from"]);
    for key in ["root", "state_dir"] {
        table.row([Cell::toned((key, Tone::Strong)), plain(&shown[key]).into(), Cell::maybe(None::<String>)]);
    }
    for (path, source) in shown["sources"].as_object().into_iter().flatten() {
        let value = lookup(&shown["config"], path).map(plain).unwrap_or_default();
        let from = |key: &str| source.get(key).and_then(Value::as_str);
        let variables: Vec<_> =
            source.get("variables").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let from = match (from("source"), from("place")) {
            (Some("default"), _) => Cell::toned(("default", Tone::Dim)),
            (Some("environment" | "secret_store"), Some(place)) => {
                format!("{place}, with {}", variables.join(", ")).into()
            }
            (Some("environment"), None) => variables.join(", ").into(),
            (_, place) => Cell::maybe(place),
        };
        table.row([Cell::toned((path.as_str(), Tone::Strong)), value.into(), from]);
    }
    table.text()
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

// `a.b[0].c`; a key of the configuration may itself hold a dot.
fn lookup<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    if path.is_empty() {
        return Some(value);
    }
    if let Some(rest) = path.strip_prefix('[') {
        let (index, rest) = rest.split_once(']')?;
        return lookup(value.get(index.parse::<usize>().ok()?)?, rest);
    }
    let path = path.strip_prefix('.').unwrap_or(path);
    value.as_object()?.iter().find_map(|(key, below)| {
        let rest = path.strip_prefix(key.as_str())?;
        if rest.is_empty() || rest.starts_with(['.', '[']) { lookup(below, rest) } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_finds_its_value() {
        let value = serde_json::json!({ "a": { "b": [{ "c": 1 }, 2], "b.x": { "d": 3 } }, "ab": 4 });
        for (path, want) in
            [("a.b[0].c", Some(1)), ("a.b[1]", Some(2)), ("a.b.x.d", Some(3)), ("ab", Some(4)), ("a.z", None)]
        {
            assert_eq!(lookup(&value, path).and_then(Value::as_i64), want, "{path}");
        }
    }
}
