//! One execution of a definition: start, pause, cancel, settle.
//!
//! ```text
//!            Start                first task begins            last step settled
//!   nothing ───────▶ queued ─────────────────────▶ running ───────────────────────▶ completed | failed
//!                      │ (also: waits for its        │  ▲                              │
//!                      │  concurrency key)     Pause │  │ Resume                 Retry │ back to running
//!                      │                             ▼  │                              ▼
//!                      │                            paused
//!                      └──── Cancel, Terminate, timeout ────▶ (cancelling) ────▶ cancelled | timed_out
//! ```
//!
//! *Cancel* stops what runs and still lets `always()` steps clean up; *terminate* stops everything at once. A run counts as
//! finished once it is completed, failed, cancelled or timed out; only `Retry` opens it again.

pub(crate) mod again;
pub(crate) mod decide;
pub(crate) mod evolve;
pub mod list;
pub(crate) mod settle;
pub(crate) mod signal;
pub(crate) mod start;
pub(crate) mod stop;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::blob::Payload;
use crate::id::{Number, Priority, RoleId, RunId, StepNo, TaskId, Version, WorkflowId};
use crate::store::{View, schema};
use crate::task::Failure;
use crate::time::{Moment, Span};

/// The most labels a run may have.
pub const LABELS_MAX: usize = 64;
/// The most signals a run keeps that nobody has waited for.
pub const SIGNALS_MAX: u32 = 1_000;
/// How deep `workflow` tasks may nest.
pub const DEPTH_MAX: u8 = 16;
/// The most runs one `Purge` removes.
pub const PURGE_RUNS_MAX: usize = 256;

/// What a second start with a taken concurrency key does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnConflict {
    /// Wait, first come first served.
    Queue,
    /// Be refused.
    Reject,
    /// Cancel the oldest unfinished run of the key, and wait for its end.
    CancelRunning,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum State {
    /// Accepted; nothing of it has begun.
    Queued,
    /// Something of it has begun.
    Running,
    /// By an operator: what runs finishes, nothing new begins.
    Paused,
    /// Being cancelled or timed out; `always()` steps and stopping attempts are left.
    Cancelling,
    /// Every step settled, none failed (or failures were ignored).
    Completed,
    /// A step failed for good.
    Failed,
    /// Somebody cancelled or terminated it.
    Cancelled,
    /// It took longer than the workflow's `timeout`.
    TimedOut,
}

impl State {
    /// Whether the run is over.
    #[must_use]
    pub fn finished(self) -> bool {
        match self {
            State::Queued | State::Running | State::Paused | State::Cancelling => false,
            State::Completed | State::Failed | State::Cancelled | State::TimedOut => true,
        }
    }
}

/// A run as the tables hold it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// Of which workflow.
    pub workflow: WorkflowId,
    /// Of which version of it.
    pub version: Version,
    /// The number people say.
    pub number: Number,
    /// Who drives it.
    pub role: RoleId,
    /// Where it stands.
    pub state: State,
    /// How often this row has changed. (That anything at all of the run has changed, tasks too, the newest revision of its history
    /// says: an ETag.)
    pub changes: u64,
    /// The caller's key: at most one unfinished run of the workflow has it. Empty: none.
    pub key: String,
    /// Its concurrency key, evaluated. Empty: none.
    pub lane: String,
    /// Of its tasks, where the step does not say otherwise.
    pub priority: Priority,
    /// The definition's, overlaid with the caller's.
    pub labels: BTreeMap<String, String>,
    /// Who started it.
    pub by: String,
    /// When it was accepted.
    pub created_at: Moment,
    /// When it may begin (`--at`, `--in`); the same as `created_at` otherwise.
    pub due_at: Moment,
    /// When its turn came; none: it is delayed, or waits for its concurrency key.
    pub released_at: Option<Moment>,
    /// When its first task began.
    pub began_at: Option<Moment>,
    /// When it was finished.
    pub settled_at: Option<Moment>,
    /// When its `timeout` is over; counted from its turn, so that waiting costs nothing.
    pub deadline: Option<Moment>,
    /// The task that waits for it, and how deep it is nested.
    pub parent: Option<(TaskId, u8)>,
    /// Steps that are not settled. The run settles when this reaches 0.
    pub steps_open: u32,
    /// Steps that failed for good and were not ignored.
    pub steps_failed: u32,
    /// How often it was retried.
    pub retries: u32,
    /// Why it failed or was cancelled.
    pub cause: Option<Failure>,
    /// The step whose failure settled the fate of the run first.
    pub failed_step: Option<StepNo>,
    /// What it becomes when the last step has settled, where that is already decided (cancel, timeout).
    pub fate: Option<State>,
    /// Signals kept so far: the next one's slot.
    pub signals: u32,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Begin an execution. Repeating it with the same id answers as the first time did.
    Start(Box<Start>),
    /// Stop what runs, skip what waits except `always()` steps.
    Cancel {
        /// Which run.
        run: RunId,
        /// For people.
        reason: String,
    },
    /// Stop everything at once.
    Terminate {
        /// Which run.
        run: RunId,
        /// For people.
        reason: String,
    },
    /// Begin nothing new.
    Pause {
        /// Which run.
        run: RunId,
        /// For people.
        reason: String,
    },
    /// Go on.
    Resume {
        /// Which run.
        run: RunId,
    },
    /// Open a finished run again. From a step: that step and everything behind it runs anew; without: what failed does, and what
    /// was skipped because of it.
    Retry {
        /// Which run.
        run: RunId,
        /// From where.
        from: Option<StepNo>,
    },
    /// Deliver a signal: to the task that waits for it, or into the run's box until one does.
    Signal {
        /// Which run.
        run: RunId,
        /// The signal's name.
        name: String,
        /// Its payload, as JSON.
        payload: Payload,
        /// The caller's id of this signal: a second one with the same id is dropped. Empty: none.
        dedup: String,
    },
    /// Set or (with an empty value) take away labels.
    Tag {
        /// Which run.
        run: RunId,
        /// What to change.
        labels: BTreeMap<String, String>,
    },
    /// Forget finished runs with everything of theirs. Proposed by people and by the keeper. Unknown ones are passed over,
    /// unfinished ones are refused.
    Purge {
        /// Which runs, at most [`PURGE_RUNS_MAX`].
        runs: Vec<RunId>,
    },
}

/// Everything about a start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// Chosen by the caller.
    pub run: RunId,
    /// By name.
    pub workflow: String,
    /// None: the newest.
    pub version: Option<Version>,
    /// Bound and checked against the definition's schema by the door, defaults filled in.
    pub input: Payload,
    /// At most one unfinished run of the workflow has this key. Empty: none.
    pub key: String,
    /// The evaluated concurrency key. Empty: none.
    pub lane: String,
    /// None: the definition's.
    pub priority: Option<Priority>,
    /// Beside the definition's.
    pub labels: BTreeMap<String, String>,
    /// Not before this moment.
    pub due_at: Option<Moment>,
    /// The caller's `Idempotency-Key`.
    pub request: Option<Request>,
}

/// An `Idempotency-Key` and what was asked under it. Kept for [`REQUEST_KEPT`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The key.
    pub key: String,
    /// A digest of the body: another body under the same key is refused.
    pub digest: [u8; 16],
}

/// A remembered `Idempotency-Key` as the tables hold it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The key and what was asked under it.
    pub request: Request,
    /// The run that was started then.
    pub run: RunId,
    /// Its number: the run itself may have been purged since.
    pub number: Number,
    /// When it is forgotten.
    pub until: Moment,
}

/// How long an `Idempotency-Key` is remembered: 24 hours.
pub const REQUEST_KEPT: crate::time::Span = crate::time::Span(24 * 60 * 60 * 1000);

/// What can have happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// Accepted. The whole row, so that evolve has nothing to decide.
    Started {
        /// The new row.
        run: Box<Run>,
        /// The `Idempotency-Key` to remember, and until when.
        request: Option<(Request, Moment)>,
    },
    /// It waits for its concurrency key.
    Held {
        /// Which run.
        run: RunId,
    },
    /// Its turn has come (after `Held`, or its moment has).
    Released {
        /// Which run.
        run: RunId,
        /// When its `timeout` will be over.
        deadline: Option<Moment>,
    },
    /// Its first task began.
    Began {
        /// Which run.
        run: RunId,
    },
    /// By an operator.
    Paused {
        /// Which run.
        run: RunId,
        /// For people.
        reason: String,
    },
    /// By an operator.
    Resumed {
        /// Which run.
        run: RunId,
    },
    /// It will end as `fate` once what is left has settled.
    Doomed {
        /// Which run.
        run: RunId,
        /// Cancelled or timed out.
        fate: State,
        /// Why.
        cause: Failure,
    },
    /// A step failed for good: the run will fail.
    Marred {
        /// Which run.
        run: RunId,
        /// The step.
        step: StepNo,
        /// Why.
        cause: Failure,
    },
    /// It is over.
    Settled {
        /// Which run.
        run: RunId,
        /// How.
        state: State,
    },
    /// It is open again.
    Reopened {
        /// Which run.
        run: RunId,
        /// Where it stands now: running, or (a dead letter of an unfinished run was taken up) where it stood.
        state: State,
        /// Steps open now.
        steps_open: u32,
        /// Steps that failed and are not tried again.
        steps_failed: u32,
        /// When its `timeout` will be over.
        deadline: Option<Moment>,
    },
    /// A signal arrived.
    Signalled {
        /// Which run.
        run: RunId,
        /// Its name.
        name: String,
        /// Its slot in the box; none: a waiting task took it at once.
        slot: Option<u32>,
        /// The caller's id of it.
        dedup: String,
    },
    /// A task took a signal out of the box.
    Heard {
        /// Which run.
        run: RunId,
        /// The signal's name.
        name: String,
        /// The slot that is free now.
        slot: u32,
    },
    /// Labels are now these.
    Tagged {
        /// Which run.
        run: RunId,
        /// All of them.
        labels: BTreeMap<String, String>,
    },
    /// Forgotten, with everything of its own.
    Purged {
        /// Which run.
        run: RunId,
        /// Its workflow.
        workflow: WorkflowId,
        /// Its number.
        number: Number,
    },
    /// An `Idempotency-Key` is remembered no longer.
    Unasked {
        /// The key.
        key: String,
    },
}

/// A run.
pub fn get(view: &dyn View, run: RunId) -> Option<Run> {
    schema::RUN.get(view, &run)
}

/// The run with this number of a workflow: `etl/1042`.
pub fn by_number(view: &dyn View, workflow: WorkflowId, number: Number) -> Option<RunId> {
    schema::RUN_BY_NUMBER.get(view, &(workflow, number))
}

/// The unfinished run that has the caller's key.
pub fn by_key(view: &dyn View, workflow: WorkflowId, key: &str) -> Option<RunId> {
    schema::RUN_BY_KEY.get(view, &(workflow, key.to_owned()))
}

/// What was asked under an `Idempotency-Key`, and the run that came of it.
pub fn by_request(view: &dyn View, key: &str) -> Option<(Request, RunId)> {
    schema::RUN_BY_REQUEST.get(view, &key.to_owned()).map(|asked| (asked.request, asked.run))
}

/// Finished runs whose time is over, `default` where their workflow's newest definition does not say, oldest first.
pub fn expired(view: &dyn View, now: Moment, default: Span, max: usize) -> Vec<RunId> {
    list::expired(view, now, default, max)
}
