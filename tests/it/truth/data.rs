//! The tables: plain rows that an oracle reads, and the same as Arrow batches. Edge tables by hand, others from a seed.
//!
//! Columns, all nullable: `id` int64 (a whole number per row), `b` boolean; `i`, `j` int64; `i8`, `i32`, `u64`; `f` float64, `g`
//! float32; `n` decimal(10, 2); `s`, `r` string, `sv` (Utf8View), `sl` (LargeUtf8) and `sd` (a dictionary) with the values of `s`; `d`,
//! `e` date; `t` timestamp and `z` timestamptz, in microseconds; `k` string of few values, for groups.

use std::fmt;
use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float32Array, Float64Array, Int8Array,
    Int32Array, Int64Array, LargeStringArray, RecordBatch, StringArray, StringViewArray, TimestampMicrosecondArray,
    UInt64Array,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use chrono::{DateTime, Days, NaiveDate};

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
        }
    }
}

const NAMES: [&str; 20] =
    ["id", "b", "i", "j", "i8", "i32", "u64", "f", "g", "n", "s", "sv", "sl", "sd", "r", "d", "e", "t", "z", "k"];

/// A table.
#[derive(Clone)]
pub(crate) struct Rows {
    /// What it is, for messages.
    pub(crate) name: String,
    rows: Vec<Vec<Cell>>,
    /// Where a batch ends and the next begins.
    cuts: Vec<usize>,
    other: Option<Box<Rows>>,
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

    pub(crate) fn schema(&self) -> SchemaRef {
        let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        let micros = |zone: Option<&str>| DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
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
            dictionary,
            DataType::Utf8,
            DataType::Date32,
            DataType::Date32,
            micros(None),
            micros(Some("UTC")),
            DataType::Utf8,
        ];
        let fields = NAMES.iter().zip(types).map(|(name, data_type)| Field::new(*name, data_type, true));
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
        let ints = |at: usize| rows.iter().map(move |row| row[at].int());
        let texts = |at: usize| rows.iter().map(move |row| row[at].text());
        let days = |at: usize| -> ArrayRef {
            let days = rows.iter().map(|row| if let Cell::Date(days) = row[at] { Some(days) } else { None });
            Arc::new(days.collect::<Date32Array>())
        };
        let micros = |at: usize, zone: Option<&str>| -> ArrayRef {
            let micros = rows.iter().map(|row| row[at].micros());
            Arc::new(micros.collect::<TimestampMicrosecondArray>().with_timezone_opt(zone))
        };
        let decimals = rows.iter().map(|row| if let Cell::Decimal(value) = row[9] { Some(value) } else { None });
        let columns: Vec<ArrayRef> = vec![
            Arc::new(ints(0).map(|v| v.map(|v| v as i64)).collect::<Int64Array>()),
            Arc::new(rows.iter().map(|row| row[1].bool()).collect::<BooleanArray>()),
            Arc::new(ints(2).map(|v| v.map(|v| v as i64)).collect::<Int64Array>()),
            Arc::new(ints(3).map(|v| v.map(|v| v as i64)).collect::<Int64Array>()),
            Arc::new(ints(4).map(|v| v.map(|v| v as i8)).collect::<Int8Array>()),
            Arc::new(ints(5).map(|v| v.map(|v| v as i32)).collect::<Int32Array>()),
            Arc::new(ints(6).map(|v| v.map(|v| v as u64)).collect::<UInt64Array>()),
            Arc::new(rows.iter().map(|row| row[7].number()).collect::<Float64Array>()),
            Arc::new(rows.iter().map(|row| row[8].number().map(|v| v as f32)).collect::<Float32Array>()),
            Arc::new(decimals.collect::<Decimal128Array>().with_precision_and_scale(10, 2).unwrap()),
            Arc::new(texts(10).collect::<StringArray>()),
            Arc::new(texts(11).collect::<StringViewArray>()),
            Arc::new(texts(12).collect::<LargeStringArray>()),
            Arc::new(texts(13).collect::<DictionaryArray<Int32Type>>()),
            Arc::new(texts(14).collect::<StringArray>()),
            days(15),
            days(16),
            micros(17, None),
            micros(18, Some("UTC")),
            Arc::new(texts(19).collect::<StringArray>()),
        ];
        RecordBatch::try_new(self.schema(), columns).unwrap()
    }
}

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 16;
        writeln!(f, "  {} rows\n  {}", self.len(), NAMES.join(" | "))?;
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
    ];
    for (at, cell) in row.iter_mut().enumerate() {
        if spread.nulls > 0 && !matches!(at, 0 | 10..=13) && random.below(spread.nulls) == 0 {
            *cell = Cell::Null;
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
    let other = Some(Box::new(Rows { name: format!("beside {name}"), rows: beside, cuts: Vec::new(), other: None }));
    Rows { name, rows, cuts, other }
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
    let (lowest, highest) = (i128::from(i64::MIN), i128::from(i64::MAX));
    let whole = |big: i128, small: i128, mid: i128, unsigned: i128, cents: i128, day: i32, micros: i64| {
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
