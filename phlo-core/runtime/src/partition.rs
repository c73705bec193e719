//! Partitions: which rows belong to the one that a run was asked for.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc};
use phlo_plugin::quality::{quote, quote_text};
use phlo_plugin::{Error, Result};
use phlo_spec::asset::{PartitionKind, PartitionSpec};
use phlo_spec::{Code, nearest};

/// The SQL predicate that holds for the rows of one partition, boundaries in the partition's own time zone.
///
/// # Errors
/// A key that is not one of the spec's partitions.
pub(crate) fn predicate(spec: &PartitionSpec, key: &str, column_has_zone: bool) -> Result<String> {
    let article = if matches!(spec.kind, PartitionKind::Hourly) { "an" } else { "a" };
    let bad = |why: String| Error::new(Code::Usage, format!("`{key}` is not {article} {} partition: {why}", spec.kind));
    let column = quote(&spec.column);
    let date =
        |text: &str| NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| bad("write it as 2013-01-31".to_owned()));
    let (start, end) = match spec.kind {
        PartitionKind::Static => {
            if !spec.values.iter().any(|v| v == key) {
                let near = nearest(key, spec.values.iter().map(String::as_str));
                let error = bad(format!("the partitions are {}", spec.values.join(", ")));
                return Err(match near {
                    Some(near) => error.hint(format!("did you mean `{near}`?")),
                    None => error,
                });
            }
            return Ok(format!("{column} = {}", quote_text(key)));
        }
        PartitionKind::Daily => {
            let day = date(key)?;
            (day.and_time(NaiveTime::MIN), day.checked_add_days(Days::new(1)).map(|d| d.and_time(NaiveTime::MIN)))
        }
        PartitionKind::Weekly => {
            let day = date(key)?;
            if day.weekday() != chrono::Weekday::Mon {
                return Err(bad("weeks begin on Mondays".to_owned()));
            }
            (day.and_time(NaiveTime::MIN), day.checked_add_days(Days::new(7)).map(|d| d.and_time(NaiveTime::MIN)))
        }
        PartitionKind::Monthly => {
            let day = NaiveDate::parse_from_str(&format!("{key}-01"), "%Y-%m-%d")
                .map_err(|_| bad("write it as 2013-01".to_owned()))?;
            (day.and_time(NaiveTime::MIN), day.checked_add_months(Months::new(1)).map(|d| d.and_time(NaiveTime::MIN)))
        }
        PartitionKind::Hourly => {
            let hour = NaiveDateTime::parse_from_str(&format!("{key}:00"), "%Y-%m-%dT%H:%M")
                .map_err(|_| bad("write it as 2013-01-31T08".to_owned()))?;
            (hour, hour.checked_add_signed(TimeDelta::hours(1)))
        }
    };
    let end = end.ok_or_else(|| bad("it is beyond the calendar".to_owned()))?;
    if let Some(first) = spec.start.as_deref().and_then(|s| NaiveDate::parse_from_str(s, "%Y-%m-%d").ok())
        && end <= first.and_time(NaiveTime::MIN)
    {
        return Err(bad(format!("the first one is the one with {first}")));
    }
    let zone: chrono_tz::Tz =
        spec.timezone.as_deref().unwrap_or("UTC").parse().map_err(|_| bad("its time zone is not known".to_owned()))?;
    let literal = |at: NaiveDateTime| -> String {
        if column_has_zone {
            // A local time that the clock skips begins when the clock goes on.
            let moment: DateTime<Utc> = zone
                .from_local_datetime(&at)
                .earliest()
                .or_else(|| zone.from_local_datetime(&(at + TimeDelta::hours(1))).earliest())
                .map_or_else(|| at.and_utc(), |local| local.with_timezone(&Utc));
            format!("TIMESTAMP '{}'", moment.format("%Y-%m-%dT%H:%M:%SZ"))
        } else {
            format!("TIMESTAMP '{}'", at.format("%Y-%m-%dT%H:%M:%S"))
        }
    };
    Ok(format!("{column} >= {} AND {column} < {}", literal(start), literal(end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: PartitionKind, zone: Option<&str>, key: &str, has_zone: bool, want: &str) {
        let spec = PartitionSpec {
            kind,
            column: "t".to_owned(),
            start: (kind != PartitionKind::Static).then(|| "2013-01-01".to_owned()),
            timezone: zone.map(str::to_owned),
            values: if kind == PartitionKind::Static { vec!["eu".to_owned(), "us".to_owned()] } else { vec![] },
        };
        let got = predicate(&spec, key, has_zone).unwrap_or_else(|err| err.to_string());
        assert_eq!(got, want, "{kind} {key}");
    }

    #[test]
    fn a_partition_is_a_half_open_range_in_its_own_zone() {
        use PartitionKind::{Daily, Hourly, Monthly, Static, Weekly};
        check(
            Daily,
            None,
            "2013-01-31",
            false,
            "\"t\" >= TIMESTAMP '2013-01-31T00:00:00' AND \"t\" < TIMESTAMP '2013-02-01T00:00:00'",
        );
        check(
            Daily,
            Some("America/New_York"),
            "2013-03-10",
            true,
            "\"t\" >= TIMESTAMP '2013-03-10T05:00:00Z' AND \"t\" < TIMESTAMP '2013-03-11T04:00:00Z'",
        );
        check(
            Monthly,
            None,
            "2013-12",
            false,
            "\"t\" >= TIMESTAMP '2013-12-01T00:00:00' AND \"t\" < TIMESTAMP '2014-01-01T00:00:00'",
        );
        check(
            Hourly,
            None,
            "2013-01-31T23",
            false,
            "\"t\" >= TIMESTAMP '2013-01-31T23:00:00' AND \"t\" < TIMESTAMP '2013-02-01T00:00:00'",
        );
        check(Weekly, None, "2013-01-08", false, "`2013-01-08` is not a weekly partition: weeks begin on Mondays");
        check(
            Daily,
            None,
            "2012-12-31",
            false,
            "`2012-12-31` is not a daily partition: the first one is the one with 2013-01-01",
        );
        // The first month and week begin before the first day.
        let spec = |kind| PartitionSpec {
            kind,
            column: "t".to_owned(),
            start: Some("2024-01-17".to_owned()),
            timezone: None,
            values: vec![],
        };
        for (kind, first, before) in [
            (Monthly, "2024-01", "2023-12"),
            (Weekly, "2024-01-15", "2024-01-08"),
            (Daily, "2024-01-17", "2024-01-16"),
            (Hourly, "2024-01-17T00", "2024-01-16T23"),
        ] {
            assert!(predicate(&spec(kind), first, false).is_ok(), "{kind}");
            assert!(predicate(&spec(kind), before, false).is_err(), "{kind}");
        }
        check(Static, None, "eu", false, "\"t\" = 'eu'");
        check(Static, None, "uk", false, "`uk` is not a static partition: the partitions are eu, us");
    }
}
