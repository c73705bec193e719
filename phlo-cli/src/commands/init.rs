//! `phlo init`: a project that runs at once.

use std::io;
use std::path::Path;

use phlo_plugin::Error;
use phlo_project::PROJECT_FILE;
use phlo_spec::{Code, Severity};
use serde_json::json;

use crate::app::App;
use crate::args::Init;
use crate::exit::{Exit, Failure};
use crate::render::{Tone, word};
use crate::templates::{IGNORED, TEMPLATES, Template};

pub(crate) fn run(app: &App, args: &Init) -> Result<Exit, Failure> {
    if app.names_project() {
        return Err(Error::new(Code::Usage, "`phlo init` makes a project and takes its folder as an argument")
            .hint("write `phlo init DIR` in place of `--project DIR`")
            .into());
    }
    let Some(template) = TEMPLATES.iter().find(|t| t.name == args.template) else {
        return Err(Failure::usage(format!("there is no template `{}`", args.template)));
    };
    empty(&args.dir)?;
    write(&args.dir, template).map_err(|(path, err)| {
        Error::new(Code::UnreadableFile, "the project cannot be written")
            .with("path", path)
            .because(err)
            .hint("check the folder's permissions and the disk")
    })?;
    let dir = args.dir.display().to_string();
    // A phlo without the plugins that the template uses says so now, not when it is run.
    let problems = app.opened_at(&args.dir)?.diagnostics;
    let problems: Vec<_> = problems.into_iter().filter(|problem| problem.severity == Severity::Error).collect();
    let files: Vec<_> = template.files.iter().map(|(file, _)| *file).collect();
    app.printer.answer(
        || {
            let problems: Vec<_> = problems.iter().map(|problem| &problem.message).collect();
            json!({ "status": "ok", "dir": dir, "template": template.name, "files": files, "problems": problems })
        },
        || {
            let made = format!("{} a project from the template `{}` in {dir}", Tone::Good.paint("Made"), template.name);
            if let Some(first) = problems.first() {
                let build = format!("phlo build --from {}", word(&args.dir.join(PROJECT_FILE).display().to_string()));
                return format!(
                    "{made}\n\n{} this phlo cannot run it: {}\nBuild one that can:\n  {}\n",
                    Tone::Warn.paint("but"),
                    first.message,
                    Tone::Literal.paint(&build)
                );
            }
            let change = (dir != ".").then(|| format!("cd {}", word(&dir)));
            let next: String = change
                .iter()
                .map(String::as_str)
                .chain(template.next.iter().copied())
                .map(|line| format!("  {}\n", Tone::Literal.paint(line)))
                .collect();
            format!("{made}\n\nNext:\n{next}")
        },
    )?;
    Ok(Exit::Done)
}

// A folder with anything in it but a repository's own is somebody's work.
fn empty(dir: &Path) -> Result<(), Failure> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(err) => {
            return Err(Error::new(Code::UnreadableFile, format!("{} cannot be read as a folder", dir.display()))
                .because(err)
                .into());
        }
    };
    let first = entries.filter_map(Result::ok).map(|e| e.file_name()).find(|name| name != ".git");
    let Some(first) = first else { return Ok(()) };
    let what = if dir.join(PROJECT_FILE).exists() {
        "is a project already".to_owned()
    } else {
        format!("is not empty: it holds {}", first.display())
    };
    Err(Error::new(Code::Usage, format!("{} {what}", dir.display()))
        .hint("name a new folder: `phlo init my-lake`")
        .into())
}

fn write(dir: &Path, template: &Template) -> Result<(), (String, io::Error)> {
    let ignored = (".gitignore", IGNORED.as_bytes());
    let has_own = template.files.iter().any(|(file, _)| *file == ignored.0);
    for (file, content) in template.files.iter().copied().chain((!has_own).then_some(ignored)) {
        let path = dir.join(file);
        let told = |err| (path.display().to_string(), err);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(told)?;
        }
        std::fs::write(&path, content).map_err(told)?;
    }
    Ok(())
}
