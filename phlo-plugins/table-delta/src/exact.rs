//! A table with the statistics that its log vouches for: row counts, null counts and bounds that are exact, not merely wide enough to
//! skip files by. Whoever plans can answer from them without reading a file.

use std::sync::Arc;

use arrow_schema::{DataType, SchemaRef};
use async_trait::async_trait;
use chrono::NaiveDate;
use datafusion::catalog::{ScanArgs, ScanResult, Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue, Statistics};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use deltalake_core::kernel::EagerSnapshot;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::stage::live_rows;

/// A scan that tells exact statistics.
#[derive(Debug)]
pub(crate) struct Exact {
    scan: Arc<dyn TableProvider>,
    state: EagerSnapshot,
}

impl Exact {
    pub(crate) fn table(scan: Arc<dyn TableProvider>, state: EagerSnapshot) -> Arc<dyn TableProvider> {
        Arc::new(Self { scan, state })
    }
}

/// What a file tells of its columns.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Told {
    min_values: Map<String, Value>,
    max_values: Map<String, Value>,
    null_count: Map<String, Value>,
}

/// A column's statistics over all files: their live rows, and what they tell.
fn column(name: &str, data_type: &DataType, files: &[(u64, Told)]) -> ColumnStatistics {
    let mut known = ColumnStatistics::new_unknown();
    let mut nulls = 0_u64;
    let (mut min, mut max) = (Bound::default(), Bound::default());
    for (rows, told) in files {
        let Some(count) = told.null_count.get(name).and_then(Value::as_u64) else { return known };
        nulls += count;
        if count < *rows {
            min.meet(told.min_values.get(name).and_then(|value| exact(value, data_type)), true);
            max.meet(told.max_values.get(name).and_then(|value| exact(value, data_type)), false);
        }
    }
    known.null_count = Precision::Exact(nulls as usize);
    known.min_value = min.precision();
    known.max_value = max.precision();
    known
}

/// The least or the greatest of several bounds.
#[derive(Default)]
struct Bound {
    value: Option<ScalarValue>,
    unknown: bool,
}

impl Bound {
    fn meet(&mut self, other: Option<ScalarValue>, least: bool) {
        let Some(other) = other else {
            self.unknown = true;
            return;
        };
        let keeps = self.value.as_ref().and_then(|value| value.partial_cmp(&other)).map(|order| order.is_le() == least);
        if keeps != Some(true) {
            self.value = Some(other);
        }
    }

    fn precision(self) -> Precision<ScalarValue> {
        self.value.filter(|_| !self.unknown).map_or(Precision::Absent, Precision::Exact)
    }
}

/// A bound as it is told, of a type whose bounds are exact: strings are cut, timestamps rounded, and a NaN is in no bound. Decimals are
/// numbers in JSON, which may have lost digits.
fn exact(value: &Value, data_type: &DataType) -> Option<ScalarValue> {
    Some(match data_type {
        DataType::Int8 => ScalarValue::Int8(Some(i8::try_from(value.as_i64()?).ok()?)),
        DataType::Int16 => ScalarValue::Int16(Some(i16::try_from(value.as_i64()?).ok()?)),
        DataType::Int32 => ScalarValue::Int32(Some(i32::try_from(value.as_i64()?).ok()?)),
        DataType::Int64 => ScalarValue::Int64(Some(value.as_i64()?)),
        DataType::Boolean => ScalarValue::Boolean(Some(value.as_bool()?)),
        DataType::Date32 => {
            let day: NaiveDate = value.as_str()?.parse().ok()?;
            ScalarValue::Date32(Some(i32::try_from((day - NaiveDate::default()).num_days()).ok()?))
        }
        _ => return None,
    })
}

#[async_trait]
impl TableProvider for Exact {
    fn schema(&self) -> SchemaRef {
        self.scan.schema()
    }

    fn table_type(&self) -> TableType {
        self.scan.table_type()
    }

    fn get_column_default(&self, column: &str) -> Option<&Expr> {
        self.scan.get_column_default(column)
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.scan.scan(session, projection, filters, limit).await
    }

    async fn scan_with_args<'a>(&self, session: &dyn Session, args: ScanArgs<'a>) -> Result<ScanResult> {
        self.scan.scan_with_args(session, args).await
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        self.scan.supports_filters_pushdown(filters)
    }

    fn statistics(&self) -> Option<Statistics> {
        // With a column mapping, statistics have other names than columns.
        let mapped = self.state.metadata().configuration().get("delta.columnMapping.mode");
        if mapped.is_some_and(|mode| mode != "none") {
            return None;
        }
        let mut files = Vec::new();
        let mut deleted = false;
        for file in self.state.log_data().iter() {
            deleted |= file.deletion_vector_descriptor().is_some();
            let told = file.stats().and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default();
            files.push((live_rows(&file)?, told));
        }
        let schema = self.schema();
        let columns = schema.fields().iter();
        // What a file tells of its columns is of its deleted rows too.
        let columns = columns.map(|field| {
            if deleted { ColumnStatistics::new_unknown() } else { column(field.name(), field.data_type(), &files) }
        });
        Some(Statistics {
            num_rows: Precision::Exact(files.iter().map(|(rows, _)| rows).sum::<u64>() as usize),
            total_byte_size: Precision::Absent,
            column_statistics: columns.collect(),
        })
    }
}
