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
use crate::store::{View, schema};
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
    /// The revisions of its events.
    pub(crate) fn revisions(&self) -> Vec<Revision> {
        self.events.iter().map(|(revision, _)| *revision).collect()
    }

    /// Its events with their revisions.
    pub(crate) fn events(&self) -> impl Iterator<Item = (Revision, &Any)> {
        self.events.iter().map(|(revision, event)| (*revision, event))
    }

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
        | E::Released { run, .. }
        | E::Began { run }
        | E::Paused { run, .. }
        | E::Resumed { run }
        | E::Doomed { run, .. }
        | E::Marred { run, .. }
        | E::Settled { run, .. }
        | E::Reopened { run, .. }
        | E::Signalled { run, .. }
        | E::Heard { run, .. }
        | E::Tagged { run, .. } => Subject::Run(*run),
        E::Purged { .. } | E::Unasked { .. } => Subject::Cell,
    }
}

fn of_dag_event(event: &dag::Event) -> RunId {
    use dag::Event as E;
    match event {
        E::Asked { question, .. } | E::Answered { question, .. } => question.run,
        E::Unblocked { run, .. }
        | E::Opened { run, .. }
        | E::Stumped { run, .. }
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
        | E::Withheld { task }
        | E::Emitted { task, .. }
        | E::Readied { task, .. }
        | E::Leased { task, .. }
        | E::Waited { task, .. }
        | E::Returned { task, .. }
        | E::Rested { task, .. }
        | E::Succeeded { task, .. }
        | E::Died { task, .. }
        | E::Revoked { task, .. }
        | E::Revived { task, .. }
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

/// The newest revision.
pub fn revision(view: &dyn View) -> Revision {
    schema::clock(view).revision
}

/// The first revision that the feed still has, or will have.
pub fn oldest(view: &dyn View) -> Revision {
    schema::clock(view).oldest
}

/// At most `max` records after a revision, in order. What purged runs did is left out, so revisions may be missing.
pub fn after(view: &dyn View, after: Revision, max: usize) -> Vec<Record> {
    // The entry that holds the next revision may have begun before it.
    let next = Revision(after.0.saturating_add(2));
    let begun = schema::FEED.before_back(view, &(), Some(&next)).next();
    let from = begun.map_or(Revision(0), |(first, _)| Revision(first.0.saturating_sub(1)));
    let mut found = Vec::new();
    for (_, places) in schema::FEED.after(view, &(), Some(&from)) {
        let mut records: Vec<Record> = places
            .iter()
            .filter_map(|place| schema::HISTORY.get(view, place))
            .flat_map(Page::into_records)
            .filter(|record| record.revision > after)
            .collect();
        records.sort_by_key(|record| record.revision);
        found.append(&mut records);
        if found.len() >= max {
            found.truncate(max);
            break;
        }
    }
    found
}

/// A run's records after a revision, in order.
pub fn of_run(view: &dyn View, run: RunId, after: Revision, max: usize) -> Vec<Record> {
    let subject = Subject::Run(run);
    let next = (subject, Revision(after.0.saturating_add(2)));
    let begun = schema::HISTORY.before_back(view, &(subject,), Some(&next)).next();
    let from = begun.map(|((_, first), _)| (subject, Revision(first.0.saturating_sub(1))));
    let pages = schema::HISTORY.after(view, &(subject,), from.as_ref());
    let records = pages.flat_map(|(_, page)| page.into_records());
    records.filter(|record| record.revision > after).take(max).collect()
}

/// A run's records before a revision, the newest first.
pub fn of_run_back(view: &dyn View, run: RunId, before: Revision, max: usize) -> Vec<Record> {
    back(view, Subject::Run(run), before, max)
}

/// The cell's own records before a revision, the newest first: definitions, members, roles, queues.
pub fn of_cell_back(view: &dyn View, before: Revision, max: usize) -> Vec<Record> {
    back(view, Subject::Cell, before, max)
}

fn back(view: &dyn View, subject: Subject, before: Revision, max: usize) -> Vec<Record> {
    let pages = schema::HISTORY.before_back(view, &(subject,), Some(&(subject, before)));
    let records = pages.flat_map(|(_, page)| {
        let mut records: Vec<Record> = page.into_records().collect();
        records.reverse();
        records
    });
    records.filter(|record| record.revision < before).take(max).collect()
}
