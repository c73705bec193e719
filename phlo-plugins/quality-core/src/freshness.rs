//! `freshness`.

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use phlo_plugin::prelude::*;
use phlo_plugin::quality::{Value, quote};
use phlo_plugin::schema::type_name;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::params::{self, invalid};
use crate::scalar::moment;
use crate::table::age::duration;

/// The newest moment in a column is not too old.
///
/// Nulls are ignored. Without any value, in an empty table or a column of nulls, the check fails: nothing is known to be fresh. A date
/// counts as its midnight and a timestamp without a time zone as UTC. A moment in the future is fresh; `range` refuses such rows.
/// A failure is one violation, and `tolerance` is refused.
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
}

/// Makes `freshness` checks.
#[derive(Debug)]
pub struct Freshness;

impl Quality for Freshness {
    type Params = FreshnessParams;
    const TOLERANCE: bool = false;

    fn check(&self, params: FreshnessParams, target: &CheckTarget) -> Result<CheckPlan> {
        let FreshnessParams { column, max_age_hours, max_age, now } = params;
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
        if let Some(other) = params::column_type(target, &column)
            && !matches!(type_name(other).as_str(), "date" | "timestamp" | "timestamptz")
        {
            return Err(invalid(format!(
                "`column` is `{column}`, whose type {} is neither date nor timestamp",
                type_name(other)
            ))
            .hint("declare the column's type under `columns:`, or cast it"));
        }
        Ok(CheckPlan::new(
            params::name("freshness", &format!("{column}, {max_age_hours}h{fixed}")),
            format!("newest {column} at most {} old{fixed}", hours(&max_age_hours.to_string())),
            Evaluation::Aggregates {
                expressions: vec![format!("max({})", quote(&column))],
                verdict: Arc::new(move |values| judge(values, now, max_age_hours)),
            },
        )
        .on(vec![column]))
    }
}

fn hours(number: &str) -> String {
    format!("{number} hour{}", if number == "1" { "" } else { "s" })
}

fn judge(values: &[Value], now: DateTime<Utc>, max_age_hours: f64) -> Verdict {
    let newest = match values {
        [Value::Null] => Err("no value, so nothing is known to be fresh".to_owned()),
        [Value::Timestamp(micros)] => {
            DateTime::from_timestamp_micros(*micros).ok_or_else(|| format!("{micros} µs, which is no moment"))
        }
        [Value::Text(text)] => moment(text).ok_or_else(|| format!("`{text}`, which is no moment")),
        other => Err(format!("{other:?}, which is no moment")),
    };
    let (passed, observed) = match newest {
        Ok(newest) => {
            let age = (now - newest).as_seconds_f64() / 3600.0;
            let shown = newest.to_rfc3339_opts(SecondsFormat::AutoSi, true);
            let told = if age < 0.0 {
                format!("{} in the future", hours(&format!("{:.1}", -age)))
            } else {
                format!("{} old", hours(&format!("{age:.1}")))
            };
            (age <= max_age_hours, format!("newest is {shown}, {told}"))
        }
        Err(why) => (false, why),
    };
    Verdict { passed, violations: u64::from(!passed), total: None, observed: Some(observed) }
}
