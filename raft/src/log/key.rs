//! Log keys and their order; log entries as bytes.
//!
//! `e` and the index, big-endian: the order of keys is the order of entries. `m` and a name: the few rows about the log itself.
//! An entry is one byte for its kind, term and leader (eight bytes each, big-endian), and the payload as it came.

use std::io;

use bytes::Bytes;
use oarlock_engine::codec;
use openraft::entry::RaftEntry as _;
use openraft::vote::RaftLeaderId as _;

use crate::config::{Entry, LogId, Packet, Payload, Vote};

/// Whom this replica follows.
pub(crate) const VOTE: &[u8] = b"mvote";
/// How far the log is known to be committed.
pub(crate) const COMMITTED: &[u8] = b"mcommitted";
/// How far the log was purged.
pub(crate) const PURGED: &[u8] = b"mpurged";
/// Behind every entry.
pub(crate) const ENTRIES_END: &[u8] = b"f";

const BLANK: u8 = 0;
const NORMAL: u8 = 1;
const MEMBERSHIP: u8 = 2;
const HEAD: usize = 17;

/// The key of an entry.
pub(crate) fn entry(index: u64) -> [u8; 9] {
    let mut key = [b'e'; 9];
    key[1..].copy_from_slice(&index.to_be_bytes());
    key
}

/// The index in an entry's key.
pub(crate) fn index_of(key: &[u8]) -> Option<u64> {
    let (b'e', rest) = key.split_first()? else { return None };
    rest.try_into().ok().map(u64::from_be_bytes)
}

/// An entry as bytes, without its index.
pub(crate) fn encode(entry: &Entry) -> Vec<u8> {
    let id = entry.log_id();
    let mut bytes = Vec::with_capacity(HEAD + payload_size(&entry.payload));
    bytes.push(match &entry.payload {
        Payload::Blank => BLANK,
        Payload::Normal(_) => NORMAL,
        Payload::Membership(_) => MEMBERSHIP,
    });
    bytes.extend_from_slice(&id.leader_id.term.to_be_bytes());
    bytes.extend_from_slice(&id.leader_id.node_id.to_be_bytes());
    match &entry.payload {
        Payload::Blank => {}
        Payload::Normal(packet) => bytes.extend_from_slice(&packet.0),
        Payload::Membership(membership) => codec::encode_into(membership, &mut bytes),
    }
    bytes
}

/// About how many bytes an entry holds in memory.
pub(crate) fn payload_size(payload: &Payload) -> usize {
    match payload {
        Payload::Blank => 0,
        Payload::Normal(packet) => packet.0.len(),
        Payload::Membership(_) => 256,
    }
}

/// Bytes as the entry of an index.
pub(crate) fn decode(index: u64, bytes: &[u8]) -> io::Result<Entry> {
    let id = id_of(index, bytes)?;
    let rest = &bytes[HEAD..];
    let payload = match bytes[0] {
        BLANK => Payload::Blank,
        NORMAL => Payload::Normal(Packet(Bytes::copy_from_slice(rest))),
        MEMBERSHIP => Payload::Membership(codec::decode(rest).map_err(|why| garbled(index, &why))?),
        kind => return Err(garbled(index, &format!("unknown kind {kind}"))),
    };
    Ok(Entry::new(id, payload))
}

/// Only the place in the log of an entry's bytes.
pub(crate) fn id_of(index: u64, bytes: &[u8]) -> io::Result<LogId> {
    let number = |at: usize| {
        let part = bytes.get(at..at + 8).and_then(|part| part.try_into().ok());
        part.map(u64::from_be_bytes).ok_or_else(|| garbled(index, &"cut short"))
    };
    let leader = openraft::impls::leader_id_adv::LeaderId::new(number(1)?, number(9)?);
    Ok(LogId::new(leader, index))
}

/// One of the rows about the log itself.
pub(crate) fn decode_row<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    codec::decode(bytes).map_err(io::Error::other)
}

/// A vote in words.
pub(crate) fn vote_in_words(vote: &Vote) -> String {
    format!("term {} for node {}", vote.leader_id.term, vote.leader_id.node_id)
}

fn garbled(index: u64, why: &dyn std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("log entry {index}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_reads_back_as_it_was_written() {
        let leader = openraft::impls::leader_id_adv::LeaderId::new(7, 3);
        let id = LogId::new(leader, 42);
        let members = openraft::Membership::<u64, openraft::impls::BasicNode>::new_with_defaults(
            vec![[1, 2].into()],
            [],
        );
        for payload in [
            Payload::Blank,
            Payload::Normal(Packet(Bytes::from_static(b"parcel"))),
            Payload::Membership(members),
        ] {
            let entry = Entry::new(id, payload);
            let back = decode(42, &encode(&entry)).expect("it was written just now");
            assert_eq!(back, entry);
        }
    }

    #[test]
    fn keys_are_in_the_order_of_their_indexes() {
        assert!(entry(255) < entry(256));
        assert!(entry(u64::MAX).as_slice() < ENTRIES_END);
        assert_eq!(index_of(&entry(9)), Some(9));
    }
}
