//! Runs: list and look at.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use oarlock_engine::blob::{self, Slot};
use oarlock_engine::run::list::{self, Cursor, Filter};
use oarlock_engine::store::View;
use oarlock_engine::time::{Moment, Span};
use oarlock_proto::v1;
use serde_json::Value;

use super::In;
use super::place::Id;
use super::workflows::full_view;
use crate::convert::{self, name, time};
use crate::fresh::Fresh;
use crate::limit::{COUNT_MAX, SCAN_MAX};
use crate::page::{self, Pager};
use crate::params::Params;
use crate::problem::{Answer, Fault, table};
use crate::room::{INDEX, Read, Room};

const PARAMS: [&str; 14] = [
    "page_size",
    "page_token",
    "filter",
    "fields",
    "order_by",
    "view",
    "count",
    "workflow",
    "status",
    "key",
    "label",
    "since",
    "until",
    "all",
];
/// Rows asked of the engine at once.
const STRIDE: usize = 100;

/// Runs, newest first.
#[utoipa::path(get, path = "/runs", tag = "runs",
    params(
        ("workflow" = Option<String>, Query, description = "Of this workflow"),
        ("status" = Option<String>, Query, description = "In one of these states, with commas; `active` and `finished` stand for several"),
        ("key" = Option<String>, Query, description = "With this caller's key"),
        ("label" = Option<String>, Query, description = "With these labels: `team=data,env=prod`"),
        ("since" = Option<String>, Query, description = "Accepted since: a moment, or `1h` for the last hour"),
        ("until" = Option<String>, Query, description = "Accepted before: a moment, or `1h` for an hour ago"),
        ("filter" = Option<String>, Query, description = "CEL over the fields of an item"),
        ("order_by" = Option<String>, Query, description = "`-created_at`: the newest first"),
        ("view" = Option<String>, Query, description = "`basic` (default) or `full`"),
        ("count" = Option<bool>, Query, description = "Also say how many there are in all, up to 10,000"),
        ("page_size" = Option<u32>, Query, description = "1 to 1000, 50 if not given"),
        ("page_token" = Option<String>, Query, description = "From the page before"),
        ("fields" = Option<String>, Query, description = "Only these fields, with commas"),
    ),
    responses((status = 200, body = v1::Page<v1::Run>)))]
pub(crate) async fn list(
    State(room): In,
    _: Fresh,
    params: Params,
) -> Answer<Read<v1::Page<Value>>> {
    let workflow = params.text("workflow").map(str::to_owned);
    page_of(room, params, workflow).await
}

/// Runs of one workflow, newest first. Takes what `/runs` takes.
#[utoipa::path(get, path = "/workflows/{name}/runs", tag = "runs",
    params(("name" = String, Path, description = "The workflow's name")),
    responses((status = 200, body = v1::Page<v1::Run>)))]
pub(crate) async fn of_workflow(
    State(room): In,
    _: Fresh,
    Id(name): Id,
    params: Params,
) -> Answer<Read<v1::Page<Value>>> {
    page_of(room, params, Some(name)).await
}

/// One run, by its id or its short name.
#[utoipa::path(get, path = "/runs/{id}", tag = "runs",
    params(
        ("id" = String, Path, description = "`run_…` or `etl/1042`"),
        ("view" = Option<String>, Query, description = "`full` (default) or `basic`"),
        ("fields" = Option<String>, Query, description = "Only these fields, with commas"),
    ),
    responses((status = 200, body = v1::Run), (status = 304, description = "Not changed")))]
pub(crate) async fn get(
    State(room): In,
    _: Fresh,
    Id(id): Id,
    params: Params,
    headers: HeaderMap,
) -> Answer<Response> {
    let params = params.only(&["view", "fields"])?;
    let full = full_view(&params, true)?;
    let shown = room.read(|view| {
        let run = name::find_run(view, &id)?;
        Ok(if full {
            convert::run::full(view, &room.shelf, &run)
        } else {
            convert::run::basic(view, &room.shelf, &run)
        })
    })?;
    let etag = etag(&shown.value);
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let mut answer = if known == Some(etag.as_str()) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let value = page::pick_fields(&shown.value, &params)?;
        shown.map(|_| value).into_response()
    };
    if let Ok(value) = HeaderValue::from_str(&etag) {
        answer.headers_mut().insert(header::ETAG, value);
    }
    Ok(answer)
}

/// What a run came to, or where it stands.
#[utoipa::path(get, path = "/runs/{id}/result", tag = "runs",
    params(("id" = String, Path, description = "`run_…` or `etl/1042`")),
    responses((status = 200, body = v1::RunResult)))]
pub(crate) async fn result(
    State(room): In,
    _: Fresh,
    Id(id): Id,
    params: Params,
) -> Answer<Read<v1::RunResult>> {
    params.only(&[])?;
    room.read(|view| {
        let run = name::find_run(view, &id)?;
        Ok(convert::run::result(view, &room.shelf, &run))
    })
}

/// What a run was started with: the very bytes that are kept.
#[utoipa::path(get, path = "/runs/{id}/input", tag = "runs",
    params(("id" = String, Path, description = "`run_…` or `etl/1042`")),
    responses((status = 200, description = "JSON", content_type = "application/json")))]
pub(crate) async fn input(State(room): In, _: Fresh, Id(id): Id) -> Answer<Response> {
    payload(&room, &id, Slot::Input)
}

/// What a run came to: the very bytes that are kept; `null` where there are none.
#[utoipa::path(get, path = "/runs/{id}/output", tag = "runs",
    params(("id" = String, Path, description = "`run_…` or `etl/1042`")),
    responses((status = 200, description = "JSON", content_type = "application/json")))]
pub(crate) async fn output(State(room): In, _: Fresh, Id(id): Id) -> Answer<Response> {
    payload(&room, &id, Slot::Output)
}

fn payload(room: &Room, id: &str, slot: Slot) -> Answer<Response> {
    let bytes = room.read(|view| {
        let run = name::find_run(view, id)?;
        Ok(blob::get(view, run.id, slot).map_or_else(|| b"null".to_vec(), |payload| payload.0))
    })?;
    let kind = HeaderValue::from_static("application/json");
    let index = HeaderValue::from(bytes.revision.0);
    Ok(([(header::CONTENT_TYPE, kind), (INDEX, index)], bytes.value).into_response())
}

/// A tag that changes whenever anything that is shown of the run does.
fn etag(run: &v1::Run) -> String {
    let shown = serde_json::to_vec(run).unwrap_or_default();
    format!("\"{:016x}\"", crate::digest::fnv64(&shown))
}

async fn page_of(
    room: Arc<Room>,
    params: Params,
    workflow: Option<String>,
) -> Answer<Read<v1::Page<Value>>> {
    let params = params.only(&PARAMS)?;
    let pager = Pager::<Cursor>::of(&format!("runs of {workflow:?}"), &params)?;
    let full = full_view(&params, false)?;
    let count = params.flag("count")?;
    order(&params)?;
    let scans = pager.filtered() || count || full;
    let look = move |room: &Room| {
        room.read(|view| {
            let filter = filter(view, &params, workflow.as_deref())?;
            let mut page = walk(room, view, &filter, &pager, full)?;
            if count {
                page.total = total(view, &filter);
            }
            Ok(page)
        })
    };
    if !scans {
        return look(&room);
    }
    let asked = tokio::task::spawn_blocking(move || look(&room)).await;
    asked.unwrap_or_else(|fault| Err(Fault::new(&table::INTERNAL, fault.to_string())))
}

/// One page. A filter may let few through: then it ends after so many rows, however few there are.
fn walk(
    room: &Room,
    view: &dyn View,
    filter: &Filter,
    pager: &Pager<Cursor>,
    full: bool,
) -> Answer<v1::Page<Value>> {
    let mut items = Vec::with_capacity(pager.size);
    let mut after = pager.after;
    let mut scanned = 0;
    loop {
        let some = list::page(view, filter, after, STRIDE.min(pager.size));
        for run in &some.runs {
            scanned += 1;
            after = Some(Cursor { created_at: run.created_at, number: run.number, run: run.id });
            let shown = if full {
                convert::run::full(view, &room.shelf, run)
            } else {
                convert::run::basic(view, &room.shelf, run)
            };
            items.extend(pager.show(&shown)?);
            if items.len() == pager.size {
                let more = list::page(view, filter, after, 1);
                let more = !more.runs.is_empty() || more.next.is_some();
                return Ok(pager.page(items, after.as_ref().filter(|_| more)));
            }
        }
        match some.next {
            None => return Ok(pager.page(items, None)),
            Some(next) if scanned >= SCAN_MAX || some.runs.is_empty() => {
                return Ok(pager.page(items, Some(&next)));
            }
            Some(next) => after = Some(next),
        }
    }
}

fn total(view: &dyn View, filter: &Filter) -> Option<u64> {
    let mut count = 0;
    let mut after = None;
    while count < COUNT_MAX {
        let page = list::page(view, filter, after, 1_000);
        count += page.runs.len();
        after = page.next;
        if after.is_none() {
            return u64::try_from(count).ok();
        }
    }
    None
}

/// Only the order that the indexes have is offered: any other would be a sort over everything.
fn order(params: &Params) -> Answer<()> {
    match params.text("order_by") {
        None | Some("-created_at" | "created_at desc") => Ok(()),
        Some(other) => {
            let detail = format!("runs come newest first, they cannot be ordered by `{other}`");
            Err(Fault::new(&table::BAD_QUERY, detail).hint("order_by=-created_at, or leave it out"))
        }
    }
}

/// What the parameters say about which runs are meant.
pub(crate) fn filter(view: &dyn View, params: &Params, workflow: Option<&str>) -> Answer<Filter> {
    let mut filter = Filter::default();
    if let Some(workflow) = workflow {
        // The runs of a workflow that was removed are still there.
        let known = oarlock_engine::catalog::find_any(view, workflow);
        let known = known.map_or_else(|| name::find_workflow(view, workflow), Ok)?;
        filter.workflow = Some(known.id);
    }
    for word in params.list("status") {
        match word {
            "active" => filter.states.extend(list::STATES.iter().filter(|s| !s.finished())),
            "finished" => filter.states.extend(list::STATES.iter().filter(|s| s.finished())),
            _ => filter.states.push(convert::run::state(word).ok_or_else(|| {
                let known = v1::RunStatus::ALL.map(v1::RunStatus::as_str).join(", ");
                Fault::new(&table::BAD_QUERY, format!("no run is ever `{word}`"))
                    .hint(format!("one of: {known}, active, finished"))
            })?),
        }
    }
    filter.key = params.text("key").map(str::to_owned);
    for label in params.list("label") {
        let (key, value) = label.split_once('=').ok_or_else(|| {
            Fault::new(&table::BAD_QUERY, format!("`label` is `name=value`, not `{label}`"))
        })?;
        filter.labels.push((key.to_owned(), value.to_owned()));
    }
    filter.since = ago(params, "since")?;
    filter.until = ago(params, "until")?;
    Ok(filter)
}

/// A moment, or a length of time before now.
fn ago(params: &Params, name: &str) -> Answer<Option<Moment>> {
    let Some(text) = params.text(name) else { return Ok(None) };
    if let Some(moment) = time::moment(text) {
        return Ok(Some(moment));
    }
    let span = params.span(name)?.unwrap_or_default();
    let ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let Span(back) = Span(time::now().0.saturating_sub(ms));
    Ok(Some(Moment(back)))
}
