//! Members: the nodes of the cluster.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where a node stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemberState {
    /// Takes part.
    Up,
    /// Has not been heard of for too long.
    Lost,
    /// Said goodbye.
    Left,
    /// Finishes what its workers have, and takes on nothing.
    Draining,
    /// Is a member of the group, and has not begun yet.
    Joining,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Member {
    /// Its number.
    pub id: u64,
    /// What people call it: `n1`.
    pub name: String,
    /// Where people and programs reach it.
    pub address: String,
    /// Where it stands.
    pub state: MemberState,
    /// Since when.
    pub since: String,
    /// The life of its process.
    pub boot: String,
    /// Whether it leads.
    pub leader: bool,
    /// Whether it answered this request.
    pub this: bool,
    /// Roles it has.
    pub roles: u32,
    /// Workers attached to it.
    pub workers: u32,
    /// Tasks they have.
    pub running: u32,
    /// What it is for: `api`, `scheduler`, `worker`, `voter`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub duties: Vec<String>,
    /// What it is like.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// How much it takes on in proportion to others.
    #[serde(default)]
    pub capacity: u32,
    /// When this life of its process began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_since: Option<String>,
    /// `leader`, `follower`, `learner`; absent: it is in the group no more, or not yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raft: Option<String>,
    /// Where its peers reach it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_address: Option<String>,
    /// Entries of the log that it lacks, as far as the node that was asked knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<u64>,
    /// How long ago the node that was asked heard of it, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard_ms: Option<u64>,
    /// Why calls of the node that was asked do not reach it, if they do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreachable: Option<String>,
    /// Bytes of its data folder, if the node that was asked knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_bytes: Option<u64>,
}

/// What somebody asks of a node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberStep {
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Also if nobody can take over.
    #[serde(default)]
    pub force: bool,
}
