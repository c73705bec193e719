//! `phlo config schema`: what may be written in a project's files, for editors and other tools.

use std::path::Path;

use clap::ValueEnum;
use phlo_plugin::Error;
use phlo_spec::Code;
use serde_json::json;

use crate::app::App;
use crate::args::ConfigSchema;
use crate::exit::{Exit, Failure};
use crate::render::Tone;
use crate::schema::{Entry, Schemas};

pub(crate) fn run(app: &App, args: &ConfigSchema) -> Result<Exit, Failure> {
    let schemas = Schemas::linked()?;
    if let Some(dir) = &args.write {
        return write(app, &schemas, dir);
    }
    let schema = schemas.document(args.files);
    if app.printer.json() {
        app.printer.document(json!({ "status": "ok", "schema": schema }))?;
    } else {
        app.printer.data(&format!("{schema:#}\n"))?;
    }
    Ok(Exit::Done)
}

fn write(app: &App, schemas: &Schemas, dir: &Path) -> Result<Exit, Failure> {
    let files: Vec<_> =
        Entry::value_variants().iter().map(|entry| (*entry, format!("{}.schema.json", entry.name()))).collect();
    for (entry, file) in &files {
        let text = format!("{:#}\n", schemas.document(Some(*entry)));
        std::fs::create_dir_all(dir).and_then(|()| std::fs::write(dir.join(file), text)).map_err(|err| {
            Error::new(Code::UnreadableFile, "the schema cannot be written")
                .with("path", dir.join(file).display())
                .because(err)
                .hint("check the folder's permissions and the disk")
        })?;
    }
    let shown = dir.display().to_string();
    let dir = shown.strip_suffix('/').unwrap_or(&shown);
    let names: Vec<_> = files.iter().map(|(_, file)| file.as_str()).collect();
    app.printer.answer(
        || json!({ "status": "ok", "dir": dir, "files": names }),
        || {
            let line = |file: &str, schema: &str| {
                format!("  {file}: {}\n", Tone::Literal.paint(format!("# yaml-language-server: $schema={schema}")))
            };
            let absolute = dir.starts_with('/');
            let above = |levels: &str| if absolute { dir.to_owned() } else { format!("{levels}{dir}") };
            format!(
                "{} {} in {dir}\n\nFirst lines by which an editor finds them:\n{}{}",
                Tone::Good.paint("Wrote"),
                names.join(", "),
                line("phlo.yaml", &format!("{}/project.schema.json", above(""))),
                line("assets/GROUP/NAME.yaml", &format!("{}/asset.schema.json", above("../../"))),
            )
        },
    )?;
    Ok(Exit::Done)
}
