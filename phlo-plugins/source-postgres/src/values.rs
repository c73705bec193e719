//! Single values of PostgreSQL's binary format: numbers, times and texts as PostgreSQL itself writes them.

use std::fmt::Write;

/// Days from 1970-01-01 to 2000-01-01, where PostgreSQL counts from.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * 86_400_000_000;

/// Why a value cannot be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Misfit {
    /// Its bytes are not of its type.
    Broken,
    /// It is `infinity` or `-infinity`.
    Infinite,
    /// It is not a number.
    NaN,
    /// It is beyond what the column's type holds.
    TooLarge,
    /// It has digits behind the point that the column's type has no room for.
    TooFine,
    /// It is a text that is not UTF-8.
    NotUtf8,
    /// It is an array of arrays.
    Nested,
}

type Read<T> = Result<T, Misfit>;

/// Exactly so many bytes.
#[inline]
pub(crate) fn exactly<const N: usize>(bytes: &[u8]) -> Read<[u8; N]> {
    bytes.try_into().map_err(|_| Misfit::Broken)
}

/// The first bytes, and what follows them.
#[inline]
pub(crate) fn split<const N: usize>(bytes: &[u8]) -> Read<([u8; N], &[u8])> {
    bytes.split_first_chunk().map(|(first, rest)| (*first, rest)).ok_or(Misfit::Broken)
}

/// Days from 1970-01-01.
#[inline]
pub(crate) fn date(bytes: &[u8]) -> Read<i32> {
    match i32::from_be_bytes(exactly(bytes)?) {
        i32::MAX | i32::MIN => Err(Misfit::Infinite),
        days => days.checked_add(EPOCH_DAYS).ok_or(Misfit::TooLarge),
    }
}

/// Microseconds from 1970-01-01.
#[inline]
pub(crate) fn timestamp(bytes: &[u8]) -> Read<i64> {
    match i64::from_be_bytes(exactly(bytes)?) {
        i64::MAX | i64::MIN => Err(Misfit::Infinite),
        micros => micros.checked_add(EPOCH_MICROS).ok_or(Misfit::TooLarge),
    }
}

/// `HH:MM:SS[.ffffff]`.
pub(crate) fn time(out: &mut String, bytes: &[u8]) -> Read<()> {
    clock(out, i64::from_be_bytes(exactly(bytes)?).unsigned_abs());
    Ok(())
}

/// `HH:MM:SS[.ffffff]+HH[:MM[:SS]]`.
pub(crate) fn time_tz(out: &mut String, bytes: &[u8]) -> Read<()> {
    let (micros, rest) = split::<8>(bytes)?;
    clock(out, i64::from_be_bytes(micros).unsigned_abs());
    // The wire has seconds west of Greenwich, people write what is east of it.
    let west = i32::from_be_bytes(exactly(rest)?);
    let seconds = west.unsigned_abs();
    let _ = write!(out, "{}{:02}", if west > 0 { '-' } else { '+' }, seconds / 3600);
    if !seconds.is_multiple_of(3600) {
        let _ = write!(out, ":{:02}", seconds / 60 % 60);
    }
    if !seconds.is_multiple_of(60) {
        let _ = write!(out, ":{:02}", seconds % 60);
    }
    Ok(())
}

fn clock(out: &mut String, micros: u64) {
    let seconds = micros / 1_000_000;
    let _ = write!(out, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    let fraction = micros % 1_000_000;
    if fraction > 0 {
        let digits = format!("{fraction:06}");
        let _ = write!(out, ".{}", digits.trim_end_matches('0'));
    }
}

/// An interval as `intervalstyle = postgres` writes it, e.g. `1 year 2 mons -3 days +04:05:06.7`.
pub(crate) fn interval(out: &mut String, bytes: &[u8]) -> Read<()> {
    let (micros, rest) = split::<8>(bytes)?;
    let (days, rest) = split::<4>(rest)?;
    let (micros, days, months) =
        (i64::from_be_bytes(micros), i32::from_be_bytes(days), i32::from_be_bytes(exactly(rest)?));
    if matches!((micros, days, months), (i64::MAX, i32::MAX, i32::MAX) | (i64::MIN, i32::MIN, i32::MIN)) {
        return Err(Misfit::Infinite);
    }
    let (start, mut negative) = (out.len(), false);
    for (value, unit) in [(months / 12, "year"), (months % 12, "mon"), (days, "day")] {
        if value == 0 {
            continue;
        }
        let space = if out.len() > start { " " } else { "" };
        let sign = if negative && value > 0 { "+" } else { "" };
        let plural = if value == 1 { "" } else { "s" };
        let _ = write!(out, "{space}{sign}{value} {unit}{plural}");
        negative = value < 0;
    }
    let nothing = out.len() == start;
    if nothing || micros != 0 {
        let sign = match (micros < 0, negative) {
            (true, _) => "-",
            (false, true) => "+",
            (false, false) => "",
        };
        let _ = write!(out, "{}{sign}", if nothing { "" } else { " " });
        clock(out, micros.unsigned_abs());
    }
    Ok(())
}

/// The hyphenated form.
pub(crate) fn uuid(out: &mut String, bytes: &[u8]) -> Read<()> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (index, byte) in exactly::<16>(bytes)?.into_iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    Ok(())
}

/// A `numeric`: groups of four digits, the first worth `10000^weight`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numeric<'a> {
    groups: &'a [u8],
    weight: i16,
    sign: u16,
    scale: u16,
}

const NEGATIVE: u16 = 0x4000;

impl<'a> Numeric<'a> {
    #[inline]
    pub(crate) fn new(bytes: &'a [u8]) -> Read<Self> {
        let (count, rest) = split::<2>(bytes)?;
        let (weight, rest) = split::<2>(rest)?;
        let (sign, rest) = split::<2>(rest)?;
        let (scale, groups) = split::<2>(rest)?;
        if groups.len() != 2 * usize::from(u16::from_be_bytes(count)) {
            return Err(Misfit::Broken);
        }
        Ok(Self {
            groups,
            weight: i16::from_be_bytes(weight),
            sign: u16::from_be_bytes(sign),
            scale: u16::from_be_bytes(scale),
        })
    }

    /// The sign, if it is a number.
    #[inline]
    fn is_negative(self) -> Read<bool> {
        match self.sign {
            0 => Ok(false),
            NEGATIVE => Ok(true),
            0xC000 => Err(Misfit::NaN),
            0xD000 | 0xF000 => Err(Misfit::Infinite),
            _ => Err(Misfit::Broken),
        }
    }

    fn group(self, index: usize) -> u16 {
        self.groups.get(2 * index..2 * index + 2).map_or(0, |pair| u16::from_be_bytes([pair[0], pair[1]]))
    }

    /// The number times `10^scale`, if that is whole and of no more digits than `precision`.
    #[inline]
    pub(crate) fn scaled(self, precision: u8, scale: i8) -> Read<i128> {
        let negative = self.is_negative()?;
        let mut value: i128 = 0;
        // The power of ten that the last group was worth, in the scaled number.
        let mut power = (i32::from(self.weight) + 1) * 4 + i32::from(scale);
        for pair in self.groups.chunks_exact(2) {
            let group = i128::from(u16::from_be_bytes([pair[0], pair[1]]));
            power -= 4;
            if power >= 0 {
                value = value.checked_mul(10_000).and_then(|it| it.checked_add(group)).ok_or(Misfit::TooLarge)?;
            } else if power > -4 {
                let (kept, cut) = (10_i128.pow((4 + power) as u32), 10_i128.pow(-power as u32));
                if group % cut != 0 {
                    return Err(Misfit::TooFine);
                }
                value = value.checked_mul(kept).and_then(|it| it.checked_add(group / cut)).ok_or(Misfit::TooLarge)?;
            } else if group != 0 {
                return Err(Misfit::TooFine);
            }
        }
        if power > 0 && value != 0 {
            let missing = 10_i128.checked_pow(power as u32).ok_or(Misfit::TooLarge)?;
            value = value.checked_mul(missing).ok_or(Misfit::TooLarge)?;
        }
        if value >= 10_i128.pow(u32::from(precision)) {
            return Err(Misfit::TooLarge);
        }
        Ok(if negative { -value } else { value })
    }

    /// All its digits, as PostgreSQL writes it.
    pub(crate) fn text(self, out: &mut String) -> Read<()> {
        let negative = match self.is_negative() {
            Err(Misfit::NaN) => {
                out.push_str("NaN");
                return Ok(());
            }
            Err(Misfit::Infinite) => {
                out.push_str(if self.sign == 0xD000 { "Infinity" } else { "-Infinity" });
                return Ok(());
            }
            other => other?,
        };
        if negative {
            out.push('-');
        }
        let weight = i32::from(self.weight);
        if weight < 0 {
            out.push('0');
        }
        for index in 0..=weight {
            let group = self.group(index as usize);
            let _ = if index == 0 { write!(out, "{group}") } else { write!(out, "{group:04}") };
        }
        if self.scale > 0 {
            out.push('.');
            let end = out.len() + usize::from(self.scale);
            let mut index = weight + 1;
            while out.len() < end {
                let group = usize::try_from(index).map_or(0, |index| self.group(index));
                let _ = write!(out, "{group:04}");
                index += 1;
            }
            out.truncate(end);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numeric(weight: i16, sign: u16, scale: u16, groups: &[u16]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend((groups.len() as u16).to_be_bytes());
        bytes.extend(weight.to_be_bytes());
        bytes.extend(sign.to_be_bytes());
        bytes.extend(scale.to_be_bytes());
        bytes.extend(groups.iter().flat_map(|group| group.to_be_bytes()));
        bytes
    }

    #[test]
    fn a_numeric_keeps_every_digit_or_is_refused() {
        for (bytes, text, precision, scale, scaled) in [
            (numeric(0, 0, 2, &[12, 5000]), "12.50", 4, 2, Ok(1250)),
            (numeric(0, 0, 2, &[12, 5000]), "12.50", 3, 1, Ok(125)),
            (numeric(0, 0, 2, &[12, 5000]), "12.50", 4, 0, Err(Misfit::TooFine)),
            (numeric(0, 0, 2, &[12, 5000]), "12.50", 3, 2, Err(Misfit::TooLarge)),
            (numeric(1, NEGATIVE, 0, &[1]), "-10000", 38, 0, Ok(-10000)),
            (numeric(9, 0, 0, &[1]), "1000000000000000000000000000000000000", 38, 1, Ok(10_i128.pow(37))),
            (numeric(9, 0, 0, &[1]), "1000000000000000000000000000000000000", 38, 2, Err(Misfit::TooLarge)),
            (numeric(-2, 0, 8, &[1]), "0.00000001", 38, 8, Ok(1)),
            (numeric(-2, 0, 8, &[1]), "0.00000001", 38, 7, Err(Misfit::TooFine)),
            (numeric(0, 0, 0, &[]), "0", 1, 0, Ok(0)),
            (numeric(0, 0, 3, &[]), "0.000", 38, 38, Ok(0)),
            (numeric(0, 0xC000, 0, &[]), "NaN", 38, 0, Err(Misfit::NaN)),
            (numeric(0, 0xF000, 0, &[]), "-Infinity", 38, 0, Err(Misfit::Infinite)),
        ] {
            let mut told = String::new();
            let number = Numeric::new(&bytes).unwrap();
            number.text(&mut told).unwrap();
            assert_eq!((told.as_str(), number.scaled(precision, scale)), (text, scaled));
        }
        assert!(Numeric::new(&numeric(0, 0, 0, &[1])[..9]).is_err());
    }
}
