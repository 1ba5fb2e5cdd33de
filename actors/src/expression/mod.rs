//! Expressions in workflow files: CEL conditions, and JSON with `${{ CEL }}` in it.
//!
//! There is one language for `if:`, for lists and for text: the Common Expression Language. It always ends and has no side
//! effects, but it can be slow or large, so everything here has a bound: the text, its nesting, the work of one evaluation and
//! the size of what comes out. An author's mistake is a [`Fault`]: where, what is wrong in plain words, and what to do.
//!
//! ```text
//!   JSON value ──Template::parse──▶ Template ──evaluate(Scope)──▶ JSON value
//!                  │ scan: text and ${{ }} pieces      │
//!                  │ compile: CEL, names checked,      │ JSON in, CEL values, JSON out;
//!                  │ charges for work written in       │ a plain path (`tasks.a.output`) never becomes CEL at all
//!                  ▼                                   ▼
//!       names it mentions, what it reads     Fault: pointer, position, message, hint
//! ```
//!
//! Evaluation happens outside the engine and its verdict is proposed as data: two replicas with two versions of this library
//! must not be able to disagree.

mod action;
mod compile;
mod convert;
mod duration;
mod fault;
mod function;
mod names;
mod reading;
mod reads;
mod scan;
mod template;
mod tree;
mod work;

use std::collections::BTreeMap;

use oarlock_engine::time::Moment;
use serde_json::Value;

pub use action::Action;
pub use compile::Expression;
pub use duration::{DURATION_MAX, duration, spell};
pub use fault::{Fault, Sort};
pub use names::{FUNCTIONS, Mention, Name, RUN_FIELDS, TASK_FIELDS, nearest};
pub(crate) use reading::{Local, Names};
pub use template::{Condition, Template, kind_of};

/// The longest expression, in bytes.
pub const EXPRESSION_BYTES_MAX: usize = 4_096;
/// How deep the operators of one expression may nest.
pub const EXPRESSION_DEPTH_MAX: usize = 72;
/// How deep the JSON around the templates may nest.
pub const TEMPLATE_DEPTH_MAX: usize = 64;
/// What one evaluation may handle: bytes touched or made, and a fixed price for each step of a loop.
pub const WORK_MAX: u64 = 64 << 20;

/// What the names in an expression mean during one evaluation.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// `inputs`: a JSON object.
    pub inputs: Value,
    /// `tasks`, by name. Only those that the expression mentions are looked at.
    pub tasks: BTreeMap<String, TaskView>,
    /// `run`.
    pub run: RunView,
    /// `item`, where there is an `each`.
    pub item: Option<Value>,
    /// `index`, where there is an `each`.
    pub index: Option<u64>,
    /// `env`: the task's own variables.
    pub env: BTreeMap<String, String>,
    /// What `now()` gives.
    pub now: Moment,
    /// What `succeeded()` gives: no need failed and at least one succeeded, or there are none.
    pub succeeded: bool,
    /// What `failed()` gives: at least one need failed or could not run.
    pub failed: bool,
}

/// A task of the run, as expressions see it.
#[derive(Debug, Clone, Default)]
pub struct TaskView {
    /// `completed`, `failed`, `skipped` …
    pub status: String,
    /// What it came to; of a fan-out, the list of all. Null until it has settled well.
    pub output: Value,
    /// What each item came to, in order; one element where there is no `each`.
    pub outputs: Vec<Value>,
    /// Why it failed: an object with `kind` and `message`, or null.
    pub error: Value,
    /// How often it was tried, all items together.
    pub attempts: u64,
}

/// The run, as expressions see it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RunView {
    /// `run_…`
    pub id: String,
    /// The caller's key, or empty.
    pub key: String,
    /// The workflow's name.
    pub workflow: String,
    /// The version of the definition.
    pub version: u64,
    /// The number people say.
    pub number: u64,
    /// 1, and one more for each retry of the run.
    pub attempt: u64,
    /// When its first task began; before that, when it was accepted.
    pub started_at: Moment,
    /// When it was meant to begin.
    pub scheduled_at: Moment,
    /// Who started it.
    pub by: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests;
