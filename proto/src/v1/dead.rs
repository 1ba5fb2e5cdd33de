//! Dead letters: tasks that failed for good and wait for somebody.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::Failure;

/// A task that failed for good.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeadLetter {
    /// Its id, which is the task's: `etl/1042/load`.
    pub id: String,
    /// The task's name in its file.
    pub task: String,
    /// The run's id.
    pub run: String,
    /// The run's short name.
    pub run_name: String,
    /// The workflow's name.
    pub workflow: String,
    /// The id of the last attempt: `etl/1042/load@3`.
    pub attempt_id: String,
    /// The queue it stood in.
    pub queue: String,
    /// What it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
    /// Why the last attempt failed.
    pub error: Failure,
    /// What all failures of its kind have in common: see [`DeadLetterGroup`].
    pub fingerprint: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was given up.
    pub created_at: String,
}

/// Dead letters of one error: numbers, ids and times in the message count as equal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeadLetterGroup {
    /// The error's kind and message with what varies replaced.
    pub error: String,
    /// A short name of that text, to select the group by.
    pub fingerprint: String,
    /// How many there are.
    pub tasks: u64,
    /// Whose.
    pub workflows: Vec<String>,
    /// When the first was given up.
    pub first_at: String,
    /// When the last was.
    pub last_at: String,
    /// The newest one's id.
    pub example: String,
}

/// Which dead letters are meant: the body of `POST /dlq/retry` and `POST /dlq/discard`. What is given must all hold.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeadSelection {
    /// These, by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
    /// Of this workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// Of this queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// Of this group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// For which this CEL expression is true, over the fields of a dead letter and `error` as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// All of them: must be said, where nothing else is.
    #[serde(default)]
    pub all: bool,
    /// At most so many; the answer says whether there are more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// Say how many it would be, and do nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// For people, and for the audit.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// What a request over many things did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Selected {
    /// How many were meant.
    pub matched: u64,
    /// How many were changed; the others had changed meanwhile.
    pub changed: u64,
    /// Whether there are more than were looked at: ask again.
    pub more: bool,
}
