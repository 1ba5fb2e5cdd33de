//! openraft's calls to the other members, over our links.
//!
//! A call fails at once while the link is down, and openraft comes back after its pause; the pause is cut short when the link comes
//! up. An append that carries entries waits for the other side's disk, so it has a deadline of its own; a heartbeat has openraft's.
//!
//! Appends are pipelined: the next one is on its way while the other side's disk is busy with the one before, and several of them
//! may share a sync there. They arrive in order, since they are posted one after the other on one connection and the other side
//! begins each before it reads the next; their answers are handed to openraft in that order too. The first that is not a full success
//! ends the stream, and openraft begins another one behind what is known to have arrived.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt as _, Stream, StreamExt as _};
use openraft::OptionalSend;
use openraft::base::{BoxFuture, BoxStream};
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult,
    TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};

use super::book::Book;
use super::link::{Link, Posted, Uncalled};
use super::ship;
use super::wire::{Ask, Reply};
use crate::config::{Cell, LogId, Vote};
use crate::snapshot::Kept;

/// How long an append may wait for the other side's disk.
const APPEND_WAIT: Duration = Duration::from_secs(3);
/// Appends to one node that may wait for their answers at once.
const APPENDS_IN_FLIGHT_MAX: usize = 16;

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
        let link = self.link()?;
        told(&link, link.call(ask, within).await)
    }

    fn link(&self) -> Result<Arc<Link>, RPCError<Cell>> {
        self.book.find(self.target).ok_or_else(|| {
            let why = "it is no other member of this cluster".to_owned();
            unreachable(self.target, &Uncalled::NotSent(why))
        })
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

/// An append on its way: the entries it stands behind and ends with, and the call.
struct Begun {
    before: Option<LogId>,
    last: Option<LogId>,
    link: Arc<Link>,
    posted: Result<Posted, Uncalled>,
}

impl Begun {
    async fn new(link: Arc<Link>, request: AppendEntriesRequest<Cell>, soft: Duration) -> Begun {
        let before = request.prev_log_id;
        let last = request.entries.last().map(crate::machine::id_of).or(before);
        let within = if request.entries.is_empty() { soft } else { APPEND_WAIT };
        let posted = link.post(&Ask::Append(request), within).await;
        Begun { before, last, link, posted }
    }

    async fn end(self) -> Ended {
        let answer = match self.posted {
            Ok(posted) => posted.answer().await,
            Err(why) => Err(why),
        };
        let reply = match told(&self.link, answer) {
            Ok(Reply::Append(reply)) => Ok(reply),
            Ok(_) => Err(garbled(self.link.target)),
            Err(why) => Err(why),
        };
        Ended { before: self.before, last: self.last, reply }
    }
}

/// What became of an append.
struct Ended {
    before: Option<LogId>,
    last: Option<LogId>,
    reply: Result<AppendEntriesResponse<Cell>, RPCError<Cell>>,
}

impl Ended {
    /// In openraft's terms, and whether those behind it can be relied on.
    fn judge(self, peer: &mut Peer) -> (Result<StreamAppendResult<Cell>, RPCError<Cell>>, bool) {
        let Ended { before, last, reply } = self;
        let reply = reply.and_then(|reply| peer.remember(last, before, &reply).map(|()| reply));
        let full = match &reply {
            Ok(AppendEntriesResponse::Success) => true,
            Ok(AppendEntriesResponse::PartialSuccess(upto)) => *upto == last,
            Ok(AppendEntriesResponse::Conflict | AppendEntriesResponse::HigherVote(_)) | Err(_) => {
                false
            }
        };
        (reply.map(|reply| reply.into_stream_result(before, last)), full)
    }
}

/// What a call came to, in openraft's terms.
fn told(link: &Link, answer: Result<Reply, Uncalled>) -> Result<Reply, RPCError<Cell>> {
    match answer {
        Ok(Reply::Failed(why)) => Err(unreachable(link.target, &Uncalled::Lost(why))),
        Ok(reply) => Ok(reply),
        Err(why @ Uncalled::Lost(_)) if link.state().up => {
            Err(RPCError::Network(NetworkError::new(&why)))
        }
        Err(why) => Err(unreachable(link.target, &why)),
    }
}

fn unreachable(target: u64, why: &Uncalled) -> RPCError<Cell> {
    let why = std::io::Error::other(format!("node {target}: {why}"));
    RPCError::Unreachable(Unreachable::new(&why))
}

fn garbled(target: u64) -> RPCError<Cell> {
    unreachable(target, &Uncalled::Lost("it answered something else than was asked".to_owned()))
}

type Answers<'s> = BoxStream<'s, Result<StreamAppendResult<Cell>, RPCError<Cell>>>;

impl RaftNetworkV2<Cell> for Peer {
    type SnapshotData = Kept;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Cell>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Cell>, RPCError<Cell>> {
        let Ended { before, last, reply } =
            Begun::new(self.link()?, request, option.soft_ttl()).await.end().await;
        let reply = reply?;
        self.remember(last, before, &reply)?;
        Ok(reply)
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Result<Answers<'s>, RPCError<Cell>>>
    where
        S: Stream<Item = AppendEntriesRequest<Cell>> + OptionalSend + Unpin + 'static,
    {
        let opened = self.link().map(|link| {
            let soft = option.soft_ttl();
            let begun = input.then(move |request| Begun::new(link.clone(), request, soft));
            let ended = begun.map(Begun::end).buffered(APPENDS_IN_FLIGHT_MAX);
            let answers = futures::stream::unfold(Some((self, Box::pin(ended))), |state| async {
                let (peer, mut ended) = state?;
                let (answer, full) = ended.next().await?.judge(peer);
                Some((answer, full.then_some((peer, ended))))
            });
            answers.boxed()
        });
        std::future::ready(opened).boxed()
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
