//! A block of CSV as a record batch.

use std::sync::Arc;

use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType,
};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, PrimitiveArray, RecordBatch, RecordBatchOptions, StringArray, new_null_array,
};
use arrow_buffer::{BooleanBufferBuilder, Buffer, NullBuffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, SchemaRef, TimeUnit};
use memchr::memchr;

use super::scan::{Dialect, Fields, WrongWidth};
use crate::values::{self, Text, Zone};

/// The texts that mean a missing value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Nulls {
    texts: Vec<Box<[u8]>>,
    // Which lengths they have, so that almost every value is told apart by its length alone.
    lengths: u64,
}

impl Nulls {
    pub(crate) fn new<T: AsRef<str>>(texts: &[T]) -> Self {
        let texts: Vec<Box<[u8]>> = texts.iter().map(|text| text.as_ref().as_bytes().into()).collect();
        Self { lengths: texts.iter().fold(0, |all, text| all | 1 << text.len().min(63)), texts }
    }

    /// Whether the text means a missing value.
    #[inline]
    pub(crate) fn contains(&self, text: &[u8]) -> bool {
        self.lengths >> text.len().min(63) & 1 != 0 && self.texts.iter().any(|null| **null == *text)
    }
}

/// How the columns of one file become those of the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    /// How many fields each record of the file has.
    pub width: usize,
    /// For each column of the schema, which field it is; none if the file does not have it.
    pub fields: Vec<Option<usize>>,
}

/// What is wrong with a block.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Where the record begins in the block.
    pub at: usize,
    /// What is wrong with it.
    pub kind: FaultKind,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FaultKind {
    /// The record has another number of fields.
    Width(usize),
    /// A value is not of its column's type: the column's index in the schema, and the value.
    Value(usize, Vec<u8>),
    /// A text is not UTF-8: the column's index in the schema.
    Utf8(usize),
    /// A column of texts of more than 2 GiB: the column's index in the schema.
    TooLong(usize),
}

/// Decodes blocks; keeps its memory from one to the next.
#[derive(Debug)]
pub(crate) struct Decoder {
    dialect: Dialect,
    nulls: Nulls,
    schema: SchemaRef,
    fields: Fields,
}

impl Decoder {
    /// The schema's types must be those that columns can be declared with.
    pub(crate) fn new(dialect: Dialect, nulls: Nulls, schema: SchemaRef) -> Self {
        Self { dialect, nulls, schema, fields: Fields::default() }
    }

    /// Decodes `data[..len]`: whole records, each ended by a line end.
    pub(crate) fn decode(&mut self, layout: &Layout, data: &[u8], len: usize) -> Result<RecordBatch, Fault> {
        self.fields
            .scan(self.dialect, layout.width, data, len)
            .map_err(|WrongWidth { at, found }| Fault { at, kind: FaultKind::Width(found) })?;
        let rows = self.fields.rows();
        let mut arrays = Vec::with_capacity(layout.fields.len());
        for (index, (field, column)) in self.schema.fields().iter().zip(&layout.fields).enumerate() {
            let Some(column) = *column else {
                arrays.push(new_null_array(field.data_type(), rows));
                continue;
            };
            let column = Column { decoder: self, data: self.fields.text(data), index, column, rows };
            arrays.push(column.decode(field.data_type())?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options).expect("arrays are made from the schema"))
    }
}

/// One column of a scanned block.
#[derive(Clone, Copy)]
struct Column<'a> {
    decoder: &'a Decoder,
    data: &'a [u8],
    index: usize,
    column: usize,
    rows: usize,
}

/// A value that is not of the wanted type.
struct Misfit;

impl Column<'_> {
    fn decode(self, data_type: &DataType) -> Result<ArrayRef, Fault> {
        match data_type {
            DataType::Boolean => self.booleans(),
            DataType::Int8 => self.primitives::<Int8Type>(|text| values::int64(text)?.try_into().ok()),
            DataType::Int16 => self.primitives::<Int16Type>(|text| values::int64(text)?.try_into().ok()),
            DataType::Int32 => self.primitives::<Int32Type>(|text| values::int64(text)?.try_into().ok()),
            DataType::Int64 => self.primitives::<Int64Type>(values::int64),
            DataType::Float32 => self.primitives::<Float32Type>(values::float32),
            DataType::Float64 => self.primitives::<Float64Type>(values::float64),
            DataType::Date32 => self.primitives::<Date32Type>(values::date),
            DataType::Timestamp(TimeUnit::Microsecond, None) => self.primitives::<TimestampMicrosecondType>(|text| {
                values::timestamp(text).filter(|(_, zone)| *zone == Zone::Unsaid).map(|(micros, _)| micros)
            }),
            DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => {
                self.primitives::<TimestampMicrosecondType>(|text| values::timestamp(text).map(|(micros, _)| micros))
            }
            DataType::Decimal128(precision, scale) => {
                self.primitives::<Decimal128Type>(|text| values::decimal(text, *precision, *scale))
            }
            DataType::Utf8 => {
                let (offsets, bytes, nulls) = self.texts()?;
                let array = StringArray::try_new(offsets.clone(), bytes.clone(), nulls);
                Ok(Arc::new(array.map_err(|_| self.fault(first_invalid(&offsets, &bytes), FaultKind::Utf8(self.index)))?))
            }
            DataType::Binary => {
                let (offsets, bytes, nulls) = self.texts()?;
                Ok(Arc::new(BinaryArray::new(offsets, bytes, nulls)))
            }
            other => unreachable!("no column can be declared or inferred as {other}"),
        }
        .map(|array: ArrayRef| {
            // Time zone, precision and scale are of the type, not of the values.
            if array.data_type() == data_type { array } else { retyped(array, data_type) }
        })
    }

    fn fault(&self, row: usize, kind: FaultKind) -> Fault {
        Fault { at: self.decoder.fields.origin(row), kind }
    }

    /// Calls `each` with every value, without quotes; `None` where it is missing.
    #[inline(always)]
    fn each(self, empty_is_null: bool, mut each: impl FnMut(Option<Text<'_>>) -> Result<(), Misfit>) -> Result<(), Fault> {
        let nulls = &self.decoder.nulls;
        let quote = self.decoder.fields.raw_quotes(self.decoder.dialect);
        let mut unescaped = Vec::new();
        for (row, (mut start, mut end)) in self.decoder.fields.column(self.column).enumerate() {
            let mut buffer = self.data;
            if let Some(quote) = quote
                && buffer[start] == quote
            {
                if end - start >= 2 && buffer[end - 1] == quote && memchr(quote, &buffer[start + 1..end - 1]).is_none() {
                    (start, end) = (start + 1, end - 1);
                } else {
                    unescape(quote, &buffer[start..end], &mut unescaped);
                    (buffer, start, end) = (&unescaped, 0, unescaped.len());
                }
            }
            let text = Text::new(buffer, start, end);
            let missing = (empty_is_null && start == end) || nulls.contains(text.bytes());
            if each((!missing).then_some(text)).is_err() {
                return Err(self.fault(row, FaultKind::Value(self.index, text.bytes().to_vec())));
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn primitives<T: ArrowPrimitiveType>(self, parse: impl Fn(Text<'_>) -> Option<T::Native>) -> Result<ArrayRef, Fault> {
        let mut values = Vec::with_capacity(self.rows);
        let mut valid = NullBufferBuilder::new(self.rows);
        self.each(true, |text| {
            values.push(match text {
                Some(text) => {
                    valid.append_non_null();
                    parse(text).ok_or(Misfit)?
                }
                None => {
                    valid.append_null();
                    T::Native::default()
                }
            });
            Ok(())
        })?;
        Ok(Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::from(values), valid.finish())))
    }

    fn booleans(self) -> Result<ArrayRef, Fault> {
        let mut values = BooleanBufferBuilder::new(self.rows);
        let mut valid = NullBufferBuilder::new(self.rows);
        self.each(true, |text| {
            valid.append(text.is_some());
            values.append(match text {
                Some(text) => values::boolean(text).ok_or(Misfit)?,
                None => false,
            });
            Ok(())
        })?;
        Ok(Arc::new(BooleanArray::new(values.finish(), valid.finish())))
    }

    fn texts(self) -> Result<(OffsetBuffer<i32>, Buffer, Option<NullBuffer>), Fault> {
        let most: usize = self.decoder.fields.column(self.column).map(|(start, end)| end - start).sum();
        if i32::try_from(most).is_err() {
            return Err(self.fault(0, FaultKind::TooLong(self.index)));
        }
        let mut bytes = vec![0_u8; most + 16];
        let mut offsets = Vec::with_capacity(self.rows + 1);
        offsets.push(0);
        let mut valid = NullBufferBuilder::new(self.rows);
        let mut at = 0;
        self.each(false, |text| {
            if let Some(text) = text {
                valid.append_non_null();
                let len = text.len();
                // Most texts are short: copying always sixteen bytes is cheaper than asking how many.
                match (bytes[at..].first_chunk_mut::<16>(), text.sixteen()) {
                    (Some(to), Some(from)) if len <= 16 => *to = *from,
                    _ => bytes[at..at + len].copy_from_slice(text.bytes()),
                }
                at += len;
            } else {
                valid.append_null();
            }
            offsets.push(at as i32);
            Ok(())
        })?;
        bytes.truncate(at);
        Ok((OffsetBuffer::new(ScalarBuffer::from(offsets)), Buffer::from_vec(bytes), valid.finish()))
    }
}

/// The first text that is not UTF-8.
fn first_invalid(offsets: &OffsetBuffer<i32>, bytes: &[u8]) -> usize {
    let valid = |pair: &[i32]| std::str::from_utf8(&bytes[pair[0] as usize..pair[1] as usize]).is_ok();
    offsets.windows(2).position(|pair| !valid(pair)).unwrap_or(0)
}

/// The content of a quoted field: a doubled quote is one, and what follows the closing quote is taken as it is.
fn unescape(quote: u8, raw: &[u8], into: &mut Vec<u8>) {
    into.clear();
    let mut rest = &raw[1..];
    while let Some(at) = memchr(quote, rest) {
        into.extend_from_slice(&rest[..at]);
        let Some(after) = rest[at + 1..].strip_prefix(&[quote]) else {
            into.extend_from_slice(&rest[at + 1..]);
            return;
        };
        into.push(quote);
        rest = after;
    }
    into.extend_from_slice(rest);
}

/// The same values under a type that differs only in zone, precision or scale.
fn retyped(array: ArrayRef, data_type: &DataType) -> ArrayRef {
    let data = array.to_data().into_builder().data_type(data_type.clone());
    arrow_array::make_array(data.build().expect("the types have the same layout"))
}
