//! The engine's store over RocksDB: a view of one moment, and the replica's own few rows beside the engine's tables.
//!
//! The engine's keys begin with the number of a table, from 1 on. Ours begin with zero: how far the log is applied, with the
//! fingerprint at that point, and who takes part. They are written in the batch of the entry they speak of, so whatever a crash
//! leaves of the state is the state after *some* entry, and says after which.

use oarlock_engine::codec;
use oarlock_engine::store::{Batch, Change, Row, View};
use rocksdb::{DB, Direction, IteratorMode, ReadOptions, Snapshot, WriteBatch};
use serde::{Deserialize, Serialize};

use super::hot::Hot;
use super::print::Print;
use crate::config::{LogId, Membership};
use crate::fault::OrHalt;

const APPLIED: &[u8] = b"\0applied";
const MEMBERS: &[u8] = b"\0members";
const NUMBERED: &[u8] = b"\0numbered";

/// How far a copy of the state has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Applied {
    /// The last log entry in it.
    pub(crate) last: Option<LogId>,
    /// The fingerprint of all that was written so far.
    pub(crate) print: Print,
}

/// How far the state in a database has come.
pub(crate) fn applied(db: &DB) -> Result<Applied, String> {
    row(db, APPLIED).map(Option::unwrap_or_default)
}

/// Who takes part, by the state in a database.
pub(crate) fn members(db: &DB) -> Result<Membership, String> {
    row(db, MEMBERS).map(Option::unwrap_or_default)
}

/// The highest number a member ever had, by the state in a database. Older states have no row of it.
pub(crate) fn numbered(db: &DB) -> Result<u64, String> {
    let told = row(db, NUMBERED)?;
    let newest = members(db)?.nodes().map(|(node, _)| *node).max();
    Ok(told.max(newest).unwrap_or(0))
}

fn row<T: serde::de::DeserializeOwned>(db: &DB, key: &[u8]) -> Result<Option<T>, String> {
    let value = db.get(key).map_err(rocksdb::Error::into_string)?;
    value.map(|value| codec::decode(&value).map_err(|error| error.to_string())).transpose()
}

/// The changes of an entry with our rows, as one batch.
pub(crate) fn to_write(
    batch: &Batch,
    applied: &Applied,
    members: Option<(&Membership, u64)>,
) -> WriteBatch {
    let mut rows = WriteBatch::default();
    for change in &batch.changes {
        match change {
            Change::Put(key, value) => rows.put(key, value),
            Change::Delete(key) => rows.delete(key),
            Change::DeleteRange(from, to) => rows.delete_range(from, to),
        }
    }
    rows.put(APPLIED, codec::encode(applied));
    if let Some((members, numbered)) = members {
        rows.put(MEMBERS, codec::encode(members));
        rows.put(NUMBERED, codec::encode(&numbered));
    }
    rows
}

/// The database as it is now, for the only thread that writes it.
pub(crate) struct Now<'a> {
    pub(crate) db: &'a DB,
    /// The living rows of some tables, in memory.
    pub(crate) hot: &'a Hot,
}

impl View for Now<'_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        match self.hot.get(key) {
            Some(found) => found,
            None => self.db.get(key).or_halt("the state cannot be read"),
        }
    }

    fn scan<'a>(&'a self, from: &[u8], to: &[u8]) -> Box<dyn Iterator<Item = Row> + 'a> {
        if let Some(rows) = self.hot.range(from, to) {
            return Box::new(rows);
        }
        let (from, options) = forward(from, to);
        Box::new(rows(self.db.iterator_opt(IteratorMode::From(&from, Direction::Forward), options)))
    }

    fn scan_back<'a>(&'a self, from: &[u8], to: &[u8]) -> Box<dyn Iterator<Item = Row> + 'a> {
        if let Some(rows) = self.hot.range(from, to) {
            return Box::new(rows.rev());
        }
        Box::new(rows(self.db.iterator_opt(IteratorMode::End, backward(from, to))))
    }
}

/// The database as it was at one moment.
pub(crate) struct Then<'a> {
    db: &'a DB,
    snapshot: Snapshot<'a>,
}

impl<'a> Then<'a> {
    pub(crate) fn new(db: &'a DB) -> Then<'a> {
        Then { db, snapshot: db.snapshot() }
    }
}

impl View for Then<'_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.snapshot.get(key).or_halt("the state cannot be read")
    }

    fn scan<'a>(&'a self, from: &[u8], to: &[u8]) -> Box<dyn Iterator<Item = Row> + 'a> {
        let (from, mut options) = forward(from, to);
        options.set_snapshot(&self.snapshot);
        Box::new(rows(self.db.iterator_opt(IteratorMode::From(&from, Direction::Forward), options)))
    }

    fn scan_back<'a>(&'a self, from: &[u8], to: &[u8]) -> Box<dyn Iterator<Item = Row> + 'a> {
        let mut options = backward(from, to);
        options.set_snapshot(&self.snapshot);
        Box::new(rows(self.db.iterator_opt(IteratorMode::End, options)))
    }
}

/// A range that ends before it begins is a range of nothing.
fn forward(from: &[u8], to: &[u8]) -> (Vec<u8>, ReadOptions) {
    let mut options = ReadOptions::default();
    options.set_iterate_upper_bound(to.max(from));
    (from.to_vec(), options)
}

fn backward(from: &[u8], to: &[u8]) -> ReadOptions {
    let mut options = ReadOptions::default();
    options.set_iterate_lower_bound(from);
    options.set_iterate_upper_bound(to.max(from));
    options
}

fn rows<'a>(
    found: impl Iterator<Item = Result<(Box<[u8]>, Box<[u8]>), rocksdb::Error>> + 'a,
) -> impl Iterator<Item = Row> + 'a {
    found.map(|row| {
        let (key, value) = row.or_halt("the state cannot be read");
        (key.into_vec(), value.into_vec())
    })
}
