//! What is true of the tables between any two entries.
//!
//! Three kinds of laws: an index has exactly the rows that its table implies (`law/index.rs`), a count is how many there are
//! (`law/count.rs`), and what stands in one table fits what stands in another (`law/fit.rs`). A law is checked by reading whole
//! tables, so this is for tests, for a snapshot that has just been received, and for an operator in doubt; never on the way of a
//! command.

mod count;
mod fit;
mod index;

use std::collections::BTreeMap;
use std::fmt;

use crate::store::View;
use crate::store::key::{Key, bytes_of};
use crate::store::table::Table;
use crate::store::value::Value;

/// A law that does not hold: which, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// Which law, as a sentence.
    pub law: &'static str,
    /// Where: a key, two numbers that differ.
    pub place: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.law, self.place)
    }
}

/// All breaches; none, if the tables are sound. A row that cannot be read is a panic, as everywhere.
pub fn check(view: &dyn View) -> Vec<Breach> {
    let mut court = Court { view, breaches: Vec::new() };
    index::check(&mut court);
    count::check(&mut court);
    fit::check(&mut court);
    court.breaches
}

/// Where breaches are heard.
struct Court<'v> {
    view: &'v dyn View,
    breaches: Vec<Breach>,
}

impl Court<'_> {
    /// A law holds here, or it does not.
    fn expect(&mut self, law: &'static str, holds: bool, place: impl FnOnce() -> String) {
        if !holds {
            self.breaches.push(Breach { law, place: place() });
        }
    }

    /// Two numbers are equal.
    fn equal<N: PartialEq + fmt::Debug>(
        &mut self,
        law: &'static str,
        place: impl fmt::Debug,
        said: N,
        counted: N,
    ) {
        let holds = said == counted;
        self.expect(law, holds, || format!("{place:?} says {said:?}, there are {counted:?}"));
    }

    /// An index has these keys and no others.
    fn index<K, V>(
        &mut self,
        law: &'static str,
        index: &'static Table<K, V>,
        implied: impl Iterator<Item = K>,
    ) where
        K: Key + fmt::Debug,
        V: Value,
    {
        let mut missing: BTreeMap<Vec<u8>, K> = implied.map(|key| (bytes_of(&key), key)).collect();
        for (key, _) in index.under(self.view, &()) {
            if missing.remove(&bytes_of(&key)).is_none() {
                self.expect(law, false, || format!("has {key:?} without reason"));
            }
        }
        for key in missing.values() {
            self.expect(law, false, || format!("lacks {key:?}"));
        }
    }
}
