//! The log as openraft sees it: appended to, read, cut, purged.
//!
//! What is appended is readable at once, from memory, and durable later: the writer thread says when. The newest vote, the newest
//! log id and how far the log was purged are kept in memory beside it, so that openraft's questions are answered without the disk.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use futures::{Stream, StreamExt as _, stream};
use openraft::entry::RaftEntry as _;
use openraft::storage::{IOFlushed, LogState, RaftLogStorage};
use openraft::{OptionalSend, RaftLogReader};
use rocksdb::{DB, Direction, IteratorMode, ReadOptions};
use tokio::sync::oneshot;

use super::cache::{self, Cache};
use super::key;
use super::mark::{Mark, Promise, compare};
use super::writer::{Job, Writer, stopped};
use crate::config::{
    Cell, Entry, LOG_CACHE_BYTES_MAX, LOG_JOBS_MAX, LOG_READ_BYTES_MAX, LogId, Vote,
};
use crate::disk::{Place, Shelf};
use crate::fault::Fault;
use crate::space::Gate;

/// The log. Cheap to clone; all clones are one log.
#[derive(Clone)]
pub(crate) struct Log {
    shared: Arc<Shared>,
    jobs: SyncSender<Job>,
}

/// What the log's readers and its writer share.
pub(crate) struct Shared {
    pub(crate) shelf: Shelf,
    /// After the shelf: its lock outlives the database.
    pub(crate) place: Place,
    pub(crate) gate: Arc<Gate>,
    pub(crate) memory: Mutex<Memory>,
    /// What a test wants to be called after each sync.
    #[cfg(test)]
    pub(crate) after_sync: Mutex<Option<Box<dyn FnMut() + Send>>>,
}

/// What is known of the log without asking the disk.
pub(crate) struct Memory {
    pub(crate) cache: Cache,
    vote: Option<Vote>,
    committed: Option<LogId>,
    purged: Option<LogId>,
    last: Option<LogId>,
}

impl Log {
    /// Opens the log and compares it with its high-water mark. `new`: there may be none yet.
    pub(crate) fn open(place: &Place, gate: Arc<Gate>, new: bool) -> Result<Opened, Fault> {
        let db = place.open_log().map_err(|error| damaged(place, &error))?;
        let found = Found::read(&db).map_err(|error| Fault::Storage(error.to_string()))?;
        let mark = match place.disk() {
            Some(_) => Mark::open(&place.path("mark"), new)?,
            None => Mark::nowhere(),
        };
        found.check(&db, place, &mark.promise())?;
        let promise = Promise { vote: found.vote, last: found.last };
        let memory = Memory {
            cache: Cache::new(LOG_CACHE_BYTES_MAX),
            vote: found.vote,
            committed: found.committed,
            purged: found.purged,
            last: found.last,
        };
        let shelf = Shelf::new(db);
        let memory = Mutex::new(memory);
        let shared = Arc::new(Shared {
            place: place.clone(),
            shelf,
            gate,
            memory,
            #[cfg(test)]
            after_sync: Mutex::default(),
        });
        let (jobs, waiting) = sync_channel(LOG_JOBS_MAX);
        let writer = Writer::new(shared.clone(), mark, promise);
        let thread = std::thread::Builder::new()
            .name("oarlock-log".to_owned())
            .spawn(move || writer.run(&waiting))
            .map_err(|why| Fault::Storage(format!("no thread for the log: {why}")))?;
        Ok(Opened { log: Log { shared, jobs }, thread })
    }

    /// Tells the writer to finish what it has and end.
    pub(crate) fn stop(&self) {
        // It may have stopped already.
        let _stopped = self.jobs.send(Job::Stop);
    }

    /// Calls a test after each sync.
    #[cfg(test)]
    pub(crate) fn after_sync(&self, hook: Box<dyn FnMut() + Send>) {
        *self.shared.after_sync.lock().unwrap_or_else(PoisonError::into_inner) = Some(hook);
    }

    /// Bytes of its files and of its tables in memory.
    pub(crate) fn bytes(&self) -> u64 {
        self.shared.shelf.with(crate::disk::bytes)
    }

    /// The last entry's index, and the last purged one's.
    pub(crate) fn bounds(&self) -> (u64, u64) {
        let memory = self.memory();
        (index(memory.last), index(memory.purged))
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.shared.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, job: Job) -> io::Result<()> {
        self.jobs.send(job).map_err(|_| stopped())
    }

    /// Entries of `from..to`, from memory and before that from the database; at most so many bytes, but at least one entry.
    pub(crate) fn read(&self, from: u64, to: u64, bytes_max: usize) -> io::Result<Vec<Entry>> {
        let (from, to, mut recent) = {
            let memory = self.memory();
            let from = from.max(memory.purged.map_or(0, |purged| purged.index + 1));
            let to = to.min(memory.last.map_or(0, |last| last.index + 1));
            if from >= to {
                return Ok(Vec::new());
            }
            let first = memory.cache.first().unwrap_or(to).clamp(from, to);
            (from, first, within(memory.cache.range(first, to).cloned(), bytes_max))
        };
        if from >= to {
            return Ok(recent);
        }
        let mut entries = self
            .shared
            .shelf
            .with(|db| read_rows(db, from, to, bytes_max))
            .map_err(io::Error::other)?;
        // Cut short for its bytes, it ends before the recent ones begin.
        if entries.last().is_none_or(|entry| entry.index() + 1 == to) {
            entries.append(&mut recent);
        }
        Ok(entries)
    }
}

/// An opened log and the thread that writes it.
pub(crate) struct Opened {
    pub(crate) log: Log,
    pub(crate) thread: JoinHandle<()>,
}

/// What the database says of the log.
pub(crate) struct Found {
    pub(crate) vote: Option<Vote>,
    pub(crate) committed: Option<LogId>,
    pub(crate) purged: Option<LogId>,
    pub(crate) last: Option<LogId>,
}

impl Found {
    pub(crate) fn read(db: &DB) -> io::Result<Found> {
        let row = |key| db.get(key).map_err(io::Error::other);
        let purged = row(key::PURGED)?.map(|row| key::decode_row(&row)).transpose()?;
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(key::entry(0).to_vec());
        let mode = IteratorMode::From(key::ENTRIES_END, Direction::Reverse);
        let newest = db.iterator_opt(mode, options).next().transpose().map_err(io::Error::other)?;
        let last = newest
            .and_then(|(key, value)| Some((key::index_of(&key)?, value)))
            .map(|(index, value)| key::id_of(index, &value))
            .transpose()?;
        Ok(Found {
            vote: row(key::VOTE)?.map(|row| key::decode_row(&row)).transpose()?,
            committed: row(key::COMMITTED)?
                .map(|row| key::decode_row::<Option<LogId>>(&row))
                .transpose()?
                .flatten(),
            purged,
            last: last.max(purged),
        })
    }

    /// Refuses a log that has forgotten something.
    pub(crate) fn check(&self, db: &DB, place: &Place, promise: &Promise) -> Result<(), Fault> {
        let at = promise.last.map(|promised| promised.index);
        let there = at
            .map(|index| {
                db.get(key::entry(index)).map(|row| row.map(|row| key::id_of(index, &row)))
            })
            .transpose()?
            .flatten()
            .transpose()
            .map_err(|error| Fault::Storage(error.to_string()))?;
        compare(promise, self.vote, self.last, there).map_err(|what| {
            Fault::Data(format!(
                "{}: the log has forgotten something: {what}. A file of it was deleted, damaged or replaced by an older one. This \
                 node will not take part, because it might undo what others were told. Restore the whole data directory from a \
                 backup, or start with an empty one and let the node join again",
                place.path("log").display()
            ))
        })
    }
}

fn damaged(place: &Place, error: &rocksdb::Error) -> Fault {
    Fault::Data(format!(
        "{}: the log cannot be read: {error}. If the disk is damaged (dmesg, smartctl), restore the whole data directory from a \
         backup, or start with an empty one and let the node join again. Nothing was changed",
        place.path("log").display()
    ))
}

fn index(id: Option<LogId>) -> u64 {
    id.map_or(0, |id| id.index)
}

fn within(entries: impl Iterator<Item = Entry>, bytes_max: usize) -> Vec<Entry> {
    let mut bytes = 0;
    let mut taken = Vec::new();
    for entry in entries {
        bytes += cache::size(&entry);
        if bytes > bytes_max && !taken.is_empty() {
            break;
        }
        taken.push(entry);
    }
    taken
}

/// Rows of `from..to` without holes; fewer only at the end, for their bytes.
pub(crate) fn read_rows(db: &DB, from: u64, to: u64, bytes_max: usize) -> io::Result<Vec<Entry>> {
    let mut options = ReadOptions::default();
    options.set_iterate_upper_bound(key::entry(to).to_vec());
    let start = key::entry(from);
    let mut entries: Vec<Entry> = Vec::new();
    let mut bytes = 0;
    for row in db.iterator_opt(IteratorMode::From(&start, Direction::Forward), options) {
        let (key, value) = row.map_err(io::Error::other)?;
        let index =
            key::index_of(&key).ok_or_else(|| io::Error::other("a key that is no entry's"))?;
        if let Some(last) = entries.last()
            && last.index() + 1 != index
        {
            let what = format!("log entries {} to {} are missing", last.index() + 1, index - 1);
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        bytes += value.len();
        if bytes > bytes_max && !entries.is_empty() {
            break;
        }
        entries.push(key::decode(index, &value)?);
    }
    Ok(entries)
}

fn bounds_of(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let from = match range.start_bound() {
        Bound::Included(from) => *from,
        Bound::Excluded(before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let to = match range.end_bound() {
        Bound::Included(last) => last.saturating_add(1),
        Bound::Excluded(to) => *to,
        Bound::Unbounded => u64::MAX,
    };
    (from, to)
}

impl RaftLogReader<Cell> for Log {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, io::Error> {
        let (from, to) = bounds_of(&range);
        self.read(from, to, usize::MAX)
    }

    async fn limited_get_log_entries(
        &mut self,
        from: u64,
        to: u64,
    ) -> Result<Vec<Entry>, io::Error> {
        self.read(from, to, LOG_READ_BYTES_MAX)
    }

    /// Piece by piece: a replay of a long log must not be in memory at once.
    async fn entries_stream<RB>(
        &mut self,
        range: RB,
    ) -> impl Stream<Item = Result<Entry, io::Error>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let (from, to) = bounds_of(&range);
        let pieces = stream::unfold((self.clone(), from), move |(log, from)| async move {
            if from >= to {
                return None;
            }
            match log.read(from, to, LOG_READ_BYTES_MAX) {
                Ok(entries) if entries.is_empty() => None,
                Ok(entries) if entries.first().is_some_and(|first| first.index() != from) => {
                    let why = format!("log entry {from} is missing");
                    let why = io::Error::new(io::ErrorKind::InvalidData, why);
                    Some((vec![Err(why)], (log, to)))
                }
                Ok(entries) => {
                    let next = entries.last().map_or(to, |last| last.index() + 1);
                    Some((entries.into_iter().map(Ok).collect::<Vec<_>>(), (log, next)))
                }
                Err(error) => Some((vec![Err(error)], (log, to))),
            }
        });
        // It is polled once more after its end.
        pieces.flat_map(stream::iter).fuse()
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.memory().vote)
    }
}

impl RaftLogStorage<Cell> for Log {
    type LogReader = Log;

    async fn get_log_state(&mut self) -> Result<LogState<Cell>, io::Error> {
        let memory = self.memory();
        Ok(LogState { last_purged_log_id: memory.purged, last_log_id: memory.last })
    }

    async fn get_log_reader(&mut self) -> Log {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        let (done, durable) = oneshot::channel();
        self.send(Job::Vote { vote: *vote, done })?;
        durable.await.map_err(|_| stopped())?;
        self.memory().vote = Some(*vote);
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        self.memory().committed = committed;
        self.send(Job::Committed(committed))
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        Ok(self.memory().committed)
    }

    async fn append<I>(&mut self, entries: I, done: IOFlushed<Cell>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        let Some(last) = entries.last().map(|entry| entry.log_id()) else {
            done.io_completed(Ok(()));
            return Ok(());
        };
        let rows = entries.iter().map(|entry| (entry.index(), key::encode(entry))).collect();
        {
            let mut memory = self.memory();
            memory.last = Some(last);
            for entry in entries {
                memory.cache.push(entry);
            }
        }
        self.send(Job::Append { rows, last, done })
    }

    async fn truncate_after(&mut self, after: Option<LogId>) -> Result<(), io::Error> {
        let (done, durable) = oneshot::channel();
        {
            let mut memory = self.memory();
            if memory.last <= after {
                return Ok(());
            }
            memory.cache.cut_after(after.map(|after| after.index));
            memory.last = after;
        }
        self.send(Job::Cut { after, done })?;
        durable.await.map_err(|_| stopped())
    }

    async fn purge(&mut self, upto: LogId) -> Result<(), io::Error> {
        {
            let mut memory = self.memory();
            memory.purged = Some(upto);
            memory.last = memory.last.max(Some(upto));
            memory.cache.cut_upto(upto.index);
        }
        self.send(Job::Purge { upto })
    }
}
