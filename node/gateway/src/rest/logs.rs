//! What attempts printed: of finished ones from the tables, of running ones as they print.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use oarlock_engine::blob::{self, Slot};
use oarlock_engine::id::{Attempt, RunId, TaskId};
use oarlock_engine::run;
use oarlock_engine::store::View;
use oarlock_engine::task::{self, Try};
use oarlock_engine::time::Moment;
use oarlock_proto::v1::LogChunk;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;

use super::In;
use super::place::{Id, Ids};
use super::workflows::accepts;
use crate::convert::{self, name, time};
use crate::fresh::Fresh;
use crate::limit::{LOGS_BYTES_MAX, PAGE_MAX};
use crate::params::Params;
use crate::problem::{Answer, Fault, table};
use crate::room::Room;

const PARAMS: [&str; 6] = ["task", "attempt", "tail", "since", "until", "follow"];
/// How often a follower looks for attempts that have begun to print.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Pieces that wait for a slow reader.
const PIECES_MAX: usize = 64;

/// What is wanted of a run's logs.
struct Wanted {
    run: RunId,
    task: Option<TaskId>,
    attempt: Option<Attempt>,
    tail: Option<usize>,
    since: Option<Moment>,
    until: Option<Moment>,
    plain: bool,
}

/// What a run's attempts printed, in the order they began: one attempt a line of JSON, or plain text if that is accepted first.
#[utoipa::path(get, path = "/runs/{id}/logs", tag = "tasks",
    params(
        ("id" = String, Path, description = "`run_…` or `etl/1042`"),
        ("task" = Option<String>, Query, description = "Of this task"),
        ("attempt" = Option<u32>, Query, description = "Of this attempt"),
        ("tail" = Option<u32>, Query, description = "Only the last lines of each attempt"),
        ("since" = Option<String>, Query, description = "Only attempts that were still running then: `5m`, or a moment"),
        ("until" = Option<String>, Query, description = "Only attempts that had begun by then: `5m`, or a moment"),
        ("follow" = Option<bool>, Query, description = "Go on until the run is over"),
    ),
    responses((status = 200, body = LogChunk, content_type = "application/x-ndjson")))]
pub(crate) async fn of_run(
    State(room): In,
    _: Fresh,
    Id(id): Id,
    params: Params,
    headers: HeaderMap,
) -> Answer<Response> {
    let params = params.only(&PARAMS)?;
    let task = params.text("task").map(str::to_owned);
    respond(&room, &id, task.as_deref(), &params, &headers)
}

/// What a task's attempts printed. Takes what `/runs/{id}/logs` takes.
#[utoipa::path(get, path = "/runs/{id}/tasks/{task}/logs", tag = "tasks",
    params(("id" = String, Path, description = "`run_…` or `etl/1042`"),
           ("task" = String, Path, description = "`load`, or `extract[3]`")),
    responses((status = 200, body = LogChunk, content_type = "application/x-ndjson")))]
pub(crate) async fn of_task(
    State(room): In,
    _: Fresh,
    Ids(id, task): Ids,
    params: Params,
    headers: HeaderMap,
) -> Answer<Response> {
    let params = params.only(&PARAMS[1..])?;
    respond(&room, &id, Some(&task), &params, &headers)
}

fn respond(
    room: &Arc<Room>,
    id: &str,
    task: Option<&str>,
    params: &Params,
    headers: &HeaderMap,
) -> Answer<Response> {
    let (run, task_id) = room.replica.read(|view| {
        let run = name::find_run(view, id)?;
        let task = task.map(|task| super::tasks::find_id(room, view, id, task));
        Ok::<_, Fault>((run.id, task.transpose()?.map(|(task, _)| task)))
    })?;
    let wanted = Wanted {
        run,
        task: task_id,
        attempt: params.parse::<u32>("attempt")?.map(Attempt),
        tail: params.parse::<usize>("tail")?,
        since: moment(params, "since")?,
        until: moment(params, "until")?,
        plain: accepts(headers, "text/plain"),
    };
    if let (Some(task), Some(attempt)) = (task, wanted.attempt) {
        room.replica
            .read(|view| super::tasks::find(room, view, id, Some(task))?.tried(view, attempt))?;
    }
    let kind = if wanted.plain { "text/plain; charset=utf-8" } else { "application/x-ndjson" };
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static(kind))];
    if params.flag("follow")? {
        let place = room.stream_place()?;
        let (sender, pieces) = mpsc::channel(PIECES_MAX);
        tokio::spawn(follow(Arc::clone(room), wanted, sender, place));
        let pieces = ReceiverStream::new(pieces).map(Ok::<_, std::convert::Infallible>);
        return Ok((kind, Body::from_stream(pieces)).into_response());
    }
    let mut text = Vec::new();
    room.replica.read(|view| {
        for tried in tries(view, &wanted) {
            if text.len() >= LOGS_BYTES_MAX {
                break;
            }
            if let Some(chunk) = kept(view, room, &wanted, &tried) {
                text.extend_from_slice(&written(&wanted, &chunk, true));
            }
        }
    });
    Ok((kind, text).into_response())
}

/// A parameter that is a moment, or a length of time before now.
fn moment(params: &Params, name: &str) -> Answer<Option<Moment>> {
    let Some(text) = params.text(name) else { return Ok(None) };
    if let Some(moment) = time::moment(text) {
        return Ok(Some(moment));
    }
    let wrong = || format!("`{name}` is a moment or a length of time");
    let span = params.span(name)?.ok_or_else(|| Fault::new(&table::BAD_QUERY, wrong()))?;
    let ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    Ok(Some(Moment(time::now().0.saturating_sub(ms))))
}

/// The attempts that are wanted, in the order they began.
fn tries(view: &dyn View, wanted: &Wanted) -> Vec<Try> {
    let mut found = Vec::new();
    let mut keep = |id: TaskId| {
        found.extend(task::tries(view, id).into_iter().filter(|tried| {
            wanted.attempt.is_none_or(|attempt| tried.attempt == attempt)
                && wanted.since.is_none_or(|since| tried.settled_at.is_none_or(|at| at >= since))
                && wanted.until.is_none_or(|until| tried.began_at <= until)
        }));
    };
    match wanted.task {
        Some(id) => keep(id),
        None => {
            let mut last = None;
            loop {
                let some = task::of_run(view, wanted.run, last, PAGE_MAX);
                some.iter().for_each(|row| keep(row.id));
                last = some.last().map(|row| row.id);
                if some.len() < PAGE_MAX {
                    break;
                }
            }
        }
    }
    found.sort_by_key(|tried| (tried.began_at, tried.task, tried.attempt));
    found
}

/// What a finished attempt printed.
fn kept(view: &dyn View, room: &Room, wanted: &Wanted, tried: &Try) -> Option<LogChunk> {
    if !tried.logged {
        return None;
    }
    let slot = Slot::Log(tried.task.step, tried.task.item, tried.attempt);
    let bytes = blob::get(view, tried.task.run, slot)?;
    let text = tail(&String::from_utf8_lossy(&bytes.0), wanted.tail);
    let at = time::maybe(tried.settled_at);
    Some(chunk(view, room, tried.task, tried.attempt, text, at))
}

fn chunk(
    view: &dyn View,
    room: &Room,
    task: TaskId,
    attempt: Attempt,
    text: String,
    at: Option<String>,
) -> LogChunk {
    let task = convert::run::task_name(view, &room.shelf, task).unwrap_or_else(|| task.to_string());
    LogChunk { attempt: format!("{task}@{attempt}"), task, at, text }
}

fn tail(text: &str, lines: Option<usize>) -> String {
    let Some(lines) = lines else { return text.to_owned() };
    let mut starts = text.trim_end_matches('\n').rmatch_indices('\n').map(|(at, _)| at + 1);
    match lines {
        0 => String::new(),
        _ => text[starts.nth(lines - 1).unwrap_or(0)..].to_owned(),
    }
}

fn written(wanted: &Wanted, chunk: &LogChunk, headed: bool) -> Bytes {
    if wanted.plain {
        let head = if headed { format!("==> {} <==\n", chunk.attempt) } else { String::new() };
        let end = if headed && !chunk.text.ends_with('\n') { "\n" } else { "" };
        return Bytes::from(format!("{head}{}{end}", chunk.text));
    }
    let mut line = serde_json::to_vec(chunk).unwrap_or_default();
    line.push(b'\n');
    Bytes::from(line)
}

/// Sends what there is, then what is printed, until the run is over or nobody listens.
async fn follow(
    room: Arc<Room>,
    wanted: Wanted,
    sender: mpsc::Sender<Bytes>,
    _place: OwnedSemaphorePermit,
) {
    let wanted = Arc::new(wanted);
    let mut shown = BTreeSet::new();
    let mut closed = std::pin::pin!(room.closed());
    let mut look = tokio::time::interval(LOOK_EVERY);
    let mut tails = tokio::task::JoinSet::new();
    loop {
        // Whether it is over is asked first: what was printed until then is found below.
        let over = room
            .replica
            .read(|view| run::get(view, wanted.run).is_none_or(|run| run.state.finished()));
        for (task, attempt) in room.crew.logs().of_run(wanted.run) {
            let fits = wanted.task.is_none_or(|known| known == task)
                && wanted.attempt.is_none_or(|known| known == attempt);
            if fits && !shown.contains(&(task, attempt)) {
                shown.insert((task, attempt));
                tails.spawn(tail_live(
                    Arc::clone(&room),
                    Arc::clone(&wanted),
                    (task, attempt),
                    sender.clone(),
                ));
            }
        }
        let finished: Vec<Bytes> = room.replica.read(|view| {
            let mut finished = Vec::new();
            for tried in tries(view, &wanted) {
                if tried.settled_at.is_some() && shown.insert((tried.task, tried.attempt)) {
                    let chunk = kept(view, &room, &wanted, &tried);
                    finished.extend(chunk.map(|chunk| written(&wanted, &chunk, true)));
                }
            }
            finished
        });
        for piece in finished {
            if sender.send(piece).await.is_err() {
                return;
            }
        }
        while tails.try_join_next().is_some() {}
        if over && tails.is_empty() {
            return;
        }
        tokio::select! {
            _ = look.tick() => {}
            () = sender.closed() => return,
            () = &mut closed => return,
        }
    }
}

/// One running attempt, piece by piece.
async fn tail_live(
    room: Arc<Room>,
    wanted: Arc<Wanted>,
    (task, attempt): (TaskId, Attempt),
    sender: mpsc::Sender<Bytes>,
) {
    let Some(mut live) = room.crew.logs().follow(task, attempt) else { return };
    let so_far = tail(&String::from_utf8_lossy(&live.so_far), wanted.tail);
    let mut piece = room.replica.read(|view| chunk(view, &room, task, attempt, so_far, None));
    if !piece.text.is_empty() && sender.send(written(&wanted, &piece, true)).await.is_err() {
        return;
    }
    while let Some(bytes) = live.next().await {
        piece.text = String::from_utf8_lossy(&bytes).into_owned();
        if sender.send(written(&wanted, &piece, false)).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_the_last_lines() {
        assert_eq!(tail("a\nb\nc\n", Some(2)), "b\nc\n");
        assert_eq!(tail("a\nb\nc", Some(1)), "c");
        assert_eq!(tail("a\n", Some(9)), "a\n");
        assert_eq!(tail("a\n", Some(0)), "");
        assert_eq!(tail("a\n", None), "a\n");
    }
}
