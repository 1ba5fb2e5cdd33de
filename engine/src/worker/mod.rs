//! Workers and their sessions: kinds, slots, arrival and loss.
//!
//! A session lives with the life of the node it is attached through. The engine counts what each worker holds and grants no more
//! than its slots, whatever its offers say; when a session ends, what it held is ready again at once.
//!
//! ```text
//!   nothing ──Attach──▶ attached ──Drain──▶ draining (keeps what it has, is granted nothing) ──Detach──▶ gone
//!                           └──────────── Detach, its node lost or rebooted ───────────────────────────▶ gone
//! ```

pub(crate) mod decide;
pub(crate) mod evolve;

use serde::{Deserialize, Serialize};

use crate::id::{BootId, NodeId, WorkerId};
use crate::store::{View, schema};
use crate::time::Moment;

/// The most sessions attached through one node.
pub const SESSIONS_MAX: usize = 1_000;
/// The most slots a session may have.
pub const SLOTS_MAX: u32 = 10_000;

/// The most queues, and the most handlers, that a session may name.
pub const NAMES_MAX: usize = 1_000;

/// A session as the tables hold it; the row goes when the session ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worker {
    /// Its id.
    pub id: WorkerId,
    /// What people call it.
    pub name: String,
    /// Through which node it is attached.
    pub node: NodeId,
    /// And which life of that node.
    pub boot: BootId,
    /// Which queues it serves; empty: every queue.
    pub queues: Vec<String>,
    /// Handlers it has registered, for `call`.
    pub calls: Vec<String>,
    /// Whether it runs the built-in kinds: `run`, `http`, `noop`.
    pub builtin: bool,
    /// How many tasks at once.
    pub slots: u32,
    /// How many it has.
    pub leased: u32,
    /// Is granted nothing any more.
    pub draining: bool,
    /// Since when.
    pub since: Moment,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// A session begins. Repeating it changes nothing.
    Attach {
        /// Its id.
        worker: WorkerId,
        /// What people call it.
        name: String,
        /// Through which node.
        node: NodeId,
        /// Which life of it: refused if that is over.
        boot: BootId,
        /// Which queues it serves; empty: every queue.
        queues: Vec<String>,
        /// Handlers it has registered.
        calls: Vec<String>,
        /// Whether it runs the built-in kinds.
        builtin: bool,
        /// How many tasks at once.
        slots: u32,
    },
    /// Grant it nothing more.
    Drain {
        /// Which.
        worker: WorkerId,
    },
    /// The session is over.
    Detach {
        /// Which.
        worker: WorkerId,
    },
}

/// What can have happened. How many tasks it holds is counted by the task's own events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A session began.
    Attached {
        /// The new row.
        worker: Box<Worker>,
    },
    /// It is granted nothing more.
    Drained {
        /// Which.
        worker: WorkerId,
    },
    /// The session is over.
    Detached {
        /// Which.
        worker: WorkerId,
        /// Why.
        why: String,
    },
}

/// A session.
pub fn get(view: &dyn View, id: WorkerId) -> Option<Worker> {
    schema::WORKER.get(view, &id)
}

/// All sessions.
pub fn list(view: &dyn View) -> Vec<Worker> {
    schema::WORKER.under(view, &()).map(|(_, worker)| worker).collect()
}

/// Sessions attached through a node.
pub fn of_node(view: &dyn View, node: NodeId) -> Vec<Worker> {
    let ids = schema::WORKER_OF_NODE.under(view, &(node,)).map(|((_, id), ())| id);
    ids.filter_map(|id| get(view, id)).collect()
}
