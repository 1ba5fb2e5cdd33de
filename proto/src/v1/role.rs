//! Roles: what exactly one node drives at a time.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A role and who has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Role {
    /// Its number.
    pub id: u32,
    /// Its name: `dag-etl-1-of-1`, `keeper-1-of-1`.
    pub name: String,
    /// The node that drives it; absent: none can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// How often it has changed hands: its fencing token.
    pub epoch: u64,
    /// Since when it is there.
    pub since: String,
    /// Why it went there.
    pub why: String,
    /// The node that had it before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The node that it is pinned to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<String>,
    /// Labels that its node must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// How much it counts when the load is evened out: 1 is usual.
    #[serde(default)]
    pub weight: u32,
}

/// Where a role is to go.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MoveRole {
    /// The node.
    pub node: String,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Where a role is to stay.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PinRole {
    /// The node; absent: where it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
}
