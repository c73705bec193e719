//! `phlo check`: everything that is wrong with the project, and nothing else.

use phlo_spec::Severity;
use serde_json::json;

use crate::app::{App, error_document};
use crate::exit::{Exit, Failure};
use crate::render::told::Told;
use crate::render::{Tone, plural};

pub(crate) fn run(app: &App) -> Result<Exit, Failure> {
    let open = app.open()?;
    let report = app.wait(async { Ok::<_, Failure>(open.platform.check().await) })?;
    let mut diagnostics = open.diagnostics;
    diagnostics.extend(report.diagnostics);
    let told: Vec<_> = diagnostics.sorted().into_iter().map(Told::from).collect();
    let count = |severity| told.iter().filter(|t| t.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    if app.printer.json() {
        let mut document = if errors > 0 {
            error_document(&told)
        } else {
            json!({ "status": "ok", "diagnostics": told.iter().map(Told::json).collect::<Vec<_>>() })
        };
        for (key, value) in [
            ("assets", json!(report.assets)),
            ("sql", json!(report.sql)),
            ("unknown", json!(report.unknown)),
            ("errors", json!(errors)),
            ("warnings", json!(warnings)),
        ] {
            document[key] = value;
        }
        app.printer.document(document)?;
    } else {
        app.tell(&told, &open.texts);
        let unknown: Vec<_> = report.unknown.iter().map(ToString::to_string).collect();
        if !unknown.is_empty() && errors == 0 {
            app.printer.talk(&format!(
                "{}: columns known only after the first run, and not checked in what reads them: {}\n",
                Tone::Strong.paint("note"),
                unknown.join(", ")
            ));
        }
        let found = match (errors, warnings) {
            (0, 0) => Tone::Good.paint("ok"),
            (0, _) => Tone::Warn.paint(plural(warnings, "warning")),
            (_, 0) => Tone::Bad.paint(plural(errors, "error")),
            _ => Tone::Bad.paint(format!("{}, {}", plural(errors, "error"), plural(warnings, "warning"))),
        };
        app.printer.out(&format!(
            "{found}: {} checked, {} type-checked\n",
            plural(report.assets, "asset"),
            plural(report.sql, "query").replace("querys", "queries")
        ))?;
        app.explain(told.iter().filter(|t| t.severity == Severity::Error).map(|t| t.code));
    }
    Ok(if errors > 0 { Exit::Wrong } else { Exit::Done })
}
