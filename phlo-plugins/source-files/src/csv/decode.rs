//! A block of CSV as a record batch.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimestampMicrosecondType,
};
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, PrimitiveArray, RecordBatch, RecordBatchOptions, StringArray, new_null_array,
};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, SchemaRef, TimeUnit};

use super::scan::{Dialect, Fields, WrongWidth, unquoted};
use crate::kinds::inferred;
use crate::values::{self, Text};

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
    pub(crate) fn contains(&self, text: &[u8]) -> bool {
        self.texts.iter().any(|null| **null == *text)
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
    // For each column, whether its type was inferred.
    inferred: Vec<bool>,
    fields: Fields,
}

impl Decoder {
    /// The schema's types must be those that columns can be declared with. Columns that are not `declared` take only values that
    /// inference would have taken for their type.
    pub(crate) fn new(dialect: Dialect, nulls: Nulls, schema: SchemaRef, declared: &BTreeSet<String>) -> Self {
        let inferred = schema.fields().iter().map(|field| !declared.contains(field.name())).collect();
        Self { dialect, nulls, schema, inferred, fields: Fields::default() }
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
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options)
            .expect("arrays are made from the schema"))
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

/// Most texts are no longer than this.
const SHORT: usize = 32;

impl Column<'_> {
    fn decode(self, data_type: &DataType) -> Result<ArrayRef, Fault> {
        let is_inferred = self.decoder.inferred[self.index];
        match data_type {
            DataType::Boolean if is_inferred => self.booleans(inferred::boolean),
            DataType::Boolean => self.booleans(values::boolean),
            DataType::Int64 if is_inferred => self.primitives::<Int64Type>(data_type, inferred::int64),
            DataType::Float64 if is_inferred => self.primitives::<Float64Type>(data_type, inferred::float64),
            DataType::Timestamp(TimeUnit::Microsecond, zone) if is_inferred => {
                let naive = zone.is_none();
                self.primitives::<TimestampMicrosecondType>(data_type, |text| inferred::timestamp_of(text, naive))
            }
            DataType::Int8 => self.primitives::<Int8Type>(data_type, |text| values::int64(text)?.try_into().ok()),
            DataType::Int16 => self.primitives::<Int16Type>(data_type, |text| values::int64(text)?.try_into().ok()),
            DataType::Int32 => self.primitives::<Int32Type>(data_type, |text| values::int64(text)?.try_into().ok()),
            DataType::Int64 => self.primitives::<Int64Type>(data_type, values::int64),
            DataType::Float32 => self.primitives::<Float32Type>(data_type, values::float32),
            DataType::Float64 => self.primitives::<Float64Type>(data_type, values::float64),
            DataType::Date32 => self.primitives::<Date32Type>(data_type, values::date),
            DataType::Timestamp(TimeUnit::Microsecond, zone) => {
                let naive = zone.is_none();
                self.primitives::<TimestampMicrosecondType>(data_type, |text| values::timestamp_of(text, naive))
            }
            DataType::Decimal128(precision, scale) => {
                self.primitives::<Decimal128Type>(data_type, |text| values::decimal(text, *precision, *scale))
            }
            DataType::Utf8 => {
                let (offsets, bytes, nulls) = self.texts()?;
                let array = StringArray::try_new(offsets.clone(), bytes.clone(), nulls);
                Ok(Arc::new(
                    array.map_err(|_| self.fault(first_invalid(&offsets, &bytes), FaultKind::Utf8(self.index)))?,
                ))
            }
            DataType::Binary => {
                let (offsets, bytes, nulls) = self.texts()?;
                Ok(Arc::new(BinaryArray::new(offsets, bytes, nulls)))
            }
            other => unreachable!("no column can be declared or inferred as {other}"),
        }
    }

    fn fault(&self, row: usize, kind: FaultKind) -> Fault {
        Fault { at: self.decoder.fields.origin(row), kind }
    }

    /// Calls `each` with the row and the text, without quotes, of every value; answers which are missing. Of texts, a missing one
    /// is shown as empty; of other types, an empty one is missing and a missing one is not shown.
    #[expect(clippy::inline_always, reason = "the loop over the values is worth a copy for each type")]
    #[inline(always)]
    fn each(self, texts: bool, mut each: impl FnMut(usize, Text<'_>) -> bool) -> Result<Option<NullBuffer>, Fault> {
        let nulls = &self.decoder.nulls;
        let null_lengths = nulls.lengths | u64::from(!texts);
        // No byte equals 256.
        let quote = self.decoder.fields.raw_quotes(self.decoder.dialect).map_or(256, u16::from);
        let (mut missing, mut unescaped) = (Vec::new(), Vec::new());
        for (row, (start, end)) in self.decoder.fields.column(self.column).enumerate() {
            let mut text = Text::new(&self.data[start..], end - start);
            if u16::from(self.data[start]) == quote {
                text = unquoted(text, &mut unescaped);
            }
            if null_lengths >> text.len().min(63) & 1 != 0
                && (text.len() == 0 && !texts || nulls.contains(text.bytes()))
            {
                missing.push(row);
                if !texts {
                    continue;
                }
                text = text.take(0);
            }
            if !each(row, text) {
                return Err(self.fault(row, FaultKind::Value(self.index, text.bytes().to_vec())));
            }
        }
        if missing.is_empty() {
            return Ok(None);
        }
        let mut valid = BooleanBufferBuilder::new(self.rows);
        valid.append_n(self.rows, true);
        missing.into_iter().for_each(|row| valid.set_bit(row, false));
        Ok(Some(NullBuffer::new(valid.finish())))
    }

    fn primitives<T: ArrowPrimitiveType>(
        self,
        data_type: &DataType,
        parse: impl Fn(Text<'_>) -> Option<T::Native>,
    ) -> Result<ArrayRef, Fault> {
        let mut values = vec![T::Native::default(); self.rows];
        let nulls = self.each(false, |row, text| match parse(text) {
            Some(value) => {
                values[row] = value;
                true
            }
            None => false,
        })?;
        let array = PrimitiveArray::<T>::new(ScalarBuffer::from(values), nulls);
        // Time zone, precision and scale are of the type, not of the values.
        Ok(Arc::new(array.with_data_type(data_type.clone())))
    }

    fn booleans(self, parse: impl Fn(Text<'_>) -> Option<bool>) -> Result<ArrayRef, Fault> {
        let mut values = vec![false; self.rows];
        let nulls = self.each(false, |row, text| match parse(text) {
            Some(value) => {
                values[row] = value;
                true
            }
            None => false,
        })?;
        Ok(Arc::new(BooleanArray::new(BooleanBuffer::from(values), nulls)))
    }

    fn texts(self) -> Result<(OffsetBuffer<i32>, Buffer, Option<NullBuffer>), Fault> {
        let most: usize = self.decoder.fields.column(self.column).map(|(start, end)| end - start).sum();
        if i32::try_from(most).is_err() {
            return Err(self.fault(0, FaultKind::TooLong(self.index)));
        }
        let mut bytes = vec![0_u8; most + SHORT];
        let mut offsets = vec![0_i32; self.rows + 1];
        let mut at = 0;
        let nulls = self.each(true, |row, text| {
            let len = text.len();
            // Copying always as much is cheaper than asking how much.
            match (bytes[at..].first_chunk_mut::<SHORT>(), text.tail().first_chunk::<SHORT>()) {
                (Some(to), Some(from)) if len <= SHORT => *to = *from,
                _ => bytes[at..at + len].copy_from_slice(text.bytes()),
            }
            at += len;
            offsets[row + 1] = at as i32;
            true
        })?;
        bytes.truncate(at);
        Ok((OffsetBuffer::new(ScalarBuffer::from(offsets)), Buffer::from_vec(bytes), nulls))
    }
}

/// The first text that is not UTF-8.
fn first_invalid(offsets: &OffsetBuffer<i32>, bytes: &[u8]) -> usize {
    let valid = |pair: &[i32]| std::str::from_utf8(&bytes[pair[0] as usize..pair[1] as usize]).is_ok();
    offsets.windows(2).position(|pair| !valid(pair)).unwrap_or(0)
}
