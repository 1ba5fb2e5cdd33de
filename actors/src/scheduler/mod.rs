//! One a node: keeps a role actor for each role that this node holds, and none for the others.
//!
//! A reconciler: it looks at the roles in the tables, compares them with the actors it has, starts what is missing and stops what
//! moved away (or came back at another epoch, which is another life of the role). Role actors that die are started again after
//! a pause; one that dies too often takes the scheduler with it, and the question goes to the supervisor.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use oarlock_engine::id::{Epoch, NodeId, RoleId};
use oarlock_engine::queue;
use oarlock_engine::role::{self, Role, name::KEEPER};
use oarlock_raft::Replica;
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SupervisionEvent};
use ractor_cluster::RactorMessage;

use crate::herald::Routes;
use crate::keeper::{self, Keeper};
use crate::post::Post;
use crate::role::resolve::Resolver;
use crate::role::{RoleActor, card};
use crate::status::{ActorKind, Board, Entry, Load, now};
use crate::supervisor::restart::{Restarts, Verdict};
use crate::worker::pool::Pool;

/// The name on the scheduler's card.
pub(crate) const ID: &str = "scheduler";
/// How often the scheduler looks without being asked.
const PERIOD: Duration = Duration::from_secs(5);

/// What the scheduler is told.
#[derive(RactorMessage)]
pub(crate) enum SchedulerMsg {
    /// Look at the roles.
    Look,
    /// A period is over.
    Period,
    /// Panic, for drills.
    Panic,
}

/// What it needs.
#[derive(Clone)]
pub(crate) struct Scheduler {
    pub(crate) node: NodeId,
    pub(crate) replica: Replica,
    pub(crate) routes: Arc<Routes>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) board: Arc<Board>,
    pub(crate) keeper_every: Duration,
}

/// What it has.
pub(crate) struct SchedulerState {
    load: Arc<Load>,
    post: Post<SchedulerMsg>,
    resolver: Arc<Resolver>,
    driven: HashMap<RoleId, Driven>,
    deaths: HashMap<RoleId, Restarts>,
}

/// A role of ours.
struct Driven {
    name: String,
    epoch: Epoch,
    /// The actor; or it died, and is started again then.
    actor: Result<ActorCell, Instant>,
}

impl Driven {
    /// The name on the card of its actor.
    fn card(&self) -> String {
        if self.name == KEEPER { keeper::ID.to_owned() } else { card(&self.name) }
    }
}

impl Actor for Scheduler {
    type Msg = SchedulerMsg;
    type State = SchedulerState;
    type Arguments = ();

    async fn pre_start(
        &self,
        myself: ActorRef<SchedulerMsg>,
        (): (),
    ) -> Result<SchedulerState, ActorProcessingErr> {
        let panicking = myself.clone();
        let load = self.board.started(Entry {
            id: ID.to_owned(),
            parent: Some(crate::supervisor::ID.to_owned()),
            kind: ActorKind::Scheduler,
            name: format!("n{}", self.node),
            cell: myself.get_cell(),
            panic: Box::new(move || drop(panicking.send_message(SchedulerMsg::Panic))),
        });
        let post = Post::new(myself.clone(), Arc::clone(&load));
        self.routes.schedule(post.clone());
        post.send(SchedulerMsg::Period);
        let counter = Arc::clone(&load);
        myself.send_interval(PERIOD, move || {
            counter.sent();
            SchedulerMsg::Period
        });
        Ok(SchedulerState {
            load,
            post,
            resolver: Arc::default(),
            driven: HashMap::new(),
            deaths: HashMap::new(),
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<SchedulerMsg>,
        message: SchedulerMsg,
        state: &mut SchedulerState,
    ) -> Result<(), ActorProcessingErr> {
        state.load.handled();
        match message {
            SchedulerMsg::Look => {}
            SchedulerMsg::Period => self.gauge(),
            SchedulerMsg::Panic => panic!("a drill: the scheduler was told to panic"),
        }
        self.reconcile(&myself, state).await
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<SchedulerMsg>,
        event: SupervisionEvent,
        state: &mut SchedulerState,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(cell, why) => {
                self.on_death(&cell, &why.to_string(), state)
            }
            SupervisionEvent::ActorTerminated(cell, _, why) => {
                let why = why.unwrap_or_else(|| "stopped".to_owned());
                self.on_death(&cell, &why, state)
            }
            _ => Ok(()),
        }
    }
}

impl Scheduler {
    /// Makes the actors what the tables say.
    async fn reconcile(
        &self,
        myself: &ActorRef<SchedulerMsg>,
        state: &mut SchedulerState,
    ) -> Result<(), ActorProcessingErr> {
        self.routes.scheduler_bell().heard();
        let wanted = self.replica.read(|view| role::of_node(view, self.node));
        self.stop_others(&wanted, state);
        let now = Instant::now();
        for role in wanted {
            let due = match state.driven.get(&role.id) {
                None => true,
                Some(Driven { actor: Ok(_), .. }) => false,
                Some(Driven { actor: Err(again_at), .. }) => *again_at <= now,
            };
            if due {
                let actor = self.start(&role, myself, &state.resolver).await?;
                let driven = Driven { name: role.name, epoch: role.epoch, actor: Ok(actor) };
                state.driven.insert(role.id, driven);
            }
        }
        Ok(())
    }

    /// Stops the actors of roles that are no longer ours, or ours in another life.
    fn stop_others(&self, wanted: &[Role], state: &mut SchedulerState) {
        let board = &self.board;
        state.driven.retain(|id, driven| {
            let same = |role: &Role| role.id == *id && role.epoch == driven.epoch;
            let keep = wanted.iter().any(same);
            if !keep {
                tracing::info!(role = driven.name, epoch = %driven.epoch, "role given up");
                if let Ok(cell) = &driven.actor {
                    cell.stop(Some("the role has moved".to_owned()));
                }
                board.retired(&driven.card());
                board.retired(&card(&driven.name));
            }
            keep
        });
    }

    async fn start(
        &self,
        role: &Role,
        myself: &ActorRef<SchedulerMsg>,
        resolver: &Arc<Resolver>,
    ) -> Result<ActorCell, ActorProcessingErr> {
        tracing::info!(role = role.name, epoch = %role.epoch, "role taken up");
        let actor = RoleActor {
            id: role.id,
            name: role.name.clone(),
            epoch: role.epoch,
            parent: ID,
            replica: self.replica.clone(),
            routes: Arc::clone(&self.routes),
            pool: Arc::clone(&self.pool),
            board: Arc::clone(&self.board),
            resolver: Arc::clone(resolver),
        };
        let cell = if role.name == KEEPER {
            let keeper = Keeper { role: actor, every: self.keeper_every };
            Actor::spawn_linked(None, keeper, (), myself.get_cell()).await?.0.get_cell()
        } else {
            Actor::spawn_linked(None, actor, (), myself.get_cell()).await?.0.get_cell()
        };
        Ok(cell)
    }

    /// A role actor is gone: unless we stopped it ourselves, it is started again after a pause.
    fn on_death(
        &self,
        cell: &ActorCell,
        why: &str,
        state: &mut SchedulerState,
    ) -> Result<(), ActorProcessingErr> {
        let ours =
            |driven: &Driven| matches!(&driven.actor, Ok(actor) if actor.get_id() == cell.get_id());
        let Some((id, driven)) = state.driven.iter_mut().find(|(_, driven)| ours(driven)) else {
            return Ok(());
        };
        let now = Instant::now();
        match state.deaths.entry(*id).or_default().died(now) {
            Verdict::Again(pause) => {
                tracing::warn!(role = driven.name, why, ?pause, "a role actor died");
                crate::metric::actor_restarted(ActorKind::Role.word());
                self.board.died(&driven.card(), why);
                driven.actor = Err(now + pause);
                let post = state.post.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(pause).await;
                    post.send(SchedulerMsg::Look);
                });
                Ok(())
            }
            Verdict::GiveUp => {
                self.board.gave_up(&driven.card(), why);
                Err(format!("role {} died too often: {why}", driven.name).into())
            }
        }
    }

    fn gauge(&self) {
        let queues = self.replica.read(|view| {
            let queues = queue::list(view).into_iter();
            queues.map(|queue| (queue::oldest(view, &queue.name), queue)).collect::<Vec<_>>()
        });
        let now = now();
        for (oldest, queue) in queues {
            let waits = oldest.map_or_else(Default::default, |oldest| now.since(oldest));
            crate::metric::queue(&queue, waits);
        }
    }
}
