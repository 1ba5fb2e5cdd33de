//! Who does the work: workers, and the actors of the node that answers.

use axum::extract::State;
use axum::http::StatusCode;
use oarlock_engine::command::Command as Any;
use oarlock_engine::id::WorkerId;
use oarlock_engine::task;
use oarlock_engine::worker::{self, Command};
use oarlock_proto::v1;
use oarlock_proto::v1::Actor;
use serde_json::Value;

use super::In;
use super::place::Id;
use crate::convert::{self, cluster};
use crate::fresh::{Fresh, Stale};
use crate::page::{self, Pager, paged};
use crate::params::Params;
use crate::problem::{Answer, Fault, table};
use crate::room::{Read, Room};

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
