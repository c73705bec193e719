//! `phlo completions`: a script for a shell.

use crate::app::App;
use crate::args::Completions;
use crate::exit::{Exit, Failure};
use crate::extend;

pub(crate) fn run(app: &App, args: &Completions) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut extend::whole(app), "phlo", &mut script);
    app.printer.data(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
