//! What can be done to a run.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use oarlock_engine::blob::PAYLOAD_BYTES_MAX;
use oarlock_engine::command::Command as Any;
use oarlock_engine::id::RunId;
use oarlock_engine::reject::Rejection;
use oarlock_engine::run::{Command, Run};
use oarlock_proto::v1;
use oarlock_proto::v1::{Reason, RetryRun, Signal, Tag};

use super::In;
use super::place::Id;
use crate::body::Json;
use crate::convert::{self, name};
use crate::params::Params;
use crate::problem::{Answer, Fault, table};
use crate::room::{Read, Room};

/// Ends a run in an orderly way: what runs is told to stop, clean-up still runs.
#[utoipa::path(post, path = "/runs/{id}/cancel", tag = "runs", request_body = Reason,
    params(("id" = String, Path, description = "`run_…` or `etl/1042`")),
    responses((status = 200, body = v1::Run)))]
pub(crate) async fn cancel(
    State(room): In,
    Id(id): Id,
    Json(Reason { reason }): Json<Reason>,
) -> Answer<Read<v1::Run>> {
    tell(&room, &id, |run| Command::Cancel { run: run.id, reason }).await
}

/// Ends a run at once, without clean-up.
#[utoipa::path(post, path = "/runs/{id}/terminate", tag = "runs", request_body = Reason,
    params(("id" = String, Path, description = "`run_…` or `etl/1042`")),
    responses((status = 200, body = v1::Run)))]
pub(crate) async fn terminate(
    State(room): In,
    Id(id): Id,
    Json(Reason { reason }): Json<Reason>,
) -> Answer<Read<v1::Run>> {
    tell(&room, &id, |run| Command::Terminate { run: run.id, reason }).await
}

/// Begins nothing new in a run; what runs finishes.
#[utoipa::path(post, path = "/runs/{id}/pause", tag = "runs", request_body = Reason,
    params(("id" = String, Path, description = "`run_…` or `etl/1042`")),
    responses((status = 200, body = v1::Run)))]
pub(crate) async fn pause(
    State(room): In,
    Id(id): Id,
    Json(Reason { reason }): Json<Reason>,
) -> Answer<Read<v1::Run>> {
    tell(&room, &id, |run| Command::Pause { run: run.id, reason }).await
}

/// Goes on with a paused run.
#[utoipa::path(post, path = "/runs/{id}/resume", tag = "runs",
    params(("id" = String, Path, description = "`run_…` or `etl/1042`")),
    responses((status = 200, body = v1::Run)))]
pub(crate) async fn resume(State(room): In, Id(id): Id) -> Answer<Read<v1::Run>> {
    tell(&room, &id, |run| Command::Resume { run: run.id }).await
}

/// Runs again what failed and what was left out because of it; or a task and everything behind it.
#[utoipa::path(post, path = "/runs/{id}/retry", tag = "runs", request_body = RetryRun,
    params(("id" = String, Path, description = "`run_…` or `etl/1042`")),
    responses((status = 200, body = v1::Run)))]
pub(crate) async fn retry(
    State(room): In,
    Id(id): Id,
    Json(body): Json<RetryRun>,
) -> Answer<Read<v1::Run>> {
    let run = find(&room, &id)?;
    let from = match &body.from {
        None => None,
        Some(text) => {
            let shown = |view: &oarlock_raft::Local<'_>| {
                let book = room.shelf.get(view, run.workflow, run.version);
                let short = name::run(&name::of_workflow(view, &run), run.number);
                let missing =
                    || Fault::new(&table::NO_TASK, format!("`{short}` has no task `{text}`"));
                book.and_then(|book| name::find_step(&book, text)).ok_or_else(missing)
            };
            Some(room.replica.read(shown)?)
        }
    };
    done(&room, run.id, Command::Retry { run: run.id, from }).await
}

/// Tells a run something that a task of it waits for, or will wait for.
#[utoipa::path(post, path = "/runs/{id}/signal", tag = "runs", request_body = Signal,
    params(("id" = String, Path, description = "`run_…` or `etl/1042`")),
    responses((status = 200, body = v1::Run)))]
pub(crate) async fn signal(
    State(room): In,
    Id(id): Id,
    Json(body): Json<Signal>,
) -> Answer<Read<v1::Run>> {
    if body.name.is_empty() {
        return Err(Fault::new(&table::BAD_FIELD, "a signal has a `name`"));
    }
    let payload = convert::payload(body.payload.as_ref());
    if payload.0.len() > PAYLOAD_BYTES_MAX {
        let detail = format!("a payload has at most {PAYLOAD_BYTES_MAX} bytes");
        return Err(Fault::new(&table::TOO_LARGE, detail));
    }
    let (name, dedup) = (body.name, body.id.unwrap_or_default());
    tell(&room, &id, |run| Command::Signal { run: run.id, name, payload, dedup }).await
}

/// Sets labels of a run, or takes them away.
#[utoipa::path(post, path = "/runs/{id}/tags", tag = "runs", request_body = Tag,
    params(("id" = String, Path, description = "`run_…` or `etl/1042`")),
    responses((status = 200, body = v1::Run)))]
pub(crate) async fn tag(
    State(room): In,
    Id(id): Id,
    Json(Tag { labels }): Json<Tag>,
) -> Answer<Read<v1::Run>> {
    tell(&room, &id, |run| Command::Tag { run: run.id, labels }).await
}

/// Forgets a finished run with everything of its own.
#[utoipa::path(delete, path = "/runs/{id}", tag = "runs",
    params(("id" = String, Path, description = "`run_…` or `etl/1042`")),
    responses((status = 204, description = "Deleted")))]
pub(crate) async fn delete(
    State(room): In,
    Id(id): Id,
    params: Params,
    headers: HeaderMap,
) -> Answer<StatusCode> {
    params.only(&[])?;
    let run = find(&room, &id)?;
    if headers.contains_key(header::IF_MATCH) {
        let detail = "a run is deleted whatever happened to it: leave `If-Match` out";
        return Err(Fault::new(&table::BAD_FIELD, detail));
    }
    if !run.state.finished() {
        return Err(Rejection::WrongRunState(run.state).into());
    }
    room.propose(Any::Run(Command::Purge { runs: vec![run.id] })).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn find(room: &Room, id: &str) -> Answer<Run> {
    room.replica.read(|view| name::find_run(view, id))
}

async fn tell(
    room: &Arc<Room>,
    id: &str,
    command: impl FnOnce(&Run) -> Command,
) -> Answer<Read<v1::Run>> {
    let run = find(room, id)?;
    let command = command(&run);
    done(room, run.id, command).await
}

async fn done(room: &Room, run: RunId, command: Command) -> Answer<Read<v1::Run>> {
    room.propose(Any::Run(command)).await?;
    room.read(|view| {
        let run = name::find_run(view, &run.to_string())?;
        Ok(convert::run::basic(view, &room.shelf, &run))
    })
}
