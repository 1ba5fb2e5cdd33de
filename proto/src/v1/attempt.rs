//! Attempts: each try of a task, with how it ended.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Failure;

/// Where an attempt stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttemptStatus {
    /// Under way.
    Running,
    /// It did what it was to do.
    Completed,
    /// It did not.
    Failed,
    /// Its worker was lost or gave it back: it does not count.
    Returned,
    /// Its run was cancelled.
    Cancelled,
}

/// One try of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Attempt {
    /// Its id: `etl/1042/load@2`.
    pub id: String,
    /// The task's id.
    pub task: String,
    /// The run's id.
    pub run: String,
    /// Which one, from 1.
    pub attempt: u32,
    /// Where it stands.
    pub status: AttemptStatus,
    /// Who tried; absent: nobody had to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// When it began.
    pub started_at: String,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<String>,
    /// Between the two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// Whether it printed something that was kept.
    pub logged: bool,
}
