//! What happened and what happens: as pages, or live as server-sent events.
//!
//! ```text
//!   Last-Event-ID, ?after ──▶ the tables, until caught up ──▶ the replica's live feed ──▶ …
//!                                    one read a batch             names remembered per stream
//! ```
//!
//! The id of an event is its revision: a client that comes back with the last one it saw misses nothing and sees nothing twice. A
//! run's stream ends with the run, and answers 204 to a browser that asks for more of a finished one, so that it stops asking.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt, stream};
use oarlock_engine::event::Event as Any;
use oarlock_engine::feed::{self, Record, Subject};
use oarlock_engine::id::{Revision, RunId};
use oarlock_engine::run;
use oarlock_engine::store::View;
use oarlock_proto::v1;
use oarlock_raft::Watch;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;

use super::In;
use super::place::Id;
use crate::convert::event::{self, Names};
use crate::convert::{name, time};
use crate::fresh::{Fresh, Stale};
use crate::limit::{KEEP_ALIVE, RECORDS_MAX, SCAN_MAX};
use crate::page::Pager;
use crate::params::Params;
use crate::problem::{Answer, Fault, table};
use crate::room::Room;

const PARAMS: [&str; 8] =
    ["types", "run", "after", "order_by", "page_size", "page_token", "filter", "fields"];
/// How soon a browser comes back after a break.
const RETRY: Duration = Duration::from_secs(1);

/// Everything that happens, live as server-sent events; as a page with `Accept: application/json`.
#[utoipa::path(get, path = "/events", tag = "events",
    params(
        ("types" = Option<String>, Query, description = "Only these kinds, with commas: `run.*,task.failed`"),
        ("run" = Option<String>, Query, description = "Of this run"),
        ("after" = Option<u64>, Query, description = "Behind this revision; a stream begins with what happens next if nothing is said"),
        ("Last-Event-ID" = Option<u64>, Header, description = "The same, as browsers send it"),
        ("page_size" = Option<u32>, Query, description = "For a page: 1 to 1000, 50 if not given"),
        ("page_token" = Option<String>, Query, description = "For a page: from the page before"),
    ),
    responses((status = 200, body = v1::Event, content_type = "text/event-stream")))]
pub(crate) async fn all(
    State(room): In,
    _: Stale,
    params: Params,
    headers: HeaderMap,
) -> Answer<Response> {
    let params = params.only(&PARAMS)?;
    let run = params.text("run").map(|id| room.replica.read(|view| name::find_run(view, id)));
    respond(room, &params, &headers, run.transpose()?).await
}

/// What happens to a run, from its beginning on and to its end; as a page with `Accept: application/json`.
#[utoipa::path(get, path = "/runs/{id}/events", tag = "events",
    params(
        ("id" = String, Path, description = "`run_…` or `etl/1042`"),
        ("types" = Option<String>, Query, description = "Only these kinds, with commas: `run.*,task.failed`"),
        ("after" = Option<u64>, Query, description = "Behind this revision"),
        ("Last-Event-ID" = Option<u64>, Header, description = "The same, as browsers send it"),
        ("order_by" = Option<String>, Query, description = "For a page: `-revision`, the newest first"),
        ("page_size" = Option<u32>, Query, description = "For a page: 1 to 1000, 50 if not given"),
        ("page_token" = Option<String>, Query, description = "For a page: from the page before"),
    ),
    responses((status = 200, body = v1::Event, content_type = "text/event-stream"),
              (status = 204, description = "The run is over, and there is nothing more")))]
pub(crate) async fn of_run(
    State(room): In,
    _: Fresh,
    Id(id): Id,
    params: Params,
    headers: HeaderMap,
) -> Answer<Response> {
    let params = params.only(&PARAMS)?;
    let run = room.replica.read(|view| name::find_run(view, &id))?;
    respond(room, &params, &headers, Some(run)).await
}

async fn respond(
    room: Arc<Room>,
    params: &Params,
    headers: &HeaderMap,
    run: Option<run::Run>,
) -> Answer<Response> {
    let types = Types::of(params)?;
    let run_id = run.as_ref().map(|run| run.id);
    if wants_page(headers) {
        return page(&room, params, &types, run_id);
    }
    let after = after(params, headers)?;
    if let Some(after) = after {
        has_happened(&room, after).await?;
    }
    if let Some(id) = run_id
        && room.replica.read(|view| nothing_more(view, id, after.unwrap_or_default()))
    {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let place = room.stream_place()?;
    let live = live(room, types, run_id, after, place);
    Ok(Sse::new(live).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

fn wants_page(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accepted.is_some_and(|a| a.contains("application/json") && !a.contains("text/event-stream"))
}

fn after(params: &Params, headers: &HeaderMap) -> Answer<Option<Revision>> {
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let last = last.map(str::trim).filter(|text| !text.is_empty());
    let Some(text) = last.or(params.text("after")) else { return Ok(None) };
    text.parse().map(|revision| Some(Revision(revision))).map_err(|_| {
        Fault::new(&table::BAD_QUERY, format!("`{text}` is no revision: a whole number"))
    })
}

/// Refuses a place that lies ahead: it belongs to another node or to data that is gone. A stream from there would be silent for as
/// long as this feed needs to get so far, and what happens until then would be lost on whoever reads it.
async fn has_happened(room: &Room, after: Revision) -> Answer<()> {
    if after <= room.replica.revision() {
        return Ok(());
    }
    // This copy may only be behind.
    room.certain().await?;
    let newest = room.replica.revision();
    if after <= newest {
        return Ok(());
    }
    let detail = format!("revision {after} has not happened here: the newest is {newest}");
    Err(Fault::new(&table::BAD_QUERY, detail)
        .hint("begin anew, without `after` or `Last-Event-ID`"))
}

/// Whether a run is over and all of it has been seen.
fn nothing_more(view: &dyn View, id: RunId, after: Revision) -> bool {
    let over = run::get(view, id).is_none_or(|run| run.state.finished());
    over && feed::of_run(view, id, after, 1).is_empty()
}

/// Which kinds of events.
#[derive(Debug, Default)]
struct Types {
    exact: Vec<String>,
    groups: Vec<String>,
}

impl Types {
    fn of(params: &Params) -> Answer<Types> {
        let mut types = Types::default();
        for word in params.list("types") {
            let known =
                |kind: &str| v1::Event::KINDS.iter().any(|(known, _)| known.starts_with(kind));
            match word.strip_suffix('*') {
                Some(group) if known(group) => types.groups.push(group.to_owned()),
                None if v1::Event::KINDS.iter().any(|(known, _)| *known == word) => {
                    types.exact.push(word.to_owned());
                }
                _ => return Err(unknown(word)),
            }
        }
        Ok(types)
    }

    fn let_through(&self, kind: &str) -> bool {
        let all = self.exact.is_empty() && self.groups.is_empty();
        all || self.exact.iter().any(|known| known == kind)
            || self.groups.iter().any(|group| kind.starts_with(group.as_str()))
    }
}

fn unknown(word: &str) -> Fault {
    let fault = Fault::new(&table::BAD_QUERY, format!("no event is of the kind `{word}`"));
    let near = v1::Event::KINDS
        .iter()
        .map(|(kind, _)| *kind)
        .max_by(|a, b| strsim::jaro_winkler(a, word).total_cmp(&strsim::jaro_winkler(b, word)));
    match near {
        Some(near) => fault.hint(format!("did you mean `{near}`? groups end with a star: `run.*`")),
        None => fault,
    }
}

/// Whether a record is about a run.
fn about(event: &Any, run: Option<RunId>) -> bool {
    run.is_none_or(|run| match event {
        Any::Run(run::Event::Purged { run: gone, .. }) => *gone == run,
        event => feed::subject(event) == Subject::Run(run),
    })
}

fn page(room: &Room, params: &Params, types: &Types, run: Option<RunId>) -> Answer<Response> {
    let pager = Pager::<u64>::of(&format!("events of {run:?}"), params)?;
    let back = match params.text("order_by") {
        None | Some("revision") => false,
        Some("-revision") if run.is_some() => true,
        Some(other) => {
            let detail = format!("events cannot be ordered by `{other}` here");
            return Err(Fault::new(&table::BAD_QUERY, detail)
                .hint("`revision`; of one run also `-revision`"));
        }
    };
    let first = params.parse::<u64>("after")?;
    let shown = room.read(|view| {
        if let (None, Some(after)) = (run, first) {
            still_there(view, Revision(after))?;
        }
        let mut names = Names::default();
        let mut items = Vec::new();
        let mut last = pager.after.or(first).unwrap_or(if back { u64::MAX } else { 0 });
        let mut scanned = 0;
        loop {
            let stride = RECORDS_MAX;
            let records = match (run, back) {
                (Some(run), true) => feed::of_run_back(view, run, Revision(last), stride),
                (Some(run), false) => feed::of_run(view, run, Revision(last), stride),
                (None, _) => feed::after(view, Revision(last), stride),
            };
            let ended = records.len() < stride;
            for record in records {
                scanned += 1;
                last = record.revision.0;
                if types.let_through(event::kind(&record.event)) {
                    items.extend(pager.show(&event::shown(
                        view,
                        &room.shelf,
                        &mut names,
                        &record,
                    ))?);
                }
                if items.len() == pager.size {
                    return Ok(pager.page(items, Some(&last)));
                }
            }
            if ended || scanned >= SCAN_MAX {
                return Ok(pager.page(items, Some(&last).filter(|_| !ended)));
            }
        }
    })?;
    Ok(shown.into_response())
}

/// One live stream.
struct Live {
    room: Arc<Room>,
    types: Types,
    run: Option<RunId>,
    names: Names,
    after: Revision,
    /// None: still reading a run's own history.
    feed: Option<Watch>,
    ready: VecDeque<Sent>,
    ended: bool,
    _place: OwnedSemaphorePermit,
}

fn live(
    room: Arc<Room>,
    types: Types,
    run: Option<RunId>,
    after: Option<Revision>,
    place: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Sent, Infallible>> + Send {
    let closed = room.closed();
    let newest = room.replica.status().revision;
    let after = after.unwrap_or(if run.is_some() { Revision(0) } else { newest });
    let mut ready = VecDeque::from([Sent::default().retry(RETRY).comment("oarlock")]);
    if run.is_none() {
        ready.extend(room.replica.read(|view| trimmed(view, after)));
    }
    let feed = run.is_none().then(|| room.replica.watch(after));
    let names = Names::default();
    let live = Live { room, types, run, names, after, feed, ready, ended: false, _place: place };
    stream::unfold(live, Live::step).map(Ok).take_until(closed)
}

/// Refuses a page of the whole feed behind a revision that it has forgotten.
fn still_there(view: &dyn View, after: Revision) -> Answer<()> {
    let oldest = feed::oldest(view);
    if !forgotten(after, oldest) {
        return Ok(());
    }
    let detail = format!("asked for what follows revision {after}, the feed begins at {oldest}");
    Err(Fault::new(&table::TRIMMED, detail))
}

fn forgotten(after: Revision, oldest: Revision) -> bool {
    after.0 != 0 && after.0.saturating_add(1) < oldest.0
}

/// Says that a stream begins later than was asked for, because the feed is not kept for ever.
fn trimmed(view: &dyn View, after: Revision) -> Option<Sent> {
    let oldest = feed::oldest(view);
    if !forgotten(after, oldest) {
        return None;
    }
    let event = v1::Event {
        revision: oldest.0.saturating_sub(1),
        at: time::rfc3339(time::now()),
        by: String::new(),
        kind: "feed.trimmed".to_owned(),
        workflow: None,
        run: None,
        run_name: None,
        task: None,
        attempt: None,
        details: json!({"asked": after.0, "oldest": oldest.0}),
    };
    sent(&event)
}

impl Live {
    async fn step(mut self) -> Option<(Sent, Live)> {
        loop {
            if let Some(next) = self.ready.pop_front() {
                return Some((next, self));
            }
            if self.ended {
                return None;
            }
            match &mut self.feed {
                None => self.catch_up(),
                Some(feed) => {
                    let records = feed.next().await?;
                    self.take(&records);
                }
            }
        }
    }

    /// Reads some of a run's history; the live feed begins where it ends.
    fn catch_up(&mut self) {
        let room = Arc::clone(&self.room);
        let Some(run) = self.run else { return };
        room.replica.read(|view| {
            let records = feed::of_run(view, run, self.after, RECORDS_MAX);
            let all = records.len() < RECORDS_MAX;
            self.show(view, &records);
            if all {
                self.after = self.after.max(view.revision());
                self.feed = Some(room.replica.watch(self.after));
                self.ended = nothing_more(view, run, self.after);
            }
        });
    }

    fn take(&mut self, records: &[Record]) {
        let run = self.run;
        let wanted = |record: &Record| {
            about(&record.event, run) && self.types.let_through(event::kind(&record.event))
        };
        let ends = |record: &Record| {
            run.is_some()
                && about(&record.event, run)
                && matches!(
                    record.event,
                    Any::Run(run::Event::Settled { .. } | run::Event::Purged { .. })
                )
        };
        let over = records.iter().any(ends);
        if over || records.iter().any(wanted) {
            let room = Arc::clone(&self.room);
            room.replica.read(|view| {
                self.show(view, records);
                if let Some(run) = run.filter(|_| over) {
                    self.ended = nothing_more(view, run, self.after);
                }
            });
        }
        if let Some(last) = records.last() {
            self.after = last.revision;
        }
    }

    fn show(&mut self, view: &dyn View, records: &[Record]) {
        for record in records {
            self.after = record.revision;
            if about(&record.event, self.run) && self.types.let_through(event::kind(&record.event))
            {
                let shown = event::shown(view, &self.room.shelf, &mut self.names, record);
                self.ready.extend(sent(&shown));
            }
        }
    }
}

fn sent(event: &v1::Event) -> Option<Sent> {
    // No `event:` line: browsers would need a listener for each kind, and the kind is in the data.
    Sent::default().id(event.revision.to_string()).json_data(event).ok()
}
