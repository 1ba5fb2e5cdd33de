//! Musters the tree on a node, and dismisses it in order.
//!
//! ```text
//!   muster:   member Enter (this boot; what the last one's worker held is ready again)
//!             ─▶ worker Attach ─▶ supervisor ─▶ worker, scheduler, herald
//!   dismiss:  drain (no new leases) ─▶ wait for what runs, up to a limit ─▶ stop and Return the rest
//!             ─▶ stop the tree ─▶ worker Detach ─▶ member Leave
//! ```

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use oarlock_engine::access::Principal;
use oarlock_engine::apply::Offer;
use oarlock_engine::command::Command;
use oarlock_engine::id::{BootId, NodeId, Revision, WorkerId};
use oarlock_engine::member::profile::Profile;
use oarlock_engine::reject::Rejection;
use oarlock_engine::version;
use oarlock_engine::{member, worker};
use oarlock_raft::Replica;
use ractor::{Actor, ActorCell};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::herald::{Herald, Routes};
use crate::proposal::{Verdict, patiently};
use crate::scheduler::Scheduler;
use crate::status::{ActorStatus, Board};
use crate::supervisor::{self, Supervisor};
use crate::worker::Worker;
use crate::worker::executor::{Executors, Halt};
use crate::worker::logs::Logs;
use crate::worker::pool::Pool;

/// How long a replica may take to accept that the node joins.
const JOIN_MAX: Duration = Duration::from_secs(30);
/// How long the reports of stopped attempts may take.
const REPORTS_MAX: Duration = Duration::from_secs(5);
/// How long each word of goodbye may take.
const GOODBYE_MAX: Duration = Duration::from_secs(2);

/// What a crew needs to know of its node.
#[derive(Debug, Clone)]
pub struct CrewConfig {
    /// This member's number.
    pub node: NodeId,
    /// What people call it: `n1`.
    pub name: String,
    /// This life of its process: new at every start.
    pub boot: BootId,
    /// What the node is for.
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
        }
    }
}

/// The actors of one node. Cheap to clone; dropping it does not stop them, [`Crew::dismiss`] does.
#[derive(Clone)]
pub struct Crew {
    shared: Arc<Shared>,
}

struct Shared {
    node: NodeId,
    boot: BootId,
    by: Principal,
    pool: Arc<Pool>,
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
        let by = Principal(format!("node:{}", config.name));
        let session = WorkerId(uuid::Uuid::now_v7().as_u128());
        let (told, boot) = join(&replica, &by, &config, session).await?;
        let config = CrewConfig { boot, ..config };
        let executors = Executors::new(config.workdir.clone());
        let pool = Pool::new(session, config.slots, replica.clone(), executors, Logs::default());
        let pool = Arc::new(pool);
        let board = Arc::new(Board::default());
        let fate = Arc::new(watch::Sender::new(None));
        let tree = tree(replica, &config, told, &pool, &board, &fate);
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
        let root = root.get_cell();
        let (node, boot) = (config.node, config.boot);
        let shared = Shared { node, boot, by, pool, board, root, fate, dismissed };
        Ok(Crew { shared: Arc::new(shared) })
    }

    /// The session of this node's built-in worker.
    #[must_use]
    pub fn worker(&self) -> WorkerId {
        self.shared.pool.worker
    }

    /// The built-in worker's free slots, for proposals that may ready tasks; none: there are none, or it drains.
    #[must_use]
    pub fn offer(&self) -> Option<Offer> {
        self.shared.pool.offer()
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
        let known = id != supervisor::ID && self.shared.board.stop(id, "restarted by an operator");
        if known { Ok(()) } else { Err(NoActor(id.to_owned())) }
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
        &self.shared.pool.logs
    }

    /// Waits until the supervisor gives up, and says why: the node should then end loudly. Pending for ever otherwise.
    pub async fn gave_up(&self) -> String {
        let mut fate = self.shared.fate.subscribe();
        match fate.wait_for(Option::is_some).await.map(|fate| fate.clone()) {
            Ok(Some(why)) => why,
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// Stops in order: no new leases, running attempts may finish for `limit`, what is left then is stopped and given back;
    /// the worker's session ends and the node says goodbye.
    pub async fn dismiss(&self, limit: Duration) -> Dismissal {
        let Shared { pool, root, node, boot, .. } = &*self.shared;
        self.shared.dismissed.store(true, Ordering::Release);
        pool.drain();
        let running = pool.running().len();
        self.say(Command::Worker(worker::Command::Drain { worker: pool.worker })).await;
        let mut returned = 0;
        if timeout(limit, pool.emptied()).await.is_err() {
            returned = pool.stop_all(Halt::Drained);
            if timeout(REPORTS_MAX, pool.emptied()).await.is_err() {
                tracing::warn!(left = pool.running().len(), "attempts without a last report");
            }
        }
        pool.close();
        if let Err(why) = root.stop_and_wait(None, Some(GOODBYE_MAX)).await {
            tracing::warn!(%why, "the actors did not stop in time");
        }
        self.say(Command::Worker(worker::Command::Detach { worker: pool.worker })).await;
        self.say(Command::Member(member::Command::Leave { node: *node, boot: *boot })).await;
        Dismissal { finished: running.saturating_sub(returned), returned }
    }

    /// Proposes a word of goodbye: if nobody hears it, the next boot of this node says the same.
    async fn say(&self, command: Command) {
        let began = Instant::now();
        let wanted = || began.elapsed() < GOODBYE_MAX;
        let Shared { pool, by, .. } = &*self.shared;
        let said = patiently(&pool.replica, by, || None, command, wanted);
        match timeout(GOODBYE_MAX, said).await {
            Ok(Verdict::Accepted(_)) => {}
            Ok(Verdict::Refused(why)) => tracing::debug!(%why, "a goodbye was refused"),
            Ok(Verdict::Unwanted) | Err(_) => tracing::warn!("a goodbye was not heard"),
        }
    }
}

/// Proposes what a node that starts has to say; gives the revision after it, and the boot under which it was heard.
async fn join(
    replica: &Replica,
    by: &Principal,
    config: &CrewConfig,
    session: WorkerId,
) -> Result<(Revision, BootId), Fault> {
    let began = Instant::now();
    let wanted = || began.elapsed() < JOIN_MAX;
    let mut boot = config.boot;
    loop {
        let enter = Command::Member(member::Command::Enter {
            node: config.node,
            name: config.name.clone(),
            boot,
            address: config.address.clone(),
            speaks: version::NEWEST,
            profile: Box::new(config.profile.clone()),
        });
        match patiently(replica, by, || None, enter, wanted).await {
            Verdict::Accepted(_) => break,
            // Our clock was set back since our last life.
            Verdict::Refused(Rejection::StaleBoot { current, .. }) => {
                boot = boot.following(current);
            }
            Verdict::Refused(why) => return Err(Fault::Join(why.to_string())),
            Verdict::Unwanted => return Err(unheard()),
        }
    }
    let attach = worker::Command::Attach {
        worker: session,
        name: config.name.clone(),
        node: config.node,
        boot,
        queues: config.queues.clone(),
        calls: Vec::new(),
        builtin: true,
        slots: config.slots,
    };
    match patiently(replica, by, || None, Command::Worker(attach), wanted).await {
        Verdict::Accepted(accepted) => Ok((accepted.revision, boot)),
        Verdict::Refused(why) => Err(Fault::Join(why.to_string())),
        Verdict::Unwanted => Err(unheard()),
    }
}

fn unheard() -> Fault {
    Fault::Join(format!("no answer within {JOIN_MAX:?}"))
}

/// Everything the supervisor needs, none of it started.
fn tree(
    replica: Replica,
    config: &CrewConfig,
    told: Revision,
    pool: &Arc<Pool>,
    board: &Arc<Board>,
    fate: &Arc<watch::Sender<Option<String>>>,
) -> Supervisor {
    let routes = Arc::new(Routes::new(pool.worker, told));
    Supervisor {
        board: Arc::clone(board),
        worker: Worker {
            pool: Arc::clone(pool),
            routes: Arc::clone(&routes),
            board: Arc::clone(board),
            queues: config.queues.clone(),
            claims: Arc::new(AtomicUsize::new(0)),
        },
        scheduler: Scheduler {
            node: config.node,
            replica: replica.clone(),
            routes: Arc::clone(&routes),
            pool: Arc::clone(pool),
            board: Arc::clone(board),
            keeper_every: config.keeper_every,
        },
        herald: Herald { replica, routes, pool: Arc::clone(pool), board: Arc::clone(board) },
        fate: Arc::clone(fate),
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
