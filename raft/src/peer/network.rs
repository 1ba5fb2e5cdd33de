//! openraft's calls to the other members, over our links.
//!
//! A call fails at once while the link is down, and openraft comes back after its pause; the pause is cut short when the link comes
//! up. An append waits for the other side's disk, so it has a deadline of its own (`append.rs`); a heartbeat has openraft's.

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

use super::append::{APPEND_WAIT, APPENDS_IN_FLIGHT_MAX, Begun, Matched};
use super::book::Book;
use super::link::{Link, Uncalled};
use super::ship;
use super::wire::{Ask, Reply};
use crate::config::{Cell, Vote};
use crate::snapshot::Kept;

/// The way to the other members.
pub(crate) struct Peers {
    pub(crate) book: Arc<Book>,
}

/// The way to one of them.
pub(crate) struct Peer {
    target: u64,
    book: Arc<Book>,
    matched: Matched,
}

impl RaftNetworkFactory<Cell> for Peers {
    type Network = Peer;

    async fn new_client(&mut self, target: u64, node: &openraft::impls::BasicNode) -> Peer {
        // From now on it is in the book, until it is no member any more.
        let _link = self.book.link(target, &node.addr);
        Peer { target, book: self.book.clone(), matched: Matched::default() }
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
}

/// What a call came to, in openraft's terms.
pub(crate) fn told(link: &Link, answer: Result<Reply, Uncalled>) -> Result<Reply, RPCError<Cell>> {
    match answer {
        Ok(Reply::Failed(why)) => Err(unreachable(link.target, &Uncalled::Lost(why))),
        Ok(reply) => Ok(reply),
        Err(why @ Uncalled::Lost(_)) if link.state().up => {
            Err(RPCError::Network(NetworkError::new(&why)))
        }
        Err(why) => Err(unreachable(link.target, &why)),
    }
}

pub(crate) fn unreachable(target: u64, why: &Uncalled) -> RPCError<Cell> {
    let why = std::io::Error::other(format!("node {target}: {why}"));
    RPCError::Unreachable(Unreachable::new(&why))
}

pub(crate) fn garbled(target: u64) -> RPCError<Cell> {
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
        let within = if request.entries.is_empty() { option.soft_ttl() } else { APPEND_WAIT };
        let begun = Begun::new(self.link(), self.matched.clone(), request, within).await;
        begun.end().await.reply
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        _option: RPCOption,
    ) -> BoxFuture<'s, Result<Answers<'s>, RPCError<Cell>>>
    where
        S: Stream<Item = AppendEntriesRequest<Cell>> + OptionalSend + Unpin + 'static,
    {
        let peer = &*self;
        let begun = input.then(move |request| {
            Begun::new(peer.link(), peer.matched.clone(), request, APPEND_WAIT)
        });
        let ended = Box::pin(begun.map(Begun::end).buffered(APPENDS_IN_FLIGHT_MAX));
        let answers = futures::stream::unfold(Some(ended), |ended| async {
            let mut ended = ended?;
            let next = ended.next().await?;
            let full = next.full();
            Some((next.answer(), full.then_some(ended)))
        });
        std::future::ready(Ok(answers.boxed())).boxed()
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
