//! The thread that applies: one entry after another, each one write.
//!
//! Nothing here may depend on anything but the entry and the state: every replica does the same. What only this replica could
//! meet — an entry it cannot decode, a disk that does not answer — stops it, except a full disk, which it waits for (`heal.rs`).

use std::sync::mpsc::Receiver;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use oarlock_engine::apply::{Engine, Parcel};
use oarlock_engine::codec;
use oarlock_engine::store::Batch;
use openraft::storage::ApplyResponder;
use rocksdb::{DB, WriteOptions};
use tokio::sync::oneshot;

use super::hot::Hot;
use super::rocks::{Applied, Now, Then, to_write};
use super::{Progress, Shared, heal, id_of, index};
use crate::config::{Cell, Entry, LOG_BYTES_BETWEEN_SNAPSHOTS_MAX, Membership, Payload, Verdict};
use crate::fault::{OrHalt, Trouble, halt, trouble};
use crate::log::cache;
use crate::log::store::Log;
use crate::metric;
use crate::snapshot::{Kept, load};

/// What the thread is asked to do.
pub(crate) enum Job {
    /// Apply entries and answer who waits for them.
    Apply { items: Vec<(Entry, Option<ApplyResponder<Cell>>)>, done: oneshot::Sender<()> },
    /// Replace the state by a snapshot.
    Install { kept: Kept, done: oneshot::Sender<()> },
    /// Make durable what was applied, and end.
    Stop,
}

/// The thread's own state.
pub(crate) struct Applier {
    pub(crate) shared: Arc<Shared>,
    pub(crate) engine: Engine,
    /// Beside the database, some of its rows.
    pub(crate) hot: Hot,
    pub(crate) progress: Progress,
    /// To read again what a broken state has lost.
    pub(crate) log: Log,
    /// Bytes applied since the last snapshot was asked for.
    pub(crate) bytes: u64,
    /// Asks for a snapshot.
    pub(crate) wish: Arc<tokio::sync::Notify>,
}

impl Applier {
    /// Works until it is told to stop, or nobody can give it work any more.
    pub(crate) fn run(mut self, jobs: &Receiver<Job>) {
        while let Ok(job) = jobs.recv() {
            match job {
                Job::Apply { items, done } => {
                    self.apply_all(items);
                    let _gone = done.send(());
                }
                Job::Install { kept, done } => {
                    self.install(kept);
                    let _gone = done.send(());
                }
                Job::Stop => break,
            }
        }
        // A state that cannot be flushed now is replayed at the next start.
        if let Err(error) = self.shared.shelf.with(DB::flush) {
            tracing::warn!(%error, "the state was not flushed: the next start replays the log");
        }
    }

    fn apply_all(&mut self, items: Vec<(Entry, Option<ApplyResponder<Cell>>)>) {
        let begin = Instant::now();
        let mut commands = 0;
        for (entry, answer) in items {
            let verdict = self.apply(&entry);
            commands += verdict.outcomes.len();
            self.bytes += cache::size(&entry) as u64;
            if let Some(answer) = answer {
                answer.send(verdict);
            }
        }
        metric::applied(begin.elapsed(), commands);
        if self.bytes > LOG_BYTES_BETWEEN_SNAPSHOTS_MAX {
            self.bytes = 0;
            self.wish.notify_one();
        }
    }

    fn apply(&mut self, entry: &Entry) -> Verdict {
        let shared = self.shared.clone();
        // The suite of openraft, and nothing else, applies entries that do not follow each other.
        if !cfg!(test)
            && let Some(last) = self.progress.applied.last
            && last.index + 1 != id_of(entry).index
        {
            halt("the log has a hole", &format!("{} was to be applied after {last}", id_of(entry)));
        }
        let (verdict, records) = loop {
            let (engine, hot) = (&mut self.engine, &mut self.hot);
            let tried = shared.shelf.with(|db| step(db, engine, hot, &self.progress, entry));
            match tried {
                Ok((progress, verdict, records)) => {
                    self.progress = progress;
                    break (verdict, records);
                }
                Err(error) if trouble(&error) == Trouble::Full => heal::heal(self, entry, &error),
                Err(error) => halt("the state cannot be written", &error),
            }
        };
        // First the feed: whoever waits for this entry finds the revision that it came to.
        if !records.is_empty() {
            self.shared.tail.push(records);
        }
        self.publish();
        verdict
    }

    /// Lets others see how far it has come.
    pub(crate) fn publish(&self) {
        let mut progress = self.shared.progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.applied = self.progress.applied;
        let regrouped = progress.members != self.progress.members;
        if regrouped {
            progress.members.clone_from(&self.progress.members);
            progress.numbered = self.progress.numbered;
        }
        drop(progress);
        if regrouped {
            self.shared.regrouped.send_replace(());
        }
        let applied = self.progress.applied;
        self.shared.prints.push(index(applied.last), applied.print);
        self.shared.reached.send_replace(index(applied.last));
    }

    fn install(&mut self, kept: Kept) {
        let shared = self.shared.clone();
        shared.shelf.reopen(|| {
            load::swap_in(&shared.place, &kept).or_halt("a snapshot cannot be installed")
        });
        self.engine = Engine::default();
        self.progress =
            shared.shelf.with(Progress::read).or_halt("an installed snapshot cannot be read");
        self.hot = shared.shelf.with(Hot::load).or_halt("an installed snapshot cannot be read");
        shared.prints.clear();
        self.publish();
        let revision = shared.shelf.with(|db| oarlock_engine::feed::revision(&Then::new(db)));
        shared.tail.restart(revision);
        *shared.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
    }
}

/// What one entry came to: how far the state is, the answer, the records.
type Step = (Progress, Verdict, Vec<oarlock_engine::feed::Record>);

/// Applies one entry to a state.
pub(crate) fn step(
    db: &DB,
    engine: &mut Engine,
    hot: &mut Hot,
    progress: &Progress,
    entry: &Entry,
) -> Result<Step, rocksdb::Error> {
    let id = id_of(entry);
    let mut next = progress.clone();
    next.applied.last = Some(id);
    let mut members = None;
    let mut batch = Batch::default();
    let mut verdict = Verdict::default();
    let mut records = Vec::new();
    match &entry.payload {
        Payload::Blank => {}
        Payload::Membership(membership) => {
            next.members = Membership::new(Some(id), membership.clone());
            let newest = membership.nodes().map(|(node, _)| *node).max();
            next.numbered = next.numbered.max(newest.unwrap_or(0));
            members = Some(&next.members);
        }
        Payload::Normal(packet) => {
            let parcel: Parcel = codec::decode(&packet.0).or_halt("a log entry cannot be decoded");
            let applied = engine.apply(&Now { db, hot }, &parcel);
            verdict = Verdict { outcomes: applied.outcomes, revision: applied.revision };
            (batch, records) = (applied.batch, applied.records);
        }
    }
    let print = progress.applied.print.after(id.index, &batch);
    next.applied = Applied { last: Some(id), print };
    let rows = to_write(&batch, &next.applied, members.map(|members| (members, next.numbered)));
    let mut options = WriteOptions::default();
    options.disable_wal(true);
    db.write_opt(rows, &options)?;
    hot.follow(&batch);
    Ok((next, verdict, records))
}
