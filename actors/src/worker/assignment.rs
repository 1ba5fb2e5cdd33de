//! From a lease to a job: what an attempt is to do, read from the tables.

use std::time::Duration;

use oarlock_engine::blob::{self, Slot};
use oarlock_engine::catalog::{Definition, Kind, Order, Step};
use oarlock_engine::codec;
use oarlock_engine::id::{Attempt, Epoch, TaskId, WorkerId};
use oarlock_engine::role;
use oarlock_engine::run::{self, Run};
use oarlock_engine::store::View;
use oarlock_engine::task::{self, Failure, State, Task};

use super::executor::{Job, failure};
use super::pool::Key;
use crate::shelf::Shelf;

/// What the tables say about a lease.
pub(crate) enum Assignment {
    /// This is to be done.
    Job(Box<Job>),
    /// The lease is over already.
    Gone,
    /// It cannot be done, and the task shall know why.
    Broken(Failure),
}

/// Reads what an attempt is to do.
pub(crate) fn read(
    view: &dyn View,
    shelf: &Shelf<Definition>,
    worker: WorkerId,
    (id, attempt): Key,
) -> Assignment {
    let Some(task) = task::get(view, id).filter(|task| holds(task, worker, attempt)) else {
        return Assignment::Gone;
    };
    let Some(run) = run::get(view, id.run) else { return Assignment::Gone };
    let definition = shelf.get(view, run.workflow, run.version, |definition| definition);
    let Some(definition) = definition else {
        return broken("the definition of its run is gone");
    };
    let Some(step) = definition.steps.get(usize::from(id.step.0)) else {
        return broken("its step is not in the definition of its run");
    };
    let order = if task.ordered {
        let bytes = blob::get(view, id.run, Slot::order(id));
        bytes.and_then(|bytes| codec::decode::<Order>(&bytes.0).ok())
    } else {
        step.order.clone()
    };
    match order {
        Some(Order::Work { kind: Kind::Builtin(kind), body }) => {
            let env = if kind == "run" {
                let epoch = role::epoch_of(view, id.run).map_or(Epoch(0), |(_, epoch)| epoch);
                surroundings(&definition, step, &run, (id, attempt, epoch))
            } else {
                Vec::new()
            };
            let timeout = Duration::from_millis(step.timeout.0);
            Assignment::Job(Box::new(Job { kind, body: body.0, env, timeout }))
        }
        Some(_) => broken("its order is no work for this worker"),
        None => broken("its order is missing"),
    }
}

/// Whether a worker holds this attempt of a task.
pub(crate) fn holds(task: &Task, worker: WorkerId, attempt: Attempt) -> bool {
    let leased = matches!(task.state, State::Leased { worker: who, .. } if who == worker);
    leased && task.attempt == attempt
}

fn broken(why: &str) -> Assignment {
    Assignment::Broken(failure("order", why.to_owned(), false))
}

/// What a process is told about itself. The idempotency key stays the same over all attempts of a task; the epoch never falls, so
/// that whatever it talks to can refuse an attempt that was handed out by a driver of the past.
fn surroundings(
    definition: &Definition,
    step: &Step,
    run: &Run,
    (id, attempt, epoch): (TaskId, Attempt, Epoch),
) -> Vec<(&'static str, String)> {
    let item = step.each.as_ref().map_or(String::new(), |_| format!("[{}]", id.item));
    vec![
        ("OARLOCK_RUN", run.id.to_string()),
        ("OARLOCK_TASK", format!("{}/{}/{}{item}", definition.name, run.number, step.name)),
        ("OARLOCK_ATTEMPT", attempt.to_string()),
        ("OARLOCK_EPOCH", epoch.to_string()),
        ("OARLOCK_IDEMPOTENCY_KEY", format!("{}/{}{item}", run.id, step.name)),
    ]
}
