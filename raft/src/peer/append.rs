//! Appends to one other member, several on their way at once.
//!
//! The next append is sent while the other side's disk is busy with the one before, and several of them may share a sync there. They
//! arrive in order, since they are posted one after the other on one connection and the other side begins each before it reads the
//! next; their answers are handed to openraft in that order too. The first that is not a full success ends the stream, and openraft
//! begins another one behind what is known to have arrived.
//!
//! What a member has acknowledged is remembered while this node leads. One that lacks it was put back to an older copy and must not be
//! counted on. Only what was acknowledged before an append was posted can be held against its answer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openraft::errors::RPCError;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, StreamAppendResult};

use super::link::{Link, Posted, Uncalled};
use super::network::{garbled, told, unreachable};
use super::wire::{Ask, Reply};
use crate::config::{Cell, LogId};

/// How long an append may wait for the other side's disk, and for those before it.
pub(crate) const APPEND_WAIT: Duration = Duration::from_secs(3);
/// Appends to one node that may wait for their answers at once: each carries a few MiB at the most.
pub(crate) const APPENDS_IN_FLIGHT_MAX: usize = 4;

/// The last entry a member said it has, while this node leads.
#[derive(Debug, Clone, Default)]
pub(crate) struct Matched(Arc<Mutex<Option<LogId>>>);

impl Matched {
    fn get(&self) -> Option<LogId> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn raise(&self, to: Option<LogId>) {
        let mut matched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *matched = (*matched).max(to);
    }
}

/// An append on its way: the entries it stands behind and ends with, what was known when it was posted, and the call.
pub(crate) struct Begun {
    before: Option<LogId>,
    last: Option<LogId>,
    known: Option<LogId>,
    matched: Matched,
    posted: Result<(Arc<Link>, Posted), RPCError<Cell>>,
}

impl Begun {
    /// Posts it.
    pub(crate) async fn new(
        link: Result<Arc<Link>, RPCError<Cell>>,
        matched: Matched,
        request: AppendEntriesRequest<Cell>,
        within: Duration,
    ) -> Begun {
        let before = request.prev_log_id;
        let last = request.entries.last().map(crate::machine::id_of).or(before);
        let known = matched.get();
        let posted = match link {
            Ok(link) => match link.post(&Ask::Append(request), within).await {
                Ok(posted) => Ok((link, posted)),
                Err(why) => Err(unreachable(link.target, &why)),
            },
            Err(why) => Err(why),
        };
        Begun { before, last, known, matched, posted }
    }

    /// Waits for its answer.
    pub(crate) async fn end(self) -> Ended {
        let Begun { before, last, known, matched, posted } = self;
        let reply = match posted {
            Ok((link, posted)) => match told(&link, posted.answer().await) {
                Ok(Reply::Append(reply)) => judge(&link, &reply, before, known).map(|()| reply),
                Ok(_) => Err(garbled(link.target)),
                Err(why) => Err(why),
            },
            Err(why) => Err(why),
        };
        match &reply {
            Ok(AppendEntriesResponse::Success) => matched.raise(last),
            Ok(AppendEntriesResponse::PartialSuccess(upto)) => matched.raise(*upto),
            Ok(AppendEntriesResponse::Conflict | AppendEntriesResponse::HigherVote(_)) | Err(_) => {
            }
        }
        Ended { before, last, reply }
    }
}

/// Whether a member has what it acknowledged before it was asked.
fn judge(
    link: &Link,
    reply: &AppendEntriesResponse<Cell>,
    before: Option<LogId>,
    known: Option<LogId>,
) -> Result<(), RPCError<Cell>> {
    if *reply != AppendEntriesResponse::Conflict || before.is_none() || before > known {
        return Ok(());
    }
    let why = format!(
        "node {} has lost log entries it acknowledged (up to {known:?}): its data directory was put back to an older copy. Stop it, \
         empty its data directory and let it join anew",
        link.target
    );
    tracing::error!("{why}");
    Err(unreachable(link.target, &Uncalled::Lost(why)))
}

/// What became of an append.
pub(crate) struct Ended {
    before: Option<LogId>,
    last: Option<LogId>,
    pub(crate) reply: Result<AppendEntriesResponse<Cell>, RPCError<Cell>>,
}

impl Ended {
    /// Whether those behind it can be relied on.
    pub(crate) fn full(&self) -> bool {
        match &self.reply {
            Ok(AppendEntriesResponse::Success) => true,
            Ok(AppendEntriesResponse::PartialSuccess(upto)) => *upto == self.last,
            Ok(AppendEntriesResponse::Conflict | AppendEntriesResponse::HigherVote(_)) | Err(_) => {
                false
            }
        }
    }

    /// As one answer of a stream.
    pub(crate) fn answer(self) -> Result<StreamAppendResult<Cell>, RPCError<Cell>> {
        self.reply.map(|reply| reply.into_stream_result(self.before, self.last))
    }
}
