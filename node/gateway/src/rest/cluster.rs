//! The machine itself: roles, nodes, workers, actors.

use axum::extract::State;
use axum::http::StatusCode;
use oarlock_engine::command::Command as Any;
use oarlock_engine::id::{NodeId, RoleId, WorkerId};
use oarlock_engine::worker::{self, Command};
use oarlock_engine::{member, role, task};
use oarlock_proto::v1;
use oarlock_proto::v1::Actor;
use serde_json::Value;

use super::In;
use super::place::Id;
use crate::convert::{self, cluster, name};
use crate::page::{self, Pager};
use crate::params::Params;
use crate::problem::{Answer, Fault, table};
use crate::room::{Fresh, Read, Room, Stale};

/// What exactly one node drives at a time, and which.
#[utoipa::path(get, path = "/roles", tag = "cluster",
    params(("filter" = Option<String>, Query, description = "CEL over the fields of an item")),
    responses((status = 200, body = v1::Page<v1::Role>)))]
pub(crate) async fn roles(
    State(room): In,
    _: Stale,
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
pub(crate) async fn role(State(room): In, _: Fresh, Id(id): Id) -> Answer<Read<v1::Role>> {
    room.read(|view| {
        let by_number = id.parse().ok().and_then(|number| role::get(view, RoleId(number)));
        let found = by_number.or_else(|| role::list(view).into_iter().find(|row| row.name == id));
        let row = found.ok_or_else(|| Fault::new(&table::NO_ROLE, format!("no role `{id}`")))?;
        Ok(cluster::role(view, &row))
    })
}

/// The nodes.
#[utoipa::path(get, path = "/nodes", tag = "cluster",
    params(("filter" = Option<String>, Query, description = "CEL over the fields of an item")),
    responses((status = 200, body = v1::Page<v1::Member>)))]
pub(crate) async fn nodes(
    State(room): In,
    _: Stale,
    params: Params,
) -> Answer<Read<v1::Page<Value>>> {
    let params = params.only(&page::PARAMS)?;
    let pager = Pager::<u64>::of("nodes", &params)?;
    let status = room.replica.status();
    room.read(|view| {
        let workers = worker::list(view);
        let all = member::list(view).into_iter();
        let behind = all.filter(|row| pager.after.is_none_or(|after| row.node.0 > after));
        let shown =
            |row: &member::Member| cluster::member(view, row, &workers, status.node, status.leader);
        paged(&pager, behind, |row| row.node.0, shown)
    })
}

/// One node, by its name or its number.
#[utoipa::path(get, path = "/nodes/{name}", tag = "cluster",
    params(("name" = String, Path, description = "`n1`, or the node's number")),
    responses((status = 200, body = v1::Member)))]
pub(crate) async fn node(State(room): In, _: Fresh, Id(id): Id) -> Answer<Read<v1::Member>> {
    let status = room.replica.status();
    room.read(|view| {
        let by_number = id.parse().ok().and_then(|number| member::get(view, NodeId(number)));
        let named = |row: &member::Member| name::node(view, row.node) == id;
        let found = by_number.or_else(|| member::list(view).into_iter().find(named));
        let row = found.ok_or_else(|| Fault::new(&table::NO_MEMBER, format!("no node `{id}`")))?;
        let workers = worker::list(view);
        Ok(cluster::member(view, &row, &workers, status.node, status.leader))
    })
}

/// Who does the work.
#[utoipa::path(get, path = "/workers", tag = "cluster",
    params(("filter" = Option<String>, Query, description = "CEL over the fields of an item")),
    responses((status = 200, body = v1::Page<v1::Worker>)))]
pub(crate) async fn workers(
    State(room): In,
    _: Stale,
    params: Params,
) -> Answer<Read<v1::Page<Value>>> {
    let params = params.only(&page::PARAMS)?;
    let pager = Pager::<String>::of("workers", &params)?;
    room.read(|view| {
        let all = worker::list(view).into_iter();
        let behind =
            all.filter(|row| pager.after.as_ref().is_none_or(|after| row.id.to_string() > *after));
        paged(&pager, behind, |row| row.id.to_string(), |row| cluster::worker(view, row))
    })
}

/// One worker, with the tasks it has.
#[utoipa::path(get, path = "/workers/{id}", tag = "cluster",
    params(("id" = String, Path, description = "`wrk_…`, or the worker's name")),
    responses((status = 200, body = v1::Worker)))]
pub(crate) async fn worker(State(room): In, _: Fresh, Id(id): Id) -> Answer<Read<v1::Worker>> {
    room.read(|view| {
        let row = find_worker(view, &id)?;
        let held = task::leased(view, row.id).into_iter();
        let tasks = held.filter_map(|task| convert::run::task_name(view, &room.shelf, task));
        Ok(v1::Worker { tasks: tasks.collect(), ..cluster::worker(view, &row) })
    })
}

/// Gives a worker nothing more; what it has, it finishes.
#[utoipa::path(post, path = "/workers/{id}/drain", tag = "cluster",
    params(("id" = String, Path, description = "`wrk_…`, or the worker's name")),
    responses((status = 200, body = v1::Worker)))]
pub(crate) async fn drain(State(room): In, Id(id): Id) -> Answer<Read<v1::Worker>> {
    let worker = room.replica.read(|view| find_worker(view, &id))?.id;
    room.propose(Any::Worker(Command::Drain { worker })).await?;
    room.read(|view| find_worker(view, &worker.to_string()).map(|row| cluster::worker(view, &row)))
}

/// The supervision tree of the node that answers.
#[utoipa::path(get, path = "/actors", tag = "cluster",
    responses((status = 200, body = Actor)))]
pub(crate) async fn actors(State(room): In, params: Params) -> Answer<axum::response::Response> {
    params.only(&[])?;
    Ok(crate::room::json(&tree(&room)))
}

/// One actor, with those it supervises.
#[utoipa::path(get, path = "/actors/{id}", tag = "cluster",
    params(("id" = String, Path, description = "As the tree has it: `role:dag-etl-1-of-1`")),
    responses((status = 200, body = Actor)))]
pub(crate) async fn actor(State(room): In, Id(id): Id) -> Answer<axum::response::Response> {
    let tree = tree(&room);
    let found = find_actor(&tree, &id).ok_or_else(|| no_actor(&id))?;
    Ok(crate::room::json(found))
}

/// Ends an actor; its supervisor starts it anew. What is true is in the log, so nothing is lost.
#[utoipa::path(post, path = "/actors/{id}/restart", tag = "cluster",
    params(("id" = String, Path, description = "As the tree has it: `role:dag-etl-1-of-1`")),
    responses((status = 204, description = "It was told to")))]
pub(crate) async fn restart(State(room): In, Id(id): Id) -> Answer<StatusCode> {
    room.crew.restart(&id).map_err(|_| no_actor(&id))?;
    Ok(StatusCode::NO_CONTENT)
}

fn tree(room: &Room) -> Actor {
    let node = room.node_name(room.replica.status().node);
    let mut roots = cluster::actors(room.crew.tree(), &node);
    if roots.len() == 1
        && let Some(root) = roots.pop()
    {
        return root;
    }
    // Before the first actor has started, or if one lost its supervisor: the node itself stands at the top.
    Actor {
        id: node.clone(),
        kind: "node".to_owned(),
        name: node.clone(),
        state: "running".to_owned(),
        node,
        restarts: 0,
        since: None,
        last_failure: None,
        details: Value::Null,
        children: roots,
    }
}

fn find_actor<'a>(tree: &'a Actor, id: &str) -> Option<&'a Actor> {
    if tree.id == id {
        return Some(tree);
    }
    tree.children.iter().find_map(|child| find_actor(child, id))
}

fn no_actor(id: &str) -> Fault {
    Fault::new(&table::NO_ACTOR, format!("no actor `{id}` on this node"))
}

fn find_worker(view: &dyn oarlock_engine::store::View, id: &str) -> Answer<worker::Worker> {
    let by_id = id.parse::<WorkerId>().ok().and_then(|id| worker::get(view, id));
    let found = by_id.or_else(|| worker::list(view).into_iter().find(|row| row.name == id));
    found.ok_or_else(|| Fault::new(&table::NO_WORKER, format!("no worker `{id}`")))
}

/// A page of rows that are in order already.
fn paged<R, C: serde::Serialize + serde::de::DeserializeOwned, T: serde::Serialize>(
    pager: &Pager<C>,
    rows: impl Iterator<Item = R>,
    place: impl Fn(&R) -> C,
    shown: impl Fn(&R) -> T,
) -> Answer<v1::Page<Value>> {
    let mut items = Vec::new();
    let mut last = None;
    for row in rows {
        if items.len() == pager.size {
            return Ok(pager.page(items, last.as_ref()));
        }
        items.extend(pager.show(&shown(&row))?);
        last = Some(place(&row));
    }
    Ok(pager.page(items, None))
}
