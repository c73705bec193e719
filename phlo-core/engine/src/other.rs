//! A table that is read anew by each scan, through whatever opens it: the other side of a check.

use std::fmt;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::future::BoxFuture;
use futures::stream::select_all;
use futures::{StreamExt, TryStreamExt};
use phlo_plugin::source::BatchStream;
use phlo_plugin::{Error, Result};
use phlo_spec::Code;

use crate::error::map_error;

/// Begins to read: the schema of the rows, and the rows.
pub type Open = Arc<dyn Fn() -> BoxFuture<'static, Result<(SchemaRef, Vec<BatchStream>)>> + Send + Sync>;

/// A table of these columns whose rows are opened by each scan.
///
/// # Errors
/// None that is known.
pub fn reread(what: impl Into<String>, schema: SchemaRef, open: Open) -> Result<Arc<dyn TableProvider>> {
    let partition = Anew { what: what.into(), schema: schema.clone(), open };
    Ok(Arc::new(StreamingTable::try_new(schema, vec![Arc::new(partition)]).map_err(map_error)?))
}

struct Anew {
    what: String,
    schema: SchemaRef,
    open: Open,
}

impl fmt::Debug for Anew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Anew({})", self.what)
    }
}

impl PartitionStream for Anew {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (wanted, what, opening) = (self.schema.clone(), self.what.clone(), (self.open)());
        let rows = async move {
            let (schema, streams) = opening.await?;
            let columns = |schema: &SchemaRef| -> Vec<_> {
                schema.fields().iter().map(|f| (f.name().clone(), f.data_type().clone())).collect()
            };
            // The plan was made of what the columns were.
            if columns(&schema) != columns(&wanted) {
                let message = format!("the columns of {what} changed while they were compared");
                return Err(Error::new(Code::CheckErrored, message).hint("run it again").retryable());
            }
            Ok(select_all(streams).map(move |batch| conform(batch?, &wanted)))
        };
        let rows = futures::stream::once(rows).try_flatten();
        let rows = rows.map_err(|err: Error| DataFusionError::External(Box::new(err)));
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), rows))
    }
}

// Fields' metadata and nullability may differ from what was said of them; names and types do not.
fn conform(batch: arrow_array::RecordBatch, schema: &SchemaRef) -> Result<arrow_array::RecordBatch> {
    if batch.schema_ref() == schema {
        return Ok(batch);
    }
    arrow_array::RecordBatch::try_new(schema.clone(), batch.columns().to_vec())
        .map_err(|err| Error::new(Code::CheckErrored, "a batch does not have the columns of its table").because(err))
}
