//! The action of a task as JSON, with nothing left to compute, and the order it means to the engine.
//!
//! A definition keeps an action that has templates in it as JSON text in this shape ([`oarlock_engine::catalog::Step::template`]);
//! the role's driver evaluates the templates, and what comes out is read here. An action without templates is read here when
//! the file is applied. One key says which action it is:
//!
//! ```json
//! {"run":      {"command": "./extract.sh", "env": {"A": "b"}, "dir": "jobs"}}    or "argv": ["prog", "arg"]
//! {"http":     {"method": "POST", "url": "https://…", "headers": {}, "json": {}, "expect": "2xx"}}
//! {"noop":     {"output": 1}}
//! {"call":     {"name": "warehouse.load", "input": {}}}
//! {"sleep":    {"for": "10s"}}                                                   or a number of seconds
//! {"wait":     {"signal": "approved", "timeout": "24h", "on_timeout": "fail"}}   or "continue"
//! {"workflow": {"name": "child", "input": {}}}
//! {"emit":     {"name": "orders.closed", "body": {}}}
//! ```

use oarlock_engine::blob::Payload;
use oarlock_engine::catalog::{Kind, NAME_BYTES_MAX, OnTimeout, Order};
use oarlock_engine::time::Span;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::expression::{DURATION_MAX, duration};

/// An action, read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// A process; the body is the executor's.
    Run(Value),
    /// A request; the body is the executor's.
    Http(Value),
    /// Nothing; the body is the executor's.
    Noop(Value),
    /// A handler that some worker has registered.
    Call {
        /// The handler's name.
        name: String,
        /// What it gets.
        #[serde(default)]
        input: Value,
    },
    /// A pause.
    Sleep {
        /// How long: `10s`, or a number of seconds.
        #[serde(rename = "for")]
        span: Value,
    },
    /// A signal to the run.
    Wait {
        /// The signal's name.
        signal: String,
        /// How long to wait; null: for ever.
        #[serde(default)]
        timeout: Value,
        /// What running out of time means.
        #[serde(default)]
        on_timeout: WhenLate,
    },
    /// A run of another workflow.
    Workflow {
        /// The workflow's name.
        name: String,
        /// Its inputs.
        #[serde(default)]
        input: Value,
    },
    /// An event.
    Emit {
        /// Its name.
        name: String,
        /// What it says.
        #[serde(default)]
        body: Value,
    },
}

/// What a `wait` does when its time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenLate {
    /// Fail with `timeout`.
    #[default]
    Fail,
    /// Go on with null.
    Continue,
}

impl Action {
    /// What it means to the engine.
    ///
    /// # Errors
    /// Why it cannot be done: a sentence for the author of the file.
    pub fn order(self) -> Result<Order, String> {
        Ok(match self {
            Action::Run(body) => builtin("run", &body),
            Action::Http(body) => builtin("http", &body),
            Action::Noop(body) => builtin("noop", &body),
            Action::Call { name, input } => {
                let body = payload(&serde_json::json!({ "input": input }));
                Order::Work { kind: Kind::Call(named("call", name)?), body }
            }
            Action::Sleep { span: length } => Order::Sleep { span: span(&length)? },
            Action::Wait { signal, timeout, on_timeout } => Order::Wait {
                signal: named("signal", signal)?,
                timeout: if timeout.is_null() { None } else { Some(span(&timeout)?) },
                on_timeout: match on_timeout {
                    WhenLate::Fail => OnTimeout::Fail,
                    WhenLate::Continue => OnTimeout::Continue,
                },
            },
            Action::Workflow { name, input } => {
                Order::Child { workflow: named("workflow", name)?, input: payload(&input) }
            }
            Action::Emit { name, body } => {
                Order::Emit { name: named("event", name)?, body: payload(&body) }
            }
        })
    }
}

/// Reads an action in which nothing is left to compute.
///
/// # Errors
/// Why it is none: a sentence for the author of the file.
pub fn order(action: Value) -> Result<Order, String> {
    serde_json::from_value::<Action>(action).map_err(|why| why.to_string())?.order()
}

/// A length of time: as people write it ([`duration`]), or a number of seconds.
fn span(value: &Value) -> Result<Span, String> {
    let wrong = || format!("{value} is no length of time: write `500ms`, `10s`, `5m`, `1h30m`");
    match value {
        Value::String(text) => duration(text).map_err(|fault| fault.to_string()),
        Value::Number(seconds) => {
            let millis = seconds.as_f64().ok_or_else(wrong)? * 1_000.0;
            let fits = (0.0..=1e15).contains(&millis);
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "used only if it fits: neither negative nor too large"
            )]
            let span = Span(millis.round() as u64);
            if fits && span <= DURATION_MAX { Ok(span) } else { Err(wrong()) }
        }
        _ => Err(wrong()),
    }
}

fn builtin(kind: &str, body: &Value) -> Order {
    Order::Work { kind: Kind::Builtin(kind.to_owned()), body: payload(body) }
}

/// Null is the empty payload: "there is none".
fn payload(value: &Value) -> Payload {
    if value.is_null() { Payload::EMPTY } else { Payload(value.to_string().into_bytes()) }
}

fn named(what: &str, name: String) -> Result<String, String> {
    match name.len() {
        0 => Err(format!("the {what} has no name")),
        1..=NAME_BYTES_MAX => Ok(name),
        _ => Err(format!("the {what}'s name is longer than {NAME_BYTES_MAX} bytes")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_action_becomes_its_order() {
        let noop = Order::Work {
            kind: Kind::Builtin("noop".to_owned()),
            body: Payload::from("{\"output\":1}"),
        };
        let call = Order::Work {
            kind: Kind::Call("a.b".to_owned()),
            body: Payload::from("{\"input\":null}"),
        };
        let wait = Order::Wait {
            signal: "go".to_owned(),
            timeout: Some(Span(60_000)),
            on_timeout: OnTimeout::Continue,
        };
        let child = Order::Child { workflow: "w".to_owned(), input: Payload::from("{\"a\":1}") };
        for (action, wanted) in [
            (json!({"noop": {"output": 1}}), noop),
            (json!({"call": {"name": "a.b"}}), call),
            (json!({"sleep": {"for": 1.5}}), Order::Sleep { span: Span(1_500) }),
            (json!({"wait": {"signal": "go", "timeout": "1m", "on_timeout": "continue"}}), wait),
            (json!({"workflow": {"name": "w", "input": {"a": 1}}}), child),
        ] {
            assert_eq!(order(action), Ok(wanted));
        }
    }

    #[test]
    fn what_is_no_action_is_said_in_a_sentence() {
        for action in [
            json!({}),
            json!({"rnu": {}}),
            json!({"sleep": {"for": "soon"}}),
            json!({"wait": {"signal": ""}}),
            json!({"call": {"name": "x", "inptu": 1}}),
        ] {
            assert!(order(action.clone()).is_err(), "{action}");
        }
    }

    #[test]
    fn lengths_of_time_are_read_as_people_write_them() {
        for (text, millis) in [("0s", 0), ("500ms", 500), ("1h30m", 5_400_000)] {
            assert_eq!(span(&json!(text)), Ok(Span(millis)), "{text}");
        }
        assert!(span(&json!("soon")).is_err());
        assert_eq!(span(&json!(2)), Ok(Span(2_000)));
        assert!(span(&json!(-1)).is_err());
        assert!(span(&json!(true)).is_err());
    }
}
