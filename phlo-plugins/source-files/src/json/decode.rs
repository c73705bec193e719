//! A block of JSON as record batches.
//!
//! arrow-json decodes the structure and every scalar as a text; the texts then become values by the same definition as those of
//! CSV. Its own conversions are not used: they take `1.5` for the integer 1 and drop the time of day from a date.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimestampMicrosecondType,
};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, ListArray, PrimitiveArray, RecordBatch, StringArray, StructArray,
};
use arrow_schema::{ArrowError, DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use phlo_plugin::schema::type_name;
use phlo_plugin::{Error, Result};
use phlo_spec::Code;
use serde_json::Value;

use crate::blocks::{Block, lines};
use crate::json::infer::Shape;
use crate::json::split::string_len;
use crate::kinds::{inferred, shown};
use crate::values::{self, Text};

/// Decodes blocks.
#[derive(Debug)]
pub(crate) struct Decoder {
    // The batches' schema.
    schema: SchemaRef,
    // The records' schema, with objects that have no fields.
    seen: SchemaRef,
    // Columns whose types were not inferred.
    declared: Arc<BTreeSet<String>>,
    // Whether each record is to be on a line of its own.
    lines: bool,
    texts: arrow_json::reader::Decoder,
}

/// A value that is not of the wanted type.
#[derive(Debug)]
struct Misfit;

impl Decoder {
    /// A decoder of records of the schema `seen` into batches of `schema`, which has the same columns but those without values.
    /// Columns that are not `declared` take only values that inference would have taken for their type.
    pub(crate) fn new(
        schema: SchemaRef,
        seen: SchemaRef,
        declared: Arc<BTreeSet<String>>,
        lines: bool,
        batch_rows: usize,
    ) -> Result<Self> {
        let texts = Schema::new(seen.fields().iter().map(|field| as_texts(field)).collect::<Fields>());
        let decoder = arrow_json::ReaderBuilder::new(Arc::new(texts))
            .with_batch_size(batch_rows.max(1))
            .with_coerce_primitive(true)
            .with_strict_mode(true)
            .build_decoder()
            .map_err(|err| Error::internal("no decoder for the records' schema").because(err))?;
        Ok(Self { schema, seen, declared, lines, texts: decoder })
    }

    /// Decodes whole records.
    pub(crate) fn decode(&mut self, block: &Block, file: &str) -> Result<Vec<RecordBatch>> {
        self.try_decode(&block.data[..block.len])
            .map_err(|cause| explain(Some((&self.seen, &self.declared)), self.lines, block, file, cause))
    }

    fn try_decode(&mut self, mut data: &[u8]) -> Result<Vec<RecordBatch>, String> {
        let mut batches = Vec::new();
        let told = |err: ArrowError| err.to_string();
        loop {
            let read = self.texts.decode(data).map_err(told)?;
            data = &data[read..];
            let ended = data.is_empty();
            if ended && self.texts.has_partial_record() {
                // A number that ends the file ends with it; nothing else may be unfinished.
                self.texts.decode(b"\n").map_err(told)?;
            }
            if let Some(batch) = self.texts.flush().map_err(told)? {
                let texts = StructArray::from(batch);
                let column = |field: &Arc<Field>| {
                    let texts = texts.column_by_name(field.name()).ok_or(Misfit)?;
                    convert(texts, field.data_type(), !self.declared.contains(field.name()))
                };
                let columns = self.schema.fields().iter().map(column).collect::<Result<Vec<_>, _>>();
                let columns = columns.map_err(|Misfit| "a value is not of its type".to_owned())?;
                let batch = RecordBatch::try_new(self.schema.clone(), columns);
                batches.push(batch.map_err(told)?);
            }
            if ended {
                return Ok(batches);
            }
        }
    }
}

/// The same structure with texts for scalars.
fn as_texts(field: &Field) -> Field {
    let data_type = match field.data_type() {
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(|field| as_texts(field)).collect()),
        DataType::List(item) => DataType::List(as_texts(item).into()),
        _ => DataType::Utf8,
    };
    Field::new(field.name(), data_type, true)
}

/// Texts as values of a type, which was inferred or declared.
fn convert(texts: &ArrayRef, to: &DataType, is_inferred: bool) -> Result<ArrayRef, Misfit> {
    match to {
        DataType::Struct(fields) => {
            let texts = texts.as_struct();
            let column = |field: &Arc<Field>| {
                convert(texts.column_by_name(field.name()).ok_or(Misfit)?, field.data_type(), is_inferred)
            };
            let columns = fields.iter().map(column).collect::<Result<Vec<_>, _>>()?;
            Ok(Arc::new(StructArray::new(fields.clone(), columns, texts.nulls().cloned())))
        }
        DataType::List(item) => {
            let texts = texts.as_list::<i32>();
            let values = convert(texts.values(), item.data_type(), is_inferred)?;
            Ok(Arc::new(ListArray::new(item.clone(), texts.offsets().clone(), values, texts.nulls().cloned())))
        }
        DataType::Utf8 => Ok(texts.clone()),
        _ => {
            let texts = texts.as_string::<i32>();
            match to {
                DataType::Boolean => {
                    let parse = if is_inferred { inferred::boolean } else { values::boolean };
                    Ok(Arc::new(BooleanArray::from(each(texts, parse)?)))
                }
                DataType::Int64 if is_inferred => primitive::<Int64Type>(texts, to, inferred::int64),
                DataType::Float64 if is_inferred => primitive::<Float64Type>(texts, to, inferred::float64),
                DataType::Timestamp(TimeUnit::Microsecond, zone) if is_inferred => {
                    let naive = zone.is_none();
                    primitive::<TimestampMicrosecondType>(texts, to, |text| inferred::timestamp_of(text, naive))
                }
                DataType::Binary => {
                    let (offsets, values, nulls) = texts.clone().into_parts();
                    Ok(Arc::new(BinaryArray::new(offsets, values, nulls)))
                }
                DataType::Int8 => primitive::<Int8Type>(texts, to, |text| values::int64(text)?.try_into().ok()),
                DataType::Int16 => primitive::<Int16Type>(texts, to, |text| values::int64(text)?.try_into().ok()),
                DataType::Int32 => primitive::<Int32Type>(texts, to, |text| values::int64(text)?.try_into().ok()),
                DataType::Int64 => primitive::<Int64Type>(texts, to, values::int64),
                DataType::Float32 => primitive::<Float32Type>(texts, to, values::float32),
                DataType::Float64 => primitive::<Float64Type>(texts, to, values::float64),
                DataType::Date32 => primitive::<Date32Type>(texts, to, values::date),
                DataType::Timestamp(TimeUnit::Microsecond, zone) => {
                    let naive = zone.is_none();
                    primitive::<TimestampMicrosecondType>(texts, to, |text| values::timestamp_of(text, naive))
                }
                DataType::Decimal128(precision, scale) => {
                    primitive::<Decimal128Type>(texts, to, |text| values::decimal(text, *precision, *scale))
                }
                other => unreachable!("no column can be declared or inferred as {other}"),
            }
        }
    }
}

fn each<T>(texts: &StringArray, parse: impl Fn(Text<'_>) -> Option<T>) -> Result<Vec<Option<T>>, Misfit> {
    let bytes = texts.values().as_slice();
    let text = |(row, ends): (usize, &[i32])| {
        if texts.is_null(row) {
            return Ok(None);
        }
        let (start, end) = (ends[0] as usize, ends[1] as usize);
        parse(Text::new(&bytes[start..], end - start)).ok_or(Misfit).map(Some)
    };
    texts.offsets().windows(2).enumerate().map(text).collect()
}

fn primitive<T: ArrowPrimitiveType>(
    texts: &StringArray,
    to: &DataType,
    parse: impl Fn(Text<'_>) -> Option<T::Native>,
) -> Result<ArrayRef, Misfit> {
    let values: PrimitiveArray<T> = each(texts, parse)?.into_iter().collect();
    Ok(Arc::new(values.with_data_type(to.clone())))
}

/// The shape of a block's first records, and how many there were, at most `rows`. `lines` says that each should be on a line of
/// its own.
pub(crate) fn sample(block: &Block, lines: bool, rows: usize, file: &str) -> Result<(Shape, usize)> {
    let (mut shape, mut count) = (Shape::Nothing, 0);
    let records = serde_json::Deserializer::from_slice(&block.data[..block.len]).into_iter::<Value>();
    for record in records.take(rows) {
        match record {
            Ok(Value::Object(map)) => shape = shape.or(Shape::of(&Value::Object(map))),
            // The place is found by the one who also explains what does not decode.
            Ok(_) | Err(_) => return Err(explain(None, lines, block, file, String::new())),
        }
        count += 1;
    }
    Ok((shape, count))
}

/// Finds the record that does not decode, or is not of the schema, and says why. Slow, and only ever done once. `seen` is the
/// records' schema and its declared columns.
fn explain(
    seen: Option<(&Schema, &BTreeSet<String>)>,
    each_on_a_line: bool,
    block: &Block,
    file: &str,
    cause: String,
) -> Error {
    let data = &block.data[..block.len];
    let error = |line: u64, message: String| Error::new(Code::MalformedData, message).in_file(file, line);
    // Where a record begins that is not JSON is only known if it has a line of its own.
    let parts: Vec<&[u8]> = if each_on_a_line { data.split_inclusive(|b| *b == b'\n').collect() } else { vec![data] };
    let mut first = block.line;
    for part in parts {
        let mut records = serde_json::Deserializer::from_slice(part).into_iter::<Value>();
        loop {
            let offset = records.byte_offset();
            match records.next() {
                Some(Ok(record)) => {
                    if let Err((message, hint)) = check(&record, seen) {
                        let blank = part[offset..].iter().take_while(|b| b.is_ascii_whitespace()).count();
                        return error(first + lines(&part[..offset + blank]), message).hint(hint);
                    }
                }
                Some(Err(err)) => {
                    // The end of a line is before the line that follows it.
                    let (line, column) = if err.column() == 0 {
                        (err.line().saturating_sub(2), String::new())
                    } else {
                        (err.line() - 1, format!(" (column {})", err.column()))
                    };
                    let text = err.to_string();
                    let message = text.rsplit_once(" at line ").map_or(&*text, |(message, _)| message);
                    let hint = if each_on_a_line {
                        "mend the record; NDJSON wants one whole object on each line, `format: json` also reads others"
                    } else {
                        "mend the record there"
                    };
                    return error(first + line as u64, format!("not JSON: {message}{column}")).hint(hint);
                }
                None => break,
            }
        }
        first += lines(part);
    }
    // The reader above takes it for a float.
    if let Some((at, number)) = beyond_64_bits(data) {
        let message = format!("{} is a whole number beyond 64 bits, which loses digits as float64", shown(number));
        return error(block.line + lines(&data[..at]), message)
            .hint("declare its column under the asset's `columns`, as string or as decimal(38, 0)");
    }
    error(block.line, format!("the records do not decode: {cause}"))
        .hint("look for a key that an object has twice, or report it with the file")
}

/// The first whole number of JSON that no integer holds, and where it is.
fn beyond_64_bits(data: &[u8]) -> Option<(usize, &[u8])> {
    let mut at = 0;
    while let Some(byte) = data.get(at) {
        let len = match byte {
            b'"' => string_len(&data[at..])?,
            b'-' | b'0'..=b'9' => {
                let of_number = |b: &&u8| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
                data[at..].iter().take_while(of_number).count()
            }
            _ => 1,
        };
        let token = &data[at..at + len];
        let digits = token.strip_prefix(b"-").unwrap_or(token);
        if digits.len() > 18 && digits.iter().all(u8::is_ascii_digit) && values::int64(Text::from(token)).is_none() {
            return Some((at, token));
        }
        at += len;
    }
    None
}

type Complaint = (String, String);

fn check(record: &Value, seen: Option<(&Schema, &BTreeSet<String>)>) -> Result<(), Complaint> {
    if !record.is_object() {
        let hint = "each record must be an object, e.g. {\"id\": 1}";
        return Err((format!("the record is {}, not an object", what(record)), hint.to_owned()));
    }
    seen.map_or(Ok(()), |(seen, declared)| {
        let is_inferred = |path: &str| !declared.contains(path.split(['.', '[']).next().unwrap_or(path));
        check_value(record, &DataType::Struct(seen.fields().clone()), "", &is_inferred)
    })
}

fn check_value(value: &Value, to: &DataType, path: &str, is_inferred: &impl Fn(&str) -> bool) -> Result<(), Complaint> {
    let wrong = |wanted: &str| {
        let column = path.split(['.', '[']).next().unwrap_or(path);
        let hint = match to {
            DataType::Struct(_) | DataType::List(_) => {
                "bring the records into one shape before they are read".to_owned()
            }
            _ => {
                format!("mend the value, or declare another type under the asset's `columns`, e.g. `{column}: string`")
            }
        };
        Err((format!("`{path}`: {} is not {wanted}", what(value)), hint))
    };
    match (value, to) {
        (Value::Null, _) => Ok(()),
        (Value::Object(map), DataType::Struct(fields)) => map.iter().try_for_each(|(name, value)| {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            match fields.find(name) {
                Some((_, field)) => check_value(value, field.data_type(), &path, is_inferred),
                None => Err((
                    format!("`{path}` is in none of the records that were sampled"),
                    format!("raise `infer_rows`, or declare it under the asset's `columns`, e.g. `{name}: string`"),
                )),
            }
        }),
        (_, DataType::Struct(_)) => wrong("an object"),
        (Value::Array(items), DataType::List(item)) => {
            items.iter().try_for_each(|value| check_value(value, item.data_type(), &format!("{path}[]"), is_inferred))
        }
        (_, DataType::List(_)) => wrong("a list"),
        (Value::Object(_) | Value::Array(_), _) => wrong(&format!("of type {}", type_name(to))),
        (scalar, to) => {
            let text = match scalar {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let texts: ArrayRef = Arc::new(StringArray::from(vec![text]));
            match convert(&texts, to, is_inferred(path)) {
                Ok(_) => Ok(()),
                Err(Misfit) => wrong(&format!("of type {}", type_name(to))),
            }
        }
    }
}

/// A value as it is shown in a message.
fn what(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::String(text) => format!("the text {}", shown(text.as_bytes())),
        scalar => shown(scalar.to_string().as_bytes()),
    }
}
