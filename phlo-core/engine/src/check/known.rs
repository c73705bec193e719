//! What is known of a table without reading its data: the statistics that its store vouches for as exact.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::common::pruning::PrunableStatistics;
use datafusion::common::stats::Precision;
use datafusion::common::{DFSchema, ScalarValue, Statistics};
use datafusion::logical_expr::Expr;
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use datafusion::prelude::SessionContext;

use super::rows::RowRule;
use super::simplified;

/// A table's exact statistics, if it has any.
pub(super) struct Known {
    statistics: Option<Arc<Statistics>>,
    schema: SchemaRef,
}

impl Known {
    pub(super) fn of(table: &dyn TableProvider) -> Self {
        Self { statistics: table.statistics().map(Arc::new), schema: table.schema() }
    }

    fn rows(&self) -> Option<usize> {
        exact(&self.statistics.as_ref()?.num_rows).copied()
    }

    /// The value of `count(*)`, or of `count`, `min` or `max` of a column.
    pub(super) fn value(&self, call: &Expr) -> Option<ScalarValue> {
        let Expr::AggregateFunction(call) = call else { return None };
        let plain = call.params.filter.is_none() && call.params.order_by.is_empty() && !call.params.distinct;
        let [of] = call.params.args.as_slice() else { return None };
        let rows = self.rows().filter(|_| plain)?;
        let number = |count: usize| i64::try_from(count).ok().map(|count| ScalarValue::Int64(Some(count)));
        match (call.func.name(), of) {
            ("count", Expr::Literal(value, _)) if !value.is_null() => number(rows),
            (name, Expr::Column(column)) => {
                let at = self.schema.index_of(&column.name).ok()?;
                let of = self.statistics.as_ref()?.column_statistics.get(at)?;
                let values = rows.checked_sub(*exact(&of.null_count)?)?;
                let bound = match name {
                    "count" => return number(values),
                    "min" => &of.min_value,
                    "max" => &of.max_value,
                    _ => return None,
                };
                let data_type = self.schema.field(at).data_type();
                if values == 0 {
                    return ScalarValue::try_from(data_type).ok();
                }
                exact(bound).filter(|bound| bound.data_type() == *data_type).cloned()
            }
            _ => None,
        }
    }

    /// How many rows there are, if it is certain that each of them keeps the rule.
    pub(super) fn proves(&self, session: &SessionContext, schema: &DFSchema, rule: &RowRule) -> Option<u64> {
        // How many rows a filter leaves is not known.
        let (Some(statistics), Some(predicate), None) = (&self.statistics, &rule.predicate, &rule.filter) else {
            return None;
        };
        let rows = self.rows()? as u64;
        if rows == 0 {
            return Some(0);
        }
        let broken = simplified(session, schema, Expr::Not(Box::new(predicate.clone()))).ok()?;
        let broken = session.state().create_physical_expr(broken, schema).ok()?;
        let pruning = PruningPredicateBuilder::new().with_file_schema(self.schema.clone()).try_build(broken).ok()?;
        let all = PrunableStatistics::new(vec![statistics.clone()], self.schema.clone());
        // The one container of all rows is pruned if none can break the rule.
        let may_break = pruning.prune(&all).ok()?;
        matches!(may_break.as_slice(), [false]).then_some(rows)
    }
}

fn exact<T: std::fmt::Debug + Clone + PartialEq + Eq + PartialOrd>(value: &Precision<T>) -> Option<&T> {
    match value {
        Precision::Exact(value) => Some(value),
        _ => None,
    }
}
