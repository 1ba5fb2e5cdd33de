//! The life of one step: looked at, asked about, opened, widened, counted, passed.
//!
//! Each function takes the row as it is now and does nothing if the step is not where the function finds it useful: the work list
//! may name a step twice, or one that was cancelled meanwhile.

use crate::blob::{self, Payload, Slot};
use crate::catalog::graph::Graph;
use crate::catalog::{Kind, Order, Step};
use crate::codec;
use crate::dag::flow::{self, Tally, Verdict};
use crate::dag::walk::{Todo, Walk};
use crate::dag::{Event, Progress, Question, State, WINDOW_MAX, What, progress};
use crate::id::{Attempt, Item, RunId, StepNo, TaskId};
use crate::run::{self, Run};
use crate::store::schema;
use crate::task::{self, Failure, Task};

/// A step may go on: are its needs settled?
pub(crate) fn look(walk: &mut Walk<'_, '_>, run: RunId, no: StepNo) {
    let run = walk.run(run);
    if run.state.finished()
        || run.released_at.is_none()
        || state(walk, run.id, no) != State::Blocked
    {
        return;
    }
    let graph = walk.graph(&run);
    let Some(step) = graph.step(no) else { return };
    let doomed = run.fate.is_some();
    let needs = flow::waits_for(&graph, no).iter().map(|need| state(walk, run.id, *need));
    let needs = Tally::of(needs);
    let verdict = if step.handler {
        flow::handler_verdict(needs, doomed)
    } else {
        flow::verdict(step.rule, needs, doomed)
    };
    match verdict {
        Verdict::Wait => {}
        Verdict::Settle(state) => settle(walk, run.id, no, state, (0, 0)),
        Verdict::Go if flow::asks(step) => ask(walk, &run, What::Step(no)),
        Verdict::Go => open(walk, &run, &graph, no, None),
    }
}

/// Has the role's driver compute something.
pub(crate) fn ask(walk: &mut Walk<'_, '_>, run: &Run, what: What) {
    let question = Question { run: run.id, what };
    walk.tx.emit(Event::Asked { role: run.role, question });
}

/// Takes a question back, if it is open.
pub(crate) fn unask(walk: &mut Walk<'_, '_>, run: &Run, what: What) {
    let question = Question { run: run.id, what };
    if schema::QUESTION.has(walk.tx, &(run.role, question)) {
        walk.tx.emit(Event::Answered { role: run.role, question });
    }
}

/// A step has one task: the definition's own order, or the one a driver computed.
pub(crate) fn open(
    walk: &mut Walk<'_, '_>,
    run: &Run,
    graph: &Graph,
    no: StepNo,
    order: Option<&Order>,
) {
    let Some(step) = graph.step(no) else { return };
    walk.tx.emit(Event::Opened { run: run.id, step: no, items: 1, opened: 1 });
    let task = open_task(walk, run, step, TaskId { run: run.id, step: no, item: Item(0) }, order);
    walk.then(Todo::Begin(task));
}

/// A step has a task for each element of a list, opened in a window.
pub(crate) fn spread(
    walk: &mut Walk<'_, '_>,
    run: &Run,
    graph: &Graph,
    no: StepNo,
    items: (&Payload, u32),
) {
    let Some(step) = graph.step(no) else { return };
    let (list, count) = items;
    blob::keep(walk.tx, run.id, Slot::Items(no), list);
    let opened = count.min(window(step));
    walk.tx.emit(Event::Opened { run: run.id, step: no, items: count, opened });
    if count == 0 {
        settle(walk, run.id, no, State::Succeeded, (0, 0));
    }
    open_items(walk, run, step, no, 0..opened);
}

/// A step's question could not be answered: one task, failed, says why.
pub(crate) fn stump(
    walk: &mut Walk<'_, '_>,
    run: &Run,
    graph: &Graph,
    no: StepNo,
    failure: Failure,
) {
    let Some(step) = graph.step(no) else { return };
    walk.tx.emit(Event::Opened { run: run.id, step: no, items: 1, opened: 1 });
    walk.tx.emit(Event::Stumped { run: run.id, step: no });
    let task = open_task(walk, run, step, TaskId { run: run.id, step: no, item: Item(0) }, None);
    if let Some(task) = task::get(walk.tx, task) {
        task::settle::die(walk, &task, failure);
    }
}

/// A step may have room for more items.
pub(crate) fn widen(walk: &mut Walk<'_, '_>, run: RunId, no: StepNo) {
    let run = walk.run(run);
    let Some(progress) = progress(walk.tx, run.id, no) else { return };
    if run.state.finished() || progress.state != State::Open {
        return;
    }
    let graph = walk.graph(&run);
    let Some(step) = graph.step(no) else { return };
    let under_way = progress.opened - progress.succeeded - progress.failed;
    let room = window(step).saturating_sub(under_way);
    let opened = progress.items.min(progress.opened.saturating_add(room));
    if opened > progress.opened {
        walk.tx.emit(Event::Widened { run: run.id, step: no, opened });
        open_items(walk, &run, step, no, progress.opened..opened);
    }
}

/// A task has settled: its step may have, or has room for another item.
pub(crate) fn count(walk: &mut Walk<'_, '_>, task: TaskId, failure: Option<Failure>) {
    let TaskId { run, step: no, item: _ } = task;
    let Some(progress) = progress(walk.tx, run, no).filter(|row| row.state == State::Open) else {
        return;
    };
    let row = walk.run(run);
    let graph = walk.graph(&row);
    let Some(step) = graph.step(no) else { return };
    let succeeded = progress.succeeded + u32::from(failure.is_none());
    let failed = progress.failed + u32::from(failure.is_some());
    if succeeded + failed < progress.items {
        walk.tx.emit(Event::Counted { run, step: no, succeeded, failed });
        walk.then(Todo::Widen(run, no));
        return;
    }
    let state = flow::ending(step, failed);
    if state == State::Failed {
        let cause = failure.or_else(|| first_failure(walk, run, no));
        let cause = cause.expect("a step fails by a task that failed");
        walk.tx.emit(run::Event::Marred { run, step: no, cause });
    }
    settle(walk, run, no, state, (succeeded, failed));
}

/// A step is over, with so many items settled well and so many badly.
pub(crate) fn settle(
    walk: &mut Walk<'_, '_>,
    run: RunId,
    no: StepNo,
    state: State,
    (succeeded, failed): (u32, u32),
) {
    walk.tx.emit(Event::Settled { run, step: no, state, succeeded, failed });
    walk.then(Todo::Passed(run, no));
}

/// A step has settled: who waits for it needs one less.
pub(crate) fn passed(walk: &mut Walk<'_, '_>, run: RunId, no: StepNo) {
    let row = walk.run(run);
    let passed = state(walk, run, no);
    if row.state.finished() || !passed.settled() {
        return;
    }
    let graph = walk.graph(&row);
    for waiter in flow::waiters(&graph, no) {
        let before = progress(walk.tx, run, waiter);
        let open = before.as_ref().is_none_or(|row| row.state == State::Blocked);
        if !open {
            continue;
        }
        let all = flow::waits_for(&graph, waiter).len();
        let left = before.map_or(all, |row| usize::from(row.needs_left)).saturating_sub(1);
        let calls = passed == State::Failed && graph.step(waiter).is_some_and(|step| step.handler);
        if left == 0 || calls {
            walk.then(Todo::Look(run, waiter));
        } else {
            let needs_left =
                u16::try_from(left).expect("a step has fewer needs than there are steps");
            walk.tx.emit(Event::Unblocked { run, step: waiter, needs_left });
        }
    }
    if row.steps_open == 0 {
        walk.then(Todo::Rest(run));
    }
}

/// How a step stands; without a row it is blocked.
pub(crate) fn state(walk: &Walk<'_, '_>, run: RunId, no: StepNo) -> State {
    progress(walk.view(), run, no).map_or(State::Blocked, |row| row.state)
}

/// Which kind of worker an order needs; none: no worker.
pub(crate) fn kind(order: &Order) -> Option<Kind> {
    match order {
        Order::Work { kind, body: _ } => Some(kind.clone()),
        Order::Sleep { .. } | Order::Wait { .. } | Order::Child { .. } | Order::Emit { .. } => None,
    }
}

/// The row that a blocked step begins with.
pub(crate) fn blocked(needs_left: u16) -> Progress {
    Progress {
        state: State::Blocked,
        needs_left,
        items: 0,
        opened: 0,
        succeeded: 0,
        failed: 0,
        stumped: false,
    }
}

fn window(step: &Step) -> u32 {
    step.each.as_ref().and_then(|each| each.parallel_max).unwrap_or(WINDOW_MAX)
}

fn open_items(
    walk: &mut Walk<'_, '_>,
    run: &Run,
    step: &Step,
    no: StepNo,
    items: std::ops::Range<u32>,
) {
    for item in items.map(Item) {
        let task = open_task(walk, run, step, TaskId { run: run.id, step: no, item }, None);
        if step.order.is_some() {
            walk.then(Todo::Begin(task));
        } else {
            ask(walk, run, What::Item(no, item));
        }
    }
}

/// A new task, not begun. Of a run that is retried, its attempts go on where they ended: an old worker's report and an old
/// child run must not be taken for the new ones.
fn open_task(
    walk: &mut Walk<'_, '_>,
    run: &Run,
    step: &Step,
    id: TaskId,
    order: Option<&Order>,
) -> TaskId {
    let spent = if run.retries == 0 {
        0
    } else {
        let last = schema::TRY.under_back(walk.tx, &(id,)).next();
        last.map_or(0, |((_, attempt), _)| attempt.0)
    };
    if let Some(order) = order {
        blob::keep(walk.tx, id.run, Slot::order(id), &Payload(codec::encode(order)));
    }
    let task = Task {
        id,
        state: task::State::Unresolved,
        ordered: order.is_some(),
        kind: order.or(step.order.as_ref()).and_then(kind),
        queue: step.queue.clone(),
        priority: step.priority.unwrap_or(run.priority),
        attempt: Attempt(spent + 1),
        attempts_max: spent.saturating_add(step.retry.attempts_max),
        created_at: walk.tx.now(),
        began_at: None,
        settled_at: None,
        failure: None,
    };
    walk.tx.emit(task::Event::Opened { task: Box::new(task) });
    id
}

/// Why the first of a step's failed tasks failed.
fn first_failure(walk: &Walk<'_, '_>, run: RunId, no: StepNo) -> Option<Failure> {
    let tasks = schema::TASK.under(walk.view(), &(run, no)).map(|(_, task)| task);
    tasks.filter(|task| task.state == task::State::Failed).find_map(|task| task.failure)
}
