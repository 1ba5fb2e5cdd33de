//! The newest entries in memory, as they were appended.
//!
//! Replication and apply read the newest entries again and again: they get them from here, shared, without decoding. What is not
//! yet written to the database is always here and nowhere else; what is written stays while there is room.

use std::collections::VecDeque;

use openraft::entry::RaftEntry as _;

use super::key;
use crate::config::Entry;

/// A run of entries without holes, up to the newest.
#[derive(Debug)]
pub(crate) struct Cache {
    entries: VecDeque<Entry>,
    bytes: usize,
    bytes_max: usize,
    /// Entries before this index are in the database.
    written_before: u64,
}

impl Cache {
    pub(crate) fn new(bytes_max: usize) -> Cache {
        Cache { entries: VecDeque::new(), bytes: 0, bytes_max, written_before: 0 }
    }

    /// The first index it holds, if it holds any.
    pub(crate) fn first(&self) -> Option<u64> {
        self.entries.front().map(|entry| entry.index())
    }

    /// One more entry, behind the newest. A gap would be a bug of the caller: what is behind it is let go.
    pub(crate) fn push(&mut self, entry: Entry) {
        if let Some(last) = self.entries.back()
            && last.index() + 1 != entry.index()
        {
            self.clear();
        }
        self.bytes += size(&entry);
        self.entries.push_back(entry);
    }

    /// Entries up to `index` are in the database now: the oldest may go.
    pub(crate) fn written(&mut self, index: u64) {
        self.written_before = self.written_before.max(index + 1);
        self.shrink();
    }

    /// Entries behind `index` are gone from the log.
    pub(crate) fn cut_after(&mut self, index: Option<u64>) {
        let keep = index.map_or(0, |index| index + 1);
        while let Some(last) = self.entries.back()
            && last.index() >= keep
        {
            self.bytes -= size(last);
            self.entries.pop_back();
        }
        self.written_before = self.written_before.min(keep);
    }

    /// Entries up to `index` are gone from the log.
    pub(crate) fn cut_upto(&mut self, index: u64) {
        while let Some(first) = self.entries.front()
            && first.index() <= index
        {
            self.bytes -= size(first);
            self.entries.pop_front();
        }
    }

    /// The entries of `from..to` that it holds: a run that ends where the range or the log ends.
    pub(crate) fn range(&self, from: u64, to: u64) -> impl Iterator<Item = &Entry> {
        let first = self.first().unwrap_or(to);
        let skip = usize::try_from(from.saturating_sub(first)).unwrap_or(usize::MAX);
        self.entries.iter().skip(skip).take_while(move |entry| entry.index() < to)
    }

    fn shrink(&mut self) {
        while self.bytes > self.bytes_max
            && let Some(first) = self.entries.front()
            && first.index() < self.written_before
        {
            self.bytes -= size(first);
            self.entries.pop_front();
        }
    }

    fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
    }
}

/// What an entry weighs, with its place in the list.
pub(crate) fn size(entry: &Entry) -> usize {
    key::payload_size(&entry.payload) + size_of::<Entry>()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::config::{LogId, Packet, Payload};

    fn entry(index: u64) -> Entry {
        let leader = openraft::impls::leader_id_adv::LeaderId { term: 1, node_id: 1 };
        let payload = Payload::Normal(Packet(Bytes::from(vec![0; 1_000])));
        Entry::new(LogId::new(leader, index), payload)
    }

    fn held(cache: &Cache, from: u64, to: u64) -> Vec<u64> {
        cache.range(from, to).map(|entry| entry.index()).collect()
    }

    #[test]
    fn what_is_not_written_is_never_let_go() {
        let mut cache = Cache::new(3_500);
        for index in 1..=10 {
            cache.push(entry(index));
        }
        assert_eq!(cache.first(), Some(1));
        cache.written(9);
        assert_eq!(cache.first(), Some(8));
        assert_eq!(held(&cache, 0, 100), [8, 9, 10]);
        assert_eq!(held(&cache, 9, 10), [9]);
    }

    #[test]
    fn a_cut_takes_entries_from_its_end() {
        let mut cache = Cache::new(1 << 20);
        for index in 1..=10 {
            cache.push(entry(index));
        }
        cache.written(10);
        cache.cut_after(Some(7));
        cache.cut_upto(2);
        assert_eq!(held(&cache, 0, 100), [3, 4, 5, 6, 7]);
        cache.cut_after(None);
        assert_eq!(cache.first(), None);
    }
}
