//! `phlo man`: the manual, from the same descriptions as `--help`.

use std::io;
use std::path::Path;

use clap::Command;
use phlo_plugin::Error;
use phlo_spec::Code;
use serde_json::json;

use crate::app::App;
use crate::args::Man;
use crate::exit::{Exit, Failure};
use crate::extend;

pub(crate) fn run(app: &App, args: &Man) -> Result<Exit, Failure> {
    let told = |err: io::Error| {
        Error::new(Code::UnreadableFile, "the manual cannot be written")
            .because(err)
            .hint("check the folder's permissions and the disk")
    };
    let Some(dir) = &args.dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(extend::whole(app)).render(&mut page).map_err(told)?;
        app.printer.data(&String::from_utf8_lossy(&page))?;
        return Ok(Exit::Done);
    };
    let pages = write(extend::whole(app), dir).map_err(|err| told(err).with("path", dir.display()))?;
    app.printer.answer(
        || json!({ "status": "ok", "dir": dir.display().to_string(), "files": pages }),
        || format!("Wrote {} pages into {}\n", pages.len(), dir.display()),
    )?;
    Ok(Exit::Done)
}

/// One page for each command and each of its own; answers the files' names.
fn write(command: Command, dir: &Path) -> io::Result<Vec<String>> {
    std::fs::create_dir_all(dir)?;
    // It alone would make pages of the `help` of each command.
    clap_mangen::generate_to(command.disable_help_subcommand(true), dir)?;
    let mut pages = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.starts_with("phlo") && Path::new(&name).extension().is_some_and(|it| it == "1") {
            pages.push(name);
        }
    }
    pages.sort();
    Ok(pages)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::args::Cli;

    #[test]
    fn there_is_a_page_for_every_command_and_none_for_help() {
        let dir = std::env::temp_dir().join(format!("phlo-man-{}", std::process::id()));
        let pages = write(Cli::command(), &dir).unwrap();
        let run = std::fs::read_to_string(dir.join("phlo-materialize.1")).unwrap();
        std::fs::remove_dir_all(&dir).unwrap();
        for page in ["phlo.1", "phlo-check.1", "phlo-materialize.1", "phlo-table-preview.1", "phlo-man.1"] {
            assert!(pages.iter().any(|it| it == page), "{page} not in {pages:?}");
        }
        assert!(!pages.iter().any(|page| page.contains("help")), "{pages:?}");
        assert!(run.contains(r"\-\-full\-refresh"), "{run}");
    }
}
