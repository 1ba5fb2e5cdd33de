//! Roles created and given to nodes.

use std::collections::BTreeMap;

use super::plan::{self, Change, Charge, Problem, Seat};
use super::{Command, Event, WEIGHT_MAX, Wish, eligible, fence, get, list, wish};
use crate::apply::Reply;
use crate::catalog::shape;
use crate::command;
use crate::id::{Epoch, NodeId, RoleId};
use crate::member::{self, profile::Duty};
use crate::reject::{self, Rejection};
use crate::store::{Tx, schema};

/// How many roles a change of members has moved.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Moved {
    /// All that changed hands.
    pub(crate) roles: usize,
    /// Those of them that nobody could take.
    pub(crate) vacant: usize,
}

/// What a command comes to: events, or a refusal.
pub(crate) fn decide(tx: &mut Tx<'_>, command: &Command) -> Result<Reply, Rejection> {
    match command {
        Command::Move { role, node, why } => by_hand(tx, *role, *node, why),
        Command::Pin { role, node } => pin(tx, *role, *node),
        Command::Unpin { role } => {
            let known = known(tx, *role)?;
            wished(tx, *role, Wish { pin: None, ..known });
            Ok(Reply::Done)
        }
        Command::Want { role, labels, weight } => want(tx, *role, labels, *weight),
        Command::Rebalance { why } => {
            reject::text("why", why)?;
            let count = settle(tx, why).roles + level(tx, why);
            Ok(Reply::Changed { count: u32::try_from(count).unwrap_or(u32::MAX) })
        }
        Command::Act { role, epoch, command } => {
            fence(tx, *role, *epoch)?;
            if matches!(**command, command::Command::Role(Command::Act { .. })) {
                return Err(Rejection::invalid("command", "acts for two roles"));
            }
            command::decide(tx, command)
        }
    }
}

fn by_hand(tx: &mut Tx<'_>, role: RoleId, node: NodeId, why: &str) -> Result<Reply, Rejection> {
    let known = known(tx, role)?;
    reject::text("why", why)?;
    eligible(tx, &known, node)?;
    if let Some(pin) = known.pin.filter(|pin| *pin != node) {
        return Err(Rejection::Pinned { role, node: pin });
    }
    give(tx, role, node, why);
    Ok(Reply::Done)
}

fn pin(tx: &mut Tx<'_>, role: RoleId, node: NodeId) -> Result<Reply, Rejection> {
    let known = known(tx, role)?;
    eligible(tx, &known, node)?;
    wished(tx, role, Wish { pin: Some(node), ..known });
    let why = format!("pinned by {}", tx.by());
    give(tx, role, node, &why);
    Ok(Reply::Done)
}

fn want(
    tx: &mut Tx<'_>,
    role: RoleId,
    labels: &BTreeMap<String, String>,
    weight: u32,
) -> Result<Reply, Rejection> {
    let known = known(tx, role)?;
    shape::labels(labels)?;
    if weight == 0 {
        return Err(Rejection::invalid("weight", "is 0"));
    }
    if weight > WEIGHT_MAX {
        return Err(Rejection::too_large("weight", WEIGHT_MAX as usize));
    }
    wished(tx, role, Wish { labels: labels.clone(), weight, ..known });
    settle(tx, "it wants other labels");
    Ok(Reply::Done)
}

/// What a role wishes, which must exist.
fn known(tx: &Tx<'_>, role: RoleId) -> Result<Wish, Rejection> {
    get(tx, role).ok_or(Rejection::NoRole(role))?;
    Ok(wish(tx, role))
}

fn wished(tx: &mut Tx<'_>, role: RoleId, new: Wish) {
    if new != wish(tx, role) {
        tx.emit(Event::Wished { role, wish: Box::new(new) });
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

/// Gives every role whose holder may not have it one that may, as the plan says.
pub(crate) fn settle(tx: &mut Tx<'_>, why: &str) -> Moved {
    let changes = plan::settle(&problem(tx));
    let vacant = changes.iter().filter(|change| change.node.is_none()).count();
    let roles = carry_out(tx, &changes, why);
    Moved { roles, vacant }
}

/// Evens out who drives what; gives the number of roles that moved.
pub(crate) fn level(tx: &mut Tx<'_>, why: &str) -> usize {
    let changes = plan::level(&problem(tx));
    carry_out(tx, &changes, why)
}

/// A node's process began anew: what it drives, and may drive still, it drives in a new epoch.
pub(crate) fn renew(tx: &mut Tx<'_>, node: NodeId, why: &str) -> usize {
    let mut count = 0;
    for role in super::of_node(tx, node) {
        if eligible(tx, &wish(tx, role.id), node).is_ok() {
            assign(tx, role.id, Some(node), why);
            count += 1;
        }
    }
    count
}

/// The problem as the tables have it.
fn problem(tx: &Tx<'_>) -> Problem {
    let members = member::list(tx).into_iter().filter(|row| row.state == member::State::Up);
    let seats = members.filter_map(|row| {
        let profile = member::profile(tx, row.node);
        let member::profile::Profile { duties, labels, capacity } = profile;
        duties.contains(&Duty::Scheduler).then_some(Seat { node: row.node, capacity, labels })
    });
    // Few roles wish anything: all wishes at once are read faster than those of each role.
    let mut wishes: BTreeMap<RoleId, Wish> = schema::WISH.under(tx, &()).collect();
    let charges = list(tx).into_iter().map(|role| Charge {
        role: role.id,
        holder: role.node,
        wish: wishes.remove(&role.id).unwrap_or_default(),
    });
    Problem { seats: seats.collect(), charges: charges.collect() }
}

fn carry_out(tx: &mut Tx<'_>, changes: &[Change], why: &str) -> usize {
    for Change { role, node } in changes {
        assign(tx, *role, *node, why);
    }
    changes.len()
}

fn give(tx: &mut Tx<'_>, role: RoleId, node: NodeId, why: &str) {
    let row = get(tx, role).expect("who gives a role has just read it");
    if row.node != Some(node) {
        assign(tx, role, Some(node), why);
    }
}

fn assign(tx: &mut Tx<'_>, role: RoleId, node: Option<NodeId>, why: &str) {
    let row = get(tx, role).expect("who assigns a role has just read it");
    let epoch = Epoch(row.epoch.0 + 1);
    tx.emit(Event::Assigned { role, node, epoch, why: why.to_owned() });
}
