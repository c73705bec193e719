//! Dates and times as people and programs write them, where they cannot be misread: what `date_format` reads without a format.

use std::sync::LazyLock;

use chrono::{DateTime, Datelike, NaiveDate, Weekday};
use regex::{Captures, Regex};

/// Everything that is read but what the RFCs add. What its parts say is compared by [`exists`].
static FORMS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let month = "(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)";
    let weekday = "(?:mon(?:day)?|tue(?:sday)?|wed(?:nesday)?|thu(?:rsday)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?)";
    let dates = [
        r"(?<iso>\d{4}-\d\d?-\d\d?|\d{4}/\d\d?/\d\d?|\d{4}\.\d\d?\.\d\d?)".to_owned(),
        r"(?<digits>\d{8})".to_owned(),
        r"(?<ordinal>\d{4}-\d{3})".to_owned(),
        r"(?<week>\d{4}-w\d\d-\d|\d{4}w\d{3})".to_owned(),
        r"(?<points>\d\d?\.\d\d?\.\d{4})".to_owned(),
        r"(?<either>\d\d?/\d\d?/\d{4}|\d\d?-\d\d?-\d{4})".to_owned(),
        format!(r"(?<day1>\d\d?)(?:st|nd|rd|th)?(?:-(?<month1>{month})-| (?<month2>{month}),? )(?<year1>\d{{4}})"),
        format!(r"(?<month3>{month}) (?<day2>\d\d?)(?:st|nd|rd|th)?,? (?<year2>\d{{4}})"),
    ];
    let dates = dates.join("|");
    let time = |nth: u8| {
        let clock = r"\d\d?:\d\d(?::\d\d(?:[.,]\d+)?)?";
        format!(
            r"(?<clock{nth}>{clock})(?: ?(?<half{nth}>[ap]m))?(?: ?(?:z|utc|gmt|[+-](?<zone{nth}>\d\d(?::?\d\d)?)))?"
        )
    };
    let forms = [
        format!("(?:(?<weekday1>{weekday}),? )?(?:{dates})(?:(?:t|,? ){})?", time(1)),
        time(2),
        r"(?<basic>\d{8})t(?<packed>\d{4}(?:\d\d)?)(?:z|[+-](?<zone3>\d\d(?::?\d\d)?))?".to_owned(),
        format!(
            r"(?<weekday2>{weekday}) (?<month4>{month}) {{1,2}}(?<day3>\d\d?) (?<clock3>\d\d?:\d\d:\d\d) (?<year3>\d{{4}})"
        ),
    ];
    // Digits of other scripts are none.
    Regex::new(&format!("(?i)^(?:{})$", forms.join("|")).replace(r"\d", "[0-9]")).ok()
});

/// Whether a text is a date, a time or both.
pub(super) fn read(text: &str) -> bool {
    let found = FORMS.as_ref().and_then(|forms| forms.captures(text));
    found.is_some_and(|parts| exists(&parts))
        || DateTime::parse_from_rfc3339(text).is_ok()
        || DateTime::parse_from_rfc2822(text).is_ok()
}

fn exists(parts: &Captures<'_>) -> bool {
    let any = |names: &[&str]| names.iter().find_map(|name| parts.name(name)).map(|found| found.as_str());
    let number = |names: &[&str]| any(names).and_then(|digits| digits.parse().ok());
    let date = if let Some(date) = any(&["iso"]) {
        ymd(&numbers(date))
    } else if let Some(digits) = any(&["digits", "basic"]) {
        NaiveDate::parse_from_str(digits, "%Y%m%d").ok()
    } else if let Some(date) = any(&["ordinal"]) {
        let [year, day] = numbers(date)[..] else { return false };
        NaiveDate::from_yo_opt(year as i32, day)
    } else if let Some(date) = any(&["week"]) {
        let digits: Vec<u32> = date.chars().filter_map(|c| c.to_digit(10)).collect();
        let [y1, y2, y3, y4, w1, w2, day @ 1..=7] = digits[..] else { return false };
        let year = y1 * 1000 + y2 * 100 + y3 * 10 + y4;
        Weekday::try_from(day as u8 - 1).ok().and_then(|day| NaiveDate::from_isoywd_opt(year as i32, w1 * 10 + w2, day))
    } else if let Some(date) = any(&["points"]) {
        let [day, month, year] = numbers(date)[..] else { return false };
        ymd(&[year, month, day])
    } else if let Some(date) = any(&["either"]) {
        let [one, other, year] = numbers(date)[..] else { return false };
        match (ymd(&[year, one, other]), ymd(&[year, other, one])) {
            (Some(one), Some(other)) if one != other => return false,
            (one, other) => one.or(other),
        }
    } else if let Some(name) = any(&["month1", "month2", "month3", "month4"]) {
        let (Some(year), Some(day)) = (number(&["year1", "year2", "year3"]), number(&["day1", "day2", "day3"])) else {
            return false;
        };
        month(name).and_then(|month| ymd(&[year, month, day]))
    } else {
        return is_time(parts);
    };
    let Some(date) = date else { return false };
    let of_week = any(&["weekday1", "weekday2"]).map(|name| name.parse::<Weekday>());
    of_week.is_none_or(|day| day == Ok(date.weekday())) && is_time(parts)
}

/// Whether the time is one, if there is any.
fn is_time(parts: &Captures<'_>) -> bool {
    let any = |names: &[&str]| names.iter().find_map(|name| parts.name(name)).map(|found| found.as_str());
    let zone = any(&["zone1", "zone2", "zone3"]).map(|zone| pairs(&zone.replace(':', "")));
    let near = |zone: &[u32]| zone[0] < 24 && zone.get(1).is_none_or(|minutes| *minutes < 60);
    let parts = match (any(&["clock1", "clock2", "clock3"]), any(&["packed"])) {
        (Some(clock), _) => numbers(clock.split(['.', ',']).next().unwrap_or_default()),
        (None, Some(packed)) => pairs(packed),
        (None, None) => return true,
    };
    let hours = if any(&["half1", "half2"]).is_some() { 1..=12 } else { 0..=23 };
    hours.contains(&parts[0])
        && parts[1] < 60
        && parts.get(2).is_none_or(|second| *second <= 60)
        && zone.is_none_or(|zone| near(&zone))
}

fn month(name: &str) -> Option<u32> {
    const NAMES: &str = "janfebmaraprmayjunjulaugsepoctnovdec";
    NAMES.find(&name.get(..3)?.to_lowercase()).map(|at| at as u32 / 3 + 1)
}

fn ymd(parts: &[u32]) -> Option<NaiveDate> {
    let [year, month, day] = parts[..] else { return None };
    NaiveDate::from_ymd_opt(year as i32, month, day)
}

/// The numbers in a text, whatever is between them.
fn numbers(text: &str) -> Vec<u32> {
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

/// Each two digits as a number.
fn pairs(digits: &str) -> Vec<u32> {
    let digits: Vec<u32> = digits.chars().filter_map(|c| c.to_digit(10)).collect();
    digits.chunks(2).map(|pair| pair.iter().fold(0, |all, digit| all * 10 + digit)).collect()
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn what_the_reference_lists_is_read() {
        for text in [
            "2013-01-31",
            "2013-1-5",
            "20130131",
            "2013-031",
            "2013-W05-4",
            "2013W054",
            "2013/1/31",
            "2013.01.31",
            "31 January 2013",
            "31-Jan-2013",
            "January 31st, 2013",
            "Jan 31 2013",
            "1 SEPT, 2013",
            "31.1.2013",
            "31/1/2013",
            "1/31/2013",
            "1-1-2013",
            "12/12/2013",
            "Thu, 31 Jan 2013",
            "Thursday January 31, 2013",
            "9:05",
            "23:59:59",
            "23:59:59.123",
            "23:59:59,5",
            "11:59 PM",
            "12:00am",
            "23:59:60",
            "2013-01-31T23:59:59Z",
            "2013-01-31 23:59",
            "2013-01-31, 23:59 +01",
            "2013-01-31T23:59+0100",
            "31.01.2013 9:05 UTC",
            "20130131T2359",
            "20130131T235959Z",
            "20130131 23:59",
            "Thu Jan 31 23:59:59 2013",
            "Tue Jan  1 00:00:00 2013",
            "2013-01-31t23:59:59.000001z",
            "2013-01-31 23:59:59-08:00",
            "Thu, 31 Jan 2013 23:59:59 +0000",
            "Thu, 31 Jan 2013 23:59:59 EST",
            "2012-02-29",
            "0001-01-01",
        ] {
            assert!(read(text), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_or_could_be_two_is_not() {
        for text in [
            "",
            " ",
            "today",
            "2013",
            "2013-01",
            "1359590400",
            "13-01-31",
            "31.01.13",
            "1/2/2013",
            "02-01-2013",
            "2013-02-29",
            "2013-13-01",
            "20130230",
            "2013-366",
            "2013-W53-1",
            "2013-W05-8",
            "2013-W05-0",
            "31/31/2013",
            "31.31.2013",
            "1.31.2013",
            "30 Feb 2013",
            "Fri, 31 Jan 2013",
            "Fri Jan 31 23:59:59 2013",
            "24:00",
            "23:60",
            "23:59:61",
            "13:00 PM",
            "0:30 am",
            "23:59 +24:00",
            "23:59 +01:60",
            "2013-01-31T",
            "2013-01-31 ",
            " 2013-01-31",
            "2013-01-31\n",
            "2013-01-31  23:59",
            "2013/01-31",
            "31 Foo 2013",
            "20130131T2460",
            "T2359",
            "２０１３-01-31",
            "2013-01-31T23:59:59+0100 (CET) and more",
            "12",
            "N12",
        ] {
            assert!(!read(text), "{text:?}");
        }
    }
}
