//! Five cron fields: what is valid, what they mean, and whether that ever comes.

/// Why a text is not five cron fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvalidCron {
    /// It does not parse: what is wrong, and the characters that it is about.
    Text(String, std::ops::Range<usize>),
    /// No such day exists.
    Never,
}

/// Five cron fields, each as the set of its values, a bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cron {
    /// Minutes, 0 to 59.
    pub minutes: u64,
    /// Hours, 0 to 23.
    pub hours: u64,
    /// Days of the month, 1 to 31.
    pub days: u64,
    /// Months, 1 to 12.
    pub months: u64,
    /// Days of the week, 0 to 6, Sunday first.
    pub weekdays: u64,
    // Whether a field for days that some programs take for given is left open to others.
    disputed: bool,
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

impl Cron {
    /// Reads five cron fields: numbers, names of months and days, `*`, lists, ranges and steps.
    ///
    /// # Errors
    /// What is wrong and where, or that no such day exists.
    pub fn parse(text: &str) -> Result<Self, InvalidCron> {
        let parts: Vec<_> = text.split_whitespace().collect();
        if parts.len() != FIELDS.len() {
            return Err(InvalidCron::Text(
                format!("cron has five fields, and these are {}", parts.len()),
                0..text.chars().count(),
            ));
        }
        let mut values = [0_u64; FIELDS.len()];
        for ((field, part), values) in FIELDS.iter().zip(&parts).zip(&mut values) {
            *values = field.parse(part).map_err(|message| {
                let start = text[..part.as_ptr() as usize - text.as_ptr() as usize].chars().count();
                InvalidCron::Text(message, start..start + part.chars().count())
            })?;
        }
        let [minutes, hours, days, months, weekdays] = values;
        let weekdays = (weekdays | weekdays >> 7) & 0x7f;
        let mut cron = Self { minutes, hours, days, months, weekdays, disputed: false };
        let unclear = |field: &str, all: bool| field.starts_with('*') || all;
        cron.disputed = parts[2] != "*"
            && parts[4] != "*"
            && (unclear(parts[2], cron.every_day()) || unclear(parts[4], cron.every_weekday()));
        // With a day of the week beside it, either of the two fields will do.
        if parts[4] == "*" && !cron.day_comes() { Err(InvalidCron::Never) } else { Ok(cron) }
    }

    /// Whether one of the days of the month is in one of the months.
    pub fn day_comes(&self) -> bool {
        let last_day = |month: u32| [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month as usize - 1];
        Self::values(self.months).any(|month| self.days.trailing_zeros() <= last_day(month))
    }

    /// Whether any day of the month will do.
    pub fn every_day(&self) -> bool {
        self.days == 0xffff_fffe
    }

    /// Whether any day of the week will do.
    pub fn every_weekday(&self) -> bool {
        self.weekdays == 0x7f
    }

    /// Whether one of the two fields for days is enough, as it is where both are given.
    pub fn either_day(&self) -> bool {
        !self.every_day() && !self.every_weekday()
    }

    /// Whether programs for cron disagree on which days are meant. Where both fields for days are given, either will do; and one
    /// such as `*/2` or `1-31` is given to some programs, and left open to others.
    pub fn disputed(&self) -> bool {
        self.disputed
    }

    /// The values of a set as text: numbers of this many digits, and ranges of three and more as `from` + `between` + `to`.
    pub fn list(set: u64, width: usize, between: &str) -> String {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for value in Self::values(set) {
            match ranges.last_mut() {
                Some((_, to)) if *to + 1 == value => *to = value,
                _ => ranges.push((value, value)),
            }
        }
        let text = |(from, to): (u32, u32)| match to - from {
            0 => format!("{from:0width$}"),
            1 => format!("{from:0width$},{to:0width$}"),
            _ => format!("{from:0width$}{between}{to:0width$}"),
        };
        ranges.into_iter().map(text).collect::<Vec<_>>().join(",")
    }

    /// The values of a set, in order.
    pub fn values(set: u64) -> impl Iterator<Item = u32> {
        (0..64).filter(move |value| set & (1 << value) != 0)
    }
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
        let text = |message: &str, at| Err(InvalidCron::Text(message.to_owned(), at));
        for (cron, want) in [
            ("0 2 * * *", Ok(())),
            ("*/15 0-6,22 1,15 jan-Mar mon-fri", Ok(())),
            ("5/10  0 29 2 7", Ok(())),
            ("0 0 29 2 *", Ok(())),
            ("0 0 31 2,4 mon", Ok(())),
            ("0 0 30 2 *", Err(InvalidCron::Never)),
            ("0 0 31 feb,apr *", Err(InvalidCron::Never)),
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
            assert_eq!(Cron::parse(cron).map(drop), want, "{cron}");
        }
    }

    #[test]
    fn fields_are_sets_and_what_cron_programs_dispute_is_known() {
        let cron = Cron::parse("*/20 0-6/3,22 1,15 jan-Mar 5,7").unwrap();
        let values = |set| Cron::values(set).collect::<Vec<_>>();
        assert_eq!(values(cron.minutes), [0, 20, 40]);
        assert_eq!(values(cron.hours), [0, 3, 6, 22]);
        assert_eq!(Cron::list(0b1101_1100_1110_0010, 2, ".."), "01,05..07,10..12,14,15");
        assert_eq!(Cron::list(cron.days, 1, "-"), "1,15");
        assert_eq!(
            (values(cron.days), values(cron.months), values(cron.weekdays)),
            (vec![1, 15], vec![1, 2, 3], vec![0, 5])
        );
        for (cron, either, disputed) in [
            ("0 0 * * *", false, false),
            ("0 0 1 * *", false, false),
            ("0 0 * * mon", false, false),
            ("0 0 1 * mon", true, false),
            ("0 0 */2 * *", false, false),
            ("0 0 */2 * mon", true, true),
            ("0 0 1 * */2", true, true),
            ("0 0 1-31 * mon", false, true),
            ("0 0 1 * 0-6", false, true),
            ("0 0 */1 * mon", false, true),
            ("0 0 3 * */1", false, true),
            ("0 0 1-31 * *", false, false),
            ("0 0 * * */2", false, false),
        ] {
            let parsed = Cron::parse(cron).unwrap();
            assert_eq!((parsed.either_day(), parsed.disputed()), (either, disputed), "{cron}");
        }
    }
}
