//! Dead letters: look at them, take them up again, give them up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use oarlock_engine::apply::Reply;
use oarlock_engine::command::Command as Any;
use oarlock_engine::id::TaskId;
use oarlock_engine::store::View;
use oarlock_engine::task::Command;
use oarlock_engine::task::dead::{self, DeadLetter as Row};
use oarlock_engine::time::Moment;
use oarlock_proto::v1;
use oarlock_proto::v1::{DeadLetter, DeadLetterGroup, DeadSelection, Reason, Selected};
use serde_json::Value;

use super::In;
use super::place::Id;
use crate::body::Json;
use crate::convert::{self, name, time};
use crate::filter::Filter;
use crate::fresh::Fresh;
use crate::limit::{DEAD_BATCH_MAX, DEAD_SCAN_MAX, SCAN_MAX};
use crate::page::Pager;
use crate::params::Params;
use crate::problem::{Answer, Fault, table};
use crate::room::{Read, Room};

const PARAMS: [&str; 7] =
    ["page_size", "page_token", "filter", "fields", "workflow", "queue", "fingerprint"];
/// Rows read at once.
const STRIDE: usize = 200;

/// Where a list ended.
type Spot = (Moment, TaskId);

/// Every dead letter, the newest first.
#[utoipa::path(get, path = "/dlq", tag = "dead letters",
    params(
        ("workflow" = Option<String>, Query, description = "Of this workflow"),
        ("queue" = Option<String>, Query, description = "Of this queue"),
        ("fingerprint" = Option<String>, Query, description = "Of this group"),
        ("filter" = Option<String>, Query, description = "CEL over the fields of an item"),
        ("page_size" = Option<u32>, Query, description = "1 to 1000, 50 if not given"),
        ("page_token" = Option<String>, Query, description = "From the page before"),
        ("fields" = Option<String>, Query, description = "Only these fields, with commas"),
    ),
    responses((status = 200, body = v1::Page<DeadLetter>)))]
pub(crate) async fn list(
    State(room): In,
    _: Fresh,
    params: Params,
) -> Answer<Read<v1::Page<Value>>> {
    let params = params.only(&PARAMS)?;
    let pager = Pager::<Spot>::of("dlq", &params)?;
    let asked = tokio::task::spawn_blocking(move || {
        room.read(|view| {
            let mut items = Vec::new();
            let mut last = pager.after;
            for (scanned, row) in walk(view, pager.after).enumerate() {
                if items.len() == pager.size || scanned == SCAN_MAX {
                    return Ok(pager.page(items, last.as_ref()));
                }
                last = Some((row.at, row.task));
                if let Some(letter) = convert::dead::letter(view, &room.shelf, &row)
                    && of(&letter, &params)
                    && pager.passes(&for_filter(&letter)?)?
                {
                    items.push(pager.look(as_json(&letter)?));
                }
            }
            Ok(pager.page(items, None))
        })
    })
    .await;
    asked.unwrap_or_else(|fault| Err(Fault::new(&table::INTERNAL, fault.to_string())))
}

/// Dead letters by what their errors have in common, the largest group first. Looks at the newest 20,000.
#[utoipa::path(get, path = "/dlq/groups", tag = "dead letters",
    params(("workflow" = Option<String>, Query, description = "Of this workflow"),
           ("queue" = Option<String>, Query, description = "Of this queue"),
           ("filter" = Option<String>, Query, description = "CEL over the fields of a group")),
    responses((status = 200, body = v1::Page<DeadLetterGroup>)))]
pub(crate) async fn groups(
    State(room): In,
    _: Fresh,
    params: Params,
) -> Answer<Read<v1::Page<Value>>> {
    let params = params.only(&PARAMS)?;
    let pager = Pager::<()>::of("dlq groups", &params)?;
    let asked = tokio::task::spawn_blocking(move || {
        room.read(|view| pager.whole(grouped(view, &room, &params)))
    })
    .await;
    asked.unwrap_or_else(|fault| Err(Fault::new(&table::INTERNAL, fault.to_string())))
}

/// One dead letter, by the id of its task.
#[utoipa::path(get, path = "/dlq/{id}", tag = "dead letters",
    params(("id" = String, Path, description = "`etl/1042/load`")),
    responses((status = 200, body = DeadLetter)))]
pub(crate) async fn get(
    State(room): In,
    _: Fresh,
    Id(id): Id,
    params: Params,
) -> Answer<Read<DeadLetter>> {
    params.only(&[])?;
    room.read(|view| {
        let row = find(&room, view, &id)?;
        convert::dead::letter(view, &room.shelf, &row).ok_or_else(|| no_letter(&id))
    })
}

/// Gives one dead letter another set of attempts.
#[utoipa::path(post, path = "/dlq/{id}/retry", tag = "dead letters",
    params(("id" = String, Path, description = "`etl/1042/load`")),
    responses((status = 200, body = Selected)))]
pub(crate) async fn retry_one(State(room): In, Id(id): Id) -> Answer<Response> {
    let task = room.read(|view| find(&room, view, &id).map(|row| row.task))?.value;
    change(&room, &[task], |tasks| Command::Revive { tasks }).await
}

/// Gives one dead letter up.
#[utoipa::path(post, path = "/dlq/{id}/discard", tag = "dead letters", request_body = Reason,
    params(("id" = String, Path, description = "`etl/1042/load`")),
    responses((status = 200, body = Selected)))]
pub(crate) async fn discard_one(
    State(room): In,
    Id(id): Id,
    Json(Reason { reason }): Json<Reason>,
) -> Answer<Response> {
    let task = room.read(|view| find(&room, view, &id).map(|row| row.task))?.value;
    change(&room, &[task], |tasks| Command::Discard { tasks, reason: reason.clone() }).await
}

/// Gives those that are meant another set of attempts.
#[utoipa::path(post, path = "/dlq/retry", tag = "dead letters", request_body = DeadSelection,
    responses((status = 200, body = Selected)))]
pub(crate) async fn retry(
    State(room): In,
    Json(selection): Json<DeadSelection>,
) -> Answer<Response> {
    many(&room, selection, |tasks, _| Command::Revive { tasks }).await
}

/// Gives those that are meant up.
#[utoipa::path(post, path = "/dlq/discard", tag = "dead letters", request_body = DeadSelection,
    responses((status = 200, body = Selected)))]
pub(crate) async fn discard(
    State(room): In,
    Json(selection): Json<DeadSelection>,
) -> Answer<Response> {
    many(&room, selection, |tasks, reason| Command::Discard { tasks, reason }).await
}

/// Dead letters as JSON, one a line, the newest first, at most 20,000.
#[utoipa::path(get, path = "/dlq/export", tag = "dead letters",
    params(("workflow" = Option<String>, Query, description = "Of this workflow"),
           ("queue" = Option<String>, Query, description = "Of this queue"),
           ("fingerprint" = Option<String>, Query, description = "Of this group")),
    responses((status = 200, body = DeadLetter, content_type = "application/x-ndjson")))]
pub(crate) async fn export(State(room): In, _: Fresh, params: Params) -> Answer<Response> {
    let params = params.only(&["workflow", "queue", "fingerprint"])?;
    let asked = tokio::task::spawn_blocking(move || {
        let mut lines = Vec::new();
        room.replica.read(|view| {
            for row in walk(view, None).take(DEAD_SCAN_MAX) {
                if let Some(letter) = convert::dead::letter(view, &room.shelf, &row)
                    && of(&letter, &params)
                    && serde_json::to_writer(&mut lines, &letter).is_ok()
                {
                    lines.push(b'\n');
                }
            }
        });
        lines
    })
    .await;
    let lines = asked.map_err(|fault| Fault::new(&table::INTERNAL, fault.to_string()))?;
    let kind = HeaderValue::from_static("application/x-ndjson");
    Ok(([(header::CONTENT_TYPE, kind)], lines).into_response())
}

/// Rows behind a place, the newest first, as many as there are.
fn walk(view: &dyn View, after: Option<Spot>) -> impl Iterator<Item = Row> {
    let mut last = after;
    let mut ended = false;
    let mut rows = Vec::new().into_iter();
    std::iter::from_fn(move || {
        loop {
            if let Some(row) = rows.next() {
                return Some(row);
            }
            if ended {
                return None;
            }
            let some: Vec<Row> = dead::list(view, last, STRIDE);
            ended = some.len() < STRIDE;
            last = some.last().map(|row| (row.at, row.task)).or(last);
            rows = some.into_iter();
        }
    })
}

fn of(letter: &DeadLetter, params: &Params) -> bool {
    params.text("workflow").is_none_or(|workflow| letter.workflow == workflow)
        && params.text("queue").is_none_or(|queue| letter.queue == queue)
        && params.text("fingerprint").is_none_or(|print| letter.fingerprint == print)
}

fn grouped(view: &dyn View, room: &Room, params: &Params) -> Vec<DeadLetterGroup> {
    let mut groups: BTreeMap<String, (DeadLetterGroup, BTreeSet<String>)> = BTreeMap::new();
    for row in walk(view, None).take(DEAD_SCAN_MAX) {
        let Some(letter) = convert::dead::letter(view, &room.shelf, &row) else { continue };
        if !of(&letter, params) {
            continue;
        }
        let (group, workflows) = groups.entry(letter.fingerprint.clone()).or_insert_with(|| {
            let group = DeadLetterGroup {
                error: convert::dead::pattern(&row.failure),
                fingerprint: letter.fingerprint.clone(),
                tasks: 0,
                workflows: Vec::new(),
                first_at: String::new(),
                last_at: letter.created_at.clone(),
                example: letter.id.clone(),
            };
            (group, BTreeSet::new())
        });
        group.tasks += 1;
        group.first_at = time::rfc3339(row.at);
        workflows.insert(letter.workflow);
    }
    let mut all: Vec<DeadLetterGroup> = groups
        .into_values()
        .map(|(group, workflows)| DeadLetterGroup {
            workflows: workflows.into_iter().collect(),
            ..group
        })
        .collect();
    all.sort_by(|a, b| b.tasks.cmp(&a.tasks).then_with(|| b.last_at.cmp(&a.last_at)));
    all
}

fn find(room: &Room, view: &dyn View, id: &str) -> Answer<Row> {
    let (run, task) = name::split_task(id).ok_or_else(|| no_letter(id))?;
    let (task, _) = super::tasks::find_id(room, view, run, task)?;
    dead::get(view, task).ok_or_else(|| no_letter(id))
}

fn no_letter(id: &str) -> Fault {
    Fault::new(&table::NO_DEAD_LETTER, format!("`{id}` is no dead letter"))
}

async fn many(
    room: &Arc<Room>,
    selection: DeadSelection,
    command: impl Fn(Vec<TaskId>, String) -> Command,
) -> Answer<Response> {
    let dry_run = selection.dry_run;
    let reason = selection.reason.clone();
    let own = Arc::clone(room);
    let asked =
        tokio::task::spawn_blocking(move || own.replica.read(|view| meant(&own, view, &selection)))
            .await;
    let (tasks, more) =
        asked.unwrap_or_else(|fault| Err(Fault::new(&table::INTERNAL, fault.to_string())))?;
    let mut done = Selected { matched: tasks.len() as u64, changed: 0, more };
    if !dry_run {
        for some in tasks.chunks(DEAD_BATCH_MAX) {
            done.changed += propose(room, command(some.to_vec(), reason.clone())).await?;
        }
    }
    Ok(crate::room::json(&done))
}

async fn change(
    room: &Arc<Room>,
    tasks: &[TaskId],
    command: impl Fn(Vec<TaskId>) -> Command,
) -> Answer<Response> {
    let changed = propose(room, command(tasks.to_vec())).await?;
    Ok(crate::room::json(&Selected { matched: tasks.len() as u64, changed, more: false }))
}

async fn propose(room: &Room, command: Command) -> Answer<u64> {
    Ok(match room.propose(Any::Task(command)).await?.reply {
        Reply::Changed { count } => u64::from(count),
        Reply::Done | Reply::Defined { .. } | Reply::Started { .. } => 0,
    })
}

/// The tasks of the dead letters that a selection means, and whether there may be more.
fn meant(room: &Room, view: &dyn View, selection: &DeadSelection) -> Answer<(Vec<TaskId>, bool)> {
    let max = selection.max.map_or(DEAD_SCAN_MAX, |max| max as usize).min(DEAD_SCAN_MAX);
    if !selection.ids.is_empty() {
        if selection.ids.len() > max {
            let detail = format!("at most {max} ids at once");
            return Err(Fault::new(&table::TOO_MANY, detail));
        }
        let rows = selection.ids.iter().map(|id| find(room, view, id).map(|row| row.task));
        return Ok((rows.collect::<Answer<_>>()?, false));
    }
    let nothing = selection.workflow.is_none()
        && selection.queue.is_none()
        && selection.fingerprint.is_none()
        && selection.filter.is_none();
    if nothing && !selection.all {
        let detail = "say which: `ids`, `workflow`, `queue`, `fingerprint`, `filter` or `all`";
        return Err(Fault::new(&table::BAD_FIELD, detail));
    }
    let filter = selection.filter.as_deref().map(Filter::new).transpose()?;
    let mut tasks = Vec::new();
    for (scanned, row) in walk(view, None).enumerate() {
        if tasks.len() == max || scanned == DEAD_SCAN_MAX {
            return Ok((tasks, true));
        }
        let Some(letter) = convert::dead::letter(view, &room.shelf, &row) else { continue };
        if !named(&letter, selection) {
            continue;
        }
        let passes = match &filter {
            None => true,
            Some(filter) => filter.lets_through(&for_filter(&letter)?)?,
        };
        if passes {
            tasks.push(row.task);
        }
    }
    Ok((tasks, false))
}

fn named(letter: &DeadLetter, selection: &DeadSelection) -> bool {
    selection.workflow.as_ref().is_none_or(|workflow| letter.workflow == *workflow)
        && selection.queue.as_ref().is_none_or(|queue| letter.queue == *queue)
        && selection.fingerprint.as_ref().is_none_or(|print| letter.fingerprint == *print)
}

/// A dead letter whose `error` is one text: `error.contains("503")` is what people write.
fn for_filter(letter: &DeadLetter) -> Answer<Value> {
    let mut value = as_json(letter)?;
    value["error"] = Value::String(format!("{}: {}", letter.error.kind, letter.error.message));
    Ok(value)
}

fn as_json(letter: &DeadLetter) -> Answer<Value> {
    serde_json::to_value(letter).map_err(|fault| Fault::new(&table::INTERNAL, fault.to_string()))
}
