//! The feed's beginning moves.

use super::{Command, Event};
use crate::apply::Reply;
use crate::id::Revision;
use crate::reject::Rejection;
use crate::store::{Tx, schema};

/// What a command comes to: events, or a refusal.
pub(crate) fn decide(tx: &mut Tx<'_>, command: &Command) -> Result<Reply, Rejection> {
    match command {
        Command::Trim { before } => {
            let clock = schema::clock(tx);
            if before.0 > clock.revision.0 + 1 {
                return Err(Rejection::invalid("before", "lies ahead of the feed"));
            }
            // Records of one entry go together or stay together: back to where the entry begins that holds this revision.
            let next = Revision(before.0.saturating_add(1));
            let entry = schema::FEED.before_back(tx, &(), Some(&next)).next();
            let before = match entry {
                Some((first, _)) if before.0 <= clock.revision.0 => first,
                Some(_) | None => *before,
            };
            if before > clock.oldest {
                tx.emit(Event::Trimmed { before });
            }
            Ok(Reply::Done)
        }
    }
}
