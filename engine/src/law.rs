//! What is true of the tables between any two entries.
//!
//! A law is checked by reading all of a table, so this is for tests, for a snapshot that has just been received, and for
//! `oarlock doctor`; never on the way of a command.

use std::fmt;

use crate::store::View;

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

/// All breaches.
pub fn check(_view: &dyn View) -> Vec<Breach> {
    Vec::new()
}
