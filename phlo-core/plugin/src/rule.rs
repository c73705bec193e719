//! A check from a closure over one row: [`CheckPlan::rule`].

use std::cell::RefCell;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType, UInt64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow_schema::{DataType, TimeUnit};
use phlo_spec::Code;

use crate::error::{Error, Result};
use crate::quality::{CheckPlan, Evaluation};

impl CheckPlan {
    /// A rule over one row, written in Rust: `judge` sees the row's values of these columns and says whether it is good, or `None`
    /// where that cannot be said, which counts as good. With `?`, a null in a column that is read passes, as it does in SQL.
    ///
    /// The engine does the rest: it refuses a column that is not there, with the nearest name; counts, heeds `where` and `tolerance`,
    /// and keeps the first failing rows. It rides on the write. A value that is read as another type than it has, or a column that is
    /// not among these, errs the check, which never passes then.
    ///
    /// ```
    /// use phlo_plugin::prelude::*;
    ///
    /// let plan = CheckPlan::rule("net(net, gross, tax)", "net is gross less tax", ["net", "gross", "tax"], |row| {
    ///     Some((row.number("gross")? - row.number("tax")? - row.number("net")?).abs() < 0.005)
    /// });
    /// assert_eq!(plan.columns, ["net", "gross", "tax"]);
    /// ```
    pub fn rule<S: Into<String>>(
        name: impl Into<String>,
        expected: impl Into<String>,
        columns: impl IntoIterator<Item = S>,
        judge: impl Fn(&Row<'_>) -> Option<bool> + Send + Sync + 'static,
    ) -> Self {
        let columns: Vec<String> = columns.into_iter().map(Into::into).collect();
        let wanted = columns.clone();
        Self::new(name, expected, Evaluation::mask(move |batch| mask(batch, &wanted, &judge))).on(columns)
    }
}

fn mask(batch: &RecordBatch, wanted: &[String], judge: &dyn Fn(&Row<'_>) -> Option<bool>) -> Result<BooleanArray> {
    let columns = wanted.iter().map(|name| column(batch, name)).collect::<Result<Vec<_>>>()?;
    let fault = RefCell::new(None);
    let mut good = Vec::with_capacity(batch.num_rows());
    for at in 0..batch.num_rows() {
        good.push(judge(&Row { columns: &columns, at, fault: &fault }));
        if let Some(error) = fault.take() {
            return Err(error);
        }
    }
    Ok(good.into())
}

struct Column<'a> {
    name: &'a str,
    found: DataType,
    values: ArrayRef,
}

/// The column in the widest type of its kind.
fn column<'a>(batch: &RecordBatch, name: &'a str) -> Result<Column<'a>> {
    let Some(array) = batch.column_by_name(name) else {
        return Err(Error::new(Code::UnknownColumn, format!("the column `{name}` is not there")));
    };
    let of = match array.data_type() {
        DataType::Dictionary(_, values) => values,
        other => other,
    };
    let widest = match of {
        DataType::UInt64 => DataType::UInt64,
        whole if whole.is_integer() => DataType::Int64,
        number if number.is_numeric() => DataType::Float64,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8View,
        // A zone changes no moment.
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => {
            DataType::Timestamp(TimeUnit::Microsecond, None)
        }
        other => other.clone(),
    };
    let cannot = |err| Error::new(Code::CheckErrored, format!("the column `{name}` cannot be read")).because(err);
    let options = arrow_cast::CastOptions { safe: false, ..Default::default() };
    let values = arrow_cast::cast_with_options(array, &widest, &options).map_err(cannot)?;
    Ok(Column { name, found: of.clone(), values })
}

/// A row's values of the columns that a [rule](CheckPlan::rule) names. A null is `None`.
pub struct Row<'a> {
    columns: &'a [Column<'a>],
    at: usize,
    fault: &'a RefCell<Option<Error>>,
}

impl Row<'_> {
    /// A number of any type as a float64.
    pub fn number(&self, column: &str) -> Option<f64> {
        self.value(column, "a number", |values, at| match values.data_type() {
            DataType::Int64 => Some(values.as_primitive::<Int64Type>().value(at) as f64),
            DataType::UInt64 => Some(values.as_primitive::<UInt64Type>().value(at) as f64),
            DataType::Float64 => Some(values.as_primitive::<Float64Type>().value(at)),
            _ => None,
        })
    }

    /// A whole number; one beyond 63 bits errs.
    pub fn int(&self, column: &str) -> Option<i64> {
        self.value(column, "a whole number of 64 bits", |values, at| match values.data_type() {
            DataType::Int64 => Some(values.as_primitive::<Int64Type>().value(at)),
            DataType::UInt64 => values.as_primitive::<UInt64Type>().value(at).try_into().ok(),
            _ => None,
        })
    }

    /// A text.
    pub fn text(&self, column: &str) -> Option<&str> {
        self.value(column, "a text", |values, at| Some(values.as_string_view_opt()?.value(at)))
    }

    /// A boolean.
    pub fn flag(&self, column: &str) -> Option<bool> {
        self.value(column, "a boolean", |values, at| Some(values.as_boolean_opt()?.value(at)))
    }

    /// A moment: microseconds since 1970 in UTC. A date is its midnight.
    pub fn micros(&self, column: &str) -> Option<i64> {
        self.value(column, "a date or timestamp", |values, at| {
            Some(values.as_primitive_opt::<TimestampMicrosecondType>()?.value(at))
        })
    }

    /// Whether it is null.
    pub fn is_null(&self, column: &str) -> bool {
        self.column(column).is_some_and(|column| column.values.is_null(self.at))
    }

    fn column(&self, name: &str) -> Option<&Column<'_>> {
        let found = self.columns.iter().find(|column| column.name == name);
        if found.is_none() {
            self.fail(format!("the rule reads the column `{name}`, which it does not name"));
        }
        found
    }

    fn value<'a, T>(&'a self, name: &str, what: &str, read: impl Fn(&'a ArrayRef, usize) -> Option<T>) -> Option<T> {
        let column = self.column(name)?;
        if column.values.data_type() == &DataType::Null || column.values.is_null(self.at) {
            return None;
        }
        let value = read(&column.values, self.at);
        if value.is_none() {
            let found = crate::schema::type_name(&column.found);
            self.fail(format!("the rule reads the column `{name}`, which is {found}, as {what}"));
        }
        value
    }

    fn fail(&self, message: String) {
        self.fault.borrow_mut().get_or_insert_with(|| Error::new(Code::CheckErrored, message));
    }
}
