//! Roles created and given to nodes.

use super::plan::plan;
use super::{Command, Event, get, list};
use crate::apply::Reply;
use crate::id::{Epoch, NodeId, RoleId};
use crate::member;
use crate::reject::Rejection;
use crate::store::{Tx, schema};

/// What a command comes to: events, or a refusal.
pub(crate) fn decide(tx: &mut Tx<'_>, command: &Command) -> Result<Reply, Rejection> {
    match command {
        Command::Move { role, node, why } => {
            let row = get(tx, *role).ok_or(Rejection::NoRole(*role))?;
            if !member::get(tx, *node).is_some_and(|member| member.state == member::State::Up) {
                return Err(Rejection::NoMember);
            }
            if row.node != Some(*node) {
                crate::reject::text("why", why)?;
                assign(tx, *role, Some(*node), why);
            }
            Ok(Reply::Done)
        }
    }
}

/// There is such a role from now on, driven by whoever drives least.
pub(crate) fn create(tx: &mut Tx<'_>, name: String) -> RoleId {
    let last = schema::ROLE.under_back(tx, &()).next();
    let role = RoleId(last.map_or(0, |(id, _)| id.0) + 1);
    tx.emit(Event::Created { role, name });
    settle(tx, "created");
    role
}

/// Gives every role that has no living holder one, as the plan says.
pub(crate) fn settle(tx: &mut Tx<'_>, why: &str) {
    let roles: Vec<_> = list(tx).into_iter().map(|role| (role.id, role.node)).collect();
    for (role, node) in plan(&roles, &member::live(tx)) {
        assign(tx, role, node, why);
    }
}

/// A node's process began anew: what it drives it drives in a new epoch.
pub(crate) fn renew(tx: &mut Tx<'_>, node: NodeId, why: &str) {
    for role in super::of_node(tx, node) {
        assign(tx, role.id, Some(node), why);
    }
}

fn assign(tx: &mut Tx<'_>, role: RoleId, node: Option<NodeId>, why: &str) {
    let row = get(tx, role).expect("who assigns a role has just read it");
    let epoch = Epoch(row.epoch.0 + 1);
    tx.emit(Event::Assigned { role, node, epoch, why: why.to_owned() });
}
