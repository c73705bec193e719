//! The command line of `phlo diff`, and which two sides it means.

use phlo_plugin::cli::clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use phlo_plugin::cli::{NamedTable, ProjectAccess};
use phlo_plugin::prelude::*;

use crate::compare::{NEW, OLD, compare};
use crate::report;

/// The plugin.
#[derive(Debug, Clone, Copy)]
pub struct Diff;

impl Plugin for Diff {
    type Settings = NoSettings;

    fn create(_: NoSettings, _: &InitContext) -> Result<Self> {
        Ok(Self)
    }
}

impl CliExtension for Diff {
    fn commands(&self) -> Result<Vec<CliCommand>> {
        Ok(vec![CliCommand { command: command(), run: Box::new(run) }])
    }
}

fn command() -> Command {
    Command::new("diff")
        .about("Show what differs between two tables, or two versions of one")
        .after_help("A side is a table or `table@version`. With one side alone: what its latest commit changed.")
        .arg(Arg::new("old").value_name("A").required(true).help("The old side, e.g. gold.daily_delays@3"))
        .arg(Arg::new("new").value_name("B").help("The new side; the current version of A unless given"))
        .arg(
            Arg::new("key")
                .long("key")
                .value_name("COLUMNS")
                .value_delimiter(',')
                .action(ArgAction::Append)
                .help("The columns that identify a row; the asset's write.unique_key unless given"),
        )
        .arg(
            Arg::new("all_columns")
                .long("all-columns")
                .action(ArgAction::SetTrue)
                .help("Compare the columns that phlo adds, too"),
        )
        .arg(
            Arg::new("limit")
                .long("limit")
                .value_name("N")
                .value_parser(value_parser!(u32))
                .default_value("10")
                .help("How many rows of each sort to show"),
        )
        .arg(Arg::new("exit_code").long("exit-code").action(ArgAction::SetTrue).help("Exit with 1 if anything differs"))
}

fn run(matches: &ArgMatches, context: &CliContext) -> Result<CliOutput> {
    let project = context.open()?;
    let text = |name: &str| matches.get_one::<String>(name).map(String::as_str);
    let (old, new) = sides(project.as_ref(), text("old").unwrap_or_default(), text("new"))?;
    let given: Option<Vec<String>> = matches.get_many::<String>("key").map(|columns| columns.cloned().collect());
    let own = || {
        let asset = project.assets().into_iter().find(|asset| asset.key == new.table)?;
        (!asset.write.unique_key.is_empty()).then_some(asset.write.unique_key)
    };
    let wanted = crate::compare::Wanted {
        is_key_given: given.is_some(),
        key: given.or_else(own).unwrap_or_default(),
        all_columns: matches.get_flag("all_columns"),
        limit: matches.get_one::<u32>("limit").copied().unwrap_or_default(),
    };
    let difference = compare(project.as_ref(), &old, &new, &wanted)?;
    let exit_code = u8::from(matches.get_flag("exit_code") && difference.is_any());
    Ok(CliOutput {
        text: report::text(&old, &new, &difference),
        json: report::json(&old, &new, &difference),
        exit_code,
    })
}

/// The two sides, every version filled in so that both stay what they are while they are read.
fn sides(project: &dyn ProjectAccess, old: &str, new: Option<&str>) -> Result<(NamedTable, NamedTable)> {
    let (old_table, old_version) = side(old)?;
    let Some(new) = new else {
        let current = project.version(&old_table)?;
        let before = match old_version {
            Some(version) => version,
            None => current.checked_sub(1).ok_or_else(|| {
                Error::new(
                    Code::Usage,
                    format!("`{old_table}` has one version alone: there is nothing to compare it with"),
                )
                .hint("name another table as the second side")
            })?,
        };
        return Ok((
            NamedTable { name: OLD.to_owned(), table: old_table.clone(), version: Some(before) },
            NamedTable { name: NEW.to_owned(), table: old_table, version: Some(current) },
        ));
    };
    let (new_table, new_version) = side(new)?;
    let filled = |table: &AssetKey, version: Option<u64>| version.map_or_else(|| project.version(table), Ok).map(Some);
    Ok((
        NamedTable { name: OLD.to_owned(), version: filled(&old_table, old_version)?, table: old_table },
        NamedTable { name: NEW.to_owned(), version: filled(&new_table, new_version)?, table: new_table },
    ))
}

fn side(text: &str) -> Result<(AssetKey, Option<u64>)> {
    let wrong = |why: &str| {
        Error::new(Code::Usage, format!("`{text}` {why}"))
            .hint("write a table or `table@version`, e.g. `gold.daily_delays@3`")
    };
    let (table, version) = match text.split_once('@') {
        Some((table, version)) => {
            (table, Some(version.parse().map_err(|_| wrong("names no version: that is a whole number"))?))
        }
        None => (text, None),
    };
    Ok((AssetKey::new(table).map_err(|_| wrong("is not the name of a table"))?, version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_is_a_table_and_perhaps_a_version() {
        assert_eq!(side("gold.x@3").unwrap(), (AssetKey::new("gold.x").unwrap(), Some(3)));
        assert_eq!(side("gold.x").unwrap().1, None);
        for wrong in ["gold.x@", "gold.x@-1", "gold.x@latest", "Gold x", ""] {
            assert_eq!(side(wrong).unwrap_err().code(), Code::Usage, "{wrong}");
        }
    }
}
