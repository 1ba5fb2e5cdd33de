//! Moments and lengths of time as people write them. Pure but for the clock that "ago" needs.

use clap::ValueEnum;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// How moments are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TimeStyle {
    /// `4m ago`.
    Relative,
    /// In this machine's time zone.
    Local,
    /// In UTC, short.
    Utc,
    /// As the API writes them.
    Iso,
}

/// A moment of the API in the wanted style; what is no moment stays as it is.
pub(crate) fn shown(text: &str, style: TimeStyle) -> String {
    let Some(at) = moment(text) else { return text.to_owned() };
    match style {
        TimeStyle::Relative => ago(at, Timestamp::now()),
        TimeStyle::Local => {
            at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
        }
        TimeStyle::Utc => at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        TimeStyle::Iso => text.to_owned(),
    }
}

/// A moment of the API.
pub(crate) fn moment(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

/// The time of day of a moment, here.
pub(crate) fn clock(at: Timestamp) -> String {
    let here: Zoned = at.to_zoned(TimeZone::system());
    here.strftime("%H:%M:%S").to_string()
}

/// How long ago, or in how long: the largest unit that says enough.
pub(crate) fn ago(at: Timestamp, now: Timestamp) -> String {
    let ms = now.as_millisecond() - at.as_millisecond();
    let text = coarse(ms.unsigned_abs());
    match ms {
        -999..=999 => "now".to_owned(),
        ..-999 => format!("in {text}"),
        _ => format!("{text} ago"),
    }
}

fn coarse(ms: u64) -> String {
    let s = ms / 1000;
    match s {
        0..60 => format!("{s}s"),
        60..3_600 => format!("{}m", s / 60),
        3_600..172_800 => format!("{}h", s / 3_600),
        _ => format!("{}d", s / 86_400),
    }
}

/// A length of time in milliseconds: `450ms`, `2.1s`, `38s`, `6m12s`, `3h05m`, `2d04h`.
pub(crate) fn span_ms(ms: u64) -> String {
    let s = ms / 1000;
    match ms {
        0..1_000 => format!("{ms}ms"),
        1_000..10_000 => tenths(ms),
        10_000..60_000 => format!("{s}s"),
        60_000..3_600_000 => format!("{}m{:02}s", s / 60, s % 60),
        3_600_000..86_400_000 => format!("{}h{:02}m", s / 3_600, s % 3_600 / 60),
        _ => format!("{}d{:02}h", s / 86_400, s % 86_400 / 3_600),
    }
}

/// A length of time that is watched while it grows: `12ms`, `0.2s`, `8.1s`, then as above.
pub(crate) fn seconds(ms: u64) -> String {
    if (100..10_000).contains(&ms) { tenths(ms) } else { span_ms(ms) }
}

fn tenths(ms: u64) -> String {
    format!("{}.{}s", ms / 1000, ms % 1000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_read_as_people_write_them() {
        for (ms, text) in [
            (450, "450ms"),
            (2_100, "2.1s"),
            (38_400, "38s"),
            (372_000, "6m12s"),
            (11_100_000, "3h05m"),
            (187_200_000, "2d04h"),
        ] {
            assert_eq!(span_ms(ms), text);
        }
    }

    #[test]
    fn a_moment_is_told_from_now() {
        let now = moment("2026-11-21T14:00:00Z").expect("a moment");
        let told = |text: &str| ago(moment(text).expect("a moment"), now);
        assert_eq!(told("2026-11-21T13:56:00.123Z"), "3m ago");
        assert_eq!(told("2026-11-21T13:55:59Z"), "4m ago");
        assert_eq!(told("2026-11-21T14:10:00Z"), "in 10m");
        assert_eq!(told("2026-11-18T14:00:00Z"), "3d ago");
        assert_eq!(told("2026-11-21T14:00:00.4Z"), "now");
    }
}
