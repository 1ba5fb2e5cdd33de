//! What all handlers share: the replica, the crew, and a few memories that make them quick.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::FromRequestParts;
use axum::http::request::Parts as Head;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use oarlock_actors::crew::Crew;
use oarlock_engine::access::Principal;
use oarlock_engine::command::Command;
use oarlock_engine::id::{NodeId, Revision};
use oarlock_raft::{Accepted, Local, Replica};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::endings::Endings;
use crate::limit::{BEHIND_MAX, STREAMS_MAX};
use crate::params::Params;
use crate::problem::{Answer, Fault, table};
use crate::shelf::Shelf;

/// The revision of the copy that a read was answered from; sent back with a read, the least revision it may be answered from.
pub(crate) const INDEX: HeaderName = HeaderName::from_static("oarlock-index");

/// What the door needs to know of itself.
#[derive(Debug, Clone)]
pub struct Config {
    /// Who everybody is, as long as nobody has to say who they are: `user:local`.
    pub principal: Principal,
    /// The build's version, for people.
    pub version: String,
    /// Where this door is reached: the landing page says it.
    pub address: String,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            principal: Principal("user:local".to_owned()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            address: String::new(),
        }
    }
}

/// What handlers share.
pub(crate) struct Room {
    pub(crate) replica: Replica,
    pub(crate) crew: Crew,
    pub(crate) config: Config,
    pub(crate) shelf: Shelf,
    pub(crate) endings: Arc<Endings>,
    pub(crate) began: Instant,
    streams: Arc<Semaphore>,
    closing: watch::Sender<bool>,
}

impl Room {
    pub(crate) fn new(replica: Replica, crew: Crew, config: Config) -> Room {
        let endings = Endings::follow(&replica);
        Room {
            replica,
            crew,
            config,
            shelf: Shelf::default(),
            endings,
            began: Instant::now(),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            closing: watch::Sender::new(false),
        }
    }

    /// Proposes for whoever asked, with the slots that are free here: what becomes ready may begin in the same entry.
    pub(crate) async fn propose(&self, command: Command) -> Answer<Accepted> {
        let by = self.config.principal.clone();
        Ok(self.replica.propose(by, self.crew.offer(), command).await?)
    }

    /// Reads one moment of the local copy.
    pub(crate) fn read<T>(&self, reader: impl FnOnce(&Local<'_>) -> Answer<T>) -> Answer<Read<T>> {
        self.replica.read(|view| {
            let revision = view.revision();
            reader(view).map(|value| Read { revision, value })
        })
    }

    /// The name of the node that leads.
    pub(crate) fn leader_name(&self) -> Option<String> {
        let leader = self.replica.status().leader?;
        Some(self.node_name(leader))
    }

    /// What people call a node.
    pub(crate) fn node_name(&self, node: NodeId) -> String {
        self.replica.read(|view| crate::convert::name::node(view, node))
    }

    /// A place among the live streams.
    pub(crate) fn stream_place(&self) -> Answer<OwnedSemaphorePermit> {
        Arc::clone(&self.streams).try_acquire_owned().map_err(|_| {
            Fault::new(&table::STREAMS_FULL, format!("{STREAMS_MAX} streams are open here"))
                .retry_after(Duration::from_secs(5))
        })
    }

    /// Ends all live streams: the door closes.
    pub(crate) fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Waits until the door closes.
    pub(crate) fn closed(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut closing = self.closing.subscribe();
        async move {
            // An error means that the room is gone, which is as closed as can be.
            let _ = closing.wait_for(|closing| *closing).await;
        }
    }
}

/// A value and the revision that it was read at; answers as JSON with the index header.
#[derive(Debug)]
pub(crate) struct Read<T> {
    pub(crate) revision: Revision,
    pub(crate) value: T,
}

impl<T> Read<T> {
    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Read<U> {
        Read { revision: self.revision, value: change(self.value) }
    }
}

impl<T: Serialize> IntoResponse for Read<T> {
    fn into_response(self) -> Response {
        let mut answer = json(&self.value);
        answer.headers_mut().insert(INDEX, HeaderValue::from(self.revision.0));
        answer
    }
}

/// A value as JSON.
pub(crate) fn json<T: Serialize>(value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => {
            let kind = HeaderValue::from_static("application/json");
            ([(header::CONTENT_TYPE, kind)], body).into_response()
        }
        Err(fault) => Fault::new(&table::INTERNAL, fault.to_string()).into_response(),
    }
}

/// A read that sees everything acknowledged before it, unless the caller says that an older copy will do.
pub(crate) struct Fresh;
/// A read of the local copy as it is, unless the caller asks for certainty.
pub(crate) struct Stale;

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

async fn consistent(head: &Head, room: &Room, certain: bool) -> Answer<()> {
    let params = Params::of(&head.uri)?;
    let certain = match params.text("consistency") {
        None => certain,
        Some("linearizable") => true,
        Some("stale") => false,
        Some(other) => {
            return Err(Fault::new(
                &table::BAD_QUERY,
                format!("consistency is `linearizable` or `stale`, not `{other}`"),
            ));
        }
    };
    if certain {
        room.replica.barrier().await.map_err(|fault| {
            Fault::new(&table::NO_LEADER, fault.to_string()).retry_after(Duration::from_secs(1))
        })?;
    }
    let Some(index) = head.headers.get(INDEX) else { return Ok(()) };
    let index = index.to_str().ok().and_then(|text| text.parse().ok()).ok_or_else(|| {
        Fault::new(&table::BAD_QUERY, "the header Oarlock-Index is a revision: a whole number")
    })?;
    if room.endings.reached(Revision(index), BEHIND_MAX).await {
        return Ok(());
    }
    let here = room.replica.status().revision;
    Err(Fault::new(&table::BEHIND, format!("asked for revision {index}, this copy has {here}"))
        .retry_after(Duration::from_secs(1)))
}
