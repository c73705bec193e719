//! A check from a closure over one row: [`CheckPlan::rule`].

use std::cell::RefCell;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, types};
use arrow_buffer::NullBuffer;
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
    /// The values, a dictionary's being those that its keys stand for.
    values: ArrayRef,
    keys: Option<Vec<usize>>,
    nulls: Option<NullBuffer>,
}

impl Column<'_> {
    fn is_null(&self, at: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(at))
    }
}

fn column<'a>(batch: &RecordBatch, name: &'a str) -> Result<Column<'a>> {
    let Some(array) = batch.column_by_name(name) else {
        return Err(Error::new(Code::UnknownColumn, format!("the column `{name}` is not there")));
    };
    let nulls = array.logical_nulls();
    Ok(match array.as_any_dictionary_opt() {
        // Without a value every key is null.
        Some(dictionary) if !dictionary.values().is_empty() => {
            let keys = Some(dictionary.normalized_keys());
            Column { name, values: dictionary.values().clone(), keys, nulls }
        }
        _ => Column { name, values: array.clone(), keys: None, nulls },
    })
}

/// A whole number of any width.
fn whole(values: &ArrayRef, at: usize) -> Option<i128> {
    macro_rules! of {
        ($of:ident) => {
            Some(i128::from(values.as_primitive::<types::$of>().value(at)))
        };
    }
    match values.data_type() {
        DataType::Int8 => of!(Int8Type),
        DataType::Int16 => of!(Int16Type),
        DataType::Int32 => of!(Int32Type),
        DataType::Int64 => of!(Int64Type),
        DataType::UInt8 => of!(UInt8Type),
        DataType::UInt16 => of!(UInt16Type),
        DataType::UInt32 => of!(UInt32Type),
        DataType::UInt64 => of!(UInt64Type),
        _ => None,
    }
}

fn number(values: &ArrayRef, at: usize) -> Option<f64> {
    match values.data_type() {
        DataType::Float16 => Some(values.as_primitive::<types::Float16Type>().value(at).into()),
        DataType::Float32 => Some(values.as_primitive::<types::Float32Type>().value(at).into()),
        DataType::Float64 => Some(values.as_primitive::<types::Float64Type>().value(at)),
        // Through its text, which rounds once.
        DataType::Decimal128(..) => values.as_primitive::<types::Decimal128Type>().value_as_string(at).parse().ok(),
        DataType::Decimal256(..) => values.as_primitive::<types::Decimal256Type>().value_as_string(at).parse().ok(),
        _ => whole(values, at).map(|value| value as f64),
    }
}

fn text(values: &ArrayRef, at: usize) -> Option<&str> {
    Some(match values.data_type() {
        DataType::Utf8 => values.as_string::<i32>().value(at),
        DataType::LargeUtf8 => values.as_string::<i64>().value(at),
        DataType::Utf8View => values.as_string_view().value(at),
        _ => return None,
    })
}

/// Microseconds since 1970 in UTC; a zone changes no moment.
fn micros(values: &ArrayRef, at: usize) -> Option<i64> {
    match values.data_type() {
        DataType::Date32 => i64::from(values.as_primitive::<types::Date32Type>().value(at)).checked_mul(86_400_000_000),
        DataType::Date64 => values.as_primitive::<types::Date64Type>().value(at).checked_mul(1000),
        DataType::Timestamp(TimeUnit::Second, _) => {
            values.as_primitive::<types::TimestampSecondType>().value(at).checked_mul(1_000_000)
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            values.as_primitive::<types::TimestampMillisecondType>().value(at).checked_mul(1000)
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            Some(values.as_primitive::<types::TimestampMicrosecondType>().value(at))
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            Some(values.as_primitive::<types::TimestampNanosecondType>().value(at).div_euclid(1000))
        }
        _ => None,
    }
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
        self.value(column, "a number", number)
    }

    /// A whole number; one beyond 63 bits errs.
    pub fn int(&self, column: &str) -> Option<i64> {
        self.value(column, "a whole number of 64 bits", |values, at| whole(values, at)?.try_into().ok())
    }

    /// A text.
    pub fn text(&self, column: &str) -> Option<&str> {
        self.value(column, "a text", text)
    }

    /// A boolean.
    pub fn flag(&self, column: &str) -> Option<bool> {
        self.value(column, "a boolean", |values, at| Some(values.as_boolean_opt()?.value(at)))
    }

    /// A moment: microseconds since 1970 in UTC. A date is its midnight.
    pub fn micros(&self, column: &str) -> Option<i64> {
        self.value(column, "a date or timestamp", micros)
    }

    /// Whether it is null.
    pub fn is_null(&self, column: &str) -> bool {
        self.column(column).is_some_and(|column| column.is_null(self.at))
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
        if column.is_null(self.at) {
            return None;
        }
        let value = read(&column.values, column.keys.as_ref().map_or(self.at, |keys| keys[self.at]));
        if value.is_none() {
            let found = crate::schema::type_name(column.values.data_type());
            self.fail(format!("the rule reads the column `{name}`, which is {found}, as {what}"));
        }
        value
    }

    fn fail(&self, message: String) {
        self.fault.borrow_mut().get_or_insert_with(|| Error::new(Code::CheckErrored, message));
    }
}
