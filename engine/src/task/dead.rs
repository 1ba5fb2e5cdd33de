//! Filled in next.

use serde::{Deserialize, Serialize};

use crate::id::{Attempt, TaskId, WorkflowId};
use crate::task::Failure;
use crate::time::Moment;

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
