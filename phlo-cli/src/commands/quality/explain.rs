//! `phlo quality explain`: how an asset's checks are found out.

use phlo_runtime::{Explained, Way};
use serde_json::json;

use crate::app::{App, asset as named};
use crate::exit::{Exit, Failure};
use crate::render::table::{Cell, Table};
use crate::render::{Tone, plural};

/// How the checks of an asset are found out.
pub(super) fn run(app: &App, asset: &str) -> Result<Exit, Failure> {
    let platform = app.open_to_work()?.platform;
    let key = named(&platform, asset)?;
    let plan = app.runtime()?.block_on(platform.quality_plan(&key))?;
    app.printer.answer(
        || {
            let mut document = json!(plan);
            document["status"] = json!("ok");
            document
        },
        || {
            let names = ["check", "on a write", "on an audit", "an append needs", "evaluates"];
            let mut table = Table::list(&app.printer, &names);
            for one in &plan.checks {
                table.row([
                    Cell::toned((one.check.as_str(), Tone::Strong)),
                    way(one.on_write).into(),
                    way(one.on_audit).into(),
                    if one.grows { "new rows" } else { "the table" }.into(),
                    Cell::maybe((!one.evaluates.is_empty()).then(|| shortened(&one.evaluates.join(", ")))),
                ]);
            }
            let read = |when: &str, way: Way, columns: &[String]| {
                let on = |one: &&Explained| if when == "a write" { one.on_write == way } else { one.on_audit == way };
                match plan.checks.iter().filter(on).count() {
                    0 => format!("{when} makes no pass over the table\n"),
                    count => format!(
                        "{when} makes one pass for {} over {}\n",
                        plural(count, "check"),
                        if columns.is_empty() { "no column".to_owned() } else { columns.join(", ") }
                    ),
                }
            };
            let queries = plan.checks.iter().filter(|one| one.on_audit == Way::Query).count();
            let queries = match queries {
                0 => String::new(),
                1 => "1 check asks a query of its own each time\n".to_owned(),
                count => format!("{} ask queries of their own each time\n", plural(count, "check")),
            };
            format!(
                "{}  {}\n\n{}\n{}{}{queries}",
                Tone::Strong.paint(&plan.asset),
                plan.rows
                    .map_or_else(|| "rows not known without reading".to_owned(), |rows| plural(rows as usize, "row")),
                table.text(),
                read("a write", Way::Pass, &plan.write_columns),
                read("an audit", Way::Pass, &plan.audit_columns),
            )
        },
    )?;
    Ok(Exit::Done)
}

// A query is told whole with `--json`.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 80;
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.chars().count() <= LONGEST {
        return text;
    }
    text.chars().take(LONGEST - 1).chain(['…']).collect()
}

fn way(way: Way) -> &'static str {
    match way {
        Way::Write => "rides on it",
        Way::Schema => "columns",
        Way::Statistics => "statistics",
        Way::Pass => "shared pass",
        Way::Query => "own query",
        Way::Error => "does not plan",
    }
}
