//! Views of the state: what this replica has applied, at one moment.
//!
//! A local read is as old as this replica is behind; it says at which revision it was made. Who needs everything that was
//! acknowledged before, anywhere, waits for [`crate::Replica::barrier`] first.

use oarlock_engine::feed;
use oarlock_engine::id::Revision;
use oarlock_engine::store::{Row, View};
use rocksdb::DB;

use crate::machine::rocks::Then;

/// A read of the local copy: one moment of it, for as long as it lives. Keep it short: it pins files.
pub struct Local<'a> {
    then: Then<'a>,
}

impl std::fmt::Debug for Local<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Local").field("revision", &self.revision()).finish()
    }
}

impl<'a> Local<'a> {
    pub(crate) fn new(db: &'a DB) -> Local<'a> {
        Local { then: Then::new(db) }
    }

    /// The newest revision in this moment.
    #[must_use]
    pub fn revision(&self) -> Revision {
        feed::revision(&self.then)
    }
}

impl View for Local<'_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.then.get(key)
    }

    fn scan<'a>(&'a self, from: &[u8], to: &[u8]) -> Box<dyn Iterator<Item = Row> + 'a> {
        self.then.scan(from, to)
    }

    fn scan_back<'a>(&'a self, from: &[u8], to: &[u8]) -> Box<dyn Iterator<Item = Row> + 'a> {
        self.then.scan_back(from, to)
    }
}
