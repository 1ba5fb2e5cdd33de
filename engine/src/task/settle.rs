//! How a task's attempts end: well, badly with another to follow, badly for good, or not at all.

use crate::blob::{self, Payload, Slot};
use crate::catalog::{NAME_BYTES_MAX, OnFailure};
use crate::dag::walk::{Todo, Walk};
use crate::dag::{What, step};
use crate::id::{RoleId, TaskId};
use crate::run::stop::Manner;
use crate::store::{Tx, schema};
use crate::task::{Awaited, Event, Failure, MESSAGE_BYTES_MAX, State, Task, perform, retry};
use crate::timer::{self, Alarm};

/// A worker lost under so many attempts of a task is the task's fault: it fails.
pub(crate) const LOSSES_MAX: usize = 10;
/// The failure's kind when a worker was lost.
pub(crate) const WORKER_LOST: &str = "worker_lost";

/// The current attempt did what it was to do.
pub(crate) fn succeed(walk: &mut Walk<'_, '_>, task: &Task, output: &Payload) {
    leave(walk, task);
    blob::keep(walk.tx, task.id.run, Slot::result(task.id), output);
    walk.tx.emit(Event::Succeeded { task: task.id, attempt: task.attempt });
    walk.then(Todo::Count(task.id, None));
}

/// The current attempt failed: another follows, or none.
pub(crate) fn fail(walk: &mut Walk<'_, '_>, task: &Task, failure: Failure) {
    let run = walk.run(task.id.run);
    let graph = walk.graph(&run);
    let policy = &graph.step(task.id.step).expect("a task's step is in the run's graph").retry;
    let spent = task.attempt.0 >= task.attempts_max;
    // By hand a task can be failed that nobody has been told what to do: there is nothing to try again.
    let unknown = !perform::has_order(walk, &run, task);
    if spent || unknown || !failure.retryable || !policy.mends(&failure.kind) {
        die(walk, task, failure);
        return;
    }
    leave(walk, task);
    // A round of attempts begins with the first, and anew when the task is taken up again.
    let round = task.attempts_max.saturating_sub(policy.attempts_max);
    let nth = task.attempt.0.saturating_sub(round);
    let pause = policy.pause(task.id, task.attempt, nth);
    let until = walk.tx.now().after(pause);
    let failure = cut(failure);
    walk.tx.emit(Event::Rested { task: task.id, attempt: task.attempt, until, failure });
    if pause.0 == 0 {
        walk.then(Todo::Begin(task.id));
    } else {
        timer::set(walk.tx, run.role, until, Alarm::RetryDue(task.id));
    }
}

/// The task failed for good. It is a dead letter, unless its run is being cancelled.
pub(crate) fn die(walk: &mut Walk<'_, '_>, task: &Task, failure: Failure) {
    leave(walk, task);
    let run = walk.run(task.id.run);
    let letter = run.fate.is_none();
    let failure = cut(failure);
    let event =
        Event::Died { task: task.id, attempt: task.attempt, failure: failure.clone(), letter };
    walk.tx.emit(event);
    let stays_open = letter && {
        let graph = walk.graph(&run);
        graph.step(task.id.step).is_some_and(|step| step.on_failure == OnFailure::DeadLetter)
    };
    if !stays_open {
        walk.then(Todo::Count(task.id, Some(failure)));
    }
}

/// The task's run is being cancelled: whoever has it stops.
pub(crate) fn revoke(walk: &mut Walk<'_, '_>, task: &Task, manner: Manner) {
    leave(walk, task);
    let worker = match &task.state {
        State::Leased { worker, since: _ } => Some(*worker),
        State::Waiting { what: Awaited::Child { run }, since: _ } => {
            walk.then(Todo::Stop(*run, manner));
            None
        }
        State::Unresolved
        | State::Ready { .. }
        | State::Held
        | State::Resting { .. }
        | State::Waiting { .. }
        | State::Succeeded
        | State::Failed
        | State::Cancelled => None,
    };
    walk.tx.emit(Event::Revoked { task: task.id, worker });
}

/// The attempt was given back or lost with its worker; another begins that does not count.
pub(crate) fn hand_back(walk: &mut Walk<'_, '_>, task: &Task, failure: Failure) {
    walk.tx.emit(Event::Returned { task: task.id, attempt: task.attempt, failure: cut(failure) });
    walk.then(Todo::Begin(task.id));
}

/// Whether the attempt that is lost now is one too many.
pub(crate) fn poisonous(tx: &Tx<'_>, task: TaskId) -> bool {
    let lost = schema::TRY.under(tx, &(task,)).filter(|(_, tried)| {
        tried.failure.as_ref().is_some_and(|failure| failure.kind == WORKER_LOST)
    });
    lost.count() + 1 >= LOSSES_MAX
}

/// Takes away what would have ended the task's current state: an alarm, a question.
fn leave(walk: &mut Walk<'_, '_>, task: &Task) {
    let (at, alarm) = match &task.state {
        State::Unresolved => {
            let run = walk.run(task.id.run);
            step::unask(walk, &run, What::Item(task.id.step, task.id.item));
            return;
        }
        State::Resting { until } => (*until, Alarm::RetryDue(task.id)),
        State::Waiting { what: Awaited::Time { until }, since: _ } => {
            (*until, Alarm::SleepOver(task.id))
        }
        State::Waiting { what: Awaited::Signal { name: _, until: Some(until) }, since: _ } => {
            (*until, Alarm::WaitOver(task.id))
        }
        State::Waiting { .. }
        | State::Ready { .. }
        | State::Held
        | State::Leased { .. }
        | State::Succeeded
        | State::Failed
        | State::Cancelled => return,
    };
    let role = walk.run(task.id.run).role;
    disarm(walk.tx, role, at, alarm);
}

/// Takes an alarm away if it is still set: the one that is just firing is not.
pub(crate) fn disarm(tx: &mut Tx<'_>, role: RoleId, at: crate::time::Moment, alarm: Alarm) {
    if schema::TIMER.has(tx, &(role, at, alarm.clone())) {
        timer::clear(tx, role, at, alarm);
    }
}

fn cut(failure: Failure) -> Failure {
    let Failure { kind, message, retryable } = failure;
    Failure {
        kind: retry::cut(&kind, NAME_BYTES_MAX),
        message: retry::cut(&message, MESSAGE_BYTES_MAX),
        retryable,
    }
}
