//! Queues: where tasks wait for workers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A queue with what stands in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Whether it hands nothing out.
    pub paused: bool,
    /// At most so many running at once; absent: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// How many there are of each.
    pub counts: QueueCounts,
    /// How long its oldest ready task has waited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_ms: Option<u64>,
    /// Workers that serve it.
    pub workers: u32,
    /// Their slots together.
    pub slots: u32,
    /// The name of its dead-letter queue: `default:dead-letter`.
    pub dead_letter_queue: String,
}

/// Tasks by state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct QueueCounts {
    /// Wait for a worker.
    pub waiting: u64,
    /// A worker has them.
    pub active: u64,
    /// Rest before their next attempt.
    pub delayed: u64,
    /// Done since the queue exists.
    pub completed: u64,
    /// Failed for good since the queue exists.
    pub failed: u64,
    /// Dead letters now.
    pub dead: u64,
}

/// The body of `PUT /queues/{name}/limit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QueueLimit {
    /// At most so many running at once, over the whole cluster; null or absent: no limit.
    #[serde(default)]
    pub concurrency: Option<u32>,
}
