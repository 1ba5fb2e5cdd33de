//! Status: one screen of health.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Member, Queue, Readiness};

/// The whole at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// The build of the node that answered.
    pub version: String,
    /// How long its process has run.
    pub uptime_ms: u64,
    /// `healthy`, or `degraded` with what is missing in `readiness`.
    pub health: String,
    /// Whether work can be sent, and what is missing if not.
    pub readiness: Readiness,
    /// The cluster.
    pub cluster: ClusterStatus,
    /// How much there is of everything.
    pub totals: Totals,
    /// The nodes.
    pub members: Vec<Member>,
    /// The queues, at most 50.
    pub queues: Vec<Queue>,
}

/// The replicated log, as the answering node sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClusterStatus {
    /// The node that leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<String>,
    /// The Raft term.
    pub term: u64,
    /// The last entry of the log.
    pub log_last: u64,
    /// The last one applied here.
    pub applied: u64,
    /// The last one purged.
    pub purged: u64,
    /// The newest revision of the feed.
    pub revision: u64,
    /// The oldest revision that the feed still has.
    pub oldest_revision: u64,
    /// Commands that wait to be proposed.
    pub waiting: u64,
    /// Why nothing is written, if nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only: Option<String>,
}

/// How much there is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Totals {
    /// Workflows.
    pub workflows: u64,
    /// Runs that are not finished.
    pub unfinished_runs: u64,
    /// Unfinished runs by status, counted up to 10,000 of each; a number that was cut is missing from the map.
    pub runs: BTreeMap<String, u64>,
    /// Dead letters.
    pub dead_letters: u64,
    /// Workers.
    pub workers: u64,
    /// Their slots.
    pub slots: u64,
    /// Tasks they have.
    pub running_tasks: u64,
    /// Tasks that wait for a worker.
    pub ready_tasks: u64,
    /// Roles, and how many of them nobody drives.
    pub roles: u64,
    /// Roles that nobody drives.
    pub vacant_roles: u64,
}
