//! Sessions begin and end.

use super::{Command, Event, NAMES_MAX, SESSIONS_MAX, SLOTS_MAX, Worker, get};
use crate::apply::Reply;
use crate::catalog::shape;
use crate::id::{BootId, NodeId, WorkerId};
use crate::reject::Rejection;
use crate::store::{Tx, schema};
use crate::{member, task};

/// What a command comes to: events, or a refusal.
pub(crate) fn decide(tx: &mut Tx<'_>, command: &Command) -> Result<Reply, Rejection> {
    match command {
        Command::Attach { worker, name, node, boot, queues, calls, builtin, slots } => {
            if get(tx, *worker).is_some() {
                return Ok(Reply::Done);
            }
            attach(
                tx,
                Worker {
                    id: *worker,
                    name: name.clone(),
                    node: *node,
                    boot: *boot,
                    queues: queues.clone(),
                    calls: calls.clone(),
                    builtin: *builtin,
                    slots: *slots,
                    leased: 0,
                    draining: false,
                    since: tx.now(),
                },
            )
        }
        Command::Drain { worker } => {
            if !get(tx, *worker).ok_or(Rejection::NoWorker)?.draining {
                tx.emit(Event::Drained { worker: *worker });
            }
            Ok(Reply::Done)
        }
        Command::Detach { worker } => {
            // A session that is over already is what was asked for.
            if get(tx, *worker).is_some() {
                end(tx, *worker, "detached");
            }
            Ok(Reply::Done)
        }
    }
}

fn attach(tx: &mut Tx<'_>, mut worker: Worker) -> Result<Reply, Rejection> {
    alive(tx, worker.node, worker.boot)?;
    if schema::WORKER_OF_NODE.under(tx, &(worker.node,)).count() >= SESSIONS_MAX {
        return Err(Rejection::too_large("workers of this node", SESSIONS_MAX));
    }
    shape::name("name", &worker.name)?;
    if worker.slots == 0 {
        return Err(Rejection::invalid("slots", "is 0"));
    }
    if worker.slots > SLOTS_MAX {
        return Err(Rejection::too_large("slots", SLOTS_MAX as usize));
    }
    for (field, names) in [("queues", &mut worker.queues), ("calls", &mut worker.calls)] {
        if names.len() > NAMES_MAX {
            return Err(Rejection::too_large(field, NAMES_MAX));
        }
        names.iter().try_for_each(|name| shape::name(field, name))?;
        names.sort();
        names.dedup();
    }
    tx.emit(Event::Attached { worker: Box::new(worker) });
    Ok(Reply::Done)
}

/// Refuses a life of a node that is over, or that never began, and a node that takes on nothing.
fn alive(tx: &Tx<'_>, node: NodeId, boot: BootId) -> Result<(), Rejection> {
    let member = member::decide::present(tx, node, boot)?;
    if member.state != member::State::Up {
        return Err(Rejection::WrongMemberState { node, state: member.state });
    }
    Ok(())
}

/// A session is over: what it held is ready again, then the session goes.
pub(crate) fn end(tx: &mut Tx<'_>, worker: WorkerId, why: &str) {
    task::decide::worker_lost(tx, worker, why);
    tx.emit(Event::Detached { worker, why: why.to_owned() });
}
