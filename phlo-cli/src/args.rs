//! The command line's types: nothing but what clap reads.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use phlo_spec::event::LogLevel;

/// A data lakehouse in one binary: ingest, check, transform and publish tables
#[derive(Debug, Parser)]
#[command(
    name = "phlo",
    bin_name = "phlo",
    version,
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = "Start with `phlo init`, then `phlo run`. Every error has a code: `phlo explain CODE`."
)]
pub(crate) struct Cli {
    /// How to answer; read on its own, because commands of plugins have it too.
    #[command(flatten)]
    pub(crate) _global: Global,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// The project's folder; the nearest one with a phlo.yaml unless given
    #[arg(long, global = true, value_name = "DIR", help_heading = "Everywhere")]
    pub(crate) project: Option<PathBuf>,
    /// Answer one JSON document on standard output
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub(crate) json: bool,
    /// Say nothing but errors on standard error
    #[arg(long, short, global = true, help_heading = "Everywhere")]
    pub(crate) quiet: bool,
    /// Say more on standard error; twice for even more
    #[arg(long, short, global = true, action = ArgAction::Count, help_heading = "Everywhere")]
    pub(crate) verbose: u8,
    /// No colours; as the variable NO_COLOR
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub(crate) no_color: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a project that runs at once
    Init(Init),
    /// Validate and type-check the whole project, offline
    Check,
    /// Run assets: write, audit, publish
    #[command(visible_alias = "run")]
    Materialize(Materialize),
    /// Show how fresh each asset is and how it ended last
    Status,
    /// Show the latest runs, or one of them
    Runs(Runs),
    /// Show the events of a run
    Logs(Logs),
    /// Query the tables
    Sql(Sql),
    /// Look at tables and their versions
    #[command(subcommand)]
    Table(Table),
    /// Look at the results of checks, or audit a published table now
    #[command(subcommand)]
    Quality(Quality),
    /// Look at the named business models over published tables
    #[command(subcommand)]
    Semantic(Semantic),
    /// Show what an asset is made from and what is made from it
    Lineage(Lineage),
    /// Show the plugins that are linked into this binary
    #[command(subcommand)]
    Plugin(Plugin),
    /// Build a phlo with plugins of one's own, or with just those that a project uses
    Build(Build),
    /// Show the project's configuration
    #[command(subcommand)]
    Config(Config),
    /// Explain error codes
    Explain(Explain),
    /// Write completions for a shell
    Completions(Completions),
    /// Write the manual as pages for man(1)
    Man(Man),
    /// Show the version; with --verbose, how it was built and what is linked
    Version,
}

/// `phlo init`.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The folder; the current one unless given
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
    /// What to start with
    #[arg(long, short, default_value = "flights", value_parser = clap::builder::PossibleValuesParser::new(crate::templates::names()))]
    pub(crate) template: String,
}

/// `phlo materialize`.
#[derive(Debug, Args)]
#[command(
    after_help = "Selections: bronze.flights, silver.*, +gold.x (and upstream), bronze.x+ (and downstream), group:g, tag:t, kind:k.\n\
                        Several add to each other; a comma asks for all at once: tag:nightly,group:gold.\n\
                        Exit codes: 1 an asset failed, 2 the project is wrong, 3 a blocking check failed, 4 a connection is not there."
)]
pub(crate) struct Materialize {
    /// What to run; every asset unless given
    #[arg(value_name = "SELECT")]
    pub(crate) positional: Vec<String>,
    /// What to run, as an option
    #[arg(long, short, value_name = "SELECT")]
    pub(crate) select: Vec<String>,
    /// What to leave out
    #[arg(long, value_name = "SELECT")]
    pub(crate) exclude: Vec<String>,
    /// Only the rows of this partition, e.g. 2013-01-31
    #[arg(long, value_name = "KEY")]
    pub(crate) partition: Option<String>,
    /// Forget cursors and rebuild the tables from all that their sources hold
    #[arg(long)]
    pub(crate) full_refresh: bool,
    /// Show what would run
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Assets that run at once
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: Option<u16>,
    /// A tag of the run, e.g. phlo/capability/table_store=delta
    #[arg(long, value_name = "KEY=VALUE", value_parser = tag)]
    pub(crate) tag: Vec<(String, String)>,
}

fn tag(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("a tag is KEY=VALUE".to_owned()),
    }
}

// Nothing at all is no answer.
fn some(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("1 or more is wanted".to_owned()),
        Ok(count) => Ok(count),
        Err(_) => Err("a whole number is wanted".to_owned()),
    }
}

/// `phlo runs`.
#[derive(Debug, Args)]
pub(crate) struct Runs {
    /// A run's id, or a beginning of it that no other has
    pub(crate) run: Option<String>,
    /// How many to show
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = some)]
    pub(crate) limit: usize,
}

/// `phlo logs`.
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// A run's id, or a beginning of it that no other has; the latest unless given
    pub(crate) run: Option<String>,
    /// The least weight of what is shown
    #[arg(long, default_value = "info")]
    pub(crate) level: Level,
}

/// How weighty an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Level {
    /// Everything
    Debug,
    /// What happens
    Info,
    /// What deserves a look
    Warn,
    /// What failed
    Error,
}

impl From<LogLevel> for Level {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Debug => Self::Debug,
            LogLevel::Info => Self::Info,
            LogLevel::Warn => Self::Warn,
            LogLevel::Error => Self::Error,
        }
    }
}

/// `phlo sql`.
#[derive(Debug, Args)]
#[command(after_help = "Tables go by their names, files by their paths: select * from 'data/new.parquet'.")]
pub(crate) struct Sql {
    /// The query; `-` reads it from standard input
    pub(crate) query: String,
    /// How rows are written
    #[arg(long, short)]
    pub(crate) format: Option<RowFormat>,
    /// At most so many rows
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RowFormat {
    /// A grid for people
    Table,
    /// Comma-separated values with a heading
    Csv,
    /// One JSON array of objects
    Json,
}

/// `phlo table`.
#[derive(Debug, Subcommand)]
pub(crate) enum Table {
    /// The tables that exist
    List,
    /// A table's columns, size and version
    Show(TableAt),
    /// A table's versions
    History {
        /// The table
        table: String,
        /// How many to show
        #[arg(long, default_value_t = 20, value_name = "N", value_parser = some)]
        limit: usize,
    },
    /// Some rows of a table
    Preview {
        /// The table, and its version
        #[command(flatten)]
        table: TableAt,
        /// How many to show
        #[arg(long, default_value_t = 20, value_name = "N")]
        limit: usize,
        /// How rows are written
        #[arg(long, short)]
        format: Option<RowFormat>,
    },
}

/// A table, now or as it was.
#[derive(Debug, Args)]
pub(crate) struct TableAt {
    /// The table
    pub(crate) table: String,
    /// A version of it; the current one unless given
    #[arg(long, value_name = "N")]
    pub(crate) at: Option<u64>,
}

/// `phlo quality`.
#[derive(Debug, Subcommand)]
pub(crate) enum Quality {
    /// The results of an asset's checks in the latest run that had any; of all assets, in short, if none is named
    Show {
        /// The asset
        asset: Option<String>,
        /// How it is written, and where to
        #[command(flatten)]
        report: Report,
        /// Show the failing rows too
        #[arg(long, requires = "asset")]
        rows: bool,
        /// At most so many rows of each check
        #[arg(long, default_value_t = 20, value_name = "N", requires = "rows", value_parser = some)]
        limit: usize,
    },
    /// Audit published tables now, the whole of each
    Run {
        /// The assets, by name or as a selection; all unless given
        #[arg(value_name = "SELECT")]
        select: Vec<String>,
        /// How it is written, and where to
        #[command(flatten)]
        report: Report,
    },
    /// How an asset's checks are found out: what rides on the write, what statistics answer, what shares a pass
    Explain {
        /// The asset
        asset: String,
    },
    /// How an asset's checks ended, run by run, and when each passed last
    History {
        /// The asset
        asset: String,
        /// One of its checks, by its name or id: then each result is told, newest first
        check: Option<String>,
        /// At most so many runs of each check, the newest
        #[arg(long, default_value_t = 20, value_name = "N", value_parser = some)]
        limit: usize,
    },
    /// What a table holds, column by column, found in one pass
    Profile {
        /// The table
        table: String,
        /// Print checks for the asset's file instead, as YAML; each of them passes on the table as it is
        #[arg(long)]
        suggest: bool,
    },
}

/// How results of checks are written, and where to.
#[derive(Debug, Args)]
pub(crate) struct Report {
    /// How results are written
    #[arg(long, short, conflicts_with = "json")]
    pub(crate) format: Option<ReportFormat>,
    /// Write them to this file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// How results of checks are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// For people; this unless given
    Table,
    /// As --json
    Json,
    /// JUnit's XML, which CI servers read
    Junit,
    /// One page for a browser, which needs nothing beside itself
    Html,
}

/// `phlo semantic`.
#[derive(Debug, Subcommand)]
pub(crate) enum Semantic {
    /// The models that plugins give; `phlo sql` reads each as `semantic.NAME`
    List,
    /// Everything about a model: its query, and what tools downstream read
    Show {
        /// The model
        name: String,
    },
}

/// `phlo lineage`.
#[derive(Debug, Args)]
pub(crate) struct Lineage {
    /// The asset
    pub(crate) asset: String,
    /// How it is written
    #[arg(long, short, conflicts_with = "json")]
    pub(crate) format: Option<GraphFormat>,
}

/// How a graph is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    /// Trees for people; this unless given
    Text,
    /// As --json
    Json,
    /// A Mermaid flowchart
    Mermaid,
    /// For Graphviz
    Dot,
}

/// `phlo plugin`.
#[derive(Debug, Subcommand)]
pub(crate) enum Plugin {
    /// The plugins that are linked
    List {
        /// Only this kind, e.g. source
        #[arg(long)]
        kind: Option<String>,
        /// Also those that exist and are not linked
        #[arg(long)]
        available: bool,
    },
    /// Everything about a plugin: its package, its keys, an example
    Info {
        /// The plugin
        name: String,
        /// Its kind, where several have the name
        #[arg(long)]
        kind: Option<String>,
    },
    /// Start every plugin, let it test itself, and test the connections of the project's sources
    #[command(
        after_help = "Exit codes: 2 a plugin that the project uses is refused or broken, 4 a connection is not there. \
                            What is not healthy and not used is only told."
    )]
    Check {
        /// How long each connection may take to answer
        #[arg(long, default_value_t = 10, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
        timeout: u32,
    },
    /// Start a plugin of your own: a crate that builds, passes its tests and does something small
    Create(Create),
}

/// `phlo plugin create`.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Its name in kebab case, without the kind: my-api
    pub(crate) name: String,
    /// Its kind
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(phlo_scaffold::Kind::ALL.iter().map(|kind| kind.as_str())))]
    pub(crate) kind: String,
    /// The folder for the crate; one called as its package, here, unless given
    #[arg(long, value_name = "DIR")]
    pub(crate) path: Option<PathBuf>,
    /// A checkout of phlo that the crate is built against; the registry's phlo unless given
    #[arg(long, value_name = "DIR")]
    pub(crate) phlo_source: Option<PathBuf>,
}

/// `phlo build`.
#[derive(Debug, Args)]
#[command(
    after_help = "  phlo build --with ./acme-source                       the default plugins and one of one's own\n  \
                          phlo build --from phlo.yaml --out /srv/bin/phlo       just what a project uses\n  \
                          phlo build --features minimal,source-rest --no-default-features\n\n\
                        Needs Rust's tools (https://rustup.rs). The path of the binary is printed on standard output; beside it\n\
                        lie phlo-build.toml and phlo-build.lock, from which --repeat builds the same again."
)]
pub(crate) struct Build {
    /// A crate of plugins: NAME[@VERSION] of the registry, or a folder such as ./my-plugin; may be given more than once
    #[arg(long, value_name = "CRATE")]
    pub(crate) with: Vec<String>,
    /// Features of phlo: a group (full, minimal) or one plugin (source-rest)
    #[arg(long, value_delimiter = ',')]
    pub(crate) features: Vec<String>,
    /// Leave out the group `default`
    #[arg(long)]
    pub(crate) no_default_features: bool,
    /// Link just the plugins that this project uses, and those of --features
    #[arg(long, value_name = "PHLO_YAML")]
    pub(crate) from: Option<PathBuf>,
    /// The binary
    #[arg(long, value_name = "FILE", default_value = "phlo")]
    pub(crate) out: PathBuf,
    /// Where phlo's own crates come from: a checkout, or the URL of a repository with an optional #REV; the registry unless given
    #[arg(long, value_name = "PATH|URL")]
    pub(crate) phlo_source: Option<String>,
    /// Optimize, and on Linux link statically; this unless --debug is given
    #[arg(long, conflicts_with = "debug")]
    pub(crate) release: bool,
    /// Build fast, for trying out
    #[arg(long)]
    pub(crate) debug: bool,
    /// Keep the cargo project here, with what cargo makes of it
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
    /// Build again what this phlo-build.toml records
    #[arg(long, value_name = "FILE", conflicts_with_all = ["with", "features", "no_default_features", "from", "phlo_source", "release", "debug"])]
    pub(crate) repeat: Option<PathBuf>,
}

/// `phlo config`.
#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Every value and where it came from; secrets are masked
    Show,
    /// The JSON Schema of a project's files, of exactly the plugins of this binary; editors complete and check from it
    Schema(ConfigSchema),
    /// Write the project for others: as definitions of an orchestrator, e.g. Dagster, or as a catalog, e.g. for Trino and Spark
    Export {
        /// The folder for the files
        dir: PathBuf,
        /// The orchestrator; the project's unless given
        #[arg(long, value_name = "NAME")]
        orchestrator: Option<String>,
        /// A catalog, in place of an orchestrator
        #[arg(long, value_name = "NAME", conflicts_with = "orchestrator")]
        catalog: Option<String>,
    },
}

/// `phlo config schema`.
#[derive(Debug, Args)]
#[command(after_help = "An editor with the YAML language server reads the schema that a file's first line names:\n\
                  \x20 # yaml-language-server: $schema=.phlo/schema/project.schema.json")]
pub(crate) struct ConfigSchema {
    /// Which files; all in one document unless given
    pub(crate) files: Option<crate::schema::Entry>,
    /// Write one document for each into this folder, e.g. .phlo/schema
    #[arg(long, value_name = "DIR", conflicts_with = "files")]
    pub(crate) write: Option<PathBuf>,
}

/// `phlo explain`.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// Codes, e.g. P1002; all are listed unless given
    #[arg(value_name = "CODE")]
    pub(crate) codes: Vec<String>,
}

/// `phlo completions`.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: Shell,
}

/// `phlo man`.
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Write a page for every command into this folder; otherwise the first page goes to standard output
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn selections_come_from_both_sides() {
        let cli = Cli::try_parse_from([
            "phlo",
            "run",
            "+gold.x",
            "-s",
            "a.b",
            "--select",
            "tag:t",
            "bronze.y+",
            "--tag",
            "k=v=w",
            "-j",
            "3",
        ])
        .unwrap();
        let Command::Materialize(args) = cli.command else { panic!("another command") };
        assert_eq!(
            (args.positional, args.select),
            (vec!["+gold.x".to_owned(), "bronze.y+".to_owned()], vec!["a.b".to_owned(), "tag:t".to_owned()])
        );
        assert_eq!((args.tag, args.jobs), (vec![("k".to_owned(), "v=w".to_owned())], Some(3)));
    }

    #[test]
    fn nonsense_is_refused() {
        for args in [
            &["run", "--jobs", "0"][..],
            &["run", "--tag", "x"],
            &["init", "-t", "nope"],
            &["quality", "show", "a.b", "--limit", "3"],
            &["quality", "show", "a.b", "--format", "html", "--json"],
            &["quality", "history", "a.b", "--limit", "0"],
            &["runs", "--limit", "0"],
            &["lineage", "a.b", "--format", "dot", "--json"],
            &["rnu"],
        ] {
            assert!(Cli::try_parse_from([&["phlo"], args].concat()).is_err(), "{args:?}");
        }
    }
}
