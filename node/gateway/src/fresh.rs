//! How certain a read is: everything acknowledged before it, or the local copy as it is.
//!
//! ```text
//!   Fresh     waits for a word with the majority    unless `consistency=stale`
//!   Stale     answers at once                       unless `consistency=linearizable`
//!   both      wait for `Oarlock-Index`, if one was sent: a caller reads its own writes on any node
//! ```
//!
//! What was read at once says so where it matters: an answer that the node was not sure of carries `Oarlock-Stale: true`, and one
//! that was asked for as stale says how far the copy is. The threshold writes these, told by a [`Mark`] on the request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use axum::extract::FromRequestParts;
use axum::http::request::Parts as Head;
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use oarlock_engine::id::Revision;

use crate::params::Params;
use crate::problem::{Answer, Fault, table};
use crate::room::{INDEX, Room};

/// The revision of the copy, on answers that were asked for as stale.
const REVISION: HeaderName = HeaderName::from_static("oarlock-revision");
/// The last log entry applied to it.
const APPLIED: HeaderName = HeaderName::from_static("oarlock-applied");
/// Whether the copy may be old: the node does not hear of a leader.
const STALE: HeaderName = HeaderName::from_static("oarlock-stale");

/// A read that sees everything acknowledged before it, unless the caller says that an older copy will do.
pub(crate) struct Fresh;
/// A read of the local copy as it is, unless the caller asks for certainty.
pub(crate) struct Stale;

const UNREAD: u8 = 0;
const CERTAIN: u8 = 1;
const AT_ONCE: u8 = 2;
const AS_ASKED: u8 = 3;

/// How a request was read, told from its reader to the threshold.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mark(Arc<AtomicU8>);

impl Mark {
    fn set(head: &Head, how: u8) {
        if let Some(mark) = head.extensions.get::<Mark>() {
            mark.0.store(how, Ordering::Relaxed);
        }
    }

    /// Says on an answer how certain it is.
    pub(crate) fn show(&self, room: &Room, answer: &mut Response) {
        let how = self.0.load(Ordering::Relaxed);
        if how == UNREAD || how == CERTAIN {
            return;
        }
        let status = room.replica.status();
        let headers = answer.headers_mut();
        if how == AS_ASKED {
            headers.insert(REVISION, HeaderValue::from(status.revision.0));
            headers.insert(APPLIED, HeaderValue::from(status.applied));
        }
        if !status.sure {
            headers.insert(STALE, HeaderValue::from_static("true"));
        }
    }
}

impl FromRequestParts<Arc<Room>> for Fresh {
    type Rejection = Fault;

    async fn from_request_parts(head: &mut Head, room: &Arc<Room>) -> Answer<Fresh> {
        consistent(head, room, true).await.map(|()| Fresh)
    }
}

impl FromRequestParts<Arc<Room>> for Stale {
    type Rejection = Fault;

    async fn from_request_parts(head: &mut Head, room: &Arc<Room>) -> Answer<Stale> {
        consistent(head, room, false).await.map(|()| Stale)
    }
}

async fn consistent(head: &Head, room: &Room, usual: bool) -> Answer<()> {
    let params = Params::of(&head.uri)?;
    let (certain, asked) = match params.text("consistency") {
        None => (usual, false),
        Some("linearizable") => (true, true),
        Some("stale") => (false, true),
        Some(other) => {
            return Err(Fault::new(
                &table::BAD_QUERY,
                format!("consistency is `linearizable` or `stale`, not `{other}`"),
            ));
        }
    };
    if certain {
        room.certain().await?;
        Mark::set(head, CERTAIN);
    } else {
        Mark::set(head, if asked { AS_ASKED } else { AT_ONCE });
    }
    let Some(index) = head.headers.get(INDEX) else { return Ok(()) };
    let index = index.to_str().ok().and_then(|text| text.parse().ok()).ok_or_else(|| {
        Fault::new(&table::BAD_QUERY, "the header Oarlock-Index is a revision: a whole number")
    })?;
    room.caught_up(Revision(index)).await
}
