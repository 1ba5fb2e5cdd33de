//! The feed as a stream: from the table until caught up, then live; slow readers re-read.
//!
//! The newest records stay in memory, shared by all watchers. A watcher holds nothing but the revision it has seen: it takes what
//! follows from memory, or, if it is too late for that, from the feed's table. So a watcher can be as slow as it likes, costs
//! nothing while it waits, and never misses a record that the feed still has.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use oarlock_engine::feed::{self, Record};
use oarlock_engine::id::Revision;
use tokio::sync::watch;

use crate::config::{TAIL_RECORDS_MAX, WATCH_RECORDS_MAX};
use crate::machine::Shared;
use crate::machine::rocks::Then;

/// The newest records, in memory.
#[derive(Debug)]
pub(crate) struct Tail {
    recent: Mutex<Recent>,
    news: watch::Sender<News>,
}

#[derive(Debug, Default)]
struct Recent {
    /// One for each applied parcel, without gaps between them.
    pieces: VecDeque<Arc<[Record]>>,
    records: usize,
}

/// What wakes watchers.
#[derive(Debug, Clone, Copy, Default)]
struct News {
    newest: Revision,
    closed: bool,
}

impl Tail {
    pub(crate) fn new(newest: Revision) -> Tail {
        let news = watch::Sender::new(News { newest, closed: false });
        Tail { recent: Mutex::default(), news }
    }

    /// Records that were just applied.
    pub(crate) fn push(&self, records: Vec<Record>) {
        let Some(newest) = records.last().map(|record| record.revision) else { return };
        {
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            recent.records += records.len();
            recent.pieces.push_back(records.into());
            while recent.records > TAIL_RECORDS_MAX && recent.pieces.len() > 1 {
                let gone = recent.pieces.pop_front().map_or(0, |piece| piece.len());
                recent.records -= gone;
            }
        }
        self.news.send_modify(|news| news.newest = newest);
    }

    /// The state was replaced: what is in memory does not belong to it.
    pub(crate) fn restart(&self, newest: Revision) {
        *self.recent.lock().unwrap_or_else(PoisonError::into_inner) = Recent::default();
        self.news.send_modify(|news| news.newest = newest);
    }

    /// There will be no more.
    pub(crate) fn close(&self) {
        self.news.send_modify(|news| news.closed = true);
    }

    /// The feed's newest revision.
    pub(crate) fn newest(&self) -> Revision {
        self.news.borrow().newest
    }

    /// What follows a revision, if memory has it.
    fn after(&self, after: Revision) -> Option<Arc<[Record]>> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let place = recent
            .pieces
            .partition_point(|piece| piece.last().is_some_and(|last| last.revision <= after));
        let piece = recent.pieces.get(place)?;
        let first = piece.first()?.revision;
        if first.0 == after.0 + 1 {
            return Some(piece.clone());
        }
        (first <= after).then(|| piece.iter().filter(|r| r.revision > after).cloned().collect())
    }
}

/// The feed as a stream: from the table until caught up, then live; a slow reader re-reads from the table.
pub struct Watch {
    shared: Arc<Shared>,
    news: watch::Receiver<News>,
    after: Revision,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("after", &self.after).finish_non_exhaustive()
    }
}

impl Watch {
    pub(crate) fn new(shared: Arc<Shared>, after: Revision) -> Watch {
        let news = shared.tail.news.subscribe();
        Watch { shared, news, after }
    }

    /// The next records, one or more, in order without gaps; `None` when the replica is closed.
    pub async fn next(&mut self) -> Option<Arc<[Record]>> {
        loop {
            let News { newest, closed } = *self.news.borrow_and_update();
            if newest > self.after
                && let Some(records) = self.take()
            {
                return Some(records);
            }
            if closed || self.news.changed().await.is_err() {
                return None;
            }
        }
    }

    /// The revision of the last record that was handed out.
    #[must_use]
    pub fn seen(&self) -> Revision {
        self.after
    }

    fn take(&mut self) -> Option<Arc<[Record]>> {
        let records = self.shared.tail.after(self.after).or_else(|| self.read())?;
        self.after = records.last()?.revision;
        Some(records)
    }

    fn read(&self) -> Option<Arc<[Record]>> {
        let records =
            self.shared.shelf.with(|db| feed::after(&Then::new(db), self.after, WATCH_RECORDS_MAX));
        (!records.is_empty()).then(|| records.into())
    }
}
