//! Numbers as people read them.

use chrono::{DateTime, SecondsFormat, Utc};
pub(crate) use phlo_spec::text::thousands as count;

/// `340 ms`, `1.2 s`, `2 m 05 s`, `1 h 02 m`.
pub(crate) fn millis(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        // Rounded up, this would be a minute.
        1_000..59_950 => format!("{:.1} s", ms as f64 / 1000.0),
        59_950..3_570_000 => {
            let seconds = (ms + 500) / 1000;
            format!("{} m {:02} s", seconds / 60, seconds % 60)
        }
        _ => {
            let minutes = (ms + 30_000) / 60_000;
            format!("{} h {:02} m", count(minutes / 60), minutes % 60)
        }
    }
}

/// `512 B`, `3.4 MiB`.
pub(crate) fn bytes(n: u64) -> String {
    if n < 1024 {
        return format!("{n} B");
    }
    let mut value = n as f64;
    let mut unit = "B";
    for next in ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] {
        if value < 1023.95 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

/// A part of a whole: `0 %`, `<0.01 %`, `0.4 %`, `12 %`.
pub(crate) fn rate(part: f64) -> String {
    let percent = part * 100.0;
    match percent {
        p if p <= 0.0 => "0 %".to_owned(),
        p if p < 0.01 => "<0.01 %".to_owned(),
        p if p < 1.0 => format!("{p:.2} %"),
        p if p < 10.0 => format!("{p:.1} %"),
        // All of them is not nearly all of them.
        p if (99.5..100.0).contains(&p) => format!("{} %", (p * 100.0).floor() / 100.0),
        p => format!("{p:.0} %"),
    }
}

/// A fraction that somebody wrote, with all of its digits: `9.99 %`.
pub(crate) fn percent(part: f64) -> String {
    let text = format!("{:.8}", part * 100.0);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// `2026-01-31 09:05:00Z`.
pub(crate) fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true).replace('T', " ")
}

/// How long before `now`: `just now`, `5 min ago`, `3 h ago`, `12 days ago`.
pub(crate) fn ago(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let seconds = (now - at).num_seconds().max(0);
    match seconds {
        0..60 => "just now".to_owned(),
        60..3_600 => format!("{} min ago", seconds / 60),
        3_600..172_800 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} days ago", count((seconds / 86_400) as u64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well_at_every_size() {
        for (ms, want) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_000, "1.0 s"),
            (1_249, "1.2 s"),
            (59_949, "59.9 s"),
            (59_950, "1 m 00 s"),
            (125_000, "2 m 05 s"),
            (3_569_999, "59 m 30 s"),
            (3_600_000, "1 h 00 m"),
            (3_720_000, "1 h 02 m"),
        ] {
            assert_eq!(millis(ms), want);
        }
        for (n, want) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (3_565_158, "3.4 MiB"),
            (1_048_575, "1.0 MiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(bytes(n), want);
        }
        for (part, want) in [
            (0.0, "0 %"),
            (0.000_01, "<0.01 %"),
            (0.0044, "0.44 %"),
            (0.05, "5.0 %"),
            (0.5, "50 %"),
            (0.995, "99.5 %"),
            (0.999_999, "99.99 %"),
            (1.0, "100 %"),
        ] {
            assert_eq!(rate(part), want);
        }
    }

    #[test]
    fn what_was_written_is_shown_with_all_of_its_digits() {
        for (part, want) in [(0.0999, "9.99 %"), (0.01, "1 %"), (0.000_001, "0.0001 %"), (0.1, "10 %"), (1.0, "100 %")]
        {
            assert_eq!(percent(part), want);
        }
    }

    #[test]
    fn times_read_well() {
        let now = DateTime::parse_from_rfc3339("2026-03-01T12:00:00Z").unwrap().to_utc();
        assert_eq!(time(now), "2026-03-01 12:00:00Z");
        for (seconds, want) in [
            (0, "just now"),
            (59, "just now"),
            (300, "5 min ago"),
            (7200, "2 h ago"),
            (172_800, "2 days ago"),
            (-5, "just now"),
        ] {
            assert_eq!(ago(now - chrono::Duration::seconds(seconds), now), want);
        }
    }
}
