//! Who is late, overdue, lost: from arrival times alone.
//!
//! ```text
//!   fine ──silent for ⅓ of its patience──▶ late ──⅔──▶ overdue ──all of it──▶ lost
//!     ▲                                                                         ▲
//!     └── heard ── (from anywhere but lost: that is for the log to say)         │
//!   its connection broke, and to connect again was refused, twice ──────────────┘
//! ```
//!
//! The patience with a node is learned from how regularly it has been heard of: its usual interval and six times the usual
//! deviation from it, within bounds. (As TCP finds its time-out, <https://www.rfc-editor.org/rfc/rfc6298>; an accrual detector
//! says the same with more arithmetic.) A refused connection says more than silence: where the process was, nobody listens.
//!
//! Who was asleep must not call others silent. Everything told to the detector shows that we are awake, and it is told something
//! at least every period; after a gap every silence is counted from the end of the gap, and no interval is learned across it.
//!
//! There is no clock in here: each call says what time it is.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use oarlock_engine::id::{BootId, NodeId};

/// How much patience there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How often a node is expected to be heard of.
    pub every: Duration,
    /// Nobody is lost for a silence shorter than this, however regular it was.
    pub lost_min: Duration,
    /// Everybody is lost for a silence as long as this, however irregular it was.
    pub lost_max: Duration,
    /// Longer than this without being told anything: we were asleep.
    pub gap_max: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience {
            every: Duration::from_millis(100),
            lost_min: Duration::from_millis(500),
            lost_max: Duration::from_secs(3),
            gap_max: Duration::from_millis(350),
        }
    }
}

/// Refused connections in a row that say that a process is gone.
pub const REFUSALS: u32 = 2;

/// How a node is doing, as far as can be told from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// Heard of lately.
    Fine,
    /// Silent longer than usual.
    Late,
    /// Silent for so long that something is wrong.
    Overdue,
    /// Gone, or as good as gone.
    Lost,
}

/// By what a node was found to be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// It was silent for longer than there is patience.
    Silence,
    /// Its connection broke, and nobody listens where it was.
    Refusal,
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Evidence::Silence => "no heartbeat",
            Evidence::Refusal => "connection refused",
        })
    }
}

/// A node to be given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost {
    /// Which.
    pub node: NodeId,
    /// Which life of it.
    pub boot: BootId,
    /// How long it has not been heard of.
    pub silent: Duration,
    /// How that is known.
    pub evidence: Evidence,
}

/// Listens to all other nodes.
#[derive(Debug, Clone)]
pub struct Detector {
    patience: Patience,
    peers: BTreeMap<NodeId, Peer>,
    /// When we were told something last.
    awake_at: Option<Instant>,
    /// When we woke up last: older silences are not counted from before.
    awake_since: Option<Instant>,
}

/// What is known of one node.
#[derive(Debug, Clone)]
struct Peer {
    boot: BootId,
    /// When it was heard of last, or when we began to listen.
    heard_at: Instant,
    /// Its usual interval.
    mean: Duration,
    /// How far its intervals usually are from that.
    deviation: Duration,
    /// Since when its connection is broken, if it is.
    broken: Option<Instant>,
    /// So many times in a row since then a new one was refused.
    refusals: u32,
}

impl Detector {
    /// Listens to nobody yet.
    #[must_use]
    pub fn new(patience: Patience) -> Self {
        Detector { patience, peers: BTreeMap::new(), awake_at: None, awake_since: None }
    }

    /// Listens to this life of a node from now on. Of one that is listened to already nothing is forgotten.
    pub fn watch(&mut self, node: NodeId, boot: BootId, now: Instant) {
        self.awake(now);
        if self.peers.get(&node).is_some_and(|peer| peer.boot == boot) {
            return;
        }
        let every = self.patience.every;
        let (mean, deviation) = (every, every / 4);
        let peer = Peer { boot, heard_at: now, mean, deviation, broken: None, refusals: 0 };
        self.peers.insert(node, peer);
    }

    /// Listens to a node no more: it has left, or is known to be lost.
    pub fn forget(&mut self, node: NodeId) {
        self.peers.remove(&node);
    }

    /// The nodes that are listened to.
    pub fn watched(&self) -> impl Iterator<Item = (NodeId, BootId)> + '_ {
        self.peers.iter().map(|(node, peer)| (*node, peer.boot))
    }

    /// A node was heard of. An earlier life of it, or a node that is not listened to, says nothing.
    pub fn heard(&mut self, node: NodeId, boot: BootId, now: Instant) {
        self.awake(now);
        let (awake_since, lost_max) = (self.awake_since, self.patience.lost_max);
        let Some(peer) = self.peers.get_mut(&node).filter(|peer| peer.boot == boot) else { return };
        let interval = now.saturating_duration_since(peer.heard_at).min(lost_max);
        if awake_since.is_none_or(|since| since <= peer.heard_at) {
            let off = interval.abs_diff(peer.mean);
            peer.deviation = (peer.deviation * 3 + off) / 4;
            peer.mean = (peer.mean * 7 + interval) / 8;
        }
        peer.heard_at = peer.heard_at.max(now);
        // What it said before its connection broke may be told after that.
        if peer.broken.is_none_or(|broken| broken <= now) {
            (peer.broken, peer.refusals) = (None, 0);
        }
    }

    /// The connection to a node broke.
    pub fn broken(&mut self, node: NodeId, now: Instant) {
        self.awake(now);
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.broken.get_or_insert(now);
        }
    }

    /// A new connection to a node was refused: nobody listens there.
    pub fn refused(&mut self, node: NodeId, now: Instant) {
        self.awake(now);
        if let Some(peer) = self.peers.get_mut(&node).filter(|peer| peer.broken.is_some()) {
            peer.refusals = peer.refusals.saturating_add(1);
        }
    }

    /// The connection to a node is broken since then, and so many new ones in a row were refused: said as often as one likes.
    pub fn unreachable(&mut self, node: NodeId, since: Instant, refusals: u32, now: Instant) {
        self.awake(now);
        if let Some(peer) = self.peers.get_mut(&node).filter(|peer| peer.heard_at <= since) {
            peer.broken.get_or_insert(since);
            peer.refusals = peer.refusals.max(refusals);
        }
    }

    /// There is a connection to a node again. It may be another life of it that answered, so it has not been heard of by this.
    pub fn connected(&mut self, node: NodeId, now: Instant) {
        self.awake(now);
        if let Some(peer) = self.peers.get_mut(&node) {
            (peer.broken, peer.refusals) = (None, 0);
        }
    }

    /// A period is over. True: we were asleep before it, and everybody has been given time to be heard of.
    pub fn tick(&mut self, now: Instant) -> bool {
        self.awake(now)
    }

    /// How a node is doing; none: it is not listened to.
    #[must_use]
    pub fn health(&self, node: NodeId, now: Instant) -> Option<Health> {
        self.peers.get(&node).map(|peer| self.judge(peer, now).0)
    }

    /// How long a node has not been heard of, asleep or awake.
    #[must_use]
    pub fn silent(&self, node: NodeId, now: Instant) -> Option<Duration> {
        self.peers.get(&node).map(|peer| now.saturating_duration_since(peer.heard_at))
    }

    /// Nodes to be given up. They are named again until they are forgotten, or heard of.
    #[must_use]
    pub fn lost(&self, now: Instant) -> Vec<Lost> {
        let judged = self.peers.iter().map(|(node, peer)| (*node, peer, self.judge(peer, now)));
        let lost = judged.filter(|(_, _, (health, _))| *health == Health::Lost);
        let lost = lost.map(|(node, peer, (_, evidence))| Lost {
            node,
            boot: peer.boot,
            silent: now.saturating_duration_since(peer.heard_at),
            evidence,
        });
        lost.collect()
    }

    fn judge(&self, peer: &Peer, now: Instant) -> (Health, Evidence) {
        if self.asleep(now) {
            return (Health::Fine, Evidence::Silence);
        }
        if peer.broken.is_some() && peer.refusals >= REFUSALS {
            return (Health::Lost, Evidence::Refusal);
        }
        let from = self.awake_since.map_or(peer.heard_at, |since| since.max(peer.heard_at));
        let silent = now.saturating_duration_since(from);
        let patience = self.patience_with(peer);
        let health = if silent >= patience {
            Health::Lost
        } else if silent * 3 >= patience * 2 {
            Health::Overdue
        } else if silent * 3 >= patience {
            Health::Late
        } else {
            Health::Fine
        };
        (health, Evidence::Silence)
    }

    fn patience_with(&self, peer: &Peer) -> Duration {
        let Patience { every, lost_min, lost_max, .. } = self.patience;
        (peer.mean.max(every) + peer.deviation * 6).max(lost_min).min(lost_max)
    }

    /// Whether nobody has told us anything for so long that we cannot have been awake.
    fn asleep(&self, now: Instant) -> bool {
        let gap = self.awake_at.map(|at| now.saturating_duration_since(at));
        gap.is_some_and(|gap| gap > self.patience.gap_max)
    }

    /// We are awake. After a gap everybody gets their time again: what was said meanwhile may still be on its way to us.
    fn awake(&mut self, now: Instant) -> bool {
        let slept = self.asleep(now);
        if slept {
            self.awake_since = Some(now);
            for peer in self.peers.values_mut() {
                peer.refusals = 0;
            }
        }
        self.awake_at = Some(self.awake_at.map_or(now, |at| at.max(now)));
        slept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeId = NodeId(1);
    const B: NodeId = NodeId(2);
    const BOOT: BootId = BootId(1);

    /// A detector and a clock that is told how time passes.
    struct Watch {
        detector: Detector,
        now: Instant,
    }

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    impl Watch {
        fn new() -> Watch {
            let mut watch =
                Watch { detector: Detector::new(Patience::default()), now: Instant::now() };
            watch.detector.watch(A, BOOT, watch.now);
            watch.detector.watch(B, BOOT, watch.now);
            watch
        }

        /// Time passes in periods of 50 ms, in which we are awake and hear of these nodes every 100 ms.
        fn pass(&mut self, span: u64, heard: &[NodeId]) {
            for period in 1..=span / 50 {
                self.now += millis(50);
                self.detector.tick(self.now);
                if period % 2 == 0 {
                    heard.iter().for_each(|node| self.detector.heard(*node, BOOT, self.now));
                }
            }
        }

        fn health(&self, node: NodeId) -> Health {
            self.detector.health(node, self.now).expect("it is listened to")
        }

        fn lost(&self) -> Vec<NodeId> {
            self.detector.lost(self.now).iter().map(|lost| lost.node).collect()
        }
    }

    #[test]
    fn who_falls_silent_is_late_then_overdue_then_lost() {
        let mut watch = Watch::new();
        watch.pass(5_000, &[A, B]);
        assert_eq!((watch.health(A), watch.health(B)), (Health::Fine, Health::Fine));
        let mut seen = vec![watch.health(B)];
        for _ in 0..12 {
            watch.pass(50, &[]);
            watch.detector.heard(A, BOOT, watch.now);
            seen.push(watch.health(B));
        }
        seen.dedup();
        assert_eq!(seen, [Health::Fine, Health::Late, Health::Overdue, Health::Lost]);
        let lost = Lost { node: B, boot: BOOT, silent: millis(600), evidence: Evidence::Silence };
        assert_eq!(watch.detector.lost(watch.now), [lost]);
        assert_eq!(watch.health(A), Health::Fine);
    }

    #[test]
    fn a_regular_node_is_lost_after_the_least_patience() {
        let mut watch = Watch::new();
        watch.pass(5_000, &[A, B]);
        watch.pass(450, &[A]);
        assert_eq!(watch.lost(), []);
        watch.pass(50, &[A]);
        assert_eq!(watch.lost(), [B]);
    }

    #[test]
    fn with_an_irregular_node_there_is_more_patience_but_not_without_end() {
        let mut watch = Watch::new();
        for _ in 0..30 {
            watch.pass(100, &[A, B]);
            watch.pass(400, &[A]);
            watch.detector.heard(B, BOOT, watch.now);
        }
        watch.pass(600, &[A]);
        assert_eq!(watch.lost(), [], "it has often been silent for nearly as long");
        watch.pass(2_400, &[A]);
        assert_eq!(watch.lost(), [B]);
    }

    #[test]
    fn messages_that_come_at_once_do_not_make_impatient() {
        let mut watch = Watch::new();
        for _ in 0..200 {
            watch.detector.heard(B, BOOT, watch.now);
        }
        watch.pass(450, &[A]);
        assert_eq!(watch.lost(), []);
    }

    #[test]
    fn who_is_heard_of_again_is_fine() {
        let mut watch = Watch::new();
        watch.pass(400, &[A]);
        assert!(watch.health(B) >= Health::Late);
        watch.detector.heard(B, BOOT, watch.now);
        assert_eq!(watch.health(B), Health::Fine);
    }

    #[test]
    fn a_broken_connection_that_is_refused_twice_is_a_loss_at_once() {
        let mut watch = Watch::new();
        watch.pass(1_000, &[A, B]);
        watch.detector.broken(B, watch.now);
        watch.detector.refused(B, watch.now);
        assert_eq!(watch.lost(), []);
        watch.pass(50, &[A]);
        watch.detector.refused(B, watch.now);
        let found = watch.detector.lost(watch.now);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].evidence, found[0].silent), (Evidence::Refusal, millis(50)));
    }

    #[test]
    fn a_refusal_alone_says_nothing_nor_does_one_before_a_sign_of_life() {
        let mut watch = Watch::new();
        watch.pass(1_000, &[A, B]);
        watch.detector.refused(B, watch.now);
        watch.detector.refused(B, watch.now);
        assert_eq!(watch.lost(), [], "its connection holds: somebody else's port was asked");
        watch.detector.broken(B, watch.now);
        watch.detector.refused(B, watch.now);
        watch.detector.heard(B, BOOT, watch.now);
        watch.detector.broken(B, watch.now);
        watch.detector.refused(B, watch.now);
        assert_eq!(watch.lost(), []);
        watch.detector.connected(B, watch.now);
        watch.detector.broken(B, watch.now);
        watch.detector.refused(B, watch.now);
        assert_eq!(watch.lost(), []);
    }

    #[test]
    fn nobody_is_lost_because_we_were_asleep() {
        let mut watch = Watch::new();
        watch.pass(5_000, &[A, B]);
        watch.now += millis(60_000);
        assert_eq!(watch.lost(), [], "asked before we know that we were asleep");
        assert!(watch.detector.tick(watch.now));
        assert_eq!(watch.lost(), []);
        assert_eq!(watch.detector.silent(A, watch.now), Some(millis(60_000)));
        // Who is alive is heard of; who died meanwhile is lost after the usual patience, not sooner.
        watch.pass(450, &[A]);
        assert_eq!(watch.lost(), []);
        watch.pass(50, &[A]);
        assert_eq!(watch.lost(), [B]);
    }

    #[test]
    fn a_sleep_teaches_nothing_about_others() {
        let mut watch = Watch::new();
        watch.pass(5_000, &[A, B]);
        for _ in 0..20 {
            watch.now += millis(2_000);
            watch.detector.heard(B, BOOT, watch.now);
            watch.pass(200, &[A, B]);
        }
        watch.pass(500, &[A]);
        assert_eq!(watch.lost(), [B]);
    }

    #[test]
    fn refusals_from_before_a_sleep_do_not_count() {
        let mut watch = Watch::new();
        watch.pass(1_000, &[A, B]);
        watch.detector.broken(B, watch.now);
        watch.detector.refused(B, watch.now);
        watch.now += millis(5_000);
        watch.detector.refused(B, watch.now);
        assert_eq!(watch.lost(), []);
    }

    #[test]
    fn an_earlier_life_says_nothing_and_a_new_one_is_given_time() {
        let mut watch = Watch::new();
        watch.pass(450, &[A]);
        watch.detector.watch(B, BootId(2), watch.now);
        watch.pass(400, &[A, B]);
        assert_eq!(watch.lost(), []);
        watch.pass(100, &[A, B]);
        assert_eq!(watch.lost(), [B], "only the life before was heard of");
        assert_eq!(watch.detector.lost(watch.now)[0].boot, BootId(2));
        watch.detector.forget(B);
        assert_eq!(watch.lost(), []);
        assert_eq!(watch.detector.watched().collect::<Vec<_>>(), [(A, BOOT)]);
    }

    #[test]
    fn watching_again_forgets_nothing() {
        let mut watch = Watch::new();
        watch.pass(450, &[A]);
        watch.detector.watch(B, BOOT, watch.now);
        watch.pass(50, &[A]);
        assert_eq!(watch.lost(), [B]);
    }
}
