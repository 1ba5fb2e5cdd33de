//! What the names in an expression mean: a run's tables and payloads as a [`Scope`].
//!
//! Only the tasks that an expression mentions are read, because one of them may be a fan-out of ten thousand results.

use std::collections::BTreeMap;

use oarlock_engine::blob::{self, Payload, Slot};
use oarlock_engine::catalog::Definition;
use oarlock_engine::dag::{self, Progress, State};
use oarlock_engine::id::{RunId, StepNo};
use oarlock_engine::run::Run;
use oarlock_engine::store::View;
use oarlock_engine::task::{self, Task};
use oarlock_engine::time::Moment;
use serde_json::{Value, json};

use crate::expression::{RunView, Scope, TaskView};

/// Rows read at once.
const PAGE: usize = 256;

/// The scope of a run, with the tasks of these names; without item, index and env.
pub(crate) fn of_run(
    view: &dyn View,
    run: &Run,
    definition: &Definition,
    tasks: &BTreeMap<String, StepNo>,
    now: Moment,
) -> Scope {
    let inputs = value(blob::get(view, run.id, Slot::Input));
    let tasks =
        tasks.iter().map(|(name, no)| (name.clone(), of_step(view, run.id, definition, *no)));
    Scope {
        inputs: if inputs.is_null() { json!({}) } else { inputs },
        tasks: tasks.collect(),
        run: of_row(run, definition),
        now,
        // A question about the whole run, its output, looks back on a run that went well.
        succeeded: true,
        ..Scope::default()
    }
}

/// A run by its row.
pub(crate) fn of_row(run: &Run, definition: &Definition) -> RunView {
    RunView {
        id: run.id.to_string(),
        key: run.key.clone(),
        workflow: definition.name.clone(),
        version: u64::from(run.version.0),
        number: run.number.0,
        attempt: u64::from(run.retries) + 1,
        started_at: run.began_at.unwrap_or(run.created_at),
        scheduled_at: run.due_at,
        by: run.by.clone(),
        labels: run.labels.clone(),
    }
}

/// What `succeeded()` and `failed()` say of a step.
pub(crate) fn outcomes(view: &dyn View, run: RunId, needs: &[StepNo]) -> (bool, bool) {
    let state = |no: &StepNo| dag::progress(view, run, *no).map(|row| row.state);
    let states: Vec<_> = needs.iter().filter_map(state).collect();
    let failed = states.iter().any(|state| matches!(state, State::Failed | State::Barred));
    let one = needs.is_empty() || states.contains(&State::Succeeded);
    (one && !failed, failed)
}

fn of_step(view: &dyn View, run: RunId, definition: &Definition, no: StepNo) -> TaskView {
    let Some(progress) = dag::progress(view, run, no) else {
        return TaskView { status: "blocked".to_owned(), ..TaskView::default() };
    };
    let fans_out = definition.steps.get(usize::from(no.0)).is_some_and(|step| step.each.is_some());
    let tasks = all(view, run, no);
    let results = |task: &Task| value(blob::get(view, run, Slot::result(task.id)));
    let outputs: Vec<Value> = tasks.iter().map(results).collect();
    let output = match (progress.state, fans_out) {
        (State::Succeeded, true) => Value::Array(outputs.clone()),
        (State::Succeeded, false) => outputs.first().cloned().unwrap_or_default(),
        _ => Value::Null,
    };
    TaskView {
        status: status(&progress).to_owned(),
        output,
        outputs,
        error: error(&progress, &tasks),
        attempts: tasks.iter().filter(|task| task.began_at.is_some()).map(tries).sum(),
    }
}

fn all(view: &dyn View, run: RunId, no: StepNo) -> Vec<Task> {
    let mut tasks: Vec<Task> = Vec::new();
    loop {
        let after = tasks.last().map(|task| task.id);
        let page = task::of_step(view, run, no, after, PAGE);
        let more = page.len() == PAGE;
        tasks.extend(page);
        if !more {
            return tasks;
        }
    }
}

fn tries(task: &Task) -> u64 {
    u64::from(task.attempt.0)
}

/// Why a step failed: the failure of its first task that did.
fn error(progress: &Progress, tasks: &[Task]) -> Value {
    if progress.failed == 0 {
        return Value::Null;
    }
    let failed = |task: &&Task| task.state == task::State::Failed;
    let failure = tasks.iter().find(failed).and_then(|task| task.failure.as_ref());
    let show = |failure: &task::Failure| json!({"kind": failure.kind, "message": failure.message});
    failure.map_or(Value::Null, show)
}

/// The word outside for where a step stands.
fn status(progress: &Progress) -> &'static str {
    match progress.state {
        State::Blocked => "blocked",
        State::Asking => "pending",
        State::Open => "running",
        State::Succeeded => "completed",
        State::Failed => "failed",
        State::Skipped => "skipped",
        State::Barred => "upstream_failed",
        State::Cancelled => "cancelled",
    }
}

/// A payload as JSON; null where there is none.
pub(crate) fn value(payload: Option<Payload>) -> Value {
    payload.and_then(|payload| serde_json::from_slice(&payload.0).ok()).unwrap_or_default()
}

/// The elements of a fan-out.
pub(crate) fn elements(view: &dyn View, run: RunId, no: StepNo) -> Vec<Value> {
    match value(blob::get(view, run, Slot::Items(no))) {
        Value::Array(list) => list,
        _ => Vec::new(),
    }
}
