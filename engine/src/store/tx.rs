//! The workbench of one entry: read, emit, commit or forget.
//!
//! ```text
//!   decide ──reads──▶ Tx ──▶ Overlay (what this parcel has written) ──▶ View (what the store holds)
//!      └────emit────▶ Tx ──▶ evolve ──writes──▶ Rows ──▶ Overlay, each write with its undo
//! ```
//!
//! All entries of a parcel share one [`Overlay`], so that a later entry sees what an earlier one did. Each write notes what it
//! replaced; a refused entry is undone by going back over these notes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::{Batch, Change, Row, View};
use crate::access::Principal;
use crate::catalog::graph::{Graph, Shelf};
use crate::event::Event;
use crate::feed::Record;
use crate::id::{Revision, Version, WorkflowId};
use crate::time::Moment;

/// A range with fewer rows than this is taken away row by row: a store keeps a range's tombstone for long.
const SINGLY_MAX: usize = 64;

/// Values longer than this are read again rather than remembered.
const REMEMBERED_BYTES_MAX: usize = 4 << 10;

/// What a parcel has written so far, above what the store holds.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    /// Rows written.
    rows: BTreeMap<Vec<u8>, Written>,
    /// Rows of the store that were read one by one: an entry looks at the same few rows again and again.
    read: RefCell<BTreeMap<Vec<u8>, Option<Vec<u8>>>>,
    /// Ranges of the store that were taken away, by their beginning. No two of them overlap.
    gone: BTreeMap<Vec<u8>, Vec<u8>>,
    /// How to undo the current entry, last step first.
    undo: Vec<Undo>,
}

/// What a parcel wrote for one key.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Written {
    /// A value, above whatever the store holds.
    Put(Vec<u8>),
    /// A value where the store holds none: taken away again, it leaves nothing to do.
    Added(Vec<u8>),
    /// Taken away.
    Gone,
}

impl Written {
    fn value(&self) -> Option<&Vec<u8>> {
        match self {
            Written::Put(value) | Written::Added(value) => Some(value),
            Written::Gone => None,
        }
    }
}

#[derive(Debug)]
enum Undo {
    /// The row was like this before: none, not written at all.
    Row(Vec<u8>, Option<Written>),
    /// The range beginning here ended like this before: none, there was none.
    Gone(Vec<u8>, Option<Vec<u8>>),
}

impl Overlay {
    /// What the current entry did is kept.
    pub(crate) fn keep(&mut self) {
        self.undo.clear();
    }

    /// Whether the current entry has written anything.
    pub(crate) fn touched(&self) -> bool {
        !self.undo.is_empty()
    }

    /// What the current entry did is undone.
    pub(crate) fn forget(&mut self) {
        while let Some(step) = self.undo.pop() {
            match step {
                Undo::Row(key, Some(before)) => drop(self.rows.insert(key, before)),
                Undo::Row(key, None) => drop(self.rows.remove(&key)),
                Undo::Gone(from, Some(to)) => drop(self.gone.insert(from, to)),
                Undo::Gone(from, None) => drop(self.gone.remove(&from)),
            }
        }
    }

    /// Everything written, to be made together: ranges first, since a row in one may have been written again.
    pub(crate) fn into_batch(self) -> Batch {
        let ranges = self.gone.into_iter().map(|(from, to)| Change::DeleteRange(from, to));
        let rows = self.rows.into_iter().map(|(key, written)| match written {
            Written::Put(value) | Written::Added(value) => Change::Put(key, value),
            Written::Gone => Change::Delete(key),
        });
        Batch { changes: ranges.chain(rows).collect() }
    }

    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        let before = match self.rows.get_mut(&key) {
            Some(row) => {
                let added = matches!(row, Written::Added(_));
                let after = if added { Written::Added(value) } else { Written::Put(value) };
                Some(std::mem::replace(row, after))
            }
            None => self.rows.insert(key.clone(), Written::Put(value)),
        };
        self.undo.push(Undo::Row(key, before));
    }

    /// Writes a row that the store does not hold, which the caller knows.
    fn add(&mut self, base: &dyn View, key: Vec<u8>, value: Vec<u8>) {
        debug_assert!(self.get(base, &key).is_none(), "a row is added where one is: {key:02x?}");
        let before = match self.rows.get_mut(&key) {
            // Taken away before: then the store may hold it.
            Some(row) => Some(std::mem::replace(row, Written::Put(value))),
            None => self.rows.insert(key.clone(), Written::Added(value)),
        };
        self.undo.push(Undo::Row(key, before));
    }

    fn delete(&mut self, key: Vec<u8>) {
        let before = match self.rows.get_mut(&key) {
            Some(Written::Added(_)) => self.rows.remove(&key),
            Some(row) => Some(std::mem::replace(row, Written::Gone)),
            None => self.rows.insert(key.clone(), Written::Gone),
        };
        self.undo.push(Undo::Row(key, before));
    }

    fn is_gone(&self, key: &[u8]) -> bool {
        let from = self.gone.range::<[u8], _>((Bound::Unbounded, Bound::Included(key))).next_back();
        from.is_some_and(|(_, to)| key < to.as_slice())
    }

    fn get(&self, base: &dyn View, key: &[u8]) -> Option<Vec<u8>> {
        match self.rows.get(key) {
            Some(written) => written.value().cloned(),
            None if self.is_gone(key) => None,
            None => self.get_below(base, key),
        }
    }

    fn get_below(&self, base: &dyn View, key: &[u8]) -> Option<Vec<u8>> {
        let mut read = self.read.borrow_mut();
        if let Some(known) = read.get(key) {
            return known.clone();
        }
        let found = base.get(key);
        if found.as_ref().is_none_or(|value| value.len() <= REMEMBERED_BYTES_MAX) {
            read.insert(key.to_vec(), found.clone());
        }
        found
    }

    /// Takes a range of the store away, and what was written in it.
    fn write_range(&mut self, base: &dyn View, from: Vec<u8>, to: Vec<u8>) {
        let doomed: Vec<Vec<u8>> =
            self.scan(base, &from, &to).take(SINGLY_MAX).map(|(key, _)| key).collect();
        if doomed.len() < SINGLY_MAX {
            for key in doomed {
                self.delete(key);
            }
            return;
        }
        let written: Vec<Vec<u8>> = self.rows.range(from.clone()..to.clone()).map(first).collect();
        for key in written {
            let before = self.rows.remove(&key);
            self.undo.push(Undo::Row(key, before));
        }
        // Ranges follow the prefixes of keys: two of them are apart, or one holds the other.
        let inside: Vec<Vec<u8>> = self.gone.range(from.clone()..to.clone()).map(first).collect();
        for key in inside {
            let before = self.gone.remove(&key);
            self.undo.push(Undo::Gone(key, before));
        }
        if !self.is_gone(&from) {
            self.undo.push(Undo::Gone(from.clone(), None));
            self.gone.insert(from, to);
        }
    }

    fn scan<'a>(
        &'a self,
        base: &'a dyn View,
        from: &[u8],
        to: &[u8],
    ) -> Box<dyn Iterator<Item = Row> + 'a> {
        let below = base.scan(from, to).filter(|(key, _)| !self.is_gone(key));
        Box::new(Merge::new(below, self.written(from, to), |below, above| below < above))
    }

    fn scan_back<'a>(
        &'a self,
        base: &'a dyn View,
        from: &[u8],
        to: &[u8],
    ) -> Box<dyn Iterator<Item = Row> + 'a> {
        let below = base.scan_back(from, to).filter(|(key, _)| !self.is_gone(key));
        Box::new(Merge::new(below, self.written(from, to).rev(), |below, above| below > above))
    }

    fn written<'a>(
        &'a self,
        from: &[u8],
        to: &[u8],
    ) -> impl DoubleEndedIterator<Item = Above<'a>> + use<'a> {
        let to = if to < from { from } else { to };
        let rows = self.rows.range::<[u8], _>((Bound::Included(from), Bound::Excluded(to)));
        rows.map(|(key, written)| (key, written.value()))
    }
}

fn first<V>((key, _): (&Vec<u8>, V)) -> Vec<u8> {
    key.clone()
}

/// A row of the overlay.
type Above<'a> = (&'a Vec<u8>, Option<&'a Vec<u8>>);

/// The store's rows and the overlay's as one, in one order; where both have a row, the overlay's holds.
struct Merge<B: Iterator, A: Iterator> {
    below: std::iter::Peekable<B>,
    above: std::iter::Peekable<A>,
    /// Whether a key of the store comes before one of the overlay.
    ahead: fn(&[u8], &[u8]) -> bool,
}

impl<'a, B: Iterator<Item = Row>, A: Iterator<Item = Above<'a>>> Merge<B, A> {
    fn new(below: B, above: A, ahead: fn(&[u8], &[u8]) -> bool) -> Self {
        Merge { below: below.peekable(), above: above.peekable(), ahead }
    }
}

impl<'a, B: Iterator<Item = Row>, A: Iterator<Item = Above<'a>>> Iterator for Merge<B, A> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        loop {
            let Some((above, _)) = self.above.peek() else {
                return self.below.next();
            };
            if let Some((below, _)) = self.below.peek() {
                if (self.ahead)(below, above) {
                    return self.below.next();
                }
                if below == *above {
                    self.below.next();
                }
            }
            let (key, value) = self.above.next()?;
            if let Some(value) = value {
                return Some((key.clone(), value.clone()));
            }
        }
    }
}

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

impl<'a> Merged<'a> {
    /// Both as one.
    pub(crate) fn new(base: &'a dyn View, overlay: &'a Overlay) -> Self {
        Merged { base, overlay }
    }
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
    #[allow(dead_code, reason = "there is one set of rules so far; the second will ask")]
    pub(crate) fn rules(&self) -> u32 {
        self.stamp.rules
    }

    /// A definition with its graph, which must exist: runs pin theirs.
    pub(crate) fn graph(&mut self, workflow: WorkflowId, version: Version) -> Arc<Graph> {
        let (base, overlay) = (self.base, &*self.overlay);
        self.shelf.get(&Merged { base, overlay }, workflow, version)
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

    pub(super) fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.overlay.put(key, value);
    }

    pub(super) fn add(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.overlay.add(self.base, key, value);
    }

    pub(super) fn delete(&mut self, key: Vec<u8>) {
        self.overlay.delete(key);
    }

    pub(super) fn delete_range(&mut self, from: Vec<u8>, to: Vec<u8>) {
        self.overlay.write_range(self.base, from, to);
    }
}

/// The store and the overlay, only to read.
pub(crate) struct Merged<'a> {
    base: &'a dyn View,
    overlay: &'a Overlay,
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
        }
    };
}
view_through_overlay!(Tx);
view_through_overlay!(Rows);
view_through_overlay!(Merged);
