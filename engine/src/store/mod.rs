//! An ordered byte store, seen from above.
//!
//! The engine reads through [`View`] and hands back a [`Batch`]; who keeps the bytes is somebody else's business. Keys are bytes
//! whose order is their logical order; iteration is always in key order, so replicas agree.

pub mod key;
pub mod mem;
pub(crate) mod overlay;
pub mod place;
pub mod schema;
pub(crate) mod shelves;
pub mod table;
pub(crate) mod tx;
pub mod value;

pub(crate) use tx::{Rows, Tx};

/// A row: key and value.
pub type Row = (Vec<u8>, Vec<u8>);

/// What can be read. One view shows one moment: nothing changes underneath.
///
/// Reading cannot fail for the engine: a store that cannot read stops its node.
pub trait View {
    /// The value of a key.
    fn get(&self, key: &[u8]) -> Option<Vec<u8>>;

    /// Rows with `from <= key < to`, in key order.
    fn scan<'a>(&'a self, from: &[u8], to: &[u8]) -> Box<dyn Iterator<Item = Row> + 'a>;

    /// Rows with `from <= key < to`, the last one first.
    fn scan_back<'a>(&'a self, from: &[u8], to: &[u8]) -> Box<dyn Iterator<Item = Row> + 'a>;

    /// The workbench of an entry, which knows values beside bytes. A store has none.
    #[doc(hidden)]
    fn bench(&self) -> Option<overlay::Merged<'_>> {
        None
    }
}

/// One change of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Write a value.
    Put(Vec<u8>, Vec<u8>),
    /// Take a row away.
    Delete(Vec<u8>),
    /// Take away all rows with `from <= key < to`.
    DeleteRange(Vec<u8>, Vec<u8>),
}

/// Changes, to be made in this order and together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// The changes.
    pub changes: Vec<Change>,
}
