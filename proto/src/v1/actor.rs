//! Actors: the supervision tree of one node.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// An actor as it shows itself, with those it supervises.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Actor {
    /// Its path in the tree: `supervisor/scheduler/dag-etl-1-of-1`. The id for `restart`.
    pub id: String,
    /// `supervisor`, `scheduler`, `role`, `worker`, `keeper`.
    pub kind: String,
    /// What it is called among its siblings.
    pub name: String,
    /// `running`, `starting`, `restarting`, `stopped`, `given_up`.
    pub state: String,
    /// The node it lives on.
    pub node: String,
    /// How often it was restarted.
    pub restarts: u64,
    /// Since when this life of it lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Why its last life ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<String>,
    /// What else it shows: depends on its kind.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub details: Value,
    /// Those it supervises.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(no_recursion)]
    pub children: Vec<Actor>,
}
