//! Tasks: the units of work of a run.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::Failure;

/// Where a task stands.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TaskStatus {
    /// Waits for the tasks it needs.
    Blocked,
    /// Its condition, its list or its input is being computed.
    Pending,
    /// Waits for a worker.
    Queued,
    /// A worker has it.
    Running,
    /// Failed, and will be tried again at `next_attempt_at`.
    Retrying,
    /// Waits for time, a signal, a child run, or for its paused run to go on.
    Waiting,
    /// Done.
    Completed,
    /// Failed for good: a dead letter.
    Failed,
    /// Its condition said no, or everything it needs was skipped.
    Skipped,
    /// Something it needs failed.
    UpstreamFailed,
    /// Its run was cancelled first.
    Cancelled,
}

impl TaskStatus {
    /// Every one of them.
    pub const ALL: [TaskStatus; 11] = [
        TaskStatus::Blocked,
        TaskStatus::Pending,
        TaskStatus::Queued,
        TaskStatus::Running,
        TaskStatus::Retrying,
        TaskStatus::Waiting,
        TaskStatus::Completed,
        TaskStatus::Failed,
        TaskStatus::Skipped,
        TaskStatus::UpstreamFailed,
        TaskStatus::Cancelled,
    ];

    /// Whether nothing more will happen to it by itself.
    #[must_use]
    pub fn settled(self) -> bool {
        matches!(
            self,
            TaskStatus::Completed
                | TaskStatus::Failed
                | TaskStatus::Skipped
                | TaskStatus::UpstreamFailed
                | TaskStatus::Cancelled
        )
    }

    /// The word that stands in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            TaskStatus::Blocked => "blocked",
            TaskStatus::Pending => "pending",
            TaskStatus::Queued => "queued",
            TaskStatus::Running => "running",
            TaskStatus::Retrying => "retrying",
            TaskStatus::Waiting => "waiting",
            TaskStatus::Completed => "completed",
            TaskStatus::Failed => "failed",
            TaskStatus::Skipped => "skipped",
            TaskStatus::UpstreamFailed => "upstream_failed",
            TaskStatus::Cancelled => "cancelled",
        }
    }
}

/// One unit of work of a run. A task that has not been opened yet is shown too, with what its definition says of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Task {
    /// Its id: `etl/1042/load`, or `etl/1042/extract[3]` for an item of a fan-out.
    pub id: String,
    /// Its name in the file.
    pub name: String,
    /// The run's id.
    pub run: String,
    /// The run's short name.
    pub run_name: String,
    /// The workflow's name.
    pub workflow: String,
    /// Which item of the fan-out, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<u32>,
    /// What it does: `run`, `http`, `noop`, `call`, `sleep`, `wait`, `workflow`, `emit`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The handler's name, for `call`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// Where it stands.
    pub status: TaskStatus,
    /// The queue it stands in.
    pub queue: String,
    /// 0 low … 10 high.
    pub priority: u8,
    /// How it is tried, and tried again.
    pub policy: Policy,
    /// The current attempt, or the last one; 0 before the first.
    pub attempt: u32,
    /// Its number of attempts allowed, raised by retries by hand.
    pub max_attempts: u32,
    /// `max_attempts` less one.
    pub max_retries: u32,
    /// The worker that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// The node of the worker that has it, or had it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// When it came to be; absent while it is blocked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// When its first attempt began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// When it settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<String>,
    /// From `started_at` to `completed_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// Since when it is as it is, for one that is queued, running or waiting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// When it will be tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<String>,
    /// What it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<Awaiting>,
    /// The tasks that come before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// The last attempt's failure, kept when a later one succeeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// What it was given, once that is known; in the full view only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
    /// What it came to; in the full view only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
}

/// How a task is tried, and tried again. These are the values in force, defaults filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Policy {
    /// Attempts in all.
    pub attempts: u32,
    /// The pauses between them.
    pub backoff: Backoff,
    /// 0 low … 10 high.
    pub priority: u8,
    /// How long one attempt may take.
    pub timeout_ms: u64,
    /// Kinds of failure that no second attempt would mend.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_on: Vec<String>,
    /// What becomes of the run when the last attempt has failed: `fail`, `ignore`, `dead_letter`, `task:NAME`.
    pub on_failure: String,
}

/// The pauses between attempts: `delay_ms × factor^(n-1)`, at most `max_delay_ms`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Backoff {
    /// `exponential`, or `fixed` where the factor is 1.
    #[serde(rename = "type")]
    pub kind: String,
    /// Before the second attempt.
    pub delay_ms: u64,
    /// Each pause is so many times the one before.
    pub factor: f64,
    /// No pause is longer.
    pub max_delay_ms: u64,
    /// Whether pauses are spread over the half below.
    pub jitter: bool,
}

/// What a waiting task waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Awaiting {
    /// `time`, `signal`, `run`, or `resume`: its run is paused.
    pub what: String,
    /// The signal's name, or the child run's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// When it is over, or given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// Completes a task by hand: the body of `…/tasks/{task}/complete`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CompleteTask {
    /// What it came to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Which attempt; absent: the current one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
}

/// Fails a task by hand: the body of `…/tasks/{task}/fail`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FailTask {
    /// Why, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Why, for programs; `manual` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Whether it may be tried again, if attempts are left.
    #[serde(default)]
    pub retryable: bool,
    /// Which attempt; absent: the current one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
}
