//! A state that met a full disk: wait, open it again, apply again what was only in memory.
//!
//! RocksDB keeps tables in memory that it could not flush, lets them be read, and refuses every further write. When there is room
//! it is closed and opened, which forgets those tables; the log still has every entry of them, because it is purged only behind
//! what was flushed. Readers wait while this lasts, so nobody sees the state go back.

use oarlock_engine::apply::Engine;
use openraft::entry::RaftEntry as _;
use rocksdb::DB;

use super::apply::{Applier, step};
use super::hot::Hot;
use super::{Progress, next};
use crate::config::{Entry, LOG_READ_BYTES_MAX};
use crate::fault::{OrHalt, Trouble, halt, trouble};
use crate::space::{RETRY_AFTER, Why, has_room};

/// Returns when the state is as it was before `entry`, and can be written again.
pub(crate) fn heal(applier: &mut Applier, entry: &Entry, error: &rocksdb::Error) {
    let shared = applier.shared.clone();
    let words = format!(
        "the state cannot be written ({error}). Free some space or raise the limit; nothing acknowledged is lost, and writes are \
         accepted again by themselves"
    );
    shared.gate.shut(Why::State, words);
    shared.shelf.reopen(|| {
        loop {
            while !has_room(shared.place.disk()) {
                std::thread::park_timeout(RETRY_AFTER);
            }
            if let Some(db) = again(applier, entry.index()) {
                return db;
            }
            std::thread::park_timeout(RETRY_AFTER);
        }
    });
    shared.gate.open(Why::State);
}

/// Opens the state and applies the log up to, not including, `before`. None: the disk is full again.
fn again(applier: &mut Applier, before: u64) -> Option<DB> {
    let full = |error: rocksdb::Error| match trouble(&error) {
        Trouble::Full => None::<()>,
        Trouble::Broken => halt("the state cannot be opened again", &error),
    };
    let db = match applier.shared.place.open_state() {
        Ok(db) => db,
        Err(error) => {
            full(error);
            return None;
        }
    };
    applier.engine = Engine::default();
    applier.progress = Progress::read(&db).or_halt("the state cannot be read");
    applier.hot = Hot::load(&db).or_halt("the state cannot be read");
    let mut from = next(applier.progress.applied.last);
    while from < before {
        let read = applier.log.read(from, before, LOG_READ_BYTES_MAX);
        for entry in read.or_halt("the log cannot be read") {
            let (engine, hot) = (&mut applier.engine, &mut applier.hot);
            match step(&db, engine, hot, &applier.progress, &entry) {
                Ok((progress, _, _)) => applier.progress = progress,
                Err(error) => {
                    full(error);
                    return None;
                }
            }
            from = entry.index() + 1;
        }
    }
    Some(db)
}
