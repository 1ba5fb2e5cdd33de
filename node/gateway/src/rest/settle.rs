//! Tasks settled by hand: what a person knows better than a worker.

use std::sync::Arc;

use axum::extract::State;
use oarlock_engine::blob::{PAYLOAD_BYTES_MAX, Payload};
use oarlock_engine::command::Command as Any;
use oarlock_engine::id::{Attempt, TaskId};
use oarlock_engine::task::{self, Command, Failure};
use oarlock_proto::v1;
use oarlock_proto::v1::{CompleteTask, FailTask};

use super::In;
use super::place::Ids;
use super::tasks::find;
use crate::body::Json;
use crate::convert;
use crate::problem::{Answer, Fault, table};
use crate::room::{Read, Room};

/// Completes a task by hand.
#[utoipa::path(post, path = "/runs/{id}/tasks/{task}/complete", tag = "tasks",
    request_body = CompleteTask,
    params(("id" = String, Path, description = "`run_…` or `etl/1042`"),
           ("task" = String, Path, description = "`load`, or `extract[3]`")),
    responses((status = 200, body = v1::Task)))]
pub(crate) async fn complete(
    State(room): In,
    Ids(id, task): Ids,
    Json(body): Json<CompleteTask>,
) -> Answer<Read<v1::Task>> {
    let output = convert::payload(body.output.as_ref());
    if output.0.len() > PAYLOAD_BYTES_MAX {
        let detail = format!("an output has at most {PAYLOAD_BYTES_MAX} bytes");
        return Err(Fault::new(&table::TOO_LARGE, detail));
    }
    settle(&room, &id, &task, body.attempt, |task, attempt| Command::Complete {
        task,
        attempt,
        worker: None,
        output,
        log: Payload::EMPTY,
    })
    .await
}

/// Fails a task by hand.
#[utoipa::path(post, path = "/runs/{id}/tasks/{task}/fail", tag = "tasks", request_body = FailTask,
    params(("id" = String, Path, description = "`run_…` or `etl/1042`"),
           ("task" = String, Path, description = "`load`, or `extract[3]`")),
    responses((status = 200, body = v1::Task)))]
pub(crate) async fn fail(
    State(room): In,
    Ids(id, task): Ids,
    Json(body): Json<FailTask>,
) -> Answer<Read<v1::Task>> {
    let message = if body.message.is_empty() { "failed by hand".to_owned() } else { body.message };
    let kind = body.kind.unwrap_or_else(|| "manual".to_owned());
    let failure = Failure { kind, message, retryable: body.retryable };
    settle(&room, &id, &task, body.attempt, |task, attempt| Command::Fail {
        task,
        attempt,
        worker: None,
        failure,
        log: Payload::EMPTY,
    })
    .await
}

async fn settle(
    room: &Arc<Room>,
    id: &str,
    name: &str,
    attempt: Option<u32>,
    command: impl FnOnce(TaskId, Attempt) -> Command,
) -> Answer<Read<v1::Task>> {
    let (task, attempt) = room.replica.read(|view| {
        let found = find(room, view, id, Some(name))?;
        let row = task::get(view, found.id).ok_or_else(|| {
            let detail = format!("`{}` has not been opened yet", found.name());
            Fault::new(&table::WRONG_TASK_STATE, detail)
        })?;
        let status = found.shown(view, false)?.status;
        if status.settled() && attempt.is_none_or(|asked| asked == row.attempt.0) {
            let detail = format!("`{}` is {} already", found.name(), status.as_str());
            return Err(Fault::new(&table::WRONG_TASK_STATE, detail));
        }
        Ok::<_, Fault>((found.id, attempt.map_or(row.attempt, Attempt)))
    })?;
    room.propose(Any::Task(command(task, attempt))).await?;
    room.read(|view| find(room, view, id, Some(name))?.shown(view, false))
}
