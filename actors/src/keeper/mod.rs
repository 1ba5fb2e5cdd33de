//! A role like any other, held by one node: forgets finished runs and the feed when their time is over.
//!
//! It is a role actor with a chore beside it: alarms and questions are the role actor's business; every period it looks
//! for what is too old and proposes that it be forgotten, a bounded piece at a time. What counts as too old are settings of the
//! cell and of each workflow.

use std::sync::Arc;
use std::time::Duration;

use oarlock_engine::access::Principal;
use oarlock_engine::command::Command;
use oarlock_engine::id::Revision;
use oarlock_engine::run::PURGE_RUNS_MAX;
use oarlock_engine::setting::{self, FEED_RETENTION_MS, RETENTION_MS};
use oarlock_engine::store::View;
use oarlock_engine::time::{Moment, Span};
use oarlock_engine::{feed, role, run};
use oarlock_raft::ProposeError;
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SupervisionEvent};
use ractor_cluster::RactorMessage;

use crate::post::Post;
use crate::role::{RoleActor, card};
use crate::status::{ActorKind, Entry, Load, now};

/// How long finished runs are kept where nobody says otherwise.
const RETENTION: Span = Span(30 * 24 * 60 * 60 * 1_000);
/// How long the feed is kept where nobody says otherwise.
const FEED_RETENTION: Span = Span(7 * 24 * 60 * 60 * 1_000);
/// The name on the keeper's card.
pub(crate) const ID: &str = "keeper";
/// Batches in one round: what is left waits for the next one.
const BATCHES_MAX: usize = 64;

/// What the keeper is told.
#[derive(RactorMessage)]
pub(crate) enum KeeperMsg {
    /// A period is over.
    Round,
    /// The round is over.
    Done,
    /// Panic, for drills.
    Panic,
}

/// What it needs: what its role actor needs, and a period.
pub(crate) struct Keeper {
    pub(crate) role: RoleActor,
    pub(crate) every: Duration,
}

/// What it has.
pub(crate) struct KeeperState {
    load: Arc<Load>,
    post: Post<KeeperMsg>,
    at_work: bool,
    /// Drives the role's alarms; it lives and dies with the keeper.
    driver: ActorCell,
}

impl Actor for Keeper {
    type Msg = KeeperMsg;
    type State = KeeperState;
    type Arguments = ();

    async fn pre_start(
        &self,
        myself: ActorRef<KeeperMsg>,
        (): (),
    ) -> Result<KeeperState, ActorProcessingErr> {
        let panicking = myself.clone();
        let load = self.role.board.started(Entry {
            id: ID.to_owned(),
            parent: Some(crate::scheduler::ID.to_owned()),
            kind: ActorKind::Keeper,
            name: format!("every {:?}", self.every),
            cell: myself.get_cell(),
            panic: Box::new(move || drop(panicking.send_message(KeeperMsg::Panic))),
        });
        let role = RoleActor { parent: ID, ..self.role.clone() };
        let (driver, _) = Actor::spawn_linked(None, role, (), myself.get_cell()).await?;
        let post = Post::new(myself.clone(), Arc::clone(&load));
        post.send(KeeperMsg::Round);
        let counter = Arc::clone(&load);
        myself.send_interval(self.every, move || {
            counter.sent();
            KeeperMsg::Round
        });
        Ok(KeeperState { load, post, at_work: false, driver: driver.get_cell() })
    }

    async fn handle(
        &self,
        _myself: ActorRef<KeeperMsg>,
        message: KeeperMsg,
        state: &mut KeeperState,
    ) -> Result<(), ActorProcessingErr> {
        state.load.handled();
        match message {
            KeeperMsg::Round if !state.at_work => {
                state.at_work = true;
                let (role, post) = (self.role.clone(), state.post.clone());
                tokio::spawn(async move {
                    if let Err(why) = round(&role).await {
                        tracing::warn!(%why, "the keeper could not finish its round");
                    }
                    post.send(KeeperMsg::Done);
                });
            }
            KeeperMsg::Round => {}
            KeeperMsg::Done => state.at_work = false,
            KeeperMsg::Panic => panic!("a drill: the keeper was told to panic"),
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<KeeperMsg>,
        event: SupervisionEvent,
        state: &mut KeeperState,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(cell, why) if cell.get_id() == state.driver.get_id() => {
                self.role.board.died(&card(&self.role.name), &why.to_string());
                Err(why)
            }
            SupervisionEvent::ActorTerminated(cell, _, why)
                if cell.get_id() == state.driver.get_id() =>
            {
                myself.stop(why);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Forgets what is too old, in pieces. A keeper that has lost the role without noticing is refused.
async fn round(role: &RoleActor) -> Result<(), ProposeError> {
    let replica = &role.replica;
    let act = |command: Command| {
        let command = Box::new(command);
        Command::Role(role::Command::Act { role: role.id, epoch: role.epoch, command })
    };
    let by = Principal(format!("role:{}", role::name::KEEPER));
    for _ in 0..BATCHES_MAX {
        let runs = replica.read(|view| {
            let default = setting::span(view, RETENTION_MS).unwrap_or(RETENTION);
            run::expired(view, now(), default, PURGE_RUNS_MAX)
        });
        let count = runs.len();
        if count == 0 {
            break;
        }
        tracing::info!(count, "forgetting finished runs");
        let purge = act(run::Command::Purge { runs }.into());
        replica.propose(by.clone(), None, purge).await?;
        crate::metric::runs_purged(count);
        if count < PURGE_RUNS_MAX {
            break;
        }
    }
    let before = replica.read(|view| {
        let kept = setting::span(view, FEED_RETENTION_MS).unwrap_or(FEED_RETENTION);
        first_since(view, Moment(now().0.saturating_sub(kept.0)))
    });
    if let Some(before) = before {
        let trim = act(feed::Command::Trim { before }.into());
        replica.propose(by, None, trim).await?;
    }
    Ok(())
}

/// The first revision that is not older than a moment, if there are older ones: found by halving, moments never run backwards.
fn first_since(view: &dyn View, moment: Moment) -> Option<Revision> {
    let (oldest, newest) = (feed::oldest(view), feed::revision(view));
    let young = |revision: u64| {
        let next = feed::after(view, Revision(revision.saturating_sub(1)), 1);
        next.first().is_none_or(|record| record.at >= moment)
    };
    let (mut low, mut high) = (oldest.0, newest.0.saturating_add(1));
    while low < high {
        let middle = low + (high - low) / 2;
        if young(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    (low > oldest.0).then_some(Revision(low))
}
