//! Nodes of the cluster: joined, lost, draining, which version they speak.
//!
//! A node enters at every start, with the boot that names this life of its process. Boots of a node are ordered: a later one says
//! that the earlier life is over, and what its workers held is ready again in the same entry; an earlier one is refused, however
//! late it arrives, so that a message that was long under way cannot end the life that followed. A node whose clock was set back
//! is told the boot that counts and takes the next one: [`BootId::following`].
//!
//! ```text
//!   nothing ──Enter──▶ up ◀──Undrain── draining        up, draining ──GiveUp──▶ lost        lost ──Leave──▶ left
//!                       └────Drain──────▶              up, draining ──Leave───▶ left        any ──Enter, later boot──▶ up
//! ```
//!
//! Who drains drives nothing from that entry on and is leased nothing; what its workers have they finish. Who is lost or has left
//! loses both at once.

pub(crate) mod decide;
pub mod departure;
pub(crate) mod evolve;
pub mod profile;

use serde::{Deserialize, Serialize};

use self::departure::Departure;
use self::profile::Profile;
use crate::id::{BootId, NodeId};
use crate::store::{View, schema};
use crate::time::{Moment, Span};

/// The most members a cell knows, those that left too: of these the oldest is forgotten when room is needed.
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
    /// Finishes what its workers have, and takes on nothing.
    Draining,
}

impl State {
    /// Whether it takes part: its workers live.
    #[must_use]
    pub fn present(self) -> bool {
        match self {
            State::Up | State::Draining => true,
            State::Lost | State::Left => false,
        }
    }
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
    /// A node's process has started. What builds before rules 2 say; it brings the usual profile.
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
    /// A node's process has started, and its replica has caught up: it may be given roles at once. Repeating it changes nothing.
    Enter {
        /// Which node.
        node: NodeId,
        /// What people call it; no other node that takes part may have the name.
        name: String,
        /// This life of it: later than all before.
        boot: BootId,
        /// Where people and programs reach it.
        address: String,
        /// The newest rules it knows.
        speaks: u32,
        /// What it is for.
        profile: Box<Profile>,
    },
    /// It has not been heard of for too long, and who says so knows how long.
    GiveUp {
        /// Which node.
        node: NodeId,
        /// Which life of it.
        boot: BootId,
        /// Since when it has been silent, by the clock of who listened.
        silent: Option<Span>,
        /// For people: `connection refused`.
        why: String,
    },
    /// It is to hand over its roles and take on nothing more. Lasts as long as this life of the node.
    Drain {
        /// Which node.
        node: NodeId,
        /// Which life of it.
        boot: BootId,
        /// For people: `stopping`, `maintenance`.
        why: String,
    },
    /// It takes part again.
    Undrain {
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
    /// It is for something else than before.
    Profiled {
        /// Which node.
        node: NodeId,
        /// The new row.
        profile: Box<Profile>,
    },
    /// It takes on nothing more.
    Drained {
        /// Which node.
        node: NodeId,
        /// For people.
        why: String,
    },
    /// It takes part again.
    Undrained {
        /// Which node.
        node: NodeId,
    },
    /// Somebody is gone, and this is what it came to.
    Departed {
        /// The new row.
        departure: Box<Departure>,
    },
    /// It left long ago, and its place is needed.
    Forgotten {
        /// Which node.
        node: NodeId,
    },
}

/// A member.
pub fn get(view: &dyn View, node: NodeId) -> Option<Member> {
    schema::MEMBER.get(view, &node)
}

/// What a member is for; who never said has the usual profile.
pub fn profile(view: &dyn View, node: NodeId) -> Profile {
    schema::PROFILE.get(view, &node).unwrap_or_default()
}

/// All members, those that left too.
pub fn list(view: &dyn View) -> Vec<Member> {
    schema::MEMBER.under(view, &()).map(|(_, member)| member).collect()
}

/// Those that are up.
pub fn live(view: &dyn View) -> Vec<NodeId> {
    let members = list(view).into_iter().filter(|member| member.state == State::Up);
    members.map(|member| member.node).collect()
}
