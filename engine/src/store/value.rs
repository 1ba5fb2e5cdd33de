//! A row's value: as bytes, or as it is until somebody needs bytes.
//!
//! Within a parcel the same few rows are read and written again and again — the run, its task, the queue, the worker. They stay
//! what they are in memory and become bytes once, in the batch.

use std::any::Any;
use std::fmt;
use std::rc::Rc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec;

/// What a table can hold.
pub trait Value: Serialize + DeserializeOwned + Clone + 'static {}

impl<V: Serialize + DeserializeOwned + Clone + 'static> Value for V {}

/// A value of whatever table.
trait Anything: Any {
    fn encode(&self) -> Vec<u8>;
}

impl<V: Value> Anything for V {
    fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }
}

/// One row's value.
#[derive(Clone)]
pub(crate) enum Cell {
    /// Bytes, as the store has them or will have them.
    Bytes(Rc<[u8]>),
    /// What the bytes will mean.
    Plain(Plain),
}

/// A value that is not bytes yet.
#[derive(Clone)]
pub(crate) struct Plain(Rc<dyn Anything>);

impl Cell {
    /// A value that is to stay what it is.
    pub(crate) fn plain<V: Value>(value: V) -> Self {
        Cell::Plain(Plain(Rc::new(value)))
    }

    /// A value that is bytes already.
    pub(crate) fn bytes(bytes: &[u8]) -> Self {
        Cell::Bytes(Rc::from(bytes))
    }

    /// As bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Cell::Bytes(bytes) => bytes.to_vec(),
            Cell::Plain(Plain(value)) => value.encode(),
        }
    }

    /// A value that others hold, too.
    pub(crate) fn shared<V: Value>(value: &Rc<V>) -> Self {
        let value: Rc<dyn Anything> = Rc::<V>::clone(value);
        Cell::Plain(Plain(value))
    }

    /// As what it means.
    pub(crate) fn to_value<V: Value>(&self, decode: impl Fn(&[u8]) -> V) -> Rc<V> {
        match self {
            Cell::Bytes(bytes) => Rc::new(decode(bytes)),
            Cell::Plain(Plain(value)) => {
                let value: Rc<dyn Any> = Rc::<dyn Anything>::clone(value);
                value.downcast().expect("a table holds values of one type")
            }
        }
    }
}

impl fmt::Debug for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.to_bytes().len())
    }
}
