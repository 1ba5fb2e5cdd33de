//! Tasks of runs: listed, and looked at.

use std::sync::Arc;

use axum::extract::State;
use oarlock_engine::id::{Attempt, Item, StepNo, TaskId};
use oarlock_engine::run::Run;
use oarlock_engine::run::list::{Cursor, Filter, STATES, page as runs_page};
use oarlock_engine::store::View;
use oarlock_engine::{catalog, dag, task};
use oarlock_proto::v1;
use oarlock_proto::v1::TaskStatus;
use serde_json::Value;

use super::In;
use super::place::{Id, Ids};
use super::workflows::full_view;
use crate::convert::task::Frame;
use crate::convert::{self, name};
use crate::fresh::Fresh;
use crate::limit::SCAN_MAX;
use crate::page::{self, Pager};
use crate::params::Params;
use crate::problem::{Answer, Fault, table};
use crate::room::{Read, Room};
use crate::shelf::Book;

const PARAMS: [&str; 6] = ["page_size", "page_token", "filter", "fields", "status", "view"];
const ALL_PARAMS: [&str; 8] =
    ["page_size", "page_token", "filter", "fields", "status", "view", "workflow", "queue"];

/// Where a list of one run's tasks ended: a step, and an item of it if it has tasks.
pub(crate) type Spot = (u16, Option<u32>);

/// A task with all that it belongs to.
pub(super) struct Found {
    run: Run,
    run_name: String,
    workflow: String,
    book: Arc<Book>,
    pub(super) id: TaskId,
}

impl Found {
    fn frame(&self, full: bool) -> Frame<'_> {
        Frame {
            run: &self.run,
            run_name: &self.run_name,
            workflow: &self.workflow,
            definition: &self.book,
            full,
        }
    }

    /// `etl/1042/load`.
    pub(super) fn name(&self) -> String {
        name::task(&self.run_name, &self.book, self.id)
    }

    /// Refuses an attempt that there never was.
    pub(super) fn tried(&self, view: &dyn View, attempt: Attempt) -> Answer<()> {
        let begun = task::tries(view, self.id);
        if begun.iter().any(|tried| tried.attempt == attempt) {
            return Ok(());
        }
        let name = self.name();
        let fault = Fault::new(&table::NO_TASK, format!("`{name}` has no attempt {attempt}"));
        Err(match begun.last() {
            Some(last) => fault.hint(format!("the last is `{name}@{}`", last.attempt)),
            None => fault.hint("none has begun yet"),
        })
    }

    /// It as callers see it.
    pub(super) fn shown(&self, view: &dyn View, full: bool) -> Answer<v1::Task> {
        let row = task::get(view, self.id);
        let step = dag::progress(view, self.run.id, self.id.step);
        let of_step =
            step.map_or(TaskStatus::Blocked, |step| convert::task::status_of_step(step.state));
        if row.is_none() && self.id.item != Item(0) {
            return Err(no_task(&self.run_name, &self.name()));
        }
        self.frame(full)
            .task(view, self.id, row.as_ref(), of_step)
            .ok_or_else(|| no_task(&self.run_name, &self.name()))
    }
}

/// The tasks of a run in the order of the file; a fan-out has one for each item that has been opened.
#[utoipa::path(get, path = "/runs/{id}/tasks", tag = "tasks",
    params(
        ("id" = String, Path, description = "`run_…` or `etl/1042`"),
        ("status" = Option<String>, Query, description = "In one of these states, with commas"),
        ("view" = Option<String>, Query, description = "`basic` (default) or `full`"),
        ("filter" = Option<String>, Query, description = "CEL over the fields of an item"),
        ("page_size" = Option<u32>, Query, description = "1 to 1000, 50 if not given"),
        ("page_token" = Option<String>, Query, description = "From the page before"),
        ("fields" = Option<String>, Query, description = "Only these fields, with commas"),
    ),
    responses((status = 200, body = v1::Page<v1::Task>)))]
pub(crate) async fn of_run(
    State(room): In,
    _: Fresh,
    Id(id): Id,
    params: Params,
) -> Answer<Read<v1::Page<Value>>> {
    let params = params.only(&PARAMS)?;
    let pager = Pager::<Spot>::of(&format!("tasks of {id}"), &params)?;
    let full = full_view(&params, false)?;
    let wanted = statuses(&params)?;
    room.read(|view| {
        let found = find(&room, view, &id, None)?;
        let mut items = Vec::new();
        let mut spot = pager.after;
        for _ in 0..SCAN_MAX {
            let Some((next, shown)) = next_task(view, &found, spot, full) else {
                return Ok(pager.page(items, None));
            };
            spot = Some(next);
            if wanted.is_empty() || wanted.contains(&shown.status) {
                items.extend(pager.show(&shown)?);
            }
            if items.len() == pager.size {
                let more = next_task(view, &found, spot, false).is_some();
                return Ok(pager.page(items, spot.as_ref().filter(|_| more)));
            }
        }
        Ok(pager.page(items, spot.as_ref()))
    })
}

/// Tasks over all runs that are not finished, the newest run first; finished runs too where `status` names a settled state.
#[utoipa::path(get, path = "/tasks", tag = "tasks",
    params(
        ("status" = Option<String>, Query, description = "In one of these states, with commas"),
        ("workflow" = Option<String>, Query, description = "Of this workflow"),
        ("queue" = Option<String>, Query, description = "Of this queue"),
        ("view" = Option<String>, Query, description = "`basic` (default) or `full`"),
        ("filter" = Option<String>, Query, description = "CEL over the fields of an item"),
        ("page_size" = Option<u32>, Query, description = "1 to 1000, 50 if not given"),
        ("page_token" = Option<String>, Query, description = "From the page before"),
        ("fields" = Option<String>, Query, description = "Only these fields, with commas"),
    ),
    responses((status = 200, body = v1::Page<v1::Task>)))]
pub(crate) async fn list(
    State(room): In,
    _: Fresh,
    params: Params,
) -> Answer<Read<v1::Page<Value>>> {
    let params = params.only(&ALL_PARAMS)?;
    let pager = Pager::<(Option<Cursor>, Option<Spot>)>::of("tasks", &params)?;
    let asked =
        tokio::task::spawn_blocking(move || room.read(|view| all(&room, view, &params, &pager)))
            .await;
    asked.unwrap_or_else(|fault| Err(Fault::new(&table::INTERNAL, fault.to_string())))
}

fn all(
    room: &Room,
    view: &dyn View,
    params: &Params,
    pager: &Pager<(Option<Cursor>, Option<Spot>)>,
) -> Answer<v1::Page<Value>> {
    let full = full_view(params, false)?;
    let wanted = statuses(params)?;
    let queue = params.text("queue");
    let mut filter = Filter::default();
    if let Some(workflow) = params.text("workflow") {
        filter.workflow = Some(name::find_workflow(view, workflow)?.id);
    }
    if !wanted.iter().any(|status| status.settled()) {
        filter.states = STATES.into_iter().filter(|state| !state.finished()).collect();
    }
    // `before` is the run behind which the current one stands; `spot` the place inside the current one.
    let (mut before, mut spot) = pager.after.unwrap_or_default();
    let mut items = Vec::new();
    let mut scanned = 0;
    loop {
        let page = runs_page(view, &filter, before, 1);
        let Some(run) = page.runs.into_iter().next() else {
            let Some(next) = page.next else { return Ok(pager.page(items, None)) };
            before = Some(next);
            spot = None;
            continue;
        };
        let here = Cursor { created_at: run.created_at, number: run.number, run: run.id };
        let found = find(room, view, &run.id.to_string(), None)?;
        while let Some((next, shown)) = next_task(view, &found, spot, full) {
            scanned += 1;
            spot = Some(next);
            let fits = (wanted.is_empty() || wanted.contains(&shown.status))
                && queue.is_none_or(|queue| shown.queue == queue);
            if fits {
                items.extend(pager.show(&shown)?);
            }
            if items.len() == pager.size || scanned >= SCAN_MAX {
                return Ok(pager.page(items, Some(&(before, spot))));
            }
        }
        before = Some(here);
        spot = None;
    }
}

/// One task of a run.
#[utoipa::path(get, path = "/runs/{id}/tasks/{task}", tag = "tasks",
    params(("id" = String, Path, description = "`run_…` or `etl/1042`"),
           ("task" = String, Path, description = "`load`, or `extract[3]` for an item of a fan-out"),
           ("view" = Option<String>, Query, description = "`full` (default) or `basic`"),
           ("fields" = Option<String>, Query, description = "Only these fields, with commas")),
    responses((status = 200, body = v1::Task)))]
pub(crate) async fn get(
    State(room): In,
    _: Fresh,
    Ids(id, task): Ids,
    params: Params,
) -> Answer<Read<Value>> {
    let params = params.only(&["view", "fields"])?;
    let full = full_view(&params, true)?;
    room.read(|view| {
        let found = find(&room, view, &id, Some(&task))?;
        if let Some((.., Some(attempt))) = name::task_parts(&task) {
            found.tried(view, Attempt(attempt))?;
        }
        page::pick_fields(&found.shown(view, full)?, &params)
    })
}

/// One task by its whole id.
#[utoipa::path(get, path = "/tasks/{id}", tag = "tasks",
    params(("id" = String, Path, description = "`etl/1042/load`, `etl/1042/extract[3]`"),
           ("view" = Option<String>, Query, description = "`full` (default) or `basic`"),
           ("fields" = Option<String>, Query, description = "Only these fields, with commas")),
    responses((status = 200, body = v1::Task)))]
pub(crate) async fn by_id(
    State(room): In,
    fresh: Fresh,
    Id(id): Id,
    params: Params,
) -> Answer<Read<Value>> {
    let (run, task) = name::split_task(&id)
        .filter(|_| room.replica.read(|view| name::find_run(view, &id).is_err()))
        .ok_or_else(|| {
            Fault::new(&table::NO_TASK, format!("`{id}` is no task's id"))
                .hint("a task's id is its run and its name, `etl/1042/load`")
        })?;
    get(State(room), fresh, Ids(run.to_owned(), task.to_owned()), params).await
}

/// Each try of a task, the first one first.
#[utoipa::path(get, path = "/runs/{id}/tasks/{task}/attempts", tag = "tasks",
    params(("id" = String, Path, description = "`run_…` or `etl/1042`"),
           ("task" = String, Path, description = "`load`, or `extract[3]`")),
    responses((status = 200, body = v1::Page<v1::Attempt>)))]
pub(crate) async fn attempts(
    State(room): In,
    _: Fresh,
    Ids(id, task): Ids,
    params: Params,
) -> Answer<Read<v1::Page<Value>>> {
    let params = params.only(&page::PARAMS)?;
    let pager = Pager::<u32>::of(&format!("attempts of {id}/{task}"), &params)?;
    room.read(|view| {
        let found = find(&room, view, &id, Some(&task))?;
        let Some(row) = task::get(view, found.id) else {
            return Ok(v1::Page::whole(Vec::new()));
        };
        let name = found.name();
        let mut items = Vec::new();
        let mut last = None;
        for tried in task::tries(view, found.id) {
            if pager.after.is_some_and(|after| tried.attempt.0 <= after) {
                continue;
            }
            if items.len() == pager.size {
                return Ok(pager.page(items, last.as_ref()));
            }
            last = Some(tried.attempt.0);
            items.extend(pager.show(&convert::task::attempt(&name, &row, &tried))?);
        }
        Ok(pager.page(items, None))
    })
}

/// Finds a run, and a task of it where one is named.
pub(super) fn find(room: &Room, view: &dyn View, id: &str, task: Option<&str>) -> Answer<Found> {
    let run = name::find_run(view, id)?;
    let book = room.shelf.get(view, run.workflow, run.version).ok_or_else(|| {
        let detail = format!("the definition of `{id}` is gone");
        Fault::new(&table::NO_VERSION, detail)
    })?;
    let workflow = catalog::get(view, run.workflow)
        .map_or_else(|| run.workflow.to_string(), |known| known.name);
    let run_name = name::run(&workflow, run.number);
    let id = match task {
        Some(task) => name::find_task(&book, &run, &run_name, task)?,
        None => TaskId { run: run.id, step: StepNo(0), item: Item(0) },
    };
    Ok(Found { run, run_name, workflow, book, id })
}

/// A task of a run by id, for other rooms: its id and its full name.
pub(crate) fn find_id(
    room: &Room,
    view: &dyn View,
    id: &str,
    task: &str,
) -> Answer<(TaskId, String)> {
    let found = find(room, view, id, Some(task))?;
    Ok((found.id, found.name()))
}

/// Some tasks of a run behind a place, with their places.
pub(crate) fn some(
    room: &Room,
    view: &dyn View,
    run: &Run,
    after: Option<Spot>,
    full: bool,
) -> Vec<(Spot, v1::Task)> {
    const SOME: usize = 64;
    let Ok(found) = find(room, view, &run.id.to_string(), None) else { return Vec::new() };
    let mut last = after;
    let mut some = Vec::new();
    while some.len() < SOME
        && let Some((spot, task)) = next_task(view, &found, last, full)
    {
        last = Some(spot);
        some.push((spot, task));
    }
    some
}

/// The task behind a place; a step that has no tasks yet is shown as one.
fn next_task(
    view: &dyn View,
    found: &Found,
    after: Option<Spot>,
    full: bool,
) -> Option<(Spot, v1::Task)> {
    let run = found.run.id;
    let frame = found.frame(full);
    let (mut step, mut item) = match after {
        None => (0, None),
        Some((step, Some(item))) => (step, Some(item)),
        Some((step, None)) => (step.saturating_add(1), None),
    };
    while usize::from(step) < found.book.steps.len() {
        let no = StepNo(step);
        let behind = item.map(|item| TaskId { run, step: no, item: Item(item) });
        if let Some(row) = task::of_step(view, run, no, behind, 1).into_iter().next() {
            let shown = frame.task(view, row.id, Some(&row), TaskStatus::Pending)?;
            return Some(((step, Some(row.id.item.0)), shown));
        }
        if behind.is_none() {
            let progress = dag::progress(view, run, no);
            let status = progress
                .map_or(TaskStatus::Blocked, |step| convert::task::status_of_step(step.state));
            let id = convert::task::first(&found.run, no);
            let shown = frame.task(view, id, None, status)?;
            return Some(((step, None), shown));
        }
        step += 1;
        item = None;
    }
    None
}

fn statuses(params: &Params) -> Answer<Vec<TaskStatus>> {
    params
        .list("status")
        .into_iter()
        .map(|word| {
            TaskStatus::ALL.into_iter().find(|status| status.as_str() == word).ok_or_else(|| {
                let known = TaskStatus::ALL.map(TaskStatus::as_str).join(", ");
                Fault::new(&table::BAD_QUERY, format!("no task is ever `{word}`"))
                    .hint(format!("one of: {known}"))
            })
        })
        .collect()
}

fn no_task(run: &str, task: &str) -> Fault {
    Fault::new(&table::NO_TASK, format!("`{run}` has no task `{task}`"))
}
