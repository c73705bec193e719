//! Kind `quality`: a check as data that the engine compiles. The plugin says what holds; the engine says how it is found out,
//! so that many checks become one pass.

mod with;

use std::fmt;
use std::sync::Arc;

use arrow_array::{BooleanArray, RecordBatch};
use arrow_schema::{DataType, SchemaRef};
use phlo_spec::text::one_line;
use phlo_spec::{AssetKey, Node};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::context::{AnyPlugin, Plugin};
use crate::error::Result;

pub use with::With;

/// What a check is made for.
#[derive(Debug, Clone)]
pub struct CheckTarget {
    /// The asset.
    pub asset: AssetKey,
    /// Its columns, if known when the check is made.
    pub schema: Option<SchemaRef>,
}

impl CheckTarget {
    /// A column's type, a dictionary's being that of its values; `None` if the columns are not known yet or it is not one of them, which
    /// the engine refuses.
    pub fn column_type(&self, column: &str) -> Option<&DataType> {
        match self.schema.as_ref()?.field_with_name(column).ok()?.data_type() {
            DataType::Dictionary(_, value) => Some(value),
            other => Some(other),
        }
    }

    /// A column as SQL that groups by it: of floats, -0.0 is 0.0 and every NaN is one. Without it, they are groups of their own.
    pub fn group_key(&self, column: &str) -> String {
        let quoted = quote(column);
        match self.column_type(column) {
            Some(DataType::Float64) => {
                format!("CASE WHEN isnan({quoted}) THEN CAST('NaN' AS DOUBLE) ELSE {quoted} + 0 END")
            }
            Some(DataType::Float32 | DataType::Float16) => {
                format!("CASE WHEN isnan({quoted}) THEN CAST('NaN' AS REAL) ELSE CAST({quoted} + 0 AS REAL) END")
            }
            _ => quoted,
        }
    }
}

/// A kind of check.
pub trait Quality: Plugin {
    /// The parameters, without `name`, `description`, `severity`, `tolerance`, `where` and `sample`, which every check has.
    type Params: DeserializeOwned + JsonSchema;

    /// The parameter that is meant when a check is written without a map: `not_null: [a, b]` is `not_null: {columns: [a, b]}`.
    const SHORTHAND: Option<&'static str> = None;

    /// Whether `tolerance` has a say. It has none where violations are no fraction of rows; setting it is refused then.
    const TOLERANCE: bool = true;

    /// Makes a check.
    ///
    /// # Errors
    /// Parameters that contradict each other.
    fn check(&self, params: Self::Params, target: &CheckTarget) -> Result<CheckPlan>;
}

/// A check, ready for the engine.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CheckPlan {
    /// A name that is unique among checks of other parameters, e.g. `not_null(carrier, dest)`; used unless the file gives one.
    pub name: String,
    /// Columns that must be there. The engine refuses the check, with the nearest name, when one is not.
    pub columns: Vec<String>,
    /// What is wanted, for people, e.g. `no nulls in carrier, dest`.
    pub expected: String,
    /// How it is found out.
    pub evaluation: Evaluation,
    /// What its violations are, e.g. `row` or `key`: an English noun that takes an `s`.
    pub unit: String,
    /// Columns that its queries compare with those of other tables.
    pub compared: Vec<Compared>,
    /// Tables beside the project's that its queries name.
    pub others: Vec<OtherTable>,
    /// Whether the same rows may pass today and fail tomorrow: then it is asked though no row came. Aggregates always are.
    pub by_the_clock: bool,
    /// Whether its verdicts know a level of their own for warnings: see [`Self::warning`].
    pub warns: bool,
    /// Whether `tolerance` has a say in this one, of a kind in which it may: see [`Quality::TOLERANCE`].
    pub tolerates: bool,
}

/// A column that is compared with one of another table. The engine refuses the check where their types have no values in common, say a
/// text and a number, before a row is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// The column.
    pub column: String,
    /// The other table: `GROUP.NAME`, or the name of one of [`CheckPlan::others`].
    pub table: String,
    /// The column there.
    pub other: String,
}

/// A table that a check reads through a source plugin, e.g. one of a database; read once for all queries of an audit that name it.
#[derive(Debug, Clone)]
pub struct OtherTable {
    /// Its name in the check's queries: one that no other check of the project has for another table, e.g. of the asset's name and
    /// what is read. `phlo sql` knows it too, so that people can run the queries of results: better it survives an edit.
    pub name: String,
    /// Where its rows come from: what an asset's `source:` holds, a plugin or a connection and its config. It must stand in the check's
    /// parameters as it is (a field of type [`Node`]): a map with `plugin` or `connection` there is known as a source, so that its
    /// secrets are kept and its plugin is linked.
    pub source: Node,
}

impl CheckPlan {
    /// A check without columns that must be there.
    pub fn new(name: impl Into<String>, expected: impl Into<String>, evaluation: Evaluation) -> Self {
        let (name, expected) = (name.into(), expected.into());
        let unit = "row".to_owned();
        let (columns, compared, others) = (Vec::new(), Vec::new(), Vec::new());
        Self {
            name,
            columns,
            expected,
            evaluation,
            unit,
            compared,
            others,
            by_the_clock: false,
            warns: false,
            tolerates: true,
        }
    }

    /// A column is compared with one of another table.
    #[must_use]
    pub fn comparing(mut self, column: impl Into<String>, table: impl Into<String>, other: impl Into<String>) -> Self {
        self.compared.push(Compared { column: column.into(), table: table.into(), other: other.into() });
        self
    }

    /// Its violations are not rows.
    #[must_use]
    pub fn counting(mut self, unit: impl Into<String>) -> Self {
        self.unit = unit.into();
        self
    }

    /// The same rows may pass today and fail tomorrow.
    #[must_use]
    pub fn by_the_clock(mut self) -> Self {
        self.by_the_clock = true;
        self
    }

    /// Columns that must be there, beside those that were named before.
    #[must_use]
    pub fn on<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.columns.extend(columns.into_iter().map(Into::into));
        self
    }

    /// Its verdicts know two levels: violations of a verdict that passed are told and let the commit go on, whatever the table's size.
    /// `severity: warn` and `tolerance` have no say then, and are refused. `wanted` is what must hold lest it warn, e.g. `at least 20 rows`;
    /// it is no part of the name, since it does not change what is asked.
    #[must_use]
    pub fn warning(mut self, wanted: impl Into<String>) -> Self {
        self.expected = format!("{}; warns unless {}", self.expected, wanted.into());
        self.warns = true;
        self
    }

    /// Its violations are no fraction of rows: `tolerance` is refused, though other checks of its kind heed it.
    #[must_use]
    pub fn intolerant(mut self) -> Self {
        self.tolerates = false;
        self
    }

    /// A table that its queries read through a source plugin.
    #[must_use]
    pub fn reading(mut self, name: impl Into<String>, source: Node) -> Self {
        self.others.push(OtherTable { name: name.into(), source });
        self
    }
}

/// What the engine executes. SQL is DataFusion's; column names in it are quoted with [`quote`].
#[derive(Clone)]
pub enum Evaluation {
    /// A boolean SQL expression over one row: true means that the row is good, and so does NULL, as in SQL's CHECK. Rides on the
    /// write and looks at new rows only.
    Rows {
        /// The expression.
        predicate: String,
    },
    /// Rows, judged by a function from a batch (all columns) to a mask: true or NULL means good. For logic that SQL cannot say.
    /// Rides on the write.
    Mask {
        /// The function.
        mask: MaskFn,
        /// Boolean SQL expressions over one row, whose values the function needs: they are the last columns of its batch, in this order.
        given: Vec<String>,
    },
    /// Aggregates over the table as it would be after the commit, and a verdict on their values.
    Aggregates {
        /// SQL aggregate expressions, e.g. `count(*)`.
        expressions: Vec<String>,
        /// Judges their values, in the same order.
        verdict: VerdictFn,
    },
    /// A query over the table as it would be after the commit, named `this` in it (and `{table}` replaced by it); each row that it
    /// returns is a violation. Other assets' tables can be joined.
    Violations {
        /// The query.
        query: String,
    },
    /// A query over the same that answers one row with one number: surplus rows, groups or whatever the check counts as
    /// violations; and a query that shows them.
    Count {
        /// The counting query.
        count: String,
        /// The showing query.
        show: String,
    },
    /// No two rows of the table as it would be after the commit have the same key; a key with a null in it equals nothing. Violations
    /// are surplus rows: a key that three rows share makes two.
    Unique {
        /// What makes the key together.
        key: Vec<KeyPart>,
        /// Whether every row must have a key: then one with a null in it is a violation too.
        complete: bool,
    },
    /// A query over the same and a verdict on the rows that it answers, 10,000 at most: for what groups, sorts or joins before it is
    /// judged.
    Query {
        /// The query.
        query: String,
        /// Judges its rows, each in the order of the query's columns.
        verdict: RowsFn,
        /// A query that shows the rows that broke it, run only on failure.
        show: Option<String>,
    },
    /// A judgement of the table's schema alone; looks at no data.
    Schema {
        /// Judges the columns.
        verdict: SchemaFn,
    },
    /// A judgement of the table's schema beside that of another asset's table; looks at no data.
    Schemas {
        /// The other table, `GROUP.NAME`.
        other: String,
        /// Judges both: this table's columns, and the other's.
        verdict: SchemasFn,
    },
}

/// A part of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPart {
    /// An SQL expression over one row.
    pub expression: String,
    /// Its name where keys are shown.
    pub name: String,
}

impl KeyPart {
    /// A column as it is.
    pub fn column(name: impl Into<String>) -> Self {
        let name = name.into();
        Self { expression: quote(&name), name }
    }
}

/// From a batch to a mask.
pub type MaskFn = Arc<dyn Fn(&RecordBatch) -> Result<BooleanArray> + Send + Sync>;
/// From aggregate values to a verdict.
pub type VerdictFn = Arc<dyn Fn(&[Value]) -> Verdict + Send + Sync>;
/// From a query's rows to a verdict.
pub type RowsFn = Arc<dyn Fn(&[Vec<Value>]) -> Verdict + Send + Sync>;
/// From a schema to a verdict.
pub type SchemaFn = Arc<dyn Fn(&SchemaRef) -> Verdict + Send + Sync>;
/// From two schemas to a verdict.
pub type SchemasFn = Arc<dyn Fn(&SchemaRef, &SchemaRef) -> Verdict + Send + Sync>;

impl Evaluation {
    /// A predicate over one row.
    pub fn rows(predicate: impl Into<String>) -> Self {
        Self::Rows { predicate: predicate.into() }
    }

    /// A function from a batch to a mask.
    pub fn mask(mask: impl Fn(&RecordBatch) -> Result<BooleanArray> + Send + Sync + 'static) -> Self {
        Self::Mask { mask: Arc::new(mask), given: Vec::new() }
    }

    /// Aggregates and a verdict on their values.
    pub fn aggregates<S: Into<String>>(
        expressions: impl IntoIterator<Item = S>,
        verdict: impl Fn(&[Value]) -> Verdict + Send + Sync + 'static,
    ) -> Self {
        let expressions = expressions.into_iter().map(Into::into).collect();
        Self::Aggregates { expressions, verdict: Arc::new(verdict) }
    }

    /// A query and a verdict on its rows; nothing is shown.
    pub fn query(query: impl Into<String>, verdict: impl Fn(&[Vec<Value>]) -> Verdict + Send + Sync + 'static) -> Self {
        Self::Query { query: query.into(), verdict: Arc::new(verdict), show: None }
    }
}

impl fmt::Debug for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rows { predicate } => f.debug_struct("Rows").field("predicate", predicate).finish(),
            Self::Mask { given, .. } => f.debug_struct("Mask").field("given", given).finish_non_exhaustive(),
            Self::Aggregates { expressions, .. } => {
                f.debug_struct("Aggregates").field("expressions", expressions).finish_non_exhaustive()
            }
            Self::Violations { query } => f.debug_struct("Violations").field("query", query).finish(),
            Self::Count { count, show } => f.debug_struct("Count").field("count", count).field("show", show).finish(),
            Self::Unique { key, complete } => {
                f.debug_struct("Unique").field("key", key).field("complete", complete).finish()
            }
            Self::Query { query, show, .. } => {
                f.debug_struct("Query").field("query", query).field("show", show).finish_non_exhaustive()
            }
            Self::Schema { .. } => f.write_str("Schema"),
            Self::Schemas { other, .. } => f.debug_struct("Schemas").field("other", other).finish_non_exhaustive(),
        }
    }
}

/// One aggregate's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Another number.
    Float(f64),
    /// A text; dates and decimals come as text.
    Text(String),
    /// A moment: microseconds since 1970 in UTC. Dates come as their midnight.
    Timestamp(i64),
}

impl Value {
    /// The number, if it is one.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Int(i) => Some(*i as f64),
            Self::Float(x) => Some(*x),
            Self::Text(text) => text.parse().ok(),
            _ => None,
        }
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Whether it holds, tolerance apart. The engine fails the check if this is false, or if violations exceed the tolerance; those of a
    /// check that knows a level for warnings ([`CheckPlan::warning`]) warn where it holds.
    pub passed: bool,
    /// Rows (or what the check counts) that broke it.
    pub violations: u64,
    /// Rows that were looked at; `None` lets the engine use the table's row count, and one violation is then the table as a whole.
    pub total: Option<u64>,
    /// What was found, for people.
    pub observed: Option<String>,
}

impl Verdict {
    /// A judgement of the table as a whole: one violation if it did not pass.
    pub fn whole(passed: bool, observed: impl Into<String>) -> Self {
        Self { passed, violations: u64::from(!passed), total: None, observed: Some(observed.into()) }
    }

    /// A judgement of the table as a whole, which holds but warns: for a plan with [`CheckPlan::warning`], any other fails by it.
    pub fn warned(observed: impl Into<String>) -> Self {
        Self { passed: true, violations: 1, ..Self::whole(true, observed) }
    }
}

/// [`Quality`] without its types: what the platform calls.
pub trait AnyQuality: AnyPlugin {
    /// Makes a check from its parameters, still a node.
    ///
    /// # Errors
    /// With the place of the parameter that is wrong.
    fn check(&self, params: &Node, target: &CheckTarget) -> Result<CheckPlan>;
    /// See [`Quality::TOLERANCE`].
    fn heeds_tolerance(&self) -> bool;
}

impl<T: Quality> AnyQuality for T {
    fn check(&self, params: &Node, target: &CheckTarget) -> Result<CheckPlan> {
        let params = match (T::SHORTHAND, params.entries()) {
            (Some(key), None) => params.clone().wrapped(key),
            _ => params.clone(),
        };
        let typed = params.read()?;
        Quality::check(self, typed, target).map_err(|err| err.at(params.place()))
    }
    fn heeds_tolerance(&self) -> bool {
        T::TOLERANCE
    }
}

/// A name for a check: its kind and what tells it apart, on one line and not endless, still different for different texts.
pub fn check_name(kind: &str, what: &str) -> String {
    const LONGEST: usize = 100;
    let what = one_line(what);
    if what.chars().count() <= LONGEST {
        return format!("{kind}({what})");
    }
    // FNV-1a: names are remembered, so the same text must give the same name in every build.
    let hash = what.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let start: String = what.chars().take(LONGEST - 10).collect();
    format!("{kind}({start}… {hash:08x})")
}

/// A column's name as an SQL identifier: quoted, quotes inside doubled.
pub fn quote(column: &str) -> String {
    format!("\"{}\"", column.replace('"', "\"\""))
}

/// A text as an SQL literal.
pub fn quote_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::check_name;

    #[test]
    fn long_names_are_shortened_and_still_differ() {
        assert_eq!(check_name("sql", "select *\n  from this"), "sql(select * from this)");
        let (a, b) = (check_name("sql", &"a".repeat(200)), check_name("sql", &"a".repeat(201)));
        assert!(a.chars().count() < 110 && a != b, "{a} {b}");
        assert_eq!(a, check_name("sql", &"a".repeat(200)));
    }
}
