//! Settings: few, by name, the same on every node.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A setting of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// The value in force.
    pub value: String,
    /// What it is when nobody has set it.
    pub default: String,
    /// Whether somebody has set it.
    pub set: bool,
    /// What it is for.
    pub description: String,
}

/// The body of `PUT /settings/{name}`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetSetting {
    /// The new value; empty brings the default back.
    pub value: String,
}
