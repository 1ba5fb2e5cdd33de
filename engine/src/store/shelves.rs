//! An ordered map of keys, split by their first byte.
//!
//! The first byte of a key is its table's number. A table's keys in a map of their own make short searches, and every range that
//! is ever asked for lies within one table or ends where the next begins.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::place::Place;

/// An ordered map from keys to whatever.
#[derive(Debug)]
pub(crate) struct Shelves<T> {
    tables: BTreeMap<u8, BTreeMap<Place, T>>,
}

impl<T> Default for Shelves<T> {
    fn default() -> Self {
        Shelves { tables: BTreeMap::new() }
    }
}

impl<T> Shelves<T> {
    /// What a key has.
    pub(crate) fn get(&self, key: &[u8]) -> Option<&T> {
        self.tables.get(key.first()?)?.get(key)
    }

    /// The same, to be changed.
    pub(crate) fn get_mut(&mut self, key: &[u8]) -> Option<&mut T> {
        self.tables.get_mut(key.first()?)?.get_mut(key)
    }

    /// Sets what a key has, and answers what it had.
    pub(crate) fn insert(&mut self, key: Place, value: T) -> Option<T> {
        let table = key.first().copied().unwrap_or_default();
        self.tables.entry(table).or_default().insert(key, value)
    }

    /// Takes a key out, and answers what it had.
    pub(crate) fn remove(&mut self, key: &[u8]) -> Option<T> {
        self.tables.get_mut(key.first()?)?.remove(key)
    }

    /// All keys with `from <= key < to`, in order.
    pub(crate) fn range<'a>(
        &'a self,
        from: &[u8],
        to: &[u8],
    ) -> impl DoubleEndedIterator<Item = (&'a Place, &'a T)> + use<'a, T> {
        // A map refuses a range that ends before it begins; here that is a range of nothing.
        let to = if to < from { from } else { to };
        let (from, to) = (from.to_vec(), to.to_vec());
        let head = |key: &[u8]| key.first().copied().unwrap_or_default();
        self.tables.range(head(&from)..=head(&to)).flat_map(move |(_, table)| {
            table.range::<[u8], _>((
                Bound::Included(from.as_slice()),
                Bound::Excluded(to.as_slice()),
            ))
        })
    }

    /// Everything, in order.
    pub(crate) fn into_all(self) -> impl Iterator<Item = (Place, T)> {
        self.tables.into_values().flatten()
    }
}
