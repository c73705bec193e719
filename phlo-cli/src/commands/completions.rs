//! `phlo completions`: a script for a shell.

use clap::CommandFactory;

use crate::app::App;
use crate::args::{Cli, Completions};
use crate::exit::{Exit, Failure};

pub(crate) fn run(app: &App, args: &Completions) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "phlo", &mut script);
    app.printer.data(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
