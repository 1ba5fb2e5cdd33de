//! What a replica is configured with; openraft's types for us; timings, limits, sizes — all on this page.
//!
//! openraft is pinned to one version and its API may change before 0.10.0: its type parameters are filled in here and its
//! aliases are made here, so that a change of it is a change of this file and of the two storage traits' implementations.
//!
//! `enable_leader_restore` is off. With it, a leader that restarts inside its own term goes on leading without an election, and
//! may answer "linearizable" reads from a copy that is older than what it acknowledged before. Without it, whoever restarts must
//! win an election and commit an entry of the new term first; a group of one elects itself at once, so this costs a millisecond.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use hmac::{Hmac, Mac as _};
use oarlock_engine::apply::Outcome;
use oarlock_engine::id::{NodeId, Revision};
use openraft::RaftTypeConfig;
use openraft::raft::responder::Responder;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::peer::tls::Tls;

/// The normal size of one parcel: more only if a single command is larger.
pub(crate) const PARCEL_BYTES_TARGET: usize = 1 << 20;
/// Parcels on their way through the log at once: one is synced while the next is put together.
pub(crate) const PARCELS_IN_FLIGHT_MAX: usize = 2;
/// Bytes of log entries kept in memory, beside those not yet written.
pub(crate) const LOG_CACHE_BYTES_MAX: usize = 16 << 20;
/// Bytes of log entries read, sent or applied at once, unless a single entry is larger.
pub(crate) const LOG_READ_BYTES_MAX: usize = 4 << 20;
/// Jobs that may wait for the log's writer.
pub(crate) const LOG_JOBS_MAX: usize = 4_096;
/// Calls that may wait for the thread that applies: openraft makes one at a time.
pub(crate) const APPLY_JOBS_MAX: usize = 64;
/// Entries that are kept behind a snapshot, for peers that are a little late.
pub(crate) const LOG_KEPT: u64 = 256;
/// Applied bytes after which a snapshot is taken even if `snapshot_every` is far.
pub(crate) const LOG_BYTES_BETWEEN_SNAPSHOTS_MAX: u64 = 256 << 20;
/// Records of the feed kept in memory for live watchers; who is further behind reads the table.
pub(crate) const TAIL_RECORDS_MAX: usize = 16_384;
/// Records handed to a watcher at once from the table.
pub(crate) const WATCH_RECORDS_MAX: usize = 1_024;

/// Where and how a replica keeps its copy of the truth.
#[derive(Debug, Clone)]
pub struct Config {
    /// This member's number, kept in the data directory. With peers it is only the number to found a cluster with: a node that
    /// joins one is given a number, and one that restarts keeps what its directory says.
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
    /// finished. On a small disk a twentieth of it is enough.
    pub disk_reserve_bytes: u64,
    /// How it takes part in a group with others; none: it is alone.
    pub peer: Option<Peering>,
}

/// What a node needs to take part in a group with others.
#[derive(Debug, Clone)]
pub struct Peering {
    /// Where it listens for its peers; port 0 is any free one.
    pub listen: SocketAddr,
    /// `HOST:PORT` where its peers reach it; none: where it listens.
    pub advertise: Option<String>,
    /// What all nodes of the cluster know and nobody else does.
    pub secret: Secret,
    /// With what the connections between nodes are encrypted; none: not at all.
    pub tls: Option<Tls>,
    /// Nodes to ask for admission when the data directory is empty; none: it founds a cluster.
    pub join: Vec<String>,
    /// Whether it may become a voter.
    pub votes: bool,
    /// Voters the leader brings the group to by itself while there are nodes for it: 1, 3 or 5.
    pub voters_max: usize,
    /// A node whose clock differs by more from the leader's has its proposals refused.
    pub skew_ms_max: u64,
}

impl Peering {
    /// With the limits that suit most nodes.
    #[must_use]
    pub fn new(listen: SocketAddr, secret: Secret) -> Peering {
        Peering {
            listen,
            advertise: None,
            secret,
            tls: None,
            join: Vec::new(),
            votes: true,
            voters_max: 5,
            skew_ms_max: 5_000,
        }
    }
}

/// The cluster's secret: never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A secret. Its length is what protects the cluster: 32 random characters are good.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Secret {
        Secret(secret.into())
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Another secret, made from this one for one purpose: whoever learns it learns nothing of this one.
    #[must_use]
    pub fn derived(&self, purpose: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.bytes()).expect("a key of any length");
        mac.update(b"oarlock ");
        mac.update(purpose.as_bytes());
        let digits = mac.finalize().into_bytes().into_iter().map(|byte| format!("{byte:02x}"));
        digits.collect()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
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
            peer: None,
        }
    }

    /// The same in openraft's terms. Elections are patient: a shared machine with a slow disk must not start them by itself.
    pub(crate) fn raft(&self) -> Result<Arc<openraft::Config>, openraft::ConfigError> {
        let config = openraft::Config {
            cluster_name: "oarlock".to_owned(),
            heartbeat_interval: 100,
            election_timeout_min: 500,
            election_timeout_max: 1_000,
            install_snapshot_timeout: 10_000,
            max_payload_entries: 64,
            max_append_entries: Some(256),
            snapshot_policy: openraft::SnapshotPolicy::LogsSinceLast(self.snapshot_every),
            replication_lag_threshold: self.snapshot_every.saturating_mul(2),
            max_in_snapshot_log_to_keep: LOG_KEPT,
            purge_batch_size: 64,
            enable_pre_vote: Some(true),
            enable_leader_restore: Some(false),
            allow_log_reversion: Some(false),
            ..openraft::Config::default()
        };
        config.validate().map(Arc::new)
    }
}

/// A parcel's bytes on their way through openraft: shared, never decoded there.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Packet(pub(crate) Bytes);

impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "parcel of {} bytes", self.0.len())
    }
}

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What applying one log entry came to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Verdict {
    /// One for each entry of the parcel; none for openraft's own log entries.
    pub(crate) outcomes: Vec<Outcome>,
    /// The feed's newest revision after it.
    pub(crate) revision: Revision,
}

/// Whom to tell the result of a write: called once, on the thread that has it.
pub(crate) struct Answer<T>(pub(crate) Box<dyn FnOnce(T) + Send>);

impl<T: Send + 'static> Responder<Cell, T> for Answer<T> {
    fn on_complete(self, result: T) {
        (self.0)(result);
    }
}

/// openraft's type parameters, filled in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cell;

impl RaftTypeConfig for Cell {
    type D = Packet;
    type R = Verdict;
    type NodeId = u64;
    type Node = openraft::impls::BasicNode;
    type Term = u64;
    type LeaderId = openraft::impls::leader_id_adv::LeaderId<u64, u64>;
    type Vote = openraft::impls::Vote<Self::LeaderId>;
    type Payload = openraft::EntryPayload<Self::D, Self::NodeId, Self::Node>;
    type Entry = openraft::impls::Entry<
        <Self::LeaderId as openraft::vote::RaftLeaderId>::Committed,
        Self::Payload,
    >;
    type AsyncRuntime = openraft::impls::TokioRuntime;
    type Responder<T>
        = Answer<T>
    where
        T: Send + 'static;
    type Batch<T>
        = openraft::impls::InlineBatch<T>
    where
        T: Send + 'static;
    type ErrorSource = openraft::impls::BoxedErrorSource;
}

/// A log entry: its place and openraft's payload.
pub(crate) type Entry = openraft::alias::EntryOf<Cell>;
/// What a log entry carries.
pub(crate) type Payload = openraft::alias::EntryPayloadOf<Cell>;
/// A place in the log: who led, in which term, which index.
pub(crate) type LogId = openraft::alias::LogIdOf<Cell>;
/// Whom this replica has promised to follow.
pub(crate) type Vote = openraft::alias::VoteOf<Cell>;
/// Who takes part, and since which entry.
pub(crate) type Membership = openraft::alias::StoredMembershipOf<Cell>;
/// What a snapshot says of itself.
pub(crate) type SnapshotMeta = openraft::alias::SnapshotMetaOf<Cell>;
/// The replicated log with our storage under it.
pub(crate) type Raft = openraft::Raft<Cell, crate::machine::Machine>;
