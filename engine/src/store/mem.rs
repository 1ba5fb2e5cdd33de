//! A store in memory, for tests and simulation.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::{Batch, Change, Row, View};

/// Rows in an ordered map. A copy of it is a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemStore {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl MemStore {
    /// Makes the changes, in their order.
    pub fn write(&mut self, batch: Batch) {
        for change in batch.changes {
            match change {
                Change::Put(key, value) => drop(self.rows.insert(key, value)),
                Change::Delete(key) => drop(self.rows.remove(&key)),
                Change::DeleteRange(from, to) => {
                    self.rows.retain(|key, _| *key < from || *key >= to)
                }
            }
        }
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn between<'a>(
        &'a self,
        from: &[u8],
        to: &[u8],
    ) -> impl DoubleEndedIterator<Item = Row> + use<'a> {
        // A map refuses a range that ends before it begins; here that is a range of nothing.
        let to = if to < from { from } else { to };
        self.rows
            .range::<[u8], _>((Bound::Included(from), Bound::Excluded(to)))
            .map(|(key, value)| (key.clone(), value.clone()))
    }
}

impl View for MemStore {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.rows.get(key).cloned()
    }

    fn scan<'a>(&'a self, from: &[u8], to: &[u8]) -> Box<dyn Iterator<Item = Row> + 'a> {
        Box::new(self.between(from, to))
    }

    fn scan_back<'a>(&'a self, from: &[u8], to: &[u8]) -> Box<dyn Iterator<Item = Row> + 'a> {
        Box::new(self.between(from, to).rev())
    }
}
