//! One pass over a table for all that can share it: aggregate calls and row-level checks, in as many streams as the engine has.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_schema::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{Expr, ident};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, SendableRecordBatchStream};
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use phlo_plugin::{Error, Result};

use super::Check;
use super::rows::{RowAudit, RowRule, RowTally};
use crate::error::map_error;

/// What shares a pass.
pub(super) struct Pass<'a> {
    /// Aggregate calls.
    pub(super) calls: Vec<&'a Expr>,
    /// Row-level checks, by their index.
    pub(super) rows: Vec<(usize, &'a RowRule)>,
}

/// What a pass found out.
pub(super) struct Passed {
    /// The calls' values.
    pub(super) values: Vec<ScalarValue>,
    /// The row-level checks, and what their rows did to them.
    pub(super) audit: Arc<RowAudit>,
    pub(super) tallies: Vec<RowTally>,
    /// Whether the row-level checks took failing rows out.
    pub(super) sampled: bool,
}

impl Pass<'_> {
    /// The columns that are read, in the table's order.
    pub(super) fn columns(&self, schema: &SchemaRef) -> Vec<String> {
        let mut wanted: BTreeSet<String> = BTreeSet::new();
        for call in &self.calls {
            wanted.extend(call.column_refs().into_iter().map(|column| column.name.clone()));
        }
        let all = || schema.fields().iter().map(|field| field.name().clone());
        for (_, rule) in &self.rows {
            match rule.columns() {
                Some(columns) => wanted.extend(columns),
                None => return all().collect(),
            }
        }
        all().filter(|name| wanted.contains(name)).collect()
    }

    pub(super) async fn run(
        self,
        session: &SessionContext,
        table: &Arc<dyn TableProvider>,
        checks: &[Check],
    ) -> Result<Passed> {
        let schema = table.schema();
        let mut frame = session.read_table(table.clone()).map_err(map_error)?;
        let (mut audit, mut sampled) = (Arc::new(RowAudit::compile(session, &schema, &[])), true);
        let tallies = Arc::new(Mutex::new(Vec::new()));
        if !self.rows.is_empty() {
            let mut columns = self.columns(&schema);
            // A rule without columns, `1 = 2`, still has rows.
            columns.extend(schema.fields().first().filter(|_| columns.is_empty()).map(|field| field.name().clone()));
            sampled = columns.len() == schema.fields().len();
            frame = frame.select(columns.iter().map(ident)).map_err(map_error)?;
            let input = frame.create_physical_plan().await.map_err(map_error)?;
            let wanted: Vec<usize> = self.rows.iter().map(|(at, _)| *at).collect();
            audit = Arc::new(RowAudit::of(session, &input.schema(), checks, &wanted, sampled));
            let partitions = (0..input.output_partitioning().partition_count()).map(|partition| {
                let (input, audit, tallies) = (input.clone(), audit.clone(), tallies.clone());
                Arc::new(Looked { schema: input.schema(), input, partition, audit, tallies })
                    as Arc<dyn PartitionStream>
            });
            let looked = StreamingTable::try_new(input.schema(), partitions.collect()).map_err(map_error)?;
            frame = session.read_table(Arc::new(looked)).map_err(map_error)?;
        }
        let calls = self.calls.iter().enumerate().map(|(at, call)| (*call).clone().alias(format!("c{at}")));
        let batches =
            frame.aggregate(Vec::new(), calls.collect()).map_err(map_error)?.collect().await.map_err(map_error)?;
        let row =
            batches.iter().find(|b| b.num_rows() > 0).ok_or_else(|| Error::internal("an aggregate answered no row"))?;
        let values = row.columns().iter().map(|column| ScalarValue::try_from_array(column, 0));
        let values = values.collect::<datafusion::error::Result<Vec<_>>>().map_err(map_error)?;
        let tallies = std::mem::take(&mut *tallies.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(Passed { values, audit, tallies, sampled })
    }
}

/// The planner's view of a table's columns.
pub(super) fn df_schema(schema: &SchemaRef) -> Result<DFSchema> {
    DFSchema::try_from(schema.as_ref().clone()).map_err(map_error)
}

/// A partition of a table whose batches row-level checks look at, on their way into aggregates.
struct Looked {
    input: Arc<dyn ExecutionPlan>,
    schema: SchemaRef,
    partition: usize,
    audit: Arc<RowAudit>,
    tallies: Arc<Mutex<Vec<RowTally>>>,
}

impl fmt::Debug for Looked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Looked({:?})", self.audit)
    }
}

/// A stream's tally, handed in when the stream ends.
struct HandedIn {
    tally: Option<RowTally>,
    to: Arc<Mutex<Vec<RowTally>>>,
}

impl Drop for HandedIn {
    fn drop(&mut self) {
        self.to.lock().unwrap_or_else(PoisonError::into_inner).extend(self.tally.take());
    }
}

impl PartitionStream for Looked {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let schema = self.input.schema();
        let stream = match self.input.execute(self.partition, context) {
            Ok(stream) => stream,
            Err(err) => {
                let failed = futures::stream::once(async { Err(err) });
                return Box::pin(RecordBatchStreamAdapter::new(schema, failed));
            }
        };
        let audit = self.audit.clone();
        let mut tally = HandedIn { tally: Some(audit.tally()), to: self.tallies.clone() };
        let looked = stream.map(move |item| {
            if let (Ok(batch), Some(tally)) = (&item, &mut tally.tally) {
                audit.look(batch, tally);
            }
            item
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, looked))
    }
}
