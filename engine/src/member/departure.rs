//! What a departure came to: who went, how, and what changed hands because of it.
//!
//! Each follows the facts of the entry that it sums up, so that one line can be said about it long after these have left the
//! feed. The newest [`DEPARTURES_MAX`] are kept.

use serde::{Deserialize, Serialize};

use crate::id::{BootId, NodeId};
use crate::store::{Tx, View, schema};
use crate::time::{Moment, Span};

use super::{Event, Member};

/// So many departures are remembered.
pub const DEPARTURES_MAX: u64 = 64;

/// How a node went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// It was not heard of for too long.
    Lost,
    /// It said goodbye.
    Left,
    /// It hands over, and finishes what its workers have.
    Drained,
    /// Its process began anew before anybody missed it.
    Restarted,
}

/// One departure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Departure {
    /// Counted from 1, without gaps.
    pub number: u64,
    /// Who.
    pub node: NodeId,
    /// What people called it.
    pub name: String,
    /// Which life of it.
    pub boot: BootId,
    /// How.
    pub cause: Cause,
    /// When the cell took note.
    pub at: Moment,
    /// How long it had not been heard of by then, if who gave it up knew.
    pub silent: Option<Span>,
    /// For people: `connection refused`.
    pub why: String,
    /// Roles that others drive since (or, after a restart, it drives itself in a new epoch).
    pub roles: u32,
    /// Roles of these that nobody could take.
    pub vacant: u32,
    /// Tasks that its workers had and that are run again.
    pub tasks: u32,
}

/// What a departure is made of, before it is counted.
pub(crate) struct Draft<'a> {
    pub(crate) member: &'a Member,
    pub(crate) cause: Cause,
    pub(crate) silent: Option<Span>,
    pub(crate) why: &'a str,
    pub(crate) roles: usize,
    pub(crate) vacant: usize,
    pub(crate) tasks: usize,
}

/// Sums up what an entry has done so far.
pub(crate) fn record(tx: &mut Tx<'_>, draft: Draft<'_>) {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let last = schema::DEPARTURE.under_back(tx, &()).next();
    let departure = Departure {
        number: last.map_or(0, |(number, _)| number) + 1,
        node: draft.member.node,
        name: draft.member.name.clone(),
        boot: draft.member.boot,
        cause: draft.cause,
        at: tx.now(),
        silent: draft.silent,
        why: draft.why.to_owned(),
        roles: count(draft.roles),
        vacant: count(draft.vacant),
        tasks: count(draft.tasks),
    };
    tx.emit(Event::Departed { departure: Box::new(departure) });
}

/// The latest departures, the newest first.
pub fn list(view: &dyn View, max: usize) -> Vec<Departure> {
    schema::DEPARTURE.under_back(view, &()).take(max).map(|(_, departure)| departure).collect()
}
