//! Refusals: the only errors the engine has.
//!
//! A refusal is an answer that every replica reaches alike, and it leaves no trace. What only one replica could meet — a full
//! disk, a flipped bit, a bug — is not in this list: it stops that node.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{Attempt, BootId, Epoch, NodeId, RoleId, RunId, TaskId, Version};
use crate::{member, run};

/// Why a command was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rejection {
    /// There is no workflow of this name (or version).
    NoWorkflow(String),
    /// There is no such run.
    NoRun(RunId),
    /// There is no such task.
    NoTask(TaskId),
    /// There is no such step in the run's definition.
    NoStep(RunId),
    /// There is no such queue.
    NoQueue(String),
    /// There is no such worker session.
    NoWorker,
    /// There is no such member, or this life of it is over.
    NoMember,
    /// There is no such role.
    NoRole(RoleId),
    /// There is no such setting.
    NoSetting(String),
    /// The workflow takes no starts: it is paused.
    WorkflowPaused(String),
    /// The workflow has unfinished runs: so many.
    WorkflowBusy(u64),
    /// The definition has changed since: this is the newest.
    Changed(Version),
    /// The run is in a state in which this cannot be done.
    WrongRunState(run::State),
    /// The task is in a state in which this cannot be done.
    WrongTaskState(TaskId),
    /// The completion is of another attempt than the current one, or of another worker.
    StaleAttempt {
        /// Which task.
        task: TaskId,
        /// The attempt that counts.
        current: Attempt,
    },
    /// The role is at another epoch: its driver has changed.
    StaleEpoch {
        /// Which role.
        role: RoleId,
        /// The epoch that counts.
        current: Epoch,
    },
    /// An unfinished run has this key.
    KeyTaken(RunId),
    /// As many unfinished runs as allowed have this concurrency key.
    LaneFull(String),
    /// The `Idempotency-Key` was used for something else.
    RequestReused,
    /// Something is longer or more than allowed.
    TooLarge {
        /// What: `payload`, `labels`, `steps` …
        what: String,
        /// The limit.
        max: u64,
    },
    /// Something is not well formed: which field, and why.
    Invalid {
        /// Which field.
        field: String,
        /// Why.
        why: String,
    },
    /// The node has begun another life since: this one is over.
    StaleBoot {
        /// Which node.
        node: NodeId,
        /// The boot that counts.
        current: BootId,
    },
    /// The node is in a state in which this cannot be done.
    WrongMemberState {
        /// Which node.
        node: NodeId,
        /// Its state.
        state: member::State,
    },
    /// The cell has agreed on rules that the node's build does not know.
    OldRules {
        /// The newest rules that it knows.
        speaks: u32,
        /// The rules in force.
        agreed: u32,
    },
    /// The node cannot have the role: it does not schedule, or lacks a label.
    Ineligible {
        /// Which node.
        node: NodeId,
        /// Why.
        why: String,
    },
    /// The role is pinned to another node.
    Pinned {
        /// Which role.
        role: RoleId,
        /// To which node.
        node: NodeId,
    },
}

/// The longest text for people that a command may carry (a reason, an address), in bytes.
pub const TEXT_BYTES_MAX: usize = 1 << 10;

/// Refuses a text for people that is too long.
pub(crate) fn text(field: &str, text: &str) -> Result<(), Rejection> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(Rejection::too_large(field, TEXT_BYTES_MAX));
    }
    Ok(())
}

impl Rejection {
    /// Something is not well formed: which field, and why.
    pub(crate) fn invalid(field: &str, why: &str) -> Rejection {
        Rejection::Invalid { field: field.to_owned(), why: why.to_owned() }
    }

    /// Something is longer or more than allowed.
    pub(crate) fn too_large(what: &str, max: usize) -> Rejection {
        Rejection::TooLarge { what: what.to_owned(), max: max as u64 }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rejection::NoWorkflow(name) => write!(f, "no workflow `{name}`"),
            Rejection::NoRun(run) => write!(f, "no run {run}"),
            Rejection::NoTask(task) => write!(f, "no task {task}"),
            Rejection::NoStep(run) => write!(f, "no such step in run {run}"),
            Rejection::NoQueue(name) => write!(f, "no queue `{name}`"),
            Rejection::NoWorker => f.write_str("no such worker session"),
            Rejection::NoMember => f.write_str("no such member, or this life of it is over"),
            Rejection::NoRole(role) => write!(f, "no role {role}"),
            Rejection::NoSetting(name) => write!(f, "no setting `{name}`"),
            Rejection::WorkflowPaused(name) => write!(f, "workflow `{name}` is paused"),
            Rejection::WorkflowBusy(runs) => write!(f, "{runs} runs are unfinished"),
            Rejection::Changed(newest) => {
                write!(f, "changed since: version {newest} is the newest")
            }
            Rejection::WrongRunState(state) => write!(f, "not possible while the run is {state:?}"),
            Rejection::WrongTaskState(task) => write!(f, "not possible in the state of {task}"),
            Rejection::StaleAttempt { task, current } => {
                write!(f, "{task} is at attempt {current}")
            }
            Rejection::StaleEpoch { role, current } => {
                write!(f, "role {role} is at epoch {current}")
            }
            Rejection::KeyTaken(run) => write!(f, "the unfinished run {run} has this key"),
            Rejection::LaneFull(lane) => write!(f, "concurrency key `{lane}` is taken"),
            Rejection::RequestReused => {
                f.write_str("this idempotency key was used for another request")
            }
            Rejection::TooLarge { what, max } => write!(f, "{what}: more than {max}"),
            Rejection::Invalid { field, why } => write!(f, "{field}: {why}"),
            Rejection::StaleBoot { node, current } => {
                write!(f, "node {node} has begun another life since: {current}")
            }
            Rejection::WrongMemberState { node, state } => {
                let state = format!("{state:?}").to_lowercase();
                write!(f, "not possible while node {node} is {state}")
            }
            Rejection::OldRules { speaks, agreed } => write!(
                f,
                "this build knows rules up to {speaks}, the cell has agreed on {agreed}: install \
                 a newer one"
            ),
            Rejection::Ineligible { node, why } => write!(f, "node {node} cannot have it: {why}"),
            Rejection::Pinned { role, node } => {
                write!(f, "role {role} is pinned to node {node}: unpin it first")
            }
        }
    }
}

impl std::error::Error for Rejection {}
