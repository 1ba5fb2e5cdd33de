//! Nodes of the cluster: joined, lost, draining, which version they speak.
//!
//! A node joins at every start, with the boot that names this life of its process. A second join with another boot says that the
//! first life is over: what its workers held is ready again, in the same entry.
//!
//! ```text
//!   nothing ──Join──▶ up ──Lose──▶ lost ──Join (new boot)──▶ up
//!                     │ Leave
//!                     ▼
//!                    left
//! ```

pub(crate) mod decide;
pub(crate) mod evolve;

use serde::{Deserialize, Serialize};

use crate::id::{BootId, NodeId};
use crate::store::{View, schema};
use crate::time::Moment;

/// The most members a cell ever knows, those that left too.
pub const MEMBERS_MAX: usize = 1_000;

/// Where a member stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Takes part.
    Up,
    /// Has not been heard of for too long.
    Lost,
    /// Said goodbye.
    Left,
}

/// A member as the tables hold it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its number.
    pub node: NodeId,
    /// What people call it: `n1`.
    pub name: String,
    /// This life of its process.
    pub boot: BootId,
    /// Where it stands.
    pub state: State,
    /// Since when.
    pub since: Moment,
    /// Where people and programs reach it.
    pub address: String,
    /// The newest rules it knows: see [`crate::version`].
    pub speaks: u32,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// A node's process has started.
    Join {
        /// Which node.
        node: NodeId,
        /// What people call it.
        name: String,
        /// This life of it.
        boot: BootId,
        /// Where people and programs reach it.
        address: String,
        /// The newest rules it knows.
        speaks: u32,
    },
    /// It stops, and says so.
    Leave {
        /// Which node.
        node: NodeId,
        /// Which life of it: an old life cannot end the new one.
        boot: BootId,
    },
    /// It has not been heard of for too long.
    Lose {
        /// Which node.
        node: NodeId,
        /// Which life of it.
        boot: BootId,
    },
}

/// What can have happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// It takes part.
    Joined {
        /// The new row.
        member: Box<Member>,
    },
    /// It said goodbye.
    Left {
        /// Which node.
        node: NodeId,
    },
    /// Every member speaks these rules, so they are in force: see [`crate::version`].
    Agreed {
        /// Which.
        rules: u32,
    },
    /// It is gone without a word.
    Lost {
        /// Which node.
        node: NodeId,
    },
}

/// A member.
pub fn get(view: &dyn View, node: NodeId) -> Option<Member> {
    schema::MEMBER.get(view, &node)
}

/// All members, those that left too.
pub fn list(view: &dyn View) -> Vec<Member> {
    schema::MEMBER.under(view, &()).map(|(_, member)| member).collect()
}

/// Those that take part.
pub fn live(view: &dyn View) -> Vec<NodeId> {
    let members = list(view).into_iter().filter(|member| member.state == State::Up);
    members.map(|member| member.node).collect()
}
