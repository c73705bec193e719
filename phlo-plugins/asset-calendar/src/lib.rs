#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used))]

use chrono::{Datelike, NaiveDate};
use phlo_plugin::prelude::*;
use phlo_spec::AssetSpec;
use schemars::JsonSchema;
use serde::Deserialize;

phlo_plugin::package!();
phlo_plugin::register!(Asset, Calendar, name = "calendar", summary = "A table with one row for each day");

/// `plugins.settings.asset.calendar` of `phlo.yaml`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The first day, e.g. `2013-01-01`. Without `from` and `to` there is no calendar.
    pub from: Option<String>,
    /// The last day, itself included.
    pub to: Option<String>,
    /// The asset's key; `calendar.days` unless set.
    pub asset: Option<String>,
    /// The month, 1 to 12, that the fiscal year begins in; 1 unless set.
    pub fiscal_year_start: Option<u8>,
}

/// The plugin.
#[derive(Debug, Clone)]
pub struct Calendar {
    days: Option<(NaiveDate, NaiveDate)>,
    asset: AssetKey,
    fiscal_year_start: u8,
}

impl Plugin for Calendar {
    type Settings = Settings;

    fn create(settings: Settings, _: &InitContext) -> Result<Self> {
        let Settings { from, to, asset, fiscal_year_start } = settings;
        let days = match (day("from", from.as_deref())?, day("to", to.as_deref())?) {
            (None, None) => None,
            (Some(from), Some(to)) if from <= to => Some((from, to)),
            (Some(from), Some(to)) => {
                return Err(wrong(format!("`from` is {from}, later than `to`, which is {to}")).hint("swap them"));
            }
            (Some(_), None) => return Err(wrong("`from` is given without `to`").hint("give both")),
            (None, Some(_)) => return Err(wrong("`to` is given without `from`").hint("give both")),
        };
        if days.is_none() && (asset.is_some() || fiscal_year_start.is_some()) {
            return Err(wrong("without `from` and `to` there is no calendar").hint("give both"));
        }
        let fiscal_year_start = fiscal_year_start.unwrap_or(1);
        if !(1..=12).contains(&fiscal_year_start) {
            return Err(wrong(format!("`fiscal_year_start` is {fiscal_year_start}, and months go from 1 to 12")));
        }
        let asset = asset.unwrap_or_else(|| "calendar.days".to_owned());
        let asset = AssetKey::new(asset).map_err(|err| wrong(format!("`asset`: {err}")))?;
        Ok(Self { days, asset, fiscal_year_start })
    }
}

impl AssetProvider for Calendar {
    fn assets(&self) -> Result<Vec<AssetSpec>> {
        let Some((from, to)) = self.days else { return Ok(Vec::new()) };
        let mut asset = AssetSpec::of_sql(self.asset.clone(), self.sql(from, to));
        asset.description = Some(format!("One row for each day from {from} to {to}"));
        Ok(vec![asset])
    }
}

impl Calendar {
    fn sql(&self, from: NaiveDate, to: NaiveDate) -> String {
        // A fiscal year is named by the calendar year in which it ends.
        let fiscal_year = match self.fiscal_year_start {
            1 => "year".to_owned(),
            start => format!("CASE WHEN month >= {start} THEN year + 1 ELSE year END"),
        };
        format!(
            "WITH days AS (SELECT unnest(generate_series(DATE '{from}', DATE '{to}', INTERVAL '1 day')) AS day),
parts AS (
    SELECT
        CAST(day AS DATE) AS day,
        CAST(date_part('year', day) AS INT) AS year,
        CAST(date_part('quarter', day) AS INT) AS quarter,
        CAST(date_part('month', day) AS INT) AS month,
        CAST(date_part('day', day) AS INT) AS day_of_month,
        CAST(date_part('doy', day) AS INT) AS day_of_year,
        CAST(date_part('week', day) AS INT) AS iso_week,
        CAST((date_part('dow', day) + 6) % 7 + 1 AS INT) AS iso_weekday
    FROM days
)
SELECT
    *,
    CAST(date_trunc('week', day) AS DATE) AS week_start,
    CAST(date_trunc('month', day) AS DATE) AS month_start,
    iso_weekday >= 6 AS is_weekend,
    CAST({fiscal_year} AS INT) AS fiscal_year
FROM parts"
        )
    }
}

fn day(field: &str, text: Option<&str>) -> Result<Option<NaiveDate>> {
    let Some(text) = text else { return Ok(None) };
    let wrong = || wrong(format!("`{field}` is `{text}`, which is no day")).hint("write it as `2013-01-31`");
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| wrong())?;
    // Beyond these years a day is a mistake, and a table of millions of rows its price.
    if (1000..=9999).contains(&day.year()) { Ok(Some(day)) } else { Err(wrong()) }
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(Code::InvalidValue, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn create(from: Option<&str>, to: Option<&str>, fiscal: Option<u8>) -> Result<Calendar> {
        let settings = Settings {
            from: from.map(str::to_owned),
            to: to.map(str::to_owned),
            asset: None,
            fiscal_year_start: fiscal,
        };
        Calendar::create(settings, &InitContext::at("/nowhere"))
    }

    #[test]
    fn settings_that_make_no_calendar_are_refused_by_their_field() {
        for (from, to, fiscal, field) in [
            (Some("2013-01-01"), None, None, "`to`"),
            (None, Some("2013-01-01"), None, "`from`"),
            (Some("2013-13-01"), Some("2014-01-01"), None, "`from`"),
            (Some("2014-01-01"), Some("2013-01-01"), None, "`to`"),
            (Some("2013-01-01"), Some("2013-12-31"), Some(13), "`fiscal_year_start`"),
            (None, None, Some(4), "`from`"),
        ] {
            let err = create(from, to, fiscal).unwrap_err();
            assert!(err.message().contains(field), "{err:?}");
        }
        assert!(create(None, None, None).unwrap().assets().unwrap().is_empty());
        assert_eq!(create(Some("2013-01-01"), Some("2013-12-31"), None).unwrap().assets().unwrap().len(), 1);
    }
}
