//! Runs: one execution of a workflow.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{Page, Problem, TaskStatus};

/// A page of runs, newest first unless asked otherwise.
pub type RunList = Page<Run>;

/// Where a run stands.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Accepted; nothing of it has begun, or it waits for its moment or its concurrency key.
    Queued,
    /// Something of it has begun.
    Running,
    /// By an operator: what runs finishes, nothing new begins.
    Paused,
    /// Being cancelled or timed out: clean-up is left.
    Cancelling,
    /// Done, and well.
    Completed,
    /// A task failed for good.
    Failed,
    /// Somebody stopped it.
    Cancelled,
    /// It took longer than its workflow allows.
    TimedOut,
}

impl RunStatus {
    /// Every one of them.
    pub const ALL: [RunStatus; 8] = [
        RunStatus::Queued,
        RunStatus::Running,
        RunStatus::Paused,
        RunStatus::Cancelling,
        RunStatus::Completed,
        RunStatus::Failed,
        RunStatus::Cancelled,
        RunStatus::TimedOut,
    ];

    /// Whether the run is over.
    #[must_use]
    pub fn finished(self) -> bool {
        matches!(
            self,
            RunStatus::Completed | RunStatus::Failed | RunStatus::Cancelled | RunStatus::TimedOut
        )
    }

    /// The word that stands in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            RunStatus::Queued => "queued",
            RunStatus::Running => "running",
            RunStatus::Paused => "paused",
            RunStatus::Cancelling => "cancelling",
            RunStatus::Completed => "completed",
            RunStatus::Failed => "failed",
            RunStatus::Cancelled => "cancelled",
            RunStatus::TimedOut => "timed_out",
        }
    }
}

/// Why a run, a task or an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Failure {
    /// For programs: `exit:2`, `timeout`, `http:503`, `worker_lost`, `cancelled` …
    pub kind: String,
    /// For people.
    pub message: String,
    /// Whether another attempt could have helped.
    pub retryable: bool,
    /// The task whose failure it was, in the error of a run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
}

/// One execution of a workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Run {
    /// Its id, chosen by whoever started it: `run_01kadq…`.
    pub id: String,
    /// What people say: `etl/1042`.
    pub name: String,
    /// The workflow's name.
    pub workflow: String,
    /// The version of the workflow that it runs, to its end.
    pub version: u32,
    /// The second half of its name.
    pub number: u64,
    /// Where it stands.
    pub status: RunStatus,
    /// The caller's key: at most one unfinished run of the workflow has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Its concurrency key, evaluated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency_key: Option<String>,
    /// The workflow's labels, overlaid with the caller's.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// 0 low … 10 high, for its tasks where they do not say otherwise.
    pub priority: u8,
    /// Who started it.
    pub created_by: String,
    /// When it was accepted.
    pub created_at: String,
    /// When anything about it last changed; in the full view only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<String>,
    /// When it may begin, if that is later than when it was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_at: Option<String>,
    /// When its first task began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// When it was finished, however it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<String>,
    /// From `started_at` to `completed_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// When its time is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<String>,
    /// The task that waits for it, if it is another run's child.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Tasks in its definition; each `each` counts as one.
    pub tasks_total: u32,
    /// Those that are not settled.
    pub tasks_open: u32,
    /// Those that failed for good and were not ignored.
    pub tasks_failed: u32,
    /// How often it was opened again by `retry`.
    pub retries: u32,
    /// Goes up by one with every change of the run; its ETag.
    pub changes: u64,
    /// Why it failed or was cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// What it was started with; in the full view only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
    /// What it came to; in the full view only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Its graph with the state of each node, in file order; in the full view only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<RunStep>,
}

/// A task as it stands in the file, with how far the run has come with it. A fan-out is one of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunStep {
    /// Its key in the file.
    pub name: String,
    /// The tasks that come before it.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Where it stands: for a fan-out the state of the whole.
    pub status: TaskStatus,
    /// What it does: `run`, `http`, `call` …
    pub action: String,
    /// For a fan-out: how many items it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<u32>,
    /// Items done well so far.
    pub succeeded: u32,
    /// Items that failed for good so far.
    pub failed: u32,
}

/// Starts a run: the body of `POST /workflows/{name}/runs`. Everything may be left out.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartRun {
    /// An id of the caller's choosing, `run_…`: starting it twice is starting it once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// The inputs, an object. Defaults are filled in, then it is checked against the workflow's schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
    /// At most one unfinished run of the workflow may have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// 0 low … 10 high.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// Beside the workflow's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Another version than the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// Not before this moment (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<String>,
    /// Not before so long from now: `"10m"`.
    #[serde(default, rename = "in", skip_serializing_if = "Option::is_none")]
    pub delay: Option<String>,
}

/// Starts many: the body of `POST /workflows/{name}/runs/batch`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartRuns {
    /// At most 1000. Each is accepted or refused for itself; with `run_id`s it is safe to send the whole again.
    pub runs: Vec<StartRun>,
}

/// How a batch went: one outcome for each, in the order they were sent.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct Started {
    /// How many were accepted.
    pub accepted: u32,
    /// How many were not.
    pub refused: u32,
    /// One for each.
    pub items: Vec<StartOutcome>,
}

/// How one start of a batch went: either the first three fields, or the last.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct StartOutcome {
    /// The run's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The run's short name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether this very start had been accepted before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub repeated: bool,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// The answer of `POST /workflows/{name}/execute`: the run, and its id once more under the name that callers of that path know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Execution {
    /// The run's id.
    pub execution_id: String,
    /// The run.
    #[serde(flatten)]
    pub run: Run,
}

/// What a finished run came to: `GET /runs/{id}/result`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunResult {
    /// The run's id.
    pub run: String,
    /// The run's short name.
    pub name: String,
    /// How it ended, or where it stands.
    pub status: RunStatus,
    /// Its output; absent while it runs, or if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
}

/// The body of `cancel`, `terminate`, `pause` and of giving dead letters up.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// For people, and for the audit.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// The body of `POST /runs/{id}/retry`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryRun {
    /// A task's name: it and everything behind it runs anew. Absent: what failed, and what was left out because of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// The body of `POST /runs/{id}/tags`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Tag {
    /// Labels to set; an empty value takes the label away.
    pub labels: BTreeMap<String, String>,
}
