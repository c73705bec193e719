//! `phlo lineage`: an asset's neighbours.

use crate::app::{App, asset as named};
use crate::args::{GraphFormat, Lineage};
use crate::exit::{Exit, Failure};
use crate::render::lineage::{document, dot, mermaid, text};

pub(crate) fn run(app: &App, args: &Lineage) -> Result<Exit, Failure> {
    let open = app.open_to_work()?;
    let key = named(&open.platform, &args.asset)?;
    let lineage = app.wait(open.platform.lineage(&key)).map_err(|f| f.with_texts(&open.texts))?;
    match args.format.unwrap_or(if app.printer.json() { GraphFormat::Json } else { GraphFormat::Text }) {
        GraphFormat::Json => app.printer.document(document(&lineage))?,
        GraphFormat::Text => app.printer.out(&text(&lineage))?,
        GraphFormat::Mermaid => app.printer.data(&mermaid(&lineage))?,
        GraphFormat::Dot => app.printer.data(&dot(&lineage))?,
    }
    Ok(Exit::Done)
}
