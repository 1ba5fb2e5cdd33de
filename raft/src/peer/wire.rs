//! What members ask each other and answer: one page.
//!
//! A frame is a length, a number that names the call, and one of these values as `engine::codec` writes it. Both sides of a
//! connection speak the version that was agreed at its beginning; a new shape of a value is a new version.

use bytes::{BufMut as _, Bytes, BytesMut};
use oarlock_engine::codec;
use oarlock_engine::id::NodeId;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio_util::codec::LengthDelimitedCodec;

use crate::config::{Cell, LogId, Packet, SnapshotMeta, Verdict, Vote};
use crate::machine::print::Print;

/// No frame is longer. One log entry may have 8 MiB, and several small ones 4 MiB.
pub(crate) const FRAME_BYTES_MAX: usize = 20 << 20;

/// A question to another member.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Ask {
    /// From the leader: more of the log, or that it is there.
    Append(AppendEntriesRequest<Cell>),
    /// From a candidate.
    Vote(VoteRequest<Cell>),
    /// From somebody who thinks of becoming a candidate.
    PreVote(VoteRequest<Cell>),
    /// From the leader: lead in my place.
    TransferLeader(TransferLeaderRequest<Cell>),
    /// A piece of a snapshot.
    Ship(Ship),
    /// To the leader: put this into the log. With the clock of who asks, in milliseconds.
    Propose { parcel: Packet, clock: u64 },
    /// To the leader: up to where must a copy have come to hold everything acknowledged before now?
    Barrier,
    /// To the leader: change the group.
    Change(Change),
    /// From a node that is no member yet.
    Join { address: String },
    /// How the asker is; answered with how the asked is.
    Report(Report),
}

/// What a member answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Reply {
    Append(AppendEntriesResponse<Cell>),
    Vote(VoteResponse<Cell>),
    TransferLeader(TransferLeaderResponse<Cell>),
    Ship(Shipped),
    Propose(Proposed),
    /// The copy must have applied this log index.
    Barrier(u64),
    /// It is done.
    Changed,
    /// It is not allowed as things stand: why.
    Refused(String),
    /// The newcomer's number, and the cluster's.
    Joined {
        node: u64,
        cluster: u128,
    },
    Report(Report),
    /// Somebody else leads; ask there, if anybody is known.
    NotLeader(Option<u64>),
    /// It could not be answered: why.
    Failed(String),
}

/// What became of a forwarded parcel.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Proposed {
    /// Applied at this index.
    Done { index: u64, verdict: Verdict },
    /// Surely not in the log, and will not be: why. Propose it again.
    Not(String),
    /// Surely not in the log, and trying again at once is of no use: why.
    Refused(String),
    /// It was in the log, and nobody here can say what became of it.
    Unknown(String),
}

/// A change of the group that somebody asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Change {
    Promote(NodeId),
    Demote(NodeId),
    Remove(NodeId),
    Lead(Option<NodeId>),
}

/// How a node is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Where its peers reach it.
    pub(crate) address: String,
    /// Whether it wants to be a voter.
    pub(crate) votes: bool,
    /// The last log index it has applied, and the fingerprint there.
    pub(crate) applied: u64,
    pub(crate) print: Print,
    /// Its clock, in milliseconds.
    pub(crate) clock: u64,
    /// Whether it may lead: its disk has room, its clock is right, and it neither drains nor stops.
    pub(crate) fit: bool,
}

/// A piece of a snapshot, or the question how much of it is there.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Ship {
    /// What is to come; answered with the piece to begin with.
    Begin { vote: Vote, meta: SnapshotMeta },
    /// Some rows, with a checksum of their bytes.
    Piece { vote: Vote, last: Option<LogId>, number: u64, rows: Bytes, sum: Print },
    /// All rows were sent: so many pieces, with a checksum of them all.
    End { vote: Vote, meta: SnapshotMeta, pieces: u64, sum: Print },
}

/// How far a snapshot has come.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Shipped {
    /// Send this piece next; the rows behind this key are wanted.
    Next { number: u64, after: Bytes, sum: Print },
    /// It is installed, or a newer leader is known.
    Installed(SnapshotResponse<Cell>),
    /// Begin again: why.
    Again(String),
}

/// How frames are cut out of a stream.
pub(crate) fn framing() -> LengthDelimitedCodec {
    LengthDelimitedCodec::builder().max_frame_length(FRAME_BYTES_MAX).new_codec()
}

/// A frame's content.
pub(crate) fn encode<T: Serialize>(call: u64, words: &T) -> Bytes {
    let mut bytes = call.to_be_bytes().to_vec();
    codec::encode_into(words, &mut bytes);
    Bytes::from(bytes)
}

/// A frame's number and words.
pub(crate) fn decode<T: DeserializeOwned>(frame: &BytesMut) -> Result<(u64, T), String> {
    let (call, words) = split(frame)?;
    codec::decode(words).map(|words| (call, words)).map_err(|why| why.to_string())
}

/// A frame's number and undecoded words.
pub(crate) fn split(frame: &BytesMut) -> Result<(u64, &[u8]), String> {
    let (call, words) = frame.split_first_chunk::<8>().ok_or("a frame without a number")?;
    Ok((u64::from_be_bytes(*call), words))
}

/// Rows as bytes of a piece.
pub(crate) fn put_row(piece: &mut BytesMut, key: &[u8], value: &[u8]) {
    piece.put_u32(u32::try_from(key.len()).expect("keys are short"));
    piece.put_u32(u32::try_from(value.len()).expect("values are smaller than a frame"));
    piece.extend_from_slice(key);
    piece.extend_from_slice(value);
}

/// The rows of a piece.
pub(crate) fn rows(mut piece: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut rows = Vec::new();
    while !piece.is_empty() {
        let (key, rest) = piece.split_first_chunk::<4>()?;
        let (value, rest) = rest.split_first_chunk::<4>()?;
        let key = usize::try_from(u32::from_be_bytes(*key)).ok()?;
        let value = usize::try_from(u32::from_be_bytes(*value)).ok()?;
        let (key, rest) = rest.split_at_checked(key)?;
        let (value, rest) = rest.split_at_checked(value)?;
        rows.push((key, value));
        piece = rest;
    }
    Some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_piece_read_back() {
        let mut piece = BytesMut::new();
        put_row(&mut piece, b"a", b"");
        put_row(&mut piece, b"bc", b"value");
        assert_eq!(rows(&piece), Some(vec![(&b"a"[..], &b""[..]), (&b"bc"[..], &b"value"[..])]));
        assert_eq!(rows(&piece[..piece.len() - 1]), None);
    }
}
