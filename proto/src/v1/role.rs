//! Roles: what exactly one node drives at a time.

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
}
