//! Who drives what: names, assignment, epochs, fences, the placement plan.
//!
//! A role is something that exactly one node drives: the runs of one workflow, the keeper. Each change of hands raises its epoch,
//! and every proposal made for a role carries the epoch its proposer believes in: a node that lost the role without noticing is
//! refused, however long it slept.
//!
//! Which node, the plan says ([`plan`]); where a role would rather be, people say: pinned to a node, on nodes with some labels,
//! heavier than others. Only nodes that are up and have the duty to schedule may have roles.
//!
//! ```text
//!   (workflow defined, cell founded) ─▶ vacant ──Assigned──▶ held by n, epoch e ──Assigned──▶ held by m, epoch e+1
//!                                          ▲                      │ member lost, nobody left
//!                                          └──────────────────────┘
//! ```

pub(crate) mod decide;
pub(crate) mod evolve;
pub mod name;
pub mod plan;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::command;
use crate::id::{Epoch, NodeId, RoleId, RunId};
use crate::member::profile::{self, Duty};
use crate::reject::Rejection;
use crate::store::{View, schema};
use crate::time::Moment;
use crate::{member, run};

/// The most that a role may weigh.
pub const WEIGHT_MAX: u32 = 10_000;

/// A role as the tables hold it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Its number.
    pub id: RoleId,
    /// Its name: `dag-etl-1-of-1`, `keeper-1-of-1`.
    pub name: String,
    /// Who drives it; none: nobody can.
    pub node: Option<NodeId>,
    /// How often it has changed hands.
    pub epoch: Epoch,
    /// Since when.
    pub since: Moment,
    /// Why, in a few words: `joined`, `n2 lost its heartbeat`, `moved by admin`.
    pub why: String,
    /// Who had it before.
    pub from: Option<NodeId>,
}

/// Where a role would rather be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// At this node whenever it may have it; elsewhere only while it may not.
    pub pin: Option<NodeId>,
    /// Only at nodes that have these labels; if there is none, nowhere.
    pub labels: BTreeMap<String, String>,
    /// How much it counts when the load is evened out; never 0.
    pub weight: u32,
}

impl Default for Wish {
    fn default() -> Self {
        Wish { pin: None, labels: BTreeMap::new(), weight: 1 }
    }
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Give a role to a live member.
    Move {
        /// Which role.
        role: RoleId,
        /// To whom.
        node: NodeId,
        /// Why.
        why: String,
    },
    /// Give a role to a node, and back to it whenever it may have it.
    Pin {
        /// Which role.
        role: RoleId,
        /// To whom.
        node: NodeId,
    },
    /// Let the plan say again where a role is; it stays where it is for now.
    Unpin {
        /// Which role.
        role: RoleId,
    },
    /// Say on which nodes a role may be, and how much it counts.
    Want {
        /// Which role.
        role: RoleId,
        /// Labels that its node must have; empty: any node.
        labels: BTreeMap<String, String>,
        /// How much it counts; 1 is usual.
        weight: u32,
    },
    /// Even out who drives what, now.
    Rebalance {
        /// Why.
        why: String,
    },
    /// What a role's driver asks for beside answers and ticks: refused if the role has another epoch.
    Act {
        /// Which role.
        role: RoleId,
        /// As whose driver.
        epoch: Epoch,
        /// What it asks for; not another of this kind.
        command: Box<command::Command>,
    },
}

/// What can have happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// There is such a role.
    Created {
        /// Its number.
        role: RoleId,
        /// Its name.
        name: String,
    },
    /// It changed hands.
    Assigned {
        /// Which role.
        role: RoleId,
        /// Who drives it now; none: nobody can.
        node: Option<NodeId>,
        /// Its new epoch.
        epoch: Epoch,
        /// Why.
        why: String,
    },
    /// It would rather be somewhere else than before.
    Wished {
        /// Which role.
        role: RoleId,
        /// The new row.
        wish: Box<Wish>,
    },
}

/// A role.
pub fn get(view: &dyn View, id: RoleId) -> Option<Role> {
    schema::ROLE.get(view, &id)
}

/// All roles.
pub fn list(view: &dyn View) -> Vec<Role> {
    schema::ROLE.under(view, &()).map(|(_, role)| role).collect()
}

/// What a node drives.
pub fn of_node(view: &dyn View, node: NodeId) -> Vec<Role> {
    let ids = schema::ROLE_OF_NODE.under(view, &(node,)).map(|((_, role), ())| role);
    ids.filter_map(|role| get(view, role)).collect()
}

/// How many roles a node drives.
pub fn count_of(view: &dyn View, node: NodeId) -> usize {
    schema::ROLE_OF_NODE.under(view, &(node,)).count()
}

/// Where a role would rather be.
pub fn wish(view: &dyn View, id: RoleId) -> Wish {
    schema::WISH.get(view, &id).unwrap_or_default()
}

/// The role that drives a run and the epoch it is at: the fencing token of whoever works for the run. A worker reads it when it
/// learns of a lease; it never falls, whoever drives.
pub fn epoch_of(view: &dyn View, run: RunId) -> Option<(RoleId, Epoch)> {
    let role = run::get(view, run)?.role;
    Some((role, get(view, role)?.epoch))
}

/// Refuses a node that may not have a role with such a wish, and says what is wrong with it.
pub fn eligible(view: &dyn View, wish: &Wish, node: NodeId) -> Result<(), Rejection> {
    let member = member::get(view, node).ok_or(Rejection::NoMember)?;
    if member.state != member::State::Up {
        return Err(Rejection::WrongMemberState { node, state: member.state });
    }
    let known = member::profile(view, node);
    if !known.is(Duty::Scheduler) {
        let why = format!("it has not the role `{}`", Duty::Scheduler);
        return Err(Rejection::Ineligible { node, why });
    }
    if let Some((name, value)) = profile::lacks(&known.labels, &wish.labels) {
        let why = format!("it lacks the label `{name}: {value}`");
        return Err(Rejection::Ineligible { node, why });
    }
    Ok(())
}

/// Refuses who is not the role's driver: the first thing asked of every proposal made for a role.
pub(crate) fn fence(view: &dyn View, id: RoleId, epoch: Epoch) -> Result<(), Rejection> {
    let role = get(view, id).ok_or(Rejection::NoRole(id))?;
    if role.epoch != epoch {
        return Err(Rejection::StaleEpoch { role: id, current: role.epoch });
    }
    Ok(())
}
