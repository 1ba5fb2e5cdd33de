//! openraft's calls to the other members, over our links.
//!
//! A call fails at once while the link is down, and openraft comes back after its pause; the pause is cut short when the link comes
//! up. An append that carries entries waits for the other side's disk, so it has a deadline of its own; a heartbeat has openraft's.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};

use super::book::Book;
use super::link::Uncalled;
use super::ship;
use super::wire::{Ask, Reply};
use crate::config::{Cell, LogId, Vote};
use crate::snapshot::Kept;

/// How long an append may wait for the other side's disk.
const APPEND_WAIT: Duration = Duration::from_secs(3);

/// The way to the other members.
pub(crate) struct Peers {
    pub(crate) book: Arc<Book>,
}

/// The way to one of them.
pub(crate) struct Peer {
    target: u64,
    book: Arc<Book>,
    /// The last entry it said it has, while this node leads.
    matched: Option<LogId>,
}

impl RaftNetworkFactory<Cell> for Peers {
    type Network = Peer;

    async fn new_client(&mut self, target: u64, node: &openraft::impls::BasicNode) -> Peer {
        // From now on it is in the book, until it is no member any more.
        let _link = self.book.link(target, &node.addr);
        Peer { target, book: self.book.clone(), matched: None }
    }
}

impl Peer {
    async fn call(&self, ask: &Ask, within: Duration) -> Result<Reply, RPCError<Cell>> {
        let Some(link) = self.book.find(self.target) else {
            let why = "it is no other member of this cluster".to_owned();
            return Err(unreachable(self.target, &Uncalled::NotSent(why)));
        };
        match link.call(ask, within).await {
            Ok(Reply::Failed(why)) => Err(unreachable(self.target, &Uncalled::Lost(why))),
            Ok(reply) => Ok(reply),
            Err(why @ Uncalled::Lost(_)) if link.state().up => {
                Err(RPCError::Network(NetworkError::new(&why)))
            }
            Err(why) => Err(unreachable(self.target, &why)),
        }
    }

    /// A member that lacks what it once said it has must not be counted on: it was put back to an older copy.
    fn remember(
        &mut self,
        ask_last: Option<LogId>,
        before: Option<LogId>,
        reply: &AppendEntriesResponse<Cell>,
    ) -> Result<(), RPCError<Cell>> {
        match reply {
            AppendEntriesResponse::Success => self.matched = self.matched.max(ask_last),
            AppendEntriesResponse::PartialSuccess(upto) => self.matched = self.matched.max(*upto),
            AppendEntriesResponse::Conflict if before.is_some() && before <= self.matched => {
                let why = format!(
                    "node {} has lost log entries it acknowledged (up to {:?}): its data directory was put back to an older copy. \
                     Stop it, empty its data directory and let it join anew",
                    self.target, self.matched
                );
                tracing::error!("{why}");
                return Err(unreachable(self.target, &Uncalled::Lost(why)));
            }
            AppendEntriesResponse::Conflict | AppendEntriesResponse::HigherVote(_) => {}
        }
        Ok(())
    }
}

fn unreachable(target: u64, why: &Uncalled) -> RPCError<Cell> {
    let why = std::io::Error::other(format!("node {target}: {why}"));
    RPCError::Unreachable(Unreachable::new(&why))
}

fn garbled(target: u64) -> RPCError<Cell> {
    unreachable(target, &Uncalled::Lost("it answered something else than was asked".to_owned()))
}

impl RaftNetworkV2<Cell> for Peer {
    type SnapshotData = Kept;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Cell>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Cell>, RPCError<Cell>> {
        let within = if request.entries.is_empty() { option.soft_ttl() } else { APPEND_WAIT };
        let before = request.prev_log_id;
        let last = request.entries.last().map(crate::machine::id_of).or(before);
        match self.call(&Ask::Append(request), within).await? {
            Reply::Append(reply) => {
                self.remember(last, before, &reply)?;
                Ok(reply)
            }
            _ => Err(garbled(self.target)),
        }
    }

    async fn vote(
        &mut self,
        request: VoteRequest<Cell>,
        option: RPCOption,
    ) -> Result<VoteResponse<Cell>, RPCError<Cell>> {
        match self.call(&Ask::Vote(request), option.soft_ttl()).await? {
            Reply::Vote(reply) => Ok(reply),
            _ => Err(garbled(self.target)),
        }
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<Cell>,
        option: RPCOption,
    ) -> Result<VoteResponse<Cell>, RPCError<Cell>> {
        match self.call(&Ask::PreVote(request), option.soft_ttl()).await? {
            Reply::Vote(reply) => Ok(reply),
            _ => Err(garbled(self.target)),
        }
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: openraft::alias::SnapshotOf<Cell, Kept>,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Cell>, StreamingError<Cell>> {
        let Some(link) = self.book.find(self.target) else {
            return Err(garbled(self.target).into());
        };
        let shipped = ship::send(&link, vote, snapshot.meta, snapshot.snapshot);
        tokio::select! {
            why = cancel => Err(StreamingError::Closed(why)),
            shipped = shipped => shipped.map_err(|why| {
                tracing::warn!(node = self.target, %why, "a snapshot did not arrive; it goes on where it stopped");
                unreachable(self.target, &why).into()
            }),
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Cell>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Cell>, RPCError<Cell>> {
        match self.call(&Ask::TransferLeader(request), option.hard_ttl()).await? {
            Reply::TransferLeader(reply) => Ok(reply),
            _ => Err(garbled(self.target)),
        }
    }
}
