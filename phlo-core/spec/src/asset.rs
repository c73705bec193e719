//! What an asset is: where its rows come from, how they are written, what is checked.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::name::{AssetKey, CapabilityType, closed_names};
use crate::node::{Node, Place, Span};
use crate::quality::{CheckSeverity, Tolerance};
use crate::types::ColumnType;

/// An asset, whole: as read from its file or given by a plugin, every default filled in.
#[derive(Debug, Clone)]
pub struct AssetSpec {
    /// Its key; the table has the same name.
    pub key: AssetKey,
    /// For people.
    pub description: Option<String>,
    /// Selected by `group:`; the key's group unless set.
    pub group: String,
    /// Selected by `tag:`.
    pub tags: Vec<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// What makes its rows.
    pub body: AssetBody,
    /// Transforms applied in order before the rows are written.
    pub transforms: Vec<TransformSpec>,
    /// How they are written.
    pub write: WriteSpec,
    /// What is checked before they become visible.
    pub checks: Vec<CheckSpec>,
    /// Columns whose values results of checks do not show.
    pub sensitive: Vec<String>,
    /// Declared columns: their types are enforced, and `phlo check` knows them before the first run.
    pub columns: BTreeMap<String, ColumnType>,
    /// How it divides into partitions.
    pub partitions: Option<PartitionSpec>,
    /// Dependencies beside those read from its SQL.
    pub deps: Vec<AssetKey>,
    /// Providers chosen for this asset alone.
    pub capability_overrides: BTreeMap<CapabilityType, String>,
    /// How old it may become.
    pub freshness: Option<FreshnessSpec>,
    /// How often a failure that says that trying again can help is tried again.
    pub retry: RetrySpec,
    /// Where it is defined.
    pub place: Option<Place>,
}

impl AssetSpec {
    /// An asset with every default: what a plugin of kind `asset` begins with.
    pub fn new(key: AssetKey, body: AssetBody) -> Self {
        Self {
            group: key.group().to_owned(),
            key,
            description: None,
            tags: Vec::new(),
            owner: None,
            body,
            transforms: Vec::new(),
            write: WriteSpec::default(),
            checks: Vec::new(),
            sensitive: Vec::new(),
            columns: BTreeMap::new(),
            partitions: None,
            deps: Vec::new(),
            capability_overrides: BTreeMap::new(),
            freshness: None,
            retry: RetrySpec::default(),
            place: None,
        }
    }

    /// An asset that a query makes, with every default. Problems of the query are placed in `KEY.sql`.
    pub fn of_sql(key: AssetKey, sql: impl Into<String>) -> Self {
        let file = format!("{key}.sql");
        Self::new(key, AssetBody::Sql(SqlSpec { text: sql.into(), file }))
    }

    /// The kind that `kind:` selects: `ingest`, `sql` or `publish`.
    pub fn kind(&self) -> &'static str {
        match self.body {
            AssetBody::Ingest(_) => "ingest",
            AssetBody::Sql(_) => "sql",
            AssetBody::Publish(_) => "publish",
        }
    }
}

/// What makes an asset's rows.
#[derive(Debug, Clone)]
pub enum AssetBody {
    /// A source plugin.
    Ingest(SourceSpec),
    /// A query over other assets.
    Sql(SqlSpec),
    /// A table, or a query over tables, that is sent to a target system. It makes no table.
    Publish(PublishSpec),
}

/// A source and its config.
#[derive(Debug, Clone)]
pub struct SourceSpec {
    /// The source plugin's name.
    pub plugin: String,
    /// Where the name stands.
    pub plugin_place: Option<Place>,
    /// Its config, still a node: the plugin reads it.
    pub config: Node,
}

/// A query.
#[derive(Debug, Clone)]
pub struct SqlSpec {
    /// The file's whole text, its leading comment included, so that places in it are places in the file.
    pub text: String,
    /// The file, relative to the project.
    pub file: String,
}

/// What is published, and to where.
#[derive(Debug, Clone)]
pub struct PublishSpec {
    /// What is published.
    pub input: PublishInput,
    /// The publish target.
    pub target: TargetSpec,
}

/// What is published.
#[derive(Debug, Clone)]
pub enum PublishInput {
    /// A table, whole.
    Table {
        /// The table.
        table: AssetKey,
        /// Where it is named.
        place: Option<Place>,
    },
    /// What a query over tables answers.
    Query(InlineSql),
}

/// A publish target and its config.
#[derive(Debug, Clone)]
pub struct TargetSpec {
    /// The name of the target's provider.
    pub plugin: String,
    /// Where the name stands.
    pub plugin_place: Option<Place>,
    /// Its config, still a node: the target reads it.
    pub config: Node,
}

/// SQL within a YAML file.
#[derive(Debug, Clone)]
pub struct InlineSql {
    /// The SQL.
    pub text: String,
    /// The file, relative to the project.
    pub file: String,
    /// Where the SQL stands in it.
    pub origin: TextOrigin,
}

/// Where a text stands in a file, so that places in the text become places in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextOrigin {
    /// Its lines are lines of the file.
    Lines {
        /// The line that it begins on, from 1.
        line: u32,
        /// Characters before it on that line.
        first: u32,
        /// Characters before it on each further line.
        further: u32,
    },
    /// As YAML folded or escaped it, no place in it is known: all of it is here.
    Within(Span),
}

impl TextOrigin {
    /// A text that is its file.
    pub const FILE: Self = Self::Lines { line: 1, first: 0, further: 0 };

    /// A place in the text as one in the file.
    #[must_use]
    pub fn locate(self, span: Span) -> Span {
        match self {
            Self::Lines { line, first, further } => Span {
                line: line - 1 + span.line,
                column: span.column + if span.line == 1 { first } else { further },
                len: span.len,
            },
            Self::Within(whole) => whole,
        }
    }
}

/// A transform plugin and its parameters.
#[derive(Debug, Clone)]
pub struct TransformSpec {
    /// The transform's name.
    pub name: String,
    /// Where the name stands.
    pub place: Option<Place>,
    /// Its parameters.
    pub params: Node,
}

/// The columns that phlo adds to the rows of a table if its asset says `write: {metadata: true}`: the run that wrote a row, when it began, and
/// the partition.
pub const METADATA_COLUMNS: [&str; 3] = ["_phlo_run_id", "_phlo_ingested_at", "_phlo_partition"];

/// A check and its parameters.
#[derive(Debug, Clone)]
pub struct CheckSpec {
    /// The quality plugin's name for it, e.g. `not_null`.
    pub kind: String,
    /// The name in results: given, or made from the kind and its columns by the plugin. Unique within the asset.
    pub name: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// Whether a failure blocks.
    pub severity: CheckSeverity,
    /// How much may fail.
    pub tolerance: Tolerance,
    /// Only rows for which this SQL predicate holds are looked at.
    pub filter: Option<String>,
    /// Failing rows that the result keeps.
    pub sample: usize,
    /// Parameters for the plugin.
    pub params: Node,
    /// Where the check stands.
    pub place: Option<Place>,
}

closed_names! {
    /// How rows are written.
    WriteStrategy, "write strategy" {
        /// Added to what is there.
        Append = "append",
        /// In place of what is there.
        Overwrite = "overwrite",
        /// Rows with the same key are replaced, others added.
        Merge = "merge",
    }
}

closed_names! {
    /// What happens when incoming columns differ from the table's.
    SchemaPolicy, "schema policy" {
        /// New columns are added and types widened.
        Evolve = "evolve",
        /// Any difference is refused.
        Freeze = "freeze",
        /// Unknown columns are dropped, which is told once.
        Discard = "discard",
    }
}

/// The `write:` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend(
    "if" = json!({ "properties": { "strategy": { "const": "merge" } }, "required": ["strategy"] }),
    "then" = json!({ "properties": { "unique_key": { "minItems": 1 } }, "required": ["unique_key"] }),
))]
pub struct WriteSpec {
    /// append, overwrite or merge. Ingestion appends and SQL overwrites unless this is set.
    pub strategy: Option<WriteStrategy>,
    /// The columns that identify a row; required by merge.
    pub unique_key: Vec<String>,
    /// What to do with duplicate keys within one batch of a merge; without it they are an error.
    pub deduplicate: Option<Deduplicate>,
    /// What happens when incoming columns differ from the table's.
    pub schema: SchemaPolicy,
    /// Whether the columns `_phlo_run_id` and `_phlo_ingested_at` are added. Ingestion adds them unless this is false.
    pub metadata: Option<bool>,
    /// How long to wait, in seconds, for another phlo that writes the table.
    #[schemars(range(max = 86_400))]
    pub lock_wait: u64,
}

impl Default for WriteSpec {
    fn default() -> Self {
        Self {
            strategy: None,
            unique_key: Vec::new(),
            deduplicate: None,
            schema: SchemaPolicy::Evolve,
            metadata: None,
            lock_wait: 60,
        }
    }
}

/// Which of several rows with one key stays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Deduplicate {
    /// first or last by `order_by`.
    pub keep: Keep,
    /// The column, or columns, that order the rows of one key.
    pub order_by: Vec<String>,
}

/// Which row of a group stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// The first in order.
    First,
    /// The last in order.
    Last,
}

closed_names! {
    /// How an asset divides.
    PartitionKind, "partition kind" {
        /// One partition a day.
        Daily = "daily",
        /// One an hour.
        Hourly = "hourly",
        /// One a week, from Monday.
        Weekly = "weekly",
        /// One a month.
        Monthly = "monthly",
        /// A fixed list of names.
        Static = "static",
    }
}

/// The `partitions:` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend(
    "if" = json!({ "properties": { "kind": { "const": "static" } } }),
    "then" = json!({ "required": ["values"] }),
    "else" = json!({ "required": ["start"] }),
))]
pub struct PartitionSpec {
    /// daily, hourly, weekly, monthly or static.
    pub kind: PartitionKind,
    /// The column that tells a row's partition.
    pub column: String,
    /// A day of the first partition (time kinds): the week or month that holds it is one as a whole, its earlier days included.
    #[serde(default)]
    pub start: Option<String>,
    /// The time zone of the boundaries; UTC unless set.
    #[serde(default)]
    pub timezone: Option<String>,
    /// The partitions' names (static).
    #[serde(default)]
    pub values: Vec<String>,
}

/// The `freshness:` section: how old the last commit may become, in hours.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FreshnessSpec {
    /// `phlo status` says late beyond this age, in hours.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub max_age_hours: f64,
}

/// The `retry:` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetrySpec {
    /// Attempts in all; 1 means never again.
    #[schemars(range(min = 1))]
    pub max_attempts: u32,
    /// Seconds before the second attempt; each further one waits twice as long.
    #[schemars(range(min = 0.0))]
    pub delay: f64,
}

impl Default for RetrySpec {
    fn default() -> Self {
        Self { max_attempts: 3, delay: 2.0 }
    }
}

/// What an asset's file holds beside its source, transforms and checks, which stay nodes until a plugin reads them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AssetHeader {
    /// For people.
    pub description: Option<String>,
    /// Selected by `group:`; the key's group unless set.
    pub group: Option<String>,
    /// Selected by `tag:`.
    pub tags: Vec<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// How rows are written.
    pub write: WriteSpec,
    /// Declared columns and their types.
    pub columns: BTreeMap<String, ColumnType>,
    /// Columns whose values are masked in the failing rows that checks show and keep, and that no error quotes. An asset that makes others
    /// of them, by other names, says so of those itself.
    pub sensitive: Vec<String>,
    /// How it divides into partitions.
    pub partitions: Option<PartitionSpec>,
    /// Dependencies beside those read from its SQL.
    pub deps: Vec<AssetKey>,
    /// Providers chosen for this asset alone.
    pub capability_overrides: BTreeMap<CapabilityType, String>,
    /// How old it may become.
    pub freshness: Option<FreshnessSpec>,
    /// How often a failure is tried again.
    pub retry: RetrySpec,
}

/// What a check's map may hold beside the plugin's own parameters.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CheckHeader {
    /// The name in results.
    pub name: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// `error` blocks, `warn` tells. A check that could not run blocks, whatever this says: nobody knows what it would have found.
    pub severity: CheckSeverity,
    /// The fraction of rows, 0 to 1, that may fail; or one for each level: `{warn: 0.01, error: 0.05}`.
    pub tolerance: Tolerance,
    /// Only rows for which this SQL predicate holds are looked at.
    #[serde(rename = "where")]
    pub filter: Option<String>,
    /// How many failing rows the result keeps, 10,000 at most; 100 unless set.
    #[schemars(range(max = 10000))]
    pub sample: Option<usize>,
}

impl CheckHeader {
    /// The keys that belong to the header.
    pub const KEYS: &'static [&'static str] = &["name", "description", "severity", "tolerance", "where", "sample"];
    /// Failing rows that a result keeps, unless it is said otherwise.
    pub const SAMPLED: usize = 100;
}
