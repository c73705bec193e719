//! `phlo semantic`: the named models that plugins give.

use phlo_plugin::Error;
use phlo_runtime::Model;
use phlo_spec::Code;
use serde_json::{Value, json};

use crate::app::App;
use crate::args::Semantic;
use crate::exit::{Exit, Failure};
use crate::render::table::{Cell, Table};
use crate::render::told::Told;
use crate::render::{Tone, indent};

pub(crate) fn run(app: &App, args: &Semantic) -> Result<Exit, Failure> {
    let open = app.open_to_look()?;
    let (models, problems) = open.platform.models();
    let told: Vec<_> = problems.0.into_iter().map(Told::from).collect();
    app.tell(&told, &open.texts);
    match args {
        Semantic::List => app.printer.answer(
            || json!({ "status": "ok", "models": models.iter().map(document).collect::<Vec<_>>() }),
            || list(app, &models),
        )?,
        Semantic::Show { name } => {
            let wanted = name.strip_prefix("semantic.").unwrap_or(name);
            let Some(model) = models.iter().find(|model| model.model.name == wanted) else {
                let error = Error::new(Code::UnknownTable, format!("there is no model `{wanted}`"));
                let names = models.iter().map(|model| model.model.name.as_str());
                return Err(error.suggest(wanted, names, "`phlo semantic list` shows the models").into());
            };
            app.printer.answer(|| json!({ "status": "ok", "model": document(model) }), || text(app, model))?;
        }
    }
    Ok(Exit::Done)
}

fn document(model: &Model) -> Value {
    let reads: Vec<_> = model.query.iter().flat_map(|query| query.tables()).map(|(table, _)| table).collect();
    json!({
        "name": model.model.name, "table": model.key, "plugin": model.plugin, "description": model.model.description,
        "sql": model.model.sql, "metadata": model.model.metadata, "reads": reads,
    })
}

fn list(app: &App, models: &[Model]) -> String {
    if models.is_empty() {
        return "no plugin gives a model; `phlo plugin list --kind semantic --available` shows those that can\n"
            .to_owned();
    }
    let mut table = Table::prose(&app.printer, &["model", "plugin", "what it is"]);
    for model in models {
        table.row([
            Cell::toned((model.key.as_str(), Tone::Strong)),
            model.plugin.as_str().into(),
            Cell::maybe(model.model.description.as_deref()),
        ]);
    }
    table.text()
}

fn text(app: &App, model: &Model) -> String {
    let mut facts = Table::prose(&app.printer, &["semantic", model.model.name.as_str()]);
    let mut fact = |name: &str, value: Cell| facts.row([Cell::toned((name, Tone::Dim)), value]);
    fact("plugin", model.plugin.as_str().into());
    fact("what it is", Cell::maybe(model.model.description.as_deref()));
    fact("in SQL", format!("select * from {}", model.key).into());
    for (name, value) in &model.model.metadata {
        fact(name, value.as_str().into());
    }
    let sql = model.model.sql.as_deref().map(|sql| format!("\nquery\n{}", indent(sql, 2))).unwrap_or_default();
    let text = format!("{}{sql}", facts.text());
    if text.ends_with('\n') { text } else { text + "\n" }
}
