//! Inside shapes to outside shapes and back: the only place where the engine and the API meet.
//!
//! Two words change their meaning on the way out. A *step* (a place in the graph) and a *task* (a piece of work) are both called
//! task outside, because a file has only tasks; and some states have the names that people of other systems know. Everything else
//! keeps its name.

pub(crate) mod cluster;
pub(crate) mod dead;
pub(crate) mod event;
pub(crate) mod name;
pub(crate) mod node;
pub(crate) mod queue;
pub(crate) mod run;
pub(crate) mod tale;
pub(crate) mod task;
mod task_event;
pub(crate) mod time;
pub(crate) mod workflow;

use oarlock_engine::blob::Payload;
use oarlock_engine::task::Failure;
use oarlock_proto::v1;
use serde_json::Value;

/// A payload as JSON; none: there is none. Bytes that are no JSON become a text.
pub(crate) fn value(payload: &Payload) -> Option<Value> {
    if payload.is_empty() {
        return None;
    }
    let parsed = serde_json::from_slice(&payload.0);
    Some(parsed.unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&payload.0).into_owned())))
}

/// JSON as a payload; none: no bytes.
pub(crate) fn payload(value: Option<&Value>) -> Payload {
    value.map_or(Payload::EMPTY, |value| Payload(value.to_string().into_bytes()))
}

/// Why something failed.
pub(crate) fn failure(failure: &Failure) -> v1::Failure {
    v1::Failure {
        kind: failure.kind.clone(),
        message: failure.message.clone(),
        retryable: failure.retryable,
        task: None,
    }
}

/// A text where there is one.
pub(crate) fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
