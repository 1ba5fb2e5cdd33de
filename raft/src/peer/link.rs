//! The connection to one other member: dialled, kept, dialled again; calls on it are pipelined.
//!
//! ```text
//!   call ──▶ queue (bounded) ──▶ writer ═══════▶ the other node
//!     ▲                                               │
//!     └──── answer, by the call's number ◀── reader ◀═╝
//! ```
//!
//! A call that fails says which of two things happened: it was surely not sent, or it may have arrived. Who proposes must know
//! the difference; who only asks may ask again. While the connection is down calls fail at once, and the link tries to connect,
//! first after 50 ms and then less and less often; whoever watches learns of every change at once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures::{SinkExt, StreamExt as _};
use oarlock_engine::codec;
use oarlock_engine::id::NodeId;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::codec::{FramedRead, FramedWrite};

use super::book::Wall;
use super::hello::{self, Card, Purpose, Unmet};
use super::wire::{self, Ask, Reply};
use super::{proof, socket};
use crate::cluster;

/// Calls that may wait to be written.
const CALLS_WAITING_MAX: usize = 256;
/// Calls that may wait for their answers before those that nobody waits for are forgotten.
const CALLS_OPEN_MAX: usize = 1_024;
/// The first pause before dialling again.
const PAUSE: Duration = Duration::from_millis(50);
/// No pause is longer.
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// What the system says when a process has ended and its machine has not.
const NOBODY_LISTENS: std::io::ErrorKind = std::io::ErrorKind::ConnectionRefused;
/// How long the first words may take.
pub(crate) const HELLO_WAIT: Duration = Duration::from_secs(2);

/// Why a call has no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Uncalled {
    /// It surely did not arrive.
    #[error("not sent: {0}")]
    NotSent(String),
    /// It may have arrived.
    #[error("no answer: {0}")]
    Lost(String),
}

/// The connection to one other member.
pub(crate) struct Link {
    pub(crate) target: u64,
    address: watch::Sender<String>,
    state: watch::Sender<cluster::Link>,
    jobs: mpsc::Sender<Job>,
    calls: AtomicU64,
    task: Mutex<Option<tokio::task::AbortHandle>>,
}

struct Job {
    call: u64,
    frame: Bytes,
    answer: oneshot::Sender<Result<BytesMut, Uncalled>>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.end();
    }
}

/// What a link tells of itself while it is kept.
pub(crate) struct Ears {
    /// Called when something was heard.
    pub(crate) heard: Box<dyn Fn() + Send + Sync>,
    /// Called when it went up or down.
    pub(crate) changed: Box<dyn Fn(&cluster::Link) + Send + Sync>,
    /// Called when the other side refuses to talk.
    pub(crate) refused: Box<dyn Fn(&hello::Refusal) + Send + Sync>,
    pub(crate) wall: Wall,
}

impl Link {
    /// Begins to keep a connection.
    pub(crate) fn new(target: u64, address: String, card: Card, ears: Ears) -> Arc<Link> {
        let (jobs, waiting) = mpsc::channel(CALLS_WAITING_MAX);
        let why = "not connected yet".to_owned();
        let state =
            watch::Sender::new(cluster::Link { up: false, refused: 0, since: Instant::now(), why });
        let (address, addresses) = watch::channel(address);
        let (calls, task) = (AtomicU64::new(1), Mutex::default());
        let link = Arc::new(Link { target, address, state: state.clone(), jobs, calls, task });
        let keeper = Keeper { target, card, ears, state, addresses, waiting };
        let task = tokio::spawn(keeper.keep()).abort_handle();
        *link.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
        link
    }

    /// The member has moved.
    pub(crate) fn move_to(&self, address: &str) {
        self.address.send_if_modified(|old| {
            let moved = old != address;
            if moved {
                address.clone_into(old);
            }
            moved
        });
    }

    /// Ends it, whoever still has it.
    pub(crate) fn end(&self) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = task.take() {
            task.abort();
        }
    }

    /// Whether it is up, and since when.
    pub(crate) fn state(&self) -> cluster::Link {
        self.state.borrow().clone()
    }

    /// Where the member is.
    pub(crate) fn address(&self) -> String {
        self.address.borrow().clone()
    }

    /// Asks, and waits for the answer at most so long.
    pub(crate) async fn call(&self, ask: &Ask, within: Duration) -> Result<Reply, Uncalled> {
        self.post(ask, within).await?.answer().await
    }

    /// Asks: calls arrive in the order in which they are posted. Whoever wants the answer waits for it then, and not longer than
    /// so long from now on.
    pub(crate) async fn post(&self, ask: &Ask, within: Duration) -> Result<Posted, Uncalled> {
        {
            let state = self.state.borrow();
            if !state.up {
                return Err(Uncalled::NotSent(state.why.clone()));
            }
        }
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        let job = Job { call, frame: wire::encode(call, ask), answer };
        let deadline = tokio::time::Instant::now() + within;
        match tokio::time::timeout_at(deadline, self.jobs.send(job)).await {
            Ok(Ok(())) => Ok(Posted { answered, deadline, within }),
            Ok(Err(_)) => Err(Uncalled::NotSent("the link is closed".to_owned())),
            Err(_) => Err(Uncalled::NotSent("too many calls wait".to_owned())),
        }
    }
}

/// A call that is on its way.
pub(crate) struct Posted {
    answered: oneshot::Receiver<Result<BytesMut, Uncalled>>,
    deadline: tokio::time::Instant,
    within: Duration,
}

impl Posted {
    /// Waits for its answer.
    pub(crate) async fn answer(self) -> Result<Reply, Uncalled> {
        let bytes = match tokio::time::timeout_at(self.deadline, self.answered).await {
            Ok(Ok(bytes)) => bytes?,
            Ok(Err(_)) => return Err(Uncalled::Lost("the link was closed".to_owned())),
            Err(_) => return Err(Uncalled::Lost(format!("none within {:?}", self.within))),
        };
        codec::decode(&bytes).map_err(|why| Uncalled::Lost(why.to_string()))
    }
}

/// The task that keeps a link.
struct Keeper {
    target: u64,
    card: Card,
    ears: Ears,
    state: watch::Sender<cluster::Link>,
    addresses: watch::Receiver<String>,
    waiting: mpsc::Receiver<Job>,
}

impl Keeper {
    async fn keep(mut self) {
        let (mut pause, mut refused) = (PAUSE, 0);
        loop {
            let address = self.addresses.borrow_and_update().clone();
            let (mut nobody, mut was_up) = (false, false);
            let why = match self.dial(&address).await {
                Ok(stream) => {
                    (pause, was_up) = (PAUSE, true);
                    self.tell(true, 0, String::new());
                    self.converse(stream).await
                }
                Err(Unmet::Refused(why)) => {
                    (self.ears.refused)(&why);
                    format!("refused by {address}: {why}")
                }
                Err(why) => {
                    nobody = matches!(&why, Unmet::Broken(why) if why.kind() == NOBODY_LISTENS);
                    format!("{address}: {why}")
                }
            };
            refused = if nobody { cluster::REFUSALS_COUNTED.min(refused + 1) } else { 0 };
            self.tell(false, refused, why);
            // What just broke is tried at once: the answer tells a broken network from a dead process.
            let wait = if was_up { Duration::ZERO } else { jittered(pause) };
            if !self.rest(wait).await {
                return;
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    async fn dial(&self, address: &str) -> Result<socket::Stream, Unmet> {
        if address.is_empty() {
            return Err(Unmet::Stranger("its address is not known"));
        }
        self.ears.wall.open(self.target)?;
        let mut stream = socket::connect(address, self.card.tls.as_ref()).await?;
        let greeting = hello::knock(&mut stream, &self.card, self.target, Purpose::Raft);
        let late = |_| std::io::Error::new(std::io::ErrorKind::TimedOut, "no greeting");
        tokio::time::timeout(HELLO_WAIT, greeting).await.map_err(late)??;
        Ok(stream)
    }

    fn tell(&self, up: bool, refused: u32, why: String) {
        let changed = self.state.send_if_modified(|state| {
            if (state.up, state.refused) == (up, refused) && state.why == why {
                return false;
            }
            let since = if state.up == up { state.since } else { Instant::now() };
            *state = cluster::Link { up, refused, since, why };
            true
        });
        if changed {
            let state = self.state.borrow().clone();
            let node = NodeId(self.target);
            if up {
                tracing::info!(%node, "connected to a peer");
            } else if refused < cluster::REFUSALS_COUNTED {
                tracing::warn!(%node, why = state.why, "not connected to a peer");
            }
            (self.ears.changed)(&state);
        }
    }

    /// A pause before dialling again; who calls meanwhile is told. False: nobody can call any more.
    async fn rest(&mut self, pause: Duration) -> bool {
        let over = tokio::time::sleep(pause);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => return true,
                moved = self.addresses.changed() => return moved.is_ok(),
                job = self.waiting.recv() => {
                    let Some(job) = job else { return false };
                    let why = self.state.borrow().why.clone();
                    let _gone = job.answer.send(Err(Uncalled::NotSent(why)));
                }
            }
        }
    }

    /// Writes calls and reads answers until the connection breaks; says why it did.
    async fn converse(&mut self, stream: socket::Stream) -> String {
        let (read, write) = socket::split(stream);
        let mut frames = FramedRead::new(read, wire::framing());
        let mut out = FramedWrite::new(write, wire::framing());
        let open = Open::default();
        let (wall, target) = (&self.ears.wall, self.target);
        let (waiting, heard) = (&mut self.waiting, &self.ears.heard);
        let writing = async {
            while let Some(job) = waiting.recv().await {
                let mut next = Some(job);
                while let Some(job) = next.take() {
                    // Whoever has stopped waiting is told that it may have arrived; it need not.
                    let wanted = !job.answer.is_closed();
                    let frame = open.note(job);
                    if wanted && wall.open(target).is_ok() {
                        out.feed(frame).await?;
                    }
                    next = waiting.try_recv().ok();
                }
                SinkExt::<Bytes>::flush(&mut out).await?;
            }
            std::future::pending::<std::io::Result<()>>().await
        };
        let reading = async {
            while let Some(frame) = frames.next().await {
                let frame = frame?;
                if wall.open(target).is_ok() {
                    heard();
                    open.answer(frame);
                }
            }
            Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "closed by the other side"))
        };
        let ended: std::io::Result<()> = tokio::select! {
            ended = writing => ended,
            ended = reading => ended,
            () = wall.shut_for_long(target) => {
                Err(std::io::Error::new(std::io::ErrorKind::TimedOut, "no acknowledgement"))
            }
        };
        let why = ended.err().map_or_else(|| "closed".to_owned(), |why| socket::ended(&why));
        open.give_up(&why);
        why
    }
}

/// Calls that wait for their answers.
#[derive(Default)]
struct Open {
    calls: Mutex<BTreeMap<u64, oneshot::Sender<Result<BytesMut, Uncalled>>>>,
}

impl Open {
    fn calls(&self) -> MutexGuard<'_, BTreeMap<u64, oneshot::Sender<Result<BytesMut, Uncalled>>>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, job: Job) -> Bytes {
        let mut calls = self.calls();
        if calls.len() >= CALLS_OPEN_MAX {
            calls.retain(|_, answer| !answer.is_closed());
        }
        calls.insert(job.call, job.answer);
        job.frame
    }

    fn answer(&self, mut frame: BytesMut) {
        let Ok((call, _)) = wire::split(&frame) else { return };
        if let Some(answer) = self.calls().remove(&call) {
            let _late = answer.send(Ok(frame.split_off(8)));
        }
    }

    fn give_up(&self, why: &str) {
        for (_, answer) in std::mem::take(&mut *self.calls()) {
            let _late = answer.send(Err(Uncalled::Lost(why.to_owned())));
        }
    }
}

/// A pause a little shorter or longer, so that nodes do not dial in step.
fn jittered(pause: Duration) -> Duration {
    let random = proof::jitter();
    pause.mul_f64(0.75 + random / 2.0)
}
