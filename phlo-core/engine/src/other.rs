//! A table that is read once, through whatever opens it, and kept beside what the engine spills: the other side of checks. All queries over
//! it see the same rows, however the place where they come from moves on.

use std::fmt;
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::DataFusionError;
use datafusion::execution::spill_file::SpillFile;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream;
use datafusion::physical_plan::stream::{RecordBatchReceiverStreamBuilder, RecordBatchStreamAdapter};
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::prelude::SessionContext;
use futures::future::BoxFuture;
use futures::stream::select_all;
use futures::{FutureExt, StreamExt, TryStreamExt};
use phlo_plugin::source::BatchStream;
use phlo_plugin::{Error, Result};
use phlo_spec::Code;
use tokio::sync::OnceCell;

use crate::conform::Conform;
use crate::error::map_error;

/// Begins to read: the schema of the rows, and the rows.
pub type Open = Arc<dyn Fn() -> BoxFuture<'static, Result<(SchemaRef, Vec<BatchStream>)>> + Send + Sync>;

/// Batches that wait for who reads them back.
const READ_AHEAD: usize = 2;

/// A table of these columns whose rows the first scan reads, for every scan. They are kept until it is dropped.
///
/// # Errors
/// None that is known.
pub fn read_once(what: impl Into<String>, schema: SchemaRef, open: Open) -> Result<Arc<dyn TableProvider>> {
    let partition = Once { what: what.into(), schema: schema.clone(), open, kept: Arc::default() };
    Ok(Arc::new(StreamingTable::try_new(schema, vec![Arc::new(partition)]).map_err(map_error)?))
}

/// What a query answers, in these columns, computed by the first scan for every scan: whoever looks at it and whoever takes it see the same
/// rows, also of a query that answers others each time.
///
/// # Errors
/// It does not plan, or a column cannot be cast.
pub async fn computed_once(
    session: &SessionContext,
    plan: &LogicalPlan,
    schema: SchemaRef,
) -> Result<Arc<dyn TableProvider>> {
    // Not the session: it will hold the table.
    let physical = session.state().create_physical_plan(plan).await.map_err(map_error)?;
    let (context, target) = (session.task_ctx(), schema.clone());
    let open: Open = Arc::new(move || {
        let rows = || {
            let computed: SchemaRef = Arc::new(Schema::new(physical.schema().fields().clone()));
            let mut conform = Conform::new(&computed, &target, None)?;
            let stream = execute_stream(physical.clone(), context.clone()).map_err(map_error)?;
            let rows = stream.map(move |batch| batch.map_err(map_error).and_then(|batch| conform.apply(batch)));
            Ok((target.clone(), vec![rows.boxed()]))
        };
        futures::future::ready(rows()).boxed()
    });
    read_once("what the query answers", schema, open)
}

#[derive(Clone)]
struct Once {
    what: String,
    schema: SchemaRef,
    open: Open,
    kept: Arc<OnceCell<Arc<dyn SpillFile>>>,
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Once({})", self.what)
    }
}

impl PartitionStream for Once {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let once = self.clone();
        let rows = async move {
            // A failure is not kept: the next scan opens it again.
            let kept = once.kept.get_or_try_init(|| once.keep(&context)).await?.clone();
            Ok::<_, DataFusionError>(read_back(kept, &once.schema))
        };
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), futures::stream::once(rows).try_flatten()))
    }
}

impl Once {
    async fn keep(&self, context: &TaskContext) -> Result<Arc<dyn SpillFile>, DataFusionError> {
        let external = |err: Error| DataFusionError::External(Box::new(err));
        let (schema, streams) = (self.open)().await.map_err(external)?;
        let columns = |schema: &SchemaRef| -> Vec<_> {
            schema.fields().iter().map(|f| (f.name().clone(), f.data_type().clone())).collect()
        };
        // The plan was made of what the columns were.
        if columns(&schema) != columns(&self.schema) {
            let message = format!("the columns of {} changed while they were compared", self.what);
            return Err(external(Error::new(Code::CheckErrored, message).hint("run it again").retryable()));
        }
        let file = context.runtime_env().disk_manager.create_tmp_file(&self.what)?;
        let mut writer = StreamWriter::try_new(BufWriter::new(file.open_writer()?), &self.schema)?;
        let mut rows = select_all(streams);
        while let Some(batch) = rows.next().await {
            writer.write(&self.conform(&batch.map_err(external)?).map_err(external)?)?;
        }
        writer.finish()?;
        let mut writer = writer.into_inner()?.into_inner().map_err(|err| DataFusionError::IoError(err.into_error()))?;
        writer.finish()?;
        Ok(file)
    }

    // Fields' metadata and nullability may differ from what was said of them; names and types do not.
    fn conform(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        RecordBatch::try_new(self.schema.clone(), batch.columns().to_vec()).map_err(|err| {
            Error::new(Code::CheckErrored, format!("a batch of {} does not have its columns", self.what)).because(err)
        })
    }
}

/// The rows of a file. It is there as long as somebody holds it.
fn read_back(kept: Arc<dyn SpillFile>, schema: &SchemaRef) -> SendableRecordBatchStream {
    let mut rows = RecordBatchReceiverStreamBuilder::new(schema.clone(), READ_AHEAD);
    let sender = rows.tx();
    rows.spawn_blocking(move || {
        let path = kept.path().ok_or_else(|| DataFusionError::Internal("rows are kept in no file".to_owned()))?;
        let reader = StreamReader::try_new(BufReader::new(File::open(path)?), None)?;
        for batch in reader {
            // Nobody wants more.
            if sender.blocking_send(batch.map_err(|err: ArrowError| err.into())).is_err() {
                break;
            }
        }
        Ok(())
    });
    rows.build()
}
