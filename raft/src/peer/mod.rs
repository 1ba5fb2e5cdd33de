//! Calls to other members. There are none yet: whoever is called is unreachable, which is what openraft is told.

use std::future::Future;

use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse,
};

use crate::config::{Cell, Vote};
use crate::snapshot::Kept;

/// The way to the other members.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Peers;

/// The way to one of them.
#[derive(Debug)]
pub(crate) struct Peer {
    target: u64,
}

impl Peer {
    fn unreachable(&self) -> Unreachable<Cell> {
        Unreachable::new(&std::io::Error::new(
            std::io::ErrorKind::NotConnected,
            format!("node {} cannot be called: this release runs single nodes", self.target),
        ))
    }
}

impl RaftNetworkFactory<Cell> for Peers {
    type Network = Peer;

    async fn new_client(&mut self, target: u64, _node: &openraft::impls::BasicNode) -> Peer {
        Peer { target }
    }
}

impl RaftNetworkV2<Cell> for Peer {
    type SnapshotData = Kept;

    async fn append_entries(
        &mut self,
        _request: AppendEntriesRequest<Cell>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<Cell>, RPCError<Cell>> {
        Err(RPCError::Unreachable(self.unreachable()))
    }

    async fn vote(
        &mut self,
        _request: VoteRequest<Cell>,
        _option: RPCOption,
    ) -> Result<VoteResponse<Cell>, RPCError<Cell>> {
        Err(RPCError::Unreachable(self.unreachable()))
    }

    async fn full_snapshot(
        &mut self,
        _vote: Vote,
        _snapshot: openraft::alias::SnapshotOf<Cell, Kept>,
        _cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Cell>, StreamingError<Cell>> {
        Err(StreamingError::Unreachable(self.unreachable()))
    }
}
