//! Profiles of tables, and the checks that they suggest: each was run on the table before anybody sees it.

use std::collections::{BTreeMap, BTreeSet};

use arrow_schema::DataType;
use phlo_engine::profile::{ColumnProfile, TableProfile, float, profile};
use phlo_engine_api::TableInfo;
use phlo_plugin::{Error, Result};
use phlo_spec::{AssetKey, AssetSpec, CheckSeverity, CheckSpec, Node, Tolerance};
use serde_json::Value;

use crate::audit;
use crate::platform::Platform;

/// Texts that an `accepted_values` lists at most.
const TEXTS: usize = 30;
/// Whole numbers that it lists at most, where they are no range.
const CODES: usize = 10;
/// How often each value has to occur in the mean before a few are taken for all.
const OFTEN: u64 = 5;
/// A span up to which whole numbers' bounds are taken as they are: hours, days, months, minutes.
const NARROW: i128 = 60;
/// The part of rows that may lack a value for the others to be expected.
const FEW: f64 = 0.05;
/// The part of rows that an approximate count of distinct values has to reach before uniqueness is looked at exactly.
const UNIQUE: f64 = 0.97;

/// Values from which on their mean, and how often each occurs, are expected to stay near what they are.
const MANY: u64 = 100;
/// Different values of which a `histogram` tells how often each occurs.
const SHARES: u64 = 6;
/// How often a value has to occur for its share to be told.
const SEEN: u64 = 10;
/// The part of the values that one has to be for those that are less often to be taken for odd.
const COMMON: f64 = 0.01;
/// Last words of columns whose numbers name something, and have no mean.
const NAMING: [&str; 10] = ["id", "key", "sk", "no", "nr", "num", "number", "code", "year", "zip"];

/// A table and what it holds.
#[derive(Debug, Clone)]
pub struct Profile {
    /// The table, at the version that was read.
    pub table: TableInfo,
    /// What it holds.
    pub content: TableProfile,
}

impl Platform {
    /// Profiles a published table in one scan. Values of the asset's `sensitive` columns are not told.
    ///
    /// # Errors
    /// There is no such table, or it cannot be read.
    pub async fn profile(&self, key: &AssetKey) -> Result<Profile> {
        let table = self.table(key, None).await?;
        // The version that was described, whatever is committed meanwhile.
        let Some(provider) = self.store_of(key).await?.provider(key, Some(table.version)).await? else {
            return Err(self.no_table(key).await);
        };
        let spec = self.asset(key);
        let sensitive: BTreeSet<String> = spec.iter().flat_map(|spec| spec.sensitive.iter().cloned()).collect();
        let session = self.engine(spec, None)?.session()?;
        let content = profile(&session, provider, &sensitive).await?;
        Ok(Profile { table, content })
    }

    /// Checks for a table as items of `checks:` in YAML. All of them pass on the table as it is now, and none is one that the asset
    /// has.
    ///
    /// # Errors
    /// The asset's own checks are wrong, or the table cannot be read.
    pub async fn suggestions(&self, profile: &Profile) -> Result<Vec<String>> {
        let own = self.asset(&profile.table.table);
        let mut spec = match own {
            Some(own) => own.clone(),
            None => AssetSpec::of_sql(profile.table.table.clone(), ""),
        };
        let had = std::mem::take(&mut spec.checks);
        let known: BTreeSet<String> = match own {
            Some(own) => audit::checks(self, own, Some(&profile.table.schema)).0.into_iter().map(|c| c.id).collect(),
            None => BTreeSet::new(),
        };
        let mut items = Vec::new();
        for item in candidates(&profile.content, &Had::of(&had)) {
            spec.checks = vec![check(&item)?];
            // A kind that is not linked, or refuses this column, is not suggested.
            let (made, problems) = audit::checks(self, &spec, Some(&profile.table.schema));
            if !problems.has_errors() && made.iter().all(|check| !known.contains(&check.id)) {
                items.push((item, spec.checks.remove(0)));
            }
        }
        spec.checks = items.iter().map(|(_, check)| check.clone()).collect();
        if items.is_empty() {
            return Ok(Vec::new());
        }
        let results = self.quality_of(&spec).await?.results;
        let passed = items.into_iter().zip(results).filter(|(_, result)| result.passed());
        Ok(passed.map(|((item, _), _)| item).collect())
    }
}

// What is run is what is printed.
fn check(item: &str) -> Result<CheckSpec> {
    let node = Node::parse(item, "suggested", 1).map_err(|problem| Error::from(*problem))?;
    let [(kind, params)] = node.entries().unwrap_or_default() else {
        return Err(Error::internal("a suggested check is no map").with("check", item));
    };
    let mut params = params.clone();
    let tolerance = params.take("tolerance").map(|(_, value)| value.read::<Tolerance>()).transpose();
    Ok(CheckSpec {
        kind: kind.as_str().unwrap_or_default().to_owned(),
        name: None,
        description: None,
        severity: CheckSeverity::Error,
        tolerance: tolerance.map_err(|problem| Error::from(*problem))?.unwrap_or_default(),
        filter: None,
        sample: 0,
        params,
        place: None,
    })
}

/// The checks that an asset has, by what they are about. One that looks at some of the rows leaves the others unchecked.
struct Had(Vec<(String, BTreeSet<String>)>);

impl Had {
    fn of(checks: &[CheckSpec]) -> Self {
        let columns = |check: &CheckSpec| {
            let params = &check.params;
            let listed = params.get("columns").or(params.get("column")).unwrap_or(params);
            let texts = listed.items().unwrap_or(std::slice::from_ref(listed)).iter();
            texts.filter_map(|name| name.as_str().map(str::to_owned)).collect()
        };
        let whole = checks.iter().filter(|check| check.filter.is_none());
        Self(whole.map(|check| (check.kind.clone(), columns(check))).collect())
    }

    fn kind(&self, kind: &str) -> bool {
        self.0.iter().any(|(had, _)| had == kind)
    }

    /// Whether a check of this kind is about this column, among others perhaps.
    fn about(&self, kind: &str, column: &str) -> bool {
        self.0.iter().any(|(had, columns)| had == kind && columns.contains(column))
    }

    /// Whether a check of this kind is about this column alone.
    fn alone(&self, kind: &str, column: &str) -> bool {
        self.0.iter().any(|(had, columns)| had == kind && columns.len() == 1 && columns.contains(column))
    }
}

/// Checks that may hold, as YAML.
fn candidates(profile: &TableProfile, had: &Had) -> Vec<String> {
    if profile.rows == 0 {
        return Vec::new();
    }
    let mut items = Vec::new();
    let whole = profile.columns.iter().filter(|column| column.nulls == 0 && !had.about("not_null", &column.name));
    let whole: Vec<_> = whole.map(|column| scalar(&column.name)).collect();
    if !whole.is_empty() {
        items.push(format!("not_null: [{}]", whole.join(", ")));
    }
    items.extend(partly_whole(profile, had));
    for column in &profile.columns {
        let name = scalar(&column.name);
        if is_key(column, profile.rows) && !had.alone("unique", &column.name) {
            items.push(format!("unique: [{name}]"));
        }
    }
    for column in profile.columns.iter().filter(|column| !column.sensitive) {
        let name = scalar(&column.name);
        let lacks = |kind: &str| !had.about(kind, &column.name);
        if let Some(values) = accepted(column, profile.rows) {
            if lacks("accepted_values") {
                items.push(format!("accepted_values: {{ column: {name}, values: [{}] }}", values.join(", ")));
            }
        } else if let Some((values, tolerance)) = mostly(column, profile.rows) {
            if lacks("accepted_values") {
                let values = values.join(", ");
                items
                    .push(format!("accepted_values: {{ column: {name}, values: [{values}], tolerance: {tolerance} }}"));
            }
        } else if let Some(bounds) = bounds(column, profile.rows) {
            if lacks("range") {
                items.push(format!("range: {{ column: {name}, {bounds} }}"));
            }
        } else if let Some(pattern) = column.texts.as_ref().and_then(|texts| texts.pattern.as_ref())
            && lacks("pattern")
        {
            items.push(format!("pattern: {{ column: {name}, pattern: '{}' }}", pattern.replace('\'', "''")));
        } else if let Some(lengths) = lengths(column)
            && lacks("length")
            && lacks("pattern")
        {
            items.push(format!("length: {{ column: {name}, {lengths} }}"));
        }
        if let Some(bounds) = mean(column, profile.rows)
            && lacks("aggregate")
            && lacks("mean_stdevs")
        {
            items.push(format!("aggregate: {{ function: mean, column: {name}, {bounds} }}"));
        }
        if let Some(bins) = shares(column, profile.rows)
            && lacks("histogram")
        {
            items.push(format!("histogram: {{ column: {name}, bins: [{}] }}", bins.join(", ")));
        }
    }
    if !had.kind("row_count") {
        items.push(format!("row_count: {{ min: {} }}", leading(profile.rows)));
    }
    items
}

/// Columns that lack few values, and those that lack them in the same rows.
fn partly_whole(profile: &TableProfile, had: &Had) -> Vec<String> {
    let partly: Vec<&ColumnProfile> =
        profile.columns.iter().filter(|column| column.nulls > 0 && column.nulls < profile.rows).collect();
    let few = partly.iter().filter(|column| !had.about("not_null", &column.name));
    let few = few.filter_map(|column| {
        let tolerance = round_up(column.nulls as f64 / profile.rows as f64);
        (tolerance <= FEW)
            .then(|| format!("not_null: {{ columns: [{}], tolerance: {tolerance} }}", scalar(&column.name)))
    });
    let mut items: Vec<String> = few.collect();
    let mut alike: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for column in partly.iter().filter(|column| !had.about("nulls_together", &column.name)) {
        alike.entry(column.nulls).or_default().push(scalar(&column.name));
    }
    let several = alike.into_values().filter(|columns| columns.len() > 1);
    items.extend(several.map(|columns| format!("nulls_together: [{}]", columns.join(", "))));
    items
}

// To one digit that matters.
fn round_up(fraction: f64) -> f64 {
    let digits = -fraction.log10().floor();
    let unit = 10f64.powf(digits);
    // 3 of 100 are 0.03, not 0.030000000000000002.
    ((fraction * unit - 1e-9).ceil() / unit * 1e9).round() / 1e9
}

/// `min: …, max: …` of a text's length in characters: exact where all are of one, otherwise with room.
fn lengths(column: &ColumnProfile) -> Option<String> {
    let texts = column.texts.as_ref().filter(|texts| texts.max_length > 0)?;
    if texts.min_length == texts.max_length {
        return Some(format!("min: {0}, max: {0}", texts.max_length));
    }
    let unit = 10u64.pow(texts.max_length.ilog10());
    let max = texts.max_length.div_ceil(unit) * unit;
    Some(if texts.min_length > 0 { format!("min: 1, max: {max}") } else { format!("max: {max}") })
}

/// Fewer rows, of which but the first digit is 0: a table that shrinks a little is none that lost its rows.
fn leading(rows: u64) -> u64 {
    let below = rows.saturating_sub(1).max(1);
    let unit = 10u64.pow(below.ilog10());
    below / unit * unit
}

fn is_key(column: &ColumnProfile, rows: u64) -> bool {
    let DataType::Dictionary(_, plain) = &column.data_type else { return is_key_of(column, &column.data_type, rows) };
    is_key_of(column, plain, rows)
}

// A measure or a moment that happens to be different in each row is no key.
fn is_key_of(column: &ColumnProfile, plain: &DataType, rows: u64) -> bool {
    let can = plain.is_integer() || matches!(plain, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let Some(distinct) = column.distinct else { return false };
    let many = if distinct.exact { distinct.count == rows } else { distinct.count as f64 >= rows as f64 * UNIQUE };
    can && rows > 1 && column.nulls == 0 && many
}

// All values of a column, as YAML, where there are few and each is there often.
fn accepted(column: &ColumnProfile, rows: u64) -> Option<Vec<String>> {
    let distinct = column.distinct.filter(|distinct| distinct.exact)?.count;
    let values = &column.common;
    let often = (rows - column.nulls) / distinct.max(1) >= OFTEN;
    if distinct as usize != values.len() || values.is_empty() || !often {
        return None;
    }
    if column.texts.as_ref().is_some_and(|texts| texts.max_length <= 100) && values.len() <= TEXTS {
        let mut texts: Vec<_> = values.iter().filter_map(|(value, _)| value.as_str()).collect();
        texts.sort_unstable();
        return Some(texts.into_iter().map(scalar).collect());
    }
    if column.numbers.is_some() && (2..=CODES).contains(&values.len()) {
        let mut codes = values.iter().map(|(value, _)| value.as_i64()).collect::<Option<Vec<_>>>()?;
        codes.sort_unstable();
        // 1, 2, 3 is a range; 200, 404, 500 are codes.
        let gap = codes.windows(2).any(|pair| pair[1].checked_sub(pair[0]).is_none_or(|gap| gap > 1));
        return gap.then(|| codes.iter().map(i64::to_string).collect());
    }
    None
}

/// The texts that make up nearly all of a column, as YAML, and the part of the rows that may be others: the odd ones of today with room.
fn mostly(column: &ColumnProfile, rows: u64) -> Option<(Vec<String>, f64)> {
    let texts = column.texts.as_ref()?;
    let values = rows - column.nulls;
    let often = |count: u64| count >= SEEN && count as f64 >= values as f64 * COMMON;
    let common: Vec<_> = column.common.iter().filter(|(_, count)| often(*count)).collect();
    let others = values - common.iter().map(|(_, count)| count).sum::<u64>();
    if values < MANY || texts.max_length > 100 || common.is_empty() || common.len() > TEXTS || others == 0 {
        return None;
    }
    let tolerance = round_up(others as f64 / values as f64);
    let mut told: Vec<_> = common.iter().filter_map(|(value, _)| value.as_str()).collect();
    told.sort_unstable();
    (tolerance <= FEW).then(|| (told.into_iter().map(scalar).collect(), tolerance))
}

/// `min: …, max: …` of a measure's mean, half a standard deviation away, of which a bound is told that says more than the values' own.
fn mean(column: &ColumnProfile, rows: u64) -> Option<String> {
    let numbers = column.numbers.as_ref()?;
    let odd = numbers.nans + numbers.infinite > 0;
    if rows - column.nulls < MANY || odd || is_naming(&column.name) || is_key(column, rows) {
        return None;
    }
    let (least, most) = (column.min.as_ref()?, column.max.as_ref()?);
    // Hours and days, grades and codes.
    let span = least.as_i64().zip(most.as_i64()).map(|(least, most)| i128::from(most) - i128::from(least));
    if span.is_some_and(|span| span <= NARROW) || accepted(column, rows).is_some() {
        return None;
    }
    let (mean, room) = (numbers.float_mean()?, numbers.stdev? / 2.0);
    let (min, max) = fractions(mean - room, mean + room)?;
    let (least, most) = (float(least)?, float(most)?);
    let bounds = [("min", &min, min.parse::<f64>().ok()? > least), ("max", &max, max.parse::<f64>().ok()? < most)];
    let bounds: Vec<_> =
        bounds.iter().filter(|(.., tells)| *tells).map(|(end, text, _)| format!("{end}: {text}")).collect();
    (!bounds.is_empty()).then(|| bounds.join(", "))
}

// A foreign key, though of whole numbers, is no measure.
fn is_naming(column: &str) -> bool {
    let last = column.rsplit('_').next().unwrap_or(column);
    let lower = last.to_ascii_lowercase();
    NAMING.contains(&lower.as_str()) || lower.ends_with("key") || last.ends_with("Id") || last.ends_with("ID")
}

/// The few values of a column as bins, each with the share that it may have: half of what it has, or of what the others have, more or
/// less. One of two tells the other's.
fn shares(column: &ColumnProfile, rows: u64) -> Option<Vec<String>> {
    let distinct = column.distinct.filter(|distinct| distinct.exact)?.count;
    let values = rows - column.nulls;
    let few = column.booleans.is_some() || accepted(column, rows).is_some();
    if values < MANY || !few || !(2..=SHARES).contains(&distinct) || column.common.len() as u64 != distinct {
        return None;
    }
    let told = column.common.iter().filter(|(_, count)| *count >= SEEN);
    let bins = told.take(if distinct == 2 { 1 } else { SHARES as usize }).map(|(value, count)| {
        let share = *count as f64 / values as f64;
        let room = share.min(1.0 - share) / 2.0;
        let min = ((share - room) * 100.0 + 1e-9).floor() / 100.0;
        let max = ((share + room) * 100.0 - 1e-9).ceil() / 100.0;
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        format!("{{ value: {}, min: {min}, max: {max} }}", scalar(&value))
    });
    let bins: Vec<_> = bins.collect();
    (!bins.is_empty()).then_some(bins)
}

// `min: …, max: …`, rounded outwards.
fn bounds(column: &ColumnProfile, rows: u64) -> Option<String> {
    let (min, max) = (column.min.as_ref()?, column.max.as_ref()?);
    if let Some(numbers) = &column.numbers {
        // A column of one value tells no range, and NaN lies in none.
        if numbers.nans > 0 || numbers.infinite > 0 || min == max {
            return None;
        }
        // Keys grow.
        if is_key(column, rows) {
            return min.as_i64().filter(|min| *min >= 0).map(|min| format!("min: {}", min.min(1)));
        }
        if let (Some(min), Some(max)) = (min.as_i64(), max.as_i64()) {
            let (min, max) = whole(i128::from(min), i128::from(max));
            let (least, most) = limits(&column.data_type);
            // What the type cannot hold need not be checked.
            let bounds = [("min", min, min > least), ("max", max, max < most)];
            let bounds: Vec<_> =
                bounds.iter().filter(|(.., tells)| *tells).map(|(end, n, _)| format!("{end}: {n}")).collect();
            return (!bounds.is_empty()).then(|| bounds.join(", "));
        }
        let (min, max) = fractions(float(min)?, float(max)?)?;
        // A number keeps fifteen digits; a decimal in quotes keeps all.
        let long = |text: &str| text.bytes().filter(u8::is_ascii_digit).count() > 15;
        if column.data_type.is_decimal() && (long(&min) || long(&max)) {
            return Some(format!("min: '{min}', max: '{max}'"));
        }
        return Some(format!("min: {min}, max: {max}"));
    }
    // Tomorrow's rows are later.
    let dated = matches!(column.data_type, DataType::Date32 | DataType::Date64 | DataType::Timestamp(..));
    let month = min.as_str().filter(|_| dated)?.get(..7)?;
    let is_month = month.bytes().enumerate().all(|(at, b)| if at == 4 { b == b'-' } else { b.is_ascii_digit() });
    is_month.then(|| format!("min: '{month}-01'"))
}

/// What whole numbers of a type can be, as far as YAML can say it.
fn limits(data_type: &DataType) -> (i128, i128) {
    match data_type {
        DataType::Dictionary(_, plain) => limits(plain),
        DataType::Int8 => (i8::MIN.into(), i8::MAX.into()),
        DataType::Int16 => (i16::MIN.into(), i16::MAX.into()),
        DataType::Int32 => (i32::MIN.into(), i32::MAX.into()),
        DataType::UInt8 => (0, u8::MAX.into()),
        DataType::UInt16 => (0, u16::MAX.into()),
        DataType::UInt32 => (0, u32::MAX.into()),
        DataType::UInt64 => (0, i64::MAX.into()),
        _ => (i64::MIN.into(), i64::MAX.into()),
    }
}

// Whole bounds: as they are where they are near each other, otherwise to two digits of their distance.
fn whole(min: i128, max: i128) -> (i128, i128) {
    let span = max - min;
    if span <= NARROW {
        return (min, max);
    }
    let step = 10i128.pow(span.ilog10() - 1);
    (min.div_euclid(step) * step, -(-max).div_euclid(step) * step)
}

// Bounds as decimal texts, to two digits of their distance.
fn fractions(min: f64, max: f64) -> Option<(String, String)> {
    let span = max - min;
    if !(span > 0.0 && span.is_finite()) {
        return None;
    }
    let power = span.log10().floor() as i32 - 1;
    // Counted in steps, so that 0.3 does not become 0.30000000000000004.
    let text = |steps: f64| match power {
        0.. => format!("{:.1}", steps * 10f64.powi(power)),
        _ => {
            let text = format!("{:.*}", power.unsigned_abs() as usize, steps * 10f64.powi(power));
            let short = text.trim_end_matches('0');
            if short.ends_with('.') { format!("{short}0") } else { short.to_owned() }
        }
    };
    let step = 10f64.powi(power);
    let sign = |text: String| {
        if text.trim_start_matches('-').chars().all(|c| "0.".contains(c)) { "0.0".to_owned() } else { text }
    };
    Some((sign(text((min / step).floor())), sign(text((max / step).ceil()))))
}

/// A text in YAML: bare where nobody can take it for anything else.
fn scalar(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let word = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "infinity"]
            .contains(&lower.as_str());
    if word { text.to_owned() } else { Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_rounded_outwards_to_what_people_would_write() {
        for (min, max, want) in
            [(1, 12, (1, 12)), (0, 59, (0, 59)), (-43, 1301, (-100, 1400)), (3, 98, (3, 98)), (17, 4983, (0, 5000))]
        {
            assert_eq!(whole(min, max), want);
        }
        for (min, max, want) in [
            (0.1, 0.7, ("0.1", "0.7")),
            (-1.234, 17.9, ("-2.0", "18.0")),
            (0.0012, 0.0198, ("0.001", "0.02")),
            (1234.5, 98_765.4, ("1000.0", "99000.0")),
            (-0.001, 5.0, ("-0.1", "5.0")),
        ] {
            let (low, high) = fractions(min, max).unwrap();
            assert_eq!((low.as_str(), high.as_str()), want, "{min}..{max}");
            assert!(low.parse::<f64>().unwrap() <= min && high.parse::<f64>().unwrap() >= max);
        }
        let tolerances = [0.019_3, 0.03, 0.000_41, 0.05, 0.051].map(|rate| round_up(rate).to_string());
        assert_eq!(tolerances, ["0.02", "0.03", "0.0005", "0.05", "0.06"]);
        assert_eq!([1, 2, 10, 600, 27_004, 999_999].map(leading), [1, 1, 9, 500, 20_000, 900_000]);
    }

    #[test]
    fn numbers_that_name_something_are_told_by_their_name() {
        for (name, naming) in [
            ("id", true),
            ("order_id", true),
            ("customerId", true),
            ("l_orderkey", true),
            ("ZIP", true),
            ("paid", false),
            ("price", false),
            ("turkey_weight", false),
        ] {
            assert_eq!(is_naming(name), naming, "{name}");
        }
    }

    #[test]
    fn texts_stay_texts_in_yaml() {
        for text in [
            "EWR",
            "a b",
            "no",
            "12",
            "1e5",
            "",
            "null",
            "it's \"x\"",
            "- a",
            "ä",
            "x: y",
            "2013-01-01",
            "a\nb",
            "~",
            "#x",
        ] {
            let node = Node::parse(&format!("[{}]", scalar(text)), "f", 1).unwrap();
            assert_eq!(node.items().unwrap()[0].as_str(), Some(text));
        }
        assert_eq!(scalar("EWR"), "EWR");
    }
}
