//! One actor a role: drives it — due alarms, open questions, proposals, and nothing else.
//!
//! ```text
//!   herald rings: a question, an earlier alarm ─┐
//!   the alarm it sleeps for ────────────────────┼─▶ look at the tables ─▶ plan ─▶ answer: compute (off the actor), propose
//!   a proposal ended ───────────────────────────┘                            └─▶ tick: propose
//!                                                        refused as StaleEpoch ─▶ stand down
//! ```
//!
//! The actor never waits for a proposal or an expression: both happen beside it and come back as a message. It does not know
//! whether it is still the owner; it asks by proposing.

pub mod action;
pub(crate) mod agenda;
pub(crate) mod book;
pub(crate) mod fanout;
pub(crate) mod resolve;
pub(crate) mod scope;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use oarlock_engine::access::Principal;
use oarlock_engine::command::Command;
use oarlock_engine::id::{Epoch, RoleId};
use oarlock_engine::reject::Rejection;
use oarlock_engine::time::Moment;
use oarlock_engine::{dag, timer};
use oarlock_raft::{ProposeError, Replica};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use ractor_cluster::RactorMessage;
use tokio::task::AbortHandle;

use crate::herald::{Desk, Routes};
use crate::post::{Bell, Post};
use crate::status::{ActorKind, Board, Entry, Load, now};
use crate::worker::pool::Pool;
use agenda::{Agenda, Ending, Plan, Sight, until};
use resolve::Resolver;

/// What a role's driver is told.
#[derive(RactorMessage)]
pub(crate) enum RoleMsg {
    /// Look at the tables.
    Look,
    /// A batch of answers ended.
    Answered(Ending),
    /// A tick ended.
    Ticked(Ending),
    /// Panic, for drills.
    Panic,
}

/// What it needs.
#[derive(Clone)]
pub(crate) struct RoleActor {
    pub(crate) id: RoleId,
    pub(crate) name: String,
    pub(crate) epoch: Epoch,
    /// The card of its supervisor.
    pub(crate) parent: &'static str,
    pub(crate) replica: Replica,
    pub(crate) routes: Arc<Routes>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) board: Arc<Board>,
    pub(crate) resolver: Arc<Resolver>,
}

/// What it has.
pub(crate) struct RoleState {
    agenda: Agenda,
    desk: Arc<Desk>,
    load: Arc<Load>,
    post: Post<RoleMsg>,
    alarm: Option<AbortHandle>,
    routes: Arc<Routes>,
    id: RoleId,
    name: String,
}

impl Drop for RoleState {
    fn drop(&mut self) {
        if let Some(alarm) = self.alarm.take() {
            alarm.abort();
        }
        self.routes.rest(self.id, &self.desk);
        crate::metric::role_active(&self.name, false);
    }
}

/// The name on the card of a role's driver.
pub(crate) fn card(name: &str) -> String {
    format!("role:{name}")
}

impl Actor for RoleActor {
    type Msg = RoleMsg;
    type State = RoleState;
    type Arguments = ();

    async fn pre_start(
        &self,
        myself: ActorRef<RoleMsg>,
        (): (),
    ) -> Result<RoleState, ActorProcessingErr> {
        let panicking = myself.clone();
        let load = self.board.started(Entry {
            id: card(&self.name),
            parent: Some(self.parent.to_owned()),
            kind: ActorKind::Role,
            name: format!("{} epoch {}", self.name, self.epoch),
            cell: myself.get_cell(),
            panic: Box::new(move || drop(panicking.send_message(RoleMsg::Panic))),
        });
        let post = Post::new(myself, Arc::clone(&load));
        let desk = Arc::new(Desk {
            bell: Bell::default(),
            wakes_at: AtomicU64::new(u64::MAX),
            post: post.clone(),
        });
        // Listening before looking.
        self.routes.drive(self.id, Arc::clone(&desk));
        post.send(RoleMsg::Look);
        crate::metric::role_active(&self.name, true);
        Ok(RoleState {
            agenda: Agenda::default(),
            desk,
            load,
            post,
            alarm: None,
            routes: Arc::clone(&self.routes),
            id: self.id,
            name: self.name.clone(),
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<RoleMsg>,
        message: RoleMsg,
        state: &mut RoleState,
    ) -> Result<(), ActorProcessingErr> {
        state.load.handled();
        let ending = match message {
            RoleMsg::Look => Ending::Well,
            RoleMsg::Answered(ending) => {
                state.agenda.answering_ended(ending, now());
                ending
            }
            RoleMsg::Ticked(ending) => {
                state.agenda.ticking_ended(ending, now());
                ending
            }
            RoleMsg::Panic => panic!("a drill: {} was told to panic", self.name),
        };
        if ending == Ending::Deposed {
            myself.stop(Some("deposed".to_owned()));
            return Ok(());
        }
        self.look(state);
        state.load.in_flight.store(state.agenda.in_flight(), Ordering::Relaxed);
        Ok(())
    }
}

impl RoleActor {
    fn look(&self, state: &mut RoleState) {
        state.desk.bell.heard();
        let (question, alarm) = self.replica.read(|view| {
            let question = dag::questions(view, self.id, 1).into_iter().next();
            (question, timer::next(view, self.id))
        });
        let plan = state.agenda.plan(Sight { now: now(), question, alarm });
        self.carry_out(plan, state);
    }

    fn carry_out(&self, plan: Plan, state: &mut RoleState) {
        if plan.answer {
            let (role, post) = (self.clone(), state.post.clone());
            tokio::spawn(async move { post.send(RoleMsg::Answered(role.answer().await)) });
        }
        if plan.tick {
            let (role, post) = (self.clone(), state.post.clone());
            tokio::spawn(async move { post.send(RoleMsg::Ticked(role.tick().await)) });
        }
        if let Some(alarm) = state.alarm.take() {
            alarm.abort();
        }
        let wakes_at = plan.wake_at.map_or(u64::MAX, |Moment(at)| at);
        state.desk.wakes_at.store(wakes_at, Ordering::Release);
        if let Some(at) = plan.wake_at {
            let post = state.post.clone();
            let sleep = until(at, now());
            let sleeper = tokio::spawn(async move {
                tokio::time::sleep(sleep).await;
                post.send(RoleMsg::Look);
            });
            state.alarm = Some(sleeper.abort_handle());
        }
    }

    /// Computes answers on a thread that may block, and proposes them.
    async fn answer(&self) -> Ending {
        let (replica, resolver, role) = (self.replica.clone(), Arc::clone(&self.resolver), self.id);
        let computed = tokio::task::spawn_blocking(move || {
            replica.read(|view| resolver.answers(view, role, now()))
        });
        let Ok(answers) = computed.await else { return Ending::Later };
        if answers.is_empty() {
            return Ending::Well;
        }
        let count = answers.len();
        let command =
            Command::Dag(dag::Command::Answer { role: self.id, epoch: self.epoch, answers });
        let ending = self.propose(command).await;
        if ending == Ending::Well {
            crate::metric::questions_answered(count);
        }
        ending
    }

    async fn tick(&self) -> Ending {
        let command = timer::Command::Tick { role: self.id, epoch: self.epoch };
        self.propose(Command::Timer(command)).await
    }

    async fn propose(&self, command: Command) -> Ending {
        let by = Principal(format!("role:{}", self.name));
        match self.replica.propose(by, self.pool.offer(), command).await {
            Ok(_) => Ending::Well,
            Err(ProposeError::Refused(Rejection::StaleEpoch { current, .. })) => {
                tracing::info!(role = self.name, ours = %self.epoch, %current, "deposed");
                Ending::Deposed
            }
            Err(ProposeError::Busy { .. }) => Ending::Later,
            Err(why) => {
                tracing::warn!(role = self.name, %why, "a proposal was not accepted");
                Ending::Later
            }
        }
    }
}
