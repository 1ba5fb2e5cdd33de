//! The one door: every change of replicated state enters here.
//!
//! ```text
//!   Parcel (one Raft entry) = [Entry, Entry, …]
//!      for each: fresh Tx ── decide ──▶ emit ──▶ evolve ──▶ rows     refused: the Tx is dropped whole
//!                              └─ grant the offer's free slots (eager grants), in the same Tx
//!      all kept ones together: one Batch, one list of Records, one Outcome an entry
//! ```

use serde::{Deserialize, Serialize};

use crate::access::Principal;
use crate::command::{self, Command};
use crate::feed::Record;
use crate::id::{Number, Revision, RunId, Version, WorkerId};
use crate::reject::Rejection;
use crate::store::overlay::{Merged, Overlay};
use crate::store::tx::{Stamp, Tx};
use crate::store::{Batch, View, schema};
use crate::task;
use crate::time::Moment;
use crate::version;

/// The most entries one parcel carries.
pub const ENTRIES_MAX: usize = 1_024;
/// The most bytes one parcel carries, encoded.
pub const PARCEL_BYTES_MAX: usize = 8 << 20;

/// A command with its circumstances.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When, by the proposer's clock. Inside, time is `max(last entry's, at)`: it never runs backwards.
    pub at: Moment,
    /// Who asked.
    pub by: Principal,
    /// The newest rules the proposer knows: for readers of the log. Which rules are in force, the tables say: see
    /// [`crate::version`].
    pub version: u32,
    /// Free slots that may be filled in this entry, after its command.
    pub offer: Option<Offer>,
    /// What is asked.
    pub command: Command,
}

/// A worker's free slots: a hint, bounded by what the engine counts itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Whose.
    pub worker: WorkerId,
    /// At most so many tasks.
    pub tasks_max: u32,
}

/// What one Raft entry carries. Encoded by [`crate::codec`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Parcel {
    /// In this order.
    pub entries: Vec<Entry>,
}

/// What an accepted command answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// It is so now (or was already).
    Done,
    /// The workflow stands at this version.
    Defined {
        /// The newest version.
        version: Version,
        /// False: the definition was equal to it.
        changed: bool,
    },
    /// The run exists.
    Started {
        /// Its id: another than asked for, if an `Idempotency-Key` was repeated.
        run: RunId,
        /// Its number.
        number: Number,
        /// True: this start had been accepted before.
        repeated: bool,
    },
    /// So many of what was named were changed; the others were passed over.
    Changed {
        /// How many.
        count: u32,
    },
}

/// How one entry ended.
pub type Outcome = Result<Reply, Rejection>;

/// What applying a parcel comes to. Nothing of it is in the store until the caller writes the batch.
#[derive(Debug, Clone, Default)]
pub struct Applied {
    /// All rows to write, in order.
    pub batch: Batch,
    /// All records of the feed, in order.
    pub records: Vec<Record>,
    /// One for each entry.
    pub outcomes: Vec<Outcome>,
    /// The newest revision after it (unchanged if nothing was recorded).
    pub revision: Revision,
}

/// The engine with its memory of decoded graphs. It has no other state: everything true is in the store.
#[derive(Debug, Default)]
pub struct Engine {
    /// Decoded graphs by workflow and version; definitions never change, so this is only speed.
    graphs: crate::catalog::graph::Shelf,
}

impl Engine {
    /// Applies a parcel to what `view` shows. The caller writes [`Applied::batch`] before the next call.
    pub fn apply(&mut self, view: &dyn View, parcel: &Parcel) -> Applied {
        let mut clock = schema::clock(view);
        assert!(
            clock.rules <= version::NEWEST,
            "the cell has agreed on rules {}, this build knows {}: install a newer one",
            clock.rules,
            version::NEWEST,
        );
        let mut overlay = Overlay::default();
        let mut records = Vec::new();
        let mut outcomes = Vec::with_capacity(parcel.entries.len());
        for entry in &parcel.entries {
            let stamp = Stamp {
                now: entry.at.max(clock.now),
                by: &entry.by,
                rules: clock.rules,
                revision: clock.revision,
            };
            let outcome = self.one(view, &mut overlay, stamp, entry);
            outcomes.push(outcome.map(|(reply, mut made)| {
                clock = schema::clock(&Merged::new(view, &overlay));
                records.append(&mut made);
                reply
            }));
        }
        let batch = overlay.into_batch();
        Applied { batch, records, outcomes, revision: clock.revision }
    }

    /// One entry: its command, then its offer. Refused, it leaves no trace.
    fn one(
        &mut self,
        view: &dyn View,
        overlay: &mut Overlay,
        stamp: Stamp<'_>,
        entry: &Entry,
    ) -> Result<(Reply, Vec<Record>), Rejection> {
        let mut tx = Tx::begin(view, overlay, &mut self.graphs, stamp);
        let decided = command::decide(&mut tx, &entry.command);
        if decided.is_ok()
            && let Some(offer) = entry.offer
        {
            task::grant::grant(&mut tx, offer);
        }
        match decided {
            Ok(reply) => {
                let made = tx.finish();
                overlay.keep();
                Ok((reply, made))
            }
            Err(rejection) => {
                drop(tx);
                overlay.forget();
                if entry.command.defines() {
                    // A definition that was undone must not be remembered.
                    self.graphs.clear();
                }
                Err(rejection)
            }
        }
    }
}
