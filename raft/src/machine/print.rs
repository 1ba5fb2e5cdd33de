//! The fingerprint: a running hash of everything this replica ever wrote.
//!
//! Every batch is folded in, change by change, and the result is stored beside the applied index in the same write. Two replicas
//! that applied the same log have the same fingerprint at the same index, or one of them has a defect: determinism is checked in
//! production and not hoped for. The hash is 64 bits wide, mixes eight bytes at a time by a folded multiplication, and will never
//! change: it is part of the format.

use oarlock_engine::store::{Batch, Change};
use serde::{Deserialize, Serialize};

const SEED: u64 = 0x6f61_726c_6f63_6b31;
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
const STEP: u64 = 0xd6e8_feb8_6659_fd93;

/// A hash of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Print(pub u64);

impl Default for Print {
    fn default() -> Self {
        Print(SEED)
    }
}

impl std::fmt::Display for Print {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Print {
    /// The print after one more entry of the log that came to these changes.
    #[must_use]
    pub(crate) fn after(self, index: u64, batch: &Batch) -> Print {
        let mut print = self.number(index);
        for change in &batch.changes {
            print = match change {
                Change::Put(key, value) => print.number(1).bytes(key).bytes(value),
                Change::Delete(key) => print.number(2).bytes(key),
                Change::DeleteRange(from, to) => print.number(3).bytes(from).bytes(to),
            };
        }
        print
    }

    /// The print of some bytes alone: a checksum for small files.
    #[must_use]
    pub(crate) fn of(bytes: &[u8]) -> Print {
        Print::default().bytes(bytes)
    }

    /// The print after some more bytes.
    #[must_use]
    pub(crate) fn and(self, bytes: &[u8]) -> Print {
        self.bytes(bytes)
    }

    fn number(self, number: u64) -> Print {
        let wide = u128::from(self.0 ^ number ^ MIX) * u128::from(STEP);
        // The rotation keeps a zero product from erasing what came before.
        Print((wide as u64) ^ ((wide >> 64) as u64) ^ self.0.rotate_left(23))
    }

    fn bytes(self, bytes: &[u8]) -> Print {
        let mut print = self.number(bytes.len() as u64);
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            let word = word.try_into().expect("a chunk of eight has eight bytes");
            print = print.number(u64::from_le_bytes(word));
        }
        let mut last = [0; 8];
        last[..words.remainder().len()].copy_from_slice(words.remainder());
        if words.remainder().is_empty() { print } else { print.number(u64::from_le_bytes(last)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(changes: &[(&[u8], &[u8])]) -> Batch {
        let put = |(key, value): &(&[u8], &[u8])| Change::Put(key.to_vec(), value.to_vec());
        Batch { changes: changes.iter().map(put).collect() }
    }

    #[test]
    fn a_print_depends_on_every_byte_and_on_the_order() {
        let print = |changes: &[(&[u8], &[u8])]| Print::default().after(1, &batch(changes));
        let plain = print(&[(b"a", b"1"), (b"b", b"2")]);
        assert_ne!(plain, print(&[(b"b", b"2"), (b"a", b"1")]));
        assert_ne!(plain, print(&[(b"a1", b""), (b"b", b"2")]));
        assert_ne!(plain, print(&[(b"a", b"1"), (b"b", b"3")]));
        assert_ne!(plain, print(&[(b"a", b"1")]));
    }

    #[test]
    fn the_hash_is_part_of_the_format_and_never_changes() {
        let print = Print::default().after(1, &batch(&[(b"key", b"a value of some length")]));
        assert_eq!(print.to_string(), FROZEN);
        assert_eq!(Print::default().to_string(), "6f61726c6f636b31");
    }

    const FROZEN: &str = "7e48ea62900b188c";
}
