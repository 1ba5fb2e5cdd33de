//! Musters the tree on a node, and dismisses it in order.
//!
//! ```text
//!   muster:   member Enter (this boot; what the last one's worker held is ready again)
//!             ─▶ worker Attach ─▶ supervisor ─▶ worker, scheduler, sentry, liaison, steward, herald
//!   dismiss:  no new leases ─▶ member Drain (the engine moves the roles) ─▶ leadership handed over
//!             ─▶ wait for what runs, up to a limit ─▶ stop and Return the rest
//!             ─▶ stop the tree ─▶ worker Detach ─▶ member Leave
//! ```
//!
//! Which parts a node has, its profile says: without the duty `worker` it has no worker, without `scheduler` no role actors; a
//! node that only answers people and programs has neither. Liaison and steward are for nodes that have others beside them.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use oarlock_engine::apply::Offer;
use oarlock_engine::id::{BootId, NodeId, WorkerId};
use oarlock_engine::member::profile::{Duty, Profile};
use oarlock_raft::{Replica, Secret};
use ractor::{Actor, ActorCell};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::link::line::{Lines, NoAnswer};
use crate::link::trunk::Trunk;
use crate::membership::detector::Patience;
use crate::membership::presence::Presence;
use crate::membership::vigil::{Neighbour, Vigil};
use crate::status::{ActorStatus, Board};
use crate::supervisor::{self, tree::tree};
use crate::wire::{Answer, Hint, Question};
use crate::worker::executor::{Executors, Halt};
use crate::worker::logs::Logs;
use crate::worker::pool::Pool;

/// How long the reports of stopped attempts may take.
const REPORTS_MAX: Duration = Duration::from_secs(5);
/// How long the actors may take to stop.
const STOP_MAX: Duration = Duration::from_secs(2);
/// How long another voter may take to lead.
const HAND_OVER_MAX: Duration = Duration::from_secs(3);
/// Without a majority for so long, a node that stops does not wait for one.
const ALONE_AFTER: Duration = Duration::from_secs(2);

/// What a crew needs to know of its node.
#[derive(Debug, Clone)]
pub struct CrewConfig {
    /// This member's number.
    pub node: NodeId,
    /// What people call it: `n1`.
    pub name: String,
    /// This life of its process: new at every start.
    pub boot: BootId,
    /// What it is for: see [`Profile`].
    pub profile: Profile,
    /// Where people and programs reach it.
    pub address: String,
    /// How many tasks the built-in worker runs at once.
    pub slots: u32,
    /// Which queues it serves; empty: every queue.
    pub queues: Vec<String>,
    /// Where relative `dir`s of `run` tasks begin.
    pub workdir: PathBuf,
    /// How often the keeper looks for what is too old.
    pub keeper_every: Duration,
    /// What all nodes of the cluster know and nobody else does; a node that has others beside it must have it.
    pub secret: Option<Secret>,
    /// The way to the other nodes; none: the replica's, if it has peers.
    pub trunk: Option<Arc<Trunk>>,
    /// How often it tells the others that it lives.
    pub beat_every: Duration,
    /// How long others may be silent before they are given up.
    pub patience: Patience,
    /// Whether everything is dropped that it should send to the others' actors. For tests and drills: nothing is lost by it.
    pub mute: bool,
}

impl CrewConfig {
    /// A node with the usual settings: as many slots as processors, twice; the current directory; every queue.
    #[must_use]
    pub fn new(node: NodeId, boot: BootId) -> CrewConfig {
        let processors = std::thread::available_parallelism().map_or(2, usize::from);
        CrewConfig {
            node,
            name: format!("n{node}"),
            boot,
            profile: Profile::default(),
            address: String::new(),
            slots: u32::try_from(2 * processors).unwrap_or(u32::MAX).max(8),
            queues: Vec::new(),
            workdir: PathBuf::from("."),
            keeper_every: Duration::from_secs(60),
            secret: None,
            trunk: None,
            beat_every: Patience::default().every,
            patience: Patience::default(),
            mute: false,
        }
    }
}

/// The actors of one node. Cheap to clone; dropping it does not stop them, [`Crew::dismiss`] does.
#[derive(Clone)]
pub struct Crew {
    shared: Arc<Shared>,
}

struct Shared {
    presence: Arc<Presence>,
    lines: Arc<Lines>,
    vigil: Arc<Vigil>,
    trunk: Option<Arc<Trunk>>,
    board: Arc<Board>,
    root: ActorCell,
    fate: Arc<watch::Sender<Option<String>>>,
    dismissed: Arc<AtomicBool>,
}

/// How a dismissal went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dismissal {
    /// Attempts that finished in time.
    pub finished: usize,
    /// Attempts that were stopped and given back.
    pub returned: usize,
}

impl Crew {
    /// Joins the node to the cell, attaches its built-in worker and starts the tree.
    ///
    /// # Errors
    /// When the replica takes no proposals, or an actor cannot start.
    pub async fn muster(replica: Replica, config: CrewConfig) -> Result<Crew, Fault> {
        if config.trunk.is_none() && replica.peer_address().is_some() {
            return Err(Fault::Start(
                "a node with others beside it needs the way to them".to_owned(),
            ));
        }
        if config.trunk.is_some() && config.secret.is_none() {
            return Err(Fault::Start("a node with others beside it needs their secret".to_owned()));
        }
        let works = config.profile.is(Duty::Worker);
        let slots = if works { config.slots } else { 0 };
        let demand = Arc::default();
        let executors = Executors::new(config.workdir.clone());
        let session = WorkerId(uuid::Uuid::now_v7().as_u128());
        let pool = Pool::new(session, slots, replica, executors, Arc::clone(&demand));
        let presence = Arc::new(Presence {
            node: config.node,
            name: config.name.clone(),
            address: config.address.clone(),
            profile: config.profile.clone(),
            queues: config.queues.clone(),
            slots,
            pool: Arc::new(pool),
            boot: Mutex::new(config.boot),
        });
        presence.enter().await.map_err(Fault::Join)?;
        let board = Arc::new(Board::default());
        let lines = Arc::new(Lines::new(config.mute));
        let fate = Arc::new(watch::Sender::new(None));
        let vigil = Arc::new(Vigil::new(config.patience, Arc::clone(&demand)));
        let tree = tree(&config, &presence, (&demand, &vigil), &lines, &board, &fate);
        let (root, ended) =
            Actor::spawn(None, tree, ()).await.map_err(|why| Fault::Start(why.to_string()))?;
        let dismissed = Arc::new(AtomicBool::new(false));
        let (watching, gone) = (Arc::clone(&fate), Arc::clone(&dismissed));
        tokio::spawn(async move {
            let _ = ended.await;
            if !gone.load(Ordering::Acquire) {
                // Nobody supervises the root: its end is the end.
                watching.send_if_modified(|fate| {
                    let silent = fate.is_none();
                    fate.get_or_insert_with(|| "the supervisor died".to_owned());
                    silent
                });
            }
        });
        let (root, trunk) = (root.get_cell(), config.trunk);
        let shared = Shared { presence, lines, vigil, trunk, board, root, fate, dismissed };
        Ok(Crew { shared: Arc::new(shared) })
    }

    /// The session of this node's built-in worker.
    #[must_use]
    pub fn worker(&self) -> WorkerId {
        self.pool().worker()
    }

    /// Which life of its node this is: a later one than it began with, if the others had given it up meanwhile.
    #[must_use]
    pub fn boot(&self) -> BootId {
        self.shared.presence.boot()
    }

    /// Free slots for proposals that may ready tasks: the built-in worker's, or another node's that has said it has some.
    #[must_use]
    pub fn offer(&self) -> Option<Offer> {
        self.pool().offer()
    }

    /// The supervision tree, by card name.
    #[must_use]
    pub fn tree(&self) -> Vec<ActorStatus> {
        self.shared.board.tree()
    }

    /// Stops an actor, so that its supervisor starts it anew: the operator's way out of a hung one.
    ///
    /// # Errors
    /// When there is no such actor, or it is the root, which nobody would start again.
    pub fn restart(&self, id: &str) -> Result<(), NoActor> {
        let known = supervisor::restart(&self.shared.board, id);
        if known { Ok(()) } else { Err(NoActor(id.to_owned())) }
    }

    /// How often its worker has asked for work, beside what came to it with other proposals.
    #[must_use]
    pub fn claims(&self) -> usize {
        self.pool().claims.load(Ordering::Relaxed)
    }

    /// How the other nodes are doing, as far as can be told from here.
    #[must_use]
    pub fn neighbours(&self) -> Vec<Neighbour> {
        self.shared.vigil.neighbours()
    }

    /// The supervision tree of another node, by card name.
    ///
    /// # Errors
    /// When it does not answer within the deadline.
    pub async fn tree_of(
        &self,
        node: NodeId,
        deadline: Duration,
    ) -> Result<Vec<ActorStatus>, NoAnswer> {
        if node == self.shared.presence.node {
            return Ok(self.tree());
        }
        match self.shared.lines.ask(node, &Question::Tree, deadline).await? {
            Answer::Tree(tree) => Ok(tree),
            Answer::Done | Answer::NoActor | Answer::Unknown => Err(NoAnswer::strange(node)),
        }
    }

    /// Stops an actor of another node, so that its supervisor starts it anew.
    ///
    /// # Errors
    /// When the node does not answer within the deadline, or there is no such actor there.
    pub async fn restart_at(
        &self,
        node: NodeId,
        id: &str,
        deadline: Duration,
    ) -> Result<Result<(), NoActor>, NoAnswer> {
        if node == self.shared.presence.node {
            return Ok(self.restart(id));
        }
        let restart = Question::Restart { id: id.to_owned() };
        match self.shared.lines.ask(node, &restart, deadline).await? {
            Answer::Done => Ok(Ok(())),
            Answer::NoActor => Ok(Err(NoActor(id.to_owned()))),
            Answer::Tree(_) | Answer::Unknown => Err(NoAnswer::strange(node)),
        }
    }

    /// Makes an actor panic at its next message, to see that supervision works. For tests and drills: nothing is lost by it,
    /// except that the node ends when the supervisor itself is told to.
    ///
    /// # Errors
    /// When there is no such actor.
    pub fn inject_panic(&self, id: &str) -> Result<(), NoActor> {
        if self.shared.board.panic(id) { Ok(()) } else { Err(NoActor(id.to_owned())) }
    }

    /// The live output of running attempts.
    #[must_use]
    pub fn logs(&self) -> &Logs {
        &self.pool().logs
    }

    /// Waits until the supervisor gives up, and says why: the node should then end loudly. Pending for ever otherwise.
    pub async fn gave_up(&self) -> String {
        let mut fate = self.shared.fate.subscribe();
        match fate.wait_for(Option::is_some).await.map(|fate| fate.clone()) {
            Ok(Some(why)) => why,
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// Stops in order: no new leases, roles and leadership go to others, running attempts may finish for `limit`, what is left
    /// then is stopped and given back; the worker's session ends and the node says goodbye.
    pub async fn dismiss(&self, limit: Duration) -> Dismissal {
        let Shared { presence, root, lines, .. } = &*self.shared;
        let pool = self.pool();
        self.shared.dismissed.store(true, Ordering::Release);
        pool.drain();
        let running = pool.running().len();
        if self.is_alone().await {
            return self.vanish(running).await;
        }
        presence.drain("stopping").await;
        self.hand_over().await;
        let mut returned = 0;
        if timeout(limit, pool.emptied()).await.is_err() {
            returned = pool.stop_all(Halt::Drained);
            if timeout(REPORTS_MAX, pool.emptied()).await.is_err() {
                tracing::warn!(left = pool.running().len(), "attempts without a last report");
            }
        }
        pool.close();
        lines.tell(&Hint::Goodbye { node: presence.node, boot: presence.boot() });
        presence.leave().await;
        if let Err(why) = root.stop_and_wait(None, Some(STOP_MAX)).await {
            tracing::warn!(%why, "the actors did not stop in time");
        }
        Dismissal { finished: running.saturating_sub(returned), returned }
    }

    /// Whether nobody can hear what this node says: no majority answers, or it is no member any more. An election is waited for.
    async fn is_alone(&self) -> bool {
        let Some(trunk) = &self.shared.trunk else { return false };
        let mut lead = trunk.lead.clone();
        timeout(ALONE_AFTER, lead.wait_for(|lead| lead.sure)).await.is_err()
    }

    /// Stops at once what runs: nobody could be told how it ended, nor that this node goes.
    async fn vanish(&self, running: usize) -> Dismissal {
        tracing::warn!(running, "no majority answers: stopping without a goodbye");
        self.pool().stop_all(Halt::Drained);
        self.pool().close();
        if let Err(why) = self.shared.root.stop_and_wait(None, Some(STOP_MAX)).await {
            tracing::warn!(%why, "the actors did not stop in time");
        }
        Dismissal { finished: 0, returned: running }
    }

    /// Sees to it that another voter leads, if this node does: a planned change costs less than an election.
    async fn hand_over(&self) {
        let Some(trunk) = &self.shared.trunk else { return };
        if trunk.lead.borrow().leader != Some(self.shared.presence.node) {
            return;
        }
        match timeout(HAND_OVER_MAX, (trunk.hand_over)()).await {
            Ok(Ok(())) => tracing::info!("another node leads now"),
            Ok(Err(why)) => tracing::info!(why, "leadership is not handed over"),
            Err(_) => tracing::warn!("leadership was not handed over in time"),
        }
    }

    fn pool(&self) -> &Arc<Pool> {
        &self.shared.presence.pool
    }
}

/// What keeps a crew from starting.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The node could not join the cell or attach its worker.
    #[error("cannot join: {0}")]
    Join(String),
    /// An actor could not start.
    #[error("cannot start the actors: {0}")]
    Start(String),
}

/// There is no such actor, or none that can be restarted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no actor `{0}`")]
pub struct NoActor(pub String);
