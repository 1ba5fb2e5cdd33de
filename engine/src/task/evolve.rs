//! What happens to tasks, and the rows that follow a task about: its place in the ready index, its lease, its attempts, its
//! signal, its dead letter, its queue's counts.
//!
//! Every change of state goes through [`become_`], which takes away what belongs to the old state and writes what belongs to the
//! new one. So an index cannot disagree with the state it indexes.

use std::rc::Rc;

use super::{Awaited, Event, Failure, State, Task, Try};
use crate::blob::Slot;
use crate::id::{Attempt, TaskId, WorkerId};
use crate::queue::Counts;
use crate::queue::order::{self, Place};
use crate::store::{Rows, schema};
use crate::task::dead::DeadLetter;
use crate::time::Moment;

/// The rows an event changes.
pub(crate) fn evolve(rows: &mut Rows<'_>, event: &Event) {
    let now = rows.now();
    match event {
        Event::Opened { task } => schema::TASK.put(rows, &task.id, task),
        Event::Ordered { task, kind } => schema::TASK.change(rows, task, |row| {
            row.ordered = true;
            row.kind.clone_from(kind);
        }),
        Event::Withheld { task } => drop(become_(rows, *task, State::Held, |_| {})),
        Event::Emitted { task: _, name: _ } => {}
        Event::Readied { task, queue: _, kind: _ } => {
            become_(rows, *task, State::Ready { since: now }, |_| {});
        }
        Event::Leased { task, attempt, worker } => {
            become_(rows, *task, State::Leased { worker: *worker, since: now }, |row| {
                row.began_at.get_or_insert(now);
            });
            attempted(rows, *task, *attempt, Some(*worker));
        }
        Event::Waited { task, what } => {
            let state = State::Waiting { what: what.clone(), since: now };
            let row = become_(rows, *task, state, |row| {
                row.began_at.get_or_insert(now);
            });
            attempted(rows, *task, row.attempt, None);
        }
        Event::Returned { task, attempt, failure } => {
            become_(rows, *task, State::Held, |row| {
                row.attempt = Attempt(attempt.0 + 1);
                // It is spent without counting: one more is allowed.
                row.attempts_max = row.attempts_max.saturating_add(1);
                row.failure = Some(failure.clone());
            });
            ended(rows, *task, *attempt, Some(failure));
        }
        Event::Rested { task, attempt, until, failure } => {
            become_(rows, *task, State::Resting { until: *until }, |row| {
                row.attempt = Attempt(attempt.0 + 1);
                row.failure = Some(failure.clone());
            });
            ended(rows, *task, *attempt, Some(failure));
        }
        Event::Succeeded { task, attempt } => {
            become_(rows, *task, State::Succeeded, |row| row.settled_at = Some(now));
            ended(rows, *task, *attempt, None);
        }
        Event::Died { task, attempt, failure, letter } => {
            died(rows, *task, *attempt, failure, *letter);
        }
        Event::Revoked { task, worker: _ } => revoked(rows, *task),
        Event::Revived { task, attempt, attempts_max } => {
            unletter(rows, *task);
            become_(rows, *task, State::Unresolved, |row| {
                row.attempt = *attempt;
                row.attempts_max = *attempts_max;
                row.settled_at = None;
            });
        }
        Event::Discarded { task, reason: _ } => unletter(rows, *task),
        Event::Forgotten { task } => forgotten(rows, *task),
    }
}

/// Moves a task from one state to another, with everything that hangs on either, and answers how it is now.
fn become_(
    rows: &mut Rows<'_>,
    id: TaskId,
    state: State,
    change: impl FnOnce(&mut Task),
) -> Rc<Task> {
    let before = schema::TASK.look(rows, &id).expect("an event is about a task that exists");
    detach(rows, &before);
    let mut after = Task { state, ..Task::clone(&before) };
    change(&mut after);
    let after = Rc::new(after);
    schema::TASK.share(rows, &id, &after);
    attach(rows, &after);
    order::count(rows, &after.queue, |counts| {
        if let Some(standing) = standing(counts, &before.state) {
            *standing = standing.saturating_sub(1);
        }
        if let Some(standing) = standing(counts, &after.state) {
            *standing += 1;
        }
        counts.succeeded += u64::from(after.state == State::Succeeded);
        counts.failed += u64::from(after.state == State::Failed);
    });
    after
}

/// Which of a queue's counts a task in this state is in.
fn standing<'c>(counts: &'c mut Counts, state: &State) -> Option<&'c mut u64> {
    match state {
        State::Ready { .. } => Some(&mut counts.ready),
        State::Leased { .. } => Some(&mut counts.leased),
        State::Resting { .. } => Some(&mut counts.resting),
        State::Unresolved
        | State::Held
        | State::Waiting { .. }
        | State::Succeeded
        | State::Failed
        | State::Cancelled => None,
    }
}

fn detach(rows: &mut Rows<'_>, task: &Task) {
    match &task.state {
        State::Ready { since } => {
            if let Some(kind) = &task.kind {
                order::leave(rows, &task.queue, kind, place(task, *since));
            }
        }
        State::Leased { worker, since: _ } => {
            schema::LEASED.delete(rows, &(*worker, task.id));
            holds(rows, *worker, |leased| leased.saturating_sub(1));
        }
        State::Waiting { what: Awaited::Signal { name, until: _ }, since: _ } => {
            schema::SIGNAL_WAITER.delete(rows, &(task.id.run, name.clone(), task.id));
        }
        State::Unresolved
        | State::Held
        | State::Resting { .. }
        | State::Waiting { .. }
        | State::Succeeded
        | State::Failed
        | State::Cancelled => {}
    }
}

fn attach(rows: &mut Rows<'_>, task: &Task) {
    match &task.state {
        State::Ready { since } => {
            if let Some(kind) = &task.kind {
                order::enter(rows, &task.queue, kind, place(task, *since));
            }
        }
        State::Leased { worker, since: _ } => {
            schema::LEASED.add(rows, &(*worker, task.id), &());
            holds(rows, *worker, |leased| leased + 1);
        }
        State::Waiting { what: Awaited::Signal { name, until: _ }, since: _ } => {
            schema::SIGNAL_WAITER.put(rows, &(task.id.run, name.clone(), task.id), &());
        }
        State::Unresolved
        | State::Held
        | State::Resting { .. }
        | State::Waiting { .. }
        | State::Succeeded
        | State::Failed
        | State::Cancelled => {}
    }
}

fn place(task: &Task, since: Moment) -> Place {
    Place { priority: task.priority, since, task: task.id }
}

/// How many tasks a worker holds. Its row is there as long as it holds any.
fn holds(rows: &mut Rows<'_>, worker: WorkerId, change: impl FnOnce(u32) -> u32) {
    schema::WORKER.change(rows, &worker, |row| row.leased = change(row.leased));
}

fn attempted(rows: &mut Rows<'_>, task: TaskId, attempt: Attempt, worker: Option<WorkerId>) {
    let began_at = rows.now();
    let row =
        Try { task, attempt, worker, began_at, settled_at: None, failure: None, logged: false };
    schema::TRY.put(rows, &(task, attempt), &row);
}

/// An attempt is over. One that nobody began (completed by hand, could not be computed) begins and ends at once.
fn ended(rows: &mut Rows<'_>, task: TaskId, attempt: Attempt, failure: Option<&Failure>) {
    let now = rows.now();
    let row = schema::TRY.get(rows, &(task, attempt)).unwrap_or(Try {
        task,
        attempt,
        worker: None,
        began_at: now,
        settled_at: None,
        failure: None,
        logged: false,
    });
    let logged = schema::BLOB.has(rows, &(task.run, Slot::Log(task.step, task.item, attempt)));
    let row = Try { settled_at: Some(now), failure: failure.cloned(), logged, ..row };
    schema::TRY.put(rows, &(task, attempt), &row);
}

fn died(rows: &mut Rows<'_>, id: TaskId, attempt: Attempt, failure: &Failure, letter: bool) {
    let now = rows.now();
    let task = become_(rows, id, State::Failed, |row| {
        row.settled_at = Some(now);
        row.failure = Some(failure.clone());
    });
    ended(rows, id, attempt, Some(failure));
    if !letter {
        return;
    }
    let run = schema::RUN.get(rows, &id.run).expect("a task's run exists");
    let letter =
        DeadLetter { task: id, workflow: run.workflow, attempt, failure: failure.clone(), at: now };
    schema::DEAD.put(rows, &id, &letter);
    schema::DEAD_BY_TIME.put(rows, &(now, id), &());
    order::count(rows, &task.queue, |counts| counts.dead += 1);
}

fn revoked(rows: &mut Rows<'_>, id: TaskId) {
    let now = rows.now();
    let task = become_(rows, id, State::Cancelled, |row| row.settled_at = Some(now));
    let current = (id, task.attempt);
    if let Some(row) = schema::TRY.get(rows, &current) {
        schema::TRY.put(rows, &current, &Try { settled_at: Some(now), ..row });
    }
}

/// A dead letter is one no longer.
pub(crate) fn unletter(rows: &mut Rows<'_>, id: TaskId) {
    let Some(letter) = schema::DEAD.get(rows, &id) else { return };
    schema::DEAD.delete(rows, &id);
    schema::DEAD_BY_TIME.delete(rows, &(letter.at, id));
    let task = schema::TASK.get(rows, &id).expect("a dead letter's task exists");
    order::count(rows, &task.queue, |counts| counts.dead = counts.dead.saturating_sub(1));
}

/// The row goes, and what it came to; its attempts stay, so that their numbers are not used again.
fn forgotten(rows: &mut Rows<'_>, id: TaskId) {
    unletter(rows, id);
    schema::TASK.delete(rows, &id);
    let TaskId { run, step, item } = id;
    for slot in [Slot::Order(step, item), Slot::Result(step, item), Slot::Emitted(step, item)] {
        schema::BLOB.delete(rows, &(run, slot));
    }
}
