//! Workers: who does the work.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A session of a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Worker {
    /// Its id: `wrk_…`.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// The node it is attached to.
    pub node: String,
    /// The queues it serves; empty: every queue.
    pub queues: Vec<String>,
    /// The handlers it has registered, for `call`.
    pub calls: Vec<String>,
    /// Whether it runs the built-in kinds: `run`, `http`, `noop`.
    pub builtin: bool,
    /// How many tasks it takes at once.
    pub slots: u32,
    /// How many it has.
    pub running: u32,
    /// Whether it is given nothing more.
    pub draining: bool,
    /// Since when it is here.
    pub since: String,
    /// The ids of the tasks it has, where one worker was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<String>,
}
