//! A payload, kept.

use super::Event;
use crate::store::{Rows, schema};

/// The rows an event changes.
pub(crate) fn evolve(rows: &mut Rows<'_>, event: &Event, attachment: &[u8]) {
    match event {
        Event::Kept { run, slot, bytes: _ } => {
            schema::BLOB.put_bytes(rows, &(*run, *slot), attachment);
        }
    }
}
