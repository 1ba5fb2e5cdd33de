//! Events: what happened, in order, for whoever watches.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Something that happened. The data of one server-sent event, whose id is the revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Its place in the feed: rising, the same on every node. Send it back as `Last-Event-ID` to go on behind it.
    pub revision: u64,
    /// When.
    pub at: String,
    /// Who asked for what led to it.
    pub by: String,
    /// What: `run.started`, `task.succeeded`, `workflow.defined` …
    #[serde(rename = "type")]
    pub kind: String,
    /// The workflow it concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// The id of the run it concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// That run's short name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_name: Option<String>,
    /// The id of the task it concerns: `etl/1042/load`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// Which attempt of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// What else there is to say, by the kind of event.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub details: Value,
}
