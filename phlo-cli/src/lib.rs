//! The phlo command line: clap types, one module a command, rendering, exit codes. No business logic lives here.
//!
//! An author's own binary is `fn main() -> ExitCode { phlo_cli::main() }` beside a `use my_plugin as _;`.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod access;
mod app;
mod args;
mod commands;
mod exit;
mod extend;
mod memory;
mod printer;
pub mod reference;
mod render;
mod schema;
mod templates;

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

// rustc links no crate that nothing names: this is what brings the plugins into the binary.
use phlo_bundle as _;

use clap::error::{ContextKind, ErrorKind};
use clap::{CommandFactory, FromArgMatches};
use phlo_plugin::Error;
use phlo_plugin::registry::is_guarded;
use phlo_project::{Environment, Texts};
use phlo_runtime::Platform;
use phlo_spec::Code;

use crate::app::App;
use crate::args::{Cli, Global};
use crate::exit::{Exit, Failure};
use crate::extend::Extension;
use crate::printer::{Printer, Wishes};
use crate::render::told::{REPORT, Told};

/// Runs `phlo` with the arguments and the environment of this process.
pub fn main() -> ExitCode {
    memory::give_back_what_is_freed();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let environment = Environment::of_process();
    let early = Early::read(&arguments, &environment);
    let printer = Arc::new(Printer::new(early.wishes));
    tell_panics(&printer);
    log(&printer, &environment);
    let app = App::new(printer, environment, early.project);
    // The panic hook has told it.
    let work = || {
        let exit = run(&app, arguments, early.wishes.color);
        app.clean_up();
        exit
    };
    let exit = catch_unwind(AssertUnwindSafe(work)).unwrap_or(Exit::Failed);
    ExitCode::from(exit.code())
}

/// What must be known before clap has read the command line, because clap's own errors depend on it.
struct Early {
    wishes: Wishes,
    project: Option<PathBuf>,
}

impl Early {
    fn read(arguments: &[OsString], environment: &Environment) -> Self {
        let mut early = Self { wishes: Wishes::default(), project: None };
        let mut no_color = environment.no_color();
        let mut arguments = arguments.iter().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.to_str().unwrap_or_default() {
                "--" => break,
                "--json" => early.wishes.json = true,
                "--no-color" => no_color = true,
                "--quiet" => early.wishes.quiet = true,
                "--verbose" => early.wishes.verbose += 1,
                "--project" => early.project = arguments.next().map(PathBuf::from),
                long if long.starts_with("--") => {
                    if let Some(dir) = long.strip_prefix("--project=") {
                        early.project = Some(PathBuf::from(dir));
                    }
                }
                // `-vv`, `-qv`: only switches of these two can be joined with others of them.
                short
                    if short.starts_with('-')
                        && short.len() > 1
                        && short[1..].chars().all(|c| matches!(c, 'q' | 'v')) =>
                {
                    early.wishes.quiet |= short.contains('q');
                    early.wishes.verbose += short.matches('v').count() as u8;
                }
                _ => {}
            }
        }
        early.wishes.color = if no_color {
            Some(false)
        } else if environment.force_color() {
            Some(true)
        } else {
            None
        };
        early
    }
}

// Never a debug dump: a panic of a plugin is told by the error that it becomes, any other is a fault of phlo.
fn tell_panics(printer: &Arc<Printer>) {
    let printer = printer.clone();
    std::panic::set_hook(Box::new(move |panic| {
        if is_guarded() {
            return;
        }
        let message = panic.payload_as_str().unwrap_or("no message");
        let place = panic.location().map(|l| format!(" ({}:{})", l.file(), l.line())).unwrap_or_default();
        let error = Error::internal(format!("this is a fault of phlo: {message}{place}")).hint(REPORT);
        printer.error(&Told::from(&error).text(None, &|text| printer.clean(text)));
    }));
}

// Libraries' own logs, for those who ask: `PHLO_LOG=debug`, or `-v` and `-vv`.
fn log(printer: &Arc<Printer>, environment: &Environment) {
    let filter = match (environment.log_filter(), printer.verbose()) {
        (Some(filter), _) => filter,
        (None, 0) => return,
        (None, 1) => "warn",
        (None, _) => "info",
    };
    let writer = {
        let printer = printer.clone();
        move || Lines { printer: printer.clone(), line: Vec::new() }
    };
    let filter = tracing_subscriber::EnvFilter::new(filter);
    // A second one is set only by tests of an author's own.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(writer).try_init();
}

/// Hands a log line to the printer, so that it is cleaned and stays above the bars.
struct Lines {
    printer: Arc<Printer>,
    line: Vec<u8>,
}

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.line.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        if !self.line.is_empty() {
            self.printer.talk(&String::from_utf8_lossy(&self.line));
        }
    }
}

fn run(app: &App, arguments: Vec<OsString>, color: Option<bool>) -> Exit {
    let choice = match color {
        None => clap::ColorChoice::Auto,
        Some(true) => clap::ColorChoice::Always,
        Some(false) => clap::ColorChoice::Never,
    };
    let command = Cli::command().color(choice).styles(render::help_styles());
    let first = command.clone().try_get_matches_from(&arguments);
    // Commands of plugins are asked for only where one could be meant: who runs phlo's own does not wait for a project.
    let foreign = first.as_ref().is_err_and(|err| {
        matches!(
            err.kind(),
            ErrorKind::InvalidSubcommand | ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        )
    });
    let extended = if foreign && extend::any_linked() { Some(extended(app, command)) } else { None };
    let (matches, extensions, platform, broken) = match extended {
        Some(Extended { mut command, added, platform, broken }) => {
            (command.try_get_matches_from_mut(arguments), added, platform, broken)
        }
        None => (first, Vec::new(), None, None),
    };
    let matches = match matches {
        Ok(matches) => matches,
        Err(err) => {
            // An unknown command may be one of a plugin whose project could not be opened.
            let failure = broken.filter(|_| err.kind() == ErrorKind::InvalidSubcommand);
            return failure.map_or_else(|| refuse(app, &err), |failure| app.fail(failure));
        }
    };
    if let Ok(global) = Global::from_arg_matches(&matches) {
        app.settle(global, color);
    }
    let outcome =
        extend::run(app, platform, &extensions, &matches).unwrap_or_else(|| match Cli::from_arg_matches(&matches) {
            Ok(cli) => commands::run(app, cli.command),
            Err(err) => Ok(refuse(app, &err)),
        });
    outcome.unwrap_or_else(|failure| app.fail(failure))
}

/// The command line with the commands of plugins.
struct Extended {
    command: clap::Command,
    added: Vec<Extension>,
    /// The project's, if there is one.
    platform: Option<Platform>,
    /// Why the project that decides about plugins could not be opened.
    broken: Option<Failure>,
}

fn extended(app: &App, command: clap::Command) -> Extended {
    let is_project = app.root().is_some();
    let platform = if is_project {
        app.opened().and_then(|opened| match opened.platform.clone() {
            Some(platform) => {
                app.keep(opened);
                Ok(platform)
            }
            None => Err(Failure::in_files(opened.diagnostics, &opened.texts)),
        })
    } else {
        app.bare()
    };
    let platform = match platform {
        Ok(platform) => platform,
        Err(failure) => return Extended { command, added: Vec::new(), platform: None, broken: Some(failure) },
    };
    let (extensions, problems) = extend::collect(platform.registry());
    let (command, added, refused) = extend::merge(command, extensions);
    let told: Vec<_> = problems.iter().chain(&refused).map(|err| Told::from(err).warning()).collect();
    app.tell(&told, &Texts::default());
    Extended { command, added, platform: is_project.then_some(platform), broken: None }
}

/// Shows the help that was asked for, or what is wrong with the command line.
fn refuse(app: &App, err: &clap::Error) -> Exit {
    let text = err.render().ansi().to_string();
    match err.kind() {
        // Whoever closed standard output does not want to read it.
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let _ = app.printer.out(&text);
            return Exit::Done;
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => app.printer.error(&text),
        _ if app.printer.json() => {
            let plain = err.render().to_string();
            let message = plain.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ").to_owned();
            let mut error = Error::new(Code::Usage, message);
            for kind in [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue] {
                if let Some(near) = err.get(kind) {
                    error = error.hint(format!("did you mean `{near}`?"));
                }
            }
            return app.fail(error.hint("see `phlo --help`").into());
        }
        // clap's own words, with the code that `phlo explain` knows.
        _ => app.printer.error(&text.replacen("error:", &format!("error[{}]:", Code::Usage), 1)),
    }
    Exit::Wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn early(environment: &[(&str, &str)], arguments: &[&str]) -> Early {
        let arguments: Vec<_> = ["phlo"].iter().chain(arguments).map(OsString::from).collect();
        Early::read(&arguments, &Environment::from_pairs(environment.iter().copied()))
    }

    #[test]
    fn switches_are_known_before_the_command_line_is_read() {
        let found = early(&[], &["run", "--json", "-qvv", "--verbose", "--project=x", "bronze.q"]);
        assert!(found.wishes.json && found.wishes.quiet);
        assert_eq!((found.wishes.verbose, found.project), (3, Some(PathBuf::from("x"))));
        let found = early(&[], &["--project", "a/b", "sql", "-", "--", "--json", "-q"]);
        assert!(!found.wishes.json && !found.wishes.quiet);
        assert_eq!(found.project, Some(PathBuf::from("a/b")));
    }

    #[test]
    fn colour_is_a_wish_of_the_command_line_then_of_the_environment() {
        for (environment, arguments, want) in [
            (&[][..], &[][..], None),
            (&[("NO_COLOR", "1")], &[], Some(false)),
            (&[("NO_COLOR", "")], &[], None),
            (&[("CLICOLOR_FORCE", "1")], &[], Some(true)),
            (&[("CLICOLOR_FORCE", "1")], &["--no-color"], Some(false)),
        ] {
            assert_eq!(early(environment, arguments).wishes.color, want, "{environment:?} {arguments:?}");
        }
    }
}
