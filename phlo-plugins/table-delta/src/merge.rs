//! Copy-on-write: which files of the table hold keys of the staged rows, and those files' other rows written anew.
//!
//! All of it is plans for the session's engine, which streams, and spills what its memory pool does not hold.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::Int64Type;
use arrow_array::{Array, RecordBatch};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::Schema;
use datafusion::catalog::TableProvider;
use datafusion::common::runtime::JoinSet;
use datafusion::common::{Column, ScalarValue};
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::MemoryLimit;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::functions_aggregate::expr_fn::{count, max, min};
use datafusion::logical_expr::{Expr, JoinType, lit};
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
use crate::stage::Base;
use crate::writer::FileWriter;

const FILE: &str = "__phlo_file";
/// How many duplicate keys an error shows.
const SHOWN: usize = 5;
/// What a row of a hash join's built side takes beside its keys, in bytes; and what a key is taken to be.
const JOIN_ROW: u64 = 32;
const JOIN_KEY: u64 = 24;

/// What of a table goes and comes again.
#[derive(Debug, Default)]
pub(crate) struct Rewrite {
    /// Files that go.
    pub(crate) removed: Vec<Remove>,
    /// Rows that go and do not come again: their keys are among the staged rows.
    pub(crate) matched: u64,
}

/// Which files are written anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Those that hold a key of the staged rows.
    MatchingFiles,
    /// All, because a column's type changes.
    AllFiles,
}

/// The staged rows of a merge.
pub(crate) struct Staged<'a> {
    pub(crate) provider: Arc<dyn TableProvider>,
    pub(crate) rows: u64,
    pub(crate) keys: &'a [String],
}

/// Refuses keys that are no columns, or hold lists and structs.
pub(crate) fn check_keys(keys: &[String], schema: &Schema) -> Result<()> {
    if keys.is_empty() {
        return Err(Error::new(Code::Unsupported, "a merge needs `unique_key`").hint("name the columns that identify a row in `write.unique_key`"));
    }
    for key in keys {
        let Ok(field) = schema.field_with_name(key) else {
            let known = schema.fields().iter().map(|f| f.name().as_str());
            let near = nearest(key, known).map(|n| format!("did you mean `{n}`?"));
            let error = Error::new(Code::UnknownColumn, format!("`unique_key` names `{key}`, which is not a column"));
            return Err(near.into_iter().fold(error, Error::hint));
        };
        if field.data_type().is_nested() {
            return Err(Error::new(Code::Unsupported, format!("`{key}` cannot be a key: it holds a list or a struct")));
        }
    }
    Ok(())
}

/// Refuses staged rows that hold a key twice. A key with a null in it equals no other.
pub(crate) async fn refuse_duplicates(session: &SessionContext, staged: Arc<dyn TableProvider>, keys: &[String], table: &AssetKey) -> Result<()> {
    let failed = |e| error::query("looking for duplicate keys", e);
    let columns: Vec<Expr> = keys.iter().map(|k| column("s", k)).collect();
    let not_null = columns.iter().map(|c| c.clone().is_not_null()).reduce(Expr::and).unwrap_or_else(|| lit(true));
    let grouped = || -> Result<DataFrame, DataFusionError> {
        let rows = session.read_table(staged)?.alias("s")?.filter(not_null)?;
        let times = count(lit(1)).alias("__phlo_times");
        rows.aggregate(columns, vec![times])?.filter(Expr::Column(Column::new_unqualified("__phlo_times")).gt(lit(1)))?.limit(0, Some(SHOWN + 1))
    };
    let batches = grouped().map_err(failed)?.collect().await.map_err(failed)?;
    let mut shown = Vec::new();
    for batch in &batches {
        for row in 0..batch.num_rows() {
            let times = batch.column(keys.len()).as_primitive::<Int64Type>().value(row);
            shown.push(format!("({}) {times} times", show_key(batch, keys, row).map_err(|e| failed(e.into()))?));
        }
    }
    if shown.is_empty() {
        return Ok(());
    }
    let more = if shown.len() > SHOWN { ", and more" } else { "" };
    shown.truncate(SHOWN);
    Err(Error::new(Code::DuplicateKeys, format!("the incoming rows hold the same key several times: {}{more}", shown.join(", ")))
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

/// Writes anew what must be, without the rows whose keys are staged.
pub(crate) async fn rewrite(
    session: &SessionContext,
    base: &Base,
    folder: &Folder,
    staged: Option<Staged<'_>>,
    scope: Scope,
    writer: impl Fn() -> FileWriter,
) -> Result<Rewrite> {
    let failed = |e| error::query("merging", e);
    folder.register(session)?;
    let session = &join_session(session, base, staged.as_ref());
    let keys = staged.as_ref().map_or(&[][..], |s| s.keys);
    let range = match &staged {
        Some(staged) => key_range(session, staged, &base.schema).await.map_err(failed)?,
        None => None,
    };
    if staged.is_some() && range.is_none() && scope == Scope::MatchingFiles {
        // No staged row has a whole key, or the table does not have the columns yet: nothing can match.
        return Ok(Rewrite::default());
    }

    // The files in question, with the rows in them whose keys are staged.
    let mut matches: HashMap<StorePath, u64> = HashMap::new();
    if let (Some(staged), Some(range)) = (&staged, &range) {
        let plan = || -> Result<DataFrame, DataFusionError> {
            let target = base.scan(Some(FILE)).map_err(|e| DataFusionError::External(e.into()))?;
            let target = session.read_table(Arc::new(target))?.alias("t")?.filter(range.clone())?;
            let target = target.select(table_keys(keys, &base.schema).chain([column("t", FILE)]).collect::<Vec<_>>())?;
            let joined = staged_keys(session, staged)?.join_on(target, JoinType::RightSemi, on(keys, &base.schema))?;
            joined.aggregate(vec![column("t", FILE)], vec![count(lit(1)).alias("__phlo_rows")])
        };
        for batch in plan().map_err(failed)?.collect().await.map_err(failed)? {
            let files = arrow_cast::cast(batch.column(0), &arrow_schema::DataType::Utf8).map_err(|e| failed(e.into()))?;
            for (file, rows) in files.as_string::<i32>().iter().zip(batch.column(1).as_primitive::<Int64Type>().values()) {
                let path = Url::parse(file.unwrap_or_default()).ok().and_then(|url| StorePath::from_url_path(url.path()).ok());
                *matches.entry(path.ok_or_else(|| Error::internal("a data file's address is none"))?).or_default() += rows.unsigned_abs();
            }
        }
    }
    let matched = matches.values().sum();

    let mut removed = Vec::new();
    let mut addresses = Vec::new();
    for file in base.state.log_data().iter() {
        let path = file_path(folder, &file.path());
        if matches.remove(&path).is_some() || scope == Scope::AllFiles {
            removed.push(file.remove_action(staged.is_some()));
            addresses.push(file_address(folder, &file.path())?);
        }
    }
    if let Some(path) = matches.keys().next() {
        return Err(Error::new(Code::TableDamaged, "a data file's name cannot be found in the table's log").with("file", path));
    }
    if removed.is_empty() {
        return Ok(Rewrite::default());
    }

    // Their other rows, as a stream to each writer.
    let plan = || -> Result<DataFrame, DataFusionError> {
        let target = base.scan(None).map_err(|e| DataFusionError::External(e.into()))?;
        let target = target.with_file_selection(FileSelection::from_file_paths(addresses));
        let target = session.read_table(Arc::new(target))?.alias("t")?;
        match (&staged, &range) {
            (Some(staged), Some(_)) => staged_keys(session, staged)?.join_on(target, JoinType::RightAnti, on(keys, &base.schema)),
            _ => Ok(target),
        }
    };
    let streams = plan().map_err(failed)?.execute_stream_partitioned().await.map_err(failed)?;
    let mut tasks = JoinSet::new();
    for mut stream in streams {
        let mut writer = writer();
        tasks.spawn(async move {
            while let Some(batch) = stream.next().await {
                writer.append(&batch.map_err(|e| error::query("merging", e))?).await?;
            }
            writer.finish().await
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.map_err(|e| Error::internal("a merge's writer stopped").because(e))??;
    }
    Ok(Rewrite { removed, matched })
}

/// A column of one side. Names are taken as they are, whatever their case.
fn column(side: &str, name: &str) -> Expr {
    Expr::Column(Column::new(Some(side), name))
}

/// The table's key columns, by the table's spelling.
fn table_keys<'a>(keys: &'a [String], table: &'a Schema) -> impl Iterator<Item = Expr> + 'a {
    keys.iter().filter_map(|k| find(table, k)).map(|i| column("t", table.field(i).name()))
}

fn staged_keys(session: &SessionContext, staged: &Staged<'_>) -> Result<DataFrame, DataFusionError> {
    let keys: Vec<Expr> = staged.keys.iter().map(|k| column("s", k)).collect();
    session.read_table(Arc::clone(&staged.provider))?.alias("s")?.select(keys)
}

fn on(keys: &[String], table: &Schema) -> Vec<Expr> {
    keys.iter().map(|k| column("s", k)).zip(table_keys(keys, table)).map(|(s, t)| s.eq(t)).collect()
}

/// A predicate over the table that holds for every row whose key may be staged; `None` if there is none. By it whole files
/// and row groups are passed over.
async fn key_range(session: &SessionContext, staged: &Staged<'_>, table: &Schema) -> Result<Option<Expr>, DataFusionError> {
    if staged.rows == 0 || staged.keys.iter().any(|k| find(table, k).is_none()) {
        return Ok(None);
    }
    let bounds = staged.keys.iter().flat_map(|k| [min(column("s", k)), max(column("s", k))]).collect();
    let rows = session.read_table(Arc::clone(&staged.provider))?.alias("s")?.aggregate(vec![], bounds)?.collect().await?;
    let Some(row) = rows.iter().find(|batch| batch.num_rows() > 0) else { return Ok(None) };
    let mut range = lit(true);
    for (index, key) in table_keys(staged.keys, table).enumerate() {
        let (low, high) = (ScalarValue::try_from_array(row.column(2 * index), 0)?, ScalarValue::try_from_array(row.column(2 * index + 1), 0)?);
        if low.is_null() || high.is_null() {
            return Ok(None);
        }
        // NaN is above every bound, and equal to itself.
        if !row.column(2 * index).data_type().is_floating() {
            range = range.and(key.between(lit(low), lit(high)));
        }
    }
    Ok(Some(range))
}

/// A session that joins with what memory allows: by hash if the staged keys surely fit, else by sorting, which spills.
fn join_session(session: &SessionContext, base: &Base, staged: Option<&Staged<'_>>) -> SessionContext {
    let mut config = session.copied_config();
    let limit = match session.runtime_env().memory_pool.memory_limit() {
        MemoryLimit::Finite(bytes) => bytes as u64,
        _ => u64::MAX,
    };
    let build = staged.map_or(0, |s| s.rows.saturating_mul(JOIN_ROW + JOIN_KEY * s.keys.len() as u64));
    let fits = build < limit / 4;
    config.options_mut().optimizer.prefer_hash_join = fits;
    tracing::debug!(version = base.state.version(), build, limit, hash = fits, "merge");
    SessionContext::new_with_state(SessionStateBuilder::new_from_existing(session.state()).with_config(config).build())
}

/// A data file's path within the object store, from its path in the log.
fn file_path(folder: &Folder, path: &str) -> StorePath {
    match Url::parse(path) {
        Ok(url) => StorePath::from_url_path(url.path()).unwrap_or_default(),
        Err(_) => folder.file(path),
    }
}

/// A data file's address, from its path in the log.
fn file_address(folder: &Folder, path: &str) -> Result<String> {
    if Url::parse(path).is_ok() {
        return Ok(path.to_owned());
    }
    let mut url = folder.url.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path.split('/'));
    }
    Ok(url.to_string())
}
