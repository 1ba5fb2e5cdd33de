//! Who does the work: workers, and the actors of a node.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use oarlock_engine::command::Command as Any;
use oarlock_engine::id::{NodeId, WorkerId};
use oarlock_engine::task;
use oarlock_engine::worker::{self, Command};
use oarlock_proto::v1;
use oarlock_proto::v1::Actor;
use serde_json::Value;

use super::In;
use super::place::Id;
use crate::convert::{self, cluster};
use crate::fresh::Fresh;
use crate::page::{self, Pager, paged};
use crate::params::Params;
use crate::problem::{Answer, Fault, table};
use crate::room::{Read, Room};

/// How long another node's actors may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// Who does the work.
#[utoipa::path(get, path = "/workers", tag = "cluster",
    params(("filter" = Option<String>, Query, description = "CEL over the fields of an item")),
    responses((status = 200, body = v1::Page<v1::Worker>)))]
pub(crate) async fn workers(
    State(room): In,
    _: Fresh,
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

/// The supervision tree of a node: of the one that answers, or of another one.
#[utoipa::path(get, path = "/actors", tag = "cluster",
    params(("node" = Option<String>, Query, description = "`n2`; absent: the node that answers")),
    responses((status = 200, body = Actor)))]
pub(crate) async fn actors(State(room): In, params: Params) -> Answer<axum::response::Response> {
    let params = params.only(&["node"])?;
    Ok(crate::room::json(&tree(&room, &params).await?))
}

/// One actor, with those it supervises.
#[utoipa::path(get, path = "/actors/{id}", tag = "cluster",
    params(("id" = String, Path, description = "As the tree has it: `role:dag-etl-1-of-1`"),
           ("node" = Option<String>, Query, description = "`n2`; absent: the node that answers")),
    responses((status = 200, body = Actor)))]
pub(crate) async fn actor(
    State(room): In,
    Id(id): Id,
    params: Params,
) -> Answer<axum::response::Response> {
    let params = params.only(&["node"])?;
    let tree = tree(&room, &params).await?;
    let found = find_actor(&tree, &id).ok_or_else(|| no_actor(&id, &tree.node))?;
    Ok(crate::room::json(found))
}

/// Ends an actor; its supervisor starts it anew. What is true is in the log, so nothing is lost.
#[utoipa::path(post, path = "/actors/{id}/restart", tag = "cluster",
    params(("id" = String, Path, description = "As the tree has it: `role:dag-etl-1-of-1`"),
           ("node" = Option<String>, Query, description = "`n2`; absent: the node that answers")),
    responses((status = 204, description = "It was told to")))]
pub(crate) async fn restart(State(room): In, Id(id): Id, params: Params) -> Answer<StatusCode> {
    let params = params.only(&["node"])?;
    let node = asked(&room, &params)?;
    let told = room.crew.restart_at(node, &id, ANSWER_MAX).await.map_err(silent)?;
    told.map_err(|_| no_actor(&id, &room.node_name(node)))?;
    Ok(StatusCode::NO_CONTENT)
}

/// The node whose actors are meant.
fn asked(room: &Room, params: &Params) -> Answer<NodeId> {
    match params.text("node") {
        None => Ok(room.replica.status().node),
        Some(name) => room.replica.read(|view| super::nodes::find(view, room, name)),
    }
}

fn silent(fault: impl std::fmt::Display) -> Fault {
    Fault::new(&table::NO_ANSWER, fault.to_string()).retry_after(ANSWER_MAX)
}

async fn tree(room: &Room, params: &Params) -> Answer<Actor> {
    let asked = asked(room, params)?;
    let cards = room.crew.tree_of(asked, ANSWER_MAX).await.map_err(silent)?;
    let node = room.node_name(asked);
    let mut roots = cluster::actors(cards, &node);
    if roots.len() == 1
        && let Some(root) = roots.pop()
    {
        return Ok(root);
    }
    // Before the first actor has started, or if one lost its supervisor: the node itself stands at the top.
    Ok(Actor {
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
    })
}

fn find_actor<'a>(tree: &'a Actor, id: &str) -> Option<&'a Actor> {
    if tree.id == id {
        return Some(tree);
    }
    tree.children.iter().find_map(|child| find_actor(child, id))
}

fn no_actor(id: &str, node: &str) -> Fault {
    Fault::new(&table::NO_ACTOR, format!("no actor `{id}` on {node}"))
}

fn find_worker(view: &dyn oarlock_engine::store::View, id: &str) -> Answer<worker::Worker> {
    let by_id = id.parse::<WorkerId>().ok().and_then(|id| worker::get(view, id));
    let found = by_id.or_else(|| worker::list(view).into_iter().find(|row| row.name == id));
    found.ok_or_else(|| Fault::new(&table::NO_WORKER, format!("no worker `{id}`")))
}
