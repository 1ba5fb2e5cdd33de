//! Every table and index on one page: number, key, value, who writes it.
//!
//! A number is never used again for something else. Rows of one run begin with its id, so they lie together and go together.
//! Each group is written by the `evolve` of the concept it is headed with, unless said otherwise.

use serde::{Deserialize, Serialize};

use super::View;
use super::key::Falling;
use super::table::Table;
use crate::blob::{Payload, Slot};
use crate::catalog::{Definition, Edition, Workflow};
use crate::dag::{Progress, Question};
use crate::feed::{Page, Subject};
use crate::id::{
    Attempt, NodeId, Number, Revision, RoleId, RunId, StepNo, TaskId, Version, WorkerId, WorkflowId,
};
use crate::member::Member;
use crate::member::departure::Departure;
use crate::member::profile::Profile;
use crate::queue::Queue;
use crate::queue::order::Class;
use crate::role::{Role, Wish};
use crate::run::{Asked, Run, State};
use crate::task::dead::DeadLetter;
use crate::task::{Task, Try};
use crate::time::Moment;
use crate::timer::Alarm;
use crate::worker::Worker;

/// What the engine remembers of the log as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Clock {
    /// The moment of the last entry that changed anything: time never runs backwards behind it.
    pub now: Moment,
    /// The newest revision of the feed.
    pub revision: Revision,
    /// The first revision that the feed still has, or will have.
    pub oldest: Revision,
    /// The rules in force: see [`crate::version`].
    pub rules: u32,
}

macro_rules! tables {
    ($($(#[$doc:meta])* $number:literal $name:ident: $key:ty => $value:ty;)*) => {
        $($(#[$doc])* pub static $name: Table<$key, $value> = Table::new($number, stringify!($name));)*

        /// Every table's number and name.
        pub const TABLES: &[(u8, &str)] = &[$(($number, stringify!($name))),*];
    };
}

tables! {
    // ── the log as a whole (apply) ───────────────────────────────────────────────────────────────────────────────────
    /// One row.
    1 CLOCK: () => Clock;

    // ── catalog ──────────────────────────────────────────────────────────────────────────────────────────────────────
    /// Workflows, removed ones too. `next_number` and `unfinished` are counted by run events.
    10 WORKFLOW: WorkflowId => Workflow;
    /// By name; a removed workflow keeps its number, and gets it back when the name is used again.
    11 WORKFLOW_BY_NAME: String => WorkflowId;
    /// Definitions as they were applied, encoded.
    12 DEFINITION: (WorkflowId, Version) => Definition;
    /// When and by whom.
    13 EDITION: (WorkflowId, Version) => Edition;

    // ── run ──────────────────────────────────────────────────────────────────────────────────────────────────────────
    /// Runs.
    20 RUN: RunId => Run;
    /// The number people say; also the list of one workflow's runs, by age.
    21 RUN_BY_NUMBER: (WorkflowId, Number) => RunId;
    /// Unfinished runs by the caller's key.
    22 RUN_BY_KEY: (WorkflowId, String) => RunId;
    /// What was asked under an `Idempotency-Key`, until it is forgotten.
    23 RUN_BY_REQUEST: String => Asked;
    /// All runs by age.
    24 RUN_BY_CREATED: (Moment, RunId) => ();
    /// Runs in one state by age; the moment is the creation's.
    25 RUN_BY_STATE: (State, Moment, RunId) => ();
    /// One workflow's runs in one state by age.
    26 RUN_BY_WORKFLOW_STATE: (WorkflowId, State, Number) => RunId;
    /// Finished runs by when they were finished: what retention looks at.
    27 RUN_SETTLED: (WorkflowId, Moment, RunId) => ();
    /// Unfinished runs that have a concurrency key and their turn.
    28 LANE_HOLDER: (WorkflowId, String, RunId) => ();
    /// Runs that wait for their concurrency key, first come first served.
    29 LANE_WAITER: (WorkflowId, String, Number) => RunId;
    /// Signals that nobody has waited for yet: run, name, place.
    30 SIGNAL: (RunId, String, u32) => ();
    /// Tasks that wait for a signal: run, name, task. (Written by `task`.)
    31 SIGNAL_WAITER: (RunId, String, TaskId) => ();
    /// Ids of signals that have arrived.
    32 SIGNAL_SEEN: (RunId, String) => ();

    // ── dag ──────────────────────────────────────────────────────────────────────────────────────────────────────────
    /// Steps that something has happened to.
    40 STEP: (RunId, StepNo) => Progress;
    /// What a role's driver must compute.
    41 QUESTION: (RoleId, Question) => ();

    // ── task ─────────────────────────────────────────────────────────────────────────────────────────────────────────
    /// Tasks, in the order of their run, step and item.
    50 TASK: TaskId => Task;
    /// Attempts.
    51 TRY: (TaskId, Attempt) => Try;
    /// Ready tasks: queue, class of workers, priority falling, since, task. (Kept by `queue::order`.)
    52 READY: (String, Class, Falling, Moment, TaskId) => ();
    /// What each worker holds.
    53 LEASED: (WorkerId, TaskId) => ();
    /// Dead letters.
    54 DEAD: TaskId => DeadLetter;
    /// Dead letters by when they died.
    55 DEAD_BY_TIME: (Moment, TaskId) => ();

    // ── queue, timer ─────────────────────────────────────────────────────────────────────────────────────────────────
    /// Queues; their counts are kept by task events through `queue::order`.
    60 QUEUE: String => Queue;
    /// The names of all queues, rising: one row. (Written by `queue`.)
    61 QUEUE_NAMES: () => Vec<String>;
    /// Alarms of a role, the next one first.
    62 TIMER: (RoleId, Moment, Alarm) => ();

    // ── role, member, worker ─────────────────────────────────────────────────────────────────────────────────────────
    /// Roles.
    70 ROLE: RoleId => Role;
    /// By name.
    71 ROLE_BY_NAME: String => RoleId;
    /// What each node drives.
    72 ROLE_OF_NODE: (NodeId, RoleId) => ();
    /// Members.
    73 MEMBER: NodeId => Member;
    /// Sessions of workers.
    74 WORKER: WorkerId => Worker;
    /// By the node they are attached through.
    75 WORKER_OF_NODE: (NodeId, WorkerId) => ();
    /// Settings that are not at their default.
    76 SETTING: String => String;
    /// What members are for, where they have said so.
    77 PROFILE: NodeId => Profile;
    /// The latest departures of members.
    78 DEPARTURE: u64 => Departure;
    /// Where roles would rather be, where somebody has said so.
    79 WISH: RoleId => Wish;

    // ── feed, blob ───────────────────────────────────────────────────────────────────────────────────────────────────
    /// Records of one entry about one subject, by the first of them.
    80 HISTORY: (Subject, Revision) => Page;
    /// Where the records of one entry lie, by the first of them.
    81 FEED: Revision => Vec<(Subject, Revision)>;
    /// Payloads: the value is the payload's own bytes, without a format byte.
    82 BLOB: (RunId, Slot) => Payload;
}

/// The clock row; before the first entry, one that begins everything.
pub fn clock(view: &dyn View) -> Clock {
    CLOCK.get(view, &()).unwrap_or(Clock {
        now: Moment(0),
        revision: Revision(0),
        oldest: Revision(1),
        rules: crate::version::OLDEST,
    })
}

#[cfg(test)]
mod tests {
    use super::TABLES;

    #[test]
    fn no_two_tables_share_a_number() {
        for pair in TABLES.windows(2) {
            assert!(pair[0].0 < pair[1].0, "{pair:?}");
        }
    }
}
