//! The unit of work: ready, leased, resting, done, dead.
//!
//! ```text
//!               order known              granted to a worker            Complete
//!   unresolved ─────────────▶ ready ──────────────────────────▶ leased ──────────▶ succeeded
//!                               ▲                                │ │ Fail, worker lost
//!                               │ retry is due          attempts │ └─────────────▶ failed (dead letter)
//!                               └─────────── resting ◀───────────┘ left               │ dlq retry: ready again
//!
//!   sleep, wait, child:  unresolved ─▶ waiting ─▶ succeeded | failed       (no worker, a timer or another run ends it)
//!   paused run:          what would be ready is held, until it is resumed
//!   cancel, terminate:   anything unfinished ─▶ cancelled                  (a leased one: its worker is told to stop)
//! ```
//!
//! *Resting* is called `retrying` outside. A completion names the attempt it completes: any other is refused, so at most one
//! attempt of a task is ever accepted.

pub mod dead;
pub(crate) mod decide;
pub(crate) mod evolve;
pub(crate) mod grant;
pub(crate) mod perform;
pub mod retry;
pub(crate) mod settle;

use serde::{Deserialize, Serialize};

use crate::blob::Payload;
use crate::catalog::Kind;
use crate::id::{Attempt, Priority, RunId, StepNo, TaskId, WorkerId};
use crate::store::{View, schema};
use crate::time::Moment;

/// The longest error message kept, in bytes; longer ones are cut at a character.
pub const MESSAGE_BYTES_MAX: usize = 4 << 10;
/// The most tasks one entry grants.
pub const GRANTS_MAX: usize = 256;

/// Where a task stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// The role has to compute what it is to do.
    Unresolved,
    /// Waits for a worker, in the ready index.
    Ready {
        /// Since when.
        since: Moment,
    },
    /// Could begin, but its run is paused: not in the ready index.
    Held,
    /// A worker has it.
    Leased {
        /// Which.
        worker: WorkerId,
        /// Since when.
        since: Moment,
    },
    /// Failed, and will be tried again.
    Resting {
        /// When.
        until: Moment,
    },
    /// Waits for time, a signal or a child run.
    Waiting {
        /// For what.
        what: Awaited,
        /// Since when.
        since: Moment,
    },
    /// Did what it was to do.
    Succeeded,
    /// Failed for good.
    Failed,
    /// Its run was cancelled first.
    Cancelled,
}

impl State {
    /// Whether nothing more will happen to it by itself.
    #[must_use]
    pub fn settled(&self) -> bool {
        match self {
            State::Unresolved
            | State::Ready { .. }
            | State::Held
            | State::Leased { .. }
            | State::Resting { .. }
            | State::Waiting { .. } => false,
            State::Succeeded | State::Failed | State::Cancelled => true,
        }
    }
}

/// What a waiting task waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Awaited {
    /// A moment.
    Time {
        /// Which.
        until: Moment,
    },
    /// A signal to its run.
    Signal {
        /// The signal's name.
        name: String,
        /// When it gives up.
        until: Option<Moment>,
    },
    /// A child run's end.
    Child {
        /// Which run.
        run: RunId,
    },
}

/// Why an attempt failed, or a run was cancelled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// For programs and for `not_on`: `exit:2`, `timeout`, `http:503`, `expression`, `worker_lost`, `panic`, `child:failed` …
    pub kind: String,
    /// For people, one sentence or the last lines of stderr.
    pub message: String,
    /// False: another attempt would fail the same way.
    pub retryable: bool,
}

/// A task as the tables hold it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// Where it stands.
    pub state: State,
    /// Whether what it is to do is in [`crate::blob::Slot::Order`]; otherwise the definition's own order serves.
    pub ordered: bool,
    /// Which kind of worker it waits for; none: no worker.
    pub kind: Option<Kind>,
    /// Which queue it stands in.
    pub queue: String,
    /// Its place there.
    pub priority: Priority,
    /// The current or the next attempt: 1 from the beginning.
    pub attempt: Attempt,
    /// Attempts allowed from the first; raised by a retry by hand.
    pub attempts_max: u32,
    /// When it came to be.
    pub created_at: Moment,
    /// When its first attempt began.
    pub began_at: Option<Moment>,
    /// When it settled.
    pub settled_at: Option<Moment>,
    /// The last attempt's failure, kept when a later one succeeds.
    pub failure: Option<Failure>,
}

/// One try: a row of its own, so that the history of retries can be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Try {
    /// Which task.
    pub task: TaskId,
    /// Which attempt.
    pub attempt: Attempt,
    /// Who tried; none: nobody had to (waits, orders that could not be computed).
    pub worker: Option<WorkerId>,
    /// Since when.
    pub began_at: Moment,
    /// Until when; none: it still runs.
    pub settled_at: Option<Moment>,
    /// Why it failed; none: it has not.
    pub failure: Option<Failure>,
    /// Whether there is a [`crate::blob::Slot::Log`] of it.
    pub logged: bool,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Grant ready tasks to a worker with free slots: only the entry's offer matters, see [`crate::apply::Entry`].
    Claim,
    /// An attempt did what it was to do.
    Complete {
        /// Which task.
        task: TaskId,
        /// Which attempt of it.
        attempt: Attempt,
        /// Who holds it; none: an operator completes it by hand.
        worker: Option<WorkerId>,
        /// What it came to, as JSON; empty: null.
        output: Payload,
        /// What it printed; empty: nothing.
        log: Payload,
    },
    /// An attempt failed. Whether it is tried again is the engine's business.
    Fail {
        /// Which task.
        task: TaskId,
        /// Which attempt of it.
        attempt: Attempt,
        /// Who holds it; none: an operator fails it by hand.
        worker: Option<WorkerId>,
        /// Why.
        failure: Failure,
        /// What it printed; empty: nothing.
        log: Payload,
    },
    /// The worker gives an attempt back unfinished (it drains). Does not count as an attempt.
    Return {
        /// Which task.
        task: TaskId,
        /// Which attempt of it.
        attempt: Attempt,
        /// Who holds it.
        worker: WorkerId,
    },
    /// Take dead letters up again: the tasks are ready, their runs open.
    Revive {
        /// Which, at most 256.
        tasks: Vec<TaskId>,
    },
    /// Give dead letters up: runs that stay open because of them fail.
    Discard {
        /// Which, at most 256.
        tasks: Vec<TaskId>,
        /// For people.
        reason: String,
    },
}

/// What can have happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A step opened it; the row as it begins.
    Opened {
        /// The new row: `Unresolved`, or on its way to be ready or waiting.
        task: Box<Task>,
    },
    /// Its order is known (and kept as a blob).
    Ordered {
        /// Which task.
        task: TaskId,
        /// The kind of worker it needs.
        kind: Option<Kind>,
    },
    /// It could begin, but its run is paused.
    Withheld {
        /// Which task.
        task: TaskId,
    },
    /// It told the feed something: the body is a blob.
    Emitted {
        /// Which task.
        task: TaskId,
        /// The event's name.
        name: String,
    },
    /// It waits for a worker.
    Readied {
        /// Which task.
        task: TaskId,
        /// In which queue.
        queue: String,
        /// For which kind.
        kind: Kind,
    },
    /// A worker has it.
    Leased {
        /// Which task.
        task: TaskId,
        /// Which attempt.
        attempt: Attempt,
        /// Who.
        worker: WorkerId,
    },
    /// It waits for something that is no worker.
    Waited {
        /// Which task.
        task: TaskId,
        /// For what.
        what: Awaited,
    },
    /// Its worker gave it back or was lost; the same attempt number is not used again.
    Returned {
        /// Which task.
        task: TaskId,
        /// The attempt that was given back.
        attempt: Attempt,
        /// Why.
        failure: Failure,
    },
    /// An attempt failed; another follows.
    Rested {
        /// Which task.
        task: TaskId,
        /// The attempt that failed.
        attempt: Attempt,
        /// When the next begins.
        until: Moment,
        /// Why.
        failure: Failure,
    },
    /// It is done.
    Succeeded {
        /// Which task.
        task: TaskId,
        /// By which attempt.
        attempt: Attempt,
    },
    /// It failed for good.
    Died {
        /// Which task.
        task: TaskId,
        /// The last attempt.
        attempt: Attempt,
        /// Why.
        failure: Failure,
        /// Whether it is a dead letter: not if its run is being cancelled.
        letter: bool,
    },
    /// Its run was cancelled. A worker that holds it stops.
    Revoked {
        /// Which task.
        task: TaskId,
        /// The attempt that was under way, if a worker had it.
        worker: Option<WorkerId>,
    },
    /// It is taken up again: its dead letter by somebody, or its run is retried.
    Revived {
        /// Which task.
        task: TaskId,
        /// The next attempt.
        attempt: Attempt,
        /// Attempts allowed from the first.
        attempts_max: u32,
    },
    /// Somebody gave its dead letter up.
    Discarded {
        /// Which task.
        task: TaskId,
        /// For people.
        reason: String,
    },
    /// Its run is retried from before it: the row goes, a new one will be opened.
    Forgotten {
        /// Which task.
        task: TaskId,
    },
}

/// A task.
pub fn get(view: &dyn View, task: TaskId) -> Option<Task> {
    schema::TASK.get(view, &task)
}

/// Tasks of a run by step and item, after one of them.
pub fn of_run(view: &dyn View, run: RunId, after: Option<TaskId>, max: usize) -> Vec<Task> {
    schema::TASK.after(view, &(run,), after.as_ref()).take(max).map(|(_, task)| task).collect()
}

/// Tasks of a step by item, after one of them.
pub fn of_step(
    view: &dyn View,
    run: RunId,
    step: StepNo,
    after: Option<TaskId>,
    max: usize,
) -> Vec<Task> {
    let tasks = schema::TASK.after(view, &(run, step), after.as_ref());
    tasks.take(max).map(|(_, task)| task).collect()
}

/// Attempts of a task, the first one first.
pub fn tries(view: &dyn View, task: TaskId) -> Vec<Try> {
    schema::TRY.under(view, &(task,)).map(|(_, attempt)| attempt).collect()
}

/// What a worker holds.
pub fn leased(view: &dyn View, worker: WorkerId) -> Vec<TaskId> {
    schema::LEASED.under(view, &(worker,)).map(|((_, task), ())| task).collect()
}
