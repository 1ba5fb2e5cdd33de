//! How often and how fast a task is tried again.

use serde::{Deserialize, Serialize};

use crate::time::Span;

/// A retry policy. FlowCtl's names: `max_attempts`, `initial_delay`, `max_delay`, `backoff_factor`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// Attempts in all: 1 means no second one.
    pub attempts_max: u32,
    /// Before the second attempt.
    pub initial: Span,
    /// No pause is longer.
    pub cap: Span,
    /// Each pause is so many thousandths of the one before: 2000 doubles.
    pub factor_milli: u32,
    /// Spread pauses over the half below: derived from task and attempt, the same on every replica.
    pub jitter: bool,
    /// Kinds of failure that no second attempt would mend: `exit:2`, `http:404`, `timeout`; `exit:*` is every exit code.
    pub not_on: Vec<String>,
}
