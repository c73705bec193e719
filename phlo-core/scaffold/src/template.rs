//! The templates: for each kind its files, with marks where names go, and what its manifest says.
//!
//! Marks: `{{kebab}}` (my-api), `{{plugin}}` (my_api), `{{Type}}` (MyApi), `{{package}}` (phlo-source-my-api) and `{{library}}`
//! (phlo_source_my_api).

use crate::Kind;
use crate::manifest::Dependency;

/// The template of a kind.
pub(crate) struct Template {
    /// One line for the manifest.
    pub(crate) description: &'static str,
    pub(crate) keywords: &'static [&'static str],
    pub(crate) dependencies: &'static [Dependency],
    pub(crate) dev_dependencies: &'static [Dependency],
    /// Paths and texts.
    pub(crate) files: &'static [(&'static str, &'static str)],
}

macro_rules! files {
    ($kind:literal: $($file:literal),+ $(,)?) => {
        &[$(($file, include_str!(concat!("../templates/", $kind, "/", $file)))),+]
    };
}

const PLUGIN: Dependency = ("phlo-plugin", &[]);
const SPEC: Dependency = ("phlo-spec", &[]);
const SCHEMARS: Dependency = ("schemars", &[]);
const SERDE: Dependency = ("serde", &[]);
const TESTKIT: &[Dependency] = &[("phlo-testkit", &[])];

/// The template of this kind.
pub(crate) fn of(kind: Kind) -> &'static Template {
    match kind {
        Kind::Asset => &Template {
            description: "A calendar: one row for each day, with its year, quarter, month and weekday",
            keywords: &["calendar", "dimension"],
            dependencies: &[("chrono", &[]), PLUGIN, SPEC, SCHEMARS, SERDE],
            dev_dependencies: TESTKIT,
            files: files!("asset": "README.md", "examples/minimal.yaml", "src/assets.rs", "src/calendar.sql", "src/lib.rs", "tests/conformance.rs"),
        },
        Kind::Catalog => &Template {
            description: "A Trino catalog over the project's tables, wherever they lie",
            keywords: &["trino", "catalog"],
            dependencies: &[PLUGIN, SCHEMARS, SERDE, ("url", &[])],
            dev_dependencies: TESTKIT,
            files: files!("catalog": "README.md", "examples/minimal.yaml", "src/catalog.rs", "src/lib.rs", "tests/conformance.rs"),
        },
        Kind::Cli => &Template {
            description: "A command that tells the size and the number of files of each folder of the project",
            keywords: &["disk-usage"],
            dependencies: &[("phlo-plugin", &["cli"]), ("serde_json", &[])],
            dev_dependencies: TESTKIT,
            files: files!("cli": "README.md", "examples/minimal.yaml", "src/command.rs", "src/folders.rs", "src/lib.rs", "tests/conformance.rs"),
        },
        Kind::Dagster => &Template {
            description: "A Dagster job over some asset groups, and the schedule that starts it",
            keywords: &["dagster", "schedule"],
            dependencies: &[PLUGIN, SCHEMARS, SERDE, ("serde_json", &[])],
            dev_dependencies: TESTKIT,
            files: files!("dagster": "README.md", "examples/minimal.yaml", "src/extension.rs", "src/lib.rs", "src/module.py", "tests/conformance.rs"),
        },
        Kind::Hook => &Template {
            description: "Appends a line to a file for each check and each asset that failed",
            keywords: &["failures", "log"],
            dependencies: &[PLUGIN, SPEC, SCHEMARS, SERDE, ("serde_json", &[])],
            dev_dependencies: TESTKIT,
            files: files!("hook": "README.md", "examples/minimal.yaml", "src/hook.rs", "src/lib.rs", "src/line.rs", "tests/conformance.rs"),
        },
        Kind::Orchestrator => &Template {
            description: "Writes a Makefile with a target for each asset, after what it depends on",
            keywords: &["make", "orchestrator"],
            dependencies: &[PLUGIN, SPEC],
            dev_dependencies: TESTKIT,
            files: files!("orchestrator": "README.md", "examples/minimal.yaml", "src/lib.rs", "src/makefile.rs", "src/orchestrator.rs", "tests/conformance.rs"),
        },
        Kind::Quality => &Template {
            description: "A check that texts neither begin nor end with white space",
            keywords: &["checks", "data-quality"],
            dependencies: &[("arrow-schema", &[]), PLUGIN, SCHEMARS, SERDE],
            // What a check finds, only an engine can tell.
            dev_dependencies: &[("phlo-testkit", &["engine"]), ("tokio", &[])],
            files: files!("quality": "README.md", "examples/minimal.yaml", "src/check.rs", "src/lib.rs", "tests/conformance.rs"),
        },
        Kind::Resource => &Template {
            description: "Secrets from the files of a folder, one file each, as containers mount them",
            keywords: &["secrets"],
            dependencies: &[PLUGIN, SPEC, SCHEMARS, SERDE],
            dev_dependencies: TESTKIT,
            files: files!("resource": "README.md", "examples/minimal.yaml", "src/lib.rs", "src/resource.rs", "src/store.rs", "tests/conformance.rs"),
        },
        Kind::Semantic => &Template {
            description: "Business models over published tables, written in phlo.yaml",
            keywords: &["semantic-layer", "metrics"],
            dependencies: &[PLUGIN, SCHEMARS, SERDE],
            dev_dependencies: TESTKIT,
            files: files!("semantic": "README.md", "examples/minimal.yaml", "src/lib.rs", "src/models.rs", "tests/conformance.rs"),
        },
        Kind::Service => &Template {
            description: "Valkey, a key-value store that speaks Redis' protocol, as a service of the project",
            keywords: &["valkey", "redis", "service"],
            dependencies: &[PLUGIN, SPEC, SCHEMARS, SERDE],
            dev_dependencies: TESTKIT,
            files: files!("service": "README.md", "examples/minimal.yaml", "src/lib.rs", "src/service.rs", "src/service.yaml", "tests/conformance.rs"),
        },
        Kind::Source => &Template {
            description: "Rows from a log file that grows: one for each whole line, and later only what is new",
            keywords: &["log", "lines"],
            dependencies: &[
                ("arrow-array", &[]),
                ("arrow-schema", &[]),
                ("futures", &[]),
                PLUGIN,
                SCHEMARS,
                SERDE,
                ("serde_json", &[]),
                ("tokio", &[]),
            ],
            dev_dependencies: TESTKIT,
            files: files!("source": "README.md", "examples/minimal.yaml", "src/config.rs", "src/lib.rs", "src/lines.rs", "src/source.rs", "tests/conformance.rs"),
        },
        Kind::Transform => &Template {
            description: "Takes white space off the ends of texts",
            keywords: &["transform", "text"],
            dependencies: &[("arrow-schema", &[]), PLUGIN, SCHEMARS, SERDE],
            dev_dependencies: TESTKIT,
            files: files!("transform": "README.md", "examples/minimal.yaml", "src/lib.rs", "src/transform.rs", "tests/conformance.rs"),
        },
    }
}
