//! A typed slice of the byte store.
//!
//! A table is a number and two types: its keys begin with that byte, and key and value mean something. Reading needs a
//! [`View`]; writing needs [`Rows`], which only `evolve` is ever handed.

use std::marker::PhantomData;
use std::rc::Rc;

use super::key::{Key, Leads, end_of};
use super::place::Place;
use super::tx::Rows;
use super::value::{Cell, Value};
use super::{Row, View};
use crate::codec;

/// A table or an index (whose value is often `()`: everything is in the key).
pub struct Table<K, V> {
    /// The first byte of all its keys.
    number: u8,
    /// For messages about damage.
    name: &'static str,
    holds: PhantomData<fn() -> (K, V)>,
}

impl<K: Key, V: Value> Table<K, V> {
    /// Only [`super::schema`] makes tables.
    pub(crate) const fn new(number: u8, name: &'static str) -> Self {
        Table { number, name, holds: PhantomData }
    }

    /// The value of a key.
    pub fn get(&self, view: &dyn View, key: &K) -> Option<V> {
        let place = self.place(key);
        match view.bench() {
            Some(bench) => bench.value(&place, |bytes| self.value(bytes)).map(Rc::unwrap_or_clone),
            None => view.get(&place).map(|bytes| self.value(&bytes)),
        }
    }

    /// The value of a key, only to be looked at: within a parcel it is not copied.
    pub(crate) fn look(&self, view: &dyn View, key: &K) -> Option<Rc<V>> {
        let place = self.place(key);
        match view.bench() {
            Some(bench) => bench.value(&place, |bytes| self.value(bytes)),
            None => view.get(&place).map(|bytes| Rc::new(self.value(&bytes))),
        }
    }

    /// Whether there is a row.
    pub fn has(&self, view: &dyn View, key: &K) -> bool {
        let place = self.place(key);
        match view.bench() {
            Some(bench) => bench.has(&place),
            None => view.get(&place).is_some(),
        }
    }

    /// The bytes of a value, as they were put by `put_bytes`.
    pub fn get_bytes(&self, view: &dyn View, key: &K) -> Option<Vec<u8>> {
        view.get(&self.place(key))
    }

    /// Rows under leading parts of the key, in key order. `()` leads everything.
    pub fn under<'v, P: Leads<K>>(
        &'static self,
        view: &'v dyn View,
        lead: &P,
    ) -> impl Iterator<Item = (K, V)> + use<'v, K, V, P> {
        let from = self.place(lead);
        let to = end_of(&from);
        view.scan(&from, &to).map(|row| self.row(row))
    }

    /// The same, the last row first.
    pub fn under_back<'v, P: Leads<K>>(
        &'static self,
        view: &'v dyn View,
        lead: &P,
    ) -> impl Iterator<Item = (K, V)> + use<'v, K, V, P> {
        let from = self.place(lead);
        let to = end_of(&from);
        view.scan_back(&from, &to).map(|row| self.row(row))
    }

    /// Rows under leading parts that come after a key, which need not be there: the next page. None: from the beginning.
    pub fn after<'v, P: Leads<K>>(
        &'static self,
        view: &'v dyn View,
        lead: &P,
        key: Option<&K>,
    ) -> impl Iterator<Item = (K, V)> + use<'v, K, V, P> {
        let lead = self.place(lead);
        let to = end_of(&lead);
        let from = key.map_or(lead, |key| {
            let mut from = self.place(key);
            from.push(0);
            from
        });
        view.scan(&from, &to).map(|row| self.row(row))
    }

    /// Rows under leading parts that come before a key, which need not be there, the last one first. None: from the end.
    pub fn before_back<'v, P: Leads<K>>(
        &'static self,
        view: &'v dyn View,
        lead: &P,
        key: Option<&K>,
    ) -> impl Iterator<Item = (K, V)> + use<'v, K, V, P> {
        let from = self.place(lead);
        let to = key.map_or_else(|| end_of(&from), |key| self.place(key).into_vec());
        view.scan_back(&from, &to).map(|row| self.row(row))
    }

    /// All keys, without a look at the values.
    pub(crate) fn keys<'v>(
        &'static self,
        view: &'v dyn View,
    ) -> impl Iterator<Item = K> + use<'v, K, V> {
        let from = self.place(&());
        let to = end_of(&from);
        view.scan(&from, &to).map(|(key, _)| self.key(&key))
    }

    /// Writes a row.
    pub(crate) fn put(&self, rows: &mut Rows<'_>, key: &K, value: &V) {
        rows.put(self.place(key), Cell::plain(value.clone()));
    }

    /// Writes a row whose value the caller looks at afterwards.
    pub(crate) fn share(&self, rows: &mut Rows<'_>, key: &K, value: &Rc<V>) {
        rows.put(self.place(key), Cell::shared(value));
    }

    /// Writes a row that is known not to be there. If the same parcel takes it away again, the store never hears of it.
    pub(crate) fn add(&self, rows: &mut Rows<'_>, key: &K, value: &V) {
        rows.add(self.place(key), Cell::plain(value.clone()));
    }

    /// Writes a row whose value is already bytes: they are kept as they are.
    pub(crate) fn put_bytes(&self, rows: &mut Rows<'_>, key: &K, bytes: &[u8]) {
        rows.put(self.place(key), Cell::bytes(bytes));
    }

    /// Takes a row away.
    pub(crate) fn delete(&self, rows: &mut Rows<'_>, key: &K) {
        rows.delete(self.place(key));
    }

    /// Changes a row that is known to exist.
    pub(crate) fn change(&self, rows: &mut Rows<'_>, key: &K, change: impl FnOnce(&mut V)) {
        let mut value = self.get(rows, key).unwrap_or_else(|| {
            panic!("an event changes a row of `{}` that is not there", self.name)
        });
        change(&mut value);
        rows.put(self.place(key), Cell::plain(value));
    }

    /// Takes all rows under leading parts away.
    pub(crate) fn clear<P: Leads<K>>(&self, rows: &mut Rows<'_>, lead: &P) {
        let from = self.place(lead);
        let to = end_of(&from);
        rows.delete_range(from.into_vec(), to);
    }

    /// Takes all rows under leading parts and before a key away.
    pub(crate) fn clear_before<P: Leads<K>>(&self, rows: &mut Rows<'_>, lead: &P, key: &K) {
        rows.delete_range(self.place(lead).into_vec(), self.place(key).into_vec());
    }

    fn place<P: Key>(&self, key: &P) -> Place {
        let mut bytes = Place::default();
        bytes.push(self.number);
        key.write(&mut bytes);
        bytes
    }

    fn row(&self, (key, value): Row) -> (K, V) {
        (self.key(&key), self.value(&value))
    }

    fn key(&self, key: &[u8]) -> K {
        let mut rest = &key[1..];
        match K::read(&mut rest) {
            Some(known) if rest.is_empty() => known,
            _ => panic!("table `{}` holds a key that is none of its own: {key:02x?}", self.name),
        }
    }

    fn value(&self, bytes: &[u8]) -> V {
        codec::decode(bytes).unwrap_or_else(|fault| panic!("table `{}`: {fault}", self.name))
    }
}
