//! The nodes: look at them, let them hand over, let them vote or not, take them out.

use std::sync::Arc;

use axum::extract::State;
use oarlock_engine::command::Command as Any;
use oarlock_engine::id::NodeId;
use oarlock_engine::member::{self, Command, Member, State as Life};
use oarlock_engine::role;
use oarlock_engine::store::View;
use oarlock_proto::v1;
use oarlock_proto::v1::MemberStep;
use oarlock_raft::Standing;
use serde_json::Value;

use super::In;
use super::place::Id;
use crate::body::Json;
use crate::convert::name;
use crate::convert::node::Sight;
use crate::fresh::{Fresh, Stale};
use crate::page::{self, Pager, paged};
use crate::params::Params;
use crate::problem::{Answer, Fault, table};
use crate::room::{Read, Room};

/// The nodes.
#[utoipa::path(get, path = "/nodes", tag = "cluster",
    params(("filter" = Option<String>, Query, description = "CEL over the fields of an item")),
    responses((status = 200, body = v1::Page<v1::Member>)))]
pub(crate) async fn list(
    State(room): In,
    _: Stale,
    params: Params,
) -> Answer<Read<v1::Page<Value>>> {
    let params = params.only(&page::PARAMS)?;
    let pager = Pager::<u64>::of("nodes", &params)?;
    let sight = Sight::of(&room);
    room.read(|view| {
        let all = sight.all(view).into_iter();
        let behind = all.filter(|member| pager.after.is_none_or(|after| member.id > after));
        paged(&pager, behind, |member| member.id, Clone::clone)
    })
}

/// One node, by its name or its number.
#[utoipa::path(get, path = "/nodes/{name}", tag = "cluster",
    params(("name" = String, Path, description = "`n1`, or the node's number")),
    responses((status = 200, body = v1::Member)))]
pub(crate) async fn get(State(room): In, _: Fresh, Id(id): Id) -> Answer<Read<v1::Member>> {
    let node = room.replica.read(|view| find(view, &room, &id))?;
    shown(&room, node)
}

/// Lets a node hand over its roles, finish what it runs and take on nothing more, so that it can be stopped.
#[utoipa::path(post, path = "/nodes/{name}/drain", tag = "cluster", request_body = MemberStep,
    params(("name" = String, Path, description = "`n1`, or the node's number")),
    responses((status = 200, body = v1::Member)))]
pub(crate) async fn drain(
    State(room): In,
    Id(id): Id,
    Json(MemberStep { reason, force }): Json<MemberStep>,
) -> Answer<Read<v1::Member>> {
    let row = joined(&room, &id)?;
    if !force {
        let sight = Sight::of(&room);
        room.replica.read(|view| missed(view, &sight, &row))?;
    }
    let (node, boot) = (row.node, row.boot);
    let why = reason.unwrap_or_else(|| "maintenance".to_owned());
    // If it leads it reads this of itself, and hands that over, too.
    room.propose(Any::Member(Command::Drain { node, boot, why })).await?;
    shown(&room, node)
}

/// Lets a node take part again.
#[utoipa::path(post, path = "/nodes/{name}/undrain", tag = "cluster",
    params(("name" = String, Path, description = "`n1`, or the node's number")),
    responses((status = 200, body = v1::Member)))]
pub(crate) async fn undrain(State(room): In, Id(id): Id) -> Answer<Read<v1::Member>> {
    let Member { node, boot, .. } = joined(&room, &id)?;
    room.propose(Any::Member(Command::Undrain { node, boot })).await?;
    shown(&room, node)
}

/// Lets a node vote, once it has caught up.
#[utoipa::path(post, path = "/nodes/{name}/promote", tag = "cluster",
    params(("name" = String, Path, description = "`n1`, or the node's number")),
    responses((status = 200, body = v1::Member)))]
pub(crate) async fn promote(State(room): In, Id(id): Id) -> Answer<Read<v1::Member>> {
    let node = room.replica.read(|view| find(view, &room, &id))?;
    room.replica.promote(node).await?;
    shown(&room, node)
}

/// Lets a node keep its copy and vote no more.
#[utoipa::path(post, path = "/nodes/{name}/demote", tag = "cluster",
    params(("name" = String, Path, description = "`n1`, or the node's number")),
    responses((status = 200, body = v1::Member)))]
pub(crate) async fn demote(State(room): In, Id(id): Id) -> Answer<Read<v1::Member>> {
    let node = room.replica.read(|view| find(view, &room, &id))?;
    room.replica.demote(node).await?;
    shown(&room, node)
}

/// Takes a node out for good: its number is never used again.
#[utoipa::path(post, path = "/nodes/{name}/remove", tag = "cluster", request_body = MemberStep,
    params(("name" = String, Path, description = "`n1`, or the node's number")),
    responses((status = 200, body = v1::Member)))]
pub(crate) async fn remove(
    State(room): In,
    Id(id): Id,
    Json(MemberStep { force, .. }): Json<MemberStep>,
) -> Answer<Read<v1::Member>> {
    let node = room.replica.read(|view| find(view, &room, &id))?;
    let row = room.replica.read(|view| member::get(view, node));
    if let Some(row) = row.as_ref().filter(|row| row.state == Life::Up && !force) {
        let detail = format!("{} is up", row.name);
        return Err(Fault::new(&table::GROUP_REFUSED, detail)
            .hint("drain and stop it first, or repeat it with force=true"));
    }
    if Sight::of(&room).seat(node).is_some() {
        room.replica.remove(node).await?;
    }
    if let Some(Member { boot, .. }) = row {
        room.propose(Any::Member(Command::Leave { node, boot })).await?;
    }
    shown(&room, node)
}

/// A node by its name or its number: one that takes part before one that left.
pub(crate) fn find(view: &dyn View, room: &Room, id: &str) -> Answer<NodeId> {
    let number = id.parse().ok().map(NodeId);
    let known = |node: &NodeId| {
        member::get(view, *node).is_some() || room.replica.members().iter().any(|m| m.node == *node)
    };
    if let Some(node) = number.filter(known) {
        return Ok(node);
    }
    let mut named: Vec<_> =
        member::list(view).into_iter().filter(|row| name::node(view, row.node) == id).collect();
    named.sort_by_key(|row| (!row.state.present(), row.node));
    let seats = room.replica.members().into_iter().map(|seat| seat.node);
    let found = named.first().map(|row| row.node);
    found.or_else(|| seats.into_iter().find(|node| format!("n{node}") == id)).ok_or_else(|| {
        let names: Vec<String> =
            member::list(view).iter().map(|row| name::node(view, row.node)).collect();
        Fault::new(&table::NO_MEMBER, format!("no node `{id}`"))
            .hint(format!("there are {}", names.join(", ")))
    })
}

fn joined(room: &Room, id: &str) -> Answer<Member> {
    room.replica.read(|view| {
        let node = find(view, room, id)?;
        let row = member::get(view, node);
        row.ok_or_else(|| Fault::new(&table::WRONG_NODE_STATE, format!("{id} has not begun yet")))
    })
}

/// Refuses a drain after which the cluster would stand still.
fn missed(view: &dyn View, sight: &Sight, row: &Member) -> Answer<()> {
    let name = &row.name;
    let refuse = |why: String| Err(Fault::new(&table::LAST_OF_ITS_KIND, why));
    let roles = role::of_node(view, row.node);
    let others: Vec<NodeId> =
        member::live(view).into_iter().filter(|node| *node != row.node).collect();
    let may = |role: &role::Role| {
        let wish = role::wish(view, role.id);
        others.iter().any(|node| role::eligible(view, &wish, *node).is_ok())
    };
    if let Some(role) = roles.iter().find(|role| !may(role)) {
        return refuse(format!("nobody but {name} can drive {}", role.name));
    }
    let draining: Vec<Member> = member::list(view)
        .into_iter()
        .filter(|other| other.state == Life::Draining && other.node != row.node)
        .collect();
    let votes = sight.seat(row.node).is_some_and(|seat| seat.standing == Standing::Voter);
    let voters = sight.voters().count();
    let reachable = sight.voters().filter(|seat| {
        let up = seat.here || seat.link.as_ref().is_some_and(|link| link.up);
        up && seat.node != row.node && draining.iter().all(|other| other.node != seat.node)
    });
    let (quorum, left) = (voters / 2 + 1, reachable.count());
    if votes && voters > 1 && left < quorum {
        let away: Vec<String> =
            draining.iter().map(|other| format!(" ({} drains already)", other.name)).collect();
        return refuse(format!(
            "without {name} {left} of {voters} voters would answer, and {quorum} must{}",
            away.concat()
        ));
    }
    Ok(())
}

fn shown(room: &Arc<Room>, node: NodeId) -> Answer<Read<v1::Member>> {
    let sight = Sight::of(room);
    room.read(|view| {
        let found = sight.all(view).into_iter().find(|member| member.id == node.0);
        found.ok_or_else(|| Fault::new(&table::NO_MEMBER, format!("no node {node}")))
    })
}
