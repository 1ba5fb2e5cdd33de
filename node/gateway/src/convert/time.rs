//! Moments and lengths of time as texts.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use oarlock_engine::time::Moment;

/// `2026-11-21T14:02:07.512Z`.
pub(crate) fn rfc3339(moment: Moment) -> String {
    let shown = i64::try_from(moment.0).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    // A moment beyond the year 9999 is "for ever", said with the last one there is.
    format!("{:.3}", shown.unwrap_or(Timestamp::MAX))
}

/// The same for one that may be missing.
pub(crate) fn maybe(moment: Option<Moment>) -> Option<String> {
    moment.map(rfc3339)
}

/// From `from` to `to`, in milliseconds.
pub(crate) fn between(from: Option<Moment>, to: Option<Moment>) -> Option<u64> {
    Some(to?.since(from?).0)
}

/// RFC 3339 with any offset, as a moment.
pub(crate) fn moment(text: &str) -> Option<Moment> {
    let stamp: Timestamp = text.parse().ok()?;
    u64::try_from(stamp.as_millisecond()).ok().map(Moment)
}

/// The wall clock.
pub(crate) fn now() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// `90s`, `10m`, `1h30m`, `500ms`, `2d`; a bare number is seconds.
pub(crate) fn span(text: &str) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let count: u64 = rest[..digits].parse().ok()?;
        let unit_end =
            rest[digits..].find(|letter: char| letter.is_ascii_digit()).map(|at| at + digits);
        let unit = &rest[digits..unit_end.unwrap_or(rest.len())];
        let ms = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        total = total.checked_add(Duration::from_millis(count.checked_mul(ms)?))?;
        rest = unit_end.map_or("", |end| &rest[end..]);
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_shown_in_utc_with_milliseconds_and_read_back() {
        let shown = rfc3339(Moment(1_795_269_727_512));
        assert_eq!(shown, "2026-11-21T14:02:07.512Z");
        assert_eq!(moment(&shown), Some(Moment(1_795_269_727_512)));
        assert_eq!(moment("2026-11-21T15:02:07.512+01:00"), Some(Moment(1_795_269_727_512)));
        assert!(rfc3339(Moment(u64::MAX)).starts_with("9999-"));
    }

    #[test]
    fn a_length_of_time_is_read_as_people_write_it() {
        assert_eq!(span("30s"), Some(Duration::from_secs(30)));
        assert_eq!(span("1h30m"), Some(Duration::from_secs(5400)));
        assert_eq!(span("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(span("2"), Some(Duration::from_secs(2)));
        for bad in ["", "s", "3 fortnights", "-1s", "99999999999999999999d", "1h30"] {
            assert_eq!(span(bad), None, "{bad}");
        }
    }
}
