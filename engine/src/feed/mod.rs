//! The event feed: revisions, records, retention.
//!
//! The events that change the tables are the feed. Each has a revision; those of one entry that concern one run lie together
//! under (run, first revision), so a run's history is one range and goes with the run; the feed itself is an ordered list of
//! pointers to them. Blob events are left out: they say nothing that their neighbours do not.

pub(crate) mod decide;
pub(crate) mod evolve;

use serde::{Deserialize, Serialize};

use crate::event::Event as Any;
use crate::id::{Revision, RunId};
use crate::time::Moment;
use crate::timer::Alarm;
use crate::{blob, dag, run, task, timer};

/// An event with its circumstances: what watchers, webhooks and the audit read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its place in the feed.
    pub revision: Revision,
    /// The entry's moment.
    pub at: Moment,
    /// The entry's principal.
    pub by: String,
    /// What happened.
    pub event: Any,
}

/// Whom a record concerns: the first half of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Subject {
    /// The cell: definitions, members, roles, workers, queues.
    Cell,
    /// One run.
    Run(RunId),
}

/// Records of one entry about one subject as the tables hold them: what they share is said once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// The entry's moment.
    at: Moment,
    /// The entry's principal.
    by: String,
    /// Events with their revisions, rising.
    events: Vec<(Revision, Any)>,
}

impl Page {
    fn into_records(self) -> impl Iterator<Item = Record> {
        let Page { at, by, events } = self;
        events.into_iter().map(move |(revision, event)| Record {
            revision,
            at,
            by: by.clone(),
            event,
        })
    }
}

/// Whom an event concerns. That a run was purged concerns the cell: the run has no history any more.
#[must_use]
pub fn subject(event: &Any) -> Subject {
    match event {
        Any::Catalog(_)
        | Any::Queue(_)
        | Any::Role(_)
        | Any::Member(_)
        | Any::Worker(_)
        | Any::Feed(_)
        | Any::Setting(_) => Subject::Cell,
        Any::Blob(blob::Event::Kept { run, .. }) => Subject::Run(*run),
        Any::Run(event) => of_run_event(event),
        Any::Dag(event) => Subject::Run(of_dag_event(event)),
        Any::Task(event) => Subject::Run(of_task_event(event)),
        Any::Timer(timer::Event::Set { alarm, .. } | timer::Event::Cleared { alarm, .. }) => {
            of_alarm(alarm)
        }
    }
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Forget the feed before a revision (not the runs' own histories). Proposed by the keeper.
    Trim {
        /// The first revision that stays.
        before: Revision,
    },
}

/// What can have happened. Not recorded itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The feed begins here.
    Trimmed {
        /// The first revision that stays.
        before: Revision,
    },
}

fn of_run_event(event: &run::Event) -> Subject {
    use run::Event as E;
    match event {
        E::Started { run, .. } => Subject::Run(run.id),
        E::Held { run }
        | E::Released { run }
        | E::Began { run }
        | E::Paused { run, .. }
        | E::Resumed { run }
        | E::Doomed { run, .. }
        | E::Marred { run, .. }
        | E::Settled { run, .. }
        | E::Reopened { run, .. }
        | E::Signalled { run, .. }
        | E::Tagged { run, .. } => Subject::Run(*run),
        E::Purged { .. } => Subject::Cell,
    }
}

fn of_dag_event(event: &dag::Event) -> RunId {
    use dag::Event as E;
    match event {
        E::Asked { question, .. } | E::Answered { question, .. } => question.run,
        E::Unblocked { run, .. }
        | E::Opened { run, .. }
        | E::Widened { run, .. }
        | E::Counted { run, .. }
        | E::Settled { run, .. }
        | E::Reset { run, .. } => *run,
    }
}

fn of_task_event(event: &task::Event) -> RunId {
    use task::Event as E;
    match event {
        E::Opened { task } => task.id.run,
        E::Ordered { task, .. }
        | E::Readied { task, .. }
        | E::Leased { task, .. }
        | E::Waited { task, .. }
        | E::Returned { task, .. }
        | E::Rested { task, .. }
        | E::Succeeded { task, .. }
        | E::Died { task, .. }
        | E::Revoked { task, .. }
        | E::Revived { task }
        | E::Discarded { task, .. }
        | E::Forgotten { task } => task.run,
    }
}

fn of_alarm(alarm: &Alarm) -> Subject {
    match alarm {
        Alarm::RunDue(run) | Alarm::RunOver(run) => Subject::Run(*run),
        Alarm::RetryDue(task) | Alarm::SleepOver(task) | Alarm::WaitOver(task) => {
            Subject::Run(task.run)
        }
        Alarm::RequestOver(_) => Subject::Cell,
    }
}
