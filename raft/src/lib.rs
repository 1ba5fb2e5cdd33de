//! The Replica handle: propose, read, watch — all the rest of the house needs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use oarlock_engine::access::Principal;
use oarlock_engine::apply::{Offer, Reply};
use oarlock_engine::command::Command;
use oarlock_engine::feed::Record;
use oarlock_engine::id::{NodeId, Revision};
use oarlock_engine::reject::Rejection;
use oarlock_engine::store::View;

/// Where and how a replica keeps its copy of the truth.
#[derive(Debug, Clone)]
pub struct Config {
    /// This member's number, kept in the data directory.
    pub node: NodeId,
    /// The data directory; none: in memory, gone when the process is.
    pub data: Option<PathBuf>,
    /// Commands that may wait to be proposed; one more is told to come back later.
    pub waiting_max: usize,
    /// Bytes of commands that may wait to be proposed.
    pub waiting_bytes_max: usize,
    /// Applied log entries (parcels) between two snapshots; the log behind a snapshot is purged.
    pub snapshot_every: u64,
    /// Below so much free space on the data directory's disk no proposal is accepted, so that what was accepted can be
    /// finished.
    pub disk_reserve_bytes: u64,
}

impl Config {
    /// A replica with the limits that suit most nodes.
    #[must_use]
    pub fn new(node: NodeId, data: Option<PathBuf>) -> Config {
        Config {
            node,
            data,
            waiting_max: 16_384,
            waiting_bytes_max: 64 << 20,
            snapshot_every: 50_000,
            disk_reserve_bytes: 256 << 20,
        }
    }
}

/// One node's copy of the truth, and the way to change it. Cheap to clone.
#[derive(Clone)]
pub struct Replica {}

/// A read of the local copy: one moment of it, for as long as it lives. Keep it short: it pins files.
pub struct Local<'a> {
    replica: &'a Replica,
}

/// The answer to a proposal that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// What the engine answered.
    pub reply: Reply,
    /// The feed's newest revision after it: read at or after this to see your own write.
    pub revision: Revision,
}

/// Why a proposal was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum ProposeError {
    /// The engine refused it; it left no trace.
    #[error("{0}")]
    Refused(Rejection),
    /// Too much waits already; it was not proposed. Try again after the pause.
    #[error("busy: try again in {retry_after:?}")]
    Busy {
        /// How long to wait.
        retry_after: Duration,
    },
    /// The node takes no writes now (disk full, no quorum, stopping); it was not proposed.
    #[error("not writable: {0}")]
    Unavailable(String),
    /// It may or may not have been applied: ask, or repeat it with the same ids.
    #[error("outcome unknown: {0}")]
    Unknown(String),
}

/// The feed as a stream: from the table until caught up, then live; a slow reader re-reads from the table.
pub struct Watch {}

impl Replica {
    /// Opens (or founds) the copy and takes part in the log.
    pub async fn open(_config: Config) -> Result<Replica, Fault> {
        todo!()
    }

    /// Proposes a command and waits until it is durable on a majority and applied here.
    pub async fn propose(
        &self,
        _by: Principal,
        _offer: Option<Offer>,
        _command: Command,
    ) -> Result<Accepted, ProposeError> {
        todo!()
    }

    /// Reads the local copy.
    pub fn read<R>(&self, _reader: impl FnOnce(&Local<'_>) -> R) -> R {
        todo!()
    }

    /// Waits until the local copy contains everything acknowledged before this call, anywhere.
    pub async fn barrier(&self) -> Result<(), Fault> {
        todo!()
    }

    /// The feed from `after` (exclusive) on.
    pub fn watch(&self, _after: Revision) -> Watch {
        todo!()
    }

    /// What this replica shows of itself.
    pub fn status(&self) -> Status {
        todo!()
    }

    /// Takes a snapshot now and purges the log behind it.
    pub async fn snapshot(&self) -> Result<(), Fault> {
        todo!()
    }

    /// Stops: what was acknowledged is durable, nothing more is accepted.
    pub async fn close(&self) -> Result<(), Fault> {
        todo!()
    }
}

impl Watch {
    /// The next records, one or more, in order without gaps; `None` when the replica is closed.
    pub async fn next(&mut self) -> Option<Arc<[Record]>> {
        todo!()
    }
}

impl Local<'_> {
    /// The newest revision in this moment.
    pub fn revision(&self) -> Revision {
        todo!()
    }
}

impl View for Local<'_> {
    fn get(&self, _key: &[u8]) -> Option<Vec<u8>> {
        let _ = self.replica;
        todo!()
    }

    fn scan<'a>(
        &'a self,
        _from: &[u8],
        _to: &[u8],
    ) -> Box<dyn Iterator<Item = oarlock_engine::store::Row> + 'a> {
        todo!()
    }

    fn scan_back<'a>(
        &'a self,
        _from: &[u8],
        _to: &[u8],
    ) -> Box<dyn Iterator<Item = oarlock_engine::store::Row> + 'a> {
        todo!()
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
    /// The feed's newest revision.
    pub revision: Revision,
    /// Commands waiting to be proposed.
    pub waiting: usize,
    /// Why writes are refused, if they are: a sentence for people.
    pub read_only: Option<String>,
}

/// What stops or hinders a replica: operational, with its source.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The data directory cannot be used: which, why and what to do.
    #[error("{0}")]
    Data(String),
    /// The store failed.
    #[error("storage: {0}")]
    Storage(String),
    /// The consensus layer failed.
    #[error("raft: {0}")]
    Raft(String),
    /// There is no leader, or the replica stops.
    #[error("not available: {0}")]
    Unavailable(String),
}
