//! A command becomes an entry: stamped, waiting in company, answered.
//!
//! ```text
//!   propose ──▶ queue (bounded) ──▶ collector: takes what waits, one parcel ──▶ log ──▶ applied ──▶ each its own answer
//! ```
//!
//! A command alone costs a log entry, a sync and several wake-ups; in company it costs a few microseconds. So what waits goes
//! together, and nothing waits for company: while a parcel is on its way the next one fills, and with none on its way a command
//! leaves at once. At most [`PARCELS_IN_FLIGHT_MAX`] are on their way, so that one is put together while another is synced.
//!
//! Four ends, and they are not the same. *Refused*: the engine said no, nothing happened. *Busy* and *unavailable*: it never
//! entered the log. *Unknown*: it did, or may have, and nobody can say what became of it; whoever asked may ask again with the
//! same ids, for every command names what it expects.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use oarlock_engine::access::Principal;
use oarlock_engine::apply::{ENTRIES_MAX, Entry, Offer, PARCEL_BYTES_MAX, Reply};
use oarlock_engine::codec;
use oarlock_engine::command::Command;
use oarlock_engine::id::Revision;
use oarlock_engine::reject::Rejection;
use oarlock_engine::time::Moment;
use oarlock_engine::version;
use openraft::errors::ClientWriteError;
use openraft::raft::ClientWriteResult;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};

use crate::config::{
    Answer, Cell, Config, PARCEL_BYTES_TARGET, PARCELS_IN_FLIGHT_MAX, Packet, Raft,
};
use crate::metric;
use crate::space::Gate;

/// The answer to a proposal that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// What the engine answered.
    pub reply: Reply,
    /// The feed's newest revision after it: read at or after this to see your own write.
    pub revision: Revision,
}

/// Why a proposal was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum ProposeError {
    /// The engine refused it; it left no trace.
    #[error("{0}")]
    Refused(Rejection),
    /// Too much waits already; it was not proposed. Try again after the pause.
    #[error("busy: try again in {retry_after:?}")]
    Busy {
        /// How long to wait.
        retry_after: Duration,
    },
    /// The node takes no writes now (disk full, no quorum, stopping); it was not proposed.
    #[error("not writable: {0}")]
    Unavailable(String),
    /// It may or may not have been applied: ask, or repeat it with the same ids.
    #[error("outcome unknown: {0}")]
    Unknown(String),
}

type Sender = oneshot::Sender<Result<Accepted, ProposeError>>;

/// Where commands wait, and who waits for their answers.
pub(crate) struct Desk {
    queue: Mutex<Queue>,
    bell: Notify,
    /// Parcels on their way, each with who waits for it.
    flying: Mutex<BTreeMap<u64, Vec<Sender>>>,
    gate: Arc<Gate>,
    waiting_max: usize,
    waiting_bytes_max: usize,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    closed: Option<String>,
    next: u64,
}

struct Waiting {
    body: Vec<u8>,
    answer: Sender,
}

impl Desk {
    pub(crate) fn new(config: &Config, gate: Arc<Gate>) -> Desk {
        Desk {
            queue: Mutex::default(),
            bell: Notify::new(),
            flying: Mutex::default(),
            gate,
            waiting_max: config.waiting_max,
            waiting_bytes_max: config.waiting_bytes_max,
        }
    }

    /// Puts a command into the queue and waits for its end.
    pub(crate) async fn propose(
        &self,
        by: Principal,
        offer: Option<Offer>,
        command: Command,
    ) -> Result<Accepted, ProposeError> {
        let entry = Entry { at: now(), by, version: version::NEWEST, offer, command };
        let body = codec::encode(&entry);
        let answered = match self.enqueue(body) {
            Ok(answered) => answered.await.unwrap_or_else(|_| {
                Err(ProposeError::Unknown("the node stopped before it was applied".to_owned()))
            }),
            Err(refused) => Err(refused),
        };
        metric::proposed(how(&answered), 1);
        answered
    }

    fn enqueue(
        &self,
        body: Vec<u8>,
    ) -> Result<oneshot::Receiver<Result<Accepted, ProposeError>>, ProposeError> {
        if body.len() > PARCEL_BYTES_MAX {
            let (what, max) = ("command".to_owned(), PARCEL_BYTES_MAX as u64);
            return Err(ProposeError::Refused(Rejection::TooLarge { what, max }));
        }
        if let Some(why) = self.gate.is_shut().then(|| self.gate.why()).flatten() {
            return Err(ProposeError::Unavailable(why));
        }
        let mut queue = self.queue();
        if let Some(why) = &queue.closed {
            return Err(ProposeError::Unavailable(why.clone()));
        }
        let bytes = queue.bytes + body.len();
        if queue.waiting.len() >= self.waiting_max || bytes > self.waiting_bytes_max {
            // A full queue is a few dozen parcels; each takes a few milliseconds.
            return Err(ProposeError::Busy { retry_after: Duration::from_millis(100) });
        }
        let (answer, answered) = oneshot::channel();
        queue.bytes = bytes;
        queue.waiting.push_back(Waiting { body, answer });
        drop(queue);
        self.bell.notify_one();
        Ok(answered)
    }

    /// How many commands wait.
    pub(crate) fn waiting(&self) -> usize {
        self.queue().waiting.len()
    }

    /// Takes no more, and answers who waits that nothing was done.
    pub(crate) fn close(&self, why: &str) {
        self.queue().closed = Some(why.to_owned());
        self.turn_away(why);
        self.bell.notify_one();
    }

    /// Answers all that wait: they were never proposed.
    fn turn_away(&self, why: &str) {
        let turned = {
            let mut queue = self.queue();
            queue.bytes = 0;
            std::mem::take(&mut queue.waiting)
        };
        for waiting in turned {
            let _gone = waiting.answer.send(Err(ProposeError::Unavailable(why.to_owned())));
        }
    }

    /// Answers all whose parcels are on their way: nobody knows when they arrive.
    pub(crate) fn give_up_flying(&self, why: &str) {
        let flying = std::mem::take(&mut *self.flying());
        for answer in flying.into_values().flatten() {
            let _gone = answer.send(Err(ProposeError::Unknown(why.to_owned())));
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn flying(&self) -> MutexGuard<'_, BTreeMap<u64, Vec<Sender>>> {
        self.flying.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What waits, up to a parcel's limits. Who does not wait for an answer any more is left out: nothing was promised.
    fn take(&self) -> Option<(u64, Vec<Vec<u8>>, Vec<Sender>)> {
        let mut queue = self.queue();
        let (mut bodies, mut answers, mut bytes) = (Vec::new(), Vec::new(), 0);
        while bodies.len() < ENTRIES_MAX
            && let Some(next) = queue.waiting.front()
            && (bodies.is_empty() || bytes + next.body.len() <= PARCEL_BYTES_TARGET)
            && let Some(Waiting { body, answer }) = queue.waiting.pop_front()
        {
            queue.bytes -= body.len();
            if answer.is_closed() {
                continue;
            }
            bytes += body.len();
            bodies.push(body);
            answers.push(answer);
        }
        if bodies.is_empty() {
            return None;
        }
        queue.next += 1;
        metric::parcel(bodies.len(), bytes, queue.waiting.len());
        Some((queue.next, bodies, answers))
    }

    /// Hands out the answers of a parcel.
    fn answer(&self, number: u64, result: ClientWriteResult<Cell>) {
        let Some(answers) = self.flying().remove(&number) else { return };
        match result {
            Ok(response) => {
                let verdict = response.data;
                let revision = verdict.revision;
                for (answer, outcome) in answers.into_iter().zip(verdict.outcomes) {
                    let _gone = answer.send(match outcome {
                        Ok(reply) => Ok(Accepted { reply, revision }),
                        Err(rejection) => Err(ProposeError::Refused(rejection)),
                    });
                }
            }
            Err(error) => {
                for answer in answers {
                    let _gone = answer.send(Err(not_written(&error)));
                }
            }
        }
    }
}

/// Sends parcels into the log for as long as the replica lives.
pub(crate) async fn collect(desk: Arc<Desk>, raft: Raft) {
    let places = Arc::new(Semaphore::new(PARCELS_IN_FLIGHT_MAX));
    let mut shut = desk.gate.watch();
    loop {
        if let Some(why) = shut.borrow_and_update().why() {
            desk.turn_away(why);
        }
        tokio::select! {
            () = desk.bell.notified() => {}
            changed = shut.changed() => {
                if changed.is_err() {
                    return;
                }
                let (why, stuck) = {
                    let shut = shut.borrow_and_update();
                    (shut.why().map(str::to_owned), shut.stuck())
                };
                if let Some(why) = why {
                    desk.turn_away(&why);
                    if stuck {
                        desk.give_up_flying(&why);
                    }
                }
                continue;
            }
        }
        while let Some(place) = free_place(&places, &desk, &mut shut).await
            && let Some(parcel) = desk.take()
        {
            if !send(&desk, &raft, parcel, place).await {
                return;
            }
        }
    }
}

/// A place for one more parcel; none if writes are refused meanwhile.
async fn free_place(
    places: &Arc<Semaphore>,
    desk: &Desk,
    shut: &mut tokio::sync::watch::Receiver<crate::space::Shut>,
) -> Option<OwnedSemaphorePermit> {
    tokio::select! {
        place = places.clone().acquire_owned() => place.ok(),
        why = shut.wait_for(|shut| shut.why().is_some()) => {
            let (why, stuck) = why.map(|shut| (shut.why().map(str::to_owned), shut.stuck())).ok()?;
            desk.turn_away(&why?);
            if stuck {
                desk.give_up_flying("the disk is full: it may still be written when there is space");
            }
            None
        }
    }
}

async fn send(
    desk: &Arc<Desk>,
    raft: &Raft,
    (number, bodies, answers): (u64, Vec<Vec<u8>>, Vec<Sender>),
    place: OwnedSemaphorePermit,
) -> bool {
    desk.flying().insert(number, answers);
    let packet = Packet(Bytes::from(codec::join(&bodies)));
    let back = Arc::downgrade(desk);
    let answer = Answer(Box::new(move |result| {
        drop(place);
        if let Some(desk) = back.upgrade() {
            desk.answer(number, result);
        }
    }));
    if let Err(fatal) = raft.client_write_ff(packet, Some(answer)).await {
        let why = format!("the log has stopped: {fatal}");
        desk.give_up_flying(&why);
        desk.close(&why);
        return false;
    }
    true
}

/// Only a refusal before anything was appended is a definite "not done".
fn not_written(error: &ClientWriteError<Cell>) -> ProposeError {
    match error {
        ClientWriteError::ForwardToLeader(to) => {
            let leader = to.leader_id.map_or("nobody leads now".to_owned(), |leader| {
                format!("node {leader} leads, this one follows")
            });
            ProposeError::Unavailable(leader)
        }
        other => ProposeError::Unknown(other.to_string()),
    }
}

fn how(answered: &Result<Accepted, ProposeError>) -> &'static str {
    match answered {
        Ok(_) => "accepted",
        Err(ProposeError::Refused(_)) => "refused",
        Err(ProposeError::Busy { .. }) => "busy",
        Err(ProposeError::Unavailable(_)) => "unavailable",
        Err(ProposeError::Unknown(_)) => "unknown",
    }
}

/// The wall clock. The engine never lets time run backwards, whatever it says.
fn now() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
