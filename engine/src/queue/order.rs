//! The ready index: which task is next for a worker, and how many stand where.
//!
//! Each queue is split into classes of workers: one for all built-in kinds (every node's own worker runs them all), one for each
//! handler of user code. Within a class the order is priority falling, then since when, then the task's id: one seek finds the
//! first, whatever waits behind it and in other classes.

use crate::catalog::Kind;
use crate::id::{Priority, TaskId};
use crate::queue::Counts;
use crate::store::key::{Falling, Key};
use crate::store::{Rows, View, place, schema};
use crate::time::Moment;

/// Which workers can take a task: a part of the ready index's key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Those that run the built-in kinds.
    Builtin,
    /// Those that have registered this handler.
    Call(String),
}

impl From<&Kind> for Class {
    fn from(kind: &Kind) -> Self {
        match kind {
            Kind::Builtin(_) => Class::Builtin,
            Kind::Call(name) => Class::Call(name.clone()),
        }
    }
}

impl Key for Class {
    fn write(&self, bytes: &mut place::Place) {
        match self {
            Class::Builtin => bytes.push(1),
            Class::Call(name) => {
                bytes.push(2);
                name.write(bytes);
            }
        }
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        match u8::read(bytes)? {
            1 => Some(Class::Builtin),
            2 => Some(Class::Call(Key::read(bytes)?)),
            _ => None,
        }
    }
}

/// Where a ready task stands among those of its queue and class. What sorts first goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Higher goes first.
    pub priority: Priority,
    /// Then the older one.
    pub since: Moment,
    /// Then by id.
    pub task: TaskId,
}

impl Place {
    fn rank(&self) -> (u8, Moment, TaskId) {
        (u8::MAX - self.priority.0, self.since, self.task)
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}

/// The first ready task of a queue for a class of workers.
pub fn first(view: &dyn View, queue: &str, class: &Class) -> Option<Place> {
    let lead = (queue.to_owned(), class.clone());
    let ((_, _, Falling(priority), since, task), ()) = schema::READY.under(view, &lead).next()?;
    Some(Place { priority, since, task })
}

/// A task takes its place in the ready index.
pub(crate) fn enter(rows: &mut Rows<'_>, queue: &str, kind: &Kind, place: Place) {
    schema::READY.add(rows, &row(queue, kind, place), &());
}

/// A task leaves its place.
pub(crate) fn leave(rows: &mut Rows<'_>, queue: &str, kind: &Kind, place: Place) {
    schema::READY.delete(rows, &row(queue, kind, place));
}

fn row(queue: &str, kind: &Kind, place: Place) -> (String, Class, Falling, Moment, TaskId) {
    (queue.to_owned(), Class::from(kind), Falling(place.priority), place.since, place.task)
}

/// All queues that have ready tasks. Their names are one row, so that this needs no walk over the table.
pub(crate) fn busy(view: &dyn View) -> Vec<String> {
    let names = schema::QUEUE_NAMES.get(view, &()).unwrap_or_default();
    let busy = |name: &String| {
        schema::QUEUE.look(view, name).is_some_and(|queue| !queue.paused && queue.counts.ready > 0)
    };
    names.into_iter().filter(busy).collect()
}

/// Changes how many of a queue's tasks stand where.
pub(crate) fn count(rows: &mut Rows<'_>, queue: &str, change: impl FnOnce(&mut Counts)) {
    schema::QUEUE.change(rows, &queue.to_owned(), |row| change(&mut row.counts));
}
