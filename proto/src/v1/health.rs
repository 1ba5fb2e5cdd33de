//! Health: what probes ask.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The process lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok`.
    pub status: String,
    /// The build.
    pub version: String,
    /// How long this process has run.
    pub uptime_ms: u64,
}

/// Whether the node can be sent work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// Whether nothing is missing. If not, the status is 503.
    pub ready: bool,
    /// What is missing, a sentence each.
    pub missing: Vec<String>,
    /// The node that answered.
    pub node: String,
    /// The node that leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<String>,
    /// The newest revision of this node's copy.
    pub revision: u64,
    /// Entries of the log that are not applied here yet.
    pub lag: u64,
}
