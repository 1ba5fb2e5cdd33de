//! Alarms set and gone.

use super::Event;
use crate::store::{Rows, schema};

/// The rows an event changes.
pub(crate) fn evolve(rows: &mut Rows<'_>, event: &Event) {
    match event {
        Event::Set { role, at, alarm } => {
            schema::TIMER.put(rows, &(*role, *at, alarm.clone()), &());
        }
        Event::Cleared { role, at, alarm } => {
            schema::TIMER.delete(rows, &(*role, *at, alarm.clone()));
        }
    }
}
