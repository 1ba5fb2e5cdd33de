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
mod tests;
