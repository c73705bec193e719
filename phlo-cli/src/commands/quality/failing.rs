//! The rows that failed a check, read anew by the SQL of its result.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, Schema};
use futures::StreamExt;
use phlo_plugin::Error;
use phlo_runtime::Platform;
use phlo_spec::CheckResult;
use phlo_spec::asset::METADATA_COLUMNS;

use crate::render::rows::{MASKED, masked};
use crate::render::run::column_name;

/// What of failing rows may be shown. Queries of checks join other tables and compute columns, so that what the project calls sensitive
/// anywhere is hidden, and, where anything is, each column that is none of the table's.
pub(super) struct Shows {
    sensitive: Vec<String>,
    /// The table's columns; none if all may be shown.
    own: Option<Vec<String>>,
}

impl Shows {
    /// Of a project, of rows of a table with these columns; of one that is not there, without.
    pub(super) fn of(platform: &Platform, columns: Option<Vec<String>>) -> Self {
        let sensitive: Vec<String> = platform.assets().flat_map(|spec| spec.sensitive.clone()).collect();
        let own = if sensitive.is_empty() { None } else { Some(columns.unwrap_or_default()) };
        Self { sensitive, own }
    }

    /// Why rows cannot be shown. What goes wrong with a value, the message quotes.
    pub(super) fn told(&self, err: Error) -> Error {
        match self.sensitive.first() {
            Some(column) => {
                let code = err.code();
                let message = format!("{}, told without its message, which may quote `{column}`", code.title());
                Error::new(code, message).hint(format!("`phlo explain {code}` tells more"))
            }
            None => err,
        }
    }

    /// The columns of rows that are hidden. What the kept sample shows may be shown, and what it hides may not: the audit knew what its
    /// query makes a column of, and a query may give any value the name of one of the table's.
    fn hidden(&self, batch: &RecordBatch, result: &CheckResult) -> Vec<String> {
        let values = |name: &str| -> Vec<_> {
            result.sample.iter().filter_map(|row| row.get(name)).filter(|value| !value.is_null()).collect()
        };
        let sampled = |name: &str| !values(name).is_empty() && values(name).iter().all(|value| *value != MASKED);
        // Of a query that people write, a name says nothing of what is in the column.
        let written = result.kind == "sql";
        let masked = |name: &str| result.sample.is_empty() || values(name).iter().any(|value| *value == MASKED);
        let schema = batch.schema();
        let counts = |name: &str| {
            name.starts_with("_phlo_") && schema.field_with_name(name).is_ok_and(|f| f.data_type().is_numeric())
        };
        let shown = |name: &String| match &self.own {
            None => true,
            Some(_) if written => sampled(name),
            Some(own) => sampled(name) || (!masked(name) && (own.contains(name) || counts(name))),
        };
        let names = schema.fields().iter().map(|field| field.name());
        names.filter(|name| self.sensitive.contains(name) || !shown(name)).cloned().collect()
    }
}

/// As many of them as are wanted.
///
/// # Errors
/// The SQL does not run: a rejected stage is swept after a time.
pub(super) async fn failing(
    platform: &Platform,
    sql: &str,
    limit: usize,
    result: &CheckResult,
    shows: &Shows,
) -> Result<Vec<RecordBatch>, Error> {
    let hidden = |err: ArrowError| Error::internal("sensitive values cannot be masked").because(err);
    let mut stream = platform.sql(sql).await?.stream;
    let (mut batches, mut left) = (Vec::new(), limit);
    while left > 0
        && let Some(batch) = stream.next().await
    {
        let batch = batch?;
        let batch = batch.slice(0, batch.num_rows().min(left));
        left -= batch.num_rows();
        let hides = shows.hidden(&batch, result);
        batches.push(if hides.is_empty() { batch } else { masked(&batch, &hides).map_err(hidden)? });
    }
    Ok(batches)
}

/// Without the columns that phlo adds to tables; those of the check's own query by names that people read.
pub(super) fn own_columns(batch: &RecordBatch) -> RecordBatch {
    let schema = batch.schema();
    let own = (0..schema.fields().len()).filter(|i| !METADATA_COLUMNS.contains(&schema.field(*i).name().as_str()));
    let own: Vec<_> = own.collect();
    let fields: Vec<_> =
        own.iter().map(|i| schema.field(*i)).map(|field| field.clone().with_name(column_name(field.name()))).collect();
    let columns = own.iter().map(|i| batch.column(*i).clone()).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap_or_else(|_| batch.clone())
}
