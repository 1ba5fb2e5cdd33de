//! What exactly one node drives at a time: which, since when and why; and where people want it.

use std::sync::Arc;

use axum::extract::State;
use oarlock_engine::command::Command as Any;
use oarlock_engine::id::RoleId;
use oarlock_engine::role::{self, Command, Role};
use oarlock_engine::store::View;
use oarlock_proto::v1;
use oarlock_proto::v1::{MoveRole, PinRole};
use serde_json::Value;

use super::In;
use super::nodes::find as find_node;
use super::place::Id;
use crate::body::Json;
use crate::convert::cluster;
use crate::fresh::Fresh;
use crate::page::{self, Pager, paged};
use crate::params::Params;
use crate::problem::{Answer, Fault, table};
use crate::room::{Read, Room};

/// What exactly one node drives at a time, and which.
#[utoipa::path(get, path = "/roles", tag = "cluster",
    params(("filter" = Option<String>, Query, description = "CEL over the fields of an item")),
    responses((status = 200, body = v1::Page<v1::Role>)))]
pub(crate) async fn list(
    State(room): In,
    _: Fresh,
    params: Params,
) -> Answer<Read<v1::Page<Value>>> {
    let params = params.only(&page::PARAMS)?;
    let pager = Pager::<u32>::of("roles", &params)?;
    room.read(|view| {
        let all = role::list(view).into_iter();
        let behind = all.filter(|row| pager.after.is_none_or(|after| row.id.0 > after));
        paged(&pager, behind, |row| row.id.0, |row| cluster::role(view, row))
    })
}

/// One role, by its name or its number.
#[utoipa::path(get, path = "/roles/{name}", tag = "cluster",
    params(("name" = String, Path, description = "`keeper-1-of-1`, or the role's number")),
    responses((status = 200, body = v1::Role)))]
pub(crate) async fn get(State(room): In, _: Fresh, Id(id): Id) -> Answer<Read<v1::Role>> {
    shown(&room, &id)
}

/// Gives a role to a node. It stays there until the node goes or the load is evened out.
#[utoipa::path(post, path = "/roles/{name}/move", tag = "cluster", request_body = MoveRole,
    params(("name" = String, Path, description = "`keeper-1-of-1`, or the role's number")),
    responses((status = 200, body = v1::Role)))]
pub(crate) async fn move_to(
    State(room): In,
    Id(id): Id,
    Json(MoveRole { node, reason }): Json<MoveRole>,
) -> Answer<Read<v1::Role>> {
    let why = reason.unwrap_or_else(|| format!("moved by {}", room.config.principal));
    let command = room.replica.read(|view| {
        let (role, node) = (find(view, &id)?.id, find_node(view, &room, &node)?);
        Ok::<_, Fault>(Command::Move { role, node, why })
    })?;
    room.propose(Any::Role(command)).await?;
    shown(&room, &id)
}

/// Gives a role to a node for good: it goes back there whenever the node may have it.
#[utoipa::path(post, path = "/roles/{name}/pin", tag = "cluster", request_body = PinRole,
    params(("name" = String, Path, description = "`keeper-1-of-1`, or the role's number")),
    responses((status = 200, body = v1::Role)))]
pub(crate) async fn pin(
    State(room): In,
    Id(id): Id,
    Json(PinRole { node }): Json<PinRole>,
) -> Answer<Read<v1::Role>> {
    let command = room.replica.read(|view| {
        let row = find(view, &id)?;
        let node = match node {
            Some(node) => find_node(view, &room, &node)?,
            None => row.node.ok_or_else(|| {
                Fault::new(&table::INELIGIBLE, format!("nobody drives {id}")).hint("name a node")
            })?,
        };
        Ok::<_, Fault>(Command::Pin { role: row.id, node })
    })?;
    room.propose(Any::Role(command)).await?;
    shown(&room, &id)
}

/// Lets the plan say again where a role is.
#[utoipa::path(post, path = "/roles/{name}/unpin", tag = "cluster",
    params(("name" = String, Path, description = "`keeper-1-of-1`, or the role's number")),
    responses((status = 200, body = v1::Role)))]
pub(crate) async fn unpin(State(room): In, Id(id): Id) -> Answer<Read<v1::Role>> {
    let role = room.replica.read(|view| find(view, &id))?.id;
    room.propose(Any::Role(Command::Unpin { role })).await?;
    shown(&room, &id)
}

fn find(view: &dyn View, id: &str) -> Answer<Role> {
    let by_number = id.parse().ok().and_then(|number| role::get(view, RoleId(number)));
    let found = by_number.or_else(|| role::list(view).into_iter().find(|row| row.name == id));
    found.ok_or_else(|| {
        let fault = Fault::new(&table::NO_ROLE, format!("no role `{id}`"));
        let near = role::list(view)
            .into_iter()
            .map(|row| row.name)
            .max_by(|a, b| strsim::jaro_winkler(a, id).total_cmp(&strsim::jaro_winkler(b, id)));
        match near.filter(|near| strsim::jaro_winkler(near, id) > 0.8) {
            Some(near) => fault.hint(format!("did you mean `{near}`?")),
            None => fault,
        }
    })
}

fn shown(room: &Arc<Room>, id: &str) -> Answer<Read<v1::Role>> {
    room.read(|view| find(view, id).map(|row| cluster::role(view, &row)))
}
