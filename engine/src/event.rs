//! Everything that can have happened: participles, grouped by concept.

use serde::{Deserialize, Serialize};

use crate::{blob, catalog, dag, feed, member, queue, role, run, setting, task, timer, worker};

/// One fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// About definitions.
    Catalog(catalog::Event),
    /// About runs.
    Run(run::Event),
    /// About graphs.
    Dag(dag::Event),
    /// About tasks.
    Task(task::Event),
    /// About queues.
    Queue(queue::Event),
    /// About time.
    Timer(timer::Event),
    /// About who drives what.
    Role(role::Event),
    /// About nodes.
    Member(member::Event),
    /// About workers.
    Worker(worker::Event),
    /// About the feed; not recorded in it.
    Feed(feed::Event),
    /// About settings of the cell.
    Setting(setting::Event),
    /// About payloads; not recorded in the feed.
    Blob(blob::Event),
}
