//! A task begins: work stands in its queue, and what needs no worker the engine does itself.

use crate::blob::{self, Payload, Slot};
use crate::catalog::Order;
use crate::codec;
use crate::dag::walk::Walk;
use crate::id::TaskId;
use crate::run::{self, Run};
use crate::store::schema;
use crate::task::{Awaited, Event, State, Task, get, settle};
use crate::time::Span;
use crate::timer::{self, Alarm};

/// A task whose order is known may begin, if its run is not paused.
pub(crate) fn begin(walk: &mut Walk<'_, '_>, id: TaskId) {
    let Some(task) = get(walk.tx, id) else { return };
    let run = walk.run(id.run);
    let could = match task.state {
        State::Unresolved | State::Held | State::Resting { .. } => !run.state.finished(),
        State::Ready { .. }
        | State::Leased { .. }
        | State::Waiting { .. }
        | State::Succeeded
        | State::Failed
        | State::Cancelled => false,
    };
    if !could {
        return;
    }
    if run.state == run::State::Paused {
        if task.state != State::Held {
            walk.tx.emit(Event::Withheld { task: id });
        }
        return;
    }
    if let Some(kind) = &task.kind {
        let (queue, kind) = (task.queue.clone(), kind.clone());
        walk.tx.emit(Event::Readied { task: id, queue, kind });
        return;
    }
    let order = order(walk, &run, &task).expect("a task that begins has an order");
    run::start::began(walk.tx, &run);
    match order {
        Order::Work { kind, body: _ } => {
            walk.tx.emit(Event::Readied { task: id, queue: task.queue, kind });
        }
        Order::Sleep { span } => sleep(walk, &run, &task, span),
        Order::Wait { signal, timeout, on_timeout: _ } => {
            wait(walk, &run, &task, signal, timeout);
        }
        Order::Child { workflow, input } => run::start::child(walk, &run, &task, &workflow, &input),
        Order::Emit { name, body } => {
            blob::keep(walk.tx, id.run, Slot::Emitted(id.step, id.item), &body);
            walk.tx.emit(Event::Emitted { task: id, name });
            settle::succeed(walk, &task, &Payload::EMPTY);
        }
    }
}

/// What a task is to do: as a driver computed it, or as the definition says. None: nobody has computed it yet.
pub(crate) fn order(walk: &mut Walk<'_, '_>, run: &Run, task: &Task) -> Option<Order> {
    if task.ordered {
        let bytes = blob::get(walk.tx, run.id, Slot::order(task.id))?;
        return Some(codec::decode(&bytes.0).expect("an order was encoded by the engine"));
    }
    walk.graph(run).step(task.id.step).and_then(|step| step.order.clone())
}

/// Whether it is known what a task is to do.
pub(crate) fn has_order(walk: &mut Walk<'_, '_>, run: &Run, task: &Task) -> bool {
    let graph = walk.graph(run);
    task.ordered || graph.step(task.id.step).is_some_and(|step| step.order.is_some())
}

fn sleep(walk: &mut Walk<'_, '_>, run: &Run, task: &Task, span: Span) {
    if span == Span(0) {
        settle::succeed(walk, task, &Payload::EMPTY);
        return;
    }
    let until = walk.tx.now().after(span);
    walk.tx.emit(Event::Waited { task: task.id, what: Awaited::Time { until } });
    timer::set(walk.tx, run.role, until, Alarm::SleepOver(task.id));
}

/// Takes the oldest signal of this name out of the box, or waits for one.
fn wait(walk: &mut Walk<'_, '_>, run: &Run, task: &Task, name: String, timeout: Option<Span>) {
    let boxed = schema::SIGNAL.under(walk.view(), &(run.id, name.clone())).next();
    if let Some(((_, _, slot), ())) = boxed {
        let payload = blob::get(walk.tx, run.id, Slot::Signal(slot)).unwrap_or(Payload::EMPTY);
        walk.tx.emit(run::Event::Heard { run: run.id, name, slot });
        settle::succeed(walk, task, &payload);
        return;
    }
    let until = timeout.map(|span| walk.tx.now().after(span));
    walk.tx.emit(Event::Waited { task: task.id, what: Awaited::Signal { name, until } });
    if let Some(until) = until {
        timer::set(walk.tx, run.role, until, Alarm::WaitOver(task.id));
    }
}
