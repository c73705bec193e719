//! JSON records as Arrow columns: which columns there are, of which types, and each value in its place or an error that says why not.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow_array::builder::{ArrayBuilder, BooleanBuilder, PrimitiveBuilder, StringBuilder};
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimestampMicrosecondType,
};
use arrow_array::{ArrayRef, RecordBatchOptions};
use arrow_cast::parse::{Parser, parse_decimal, string_to_datetime};
use arrow_schema::{DataType, Field};
use phlo_plugin::prelude::*;
use phlo_plugin::schema::to_arrow;
use phlo_spec::types::ColumnType;
use serde_json::{Number, Value};

use crate::config::{ExtraFields, RestConfig};
use crate::incremental::whole;
use crate::pages::what;

/// The fields of the first records, in the order of their first appearance, and the types that hold all their values.
#[derive(Default)]
pub(crate) struct Sample {
    fields: Vec<(String, ColumnType)>,
    index: HashMap<String, usize>,
    pub(crate) records: usize,
}

impl Sample {
    /// A field that is null everywhere leaves no trace: its type is not known.
    pub(crate) fn add(&mut self, record: &Value, null_values: &[String]) {
        self.records += 1;
        for (name, value) in record.as_object().into_iter().flatten().filter(|(_, value)| !is_null(value, null_values))
        {
            let found = natural(value);
            let at = *self.index.entry(name.clone()).or_insert(self.fields.len());
            match self.fields.get_mut(at) {
                Some((_, known)) => *known = wider(*known, found),
                None => self.fields.push((name.clone(), found)),
            }
        }
    }
}

fn is_null(value: &Value, null_values: &[String]) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| null_values.iter().any(|null| null == text))
}

/// What holds whole numbers beyond `int64`, up to 64 bits.
const UNSIGNED: ColumnType = ColumnType::Decimal { precision: 20, scale: 0 };

/// The type of a value by itself.
fn natural(value: &Value) -> ColumnType {
    match value {
        Value::Bool(_) => ColumnType::Boolean,
        Value::Number(number) if number.is_i64() => ColumnType::Int64,
        Value::Number(number) if number.is_u64() => UNSIGNED,
        Value::Number(_) => ColumnType::Float64,
        Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => ColumnType::String,
    }
}

/// The type that holds the values of both.
fn wider(a: ColumnType, b: ColumnType) -> ColumnType {
    match (a, b) {
        _ if a == b => a,
        (ColumnType::Int64, ColumnType::Float64) | (ColumnType::Float64, ColumnType::Int64) => ColumnType::Float64,
        (ColumnType::Int64, UNSIGNED) | (UNSIGNED, ColumnType::Int64) => UNSIGNED,
        _ => ColumnType::String,
    }
}

/// A record that does not fit, in words.
pub(crate) struct Misfit {
    pub(crate) message: String,
    /// The value that does not fit, if it is about one.
    pub(crate) value: Option<String>,
    pub(crate) hint: Option<String>,
}

/// The columns of a reading, and their values since the last batch.
pub(crate) struct Columns {
    schema: SchemaRef,
    types: Vec<(String, ColumnType)>,
    index: HashMap<String, usize>,
    builders: Vec<Box<dyn Column>>,
    rows: usize,
    extra_fields: ExtraFields,
    null_values: Vec<String>,
}

impl Columns {
    /// Declared types come before those of the last pull (`known`), and both before those of the sample. When other fields are
    /// refused or ignored, the declared columns are all there are.
    pub(crate) fn new(
        config: &RestConfig,
        declared: &BTreeMap<String, ColumnType>,
        known: &[(String, ColumnType)],
        sample: &Sample,
    ) -> Result<Self> {
        let mut columns = Self {
            schema: Arc::new(Schema::empty()),
            types: Vec::new(),
            index: HashMap::new(),
            builders: Vec::new(),
            rows: 0,
            extra_fields: config.extra_fields,
            null_values: config.null_values.clone(),
        };
        if config.extra_fields == ExtraFields::Infer {
            for (name, found) in known.iter().chain(&sample.fields) {
                columns.add(name, *declared.get(name).unwrap_or(found))?;
            }
        } else if declared.is_empty() {
            return Err(Error::new(
                Code::InvalidValue,
                "`extra_fields` leaves no column, because the asset declares none",
            )
            .hint("declare them under `columns:`, or remove `extra_fields`"));
        }
        for (name, kind) in declared {
            columns.add(name, *kind)?;
        }
        let fields: Vec<_> = columns.types.iter().map(|(name, kind)| Field::new(name, to_arrow(*kind), true)).collect();
        columns.schema = Arc::new(Schema::new(fields));
        Ok(columns)
    }

    fn add(&mut self, name: &str, kind: ColumnType) -> Result<()> {
        if self.index.contains_key(name) {
            return Ok(());
        }
        let Some(builder) = builder(kind) else {
            let message = format!("the column `{name}` is declared as {kind}, which JSON has no form for");
            return Err(Error::new(Code::InvalidValue, message).hint("declare it as string, and decode it in SQL"));
        };
        self.index.insert(name.to_owned(), self.types.len());
        self.types.push((name.to_owned(), kind));
        self.builders.push(builder);
        Ok(())
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub(crate) fn types(&self) -> &[(String, ColumnType)] {
        &self.types
    }

    /// The columns and types that the next pull is to keep: those that are not declared as a whole.
    pub(crate) fn inferred(&self) -> &[(String, ColumnType)] {
        if self.extra_fields == ExtraFields::Infer { &self.types } else { &[] }
    }

    /// Rows since the last batch.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes of text since the last batch.
    pub(crate) fn bytes(&self) -> usize {
        self.builders.iter().map(|builder| builder.bytes()).sum()
    }

    /// Adds a record as a row.
    pub(crate) fn append(&mut self, record: &Value) -> Result<(), Misfit> {
        let Value::Object(fields) = record else {
            let message = format!("the record is no object: it is {}", what(record));
            return Err(Misfit {
                message,
                value: Some(record.to_string()),
                hint: Some("check `pagination.results_key`".to_owned()),
            });
        };
        for (name, value) in fields {
            let null = is_null(value, &self.null_values);
            match self.index.get(name) {
                Some(at) if null => self.builders[*at].append_null(),
                Some(at) if self.builders[*at].append(value) => {}
                Some(at) => {
                    let kind = self.types[*at].1;
                    let holds = match wider(kind, natural(value)) {
                        same if same == kind => ColumnType::String,
                        other => other,
                    };
                    let hint = if rounded(kind, value) {
                        format!(
                            "JSON readers keep {DIGITS} digits of such a number: have the API send it as a text, or declare \
                             `columns: {{{name}: float64}}`"
                        )
                    } else {
                        format!("declare a type that holds it: `columns: {{{name}: {holds}}}`")
                    };
                    return Err(Misfit {
                        message: format!("a value does not fit the column `{name}` of type {kind}"),
                        value: Some(value.to_string()),
                        hint: Some(hint),
                    });
                }
                None if null || self.extra_fields == ExtraFields::Ignore => {}
                None => {
                    let (message, more) = match self.extra_fields {
                        ExtraFields::Refuse => {
                            (format!("the field `{name}` is not declared"), ", or set `extra_fields: ignore`")
                        }
                        _ => (format!("the field `{name}` first appears after the records that tell the columns"), ""),
                    };
                    let hint = format!("declare it: `columns: {{{name}: {}}}`{more}", natural(value));
                    return Err(Misfit { message, value: Some(value.to_string()), hint: Some(hint) });
                }
            }
        }
        self.rows += 1;
        for builder in self.builders.iter_mut().filter(|builder| builder.len() < self.rows) {
            builder.append_null();
        }
        Ok(())
    }

    /// The rows so far as a batch.
    pub(crate) fn finish(&mut self) -> Result<RecordBatch> {
        let arrays: Vec<_> = self.builders.iter_mut().map(|builder| builder.finish()).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(std::mem::take(&mut self.rows)));
        RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options)
            .map_err(|err| Error::internal("the columns of a batch do not fit its schema").because(err))
    }
}

/// Values of one column.
trait Column: Send {
    /// Adds a value; false if it does not fit, losslessly, into the column's type.
    fn append(&mut self, value: &Value) -> bool;
    fn append_null(&mut self);
    fn len(&self) -> usize;
    /// How much its values take, where that is not the same for each.
    fn bytes(&self) -> usize {
        0
    }
    fn finish(&mut self) -> ArrayRef;
}

struct Booleans(BooleanBuilder);

impl Column for Booleans {
    fn append(&mut self, value: &Value) -> bool {
        let read = match value {
            Value::Bool(it) => Some(*it),
            Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        };
        read.map(|it| self.0.append_value(it)).is_some()
    }
    fn append_null(&mut self) {
        self.0.append_null();
    }
    fn len(&self) -> usize {
        self.0.len()
    }
    fn finish(&mut self) -> ArrayRef {
        Arc::new(self.0.finish())
    }
}

/// Texts as they are, everything else as its JSON.
struct Texts(StringBuilder);

impl Column for Texts {
    fn append(&mut self, value: &Value) -> bool {
        match value {
            Value::String(text) => self.0.append_value(text),
            other => self.0.append_value(other.to_string()),
        }
        true
    }
    fn append_null(&mut self) {
        self.0.append_null();
    }
    fn len(&self) -> usize {
        self.0.len()
    }
    fn bytes(&self) -> usize {
        self.0.values_slice().len()
    }
    fn finish(&mut self) -> ArrayRef {
        Arc::new(self.0.finish())
    }
}

struct Primitives<T: ArrowPrimitiveType, F> {
    values: PrimitiveBuilder<T>,
    read: F,
}

impl<T: ArrowPrimitiveType, F: Fn(&Value) -> Option<T::Native> + Send> Column for Primitives<T, F> {
    fn append(&mut self, value: &Value) -> bool {
        (self.read)(value).map(|it| self.values.append_value(it)).is_some()
    }
    fn append_null(&mut self) {
        self.values.append_null();
    }
    fn len(&self) -> usize {
        self.values.len()
    }
    fn finish(&mut self) -> ArrayRef {
        Arc::new(self.values.finish())
    }
}

fn primitives<T: ArrowPrimitiveType>(
    kind: ColumnType,
    read: impl Fn(&Value) -> Option<T::Native> + Send + 'static,
) -> Box<dyn Column> {
    let data_type: DataType = to_arrow(kind);
    Box::new(Primitives::<T, _> { values: PrimitiveBuilder::new().with_data_type(data_type), read })
}

/// What collects a type's values; nothing for a type that JSON cannot hold.
fn builder(kind: ColumnType) -> Option<Box<dyn Column>> {
    Some(match kind {
        ColumnType::Boolean => Box::new(Booleans(BooleanBuilder::new())),
        ColumnType::String => Box::new(Texts(StringBuilder::new())),
        ColumnType::Int8 => primitives::<Int8Type>(kind, |value| int(value)?.try_into().ok()),
        ColumnType::Int16 => primitives::<Int16Type>(kind, |value| int(value)?.try_into().ok()),
        ColumnType::Int32 => primitives::<Int32Type>(kind, |value| int(value)?.try_into().ok()),
        ColumnType::Int64 => primitives::<Int64Type>(kind, int),
        // Declared so: rounding to single precision is what is wanted, becoming infinite is not.
        ColumnType::Float32 => primitives::<Float32Type>(kind, |value| {
            let wide = float(value)?;
            let narrow = wide as f32;
            (narrow.is_finite() || !wide.is_finite()).then_some(narrow)
        }),
        ColumnType::Float64 => primitives::<Float64Type>(kind, float),
        ColumnType::Date => primitives::<Date32Type>(kind, |value| {
            let text = value.as_str().filter(|text| text.len() == 10)?;
            Date32Type::parse(text)
        }),
        // A time zone that is written and would be lost does not fit.
        ColumnType::Timestamp => primitives::<TimestampMicrosecondType>(kind, |value| {
            let text = value.as_str()?;
            let zone = |c: char| c.is_ascii_alphabetic() || matches!(c, '+' | '-');
            micros(text).filter(|_| !text.get(11..).is_some_and(|time| time.contains(zone)))
        }),
        ColumnType::TimestampTz => primitives::<TimestampMicrosecondType>(kind, |value| micros(value.as_str()?)),
        ColumnType::Decimal { precision, scale } => {
            primitives::<Decimal128Type>(kind, move |value| decimal(value, precision, scale))
        }
        ColumnType::Binary => return None,
    })
}

/// Beyond this a double does not tell neighbouring whole numbers apart.
const EXACT: f64 = 9_007_199_254_740_992.0;

fn int(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| {
            let float = number.as_f64().filter(|it| number.is_f64() && it.fract() == 0.0 && it.abs() <= EXACT)?;
            Some(float as i64)
        }),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn float(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64().filter(|it| number.is_f64() || Some(*it as i128) == whole(number)),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn micros(text: &str) -> Option<i64> {
    string_to_datetime(&chrono::Utc, text).ok().map(|it| it.timestamp_micros())
}

/// So many digits of any decimal number survive being a double.
const DIGITS: usize = 15;

/// Whether a JSON number has more digits than its reader was sure to keep, where they count.
fn rounded(kind: ColumnType, value: &Value) -> bool {
    let ColumnType::Decimal { .. } = kind else { return false };
    let Some(float) = value.as_number().filter(|number| number.is_f64()).and_then(Number::as_f64) else { return false };
    let text = float.to_string();
    let digits = text.bytes().filter(u8::is_ascii_digit).skip_while(|b| *b == b'0').count();
    let zeros = if text.contains('.') { 0 } else { text.len() - text.trim_end_matches('0').len() };
    digits - zeros > DIGITS
}

/// Only exactly: a digit behind the scale does not fit.
fn decimal(value: &Value, precision: u8, scale: i8) -> Option<i128> {
    if rounded(ColumnType::Decimal { precision, scale }, value) {
        return None;
    }
    let text = match value {
        // Never in scientific notation, which `Number` itself prints for large and small ones.
        Value::Number(number) => {
            number.as_f64().filter(|_| number.is_f64()).map_or_else(|| Number::to_string(number), |it| it.to_string())
        }
        Value::String(text) => text.clone(),
        _ => return None,
    };
    let behind = text.split_once('.').map_or("", |(_, behind)| behind.trim_end_matches('0'));
    if behind.len() > scale.unsigned_abs().into()
        || !text.bytes().any(|b| b.is_ascii_digit())
        || text.contains(['e', 'E'])
    {
        return None;
    }
    parse_decimal::<Decimal128Type>(&text, precision, scale).ok()
}

#[cfg(test)]
mod tests {
    use arrow_cast::display::array_value_to_string;
    use serde_json::json;

    use super::*;

    /// The value as the column shows it; nothing if it does not fit.
    fn append(kind: &str, value: &Value) -> Option<String> {
        let kind: ColumnType = kind.parse().unwrap();
        let mut column = builder(kind).unwrap();
        let fits = column.append(value);
        let array = column.finish();
        assert_eq!((array.len(), array.data_type()), (usize::from(fits), &to_arrow(kind)));
        fits.then(|| array_value_to_string(&array, 0).unwrap())
    }

    #[test]
    fn a_value_is_kept_exactly_or_refused() {
        for (kind, value, want) in [
            ("boolean", json!(true), Some("true")),
            ("boolean", json!("False"), Some("false")),
            ("boolean", json!(1), None),
            ("int8", json!(127), Some("127")),
            ("int8", json!(128), None),
            ("int16", json!("-5"), Some("-5")),
            ("int32", json!(3_000_000_000_i64), None),
            ("int64", json!(i64::MIN), Some("-9223372036854775808")),
            ("int64", json!(u64::MAX), None),
            ("int64", json!(2.0), Some("2")),
            ("int64", json!(2.5), None),
            ("int64", json!(1e300), None),
            ("int64", json!("2.5"), None),
            ("int64", json!(""), None),
            ("int64", json!(true), None),
            ("int64", json!([1]), None),
            ("float64", json!(0.1), Some("0.1")),
            ("float64", json!(5), Some("5.0")),
            ("float64", json!(9_007_199_254_740_993_i64), None),
            ("float64", json!("NaN"), Some("NaN")),
            ("float64", json!("x"), None),
            ("float32", json!(0.5), Some("0.5")),
            ("float32", json!(1e300), None),
            ("string", json!("a"), Some("a")),
            ("string", json!(1), Some("1")),
            ("string", json!({"b": [1, null], "a": "x"}), Some(r#"{"b":[1,null],"a":"x"}"#)),
            ("date", json!("2013-01-31"), Some("2013-01-31")),
            ("date", json!("2013-02-30"), None),
            ("date", json!("2013-01-31T10:00:00Z"), None),
            ("timestamp", json!("2013-01-31T10:00:00.25"), Some("2013-01-31T10:00:00.250")),
            ("timestamp", json!("2013-01-31 10:00:00"), Some("2013-01-31T10:00:00")),
            ("timestamp", json!("2013-01-31T10:00:00Z"), None),
            ("timestamp", json!("2013-01-31T10:00:00-05:00"), None),
            ("timestamptz", json!("2013-01-31T10:00:00-05:00"), Some("2013-01-31T15:00:00Z")),
            ("timestamptz", json!("2013-01-31T10:00:00"), Some("2013-01-31T10:00:00Z")),
            ("timestamptz", json!(1_359_640_800), None),
            ("decimal(9, 2)", json!(12.34), Some("12.34")),
            ("decimal(9, 2)", json!(12), Some("12.00")),
            ("decimal(9, 2)", json!("-0.500"), Some("-0.50")),
            ("decimal(9, 2)", json!(0.125), None),
            ("decimal(9, 2)", json!(12_345_678), None),
            ("decimal(9, 2)", json!("1e2"), None),
            ("decimal(9, 2)", json!("."), None),
            ("decimal(38, 10)", json!(1e-7), Some("0.0000001000")),
            ("decimal(38, 4)", json!(12_345_678_901.234_5), Some("12345678901.2345")),
            ("decimal(38, 10)", json!(1_234_567_890.123_456_7), None),
            ("decimal(38, 10)", json!("1234567890.1234567"), Some("1234567890.1234567000")),
            ("decimal(38, 0)", json!(1e20), Some("100000000000000000000")),
        ] {
            assert_eq!(append(kind, &value).as_deref(), want, "{value} as {kind}");
        }
    }

    #[test]
    fn the_sample_finds_the_type_that_holds_every_value() {
        let mut sample = Sample::default();
        for record in [
            json!({"b": true, "i": 1, "f": 1, "mixed": 1, "nested": {"x": 1}, "null": null, "na": "NA"}),
            json!({"late": "x", "b": false, "i": null, "f": 0.5, "mixed": "x", "nested": [], "na": 3}),
            json!({"big": u64::MAX}),
        ] {
            sample.add(&record, &["NA".to_owned()]);
        }
        let found: Vec<_> = sample.fields.iter().map(|(name, kind)| format!("{name}: {kind}")).collect();
        let want = [
            "b: boolean",
            "i: int64",
            "f: float64",
            "mixed: string",
            "nested: string",
            "late: string",
            "na: int64",
            "big: decimal(20, 0)",
        ];
        assert_eq!(found, want);
    }
}
