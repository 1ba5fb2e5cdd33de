//! How the others are: what they have applied, whether it came to the same bytes, and what their clocks say.
//!
//! Every node tells every other how it is, once a second. Two fingerprints of the same log index must be equal. If they are not,
//! one of the two copies is wrong, and nobody can say which by looking at two; so a node asks itself whether it is the odd one: it
//! stops when more copies differ from its own than agree with it, and, if it is one against one, when the other leads, for what the
//! leader has is what people were told. Prints are compared at equal indexes, from the last ones this node went through.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::wire::Report;
use crate::clock;
use crate::machine::print::Print;

/// How often nodes tell how they are.
pub(crate) const REPORT_EVERY: Duration = Duration::from_secs(1);
/// Log entries whose fingerprints are remembered.
const PRINTS_MAX: usize = 16_384;
/// What was heard longer ago does not count.
const FRESH: Duration = Duration::from_secs(10);

/// The fingerprints this replica went through lately.
#[derive(Debug, Default)]
pub(crate) struct Prints {
    recent: Mutex<VecDeque<(u64, Print)>>,
}

impl Prints {
    /// One more entry is applied.
    pub(crate) fn push(&self, index: u64, print: Print) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() >= PRINTS_MAX {
            recent.pop_front();
        }
        recent.push_back((index, print));
    }

    /// The fingerprint after an entry, if it is remembered.
    pub(crate) fn at(&self, index: u64) -> Option<Print> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let place = recent.binary_search_by_key(&index, |(index, _)| *index).ok()?;
        recent.get(place).map(|(_, print)| *print)
    }

    /// The state was replaced.
    pub(crate) fn clear(&self) {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// What is known of another member.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) report: Report,
    at: Instant,
    /// How far its clock is ahead of this one's, in milliseconds.
    ahead_ms: i64,
    /// Whether its copy was equal where both could be compared, and where.
    equal: Option<(bool, u64)>,
}

/// What is known of all others.
#[derive(Debug, Default)]
pub(crate) struct Census {
    known: Mutex<BTreeMap<u64, Known>>,
}

impl Census {
    /// Another node has told how it is; its words were so long on their way.
    pub(crate) fn note(&self, node: u64, report: &Report, on_its_way: Duration) {
        let here = i64::try_from(clock::now()).unwrap_or(i64::MAX);
        let there = i64::try_from(report.clock).unwrap_or(i64::MAX);
        let late = i64::try_from(on_its_way.as_millis()).unwrap_or(i64::MAX);
        let mut known = self.known();
        let equal = known.get(&node).and_then(|known| known.equal);
        let (report, at) = (report.clone(), Instant::now());
        let ahead_ms = there.saturating_add(late).saturating_sub(here);
        known.insert(node, Known { report, at, ahead_ms, equal });
    }

    /// Compares another node's fingerprint with this one's at the same index, if both are known.
    pub(crate) fn compare(&self, node: u64, prints: &Prints) {
        let mut known = self.known();
        let Some(known) = known.get_mut(&node) else { return };
        // Zero is also what a copy says that has applied nothing yet: of entry 0 nobody can tell the difference.
        let index = known.report.applied;
        if let Some(mine) = prints.at(index).filter(|_| index > 0) {
            known.equal = Some((mine == known.report.print, index));
        }
    }

    /// What a node last told, if that was not long ago.
    pub(crate) fn fresh(&self, node: u64) -> Option<Known> {
        self.known().get(&node).filter(|known| known.at.elapsed() < FRESH).cloned()
    }

    /// Who is not a member any more is forgotten.
    pub(crate) fn keep(&self, members: impl Fn(u64) -> bool) {
        self.known().retain(|node, _| members(*node));
    }

    /// Why this copy must stop, if it is the odd one.
    pub(crate) fn odd(&self, leader: Option<u64>) -> Option<String> {
        let known = self.known();
        let compared = known.iter().filter_map(|(node, known)| Some((*node, known.equal?)));
        let (equal, differ): (Vec<_>, Vec<_>) = compared.partition(|(_, (equal, _))| *equal);
        let unsure =
            known.values().any(|known| known.equal.is_none() && known.at.elapsed() < FRESH);
        let (first, (_, index)) = *differ.first()?;
        let mine = equal.len() + 1;
        let outvoted = differ.len() > mine;
        let yields =
            differ.len() == mine && !unsure && differ.iter().any(|(node, _)| Some(*node) == leader);
        (outvoted || yields).then(|| {
            format!("after log entry {index} this copy has another fingerprint than node {first}'s")
        })
    }

    /// Whether anybody else has told how it is, not long ago.
    pub(crate) fn heard_of_lately(&self) -> bool {
        self.known().values().any(|known| known.at.elapsed() < REPORT_EVERY * 3)
    }

    /// How far this node's clock is off, in milliseconds, when most of those heard of lately say so.
    pub(crate) fn astray(&self, skew_ms_max: u64) -> Option<i64> {
        let known = self.known();
        let mut ahead: Vec<i64> = known
            .values()
            .filter(|known| known.at.elapsed() < FRESH)
            .map(|known| known.ahead_ms)
            .collect();
        let off = ahead.iter().filter(|ahead| ahead.unsigned_abs() > skew_ms_max).count();
        // This node is one of those that agree with itself.
        if off <= ahead.len() + 1 - off {
            return None;
        }
        ahead.sort_unstable();
        ahead.get(ahead.len() / 2).map(|ahead| -ahead)
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<u64, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(applied: u64, print: u64, clock: u64) -> Report {
        let print = Print(print);
        Report { address: String::new(), votes: true, applied, print, clock, fit: true }
    }

    fn census(prints: &[(u64, u64)]) -> Census {
        let (census, mine) = (Census::default(), Prints::default());
        mine.push(7, Print(70));
        for (node, print) in prints {
            census.note(*node, &report(7, *print, clock::now()), Duration::ZERO);
            census.compare(*node, &mine);
        }
        census
    }

    #[test]
    fn the_odd_copy_of_three_is_the_one_that_stops() {
        assert_eq!(census(&[(2, 70), (3, 70)]).odd(Some(2)), None);
        assert_eq!(census(&[(2, 71), (3, 70)]).odd(Some(2)), None);
        assert!(census(&[(2, 71), (3, 71)]).odd(None).is_some());
    }

    #[test]
    fn a_copy_that_has_applied_nothing_differs_from_none() {
        let (census, mine) = (Census::default(), Prints::default());
        mine.push(0, Print(5));
        for node in [2, 3] {
            census.note(node, &report(0, 0, clock::now()), Duration::ZERO);
            census.compare(node, &mine);
        }
        assert_eq!(census.odd(Some(2)), None);
    }

    #[test]
    fn of_two_copies_the_leader_s_counts() {
        assert!(census(&[(2, 71)]).odd(Some(2)).is_some());
        assert_eq!(census(&[(2, 71)]).odd(Some(1)), None);
    }

    #[test]
    fn a_clock_is_astray_when_most_say_so() {
        let census = Census::default();
        assert_eq!(census.astray(5_000), None);
        census.note(2, &report(1, 1, clock::now() + 600_000), Duration::ZERO);
        assert_eq!(census.astray(5_000), None);
        census.note(3, &report(1, 1, clock::now() + 600_000), Duration::ZERO);
        assert!(census.astray(5_000).is_some_and(|off| off < -590_000));
    }

    #[test]
    fn old_prints_are_forgotten_and_new_ones_found() {
        let prints = Prints::default();
        for index in 1..=20_000 {
            prints.push(index, Print(index));
        }
        assert_eq!(prints.at(20_000), Some(Print(20_000)));
        assert_eq!(prints.at(1), None);
    }
}
