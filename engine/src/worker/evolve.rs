//! The rows of sessions.

use super::Event;
use crate::store::{Rows, schema};

/// The rows an event changes.
pub(crate) fn evolve(rows: &mut Rows<'_>, event: &Event) {
    match event {
        Event::Attached { worker } => {
            schema::WORKER.put(rows, &worker.id, worker);
            schema::WORKER_OF_NODE.put(rows, &(worker.node, worker.id), &());
        }
        Event::Drained { worker } => {
            schema::WORKER.change(rows, worker, |row| row.draining = true);
        }
        Event::Detached { worker, why: _ } => {
            let row = schema::WORKER.get(rows, worker).expect("a session ends once");
            schema::WORKER_OF_NODE.delete(rows, &(row.node, row.id));
            schema::WORKER.delete(rows, worker);
        }
    }
}
