//! Streams through the engine: a source's rows, transformed, in as many streams as there are threads.

use std::fmt;
use std::sync::{Arc, Mutex};

use arrow_schema::{Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::physical_plan::{SendableRecordBatchStream, execute_stream, execute_stream_partitioned};
use datafusion::prelude::{DataFrame, SessionContext};
use futures::StreamExt;
use phlo_engine_api::FrameTransform;
use phlo_plugin::registry::guard;
use phlo_plugin::source::BatchStream;
use phlo_plugin::transform::{AnyTransform, TransformPlan};
use phlo_plugin::{Error, Result};
use phlo_spec::{Code, Node};

use crate::error::map_error;
use crate::session::{empty, register_bare};

/// A stream that the engine may take once.
struct Once {
    schema: SchemaRef,
    stream: Mutex<Option<BatchStream>>,
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Once")
    }
}

impl PartitionStream for Once {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let taken = self.stream.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let schema = self.schema.clone();
        if let Some(stream) = taken {
            let mapped = stream.map(|item| item.map_err(|err| DataFusionError::External(Box::new(err))));
            Box::pin(RecordBatchStreamAdapter::new(schema, mapped))
        } else {
            let again = Error::internal("a source's stream was read twice in one plan");
            let failed = futures::stream::once(async { Err(DataFusionError::External(Box::new(again))) });
            Box::pin(RecordBatchStreamAdapter::new(schema, failed))
        }
    }
}

/// One transform of an asset: what users wrote, and the plugin that understands it.
pub struct TransformStep {
    /// Its name.
    pub name: String,
    /// The plugin.
    pub plugin: Arc<dyn AnyTransform>,
    /// Its parameters.
    pub params: Node,
}

/// A query over `input` that phlo itself adds, e.g. a partition's rows or a deduplication.
pub enum Step {
    /// A plugin's.
    Transform(TransformStep),
    /// SQL over `input`.
    Sql(String),
}

async fn apply(session: &SessionContext, frame: DataFrame, steps: &[Step]) -> Result<DataFrame> {
    let mut frame = frame;
    for step in steps {
        let schema: SchemaRef = Arc::new(frame.schema().as_arrow().clone());
        let (sql, name, place) = match step {
            Step::Sql(sql) => (sql.clone(), "phlo", None),
            Step::Transform(t) => match t.plugin.plan(&t.params, &schema)? {
                TransformPlan::Sql(sql) => (sql, t.name.as_str(), t.params.place()),
                TransformPlan::Batches { schema, map } => {
                    frame = batches::map(frame, schema, map, &t.name).await?;
                    continue;
                }
                TransformPlan::Engine(any) => {
                    let transform = any.downcast_ref::<Arc<dyn FrameTransform>>().ok_or_else(|| {
                        Error::new(
                            Code::InvalidRegistration,
                            format!("the transform `{}` made something that no engine knows", t.name),
                        )
                    })?;
                    frame = guard(&t.name, "transforming", || transform.apply(frame))?;
                    continue;
                }
            },
        };
        register_bare(session, "input", frame.into_view())?;
        frame = session.sql(&sql).await.map_err(|err| {
            Error::new(Code::SqlError, format!("the transform `{name}` does not plan: {}", crate::error::text(&err)))
                .at(place)
        })?;
    }
    Ok(frame)
}

/// The schema that transforms make of rows with this schema, without reading any.
///
/// # Errors
/// A transform that does not fit the schema before it.
pub async fn transformed_schema(session: &SessionContext, schema: SchemaRef, steps: &[Step]) -> Result<SchemaRef> {
    let frame = session.read_table(empty(schema)).map_err(map_error)?;
    let frame = apply(session, frame, steps).await?;
    Ok(Arc::new(frame.schema().as_arrow().clone()))
}

/// Rows on their way through the engine.
pub struct Rows {
    /// Their schema.
    pub schema: SchemaRef,
    /// The streams.
    pub streams: Vec<BatchStream>,
}

/// Puts a source's streams through transforms. Without any, they are handed on as they are.
///
/// # Errors
/// A transform that does not plan.
pub async fn transform(
    session: &SessionContext,
    schema: SchemaRef,
    streams: Vec<BatchStream>,
    steps: &[Step],
) -> Result<Rows> {
    if steps.is_empty() {
        return Ok(Rows { schema, streams });
    }
    let partitions: Vec<Arc<dyn PartitionStream>> = streams
        .into_iter()
        .map(|stream| {
            Arc::new(Once { schema: schema.clone(), stream: Mutex::new(Some(stream)) }) as Arc<dyn PartitionStream>
        })
        .collect();
    let table = StreamingTable::try_new(schema, partitions).map_err(map_error)?;
    let frame = session.read_table(Arc::new(table)).map_err(map_error)?;
    let frame = apply(session, frame, steps).await?;
    execute(session, frame.into_unoptimized_plan()).await
}

/// The first rows of a table.
///
/// # Errors
/// What cannot be planned.
pub async fn head(
    session: &SessionContext,
    table: Arc<dyn TableProvider>,
    limit: usize,
) -> Result<(SchemaRef, BatchStream)> {
    let frame = session.read_table(table).and_then(|f| f.limit(0, Some(limit))).map_err(map_error)?;
    execute_merged(session, frame.into_unoptimized_plan()).await
}

/// A query's plan with transforms behind it.
///
/// # Errors
/// A transform that does not plan.
pub async fn extend_plan(session: &SessionContext, plan: LogicalPlan, steps: &[Step]) -> Result<LogicalPlan> {
    if steps.is_empty() {
        return Ok(plan);
    }
    let frame = DataFrame::new(session.state(), plan);
    Ok(apply(session, frame, steps).await?.into_unoptimized_plan())
}

/// Executes a plan, in the engine's parallelism. The streams must be read at once, not one after another: those of a join wait for each
/// other.
///
/// # Errors
/// What cannot be planned.
pub async fn execute(session: &SessionContext, plan: LogicalPlan) -> Result<Rows> {
    let state = session.state();
    let physical = state.create_physical_plan(&plan).await.map_err(map_error)?;
    // The optimizer may sharpen nullability; the logical names and types are what was promised.
    let schema: SchemaRef = Arc::new(Schema::new(physical.schema().fields().clone()));
    let streams = execute_stream_partitioned(physical, session.task_ctx()).map_err(map_error)?;
    let streams = streams.into_iter().map(|s| s.map(|item| item.map_err(map_error)).boxed()).collect();
    Ok(Rows { schema, streams })
}

/// Executes a plan into one stream, in the engine's parallelism. Rows keep the order that the plan gives them, if it gives one.
///
/// # Errors
/// What cannot be planned.
pub async fn execute_merged(session: &SessionContext, plan: LogicalPlan) -> Result<(SchemaRef, BatchStream)> {
    let physical = session.state().create_physical_plan(&plan).await.map_err(map_error)?;
    let schema: SchemaRef = Arc::new(Schema::new(physical.schema().fields().clone()));
    let stream = execute_stream(physical, session.task_ctx()).map_err(map_error)?;
    Ok((schema, stream.map(|item| item.map_err(map_error)).boxed()))
}

/// A table's rows as one stream.
///
/// # Errors
/// It cannot be read.
pub async fn scan(session: &SessionContext, table: Arc<dyn TableProvider>) -> Result<(SchemaRef, BatchStream)> {
    let frame = session.read_table(table).map_err(map_error)?;
    execute_merged(session, frame.into_unoptimized_plan()).await
}

mod batches {
    //! A batch function as a node of a plan: one streaming partition for each partition of the frame's own plan.

    use std::sync::Arc;

    use arrow_schema::SchemaRef;
    use datafusion::catalog::streaming::StreamingTable;
    use datafusion::error::DataFusionError;
    use datafusion::execution::TaskContext;
    use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
    use datafusion::physical_plan::streaming::PartitionStream;
    use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, SendableRecordBatchStream};
    use datafusion::prelude::{DataFrame, SessionContext};
    use futures::StreamExt;
    use phlo_plugin::Result;
    use phlo_plugin::registry::guard;
    use phlo_plugin::transform::BatchFn;

    use crate::error::map_error;

    struct Mapped {
        input: Arc<dyn ExecutionPlan>,
        partition: usize,
        schema: SchemaRef,
        map: BatchFn,
        name: String,
    }

    impl std::fmt::Debug for Mapped {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "Mapped({})", self.name)
        }
    }

    impl PartitionStream for Mapped {
        fn schema(&self) -> &SchemaRef {
            &self.schema
        }

        fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
            let (map, name) = (self.map.clone(), self.name.clone());
            let input = match self.input.execute(self.partition, context) {
                Ok(stream) => stream.boxed(),
                Err(err) => futures::stream::once(async { Err(err) }).boxed(),
            };
            let mapped = input.map(move |item| {
                item.and_then(|batch| {
                    guard(&name, "transforming a batch", || map(batch))
                        .map_err(|err| DataFusionError::External(Box::new(err)))
                })
            });
            Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), mapped))
        }
    }

    pub(super) async fn map(frame: DataFrame, schema: SchemaRef, map: BatchFn, name: &str) -> Result<DataFrame> {
        let (state, plan) = frame.into_parts();
        let input = state.create_physical_plan(&plan).await.map_err(map_error)?;
        let partitions = (0..input.output_partitioning().partition_count())
            .map(|partition| {
                let (input, map, name) = (input.clone(), map.clone(), name.to_owned());
                Arc::new(Mapped { input, partition, schema: schema.clone(), map, name }) as Arc<dyn PartitionStream>
            })
            .collect();
        let table = StreamingTable::try_new(schema, partitions).map_err(map_error)?;
        SessionContext::from(state).read_table(Arc::new(table)).map_err(map_error)
    }
}
