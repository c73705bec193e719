//! Aggregates taken apart: each aggregate call once, whichever checks ask for it, and what is computed from the calls' values.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, Schema};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::functions_aggregate::expr_fn::{count, sum};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{Expr, ExprSchemable, cast, ident, lit};
use datafusion::prelude::SessionContext;
use phlo_plugin::quality::Value;
use phlo_plugin::{Error, Result};

use super::query::value_at;
use super::simplified;
use crate::error::map_error;

/// The distinct aggregate calls of an audit. The first counts the table's rows.
pub(super) struct Atoms {
    calls: Vec<Expr>,
}

impl Atoms {
    pub(super) fn new() -> Self {
        Self { calls: vec![count(lit(1_i64))] }
    }

    pub(super) fn calls(&self) -> &[Expr] {
        &self.calls
    }

    /// Forgets the latest calls.
    pub(super) fn forget_from(&mut self, at: usize) {
        self.calls.truncate(at);
    }

    /// Takes an expression apart: what is left of it refers to calls by [`Atoms::name`]. A filter narrows the rows of every call.
    pub(super) fn take(&mut self, schema: &DFSchema, expr: Expr, filter: Option<&Expr>) -> Result<Expr> {
        let taken = expr.transform_up(|node| match node {
            Expr::AggregateFunction(mut call) => {
                if let Some(filter) = filter {
                    let own = call.params.filter.take().map(|own| *own);
                    call.params.filter =
                        Some(Box::new(own.map_or_else(|| filter.clone(), |own| own.and(filter.clone()))));
                }
                Ok(Transformed::yes(self.call(schema, call)?))
            }
            other => Ok(Transformed::no(other)),
        });
        let taken = taken.map_err(map_error)?.data;
        // `a + sum(b)`: of which row?
        match taken.column_refs().iter().find(|column| !self.is_call(&column.name)) {
            Some(column) => Err(Error::internal(format!("`{}` is not aggregated", column.name))),
            None => Ok(taken),
        }
    }

    // A mean becomes a sum and a count: other checks may ask for them too, and those of new rows can be added to them.
    fn call(&mut self, schema: &DFSchema, call: AggregateFunction) -> datafusion::error::Result<Expr> {
        if call.func.name() == "avg"
            && let [of] = call.params.args.as_slice()
            && !call.params.distinct
            && is_plain_number(&of.get_type(schema)?)
        {
            let with_filter = |expr: Expr| match expr {
                Expr::AggregateFunction(mut part) => {
                    part.params.filter.clone_from(&call.params.filter);
                    Expr::AggregateFunction(part)
                }
                other => other,
            };
            let total = self.at(with_filter(sum(cast(of.clone(), DataType::Float64))));
            let rows = self.at(with_filter(count(of.clone())));
            return Ok(total / cast(rows, DataType::Float64));
        }
        Ok(self.at(Expr::AggregateFunction(call)))
    }

    fn at(&mut self, call: Expr) -> Expr {
        let at = self.calls.iter().position(|known| *known == call).unwrap_or_else(|| {
            self.calls.push(call);
            self.calls.len() - 1
        });
        ident(Self::name(at))
    }

    /// What stands for a call.
    pub(super) fn name(at: usize) -> String {
        format!("_phlo_a{at}")
    }

    fn index(name: &str) -> Option<usize> {
        name.strip_prefix("_phlo_a")?.parse().ok()
    }

    fn is_call(&self, name: &str) -> bool {
        Self::index(name).is_some_and(|at| at < self.calls.len())
    }

    /// The calls that what is left of an expression refers to.
    pub(super) fn used_by(left: &Expr) -> BTreeSet<usize> {
        left.column_refs().iter().filter_map(|column| Self::index(&column.name)).collect()
    }
}

fn is_plain_number(data_type: &DataType) -> bool {
    data_type.is_integer() || matches!(data_type, DataType::Float32 | DataType::Float64)
}

/// The values of all calls, from which expressions are computed.
pub(super) struct Values {
    batch: RecordBatch,
    schema: DFSchema,
}

impl Values {
    pub(super) fn new(values: &[ScalarValue]) -> Result<Self> {
        let field = |(at, value): (usize, &ScalarValue)| Field::new(Atoms::name(at), value.data_type(), true);
        let schema = Arc::new(Schema::new(values.iter().enumerate().map(field).collect::<Vec<_>>()));
        let columns: Vec<ArrayRef> =
            values.iter().map(ScalarValue::to_array).collect::<datafusion::error::Result<_>>().map_err(map_error)?;
        let options = RecordBatchOptions::new().with_row_count(Some(1));
        let batch = RecordBatch::try_new_with_options(schema.clone(), columns, &options)
            .map_err(|err| Error::internal("aggregate values make no row").because(err))?;
        Ok(Self { batch, schema: DFSchema::try_from(schema).map_err(map_error)? })
    }

    /// What is left of an expression, computed.
    pub(super) fn of(&self, session: &SessionContext, left: &Expr) -> Result<Value> {
        if let Expr::Column(column) = left
            && let Some(array) = self.batch.column_by_name(&column.name)
        {
            return Ok(value_at(array, 0).unwrap_or(Value::Null));
        }
        // What the clock says is put in by this.
        let left = simplified(session, &self.schema, left.clone())?;
        let physical = session.state().create_physical_expr(left, &self.schema).map_err(map_error)?;
        let array = physical.evaluate(&self.batch).and_then(|value| value.into_array(1)).map_err(map_error)?;
        Ok(value_at(&array, 0).unwrap_or(Value::Null))
    }
}
