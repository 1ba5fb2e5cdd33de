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

use std::sync::{Arc, OnceLock};

use axum::extract::FromRequestParts;
use axum::http::request::Parts as Head;
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use oarlock_engine::id::Revision;

use crate::params::Params;
use crate::problem::{Answer, Fault, table};
use crate::room::{INDEX, Room};

/// A revision that the copy had at least, on answers that were asked for as stale.
const REVISION: HeaderName = HeaderName::from_static("oarlock-revision");
/// A log entry that was applied to it at least.
const APPLIED: HeaderName = HeaderName::from_static("oarlock-applied");
/// Whether the copy may be old: the node does not hear of a leader.
const STALE: HeaderName = HeaderName::from_static("oarlock-stale");

/// A read that sees everything acknowledged before it, unless the caller says that an older copy will do.
pub(crate) struct Fresh;
/// A read of the local copy as it is, unless the caller asks for certainty.
pub(crate) struct Stale;

/// What was read at once, without a word with the majority.
#[derive(Debug, Clone, Copy)]
struct AtOnce {
    /// Whether the caller asked for it: then the answer says how far the copy was.
    asked: bool,
    /// How far the copy was before it was read: what is read then may be newer, and never older.
    revision: Revision,
    applied: u64,
    /// Whether the node was sure of its leader.
    sure: bool,
}

/// How a request was read, told from its reader to the threshold. Empty: for certain, or not at all.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mark(Arc<OnceLock<AtOnce>>);

impl Mark {
    fn set(head: &Head, room: &Room, asked: bool) {
        let Some(mark) = head.extensions.get::<Mark>() else { return };
        let status = room.replica.status();
        let (revision, applied, sure) = (status.revision, status.applied, status.sure);
        // A request is read once; the first word counts.
        let _said = mark.0.set(AtOnce { asked, revision, applied, sure });
    }

    /// Says on an answer how certain it is.
    pub(crate) fn show(&self, answer: &mut Response) {
        let Some(read) = self.0.get() else { return };
        let headers = answer.headers_mut();
        if read.asked {
            headers.insert(REVISION, HeaderValue::from(read.revision.0));
            headers.insert(APPLIED, HeaderValue::from(read.applied));
        }
        if !read.sure {
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
    }
    if let Some(index) = head.headers.get(INDEX) {
        let index = index.to_str().ok().and_then(|text| text.parse().ok()).ok_or_else(|| {
            Fault::new(&table::BAD_QUERY, "the header Oarlock-Index is a revision: a whole number")
        })?;
        room.caught_up(Revision(index)).await?;
    }
    if !certain {
        Mark::set(head, room, asked);
    }
    Ok(())
}
