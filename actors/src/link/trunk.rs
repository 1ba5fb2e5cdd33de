//! What a replica gives its node's actors of the other nodes: streams to them, and what it hears of them by itself.
//!
//! The streams are authenticated before they come here: who is at the other end of one is certain. They carry the actors' own
//! handshake and nothing of the replica's.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{FutureExt as _, StreamExt as _};
use oarlock_engine::id::NodeId;
use oarlock_raft::{Lead, Link, Replica};
use ractor_cluster::{BoxRead, BoxWrite, ClusterBidiStream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Mutex, watch};

/// Opens a stream to a node's actors.
type Dial = dyn Fn(NodeId) -> BoxFuture<'static, Result<Stream, String>> + Send + Sync;
/// How long ago the replica heard of each node.
type Heard = dyn Fn() -> Vec<(NodeId, Duration)> + Send + Sync;
/// Says whether this node would rather not lead.
type StandBack = dyn Fn(bool) + Send + Sync;
/// Hands leadership to another voter.
type HandOver = dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync;

/// A connected stream to another node's actors.
pub struct Stream {
    node: NodeId,
    reader: BoxRead,
    writer: BoxWrite,
}

impl Stream {
    /// Of both directions in one, to this node.
    pub fn new<S>(node: NodeId, stream: S) -> Stream
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (reader, writer) = tokio::io::split(stream);
        Stream { node, reader: Box::new(reader), writer: Box::new(writer) }
    }

    /// Who is at the other end.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.node
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("node", &self.node).finish_non_exhaustive()
    }
}

impl ClusterBidiStream for Stream {
    fn split(self: Box<Self>) -> (BoxRead, BoxWrite) {
        (self.reader, self.writer)
    }

    fn peer_label(&self) -> Option<String> {
        Some(self.node.to_string())
    }
}

/// The way to the other nodes, and what is heard on it.
pub struct Trunk {
    /// Opens a stream to a node's actors.
    pub dial: Box<Dial>,
    /// Streams that other nodes open to this one.
    pub visitors: Mutex<BoxStream<'static, Stream>>,
    /// The replica's own connections.
    pub links: watch::Receiver<BTreeMap<NodeId, Link>>,
    /// Who leads.
    pub lead: watch::Receiver<Lead>,
    /// How long ago the replica heard of each node, by whatever means.
    pub heard: Box<Heard>,
    /// Says whether this node would rather not lead: the others do not hand over to it then.
    pub stand_back: Box<StandBack>,
    /// Stands back, and hands leadership to another voter if this node has it.
    pub hand_over: Box<HandOver>,
}

impl fmt::Debug for Trunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trunk").finish_non_exhaustive()
    }
}

impl Trunk {
    /// Of a replica; none: it is alone and stays so.
    #[must_use]
    pub fn of(replica: &Replica) -> Option<Trunk> {
        let visitors = replica.visitors()?;
        let visitors = stream::unfold(visitors, |mut visitors| async move {
            let visitor = visitors.recv().await?;
            Some((Stream::new(visitor.node, visitor.stream), visitors))
        });
        let (dialling, members) = (replica.clone(), replica.clone());
        let (standing, leading) = (replica.clone(), replica.clone());
        Some(Trunk {
            dial: Box::new(move |node| {
                let replica = dialling.clone();
                async move {
                    let stream = replica.dial(node).await.map_err(|why| why.to_string())?;
                    Ok(Stream::new(node, stream))
                }
                .boxed()
            }),
            visitors: Mutex::new(visitors.boxed()),
            links: replica.links(),
            lead: replica.lead(),
            heard: Box::new(move || {
                let members = members.members().into_iter().filter(|member| !member.here);
                members.filter_map(|member| Some((member.node, member.heard?))).collect()
            }),
            stand_back: Box::new(move |back| standing.stand_back(back)),
            hand_over: Box::new(move || {
                let replica = leading.clone();
                async move { replica.hand_over().await.map_err(|why| why.to_string()) }.boxed()
            }),
        })
    }
}
