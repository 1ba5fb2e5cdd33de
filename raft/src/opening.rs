//! How a replica opens: a port taken, a directory taken, taken in by the others, and then everything that lives as long as it.
//!
//! ```text
//!   port ─▶ directory (locked) ─▶ identity: its own, or given by the cluster ─▶ stores ─▶ openraft ─▶ tasks
//! ```
//!
//! A task that panics ends the process: a node without it would look alive.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt as _;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::sync::watch::Sender as Told;

use crate::admin::{self, Identity, Stores, Taken};
use crate::clock::Watched;
use crate::config::{Config, Raft};
use crate::fault::{Fault, halt};
use crate::log::store::Log;
use crate::machine::{Shared, index};
use crate::peer::book::Book;
use crate::peer::hello::Card;
use crate::peer::room::Room;
use crate::peer::{join, listen, steward};
use crate::propose::Desk;
use crate::{Inner, Replica, disk, metric, road, space};

/// How often sizes are measured.
const MEASURE_EVERY: Duration = Duration::from_secs(5);

/// Opens, founds or joins, and takes part in the log.
pub(crate) async fn open(config: &Config) -> Result<Replica, Fault> {
    space::survive_file_size_limit();
    let door = match &config.peer {
        Some(peering) => Some(listen::bind(peering.listen).await?),
        None => None,
    };
    let bound = door.as_ref().map(TcpListener::local_addr).transpose();
    let bound = bound.map_err(|why| Fault::Unavailable(why.to_string()))?;
    let address = match (&config.peer, bound) {
        (Some(peering), Some(bound)) => {
            peering.advertise.clone().unwrap_or_else(|| bound.to_string())
        }
        _ => String::new(),
    };
    let stores = stores(config, &address).await?;
    begin(config, stores, address, bound, door).await
}

/// Takes the directory and opens its stores; a node with peers and an empty directory asks to be taken in first.
async fn stores(config: &Config, address: &str) -> Result<Stores, Fault> {
    let settings = config.clone();
    let died = |why: tokio::task::JoinError| Fault::Storage(why.to_string());
    let taken =
        tokio::task::spawn_blocking(move || Taken::take(&settings)).await.map_err(died)??;
    let identity = match (taken.identity, &config.peer) {
        (Some(found), _) => found,
        (None, Some(peering)) if !peering.join.is_empty() => join::join(peering, address).await?,
        (None, _) => Identity { node: config.node, cluster: admin::random()?, joined: false },
    };
    let opened = tokio::task::spawn_blocking(move || Stores::open_as(taken, identity)).await;
    opened.map_err(died)?
}

/// Lets openraft begin, and everything around it.
async fn begin(
    config: &Config,
    stores: Stores,
    address: String,
    bound: Option<SocketAddr>,
    door: Option<TcpListener>,
) -> Result<Replica, Fault> {
    alone_or_with_peers(config, &stores)?;
    let Stores { identity, log, machine, shared, gate, threads, wish } = stores;
    let applier = machine.jobs.clone();
    let card = config.peer.as_ref().map(|peering| Card {
        node: identity.node.0,
        cluster: identity.cluster,
        secret: peering.secret.clone(),
        tls: peering.tls.clone(),
    });
    let book = Book::new(card);
    let parts = (log.clone(), machine);
    let raft = admin::begin(config, identity, book.clone(), &address, parts).await?;
    let peering = config.peer.clone();
    let clock = Arc::new(Watched::new(peering.as_ref().map(|peering| peering.skew_ms_max)));
    let desk = Arc::new(Desk::new(config, gate.clone(), clock.clone()));
    let room = Arc::new(Room::new(
        (identity, address, peering),
        (book, raft.clone(), shared.clone(), gate.clone(), clock),
    ));
    let (lead, closing) = (Told::new(room.lead()), Arc::new(AtomicBool::new(false)));
    let mut tasks = vec![
        kept(&closing, road::collect(desk.clone(), room.clone())),
        kept(&closing, wish_for_snapshots(wish, raft.clone())),
        kept(&closing, measure(Arc::downgrade(&shared), log.clone())),
        kept(&closing, steward::watch_lead(room.clone(), lead.clone())),
        kept(&closing, steward::stop_if_stopped(raft.clone(), closing.clone())),
    ];
    let mut visitors = None;
    if let Some(door) = door {
        let (arriving, arrived) = mpsc::channel(listen::VISITORS_MAX);
        visitors = Some(arrived);
        tasks.push(kept(&closing, listen::listen(door, room.clone(), arriving)));
        tasks.push(kept(&closing, steward::follow(room.clone())));
        tasks.push(kept(&closing, steward::hurry(room.clone())));
        tasks.push(kept(&closing, steward::succeed(room.clone())));
        tasks.push(kept(&closing, steward::report(room.clone())));
        tasks.push(kept(&closing, steward::tend(room.clone())));
        tasks.push(kept(&closing, road::expire(desk.clone(), room.clone())));
    }
    if let Some(dir) = shared.place.disk() {
        space::look(dir, config.disk_reserve_bytes, &gate);
        let (dir, gate) = (dir.to_path_buf(), Arc::downgrade(&gate));
        tasks.push(kept(&closing, space::keep_looking(dir, config.disk_reserve_bytes, gate)));
    }
    let inner = Inner {
        identity,
        raft,
        log,
        shared,
        desk,
        gate,
        applier,
        tasks,
        threads: Mutex::new(threads),
        room,
        lead,
        closing,
        peer_address: bound,
        visitors: Mutex::new(visitors),
    };
    Ok(Replica { inner: Arc::new(inner) })
}

/// A member of a group needs its peers: without them it would wait for a majority for ever.
fn alone_or_with_peers(config: &Config, stores: &Stores) -> Result<(), Fault> {
    let members = stores.shared.progress().members;
    let others = members.nodes().filter(|(node, _)| **node != stores.identity.node.0).count();
    if others == 0 || config.peer.is_some() {
        return Ok(());
    }
    Err(Fault::Data(format!(
        "this directory belongs to a cluster of {} nodes, and without the cluster's secret this one reaches none of them: set \
         peer.secret_file",
        others + 1
    )))
}

/// Starts a task that lives as long as the replica. A panic in it ends the process: a node without it would look alive.
fn kept(
    closing: &Arc<AtomicBool>,
    task: impl Future<Output = ()> + Send + 'static,
) -> tokio::task::JoinHandle<()> {
    let closing = closing.clone();
    tokio::spawn(async move {
        let panicked = AssertUnwindSafe(task).catch_unwind().await.is_err();
        if panicked && !closing.load(Ordering::Acquire) {
            halt("a task of the replica has panicked", &"its message is above");
        }
    })
}

async fn wish_for_snapshots(wish: Arc<tokio::sync::Notify>, raft: Raft) {
    loop {
        wish.notified().await;
        if raft.trigger().snapshot().await.is_err() {
            return;
        }
    }
}

async fn measure(shared: std::sync::Weak<Shared>, log: Log) {
    let mut pace = tokio::time::interval(MEASURE_EVERY);
    loop {
        pace.tick().await;
        let Some(shared) = shared.upgrade() else { return };
        let (last, purged) = log.bounds();
        let applied = index(shared.progress().applied.last);
        metric::sizes(last, applied, purged, shared.gate.is_shut());
        metric::store("state", shared.shelf.with(disk::bytes));
        metric::store("log", log.bytes());
    }
}
