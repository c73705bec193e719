//! Text as typed values: the one definition of what a value of each type looks like, used for inference and for decoding.
//!
//! The common shapes are parsed eight or sixteen digits at once; everything else goes the long way, through arrow-cast.

use arrow_array::types::{Decimal128Type, Float32Type, Float64Type, Int64Type};
use arrow_cast::parse::{Parser, parse_decimal};

/// A field: the beginning of a slice that goes on behind it for at least 16 bytes, or is merely parsed slower if it does not.
#[derive(Clone, Copy)]
pub(crate) struct Text<'a> {
    tail: &'a [u8],
    len: usize,
}

impl<'a> Text<'a> {
    /// The first `len` bytes of `tail`.
    #[inline]
    pub(crate) fn new(tail: &'a [u8], len: usize) -> Self {
        Self { tail, len }
    }

    /// The bytes.
    #[inline]
    pub(crate) fn bytes(self) -> &'a [u8] {
        &self.tail[..self.len]
    }

    #[inline]
    pub(crate) fn len(self) -> usize {
        self.len
    }

    /// The bytes and what follows them.
    #[inline]
    pub(crate) fn tail(self) -> &'a [u8] {
        self.tail
    }

    #[inline]
    fn sixteen(self) -> Option<u128> {
        Some(u128::from_le_bytes(*self.tail.first_chunk()?))
    }

    #[inline]
    fn eight(self) -> Option<u64> {
        Some(u64::from_le_bytes(*self.tail.first_chunk()?))
    }

    fn str(self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()).ok()
    }

    /// Without the first bytes.
    #[inline]
    pub(crate) fn skip(self, bytes: usize) -> Self {
        Self { tail: &self.tail[bytes..], len: self.len - bytes }
    }

    /// Only the first bytes.
    #[inline]
    pub(crate) fn take(self, bytes: usize) -> Self {
        Self { len: bytes, ..self }
    }

    /// Whether this is the first byte.
    #[inline]
    pub(crate) fn starts_with(self, byte: u8) -> bool {
        self.len > 0 && self.tail.first() == Some(&byte)
    }
}

impl<'a> From<&'a [u8]> for Text<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::new(bytes, bytes.len())
    }
}

const ZEROS: u64 = 0x3030_3030_3030_3030;

/// The number that eight digit values make, the first in the lowest byte.
#[inline]
fn join_digits(mut digits: u64) -> u64 {
    digits = digits * 10 + (digits >> 8);
    let (even, odd) = (digits & 0x0000_00FF_0000_00FF, (digits >> 16) & 0x0000_00FF_0000_00FF);
    (even.wrapping_mul(0x000F_4240_0000_0064).wrapping_add(odd.wrapping_mul(0x0000_2710_0000_0001))) >> 32
}

#[inline]
fn all_digits(values: u64) -> bool {
    (values.wrapping_add(0x7676_7676_7676_7676) | values) & 0x8080_8080_8080_8080 == 0
}

/// The value of up to eight characters of a word, if all are digits.
#[inline]
fn digits8(word: u64, len: usize) -> Option<u64> {
    debug_assert!((1..=8).contains(&len));
    // The characters move to the end of the word; zeros come before them.
    let values = (word ^ ZEROS) << (64 - 8 * len);
    all_digits(values).then(|| join_digits(values))
}

/// The value of 1 to 16 digits.
#[inline]
pub(crate) fn digits16(text: Text<'_>) -> Option<u64> {
    let len = text.len();
    if len <= 8 {
        return digits8(text.eight()?, len);
    }
    let low = digits8(text.eight()?, 8)?;
    let high = digits8(text.skip(8).eight()?, len - 8)?;
    Some(low * 10_u64.pow(len as u32 - 8) + high)
}

/// A whole number.
#[inline]
pub(crate) fn int64(text: Text<'_>) -> Option<i64> {
    let negative = text.starts_with(b'-');
    let digits = text.skip(usize::from(negative));
    if (1..=16).contains(&digits.len())
        && let Some(value) = digits16(digits)
    {
        let value = value as i64;
        return Some(if negative { -value } else { value });
    }
    int64_slow(text)
}

#[cold]
fn int64_slow(text: Text<'_>) -> Option<i64> {
    Int64Type::parse(text.str()?)
}

/// Digits with a point among them, as a whole number and the count of digits behind the point. At most 16 characters.
#[inline]
fn fixed_point(text: Text<'_>) -> Option<(u64, usize)> {
    let len = text.len();
    if len <= 8 {
        if len == 0 {
            return None;
        }
        let word = text.eight()?;
        // A byte of the word is zero where the point is; above the first such byte the test may be wrong.
        let other = word ^ 0x2E2E_2E2E_2E2E_2E2E;
        let points = other.wrapping_sub(0x0101_0101_0101_0101) & !other & 0x8080_8080_8080_8080;
        let at = (points.trailing_zeros() / 8) as usize;
        if at >= len {
            return Some((digits8(word, len)?, 0));
        }
        if len == 1 {
            return None;
        }
        // Closes the gap that the point leaves.
        let before = word & ((1 << (8 * at)) - 1);
        let behind = (word >> 8) & !((1 << (8 * at)) - 1);
        return Some((digits8(before | behind, len - 1)?, len - 1 - at));
    }
    if len > 16 {
        return None;
    }
    let other = text.sixteen()? ^ (u128::MAX / 255 * 0x2E);
    let points = other.wrapping_sub(u128::MAX / 255) & !other & (u128::MAX / 255 * 0x80);
    let at = (points.trailing_zeros() / 8) as usize;
    if at >= len {
        return Some((digits16(text)?, 0));
    }
    let behind = len - 1 - at;
    let whole = if at == 0 { 0 } else { digits16(text.take(at))? };
    let fraction = if behind == 0 { 0 } else { digits16(text.skip(at + 1))? };
    Some((whole * 10_u64.pow(behind as u32) + fraction, behind))
}

const POWERS: [f64; 17] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16];

/// A floating point number, correctly rounded.
#[inline]
pub(crate) fn float64(text: Text<'_>) -> Option<f64> {
    match float64_plain(text) {
        Some((value, _)) => Some(value),
        None => float64_slow(text),
    }
}

/// The same where it is quickly found: few digits, with or without a point; and how many follow the point.
#[inline]
pub(crate) fn float64_plain(text: Text<'_>) -> Option<(f64, usize)> {
    let negative = text.starts_with(b'-');
    let (value, scale) = fixed_point(text.skip(usize::from(negative))).filter(|(value, _)| *value < 1 << 53)?;
    // Both are exact, so their quotient is rounded once.
    let value = value as f64 / POWERS[scale];
    Some((if negative { -value } else { value }, scale))
}

#[cold]
fn float64_slow(text: Text<'_>) -> Option<f64> {
    Float64Type::parse(text.str()?)
}

/// A floating point number of single precision, correctly rounded.
pub(crate) fn float32(text: Text<'_>) -> Option<f32> {
    Float32Type::parse(text.str()?)
}

/// A decimal number as its digits without the point: of no more digits than the type has, and without exponent.
#[inline]
pub(crate) fn decimal(text: Text<'_>, precision: u8, scale: i8) -> Option<i128> {
    let negative = text.starts_with(b'-');
    if let Some((value, found)) = fixed_point(text.skip(usize::from(negative)))
        && let Some(missing) = (scale as usize).checked_sub(found)
        && missing <= 18
    {
        let value = i128::from(value) * i128::from(10_u64.pow(missing as u32));
        let fits = value < 10_i128.pow(u32::from(precision));
        return fits.then_some(if negative { -value } else { value });
    }
    decimal_slow(text, precision, scale)
}

#[cold]
fn decimal_slow(text: Text<'_>, precision: u8, scale: i8) -> Option<i128> {
    let mut text = text.str()?;
    // arrow-cast would round digits away; a value that needs them is not of the type.
    if let Some((_, fraction)) = text.split_once('.')
        && let Some(excess) = fraction.get(scale as usize..)
        && excess.bytes().all(|b| b == b'0')
    {
        text = &text[..text.len() - excess.len()];
    }
    let digits = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+'));
    if !plain || digits > scale as usize {
        return None;
    }
    parse_decimal::<Decimal128Type>(text, precision, scale).ok()
}

/// `true` or `false` in any case. Declared columns may also say `t`, `f`, `yes`, `no`, `1` and `0`.
pub(crate) fn boolean(text: Text<'_>) -> Option<bool> {
    let bytes = text.bytes();
    let is = |words: [&str; 4]| words.iter().any(|word| bytes.eq_ignore_ascii_case(word.as_bytes()));
    if is(["true", "t", "yes", "1"]) {
        return Some(true);
    }
    is(["false", "f", "no", "0"]).then_some(false)
}

/// Days from 1970-01-01 to a day of the proleptic Gregorian calendar, if there is such a day.
#[inline]
fn days(year: u32, month: u32, day: u32) -> Option<i32> {
    const LENGTHS: [u8; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    // Days before a month, in a year that begins in March.
    const BEFORE: [u16; 12] = [306, 337, 0, 31, 61, 92, 122, 153, 184, 214, 245, 275];
    let index = month.wrapping_sub(1) as usize;
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let length = u32::from(*LENGTHS.get(index)?) + u32::from(month == 2 && leap);
    if day == 0 || day > length {
        return None;
    }
    // The year 0000 begins before the March of its own era: count from 400 years earlier.
    let year = year + 400 - u32::from(month <= 2);
    let day_of_era = year * 365 + year / 4 - year / 100 + year / 400 + u32::from(BEFORE[index]) + day - 1;
    Some(day_of_era as i32 - 146_097 - 719_468)
}

/// `YYYY-MM-DD`, as days from 1970-01-01.
#[inline]
pub(crate) fn date(text: Text<'_>) -> Option<i32> {
    if text.len() != 10 {
        return None;
    }
    let bytes = text.bytes().first_chunk::<10>()?;
    if bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let values = [bytes[0], bytes[1], bytes[2], bytes[3], bytes[5], bytes[6], bytes[8], bytes[9]];
    let values = u64::from_le_bytes(values) ^ ZEROS;
    if !all_digits(values) {
        return None;
    }
    let number = join_digits(values) as u32;
    days(number / 10_000, number / 100 % 100, number % 100)
}

/// What a timestamp says about its zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Zone {
    /// Nothing.
    Unsaid,
    /// `Z` or an offset.
    Said,
}

/// `YYYY-MM-DD`, `T` or a space, `HH:MM`, then optionally `:SS`, a fraction, and `Z` or an offset; or a date alone. As
/// microseconds from 1970-01-01, in UTC if an offset is given; digits beyond microseconds are cut off.
pub(crate) fn timestamp(text: Text<'_>) -> Option<(i64, Zone)> {
    let (day, rest) = text.bytes().split_at_checked(10)?;
    let days = i64::from(date(Text::from(day))?);
    if rest.is_empty() {
        return Some((days * 86_400_000_000, Zone::Unsaid));
    }
    let two = |bytes: &[u8]| -> Option<i64> {
        let [tens, ones] = bytes.first_chunk::<2>()?;
        (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| i64::from((tens - b'0') * 10 + (ones - b'0')))
    };
    let rest = rest.strip_prefix(b"T").or_else(|| rest.strip_prefix(b" ")).or_else(|| rest.strip_prefix(b"t"))?;
    let hours = two(rest)?;
    let minutes = two(rest.get(2..)?.strip_prefix(b":")?)?;
    let mut rest = &rest[5..];
    let (mut seconds, mut micros) = (0, 0);
    if let Some(after) = rest.strip_prefix(b":") {
        seconds = two(after)?;
        rest = &after[2..];
        if let Some(fraction) = rest.strip_prefix(b".") {
            let digits = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
            if !(1..=9).contains(&digits) {
                return None;
            }
            let padded = fraction[..digits].iter().map(|b| i64::from(b - b'0')).chain(std::iter::repeat(0));
            micros = padded.take(6).fold(0, |value, digit| value * 10 + digit);
            rest = &fraction[digits..];
        }
    }
    if hours > 23 || minutes > 59 || seconds > 59 {
        return None;
    }
    let local = days * 86_400_000_000 + ((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + micros;
    let sign = match rest {
        b"" => return Some((local, Zone::Unsaid)),
        b"Z" | b"z" => return Some((local, Zone::Said)),
        [b'+', ..] => 1,
        [b'-', ..] => -1,
        _ => return None,
    };
    let offset = &rest[1..];
    let (hours, rest) = (two(offset)?, &offset[2..]);
    let minutes = match rest {
        b"" => 0,
        [b':', _, _] => two(&rest[1..])?,
        [_, _] => two(rest)?,
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some((local - sign * (hours * 60 + minutes) * 60_000_000, Zone::Said))
}

/// As [`timestamp`], for a column: one without a zone refuses values that say theirs, one with a zone takes UTC for unsaid.
#[inline]
pub(crate) fn timestamp_of(text: Text<'_>, naive: bool) -> Option<i64> {
    let (micros, zone) = timestamp(text)?;
    (!naive || zone == Zone::Unsaid).then_some(micros)
}

#[cfg(test)]
mod tests {
    use arrow_array::timezone::Tz;
    use arrow_array::types::Date32Type;
    use arrow_cast::parse::string_to_datetime;
    use chrono::Utc;
    use proptest::prelude::*;

    use super::*;

    /// A text in a buffer that goes on behind it, with something that must not matter.
    fn within(text: &str, check: impl Fn(Text<'_>)) {
        check(Text::from(text.as_bytes()));
        for behind in ["0000000000000000", ",.,\"99999-99-99 ", "\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}"] {
            let buffer = format!("{text}{behind}");
            check(Text::new(buffer.as_bytes(), text.len()));
        }
    }

    fn numbers_agree(text: &str) {
        within(text, |value| {
            assert_eq!(int64(value), Int64Type::parse(text), "{text:?} as int64");
            let (ours, theirs) = (float64(value), Float64Type::parse(text));
            assert_eq!(ours.map(f64::to_bits), theirs.map(f64::to_bits), "{text:?} as float64");
            if let Some(ours) = decimal(value, 20, 4) {
                assert_eq!(Ok(ours), parse_decimal::<Decimal128Type>(text, 20, 4).map_err(drop), "{text:?} as decimal");
            }
        });
    }

    fn times_agree(text: &str) {
        within(text, |value| {
            if let Some(ours) = date(value) {
                assert_eq!(Some(ours), Date32Type::parse(text), "{text:?} as date");
            }
            if let Some((ours, zone)) = timestamp(value) {
                let theirs = string_to_datetime(&Utc, text).map(|time| time.timestamp_micros()).ok();
                assert_eq!(Some(ours), theirs, "{text:?} as timestamp");
                let elsewhere: Tz = "+05:00".parse().unwrap();
                let moved = string_to_datetime(&elsewhere, text).map(|time| time.timestamp_micros()).ok() != theirs;
                assert_eq!(zone == Zone::Unsaid, moved, "whether {text:?} says its zone");
            }
        });
    }

    #[test]
    fn numbers_are_those_that_arrow_reads() {
        for text in [
            "",
            "0",
            "-0",
            "7",
            "-7",
            "+7",
            "12345678",
            "123456789",
            "1234567890123456",
            "12345678901234567",
            "9223372036854775807",
            "-9223372036854775808",
            "9223372036854775808",
            "00000000000000000001",
            " 5",
            "5 ",
            "1_0",
            "1e3",
            "-",
            "+",
            ".",
            "-.",
            "1.",
            ".5",
            "-.5",
            "0.1",
            "0.30000000000000004",
            "123456.789",
            "12345.6789",
            "1.2.3",
            "1,5",
            "9007199254740993",
            "9007199254740993.0",
            "0.000000000000001",
            "123456789012345.6",
            "1e400",
            "-1e-400",
            "nan",
            "NaN",
            "inf",
            "-inf",
            "Infinity",
            "1/2",
            ":",
            "1:",
            "\u{b2}",
            "1.5e3",
            "1e",
            "1234567.",
            ".1234567",
            "12345678.",
            ".12345678",
        ] {
            numbers_agree(text);
        }
    }

    #[test]
    fn decimals_are_exact_or_refused() {
        for (text, wanted) in [
            ("1", Some(100)),
            ("-1.5", Some(-150)),
            ("1.50", Some(150)),
            ("1.500", Some(150)),
            ("1.505", None),
            ("", None),
            ("1e2", None),
            ("999.99", Some(99999)),
            ("1000", None),
            ("1000.00", None),
            ("-999.99", Some(-99999)),
            ("0.00000000000000000000000", Some(0)),
            ("00000000000000000000000012.5", Some(1250)),
            ("+1", Some(100)),
            ("x", None),
            (".5", Some(50)),
        ] {
            within(text, |value| assert_eq!(decimal(value, 5, 2), wanted, "{text:?}"));
        }
    }

    #[test]
    fn every_day_of_ten_thousand_years_is_read_and_no_other() {
        let first = chrono::NaiveDate::from_ymd_opt(0, 1, 1).unwrap();
        let epoch = chrono::NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
        for day in first.iter_days().take_while(|day| day.to_string().len() == 10) {
            let wanted = (day - epoch).num_days() as i32;
            assert_eq!(date(Text::from(day.to_string().as_bytes())), Some(wanted), "{day}");
        }
        for text in [
            "2023-02-29",
            "1900-02-29",
            "2023-04-31",
            "2023-00-10",
            "2023-13-10",
            "2023-01-00",
            "2023-1-01",
            "20230101",
            "2023-01-1x",
        ] {
            within(text, |value| assert_eq!(date(value), None, "{text}"));
        }
    }

    #[test]
    fn timestamps_are_read_with_and_without_zone() {
        for (text, wanted) in [
            ("1970-01-01", Some((0, Zone::Unsaid))),
            ("1970-01-01T00:00", Some((0, Zone::Unsaid))),
            ("1970-01-01 00:00:01", Some((1_000_000, Zone::Unsaid))),
            ("1970-01-01T00:00:01.5", Some((1_500_000, Zone::Unsaid))),
            ("1969-12-31T23:59:59.999999Z", Some((-1, Zone::Said))),
            ("1970-01-01T02:00:00+02:00", Some((0, Zone::Said))),
            ("1969-12-31T22:30:00.000000-0130", Some((0, Zone::Said))),
            ("1970-01-01T01:00:00+01", Some((0, Zone::Said))),
            ("1970-01-01T00:00:00.123456789", Some((123_456, Zone::Unsaid))),
            ("1970-01-01T24:00:00", None),
            ("1970-01-01T00:60:00", None),
            ("1970-01-01T00:00:60", None),
            ("1970-01-01T00:00:00.", None),
            ("1970-01-01T00:00:00 Europe/London", None),
            ("1970-01-01X00:00:00", None),
            ("1970-01-01T", None),
            ("1970-01-01T00", None),
            ("1970-01-01T00:00:00+", None),
            ("1970-01-01T00:00:00+1", None),
        ] {
            within(text, |value| assert_eq!(timestamp(value), wanted, "{text}"));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn random_numbers_are_those_that_arrow_reads(text in "[-+]?[0-9]{0,18}[.eE]?[-+]?[0-9]{0,18}") {
            numbers_agree(&text);
        }

        #[test]
        fn random_times_are_those_that_arrow_reads(
            text in "[0-2][0-9]{3}-[01][0-9]-[0-3][0-9]([T ][0-2][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-][01][0-9]:?[0-5][0-9])?)?"
        ) {
            times_agree(&text);
        }
    }
}
