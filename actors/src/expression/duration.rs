//! Lengths of time as people write them: `30s`, `2h30m`, `1d`, `500ms`, ISO 8601's `PT30S`.

use jiff::SpanRelativeTo;
use oarlock_engine::time::Span;

use super::fault::Fault;

/// The longest: ten years of 365 days.
pub const DURATION_MAX: Span = Span(10 * 365 * 24 * 60 * 60 * 1000);

/// Reads a duration. Days have 24 hours, weeks seven days; months and years have no fixed length and are refused.
///
/// # Errors
/// A [`Fault`] that says what is wrong with the text, without a position.
pub fn duration(text: &str) -> Result<Span, Fault> {
    const FORMS: &str = "durations look like `30s`, `5m`, `2h30m`, `1d` or `PT30S`";
    let text = text.trim();
    if text.is_empty() {
        return Err(Fault::new("the duration is empty").hint(FORMS));
    }
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b'_') {
        return Err(Fault::new(format!("`{text}` has no unit")).hint(format!("write `{text}s`")));
    }
    let bad = || Fault::new(format!("`{text}` is not a duration")).hint(FORMS);
    let span: jiff::Span = text.parse().map_err(|_| bad())?;
    if span.is_negative() {
        return Err(Fault::new(format!("`{text}` is negative")).hint(FORMS));
    }
    if span.get_years() != 0 || span.get_months() != 0 {
        return Err(Fault::new(format!("`{text}` has months or years, which vary in length"))
            .hint("say it in days: `30d`"));
    }
    let exact = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| bad())?;
    let millis = u64::try_from(exact.as_millis()).map_err(|_| bad())?;
    if millis == 0 && !span.is_zero() {
        return Err(Fault::new(format!("`{text}` is shorter than a millisecond")));
    }
    if millis > DURATION_MAX.0 {
        return Err(Fault::new(format!("`{text}` is longer than ten years"))
            .hint("leave the limit out where there is none"));
    }
    Ok(Span(millis))
}

/// Writes a duration the way [`duration`] reads it, without rounding: `2h30m`.
#[must_use]
pub fn spell(span: Span) -> String {
    const UNITS: [(u64, &str); 5] =
        [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];
    let mut left = span.0;
    let mut text = String::new();
    for (size, unit) in UNITS {
        if left >= size {
            text.push_str(&format!("{}{unit}", left / size));
            left %= size;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_in_all_their_forms() {
        for (text, millis) in [
            ("30s", 30_000),
            ("2h30m", 9_000_000),
            ("2h 30m", 9_000_000),
            ("1d", 86_400_000),
            ("2w", 14 * 86_400_000),
            ("500ms", 500),
            ("PT30S", 30_000),
            ("P1DT2H", 26 * 3_600_000),
            ("0s", 0),
            ("1.5h", 5_400_000),
        ] {
            assert_eq!(duration(text), Ok(Span(millis)), "{text}");
            assert_eq!(duration(&spell(Span(millis))), Ok(Span(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_a_hint() {
        for (text, word) in [
            ("30", "no unit"),
            ("", "empty"),
            ("soon", "not a duration"),
            ("-5s", "negative"),
            ("1mo", "months"),
            ("1y", "months or years"),
            ("5x", "not a duration"),
            ("100000d", "ten years"),
            ("1us", "millisecond"),
            ("99999999999999999999s", "not a duration"),
        ] {
            let fault = duration(text).expect_err(text);
            assert!(fault.message.contains(word), "{text}: {fault}");
        }
    }
}
