//! Facts as lines that can be read aloud.
//!
//! Runs are `r1`, tasks `r1.load`, workers `w7`, nodes `n1`; what is not shorter in words is shown as its fields.

use oarlock_engine::catalog::{self, Kind};
use oarlock_engine::dag::{self, Question, What};
use oarlock_engine::event::Event;
use oarlock_engine::id::{RoleId, RunId, StepNo, TaskId, WorkerId};
use oarlock_engine::member::departure::Departure;
use oarlock_engine::reject::Rejection;
use oarlock_engine::store::View;
use oarlock_engine::task::{self, Awaited, Failure};
use oarlock_engine::timer::{self, Alarm};
use oarlock_engine::{blob, feed, member, queue, role, run, setting, worker};

/// A run: `r1`; a child, whose id is derived: `child-of-…`.
pub(crate) fn run(run: RunId) -> String {
    if run.0 < 1 << 32 { format!("r{}", run.0) } else { format!("r#{:04x}", run.0 & 0xffff) }
}

/// A worker: `w7`.
pub(crate) fn worker(worker: WorkerId) -> String {
    format!("w{}", worker.0)
}

/// A step by its name, if its run is still there.
pub(crate) fn step(view: &dyn View, id: RunId, step: StepNo) -> String {
    let row = run::get(view, id);
    let definition = row.and_then(|row| catalog::definition(view, row.workflow, row.version));
    let known = definition.and_then(|known| known.steps.into_iter().nth(usize::from(step.0)));
    known.map_or_else(|| step.to_string(), |step| step.name)
}

/// A task: `r1.load`, `r1.load[3]`.
pub(crate) fn task(view: &dyn View, task: TaskId) -> String {
    let name = step(view, task.run, task.step);
    let item = if task.item.0 == 0 { String::new() } else { format!("[{}]", task.item) };
    format!("{}.{name}{item}", run(task.run))
}

/// A role by its name.
pub(crate) fn role(view: &dyn View, id: RoleId) -> String {
    role::get(view, id).map_or_else(|| format!("role {id}"), |role| role.name)
}

fn workflow(view: &dyn View, id: oarlock_engine::id::WorkflowId) -> String {
    catalog::get(view, id).map_or_else(|| format!("workflow {id}"), |workflow| workflow.name)
}

/// A failure: kind, message, and whether another attempt makes sense.
pub(crate) fn failure(failure: &Failure) -> String {
    let message = if failure.message.is_empty() {
        String::new()
    } else {
        format!(" “{}”", failure.message)
    };
    let last = if failure.retryable { "" } else { " (final)" };
    format!("{}{message}{last}", failure.kind)
}

fn kind(kind: &Kind) -> String {
    match kind {
        Kind::Builtin(name) => name.clone(),
        Kind::Call(name) => format!("call:{name}"),
    }
}

/// What a question is about: `r1.load`, `r1.load[2]!`, `r1 output`.
pub(crate) fn question(view: &dyn View, question: &Question) -> String {
    let id = question.run;
    match question.what {
        What::Step(no) => format!("{}.{}", run(id), step(view, id, no)),
        What::Item(no, item) => format!("{}.{}[{item}] order", run(id), step(view, id, no)),
        What::Output => format!("{} output", run(id)),
    }
}

/// One fact.
pub(crate) fn event(view: &dyn View, event: &Event) -> String {
    match event {
        Event::Catalog(event) => of_catalog(view, event),
        Event::Run(event) => of_run(view, event),
        Event::Dag(event) => of_dag(view, event),
        Event::Task(event) => of_task(view, event),
        Event::Queue(event) => of_queue(event),
        Event::Timer(event) => of_timer(view, event),
        Event::Role(event) => of_role(view, event),
        Event::Member(event) => of_member(event),
        Event::Worker(event) => of_worker(event),
        Event::Setting(setting::Event::Changed { name, value }) => format!("{name} = {value:?}"),
        Event::Feed(feed::Event::Trimmed { before }) => format!("feed trimmed before {before}"),
        Event::Blob(blob::Event::Kept { run: id, slot, bytes }) => {
            format!("{} {slot:?} kept, {bytes} bytes", run(*id))
        }
    }
}

fn of_catalog(view: &dyn View, event: &catalog::Event) -> String {
    use catalog::Event as E;
    match event {
        E::Named { workflow: id, name, role: by } => {
            format!("{name} is workflow {id}, driven by {}", role(view, *by))
        }
        E::Defined { workflow: id, version } => {
            format!("{} defined, version {version}", workflow(view, *id))
        }
        E::Paused { workflow: id } => format!("{} takes no starts", workflow(view, *id)),
        E::Resumed { workflow: id } => format!("{} takes starts", workflow(view, *id)),
        E::Removed { workflow: id } => format!("{} removed", workflow(view, *id)),
    }
}

fn of_run(view: &dyn View, event: &run::Event) -> String {
    use run::Event as E;
    match event {
        E::Started { run: row, request } => {
            let asked = request
                .as_ref()
                .map(|(request, until)| format!(", request `{}` known until {until}", request.key));
            let name = workflow(view, row.workflow);
            let asked = asked.unwrap_or_default();
            format!("{} started: {name} {} version {}{asked}", run(row.id), row.number, row.version)
        }
        E::Held { run: id } => format!("{} held: its concurrency key is taken", run(*id)),
        E::Began { run: id } => format!("{} began", run(*id)),
        E::Paused { run: id, reason } => format!("{} paused{}", run(*id), because(reason)),
        E::Resumed { run: id } => format!("{} resumed", run(*id)),
        E::Doomed { run: id, fate, cause } => {
            format!("{} will be {fate:?}: {}", run(*id), failure(cause))
        }
        E::Marred { run: id, step: no, cause } => {
            format!("{} will fail: {}: {}", run(*id), step(view, *id, *no), failure(cause))
        }
        E::Settled { run: id, state } => format!("{} settled: {state:?}", run(*id)),
        E::Signalled { run: id, name, slot, dedup } => {
            let slot =
                slot.map_or("taken at once".to_owned(), |slot| format!("kept in slot {slot}"));
            let dedup = if dedup.is_empty() { String::new() } else { format!(", id {dedup}") };
            format!("{} signalled {name}: {slot}{dedup}", run(*id))
        }
        E::Tagged { run: id, labels } => format!("{} labels are {labels:?}", run(*id)),
        E::Purged { run: id, workflow: of, number } => {
            format!("{} purged: {} {number}", run(*id), workflow(view, *of))
        }
        E::Released { run: id, deadline } => {
            let over = deadline.map_or(String::new(), |at| format!(", until {at} at most"));
            format!("{} has its turn{over}", run(*id))
        }
        E::Reopened { run: id, state, steps_open, steps_failed, deadline } => {
            let over = deadline.map_or(String::new(), |at| format!(", until {at} at most"));
            format!(
                "{} opened again: {state:?}, {steps_open} steps open, {steps_failed} failed{over}",
                run(*id)
            )
        }
        E::Heard { run: id, name, slot } => format!("{} heard {name} of slot {slot}", run(*id)),
        E::Unasked { key } => format!("request `{key}` forgotten"),
    }
}

fn because(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
}

fn of_dag(view: &dyn View, event: &dag::Event) -> String {
    use dag::Event as E;
    let place = |id: &RunId, no: &StepNo| format!("{}.{}", run(*id), step(view, *id, *no));
    match event {
        E::Asked { role: id, question: asked } => {
            format!("{} asked of {}", question(view, asked), role(view, *id))
        }
        E::Answered { role: _, question: asked } => format!("{} answered", question(view, asked)),
        E::Unblocked { run, step, needs_left } => {
            format!("{} waits for {needs_left} more", place(run, step))
        }
        E::Settled { run, step, state, .. } => format!("{} settled: {state:?}", place(run, step)),
        E::Counted { run, step, succeeded, failed } => {
            format!("{}: {succeeded} succeeded, {failed} failed", place(run, step))
        }
        E::Widened { run, step, opened } => format!("{}: {opened} opened", place(run, step)),
        E::Opened { run, step, items: 1, .. } => format!("{} opens", place(run, step)),
        E::Opened { run, step, items, opened } => {
            format!("{} opens {opened} of {items}", place(run, step))
        }
        E::Stumped { run, step } => format!("{} cannot be computed", place(run, step)),
        E::Reset { run, step, progress: None } => format!("{} begins anew", place(run, step)),
        E::Reset { run, step, progress: Some(row) } => match row.state {
            dag::State::Blocked => format!("{} waits for {}", place(run, step), row.needs_left),
            _ => format!("{} goes on", place(run, step)),
        },
    }
}

fn of_task(view: &dyn View, event: &task::Event) -> String {
    use task::Event as E;
    let name = |id: &TaskId| task(view, *id);
    match event {
        E::Opened { task } => format!("{} opened", name(&task.id)),
        E::Ordered { task, kind: needed } => {
            let needed = needed.as_ref().map_or("no worker".to_owned(), kind);
            format!("{} ordered: {needed}", name(task))
        }
        E::Readied { task, queue, kind: needed } => {
            format!("{} ready in {queue} for {}", name(task), kind(needed))
        }
        E::Leased { task, attempt, worker: by } => {
            format!("{}@{attempt} leased to {}", name(task), worker(*by))
        }
        E::Waited { task, what } => format!("{} waits for {}", name(task), awaited(what)),
        E::Returned { task, attempt, failure: why } => {
            format!("{}@{attempt} returned: {}", name(task), failure(why))
        }
        E::Rested { task, attempt, until, failure: why } => {
            format!("{}@{attempt} failed: {}; rests until {until}", name(task), failure(why))
        }
        E::Succeeded { task, attempt } => format!("{}@{attempt} succeeded", name(task)),
        E::Died { task, attempt, failure: why, letter } => {
            let letter = if *letter { "" } else { ", no dead letter" };
            format!("{}@{attempt} died: {}{letter}", name(task), failure(why))
        }
        E::Revoked { task, worker: by } => {
            let by = by.map_or(String::new(), |by| format!(" from {}", worker(by)));
            format!("{} revoked{by}", name(task))
        }
        E::Discarded { task, reason } => format!("{} discarded{}", name(task), because(reason)),
        E::Forgotten { task } => format!("{} forgotten", name(task)),
        E::Revived { task, attempt, attempts_max } => {
            format!("{} revived, attempt {attempt} of {attempts_max} next", name(task))
        }
        E::Withheld { task } => format!("{} held", name(task)),
        E::Emitted { task, name: event } => format!("{} emitted {event}", name(task)),
    }
}

fn awaited(what: &Awaited) -> String {
    match what {
        Awaited::Time { until } => format!("{until}"),
        Awaited::Signal { name, until: None } => format!("signal {name}"),
        Awaited::Signal { name, until: Some(until) } => format!("signal {name} until {until}"),
        Awaited::Child { run: child } => run(*child),
    }
}

fn of_queue(event: &queue::Event) -> String {
    use queue::Event as E;
    match event {
        E::Created { name } => format!("queue {name} created"),
        E::Paused { name } => format!("queue {name} paused"),
        E::Resumed { name } => format!("queue {name} resumed"),
        E::Limited { name, concurrency_max: None } => format!("queue {name} unlimited"),
        E::Limited { name, concurrency_max: Some(max) } => format!("queue {name} limited to {max}"),
    }
}

/// An alarm and whose it is.
pub(crate) fn alarm(view: &dyn View, alarm: &Alarm) -> String {
    match alarm {
        Alarm::RunDue(id) => format!("{} RunDue", run(*id)),
        Alarm::RunOver(id) => format!("{} RunOver", run(*id)),
        Alarm::RetryDue(id) => format!("{} RetryDue", task(view, *id)),
        Alarm::SleepOver(id) => format!("{} SleepOver", task(view, *id)),
        Alarm::WaitOver(id) => format!("{} WaitOver", task(view, *id)),
        Alarm::RequestOver(key) => format!("request `{key}` RequestOver"),
    }
}

fn of_timer(view: &dyn View, event: &timer::Event) -> String {
    match event {
        timer::Event::Set { role: _, at, alarm: what } => {
            format!("{} at {at}", alarm(view, what))
        }
        timer::Event::Cleared { role: _, at, alarm: what } => {
            format!("{} at {at} is gone", alarm(view, what))
        }
    }
}

fn of_role(view: &dyn View, event: &role::Event) -> String {
    match event {
        role::Event::Created { role: id, name } => format!("{name} is role {id}"),
        role::Event::Assigned { role: id, node: Some(node), epoch, why } => {
            format!("{} assigned to n{node} at e{epoch}: {why}", role(view, *id))
        }
        role::Event::Assigned { role: id, node: None, epoch, why } => {
            format!("{} vacant at e{epoch}: {why}", role(view, *id))
        }
        role::Event::Wished { role: id, wish } => {
            let pin = wish.pin.map_or(String::new(), |node| format!(", pinned to n{node}"));
            let labels = &wish.labels;
            format!("{} weighs {}, wants {labels:?}{pin}", role(view, *id), wish.weight)
        }
    }
}

fn of_member(event: &member::Event) -> String {
    match event {
        member::Event::Joined { member } => {
            format!("n{} joined as {}, boot {}", member.node, member.name, member.boot.0)
        }
        member::Event::Left { node } => format!("n{node} left"),
        member::Event::Lost { node } => format!("n{node} lost"),
        member::Event::Agreed { rules } => format!("rules {rules} are in force"),
        member::Event::Profiled { node, profile } => {
            let words: Vec<&str> = profile.duties.iter().map(|duty| duty.word()).collect();
            let (words, labels) = (words.join(", "), &profile.labels);
            format!("n{node} is for {words}; labels {labels:?}, capacity {}", profile.capacity)
        }
        member::Event::Drained { node, why } => format!("n{node} drains{}", because(why)),
        member::Event::Undrained { node } => format!("n{node} takes part again"),
        member::Event::Departed { departure } => self::departure(departure),
        member::Event::Forgotten { node } => format!("n{node} forgotten"),
    }
}

/// A departure in a sentence.
pub(crate) fn departure(row: &Departure) -> String {
    let cause = format!("{:?}", row.cause).to_lowercase();
    let silent = row.silent.map_or(String::new(), |span| format!(" after {span}"));
    let vacant = if row.vacant == 0 { String::new() } else { format!(" ({} vacant)", row.vacant) };
    format!(
        "departure {}: {} {cause}{silent}{}; {} roles moved{vacant}, {} tasks run again",
        row.number,
        row.name,
        because(&row.why),
        row.roles,
        row.tasks
    )
}

fn of_worker(event: &worker::Event) -> String {
    match event {
        worker::Event::Attached { worker: row } => {
            format!("{} attached to n{}, {} slots", worker(row.id), row.node, row.slots)
        }
        worker::Event::Drained { worker: id } => format!("{} draining", worker(*id)),
        worker::Event::Detached { worker: id, why } => format!("{} gone: {why}", worker(*id)),
    }
}

/// A refusal, with names instead of ids.
pub(crate) fn refusal(view: &dyn View, rejection: &Rejection) -> String {
    match rejection {
        Rejection::NoRun(id) => format!("no run {}", run(*id)),
        Rejection::NoTask(id) => format!("no task {}", task(view, *id)),
        Rejection::NoStep(id) => format!("no such step in {}", run(*id)),
        Rejection::WrongTaskState(id) => {
            format!("not possible in the state of {}", task(view, *id))
        }
        Rejection::StaleAttempt { task: id, current } => {
            format!("{} is at attempt {current}", task(view, *id))
        }
        Rejection::StaleEpoch { role: id, current } => {
            format!("{} is at e{current}", role(view, *id))
        }
        Rejection::StaleBoot { node, current } => format!("n{node} is at boot {}", current.0),
        Rejection::Pinned { role: id, node } => {
            format!("{} is pinned to n{node}", role(view, *id))
        }
        Rejection::KeyTaken(id) => format!("the unfinished {} has this key", run(*id)),
        other => other.to_string(),
    }
}
