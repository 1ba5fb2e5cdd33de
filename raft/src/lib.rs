//! The Replica handle: propose, read, watch — all the rest of the house needs.
//!
//! ```text
//!   propose ─▶ desk ─▶ openraft ─▶ log (RocksDB, synced) ─▶ committed ─▶ engine ─▶ state (RocksDB) ─▶ answers, watchers
//!                                                                                     ▲
//!   read ─────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! What was accepted is on the disk of a majority before anybody is told, and survives every crash and power cut from then on. A
//! replica in memory runs through the same code over a file system in memory.

mod admin;
pub mod check;
mod clock;
mod cluster;
mod config;
mod disk;
mod ending;
mod fault;
mod log;
mod machine;
mod metric;
mod opening;
mod peer;
mod propose;
mod read;
mod recover;
mod road;
mod snapshot;
mod space;
#[cfg(test)]
mod tests;
mod watch;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use oarlock_engine::access::Principal;
use oarlock_engine::apply::Offer;
use oarlock_engine::command::Command;
use oarlock_engine::id::{NodeId, Revision};
use openraft::async_runtime::WatchReceiver as _;
use tokio::sync::mpsc;
use tokio::sync::watch::Sender as Told;

pub use crate::admin::Identity;
pub use crate::cluster::{Lead, Link, Member, Standing, Visitor};
pub use crate::config::{Config, Peering, Secret};
pub use crate::fault::Fault;
pub use crate::machine::print::Print;
pub use crate::peer::socket::Stream;
pub use crate::peer::tls::{NoTls, Tls};
pub use crate::propose::{Accepted, ProposeError};
pub use crate::read::Local;
pub use crate::recover::{Recovered, recover};
pub use crate::watch::Watch;

use crate::config::Raft;
use crate::log::store::Log;
use crate::machine::apply::Job;
use crate::machine::{Shared, index};
use crate::peer::room::Room;
use crate::propose::Desk;
use crate::space::Gate;

/// How long a barrier or a snapshot may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a member of a group of several may take to open before it is given up waiting for a leader.
const SETTLE_WAIT: Duration = Duration::from_secs(8);

/// One node's copy of the truth, and the way to change it. Cheap to clone.
#[derive(Clone)]
pub struct Replica {
    inner: Arc<Inner>,
}

struct Inner {
    identity: Identity,
    raft: Raft,
    log: Log,
    shared: Arc<Shared>,
    desk: Arc<Desk>,
    gate: Arc<Gate>,
    applier: std::sync::mpsc::SyncSender<Job>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    room: Arc<Room>,
    lead: Told<Lead>,
    closing: Arc<AtomicBool>,
    peer_address: Option<SocketAddr>,
    visitors: Mutex<Option<mpsc::Receiver<Visitor>>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        self.room.book.close();
        self.closing.store(true, Ordering::Release);
        // Not closed: as after a crash, except that this process goes on and must not go on leading.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let raft = self.raft.clone();
            runtime.spawn(async move { drop(raft.shutdown().await) });
        }
    }
}

impl std::fmt::Debug for Replica {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replica").field("node", &self.inner.identity.node).finish_non_exhaustive()
    }
}

impl Replica {
    /// Opens, founds or joins, and takes part in the log. A group of one leads when this returns; a member of several has heard of a
    /// leader and caught up with it, or [`SETTLE_WAIT`] is over and it goes on trying.
    ///
    /// # Errors
    /// When the directory is used by another process, belongs to another node, or is not whole; when it cannot listen, or the
    /// cluster does not take it in. The text says what to do.
    pub async fn open(config: Config) -> Result<Replica, Fault> {
        let replica = opening::open(&config).await?;
        if config.peer.is_some() {
            replica.settle().await;
        }
        Ok(replica)
    }

    /// Waits until this copy has what was acknowledged before it was opened, but not for ever.
    async fn settle(&self) {
        let settled = async {
            while let Err(why) = self.barrier().await {
                tracing::debug!(%why, "not settled yet");
            }
        };
        if tokio::time::timeout(SETTLE_WAIT, settled).await.is_err() {
            tracing::warn!("nobody leads yet: what is read may be old, and nothing can be written");
        }
    }

    /// Proposes a command and waits until it is durable on a majority and applied here.
    ///
    /// # Errors
    /// See [`ProposeError`]: refused and done nothing, not proposed, or unknown.
    pub async fn propose(
        &self,
        by: Principal,
        offer: Option<Offer>,
        command: Command,
    ) -> Result<Accepted, ProposeError> {
        self.inner.desk.propose(by, offer, command).await
    }

    /// Reads the local copy. Do not read inside the reader.
    pub fn read<R>(&self, reader: impl FnOnce(&Local<'_>) -> R) -> R {
        self.inner.shared.shelf.with(|db| reader(&Local::new(db)))
    }

    /// Waits until the local copy contains everything acknowledged before this call, anywhere. Asked of any node.
    ///
    /// # Errors
    /// Within five seconds, when no leader with a majority behind it can be asked.
    pub async fn barrier(&self) -> Result<(), Fault> {
        self.inner.room.barrier().await
    }

    /// The feed from `after` (exclusive) on.
    #[must_use]
    pub fn watch(&self, after: Revision) -> Watch {
        Watch::new(self.inner.shared.clone(), after)
    }

    /// The feed's newest revision here.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.inner.shared.tail.newest()
    }

    /// Whose directory this is.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.inner.identity
    }

    /// What this replica shows of itself.
    #[must_use]
    pub fn status(&self) -> Status {
        let inner = &self.inner;
        let seen = inner.raft.metrics();
        let (leader, term, running) = {
            let seen = seen.borrow_watched();
            (seen.current_leader, seen.current_term, seen.running_state.clone())
        };
        let applied = inner.shared.progress().applied;
        let (log_last, purged) = inner.log.bounds();
        let stopped = running.err().map(|why| format!("the log has stopped: {why}"));
        Status {
            node: inner.identity.node,
            leader: leader.map(NodeId),
            term,
            log_last,
            applied: index(applied.last),
            purged,
            print: applied.print,
            revision: self.revision(),
            waiting: inner.desk.waiting(),
            read_only: stopped.or_else(|| inner.room.book.expelled()).or_else(|| inner.gate.why()),
            sure: inner.room.lead().sure,
        }
    }

    /// Takes a snapshot now and purges the log behind it.
    ///
    /// # Errors
    /// When it cannot be written, or takes too long.
    pub async fn snapshot(&self) -> Result<(), Fault> {
        let raft = &self.inner.raft;
        let applied = index(self.inner.shared.progress().applied.last);
        let wrong = |why: &dyn std::fmt::Display| Fault::Raft(why.to_string());
        raft.trigger().snapshot().await.map_err(|why| wrong(&why))?;
        raft.wait(Some(PATIENCE))
            .metrics(|seen| index(seen.snapshot) >= applied, "a snapshot")
            .await
            .map_err(|why| wrong(&why))?;
        raft.trigger().purge_log(applied).await.map_err(|why| wrong(&why))
    }

    /// Stops: what was acknowledged is durable, nothing more is accepted. The directory is free when the last clone is dropped.
    ///
    /// # Errors
    /// When a thread of it has died.
    pub async fn close(&self) -> Result<(), Fault> {
        let inner = self.inner.clone();
        inner.room.leave_the_lead().await;
        inner.closing.store(true, Ordering::Release);
        inner.desk.close("the node is stopping");
        inner.raft.shutdown().await.map_err(|why| Fault::Raft(why.to_string()))?;
        inner.desk.give_up_flying("the node stopped before it was applied");
        inner.shared.tail.close();
        for task in &inner.tasks {
            task.abort();
        }
        inner.room.book.close();
        let threads = {
            let mut threads = inner.threads.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *threads)
        };
        tokio::task::spawn_blocking(move || {
            // Either may have stopped by itself when openraft let go of it.
            let _stopped = inner.applier.send(Job::Stop);
            inner.log.stop();
            threads.into_iter().try_for_each(|thread| thread.join())
        })
        .await
        .map_err(|why| Fault::Storage(why.to_string()))?
        .map_err(|_| Fault::Storage("a thread of the store has died".to_owned()))
    }
}

/// What a replica shows of itself to `/readyz`, `/metrics` and the console.
#[derive(Debug, Clone)]
pub struct Status {
    /// This member.
    pub node: NodeId,
    /// Who leads, if anyone does.
    pub leader: Option<NodeId>,
    /// The Raft term.
    pub term: u64,
    /// The last log index here, the last applied one, the last one purged.
    pub log_last: u64,
    /// The last applied log index.
    pub applied: u64,
    /// The last log index that was purged.
    pub purged: u64,
    /// The fingerprint of everything applied: equal on all members at the same applied index.
    pub print: Print,
    /// The feed's newest revision.
    pub revision: Revision,
    /// Commands waiting to be proposed.
    pub waiting: usize,
    /// Why writes are refused, if they are: a sentence for people.
    pub read_only: Option<String>,
    /// Whether it is sure of its leader: if not, what is read here may be older than what was acknowledged elsewhere.
    pub sure: bool,
}
