//! The command: its arguments, and its answer for people and for programs.

use phlo_plugin::cli::CliOutput;
use phlo_plugin::cli::clap::{Arg, ArgMatches, Command, value_parser};
use phlo_plugin::prelude::*;
use serde_json::json;

use crate::folders::{Folder, count};

/// Adds `phlo {{kebab}}`.
#[derive(Debug)]
pub struct {{Type}}Command;

impl Plugin for {{Type}}Command {
    type Settings = NoSettings;

    fn create(_: NoSettings, _: &InitContext) -> Result<Self> {
        Ok(Self)
    }
}

impl CliExtension for {{Type}}Command {
    fn commands(&self) -> Result<Vec<CliCommand>> {
        let depth = Arg::new("depth").long("depth").value_name("N").value_parser(value_parser!(u8)).default_value("1");
        let command = Command::new("{{kebab}}")
            .about("Size and number of files of each folder of the project")
            .arg(depth.help("How many levels of folders are shown; what lies deeper is counted"));
        Ok(vec![CliCommand { command, run: Box::new(run) }])
    }
}

/// Answers; phlo prints the text, or with `--json` the document.
fn run(matches: &ArgMatches, context: &CliContext) -> Result<CliOutput> {
    let Some(project) = &context.project else {
        return Err(Error::new(Code::NoProject, "there is no project here")
            .hint("change into one, or name it with `--project DIR`"));
    };
    let depth = matches.get_one::<u8>("depth").copied().unwrap_or(1);
    let folders = count(project, depth.into()).map_err(|err| {
        Error::new(Code::UnreadableFile, "the project's folders cannot be listed")
            .with("folder", project.display())
            .because(err)
            .hint("check the permissions of its folders")
    })?;
    let document = folders.iter().map(|it| json!({ "folder": it.path, "files": it.files, "bytes": it.bytes }));
    Ok(CliOutput {
        json: json!({ "status": "ok", "folders": document.collect::<Vec<_>>() }),
        text: text(&folders),
        exit_code: 0,
    })
}

fn text(folders: &[Folder]) -> String {
    let line = |it: &Folder| format!("{:>10} {:>8}  {}\n", size(it.bytes), it.files, it.path);
    format!("{:>10} {:>8}  folder\n", "size", "files") + &folders.iter().map(line).collect::<String>()
}

/// `17 B`, `1.2 MiB`.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let power = (bytes.ilog2() / 10).min(UNITS.len() as u32);
    let unit = 1_u64 << (10 * power);
    // Tenths, rounded down, in whole numbers.
    let tenths = u128::from(bytes) * 10 / u128::from(unit);
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[power as usize - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        for (bytes, want) in
            [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1_258_291, "1.1 MiB"), (u64::MAX, "16777215.9 TiB")]
        {
            assert_eq!(size(bytes), want);
        }
    }
}
