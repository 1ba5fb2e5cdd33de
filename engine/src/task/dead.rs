//! Dead letters: tasks that failed for good, kept until somebody takes them up again or gives them up.

use serde::{Deserialize, Serialize};

use crate::catalog::OnFailure;
use crate::dag::walk::{Todo, Walk};
use crate::id::{Attempt, TaskId, WorkflowId};
use crate::run::again;
use crate::store::{Tx, View, schema};
use crate::task::{Event, Failure, MESSAGE_BYTES_MAX, retry};
use crate::time::Moment;

/// The most dead letters one command names.
pub const LETTERS_MAX: usize = 256;

/// A dead letter as the tables hold it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Which task.
    pub task: TaskId,
    /// Of which workflow.
    pub workflow: WorkflowId,
    /// The last attempt.
    pub attempt: Attempt,
    /// Why it failed.
    pub failure: Failure,
    /// When it died.
    pub at: Moment,
}

/// A task's dead letter.
pub fn get(view: &dyn View, task: TaskId) -> Option<DeadLetter> {
    schema::DEAD.get(view, &task)
}

/// Dead letters, the newest first, after one of them (by when it died, and its task): the next page.
pub fn list(view: &dyn View, after: Option<(Moment, TaskId)>, max: usize) -> Vec<DeadLetter> {
    let rows = schema::DEAD_BY_TIME.before_back(view, &(), after.as_ref()).take(max);
    rows.filter_map(|((_, task), ())| get(view, task)).collect()
}

/// Takes a dead letter up again. False: there is none, or its run is in a state in which that cannot be.
pub(crate) fn revive(tx: &mut Tx<'_>, id: TaskId) -> bool {
    if get(tx, id).is_none() {
        return false;
    }
    let mut walk = Walk::new(tx);
    let revived = again::revive(&mut walk, id).is_ok();
    walk.finish();
    revived
}

/// Gives a dead letter up: a step that stayed open because of it has failed. False: there is none.
pub(crate) fn discard(tx: &mut Tx<'_>, id: TaskId, reason: &str) -> bool {
    let Some(letter) = get(tx, id) else { return false };
    let reason = retry::cut(reason, MESSAGE_BYTES_MAX);
    tx.emit(Event::Discarded { task: id, reason });
    let mut walk = Walk::new(tx);
    let run = walk.run(id.run);
    let graph = walk.graph(&run);
    let keeps_open = OnFailure::DeadLetter;
    if graph.step(id.step).is_some_and(|step| step.on_failure == keeps_open) {
        walk.then(Todo::Count(id, Some(letter.failure)));
    }
    walk.finish();
    true
}
