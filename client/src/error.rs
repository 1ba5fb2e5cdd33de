//! What can go wrong, by what the caller can do about it: retry, fix, give up.
//!
//! The variants follow the answers of the server, not the places in this crate where they are met. What was sent and may be
//! wrong is to be *fixed*; what stands in the way now and may be gone later is to be *retried*; for the rest there is nothing
//! to do here. Each error of the server carries its [`Problem`]: code, sentence, hint, and every violation of what was sent.

use std::time::Duration;

use oarlock_proto::v1::{Failure, Problem};

/// What a caller can do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// The same call may do better later.
    Retry {
        /// When, where the server said so.
        after: Option<Duration>,
    },
    /// The call itself is wrong, or does not fit what is there: change it first.
    Fix,
    /// Neither waiting nor another call will help.
    GiveUp,
}

/// Why a call did not bring what it was made for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is nothing of this name or id.
    #[error("{}", sentence(.0))]
    NotFound(Box<Problem>),
    /// It exists already, has changed since, or is not in a state for this.
    #[error("{}", sentence(.0))]
    Conflict(Box<Problem>),
    /// What was sent is wrong: the problem's violations say each thing.
    #[error("{}", sentence(.0))]
    Invalid(Box<Problem>),
    /// The server does not know who asks.
    #[error("{}", sentence(.0))]
    Unauthenticated(Box<Problem>),
    /// The server knows who asks, and does not allow it.
    #[error("{}", sentence(.0))]
    PermissionDenied(Box<Problem>),
    /// Too much at once.
    #[error("{}", sentence(.0))]
    RateLimited(Box<Problem>),
    /// The node is there, and cannot do it now: no leader, disk full, stopping.
    #[error("{}", sentence(.0))]
    Unavailable(Box<Problem>),
    /// The server failed.
    #[error("{}", sentence(.0))]
    Server(Box<Problem>),
    /// No node answers at the address.
    #[error("nothing answers at {addr} ({why})")]
    Unreachable {
        /// The address that was tried.
        addr: String,
        /// What the network said, in few words.
        why: String,
        /// What the network said, in full.
        #[source]
        source: reqwest::Error,
    },
    /// The caller's time was over first. What was asked may have been done.
    #[error("no answer from {addr} within {}", span(*.after))]
    Timeout {
        /// The address that was asked.
        addr: String,
        /// The caller's time.
        after: Duration,
    },
    /// The run that was waited for failed.
    #[error("{run} failed: {}", .failure.as_ref().map_or("no reason was given", |f| f.message.as_str()))]
    RunFailed {
        /// The run's short name.
        run: String,
        /// Why.
        failure: Option<Box<Failure>>,
    },
    /// The run that was waited for was cancelled.
    #[error("{run} was cancelled")]
    RunCancelled {
        /// The run's short name.
        run: String,
    },
    /// The run that was waited for took longer than its workflow allows.
    #[error("{run} timed out")]
    RunTimedOut {
        /// The run's short name.
        run: String,
    },
    /// Something answers, and it does not speak this language: not Oarlock, or a version too far away.
    #[error("{0}")]
    Protocol(String),
    /// The client cannot be made like this.
    #[error("{0}")]
    Setup(String),
}

impl Error {
    /// The server's own words, where the server spoke.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Error::NotFound(problem)
            | Error::Conflict(problem)
            | Error::Invalid(problem)
            | Error::Unauthenticated(problem)
            | Error::PermissionDenied(problem)
            | Error::RateLimited(problem)
            | Error::Unavailable(problem)
            | Error::Server(problem) => Some(problem),
            _ => None,
        }
    }

    /// The code that `oarlock explain` knows.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Error::Unreachable { .. } => "E0701",
            Error::Timeout { .. } => "E0704",
            Error::Protocol(_) => "E0901",
            _ => self.problem().map_or("", |problem| problem.code.as_str()),
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn advice(&self) -> Advice {
        match self {
            Error::NotFound(_) | Error::Conflict(_) | Error::Invalid(_) | Error::Setup(_) => {
                Advice::Fix
            }
            Error::RateLimited(problem) | Error::Unavailable(problem) => {
                Advice::Retry { after: problem.retry_after_ms.map(Duration::from_millis) }
            }
            Error::Server(problem) if problem.retryable => Advice::Retry { after: None },
            Error::Unreachable { .. } | Error::Timeout { .. } => Advice::Retry { after: None },
            _ => Advice::GiveUp,
        }
    }

    /// Whether the same call may do better later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self.advice(), Advice::Retry { .. })
    }

    /// Whether it says how a run ended, and nothing else went wrong.
    #[must_use]
    pub fn is_run_end(&self) -> bool {
        matches!(
            self,
            Error::RunFailed { .. } | Error::RunCancelled { .. } | Error::RunTimedOut { .. }
        )
    }

    /// The id of the request, for whoever looks into the server's log.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.problem().map(|problem| problem.request_id.as_str()).filter(|id| !id.is_empty())
    }

    /// The error that a problem of this status stands for.
    pub(crate) fn of(problem: Problem) -> Error {
        let problem = Box::new(problem);
        match problem.status {
            404 | 410 => Error::NotFound(problem),
            409 | 412 => Error::Conflict(problem),
            401 => Error::Unauthenticated(problem),
            403 => Error::PermissionDenied(problem),
            429 => Error::RateLimited(problem),
            503 | 504 | 507 => Error::Unavailable(problem),
            400..=499 => Error::Invalid(problem),
            _ => Error::Server(problem),
        }
    }
}

fn sentence(problem: &Problem) -> &str {
    if problem.detail.is_empty() { &problem.title } else { &problem.detail }
}

/// A length of time as people write it.
fn span(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        return format!("{} ms", time.as_millis());
    }
    format!("{} s", (time.as_secs_f64() * 10.0).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(status: u16) -> Problem {
        let text = format!(
            r#"{{"type":"/docs/errors/E0","title":"t","status":{status},"code":"E0","retryable":false}}"#
        );
        serde_json::from_str(&text).expect("the shape of a problem")
    }

    #[test]
    fn each_status_says_what_to_do() {
        for (status, advice) in [
            (404, Advice::Fix),
            (409, Advice::Fix),
            (422, Advice::Fix),
            (401, Advice::GiveUp),
            (403, Advice::GiveUp),
            (429, Advice::Retry { after: None }),
            (503, Advice::Retry { after: None }),
            (500, Advice::GiveUp),
        ] {
            assert_eq!(Error::of(problem(status)).advice(), advice, "{status}");
        }
    }
}
