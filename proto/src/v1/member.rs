//! Members: the nodes of the cluster.

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
}
