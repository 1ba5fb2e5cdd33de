//! Order among ready tasks: priority, then time; and how many of each kind there are.
//!
//! A queue comes to be when the first task stands in it. The ready index is ordered (queue, kind of work, priority falling, time,
//! task), so the next task for a worker is one seek a queue and kind it serves, whatever waits behind. Priority is strict: a
//! lower one waits as long as higher ones keep coming.
//!
//! ```text
//!   (first task) ─▶ open ◀──Pause / Resume──▶ paused      a paused queue keeps what it has and grants nothing
//! ```

pub(crate) mod decide;
pub(crate) mod evolve;
pub mod order;

use serde::{Deserialize, Serialize};

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
