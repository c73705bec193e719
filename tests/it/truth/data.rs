//! The tables: plain rows that an oracle reads, and the same as Arrow batches. Edge tables by hand, others from a seed.
//!
//! Columns, all nullable: `id` int64 (a whole number per row), `b` boolean; `i`, `j` int64; `i8`, `i32`, `u64`; `f` float64, `g`
//! float32; `n` decimal(10, 2); `s`, `r` string, `sv` (Utf8View), `sl` (LargeUtf8) and `sd` (a dictionary) with the values of `s`; `d`,
//! `e` date; `t` timestamp and `z` timestamptz, in microseconds; `k` string of few values, for groups; `x` binary, most of it no UTF-8;
//! `h`, `o` times of day, in microseconds.
//!
//! So they are [`Dress::plain`]. In other dresses the columns are of other Arrow types of their kind, and hold what those can hold.

use std::fmt;
use std::sync::Arc;

use arrow_array::types::{ArrowPrimitiveType, Float16Type};
use arrow_array::{
    Array as _, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, RecordBatch,
    StringArray, Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use chrono::{DateTime, Days, NaiveDate};
use datafusion::arrow::compute::{CastOptions, cast_with_options};

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    /// Unscaled, of scale 2: 150 is 1.50.
    Decimal(i128),
    Text(String),
    /// Days since 1970.
    Date(i32),
    /// Microseconds since 1970, UTC.
    Timestamp(i64),
    Binary(Vec<u8>),
    /// Microseconds since midnight.
    Time(i64),
}

impl Cell {
    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The number, a decimal's too; nothing for null and for what is none.
    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            Self::Decimal(value) => Some(*value as f64 / 100.0),
            _ => None,
        }
    }

    pub(crate) fn int(&self) -> Option<i128> {
        match self {
            Self::Int(value) => Some(*value),
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Microseconds since midnight, of a time of day.
    pub(crate) fn clock(&self) -> Option<i64> {
        match self {
            Self::Time(micros) => Some(*micros),
            _ => None,
        }
    }

    fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Binary(bytes) => Some(bytes),
            _ => None,
        }
    }

    pub(crate) fn bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    pub(crate) fn date(&self) -> Option<NaiveDate> {
        let epoch = NaiveDate::default();
        match self {
            Self::Date(days @ 0..) => epoch.checked_add_days(Days::new(*days as u64)),
            Self::Date(days) => epoch.checked_sub_days(Days::new(u64::from(days.unsigned_abs()))),
            _ => None,
        }
    }

    /// Microseconds since 1970; a date's are its midnight's.
    pub(crate) fn micros(&self) -> Option<i64> {
        match self {
            Self::Timestamp(micros) => Some(*micros),
            Self::Date(days) => Some(i64::from(*days) * 86_400_000_000),
            _ => None,
        }
    }

    /// A text that is the same for values that are equal: -0.0 is 0.0, every NaN is one.
    pub(crate) fn key(&self) -> String {
        match self {
            Self::Float(value) if value.is_nan() => "NaN".to_owned(),
            Self::Float(value) if *value == 0.0 => "0.0".to_owned(),
            other => format!("{other:?}"),
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("-"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Decimal(value) => write!(f, "{:.2}", *value as f64 / 100.0),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Date(_) => write!(f, "{}", self.date().unwrap()),
            Self::Timestamp(micros) => write!(f, "{}", DateTime::from_timestamp_micros(*micros).unwrap().naive_utc()),
            Self::Binary(bytes) => write!(f, "{bytes:02x?}"),
            Self::Time(micros) => write!(f, "{}", DateTime::from_timestamp_micros(*micros).unwrap().time()),
        }
    }
}

pub(crate) const NAMES: [&str; 23] = [
    "id", "b", "i", "j", "i8", "i32", "u64", "f", "g", "n", "s", "sv", "sl", "sd", "r", "d", "e", "t", "z", "k", "x",
    "h", "o",
];

/// The Arrow types of the columns. What a table means does not depend on it: the same cells, the same checks, the same oracles.
#[derive(Debug)]
pub(crate) struct Dress {
    name: String,
    types: [DataType; NAMES.len()],
}

fn dictionary(key: DataType, value: DataType) -> DataType {
    DataType::Dictionary(Box::new(key), Box::new(value))
}

fn timestamp(unit: TimeUnit, zone: Option<&str>) -> DataType {
    DataType::Timestamp(unit, zone.map(Into::into))
}

impl Dress {
    /// The types that tables have unless it is said otherwise, and those that DuckDB sees.
    fn plain() -> Self {
        let types = [
            DataType::Int64,
            DataType::Boolean,
            DataType::Int64,
            DataType::Int64,
            DataType::Int8,
            DataType::Int32,
            DataType::UInt64,
            DataType::Float64,
            DataType::Float32,
            DataType::Decimal128(10, 2),
            DataType::Utf8,
            DataType::Utf8View,
            DataType::LargeUtf8,
            dictionary(DataType::Int32, DataType::Utf8),
            DataType::Utf8,
            DataType::Date32,
            DataType::Date32,
            timestamp(TimeUnit::Microsecond, None),
            timestamp(TimeUnit::Microsecond, Some("UTC")),
            DataType::Utf8,
            DataType::Binary,
            DataType::Time64(TimeUnit::Microsecond),
            DataType::Time64(TimeUnit::Microsecond),
        ];
        Self { name: String::new(), types }
    }

    /// As many as there are whole types: each column of a kind goes through all types of its kind, and columns of a kind are seldom of one
    /// type at once. `g` is never a float64: a bound such as 0.1 is another number there.
    pub(crate) fn all() -> Vec<Self> {
        let whole = [
            DataType::Int32,
            DataType::Int16,
            DataType::Int8,
            DataType::UInt64,
            DataType::UInt32,
            DataType::UInt16,
            DataType::UInt8,
            dictionary(DataType::Int16, DataType::Int64),
            DataType::Int64,
        ];
        let floats = [DataType::Float32, DataType::Float16, DataType::Float64];
        let decimals = [
            DataType::Decimal32(9, 2),
            DataType::Decimal64(18, 2),
            DataType::Decimal128(38, 2),
            DataType::Decimal256(50, 2),
            DataType::Decimal256(10, 2),
            DataType::Decimal128(12, 3),
        ];
        let texts = [
            DataType::LargeUtf8,
            DataType::Utf8View,
            dictionary(DataType::Int8, DataType::Utf8),
            dictionary(DataType::UInt16, DataType::LargeUtf8),
            dictionary(DataType::Int64, DataType::Utf8View),
            DataType::Utf8,
        ];
        let units = [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Nanosecond, TimeUnit::Microsecond];
        let zones = ["+00:00", "+02:00", "America/New_York", "UTC"];
        let binaries = [DataType::LargeBinary, DataType::BinaryView, DataType::FixedSizeBinary(2), DataType::Binary];
        let times = [
            DataType::Time32(TimeUnit::Second),
            DataType::Time32(TimeUnit::Millisecond),
            DataType::Time64(TimeUnit::Nanosecond),
            DataType::Time64(TimeUnit::Microsecond),
        ];
        let dress = |nth: usize| {
            let whole = |at: usize| whole[(nth + at) % whole.len()].clone();
            let text = |at: usize| texts[(nth + at) % texts.len()].clone();
            let date = |at: usize| if (nth + at).is_multiple_of(2) { DataType::Date64 } else { DataType::Date32 };
            let types = [
                whole(4),
                DataType::Boolean,
                whole(0),
                whole(2),
                whole(5),
                whole(7),
                whole(3),
                floats[nth % 3].clone(),
                floats[(nth + nth / 2) % 2].clone(),
                decimals[nth % decimals.len()].clone(),
                text(0),
                text(1),
                text(2),
                text(3),
                text(4),
                date(0),
                date(nth / 2),
                timestamp(units[nth % 4], None),
                timestamp(units[(nth + 1 + nth / 4) % 4], Some(zones[nth % 4])),
                text(5),
                binaries[nth % 4].clone(),
                times[nth % 4].clone(),
                times[(nth + 1 + nth / 4) % 4].clone(),
            ];
            Self { name: format!("dress {nth}"), types }
        };
        (0..whole.len()).map(dress).collect()
    }

    /// What it is, for messages; nothing for the plain one.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A column's type.
    pub(crate) fn of(&self, column: &str) -> &DataType {
        &self.types[at(column)]
    }
}

/// What a value is in a type that cannot hold it: the nearest, of a moment the one before.
fn fitted(cell: &Cell, data_type: &DataType) -> Cell {
    let cents = |precision: u8, scale: i8, value: i128| {
        let most = 10_i128.pow(u32::from(precision).min(30) - scale as u32 + 2) - 1;
        Cell::Decimal(value.clamp(-most, most))
    };
    match (cell, data_type) {
        (cell, DataType::Dictionary(_, value)) => fitted(cell, value),
        (Cell::Int(value), whole) => {
            let (low, high) = match whole {
                DataType::Int8 => (i128::from(i8::MIN), i128::from(i8::MAX)),
                DataType::Int16 => (i128::from(i16::MIN), i128::from(i16::MAX)),
                DataType::Int32 => (i128::from(i32::MIN), i128::from(i32::MAX)),
                DataType::Int64 => (i128::from(i64::MIN), i128::from(i64::MAX)),
                DataType::UInt8 => (0, i128::from(u8::MAX)),
                DataType::UInt16 => (0, i128::from(u16::MAX)),
                DataType::UInt32 => (0, i128::from(u32::MAX)),
                DataType::UInt64 => (0, i128::from(u64::MAX)),
                other => panic!("{other} holds no whole numbers"),
            };
            Cell::Int((*value).clamp(low, high))
        }
        (Cell::Float(value), DataType::Float32) => Cell::Float(f64::from(*value as f32)),
        (Cell::Float(value), DataType::Float16) => {
            Cell::Float(<Float16Type as ArrowPrimitiveType>::Native::from_f64(*value).to_f64())
        }
        (
            Cell::Decimal(value),
            DataType::Decimal32(precision, scale)
            | DataType::Decimal64(precision, scale)
            | DataType::Decimal128(precision, scale)
            | DataType::Decimal256(precision, scale),
        ) => cents(*precision, *scale, *value),
        (Cell::Time(micros), DataType::Time32(TimeUnit::Second)) => Cell::Time(micros / 1_000_000 * 1_000_000),
        (Cell::Time(micros), DataType::Time32(_)) => Cell::Time(micros / 1000 * 1000),
        (Cell::Timestamp(micros), DataType::Timestamp(unit, _)) => Cell::Timestamp(match unit {
            TimeUnit::Second => micros.div_euclid(1_000_000) * 1_000_000,
            TimeUnit::Millisecond => micros.div_euclid(1000) * 1000,
            TimeUnit::Microsecond => *micros,
            TimeUnit::Nanosecond => (*micros).clamp(i64::MIN / 1000, i64::MAX / 1000),
        }),
        (Cell::Binary(bytes), DataType::FixedSizeBinary(width)) => {
            let mut bytes = bytes.clone();
            bytes.resize(*width as usize, 0);
            Cell::Binary(bytes)
        }
        (cell, _) => cell.clone(),
    }
}

/// The values in another type, to the last digit.
fn cast(values: &ArrayRef, to: &DataType) -> ArrayRef {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let cast = |values: &ArrayRef, to: &DataType| cast_with_options(values, to, &options).unwrap();
    let dressed = cast(values, to);
    // NaNs of other bits are the same.
    assert!(to.is_floating() || cast(&dressed, values.data_type()).as_ref() == values.as_ref(), "{to} alters values");
    dressed
}

/// A table.
#[derive(Clone)]
pub(crate) struct Rows {
    /// What it is, for messages.
    pub(crate) name: String,
    rows: Vec<Vec<Cell>>,
    /// Where a batch ends and the next begins.
    cuts: Vec<usize>,
    other: Option<Box<Rows>>,
    dress: Arc<Dress>,
}

fn at(column: &str) -> usize {
    NAMES.iter().position(|name| *name == column).unwrap_or_else(|| panic!("there is no column `{column}`"))
}

impl Rows {
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// A column's cells, in the rows' order.
    pub(crate) fn column(&self, column: &str) -> Vec<&Cell> {
        self.rows.iter().map(|row| &row[at(column)]).collect()
    }

    /// A column's values, nulls left out.
    pub(crate) fn values(&self, column: &str) -> Vec<&Cell> {
        self.column(column).into_iter().filter(|cell| !cell.is_null()).collect()
    }

    /// A column's numbers, nulls left out; NaN and infinities among them.
    #[allow(dead_code, reason = "for checks of aggregates")]
    pub(crate) fn numbers(&self, column: &str) -> Vec<f64> {
        self.column(column).into_iter().filter_map(Cell::number).collect()
    }

    /// A column's texts, nulls left out.
    pub(crate) fn texts(&self, column: &str) -> Vec<&str> {
        self.column(column).into_iter().filter_map(Cell::text).collect()
    }

    /// The row's cells of these columns.
    pub(crate) fn tuples(&self, columns: &[&str]) -> Vec<Vec<&Cell>> {
        self.rows.iter().map(|row| columns.iter().map(|column| &row[at(column)]).collect()).collect()
    }

    /// How many rows a judge, who sees the cells of these columns, calls bad.
    pub(crate) fn bad(&self, columns: &[&str], bad: impl Fn(&[&Cell]) -> bool) -> usize {
        self.tuples(columns).iter().filter(|cells| bad(cells)).count()
    }

    /// The rows that a judge wants, as a table.
    pub(crate) fn only(&self, columns: &[&str], wanted: impl Fn(&[&Cell]) -> bool) -> Self {
        let rows = self.rows.iter().zip(self.tuples(columns)).filter(|(_, cells)| wanted(cells));
        Self { rows: rows.map(|(row, _)| row.clone()).collect(), cuts: Vec::new(), ..self.clone() }
    }

    /// The table beside it: like it, some rows missing, changed and added. None of the other has another.
    pub(crate) fn other(&self) -> Option<&Self> {
        self.other.as_deref()
    }

    /// The same, of other types; the table beside it is of others again, if it says so.
    pub(crate) fn dressed(&self, dress: &Arc<Dress>) -> Self {
        let fit = |row: &Vec<Cell>| row.iter().zip(&dress.types).map(|(cell, of)| fitted(cell, of)).collect();
        let name = if dress.name.is_empty() { self.name.clone() } else { format!("{} in {}", self.name, dress.name) };
        Self {
            name,
            rows: self.rows.iter().map(fit).collect(),
            cuts: self.cuts.clone(),
            other: self.other.as_ref().map(|other| Box::new(other.dressed(dress))),
            dress: dress.clone(),
        }
    }

    /// The same in plain types.
    pub(crate) fn undressed(&self) -> Self {
        self.dressed(&Arc::new(Dress::plain()))
    }

    pub(crate) fn dress(&self) -> &Dress {
        &self.dress
    }

    pub(crate) fn schema(&self) -> SchemaRef {
        let fields = NAMES.iter().zip(&self.dress.types);
        let fields = fields.map(|(name, data_type)| Field::new(*name, data_type.clone(), true));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    /// The same as Arrow: several batches, some of them empty.
    pub(crate) fn batches(&self) -> Vec<RecordBatch> {
        let mut ends = self.cuts.clone();
        ends.push(self.len());
        let mut from = 0;
        ends.into_iter()
            .map(|to| {
                let batch = self.batch(&self.rows[from..to]);
                from = to;
                batch
            })
            .collect()
    }

    fn batch(&self, rows: &[Vec<Cell>]) -> RecordBatch {
        let columns = self.dress.types.iter().enumerate().map(|(at, data_type)| {
            let cells = || rows.iter().map(move |row| &row[at]);
            let values: ArrayRef = match NAMES[at] {
                "b" => Arc::new(cells().map(Cell::bool).collect::<BooleanArray>()),
                "f" | "g" => Arc::new(cells().map(Cell::number).collect::<Float64Array>()),
                "n" => {
                    let cents = cells().map(|cell| if let Cell::Decimal(value) = cell { Some(*value) } else { None });
                    Arc::new(cents.collect::<Decimal128Array>().with_precision_and_scale(38, 2).unwrap())
                }
                "d" | "e" => {
                    let days = cells().map(|cell| if let Cell::Date(days) = cell { Some(*days) } else { None });
                    Arc::new(days.collect::<Date32Array>())
                }
                "t" => Arc::new(cells().map(Cell::micros).collect::<TimestampMicrosecondArray>()),
                "z" => Arc::new(cells().map(Cell::micros).collect::<TimestampMicrosecondArray>().with_timezone("UTC")),
                "x" => Arc::new(cells().map(Cell::bytes).collect::<BinaryArray>()),
                "h" | "o" => Arc::new(cells().map(Cell::clock).collect::<Time64MicrosecondArray>()),
                "id" | "i" | "j" | "i8" | "i32" | "u64" => {
                    let whole = cells().map(Cell::int).collect::<Decimal128Array>();
                    Arc::new(whole.with_precision_and_scale(38, 0).unwrap())
                }
                _ => Arc::new(cells().map(Cell::text).collect::<StringArray>()),
            };
            match data_type {
                // There is no way from decimals to it.
                DataType::Dictionary(_, value) if value.is_integer() => cast(&cast(&values, value), data_type),
                _ => cast(&values, data_type),
            }
        });
        let columns: Vec<ArrayRef> = columns.collect();
        RecordBatch::try_new(self.schema(), columns).unwrap()
    }
}

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 16;
        writeln!(f, "  {} rows\n  {}", self.len(), NAMES.join(" | "))?;
        writeln!(f, "  {}", self.dress.types.iter().map(DataType::to_string).collect::<Vec<_>>().join(" | "))?;
        for row in self.rows.iter().take(MOST) {
            writeln!(f, "  {}", row.iter().map(Cell::to_string).collect::<Vec<_>>().join(" | "))?;
        }
        if self.len() > MOST { writeln!(f, "  …") } else { Ok(()) }
    }
}

/// SplitMix64: the same numbers for the same seed, everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }
}

const FLOATS: [f64; 14] =
    [0.0, -0.0, 1.0, -1.0, 0.1, 0.5, 2.5, 100.0, -3.25, 1e300, f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY];

/// What texts are made of where a check brings none.
const TEXTS: [&str; 26] = [
    "", " ", "a", "A", "b", "ab", "AB", "Ab", "abc", "abcabc", "N/A", "null", "-999", "é", "É", "e\u{301}", "日本",
    "😀", "ß", "a_b", "a%b", "it's", "a\nb", "12", "N12", "x y",
];

const BYTES: &[&[u8]] = &[b"", b"\0", b"a", b"ab", b"\xff", b"\xff\xfe", b"\xc3\xa9"];

/// How a generated table's values are spread.
struct Spread {
    rows: usize,
    /// One of so many cells is null; none of them with 0.
    nulls: usize,
    /// Whole numbers and decimals, at most so far from zero.
    wide: usize,
    /// NaN and infinities too.
    odd: bool,
}

fn row(random: &mut Random, spread: &Spread, texts: &[&str], id: usize) -> Vec<Cell> {
    let whole = |random: &mut Random| random.below(spread.wide * 2 + 1) as i128 - spread.wide as i128;
    let text = |random: &mut Random| Cell::Text(random.of(texts).to_owned());
    let s = if spread.nulls > 0 && random.below(spread.nulls) == 0 { Cell::Null } else { text(random) };
    let finite = FLOATS.len() - 5;
    let float = |random: &mut Random| match random.below(3) {
        0 => FLOATS[random.below(if spread.odd { FLOATS.len() } else { finite })],
        _ => whole(random) as f64 / 4.0,
    };
    // 2020, give or take; half of the moments are midnights.
    let day = |random: &mut Random| 18_262 + whole(random) as i32;
    let moment = |random: &mut Random| {
        i64::from(day(random)) * 86_400_000_000
            + i64::from(random.below(2) == 0) * random.below(86_400) as i64 * 1_000_001
    };
    let mut row = vec![
        Cell::Int(id as i128),
        Cell::Bool(random.below(3) > 0),
        Cell::Int(whole(random)),
        Cell::Int(whole(random)),
        Cell::Int(whole(random).clamp(-128, 127)),
        Cell::Int(whole(random)),
        Cell::Int(whole(random).abs()),
        Cell::Float(float(random)),
        Cell::Float(f64::from(float(random) as f32)),
        Cell::Decimal(whole(random) * 25),
        s.clone(),
        s.clone(),
        s.clone(),
        s,
        text(random),
        Cell::Date(day(random)),
        Cell::Date(day(random)),
        Cell::Timestamp(moment(random)),
        Cell::Timestamp(moment(random)),
        Cell::Text(random.of(&["x", "y", "z"]).to_owned()),
        Cell::Binary(random.of(BYTES).to_vec()),
        Cell::Null,
        Cell::Null,
    ];
    for (at, cell) in row.iter_mut().enumerate() {
        if spread.nulls > 0 && !matches!(at, 0 | 10..=13 | 21..) && random.below(spread.nulls) == 0 {
            *cell = Cell::Null;
        }
    }
    // Few, half of them on the hour, so that some are equal.
    for (column, of) in [("h", "i"), ("o", "j")] {
        if let Some(whole) = row[at(of)].int() {
            let hour = i64::try_from(whole.rem_euclid(24)).unwrap();
            row[at(column)] = Cell::Time(hour * 3_600_000_000 + (hour % 2) * 61_000_001);
        }
    }
    row
}

fn generated(seed: u64, spread: &Spread, texts: &[&str]) -> Rows {
    let mut random = Random(seed);
    let rows = (0..spread.rows).map(|id| row(&mut random, spread, texts, id)).collect();
    named(format!("generated {seed}"), rows, &mut random)
}

/// Rows that were copied, each with an `id` of its own.
fn numbered(mut rows: Vec<Vec<Cell>>) -> Vec<Vec<Cell>> {
    rows.iter_mut().enumerate().for_each(|(id, row)| row[0] = Cell::Int(id as i128));
    rows
}

fn named(name: String, rows: Vec<Vec<Cell>>, random: &mut Random) -> Rows {
    let mut cuts: Vec<usize> = (0..random.below(4)).map(|_| random.below(rows.len() + 1)).collect();
    cuts.sort_unstable();
    let beside = beside(&rows, random);
    let dress = Arc::new(Dress::plain());
    let name_beside = format!("beside {name}");
    let other = Rows { name: name_beside, rows: beside, cuts: Vec::new(), other: None, dress: dress.clone() };
    Rows { name, rows, cuts, other: Some(Box::new(other)), dress }
}

/// The rows of the table beside: for a third of the tables the same in another order, for others some are missing, changed and added.
fn beside(rows: &[Vec<Cell>], random: &mut Random) -> Vec<Vec<Cell>> {
    let mut other = rows.to_vec();
    other.reverse();
    match random.below(3) {
        0 => {}
        1 => other.retain(|_| random.below(4) > 0),
        _ => {
            for row in &mut other {
                if random.below(5) == 0 {
                    row[2] = Cell::Int(7);
                    row[10] = Cell::Text("other".to_owned());
                }
            }
            if let Some(mut row) = other.first().cloned() {
                row[0] = Cell::Int(1000);
                other.push(row);
            }
        }
    }
    other
}

/// The tables that checks are tried on: edges and generated ones. With texts, fewer, whose texts are those.
pub(crate) fn tables(texts: &[&str]) -> Vec<Rows> {
    let mut random = Random(7);
    let spread = |rows, nulls, wide, odd| Spread { rows, nulls, wide, odd };
    if !texts.is_empty() {
        let mut all: Vec<_> = (0..texts.len()).map(|id| row(&mut random, &spread(1, 0, 5, false), texts, id)).collect();
        for (row, text) in all.iter_mut().zip(texts) {
            (10..=13).for_each(|at| row[at] = Cell::Text((*text).to_owned()));
        }
        let each = named("each text once".to_owned(), all, &mut random);
        return vec![
            each,
            generated(101, &spread(60, 6, 5, true), texts),
            generated(102, &spread(0, 6, 5, true), texts),
        ];
    }
    let nulls = |rows: usize| vec![vec![Cell::Null; NAMES.len()]; rows];
    let mut tables = vec![
        named("no rows".to_owned(), Vec::new(), &mut random),
        named("one row of nulls".to_owned(), nulls(1), &mut random),
        named("nulls".to_owned(), nulls(5), &mut random),
    ];
    let plain = row(&mut random, &spread(1, 0, 5, false), &TEXTS, 0);
    tables.push(named("one row".to_owned(), vec![plain.clone()], &mut random));
    tables.push(named("one row, many times".to_owned(), vec![plain.clone(); 6], &mut random));
    // One odd value of each kind among plain rows, each in a column where it can be.
    let edge = |cells: &[(&str, Cell)]| {
        let mut row = plain.clone();
        for (column, cell) in cells {
            row[at(column)] = cell.clone();
        }
        row
    };
    let float = |value: f64| edge(&[("f", Cell::Float(value)), ("g", Cell::Float(f64::from(value as f32)))]);
    tables.push(named("floats".to_owned(), numbered(FLOATS.iter().map(|value| float(*value)).collect()), &mut random));
    tables.push(named("zeros".to_owned(), numbered([0.0, -0.0].map(float).to_vec()), &mut random));
    tables.push(named(
        "no numbers".to_owned(),
        numbered([f64::NAN, -f64::NAN, f64::NAN].map(float).to_vec()),
        &mut random,
    ));
    let one = edge(&[("f", Cell::Float(f64::INFINITY)), ("g", Cell::Float(f64::NAN))]);
    tables.push(named("one infinity".to_owned(), vec![one], &mut random));
    let (lowest, highest) = (i128::from(i64::MIN), i128::from(i64::MAX));
    let whole = |big: i128, small: i128, mid: i128, unsigned: i128, cents: i128, day: i32, micros: i64| {
        let clock = if big > 0 { 86_399_999_999 } else { 0 };
        edge(&[
            ("i", Cell::Int(big)),
            ("j", Cell::Int(-(big + 1))),
            ("i8", Cell::Int(small)),
            ("i32", Cell::Int(mid)),
            ("u64", Cell::Int(unsigned)),
            ("n", Cell::Decimal(cents)),
            ("d", Cell::Date(day)),
            ("t", Cell::Timestamp(micros)),
            ("z", Cell::Timestamp(micros)),
            ("h", Cell::Time(clock)),
            ("o", Cell::Time(86_399_999_999 - clock)),
        ])
    };
    let year = 365 * 86_400_000_000;
    tables.push(named(
        "the ends of the types".to_owned(),
        numbered(vec![
            whole(lowest, -128, i128::from(i32::MIN), 0, -9_999_999_999, -25_000, -60 * year),
            whole(highest, 127, i128::from(i32::MAX), i128::from(u64::MAX), 9_999_999_999, 200_000, 500 * year),
            whole(highest, 127, i128::from(i32::MAX), i128::from(u64::MAX), 9_999_999_999, 200_000, 500 * year),
            whole(0, 0, 0, 0, 0, 0, 0),
        ]),
        &mut random,
    ));
    for (seed, spread) in [
        spread(8, 0, 3, false),
        spread(20, 4, 3, true),
        spread(40, 0, 6, true),
        spread(40, 8, 10, false),
        spread(64, 2, 2, true),
        spread(100, 10, 100, true),
        spread(100, 0, 1000, false),
        spread(300, 20, 50, true),
        spread(3, 3, 4, true),
        spread(2, 0, 1, false),
        spread(30, 5, 1, false),
        spread(30, 0, 40, false),
    ]
    .iter()
    .enumerate()
    {
        for again in 0..2 {
            tables.push(generated(seed as u64 * 10 + again, spread, &TEXTS));
        }
    }
    tables
}

/// The ends of the types, NaN, infinities, duplicates and nulls in one table; of texts, each once.
fn mixed(texts: &[&str]) -> Rows {
    let all = tables(texts);
    let of = |name: &str| all.iter().find(|rows| rows.name == name).unwrap();
    if texts.is_empty() {
        let parts = ["the ends of the types", "floats", "generated 10", "nulls"].map(|name| of(name).rows.clone());
        named("all sorts".to_owned(), numbered(parts.concat()), &mut Random(11))
    } else {
        of("each text once").clone()
    }
}

/// The same table in each dress, and the table beside it in the next. Their values are what both types hold.
pub(crate) fn unlike() -> Vec<Rows> {
    let dresses: Vec<_> = Dress::all().into_iter().map(Arc::new).collect();
    let pairs = dresses.iter().zip(dresses.iter().cycle().skip(1));
    let unlike = pairs.map(|(here, there)| {
        let both = mixed(&[]).dressed(there).dressed(here);
        let other = both.other.as_ref().map(|other| Box::new(other.dressed(there)));
        Rows { other, ..both }
    });
    unlike.collect()
}

/// Tables in each dress: that with all sorts of values, and an edge, another for each dress.
pub(crate) fn dressed(texts: &[&str]) -> Vec<Rows> {
    let all = tables(texts);
    let of = |name: &str| all.iter().find(|rows| rows.name == name).unwrap();
    let mixed = mixed(texts);
    let edges: &[&str] = if texts.is_empty() { &["no rows", "nulls", "one row", "generated 40"] } else { &[] };
    let mut tables = Vec::new();
    for (nth, dress) in Dress::all().into_iter().map(Arc::new).enumerate() {
        tables.push(mixed.dressed(&dress));
        if !edges.is_empty() {
            tables.push(of(edges[nth % edges.len()]).dressed(&dress));
        }
    }
    tables
}
