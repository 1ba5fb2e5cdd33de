//! Calls to other members. There are none yet: whoever is called is unreachable, which is what openraft is told.

use std::future::Future;

use oarlock_engine::id::NodeId;
use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse,
};

use crate::Replica;
use crate::cluster::{Member, Standing};
use crate::config::{Cell, Vote};
use crate::fault::Fault;
use crate::snapshot::Kept;

/// A change of the group that somebody asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Promote(NodeId),
    Demote(NodeId),
    Remove(NodeId),
    Lead(Option<NodeId>),
}

/// All members, seen from a replica.
pub(crate) fn members(replica: &Replica) -> Vec<Member> {
    let status = replica.status();
    vec![Member {
        node: status.node,
        address: String::new(),
        standing: Standing::Voter,
        leads: status.leader == Some(status.node),
        here: true,
        heard: Some(std::time::Duration::ZERO),
        matched: Some(status.log_last),
        lag: Some(0),
        link: None,
    }]
}

/// Asks the leader for a change of the group.
pub(crate) async fn change(_replica: &Replica, _change: Change) -> Result<(), Fault> {
    Err(Fault::Refused("this node is alone: no peer address is configured".to_owned()))
}

/// Opens a connection to another node's actors.
pub(crate) async fn dial(_replica: &Replica, node: NodeId) -> Result<tokio::net::TcpStream, Fault> {
    Err(Fault::Refused(format!("node {node} is no member of this cluster")))
}

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
