//! Everything that will be due, in one ordered table.
//!
//! Retries, sleeps, signal time-outs, delayed starts, run time-outs and forgotten idempotency keys are alarms of a role. The
//! role's driver sleeps until the first and proposes a tick; the engine fires what is due, oldest first, and looks at the table
//! anew after each, because the first alarm may end the run that the second belongs to. A bounded number is fired an entry, so a
//! node that was away for a day catches up in steps.

pub(crate) mod decide;
pub(crate) mod evolve;

use serde::{Deserialize, Serialize};

use crate::id::{Epoch, RoleId, RunId, TaskId};
use crate::store::{Tx, View, schema};
use crate::time::Moment;

/// The most alarms one tick fires.
pub const FIRED_MAX: usize = 128;

/// What happens when a timer is due.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Alarm {
    /// A delayed run may begin.
    RunDue(RunId),
    /// A run has taken longer than it may.
    RunOver(RunId),
    /// A resting task may be tried again.
    RetryDue(TaskId),
    /// A `sleep` is over.
    SleepOver(TaskId),
    /// A `wait` gives up.
    WaitOver(TaskId),
    /// An `Idempotency-Key` may be forgotten.
    RequestOver(String),
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Fire what is due at the entry's moment, at most [`FIRED_MAX`].
    Tick {
        /// Of which role.
        role: RoleId,
        /// As whose driver.
        epoch: Epoch,
    },
}

/// What can have happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// An alarm is set.
    Set {
        /// For which role.
        role: RoleId,
        /// When.
        at: Moment,
        /// What.
        alarm: Alarm,
    },
    /// An alarm is gone: it fired, or what it was for is over.
    Cleared {
        /// For which role.
        role: RoleId,
        /// When it was due.
        at: Moment,
        /// What.
        alarm: Alarm,
    },
}

/// The next alarm of a role.
pub fn next(view: &dyn View, role: RoleId) -> Option<(Moment, Alarm)> {
    schema::TIMER.under(view, &(role,)).next().map(|((_, at, alarm), ())| (at, alarm))
}

/// Sets an alarm.
pub(crate) fn set(tx: &mut Tx<'_>, role: RoleId, at: Moment, alarm: Alarm) {
    tx.emit(Event::Set { role, at, alarm });
}

/// Takes an alarm away that is set for this moment.
pub(crate) fn clear(tx: &mut Tx<'_>, role: RoleId, at: Moment, alarm: Alarm) {
    tx.emit(Event::Cleared { role, at, alarm });
}
