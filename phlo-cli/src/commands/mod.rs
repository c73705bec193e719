//! The commands: each asks the platform, and hands what it answers to the renderers.

mod build;
mod check;
mod completions;
mod config;
mod create;
mod explain;
mod init;
mod lineage;
mod logs;
mod man;
mod materialize;
mod plugin;
mod quality;
mod runs;
mod schema;
mod semantic;
mod sql;
mod status;
mod table;
mod version;

use crate::app::App;
use crate::args::Command;
use crate::exit::{Exit, Failure};

/// Runs a command.
///
/// # Errors
/// Why it did not do its work.
pub(crate) fn run(app: &App, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Init(args) => init::run(app, &args),
        Command::Check => check::run(app),
        Command::Materialize(args) => materialize::run(app, args),
        Command::Status => status::run(app),
        Command::Runs(args) => runs::run(app, &args),
        Command::Logs(args) => logs::run(app, &args),
        Command::Sql(args) => sql::run(app, &args),
        Command::Table(args) => table::run(app, &args),
        Command::Quality(args) => quality::run(app, &args),
        Command::Semantic(args) => semantic::run(app, &args),
        Command::Lineage(args) => lineage::run(app, &args),
        Command::Plugin(args) => plugin::run(app, &args),
        Command::Build(args) => build::run(app, &args),
        Command::Config(args) => config::run(app, &args),
        Command::Explain(args) => explain::run(app, &args),
        Command::Completions(args) => completions::run(app, &args),
        Command::Man(args) => man::run(app, &args),
        Command::Version => version::run(app),
    }
}
