//! The walls of ARCHITECTURE.md as data: which room may import which, and who may use which external crate.
//!
//! Places are folders of the repository, dependencies are package names; either may end in `*`. A room's row is the first
//! whose place matches.

/// What the packages of one place may depend on within the repository.
pub(crate) struct Room {
    pub place: &'static str,
    /// Packages, or places whose packages are meant.
    pub imports: &'static [&'static str],
    /// Permitted only behind a cargo feature.
    pub optional: &'static [&'static str],
    /// Permitted to tests, benchmarks and examples, beside the above.
    pub dev: &'static [&'static str],
}

/// Who may use an external crate, in tests too.
pub(crate) struct Wall {
    pub crates: &'static [&'static str],
    /// Places.
    pub users: &'static [&'static str],
    /// Places that may use it only behind a cargo feature.
    pub optional: &'static [&'static str],
    /// Ends the sentence "…, because".
    pub because: &'static str,
}

const fn room(place: &'static str, imports: &'static [&'static str]) -> Room {
    Room { place, imports, optional: &[], dev: TESTKIT }
}

const TESTKIT: &[&str] = &["phlo-testkit"];
const CONTRACT: &[&str] = &["phlo-spec", "phlo-plugin"];
/// Sources that read from object stores.
const CONTRACT_AND_STORAGE: &[&str] = &["phlo-spec", "phlo-plugin", "phlo-storage"];
/// Catalogs, which tell other engines of the storage.
const CONTRACT_AND_CATALOG: &[&str] = &["phlo-spec", "phlo-plugin", "phlo-catalog"];
const CONTRACT_AND_ENGINE: &[&str] = &["phlo-spec", "phlo-plugin", "phlo-engine-api"];

pub(crate) const ROOMS: &[Room] = &[
    Room { dev: &[], ..room("phlo-core/spec", &[]) },
    Room { dev: &[], ..room("phlo-core/plugin", &["phlo-spec"]) },
    Room { dev: &[], ..room("phlo-core/engine-api", CONTRACT) },
    Room { dev: &[], ..room("phlo-core/storage", CONTRACT) },
    Room { dev: &[], ..room("phlo-core/catalog", CONTRACT) },
    room("phlo-core/delivery", CONTRACT),
    room("phlo-core/engine", CONTRACT_AND_ENGINE),
    room("phlo-core/project", CONTRACT),
    room("phlo-core/runtime", &["phlo-spec", "phlo-plugin", "phlo-engine-api", "phlo-engine", "phlo-project"]),
    room("phlo-core/services", &["phlo-spec", "phlo-plugin", "phlo-project"]),
    room("phlo-core/api", &["phlo-spec", "phlo-runtime", "phlo-project", "phlo-services"]),
    Room { optional: &["phlo-engine-api", "phlo-engine"], dev: &[], ..room("phlo-core/testkit", CONTRACT) },
    Room {
        optional: &["phlo-plugins/*", "phlo-dagster-adapter"],
        dev: &[],
        ..room("phlo-core/bundle", &["phlo-plugin"])
    },
    Room { optional: &["phlo-plugins/*"], dev: &[], ..room("phlo-core/bundle", &["phlo-plugin"]) },
    Room { dev: &[], ..room("phlo-core/scaffold", &[]) },
    room("phlo-plugins/table-*", &["phlo-spec", "phlo-plugin", "phlo-engine-api", "phlo-storage"]),
    room("phlo-plugins/transform-*", CONTRACT_AND_ENGINE),
    room("phlo-plugins/engine-*", CONTRACT_AND_ENGINE),
    room("phlo-plugins/source-*", CONTRACT_AND_STORAGE),
    room("phlo-plugins/catalog-*", CONTRACT_AND_CATALOG),
    room("phlo-plugins/hook-*", &["phlo-spec", "phlo-plugin", "phlo-delivery"]),
    room("phlo-plugins/*", CONTRACT),
    room(
        "phlo-cli",
        &[
            "phlo-bundle",
            "phlo-api",
            "phlo-services",
            "phlo-scaffold",
            "phlo-runtime",
            "phlo-project",
            "phlo-plugin",
            "phlo-spec",
        ],
    ),
    room("phlo-dagster-adapter", CONTRACT),
    Room { dev: &[], ..room("xtask", &["phlo-scaffold"]) },
    room("tests", &["phlo-core/*", "phlo-plugins/*", "phlo-cli", "phlo-dagster-adapter"]),
];

const fn wall(crates: &'static [&'static str], users: &'static [&'static str], because: &'static str) -> Wall {
    Wall { crates, users, optional: &[], because }
}

pub(crate) const WALLS: &[Wall] = &[
    Wall {
        crates: &["datafusion", "datafusion-*"],
        users: &[
            "phlo-core/engine-api",
            "phlo-core/engine",
            "phlo-plugins/engine-*",
            "phlo-plugins/table-*",
            "phlo-plugins/transform-*",
            "tests",
        ],
        optional: &["phlo-core/testkit"],
        because: "a plugin without SQL must build and test without the engine",
    },
    wall(&["deltalake", "deltalake-*"], &["phlo-plugins/table-delta"], "a table format stays behind its plugin's door"),
    wall(&["sqlparser"], &["phlo-core/engine"], "SQL is read in one place"),
    wall(
        &["inventory", "linkme"],
        &["phlo-core/plugin"],
        "plugins register through its macros and are read through Registry::linked()",
    ),
    Wall {
        crates: &["clap", "clap_*"],
        users: &["phlo-cli", "xtask"],
        optional: &["phlo-core/plugin"],
        because: "the command line is the cli's; a plugin of kind cli reaches it through phlo-plugin's feature `cli`",
    },
    wall(&["rusqlite"], &["phlo-plugins/hook-history"], "run history is fed by the bus alone"),
    wall(
        &["reqwest"],
        &["phlo-plugins/source-*", "phlo-core/delivery"],
        "HTTP clients belong to the sources, and to the delivery that hooks share",
    ),
    wall(&["hmac"], &["phlo-core/delivery"], "requests are signed in one place"),
    wall(
        &["postgres", "tokio-postgres", "tokio-postgres-rustls"],
        &["phlo-plugins/source-postgres", "phlo-plugins/publish-postgres"],
        "a database's protocol stays behind its plugin's door",
    ),
    wall(
        &["serde-saphyr", "serde_yaml", "serde_yml", "serde_norway", "yaml_serde"],
        &["phlo-core/spec"],
        "YAML is read in one place, which knows the line of every value",
    ),
    wall(&["anyhow"], &["phlo-cli", "xtask", "tests"], "a library's errors are typed"),
    wall(&["axum", "axum-*"], &["phlo-core/api"], "HTTP is served in one place"),
    wall(&["bollard", "bollard-*"], &["phlo-core/services"], "containers are driven from one place"),
];

/// Crates whose types cross the contract: `Cargo.lock` may hold one version of each.
pub(crate) const ONE_VERSION: &[&str] = &["arrow-*", "parquet", "datafusion", "datafusion-*", "object_store"];

/// What may lie in the repository's root.
pub(crate) const TOP_LEVEL: &[&str] = &[
    ".cargo",
    ".ci",
    ".gitattributes",
    ".github",
    ".gitignore",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "clippy.toml",
    "deny.toml",
    "docs",
    "examples",
    "phlo-cli",
    "phlo-core",
    "phlo-dagster-adapter",
    "phlo-plugins",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "tests",
    "xtask",
];

/// Whether a pattern, which may end in `*`, covers the name.
pub(crate) fn covers(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == pattern,
    }
}

/// Whether one of the patterns covers the name.
pub(crate) fn any(patterns: &[&str], name: &str) -> bool {
    patterns.iter().any(|pattern| covers(pattern, name))
}
