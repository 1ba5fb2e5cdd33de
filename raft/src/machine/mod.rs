//! Committed entries through the engine into one batch each: state, feed, applied index.
//!
//! ```text
//!   openraft ──entries──▶ Machine ──job──▶ apply thread:  decode ▶ Engine::apply ▶ one write ▶ tail (live watchers)
//!                                                                                            └▶ answers (proposers)
//! ```
//!
//! The state has no write-ahead log of its own. After a crash it is as old as its last flush, says so, and the log from there on
//! is applied again; `Engine::apply` is a function, so this comes to the same bytes, and the fingerprint shows it. The log is
//! purged only behind a snapshot, and taking one flushes the state first.
//!
//! Applying is done on a thread of its own. RocksDB may hold a writer up for a while when flushes fall behind, and neither
//! openraft nor the runtime's threads should stand still with it.

pub(crate) mod apply;
pub(crate) mod heal;
pub(crate) mod hot;
pub(crate) mod print;
pub(crate) mod rocks;

use std::io;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use openraft::OptionalSend;
use openraft::entry::RaftEntry as _;
use openraft::storage::{EntryResponder, RaftStateMachine, Snapshot};
use rocksdb::DB;
use tokio::sync::{oneshot, watch};

use self::apply::Job;
use self::rocks::Applied;
use crate::config::{Cell, LOG_READ_BYTES_MAX, LogId, Membership, SnapshotMeta};
use crate::disk::{Place, Shelf};
use crate::log::cache;
use crate::peer::census::Prints;
use crate::snapshot::build::Builder;
use crate::snapshot::{Kept, load};
use crate::space::Gate;
use crate::watch::Tail;

/// What the apply thread, readers and snapshots share.
pub(crate) struct Shared {
    pub(crate) shelf: Shelf,
    /// After the shelf: its lock outlives the database.
    pub(crate) place: Place,
    pub(crate) gate: Arc<Gate>,
    pub(crate) tail: Arc<Tail>,
    /// How far it is applied and who takes part: as in the database.
    pub(crate) progress: Mutex<Progress>,
    /// The newest snapshot.
    pub(crate) kept: Mutex<Option<Kept>>,
    /// Held while a snapshot is taken: one at a time.
    pub(crate) building: Mutex<()>,
    /// Tells when the members, as applied, have changed.
    pub(crate) regrouped: watch::Sender<()>,
    /// The last applied index, for whoever waits for one.
    pub(crate) reached: watch::Sender<u64>,
    /// The fingerprints of the last entries.
    pub(crate) prints: Prints,
}

/// How far the state has come.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    pub(crate) applied: Applied,
    pub(crate) members: Membership,
    /// The highest number a member ever had: it is never given again.
    pub(crate) numbered: u64,
}

impl Progress {
    /// Reads how far a database has come.
    pub(crate) fn read(db: &DB) -> Result<Progress, String> {
        let (applied, members) = (rocks::applied(db)?, rocks::members(db)?);
        Ok(Progress { applied, members, numbered: rocks::numbered(db)? })
    }
}

impl Shared {
    /// How far the state has come.
    pub(crate) fn progress(&self) -> Progress {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until an entry is applied, at most so long.
    pub(crate) async fn reach(&self, index: u64, within: Duration) -> bool {
        let mut reached = self.reached.subscribe();
        let there = reached.wait_for(|reached| *reached >= index);
        matches!(tokio::time::timeout(within, there).await, Ok(Ok(_)))
    }

    /// The newest snapshot.
    pub(crate) fn kept(&self) -> Option<Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The state machine as openraft sees it.
pub(crate) struct Machine {
    pub(crate) shared: Arc<Shared>,
    pub(crate) jobs: SyncSender<Job>,
}

impl Machine {
    async fn ask(&self, job: impl FnOnce(oneshot::Sender<()>) -> Job) -> io::Result<()> {
        let (done, answer) = oneshot::channel();
        let gone = || io::Error::new(io::ErrorKind::BrokenPipe, "the state is closed");
        self.jobs.send(job(done)).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())
    }
}

impl RaftStateMachine<Cell> for Machine {
    type SnapshotData = Kept;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, Membership), io::Error> {
        let progress = self.shared.progress();
        Ok((progress.applied.last, progress.members))
    }

    async fn apply<Strm>(&mut self, entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<Cell>, io::Error>> + Unpin + OptionalSend,
    {
        // openraft's stream panics when it is asked again after its end; a fused one keeps saying that it has ended.
        let mut entries = entries.fuse();
        loop {
            let (mut items, mut bytes) = (Vec::new(), 0);
            while bytes < LOG_READ_BYTES_MAX
                && let Some(item) = entries.next().await
            {
                let (entry, answer) = item?;
                bytes += cache::size(&entry);
                items.push((entry, answer));
            }
            if items.is_empty() {
                return Ok(());
            }
            self.ask(|done| Job::Apply { items, done }).await?;
        }
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        Builder { shared: self.shared.clone() }
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, kept: Kept) -> Result<(), io::Error> {
        let (expected, found) = (meta.clone(), kept.clone());
        tokio::task::spawn_blocking(move || load::verify(&expected, &found)).await??;
        self.ask(|done| Job::Install { kept, done }).await
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> Result<Option<openraft::alias::SnapshotOf<Cell, Kept>>, io::Error> {
        Ok(self.shared.kept().map(|kept| Snapshot { meta: kept.meta.clone(), snapshot: kept }))
    }
}

/// The index of a log id; 0 for none.
pub(crate) fn index(id: Option<LogId>) -> u64 {
    id.map_or(0, |id| id.index)
}

/// The index behind a log id: the log begins with entry 0.
pub(crate) fn next(id: Option<LogId>) -> u64 {
    id.map_or(0, |id| id.index + 1)
}

/// The log id of an entry.
pub(crate) fn id_of(entry: &crate::config::Entry) -> LogId {
    entry.log_id()
}
