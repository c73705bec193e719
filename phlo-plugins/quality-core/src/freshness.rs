//! `freshness`.

use std::sync::Arc;

use arrow_schema::TimeUnit;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use phlo_plugin::Error;
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
///
/// What is older than `warn` allows and not too old warns; with `by`, it does so if no group is stale, and the violations are the groups
/// that are older than that.
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
    /// A shorter age: beyond it the check warns, and the commit goes on.
    #[serde(default)]
    pub warn: Option<FreshnessWarning>,
}

/// An age that warns.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FreshnessWarning {
    /// How old the newest value may be without a warning, in hours; excludes `max_age`.
    #[serde(default)]
    pub max_age_hours: Option<f64>,
    /// How old the newest value may be without a warning, e.g. `24h`; less than the other `max_age`.
    #[serde(default)]
    pub max_age: Option<String>,
}

/// Makes `freshness` checks.
#[derive(Debug)]
pub struct Freshness;

impl Quality for Freshness {
    type Params = FreshnessParams;
    const TOLERANCE: bool = false;

    fn check(&self, params: FreshnessParams, target: &CheckTarget) -> Result<CheckPlan> {
        let FreshnessParams { column, max_age_hours, max_age, now, by, warn } = params;
        let most = hours_of("", max_age_hours, max_age)?;
        let warn = warn.map(|warn| hours_of("warn.", warn.max_age_hours, warn.max_age)).transpose()?;
        if let Some(warn) = warn.filter(|warn| *warn >= most) {
            return Err(invalid(format!(
                "`warn` begins at {}, and the check fails at {}",
                hours(&warn.to_string()),
                hours(&most.to_string())
            ))
            .hint("write a shorter age under `warn`, or remove it"));
        }
        let ages = Ages { most, warn };
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
        let (of, groups) = if by.is_empty() {
            (String::new(), String::new())
        } else {
            grouping(&column, &by)?;
            (format!(" of each {}", by.join(", ")), format!(" by {}", by.join(", ")))
        };
        let evaluation = if by.is_empty() {
            Evaluation::aggregates([format!("max({})", quote(&column))], move |values| judge(values, now, ages))
        } else {
            grouped(target, &column, &by, now, ages)?
        };
        let plan = CheckPlan::new(
            check_name("freshness", &format!("{column}, {most}h{fixed}{groups}")),
            format!("newest {column}{of} at most {} old{fixed}", hours(&most.to_string())),
            evaluation,
        );
        let plan = params::warning(plan, warn.map(|warn| format!("at most {} old", hours(&warn.to_string()))));
        let plan = if by.is_empty() { plan } else { plan.counting("group") };
        let clocked = !by.is_empty() && fixed.is_empty();
        let plan = plan.on([vec![column], by].concat());
        Ok(if clocked { plan.by_the_clock() } else { plan })
    }
}

/// How old the newest value may be, in hours.
#[derive(Debug, Clone, Copy)]
struct Ages {
    most: f64,
    /// Without a warning; less.
    warn: Option<f64>,
}

/// An age in hours, of either parameter.
fn hours_of(within: &str, max_age_hours: Option<f64>, max_age: Option<String>) -> Result<f64> {
    match (max_age_hours, max_age) {
        (Some(hours), None) if hours > 0.0 && hours.is_finite() => Ok(hours),
        (Some(hours), None) => {
            Err(invalid(format!("`{within}max_age_hours` is {hours}, which is not a positive number"))
                .hint("write how many hours old the newest value may be, e.g. 24"))
        }
        (None, Some(text)) => match duration(&text).filter(|age| age.num_seconds() > 0) {
            Some(age) => Ok(age.num_seconds() as f64 / 3600.0),
            None => Err(invalid(format!("`{within}max_age` is `{text}`, which is no duration above 0"))
                .hint("write e.g. 30min, 36h or 2d")),
        },
        (Some(_), Some(_)) => {
            Err(invalid(format!("`{within}max_age` excludes `{within}max_age_hours`")).hint("keep one of them"))
        }
        (None, None) => {
            Err(invalid(format!("`{within}max_age` is not given"))
                .hint("write how old the newest value may be, e.g. 24h"))
        }
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
fn grouped(target: &CheckTarget, column: &str, by: &[String], now: DateTime<Utc>, ages: Ages) -> Result<Evaluation> {
    let newest = quote(column);
    let fresh = |hours: f64| {
        // Whole microseconds, as a verdict sees moments; what is too long for a number of them is refused by the subtraction.
        let oldest = now
            .checked_sub_signed(TimeDelta::microseconds((hours * 3_600_000_000.0) as i64))
            .ok_or_else(|| invalid("`max_age` reaches beyond the calendar").hint("write a shorter duration"))?;
        Ok::<_, Error>(match target.column_type(column) {
            Some(data_type) => {
                let bound = Scalar::Text(literal(oldest, Some(data_type), true)).literal(column, Some(data_type))?;
                format!("max({newest}) >= {bound}")
            }
            None => {
                let bound = timestamp(oldest, TimeUnit::Microsecond, None);
                format!("CAST(max({newest}) AS TIMESTAMP(6)) >= {bound}")
            }
        })
    };
    let (most, warn) = (fresh(ages.most)?, ages.warn.map(fresh).transpose()?);
    let level = match &warn {
        Some(warn) => format!("CASE WHEN {warn} THEN 0 WHEN {most} THEN 1 ELSE 2 END"),
        None => format!("CASE WHEN {most} THEN 0 ELSE 1 END"),
    };
    let keys: Vec<String> = by.iter().map(|key| same(target, key)).collect();
    let named: Vec<String> = keys.iter().zip(by).map(|(sql, key)| format!("{sql} AS {}", quote(key))).collect();
    let groups = format!(
        "FROM (SELECT {}, max({newest}) AS {newest}, {level} AS \"_phlo_stale\" FROM this GROUP BY {}) AS \
         \"_phlo_groups\"",
        named.join(", "),
        keys.join(", "),
    );
    let shown = params::quoted(by).join(", ");
    let told = |stale: &str, warned: &str| {
        format!(
            "SELECT count(*), coalesce(sum({stale}), 0), min({newest}), count(*) - count({newest}){warned} {groups}"
        )
    };
    let show = |worst: &str| format!("SELECT {shown}, {newest} {worst} ORDER BY {newest} NULLS FIRST, {shown}");
    let (query, show) = if warn.is_none() {
        (told("\"_phlo_stale\"", ""), show(&format!("{groups} WHERE \"_phlo_stale\" = 1")))
    } else {
        let of_level = |level: u8| format!("CASE WHEN \"_phlo_stale\" = {level} THEN 1 ELSE 0 END");
        let warned = format!(", coalesce(sum({}), 0)", of_level(1));
        // Groups of one level are shown: those that fail, if there are any.
        let worst = format!(
            "FROM (SELECT *, max(\"_phlo_stale\") OVER () AS \"_phlo_worst\" {groups}) AS \"_phlo_levels\" WHERE \
             \"_phlo_stale\" > 0 AND \"_phlo_stale\" = \"_phlo_worst\""
        );
        (told(&of_level(2), &warned), show(&worst))
    };
    Ok(Evaluation::Query { query, verdict: Arc::new(move |rows| judge_groups(rows, now)), show: Some(show) })
}

fn judge_groups(rows: &[Vec<Value>], now: DateTime<Utc>) -> Verdict {
    let [row] = rows else {
        return Verdict::whole(false, format!("the groups are told in {} rows, not one", rows.len()));
    };
    let (groups, stale, oldest, empty, warned) = match &row[..] {
        [Value::Int(0), ..] => return Verdict::whole(false, "no rows, so nothing is known to be fresh"),
        [Value::Int(groups), Value::Int(stale), oldest, Value::Int(empty)] => (*groups, *stale, oldest, *empty, 0),
        [Value::Int(groups), Value::Int(stale), oldest, Value::Int(empty), Value::Int(warned)] => {
            (*groups, *stale, oldest, *empty, *warned)
        }
        other => return Verdict::whole(false, format!("the groups are told as {other:?}")),
    };
    let count = |count: i64| u64::try_from(count).unwrap_or(0);
    let (broken, how) =
        if stale == 0 && warned > 0 { (warned, "older than `warn` allows") } else { (stale, "not fresh") };
    let mut told = format!(
        "{} of {} group{} {} {how}",
        thousands(count(broken)),
        thousands(count(groups)),
        if groups == 1 { "" } else { "s" },
        if broken == 1 { "is" } else { "are" },
    );
    if empty > 0 {
        told = format!("{told}, {} without any value", thousands(count(empty)));
    }
    if let Ok(oldest) = read(oldest) {
        told = format!("{told}; the newest of the stalest is {}", aged(oldest, now).1);
    }
    Verdict { passed: stale == 0, violations: count(broken), total: Some(count(groups)), observed: Some(told) }
}

fn hours(number: &str) -> String {
    format!("{number} hour{}", if number == "1" { "" } else { "s" })
}

fn judge(values: &[Value], now: DateTime<Utc>, ages: Ages) -> Verdict {
    let newest = match values {
        [Value::Null] => Err("no value, so nothing is known to be fresh".to_owned()),
        [value] => read(value),
        other => Err(format!("{other:?}, which is no moment")),
    };
    match newest {
        Ok(newest) => {
            let (age, told) = aged(newest, now);
            let observed = format!("newest is {told}");
            match ages.warn {
                Some(warn) if age > warn && age <= ages.most => Verdict::warned(observed),
                _ => Verdict::whole(age <= ages.most, observed),
            }
        }
        Err(why) => Verdict::whole(false, why),
    }
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
