//! The rows of queues.

use super::{Event, Queue};
use crate::store::{Rows, schema};

/// The rows an event changes.
pub(crate) fn evolve(rows: &mut Rows<'_>, event: &Event) {
    match event {
        Event::Created { name } => {
            let row = Queue { name: name.clone(), ..Queue::default() };
            schema::QUEUE.put(rows, name, &row);
            let mut names = schema::QUEUE_NAMES.get(rows, &()).unwrap_or_default();
            names.push(name.clone());
            names.sort();
            schema::QUEUE_NAMES.put(rows, &(), &names);
        }
        Event::Paused { name } => schema::QUEUE.change(rows, name, |row| row.paused = true),
        Event::Resumed { name } => schema::QUEUE.change(rows, name, |row| row.paused = false),
        Event::Limited { name, concurrency_max } => {
            schema::QUEUE.change(rows, name, |row| row.concurrency_max = *concurrency_max);
        }
    }
}
