//! Tasks and their attempts.

use oarlock_engine::blob::{self, Slot};
use oarlock_engine::catalog::{Definition, Kind, OnFailure, Order, Step};
use oarlock_engine::id::{Item, Priority, TaskId};
use oarlock_engine::run::Run;
use oarlock_engine::store::View;
use oarlock_engine::task::{Awaited, State, Task, Try};
use oarlock_engine::{codec, dag, task, worker};
use oarlock_proto::v1;
use oarlock_proto::v1::{AttemptStatus, Awaiting, Backoff, Policy, TaskStatus};
use serde_json::{Value, json};

use super::{failure, name, time, value};

/// Where a task stands.
pub(crate) fn status(state: &State) -> TaskStatus {
    match state {
        State::Unresolved => TaskStatus::Pending,
        State::Ready { .. } => TaskStatus::Queued,
        State::Leased { .. } => TaskStatus::Running,
        State::Resting { .. } => TaskStatus::Retrying,
        State::Waiting { .. } | State::Held => TaskStatus::Waiting,
        State::Succeeded => TaskStatus::Completed,
        State::Failed => TaskStatus::Failed,
        State::Cancelled => TaskStatus::Cancelled,
    }
}

/// Where a step stands, as far as it can say without its tasks.
pub(crate) fn status_of_step(state: dag::State) -> TaskStatus {
    match state {
        dag::State::Blocked => TaskStatus::Blocked,
        dag::State::Asking => TaskStatus::Pending,
        dag::State::Open => TaskStatus::Running,
        dag::State::Succeeded => TaskStatus::Completed,
        dag::State::Failed => TaskStatus::Failed,
        dag::State::Skipped => TaskStatus::Skipped,
        dag::State::Barred => TaskStatus::UpstreamFailed,
        dag::State::Cancelled => TaskStatus::Cancelled,
    }
}

/// What a step does, in the word of the file.
pub(crate) fn action(step: &Step) -> &'static str {
    match &step.order {
        Some(order) => action_of(order),
        None => action_of_template(&step.template.0),
    }
}

fn action_of(order: &Order) -> &'static str {
    match order {
        Order::Work { kind: Kind::Call(_), .. } => "call",
        Order::Work { kind: Kind::Builtin(name), .. } => match name.as_str() {
            "run" => "run",
            "http" => "http",
            "noop" => "noop",
            _ => "builtin",
        },
        Order::Sleep { .. } => "sleep",
        Order::Wait { .. } => "wait",
        Order::Child { .. } => "workflow",
        Order::Emit { .. } => "emit",
    }
}

/// The template is an object whose key is the action: only that key is looked for.
fn action_of_template(template: &[u8]) -> &'static str {
    const ACTIONS: [&str; 8] = ["run", "http", "call", "noop", "sleep", "wait", "workflow", "emit"];
    let Ok(Value::Object(fields)) = serde_json::from_slice(template) else { return "run" };
    ACTIONS.iter().find(|action| fields.contains_key(**action)).copied().unwrap_or("run")
}

fn call_of(step: &Step, row: Option<&Task>) -> Option<String> {
    match (row.and_then(|row| row.kind.as_ref()), &step.order) {
        (Some(Kind::Call(name)), _) | (_, Some(Order::Work { kind: Kind::Call(name), .. })) => {
            Some(name.clone())
        }
        _ => None,
    }
}

/// How a step's tasks are tried, defaults filled in.
pub(crate) fn policy(definition: &Definition, step: &Step, priority: Priority) -> Policy {
    let factor = f64::from(step.retry.factor_milli) / 1000.0;
    Policy {
        attempts: step.retry.attempts_max,
        backoff: Backoff {
            kind: if step.retry.factor_milli == 1000 { "fixed" } else { "exponential" }.to_owned(),
            delay_ms: step.retry.initial.0,
            factor,
            max_delay_ms: step.retry.cap.0,
            jitter: step.retry.jitter,
        },
        priority: step.priority.unwrap_or(priority).0,
        timeout_ms: step.timeout.0,
        not_on: step.retry.not_on.clone(),
        on_failure: on_failure(definition, step.on_failure),
    }
}

fn on_failure(definition: &Definition, choice: OnFailure) -> String {
    match choice {
        OnFailure::Fail => "fail".to_owned(),
        OnFailure::Ignore => "ignore".to_owned(),
        OnFailure::DeadLetter => "dead_letter".to_owned(),
        OnFailure::Task(step) => match definition.steps.get(usize::from(step.0)) {
            Some(step) => format!("task:{}", step.name),
            None => format!("task:{step}"),
        },
    }
}

/// What all tasks of a run have in common.
pub(crate) struct Frame<'a> {
    pub(crate) run: &'a Run,
    pub(crate) run_name: &'a str,
    pub(crate) workflow: &'a str,
    pub(crate) definition: &'a Definition,
    /// With payload and output.
    pub(crate) full: bool,
}

impl Frame<'_> {
    /// A task; without a row of its own it is shown as its definition has it, with the state of its step.
    pub(crate) fn task(
        &self,
        view: &dyn View,
        id: TaskId,
        row: Option<&Task>,
        of_step: TaskStatus,
    ) -> Option<v1::Task> {
        let step = self.definition.steps.get(usize::from(id.step.0))?;
        let policy = policy(self.definition, step, self.run.priority);
        let needs = step.needs.iter().filter_map(|no| self.definition.steps.get(usize::from(no.0)));
        let fan_out = step.each.is_some();
        let mut shown = v1::Task {
            id: name::task(self.run_name, self.definition, id),
            name: step.name.clone(),
            run: self.run.id.to_string(),
            run_name: self.run_name.to_owned(),
            workflow: self.workflow.to_owned(),
            item: fan_out.then_some(id.item.0),
            kind: action(step).to_owned(),
            call: call_of(step, row),
            status: of_step,
            queue: step.queue.clone(),
            priority: policy.priority,
            attempt: 0,
            max_attempts: policy.attempts,
            max_retries: policy.attempts.saturating_sub(1),
            policy,
            worker: None,
            node: None,
            created_at: None,
            started_at: None,
            completed_at: None,
            duration_ms: None,
            since: None,
            next_attempt_at: None,
            waits_for: None,
            needs: needs.map(|need| need.name.clone()).collect(),
            error: None,
            payload: None,
            output: None,
        };
        if row.is_none() && fan_out {
            // The fan-out as a whole, before its items exist.
            shown.item = None;
            shown.id = format!("{}/{}", self.run_name, step.name);
        }
        if let Some(row) = row {
            fill(&mut shown, view, row);
            if self.full {
                self.payloads(&mut shown, view, step, row);
            }
        }
        Some(shown)
    }

    fn payloads(&self, shown: &mut v1::Task, view: &dyn View, step: &Step, row: &Task) {
        shown.output = blob::get(view, row.id.run, Slot::result(row.id)).as_ref().and_then(value);
        shown.payload = order(view, step, row).as_ref().map(order_shown);
    }
}

/// What a task is to do, once that is known.
pub(crate) fn order(view: &dyn View, step: &Step, row: &Task) -> Option<Order> {
    if !row.ordered {
        return step.order.clone();
    }
    let bytes = blob::get(view, row.id.run, Slot::order(row.id))?;
    codec::decode(&bytes.0).ok()
}

/// An order as JSON.
pub(crate) fn order_shown(order: &Order) -> Value {
    match order {
        Order::Work { body, .. } => value(body).unwrap_or(Value::Null),
        Order::Sleep { span } => json!({"sleep_ms": span.0}),
        Order::Wait { signal, timeout, .. } => {
            json!({"signal": signal, "timeout_ms": timeout.map(|span| span.0)})
        }
        Order::Child { workflow, input } => json!({"workflow": workflow, "input": value(input)}),
        Order::Emit { name, body } => json!({"event": name, "payload": value(body)}),
    }
}

fn fill(shown: &mut v1::Task, view: &dyn View, row: &Task) {
    shown.status = status(&row.state);
    shown.queue.clone_from(&row.queue);
    shown.priority = row.priority.0;
    shown.max_attempts = row.attempts_max;
    shown.max_retries = row.attempts_max.saturating_sub(1);
    // The row counts the attempt that comes next; outside, an attempt counts once it has begun.
    shown.attempt = match &row.state {
        _ if row.began_at.is_none() && row.failure.is_none() => 0,
        State::Resting { .. } | State::Ready { .. } | State::Unresolved | State::Held => {
            row.attempt.0.saturating_sub(1)
        }
        _ => row.attempt.0,
    };
    shown.created_at = Some(time::rfc3339(row.created_at));
    shown.started_at = time::maybe(row.began_at);
    shown.completed_at = time::maybe(row.settled_at);
    shown.duration_ms = time::between(row.began_at, row.settled_at);
    shown.error = row.failure.as_ref().map(failure);
    match &row.state {
        State::Ready { since } => shown.since = Some(time::rfc3339(*since)),
        State::Leased { worker, since } => {
            shown.since = Some(time::rfc3339(*since));
            shown.worker = Some(worker.to_string());
            shown.node = worker::get(view, *worker).map(|session| name::node(view, session.node));
        }
        State::Resting { until } => shown.next_attempt_at = Some(time::rfc3339(*until)),
        State::Waiting { what, since } => {
            shown.since = Some(time::rfc3339(*since));
            shown.waits_for = Some(awaiting(what));
        }
        State::Held => {
            let what = "resume".to_owned();
            shown.waits_for = Some(Awaiting { what, name: None, until: None });
        }
        State::Unresolved | State::Succeeded | State::Failed | State::Cancelled => {}
    }
    if shown.node.is_none() && row.began_at.is_some() {
        shown.node = last_node(view, row.id);
    }
}

/// Where a task was last tried, for as long as that worker is known.
fn last_node(view: &dyn View, id: TaskId) -> Option<String> {
    let tried = task::tries(view, id).pop()?;
    worker::get(view, tried.worker?).map(|session| name::node(view, session.node))
}

/// What a task waits for.
pub(crate) fn awaiting(what: &Awaited) -> Awaiting {
    let (what, name, until) = match what {
        Awaited::Time { until } => ("time", None, Some(*until)),
        Awaited::Signal { name, until } => ("signal", Some(name.clone()), *until),
        Awaited::Child { run } => ("run", Some(run.to_string()), None),
    };
    Awaiting { what: what.to_owned(), name, until: time::maybe(until) }
}

/// An attempt. The row says when it ended and why it failed; how it counted is read from these.
pub(crate) fn attempt(task_name: &str, task: &Task, tried: &Try) -> v1::Attempt {
    let status = match (&tried.settled_at, &tried.failure) {
        (None, _) => AttemptStatus::Running,
        (Some(_), Some(why)) if why.kind == "worker_lost" || why.kind == "returned" => {
            AttemptStatus::Returned
        }
        (Some(_), Some(why)) if why.kind == "cancelled" => AttemptStatus::Cancelled,
        (Some(_), Some(_)) => AttemptStatus::Failed,
        (Some(_), None) if task.state == State::Cancelled && task.attempt == tried.attempt => {
            AttemptStatus::Cancelled
        }
        (Some(_), None) => AttemptStatus::Completed,
    };
    v1::Attempt {
        id: format!("{task_name}@{}", tried.attempt),
        task: task_name.to_owned(),
        run: task.id.run.to_string(),
        attempt: tried.attempt.0,
        status,
        worker: tried.worker.map(|worker| worker.to_string()),
        started_at: time::rfc3339(tried.began_at),
        completed_at: time::maybe(tried.settled_at),
        duration_ms: time::between(Some(tried.began_at), tried.settled_at),
        error: tried.failure.as_ref().map(failure),
        logged: tried.logged,
    }
}

/// The first item of a step.
pub(crate) fn first(run: &Run, step: oarlock_engine::id::StepNo) -> TaskId {
    TaskId { run: run.id, step, item: Item(0) }
}
