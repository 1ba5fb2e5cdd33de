//! Everything that can be asked: imperatives, grouped by concept.
//!
//! A command names what it is about and what state it expects of it, so that repeating it after a time-out is harmless.

use serde::{Deserialize, Serialize};

use crate::apply::Reply;
use crate::reject::Rejection;
use crate::store::Tx;
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

impl Command {
    /// Whether it may put a definition into the tables.
    pub(crate) fn defines(&self) -> bool {
        match self {
            Command::Catalog(_) => true,
            Command::Role(role::Command::Act { command, .. }) => command.defines(),
            Command::Run(_)
            | Command::Dag(_)
            | Command::Task(_)
            | Command::Queue(_)
            | Command::Timer(_)
            | Command::Role(_)
            | Command::Member(_)
            | Command::Worker(_)
            | Command::Feed(_)
            | Command::Setting(_) => false,
        }
    }
}

/// Hands a command to the one place that knows what it comes to.
pub(crate) fn decide(tx: &mut Tx<'_>, command: &Command) -> Result<Reply, Rejection> {
    match command {
        Command::Catalog(command) => catalog::decide::decide(tx, command),
        Command::Run(command) => run::decide::decide(tx, command),
        Command::Dag(command) => dag::decide::decide(tx, command),
        Command::Task(command) => task::decide::decide(tx, command),
        Command::Queue(command) => queue::decide::decide(tx, command),
        Command::Timer(command) => timer::decide::decide(tx, command),
        Command::Role(command) => role::decide::decide(tx, command),
        Command::Member(command) => member::decide::decide(tx, command),
        Command::Worker(command) => worker::decide::decide(tx, command),
        Command::Feed(command) => feed::decide::decide(tx, command),
        Command::Setting(command) => setting::decide::decide(tx, command),
    }
}

macro_rules! from_concepts {
    ($($variant:ident from $concept:ident),*) => {$(
        impl From<$concept::Command> for Command {
            fn from(command: $concept::Command) -> Self {
                Command::$variant(command)
            }
        }
    )*};
}
from_concepts!(
    Catalog from catalog, Run from run, Dag from dag, Task from task, Queue from queue,
    Timer from timer, Role from role, Member from member, Worker from worker, Feed from feed,
    Setting from setting
);
