//! What all handlers share: the replica, the crew, and a few memories that make them quick.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use oarlock_actors::crew::Crew;
use oarlock_engine::access::Principal;
use oarlock_engine::command::Command;
use oarlock_engine::id::{NodeId, Revision};
use oarlock_raft::{Accepted, Local, ProposeError, Replica};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::endings::Endings;
use crate::limit::{BEHIND_MAX, LEADER_MAX, STREAMS_MAX, WRITE_MAX};
use crate::problem::{Answer, Fault, table};
use crate::reign::Reigns;
use crate::rounds::Rounds;
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
    /// What people call the cluster.
    pub cluster: String,
    /// Where the node keeps its data; none: in memory.
    pub data: Option<PathBuf>,
    /// Whether it answers people and programs; if not, only probes and metrics.
    pub api: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            principal: Principal("user:local".to_owned()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            address: String::new(),
            cluster: "oarlock".to_owned(),
            data: None,
            api: true,
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
    pub(crate) reigns: Reigns,
    rounds: Rounds,
    streams: Arc<Semaphore>,
    closing: watch::Sender<bool>,
}

impl Room {
    pub(crate) fn new(replica: Replica, crew: Crew, config: Config) -> Room {
        let endings = Endings::follow(&replica);
        let reigns = Reigns::follow(&replica);
        Room {
            replica,
            crew,
            config,
            shelf: Shelf::default(),
            endings,
            began: Instant::now(),
            reigns,
            rounds: Rounds::default(),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            closing: watch::Sender::new(false),
        }
    }

    /// Proposes for whoever asked, with the slots that are free here: what becomes ready may begin in the same entry.
    pub(crate) async fn propose(&self, command: Command) -> Answer<Accepted> {
        let by = self.config.principal.clone();
        let proposed = self.replica.propose(by, self.crew.offer(), command);
        if self.alone() {
            return Ok(proposed.await?);
        }
        let begun = Instant::now();
        self.led().await?;
        match tokio::time::timeout(WRITE_MAX.saturating_sub(begun.elapsed()), proposed).await {
            Ok(Err(ProposeError::Unavailable(why))) if !self.replica.status().sure => {
                Err(no_leader(&why))
            }
            Ok(outcome) => Ok(outcome?),
            Err(_) => Err(Fault::new(&table::UNKNOWN_OUTCOME, "no majority has confirmed it yet")
                .retry_after(Duration::from_millis(200))),
        }
    }

    /// Whether there is nobody but this node: what it has is what there is.
    pub(crate) fn alone(&self) -> bool {
        self.replica.peer_address().is_none()
    }

    /// Waits a little until somebody leads: elections are short, and a caller that waits need not know of them.
    pub(crate) async fn led(&self) -> Answer<()> {
        let mut leads = self.replica.lead();
        let led = leads.wait_for(|lead| lead.leader.is_some() && lead.sure);
        match tokio::time::timeout(LEADER_MAX, led).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(no_leader("no majority answers here")),
        }
    }

    /// Waits until the local copy has everything that was acknowledged before, anywhere.
    pub(crate) async fn certain(&self) -> Answer<()> {
        if self.alone() {
            return Ok(());
        }
        let begun = Instant::now();
        self.led().await?;
        let replica = self.replica.clone();
        let round = self.rounds.next(move || {
            let replica = replica.clone();
            async move { replica.barrier().await.map_err(|fault| fault.to_string()) }
        });
        match tokio::time::timeout(WRITE_MAX.saturating_sub(begun.elapsed()), round).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(why)) => Err(no_leader(&why)),
            Err(_) => Err(no_leader("no majority answers")),
        }
    }

    /// Waits until the local copy has a revision that the caller has seen elsewhere.
    pub(crate) async fn caught_up(&self, revision: Revision) -> Answer<()> {
        if self.endings.reached(revision, BEHIND_MAX).await {
            return Ok(());
        }
        let here = self.replica.status().revision;
        let detail = format!("asked for revision {revision}, this copy has {here}");
        Err(Fault::new(&table::BEHIND, detail).retry_after(Duration::from_secs(1)))
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

    /// Bytes of the data folder, if there is one.
    pub(crate) fn disk_bytes(&self) -> Option<u64> {
        self.config.data.as_deref().map(crate::disk::bytes)
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

fn no_leader(why: &str) -> Fault {
    Fault::new(&table::NO_LEADER, why).retry_after(Duration::from_secs(1))
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
