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
//! A parcel goes to whoever leads: into the log here, or over the link to the leader (`road.rs`), whose answer is handed out when this
//! copy has applied it, so that whoever proposed reads their own write. What was surely not appended is sent again until
//! [`PROPOSE_WAIT`] is over.
//!
//! Four ends, and they are not the same. *Refused*: the engine said no, nothing happened. *Busy* and *unavailable*: it never
//! entered the log. *Unknown*: it did, or may have, and nobody can say what became of it; whoever asked may ask again with the
//! same ids, for every command names what it expects.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use oarlock_engine::access::Principal;
use oarlock_engine::apply::{ENTRIES_MAX, Entry, Offer, PARCEL_BYTES_MAX, Reply};
use oarlock_engine::codec;
use oarlock_engine::command::Command;
use oarlock_engine::id::Revision;
use oarlock_engine::reject::Rejection;
use oarlock_engine::time::Moment;
use oarlock_engine::version;
use tokio::sync::{Notify, oneshot};

use crate::clock::Watched;
use crate::config::{Config, PARCEL_BYTES_TARGET, Packet, Verdict};
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

/// How long a command may wait to get into a log before it is refused, in a group.
pub(crate) const PROPOSE_WAIT: Duration = Duration::from_secs(4);
/// How long a parcel in the log may wait for a majority before its end is called unknown, in a group.
pub(crate) const FLIGHT_WAIT: Duration = Duration::from_millis(4_500);
/// The pause before a parcel that was not appended is sent again.
const AGAIN_AFTER: Duration = Duration::from_millis(20);

/// Where commands wait, and who waits for their answers.
pub(crate) struct Desk {
    queue: Mutex<Queue>,
    pub(crate) bell: Notify,
    /// Parcels on their way, each with who waits for it.
    flying: Mutex<BTreeMap<u64, Parcel>>,
    pub(crate) gate: Arc<Gate>,
    clock: Arc<Watched>,
    waiting_max: usize,
    waiting_bytes_max: usize,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// Parcels that were sent and surely not appended, with why.
    again: VecDeque<(Parcel, String)>,
    closed: Option<String>,
    next: u64,
}

struct Waiting {
    body: Vec<u8>,
    answer: Sender,
    since: Instant,
}

/// Commands that travel together.
pub(crate) struct Parcel {
    pub(crate) number: u64,
    pub(crate) packet: Packet,
    answers: Vec<Sender>,
    since: Instant,
}

/// What became of a parcel.
#[derive(Debug)]
pub(crate) enum Landed {
    /// It is applied.
    Done(Verdict),
    /// It was surely not appended: why.
    Not(String),
    /// It was surely not appended, and trying again is of no use: why.
    Refused(String),
    /// Nobody can say: why.
    Unknown(String),
}

impl Desk {
    pub(crate) fn new(config: &Config, gate: Arc<Gate>, clock: Arc<Watched>) -> Desk {
        Desk {
            queue: Mutex::default(),
            bell: Notify::new(),
            flying: Mutex::default(),
            gate,
            clock,
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
        let at = Moment(self.clock.stamp().map_err(ProposeError::Unavailable)?);
        let entry = Entry { at, by, version: version::NEWEST, offer, command };
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
        queue.waiting.push_back(Waiting { body, answer, since: Instant::now() });
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
    pub(crate) fn turn_away(&self, why: &str) {
        let (turned, again) = {
            let mut queue = self.queue();
            queue.bytes = 0;
            (std::mem::take(&mut queue.waiting), std::mem::take(&mut queue.again))
        };
        let again = again.into_iter().flat_map(|(parcel, _)| parcel.answers);
        for answer in turned.into_iter().map(|waiting| waiting.answer).chain(again) {
            let _gone = answer.send(Err(ProposeError::Unavailable(why.to_owned())));
        }
    }

    /// Answers all whose parcels are on their way: nobody knows when they arrive.
    pub(crate) fn give_up_flying(&self, why: &str) {
        let flying = std::mem::take(&mut *self.flying());
        for answer in flying.into_values().flat_map(|parcel| parcel.answers) {
            let _gone = answer.send(Err(ProposeError::Unknown(why.to_owned())));
        }
    }

    /// Answers those whose patience is over: what waits was not proposed, what is on its way is unknown.
    pub(crate) fn expire(&self, why: &str) {
        let (mut turned, mut lost) = (Vec::new(), Vec::new());
        {
            let mut queue = self.queue();
            while let Some(first) = queue.waiting.front()
                && first.since.elapsed() > PROPOSE_WAIT
                && let Some(Waiting { body, answer, .. }) = queue.waiting.pop_front()
            {
                queue.bytes -= body.len();
                turned.push((answer, why.to_owned()));
            }
            let late = |parcel: &Parcel| parcel.since.elapsed() > PROPOSE_WAIT;
            let (over, again) = queue.again.drain(..).partition(|(parcel, _)| late(parcel));
            queue.again = again;
            let over: VecDeque<(Parcel, String)> = over;
            for (parcel, why) in over {
                turned.extend(parcel.answers.into_iter().map(|answer| (answer, why.clone())));
            }
        }
        self.flying().retain(|_, parcel| {
            let over = parcel.since.elapsed() > FLIGHT_WAIT;
            if over {
                lost.append(&mut parcel.answers);
            }
            !over
        });
        for (answer, why) in turned {
            let _gone = answer.send(Err(ProposeError::Unavailable(why)));
        }
        for answer in lost {
            let why = "no majority has confirmed it yet".to_owned();
            let _gone = answer.send(Err(ProposeError::Unknown(why)));
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn flying(&self) -> MutexGuard<'_, BTreeMap<u64, Parcel>> {
        self.flying.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        let queue = self.queue();
        queue.waiting.is_empty() && queue.again.is_empty()
    }

    /// What waits, up to a parcel's limits, on its way from now on. Who does not wait for an answer any more is left out: nothing
    /// was promised.
    pub(crate) fn take(&self) -> Option<(u64, Packet)> {
        let parcel = self.next()?;
        let (number, packet) = (parcel.number, parcel.packet.clone());
        self.flying().insert(number, parcel);
        Some((number, packet))
    }

    fn next(&self) -> Option<Parcel> {
        let mut queue = self.queue();
        while let Some((parcel, _)) = queue.again.pop_front() {
            if !parcel.answers.iter().all(oneshot::Sender::is_closed) {
                return Some(parcel);
            }
        }
        let (mut bodies, mut answers, mut bytes) = (Vec::new(), Vec::new(), 0);
        let mut since = None;
        while bodies.len() < ENTRIES_MAX
            && let Some(next) = queue.waiting.front()
            && (bodies.is_empty() || bytes + next.body.len() <= PARCEL_BYTES_TARGET)
            && let Some(Waiting { body, answer, since: from }) = queue.waiting.pop_front()
        {
            queue.bytes -= body.len();
            if answer.is_closed() {
                continue;
            }
            since = since.or(Some(from));
            bytes += body.len();
            bodies.push(body);
            answers.push(answer);
        }
        let since = since?;
        queue.next += 1;
        metric::parcel(bodies.len(), bytes, queue.waiting.len());
        let packet = Packet(Bytes::from(codec::join(&bodies)));
        Some(Parcel { number: queue.next, packet, answers, since })
    }

    /// Hands out the answers of a parcel.
    pub(crate) fn answer(self: &Arc<Self>, number: u64, landed: Landed) {
        let Some(parcel) = self.flying().remove(&number) else { return };
        let error: Box<dyn Fn() -> ProposeError> = match landed {
            Landed::Done(Verdict { outcomes, revision }) => {
                for (answer, outcome) in parcel.answers.into_iter().zip(outcomes) {
                    let _gone = answer.send(match outcome {
                        Ok(reply) => Ok(Accepted { reply, revision }),
                        Err(rejection) => Err(ProposeError::Refused(rejection)),
                    });
                }
                return;
            }
            Landed::Not(why) if parcel.since.elapsed() < PROPOSE_WAIT => {
                return self.again(parcel, why);
            }
            Landed::Not(why) | Landed::Refused(why) => {
                Box::new(move || ProposeError::Unavailable(why.clone()))
            }
            Landed::Unknown(why) => Box::new(move || ProposeError::Unknown(why.clone())),
        };
        for answer in parcel.answers {
            let _gone = answer.send(Err(error()));
        }
    }

    /// Sends a parcel again, a moment later: who leads may be about to change.
    fn again(self: &Arc<Self>, parcel: Parcel, why: String) {
        let desk = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(AGAIN_AFTER).await;
            desk.queue().again.push_back((parcel, why));
            let closed = desk.queue().closed.clone();
            match closed {
                Some(why) => desk.turn_away(&why),
                None => desk.bell.notify_one(),
            }
        });
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
