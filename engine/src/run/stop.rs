//! How a run is stopped: by somebody, by its time, with its parent.
//!
//! *Cancel* stops everything but `always()` steps: those that wait will be looked at when what they wait for has settled (which
//! it now does), those that run go on. *Terminate* stops these too. A run whose turn has not come has begun nothing that would
//! have to be cleaned up: it is terminated either way.

use super::{Event, Run, State, get, settle};
use crate::catalog::{Rule, Step};
use crate::dag::walk::{Todo, Walk};
use crate::dag::{self, What, progress, step};
use crate::id::{RunId, StepNo};
use crate::reject::Rejection;
use crate::store::{Tx, schema};
use crate::task::{self, Failure};

/// What a stop leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// `always()` steps.
    Cancel,
    /// Nothing.
    Terminate,
}

/// Somebody cancels or terminates a run. Doing it again is doing it once.
pub(crate) fn by_hand(
    tx: &mut Tx<'_>,
    run: RunId,
    manner: Manner,
    reason: &str,
) -> Result<(), Rejection> {
    let run = get(tx, run).ok_or(Rejection::NoRun(run))?;
    match run.state {
        State::Cancelled => return Ok(()),
        State::Completed | State::Failed | State::TimedOut => {
            return Err(Rejection::WrongRunState(run.state));
        }
        State::Cancelling if manner == Manner::Cancel => return Ok(()),
        State::Cancelling | State::Queued | State::Running | State::Paused => {}
    }
    let mut walk = Walk::new(tx);
    stop(&mut walk, &run, manner, State::Cancelled, "cancelled", reason);
    walk.finish();
    Ok(())
}

/// A run has taken longer than it may.
pub(crate) fn timed_out(walk: &mut Walk<'_, '_>, run: RunId) {
    let Some(run) = get(walk.tx, run) else { return };
    if !run.state.finished() && run.fate.is_none() {
        let message = "the run took longer than its timeout";
        stop(walk, &run, Manner::Cancel, State::TimedOut, "timeout", message);
    }
}

/// A child run stops with its parent.
pub(crate) fn with_parent(walk: &mut Walk<'_, '_>, run: RunId, manner: Manner) {
    let Some(run) = get(walk.tx, run) else { return };
    if !run.state.finished() && (run.fate.is_none() || manner == Manner::Terminate) {
        stop(walk, &run, manner, State::Cancelled, "cancelled", "the parent run was stopped");
    }
}

/// Stops an unfinished run, which will end as `fate` unless that was decided before.
pub(crate) fn stop(
    walk: &mut Walk<'_, '_>,
    run: &Run,
    manner: Manner,
    fate: State,
    kind: &str,
    message: &str,
) {
    if run.fate.is_none() {
        let message = task::retry::cut(message, task::MESSAGE_BYTES_MAX);
        let cause = Failure { kind: kind.to_owned(), message, retryable: false };
        settle::disarm(walk, run);
        walk.tx.emit(Event::Doomed { run: run.id, fate, cause });
    }
    let manner = if run.released_at.is_none() { Manner::Terminate } else { manner };
    let graph = walk.graph(run);
    for (no, step) in graph.steps() {
        let row = progress(walk.tx, run.id, no);
        let state = row.as_ref().map_or(dag::State::Blocked, |row| row.state);
        if state.settled() {
            continue;
        }
        if spared(step, manner) {
            // It may have been held by a pause, which is over.
            release_held(walk, run.id, no);
            continue;
        }
        step::unask(walk, run, What::Step(no));
        revoke_tasks(walk, run.id, no, manner);
        let counts = row.map_or((0, 0), |row| (row.succeeded, row.failed));
        step::settle(walk, run.id, no, dag::State::Cancelled, counts);
    }
    walk.then(Todo::Rest(run.id));
}

fn spared(step: &Step, manner: Manner) -> bool {
    manner == Manner::Cancel && step.rule == Rule::Settled && !step.handler
}

/// Stops what is unfinished of a step, and gives up dead letters that would have kept it open.
fn revoke_tasks(walk: &mut Walk<'_, '_>, run: RunId, no: StepNo, manner: Manner) {
    let tasks: Vec<_> = schema::TASK
        .under(walk.view(), &(run, no))
        .map(|(_, task)| task)
        .filter(|task| !task.state.settled() || task.state == task::State::Failed)
        .collect();
    for task in tasks {
        if !task.state.settled() {
            task::settle::revoke(walk, &task, manner);
        } else if schema::DEAD.has(walk.tx, &task.id) {
            let reason = "the run was cancelled".to_owned();
            walk.tx.emit(task::Event::Discarded { task: task.id, reason });
        }
    }
}

/// What a pause held may begin.
pub(crate) fn release_held(walk: &mut Walk<'_, '_>, run: RunId, no: StepNo) {
    let held: Vec<_> = schema::TASK
        .under(walk.view(), &(run, no))
        .filter(|(_, task)| task.state == task::State::Held)
        .map(|(id, _)| id)
        .collect();
    for task in held {
        walk.then(Todo::Begin(task));
    }
}
