//! Upkeep of the repository: `cargo xtask COMMAND`.
//!
//! It reads manifests and calls `cargo`; it links no phlo crate but `phlo-scaffold`, which depends on nothing, so that it builds in
//! seconds and works while the others do not.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool talks")]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod api;
mod bench;
mod codegen;
mod dist;
mod features;
mod guide;
mod new_plugin;
mod package;
mod process;
mod repo;
mod test;
mod tidy;
mod walls;

use std::process::ExitCode;

use clap::Parser;

#[derive(Parser)]
#[command(bin_name = "cargo xtask", about, disable_version_flag = true)]
enum Command {
    /// Make a plugin crate that builds, passes its tests and is in the bundle
    NewPlugin(new_plugin::Args),
    /// Write what is derived: from the plugin folders the bundle crate and the plugin paths in the root Cargo.toml, from the templates
    /// of new plugins the code of the guides in docs/plugins
    Codegen {
        /// Write nothing; fail if a file differs from what would be written
        #[arg(long)]
        check: bool,
    },
    /// Hold the tree against the walls of ARCHITECTURE.md and the house rules
    Tidy,
    /// Pin the interface that plugins are built against: phlo-core/plugin/public-api.txt
    Api(api::Args),
    /// Run every check and every test: what CI runs
    Test(test::Args),
    /// Build the static release binary into target/dist, with its bill of materials, licences, sizes, manual and units
    Dist(dist::Args),
    /// Measure the figures that phlo must reach, against peers on the same files and threads
    Bench(bench::Args),
}

fn main() -> ExitCode {
    match run(Command::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    let root = repo::root()?;
    match command {
        Command::NewPlugin(args) => new_plugin::run(&root, &args),
        Command::Codegen { check } => codegen::run(&root, check),
        Command::Tidy => tidy::run(&root),
        Command::Api(args) => api::run(&root, &args),
        Command::Test(args) => test::run(&root, &args),
        Command::Dist(args) => dist::run(&root, &args),
        Command::Bench(args) => bench::run(&root, &args),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_repository_is_tidy() {
        tidy::run(&repo::root().unwrap()).unwrap();
    }

    #[test]
    fn the_generated_files_are_in_step_with_the_plugin_folders() {
        codegen::run(&repo::root().unwrap(), true).unwrap();
    }
}
