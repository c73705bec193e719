//! A table's profile: what its columns hold, found in one pass in memory that does not grow with the table.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int64Type, UInt64Type};
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_cast::{can_cast_types, cast};
use arrow_schema::DataType;
use datafusion::arrow::datatypes::i256;
use datafusion::catalog::TableProvider;
use datafusion::common::hash_utils::{HLL_RANDOM_STATE, create_hashes};
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use phlo_plugin::{Error, Result};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::error::map_error;

/// Distinct values up to which they are counted exactly, each by a hash of 64 bits.
const COUNTED: usize = 10_000;
/// Distinct values up to which the values themselves and how often each occurs are known.
const KEPT: usize = 1_000;
/// Of these, how many a profile tells.
const TOLD: usize = 50;
/// Characters of a value that are kept.
const SHOWN: usize = 200;
/// Values that a level of a [`Sketch`] holds before every second one is moved to the next.
const LEVEL: usize = 1_024;
/// Decimal places that a mean has more than the decimals that it is of.
const PLACES: u8 = 4;
/// A [`Sketch`] tells these parts of the values.
const QUANTILES: [f64; 5] = [0.05, 0.25, 0.5, 0.75, 0.95];
/// Bits of a hash that choose a register of [`Registers`]: the error is about 0.8 %.
const REGISTER_BITS: u32 = 14;
/// Distinct values of one shape that make the shape certain.
const SHAPED: u64 = 100;
/// Characters of a text that can have a shape.
const SHAPE: usize = 64;

/// What a table holds.
#[derive(Debug, Clone)]
pub struct TableProfile {
    /// Its rows.
    pub rows: u64,
    /// Its columns, those that phlo adds left out.
    pub columns: Vec<ColumnProfile>,
}

/// What a column holds.
#[derive(Debug, Clone)]
pub struct ColumnProfile {
    /// Its name.
    pub name: String,
    /// Its type.
    pub data_type: DataType,
    /// Rows without a value.
    pub nulls: u64,
    /// How many different values there are, nulls apart; unless the type cannot be compared.
    pub distinct: Option<Distinct>,
    /// Whether the asset says that it is sensitive: then no value is told.
    pub sensitive: bool,
    /// The lowest value, NaN apart: of numbers, moments and texts (cut after 200 characters).
    pub min: Option<Value>,
    /// The highest value.
    pub max: Option<Value>,
    /// Of numbers and moments: which value is above which part of the values.
    pub quantiles: Option<Quantiles>,
    /// Of numbers.
    pub numbers: Option<Numbers>,
    /// Of texts.
    pub texts: Option<Texts>,
    /// Of booleans: how many are true and how many false.
    pub booleans: Option<(u64, u64)>,
    /// The most common values and how often each occurs, where there are no more than 1,000 different ones.
    pub common: Vec<(Value, u64)>,
}

/// A count of different values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Distinct {
    /// The count.
    pub count: u64,
    /// Whether it is exact; otherwise it is within some 2 percent.
    pub exact: bool,
}

/// Parts of a column's values.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantiles {
    /// The part, 0 to 1, and the value that it lies below.
    pub values: Vec<(f64, Value)>,
    /// Whether they are exact; otherwise a value's part is within some 1 percent.
    pub exact: bool,
}

/// What a column of numbers holds. NaN and infinity are left out of mean and standard deviation.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbers {
    /// The mean; none without values. Whole numbers and decimals of up to 38 digits are summed exactly. Decimals' is told as they are, with
    /// four places more, of which the last is rounded; the others' is a float64.
    pub mean: Option<Value>,
    /// The standard deviation of a sample, computed in float64; none of fewer than two values.
    pub stdev: Option<f64>,
    /// Values that are 0.
    pub zeros: u64,
    /// Values below 0.
    pub negatives: u64,
    /// Values that are NaN.
    pub nans: u64,
    /// Values that are infinite.
    pub infinite: u64,
}

impl Numbers {
    /// The mean as a float64, a decimal's too.
    pub fn float_mean(&self) -> Option<f64> {
        self.mean.as_ref().and_then(float)
    }
}

/// A number that a profile tells: decimals are texts.
pub fn float(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

/// What a column of texts holds. Lengths are in characters.
#[derive(Debug, Clone, PartialEq)]
pub struct Texts {
    /// The shortest.
    pub min_length: u64,
    /// The longest.
    pub max_length: u64,
    /// The mean.
    pub mean_length: f64,
    /// Texts without a character.
    pub empty: u64,
    /// A regular expression that every value matches, where at least 100 different ones leave no doubt.
    pub pattern: Option<String>,
}

/// Profiles a table in one scan. Values of `sensitive` columns are not told.
///
/// # Errors
/// If the table cannot be read.
pub async fn profile(
    session: &SessionContext,
    table: Arc<dyn TableProvider>,
    sensitive: &BTreeSet<String>,
) -> Result<TableProfile> {
    let schema = table.schema();
    let fields: Vec<_> = schema.fields().iter().filter(|f| !f.name().starts_with("_phlo_")).cloned().collect();
    let names: Vec<&str> = fields.iter().map(|f| f.name().as_str()).collect();
    let frame = session.read_table(table).and_then(|frame| frame.select_columns(&names)).map_err(map_error)?;
    let columns: Vec<Column> = fields.iter().map(|f| Column::new(f.data_type())).collect();
    let mut parts = JoinSet::new();
    for mut stream in frame.execute_stream_partitioned().await.map_err(map_error)? {
        let mut part = Part { rows: 0, columns: columns.clone() };
        parts.spawn(async move {
            while let Some(batch) = stream.next().await {
                part.look(&batch.map_err(map_error)?)?;
            }
            Ok::<_, Error>(part)
        });
    }
    let mut whole = Part { rows: 0, columns };
    while let Some(part) = parts.join_next().await {
        let part = part.map_err(|err| Error::internal("a profile's part did not end").because(err))??;
        whole.rows += part.rows;
        for (all, one) in whole.columns.iter_mut().zip(part.columns) {
            all.merge(one);
        }
    }
    let told = fields.iter().zip(whole.columns);
    let told =
        told.map(|(field, column)| column.told(field.name(), field.data_type(), sensitive.contains(field.name())));
    Ok(TableProfile { rows: whole.rows, columns: told.collect() })
}

/// What one stream's rows hold.
struct Part {
    rows: u64,
    columns: Vec<Column>,
}

impl Part {
    fn look(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows += batch.num_rows() as u64;
        for (column, values) in self.columns.iter_mut().zip(batch.columns()) {
            column.look(values)?;
        }
        Ok(())
    }
}

/// How a type is looked at.
#[derive(Debug, Clone)]
enum Kind {
    /// Whole numbers, all but the largest as 64 bits.
    Int(DataType),
    Float {
        single: bool,
    },
    Decimal {
        scale: i8,
    },
    /// Dates, timestamps, times: as whole numbers of their unit.
    Moment(DataType),
    Text,
    Bool,
    /// Only nulls and distinct values are counted.
    Other,
}

impl Kind {
    fn of(data_type: &DataType) -> Self {
        use DataType as T;
        match data_type {
            T::Dictionary(_, values) => Self::of(values),
            T::Int8 | T::Int16 | T::Int32 | T::Int64 | T::UInt8 | T::UInt16 | T::UInt32 => Self::Int(T::Int64),
            T::UInt64 => Self::Int(T::UInt64),
            T::Float16 | T::Float32 => Self::Float { single: true },
            T::Float64 | T::Decimal256(..) => Self::Float { single: false },
            T::Decimal32(_, scale) | T::Decimal64(_, scale) | T::Decimal128(_, scale) => {
                Self::Decimal { scale: *scale }
            }
            T::Date32 | T::Date64 | T::Timestamp(..) | T::Time32(_) | T::Time64(_)
                if can_cast_types(data_type, &T::Int64) && can_cast_types(&T::Int64, data_type) =>
            {
                Self::Moment(data_type.clone())
            }
            T::Utf8 | T::LargeUtf8 | T::Utf8View => Self::Text,
            T::Boolean => Self::Bool,
            _ => Self::Other,
        }
    }

    /// The type that values are cast to before they are looked at.
    fn plain(&self) -> Option<DataType> {
        match self {
            Self::Int(plain) => Some(plain.clone()),
            Self::Float { .. } => Some(DataType::Float64),
            Self::Decimal { scale } => Some(DataType::Decimal128(38, *scale)),
            Self::Moment(_) => Some(DataType::Int64),
            Self::Text => Some(DataType::Utf8View),
            Self::Bool => Some(DataType::Boolean),
            Self::Other => None,
        }
    }

    /// What a key stands for.
    fn value(&self, key: i128) -> Value {
        match self {
            Self::Int(_) => match (i64::try_from(key), u64::try_from(key)) {
                (Ok(key), _) => key.into(),
                (_, Ok(key)) => key.into(),
                _ => Value::Null,
            },
            Self::Float { single } => {
                let number = from_key(key);
                // As short as the type allows: the number of 32 bits that was written as 0.1 is no 0.10000000149.
                let number = if *single { (number as f32).to_string().parse().unwrap_or(number) } else { number };
                serde_json::Number::from_f64(number).map_or_else(|| number.to_string().into(), Value::Number)
            }
            Self::Decimal { scale } => decimal(&key.to_string(), *scale).into(),
            Self::Moment(data_type) => moment(key, data_type).map_or(Value::Null, Value::String),
            Self::Text | Self::Bool | Self::Other => Value::Null,
        }
    }
}

/// The decimal of an unscaled whole number.
fn decimal(key: &str, scale: i8) -> String {
    let Ok(places) = usize::try_from(scale) else {
        return format!("{key}{}", "0".repeat(usize::from(scale.unsigned_abs())));
    };
    if places == 0 {
        return key.to_owned();
    }
    let (sign, digits) = key.strip_prefix('-').map_or(("", key), |digits| ("-", digits));
    let digits = format!("{digits:0>width$}", width = places + 1);
    let (whole, part) = digits.split_at(digits.len() - places);
    format!("{sign}{whole}.{part}")
}

fn moment(key: i128, data_type: &DataType) -> Option<String> {
    let number: ArrayRef = Arc::new(Int64Array::from(vec![i64::try_from(key).ok()?]));
    let moments = cast(&number, data_type).ok()?;
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(moments.as_ref(), &options).ok()?;
    formatter.value(0).try_to_string().ok()
}

/// A key that is ordered as the number is. NaN has none.
fn to_key(number: f64) -> i128 {
    let bits = number.to_bits() as i64;
    i128::from(bits ^ (((bits >> 63) as u64) >> 1) as i64)
}

fn from_key(key: i128) -> f64 {
    let key = key as i64;
    f64::from_bits((key ^ (((key >> 63) as u64) >> 1) as i64) as u64)
}

/// A column that is being looked at.
#[derive(Clone)]
struct Column {
    kind: Kind,
    nulls: u64,
    distinct: Option<Different>,
    ordered: Ordered,
    texts: TextTally,
    booleans: (u64, u64),
}

impl Column {
    fn new(data_type: &DataType) -> Self {
        Self {
            kind: Kind::of(data_type),
            nulls: 0,
            distinct: Some(Different::default()),
            ordered: Ordered::default(),
            texts: TextTally::default(),
            booleans: (0, 0),
        }
    }

    fn look(&mut self, values: &ArrayRef) -> Result<()> {
        let values = match self.kind.plain() {
            Some(plain) if *values.data_type() != plain => cast(values, &plain)
                .map_err(|err| Error::internal(format!("{} is not {plain}", values.data_type())).because(err))?,
            _ => values.clone(),
        };
        self.nulls += values.logical_null_count() as u64;
        let mut hashed = values.clone();
        match &self.kind {
            Kind::Int(DataType::UInt64) => {
                let values = values.as_primitive::<UInt64Type>();
                self.ordered.look(values.iter().flatten().map(|v| (i128::from(v), v as f64)));
            }
            Kind::Int(_) => {
                let values = values.as_primitive::<Int64Type>();
                self.ordered.look(values.iter().flatten().map(|v| (i128::from(v), v as f64)));
            }
            Kind::Moment(_) => {
                let values = values.as_primitive::<Int64Type>();
                self.ordered.look(values.iter().flatten().map(|v| (i128::from(v), 0.0)));
            }
            Kind::Decimal { scale } => {
                let unit = 10f64.powi(i32::from(*scale));
                let values = values.as_primitive::<Decimal128Type>();
                self.ordered.look(values.iter().flatten().map(|v| (v, v as f64 / unit)));
            }
            Kind::Float { .. } => {
                // One zero and one NaN, as SQL's GROUP BY has them.
                let one = values
                    .as_primitive::<Float64Type>()
                    .unary::<_, Float64Type>(|v| if v.is_nan() { f64::NAN } else { v + 0.0 });
                self.ordered.nans += one.iter().flatten().filter(|v| v.is_nan()).count() as u64;
                self.ordered.look(one.iter().flatten().filter(|v| !v.is_nan()).map(|v| (to_key(v), v)));
                hashed = Arc::new(one);
            }
            Kind::Text => values.as_string_view().iter().flatten().for_each(|text| self.texts.look(text)),
            Kind::Bool => {
                let values = values.as_boolean();
                let yes = values.true_count() as u64;
                self.booleans.0 += yes;
                self.booleans.1 += (values.len() - values.null_count()) as u64 - yes;
            }
            Kind::Other => {}
        }
        let mut hashes = vec![0; hashed.len()];
        if create_hashes([&hashed], &HLL_RANDOM_STATE, &mut hashes).is_err() {
            self.distinct = None;
        }
        if let Some(distinct) = &mut self.distinct {
            let nulls = hashed.logical_nulls();
            for (at, hash) in hashes.into_iter().enumerate() {
                if nulls.as_ref().is_none_or(|nulls| nulls.is_valid(at)) {
                    distinct.look(hash, || value_at(&self.kind, &hashed, at));
                }
            }
        }
        Ok(())
    }

    fn merge(&mut self, other: Self) {
        self.nulls += other.nulls;
        self.distinct = match (self.distinct.take(), other.distinct) {
            (Some(mut all), Some(one)) => {
                all.merge(one);
                Some(all)
            }
            _ => None,
        };
        self.ordered.merge(other.ordered);
        self.texts.merge(other.texts);
        self.booleans.0 += other.booleans.0;
        self.booleans.1 += other.booleans.1;
    }

    fn told(self, name: &str, data_type: &DataType, sensitive: bool) -> ColumnProfile {
        let distinct = self.distinct.as_ref().map(Different::count);
        let mut told = ColumnProfile {
            name: name.to_owned(),
            data_type: data_type.clone(),
            nulls: self.nulls,
            distinct,
            sensitive,
            min: None,
            max: None,
            quantiles: None,
            numbers: None,
            texts: None,
            booleans: None,
            common: Vec::new(),
        };
        if sensitive {
            return told;
        }
        match &self.kind {
            Kind::Text => {
                told.min = self.texts.min.as_deref().map(shortened);
                told.max = self.texts.max.as_deref().map(shortened);
                told.texts = self.texts.told(distinct.map_or(0, |d| d.count));
            }
            Kind::Bool => told.booleans = Some(self.booleans),
            Kind::Other => {}
            kind => {
                told.min = self.ordered.min.map(|key| kind.value(key));
                told.max = self.ordered.max.map(|key| kind.value(key));
                told.quantiles = self.ordered.sketch.told(|key| kind.value(key));
                told.numbers = (!matches!(kind, Kind::Moment(_))).then(|| self.ordered.told(kind));
            }
        }
        told.common = self.distinct.map(Different::common).unwrap_or_default();
        told
    }
}

// For the values that are kept, none for a type whose values are not.
fn value_at(kind: &Kind, values: &ArrayRef, at: usize) -> Value {
    match kind {
        Kind::Int(DataType::UInt64) => kind.value(i128::from(values.as_primitive::<UInt64Type>().value(at))),
        Kind::Int(_) | Kind::Moment(_) => kind.value(i128::from(values.as_primitive::<Int64Type>().value(at))),
        Kind::Decimal { .. } => kind.value(values.as_primitive::<Decimal128Type>().value(at)),
        Kind::Float { .. } => match values.as_primitive::<Float64Type>().value(at) {
            nan if nan.is_nan() => "NaN".into(),
            number => kind.value(to_key(number)),
        },
        Kind::Text => shortened(values.as_string_view().value(at)),
        Kind::Bool => values.as_boolean().value(at).into(),
        Kind::Other => Value::Null,
    }
}

fn shortened(text: &str) -> Value {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

/// Takes a hash as it is.
#[derive(Clone, Default)]
struct Same(u64);

impl Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

type ByHash<T> = HashMap<u64, T, BuildHasherDefault<Same>>;

/// Different values: each while they are few, then how many there are, exactly, then about how many.
#[derive(Clone)]
enum Different {
    Few { counts: ByHash<u64>, values: Option<ByHash<Value>> },
    Many(Registers),
}

impl Default for Different {
    fn default() -> Self {
        Self::Few { counts: ByHash::default(), values: Some(ByHash::default()) }
    }
}

impl Different {
    fn look(&mut self, hash: u64, value: impl FnOnce() -> Value) {
        match self {
            Self::Many(registers) => registers.look(hash),
            Self::Few { counts, values } => {
                let count = counts.entry(hash).or_insert(0);
                *count += 1;
                if *count == 1 {
                    if let Some(known) = values {
                        known.insert(hash, value());
                    }
                    self.bound();
                }
            }
        }
    }

    fn bound(&mut self) {
        let Self::Few { counts, values } = self else { return };
        if counts.len() > KEPT {
            *values = None;
        }
        if counts.len() > COUNTED {
            *self = Self::Many(Registers::of(counts.keys()));
        }
    }

    fn merge(&mut self, other: Self) {
        match (&mut *self, other) {
            (Self::Few { counts, values }, Self::Few { counts: more, values: others }) => {
                for (hash, count) in more {
                    *counts.entry(hash).or_insert(0) += count;
                }
                *values = match (values.take(), others) {
                    (Some(mut all), Some(one)) => {
                        all.extend(one);
                        Some(all)
                    }
                    _ => None,
                };
                self.bound();
            }
            (Self::Few { counts, .. }, Self::Many(mut registers)) => {
                counts.keys().for_each(|hash| registers.look(*hash));
                *self = Self::Many(registers);
            }
            (Self::Many(registers), Self::Few { counts, .. }) => {
                counts.keys().for_each(|hash| registers.look(*hash));
            }
            (Self::Many(registers), Self::Many(other)) => registers.merge(&other),
        }
    }

    fn count(&self) -> Distinct {
        match self {
            Self::Few { counts, .. } => Distinct { count: counts.len() as u64, exact: true },
            Self::Many(registers) => Distinct { count: registers.estimate(), exact: false },
        }
    }

    fn common(self) -> Vec<(Value, u64)> {
        let Self::Few { counts, values: Some(mut values) } = self else { return Vec::new() };
        let known = counts.into_iter().filter_map(|(hash, count)| Some((values.remove(&hash)?, count)));
        let mut known: Vec<_> = known.filter(|(value, _)| !value.is_null()).collect();
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        known.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| text(&a.0).cmp(&text(&b.0))));
        known.truncate(TOLD);
        known
    }
}

/// HyperLogLog's registers.
#[derive(Clone)]
struct Registers(Vec<u8>);

impl Registers {
    fn of<'a>(hashes: impl Iterator<Item = &'a u64>) -> Self {
        let mut new = Self(vec![0; 1 << REGISTER_BITS]);
        hashes.for_each(|hash| new.look(*hash));
        new
    }

    fn look(&mut self, hash: u64) {
        let register = (hash >> (64 - REGISTER_BITS)) as usize;
        let rank = (hash << REGISTER_BITS).leading_zeros().min(64 - REGISTER_BITS) as u8 + 1;
        self.0[register] = self.0[register].max(rank);
    }

    fn merge(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(all, one)| *all = (*all).max(*one));
    }

    fn estimate(&self) -> u64 {
        let m = self.0.len() as f64;
        let sum: f64 = self.0.iter().map(|rank| 2f64.powi(-i32::from(*rank))).sum();
        let raw = 0.7213 / (1.0 + 1.079 / m) * m * m / sum;
        let empty: usize = self.0.iter().map(|rank| usize::from(*rank == 0)).sum();
        if raw <= 2.5 * m && empty > 0 { (m * (m / empty as f64).ln()).round() as u64 } else { raw.round() as u64 }
    }
}

/// Values that have an order, by their keys.
#[derive(Clone, Default)]
struct Ordered {
    min: Option<i128>,
    max: Option<i128>,
    sketch: Sketch,
    zeros: u64,
    negatives: u64,
    nans: u64,
    infinite: u64,
    // Of the keys, which whole numbers and decimals are.
    sum: Sum,
    // Welford's: of the finite ones.
    count: u64,
    mean: f64,
    squares: f64,
}

impl Ordered {
    fn look(&mut self, values: impl Iterator<Item = (i128, f64)>) {
        for (key, number) in values {
            self.min = Some(self.min.map_or(key, |min| min.min(key)));
            self.max = Some(self.max.map_or(key, |max| max.max(key)));
            self.sketch.look(key);
            self.sum.look(key);
            match number.partial_cmp(&0.0) {
                Some(Ordering::Less) => self.negatives += 1,
                Some(Ordering::Equal) => self.zeros += 1,
                _ => {}
            }
            if number.is_finite() {
                self.count += 1;
                let off = number - self.mean;
                self.mean += off / self.count as f64;
                self.squares += off * (number - self.mean);
            } else {
                self.infinite += 1;
            }
        }
    }

    fn merge(&mut self, other: Self) {
        let ends = |a: Option<i128>, b: Option<i128>, of: fn(i128, i128) -> i128| match (a, b) {
            (Some(a), Some(b)) => Some(of(a, b)),
            (a, b) => a.or(b),
        };
        self.min = ends(self.min, other.min, i128::min);
        self.max = ends(self.max, other.max, i128::max);
        self.sketch.merge(other.sketch);
        self.zeros += other.zeros;
        self.negatives += other.negatives;
        self.nans += other.nans;
        self.infinite += other.infinite;
        self.sum.merge(other.sum);
        let count = self.count + other.count;
        if count > 0 {
            let (ours, theirs) = (self.count as f64, other.count as f64);
            let off = other.mean - self.mean;
            self.mean += off * theirs / count as f64;
            self.squares += other.squares + off * off * ours * theirs / count as f64;
        }
        self.count = count;
    }

    fn told(&self, kind: &Kind) -> Numbers {
        let mean = || match kind {
            Kind::Decimal { scale } => Some(
                decimal(&self.sum.mean(self.count, PLACES)?.to_string(), scale.saturating_add_unsigned(PLACES)).into(),
            ),
            Kind::Int(_) => Some((self.sum.total()?.to_i128()? as f64 / self.count as f64).into()),
            _ => Some(self.mean.into()),
        };
        Numbers {
            mean: if self.count > 0 { mean() } else { None },
            stdev: (self.count > 1).then(|| (self.squares / (self.count - 1) as f64).sqrt()),
            zeros: self.zeros,
            negatives: self.negatives,
            nans: self.nans,
            infinite: self.infinite,
        }
    }
}

/// A sum of whole numbers that never wraps: their upper and their lower 64 bits are summed apart.
#[derive(Clone, Copy, Default)]
struct Sum {
    upper: i128,
    lower: u128,
}

impl Sum {
    fn look(&mut self, number: i128) {
        self.upper += number >> 64;
        self.lower += u128::from(number as u64);
    }

    fn merge(&mut self, other: Self) {
        self.upper += other.upper;
        self.lower += other.lower;
    }

    fn total(&self) -> Option<i256> {
        let shifted = i256::from_i128(self.upper).checked_mul(i256::from_i128(1 << 64))?;
        shifted.checked_add(i256::from_parts(self.lower, 0))
    }

    /// The total by a count, times ten to the `places`, rounded half away from zero.
    fn mean(&self, count: u64, places: u8) -> Option<i256> {
        let count = i256::from_i128(count.into());
        let scaled = self.total()?.checked_mul(i256::from_i128(10).checked_pow(places.into())?)?;
        let (whole, rest) = (scaled.checked_div(count)?, scaled.checked_rem(count)?);
        let away = if scaled.is_negative() { i256::MINUS_ONE } else { i256::ONE };
        let twice = rest.checked_add(rest)?.checked_abs()?;
        if twice >= count { whole.checked_add(away) } else { Some(whole) }
    }
}

/// Quantiles in bounded memory: a level that is full is sorted, and every second value goes to the next, where it counts double.
#[derive(Clone, Default)]
struct Sketch {
    levels: Vec<Vec<i128>>,
    odd: bool,
    lossy: bool,
}

impl Sketch {
    fn look(&mut self, key: i128) {
        if self.levels.is_empty() {
            self.levels.push(Vec::with_capacity(LEVEL));
        }
        self.levels[0].push(key);
        if self.levels[0].len() >= LEVEL {
            self.compact(0);
        }
    }

    fn compact(&mut self, mut at: usize) {
        while self.levels.get(at).is_some_and(|level| level.len() >= LEVEL) {
            let mut level = std::mem::take(&mut self.levels[at]);
            level.sort_unstable();
            // An odd one stays, so that the weights add up.
            let stays = if level.len().is_multiple_of(2) { None } else { level.pop() };
            // Which of two goes on alternates, so that errors cancel out.
            let rest = level.iter().copied().skip(usize::from(self.odd)).step_by(2).collect::<Vec<_>>();
            self.odd = !self.odd;
            self.lossy = true;
            level.clear();
            level.extend(stays);
            self.levels[at] = level;
            if self.levels.len() == at + 1 {
                self.levels.push(Vec::new());
            }
            self.levels[at + 1].extend(rest);
            at += 1;
        }
    }

    fn merge(&mut self, other: Self) {
        self.lossy |= other.lossy;
        for (at, level) in other.levels.into_iter().enumerate() {
            if self.levels.len() == at {
                self.levels.push(Vec::new());
            }
            self.levels[at].extend(level);
        }
        for at in 0..self.levels.len() {
            self.compact(at);
        }
    }

    fn told(&self, value: impl Fn(i128) -> Value) -> Option<Quantiles> {
        let weighed =
            self.levels.iter().enumerate().flat_map(|(at, level)| level.iter().map(move |key| (*key, 1u64 << at)));
        let mut weighed: Vec<_> = weighed.collect();
        weighed.sort_unstable();
        let total: u64 = weighed.iter().map(|(_, weight)| weight).sum();
        let (last, _) = weighed.last()?;
        let at = |part: f64| {
            let wanted = (part * total as f64).ceil().max(1.0) as u64;
            let mut below = 0;
            let found = weighed.iter().find(|(_, weight)| {
                below += weight;
                below >= wanted
            });
            found.map_or(*last, |(key, _)| *key)
        };
        let values = QUANTILES.iter().map(|part| (*part, value(at(*part)))).collect();
        Some(Quantiles { values, exact: !self.lossy })
    }
}

/// Texts.
#[derive(Clone, Default)]
struct TextTally {
    count: u64,
    characters: u64,
    shortest: Option<u64>,
    longest: u64,
    empty: u64,
    min: Option<String>,
    max: Option<String>,
    shape: Shape,
}

impl TextTally {
    fn look(&mut self, text: &str) {
        let length = text.chars().count() as u64;
        self.count += 1;
        self.characters += length;
        self.shortest = Some(self.shortest.map_or(length, |shortest| shortest.min(length)));
        self.longest = self.longest.max(length);
        self.empty += u64::from(length == 0);
        self.ends(text);
        self.shape.look(text.as_bytes());
    }

    // Only their beginnings are kept, and compared.
    fn ends(&mut self, text: &str) {
        let text = text.char_indices().nth(SHOWN + 1).map_or(text, |(end, _)| &text[..end]);
        if self.min.as_deref().is_none_or(|min| text < min) {
            self.min = Some(text.to_owned());
        }
        if self.max.as_deref().is_none_or(|max| text > max) {
            self.max = Some(text.to_owned());
        }
    }

    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.characters += other.characters;
        self.shortest = match (self.shortest, other.shortest) {
            (Some(ours), Some(theirs)) => Some(ours.min(theirs)),
            (ours, theirs) => ours.or(theirs),
        };
        self.longest = self.longest.max(other.longest);
        self.empty += other.empty;
        [other.min, other.max].iter().flatten().for_each(|end| self.ends(end));
        self.shape.merge(other.shape);
    }

    fn told(&self, distinct: u64) -> Option<Texts> {
        Some(Texts {
            min_length: self.shortest?,
            max_length: self.longest,
            mean_length: self.characters as f64 / self.count as f64,
            empty: self.empty,
            pattern: (distinct >= SHAPED).then(|| self.shape.pattern()).flatten(),
        })
    }
}

const DIGIT: u8 = 1;
const UPPER_HEX: u8 = 2;
const UPPER: u8 = 4;
const LOWER_HEX: u8 = 8;
const LOWER: u8 = 16;
const OTHER: u8 = 32;

/// What the characters at one position were.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Spot {
    sorts: u8,
    // The one character, if it was always the same.
    always: Option<u8>,
}

impl Spot {
    fn of(byte: u8) -> Self {
        let sorts = match byte {
            b'0'..=b'9' => DIGIT,
            b'A'..=b'F' => UPPER_HEX,
            b'G'..=b'Z' => UPPER,
            b'a'..=b'f' => LOWER_HEX,
            b'g'..=b'z' => LOWER,
            _ => OTHER,
        };
        Self { sorts, always: Some(byte) }
    }

    fn merge(&mut self, other: Self) {
        self.sorts |= other.sorts;
        if self.always != other.always {
            self.always = None;
        }
    }

    // Upper and lower case at one place leave a doubt, and so do signs that differ.
    fn class(self) -> Option<String> {
        // A digit that is always the same may be another tomorrow: `K0001` to `K0999`.
        if let Some(byte) = self.always.filter(|byte| !byte.is_ascii_digit()) {
            let sign = char::from(byte);
            return match sign {
                sign if sign.is_ascii_alphabetic() || " _-:/@#%&=,;".contains(sign) => Some(sign.to_string()),
                sign if sign.is_ascii_punctuation() => Some(format!("\\{sign}")),
                _ => None,
            };
        }
        let within = |sorts: u8| self.sorts & !sorts == 0;
        Some(
            match () {
                () if within(DIGIT) => "[0-9]",
                () if within(DIGIT | UPPER_HEX) && self.sorts & DIGIT != 0 => "[0-9A-F]",
                () if within(DIGIT | LOWER_HEX) && self.sorts & DIGIT != 0 => "[0-9a-f]",
                () if within(UPPER_HEX | UPPER) => "[A-Z]",
                () if within(LOWER_HEX | LOWER) => "[a-z]",
                () if within(DIGIT | UPPER_HEX | UPPER) => "[0-9A-Z]",
                () if within(DIGIT | LOWER_HEX | LOWER) => "[0-9a-z]",
                () => return None,
            }
            .to_owned(),
        )
    }
}

/// The shape that all texts have, if they have one: equally long, and of the same sorts of characters.
#[derive(Clone, Default)]
enum Shape {
    #[default]
    Unseen,
    Of(Vec<Spot>),
    Differs,
}

impl Shape {
    fn look(&mut self, text: &[u8]) {
        match self {
            Self::Differs => {}
            Self::Of(spots) if spots.len() == text.len() && text.is_ascii() => {
                spots.iter_mut().zip(text).for_each(|(spot, byte)| spot.merge(Spot::of(*byte)));
            }
            Self::Unseen if (1..=SHAPE).contains(&text.len()) && text.is_ascii() => {
                *self = Self::Of(text.iter().map(|byte| Spot::of(*byte)).collect());
            }
            _ => *self = Self::Differs,
        }
    }

    fn merge(&mut self, other: Self) {
        *self = match (std::mem::take(self), other) {
            (Self::Unseen, one) | (one, Self::Unseen) => one,
            (Self::Of(mut ours), Self::Of(theirs)) if ours.len() == theirs.len() => {
                ours.iter_mut().zip(theirs).for_each(|(all, one)| all.merge(one));
                Self::Of(ours)
            }
            _ => Self::Differs,
        };
    }

    fn pattern(&self) -> Option<String> {
        let Self::Of(spots) = self else { return None };
        let classes: Vec<String> = spots.iter().map(|spot| spot.class()).collect::<Option<_>>()?;
        let mut pattern = String::new();
        for run in classes.chunk_by(|a, b| a == b) {
            match run.len() {
                1 => pattern.push_str(&run[0]),
                n => pattern.push_str(&format!("{}{{{n}}}", run[0])),
            }
        }
        Some(pattern)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_exact_of_few_values_and_near_of_many() {
        let of = |n: i128| {
            let mut parts = [Sketch::default(), Sketch::default(), Sketch::default()];
            // Every value once, in an order that is none.
            (0..n).for_each(|i| parts[(i % 3) as usize].look(i * 7919 % n));
            let [mut all, b, c] = parts;
            all.merge(b);
            all.merge(c);
            all.told(|key| Value::from(key as i64)).unwrap()
        };
        let few = of(101);
        assert!(few.exact);
        assert_eq!(few.values[2].1, 50);
        let many = of(300_007);
        assert!(!many.exact);
        for (part, value) in many.values {
            let off = value.as_f64().unwrap() / 300_007.0 - part;
            assert!(off.abs() < 0.01, "{part} is {value}");
        }
    }

    #[test]
    fn different_values_are_counted_exactly_up_to_a_bound_and_nearly_beyond() {
        // SplitMix64, whose bits are as good as a hash's.
        let hash = |i: u64| {
            let mut z = (i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        for (n, exact) in
            [(0, true), (1_000, true), (10_000, true), (10_001, false), (60_000, false), (1_000_000, false)]
        {
            let mut parts = [Different::default(), Different::default()];
            for i in 0..n {
                // A quarter of them is in both.
                parts[0].look(hash(i), || Value::from(i));
                if i % 4 == 0 {
                    parts[1].look(hash(i), || Value::from(i));
                }
            }
            let [mut all, more] = parts;
            all.merge(more);
            let counted = all.count();
            assert_eq!(counted.exact, exact, "{n}");
            let off = (counted.count as f64 - n as f64).abs();
            assert!(if exact { off == 0.0 } else { off < n as f64 * 0.03 }, "{n} counted as {}", counted.count);
        }
    }

    #[test]
    fn a_shape_is_told_only_where_there_is_no_doubt() {
        let of = |texts: &[&str]| {
            let mut shape = Shape::default();
            texts.iter().for_each(|text| shape.look(text.as_bytes()));
            shape.pattern().unwrap_or_default()
        };
        for (texts, want) in [
            (&["N123AB", "N907XY"][..], "N[0-9]{3}[A-Z]{2}"),
            (&["2013-01-31", "1999-12-02"], "[0-9]{4}-[0-9]{2}-[0-9]{2}"),
            (&["a1.f", "07.3"], "[0-9a-f][0-9]\\.[0-9a-f]"),
            (&["K001", "K002"], "K[0-9]{3}"),
            (&["AB", "ab"], ""),
            (&["a", "ab"], ""),
            (&["", ""], ""),
            (&["ä", "ö"], ""),
            (&["a-b", "c+d"], ""),
        ] {
            assert_eq!(of(texts), want, "{texts:?}");
        }
    }

    #[test]
    fn means_are_exact_to_the_places_that_are_told() {
        let most = 10_i128.pow(38) - 1;
        for (numbers, want) in [
            (&[1, 2][..], "15000"),
            (&[1, 0, 0], "3333"),
            (&[-1, 0, -1], "-6667"),
            (&[-1, 0, 0, 0, 0, 0, 0, 0], "-1250"),
            // Of 1/32, 0.03125, the half goes away from zero.
            (&[&[1][..], &[0; 31]].concat(), "313"),
            (&[most, most, most], "999999999999999999999999999999999999990000"),
            (&[-most, 1, most], "3333"),
            (&[i64::MAX.into(), 1, u64::MAX.into(), -1, i64::MIN.into()], "36893488147419103228000"),
        ] {
            let mut parts = [Sum::default(), Sum::default()];
            numbers.iter().enumerate().for_each(|(at, number)| parts[at % 2].look(*number));
            let [mut all, more] = parts;
            all.merge(more);
            assert_eq!(all.mean(numbers.len() as u64, 4).unwrap().to_string(), want, "{numbers:?}");
        }
        assert_eq!(Sum::default().mean(0, 4), None);
    }

    #[test]
    fn keys_keep_the_order_of_numbers() {
        let numbers = [f64::NEG_INFINITY, -1e300, -1.5, -f64::MIN_POSITIVE, 0.0, 1e-300, 2.5, f64::INFINITY];
        assert!(numbers.windows(2).all(|pair| to_key(pair[0]) < to_key(pair[1])));
        assert!(numbers.iter().all(|number| from_key(to_key(*number)).to_bits() == number.to_bits()));
        let decimals = [("-5", 2), ("1234", 2), ("7", 0), ("7", -2)].map(|(key, scale)| decimal(key, scale));
        assert_eq!(decimals, ["-0.05", "12.34", "7", "700"]);
    }
}
