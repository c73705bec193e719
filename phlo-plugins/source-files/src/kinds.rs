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
            return (!code && values::int64(Text::from(text)).is_some()).then_some(Self::INTEGER);
        }
        let shaped = digits.iter().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
        let ends = matches!(digits.last(), Some(b'0'..=b'9' | b'.'));
        (shaped && ends && values::float64(Text::from(text)).is_some()).then_some(Self::FLOAT)
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
        } else if self == Self::INTEGER {
            DataType::Int64
        } else if self.0 == 0 {
            DataType::Utf8
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
