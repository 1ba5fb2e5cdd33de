//! The events of tasks: what most of the feed is.

use oarlock_engine::catalog::Kind;
use oarlock_engine::task::Event as E;
use serde_json::json;

use super::event::Told;
use super::{failure, task, time};

/// A task's event before its names are known.
pub(crate) fn told(event: &E) -> Told {
    match event {
        E::Opened { task } => Told::of_task("task.opened", task.id)
            .details(json!({"queue": task.queue, "priority": task.priority.0})),
        E::Ordered { task, kind } => {
            Told::of_task("task.ordered", *task).details(json!({"action": kind.as_ref().map(word)}))
        }
        E::Withheld { task } => Told::of_task("task.held", *task),
        E::Emitted { task, name } => {
            Told::of_task("task.emitted", *task).details(json!({"name": name}))
        }
        E::Readied { task, queue, kind } => Told::of_task("task.queued", *task)
            .details(json!({"queue": queue, "action": word(kind)})),
        E::Leased { task, attempt, worker } => Told::of_task("task.started", *task)
            .attempt(*attempt)
            .details(json!({"worker": worker.to_string()})),
        E::Waited { task, what } => {
            Told::of_task("task.waiting", *task).details(json!(task::awaiting(what)))
        }
        E::Returned { task, attempt, failure: why } => Told::of_task("task.returned", *task)
            .attempt(*attempt)
            .details(json!({"error": failure(why)})),
        E::Rested { task, attempt, until, failure: why } => Told::of_task("task.retrying", *task)
            .attempt(*attempt)
            .details(json!({"until": time::rfc3339(*until), "error": failure(why)})),
        E::Succeeded { task, attempt } => Told::of_task("task.succeeded", *task).attempt(*attempt),
        E::Died { task, attempt, failure: why, letter } => Told::of_task("task.failed", *task)
            .attempt(*attempt)
            .details(json!({"error": failure(why), "dead_letter": letter})),
        E::Revoked { task, worker } => Told::of_task("task.cancelled", *task)
            .details(json!({"worker": worker.map(|worker| worker.to_string())})),
        E::Revived { task, attempt, attempts_max } => Told::of_task("task.revived", *task)
            .attempt(*attempt)
            .details(json!({"max_attempts": attempts_max})),
        E::Discarded { task, reason } => {
            Told::of_task("task.discarded", *task).details(json!({"reason": reason}))
        }
        E::Forgotten { task } => Told::of_task("task.forgotten", *task),
    }
}

fn word(kind: &Kind) -> String {
    match kind {
        Kind::Builtin(name) => name.clone(),
        Kind::Call(name) => format!("call:{name}"),
    }
}
