//! Musters the tree on a node, and dismisses it in order.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use oarlock_engine::apply::Offer;
use oarlock_engine::id::{BootId, NodeId, WorkerId};
use oarlock_raft::{ProposeError, Replica};

use crate::status::{ActorStatus, Board};
use crate::worker::logs::Logs;

/// What a crew needs to know of its node.
#[derive(Debug, Clone)]
pub struct CrewConfig {
    /// This member's number.
    pub node: NodeId,
    /// What people call it: `n1`.
    pub name: String,
    /// This life of its process: new at every start.
    pub boot: BootId,
    /// Where people and programs reach it.
    pub address: String,
    /// How many tasks the built-in worker runs at once.
    pub slots: u32,
    /// Which queues it serves; empty: every queue.
    pub queues: Vec<String>,
    /// Where relative `dir`s of `run` tasks begin.
    pub workdir: PathBuf,
    /// How often the keeper looks for what is too old.
    pub keeper_every: Duration,
}

impl CrewConfig {
    /// A node with the usual settings: as many slots as processors, twice; the current directory; every queue.
    #[must_use]
    pub fn new(node: NodeId, boot: BootId) -> CrewConfig {
        let processors = std::thread::available_parallelism().map_or(2, usize::from);
        CrewConfig {
            node,
            name: format!("n{node}"),
            boot,
            address: String::new(),
            slots: u32::try_from(2 * processors).unwrap_or(u32::MAX).max(8),
            queues: Vec::new(),
            workdir: PathBuf::from("."),
            keeper_every: Duration::from_secs(60),
        }
    }
}

/// The actors of one node. Cheap to clone; dropping it does not stop them, [`Crew::dismiss`] does.
#[derive(Clone)]
pub struct Crew {
    board: Arc<Board>,
    logs: Logs,
    worker: WorkerId,
}

/// How a dismissal went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dismissal {
    /// Attempts that finished in time.
    pub finished: usize,
    /// Attempts that were stopped and given back.
    pub returned: usize,
}

impl Crew {
    /// Joins the node to the cell, attaches its built-in worker and starts the tree.
    ///
    /// # Errors
    /// When the replica takes no proposals, or an actor cannot start.
    pub async fn muster(_replica: Replica, _config: CrewConfig) -> Result<Crew, Fault> {
        todo!()
    }

    /// The session of this node's built-in worker.
    #[must_use]
    pub fn worker(&self) -> WorkerId {
        self.worker
    }

    /// The built-in worker's free slots, for proposals that may ready tasks; none: there are none, or it drains.
    #[must_use]
    pub fn offer(&self) -> Option<Offer> {
        todo!()
    }

    /// The supervision tree, by card name.
    #[must_use]
    pub fn tree(&self) -> Vec<ActorStatus> {
        self.board.tree()
    }

    /// Stops an actor, so that its supervisor starts it anew: the operator's way out of a hung one.
    ///
    /// # Errors
    /// When there is no such actor, or it is the root.
    pub fn restart(&self, id: &str) -> Result<(), NoActor> {
        let known = self.board.stop(id, "restarted by an operator");
        if known { Ok(()) } else { Err(NoActor(id.to_owned())) }
    }

    /// Makes an actor panic at its next message, to see that supervision works. For tests and drills; nothing is lost by it.
    ///
    /// # Errors
    /// When there is no such actor.
    pub fn inject_panic(&self, id: &str) -> Result<(), NoActor> {
        if self.board.panic(id) { Ok(()) } else { Err(NoActor(id.to_owned())) }
    }

    /// The live output of running attempts.
    #[must_use]
    pub fn logs(&self) -> &Logs {
        &self.logs
    }

    /// Waits until the supervisor gives up, and says why: the node should then end loudly. Pending for ever otherwise.
    pub async fn gave_up(&self) -> String {
        todo!()
    }

    /// Stops in order: no new leases, running attempts may finish for `limit`, what is left then is stopped and given back;
    /// the worker's session ends and the node says goodbye.
    pub async fn dismiss(&self, _limit: Duration) -> Dismissal {
        todo!()
    }
}

/// What keeps a crew from starting.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The node could not join the cell or attach its worker.
    #[error("cannot join: {0}")]
    Join(#[source] ProposeError),
    /// An actor could not start.
    #[error("cannot start the actors: {0}")]
    Start(String),
}

/// There is no such actor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no actor `{0}`")]
pub struct NoActor(pub String);
