//! Names of things, each its own type.
//!
//! Two integers of one kind never stand side by side in this house: a run cannot be mistaken for a worker, nor an epoch for an
//! attempt. Whoever asks for something chooses its id (runs, workers, boots), so that asking twice is asking once; what must be
//! dense or short is counted by the engine (workflows, versions, run numbers, roles).
//!
//! Wide ids are shown as a prefix and 26 letters of Crockford's base 32, lower case: `run_01kadq…`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Crockford's base 32: no `i`, `l`, `o`, `u`. <https://www.crockford.com/base32.html>
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Letters of one 128-bit id.
const LETTERS: usize = 26;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
        )]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

macro_rules! wide {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
        )]
        pub struct $name(pub u128);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                f.write_str(&to_letters(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                let letters = text.strip_prefix($prefix).ok_or(BadId { expected: $prefix })?;
                from_letters(letters).map($name).ok_or(BadId { expected: $prefix })
            }
        }
    };
}

wide!(
    /// One execution of a workflow. Chosen by whoever starts it (a UUIDv7), so it is the idempotency key too.
    RunId, "run_"
);
wide!(
    /// One session of a worker: from its arrival to its loss. A worker that comes back is a new session.
    WorkerId, "wrk_"
);
wide!(
    /// One life of a node's process: a restarted node has the same [`NodeId`] and a later boot (a UUIDv7, where clocks behave).
    BootId, "boot_"
);
number!(
    /// A member of the cluster, for as long as it keeps its data directory.
    NodeId(u64)
);
number!(
    /// A workflow's name, counted when it is first defined; never used again for another name.
    WorkflowId(u32)
);
number!(
    /// The version of a workflow's definition: 1, 2, 3 … without gaps.
    Version(u32)
);
number!(
    /// The number that people say: `etl/1042`. Rising within one workflow, given when the run starts.
    Number(u64)
);
number!(
    /// Something that exactly one node drives at a time: a workflow's DAG shard, the keeper.
    RoleId(u32)
);
number!(
    /// How often a role has changed hands. A proposal for a role with another epoch is refused: it is a fencing token.
    Epoch(u64)
);
number!(
    /// A step: a task as it stands in the definition, by its place there.
    StepNo(u16)
);
number!(
    /// Which element of an `each` a task works on; 0 where there is no `each`.
    Item(u32)
);
number!(
    /// How often a task has been tried: the first attempt is 1. A completion with another attempt is refused.
    Attempt(u32)
);
number!(
    /// The place of an event in the feed: rising without gaps, the same on every replica.
    Revision(u64)
);
number!(
    /// 0 low … 10 high; higher runs first.
    Priority(u8)
);

impl Priority {
    /// The most urgent.
    pub const MAX: Priority = Priority(10);
    /// What a task has when nobody says otherwise.
    pub const NORMAL: Priority = Priority(5);
}

/// One unit of work of a run: a step, and the item it works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TaskId {
    /// The run it belongs to.
    pub run: RunId,
    /// The step of the run's definition.
    pub step: StepNo,
    /// The element of the step's `each`; 0 where there is none.
    pub item: Item,
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}[{}]", self.run, self.step, self.item)
    }
}

impl BootId {
    /// This boot, or the next after `current` if that is no earlier: what a node takes whose clock has been set back.
    #[must_use]
    pub fn following(self, current: BootId) -> BootId {
        BootId(self.0.max(current.0.saturating_add(1)))
    }
}

impl RunId {
    /// The run that a `workflow` task starts: derived, so that starting it twice is starting it once.
    ///
    /// Keeps the parent's leading 48 bits (its time) and mixes the rest with FNV-1a.
    /// <http://www.isthe.com/chongo/tech/comp/fnv/>
    #[must_use]
    pub fn child_of(task: TaskId, attempt: Attempt) -> RunId {
        let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
        let mut eat = |bytes: &[u8]| {
            for byte in bytes {
                hash ^= u128::from(*byte);
                hash = hash.wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
            }
        };
        eat(&task.run.0.to_be_bytes());
        eat(&task.step.0.to_be_bytes());
        eat(&task.item.0.to_be_bytes());
        eat(&attempt.0.to_be_bytes());
        let time = !0u128 << 80;
        RunId((task.run.0 & time) | (hash & !time))
    }
}

/// A text that is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadId {
    /// The prefix that such an id begins with.
    pub expected: &'static str,
}

impl fmt::Display for BadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected `{}` and {LETTERS} letters", self.expected)
    }
}

impl std::error::Error for BadId {}

fn to_letters(value: u128) -> String {
    (0..LETTERS)
        .rev()
        .map(|place| ALPHABET[((value >> (place * 5)) & 31) as usize] as char)
        .collect()
}

fn from_letters(text: &str) -> Option<u128> {
    let bytes = text.as_bytes();
    // 26 letters hold 130 bits: the first may only use its lower three.
    if bytes.len() != LETTERS || !matches!(bytes[0], b'0'..=b'7') {
        return None;
    }
    bytes.iter().try_fold(0u128, |value, letter| {
        let digit = ALPHABET.iter().position(|known| known == letter)?;
        Some((value << 5) | digit as u128)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wide_id_reads_back_as_it_was_shown() {
        for value in [0, 1, u128::MAX, 0x0192_7d1e_5b1c_7000_8000_0000_0000_0001] {
            assert_eq!(RunId(value).to_string().parse(), Ok(RunId(value)));
        }
    }

    #[test]
    fn a_boot_is_later_than_the_one_it_follows() {
        assert_eq!(BootId(9).following(BootId(4)), BootId(9));
        assert_eq!(BootId(4).following(BootId(9)), BootId(10));
        assert_eq!(BootId(9).following(BootId(9)), BootId(10));
    }

    #[test]
    fn a_text_of_another_kind_is_not_an_id() {
        for text in ["", "run_", "wrk_00000000000000000000000000", "run_80000000000000000000000000"]
        {
            assert!(text.parse::<RunId>().is_err(), "{text}");
        }
    }
}
