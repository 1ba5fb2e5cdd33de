//! Workflows: list, look at, pause, resume, delete, draw.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use oarlock_engine::catalog::{self, Command, Workflow};
use oarlock_engine::command::Command as Any;
use oarlock_engine::event::Event;
use oarlock_engine::feed;
use oarlock_engine::id::{Revision, Version, WorkflowId};
use oarlock_engine::store::View;
use oarlock_proto::v1;
use serde_json::Value;

use super::In;
use super::place::{Id, Ids};
use crate::convert::event::Names;
use crate::convert::{self, name};
use crate::fresh::Fresh;
use crate::limit::SCAN_MAX;
use crate::page::{self, Pager};
use crate::params::Params;
use crate::problem::{Answer, Fault, table};
use crate::room::{Read, Room};
use crate::shelf::Book;

/// Every workflow, by name.
#[utoipa::path(get, path = "/workflows", tag = "workflows",
    params(
        ("page_size" = Option<u32>, Query, description = "1 to 1000, 50 if not given"),
        ("page_token" = Option<String>, Query, description = "From the page before"),
        ("filter" = Option<String>, Query, description = "CEL over the fields of an item"),
        ("fields" = Option<String>, Query, description = "Only these fields, with commas"),
    ),
    responses((status = 200, body = v1::Page<v1::Workflow>)))]
pub(crate) async fn list(
    State(room): In,
    _: Fresh,
    params: Params,
) -> Answer<Read<v1::Page<Value>>> {
    let params = params.only(&page::PARAMS)?;
    let pager = Pager::<String>::of("workflows", &params)?;
    room.read(|view| {
        let mut items = Vec::new();
        let mut last = pager.after.clone();
        let mut scanned = 0;
        loop {
            let some = catalog::list(view, last.as_deref(), pager.size);
            let ended = some.len() < pager.size;
            for known in some {
                scanned += 1;
                let Some(book) = room.shelf.get(view, known.id, known.newest) else { continue };
                let shown = convert::workflow::basic(view, &known, known.newest, &book);
                last = Some(known.name);
                items.extend(pager.show(&shown)?);
                if items.len() == pager.size {
                    return Ok(pager.page(items, last.as_ref()));
                }
            }
            if ended {
                return Ok(pager.page(items, None));
            }
            if scanned >= SCAN_MAX {
                return Ok(pager.page(items, last.as_ref()));
            }
        }
    })
}

/// One workflow at its newest version.
#[utoipa::path(get, path = "/workflows/{name}", tag = "workflows",
    params(
        ("name" = String, Path, description = "The workflow's name"),
        ("view" = Option<String>, Query, description = "`full` (default) or `basic`"),
        ("fields" = Option<String>, Query, description = "Only these fields, with commas"),
    ),
    responses((status = 200, body = v1::Workflow), (status = 304, description = "Not changed")))]
pub(crate) async fn get(
    State(room): In,
    _: Fresh,
    Id(name): Id,
    params: Params,
    headers: HeaderMap,
) -> Answer<Response> {
    let params = params.only(&["view", "fields"])?;
    let full = full_view(&params, true)?;
    let shown = room.read(|view| {
        let known = name::find_workflow(view, &name)?;
        let book = book(&room, view, &known, known.newest)?;
        Ok(show(view, &known, known.newest, &book, full))
    })?;
    tagged(shown, &params, &headers)
}

/// Deletes a workflow. Its runs must be finished; they stay until their time is over.
#[utoipa::path(delete, path = "/workflows/{name}", tag = "workflows",
    params(("name" = String, Path, description = "The workflow's name"),
           ("If-Match" = Option<String>, Header, description = "Only if it is still this version")),
    responses((status = 204, description = "Deleted")))]
pub(crate) async fn delete(
    State(room): In,
    Id(name): Id,
    params: Params,
    headers: HeaderMap,
) -> Answer<StatusCode> {
    params.only(&[])?;
    if let Some(expected) = if_match(&headers)? {
        let newest = room.read(|view| Ok(name::find_workflow(view, &name)?.newest))?.value;
        if newest != expected {
            return Err(changed(&name, newest));
        }
    }
    // A name that is not there is refused by the engine; this finds the better hint.
    room.read(|view| name::find_workflow(view, &name).map(drop))?;
    room.propose(Any::Catalog(Command::Remove { name })).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Refuses starts from now on.
#[utoipa::path(post, path = "/workflows/{name}/pause", tag = "workflows",
    params(("name" = String, Path, description = "The workflow's name")),
    responses((status = 200, body = v1::Workflow)))]
pub(crate) async fn pause(State(room): In, Id(name): Id) -> Answer<Read<v1::Workflow>> {
    tell(&room, &name, Command::Pause { name: name.clone() }).await
}

/// Takes starts again.
#[utoipa::path(post, path = "/workflows/{name}/resume", tag = "workflows",
    params(("name" = String, Path, description = "The workflow's name")),
    responses((status = 200, body = v1::Workflow)))]
pub(crate) async fn resume(State(room): In, Id(name): Id) -> Answer<Read<v1::Workflow>> {
    tell(&room, &name, Command::Resume { name: name.clone() }).await
}

/// Every version of a workflow, the newest first.
#[utoipa::path(get, path = "/workflows/{name}/versions", tag = "workflows",
    params(("name" = String, Path, description = "The workflow's name"),
           ("page_size" = Option<u32>, Query, description = "1 to 1000, 50 if not given"),
           ("page_token" = Option<String>, Query, description = "From the page before")),
    responses((status = 200, body = v1::Page<v1::WorkflowVersion>)))]
pub(crate) async fn versions(
    State(room): In,
    _: Fresh,
    Id(name): Id,
    params: Params,
) -> Answer<Read<v1::Page<Value>>> {
    let params = params.only(&page::PARAMS)?;
    let pager = Pager::<u32>::of(&format!("versions of {name}"), &params)?;
    room.read(|view| {
        let known = name::find_workflow(view, &name)?;
        let mut items = Vec::new();
        let all = catalog::versions(view, known.id).into_iter().rev();
        let mut behind = all.filter(|(version, ..)| pager.after.is_none_or(|p| version.0 < p));
        let mut last = None;
        while items.len() < pager.size {
            let Some(edition) = behind.next() else { return Ok(pager.page(items, None)) };
            last = Some(edition.0.0);
            items.extend(pager.show(&convert::workflow::version(&known, edition))?);
        }
        let more = behind.next().is_some();
        Ok(pager.page(items, last.as_ref().filter(|_| more)))
    })
}

/// One version of a workflow.
#[utoipa::path(get, path = "/workflows/{name}/versions/{version}", tag = "workflows",
    params(("name" = String, Path, description = "The workflow's name"),
           ("version" = u32, Path, description = "1, 2, 3 …"),
           ("view" = Option<String>, Query, description = "`full` (default) or `basic`")),
    responses((status = 200, body = v1::Workflow)))]
pub(crate) async fn version(
    State(room): In,
    _: Fresh,
    Ids(name, version): Ids,
    params: Params,
    headers: HeaderMap,
) -> Answer<Response> {
    let params = params.only(&["view", "fields"])?;
    let full = full_view(&params, true)?;
    let shown = room.read(|view| {
        let known = name::find_workflow(view, &name)?;
        let version = version.parse().map(Version).map_err(|_| no_version(&known, &version))?;
        let book = book(&room, view, &known, version)?;
        Ok(show(view, &known, version, &book, full))
    })?;
    tagged(shown, &params, &headers)
}

/// A workflow as a Mermaid flowchart; as plain text if the caller accepts that only.
#[utoipa::path(get, path = "/workflows/{name}/graph", tag = "workflows",
    params(("name" = String, Path, description = "The workflow's name"),
           ("version" = Option<u32>, Query, description = "Another version than the newest")),
    responses((status = 200, body = v1::Graph)))]
pub(crate) async fn graph(
    State(room): In,
    _: Fresh,
    Id(name): Id,
    params: Params,
    headers: HeaderMap,
) -> Answer<Response> {
    let params = params.only(&["version"])?;
    let asked = params.parse::<u32>("version")?.map(Version);
    let graph = room.read(|view| {
        let known = name::find_workflow(view, &name)?;
        let version = asked.unwrap_or(known.newest);
        let book = book(&room, view, &known, version)?;
        let mermaid = convert::workflow::mermaid(&book);
        Ok(v1::Graph { workflow: known.name, version: version.0, mermaid })
    })?;
    Ok(if accepts(&headers, "text/plain") {
        graph.value.mermaid.into_response()
    } else {
        graph.into_response()
    })
}

/// What happened to the workflow itself, the newest first: who applied, paused, resumed or deleted it, and when.
#[utoipa::path(get, path = "/workflows/{name}/history", tag = "workflows",
    params(("name" = String, Path, description = "The workflow's name"),
           ("page_size" = Option<u32>, Query, description = "1 to 1000, 50 if not given"),
           ("page_token" = Option<String>, Query, description = "From the page before")),
    responses((status = 200, body = v1::Page<v1::Event>)))]
pub(crate) async fn history(
    State(room): In,
    _: Fresh,
    Id(name): Id,
    params: Params,
) -> Answer<Read<v1::Page<Value>>> {
    let params = params.only(&page::PARAMS)?;
    let pager = Pager::<u64>::of(&format!("history of {name}"), &params)?;
    room.read(|view| {
        let known = catalog::find_any(view, &name);
        let known = known.map_or_else(|| name::find_workflow(view, &name), Ok)?;
        let mut names = Names::default();
        let mut items = Vec::new();
        let before = Revision(pager.after.unwrap_or(u64::MAX));
        let records = feed::of_cell_back(view, before, SCAN_MAX);
        let ended = records.len() < SCAN_MAX;
        let mut last = None;
        for record in records {
            last = Some(record.revision.0);
            if of_workflow(&record.event) == Some(known.id) {
                let shown = convert::event::shown(view, &room.shelf, &mut names, &record);
                items.extend(pager.show(&shown)?);
            }
            if items.len() == pager.size {
                return Ok(pager.page(items, last.as_ref()));
            }
        }
        Ok(pager.page(items, last.as_ref().filter(|_| !ended)))
    })
}

/// The workflow that an event of the catalog is about.
fn of_workflow(event: &Event) -> Option<WorkflowId> {
    use catalog::Event as E;
    match event {
        Event::Catalog(
            E::Named { workflow, .. }
            | E::Defined { workflow, .. }
            | E::Paused { workflow }
            | E::Resumed { workflow }
            | E::Removed { workflow },
        ) => Some(*workflow),
        _ => None,
    }
}

async fn tell(room: &Arc<Room>, name: &str, command: Command) -> Answer<Read<v1::Workflow>> {
    room.read(|view| name::find_workflow(view, name).map(drop))?;
    room.propose(Any::Catalog(command)).await?;
    room.read(|view| {
        let known = name::find_workflow(view, name)?;
        let book = book(room, view, &known, known.newest)?;
        Ok(convert::workflow::basic(view, &known, known.newest, &book))
    })
}

fn book(room: &Room, view: &dyn View, known: &Workflow, version: Version) -> Answer<Arc<Book>> {
    room.shelf.get(view, known.id, version).ok_or_else(|| no_version(known, &version.to_string()))
}

fn no_version(known: &Workflow, version: &str) -> Fault {
    let detail = format!("`{}` has no version {version}", known.name);
    Fault::new(&table::NO_VERSION, detail).hint(format!("the newest is {}", known.newest))
}

fn show(
    view: &dyn View,
    known: &Workflow,
    version: Version,
    book: &Book,
    full: bool,
) -> v1::Workflow {
    if full {
        convert::workflow::full(view, known, version, book)
    } else {
        convert::workflow::basic(view, known, version, book)
    }
}

/// Whether `view=full` is asked for.
pub(crate) fn full_view(params: &Params, default: bool) -> Answer<bool> {
    match params.text("view") {
        None => Ok(default),
        Some("full") => Ok(true),
        Some("basic") => Ok(false),
        Some(other) => Err(Fault::new(
            &table::BAD_QUERY,
            format!("`view` is `basic` or `full`, not `{other}`"),
        )),
    }
}

/// Whether the caller names this type before any other.
pub(crate) fn accepts(headers: &HeaderMap, kind: &str) -> bool {
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accepted.is_some_and(|text| text.trim_start().starts_with(kind))
}

/// Answers with an `ETag`, or 304 if the caller has this very version.
fn tagged(shown: Read<v1::Workflow>, params: &Params, headers: &HeaderMap) -> Answer<Response> {
    // What is shown beside the definition changes without a new version: the tag covers both.
    let state =
        format!("{}{}{}", shown.value.paused, shown.value.unfinished_runs, params.question("w"));
    let own = shown.value.etag.trim_matches('"').to_owned();
    let view = crate::digest::fnv64(state.as_bytes()) & 0xffff;
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let etag = format!("\"{own}-{view:04x}\"");
    let same = |tag: &str| tag == "*" || tag.trim_start_matches("W/") == etag;
    let fresh = known.is_some_and(|known| known.split(',').any(|tag| same(tag.trim())));
    let mut answer = if fresh {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let value = page::pick_fields(&shown.value, params)?;
        shown.map(|_| value).into_response()
    };
    if let Ok(value) = HeaderValue::from_str(&etag) {
        answer.headers_mut().insert(header::ETAG, value);
    }
    Ok(answer)
}

/// The version in `If-Match`: `"v3"`, or a whole ETag of ours. `*` is no condition.
pub(crate) fn if_match(headers: &HeaderMap) -> Answer<Option<Version>> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim().trim_start_matches("W/").trim_matches('"');
    if text == "*" {
        return Ok(None);
    }
    let number = text.trim_start_matches('v').split('-').next().unwrap_or_default();
    number.parse().map(|version| Some(Version(version))).map_err(|_| {
        let detail = format!("`{text}` is no ETag of a workflow: they look like \"v3\"");
        Fault::new(&table::CHANGED, detail)
    })
}

/// Somebody was quicker.
pub(crate) fn changed(name: &str, newest: Version) -> Fault {
    Fault::new(&table::CHANGED, format!("`{name}` is at version {newest} now"))
}
