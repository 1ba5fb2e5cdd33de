//! The rows of settings.

use super::Event;
use crate::store::{Rows, schema};

/// The rows an event changes.
pub(crate) fn evolve(rows: &mut Rows<'_>, event: &Event) {
    match event {
        Event::Changed { name, value } if value.is_empty() => schema::SETTING.delete(rows, name),
        Event::Changed { name, value } => schema::SETTING.put(rows, name, value),
    }
}
