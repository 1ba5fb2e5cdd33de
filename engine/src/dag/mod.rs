//! Graphs: who waits for whom, joins, skips, how a failure spreads.
//!
//! A run's graph is its definition's; what changes is one row a step, and only for steps that something has happened to: an
//! untouched step has no row, so a graph of a thousand steps costs what is active.
//!
//! ```text
//!   (no row) blocked ──all needs settled──▶ asking ──Answer──▶ open ──all items settled──▶ succeeded | failed
//!                        │                   (only where a         │
//!                        │ nothing to compute  driver must         └ `each`: items are opened in a window, in order
//!                        │                     compute)
//!                        ├──────────────────────▶ open
//!                        ├── rule says no ──▶ skipped (a branch not taken) | barred (a need failed)
//! ```
//!
//! **Questions.** What a library must tell — a condition, a template, the list of an `each`, the run's output — the engine asks
//! for by a row in the question index, and the role's driver answers by proposing. Until the answer is committed the step stands
//! still; an answer to a question that is no longer asked is passed over.

pub(crate) mod decide;
pub(crate) mod evolve;
pub(crate) mod flow;
pub(crate) mod step;
pub(crate) mod walk;

use serde::{Deserialize, Serialize};

use crate::blob::Payload;
use crate::catalog::Order;
use crate::id::{Epoch, Item, RoleId, RunId, StepNo};
use crate::store::{View, schema};
use crate::task::Failure;

/// The most elements of an `each`.
pub const ITEMS_MAX: u32 = 100_000;
/// The most tasks of one step that are open at once, where the file sets no `max_parallel`.
pub const WINDOW_MAX: u32 = 256;
/// The most questions one `Answer` answers.
pub const ANSWERS_MAX: usize = 256;

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum State {
    /// Some needs are not settled.
    Blocked,
    /// A driver must compute its condition, its list or its order.
    Asking,
    /// It has tasks.
    Open,
    /// All its tasks succeeded (or failed and are ignored).
    Succeeded,
    /// A task failed for good.
    Failed,
    /// Its condition said no, or all it needs was skipped.
    Skipped,
    /// Something it needs failed.
    Barred,
    /// Its run was cancelled first.
    Cancelled,
}

impl State {
    /// Whether what needs this step may be looked at.
    #[must_use]
    pub fn settled(self) -> bool {
        match self {
            State::Blocked | State::Asking | State::Open => false,
            State::Succeeded
            | State::Failed
            | State::Skipped
            | State::Barred
            | State::Cancelled => true,
        }
    }
}

/// A step of a run as the tables hold it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Where it stands.
    pub state: State,
    /// Needs not yet settled.
    pub needs_left: u16,
    /// Elements of its `each`; 1 where there is none.
    pub items: u32,
    /// Items opened so far: the next one's number.
    pub opened: u32,
    /// Items settled well.
    pub succeeded: u32,
    /// Items that failed for good (ignored ones too).
    pub failed: u32,
    /// Its question could not be answered: its one task stands for the failure, and a retry asks again.
    pub stumped: bool,
}

/// Something a driver must compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Question {
    /// Of which run.
    pub run: RunId,
    /// What.
    pub what: What,
}

/// What a question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum What {
    /// Shall the step run, and (without `each`) what is it to do, or (with) over which list?
    Step(StepNo),
    /// What is this item's task to do?
    Item(StepNo, Item),
    /// What is the run's output?
    Output,
}

/// What a driver computed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The condition is false.
    Skip,
    /// The condition holds; do this. None: the definition's own order.
    Proceed(Option<Order>),
    /// The condition holds; one task for each element.
    Spread {
        /// The list, as JSON.
        items: Payload,
        /// Its length.
        count: u32,
    },
    /// The run's output, as JSON.
    Output(Payload),
    /// It cannot be computed: a template names what is not there, a child's input is invalid.
    Fail(Failure),
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Answers of the role's driver, at most [`ANSWERS_MAX`]. One that is no longer asked for is passed over.
    Answer {
        /// For which role.
        role: RoleId,
        /// As whose driver.
        epoch: Epoch,
        /// Question and answer.
        answers: Vec<(Question, Answer)>,
    },
}

/// What can have happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A driver must compute something.
    Asked {
        /// Of which role.
        role: RoleId,
        /// What.
        question: Question,
    },
    /// A question is no longer open.
    Answered {
        /// Of which role.
        role: RoleId,
        /// Which.
        question: Question,
    },
    /// A need settled: so many are left.
    Unblocked {
        /// Which run.
        run: RunId,
        /// Which step.
        step: StepNo,
        /// Needs left.
        needs_left: u16,
    },
    /// It has tasks now, or will have.
    Opened {
        /// Which run.
        run: RunId,
        /// Which step.
        step: StepNo,
        /// How many tasks it will have.
        items: u32,
        /// How many of them it has at once.
        opened: u32,
    },
    /// Its question could not be answered: one task, failed, says why.
    Stumped {
        /// Which run.
        run: RunId,
        /// Which step.
        step: StepNo,
    },
    /// Items up to here have tasks.
    Widened {
        /// Which run.
        run: RunId,
        /// Which step.
        step: StepNo,
        /// The next item's number.
        opened: u32,
    },
    /// One of its tasks settled.
    Counted {
        /// Which run.
        run: RunId,
        /// Which step.
        step: StepNo,
        /// Settled well so far.
        succeeded: u32,
        /// Failed so far.
        failed: u32,
    },
    /// It is over.
    Settled {
        /// Which run.
        run: RunId,
        /// Which step.
        step: StepNo,
        /// How: one of the settled states.
        state: State,
        /// Items settled well.
        succeeded: u32,
        /// Items that failed for good.
        failed: u32,
    },
    /// Its run is retried from before it.
    Reset {
        /// Which run.
        run: RunId,
        /// Which step.
        step: StepNo,
        /// The row it begins anew with; none: as if nothing had happened.
        progress: Option<Progress>,
    },
}

/// How far a step is; none: nothing has happened to it.
pub fn progress(view: &dyn View, run: RunId, step: StepNo) -> Option<Progress> {
    schema::STEP.get(view, &(run, step))
}

/// All steps of a run that something has happened to.
pub fn steps(view: &dyn View, run: RunId) -> Vec<(StepNo, Progress)> {
    schema::STEP.under(view, &(run,)).map(|((_, step), progress)| (step, progress)).collect()
}

/// What a role's driver must compute, the runs' oldest first.
pub fn questions(view: &dyn View, role: RoleId, max: usize) -> Vec<Question> {
    schema::QUESTION.under(view, &(role,)).take(max).map(|((_, question), ())| question).collect()
}
