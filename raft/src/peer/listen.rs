//! The other end: connections from peers, each known by its handshake before anything else is read from it.
//!
//! Calls on a connection are answered as they are ready, not in the order they came. So many may be open at once; then nothing
//! more is read, and the caller's writes wait.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, SinkExt, StreamExt as _};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::codec::{FramedRead, FramedWrite, LengthDelimitedCodec};

use super::hello::{self, Hello, Purpose, Refusal, Unmet};
use super::link::HELLO_WAIT;
use super::room::Room;
use super::socket;
use super::wire::{self, Ask, Reply};
use crate::cluster::Visitor;
use crate::fault::Fault;
use oarlock_engine::id::NodeId;

/// Connections from peers at once.
const CONNECTIONS_MAX: usize = 256;
/// Calls of one connection that are answered at once.
const CALLS_MAX: usize = 128;
/// How long the last answers to a node that is no member any more may take.
const FAREWELL_WAIT: Duration = Duration::from_secs(1);
/// Connections for actors that nobody has taken yet.
pub(crate) const VISITORS_MAX: usize = 16;

/// Takes a port to listen at.
pub(crate) async fn bind(address: std::net::SocketAddr) -> Result<TcpListener, Fault> {
    TcpListener::bind(address).await.map_err(|why| {
        Fault::Unavailable(format!(
            "cannot listen for peers at {address}: {why}. Stop what listens there, or give this node another peer address"
        ))
    })
}

/// Answers peers for as long as the replica lives.
pub(crate) async fn listen(
    listener: TcpListener,
    room: Arc<Room>,
    visitors: mpsc::Sender<Visitor>,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut guests = JoinSet::new();
    loop {
        while guests.try_join_next().is_some() {}
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(why) => {
                // Of this process or of the system: out of descriptors, for example.
                tracing::warn!(%why, "a peer's connection cannot be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(place) = places.clone().try_acquire_owned() else { continue };
        let (room, visitors) = (room.clone(), visitors.clone());
        guests.spawn(async move {
            host(stream, &room, &visitors).await;
            drop(place);
        });
    }
}

async fn host(mut stream: TcpStream, room: &Arc<Room>, visitors: &mpsc::Sender<Visitor>) {
    let from = stream.peer_addr().map_or_else(|_| "?".to_owned(), |from| from.to_string());
    if let Err(why) = socket::tune(&stream) {
        tracing::warn!(%why, %from, "a peer's connection cannot be set up");
        return;
    }
    let judge = |hello: &Hello| match hello.purpose {
        Purpose::Actors if visitors.capacity() == 0 => Err(Refusal::Busy),
        Purpose::Actors | Purpose::Raft => room.known(hello.node),
        Purpose::Join => Ok(()),
    };
    let met = hello::answer(&mut stream, room.card(), judge);
    let guest = match tokio::time::timeout(HELLO_WAIT, met).await {
        Ok(Ok(guest)) => guest,
        Ok(Err(Unmet::Refused(why))) => {
            tracing::warn!(%from, %why, "a peer was refused");
            return;
        }
        // Nobody of ours: a port scan, a health check.
        Ok(Err(why)) => return tracing::debug!(%from, %why, "no peer"),
        Err(_) => return tracing::debug!(%from, "no peer: it says nothing"),
    };
    match guest.purpose {
        Purpose::Actors => {
            let visitor = Visitor { node: NodeId(guest.node), stream };
            // Nobody takes them, or too many wait: the connection is closed.
            let _full = visitors.try_send(visitor);
        }
        Purpose::Raft | Purpose::Join => {
            let why = converse(stream, room, &guest).await;
            tracing::debug!(node = guest.node, %from, %why, "a peer's connection ended");
        }
    }
}

async fn converse(stream: TcpStream, room: &Arc<Room>, guest: &Hello) -> String {
    let (read, write) = stream.into_split();
    let mut frames = FramedRead::new(read, wire::framing());
    let mut out = FramedWrite::new(write, wire::framing());
    let mut open = FuturesUnordered::new();
    let wall = &room.book.wall;
    let mut regrouped = room.shared.regrouped.subscribe();
    loop {
        tokio::select! {
            Ok(()) = regrouped.changed(), if guest.purpose == Purpose::Raft => {
                if let Err(why) = room.known(guest.node) {
                    // It may have asked for that itself, and shall hear that it is done.
                    let answers = flush(&mut open, &mut out);
                    let _late = tokio::time::timeout(FAREWELL_WAIT, answers).await;
                    return why.to_string();
                }
            }
            frame = frames.next(), if open.len() < CALLS_MAX => match frame {
                Some(Ok(frame)) if wall.open(guest.node).is_ok() => {
                    room.book.hear(guest.node);
                    open.push(answer(room, guest, frame));
                }
                Some(Ok(_)) => {}
                Some(Err(why)) => return why.to_string(),
                None => return "closed by the other side".to_owned(),
            },
            Some(frame) = open.next() => {
                let mut ready = Some(frame);
                while let Some(frame) = ready.take() {
                    let fed = match frame {
                        Err(why) => return why,
                        Ok(_) if wall.open(guest.node).is_err() => Ok(()),
                        Ok(frame) => out.feed(frame).await,
                    };
                    if let Err(why) = fed {
                        return why.to_string();
                    }
                    ready = open.next().now_or_never().flatten();
                }
                if let Err(why) = SinkExt::<Bytes>::flush(&mut out).await {
                    return why.to_string();
                }
            }
            () = wall.shut_for_long(guest.node) => return "cut off for a drill".to_owned(),
        }
    }
}

/// Gives the answers that are still due.
async fn flush(
    open: &mut FuturesUnordered<impl Future<Output = Result<Bytes, String>>>,
    out: &mut FramedWrite<OwnedWriteHalf, LengthDelimitedCodec>,
) -> Result<(), String> {
    while let Some(frame) = open.next().await {
        out.send(frame?).await.map_err(|why| why.to_string())?;
    }
    Ok(())
}

async fn answer(room: &Arc<Room>, guest: &Hello, frame: BytesMut) -> Result<Bytes, String> {
    let (call, ask) = wire::decode::<Ask>(&frame)?;
    drop(frame);
    let allowed = guest.purpose == Purpose::Raft || matches!(ask, Ask::Join { .. });
    let reply = if allowed {
        Box::pin(room.answer(guest.node, ask)).await
    } else {
        Reply::Failed("this connection is only for joining".to_owned())
    };
    Ok(wire::encode(call, &reply))
}
