//! Copy-on-write: which files of the table hold keys of the staged rows, and those files' other rows written anew.
//!
//! All of it is plans for the session's engine, which stream. What a join or a grouping must hold at once are the staged keys;
//! where they are more than a part of the session's memory, their work is done in several shares of the keys, one after another.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::Int64Type;
use arrow_array::{BooleanArray, RecordBatch};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, Schema};
use datafusion::catalog::TableProvider;
use datafusion::common::hash_utils::{RandomState, create_hashes};
use datafusion::common::runtime::JoinSet;
use datafusion::common::{Column, ScalarValue};
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::MemoryLimit;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::functions::string::expr_fn::octet_length;
use datafusion::functions_aggregate::expr_fn::{count, max, min, sum};
use datafusion::logical_expr::{
    ColumnarValue, Expr, JoinType, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, cast, lit,
};
use datafusion::prelude::{DataFrame, SessionContext};
use deltalake_core::delta_datafusion::FileSelection;
use deltalake_core::kernel::Remove;
use futures::StreamExt as _;
use object_store::path::Path as StorePath;
use phlo_plugin::{Error, Result};
use phlo_spec::{AssetKey, Code, diagnostic::nearest};
use url::Url;

use crate::error;
use crate::folder::Folder;
use crate::schema::find;
use crate::stage::{Base, scan};
use crate::writer::FileWriter;

const FILE: &str = "__phlo_file";
/// How many duplicate keys an error shows.
const SHOWN: usize = 5;
/// What a row of a hash table takes beside its key, in bytes.
const HASH_ROW: u64 = 48;
/// More shares than this do not help.
pub(crate) const MAX_SHARES: u64 = 4096;

/// What of a table goes and comes again.
#[derive(Debug, Default)]
pub(crate) struct Rewrite {
    /// Files that go.
    pub(crate) removed: Vec<Remove>,
    /// Rows that go and do not come again: their keys are among the staged rows.
    pub(crate) matched: u64,
}

/// The rows that a merge brings.
pub(crate) struct Staged<'a> {
    pub(crate) provider: Arc<dyn TableProvider>,
    pub(crate) rows: u64,
    pub(crate) keys: &'a [String],
}

/// What was found out about the staged keys.
pub(crate) struct Profile {
    /// A predicate over the table that holds for every row whose key may be staged; `None` if there is none. By it whole files
    /// and row groups are passed over.
    range: Option<Expr>,
    /// In how many shares the keys surely fit in memory.
    pub(crate) shares: u64,
}

/// Refuses keys that are no columns of the table, that do not come, or that hold lists and structs.
pub(crate) fn check_keys(keys: &[String], incoming: &Schema, schema: &Schema) -> Result<()> {
    if keys.is_empty() {
        return Err(Error::new(Code::Unsupported, "a merge needs `unique_key`")
            .hint("name the columns that identify a row in `write.unique_key`"));
    }
    for key in keys {
        let Ok(field) = schema.field_with_name(key) else {
            let known = schema.fields().iter().map(|f| f.name().as_str());
            let near = nearest(key, known).map(|n| format!("did you mean `{n}`?"));
            let error = Error::new(Code::UnknownColumn, format!("`unique_key` names `{key}`, which is not a column"));
            return Err(near.into_iter().fold(error, Error::hint));
        };
        if find(incoming, key).is_none() {
            return Err(Error::new(
                Code::UnknownColumn,
                format!("`unique_key` names `{key}`, which is not among the incoming columns"),
            ));
        }
        if field.data_type().is_nested() {
            return Err(Error::new(Code::Unsupported, format!("`{key}` cannot be a key: it holds a list or a struct")));
        }
    }
    Ok(())
}

/// A session that builds its hash tables of what is said to be built of, the staged keys, whatever it guesses of sizes.
pub(crate) fn session(session: &SessionContext) -> SessionContext {
    let mut config = session.copied_config();
    config.options_mut().optimizer.prefer_hash_join = true;
    config.options_mut().optimizer.join_reordering = false;
    SessionContext::new_with_state(SessionStateBuilder::new_from_existing(session.state()).with_config(config).build())
}

impl Profile {
    /// Looks through the staged keys once.
    pub(crate) async fn of(session: &SessionContext, staged: &Staged<'_>, table: Option<&Schema>) -> Result<Self> {
        let schema = staged.provider.schema();
        let is_text = |key: &str| {
            schema.field_with_name(key).is_ok_and(|f| matches!(f.data_type(), DataType::Utf8 | DataType::Utf8View))
        };
        let texts: Vec<&String> = staged.keys.iter().filter(|k| is_text(k)).collect();
        let bounds = staged.keys.iter().flat_map(|k| [min(column("s", k)), max(column("s", k))]);
        let lengths = texts.iter().map(|k| sum(octet_length(column("s", k))));
        let aggregates: Vec<Expr> = bounds.chain(lengths).enumerate().map(|(i, e)| e.alias(format!("a{i}"))).collect();
        let failed = |e| error::query("looking at the keys of the staged rows", e);
        let plan = || session.read_table(Arc::clone(&staged.provider))?.alias("s")?.aggregate(vec![], aggregates);
        let batches = plan().map_err(failed)?.collect().await.map_err(failed)?;
        let row =
            batches.iter().find(|b| b.num_rows() > 0).ok_or_else(|| Error::internal("an aggregate has no row"))?;
        let value = |i: usize| ScalarValue::try_from_array(row.column(i), 0).map_err(failed);

        let mut key_bytes = 16 * staged.rows * (staged.keys.len() - texts.len()) as u64;
        for i in 0..texts.len() {
            let length = value(2 * staged.keys.len() + i)?;
            key_bytes += 16 * staged.rows
                + length.cast_to(&DataType::UInt64).ok().and_then(|v| u64::try_from(v).ok()).unwrap_or(0);
        }
        let limit = match session.runtime_env().memory_pool.memory_limit() {
            MemoryLimit::Finite(bytes) => bytes as u64,
            _ => u64::MAX,
        };
        // The keys are held twice while a hash table is built of them.
        let needed = 2 * key_bytes + HASH_ROW * staged.rows;
        let shares = needed.div_ceil((limit / 2).max(1)).clamp(1, MAX_SHARES);

        let mut range = table.filter(|table| staged.keys.iter().all(|k| find(table, k).is_some())).map(|_| lit(true));
        for (i, key) in table.into_iter().flat_map(|table| table_keys(staged.keys, table)).enumerate() {
            let (low, high) = (value(2 * i)?, value(2 * i + 1)?);
            if low.is_null() || high.is_null() {
                range = None;
            } else if !low.data_type().is_floating() {
                // NaN is beyond every bound.
                range = range.map(|r| r.and(key.between(lit(low), lit(high))));
            }
        }
        Ok(Self { range, shares })
    }
}

/// Refuses staged rows that hold a key twice. A key with a null in it equals no other.
pub(crate) async fn refuse_duplicates(
    session: &SessionContext,
    staged: &Staged<'_>,
    shares: u64,
    table: &AssetKey,
) -> Result<()> {
    let failed = |e| error::query("looking for duplicate keys", e);
    let keys = staged.keys;
    let mut shown = Vec::new();
    for share in 0..shares {
        let columns: Vec<Expr> = keys.iter().map(|k| column("s", k)).collect();
        let not_null = columns.iter().map(|c| c.clone().is_not_null()).reduce(Expr::and).unwrap_or_else(|| lit(true));
        let plan = || -> Result<DataFrame, DataFusionError> {
            let rows = session.read_table(Arc::clone(&staged.provider))?.alias("s")?.filter(not_null)?;
            let rows = in_share(rows, columns.clone(), share, shares)?;
            let grouped = rows.aggregate(columns, vec![count(lit(1)).alias("__phlo_times")])?;
            grouped.filter(Expr::Column(Column::new_unqualified("__phlo_times")).gt(lit(1)))?.limit(0, Some(SHOWN + 1))
        };
        for batch in &plan().map_err(failed)?.collect().await.map_err(failed)? {
            let times = batch.column(keys.len()).as_primitive::<Int64Type>();
            for row in 0..batch.num_rows() {
                shown.push(format!(
                    "({}) {} times",
                    show_key(batch, keys, row).map_err(|e| failed(e.into()))?,
                    times.value(row)
                ));
            }
        }
        if shown.len() > SHOWN {
            break;
        }
    }
    if shown.is_empty() {
        return Ok(());
    }
    shown.sort();
    let more = if shown.len() > SHOWN { ", and more" } else { "" };
    shown.truncate(SHOWN);
    Err(Error::new(
        Code::DuplicateKeys,
        format!("the incoming rows hold the same key several times: {}{more}", shown.join(", ")),
    )
    .with("table", table)
    .hint("add `deduplicate: {keep: last, order_by: COLUMN}` to `write`, or complete `unique_key`"))
}

fn show_key(batch: &RecordBatch, keys: &[String], row: usize) -> Result<String, arrow_schema::ArrowError> {
    let options = FormatOptions::default();
    let parts = keys.iter().zip(batch.columns()).map(|(key, values)| {
        let text = ArrayFormatter::try_new(values.as_ref(), &options)?.value(row).to_string();
        Ok(format!("{key}={text}"))
    });
    Ok(parts.collect::<Result<Vec<_>, arrow_schema::ArrowError>>()?.join(", "))
}

/// Writes anew the files that hold staged keys, without the rows of those keys; all files, if `all` says so.
pub(crate) async fn rewrite_matching(
    session: &SessionContext,
    base: &Base,
    folder: &Folder,
    (staged, profile, shares): (&Staged<'_>, &Profile, u64),
    all: bool,
    writer: impl Fn() -> FileWriter,
) -> Result<Rewrite> {
    let failed = |e| error::query("merging", e);
    let Some(range) = &profile.range else {
        // No staged row has a whole key, or the table does not have the columns yet: nothing can match.
        return if all { rewrite_all(session, base, folder, true, writer).await } else { Ok(Rewrite::default()) };
    };

    // The files in question, with the rows in them whose keys are staged.
    let mut matches: HashMap<StorePath, u64> = HashMap::new();
    for share in 0..shares {
        let target = scan(folder, base.state.clone()).with_file_column(FILE).await.map_err(failed)?;
        let plan = || -> Result<DataFrame, DataFusionError> {
            let target = session.read_table(target)?.alias("t")?.filter(range.clone())?;
            let target =
                target.select(table_keys(staged.keys, &base.schema).chain([column("t", FILE)]).collect::<Vec<_>>())?;
            let joined = join(session, staged, target, &base.schema, JoinType::RightSemi, (share, shares))?;
            joined.aggregate(vec![column("t", FILE)], vec![count(lit(1)).alias("__phlo_rows")])
        };
        for batch in plan().map_err(failed)?.collect().await.map_err(failed)? {
            let files = arrow_cast::cast(batch.column(0), &DataType::Utf8).map_err(|e| failed(e.into()))?;
            for (file, rows) in
                files.as_string::<i32>().iter().zip(batch.column(1).as_primitive::<Int64Type>().values())
            {
                let path =
                    Url::parse(file.unwrap_or_default()).ok().and_then(|url| StorePath::from_url_path(url.path()).ok());
                *matches.entry(path.ok_or_else(|| Error::internal("a data file's address is none"))?).or_default() +=
                    rows.unsigned_abs();
            }
        }
    }
    let matched = matches.values().sum();
    let mut removed = Vec::new();
    let mut addresses = Vec::new();
    for file in base.state.log_data().iter() {
        if matches.remove(&file_path(folder, &file.path())).is_some() || all {
            removed.push(file.remove_action(true));
            addresses.push(file_address(folder, &file.path()));
        }
    }
    if let Some(path) = matches.keys().next() {
        return Err(
            Error::new(Code::TableDamaged, "a data file's name cannot be found in the table's log").with("file", path)
        );
    }
    if removed.is_empty() {
        return Ok(Rewrite::default());
    }

    // Their other rows.
    let mut writers = Vec::new();
    for share in 0..shares {
        let selection = FileSelection::from_file_paths(addresses.iter().map(String::as_str));
        let target = scan(folder, base.state.clone()).with_file_selection(selection).await.map_err(failed)?;
        let plan = || {
            join(
                session,
                staged,
                session.read_table(target)?.alias("t")?,
                &base.schema,
                JoinType::RightAnti,
                (share, shares),
            )
        };
        let streams = plan().map_err(failed)?.execute_stream_partitioned().await.map_err(failed)?;
        writers = copy(streams, writers, &writer).await?;
    }
    for writer in writers {
        writer.finish().await?;
    }
    Ok(Rewrite { removed, matched })
}

/// Writes every file anew, because a column's type changes.
pub(crate) async fn rewrite_all(
    session: &SessionContext,
    base: &Base,
    folder: &Folder,
    data_change: bool,
    writer: impl Fn() -> FileWriter,
) -> Result<Rewrite> {
    let failed = |e| error::query("writing the table's rows anew", e);
    let target = scan(folder, base.state.clone()).await.map_err(failed)?;
    let plan = || session.read_table(target);
    let streams = plan().map_err(failed)?.execute_stream_partitioned().await.map_err(failed)?;
    for writer in copy(streams, Vec::new(), &writer).await? {
        writer.finish().await?;
    }
    let removed = base.state.log_data().iter().map(|file| file.remove_action(data_change)).collect();
    Ok(Rewrite { removed, matched: 0 })
}

/// Writes each stream with a writer of its own; writers that are there are used before others are made.
async fn copy(
    streams: Vec<SendableRecordBatchStream>,
    writers: Vec<FileWriter>,
    new: &impl Fn() -> FileWriter,
) -> Result<Vec<FileWriter>> {
    let mut idle = writers.into_iter();
    let mut tasks = JoinSet::new();
    for mut stream in streams {
        let mut writer = idle.next().unwrap_or_else(new);
        tasks.spawn(async move {
            while let Some(batch) = stream.next().await {
                writer.append(&batch.map_err(|e| error::query("merging", e))?).await?;
            }
            Ok::<_, Error>(writer)
        });
    }
    let mut writers: Vec<FileWriter> = idle.collect();
    while let Some(done) = tasks.join_next().await {
        writers.push(done.map_err(|e| Error::internal("a merge's writer stopped").because(e))??);
    }
    Ok(writers)
}

/// A column of one side. Names are taken as they are, whatever their case.
fn column(side: &str, name: &str) -> Expr {
    Expr::Column(Column::new(Some(side), name))
}

/// The table's key columns, by the table's spelling.
fn table_keys<'a>(keys: &'a [String], table: &'a Schema) -> impl Iterator<Item = Expr> + 'a {
    keys.iter().filter_map(|k| find(table, k)).map(|i| column("t", table.field(i).name()))
}

/// Rows of `target`, named `t`, that have (or do not have) a staged key; of one share of all keys. The hash table is built of
/// the staged keys, which stand on the left.
fn join(
    session: &SessionContext,
    staged: &Staged<'_>,
    target: DataFrame,
    table: &Schema,
    kind: JoinType,
    (share, shares): (u64, u64),
) -> Result<DataFrame, DataFusionError> {
    let schema = staged.provider.schema();
    let keys: Vec<Expr> = staged.keys.iter().map(|k| column("s", k)).collect();
    // Types may differ while a key is being widened; equal keys must fall into equal shares.
    let types: Vec<DataType> = staged
        .keys
        .iter()
        .map(|k| schema.field_with_name(k).map(|f| f.data_type().clone()))
        .collect::<Result<_, _>>()?;
    let target_keys: Vec<Expr> =
        table_keys(staged.keys, table).zip(types).map(|(key, data_type)| cast(key, data_type)).collect();
    let on: Vec<Expr> = keys.iter().cloned().zip(table_keys(staged.keys, table)).map(|(s, t)| s.eq(t)).collect();
    let rows = session.read_table(Arc::clone(&staged.provider))?.alias("s")?.select(keys.clone())?;
    in_share(rows, keys, share, shares)?.join_on(in_share(target, target_keys, share, shares)?, kind, on)
}

fn in_share(rows: DataFrame, keys: Vec<Expr>, share: u64, shares: u64) -> Result<DataFrame, DataFusionError> {
    if shares == 1 {
        return Ok(rows);
    }
    rows.filter(
        ScalarUDF::from(InShare { share, shares, signature: Signature::variadic_any(Volatility::Immutable) })
            .call(keys),
    )
}

/// Whether a key falls into one of several shares of all keys.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct InShare {
    share: u64,
    shares: u64,
    signature: Signature,
}

/// Not the seed by which the engine spreads rows over its threads: all rows of a share would go to one of them.
const SHARE_SEED: RandomState = RandomState::with_seed(0x7068_6c6f);

impl ScalarUDFImpl for InShare {
    fn name(&self) -> &'static str {
        "phlo_in_share"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType, DataFusionError> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue, DataFusionError> {
        let keys = ColumnarValue::values_to_arrays(&args.args)?;
        let mut hashes = vec![0; args.number_rows];
        create_hashes(&keys, &SHARE_SEED, &mut hashes)?;
        let hits: BooleanArray = hashes.iter().map(|hash| Some(hash % self.shares == self.share)).collect();
        Ok(ColumnarValue::Array(Arc::new(hits)))
    }
}

/// A data file's path within the object store, from its path in the log.
fn file_path(folder: &Folder, path: &str) -> StorePath {
    match Url::parse(path) {
        Ok(url) => StorePath::from_url_path(url.path()).unwrap_or_default(),
        Err(_) => folder.file(path),
    }
}

/// A data file's address, from its path in the log.
fn file_address(folder: &Folder, path: &str) -> String {
    if Url::parse(path).is_ok() {
        return path.to_owned();
    }
    let mut url = folder.url.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path.split('/'));
    }
    url.to_string()
}
