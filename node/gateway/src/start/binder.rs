//! What a definition demands of a start: its inputs, and its concurrency key.
//!
//! Made once for each version and kept on the shelf: declarations and templates are read at the first start, not at every one.

use oarlock_actors::expression::{RunView, Scope, Template};
use oarlock_actors::inputs::Inputs;
use oarlock_engine::catalog::Definition;
use oarlock_engine::id::{RunId, Version};
use oarlock_engine::time::Moment;
use oarlock_proto::v1::{StartRun, Violation};
use serde_json::Value;

use crate::convert::time;
use crate::problem::{Answer, Fault, table};

/// What is known about a run before it is accepted.
pub(crate) struct Begin<'a> {
    pub(crate) run: RunId,
    pub(crate) workflow: &'a str,
    pub(crate) version: Version,
    pub(crate) by: &'a str,
    pub(crate) due_at: Option<Moment>,
    pub(crate) body: &'a StartRun,
}

/// A start that fits its definition.
#[derive(Debug)]
pub(crate) struct Bound {
    /// The inputs with defaults filled in.
    pub(crate) input: Value,
    /// The concurrency key; empty: none.
    pub(crate) lane: String,
}

/// Binds what callers send to one definition.
#[derive(Debug)]
pub(crate) struct Binder {
    inputs: Result<Inputs, String>,
    lane: Option<Result<Template, String>>,
}

impl Binder {
    /// Reads what a definition demands. What cannot be read is kept as the reason: a definition was checked when it was applied,
    /// so this would be another build's doing.
    pub(crate) fn new(definition: &Definition) -> Binder {
        let inputs = if definition.inputs.is_empty() {
            Ok(Inputs::default())
        } else {
            serde_json::from_slice(&definition.inputs.0)
                .map_err(|fault| fault.to_string())
                .and_then(|schema| Inputs::parse(&schema).map_err(|fault| fault.message))
        };
        let lane = definition.concurrency.as_ref().map(|concurrency| {
            Template::parse(&Value::String(concurrency.key.clone()))
                .map_err(|fault| fault.to_string())
        });
        Binder { inputs, lane }
    }

    /// The caller's inputs with defaults filled in, and the key; or everything that is wrong with them.
    pub(crate) fn bind(&self, begin: &Begin<'_>) -> Answer<Bound> {
        let inputs = self.inputs.as_ref().map_err(|why| unreadable(why))?;
        let given = begin.body.input.as_ref().unwrap_or(&Value::Null);
        let mut scope = scope(begin);
        let input = inputs.bind(given, &scope).map_err(refused)?;
        let Some(lane) = &self.lane else { return Ok(Bound { input, lane: String::new() }) };
        let lane = lane.as_ref().map_err(|why| unreadable(why))?;
        scope.inputs = input;
        let key = lane.evaluate(&scope).map_err(|fault| {
            Fault::new(&table::BAD_INPUT, format!("`concurrency.key` has no value: {fault}"))
        })?;
        let lane = match key {
            Value::String(text) => text,
            Value::Null => String::new(),
            other => other.to_string(),
        };
        Ok(Bound { input: scope.inputs, lane })
    }
}

fn scope(begin: &Begin<'_>) -> Scope {
    let now = time::now();
    let run = RunView {
        id: begin.run.to_string(),
        key: begin.body.key.clone().unwrap_or_default(),
        workflow: begin.workflow.to_owned(),
        version: u64::from(begin.version.0),
        attempt: 1,
        started_at: now,
        scheduled_at: begin.due_at.unwrap_or(now),
        by: begin.by.to_owned(),
        labels: begin.body.labels.clone(),
        ..RunView::default()
    };
    Scope { run, now, ..Scope::default() }
}

fn unreadable(why: &str) -> Fault {
    Fault::new(&table::INTERNAL, format!("the definition cannot be read by this build: {why}"))
}

fn refused(wrong: Vec<oarlock_actors::inputs::Violation>) -> Fault {
    let detail = match wrong.as_slice() {
        [only] => only.message.clone(),
        all => format!("{} inputs do not fit", all.len()),
    };
    let violations = wrong.into_iter().map(|one| Violation {
        pointer: format!("/input{}", one.pointer),
        detail: one.message,
        hint: one.hint.unwrap_or_default(),
        ..Violation::default()
    });
    Fault::new(&table::BAD_INPUT, detail).violations(violations.collect())
}
