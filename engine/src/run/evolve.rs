//! What happens to runs, and the indexes that find them.

use std::rc::Rc;

use super::{Asked, Event, Run, State};
use crate::blob::Slot;
use crate::feed::Subject;
use crate::id::{Number, RunId};
use crate::store::{Rows, schema};
use crate::task;

/// The rows an event changes.
pub(crate) fn evolve(rows: &mut Rows<'_>, event: &Event) {
    let now = rows.now();
    match event {
        Event::Started { run, request } => {
            started(rows, run);
            if let Some((request, until)) = request {
                let asked = Asked {
                    request: request.clone(),
                    run: run.id,
                    number: run.number,
                    until: *until,
                };
                schema::RUN_BY_REQUEST.put(rows, &request.key, &asked);
            }
        }
        Event::Held { run } => {
            let row = change(rows, *run, |_| {});
            schema::LANE_WAITER.put(rows, &(row.workflow, row.lane.clone(), row.number), run);
        }
        Event::Released { run, deadline } => {
            let row = change(rows, *run, |row| {
                row.released_at = Some(now);
                row.deadline = *deadline;
            });
            hold_lane(rows, &row);
        }
        Event::Began { run } => drop(change(rows, *run, |row| {
            row.state = State::Running;
            row.began_at.get_or_insert(now);
        })),
        Event::Paused { run, reason: _ } => {
            drop(change(rows, *run, |row| row.state = State::Paused));
        }
        Event::Resumed { run } => drop(change(rows, *run, |row| {
            row.state = if row.began_at.is_some() { State::Running } else { State::Queued };
        })),
        Event::Doomed { run, fate, cause } => drop(change(rows, *run, |row| {
            row.state = State::Cancelling;
            row.fate = Some(*fate);
            row.cause = Some(cause.clone());
        })),
        Event::Marred { run, step, cause } => drop(change(rows, *run, |row| {
            row.steps_failed += 1;
            row.failed_step.get_or_insert(*step);
            row.cause.get_or_insert_with(|| cause.clone());
        })),
        Event::Settled { run, state } => settled(rows, *run, *state),
        Event::Reopened { .. } => reopened(rows, event),
        Event::Signalled { run, name, slot, dedup } => {
            if let Some(slot) = slot {
                schema::SIGNAL.put(rows, &(*run, name.clone(), *slot), &());
                change(rows, *run, |row| row.signals = slot + 1);
            }
            if !dedup.is_empty() {
                schema::SIGNAL_SEEN.put(rows, &(*run, dedup.clone()), &());
            }
        }
        Event::Heard { run, name, slot } => {
            schema::SIGNAL.delete(rows, &(*run, name.clone(), *slot));
            schema::BLOB.delete(rows, &(*run, Slot::Signal(*slot)));
        }
        Event::Tagged { run, labels } => {
            drop(change(rows, *run, |row| row.labels.clone_from(labels)));
        }
        Event::Purged { run, workflow: _, number: _ } => purged(rows, *run),
        Event::Unasked { key } => schema::RUN_BY_REQUEST.delete(rows, key),
    }
}

/// Changes a run's row and moves it in the index by state.
fn change(rows: &mut Rows<'_>, id: RunId, change: impl FnOnce(&mut Run)) -> Rc<Run> {
    let mut run = schema::RUN.get(rows, &id).expect("an event is about a run that exists");
    let before = run.state;
    change(&mut run);
    run.changes += 1;
    if run.state != before {
        schema::RUN_BY_STATE.delete(rows, &(before, run.created_at, id));
        schema::RUN_BY_WORKFLOW_STATE.delete(rows, &(run.workflow, before, run.number));
        by_state(rows, &run);
    }
    let run = Rc::new(run);
    schema::RUN.share(rows, &id, &run);
    run
}

fn by_state(rows: &mut Rows<'_>, run: &Run) {
    schema::RUN_BY_STATE.add(rows, &(run.state, run.created_at, run.id), &());
    schema::RUN_BY_WORKFLOW_STATE.add(rows, &(run.workflow, run.state, run.number), &run.id);
}

fn started(rows: &mut Rows<'_>, run: &Run) {
    schema::RUN.put(rows, &run.id, run);
    schema::RUN_BY_NUMBER.put(rows, &(run.workflow, run.number), &run.id);
    schema::RUN_BY_CREATED.put(rows, &(run.created_at, run.id), &());
    by_state(rows, run);
    take_key(rows, run);
    schema::WORKFLOW.change(rows, &run.workflow, |workflow| {
        workflow.next_number = run.number.0 + 1;
        workflow.unfinished += 1;
    });
}

fn take_key(rows: &mut Rows<'_>, run: &Run) {
    if !run.key.is_empty() {
        schema::RUN_BY_KEY.put(rows, &(run.workflow, run.key.clone()), &run.id);
    }
}

fn hold_lane(rows: &mut Rows<'_>, run: &Run) {
    if !run.lane.is_empty() {
        schema::LANE_HOLDER.put(rows, &(run.workflow, run.lane.clone(), run.id), &());
        schema::LANE_WAITER.delete(rows, &(run.workflow, run.lane.clone(), run.number));
    }
}

fn settled(rows: &mut Rows<'_>, id: RunId, state: State) {
    let now = rows.now();
    let run = change(rows, id, |row| {
        row.state = state;
        row.settled_at = Some(now);
    });
    schema::RUN_SETTLED.put(rows, &(run.workflow, now, id), &());
    if !run.key.is_empty() {
        schema::RUN_BY_KEY.delete(rows, &(run.workflow, run.key.clone()));
    }
    if !run.lane.is_empty() {
        schema::LANE_HOLDER.delete(rows, &(run.workflow, run.lane.clone(), id));
        schema::LANE_WAITER.delete(rows, &(run.workflow, run.lane.clone(), run.number));
    }
    schema::WORKFLOW.change(rows, &run.workflow, |workflow| workflow.unfinished -= 1);
}

fn reopened(rows: &mut Rows<'_>, event: &Event) {
    let Event::Reopened { run, state, steps_open, steps_failed, deadline } = event else { return };
    let now = rows.now();
    let before = schema::RUN.get(rows, run).expect("a run that is reopened exists");
    let after = change(rows, *run, |row| {
        row.state = *state;
        row.steps_open = *steps_open;
        row.steps_failed = *steps_failed;
        row.deadline = *deadline;
        // Who opens it again does not wait for the moment it was first meant for.
        row.released_at.get_or_insert(now);
        row.settled_at = None;
        row.fate = None;
        row.retries += 1;
        if *steps_failed == 0 {
            row.cause = None;
            row.failed_step = None;
        }
    });
    schema::BLOB.delete(rows, &(*run, Slot::Output));
    if let Some(settled_at) = before.settled_at {
        schema::RUN_SETTLED.delete(rows, &(before.workflow, settled_at, *run));
        take_key(rows, &after);
        hold_lane(rows, &after);
        schema::WORKFLOW.change(rows, &after.workflow, |workflow| workflow.unfinished += 1);
    }
}

fn purged(rows: &mut Rows<'_>, id: RunId) {
    let run = schema::RUN.get(rows, &id).expect("a run that is purged exists");
    let letters: Vec<_> = schema::DEAD.under(rows, &(id,)).map(|(task, _)| task).collect();
    for letter in letters {
        task::evolve::unletter(rows, letter);
    }
    let number: Number = run.number;
    schema::RUN.delete(rows, &id);
    schema::RUN_BY_NUMBER.delete(rows, &(run.workflow, number));
    schema::RUN_BY_CREATED.delete(rows, &(run.created_at, id));
    schema::RUN_BY_STATE.delete(rows, &(run.state, run.created_at, id));
    schema::RUN_BY_WORKFLOW_STATE.delete(rows, &(run.workflow, run.state, number));
    if let Some(settled_at) = run.settled_at {
        schema::RUN_SETTLED.delete(rows, &(run.workflow, settled_at, id));
    }
    schema::SIGNAL.clear(rows, &(id,));
    schema::SIGNAL_WAITER.clear(rows, &(id,));
    schema::SIGNAL_SEEN.clear(rows, &(id,));
    schema::STEP.clear(rows, &(id,));
    schema::TASK.clear(rows, &(id,));
    schema::TRY.clear(rows, &(id,));
    schema::BLOB.clear(rows, &(id,));
    schema::HISTORY.clear(rows, &(Subject::Run(id),));
}
