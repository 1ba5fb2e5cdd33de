//! Definitions and their versions.
//!
//! A definition is what `oarlock apply` sends, with everything a library must tell already told: the file is parsed, the names
//! are places, the durations are milliseconds. A run pins the version it started with, so redefining a workflow never touches a
//! running run. Conditions and templates stay as text in here: the engine carries them, the role that drives the run reads them.
//!
//! ```text
//!            Define (first)            Define (changed)
//!   nothing ───────────────▶ version 1 ───────────────▶ version 2 … (older ones stay while runs pin them)
//!                               │  ▲
//!                         Pause │  │ Resume       Remove: no new runs, name free; refused while runs are unfinished
//!                               ▼  │
//!                             paused: starts are refused, running runs go on
//! ```

pub mod graph;
pub mod shape;

pub(crate) mod decide;
pub(crate) mod evolve;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::blob::Payload;
use crate::id::{Priority, RoleId, StepNo, Version, WorkflowId};
use crate::run::OnConflict;
use crate::store::{View, schema};
use crate::task::retry::Retry;
use crate::time::{Moment, Span};

/// The most names of workflows a cell ever knows, removed ones too: each has a role.
pub const WORKFLOWS_MAX: u32 = 10_000;
/// The most steps a definition may have.
pub const STEPS_MAX: usize = 5_000;
/// The longest name of a workflow, step, queue, signal or key, in bytes.
pub const NAME_BYTES_MAX: usize = 128;
/// The largest definition, in bytes, with its source.
pub const DEFINITION_BYTES_MAX: usize = 4 << 20;

/// A workflow as it was applied: the graph, the policies, and the text that the role evaluates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// What users call it: `[a-z0-9][a-z0-9_-]*`.
    pub name: String,
    /// One line for people; may be empty.
    pub description: String,
    /// The steps, in file order. `needs` point into this list.
    pub steps: Vec<Step>,
    /// A JSON Schema object for the inputs, checked by the door before a run starts.
    pub inputs: Payload,
    /// A JSON value with `${{ }}` templates that becomes the run's output; empty: the run has no output.
    pub outputs: Payload,
    /// How long a run may take from its start; none: for ever.
    pub timeout: Option<Span>,
    /// Priority of its tasks where neither the run nor the step says otherwise.
    pub priority: Priority,
    /// How many runs with the same key may be unfinished.
    pub concurrency: Option<Concurrency>,
    /// Copied to each run.
    pub labels: BTreeMap<String, String>,
    /// How long finished runs are kept; none: the cell's setting.
    pub retention: Option<Span>,
    /// The file as its author wrote it, comments and all.
    pub source: Payload,
}

/// A task as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its key in the file.
    pub name: String,
    /// Steps that must be settled before this one is looked at.
    pub needs: Vec<StepNo>,
    /// What the outcomes of those must be.
    pub rule: Rule,
    /// `if:` in CEL, where it needs more than [`Rule`].
    pub condition: Option<String>,
    /// `each:`; none: one task.
    pub each: Option<Each>,
    /// What to do, where nothing has to be computed. None: the role computes it from `template`.
    pub order: Option<Order>,
    /// The action as JSON with `${{ }}` templates; empty where `order` is given.
    pub template: Payload,
    /// Which workers it waits for.
    pub queue: String,
    /// Higher first; none: the run's.
    pub priority: Option<Priority>,
    /// How long one attempt may take.
    pub timeout: Span,
    /// How often and how fast it is tried again.
    pub retry: Retry,
    /// What becomes of the run when the last attempt has failed.
    pub on_failure: OnFailure,
    /// True for a step that only runs as another's `on_failure: task:NAME`.
    pub handler: bool,
}

/// When a step whose needs are settled may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rule {
    /// No need failed, and at least one succeeded (a branch not taken does not stop the join).
    Succeeded,
    /// However the needs ended (`always()`, or a condition that looks at outcomes itself).
    Settled,
    /// At least one need failed (`failed()`).
    Failed,
}

/// A fan-out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Each {
    /// A JSON list, or one `${{ }}` that gives a list.
    pub items: Payload,
    /// How many may be unfinished at once; none: as many as the engine opens at a time.
    pub parallel_max: Option<u32>,
}

/// What a task is to do, with nothing left to compute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Work for a worker.
    Work {
        /// Which kind of worker: [`Kind`].
        kind: Kind,
        /// What the executor needs, as JSON: for `run` the command, for `call` the input.
        body: Payload,
    },
    /// Be done after this long.
    Sleep {
        /// How long.
        span: Span,
    },
    /// Be done when the run is signalled.
    Wait {
        /// The signal's name.
        signal: String,
        /// How long to wait; none: for ever.
        timeout: Option<Span>,
        /// Whether running out of time is a success (with output `null`) or a failure.
        on_timeout: OnTimeout,
    },
    /// Start another workflow and be done when it is.
    Child {
        /// The workflow's name; its newest version is taken.
        workflow: String,
        /// Its bound input, as JSON.
        input: Payload,
    },
    /// Tell the feed.
    Emit {
        /// The event's name.
        name: String,
        /// Its payload, as JSON.
        body: Payload,
    },
}

/// Who can do a piece of work.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    /// Every node's own worker: `run`, `http`, `noop`. The name says which executor.
    Builtin(String),
    /// A worker that has registered a handler of this name.
    Call(String),
}

/// What a `wait` does when its time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnTimeout {
    /// The task fails with `timeout`.
    Fail,
    /// The task succeeds with `null`.
    Continue,
}

/// What becomes of the run when a task's last attempt has failed. Every such task is also a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnFailure {
    /// What needs it is skipped, other branches finish, the run fails.
    Fail,
    /// What needs it goes on as if it had succeeded with `null`.
    Ignore,
    /// The run stays open until somebody retries or discards the dead letter.
    DeadLetter,
    /// This step runs, then the run fails.
    Task(StepNo),
}

/// At most `limit` unfinished runs with one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Concurrency {
    /// Text with `${{ }}` over the run's inputs; the door evaluates it.
    pub key: String,
    /// How many.
    pub limit: u32,
    /// What happens to one too many.
    pub on_conflict: OnConflict,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Make this the newest version; a definition equal to the newest changes nothing.
    Define {
        /// What to define; boxed because it is far larger than any other command.
        definition: Box<Definition>,
        /// Refuse unless this is the newest version (`If-Match`); 0: unless there is none.
        expected: Option<Version>,
    },
    /// No new runs; the name is free again. Refused while runs are unfinished.
    Remove {
        /// The workflow's name.
        name: String,
    },
    /// Refuse starts until resumed.
    Pause {
        /// The workflow's name.
        name: String,
    },
    /// Accept starts again.
    Resume {
        /// The workflow's name.
        name: String,
    },
}

/// What can have happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A name was used for the first time, or again after it was removed.
    Named {
        /// Its number.
        workflow: WorkflowId,
        /// The name.
        name: String,
        /// The role that drives its runs.
        role: RoleId,
    },
    /// There is a newer version. The definition itself is in the tables, not in the feed.
    Defined {
        /// Which workflow.
        workflow: WorkflowId,
        /// The new version.
        version: Version,
    },
    /// It takes no more starts.
    Paused {
        /// Which workflow.
        workflow: WorkflowId,
    },
    /// It takes starts again.
    Resumed {
        /// Which workflow.
        workflow: WorkflowId,
    },
    /// Its name is free.
    Removed {
        /// Which workflow.
        workflow: WorkflowId,
    },
}

/// When a version was applied, and by whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edition {
    /// When.
    pub at: Moment,
    /// By whom.
    pub by: String,
}

/// A workflow as the tables hold it; the definitions are rows of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workflow {
    /// Its number.
    pub id: WorkflowId,
    /// What users call it.
    pub name: String,
    /// Newest version.
    pub newest: Version,
    /// When that was applied.
    pub defined_at: Moment,
    /// Who drives its runs.
    pub role: RoleId,
    /// Whether starts are refused.
    pub paused: bool,
    /// Whether it was removed: kept while its finished runs are.
    pub removed: bool,
    /// The next run's number.
    pub next_number: u64,
    /// Runs that are not finished.
    pub unfinished: u64,
}

/// A workflow by its name; none: there is none, or it was removed.
pub fn find(view: &dyn View, name: &str) -> Option<Workflow> {
    find_any(view, name).filter(|workflow| !workflow.removed)
}

/// The same, also if it was removed: its finished runs are still there.
pub fn find_any(view: &dyn View, name: &str) -> Option<Workflow> {
    let id = schema::WORKFLOW_BY_NAME.get(view, &name.to_owned())?;
    get(view, id)
}

/// A workflow by its number, also if it was removed.
pub fn get(view: &dyn View, id: WorkflowId) -> Option<Workflow> {
    schema::WORKFLOW.get(view, &id)
}

/// One version of a workflow.
pub fn definition(view: &dyn View, id: WorkflowId, version: Version) -> Option<Definition> {
    schema::DEFINITION.get(view, &(id, version))
}

/// Workflows that were not removed, by name, after a name.
pub fn list(view: &dyn View, after: Option<&str>, max: usize) -> Vec<Workflow> {
    let after = after.map(str::to_owned);
    schema::WORKFLOW_BY_NAME
        .after(view, &(), after.as_ref())
        .filter_map(|(_, id)| get(view, id))
        .filter(|workflow| !workflow.removed)
        .take(max)
        .collect()
}

/// All versions of a workflow with when and by whom, the first one first.
pub fn versions(view: &dyn View, id: WorkflowId) -> Vec<(Version, Moment, String)> {
    let editions = schema::EDITION.under(view, &(id,));
    editions.map(|((_, version), edition)| (version, edition.at, edition.by)).collect()
}
