//! What each actor shows of itself to tests, metrics and the console.
//!
//! An actor has a *card* on the *board* of its node. The card is written when the actor starts, and on every death and rebirth;
//! the two numbers that change all the time, waiting messages and work under way, are atomics that the card shares with the
//! actor. Reading the board therefore asks no actor anything, and it works also when an actor hangs.
//!
//! A card's name (`scheduler`, `role:dag-etl-1-of-1`) outlives the actor: a restarted actor takes its predecessor's card over,
//! and with it the count of restarts and the last error.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use oarlock_engine::time::Moment;
use ractor::ActorCell;
use serde::{Deserialize, Serialize};

/// What an actor is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ActorKind {
    /// Starts the others and restarts what dies.
    Supervisor,
    /// Reads the feed and tells the others what concerns them.
    Herald,
    /// Keeps a role actor for each role of this node.
    Scheduler,
    /// Drives the runs of one workflow.
    Role,
    /// Forgets what is too old.
    Keeper,
    /// Runs attempts in its slots.
    Worker,
    /// Keeps connections to the actors of the other nodes.
    Liaison,
    /// Tells the others that this node lives, and listens for them.
    Sentry,
    /// Gives every role a living driver, while this node leads.
    Steward,
}

impl ActorKind {
    /// The word for tables and JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            ActorKind::Supervisor => "supervisor",
            ActorKind::Herald => "herald",
            ActorKind::Scheduler => "scheduler",
            ActorKind::Role => "role",
            ActorKind::Keeper => "keeper",
            ActorKind::Worker => "worker",
            ActorKind::Liaison => "liaison",
            ActorKind::Sentry => "sentry",
            ActorKind::Steward => "steward",
        }
    }
}

/// Where an actor stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ActorState {
    /// Handles messages.
    Running,
    /// Died; it is started again after a pause.
    Restarting,
    /// Stopped on purpose, or given up.
    Stopped,
}

impl ActorState {
    /// The word for tables and JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            ActorState::Running => "running",
            ActorState::Restarting => "restarting",
            ActorState::Stopped => "stopped",
        }
    }
}

/// One actor, at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActorStatus {
    /// Its card's name, for `oarlock actors get` and `restart`: unique on its node, the same after a restart.
    pub id: String,
    /// Who supervises it; none: nobody, it is the root.
    pub parent: Option<String>,
    /// What it is for.
    pub kind: ActorKind,
    /// For people: the role's name, the worker's id.
    pub name: String,
    /// Where it stands.
    pub state: ActorState,
    /// Messages that wait in its mailbox.
    pub mailbox: usize,
    /// Pieces of work under way outside its message loop: attempts of a worker, proposals of a role.
    pub in_flight: usize,
    /// How often it was started again.
    pub restarts: u32,
    /// Why it last died.
    pub last_error: Option<String>,
    /// When it was last started.
    pub since: Moment,
}

/// The two numbers of an actor that change all the time.
#[derive(Debug, Default)]
pub(crate) struct Load {
    /// Messages sent and not yet handled.
    pub(crate) mailbox: AtomicUsize,
    /// Pieces of work under way.
    pub(crate) in_flight: AtomicUsize,
}

impl Load {
    /// A message was sent.
    pub(crate) fn sent(&self) {
        self.mailbox.fetch_add(1, Ordering::Relaxed);
    }

    /// A message was handled. A predecessor's unread messages were forgotten at its death, hence no underflow.
    pub(crate) fn handled(&self) {
        let less = |waiting: usize| waiting.checked_sub(1);
        let _ = self.mailbox.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }
}

/// What the board needs to know when an actor starts.
pub(crate) struct Entry {
    /// The card's name.
    pub(crate) id: String,
    /// The supervising card's name.
    pub(crate) parent: Option<String>,
    /// What it is for.
    pub(crate) kind: ActorKind,
    /// For people.
    pub(crate) name: String,
    /// The actor itself, to stop it by name.
    pub(crate) cell: ActorCell,
    /// Makes it panic, for tests of the supervision.
    pub(crate) panic: Box<dyn Fn() + Send + Sync>,
}

struct Card {
    parent: Option<String>,
    kind: ActorKind,
    name: String,
    state: ActorState,
    load: Arc<Load>,
    restarts: u32,
    last_error: Option<String>,
    since: Moment,
    cell: ActorCell,
    panic: Box<dyn Fn() + Send + Sync>,
}

/// All cards of a node.
#[derive(Default)]
pub(crate) struct Board {
    cards: Mutex<BTreeMap<String, Card>>,
}

impl Board {
    /// An actor has started; a card of its name counts one more restart. Gives the numbers that it shall keep.
    pub(crate) fn started(&self, entry: Entry) -> Arc<Load> {
        let mut cards = self.lock();
        let old = cards.remove(&entry.id);
        let load = Arc::new(Load::default());
        let restarts = old.as_ref().map_or(0, |card| match card.state {
            ActorState::Running | ActorState::Restarting => card.restarts + 1,
            ActorState::Stopped => card.restarts,
        });
        let card = Card {
            parent: entry.parent,
            kind: entry.kind,
            name: entry.name,
            state: ActorState::Running,
            load: Arc::clone(&load),
            restarts,
            last_error: old.and_then(|card| card.last_error),
            since: now(),
            cell: entry.cell,
            panic: entry.panic,
        };
        cards.insert(entry.id, card);
        load
    }

    /// An actor died and will be started again.
    pub(crate) fn died(&self, id: &str, why: &str) {
        if let Some(card) = self.lock().get_mut(id) {
            card.state = ActorState::Restarting;
            card.last_error = Some(why.to_owned());
        }
    }

    /// An actor stopped for good; its card stays, to say why.
    pub(crate) fn gave_up(&self, id: &str, why: &str) {
        if let Some(card) = self.lock().get_mut(id) {
            card.state = ActorState::Stopped;
            card.last_error = Some(why.to_owned());
        }
    }

    /// An actor is no longer wanted: its card goes.
    pub(crate) fn retired(&self, id: &str) {
        self.lock().remove(id);
    }

    /// Stops an actor, so that its supervisor starts it anew. False: there is no such card.
    pub(crate) fn stop(&self, id: &str, why: &str) -> bool {
        let cards = self.lock();
        let Some(card) = cards.get(id) else { return false };
        card.cell.stop(Some(why.to_owned()));
        true
    }

    /// Makes an actor panic at its next message. False: there is no such card.
    pub(crate) fn panic(&self, id: &str) -> bool {
        let cards = self.lock();
        let Some(card) = cards.get(id) else { return false };
        (card.panic)();
        true
    }

    /// All of them, by name.
    pub(crate) fn tree(&self) -> Vec<ActorStatus> {
        let show = |(id, card): (&String, &Card)| ActorStatus {
            id: id.clone(),
            parent: card.parent.clone(),
            kind: card.kind,
            name: card.name.clone(),
            state: card.state,
            mailbox: card.load.mailbox.load(Ordering::Relaxed),
            in_flight: card.load.in_flight.load(Ordering::Relaxed),
            restarts: card.restarts,
            last_error: card.last_error.clone(),
            since: card.since,
        };
        self.lock().iter().map(show).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Card>> {
        self.cards.lock().expect("nothing panics while it holds the board")
    }
}

/// The wall clock, as the engine counts.
pub(crate) fn now() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
