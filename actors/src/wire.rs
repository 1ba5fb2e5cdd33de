//! What actors of different nodes say to each other: the only messages that travel.
//!
//! All of it is hints and questions. A hint may be lost, late or out of date, and whoever hears it only looks earlier at what the
//! tables say, or knows better whom to ask; a question is answered within a deadline or not at all. With every one of these
//! messages dropped the cluster does the same things, a little later: the log is the only road that anything depends on.
//!
//! The enum that crosses the network has two variants, and they stay as they are for ever: their contents are bytes in the
//! engine's encoding, so that a node that does not understand a newer one's words can pass over them.

use oarlock_engine::codec::{self, Garbled};
use oarlock_engine::id::{BootId, NodeId, WorkerId};
use oarlock_engine::time::Moment;
use oarlock_raft::Print;
use ractor::RpcReplyPort;
use ractor_cluster::RactorClusterMessage;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::status::ActorStatus;

/// The most bytes of a message: larger ones are not sent, and end the connection they come from.
pub(crate) const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// The most actors that are shown of a node.
pub(crate) const TREE_ACTORS_MAX: usize = 2_000;
/// The most bytes of an actor's last words that are shown elsewhere.
pub(crate) const WORDS_BYTES_MAX: usize = 200;

/// A message from another node's actors.
#[derive(RactorClusterMessage)]
pub(crate) enum WireMsg {
    /// A [`Hint`].
    Hint(Vec<u8>),
    /// A [`Question`], and where its [`Answer`] goes.
    #[rpc]
    Ask(Vec<u8>, RpcReplyPort<Vec<u8>>),
}

/// What nobody waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Hint {
    /// A sign of life.
    Beat(Box<Beat>),
    /// The node stops: a connection that breaks from here on is no news.
    Goodbye {
        /// Who.
        node: NodeId,
        /// Which life of it.
        boot: BootId,
    },
}

/// A sign of life, and how busy it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Beat {
    /// Who.
    pub(crate) node: NodeId,
    /// Which life of it.
    pub(crate) boot: BootId,
    /// When, by its own clock.
    pub(crate) sent_at: Moment,
    /// What it could take on.
    pub(crate) load: Load,
    /// The last log index it has applied.
    pub(crate) applied: u64,
    /// The fingerprint of everything up to there.
    pub(crate) print: Print,
}

/// How busy a node is, and how much work it wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Load {
    /// The session of its built-in worker, if it has one.
    pub(crate) worker: Option<WorkerId>,
    /// Free slots of it: its demand for work.
    pub(crate) free: u32,
    /// Attempts it runs.
    pub(crate) running: u32,
    /// Roles it drives.
    pub(crate) roles: u32,
    /// Whether it takes on nothing more.
    pub(crate) draining: bool,
}

/// What somebody waits for, up to a deadline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Question {
    /// Which actors are there?
    Tree,
    /// Stop an actor, so that its supervisor starts it anew.
    Restart {
        /// The name on its card.
        id: String,
    },
}

/// What it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// These, by card name.
    Tree(Vec<ActorStatus>),
    /// It is done.
    Done,
    /// There is no such actor, or none that can be restarted.
    NoActor,
    /// The node is older than the question.
    Unknown,
}

/// A message's bytes; none: it is too large to be sent.
pub(crate) fn pack<T: Serialize>(message: &T) -> Option<Vec<u8>> {
    let bytes = codec::encode(message);
    (bytes.len() <= MESSAGE_BYTES_MAX).then_some(bytes)
}

/// What bytes from elsewhere mean.
pub(crate) fn unpack<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Garbled> {
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Err(Garbled("larger than a message may be".to_owned()));
    }
    codec::decode(bytes)
}

/// The cards of a node as they are shown to another: not more of them, and not longer words, than a message holds.
pub(crate) fn shown(mut tree: Vec<ActorStatus>) -> Vec<ActorStatus> {
    tree.truncate(TREE_ACTORS_MAX);
    for actor in &mut tree {
        if let Some(words) = &mut actor.last_error
            && words.len() > WORDS_BYTES_MAX
        {
            let end = (0..=WORDS_BYTES_MAX).rev().find(|end| words.is_char_boundary(*end));
            words.truncate(end.unwrap_or_default());
            words.push('…');
        }
    }
    tree
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{ActorKind, ActorState};

    fn actor(id: String, last_error: Option<String>) -> ActorStatus {
        ActorStatus {
            name: id.clone(),
            id,
            parent: Some("scheduler".to_owned()),
            kind: ActorKind::Role,
            state: ActorState::Running,
            mailbox: 3,
            in_flight: 1,
            restarts: 2,
            last_error,
            since: Moment(5),
        }
    }

    #[test]
    fn what_is_packed_is_unpacked_and_what_is_garbled_is_refused() {
        let hint = Hint::Goodbye { node: NodeId(3), boot: BootId(9) };
        let bytes = pack(&hint).expect("it is small");
        assert_eq!(unpack::<Hint>(&bytes), Ok(hint));
        assert!(unpack::<Hint>(&bytes[1..]).is_err());
        assert!(unpack::<Hint>(&[]).is_err());
        assert!(unpack::<Hint>(&vec![1; MESSAGE_BYTES_MAX + 1]).is_err());
    }

    #[test]
    fn the_largest_tree_that_is_shown_fits_into_a_message() {
        let long = |number: usize| format!("role:dag-{number:0>100}-1-of-1");
        let tree: Vec<_> =
            (0..5_000).map(|number| actor(long(number), Some("é".repeat(5_000)))).collect();
        let tree = shown(tree);
        assert_eq!(tree.len(), TREE_ACTORS_MAX);
        assert!(pack(&Answer::Tree(tree)).is_some());
    }
}
