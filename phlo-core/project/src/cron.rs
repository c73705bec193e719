//! Five cron fields: what is valid and whether it ever comes.

/// Why a text is not five cron fields.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Invalid {
    /// It does not parse: what is wrong, and the characters that it is about.
    Text(String, std::ops::Range<usize>),
    /// No such day exists.
    Never,
}

struct Field {
    name: &'static str,
    range: std::ops::RangeInclusive<u32>,
    /// Names of its values, the first of them meaning the first number of the range.
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", range: 0..=59, names: &[] },
    Field { name: "hour", range: 0..=23, names: &[] },
    Field { name: "day of the month", range: 1..=31, names: &[] },
    Field {
        name: "month",
        range: 1..=12,
        names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    },
    // 7 is Sunday, too.
    Field { name: "day of the week", range: 0..=7, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] },
];

/// Checks five cron fields: numbers, names of months and days, `*`, lists, ranges and steps.
pub(crate) fn validate(text: &str) -> Result<(), Invalid> {
    let parts: Vec<_> = text.split_whitespace().collect();
    if parts.len() != FIELDS.len() {
        return Err(Invalid::Text(
            format!("cron has five fields, and these are {}", parts.len()),
            0..text.chars().count(),
        ));
    }
    let mut values = [0_u64; FIELDS.len()];
    for ((field, part), values) in FIELDS.iter().zip(&parts).zip(&mut values) {
        *values = field.parse(part).map_err(|message| {
            let start = text[..part.as_ptr() as usize - text.as_ptr() as usize].chars().count();
            Invalid::Text(message, start..start + part.chars().count())
        })?;
    }
    // With a day of the week beside it, either of the two fields will do.
    let last_day = |month: u32| [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month as usize - 1];
    let comes = (1..=12)
        .filter(|month| values[3] & (1 << month) != 0)
        .any(|month| values[2].trailing_zeros() <= last_day(month));
    if parts[4] == "*" && !comes { Err(Invalid::Never) } else { Ok(()) }
}

impl Field {
    /// The set of its values, a bit each.
    fn parse(&self, text: &str) -> Result<u64, String> {
        text.split(',').try_fold(0, |set, item| Ok(set | self.item(item)?))
    }

    fn item(&self, item: &str) -> Result<u64, String> {
        let (range, step) = item.split_once('/').map_or((item, None), |(range, step)| (range, Some(step)));
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (*self.range.start(), *self.range.end()),
            Some((from, to)) => (self.number(from)?, self.number(to)?),
            None => {
                let from = self.number(range)?;
                (from, if step.is_some() { *self.range.end() } else { from })
            }
        };
        if from > to {
            return Err(format!("the {} `{item}` ends before it begins", self.name));
        }
        let step = match step.map(str::parse) {
            None => 1,
            Some(Ok(step)) if step > 0 => step,
            Some(_) => return Err(format!("the step of the {} `{item}` is not a number above 0", self.name)),
        };
        Ok((from..=to).step_by(step).fold(0, |set, value| set | 1 << value))
    }

    fn number(&self, text: &str) -> Result<u32, String> {
        let lower = text.to_ascii_lowercase();
        let by_name = self.names.iter().position(|name| *name == lower).map(|at| at as u32 + self.range.start());
        by_name.or_else(|| text.parse().ok()).filter(|number| self.range.contains(number)).ok_or_else(|| {
            format!("the {} `{text}` is not one of {} to {}", self.name, self.range.start(), self.range.end())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_fields_are_checked() {
        let text = |message: &str, at| Err(Invalid::Text(message.to_owned(), at));
        for (cron, want) in [
            ("0 2 * * *", Ok(())),
            ("*/15 0-6,22 1,15 jan-Mar mon-fri", Ok(())),
            ("5/10  0 29 2 7", Ok(())),
            ("0 0 29 2 *", Ok(())),
            ("0 0 31 2,4 mon", Ok(())),
            ("0 0 30 2 *", Err(Invalid::Never)),
            ("0 0 31 feb,apr *", Err(Invalid::Never)),
            ("0 2 * *", text("cron has five fields, and these are 4", 0..7)),
            ("@daily", text("cron has five fields, and these are 1", 0..6)),
            ("60 * * * *", text("the minute `60` is not one of 0 to 59", 0..2)),
            ("0 24 * * *", text("the hour `24` is not one of 0 to 23", 2..4)),
            ("0 0 0 * *", text("the day of the month `0` is not one of 1 to 31", 4..5)),
            ("0 0 1 foo *", text("the month `foo` is not one of 1 to 12", 6..9)),
            ("0 0 * * 8", text("the day of the week `8` is not one of 0 to 7", 8..9)),
            ("9-3 * * * *", text("the minute `9-3` ends before it begins", 0..3)),
            ("*/0 * * * *", text("the step of the minute `*/0` is not a number above 0", 0..3)),
            ("1,,2 * * * *", text("the minute `` is not one of 0 to 59", 0..4)),
        ] {
            assert_eq!(validate(cron), want, "{cron}");
        }
    }
}
