//! One pass over a table for all that can share it: aggregate calls and row-level checks, in as many streams as the engine has.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_schema::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::execution::TaskContext;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Expr, ident, lit};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, SendableRecordBatchStream};
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use phlo_plugin::{Error, Result};

use super::Check;
use super::keys::{Hashes, KeyRule, KeyWatch};
use super::rows::{RowAudit, RowRule, RowTally};
use crate::error::map_error;

/// What shares a pass.
pub(super) struct Pass<'a> {
    /// Aggregate calls.
    pub(super) calls: Vec<&'a Expr>,
    /// Row-level checks, by their index.
    pub(super) rows: Vec<(usize, &'a RowRule)>,
    /// Uniqueness checks, by their index.
    pub(super) keys: Vec<(usize, &'a KeyRule)>,
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
    /// The uniqueness checks that were proven.
    pub(super) unique: BTreeSet<usize>,
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
        wanted.extend(self.keys.iter().flat_map(|(_, rule)| rule.columns()));
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
        let mut partitions = 0;
        let seen = Arc::new(Mutex::new(Vec::new()));
        if !self.rows.is_empty() || !self.keys.is_empty() {
            let mut columns = self.columns(&schema);
            // A rule without columns, `1 = 2`, still has rows.
            columns.extend(schema.fields().first().filter(|_| columns.is_empty()).map(|field| field.name().clone()));
            sampled = columns.len() == schema.fields().len();
            frame = frame.select(columns.iter().map(ident)).map_err(map_error)?;
            let input = frame.create_physical_plan().await.map_err(map_error)?;
            let wanted: Vec<usize> = self.rows.iter().map(|(at, _)| *at).collect();
            audit = Arc::new(RowAudit::of(session, &input.schema(), checks, &wanted, sampled));
            let looked_at = df_schema(&input.schema())?;
            let watches =
                self.keys.iter().map(|(_, rule)| rule.watch(session, &looked_at)).collect::<Result<Vec<_>>>()?;
            let watches = Arc::new(watches);
            partitions = input.output_partitioning().partition_count();
            let looked = (0..partitions).map(|partition| {
                let (input, audit, watches) = (input.clone(), audit.clone(), watches.clone());
                let (tallies, seen) = (tallies.clone(), seen.clone());
                Arc::new(Looked { schema: input.schema(), input, partition, audit, tallies, watches, seen })
                    as Arc<dyn PartitionStream>
            });
            let looked = StreamingTable::try_new(input.schema(), looked.collect()).map_err(map_error)?;
            frame = session.read_table(Arc::new(looked)).map_err(map_error)?;
        }
        // Something must be aggregated, or no stream is read.
        let driver = count(lit(1_i64)).alias("driver");
        let calls = self.calls.iter().enumerate().map(|(at, call)| (*call).clone().alias(format!("c{at}")));
        let calls = calls.chain([driver]).collect();
        let batches = frame.aggregate(Vec::new(), calls).map_err(map_error)?.collect().await.map_err(map_error)?;
        let row =
            batches.iter().find(|b| b.num_rows() > 0).ok_or_else(|| Error::internal("an aggregate answered no row"))?;
        let values = row.columns()[..self.calls.len()].iter().map(|column| ScalarValue::try_from_array(column, 0));
        let values = values.collect::<datafusion::error::Result<Vec<_>>>().map_err(map_error)?;
        let tallies = std::mem::take(&mut *tallies.lock().unwrap_or_else(PoisonError::into_inner));
        if tallies.len() != partitions {
            return Err(Error::internal(format!("{} of {partitions} streams told what they saw", tallies.len())));
        }
        let mut unique = BTreeSet::new();
        let seen = std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
        let mut by_check: Vec<Vec<Hashes>> = self.keys.iter().map(|_| Vec::new()).collect();
        for stream in seen {
            by_check.iter_mut().zip(stream).for_each(|(all, one)| all.push(one));
        }
        for ((at, _), streams) in self.keys.iter().zip(by_check) {
            if super::keys::unique(streams).await {
                unique.insert(*at);
            }
        }
        Ok(Passed { values, audit, tallies, sampled, unique })
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
    watches: Arc<Vec<KeyWatch>>,
    seen: Arc<Mutex<Vec<Vec<Hashes>>>>,
}

impl fmt::Debug for Looked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Looked({:?})", self.audit)
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
        let (audit, tallies) = (self.audit.clone(), self.tallies.clone());
        let (watches, seen) = (self.watches.clone(), self.seen.clone());
        let mut tally = Some(audit.tally());
        let mut hashes: Vec<Hashes> = watches.iter().map(KeyWatch::hashes).collect();
        // The end of the stream hands the tally in, before whoever reads the stream sees that end.
        let ended = futures::stream::once(async { None });
        let looked = stream.map(Some).chain(ended).filter_map(move |item| {
            match (&item, &mut tally) {
                (Some(Ok(batch)), Some(tally)) => {
                    audit.look(batch, tally);
                    watches.iter().zip(&mut hashes).for_each(|(watch, hashes)| watch.look(batch, hashes));
                }
                (None, tally) => {
                    seen.lock().unwrap_or_else(PoisonError::into_inner).push(std::mem::take(&mut hashes));
                    tallies.lock().unwrap_or_else(PoisonError::into_inner).extend(tally.take());
                }
                _ => {}
            }
            std::future::ready(item)
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, looked))
    }
}
