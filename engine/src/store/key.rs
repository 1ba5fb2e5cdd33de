//! Keys whose byte order is their logical order.
//!
//! Numbers are big-endian, texts are ended by `00 01` (a zero inside becomes `00 FF`), choices begin with one byte that says
//! which. So parts can be put one after the other, and what sorts first as a value sorts first as bytes; a key's leading parts
//! are a prefix that all rows under them share. What is written can be read back, so an index needs no value.

use super::place::Place;
use crate::blob::Slot;
use crate::dag::{Question, What};
use crate::feed::Subject;
use crate::id::{
    Attempt, Epoch, Item, NodeId, Number, Priority, Revision, RoleId, RunId, StepNo, TaskId,
    Version, WorkerId, WorkflowId,
};
use crate::run;
use crate::time::Moment;
use crate::timer::Alarm;

/// A key, or a part of one.
pub trait Key: Sized {
    /// Appends its bytes.
    fn write(&self, bytes: &mut Place);

    /// Takes itself from the front; none: these are no such bytes.
    fn read(bytes: &mut &[u8]) -> Option<Self>;
}

/// The leading parts of a key `K`: what rows that lie together have in common.
pub trait Leads<K>: Key {}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (head, tail) = bytes.split_at_checked(count)?;
    *bytes = tail;
    Some(head)
}

macro_rules! integer {
    ($($inner:ty),*) => {$(
        impl Key for $inner {
            fn write(&self, bytes: &mut Place) {
                bytes.extend_from_slice(&self.to_be_bytes());
            }

            fn read(bytes: &mut &[u8]) -> Option<Self> {
                let head = take(bytes, size_of::<$inner>())?;
                Some(<$inner>::from_be_bytes(head.try_into().ok()?))
            }
        }
    )*};
}
integer!(u8, u16, u32, u64, u128);

macro_rules! newtype {
    ($($name:ident),*) => {$(
        impl Key for $name {
            fn write(&self, bytes: &mut Place) {
                self.0.write(bytes);
            }

            fn read(bytes: &mut &[u8]) -> Option<Self> {
                Some($name(Key::read(bytes)?))
            }
        }
    )*};
}
newtype!(
    RunId, WorkerId, NodeId, WorkflowId, Version, Number, RoleId, Epoch, StepNo, Item, Attempt,
    Revision, Priority, Moment
);

impl Key for String {
    fn write(&self, bytes: &mut Place) {
        for byte in self.as_bytes() {
            bytes.push(*byte);
            if *byte == 0 {
                bytes.push(0xff);
            }
        }
        bytes.extend_from_slice(&[0, 1]);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let mut text = Vec::new();
        loop {
            match take(bytes, 1)?[0] {
                0 => match take(bytes, 1)?[0] {
                    1 => return String::from_utf8(text).ok(),
                    0xff => text.push(0),
                    _ => return None,
                },
                byte => text.push(byte),
            }
        }
    }
}

macro_rules! tuple {
    ($($part:ident $place:tt),*) => {
        impl<$($part: Key),*> Key for ($($part,)*) {
            #[allow(unused_variables, reason = "the key without parts writes nothing")]
            fn write(&self, bytes: &mut Place) {
                $(self.$place.write(bytes);)*
            }

            #[allow(unused_variables, reason = "the key without parts reads nothing")]
            fn read(bytes: &mut &[u8]) -> Option<Self> {
                Some(($($part::read(bytes)?,)*))
            }
        }
    };
}
tuple!();
tuple!(A 0);
tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);
tuple!(A 0, B 1, C 2, D 3, E 4);

impl<K: Key> Leads<K> for () {}
impl<A: Key, B: Key> Leads<(A, B)> for (A,) {}
impl<A: Key, B: Key, C: Key> Leads<(A, B, C)> for (A,) {}
impl<A: Key, B: Key, C: Key> Leads<(A, B, C)> for (A, B) {}
impl<A: Key, B: Key, C: Key, D: Key> Leads<(A, B, C, D)> for (A,) {}
impl<A: Key, B: Key, C: Key, D: Key> Leads<(A, B, C, D)> for (A, B) {}
impl<A: Key, B: Key, C: Key, D: Key, E: Key> Leads<(A, B, C, D, E)> for (A,) {}
impl<A: Key, B: Key, C: Key, D: Key, E: Key> Leads<(A, B, C, D, E)> for (A, B) {}
impl<A: Key, B: Key, C: Key, D: Key, E: Key> Leads<(A, B, C, D, E)> for (A, B, C) {}
impl Leads<TaskId> for (RunId,) {}
impl Leads<TaskId> for (RunId, StepNo) {}
impl Leads<(TaskId, Attempt)> for (RunId,) {}

impl Key for TaskId {
    fn write(&self, bytes: &mut Place) {
        (self.run, self.step, self.item).write(bytes);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let (run, step, item) = Key::read(bytes)?;
        Some(TaskId { run, step, item })
    }
}

/// A part that sorts the other way round: the largest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Falling(pub Priority);

impl Key for Falling {
    fn write(&self, bytes: &mut Place) {
        bytes.push(u8::MAX - self.0.0);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        Some(Falling(Priority(u8::MAX - u8::read(bytes)?)))
    }
}

/// A choice as a key: one byte for which, then what it carries.
macro_rules! choice {
    ($name:ty { $($tag:literal => $variant:path $(, $field:ident)*;)* }) => {
        impl Key for $name {
            fn write(&self, bytes: &mut Place) {
                match self {
                    $(choice!(@pattern $variant $(, $field)*) => {
                        bytes.push($tag);
                        $($field.write(bytes);)*
                    })*
                }
            }

            fn read(bytes: &mut &[u8]) -> Option<Self> {
                match u8::read(bytes)? {
                    $($tag => {
                        $(let $field = Key::read(bytes)?;)*
                        Some(choice!(@pattern $variant $(, $field)*))
                    })*
                    _ => None,
                }
            }
        }
    };
    (@pattern $variant:path) => { $variant };
    (@pattern $variant:path, $($field:ident),+) => { $variant($($field),+) };
}

choice!(run::State {
    1 => run::State::Queued;
    2 => run::State::Running;
    3 => run::State::Paused;
    4 => run::State::Cancelling;
    5 => run::State::Completed;
    6 => run::State::Failed;
    7 => run::State::Cancelled;
    8 => run::State::TimedOut;
});
choice!(Subject {
    1 => Subject::Cell;
    2 => Subject::Run, run;
});
choice!(What {
    1 => What::Step, step;
    2 => What::Item, step, item;
    3 => What::Output;
});
choice!(Slot {
    1 => Slot::Input;
    2 => Slot::Output;
    3 => Slot::Items, step;
    4 => Slot::Order, step, item;
    5 => Slot::Result, step, item;
    6 => Slot::Log, step, item, attempt;
    7 => Slot::Signal, place;
    8 => Slot::Emitted, step, item;
});
choice!(Alarm {
    1 => Alarm::RunDue, run;
    2 => Alarm::RunOver, run;
    3 => Alarm::RetryDue, task;
    4 => Alarm::SleepOver, task;
    5 => Alarm::WaitOver, task;
    6 => Alarm::RequestOver, key;
});

impl Key for Question {
    fn write(&self, bytes: &mut Place) {
        (self.run, self.what).write(bytes);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let (run, what) = Key::read(bytes)?;
        Some(Question { run, what })
    }
}

/// A key as bytes of its own.
pub fn bytes_of<K: Key>(key: &K) -> Vec<u8> {
    let mut bytes = Place::default();
    key.write(&mut bytes);
    bytes.into_vec()
}

/// The first key that no longer begins with `prefix`: the end of its range.
pub fn end_of(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
    // Only bytes FF: table numbers stay below that, so there is always an end.
    vec![u8::MAX; prefix.len() + 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keeps_order<K: Key + PartialEq + std::fmt::Debug>(rising: &[K]) {
        for pair in rising.windows(2) {
            assert!(bytes_of(&pair[0]) < bytes_of(&pair[1]), "{pair:?}");
        }
        for key in rising {
            let bytes = bytes_of(key);
            let mut rest = bytes.as_slice();
            assert_eq!(K::read(&mut rest).as_ref(), Some(key));
            assert!(rest.is_empty());
        }
    }

    #[test]
    fn bytes_sort_as_values_do() {
        keeps_order(&[0u64, 1, 255, 256, u64::MAX]);
        keeps_order(&[
            (String::new(), 9u8),
            ("\0".to_owned(), 0),
            ("a".to_owned(), 0),
            ("a".to_owned(), 255),
            ("a\0".to_owned(), 0),
            ("aa".to_owned(), 0),
        ]);
        keeps_order(&[Falling(Priority(10)), Falling(Priority(5)), Falling(Priority(0))]);
        keeps_order(&[
            Slot::Input,
            Slot::Items(StepNo(1)),
            Slot::Items(StepNo(2)),
            Slot::Signal(0),
        ]);
    }

    #[test]
    fn a_prefix_ends_where_the_next_one_begins() {
        assert_eq!(end_of(&[1, 2]), vec![1, 3]);
        assert_eq!(end_of(&[1, 255]), vec![2]);
    }
}
