//! Everything that can have happened: participles, grouped by concept.

use serde::{Deserialize, Serialize};

use crate::store::Rows;
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

impl Event {
    /// Whether the feed has it. Payloads say nothing that their neighbours do not, and the feed does not watch itself.
    #[must_use]
    pub fn recorded(&self) -> bool {
        match self {
            Event::Catalog(_)
            | Event::Run(_)
            | Event::Dag(_)
            | Event::Task(_)
            | Event::Queue(_)
            | Event::Timer(_)
            | Event::Role(_)
            | Event::Member(_)
            | Event::Worker(_)
            | Event::Setting(_) => true,
            Event::Feed(_) | Event::Blob(_) => false,
        }
    }
}

/// Hands an event to the one place that knows which rows it changes.
pub(crate) fn evolve(rows: &mut Rows<'_>, event: &Event, attachment: &[u8]) {
    match event {
        Event::Catalog(event) => catalog::evolve::evolve(rows, event, attachment),
        Event::Run(event) => run::evolve::evolve(rows, event),
        Event::Dag(event) => dag::evolve::evolve(rows, event),
        Event::Task(event) => task::evolve::evolve(rows, event),
        Event::Queue(event) => queue::evolve::evolve(rows, event),
        Event::Timer(event) => timer::evolve::evolve(rows, event),
        Event::Role(event) => role::evolve::evolve(rows, event),
        Event::Member(event) => member::evolve::evolve(rows, event),
        Event::Worker(event) => worker::evolve::evolve(rows, event),
        Event::Feed(event) => feed::evolve::evolve(rows, event),
        Event::Setting(event) => setting::evolve::evolve(rows, event),
        Event::Blob(event) => blob::evolve::evolve(rows, event, attachment),
    }
}

macro_rules! from_concepts {
    ($($variant:ident from $concept:ident),*) => {$(
        impl From<$concept::Event> for Event {
            fn from(event: $concept::Event) -> Self {
                Event::$variant(event)
            }
        }
    )*};
}
from_concepts!(
    Catalog from catalog, Run from run, Dag from dag, Task from task, Queue from queue,
    Timer from timer, Role from role, Member from member, Worker from worker, Feed from feed,
    Setting from setting, Blob from blob
);
