//! Batches in the binary format of COPY.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;
use bytes::{BufMut, BytesMut};
use phlo_plugin::{Error, Result};
use phlo_spec::Code;

/// What a stream begins with: the signature, no flags, no extension.
pub(crate) const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// What it ends with.
pub(crate) const TRAILER: &[u8] = &[0xff, 0xff];
/// 2000-01-01, from which PostgreSQL counts, in days since 1970.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * 86_400_000_000;

/// Writes a batch's rows.
pub(crate) fn batch(out: &mut BytesMut, batch: &RecordBatch) -> Result<()> {
    let fields = i16::try_from(batch.num_columns())
        .map_err(|_| Error::new(Code::Unsupported, "more columns than a table can have"))?;
    for row in 0..batch.num_rows() {
        out.put_i16(fields);
        for (at, column) in batch.columns().iter().enumerate() {
            if column.is_null(row) {
                out.put_i32(-1);
                continue;
            }
            value(out, column, row).map_err(|what| {
                let schema = batch.schema();
                Error::new(Code::MalformedData, format!("a value of the column `{}` {what}", schema.field(at).name()))
            })?;
        }
    }
    Ok(())
}

fn value(out: &mut BytesMut, column: &ArrayRef, row: usize) -> std::result::Result<(), &'static str> {
    const TOO_LONG: &str = "is longer than PostgreSQL's 1 GiB";
    const OUT_OF_RANGE: &str = "is outside the times that PostgreSQL knows";
    macro_rules! number {
        ($of:ty, $to:ty) => {{
            let value = <$to>::from(column.as_primitive::<$of>().value(row));
            out.put_i32(size_of::<$to>() as i32);
            out.put_slice(&value.to_be_bytes());
        }};
    }
    let text = |out: &mut BytesMut, bytes: &[u8]| {
        out.put_i32(i32::try_from(bytes.len()).map_err(|_| TOO_LONG)?);
        out.put_slice(bytes);
        Ok(())
    };
    match column.data_type() {
        DataType::Boolean => {
            out.put_i32(1);
            out.put_u8(u8::from(column.as_boolean().value(row)));
        }
        DataType::Int8 => number!(Int8Type, i16),
        DataType::UInt8 => number!(UInt8Type, i16),
        DataType::Int16 => number!(Int16Type, i16),
        DataType::UInt16 => number!(UInt16Type, i32),
        DataType::Int32 => number!(Int32Type, i32),
        DataType::UInt32 => number!(UInt32Type, i64),
        DataType::Int64 => number!(Int64Type, i64),
        DataType::Float32 => number!(Float32Type, f32),
        DataType::Float64 => number!(Float64Type, f64),
        DataType::Decimal128(_, scale) => {
            let value = column.as_primitive::<Decimal128Type>().value(row);
            numeric(out, value, usize::from(scale.unsigned_abs()));
        }
        DataType::Utf8 => return text(out, column.as_string::<i32>().value(row).as_bytes()),
        DataType::Binary => return text(out, column.as_binary::<i32>().value(row)),
        DataType::Date32 => {
            let days = column.as_primitive::<Date32Type>().value(row).checked_sub(EPOCH_DAYS).ok_or(OUT_OF_RANGE)?;
            out.put_i32(4);
            out.put_i32(days);
        }
        DataType::Timestamp(..) => {
            let at = column.as_primitive::<TimestampMicrosecondType>().value(row);
            out.put_i32(8);
            out.put_i64(at.checked_sub(EPOCH_MICROS).ok_or(OUT_OF_RANGE)?);
        }
        _ => return Err("has a type that was to be refused before"),
    }
    Ok(())
}

/// A decimal: groups of four digits on both sides of the point.
fn numeric(out: &mut BytesMut, value: i128, scale: usize) {
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let whole = format!("{}{whole}", "0".repeat((4 - whole.len() % 4) % 4));
    let fraction = format!("{fraction}{}", "0".repeat((4 - fraction.len() % 4) % 4));
    let groups: Vec<u16> = whole
        .as_bytes()
        .chunks(4)
        .chain(fraction.as_bytes().chunks(4))
        .map(|group| group.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0')))
        .collect();
    let leading = groups.iter().take_while(|group| **group == 0).count();
    let trailing = groups[leading..].iter().rev().take_while(|group| **group == 0).count();
    let kept = &groups[leading..groups.len() - trailing];
    let weight = if kept.is_empty() { 0 } else { (whole.len() / 4) as i16 - 1 - leading as i16 };
    out.put_i32(8 + 2 * kept.len() as i32);
    out.put_i16(kept.len() as i16);
    out.put_i16(weight);
    out.put_u16(if value < 0 { 0x4000 } else { 0 });
    out.put_u16(scale as u16);
    kept.iter().for_each(|group| out.put_u16(*group));
}
