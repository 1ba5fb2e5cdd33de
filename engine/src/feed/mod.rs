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
