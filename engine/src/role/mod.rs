//! Who drives what: names, assignment, epochs, fences, the placement plan.
//!
//! A role is something that exactly one node drives: the runs of one workflow, the keeper. Each change of hands raises its epoch,
//! and every proposal made for a role carries the epoch its proposer believes in: a node that lost the role without noticing is
//! refused, however long it slept.
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

use serde::{Deserialize, Serialize};

use crate::id::{Epoch, NodeId, RoleId};
use crate::reject::Rejection;
use crate::store::{View, schema};
use crate::time::Moment;

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

/// Refuses who is not the role's driver: the first thing asked of every proposal made for a role.
pub(crate) fn fence(view: &dyn View, id: RoleId, epoch: Epoch) -> Result<(), Rejection> {
    let role = get(view, id).ok_or(Rejection::NoRole(id))?;
    if role.epoch != epoch {
        return Err(Rejection::StaleEpoch { role: id, current: role.epoch });
    }
    Ok(())
}
