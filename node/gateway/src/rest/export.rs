//! A run with everything of its own, as lines of JSON.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use oarlock_engine::feed;
use oarlock_engine::id::Revision;
use oarlock_engine::run::Run;
use oarlock_proto::v1;
use serde::Serialize;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::In;
use super::place::Id;
use crate::convert::event::{self, Names};
use crate::convert::{self, name};
use crate::fresh::Fresh;
use crate::limit::{EXPORT_MAX, RECORDS_MAX};
use crate::params::Params;
use crate::problem::Answer;
use crate::room::Room;

/// Lines that wait for a slow reader.
const LINES_MAX: usize = 64;

/// A run, its tasks and its events as JSON, one a line: `{"run":…}`, `{"task":…}`, `{"event":…}`.
#[utoipa::path(get, path = "/runs/{id}/export", tag = "runs",
    params(("id" = String, Path, description = "`run_…` or `etl/1042`")),
    responses((status = 200, body = v1::Run, content_type = "application/x-ndjson")))]
pub(crate) async fn run(State(room): In, _: Fresh, Id(id): Id, params: Params) -> Answer<Response> {
    params.only(&[])?;
    let run = room.replica.read(|view| name::find_run(view, &id))?;
    let (sender, lines) = mpsc::channel(LINES_MAX);
    tokio::task::spawn_blocking(move || {
        // Nobody listening any more is the only way to fail, and a fine reason to stop.
        let _ = write(&room, &run, &sender);
    });
    let lines = ReceiverStream::new(lines).map(Ok::<_, Infallible>);
    let kind = HeaderValue::from_static("application/x-ndjson");
    Ok(([(header::CONTENT_TYPE, kind)], Body::from_stream(lines)).into_response())
}

fn write(room: &Arc<Room>, run: &Run, sender: &mpsc::Sender<Bytes>) -> Result<(), Closed> {
    let shown = room.replica.read(|view| convert::run::full(view, &room.shelf, run));
    line(sender, &json!({"run": shown}))?;
    let mut after = None;
    loop {
        let some = room.replica.read(|view| super::tasks::some(room, view, run, after, true));
        for (spot, task) in &some {
            after = Some(*spot);
            line(sender, &json!({"task": task}))?;
        }
        if some.is_empty() {
            break;
        }
    }
    let mut names = Names::default();
    let mut after = Revision(0);
    let mut sent = 0;
    while sent < EXPORT_MAX {
        let events: Vec<v1::Event> = room.replica.read(|view| {
            let records = feed::of_run(view, run.id, after, RECORDS_MAX);
            let shown = records.iter().map(|r| event::shown(view, &room.shelf, &mut names, r));
            shown.collect()
        });
        let Some(last) = events.last() else { break };
        after = Revision(last.revision);
        sent += events.len();
        for event in &events {
            line(sender, &json!({"event": event}))?;
        }
    }
    Ok(())
}

/// Nobody reads on.
struct Closed;

fn line<T: Serialize>(sender: &mpsc::Sender<Bytes>, value: &T) -> Result<(), Closed> {
    let mut bytes = serde_json::to_vec(value).unwrap_or_default();
    bytes.push(b'\n');
    sender.blocking_send(Bytes::from(bytes)).map_err(|_| Closed)
}
