//! Who takes part, how they are reached, and the few changes of it that people may ask for.
//!
//! A node is a *voter* or a *learner*. Both keep everything; only voters decide. The leader brings new nodes up by itself, one
//! voter at a time (`peer/policy.rs`); what is here is what an operator asks for by name, each refused with the reason when it
//! would leave the group without a majority.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use oarlock_engine::id::NodeId;
use tokio::sync::{mpsc, watch};

use crate::fault::Fault;
use crate::{Replica, Stream, peer};

/// What a member is to the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Decides with the others.
    Voter,
    /// Keeps a copy and does not decide.
    Learner,
}

/// Refused connections in a row that are counted.
pub(crate) const REFUSALS_COUNTED: u32 = 2;

/// A connection to another member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Whether calls reach it now.
    pub up: bool,
    /// How often in a row since it went down its machine has answered that nobody listens there, counted up to
    /// two: its process is gone.
    pub refused: u32,
    /// Since when it is up or down.
    pub since: Instant,
    /// Why it is down: a sentence for people. Empty while it is up.
    pub why: String,
}

/// A member, seen from here.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its number.
    pub node: NodeId,
    /// Where its peers reach it; empty for a node that has no peers.
    pub address: String,
    /// Voter or learner.
    pub standing: Standing,
    /// Whether it leads.
    pub leads: bool,
    /// Whether it is this node.
    pub here: bool,
    /// How long ago it was heard of.
    pub heard: Option<Duration>,
    /// The last log index it is known to have.
    pub matched: Option<u64>,
    /// Log entries it lacks, as far as known.
    pub lag: Option<u64>,
    /// The connection to it; none to oneself.
    pub link: Option<Link>,
}

/// Who leads, and whether that is certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lead {
    /// Who, if anyone is known to.
    pub leader: Option<NodeId>,
    /// In which term.
    pub term: u64,
    /// Whether a majority (if it is this node) or the leader itself was heard of lately. If not, what is read here may be old.
    pub sure: bool,
}

/// A connection another node opened to this one for its actors.
#[derive(Debug)]
pub struct Visitor {
    /// Who, proven by the handshake.
    pub node: NodeId,
    /// The stream, with nothing of the handshake left in it.
    pub stream: Stream,
}

impl Replica {
    /// All members, by number.
    #[must_use]
    pub fn members(&self) -> Vec<Member> {
        peer::members(self)
    }

    /// Tells of every change of a connection to another member: the first to know that a process is gone.
    #[must_use]
    pub fn links(&self) -> watch::Receiver<BTreeMap<NodeId, Link>> {
        self.inner.room.book.told.subscribe()
    }

    /// Tells of every change of leader, and of being sure of it.
    #[must_use]
    pub fn lead(&self) -> watch::Receiver<Lead> {
        self.inner.lead.subscribe()
    }

    /// Where peers reach this node, as it is bound; none without peers.
    #[must_use]
    pub fn peer_address(&self) -> Option<std::net::SocketAddr> {
        self.inner.peer_address
    }

    /// Opens a connection to another node's actors.
    ///
    /// # Errors
    /// When it is no member, cannot be reached, or refuses.
    pub async fn dial(&self, node: NodeId) -> Result<Stream, Fault> {
        peer::dial(self, node).await
    }

    /// Connections that other nodes' actors open to this node. Given once.
    #[must_use]
    pub fn visitors(&self) -> Option<mpsc::Receiver<Visitor>> {
        let mut visitors =
            self.inner.visitors.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        visitors.take()
    }

    /// Makes a learner a voter, when it has caught up. Asked of any node.
    ///
    /// # Errors
    /// [`Fault::Refused`] with the reason; [`Fault::Unavailable`] when no leader answers.
    pub async fn promote(&self, node: NodeId) -> Result<(), Fault> {
        peer::change(self, peer::Change::Promote(node)).await
    }

    /// Makes a voter a learner.
    ///
    /// # Errors
    /// The same.
    pub async fn demote(&self, node: NodeId) -> Result<(), Fault> {
        peer::change(self, peer::Change::Demote(node)).await
    }

    /// Takes a member out for good: its number is never used again, and it cannot come back under it.
    ///
    /// # Errors
    /// The same.
    pub async fn remove(&self, node: NodeId) -> Result<(), Fault> {
        peer::change(self, peer::Change::Remove(node)).await
    }

    /// Hands leadership to another voter, the best one if none is named. Returns when somebody else leads.
    ///
    /// # Errors
    /// The same.
    pub async fn transfer(&self, to: Option<NodeId>) -> Result<(), Fault> {
        peer::change(self, peer::Change::Lead(to)).await
    }

    /// Whether this node would rather not lead, because it drains: if it leads, it hands over to a voter that does not stand back
    /// as soon as there is one. Nothing is waited for; see [`Replica::lead`].
    pub fn stand_back(&self, back: bool) {
        self.inner.room.stands_back.send_if_modified(|old| std::mem::replace(old, back) != back);
    }

    /// Stands back, and hands leadership over now if this node has it. Returns when somebody else leads.
    ///
    /// # Errors
    /// [`Fault::Refused`] when there is no other voter that may lead.
    pub async fn hand_over(&self) -> Result<(), Fault> {
        self.stand_back(true);
        peer::hand_over(self).await
    }

    /// A drill: from now on this node treats exactly these as if no packet went to or came from them. An empty list ends it.
    /// Streams that actors have already are not touched.
    pub fn cut_off(&self, nodes: &[NodeId]) {
        self.inner.room.book.wall.set(nodes.iter().map(|node| node.0).collect());
    }
}
