//! Queues paused, resumed, limited.

use super::{Command, Event, Queue, get};
use crate::apply::Reply;
use crate::reject::Rejection;
use crate::store::Tx;

/// What a command comes to: events, or a refusal.
pub(crate) fn decide(tx: &mut Tx<'_>, command: &Command) -> Result<Reply, Rejection> {
    match command {
        Command::Pause { name } => {
            if !known(tx, name)?.paused {
                tx.emit(Event::Paused { name: name.clone() });
            }
        }
        Command::Resume { name } => {
            if known(tx, name)?.paused {
                tx.emit(Event::Resumed { name: name.clone() });
            }
        }
        Command::Limit { name, concurrency_max } => {
            if *concurrency_max == Some(0) {
                return Err(Rejection::invalid("concurrency_max", "is 0: pause the queue instead"));
            }
            if known(tx, name)?.concurrency_max != *concurrency_max {
                let concurrency_max = *concurrency_max;
                tx.emit(Event::Limited { name: name.clone(), concurrency_max });
            }
        }
    }
    Ok(Reply::Done)
}

fn known(tx: &Tx<'_>, name: &str) -> Result<Queue, Rejection> {
    get(tx, name).ok_or_else(|| Rejection::NoQueue(name.to_owned()))
}
