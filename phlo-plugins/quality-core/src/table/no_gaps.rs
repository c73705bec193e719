//! `no_gaps`.

use arrow_schema::DataType;
use chrono::{DateTime, Datelike, Utc};
use phlo_plugin::prelude::*;
use phlo_plugin::quality::{Value, quote};
use phlo_plugin::schema::type_name;
use phlo_spec::text::thousands;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{leading, partition};
use crate::params::{self, invalid};
use crate::scalar::{Scalar, moment};

/// There is data for every whole number, day, hour or other step, without gaps.
///
/// Between the first and the last value (or `from` and `to`) each step must hold at least one row. A violation is a step without any; the
/// result counts steps, not rows, so `tolerance` is the fraction of steps that may be missing. Nulls are ignored; duplicates are fine
/// (`unique` finds them). An empty table passes, unless `from` and `to` say what should be there. Steps of time are counted from 1970
/// in UTC, weeks from Monday. A column of other types is refused, so there is no NaN; steps are numbered in twenty digits, which all of
/// int64 and uint64 fit into. The distinct steps are grouped and sorted, which spills to disk.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoGapsParams {
    /// The column, of whole numbers, dates or timestamps.
    pub column: String,
    /// The step: a whole number, or second, minute, hour, day, week, month, quarter or year, or several such, e.g. `15 minutes`.
    pub every: Scalar,
    /// Columns whose values make groups; each must have no gaps for itself.
    #[serde(default)]
    pub within: Vec<String>,
    /// The first value that must be there; earlier ones are ignored.
    #[serde(default)]
    pub from: Option<Scalar>,
    /// The last value that must be there; later ones are ignored.
    #[serde(default)]
    pub to: Option<Scalar>,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Whole(i64),
    Seconds(i64),
    Weeks(i64),
    Months(i64),
}

/// Makes `no_gaps` checks.
#[derive(Debug)]
pub struct NoGaps;

impl Quality for NoGaps {
    type Params = NoGapsParams;

    fn check(&self, params: NoGapsParams, target: &CheckTarget) -> Result<CheckPlan> {
        let NoGapsParams { column, every, within, from, to } = params;
        let step = step(&every)?;
        if let Some(found) = target.column_type(&column) {
            let fits = match step {
                Step::Whole(_) => found.is_integer(),
                _ => matches!(type_name(found).as_str(), "date" | "timestamp" | "timestamptz"),
            };
            if !fits {
                return Err(invalid(format!(
                    "`column` is `{column}`, whose type {} has no steps of {every}",
                    type_name(found)
                ))
                .hint(
                    "`every` is a whole number for whole numbers, and a unit such as `day` for dates and timestamps",
                ));
            }
        }
        let edge = |field: &str, bound: Option<&Scalar>| bound.map(|bound| slot(step, field, bound)).transpose();
        let (first, last) = (edge("from", from.as_ref())?, edge("to", to.as_ref())?);
        if first.zip(last).is_some_and(|(first, last)| first > last) {
            return Err(invalid("`from` is after `to`").hint("swap them"));
        }
        let mut what = format!("{column} every {every}");
        for (word, edge) in [("from", &from), ("to", &to)] {
            if let Some(edge) = edge {
                what = format!("{what} {word} {edge}");
            }
        }
        if !within.is_empty() {
            what = format!("{what} within {}", within.join(", "));
        }
        let gaps = gaps(step, &column, target.column_type(&column), &within, first, last);
        let width = "CAST(\"_phlo_slot\" AS DECIMAL(20, 0)) - CAST(\"_phlo_before\" AS DECIMAL(20, 0)) - 1";
        let query =
            format!("SELECT coalesce(sum({width}), 0), count(*), count(*) - count(\"_phlo_before\") FROM {gaps}");
        let keys = leading(&within);
        let at = |slot: &str| shown(step, slot);
        let show = format!(
            "SELECT {keys}{} AS \"_phlo_first_missing\", {} AS \"_phlo_last_missing\", {width} AS \"_phlo_missing\" FROM {gaps} \
             WHERE \"_phlo_slot\" > \"_phlo_before\" + 1 ORDER BY {keys}\"_phlo_slot\"",
            at("(\"_phlo_before\" + 1)"),
            at("(\"_phlo_slot\" - 1)"),
        );
        let sentinels = u64::from(first.is_some()) + u64::from(last.is_some());
        let verdict = move |rows: &[Vec<Value>]| judge(rows, sentinels);
        let evaluation = Evaluation::Query { query, verdict: std::sync::Arc::new(verdict), show: Some(show) };
        let expected = format!("no gaps in {what}");
        let plan = CheckPlan::new(check_name("no_gaps", &what), expected, evaluation).counting("step");
        Ok(plan.on([vec![column], within].concat()))
    }
}

fn judge(rows: &[Vec<Value>], sentinels: u64) -> Verdict {
    let whole = |value: Option<&Value>| match value {
        Some(Value::Int(value)) => u64::try_from(*value).ok(),
        Some(Value::Text(text)) => text.parse::<u128>().ok().map(|n| u64::try_from(n).unwrap_or(u64::MAX)),
        _ => None,
    };
    let found = rows.first().and_then(|row| Some((whole(row.first())?, whole(row.get(1))?, whole(row.get(2))?)));
    let Some((missing, slots, groups)) = found else {
        return Verdict::whole(false, "the steps could not be counted");
    };
    let total = missing.saturating_add(slots.saturating_sub(sentinels * groups));
    let steps = |n: u64| format!("{} step{}", thousands(n), if n == 1 { "" } else { "s" });
    Verdict {
        passed: true,
        violations: missing,
        total: Some(total),
        observed: Some(format!("{} of {} missing", thousands(missing), steps(total))),
    }
}

/// Each step that holds a row, with the one before it in its group; a step before the first and one after the last that must be there.
fn gaps(
    step: Step,
    column: &str,
    data_type: Option<&DataType>,
    within: &[String],
    first: Option<i64>,
    last: Option<i64>,
) -> String {
    let keys = leading(within);
    let sql = match data_type {
        // The parts of a date would be those on the clocks of the zone.
        Some(DataType::Timestamp(_, Some(_))) => format!("CAST({} AS TIMESTAMP(6))", quote(column)),
        _ => quote(column),
    };
    let slot = match step {
        Step::Whole(1) => sql.clone(),
        // With a signed number it would be a decimal, whose quotient is no whole number.
        Step::Whole(n) if data_type == Some(&DataType::UInt64) => format!("{sql} / CAST({n} AS BIGINT UNSIGNED)"),
        Step::Whole(n) => format!("{sql} / {n} - CASE WHEN {sql} % {n} < 0 THEN 1 ELSE 0 END"),
        Step::Seconds(n) => format!("floor(date_part('epoch', {sql}) / {n})"),
        Step::Weeks(n) => format!("floor((date_part('epoch', {sql}) + 259200) / {})", n * 604_800),
        Step::Months(n) => {
            format!("floor(CAST(date_part('year', {sql}) * 12 + date_part('month', {sql}) - 1 AS DOUBLE) / {n})")
        }
    };
    // Wide enough for the step before the lowest int64 and for uint64.
    let slots =
        format!("SELECT {keys}CAST({slot} AS DECIMAL(20, 0)) AS \"_phlo_slot\" FROM this WHERE {sql} IS NOT NULL");
    let bounds: Vec<_> = [(">=", first), ("<=", last)]
        .into_iter()
        .filter_map(|(comparison, slot)| Some(format!("\"_phlo_slot\" {comparison} {}", slot?)))
        .collect();
    let bounds = if bounds.is_empty() { String::new() } else { format!("WHERE {} ", bounds.join(" AND ")) };
    let mut all = format!("SELECT {keys}\"_phlo_slot\" FROM ({slots}) {bounds}GROUP BY {keys}\"_phlo_slot\"");
    let edges = [first.map(|slot| i128::from(slot) - 1), last.map(|slot| i128::from(slot) + 1)];
    for edge in edges.into_iter().flatten() {
        let from = if within.is_empty() {
            String::new()
        } else {
            format!(" FROM (SELECT DISTINCT {} FROM this)", params::quoted(within).join(", "))
        };
        all = format!("{all} UNION ALL SELECT {keys}CAST({edge} AS DECIMAL(20, 0)) AS \"_phlo_slot\"{from}");
    }
    format!(
        "(SELECT *, lag(\"_phlo_slot\") OVER ({}ORDER BY \"_phlo_slot\") AS \"_phlo_before\" FROM ({all}))",
        partition(within)
    )
}

/// A step's start, as people write it.
fn shown(step: Step, slot: &str) -> String {
    let number = |factor: i64| format!("CAST({slot} AS BIGINT) * {factor}");
    match step {
        Step::Whole(n) => format!("{slot} * {n}"),
        Step::Seconds(n) => format!("to_timestamp_seconds({})", number(n)),
        Step::Weeks(n) => format!("to_timestamp_seconds({} - 259200)", number(n * 604_800)),
        Step::Months(n) => {
            let months = number(n);
            format!("make_date({months} / 12, {months} % 12 + 1, 1)").replace(&months, &format!("({months})"))
        }
    }
}

fn step(every: &Scalar) -> Result<Step> {
    const HINT: &str = "write a whole number, or a unit such as day or `15 minutes`";
    let wrong = || invalid(format!("`every` is `{every}`, which is no step")).hint(HINT);
    let text = match every {
        Scalar::Int(n @ 1..) => return Ok(Step::Whole(*n)),
        Scalar::Text(text) => text.trim(),
        _ => return Err(wrong()),
    };
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let n: i64 = if number.is_empty() { 1 } else { number.parse().map_err(|_| wrong())? };
    let seconds = |each: i64| n.checked_mul(each).filter(|n| *n > 0 && *n < 1 << 40).ok_or_else(wrong);
    Ok(match unit.trim().trim_end_matches('s') {
        "second" => Step::Seconds(seconds(1)?),
        "minute" => Step::Seconds(seconds(60)?),
        "hour" => Step::Seconds(seconds(3600)?),
        "day" => Step::Seconds(seconds(86_400)?),
        "week" => Step::Weeks(seconds(604_800)? / 604_800),
        "month" => Step::Months(seconds(1)?),
        "quarter" => Step::Months(seconds(3)?),
        "year" => Step::Months(seconds(12)?),
        _ => return Err(wrong()),
    })
}

fn slot(step: Step, field: &str, bound: &Scalar) -> Result<i64> {
    let wrong = |what: &str| invalid(format!("`{field}` is `{bound}`, which is not {what}"));
    if let (Step::Whole(n), Scalar::Int(value)) = (step, bound) {
        return Ok(value.div_euclid(n));
    }
    if let Step::Whole(_) = step {
        return Err(wrong("a whole number").hint("write it like the column's values"));
    }
    let at: Option<DateTime<Utc>> = if let Scalar::Text(text) = bound { moment(text) } else { None };
    let at = at.ok_or_else(|| wrong("a date or timestamp").hint("write YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS"))?;
    Ok(match step {
        Step::Whole(n) | Step::Seconds(n) => at.timestamp().div_euclid(n),
        Step::Weeks(n) => (at.timestamp() + 259_200).div_euclid(n * 604_800),
        Step::Months(n) => (i64::from(at.year()) * 12 + i64::from(at.month0())).div_euclid(n),
    })
}
