//! Kind `transform`: a reusable transformation of a table.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use phlo_spec::Node;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::context::{AnyPlugin, Plugin};
use crate::error::Result;

/// A kind of transformation.
pub trait Transform: Plugin {
    /// Its parameters.
    type Params: DeserializeOwned + JsonSchema;

    /// The parameter that is meant when a transform is written without a map.
    const SHORTHAND: Option<&'static str> = None;

    /// Makes a transformation of rows with this schema.
    ///
    /// # Errors
    /// Parameters that contradict each other or do not fit the schema, e.g. a column that is not there.
    fn plan(&self, params: Self::Params, input: &SchemaRef) -> Result<TransformPlan>;
}

/// What the engine executes.
#[derive(Clone)]
pub enum TransformPlan {
    /// A query over the input, named `input` in it.
    Sql(String),
    /// A function from batch to batch; rows do not depend on each other.
    Batches {
        /// The schema of what it returns.
        schema: SchemaRef,
        /// The function.
        map: BatchFn,
    },
    /// Something that only the engine understands: a value of a type of `phlo-engine-api`.
    Engine(Arc<dyn Any + Send + Sync>),
}

/// From batch to batch.
pub type BatchFn = Arc<dyn Fn(RecordBatch) -> Result<RecordBatch> + Send + Sync>;

impl fmt::Debug for TransformPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sql(sql) => f.debug_tuple("Sql").field(sql).finish(),
            Self::Batches { schema, .. } => f.debug_struct("Batches").field("schema", schema).finish_non_exhaustive(),
            Self::Engine(_) => f.write_str("Engine"),
        }
    }
}

/// [`Transform`] without its types: what the platform calls.
pub trait AnyTransform: AnyPlugin {
    /// Makes a transformation from its parameters, still a node.
    ///
    /// # Errors
    /// With the place of the parameter that is wrong.
    fn plan(&self, params: &Node, input: &SchemaRef) -> Result<TransformPlan>;
}

impl<T: Transform> AnyTransform for T {
    fn plan(&self, params: &Node, input: &SchemaRef) -> Result<TransformPlan> {
        let params = match (T::SHORTHAND, params.entries()) {
            (Some(key), None) => params.clone().wrapped(key),
            _ => params.clone(),
        };
        let typed = params.read()?;
        Transform::plan(self, typed, input).map_err(|err| err.at(params.place()))
    }
}
