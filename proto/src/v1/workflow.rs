//! Workflows: definitions and their versions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::Policy;

/// A workflow at its newest version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Workflow {
    /// Its name, which is its id in every path.
    pub name: String,
    /// One line for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The newest version, or the one that was asked for.
    pub version: u32,
    /// When that was applied.
    pub updated_at: String,
    /// Whether starts are refused.
    pub paused: bool,
    /// Runs that are not finished.
    pub unfinished_runs: u64,
    /// Runs there have ever been.
    pub total_runs: u64,
    /// The role that drives its runs.
    pub role: String,
    /// The node that has this role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// What a change of it must name in `If-Match`.
    pub etag: String,
    /// Its labels, copied to each run.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// How many tasks its file has.
    pub tasks_total: u32,
    /// The tasks, in file order; in the full view only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<WorkflowTask>,
    /// A JSON Schema of the inputs; in the full view only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Value>,
    /// How the output is made; in the full view only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Value>,
    /// How long a run may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// How long finished runs are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_ms: Option<u64>,
    /// The file as its author wrote it; in the full view only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// A task as it stands in a workflow's file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WorkflowTask {
    /// Its key in the file.
    pub name: String,
    /// What it does: `run`, `http`, `call` …
    pub action: String,
    /// The tasks that come before it.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Its condition.
    #[serde(default, rename = "if", skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// Whether it is a fan-out.
    pub each: bool,
    /// How many items of it may be open at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_parallel: Option<u32>,
    /// The queue it stands in.
    pub queue: String,
    /// How it is tried, and tried again.
    pub policy: Policy,
    /// Whether it only runs as another's `on_failure: task:NAME`.
    pub handler: bool,
}

/// One version of a workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorkflowVersion {
    /// The workflow's name.
    pub workflow: String,
    /// 1, 2, 3 …
    pub version: u32,
    /// When it was applied.
    pub created_at: String,
    /// By whom.
    pub created_by: String,
    /// Whether it is the newest.
    pub newest: bool,
}

/// What applying a file did, or (dry run) would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Applied {
    /// Whether nothing was changed because that was asked for.
    pub dry_run: bool,
    /// One for each definition in the file.
    pub items: Vec<AppliedDefinition>,
}

/// What became of one definition of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AppliedDefinition {
    /// `workflow`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What it did.
    pub change: Change,
    /// The version that is now the newest; in a dry run the one it would be.
    pub version: u32,
    /// What a change of it must name in `If-Match`.
    pub etag: String,
    /// Things that are allowed and yet look wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// What applying did to one definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// There was none of this name.
    Created,
    /// There is a newer version.
    Updated,
    /// It was equal to the newest version.
    Unchanged,
}

/// A workflow as a picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Graph {
    /// The workflow's name.
    pub workflow: String,
    /// Of which version.
    pub version: u32,
    /// A Mermaid flowchart.
    pub mermaid: String,
}
