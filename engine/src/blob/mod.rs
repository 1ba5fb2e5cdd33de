//! Payloads, kept apart from events so that they can be erased.
//!
//! Whatever users put in or get out — inputs, outputs, signals, captured logs — is a blob. Events say that there is one and never
//! what is in it; deleting a run's blobs therefore breaks no reader of the feed. A blob's key begins with its run, so a run's
//! payloads lie together and go together.

pub(crate) mod evolve;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{Attempt, Item, RunId, StepNo, TaskId};
use crate::reject::Rejection;
use crate::store::{Tx, View, schema};

/// The largest payload, in bytes; the doors refuse more (413), the worker cuts captured output.
pub const PAYLOAD_BYTES_MAX: usize = 1 << 20;

/// Bytes of a user: JSON text unless said otherwise. Kept as they came, byte for byte.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Payload(pub Vec<u8>);

impl Payload {
    /// A payload of no bytes: "there is none".
    pub const EMPTY: Payload = Payload(Vec::new());

    /// Whether there is one at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Payload {
    /// Only the size: payloads are users' data and stay out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl From<&str> for Payload {
    fn from(text: &str) -> Self {
        Payload(text.as_bytes().to_vec())
    }
}

/// Which of a run's payloads. The key of the blob table is (run, slot).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Slot {
    /// What the run was started with, after defaults.
    Input,
    /// What the run came to.
    Output,
    /// The list that a step's `each` works through, as JSON.
    Items(StepNo),
    /// A task's computed [`crate::catalog::Order`], encoded; absent where the definition's own serves.
    Order(StepNo, Item),
    /// What a task came to.
    Result(StepNo, Item),
    /// What one attempt printed, bounded.
    Log(StepNo, Item, Attempt),
    /// A signal that nobody has waited for yet, by its place in the run's row.
    Signal(u32),
    /// What an `emit` task said.
    Emitted(StepNo, Item),
}

impl Slot {
    /// Where a task's order lies.
    #[must_use]
    pub fn order(task: TaskId) -> Slot {
        Slot::Order(task.step, task.item)
    }

    /// Where a task's result lies.
    #[must_use]
    pub fn result(task: TaskId) -> Slot {
        Slot::Result(task.step, task.item)
    }
}

/// What can have happened. Not recorded in the feed: the bytes travel beside the event, never in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A payload is kept.
    Kept {
        /// Of which run.
        run: RunId,
        /// Which of its payloads.
        slot: Slot,
        /// Its size.
        bytes: u32,
    },
}

/// A payload of a run.
pub fn get(view: &dyn View, run: RunId, slot: Slot) -> Option<Payload> {
    schema::BLOB.get_bytes(view, &(run, slot)).map(Payload)
}

/// Keeps a payload. One of no bytes is not kept: that there is none is said by its absence.
pub(crate) fn keep(tx: &mut Tx<'_>, run: RunId, slot: Slot, payload: &Payload) {
    if payload.is_empty() {
        return;
    }
    let bytes = u32::try_from(payload.0.len()).unwrap_or(u32::MAX);
    tx.emit_with(Event::Kept { run, slot, bytes }, &payload.0);
}

/// Refuses a payload that is too large.
pub(crate) fn check(payload: &Payload) -> Result<(), Rejection> {
    if payload.0.len() > PAYLOAD_BYTES_MAX {
        let max = PAYLOAD_BYTES_MAX as u64;
        return Err(Rejection::TooLarge { what: "payload".to_owned(), max });
    }
    Ok(())
}
