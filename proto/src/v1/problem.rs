//! Failures: every answer of 400 and above has this body.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What went wrong, for programs and for people. `application/problem+json` of RFC 9457.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Where this kind of failure is explained: `/docs/errors/E0301`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of failure in a few words; the same for every failure of its code.
    pub title: String,
    /// The HTTP status, once more.
    pub status: u16,
    /// What happened here, in one sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The path that was asked for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub instance: String,
    /// The code that `oarlock explain` knows: `E0301`.
    pub code: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hint: String,
    /// Each thing that is wrong with what was sent, all at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<Violation>,
    /// The id of the request, for the operator who looks into the logs.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub request_id: String,
    /// Whether the same request may do better later.
    pub retryable: bool,
    /// When to ask again, where that is known: the `Retry-After` header in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// The node that leads, as far as this one knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<String>,
}

/// One thing that is wrong with a file or a body.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Violation {
    /// Where, as a JSON pointer: `/tasks/load/neds`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub pointer: String,
    /// The line in the text that was sent, from 1; absent where there is no text to point into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The column, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// How many characters are meant, from the column on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u32>,
    /// The code of this one, where it differs from the problem's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub code: String,
    /// What is wrong.
    pub detail: String,
    /// What would be right.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hint: String,
}
