//! Every failure as an answer: the kind from the table, and what is particular to this case.
//!
//! A handler returns a [`Fault`]. It becomes `application/problem+json` at the outermost layer (`enter`), which alone knows
//! the path and the request's id; until then it travels in the response's extensions.

pub mod table;

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use oarlock_engine::reject::Rejection;
use oarlock_proto::v1::{Problem, Violation};
use oarlock_raft::ProposeError;

use crate::convert::run;

pub use table::{Kind, TABLE};

/// A failure on its way to whoever asked.
#[derive(Debug, Clone)]
pub struct Fault(Box<Problem>);

/// What handlers return.
pub type Answer<T> = Result<T, Fault>;

impl Fault {
    /// A failure of a kind, with what happened here.
    #[must_use]
    pub fn new(kind: &'static Kind, detail: impl Into<String>) -> Fault {
        Fault(Box::new(Problem {
            kind: format!("/docs/errors/{}", kind.code),
            title: kind.title.to_owned(),
            status: kind.status,
            detail: detail.into(),
            instance: String::new(),
            code: kind.code.to_owned(),
            hint: kind.hint.to_owned(),
            violations: Vec::new(),
            request_id: String::new(),
            retryable: kind.retryable,
            retry_after_ms: None,
            leader: None,
        }))
    }

    /// With other words for what happened here.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Fault {
        self.0.detail = detail.into();
        self
    }

    /// With a better hint than the table's.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Fault {
        self.0.hint = hint.into();
        self
    }

    /// With a code of its own, where the table's kind is only the roof over many: faults of files.
    #[must_use]
    pub fn code(mut self, code: &str) -> Fault {
        if !code.is_empty() {
            self.0.code = code.to_owned();
            self.0.kind = format!("/docs/errors/{code}");
        }
        self
    }

    /// With each thing that is wrong.
    #[must_use]
    pub fn violations(mut self, violations: Vec<Violation>) -> Fault {
        self.0.violations = violations;
        self
    }

    /// With the time after which to ask again.
    #[must_use]
    pub fn retry_after(mut self, pause: Duration) -> Fault {
        let whole = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        self.0.retry_after_ms = Some(whole.max(1));
        self
    }

    /// With the name of whoever leads, where that helps.
    pub fn name_leader(&mut self, leader: Option<String>) {
        if self.0.status == 503 {
            self.0.leader = leader;
        }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The body, without path and request id.
    #[must_use]
    pub fn problem(&self) -> &Problem {
        &self.0
    }

    /// The body, with path and request id.
    #[must_use]
    pub fn finish(self, instance: &str, request_id: &str) -> Response {
        let mut problem = *self.0;
        problem.instance = instance.to_owned();
        problem.request_id = request_id.to_owned();
        let status =
            StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&problem).expect("a problem has no shape JSON refuses");
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(pause) = problem.retry_after_ms {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(pause.div_ceil(1000)));
        }
        response
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Rejection> for Fault {
    fn from(refusal: Rejection) -> Fault {
        let detail = match &refusal {
            Rejection::WrongRunState(state) => {
                format!("not possible while the run is {}", run::status(*state).as_str())
            }
            refusal => refusal.to_string(),
        };
        let kind = match &refusal {
            Rejection::NoWorkflow(_) => &table::NO_WORKFLOW,
            Rejection::NoRun(_) => &table::NO_RUN,
            Rejection::NoTask(_) | Rejection::NoStep(_) => &table::NO_TASK,
            Rejection::NoQueue(_) => &table::NO_QUEUE,
            Rejection::NoWorker => &table::NO_WORKER,
            Rejection::NoMember => &table::NO_MEMBER,
            Rejection::NoRole(_) => &table::NO_ROLE,
            Rejection::NoSetting(_) => &table::NO_SETTING,
            Rejection::WorkflowPaused(_) => &table::WORKFLOW_PAUSED,
            Rejection::WorkflowBusy(_) => &table::WORKFLOW_BUSY,
            Rejection::Changed(_) => &table::CHANGED,
            Rejection::WrongRunState(_) => &table::WRONG_RUN_STATE,
            Rejection::WrongTaskState(_) => &table::WRONG_TASK_STATE,
            Rejection::StaleAttempt { .. } => &table::STALE_ATTEMPT,
            Rejection::StaleEpoch { .. } => &table::STALE_EPOCH,
            Rejection::KeyTaken(_) => &table::KEY_TAKEN,
            Rejection::LaneFull(_) => &table::LANE_FULL,
            Rejection::RequestReused => &table::REQUEST_REUSED,
            Rejection::TooLarge { what, .. } if what == "payload" || what == "definition" => {
                &table::TOO_LARGE
            }
            Rejection::TooLarge { .. } => &table::TOO_MANY,
            Rejection::Invalid { .. } => &table::BAD_FIELD,
            Rejection::StaleBoot { .. } => &table::STALE_BOOT,
            Rejection::WrongMemberState { .. } => &table::WRONG_NODE_STATE,
            Rejection::OldRules { .. } => &table::OLD_RULES,
            Rejection::Ineligible { .. } => &table::INELIGIBLE,
            Rejection::Pinned { .. } => &table::PINNED,
        };
        let fault = Fault::new(kind, detail);
        match refusal {
            Rejection::Invalid { field, why } => {
                let pointer = format!("/{}", field.replace('.', "/"));
                fault.violations(vec![Violation { pointer, detail: why, ..Violation::default() }])
            }
            _ => fault,
        }
    }
}

impl From<ProposeError> for Fault {
    fn from(error: ProposeError) -> Fault {
        match error {
            ProposeError::Refused(refusal) => refusal.into(),
            ProposeError::Busy { retry_after } => {
                Fault::new(&table::BUSY, "too many changes are waiting to be written")
                    .retry_after(retry_after)
            }
            ProposeError::Unavailable(why) => {
                Fault::new(&table::READ_ONLY, why).retry_after(Duration::from_secs(1))
            }
            ProposeError::Unknown(why) => {
                Fault::new(&table::UNKNOWN_OUTCOME, why).retry_after(Duration::from_millis(200))
            }
        }
    }
}

impl From<oarlock_raft::Fault> for Fault {
    fn from(fault: oarlock_raft::Fault) -> Fault {
        match fault {
            oarlock_raft::Fault::Refused(why) => Fault::new(&table::GROUP_REFUSED, why),
            oarlock_raft::Fault::Unavailable(why) => {
                Fault::new(&table::NO_LEADER, why).retry_after(Duration::from_secs(1))
            }
            other => Fault::new(&table::INTERNAL, other.to_string()),
        }
    }
}

/// What is known about a code of ours.
#[must_use]
pub fn kind_of(code: &str) -> Option<&'static Kind> {
    TABLE.iter().find(|kind| kind.code.eq_ignore_ascii_case(code)).copied()
}

/// A page about a code, for `oarlock explain` and `/docs/errors/…`.
#[must_use]
pub fn explain(code: &str) -> Option<String> {
    let Some(kind) = kind_of(code) else { return explain_fault(code) };
    let mut page = format!("{}: {}\n\n{}\n", kind.code, kind.title, kind.explanation);
    if !kind.hint.is_empty() {
        page.push_str(&format!("\nWhat to do: {}\n", kind.hint));
    }
    let again = if kind.retryable {
        "The same request may do better later."
    } else {
        "The same request will fail again until something changes."
    };
    page.push_str(&format!("\nHTTP status {}. {again}\n", kind.status));
    Some(page)
}

/// A page about a single fault of a file; their codes are kept with the parser.
fn explain_fault(code: &str) -> Option<String> {
    let mut all = crate::yaml::CODES.iter();
    let (code, title, text) = all.find(|(known, ..)| known.eq_ignore_ascii_case(code))?;
    Some(format!("{code}: {title}\n\n{text}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_used_once_and_in_order() {
        for pair in TABLE.windows(2) {
            assert!(pair[0].code < pair[1].code, "{} before {}", pair[0].code, pair[1].code);
        }
    }

    #[test]
    fn every_code_is_explained_in_sentences() {
        for kind in TABLE {
            assert!(kind.code.len() == 5 && kind.code.starts_with('E'), "{}", kind.code);
            assert!((400..600).contains(&kind.status), "{}", kind.code);
            assert!(!kind.title.ends_with('.') && kind.title.len() < 60, "{}", kind.code);
            assert!(kind.explanation.ends_with('.'), "{}", kind.code);
            assert!(kind.explanation.len() > 60, "{}", kind.code);
            let page = explain(kind.code).expect("a code of the table is explained");
            assert!(page.contains(kind.title));
        }
        assert_eq!(explain("E9999"), None);
    }

    #[test]
    fn a_pause_is_rounded_up_to_whole_seconds() {
        let fault = Fault::new(&table::BUSY, "full").retry_after(Duration::from_millis(40));
        let response = fault.finish("/x", "req");
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    }
}
