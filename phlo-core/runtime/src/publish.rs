//! A publish asset, once: read what is published, audit it, send it to its target.
//!
//! Everything is read at the versions that the tables have when it begins. If a blocking check fails, nothing is sent. What was sent
//! last is remembered in `.phlo/publish/`: the same again is left alone, as long as the target still has it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use chrono::{DateTime, Utc};
use futures::StreamExt;
use phlo_engine::check::{self, ROWS, Scope, TABLE};
use phlo_engine::other::computed_once;
use phlo_engine::session::{register, register_bare};
use phlo_engine::sql::is_repeatable;
use phlo_engine::stream::{execute_merged, scan};
use phlo_engine::{Check, Conform, Query, Session, Table};
use phlo_plugin::publish::PublishContext;
use phlo_plugin::source::BatchStream;
use phlo_plugin::{Error, Result};
use phlo_spec::asset::TextOrigin;
use phlo_spec::event::{AssetStart, LineageEdges};
use phlo_spec::{
    AssetBody, AssetKey, AssetSpec, AssetStatus, CheckResult, Code, Diagnostic, Payload, PublishInput, PublishSpec,
    Span,
};
use serde::{Deserialize, Serialize};

use crate::asked::write_whole;
use crate::audit;
use crate::graph::Graph;
use crate::materialize::{Work, unless};
use crate::platform::Platform;

/// A version of a table that was read. Versions begin anew when a table is made anew: who made it and when tells the two apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Input {
    table: AssetKey,
    version: u64,
    run_id: Option<String>,
    committed_at: Option<DateTime<Utc>>,
}

/// What is published: if it is what was published last, there is nothing to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct What {
    /// The version of phlo: another may write values in another way.
    phlo: String,
    /// The target, its config without secrets, and the checks.
    config: serde_json::Value,
    sql: String,
    inputs: Vec<Input>,
}

/// The last publication from this machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Publication {
    what: What,
    /// When it ended.
    pub(crate) at: DateTime<Utc>,
    /// Its run.
    pub(crate) run_id: String,
    /// Where the rows are.
    pub(crate) location: String,
    /// How many.
    pub(crate) rows: u64,
    /// How many bytes they are.
    pub(crate) bytes: u64,
    receipt: Option<serde_json::Value>,
}

/// The query of a publish asset; of a table, all of its columns.
///
/// # Errors
/// It does not parse.
pub(crate) fn query_of(publish: &PublishSpec) -> Result<Query, Box<Diagnostic>> {
    match &publish.input {
        PublishInput::Query(sql) => Query::parse_within(&sql.text, &sql.file, sql.origin),
        PublishInput::Table { table, place } => {
            let file = place.as_ref().map_or("", |place| &*place.file);
            let span = place.as_ref().map_or_else(Span::default, |place| place.span);
            Query::parse_within(&format!("SELECT * FROM {}", quoted(table)), file, TextOrigin::Within(span))
        }
    }
}

// A part of a key may be a word of SQL.
fn quoted(table: &AssetKey) -> String {
    table.parts().map(phlo_plugin::quality::quote).collect::<Vec<_>>().join(".")
}

/// What is published, as SQL that stands in a FROM clause.
fn from_clause(publish: &PublishSpec) -> String {
    match &publish.input {
        PublishInput::Table { table, .. } => table.to_string(),
        PublishInput::Query(sql) => format!("(\n{}\n)", sql.text.trim().trim_end_matches(';')),
    }
}

/// Makes the SQL of results runnable.
pub(crate) fn point_results(publish: &PublishSpec, results: &mut [CheckResult]) {
    let from = from_clause(publish);
    for result in results {
        result.sql = result.sql.take().map(|sql| sql.replace(ROWS, &from).replace(TABLE, &from));
    }
}

/// The columns that a target is given: the types that tables have.
pub(crate) fn sent_schema(schema: &Schema) -> SchemaRef {
    Arc::new(Schema::new(schema.fields().iter().map(|field| plain(field)).collect::<Vec<_>>()))
}

fn plain(field: &Field) -> Field {
    Field::new(field.name(), plain_type(field.data_type()), true)
}

fn plain_type(data_type: &DataType) -> DataType {
    let list = |item: &Field| DataType::List(Arc::new(plain(item)));
    match data_type {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Dictionary(_, value) => plain_type(value),
        DataType::RunEndEncoded(_, values) => plain_type(values.data_type()),
        // What SQL counts and ranks by is without a sign, and none of it is beyond an int64.
        DataType::UInt64 => DataType::Int64,
        DataType::Float16 => DataType::Float32,
        DataType::Date64 => DataType::Date32,
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::Timestamp(_, None) => DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Timestamp(_, Some(_)) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => list(item),
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(|field| Arc::new(plain(field))).collect::<Fields>())
        }
        other => other.clone(),
    }
}

/// What a target is asked to take.
struct Sent {
    rows: AtomicU64,
    failed: AtomicBool,
    ended: AtomicBool,
}

impl Platform {
    fn memory_of(&self, asset: &AssetKey) -> PathBuf {
        self.inner.project.state_dir.join("publish").join(format!("{asset}.json"))
    }

    /// The last publication of an asset from this machine. What cannot be read is as good as none: it is published again.
    pub(crate) fn publication(&self, asset: &AssetKey) -> Option<Publication> {
        serde_json::from_slice(&std::fs::read(self.memory_of(asset)).ok()?).ok()
    }

    fn remember(&self, asset: &AssetKey, publication: &Publication) -> std::io::Result<()> {
        write_whole(&self.memory_of(asset), &serde_json::to_vec_pretty(publication)?)
    }

    /// Registers the tables that a publish asset reads, each at the version that it has now.
    ///
    /// # Errors
    /// One does not exist.
    async fn register_inputs(
        &self,
        session: &Session,
        spec: &AssetSpec,
        query: &Query,
        tags: Option<&std::collections::BTreeMap<String, String>>,
    ) -> Result<Vec<Input>> {
        let mut inputs = Vec::new();
        for (key, place) in query.tables() {
            let (store, _) = self.table_store(self.asset(key).or(Some(spec)), tags)?;
            let found = match store.describe(key, None).await? {
                Some(info) => store.provider(key, Some(info.version)).await?.map(|table| (info, table)),
                None => None,
            };
            let (info, table) = found.ok_or_else(|| {
                Error::new(Code::UnknownTable, format!("the table `{key}` does not exist yet"))
                    .at(place.clone())
                    .hint(format!("run its asset too: `phlo run +{}`", spec.key))
            })?;
            register(session, key, table)?;
            inputs.push(Input {
                table: key.clone(),
                version: info.version,
                run_id: info.run_id,
                committed_at: info.committed_at,
            });
        }
        Ok(inputs)
    }

    /// Audits what a publish asset would send now.
    ///
    /// # Errors
    /// A table does not exist, or the query or a check is wrong.
    pub(crate) async fn quality_of_publish(&self, spec: &AssetSpec, publish: &PublishSpec) -> Result<Vec<CheckResult>> {
        let session = self.engine(Some(spec), None)?.session()?;
        let query = query_of(publish).map_err(|problem| Error::from(*problem))?;
        self.register_inputs(&session, spec, &query, None).await?;
        let plan = query.plan(&session).await?;
        let schema = sent_schema(plan.schema().as_arrow());
        let checks = audit::checks_or_first(self, spec, Some(&schema))?;
        let table = computed_once(&session, &plan, schema).await?;
        self.audit_rows(&session, spec, publish, table, &checks).await
    }

    async fn audit_rows(
        &self,
        session: &Session,
        spec: &AssetSpec,
        publish: &PublishSpec,
        table: Arc<dyn Table>,
        checks: &[Check],
    ) -> Result<Vec<CheckResult>> {
        if checks.is_empty() {
            return Ok(Vec::new());
        }
        self.register_published(session, spec).await?;
        let schema = table.schema();
        for column in &spec.sensitive {
            self.require(spec, &schema, column, "sensitive")?;
        }
        for check in checks {
            check.verify(session, &schema).await?;
        }
        let audit = check::audit(session, &table, checks, Scope::All, None).await?;
        let mut results: Vec<_> = audit.results.into_iter().map(|(_, result)| result).collect();
        point_results(publish, &mut results);
        Ok(results)
    }

    // What is configured, without secrets: it is written to a file.
    fn configured(&self, spec: &AssetSpec, publish: &PublishSpec) -> serde_json::Value {
        let checks: Vec<_> = spec
            .checks
            .iter()
            .map(|c| serde_json::json!([c.kind, c.severity, c.tolerance, c.filter, c.params.to_json()]))
            .collect();
        let text = serde_json::json!([publish.target.plugin, publish.target.config.to_json(), checks]).to_string();
        serde_json::Value::String(self.redactor().clean(&text))
    }
}

/// Whether a check may say something else of the same rows now.
async fn varies(
    platform: &Platform,
    session: &Session,
    spec: &AssetSpec,
    checks: &[Check],
    table: &Arc<dyn Table>,
) -> Result<bool> {
    if checks.is_empty() {
        return Ok(false);
    }
    platform.register_published(session, spec).await?;
    register_bare(session, "this", table.clone())?;
    for check in checks {
        if check.varies(session).await {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Work<'_> {
    /// Publishes.
    pub(crate) async fn publish(&mut self, publish: &PublishSpec) -> Result<()> {
        let (job, spec) = (self.job, &self.node.spec);
        let (platform, options) = (&job.platform, &job.options);
        let start = AssetStart { tool: publish.target.plugin.clone(), strategy: "publish".to_owned() };
        self.emitter.emit(Payload::PublishStart(start))?;
        let (Some((target, config)), Some(query)) = (&self.node.target, &self.node.query) else {
            return Err(Error::internal("a publish asset without a target or without a query"));
        };
        let session = platform.engine(Some(spec), Some(&options.tags))?.session()?;
        let inputs = platform.register_inputs(&session, spec, query, Some(&options.tags)).await?;
        let origins: Vec<_> = inputs.iter().map(|input| input.table.to_string()).collect();
        let plan = query.plan(&session).await?;
        let schema = sent_schema(plan.schema().as_arrow());
        let at_target = |err: Error| err.at(publish.target.config.place());
        target.accepts(config, &schema).map_err(at_target)?;

        let context = platform.publish_context(spec, self.emitter.clone(), options.cancel.clone());
        let what = What {
            phlo: env!("CARGO_PKG_VERSION").to_owned(),
            config: platform.configured(spec, publish),
            sql: from_clause(publish),
            inputs,
        };
        let last = platform.publication(&spec.key).filter(|last| !options.full_refresh && last.what == what);
        let same = match last.as_ref().and_then(|last| last.receipt.as_ref()) {
            Some(receipt) if is_repeatable(&plan) => {
                unless(&options.cancel, target.is_current(config, &context, receipt)).await?
            }
            _ => false,
        };
        let checks = audit::checks_or_first(platform, spec, Some(&schema))?;
        // Computed once: what is audited is what is sent.
        let table = computed_once(&session, &plan, schema.clone()).await?;
        // The same rows passed; some checks may say something else of them now.
        if !same || varies(platform, &session, spec, &checks, &table).await? {
            let audited = platform.audit_rows(&session, spec, publish, table.clone(), &checks);
            let results = unless(&options.cancel, audited).await?;
            self.gate(&checks, results)?;
            if self.run.checks.iter().any(CheckResult::blocks) {
                self.blocked();
                return Ok(());
            }
        }
        if same {
            self.run.status = AssetStatus::Unchanged;
            return Ok(());
        }

        let sent =
            Arc::new(Sent { rows: AtomicU64::new(0), failed: AtomicBool::new(false), ended: AtomicBool::new(false) });
        // Rows that nobody looked at need not be kept on their way.
        let (computed, stream) =
            if checks.is_empty() { execute_merged(&session, plan).await? } else { scan(&session, table).await? };
        let rows = self.conformed(Conform::new(&computed, &schema, None)?, stream, sent.clone());
        self.interrupted()?;
        let published = unless(&options.cancel, target.publish(config, &context, schema, rows)).await;
        self.run.rows_in = sent.rows.load(Ordering::Relaxed);
        let published = published?;
        if sent.failed.load(Ordering::Relaxed) || !sent.ended.load(Ordering::Relaxed) {
            let message = format!("the target `{}` published without having taken every row", publish.target.plugin);
            return Err(Error::new(Code::PluginFailed, message).hint("this is a bug in the plugin"));
        }
        self.run.rows_inserted = published.rows;
        self.run.bytes = published.bytes;
        self.run.status = AssetStatus::Success;
        let publication = Publication {
            what,
            at: Utc::now(),
            run_id: job.run_id.clone(),
            location: published.location.clone(),
            rows: published.rows,
            bytes: published.bytes,
            receipt: published.receipt,
        };
        // It is published, whatever is said of it.
        if let Err(err) = platform.remember(&spec.key, &publication) {
            self.note(format!("it is not remembered that this was published ({err}): the next run publishes it again"));
        }
        let key = spec.key.to_string();
        let edges = origins.into_iter().map(|from| (from, key.clone()));
        let edges = edges.chain([(key.clone(), published.location)]).collect();
        if let Err(err) = self.emitter.emit(Payload::LineageEdges(LineageEdges { edges })) {
            self.run.notes.push(format!("a hook refused the lineage: {}", err.chain().join(": ")));
        }
        Ok(())
    }

    fn blocked(&mut self) {
        let failed: Vec<_> = self.run.checks.iter().filter(|c| c.blocks()).map(|c| c.name.clone()).collect();
        self.run.status = AssetStatus::Blocked;
        let error = Error::new(Code::CheckFailed, format!("blocked by {}", failed.join(", ")))
            .hint(format!("see the failing rows with `phlo quality show {} --rows`", self.node.spec.key))
            .hint("the target keeps what was published before");
        self.run.error = Some(error.record());
    }

    fn conformed(&self, conform: Conform, stream: BatchStream, sent: Arc<Sent>) -> BatchStream {
        let (observer, key) = (self.job.observer.clone(), self.job.key.clone());
        let state = (stream, conform, sent);
        futures::stream::unfold(state, move |(mut stream, mut conform, sent)| {
            let (observer, key) = (observer.clone(), key.clone());
            async move {
                let Some(item) = stream.next().await else {
                    sent.ended.store(true, Ordering::Relaxed);
                    return None;
                };
                let item = item.and_then(|batch| conform.apply(batch));
                match &item {
                    Ok(batch) => {
                        let rows = batch.num_rows() as u64;
                        let total = sent.rows.fetch_add(rows, Ordering::Relaxed) + rows;
                        observer.progress(&key, total);
                    }
                    Err(_) => sent.failed.store(true, Ordering::Relaxed),
                }
                Some((item, (stream, conform, sent)))
            }
        })
        .boxed()
    }
}

impl Platform {
    /// What surrounds a publish target.
    pub(crate) fn publish_context(
        &self,
        spec: &AssetSpec,
        emitter: phlo_plugin::Emitter,
        cancel: tokio_util::sync::CancellationToken,
    ) -> PublishContext {
        PublishContext {
            root: self.inner.project.root.clone(),
            asset: spec.key.clone(),
            emitter,
            redactor: self.redactor().clone(),
            cancel,
        }
    }
}

/// The error for a publish asset that is named where a table is wanted.
pub(crate) fn no_table(key: &AssetKey, publish: &PublishSpec) -> Error {
    let error = Error::new(Code::UnknownTable, format!("`{key}` publishes to a target and makes no table"));
    match &publish.input {
        PublishInput::Table { table, .. } => error.hint(format!("read what it publishes: `{table}`")),
        PublishInput::Query(_) => error.hint("read the tables that its query reads"),
    }
}

/// The publish part of an asset that is one.
pub(crate) fn of(spec: &AssetSpec) -> Option<&PublishSpec> {
    match &spec.body {
        AssetBody::Publish(publish) => Some(publish),
        _ => None,
    }
}

/// The same, of a key.
pub(crate) fn within<'a>(graph: &'a Graph, key: &AssetKey) -> Option<&'a PublishSpec> {
    graph.get(key).and_then(|node| of(&node.spec))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_given_types_of_tables() {
        for (given, want) in [
            (DataType::Utf8View, DataType::Utf8),
            (DataType::UInt64, DataType::Int64),
            (DataType::UInt32, DataType::UInt32),
            (DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::LargeUtf8)), DataType::Utf8),
            (
                DataType::Timestamp(TimeUnit::Nanosecond, Some("Europe/London".into())),
                DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            ),
            (
                DataType::LargeList(Arc::new(Field::new("item", DataType::Utf8View, false))),
                DataType::List(Arc::new(Field::new("item", DataType::Utf8, true))),
            ),
            (
                DataType::Struct(vec![Field::new("a", DataType::BinaryView, false)].into()),
                DataType::Struct(vec![Field::new("a", DataType::Binary, true)].into()),
            ),
            (DataType::Decimal64(9, 2), DataType::Decimal128(9, 2)),
        ] {
            assert_eq!(plain_type(&given), want, "{given}");
        }
    }
}
