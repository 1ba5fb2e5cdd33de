//! How often a dead actor is started again, how fast, and when to stop trying.
//!
//! The first death is an accident and answered at once; the next ones are answered ever more slowly; too many within a minute are
//! a bug or a broken disk, which a restart does not mend. Then the supervisor gives up, and its own supervisor decides: at the
//! root that means that the node ends, loudly, and whatever watches processes may try a whole new life.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Deaths within [`WINDOW`] that are answered; one more is one too many.
const RESTARTS_MAX: usize = 10;
/// Older deaths are forgiven.
const WINDOW: Duration = Duration::from_secs(60);
/// The pause before the second restart; it doubles from there.
const PAUSE: Duration = Duration::from_millis(50);
/// No pause is longer.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// What to do about a death.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Start it again after a pause.
    Again(Duration),
    /// Stop trying.
    GiveUp,
}

/// The recent deaths of one actor.
#[derive(Debug, Default)]
pub(crate) struct Restarts {
    recent: VecDeque<Instant>,
}

impl Restarts {
    /// It died just now.
    pub(crate) fn died(&mut self, now: Instant) -> Verdict {
        while self.recent.front().is_some_and(|death| now.duration_since(*death) >= WINDOW) {
            self.recent.pop_front();
        }
        let before = self.recent.len();
        if before >= RESTARTS_MAX {
            return Verdict::GiveUp;
        }
        self.recent.push_back(now);
        let pause = match before {
            0 => Duration::ZERO,
            _ => PAUSE.saturating_mul(1 << (before - 1)).min(PAUSE_MAX),
        };
        Verdict::Again(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_death_is_answered_at_once_and_the_next_ones_ever_more_slowly() {
        let start = Instant::now();
        let mut restarts = Restarts::default();
        let pauses: Vec<_> = (0..10).map(|_| restarts.died(start)).collect();
        let millis = [0, 50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000];
        assert_eq!(pauses, millis.map(|ms| Verdict::Again(Duration::from_millis(ms))));
        assert_eq!(restarts.died(start), Verdict::GiveUp);
    }

    #[test]
    fn old_deaths_are_forgiven() {
        let start = Instant::now();
        let mut restarts = Restarts::default();
        for minute in 0..100 {
            let now = start + WINDOW * minute;
            assert_eq!(restarts.died(now), Verdict::Again(Duration::ZERO));
        }
    }
}
