//! The high-water mark: what the log is known to have held, in a file of its own.
//!
//! A database can forget without noticing. RocksDB's recovery gives back what it finds: if the newest write-ahead log was deleted,
//! or its last records were damaged, it opens with fewer entries and no error. A member that forgets entries it acknowledged, or a
//! vote it gave, can make the cluster lose committed work. So after every sync of the log the newest vote and the newest log id
//! are written here, and at the start the two are compared: if the log has less, the node does not start, and says so.
//!
//! The file has two slots written in turn, each with a sequence number and a checksum, so that a torn write leaves the other one.
//! It is written after each sync of the log and synced when the log falls idle, at least once a second under load, and always
//! before the log is cut. A power cut may therefore leave an older mark, which promises less; it never leaves one that promises
//! more than the log has.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Instant;

use openraft::impls::leader_id_adv::LeaderId;

use super::key;
use crate::config::{LogId, Vote};
use crate::fault::Fault;
use crate::machine::print::Print;

const MAGIC: u64 = u64::from_be_bytes(*b"oarmark1");
/// Words of one slot: magic, sequence, vote (flags, term, node), last (flag, term, node, index), checksum.
const WORDS: usize = 10;
/// The slots lie on different pages of the disk.
const APART: u64 = 4_096;

/// What the log held when the mark was last written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Promise {
    pub(crate) vote: Option<Vote>,
    pub(crate) last: Option<LogId>,
}

/// The open file; none for a replica in memory.
#[derive(Debug)]
pub(crate) struct Mark {
    file: Option<File>,
    sequence: u64,
    promise: Promise,
    /// Since when what was written is not synced.
    unsynced: Option<Instant>,
}

impl Mark {
    /// A mark that is kept nowhere.
    pub(crate) fn nowhere() -> Mark {
        Mark { file: None, sequence: 0, promise: Promise::default(), unsynced: None }
    }

    /// Opens the file, or makes it if the log is new.
    pub(crate) fn open(path: &Path, new: bool) -> Result<Mark, Fault> {
        let refuse = |why: String| {
            Fault::Data(format!(
                "{}: {why}. The log cannot be trusted without it: a node that has forgotten what it acknowledged must not take \
                 part. Restore this data directory from a backup, or start with an empty one and let the node join again",
                path.display()
            ))
        };
        let file = OpenOptions::new().read(true).write(true).create(new).truncate(false).open(path);
        let file = file.map_err(|why| refuse(format!("the log's high-water mark: {why}")))?;
        let slots = [read_slot(&file, 0), read_slot(&file, APART)];
        let newest = slots.into_iter().flatten().max_by_key(|(sequence, _)| *sequence);
        let (sequence, promise) = match newest {
            Some(found) => found,
            None if new => (0, Promise::default()),
            None => return Err(refuse("the log's high-water mark is damaged".to_owned())),
        };
        let mut mark = Mark { file: Some(file), sequence, promise, unsynced: None };
        if new {
            mark.write()
                .and_then(|()| mark.write())
                .and_then(|()| mark.sync())
                .map_err(|why| Fault::Data(format!("{}: cannot write: {why}", path.display())))?;
        }
        Ok(mark)
    }

    /// What the log must hold.
    pub(crate) fn promise(&self) -> Promise {
        self.promise
    }

    /// Writes down what the log holds now; synced later.
    pub(crate) fn note(&mut self, promise: Promise) -> io::Result<()> {
        if promise == self.promise {
            return Ok(());
        }
        self.promise = promise;
        self.write()
    }

    /// Since when something is written and not synced.
    pub(crate) fn unsynced(&self) -> Option<Instant> {
        self.unsynced
    }

    /// Makes durable what was noted.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        if self.unsynced.take().is_some()
            && let Some(file) = &self.file
        {
            file.sync_data()?;
        }
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        self.sequence += 1;
        let at = if self.sequence.is_multiple_of(2) { 0 } else { APART };
        file.write_all_at(&to_bytes(self.sequence, &self.promise), at)?;
        self.unsynced.get_or_insert_with(Instant::now);
        Ok(())
    }
}

/// Compares what the log holds with what it must hold.
///
/// # Errors
/// A sentence that says what is missing.
pub(crate) fn compare(
    promise: &Promise,
    vote: Option<Vote>,
    last: Option<LogId>,
    at_promised: Option<LogId>,
) -> Result<(), String> {
    if let Some(promised) = promise.vote
        && vote.is_none_or(|vote| vote < promised)
    {
        return Err(format!(
            "it had voted ({}), and that vote is gone",
            key::vote_in_words(&promised)
        ));
    }
    let Some(promised) = promise.last else { return Ok(()) };
    let have = last.map_or(0, |last| last.index);
    if last.is_none_or(|last| last.index < promised.index) {
        return Err(format!("it held entries up to {}, and now ends at {have}", promised.index));
    }
    // Nothing at that index: it was purged behind a snapshot, which cannot be older than it.
    match at_promised {
        Some(found) if found != promised => {
            Err(format!("its entry {} was {promised}, and now is {found}", promised.index))
        }
        _ => Ok(()),
    }
}

fn to_bytes(sequence: u64, promise: &Promise) -> Vec<u8> {
    let mut words = [0u64; WORDS - 1];
    words[0] = MAGIC;
    words[1] = sequence;
    if let Some(vote) = &promise.vote {
        words[2] = if vote.committed { 2 } else { 1 };
        words[3] = vote.leader_id.term;
        words[4] = vote.leader_id.node_id;
    }
    if let Some(last) = &promise.last {
        words[5] = 1 + last.leader_id.term;
        words[6] = last.leader_id.node_id;
        words[7] = last.index;
    }
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let sum = Print::of(&bytes).0;
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes
}

fn read_slot(file: &File, at: u64) -> Option<(u64, Promise)> {
    let mut bytes = [0; WORDS * 8];
    file.read_exact_at(&mut bytes, at).ok()?;
    let (body, sum) = bytes.split_at((WORDS - 1) * 8);
    let words: Vec<u64> = body
        .chunks_exact(8)
        .filter_map(|word| word.try_into().ok())
        .map(u64::from_le_bytes)
        .collect();
    if words[0] != MAGIC || sum != Print::of(body).0.to_le_bytes() {
        return None;
    }
    let leader = |term, node_id| LeaderId { term, node_id };
    let vote = (words[2] > 0)
        .then(|| Vote { leader_id: leader(words[3], words[4]), committed: words[2] == 2 });
    let last = (words[5] > 0).then(|| LogId::new(leader(words[5] - 1, words[6]), words[7]));
    Some((words[1], Promise { vote, last }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(term: u64, index: u64) -> LogId {
        LogId::new(LeaderId { term, node_id: 1 }, index)
    }

    fn promise(term: u64, index: u64) -> Promise {
        let leader_id = LeaderId { term, node_id: 1 };
        let vote = Some(Vote { leader_id, committed: true });
        Promise { vote, last: Some(id(term, index)) }
    }

    #[test]
    fn a_mark_reads_back_and_survives_one_torn_slot() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("mark");
        let mut mark = Mark::open(&path, true).expect("a new mark");
        mark.note(promise(3, 10)).expect("it writes");
        mark.note(promise(3, 11)).expect("it writes");
        assert_eq!(Mark::open(&path, false).expect("it is there").promise(), promise(3, 11));

        let newest = if mark.sequence.is_multiple_of(2) { 0 } else { APART };
        mark.file.as_ref().expect("a file").write_all_at(b"torn", newest).expect("it writes");
        assert_eq!(Mark::open(&path, false).expect("it is there").promise(), promise(3, 10));
    }

    #[test]
    fn a_missing_or_ruined_mark_is_refused() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("mark");
        assert!(Mark::open(&path, false).is_err());
        std::fs::write(&path, [7; 8_192]).expect("it writes");
        let refused = Mark::open(&path, false).expect_err("ruined").to_string();
        assert!(refused.contains("damaged"), "{refused}");
    }

    #[test]
    fn a_log_that_has_less_than_the_mark_is_refused() {
        let held = promise(2, 10);
        let vote = held.vote;
        assert_eq!(compare(&held, vote, Some(id(2, 10)), Some(id(2, 10))), Ok(()));
        assert_eq!(compare(&held, vote, Some(id(3, 12)), Some(id(2, 10))), Ok(()));
        assert_eq!(compare(&held, vote, Some(id(3, 12)), None), Ok(()));
        assert!(compare(&held, vote, Some(id(2, 9)), None).is_err());
        assert!(compare(&held, vote, Some(id(3, 12)), Some(id(1, 10))).is_err());
        assert!(compare(&held, promise(1, 1).vote, Some(id(2, 10)), None).is_err());
        assert!(compare(&held, None, Some(id(2, 10)), None).is_err());
    }
}
