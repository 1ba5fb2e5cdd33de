//! What a member answers when another asks.
//!
//! Everything a call needs is here: the log, the state, the book of links. Whoever asks is known by the handshake. What only the
//! leader may answer is answered by others with who leads, as far as they know.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use oarlock_engine::id::NodeId;
use openraft::ReadPolicy;
use openraft::async_runtime::WatchReceiver as _;
use openraft::errors::{ClientWriteError, LinearizableReadError, RaftError};
use tokio::sync::{oneshot, watch};

use super::book::Book;
use super::census::Census;
use super::hello::{Card, Refusal};
use super::ship::{self, Arriving};
use super::wire::{Ask, Proposed, Reply, Report};
use crate::admin::Identity;
use crate::clock::{self, Watched};
use crate::config::{Answer, Cell, Packet, Peering, Raft, Secret};
use crate::fault::Fault;
use crate::machine::{Shared, index};
use crate::space::Gate;

/// How long the leader waits for a majority before it says that there is none.
pub(crate) const QUORUM_WAIT: Duration = Duration::from_secs(4);

/// The pause before a leader is asked again.
const BARRIER_PAUSE: Duration = Duration::from_millis(20);

/// A member, as its peers meet it.
pub(crate) struct Room {
    pub(crate) book: Arc<Book>,
    pub(crate) raft: Raft,
    pub(crate) shared: Arc<Shared>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) clock: Arc<Watched>,
    pub(crate) peering: Peering,
    /// Where its peers reach it.
    pub(crate) address: String,
    pub(crate) census: Census,
    pub(crate) arriving: tokio::sync::Mutex<Option<Arriving>>,
    /// One change of the group at a time.
    pub(crate) changing: tokio::sync::Mutex<()>,
    /// Who was taken in by this node, and when.
    pub(crate) newcomers: Mutex<BTreeMap<u64, Instant>>,
    /// Whether it would rather not lead: it drains, or stops.
    pub(crate) stands_back: watch::Sender<bool>,
    pub(crate) me: u64,
}

/// Who a member is: its identity, its address, and what it needs to have peers.
type Who = (Identity, String, Option<Peering>);
/// What a member has.
type Has = (Arc<Book>, Raft, Arc<Shared>, Arc<Gate>, Arc<Watched>);

impl Room {
    pub(crate) fn new(
        (identity, address, peering): Who,
        (book, raft, shared, gate, clock): Has,
    ) -> Room {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Room {
            book,
            raft,
            shared,
            gate,
            clock,
            peering: peering.unwrap_or_else(|| Peering::new(nowhere, Secret::new(""))),
            address,
            census: Census::default(),
            arriving: tokio::sync::Mutex::default(),
            changing: tokio::sync::Mutex::default(),
            newcomers: Mutex::default(),
            stands_back: watch::Sender::default(),
            me: identity.node.0,
        }
    }

    /// Who this node is to its peers.
    pub(crate) fn card(&self) -> &Card {
        self.book.card.as_ref().expect("a node without peers does not listen")
    }

    /// Whether a node may call: one that was a member and is none any more may not. One that this copy has never heard of may: the
    /// copy may be behind.
    pub(crate) fn known(&self, node: u64) -> Result<(), Refusal> {
        let progress = self.shared.progress();
        let gone = node <= progress.numbered && progress.members.get_node(&node).is_none();
        if gone { Err(Refusal::Removed(node)) } else { Ok(()) }
    }

    /// Who leads, as far as this node knows.
    pub(crate) fn leader(&self) -> Option<u64> {
        self.raft.server_metrics().borrow_watched().current_leader
    }

    /// Waits until somebody else leads: whoever waits for an answer of the old leader need not.
    pub(crate) async fn deposed(&self, leader: u64) {
        let mut seen = self.raft.server_metrics();
        while seen.borrow_watched().current_leader.is_none_or(|now| now == leader) {
            if seen.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// How this node is.
    pub(crate) fn report(&self) -> Report {
        let applied = self.shared.progress().applied;
        Report {
            address: self.address.clone(),
            votes: self.peering.votes,
            applied: index(applied.last),
            print: applied.print,
            clock: clock::now(),
            fit: !self.gate.is_shut() && !*self.stands_back.borrow(),
        }
    }

    /// Answers a call.
    pub(crate) async fn answer(self: &Arc<Room>, guest: u64, ask: Ask) -> Reply {
        let failed = |why: &dyn std::fmt::Display| Reply::Failed(why.to_string());
        match ask {
            Ask::Append(request) => match self.raft.append_entries(request).await {
                Ok(reply) => Reply::Append(reply),
                Err(why) => failed(&why),
            },
            Ask::Vote(request) => match self.raft.vote(request).await {
                Ok(reply) => Reply::Vote(reply),
                Err(why) => failed(&why),
            },
            Ask::PreVote(request) => match self.raft.pre_vote(request).await {
                Ok(reply) => Reply::Vote(reply),
                Err(why) => failed(&why),
            },
            Ask::TransferLeader(request) => match self.raft.handle_transfer_leader(request).await {
                Ok(reply) => Reply::TransferLeader(reply),
                Err(why) => failed(&why),
            },
            Ask::Ship(part) => {
                // A connection that breaks must not take with it what has arrived.
                let room = self.clone();
                let received = tokio::spawn(async move {
                    ship::receive(&room.raft, &room.shared, &room.arriving, part).await
                });
                match received.await {
                    Ok(Ok(shipped)) => Reply::Ship(shipped),
                    Ok(Err(why)) => Reply::Failed(why),
                    Err(why) => failed(&why),
                }
            }
            Ask::Propose { parcel, clock } => {
                Reply::Propose(self.propose_for(guest, parcel, clock).await)
            }
            Ask::Barrier => self.read_index().await,
            Ask::Change(change) => {
                // Two entries make one change: it goes on if the connection breaks.
                let room = self.clone();
                let changed = tokio::spawn(async move { room.change(change).await });
                changed.await.unwrap_or_else(|why| failed(&why))
            }
            Ask::Join { address } => {
                let room = self.clone();
                let admitted = tokio::spawn(async move { room.admit(address).await });
                admitted.await.unwrap_or_else(|why| failed(&why))
            }
            Ask::Report(report) => {
                self.census.note(guest, &report, Duration::ZERO);
                Reply::Report(self.report())
            }
        }
    }

    /// Up to where a copy must have come to hold everything acknowledged before now. Only a leader that a majority has just
    /// confirmed can say.
    pub(crate) async fn read_index(&self) -> Reply {
        let read = self.raft.get_read_linearizer(ReadPolicy::ReadIndex);
        match tokio::time::timeout(QUORUM_WAIT, read).await {
            Ok(Ok(read)) => Reply::Barrier(read.read_log_id().log_id().index),
            Ok(Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(to)))) => {
                Reply::NotLeader(to.leader_id)
            }
            Ok(Err(why)) => Reply::Failed(why.to_string()),
            Err(_) => Reply::Failed("no majority answers".to_owned()),
        }
    }

    /// Waits until this copy has everything acknowledged before now, anywhere.
    pub(crate) async fn barrier(&self) -> Result<(), Fault> {
        let deadline = tokio::time::Instant::now() + QUORUM_WAIT;
        let mut why = "nobody leads".to_owned();
        loop {
            let left = deadline.saturating_duration_since(tokio::time::Instant::now());
            let reply = match self.leader() {
                Some(leader) if leader == self.me => self.read_index().await,
                Some(leader) => match self.book.find(leader) {
                    Some(link) => tokio::select! {
                        reply = link.call(&Ask::Barrier, left) => {
                            reply.unwrap_or_else(|why| Reply::Failed(why.to_string()))
                        }
                        () = self.deposed(leader) => Reply::NotLeader(None),
                    },
                    None => Reply::NotLeader(None),
                },
                None => Reply::NotLeader(None),
            };
            match reply {
                Reply::Barrier(index) => {
                    let left = deadline.saturating_duration_since(tokio::time::Instant::now());
                    if self.shared.reach(index, left).await {
                        return Ok(());
                    }
                    return Err(Fault::Unavailable(format!(
                        "this copy is behind: it has not come to log entry {index} yet"
                    )));
                }
                Reply::Failed(told) => why = told,
                _ => {}
            }
            if tokio::time::Instant::now() + BARRIER_PAUSE >= deadline {
                let why = self.book.expelled().unwrap_or(why);
                return Err(Fault::Unavailable(why));
            }
            tokio::time::sleep(BARRIER_PAUSE).await;
        }
    }

    /// A leader that stops lets another one lead first, if there is one.
    pub(crate) async fn leave_the_lead(self: &Arc<Room>) {
        self.stands_back.send_replace(true);
        // Whoever changes the group just now may be handing over already.
        let alone = tokio::time::timeout(QUORUM_WAIT, self.changing.lock()).await;
        if alone.is_ok() && self.leader() == Some(self.me) && self.voters().len() > 1 {
            let reply = self.hand_over(None).await;
            tracing::info!(?reply, "stopping: somebody else should lead");
        }
    }

    /// Puts another node's parcel into the log.
    async fn propose_for(&self, node: u64, parcel: Packet, theirs: u64) -> Proposed {
        let mine = match self.clock.stamp() {
            Ok(mine) => mine,
            Err(why) => return Proposed::Not(format!("on the leader: {why}")),
        };
        let skew = mine.abs_diff(theirs);
        if skew > self.peering.skew_ms_max {
            let why = format!(
                "the clock of node {node} differs by {} s from the leader's, and at most {} s are allowed: set its clock",
                skew / 1_000,
                self.peering.skew_ms_max / 1_000
            );
            tracing::warn!("{why}");
            return Proposed::Refused(why);
        }
        if let Some(why) = self.gate.why() {
            return Proposed::Refused(format!("on the leader: {why}"));
        }
        let (answer, answered) = oneshot::channel();
        let answer = Answer(Box::new(move |result| {
            // Whoever asked may have gone.
            let _gone = answer.send(result);
        }));
        if let Err(why) = self.raft.client_write_ff(parcel, Some(answer)).await {
            return Proposed::Unknown(why.to_string());
        }
        match answered.await {
            Ok(Ok(done)) => Proposed::Done { index: done.log_id.index, verdict: done.data },
            Ok(Err(why)) => not_done(&why),
            Err(_) => Proposed::Unknown("the leader stopped".to_owned()),
        }
    }
}

/// openraft says `ForwardToLeader` only of what it has not appended.
fn not_done(why: &ClientWriteError<Cell>) -> Proposed {
    match why {
        ClientWriteError::ForwardToLeader(to) => Proposed::Not(match to.leader_id {
            Some(leader) => format!("node {leader} leads"),
            None => "no majority answers".to_owned(),
        }),
        other => Proposed::Unknown(other.to_string()),
    }
}

/// A member's number in words.
pub(crate) fn named(node: u64) -> String {
    format!("node {}", NodeId(node))
}
