//! What is heard of the other nodes, from wherever it comes: the detector's ears.
//!
//! ```text
//!   beats of their sentries ──────────────────────┐
//!   the replica: replication, votes, its links ───┼─▶ detector ─▶ verdicts: who must be given up
//!   lines to their actors: up, down, refused ─────┘
//! ```
//!
//! Whoever hears something notes it here at once; the steward asks when it looks. Nothing here outlives the process, and nothing
//! has to: who listens anew gives everybody time to be heard of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use oarlock_engine::id::{BootId, NodeId};
use oarlock_engine::member::Member;
use oarlock_engine::time::Span;
use oarlock_raft::Link;

use super::demand::Demand;
use super::detector::{Detector, Evidence, Health, Patience};
use crate::placement::orders::Verdict;
use crate::wire::Beat;

/// Signs of life that are closer together are one.
const SAME: Duration = Duration::from_millis(5);
/// What a refused connection is called by the system.
const REFUSED: &str = "onnection refused";

/// What is known of the others' lives.
pub(crate) struct Vigil {
    patience: Patience,
    demand: Arc<Mutex<Demand>>,
    inner: Mutex<Inner>,
}

struct Inner {
    detector: Detector,
    boots: BTreeMap<NodeId, BootId>,
    /// When the replica last heard of whom, as far as noted.
    replica: BTreeMap<NodeId, Instant>,
    /// Links of the replica that are down.
    down: BTreeSet<NodeId>,
    /// Who has said goodbye: nobody listens there, and that is no news.
    leaving: BTreeMap<NodeId, BootId>,
}

/// How another node is doing, as far as can be told from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Neighbour {
    /// Which.
    pub node: NodeId,
    /// Which life of it.
    pub boot: BootId,
    /// How it is doing.
    pub health: Health,
    /// For how long it has not been heard of.
    pub silent: Duration,
}

impl Vigil {
    /// Listens to nobody yet.
    pub(crate) fn new(patience: Patience, demand: Arc<Mutex<Demand>>) -> Vigil {
        let inner = Inner {
            detector: Detector::new(patience),
            boots: BTreeMap::new(),
            replica: BTreeMap::new(),
            down: BTreeSet::new(),
            leaving: BTreeMap::new(),
        };
        Vigil { patience, demand, inner: Mutex::new(inner) }
    }

    /// These are the members in the tables: who takes part is listened to.
    pub(crate) fn expect(&self, here: NodeId, members: &[Member], now: Instant) {
        let mut inner = self.lock();
        let others = members.iter().filter(|member| member.node != here && member.state.present());
        let boots: BTreeMap<_, _> = others.map(|member| (member.node, member.boot)).collect();
        for (node, boot) in &boots {
            inner.detector.watch(*node, *boot, now);
        }
        let gone: Vec<_> =
            inner.boots.keys().filter(|node| !boots.contains_key(node)).copied().collect();
        for node in gone {
            inner.detector.forget(node);
            inner.leaving.remove(&node);
            self.demand().forget(node);
        }
        inner.boots = boots;
    }

    /// Another node's sentry has given a sign of life.
    pub(crate) fn beat(&self, beat: &Beat) {
        let now = Instant::now();
        self.lock().detector.heard(beat.node, beat.boot, now);
        self.demand().heard(beat.node, &beat.load, now);
    }

    /// A node has said goodbye.
    pub(crate) fn goodbye(&self, node: NodeId, boot: BootId) {
        self.lock().leaving.insert(node, boot);
        self.demand().forget(node);
    }

    /// There is a line to a node's actors.
    pub(crate) fn connected(&self, node: NodeId) {
        self.lock().detector.connected(node, Instant::now());
    }

    /// The line to a node's actors broke.
    pub(crate) fn disconnected(&self, node: NodeId) {
        self.lock().detector.broken(node, Instant::now());
    }

    /// A stream to a node's actors could not be opened.
    pub(crate) fn undialled(&self, node: NodeId, why: &str) {
        if why.contains(REFUSED) {
            self.lock().detector.refused(node, Instant::now());
        }
    }

    /// So long ago the replica heard of each node.
    pub(crate) fn replica_heard(&self, heard: Vec<(NodeId, Duration)>, now: Instant) {
        let mut inner = self.lock();
        for (node, ago) in heard {
            let Some(at) = now.checked_sub(ago) else { continue };
            let known = inner.replica.get(&node).is_some_and(|before| at < *before + SAME);
            let boot = inner.boots.get(&node).copied();
            if let (Some(boot), false) = (boot, known) {
                inner.replica.insert(node, at);
                inner.detector.heard(node, boot, at);
            }
        }
    }

    /// How the replica's own connections are.
    pub(crate) fn replica_links(&self, links: &BTreeMap<NodeId, Link>, now: Instant) {
        let mut inner = self.lock();
        for (node, link) in links {
            if !link.up {
                inner.down.insert(*node);
                inner.detector.unreachable(*node, link.since, link.refused, now);
            } else if inner.down.remove(node) {
                inner.detector.connected(*node, now);
            }
        }
    }

    /// A period is over. True: somebody must be given up.
    pub(crate) fn tick(&self, now: Instant) -> bool {
        let mut inner = self.lock();
        if inner.detector.tick(now) {
            tracing::warn!(
                "this process did not run for a while: everybody is given time to be heard of"
            );
        }
        !inner.detector.lost(now).is_empty()
    }

    /// Who must be given up, by a node that has led since then. Silence alone counts only for what it has listened to itself;
    /// that nobody listens where a process was counts at once, unless it has said goodbye.
    pub(crate) fn verdicts(&self, now: Instant, leads_since: Instant) -> BTreeMap<NodeId, Verdict> {
        let inner = self.lock();
        let young = now.saturating_duration_since(leads_since) < self.patience.lost_min;
        let lost = inner.detector.lost(now).into_iter().filter(|lost| match lost.evidence {
            Evidence::Silence => !young,
            Evidence::Refusal => inner.leaving.get(&lost.node) != Some(&lost.boot),
        });
        let verdict = |silent: Duration, why: String, boot| Verdict {
            silent: Span(u64::try_from(silent.as_millis()).unwrap_or(u64::MAX)),
            why,
            boot: Some(boot),
        };
        lost.map(|lost| (lost.node, verdict(lost.silent, lost.evidence.to_string(), lost.boot)))
            .collect()
    }

    /// How all others are doing.
    pub(crate) fn neighbours(&self) -> Vec<Neighbour> {
        let (inner, now) = (self.lock(), Instant::now());
        let detector = &inner.detector;
        let watched = detector.watched().filter_map(|(node, boot)| {
            let (health, silent) = (detector.health(node, now)?, detector.silent(node, now)?);
            Some(Neighbour { node, boot, health, silent })
        });
        watched.collect()
    }

    fn demand(&self) -> MutexGuard<'_, Demand> {
        self.demand.lock().expect("nothing panics while it holds the demand")
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nothing panics while it holds the vigil")
    }
}

#[cfg(test)]
mod tests {
    use oarlock_engine::member::State;
    use oarlock_engine::time::Moment;

    use super::*;

    const HERE: NodeId = NodeId(1);
    const THERE: NodeId = NodeId(2);

    fn member(node: NodeId, state: State) -> Member {
        Member {
            node,
            name: format!("n{node}"),
            boot: BootId(7),
            state,
            since: Moment(0),
            address: String::new(),
            speaks: 2,
        }
    }

    fn vigil(start: Instant) -> Vigil {
        let vigil = Vigil::new(Patience::default(), Arc::default());
        let members = [member(HERE, State::Up), member(THERE, State::Up)];
        vigil.expect(HERE, &members, start);
        vigil
    }

    fn down(since: Instant, refused: u32) -> BTreeMap<NodeId, Link> {
        let why = "it ended".to_owned();
        BTreeMap::from([(THERE, Link { up: false, refused, since, why })])
    }

    /// Time passes while we are awake.
    fn pass(vigil: &Vigil, from: Instant, millis: u64) -> Instant {
        for tick in 1..=millis / 50 {
            vigil.tick(from + Duration::from_millis(50 * tick));
        }
        from + Duration::from_millis(millis)
    }

    #[test]
    fn what_the_replica_hears_is_enough_to_be_alive() {
        let start = Instant::now();
        let vigil = vigil(start);
        let mut now = start;
        for _ in 0..100 {
            now = pass(&vigil, now, 100);
            vigil.replica_heard(vec![(THERE, Duration::from_millis(20))], now);
        }
        assert!(vigil.verdicts(now, start).is_empty());
        // The same news again and again is no news.
        for tenth in 1..=10 {
            now = pass(&vigil, now, 100);
            vigil.replica_heard(vec![(THERE, Duration::from_millis(20 + 100 * tenth))], now);
        }
        assert_eq!(vigil.verdicts(now, start).len(), 1);
    }

    #[test]
    fn a_new_leader_listens_before_it_judges_by_silence() {
        let start = Instant::now();
        let vigil = vigil(start);
        let now = pass(&vigil, start, 1_000);
        assert!(vigil.verdicts(now, now).is_empty());
        assert!(vigil.verdicts(now, now - Duration::from_millis(499)).is_empty());
        assert_eq!(vigil.verdicts(now, now - Duration::from_millis(500)).len(), 1);
    }

    #[test]
    fn a_refused_link_of_the_replica_is_a_loss_at_once_but_not_of_who_said_goodbye() {
        let start = Instant::now();
        let vigil = vigil(start);
        let now = pass(&vigil, start, 100);
        vigil.replica_links(&down(now, 0), now);
        vigil.replica_links(&down(now, 1), now);
        assert!(vigil.verdicts(now, now).is_empty());
        vigil.replica_links(&down(now, 2), now);
        assert_eq!(vigil.verdicts(now, now)[&THERE].why, "connection refused");
        vigil.goodbye(THERE, BootId(7));
        assert!(vigil.verdicts(now, now).is_empty());
    }

    #[test]
    fn what_was_said_before_a_break_and_told_after_it_is_no_sign_of_life() {
        let start = Instant::now();
        let vigil = vigil(start);
        let now = pass(&vigil, start, 100);
        vigil.replica_links(&down(now, 1), now);
        let beat = pass(&vigil, now, 50);
        vigil.replica_heard(vec![(THERE, Duration::from_millis(70))], beat);
        vigil.replica_links(&down(now, 2), beat);
        assert_eq!(vigil.verdicts(beat, beat)[&THERE].why, "connection refused");
        // One who speaks after it lives.
        vigil.replica_heard(vec![(THERE, Duration::from_millis(10))], beat);
        assert!(vigil.verdicts(beat, beat).is_empty());
    }

    #[test]
    fn who_takes_part_no_longer_is_listened_to_no_longer() {
        let start = Instant::now();
        let vigil = vigil(start);
        let now = pass(&vigil, start, 1_000);
        vigil.expect(HERE, &[member(HERE, State::Up), member(THERE, State::Lost)], now);
        assert!(vigil.verdicts(now, start).is_empty());
        assert_eq!(vigil.neighbours(), []);
    }
}
