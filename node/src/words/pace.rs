//! `--rate 5/s`: how many of something in how long.

use std::str::FromStr;
use std::time::Duration;

/// Nothing is asked for more often than this: a higher rate takes more at a time.
const PAUSE_MS: u64 = 100;

/// So many at a time, with a pause between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace {
    /// At a time.
    pub(crate) piece: u32,
    /// From one time to the next.
    pub(crate) pause: Duration,
}

impl FromStr for Pace {
    type Err = String;

    fn from_str(text: &str) -> Result<Pace, String> {
        let wrong = || format!("`{text}` is not a rate such as 5/s, 100/m or 2/h");
        let (count, unit) = text.split_once('/').ok_or_else(wrong)?;
        let count: u64 = count.trim().parse().ok().filter(|count| *count > 0).ok_or_else(wrong)?;
        let ms: u64 = match unit.trim() {
            "s" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            _ => return Err(wrong()),
        };
        let piece = (count * PAUSE_MS).div_ceil(ms).max(1);
        let pause = Duration::from_millis(piece * ms / count);
        Ok(Pace { piece: u32::try_from(piece).map_err(|_| wrong())?, pause })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_pieces_with_pauses() {
        let of = |text: &str| text.parse::<Pace>().map(|pace| (pace.piece, pace.pause.as_millis()));
        assert_eq!(of("5/s"), Ok((1, 200)));
        assert_eq!(of("100/s"), Ok((10, 100)));
        assert_eq!(of("6/m"), Ok((1, 10_000)));
        for wrong in ["5", "0/s", "5/week", "/s", "many/s"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }
}
