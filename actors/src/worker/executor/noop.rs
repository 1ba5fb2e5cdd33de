//! Does nothing, at once: for joins, for trying things out, and to measure everything else.
//!
//! `{"output": any?, "fail": "message"?}`: succeeds with the output (null if there is none), or fails with the message.

use serde::Deserialize;
use serde_json::Value;

use super::{Outcome, failure};

#[derive(Deserialize)]
struct Body {
    output: Option<Value>,
    fail: Option<String>,
    #[cfg(test)]
    panic: Option<String>,
}

/// Does it.
pub(crate) fn execute(body: &[u8]) -> Outcome {
    if body.is_empty() || body == b"{}" || body == b"null" {
        return Outcome::Done(Vec::new());
    }
    let body: Body = match serde_json::from_slice(body) {
        Ok(body) => body,
        Err(why) => return Outcome::bad_body("noop", &why),
    };
    #[cfg(test)]
    if let Some(message) = body.panic {
        panic!("{message}");
    }
    match (body.fail, body.output) {
        (Some(message), _) => Outcome::Failed(failure("noop", message, true)),
        (None, Some(output)) => Outcome::Done(output.to_string().into_bytes()),
        (None, None) => Outcome::Done(Vec::new()),
    }
}
