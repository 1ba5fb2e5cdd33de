//! Filled in next.

use super::Event;
use crate::store::Rows;

/// The rows an event changes.
pub(crate) fn evolve(_rows: &mut Rows<'_>, event: &Event) {
    todo!("{event:?}")
}
