//! The built-in worker of a node: a pool of slots, and the actor that fills them.
//!
//! ```text
//!   herald ── Leased ──▶ take a slot, read the job ──▶ attempt ── Complete | Fail | Return (+ offer) ──▶ log
//!          ── Over ────▶ stop the attempt                 └─ frees its slot; claims if ready work was missed
//!          ── Ready ───▶ claim (one at a time, the nodes in turn)
//!   every second: claim if slots are free and built-in work is ready; gauges
//! ```
//!
//! A worker that starts (again) scans the tables for what it holds and has not in its slots. Leases that the herald tells of and
//! that are not newer than this scan are passed over: what they led to may be over already.

pub(crate) mod assignment;
pub(crate) mod attempt;
pub(crate) mod capture;
pub(crate) mod executor;
pub mod logs;
pub(crate) mod pool;
pub(crate) mod turn;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use oarlock_engine::command::Command;
use oarlock_engine::id::{Attempt, Revision, TaskId};
use oarlock_engine::queue::{self, order};
use oarlock_engine::store::View;
use oarlock_engine::{feed, task, worker};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use ractor_cluster::RactorMessage;

use crate::herald::Routes;
use crate::post::Post;
use crate::status::{ActorKind, Board, Entry, Load};
use assignment::Assignment;
use executor::Halt;
use pool::{Key, Pool};
use turn::Turn;

/// The name on the worker's card.
pub(crate) const ID: &str = "worker";
/// How often the worker looks without being asked.
const PERIOD: Duration = Duration::from_secs(1);

/// What the worker is told.
#[derive(RactorMessage)]
pub(crate) enum WorkerMsg {
    /// These attempts are ours, since these revisions.
    Leased(Vec<(TaskId, Attempt, Revision)>),
    /// These attempts are over: stop what is left of them.
    Over(Vec<(TaskId, Option<Attempt>)>),
    /// Built-in work became ready at this revision and nobody has it.
    Ready(Revision),
    /// The session is another one: look for what it holds.
    Renewed,
    /// A period is over.
    Look,
    /// Panic, for drills.
    Panic,
}

/// What a worker needs.
#[derive(Clone)]
pub(crate) struct Worker {
    pub(crate) pool: Arc<Pool>,
    pub(crate) routes: Arc<Routes>,
    pub(crate) board: Arc<Board>,
    /// Which queues it serves; empty: all.
    pub(crate) queues: Vec<String>,
    /// Requests for a claim since the last one began. Shared with the attempts, which claim too.
    pub(crate) claims: Arc<AtomicUsize>,
    /// Whether a claim waits for its turn.
    pub(crate) waits: Arc<AtomicBool>,
    /// When it is this node's turn to claim.
    pub(crate) turn: Turn,
}

/// What it has.
pub(crate) struct WorkerState {
    load: Arc<Load>,
    /// Leases up to here were found in the tables.
    scanned: Revision,
    breakers: BTreeSet<String>,
}

impl Actor for Worker {
    type Msg = WorkerMsg;
    type State = WorkerState;
    type Arguments = ();

    async fn pre_start(
        &self,
        myself: ActorRef<WorkerMsg>,
        (): (),
    ) -> Result<WorkerState, ActorProcessingErr> {
        let panicking = myself.clone();
        let load = self.board.started(Entry {
            id: ID.to_owned(),
            parent: Some(crate::supervisor::ID.to_owned()),
            kind: ActorKind::Worker,
            name: self.pool.worker().to_string(),
            cell: myself.get_cell(),
            panic: Box::new(move || drop(panicking.send_message(WorkerMsg::Panic))),
        });
        // Listening before looking: a lease in between is told, and one before is found.
        self.routes.work(Post::new(myself.clone(), Arc::clone(&load)));
        let counter = Arc::clone(&load);
        myself.send_interval(PERIOD, move || {
            counter.sent();
            WorkerMsg::Look
        });
        let scanned = self.scan();
        self.routes.worker_bell().heard();
        if self.pool.replica.read(|view| self.something_ready(view)) {
            self.claim();
        }
        Ok(WorkerState { load, scanned, breakers: BTreeSet::new() })
    }

    async fn handle(
        &self,
        _myself: ActorRef<WorkerMsg>,
        message: WorkerMsg,
        state: &mut WorkerState,
    ) -> Result<(), ActorProcessingErr> {
        state.load.handled();
        match message {
            WorkerMsg::Leased(leases) => self.on_leased(leases, state.scanned),
            WorkerMsg::Over(attempts) => {
                for (task, attempt) in attempts {
                    self.pool.stop(task, attempt, Halt::Revoked);
                }
            }
            WorkerMsg::Ready(since) => self.on_ready(since),
            WorkerMsg::Renewed => {
                state.scanned = self.scan();
                self.claim();
            }
            WorkerMsg::Look => self.on_look(state),
            WorkerMsg::Panic => panic!("a drill: the worker was told to panic"),
        }
        let (used, _) = self.pool.slots();
        state.load.in_flight.store(used as usize, Ordering::Relaxed);
        Ok(())
    }
}

impl Worker {
    fn on_leased(&self, leases: Vec<(TaskId, Attempt, Revision)>, scanned: Revision) {
        let fresh = leases.into_iter().filter(|(_, _, since)| *since > scanned);
        self.begin(fresh.map(|(task, attempt, _)| (task, attempt)).collect());
    }

    /// Claims at once if it is this node's turn; else after a moment, if nobody has taken the work by then.
    fn on_ready(&self, since: Revision) {
        self.routes.worker_bell().heard();
        let wait = self.turn.wait(&self.pool, since);
        if wait.is_zero() {
            self.claim();
            return;
        }
        if self.waits.swap(true, Ordering::AcqRel) {
            return;
        }
        let worker = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            worker.waits.store(false, Ordering::Release);
            if worker.pool.replica.read(|view| worker.something_ready(view)) {
                worker.claim();
            }
        });
    }

    fn on_look(&self, state: &mut WorkerState) {
        let (used, free) = self.pool.slots();
        crate::metric::slots(used, free);
        crate::metric::breakers(&self.pool.executors.breakers(), &mut state.breakers);
        if free > 0 && self.pool.replica.read(|view| self.something_ready(view)) {
            self.claim();
        }
    }

    /// Begins what this worker holds by the tables and does not have in its slots.
    fn scan(&self) -> Revision {
        // In this order: only this actor fills slots, so what is not in them now has not begun.
        let known: HashSet<Key> = self.pool.running().into_iter().collect();
        let (scanned, held) = self.pool.replica.read(|view| {
            let tasks = task::leased(view, self.pool.worker());
            let held = tasks.into_iter().filter_map(|id| task::get(view, id));
            let held: Vec<Key> = held.map(|task| (task.id, task.attempt)).collect();
            (feed::revision(view), held)
        });
        self.begin(held.into_iter().filter(|key| !known.contains(key)).collect());
        scanned
    }

    /// Takes slots for attempts, reads what they are to do, and sets them going.
    fn begin(&self, keys: Vec<Key>) {
        // Slots first: an attempt that is revoked from here on is found in them and stopped.
        let taken: Vec<_> =
            keys.into_iter().filter_map(|key| Some((key, self.pool.take(key)?))).collect();
        if taken.is_empty() {
            return;
        }
        let jobs: Vec<_> = self.pool.replica.read(|view| {
            let read = |(key, stopped)| {
                let found = assignment::read(view, &self.pool.shelf, self.pool.worker(), key);
                (key, stopped, found)
            };
            taken.into_iter().map(read).collect()
        });
        for (key, stopped, found) in jobs {
            let (worker, pool) = (self.clone(), Arc::clone(&self.pool));
            match found {
                Assignment::Job(job) => drop(tokio::spawn(async move {
                    if attempt::perform(pool, key, job, stopped).await {
                        worker.claim();
                    }
                })),
                Assignment::Broken(why) => drop(tokio::spawn(async move {
                    if attempt::refuse(pool, key, why).await {
                        worker.claim();
                    }
                })),
                Assignment::Gone => {
                    if pool.release(key, None) {
                        self.claim();
                    }
                }
            }
        }
    }

    /// Asks for work for the free slots, one request at a time; who asks meanwhile is served by one more request.
    fn claim(&self) {
        if self.claims.fetch_add(1, Ordering::AcqRel) > 0 {
            return;
        }
        let worker = self.clone();
        tokio::spawn(async move {
            loop {
                let asked = worker.claims.load(Ordering::Acquire);
                while worker.claim_once().await {}
                let done =
                    worker.claims.compare_exchange(asked, 0, Ordering::AcqRel, Ordering::Acquire);
                if done.is_ok() {
                    return;
                }
            }
        });
    }

    /// One request. True: it brought something, and there is more to be had (an entry grants a bounded number).
    async fn claim_once(&self) -> bool {
        let Some(offer) = self.pool.offer_or_miss() else { return false };
        let leased = |view: &dyn View| {
            worker::get(view, self.pool.worker()).map_or((0, 0), |row| (row.leased, row.slots))
        };
        let (before, _) = self.pool.replica.read(|view| leased(view));
        let command = Command::Task(task::Command::Claim);
        self.pool.claims.fetch_add(1, Ordering::Relaxed);
        crate::metric::claimed();
        match self.pool.replica.propose(self.pool.by(), Some(offer), command).await {
            Ok(_) => self.pool.replica.read(|view| {
                let (after, slots) = leased(view);
                after > before && after < slots && self.something_ready(view)
            }),
            Err(why) => {
                // The period asks again.
                tracing::debug!(%why, "a claim was not accepted");
                false
            }
        }
    }

    /// Whether a queue that grants has built-in work for this worker.
    fn something_ready(&self, view: &dyn View) -> bool {
        queue::list(view).into_iter().any(|queue| {
            let ours = self.queues.is_empty() || self.queues.contains(&queue.name);
            let grants =
                queue.concurrency_max.is_none_or(|max| queue.counts.leased < u64::from(max));
            let waits = queue.counts.ready > 0 && !queue.paused && grants;
            ours && waits && order::first(view, &queue.name, &order::Class::Builtin).is_some()
        })
    }
}
