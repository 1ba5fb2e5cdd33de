//! The log's one writer: everything that changes the log goes through this thread, in order.
//!
//! It takes whatever waits, writes it as one batch with one sync, and then tells everybody whose entries were in it: appends that
//! arrive while the disk is busy share the next sync. This is group commit; nobody waits longer than for the sync in progress and
//! their own. openraft's core never waits for the disk except to save a vote or to cut the log.
//!
//! What fails for want of room is tried again until it works (see `space.rs`), and nothing is acknowledged meanwhile. Any other
//! failure to write or sync ends the process: after it nobody knows what is on the disk.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use oarlock_engine::codec;
use openraft::storage::IOFlushed;
use rocksdb::{WriteBatch, WriteOptions};
use tokio::sync::oneshot;

use super::key;
use super::mark::{Mark, Promise};
use super::store::Shared;
use crate::config::{Cell, LOG_READ_BYTES_MAX, LogId, Vote};
use crate::fault::{OrHalt, Trouble, halt, trouble};
use crate::metric;
use crate::space::{RETRY_AFTER, Why, has_room};

/// How long the log must be idle before what need not be synced at once is.
const IDLE_AFTER: Duration = Duration::from_millis(50);
/// Under load the mark is synced this often.
const MARK_EVERY: Duration = Duration::from_secs(1);

/// One change of the log.
pub(crate) enum Job {
    /// New entries: index and bytes.
    Append { rows: Vec<(u64, Vec<u8>)>, last: LogId, done: IOFlushed<Cell> },
    /// Whom to follow; answered when it is durable.
    Vote { vote: Vote, done: oneshot::Sender<()> },
    /// How far the log is committed. Not synced by itself: an election tells it again.
    Committed(Option<LogId>),
    /// Entries behind it go; answered when it is durable.
    Cut { after: Option<LogId>, done: oneshot::Sender<()> },
    /// Entries up to it go. Not synced by itself.
    Purge { upto: LogId },
    /// The end.
    Stop,
}

/// One row to write.
enum Op {
    Put(Vec<u8>, Vec<u8>),
    DeleteRange(Vec<u8>, Vec<u8>),
}

/// What to do when a group of jobs is durable.
enum Done {
    Appended(IOFlushed<Cell>, u64),
    Told(oneshot::Sender<()>),
}

/// The thread's own state.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    mark: Mark,
    promise: Promise,
    ops: Vec<Op>,
    done: Vec<Done>,
    bytes: usize,
    sync: bool,
    committed: Option<Option<LogId>>,
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>, mark: Mark, promise: Promise) -> Writer {
        let (ops, done) = (Vec::new(), Vec::new());
        Writer { shared, mark, promise, ops, done, bytes: 0, sync: false, committed: None }
    }

    /// Works until it is told to stop, or nobody can give it work any more.
    pub(crate) fn run(mut self, jobs: &Receiver<Job>) {
        let mut open = true;
        while open {
            let first = if self.restless() {
                jobs.recv_timeout(IDLE_AFTER)
            } else {
                jobs.recv().map_err(|_| RecvTimeoutError::Disconnected)
            };
            match first {
                Ok(job) => open = self.gather(job, jobs),
                Err(RecvTimeoutError::Timeout) => self.rest(),
                Err(RecvTimeoutError::Disconnected) => open = false,
            }
        }
        self.rest();
    }

    /// Takes a job and all that waits behind it, and makes them durable.
    fn gather(&mut self, first: Job, jobs: &Receiver<Job>) -> bool {
        let mut next = Some(first);
        while let Some(job) = next.take() {
            match job {
                Job::Stop => {
                    self.commit();
                    return false;
                }
                Job::Cut { after, done } => self.cut(after, done),
                job => self.take(job),
            }
            if self.bytes < LOG_READ_BYTES_MAX {
                next = jobs.try_recv().ok();
            }
        }
        self.commit();
        if self.mark.unsynced().is_some_and(|since| since.elapsed() > MARK_EVERY) {
            self.sync_mark();
        }
        true
    }

    fn take(&mut self, job: Job) {
        match job {
            Job::Append { rows, last, done } => {
                for (index, bytes) in rows {
                    self.bytes += bytes.len();
                    self.ops.push(Op::Put(key::entry(index).to_vec(), bytes));
                }
                self.promise.last = Some(last);
                self.done.push(Done::Appended(done, last.index));
                self.sync = true;
            }
            Job::Vote { vote, done } => {
                self.ops.push(Op::Put(key::VOTE.to_vec(), codec::encode(&vote)));
                self.promise.vote = Some(vote);
                self.done.push(Done::Told(done));
                self.sync = true;
            }
            Job::Committed(committed) => self.committed = Some(committed),
            Job::Purge { upto } => {
                let to = key::entry(upto.index + 1).to_vec();
                self.ops.push(Op::Put(key::PURGED.to_vec(), codec::encode(&upto)));
                self.ops.push(Op::DeleteRange(key::entry(0).to_vec(), to));
            }
            Job::Cut { .. } | Job::Stop => unreachable!("gather does these itself"),
        }
    }

    /// Cutting lowers the mark, and the lower mark must be durable before the log is shorter.
    fn cut(&mut self, after: Option<LogId>, done: oneshot::Sender<()>) {
        self.commit();
        self.promise.last = after;
        self.mark.note(self.promise).and_then(|()| self.mark.sync()).or_halt("the log's mark");
        let from = key::entry(after.map_or(0, |after| after.index + 1)).to_vec();
        self.ops.push(Op::DeleteRange(from, key::ENTRIES_END.to_vec()));
        self.done.push(Done::Told(done));
        self.sync = true;
        self.commit();
    }

    /// Makes durable what was taken, and tells.
    fn commit(&mut self) {
        if self.ops.is_empty() {
            return;
        }
        self.add_committed();
        self.write_until_it_works();
        self.ops.clear();
        self.bytes = 0;
        if std::mem::take(&mut self.sync) {
            self.mark.note(self.promise).or_halt("the log's mark");
        }
        let mut written = None;
        for done in self.done.drain(..) {
            match done {
                Done::Appended(done, last) => {
                    written = Some(last);
                    done.io_completed(Ok(()));
                }
                Done::Told(done) => {
                    // Whoever asked may have gone; it is durable all the same.
                    let _gone = done.send(());
                }
            }
        }
        if let Some(index) = written {
            let mut memory = self.shared.memory.lock().unwrap_or_else(PoisonError::into_inner);
            memory.cache.written(index);
        }
    }

    fn add_committed(&mut self) {
        if let Some(committed) = self.committed.take() {
            self.ops.push(Op::Put(key::COMMITTED.to_vec(), codec::encode(&committed)));
        }
    }

    /// Whether something is left to do when the log falls idle.
    fn restless(&self) -> bool {
        self.committed.is_some() || self.mark.unsynced().is_some()
    }

    /// Does what was left for idle moments.
    fn rest(&mut self) {
        self.add_committed();
        if !self.ops.is_empty() {
            self.write_until_it_works();
            self.ops.clear();
        }
        self.sync_mark();
    }

    fn sync_mark(&mut self) {
        self.mark.sync().or_halt("the log's mark cannot be synced");
    }

    fn write_until_it_works(&mut self) {
        let mut failed = false;
        while let Err(error) = self.write() {
            if trouble(&error) == Trouble::Broken {
                halt("the log cannot be written", &error);
            }
            failed = true;
            let words = format!(
                "the log cannot be written ({error}). Free some space or raise the limit; nothing acknowledged is lost, and \
                 writes are accepted again by themselves"
            );
            self.shared.gate.shut(Why::Log, words);
            self.wait_for_room();
            self.reopen();
        }
        if failed {
            self.shared.gate.open(Why::Log);
        }
    }

    fn write(&mut self) -> Result<(), rocksdb::Error> {
        let mut batch = WriteBatch::default();
        for op in &self.ops {
            match op {
                Op::Put(key, value) => batch.put(key, value),
                Op::DeleteRange(from, to) => batch.delete_range(from, to),
            }
        }
        let mut options = WriteOptions::default();
        options.set_sync(self.sync);
        let begin = Instant::now();
        self.shared.shelf.with(|db| db.write_opt(batch, &options))?;
        if self.sync {
            metric::synced(begin.elapsed(), self.done.len());
            #[cfg(test)]
            if let Some(hook) =
                &mut *self.shared.after_sync.lock().unwrap_or_else(PoisonError::into_inner)
            {
                hook();
            }
        }
        Ok(())
    }

    fn wait_for_room(&self) {
        loop {
            std::thread::park_timeout(RETRY_AFTER);
            if has_room(self.shared.place.disk()) {
                return;
            }
        }
    }

    /// RocksDB takes no writes after one has failed: it must be opened again.
    fn reopen(&self) {
        let place = &self.shared.place;
        self.shared.shelf.reopen(|| {
            loop {
                match place.open_log() {
                    Ok(db) => return db,
                    Err(error) if trouble(&error) == Trouble::Full => {
                        std::thread::park_timeout(RETRY_AFTER);
                    }
                    Err(error) => halt("the log cannot be opened again", &error),
                }
            }
        });
    }
}

/// The answer of a writer that is gone: the replica stops.
pub(crate) fn stopped() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the log is closed")
}
