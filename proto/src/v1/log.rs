//! Logs: what attempts printed.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What one attempt printed. `GET /runs/{id}/logs` answers one of these a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogChunk {
    /// The attempt's id: `etl/1042/load@2`.
    pub attempt: String,
    /// The task's id.
    pub task: String,
    /// When the attempt was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Standard output and standard error, as they came; bytes that are not UTF-8 are replaced.
    pub text: String,
}
