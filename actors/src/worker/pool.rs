//! The slots of the built-in worker: which attempts are in them, and how many are free.
//!
//! The pool outlives the worker actor: when the actor dies and is started again, the attempts in the slots go on and report as if
//! nothing had happened. An attempt is in the pool from the moment its lease is heard of until its report is answered.
//!
//! **Ready work that nobody took.** Each report offers the slot that it frees, and each start offers free slots, so a lease
//! seldom needs an entry of its own. It does when work becomes ready by something that carried no offer while slots are free: the
//! herald says so, and the worker claims. If no slot is free at that moment, the pool keeps the revision in mind: a report that is
//! accepted at a later revision has offered its slot to that work too, an earlier one has not, and then the worker must claim.

use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use oarlock_engine::access::Principal;
use oarlock_engine::apply::Offer;
use oarlock_engine::id::{Attempt, Revision, TaskId, WorkerId};
use oarlock_raft::Replica;
use tokio::sync::{Notify, Semaphore, oneshot};

use super::executor::{Executors, Halt};
use super::logs::Logs;
use crate::membership::demand::Demand;
use crate::shelf::Shelf;
use oarlock_engine::catalog::Definition;

/// An attempt of a task.
pub(crate) type Key = (TaskId, Attempt);

/// The built-in worker of a node, without its actor.
pub(crate) struct Pool {
    /// Where it reports.
    pub(crate) replica: Replica,
    /// How it works.
    pub(crate) executors: Executors,
    /// Where attempts print.
    pub(crate) logs: Logs,
    /// What they are to do.
    pub(crate) shelf: Shelf<Definition>,
    /// One permit a slot: an attempt that is being stopped keeps its slot until its processes are gone.
    pub(crate) permits: Semaphore,
    /// Claims proposed so far.
    pub(crate) claims: AtomicUsize,
    /// Who has free slots elsewhere.
    demand: Arc<Mutex<Demand>>,
    slots: u32,
    inner: Mutex<Inner>,
    emptied: Notify,
}

struct Inner {
    /// Its session. It changes when the node enters anew: see [`Pool::renew`].
    worker: WorkerId,
    /// What is in the slots; the sender is taken when the work itself is over and only its report is not.
    running: HashMap<Key, Option<oneshot::Sender<Halt>>>,
    /// Takes nothing more, because it stops.
    draining: bool,
    /// Takes nothing for now, because its node does not take part.
    held: bool,
    /// Gives up on reports that get no answer.
    closed: bool,
    /// Ready work was seen at this revision when no slot was free.
    missed: Option<Revision>,
}

impl Inner {
    fn takes(&self) -> bool {
        !self.draining && !self.held
    }
}

impl Pool {
    /// An empty one.
    pub(crate) fn new(
        worker: WorkerId,
        slots: u32,
        replica: Replica,
        executors: Executors,
        demand: Arc<Mutex<Demand>>,
    ) -> Pool {
        let inner = Inner {
            worker,
            running: HashMap::new(),
            draining: false,
            held: false,
            closed: false,
            missed: None,
        };
        Pool {
            replica,
            executors,
            logs: Logs::default(),
            shelf: Shelf::default(),
            permits: Semaphore::new(slots as usize),
            claims: AtomicUsize::new(0),
            demand,
            slots,
            inner: Mutex::new(inner),
            emptied: Notify::new(),
        }
    }

    /// Its session.
    pub(crate) fn worker(&self) -> WorkerId {
        self.lock().worker
    }

    /// Who reports.
    pub(crate) fn by(&self) -> Principal {
        Principal(format!("worker:{}", self.worker()))
    }

    /// Another session from now on: its node enters anew, and what the old one held is run again by somebody.
    pub(crate) fn renew(&self, worker: WorkerId) {
        self.lock().worker = worker;
    }

    /// A lease takes a slot; `None`: that attempt is known already.
    pub(crate) fn take(&self, key: Key) -> Option<oneshot::Receiver<Halt>> {
        let mut inner = self.lock();
        if inner.running.contains_key(&key) {
            return None;
        }
        let (stop, stopped) = oneshot::channel();
        inner.running.insert(key, Some(stop));
        Some(stopped)
    }

    /// The work of an attempt is over; what is left is its report.
    pub(crate) fn worked(&self, key: Key) {
        if let Some(stop) = self.lock().running.get_mut(&key) {
            *stop = None;
        }
    }

    /// An attempt's report is answered, at this revision if it was accepted: the slot is free. True: somebody must claim.
    pub(crate) fn release(&self, key: Key, accepted: Option<Revision>) -> bool {
        let mut inner = self.lock();
        inner.running.remove(&key);
        if inner.running.is_empty() {
            self.emptied.notify_waiters();
        }
        match inner.missed.take() {
            Some(missed) => inner.takes() && accepted.is_none_or(|accepted| accepted < missed),
            None => false,
        }
    }

    /// Whether work that became ready at this revision should be claimed now.
    pub(crate) fn wants(&self, ready: Revision) -> bool {
        let mut inner = self.lock();
        if self.free_in(&inner) > 0 {
            return true;
        }
        inner.missed = inner.missed.max(Some(ready));
        false
    }

    /// Whether an attempt is being worked on; of a task, whether any of its attempts is.
    pub(crate) fn performs(&self, task: TaskId, attempt: Option<Attempt>) -> bool {
        let inner = self.lock();
        match attempt {
            Some(attempt) => inner.running.get(&(task, attempt)).is_some_and(Option::is_some),
            None => inner.running.iter().any(|((id, _), stop)| *id == task && stop.is_some()),
        }
    }

    /// Tells the attempts of a task (or one of them) to stop.
    pub(crate) fn stop(&self, task: TaskId, attempt: Option<Attempt>, why: Halt) {
        for ((id, number), stop) in &mut self.lock().running {
            if *id == task
                && attempt.is_none_or(|attempt| attempt == *number)
                && let Some(stop) = stop.take()
            {
                // Over in this moment is as good as stopped.
                let _ = stop.send(why);
            }
        }
    }

    /// Tells all attempts to stop, and says how many there were.
    pub(crate) fn stop_all(&self, why: Halt) -> usize {
        let mut inner = self.lock();
        let stops: Vec<_> = inner.running.values_mut().filter_map(Option::take).collect();
        let count = stops.len();
        for stop in stops {
            // Over in this moment is as good as stopped.
            let _ = stop.send(why);
        }
        count
    }

    /// What is in the slots.
    pub(crate) fn running(&self) -> Vec<Key> {
        self.lock().running.keys().copied().collect()
    }

    /// Used and free slots.
    pub(crate) fn slots(&self) -> (u32, u32) {
        let inner = self.lock();
        let used = u32::try_from(inner.running.len()).unwrap_or(u32::MAX);
        (used, self.free_in(&inner))
    }

    /// Free slots, for whoever proposes something that may ready work: of this worker, or else of another that has some.
    pub(crate) fn offer(&self) -> Option<Offer> {
        let elsewhere = || {
            let mut demand = self.demand.lock().expect("nothing panics while it holds the demand");
            demand.offer(Instant::now())
        };
        self.offer_with(0).or_else(elsewhere)
    }

    /// Free slots for a claim; if there are none, the next one that is freed must claim.
    pub(crate) fn offer_or_miss(&self) -> Option<Offer> {
        let offer = self.offer_with(0);
        if offer.is_none() {
            self.lock().missed = Some(Revision(u64::MAX));
        }
        offer
    }

    /// Free slots, and the one that a report frees.
    pub(crate) fn offer_own(&self) -> Option<Offer> {
        self.offer_with(1)
    }

    /// Takes nothing more from now on.
    pub(crate) fn drain(&self) {
        self.lock().draining = true;
    }

    /// Takes nothing for now, or takes part again.
    pub(crate) fn hold(&self, held: bool) {
        self.lock().held = held;
    }

    /// Whether it would take something if it had a free slot; not: it stops.
    pub(crate) fn takes_part(&self) -> bool {
        !self.lock().draining
    }

    /// Gives up on reports that get no answer.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
    }

    /// Whether reports are still worth repeating.
    pub(crate) fn open(&self) -> bool {
        !self.lock().closed
    }

    /// Waits until the slots are empty.
    pub(crate) async fn emptied(self: &Arc<Self>) {
        loop {
            let emptied = self.emptied.notified();
            tokio::pin!(emptied);
            // Listening before looking: what empties in between is heard.
            emptied.as_mut().enable();
            if self.lock().running.is_empty() {
                return;
            }
            emptied.await;
        }
    }

    fn offer_with(&self, extra: u32) -> Option<Offer> {
        let inner = self.lock();
        let tasks_max = (self.free_in(&inner) + extra).min(self.slots);
        (inner.takes() && tasks_max > 0).then_some(Offer { worker: inner.worker, tasks_max })
    }

    fn free_in(&self, inner: &Inner) -> u32 {
        let used = u32::try_from(inner.running.len()).unwrap_or(u32::MAX);
        if inner.takes() { self.slots.saturating_sub(used) } else { 0 }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nothing panics while it holds the slots")
    }
}
