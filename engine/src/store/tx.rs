//! The workbench of one entry: read, emit, commit or forget.
//!
//! ```text
//!   decide ──reads──▶ Tx ──▶ Overlay (what this parcel has written) ──▶ View (what the store holds)
//!      └────emit────▶ Tx ──▶ evolve ──writes──▶ Rows ──▶ Overlay, each write with its undo
//! ```
//!
//! That only `emit` can make [`Rows`], and that only `evolve` is given them, is what keeps the two halves of the engine apart.

use std::sync::Arc;

use super::overlay::{Merged, Overlay};
use super::place::Place;
use super::value::Cell;
use super::{Row, View};
use crate::access::Principal;
use crate::catalog::graph::{Graph, Shelf};
use crate::event::Event;
use crate::feed::Record;
use crate::id::{Revision, Version, WorkflowId};
use crate::time::Moment;

/// The circumstances of an entry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp<'a> {
    /// The entry's moment, never before the last one's.
    pub(crate) now: Moment,
    /// Who asks.
    pub(crate) by: &'a Principal,
    /// Which rules are in force.
    pub(crate) rules: u32,
    /// The newest revision before this entry.
    pub(crate) revision: Revision,
}

/// One entry at work: everything can be read, and the only way to change anything is [`Tx::emit`].
pub(crate) struct Tx<'a> {
    base: &'a dyn View,
    overlay: &'a mut Overlay,
    shelf: &'a mut Shelf,
    stamp: Stamp<'a>,
    records: Vec<Record>,
}

impl<'a> Tx<'a> {
    /// Begins an entry.
    pub(crate) fn begin(
        base: &'a dyn View,
        overlay: &'a mut Overlay,
        shelf: &'a mut Shelf,
        stamp: Stamp<'a>,
    ) -> Self {
        Tx { base, overlay, shelf, stamp, records: Vec::new() }
    }

    /// The entry's moment.
    pub(crate) fn now(&self) -> Moment {
        self.stamp.now
    }

    /// Who asks.
    pub(crate) fn by(&self) -> &str {
        &self.stamp.by.0
    }

    /// Which rules are in force: see [`crate::version`].
    pub(crate) fn rules(&self) -> u32 {
        self.stamp.rules
    }

    /// A definition with its graph, which must exist: runs pin theirs.
    pub(crate) fn graph(&mut self, workflow: WorkflowId, version: Version) -> Arc<Graph> {
        self.shelf.get(&Merged::new(self.base, self.overlay), workflow, version)
    }

    /// Makes a fact: changes the tables, and records it in the feed.
    pub(crate) fn emit(&mut self, event: impl Into<Event>) {
        self.emit_with(event, &[]);
    }

    /// The same, with bytes that the tables keep and the feed does not: a payload, a definition.
    pub(crate) fn emit_with(&mut self, event: impl Into<Event>, attachment: &[u8]) {
        let event = event.into();
        crate::event::evolve(&mut self.rows(), &event, attachment);
        if event.recorded() {
            let next = self.stamp.revision.0 + self.records.len() as u64 + 1;
            self.records.push(Record {
                revision: Revision(next),
                at: self.stamp.now,
                by: self.stamp.by.0.clone(),
                event,
            });
        }
    }

    /// Ends an accepted entry: its records are filed in the feed.
    pub(crate) fn finish(mut self) -> Vec<Record> {
        let records = std::mem::take(&mut self.records);
        if records.is_empty() && !self.overlay.touched() {
            return records;
        }
        crate::feed::evolve::file(&mut self.rows(), &records);
        records
    }

    fn rows(&mut self) -> Rows<'_> {
        Rows { base: self.base, overlay: self.overlay, now: self.stamp.now, by: &self.stamp.by.0 }
    }
}

/// Write access to the tables. Only `emit` makes one, and only `evolve` is given it.
pub(crate) struct Rows<'a> {
    base: &'a dyn View,
    overlay: &'a mut Overlay,
    now: Moment,
    by: &'a str,
}

impl Rows<'_> {
    /// The moment of the event.
    pub(crate) fn now(&self) -> Moment {
        self.now
    }

    /// Who caused the event.
    pub(crate) fn by(&self) -> &str {
        self.by
    }

    pub(super) fn put(&mut self, key: Place, value: Cell) {
        self.overlay.put(key, value);
    }

    pub(super) fn add(&mut self, key: Place, value: Cell) {
        self.overlay.add(self.base, key, value);
    }

    pub(super) fn delete(&mut self, key: Place) {
        self.overlay.delete(key);
    }

    pub(super) fn delete_range(&mut self, from: Vec<u8>, to: Vec<u8>) {
        self.overlay.delete_range(self.base, from, to);
    }
}

macro_rules! view_through_overlay {
    ($name:ident) => {
        impl View for $name<'_> {
            fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
                self.overlay.get(self.base, key)
            }

            fn scan<'a>(&'a self, from: &[u8], to: &[u8]) -> Box<dyn Iterator<Item = Row> + 'a> {
                self.overlay.scan(self.base, from, to)
            }

            fn scan_back<'a>(
                &'a self,
                from: &[u8],
                to: &[u8],
            ) -> Box<dyn Iterator<Item = Row> + 'a> {
                self.overlay.scan_back(self.base, from, to)
            }

            fn bench(&self) -> Option<Merged<'_>> {
                Some(Merged::new(self.base, self.overlay))
            }
        }
    };
}
view_through_overlay!(Tx);
view_through_overlay!(Rows);
