//! Small things that tests need: batches written as text, a project on disk, an event of each type.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{Field, Schema, SchemaRef};
use chrono::Utc;
use phlo_plugin::InitContext;
use phlo_plugin::schema::to_arrow;
use phlo_plugin::source::SourceContext;
use phlo_spec::asset::SqlSpec;
use phlo_spec::event::{AssetStart, LineageEdges, LogLevel, LogLine, Metric, RunEnd, RunStart, ServiceEvent};
use phlo_spec::types::ColumnType;
use phlo_spec::{
    AssetBody, AssetKey, AssetRun, AssetSpec, AssetStatus, CheckOutcome, CheckResult, CheckSeverity, Correlation,
    Event, EventKind, Payload, RunStatus, Tolerance,
};

/// A schema from `name:type` pairs, e.g. `id:int64 name:string`, every column nullable. Types are those of YAML, without spaces.
///
/// # Panics
/// If a pair is not one, or its type unknown.
pub fn schema(columns: &str) -> SchemaRef {
    let fields = columns.split_whitespace().map(|column| {
        let (name, column_type) = column.split_once(':').unwrap_or_else(|| panic!("`{column}` is not `name:type`"));
        let column_type: ColumnType = column_type.parse().unwrap_or_else(|err| panic!("`{column}`: {err}"));
        Field::new(name, to_arrow(column_type), true)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// A batch from rows of text: `batch("id:int64 name:string", &["1|a", "2|-"])`; `-` is null.
///
/// # Panics
/// If a cell is missing or does not parse as its column's type.
pub fn batch(columns: &str, rows: &[&str]) -> RecordBatch {
    let schema = schema(columns);
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let column = |at: usize| -> ArrayRef {
        let cells = rows.iter().map(|row| row.split('|').nth(at).unwrap_or_else(|| panic!("`{row}` is too short")));
        let texts: StringArray = cells.map(|cell| (cell != "-").then_some(cell)).collect();
        let wanted = schema.field(at);
        cast_with_options(&texts, wanted.data_type(), &options)
            .unwrap_or_else(|err| panic!("the column `{}`: {err}", wanted.name()))
    };
    let columns = (0..schema.fields().len()).map(column).collect();
    RecordBatch::try_new(schema.clone(), columns).unwrap_or_else(|err| panic!("{err}"))
}

/// Rows as text, as [`batch`] takes them, in their order.
///
/// # Panics
/// If a column's type has no text form.
pub fn rows<'a>(batches: impl IntoIterator<Item = &'a RecordBatch>) -> Vec<String> {
    let options = FormatOptions::default().with_null("-");
    let of_batch = |batch: &RecordBatch| {
        let formatter = |column| ArrayFormatter::try_new(column, &options).unwrap_or_else(|err| panic!("{err}"));
        let columns: Vec<_> = batch.columns().iter().map(|column| formatter(column.as_ref())).collect();
        let row = |at| columns.iter().map(|column| column.value(at).to_string()).collect::<Vec<_>>().join("|");
        (0..batch.num_rows()).map(row).collect::<Vec<_>>()
    };
    batches.into_iter().flat_map(of_batch).collect()
}

/// A folder with a project in it, removed when this is dropped.
#[derive(Debug)]
pub struct Project {
    dir: tempfile::TempDir,
}

impl Project {
    /// An empty folder.
    ///
    /// # Panics
    /// If the system gives none.
    #[expect(clippy::new_without_default, reason = "it makes a folder, which a default should not")]
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("the system gives a temporary folder") }
    }

    /// Adds a file, with the folders above it.
    #[must_use]
    pub fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.write(path, content);
        self
    }

    /// Writes a file, with the folders above it.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.root().join(path);
        path.parent().map_or(Ok(()), fs::create_dir_all).unwrap_or_else(|err| panic!("{}: {err}", path.display()));
        fs::write(&path, content).unwrap_or_else(|err| panic!("{}: {err}", path.display()));
    }

    /// A file's text.
    ///
    /// # Panics
    /// If it cannot be read.
    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root().join(path)).unwrap_or_else(|err| panic!("{path}: {err}"))
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        self.dir.path()
    }

    /// What a plugin of this project is made with.
    pub fn context(&self) -> InitContext {
        InitContext::at(self.root())
    }

    /// What surrounds a source of this project.
    pub fn source_context(&self) -> SourceContext {
        SourceContext::at(self.root())
    }
}

/// An asset's key.
///
/// # Panics
/// If the text is none.
pub fn key(text: &str) -> AssetKey {
    AssetKey::new(text).unwrap_or_else(|err| panic!("{err}"))
}

/// A SQL asset with every default.
pub fn asset(name: &str, sql: &str) -> AssetSpec {
    let body = AssetBody::Sql(SqlSpec { text: sql.to_owned(), file: format!("assets/{}.sql", name.replace('.', "/")) });
    AssetSpec { body, ..AssetSpec::of_sql(key(name), sql) }
}

/// An asset's part of a run, with one row in and one added.
pub fn asset_run(asset: &str, status: AssetStatus, checks: Vec<CheckResult>) -> AssetRun {
    AssetRun {
        asset: key(asset),
        status,
        partition: None,
        attempts: 1,
        rows_in: 1,
        rows_inserted: 1,
        rows_updated: 0,
        rows_deleted: 0,
        bytes: 100,
        version: Some(0),
        duration_ms: 5,
        audit_ms: 1,
        checks,
        error: None,
        notes: Vec::new(),
    }
}

/// A check's result: of one row, and that one broken unless it passed.
pub fn check_result(name: &str, outcome: CheckOutcome) -> CheckResult {
    CheckResult {
        description: None,
        name: name.to_owned(),
        id: String::new(),
        kind: name.split('(').next().unwrap_or_default().to_owned(),
        outcome,
        severity: CheckSeverity::Error,
        violations: u64::from(outcome != CheckOutcome::Passed),
        total: 1,
        unit: None,
        tolerance: Tolerance::default(),
        expected: None,
        observed: None,
        error: None,
        sql: None,
        sample: Vec::new(),
        duration_ms: 0,
        rows_scanned: 0,
        of_rows: true,
        whole: false,
    }
}

/// What an event of a type says, for an asset of this name.
pub fn payload(kind: EventKind, asset: &str) -> Payload {
    let service = || ServiceEvent { service: "postgres".to_owned(), container: None, error: None };
    let start = || AssetStart { tool: "sql".to_owned(), strategy: "overwrite".to_owned() };
    let result = || check_result("not_null(id)", CheckOutcome::Passed);
    let end = || Box::new(asset_run(asset, AssetStatus::Success, vec![result()]));
    match kind {
        EventKind::ServicePreStart => Payload::ServicePreStart(service()),
        EventKind::ServicePostStart => Payload::ServicePostStart(service()),
        EventKind::ServicePreStop => Payload::ServicePreStop(service()),
        EventKind::ServicePostStop => Payload::ServicePostStop(service()),
        EventKind::IngestionStart => Payload::IngestionStart(start()),
        EventKind::IngestionEnd => Payload::IngestionEnd(end()),
        EventKind::TransformStart => Payload::TransformStart(start()),
        EventKind::TransformEnd => Payload::TransformEnd(end()),
        EventKind::PublishStart => Payload::PublishStart(start()),
        EventKind::PublishEnd => Payload::PublishEnd(end()),
        EventKind::QualityResult => Payload::QualityResult(Box::new(result())),
        EventKind::LineageEdges => {
            Payload::LineageEdges(LineageEdges { edges: vec![("bronze.upstream".to_owned(), asset.to_owned())] })
        }
        EventKind::TelemetryMetric => {
            Payload::TelemetryMetric(Metric { name: "rows_written".to_owned(), value: 1.0, unit: "rows".to_owned() })
        }
        EventKind::TelemetryLog => {
            Payload::TelemetryLog(LogLine { level: LogLevel::Info, message: "a line".to_owned() })
        }
        EventKind::RunStart => Payload::RunStart(RunStart {
            selection: asset.to_owned(),
            assets: vec![key(asset)],
            pid: std::process::id(),
            plugin_fingerprint: Some("0123456789ab".to_owned()),
        }),
        EventKind::RunEnd => Payload::RunEnd(RunEnd { status: RunStatus::Success, duration_ms: 5 }),
    }
}

/// An event with an id of its own, of the run `run-1`, for the asset unless it is the run's own.
pub fn event(payload: Payload, asset: &str) -> Event {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let of_run = matches!(payload.kind(), EventKind::RunStart | EventKind::RunEnd);
    Event {
        id: format!("event-{}", NEXT.fetch_add(1, Ordering::Relaxed)),
        at: Utc::now(),
        producer: "phlo".to_owned(),
        correlation: Correlation {
            run_id: Some("run-1".to_owned()),
            asset: (!of_run).then(|| key(asset)),
            partition: None,
            attempt: (!of_run).then_some(1),
        },
        tags: BTreeMap::new(),
        payload,
    }
}
