//! Everything that can be asked: imperatives, grouped by concept.
//!
//! A command names what it is about and what state it expects of it, so that repeating it after a time-out is harmless.

use serde::{Deserialize, Serialize};

use crate::{catalog, dag, feed, member, queue, role, run, setting, task, timer, worker};

/// One request for a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// About definitions.
    Catalog(catalog::Command),
    /// About runs.
    Run(run::Command),
    /// About graphs.
    Dag(dag::Command),
    /// About tasks.
    Task(task::Command),
    /// About queues.
    Queue(queue::Command),
    /// About time.
    Timer(timer::Command),
    /// About who drives what.
    Role(role::Command),
    /// About nodes.
    Member(member::Command),
    /// About workers.
    Worker(worker::Command),
    /// About the feed.
    Feed(feed::Command),
    /// About settings of the cell.
    Setting(setting::Command),
}
