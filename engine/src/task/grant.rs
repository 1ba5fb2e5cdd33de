//! The eager grant: at the end of an accepted entry, the free slots that ride on it are filled.
//!
//! A worker serves some queues and some kinds of work; for each pair the ready index knows the first task. The best of these
//! firsts is leased, the pair it came from is looked at again, until the slots are full or nothing is left. The engine believes
//! of an offer only whose it is: how many slots are free it counts itself.

use std::collections::BTreeSet;

use super::Event;
use crate::apply::Offer;
use crate::queue::order::{self, Class, Place, first};
use crate::store::{Tx, schema};
use crate::task::GRANTS_MAX;
use crate::worker::Worker;
use crate::{member, run};

/// Leases the best ready tasks to a worker that has free slots. Never refuses: an offer is a hint.
pub(crate) fn grant(tx: &mut Tx<'_>, offer: Offer) {
    let Some(worker) = schema::WORKER.look(tx, &offer.worker).filter(|worker| !worker.draining)
    else {
        return;
    };
    let slots = worker.slots.saturating_sub(worker.leased).min(offer.tasks_max) as usize;
    let slots = slots.min(GRANTS_MAX);
    if slots == 0 || !takes(tx, &worker) {
        return;
    }
    let lines = lines(tx, &worker);
    let mut heads: BTreeSet<(Place, usize)> = BTreeSet::new();
    for (number, (queue, class)) in lines.iter().enumerate() {
        heads.extend(first(tx, queue, class).map(|place| (place, number)));
    }
    let mut granted = 0;
    while granted < slots
        && let Some((place, number)) = heads.pop_first()
    {
        let (queue, class) = &lines[number];
        if !open(tx, queue) {
            continue;
        }
        lease(tx, &worker, place);
        granted += 1;
        if granted < slots {
            heads.extend(first(tx, queue, class).map(|place| (place, number)));
        }
    }
}

/// Whether the worker's node takes part: through one that drains nothing is granted.
fn takes(tx: &Tx<'_>, worker: &Worker) -> bool {
    member::get(tx, worker.node).is_some_and(|member| member.state == member::State::Up)
}

/// Every pair of a queue and a class of work that the worker serves, where something is ready.
fn lines(tx: &Tx<'_>, worker: &Worker) -> Vec<(String, Class)> {
    let queues: Vec<String> =
        if worker.queues.is_empty() { order::busy(tx) } else { worker.queues.clone() };
    let builtin = worker.builtin.then_some(Class::Builtin);
    let classes = builtin.into_iter().chain(worker.calls.iter().cloned().map(Class::Call));
    let classes: Vec<Class> = classes.collect();
    let pairs = queues
        .iter()
        .flat_map(|queue| classes.iter().map(move |class| (queue.clone(), class.clone())));
    pairs.collect()
}

/// Whether a queue may have one more task leased.
fn open(tx: &Tx<'_>, name: &String) -> bool {
    schema::QUEUE.look(tx, name).is_some_and(|queue| {
        let full = |max: u32| queue.counts.leased >= u64::from(max);
        !queue.paused && !queue.concurrency_max.is_some_and(full)
    })
}

fn lease(tx: &mut Tx<'_>, worker: &Worker, place: Place) {
    let task = schema::TASK.look(tx, &place.task);
    let task = task.expect("the ready index names tasks that exist");
    let run = schema::RUN.look(tx, &task.id.run).expect("a task's run exists");
    run::start::began(tx, &run);
    tx.emit(Event::Leased { task: task.id, attempt: task.attempt, worker: worker.id });
}
