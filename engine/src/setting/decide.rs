//! Settings changed.

use super::{Command, Event, KNOWN, get};
use crate::apply::Reply;
use crate::reject::Rejection;
use crate::store::Tx;

/// What a command comes to: events, or a refusal.
pub(crate) fn decide(tx: &mut Tx<'_>, command: &Command) -> Result<Reply, Rejection> {
    match command {
        Command::Set { name, value } => {
            if !KNOWN.contains(&name.as_str()) {
                return Err(Rejection::NoSetting(name.clone()));
            }
            if !value.is_empty() && value.parse::<u64>().is_err() {
                return Err(Rejection::invalid(name, "is not a number of milliseconds"));
            }
            if get(tx, name).unwrap_or_default() != *value {
                tx.emit(Event::Changed { name: name.clone(), value: value.clone() });
            }
            Ok(Reply::Done)
        }
    }
}
