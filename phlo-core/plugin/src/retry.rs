//! Trying again: how long to wait, and what a server asks for.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// The longest wait that nobody asked for.
const MAX_BACKOFF: Duration = Duration::from_mins(1);

/// How long to wait after this many attempts, from 1: `delay`, doubled for each up to a minute, with jitter so that clients do not return
/// together; at least what the other side asked for.
pub fn pause(delay: Duration, attempts: u32, asked: Option<Duration>) -> Duration {
    let backoff = delay.saturating_mul(2_u32.saturating_pow(attempts.saturating_sub(1))).min(MAX_BACKOFF);
    // Each state is seeded at random.
    let random = RandomState::new().build_hasher().finish() as f64 / u64::MAX as f64;
    backoff.mul_f64(0.5 + random / 2.0).max(asked.unwrap_or_default())
}

/// What an HTTP header `Retry-After` says (RFC 9110, 10.2.3): seconds or a date; nothing of one that is in the past.
pub fn retry_after(header: &str) -> Option<Duration> {
    let text = header.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = chrono::DateTime::parse_from_rfc2822(text).ok()?;
    Some((date.to_utc() - chrono::Utc::now()).to_std().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_as_seconds_or_as_a_date() {
        assert_eq!(retry_after("7"), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO), "the past");
        let later = (chrono::Utc::now() + Duration::from_hours(1)).format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let wait = retry_after(&later).unwrap();
        assert!(wait > Duration::from_secs(3500) && wait <= Duration::from_hours(1), "{wait:?}");
        assert_eq!(retry_after("soon"), None);
    }

    #[test]
    fn waits_double_up_to_a_minute_and_are_never_shorter_than_the_server_asks() {
        for (attempts, asked, least, most) in [
            (1, None, 500, 1000),
            (2, None, 1000, 2000),
            (4, None, 4000, 8000),
            (90, None, 30_000, 60_000),
            (1, Some(7000), 7000, 7000),
            (4, Some(1), 4000, 8000),
        ] {
            let wait = pause(Duration::from_secs(1), attempts, asked.map(Duration::from_millis)).as_millis();
            assert!((least..=most).contains(&wait), "{attempts}, {asked:?}: {wait}");
        }
    }
}
