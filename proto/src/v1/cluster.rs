//! The cluster: who takes part, who leads, and what last happened.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Member;

/// The nodes together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Cluster {
    /// Its id, drawn when it was founded.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// `healthy`; `degraded`: it works, and somebody is away; `unavailable`: no majority answers the node that was asked.
    pub health: String,
    /// Everything above in a sentence.
    pub summary: String,
    /// The Raft term.
    pub term: u64,
    /// The node that leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<String>,
    /// Since when it does, as the node that was asked has seen it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader_since: Option<String>,
    /// How long there was no leader before it, in milliseconds, if that was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub election_ms: Option<u64>,
    /// Who led before, if that was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader_before: Option<String>,
    /// Whether the node that was asked is sure of its leader; if not, all this may be old.
    pub sure: bool,
    /// How many vote.
    pub voters: u32,
    /// How many of them must agree.
    pub quorum: u32,
    /// The newest revision of the copy that this was read from.
    pub revision: u64,
    /// The node that answered.
    pub node: String,
    /// The nodes, those that left or were replaced not among them.
    pub members: Vec<Member>,
    /// The last time that a node went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Departure>,
    /// What somebody should look at, a sentence each.
    pub warnings: Vec<String>,
}

/// A node went: how it was noticed, and what it came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Departure {
    /// Who.
    pub node: String,
    /// `lost`, `left`, `drained`, `restarted`.
    pub cause: String,
    /// When the cluster took note, and gave its roles to others.
    pub at: String,
    /// How long it had been silent by then, in milliseconds, if that is known: nothing of it moved in that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent_ms: Option<u64>,
    /// Why, in a few words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// Roles that changed hands.
    pub roles: u32,
    /// Those of them that nobody could take.
    pub vacant: u32,
    /// Tasks that its workers had, and that run again.
    pub tasks: u32,
    /// All of it in sentences.
    pub summary: String,
}

/// Who is to lead.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StepDown {
    /// The voter that shall lead; absent: the best one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// How a node sees the replicated log and the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RaftStatus {
    /// The node that answered.
    pub node: String,
    /// `leader`, `follower`, `learner`.
    pub standing: String,
    /// The node that leads, as far as this one knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<String>,
    /// The term.
    pub term: u64,
    /// Whether it is sure of its leader.
    pub sure: bool,
    /// The last entry of its log.
    pub log_last: u64,
    /// The last one applied.
    pub applied: u64,
    /// The last one purged.
    pub purged: u64,
    /// The fingerprint of everything applied: equal on all nodes that have applied as much.
    pub fingerprint: String,
    /// The newest revision of the feed.
    pub revision: u64,
    /// Commands that wait to be proposed here.
    pub waiting: u64,
    /// Why it takes no writes, if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only: Option<String>,
    /// Where its peers reach it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_address: Option<String>,
    /// Bytes of its data folder; absent: it keeps its data in memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_bytes: Option<u64>,
    /// Actors that live on it.
    pub actors: u32,
    /// The members of the group, as it sees them.
    pub peers: Vec<Peer>,
}

/// A member of the group, seen from another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Peer {
    /// What people call it.
    pub name: String,
    /// Its number.
    pub id: u64,
    /// Where its peers reach it.
    pub address: String,
    /// `leader`, `follower`, `learner`.
    pub standing: String,
    /// Whether this is the node that answered.
    pub this: bool,
    /// How long ago it was heard of, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard_ms: Option<u64>,
    /// The last entry that it is known to have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matched: Option<u64>,
    /// Entries that it lacks, as far as known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<u64>,
    /// Whether calls reach it.
    pub connected: bool,
    /// Why they do not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}
