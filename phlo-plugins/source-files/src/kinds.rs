//! What types the values of a column could have.

use arrow_schema::{DataType, TimeUnit};
use memchr::memchr2;

use crate::values::{self, Text, Zone};

/// The kinds of values that were seen in a column. Starts empty; grows by value and by file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Kinds(u8);

impl Kinds {
    pub(crate) const BOOLEAN: Self = Self(1);
    pub(crate) const INTEGER: Self = Self(1 << 1);
    pub(crate) const FLOAT: Self = Self(1 << 2);
    pub(crate) const DATE: Self = Self(1 << 3);
    pub(crate) const TIMESTAMP: Self = Self(1 << 4);
    pub(crate) const ZONED: Self = Self(1 << 5);
    pub(crate) const TEXT: Self = Self(1 << 6);
    /// A whole number that a float does not hold to its last digit; an integer too.
    const LONG: Self = Self(1 << 7);

    /// The kinds of both.
    #[must_use]
    pub(crate) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The kind of a text that stands for a value of any type.
    pub(crate) fn of(text: &[u8]) -> Self {
        match text {
            b"NaN" | b"nan" | b"inf" | b"-inf" => Self::FLOAT,
            [b't' | b'T' | b'f' | b'F', ..]
                if text.eq_ignore_ascii_case(b"true") || text.eq_ignore_ascii_case(b"false") =>
            {
                Self::BOOLEAN
            }
            [b'0'..=b'9' | b'-' | b'.', ..] => {
                Self::of_number(text).or_else(|| Self::of_time(text)).unwrap_or(Self::TEXT)
            }
            _ => Self::TEXT,
        }
    }

    fn of_number(text: &[u8]) -> Option<Self> {
        let digits = text.strip_prefix(b"-").unwrap_or(text);
        if digits.iter().all(u8::is_ascii_digit) {
            // `007` is a code: as a number it would lose its zeros. So would one beyond 64 bits lose its last digits.
            let code = digits.len() > 1 && digits[0] == b'0';
            return values::int64(Text::from(text)).filter(|_| !code).map(Self::of_integer);
        }
        let shaped = digits.iter().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
        let ends = matches!(digits.last(), Some(b'0'..=b'9' | b'.'));
        (shaped && ends && values::float64(Text::from(text)).is_some()).then_some(Self::FLOAT)
    }

    /// The kind of a whole number.
    pub(crate) fn of_integer(value: i64) -> Self {
        const EXACT: u64 = 1 << f64::MANTISSA_DIGITS;
        if value.unsigned_abs() > EXACT { Self::INTEGER.or(Self::LONG) } else { Self::INTEGER }
    }

    /// The kind of a text that can only stand for a time, or itself.
    pub(crate) fn of_time(text: &[u8]) -> Option<Self> {
        if text.len() < 10 || text[4] != b'-' {
            return None;
        }
        if text.len() == 10 {
            return values::date(Text::from(text)).map(|_| Self::DATE);
        }
        match values::timestamp(Text::from(text))? {
            (_, Zone::Unsaid) => Some(Self::TIMESTAMP),
            (_, Zone::Said) => Some(Self::ZONED),
        }
    }

    /// The narrowest type that holds all of them; text if there is no other, or nothing was seen.
    pub(crate) fn data_type(self) -> DataType {
        let within = |kinds: Self| self.0 & !kinds.0 == 0;
        if self == Self::BOOLEAN {
            DataType::Boolean
        } else if self.0 == 0 {
            DataType::Utf8
        } else if within(Self::INTEGER.or(Self::LONG)) {
            DataType::Int64
        } else if within(Self::INTEGER.or(Self::FLOAT)) {
            DataType::Float64
        } else if self == Self::DATE {
            DataType::Date32
        } else if within(Self::DATE.or(Self::TIMESTAMP)) {
            DataType::Timestamp(TimeUnit::Microsecond, None)
        } else if self == Self::ZONED {
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
        } else {
            DataType::Utf8
        }
    }
}

/// Values of columns whose types were inferred: what inference would not have taken for the type is not of it. A declared column
/// takes more, see [`values`].
pub(crate) mod inferred {
    use super::{Kinds, Text, Zone, values};

    /// A whole number, unless it would lose its zeros.
    #[inline]
    pub(crate) fn int64(text: Text<'_>) -> Option<i64> {
        let negative = text.starts_with(b'-');
        let digits = text.skip(usize::from(negative));
        if digits.starts_with(b'0') && digits.len() > 1 {
            return None;
        }
        if (1..=16).contains(&digits.len())
            && let Some(value) = values::digits16(digits)
        {
            let value = value as i64;
            return Some(if negative { -value } else { value });
        }
        int64_slow(text, digits)
    }

    #[cold]
    fn int64_slow(text: Text<'_>, digits: Text<'_>) -> Option<i64> {
        if digits.bytes().iter().all(u8::is_ascii_digit) { values::int64(text) } else { None }
    }

    /// A floating point number, unless it is a whole one that would lose digits.
    #[inline]
    pub(crate) fn float64(text: Text<'_>) -> Option<f64> {
        match values::float64_plain(text) {
            // What has no point may be a code.
            Some((value, scale)) if scale > 0 || !text.skip(usize::from(text.starts_with(b'-'))).starts_with(b'0') => {
                Some(value)
            }
            _ => float64_slow(text),
        }
    }

    #[cold]
    fn float64_slow(text: Text<'_>) -> Option<f64> {
        let kind = Kinds::of(text.bytes());
        if kind == Kinds::INTEGER || kind == Kinds::FLOAT { values::float64(text) } else { None }
    }

    /// `true` or `false`.
    pub(crate) fn boolean(text: Text<'_>) -> Option<bool> {
        (Kinds::of(text.bytes()) == Kinds::BOOLEAN).then(|| values::boolean(text)).flatten()
    }

    /// A timestamp that says its zone exactly if the column's do.
    #[inline]
    pub(crate) fn timestamp_of(text: Text<'_>, naive: bool) -> Option<i64> {
        let (micros, zone) = values::timestamp(text)?;
        (naive == (zone == Zone::Unsaid)).then_some(micros)
    }
}

/// A text as it is shown in a message: short, on one line.
pub(crate) fn shown(text: &[u8]) -> String {
    const LONGEST: usize = 60;
    let text = String::from_utf8_lossy(text);
    let short: String = text.chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let more = if text.chars().nth(LONGEST).is_some() { "…" } else { "" };
    if memchr2(b'\n', b'\r', text.as_bytes()).is_some() || text.contains('`') {
        format!("{:?}", short + more)
    } else {
        format!("`{short}{more}`")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Whether a value of an inferred column is one that inference takes for the column's type.
    fn agrees(text: &str) {
        let (value, kind) = (Text::from(text.as_bytes()), Kinds::of(text.as_bytes()));
        let integer = kind == Kinds::INTEGER || kind == Kinds::INTEGER.or(Kinds::LONG);
        assert_eq!(inferred::int64(value).is_some(), integer, "{text:?} as int64");
        assert_eq!(
            inferred::float64(value).is_some(),
            kind == Kinds::INTEGER || kind == Kinds::FLOAT,
            "{text:?} as float64"
        );
        assert_eq!(inferred::boolean(value).is_some(), kind == Kinds::BOOLEAN, "{text:?} as boolean");
        assert_eq!(inferred::timestamp_of(value, false).is_some(), kind == Kinds::ZONED, "{text:?} as timestamptz");
        let naive = kind == Kinds::TIMESTAMP || kind == Kinds::DATE;
        assert_eq!(inferred::timestamp_of(value, true).is_some(), naive, "{text:?} as timestamp");
    }

    #[test]
    fn an_inferred_column_takes_what_inference_takes_for_its_type_and_nothing_else() {
        for text in [
            "02134",
            "00",
            "0",
            "-0",
            "-07",
            "+7",
            "7",
            "yes",
            "t",
            "1",
            "TRUE",
            "false",
            "2013-01-01",
            "2013-01-01T10:00:00",
            "2013-01-01T10:00:00Z",
            "2013-01-01 10:00:00+02:00",
            "0.5",
            "00.5",
            "007.5",
            "1.",
            ".5",
            "-.5",
            "+.5",
            "1e5",
            "0e5",
            "9007199254740992",
            "9007199254740993",
            "-9007199254740993",
            "12345678901234567890",
            "123456789012345",
            "1234567890123456",
            "12345678901234.5678",
            "inf",
            "Infinity",
            "NaN",
            "NAN",
            "",
            " 5",
            "5 ",
            " 02134",
            "1.5 ",
            "1x",
            "12345678901234567x",
        ] {
            agrees(text);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn so_it_is_for_any_number(text in "[-+]?[0-9]{0,17}[.eE]?[-+]?[0-9]{0,3}") {
            agrees(&text);
        }
    }
}
