//! `phlo explain`: what a code means, why it happens and how to mend it.

use phlo_plugin::Error;
use phlo_spec::{Code, nearest};
use serde_json::{Value, json};

use crate::app::App;
use crate::args::Explain;
use crate::exit::{Exit, Failure};
use crate::render::Tone;
use crate::render::table::{Cell, Table};

pub(crate) fn run(app: &App, args: &Explain) -> Result<Exit, Failure> {
    let codes = args.codes.iter().map(|text| parse(text)).collect::<Result<Vec<_>, _>>()?;
    let listed = if codes.is_empty() { Code::ALL } else { &codes };
    app.printer.answer(
        || json!({ "status": "ok", "codes": listed.iter().copied().map(document).collect::<Vec<_>>() }),
        || {
            if !codes.is_empty() {
                return codes.iter().copied().map(text).collect::<Vec<_>>().join("\n");
            }
            let mut table = Table::prose(&app.printer, &["code", "title", "what"]);
            for code in Code::ALL {
                table.row([
                    Cell::toned((code.as_str(), Tone::Literal)),
                    code.title().into(),
                    code.explanation().what.into(),
                ]);
            }
            table.text()
        },
    )?;
    Ok(Exit::Done)
}

fn parse(text: &str) -> Result<Code, Error> {
    text.parse().map_err(|_| {
        let upper = text.to_ascii_uppercase();
        let error = Error::new(Code::UnknownCode, format!("there is no code `{text}`"));
        match nearest(&upper, Code::ALL.iter().map(|c| c.as_str())) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint("`phlo explain` lists them all"),
        }
    })
}

fn document(code: Code) -> Value {
    let explanation = code.explanation();
    json!({ "code": code, "title": code.title(), "what": explanation.what, "why": explanation.why, "fix": explanation.fix })
}

fn text(code: Code) -> String {
    let explanation = code.explanation();
    let mut text =
        format!("{}: {}\n\n{}\n", Tone::Literal.paint(code), Tone::Strong.paint(code.title()), explanation.what);
    for (title, said) in [("Why", explanation.why), ("What to do", explanation.fix)] {
        text.push_str(&format!("\n{}\n  {said}\n", Tone::Strong.paint(title)));
    }
    text
}
