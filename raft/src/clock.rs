//! The wall clock, and whether it can be believed: it is watched by one that nobody can set.
//!
//! Every command carries the time of day at which it was proposed, and the newest one is what the cluster takes for the present: a
//! clock that is set ten minutes ahead on one node would push the time of all of them, for good. Which of several clocks is right
//! only the others can tell (`peer/census.rs`), and they are asked once a second; until then a clock that has just jumped is not
//! believed. A node that is alone has nobody to ask, and takes its clock as it is.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The wall clock, in milliseconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Notices when the wall clock is set.
#[derive(Debug)]
pub(crate) struct Watched {
    /// A moment at which it was believed, by both clocks.
    believed: Mutex<(u64, Instant)>,
    /// How far it may be from where it should be by then; none: it is believed whatever it says.
    jump_ms_max: Option<u64>,
}

impl Watched {
    pub(crate) fn new(jump_ms_max: Option<u64>) -> Watched {
        Watched { believed: Mutex::new((now(), Instant::now())), jump_ms_max }
    }

    /// What time it is, unless the clock has just been set: then why it is not believed yet.
    pub(crate) fn stamp(&self) -> Result<u64, String> {
        let wall = now();
        let Some(jump_ms_max) = self.jump_ms_max else { return Ok(wall) };
        let (then, since) = *self.believed.lock().unwrap_or_else(PoisonError::into_inner);
        let jump = jump(then, since.elapsed(), wall);
        if jump.unsigned_abs() <= jump_ms_max {
            return Ok(wall);
        }
        let way = if jump > 0 { "ahead" } else { "back" };
        Err(format!(
            "the clock of this node was just set {:.1} s {way}: it is compared with those of the others first",
            jump.unsigned_abs() as f64 / 1_000.0
        ))
    }

    /// The others agree with it: from now on it is watched from here.
    pub(crate) fn believe(&self) {
        *self.believed.lock().unwrap_or_else(PoisonError::into_inner) = (now(), Instant::now());
    }
}

/// How far the clock is from where it should be, in milliseconds.
fn jump(then: u64, since: Duration, wall: u64) -> i64 {
    let ms = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let since = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    ms(wall).saturating_sub(ms(then.saturating_add(since)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_runs_is_believed_and_one_that_was_set_is_not() {
        assert_eq!(jump(1_000, Duration::from_secs(60), 61_000), 0);
        assert_eq!(jump(1_000, Duration::from_secs(60), 661_000), 600_000);
        assert_eq!(jump(700_000, Duration::from_secs(60), 160_000), -600_000);
    }

    #[test]
    fn a_clock_is_believed_again_when_the_others_agree() {
        let watched = Watched::new(Some(5_000));
        assert!(watched.stamp().is_ok());
        *watched.believed.lock().expect("nobody else has it") = (now() - 600_000, Instant::now());
        assert!(watched.stamp().is_err_and(|why| why.contains("set 600.0 s ahead")));
        watched.believe();
        assert!(watched.stamp().is_ok());
        let alone = Watched::new(None);
        *alone.believed.lock().expect("nobody else has it") = (0, Instant::now());
        assert!(alone.stamp().is_ok(), "it has nobody to ask");
    }
}
