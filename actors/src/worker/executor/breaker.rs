//! Circuit breakers: a target that only fails is left alone for a while.
//!
//! ```text
//!              FAILURES_MAX failures in a row              the pause is over
//!   closed ──────────────────────────────────▶ open ─────────────────────────▶ one probe under way
//!     ▲                                          ▲                                │        │
//!     │                                          └─────────── it fails ───────────┘        │
//!     └──────────────────────────────── it succeeds ───────────────────────────────────────┘
//! ```
//!
//! There is one for each host, kept only while something is wrong with it. A probe whose outcome never arrives (its attempt was
//! cancelled) does not hold the breaker for ever: after another pause the next call is a probe.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Failures in a row that open a breaker.
pub(crate) const FAILURES_MAX: u32 = 5;
/// How long it stays open.
pub(crate) const PAUSE: Duration = Duration::from_secs(10);
/// Hosts remembered; beyond this, calls to further failing hosts are simply let through.
const HOSTS_MAX: usize = 1_000;

/// What a breaker says about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Go ahead.
    Pass,
    /// Leave the target alone for so long.
    Wait(Duration),
}

/// Where one breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Calls pass; so many failed in a row.
    Closed(u32),
    /// Calls are refused until then; the first one after it is a probe.
    Open(Instant),
    /// A probe is under way; if nothing is heard of it until then, another may try.
    Probing(Instant),
}

/// All breakers of a node.
#[derive(Debug)]
pub(crate) struct Breakers {
    failures_max: u32,
    pause: Duration,
    hosts: BTreeMap<String, State>,
}

impl Default for Breakers {
    fn default() -> Self {
        Breakers::new(FAILURES_MAX, PAUSE)
    }
}

impl Breakers {
    /// With other limits than the usual ones.
    pub(crate) fn new(failures_max: u32, pause: Duration) -> Breakers {
        Breakers { failures_max, pause, hosts: BTreeMap::new() }
    }

    /// May this host be called now? A `Pass` must be followed by [`Breakers::succeeded`] or [`Breakers::failed`].
    pub(crate) fn admit(&mut self, host: &str, now: Instant) -> Admission {
        let Some(state) = self.hosts.get_mut(host) else { return Admission::Pass };
        match *state {
            State::Closed(_) => Admission::Pass,
            State::Open(until) | State::Probing(until) if now < until => {
                Admission::Wait(until - now)
            }
            State::Open(_) | State::Probing(_) => {
                *state = State::Probing(now + self.pause);
                Admission::Pass
            }
        }
    }

    /// A call came back well.
    pub(crate) fn succeeded(&mut self, host: &str) {
        self.hosts.remove(host);
    }

    /// A call failed in a way that says something about the host.
    pub(crate) fn failed(&mut self, host: &str, now: Instant) {
        if !self.hosts.contains_key(host) {
            if self.hosts.len() >= HOSTS_MAX {
                return;
            }
            self.hosts.insert(host.to_owned(), State::Closed(0));
        }
        let state = self.hosts.get_mut(host).expect("it was inserted if it was missing");
        *state = match *state {
            State::Closed(failures) if failures + 1 < self.failures_max => {
                State::Closed(failures + 1)
            }
            // A late failure of a call from before does not make the pause longer.
            State::Open(until) => State::Open(until),
            State::Closed(_) | State::Probing(_) => State::Open(now + self.pause),
        };
    }

    /// Hosts with something wrong, and where their breakers stand.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = (&str, State)> {
        self.hosts.iter().map(|(host, state)| (host.as_str(), *state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn open(now: Instant) -> Breakers {
        let mut breakers = Breakers::new(3, 10 * SECOND);
        for _ in 0..3 {
            assert_eq!(breakers.admit("a", now), Admission::Pass);
            breakers.failed("a", now);
        }
        breakers
    }

    #[test]
    fn it_opens_after_enough_failures_in_a_row_and_only_for_that_host() {
        let now = Instant::now();
        let mut breakers = open(now);
        assert_eq!(breakers.admit("a", now + SECOND), Admission::Wait(9 * SECOND));
        assert_eq!(breakers.admit("b", now + SECOND), Admission::Pass);
    }

    #[test]
    fn a_success_in_between_starts_the_count_anew() {
        let now = Instant::now();
        let mut breakers = Breakers::new(3, SECOND);
        for _ in 0..10 {
            breakers.failed("a", now);
            breakers.failed("a", now);
            breakers.succeeded("a");
        }
        assert_eq!(breakers.admit("a", now), Admission::Pass);
        assert_eq!(breakers.hosts().count(), 0);
    }

    #[test]
    fn after_the_pause_exactly_one_probe_passes_and_closes_it_by_succeeding() {
        let now = Instant::now();
        let mut breakers = open(now);
        let later = now + 10 * SECOND;
        assert_eq!(breakers.admit("a", later), Admission::Pass);
        assert_eq!(breakers.admit("a", later), Admission::Wait(10 * SECOND));
        breakers.succeeded("a");
        assert_eq!(breakers.admit("a", later), Admission::Pass);
        assert_eq!(breakers.admit("a", later), Admission::Pass);
    }

    #[test]
    fn a_probe_that_fails_opens_it_again() {
        let now = Instant::now();
        let mut breakers = open(now);
        let later = now + 10 * SECOND;
        assert_eq!(breakers.admit("a", later), Admission::Pass);
        breakers.failed("a", later);
        assert_eq!(breakers.admit("a", later + 9 * SECOND), Admission::Wait(SECOND));
    }

    #[test]
    fn a_probe_that_is_never_heard_of_again_is_followed_by_another() {
        let now = Instant::now();
        let mut breakers = open(now);
        assert_eq!(breakers.admit("a", now + 10 * SECOND), Admission::Pass);
        assert_eq!(breakers.admit("a", now + 20 * SECOND), Admission::Pass);
    }

    #[test]
    fn a_late_failure_does_not_make_the_pause_longer() {
        let now = Instant::now();
        let mut breakers = open(now);
        breakers.failed("a", now + 9 * SECOND);
        assert_eq!(breakers.admit("a", now + 10 * SECOND), Admission::Pass);
    }
}
