//! Dead letters: tasks that failed for good, kept until somebody takes them up again or gives them up.

use serde::{Deserialize, Serialize};

use crate::id::{Attempt, TaskId, WorkflowId};
use crate::store::{View, schema};
use crate::task::Failure;
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
