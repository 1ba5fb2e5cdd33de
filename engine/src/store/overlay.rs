//! What a parcel has written so far, above what the store holds.
//!
//! All entries of a parcel share one [`Overlay`], so that a later entry sees what an earlier one did. Each write notes what it
//! replaced; a refused entry is undone by going back over these notes. In the end everything written becomes one [`Batch`].
//!
//! Whole ranges of the store can be taken away (a purged run's payloads); such a range hides what the store holds in it, and what
//! is written in it afterwards is seen again.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::rc::Rc;

use super::place::Place;
use super::shelves::Shelves;
use super::value::{Cell, Value};
use super::{Batch, Change, Row, View};

/// A range with fewer rows than this is taken away row by row: a store keeps a range's tombstone for long.
const SINGLY_MAX: usize = 64;

/// Values longer than this are read again rather than remembered.
const REMEMBERED_BYTES_MAX: usize = 4 << 10;

/// What a parcel has written so far, above what the store holds.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    /// Rows written.
    rows: Shelves<Written>,
    /// Rows of the store that were read one by one: an entry looks at the same few rows again and again.
    read: RefCell<Shelves<Option<Cell>>>,
    /// Ranges of the store that were taken away, by their beginning. No two of them overlap.
    gone: BTreeMap<Vec<u8>, Vec<u8>>,
    /// How to undo the current entry, last step first.
    undo: Vec<Undo>,
}

/// What a parcel wrote for one key.
#[derive(Debug)]
enum Written {
    /// A value, above whatever the store holds.
    Put(Cell),
    /// A value where the store holds none: taken away again, it leaves nothing to do.
    Added(Cell),
    /// Taken away.
    Gone,
}

impl Written {
    fn value(&self) -> Option<&Cell> {
        match self {
            Written::Put(value) | Written::Added(value) => Some(value),
            Written::Gone => None,
        }
    }
}

#[derive(Debug)]
enum Undo {
    /// The row was like this before: none, not written at all.
    Row(Place, Option<Written>),
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
        let rows = self.rows.into_all().map(|(key, written)| match written {
            Written::Put(value) | Written::Added(value) => {
                Change::Put(key.into_vec(), value.to_bytes())
            }
            Written::Gone => Change::Delete(key.into_vec()),
        });
        Batch { changes: ranges.chain(rows).collect() }
    }

    /// Writes a row.
    pub(super) fn put(&mut self, key: Place, value: Cell) {
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
    pub(super) fn add(&mut self, base: &dyn View, key: Place, value: Cell) {
        debug_assert!(!self.has(base, &key), "a row is added where one is: {key:?}");
        let before = match self.rows.get_mut(&key) {
            // Taken away before: then the store may hold it.
            Some(row) => Some(std::mem::replace(row, Written::Put(value))),
            None => self.rows.insert(key.clone(), Written::Added(value)),
        };
        self.undo.push(Undo::Row(key, before));
    }

    /// Takes a row away.
    pub(super) fn delete(&mut self, key: Place) {
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

    /// The value of a key, as written or as the store holds it.
    pub(super) fn get(&self, base: &dyn View, key: &[u8]) -> Option<Vec<u8>> {
        match self.rows.get(key) {
            Some(written) => written.value().map(Cell::to_bytes),
            None if self.is_gone(key) => None,
            None => {
                let mut read = self.read.borrow_mut();
                if let Some(known) = read.get(key) {
                    return known.as_ref().map(Cell::to_bytes);
                }
                let found = base.get(key);
                if found.as_ref().is_none_or(|bytes| bytes.len() <= REMEMBERED_BYTES_MAX) {
                    read.insert(Place::from(key), found.as_deref().map(Cell::bytes));
                }
                found
            }
        }
    }

    /// Whether a key has a value.
    fn has(&self, base: &dyn View, key: &[u8]) -> bool {
        match self.rows.get(key) {
            Some(written) => written.value().is_some(),
            None => self.get(base, key).is_some(),
        }
    }

    /// The value of a key as what it means.
    fn value<V: Value>(
        &self,
        base: &dyn View,
        key: &[u8],
        decode: impl Fn(&[u8]) -> V,
    ) -> Option<Rc<V>> {
        match self.rows.get(key) {
            Some(written) => written.value().map(|cell| cell.to_value(decode)),
            None if self.is_gone(key) => None,
            None => {
                let mut read = self.read.borrow_mut();
                if let Some(known) = read.get(key) {
                    return known.as_ref().map(|cell| cell.to_value(decode));
                }
                let found = base.get(key);
                let small = found.as_ref().is_none_or(|bytes| bytes.len() <= REMEMBERED_BYTES_MAX);
                let value = found.map(|bytes| Rc::new(decode(&bytes)));
                if small {
                    read.insert(Place::from(key), value.as_ref().map(Cell::shared));
                }
                value
            }
        }
    }

    /// Takes a range of the store away, and what was written in it.
    pub(super) fn delete_range(&mut self, base: &dyn View, from: Vec<u8>, to: Vec<u8>) {
        let doomed = self.scan(base, &from, &to).take(SINGLY_MAX);
        let doomed: Vec<Place> = doomed.map(|(key, _)| Place::from(key.as_slice())).collect();
        if doomed.len() < SINGLY_MAX {
            for key in doomed {
                self.delete(key);
            }
            return;
        }
        let written = self.rows.range(&from, &to);
        let written: Vec<Place> = written.map(|(key, _)| key.clone()).collect();
        for key in written {
            let before = self.rows.remove(&key);
            self.undo.push(Undo::Row(key, before));
        }
        // Ranges follow the prefixes of keys: two of them are apart, or one holds the other.
        let inside = self.gone.range(from.clone()..to.clone());
        let inside: Vec<Vec<u8>> = inside.map(|(key, _)| key.clone()).collect();
        for key in inside {
            let before = self.gone.remove(&key);
            self.undo.push(Undo::Gone(key, before));
        }
        if !self.is_gone(&from) {
            self.undo.push(Undo::Gone(from.clone(), None));
            self.gone.insert(from, to);
        }
    }

    /// Rows of a range, as written or as the store holds them.
    pub(super) fn scan<'a>(
        &'a self,
        base: &'a dyn View,
        from: &[u8],
        to: &[u8],
    ) -> Box<dyn Iterator<Item = Row> + 'a> {
        let below = base.scan(from, to).filter(|(key, _)| !self.is_gone(key));
        Box::new(Merge::new(below, self.written(from, to), |below, above| below < above))
    }

    /// The same, the last one first.
    pub(super) fn scan_back<'a>(
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
        self.rows.range(from, to).map(|(key, written)| (key, written.value()))
    }
}

/// A row of the overlay.
type Above<'a> = (&'a Place, Option<&'a Cell>);

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
                if **below == ***above {
                    self.below.next();
                }
            }
            let (key, value) = self.above.next()?;
            if let Some(value) = value {
                return Some((key.to_vec(), value.to_bytes()));
            }
        }
    }
}

/// The store and the overlay, only to read.
pub struct Merged<'a> {
    base: &'a dyn View,
    overlay: &'a Overlay,
}

impl std::fmt::Debug for Merged<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Merged")
    }
}

impl<'a> Merged<'a> {
    /// Whether a key has a value.
    pub(super) fn has(&self, key: &[u8]) -> bool {
        self.overlay.has(self.base, key)
    }

    /// The value of a key as what it means.
    pub(super) fn value<V: Value>(&self, key: &[u8], decode: impl Fn(&[u8]) -> V) -> Option<Rc<V>> {
        self.overlay.value(self.base, key, decode)
    }

    /// Both as one.
    pub(crate) fn new(base: &'a dyn View, overlay: &'a Overlay) -> Self {
        Merged { base, overlay }
    }
}

impl View for Merged<'_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.overlay.get(self.base, key)
    }

    fn scan<'a>(&'a self, from: &[u8], to: &[u8]) -> Box<dyn Iterator<Item = Row> + 'a> {
        self.overlay.scan(self.base, from, to)
    }

    fn scan_back<'a>(&'a self, from: &[u8], to: &[u8]) -> Box<dyn Iterator<Item = Row> + 'a> {
        self.overlay.scan_back(self.base, from, to)
    }

    fn bench(&self) -> Option<Merged<'_>> {
        Some(Merged { base: self.base, overlay: self.overlay })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::mem::MemStore;

    /// What a step does to the overlay, and to a plain map beside it.
    #[derive(Debug, Clone)]
    enum Step {
        Put(u8, u8),
        Delete(u8),
        /// Eight prefixes of 256 keys: large enough to go as a range.
        DeleteRange(u8),
        Keep,
        Forget,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            6 => any::<(u8, u8)>().prop_map(|(key, value)| Step::Put(key, value)),
            3 => any::<u8>().prop_map(Step::Delete),
            1 => (0u8..2).prop_map(Step::DeleteRange),
            2 => Just(Step::Keep),
            1 => Just(Step::Forget),
        ];
        proptest::collection::vec(step, 0..60)
    }

    fn key(byte: u8) -> Vec<u8> {
        vec![byte / 128, byte]
    }

    fn place(byte: u8) -> Place {
        Place::from(key(byte).as_slice())
    }

    fn full() -> MemStore {
        let mut store = MemStore::default();
        let changes = (0..=255).map(|byte| Change::Put(key(byte), vec![byte]));
        store.write(Batch { changes: changes.collect() });
        store
    }

    fn all(view: &dyn View) -> Vec<Row> {
        view.scan(&[0], &[9]).collect()
    }

    fn take(overlay: &mut Overlay, base: &MemStore, step: &Step) {
        match step {
            Step::Put(byte, value) => {
                // The two ways of writing: a row that is there, and one that is not.
                if overlay.get(base, &key(*byte)).is_some() {
                    overlay.put(place(*byte), Cell::bytes(&[*value]));
                } else {
                    overlay.add(base, place(*byte), Cell::bytes(&[*value]));
                }
            }
            Step::Delete(byte) => overlay.delete(place(*byte)),
            Step::DeleteRange(head) => overlay.delete_range(base, vec![*head], vec![head + 1]),
            Step::Keep => overlay.keep(),
            Step::Forget => overlay.forget(),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn an_overlay_reads_as_the_store_will_after_its_batch(steps in steps()) {
            let base = full();
            let mut overlay = Overlay::default();
            // The model: every kept step written at once, what is not kept forgotten.
            let mut kept = base.clone();
            let mut now = base.clone();
            for step in &steps {
                take(&mut overlay, &base, step);
                match step {
                    Step::Put(byte, value) => now.write(Batch { changes: vec![Change::Put(key(*byte), vec![*value])] }),
                    Step::Delete(byte) => now.write(Batch { changes: vec![Change::Delete(key(*byte))] }),
                    Step::DeleteRange(head) => {
                        now.write(Batch { changes: vec![Change::DeleteRange(vec![*head], vec![head + 1])] });
                    }
                    Step::Keep => kept = now.clone(),
                    Step::Forget => now = kept.clone(),
                }
                let merged = Merged::new(&base, &overlay);
                prop_assert_eq!(all(&merged), all(&now));
                let mut back: Vec<Row> = merged.scan_back(&[0], &[9]).collect();
                back.reverse();
                prop_assert_eq!(back, all(&now));
                for byte in 0..=255 {
                    prop_assert_eq!(merged.get(&key(byte)), now.get(&key(byte)));
                }
            }
            let mut after = base.clone();
            after.write(overlay.into_batch());
            prop_assert_eq!(after, now);
        }
    }
}
