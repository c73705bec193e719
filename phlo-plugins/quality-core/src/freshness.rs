//! `freshness`.

use std::sync::Arc;

use arrow_schema::{DataType, TimeUnit};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use phlo_plugin::prelude::*;
use phlo_plugin::quality::{Value, quote};
use phlo_plugin::schema::type_name;
use phlo_spec::text::thousands;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::params::{self, invalid};
use crate::scalar::{Scalar, moment, timestamp};
use crate::table::age::{duration, literal};
use crate::table::same;

/// The newest moment in a column, or in each group of rows, is not too old.
///
/// Nulls are ignored. Without any value, in an empty table or a column of nulls, the check fails: nothing is known to be fresh. A date
/// counts as its midnight and a timestamp without a time zone as UTC; a column of neither is refused. A moment in the future is fresh;
/// `range` refuses such rows. A failure is one violation, and `tolerance` is refused.
///
/// With `by`, each group's newest value must be fresh: a group without any value is not, violations are stale groups of all groups, and
/// they are shown, the stalest first. Nulls in `by` make a group, NaN is one value, and an empty table has no groups and fails. A group
/// of which no row ever came is not missed: `contains_values` says which there must be. Groups are made in memory or on disk; without
/// `by`, the check shares one scan with others.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FreshnessParams {
    /// The column, of dates or timestamps.
    pub column: String,
    /// How old the newest value may be, in hours; excludes `max_age`.
    #[serde(default)]
    pub max_age_hours: Option<f64>,
    /// How old the newest value may be: a number with s, min, h, d or w, e.g. `36h` or `2d`.
    #[serde(default)]
    pub max_age: Option<String>,
    /// The moment that age is measured at, e.g. `2013-02-01T00:00:00Z`; when the check is made unless set.
    #[serde(default)]
    pub now: Option<String>,
    /// Columns that make groups, each of which must be fresh; all rows are one unless set.
    #[serde(default)]
    pub by: Vec<String>,
}

/// Makes `freshness` checks.
#[derive(Debug)]
pub struct Freshness;

impl Quality for Freshness {
    type Params = FreshnessParams;
    const TOLERANCE: bool = false;

    fn check(&self, params: FreshnessParams, target: &CheckTarget) -> Result<CheckPlan> {
        let FreshnessParams { column, max_age_hours, max_age, now, by } = params;
        let max_age_hours = match (max_age_hours, max_age) {
            (Some(hours), None) => hours,
            (None, Some(text)) => duration(&text).filter(|age| age.num_seconds() > 0).map_or_else(
                || {
                    Err(invalid(format!("`max_age` is `{text}`, which is no duration above 0"))
                        .hint("write e.g. 30min, 36h or 2d"))
                },
                |age| Ok(age.num_seconds() as f64 / 3600.0),
            )?,
            (Some(_), Some(_)) => {
                return Err(invalid("`max_age` excludes `max_age_hours`").hint("keep one of them"));
            }
            (None, None) => {
                return Err(invalid("`max_age` is not given").hint("write how old the newest value may be, e.g. 24h"));
            }
        };
        if !(max_age_hours > 0.0 && max_age_hours.is_finite()) {
            return Err(invalid(format!("`max_age_hours` is {max_age_hours}, which is not a positive number"))
                .hint("write how many hours old the newest value may be, e.g. 24"));
        }
        let fixed = now.as_deref().map_or_else(String::new, |now| format!(" at {now}"));
        let now = match now {
            Some(text) => moment(&text).ok_or_else(|| {
                invalid(format!("`now` is `{text}`, which is not a timestamp")).hint("write e.g. 2013-02-01T00:00:00Z")
            })?,
            None => Utc::now(),
        };
        if let Some(other) = target.column_type(&column)
            && !matches!(type_name(other).as_str(), "date" | "timestamp" | "timestamptz")
        {
            return Err(invalid(format!(
                "`column` is `{column}`, whose type {} is neither date nor timestamp",
                type_name(other)
            ))
            .hint("declare the column's type under `columns:`, or cast it"));
        }
        if !by.is_empty() {
            grouping(&column, &by)?;
            let groups = by.join(", ");
            let (name, evaluation) = (
                format!("{column}, {max_age_hours}h{fixed} by {groups}"),
                grouped(target, &column, &by, now, max_age_hours)?,
            );
            let plan = CheckPlan::new(
                check_name("freshness", &name),
                format!("newest {column} of each {groups} at most {} old{fixed}", hours(&max_age_hours.to_string())),
                evaluation,
            )
            .counting("group")
            .on([column])
            .on(by);
            return Ok(if fixed.is_empty() { plan.by_the_clock() } else { plan });
        }
        Ok(CheckPlan::new(
            check_name("freshness", &format!("{column}, {max_age_hours}h{fixed}")),
            format!("newest {column} at most {} old{fixed}", hours(&max_age_hours.to_string())),
            Evaluation::Aggregates {
                expressions: vec![format!("max({})", quote(&column))],
                verdict: Arc::new(move |values| judge(values, now, max_age_hours)),
            },
        )
        .on(vec![column]))
    }
}

/// Refuses groups that cannot be meant.
fn grouping(column: &str, by: &[String]) -> Result<()> {
    if by.iter().any(|other| other == column) {
        return Err(invalid(format!("`by` names `{column}`, whose age is asked")).hint("remove it"));
    }
    match by.iter().enumerate().find(|(at, name)| by[..*at].contains(name)) {
        Some((_, twice)) => Err(invalid(format!("`by` names `{twice}` twice")).hint("remove one of them")),
        None => Ok(()),
    }
}

/// The groups are judged by SQL, so that there may be any number of them. They are told by the rows that are shown, in which the
/// engine masks what is sensitive, and not in the verdict's text.
fn grouped(
    target: &CheckTarget,
    column: &str,
    by: &[String],
    now: DateTime<Utc>,
    max_age_hours: f64,
) -> Result<Evaluation> {
    // Whole microseconds, as a verdict sees moments; what is too long for a number of them is refused by the subtraction.
    let oldest = now
        .checked_sub_signed(TimeDelta::microseconds((max_age_hours * 3_600_000_000.0) as i64))
        .ok_or_else(|| invalid("`max_age` reaches beyond the calendar").hint("write a shorter duration"))?;
    let newest = quote(column);
    let fresh = match target.column_type(column) {
        Some(data_type) => {
            let date = matches!(data_type, DataType::Date32 | DataType::Date64);
            let bound = Scalar::Text(literal(oldest, date, true)).literal(column, Some(data_type))?;
            format!("max({newest}) >= {bound}")
        }
        None => {
            let bound = timestamp(oldest, TimeUnit::Microsecond, None);
            format!("CAST(max({newest}) AS TIMESTAMP(6)) >= {bound}")
        }
    };
    let keys: Vec<String> = by.iter().map(|key| same(target, key)).collect();
    let named: Vec<String> = keys.iter().zip(by).map(|(sql, key)| format!("{sql} AS {}", quote(key))).collect();
    let groups = format!(
        "FROM (SELECT {}, max({newest}) AS {newest}, CASE WHEN {fresh} THEN 0 ELSE 1 END AS \"_phlo_stale\" \
         FROM this GROUP BY {}) AS \"_phlo_groups\"",
        named.join(", "),
        keys.join(", "),
    );
    let shown = params::quoted(by).join(", ");
    Ok(Evaluation::Query {
        query: format!(
            "SELECT count(*), coalesce(sum(\"_phlo_stale\"), 0), min({newest}), count(*) - count({newest}) {groups}"
        ),
        verdict: Arc::new(move |rows| judge_groups(rows, now)),
        show: Some(format!(
            "SELECT {shown}, {newest} {groups} WHERE \"_phlo_stale\" = 1 ORDER BY {newest} NULLS FIRST, {shown}"
        )),
    })
}

fn judge_groups(rows: &[Vec<Value>], now: DateTime<Utc>) -> Verdict {
    let [row] = rows else {
        return Verdict::whole(false, format!("the groups are told in {} rows, not one", rows.len()));
    };
    let (groups, stale, oldest, empty) = match &row[..] {
        [Value::Int(0), ..] => return Verdict::whole(false, "no rows, so nothing is known to be fresh"),
        [Value::Int(groups), Value::Int(stale), oldest, Value::Int(empty)] => (*groups, *stale, oldest, *empty),
        other => return Verdict::whole(false, format!("the groups are told as {other:?}")),
    };
    let count = |count: i64| u64::try_from(count).unwrap_or(0);
    let mut told = format!(
        "{} of {} group{} {} not fresh",
        thousands(count(stale)),
        thousands(count(groups)),
        if groups == 1 { "" } else { "s" },
        if stale == 1 { "is" } else { "are" },
    );
    if empty > 0 {
        told = format!("{told}, {} without any value", thousands(count(empty)));
    }
    if let Ok(oldest) = read(oldest) {
        told = format!("{told}; the newest of the stalest is {}", aged(oldest, now).1);
    }
    Verdict { passed: stale == 0, violations: count(stale), total: Some(count(groups)), observed: Some(told) }
}

fn hours(number: &str) -> String {
    format!("{number} hour{}", if number == "1" { "" } else { "s" })
}

fn judge(values: &[Value], now: DateTime<Utc>, max_age_hours: f64) -> Verdict {
    let newest = match values {
        [Value::Null] => Err("no value, so nothing is known to be fresh".to_owned()),
        [value] => read(value),
        other => Err(format!("{other:?}, which is no moment")),
    };
    let (passed, observed) = match newest {
        Ok(newest) => {
            let (age, told) = aged(newest, now);
            (age <= max_age_hours, format!("newest is {told}"))
        }
        Err(why) => (false, why),
    };
    Verdict { passed, violations: u64::from(!passed), total: None, observed: Some(observed) }
}

fn read(value: &Value) -> std::result::Result<DateTime<Utc>, String> {
    match value {
        Value::Timestamp(micros) => {
            DateTime::from_timestamp_micros(*micros).ok_or_else(|| format!("{micros} µs, which is no moment"))
        }
        Value::Text(text) => moment(text).ok_or_else(|| format!("`{text}`, which is no moment")),
        other => Err(format!("{other:?}, which is no moment")),
    }
}

/// A moment's age in hours, and both for people.
fn aged(newest: DateTime<Utc>, now: DateTime<Utc>) -> (f64, String) {
    let age = (now - newest).as_seconds_f64() / 3600.0;
    let shown = newest.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    let told = if age < 0.0 {
        format!("{} in the future", hours(&format!("{:.1}", -age)))
    } else {
        format!("{} old", hours(&format!("{age:.1}")))
    };
    (age, format!("{shown}, {told}"))
}
