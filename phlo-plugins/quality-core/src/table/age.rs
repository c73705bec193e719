//! `age`.

use arrow_schema::DataType;
use chrono::{DateTime, Days, NaiveTime, SecondsFormat, TimeDelta, Utc};
use phlo_plugin::prelude::*;
use phlo_plugin::quality::quote;
use phlo_plugin::schema::type_name;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::params::invalid;
use crate::scalar::{Scalar, moment, nanos_of};

/// Each moment in a column is as old as it should be: not in the future, older than some days, or not too old.
///
/// A row whose moment is younger than `min` or older than `max` is a violation, judged when it is written; `min: 0h` refuses the future.
/// With `max` and without `now`, the whole table is judged again by a run that brings no rows, since what was young enough ages.
/// Null passes, and moments have no NaN. A date counts as its midnight and a timestamp without a time zone as UTC. An empty table passes.
/// A column that is neither date nor timestamp is refused, and so is an age that reaches beyond the calendar: nothing overflows.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgeParams {
    /// The column, of dates or timestamps.
    pub column: String,
    /// How old each value must be at least: a number with s, min, h, d or w, e.g. `0h` or `7d`.
    #[serde(default)]
    pub min: Option<String>,
    /// How old each value may be, e.g. `90d`.
    #[serde(default)]
    pub max: Option<String>,
    /// The moment that age is measured at, e.g. `2013-02-01T00:00:00Z`; when the check is made unless set.
    #[serde(default)]
    pub now: Option<String>,
}

/// Makes `age` checks.
#[derive(Debug)]
pub struct Age;

impl Quality for Age {
    type Params = AgeParams;

    fn check(&self, params: AgeParams, target: &CheckTarget) -> Result<CheckPlan> {
        let AgeParams { column, min, max, now } = params;
        let read = |field: &str, text: &Option<String>| {
            let Some(text) = text else { return Ok(None) };
            duration(text).map(Some).ok_or_else(|| {
                invalid(format!("`{field}` is `{text}`, which is no duration")).hint("write e.g. 30min, 36h or 7d")
            })
        };
        let (least, most) = (read("min", &min)?, read("max", &max)?);
        if least.is_none() && most.is_none() {
            return Err(
                invalid("neither `min` nor `max` is given").hint("give one of them; `min: 0h` refuses the future")
            );
        }
        if least.zip(most).is_some_and(|(least, most)| least > most) {
            return Err(invalid("`min` is above `max`").hint("swap them"));
        }
        let data_type = target.column_type(&column);
        if let Some(other) = data_type
            && !matches!(type_name(other).as_str(), "date" | "timestamp" | "timestamptz")
        {
            return Err(invalid(format!(
                "`column` is `{column}`, whose type {} is neither date nor timestamp",
                type_name(other)
            ))
            .hint("declare the column's type under `columns:`, or cast it"));
        }
        let fixed = now.as_deref().map_or_else(String::new, |now| format!(" at {now}"));
        let now = match now {
            Some(text) => moment(&text).ok_or_else(|| {
                invalid(format!("`now` is `{text}`, which is not a timestamp")).hint("write e.g. 2013-02-01T00:00:00Z")
            })?,
            None => Utc::now(),
        };
        let mut parts = Vec::new();
        for (age, comparison) in [(least, "<="), (most, ">=")] {
            let Some(age) = age else { continue };
            let at = now.checked_sub_signed(age).ok_or_else(|| {
                invalid("`min` or `max` reaches beyond the calendar").hint("write a shorter duration")
            })?;
            let bound = Scalar::Text(literal(at, data_type, comparison == ">="));
            parts.push(format!("{} {comparison} {}", quote(&column), bound.literal(&column, data_type)?));
        }
        let what = match (min, max) {
            (Some(min), Some(max)) => format!("{min} to {max}"),
            (Some(min), None) => format!("at least {min}"),
            (None, max) => format!("at most {}", max.unwrap_or_default()),
        };
        // What is old only gets older: without `max`, or at a moment that stays, rows that passed pass forever.
        let ages = most.is_some() && fixed.is_empty();
        let plan = CheckPlan::new(
            check_name("age", &format!("{column}, {what}{fixed}")),
            format!("{column} {what} old{fixed}"),
            Evaluation::rows(parts.join(" AND ")),
        )
        .on([column]);
        Ok(if ages { plan.by_the_clock() } else { plan })
    }
}

/// The moment as a text that the column's type can hold: up or down to its next day, second or fraction.
pub(crate) fn literal(at: DateTime<Utc>, data_type: Option<&DataType>, up: bool) -> String {
    match data_type {
        Some(DataType::Date32 | DataType::Date64) => {
            let day = at.date_naive();
            let later = up && at.time() != NaiveTime::MIN;
            day.checked_add_days(Days::new(u64::from(later))).unwrap_or(day).to_string()
        }
        other => {
            let step = if let Some(DataType::Timestamp(unit, _)) = other { nanos_of(*unit) } else { 1 };
            let beyond = i64::from(at.timestamp_subsec_nanos()) % step;
            let add = if up && beyond > 0 { step - beyond } else { -beyond };
            let at = at.checked_add_signed(TimeDelta::nanoseconds(add)).unwrap_or(at);
            at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
        }
    }
}

/// `30s`, `15min`, `36h`, `2d`, `1w`.
pub(crate) fn duration(text: &str) -> Option<TimeDelta> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let seconds = match unit.trim() {
        "s" => 1,
        "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return None,
    };
    TimeDelta::try_seconds(number.parse::<i64>().ok()?.checked_mul(seconds)?)
}

#[cfg(test)]
mod tests {
    use arrow_schema::TimeUnit;

    use super::*;

    #[test]
    fn a_moment_between_two_that_a_column_can_hold_is_the_one_on_the_side_of_its_bound() {
        let at = moment("2013-01-31T23:59:59.5").unwrap();
        for (data_type, down, up) in [
            (None, "2013-01-31T23:59:59.500Z", "2013-01-31T23:59:59.500Z"),
            (Some(DataType::Date32), "2013-01-31", "2013-02-01"),
            (Some(DataType::Timestamp(TimeUnit::Second, None)), "2013-01-31T23:59:59Z", "2013-02-01T00:00:00Z"),
            (
                Some(DataType::Timestamp(TimeUnit::Millisecond, None)),
                "2013-01-31T23:59:59.500Z",
                "2013-01-31T23:59:59.500Z",
            ),
        ] {
            assert_eq!(
                [false, true].map(|up| literal(at, data_type.as_ref(), up)),
                [down.to_owned(), up.to_owned()],
                "{data_type:?}"
            );
        }
    }
}
