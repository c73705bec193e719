//! Commands of plugins: merged into the command line, unless somebody has the name already.

use std::sync::Arc;

use clap::{ArgMatches, Command, CommandFactory};
use phlo_plugin::cli::{CliCommand, CliContext, Opener};
use phlo_plugin::registration::Instance;
use phlo_plugin::registry::guard;
use phlo_plugin::{Error, Registry};
use phlo_runtime::Platform;
use phlo_spec::{Code, PluginKind};

use crate::access;
use crate::app::App;
use crate::args::Cli;
use crate::exit::{Exit, Failure};

/// A command of a plugin.
pub(crate) struct Extension {
    plugin: String,
    package: String,
    command: CliCommand,
}

impl Extension {
    /// Whether it is a command of this plugin.
    pub(crate) fn is_of(&self, plugin: &str) -> bool {
        self.plugin == plugin
    }

    /// Its arguments.
    pub(crate) fn command(&self) -> &Command {
        &self.command.command
    }
}

/// Whether any plugin of kind `cli` is linked; if none is, an unknown command is just that.
pub(crate) fn any_linked() -> bool {
    Registry::linked(phlo_bundle::KNOWN)
        .is_ok_and(|registry| registry.entries().any(|e| e.registration.kind == PluginKind::Cli))
}

/// The commands of every plugin that may be used, and what kept others out.
pub(crate) fn collect(registry: &Registry) -> (Vec<Extension>, Vec<Error>) {
    let mut found = Vec::new();
    let (instances, mut problems) = registry.instances(PluginKind::Cli);
    for (registration, instance) in instances {
        let Instance::Cli(plugin) = instance else { continue };
        let commands = guard(registration.name, "listing its commands", || {
            let commands = plugin.commands()?;
            // What clap would panic about later is the plugin's fault.
            commands.iter().for_each(|c| c.command.clone().build());
            Ok(commands)
        });
        match commands {
            Ok(commands) => found.extend(commands.into_iter().map(|command| Extension {
                plugin: registration.name.to_owned(),
                package: registration.package.to_owned(),
                command,
            })),
            Err(err) => problems.push(err),
        }
    }
    (found, problems)
}

/// The command line with the commands of every plugin that is linked, whatever the project around allows.
pub(crate) fn whole(app: &App) -> Command {
    let command = Cli::command();
    match app.bare() {
        Ok(platform) => merge(command, collect(platform.registry()).0).0,
        Err(_) => command,
    }
}

/// Adds commands to the command line; answers those that were added, and why others were not.
pub(crate) fn merge(mut base: Command, extensions: Vec<Extension>) -> (Command, Vec<Extension>, Vec<Error>) {
    let (mut added, mut refused): (Vec<Extension>, Vec<Error>) = (Vec::new(), Vec::new());
    for extension in extensions {
        let command = &extension.command.command;
        let taken = names(command).into_iter().find_map(|name| {
            if let Some(other) = added.iter().find(|other| names(&other.command.command).contains(&name)) {
                return Some((name, format!("the plugin `{}` ({})", other.plugin, other.package)));
            }
            let own = name == "help" || base.get_subcommands().any(|c| names(c).contains(&name));
            own.then(|| (name, "phlo itself".to_owned()))
        });
        if let Some((name, owner)) = taken {
            let message = format!(
                "the command `{name}` of the plugin `{}` ({}) is refused: {owner} has that name",
                extension.plugin, extension.package
            );
            let hint = format!("deny one of the two in `plugins.deny`, or build without {}", extension.package);
            refused.push(Error::new(Code::DuplicatePlugin, message).hint(hint));
            continue;
        }
        base = base.subcommand(command.clone());
        added.push(extension);
    }
    (base, added, refused)
}

fn names(command: &Command) -> Vec<String> {
    command.get_all_aliases().chain([command.get_name()]).map(str::to_owned).collect()
}

/// Runs the plugin's command that was asked for; `None` if it is one of phlo's own. `platform` is that of the project, if there
/// is one.
pub(crate) fn run(
    app: &App,
    platform: Option<Platform>,
    extensions: &[Extension],
    matches: &ArgMatches,
) -> Option<Result<Exit, Failure>> {
    let (name, matches) = matches.subcommand()?;
    let extension = extensions.iter().find(|e| e.command.command.get_name() == name)?;
    let opener = platform.map(|platform| -> Opener { Arc::new(move || access::open(platform.clone())) });
    let context = CliContext { project: app.root(), json: app.printer.json(), opener };
    let answer = guard(&extension.plugin, "running its command", || (extension.command.run)(matches, &context));
    Some(answer.map_err(Failure::from).and_then(|output| {
        app.printer.answer(
            || output.json.clone(),
            || {
                if output.text.is_empty() || output.text.ends_with('\n') {
                    output.text.clone()
                } else {
                    format!("{}\n", output.text)
                }
            },
        )?;
        Ok(Exit::Plugin(output.exit_code))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printer::{Printer, Wishes};
    use phlo_plugin::cli::{CliExtension, CliOutput};
    use phlo_plugin::context::Plugin;
    use phlo_plugin::{InitContext, NoSettings, Policy};
    use phlo_project::Environment;

    struct Answers;
    struct Panics;

    impl Plugin for Answers {
        type Settings = NoSettings;
        fn create(_: NoSettings, _: &InitContext) -> phlo_plugin::Result<Self> {
            Ok(Self)
        }
    }

    impl CliExtension for Answers {
        fn commands(&self) -> phlo_plugin::Result<Vec<CliCommand>> {
            let answer = Box::new(|matches: &ArgMatches, _: &CliContext| {
                let code = matches.get_one::<String>("code").and_then(|c| c.parse().ok()).unwrap_or(0);
                Ok(CliOutput { exit_code: code, ..CliOutput::default() })
            });
            let panic = Box::new(|_: &ArgMatches, _: &CliContext| panic!("boom"));
            let answers = Command::new("answer").arg(clap::Arg::new("code"));
            Ok(vec![
                CliCommand { command: answers, run: answer },
                CliCommand { command: Command::new("stumble"), run: panic },
            ])
        }
    }

    impl Plugin for Panics {
        type Settings = NoSettings;
        fn create(_: NoSettings, _: &InitContext) -> phlo_plugin::Result<Self> {
            Ok(Self)
        }
    }

    impl CliExtension for Panics {
        fn commands(&self) -> phlo_plugin::Result<Vec<CliCommand>> {
            panic!("no commands today")
        }
    }

    struct Refuses;

    impl Plugin for Refuses {
        type Settings = NoSettings;
        fn create(_: NoSettings, _: &InitContext) -> phlo_plugin::Result<Self> {
            Err(Error::new(Code::ConnectionFailed, "nobody answers").hint("start it"))
        }
    }

    impl CliExtension for Refuses {
        fn commands(&self) -> phlo_plugin::Result<Vec<CliCommand>> {
            Ok(vec![])
        }
    }

    phlo_plugin::register!(Cli, Refuses, name = "refuses", summary = "Does not even start");
    phlo_plugin::register!(Cli, Answers, name = "answers", summary = "Answers with a code");
    phlo_plugin::register!(Cli, Panics, name = "panics", summary = "Cannot even list its commands");

    #[test]
    fn commands_of_plugins_run_and_their_panics_stay_theirs() {
        assert!(any_linked());
        let here = std::env::current_dir().unwrap();
        let registry =
            Registry::linked(phlo_bundle::KNOWN).unwrap().activate(Policy::default(), InitContext::at(here)).unwrap();
        let (found, problems) = collect(&registry);
        let told: Vec<_> = problems.iter().map(|p| (p.code(), p.message())).collect();
        assert_eq!(told[0], (Code::ConnectionFailed, "the cli `refuses` did not start"));
        assert_eq!(
            (told.len(), told[1].0, problems[0].hints()),
            (2, Code::PluginPanicked, &["start it".to_owned()][..])
        );
        let (command, added, refused) = merge(Cli::command(), found);
        assert!(refused.is_empty());
        let environment = Environment::from_pairs(std::iter::empty::<(String, String)>());
        let app = App::new(Arc::new(Printer::new(Wishes::default())), environment, None);
        let exit = |arguments: &[&str]| {
            let matches = command.clone().try_get_matches_from([&["phlo"], arguments].concat()).unwrap();
            run(&app, None, &added, &matches).map(|outcome| outcome.unwrap_or_else(|failure| failure.exit()))
        };
        assert_eq!(exit(&["answer", "7"]), Some(Exit::Plugin(7)));
        assert_eq!(exit(&["stumble"]), Some(Exit::Failed));
        assert_eq!(exit(&["status"]), None);
    }

    fn extension(plugin: &str, command: Command) -> Extension {
        let run = Box::new(|_: &ArgMatches, _: &CliContext| Ok(CliOutput::default()));
        Extension {
            plugin: plugin.to_owned(),
            package: format!("phlo-cli-{plugin}"),
            command: CliCommand { command, run },
        }
    }

    #[test]
    fn a_name_that_somebody_has_is_refused_with_both_named() {
        let extensions = vec![
            extension("costs", Command::new("costs")),
            extension("other", Command::new("costs")),
            extension("runner", Command::new("faster").alias("run")),
            extension("helper", Command::new("help")),
        ];
        let (command, added, refused) = merge(Cli::command(), extensions);
        assert_eq!(added.len(), 1);
        let said: Vec<_> = refused.iter().map(Error::message).collect();
        assert_eq!(
            said,
            [
                "the command `costs` of the plugin `other` (phlo-cli-other) is refused: the plugin `costs` (phlo-cli-costs) has that name",
                "the command `run` of the plugin `runner` (phlo-cli-runner) is refused: phlo itself has that name",
                "the command `help` of the plugin `helper` (phlo-cli-helper) is refused: phlo itself has that name",
            ]
        );
        assert_eq!(command.try_get_matches_from(["phlo", "costs", "--json"]).unwrap().subcommand_name(), Some("costs"));
    }
}
