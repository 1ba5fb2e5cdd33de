//! Queues: look at them, hold them, limit them.

use std::sync::Arc;

use axum::extract::State;
use oarlock_engine::command::Command as Any;
use oarlock_engine::queue::{self, Command};
use oarlock_engine::worker;
use oarlock_proto::v1;
use oarlock_proto::v1::QueueLimit;
use serde_json::Value;

use super::In;
use super::place::Id;
use crate::body::Json;
use crate::convert::{self, time};
use crate::fresh::Fresh;
use crate::page::{self, Pager};
use crate::params::Params;
use crate::problem::{Answer, Fault, table};
use crate::room::{Read, Room};

/// Every queue with what stands in it, by name.
#[utoipa::path(get, path = "/queues", tag = "queues",
    params(("filter" = Option<String>, Query, description = "CEL over the fields of an item"),
           ("fields" = Option<String>, Query, description = "Only these fields, with commas")),
    responses((status = 200, body = v1::Page<v1::Queue>)))]
pub(crate) async fn list(
    State(room): In,
    _: Fresh,
    params: Params,
) -> Answer<Read<v1::Page<Value>>> {
    let params = params.only(&page::PARAMS)?;
    let pager = Pager::<String>::of("queues", &params)?;
    room.read(|view| {
        let workers = worker::list(view);
        let now = time::now();
        let mut items = Vec::new();
        let mut last = None;
        let all = queue::list(view).into_iter();
        for row in all.filter(|row| pager.after.as_ref().is_none_or(|after| row.name > *after)) {
            if items.len() == pager.size {
                return Ok(pager.page(items, last.as_ref()));
            }
            items.extend(pager.show(&convert::queue::shown(view, &row, &workers, now))?);
            last = Some(row.name);
        }
        Ok(pager.page(items, None))
    })
}

/// One queue.
#[utoipa::path(get, path = "/queues/{name}", tag = "queues",
    params(("name" = String, Path, description = "The queue's name")),
    responses((status = 200, body = v1::Queue)))]
pub(crate) async fn get(
    State(room): In,
    _: Fresh,
    Id(name): Id,
    params: Params,
) -> Answer<Read<v1::Queue>> {
    params.only(&[])?;
    shown(&room, &name)
}

/// Hands nothing out until resumed. What runs goes on.
#[utoipa::path(post, path = "/queues/{name}/pause", tag = "queues",
    params(("name" = String, Path, description = "The queue's name")),
    responses((status = 200, body = v1::Queue)))]
pub(crate) async fn pause(State(room): In, Id(name): Id) -> Answer<Read<v1::Queue>> {
    tell(&room, &name, Command::Pause { name: name.clone() }).await
}

/// Hands out again.
#[utoipa::path(post, path = "/queues/{name}/resume", tag = "queues",
    params(("name" = String, Path, description = "The queue's name")),
    responses((status = 200, body = v1::Queue)))]
pub(crate) async fn resume(State(room): In, Id(name): Id) -> Answer<Read<v1::Queue>> {
    tell(&room, &name, Command::Resume { name: name.clone() }).await
}

/// Limits how many tasks of the queue run at once, over the whole cluster.
#[utoipa::path(put, path = "/queues/{name}/limit", tag = "queues", request_body = QueueLimit,
    params(("name" = String, Path, description = "The queue's name")),
    responses((status = 200, body = v1::Queue)))]
pub(crate) async fn limit(
    State(room): In,
    Id(name): Id,
    Json(QueueLimit { concurrency }): Json<QueueLimit>,
) -> Answer<Read<v1::Queue>> {
    tell(&room, &name, Command::Limit { name: name.clone(), concurrency_max: concurrency }).await
}

/// The ids of tasks that wait in the queue, as they will be handed out: the most urgent first, then the oldest.
#[utoipa::path(get, path = "/queues/{name}/ready", tag = "queues",
    params(("name" = String, Path, description = "The queue's name"),
           ("page_size" = Option<u32>, Query, description = "1 to 1000, 50 if not given")),
    responses((status = 200, body = v1::Page<String>)))]
pub(crate) async fn ready(
    State(room): In,
    _: Fresh,
    Id(name): Id,
    params: Params,
) -> Answer<Read<v1::Page<String>>> {
    let params = params.only(&["page_size"])?;
    let pager = Pager::<()>::of("ready", &params)?;
    room.read(|view| {
        queue::get(view, &name).ok_or_else(|| no_queue(&name))?;
        let spots = queue::ready(view, &name, None, pager.size);
        let names = spots
            .into_iter()
            .map(|spot| spot.place.task)
            .filter_map(|task| convert::run::task_name(view, &room.shelf, task));
        Ok(v1::Page::whole(names.collect()))
    })
}

async fn tell(room: &Arc<Room>, name: &str, command: Command) -> Answer<Read<v1::Queue>> {
    room.propose(Any::Queue(command)).await?;
    shown(room, name)
}

fn shown(room: &Room, name: &str) -> Answer<Read<v1::Queue>> {
    room.read(|view| {
        let row = queue::get(view, name).ok_or_else(|| no_queue(name))?;
        Ok(convert::queue::shown(view, &row, &worker::list(view), time::now()))
    })
}

fn no_queue(name: &str) -> Fault {
    Fault::new(&table::NO_QUEUE, format!("no queue `{name}`"))
}
