//! `phlo table`: tables, their versions and rows.

use phlo_plugin::schema::type_name;
use phlo_runtime::{TableInfo, TableRow, TableVersion};
use serde_json::{Value, json};

use crate::app::{App, table as named};
use crate::args::{Table as Args, TableAt};
use crate::commands::sql::{Shape, write};
use crate::exit::{Exit, Failure};
use crate::render::rows::columns;
use crate::render::table::{Cell, Table};
use crate::render::{Tone, number, plural};

pub(crate) fn run(app: &App, args: &Args) -> Result<Exit, Failure> {
    let platform = app.open_to_look()?.platform;
    match args {
        Args::List => {
            let tables = app.wait(platform.tables())?;
            app.printer.answer(
                || json!({ "status": "ok", "tables": tables.iter().map(row).collect::<Vec<_>>() }),
                || list(app, &tables),
            )?;
            let damaged = tables.iter().filter_map(|t| Some((t.table.as_str(), t.info.as_ref().err()?)));
            return Ok(app.tell_of(damaged));
        }
        Args::Show(TableAt { table, at }) => {
            let info = app.wait(platform.table(&named(&platform, table)?, *at))?;
            let spec = platform.asset(&info.table);
            let owner = spec.and_then(|spec| spec.owner.as_deref());
            let description = spec.and_then(|spec| spec.description.as_deref());
            app.printer.answer(
                || {
                    let mut document = document(&info);
                    (document["owner"], document["description"]) = (json!(owner), json!(description));
                    json!({ "status": "ok", "table": document })
                },
                || show(app, &info, owner, description),
            )?;
        }
        Args::History { table, limit } => {
            let key = named(&platform, table)?;
            let versions = app.wait(platform.table_history(&key, *limit))?;
            let documents = || versions.iter().map(version).collect::<Vec<_>>();
            app.printer.answer(
                || json!({ "status": "ok", "table": key, "versions": documents() }),
                || history(app, &versions),
            )?;
        }
        Args::Preview { table: TableAt { table, at }, limit, format } => {
            let key = named(&platform, table)?;
            let shape = Shape::chosen(app, *format)?;
            app.wait(write(app, shape, Some(*limit as u64), platform.preview(&key, *at, *limit)))?;
        }
    }
    Ok(Exit::Done)
}

fn document(info: &TableInfo) -> Value {
    json!({
        "table": info.table, "location": info.location, "version": info.version, "rows": info.rows, "bytes": info.bytes, "files": info.files,
        "committed_at": info.committed_at, "run_id": info.run_id, "cursor": info.cursor, "columns": columns(&info.schema),
    })
}

fn row(row: &TableRow) -> Value {
    match &row.info {
        Ok(info) => document(info),
        Err(error) => json!({ "table": row.table, "error": error }),
    }
}

fn version(version: &TableVersion) -> Value {
    json!({
        "version": version.version, "committed_at": version.committed_at, "operation": version.operation, "run_id": version.run_id,
        "rows_added": version.rows_added, "rows_removed": version.rows_removed,
    })
}

fn list(app: &App, tables: &[TableRow]) -> String {
    if tables.is_empty() {
        return "there are no tables yet; make them with `phlo run`\n".to_owned();
    }
    let mut list =
        Table::list(&app.printer, &["table", ">rows", ">size", ">files", ">columns", ">version", "committed"]);
    for row in tables {
        let name = Cell::toned((row.table.as_str(), Tone::Strong));
        let Ok(info) = &row.info else {
            let nothing = || Cell::maybe(None::<String>);
            let unreadable = Cell::toned(("cannot be read", Tone::Bad));
            list.row([name, nothing(), nothing(), nothing(), nothing(), nothing(), unreadable]);
            continue;
        };
        list.row([
            name,
            Cell::maybe(info.rows.map(number::count)),
            number::bytes(info.bytes).into(),
            number::count(info.files).into(),
            info.schema.fields().len().to_string().into(),
            format!("v{}", info.version).into(),
            Cell::maybe(info.committed_at.map(number::time)),
        ]);
    }
    list.text()
}

fn show(app: &App, info: &TableInfo, owner: Option<&str>, description: Option<&str>) -> String {
    let mut facts = Table::list(&app.printer, &["table", info.table.as_str()]);
    for (name, value) in [
        ("what it is", description.map(str::to_owned)),
        ("owner", owner.map(str::to_owned)),
        ("location", Some(info.location.clone())),
        ("version", Some(info.version.to_string())),
        ("committed", info.committed_at.map(number::time)),
        ("run", info.run_id.clone()),
        ("rows", info.rows.map(number::count)),
        ("size", Some(format!("{} in {}", number::bytes(info.bytes), plural(info.files as usize, "file")))),
        ("cursor", info.cursor.as_ref().map(|cursor| shortened(&cursor.to_string()))),
    ] {
        if let Some(value) = value {
            facts.row([Cell::toned((name, Tone::Dim)), value.into()]);
        }
    }
    let mut columns = Table::list(&app.printer, &["column", "type", "null"]);
    for field in info.schema.fields() {
        let null = if field.is_nullable() { Cell::maybe(None::<String>) } else { "never".into() };
        columns.row([Cell::toned((field.name().as_str(), Tone::Strong)), type_name(field.data_type()).into(), null]);
    }
    format!("{}\n{}", facts.text(), columns.text())
}

// A cursor is for its source to read; `--json` has all of it.
fn shortened(text: &str) -> String {
    const SHOWN: usize = 100;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}… ({}; `--json` shows all)", &text[..end], number::bytes(text.len() as u64)),
        None => text.to_owned(),
    }
}

fn history(app: &App, versions: &[TableVersion]) -> String {
    let mut list = Table::list(&app.printer, &[">version", "committed", "operation", ">added", ">removed", "run"]);
    for version in versions {
        list.row([
            Cell::toned((format!("v{}", version.version), Tone::Strong)),
            Cell::maybe(version.committed_at.map(number::time)),
            version.operation.to_lowercase().into(),
            Cell::maybe(version.rows_added.map(number::count)),
            Cell::maybe(version.rows_removed.map(number::count)),
            Cell::maybe(version.run_id.clone()),
        ]);
    }
    list.text()
}
