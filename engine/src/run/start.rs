//! How a run begins: accepted, perhaps delayed, perhaps held by its concurrency key, then released.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::{Event, OnConflict, Request, Run, Start, State, by_key, get, stop};
use crate::apply::Reply;
use crate::blob::{self, Payload, Slot};
use crate::catalog::graph::Graph;
use crate::catalog::{self, Concurrency, Workflow, shape};
use crate::dag::walk::{CHILDREN_MAX, Todo, Walk};
use crate::id::{Number, RunId, Version, WorkflowId};
use crate::reject::Rejection;
use crate::run::{DEPTH_MAX, REQUEST_KEPT};
use crate::store::{Tx, schema};
use crate::task::{self, Awaited, Failure, Task};
use crate::time::Span;
use crate::timer::{self, Alarm};

/// The longest `Idempotency-Key` and concurrency key, in bytes.
pub(crate) const KEY_BYTES_MAX: usize = 512;

/// Begins an execution, or says which one was begun before.
pub(crate) fn start(tx: &mut Tx<'_>, start: &Start) -> Result<Reply, Rejection> {
    if let Some(run) = get(tx, start.run) {
        return Ok(Reply::Started { run: run.id, number: run.number, repeated: true });
    }
    if let Some(reply) = asked_before(tx, start.request.as_ref())? {
        return Ok(reply);
    }
    let (workflow, version) = known(tx, &start.workflow, start.version)?;
    if workflow.paused {
        return Err(Rejection::WorkflowPaused(workflow.name));
    }
    let graph = tx.graph(workflow.id, version);
    let run = accepted(tx, start, &workflow, version, &graph)?;
    vacant(tx, &run)?;
    let limit = graph.definition.concurrency.as_ref().filter(|_| !run.lane.is_empty());
    let delayed = run.due_at > run.created_at;
    if let Some(concurrency) = limit.filter(|_| !delayed) {
        welcome(tx, &run, concurrency)?;
    }
    let mut walk = Walk::new(tx);
    let (id, number) = (run.id, run.number);
    accept(&mut walk, run, &start.input, start.request.as_ref());
    if delayed {
        let run = walk.run(id);
        timer::set(walk.tx, run.role, run.due_at, Alarm::RunDue(id));
    } else {
        walk.then(Todo::Admit(id));
    }
    if let Some(concurrency) = limit.filter(|_| !delayed) {
        make_room(&mut walk, id, concurrency);
    }
    walk.finish();
    Ok(Reply::Started { run: id, number, repeated: false })
}

/// A task starts another workflow and waits for it.
pub(crate) fn child(
    walk: &mut Walk<'_, '_>,
    parent: &Run,
    task: &Task,
    name: &str,
    input: &Payload,
) {
    let fail = |kind: &str, message: String, retryable| Failure {
        kind: kind.to_owned(),
        message,
        retryable,
    };
    let depth = parent.parent.map_or(0, |(_, depth)| depth) + 1;
    if depth > DEPTH_MAX {
        let message = format!("workflows are nested more than {DEPTH_MAX} deep");
        task::settle::fail(walk, task, fail("child:depth", message, false));
        return;
    }
    let (workflow, version) = match known(walk.tx, name, None) {
        Ok((workflow, _)) if workflow.paused => {
            let message = Rejection::WorkflowPaused(workflow.name).to_string();
            task::settle::fail(walk, task, fail("child:paused", message, true));
            return;
        }
        Ok(known) => known,
        Err(rejection) => {
            let failure = fail("child:missing", rejection.to_string(), false);
            task::settle::fail(walk, task, failure);
            return;
        }
    };
    let graph = walk.tx.graph(workflow.id, version);
    let id = RunId::child_of(task.id, task.attempt);
    walk.children += 1;
    let one_too_many = walk.children > CHILDREN_MAX;
    let due_at = walk.tx.now().after(Span(u64::from(one_too_many)));
    let run = Run {
        parent: Some((task.id, depth)),
        by: parent.by.clone(),
        priority: parent.priority,
        lane: constant_lane(&graph),
        due_at,
        ..fresh(walk.tx, id, &workflow, version, &graph)
    };
    walk.tx.emit(task::Event::Waited { task: task.id, what: Awaited::Child { run: id } });
    accept(walk, run, input, None);
    if one_too_many {
        timer::set(walk.tx, workflow.role, due_at, Alarm::RunDue(id));
    } else {
        walk.then(Todo::Admit(id));
    }
}

/// A run may begin, if its concurrency key is free.
pub(crate) fn admit(walk: &mut Walk<'_, '_>, run: RunId) {
    let run = walk.run(run);
    if run.state.finished() || run.released_at.is_some() {
        return;
    }
    if !has_room(walk, &run) {
        let held = schema::LANE_WAITER.has(walk.tx, &(run.workflow, run.lane.clone(), run.number));
        if !held {
            walk.tx.emit(Event::Held { run: run.id });
        }
        return;
    }
    let graph = walk.graph(&run);
    let deadline = graph.definition.timeout.map(|span| walk.tx.now().after(span));
    walk.tx.emit(Event::Released { run: run.id, deadline });
    if let Some(deadline) = deadline {
        timer::set(walk.tx, run.role, deadline, Alarm::RunOver(run.id));
    }
    for root in graph.roots() {
        walk.then(Todo::Look(run.id, root));
    }
    // A handler that nobody names will never be called.
    for (no, _) in graph.steps().filter(|(_, step)| step.handler) {
        if graph.handled_by(no).is_empty() {
            walk.then(Todo::Look(run.id, no));
        }
    }
}

/// A concurrency key may have room: for the one who has waited longest, and, if it took it, for the next.
pub(crate) fn lane(walk: &mut Walk<'_, '_>, workflow: WorkflowId, lane: &str) {
    let lead = (workflow, lane.to_owned());
    let first = schema::LANE_WAITER.under(walk.view(), &lead).next();
    let Some((_, run)) = first else { return };
    if has_room(walk, &walk.run(run)) {
        walk.then(Todo::Admit(run));
        walk.then(Todo::Lane(workflow, lane.to_owned()));
    }
}

/// Something of a run begins: it is no longer queued.
pub(crate) fn began(tx: &mut Tx<'_>, run: &Run) {
    if run.state == State::Queued {
        tx.emit(Event::Began { run: run.id });
    }
}

/// Refuses a run whose caller's key an unfinished run has.
pub(crate) fn vacant(tx: &Tx<'_>, run: &Run) -> Result<(), Rejection> {
    if run.key.is_empty() {
        return Ok(());
    }
    by_key(tx, run.workflow, &run.key).map_or(Ok(()), |taken| Err(Rejection::KeyTaken(taken)))
}

/// Whether a run's concurrency key has room for it.
pub(crate) fn has_room(walk: &mut Walk<'_, '_>, run: &Run) -> bool {
    let graph = walk.graph(run);
    let Some(concurrency) = graph.definition.concurrency.as_ref().filter(|_| !run.lane.is_empty())
    else {
        return true;
    };
    let lead = (run.workflow, run.lane.clone());
    let limit = concurrency.limit as usize;
    schema::LANE_HOLDER.under(walk.view(), &lead).take(limit).count() < limit
}

/// The workflow of this name that takes starts, and the version asked for or its newest.
pub(crate) fn known(
    tx: &Tx<'_>,
    name: &str,
    version: Option<Version>,
) -> Result<(Workflow, Version), Rejection> {
    let workflow = catalog::find(tx, name).ok_or_else(|| Rejection::NoWorkflow(name.to_owned()))?;
    let version = version.unwrap_or(workflow.newest);
    // Versions have no gaps.
    if version.0 == 0 || version > workflow.newest {
        return Err(Rejection::NoWorkflow(format!("{name}@{version}")));
    }
    Ok((workflow, version))
}

fn asked_before(tx: &Tx<'_>, request: Option<&Request>) -> Result<Option<Reply>, Rejection> {
    let Some(request) = request else { return Ok(None) };
    if request.key.len() > KEY_BYTES_MAX {
        return Err(Rejection::too_large("Idempotency-Key", KEY_BYTES_MAX));
    }
    let Some(asked) = schema::RUN_BY_REQUEST.get(tx, &request.key) else { return Ok(None) };
    if asked.request.digest != request.digest {
        return Err(Rejection::RequestReused);
    }
    Ok(Some(Reply::Started { run: asked.run, number: asked.number, repeated: true }))
}

/// The row of a run that may be started like this.
fn accepted(
    tx: &Tx<'_>,
    start: &Start,
    workflow: &Workflow,
    version: Version,
    graph: &Graph,
) -> Result<Run, Rejection> {
    blob::check(&start.input)?;
    for (field, key) in [("key", &start.key), ("concurrency", &start.lane)] {
        if key.len() > KEY_BYTES_MAX {
            return Err(Rejection::too_large(field, KEY_BYTES_MAX));
        }
    }
    let fresh = fresh(tx, start.run, workflow, version, graph);
    let priority = start.priority.unwrap_or(fresh.priority);
    shape::priority("priority", priority)?;
    let mut labels: BTreeMap<String, String> = fresh.labels.clone();
    labels.extend(start.labels.clone());
    shape::labels(&labels)?;
    Ok(Run {
        key: start.key.clone(),
        lane: start.lane.clone(),
        priority,
        labels,
        due_at: start.due_at.map_or(fresh.due_at, |due| due.max(fresh.created_at)),
        ..fresh
    })
}

fn fresh(tx: &Tx<'_>, id: RunId, workflow: &Workflow, version: Version, graph: &Graph) -> Run {
    Run {
        id,
        workflow: workflow.id,
        version,
        number: Number(workflow.next_number),
        role: workflow.role,
        state: State::Queued,
        changes: 0,
        key: String::new(),
        lane: String::new(),
        priority: graph.definition.priority,
        labels: graph.definition.labels.clone(),
        by: tx.by().to_owned(),
        created_at: tx.now(),
        due_at: tx.now(),
        released_at: None,
        began_at: None,
        settled_at: None,
        deadline: None,
        parent: None,
        steps_open: u32::try_from(graph.len()).expect("a definition has few steps"),
        steps_failed: 0,
        retries: 0,
        cause: None,
        failed_step: None,
        fate: None,
        signals: 0,
    }
}

/// The run exists from here on.
fn accept(walk: &mut Walk<'_, '_>, run: Run, input: &Payload, request: Option<&Request>) {
    blob::keep(walk.tx, run.id, Slot::Input, input);
    let until = walk.tx.now().after(REQUEST_KEPT);
    let request = request.map(|request| (request.clone(), until));
    let alarm = request.as_ref().map(|(request, _)| Alarm::RequestOver(request.key.clone()));
    let role = run.role;
    walk.tx.emit(Event::Started { run: Box::new(run), request });
    if let Some(alarm) = alarm {
        timer::set(walk.tx, role, until, alarm);
    }
}

/// Refuses a run whose concurrency key is taken, where the definition says so.
fn welcome(tx: &Tx<'_>, run: &Run, concurrency: &Concurrency) -> Result<(), Rejection> {
    match concurrency.on_conflict {
        OnConflict::Reject => {
            let lead = (run.workflow, run.lane.clone());
            let limit = concurrency.limit as usize;
            if schema::LANE_HOLDER.under(tx, &lead).take(limit).count() < limit {
                return Ok(());
            }
            Err(Rejection::LaneFull(run.lane.clone()))
        }
        OnConflict::Queue | OnConflict::CancelRunning => Ok(()),
    }
}

/// Cancels the oldest runs with a concurrency key, so that the newest one's turn comes.
fn make_room(walk: &mut Walk<'_, '_>, newest: RunId, concurrency: &Concurrency) {
    match concurrency.on_conflict {
        OnConflict::Queue | OnConflict::Reject => return,
        OnConflict::CancelRunning => {}
    }
    let run = walk.run(newest);
    let lead = (run.workflow, run.lane.clone());
    let holders = schema::LANE_HOLDER.under(walk.view(), &lead).map(|((_, _, run), ())| run);
    let waiters = schema::LANE_WAITER.under(walk.view(), &lead).map(|(_, run)| run);
    let others: Vec<Rc<Run>> = holders.chain(waiters).map(|other| walk.run(other)).collect();
    let mut others: Vec<Rc<Run>> =
        others.into_iter().filter(|other| other.fate.is_none()).collect();
    others.sort_by_key(|other| other.number);
    let keep = (concurrency.limit as usize).saturating_sub(1);
    let many = others.len().saturating_sub(keep);
    for other in others.into_iter().filter(|other| other.id != newest).take(many) {
        let message = format!("run {} has its concurrency key", run.number);
        stop::stop(walk, &other, stop::Manner::Cancel, State::Cancelled, "cancelled", &message);
    }
}

/// A child's concurrency key, if nothing in it has to be computed: who starts runs at the door computes the others.
fn constant_lane(graph: &Graph) -> String {
    let key = graph.definition.concurrency.as_ref().map(|concurrency| &concurrency.key);
    key.filter(|key| !key.contains("${{")).cloned().unwrap_or_default()
}
