//! Records of the feed as events for whoever watches.

use std::collections::HashMap;
use std::sync::Arc;

use oarlock_engine::catalog;
use oarlock_engine::dag::{self, What};
use oarlock_engine::event::Event as Any;
use oarlock_engine::feed::{self, Record};
use oarlock_engine::id::{Attempt, Item, NodeId, RunId, StepNo, TaskId, WorkflowId};
use oarlock_engine::run::{self, State};
use oarlock_engine::store::View;
use oarlock_engine::timer::{self, Alarm};
use oarlock_engine::{member, queue, role, setting, worker};
use oarlock_proto::v1;
use serde_json::{Value, json};

use super::task_event;
use super::{failure, name, time};
use crate::limit::NAMES_MAX;
use crate::shelf::{Book, Shelf};

/// What a run's events have in common; remembered by a stream, so that it is not looked up for each.
#[derive(Debug, Clone)]
struct Known {
    workflow: String,
    name: String,
    book: Option<Arc<Book>>,
}

/// The names that one stream has looked up.
#[derive(Default)]
pub(crate) struct Names {
    runs: HashMap<RunId, Option<Known>>,
}

impl Names {
    fn of_run(&mut self, view: &dyn View, shelf: &Shelf, id: RunId) -> Option<&Known> {
        if self.runs.len() >= NAMES_MAX {
            self.runs.clear();
        }
        let look = || {
            let run = run::get(view, id)?;
            let workflow = name::of_workflow(view, &run);
            Some(Known {
                name: name::run(&workflow, run.number),
                book: shelf.get(view, run.workflow, run.version),
                workflow,
            })
        };
        self.runs.entry(id).or_insert_with(look).as_ref()
    }
}

/// A place in a run: a step, and an item of it where one is meant.
pub(crate) type Place = (StepNo, Option<Item>);

/// An event before its names are known.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) kind: &'static str,
    pub(crate) workflow: Option<WorkflowId>,
    pub(crate) run: Option<RunId>,
    pub(crate) place: Option<Place>,
    pub(crate) attempt: Option<Attempt>,
    pub(crate) details: Value,
}

impl Told {
    pub(crate) fn of_task(kind: &'static str, task: TaskId) -> Told {
        let place = Some((task.step, Some(task.item)));
        Told { kind, run: Some(task.run), place, ..Told::default() }
    }

    fn of_run(kind: &'static str, run: RunId) -> Told {
        Told { kind, run: Some(run), ..Told::default() }
    }

    fn of_cell(kind: &'static str, details: Value) -> Told {
        Told { kind, details, ..Told::default() }
    }

    pub(crate) fn attempt(self, attempt: Attempt) -> Told {
        Told { attempt: Some(attempt), ..self }
    }

    pub(crate) fn details(self, details: Value) -> Told {
        Told { details, ..self }
    }
}

/// A record as an event.
pub(crate) fn shown(
    view: &dyn View,
    shelf: &Shelf,
    names: &mut Names,
    record: &Record,
) -> v1::Event {
    let told = told(view, &record.event);
    let known = told.run.and_then(|run| names.of_run(view, shelf, run));
    let task = told.place.zip(known).and_then(|((step, item), known)| {
        let book = known.book.as_ref()?;
        let row = book.steps.get(usize::from(step.0))?;
        Some(match item.filter(|_| row.each.is_some()) {
            Some(item) => format!("{}/{}[{item}]", known.name, row.name),
            None => format!("{}/{}", known.name, row.name),
        })
    });
    let of_catalog = told.workflow.and_then(|id| catalog::get(view, id)).map(|known| known.name);
    v1::Event {
        revision: record.revision.0,
        at: time::rfc3339(record.at),
        by: record.by.clone(),
        kind: told.kind.to_owned(),
        workflow: of_catalog.or_else(|| known.map(|known| known.workflow.clone())),
        run: told.run.map(|run| run.to_string()),
        run_name: known.map(|known| known.name.clone()),
        task,
        attempt: told.attempt.map(|attempt| attempt.0),
        details: told.details,
    }
}

/// The kind of a record's event, without looking anything up: what a filter needs.
pub(crate) fn kind(event: &Any) -> &'static str {
    match event {
        Any::Run(run::Event::Settled { state, .. }) => settled(*state),
        Any::Dag(event) => of_dag(event).kind,
        Any::Task(event) => task_event::told(event).kind,
        Any::Run(event) => of_run(event).kind,
        Any::Catalog(event) => of_catalog(event).kind,
        Any::Queue(event) => of_queue(event).kind,
        Any::Role(event) => of_role(event, &|node| node.to_string()).kind,
        Any::Member(event) => of_member(event, &|node| node.to_string()).kind,
        Any::Worker(event) => of_worker(event, &|node| node.to_string()).kind,
        Any::Setting(_) => "setting.changed",
        Any::Timer(event) => of_timer(event).kind,
        Any::Feed(feed::Event::Trimmed { .. }) => "feed.trimmed",
        Any::Blob(_) => "blob.kept",
    }
}

fn told(view: &dyn View, event: &Any) -> Told {
    let node = |node: NodeId| name::node(view, node);
    match event {
        Any::Catalog(event) => of_catalog(event),
        Any::Run(event) => of_run(event),
        Any::Dag(event) => of_dag(event),
        Any::Task(event) => task_event::told(event),
        Any::Queue(event) => of_queue(event),
        Any::Timer(event) => of_timer(event),
        Any::Role(event) => of_role(event, &node),
        Any::Member(event) => of_member(event, &node),
        Any::Worker(event) => of_worker(event, &node),
        Any::Setting(setting::Event::Changed { name, value }) => {
            Told::of_cell("setting.changed", json!({"name": name, "value": value}))
        }
        // Neither is recorded in the feed; they are named for completeness.
        Any::Feed(feed::Event::Trimmed { before }) => {
            Told::of_cell("feed.trimmed", json!({"oldest": before.0}))
        }
        Any::Blob(_) => Told::of_cell("blob.kept", Value::Null),
    }
}

fn of_catalog(event: &catalog::Event) -> Told {
    use catalog::Event as E;
    let (kind, workflow, details) = match event {
        E::Named { workflow, name, role } => {
            ("workflow.named", workflow, json!({"name": name, "role": role.0}))
        }
        E::Defined { workflow, version } => {
            ("workflow.defined", workflow, json!({"version": version.0}))
        }
        E::Paused { workflow } => ("workflow.paused", workflow, Value::Null),
        E::Resumed { workflow } => ("workflow.resumed", workflow, Value::Null),
        E::Removed { workflow } => ("workflow.removed", workflow, Value::Null),
    };
    Told { kind, workflow: Some(*workflow), details, ..Told::default() }
}

fn settled(state: State) -> &'static str {
    match state {
        State::Completed => "run.completed",
        State::Failed => "run.failed",
        State::Cancelled => "run.cancelled",
        State::TimedOut => "run.timed_out",
        // A run settles as one of the four; this keeps the table total.
        State::Queued | State::Running | State::Paused | State::Cancelling => "run.settled",
    }
}

fn of_run(event: &run::Event) -> Told {
    use run::Event as E;
    let word = |state: &State| super::run::status(*state).as_str();
    match event {
        E::Started { run, .. } => Told::of_run("run.started", run.id).details(json!({
            "version": run.version.0, "priority": run.priority.0, "key": run.key,
        })),
        E::Held { run } => Told::of_run("run.held", *run),
        E::Released { run, .. } => Told::of_run("run.released", *run),
        E::Began { run } => Told::of_run("run.began", *run),
        E::Paused { run, reason } => {
            Told::of_run("run.paused", *run).details(json!({"reason": reason}))
        }
        E::Resumed { run } => Told::of_run("run.resumed", *run),
        E::Doomed { run, fate, cause } => Told::of_run("run.cancelling", *run)
            .details(json!({"fate": word(fate), "error": failure(cause)})),
        E::Marred { run, step, cause } => {
            let place = Some((*step, None));
            let details = json!({"error": failure(cause)});
            Told { place, ..Told::of_run("run.marred", *run).details(details) }
        }
        E::Settled { run, state } => {
            Told::of_run(settled(*state), *run).details(json!({"status": word(state)}))
        }
        E::Reopened { run, state, steps_open, .. } => Told::of_run("run.reopened", *run)
            .details(json!({"status": word(state), "tasks_open": steps_open})),
        E::Signalled { run, name, slot, .. } => Told::of_run("run.signalled", *run)
            .details(json!({"name": name, "taken": slot.is_none()})),
        E::Heard { run, name, .. } => {
            Told::of_run("run.signal_taken", *run).details(json!({"name": name}))
        }
        E::Tagged { run, labels } => {
            Told::of_run("run.tagged", *run).details(json!({"labels": labels}))
        }
        E::Purged { run, workflow, number } => {
            let details = json!({"number": number.0});
            Told { workflow: Some(*workflow), ..Told::of_run("run.deleted", *run).details(details) }
        }
        E::Unasked { key } => Told::of_cell("request.forgotten", json!({"key": key})),
    }
}

fn of_dag(event: &dag::Event) -> Told {
    use dag::Event as E;
    let at = |kind, run: &RunId, step: &StepNo| Told {
        place: Some((*step, None)),
        ..Told::of_run(kind, *run)
    };
    match event {
        E::Asked { question, .. } => asked("step.asked", question),
        E::Answered { question, .. } => asked("step.answered", question),
        E::Unblocked { run, step, needs_left } => {
            at("step.unblocked", run, step).details(json!({"needs_left": needs_left}))
        }
        E::Opened { run, step, items, opened } => {
            at("step.opened", run, step).details(json!({"items": items, "opened": opened}))
        }
        E::Stumped { run, step } => at("step.stumped", run, step),
        E::Widened { run, step, opened } => {
            at("step.widened", run, step).details(json!({"opened": opened}))
        }
        E::Counted { run, step, succeeded, failed } => {
            at("step.counted", run, step).details(json!({"succeeded": succeeded, "failed": failed}))
        }
        E::Settled { run, step, state, succeeded, failed } => {
            let kind = match state {
                dag::State::Succeeded => "step.succeeded",
                dag::State::Failed => "step.failed",
                dag::State::Skipped => "task.skipped",
                dag::State::Barred => "task.upstream_failed",
                dag::State::Cancelled => "step.cancelled",
                dag::State::Blocked | dag::State::Asking | dag::State::Open => "step.settled",
            };
            at(kind, run, step).details(json!({"succeeded": succeeded, "failed": failed}))
        }
        E::Reset { run, step, .. } => at("step.reset", run, step),
    }
}

fn asked(kind: &'static str, question: &dag::Question) -> Told {
    let (place, what) = match question.what {
        What::Step(step) => (Some((step, None)), "task"),
        What::Item(step, item) => (Some((step, Some(item))), "item"),
        What::Output => (None, "output"),
    };
    Told { place, ..Told::of_run(kind, question.run).details(json!({"what": what})) }
}

fn of_queue(event: &queue::Event) -> Told {
    use queue::Event as E;
    match event {
        E::Created { name } => Told::of_cell("queue.created", json!({"queue": name})),
        E::Paused { name } => Told::of_cell("queue.paused", json!({"queue": name})),
        E::Resumed { name } => Told::of_cell("queue.resumed", json!({"queue": name})),
        E::Limited { name, concurrency_max } => {
            Told::of_cell("queue.limited", json!({"queue": name, "concurrency": concurrency_max}))
        }
    }
}

fn of_timer(event: &timer::Event) -> Told {
    let (kind, at, alarm) = match event {
        timer::Event::Set { at, alarm, .. } => ("timer.set", at, alarm),
        timer::Event::Cleared { at, alarm, .. } => ("timer.cleared", at, alarm),
    };
    let (told, what) = match alarm {
        Alarm::RunDue(run) => (Told::of_run(kind, *run), "run_due"),
        Alarm::RunOver(run) => (Told::of_run(kind, *run), "run_timeout"),
        Alarm::RetryDue(task) => (Told::of_task(kind, *task), "retry"),
        Alarm::SleepOver(task) => (Told::of_task(kind, *task), "sleep"),
        Alarm::WaitOver(task) => (Told::of_task(kind, *task), "wait_timeout"),
        Alarm::RequestOver(_) => (Told::of_cell(kind, Value::Null), "request"),
    };
    told.details(json!({"what": what, "due": time::rfc3339(*at)}))
}

fn of_role(event: &role::Event, node: &dyn Fn(NodeId) -> String) -> Told {
    match event {
        role::Event::Created { role, name } => {
            Told::of_cell("role.created", json!({"role": role.0, "name": name}))
        }
        role::Event::Assigned { role, node: to, epoch, why } => Told::of_cell(
            "role.assigned",
            json!({"role": role.0, "node": to.map(node), "epoch": epoch.0, "why": why}),
        ),
        role::Event::Wished { role, wish } => Told::of_cell(
            "role.wished",
            json!({"role": role.0, "pin": wish.pin.map(node), "labels": wish.labels,
                   "weight": wish.weight}),
        ),
    }
}

fn of_member(event: &member::Event, node: &dyn Fn(NodeId) -> String) -> Told {
    use member::Event as E;
    match event {
        E::Joined { member } => Told::of_cell(
            "member.joined",
            json!({"node": member.name, "address": member.address, "boot": member.boot.to_string()}),
        ),
        E::Left { node: who } => Told::of_cell("member.left", json!({"node": node(*who)})),
        E::Lost { node: who } => Told::of_cell("member.lost", json!({"node": node(*who)})),
        E::Agreed { rules } => Told::of_cell("member.agreed", json!({"rules": rules})),
        E::Profiled { node: who, profile } => {
            let roles: Vec<&str> = profile.duties.iter().map(|duty| duty.word()).collect();
            Told::of_cell(
                "member.profiled",
                json!({"node": node(*who), "roles": roles, "labels": profile.labels,
                       "capacity": profile.capacity}),
            )
        }
        E::Drained { node: who, why } => {
            Told::of_cell("member.drained", json!({"node": node(*who), "why": why}))
        }
        E::Undrained { node: who } => {
            Told::of_cell("member.undrained", json!({"node": node(*who)}))
        }
        E::Departed { departure: row } => Told::of_cell(
            "member.departed",
            json!({"node": row.name, "cause": format!("{:?}", row.cause).to_lowercase(),
                   "silent_ms": row.silent.map(|span| span.0), "why": row.why,
                   "roles": row.roles, "vacant": row.vacant, "tasks": row.tasks}),
        ),
        E::Forgotten { node: who } => {
            Told::of_cell("member.forgotten", json!({"node": node(*who)}))
        }
    }
}

fn of_worker(event: &worker::Event, node: &dyn Fn(NodeId) -> String) -> Told {
    use worker::Event as E;
    match event {
        E::Attached { worker } => Told::of_cell(
            "worker.attached",
            json!({"worker": worker.id.to_string(), "name": worker.name,
                   "node": node(worker.node), "slots": worker.slots}),
        ),
        E::Drained { worker } => {
            Told::of_cell("worker.drained", json!({"worker": worker.to_string()}))
        }
        E::Detached { worker, why } => {
            Told::of_cell("worker.detached", json!({"worker": worker.to_string(), "why": why}))
        }
    }
}
