//! The other end: connections from peers, each known by its handshake before anything else is read from it.
//!
//! Calls on a connection are begun in the order in which they came, each before the next is read, and answered as they are ready. So
//! many may be open at once; then nothing more is read, and the caller's writes wait.

use std::future::{Future, ready};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::future::Either;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, SinkExt, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::coop::unconstrained;
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::codec::{FramedRead, FramedWrite, LengthDelimitedCodec};

use super::hello::{self, Hello, Purpose, Refusal, Unmet};
use super::link::HELLO_WAIT;
use super::room::Room;
use super::socket::{self, Outgoing, Stream};
use super::wire::{self, Ask, Reply};
use super::{proof, tls};
use crate::cluster::Visitor;
use crate::fault::Fault;
use oarlock_engine::id::NodeId;

/// Connections from peers at once.
const CONNECTIONS_MAX: usize = 256;
/// Connections at once of which it is not known yet who they are.
const STRANGERS_MAX: usize = 128;
/// Calls of one connection that are answered at once.
const CALLS_MAX: usize = 128;
/// How long the last answers to a node that is no member any more may take.
const FAREWELL_WAIT: Duration = Duration::from_secs(1);
/// Connections for actors that nobody has taken yet.
pub(crate) const VISITORS_MAX: usize = 16;

/// How long nothing is accepted after the system could not.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Takes a port to listen at.
pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener, Fault> {
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
    let (mut strangers, mut guests) = (Strangers::default(), JoinSet::new());
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        tokio::select! {
            (stream, from) = next(&listener) => {
                let (room, visitors) = (room.clone(), visitors.clone());
                strangers.meet(greet(stream, from, room, visitors, places.clone()));
            }
            Some(guest) = strangers.met() => {
                let (room, visitors) = (room.clone(), visitors.clone());
                guests.spawn(async move { host(guest, &room, &visitors).await });
            }
            Some(_) = guests.join_next() => {}
        }
    }
}

/// The next connection. Trouble of this process or of the system, out of descriptors for example, is waited out here, and keeps
/// nobody waiting who is inside already.
async fn next(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(why) => {
                tracing::warn!(%why, "a peer's connection cannot be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Connections of which it is not known yet who they are. When there are too many one of them has to go, whichever chance takes: a
/// member is a stranger for a moment only, and whoever says nothing keeps nobody else out.
struct Strangers<T> {
    greeted: JoinSet<Option<T>>,
    order: Vec<AbortHandle>,
}

impl<T> Default for Strangers<T> {
    fn default() -> Self {
        Strangers { greeted: JoinSet::default(), order: Vec::new() }
    }
}

impl<T: Send + 'static> Strangers<T> {
    fn meet(&mut self, greeting: impl Future<Output = Option<T>> + Send + 'static) {
        self.order.retain(|stranger| !stranger.is_finished());
        if self.order.len() >= STRANGERS_MAX {
            let chance = (proof::jitter() * STRANGERS_MAX as f64) as usize;
            self.order.swap_remove(chance.min(STRANGERS_MAX - 1)).abort();
        }
        self.order.push(self.greeted.spawn(greeting));
    }

    /// The next one that has turned out to be a peer; none: nobody is at the door.
    async fn met(&mut self) -> Option<T> {
        while let Some(greeted) = self.greeted.join_next().await {
            if let Ok(Some(guest)) = greeted {
                return Some(guest);
            }
        }
        None
    }
}

/// A peer whose handshake is done.
struct Guest {
    from: SocketAddr,
    hello: Hello,
    stream: Stream,
    place: OwnedSemaphorePermit,
}

/// Finds out who is there; none: no peer.
async fn greet(
    stream: TcpStream,
    from: SocketAddr,
    room: Arc<Room>,
    visitors: mpsc::Sender<Visitor>,
    places: Arc<Semaphore>,
) -> Option<Guest> {
    let judge = |hello: &Hello| match hello.purpose {
        _ if places.available_permits() == 0 => Err(Refusal::Busy),
        Purpose::Actors if visitors.capacity() == 0 => Err(Refusal::Busy),
        Purpose::Actors | Purpose::Raft => room.known(hello.node),
        Purpose::Join => Ok(()),
    };
    let met = async {
        let mut stream = socket::accept(stream, room.card().tls.as_ref()).await?;
        let hello = hello::answer(&mut stream, room.card(), judge).await?;
        let place = places.clone().try_acquire_owned().map_err(io::Error::other)?;
        Ok(Guest { from, hello, stream, place })
    };
    match tokio::time::timeout(HELLO_WAIT, met).await {
        Ok(Ok(guest)) => return Some(guest),
        Ok(Err(Unmet::Refused(why))) => tracing::warn!(%from, %why, "a peer was refused"),
        Ok(Err(Unmet::Broken(why))) if tls::is_mistake(&why) => {
            tracing::warn!(%from, %why, "a peer cannot be understood");
        }
        // Nobody of ours: a port scan, a health check.
        Ok(Err(why)) => tracing::debug!(%from, %why, "no peer"),
        Err(_) => tracing::debug!(%from, "no peer: it says nothing"),
    }
    None
}

async fn host(guest: Guest, room: &Arc<Room>, visitors: &mpsc::Sender<Visitor>) {
    let Guest { from, hello, stream, place } = guest;
    match hello.purpose {
        Purpose::Actors => {
            let visitor = Visitor { node: NodeId(hello.node), stream };
            // Nobody takes them, or too many wait: the connection is closed.
            let _full = visitors.try_send(visitor);
        }
        Purpose::Raft | Purpose::Join => {
            let why = converse(stream, room, &hello).await;
            tracing::debug!(node = hello.node, %from, %why, "a peer's connection ended");
        }
    }
    drop(place);
}

async fn converse(stream: Stream, room: &Arc<Room>, guest: &Hello) -> String {
    let (read, write) = socket::split(stream);
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
                    // Not held back by the runtime's sense of fairness: the next frame may be read before it is polled again.
                    let mut begun = Box::pin(unconstrained(answer(room, guest, frame)));
                    match futures::poll!(&mut begun) {
                        Poll::Ready(frame) => open.push(Either::Left(ready(frame))),
                        Poll::Pending => open.push(Either::Right(begun)),
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(why)) => return socket::ended(&why),
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
    out: &mut FramedWrite<Outgoing, LengthDelimitedCodec>,
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

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test]
    async fn whoever_says_nothing_keeps_nobody_out() {
        let mut strangers = Strangers::default();
        for _ in 0..STRANGERS_MAX * 2 {
            strangers.meet(pending::<Option<u8>>());
            tokio::task::yield_now().await;
        }
        assert!(strangers.order.len() <= STRANGERS_MAX);
        strangers.meet(ready(Some(7)));
        assert_eq!(strangers.met().await, Some(7));
    }

    #[tokio::test]
    async fn whoever_is_no_peer_is_passed_over() {
        let mut strangers = Strangers::default();
        strangers.meet(ready(None));
        strangers.meet(ready(Some(8)));
        assert_eq!(strangers.met().await, Some(8));
        assert_eq!(strangers.met().await, None);
    }
}
