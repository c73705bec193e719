//! The plugins that are linked into this binary, and the table of all that exist.
//!
//! Written by `cargo xtask codegen` from the folders of phlo-plugins; do not edit.
//!
//! rustc does not link a crate that nothing names: each plugin is named here, under its feature.
#![deny(unused_crate_dependencies)]

#[cfg(feature = "asset-calendar")]
use phlo_asset_calendar as _;
#[cfg(feature = "catalog-delta")]
use phlo_catalog_delta as _;
#[cfg(feature = "catalog-iceberg")]
use phlo_catalog_iceberg as _;
#[cfg(feature = "cli-diff")]
use phlo_cli_diff as _;
#[cfg(feature = "dagster-adapter")]
use phlo_dagster_adapter as _;
#[cfg(feature = "dagster-freshness")]
use phlo_dagster_freshness as _;
#[cfg(feature = "engine-datafusion")]
use phlo_engine_datafusion as _;
#[cfg(feature = "hook-history")]
use phlo_hook_history as _;
#[cfg(feature = "hook-slack")]
use phlo_hook_slack as _;
#[cfg(feature = "hook-webhook")]
use phlo_hook_webhook as _;
#[cfg(feature = "orchestrator-airflow")]
use phlo_orchestrator_airflow as _;
#[cfg(feature = "orchestrator-crontab")]
use phlo_orchestrator_crontab as _;
#[cfg(feature = "orchestrator-native")]
use phlo_orchestrator_native as _;
#[cfg(feature = "orchestrator-systemd")]
use phlo_orchestrator_systemd as _;
#[cfg(feature = "publish-files")]
use phlo_publish_files as _;
#[cfg(feature = "publish-postgres")]
use phlo_publish_postgres as _;
#[cfg(feature = "quality-core")]
use phlo_quality_core as _;
#[cfg(feature = "quality-distribution")]
use phlo_quality_distribution as _;
#[cfg(feature = "quality-reconcile")]
use phlo_quality_reconcile as _;
#[cfg(feature = "secrets-local")]
use phlo_secrets_local as _;
#[cfg(feature = "semantic-metrics")]
use phlo_semantic_metrics as _;
#[cfg(feature = "service-postgres")]
use phlo_service_postgres as _;
#[cfg(feature = "source-files")]
use phlo_source_files as _;
#[cfg(feature = "source-postgres")]
use phlo_source_postgres as _;
#[cfg(feature = "source-rest")]
use phlo_source_rest as _;
#[cfg(feature = "source-tpch")]
use phlo_source_tpch as _;
#[cfg(feature = "table-delta")]
use phlo_table_delta as _;
#[cfg(feature = "transform-core")]
use phlo_transform_core as _;

use phlo_plugin::KnownPlugin;

/// Every plugin of the repository, linked or not, sorted by kind and name.
#[rustfmt::skip]
pub static KNOWN: &[KnownPlugin] = &[
    KnownPlugin { kind: "asset", name: "calendar", package: "phlo-asset-calendar", feature: "asset-calendar", summary: "The calendar: an asset with one row for each day, for joining facts with", linked: cfg!(feature = "asset-calendar") },
    KnownPlugin { kind: "catalog", name: "delta", package: "phlo-catalog-delta", feature: "catalog-delta", summary: "Delta tables for Trino and Spark: their catalogs, and scripts that register the tables", linked: cfg!(feature = "catalog-delta") },
    KnownPlugin { kind: "catalog", name: "iceberg", package: "phlo-catalog-iceberg", feature: "catalog-iceberg", summary: "An Iceberg REST catalog for Trino and Spark", linked: cfg!(feature = "catalog-iceberg") },
    KnownPlugin { kind: "cli", name: "diff", package: "phlo-cli-diff", feature: "cli-diff", summary: "The command `phlo diff`: rows and columns that differ between two tables or versions", linked: cfg!(feature = "cli-diff") },
    KnownPlugin { kind: "dagster", name: "freshness", package: "phlo-dagster-freshness", feature: "dagster-freshness", summary: "A Dagster sensor that observes how fresh phlo's tables are, whoever wrote them", linked: cfg!(feature = "dagster-freshness") },
    KnownPlugin { kind: "hook", name: "history", package: "phlo-hook-history", feature: "hook-history", summary: "Run history in SQLite, fed by the hook bus alone", linked: cfg!(feature = "hook-history") },
    KnownPlugin { kind: "hook", name: "slack", package: "phlo-hook-slack", feature: "hook-slack", summary: "Alerts to Slack, Mattermost and Discord: one message for a run", linked: cfg!(feature = "hook-slack") },
    KnownPlugin { kind: "hook", name: "webhook", package: "phlo-hook-webhook", feature: "hook-webhook", summary: "Events to HTTP endpoints, signed and retried", linked: cfg!(feature = "hook-webhook") },
    KnownPlugin { kind: "orchestrator", name: "airflow", package: "phlo-orchestrator-airflow", feature: "orchestrator-airflow", summary: "The assets and schedules as a file of Airflow DAGs", linked: cfg!(feature = "orchestrator-airflow") },
    KnownPlugin { kind: "orchestrator", name: "crontab", package: "phlo-orchestrator-crontab", feature: "orchestrator-crontab", summary: "Schedules as a crontab, with time zones and without overlap", linked: cfg!(feature = "orchestrator-crontab") },
    KnownPlugin { kind: "orchestrator", name: "dagster", package: "phlo-dagster-adapter", feature: "dagster-adapter", summary: "phlo for Dagster: the assets as Dagster definitions", linked: cfg!(feature = "dagster-adapter") },
    KnownPlugin { kind: "orchestrator", name: "native", package: "phlo-orchestrator-native", feature: "orchestrator-native", summary: "The native orchestrator: every asset as soon as what it depends on has ended well", linked: cfg!(feature = "orchestrator-native") },
    KnownPlugin { kind: "orchestrator", name: "systemd", package: "phlo-orchestrator-systemd", feature: "orchestrator-systemd", summary: "Schedules as systemd timers, and a hardened service for each", linked: cfg!(feature = "orchestrator-systemd") },
    KnownPlugin { kind: "quality", name: "accepted_combinations", package: "phlo-quality-core", feature: "quality-core", summary: "Everyday checks: of nulls, keys, sets, ranges, texts, row counts, freshness, schemas and rules of your own", linked: cfg!(feature = "quality-core") },
    KnownPlugin { kind: "quality", name: "accepted_values", package: "phlo-quality-core", feature: "quality-core", summary: "Everyday checks: of nulls, keys, sets, ranges, texts, row counts, freshness, schemas and rules of your own", linked: cfg!(feature = "quality-core") },
    KnownPlugin { kind: "quality", name: "age", package: "phlo-quality-core", feature: "quality-core", summary: "Everyday checks: of nulls, keys, sets, ranges, texts, row counts, freshness, schemas and rules of your own", linked: cfg!(feature = "quality-core") },
    KnownPlugin { kind: "quality", name: "aggregate", package: "phlo-quality-core", feature: "quality-core", summary: "Everyday checks: of nulls, keys, sets, ranges, texts, row counts, freshness, schemas and rules of your own", linked: cfg!(feature = "quality-core") },
    KnownPlugin { kind: "quality", name: "all_of", package: "phlo-quality-core", feature: "quality-core", summary: "Everyday checks: of nulls, keys, sets, ranges, texts, row counts, freshness, schemas and rules of your own", linked: cfg!(feature = "quality-core") },
    KnownPlugin { kind: "quality", name: "any_not_null", package: "phlo-quality-core", feature: "quality-core", summary: "Everyday checks: of nulls, keys, sets, ranges, texts, row counts, freshness, schemas and rules of your own", linked: cfg!(feature = "quality-core") },
    KnownPlugin { kind: "quality", name: "any_of", package: "phlo-quality-core", feature: "quality-core", summary: "Everyday checks: of nulls, keys, sets, ranges, texts, row counts, freshness, schemas and rules of your own", linked: cfg!(feature = "quality-core") },
    KnownPlugin { kind: "quality", name: "at_least_one", package: "phlo-quality-core", feature: "quality-core", summary: "Everyday checks: of nulls, keys, sets, ranges, texts, row counts, freshness, schemas and rules of your own", linked: cfg!(feature = "quality-core") },
    KnownPlugin { kind: "quality", name: "business_rule", package: "phlo-quality-core", feature: "quality-core", summary: "Everyday checks: of nulls, keys, sets, ranges, texts, row counts, freshness, schemas and rules of your own", linked: cfg!(feature = "quality-core") },
    KnownPlugin { kind: "quality", name: "chi_square", package: "phlo-quality-distribution", feature: "quality-distribution", summary: "Distributions: Kolmogorov-Smirnov, chi-square, KL divergence, Cramer's V, z-scores, moving standard deviations", linked: cfg!(feature = "quality-distribution") },
    KnownPlugin { kind: "quality", name: "compare", package: "phlo-quality-core", feature: "quality-core", summary: "Everyday checks: of nulls, keys, sets, ranges, texts, row counts, freshness, schemas and rules of your own", linked: cfg!(feature = "quality-core") },
    KnownPlugin { kind: "quality", name: "consistent_casing", package: "phlo-quality-core", feature: "quality-core", summary: "Everyday checks: of nulls, keys, sets, ranges, texts, row counts, freshness, schemas and rules of your own", linked: cfg!(feature = "quality-core") },
    KnownPlugin { kind: "quality", name: "contains_values", package: "phlo-quality-core", feature: "quality-core", summary: "Everyday checks: of nulls, keys, sets, ranges, texts, row counts, freshness, schemas and rules of your own", linked: cfg!(feature = "quality-core") },
    KnownPlugin { kind: "quality", name: "cramers_v", package: "phlo-quality-distribution", feature: "quality-distribution", summary: "Distributions: Kolmogorov-Smirnov, chi-square, KL divergence, Cramer's V, z-scores, moving standard deviations", linked: cfg!(feature = "quality-distribution") },
    KnownPlugin { kind: "quality", name: "date_format", package: "phlo-quality-core", feature: "quality-core", summary: "Everyday checks: of nulls, keys, sets, ranges, texts, row counts, freshness, schemas and rules of your own", linked: cfg!(feature = "quality-core") },
    KnownPlugin { kind: "quality", name: "disjoint_ranges", package: "phlo-quality-core", feature: "quality-core", summary: "Everyday checks: of nulls, keys, sets, ranges, texts, row counts, freshness, schemas and rules of your own", linked: cfg!(feature = "quality-core") },
    KnownPlugin { kind: "quality", name: "duplicate_rows", package: "phlo-quality-core", feature: "quality-core", summary: "Everyday checks: of nulls, keys, sets, ranges, texts, row counts, freshness, schemas and rules of your own", linked: cfg!(feature = "quality-core") },
    KnownPlugin { kind: "quality", name: "foreign_key", package: "phlo-quality-core", feature: "quality-core", summary: "Everyday checks: of nulls, keys, sets, ranges, texts, row counts, freshness, schemas and rules of your own", linked: cfg!(feature = "quality-core") },
    KnownPlugin { kind: "quality", name: "format", package: "phlo-quality-core", feature: "quality-core", summary: "Everyday checks: of nulls, keys, sets, ranges, texts, row counts, freshness, schemas and rules of your own", linked: cfg!(feature = "quality-core") },
    KnownPlugin { kind: "quality", name: "freshness", package: "phlo-quality-core", feature: "quality-core", summary: "Everyday checks: of nulls, keys, sets, ranges, texts, row counts, freshness, schemas and rules of your own", linked: cfg!(feature = "quality-core") },
    KnownPlugin { kind: "quality", name: "histogram", package: "phlo-quality-distribution", feature: "quality-distribution", summary: "Distributions: Kolmogorov-Smirnov, chi-square, KL divergence, Cramer's V, z-scores, moving standard deviations", linked: cfg!(feature = "quality-distribution") },
    KnownPlugin { kind: "quality", name: "is_null", package: "phlo-quality-core", feature: "quality-core", summary: "Everyday checks: of nulls, keys, sets, ranges, texts, row counts, freshness, schemas and rules of your own", linked: cfg!(feature = "quality-core") },
    KnownPlugin { kind: "quality", name: "json", package: "phlo-quality-core", feature: "quality-core", summary: "Everyday checks: of nulls, keys, sets, ranges, texts, row counts, freshness, schemas and rules of your own", linked: cfg!(feature = "quality-core") },
    KnownPlugin { kind: "quality", name: "kl_divergence", package: "phlo-quality-distribution", feature: "quality-distribution", summary: "Distributions: Kolmogorov-Smirnov, chi-square, KL divergence, Cramer's V, z-scores, moving standard deviations", linked: cfg!(feature = "quality-distribution") },
    KnownPlugin { kind: "quality", name: "ks_test", package: "phlo-quality-distribution", feature: "quality-distribution", summary: "Distributions: Kolmogorov-Smirnov, chi-square, KL divergence, Cramer's V, z-scores, moving standard deviations", linked: cfg!(feature = "quality-distribution") },
    KnownPlugin { kind: "quality", name: "length", package: "phlo-quality-core", feature: "quality-core", summary: "Everyday checks: of nulls, keys, sets, ranges, texts, row counts, freshness, schemas and rules of your own", linked: cfg!(feature = "quality-core") },
    KnownPlugin { kind: "quality", name: "like", package: "phlo-quality-core", feature: "quality-core", summary: "Everyday checks: of nulls, keys, sets, ranges, texts, row counts, freshness, schemas and rules of your own", linked: cfg!(feature = "quality-core") },
    KnownPlugin { kind: "quality", name: "mean_stdevs", package: "phlo-quality-distribution", feature: "quality-distribution", summary: "Distributions: Kolmogorov-Smirnov, chi-square, KL divergence, Cramer's V, z-scores, moving standard deviations", linked: cfg!(feature = "quality-distribution") },
    KnownPlugin { kind: "quality", name: "metric", package: "phlo-quality-core", feature: "quality-core", summary: "Everyday checks: of nulls, keys, sets, ranges, texts, row counts, freshness, schemas and rules of your own", linked: cfg!(feature = "quality-core") },
    KnownPlugin { kind: "quality", name: "missing_only_as", package: "phlo-quality-core", feature: "quality-core", summary: "Everyday checks: of nulls, keys, sets, ranges, texts, row counts, freshness, schemas and rules of your own", linked: cfg!(feature = "quality-core") },
    KnownPlugin { kind: "quality", name: "most_common_in", package: "phlo-quality-core", feature: "quality-core", summary: "Everyday checks: of nulls, keys, sets, ranges, texts, row counts, freshness, schemas and rules of your own", linked: cfg!(feature = "quality-core") },
    KnownPlugin { kind: "quality", name: "moving_stdevs", package: "phlo-quality-distribution", feature: "quality-distribution", summary: "Distributions: Kolmogorov-Smirnov, chi-square, KL divergence, Cramer's V, z-scores, moving standard deviations", linked: cfg!(feature = "quality-distribution") },
    KnownPlugin { kind: "quality", name: "multicolumn_sum", package: "phlo-quality-core", feature: "quality-core", summary: "Everyday checks: of nulls, keys, sets, ranges, texts, row counts, freshness, schemas and rules of your own", linked: cfg!(feature = "quality-core") },
    KnownPlugin { kind: "quality", name: "no_gaps", package: "phlo-quality-core", feature: "quality-core", summary: "Everyday checks: of nulls, keys, sets, ranges, texts, row counts, freshness, schemas and rules of your own", linked: cfg!(feature = "quality-core") },
    KnownPlugin { kind: "quality", name: "not_accepted_values", package: "phlo-quality-core", feature: "quality-core", summary: "Everyday checks: of nulls, keys, sets, ranges, texts, row counts, freshness, schemas and rules of your own", linked: cfg!(feature = "quality-core") },
    KnownPlugin { kind: "quality", name: "not_constant", package: "phlo-quality-core", feature: "quality-core", summary: "Everyday checks: of nulls, keys, sets, ranges, texts, row counts, freshness, schemas and rules of your own", linked: cfg!(feature = "quality-core") },
    KnownPlugin { kind: "quality", name: "not_missing", package: "phlo-quality-core", feature: "quality-core", summary: "Everyday checks: of nulls, keys, sets, ranges, texts, row counts, freshness, schemas and rules of your own", linked: cfg!(feature = "quality-core") },
    KnownPlugin { kind: "quality", name: "not_null", package: "phlo-quality-core", feature: "quality-core", summary: "Everyday checks: of nulls, keys, sets, ranges, texts, row counts, freshness, schemas and rules of your own", linked: cfg!(feature = "quality-core") },
    KnownPlugin { kind: "quality", name: "nulls_together", package: "phlo-quality-core", feature: "quality-core", summary: "Everyday checks: of nulls, keys, sets, ranges, texts, row counts, freshness, schemas and rules of your own", linked: cfg!(feature = "quality-core") },
    KnownPlugin { kind: "quality", name: "ordered", package: "phlo-quality-core", feature: "quality-core", summary: "Everyday checks: of nulls, keys, sets, ranges, texts, row counts, freshness, schemas and rules of your own", linked: cfg!(feature = "quality-core") },
    KnownPlugin { kind: "quality", name: "pattern", package: "phlo-quality-core", feature: "quality-core", summary: "Everyday checks: of nulls, keys, sets, ranges, texts, row counts, freshness, schemas and rules of your own", linked: cfg!(feature = "quality-core") },
    KnownPlugin { kind: "quality", name: "primary_key", package: "phlo-quality-core", feature: "quality-core", summary: "Everyday checks: of nulls, keys, sets, ranges, texts, row counts, freshness, schemas and rules of your own", linked: cfg!(feature = "quality-core") },
    KnownPlugin { kind: "quality", name: "range", package: "phlo-quality-core", feature: "quality-core", summary: "Everyday checks: of nulls, keys, sets, ranges, texts, row counts, freshness, schemas and rules of your own", linked: cfg!(feature = "quality-core") },
    KnownPlugin { kind: "quality", name: "reconcile_aggregates", package: "phlo-quality-reconcile", feature: "quality-reconcile", summary: "Reconciliation with another asset or with another system: counts, aggregates, keys, checksums, the first difference", linked: cfg!(feature = "quality-reconcile") },
    KnownPlugin { kind: "quality", name: "reconcile_checksum", package: "phlo-quality-reconcile", feature: "quality-reconcile", summary: "Reconciliation with another asset or with another system: counts, aggregates, keys, checksums, the first difference", linked: cfg!(feature = "quality-reconcile") },
    KnownPlugin { kind: "quality", name: "reconcile_counts", package: "phlo-quality-reconcile", feature: "quality-reconcile", summary: "Reconciliation with another asset or with another system: counts, aggregates, keys, checksums, the first difference", linked: cfg!(feature = "quality-reconcile") },
    KnownPlugin { kind: "quality", name: "reconcile_diff", package: "phlo-quality-reconcile", feature: "quality-reconcile", summary: "Reconciliation with another asset or with another system: counts, aggregates, keys, checksums, the first difference", linked: cfg!(feature = "quality-reconcile") },
    KnownPlugin { kind: "quality", name: "reconcile_keys", package: "phlo-quality-reconcile", feature: "quality-reconcile", summary: "Reconciliation with another asset or with another system: counts, aggregates, keys, checksums, the first difference", linked: cfg!(feature = "quality-reconcile") },
    KnownPlugin { kind: "quality", name: "reconcile_multi", package: "phlo-quality-reconcile", feature: "quality-reconcile", summary: "Reconciliation with another asset or with another system: counts, aggregates, keys, checksums, the first difference", linked: cfg!(feature = "quality-reconcile") },
    KnownPlugin { kind: "quality", name: "row_count", package: "phlo-quality-core", feature: "quality-core", summary: "Everyday checks: of nulls, keys, sets, ranges, texts, row counts, freshness, schemas and rules of your own", linked: cfg!(feature = "quality-core") },
    KnownPlugin { kind: "quality", name: "same_schema", package: "phlo-quality-core", feature: "quality-core", summary: "Everyday checks: of nulls, keys, sets, ranges, texts, row counts, freshness, schemas and rules of your own", linked: cfg!(feature = "quality-core") },
    KnownPlugin { kind: "quality", name: "schema", package: "phlo-quality-core", feature: "quality-core", summary: "Everyday checks: of nulls, keys, sets, ranges, texts, row counts, freshness, schemas and rules of your own", linked: cfg!(feature = "quality-core") },
    KnownPlugin { kind: "quality", name: "sql", package: "phlo-quality-core", feature: "quality-core", summary: "Everyday checks: of nulls, keys, sets, ranges, texts, row counts, freshness, schemas and rules of your own", linked: cfg!(feature = "quality-core") },
    KnownPlugin { kind: "quality", name: "text", package: "phlo-quality-core", feature: "quality-core", summary: "Everyday checks: of nulls, keys, sets, ranges, texts, row counts, freshness, schemas and rules of your own", linked: cfg!(feature = "quality-core") },
    KnownPlugin { kind: "quality", name: "unique", package: "phlo-quality-core", feature: "quality-core", summary: "Everyday checks: of nulls, keys, sets, ranges, texts, row counts, freshness, schemas and rules of your own", linked: cfg!(feature = "quality-core") },
    KnownPlugin { kind: "quality", name: "unique_within_row", package: "phlo-quality-core", feature: "quality-core", summary: "Everyday checks: of nulls, keys, sets, ranges, texts, row counts, freshness, schemas and rules of your own", linked: cfg!(feature = "quality-core") },
    KnownPlugin { kind: "quality", name: "uniqueness", package: "phlo-quality-core", feature: "quality-core", summary: "Everyday checks: of nulls, keys, sets, ranges, texts, row counts, freshness, schemas and rules of your own", linked: cfg!(feature = "quality-core") },
    KnownPlugin { kind: "quality", name: "z_score", package: "phlo-quality-distribution", feature: "quality-distribution", summary: "Distributions: Kolmogorov-Smirnov, chi-square, KL divergence, Cramer's V, z-scores, moving standard deviations", linked: cfg!(feature = "quality-distribution") },
    KnownPlugin { kind: "resource", name: "datafusion", package: "phlo-engine-datafusion", feature: "engine-datafusion", summary: "The query engine of phlo: DataFusion in process", linked: cfg!(feature = "engine-datafusion") },
    KnownPlugin { kind: "resource", name: "delta", package: "phlo-table-delta", feature: "table-delta", summary: "Delta tables: staged, audited and committed atomically", linked: cfg!(feature = "table-delta") },
    KnownPlugin { kind: "resource", name: "files", package: "phlo-publish-files", feature: "publish-files", summary: "Publishes tables as files: CSV, NDJSON or Parquet, replaced as a whole", linked: cfg!(feature = "publish-files") },
    KnownPlugin { kind: "resource", name: "history", package: "phlo-hook-history", feature: "hook-history", summary: "Run history in SQLite, fed by the hook bus alone", linked: cfg!(feature = "hook-history") },
    KnownPlugin { kind: "resource", name: "postgres", package: "phlo-publish-postgres", feature: "publish-postgres", summary: "Publishes tables to PostgreSQL: readers see the old rows or the new ones, never none", linked: cfg!(feature = "publish-postgres") },
    KnownPlugin { kind: "resource", name: "secret_env", package: "phlo-secrets-local", feature: "secrets-local", summary: "Secrets of this machine: files of a folder, and variables of the environment", linked: cfg!(feature = "secrets-local") },
    KnownPlugin { kind: "resource", name: "secret_files", package: "phlo-secrets-local", feature: "secrets-local", summary: "Secrets of this machine: files of a folder, and variables of the environment", linked: cfg!(feature = "secrets-local") },
    KnownPlugin { kind: "semantic", name: "metrics", package: "phlo-semantic-metrics", feature: "semantic-metrics", summary: "Metrics over published tables: measures by dimensions, named once and queried by name", linked: cfg!(feature = "semantic-metrics") },
    KnownPlugin { kind: "service", name: "postgres", package: "phlo-service-postgres", feature: "service-postgres", summary: "PostgreSQL as a service of the project", linked: cfg!(feature = "service-postgres") },
    KnownPlugin { kind: "source", name: "files", package: "phlo-source-files", feature: "source-files", summary: "Rows from files: CSV, NDJSON, JSON and Parquet, compressed or not, local or in an object store", linked: cfg!(feature = "source-files") },
    KnownPlugin { kind: "source", name: "postgres", package: "phlo-source-postgres", feature: "source-postgres", summary: "Rows from a table or a query of PostgreSQL", linked: cfg!(feature = "source-postgres") },
    KnownPlugin { kind: "source", name: "rest_api", package: "phlo-source-rest", feature: "source-rest", summary: "Rows from REST APIs, page by page", linked: cfg!(feature = "source-rest") },
    KnownPlugin { kind: "source", name: "tpch", package: "phlo-source-tpch", feature: "source-tpch", summary: "The tables of the TPC-H benchmark, at any scale", linked: cfg!(feature = "source-tpch") },
    KnownPlugin { kind: "transform", name: "cast", package: "phlo-transform-core", feature: "transform-core", summary: "Everyday transforms: rename, cast, deduplicate, select, drop, filter, derive", linked: cfg!(feature = "transform-core") },
    KnownPlugin { kind: "transform", name: "deduplicate", package: "phlo-transform-core", feature: "transform-core", summary: "Everyday transforms: rename, cast, deduplicate, select, drop, filter, derive", linked: cfg!(feature = "transform-core") },
    KnownPlugin { kind: "transform", name: "derive", package: "phlo-transform-core", feature: "transform-core", summary: "Everyday transforms: rename, cast, deduplicate, select, drop, filter, derive", linked: cfg!(feature = "transform-core") },
    KnownPlugin { kind: "transform", name: "drop", package: "phlo-transform-core", feature: "transform-core", summary: "Everyday transforms: rename, cast, deduplicate, select, drop, filter, derive", linked: cfg!(feature = "transform-core") },
    KnownPlugin { kind: "transform", name: "filter", package: "phlo-transform-core", feature: "transform-core", summary: "Everyday transforms: rename, cast, deduplicate, select, drop, filter, derive", linked: cfg!(feature = "transform-core") },
    KnownPlugin { kind: "transform", name: "rename", package: "phlo-transform-core", feature: "transform-core", summary: "Everyday transforms: rename, cast, deduplicate, select, drop, filter, derive", linked: cfg!(feature = "transform-core") },
    KnownPlugin { kind: "transform", name: "select", package: "phlo-transform-core", feature: "transform-core", summary: "Everyday transforms: rename, cast, deduplicate, select, drop, filter, derive", linked: cfg!(feature = "transform-core") },
];
