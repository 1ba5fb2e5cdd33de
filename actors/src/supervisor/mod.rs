//! Starts the others, restarts what dies, gives up loudly.
//!
//! ```text
//!   supervisor ─┬─ herald      reads the feed
//!               ├─ worker      runs attempts, if the node is to
//!               ├─ scheduler ─┬─ role …     one for each role of this node
//!               │             └─ keeper     if this node holds that role
//!               ├─ sentry      looks how this node stands; with others: tells and hears signs of life
//!               ├─ liaison     with others: keeps connections to their actors
//!               └─ steward     with others: gives up who is lost, while this node leads
//! ```
//!
//! One that dies is started again alone: the others talk to it only through the routes and the tables, so they need not notice.
//! When one dies too often, the supervisor stops everything and says why; the node then ends, and whatever watches over processes
//! may give it a new life.

pub(crate) mod restart;
pub(crate) mod tree;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use oarlock_engine::id::NodeId;
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SpawnErr, SupervisionEvent};
use ractor_cluster::RactorMessage;
use tokio::sync::watch;

use crate::herald::{self, Herald};
use crate::link::{self, Liaison};
use crate::membership::{self, Sentry};
use crate::placement::{self, Steward};
use crate::post::Post;
use crate::scheduler::{self, Scheduler};
use crate::status::{ActorKind, Board, Entry, Load};
use crate::worker::{self, Worker};
use restart::{Restarts, Verdict};

/// The name on the supervisor's card.
pub(crate) const ID: &str = "supervisor";

/// What is started, in this order: whoever listens before whoever speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// Runs attempts.
    Worker,
    /// Keeps role actors.
    Scheduler,
    /// Gives up who is lost.
    Steward,
    /// Looks how this node stands.
    Sentry,
    /// Keeps connections to other nodes.
    Liaison,
    /// Reads the feed.
    Herald,
}

impl Part {
    const ALL: [Part; 6] =
        [Part::Worker, Part::Scheduler, Part::Steward, Part::Sentry, Part::Liaison, Part::Herald];

    fn card(self) -> &'static str {
        match self {
            Part::Worker => worker::ID,
            Part::Scheduler => scheduler::ID,
            Part::Steward => placement::ID,
            Part::Sentry => membership::ID,
            Part::Liaison => link::ID,
            Part::Herald => herald::ID,
        }
    }
}

/// What the supervisor is told.
#[derive(RactorMessage)]
pub(crate) enum SupervisorMsg {
    /// The pause after a death is over.
    Start(Part),
    /// Panic, for drills.
    Panic,
}

/// What it needs.
pub(crate) struct Supervisor {
    pub(crate) node: NodeId,
    pub(crate) board: Arc<Board>,
    pub(crate) worker: Option<Worker>,
    pub(crate) scheduler: Option<Scheduler>,
    pub(crate) steward: Option<Steward>,
    pub(crate) sentry: Sentry,
    pub(crate) liaison: Option<Liaison>,
    pub(crate) herald: Herald,
    /// Where it says that it gave up, and why.
    pub(crate) fate: Arc<watch::Sender<Option<String>>>,
}

/// What it has.
pub(crate) struct SupervisorState {
    load: Arc<Load>,
    post: Post<SupervisorMsg>,
    parts: BTreeMap<Part, ActorCell>,
    deaths: BTreeMap<Part, Restarts>,
}

impl Actor for Supervisor {
    type Msg = SupervisorMsg;
    type State = SupervisorState;
    type Arguments = ();

    async fn pre_start(
        &self,
        myself: ActorRef<SupervisorMsg>,
        (): (),
    ) -> Result<SupervisorState, ActorProcessingErr> {
        let panicking = myself.clone();
        let load = self.board.started(Entry {
            id: ID.to_owned(),
            parent: None,
            kind: ActorKind::Supervisor,
            name: self.node.to_string(),
            cell: myself.get_cell(),
            panic: Box::new(move || drop(panicking.send_message(SupervisorMsg::Panic))),
        });
        let post = Post::new(myself.clone(), Arc::clone(&load));
        let mut parts = BTreeMap::new();
        for part in Part::ALL {
            if let Some(cell) = self.start(part, &myself).await? {
                parts.insert(part, cell);
            }
        }
        Ok(SupervisorState { load, post, parts, deaths: BTreeMap::new() })
    }

    async fn handle(
        &self,
        myself: ActorRef<SupervisorMsg>,
        message: SupervisorMsg,
        state: &mut SupervisorState,
    ) -> Result<(), ActorProcessingErr> {
        state.load.handled();
        match message {
            SupervisorMsg::Start(part) => match self.start(part, &myself).await {
                Ok(Some(cell)) => {
                    state.parts.insert(part, cell);
                }
                Ok(None) => {}
                Err(why) => self.on_death(part, &why.to_string(), &myself, state),
            },
            SupervisorMsg::Panic => panic!("a drill: the supervisor was told to panic"),
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<SupervisorMsg>,
        event: SupervisionEvent,
        state: &mut SupervisorState,
    ) -> Result<(), ActorProcessingErr> {
        let (cell, why) = match event {
            SupervisionEvent::ActorFailed(cell, why) => (cell, why.to_string()),
            SupervisionEvent::ActorTerminated(cell, _, why) => {
                (cell, why.unwrap_or_else(|| "stopped".to_owned()))
            }
            _ => return Ok(()),
        };
        let known = state.parts.iter().find(|(_, part)| part.get_id() == cell.get_id());
        if let Some(part) = known.map(|(part, _)| *part) {
            self.on_death(part, &why, &myself, state);
        }
        Ok(())
    }
}

impl Supervisor {
    /// Starts a part; `None`: this node goes without it.
    async fn start(
        &self,
        part: Part,
        myself: &ActorRef<SupervisorMsg>,
    ) -> Result<Option<ActorCell>, SpawnErr> {
        let parent = myself.get_cell();
        match part {
            Part::Worker => spawn(self.worker.clone(), parent).await,
            Part::Scheduler => spawn(self.scheduler.clone(), parent).await,
            Part::Steward => spawn(self.steward.clone(), parent).await,
            Part::Sentry => spawn(Some(self.sentry.clone()), parent).await,
            Part::Liaison => spawn(self.liaison.clone(), parent).await,
            Part::Herald => spawn(Some(self.herald.clone()), parent).await,
        }
    }

    fn on_death(
        &self,
        part: Part,
        why: &str,
        myself: &ActorRef<SupervisorMsg>,
        state: &mut SupervisorState,
    ) {
        state.parts.remove(&part);
        match state.deaths.entry(part).or_default().died(Instant::now()) {
            Verdict::Again(pause) => {
                tracing::error!(
                    actor = part.card(),
                    why,
                    ?pause,
                    "an actor died, starting it again"
                );
                crate::metric::actor_restarted(part.card());
                self.board.died(part.card(), why);
                let post = state.post.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(pause).await;
                    post.send(SupervisorMsg::Start(part));
                });
            }
            Verdict::GiveUp => {
                let last_words = format!("the {} died too often: {why}", part.card());
                tracing::error!("{last_words}");
                self.board.gave_up(part.card(), why);
                self.fate.send_replace(Some(last_words.clone()));
                myself.stop(Some(last_words));
            }
        }
    }
}

async fn spawn<A>(actor: Option<A>, parent: ActorCell) -> Result<Option<ActorCell>, SpawnErr>
where
    A: Actor<Arguments = ()>,
{
    match actor {
        Some(actor) => Ok(Some(Actor::spawn_linked(None, actor, (), parent).await?.0.get_cell())),
        None => Ok(None),
    }
}

/// Stops an actor, so that its supervisor starts it anew. False: there is no such actor, or it is the root, which nobody would
/// start again.
pub(crate) fn restart(board: &Board, id: &str) -> bool {
    id != ID && board.stop(id, "restarted by an operator")
}
