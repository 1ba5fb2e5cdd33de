//! What people and programs ask of a run.

use std::collections::BTreeMap;

use super::{Command, Event, PURGE_RUNS_MAX, State, again, get, signal, start, stop};
use crate::apply::Reply;
use crate::catalog::shape;
use crate::dag;
use crate::dag::walk::Walk;
use crate::id::RunId;
use crate::reject::Rejection;
use crate::store::{Tx, schema};
use crate::task;

/// What a command comes to: events, or a refusal.
pub(crate) fn decide(tx: &mut Tx<'_>, command: &Command) -> Result<Reply, Rejection> {
    match command {
        Command::Start(start) => start::start(tx, start),
        Command::Cancel { run, reason } => {
            stop::by_hand(tx, *run, stop::Manner::Cancel, reason).map(done)
        }
        Command::Terminate { run, reason } => {
            stop::by_hand(tx, *run, stop::Manner::Terminate, reason).map(done)
        }
        Command::Pause { run, reason } => pause(tx, *run, reason).map(done),
        Command::Resume { run } => resume(tx, *run).map(done),
        Command::Retry { run, from } => again::retry(tx, *run, *from).map(done),
        Command::Signal { run, name, payload, dedup } => {
            signal::signal(tx, *run, name, payload, dedup).map(done)
        }
        Command::Tag { run, labels } => tag(tx, *run, labels).map(done),
        Command::Purge { runs } => purge(tx, runs),
    }
}

fn done((): ()) -> Reply {
    Reply::Done
}

/// Begins nothing new: what stands in the ready index is taken out of it.
fn pause(tx: &mut Tx<'_>, run: RunId, reason: &str) -> Result<(), Rejection> {
    let row = get(tx, run).ok_or(Rejection::NoRun(run))?;
    match row.state {
        State::Paused => return Ok(()),
        State::Queued | State::Running => {}
        State::Cancelling
        | State::Completed
        | State::Failed
        | State::Cancelled
        | State::TimedOut => return Err(Rejection::WrongRunState(row.state)),
    }
    tx.emit(Event::Paused { run, reason: task::retry::cut(reason, task::MESSAGE_BYTES_MAX) });
    for (no, _) in dag::steps(tx, run).into_iter().filter(|(_, row)| row.state == dag::State::Open)
    {
        let ready: Vec<_> = schema::TASK
            .under(tx, &(run, no))
            .filter(|(_, task)| matches!(task.state, task::State::Ready { .. }))
            .map(|(id, _)| id)
            .collect();
        for task in ready {
            tx.emit(task::Event::Withheld { task });
        }
    }
    Ok(())
}

/// Goes on: what was held begins.
fn resume(tx: &mut Tx<'_>, run: RunId) -> Result<(), Rejection> {
    let row = get(tx, run).ok_or(Rejection::NoRun(run))?;
    match row.state {
        State::Paused => {}
        State::Queued | State::Running => return Ok(()),
        State::Cancelling
        | State::Completed
        | State::Failed
        | State::Cancelled
        | State::TimedOut => return Err(Rejection::WrongRunState(row.state)),
    }
    tx.emit(Event::Resumed { run });
    let mut walk = Walk::new(tx);
    for (no, row) in dag::steps(walk.tx, run) {
        if row.state == dag::State::Open {
            stop::release_held(&mut walk, run, no);
        }
    }
    walk.finish();
    Ok(())
}

fn tag(tx: &mut Tx<'_>, run: RunId, changes: &BTreeMap<String, String>) -> Result<(), Rejection> {
    let row = get(tx, run).ok_or(Rejection::NoRun(run))?;
    let mut labels = row.labels.clone();
    for (name, value) in changes {
        if value.is_empty() {
            labels.remove(name);
        } else {
            labels.insert(name.clone(), value.clone());
        }
    }
    shape::labels(&labels)?;
    if labels != row.labels {
        tx.emit(Event::Tagged { run, labels });
    }
    Ok(())
}

fn purge(tx: &mut Tx<'_>, runs: &[RunId]) -> Result<Reply, Rejection> {
    if runs.len() > PURGE_RUNS_MAX {
        return Err(Rejection::too_large("runs", PURGE_RUNS_MAX));
    }
    let mut count = 0;
    for run in runs {
        let Some(row) = get(tx, *run) else { continue };
        if !row.state.finished() {
            return Err(Rejection::WrongRunState(row.state));
        }
        tx.emit(Event::Purged { run: *run, workflow: row.workflow, number: row.number });
        count += 1;
    }
    Ok(Reply::Changed { count })
}
