//! Order among ready tasks: priority, then time; and how many of each kind there are.
//!
//! A queue comes to be when the first definition names it. The ready index is ordered (queue, kind of work, priority falling, time,
//! task), so the next task for a worker is one seek a queue and kind it serves, whatever waits behind. Priority is strict: a
//! lower one waits as long as higher ones keep coming.
//!
//! ```text
//!   (named first) ─▶ open ◀──Pause / Resume──▶ paused      a paused queue keeps what it has and grants nothing
//! ```

pub(crate) mod decide;
pub(crate) mod evolve;
pub mod order;

use serde::{Deserialize, Serialize};

use self::order::{Class, Place};
use crate::id::{Item, RunId, StepNo, TaskId};
use crate::store::key::Falling;
use crate::store::{View, schema};
use crate::time::Moment;

/// The most queues a cell keeps: each is looked at when a worker serves them all.
pub const QUEUES_MAX: usize = 1_000;

/// A queue as the tables hold it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Grants nothing.
    pub paused: bool,
    /// At most so many leased at once, over the whole cell; none: no limit.
    pub concurrency_max: Option<u32>,
    /// How many there are of each.
    pub counts: Counts,
}

/// Tasks by state. `dead` are dead letters; `succeeded`, `failed` only ever grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Wait for a worker.
    pub ready: u64,
    /// A worker has them.
    pub leased: u64,
    /// Rest before their next attempt.
    pub resting: u64,
    /// Dead letters.
    pub dead: u64,
    /// Done since the queue exists.
    pub succeeded: u64,
    /// Failed for good since the queue exists.
    pub failed: u64,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Grant nothing until resumed.
    Pause {
        /// The queue's name.
        name: String,
    },
    /// Grant again.
    Resume {
        /// The queue's name.
        name: String,
    },
    /// Limit how many are leased at once.
    Limit {
        /// The queue's name.
        name: String,
        /// How many; none: no limit.
        concurrency_max: Option<u32>,
    },
}

/// What can have happened. How many tasks stand where is counted by the task's own events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A definition named it for the first time.
    Created {
        /// The queue's name.
        name: String,
    },
    /// Grants nothing.
    Paused {
        /// The queue's name.
        name: String,
    },
    /// Grants again.
    Resumed {
        /// The queue's name.
        name: String,
    },
    /// So many at once.
    Limited {
        /// The queue's name.
        name: String,
        /// How many; none: no limit.
        concurrency_max: Option<u32>,
    },
}

/// A queue.
pub fn get(view: &dyn View, name: &str) -> Option<Queue> {
    schema::QUEUE.get(view, &name.to_owned())
}

/// All queues by name.
pub fn list(view: &dyn View) -> Vec<Queue> {
    schema::QUEUE.under(view, &()).map(|(_, queue)| queue).collect()
}

/// A ready task of a queue: where it stands, among which workers' tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// Which workers can take it.
    pub class: Class,
    /// Its place among those.
    pub place: Place,
}

/// Ready tasks of a queue after a spot, one class of workers after the other, each in its order.
pub fn ready(view: &dyn View, name: &str, after: Option<&Spot>, max: usize) -> Vec<Spot> {
    let queue = name.to_owned();
    let key = after.map(|Spot { class, place }| {
        (queue.clone(), class.clone(), Falling(place.priority), place.since, place.task)
    });
    let rows = schema::READY.after(view, &(queue,), key.as_ref()).take(max);
    let spots = rows.map(|((_, class, Falling(priority), since, task), ())| Spot {
        class,
        place: Place { priority, since, task },
    });
    spots.collect()
}

/// Since when the task has been waiting that waits longest. One look for each class and priority in use.
pub fn oldest(view: &dyn View, name: &str) -> Option<Moment> {
    let lead = (name.to_owned(),);
    let mut found: Option<Moment> = None;
    let mut after = None;
    while let Some(((queue, class, falling, since, _), ())) =
        schema::READY.after(view, &lead, after.as_ref()).next()
    {
        found = Some(found.map_or(since, |found| found.min(since)));
        after = Some((queue, class, falling, Moment(u64::MAX), LAST));
    }
    found
}

/// A task that sorts behind every other.
const LAST: TaskId = TaskId { run: RunId(u128::MAX), step: StepNo(u16::MAX), item: Item(u32::MAX) };
