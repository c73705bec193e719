//! The statistics of a data file that its `add` action carries: from the Parquet footer to Delta's JSON.
//!
//! Readers skip files by them, so a bound may be too wide and must never be too narrow: strings are cut below and rounded
//! up above by the Parquet writer, timestamps are widened to whole milliseconds, columns that hold NaN have no bounds.

use std::fmt::Write as _;

use arrow_schema::{DataType, Schema};
use chrono::{DateTime, Days, NaiveDate};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::statistics::Statistics;

/// Delta's default number of leading columns that have statistics (`delta.dataSkippingNumIndexedCols`).
pub(crate) const INDEXED_COLUMNS: usize = 32;

/// The JSON of a file's statistics: `numRecords`, `minValues`, `maxValues`, `nullCount`.
///
/// `has_nan` tells for each column of `schema` whether a NaN was written.
pub(crate) fn to_json(schema: &Schema, metadata: &ParquetMetaData, has_nan: &[bool]) -> String {
    let mut mins = Vec::new();
    let mut maxs = Vec::new();
    let mut nulls = Vec::new();
    let descriptor = metadata.file_metadata().schema_descr();
    for (index, field) in schema.fields().iter().enumerate().take(INDEXED_COLUMNS) {
        if field.data_type().is_nested() {
            continue;
        }
        let Some(leaf) = (0..descriptor.num_columns()).find(|i| descriptor.get_column_root_idx(*i) == index) else {
            continue;
        };
        let chunks = metadata.row_groups().iter().map(|group| {
            let stats = group.column(leaf).statistics()?;
            Some((stats, stats.null_count_opt()?, group.column(leaf).num_values() as u64))
        });
        let Some(chunks) = chunks.collect::<Option<Vec<_>>>() else { continue };
        let name = serde_json::Value::from(field.name().as_str()).to_string();
        nulls.push(format!("{name}:{}", chunks.iter().map(|(_, nulls, _)| nulls).sum::<u64>()));
        if has_nan.get(index).copied().unwrap_or(true) {
            continue;
        }
        // A chunk of nulls alone has no bounds, and needs none.
        let with_values: Vec<_> =
            chunks.iter().filter(|(_, nulls, values)| nulls < values).map(|(stats, ..)| *stats).collect();
        if let Some((min, max)) = bounds(field.data_type(), &with_values) {
            mins.push(format!("{name}:{min}"));
            maxs.push(format!("{name}:{max}"));
        }
    }
    let rows = metadata.file_metadata().num_rows();
    let mut json = String::new();
    let _ = write!(
        json,
        r#"{{"numRecords":{rows},"minValues":{{{}}},"maxValues":{{{}}},"nullCount":{{{}}}}}"#,
        mins.join(","),
        maxs.join(","),
        nulls.join(",")
    );
    json
}

/// The least and the greatest value over all chunks as JSON; `None` if a chunk does not tell its own, or there is none.
fn bounds(data_type: &DataType, chunks: &[&Statistics]) -> Option<(String, String)> {
    macro_rules! span {
        ($variant:ident) => {{
            let mut low = None;
            let mut high = None;
            for stats in chunks {
                let Statistics::$variant(typed) = stats else { return None };
                let (min, max) = (typed.min_opt()?, typed.max_opt()?);
                low = Some(low.map_or(min, |l| if min < l { min } else { l }));
                high = Some(high.map_or(max, |h| if max > h { max } else { h }));
            }
            (low?, high?)
        }};
    }
    let pair = match data_type {
        DataType::Boolean => {
            let (low, high) = span!(Boolean);
            (low.to_string(), high.to_string())
        }
        DataType::Int8 | DataType::Int16 | DataType::Int32 => {
            let (low, high) = span!(Int32);
            (low.to_string(), high.to_string())
        }
        DataType::Int64 => {
            let (low, high) = span!(Int64);
            (low.to_string(), high.to_string())
        }
        DataType::Float32 => {
            let (low, high) = span!(Float);
            (number(f64::from(*low))?, number(f64::from(*high))?)
        }
        DataType::Float64 => {
            let (low, high) = span!(Double);
            (number(*low)?, number(*high)?)
        }
        DataType::Date32 => {
            let (low, high) = span!(Int32);
            (date(*low)?, date(*high)?)
        }
        DataType::Timestamp(_, zone) => {
            let (low, high) = span!(Int64);
            (
                instant(low.div_euclid(1000), zone.is_some())?,
                instant(high.div_euclid(1000) + i64::from(high.rem_euclid(1000) != 0), zone.is_some())?,
            )
        }
        DataType::Decimal128(_, scale) => {
            let unscaled = |bytes: &[u8], stats: &Statistics| -> Option<i128> {
                match stats {
                    Statistics::Int32(_) => Some(i128::from(i32::from_le_bytes(bytes.try_into().ok()?))),
                    Statistics::Int64(_) => Some(i128::from(i64::from_le_bytes(bytes.try_into().ok()?))),
                    // Big-endian two's complement of any length up to 16.
                    _ if (1..=16).contains(&bytes.len()) => {
                        let sign = if bytes[0] & 0x80 == 0 { 0 } else { -1_i128 };
                        Some(bytes.iter().fold(sign, |acc, b| (acc << 8) | i128::from(*b)))
                    }
                    _ => None,
                }
            };
            let mut span: Option<(i128, i128)> = None;
            for stats in chunks {
                let (min, max) = (unscaled(stats.min_bytes_opt()?, stats)?, unscaled(stats.max_bytes_opt()?, stats)?);
                span = Some(span.map_or((min, max), |(low, high)| (low.min(min), high.max(max))));
            }
            let (low, high) = span?;
            (decimal(low, *scale), decimal(high, *scale))
        }
        DataType::Utf8 => {
            let (low, high) = span!(ByteArray);
            let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(|t| serde_json::Value::from(t).to_string());
            (text(low.data())?, text(high.data())?)
        }
        _ => return None,
    };
    Some(pair)
}

fn number(value: f64) -> Option<String> {
    serde_json::Number::from_f64(value).map(|n| n.to_string())
}

fn date(days: i32) -> Option<String> {
    let epoch = NaiveDate::from_ymd_opt(1970, 1, 1)?;
    let day = if days >= 0 {
        epoch.checked_add_days(Days::new(u64::from(days.unsigned_abs())))?
    } else {
        epoch.checked_sub_days(Days::new(u64::from(days.unsigned_abs())))?
    };
    // Years beyond four digits have no form that every reader knows.
    ("0001-01-01"..="9999-12-31").contains(&day.to_string().as_str()).then(|| format!("\"{day}\""))
}

fn instant(millis: i64, utc: bool) -> Option<String> {
    let time = DateTime::from_timestamp_millis(millis)?;
    let text =
        if utc { time.format("%Y-%m-%dT%H:%M:%S%.3fZ") } else { time.format("%Y-%m-%dT%H:%M:%S%.3f") }.to_string();
    text.starts_with(|c: char| c.is_ascii_digit()).then(|| format!("\"{text}\""))
}

/// Exact digits: a double would round above 15 of them.
fn decimal(unscaled: i128, scale: i8) -> String {
    let scale = usize::from(scale.unsigned_abs());
    if scale == 0 {
        return unscaled.to_string();
    }
    let digits = format!("{:0width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    format!("{}{whole}.{fraction}", if unscaled < 0 { "-" } else { "" })
}
