//! Reports about attempts, and what people do by hand.
//!
//! A report names the attempt and the worker that had it. Anything else than the current ones is refused, so at most one attempt
//! of a task is accepted; the same report a second time is answered as the first was.

use super::{Awaited, Command, Failure, State, Task, dead, get, leased, settle};
use crate::apply::Reply;
use crate::blob::{self, Payload, Slot};
use crate::dag::walk::Walk;
use crate::id::{Attempt, TaskId, WorkerId};
use crate::reject::Rejection;
use crate::store::{Tx, schema};

/// What a command comes to: events, or a refusal.
pub(crate) fn decide(tx: &mut Tx<'_>, command: &Command) -> Result<Reply, Rejection> {
    match command {
        Command::Claim => Ok(Reply::Done),
        Command::Complete { task, attempt, worker, output, log } => {
            report(tx, *task, *attempt, *worker, [log, output], |walk, task| {
                settle::succeed(walk, task, output);
            })
        }
        Command::Fail { task, attempt, worker, failure, log } => {
            report(tx, *task, *attempt, *worker, [log, &Payload::EMPTY], |walk, task| {
                settle::fail(walk, task, failure.clone());
            })
        }
        Command::Return { task, attempt, worker } => {
            let row = get(tx, *task).ok_or(Rejection::NoTask(*task))?;
            fence(&row, *attempt, *worker)?;
            let failure = Failure {
                kind: "returned".to_owned(),
                message: "its worker gave it back".to_owned(),
                retryable: true,
            };
            let mut walk = Walk::new(tx);
            settle::hand_back(&mut walk, &row, failure);
            walk.finish();
            Ok(Reply::Done)
        }
        Command::Revive { tasks } => {
            named(tasks)?;
            let count = tasks.iter().filter(|task| dead::revive(tx, **task)).count();
            Ok(changed(count))
        }
        Command::Discard { tasks, reason } => {
            named(tasks)?;
            let count = tasks.iter().filter(|task| dead::discard(tx, **task, reason)).count();
            Ok(changed(count))
        }
    }
}

/// A worker is gone: what it holds is ready again. The attempt is spent but does not count; one that was lost too often fails.
pub(crate) fn worker_lost(tx: &mut Tx<'_>, worker: WorkerId, why: &str) {
    let held = leased(tx, worker);
    let mut walk = Walk::new(tx);
    for id in held {
        let Some(task) = get(walk.tx, id) else { continue };
        let mut failure = Failure {
            kind: settle::WORKER_LOST.to_owned(),
            message: why.to_owned(),
            retryable: true,
        };
        if settle::poisonous(walk.tx, id) {
            failure.retryable = false;
            failure.message = format!("{} workers were lost while they ran it", settle::LOSSES_MAX);
            settle::die(&mut walk, &task, failure);
        } else {
            settle::hand_back(&mut walk, &task, failure);
        }
    }
    walk.finish();
}

/// The end of an attempt: fenced, checked, its log kept, and what follows walked.
fn report(
    tx: &mut Tx<'_>,
    id: TaskId,
    attempt: Attempt,
    worker: Option<WorkerId>,
    [log, output]: [&Payload; 2],
    end: impl FnOnce(&mut Walk<'_, '_>, &Task),
) -> Result<Reply, Rejection> {
    let task = get(tx, id).ok_or(Rejection::NoTask(id))?;
    if repeated(tx, &task, attempt, worker) {
        return Ok(Reply::Done);
    }
    match worker {
        Some(worker) => fence(&task, attempt, worker)?,
        None => by_hand(&task, attempt)?,
    }
    blob::check(log)?;
    blob::check(output)?;
    blob::keep(tx, id.run, Slot::Log(id.step, id.item, attempt), log);
    let mut walk = Walk::new(tx);
    end(&mut walk, &task);
    walk.finish();
    Ok(Reply::Done)
}

/// Refuses who does not hold this attempt.
fn fence(task: &Task, attempt: Attempt, worker: WorkerId) -> Result<(), Rejection> {
    match &task.state {
        State::Leased { worker: holder, since: _ }
            if *holder == worker && task.attempt == attempt =>
        {
            Ok(())
        }
        State::Leased { .. }
        | State::Unresolved
        | State::Ready { .. }
        | State::Held
        | State::Resting { .. }
        | State::Waiting { .. }
        | State::Succeeded
        | State::Failed
        | State::Cancelled => Err(Rejection::StaleAttempt { task: task.id, current: task.attempt }),
    }
}

/// By hand any attempt can be ended that is not over; a child run is ended by ending the child.
fn by_hand(task: &Task, attempt: Attempt) -> Result<(), Rejection> {
    if task.attempt != attempt {
        return Err(Rejection::StaleAttempt { task: task.id, current: task.attempt });
    }
    match &task.state {
        State::Waiting { what: Awaited::Child { run: _ }, since: _ }
        | State::Succeeded
        | State::Failed
        | State::Cancelled => Err(Rejection::WrongTaskState(task.id)),
        State::Unresolved
        | State::Ready { .. }
        | State::Held
        | State::Leased { .. }
        | State::Resting { .. }
        | State::Waiting { .. } => Ok(()),
    }
}

/// Whether this very attempt was ended by this very worker: the report was repeated because its answer was lost.
fn repeated(tx: &Tx<'_>, task: &Task, attempt: Attempt, worker: Option<WorkerId>) -> bool {
    let over = match &task.state {
        State::Succeeded | State::Failed => true,
        State::Unresolved
        | State::Ready { .. }
        | State::Held
        | State::Leased { .. }
        | State::Resting { .. }
        | State::Waiting { .. }
        | State::Cancelled => false,
    };
    let tried = schema::TRY.get(tx, &(task.id, attempt));
    over && worker.is_some()
        && task.attempt == attempt
        && tried.is_some_and(|tried| tried.worker == worker)
}

fn named(tasks: &[TaskId]) -> Result<(), Rejection> {
    if tasks.len() > dead::LETTERS_MAX {
        return Err(Rejection::too_large("tasks", dead::LETTERS_MAX));
    }
    Ok(())
}

fn changed(count: usize) -> Reply {
    Reply::Changed { count: u32::try_from(count).unwrap_or(u32::MAX) }
}
